//! Finding the notes that an account can consume.

use std::collections::BTreeMap;

use miden_protocol::{
    account::AccountId,
    block::BlockNumber,
    note::{Note, NoteId},
    transaction::{InputNote, InputNotes, TransactionArgs, TransactionInputs, TransactionKernel},
    vm::AdviceInputs,
};
use miden_standards::note::{NoteConsumptionStatus, WellKnownNote};
use miden_tx::{
    DataStore, MAX_NUM_CHECKER_NOTES, TransactionExecutorError as MidenError,
    auth::TransactionAuthenticator,
};
use thiserror::Error;

use crate::{
    TransactionExecutor, TransactionExecutorError,
    executor::kernel_error,
    hosted::{Divergence, HostedError},
};

/// Tells which notes an account can consume by executing transactions on this machine, in the place of
/// the type of this name in `miden-tx`.
pub struct NoteConsumptionChecker<'a, 'store, 'auth, STORE, AUTH> {
    executor: &'a TransactionExecutor<'store, 'auth, STORE, AUTH>,
}

/// Notes that can be consumed in one transaction, and those that cannot.
#[derive(Debug, Default)]
pub struct NoteConsumptionInfo {
    /// The notes that can, in the order in which they are consumed.
    pub successful: Vec<Note>,
    /// The notes that cannot.
    pub failed: Vec<FailedNote>,
}

/// A note that cannot be consumed.
#[derive(Debug)]
pub struct FailedNote {
    /// The note.
    pub note: Note,
    /// The error that a transaction ended in which consumes it.
    pub error: TransactionExecutorError,
}

