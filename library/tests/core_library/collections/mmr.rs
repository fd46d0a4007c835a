//! Merkle mountain ranges, against `miden-crypto`'s.

use miden_core::{
    Felt, Word, ZERO,
    crypto::{
        hash::Rpo256,
        merkle::{Mmr, MmrPeaks},
    },
};

use crate::support::{Call, Code, Corrected, Published, Samples, procedures};

/// A range of so many leaves.
pub fn range(leaves: u64) -> Mmr {
    let mut range = Mmr::new();
    for seed in 0..leaves {
        range.add(Samples::new(seed).word());
    }
    range
}

/// Memory as the library keeps it: number of leaves, then peaks.
pub fn in_memory(peaks: &MmrPeaks) -> Vec<Felt> {
    let mut elements = vec![Felt::new(peaks.num_leaves() as u64), ZERO, ZERO, ZERO];
    elements.extend(peaks.peaks().iter().flat_map(|peak| peak.to_vec()));
    elements
}

/// The advice for a commitment to the peaks, which binds their number of leaves if it is corrected.
pub fn advice(code: Code, peaks: &MmrPeaks) -> (Word, Vec<Felt>) {
    let mut elements = vec![Felt::new(peaks.num_leaves() as u64), ZERO, ZERO, ZERO];
    elements.extend(peaks.flatten_and_pad_peaks());
    let hash = match code {
        Published => peaks.hash_peaks(),
        Corrected => Rpo256::hash_elements(&elements),
    };
    (hash, elements)
}

/// Calls of `get`, in ranges of several sizes.
pub fn get_calls() -> Vec<Call> {
    let positions = [
        (1, 0),
        (2, 1),
        (7, 6),
        (11, 0),
        (11, 7),
        (11, 9),
        (11, 10),
        (11, 11),
    ];
    positions
        .into_iter()
        .map(|(leaves, position)| {
            let range = range(leaves);
            Call::new("collections::mmr::get")
                .memory(100, in_memory(&range.peaks()))
                .trees(range.inner_nodes())
                .stack([position, 100_u32])
        })
        .collect()
}

/// Calls of `unpack`, with several numbers of leaves that have the same peaks or other ones.
pub fn unpack_calls(code: Code) -> Vec<Call> {
    [0, 3, 6, 31]
        .map(|leaves| {
            let (hash, elements) = advice(code, &range(leaves).peaks());
            let call = Call::new("collections::mmr::unpack").word(hash);
            call.stack([100_u32]).entry(hash, elements)
        })
        .to_vec()
}

/// Calls of `add` and `pack`.
pub fn peaks_calls(procedure: &str) -> Vec<Call> {
    [0, 1, 3, 7]
        .map(|leaves| {
            let call = Call::new(&format!("collections::mmr::{procedure}"));
            let call = call.memory(100, in_memory(&range(leaves).peaks()));
            let call = match procedure {
                "add" => call.word(Samples::new(99).word()),
                _ => call,
            };
            call.stack([100_u32])
        })
        .to_vec()
}

procedures! { "::miden::core::collections::mmr";
    fn get() {
        let range = range(11);
        for position in [0_u32, 5, 7, 8, 9, 10] {
            let leaf = Call::new("collections::mmr::get")
                .memory(100, in_memory(&range.peaks()))
                .trees(range.inner_nodes())
                .stack([position, 100])
                .top_word();
            assert_eq!(leaf, range.get(position as usize).expect("the leaf exists"));
        }
    }

    fn num_leaves_to_num_peaks() {
        for leaves in [0_u64, 1, 7, 1 << 40, (1 << 40) + 5] {
            let call = Call::new("collections::mmr::num_leaves_to_num_peaks").stack([leaves]);
            assert_eq!(call.top(), [u64::from(leaves.count_ones())]);
        }
    }

    fn num_peaks_to_message_size() {
        // The padding is that of the elements that are hashed.
        for leaves in [1_u64, (1 << 16) - 1, (1 << 17) - 1, (1 << 18) - 1] {
            let peaks = leaves.count_ones();
            let call = Call::new("collections::mmr::num_peaks_to_message_size").stack([peaks]);
            let padded = u64::from(peaks.max(16).next_multiple_of(2) * 4);
            assert_eq!(call.top(), [padded]);
        }
    }

    fn unpack() {
        for leaves in [0, 3, 31] {
            let peaks = range(leaves).peaks();
            let (hash, elements) = advice(Published, &peaks);
            let outcome = Call::new("collections::mmr::unpack")
                .word(hash)
                .stack([100_u32])
                .entry(hash, elements)
                .run();
            let expected = in_memory(&peaks);
            assert_eq!(outcome.elements(100, expected.len() as u32), expected);
        }
        // Other peaks than those that were committed to.
        let (hash, mut elements) = advice(Published, &range(3).peaks());
        elements[4] += Felt::new(1);
        let call = Call::new("collections::mmr::unpack").word(hash).stack([100_u32]);
        call.entry(hash, elements).trap();
    }

    fn pack() {
        for leaves in [1, 3, 31] {
            let peaks = range(leaves).peaks();
            let hash = Call::new("collections::mmr::pack")
                .memory(100, in_memory(&peaks))
                .stack([100_u32])
                .top_word();
            assert_eq!(hash, peaks.hash_peaks());
        }
    }

    fn add() {
        for leaves in [0, 1, 2, 7] {
            let mut range = range(leaves);
            let leaf = Samples::new(99).word();
            let call = Call::new("collections::mmr::add")
                .memory(100, in_memory(&range.peaks()))
                .word(leaf)
                .stack([100_u32]);
            let outcome = if leaves == 7 { call.prove() } else { call.run() };
            range.add(leaf);
            let expected = in_memory(&range.peaks());
            let found = outcome.elements(100, expected.len() as u32);
            assert_eq!(found, expected, "after {leaves} leaves");
        }
    }
}
