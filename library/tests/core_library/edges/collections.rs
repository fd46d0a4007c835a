//! Collections of no entry, of one, of powers of two and one more or less; against `miden-crypto`
//! and Rust's searches.

use miden_core::{Felt, LexicographicWord, StarkField, Word, ZERO, crypto::merkle::Smt};

use super::{Case, Expected, Table, ints, on_stack};
use crate::{
    collections::mmr::{self, in_memory, range},
    support::{Code, Samples},
};

const ADDR: u32 = 400;

fn arrays() -> Table {
    let greatest = Felt::MODULUS - 1;
    let word = |elements: [u64; 4]| Word::new(elements.map(Felt::new));
    let mut find_word = Vec::new();
    let mut find_pair = Vec::new();
    let mut find_half = Vec::new();
    for len in [0_usize, 1, 2, 3, 4, 5, 8, 9] {
        // The keys are apart in their second, third or last element; the ends are the least and the
        // greatest word.
        let mut words: Vec<Word> = (0..len as u64)
            .map(|i| word([greatest, 10 * (i % 2), 5, 10 * (i / 2)]))
            .collect();
        if len > 3 {
            words[0] = word([0; 4]);
            words[len - 1] = word([greatest; 4]);
        }
        let order = |word: Word| LexicographicWord::from(word);
        words.sort_by_key(|&word| order(word));
        let mut keys = vec![word([0; 4]), word([greatest; 4]), word([0, 0, 5, 10])];
        for &entry in &words {
            for position in 0..4 {
                for step in [Felt::new(1), ZERO - Felt::new(1)] {
                    let mut near = entry;
                    near[position] += step;
                    keys.push(near);
                }
            }
            keys.push(entry);
        }
        for key in keys {
            let result = |found: bool, index: usize, size: u32| {
                let addr = |index: usize| u64::from(ADDR + index as u32 * size);
                vec![found.into(), addr(index), addr(0), addr(len)]
            };
            let bounds = |size: u32| vec![ADDR.into(), u64::from(ADDR + len as u32 * size)];
            let lower = words.partition_point(|&word| order(word) < order(key));
            let found = words.get(lower) == Some(&key);
            let elements: Vec<Felt> = words.iter().flat_map(|word| word.to_vec()).collect();
            let stack = [on_stack(key), bounds(4)].concat();
            let case = Case::new(stack, result(found, lower, 4));
            find_word.push(case.memory(ADDR, &ints(&elements)));

            let pairs: Vec<Felt> = (1..)
                .zip(&words)
                .flat_map(|(i, word)| [word.to_vec(), vec![Felt::new(i); 4]].concat())
                .collect();
            let stack = [on_stack(key), bounds(8)].concat();
            let case = Case::new(stack, result(found, lower, 8));
            find_pair.push(case.memory(ADDR, &ints(&pairs)));

            let half = |word: Word| (word[3].as_int(), word[2].as_int());
            let lower = words.partition_point(|&word| half(word) < half(key));
            let found = words
                .get(lower)
                .is_some_and(|&word| half(word) == half(key));
            // Which of several equal ones it is, is the library's business.
            let same = words
                .iter()
                .filter(|&&word| half(word) == half(key))
                .count();
            if same < 2 {
                let stack = [vec![half(key).0, half(key).1], bounds(8)].concat();
                let case = Case::new(stack, result(found, lower, 8));
                find_half.push(case.memory(ADDR, &ints(&pairs)));
            }
        }
    }
    vec![
        ("collections::sorted_array::find_word", find_word),
        ("collections::sorted_array::find_key_value", find_pair),
        ("collections::sorted_array::find_half_key_value", find_half),
    ]
}

