//! Proving of transactions.

use miden_core::Word;
use miden_cvm_processor::{ExecutionOptions, Limits, OptionsError};
use miden_cvm_prover::{ProofSettings, ProveOptions, SettingsError, prove_trace};
use miden_protocol::{
    account::{AccountDelta, PartialAccount, delta::AccountUpdateDetails},
    asset::Asset,
    block::BlockHeader,
    transaction::{
        InputNote, InputNotes, OutputNote, ProvenTransaction, ProvenTransactionBuilder,
        TransactionInputs, TransactionKernel, TransactionOutputs,
    },
    vm::ExecutionProof,
};
use miden_tx::{
    AccountProcedureIndexMap, ProvingOptions, ScriptMastForestStore, TransactionMastStore,
    TransactionProverError, TransactionProverHost,
};

use crate::{
    carried,
    hosted::{HostedError, Prompt, Run, at_once},
    instances::{InstancesError, KernelOverInstances},
    options::of_miden,
};

/// Proves transactions on this machine, in the place of the type of this name in `miden-tx`.
pub struct LocalTransactionProver {
    store: TransactionMastStore,
    settings: Result<ProofSettings, SettingsError>,
    execution: Result<ExecutionOptions, OptionsError>,
    memory: Option<usize>,
    instances: Option<KernelOverInstances>,
}

impl Default for LocalTransactionProver {
    /// A prover with Miden's default options: `Regular96` with Blake3-192. `Compact96` has smaller
    /// proofs at the level that nodes ask for.
    fn default() -> Self {
        Self::new(ProvingOptions::default())
    }
}

impl LocalTransactionProver {
    /// A prover with Miden's options, if they are those of one of this machine's parameter sets;
    /// otherwise nothing is proven. The options of the run are among them.
    pub fn new(options: ProvingOptions) -> Self {
        Self {
            execution: of_miden(options.execution_options()),
            ..Self::with(ProofSettings::try_from(&options))
        }
    }

    /// A prover with settings of this machine.
    pub fn with_settings(settings: ProofSettings) -> Self {
        Self::with(Ok(settings))
    }

    fn with(settings: Result<ProofSettings, SettingsError>) -> Self {
        Self {
            store: TransactionMastStore::new(),
            settings,
            execution: Ok(ExecutionOptions::default()),
            memory: None,
            instances: None,
        }
    }

    /// Bounds the bytes that the trace and what is made of it take. The less there are, the more is
    /// computed again; a transaction that is not proven with them is refused before it takes them.
    pub fn with_memory(mut self, bytes: usize) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// Replaces the options of the run, which include its limits.
    pub fn with_execution_options(mut self, options: ExecutionOptions) -> Self {
        self.execution = Ok(options);
        self
    }

    /// Replaces the limits of runs.
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.execution = self.execution.map(|options| options.with_limits(limits));
        self
    }

    /// Runs the kernel over instances of the account and of the scripts.
    pub fn over_instances(mut self, kernel: KernelOverInstances) -> Self {
        self.instances = Some(kernel);
        self
    }

    /// Executes a transaction and proves it.
    ///
    /// # Errors
    /// Those of `miden-tx`. What can go wrong on this machine only is in
    /// [`TransactionProverError::Other`], with its source.
    pub fn prove(
        &self,
        inputs: impl Into<TransactionInputs>,
    ) -> Result<ProvenTransaction, TransactionProverError> {
        let settings = self.settings.clone().map_err(|error| {
            TransactionProverError::other_with_source("the options of the proof are refused", error)
        })?;
        let execution = self.execution.clone().map_err(|error| {
            TransactionProverError::other_with_source("the options of the run are refused", error)
        })?;
        let inputs = inputs.into();
        let (stack, advice) = TransactionKernel::prepare_inputs(&inputs);
        let advice = advice.into_advice_inputs();

        let codes = || {
            inputs
                .foreign_account_code()
                .iter()
                .chain([inputs.account().code()])
        };
        codes().for_each(|code| self.store.load_account_code(code));
        let scripts = ScriptMastForestStore::new(
            inputs.tx_script(),
            inputs.input_notes().iter().map(|note| note.note().script()),
        );
        let procedures = AccountProcedureIndexMap::new(codes());
        let mut host = TransactionProverHost::new(
            inputs.account(),
            inputs.input_notes().clone(),
            &self.store,
            scripts,
            procedures,
        );
        let run = Run {
            program: &TransactionKernel::main(),
            stack,
            advice: advice.clone(),
            options: execution,
            sources: None,
        };
        let traced = match &self.instances {
            Some(kernel) => kernel.execute_traced(&inputs, run, &mut host),
            None => at_once(run.execute_traced(&mut Prompt(&mut host)))
                .ok_or_else(|| {
                    TransactionProverError::other("the host of a prover waits for something")
                })?
                .map_err(InstancesError::Run),
        };
        let traced = traced.map_err(|error| match error {
            InstancesError::Run(HostedError::Failed { error, .. }) => {
                TransactionProverError::TransactionProgramExecutionFailed(*error)
            }
            error => {
                TransactionProverError::other_with_source("the transaction was not run", error)
            }
        })?;

        let stack_outputs = traced.public.stack_outputs.clone();
        let mut options = ProveOptions::from(settings);
        options.check_trace = false;
        options.memory = self.memory;
        let proof = prove_trace(traced.trace, traced.public, &options).map_err(|error| {
            TransactionProverError::other_with_source("the transaction was not proven", error)
        })?;
        let proof = proof.with_requests(traced.requests).map_err(|error| {
            TransactionProverError::other_with_source("the proof is too long", error)
        })?;
        let proof = carried::put_in(&proof).map_err(|error| {
            TransactionProverError::other_with_source("the proof cannot be handed on", error)
        })?;

        let (delta, notes, output_notes) = host.into_parts();
        let outputs =
            TransactionKernel::from_transaction_parts(&stack_outputs, &advice, output_notes)
                .map_err(TransactionProverError::TransactionOutputConstructionFailed)?;
        proven_transaction(&inputs, &notes, outputs, delta, proof)
    }
}

/// The transaction with its proof, as the network sees it.
fn proven_transaction(
    inputs: &TransactionInputs,
    notes: &InputNotes<InputNote>,
    outputs: TransactionOutputs,
    mut delta: AccountDelta,
    proof: ExecutionProof,
) -> Result<ProvenTransaction, TransactionProverError> {
    let (account, block): (&PartialAccount, &BlockHeader) =
        (inputs.account(), inputs.block_header());
    // The kernel commits to the delta before the fee is taken from it.
    let delta_commitment: Word = delta.to_commitment();
    let builder = ProvenTransactionBuilder::new(
        account.id(),
        account.initial_commitment(),
        outputs.account.commitment(),
        delta_commitment,
        block.block_num(),
        block.commitment(),
        outputs.fee,
        outputs.expiration_block_num,
        proof,
    )
    .add_input_notes(notes)
    // What is private of a note stays here.
    .add_output_notes(outputs.output_notes.iter().map(OutputNote::shrink));
    let builder = if account.has_public_state() {
        delta
            .vault_mut()
            .remove_asset(Asset::from(outputs.fee))
            .map_err(TransactionProverError::RemoveFeeAssetFromDelta)?;
        builder.account_update_details(AccountUpdateDetails::Delta(delta))
    } else {
        builder
    };
    builder
        .build()
        .map_err(TransactionProverError::ProvenTransactionBuildFailed)
}
