//! A proof in the container in which Miden's crates hand proofs on.
//!
//! [`ExecutionProof`] has a field for a proof of Winterfell's. A proof of this machine is none; it
//! travels as the bytes of one of its parts. The other parts follow from the proof's header, so
//! there is one container for each proof, and only that one is read.

use miden_core::{
    Felt,
    utils::{
        ByteReader, ByteWriter, Deserializable, DeserializationError, Serializable, SliceReader,
    },
};
use miden_cvm_verifier::{OptionSet, Proof, ProofError};
use miden_protocol::vm::ExecutionProof;
use thiserror::Error;
use winter_air::{
    BatchingMethod, ProofOptions, TraceInfo,
    proof::{Commitments, Context, OodFrame, Proof as Container, Queries},
};
use winter_fri::FriProof;

/// Why a transaction carries no proof of this machine.
#[derive(Debug, Error)]
pub enum CarriedError {
    /// The bytes in the container are not those of a proof.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The container's bytes cannot be read.
    #[error("the container of the proof cannot be read")]
    Bytes(#[from] DeserializationError),
    /// Something else than the proof stands in the container too.
    #[error("the container is not the one that a proof with this header travels in")]
    Container,
}

/// Puts a proof into the container that [`take_out`] reads.
///
/// # Errors
/// None for a proof that was read or made; the types of its parts allow others.
pub fn put_in(proof: &Proof) -> Result<ExecutionProof, CarriedError> {
    // The container has a place of its own for the requests.
    let bare = Proof::new(proof.settings(), *proof.heights(), proof.stark().to_vec())?;
    let bare = bare.in_groups(proof.groups())?;
    container(proof, queries(&bare.to_bytes())?)
}

/// The container of a proof, without its requests the values of these queries.
fn container(proof: &Proof, bare: Queries) -> Result<ExecutionProof, CarriedError> {
    let settings = proof.settings();
    let context = Context::new::<Felt>(
        TraceInfo::new(1, proof.heights().highest().next_power_of_two()),
        container_options(settings.set()),
        1,
    );
    let container = Container {
        context,
        num_unique_queries: 0,
        commitments: Commitments::default(),
        trace_queries: vec![queries(&[])?],
        constraint_queries: bare,
        ood_frame: OodFrame::default(),
        fri_proof: FriProof::new_dummy(),
        pow_nonce: 0,
    };
    Ok(ExecutionProof::new(
        container,
        settings.hash(),
        proof.requests().to_vec(),
    ))
}

/// The proof in a container that [`put_in`] has made.
///
/// # Errors
/// If the container holds anything else.
pub fn take_out(carried: &ExecutionProof) -> Result<Proof, CarriedError> {
    let bare = &carried.proof.constraint_queries;
    let bytes = bare.to_bytes();
    let mut reader = SliceReader::new(&bytes);
    let length = reader.read_usize()?;
    let proof = Proof::from_bytes(reader.read_slice(length)?)?;
    // The values are a proof's bytes, which has one form only. Nothing stands beside them.
    let is_alone = proof.requests().is_empty() && reader.read_usize()? == 0;
    let proof = proof.with_requests(carried.pc_requests.clone())?;
    match is_alone && container(&proof, bare.clone())? == *carried {
        true => Ok(proof),
        false => Err(CarriedError::Container),
    }
}

/// The parameters that the container names: they have the security of the set, and are in none of
/// those that Miden's verifier accepts, so that it refuses the proof before it looks into it.
fn container_options(set: OptionSet) -> ProofOptions {
    const FOLDING: usize = 8;
    const REMAINDER_MAX_DEGREE: usize = 63;
    let options = set.proof_options();
    ProofOptions::new(
        options.num_queries(),
        options.blowup_factor(),
        options.grinding_factor(),
        options.field_extension(),
        FOLDING,
        REMAINDER_MAX_DEGREE,
        BatchingMethod::Algebraic,
        BatchingMethod::Horner,
    )
}

/// Queries whose values are these bytes.
fn queries(values: &[u8]) -> Result<Queries, DeserializationError> {
    let mut bytes = Vec::with_capacity(values.len() + 16);
    bytes.write_usize(values.len());
    bytes.write_bytes(values);
    // Nothing opens them.
    bytes.write_usize(0);
    Queries::read_from_bytes(&bytes)
}
