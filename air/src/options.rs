//! The proofs that are made and accepted: parameter sets, hash functions, and the security they
//! give.
//!
//! A proof names its parameters by the id of an [`OptionSet`] and a hash function. There is no way
//! to say anything else, so a verifier never has to judge free parameters.

use core::fmt;

pub use miden_air::{HashFunction, ProvingOptions};
use thiserror::Error;
use winter_air::{BatchingMethod, FieldExtension, ProofOptions};

use crate::{
    air::CvmAir,
    heights::{Heights, MAX_HEIGHT},
    public::PublicInputs,
    security::{MinSecurity, Security},
};

/// A set of protocol parameters; the ids go into proofs and never change their meaning.
///
/// All of them combine constraints and quotients with powers of one random element, and hash rows
/// whole. The numbers in their names are bits of security: proven ones for those that
/// say so, conjectured ones for the others ([`Security`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[non_exhaustive]
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
    /// Blowup 8, 54 queries, 20 bits of grinding, cubic extension: 100 bits without a conjecture.
    Proven100 = 7,
    /// Blowup 8, 73 queries, 21 bits of grinding, cubic extension: 128 bits without a conjecture.
    Proven128 = 8,
    /// Blowup 16, 20 queries, 17 bits of grinding, quadratic extension: the smallest proofs.
    Compact96 = 9,
    /// Blowup 64, 26 queries, 23 bits of grinding, cubic extension: 100 bits without a conjecture, and the
    /// smallest proofs of such.
    Compact100 = 10,
}

impl OptionSet {
    /// All sets, in the order of their ids.
    pub const ALL: [Self; 10] = [
        Self::Fast96,
        Self::Fast128,
        Self::Regular96,
        Self::Regular128,
        Self::Recursive96,
        Self::Recursive128,
        Self::Proven100,
        Self::Proven128,
        Self::Compact96,
        Self::Compact100,
    ];

    /// The set with this id.
    pub fn from_id(id: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|&set| set as u8 == id)
    }

    /// The level of security that the set is made for.
    pub const fn level(self) -> MinSecurity {
        match self {
            Self::Fast96 | Self::Regular96 | Self::Recursive96 | Self::Compact96 => {
                MinSecurity::Conjectured(96)
            }
            Self::Fast128 | Self::Regular128 | Self::Recursive128 => MinSecurity::Conjectured(128),
            Self::Proven100 | Self::Compact100 => MinSecurity::Proven(100),
            Self::Proven128 => MinSecurity::Proven(128),
        }
    }

    /// The most rows that a table may have: those with which a proof reaches the set's level, and
    /// whose extension stays within 2^31 rows.
    pub fn max_height(self) -> usize {
        let reaches_level = match self.level() {
            // The error of the lookups grows with the rows.
            MinSecurity::Conjectured(96) => 1 << 25,
            MinSecurity::Conjectured(_) => MAX_HEIGHT,
            // So does that of the combinations.
            MinSecurity::Proven(_) => 1 << 24,
        };
        reaches_level.min((1 << 31) / self.proof_options().blowup_factor())
    }

    /// Returns `true` if a trace to be proven with this set can have tables of these heights.
    pub fn allows(self, heights: &Heights) -> bool {
        heights.highest() <= self.max_height()
    }

    /// The parameters as Winterfell wants them.
    pub const fn proof_options(self) -> ProofOptions {
        match self {
            Self::Fast96 => own(4, 41, 16, FieldExtension::Quadratic),
            Self::Fast128 => own(4, 54, 21, FieldExtension::Cubic),
            Self::Proven100 => own(8, 54, 20, FieldExtension::Cubic),
            Self::Proven128 => own(8, 73, 21, FieldExtension::Cubic),
            Self::Compact96 => own(16, 20, 17, FieldExtension::Quadratic),
            Self::Compact100 => own(64, 26, 23, FieldExtension::Cubic),
            Self::Regular96 => ProvingOptions::REGULAR_96_BITS,
            Self::Regular128 => ProvingOptions::REGULAR_128_BITS,
            Self::Recursive96 => ProvingOptions::RECURSIVE_96_BITS,
            Self::Recursive128 => ProvingOptions::RECURSIVE_128_BITS,
        }
    }
}

/// The sets of our own. Their batching is what `ProvingOptions::new` chooses, so Miden's type can
/// name them too.
const fn own(
    blowup: usize,
    queries: usize,
    grinding: u32,
    extension: FieldExtension,
) -> ProofOptions {
    const FOLDING: usize = 8;
    const REMAINDER_MAX_DEGREE: usize = 255;
    ProofOptions::new(
        queries,
        blowup,
        grinding,
        extension,
        FOLDING,
        REMAINDER_MAX_DEGREE,
        BatchingMethod::Algebraic,
        BatchingMethod::Horner,
    )
}

/// The settings of a proof: a parameter set and a hash function that suits it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProofSettings {
    set: OptionSet,
    hash: HashFunction,
}

