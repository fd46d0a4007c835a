//! Which proofs are made and accepted: parameter sets, hash functions, and the security they give.
//!
//! A proof names its parameters by the id of an [`OptionSet`] and a hash function. There is no way
//! to say anything else, so a verifier never has to judge free parameters: several of Winterfell's
//! (batching methods, partitions) are part of no transcript.

use core::fmt;

pub use miden_air::{HashFunction, ProvingOptions};
use miden_core::Felt;
use thiserror::Error;
use winter_air::{
    Air, BatchingMethod, FieldExtension, ProofOptions,
    proof::{Context, Proof},
};
use winter_math::StarkField;

use crate::{
    air::{CvmAir, MAX_TRACE_LEN, trace_info},
    lookup::Slot,
    public::PublicInputs,
};

/// A set of protocol parameters; the ids go into proofs and never change their meaning.
///
/// All of them combine constraints and quotients with powers of one random element, and hash rows
/// whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum OptionSet {
    /// Blowup 4, 41 queries, 16 bits of grinding, quadratic extension: the fastest to prove.
    Fast96 = 1,
    /// Blowup 4, 54 queries, 21 bits of grinding, cubic extension: the fastest to prove.
    Fast128 = 2,
    /// Miden's `REGULAR_96_BITS`: blowup 8, 27 queries; smaller proofs.
    Regular96 = 3,
    /// Miden's `REGULAR_128_BITS`: blowup 16, 27 queries; smaller proofs.
    Regular128 = 4,
    /// Miden's `RECURSIVE_96_BITS`: folds by 4, for verifiers that run in a VM.
    Recursive96 = 5,
    /// Miden's `RECURSIVE_128_BITS`: folds by 4, for verifiers that run in a VM.
    Recursive128 = 6,
}

impl OptionSet {
    /// All sets, in the order of their ids.
    pub const ALL: [Self; 6] = [
        Self::Fast96,
        Self::Fast128,
        Self::Regular96,
        Self::Regular128,
        Self::Recursive96,
        Self::Recursive128,
    ];

    /// The set with this id.
    pub fn from_id(id: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|&set| set as u8 == id)
    }

    /// The level of security that the set is made for, in bits.
    pub const fn level(self) -> u32 {
        match self {
            Self::Fast96 | Self::Regular96 | Self::Recursive96 => 96,
            Self::Fast128 | Self::Regular128 | Self::Recursive128 => 128,
        }
    }

    /// The most rows that a trace may have: its extension has to stay within 2^31 rows.
    pub fn max_trace_len(self) -> usize {
        MAX_TRACE_LEN.min((1 << 31) / self.proof_options().blowup_factor())
    }

    /// The parameters as Winterfell wants them.
    pub const fn proof_options(self) -> ProofOptions {
        match self {
            Self::Fast96 => fast(41, 16, FieldExtension::Quadratic),
            Self::Fast128 => fast(54, 21, FieldExtension::Cubic),
            Self::Regular96 => ProvingOptions::REGULAR_96_BITS,
            Self::Regular128 => ProvingOptions::REGULAR_128_BITS,
            Self::Recursive96 => ProvingOptions::RECURSIVE_96_BITS,
            Self::Recursive128 => ProvingOptions::RECURSIVE_128_BITS,
        }
    }
}

/// The sets of our own. Their batching is what `ProvingOptions::new` chooses, so Miden's type can
/// name them too.
const fn fast(queries: usize, grinding: u32, extension: FieldExtension) -> ProofOptions {
    const BLOWUP: usize = 4;
    const FOLDING: usize = 8;
    const REMAINDER_MAX_DEGREE: usize = 255;
    ProofOptions::new(
        queries,
        BLOWUP,
        grinding,
        extension,
        FOLDING,
        REMAINDER_MAX_DEGREE,
        BatchingMethod::Algebraic,
        BatchingMethod::Horner,
    )
}

/// How a proof is made: a parameter set and a hash function that suits it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProofSettings {
    set: OptionSet,
    hash: HashFunction,
}

/// Why settings are refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SettingsError {
    /// The hash function's collision resistance is below the level of the parameter set.
    #[error(
        "the hash function {} resists collisions up to {resistance} bits, which is below the \
         {level} bits of the parameter set {set:?}", hash_name(*.hash)
    )]
    WeakHash {
        /// The hash function.
        hash: HashFunction,
        /// Its collision resistance in bits.
        resistance: u32,
        /// The parameter set.
        set: OptionSet,
        /// The level of the set in bits.
        level: u32,
    },
    /// The parameters are in none of the accepted sets.
    #[error("these proof parameters are in none of the accepted sets")]
    UnknownParameters,
    /// There is no preset for this level of security.
    #[error("there are presets for 96 and for 128 bits of security, but none for {0}")]
    UnknownLevel(u32),
}

