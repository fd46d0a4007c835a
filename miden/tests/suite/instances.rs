//! Transactions over instances that the kernel installs.

use std::{collections::BTreeMap, fs, path::Path};

use miden_core::{Felt, Program};
use miden_cvm_miden::{
    ExecutionOptions, LocalTransactionProver, TransactionVerifier, TransactionVerifierError,
    hosted::{HostedError, Prompt, Run},
    instances::{InstancesError, KernelOverInstances},
};
use miden_cvm_processor::{ExecutionError, ExecutionTrace, TracedExecutionError, Trap};
use miden_cvm_verifier::VerifierError;
use miden_protocol::{
    MIN_PROOF_SECURITY_LEVEL,
    account::AccountId,
    transaction::{ProvenTransaction, TransactionInputs, TransactionKernel},
};

use crate::{
    block_on,
    chain::{self, Invoked, both},
    inputs,
    transactions::{ALL, host, store},
};

/// The run of a transaction by the kernel's program.
fn run_of<'a>(main: &'a Program, inputs: &TransactionInputs) -> Run<'a> {
    let (stack, advice) = TransactionKernel::prepare_inputs(inputs);
    Run {
        program: main,
        stack,
        advice: advice.into_advice_inputs(),
        options: ExecutionOptions::default(),
        sources: None,
    }
}

fn kernel() -> KernelOverInstances {
    KernelOverInstances::new().expect("Miden's kernel")
}

/// Runs a transaction with more advice at the end of what the kernel takes, which the prelude takes first.
fn traced(
    kernel: &KernelOverInstances,
    inputs: &TransactionInputs,
    more: &[u64],
) -> Result<ExecutionTrace, InstancesError> {
    let store = store(inputs);
    let main = TransactionKernel::main();
    let mut run = run_of(&main, inputs);
    let more = more.iter().copied().map(Felt::new);
    run.advice.stack.extend(more);
    kernel.execute_traced(inputs, run, &mut host(inputs, &store))
}

/// The cycles of a transaction, whose outputs are those of Miden's processor, and the rows of what it installs.
fn run(
    kernel: &KernelOverInstances,
    inputs: &TransactionInputs,
) -> Result<(usize, usize), InstancesError> {
    let traced = traced(kernel, inputs, &[])?;
    Ok((traced.lengths.cycles, traced.lengths.instances))
}

/// The cycles of each transaction over instances that the book states.
fn stated() -> BTreeMap<String, usize> {
    let book = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src/nodes.md");
    let book = fs::read_to_string(book).expect("a chapter of the book");
    let (_, section) = book.split_once("## Over instances").expect("the section");
    let (section, _) = section.split_once("\n##").expect("the next one");
    let rows = section.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let (name, _) = cells.next()?.split_once('`')?;
        let cycles = cells.nth(1)?.replace(',', "").parse().ok()?;
        Some((name.to_owned(), cycles))
    });
    rows.collect()
}

