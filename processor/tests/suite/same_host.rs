//! A host that was written for Miden's processor is one for this machine, but for its `use` lines.

use miden_processor as peer;

use super::oracle::peer_inputs;
use crate::common::Case;

/// The host, written once. It says everything that it is told, and answers as far as it can.
macro_rules! host {
    () => {
        pub struct Node {
            pub told: Vec<String>,
            handlers: EventHandlerRegistry,
            name: EventName,
            store: MemMastForestStore,
            since: RowIndex,
        }

        impl Default for Node {
            fn default() -> Self {
                let mut handlers = EventHandlerRegistry::new();
                let name = EventName::new("node::latest_block");
                let handler: Arc<dyn EventHandler> = Arc::new(latest_block);
                let registered = handlers.register(name.clone(), handler);
                assert!(registered.is_ok());
                Self {
                    told: Vec::new(),
                    handlers,
                    name,
                    store: MemMastForestStore::default(),
                    since: RowIndex::from(0),
                }
            }
        }

        fn latest_block(process: &ProcessState<'_>) -> Result<Vec<AdviceMutation>, EventError> {
            let block = process
                .get_mem_value(ContextId::root(), 0)
                .ok_or("no block")?;
            let word = process.get_mem_word(process.ctx(), 0)?.ok_or("no word")?;
            assert_eq!(word[0], block);
            assert!(process.get_mem_word(process.ctx(), 1).is_err());
            Ok(vec![
                AdviceMutation::extend_stack([block]),
                AdviceMutation::extend_map(AdviceMap::default()),
                AdviceMutation::extend_merkle_store([]),
            ])
        }

        impl BaseHost for Node {
            fn get_label_and_source_file(
                &self,
                _location: &Location,
            ) -> (SourceSpan, Option<Arc<SourceFile>>) {
                (SourceSpan::UNKNOWN, None)
            }

            fn on_debug(
                &mut self,
                process: &mut ProcessState<'_>,
                options: &DebugOptions,
            ) -> Result<(), DebugError> {
                self.told
                    .push(format!("{options} {:?}", process.get_stack_state()));
                Ok(())
            }

            fn on_trace(
                &mut self,
                process: &mut ProcessState<'_>,
                trace_id: u32,
            ) -> Result<(), TraceError> {
                let (now, passed) = (process.clk(), process.clk() - self.since);
                self.since = now;
                let cycle = u32::from(now);
                self.told
                    .push(format!("trace {trace_id} at {cycle}, {passed} later"));
                Ok(())
            }

            fn on_assert_failed(
                &mut self,
                process: &ProcessState<'_>,
                error_code: Felt,
            ) -> Option<AssertError> {
                let cycle = u64::from(process.clk());
                self.told.push(format!("{error_code} at {cycle}"));
                Some(format!("the node's own words for {error_code}").into())
            }

            fn resolve_event(&self, event_id: EventId) -> Option<&EventName> {
                (event_id == self.name.to_event_id()).then_some(&self.name)
            }
        }

        impl SyncHost for Node {
            fn get_mast_forest(&self, digest: &Word) -> Option<Arc<MastForest>> {
                MastForestStore::get(&self.store, digest)
            }

            fn on_event(
                &mut self,
                process: &ProcessState<'_>,
            ) -> Result<Vec<AdviceMutation>, EventError> {
                let id = EventId::from_felt(process.get_stack_item(0));
                let answer = self.handlers.handle_event(id, process)?;
                answer.ok_or_else(|| "nobody knows this event".into())
            }
        }

        impl AsyncHost for Node {
            fn get_mast_forest(
                &self,
                digest: &Word,
            ) -> impl FutureMaybeSend<Option<Arc<MastForest>>> {
                ready(SyncHost::get_mast_forest(self, digest))
            }

            fn on_event(
                &mut self,
                process: &ProcessState<'_>,
            ) -> impl FutureMaybeSend<Result<Vec<AdviceMutation>, EventError>> {
                ready(SyncHost::on_event(self, process))
            }
        }
    };
}

mod here {
    use std::{future::ready, sync::Arc};

    use miden_core::{AdviceMap, DebugOptions, EventId, EventName, Felt, Word, mast::MastForest};
    use miden_cvm_processor::{
        AdviceMutation, AssertError, AsyncHost, BaseHost, ContextId, DebugError, EventError,
        EventHandler, EventHandlerRegistry, FutureMaybeSend, MastForestStore, MemMastForestStore,
        ProcessState, RowIndex, SyncHost, TraceHandlerError as TraceError,
    };
    use miden_debug_types::{Location, SourceFile, SourceSpan};

    host!();
}

mod there {
    use std::{future::ready, sync::Arc};

    use miden_core::{AdviceMap, DebugOptions, EventId, EventName, Felt, Word, mast::MastForest};
    use miden_debug_types::{Location, SourceFile, SourceSpan};
    use miden_processor::{
        AdviceMutation, AssertError, AsyncHost, BaseHost, ContextId, DebugError, EventError,
        EventHandler, EventHandlerRegistry, FutureMaybeSend, MastForestStore, MemMastForestStore,
        ProcessState, RowIndex, SyncHost, TraceError,
    };

    host!();
}

/// The calls of both hosts, and the errors of both runs.
fn told(case: &Case) -> ([Vec<String>; 2], [Option<String>; 2]) {
    let (stack, advice) = (case.stack_inputs(), case.advice_inputs());
    let mut here = here::Node::default();
    let options = miden_cvm_processor::ExecutionOptions::default()
        .with_debug(true)
        .with_tracing(true);
    let ours = miden_cvm_processor::execute(
        miden_cvm_processor::ExecutionInputs {
            arguments: (&stack).into(),
            advice,
            options,
            ..miden_cvm_processor::ExecutionInputs::new(&case.program)
        },
        &mut here,
    );

    let mut there = there::Node::default();
    let options = peer::ExecutionOptions::default()
        .with_debugging(true)
        .with_tracing();
    let (_, advice) = peer_inputs(case);
    let theirs = peer::execute(&case.program, stack, advice, &mut there, options);
    (
        [here.told, there.told],
        [
            ours.err().map(|error| error.to_string()),
            theirs.err().map(|error| error.to_string()),
        ],
    )
}

#[test]
fn it_is_told_the_same_and_answers_the_same() {
    let source = "begin
        push.7 mem_store.0 debug.stack.4 trace.5
        emit.event(\"node::latest_block\")
        adv_push.1 debug.adv_stack push.7 assert_eq trace.6
    end";
    let ([here, there], errors) = told(&Case::masm("a node", source));
    assert_eq!(errors, [None, None]);
    assert_eq!(here, there);
    assert_eq!(here.len(), 4);
}

#[test]
fn what_it_says_of_a_failed_assertion_is_in_the_error() {
    let ([here, there], errors) = told(&Case::masm("a node", "begin push.3 push.4 assert_eq end"));
    assert_eq!(here, there);
    assert_eq!(here.len(), 1);
    let [Some(ours), Some(theirs)] = errors else {
        panic!("{errors:?}");
    };
    assert!(ours.contains("the node's own words for 0"), "{ours}");
    assert!(theirs.contains("assertion failed"), "{theirs}");
}
