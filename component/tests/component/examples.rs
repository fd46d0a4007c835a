//! The examples of this repository, executed on their inputs.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::support::{Files, Inputs, host, outputs, run, run_checked};
use miden_core::{Felt, Program, StackInputs, Word};
use miden_crypto::hash::{blake::Blake3_256, rpo::Rpo256};
use miden_cvm_component::{Component, LinkKind, LinkedComposition, Right, SourceText, Toolchain};
use miden_cvm_processor::{AdviceInputs, ExecutionInputs, ExecutionOptions, Trap, execute};

/// Where the examples are.
pub fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}

/// Assembles and runs a program of the examples.
fn run_program(name: &str) -> Vec<u64> {
    let path = examples().join(name);
    let program = assemble(&path);
    let Inputs { stack, advice } = Inputs::beside(&path);
    let options = ExecutionOptions::default();
    let output = execute(
        ExecutionInputs {
            arguments: (&stack).into(),
            advice,
            options,
            ..ExecutionInputs::new(&program)
        },
        &mut host(),
    )
    .unwrap_or_else(|error| panic!("{name}: {error}"));
    outputs(&output)
}

/// Assembles a program of the examples, or of the benchmarks.
pub fn assemble(path: &Path) -> Program {
    let toolchain = Toolchain::new();
    let source = SourceText::read(path, "$exec").expect("a text");
    let assembled = toolchain.assembly().program(source);
    assembled.expect("the example is right").code
}

fn link(path: &Path) -> LinkedComposition {
    let linked = LinkedComposition::load(path, &Toolchain::new());
    linked.unwrap_or_else(|error| panic!("{error}"))
}

/// A copy of an example, to be changed.
fn copy_of(example: &str) -> Files {
    fn copy(files: &Files, from: &Path, to: &Path) {
        for entry in fs::read_dir(from).expect("a folder of the examples") {
            let entry = entry.expect("an entry of the folder").path();
            let to = to.join(entry.file_name().expect("a name"));
            if entry.is_dir() {
                copy(files, &entry, &to);
            } else {
                let bytes = fs::read(&entry).expect("a file of the examples");
                files.write(to.to_str().expect("a name in ASCII"), &bytes);
            }
        }
    }
    let files = Files::new(&[]);
    copy(&files, &examples().join(example), Path::new(""));
    files
}

/// Replaces text in a file.
fn change(files: &Files, path: &str, from: &str, to: &str) {
    let text = fs::read_to_string(files.path(path)).expect("a file of the example");
    assert!(text.contains(from), "{path} has no `{from}`");
    files.write(path, text.replace(from, to).as_bytes());
}

#[test]
fn fib() {
    assert_eq!(
        run_program("fib/fib.masm")[..2],
        [2_880_067_194_370_816_120, 0]
    );
}

#[test]
fn sha256() {
    // As `sha256sum` has it for the sentence in the inputs.
    let digest = "46744b3b96b03beadb4884182cdf74068d5c54a6bed8fae44a0976a7bb66af92";
    let words = (0..8).map(|i| u64::from_str_radix(&digest[8 * i..8 * i + 8], 16));
    let expected: Vec<u64> = words.collect::<Result<_, _>>().expect("hexadecimal digits");
    assert_eq!(run_program("sha256/sha256.masm")[..8], expected);
}

#[test]
fn blake3() {
    let mut message: Vec<u8> = (1..=8_u32).flat_map(u32::to_le_bytes).collect();
    for _ in 0..100 {
        message = Blake3_256::hash(&message).to_vec();
    }
    let (words, _) = message.as_chunks::<4>();
    let expected: Vec<u64> = words
        .iter()
        .map(|word| u32::from_le_bytes(*word).into())
        .collect();
    assert_eq!(run_program("blake3/blake3.masm")[..8], expected);
}

// LEDGER

/// The rate of a currency on a day, as it was made up for the example.
fn rate(currency: u64, day: u64) -> u64 {
    match currency {
        0 => 1 << 16,
        c => (1 << 16) + 2048 * c + (37 * day + 11 * c) % 97 * 16 - 1024 * (c % 3),
    }
}

/// Returns the report of the example, computed from the advice.
fn ledger_model(advice: &[Felt]) -> Vec<u64> {
    let mut advice = advice.iter().map(|felt| felt.as_int());
    let mut next = || advice.next().expect("the advice is long enough");
    let mut balances = [0; 5];
    for _ in 0..next() {
        let account = next() as usize;
        balances[account] += next();
    }
    let (mut chain, mut large) = (Word::default(), 0);
    let transfers = next();
    for _ in 0..transfers {
        let [payer, payee, amount, id] = [next(), next(), next(), next()];
        let value = (amount * rate(id / 64, id % 64)) >> 16;
        balances[payer as usize] -= value;
        balances[payee as usize] += value;
        // A word has its first element deepest in the stack.
        let entry = Word::from([id, value, payee, payer].map(Felt::new));
        chain = Rpo256::merge(&[chain, entry]);
        large += u64::from(value >= 10_000);
    }
    let chain = chain.iter().rev().map(|felt| felt.as_int());
    balances[1..]
        .iter()
        .copied()
        .chain(chain)
        .chain([transfers, large])
        .collect()
}

