//! From [ir](crate::ir) to Miden assembly.
//!
//! Values stay where they are computed; only where paths meet they are brought into one order. A branch
//! becomes a choice: what follows is the other arm. Where both arms of a choice go on, and one of them may
//! leave for elsewhere too, a flag on the stack says which way it went, so that no code is there twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use crate::{
    facts::FunctionFacts,
    ir::{Arg, Arm, Body, Decided, Label, Node, Op, Set, Var},
    layout::Layout,
    machine::{Loc, Machine, SlotId},
    permute::{Item, Known, Move, moves},
};

/// Assembly, and for each line of it the place in the module of the instruction that it comes from; 0 if
/// it comes from none.
#[derive(Debug, Default)]
pub(crate) struct Code {
    pub(crate) text: String,
    pub(crate) offsets: Vec<u64>,
}

impl Code {
    /// Adds whole lines.
    pub(crate) fn push(&mut self, lines: &str, offset: u64) {
        self.text.push_str(lines);
        let count = lines.bytes().filter(|byte| *byte == b'\n').count();
        self.offsets.resize(self.offsets.len() + count, offset);
    }

    pub(crate) fn append(&mut self, mut other: Self) {
        self.text.push_str(&other.text);
        self.offsets.append(&mut other.offsets);
    }

    fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
}

/// Where a path leads: what is done there is the same.
type Class = u32;

/// A variable that stands for the class that a path leads to.
const FLAG: Var = u32::MAX;

/// A variable that says whether a loop goes on.
const CONTINUE: Var = u32::MAX - 1;

/// Blocks that are open at one time in a procedure; what is nested deeper is a procedure of its own.
const OPEN_BLOCKS: usize = 60;

/// Sequences of nodes that are open at one time.
const RECURSION: usize = 4_000;

/// Why a function could not be emitted.
pub(crate) enum Failure {
    /// A value is out of reach; these variables would better be in cells.
    Reach(Vec<Var>),
    /// A value is out of reach, and there is no variable that could be put elsewhere.
    Pressure,
    /// Blocks are nested too deep.
    Nesting,
}

type Emitted<T = ()> = Result<T, Failure>;

/// The way in which a call is done.
#[derive(Debug, Clone)]
pub(crate) enum Way {
    /// The procedure, executed in place.
    Exec(String),
    /// The digest in memory, because the procedure cannot name itself.
    Memory(u32),
    /// An entry of a table.
    Indirect { table: u32, ty: u32 },
}

/// The questions that emission asks of the module.
pub(crate) trait Calls {
    fn way(&self, op: &Op) -> Way;

    /// Returns `true` if the call is one of those that are counted, since there is no end to them
    /// otherwise.
    fn is_counted(&self, op: &Op) -> bool;
}

/// The state on which all paths that meet agree.
struct Meeting {
    /// The classes that they can lead to.
    classes: Vec<Class>,
    /// Of a loop's body: the class that is its next round.
    again: Option<Class>,
    live: Set,
    /// The variables on the stack, from the bottom to the top; decided by the first path that arrives.
    layout: Decided<Vec<Var>>,
}

impl Meeting {
    /// Returns `true` if a flag says where a path leads, among several.
    fn is_flagged(&self) -> bool {
        self.exits() > 1
    }

    fn exits(&self) -> usize {
        self.classes.len() - usize::from(self.again.is_some())
    }
}

/// Where paths lead from a place.
#[derive(Clone)]
struct Context {
    /// The class of the end of the nodes.
    fall: Class,
    labels: BTreeMap<Label, Class>,
    meeting: Rc<Meeting>,
}

/// Nodes, and what comes after them.
struct Work<'b, 'w> {
    nodes: &'b [Node],
    next: Option<&'w Work<'b, 'w>>,
}

impl Work<'_, '_> {
    fn is_empty(&self) -> bool {
        self.nodes.is_empty() && self.next.is_none_or(Self::is_empty)
    }
}

/// Emits one function.
pub(crate) struct Emitter<'e> {
    pub(crate) name: String,
    pub(crate) layout: &'e Layout,
    pub(crate) facts: &'e FunctionFacts,
    pub(crate) calls: &'e dyn Calls,
    /// The variables that are in memory, and where.
    pub(crate) cells: BTreeMap<Var, u32>,
    /// The weights by which variables are put into memory: those of the least weight first.
    pub(crate) weights: &'e [u64],
    pub(crate) known: &'e mut Known,
    pub(crate) runtime: &'e mut BTreeSet<&'static str>,
    machine: Machine,
    uses: Vec<u32>,
    code: Code,
    parts: Vec<Code>,
    /// The place in the module of the instruction that is emitted.
    offset: u64,
    open: usize,
    recursion: usize,
    lives: BTreeMap<Class, Rc<Set>>,
    classes: Class,
}