/// Why settings are refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The hash function's collision resistance is below the level of the parameter set.
    #[error(
        "the hash function {} resists collisions up to {resistance} bits, which is below the \
         {level} of the parameter set {set:?}", hash_name(*.hash)
    )]
    WeakHash {
        /// The hash function.
        hash: HashFunction,
        /// Its collision resistance in bits.
        resistance: u32,
        /// The parameter set.
        set: OptionSet,
        /// The level of the set.
        level: MinSecurity,
    },
    /// The parameters are in none of the accepted sets.
    #[error("these proof parameters are in none of the accepted sets")]
    UnknownParameters,
    /// There is no preset for this level of security.
    #[error(
        "there are presets for 100 and 128 proven bits of security, and for 96 and 128 conjectured \
         bits, but none for {0}"
    )]
    UnknownLevel(MinSecurity),
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
        if resistance < level.bits() {
            return Err(SettingsError::WeakHash {
                hash,
                resistance,
                set,
                level,
            });
        }
        Ok(Self { set, hash })
    }

    /// The settings that prove fastest at a level of security: 100 or 128 proven bits, 96 or 128
    /// conjectured ones.
    ///
    /// # Errors
    /// Returns an error if there is no such preset or the hash function is weaker than the level.
    pub fn preset(level: MinSecurity, hash: HashFunction) -> Result<Self, SettingsError> {
        let set = match level {
            MinSecurity::Proven(100) => OptionSet::Proven100,
            MinSecurity::Proven(128) => OptionSet::Proven128,
            MinSecurity::Conjectured(96) => OptionSet::Fast96,
            MinSecurity::Conjectured(128) => OptionSet::Fast128,
            _ => return Err(SettingsError::UnknownLevel(level)),
        };
        Self::new(set, hash)
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

    /// The security of a proof with these settings for tables of these heights.
    pub fn security(&self, heights: &Heights, public: &PublicInputs) -> Security {
        let air = CvmAir::new(*heights, public.clone(), self.proof_options());
        Security::of(&air, self.hash)
    }
}

impl Default for ProofSettings {
    /// 100 proven bits with Blake3-256.
    fn default() -> Self {
        OptionSet::Proven100.into()
    }
}

impl From<OptionSet> for ProofSettings {
    /// A set with Blake3-256, which is strong enough for all of them.
    fn from(set: OptionSet) -> Self {
        Self {
            set,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Table;

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
        assert_eq!(OptionSet::from_id(11), None);
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
        let public = PublicInputs::default();
        for set in OptionSet::ALL {
            for hash in HASHES {
                let Ok(settings) = ProofSettings::new(set, hash) else {
                    assert_eq!(hash, HashFunction::Blake3_192);
                    assert!(set.level().bits() > 96);
                    continue;
                };
                for log_length in 5..=set.max_height().ilog2() {
                    let whole = 1 << log_length;
                    let uniform = [whole; Table::COUNT];
                    // As many pieces as there can be, beside one that is as long as it can be.
                    let mut most = Table::ALL.map(|table| match table {
                        Table::Bitwise | Table::Resources => whole - 2,
                        _ => whole - 3,
                    });
                    most[Table::Core as usize] = whole;
                    for rows in [uniform, most] {
                        let heights = Heights::new(rows).expect("allowed heights");
                        let air = CvmAir::new(heights, public.clone(), set.proof_options());
                        // A group for each piece has the most compositions.
                        let groups = air.pieces().len();
                        for air in [air.clone(), air.in_groups(groups)] {
                            let security = Security::of(&air, hash);
                            assert!(
                                set.level().is_met_by(&security),
                                "{settings} gives {security:?} with {rows:?} rows"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn heights_with_too_little_security_are_not_allowed() {
        for set in OptionSet::ALL {
            let longest = match set.level() {
                MinSecurity::Proven(_) => 24,
                MinSecurity::Conjectured(96) => 25,
                MinSecurity::Conjectured(_) => 27,
            };
            let allows = |rows| Heights::new(rows).is_some_and(|heights| set.allows(&heights));
            let longest = 1 << longest;
            for allowed in [
                [512; Table::COUNT],
                [8, 16, 8, 8, 0, 0, 0, 0, 0],
                [1 << 16, 512, 32, 16, 8, 8, 8, 8, 8],
                [longest, 512, longest - 3, 512, 512, longest, 512, 512, 512],
            ] {
                assert!(allows(allowed), "{set:?}, {allowed:?}");
            }
            // What counts are the rows of a table, and not those of its pieces.
            let mut rows = [512; Table::COUNT];
            rows[0] = longest + longest / 2 - 1;
            assert_eq!(allows(rows), set == OptionSet::Fast128, "{set:?}");
            let fast = set == OptionSet::Fast128;
            for table in 0..Table::COUNT {
                let mut rows = [512; Table::COUNT];
                rows[table] = 2 * longest;
                assert_eq!(allows(rows), fast, "{set:?}, {rows:?}");
                rows[table] = 4 * longest;
                assert!(!allows(rows), "{set:?}, {rows:?}");
            }
        }
    }

    #[test]
    fn there_are_more_points_than_queries() {
        let lowest = Table::ALL.map(Table::min_height).into_iter().max();
        for set in OptionSet::ALL {
            let options = set.proof_options();
            let points = lowest.map(|height| height * options.blowup_factor());
            assert!(points > Some(options.num_queries()), "{set:?}");
        }
    }

    #[test]
    fn weak_hashes_and_unknown_levels_are_refused() {
        for level in [
            MinSecurity::Proven(100),
            MinSecurity::Proven(128),
            MinSecurity::Conjectured(128),
        ] {
            assert!(matches!(
                ProofSettings::preset(level, HashFunction::Blake3_192),
                Err(SettingsError::WeakHash { .. })
            ));
            let settings = ProofSettings::preset(level, HashFunction::Blake3_256);
            assert_eq!(settings.map(|settings| settings.set().level()), Ok(level));
        }
        for level in [MinSecurity::Proven(96), MinSecurity::Conjectured(100)] {
            assert_eq!(
                ProofSettings::preset(level, HashFunction::Blake3_256),
                Err(SettingsError::UnknownLevel(level))
            );
        }
    }
}
