//! Transactions on a chain of `miden-testing`: executed, proven and verified on this machine, beside
//! what Miden's executor makes of them, and taken into a block.

use core::{
    future::{Future, poll_fn},
    task::Poll,
};
use std::sync::Arc;

use miden_cvm_miden::{
    Limits, LocalTransactionProver, TransactionExecutor, TransactionExecutorError,
    TransactionVerifier, hosted::HostedError,
};
use miden_cvm_processor::{ExecutionError as CvmError, TracedExecutionError, Trap};
use miden_processor::{ExecutionError, FutureMaybeSend};
use miden_protocol::{
    Felt, MIN_PROOF_SECURITY_LEVEL,
    account::{
        Account, AccountBuilder, AccountComponent, AccountId, AccountIdVersion, AccountStorageMode,
        AccountType,
        auth::{PublicKey, PublicKeyCommitment, Signature},
    },
    assembly::DefaultSourceManager,
    asset::{Asset, FungibleAsset},
    crypto::rand::RpoRandomCoin,
    note::{Note, NoteAttachment, NoteId, NoteTag, NoteType},
    testing::account_id::ACCOUNT_ID_PUBLIC_FUNGIBLE_FAUCET_2,
    transaction::{ExecutedTransaction, OutputNote},
};
use miden_standards::{
    code_builder::CodeBuilder,
    errors::standards::ERR_P2ID_TARGET_ACCT_MISMATCH,
    note::{MintNoteInputs, create_mint_note, create_p2id_note},
};
use miden_testing::{
    Auth, MockChain, MockChainBuilder, TransactionContext, TransactionContextBuilder,
};
use miden_tx::{
    AuthenticationError, TransactionExecutorError as MidenError,
    auth::{SigningInputs, TransactionAuthenticator},
};

use crate::block_on;

/// Executes a transaction with the executor of this machine.
fn execute_with<AUTH: TransactionAuthenticator + Sync>(
    context: &TransactionContext,
    authenticator: Option<&AUTH>,
    limits: Limits,
) -> Result<ExecutedTransaction, TransactionExecutorError> {
    let executor = TransactionExecutor::new(context)
        .with_source_manager(context.source_manager())
        .with_limits(limits);
    let executor = match authenticator {
        Some(authenticator) => executor.with_authenticator(authenticator),
        None => executor,
    };
    let inputs = context.tx_inputs();
    block_on(executor.execute_transaction(
        context.account().id(),
        inputs.block_header().block_num(),
        inputs.input_notes().clone(),
        inputs.tx_args().clone(),
    ))
}

pub fn execute(
    context: &TransactionContext,
) -> Result<ExecutedTransaction, TransactionExecutorError> {
    execute_with(context, context.authenticator(), Limits::default())
}

/// Executes a transaction on both machines, which have to agree.
pub fn both(context: TransactionContext) -> ExecutedTransaction {
    let ours = execute(&context).unwrap_or_else(|error| panic!("{error}"));
    let theirs = block_on(context.execute()).expect("a transaction that Miden executes");
    assert_eq!(ours.id(), theirs.id());
    assert_eq!(ours.final_account(), theirs.final_account());
    assert_eq!(ours.account_delta(), theirs.account_delta());
    assert_eq!(ours.output_notes(), theirs.output_notes());
    assert_eq!(ours.tx_inputs(), theirs.tx_inputs());
    assert_eq!(
        format!("{:?}", ours.measurements()),
        format!("{:?}", theirs.measurements())
    );
    ours
}

/// Proves a transaction and adds it to the chain's next block.
pub fn settle(chain: &mut MockChain, transaction: ExecutedTransaction) {
    let id = transaction.id();
    let proven = LocalTransactionProver::default()
        .prove(transaction)
        .expect("an executed transaction");
    assert_eq!(proven.id(), id);
    TransactionVerifier::new(MIN_PROOF_SECURITY_LEVEL)
        .verify(&proven)
        .expect("a proven transaction");
    chain.add_pending_proven_transaction(proven);
    chain
        .prove_next_block()
        .expect("a block with a proven transaction");
}

fn two_assets() -> [Asset; 2] {
    let other = ACCOUNT_ID_PUBLIC_FUNGIBLE_FAUCET_2
        .try_into()
        .expect("an id");
    [
        FungibleAsset::mock(123),
        FungibleAsset::new(other, 456).expect("an asset").into(),
    ]
}

/// A wallet that exists already.
fn wallet(builder: &mut MockChainBuilder, auth: Auth) -> Account {
    builder.add_existing_wallet(auth).expect("a wallet")
}

