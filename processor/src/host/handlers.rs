use core::fmt;
use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use miden_core::{EventId, EventName, sys_events::SystemEvent};
use thiserror::Error;

use crate::{advice::AdviceMutation, error::HostError, machine::view::ProcessState};

/// Code of the host that answers an event of the program.
pub trait EventHandler: Send + Sync + 'static {
    /// Looks at the state and returns changes to the advice. The event's id is on top of the
    /// stack, its arguments below.
    ///
    /// # Errors
    /// Whatever the handler cannot handle; the run traps.
    fn on_event(&self, state: &ProcessState<'_>) -> Result<Vec<AdviceMutation>, HostError>;
}

impl<F> EventHandler for F
where
    F: for<'a> Fn(&'a ProcessState<'a>) -> Result<Vec<AdviceMutation>, HostError>
        + Send
        + Sync
        + 'static,
{
    fn on_event(&self, state: &ProcessState<'_>) -> Result<Vec<AdviceMutation>, HostError> {
        self(state)
    }
}

/// Event handlers by the events they answer.
#[derive(Default, Clone)]
pub struct EventHandlerRegistry {
    handlers: BTreeMap<EventId, (EventName, Arc<dyn EventHandler>)>,
}

impl EventHandlerRegistry {
    /// A registry without handlers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a handler.
    ///
    /// # Errors
    /// If the event is the machine's own, or has a handler already.
    pub fn register(
        &mut self,
        event: EventName,
        handler: Arc<dyn EventHandler>,
    ) -> Result<(), RegistryError> {
        if SystemEvent::from_name(event.as_str()).is_some() {
            return Err(RegistryError::ReservedEventNamespace { event });
        }
        match self.handlers.entry(event.to_event_id()) {
            Entry::Vacant(entry) => {
                entry.insert((event, handler));
                Ok(())
            }
            Entry::Occupied(_) => Err(RegistryError::DuplicateEventHandler { event }),
        }
    }

    /// Removes a handler; returns whether there was one.
    pub fn unregister(&mut self, id: EventId) -> bool {
        self.handlers.remove(&id).is_some()
    }

    /// The name of an event that has a handler.
    pub fn resolve_event(&self, id: EventId) -> Option<&EventName> {
        self.handlers.get(&id).map(|(name, _)| name)
    }

    /// Lets the event's handler answer; `None` if it has none.
    ///
    /// # Errors
    /// The handler's own.
    pub fn handle_event(
        &self,
        id: EventId,
        state: &ProcessState<'_>,
    ) -> Result<Option<Vec<AdviceMutation>>, HostError> {
        let handler = self.handlers.get(&id);
        handler
            .map(|(_, handler)| handler.on_event(state))
            .transpose()
    }
}

impl fmt::Debug for EventHandlerRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.handlers.values().map(|(name, _)| name))
            .finish()
    }
}

/// A handler that cannot be added.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The event has a handler already.
    #[error("attempted to add event handler for '{event}' (already registered)")]
    DuplicateEventHandler {
        /// The event.
        event: EventName,
    },
    /// The event is handled by the machine.
    #[error("attempted to add event handler for '{event}' (reserved system event)")]
    ReservedEventNamespace {
        /// The event.
        event: EventName,
    },
}
