//! Decorators and the messages of assertions, as Miden VM 0.20.6 has them.

use std::sync::Arc;

use miden_core::{
    DebugOptions, Felt, Word,
    crypto::merkle::{MerkleStore, MerkleTree},
    mast::MastForest,
};
use miden_cvm_processor::{
    AdviceMutation, BaseHost, ExecutionInputs, ExecutionOptions, Host, HostError, ProcessState,
    Trap, execute,
};
use miden_debug_types::{Location, SourceFile, SourceSpan};
use miden_processor as peer;

use super::oracle::peer_inputs;
use crate::common::Case;

/// A decorator's message to a host, with its cycle and context.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Told {
    Debug(u32, u32, DebugOptions),
    Trace(u32, u32, u32),
}

/// Has forests, and writes down what it is told.
struct Listener<'a> {
    forests: &'a [Arc<MastForest>],
    told: Vec<Told>,
}

impl<'a> Listener<'a> {
    fn new(case: &'a Case) -> Self {
        Self {
            forests: &case.forests,
            told: Vec::new(),
        }
    }

    fn find(&self, digest: &Word) -> Option<Arc<MastForest>> {
        let has = |forest: &&Arc<MastForest>| forest.find_procedure_root(*digest).is_some();
        self.forests.iter().find(has).cloned()
    }
}

impl BaseHost for Listener<'_> {
    fn on_debug(
        &mut self,
        state: &mut ProcessState<'_>,
        options: &DebugOptions,
    ) -> Result<(), HostError> {
        let told = Told::Debug(state.clk().into(), state.ctx().domain(), *options);
        self.told.push(told);
        Ok(())
    }

    fn on_trace(&mut self, state: &mut ProcessState<'_>, trace_id: u32) -> Result<(), HostError> {
        let told = Told::Trace(state.clk().into(), state.ctx().domain(), trace_id);
        self.told.push(told);
        Ok(())
    }
}

impl Host for Listener<'_> {
    fn get_mast_forest(&self, digest: &Word) -> Option<Arc<MastForest>> {
        self.find(digest)
    }

    fn on_event(&mut self, _: &ProcessState<'_>) -> Result<Vec<AdviceMutation>, HostError> {
        Ok(Vec::new())
    }
}

impl peer::BaseHost for Listener<'_> {
    fn get_label_and_source_file(&self, _: &Location) -> (SourceSpan, Option<Arc<SourceFile>>) {
        (SourceSpan::default(), None)
    }

    fn on_debug(
        &mut self,
        state: &mut peer::ProcessState<'_>,
        options: &DebugOptions,
    ) -> Result<(), peer::DebugError> {
        let told = Told::Debug(state.clk().into(), state.ctx().into(), *options);
        self.told.push(told);
        Ok(())
    }

    fn on_trace(
        &mut self,
        state: &mut peer::ProcessState<'_>,
        trace_id: u32,
    ) -> Result<(), peer::TraceError> {
        let told = Told::Trace(state.clk().into(), state.ctx().into(), trace_id);
        self.told.push(told);
        Ok(())
    }
}

impl peer::SyncHost for Listener<'_> {
    fn get_mast_forest(&self, digest: &Word) -> Option<Arc<MastForest>> {
        self.find(digest)
    }

    fn on_event(
        &mut self,
        _: &peer::ProcessState<'_>,
    ) -> Result<Vec<peer::AdviceMutation>, peer::EventError> {
        Ok(Vec::new())
    }
}

/// Decorators before, after and in nodes of every kind, and beside every kind of operation.
fn decorated() -> Case {
    let library = "pub proc f trace.40 push.1 debug.stack drop trace.41 end";
    let source = "
        use test::library
        @locals(8)
        proc g
            push.6 loc_store.0 debug.local.0 debug.local.0.1 debug.local trace.1
        end
        begin
            trace.2 push.1
            if.true debug.stack.3 push.7 else debug.stack push.8 end
            trace.3
            drop push.2 dup neq.0
            while.true trace.4 sub.1 dup neq.0 debug.adv_stack.2 end
            trace.5 drop
            exec.g trace.6 call.g debug.mem trace.7 debug.mem.8 debug.mem.4.9
            exec.library::f trace.8
            call.library::f trace.9
            procref.library::f mem_storew_be.0 dropw push.0 trace.10 dynexec trace.11
            push.0 dyncall trace.12
            push.12345 emit drop trace.13
            repeat.40 push.1 drop trace.14 end
            debug.adv_stack
        end";
    Case::with_library("decorated", library, source).advice([1, 2, 3])
}