/// A note with two assets for a target, from a new wallet.
fn note_for(builder: &mut MockChainBuilder, target: &Account) -> Note {
    let sender = builder
        .create_new_wallet(Auth::BasicAuth)
        .expect("a wallet");
    builder
        .add_p2id_note(sender.id(), target.id(), &two_assets(), NoteType::Public)
        .expect("a note")
}

/// The context of a transaction of an account, which consumes notes of the chain and other ones.
fn context_of(
    chain: &MockChain,
    account: &Account,
    notes: &[NoteId],
    others: &[Note],
) -> TransactionContext {
    chain
        .build_tx_context(account.id(), notes, others)
        .and_then(TransactionContextBuilder::build)
        .expect("a context")
}

#[test]
fn a_note_with_two_assets_is_consumed() {
    let mut builder = MockChain::builder();
    let target = wallet(&mut builder, Auth::EcdsaK256KeccakAuth);
    let note = note_for(&mut builder, &target);
    let mut chain = builder.build().expect("a chain");
    let context = context_of(&chain, &target, &[note.id()], &[]);
    settle(&mut chain, both(context));
    let vault = chain
        .committed_account(target.id())
        .expect("the wallet")
        .vault();
    let balances =
        two_assets().map(|asset| vault.get_balance(asset.unwrap_fungible().faucet_id()).ok());
    assert_eq!(balances, [Some(123), Some(456)]);
}

#[test]
fn the_wrong_consumer_gets_the_same_error_and_the_story_of_the_trap() {
    let mut builder = MockChain::builder();
    let target = wallet(&mut builder, Auth::BasicAuth);
    let other = wallet(&mut builder, Auth::IncrNonce);
    let note = note_for(&mut builder, &target);
    let chain = builder.build().expect("a chain");
    let context = context_of(&chain, &other, &[], &[note]);
    let ours = execute(&context).expect_err("the note is not for this account");
    let theirs = block_on(context.execute()).expect_err("the note is not for this account");

    let said = |error: &MidenError| match error {
        MidenError::TransactionProgramExecutionFailed(ExecutionError::FailedAssertion {
            clk,
            err_code,
            err_msg,
            ..
        }) => (*clk, *err_code, err_msg.clone()),
        error => panic!("{error}"),
    };
    let of_miden = ours.as_miden().expect("an error of Miden's");
    assert_eq!(said(of_miden), said(&theirs));
    let (cycle, code, message) = said(&theirs);
    assert_eq!(code, ERR_P2ID_TARGET_ACCT_MISMATCH.code());

    let TransactionExecutorError::Transaction {
        trap: Some(trap), ..
    } = &ours
    else {
        panic!("no story of the trap: {ours}");
    };
    assert_eq!(trap.cycle, u32::from(cycle));
    assert!(matches!(trap.trap, Trap::FailedAssertion { .. }), "{trap}");
    // Miden's libraries come without the messages of their assertions.
    let message = message.map_or_else(|| code.to_string(), |message| message.to_string());
    assert!(trap.to_string().contains(&message), "{trap}");
    assert!(ours.to_string().contains("On this machine"), "{ours}");
}

#[test]
fn who_does_not_sign_is_told_so() {
    let mut builder = MockChain::builder();
    let target = wallet(&mut builder, Auth::BasicAuth);
    let note = note_for(&mut builder, &target);
    let chain = builder.build().expect("a chain");
    let context = context_of(&chain, &target, &[note.id()], &[]);
    let nobody: Option<&Slow<'_>> = None;
    let error = execute_with(&context, nobody, Limits::default()).expect_err("nobody signs");
    assert!(
        matches!(error.as_miden(), Some(MidenError::MissingAuthenticator)),
        "{error}"
    );
}

/// Signs after a while.
struct Slow<'a>(&'a TransactionContext);

impl TransactionAuthenticator for Slow<'_> {
    fn get_signature(
        &self,
        key: PublicKeyCommitment,
        inputs: &SigningInputs,
    ) -> impl FutureMaybeSend<Result<Signature, AuthenticationError>> {
        let signer = self.0.authenticator().expect("an authenticator");
        let signature = signer.get_signature(key, inputs);
        async move {
            for _ in 0..3 {
                wait().await;
            }
            signature.await
        }
    }

    fn get_public_key(&self, key: PublicKeyCommitment) -> impl FutureMaybeSend<Option<&PublicKey>> {
        self.0
            .authenticator()
            .expect("an authenticator")
            .get_public_key(key)
    }
}

