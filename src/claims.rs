//! Runs of claimed instances: for their results, and for the proofs of the claims.

use std::{fmt, sync::Arc};

use miden_core::crypto::hash::Rpo256;
use miden_cvm_component::ClaimedExport;
use miden_cvm_processor::{AdviceMutation, EventHandler, HostError, ProcessState};
use miden_cvm_verifier::{CLAIM_EVENT, Claim, ClaimedProgram, ClaimedRun, claims_among};
use thiserror::Error;

use crate::{
    AdviceInputs, ExecutionOptions, Felt, Inputs, Proof, StackInputs, Target, Word, execute,
};

/// An export of a claimed instance, as something that can be run: calls of it are claims.
#[derive(Clone)]
pub struct Claimed {
    instance: String,
    export: String,
    program: ClaimedProgram,
    target: Target,
    advice: AdviceInputs,
    options: ExecutionOptions,
}

impl Claimed {
    pub(crate) fn new(claim: &ClaimedExport) -> Self {
        Self {
            instance: claim.instance.clone(),
            export: claim.export.clone(),
            program: claim.program(),
            target: Target::from((*claim.composition).clone()),
            advice: AdviceInputs::default(),
            options: ExecutionOptions::default(),
        }
    }

    /// The export of an instance whose calls are claims of runs of this target; nothing if there can be none,
    /// since it has no composition.
    pub(crate) fn of_target(
        instance: String,
        export: String,
        target: Target,
        advice: AdviceInputs,
    ) -> Option<Self> {
        let program = ClaimedProgram {
            program_hash: target.program().hash(),
            composition: target.composition()?.commitment(),
        };
        Some(Self {
            instance,
            export,
            program,
            target,
            advice,
            options: ExecutionOptions::default(),
        })
    }

    /// The name of the instance.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// The name of the export.
    pub fn export(&self) -> &str {
        &self.export
    }

    /// The subject of claims of it.
    pub fn program(&self) -> ClaimedProgram {
        self.program
    }

    /// The program that runs: the instance with all that it reaches, in a composition of its own.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The advice that it runs with.
    pub fn advice(&self) -> &AdviceInputs {
        &self.advice
    }

    /// The options that it runs with.
    pub(crate) fn options(&self) -> ExecutionOptions {
        self.options
    }

    /// Sets advice, by instance, and options for it and for what is claimed in it.
    pub(crate) fn prepare(
        &mut self,
        advice: &dyn Fn(&str) -> Option<AdviceInputs>,
        options: ExecutionOptions,
    ) {
        if let Some(advice) = advice(&self.instance) {
            self.advice = advice;
        }
        self.options = options;
        self.target.prepare_claims(advice, options);
    }

    /// The inputs of a run that a claim of it is about.
    pub fn inputs(&self, claim: &Claim) -> Inputs {
        self.inputs_for(&claim.run.inputs)
    }

    /// The inputs of a run for these elements of the stack, the top first.
    pub fn inputs_for(&self, stack: &[Felt; 16]) -> Inputs {
        Inputs {
            arguments: stack_inputs(stack).into(),
            advice: self.advice.clone(),
        }
    }

    /// Runs it for its results. What is claimed in it is answered by `results`.
    ///
    /// # Errors
    /// If the run traps.
    pub fn run(
        &self,
        inputs: &[Felt; 16],
        results: Arc<dyn ClaimResults>,
    ) -> Result<[Felt; 16], HostError> {
        let Inputs { arguments, advice } = self.inputs_for(inputs);
        let host = &mut self.target.host_with(results);
        let output = execute(&self.target, arguments, advice, host, self.options);
        let output = output.map_err(|error| AnswerError::Failed {
            instance: self.instance.clone(),
            export: self.export.clone(),
            reason: match self.target.describe(&error) {
                Some(trap) => trap.to_string(),
                None => error.to_string(),
            },
        })?;
        Ok(core::array::from_fn(|i| output.stack[i]))
    }
}

impl fmt::Debug for Claimed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The advice is its owner's business.
        f.debug_struct("Claimed")
            .field("instance", &self.instance)
            .field("export", &self.export)
            .field("program", &self.program)
            .finish_non_exhaustive()
    }
}

