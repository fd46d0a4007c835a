//! Programs assembled with either library, and hosts that lie.

use std::sync::Arc;

use miden_core::{EventName, Felt, Program, StackInputs, Word};
use miden_cvm_library::core_library;
use miden_cvm_processor::{
    AdviceInputs, AdviceMutation, DefaultHost, ExecutionInputs, ExecutionTrace, ProcessState,
    execute, execute_traced,
};
use miden_cvm_prover::{OptionSet, ProofSettings, ProveOptions, prove_trace};
use miden_cvm_verifier::{Expectations, verify};

#[path = "../common/code.rs"]
mod code;

pub use code::{Code, Corrected, Published};

impl Code {
    /// Runs a program; gives the 16 elements of its stack, or what it traps with.
    pub fn run(self, source: &str, stack: &[u64], lie: &Lie) -> Result<Vec<u64>, String> {
        run(&self.assemble(source), stack, lie)
    }
}

pub fn run(program: &Program, stack: &[u64], lie: &Lie) -> Result<Vec<u64>, String> {
    let output = execute(
        ExecutionInputs {
            arguments: inputs(stack).into(),
            advice: lie.advice.clone(),
            ..ExecutionInputs::new(program)
        },
        &mut lie.host(),
    );
    let output = output.map_err(|error| error.to_string())?;
    Ok(output.stack.iter().map(Felt::as_int).collect())
}

/// Proves a run, and lets the verifier accept the proof. Gives the stack that it says the run ended
/// with.
pub fn proven(program: &Program, stack: &[u64], lie: &Lie) -> Vec<u64> {
    let ExecutionTrace {
        trace,
        public,
        requests,
        ..
    } = execute_traced(
        ExecutionInputs {
            arguments: inputs(stack).into(),
            advice: lie.advice.clone(),
            ..ExecutionInputs::new(program)
        },
        &mut lie.host(),
    )
    .expect("the program runs");
    let options = ProveOptions::from(ProofSettings::from(OptionSet::Fast96));
    let proof = prove_trace(trace, public.clone(), &options)
        .expect("the trace is valid")
        .with_requests(requests)
        .expect("there are few requests");
    let expectations = Expectations::from(OptionSet::Fast96.level());
    verify(&public, &proof.to_bytes(), &expectations).expect("the proof is valid");
    public.stack_outputs.iter().map(Felt::as_int).collect()
}

/// The elements, the first one on top.
fn inputs(stack: &[u64]) -> StackInputs {
    let bottom_first = stack.iter().rev().map(|&element| Felt::new(element));
    StackInputs::new(bottom_first.collect()).expect("at most 16 elements")
}

/// The answer of a host at an event, in the state that it sees: elements for the advice stack, top
/// first.
type Answer = Arc<dyn Fn(&ProcessState<'_>) -> Vec<Felt> + Send + Sync>;

/// The answers of a host that is not honest, and the advice that it starts with.
#[derive(Clone, Default)]
pub struct Lie {
    pub advice: AdviceInputs,
    answers: Vec<(EventName, Answer)>,
}

impl Lie {
    /// A host that tells the truth.
    pub fn none() -> Self {
        Self::default()
    }

    /// A host that says this whenever `event` is emitted.
    pub fn at(event: &'static str, answer: &[u64]) -> Self {
        let answer: Vec<Felt> = answer.iter().map(|&element| Felt::new(element)).collect();
        Self::none().by(event, move |_| answer.clone())
    }

    /// The same host, which says at `event` what it makes of the state.
    pub fn by(
        mut self,
        event: &'static str,
        answer: impl Fn(&ProcessState<'_>) -> Vec<Felt> + Send + Sync + 'static,
    ) -> Self {
        self.answers.push((EventName::new(event), Arc::new(answer)));
        self
    }

    /// A host that has this on its advice stack, top first.
    pub fn stack(elements: &[u64]) -> Self {
        let elements = elements.iter().map(|&element| Felt::new(element));
        Self {
            advice: AdviceInputs::default().with_stack(elements),
            ..Self::default()
        }
    }

    /// The same, with an entry of the advice map.
    pub fn with_entry(mut self, key: Word, values: &[Felt]) -> Self {
        self.advice = self.advice.with_map([(key, values.to_vec())]);
        self
    }

    fn host(&self) -> DefaultHost {
        let mut host = DefaultHost::default();
        host.load_forest(core_library().mast_forest().clone());
        for (event, answer) in &self.answers {
            host.unregister_handler(event);
            let answer = answer.clone();
            // The last one is on top.
            let handler = move |state: &ProcessState<'_>| {
                let mut elements = answer(state);
                elements.reverse();
                Ok(vec![AdviceMutation::extend_stack(elements)])
            };
            host.register_handler(event.clone(), Arc::new(handler))
                .expect("the event has no handler");
        }
        host
    }
}