impl<'e> Emitter<'e> {
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn new(
        name: String,
        layout: &'e Layout,
        facts: &'e FunctionFacts,
        calls: &'e dyn Calls,
        cells: BTreeMap<Var, u32>,
        weights: &'e [u64],
        known: &'e mut Known,
        runtime: &'e mut BTreeSet<&'static str>,
        uses: Vec<u32>,
    ) -> Self {
        Self {
            name,
            layout,
            facts,
            calls,
            cells,
            weights,
            known,
            runtime,
            machine: Machine::default(),
            uses,
            code: Code::default(),
            parts: Vec::new(),
            offset: 0,
            open: 0,
            recursion: 0,
            lives: BTreeMap::new(),
            classes: 1 << 20,
        }
    }

    /// The procedure, and those that it is split into.
    pub(crate) fn function(mut self, body: &Body) -> Emitted<Code> {
        self.machine = Machine::default().with_layout(&body.params);
        for param in body.params.iter().rev() {
            if let Some(cell) = self.cells.get(param).copied()
                && let Some(Loc::Slot(slot)) = self.machine.vars.get(param).copied()
            {
                self.machine.forget_var(*param);
                if body.entry.contains(*param) {
                    self.up(slot)?;
                    self.line(format!("mem_store.{cell}"));
                    self.machine.slots.pop();
                }
            }
        }
        let zeroed: Vec<u32> = self
            .cells
            .iter()
            .filter(|(var, _)| body.entry.contains(**var) && !body.params.contains(var))
            .map(|(_, cell)| *cell)
            .collect();
        for cell in zeroed {
            self.line(format!("push.0 mem_store.{cell}"));
        }
        self.machine.keep(&body.entry);
        self.sweep();
        let mut live = Set::default();
        body.results.iter().for_each(|var| live.insert(*var));
        let end = self.class(Rc::new(live.clone()));
        let meeting = Meeting {
            classes: vec![end],
            again: None,
            live,
            layout: Decided::new(Some(body.results.clone())),
        };
        let context = Context {
            fall: end,
            labels: BTreeMap::new(),
            meeting: Rc::new(meeting),
        };
        self.run(&body.nodes, None, &context)?;
        let mut code = Code::default();
        self.parts.push(std::mem::take(&mut self.code));
        let last = self.parts.len() - 1;
        for (index, part) in self.parts.into_iter().enumerate() {
            let name = match index == last {
                true => self.name.clone(),
                false => format!("{}__{index}", self.name),
            };
            code.push(&format!("pub proc {name}\n"), 0);
            if part.is_empty() {
                code.push("    nop\n", 0);
            }
            code.append(part);
            code.push("end\n\n", 0);
        }
        Ok(code)
    }

    fn class(&mut self, live: Rc<Set>) -> Class {
        self.classes += 1;
        self.lives.insert(self.classes, live);
        self.classes
    }

    fn line(&mut self, line: impl AsRef<str>) {
        let indent = "    ".repeat(self.open.min(12) + 1);
        self.code
            .push(&format!("{indent}{}\n", line.as_ref()), self.offset);
    }

    // THE STACK

    fn reach(&self) -> Failure {
        let mut found: Vec<Var> = self
            .machine
            .vars
            .iter()
            .filter(|(var, loc)| **var < CONTINUE && matches!(loc, Loc::Slot(_)))
            .map(|(var, _)| *var)
            .collect();
        if found.is_empty() {
            return Failure::Pressure;
        }
        let held = found.len();
        found.sort_by_key(|var| self.weights.get(*var as usize).copied().unwrap_or(0));
        found.truncate(held.saturating_sub(13).max(1));
        Failure::Reach(found)
    }

    fn up(&mut self, slot: SlotId) -> Emitted {
        let depth = self.machine.depth(slot).ok_or(Failure::Pressure)?;
        if depth > 15 {
            return Err(self.reach());
        }
        match depth {
            0 => return Ok(()),
            1 => self.line("swap"),
            depth => self.line(format!("movup.{depth}")),
        }
        let index = self.machine.slots.len() - 1 - depth;
        let slot = self.machine.slots.remove(index);
        self.machine.slots.push(slot);
        Ok(())
    }

