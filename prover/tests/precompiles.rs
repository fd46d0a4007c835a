//! The work that a run leaves to precompiles is bound to its proof, and computed again by the
//! verifier.

use miden_assembly::Assembler;
use miden_core::{
    EventName, Felt, StackInputs, Word, crypto::hash::Rpo256, precompile::PrecompileRequest,
    utils::Deserializable,
};
use miden_core_lib::{
    CoreLibrary,
    dsa::{ecdsa_k256_keccak, eddsa_ed25519},
};
use miden_crypto::dsa;
use miden_cvm_air::{public::PublicInputs, table::Table};
use miden_cvm_processor::{
    AdviceInputs, DefaultHost, ExecutionInputs, ExecutionTrace, execute_traced,
};
use miden_cvm_prover::{OptionSet, Proof, ProofSettings, ProveOptions, prove_trace};
use miden_cvm_verifier::{
    Expectations, PrecompileVerificationError, PrecompileVerifierRegistry, RequestError, Verified,
    VerifierError, verify, verify_with,
};

fn prove(source: &str) -> (PublicInputs, Proof) {
    prove_with(source, &[], &[])
}

/// Proves a run with the elements on the stack, top first, and on the advice stack.
fn prove_with(source: &str, stack: &[Felt], advice: &[Felt]) -> (PublicInputs, Proof) {
    let program = Assembler::default()
        .with_dynamic_library(CoreLibrary::default())
        .and_then(|assembler| assembler.assemble_program(source))
        .expect("the program assembles");
    let bottom_first = stack.iter().rev().copied().collect();
    let mut host = DefaultHost::default();
    host.load_forest(CoreLibrary::default().mast_forest().clone());
    let ExecutionTrace {
        trace,
        public,
        requests,
        ..
    } = execute_traced(
        ExecutionInputs {
            arguments: StackInputs::new(bottom_first)
                .expect("at most 16 elements")
                .into(),
            advice: AdviceInputs::default().with_stack(advice.iter().copied()),
            ..ExecutionInputs::new(&program)
        },
        &mut host,
    )
    .expect("the program runs");
    let proof = prove_trace(
        trace,
        public.clone(),
        &ProveOptions::from(ProofSettings::from(OptionSet::Fast96)),
    )
    .expect("the trace is valid")
    .with_requests(requests)
    .expect("there are few requests");
    (public, proof)
}

fn check(public: &PublicInputs, proof: &Proof) -> Result<Verified, VerifierError> {
    verify(
        public,
        &proof.to_bytes(),
        &Expectations::from(OptionSet::Fast96.level()),
    )
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

    let rows = proof.heights().of(Table::Core);
    let many = proof.with_requests(vec![keccak(b""); rows + 1]);
    let error = check(&public, &many.expect("short requests")).expect_err("a request for no row");
    assert!(
        matches!(error, VerifierError::TooManyRequests { .. }),
        "{error}"
    );
}

/// Words as they stand on the stack, the first one on top.
fn on_stack(words: &[Word]) -> Vec<Felt> {
    words
        .iter()
        .flat_map(|word| word.into_iter().rev())
        .collect()
}

#[test]
fn signatures_are_checked_again() {
    let message = Word::new([Felt::new(5), Felt::new(6), Felt::new(7), Felt::new(1 << 40)]);
    let secret = dsa::ecdsa_k256_keccak::SecretKey::read_from_bytes(&[3; 32]).expect("a scalar");
    let ecdsa = ecdsa_k256_keccak::sign(&secret, message);
    let secret = dsa::eddsa_25519_sha512::SecretKey::read_from_bytes(&[4; 32]).expect("a seed");
    let eddsa = eddsa_ed25519::sign(&secret, message);
    let keys = [&ecdsa[..9], &eddsa[..8]].map(Rpo256::hash_elements);
    let (public, proof) = prove_with(
        "use miden::core::crypto::dsa::ecdsa_k256_keccak
        use miden::core::crypto::dsa::eddsa_ed25519
        begin exec.ecdsa_k256_keccak::verify exec.eddsa_ed25519::verify end",
        &on_stack(&[keys[0], message, keys[1], message]),
        &[ecdsa, eddsa].concat(),
    );
    let verified = check(&public, &proof).expect("the proof is valid");
    // Two hashes and two signatures.
    assert_eq!(verified.precompiles, 4);

    let requests = proof.requests();
    let with = |requests: &[PrecompileRequest]| {
        let altered = proof.clone().with_requests(requests.to_vec());
        check(&public, &altered.expect("few requests")).expect_err("other requests")
    };
    let other_transcript = |name: &str, requests: &[PrecompileRequest]| {
        let error = with(requests);
        assert!(
            matches!(
                error,
                VerifierError::Requests(RequestError::Transcript { .. })
            ),
            "{name}: {error}"
        );
    };
    other_transcript("without requests", &[]);
    other_transcript("without the last request", &requests[..3]);
    let mut swapped = requests.to_vec();
    swapped.swap(0, 2);
    other_transcript("in another order", &swapped);
    for index in 0..requests.len() {
        let mut calldata = requests[index].calldata().to_vec();
        let last = calldata.len() - 5;
        calldata[last] ^= 1;
        let mut changed = requests.to_vec();
        changed[index] = PrecompileRequest::new(requests[index].event_id(), calldata);
        other_transcript("with changed calldata", &changed);
    }
    let mut short = requests.to_vec();
    short[1] = PrecompileRequest::new(requests[1].event_id(), vec![1, 2, 3]);
    let error = with(&short);
    assert!(
        matches!(
            error,
            VerifierError::Requests(RequestError::Unverified(
                PrecompileVerificationError::PrecompileError { index: 1, .. }
            ))
        ),
        "{error}"
    );
    let none = PrecompileVerifierRegistry::new();
    let error = verify_with(
        &public,
        &proof.to_bytes(),
        &Expectations::from(OptionSet::Fast96.level()),
        &none,
    )
    .expect_err("no verifier is registered");
    assert!(
        matches!(
            error,
            VerifierError::Requests(RequestError::Unverified(
                PrecompileVerificationError::VerifierNotFound { index: 0, .. }
            ))
        ),
        "{error}"
    );
}

#[test]
fn an_event_without_its_commitment_is_no_request_of_the_run() {
    let (public, proof) = prove(
        "use miden::core::crypto::hashes::keccak256
        begin push.1 mem_store.400 push.4 push.400 exec.keccak256::hash_bytes_impl
        dropw dropw dropw dropw end",
    );
    assert_eq!(proof.requests().len(), 1);
    let error = check(&public, &proof).expect_err("nothing was absorbed");
    assert!(
        matches!(
            error,
            VerifierError::Requests(RequestError::Transcript { .. })
        ),
        "{error}"
    );
}
