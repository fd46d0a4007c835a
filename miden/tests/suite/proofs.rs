//! Transactions proven and verified, and what is refused.

use std::error::Error;

use miden_cvm_miden::{
    HashFunction, Limits, LocalTransactionProver, MinSecurity, OptionSet, ProofSettings,
    TransactionVerifier, TransactionVerifierError,
    carried::{CarriedError, put_in, take_out},
};
use miden_cvm_verifier::{Proof, ProofError, VerifierError};
use miden_protocol::{
    MIN_PROOF_SECURITY_LEVEL,
    account::delta::AccountUpdateDetails,
    transaction::{InputNoteCommitment, ProvenTransaction, ProvenTransactionBuilder},
    utils::serde::{Deserializable, Serializable},
    vm::ExecutionProof,
};
use miden_tx::{ProvingOptions, TransactionProverError};

use crate::inputs;

fn verifier() -> TransactionVerifier {
    TransactionVerifier::new(MIN_PROOF_SECURITY_LEVEL)
}

fn prove(name: &str) -> ProvenTransaction {
    LocalTransactionProver::default()
        .prove(inputs(name))
        .unwrap_or_else(|error| panic!("{name}: {error:?}"))
}

/// The same transaction with another proof.
fn with_proof(transaction: &ProvenTransaction, proof: ExecutionProof) -> ProvenTransaction {
    let update = transaction.account_update();
    let builder = ProvenTransactionBuilder::new(
        transaction.account_id(),
        update.initial_state_commitment(),
        update.final_state_commitment(),
        update.account_delta_commitment(),
        transaction.ref_block_num(),
        transaction.ref_block_commitment(),
        transaction.fee(),
        transaction.expiration_block_num(),
        proof,
    )
    .add_input_notes::<_, InputNoteCommitment>(transaction.input_notes().iter().cloned())
    .add_output_notes(transaction.output_notes().iter().cloned());
    let builder = match update.details() {
        AccountUpdateDetails::Private => builder,
        details => builder.account_update_details(details.clone()),
    };
    builder.build().expect("the parts of a transaction")
}

/// A proof with other bytes, which still reads as one.
fn altered(transaction: &ProvenTransaction, position: usize) -> Result<Proof, ProofError> {
    let proof = take_out(transaction.proof()).expect("a proof");
    let mut bytes = proof.to_bytes();
    bytes[position] ^= 1;
    Proof::from_bytes(&bytes)
}

fn survives(transaction: &ProvenTransaction) {
    let bytes = transaction.to_bytes();
    let read = ProvenTransaction::read_from_bytes(&bytes).expect("a transaction's bytes");
    assert_eq!(&read, transaction);
    verifier().verify(&read).expect("a proven transaction");
}

#[test]
fn all_are_proven() {
    for name in [
        "consume1",
        "consume1_ecdsa",
        "create_p2id",
        "mint",
        "consume_2assets",
        "consume_4notes",
        "consume2_create2",
        "new_account",
    ] {
        survives(&prove(name));
    }
}

#[test]
fn what_is_not_proven_is_refused() {
    let transaction = prove("consume1_ecdsa");
    survives(&transaction);
    let verifier = verifier();
    let refusal = |proof| {
        let changed = with_proof(&transaction, proof);
        verifier.verify(&changed).expect_err("a wrong proof")
    };
    assert_eq!(
        with_proof(&transaction, transaction.proof().clone()),
        transaction
    );

    // Bytes of the proof.
    let proof = take_out(transaction.proof()).expect("a proof");
    let bare = proof
        .clone()
        .with_requests(Vec::new())
        .expect("no requests");
    let (len, bare_len) = (proof.stark().len(), bare.to_bytes().len());
    for position in [bare_len - len, bare_len - len / 2, bare_len - 1] {
        let proof = altered(&transaction, position).expect("other bytes of a proof");
        let refused = refusal(put_in(&proof).expect("a container"));
        assert!(
            matches!(
                refused,
                TransactionVerifierError::Proof(
                    VerifierError::Rejected(_) | VerifierError::Layout(_)
                )
            ),
            "{refused:?}"
        );
    }
    // Requests to precompiles.
    let mut proof = transaction.proof().clone();
    assert_eq!(proof.pc_requests.len(), 2);
    proof.pc_requests.pop();
    assert!(matches!(refusal(proof), TransactionVerifierError::Proof(_)));
    let mut proof = transaction.proof().clone();
    proof.pc_requests.reverse();
    assert!(matches!(refusal(proof), TransactionVerifierError::Proof(_)));

    // The container.
    let mut proof = transaction.proof().clone();
    proof.proof.pow_nonce = 1;
    assert!(matches!(
        refusal(proof),
        TransactionVerifierError::Carried(CarriedError::Container)
    ));
    let mut proof = transaction.proof().clone();
    proof.hash_fn = HashFunction::Blake3_256;
    assert!(matches!(
        refusal(proof),
        TransactionVerifierError::Carried(CarriedError::Container)
    ));

    // A proof that is none of this machine's.
    assert!(matches!(
        refusal(ExecutionProof::new_dummy()),
        TransactionVerifierError::Carried(CarriedError::Proof(ProofError::TooShort(_)))
    ));
    // And Miden's verifier refuses one of this machine's before it looks into it.
    miden_tx::TransactionVerifier::new(MIN_PROOF_SECURITY_LEVEL)
        .verify(&transaction)
        .expect_err("a proof that is not Miden's");

    // More security than it has.
    let strict = TransactionVerifier::with_min_security(MinSecurity::Proven(100));
    assert!(matches!(
        strict.verify(&transaction),
        Err(TransactionVerifierError::Proof(
            VerifierError::Security { .. }
        ))
    ));
}

