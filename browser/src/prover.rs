//! Proving of programs and of Miden's transactions.

use miden_assembly::Assembler;
use miden_core::StackInputs;
use miden_cvm_miden::{LocalTransactionProver, TransactionVerifier};
use miden_cvm_processor::{
    AdviceInputs, DefaultHost, ExecutionInputs, ExecutionOptions, execute_traced,
};
use miden_cvm_prover::{OptionSet, ProofSettings, ProveOptions, prove_trace};
use miden_cvm_verifier::Statement;
use miden_protocol::{
    MIN_PROOF_SECURITY_LEVEL,
    transaction::{ProvenTransaction, TransactionInputs},
    utils::serde::{Deserializable, Serializable},
};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::{JsError, thrown, verifier::Verified};

/// A proof with the statement that it is one of.
#[wasm_bindgen(getter_with_clone)]
pub struct Proven {
    /// The statement, in JSON.
    pub statement: String,
    /// The proof.
    pub proof: Vec<u8>,
}

/// Assembles a program, runs it with these operands, of which the last is on top, and proves the run
/// with a parameter set, which is `Proven100` if none is named.
///
/// # Errors
/// If there is no such set, if the program is refused, or if it traps.
#[wasm_bindgen(js_name = proveProgram)]
pub fn prove_program(
    source: &str,
    operands: Vec<u64>,
    set: Option<String>,
) -> Result<Proven, JsError> {
    let settings = match set {
        Some(name) => ProofSettings::from(named_set(&name)?),
        None => ProofSettings::default(),
    };
    let program = Assembler::default()
        .with_static_library(miden_cvm_library::core_library())
        .and_then(|assembler| assembler.assemble_program(source))
        .map_err(|report| JsError::new(&report.to_string()))?;
    let stack = StackInputs::try_from_ints(operands).map_err(|error| thrown(&error))?;
    let run = execute_traced(
        ExecutionInputs {
            program: &program,
            composition: None,
            arguments: (&stack).into(),
            advice: AdviceInputs::default(),
            options: ExecutionOptions::default(),
        },
        &mut DefaultHost::default(),
    )
    .map_err(|error| thrown(&error))?;
    let statement = Statement::try_from(run.public.clone()).map_err(|error| thrown(&error))?;
    let proof = prove_trace(run.trace, run.public, &ProveOptions::from(settings))
        .map_err(|error| thrown(&error))?
        .with_requests(run.requests)
        .map_err(|error| thrown(&error))?;
    Ok(Proven {
        statement: serde_json::to_string(&statement).map_err(|error| thrown(&error))?,
        proof: proof.to_bytes(),
    })
}

/// Executes and proves a transaction, from `TransactionInputs` in their binary form to a
/// `ProvenTransaction` in its.
///
/// # Errors
/// If the bytes are none of such inputs, or why the transaction is not proven.
#[wasm_bindgen(js_name = proveTransaction)]
pub fn prove_transaction(inputs: &[u8]) -> Result<Vec<u8>, JsError> {
    let inputs = TransactionInputs::read_from_bytes(inputs).map_err(|error| thrown(&error))?;
    let transaction = LocalTransactionProver::default()
        .prove(inputs)
        .map_err(|error| thrown(&error))?;
    Ok(transaction.to_bytes())
}

/// Verifies a `ProvenTransaction` in its binary form, with the security that nodes ask for.
///
/// # Errors
/// If the bytes are none of a transaction, or why its proof is rejected.
#[wasm_bindgen(js_name = verifyTransaction)]
pub fn verify_transaction(transaction: &[u8]) -> Result<Verified, JsError> {
    let transaction =
        ProvenTransaction::read_from_bytes(transaction).map_err(|error| thrown(&error))?;
    TransactionVerifier::new(MIN_PROOF_SECURITY_LEVEL)
        .verify(&transaction)
        .map(Verified::from)
        .map_err(|error| thrown(&error))
}

fn named_set(name: &str) -> Result<OptionSet, JsError> {
    let mut sets = OptionSet::ALL.into_iter();
    sets.find(|set| format!("{set:?}") == name)
        .ok_or_else(|| JsError::new(&format!("there is no parameter set `{name}`")))
}
