//! `miden-tx` 0.13.3, but for the names under which transactions are executed, proven and verified:
//! those do it on Miden CVM.

use std::sync::Arc;

pub use miden_cvm_miden::TransactionVerifierError;
use miden_cvm_miden::{
    NoteCheckerError as CheckerError, TransactionExecutorError as ExecutorError,
};
use miden_protocol::{
    Felt,
    account::AccountId,
    assembly::debuginfo::SourceManagerSync,
    block::BlockNumber,
    note::Note,
    transaction::{
        ExecutedTransaction, InputNote, InputNotes, ProvenTransaction, TransactionArgs,
        TransactionInputs, TransactionScript,
    },
    vm::AdviceInputs,
};
use miden_standards::note::NoteConsumptionStatus;
pub use miden_tx::*;

/// Executes transactions on Miden CVM.
pub struct TransactionExecutor<'store, 'auth, STORE, AUTH>(
    miden_cvm_miden::TransactionExecutor<'store, 'auth, STORE, AUTH>,
);

impl<'store, 'auth, STORE, AUTH> TransactionExecutor<'store, 'auth, STORE, AUTH>
where
    STORE: DataStore + Sync,
    AUTH: auth::TransactionAuthenticator + Sync,
{
    /// An executor that takes from `store` what a transaction needs.
    pub fn new(store: &'store STORE) -> Self {
        Self(miden_cvm_miden::TransactionExecutor::new(store))
    }

    /// Sets who signs.
    #[must_use]
    pub fn with_authenticator(self, authenticator: &'auth AUTH) -> Self {
        Self(self.0.with_authenticator(authenticator))
    }

    /// Sets where source files are found.
    #[must_use]
    pub fn with_source_manager(self, sources: Arc<dyn SourceManagerSync>) -> Self {
        Self(self.0.with_source_manager(sources))
    }

    /// Runs debug decorators.
    #[must_use]
    pub fn with_debug_mode(self) -> Self {
        Self(self.0.with_debug_mode())
    }

    /// Runs trace decorators.
    #[must_use]
    pub fn with_tracing(self) -> Self {
        Self(self.0.with_tracing())
    }

    /// Executes a transaction.
    ///
    /// # Errors
    /// Those of `miden-tx`.
    pub async fn execute_transaction(
        &self,
        account: AccountId,
        block: BlockNumber,
        notes: InputNotes<InputNote>,
        args: TransactionArgs,
    ) -> Result<ExecutedTransaction, TransactionExecutorError> {
        let executed = self.0.execute_transaction(account, block, notes, args);
        executed.await.map_err(of_miden)
    }

    /// Runs a script against an account.
    ///
    /// # Errors
    /// Those of `miden-tx`.
    pub async fn execute_tx_view_script(
        &self,
        account: AccountId,
        block: BlockNumber,
        script: TransactionScript,
        advice: AdviceInputs,
    ) -> Result<[Felt; 16], TransactionExecutorError> {
        let run = self
            .0
            .execute_tx_view_script(account, block, script, advice);
        run.await.map_err(of_miden)
    }
}

/// The error of `miden-tx` that an error is. None of the tests expects one that only Miden CVM has.
fn of_miden(error: ExecutorError) -> TransactionExecutorError {
    match error {
        ExecutorError::Transaction { error, .. } => *error,
        error => panic!("{error}"),
    }
}

/// Finds notes that can be consumed, on Miden CVM.
pub struct NoteConsumptionChecker<'a, STORE, AUTH>(
    miden_cvm_miden::NoteConsumptionChecker<'a, 'a, 'a, STORE, AUTH>,
);

impl<'a, STORE, AUTH> NoteConsumptionChecker<'a, STORE, AUTH>
where
    STORE: DataStore + Sync,
    AUTH: auth::TransactionAuthenticator + Sync,
{
    /// A checker that executes with `executor`.
    pub fn new(executor: &'a TransactionExecutor<'a, 'a, STORE, AUTH>) -> Self {
        Self(miden_cvm_miden::NoteConsumptionChecker::new(&executor.0))
    }

    /// Finds notes that can be consumed together.
    ///
    /// # Errors
    /// Those of `miden-tx`.
    pub async fn check_notes_consumability(
        &self,
        target: AccountId,
        block: BlockNumber,
        notes: Vec<Note>,
        args: TransactionArgs,
    ) -> Result<NoteConsumptionInfo, NoteCheckerError> {
        let checked = self
            .0
            .check_notes_consumability(target, block, notes, args)
            .await
            .map_err(checker_error_of_miden)?;
        let failed = checked.failed.into_iter();
        let failed = failed.map(|failed| FailedNote::new(failed.note, of_miden(failed.error)));
        Ok(NoteConsumptionInfo::new(
            checked.successful,
            failed.collect(),
        ))
    }

    /// Tells whether a note can be consumed.
    ///
    /// # Errors
    /// Those of `miden-tx`.
    pub async fn can_consume(
        &self,
        target: AccountId,
        block: BlockNumber,
        note: InputNote,
        args: TransactionArgs,
    ) -> Result<NoteConsumptionStatus, NoteCheckerError> {
        let status = self.0.can_consume(target, block, note, args);
        status.await.map_err(checker_error_of_miden)
    }
}

fn checker_error_of_miden(error: CheckerError) -> NoteCheckerError {
    match error {
        CheckerError::InputNoteCountOutOfRange(count) => {
            NoteCheckerError::InputNoteCountOutOfRange(count)
        }
        CheckerError::TransactionPreparation(error) => {
            NoteCheckerError::TransactionPreparation(of_miden(error))
        }
        CheckerError::PrologueExecution(error) => {
            NoteCheckerError::PrologueExecution(of_miden(error))
        }
        CheckerError::Diverged(divergence) => panic!("{divergence}"),
    }
}

/// Proves transactions on Miden CVM.
#[derive(Default)]
pub struct LocalTransactionProver(miden_cvm_miden::LocalTransactionProver);

impl LocalTransactionProver {
    /// A prover with Miden's options.
    pub fn new(options: ProvingOptions) -> Self {
        Self(miden_cvm_miden::LocalTransactionProver::new(options))
    }

    /// Executes a transaction and proves it.
    ///
    /// # Errors
    /// Those of `miden-tx`.
    pub fn prove(
        &self,
        inputs: impl Into<TransactionInputs>,
    ) -> Result<ProvenTransaction, TransactionProverError> {
        self.0.prove(inputs)
    }

    /// The transaction with a proof that is none, as `miden-tx` makes it for tests.
    ///
    /// # Errors
    /// Those of `miden-tx`.
    pub fn prove_dummy(
        &self,
        executed: ExecutedTransaction,
    ) -> Result<ProvenTransaction, TransactionProverError> {
        miden_tx::LocalTransactionProver::default().prove_dummy(executed)
    }
}

/// Verifies transactions on Miden CVM.
pub struct TransactionVerifier(miden_cvm_miden::TransactionVerifier);

impl TransactionVerifier {
    /// A verifier that accepts proofs with at least so many conjectured bits of security.
    pub fn new(proof_security_level: u32) -> Self {
        Self(miden_cvm_miden::TransactionVerifier::new(
            proof_security_level,
        ))
    }

    /// Verifies that a transaction is proven.
    ///
    /// # Errors
    /// Returns why it is rejected.
    pub fn verify(&self, transaction: &ProvenTransaction) -> Result<(), TransactionVerifierError> {
        self.0.verify(transaction).map(|_| ())
    }
}
