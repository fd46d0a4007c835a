//! The cost of calls, of static data, and of calls with lists and with handles, in rows of each
//! segment, is the one that the book states. The programs are those of the benchmarks, which count
//! what a peer takes.

use std::{
    fs,
    path::{Path, PathBuf},
};

use miden_core::{Felt, StackInputs};
use miden_cvm_component::{LinkedComposition, Toolchain};
use miden_cvm_processor::{AdviceInputs, ExecutionInputs, TraceLengths, execute_traced};

use crate::{
    examples::assemble,
    support::{Files, Inputs, host, traced},
    wasm::replace,
    wasm_boundary::{REALLOC, module},
};

/// The number of rounds over which the rows of one are averaged.
const ROUNDS: u64 = 32;

/// The rows of each segment that one more round of a benchmark's program takes: cycles, range, hasher,
/// bitwise, resource tables, memory.
fn rows(program: &str) -> [f64; 6] {
    rows_of(&programs().join(program))
}

/// The folder of the benchmarks' programs.
fn programs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../benches/programs")
}

/// The same of the program or composition with this path.
fn rows_of(path: &Path) -> [f64; 6] {
    let name = path.display();
    let run = |rounds: u64| {
        let advice = AdviceInputs::default().with_stack([Felt::new(rounds)]);
        let lengths = if path.extension().is_some_and(|ending| ending == "masm") {
            let trace = execute_traced(
                ExecutionInputs {
                    advice,
                    ..ExecutionInputs::new(&assemble(path))
                },
                &mut host(),
            );
            trace
                .unwrap_or_else(|error| panic!("{name}: {error}"))
                .lengths
        } else {
            let linked = LinkedComposition::load(path, &Toolchain::new());
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
        lengths.resources,
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

/// The program whose callee loads 16 KiB from the advice and checks them, with these.
fn call_loaded() -> Files {
    let read = |name: &str| fs::read(programs().join("cycles").join(name)).expect("it is there");
    let data = read("loaded/data.bin");
    let (elements, _) = data.as_chunks();
    let elements: Vec<String> = elements
        .iter()
        .map(|&element| u64::from_le_bytes(element).to_string())
        .collect();
    let program = String::from_utf8(read("call_loaded.masm")).expect("a text");
    let data = format!("adv_map DATA = [{}]\n", elements.join(", "));
    Files::new(&[("call_loaded.masm", &(data + &program))])
}

#[test]
fn the_book_has_the_rows_of_calls_and_of_what_goes_with_them() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src/measurements.md");
    let page = fs::read_to_string(path).expect("the book's page");
    let less = |[all, part]: [[f64; 6]; 2]| -> [f64; 6] {
        std::array::from_fn(|segment| all[segment] - part[segment])
    };
    let isolated = rows("cycles/isolated.toml");
    let open = rows("cycles/call.masm");
    let loaded = rows_of(&call_loaded().path("call_loaded.masm"));
    let expected = [
        ("shared call and return", rows("cycles/shared.toml")),
        ("isolated call and return", isolated),
        ("Miden's `call` and return, in an open program here", open),
        (
            "16 KiB of static data",
            less([rows("cycles/loaded.toml"), isolated]),
        ),
        (
            "16 KiB by `adv_pipe` and a check, in an open program here",
            less([loaded, open]),
        ),
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

/// The values whose calls are counted: what the book calls them, their type, and their flat form.
/// Lists are at [`LIST`], where every element is 1.
const VALUES: [(&str, &str, &[u64]); 20] = [
    ("`bool`", "bool", &[1]),
    ("`u8`", "u8", &[7]),
    ("`u32`", "u32", &[7]),
    ("`s8`", "s8", &[7]),
    ("`u64`", "u64", &[1, 7]),
    ("`felt`", "felt", &[7]),
    ("`char`", "char", &[65]),
    ("`option<u32>`", "option<u32>", &[1, 7]),
    ("`result<u32, u8>`", "result<u32, u8>", &[1, 7]),
    ("two `u32`", "tuple<u32, u32>", &[1, 2]),
    ("four `u32`", "tuple<u32, u32, u32, u32>", &[1, 2, 3, 4]),
    ("`word`", "word", &[1, 2, 3, 4]),
    (
        "eight `u32`",
        "tuple<u64, u64, u64, u64>",
        &[1, 2, 3, 4, 5, 6, 7, 8],
    ),
    (
        "sixteen `u32`",
        "tuple<u64, u64, u64, u64, u64, u64, u64, u64>",
        &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
    ),
    ("`string` of 16 characters", "string", &[LIST, 16]),
    ("`list<felt>` of 16", "list<felt>", &[LIST, 16]),
    ("`list<u32>` of 16", "list<u32>", &[LIST, 16]),
    ("`list<u32>` of 160", "list<u32>", &[LIST, 160]),
    ("`list<u8>` of 160", "list<u8>", &[LIST, 160]),
    (
        "`list<tuple<u8, felt>>` of 80",
        "list<tuple<u8, felt>>",
        &[LIST, 80],
    ),
];

/// Where lists are that are sent.
const LIST: u64 = 4096;

/// The cycles of one more round of a loop that sends a value of a type, and of one that gets it: with those
/// that push and drop it, and the loop's own.
fn cycles_there_and_back(ty: &str, flat: &[u64]) -> [f64; 2] {
    let pushed: String = flat.iter().rev().map(|e| format!("push.{e} ")).collect();
    let dropped = "drop ".repeat(flat.len());
    let wit = format!(
        "package test:costs@1.0.0;
         interface costs {{
             use miden:cvm/core-types@1.0.0.{{felt, word}};
             there: func(value: {ty});
             back: func() -> {ty};
         }}
         world app {{ import costs; export main: func(); }}
         world callee {{ export costs; }}"
    );
    let ones = vec!["1"; 160].join(", ");
    let data = format!("[[data]]\naddress = {LIST}\nfelts = [{ones}]\n");
    let round =
        |call: &str| format!("adv_push.1 dup neq.0 while.true {call} sub.1 dup neq.0 end drop\n");
    let files = Files::new(&[
        (
            "app/component.toml",
            &format!(
                "name = \"app\"\nwit = \"costs.wit\"\nworld = \"app\"\nsources = [\"app.masm\"]\n\
                 exports.main.procedure = \"app::main\"\n{data}"
            ),
        ),
        ("app/costs.wit", &wit),
        (
            "app/app.masm",
            &format!(
                "use bindings::test::costs::costs\npub proc main\n{}{}end\n",
                round(&format!("{pushed} exec.costs::there")),
                round(&format!("exec.costs::back {dropped}")),
            ),
        ),
        (
            "callee/component.toml",
            &format!(
                "name = \"callee\"\nwit = \"costs.wit\"\nworld = \"callee\"\nsources = [\"code.masm\"]\n\
                 exports.costs.module = \"code\"\n{data}"
            ),
        ),
        ("callee/costs.wit", &wit),
        (
            "callee/code.masm",
            &format!("pub proc there {dropped} end\npub proc back {pushed} end\n"),
        ),
        (
            "composition.toml",
            "main = \"app.main\"\n[instances.app]\ncomponent = \"app\"\n\
             imports.costs = \"callee\"\n[instances.callee]\ncomponent = \"callee\"\n",
        ),
    ]);
    let linked = files.link().unwrap_or_else(|error| panic!("{error}"));
    let cycles = |there: u64, back: u64| {
        let advice = AdviceInputs::default().with_stack([there, back].map(Felt::new));
        let inputs = Inputs {
            advice,
            ..Inputs::default()
        };
        traced(&linked, inputs).lengths.cycles as f64
    };
    let least = cycles(1, 1);
    [cycles(1 + ROUNDS, 1), cycles(1, 1 + ROUNDS)].map(|more| (more - least) / ROUNDS as f64)
}

#[test]
fn the_book_has_the_cycles_of_calls_by_type() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src/measurements.md");
    let page = fs::read_to_string(path).expect("the book's page");
    let missing: Vec<String> = VALUES
        .into_iter()
        .map(|(what, ty, flat)| {
            let [there, back] = cycles_there_and_back(ty, flat);
            format!("| {what} | {there:.0} | {back:.0} |")
        })
        .filter(|row| !page.contains(row))
        .collect();
    assert!(missing.is_empty(), "the book lacks\n{}", missing.join("\n"));
}

/// A value that goes from one language to another: its name, its type, how assembly pushes it, its core
/// types, and its core values.
const ARGUMENTS: [(&str, &str, &str, &str, &str); 5] = [
    ("`u32`", "u32", "push.7", "i32", "(i32.const 7)"),
    (
        "record of two `u32`",
        "point",
        "push.7 push.8",
        "i32 i32",
        "(i32.const 8) (i32.const 7)",
    ),
    (
        "`string` of 16 characters",
        "string",
        "push.16 push.4096",
        "i32 i32",
        "(i32.const 64) (i32.const 16)",
    ),
    (
        "`list<u32>` of 16",
        "list<u32>",
        "push.16 push.4096",
        "i32 i32",
        "(i32.const 64) (i32.const 16)",
    ),
    (
        "a borrowed handle",
        "borrow<thing>",
        "dup.1",
        "i32",
        "(local.get $thing)",
    ),
];

const COSTS: &str = "test:costs/costs@1.0.0";

/// The cycles of one more round of a loop that sends a value to another component, whose function does
/// nothing: for caller and callee in assembly (`false`) or WebAssembly (`true`).
fn cycles_between(
    (_, ty, pushed, core, args): (&str, &str, &str, &str, &str),
    (from_wasm, to_wasm): (bool, bool),
) -> f64 {
    let wit = format!(
        "package test:costs@1.0.0;
         interface costs {{
             record point {{ x: u32, y: u32 }}
             resource thing {{ constructor(number: u32); }}
             there: func(value: {ty});
         }}
         world app {{ import costs; export main: func(rounds: u32); }}
         world callee {{ export costs; }}"
    );
    let ones = vec!["1"; 16].join(", ");
    let dropped = "drop ".repeat(core.split(' ').count());
    let files = Files::new(&[
        (
            "app/component.toml",
            &format!(
                "name = \"app\"\nwit = \"app.wit\"\nworld = \"app\"\nsources = [\"app.masm\"]\n\
                 exports.main.procedure = \"app::main\"\n\
                 [[data]]\naddress = {LIST}\nfelts = [{ones}]\n"
            ),
        ),
        ("app/app.wit", &wit),
        (
            "app/app.masm",
            &format!(
                "use bindings::test::costs::costs\n\
                 pub proc main\n\
                     push.5 exec.costs::thing__constructor swap dup neq.0\n\
                     while.true {pushed} exec.costs::there sub.1 dup neq.0 end\n\
                     drop drop\n\
                 end\n"
            ),
        ),
        (
            "callee/component.toml",
            "name = \"callee\"\nwit = \"callee.wit\"\nworld = \"callee\"\n\
             sources = [\"code.masm\"]\nexports.costs.module = \"code\"\n",
        ),
        ("callee/callee.wit", &wit),
        (
            "callee/code.masm",
            &format!(
                "use resources::test::costs::costs::thing\n\
                 pub proc thing__constructor exec.thing::new end\n\
                 pub proc there {dropped} end\n"
            ),
        ),
        (
            "composition.toml",
            "main = \"app.main\"\n[instances.app]\ncomponent = \"app\"\n\
             imports.costs = \"callee\"\n[instances.callee]\ncomponent = \"callee\"\n",
        ),
    ]);
    if from_wasm {
        let ones = "\\01\\00\\00\\00".repeat(16);
        let wat = format!(
            "(module
                (import \"{COSTS}\" \"there\" (func $there (param {core})))
                (import \"{COSTS}\" \"[constructor]thing\" (func $make (param i32) (result i32)))
                (memory (export \"memory\") 1)
                (data (i32.const 64) \"{ones}\")
                (func (export \"main\") (param $rounds i32) (local $thing i32)
                    (local.set $thing (call $make (i32.const 5)))
                    (loop $next
                        (call $there {args})
                        (local.set $rounds (i32.sub (local.get $rounds) (i32.const 1)))
                        (br_if $next (local.get $rounds)))))"
        );
        replace(&files, "app", "app", &module(&wat));
    }
    if to_wasm {
        let wat = format!(
            "(module
                (import \"[export]{COSTS}\" \"[resource-new]thing\"
                    (func $new (param i32) (result i32)))
                {REALLOC}
                (func (export \"{COSTS}#[constructor]thing\") (param i32) (result i32)
                    (call $new (local.get 0)))
                (func (export \"{COSTS}#there\") (param {core})))"
        );
        replace(&files, "callee", "callee", &module(&wat));
    }
    let linked = files.link().unwrap_or_else(|error| panic!("{error}"));
    let cycles = |rounds: u64| {
        let inputs = Inputs {
            stack: StackInputs::new(vec![Felt::new(rounds)]).expect("one value"),
            ..Inputs::default()
        };
        traced(&linked, inputs).lengths.cycles as f64
    };
    (cycles(1 + ROUNDS) - cycles(1)) / ROUNDS as f64
}

#[test]
fn the_book_has_the_cycles_of_calls_between_languages() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src/wasm.md");
    let page = fs::read_to_string(path).expect("the book's page");
    let rows = ARGUMENTS.map(|argument| {
        let ways = [(false, false), (false, true), (true, false), (true, true)];
        let cycles = ways.map(|way| format!("{:.0}", cycles_between(argument, way)));
        format!("| {} | {} |\n", argument.0, cycles.join(" | "))
    });
    let table = rows.concat();
    println!("{table}");
    assert!(page.contains(&table), "the book has to say:\n{table}");
}
