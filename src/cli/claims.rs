//! Claims whose results or proofs come from services.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use clap::Args;
use miden_cvm::{
    AdviceInputs, Claim, ClaimResults, Claimed, ClaimedProgram, ClaimedRun, ExecutionOptions, Felt,
    HostError, Inputs, Proof, ProofSettings, ProveOptions, ProvenRun, StackOutputs, Target,
    claims_of, execute, prove,
};

use super::{
    answers::numbers,
    outcome::Failure,
    progress::Progress,
    service::{RemoteArgs, Service},
    source::{Loaded, Stderr, claims, of_claimed},
};

/// The services of owners.
#[derive(Debug, Args)]
pub struct OwnersArgs {
    /// Ask the service of a claimed instance's owner for the results of its calls and for their proofs; can be
    /// given several times. The environment variable MIDEN_CVM_CLAIM_TOKEN has the token to authenticate with
    #[arg(
        long, value_name = "INSTANCE=URL", value_parser = of_claimed::<String>, requires = "bundle"
    )]
    claim_remote: Vec<(String, String)>,
}

impl OwnersArgs {
    /// The addresses by instance.
    fn addresses(&self, target: &Target) -> Result<BTreeMap<String, String>, Failure> {
        let mut addresses = BTreeMap::new();
        for (instance, url) in &self.claim_remote {
            if !claims(target, instance) {
                return Err(Failure::usage(format!(
                    "--claim-remote: the composition has no claimed instance `{instance}`"
                )));
            }
            if addresses.insert(instance.clone(), url.clone()).is_some() {
                return Err(Failure::usage(format!(
                    "--claim-remote: the service of `{instance}` is given twice"
                )));
            }
        }
        check_owners(target, None, &addresses)?;
        Ok(addresses)
    }
}

/// Checks that nothing that is claimed by what an owner runs has a service of somebody else, whom that owner's service
/// does not ask.
fn check_owners(
    target: &Target,
    around: Option<(&str, &str)>,
    addresses: &BTreeMap<String, String>,
) -> Result<(), Failure> {
    for claimed in target.claims() {
        let own = addresses.get(claimed.instance()).map(String::as_str);
        if let (Some((instance, url)), Some(own)) = (around, own)
            && own != url
        {
            return Err(Failure::usage(format!(
                "--claim-remote: `{inner}` is claimed in `{instance}`, whose owner's service at {url} gives its \
                 results too, and does not ask another one: leave `{inner}` out",
                inner = claimed.instance()
            )));
        }
        let around = own.map(|url| (claimed.instance(), url)).or(around);
        check_owners(claimed.target(), around, addresses)?;
    }
    Ok(())
}

/// A call of a claimed instance, as a key: the program, the composition and what it is called with.
type Call = Vec<u64>;

fn call(program: ClaimedProgram, inputs: &[Felt; 16]) -> Call {
    let program = [program.program_hash, program.composition];
    let elements = program.iter().flat_map(|word| word.iter()).chain(inputs);
    elements.map(|element| element.as_int()).collect()
}

/// What is known of claimed calls.
#[derive(Default)]
struct Known {
    runs: BTreeMap<Call, ClaimedRun>,
    /// Proofs that came with the results.
    proofs: BTreeMap<Call, ProvenRun>,
    /// The services of owners in whose proofs the calls are.
    made_at: BTreeMap<Call, String>,
}

struct Parts {
    remote: RemoteArgs,
    owners: BTreeMap<String, String>,
    options: ExecutionOptions,
    settings: ProofSettings,
    progress: Progress,
    known: Mutex<Known>,
}

/// The claims of a run: it knows who has their results, and who proves them.
#[derive(Clone)]
pub struct Claims(Arc<Parts>);

