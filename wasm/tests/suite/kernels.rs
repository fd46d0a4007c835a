//! Rust that was compiled without thinking of this machine: right results, and what they cost.

use miden_cvm_wasm::Options;

use crate::support::Machine;

const KERNELS: &[u8] = include_bytes!("../../../examples/kernels/kernels/kernels.wasm");

/// Function, argument, result, the instructions that another engine counts, and the cycles that the Miden
/// compiler 0.7.1 takes; for `sort` it has no figure.
const CASES: [(&str, u64, u64, u64, u32); 5] = [
    ("fib", 1000, 1_556_111_435, 15_008, 354_392),
    ("collatz", 27, 111, 2_230, 36_138),
    ("sha", 16, 2_981_551_224, 139_324, 2_265_953),
    ("sort", 256, 2_478_591_048, 355_385, u32::MAX),
    ("matmul", 12, 3_625_790_460_245_245_648, 47_018, 1_676_680),
];

#[test]
fn kernels_give_the_right_results() {
    let machine = Machine::new(KERNELS, &Options::default()).expect("a module");
    let mut product = 1.0;
    for (name, arg, expected, instructions, published) in CASES {
        let cycles = machine.expect(name, &[arg], &[expected]);
        let each = f64::from(cycles) / instructions as f64;
        println!("{name}: {cycles} cycles, {each:.2} an instruction");
        assert!(cycles <= published / 3, "{name}: {cycles}");
        product *= each;
    }
    let mean = f64::powf(product, 1.0 / CASES.len() as f64);
    println!("geometric mean: {mean:.2} cycles an instruction");
    assert!(mean < 3.0, "{mean}");
}
