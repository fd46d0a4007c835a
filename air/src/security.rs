//! What the security of a proof is made of.
//!
//! Every part is a probability with which a cheating prover gets through one step, or the work that
//! it takes, in bits. A proof is as secure as the weakest of them.

use miden_core::Felt;
use winter_air::{
    Air, FieldExtension,
    proof::{Context, Proof},
};
use winter_math::StarkField;

use crate::{air::CvmAir, lookup::Slot, options::HashFunction};

/// The security of a proof in bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Security {
    /// Under the conjecture that is usual for STARKs (eprint 2021/582): what a level of security
    /// means everywhere in this project.
    pub conjectured: u32,
    /// Without that conjecture.
    pub proven: u32,
    /// What the two are the least of.
    pub parts: SecurityParts,
}

/// The parts of a proof's security, each in bits.
///
/// The first three are Winterfell's own estimates of the protocol. Those that follow are the errors
/// of single steps, over an extension field F, for a trace of n rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecurityParts {
    /// The protocol under the conjecture: queries and grinding, and the size of the field.
    pub protocol: u32,
    /// The protocol without the conjecture, below the unique-decoding radius.
    pub unique_decoding: u32,
    /// The protocol without the conjecture, up to the list-decoding radius.
    pub list_decoding: u32,
    /// How well the hash function resists collisions.
    pub collisions: u32,
    /// The lookup argument: with N fractions, their sum or a denominator vanishes at the challenges
    /// with probability 2·N / |F|.
    pub lookups: u32,
    /// Combining C constraints with powers of one element: (C - 1) / |F|.
    pub constraints: u32,
    /// The point outside of the domain, with a blowup of b: ((b + 1)·(n + 1) + n - 1) / |F|.
    pub out_of_domain: u32,
    /// Combining P quotients with powers of one element, for the low-degree test: (P - 1) / |F|.
    pub quotients: u32,
}

impl Security {
    /// The security of a proof for this AIR with this hash function.
    pub fn of(air: &CvmAir, hash: HashFunction) -> Self {
        let parts = SecurityParts::of(air, hash);
        // Winterfell's estimates without the conjecture have the hash function, the point and both
        // combinations in them; that under the conjecture has only the first.
        Self {
            conjectured: [
                parts.protocol,
                parts.collisions,
                parts.lookups,
                parts.constraints,
                parts.out_of_domain,
                parts.quotients,
            ]
            .into_iter()
            .fold(u32::MAX, u32::min),
            proven: parts
                .unique_decoding
                .max(parts.list_decoding)
                .min(parts.lookups),
            parts,
        }
    }
}

impl SecurityParts {
    fn of(air: &CvmAir, hash: HashFunction) -> Self {
        let (context, options, info) = (air.context(), air.options(), air.trace_info());
        let constraints = context.num_assertions() + context.num_transition_constraints();
        let extension = options.field_extension();
        let (rows, blowup) = (info.length() as u64, options.blowup_factor() as u64);
        // Winterfell bounds the number of composition columns by the blowup, as here.
        let quotients = info.width() as u64 + blowup;
        let error = |numerator: u64| error_bits(numerator, extension);

        // Winterfell estimates proofs, of which it only reads the context.
        let mut proof = Proof::new_dummy();
        proof.context = Context::new::<Felt>(info.clone(), options.clone(), constraints);
        let [protocol, unique_decoding, list_decoding] = estimates(&proof, hash);
        Self {
            protocol,
            unique_decoding,
            list_decoding,
            collisions: hash.collision_resistance(),
            lookups: error(lookup_numerator(
                rows,
                air.public_inputs().messages().len() as u64,
            )),
            constraints: error(constraints as u64 - 1),
            out_of_domain: error((blowup + 1) * (rows + 1) + rows - 1),
            quotients: error(quotients - 1),
        }
    }
}

