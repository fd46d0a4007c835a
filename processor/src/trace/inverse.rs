//! Inverses that rows need, computed together at the end.

use miden_core::{Felt, ZERO};
use miden_cvm_air::columns::CoreRow;

/// Cells that have to be given the inverse of a value.
#[derive(Debug, Default)]
pub(super) struct PendingInverses {
    helpers: Vec<(usize, usize, Felt)>,
    depths: Vec<(usize, u32)>,
}

impl PendingInverses {
    /// Helper `helper` of a row is to be the inverse of `value`, or zero if that is zero.
    pub fn helper(&mut self, row: usize, helper: usize, value: Felt) {
        if value != ZERO {
            self.helpers.push((row, helper, value));
        }
    }

    /// The stack of a row is `above` elements deeper than 16.
    pub fn depth(&mut self, row: usize, above: u32) {
        self.depths.push((row, above));
    }

    /// Writes the inverses into rows, of which the first one has the number `first`. No row before it has any.
    pub fn resolve(&mut self, rows: &mut [CoreRow<Felt>], first: usize) {
        let mut values: Vec<Felt> = self.helpers.iter().map(|&(_, _, value)| value).collect();
        invert_all(&mut values);
        for (&(row, helper, _), value) in self.helpers.iter().zip(values) {
            rows[row - first].helpers[helper] = value;
        }
        // Depths are few different numbers.
        let deepest = self
            .depths
            .iter()
            .map(|&(_, above)| above)
            .max()
            .unwrap_or(0);
        let mut inverses: Vec<Felt> = (1..=deepest).map(Felt::from).collect();
        invert_all(&mut inverses);
        for &(row, above) in &self.depths {
            rows[row - first].stack.depth_inv = inverses[above as usize - 1];
        }
    }
}

/// Replaces non-zero values by their inverses, with a single inversion.
fn invert_all(values: &mut [Felt]) {
    let mut product = miden_core::ONE;
    let mut prefixes = Vec::with_capacity(values.len());
    for &value in values.iter() {
        prefixes.push(product);
        product *= value;
    }
    let mut inverse = miden_core::FieldElement::inv(product);
    for (value, prefix) in values.iter_mut().zip(prefixes).rev() {
        let original = *value;
        *value = inverse * prefix;
        inverse *= original;
    }
}