#[test]
fn ledger_posts_transfers() {
    let path = examples().join("ledger/ledger.wac");
    let linked = link(&path);
    assert!(linked.warnings.is_empty(), "{:?}", linked.warnings);
    let expected = ledger_model(&Inputs::beside(&path).advice.stack);
    let output = run(&linked, Inputs::beside(&path)).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(outputs(&output)[..10], expected);
}

#[test]
fn ledger_rates_are_16_kib_of_static_data() {
    let linked = link(&examples().join("ledger/ledger.wac"));
    let ledger = linked
        .instances
        .iter()
        .position(|i| i.name == "ledger")
        .expect("a ledger");
    let [rates] = linked.composition.segments_of(ledger as u32) else {
        panic!("one segment")
    };
    let elements = linked.advice_map.get(&rates.commitment).expect("the rates");
    assert_eq!(elements.len() * 8, 16 * 1024);
    for (id, element) in (0..).zip(elements.iter()) {
        assert_eq!(element.as_int(), rate(id / 64, id % 64), "rate {id}");
    }
}

#[test]
fn ledger_traps_on_overdraft() {
    let linked = link(&examples().join("ledger/ledger.wac"));
    let advice = [1, 1, 500, 1, 1, 2, 501, 0].map(Felt::new);
    let inputs = Inputs {
        advice: AdviceInputs::default().with_stack(advice),
        ..Inputs::default()
    };
    let error = run(&linked, inputs).expect_err("the payer has 500");
    assert!(
        matches!(error.trap(), Some(Trap::FailedAssertion { .. })),
        "{error}"
    );
    let text = error.to_string();
    assert!(text.contains("the payer does not have that much"), "{text}");
    assert!(
        text.contains("ledger::debit") && text.contains("ledger.masm:"),
        "{text}"
    );
}

#[test]
fn ledger_log_can_be_rewired() {
    let files = copy_of("ledger");
    let audited = link(&files.path("ledger.wac"));
    // Another log, which the audit does not see.
    files.write(
        "deps/bank/silent/component.toml",
        b"name = \"silent\"\nwit = \"silent.wit\"\nsources = [\"silent.masm\"]\n\
          exports.log.module = \"silent\"",
    );
    files.write(
        "deps/bank/silent/silent.wit",
        b"package bank:silent; world silent { export bank:log/log@1.0.0; }
          package bank:log@1.0.0 { interface log {
              entry: func(payer: u32, payee: u32, value: u32, rate: u32);
          } }",
    );
    files.write("deps/bank/silent/silent.masm", b"pub proc entry dropw end");
    change(
        &files,
        "ledger.wac",
        "audit[\"bank:log/log@1.0.0\"]",
        "(new bank:silent {})[\"bank:log/log@1.0.0\"]",
    );
    let silent = link(&files.path("ledger.wac"));

    assert_eq!(audited.program.hash(), silent.program.hash());
    let digests = |linked: &LinkedComposition| {
        let ledger = linked
            .instances
            .iter()
            .find(|i| i.name == "ledger")
            .expect("a ledger");
        ledger
            .component
            .exports
            .values()
            .map(|export| export.digest)
            .collect::<Vec<_>>()
    };
    assert_eq!(digests(&audited), digests(&silent));
    assert_ne!(
        audited.composition.commitment(),
        silent.composition.commitment()
    );

    let inputs = || Inputs::beside(&files.path("ledger.wac"));
    let output = run(&silent, inputs()).unwrap_or_else(|error| panic!("{error}"));
    let balances = ledger_model(&inputs().advice.stack)[..4].to_vec();
    assert_eq!(outputs(&output)[..4], balances);
    assert_eq!(outputs(&output)[4..], [0; 12], "the audit was not told");
}

// VAULT

#[test]
fn kernels_compute_what_rust_does() {
    let path = examples().join("kernels/kernels.toml");
    let linked = link(&path);
    let output = run(&linked, Inputs::beside(&path)).unwrap_or_else(|error| panic!("{error}"));
    let fib = (0..50)
        .fold((0_u32, 1_u32), |(a, b), _| (b, a.wrapping_add(b)))
        .0;
    let mut product = 0_u64;
    let a = |i: u64, j: u64| i * 31 + j * 7 + 1;
    let b = |i: u64, j: u64| i * 13 + j * 3 + 2;
    for (i, j) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let sum: u64 = (0..2).map(|k| a(i, k) * b(k, j)).sum();
        product = product.wrapping_mul(1_099_511_628_211) ^ sum;
    }
    let expected = [u64::from(fib), 111, product >> 32, product & 0xffff_ffff];
    assert_eq!(outputs(&output)[..4], expected);
    run_checked(&linked, Inputs::beside(&path));
    let names: Vec<&String> = linked.procedures.values().collect();
    assert!(
        names.iter().any(|name| name.contains("matmul")),
        "{names:?}"
    );
}

// MARKET

/// An order that was placed: its trader's account, the price, and how much is open.
struct Placed {
    account: usize,
    price: u64,
    open: u64,
}

