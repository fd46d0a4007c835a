//! Permutations and Merkle paths, from the operation to the hasher.

use miden_core::{
    Felt, ONE,
    Operation::{self, HPerm, MpVerify, MrUpdate, Noop},
    Word, ZERO,
    crypto::merkle::{MerkleStore, MerkleTree},
};

use super::{
    Forgery,
    toolkit::{CYCLE, digest_of, trace_of},
};
use crate::common::Case;

/// An operation on leaf `index` of a tree of 8 leaves; it is on row 1. The stack has the leaf, the
/// depth, the index, the root and a new leaf.
pub fn merkle(op: Operation, index: usize) -> Forgery {
    let leaves: Vec<Word> = (0..8u64)
        .map(|i| Word::new([i + 1, 2 * i, 7, 3].map(Felt::new)))
        .collect();
    let tree = MerkleTree::new(leaves.clone()).expect("eight leaves make a tree");
    let mut store = MerkleStore::default();
    store.extend(tree.inner_nodes());
    let top_first = |word: Word| word.iter().rev().map(Felt::as_int).collect::<Vec<_>>();
    let stack = [
        top_first(leaves[index]),
        vec![3, index as u64],
        top_first(tree.root()),
        vec![41, 42, 43, 44],
    ];
    let case = Case::operations("merkle", vec![op, Noop])
        .stack(&stack.concat())
        .store(store);
    trace_of(&case)
}

fn verify(index: usize) -> Forgery {
    merkle(MpVerify(ZERO), index)
}

/// Puts something else on the stack, from the first row to the operation.
fn give(forgery: &mut Forgery, at: usize, value: Felt) {
    forgery.edit(0..2, |core| core.stack.top[at] = value);
    forgery.claim_inputs();
}

#[test]
fn a_permutation_that_is_none() {
    let inputs: Vec<u64> = (1..=12).collect();
    let case = Case::operations("permutation", vec![HPerm, Noop]).stack(&inputs);
    let mut forged = trace_of(&case);
    forged.edit_from(2, |core| core.stack.top[3] += ONE);
    forged.claim_outputs();
    forged.settles_to(&["bus.HashOutput"]);
    // The hasher says so too.
    let address = forged.trace.core[1].helpers[0].as_int() as usize;
    let last = &mut forged.trace.hasher[address + CYCLE - 1];
    last.state[8] += ONE;
    forged.settles_to(&["hasher.cube_out", "hasher.round"]);
    // The output of another permutation.
    let mut forged = trace_of(&case);
    let (other, _) = forged.hash([ONE; 12]);
    let output = forged.trace.hasher[other + CYCLE - 1].state;
    forged.edit_from(2, |core| {
        for (i, lane) in output.iter().enumerate() {
            core.stack.top[11 - i] = *lane;
        }
    });
    forged.claim_outputs();
    forged.settles_to(&["bus.HashOutput"]);
    forged.core(1).helpers[0] = Felt::new(other as u64);
    forged.settles_to(&["bus.HashInput"]);
}

#[test]
fn another_leaf_root_index_or_depth() {
    let two = Felt::new(2);
    for op in [MpVerify(ZERO), MrUpdate] {
        for (at, value, bus) in [
            (0, two, "bus.MerkleLeaf"),
            (6, two, "bus.MerkleRoot"),
            (5, two, "bus.MerkleLeaf"),
            (4, two, "bus.MerkleRoot"),
            // The same leaf in another tree: index 5 + 8.
            (5, Felt::new(13), "bus.MerkleLeaf"),
        ] {
            let mut forged = merkle(op, 5);
            give(&mut forged, at, value);
            if op != MrUpdate || at > 3 {
                forged.edit_from(2, |core| core.stack.top[at] = value);
            }
            forged.claim_outputs();
            forged.settles_to(&[bus]);
        }
    }
    let mut forged = merkle(MrUpdate, 5);
    forged.edit_from(2, |core| core.stack.top[0] += ONE);
    forged.claim_outputs();
    forged.settles_to(&["bus.MerkleRoot"]);
}

#[test]
fn one_path_for_two_claims() {
    let mut forged = verify(5);
    let mut again = forged.trace.core[2];
    let first = forged.trace.core[1];
    again.op = first.op;
    again.helpers = first.helpers;
    *forged.core(2) = again;
    forged.public.program_hash = forged.rewrite_block(
        0,
        &[
            miden_cvm_air::opcode::MPVERIFY,
            miden_cvm_air::opcode::MPVERIFY,
        ],
    );
    forged.settles_to(&["bus.MerkleLeaf", "bus.MerkleRoot"]);
}

/// First rows of the cycles of the second leg.
fn second_leg(forgery: &Forgery) -> Vec<usize> {
    forgery.cycles(|row| row.merkle == ONE && row.merkle_args().new_leg == ONE)
}

/// Computes a leg anew from its cycle number `from` on, and puts its root on the stack.
fn climb(forgery: &mut Forgery, leg: &[usize]) {
    let mut node: Option<[Felt; 4]> = None;
    for &cycle in leg {
        let state = forgery.edit_cycle(cycle, |row| {
            if let Some(node) = node {
                let at = if row.merkle_args().bit == ONE { 8 } else { 4 };
                row.state[at..at + 4].copy_from_slice(&node);
            }
        });
        node = Some(digest_of(&state).into());
    }
    let mut root = node.expect("a leg has cycles");
    root.reverse();
    forgery.edit_from(2, |core| core.stack.top[..4].copy_from_slice(&root));
    forgery.claim_outputs();
}

