//! Proofs with one bit changed.

use std::collections::BTreeMap;

use miden_cvm::{Expectations, OptionSet, VerifierError, verify};
use rayon::prelude::*;

use crate::artifacts::Known;

/// The results of changing bits of a proof.
#[derive(Debug, Default)]
pub struct Flips {
    /// The number of times that the verifier gave each kind of reason to refuse.
    pub refused: BTreeMap<&'static str, usize>,
    /// The bits whose change went unnoticed.
    pub accepted: Vec<usize>,
}

impl Flips {
    /// The number of bits that were changed.
    pub fn count(&self) -> usize {
        self.refused.values().sum::<usize>() + self.accepted.len()
    }

    fn and(mut self, other: Self) -> Self {
        for (reason, count) in other.refused {
            *self.refused.entry(reason).or_default() += count;
        }
        self.accepted.extend(other.accepted);
        self
    }
}

/// Verifies a proof with one of its bits changed, for each of these bits.
pub fn flip(known: &Known, bits: impl IntoParallelIterator<Item = usize>) -> Flips {
    let changed = |mut flips: Flips, bit: usize| {
        let mut proof = known.proof.clone();
        proof[bit / 8] ^= 1 << (bit % 8);
        match verify(
            &known.statement,
            &proof,
            &Expectations::from(OptionSet::Regular96.level()),
        ) {
            Ok(_) => flips.accepted.push(bit),
            Err(error) => *flips.refused.entry(kind(&error)).or_default() += 1,
        }
        flips
    };
    bits.into_par_iter()
        .fold(Flips::default, changed)
        .reduce(Flips::default, Flips::and)
}

fn kind(error: &VerifierError) -> &'static str {
    match error {
        VerifierError::Statement(_)
        | VerifierError::ProgramHash { .. }
        | VerifierError::Composition { .. } => "statement",
        VerifierError::Proof(_) => "header",
        VerifierError::Security { .. } => "security",
        VerifierError::Layout(_) => "layout",
        VerifierError::Rejected(_) => "rejected",
        VerifierError::TooManyRequests { .. } | VerifierError::Requests(_) => "requests",
        _ => "elsewhere",
    }
}