#[test]
fn all_end_as_without_instances() {
    let kernel = kernel();
    let mut taken = BTreeMap::new();
    for (name, ..) in ALL {
        let (cycles, installed) =
            run(&kernel, &inputs(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        // What asks for account and scripts, the account's code, each script and what it calls, the kernel's record, wires,
        // and what the kernel adopts.
        println!("{name}: {cycles} cycles over instances, {installed} rows");
        taken.insert(name.to_owned(), cycles);
    }
    assert_eq!(taken, stated());
}

#[test]
fn a_transaction_over_instances_is_proven() {
    let kernel = kernel();
    // A statement has the rights to install, and nothing of what is installed.
    assert_eq!(kernel.composition().num_instances(), 1);
    assert!(kernel.composition().links().is_empty());
    let plain = LocalTransactionProver::default();
    let prover = LocalTransactionProver::default().over_instances(kernel.clone());
    let prove = |prover: &LocalTransactionProver, name| -> ProvenTransaction {
        prover.prove(inputs(name)).expect("a transaction")
    };
    let (without, over) = (
        prove(&plain, "consume1_ecdsa"),
        prove(&prover, "consume1_ecdsa"),
    );
    assert_eq!(without.id(), over.id());

    let verifier = || TransactionVerifier::new(MIN_PROOF_SECURITY_LEVEL);
    let over_instances = verifier().over_instances(&kernel);
    let two_scripts = prove(&prover, "consume2_create2");
    for proven in [&over, &two_scripts] {
        over_instances.verify(proven).expect("a proven transaction");
    }
    // The program is another one.
    for refused in [verifier().verify(&over), over_instances.verify(&without)] {
        assert!(
            matches!(
                refused,
                Err(TransactionVerifierError::Proof(VerifierError::Rejected(_)))
            ),
            "{refused:?}"
        );
    }
}

/// The inputs of a transaction that invokes a procedure of a foreign account, with the cycles that it takes
/// without instances.
fn foreign(how: Invoked) -> (TransactionInputs, usize) {
    let (_, context) = chain::foreign(how);
    let inputs = both(context).tx_inputs().clone();
    let store = store(&inputs);
    let main = TransactionKernel::main();
    let run = run_of(&main, &inputs);
    let traced = block_on(run.execute_traced(&mut Prompt(&mut host(&inputs, &store))));
    let traced = traced.expect("a transaction that Miden executes");
    (inputs, traced.lengths.cycles)
}

/// A foreign account is an instance of its own, which the script is wired to.
#[test]
fn foreign_accounts_are_instances() {
    let kernel = kernel();
    let mut taken = BTreeMap::new();
    for (name, how) in [
        ("foreign", Invoked::ByName),
        ("foreign_by_argument", Invoked::ByArgument),
    ] {
        let (inputs, without) = foreign(how);
        // The outputs are compared with those of the run without instances.
        let (cycles, installed) =
            run(&kernel, &inputs).unwrap_or_else(|error| panic!("{name}: {error}"));
        println!("{name}: {without} cycles, {cycles} over instances, {installed} rows");
        assert!(installed > 13, "{name}: {installed}");
        taken.insert(name.to_owned(), (without, cycles));
    }
    assert_eq!(taken, stated_of_foreign());
}

/// The cycles of transactions with foreign accounts that the book states, without and over instances.
fn stated_of_foreign() -> BTreeMap<String, (usize, usize)> {
    let book = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src/nodes.md");
    let book = fs::read_to_string(book).expect("a chapter of the book");
    let (_, section) = book
        .split_once("### Foreign accounts")
        .expect("the section");
    let (section, _) = section.split_once("\n## ").expect("the next one");
    let rows = section.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let (name, _) = cells.next()?.split_once('`')?;
        let mut number = || cells.next()?.replace(',', "").parse().ok();
        Some((name.to_owned(), (number()?, number()?)))
    });
    rows.collect()
}

#[test]
fn a_transaction_with_a_foreign_account_is_proven_over_instances() {
    let kernel = kernel();
    let (inputs, _) = foreign(Invoked::ByName);
    let prover = LocalTransactionProver::default().over_instances(kernel.clone());
    let proven = prover.prove(inputs.clone()).expect("a transaction");
    let plain = LocalTransactionProver::default();
    assert_eq!(proven.id(), plain.prove(inputs).expect("the same").id());
    TransactionVerifier::new(MIN_PROOF_SECURITY_LEVEL)
        .over_instances(&kernel)
        .verify(&proven)
        .expect("a proven transaction");
}

/// A foreign account whose code names a procedure of another one could invoke it.
#[test]
fn a_foreign_account_that_invokes_another_is_refused_by_name() {
    let (inputs, _) = foreign(Invoked::Nested);
    let refused = run(&kernel(), &inputs);
    let Err(InstancesError::NestedForeign(account)) = refused else {
        panic!("{refused:?}");
    };
    assert_ne!(account, inputs.account().id());
    assert!(inputs.read_foreign_account_inputs(account).is_ok());
}

/// What a run has loaded is to be among the inputs that components are made of.
#[test]
fn a_foreign_account_that_is_not_among_the_inputs_is_refused_by_name() {
    let (inputs, _) = foreign(Invoked::ByName);
    let store = store(&inputs);
    let main = TransactionKernel::main();
    let run = run_of(&main, &inputs);
    let others = crate::inputs("mint");
    let refused = kernel().execute_traced(&others, run, &mut host(&inputs, &store));
    let Err(InstancesError::ForeignAccount { id, reason }) = refused else {
        panic!("{:?}", refused.map(|_| "a trace"));
    };
    let id = AccountId::from_hex(&id).expect("the account's id");
    assert!(inputs.read_foreign_account_inputs(id).is_ok());
    let missing = others.read_foreign_account_inputs(id);
    assert_eq!(missing.expect_err("it is not there").to_string(), reason);
}

#[test]
fn a_procedure_of_two_accounts_is_refused_by_name() {
    let (inputs, _) = foreign(Invoked::OwnToo);
    let refused = run(&kernel(), &inputs);
    assert!(
        matches!(refused, Err(InstancesError::SharedProcedure(_))),
        "{refused:?}"
    );
}

