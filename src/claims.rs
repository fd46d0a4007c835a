//! Runs of claimed instances: for their results, and for the proofs of the claims.

use std::{fmt, sync::Arc};

use miden_cvm_component::ClaimedExport;
use miden_cvm_processor::{AdviceMutation, EventHandler, HostError, ProcessState};
use miden_cvm_verifier::{Claim, ClaimedProgram, ClaimedRun, claims_among};
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
        Inputs {
            arguments: stack_inputs(&claim.run.inputs).into(),
            advice: self.advice.clone(),
        }
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

/// A claimed instance whose run gives no results.
#[derive(Debug, Error)]
enum AnswerError {
    #[error("no claimed instance has this program and composition")]
    Unknown,
    #[error("the run of `{instance}.{export}` for the results that are claimed failed: {reason}")]
    Failed {
        instance: String,
        export: String,
        reason: String,
    },
}

/// Answers for claimed instances: runs them for their results, and notes the claims.
pub(crate) struct Claims(pub(crate) Arc<[Claimed]>);

impl EventHandler for Claims {
    /// `[event, id, caller, zeros, inputs 8 to 15, inputs 0 to 7]`; pushes the outputs, of which
    /// the deepest is read first.
    fn on_event(&self, state: &ProcessState<'_>) -> Result<Vec<AdviceMutation>, HostError> {
        let word = |first: usize| -> Word { state.get_stack_word_be(first) };
        let id = word(1);
        let claimed = self.0.iter().find(|claimed| claimed.program.id() == id);
        let claimed = claimed.ok_or(AnswerError::Unknown)?;
        let inputs: [Felt; 16] = core::array::from_fn(|i| state.get_stack_item(13 + (i + 8) % 16));
        let output = execute(
            &claimed.target,
            stack_inputs(&inputs),
            claimed.advice.clone(),
            &mut claimed.target.host(),
            claimed.options,
        );
        let output = output.map_err(|error| AnswerError::Failed {
            instance: claimed.instance.clone(),
            export: claimed.export.clone(),
            reason: match claimed.target.describe(&error) {
                Some(trap) => trap.to_string(),
                None => error.to_string(),
            },
        })?;
        let outputs: [Felt; 16] = core::array::from_fn(|i| output.stack[i]);
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