    fn dup(&mut self, slot: SlotId) -> Emitted {
        let depth = self.machine.depth(slot).ok_or(Failure::Pressure)?;
        if depth > 15 {
            return Err(self.reach());
        }
        self.line(format!("dup.{depth}"));
        let copy = self.machine.new_slot();
        self.machine.slots.push(copy);
        Ok(())
    }

    fn push(&mut self, value: u64) {
        self.line(format!("push.{value}"));
        let slot = self.machine.new_slot();
        self.machine.slots.push(slot);
    }

    /// Drops what nobody needs from the top.
    fn sweep(&mut self) {
        while let Some(top) = self.machine.slots.last()
            && !self.machine.is_held(*top)
        {
            self.machine.slots.pop();
            self.line("drop");
        }
    }

    fn loc(&self, arg: Arg) -> Loc {
        match arg {
            Arg::Const(value) => Loc::Const(value),
            Arg::Val(val) => self
                .machine
                .vals
                .get(&val)
                .copied()
                .unwrap_or(Loc::Const(0)),
            Arg::Var(var, _) => match self.cells.get(&var) {
                Some(cell) => Loc::Cell(*cell),
                None => self
                    .machine
                    .vars
                    .get(&var)
                    .copied()
                    .unwrap_or(Loc::Const(0)),
            },
        }
    }

    /// The operand is used, for the last time perhaps.
    fn release(&mut self, arg: Arg) {
        match arg {
            Arg::Var(var, true) => self.machine.forget_var(var),
            Arg::Val(val) => {
                let uses = &mut self.uses[val as usize];
                *uses = uses.saturating_sub(1);
                if *uses == 0
                    && let Some(loc) = self.machine.vals.remove(&val)
                {
                    self.machine.release(loc);
                }
            }
            _ => {}
        }
    }

    /// Brings operands to the top, in the cheapest of the given orders; the last one ends up on top.
    /// They are taken off the known stack.
    fn arrange(&mut self, args: &[Arg], orders: &[&[usize]]) -> Emitted<usize> {
        let locs: Vec<Loc> = args.iter().map(|arg| self.loc(*arg)).collect();
        for arg in args {
            self.release(*arg);
        }
        let mut best: Option<(usize, usize, usize)> = None;
        for (number, order) in orders.iter().enumerate() {
            let (there, cost) = self.plan(&locs, order);
            if best.is_none_or(|(least, ..)| cost < least) {
                best = Some((cost, number, there));
            }
        }
        let Some((_, number, there)) = best else {
            return Ok(0);
        };
        let order = orders[number];
        for (place, index) in order.iter().enumerate().skip(there) {
            match locs[*index] {
                Loc::Const(value) => self.push(u64::from(value)),
                Loc::Cell(cell) => {
                    self.line(format!("mem_load.{cell}"));
                    let slot = self.machine.new_slot();
                    self.machine.slots.push(slot);
                }
                Loc::Slot(slot) => {
                    let later = order[place + 1..]
                        .iter()
                        .any(|other| locs[*other] == Loc::Slot(slot));
                    if self.machine.is_held(slot) || later {
                        self.dup(slot)?;
                    } else {
                        self.up(slot)?;
                    }
                }
            }
        }
        let rest = self.machine.slots.len() - order.len();
        self.machine.slots.truncate(rest);
        Ok(number)
    }

    /// Returns the number of operands that are in place already, and what it costs to bring the
    /// others.
    fn plan(&self, locs: &[Loc], order: &[usize]) -> (usize, usize) {
        let slots = &self.machine.slots;
        let free = |index: usize| match locs[index] {
            Loc::Slot(slot) if !self.machine.is_held(slot) => {
                let uses = order.iter().filter(|i| locs[**i] == locs[index]).count();
                (uses == 1).then_some(slot)
            }
            _ => None,
        };
        let mut there = 0;
        for count in (1..=order.len().min(slots.len())).rev() {
            let top = &slots[slots.len() - count..];
            if top
                .iter()
                .zip(order)
                .all(|(slot, index)| free(*index) == Some(*slot))
            {
                there = count;
                break;
            }
        }
        let mut stack = slots.clone();
        let mut cost = 0;
        for index in &order[there..] {
            cost += match locs[*index] {
                Loc::Const(_) => 1,
                Loc::Cell(_) => 2,
                Loc::Slot(slot) => {
                    let depth = stack.iter().rev().position(|s| *s == slot).unwrap_or(16);
                    if free(*index).is_some() {
                        let place = stack.len().saturating_sub(depth + 1);
                        let slot = stack.remove(place);
                        stack.push(slot);
                        match depth {
                            0 => 0,
                            1..=8 => 1,
                            _ => 4,
                        }
                    } else {
                        stack.push(0);
                        match depth {
                            0..=7 | 9 | 11 | 13 | 15 => 1,
                            _ => 3,
                        }
                    }
                }
            };
            if !matches!(locs[*index], Loc::Slot(_)) {
                stack.push(0);
            }
        }
        (there, cost)
    }

