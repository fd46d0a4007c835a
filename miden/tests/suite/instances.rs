//! Transactions over instances that the kernel installs.

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

/// An account and a script take 534 cycles, another script 273.
#[test]
fn all_end_as_without_instances() {
    let kernel = kernel();
    for (name, cycles, _) in ALL {
        let two_scripts = name == "consume2_create2";
        let (more, rows) = if two_scripts { (807, 20) } else { (534, 13) };
        let (taken, installed) =
            run(&kernel, &inputs(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((taken - cycles as usize, installed), (more, rows), "{name}");
    }
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
    // What the account exports is none of its procedures: above them, below them, no address of a word.
    let procedures = 8224;
    assert!(matches!(
        refused(&[1, procedures + 4 * 255]),
        Trap::FailedAssertion { .. }
    ));
    assert!(matches!(
        refused(&[1, procedures - 4]),
        Trap::NotU32Values { .. }
    ));
    assert!(matches!(
        refused(&[1, procedures + 1]),
        Trap::MemoryError(_)
    ));
    // The account exports another number of procedures than there is a record for.
    assert!(matches!(
        refused(&[2, procedures, procedures]),
        Trap::UnknownComponent { .. }
    ));
}