/// Returns the report of the example: orders meet the best price first, and the oldest of a price; the
/// payee of each transfer pays a token for it.
fn market_model(advice: &[u64]) -> Vec<u64> {
    let mut tokens = [0, 10_000, 10_000, 10_000, 10_000];
    let mut book: [Vec<Placed>; 2] = [Vec::new(), Vec::new()];
    let mut first = None;
    let mut fills = 0;
    for order in advice[1..].chunks(4) {
        let (account, side, price) = (order[0] as usize, order[1] as usize, order[2]);
        let mut open = order[3];
        if open == 0 || price == 0 {
            continue;
        }
        let mut others: Vec<&mut Placed> = book[1 - side].iter_mut().collect();
        match side {
            0 => others.sort_by_key(|other| other.price),
            _ => others.sort_by_key(|other| std::cmp::Reverse(other.price)),
        }
        for other in others {
            let meets = match side {
                0 => other.price <= price,
                _ => other.price >= price,
            };
            let quantity = open.min(other.open);
            let (buyer, seller) = match side {
                0 => (account, other.account),
                _ => (other.account, account),
            };
            let amount = other.price * quantity;
            if meets && quantity > 0 && tokens[buyer] >= amount {
                tokens[buyer] -= amount;
                tokens[seller] += amount - 1;
                tokens[0] += 1;
                open -= quantity;
                other.open -= quantity;
                fills += 1;
            }
        }
        first = first.or(Some((side, book[side].len())));
        book[side].push(Placed {
            account,
            price,
            open,
        });
    }
    if let Some((side, number)) = first {
        book[side][number].open = 0;
    }
    let left = book.map(|side| side.iter().map(|placed| placed.open).sum::<u64>());
    let balances = tokens[1..].iter().flat_map(|tokens| [0, *tokens]);
    let others = [fills, left[0], left[1], u64::from(b'C')];
    balances.chain(others).collect()
}

#[test]
fn market_matches_orders() {
    let path = examples().join("market/market.toml");
    let linked = link(&path);
    let check = |advice: &[u64], output: &[u64]| {
        assert_eq!(output[..12], market_model(advice), "{advice:?}");
    };
    let inputs = Inputs::beside(&path);
    let advice: Vec<u64> = inputs.advice.stack.iter().map(Felt::as_int).collect();
    let output = run(&linked, inputs).unwrap_or_else(|error| panic!("{error}"));
    check(&advice, &outputs(&output));
    let mut seed = 7_u64;
    let mut next = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) % below
    };
    for _ in 0..4 {
        let mut advice = vec![16];
        for _ in 0..16 {
            let (price, quantity) = (9 + next(4), next(60));
            advice.extend([1 + next(4), next(2), price, quantity]);
        }
        let inputs = Inputs {
            advice: AdviceInputs::default().with_stack(advice.iter().copied().map(Felt::new)),
            ..Inputs::default()
        };
        let output = run(&linked, inputs).unwrap_or_else(|error| panic!("{error}"));
        check(&advice, &outputs(&output));
    }
}

fn vault(limit: u64, amounts: &[u64]) -> Vec<u64> {
    let linked = link(&examples().join("vault/vault.toml"));
    assert!(linked.warnings.is_empty(), "{:?}", linked.warnings);
    let count = amounts.len() as u64;
    let advice = [count].into_iter().chain(amounts.iter().copied());
    let inputs = Inputs {
        stack: StackInputs::new(vec![Felt::new(limit)]).expect("one element"),
        advice: AdviceInputs::default().with_stack(advice.map(Felt::new)),
    };
    let output = run(&linked, inputs).unwrap_or_else(|error| panic!("{error}"));
    outputs(&output)[..5].to_vec()
}

/// Returns the report of the example: small accounts are paid out by the broker, big ones by the
/// teller when it gets the next.
fn vault_model(limit: u64, amounts: &[u64]) -> Vec<u64> {
    let (big, small): (Vec<u64>, Vec<u64>) =
        amounts.iter().copied().partition(|amount| *amount >= limit);
    let given_up = &big[..big.len().saturating_sub(1)];
    let paid = small.iter().chain(given_up).sum();
    let closed = (small.len() + given_up.len()) as u64;
    vec![paid, closed, big.len() as u64, amounts.iter().sum(), 0]
}

#[test]
fn vault_pays_out_what_nobody_holds() {
    let path = examples().join("vault/vault.toml");
    let inputs = Inputs::beside(&path);
    let amounts: Vec<u64> = inputs.advice.stack[1..].iter().map(Felt::as_int).collect();
    let output = run(&link(&path), inputs).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(outputs(&output)[..5], vault_model(1000, &amounts));
    for (limit, amounts) in [(1, &[5, 6, 7][..]), (10, &[5, 6, 7]), (6, &[]), (6, &[6])] {
        assert_eq!(vault(limit, amounts), vault_model(limit, amounts));
    }
}

