//! Rust that was compiled without thinking of this machine: right results, and what they cost.

use miden_cvm_wasm::Options;

use crate::support::Machine;

/// Loops over numbers, and the instructions that another engine counts.
const KERNELS: &[u8] = include_bytes!("../../../examples/kernels/kernels/kernels.wasm");

/// The standard library's sorting, and a tree.
const ORDERED: &[u8] = include_bytes!("../ordered/ordered.wasm");

/// A call: its result, the instructions that `wasm/reference count` says it executes, and the cycles that the
/// Miden compiler 0.7.1 takes, where it has a result.
struct Kernel {
    module: &'static [u8],
    name: &'static str,
    argument: u64,
    result: u64,
    instructions: u32,
    published: Option<u32>,
}

const fn kernel(
    module: &'static [u8],
    (name, argument): (&'static str, u64),
    result: u64,
    instructions: u32,
    published: Option<u32>,
) -> Kernel {
    Kernel {
        module,
        name,
        argument,
        result,
        instructions,
        published,
    }
}

const ALL: [Kernel; 7] = [
    kernel(KERNELS, ("fib", 1000), 1_556_111_435, 15_008, Some(354_392)),
    kernel(KERNELS, ("collatz", 27), 111, 2_230, Some(36_138)),
    kernel(
        KERNELS,
        ("sha", 16),
        2_981_551_224,
        135_164,
        Some(2_265_953),
    ),
    kernel(KERNELS, ("sort", 256), 2_478_591_048, 354_361, None),
    kernel(
        KERNELS,
        ("matmul", 12),
        3_625_790_460_245_245_648,
        44_714,
        Some(1_676_680),
    ),
    kernel(ORDERED, ("sort_unstable", 512), 394_185_077, 129_299, None),
    kernel(
        ORDERED,
        ("red_black_tree", 256),
        1_481_154_944,
        174_639,
        None,
    ),
];

/// A number with commas.
fn grouped(number: u32) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    let groups: Vec<&str> = groups
        .map(|group| str::from_utf8(group).expect("digits"))
        .collect();
    groups.join(",")
}

#[test]
fn kernels_give_the_right_results_at_the_cost_in_the_book() {
    let mut table = String::new();
    let mut product = 1.0;
    for kernel in &ALL {
        let machine = Machine::new(kernel.module, &Options::default()).expect("a module");
        let cycles = machine.expect(kernel.name, &[kernel.argument], &[kernel.result]);
        let each = f64::from(cycles) / f64::from(kernel.instructions);
        let published = kernel.published.map_or("–".into(), grouped);
        table += &format!(
            "| `{}({})` | {} | {} | {each:.2} | {published} |\n",
            kernel.name,
            kernel.argument,
            grouped(kernel.instructions),
            grouped(cycles)
        );
        if let Some(published) = kernel.published {
            assert!(cycles <= published / 3, "{}: {cycles}", kernel.name);
        }
        product *= each;
    }
    let mean = f64::powf(product, 1.0 / ALL.len() as f64);
    table += &format!("\nThe geometric mean is {mean:.2} cycles an instruction.");
    println!("{table}");
    let book = include_str!("../../../docs/src/wasm.md");
    assert!(book.contains(&table), "the book has to say:\n{table}");
    assert!(mean < 5.0, "{mean}");
}
