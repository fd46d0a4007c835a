//! Packages that the Miden compiler 0.7 has made, in transactions.

use std::{fs, path::Path};

use miden_mast_package::{Package, PackageExport};
use miden_processor::ExecutionError;
use miden_protocol::{
    Felt, Word, ZERO,
    account::{
        Account, AccountBuilder, AccountComponent, AccountId, AccountStorageMode, StorageSlotName,
        component::InitStorageData,
    },
    asset::{Asset, FungibleAsset},
    errors::tx_kernel::ERR_EPILOGUE_TOTAL_NUMBER_OF_ASSETS_MUST_STAY_THE_SAME,
    note::{
        Note, NoteAssets, NoteId, NoteInputs, NoteMetadata, NoteRecipient, NoteScript, NoteType,
    },
    testing::account_id::ACCOUNT_ID_SENDER,
    transaction::{OutputNote, TransactionScript},
    utils::serde::Deserializable,
};
use miden_standards::code_builder::CodeBuilder;
use miden_testing::{Auth, MockChain, MockChainBuilder, TransactionContext};
use miden_tx::TransactionExecutorError as MidenError;

use crate::{
    block_on,
    chain::{both, execute, settle},
};

fn package(name: &str) -> Package {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/fixtures");
    let bytes = fs::read(fixtures.join(name).with_extension("masp")).expect("a fixture");
    Package::read_from_bytes(&bytes).expect("a package")
}

fn account(component: &str) -> Account {
    account_with(component, &InitStorageData::default())
}

/// An account whose storage has these values at the beginning.
fn account_with(component: &str, values: &InitStorageData) -> Account {
    let component = AccountComponent::from_package(&package(component), values)
        .expect("a component of an account")
        .with_supports_all_types();
    AccountBuilder::new([7; 32])
        .with_auth_component(Auth::IncrNonce)
        .with_component(component)
        .storage_mode(AccountStorageMode::Public)
        .build_existing()
        .expect("an account")
}

fn script(name: &str) -> NoteScript {
    NoteScript::new((*package(name).unwrap_program()).clone())
}

fn note(script: NoteScript, inputs: Vec<Felt>, assets: Vec<Asset>) -> Note {
    let sender = ACCOUNT_ID_SENDER.try_into().expect("an id");
    let recipient = NoteRecipient::new(
        Word::new([1, 2, 3, 4].map(Felt::new)),
        script,
        NoteInputs::new(inputs).expect("inputs"),
    );
    Note::new(
        NoteAssets::new(assets).expect("assets"),
        NoteMetadata::new(sender, NoteType::Public, 0.into()),
        recipient,
    )
}

#[test]
fn a_compiled_note_calls_a_compiled_account() {
    let counter = account("counter_account");
    let increment = note(script("increment_note"), Vec::new(), Vec::new());
    let mut builder = MockChainBuilder::with_accounts([counter.clone()]).expect("a chain");
    builder.add_output_note(OutputNote::Full(increment.clone()));
    let mut chain = builder.build().expect("a chain");

    let context = chain
        .build_tx_context(counter.id(), &[increment.id()], &[])
        .and_then(|context| context.build())
        .expect("a context");
    settle(&mut chain, both(context));

    let slot = StorageSlotName::new("miden::component::miden_counter_account::count_map");
    let key = Word::new([0, 0, 0, 1].map(Felt::new));
    let count = chain
        .committed_account(counter.id())
        .expect("the counter")
        .storage()
        .get_map_item(&slot.expect("a name"), key)
        .expect("the count");
    assert_eq!(count.iter().map(|element| element.as_int()).sum::<u64>(), 1);
}

/// A chain with an account that has this component, and this note.
fn chain_with(component: &str, note: &Note) -> (MockChain, Account) {
    let account = account(component);
    let mut builder = MockChainBuilder::with_accounts([account.clone()]).expect("a chain");
    builder.add_output_note(OutputNote::Full(note.clone()));
    (builder.build().expect("a chain"), account)
}

/// The transaction in which the account consumes these notes and is handed an asset by a script.
fn handed_over(chain: &MockChain, wallet: &Account, notes: &[NoteId]) -> TransactionContext {
    let script = package("consume_asset_script").unwrap_program();
    let script = TransactionScript::new((*script).clone());
    let asset: Word = FungibleAsset::mock(10).into();
    let arguments = asset.to_vec();
    let key = miden_protocol::Hasher::hash_elements(&arguments);
    let mut commitment = key;
    // The compiler's programs have words on the stack the other way around.
    commitment.reverse();
    chain
        .build_tx_context(wallet.id(), notes, &[])
        .and_then(|context| {
            context
                .tx_script(script)
                .tx_script_args(commitment)
                .extend_advice_map([(key, arguments)])
                .build()
        })
        .expect("a context")
}

