//! Execution of transactions.

use std::{collections::BTreeSet, sync::Arc};

use miden_core::Program;
use miden_cvm_processor::{ExecutionOptions, ExecutionOutput, Limits, OptionsError, TrapReport};
use miden_protocol::{
    Felt, MAX_TX_EXECUTION_CYCLES, MIN_TX_EXECUTION_CYCLES,
    account::AccountId,
    assembly::{DefaultSourceManager, debuginfo::SourceManagerSync},
    asset::{Asset, AssetVaultKey},
    block::{BlockHeader, BlockNumber},
    transaction::{
        ExecutedTransaction, InputNote, InputNotes, TransactionArgs, TransactionInputs,
        TransactionKernel, TransactionScript,
    },
    vm::AdviceInputs,
};
use miden_tx::{
    AccountProcedureIndexMap, DataStore, ScriptMastForestStore, TransactionExecutorError as Error,
    TransactionExecutorHost, TransactionKernelError, auth::TransactionAuthenticator,
};
use thiserror::Error;

use crate::{
    hosted::{HostedError, Run},
    options::of_miden,
};

/// Executes transactions on this machine, in the place of the type of this name in `miden-tx`.
pub struct TransactionExecutor<'store, 'auth, STORE, AUTH> {
    store: &'store STORE,
    authenticator: Option<&'auth AUTH>,
    sources: Arc<dyn SourceManagerSync>,
    options: ExecutionOptions,
}

/// Why a transaction was not executed.
#[derive(Debug, Error)]
pub enum TransactionExecutorError {
    /// An error that the executor of `miden-tx` reports too.
    #[error("{error}{}", story(.trap))]
    Transaction {
        /// Its error.
        #[source]
        error: Box<Error>,
        /// The report of this machine, if the kernel's program ended in an error.
        trap: Option<Box<TrapReport>>,
    },
    /// An error that only this machine can have.
    #[error(transparent)]
    Machine(HostedError),
    /// The options contradict each other.
    #[error(transparent)]
    Options(#[from] OptionsError),
}

fn story(trap: &Option<Box<TrapReport>>) -> String {
    match trap {
        Some(trap) => format!("\nOn this machine: {trap}"),
        None => String::new(),
    }
}

impl TransactionExecutorError {
    /// The error of `miden-tx`, for code that tells its variants apart.
    pub fn as_miden(&self) -> Option<&Error> {
        match self {
            Self::Transaction { error, .. } => Some(error),
            Self::Machine(_) | Self::Options(_) => None,
        }
    }

    /// A failed run, whose error in Miden's processor becomes one of its executor.
    pub(crate) fn of(
        error: HostedError,
        into_miden: fn(miden_processor::ExecutionError) -> Error,
    ) -> Self {
        match error {
            HostedError::Failed { error, trap } => Self::Transaction {
                error: Box::new(into_miden(*error)),
                trap: Some(trap),
            },
            error => Self::Machine(error),
        }
    }
}

impl From<Error> for TransactionExecutorError {
    fn from(error: Error) -> Self {
        Self::Transaction {
            error: Box::new(error),
            trap: None,
        }
    }
}

impl<'store, 'auth, STORE, AUTH> TransactionExecutor<'store, 'auth, STORE, AUTH>
where
    STORE: DataStore + Sync,
    AUTH: TransactionAuthenticator + Sync,
{
    /// An executor that takes from `store` what a transaction needs.
    pub fn new(store: &'store STORE) -> Self {
        Self {
            store,
            authenticator: None,
            sources: Arc::new(DefaultSourceManager::default()),
            options: ExecutionOptions::default(),
        }
    }

    /// Sets who signs.
    #[must_use]
    pub fn with_authenticator(mut self, authenticator: &'auth AUTH) -> Self {
        self.authenticator = Some(authenticator);
        self
    }

    /// Sets where source files are found, so that errors can name lines.
    #[must_use]
    pub fn with_source_manager(mut self, sources: Arc<dyn SourceManagerSync>) -> Self {
        self.sources = sources;
        self
    }

    /// Takes over Miden's options.
    ///
    /// # Errors
    /// If they allow or expect fewer cycles than a transaction has to be allowed
    /// ([`MIN_TX_EXECUTION_CYCLES`]), or more than it can be ([`MAX_TX_EXECUTION_CYCLES`]).
    pub fn with_options(
        mut self,
        options: miden_tx::ExecutionOptions,
    ) -> Result<Self, TransactionExecutorError> {
        for actual in [options.max_cycles(), options.expected_cycles()] {
            if !(MIN_TX_EXECUTION_CYCLES..=MAX_TX_EXECUTION_CYCLES).contains(&actual) {
                return Err(Error::InvalidExecutionOptionsCycles {
                    min_cycles: MIN_TX_EXECUTION_CYCLES,
                    max_cycles: MAX_TX_EXECUTION_CYCLES,
                    actual,
                }
                .into());
            }
        }
        self.options = of_miden(&options)?.with_limits(*self.options.limits());
        Ok(self)
    }

    /// Replaces the limits of runs.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.options = self.options.with_limits(limits);
        self
    }

