//! Prints what is found out about the AIR: its formulas, or what determines the cells of its rows.

use std::{env, process::ExitCode};

use miden_cvm_audit::spec::{formula, solver};

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let report = match (arguments.next().as_deref(), arguments.next()) {
        (Some("formulas"), None) => formula::chapter(),
        (Some("determinism"), None) => solver::report::Report::new().text,
        _ => {
            eprintln!("air-report formulas|determinism");
            return ExitCode::from(2);
        }
    };
    print!("{report}");
    ExitCode::SUCCESS
}