/// The note's own script leaves its asset alone.
#[test]
fn a_compiled_script_hands_an_asset_to_a_compiled_account() {
    let idle = CodeBuilder::default().compile_note_script("begin nop end");
    let idle = idle.expect("a script");
    let note = note(idle, Vec::new(), vec![FungibleAsset::mock(10)]);
    let (mut chain, wallet) = chain_with("basic_wallet", &note);
    let context = handed_over(&chain, &wallet, &[note.id()]);
    settle(&mut chain, both(context));
    let wallet = chain.committed_account(wallet.id()).expect("the wallet");
    let assets: Vec<Asset> = wallet.vault().assets().collect();
    assert_eq!(assets, [FungibleAsset::mock(10)]);
}

/// The kernel notices at the end that nobody has had the asset.
#[test]
fn a_compiled_script_cannot_make_an_asset() {
    let wallet = account("basic_wallet");
    let chain = MockChainBuilder::with_accounts([wallet.clone()])
        .and_then(|builder| builder.build())
        .expect("a chain");
    let error = fails_in_the_same_way(handed_over(&chain, &wallet, &[]));
    let code = ERR_EPILOGUE_TOTAL_NUMBER_OF_ASSETS_MUST_STAY_THE_SAME.code();
    assert!(
        matches!(
            error,
            MidenError::TransactionProgramExecutionFailed(ExecutionError::FailedAssertion {
                err_code, ..
            }) if err_code == code
        ),
        "{error}"
    );
}

/// Executes a transaction that both machines refuse with the same error.
fn fails_in_the_same_way(context: TransactionContext) -> MidenError {
    let ours = execute(&context).expect_err("a transaction that fails");
    let theirs = block_on(context.execute()).expect_err("a transaction that fails");
    let of_miden = ours.as_miden().expect("an error of Miden's");
    assert_eq!(of_miden.to_string(), theirs.to_string());
    theirs
}

/// A note that offers an asset; who has made it can take the asset back.
fn swap(creator: AccountId) -> Note {
    let mut inputs = vec![ZERO; 8];
    [inputs[4], inputs[5]] = [creator.prefix().as_felt(), creator.suffix()];
    note(script("swapp_note"), inputs, vec![FungibleAsset::mock(10)])
}

#[test]
fn a_compiled_note_is_taken_back_by_a_compiled_account() {
    let note = swap(account("basic_wallet").id());
    let (mut chain, wallet) = chain_with("basic_wallet", &note);
    let context = chain
        .build_tx_context(wallet.id(), &[note.id()], &[])
        .and_then(|context| context.build())
        .expect("a context");
    settle(&mut chain, both(context));
    let wallet = chain.committed_account(wallet.id()).expect("the wallet");
    let assets: Vec<Asset> = wallet.vault().assets().collect();
    assert_eq!(assets, [FungibleAsset::mock(10)]);
}

/// The note asks for nothing that there is.
#[test]
fn a_compiled_note_is_not_given_to_another_account() {
    let note = swap(ACCOUNT_ID_SENDER.try_into().expect("an id"));
    let (chain, wallet) = chain_with("basic_wallet", &note);
    let context = chain
        .build_tx_context(wallet.id(), &[note.id()], &[])
        .and_then(|context| context.build())
        .expect("a context");
    fails_in_the_same_way(context);
}

#[test]
fn a_script_calls_a_compiled_account() {
    let package = package("call_test");
    let digest = |name: &str| {
        let export = package.manifest.exports().find_map(|export| match export {
            PackageExport::Procedure(export) if export.path.last() == Some(name) => Some(export),
            _ => None,
        });
        export.expect("an export of this name").digest.to_hex()
    };
    let script = format!(
        "use miden::core::sys
        begin
            push.3 push.2 call.{add} push.5 assert_eq
            push.3 push.2 call.{mul} push.6 assert_eq
            call.{increment} drop
            push.7.8.9.10 call.{set} dropw
            exec.sys::truncate_stack
        end",
        add = digest("add"),
        mul = digest("mul"),
        increment = digest("increment"),
        set = digest("set-value"),
    );
    let mut values = InitStorageData::default();
    let slot = StorageSlotName::new("miden::component::miden_call_test::stored_value");
    values
        .insert_value((&slot.expect("a name")).into(), Felt::new(5))
        .expect("one value");
    let called = account_with("call_test", &values);
    let mut chain = MockChainBuilder::with_accounts([called.clone()])
        .and_then(|builder| builder.build())
        .expect("a chain");
    let script = CodeBuilder::default().compile_tx_script(script);
    let context = chain
        .build_tx_context(called.id(), &[], &[])
        .and_then(|context| context.tx_script(script.expect("a script")).build())
        .expect("a context");
    let transaction = both(context);
    assert!(!transaction.account_delta().storage().is_empty());
    settle(&mut chain, transaction);
}
