//! Notes that can be consumed, by this crate's checker and by the one of `miden-tx`.

use miden_cvm_miden::{
    FailedNote, NoteCheckerError, NoteConsumptionChecker, TransactionExecutor,
    TransactionExecutorError,
};
use miden_protocol::{
    account::Account,
    asset::FungibleAsset,
    note::{Note, NoteAssets, NoteId, NoteInputs, NoteMetadata, NoteRecipient, NoteType},
    testing::account_id::ACCOUNT_ID_SENDER,
    transaction::{InputNote, TransactionArgs},
};
use miden_standards::{code_builder::CodeBuilder, note::NoteConsumptionStatus};
use miden_testing::{Auth, MockChain, TransactionContext};
use miden_tx::auth::UnreachableAuth;

use crate::block_on;

/// A note with this script.
fn note(code: &str) -> Note {
    let script = CodeBuilder::default().compile_note_script(code);
    let recipient = NoteRecipient::new(
        [1u32, 2, 3, 4].into(),
        script.expect("a script"),
        NoteInputs::new(Vec::new()).expect("no inputs"),
    );
    let sender = ACCOUNT_ID_SENDER.try_into().expect("an id");
    Note::new(
        NoteAssets::new(Vec::new()).expect("no assets"),
        NoteMetadata::new(sender, NoteType::Public, 0.into()),
        recipient,
    )
}

/// An account, two notes for it, and the context of a transaction in which it consumes them and these.
fn setup(auth: Auth, others: &[Note]) -> (Account, Vec<Note>, TransactionContext) {
    let mut builder = MockChain::builder();
    let account = builder.add_existing_wallet(auth).expect("a wallet");
    let sender = ACCOUNT_ID_SENDER.try_into().expect("an id");
    let mut notes = others.to_vec();
    for amount in [10, 20] {
        let assets = [FungibleAsset::mock(amount)];
        let note = builder.add_p2id_note(sender, account.id(), &assets, NoteType::Public);
        notes.push(note.expect("a note"));
    }
    let chain = builder.build().expect("a chain");
    let context = chain
        .build_tx_context(account.clone(), &[], &notes)
        .and_then(|context| context.build())
        .expect("a context");
    (account, notes, context)
}

fn ids<'a>(notes: impl IntoIterator<Item = &'a Note>) -> Vec<NoteId> {
    notes.into_iter().map(Note::id).collect()
}

/// Checks notes with both checkers, which have to agree; returns the ids of those that can be consumed,
/// and what was said of the others.
fn checked(
    account: &Account,
    notes: &[Note],
    context: &TransactionContext,
) -> (Vec<NoteId>, Vec<FailedNote>) {
    let block = context.tx_inputs().block_header().block_num();
    let executor = TransactionExecutor::<_, UnreachableAuth>::new(context);
    let checker = NoteConsumptionChecker::new(&executor);
    let args = TransactionArgs::default();
    let check = checker.check_notes_consumability(account.id(), block, notes.to_vec(), args);
    let ours = block_on(check).expect("notes that are checked");

    let executor = miden_tx::TransactionExecutor::<_, UnreachableAuth>::new(context);
    let checker = miden_tx::NoteConsumptionChecker::new(&executor);
    let args = TransactionArgs::default();
    let check = checker.check_notes_consumability(account.id(), block, notes.to_vec(), args);
    let theirs = block_on(check).expect("notes that are checked");

    assert_eq!(ids(&ours.successful), ids(&theirs.successful));
    assert_eq!(ours.failed.len(), theirs.failed.len());
    for (ours, theirs) in ours.failed.iter().zip(&theirs.failed) {
        assert_eq!(ours.note.id(), theirs.note.id());
        let error = ours.error.as_miden().expect("an error of Miden's");
        assert_eq!(error.to_string(), theirs.error.to_string());
    }
    (ids(&ours.successful), ours.failed)
}

/// Asks for one note.
fn status(
    account: &Account,
    note: &Note,
    context: &TransactionContext,
) -> Result<NoteConsumptionStatus, NoteCheckerError> {
    let executor = TransactionExecutor::<_, UnreachableAuth>::new(context);
    let block = context.tx_inputs().block_header().block_num();
    block_on(NoteConsumptionChecker::new(&executor).can_consume(
        account.id(),
        block,
        InputNote::unauthenticated(note.clone()),
        TransactionArgs::default(),
    ))
}

#[test]
fn notes_that_fail_are_left_out() {
    let divides = note("begin push.1 push.0 div drop end");
    let asserts = note("begin push.0 assert end");
    let (account, notes, context) = setup(Auth::IncrNonce, &[divides.clone(), asserts.clone()]);
    let (successful, failed) = checked(&account, &notes, &context);
    assert_eq!(successful.len(), 2);
    let failed = failed.iter().map(|failed| &failed.note);
    assert_eq!(ids(failed), [divides.id(), asserts.id()]);

    let status = |note| status(&account, note, &context).expect("a status");
    assert!(matches!(
        status(&divides),
        NoteConsumptionStatus::UnconsumableConditions
    ));
    let idle = note("begin nop end");
    assert!(matches!(status(&idle), NoteConsumptionStatus::Consumable));
}

/// Each note would be consumed, if somebody signed.
#[test]
fn who_cannot_sign_consumes_nothing() {
    let (account, notes, context) = setup(Auth::BasicAuth, &[]);
    let (successful, failed) = checked(&account, &notes, &context);
    assert!(successful.is_empty());
    assert_eq!(failed.len(), 2);
    let idle = note("begin nop end");
    assert!(matches!(
        status(&account, &idle, &context).expect("a status"),
        NoteConsumptionStatus::ConsumableWithAuthorization
    ));
}

/// Miden's checker would not return.
#[test]
fn a_note_that_never_ends_fails() {
    let endless = note("begin push.1 while.true push.1 end end");
    let (account, notes, context) = setup(Auth::IncrNonce, std::slice::from_ref(&endless));
    let options = miden_tx::ExecutionOptions::new(Some(1 << 16), 1 << 12, false, false);
    let executor = TransactionExecutor::<_, UnreachableAuth>::new(&context)
        .with_options(options.expect("options"))
        .expect("options");
    let checker = NoteConsumptionChecker::new(&executor);
    let block = context.tx_inputs().block_header().block_num();
    let args = TransactionArgs::default();
    let check = checker.check_notes_consumability(account.id(), block, notes, args);
    let info = block_on(check).expect("notes that are checked");
    assert_eq!(info.successful.len(), 2);
    let [failed] = &info.failed[..] else {
        panic!("{info:?}");
    };
    assert_eq!(failed.note.id(), endless.id());
    assert!(
        matches!(failed.error, TransactionExecutorError::Machine(_)),
        "{}",
        failed.error
    );
}

#[test]
fn no_notes_and_too_many_are_refused() {
    let (account, notes, context) = setup(Auth::IncrNonce, &[]);
    let executor = TransactionExecutor::<_, UnreachableAuth>::new(&context);
    let checker = NoteConsumptionChecker::new(&executor);
    let block = context.tx_inputs().block_header().block_num();
    for notes in [Vec::new(), vec![notes[0].clone(); 21]] {
        let (count, args) = (notes.len(), TransactionArgs::default());
        let refused = block_on(checker.check_notes_consumability(account.id(), block, notes, args));
        assert!(
            matches!(refused, Err(NoteCheckerError::InputNoteCountOutOfRange(n)) if n == count)
        );
    }
}
