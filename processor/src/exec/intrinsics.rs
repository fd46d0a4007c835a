//! The first cycle of an intrinsic: a built-in procedure that a composition makes callable.

use miden_core::{Felt, Word, ZERO, stack::MIN_STACK_DEPTH};
use miden_cvm_air::composition::Intrinsic;

use crate::{
    calls::{
        crossing::Entered,
        installed::{Form, InstanceAccess, InstanceOp},
        instances::{Instances, IntrinsicCallee},
        resources::KernelAccess,
    },
    context::ContextId,
    error::{OpResult, Trap},
    forests::Forests,
    machine::{memory::to_address, process::Process},
    tracer::{IntrinsicRow, RowKind, Tracer},
};

impl<T: Tracer> Process<T> {
    /// Does what an intrinsic does. `digest` is the CALL node's, `named` what it calls.
    ///
    /// Returns how the destructor is entered that runs next, if one does.
    ///
    /// # Errors
    /// The intrinsic's own traps.
    pub(crate) fn call_intrinsic(
        &mut self,
        callee: &IntrinsicCallee,
        digest: Word,
        named: Word,
    ) -> OpResult<Option<Entered>> {
        let row = IntrinsicRow {
            digest,
            named,
            call: callee.call,
            resource: callee.resource,
            definer: callee.definer,
            destructor: callee.destructor,
            destroys: false,
            state: None,
        };
        match callee.call.intrinsic {
            Intrinsic::Caller => self.tell_caller(row)?,
            Intrinsic::Install
            | Intrinsic::InstallCode
            | Intrinsic::InstallProcedure
            | Intrinsic::Wire
            | Intrinsic::Component
            | Intrinsic::Adopt => {
                self.access_instances(row)?;
            }
            Intrinsic::Load => self.access_for_kernel(row, false)?,
            Intrinsic::Store => self.access_for_kernel(row, true)?,
            Intrinsic::Save | Intrinsic::SavePair => self.save_stack(row)?,
            Intrinsic::Restore => self.restore_stack(row)?,
            _ => return self.access_table(callee, row),
        }
        Ok(None)
    }

    /// Does what an intrinsic does to the running instance's table.
    ///
    /// # Errors
    /// The intrinsic's own traps; when the definer would have to run its destructor, but is running.
    fn access_table(
        &mut self,
        callee: &IntrinsicCallee,
        row: IntrinsicRow,
    ) -> OpResult<Option<Entered>> {
        let (input, by) = (self.stack.get(0), self.calling());
        let Some(instances) = &mut self.instances else {
            return Ok(None);
        };
        let callee = &instances.specify(callee, input);
        let row = IntrinsicRow {
            resource: callee.resource,
            definer: callee.definer,
            ..row
        };
        let Some(access) = instances.apply(callee, input, by)? else {
            return Ok(None);
        };
        let over = instances.end_dropped(callee, &access);
        let destructor = callee.destructor.filter(|_| access.destroys);
        let entered = match destructor {
            Some(destructor) => {
                Some(instances.destructor_of(callee, destructor, self.context, self.home)?)
            }
            None => None,
        };
        if T::ENABLED {
            self.row(RowKind::Intrinsic(IntrinsicRow {
                destroys: access.destroys,
                ..row
            }));
            self.tracer.table(&access);
        }
        self.close(over);
        self.stack.set(0, access.output);
        self.advance()?;
        Ok(entered)
    }

    /// The procedure by which an instance about to be installed is entered (an export, or a destructor) and which no
    /// loaded forest has; the host is to be asked for it.
    ///
    /// # Errors
    /// If the intrinsic would trap for the component.
    pub(crate) fn unknown_export(&mut self, callee: &IntrinsicCallee) -> OpResult<Option<Word>> {
        if !callee.call.intrinsic.installs() {
            return Ok(None);
        }
        let (address, commitment) = self.fetch_word(self.stack.get(0))?;
        let Some(form) = Form::of(callee.call.intrinsic, address) else {
            return Ok(None);
        };
        let Some(instances) = &mut self.instances else {
            return Ok(None);
        };
        let component = instances.component(form, commitment, &self.advice)?;
        let component = component.component();
        let exports = component.exports.iter().map(|export| export.digest);
        let destructors = component.types.iter().filter_map(|of| of.destructor);
        let mut entered = exports.chain(destructors);
        Ok(entered.find(|digest| {
            self.forests.find(Forests::MAIN, digest).is_none()
                && self.forests.answer(digest).is_none()
        }))
    }

