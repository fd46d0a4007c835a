//! Traces for tests: rows of arbitrary cells, on which every step of the prover but the last has a
//! right result.

use miden_core::{Felt, Kernel, StackInputs, StackOutputs, Word};
use miden_cvm_air::{
    columns::{MAIN_WIDTH, MainRow},
    public::PublicInputs,
};

/// The public inputs of an open program.
pub fn public() -> PublicInputs {
    PublicInputs {
        program_hash: Word::default(),
        kernel: Kernel::default(),
        composition: None,
        stack_inputs: StackInputs::default(),
        stack_outputs: StackOutputs::default(),
        precompile_transcript: Word::default(),
    }
}

/// `length` rows of pseudo-random cells; some of them are zero, as in real traces.
pub fn rows(length: usize) -> Vec<MainRow<Felt>> {
    let mut state = 7_u64;
    let mut sample = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        match state >> 62 {
            0 => Felt::new(0),
            _ => Felt::new(state),
        }
    };
    (0..length)
        .map(|_| {
            let mut cells = [Felt::new(0); MAIN_WIDTH];
            cells.fill_with(&mut sample);
            *MainRow::from_cells(&cells)
        })
        .collect()
}
