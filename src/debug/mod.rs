//! The debugger: runs a target cycle by cycle, forwards and backwards, and shows all of its state.
//!
//! It does no input and no output. Going back is running again from the start up to an earlier cycle,
//! which gives the same state, since the host is made anew and answers as it did.
//!
//! ```
//! use miden_assembly::Assembler;
//! use miden_cvm::{
//!     Felt, Inputs, ExecutionOptions, Target,
//!     debug::{Breakpoint, Debugger, Direction, Movement, Stop},
//! };
//!
//! let program = Assembler::default().assemble_program("begin push.1 push.2 add end")?;
//! let target = Target::from(program);
//! let mut debugger = Debugger::new(&target, Inputs::default(), ExecutionOptions::default())?;
//! debugger.add_breakpoint(Breakpoint::Cycle(9))?;
//! let stop = debugger.go(Direction::Forwards, Movement::Continue, &mut || false);
//! assert_eq!(stop, Stop::Breakpoints(vec![1]));
//! assert_eq!(debugger.stack()[0], Felt::new(3));
//! debugger.go(Direction::Backwards, Movement::Cycle, &mut || false);
//! assert_eq!(debugger.stack()[..2], [Felt::new(2), Felt::new(1)]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod breakpoint;
mod code;
mod follower;
mod machine;
mod running;

use std::fmt;

pub use breakpoint::{Breakpoint, BreakpointError};
use code::CodeMap;
use machine::{Machine, Status};
use miden_core::{Felt, StackOutputs, Word};
use miden_cvm_processor::{ContextId, RuntimeInstance};

use crate::{
    AdviceProvider, CodePlace, ExecutionError, ExecutionOptions, Inputs, Target, TrapDescription,
};

/// The number of cycles between two looks at whether somebody wants the run to stop.
const CYCLES_BETWEEN_LOOKS: u32 = 1 << 14;

/// The direction of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// As it is executed.
    Forwards,
    /// Back to what was executed before.
    Backwards,
}

/// The distance that a run goes, unless a breakpoint stops it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Movement {
    /// One cycle. The two cycles of an intrinsic are one step.
    Cycle,
    /// To where another line begins, in a procedure that is called too. Code without lines has
    /// instructions instead.
    Into,
    /// To where another line begins in this procedure, or in one that called it.
    Over,
    /// Out of this procedure.
    Out,
    /// To a breakpoint or the end.
    Continue,
    /// To a cycle, ahead or back, whatever the breakpoints and the direction.
    To(u32),
}

/// Why the debugger is where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// It is before the first cycle.
    Start,
    /// It went as far as it was told to.
    Moved,
    /// These breakpoints, by number.
    Breakpoints(Vec<u32>),
    /// It was interrupted.
    Interrupted,
    /// The run has trapped.
    Trapped,
    /// The run has ended.
    Ended,
}

/// A procedure that has begun and not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Where it is; for one that executes another, where it was before.
    pub place: CodePlace,
    /// The context that it runs in.
    pub context: ContextId,
    /// `true` if the kernel runs.
    pub in_kernel: bool,
    /// `true` if the assembler has merged it into the code of the one around it.
    pub is_merged: bool,
}

/// A target that is run step by step.
pub struct Debugger<'t> {
    target: &'t Target,
    inputs: Inputs,
    options: ExecutionOptions,
    code: CodeMap<'t>,
    machine: Machine<'t>,
    breakpoints: Vec<(u32, Breakpoint)>,
    next_number: u32,
}

impl fmt::Debug for Debugger<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Debugger")
            .field("cycle", &self.cycle())
            .field("breakpoints", &self.breakpoints)
            .finish_non_exhaustive()
    }
}

impl<'t> Debugger<'t> {
    /// A debugger for a run of a target, before the first cycle.
    ///
    /// # Errors
    /// If the target is refused before its first cycle.
    pub fn new(
        target: &'t Target,
        inputs: Inputs,
        options: ExecutionOptions,
    ) -> Result<Self, ExecutionError> {
        let options = options.with_debug(true);
        let mut code = CodeMap::new(target);
        let machine = Machine::start(target, &inputs, options, &mut code)?;
        Ok(Self {
            target,
            inputs,
            options,
            code,
            machine,
            breakpoints: Vec::new(),
            next_number: 1,
        })
    }

    // BREAKPOINTS
    // --------------------------------------------------------------------------------------------

