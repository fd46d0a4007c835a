//! Copies: of nothing, of one, and of regions that overlap.

use std::collections::BTreeMap;

use super::{Case, Table};

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
            let case = Case::new([count.into(), from.into(), to.into()], vec![0; 13]);
            cases.push(case.memory(from, &data).leaves(low, &expected));
        }
    }
    cases
}

pub fn table() -> Table {
    vec![
        ("mem::memcopy_words", copies(4)),
        ("mem::memcopy_elements", copies(1)),
    ]
}
