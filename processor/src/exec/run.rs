//! A run from beginning to end: the machine goes on by itself until it needs an answer from the
//! host, and goes on with the answer.
//!
//! The machine itself does not know whether the host answers at once or later. So there is one
//! machine, and two loops that ask: one for a [Host] and one for an [AsyncHost].

use std::{collections::HashSet, sync::Arc, vec};

use miden_core::{
    EventId, Program, StackOutputs, Word,
    mast::{MastForest, MastNode, MastNodeExt, MastNodeId},
};
use miden_cvm_air::composition::Composition;

use crate::{
    advice::AdviceMutation,
    bulk::BulkLimitExceeded,
    calls::instances::Instances,
    error::{ExecutionError, HostError, LoadError, Location, OpResult, Trap, TrapReport},
    exec::execute::{Question, Walk},
    forests::{ForestId, Position},
    host::{AsyncHost, BaseHost, Host, location::locate},
    machine::process::Process,
    tracer::Tracer,
};

/// The most calls that the report of a trap has, the innermost ones.
const MAX_REPORTED_CALLS: usize = 256;

/// The rest of a run that has begun: made by [`Process::begin`], and used up by [`Process::resume`]
/// of the same machine.
#[derive(Debug)]
pub struct Run<'a> {
    /// The composition, until its instances are there.
    composition: Option<&'a Composition>,
    /// Procedures of the composition that the host was not asked for yet.
    wanted: vec::IntoIter<Word>,
    walk: Walk,
    /// `true` once the inputs are in memory.
    has_inputs: bool,
    /// `true` if it trapped.
    has_failed: bool,
}

impl<T: Tracer> Process<T> {
    /// Runs a program, in a composition if one is given, and returns the final stack.
    ///
    /// # Errors
    /// If the program is refused, or traps. A machine runs only once.
    pub fn execute(
        &mut self,
        program: &Program,
        composition: Option<&Composition>,
        host: &mut dyn Host,
    ) -> Result<StackOutputs, ExecutionError> {
        let mut run = self.begin(program, composition)?;
        loop {
            if let Some(outputs) = self.resume(&mut run, host)? {
                return Ok(outputs);
            }
        }
    }

    /// Goes on with a run until its end, when it returns the final stack, or until the tracer
    /// [pauses](Tracer::pauses) it.
    ///
    /// # Errors
    /// If the program is refused, or traps, or did so before.
    pub fn resume(
        &mut self,
        run: &mut Run<'_>,
        host: &mut dyn Host,
    ) -> Result<Option<StackOutputs>, ExecutionError> {
        if run.has_failed {
            return Err(Box::new(LoadError::ProgramAlreadyExecuted).into());
        }
        let resumed = self.resume_until_question(run, host);
        run.has_failed = resumed.is_err();
        resumed
    }

    fn resume_until_question(
        &mut self,
        run: &mut Run<'_>,
        host: &mut dyn Host,
    ) -> Result<Option<StackOutputs>, ExecutionError> {
        while let Some(question) = self.proceed(run, host)? {
            match question {
                Question::Forest(digest) => {
                    let forest = host.get_mast_forest(&digest);
                    self.take_forest(digest, forest, run, host)?;
                }
                Question::Event => {
                    let answer = host.on_event(&self.state());
                    self.take_event(answer, run, host)?;
                }
                Question::Pause => return Ok(None),
            }
        }
        self.outputs(run, host).map(Some)
    }

    /// Runs a program as [execute](Self::execute) does, with a host that may take its time.
    ///
    /// Between two questions to the host the machine runs without a break, on the thread that
    /// polls. If the future is dropped before its end, the machine cannot be used for another run.
    ///
    /// # Errors
    /// If the program is refused, or traps. A machine runs only once.
    pub async fn execute_async(
        &mut self,
        program: &Program,
        composition: Option<&Composition>,
        host: &mut impl AsyncHost,
    ) -> Result<StackOutputs, ExecutionError> {
        let mut run = self.begin(program, composition)?;
        while let Some(question) = self.proceed(&mut run, host)? {
            match question {
                Question::Forest(digest) => {
                    let forest = host.get_mast_forest(&digest).await;
                    self.take_forest(digest, forest, &run, host)?;
                }
                Question::Event => {
                    let answer = host.on_event(&self.state()).await;
                    self.take_event(answer, &run, host)?;
                }
                Question::Pause => {}
            }
        }
        self.outputs(&run, host)
    }