/// The answer of a lying host about a foreign account.
#[test]
fn advice_that_lies_about_foreign_accounts_is_refused() {
    let (kernel, (inputs, _)) = (kernel(), foreign(Invoked::ByName));
    let id = inputs
        .advice_inputs()
        .map
        .iter()
        .find_map(|(key, value)| {
            let [suffix, prefix, ..] = [key[0], key[1], key[2], key[3]];
            let is_id = key[2].as_int() == 0 && key[3].as_int() == 0 && value.len() == 16;
            is_id.then(|| [suffix.as_int(), prefix.as_int()])
        })
        .expect("the foreign account");
    let own = inputs.account().id();
    let own = [own.suffix().as_int(), own.prefix().as_felt().as_int()];
    let refused = |lie: &[u64]| match traced(&kernel, &inputs, lie).map(|_| ()) {
        Err(InstancesError::Run(HostedError::Machine(error))) => match *error {
            TracedExecutionError::Execution(ExecutionError::Trapped(report)) => report.trap,
            error => panic!("{error}"),
        },
        other => panic!("{other:?}"),
    };
    // There is not one script alone.
    let refused = |lie: &[u64]| refused(&[&[0], lie].concat());
    let head = [1, 1, 0, 0];
    let foreign =
        |id: [u64; 2], exports: &[u64]| refused(&[&[1], &id[..], &head[..], exports].concat());
    // A procedure of the transaction's own account, and none at all, behind the last one.
    let procedures = 8224 + 8192;
    assert!(matches!(foreign(id, &[1, 8224]), Trap::NotU32Values { .. }));
    assert!(matches!(
        foreign(id, &[1, procedures + 4 * 255]),
        Trap::FailedAssertion { .. }
    ));
    // Nothing is installed by a record that is none.
    assert!(matches!(foreign(id, &[0]), Trap::UnknownComponent { .. }));
    // The own account is not foreign.
    assert!(matches!(foreign(own, &[0]), Trap::FailedAssertion { .. }));
    // With what it exports it is installed, but once.
    let honest = [&[1], &id[..], &[1, 2, 0, 0, 1, procedures + 4, 0]].concat();
    let none = [0, 1, 4, 0, 0, 0, 0];
    let next = refused(&[&honest[..], &none].concat());
    assert!(matches!(next, Trap::UnknownComponent { .. }), "{next}");
    let twice = refused(&[&honest[..], &honest, &none].concat());
    assert!(matches!(twice, Trap::FailedAssertion { .. }), "{twice}");
    // The script calls none: it is another component then.
    let own = [1, 2, 0, 0, 0, 0, 0];
    let without = refused(&[&honest[..], &[0], &own, &[1, 1, 2, 0, 0, 0, 428]].concat());
    assert!(
        matches!(without, Trap::UnknownComponent { .. }),
        "{without}"
    );
}

#[test]
fn advice_that_lies_is_refused() {
    let (kernel, inputs) = (kernel(), inputs("consume1_ecdsa"));
    let refused = |lie: &[u64]| match traced(&kernel, &inputs, lie).map(|_| ()) {
        Err(InstancesError::Run(HostedError::Machine(error))) => match *error {
            TracedExecutionError::Execution(ExecutionError::Trapped(report)) => report.trap,
            error => panic!("{error}"),
        },
        other => panic!("{other:?}"),
    };
    let (note, account) = (4_259_848, 8224);
    let unknown = |lie: &[u64]| {
        let trap = refused(lie);
        assert!(matches!(trap, Trap::UnknownComponent { .. }), "{trap}");
    };
    // The script is one of the account's procedures, or another word, which the kernel does not call by the record that it has.
    for address in [account, account + 4, 0] {
        for order in [0, 1] {
            unknown(&[1, address, order]);
        }
    }
    assert!(matches!(refused(&[1, note + 1, 0]), Trap::MemoryError(_)));
    // The record has its calls in the other order.
    let orders = [0, 1].map(|order| traced(&kernel, &inputs, &[1, note, order]));
    let refusals = orders.iter().filter(|order| order.is_err());
    assert_eq!(refusals.count(), 1);
    // There are no scripts, two equal ones, or one in another order, or of other numbers.
    unknown(&[0, 0, 0, 2, 1, 0, 0, 0]);
    unknown(&[
        0, 0, 1, note, 1, note, 0, 4, 3, 1, note, 1, note, 0, 0, 1, 1, 0,
    ]);
    let several = |numbers: [u64; 2], calls: [u64; 4]| {
        let begin = [0, 0, 1, note, 0];
        traced(
            &kernel,
            &inputs,
            &[&begin[..], &numbers, &calls, &[1, 0]].concat(),
        )
    };
    let orders = [[1, note, 0, 0], [0, 1, note, 0]];
    let refusals = orders.map(|calls| several([3, 2], calls).is_err());
    assert_eq!(refusals.into_iter().filter(|refused| *refused).count(), 1);
    for calls in orders {
        assert!(several([3, 3], calls).is_err());
        assert!(several([4, 2], calls).is_err());
    }
}
