//! Runs that go on for ever, or use too much, end in an error that names the limit.

use std::sync::Arc;

use miden_core::{
    AdviceMap, EventId, EventName, Operation, Program, StackInputs, Word, ZERO,
    crypto::merkle::MerkleTree,
    mast::{BasicBlockNodeBuilder, JoinNodeBuilder, MastForest, MastForestContributor},
    precompile::PrecompileRequest,
};
use miden_cvm_air::composition::LinkKind;
use miden_cvm_processor::{
    AdviceInputs, AdviceMutation, DefaultHost, ExecutionError, ExecutionInputs, ExecutionOptions,
    ExecutionOutput, HostError, Limits, LoadError, ProcessState, TracedExecutionError, Trap,
    execute, execute_traced,
};

use super::composition::Builder;
use crate::common::Case;

fn run(case: &Case, options: ExecutionOptions) -> Result<ExecutionOutput, ExecutionError> {
    let (stack, advice) = (case.stack_inputs(), case.advice_inputs());
    execute(
        ExecutionInputs {
            arguments: (&stack).into(),
            advice,
            options,
            ..ExecutionInputs::new(&case.program)
        },
        &mut case.host(),
    )
}

/// The name of the limit that the run passes, and its value.
fn passed(case: &Case, limits: Limits) -> (&'static str, u64) {
    let error = run(case, ExecutionOptions::default().with_limits(limits))
        .expect_err("the run passes a limit");
    match error.trap() {
        Some(Trap::LimitExceeded { limit, max }) => (*limit, *max),
        _ => panic!("another error: {error}"),
    }
}

#[test]
fn cycles() {
    let case = Case::masm("endless", "begin push.1 while.true push.1 end end");
    let options = ExecutionOptions::new(1000, 64).expect("valid options");
    let error = run(&case, options).expect_err("the run does not end");
    assert!(
        matches!(error.trap(), Some(Trap::CycleLimitExceeded(1000))),
        "{error}"
    );

    let case = Case::operations("five cycles", vec![Operation::Noop; 3]);
    let needed = run(&case, ExecutionOptions::default())
        .expect("it runs")
        .cycles;
    let enough = ExecutionOptions::new(needed, 1).expect("valid options");
    assert!(run(&case, enough).is_ok());
    let too_few = ExecutionOptions::new(needed - 1, 1).expect("valid options");
    assert!(run(&case, too_few).is_err());
}

#[test]
fn stack_depth() {
    let case = Case::masm("pushing", "begin push.1 while.true push.5 push.1 end end");
    let mut limits = Limits::default();
    limits.stack_depth = 1000;
    assert_eq!(passed(&case, limits), ("stack elements in a context", 1000));
}

#[test]
fn elements_read_in_bulk() {
    let mut limits = Limits::default();
    limits.bulk_elements = 1000;
    let search = "miden::core::collections::sorted_array::lowerbound_array";
    let all_memory = format!("push.4294967292 push.0 push.1.2.3.4 emit.event(\"{search}\")");
    let sources = [
        // One cycle that reads all memory, which was never written.
        format!("begin {all_memory} end"),
        "begin push.2000 push.0 push.1.2.3.4 adv.insert_mem dropw drop drop end".into(),
        // Many that read a little.
        "begin push.1 while.true push.100 push.0 push.1.2.3.4 adv.insert_mem dropw drop drop push.1 \
         end end"
            .into(),
        "begin push.400 push.400 push.0 eval_circuit end".into(),
        "begin push.1 while.true emit.event(\"test::look\") push.1 end end".into(),
    ];
    let look = |state: &ProcessState<'_>| -> Result<Vec<AdviceMutation>, HostError> {
        state.read_in_bulk(300)?;
        Ok(Vec::new())
    };
    for source in sources {
        let case = Case::masm("reading in bulk", &source);
        let mut host = DefaultHost::default();
        host.register_handler(EventName::new("test::look"), Arc::new(look))
            .expect("a new event");
        let error = execute(
            ExecutionInputs {
                arguments: case.stack_inputs().into(),
                advice: case.advice_inputs(),
                options: ExecutionOptions::default().with_limits(limits),
                ..ExecutionInputs::new(&case.program)
            },
            &mut host,
        )
        .expect_err("the run passes a limit");
        let Some(Trap::LimitExceeded { limit, max }) = error.trap() else {
            panic!("another error of `{source}`: {error}");
        };
        let passed = (*limit, *max);
        assert_eq!(passed, ("elements that events and circuits read", 1000));
    }
    let case = Case::masm("reading all memory", &format!("begin {all_memory} end"));
    let mut host = DefaultHost::default();
    let (stack, advice) = (case.stack_inputs(), case.advice_inputs());
    let options = ExecutionOptions::default();
    let ran = execute(
        ExecutionInputs {
            arguments: (&stack).into(),
            advice,
            options,
            ..ExecutionInputs::new(&case.program)
        },
        &mut host,
    );
    assert!(ran.is_err(), "the default limit is less than all memory");
}