/// Winterfell's estimates: conjectured, and proven in either regime.
fn estimates(proof: &Proof, hash: HashFunction) -> [u32; 3] {
    use miden_core::crypto::hash::{Blake3_192, Blake3_256, Poseidon2, Rpo256, Rpx256};

    macro_rules! estimate {
        ($hasher:ty) => {{
            let proven = proof.proven_security::<$hasher>();
            [
                proof.conjectured_security::<$hasher>().bits(),
                proven.udr_bits(),
                proven.ldr_bits(),
            ]
        }};
    }
    match hash {
        HashFunction::Blake3_192 => estimate!(Blake3_192),
        HashFunction::Blake3_256 => estimate!(Blake3_256),
        HashFunction::Rpo256 => estimate!(Rpo256),
        HashFunction::Rpx256 => estimate!(Rpx256),
        HashFunction::Poseidon2 => estimate!(Poseidon2),
    }
}

/// The numerator of the lookup argument's error.
///
/// With N fractions whose messages do not balance, the sum of the fractions is a rational function
/// of the challenges that is not zero, since distinct messages have distinct linear forms for
/// denominators. It vanishes at random challenges with probability below N / |F| (Schwartz-Zippel
/// on a numerator of degree below N), and some denominator does, which would leave the column's
/// constraint without force, with probability at most N / |F|. The width of the messages does not
/// enter, as every coordinate has a challenge of its own.
fn lookup_numerator(rows: u64, messages: u64) -> u64 {
    2 * (rows * Slot::COUNT as u64 + messages)
}

/// The bits of an error of `numerator` / |F|, rounded down.
fn error_bits(numerator: u64, extension: FieldExtension) -> u32 {
    // The field is smaller than the power of two by less than a 2^30th.
    let bound = numerator + (numerator >> 30) + 1;
    Felt::MODULUS_BITS * extension.degree() - (u64::BITS - bound.leading_zeros())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        air::MAX_TRACE_LEN,
        options::{OptionSet, ProofSettings},
        public::PublicInputs,
    };

    /// More messages than a statement can make the verifier send.
    const MESSAGES: u64 = 1 << 22;

    #[test]
    fn the_weakest_part_decides() {
        let public = PublicInputs::default();
        for set in OptionSet::ALL {
            let settings = ProofSettings::new(set, HashFunction::Rpo256).expect("strong enough");
            for log_length in [9, 16, 20, set.max_trace_len().ilog2()] {
                let Security {
                    conjectured,
                    proven,
                    parts,
                } = settings.security(1 << log_length, &public);
                for part in [
                    parts.protocol,
                    parts.collisions,
                    parts.lookups,
                    parts.constraints,
                    parts.out_of_domain,
                    parts.quotients,
                ] {
                    assert!(set.level() <= conjectured && conjectured <= part);
                }
                assert!(proven <= parts.unique_decoding.max(parts.list_decoding));
                assert!(proven <= conjectured);
            }
        }
    }

    /// A set's longest traces are those with which it reaches its level, whatever the statement.
    #[test]
    fn lookups_limit_the_longest_traces() {
        for set in OptionSet::ALL {
            let extension = set.proof_options().field_extension();
            let bits = |rows| error_bits(lookup_numerator(rows, MESSAGES), extension);
            let longest = set.max_trace_len() as u64;
            assert!(bits(longest) >= set.level());
            if set.level() == 96 {
                assert!(bits(2 * longest) < set.level());
            } else {
                assert!(longest >= MAX_TRACE_LEN as u64 / 2);
            }
        }
    }

    #[test]
    fn errors_are_rounded_down() {
        assert_eq!(error_bits(1, FieldExtension::Quadratic), 126);
        assert_eq!(error_bits(1 << 20, FieldExtension::Quadratic), 107);
        assert_eq!(error_bits((1 << 20) - 2, FieldExtension::Quadratic), 108);
        assert_eq!(error_bits(1 << 20, FieldExtension::Cubic), 171);
    }
}
