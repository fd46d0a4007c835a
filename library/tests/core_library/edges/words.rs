//! Words, compared by their last element first.

use std::cmp::Ordering;

use miden_core::{Felt, StarkField};

use super::{Case, Table};

const P: u64 = Felt::MODULUS;
const ELEMENTS: [u64; 8] = [
    0,
    1,
    0xffff_ffff,
    1 << 32,
    1 << 63,
    P - (1 << 32),
    P - 2,
    P - 1,
];

/// Words that differ in one element, or in one and, the other way round, in all less significant ones.
fn pairs() -> Vec<([u64; 4], [u64; 4])> {
    let mut pairs = Vec::new();
    for position in 0..4 {
        for a in ELEMENTS {
            for b in ELEMENTS {
                for rest in [0, P - 1] {
                    let mut words = [[rest; 4]; 2];
                    (words[0][position], words[1][position]) = (a, b);
                    pairs.push((words[0], words[1]));
                }
                let mut words = [[7; 4]; 2];
                (words[0][position], words[1][position]) = (a, b);
                words[0][..position].fill(P - 1);
                words[1][..position].fill(0);
                pairs.push((words[0], words[1]));
            }
        }
    }
    pairs
}

fn on_stack(word: &[u64; 4]) -> Vec<u64> {
    word.iter().rev().copied().collect()
}

fn relation(expected: impl Fn(Ordering) -> bool) -> Vec<Case> {
    pairs()
        .iter()
        .map(|(a, b)| {
            let order = a.iter().rev().cmp(b.iter().rev());
            Case::new(
                [on_stack(b), on_stack(a)].concat(),
                vec![expected(order).into()],
            )
        })
        .collect()
}

fn unary(expected: impl Fn(&[u64; 4]) -> Vec<u64>) -> Vec<Case> {
    pairs()
        .iter()
        .map(|(word, _)| Case::new(on_stack(word), expected(word)))
        .collect()
}

pub fn table() -> Table {
    let is_zero = |word: &[u64; 4]| u64::from(*word == [0; 4]);
    vec![
        ("word::lt", relation(Ordering::is_lt)),
        ("word::lte", relation(Ordering::is_le)),
        ("word::gt", relation(Ordering::is_gt)),
        ("word::gte", relation(Ordering::is_ge)),
        ("word::eq", relation(Ordering::is_eq)),
        (
            "word::test_eq",
            pairs()
                .iter()
                .map(|(a, b)| {
                    let words = [on_stack(b), on_stack(a)].concat();
                    let expected = [&[u64::from(a == b)][..], &words].concat();
                    Case::new(words, expected)
                })
                .collect(),
        ),
        ("word::eqz", unary(|word| vec![is_zero(word)])),
        (
            "word::testz",
            unary(|word| [vec![is_zero(word)], on_stack(word)].concat()),
        ),
        ("word::reverse", unary(|word| word.to_vec())),
        (
            "word::store_word_u32s_le",
            pairs()
                .iter()
                .map(|(word, _)| {
                    let limbs: Vec<u64> = word
                        .iter()
                        .flat_map(|element| [element & 0xffff_ffff, element >> 32])
                        .collect();
                    let stack = [on_stack(word), vec![96]].concat();
                    Case::new(stack, vec![]).leaves(96, &limbs)
                })
                .collect(),
        ),
    ]
}