impl Claims {
    /// The claims of a target's run.
    ///
    /// # Errors
    /// Returns an error if there is an owner of something that is not claimed.
    pub fn of(
        loaded: &Loaded,
        remote: &RemoteArgs,
        owners: &OwnersArgs,
        settings: ProofSettings,
        progress: &Progress,
    ) -> Result<Self, Failure> {
        Ok(Self(Arc::new(Parts {
            remote: remote.clone(),
            owners: owners.addresses(&loaded.target)?,
            // Claims are not proven in slices.
            options: loaded
                .options
                .with_debug(false)
                .with_tracing(false)
                .with_slices(1),
            settings,
            progress: progress.clone(),
            known: Mutex::default(),
        })))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the claimed calls of a run answered and puts the results into its advice, if owners are asked for them or if the
    /// run is proven somewhere else, where nobody has the advice of claimed instances.
    ///
    /// # Errors
    /// Returns an error if the run traps, or if there are no results.
    pub fn answer(&self, loaded: &mut Loaded) -> Result<(), Failure> {
        let is_elsewhere = self.0.remote.service().is_some() || !self.0.owners.is_empty();
        if loaded.target.claims().is_empty() || !is_elsewhere {
            return Ok(());
        }
        self.0.progress.stage("asking for claimed results");
        let Inputs { arguments, advice } = loaded.inputs.clone();
        let host = loaded.target.host_with(Arc::new(self.clone()));
        let host = &mut host.with_debug_writer(Stderr);
        let ran = execute(&loaded.target, arguments, advice, host, self.0.options);
        ran.map_err(|error| loaded.failure(&error))?;
        let inputs = std::mem::take(&mut loaded.inputs);
        loaded.inputs = inputs.with_results(self.results_in(&loaded.target));
        Ok(())
    }

    /// The known runs that a target's run can claim.
    fn results_in(&self, target: &Target) -> Vec<ClaimedRun> {
        let known = self.known();
        let runs = known.runs.values().filter(|run| {
            let mut claims = target.claims().iter();
            claims.any(|claimed| claimed.program() == run.program)
        });
        runs.copied().collect()
    }

    /// Checks that a proof from somewhere else claims what was answered.
    ///
    /// # Errors
    /// Returns an error if it claims other results.
    pub fn check(&self, target: &Target, proof: &Proof) -> Result<(), Failure> {
        let known = self.known();
        for claim in claims_of(proof) {
            let mut claims = target.claims().iter();
            let claimed = claims.find(|claimed| claimed.program() == claim.run.program);
            if let Some(claimed) = claimed
                && known.runs.get(&call(claim.run.program, &claim.run.inputs)) != Some(&claim.run)
            {
                return Err(Failure::failed(format!(
                    "the service sent a proof with a claim of other results of `{}.{}` than it was given",
                    claimed.instance(),
                    claimed.export()
                )));
            }
        }
        Ok(())
    }

    /// Proves a claim, or has it proven: by its owner, by the service that proves the run, or here.
    ///
    /// # Errors
    /// Returns an error if there is no proof, or if the claim is not true.
    pub fn prove(&self, claimed: &Claimed, claim: &Claim) -> Result<ProvenRun, Failure> {
        let key = call(claim.run.program, &claim.run.inputs);
        let (owner, given) = {
            let mut known = self.known();
            let own = self.0.owners.get(claimed.instance());
            let owner = known.made_at.get(&key).or(own).cloned();
            (owner, known.proofs.remove(&key))
        };
        let run = match (&owner, given) {
            (_, Some(run)) => run,
            (Some(url), None) => self.ask(url, claimed, &claim.run.inputs)?,
            (None, None) => self.prove_with_advice(claimed, claim)?,
        };
        check_claim(claim, &run.outputs)?;
        if let Some(url) = owner {
            let mut known = self.known();
            for within in claims_of(&run.proof) {
                let key = call(within.run.program, &within.run.inputs);
                known.made_at.insert(key, url.clone());
            }
        }
        Ok(run)
    }

    /// Proves a claim with the advice that there is here.
    fn prove_with_advice(&self, claimed: &Claimed, claim: &Claim) -> Result<ProvenRun, Failure> {
        let target = claimed.target();
        let inputs = claimed.inputs(claim).with_results(self.results_in(target));
        let fetched = self.0.remote.service().map(|service| {
            let target = without_advice(target);
            self.send(service, &target, &inputs)
        });
        if let Some(run) = fetched.transpose()?.flatten() {
            self.check(target, &run.proof)?;
            return Ok(run);
        }
        let Inputs { arguments, advice } = inputs;
        let (host, options) = (&mut target.host(), self.0.options);
        let proving = ProveOptions::from(self.0.settings);
        prove(target, arguments, advice, host, options, &proving).map_err(Failure::failed)
    }

    /// Has a claimed call run and proven by its owner, who has the advice.
    fn ask(&self, url: &str, claimed: &Claimed, inputs: &[Felt; 16]) -> Result<ProvenRun, Failure> {
        let inputs = Inputs {
            advice: AdviceInputs::default(),
            ..claimed.inputs_for(inputs)
        };
        let target = without_advice(claimed.target());
        let proven = self.send(Service::Owner(url), &target, &inputs);
        let of_owner = |reason: String| {
            let (instance, export) = (claimed.instance(), claimed.export());
            Failure::failed(format!(
                "the owner of `{instance}.{export}` at {url}: {reason}"
            ))
        };
        let proven = proven.map_err(|failure| of_owner(failure.to_string()))?;
        proven.ok_or_else(|| of_owner("it is not there".into()))
    }

    fn send(
        &self,
        service: Service<'_>,
        target: &Target,
        inputs: &Inputs,
    ) -> Result<Option<ProvenRun>, Failure> {
        let Parts {
            remote,
            options,
            settings,
            progress,
            ..
        } = &*self.0;
        let fetched = remote.prove(service, target, inputs, options, *settings, progress)?;
        Ok(fetched.map(|fetched| fetched.run))
    }
}

impl ClaimResults for Claims {
    fn results(&self, claimed: &Claimed, inputs: &[Felt; 16]) -> Result<[Felt; 16], HostError> {
        let key = call(claimed.program(), inputs);
        if let Some(run) = self.known().runs.get(&key) {
            return Ok(run.outputs);
        }
        let outputs = match self.0.owners.get(claimed.instance()) {
            Some(url) => {
                let run = self.ask(url, claimed, inputs);
                let run = run.map_err(|failure| failure.to_string())?;
                let outputs = core::array::from_fn(|i| run.outputs[i]);
                self.known().proofs.insert(key.clone(), run);
                outputs
            }
            None => claimed.run(inputs, Arc::new(self.clone()))?,
        };
        let run = ClaimedRun {
            program: claimed.program(),
            inputs: *inputs,
            outputs,
        };
        self.known().runs.insert(key, run);
        Ok(outputs)
    }
}

/// A target without the advice of what is claimed in it, which is not the business of who proves it.
pub fn without_advice(target: &Target) -> Target {
    let mut target = target.clone();
    let none = |_: &str| Some(AdviceInputs::default());
    target.prepare_claims(&none, ExecutionOptions::default());
    target
}

/// Checks that a run has the results that are claimed of it.
///
/// # Errors
/// Returns an error if it has others.
pub fn check_claim(claim: &Claim, outputs: &StackOutputs) -> Result<(), Failure> {
    match claim.run.outputs[..] == outputs[..] {
        true => Ok(()),
        false => Err(Failure::failed(format!(
            "the claim is not true: it says that the run ends with [{}], but it ends with [{}]",
            numbers(&claim.run.outputs).join(", "),
            numbers(&outputs[..]).join(", ")
        ))),
    }
}
