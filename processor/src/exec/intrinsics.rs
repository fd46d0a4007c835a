//! The first cycle of an intrinsic: a built-in procedure that a composition makes callable.

use miden_core::{Felt, Word, ZERO};
use miden_cvm_air::composition::CallKind;

use crate::{
    calls::{
        crossing::Entered,
        instances::{Instances, KernelCall, TableCall},
        resources::KernelAccess,
    },
    context::ContextId,
    error::{OpResult, Trap},
    machine::{memory::to_address, process::Process},
    tracer::{IntrinsicRow, RowKind, Tracer},
};

impl<T: Tracer> Process<T> {
    /// Does what an intrinsic does to the running instance's table. `digest` is the CALL node's,
    /// `named` what it calls.
    ///
    /// Returns how the destructor is entered that runs next, if one does.
    ///
    /// # Errors
    /// The intrinsic's own traps; when the definer would have to run its destructor, but is running.
    pub(crate) fn access_table(
        &mut self,
        call: &TableCall,
        digest: Word,
        named: Word,
    ) -> OpResult<Option<Entered>> {
        let (input, by) = (self.stack.get(0), self.calling());
        let Some(instances) = &mut self.instances else {
            return Ok(None);
        };
        let access = instances.apply(call, input, by)?;
        let over = instances.end_dropped(call, &access);
        let destructor = call.destructor.filter(|_| access.destroys);
        let entered = match destructor {
            Some(destructor) => {
                Some(instances.destructor_of(call, destructor, self.context, self.home)?)
            }
            None => None,
        };
        if T::ENABLED {
            self.row(RowKind::Intrinsic(IntrinsicRow {
                digest,
                named,
                kind: call.kind,
                resource: call.resource,
                definer: call.definer,
                destructor: call.destructor,
                destroys: access.destroys,
                state: None,
            }));
            self.tracer.table(&access);
        }
        self.close(over);
        self.stack.set(0, access.output);
        self.advance()?;
        Ok(entered)
    }

    /// Tells the running instance the id of the context that called in. `digest` is the CALL node's,
    /// `named` what it calls.
    ///
    /// # Errors
    /// If the limit of cycles is reached.
    pub(crate) fn tell_caller(&mut self, digest: Word, named: Word) -> OpResult {
        let instances = self.instances.as_ref();
        let state = instances.map_or_else(Default::default, Instances::state);
        if T::ENABLED {
            self.row(RowKind::Intrinsic(IntrinsicRow {
                digest,
                named,
                kind: CallKind::Caller,
                resource: 0,
                definer: 0,
                destructor: None,
                destroys: false,
                state: Some(state),
            }));
        }
        // Who runs was entered, the root by itself.
        let caller = state.entered_by.unwrap_or(ContextId::ROOT);
        self.stack.set(0, Felt::new(caller.as_u64()));
        self.advance()
    }

    /// Reads or writes the memory of some context for the kernel. `digest` is the CALL node's,
    /// `named` what it calls.
    ///
    /// # Errors
    /// If the address is out of bounds, or the context was never created.
    pub(crate) fn access_for_kernel(
        &mut self,
        call: KernelCall,
        digest: Word,
        named: Word,
    ) -> OpResult {
        let inputs = [0, 1, 2].map(|position| self.stack.get(position));
        let address = to_address(inputs[0])?;
        let created = ContextId::from_u64(inputs[1].as_int())
            .map(|target| {
                let instances = self.instances.as_ref();
                let state = instances.map_or_else(Default::default, |i| i.state_of(target));
                (target, state)
            })
            .filter(|(_, state)| state.len != 0);
        let Some((target, state)) = created else {
            return Err(Box::new(Trap::UnknownContext { context: inputs[1] }));
        };
        let slot = self.memory.open(target);
        let (kind, word, output) = match call {
            KernelCall::Load => {
                let word = self.memory.read(slot, address)?;
                (CallKind::Load, word, word[address as usize % 4])
            }
            KernelCall::Store => {
                let word = self.memory.write_element(slot, address, inputs[2])?;
                (CallKind::Store, word, ZERO)
            }
        };
        if T::ENABLED {
            self.row(RowKind::Intrinsic(IntrinsicRow {
                digest,
                named,
                kind,
                resource: 0,
                definer: 0,
                destructor: None,
                destroys: false,
                state: None,
            }));
            self.tracer.kernel_memory(&KernelAccess {
                clk: self.clk,
                is_write: call == KernelCall::Store,
                address,
                target,
                state,
                word: word.into(),
                marks: self.marks,
                inputs,
                output,
            });
        }
        self.stack.set(0, output);
        self.advance()
    }
}
