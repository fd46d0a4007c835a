//! Runs that go on for ever, or use too much, end in an error that names the limit.

use std::sync::Arc;

use miden_core::{
    Operation, Program, StackInputs,
    crypto::merkle::MerkleTree,
    mast::{BasicBlockNodeBuilder, JoinNodeBuilder, MastForest, MastForestContributor},
};
use miden_cvm_processor::{
    AdviceInputs, DefaultHost, ExecutionError, ExecutionOptions, ExecutionOutput, Limits, Trap,
    execute,
};

use crate::common::Case;

fn run(case: &Case, options: ExecutionOptions) -> Result<ExecutionOutput, ExecutionError> {
    let (stack, advice) = (case.stack_inputs(), case.advice_inputs());
    execute(
        &case.program,
        None,
        &stack,
        advice,
        &mut case.host(),
        options,
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
    let limits = Limits {
        stack_depth: 1000,
        ..Limits::default()
    };
    assert_eq!(passed(&case, limits), ("stack elements in a context", 1000));
}

#[test]
fn memory_words() {
    let case = Case::masm(
        "writing everywhere",
        "begin push.1 while.true add.1024 dup push.7 swap mem_store push.1 end end",
    );
    let limits = Limits {
        memory_words: 6400,
        ..Limits::default()
    };
    assert_eq!(passed(&case, limits), ("memory words", 6400));
}

#[test]
fn memory_of_finished_calls_does_not_count() {
    let case = Case::masm(
        "writing in callees",
        "proc f push.7 mem_store.0 push.8 mem_store.4096 end
        begin push.100 push.1 while.true call.f sub.1 dup neq.0 end drop end",
    );
    let limits = Limits {
        memory_words: 640,
        ..Limits::default()
    };
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
    let limits = Limits {
        call_depth: 300,
        ..Limits::default()
    };
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
    let limits = Limits {
        nesting: 1000,
        ..Limits::default()
    };
    assert_eq!(passed(&case, limits), ("open nodes", 1000));
}

#[test]
fn advice_elements() {
    let limits = Limits {
        advice_elements: 100,
        ..Limits::default()
    };
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
        &StackInputs::default(),
        AdviceInputs::default(),
        ExecutionOptions::default(),
        miden_cvm_processor::NoTrace,
    );
    let host = &mut DefaultHost::default();
    assert!(process.execute(&case.program, None, host).is_ok());
    let again = process.execute(&case.program, None, host);
    assert!(matches!(again, Err(ExecutionError::Refused(_))));
}
