//! Prints what is found out about the AIR: its formulas, what determines the cells of its rows, what
//! notices that a part of it is left out, or questions about it for another solver. The tables of the
//! book's chapters on constraints and messages it writes where they are.

use std::{env, fs, io, path::Path, process::ExitCode};

use miden_cvm_audit::spec::{
    chapters::Chapter,
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
        (Some("chapters"), None) => match write_chapters() {
            Ok(()) => String::new(),
            Err(error) => {
                eprintln!("{error}");
                return ExitCode::FAILURE;
            }
        },
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
            eprintln!("air-report formulas|chapters|operations|determinism|losses|questions");
            return ExitCode::from(2);
        }
    };
    print!("{report}");
    ExitCode::SUCCESS
}

/// Writes the tables of the chapters of the book.
fn write_chapters() -> io::Result<()> {
    for chapter in Chapter::ALL {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../docs/src")
            .join(chapter.file());
        let text = fs::read_to_string(&path)?;
        fs::write(&path, chapter.written(&text))?;
    }
    Ok(())
}