/// The name of a hash function, as Miden's command line writes it.
pub const fn hash_name(hash: HashFunction) -> &'static str {
    match hash {
        HashFunction::Blake3_192 => "blake3-192",
        HashFunction::Blake3_256 => "blake3-256",
        HashFunction::Rpo256 => "rpo",
        HashFunction::Rpx256 => "rpx",
        HashFunction::Poseidon2 => "poseidon2",
    }
}

impl ProofSettings {
    /// Combines a parameter set with a hash function.
    ///
    /// # Errors
    /// Returns an error if the hash function is weaker than the set: Blake3-192 goes with 96 bits
    /// only.
    pub fn new(set: OptionSet, hash: HashFunction) -> Result<Self, SettingsError> {
        let (resistance, level) = (hash.collision_resistance(), set.level());
        if resistance < level {
            return Err(SettingsError::WeakHash {
                hash,
                resistance,
                set,
                level,
            });
        }
        Ok(Self { set, hash })
    }

    /// The settings that prove fastest at a level of security: 96 or 128 bits.
    ///
    /// # Errors
    /// Returns an error if there is no such preset or the hash function is weaker than the level.
    pub fn preset(level: u32, hash: HashFunction) -> Result<Self, SettingsError> {
        match level {
            96 => Self::new(OptionSet::Fast96, hash),
            128 => Self::new(OptionSet::Fast128, hash),
            _ => Err(SettingsError::UnknownLevel(level)),
        }
    }

    /// The parameter set.
    pub fn set(&self) -> OptionSet {
        self.set
    }

    /// The hash function.
    pub fn hash(&self) -> HashFunction {
        self.hash
    }

    /// The parameters as Winterfell wants them.
    pub fn proof_options(&self) -> ProofOptions {
        self.set.proof_options()
    }

    /// The security of a proof with these settings for a trace of `length` rows.
    ///
    /// # Panics
    /// Panics if `length` is not a power of two of at least 8, or more than
    /// [`OptionSet::max_trace_len`].
    pub fn security(&self, length: usize, public: &PublicInputs) -> Security {
        let air = CvmAir::new(trace_info(length), public.clone(), self.proof_options());
        Security::of(&air, self.hash)
    }
}

impl Default for ProofSettings {
    /// 96 bits with Blake3-256.
    fn default() -> Self {
        Self {
            set: OptionSet::Fast96,
            hash: HashFunction::Blake3_256,
        }
    }
}

impl fmt::Display for ProofSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} with {}", self.set, hash_name(self.hash))
    }
}

impl TryFrom<&ProvingOptions> for ProofSettings {
    type Error = SettingsError;

    /// Finds the parameter set that Miden's options name; their execution options play no part.
    fn try_from(options: &ProvingOptions) -> Result<Self, SettingsError> {
        let wanted = ProofOptions::from(options.clone());
        let set = OptionSet::ALL
            .into_iter()
            .find(|set| set.proof_options() == wanted)
            .ok_or(SettingsError::UnknownParameters)?;
        Self::new(set, options.hash_fn())
    }
}

/// The security of a proof in bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Security {
    /// Under the conjecture that is usual for STARKs (eprint 2021/582): what a level of security
    /// means everywhere in this project.
    pub conjectured: u32,
    /// Without that conjecture.
    pub proven: u32,
}

impl Security {
    /// The security of a proof for this AIR: Winterfell's estimates of the protocol and of the hash
    /// function, and the error of the lookup argument, whichever is smallest.
    pub fn of(air: &CvmAir, hash: HashFunction) -> Self {
        let context = air.context();
        let constraints = context.num_assertions() + context.num_transition_constraints();
        let (trace_info, options) = (air.trace_info().clone(), air.options().clone());
        let extension = options.field_extension();
        let length = trace_info.length();
        let messages = air.public_inputs().messages().len();

        // Winterfell estimates proofs, of which it only reads the context.
        let mut proof = Proof::new_dummy();
        proof.context = Context::new::<Felt>(trace_info, options, constraints);
        let (conjectured, proven) = estimates(&proof, hash);
        let lookups = lookup_bits(length, messages, extension);
        Self {
            conjectured: conjectured.min(lookups),
            proven: proven.min(lookups),
        }
    }
}

