//! Every instruction that takes something from the advice.
//!
//! The elements that an instruction pushes onto the advice stack bind nothing: the operations
//! behind its event are all that a proof shows. So they are run by themselves here, with every
//! claim.

use miden_core::{
    Operation, Program,
    mast::{BasicBlockNodeBuilder, MastForest, MastForestContributor},
};

use crate::support::{Code, Corrected, Lie, Published, proven, run};

const MODULUS: u64 = 0xffff_ffff_0000_0001;

/// The operations of an instruction behind its event, as a program.
fn behind_the_event(code: Code, instruction: &str) -> Program {
    let program = code.assemble(&format!("begin {instruction} end"));
    let node = program
        .get_node_by_id(program.entrypoint())
        .expect("a node");
    let operations: Vec<Operation> = node
        .get_basic_block()
        .expect("instructions without branches")
        .raw_operations()
        .copied()
        .collect();
    let event = operations
        .windows(3)
        .position(|window| {
            matches!(
                window,
                [Operation::Push(_), Operation::Emit, Operation::Drop]
            )
        })
        .expect("an event");
    let mut forest = MastForest::new();
    let block = BasicBlockNodeBuilder::new(operations[event + 3..].to_vec(), Vec::new())
        .add_to_forest(&mut forest)
        .expect("a block");
    forest.make_root(block);
    Program::new(forest.into(), block)
}

/// The claims with which a run ends, and the top of the stack that it ends with.
fn accepted(program: &Program, n: u64, claims: &[u64]) -> Vec<u64> {
    let claims = claims.iter().copied();
    claims
        .filter(|&claim| match run(program, &[n], &Lie::stack(&[claim])) {
            Ok(stack) => {
                assert_eq!(stack[0], claim);
                assert_eq!(stack[1..], [0; 15]);
                true
            }
            Err(_) => false,
        })
        .collect()
}

/// All that may be claimed of a number of bits, and what lies around.
fn claims() -> Vec<u64> {
    let around = (0..70).chain([1 << 16, (1 << 32) - 1, 1 << 32, 1 << 63, MODULUS - 1]);
    let negative = (1..40).map(|n| MODULUS - n);
    let mut claims: Vec<u64> = around.chain(negative).collect();
    claims.dedup();
    claims
}

/// Numbers at the edges of `bits` bits.
fn edges(bits: u32) -> Vec<u64> {
    let mut edges: Vec<u64> = vec![0];
    for bit in [0, 1, 2, 15, 16, 30, 31, 32, 33, 47, 62, 63] {
        if bit < bits {
            edges.extend([1 << bit, (1 << bit) - 1, (1 << bit) + 1]);
        }
    }
    edges.extend([0x5555_5555, 0xaaaa_aaaa, 0x1234_5678, u32::MAX.into()]);
    edges.sort_unstable();
    edges.dedup();
    edges.retain(|&n| n < MODULUS && (bits > 32 || n <= u32::MAX.into()));
    edges
}

/// The result of an instruction; nothing where it traps.
type Right = Box<dyn Fn(u64) -> Option<u64>>;

fn of_u32(count: fn(u32) -> u32) -> impl Fn(u64) -> Option<u64> {
    move |n| u32::try_from(n).ok().map(|n| count(n).into())
}

#[test]
fn one_claim_is_accepted_and_it_is_right() {
    let cases: [(&str, u32, Right); 5] = [
        ("ilog2", 64, Box::new(|n| n.checked_ilog2().map(Into::into))),
        ("u32clz", 32, Box::new(of_u32(u32::leading_zeros))),
        ("u32ctz", 32, Box::new(of_u32(u32::trailing_zeros))),
        ("u32clo", 32, Box::new(of_u32(u32::leading_ones))),
        ("u32cto", 32, Box::new(of_u32(u32::trailing_ones))),
    ];
    for (instruction, bits, right) in cases {
        let program = behind_the_event(Corrected, instruction);
        let mut numbers = edges(bits);
        // Beyond what the instruction is for it traps.
        numbers.extend([1 << 32, (1 << 32) + 5, 1 << 33, (1 << 33) - 1, MODULUS - 1]);
        for n in numbers {
            let right: Vec<u64> = right(n).into_iter().collect();
            let accepted = accepted(&program, n, &claims());
            assert_eq!(accepted, right, "{instruction} of {n}");
        }
    }
}

