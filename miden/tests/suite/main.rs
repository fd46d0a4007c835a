//! Transactions of Miden's protocol on this machine, beside what Miden's own crates make of them.

mod chain;
mod consumption;
mod instances;
mod packages;
mod proofs;
mod transactions;
mod upstream;

use core::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};
use std::{fs, path::Path};

use miden_protocol::{transaction::TransactionInputs, utils::serde::Deserializable};

/// A file of `TransactionInputs` in their binary form, by its name.
fn inputs(name: &str) -> TransactionInputs {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/fixtures");
    let bytes = fs::read(fixtures.join(name).with_extension("inputs")).expect("a fixture");
    TransactionInputs::read_from_bytes(&bytes).expect("inputs of a transaction")
}

/// Polls a future until it is done. What it waits for needs no reactor.
fn block_on<V>(future: impl Future<Output = V>) -> V {
    let mut future = pin!(future);
    loop {
        match future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::yield_now(),
        }
    }
}
