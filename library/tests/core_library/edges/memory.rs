//! Copies: of nothing, of one, and of regions that overlap; words from the advice; and the stack.

use std::collections::BTreeMap;

use miden_core::{Felt, ONE, StarkField, Word, ZERO, crypto::hash::Rpo256};

use super::{Case, Expected, Table, ints, on_stack};
use crate::support::Samples;

/// Copies one unit of `size` elements after the other, the lowest first.
fn copies(size: u32) -> Vec<Case> {
    let mut cases = Vec::new();
    for (from, to) in [
        (400, 800),
        (800, 400),
        (400, 400),
        (400, 404),
        (404, 400),
        (400, 412),
    ] {
        for count in [0_u32, 1, 2, 3, 4, 7, 8] {
            let data: Vec<u64> = (1..=64).collect();
            let mut memory: BTreeMap<u32, u64> = (from..).zip(data.iter().copied()).collect();
            for addr in (0..count * size).step_by(size as usize) {
                let unit: Vec<u64> = (0..size)
                    .map(|i| memory.get(&(from + addr + i)).copied().unwrap_or_default())
                    .collect();
                memory.extend((to + addr..).zip(unit));
            }
            // What is around is as it was.
            let low = from.min(to) - 4;
            let expected: Vec<u64> = (low..from.max(to) + 80)
                .map(|addr| memory.get(&addr).copied().unwrap_or_default())
                .collect();
            let case = Case::new([count.into(), from.into(), to.into()], vec![]);
            cases.push(case.memory(from, &data).leaves(low, &expected));
        }
    }
    cases
}

const ADDR: u32 = 400;

/// Elements with the least and the greatest among them.
fn elements(count: usize) -> Vec<Felt> {
    let mut elements = Samples::new(count as u64).felts(count);
    if let [first, .., last] = &mut elements[..] {
        (*first, *last) = (ZERO, ZERO - ONE);
    }
    elements
}

/// Words from the advice, whose hasher's state is left: the capacity, and the last block.
fn pipes(procedure: fn(u32) -> Vec<u64>, counts: &[u32]) -> Vec<Case> {
    let cases = counts.iter().map(|&words| {
        let elements = elements(words as usize * 4);
        let mut state = [ZERO; 12];
        // A last word has one of padding.
        let mut padded = elements.clone();
        if words % 2 == 1 {
            state[Rpo256::CAPACITY_RANGE.start] = Felt::new(4);
            padded.extend([ZERO; 4]);
        }
        for block in padded.chunks_exact(8) {
            state[Rpo256::RATE_RANGE].copy_from_slice(block);
            Rpo256::apply_permutation(&mut state);
        }
        let state: Vec<Felt> = state.iter().rev().copied().collect();
        let end = u64::from(ADDR + 4 * words);
        let case = Case::new(procedure(words), [ints(&state), vec![end]].concat());
        case.leaves(ADDR, &ints(&elements)).advice(elements)
    });
    cases.collect()
}

/// Words from the advice, under their hash and under another one.
fn preimages(counts: &[u32]) -> Vec<Case> {
    let cases = counts.iter().flat_map(|&words| {
        let elements = elements(words as usize * 4);
        let hash = Rpo256::hash_elements(&elements);
        let stack = |hash: Word| [vec![words.into(), ADDR.into()], on_stack(hash)].concat();
        let end = u64::from(ADDR + 4 * words);
        let mut other = hash;
        other[3] += ONE;
        [
            Case::new(stack(hash), vec![end]).leaves(ADDR, &ints(&elements)),
            Case::new(stack(other), Expected::Traps),
        ]
        .map(|case| case.advice(elements.clone()))
    });
    cases.collect()
}

/// A commitment and a tag: logged, and gone.
fn requests() -> Vec<Case> {
    let greatest = Felt::MODULUS - 1;
    [[0; 8], [greatest; 8], [1, 2, 3, 4, 5, 6, 7, 8]]
        .map(|request| Case::new(request, vec![]))
        .to_vec()
}

pub fn table() -> Table {
    let sixteen: Vec<u64> = (1..=16).collect();
    let deep: Vec<u64> = (1..=40).collect();
    vec![
        ("mem::memcopy_words", copies(4)),
        ("mem::memcopy_elements", copies(1)),
        (
            "mem::pipe_words_to_memory",
            pipes(
                |words| vec![words.into(), ADDR.into()],
                &[0, 1, 2, 3, 4, 7, 8, 9],
            ),
        ),
        (
            "mem::pipe_double_words_to_memory",
            pipes(
                |words| {
                    let pointers = [ADDR, ADDR + 4 * words].map(u64::from);
                    [vec![0; 12], pointers.to_vec()].concat()
                },
                &[0, 2, 4, 8, 16],
            ),
        ),
        (
            "mem::pipe_preimage_to_memory",
            preimages(&[1, 2, 3, 4, 7, 8]),
        ),
        (
            "mem::pipe_double_words_preimage_to_memory",
            preimages(&[2, 4, 8]),
        ),
        (
            "sys::truncate_stack",
            [vec![], vec![7], sixteen.clone(), deep]
                .map(|stack| Case::new(stack.clone(), stack))
                .to_vec(),
        ),
        (
            "sys::drop_stack_top",
            vec![
                Case::new(sixteen.clone(), vec![]),
                Case::new([sixteen, vec![17, 18]].concat(), vec![17, 18]),
            ],
        ),
        ("sys::log_precompile_request", requests()),
    ]
}