    /// Sets a breakpoint; returns its number.
    ///
    /// # Errors
    /// If there is nothing in the target at which it could stop.
    pub fn add_breakpoint(&mut self, breakpoint: Breakpoint) -> Result<u32, BreakpointError> {
        let breakpoint = breakpoint.resolved(self.target, &self.code)?;
        let number = self.next_number;
        self.next_number += 1;
        self.breakpoints.push((number, breakpoint));
        Ok(number)
    }

    /// Removes a breakpoint; returns whether there was one of this number.
    pub fn remove_breakpoint(&mut self, number: u32) -> bool {
        let before = self.breakpoints.len();
        self.breakpoints.retain(|(known, _)| *known != number);
        self.breakpoints.len() < before
    }

    /// The breakpoints and their numbers.
    pub fn breakpoints(&self) -> &[(u32, Breakpoint)] {
        &self.breakpoints
    }

    // GOING
    // --------------------------------------------------------------------------------------------

    /// Goes on, or back. `interrupted` is asked now and then whether to stop at once; forwards that is
    /// where the run is then, backwards where it was.
    pub fn go(
        &mut self,
        direction: Direction,
        movement: Movement,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Stop {
        let direction = match movement {
            Movement::To(cycle) if cycle < self.cycle() => Direction::Backwards,
            Movement::To(_) => Direction::Forwards,
            _ => direction,
        };
        match direction {
            Direction::Forwards => self.go_forwards(movement, interrupted),
            Direction::Backwards => self.go_backwards(movement, interrupted),
        }
    }

    fn go_forwards(&mut self, movement: Movement, interrupted: &mut dyn FnMut() -> bool) -> Stop {
        if self.machine.has_gone_to(movement) {
            return Stop::Moved;
        }
        let depth = self.machine.depth();
        loop {
            if !self.machine.step(self.target, &mut self.code) {
                return self.over();
            }
            let hits = match movement {
                Movement::To(_) => Vec::new(),
                _ => self.hits(),
            };
            if !hits.is_empty() {
                return Stop::Breakpoints(hits);
            }
            if self.machine.has_reached(movement, depth) {
                return Stop::Moved;
            }
            if self.machine.steps.is_multiple_of(CYCLES_BETWEEN_LOOKS) && interrupted() {
                return Stop::Interrupted;
            }
        }
    }

    /// Runs again from the start, up to the last place before this one where the movement ends.
    fn go_backwards(&mut self, movement: Movement, interrupted: &mut dyn FnMut() -> bool) -> Stop {
        let depth = self.machine.depth();
        let here = self.machine.steps;
        // The run was accepted before, and nothing has changed.
        let Ok(mut machine) =
            Machine::start(self.target, &self.inputs, self.options, &mut self.code)
        else {
            return Stop::Interrupted;
        };
        std::mem::swap(&mut self.machine, &mut machine);
        if self.machine.has_gone_to(movement) {
            return Stop::Start;
        }
        let mut found = (0, Stop::Start);
        while self.machine.steps + 1 < here && self.machine.step(self.target, &mut self.code) {
            let hits = match movement {
                Movement::To(_) => Vec::new(),
                _ => self.hits(),
            };
            if !hits.is_empty() {
                found = (self.machine.steps, Stop::Breakpoints(hits));
            } else if self.machine.has_reached(movement, depth) {
                found = (self.machine.steps, Stop::Moved);
                if let Movement::To(_) = movement {
                    break;
                }
            }
            if self.machine.steps.is_multiple_of(CYCLES_BETWEEN_LOOKS) && interrupted() {
                self.machine = machine;
                return Stop::Interrupted;
            }
        }
        let (steps, stop) = found;
        if self.machine.steps != steps
            && let Ok(machine) =
                Machine::start(self.target, &self.inputs, self.options, &mut self.code)
        {
            self.machine = machine;
            while self.machine.steps < steps && self.machine.step(self.target, &mut self.code) {}
        }
        stop
    }

    /// Goes back to before the first cycle.
    ///
    /// # Errors
    /// If the target is refused, which it was not before.
    pub fn restart(&mut self) -> Result<(), ExecutionError> {
        self.machine = Machine::start(self.target, &self.inputs, self.options, &mut self.code)?;
        Ok(())
    }

    fn over(&self) -> Stop {
        match &self.machine.status {
            Status::Trapped(trap) => {
                let of_trap = self.breakpoints.iter();
                let of_trap = of_trap.filter(|(_, breakpoint)| breakpoint.is_trap(&trap.rule));
                let hits: Vec<u32> = of_trap.map(|(number, _)| *number).collect();
                match hits.is_empty() {
                    true => Stop::Trapped,
                    false => Stop::Breakpoints(hits),
                }
            }
            _ => Stop::Ended,
        }
    }

    fn hits(&self) -> Vec<u32> {
        let machine = &self.machine;
        let hits = self.breakpoints.iter();
        let hits = hits.filter(|(_, breakpoint)| breakpoint.is_hit(machine, self.target));
        hits.map(|(number, _)| *number).collect()
    }

    // LOOKING
    // --------------------------------------------------------------------------------------------

    /// The target.
    pub fn target(&self) -> &'t Target {
        self.target
    }

