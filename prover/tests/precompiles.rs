//! What a run leaves to precompiles is bound to its proof, and computed again by the verifier.

use miden_assembly::Assembler;
use miden_core::{EventName, StackInputs, precompile::PrecompileRequest};
use miden_cvm_air::{air::MIN_TRACE_LEN, public::PublicInputs};
use miden_cvm_processor::{
    AdviceInputs, DefaultHost, ExecutionOptions, ExecutionTrace, execute_traced,
};
use miden_cvm_prover::{Proof, ProveOptions, prove_trace};
use miden_cvm_verifier::{
    Expectations, PrecompileVerificationError, RequestError, Verified, VerifierError, verify,
};

fn prove(source: &str) -> (PublicInputs, Proof) {
    let program = Assembler::default()
        .assemble_program(source)
        .expect("the program assembles");
    let ExecutionTrace {
        rows,
        public,
        requests,
        ..
    } = execute_traced(
        &program,
        None,
        &StackInputs::default(),
        AdviceInputs::default(),
        &mut DefaultHost::default(),
        ExecutionOptions::default(),
    )
    .expect("the program runs");
    let proof = prove_trace(rows, public.clone(), &ProveOptions::default())
        .expect("the trace is valid")
        .with_requests(requests)
        .expect("there are few requests");
    (public, proof)
}

fn check(public: &PublicInputs, proof: &Proof) -> Result<Verified, VerifierError> {
    verify(public, &proof.to_bytes(), &Expectations::default())
}

fn keccak(bytes: &[u8]) -> PrecompileRequest {
    let event = EventName::new("miden::core::hash::keccak256::hash_bytes");
    PrecompileRequest::new(event.to_event_id(), bytes.to_vec())
}

#[test]
fn a_run_without_precompiles_has_no_requests() {
    let (public, proof) = prove("begin push.1 drop end");
    let verified = check(&public, &proof).expect("the proof is valid");
    assert_eq!(verified.precompiles, 0);

    let added = proof.clone().with_requests(vec![keccak(b"more")]);
    let error = check(&public, &added.expect("a short request")).expect_err("another transcript");
    assert!(
        matches!(
            error,
            VerifierError::Requests(RequestError::Transcript { .. })
        ),
        "{error}"
    );

    let event = EventName::new("test::unknown").to_event_id();
    let unknown = PrecompileRequest::new(event, Vec::new());
    let unknown = proof.clone().with_requests(vec![unknown]);
    let error = check(&public, &unknown.expect("a short request")).expect_err("no verifier");
    assert!(
        matches!(
            error,
            VerifierError::Requests(RequestError::Unverified(
                PrecompileVerificationError::VerifierNotFound { index: 0, event_id }
            )) if event_id == event
        ),
        "{error}"
    );

    let many = proof.with_requests(vec![keccak(b""); MIN_TRACE_LEN + 1]);
    let error = check(&public, &many.expect("short requests")).expect_err("a request for no row");
    assert!(
        matches!(error, VerifierError::TooManyRequests { .. }),
        "{error}"
    );
}
