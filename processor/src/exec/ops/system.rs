//! Operations that concern the machine itself.

use miden_core::{EventId, Felt, ONE, mast::MastForest, sys_events::SystemEvent};

use crate::{
    error::{OpResult, Trap},
    exec::{events::handle_system_event, ops::Outcome},
    machine::{process::Process, stack::Stack},
    tracer::Tracer,
};

#[inline]
pub(super) fn assert(stack: &mut Stack, err_code: Felt, forest: &MastForest) -> OpResult {
    if stack.get(0) != ONE {
        let err_msg = forest.resolve_error_message(err_code);
        return Err(Box::new(Trap::FailedAssertion {
            err_code,
            err_msg,
            error: None,
        }));
    }
    stack.drop_top();
    Ok(())
}

#[inline]
pub(super) fn sdepth(stack: &mut Stack, clk: u32) {
    let depth = Felt::new(stack.depth() as u64);
    stack.push(depth, clk);
}

impl<T: Tracer> Process<T> {
    /// Overwrites the top word by the caller: in a syscall and in open programs the running
    /// function's hash, in an instance of a composition the hash of the function that called in.
    pub(super) fn op_caller(&mut self) {
        let caller = self.caller();
        self.stack.set_word(0, &caller);
    }

    /// Handles the event on top of the stack, unless it is the host's.
    pub(super) fn op_emit(&mut self) -> OpResult<Outcome> {
        let id = EventId::from_felt(self.stack.get(0));
        let Some(event) = SystemEvent::from_event_id(id) else {
            return Ok(Outcome::HostEvent);
        };
        let answered = handle_system_event(
            event,
            self.clk,
            self.context,
            &self.stack,
            &self.memory,
            &mut self.advice,
            &self.bulk,
        );
        let (tracer, taking) = self.taking();
        tracer.take_event(taking, id, answered)?;
        Ok(Outcome::Done)
    }
}