/// Truncated and extended bytes of transactions and of their proofs.
#[test]
fn other_lengths_are_refused() {
    let transaction = prove("consume1_ecdsa");
    let bytes = transaction.to_bytes();
    let some = (0..bytes.len()).step_by(997).chain([bytes.len() - 1]);
    for len in some {
        let cut = ProvenTransaction::read_from_bytes(&bytes[..len]);
        assert!(
            cut.is_err(),
            "{len} of {} bytes are a transaction",
            bytes.len()
        );
    }

    let proof = take_out(transaction.proof()).expect("a proof");
    let with_stark = |stark: &[u8]| {
        let proof = Proof::new(proof.settings(), *proof.heights(), stark.to_vec())
            .and_then(|other| other.with_requests(proof.requests().to_vec()));
        put_in(&proof.expect("a length that proofs have")).expect("a container")
    };
    let stark = proof.stark();
    let longer = [stark, &[0]].concat();
    let shorter = (0..stark.len()).step_by(2_111);
    let others = shorter.map(|len| &stark[..len]).chain([&longer[..]]);
    for other in others {
        let changed = with_proof(&transaction, with_stark(other));
        let refused = verifier().verify(&changed).expect_err("another length");
        let is_layout = matches!(
            refused,
            TransactionVerifierError::Proof(VerifierError::Layout(_))
        );
        assert!(is_layout, "{} bytes: {refused:?}", other.len());
    }
    let same = with_proof(&transaction, with_stark(stark));
    verifier().verify(&same).expect("the proof itself");
}

/// Every set at a node's level is accepted, and none where more is asked for.
#[test]
fn sets_have_the_security_that_nodes_ask_for() {
    for set in [
        OptionSet::Fast96,
        OptionSet::Recursive96,
        OptionSet::Compact96,
    ] {
        let settings = ProofSettings::new(set, HashFunction::Blake3_192);
        let prover = LocalTransactionProver::with_settings(settings.expect("they go together"));
        let proven = prover
            .prove(inputs("consume1_ecdsa"))
            .expect("a transaction");
        survives(&proven);
        assert_eq!(proven.proof().security_level(), MIN_PROOF_SECURITY_LEVEL);
        let strict = TransactionVerifier::new(MIN_PROOF_SECURITY_LEVEL + 1);
        let refused = strict.verify(&proven).expect_err("less than is asked for");
        assert!(
            matches!(
                refused,
                TransactionVerifierError::Proof(VerifierError::Security { .. })
            ),
            "{refused:?}"
        );
    }
}

