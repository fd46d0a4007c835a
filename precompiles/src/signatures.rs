//! Signatures: their arguments, and whether they are valid.

use miden_core::utils::{Deserializable, Serializable};
use miden_crypto::dsa::{ecdsa_k256_keccak, eddsa_25519_sha512};
use thiserror::Error;

/// An argument of fixed length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argument {
    /// The name of the argument.
    pub name: &'static str,
    /// Its length in bytes.
    pub len: usize,
}

impl Argument {
    const fn new(name: &'static str, len: usize) -> Self {
        Self { name, len }
    }
}

/// A compressed point, a digest, and r, s (big-endian) and the recovery id.
pub const ECDSA: [Argument; 3] = [
    Argument::new("public key", 33),
    Argument::new("digest", 32),
    Argument::new("signature", 65),
];

/// Those of RFC 8032, and the hash that it calls k, before it is reduced.
pub const EDDSA: [Argument; 3] = [
    Argument::new("public key", 32),
    Argument::new("challenge", 64),
    Argument::new("signature", 64),
];

/// Arguments that a precompile has no result for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CalldataError {
    /// There are more or fewer bytes than the arguments have.
    #[error("the arguments have {expected} bytes, but there are {actual}")]
    Length {
        /// The length of all arguments.
        expected: usize,
        /// The number of bytes.
        actual: usize,
    },
    /// The bytes are not those of such an argument, or not its canonical form.
    #[error("the {0} is malformed")]
    Malformed(&'static str),
}

/// Takes the calldata apart.
pub fn split<'a>(
    calldata: &'a [u8],
    arguments: &[Argument; 3],
) -> Result<[&'a [u8]; 3], CalldataError> {
    let expected = arguments.iter().map(|argument| argument.len).sum();
    if calldata.len() != expected {
        return Err(CalldataError::Length {
            expected,
            actual: calldata.len(),
        });
    }
    let (first, rest) = calldata.split_at(arguments[0].len);
    let (second, third) = rest.split_at(arguments[1].len);
    Ok([first, second, third])
}

/// Reads an argument that has one form only.
fn read<T: Deserializable + Serializable>(
    bytes: &[u8],
    argument: &Argument,
) -> Result<T, CalldataError> {
    T::read_from_bytes(bytes)
        .ok()
        .filter(|value| value.to_bytes() == bytes)
        .ok_or(CalldataError::Malformed(argument.name))
}

fn array<const N: usize>(bytes: &[u8], argument: &Argument) -> Result<[u8; N], CalldataError> {
    bytes
        .try_into()
        .map_err(|_| CalldataError::Malformed(argument.name))
}

/// Returns `true` if the signature is valid for key and digest.
pub fn ecdsa_is_valid(arguments: &[&[u8]; 3]) -> Result<bool, CalldataError> {
    let key: ecdsa_k256_keccak::PublicKey = read(arguments[0], &ECDSA[0])?;
    let digest = array(arguments[1], &ECDSA[1])?;
    let signature = read(arguments[2], &ECDSA[2])?;
    Ok(key.verify_prehash(digest, &signature))
}

/// Returns `true` if the signature is valid for key and challenge.
pub fn eddsa_is_valid(arguments: &[&[u8]; 3]) -> Result<bool, CalldataError> {
    let key: eddsa_25519_sha512::PublicKey = read(arguments[0], &EDDSA[0])?;
    let challenge = array(arguments[1], &EDDSA[1])?;
    let signature = read(arguments[2], &EDDSA[2])?;
    Ok(key.verify_with_unchecked_k(challenge, &signature).is_ok())
}
