//! Resource tables: handles, how they cross from one instance to another, and destructors.

mod costs;
mod destructors;
mod kernel;
mod sequences;
mod specification;
mod tokens;

use miden_cvm_processor::Trap;

use crate::composition::Builder;

/// Runs to the end, and returns the final stack; the trace satisfies all constraints.
fn ends(builder: &Builder, main: &str) -> Vec<u64> {
    builder.run(main)
}

/// Runs into a trap.
fn traps(builder: &Builder, main: &str) -> Trap {
    let (result, _) = builder.start(main);
    match result.expect_err("the run traps") {
        miden_cvm_processor::ExecutionError::Trapped(report) => report.trap,
        refused => panic!("{refused}"),
    }
}

macro_rules! assert_trap {
    ($trap:expr, $pattern:pat) => {
        let trap = $trap;
        assert!(matches!(trap, $pattern), "{trap}");
    };
}
use assert_trap;