/// Older proofs, and newer ones than the verifier knows.
#[test]
fn proofs_of_other_versions_are_refused_by_their_version() {
    let bytes = prove("consume1_ecdsa").to_bytes();
    let read = ProvenTransaction::read_from_bytes(&bytes).expect("a transaction's bytes");
    let proof = take_out(read.proof()).expect("a proof").to_bytes();
    let begin = bytes.windows(8).position(|window| window == &proof[..8]);
    // Four bytes of the proof come before its version.
    let position = begin.expect("the proof's bytes") + 4;
    let current = bytes[position];
    for version in [current - 1, current + 1] {
        let mut other = bytes.clone();
        other[position] = version;
        let other = ProvenTransaction::read_from_bytes(&other).expect("a transaction's bytes");
        let refused = verifier().verify(&other).expect_err("another version");
        assert!(
            matches!(
                refused,
                TransactionVerifierError::Carried(CarriedError::Proof(ProofError::Version(found)))
                    if found == version
            ),
            "{refused:?}"
        );
        let said = refused.to_string();
        for version in [version, current] {
            assert!(said.contains(&format!("version {version}")), "{said}");
        }
    }
}

/// Sets a limit.
type Bound = fn(&mut Limits);

/// The bounds of a proving service, each by its name.
#[test]
fn limits_are_named() {
    let bounds: [(&str, Bound); 7] = [
        ("memory words", |limits| limits.memory_words = 100),
        ("advice elements", |limits| limits.advice_elements = 100),
        ("stack elements", |limits| limits.stack_depth = 16),
        ("open calls", |limits| limits.call_depth = 1),
        ("open nodes", |limits| limits.nesting = 2),
        ("events and circuits read", |limits| {
            limits.bulk_elements = 10
        }),
        ("trace rows", |limits| limits.trace_rows = 1000),
    ];
    for (name, bound) in bounds {
        let mut limits = Limits::default();
        bound(&mut limits);
        let prover = LocalTransactionProver::default().with_limits(limits);
        let refused = prover.prove(inputs("consume1_ecdsa"));
        let error = refused.expect_err("a limit that the transaction passes");
        let source = error.source().expect("the machine's error").to_string();
        assert!(source.contains(name), "{name}: {source}");
    }
}

#[test]
fn the_proof_of_another_transaction_is_refused() {
    let transaction = prove("consume1_ecdsa");
    let bytes = transaction.to_bytes();
    // The same transaction, said to be valid for longer.
    let update = transaction.account_update();
    let other = ProvenTransactionBuilder::new(
        transaction.account_id(),
        update.initial_state_commitment(),
        update.final_state_commitment(),
        update.account_delta_commitment(),
        transaction.ref_block_num(),
        transaction.ref_block_commitment(),
        transaction.fee(),
        transaction
            .expiration_block_num()
            .parent()
            .expect("no genesis block"),
        transaction.proof().clone(),
    )
    .add_input_notes::<_, InputNoteCommitment>(transaction.input_notes().iter().cloned())
    .add_output_notes(transaction.output_notes().iter().cloned());
    let other = match update.details() {
        AccountUpdateDetails::Private => other,
        details => other.account_update_details(details.clone()),
    };
    let other = other.build().expect("the parts of a transaction");
    assert_ne!(other.to_bytes(), bytes);

    let mut answers = verifier().verify_batch(&[transaction, other]).into_iter();
    assert!(matches!(answers.next(), Some(Ok(_))));
    assert!(matches!(
        answers.next(),
        Some(Err(TransactionVerifierError::Proof(
            VerifierError::Rejected(_)
        )))
    ));
    assert!(answers.next().is_none());
}

/// Miden's options of the run hold for the prover, which stops where they say.
#[test]
fn options_of_the_run_are_taken_over() {
    for (cycles, is_enough) in [(8_000, false), (9_000, true)] {
        let run = miden_tx::ExecutionOptions::new(Some(cycles), 4_097, false, false);
        let run = run.expect("options");
        let options = ProvingOptions::default().with_execution_options(run);
        let proven = LocalTransactionProver::new(options).prove(inputs("consume1_ecdsa"));
        match proven {
            Ok(proven) => {
                assert!(is_enough);
                survives(&proven);
            }
            Err(error) => {
                assert!(!is_enough, "{error:?}");
                let source = error.source().expect("the machine's error").to_string();
                assert!(source.contains("max cycles 8000"), "{source}");
            }
        }
    }
}

#[test]
fn options_that_name_no_parameter_set_are_refused() {
    let options = ProvingOptions::new(
        30,
        8,
        16,
        winter_air::FieldExtension::Quadratic,
        8,
        255,
        HashFunction::Blake3_192,
    );
    let refused = LocalTransactionProver::new(options).prove(inputs("consume1_ecdsa"));
    assert!(matches!(refused, Err(TransactionProverError::Other { .. })));
}
