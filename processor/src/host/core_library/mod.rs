//! Handlers for the events that Miden's core library emits.

mod aead;
mod division;
mod precompiles;
mod region;
mod smt;
mod sorted_array;

use std::sync::{Arc, LazyLock};

use miden_core::{EventId, EventName};
use miden_cvm_precompiles::CorePrecompile;

use super::EventHandler;
use crate::{advice::AdviceMutation, error::HostError};

/// The result of a handler.
type Answer = Result<Vec<AdviceMutation>, HostError>;

/// Every handler with the event it answers.
pub fn core_library_handlers() -> Vec<(EventName, Arc<dyn EventHandler>)> {
    let mut handlers: Vec<(EventName, Arc<dyn EventHandler>)> = vec![
        (division::U64_EVENT, Arc::new(division::divide_u64)),
        (
            division::FALCON_EVENT,
            Arc::new(division::divide_by_falcon_modulus),
        ),
        (smt::PEEK_EVENT, Arc::new(smt::peek)),
        (sorted_array::ARRAY_EVENT, Arc::new(sorted_array::find_word)),
        (
            sorted_array::KEY_VALUE_EVENT,
            Arc::new(sorted_array::find_key_value),
        ),
        (aead::DECRYPT_EVENT, Arc::new(aead::decrypt)),
    ];
    for precompile in CorePrecompile::ALL {
        handlers.push((precompile.event(), Arc::new(precompile)));
    }
    handlers
}

/// The name of an event of the core library.
pub(super) fn core_library_event(id: EventId) -> Option<&'static EventName> {
    static NAMES: LazyLock<Vec<EventName>> = LazyLock::new(|| {
        let handlers = core_library_handlers().into_iter();
        handlers.map(|(event, _)| event).collect()
    });
    NAMES.iter().find(|event| event.to_event_id() == id)
}