    /// The results of an instruction are on the stack, the last on top.
    fn results(&mut self, results: &[u32]) {
        for val in results {
            let slot = self.machine.new_slot();
            self.machine.slots.push(slot);
            if self.uses[*val as usize] > 0 {
                self.machine.vals.insert(*val, Loc::Slot(slot));
                self.machine.hold(Loc::Slot(slot));
            }
        }
        self.sweep();
    }

    fn set(&mut self, var: Var, arg: Arg, dead: bool) -> Emitted {
        if dead {
            self.release(arg);
            self.sweep();
            return Ok(());
        }
        if let Some(cell) = self.cells.get(&var).copied() {
            self.arrange(&[arg], &[&[0]])?;
            self.line(format!("mem_store.{cell}"));
            self.sweep();
            return Ok(());
        }
        let mut loc = self.loc(arg);
        if let Loc::Cell(cell) = loc {
            self.line(format!("mem_load.{cell}"));
            let slot = self.machine.new_slot();
            self.machine.slots.push(slot);
            loc = Loc::Slot(slot);
        }
        self.machine.set_var(var, loc);
        if !matches!(arg, Arg::Var(same, _) if same == var) {
            self.release(arg);
        }
        self.sweep();
        Ok(())
    }

    // WHERE PATHS MEET

    /// The path leads to `class`: everything is brought into the order that was agreed on.
    fn finish(&mut self, class: Class, context: &Context) -> Emitted {
        let meeting = context.meeting.clone();
        if let Some(again) = meeting.again {
            let goes_on = Loc::Const(u32::from(class == again));
            self.machine.set_var(CONTINUE, goes_on);
            if meeting.is_flagged() {
                self.machine.set_var(FLAG, Loc::Const(class));
            }
        } else if meeting.is_flagged() {
            let flag = match meeting.classes.len() {
                2 => u32::from(class == meeting.classes[0]),
                _ => class,
            };
            self.machine.set_var(FLAG, Loc::Const(flag));
        }
        self.meet(&meeting)
    }

    /// The path leads to one of several classes; the flag says to which, by its number.
    fn finish_several(&mut self, classes: &[Class], context: &Context) -> Emitted {
        if let [class] = classes {
            self.machine.forget_var(FLAG);
            self.sweep();
            return self.finish(*class, context);
        }
        let meeting = context.meeting.clone();
        let compare = |this: &mut Self, class: Class, last: bool, into: Var| -> Emitted {
            this.arrange(&[Arg::Var(FLAG, last), Arg::Const(class)], &[&[0, 1]])?;
            this.line("eq");
            let slot = this.machine.new_slot();
            this.machine.slots.push(slot);
            this.machine.set_var(into, Loc::Slot(slot));
            Ok(())
        };
        if let Some(again) = meeting.again {
            let keep = meeting.is_flagged();
            if classes.contains(&again) {
                compare(self, again, !keep, CONTINUE)?;
            } else {
                self.machine.set_var(CONTINUE, Loc::Const(0));
            }
            if !keep {
                self.machine.forget_var(FLAG);
            }
        } else if meeting.classes.len() == 2 {
            compare(self, meeting.classes[0], true, FLAG)?;
        }
        self.meet(&meeting)
    }

    fn meet(&mut self, meeting: &Meeting) -> Emitted {
        let decided = meeting.layout.borrow().clone();
        let layout = match decided {
            Some(layout) => layout,
            None => {
                let layout = self.natural(meeting);
                *meeting.layout.borrow_mut() = Some(layout.clone());
                layout
            }
        };
        self.order(&layout)
    }