#[test]
fn memory_words() {
    let case = Case::masm(
        "writing everywhere",
        "begin push.1 while.true add.1024 dup push.7 swap mem_store push.1 end end",
    );
    let mut limits = Limits::default();
    limits.memory_words = 6400;
    assert_eq!(passed(&case, limits), ("memory words", 6400));
}

#[test]
fn memory_of_finished_calls_does_not_count() {
    let case = Case::masm(
        "writing in callees",
        "proc f push.7 mem_store.0 push.8 mem_store.4096 end
        begin push.100 push.1 while.true call.f sub.1 dup neq.0 end drop end",
    );
    let mut limits = Limits::default();
    limits.memory_words = 640;
    assert!(run(&case, ExecutionOptions::default().with_limits(limits)).is_ok());
    let retaining = ExecutionOptions::default()
        .with_limits(limits)
        .with_retained_memory(true);
    assert!(run(&case, retaining).is_err());
}

#[test]
fn call_depth() {
    let case = Case::masm(
        "calling itself",
        "proc f mem_storew_be.0 push.0 dyncall end
        begin procref.f mem_storew_be.0 push.0 dyncall end",
    );
    let mut limits = Limits::default();
    limits.call_depth = 300;
    assert_eq!(passed(&case, limits), ("open calls", 300));
    assert_eq!(passed(&case, Limits::default()), ("open calls", 1 << 16));
}

#[test]
fn nesting_of_dynamic_nodes() {
    let case = Case::masm(
        "executing itself",
        "proc f push.0 dynexec end
        begin procref.f mem_storew_be.0 dropw push.0 dynexec end",
    );
    assert_eq!(passed(&case, Limits::default()), ("open nodes", 1 << 20));
}

#[test]
fn nesting_of_joins() {
    const DEPTH: usize = 100_000;
    let mut forest = MastForest::new();
    let leaf = BasicBlockNodeBuilder::new(vec![Operation::Noop], Vec::new())
        .add_to_forest(&mut forest)
        .expect("a block");
    let root = (0..DEPTH).fold(leaf, |inner, _| {
        JoinNodeBuilder::new([inner, leaf])
            .add_to_forest(&mut forest)
            .expect("a join")
    });
    forest.make_root(root);
    let case = Case::new("deep joins", Program::new(Arc::new(forest), root));
    assert!(run(&case, ExecutionOptions::default()).is_ok());
    let mut limits = Limits::default();
    limits.nesting = 1000;
    assert_eq!(passed(&case, limits), ("open nodes", 1000));
}

#[test]
fn advice_elements() {
    let mut limits = Limits::default();
    limits.advice_elements = 100;
    let stack = "begin push.1 while.true u32clz drop push.1 push.1 end end";
    let source =
        "begin push.1 while.true push.8 push.8 push.8 push.8 adv.push_mapval push.1 end end";
    let key = miden_core::Word::new([miden_core::Felt::new(8); 4]);
    let case = Case::masm("pushing values", source).entry(key, &[1, 2, 3]);
    assert_eq!(passed(&case, limits), ("advice elements", 100));
    let case = Case::masm("taking what it pushes", stack);
    let error = run(
        &case,
        ExecutionOptions::new(5000, 1)
            .expect("valid")
            .with_limits(limits),
    )
    .expect_err("endless");
    assert!(
        matches!(error.trap(), Some(Trap::CycleLimitExceeded(_))),
        "{error}"
    );
    let case = Case::masm(
        "inserting values",
        "begin push.1 while.true add.1 adv.insert_hdword push.1 end end",
    );
    assert_eq!(passed(&case, limits), ("advice elements", 100));
    let case = Case::masm(
        "inserting memory",
        "begin push.4294967295 push.0 padw adv.insert_mem dropw drop drop end",
    );
    assert_eq!(passed(&case, limits), ("advice elements", 100));
    let case = Case::masm(
        "merging trees",
        "begin push.1 while.true mtree_merge padw push.1 end end",
    );
    assert_eq!(passed(&case, limits), ("advice elements", 100));
}

