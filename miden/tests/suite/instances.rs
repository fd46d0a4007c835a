//! Transactions over instances that the kernel installs.

use std::{collections::BTreeMap, fs, path::Path};

use miden_core::Felt;
use miden_cvm_miden::{
    ExecutionOptions, LocalTransactionProver, TransactionVerifier, TransactionVerifierError,
    hosted::{HostedError, Run},
    instances::{InstancesError, KernelOverInstances},
};
use miden_cvm_processor::{ExecutionError, ExecutionTrace, TracedExecutionError, Trap};
use miden_cvm_verifier::VerifierError;
use miden_protocol::{
    MIN_PROOF_SECURITY_LEVEL,
    transaction::{ProvenTransaction, TransactionInputs, TransactionKernel},
};

use crate::{
    inputs,
    transactions::{ALL, host, store},
};

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
    let (stack, advice) = TransactionKernel::prepare_inputs(inputs);
    let mut advice = advice.into_advice_inputs();
    advice.stack.extend(more.iter().copied().map(Felt::new));
    let run = Run {
        program: &TransactionKernel::main(),
        stack,
        advice,
        options: ExecutionOptions::default(),
        sources: None,
    };
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
    let (section, _) = section.split_once("\n## ").expect("the next one");
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
        // Blocks of the records of account, scripts and kernel, wires, and what the kernel adopts.
        let rows = if name == "consume2_create2" { 20 } else { 13 };
        assert_eq!(installed, rows, "{name}");
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
    // The account has another first block than its record.
    let head = [1, 3, 0, 0];
    let procedures = 8224;
    assert!(matches!(
        refused(&[1, 4, 0, 0, 0]),
        Trap::UnknownComponent { .. }
    ));
    // What it exports is none of its procedures: above them, below them, no address of a word.
    let exported = |address| refused(&[&head[..], &[1, address]].concat());
    assert!(matches!(
        exported(procedures + 4 * 255),
        Trap::FailedAssertion { .. }
    ));
    assert!(matches!(
        exported(procedures - 4),
        Trap::NotU32Values { .. }
    ));
    assert!(matches!(exported(procedures + 1), Trap::MemoryError(_)));
    // It exports fewer of them, or one of them twice.
    for exports in [&[0][..], &[1, procedures, 0]] {
        let lie = [&head[..], exports].concat();
        assert!(matches!(refused(&lie), Trap::UnknownComponent { .. }));
    }
}