/// Winterfell's estimates: conjectured and proven.
fn estimates(proof: &Proof, hash: HashFunction) -> (u32, u32) {
    use miden_core::crypto::hash::{Blake3_192, Blake3_256, Poseidon2, Rpo256, Rpx256};

    macro_rules! estimate {
        ($hasher:ty) => {{
            let proven = proof.proven_security::<$hasher>();
            (
                proof.conjectured_security::<$hasher>().bits(),
                proven.ldr_bits().max(proven.udr_bits()),
            )
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

/// The security of the lookup argument in bits.
///
/// With N fractions whose messages do not balance, the sum of the fractions is a rational function
/// of the challenges that is not zero, since distinct messages have distinct linear forms for
/// denominators. It vanishes at random challenges with probability below N / |F| (Schwartz-Zippel
/// on a numerator of degree below N), and some denominator does, which would leave the column's
/// constraint without force, with probability at most N / |F|. The width of the messages does not
/// enter, as every coordinate has a challenge of its own.
fn lookup_bits(length: usize, messages: usize, extension: FieldExtension) -> u32 {
    let fractions = (length as u64) * (Slot::COUNT as u64) + messages as u64;
    let doubled = 2 * fractions;
    // The field is smaller than the power of two by less than a 2^30th.
    let bound = doubled + (doubled >> 30) + 1;
    Felt::MODULUS_BITS * extension.degree() - (u64::BITS - bound.leading_zeros())
}

#[cfg(test)]
mod tests {
    use miden_core::{Kernel, StackInputs, StackOutputs, Word};

    use super::*;

    fn open_program() -> PublicInputs {
        PublicInputs {
            program_hash: Word::default(),
            kernel: Kernel::default(),
            composition: None,
            stack_inputs: StackInputs::default(),
            stack_outputs: StackOutputs::default(),
            precompile_transcript: Word::default(),
        }
    }

    const HASHES: [HashFunction; 5] = [
        HashFunction::Blake3_192,
        HashFunction::Blake3_256,
        HashFunction::Rpo256,
        HashFunction::Rpx256,
        HashFunction::Poseidon2,
    ];

    #[test]
    fn ids_name_their_sets() {
        for set in OptionSet::ALL {
            assert_eq!(OptionSet::from_id(set as u8), Some(set));
        }
        assert_eq!(OptionSet::from_id(0), None);
        assert_eq!(OptionSet::from_id(7), None);
    }

    #[test]
    fn sets_differ_and_miden_can_name_all() {
        for (i, set) in OptionSet::ALL.into_iter().enumerate() {
            for other in &OptionSet::ALL[..i] {
                assert_ne!(set.proof_options(), other.proof_options());
            }
        }
        let options = ProvingOptions::new(
            41,
            4,
            16,
            FieldExtension::Quadratic,
            8,
            255,
            HashFunction::Blake3_192,
        );
        assert_eq!(
            ProofSettings::try_from(&options),
            ProofSettings::new(OptionSet::Fast96, HashFunction::Blake3_192)
        );
        let options = ProvingOptions::with_96_bit_security(HashFunction::Rpo256);
        let settings = ProofSettings::try_from(&options).expect("one of Miden's presets");
        assert_eq!(settings.set(), OptionSet::Recursive96);
        let options = ProvingOptions::new(
            40,
            4,
            16,
            FieldExtension::Quadratic,
            8,
            255,
            HashFunction::Rpo256,
        );
        assert_eq!(
            ProofSettings::try_from(&options),
            Err(SettingsError::UnknownParameters)
        );
    }

    #[test]
    fn every_set_reaches_its_level() {
        let public = open_program();
        for set in OptionSet::ALL {
            for hash in HASHES {
                let Ok(settings) = ProofSettings::new(set, hash) else {
                    assert_eq!((hash, set.level()), (HashFunction::Blake3_192, 128));
                    continue;
                };
                for log_length in [9, 16, 20, 24, 26] {
                    let security = settings.security(1 << log_length, &public);
                    assert!(
                        security.conjectured >= set.level(),
                        "{settings} gives {security:?} at 2^{log_length} rows"
                    );
                    assert!(security.conjectured >= security.proven);
                }
            }
        }
    }

    #[test]
    fn the_lookup_error_limits_the_largest_traces() {
        let public = open_program();
        let settings = ProofSettings::default();
        assert_eq!(settings.security(1 << 16, &public).conjectured, 97);
        assert!(settings.security(MAX_TRACE_LEN, &public).conjectured < 96);
        assert_eq!(lookup_bits(1 << 26, 0, FieldExtension::Quadratic), 96);
        let strong = ProofSettings::preset(128, HashFunction::Rpo256).expect("a preset");
        assert_eq!(strong.security(MAX_TRACE_LEN, &public).conjectured, 128);
    }

    #[test]
    fn the_longest_traces_have_a_security() {
        for set in OptionSet::ALL {
            let settings = ProofSettings::new(set, HashFunction::Rpo256).expect("strong enough");
            let length = set.max_trace_len();
            assert!(length.is_power_of_two() && length >= MAX_TRACE_LEN / 2);
            assert!(settings.security(length, &open_program()).conjectured >= 94);
        }
    }

    #[test]
    fn weak_hashes_and_unknown_levels_are_refused() {
        assert!(matches!(
            ProofSettings::preset(128, HashFunction::Blake3_192),
            Err(SettingsError::WeakHash { .. })
        ));
        assert_eq!(
            ProofSettings::preset(100, HashFunction::Blake3_256),
            Err(SettingsError::UnknownLevel(100))
        );
    }
}