    /// Runs debug decorators of accounts, notes and scripts.
    #[must_use]
    pub fn with_debug_mode(mut self) -> Self {
        self.options = self.options.with_debug(true);
        self
    }

    /// Runs trace decorators.
    #[must_use]
    pub fn with_tracing(mut self) -> Self {
        self.options = self.options.with_tracing(true);
        self
    }

    /// Executes a transaction.
    ///
    /// # Errors
    /// Those of `miden-tx`, and those that only this machine has.
    pub async fn execute_transaction(
        &self,
        account: AccountId,
        block: BlockNumber,
        notes: InputNotes<InputNote>,
        args: TransactionArgs,
    ) -> Result<ExecutedTransaction, TransactionExecutorError> {
        let inputs = self.inputs(account, block, notes, args).await?;
        let mut host = self.host(&inputs)?;
        let output = self
            .run(&TransactionKernel::main(), &inputs, &mut host)
            .await
            .map_err(|error| TransactionExecutorError::of(error, kernel_error))?;
        Ok(executed(inputs, output, host)?)
    }

    /// Runs a script against an account, and returns the stack at its end.
    ///
    /// # Errors
    /// Those of `miden-tx`, and those that only this machine has.
    pub async fn execute_tx_view_script(
        &self,
        account: AccountId,
        block: BlockNumber,
        script: TransactionScript,
        advice: AdviceInputs,
    ) -> Result<[Felt; 16], TransactionExecutorError> {
        let mut args = TransactionArgs::default().with_tx_script(script);
        args.extend_advice_inputs(advice);
        let inputs = self
            .inputs(account, block, InputNotes::default(), args)
            .await?;
        let mut host = self.host(&inputs)?;
        let failed =
            |error| TransactionExecutorError::of(error, Error::TransactionProgramExecutionFailed);
        let program = TransactionKernel::tx_script_main();
        let output = self
            .run(&program, &inputs, &mut host)
            .await
            .map_err(failed)?;
        Ok(*output.stack)
    }

    /// Returns the inputs that the transaction needs of the store.
    pub(crate) async fn inputs(
        &self,
        account: AccountId,
        block: BlockNumber,
        notes: InputNotes<InputNote>,
        args: TransactionArgs,
    ) -> Result<TransactionInputs, Error> {
        let mut blocks = BTreeSet::from([block]);
        let mut assets = BTreeSet::new();
        for note in notes.iter() {
            if let Some(location) = note.location() {
                if location.block_num() > block {
                    return Err(Error::NoteBlockPastReferenceBlock(note.id(), block));
                }
                blocks.insert(location.block_num());
            }
            assets.extend(note.note().assets().iter().map(Asset::vault_key));
        }
        let (account, header, chain) = self
            .store
            .get_transaction_inputs(account, blocks)
            .await
            .map_err(Error::FetchTransactionInputsFailed)?;
        assets.insert(fee_key(&header)?);
        let witnesses = self
            .store
            .get_vault_asset_witnesses(account.id(), account.vault().root(), assets)
            .await
            .map_err(Error::FetchAssetWitnessFailed)?;
        Ok(TransactionInputs::new(account, header, chain, notes)
            .map_err(Error::InvalidTransactionInputs)?
            .with_tx_args(args)
            .with_asset_witnesses(witnesses))
    }