#[test]
fn vault_alone_makes_accounts() {
    let linked = link(&examples().join("vault/vault.toml"));
    let names = linked.resource_names();
    assert_eq!(names, ["vault.bank:vault/vault@1.0.0#account"]);
    let definer = linked.composition.resources()[0].definer;
    for record in linked.composition.intrinsics() {
        let is_definer = record.source == definer;
        assert!(
            is_definer || record.intrinsic.right() != Right::Definer,
            "{record:?}"
        );
    }
    let vault = &linked.instances[definer as usize].component;
    let destructor = linked.composition.resources()[0].destructor;
    assert_eq!(
        destructor,
        vault.resources["bank:vault/vault@1.0.0#account"].destructor
    );
    assert!(destructor.is_some());
}

#[test]
fn vault_handles_cannot_be_made_up() {
    // The reader does not drop what it was lent.
    let files = copy_of("vault");
    change(
        &files,
        "reader/reader.masm",
        "swap exec.account::drop",
        "swap drop",
    );
    let error =
        run(&link(&files.path("vault.toml")), vault_inputs(&files)).expect_err("a borrow is left");
    assert!(
        matches!(error.trap(), Some(Trap::BorrowsRemain { borrows: 1, .. })),
        "{error}"
    );
    // The broker keeps using what it gave away.
    let files = copy_of("vault");
    change(
        &files,
        "broker/broker.masm",
        "exec.teller::take\n        push.1",
        "dup exec.teller::take exec.reader::read",
    );
    let error = run(&link(&files.path("vault.toml")), vault_inputs(&files))
        .expect_err("the handle is gone");
    assert!(
        matches!(error.trap(), Some(Trap::UnknownHandle { .. })),
        "{error}"
    );
}

fn vault_inputs(files: &Files) -> Inputs {
    Inputs::beside(&files.path("vault.toml"))
}

// WALLET

fn wallet() -> PathBuf {
    examples().join("wallet/wallet.toml")
}

/// The component of an instance, by its name.
fn component_of<'a>(linked: &'a LinkedComposition, name: &str) -> &'a Component {
    let mut instances = linked.instances.iter();
    let instance = instances.find(|instance| instance.name == name);
    &instance.expect("an instance").component
}

/// The first word of a component's static data.
fn first_word(component: &Component) -> Word {
    let elements = &component.segments[0].elements;
    Word::new([elements[0], elements[1], elements[2], elements[3]])
}

#[test]
fn wallet_data_is_of_this_note() {
    let linked = link(&wallet());
    let (account, note) = (
        component_of(&linked, "account"),
        component_of(&linked, "note"),
    );
    let consume = note.exports["wallet:note/note@1.0.0#consume"].digest;
    assert_eq!(first_word(account), consume);

    let secrets = Inputs::beside(&wallet()).advice.stack;
    assert_eq!(secrets.len(), 3 * 4);
    for secret in secrets.chunks(4) {
        assert_eq!(first_word(note), Rpo256::hash_elements(secret));
    }

    let kind = |source: &str, import: &str| {
        let index = linked.instances.iter().position(|i| i.name == source);
        let digest = component_of(&linked, source).imports[import].digest;
        let link = linked
            .composition
            .link(index.expect("an instance") as u32, digest);
        link.expect("a link").kind
    };
    assert_eq!(
        kind("app", "wallet:note/note@1.0.0#consume"),
        LinkKind::Fresh
    );
    assert_eq!(
        kind("note", "wallet:account/account@1.0.0#receive"),
        LinkKind::Shared
    );
}

#[test]
fn wallet_takes_the_notes() {
    let inputs = Inputs::beside(&wallet());
    let mut states = inputs.advice.map.iter();
    let (commitment, state) = states.next().expect("the account's state");
    let mut state = state.to_vec();
    assert_eq!(*commitment, Rpo256::hash_elements(&state));
    let output =
        run(&link(&wallet()), Inputs::beside(&wallet())).unwrap_or_else(|error| panic!("{error}"));

    state[0] += Felt::new(2_500 + 100 + 31);
    state[1] += Felt::new(3);
    let new: Vec<u64> = Rpo256::hash_elements(&state)
        .iter()
        .rev()
        .map(|felt| felt.as_int())
        .collect();
    assert_eq!(outputs(&output)[..4], new);
    assert_eq!(outputs(&output)[4], state[0].as_int());
}

/// The wallet's files with another note, which the owner approves.
fn with_note(old: &str, new: &str) -> Files {
    let files = copy_of("wallet");
    change(&files, "note/note.masm", old, new);
    approve(&files);
    files
}

/// Has the account approve of the note as it is.
fn approve(files: &Files) {
    let linked = link(&files.path("wallet.toml"));
    let note = component_of(&linked, "note");
    let digest = note.exports["wallet:note/note@1.0.0#consume"].digest;
    let approved = first_word(component_of(&linked, "account"));
    change(
        files,
        "account/component.toml",
        &approved.to_hex(),
        &digest.to_hex(),
    );
}

fn wallet_fails(files: &Files, reason: &str) {
    let linked = link(&files.path("wallet.toml"));
    let error = run(&linked, Inputs::beside(&wallet())).expect_err("it traps");
    assert!(error.to_string().contains(reason), "{error}");
}

