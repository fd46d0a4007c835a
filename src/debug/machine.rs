//! A run that stands before a cycle.

use std::rc::Rc;

use miden_core::StackOutputs;
use miden_cvm_processor::{ContextId, Process};

use super::{
    Frame, Movement,
    code::{CodeMap, Spot, is_named},
    follower::{Follower, Opened},
    running::{Console, Running},
};
use crate::{
    CodePlace, ExecutionError, ExecutionOptions, Inputs, Location, Target, TrapDescription,
};

/// The status of a run.
#[derive(Debug)]
pub(super) enum Status {
    Paused,
    Ended(StackOutputs),
    Trapped(Box<TrapDescription>),
}

/// Where a procedure is that has begun and not ended.
struct OpenFrame {
    /// The last place in its own code.
    own: Option<Rc<Spot>>,
    /// The last place in the code of a procedure that was merged into it, if it is there now.
    merged: Option<Rc<Spot>>,
    /// `true` if its beginning was reported.
    is_announced: bool,
}

/// A run that stands before a cycle.
pub(super) struct Machine<'t> {
    pub process: Running<'t>,
    pub console: Console,
    pub status: Status,
    /// The number of stops so far.
    pub steps: u32,
    /// The open procedures, the outermost first.
    open: Vec<OpenFrame>,
    /// The place of what comes next.
    spot: Option<Rc<Spot>>,
    /// `true` if another line begins.
    begins_line: bool,
    /// The names of the procedures that began since the last stop that has a place, each with its
    /// instance.
    pub began: Vec<(Option<u16>, Rc<str>)>,
    /// The cycle of the stop before.
    pub previous_cycle: Option<u32>,
}

impl<'t> Machine<'t> {
    /// A run before its first cycle.
    ///
    /// # Errors
    /// If the target is refused.
    pub fn start(
        target: &'t Target,
        inputs: &Inputs,
        options: ExecutionOptions,
        code: &mut CodeMap<'t>,
    ) -> Result<Self, ExecutionError> {
        let console = Console::default();
        let program = target.program();
        let mut process = Process::new(
            program.kernel().clone(),
            &inputs.arguments,
            target.advice(inputs.advice.clone()),
            options,
            Follower::new(code.known.clone()),
        );
        let run = process.begin(program, target.composition())?;
        let mut machine = Self {
            process: Running {
                process,
                run,
                host: target.host().with_debug_writer(console.clone()),
            },
            console,
            status: Status::Paused,
            steps: 0,
            open: Vec::new(),
            spot: None,
            begins_line: false,
            began: Vec::new(),
            previous_cycle: None,
        };
        let Running { process, run, host } = &mut machine.process;
        match process.resume(run, host) {
            Ok(None) => machine.look(code),
            Ok(Some(outputs)) => machine.status = Status::Ended(outputs),
            Err(error) => match target.describe(&error) {
                Some(trap) => machine.status = Status::Trapped(Box::new(trap)),
                None => return Err(error),
            },
        }
        Ok(machine)
    }

    /// Executes what is before the next stop; returns whether there is one.
    pub fn step(&mut self, target: &Target, code: &mut CodeMap<'t>) -> bool {
        if !matches!(self.status, Status::Paused) {
            return false;
        }
        self.previous_cycle = Some(self.process.clk());
        self.steps += 1;
        let Running { process, run, host } = &mut self.process;
        match process.resume(run, host) {
            Ok(None) => {
                self.look(code);
                return true;
            }
            Ok(Some(outputs)) => self.status = Status::Ended(outputs),
            // A run that has begun can only trap.
            Err(error) => {
                if let Some(trap) = target.describe(&error) {
                    self.status = Status::Trapped(Box::new(trap));
                }
            }
        }
        false
    }