    /// The variables of a meeting in the order in which they stand now.
    fn natural(&self, meeting: &Meeting) -> Vec<Var> {
        let mut wanted: BTreeSet<Var> = meeting
            .live
            .iter()
            .filter(|var| !self.cells.contains_key(var))
            .collect();
        let mut layout = Vec::new();
        for slot in &self.machine.slots {
            let held = self.machine.vars.iter();
            let first = held
                .filter(|(var, loc)| **loc == Loc::Slot(*slot) && wanted.contains(var))
                .map(|(var, _)| *var)
                .next();
            if let Some(var) = first {
                wanted.remove(&var);
                layout.push(var);
            }
        }
        layout.extend(wanted);
        if meeting.is_flagged() {
            layout.push(FLAG);
        }
        if meeting.again.is_some() {
            layout.push(CONTINUE);
        }
        layout
    }

    /// The same layout, with what a loop does not touch at the bottom, and what it changes on top.
    fn for_loop(&self, mut layout: Vec<Var>, body: &[Node]) -> Vec<Var> {
        let (mut used, mut changed) = (Set::default(), Set::default());
        touched(body, &mut used, &mut changed);
        layout.sort_by_key(|var| match *var {
            var if var >= CONTINUE => 3,
            var if changed.contains(var) => 2,
            var if used.contains(var) => 1,
            _ => 0,
        });
        layout
    }

    /// Brings the stack into the order of a layout, and nothing else on it.
    fn order(&mut self, layout: &[Var]) -> Emitted {
        let wanted: Vec<Loc> = layout.iter().map(|var| self.loc(Arg::var(*var))).collect();
        let slots = self.machine.slots.clone();
        let same = slots
            .iter()
            .zip(&wanted)
            .take_while(|(slot, loc)| **loc == Loc::Slot(**slot))
            .count();
        let items: Vec<SlotId> = {
            let mut items: Vec<SlotId> = Vec::new();
            for loc in &wanted {
                if let Loc::Slot(slot) = loc
                    && !items.contains(slot)
                {
                    items.push(*slot);
                }
            }
            items
        };
        let item = |slot: SlotId| match items.iter().position(|found| *found == slot) {
            Some(index) => Item::Slot(index as u8),
            None => Item::Garbage,
        };
        // A slot below that is needed again above has to be copied from there.
        let mut start = same;
        for loc in &wanted[same..] {
            if let Loc::Slot(slot) = loc
                && let Some(below) = slots[..same].iter().position(|found| found == slot)
            {
                start = start.min(below);
            }
        }
        let from: Vec<Item> = slots[start..].iter().map(|slot| item(*slot)).collect();
        let to: Vec<Item> = wanted[start..]
            .iter()
            .map(|loc| match loc {
                Loc::Const(value) => Item::Const(*value),
                Loc::Cell(cell) => Item::Cell(*cell),
                Loc::Slot(slot) => item(*slot),
            })
            .collect();
        // Numbers in the order in which they are wanted make equal problems look equal.
        let mut numbers: BTreeMap<Item, Item> = BTreeMap::new();
        for item in to.iter().chain(&from) {
            if matches!(item, Item::Slot(_)) && !numbers.contains_key(item) {
                let number = Item::Slot(numbers.len() as u8);
                numbers.insert(*item, number);
            }
        }
        let renamed = |items: &[Item]| -> Vec<Item> {
            let name = |item: &Item| numbers.get(item).copied().unwrap_or(*item);
            items.iter().map(name).collect()
        };
        let steps = moves(&renamed(&from), &renamed(&to), self.known);
        for step in steps {
            match step {
                Move::Up(depth) | Move::Down(depth) | Move::Dup(depth) if depth > 15 => {
                    return Err(self.reach());
                }
                Move::Up(1) => self.line("swap"),
                Move::Up(depth) => self.line(format!("movup.{depth}")),
                Move::Down(depth) => self.line(format!("movdn.{depth}")),
                Move::Dup(depth) => self.line(format!("dup.{depth}")),
                Move::Drop => self.line("drop"),
                Move::Push(value) => self.line(format!("push.{value}")),
                Move::Cell(cell) => self.line(format!("mem_load.{cell}")),
            }
        }
        self.machine = self.machine.with_layout(layout);
        Ok(())
    }

    /// The stack where the paths of a meeting have come together; whether any path has come at all.
    fn joined(&mut self, meeting: &Meeting) -> bool {
        let layout = meeting.layout.borrow();
        let Some(layout) = layout.as_ref() else {
            return false;
        };
        self.machine = self.machine.with_layout(layout);
        true
    }

    // CONTROL FLOW

