//! The constraints compute from the operands what the operations are defined to compute.

use std::collections::{BTreeMap, BTreeSet};

use miden_core::{Felt, FieldElement, ONE, StarkField, crypto::hash::Rpo256};
use miden_cvm_air::table::Table;
use miden_cvm_audit::spec::{
    polynomial::Polynomial,
    solver::{Kind, Problem, inputs::Cells, report::label, solved::Solved},
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

/// Returns the polynomials that have to be zero on rows of an operation: its definition, as Miden's
/// documentation states it.
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
        "HORNERBASE" => {
            // Four coefficients to `middle`, four more to the new accumulator.
            let point = [at.helper(0), at.helper(1)];
            let middle = [at.helper(4), at.helper(5)];
            let take = |value: &Pair, first: usize| {
                let coefficients = (first - 3..=first).rev();
                coefficients.fold(value.clone(), |value, i| {
                    pair_add(&pair_mul(&value, &point), &[top(i), int(0)])
                })
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
        "FRIE2F4" => {
            let value = |low: usize| [top(low), top(low - 1)];
            let [ratio, square] = [0, 2].map(|i| [at.helper(i), at.helper(i + 1)]);
            let (point, inverse) = (at.helper(4), at.helper(5));
            // Twice the value that two values are folded into.
            let twice = |a: &Pair, b: &Pair, ratio: &Pair| {
                let difference = [sub(&a[0], &b[0]), sub(&a[1], &b[1])];
                pair_add(&pair_add(a, b), &pair_mul(&difference, ratio))
            };
            let fourth_root = Felt::get_root_of_unity(2).inv();
            let turned = ratio.clone().map(|part| part.scaled(fourth_root));
            let (even, odd) = ([next(1), next(0)], [next(3), next(2)]);
            let pairs = [
                (even.clone(), twice(&value(7), &value(3), &ratio)),
                (odd.clone(), twice(&value(5), &value(1), &turned)),
                ([next(14), next(13)], twice(&even, &odd, &square)),
            ];
            let folded = pairs.into_iter().flat_map(|(result, by)| {
                let [r0, r1] = result;
                let [b0, b1] = by;
                [sub(&times(&r0, 2), &b0), sub(&times(&r1, 2), &b1)]
            });
            let [s0, s1] = pair_mul(&ratio, &ratio);
            let others = [
                sub(&point, &mul(&top(10), &next(9)).scaled(Felt::GENERATOR)),
                sub(&ratio[0], &mul(&top(14), &inverse)),
                sub(&ratio[1], &mul(&top(13), &inverse)),
                sub(&square[0], &s0),
                sub(&square[1], &s1),
                sub(&next(8), &mul(&top(10), &top(10))),
                sub(&next(11), &mul(&next(8), &next(8))),
                sub(&next(12), &top(8)),
                sub(&next(10), &add(&top(15), &int(8))),
            ];
            folded.chain(others).collect()
        }
        _ => return None,
    })
}

/// Returns `true` if a polynomial is zero on rows of a kind, by what the constraints say that its
/// cells are.
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