#[test]
fn a_note_sees_what_it_did_to_the_account() {
    let files = with_note(
        "exec.account::receive",
        "dup.1 dup.1 exec.account::receive movdn.2
        # => [asset, amount, balance]
        dup.1 movdn.2 exec.account::receive
        # => [balance', amount, balance]
        dup movup.3 movup.3 add assert_eq",
    );
    let output = run(&link(&files.path("wallet.toml")), Inputs::beside(&wallet()))
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(outputs(&output)[4], 12_000 + 2 * (2_500 + 100 + 31));
}

#[test]
fn each_note_has_an_instance_of_its_own() {
    // In one that is there for all of them, the second note finds what the first has left.
    let files = copy_of("wallet");
    for wit in ["app/app.wit", "note/note.wit"] {
        change(&files, wit, "/// @fresh", "/// Shared.");
    }
    wallet_fails(&files, "a note is consumed once");
    // And an isolated one finds another account.
    let files = copy_of("wallet");
    for wit in ["app/app.wit", "note/note.wit"] {
        change(&files, wit, "/// @fresh", "/// @isolated");
    }
    wallet_fails(&files, "the account is not open");
}

#[test]
fn a_note_does_not_do_what_is_the_transactions() {
    let files = copy_of("wallet");
    change(
        &files,
        "note/note.wit",
        "receive: func(asset: felt, amount: u32) -> u32;",
        "receive: func(asset: felt, amount: u32) -> u32;
        use miden:cvm/core-types@1.0.0.{word};
        close: func() -> word;",
    );
    change(
        &files,
        "note/note.masm",
        "exec.unlock",
        "exec.account::close dropw exec.unlock",
    );
    approve(&files);
    wallet_fails(&files, "only who opened the account closes it");
}

#[test]
fn wallet_refuses_a_wrong_secret() {
    let mut inputs = Inputs::beside(&wallet());
    inputs.advice.stack[0] += Felt::new(1);
    let error = run(&link(&wallet()), inputs).expect_err("the secret is wrong");
    assert!(
        error
            .to_string()
            .contains("this secret does not open the note"),
        "{error}"
    );
}

#[test]
fn wallet_accepts_only_the_approved_script() {
    // A script that skips the lock is another script: the account's `caller` tells.
    let files = copy_of("wallet");
    change(&files, "note/note.masm", "exec.unlock", "nop");
    let linked = link(&files.path("wallet.toml"));
    let error = run(&linked, Inputs::beside(&wallet())).expect_err("the script is another one");
    assert!(
        error
            .to_string()
            .contains("not a script that the owner approved"),
        "{error}"
    );

    // Nor may the wallet itself call the account, going round the note.
    let files = copy_of("wallet");
    change(
        &files,
        "app/app.wit",
        "close: func() -> word;",
        "close: func() -> word;
        use miden:cvm/core-types@1.0.0.{felt};
        receive: func(asset: felt, amount: u32) -> u32;",
    );
    change(
        &files,
        "app/app.masm",
        "exec.note::consume",
        "exec.account::receive",
    );
    let linked = link(&files.path("wallet.toml"));
    let error = run(&linked, Inputs::beside(&wallet())).expect_err("the root is no script");
    assert!(
        error
            .to_string()
            .contains("not a script that the owner approved"),
        "{error}"
    );
}

// TRANSACTION

/// The arguments of a transaction: the commitments of the account's component and of the note's.
fn told(linked: &LinkedComposition) -> Inputs {
    told_of(linked, "note")
}

/// The same with another component for the note's.
fn told_of(linked: &LinkedComposition, note: &str) -> Inputs {
    let commitment = |name: &str| {
        let mut installed = linked.installed.iter();
        let component = installed.find(|component| component.name == name);
        let record = component.expect("a component").record();
        record.expect("it can be installed").commitment()
    };
    let words = ["account", note].map(commitment);
    let mut inputs = Inputs::default();
    inputs.advice.stack = words
        .iter()
        .flat_map(|word| word.as_elements())
        .copied()
        .collect();
    inputs
}

/// Runs the transaction with files changed.
fn with_transaction(changes: &[(&str, &str, &str)]) -> Result<Vec<u64>, String> {
    let files = copy_of("transaction");
    for (file, old, new) in changes {
        change(&files, file, old, new);
    }
    let linked = LinkedComposition::load(&files.path("transaction.toml"), &Toolchain::new());
    let linked = linked.map_err(|error| error.to_string())?;
    let inputs = told(&linked);
    let run = run(&linked, inputs);
    run.map(|output| outputs(&output))
        .map_err(|error| error.to_string())
}

/// Expects a run of the changed transaction to fail.
fn transaction_fails(changes: &[(&str, &str, &str)], reason: &str) {
    let error = with_transaction(changes).expect_err("it fails");
    assert!(error.contains(reason), "{error}");
}

