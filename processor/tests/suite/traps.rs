//! Traps say what happened and where.

use std::sync::{Arc, Mutex};

use miden_assembly::{Assembler, DefaultSourceManager};
use miden_core::crypto::merkle::MerkleTree;
use miden_core::{EventName, Felt, Operation, Word, crypto::merkle::MerkleStore};
use miden_cvm_processor::{
    AdviceMutation, DefaultHost, ExecutionError, ExecutionInputs, ExecutionOptions, HostError,
    ProcessState, RegistryError, Trap, execute,
};

use crate::common::Case;

fn run(case: &Case, host: &mut DefaultHost) -> Result<Vec<Felt>, ExecutionError> {
    let (stack, advice) = (case.stack_inputs(), case.advice_inputs());
    let options = ExecutionOptions::default();
    execute(
        ExecutionInputs {
            arguments: (&stack).into(),
            advice,
            options,
            ..ExecutionInputs::new(&case.program)
        },
        host,
    )
    .map(|out| out.stack.to_vec())
}

fn fails(case: &Case) -> ExecutionError {
    run(case, &mut case.host()).expect_err("the run traps")
}

#[test]
fn a_trap_names_reason_cycle_procedure_and_line() {
    let sources = Arc::new(DefaultSourceManager::default());
    let source = "proc careful
    push.5
    assertz.err=\"five is not zero\"
end
begin
    exec.careful
end";
    let program = Assembler::new(sources.clone())
        .assemble_program(source)
        .expect("it assembles");
    let mut host = DefaultHost::default().with_source_manager(sources);
    let error =
        execute(ExecutionInputs::new(&program), &mut host).expect_err("the assertion fails");
    let ExecutionError::Trapped(report) = &error else {
        panic!("{error}")
    };
    let location = &report.location;
    assert!(
        location
            .procedure
            .as_deref()
            .is_some_and(|name| name.ends_with("careful"))
    );
    assert_eq!(location.line, Some(3), "{location}");
    assert_eq!(location.instance, None);
    let text = error.to_string();
    let cycle = format!("cycle {}", report.cycle);
    for part in ["five is not zero", "careful", ":3", &cycle] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
}

#[test]
fn updating_another_node_traps() {
    let leaves = [[1u64; 4], [2; 4]].map(|leaf| Word::new(leaf.map(Felt::new)));
    let tree = MerkleTree::new(leaves).expect("two leaves make a tree");
    let root: Vec<u64> = tree.root().iter().rev().map(Felt::as_int).collect();
    let mut store = MerkleStore::default();
    store.extend(tree.inner_nodes());
    let stack = [vec![2; 4], vec![1, 0], root, vec![9; 4]].concat();
    let case = Case::operations("another node", vec![Operation::MrUpdate]);
    let error = fails(&case.stack(&stack).store(store));
    assert!(
        matches!(error.trap(), Some(Trap::MerkleUpdateOfOtherNode { .. })),
        "{error}"
    );
}

#[test]
fn procedures_that_the_host_lacks_trap() {
    let case = Case::masm(
        "without the core library",
        "use miden::core::math::u64
        begin exec.u64::wrapping_add end",
    );
    let error = run(&case, &mut DefaultHost::default()).expect_err("nothing is there");
    assert!(
        matches!(error.trap(), Some(Trap::NoMastForestWithProcedure { .. })),
        "{error}"
    );
}

#[test]
fn handlers_answer_events() {
    let event = EventName::new("test::double");
    let id = event.to_event_id().as_felt().as_int();
    let source = format!("begin push.{id} emit drop adv_push.1 swap drop end");
    let case = Case::masm("an event", &source).stack(&[21]);
    let handler = |state: &ProcessState<'_>| -> Result<Vec<AdviceMutation>, HostError> {
        assert_eq!(state.get_mem_value(state.ctx(), 0), None);
        Ok(vec![AdviceMutation::extend_stack([state
            .get_stack_item(1)
            + state.get_stack_item(1)])])
    };
    let mut host = case.host();
    host.register_handler(event.clone(), Arc::new(handler))
        .expect("a new event");
    let again = host.register_handler(event, Arc::new(handler));
    assert!(matches!(
        again,
        Err(RegistryError::DuplicateEventHandler { .. })
    ));
    let stack = run(&case, &mut host).expect("the event is handled");
    assert_eq!(stack[0], Felt::new(42));
    assert!(matches!(
        fails(&case).trap(),
        Some(Trap::EventError {
            event_name: None,
            ..
        })
    ));
    let failing = |_: &ProcessState<'_>| -> Result<Vec<AdviceMutation>, HostError> {
        Err("not today".into())
    };
    let mut host = case.host();
    let event = EventName::new("test::double");
    host.register_handler(event, Arc::new(failing))
        .expect("a new event");
    let error = run(&case, &mut host).expect_err("the handler fails");
    assert!(error.to_string().contains("not today"), "{error}");
    assert!(error.to_string().contains("test::double"), "{error}");
}

/// Collects what is printed.
#[derive(Clone, Default)]
pub struct Page(Arc<Mutex<String>>);

impl Page {
    /// Returns the text that was printed.
    pub fn text(&self) -> String {
        self.0.lock().expect("nobody panics").clone()
    }
}

impl core::fmt::Write for Page {
    fn write_str(&mut self, s: &str) -> core::fmt::Result {
        self.0.lock().map_err(|_| core::fmt::Error)?.push_str(s);
        Ok(())
    }
}

#[test]
fn decorators_run_when_asked_for() {
    let source = "
        @locals(4)
        proc f push.6 loc_store.0 debug.local.0 end
        begin
            push.1234 debug.stack.2 mem_store.8 debug.mem.8 debug.adv_stack
            trace.77 call.f debug.stack
        end";
    let case = Case::masm("decorators", source).advice([555]);
    let print = |options: ExecutionOptions| {
        let page = Page::default();
        let mut host = DefaultHost::default().with_debug_writer(page.clone());
        let (stack, advice) = (case.stack_inputs(), case.advice_inputs());
        let output = execute(
            ExecutionInputs {
                arguments: (&stack).into(),
                advice,
                options,
                ..ExecutionInputs::new(&case.program)
            },
            &mut host,
        );
        let cycles = output.expect("decorators change nothing").cycles;
        (cycles, page.text())
    };
    let plain = ExecutionOptions::default();
    let (cycles, silence) = print(plain);
    assert_eq!(silence, "");
    let (debug_cycles, debug) = print(plain.with_debug(true));
    assert_eq!(cycles, debug_cycles);
    for part in ["1234", "555", "0x00000008"] {
        assert!(debug.contains(part), "{part} is not in: {debug}");
    }
    assert!(!debug.contains("trace 77"));
    let (_, traced) = print(plain.with_tracing(true));
    assert!(traced.contains("trace 77"), "{traced}");
}
