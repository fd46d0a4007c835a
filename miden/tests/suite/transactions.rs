//! Eight transactions as files of their inputs: run on this machine and on Miden's.

use std::sync::Arc;

use miden_core::{DebugOptions, Felt, Word, mast::MastForest};
use miden_cvm_miden::{
    ExecutionOptions,
    hosted::{Prompt, Run},
};
use miden_processor::{AdviceMutation, BaseHost, EventError, ProcessState, SyncHost};
use miden_protocol::{
    assembly::{SourceFile, SourceSpan, debuginfo::Location},
    transaction::{TransactionInputs, TransactionKernel},
};
use miden_tx::{
    AccountProcedureIndexMap, ScriptMastForestStore, TransactionMastStore, TransactionProverHost,
};

use crate::{block_on, inputs};

/// The files, with the cycles that Miden's processor takes and the events that it asks its host for.
pub const ALL: [(&str, u32, usize); 8] = [
    ("consume1", 68_628, 540),
    ("consume1_ecdsa", 8_913, 30),
    ("create_p2id", 68_398, 543),
    ("mint", 69_505, 545),
    ("consume_2assets", 70_493, 547),
    ("consume_4notes", 77_538, 567),
    ("consume2_create2", 77_130, 573),
    ("new_account", 68_951, 540),
];

/// Code of everything that a transaction runs.
pub fn store(inputs: &TransactionInputs) -> TransactionMastStore {
    let store = TransactionMastStore::new();
    for code in inputs
        .foreign_account_code()
        .iter()
        .chain([inputs.account().code()])
    {
        store.load_account_code(code);
    }
    store
}

pub fn host<'a>(
    inputs: &TransactionInputs,
    store: &'a TransactionMastStore,
) -> Noted<TransactionProverHost<'a, TransactionMastStore>> {
    let notes = inputs.input_notes();
    let codes = inputs
        .foreign_account_code()
        .iter()
        .chain([inputs.account().code()]);
    Noted {
        host: TransactionProverHost::new(
            inputs.account(),
            notes.clone(),
            store,
            ScriptMastForestStore::new(
                inputs.tx_script(),
                notes.iter().map(|note| note.note().script()),
            ),
            AccountProcedureIndexMap::new(codes),
        ),
        events: Vec::new(),
    }
}

/// A host that notes down what it is asked for: event, cycle and context.
pub struct Noted<H> {
    host: H,
    events: Vec<(Felt, u32, u32)>,
}

impl<H: BaseHost> BaseHost for Noted<H> {
    fn get_label_and_source_file(
        &self,
        location: &Location,
    ) -> (SourceSpan, Option<Arc<SourceFile>>) {
        self.host.get_label_and_source_file(location)
    }

    fn on_debug(
        &mut self,
        process: &mut ProcessState<'_>,
        options: &DebugOptions,
    ) -> Result<(), miden_processor::DebugError> {
        self.host.on_debug(process, options)
    }
}

impl<H: SyncHost> SyncHost for Noted<H> {
    fn get_mast_forest(&self, digest: &Word) -> Option<Arc<MastForest>> {
        self.host.get_mast_forest(digest)
    }

    fn on_event(&mut self, process: &ProcessState<'_>) -> Result<Vec<AdviceMutation>, EventError> {
        let (cycle, context) = (process.clk().into(), process.ctx().into());
        self.events
            .push((process.get_stack_item(0), cycle, context));
        self.host.on_event(process)
    }
}

#[test]
fn all_run_as_on_midens_processor() {
    for (name, cycles, events) in ALL {
        let inputs = inputs(name);
        let store = store(&inputs);
        let program = TransactionKernel::main();
        let (stack, advice) = TransactionKernel::prepare_inputs(&inputs);
        let advice = advice.into_advice_inputs();

        let mut theirs = host(&inputs, &store);
        let options = miden_processor::ExecutionOptions::default();
        let trace = miden_processor::execute(
            &program,
            stack.clone(),
            advice.clone(),
            &mut theirs,
            options,
        )
        .expect("a transaction that Miden's processor runs");

        let mut ours = host(&inputs, &store);
        let run = Run {
            program: &program,
            stack,
            advice,
            options: ExecutionOptions::default(),
            sources: None,
        };
        let output = block_on(run.execute(&mut Prompt(&mut ours)))
            .unwrap_or_else(|error| panic!("{name}: {error}"));

        assert_eq!(output.stack[..], trace.stack_outputs()[..], "{name}");
        assert_eq!(output.cycles, cycles, "{name}");
        assert_eq!(
            trace.trace_len_summary().main_trace_len(),
            cycles as usize,
            "{name}"
        );
        assert_eq!(ours.events.len(), events, "{name}");
        assert_eq!(ours.events, theirs.events, "{name}");
    }
}
