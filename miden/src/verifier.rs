//! Verification of transactions that this machine has proven.

use miden_core::{Word, precompile::PrecompileVerifierRegistry};
use miden_cvm_air::{composition::Composition, memory_io::MemoryIo};
use miden_cvm_parallel::prelude::*;
use miden_cvm_verifier::{
    Expectations, MinSecurity, PublicInputs, Verified, VerifierError, default_registry,
    verify_with_requests,
};
use miden_protocol::{
    transaction::{ProvenTransaction, TransactionKernel},
    vm::ProgramInfo,
};
use thiserror::Error;

use crate::{
    carried::{CarriedError, take_out},
    instances::KernelOverInstances,
};

/// Verifies transactions, in the place of the type of this name in `miden-tx`.
pub struct TransactionVerifier {
    kernel: ProgramInfo,
    composition: Option<Composition>,
    expectations: Expectations,
    registry: PrecompileVerifierRegistry,
}

/// Why a transaction is rejected.
#[derive(Debug, Error)]
pub enum TransactionVerifierError {
    /// The transaction carries no proof of this machine.
    #[error("the transaction carries no proof of this machine: {0}")]
    Carried(#[from] CarriedError),
    /// The proof is not one of this transaction, or has too little security.
    #[error("the transaction is not proven: {0}")]
    Proof(#[from] VerifierError),
}

impl TransactionVerifier {
    /// A verifier that accepts proofs with at least so many conjectured bits of security, which is
    /// how `miden-tx` counts them.
    pub fn new(proof_security_level: u32) -> Self {
        Self::with_min_security(MinSecurity::Conjectured(proof_security_level))
    }

    /// A verifier that accepts proofs with at least this security.
    pub fn with_min_security(min_security: MinSecurity) -> Self {
        let kernel = TransactionKernel::program_info();
        let mut expectations = Expectations::from(min_security);
        expectations.program_hash = Some(*kernel.program_hash());
        Self {
            kernel,
            composition: None,
            expectations,
            registry: default_registry(),
        }
    }

    /// Accepts transactions that were run over instances, and no others.
    pub fn over_instances(mut self, kernel: &KernelOverInstances) -> Self {
        let program = kernel.program();
        self.kernel = ProgramInfo::new(program.hash(), program.kernel().clone());
        self.expectations.program_hash = Some(program.hash());
        self.composition = Some(kernel.composition().clone());
        self
    }

    /// Verifies that a transaction is proven.
    ///
    /// # Errors
    /// Returns why it is rejected.
    pub fn verify(
        &self,
        transaction: &ProvenTransaction,
    ) -> Result<Verified, TransactionVerifierError> {
        let proof = take_out(transaction.proof())?;
        let update = transaction.account_update();
        let public = PublicInputs {
            program_hash: *self.kernel.program_hash(),
            kernel: self.kernel.kernel().clone(),
            composition: self.composition.clone(),
            memory: MemoryIo::default(),
            stack_inputs: TransactionKernel::build_input_stack(
                transaction.account_id(),
                update.initial_state_commitment(),
                transaction.input_notes().commitment(),
                transaction.ref_block_commitment(),
                transaction.ref_block_num(),
            ),
            stack_outputs: TransactionKernel::build_output_stack(
                update.final_state_commitment(),
                update.account_delta_commitment(),
                transaction.output_notes().commitment(),
                transaction.fee(),
                transaction.expiration_block_num(),
            ),
            // What the requests lead to.
            precompile_transcript: Word::default(),
        };
        let (expectations, registry) = (&self.expectations, &self.registry);
        Ok(verify_with_requests(
            public,
            &proof,
            expectations,
            registry,
        )?)
    }

    /// Verifies transactions on all cores; the answers stand in the order of the transactions.
    pub fn verify_batch(
        &self,
        transactions: &[ProvenTransaction],
    ) -> Vec<Result<Verified, TransactionVerifierError>> {
        transactions
            .par_iter()
            .map(|transaction| self.verify(transaction))
            .collect()
    }
}