    /// Puts a program into the machine, in a composition if one is given; [`Process::resume`] runs it.
    ///
    /// # Errors
    /// If the program is refused. A machine runs only once.
    pub fn begin<'a>(
        &mut self,
        program: &Program,
        composition: Option<&'a Composition>,
    ) -> Result<Run<'a>, ExecutionError> {
        if self.position.forest.is_some() {
            return Err(Box::new(LoadError::ProgramAlreadyExecuted).into());
        }
        let forest = self.forests.add(program.mast_forest().clone());
        self.position = Position {
            forest: Some(forest),
            node: Some(program.entrypoint()),
            op: None,
        };
        self.advice
            .check_room(0)
            .and_then(|()| self.advice.extend_map(program.mast_forest().advice_map()))
            .map_err(|error| Box::new(LoadError::Advice(error)))?;
        let layout = composition.map(Composition::layout);
        let placed = self.arguments.place(layout);
        (self.inputs, self.outputs) =
            placed.map_err(|error| Box::new(LoadError::Arguments(error)))?;
        let wanted = match composition {
            None => Vec::new(),
            Some(composition) => {
                let (instances, max) =
                    (composition.num_instances(), self.options.limits().instances);
                if instances as usize > max {
                    return Err(Box::new(LoadError::TooManyInstances { instances, max }).into());
                }
                procedures_elsewhere(composition, program.mast_forest())
            }
        };
        Ok(Run {
            composition,
            wanted: wanted.into_iter(),
            walk: Walk::new(program.entrypoint(), forest, self.options.limits().nesting),
            has_inputs: false,
            has_failed: false,
        })
    }

    /// Goes on until the run ends or the host is to be asked.
    fn proceed(
        &mut self,
        run: &mut Run<'_>,
        host: &mut dyn BaseHost,
    ) -> Result<Option<Question>, ExecutionError> {
        if let Some(composition) = run.composition {
            // The forests bring their advice with them, static data among it.
            if let Some(digest) = run.wanted.next() {
                return Ok(Some(Question::Forest(digest)));
            }
            run.composition = None;
            let instances = Instances::new(composition, &self.advice, self.options.limits());
            self.instances = Some(instances.map_err(Box::new)?);
            let created = self.create_root();
            self.locate_trap(created, &run.walk, host)?;
        }
        if !std::mem::replace(&mut run.has_inputs, true) {
            let placed = self.place_inputs();
            self.locate_trap(placed, &run.walk, host)?;
        }
        let mut walked = self.walk(&mut run.walk, host);
        if let Err(trap) = &mut walked
            && let Trap::FailedAssertion {
                err_code, error, ..
            } = &mut **trap
        {
            *error = host.on_assert_failed(&self.state(), *err_code);
        }
        self.locate_trap(walked, &run.walk, host)
    }

    /// Goes on with the host's answer to [Question::Forest].
    fn take_forest(
        &mut self,
        digest: Word,
        forest: Option<Arc<MastForest>>,
        run: &Run<'_>,
        host: &dyn BaseHost,
    ) -> Result<(), ExecutionError> {
        let taken = self.forests.take_answer(digest, forest, &mut self.advice);
        self.locate_trap(taken, &run.walk, host)
    }

    /// Goes on with the host's answer to [Question::Event].
    fn take_event(
        &mut self,
        answer: Result<Vec<AdviceMutation>, HostError>,
        run: &Run<'_>,
        host: &dyn BaseHost,
    ) -> Result<(), ExecutionError> {
        let event_id = EventId::from_felt(self.stack.get(0));
        let answered = match answer {
            Ok(mutations) => self
                .advice
                .apply_mutations(mutations)
                .map_err(Box::<Trap>::from),
            Err(error) => Err(match error.downcast_ref::<BulkLimitExceeded>() {
                Some(exceeded) => (*exceeded).into(),
                None => Box::new(Trap::EventError {
                    event_id,
                    event_name: host.resolve_event(event_id).cloned(),
                    error,
                }),
            }),
        };
        let (tracer, taking) = self.taking();
        let taken = tracer.take_event(taking, event_id, answered);
        self.locate_trap(taken, &run.walk, host)
    }

    fn outputs(&self, run: &Run<'_>, host: &dyn BaseHost) -> Result<StackOutputs, ExecutionError> {
        let stack = self.locate_trap(self.final_stack(), &run.walk, host)?;
        Ok(StackOutputs::from(stack))
    }

    fn locate_trap<V>(
        &self,
        result: OpResult<V>,
        walk: &Walk,
        host: &dyn BaseHost,
    ) -> Result<V, ExecutionError> {
        result.map_err(|trap| Box::new(self.report(*trap, walk, host)).into())
    }

    /// Returns what is known of a trap: the place, and those of the calls that led there.
    fn report(&self, trap: Trap, walk: &Walk, host: &dyn BaseHost) -> TrapReport {
        let mut places = self.open_contexts();
        // A trap that prevents a call comes when the callee's context is there, but the call is not open.
        let mut open = walk.open_nodes();
        let calls = open.iter().filter(|(id, node)| self.is_call(*id, *node));
        let mut is_entering = calls.count() + 1 < places.len();
        let mut open = open.drain(..);
        let located = places.drain(..).take(MAX_REPORTED_CALLS + 1).map(|place| {
            let mut procedures = Vec::new();
            let Position { forest, node, op } = place.position;
            let Some((forest, node)) = forest.zip(node) else {
                return Location::default();
            };
            procedures.extend(self.procedure_at(forest, node));
            // The nodes that are open in this context, up to the call that entered it.
            while !is_entering && let Some((id, node)) = open.next() {
                if self.is_call(id, node) {
                    break;
                }
                procedures.extend(self.procedure_at(id, node));
            }
            is_entering = false;
            procedures.push(place.fn_hash);
            procedures.dedup();
            Location {
                instance: (self.instances.is_some() && !place.in_syscall)
                    .then(|| place.context.index()),
                in_kernel: place.in_syscall,
                procedures,
                ..locate(self.forests.get(forest), node, op, host)
            }
        });
        let mut calls: Vec<Location> = located.collect();
        let location = calls.remove(0);
        TrapReport {
            trap,
            cycle: self.clk,
            location,
            calls,
            stack: self.stack.top16().to_vec(),
        }
    }

    fn is_call(&self, forest: ForestId, node: MastNodeId) -> bool {
        match self.forests.get(forest).get_node_by_id(node) {
            Some(MastNode::Call(_)) => true,
            Some(MastNode::Dyn(node)) => node.is_dyncall(),
            _ => false,
        }
    }

    /// The digest of a node, if it is a procedure.
    fn procedure_at(&self, forest: ForestId, node: MastNodeId) -> Option<Word> {
        let forest = self.forests.get(forest);
        let digest = forest.get_node_by_id(node)?.digest();
        forest.is_procedure_root(node).then_some(digest)
    }

    /// A position of this machine's program in the source, as far as debug information tells; the
    /// instance is left out.
    pub fn locate(&self, position: Position, host: &dyn BaseHost) -> Location {
        let Position { forest, node, op } = position;
        match (forest, node) {
            (Some(forest), Some(node)) => locate(self.forests.get(forest), node, op, host),
            _ => Location::default(),
        }
    }
}

/// The procedures that a composition's links, exports and destructors lead to and `forest` does not have.
///
/// That one is missing everywhere can only be told when it is called.
fn procedures_elsewhere(composition: &Composition, forest: &MastForest) -> Vec<Word> {
    let callees = composition.links().iter().map(|link| link.callee);
    let exported = composition.exports().iter().map(|export| export.callee);
    let destructors = composition.resources().iter().filter_map(|r| r.destructor);
    let mut seen = HashSet::new();
    callees
        .chain(exported)
        .chain(destructors)
        .filter(|callee| seen.insert(*callee) && forest.find_procedure_root(*callee).is_none())
        .collect()
}
