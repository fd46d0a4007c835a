use core::{fmt, future};
use std::sync::Arc;

use miden_core::{DebugOptions, EventId, EventName, Word, mast::MastForest};
use miden_debug_types::{Location, SourceFile, SourceManager, SourceManagerSync, SourceSpan};
use thiserror::Error;

use super::{
    AsyncHost, BaseHost, DebugPrinter, EventHandler, EventHandlerRegistry, Host, HostFuture,
    MastForestStore, MemMastForestStore, RegistryError, StdoutWriter,
    core_library::core_library_event, core_library_handlers,
};
use crate::{advice::AdviceMutation, error::HostError, machine::view::ProcessState};

/// A host that holds everything in memory, and answers the events of Miden's core library.
///
/// The code of the core library is not in it: [load_forest](Self::load_forest) adds it. Debug output
/// goes to `W`, by default the standard output. A clone shares handlers and code with the original.
#[derive(Clone)]
pub struct DefaultHost<W = StdoutWriter> {
    store: MemMastForestStore,
    code: Option<FindCode>,
    handlers: EventHandlerRegistry,
    sources: Option<Arc<dyn SourceManagerSync>>,
    printer: DebugPrinter<W>,
}

/// Finds the code that has a procedure.
type FindCode = fn(&Word) -> Option<Arc<MastForest>>;

impl Default for DefaultHost {
    fn default() -> Self {
        let mut host = Self::without_handlers();
        for (event, handler) in core_library_handlers() {
            // There are no others yet, and the library's events differ from each other.
            let registered = host.register_handler(event, handler);
            debug_assert!(registered.is_ok());
        }
        host
    }
}

impl DefaultHost {
    /// A host that answers no event.
    pub fn without_handlers() -> Self {
        Self {
            store: MemMastForestStore::default(),
            code: None,
            handlers: EventHandlerRegistry::default(),
            sources: None,
            printer: DebugPrinter::default(),
        }
    }
}

impl<W> DefaultHost<W> {
    /// Adds the procedures of a forest.
    pub fn load_forest(&mut self, forest: Arc<MastForest>) {
        self.store.insert(forest);
    }

    /// Adds the procedures of a forest.
    pub fn with_forest(mut self, forest: Arc<MastForest>) -> Self {
        self.load_forest(forest);
        self
    }

    /// Sets where procedures are looked for that no forest has.
    pub fn with_code_from(mut self, find: fn(&Word) -> Option<Arc<MastForest>>) -> Self {
        self.code = Some(find);
        self
    }

    /// Adds a handler for an event.
    ///
    /// # Errors
    /// If the event is the machine's own, or has a handler already.
    pub fn register_handler(
        &mut self,
        event: EventName,
        handler: Arc<dyn EventHandler>,
    ) -> Result<(), RegistryError> {
        self.handlers.register(event, handler)
    }

    /// Removes the handler of an event; returns whether there was one.
    pub fn unregister_handler(&mut self, event: &EventName) -> bool {
        self.handlers.unregister(event.to_event_id())
    }

    /// Sets where source files are found, so that errors can name lines.
    pub fn with_source_manager(mut self, sources: Arc<dyn SourceManagerSync>) -> Self {
        self.sources = Some(sources);
        self
    }

    /// Sets where debug output goes.
    pub fn with_debug_writer<V: fmt::Write>(self, writer: V) -> DefaultHost<V> {
        DefaultHost {
            store: self.store,
            code: self.code,
            handlers: self.handlers,
            sources: self.sources,
            printer: DebugPrinter::new(writer),
        }
    }

    /// Returns the printer of debug output.
    pub fn debug_printer(&self) -> &DebugPrinter<W> {
        &self.printer
    }
}

impl<W> fmt::Debug for DefaultHost<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DefaultHost")
            .field("store", &self.store)
            .field("handlers", &self.handlers)
            .finish_non_exhaustive()
    }
}

impl<W: fmt::Write> BaseHost for DefaultHost<W> {
    fn on_debug(
        &mut self,
        state: &mut ProcessState<'_>,
        options: &DebugOptions,
    ) -> Result<(), HostError> {
        Ok(self.printer.print(state, options)?)
    }

    fn on_trace(&mut self, state: &mut ProcessState<'_>, trace_id: u32) -> Result<(), HostError> {
        Ok(self.printer.print_trace(state, trace_id)?)
    }

    fn resolve_event(&self, event_id: EventId) -> Option<&EventName> {
        let registered = self.handlers.resolve_event(event_id);
        registered.or_else(|| core_library_event(event_id))
    }

    fn get_label_and_source_file(
        &self,
        location: &Location,
    ) -> (SourceSpan, Option<Arc<SourceFile>>) {
        let Some(sources) = self.sources.as_ref() else {
            return (SourceSpan::UNKNOWN, None);
        };
        let span = sources.location_to_span(location.clone());
        (span.unwrap_or_default(), sources.get_by_uri(location.uri()))
    }
}

impl<W: fmt::Write> Host for DefaultHost<W> {
    fn get_mast_forest(&self, digest: &Word) -> Option<Arc<MastForest>> {
        let loaded = self.store.get(digest);
        loaded.or_else(|| self.code.and_then(|find| find(digest)))
    }

    fn on_event(&mut self, state: &ProcessState<'_>) -> Result<Vec<AdviceMutation>, HostError> {
        let id = EventId::from_felt(state.get_stack_item(0));
        let answer = self.handlers.handle_event(id, state)?;
        answer.ok_or_else(|| UnhandledEvent.into())
    }
}

impl<W: fmt::Write> AsyncHost for DefaultHost<W> {
    fn get_mast_forest(&self, digest: &Word) -> impl HostFuture<Option<Arc<MastForest>>> {
        future::ready(Host::get_mast_forest(self, digest))
    }

    fn on_event(
        &mut self,
        state: &ProcessState<'_>,
    ) -> impl HostFuture<Result<Vec<AdviceMutation>, HostError>> {
        future::ready(Host::on_event(self, state))
    }
}

#[derive(Debug, Error)]
#[error("no event handler registered")]
struct UnhandledEvent;
