//! The cost of public elements: those of a composition's data, and inputs and outputs in memory.

use std::{collections::BTreeMap, fs, path::Path};

use miden_assembly::Assembler;
use miden_core::Felt;
use miden_cvm_air::{
    memory_io::{Area, Arguments, MemoryLayout},
    table::Table,
};
use miden_cvm_processor::{
    AdviceInputs, DefaultHost, ExecutionInputs, ExecutionOptions, ExecutionTrace, execute_traced,
};

use super::{accepts, prove, statements::composed, trace_of};

/// The numbers of elements that are compared: the table of ranges is as high for both.
const ELEMENTS: [u64; 2] = [528, 960];

/// Rows of the hasher for an element that chance makes of a difference: rows that two queries open alike are
/// hashed once.
const CHANCE: f64 = 3.0;

/// What an element takes.
const COSTS: [&str; 4] = ["cycles", "hasher", "memory", "circuits"];

/// Runs a program with so many public elements, which reads memory so often. Different programs are
/// different statements of one shape.
type Make = fn(elements: u64, reads: u64, program: u64) -> ExecutionTrace;

fn public_data(elements: u64, reads: u64, program: u64) -> ExecutionTrace {
    let main = format!("begin repeat.{reads} mem_load.64 drop end push.{program} drop end");
    composed(&main, None, elements, 8)
}

fn in_memory(layout: MemoryLayout, reads: u64, program: u64) -> ExecutionTrace {
    let main = format!("begin repeat.{reads} mem_load.64 drop end push.{program} drop end");
    let program = Assembler::default()
        .assemble_program(main)
        .expect("a program");
    let length = layout.inputs.map_or(0, |area| u64::from(area.length));
    let arguments = Arguments {
        memory: (0..length).map(|i| Felt::new(i * i + 7)).collect(),
        layout,
        ..Arguments::default()
    };
    let inputs = ExecutionInputs {
        program: &program,
        composition: None,
        arguments,
        advice: AdviceInputs::default(),
        options: ExecutionOptions::default(),
    };
    execute_traced(inputs, &mut DefaultHost::default()).expect("a trace")
}

fn area(length: u64) -> Option<Area> {
    let (address, length) = (1000, length as u32);
    Some(Area { address, length })
}

fn inputs(elements: u64, reads: u64, program: u64) -> ExecutionTrace {
    let layout = MemoryLayout {
        inputs: area(elements),
        outputs: None,
    };
    in_memory(layout, reads, program)
}

fn outputs(elements: u64, reads: u64, program: u64) -> ExecutionTrace {
    let layout = MemoryLayout {
        inputs: None,
        outputs: area(elements),
    };
    in_memory(layout, reads, program)
}

/// Cycles, and rows of the hasher, the memory and the circuits, that each element takes: of one proof, and of another
/// one of the same shape.
fn costs(make: Make) -> [[f64; COSTS.len()]; 2] {
    let heights = |trace: &ExecutionTrace| Table::ALL.map(|table| trace.lengths.height(table));
    // More elements are more rows of memory: so many reads that no table gets higher by them.
    let reads = (1..60).map(|tens| 10 * tens).find(|&reads| {
        let [few, many] = ELEMENTS;
        let all = [(few, 1), (few, 2), (many, 1), (many, 2)];
        let all = all.map(|(elements, program)| heights(&make(elements, reads, program)));
        all.iter().all(|heights| *heights == all[0])
    });
    let reads = reads.expect("tables of equal heights");
    let lengths = ELEMENTS.map(|elements| {
        let proofs = [1, 2].map(|program| prove(make(elements, reads, program)));
        accepts(&proofs);
        [1, 2].map(|count| {
            let lengths = trace_of(&proofs[..count]).lengths;
            [
                lengths.cycles,
                lengths.hasher,
                lengths.memory,
                lengths.circuits,
            ]
        })
    });
    let element = |count: usize, cost: usize| {
        let more = lengths[1][count][cost] as f64 - lengths[0][count][cost] as f64;
        more / (ELEMENTS[1] - ELEMENTS[0]) as f64
    };
    let one = std::array::from_fn(|cost| element(0, cost));
    let another = std::array::from_fn(|cost| element(1, cost) - element(0, cost));
    [one, another]
}

/// The costs that the book states, by what the elements are.
fn stated() -> BTreeMap<String, Vec<f64>> {
    let book = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src/recursion.md");
    let book = fs::read_to_string(book).expect("a chapter of the book");
    let (_, section) = book.split_once("### Public elements").expect("the section");
    let (section, _) = section.split_once("\n##").expect("the next one");
    let rows = section.lines().filter_map(|line| {
        let (name, numbers) = line.strip_prefix("| ")?.split_once(" | ")?;
        let numbers = numbers.trim_end_matches(" |").split(" | ");
        let numbers: Result<Vec<f64>, _> = numbers.map(str::parse).collect();
        Some((name.to_owned(), numbers.ok()?))
    });
    rows.collect()
}

#[test]
fn public_elements_cost_what_the_book_says() {
    let kinds: [(&str, Make); 3] = [
        ("public data", public_data),
        ("inputs in memory", inputs),
        ("outputs in memory", outputs),
    ];
    let mut measured = Vec::new();
    for (name, make) in kinds {
        let [one, another] = costs(make);
        for (which, costs) in [("the first proof", one), ("each further proof", another)] {
            let shown = costs.map(|cost| format!("{cost:.1}"));
            println!("| {name}, {which} | {} |", shown.join(" | "));
            measured.push((format!("{name}, {which}"), costs));
        }
    }
    let stated = stated();
    assert_eq!(stated.len(), measured.len());
    for (row, costs) in measured {
        for (kind, (&cost, &stated)) in COSTS.iter().zip(costs.iter().zip(&stated[&row])) {
            let tolerance = match *kind {
                "hasher" => CHANCE,
                _ => 0.051,
            };
            assert!(
                (cost - stated).abs() < tolerance,
                "{row}: {cost} {kind}, not {stated}"
            );
        }
    }
}