/// Where the sibling is in the state of a cycle.
fn sibling(forgery: &Forgery, cycle: usize) -> usize {
    if forgery.trace.hasher[cycle].merkle_args().bit == ONE {
        4
    } else {
        8
    }
}

#[test]
fn an_update_that_changes_more_than_one_leaf() {
    for level in 0..3 {
        let mut forged = merkle(MrUpdate, 5);
        let leg = second_leg(&forged);
        let at = sibling(&forged, leg[level]);
        forged.edit_cycle(leg[level], |row| row.state[at] += ONE);
        climb(&mut forged, &leg);
        forged.settles_to(&["bus.MerkleSibling"]);
    }
}

#[test]
fn an_update_with_levels_exchanged() {
    let mut forged = merkle(MrUpdate, 5);
    let leg = second_leg(&forged);
    let places = [0, 1].map(|level| sibling(&forged, leg[level]));
    let words: [[Felt; 4]; 2] = core::array::from_fn(|level| {
        let state = forged.trace.hasher[leg[level]].state;
        core::array::from_fn(|i| state[places[level] + i])
    });
    for level in 0..2 {
        let at = places[level];
        forged.edit_cycle(leg[level], |row| {
            row.state[at..at + 4].copy_from_slice(&words[1 - level]);
        });
    }
    climb(&mut forged, &leg);
    forged.settles_to(&["bus.MerkleSibling"]);
}

#[test]
fn an_update_of_another_index() {
    // The second leg climbs from leaf 4 instead of 5.
    let mut forged = merkle(MrUpdate, 5);
    let leg = second_leg(&forged);
    let state = forged.trace.hasher[leg[0]].state;
    forged.edit_cycle(leg[0], |row| {
        row.state[4..8].copy_from_slice(&state[8..]);
        row.state[8..].copy_from_slice(&state[4..8]);
        row.args[4] -= ONE;
        row.args[5] = ZERO;
    });
    climb(&mut forged, &leg);
    forged.settles_to(&["bus.MerkleLeaf", "bus.MerkleSibling"]);
}

#[test]
fn an_update_as_a_verification() {
    // The new root is whatever a verification of something has as its root.
    let mut forged = merkle(MrUpdate, 5);
    for cycle in second_leg(&forged) {
        forged.edit_cycle(cycle, |row| row.args[2] = ZERO);
    }
    forged.settle();
    let found = forged.violations();
    for name in ["bus.MerkleLeaf", "bus.MerkleRoot", "bus.MerkleSibling"] {
        assert!(found.contains(name), "{name} is not in {found:?}");
    }
}

#[test]
fn an_index_with_bits_too_many() {
    // 5 + 8 in a path of 3 levels: the last cycle's index is 3 instead of 1.
    let mut forged = verify(5);
    let leg = forged.cycles(|row| row.merkle == ONE);
    for (level, &cycle) in leg.iter().enumerate() {
        forged.edit_cycle(cycle, |row| row.args[4] += Felt::new(8 >> level));
    }
    give(&mut forged, 5, Felt::new(13));
    forged.edit_from(2, |core| core.stack.top[5] = Felt::new(13));
    forged.claim_outputs();
    forged.settles_to(&["hasher.merkle_end_index"]);
}

#[test]
fn a_node_that_does_not_follow() {
    // The path of another root: the last level's node is not the digest of the level below.
    let mut forged = verify(5);
    let leg = forged.cycles(|row| row.merkle == ONE);
    let at = 12 - sibling(&forged, leg[2]);
    let state = forged.edit_cycle(leg[2], |row| row.state[at] += ONE);
    let mut root: [Felt; 4] = digest_of(&state).into();
    root.reverse();
    forged.edit_from(0, |core| core.stack.top[6..10].copy_from_slice(&root));
    forged.claim_inputs();
    forged.claim_outputs();
    forged.settles_to(&["hasher.merkle_node"]);
    // Or it is hashed with something in the capacity.
    let mut forged = verify(5);
    let state = forged.edit_cycle(leg[2], |row| row.state[1] = ONE);
    let mut root: [Felt; 4] = digest_of(&state).into();
    root.reverse();
    forged.edit_from(0, |core| core.stack.top[6..10].copy_from_slice(&root));
    forged.claim_inputs();
    forged.claim_outputs();
    forged.settles_to(&["hasher.zero_capacity"]);
}

#[test]
fn a_path_that_begins_higher_up() {
    // The first level is left out, and the depth is still 3.
    let mut forged = verify(5);
    let leg = forged.cycles(|row| row.merkle == ONE);
    let node: [Felt; 4] = {
        let row = &forged.trace.hasher[leg[1]];
        let at = 12 - sibling(&forged, leg[1]);
        core::array::from_fn(|i| row.state[at + i])
    };
    forged.remove_cycles(leg[0]..leg[0] + CYCLE);
    let path = Felt::new(leg[0] as u64);
    for (i, row) in (leg[0]..leg[0] + 2 * CYCLE).enumerate() {
        let row = &mut forged.trace.hasher[row];
        row.args[0] = path;
        if i < CYCLE {
            (row.args[6], row.args[7]) = (ONE, ONE);
        }
    }
    let index = Felt::new(2);
    forged.edit_from(0, |core| {
        core.stack.top[5] = index;
        for (i, &lane) in node.iter().rev().enumerate() {
            core.stack.top[i] = lane;
        }
    });
    forged.claim_inputs();
    forged.claim_outputs();
    forged.settles_to(&["hasher.merkle_start_level"]);
}
