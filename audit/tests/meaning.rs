//! What the constraints make of the operands is what the operations are defined as.

use std::collections::{BTreeMap, BTreeSet};

use miden_core::{Felt, ONE};
use miden_cvm_air::table::Table;
use miden_cvm_audit::spec::{
    Recorded,
    polynomial::Polynomial,
    solver::{
        Kind, Polynomials, Problem,
        report::{label, problems},
        spec::Cells,
    },
};

/// The degree up to which definitions are put into each other.
const DEGREE: usize = 6;

/// Polynomials in the cells of two rows, by their names.
#[derive(Clone, Copy)]
struct At<'a>(&'a Cells);

impl At<'_> {
    fn cell(self, name: &str) -> Polynomial {
        Polynomial::variable(
            self.0
                .find(name)
                .unwrap_or_else(|| panic!("no cell {name}")),
        )
    }

    /// An element of the stack.
    fn top(self, i: usize) -> Polynomial {
        self.cell(&format!("stack.top[{i}]"))
    }

    /// An element of the next row's stack.
    fn next(self, i: usize) -> Polynomial {
        self.cell(&format!("stack.top[{i}]'"))
    }

    fn helper(self, i: usize) -> Polynomial {
        self.cell(&format!("helpers[{i}]"))
    }
}

fn int(value: u64) -> Polynomial {
    Polynomial::constant(Felt::new(value))
}

fn add(a: &Polynomial, b: &Polynomial) -> Polynomial {
    a.plus(b, ONE)
}

fn sub(a: &Polynomial, b: &Polynomial) -> Polynomial {
    a.plus(b, -ONE)
}

fn mul(a: &Polynomial, b: &Polynomial) -> Polynomial {
    a.times(b)
}

fn times(a: &Polynomial, factor: u64) -> Polynomial {
    a.scaled(Felt::new(factor))
}

/// An element of the quadratic extension, in which `x^2 = x - 2`: the coefficients.
type Pair = [Polynomial; 2];

fn pair_mul([a0, a1]: &Pair, [b0, b1]: &Pair) -> Pair {
    let upper = mul(a1, b1);
    [
        sub(&mul(a0, b0), &times(&upper, 2)),
        add(&add(&mul(a0, b1), &mul(a1, b0)), &upper),
    ]
}

fn pair_add([a0, a1]: &Pair, [b0, b1]: &Pair) -> Pair {
    [add(a0, b0), add(a1, b1)]
}

