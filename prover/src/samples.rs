//! Tables for tests: rows of arbitrary cells, on which every step of the prover but the last has a
//! right result.

use miden_core::Felt;
use miden_cvm_air::table::Table;

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