/// Is not done when it is first polled.
fn wait() -> impl Future<Output = ()> + Send {
    let mut polled = false;
    poll_fn(move |context| {
        if core::mem::replace(&mut polled, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
}

#[test]
fn a_host_may_take_its_time() {
    let mut builder = MockChain::builder();
    let target = wallet(&mut builder, Auth::BasicAuth);
    let note = note_for(&mut builder, &target);
    let chain = builder.build().expect("a chain");
    let context = context_of(&chain, &target, &[note.id()], &[]);
    let slow = execute_with(&context, Some(&Slow(&context)), Limits::default())
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(slow.id(), both(context).id());
}

#[test]
fn a_network_faucet_mints() {
    let mut builder = MockChain::builder();
    let owner = AccountId::dummy(
        [1; 15],
        AccountIdVersion::Version0,
        AccountType::RegularAccountImmutableCode,
        AccountStorageMode::Private,
    );
    let faucet = builder
        .add_existing_network_faucet("NET", 1000, owner, Some(50))
        .expect("a faucet");
    let target = wallet(&mut builder, Auth::IncrNonce);
    let minted: Asset = FungibleAsset::new(faucet.id(), 75)
        .expect("an asset")
        .into();
    let mut random = RpoRandomCoin::new([Felt::new(42); 4].into());
    let note = create_p2id_note(
        faucet.id(),
        target.id(),
        vec![minted],
        NoteType::Private,
        NoteAttachment::default(),
        &mut random,
    )
    .expect("a note");
    let tag = NoteTag::with_account_target(target.id());
    let mint = create_mint_note(
        faucet.id(),
        owner,
        MintNoteInputs::new_private(note.recipient().digest(), Felt::new(75), tag.into()),
        NoteAttachment::default(),
        &mut random,
    )
    .expect("a note");
    builder.add_output_note(OutputNote::Full(mint.clone()));
    let mut chain = builder.build().expect("a chain");

    assert!(faucet.id().is_network());
    let context = context_of(&chain, &faucet, &[mint.id()], &[]);
    let transaction = both(context);
    assert_eq!(transaction.output_notes().num_notes(), 1);
    settle(&mut chain, transaction);

    let context = context_of(&chain, &target, &[], &[note]);
    settle(&mut chain, both(context));
    let vault = chain
        .committed_account(target.id())
        .expect("the wallet")
        .vault();
    assert_eq!(vault.get_balance(faucet.id()).ok(), Some(75));
}

/// The way in which a script comes by the procedure of a foreign account that it invokes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Invoked {
    /// Its code names the procedure.
    ByName,
    /// It gets the digest from its argument.
    ByArgument,
    /// By name, and its own account has the procedure as well.
    OwnToo,
    /// By name, and the code of another foreign account that it invokes names it as well.
    Nested,
}

/// A chain, and a transaction whose script invokes a procedure of a foreign account twice.
pub fn foreign(how: Invoked) -> (MockChain, TransactionContext) {
    let sources = Arc::new(DefaultSourceManager::default());
    let component_with = |known: Option<&AccountComponent>, name: &str, code: &str| {
        let builder = CodeBuilder::with_kernel_library(sources.clone());
        let code = match known {
            Some(known) => builder.with_dynamically_linked_library(known.component_code()),
            None => Ok(builder),
        }
        .and_then(|builder| builder.compile_component_code(name, code))
        .expect("code of a component");
        AccountComponent::new(code, vec![])
            .expect("a component")
            .with_supports_all_types()
    };
    let component = |name: &str, code: &str| component_with(None, name, code);
    let answers = component(
        "answers",
        "use miden::core::sys
        pub proc answer
            push.3 exec.sys::truncate_stack
        end",
    );
    let account = |components: Vec<AccountComponent>, seed: u8| {
        let builder = AccountBuilder::new([seed; 32]).with_auth_component(Auth::IncrNonce);
        let components = components.into_iter();
        components
            .fold(builder, AccountBuilder::with_component)
            .storage_mode(AccountStorageMode::Public)
            .build_existing()
            .expect("an account")
    };
    let foreign = account(vec![answers.clone()], 1);
    let names = component_with(
        Some(&answers),
        "names",
        "use miden::core::sys
        pub proc name
            procref.::answers::answer dropw push.3 exec.sys::truncate_stack
        end",
    );
    let other = account(vec![names.clone()], 3);
    let mut own = vec![component("own", "pub proc own push.1 drop end")];
    own.extend((how == Invoked::OwnToo).then(|| answers.clone()));
    let native = account(own, 2);
    let mut accounts = vec![native.clone(), foreign.clone()];
    accounts.extend((how == Invoked::Nested).then(|| other.clone()));
    let mut chain = MockChainBuilder::with_accounts(accounts)
        .and_then(|builder| builder.build())
        .expect("a chain");
    chain.prove_next_block().expect("a block");

    let answer = answers
        .component_code()
        .as_library()
        .get_procedure_root_by_path("answers::answer")
        .expect("the procedure");
    // The argument is at the bottom of what the script begins with.
    let (begin, root) = match how {
        Invoked::ByArgument => (
            "padw swapw loc_storew_be.0 dropw dropw",
            "padw loc_loadw_be.0",
        ),
        _ => ("", "procref.::answers::answer"),
    };
    let invoke = |(root, id): (&str, AccountId)| {
        format!(
            "padw padw padw push.0.0.0
            {root}
            push.{} push.{}
            exec.tx::execute_foreign_procedure
            push.3 assert_eq\n",
            id.suffix(),
            id.prefix().as_felt(),
        )
    };
    let invocations = match how {
        Invoked::Nested => {
            invoke((root, foreign.id())) + &invoke(("procref.::names::name", other.id()))
        }
        _ => format!("repeat.2 {} end", invoke((root, foreign.id()))),
    };
    let script = CodeBuilder::with_source_manager(sources.clone())
        .with_dynamically_linked_library(answers.component_code())
        .and_then(|builder| builder.with_dynamically_linked_library(names.component_code()))
        .and_then(|builder| {
            builder.compile_tx_script(format!(
                "use miden::core::sys
                use miden::protocol::tx
                @locals(4)
                proc script
                    {begin}
                    {invocations}
                    exec.sys::truncate_stack
                end
                begin exec.script end"
            ))
        })
        .expect("a script");
    let loaded = match how {
        Invoked::Nested => vec![foreign.id(), other.id()],
        _ => vec![foreign.id()],
    };
    let loaded = loaded.into_iter().map(|id| {
        let inputs = chain.get_foreign_account_inputs(id);
        inputs.expect("the account")
    });
    let loaded: Vec<_> = loaded.collect();
    let context = chain
        .build_tx_context(native.id(), &[], &[])
        .and_then(|context| {
            context
                .foreign_accounts(loaded)
                .tx_script(script)
                .tx_script_args(answer)
                .with_source_manager(sources)
                .build()
        })
        .expect("a context");
    (chain, context)
}

#[test]
fn procedures_of_foreign_accounts_are_invoked() {
    for how in [
        Invoked::ByName,
        Invoked::ByArgument,
        Invoked::OwnToo,
        Invoked::Nested,
    ] {
        let (mut chain, context) = foreign(how);
        settle(&mut chain, both(context));
    }
}

/// Miden's options are refused where Miden's executor refuses them, with its error.
#[test]
fn options_are_those_that_miden_takes() {
    let mut builder = MockChain::builder();
    let account = wallet(&mut builder, Auth::IncrNonce);
    let chain = builder.build().expect("a chain");
    let context = context_of(&chain, &account, &[], &[]);
    for (most, expected) in [
        (1 << 11, 64),
        (1 << 13, 64),
        (1 << 13, 1 << 12),
        (5_000, 4_097),
    ] {
        let options = miden_tx::ExecutionOptions::new(Some(most), expected, false, false);
        let options = options.expect("options");
        let ours = TransactionExecutor::<_, Slow<'_>>::new(&context).with_options(options);
        let theirs = miden_tx::TransactionExecutor::<_, Slow<'_>>::new(&context);
        let told = |error: &MidenError| format!("{error:?}");
        let ours = ours
            .err()
            .map(|error| told(error.as_miden().expect("an error of Miden's")));
        let theirs = theirs.with_options(options).err().map(|error| told(&error));
        assert_eq!(ours, theirs, "{most}, {expected}");
    }
}

#[test]
fn a_script_that_never_ends_ends() {
    let mut builder = MockChain::builder();
    let account = wallet(&mut builder, Auth::IncrNonce);
    let chain = builder.build().expect("a chain");
    let script = CodeBuilder::default()
        .compile_tx_script("begin push.1 while.true push.1 end end")
        .expect("a script");
    let context = chain
        .build_tx_context(account.id(), &[], &[])
        .and_then(|context| context.tx_script(script).build())
        .expect("a context");
    let options = miden_tx::ExecutionOptions::new(Some(1 << 16), 1 << 12, false, false);
    let executor = TransactionExecutor::<_, Slow<'_>>::new(&context)
        .with_options(options.expect("options"))
        .expect("options");
    let inputs = context.tx_inputs();
    let error = block_on(executor.execute_transaction(
        account.id(),
        inputs.block_header().block_num(),
        inputs.input_notes().clone(),
        inputs.tx_args().clone(),
    ))
    .expect_err("no end within the cycles");
    let TransactionExecutorError::Machine(HostedError::Machine(error)) = error else {
        panic!("{error}");
    };
    let TracedExecutionError::Execution(CvmError::Trapped(report)) = *error else {
        panic!("{error}");
    };
    assert!(
        matches!(report.trap, Trap::CycleLimitExceeded(65_536)),
        "{report}"
    );
}
