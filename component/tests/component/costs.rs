//! What calls with lists and with handles take, in rows of each segment, and that the book says so. The
//! programs are those of the benchmarks, which count the same and add what the peers take.

use std::{fs, path::Path};

use miden_core::Felt;
use miden_cvm_component::{LinkedComposition, Toolchain};
use miden_cvm_processor::{AdviceInputs, ExecutionOptions, TraceLengths, execute_traced};

use crate::{
    examples::assemble,
    support::{Inputs, host, traced},
};

/// How many rounds the rows of one are the mean of.
const ROUNDS: u64 = 32;

/// The rows of each segment that one more round of a benchmark's program takes: cycles, range, hasher,
/// bitwise, resource tables, memory.
fn rows(program: &str) -> [f64; 6] {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../benches/programs");
    let path = folder.join(program);
    let run = |rounds: u64| {
        let advice = AdviceInputs::default().with_stack([Felt::new(rounds)]);
        let lengths = if program.ends_with(".masm") {
            let trace = execute_traced(
                &assemble(&path),
                None,
                &Default::default(),
                advice,
                &mut host(),
                ExecutionOptions::default(),
            );
            trace
                .unwrap_or_else(|error| panic!("{program}: {error}"))
                .lengths
        } else {
            let linked = LinkedComposition::load(&path, &Toolchain::new());
            let linked = linked.unwrap_or_else(|error| panic!("{error}"));
            let inputs = Inputs {
                advice,
                ..Inputs::default()
            };
            traced(&linked, inputs).lengths
        };
        segments(lengths)
    };
    let (one, more) = (run(1), run(1 + ROUNDS));
    std::array::from_fn(|segment| (more[segment] - one[segment]) / ROUNDS as f64)
}

/// Rows of a byte table that has all bytes, as that of a longer run has: below it, numbers cost nothing.
const BYTES: usize = 256;

fn segments(lengths: TraceLengths) -> [f64; 6] {
    [
        lengths.cycles,
        lengths.range.max(BYTES),
        lengths.hasher,
        lengths.bitwise,
        lengths.table,
        lengths.memory,
    ]
    .map(|rows| rows as f64)
}

/// Rows as the book's tables have them.
fn cells(rows: [f64; 6]) -> String {
    let cells = rows.map(|rows| {
        if rows < 10.0 && rows.fract() != 0.0 {
            return format!("{rows:.1}");
        }
        let rows = rows.round() as u64;
        match rows / 1000 {
            0 => rows.to_string(),
            thousands => format!("{thousands},{:03}", rows % 1000),
        }
    });
    cells.join(" | ")
}

#[test]
fn the_book_has_the_rows_of_calls_with_lists_and_handles() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src/measurements.md");
    let page = fs::read_to_string(path).expect("the book's page");
    let expected = [
        ("a list of 1,000 felts", rows("cycles/lists.toml")),
        ("the same by Miden's means", rows("cycles/call_list.masm")),
        (
            "a list of 1,000 `u32`, checked",
            rows("cycles/lists_checked.toml"),
        ),
        ("a `u32`, there and back", rows("handles/number.toml")),
        ("the same, and a borrowed handle", rows("handles/lend.toml")),
        ("an owned handle, there and back", rows("handles/give.toml")),
        (
            "a commitment that the callee opens, by Miden's means",
            rows("cycles/call_commitment.masm"),
        ),
    ];
    let missing: Vec<String> = expected
        .into_iter()
        .map(|(what, rows)| format!("| {what} | {} |", cells(rows)))
        .filter(|row| !page.contains(row))
        .collect();
    assert!(missing.is_empty(), "the book lacks\n{}", missing.join("\n"));
}