    /// The cycle that comes next.
    pub fn cycle(&self) -> u32 {
        self.machine.process.clk()
    }

    /// The trap that ended the run.
    pub fn trap(&self) -> Option<&TrapDescription> {
        match &self.machine.status {
            Status::Trapped(trap) => Some(trap),
            _ => None,
        }
    }

    /// The final stack of a run that has ended.
    pub fn outputs(&self) -> Option<&StackOutputs> {
        match &self.machine.status {
            Status::Ended(outputs) => Some(outputs),
            _ => None,
        }
    }

    /// Returns the output of `debug` and `trace` instructions so far.
    pub fn printed(&self) -> String {
        self.machine.console.text()
    }

    /// The procedures that have begun and not ended, across all instances, the innermost first.
    /// An instruction that executes another procedure leaves no trace in the code, unless it is a
    /// call: the place of a procedure around another is that of what it executed before.
    pub fn frames(&mut self) -> Vec<Frame> {
        self.machine.frames(self.target, &mut self.code)
    }

    /// The operand stack of the running context, the top element first.
    pub fn stack(&self) -> &[Felt] {
        self.machine.process.stack().elements()
    }

    /// The running context.
    pub fn context(&self) -> ContextId {
        self.machine.process.context()
    }

    /// All contexts that have memory, in order.
    pub fn contexts(&self) -> Vec<ContextId> {
        let mut contexts: Vec<ContextId> = self.machine.process.memory().contexts().collect();
        contexts.sort_unstable();
        contexts
    }

    /// The name of a context: that of its instance, and where there are several lifetimes of it, the
    /// lifetime's number.
    pub fn context_name(&self, context: ContextId) -> String {
        let name = match self.target.instances().get(usize::from(context.index())) {
            Some(name) => name.as_str(),
            None => "program",
        };
        match context.domain() {
            0 => name.to_owned(),
            domain => format!("{name}@{domain}"),
        }
    }

    /// The context of this name, or of this number, among those that have memory.
    pub fn context_named(&self, name: &str) -> Option<ContextId> {
        let contexts = self.contexts().into_iter();
        let mut named = contexts
            .filter(|&context| self.context_name(context) == name || context.to_string() == name);
        named.next()
    }

    /// Words of a context's memory from an address on, which is rounded down to a word's; nothing
    /// where the memory was never used.
    pub fn memory(&self, context: ContextId, address: u32, words: u32) -> Vec<(u32, Option<Word>)> {
        let memory = self.machine.process.memory();
        let first = address / 4 * 4;
        let addresses = (0..words).map_while(|i| first.checked_add(i.checked_mul(4)?));
        let words = addresses.map(|address| {
            let word = memory.get_word(context, address);
            (address, word.ok().flatten())
        });
        words.collect()
    }

    /// The elements of a context's memory in all words that were ever used, by address.
    pub fn used_memory(&self, context: ContextId) -> Vec<(u32, Felt)> {
        self.machine.process.memory().state(context)
    }

    /// The instances that exist, by context, with their resource tables; none in an open program.
    pub fn instances(&self) -> Vec<RuntimeInstance<'_>> {
        self.machine.process.instances()
    }

    /// The advice.
    pub fn advice(&self) -> &AdviceProvider {
        self.machine.process.advice()
    }

    /// The text of a source file that the target was assembled from.
    pub fn source(&self, file: &str) -> Option<String> {
        self.code.source(file)
    }

    /// The source files that code comes from, and the lines that begin an instruction.
    pub fn lines(&self) -> impl Iterator<Item = (&str, impl Iterator<Item = u32> + '_)> {
        self.code.lines()
    }
}
