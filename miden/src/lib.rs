//! Miden's transactions on Miden CVM.
//!
//! The protocol crates of Miden 0.13 (`miden-protocol`, `miden-standards`, `miden-tx`) run on
//! `miden-processor` 0.20. Here are the three types that decide which machine executes, proves and
//! verifies a transaction, under the names that they have in `miden-tx`: [`TransactionExecutor`],
//! [`LocalTransactionProver`] and [`TransactionVerifier`]. Accounts, notes, scripts, data stores,
//! authenticators and the transaction kernel stay what they are.
//!
//! A transaction also runs over instances that the kernel installs, see [`instances`].
//!
//! Any other host that was written for `miden-processor` runs with [`hosted::Run`].

pub mod carried;
mod consumption;
mod executor;
pub mod hosted;
pub mod instances;
mod options;
mod prover;
mod verifier;

pub use consumption::{FailedNote, NoteCheckerError, NoteConsumptionChecker, NoteConsumptionInfo};
pub use executor::{TransactionExecutor, TransactionExecutorError};
pub use miden_cvm_processor::{ExecutionOptions, Limits};
pub use miden_cvm_verifier::{HashFunction, MinSecurity, OptionSet, ProofSettings, Verified};
pub use prover::LocalTransactionProver;
pub use verifier::{TransactionVerifier, TransactionVerifierError};