/// Why it cannot be told which notes can be consumed.
#[derive(Debug, Error)]
pub enum NoteCheckerError {
    /// There are no notes, or too many.
    #[error("{0} notes: from 1 to {MAX_NUM_CHECKER_NOTES} are checked at once")]
    InputNoteCountOutOfRange(usize),
    /// The store does not have what the transaction needs.
    #[error("the transaction was not prepared: {0}")]
    TransactionPreparation(#[source] TransactionExecutorError),
    /// The transaction fails before it has come to a note.
    #[error("the transaction fails before its first note: {0}")]
    PrologueExecution(#[source] TransactionExecutorError),
    /// The two machines did not do the same.
    #[error(transparent)]
    Diverged(#[from] Divergence),
}

/// Where a transaction failed.
enum Failure {
    /// In one of its notes.
    Note {
        index: usize,
        error: TransactionExecutorError,
    },
    /// After its notes.
    Epilogue(TransactionExecutorError),
    /// Elsewhere, which says nothing about a note.
    Other(NoteCheckerError),
}

impl<'a, 'store, 'auth, STORE, AUTH> NoteConsumptionChecker<'a, 'store, 'auth, STORE, AUTH>
where
    STORE: DataStore + Sync,
    AUTH: TransactionAuthenticator + Sync,
{
    /// A checker that executes with `executor`, within its limits.
    pub fn new(executor: &'a TransactionExecutor<'store, 'auth, STORE, AUTH>) -> Self {
        Self { executor }
    }

    /// Finds notes that the account can consume in one transaction, as many as possible.
    ///
    /// A note that fails is left out, and the others are tried again. If they fail together after the
    /// last of them, they are tried in growing combinations.
    ///
    /// # Errors
    /// If there are no notes or more than [`MAX_NUM_CHECKER_NOTES`], or if a transaction fails for
    /// another reason than its notes.
    pub async fn check_notes_consumability(
        &self,
        target: AccountId,
        block: BlockNumber,
        mut notes: Vec<Note>,
        args: TransactionArgs,
    ) -> Result<NoteConsumptionInfo, NoteCheckerError> {
        if notes.is_empty() || notes.len() > MAX_NUM_CHECKER_NOTES {
            return Err(NoteCheckerError::InputNoteCountOutOfRange(notes.len()));
        }
        // Scripts that are known fail less often.
        notes.sort_unstable_by_key(|note| WellKnownNote::from_note(note).is_none());
        let mut inputs = self
            .inputs(target, block, InputNotes::from(notes.clone()), args)
            .await?;

        let mut failed = Vec::new();
        while !notes.is_empty() {
            match self.try_notes(&mut inputs, &notes).await {
                Ok(()) => break,
                Err(Failure::Note { index, error }) => {
                    let note = notes.remove(index);
                    failed.push(FailedNote { note, error });
                }
                Err(Failure::Epilogue(_)) => return self.grow(inputs, notes, failed).await,
                Err(Failure::Other(error)) => return Err(error),
            }
        }
        Ok(NoteConsumptionInfo {
            successful: notes,
            failed,
        })
    }

    /// Tells whether the account can consume a note.
    ///
    /// # Errors
    /// If a transaction with this note fails for another reason than the note.
    pub async fn can_consume(
        &self,
        target: AccountId,
        block: BlockNumber,
        note: InputNote,
        args: TransactionArgs,
    ) -> Result<NoteConsumptionStatus, NoteCheckerError> {
        let known = WellKnownNote::from_note(note.note());
        if let Some(status) =
            known.and_then(|known| known.is_consumable(note.note(), target, block))
        {
            return Ok(status);
        }
        let notes = InputNotes::new_unchecked(vec![note]);
        let mut inputs = self.inputs(target, block, notes, args).await?;
        match self.run(&mut inputs).await {
            Ok(()) => Ok(NoteConsumptionStatus::Consumable),
            Err(Failure::Note { .. }) => Ok(NoteConsumptionStatus::UnconsumableConditions),
            Err(Failure::Epilogue(error)) => Ok(match error.as_miden() {
                Some(MidenError::Unauthorized(_) | MidenError::MissingAuthenticator) => {
                    NoteConsumptionStatus::ConsumableWithAuthorization
                }
                _ => NoteConsumptionStatus::UnconsumableConditions,
            }),
            Err(Failure::Other(error)) => Err(error),
        }
    }

    async fn inputs(
        &self,
        target: AccountId,
        block: BlockNumber,
        notes: InputNotes<InputNote>,
        args: TransactionArgs,
    ) -> Result<TransactionInputs, NoteCheckerError> {
        let inputs = self.executor.inputs(target, block, notes, args).await;
        inputs.map_err(|error| NoteCheckerError::TransactionPreparation(error.into()))
    }

    /// Adds one note after the other to those that can be consumed together.
    async fn grow(
        &self,
        mut inputs: TransactionInputs,
        mut remaining: Vec<Note>,
        mut failed: Vec<FailedNote>,
    ) -> Result<NoteConsumptionInfo, NoteCheckerError> {
        let mut together: Vec<Note> = Vec::new();
        // The last error of each note that none has been added for since.
        let mut errors: BTreeMap<NoteId, FailedNote> = BTreeMap::new();
        loop {
            let mut added = None;
            for (index, note) in remaining.iter().enumerate() {
                together.push(note.clone());
                match self.try_notes(&mut inputs, &together).await {
                    Ok(()) => {
                        added = Some(index);
                        break;
                    }
                    Err(Failure::Note { error, .. } | Failure::Epilogue(error)) => {
                        together.pop();
                        let note = note.clone();
                        errors.insert(note.id(), FailedNote { note, error });
                    }
                    Err(Failure::Other(error)) => return Err(error),
                }
            }
            let Some(index) = added else { break };
            errors.remove(&remaining.remove(index).id());
        }
        failed.extend(errors.into_values());
        Ok(NoteConsumptionInfo {
            successful: together,
            failed,
        })
    }

    /// Executes a transaction with these notes.
    async fn try_notes(
        &self,
        inputs: &mut TransactionInputs,
        notes: &[Note],
    ) -> Result<(), Failure> {
        inputs.set_input_notes(notes.to_vec());
        self.run(inputs).await
    }

    /// Executes a transaction, and keeps the advice that it was given, so that the store is not asked
    /// again.
    async fn run(&self, inputs: &mut TransactionInputs) -> Result<(), Failure> {
        let mut host = self.executor.host(inputs).map_err(|error| {
            Failure::Other(NoteCheckerError::TransactionPreparation(error.into()))
        })?;
        let program = TransactionKernel::main();
        let error = match self.executor.run(&program, inputs, &mut host).await {
            Ok(output) => {
                let (_, map, store, _) = output.advice.into_parts();
                inputs.set_advice_inputs(AdviceInputs {
                    map,
                    store,
                    ..AdviceInputs::default()
                });
                return Ok(());
            }
            Err(HostedError::Diverged(divergence)) => {
                return Err(Failure::Other(divergence.into()));
            }
            Err(error) => TransactionExecutorError::of(error, kernel_error),
        };
        Err(match host.tx_progress().note_execution().split_last() {
            None => Failure::Other(NoteCheckerError::PrologueExecution(error)),
            Some(((_, cycles), before)) if cycles.end().is_none() => Failure::Note {
                index: before.len(),
                error,
            },
            Some(_) => Failure::Epilogue(error),
        })
    }
}