/// The expressions that are zero on rows of the hasher: a round, or what the next cycle has to do with this one.
fn of_hasher(name: &str, at: At<'_>, place: usize) -> Option<Vec<Polynomial>> {
    let cells = |family: &str, prime: &str| -> Vec<Polynomial> {
        (0..12)
            .map(|i| at.cell(&format!("hasher.{family}[{i}]{prime}")))
            .collect()
    };
    let arg = |i: usize, prime: &str| at.cell(&format!("hasher.args[{i}]{prime}"));
    let (state, after) = (cells("state", ""), cells("state", "'"));
    let kept = |range: core::ops::Range<usize>| range.map(|i| sub(&after[i], &state[i]));
    let mixed = |lanes: &[Polynomial], constants: &[Felt; 12], i: usize| {
        let row = Rpo256::MDS[i].iter().zip(lanes);
        row.fold(Polynomial::constant(constants[i]), |sum, (&entry, lane)| {
            sum.plus(lane, entry)
        })
    };
    let cube = |x: &Polynomial| mul(&mul(x, x), x);
    Some(match (place, name) {
        (0..7, "plain cycles") => {
            let (ins, outs) = (cells("cube_in", ""), cells("cube_out", ""));
            let input: Vec<Polynomial> = (0..12)
                .map(|i| mixed(&state, &Rpo256::ARK1[place], i))
                .collect();
            // Seventh powers, by the cubes that the row has.
            let powers: Vec<Polynomial> = (0..12)
                .map(|i| mul(&mul(&ins[i], &ins[i]), &input[i]))
                .collect();
            (0..12)
                .flat_map(|i| {
                    let power = mul(&mul(&outs[i], &outs[i]), &after[i]);
                    [
                        sub(&ins[i], &cube(&input[i])),
                        sub(&outs[i], &cube(&after[i])),
                        sub(&mixed(&powers, &Rpo256::ARK2[place], i), &power),
                    ]
                })
                .collect()
        }
        (7, "hasher.merkle, hasher.merkle'") => {
            let open = at.cell("hasher.cube_in[0]");
            let bit = arg(5, "'");
            let node = (0..4).map(|i| {
                let (left, right) = (&after[4 + i], &after[8 + i]);
                let child = add(left, &mul(&bit, &sub(right, left)));
                mul(&open, &sub(&child, &state[4 + i]))
            });
            let index = sub(&arg(4, ""), &add(&times(&arg(4, "'"), 2), &arg(5, "")));
            let level = sub(&arg(3, "'"), &add(&arg(3, ""), &int(1)));
            let counted = [mul(&open, &index), mul(&open, &level)];
            node.chain(counted).chain(after[..4].to_vec()).collect()
        }
        (7, "hasher.init, hasher.init'") => {
            let open = at.cell("hasher.cube_in[1]");
            let block = sub(&arg(5, "'"), &add(&arg(5, ""), &int(1)));
            let address = sub(&arg(4, "'"), &arg(4, ""));
            let all = kept(0..4).chain([block, address]);
            all.map(|part| mul(&open, &part)).collect()
        }
        (7, "hasher.absorb'" | "hasher.absorb, hasher.absorb'") => kept(0..4).collect(),
        _ => return None,
    })
}

