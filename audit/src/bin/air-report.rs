//! Prints what is found out about the AIR: its formulas, what determines the cells of its rows, what
//! notices that a part of it is left out, or questions about it for another solver.

use std::{env, path::Path, process::ExitCode};

use miden_cvm_audit::spec::{
    formula, operations,
    solver::{
        losses::{Forgeries, Losses},
        questions::Questions,
        report::Report,
    },
};

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let report = match (arguments.next().as_deref(), arguments.next()) {
        (Some("formulas"), None) => formula::chapter(),
        (Some("operations"), None) => operations::report(),
        (Some("determinism"), None) => Report::new().text,
        (Some("questions"), None) => match serde_json::to_string(&Questions::new()) {
            Ok(questions) => questions,
            Err(error) => {
                eprintln!("{error}");
                return ExitCode::FAILURE;
            }
        },
        (Some("losses"), None) => {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(Forgeries::FOLDER);
            match Forgeries::read(&folder) {
                Ok(forgeries) => Losses::new(&forgeries, 1).text(),
                Err(error) => {
                    eprintln!("{}: {error}", folder.display());
                    return ExitCode::FAILURE;
                }
            }
        }
        _ => {
            eprintln!("air-report formulas|determinism|losses|questions");
            return ExitCode::from(2);
        }
    };
    print!("{report}");
    ExitCode::SUCCESS
}