#[test]
fn honest_runs_give_the_same_as_published_ones() {
    for (instruction, bits) in [
        ("ilog2", 64),
        ("u32clz", 32),
        ("u32ctz", 32),
        ("u32clo", 32),
        ("u32cto", 32),
    ] {
        let source = format!("begin {instruction} end");
        for n in edges(bits) {
            let run = |code: Code| code.run(&source, &[n, 7, 8], &Lie::none()).ok();
            assert_eq!(run(Corrected), run(Published), "{instruction} of {n}");
        }
    }
    // In a branch, a loop and a procedure as well.
    let source = "proc f ilog2 end
        begin
            exec.f
            push.1 if.true u32clz else push.1 drop end
            repeat.2 u32clz end
            push.1 while.true u32clz push.0 end
        end";
    let run = |code: Code| code.run(source, &[1 << 40], &Lie::none());
    assert_eq!(run(Corrected), run(Published));
    let hash = |source| Corrected.assemble(source).hash() != Published.assemble(source).hash();
    assert!(hash(source));
    assert!(!hash("begin u32ctz u32clo u32cto pow2 u32popcnt end"));
}

/// CVM-2026-001 and CVM-2026-002.
#[test]
fn forged_logarithms_and_zeros() {
    let claims = claims();
    let ilog2 = behind_the_event(Published, "ilog2");
    let number = (1 << 40) + 1;
    assert!(accepted(&ilog2, number, &claims).contains(&0));
    assert_eq!(proven(&ilog2, &[number], &Lie::stack(&[0]))[0], 0);

    let u32clz = behind_the_event(Published, "u32clz");
    assert!(accepted(&u32clz, 0, &claims).contains(&5));
    assert_eq!(proven(&u32clz, &[0], &Lie::stack(&[5]))[0], 5);
    assert_eq!(accepted(&u32clz, 1, &claims), [31, 32]);
}

#[test]
fn inverses_in_the_extension_are_inverses() {
    for (instruction, operands) in [("ext2inv", vec![3, 5]), ("ext2div", vec![3, 5, 0, 1])] {
        let program = behind_the_event(Corrected, instruction);
        let honest = Corrected
            .run(&format!("begin {instruction} end"), &operands, &Lie::none())
            .expect("an inverse");
        let right = [honest[1], honest[0]];
        let lies = [
            [0, 0],
            [1, 0],
            [right[0] + 1, right[1]],
            [right[1], right[0]],
        ];
        assert!(run(&program, &operands, &Lie::stack(&right)).is_ok());
        for lie in lies {
            assert!(run(&program, &operands, &Lie::stack(&lie)).is_err());
        }
        for lie in lies {
            let mut zero = operands.clone();
            (zero[0], zero[1]) = (0, 0);
            assert!(run(&program, &zero, &Lie::stack(&lie)).is_err());
        }
    }
}

#[test]
fn corrections_stand_where_the_instruction_stood() {
    let source = "begin\n    push.0\n    ilog2\nend";
    let error = Corrected
        .run(source, &[], &Lie::none())
        .expect_err("no logarithm");
    let published = Published
        .run(source, &[], &Lie::none())
        .expect_err("no logarithm");
    // The trap is in the same place; the operation is one of those that replace the instruction.
    let place = |error: &str| error.rsplit_once(" at ").map(|(place, _)| place.to_owned());
    assert_eq!(place(&error), place(&published));
    assert!(error.contains("logarithm with zero argument"), "{error}");
}