    pub(crate) fn host(
        &self,
        inputs: &TransactionInputs,
    ) -> Result<TransactionExecutorHost<'store, 'auth, STORE, AUTH>, Error> {
        let fee_key = fee_key(inputs.block_header())?;
        let mut fee_assets = inputs
            .asset_witnesses()
            .iter()
            .map(|witness| witness.find(fee_key));
        let fee_balance = match fee_assets.find_map(|asset| asset) {
            Some(Asset::Fungible(asset)) => asset.amount(),
            Some(Asset::NonFungible(_)) => return Err(Error::FeeAssetMustBeFungible),
            None => 0,
        };
        let scripts = ScriptMastForestStore::new(
            inputs.tx_script(),
            inputs.input_notes().iter().map(|note| note.note().script()),
        );
        Ok(TransactionExecutorHost::new(
            inputs.account(),
            inputs.input_notes().clone(),
            self.store,
            scripts,
            // The code of other accounts is added when they are first called.
            AccountProcedureIndexMap::new([inputs.account().code()]),
            self.authenticator,
            inputs.block_header().block_num(),
            fee_balance,
            self.sources.clone(),
        ))
    }

    pub(crate) async fn run(
        &self,
        program: &Program,
        inputs: &TransactionInputs,
        host: &mut TransactionExecutorHost<'store, 'auth, STORE, AUTH>,
    ) -> Result<ExecutionOutput, HostedError> {
        let (stack, advice) = TransactionKernel::prepare_inputs(inputs);
        let run = Run {
            program,
            stack,
            advice: advice.into_advice_inputs(),
            options: self.options,
            sources: Some(self.sources.clone()),
        };
        run.execute(host).await
    }
}

/// Where a vault has the asset in which fees are paid.
fn fee_key(block: &BlockHeader) -> Result<AssetVaultKey, Error> {
    AssetVaultKey::from_account_id(block.fee_parameters().native_asset_id())
        .ok_or(Error::FeeAssetMustBeFungible)
}

/// The executor's error for one of the processor. Some events of the kernel have errors of their own.
pub(crate) fn kernel_error(error: miden_processor::ExecutionError) -> Error {
    let said = match &error {
        miden_processor::ExecutionError::EventError { error, .. } => error.downcast_ref(),
        _ => None,
    };
    match said {
        Some(TransactionKernelError::Unauthorized(summary)) => Error::Unauthorized(summary.clone()),
        Some(&TransactionKernelError::InsufficientFee {
            account_balance,
            tx_fee,
        }) => Error::InsufficientFee {
            account_balance,
            tx_fee,
        },
        Some(TransactionKernelError::MissingAuthenticator) => Error::MissingAuthenticator,
        _ => Error::TransactionProgramExecutionFailed(error),
    }
}

/// The transaction that a run was one of.
fn executed<STORE, AUTH>(
    inputs: TransactionInputs,
    output: ExecutionOutput,
    host: TransactionExecutorHost<'_, '_, STORE, AUTH>,
) -> Result<ExecutedTransaction, Error>
where
    STORE: DataStore + Sync,
    AUTH: TransactionAuthenticator + Sync,
{
    let (_, map, store, _) = output.advice.into_parts();
    let mut advice = AdviceInputs {
        map,
        store,
        ..AdviceInputs::default()
    };
    let (mut delta, _, output_notes, foreign_code, signatures, progress, slot_names) =
        host.into_parts();
    let outputs = TransactionKernel::from_transaction_parts(&output.stack, &advice, output_notes)
        .map_err(Error::TransactionOutputConstructionFailed)?;

    // The kernel commits to the delta before the fee is taken from it.
    let (in_kernel_commitment, host_commitment) =
        (outputs.account_delta_commitment, delta.to_commitment());
    if in_kernel_commitment != host_commitment {
        return Err(Error::InconsistentAccountDeltaCommitment {
            in_kernel_commitment,
            host_commitment,
        });
    }
    delta
        .vault_mut()
        .remove_asset(Asset::from(outputs.fee))
        .map_err(Error::RemoveFeeAssetFromDelta)?;

    let (before, after) = (inputs.account(), &outputs.account);
    if before.id() != after.id() {
        return Err(Error::InconsistentAccountId {
            input_id: before.id(),
            output_id: after.id(),
        });
    }
    let (expected, actual) = (after.nonce() - before.nonce(), delta.nonce_delta());
    if expected != actual {
        return Err(Error::InconsistentAccountNonceDelta { expected, actual });
    }

    advice.map.extend(signatures);
    let inputs = inputs
        .with_foreign_account_code(foreign_code)
        .with_foreign_account_slot_names(slot_names)
        .with_advice_inputs(advice);
    Ok(ExecutedTransaction::new(
        inputs,
        outputs,
        delta,
        progress.into(),
    ))
}