/// The expressions that are zero on rows of operations on resources.
fn of_resources(name: &str, at: At<'_>) -> Option<Vec<Polynomial>> {
    let cell = |name: &str| at.cell(&format!("resources.{name}"));
    let asked = |name: &str| match name {
        "kind" | "destroys" | "resource" => cell(&format!("request.{name}")),
        name => cell(&format!("request.asked.{name}")),
    };
    let after = |name: &str| at.cell(&format!("resources.outcome.{name}'"));
    let (handle, own) = (cell("handle"), cell("own"));
    let state = |i: usize| cell(&format!("state[{i}]"));
    let entry = |i: usize| cell(&format!("entry[{i}]"));
    let (resource, mark) = (asked("resource"), asked("mark"));
    let is = |cells: &str, values: [Polynomial; 4]| {
        let all = values.into_iter().enumerate();
        all.map(|(i, value)| sub(&after(&format!("{cells}[{i}]")), &value))
            .collect::<Vec<_>>()
    };
    let answers = |value: &Polynomial| vec![sub(&asked("output"), value)];
    // A new entry: at the head of the free list, or at the end of the table.
    let allocates = |borrows: Polynomial, rep: Polynomial, owned: Polynomial| {
        let place = add(&state(1), &mul(&cell("grows"), &state(2)));
        let length = add(&state(2), &cell("grows"));
        let mut parts = vec![sub(&handle, &place), mul(&cell("grows"), &state(1))];
        parts.extend(is("state", [state(0), entry(0), length, borrows]));
        parts.extend(is("entry", [rep, resource.clone(), owned, int(0)]));
        parts.extend(answers(&handle));
        parts.extend((1..4).map(entry));
        parts
    };
    let frees = |borrows: Polynomial| {
        let mut parts = is("state", [state(0), handle.clone(), state(2), borrows]);
        parts.extend(is("entry", [state(1), int(0), int(0), int(0)]));
        parts
    };
    let named = || vec![sub(&handle, &asked("input")), sub(&entry(1), &resource)];
    let token = |id: &Polynomial| {
        vec![
            sub(&after("token.id"), id),
            sub(&after("token.resource"), &resource),
        ]
    };
    let operation = name.split([',']).next()?.strip_prefix("resources.op.")?;
    Some(match operation {
        "new" => allocates(state(3), asked("input"), int(1)),
        "rep" => [named(), answers(&entry(0))].concat(),
        "drop" => {
            // A borrow that is given up is one less that the instance has.
            let borrows = sub(&state(3), &sub(&int(1), &own));
            let rep = mul(&asked("destroys"), &entry(0));
            let same = vec![sub(&entry(2), &own)];
            [named(), frees(borrows), answers(&rep), same].concat()
        }
        "send" => {
            let mut parts = [named(), token(&asked("time")), answers(&asked("time"))].concat();
            parts.push(sub(&after("token.mark"), &mark));
            parts.push(sub(&after("token.own"), &own));
            parts.push(sub(&after("token.rep"), &entry(0)));
            if name.contains("resources.own") {
                parts.push(sub(&entry(2), &int(1)));
                parts.extend(frees(state(3)));
            } else {
                parts.extend(is("entry", [entry(0), resource.clone(), entry(2), mark]));
            }
            parts
        }
        "receive" => {
            let borrows = add(&state(3), &sub(&int(1), &own));
            let rep = after("token.rep");
            let same = vec![sub(&after("token.own"), &own)];
            let token = token(&asked("input"));
            [allocates(borrows, rep, own.clone()), token, same].concat()
        }
        "receive_rep" => {
            let mut parts = [token(&asked("input")), answers(&after("token.rep"))].concat();
            parts.push(sub(&after("token.mark"), &asked("sender")));
            parts.push(after("token.own"));
            parts
        }
        "memory" => {
            let read = mul(&sub(&int(1), &own), &after("value"));
            let written = mul(&own, &sub(&after("value"), &asked("third")));
            [answers(&read), vec![written, sub(&after("is_write"), &own)]].concat()
        }
        _ => return None,
    })
}