#[test]
fn advice_of_the_host() {
    let mut limits = Limits::default();
    limits.advice_elements = 100;
    let event = EventName::new("test::more");
    let id = event.to_event_id().as_felt();
    let source = format!("begin push.0 push.1 while.true add.1 push.{id} emit drop push.1 end end");
    type Handler = fn(&ProcessState<'_>) -> Result<Vec<AdviceMutation>, HostError>;
    let handlers: [Handler; 4] = [
        |_| Ok(vec![AdviceMutation::extend_stack([ZERO; 10])]),
        |state| {
            let key = Word::new([state.get_stack_item(1); 4]);
            let entry = (key, vec![ZERO]);
            Ok(vec![AdviceMutation::extend_map(AdviceMap::from_iter([
                entry,
            ]))])
        },
        |state| {
            let leaf = Word::new([state.get_stack_item(1); 4]);
            let tree = MerkleTree::new([leaf, leaf])?;
            Ok(vec![AdviceMutation::extend_merkle_store(
                tree.inner_nodes(),
            )])
        },
        |state| {
            let event = EventId::from_felt(state.get_stack_item(0));
            let request = PrecompileRequest::new(event, vec![0; 16]);
            Ok(vec![AdviceMutation::extend_precompile_requests([request])])
        },
    ];
    for handler in handlers {
        let case = Case::masm("asking the host for more", &source);
        let mut host = case.host();
        host.register_handler(event.clone(), Arc::new(handler))
            .expect("a new event");
        let options = ExecutionOptions::default().with_limits(limits);
        let (stack, advice) = (case.stack_inputs(), case.advice_inputs());
        let run = execute(
            ExecutionInputs {
                arguments: (&stack).into(),
                advice,
                options,
                ..ExecutionInputs::new(&case.program)
            },
            &mut host,
        );
        let error = run.expect_err("the host gives too much");
        assert!(error.to_string().contains("100 advice elements"), "{error}");
    }

    let case = Case::operations("nothing", vec![Operation::Noop]).advice(0..101);
    let error = run(&case, ExecutionOptions::default().with_limits(limits))
        .expect_err("it starts with too much");
    assert!(matches!(error, ExecutionError::Refused(_)));
    assert!(error.to_string().contains("100 advice elements"), "{error}");
}

#[test]
fn instances() {
    let recursive = "pub proc again call.stubs::a1 end pub proc once push.0 drop end";
    let mut builder = Builder::new(3)
        .component("recursive", recursive)
        .link(0, "a1", LinkKind::Isolated, 1, "recursive::again")
        .link(0, "b1", LinkKind::Isolated, 1, "recursive::once")
        .link(1, "a1", LinkKind::Isolated, 1, "recursive::again")
        .link(0, "c1", LinkKind::Shared, 2, "recursive::once");
    let limits = |instances| {
        let mut limits = Limits::default();
        limits.instances = instances;
        ExecutionOptions::default().with_limits(limits)
    };
    builder.options = limits(2);
    let error = builder.start("begin push.0 drop end").0;
    let error = error.expect_err("there are three instances");
    assert!(
        matches!(&error, ExecutionError::Refused(reason)
            if matches!(**reason, LoadError::TooManyInstances { instances: 3, max: 2 })),
        "{error}"
    );
    builder.options = limits(10);
    let error = builder.start("begin call.stubs::a1 end").0;
    let error = error.expect_err("there is no end");
    assert!(
        matches!(
            error.trap(),
            Some(Trap::LimitExceeded {
                limit: "instances",
                max: 10
            })
        ),
        "{error}"
    );
    // Those that are over do not count.
    builder.options = limits(3);
    let many = "begin repeat.20 call.stubs::b1 end call.stubs::c1 end";
    assert!(builder.start(many).0.is_ok());
}

#[test]
fn static_data() {
    let mut builder = Builder::new(2)
        .component("data", "pub proc f push.0 drop end")
        .link(0, "a1", LinkKind::Isolated, 1, "data::f")
        .data(0, 8, &[ZERO; 8])
        .data(1, 16, &[ZERO; 24]);
    let limits = |static_data| {
        let mut limits = Limits::default();
        limits.static_data = static_data;
        ExecutionOptions::default().with_limits(limits)
    };
    let main = "begin repeat.5 call.stubs::a1 end end";
    builder.options = limits(8 + 5 * 24);
    assert!(builder.start(main).0.is_ok());
    for too_little in [7, 8 + 5 * 24 - 1] {
        builder.options = limits(too_little);
        let error = builder.start(main).0.expect_err("there is more");
        assert!(
            matches!(
                error.trap(),
                Some(Trap::LimitExceeded { limit: "elements of static data", max })
                    if *max == too_little
            ),
            "{error}"
        );
    }
}

#[test]
fn trace_rows() {
    let mut limits = Limits::default();
    limits.trace_rows = 1000;
    let options = ExecutionOptions::new(2000, 64)
        .expect("valid options")
        .with_limits(limits);
    // A permutation takes eight rows.
    for (source, most_cycles) in [
        ("begin push.1 while.true push.1 end end", 1001),
        ("begin push.1 while.true hperm push.1 end end", 800),
    ] {
        let case = Case::masm("endless", source);
        let (stack, advice) = (case.stack_inputs(), case.advice_inputs());
        let traced = execute_traced(
            ExecutionInputs {
                arguments: (&stack).into(),
                advice,
                options,
                ..ExecutionInputs::new(&case.program)
            },
            &mut case.host(),
        );
        let Err(TracedExecutionError::Execution(ExecutionError::Trapped(report))) = traced else {
            panic!("{source} has no end");
        };
        assert!(
            matches!(
                report.trap,
                Trap::LimitExceeded {
                    limit: "trace rows",
                    max: 1000
                }
            ),
            "{report}"
        );
        assert!(report.cycle <= most_cycles, "{report}");
        // A run without a trace goes on.
        let error = run(&case, options).expect_err("it has no end");
        assert!(matches!(error.trap(), Some(Trap::CycleLimitExceeded(2000))));
    }
}

#[test]
fn expected_cycles_change_nothing() {
    let case = Case::masm("short", "begin push.1 push.2 add drop hperm end");
    let trace = |expected| {
        let options = ExecutionOptions::new(1 << 16, expected).expect("valid options");
        let (stack, advice) = (case.stack_inputs(), case.advice_inputs());
        execute_traced(
            ExecutionInputs {
                arguments: (&stack).into(),
                advice,
                options,
                ..ExecutionInputs::new(&case.program)
            },
            &mut case.host(),
        )
        .expect("it runs")
    };
    let (few, many) = (trace(1), trace(1 << 16));
    assert!(few.trace == many.trace);
}

#[test]
fn options_are_checked() {
    assert!(ExecutionOptions::new((1 << 29) + 1, 1).is_err());
    assert!(ExecutionOptions::new(10, 11).is_err());
}

#[test]
fn merkle_paths_of_no_nodes_trap() {
    let leaves = [[1u64; 4], [2; 4]].map(|leaf| leaf.map(miden_core::Felt::new).into());
    let tree = MerkleTree::new(leaves).expect("two leaves make a tree");
    let root: Vec<u64> = tree
        .root()
        .iter()
        .rev()
        .map(miden_core::Felt::as_int)
        .collect();
    let mut store = miden_core::crypto::merkle::MerkleStore::default();
    store.extend(tree.inner_nodes());
    let stack = [root.clone(), vec![0, 0], root, vec![1; 4]].concat();
    for op in [Operation::MpVerify(miden_core::ZERO), Operation::MrUpdate] {
        let case = Case::operations("no path", vec![op])
            .stack(&stack[..14])
            .store(store.clone());
        let error = run(&case, ExecutionOptions::default()).expect_err("a path has nodes");
        assert!(
            matches!(error.trap(), Some(Trap::AdviceError(_))),
            "{error}"
        );
    }
}

#[test]
fn a_process_runs_once() {
    let case = Case::operations("nothing", vec![Operation::Noop]);
    let mut process = miden_cvm_processor::Process::new(
        case.program.kernel().clone(),
        StackInputs::default(),
        AdviceInputs::default(),
        ExecutionOptions::default(),
        miden_cvm_processor::NoTrace,
    );
    let host = &mut DefaultHost::default();
    assert!(process.execute(&case.program, None, host).is_ok());
    let again = process.execute(&case.program, None, host);
    assert!(matches!(again, Err(ExecutionError::Refused(_))));
}