    fn meeting(&self, classes: Vec<Class>, again: Option<Class>) -> Meeting {
        let mut live = Set::default();
        for class in &classes {
            if let Some(more) = self.lives.get(class) {
                live.extend(more);
            }
        }
        Meeting {
            classes,
            again,
            live,
            layout: Decided::default(),
        }
    }

    fn run<'b>(
        &mut self,
        nodes: &'b [Node],
        next: Option<&Work<'b, '_>>,
        context: &Context,
    ) -> Emitted {
        self.recursion += 1;
        if self.recursion > RECURSION {
            return Err(Failure::Nesting);
        }
        let done = self.nodes(nodes, next, context);
        self.recursion -= 1;
        done
    }

    fn nodes<'b>(
        &mut self,
        nodes: &'b [Node],
        next: Option<&Work<'b, '_>>,
        context: &Context,
    ) -> Emitted {
        for (index, node) in nodes.iter().enumerate() {
            let rest = Work {
                nodes: &nodes[index + 1..],
                next,
            };
            let goes_on = !rest.is_empty();
            match node {
                Node::Inst(inst) => self.inst(inst)?,
                Node::Set(var, arg, dead) => self.set(*var, *arg, *dead)?,
                Node::Exit(label) => return self.finish(context.labels[label], context),
                Node::Trap(name, offset) => {
                    self.offset = *offset;
                    self.line(format!("push.0 assert.err=\"wasm: {name}\""));
                    return Ok(());
                }
                Node::If {
                    cond,
                    then,
                    els,
                    after,
                } => {
                    let falls = (then.flow.falls, els.flow.falls);
                    if !goes_on || falls == (false, false) {
                        return self.choice(*cond, then, els, (None, None), context);
                    }
                    if falls != (true, true) {
                        let after = Some(&rest);
                        let next = match falls.0 {
                            true => (after, None),
                            false => (None, after),
                        };
                        return self.choice(*cond, then, els, next, context);
                    }
                    let joined = self.class(after.clone());
                    let mut classes = vec![joined];
                    self.exits(&then.flow.exits, context, &mut classes);
                    self.exits(&els.flow.exits, context, &mut classes);
                    let inner = Context {
                        fall: joined,
                        labels: context.labels.clone(),
                        meeting: Rc::new(self.meeting(classes, None)),
                    };
                    self.choice(*cond, then, els, (None, None), &inner)?;
                    if self.go_on(&inner.meeting, joined, &rest, after, context)? {
                        continue;
                    }
                    return Ok(());
                }
                Node::Scope { label, body, after } => {
                    let mut inner = context.clone();
                    if !goes_on {
                        inner.labels.insert(*label, context.fall);
                        return self.run(&body.nodes, None, &inner);
                    }
                    let joined = self.class(after.clone());
                    inner.labels.insert(*label, joined);
                    inner.fall = joined;
                    let mut classes = vec![joined];
                    self.exits(&body.flow.exits, &inner, &mut classes);
                    inner.meeting = Rc::new(self.meeting(classes, None));
                    self.run(&body.nodes, None, &inner)?;
                    if self.go_on(&inner.meeting, joined, &rest, after, context)? {
                        continue;
                    }
                    return Ok(());
                }
                Node::Loop { label, body, after } => {
                    let again = self.class(body.live.clone());
                    let mut inner = context.clone();
                    inner.labels.insert(*label, again);
                    let mut classes = Vec::new();
                    let joined = match goes_on {
                        true => self.class(after.clone()),
                        false => context.fall,
                    };
                    inner.fall = joined;
                    if body.flow.falls {
                        classes.push(joined);
                    }
                    self.exits(&body.flow.exits, &inner, &mut classes);
                    if !classes.contains(&again) {
                        classes.push(again);
                    }
                    let meeting = self.meeting(classes, Some(again));
                    let mut layout = self.for_loop(self.natural(&meeting), &body.nodes);
                    *meeting.layout.borrow_mut() = Some(layout.clone());
                    layout.pop();
                    let meeting = Rc::new(meeting);
                    inner.meeting = meeting.clone();
                    self.order(&layout)?;
                    self.line("push.1");
                    self.line("while.true");
                    self.open += 1;
                    self.machine.keep(&body.live);
                    self.sweep();
                    self.part(|this| this.run(&body.nodes, None, &inner))?;
                    self.open -= 1;
                    self.line("end");
                    self.machine = self.machine.with_layout(&layout);
                    let exits: Vec<Class> = meeting
                        .classes
                        .iter()
                        .copied()
                        .filter(|class| *class != again)
                        .collect();
                    if exits.is_empty() {
                        return Ok(());
                    }
                    if goes_on && exits == [joined] {
                        self.machine.keep(after);
                        self.sweep();
                        continue;
                    }
                    if goes_on && exits.contains(&joined) {
                        return self.dispatch_numbered(&exits, joined, &rest, after, context);
                    }
                    self.keep_for(&exits);
                    return match exits.as_slice() {
                        [class] => self.finish(*class, context),
                        _ => self.finish_several(&exits, context),
                    };
                }
            }
        }
        match next {
            Some(work) => self.run(work.nodes, work.next, context),
            None => self.finish(context.fall, context),
        }
    }

    /// Adds the classes of labels.
    fn exits(&self, exits: &BTreeSet<Label>, context: &Context, classes: &mut Vec<Class>) {
        for label in exits {
            if let Some(class) = context.labels.get(label)
                && !classes.contains(class)
            {
                classes.push(*class);
            }
        }
    }

    /// Forgets what is needed for none of the classes.
    fn keep_for(&mut self, classes: &[Class]) {
        let mut live = Set::default();
        for class in classes {
            if let Some(more) = self.lives.get(class) {
                live.extend(more);
            }
        }
        let flag = self.machine.vars.get(&FLAG).copied();
        if let Some(flag) = flag {
            self.machine.hold(flag);
        }
        self.machine.keep(&live);
        if let Some(flag) = flag {
            self.machine.set_var(FLAG, flag);
            self.machine.release(flag);
        }
        self.sweep();
    }

    /// Goes on behind a block whose paths have come together, if any has; returns `true` if all of them lead to
    /// the next node, which is left to the caller.
    fn go_on(
        &mut self,
        meeting: &Meeting,
        joined: Class,
        rest: &Work<'_, '_>,
        after: &Set,
        context: &Context,
    ) -> Emitted<bool> {
        if !self.joined(meeting) {
            return Ok(false);
        }
        if meeting.is_flagged() {
            self.dispatch(&meeting.classes, joined, rest, after, context)?;
            return Ok(false);
        }
        self.machine.keep(after);
        self.sweep();
        Ok(true)
    }

    /// Goes on where paths have come together that lead to `joined` and elsewhere.
    fn dispatch(
        &mut self,
        classes: &[Class],
        joined: Class,
        rest: &Work<'_, '_>,
        after: &Set,
        context: &Context,
    ) -> Emitted {
        if classes.len() > 2 {
            return self.dispatch_numbered(classes, joined, rest, after, context);
        }
        let others: Vec<Class> = classes.iter().copied().filter(|c| *c != joined).collect();
        self.arrange(&[Arg::Var(FLAG, true)], &[&[0]])?;
        self.fork(rest, after, &others, context, false)
    }

    /// The same, where the flag is the class's number.
    fn dispatch_numbered(
        &mut self,
        classes: &[Class],
        joined: Class,
        rest: &Work<'_, '_>,
        after: &Set,
        context: &Context,
    ) -> Emitted {
        let others: Vec<Class> = classes.iter().copied().filter(|c| *c != joined).collect();
        let single = others.len() == 1;
        let flag = Arg::Var(FLAG, single);
        self.arrange(&[flag, Arg::Const(joined)], &[&[0, 1]])?;
        self.line("eq");
        self.fork(rest, after, &others, context, !single)
    }

    /// The top says whether the path goes on with `rest`, or leads to one of the others.
    fn fork(
        &mut self,
        rest: &Work<'_, '_>,
        after: &Set,
        others: &[Class],
        context: &Context,
        numbered: bool,
    ) -> Emitted {
        let before = self.machine.clone();
        self.line("if.true");
        self.open += 1;
        self.part(|this| {
            this.machine.keep(after);
            this.sweep();
            this.run(rest.nodes, rest.next, context)
        })?;
        self.open -= 1;
        self.line("else");
        self.machine = before;
        self.open += 1;
        self.part(|this| {
            this.keep_for(others);
            match (others, numbered) {
                ([class], false) => this.finish(*class, context),
                _ => this.finish_several(others, context),
            }
        })?;
        self.open -= 1;
        self.line("end");
        self.joined(&context.meeting);
        Ok(())
    }

    /// Emits what is in a block, as a procedure of its own if it is nested deep.
    fn part(&mut self, emit: impl FnOnce(&mut Self) -> Emitted) -> Emitted {
        if self.open < OPEN_BLOCKS {
            let before = self.code.text.len();
            emit(self)?;
            if self.code.text.len() == before {
                self.line("nop");
            }
            return Ok(());
        }
        let code = std::mem::take(&mut self.code);
        let open = std::mem::take(&mut self.open);
        emit(self)?;
        let part = std::mem::replace(&mut self.code, code);
        self.open = open;
        if part.is_empty() {
            self.line("nop");
        } else {
            let line = format!("exec.{}__{}", self.name, self.parts.len());
            self.parts.push(part);
            self.line(line);
        }
        Ok(())
    }

    /// The class of an arm that does nothing but lead somewhere.
    fn plain(arm: &Arm, goes_on: bool, context: &Context) -> Option<Class> {
        match arm.nodes.as_slice() {
            [] if !goes_on => Some(context.fall),
            [Node::Exit(label)] => context.labels.get(label).copied(),
            _ => None,
        }
    }

    fn choice<'b>(
        &mut self,
        cond: Arg,
        then: &'b Arm,
        els: &'b Arm,
        next: (Option<&Work<'b, '_>>, Option<&Work<'b, '_>>),
        context: &Context,
    ) -> Emitted {
        let is_truth = self.facts.of(cond).max <= 1;
        let plain = (
            Self::plain(then, next.0.is_some(), context),
            Self::plain(els, next.1.is_some(), context),
        );
        if let (Some(first), Some(second)) = plain
            && self.flagged(cond, is_truth, first, second, context)?
        {
            return Ok(());
        }
        self.arrange(&[cond], &[&[0]])?;
        let arms = match is_truth {
            true => [(then, next.0), (els, next.1)],
            false => {
                self.line("eq.0");
                [(els, next.1), (then, next.0)]
            }
        };
        let before = self.machine.clone();
        for (index, (arm, next)) in arms.into_iter().enumerate() {
            self.line(if index == 0 { "if.true" } else { "else" });
            self.machine = before.clone();
            self.open += 1;
            self.part(|this| {
                // What comes after the arm is alive in it: it was when the arm's life was found.
                this.machine.keep(&arm.live);
                this.sweep();
                this.run(&arm.nodes, next, context)
            })?;
            self.open -= 1;
        }
        self.line("end");
        self.joined(&context.meeting);
        Ok(())
    }

    /// Makes the condition itself the flag, if all that it decides is where the path leads.
    fn flagged(
        &mut self,
        cond: Arg,
        is_truth: bool,
        first: Class,
        second: Class,
        context: &Context,
    ) -> Emitted<bool> {
        let meeting = context.meeting.clone();
        if first == second {
            self.release(cond);
            self.sweep();
            self.finish(first, context)?;
            return Ok(true);
        }
        let (flag, straight) = match meeting.again {
            Some(again) if first == again => (CONTINUE, true),
            Some(again) if second == again => (CONTINUE, false),
            None if meeting.classes.len() == 2 => (FLAG, first == meeting.classes[0]),
            _ => return Ok(false),
        };
        self.arrange(&[cond], &[&[0]])?;
        match (is_truth, straight) {
            (true, true) => {}
            (_, false) => self.line("eq.0"),
            (false, true) => self.line("neq.0"),
        }
        let slot = self.machine.new_slot();
        self.machine.slots.push(slot);
        self.machine.set_var(flag, Loc::Slot(slot));
        if meeting.again.is_some() && meeting.is_flagged() {
            let leaves = if straight { second } else { first };
            self.machine.set_var(FLAG, Loc::Const(leaves));
        }
        self.meet(&meeting)?;
        Ok(true)
    }
}

/// The variables that nodes use, and those that they change.
fn touched(nodes: &[Node], used: &mut Set, changed: &mut Set) {
    let mut read = |arg: &Arg| {
        if let Arg::Var(var, _) = arg {
            used.insert(*var);
        }
    };
    for node in nodes {
        match node {
            Node::Inst(inst) => inst.args.iter().for_each(&mut read),
            Node::Set(var, arg, _) => {
                read(arg);
                changed.insert(*var);
            }
            Node::If { cond, .. } => read(cond),
            _ => {}
        }
    }
    for node in nodes {
        match node {
            Node::If { then, els, .. } => {
                touched(&then.nodes, used, changed);
                touched(&els.nodes, used, changed);
            }
            Node::Scope { body, .. } | Node::Loop { body, .. } => {
                touched(&body.nodes, used, changed);
            }
            _ => {}
        }
    }
}

mod instructions;
