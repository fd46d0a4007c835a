//! The solver's findings about the AIR are those that are committed.

use std::{collections::BTreeSet, env, fs, path::Path};

use miden_cvm_air::{public::PublicInputs, table::Table};
use miden_cvm_audit::spec::{
    chapters::Chapter,
    formula,
    solver::{
        Dropped,
        losses::{Forgeries, Losses, heading},
        report::{Report, label},
        solved::Solved,
    },
};

/// Compares a file in `docs` with what is printed into it.
fn is_committed(file: &str, report: &str, printed: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs")
        .join(file);
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let differs = committed.lines().zip(printed.lines()).find(|(a, b)| a != b);
    assert!(
        committed == printed,
        "docs/{file} is not what the code says, at {differs:#?}; write it again with\n\
         cargo run -p miden-cvm-audit --bin air-report -- {report} > docs/{file}"
    );
}

#[test]
fn rows_are_determined() {
    let report = Report::new();
    assert_eq!(report.open, [""; 0]);
    is_committed("determinism.txt", "determinism", &report.text);
}

#[test]
fn formulas_are_those_of_the_code() {
    is_committed("src/formulas.md", "formulas", &formula::chapter());
}

#[test]
fn tables_of_chapters_are_written_by_the_code() {
    for chapter in Chapter::ALL {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../docs/src")
            .join(chapter.file());
        let committed = fs::read_to_string(path).expect("a chapter of the book");
        let written = chapter.written(&committed);
        let differs = committed.lines().zip(written.lines()).find(|(a, b)| a != b);
        assert!(
            committed == written,
            "{} does not say what the code says, at {differs:#?}; write its tables again with\n\
             cargo run -p miden-cvm-audit --bin air-report -- chapters",
            chapter.file()
        );
    }
}

/// Without `ALL_LOSSES` in the environment, every so many parts of the AIR are left out.
const LOSSES: usize = 16;

#[test]
fn losses_are_noticed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let forgeries = Forgeries::read(&root.join(Forgeries::FOLDER)).expect("the tests' sources");
    let step = env::var("ALL_LOSSES").map_or(LOSSES, |_| 1);
    let losses = Losses::new(&forgeries, step);
    let committed = fs::read_to_string(root.join("../docs/losses.txt")).unwrap_or_default();
    for (table, lines) in losses.lines() {
        let section = committed.split(&format!("\n{}\n", heading(table))).nth(1);
        let section = section.and_then(|text| text.split("\n\n").next());
        let section: Vec<&str> = section.unwrap_or_default().lines().collect();
        let parts = table.constraint_catalog().len()
            + table.message_catalog().len()
            + table.boundaries(&PublicInputs::default()).len();
        assert_eq!(section.len(), parts, "{table:?}");
        let section: BTreeSet<&str> = section.into_iter().collect();
        for line in lines {
            assert!(
                section.contains(line.as_str()),
                "docs/losses.txt does not say {line:?} of {table:?}; write it again with\n\
                 cargo run -p miden-cvm-audit --bin air-report -- losses > docs/losses.txt"
            );
        }
    }
}

/// The cells that are open on rows of one kind when a constraint is left out.
fn open_without(table: Table, kind: &str, constraint: &str) -> Vec<String> {
    let Solved { recorded, problems } = Solved::of(table);
    let number = recorded
        .constraints
        .iter()
        .position(|c| c.name() == constraint);
    let dropped = Dropped::Constraint(number.expect("a constraint"));
    let mut open = Vec::new();
    for (problem, honest) in problems {
        let path = honest.iter().find(|found| label(problem, found) == kind);
        let path = &path.expect("a kind of row").cases;
        for found in problem.solve(Some(dropped), Some(path)) {
            let names = found
                .open
                .iter()
                .filter_map(|&cell| problem.cells.name(cell));
            open.extend(names.map(str::to_owned));
        }
    }
    open.sort();
    open.dedup();
    open
}

#[test]
fn a_constraint_that_is_left_out_leaves_cells_open() {
    let open = open_without(Table::Core, "U32ADD", "stack.u32_halves");
    assert!(open.contains(&"stack.top[0]'".to_owned()), "{open:?}");
    let open = open_without(Table::Core, "U32DIV", "stack.u32_div[1]");
    assert_eq!(
        open,
        ["helpers[0]", "helpers[1]", "stack.top[0]'", "stack.top[1]'"]
    );
    let open = open_without(Table::Core, "MUL", "system.mark");
    assert_eq!(open, ["system.mark'"]);
    let open = open_without(Table::Core, "EXPACC", "stack.expacc_guard");
    assert!(open.contains(&"stack.top[0]'".to_owned()), "{open:?}");
    // Flags that nothing says to be any are no digits.
    let open = open_without(Table::Core, "FRIE2F4", "stack.fri_segment_binary[1]");
    assert!(open.contains(&"stack.top[6]'".to_owned()), "{open:?}");
}
