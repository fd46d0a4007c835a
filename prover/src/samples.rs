//! Tables for tests: rows of arbitrary cells, on which every step of the prover but the last has a
//! right result.

use miden_core::Felt;
use miden_cvm_air::table::{Table, Trace};

/// The cells of `height` rows of a table: pseudo-random ones; some of them are zero, as in real
/// traces.
pub fn cells(table: Table, height: usize) -> Vec<Felt> {
    let mut state = 7 + table as u64;
    let mut sample = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        match state >> 62 {
            0 => Felt::new(0),
            _ => Felt::new(state),
        }
    };
    (0..height * table.width()).map(|_| sample()).collect()
}

/// A trace of such tables, of different heights; one is in two pieces, and some are absent.
pub fn trace() -> Trace {
    let mut trace = Trace::default();
    let heights = [
        (Table::Core, (1 << 12) + (1 << 9) - 1),
        (Table::Range, 1 << 9),
        (Table::Hasher, 1 << 11),
        (Table::Memory, 1 << 10),
    ];
    for (table, height) in heights {
        trace.resize(table, height);
        trace
            .cells_mut(table)
            .copy_from_slice(&cells(table, height));
    }
    trace
}