/// Where the results of claimed calls come from, if the advice does not have them.
pub trait ClaimResults: Send + Sync {
    /// The results of a call with these elements, the top first.
    ///
    /// # Errors
    /// If there are none.
    fn results(&self, claimed: &Claimed, inputs: &[Felt; 16]) -> Result<[Felt; 16], HostError>;
}

/// Results of runs in this process, with the advice that [`Target::prepare_claims`] has set.
#[derive(Debug, Clone, Copy)]
pub struct RunHere;

impl ClaimResults for RunHere {
    fn results(&self, claimed: &Claimed, inputs: &[Felt; 16]) -> Result<[Felt; 16], HostError> {
        claimed.run(inputs, Arc::new(Self))
    }
}

/// The key under which the map of the advice can have the results of a claimed call.
fn results_key(program: ClaimedProgram, inputs: &[Felt; 16]) -> Word {
    let mut elements = vec![CLAIM_EVENT.to_event_id().as_felt()];
    elements.extend(program.id());
    elements.extend(inputs);
    Rpo256::hash_elements(&elements)
}

impl Inputs {
    /// The inputs with the results of claimed calls, in the map of the advice: these are not run then. Like all
    /// advice they need not be true, but what is claimed is that they are.
    #[must_use]
    pub fn with_results(mut self, runs: impl IntoIterator<Item = ClaimedRun>) -> Self {
        for run in runs {
            let key = results_key(run.program, &run.inputs);
            self.advice.map.insert(key, run.outputs.to_vec());
        }
        self
    }
}

/// A claimed instance whose run gives no results.
#[derive(Debug, Error)]
enum AnswerError {
    #[error("no claimed instance has this program and composition")]
    Unknown,
    #[error(
        "the advice has {found} elements as the results of `{instance}.{export}`, which are 16"
    )]
    Length {
        instance: String,
        export: String,
        found: usize,
    },
    #[error("the run of `{instance}.{export}` for the results that are claimed failed: {reason}")]
    Failed {
        instance: String,
        export: String,
        reason: String,
    },
}

/// Answers for claimed instances, and notes the claims.
pub(crate) struct Claims {
    pub(crate) claimed: Arc<[Claimed]>,
    pub(crate) results: Arc<dyn ClaimResults>,
}

impl EventHandler for Claims {
    /// `[event, id, caller, zeros, inputs 8 to 15, inputs 0 to 7]`; pushes the outputs, of which
    /// the deepest is read first.
    fn on_event(&self, state: &ProcessState<'_>) -> Result<Vec<AdviceMutation>, HostError> {
        let word = |first: usize| -> Word { state.get_stack_word_be(first) };
        let id = word(1);
        let mut known = self.claimed.iter();
        let claimed = known.find(|claimed| claimed.program.id() == id);
        let claimed = claimed.ok_or(AnswerError::Unknown)?;
        let inputs: [Felt; 16] = core::array::from_fn(|i| state.get_stack_item(13 + (i + 8) % 16));
        let key = results_key(claimed.program, &inputs);
        let outputs = match state.advice_provider().get_mapped_values(&key) {
            Some(results) => results.try_into().map_err(|_| AnswerError::Length {
                instance: claimed.instance.clone(),
                export: claimed.export.clone(),
                found: results.len(),
            })?,
            None => self.results.results(claimed, &inputs)?,
        };
        let claim = Claim {
            caller: word(5),
            run: ClaimedRun {
                program: claimed.program,
                inputs,
                outputs,
            },
        };
        Ok(vec![
            AdviceMutation::extend_stack(outputs),
            AdviceMutation::extend_precompile_requests([claim.request()]),
        ])
    }
}

fn stack_inputs(inputs: &[Felt; 16]) -> StackInputs {
    // The last one is the top; there are as many as there may be.
    StackInputs::new(inputs.iter().rev().copied().collect()).unwrap_or_default()
}

/// The claims that a proof's run makes, in the order of its calls.
pub fn claims_of(proof: &Proof) -> Vec<Claim> {
    claims_among(proof.requests())
}