    /// Finds out where the run is now.
    fn look(&mut self, code: &mut CodeMap<'t>) {
        let follower = self.process.tracer();
        let position = follower.position;
        let depth = follower.open.depth();
        let innermost = follower.open.innermost().copied();
        self.open.truncate(depth);
        self.open.resize_with(depth, || OpenFrame {
            own: None,
            merged: None,
            is_announced: false,
        });
        self.spot = code.spot(position, &self.process);
        self.begins_line = false;
        self.began.clear();
        let mut merged = None;
        if let (Some(spot), Some(opened), Some(frame)) =
            (&self.spot, innermost, self.open.last_mut())
        {
            let name = code.name(instance(&opened), opened.digest);
            let procedure = spot.procedure.as_deref().unwrap_or_default();
            let is_own = is_named(&name, procedure);
            let last = if is_own { &frame.own } else { &frame.merged };
            self.begins_line = last
                .as_ref()
                .is_none_or(|last| last.line_key != spot.line_key);
            if is_own {
                frame.own = Some(spot.clone());
                frame.merged = None;
            } else {
                if last
                    .as_ref()
                    .is_none_or(|last| last.procedure != spot.procedure)
                {
                    merged = Some((instance(&opened), procedure.into()));
                }
                frame.merged = Some(spot.clone());
            }
        }
        if self.open.iter().any(|frame| !frame.is_announced) {
            let opened = self.process.tracer().open.iter().rev();
            for (frame, opened) in self.open.iter_mut().zip(opened) {
                let can_wait = self.spot.is_none() && code.is_located(&opened.digest);
                if !frame.is_announced && !can_wait {
                    frame.is_announced = true;
                    let name = code.name(instance(opened), opened.digest);
                    self.began.push((instance(opened), name));
                }
            }
        }
        self.began.extend(merged);
    }

    /// The number of open procedures, with those that are merged into others.
    pub fn depth(&self) -> usize {
        let merged = self.open.iter().filter(|frame| frame.merged.is_some());
        self.open.len() + merged.count()
    }

    /// Returns `true` if a movement that began at this depth ends here.
    pub fn has_reached(&self, movement: Movement, depth: usize) -> bool {
        match movement {
            Movement::Cycle => true,
            Movement::Into => self.begins_line,
            Movement::Over => self.begins_line && self.depth() <= depth,
            Movement::Out => self.spot.is_some() && self.depth() < depth,
            Movement::Continue => false,
            Movement::To(_) => self.has_gone_to(movement),
        }
    }

    /// Returns `true` if a movement to a cycle ends here, or before.
    pub fn has_gone_to(&self, movement: Movement) -> bool {
        matches!(movement, Movement::To(cycle) if self.process.clk() >= cycle)
    }

    /// The file and line that begin here.
    pub fn beginning_line(&self) -> Option<(&str, u32)> {
        let location = &self.spot.as_ref().filter(|_| self.begins_line)?.location;
        location.file.as_deref().zip(location.line)
    }

    /// The context that was entered since the last stop.
    pub fn entered(&self) -> Option<ContextId> {
        self.process.tracer().entered
    }

    /// The open procedures, the innermost first.
    pub fn frames(&self, target: &Target, code: &mut CodeMap<'t>) -> Vec<Frame> {
        let opened: Vec<Opened> = self.process.tracer().open.iter().copied().collect();
        let mut frames = Vec::new();
        for (open, opened) in self.open.iter().rev().zip(&opened) {
            let frame = |place, is_merged| Frame {
                place,
                context: opened.context,
                in_kernel: opened.in_kernel,
                is_merged,
            };
            let place = |spot: Option<&Rc<Spot>>| {
                let location = spot.map(|spot| spot.location.clone()).unwrap_or_default();
                target.place(&Location {
                    instance: instance(opened).filter(|_| target.composition().is_some()),
                    in_kernel: opened.in_kernel,
                    ..location
                })
            };
            if let Some(merged) = &open.merged {
                frames.push(frame(place(Some(merged)), true));
            }
            let own = place(open.own.as_ref());
            let name = code.name(instance(opened), opened.digest);
            let own = CodePlace {
                procedure: own.procedure.or_else(|| Some(name.to_string())),
                ..own
            };
            frames.push(frame(own, false));
        }
        frames
    }
}

/// The instance that executes a procedure; nothing for the kernel.
fn instance(opened: &Opened) -> Option<u16> {
    (!opened.in_kernel).then(|| opened.context.index())
}