#[test]
fn a_transaction_shows_nothing_of_what_it_installs() {
    let path = examples().join("transaction/transaction.toml");
    let linked = link(&path);
    let inputs = told(&linked);
    let beside = Inputs::beside(&path);
    assert_eq!(
        beside.advice.stack, inputs.advice.stack,
        "the inputs are of these components"
    );
    run_checked(&linked, Inputs::beside(&path));
    let output = run(&linked, beside).unwrap_or_else(|error| panic!("{error}"));
    let words: Vec<Word> = told(&linked)
        .advice
        .stack
        .chunks(4)
        .map(|word| Word::new([word[0], word[1], word[2], word[3]]))
        .collect();
    let id = Rpo256::merge(&[words[0], words[1]]);
    let id: Vec<u64> = id.iter().rev().map(|felt| felt.as_int()).collect();
    // An amount is paid, and 20 of the first account are traded for 9 of the second one.
    let first = 100 + 30 + 12 - 50 - 20 + 9;
    assert_eq!(
        outputs(&output)[..6],
        [&id[..], &[first, 5 + 7 + 50 + 20 - 9]].concat()
    );
    // Another note is another run of the same composition.
    let files = copy_of("transaction");
    change(&files, "note/note.masm", "u32div.2", "u32div.3");
    let other = link(&files.path("transaction.toml"));
    assert_eq!(other.composition, linked.composition);
    assert_eq!(other.composition.num_instances(), 1);
    assert_ne!(told(&other).advice.stack, told(&linked).advice.stack);
    assert!(run(&other, told(&other)).is_ok());
}

#[test]
fn a_transaction_installs_what_it_was_told() {
    let linked = link(&examples().join("transaction/transaction.toml"));
    let mut inputs = told(&linked);
    inputs.advice.stack[0] += Felt::new(1);
    let error = run(&linked, inputs).expect_err("there is no such component");
    assert!(
        error.to_string().contains("no record of a component"),
        "{error}"
    );
}

#[test]
fn a_note_enters_exports_alone() {
    // A procedure that the account keeps to itself, called by its interface, and by its digest.
    transaction_fails(
        &[(
            "note/component.toml",
            "function = \"deposit\"",
            "function = \"set_balance\"",
        )],
        "does not export",
    );
    let linked = link(&examples().join("transaction/transaction.toml"));
    let account = linked.installed.iter().find(|c| c.name == "account");
    let deposit = account.expect("the account").exports["deposit"].digest;
    let called = format!("call.{}", deposit.to_hex());
    assert!(
        with_transaction(&[("note/note.masm", "call.imports::deposit swap", &called)]).is_err()
    );
    // What only the maker of an account may have it do.
    transaction_fails(
        &[(
            "note/component.toml",
            "function = \"deposit\"",
            "function = \"pay\"",
        )],
        "only who opened the account has it pay",
    );
}

/// The transaction with an account of the composition, of which the program makes one and wires notes to it.
fn with_account_of_the_composition() -> Files {
    let files = copy_of("transaction");
    change(
        &files,
        "transaction.toml",
        "imports.instance = \"*\"",
        "imports.instance = \"*\"\nimports.account = \"account\"",
    );
    change(
        &files,
        "transaction.toml",
        "imports.consume = \"*\"",
        "imports.consume = \"*\"\n\n[instances.account]\ncomponent = \"account\"\n\
        imports.account = \"*\"\nimports.deposit = \"*\"\nimports.accept = \"*\"",
    );
    change(
        &files,
        "app/component.toml",
        "[imports.instance]",
        "[imports.account]\ninterface = \"bank:account\"\ninstances = true\n\n[imports.instance]",
    );
    change(
        &files,
        "app/app.masm",
        "use resources::instance",
        "use resources::instance\nuse resources::account",
    );
    let main = "exec.read_commitments
    exec.account::instantiate
    push.100 dup.1 movdn.15 call.imports::open movup.15 drop drop
    dup push.30 exec.consume_note
    dup push.12 exec.consume_note
    push.0 dup.1 movdn.15 call.imports::balance movup.15 drop
    swap exec.account::drop
    swap drop
end

proc unused
    exec.read_commitments";
    change(&files, "app/app.masm", "exec.read_commitments", main);
    files
}

#[test]
fn notes_are_wired_to_accounts_of_the_composition() {
    let files = with_account_of_the_composition();
    let linked = link(&files.path("transaction.toml"));
    // The statement has what the account exports, and nothing of the note.
    let account = &linked.instances[1].component;
    let exports = linked.composition.exports();
    assert_eq!(exports.len(), account.exports.len());
    assert!(exports.iter().all(|export| export.instance == 1));
    let digests = account.exports.values().map(|export| export.digest);
    assert!(
        digests
            .into_iter()
            .all(|digest| exports.iter().any(|e| e.callee == digest))
    );
    run_checked(&linked, told(&linked));
    let output = run(&linked, told(&linked)).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(outputs(&output)[..2], [100 + 30 + 12, 0]);
    // What is not exported is not there, whoever calls.
    change(
        &files,
        "note/component.toml",
        "function = \"deposit\"",
        "function = \"set_balance\"",
    );
    let other = link(&files.path("transaction.toml"));
    let error = run(&other, told(&other)).expect_err("there is no such function");
    assert!(error.to_string().contains("does not export"), "{error}");
    // Who wires nothing has no exports in its statement.
    let without = link(&examples().join("accounts/accounts.toml"));
    assert!(without.composition.exports().is_empty());
}

