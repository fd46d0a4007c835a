//! Settings of proofs: options of the commands that prove.

use clap::{Args, ValueEnum};
use miden_cvm::{HashFunction, MinSecurity, OptionSet, ProofSettings, ProveOptions};

use super::outcome::Failure;

/// The settings of a proof.
#[derive(Debug, Args)]
pub struct ProofArgs {
    /// The hash function of the proof, `blake3-256` by default; `blake3-192` goes with `conjectured:96`
    /// only
    #[arg(long, value_enum)]
    hash: Option<Hash>,
    /// The security of the proof: 100 or 128 proven bits, by default 100; or `conjectured:96` or
    /// `conjectured:128`, which are proven faster, but rest on a conjecture that is refuted in its
    /// generality
    #[arg(long, value_name = "BITS")]
    security: Option<MinSecurity>,
    /// The parameters of the proof, `fast` by default; `regular` and `recursive` go with conjectured bits
    /// only
    #[arg(long, value_enum)]
    preset: Option<Preset>,
    /// The memory that the proof may take for its trace and what is made of it: bytes, or a number
    /// with `K`, `M` or `G` after it. More memory makes the proof faster, up to a point. The process
    /// itself takes some 30 MiB more
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    memory: Option<usize>,
}

/// Reads a number of bytes: `K`, `M` and `G` stand for 2^10, 2^20 and 2^30 of them.
fn bytes(text: &str) -> Result<usize, String> {
    let units = [("K", 10), ("M", 20), ("G", 30)];
    let unit = units.iter().find_map(|&(name, bits)| {
        let number = text.strip_suffix(name)?;
        Some((number, bits))
    });
    let (number, bits) = unit.unwrap_or((text, 0));
    let number: Option<usize> = number.parse().ok();
    let bytes = number.and_then(|number| number.checked_mul(1 << bits));
    bytes.ok_or_else(|| "a size is a number of bytes, or one as in `512M` or `4G`".to_owned())
}

/// Hash functions.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Hash {
    #[value(name = "blake3-256")]
    Blake3_256,
    #[value(name = "blake3-192")]
    Blake3_192,
    Rpo,
    Rpx,
    Poseidon2,
}

impl From<Hash> for HashFunction {
    fn from(hash: Hash) -> Self {
        match hash {
            Hash::Blake3_256 => Self::Blake3_256,
            Hash::Blake3_192 => Self::Blake3_192,
            Hash::Rpo => Self::Rpo256,
            Hash::Rpx => Self::Rpx256,
            Hash::Poseidon2 => Self::Poseidon2,
        }
    }
}

/// Families of parameter sets.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Preset {
    /// The fastest to prove
    Fast,
    /// Miden's regular presets: smaller proofs
    Regular,
    /// Miden's presets for verifiers that run in a VM
    Recursive,
    /// The smallest proofs, with 96 conjectured bits
    Compact,
}

impl ProofArgs {
    /// The options, with the defaults in the place of what is not given.
    ///
    /// # Errors
    /// Returns an error if they do not go together.
    pub fn options(&self) -> Result<ProveOptions, Failure> {
        let mut options = ProveOptions::from(self.settings()?);
        options.memory = self.memory;
        Ok(options)
    }

    /// The options, with these settings if none are given.
    ///
    /// # Errors
    /// Returns an error if they do not go together.
    pub fn options_or(&self, settings: ProofSettings) -> Result<ProveOptions, Failure> {
        if self.hash.is_some() || self.security.is_some() || self.preset.is_some() {
            return self.options();
        }
        let mut options = ProveOptions::from(settings);
        options.memory = self.memory;
        Ok(options)
    }

    fn settings(&self) -> Result<ProofSettings, Failure> {
        use MinSecurity::{Conjectured, Proven};
        let hash = self.hash.unwrap_or(Hash::Blake3_256).into();
        let level = self.security.unwrap_or_default();
        let set = match (self.preset.unwrap_or(Preset::Fast), level) {
            (Preset::Fast, level) => {
                return ProofSettings::preset(level, hash).map_err(Failure::usage);
            }
            (Preset::Regular, Conjectured(96)) => OptionSet::Regular96,
            (Preset::Regular, Conjectured(128)) => OptionSet::Regular128,
            (Preset::Recursive, Conjectured(96)) => OptionSet::Recursive96,
            (Preset::Recursive, Conjectured(128)) => OptionSet::Recursive128,
            (Preset::Compact, Conjectured(96)) => OptionSet::Compact96,
            (Preset::Compact, Proven(100)) => OptionSet::Compact100,
            (Preset::Compact, level) => {
                return Err(Failure::usage(format!(
                    "the preset `compact` has 100 proven bits of security or 96 conjectured ones, not {level}: \
                     add `--security 100` or `--security conjectured:96`"
                )));
            }
            (Preset::Regular | Preset::Recursive, level) => {
                return Err(Failure::usage(format!(
                    "Miden's presets have 96 or 128 conjectured bits of security, not {level}: add \
                     `--security conjectured:96` or `--security conjectured:128`"
                )));
            }
        };
        ProofSettings::new(set, hash).map_err(Failure::usage)
    }
}
