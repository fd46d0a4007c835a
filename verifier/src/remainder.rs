//! The remainder of the low-degree test, checked against its commitment.
//!
//! The last message of the test's commit phase is a polynomial. The prover commits to it before the
//! query positions are drawn, and sends it with the answers. Winterfell 0.13 draws the positions
//! after the commitment but never compares it with the polynomial. A prover could then choose the
//! polynomial last: it has more coefficients than there are positions, so one through any values at
//! all exists, and the test would accept every function.

use miden_core::Felt;
use miden_cvm_air::air::CvmAir;
use winter_air::{Air, FieldExtension, proof::Proof};
use winter_verifier::{
    crypto::ElementHasher,
    math::{
        FieldElement,
        fields::{CubeExtension, QuadExtension},
    },
};

use crate::VerifierError;

/// Checks that the proof's remainder is what the last commitment of the low-degree test is to.
pub fn check<H: ElementHasher<BaseField = Felt>>(
    air: &CvmAir,
    proof: &Proof,
) -> Result<(), VerifierError> {
    match air.options().field_extension() {
        FieldExtension::None => check_in::<Felt, H>(air, proof),
        FieldExtension::Quadratic => check_in::<QuadExtension<Felt>, H>(air, proof),
        FieldExtension::Cubic => check_in::<CubeExtension<Felt>, H>(air, proof),
    }
}

fn check_in<E, H>(air: &CvmAir, proof: &Proof) -> Result<(), VerifierError>
where
    E: FieldElement<BaseField = Felt>,
    H: ElementHasher<BaseField = Felt>,
{
    let layers = air
        .options()
        .to_fri_options()
        .num_fri_layers(air.lde_domain_size());
    let (_, _, commitments) = proof
        .commitments
        .clone()
        .parse::<H>(air.trace_info().num_segments(), layers)
        .map_err(VerifierError::Malformed)?;
    let remainder: alloc::vec::Vec<E> = proof
        .fri_proof
        .parse_remainder()
        .map_err(VerifierError::Malformed)?;
    if commitments.last() == Some(&H::hash_elements(&remainder)) {
        Ok(())
    } else {
        Err(VerifierError::Remainder)
    }
}