#[test]
fn a_claimed_account_is_none_to_wire_to() {
    let files = with_account_of_the_composition();
    change(
        &files,
        "transaction.toml",
        "[instances.account]\ncomponent",
        "[instances.account]\nclaimed = true\ncomponent",
    );
    let error = LinkedComposition::load(&files.path("transaction.toml"), &Toolchain::new())
        .expect_err("claims are isolated calls");
    assert!(
        error.to_string().contains("instance `app` has handles"),
        "{error}"
    );
}

#[test]
fn a_rogue_note_is_refused_by_the_vm() {
    // It calls what the account has for itself, by its digest.
    let path = examples().join("transaction/transaction.toml");
    let linked = link(&path);
    let kept = miden_assembly::Assembler::default().assemble_program("begin mem_store.0 end");
    let kept = kept.expect("a program").hash();
    let mut told = told_of(&linked, "rogue");
    told.advice.stack.extend(kept.as_elements());
    let beside = Inputs::beside(&path.with_file_name("rogue.toml"));
    assert_eq!(beside.advice.stack, told.advice.stack);
    let error = run(&linked, beside).expect_err("the note misbehaves");
    let error = error.to_string();
    assert!(
        error.contains("has no link") && error.contains(&kept.to_hex()),
        "{error}"
    );
}

#[test]
fn a_trade_is_both_or_nothing() {
    // The price is another one, the offer is gone, and it was never the note's to make.
    transaction_fails(
        &[("app/app.masm", "push.20 exec.trade", "push.21 exec.trade")],
        "this is not the price of what is offered",
    );
    let twice = "push.20 exec.trade dup.1 dup.1 push.20 exec.trade";
    transaction_fails(
        &[("app/app.masm", "push.20 exec.trade", twice)],
        "the account offers nothing",
    );
    transaction_fails(
        &[(
            "note/component.toml",
            "function = \"deposit\"",
            "function = \"offer\"",
        )],
        "only who opened the account has it pay",
    );
}

#[test]
fn a_note_does_not_pass_for_an_account() {
    // The transaction is told that the note's component is the account's: it does not export what
    // accounts do.
    let linked = link(&examples().join("transaction/transaction.toml"));
    let mut inputs = told(&linked);
    let note = inputs.advice.stack[4..].to_vec();
    inputs.advice.stack[..4].copy_from_slice(&note);
    let error = run(&linked, inputs).expect_err("a note cannot be opened");
    assert!(error.to_string().contains("does not export"), "{error}");
}

#[test]
fn rights_over_what_is_installed_are_the_compositions_to_give() {
    transaction_fails(
        &[(
            "transaction.toml",
            "installs = [\"account\", \"note\", \"rogue\"]\n",
            "",
        )],
        "`installs`",
    );
    transaction_fails(
        &[(
            "note/note.masm",
            "u32div.2",
            "u32div.2 push.0 call.imports::intrinsics::install drop",
        )],
        "cannot have",
    );
    transaction_fails(
        &[(
            "app/component.toml",
            "function = \"consume\"\nkind = \"held\"",
            "function = \"consume\"",
        )],
        "whatever instances",
    );
    let public = "felts = [1_000_000]\npublic = true";
    transaction_fails(
        &[("account/component.toml", "felts = [1_000_000]", public)],
        "is public",
    );
    transaction_fails(
        &[(
            "account/component.toml",
            "felts = [1_000_000]",
            "felts = [1_000_000]\n\n[memory]\noutputs = { address = 64, length = 8 }",
        )],
        "which only the root of a composition is given",
    );
}

// ACCOUNTS

/// Runs the accounts with one of their files changed.
fn with_accounts(file: &str, old: &str, new: &str) -> Result<(), String> {
    let files = copy_of("accounts");
    change(&files, file, old, new);
    let linked = link(&files.path("accounts.toml"));
    let run = run(&linked, Inputs::default());
    run.map(|_| ()).map_err(|error| error.to_string())
}

/// The error of linking the accounts with one of their files changed.
fn accounts_linked(file: &str, old: &str, new: &str) -> Result<LinkedComposition, String> {
    let files = copy_of("accounts");
    change(&files, file, old, new);
    let linked = LinkedComposition::load(&files.path("accounts.toml"), &Toolchain::new());
    linked.map_err(|error| error.to_string())
}

#[test]
fn accounts_are_told_apart() {
    let path = examples().join("accounts/accounts.toml");
    let linked = link(&path);
    run_checked(&linked, Inputs::default());
    let output = run(&linked, Inputs::default()).unwrap_or_else(|error| panic!("{error}"));
    let first = 1000 + 30 + 12 - 100;
    assert_eq!(outputs(&output)[..3], [first, 5 + 30 + 100, 0]);
}

#[test]
fn a_note_takes_nothing_out_of_an_account() {
    // It says that it pays, and is wired to what takes out.
    let error = with_accounts(
        "accounts.toml",
        "imports.deposit = \"account.deposit\"\n\n[instances.account]",
        "imports.deposit = \"account.withdraw\"\n\n[instances.account]",
    );
    let reason = "only who opened the account takes from it";
    assert!(
        error.as_ref().is_err_and(|error| error.contains(reason)),
        "{error:?}"
    );
}

