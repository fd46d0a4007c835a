//! The operand stack as the compiler knows it: which slot holds what.

use std::collections::BTreeMap;

use crate::ir::{Set, Val, Var};

/// The name of a slot. It stays the same wherever the slot moves.
pub(crate) type SlotId = u32;

/// Where a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Loc {
    Const(u32),
    Slot(SlotId),
    /// A cell in memory.
    Cell(u32),
}

/// The contents of the stack, as far as the function put them there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Machine {
    /// From the bottom to the top.
    pub(crate) slots: Vec<SlotId>,
    /// Where variables are that are not in cells; those that are nowhere are zero.
    pub(crate) vars: BTreeMap<Var, Loc>,
    pub(crate) vals: BTreeMap<Val, Loc>,
    /// The number of variables and values that a slot holds; none if it is not there.
    holders: BTreeMap<SlotId, u32>,
    fresh: SlotId,
}

impl Machine {
    pub(crate) fn new_slot(&mut self) -> SlotId {
        self.fresh += 1;
        self.fresh
    }

    pub(crate) fn is_held(&self, slot: SlotId) -> bool {
        self.holders.contains_key(&slot)
    }

    pub(crate) fn hold(&mut self, loc: Loc) {
        if let Loc::Slot(slot) = loc {
            *self.holders.entry(slot).or_insert(0) += 1;
        }
    }

    pub(crate) fn release(&mut self, loc: Loc) {
        if let Loc::Slot(slot) = loc
            && let Some(count) = self.holders.get_mut(&slot)
        {
            *count -= 1;
            if *count == 0 {
                self.holders.remove(&slot);
            }
        }
    }

    pub(crate) fn set_var(&mut self, var: Var, loc: Loc) {
        self.hold(loc);
        if let Some(old) = self.vars.insert(var, loc) {
            self.release(old);
        }
    }

    pub(crate) fn forget_var(&mut self, var: Var) {
        if let Some(old) = self.vars.remove(&var) {
            self.release(old);
        }
    }

    /// Forgets the variables that are not in the set.
    pub(crate) fn keep(&mut self, live: &Set) {
        let dead: Vec<Var> = self
            .vars
            .keys()
            .copied()
            .filter(|var| !live.contains(*var))
            .collect();
        for var in dead {
            self.forget_var(var);
        }
    }

    /// A stack with these variables, from the bottom to the top.
    pub(crate) fn with_layout(&self, layout: &[Var]) -> Self {
        let mut machine = Self {
            fresh: self.fresh,
            ..Self::default()
        };
        for var in layout {
            let slot = machine.new_slot();
            machine.slots.push(slot);
            machine.set_var(*var, Loc::Slot(slot));
        }
        machine
    }

    /// Returns the number of slots that stand above this one.
    pub(crate) fn depth(&self, slot: SlotId) -> Option<usize> {
        let above = self.slots.iter().rev();
        above.clone().position(|found| *found == slot)
    }
}
