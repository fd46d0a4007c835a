//! Packages that the Miden compiler 0.7 has made, in transactions.

use std::{fs, path::Path};

use miden_mast_package::Package;
use miden_protocol::{
    Felt, Word, ZERO,
    account::{
        Account, AccountBuilder, AccountComponent, AccountStorageMode, StorageSlotName,
        component::InitStorageData,
    },
    asset::FungibleAsset,
    note::{Note, NoteAssets, NoteInputs, NoteMetadata, NoteRecipient, NoteScript, NoteType},
    testing::account_id::ACCOUNT_ID_SENDER,
    transaction::{OutputNote, TransactionScript},
    utils::serde::Deserializable,
};
use miden_testing::{Auth, MockChainBuilder};

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
    let component =
        AccountComponent::from_package(&package(component), &InitStorageData::default())
            .expect("a component of an account")
            .with_supports_all_types();
    AccountBuilder::new([7; 32])
        .with_auth_component(Auth::IncrNonce)
        .with_component(component)
        .storage_mode(AccountStorageMode::Public)
        .build_existing()
        .expect("an account")
}

fn note(script: NoteScript) -> Note {
    let sender = ACCOUNT_ID_SENDER.try_into().expect("an id");
    let recipient = NoteRecipient::new(
        Word::new([1, 2, 3, 4].map(Felt::new)),
        script,
        NoteInputs::new(Vec::new()).expect("no inputs"),
    );
    Note::new(
        NoteAssets::new(Vec::new()).expect("no assets"),
        NoteMetadata::new(sender, NoteType::Public, 0.into()),
        recipient,
    )
}

#[test]
fn a_compiled_note_calls_a_compiled_account() {
    let counter = account("counter_account");
    let increment = note(NoteScript::new(
        (*package("increment_note").unwrap_program()).clone(),
    ));
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

/// The script hands the account an asset that it does not have, which the kernel notices at the end.
#[test]
fn a_compiled_script_calls_a_compiled_account() {
    let wallet = account("basic_wallet");
    let chain = MockChainBuilder::with_accounts([wallet.clone()])
        .and_then(|builder| builder.build())
        .expect("a chain");
    let script = package("consume_asset_script").unwrap_program();
    let script = TransactionScript::new((*script).clone());
    let asset: Word = FungibleAsset::mock(10).into();
    let arguments = [*asset, [ZERO; 4]].concat();
    let commitment = miden_protocol::Hasher::hash_elements(&arguments);
    let context = chain
        .build_tx_context(wallet.id(), &[], &[])
        .and_then(|context| {
            context
                .tx_script(script)
                .tx_script_args(commitment)
                .extend_advice_map([(commitment, arguments)])
                .build()
        })
        .expect("a context");
    let ours = execute(&context).expect_err("an asset from nowhere");
    let theirs = block_on(context.execute()).expect_err("an asset from nowhere");
    let of_miden = ours.as_miden().expect("an error of Miden's");
    assert_eq!(of_miden.to_string(), theirs.to_string());
    println!("{ours}");
}