#[test]
fn an_account_is_entered_by_who_holds_it() {
    // A note that makes up a handle, one that keeps what it was lent, one that gives it away.
    for (new, reason) in [
        ("exec.account::recv_borrow drop push.2", "handle"),
        (
            "exec.account::recv_borrow dup exec.account::send_own drop",
            "does not own",
        ),
    ] {
        let error = with_accounts("note/note.masm", "exec.account::recv_borrow", new);
        assert!(
            error.as_ref().is_err_and(|error| error.contains(reason)),
            "{error:?}"
        );
    }
    let error = with_accounts("note/note.masm", "swap exec.account::drop", "swap drop");
    assert!(
        error.as_ref().is_err_and(|error| error.contains("borrow")),
        "{error:?}"
    );
    // The digest of what the account does is no way to it: there is no link for it.
    let linked = link(&examples().join("accounts/accounts.toml"));
    let deposit = component_of(&linked, "account").exports["deposit"].digest;
    let called = format!("call.{}", deposit.to_hex());
    let error = accounts_linked("note/note.masm", "call.imports::deposit", &called);
    assert!(error.is_err());
}

#[test]
fn the_transaction_drops_what_it_holds() {
    // What is dropped is gone: the last withdrawal comes too late.
    let error = with_accounts(
        "app/app.masm",
        "swap exec.account::drop swap\n",
        "swap dup exec.account::drop push.1 exec.withdraw\n",
    );
    assert!(
        error.as_ref().is_err_and(|error| error.contains("handle")),
        "{error:?}"
    );
}

#[test]
fn what_is_held_is_an_instance_and_its_shared_exports() {
    let refused = |file: &str, old: &str, new: &str, reason: &str| {
        let linked = accounts_linked(file, old, new);
        let error = linked
            .err()
            .unwrap_or_else(|| panic!("it is linked: {new}"));
        assert!(error.contains(reason), "{error}");
    };
    let account = "imports.account = \"account\"\nimports.open";
    let wired = |to: &str| format!("imports.account = \"{to}\"\nimports.open");
    refused(
        "accounts.toml",
        account,
        &wired("account.open"),
        "one of instances",
    );
    refused("accounts.toml", account, &wired("nobody"), "nobody");
    refused("accounts.toml", account, "imports.open", "account");
    let export = "procedure = \"account::open\"";
    for (kind, reason) in [
        ("fresh", "fresh"),
        ("isolated", "isolated"),
        ("held", "only imports are"),
    ] {
        let new = format!("{export}\nkind = \"{kind}\"");
        refused("account/component.toml", export, &new, reason);
    }
    let form = "instances = true";
    for new in [
        "instances = true\nresource = \"x\"",
        "instances = true\nfunction = \"f\"",
        "resource = \"[instance]\"",
    ] {
        refused("note/component.toml", form, new, "import");
    }
    // A component that defines resource types has no further instances.
    let types = "sources = [\"account.masm\"]\n\n[resources.coin]";
    refused(
        "account/component.toml",
        "sources = [\"account.masm\"]",
        types,
        "coin",
    );
}

#[test]
fn inputs_and_outputs_in_memory_are_of_the_root() {
    // Tables follow the keys of the file's beginning.
    let memory = "\n\n[memory]\ninputs = { address = 64, length = 8 }\n";
    let with = |component: &str| {
        let sources = format!("sources = [\"{component}.masm\"]\n");
        let new = format!("{sources}{memory}");
        accounts_linked(&format!("{component}/component.toml"), &sources, &new)
    };
    let linked = with("app").expect("it is linked");
    let layout = linked.composition.layout();
    assert_eq!(
        layout.inputs.map(|area| (area.address, area.length)),
        Some((64, 8))
    );
    assert_eq!(layout.outputs, None);
    run_checked(&linked, Inputs::default());
    for component in ["note", "account"] {
        let error = with(component).expect_err("it is refused");
        let reason = "has inputs or outputs in memory, which only the root is given";
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn public_data_is_of_who_exists_once() {
    let data = |length: usize| {
        let felts = vec!["7"; length].join(", ");
        format!("\n\n[[data]]\naddress = 64\npublic = true\nfelts = [{felts}]\n")
    };
    let sources = "sources = [\"app.masm\"]\n";
    let of_app = |length| {
        accounts_linked(
            "app/component.toml",
            sources,
            &format!("{sources}{}", data(length)),
        )
    };
    let linked = of_app(1020).expect("it is linked");
    let [public] = linked.composition.public_data() else {
        panic!("one segment");
    };
    assert_eq!((public.instance, public.address), (0, 64));
    assert_eq!(public.elements.len(), 1024);
    assert!(linked.composition.segments().is_empty());
    run_checked(&linked, Inputs::default());
    let error = of_app(1025).expect_err("there is more than there may be");
    assert!(error.contains("1024 elements of public data"), "{error}");
    // The note is called fresh, and the account is one of many.
    for component in ["note", "account"] {
        let sources = format!("sources = [\"{component}.masm\"]\n");
        let new = format!("{sources}{}", data(8));
        let file = format!("{component}/component.toml");
        let error = accounts_linked(&file, &sources, &new).expect_err("it is refused");
        assert!(error.contains("has public data"), "{error}");
    }
}
