//! Claimed instances whose owner runs the service.

use std::{collections::BTreeMap, path::Path};

use miden_cvm::{
    AdviceInputs, Claimed, ClaimedProgram, ExecutionOptions, Felt, Inputs, Loader, Target,
    TargetError, Word,
};
use thiserror::Error;

/// The claimed programs that a service owns: they are run with the advice that it has for them, which nobody else
/// sees.
#[derive(Debug, Default)]
pub struct Owned(Vec<Claimed>);

/// Why advice is for nothing that is claimed.
#[derive(Debug, Error)]
pub enum OwnedError {
    /// The composition cannot be loaded.
    #[error(transparent)]
    Composition(#[from] Box<TargetError>),
    /// Nothing is claimed there by this name.
    #[error("the composition has no claimed instance `{0}`")]
    Instance(String),
    /// There is more than advice.
    #[error("the inputs of `{0}`: a claimed instance has none of its own but advice")]
    Inputs(String),
    /// The system gives no random numbers.
    #[error("there are no random numbers: {0}")]
    Random(getrandom::Error),
}

impl Owned {
    /// What is claimed of the named instances in a composition, with the inputs that each has. The composition need
    /// not be the one that calls them: programs are told by their hash, and that of the composition that is claimed.
    ///
    /// # Errors
    /// Returns an error if the composition cannot be loaded, or does not claim one of the instances.
    pub fn of(path: &Path, inputs: BTreeMap<String, Inputs>) -> Result<Self, OwnedError> {
        let mut target = Loader::new().load(path).map_err(Box::new)?;
        let mut all = BTreeMap::new();
        for (instance, inputs) in inputs {
            let advice = inputs.only_advice();
            let advice = advice.ok_or_else(|| OwnedError::Inputs(instance.clone()))?;
            all.insert(instance, salted(advice)?);
        }
        target.prepare_claims(
            &|instance| all.get(instance).cloned(),
            ExecutionOptions::default(),
        );
        let mut owned = Vec::new();
        collect(&target, &mut owned);
        owned.retain(|claimed| all.contains_key(claimed.instance()));
        let mut names = all.into_keys();
        match names.find(|name| owned.iter().all(|claimed| claimed.instance() != name)) {
            Some(unknown) => Err(OwnedError::Instance(unknown)),
            None => Ok(Self(owned)),
        }
    }

    /// What is owned of a job's target: its program in its composition.
    pub fn claimed(&self, target: &Target) -> Option<&Claimed> {
        let program = ClaimedProgram {
            program_hash: target.program().hash(),
            composition: target.composition()?.commitment(),
        };
        let mut owned = self.0.iter();
        let is_alone = target.program().kernel().is_empty();
        owned.find(|claimed| is_alone && claimed.program() == program)
    }
}

/// All that is claimed in a target, and in what is claimed.
fn collect(target: &Target, into: &mut Vec<Claimed>) {
    for claimed in target.claims() {
        let is_known = |known: &Claimed| known.program() == claimed.program();
        if !into.iter().any(is_known) {
            into.push(claimed.clone());
            collect(claimed.target(), into);
        }
    }
}

/// Advice with an entry in its map that nobody asks for. Jobs and their objects are named by hashes, from which
/// advice that can be guessed could be found otherwise.
fn salted(mut advice: AdviceInputs) -> Result<AdviceInputs, OwnedError> {
    let mut salt = [0; 32];
    getrandom::fill(&mut salt).map_err(OwnedError::Random)?;
    let (numbers, _) = salt.as_chunks::<8>();
    let element = |i: usize| Felt::new(u64::from_le_bytes(numbers[i]));
    let key = Word::new(std::array::from_fn(element));
    advice.map.insert(key, Vec::new());
    Ok(advice)
}