/// The expressions that are zero on rows of the other chiplets.
fn of_others(table: Table, name: &str, at: At<'_>, place: usize) -> Option<Vec<Polynomial>> {
    Some(match table {
        Table::Bitwise if place % 2 == 1 => {
            let bits = |operand: &str| -> Vec<Polynomial> {
                let halves = ["", "'"].into_iter();
                halves
                    .flat_map(|prime| {
                        (0..16).map(move |i| format!("bitwise.{operand}[{i}]{prime}"))
                    })
                    .map(|cell| at.cell(&cell))
                    .collect()
            };
            let (a, b, xor) = (bits("a"), bits("b"), at.cell("bitwise.xor"));
            let result = (0..32).fold(int(0), |sum, i| {
                let both = mul(&a[i], &b[i]);
                let one = sub(&add(&a[i], &b[i]), &times(&both, 2));
                let bit = add(&both, &mul(&xor, &sub(&one, &both)));
                add(&sum, &times(&bit, 1 << i))
            });
            vec![sub(&at.cell("bitwise.result"), &result)]
        }
        Table::Memory if name != "padding" => {
            let cell = |name: &str| at.cell(&format!("memory.{name}"));
            let new = add(&cell("new_context'"), &cell("new_word'"));
            // What an access does not set is as it was, and zero in a new word.
            let kept = |i: usize| {
                let before = mul(&sub(&int(1), &new), &cell(&format!("value[{i}]")));
                sub(&cell(&format!("value[{i}]'")), &before)
            };
            let reads = sub(&int(1), &cell("is_write'"));
            (0..4)
                .map(|i| match name {
                    _ if name == format!("memory.element[{i}]'") => mul(&reads, &kept(i)),
                    "memory.whole'" => mul(&reads, &kept(i)),
                    _ => kept(i),
                })
                .collect()
        }
        Table::Circuits if name.starts_with("circuits.gate") => {
            let pair = |name: &str| [0, 1].map(|i| at.cell(&format!("circuits.{name}[{i}]")));
            let (left, right, value) = (pair("left"), pair("right"), pair("value"));
            let (is_sum, is_product) = (at.cell("circuits.add"), at.cell("circuits.mul"));
            let is_difference = sub(&sub(&int(1), &is_sum), &is_product);
            let product = pair_mul(&left, &right);
            (0..2)
                .map(|i| {
                    let sum = mul(&is_sum, &add(&left[i], &right[i]));
                    let difference = mul(&is_difference, &sub(&left[i], &right[i]));
                    let result = add(&add(&sum, &difference), &mul(&is_product, &product[i]));
                    sub(&value[i], &result)
                })
                .collect()
        }
        _ => return None,
    })
}

#[test]
fn chiplets_are_what_they_are_defined_as() {
    let mut found: BTreeSet<(Table, String)> = BTreeSet::new();
    let mut failed = BTreeSet::new();
    let mut kinds_of_calls: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
    for table in [
        Table::Hasher,
        Table::Memory,
        Table::Bitwise,
        Table::Resources,
        Table::Circuits,
    ] {
        for (problem, kinds) in &Solved::of(table).problems {
            let (at, place) = (At(&problem.cells), problem.place);
            for kind in kinds {
                let name = label(problem, kind);
                let parts = match table {
                    Table::Hasher => of_hasher(&name, at, place),
                    Table::Resources if place % 2 == 0 => of_resources(&name, at),
                    _ => of_others(table, &name, at, place),
                };
                let Some(parts) = parts else { continue };
                let wrong = (0..parts.len()).filter(|&i| !is_zero(kind, &parts[i]));
                failed.extend(wrong.map(|part| (name.clone(), place, part)));
                if table == Table::Resources {
                    let cell = problem
                        .cells
                        .find("resources.request.kind")
                        .expect("a cell");
                    let operation = name.split(',').next().unwrap_or_default();
                    let of_kind = kind.constants.get(&cell).expect("a kind of call");
                    let operations = kinds_of_calls.entry(of_kind.as_int()).or_default();
                    operations.insert(operation.to_owned());
                }
                found.insert((table, name));
            }
        }
    }
    assert_eq!(failed, BTreeSet::new(), "definitions that do not follow");
    for (kind, operations) in kinds_of_calls {
        assert_eq!(operations.len(), 1, "kind of call {kind}: {operations:?}");
    }
    let count = |table| found.iter().filter(|(other, _)| *other == table).count();
    let counts = [
        Table::Hasher,
        Table::Memory,
        Table::Bitwise,
        Table::Circuits,
    ]
    .map(count);
    assert_eq!(counts, [5, 5, 1, 5], "{found:?}");
    assert!(count(Table::Resources) >= 7, "{found:?}");
}

#[test]
fn operations_are_what_they_are_defined_as() {
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
    for (problem, kind) in Solved::of(Table::Core).kinds() {
        if let Some((name, wrong)) = check(problem, kind) {
            failed.extend(wrong.into_iter().map(|part| (name.clone(), part)));
            *found.entry(name).or_default() += 1;
        }
    }
    assert_eq!(failed, BTreeSet::new(), "definitions that do not follow");
    assert_eq!(found.len(), 41, "{found:?}");
}