#[test]
fn decorators_are_told_when_and_where_miden_tells_them() {
    let case = decorated();
    for (debug, trace) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut here = Listener::new(&case);
        let options = ExecutionOptions::default()
            .with_debug(debug)
            .with_tracing(trace);
        let (stack, advice) = (case.stack_inputs(), case.advice_inputs());
        execute(
            ExecutionInputs {
                arguments: (&stack).into(),
                advice,
                options,
                ..ExecutionInputs::new(&case.program)
            },
            &mut here,
        )
        .expect("it runs");

        let mut there = Listener::new(&case);
        let mut options = peer::ExecutionOptions::default().with_debugging(debug);
        if trace {
            options = options.with_tracing();
        }
        let (_, advice) = peer_inputs(&case);
        peer::execute(&case.program, stack, advice, &mut there, options).expect("it runs");
        assert_eq!(here.told, there.told, "debug {debug}, trace {trace}");
        let traces = here.told.iter();
        let traces = traces
            .filter(|told| matches!(told, Told::Trace(..)))
            .count();
        assert_eq!(traces > 50, trace);
        assert_eq!(here.told.len() > traces, debug || trace);
    }
}

/// The report of an assertion: the error code, and the message if it has one.
type Said = (&'static str, Felt, Option<Arc<str>>);

fn said_here(case: &Case) -> Said {
    let (stack, advice) = (case.stack_inputs(), case.advice_inputs());
    let options = ExecutionOptions::default();
    let mut host = case.host();
    let error = execute(
        ExecutionInputs {
            arguments: (&stack).into(),
            advice,
            options,
            ..ExecutionInputs::new(&case.program)
        },
        &mut host,
    )
    .expect_err("the assertion fails");
    let said: Said = match error.trap() {
        Some(Trap::FailedAssertion {
            err_code, err_msg, ..
        }) => ("assertion", *err_code, err_msg.clone()),
        Some(Trap::NotU32Values {
            err_code, err_msg, ..
        }) => ("u32", *err_code, err_msg.clone()),
        Some(Trap::MerklePathVerificationFailed {
            err_code, err_msg, ..
        }) => ("path", *err_code, err_msg.clone()),
        _ => panic!("{}: {error}", case.name),
    };
    if let Some(message) = &said.2 {
        assert!(error.to_string().contains(&**message), "{error}");
    }
    said
}

fn said_there(case: &Case) -> Said {
    let (mut host, advice) = peer_inputs(case);
    let options = peer::ExecutionOptions::default();
    match peer::execute(
        &case.program,
        case.stack_inputs(),
        advice,
        &mut host,
        options,
    ) {
        Err(peer::ExecutionError::FailedAssertion {
            err_code, err_msg, ..
        }) => ("assertion", err_code, err_msg),
        Err(peer::ExecutionError::NotU32Values { err_code, .. }) => ("u32", err_code, None),
        Err(peer::ExecutionError::MerklePathVerificationFailed {
            err_code, err_msg, ..
        }) => ("path", err_code, err_msg),
        Err(error) => panic!("{}: {error}", case.name),
        Ok(_) => panic!("{}: no assertion fails", case.name),
    }
}

#[test]
fn assertions_say_what_miden_says() {
    let leaves = [[1u64; 4], [2; 4]].map(|leaf| Word::new(leaf.map(Felt::new)));
    let tree = MerkleTree::new(leaves).expect("two leaves make a tree");
    let mut store = MerkleStore::default();
    store.extend(tree.inner_nodes());
    let root = tree.root();
    let wrong_leaf = format!(
        "push.{}.{}.{}.{} push.0 push.1 push.9.9.9.9 mtree_verify",
        root[0], root[1], root[2], root[3]
    );
    let instructions = [
        "push.0 assert",
        "push.1 assertz",
        "push.1 push.2 assert_eq",
        "push.1.2.3.4 push.1.2.3.5 assert_eqw",
        "push.4294967296 u32assert",
        "push.4294967296 push.1 u32assert2",
        "push.1.2.3.4294967296 u32assertw",
        &wrong_leaf,
    ];
    for instruction in instructions {
        for error in ["", ".err=\"the message of this place\""] {
            let code = format!("{instruction}{error}");
            let source = format!("begin {code} end");
            let own = Case::masm(&code, &source).store(store.clone());
            let library = format!("pub proc f {code} end");
            let source = "use test::library begin exec.library::f end";
            let other = Case::with_library(&code, &library, source).store(store.clone());
            for case in [own, other] {
                let (here, there) = (said_here(&case), said_there(&case));
                assert_eq!((here.0, here.1), (there.0, there.1), "{code}");
                assert_eq!(here.2.is_some(), !error.is_empty(), "{code}");
                // Miden VM keeps the message of u32 assertions to itself.
                if here.0 != "u32" {
                    assert_eq!(here.2, there.2, "{code}");
                }
            }
        }
    }
}