    /// Installs an instance, wires one, tells the commitment of its component, or adopts its calls.
    ///
    /// # Errors
    /// If the address is no word's, or as [`Instances::install`], [`Instances::wire`],
    /// [`Instances::tell_component`] and [`Instances::adopt`].
    fn access_instances(&mut self, row: IntrinsicRow) -> OpResult {
        let inputs = [0, 1, 2].map(|position| self.stack.get(position));
        let by = self.calling();
        // Two of them name a word of the caller's memory.
        let word = match row.call.intrinsic {
            Intrinsic::Wire | Intrinsic::Adopt => None,
            _ => Some(self.fetch_word(inputs[0])?),
        };
        let Some(instances) = &mut self.instances else {
            return Ok(());
        };
        let op = match (row.call.intrinsic, word) {
            (intrinsic, Some((address, commitment))) => match Form::of(intrinsic, address) {
                Some(form) => {
                    let component = instances.component(form, commitment, &self.advice)?;
                    instances.install(component, address, by)?
                }
                None => instances.tell_component(inputs[1], address)?,
            },
            (Intrinsic::Adopt, None) => instances.adopt(inputs[0], by)?,
            (_, None) => instances.wire([inputs[0], inputs[1]], by)?,
        };
        let (resource, output) = match &op {
            InstanceOp::Install { first, handle, .. } => (*first, handle.output),
            InstanceOp::Wire { .. } => (0, ZERO),
            InstanceOp::Adopt { index, .. } => (0, Felt::from(*index)),
            InstanceOp::Tell {
                address,
                commitment,
                ..
            } => {
                let slot = self.memory.open(self.context);
                self.memory.write_word(slot, *address, *commitment)?;
                (0, ZERO)
            }
        };
        let adopted = match op {
            InstanceOp::Adopt { index, .. } => Some(index),
            _ => None,
        };
        if T::ENABLED {
            self.row(RowKind::Intrinsic(IntrinsicRow { resource, ..row }));
            self.tracer.instances(&InstanceAccess {
                clk: self.clk,
                context: self.context,
                home: self.home,
                marks: self.marks,
                inputs,
                output,
                op,
            });
        }
        self.adopted = adopted.or(self.adopted);
        self.stack.set(0, output);
        self.advance()
    }

    /// Tells the running instance the id of the context that called in.
    ///
    /// # Errors
    /// If the limit of cycles is reached.
    fn tell_caller(&mut self, row: IntrinsicRow) -> OpResult {
        let instances = self.instances.as_ref();
        let state = instances.map_or_else(Default::default, Instances::state);
        if T::ENABLED {
            self.row(RowKind::Intrinsic(IntrinsicRow {
                state: Some(state),
                ..row
            }));
        }
        // Who runs was entered, the root by itself.
        let caller = state.entered_by.unwrap_or(ContextId::ROOT);
        self.stack.set(0, Felt::new(caller.as_u64()));
        self.advance()
    }

    /// Puts all of the stack but its top one or two out of reach.
    ///
    /// # Errors
    /// If too many stacks are saved.
    fn save_stack(&mut self, row: IntrinsicRow) -> OpResult {
        let max = self.options.limits().call_depth;
        if self.stack.saved() >= max {
            return Err(Box::new(Trap::LimitExceeded {
                limit: "saved stacks",
                max: max as u64,
            }));
        }
        if T::ENABLED {
            self.row(RowKind::Intrinsic(row));
        }
        let seen = 1 + usize::from(row.call.intrinsic.argument());
        self.stack.save(seen, self.clk);
        self.advance()
    }

    /// Puts back below the top what was saved last.
    ///
    /// # Errors
    /// If nothing was, or there are elements beyond the least depth that came after it.
    fn restore_stack(&mut self, row: IntrinsicRow) -> OpResult {
        let depth = self.stack.depth();
        if depth > MIN_STACK_DEPTH {
            return Err(Box::new(Trap::InvalidStackDepthOnRestore { depth }));
        }
        if !self.stack.has_saved() {
            return Err(Box::new(Trap::NothingSaved));
        }
        if T::ENABLED {
            self.row(RowKind::Intrinsic(row));
        }
        self.stack.restore();
        self.advance()
    }

    /// Reads or writes the memory of some context for the kernel.
    ///
    /// # Errors
    /// If the address is out of bounds, or the context was never created.
    fn access_for_kernel(&mut self, row: IntrinsicRow, is_write: bool) -> OpResult {
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
        let (word, output) = if is_write {
            let word = self.memory.write_element(slot, address, inputs[2])?;
            (word, ZERO)
        } else {
            let word = self.memory.read(slot, address)?;
            (word, word[address as usize % 4])
        };
        if T::ENABLED {
            self.row(RowKind::Intrinsic(row));
            self.tracer.kernel_memory(&KernelAccess {
                clk: self.clk,
                is_write,
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
