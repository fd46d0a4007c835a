//! The world outside the machine: code that is loaded on demand, events, debugging.

mod asynchronous;
mod core_library;
mod debug;
mod default;
mod handlers;
pub(crate) mod location;
mod store;

use std::sync::Arc;

pub use asynchronous::{AsyncHost, HostFuture};
pub use core_library::core_library_handlers;
pub use debug::{DebugPrinter, StdoutWriter, TEXT_TRACE};
pub use default::DefaultHost;
pub use handlers::{EventHandler, EventHandlerRegistry, RegistryError};
use miden_core::{DebugOptions, EventId, EventName, Felt, Word, mast::MastForest};
use miden_debug_types::{FileLineCol, Location, SourceFile, SourceSpan};
pub use store::{MastForestStore, MemMastForestStore};

use crate::{advice::AdviceMutation, error::HostError, machine::view::ProcessState};

/// The host of a run, as far as it is told something or asked without waiting.
pub trait BaseHost {
    /// Handles a debug decorator.
    ///
    /// # Errors
    /// Whatever the host cannot handle; the run traps.
    fn on_debug(
        &mut self,
        _state: &mut ProcessState<'_>,
        _options: &DebugOptions,
    ) -> Result<(), HostError> {
        Ok(())
    }

    /// Handles a trace decorator.
    ///
    /// # Errors
    /// Whatever the host cannot handle; the run traps.
    fn on_trace(&mut self, _state: &mut ProcessState<'_>, _trace_id: u32) -> Result<(), HostError> {
        Ok(())
    }

    /// The host's message for an assertion that failed; it becomes part of the trap.
    fn on_assert_failed(
        &mut self,
        _state: &ProcessState<'_>,
        _error_code: Felt,
    ) -> Option<HostError> {
        None
    }

    /// The name of an event, where it is known.
    fn resolve_event(&self, _event_id: EventId) -> Option<&EventName> {
        None
    }

    /// The source file of a place, with the place in it, where the file is known.
    fn get_label_and_source_file(
        &self,
        _location: &Location,
    ) -> (SourceSpan, Option<Arc<SourceFile>>) {
        (SourceSpan::UNKNOWN, None)
    }

    /// The line of a place in a source file, where the file is known.
    fn resolve_location(&self, location: &Location) -> Option<FileLineCol> {
        let (span, file) = self.get_label_and_source_file(location);
        let file = file.filter(|file| file.id() == span.source_id())?;
        file.content().location(span.start())
    }
}

/// The host of a run, which answers what the run asks of the world outside.
///
/// A run asks for each procedure at most once.
pub trait Host: BaseHost {
    /// A forest that has the procedure with the given digest among its roots.
    fn get_mast_forest(&self, digest: &Word) -> Option<Arc<MastForest>>;

    /// Handles an event, whose id is on top of the stack; returns changes to the advice.
    ///
    /// # Errors
    /// Whatever the host cannot handle; the run traps.
    fn on_event(&mut self, state: &ProcessState<'_>) -> Result<Vec<AdviceMutation>, HostError>;
}
