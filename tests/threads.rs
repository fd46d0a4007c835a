//! The same run again: what threads have no part in.

use miden_assembly::Assembler;
use miden_cvm::{ExecutionOptions, ProveOptions, StackInputs, Target, execute_traced, prove_trace};

/// The trace of a run is the same however many threads build it, and so is a proof.
#[test]
fn runs_are_deterministic() {
    let program = Assembler::default()
        .assemble_program("begin push.1 push.2 add swap drop end")
        .expect("a program");
    let target = Target::from(program);
    let pool = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.expect("a pool")
    };
    let trace = || {
        execute_traced(
            &target,
            StackInputs::default(),
            Default::default(),
            &mut target.host(),
            ExecutionOptions::default(),
        )
        .expect("a trace")
    };
    let proof = || {
        let trace = trace();
        let options = ProveOptions::default();
        let proof = prove_trace(trace.trace, trace.public, &options);
        proof.expect("a proof").to_bytes()
    };
    assert_eq!(pool(1).install(trace).trace, pool(2).install(trace).trace);
    assert_eq!(pool(1).install(proof), pool(2).install(proof));
}