/// Sparse Merkle trees of no entry, one, and several, some of them in one leaf.
fn trees() -> Table {
    let greatest = Felt::MODULUS - 1;
    let key = |low: u64, leaf: u64| Word::new([low, 0, 0, leaf].map(Felt::new));
    let value = |seed: u64| Samples::new(seed).word();
    let entries = [
        (key(1, 0), value(1)),
        (key(0, greatest), value(2)),
        (key(1, greatest), value(3)),
        (key(greatest, 1 << 63), value(4)),
        (key(2, 5), value(5)),
        (key(3, 5), value(6)),
        (key(4, 5), value(7)),
    ];
    let mut keys: Vec<Word> = entries.iter().map(|&(key, _)| key).collect();
    keys.extend([key(0, 0), key(2, greatest), key(9, 5), key(7, 7), key(0, 1)]);
    let mut get = Vec::new();
    let mut set = Vec::new();
    let mut peek = Vec::new();
    for count in [0, 1, 3, 7] {
        let tree = Smt::with_entries(entries[..count].iter().copied()).expect("the keys differ");
        let with_tree = |mut case: Case| {
            for (_, leaf) in tree.leaves() {
                case.map.insert(leaf.hash(), leaf.to_elements());
            }
            case.trees.extend(tree.inner_nodes());
            case
        };
        for &key in &keys {
            let stack = [on_stack(key), on_stack(tree.root())].concat();
            let old = tree.get_value(&key);
            let case = Case::new(stack.clone(), stack.clone()).leaves_advice(old.as_elements());
            peek.push(with_tree(case));
            let expected = [on_stack(old), on_stack(tree.root())].concat();
            get.push(with_tree(Case::new(stack, expected)));
            for new in [Word::default(), value(99)] {
                let mut updated = tree.clone();
                let old = updated.insert(key, new).expect("there is room");
                let stack = [on_stack(new), on_stack(key), on_stack(tree.root())].concat();
                let expected = [on_stack(old), on_stack(updated.root())].concat();
                set.push(with_tree(Case::new(stack, expected)));
            }
        }
    }
    vec![
        ("collections::smt::get", get),
        ("collections::smt::set", set),
        ("collections::smt::peek", peek),
    ]
}

fn ranges(code: Code) -> Table {
    let mut get = Vec::new();
    let mut add = Vec::new();
    let mut pack = Vec::new();
    let mut unpack = Vec::new();
    for leaves in [0_u64, 1, 2, 3, 4, 7, 8, 9, 16, 17, 31, 32] {
        let mut range = range(leaves);
        let peaks = range.peaks();
        for position in (0..leaves).chain([leaves, leaves + 1, u64::from(u32::MAX)]) {
            let stack = [position, ADDR.into()];
            let mut case = match range.get(position as usize) {
                Ok(leaf) => Case::new(stack, on_stack(leaf)),
                Err(_) => Case::new(stack, Expected::Traps),
            };
            case.trees.extend(range.inner_nodes());
            get.push(case.memory(ADDR, &ints(&in_memory(&peaks))));
        }
        let (hash, elements) = mmr::advice(code, &peaks);
        let case = Case::new([ADDR.into()], on_stack(hash));
        pack.push(case.memory(ADDR, &ints(&in_memory(&peaks))));

        let stack = [on_stack(hash), vec![ADDR.into()]].concat();
        let mut case = Case::new(stack, vec![]).leaves(ADDR, &ints(&in_memory(&peaks)));
        case.map.insert(hash, elements);
        unpack.push(case);

        let leaf = Samples::new(99).word();
        range.add(leaf);
        let stack = [on_stack(leaf), vec![ADDR.into()]].concat();
        let mut case = Case::new(stack, vec![]).leaves(ADDR, &ints(&in_memory(&range.peaks())));
        case.trees.extend(range.inner_nodes());
        add.push(case.memory(ADDR, &ints(&in_memory(&peaks))));
    }
    let counts = [
        0_u64,
        1,
        2,
        3,
        0xffff_ffff,
        1 << 32,
        (1 << 32) + 1,
        1 << 63,
        Felt::MODULUS - 1,
    ];
    let peaks = counts
        .map(|leaves| Case::new([leaves], vec![leaves.count_ones().into()]))
        .to_vec();
    let sizes = [1_u64, 2, 15, 16, 17, 18, 31, 32, 63, 64]
        .map(|peaks| Case::new([peaks], vec![peaks.max(16).next_multiple_of(2) * 4]))
        .to_vec();
    vec![
        ("collections::mmr::get", get),
        ("collections::mmr::add", add),
        ("collections::mmr::pack", pack),
        ("collections::mmr::unpack", unpack),
        ("collections::mmr::num_leaves_to_num_peaks", peaks),
        ("collections::mmr::num_peaks_to_message_size", sizes),
    ]
}

pub fn table(code: Code) -> Table {
    [arrays(), trees(), ranges(code)].concat()
}
