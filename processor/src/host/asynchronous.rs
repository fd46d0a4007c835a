use core::future::Future;
use std::sync::Arc;

use miden_core::{Word, mast::MastForest};

use super::BaseHost;
use crate::{advice::AdviceMutation, error::HostError, machine::view::ProcessState};

/// A future of a host's answer. It can be sent to other threads, but in a browser, where there is
/// nothing to send it to.
#[cfg(not(target_family = "wasm"))]
pub trait HostFuture<V>: Future<Output = V> + Send {}
#[cfg(not(target_family = "wasm"))]
impl<V, F: Future<Output = V> + Send> HostFuture<V> for F {}

/// A future of a host's answer.
#[cfg(target_family = "wasm")]
pub trait HostFuture<V>: Future<Output = V> {}
#[cfg(target_family = "wasm")]
impl<V, F: Future<Output = V>> HostFuture<V> for F {}

/// A [Host](super::Host) that may take its time, and does not block the thread meanwhile.
///
/// Implementations can write the methods as `async fn`. The run stands still until the answer is
/// there; what it asks, when and how often, is the same as with a host that answers at once.
pub trait AsyncHost: BaseHost {
    /// A forest that has the procedure with the given digest among its roots.
    fn get_mast_forest(&self, digest: &Word) -> impl HostFuture<Option<Arc<MastForest>>>;

    /// Handles an event, whose id is on top of the stack; returns changes to the advice.
    ///
    /// # Errors
    /// Whatever the host cannot handle; the run traps.
    fn on_event(
        &mut self,
        state: &ProcessState<'_>,
    ) -> impl HostFuture<Result<Vec<AdviceMutation>, HostError>>;
}