/// What has to be zero on rows of an operation: its definition, as Miden's documentation states it.
fn definition(name: &str, at: At<'_>) -> Option<Vec<Polynomial>> {
    let (top, next) = (|i| at.top(i), |i| at.next(i));
    let halves = |value: &Polynomial| sub(value, &add(&next(1), &times(&next(0), 1 << 32)));
    let product = mul(&top(0), &top(1));
    let moved = |order: &[usize]| {
        let positions = order.iter().enumerate();
        positions
            .map(|(to, &from)| sub(&next(to), &top(from)))
            .collect()
    };
    let up = |n: usize| {
        let order: Vec<usize> = [n].into_iter().chain(0..n).chain(n + 1..16).collect();
        moved(&order)
    };
    let down = |n: usize| {
        let order: Vec<usize> = (1..=n).chain([0]).chain(n + 1..16).collect();
        moved(&order)
    };
    let words = |order: [usize; 4]| {
        let order: Vec<usize> = order.iter().flat_map(|w| 4 * w..4 * w + 4).collect();
        moved(&order)
    };
    let pushes = |value: Polynomial| {
        let below = (1..16).map(|i| sub(&next(i), &top(i - 1)));
        below.chain([sub(&next(0), &value)]).collect()
    };
    Some(match name {
        "NOOP" => moved(&(0..16).collect::<Vec<_>>()),
        "ADD" => vec![sub(&next(0), &add(&top(0), &top(1)))],
        "MUL" | "AND" => vec![sub(&next(0), &product)],
        "OR" => vec![sub(&next(0), &sub(&add(&top(0), &top(1)), &product))],
        "NEG" => vec![add(&next(0), &top(0))],
        "INCR" => vec![sub(&next(0), &add(&top(0), &int(1)))],
        "NOT" => vec![sub(&next(0), &sub(&int(1), &top(0)))],
        "INV" => vec![sub(&mul(&next(0), &top(0)), &int(1))],
        "EXPACC" => vec![
            sub(&next(1), &mul(&top(1), &top(1))),
            // The accumulator times the base if the bit is 1, times 1 otherwise.
            sub(
                &next(2),
                &mul(
                    &top(2),
                    &add(&mul(&next(0), &sub(&top(1), &int(1))), &int(1)),
                ),
            ),
            sub(&add(&times(&next(3), 2), &next(0)), &top(3)),
        ],
        "EXT2MUL" => {
            let [low, high] = pair_mul(&[top(1), top(0)], &[top(3), top(2)]);
            vec![
                sub(&next(0), &top(0)),
                sub(&next(1), &top(1)),
                sub(&next(2), &high),
                sub(&next(3), &low),
            ]
        }
        "PAD" => pushes(int(0)),
        "DUP0" => pushes(top(0)),
        "DUP7" => pushes(top(7)),
        "DUP9" => pushes(top(9)),
        "DUP15" => pushes(top(15)),
        "CLK" => pushes(at.cell("system.clk")),
        "SDEPTH" => pushes(at.cell("stack.depth")),
        "PUSH" => pushes(at.cell("decoder.registers[0]")),
        "SWAP" => up(1),
        "MOVUP2" => up(2),
        "MOVUP5" => up(5),
        "MOVUP8" => up(8),
        "MOVDN2" => down(2),
        "MOVDN5" => down(5),
        "MOVDN8" => down(8),
        "SWAPW" => words([1, 0, 2, 3]),
        "SWAPW2" => words([2, 1, 0, 3]),
        "SWAPW3" => words([3, 1, 2, 0]),
        "SWAPDW" => words([2, 3, 0, 1]),
        "CSWAP" => {
            let exchanged = mul(&top(0), &sub(&top(2), &top(1)));
            vec![
                sub(&next(0), &add(&top(1), &exchanged)),
                sub(&next(1), &sub(&top(2), &exchanged)),
            ]
        }
        "U32ADD" => vec![halves(&add(&top(0), &top(1)))],
        "U32ADD3" => vec![halves(&add(&add(&top(0), &top(1)), &top(2)))],
        "U32MUL" => vec![halves(&product)],
        "U32MADD" => vec![halves(&add(&product, &top(2)))],
        "U32SPLIT" => vec![halves(&top(0))],
        "U32SUB" => vec![sub(
            &add(&sub(&top(1), &top(0)), &times(&next(0), 1 << 32)),
            &next(1),
        )],
        "U32DIV" => vec![sub(&add(&mul(&next(1), &top(0)), &next(0)), &top(1))],
        "HORNEREXT" => {
            // Two coefficients to `middle`, two more to the new accumulator.
            let point = [at.helper(0), at.helper(1)];
            let middle = [at.helper(4), at.helper(5)];
            let coefficient = |low: usize| [top(low), top(low - 1)];
            let take = |value: &Pair, first: usize| {
                let value = pair_add(&pair_mul(value, &point), &coefficient(first));
                pair_add(&pair_mul(&value, &point), &coefficient(first - 2))
            };
            let [m0, m1] = take(&[top(15), top(14)], 7);
            let [low, high] = take(&middle, 3);
            vec![
                sub(&middle[0], &m0),
                sub(&middle[1], &m1),
                sub(&next(15), &low),
                sub(&next(14), &high),
            ]
        }
        "FRIE2F4" => vec![
            sub(&next(8), &mul(&top(10), &top(10))),
            sub(&next(11), &mul(&next(8), &next(8))),
            sub(&next(12), &top(8)),
            sub(&next(10), &add(&top(15), &int(8))),
        ],
        _ => return None,
    })
}

/// Whether a polynomial is zero on rows of a kind, by what the constraints say that its cells are.
fn is_zero(kind: &Kind, polynomial: &Polynomial) -> bool {
    let meaning = kind.meaning(polynomial, DEGREE);
    if meaning.is_zero() {
        return true;
    }
    let facts = kind.state.facts.iter().chain(&kind.conditions);
    facts
        .map(|(_, fact)| kind.meaning(fact, DEGREE))
        .any(|fact| fact.monic() == meaning.monic())
}

#[test]
fn operations_are_what_they_are_defined_as() {
    let recorded = Recorded::new(Table::Core);
    let polynomials = Polynomials::new(&recorded);
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    let mut failed = BTreeSet::new();
    let check = |problem: &Problem, kind: &Kind| {
        let name = label(problem, kind);
        let parts = definition(&name, At(&problem.cells))?;
        let wrong: Vec<usize> = (0..parts.len())
            .filter(|&i| !is_zero(kind, &parts[i]))
            .collect();
        Some((name, wrong))
    };
    for problem in problems(&polynomials) {
        for kind in problem.solve(None, None) {
            if let Some((name, wrong)) = check(&problem, &kind) {
                failed.extend(wrong.into_iter().map(|part| (name.clone(), part)));
                *found.entry(name).or_default() += 1;
            }
        }
    }
    assert_eq!(failed, BTreeSet::new(), "definitions that do not follow");
    assert_eq!(found.len(), 40, "{found:?}");
}
