//! The walk through a program's forest, with a stack of its own instead of the native one.

use miden_core::{
    Decorator, Felt, Operation, Word, ZERO,
    mast::{
        BasicBlockNode, CallNode, DecoratorId, DynNode, JoinNode, LoopNode, MastForest, MastNode,
        MastNodeExt, MastNodeId, OpBatch, SplitNode,
    },
};

use crate::{
    calls::{
        crossing::{Entered, Frame},
        instances::Callee,
        state::InstanceState,
    },
    error::{OpResult, Trap},
    exec::ops::{Outcome, truth},
    forests::{ForestId, Forests, Missing, Position, Procedure},
    host::{BaseHost, TEXT_TRACE},
    machine::process::{Process, hash_input},
    tracer::{EndRow, NodeKind, OpRow, RowKind, StartRow, Tracer},
};

/// A question to be answered before a run can go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question {
    /// The forest that has a procedure.
    Forest(Word),
    /// The changes to the advice for the event on top of the stack.
    Event,
    /// Nothing: the tracer wants it to stop before the next cycle.
    Pause,
}

/// The work that is left when a node has ended.
#[derive(Debug, Clone, Copy)]
enum Continuation {
    /// Execute a node.
    Enter(MastNodeId),
    /// Execute a node for which the host was asked; the decorators before it are done.
    Start(MastNodeId),
    /// End the cycle of an event that the host has answered, and execute the rest of its block.
    Continue(MastNodeId),
    /// Execute the rest of a basic block.
    Resume(MastNodeId),
    /// Look at the condition of a loop whose body has ended.
    Loop(MastNodeId),
    /// End a node whose children have ended.
    End(MastNodeId),
    /// Execute the decorators that follow a node.
    AfterExit(MastNodeId),
    /// Go back to another forest.
    Forest(ForestId),
}

/// The next step of a walk.
#[derive(Debug, Clone, Copy)]
enum Next {
    /// It executes a node.
    Enter(MastNodeId),
    /// It does what is pending.
    Pending,
    /// It stops until a question is answered.
    Ask,
}

/// A walk through forests: in which it is and what is still to be done.
#[derive(Debug)]
pub(crate) struct Walk {
    id: ForestId,
    /// The next continuation, if it does not come from `pending`.
    next: Option<Continuation>,
    pending: Vec<Continuation>,
    max_pending: usize,
    /// The question that it asked when it stopped.
    question: Option<Question>,
    /// Where it is in the basic block in which it stopped.
    place: BlockPlace,
}

impl Walk {
    /// A walk through a node of a forest, with at most `max_pending` things to be done at one time.
    pub fn new(start: MastNodeId, id: ForestId, max_pending: usize) -> Self {
        Self {
            id,
            next: Some(Continuation::Enter(start)),
            pending: Vec::new(),
            max_pending,
            question: None,
            place: BlockPlace::default(),
        }
    }

    /// Stops until a question is answered; `then` is done first after that.
    fn ask(&mut self, question: Question, then: Continuation) -> Next {
        self.question = Some(question);
        self.next = Some(then);
        Next::Ask
    }

    /// Stops in a basic block until a question is answered.
    fn ask_in_block(&mut self, question: Question, id: MastNodeId, place: BlockPlace) -> Next {
        self.place = place;
        let then = match question {
            Question::Event => Continuation::Continue(id),
            Question::Forest(_) | Question::Pause => Continuation::Resume(id),
        };
        self.ask(question, then)
    }

    fn push(&mut self, continuation: Continuation) -> OpResult {
        if self.pending.len() >= self.max_pending {
            return Err(Box::new(Trap::LimitExceeded {
                limit: "open nodes",
                max: self.max_pending as u64,
            }));
        }
        self.pending.push(continuation);
        Ok(())
    }

    /// Switches to a forest, to come back when what is executed next has ended.
    fn go_to(&mut self, forest: ForestId) -> OpResult {
        if forest != self.id {
            self.push(Continuation::Forest(self.id))?;
            self.id = forest;
        }
        Ok(())
    }

    /// The nodes that have begun and not ended, the innermost first, and their forests.
    pub fn open_nodes(&self) -> Vec<(ForestId, MastNodeId)> {
        let mut forest = self.id;
        let mut open = Vec::new();
        for continuation in self.pending.iter().rev() {
            match *continuation {
                Continuation::End(id) | Continuation::Loop(id) => open.push((forest, id)),
                Continuation::Forest(id) => forest = id,
                _ => {}
            }
        }
        open
    }

    /// Returns `true` if the node that is about to end is the body of a loop.
    fn in_loop(&self) -> bool {
        self.pending
            .iter()
            .rev()
            .find(|c| !matches!(c, Continuation::AfterExit(_) | Continuation::Forest(_)))
            .is_some_and(|c| matches!(c, Continuation::Loop(_)))
    }
}

fn find_node(forest: &MastForest, node_id: MastNodeId) -> OpResult<&MastNode> {
    forest
        .get_node_by_id(node_id)
        .ok_or_else(|| Box::new(Trap::MastNodeNotFoundInForest { node_id }))
}

/// The hash input of a node with two children.
fn hash_children(
    forest: &MastForest,
    first: MastNodeId,
    second: MastNodeId,
) -> OpResult<[Felt; 8]> {
    let [first, second] = [find_node(forest, first)?, find_node(forest, second)?];
    Ok(hash_input(first.digest(), second.digest()))
}

impl<T: Tracer> Process<T> {
    /// Goes on with a walk, until its end or until it asks a question.
    pub(crate) fn walk(
        &mut self,
        walk: &mut Walk,
        host: &mut dyn BaseHost,
    ) -> OpResult<Option<Question>> {
        let mut next = walk.next.take();
        loop {
            let id = walk.id;
            self.position.forest = Some(id);
            let forest = self.forests.get(id).clone();
            while walk.id == id {
                let Some(continuation) = next.take().or_else(|| walk.pending.pop()) else {
                    return Ok(None);
                };
                match self.step(walk, &forest, continuation, host)? {
                    Next::Enter(id) => next = Some(Continuation::Enter(id)),
                    Next::Pending => {}
                    Next::Ask => return Ok(walk.question.take()),
                }
            }
        }
    }

    /// Does one thing of a walk; returns what is to be done next.
    #[inline(always)]
    fn step(
        &mut self,
        walk: &mut Walk,
        forest: &MastForest,
        continuation: Continuation,
        host: &mut dyn BaseHost,
    ) -> OpResult<Next> {
        match continuation {
            Continuation::Enter(id) => {
                self.go_to_node(id);
                if self.options.runs_decorators() {
                    self.run_decorators(forest, forest.before_enter_decorators(id), host)?;
                    if !forest.after_exit_decorators(id).is_empty() {
                        walk.push(Continuation::AfterExit(id))?;
                    }
                }
                self.start_node(walk, forest, id, host)
            }
            Continuation::Start(id) => {
                self.go_to_node(id);
                self.start_node(walk, forest, id, host)
            }
            Continuation::Continue(id) => {
                self.advance()?;
                self.resume_block(walk, forest, id, host)
            }
            Continuation::Resume(id) => self.resume_block(walk, forest, id, host),
            Continuation::Loop(id) => {
                self.go_to_node(id);
                if self.pauses(None) {
                    return Ok(walk.ask(Question::Pause, continuation));
                }
                self.continue_loop(walk, forest, id)
            }
            Continuation::End(id) => {
                self.go_to_node(id);
                if self.pauses(None) {
                    return Ok(walk.ask(Question::Pause, continuation));
                }
                self.end_node(walk, forest, id)?;
                Ok(Next::Pending)
            }
            Continuation::AfterExit(id) => {
                self.run_decorators(forest, forest.after_exit_decorators(id), host)?;
                Ok(Next::Pending)
            }
            Continuation::Forest(id) => {
                walk.id = id;
                Ok(Next::Pending)
            }
        }
    }

    #[inline(always)]
    fn go_to_node(&mut self, id: MastNodeId) {
        self.position = Position {
            node: Some(id),
            op: None,
            ..self.position
        };
    }

    /// Returns `true` if the tracer wants the machine to stop before the next cycle, in which the
    /// node's operation number `op` is executed, if it is a basic block.
    #[inline(always)]
    fn pauses(&mut self, op: Option<usize>) -> bool {
        let position = Position {
            op,
            ..self.position
        };
        T::ENABLED && self.tracer.pauses(self.clk, position)
    }

    /// Begins a node, the decorators before which are done.
    #[inline]
    fn start_node(
        &mut self,
        walk: &mut Walk,
        forest: &MastForest,
        id: MastNodeId,
        host: &mut dyn BaseHost,
    ) -> OpResult<Next> {
        let node = find_node(forest, id)?;
        if !node.is_external() && self.pauses(None) {
            return Ok(walk.ask(Question::Pause, Continuation::Start(id)));
        }
        match node {
            MastNode::Block(block) => {
                self.run_block(walk, forest, id, block, BlockPlace::default(), host)
            }
            MastNode::Join(join) => self.start_join(walk, forest, id, join),
            MastNode::Split(split) => self.start_split(walk, forest, id, split),
            MastNode::Loop(node) => self.start_loop(walk, forest, id, node),
            MastNode::Call(call) => self.start_call(walk, forest, id, call),
            MastNode::Dyn(node) => self.start_dyn(walk, id, node),
            MastNode::External(external) => {
                let digest = external.digest();
                let Some(answer) = self.forests.answer(&digest) else {
                    return Ok(walk.ask(Question::Forest(digest), Continuation::Start(id)));
                };
                let procedure = self.forests.check_external(&digest, answer)?;
                walk.go_to(procedure.forest)?;
                Ok(Next::Enter(procedure.node))
            }
        }
    }

    // JOIN, SPLIT, LOOP
    // --------------------------------------------------------------------------------------------

    fn start_join(
        &mut self,
        walk: &mut Walk,
        forest: &MastForest,
        id: MastNodeId,
        join: &JoinNode,
    ) -> OpResult<Next> {
        if T::ENABLED {
            let input = hash_children(forest, join.first(), join.second())?;
            self.row(start_row(NodeKind::Join, join.digest(), &input));
        }
        self.advance()?;
        walk.push(Continuation::End(id))?;
        walk.push(Continuation::Enter(join.second()))?;
        Ok(Next::Enter(join.first()))
    }

    fn start_split(
        &mut self,
        walk: &mut Walk,
        forest: &MastForest,
        id: MastNodeId,
        split: &SplitNode,
    ) -> OpResult<Next> {
        if T::ENABLED {
            let input = hash_children(forest, split.on_true(), split.on_false())?;
            self.row(start_row(NodeKind::Split, split.digest(), &input));
        }
        let value = self.stack.get(0);
        self.stack.drop_top();
        self.advance()?;
        walk.push(Continuation::End(id))?;
        match truth(value) {
            Some(true) => Ok(Next::Enter(split.on_true())),
            Some(false) => Ok(Next::Enter(split.on_false())),
            None => Err(Box::new(Trap::NotBinaryValueIf { value })),
        }
    }

    fn start_loop(
        &mut self,
        walk: &mut Walk,
        forest: &MastForest,
        id: MastNodeId,
        node: &LoopNode,
    ) -> OpResult<Next> {
        if T::ENABLED {
            let input = hash_input(find_node(forest, node.body())?.digest(), Word::default());
            self.row(start_row(NodeKind::Loop, node.digest(), &input));
        }
        let value = self.stack.get(0);
        self.stack.drop_top();
        self.advance()?;
        if loop_condition(value)? {
            walk.push(Continuation::Loop(id))?;
            Ok(Next::Enter(node.body()))
        } else {
            self.end_loop(walk, node, false)?;
            Ok(Next::Pending)
        }
    }

    /// Executes a loop's body once more, or ends the loop.
    fn continue_loop(
        &mut self,
        walk: &mut Walk,
        forest: &MastForest,
        id: MastNodeId,
    ) -> OpResult<Next> {
        let MastNode::Loop(node) = find_node(forest, id)? else {
            return Err(Box::new(Trap::MastNodeNotFoundInForest { node_id: id }));
        };
        if loop_condition(self.stack.get(0))? {
            if T::ENABLED {
                let body = find_node(forest, node.body())?.digest();
                self.row(RowKind::Repeat {
                    digest: node.digest(),
                    body,
                });
            }
            self.stack.drop_top();
            self.advance()?;
            walk.push(Continuation::Loop(id))?;
            Ok(Next::Enter(node.body()))
        } else {
            self.end_loop(walk, node, true)?;
            Ok(Next::Pending)
        }
    }

    /// Ends a loop. The condition is still on the stack if the body was executed.
    fn end_loop(&mut self, walk: &Walk, node: &LoopNode, entered: bool) -> OpResult {
        self.end_row(walk, NodeKind::Loop, node.digest(), entered, None);
        if entered {
            self.stack.drop_top();
        }
        self.advance()
    }

    // CALLS
    // --------------------------------------------------------------------------------------------

    /// Begins a call. If the VM itself is called, that is all of it.
    fn start_call(
        &mut self,
        walk: &mut Walk,
        forest: &MastForest,
        id: MastNodeId,
        call: &CallNode,
    ) -> OpResult<Next> {
        let callee = find_node(forest, call.callee())?.digest();
        let (kind, entered, held) = if call.is_syscall() {
            (NodeKind::Syscall, self.resolve_syscall(callee)?, None)
        } else {
            match self.resolve_call(callee)? {
                Callee::Procedure(entered, held) => (NodeKind::Call, entered, held),
                Callee::Intrinsic(intrinsic) => {
                    if let Some(digest) = self.unknown_export(&intrinsic)? {
                        return Ok(walk.ask(Question::Forest(digest), Continuation::Start(id)));
                    }
                    match self.call_intrinsic(&intrinsic, call.digest(), callee)? {
                        Some(entered) => (NodeKind::Call, entered, None),
                        None => {
                            self.end_intrinsic(walk, call)?;
                            return Ok(Next::Pending);
                        }
                    }
                }
            }
        };
        let target = match entered.target == callee {
            true => None,
            false => Some(self.find_linked(walk, &entered)?),
        };
        if T::ENABLED {
            let input = hash_input(callee, Word::default());
            self.row(RowKind::Start(StartRow {
                kind,
                digest: call.digest(),
                inputs: &input,
                batches: &[],
                callee: Some(callee),
                entered: Some(entered),
            }));
            if let Some(access) = &held {
                self.tracer.table(access);
            }
        }
        self.enter(&entered)?;
        self.advance()?;
        walk.push(Continuation::End(id))?;
        match target {
            None => Ok(Next::Enter(call.callee())),
            Some(Procedure { forest, node }) => {
                walk.go_to(forest)?;
                Ok(Next::Enter(node))
            }
        }
    }

    /// The second cycle of an intrinsic that enters nothing.
    fn end_intrinsic(&mut self, walk: &Walk, call: &CallNode) -> OpResult {
        self.end_row(walk, NodeKind::Call, call.digest(), false, None);
        self.advance()
    }

    fn start_dyn(&mut self, walk: &mut Walk, id: MastNodeId, node: &DynNode) -> OpResult<Next> {
        let (addr, callee) = self.fetch_word(self.stack.get(0))?;
        let (entered, held) = if node.is_dyncall() {
            match self.resolve_call(callee)? {
                Callee::Procedure(entered, held) => (Some(entered), held),
                Callee::Intrinsic(_) => {
                    return Err(Box::new(Trap::DynamicIntrinsic {
                        instance: self.context.index(),
                        digest: callee,
                    }));
                }
            }
        } else {
            (None, None)
        };
        let target = match &entered {
            Some(entered) if entered.target != callee => self.find_linked(walk, entered)?,
            _ => match self.find_dynamic(walk, callee)? {
                Some(procedure) => procedure,
                None => return Ok(walk.ask(Question::Forest(callee), Continuation::Start(id))),
            },
        };
        if T::ENABLED {
            self.row(RowKind::Start(StartRow {
                kind: if node.is_dyncall() {
                    NodeKind::Dyncall
                } else {
                    NodeKind::Dyn
                },
                digest: node.digest(),
                inputs: &[ZERO; 8],
                batches: &[],
                callee: Some(callee),
                entered,
            }));
            if let Some(access) = &held {
                self.tracer.table(access);
            }
        }
        self.trace_access(addr, false, false, callee);
        self.stack.drop_top();
        if let Some(entered) = &entered {
            self.enter(entered)?;
        }
        self.advance()?;
        walk.push(Continuation::End(id))?;
        walk.go_to(target.forest)?;
        Ok(Next::Enter(target.node))
    }

    /// The procedure that is executed when a dynamic node finds `digest` in memory; `None` if the
    /// host is to be asked for it.
    fn find_dynamic(&mut self, walk: &Walk, digest: Word) -> OpResult<Option<Procedure>> {
        if let Some(procedure) = self.forests.find(walk.id, &digest) {
            return Ok(Some(procedure));
        }
        match self.forests.answer(&digest) {
            None => Ok(None),
            Some(Ok(procedure)) => Ok(Some(procedure)),
            Some(Err(Missing::Forest)) => Err(Box::new(Trap::DynamicNodeNotFound { digest })),
            Some(Err(Missing::Root)) => Err(Box::new(Trap::MalformedMastForestInHost {
                root_digest: digest,
            })),
        }
    }

    /// The procedure at the far end of a link that leads to another digest than the one called.
    fn find_linked(&mut self, walk: &Walk, entered: &Entered) -> OpResult<Procedure> {
        let digest = &entered.target;
        if let Some(procedure) = self.forests.find(walk.id, digest) {
            return Ok(procedure);
        }
        if let Some(procedure) = self.forests.find(Forests::MAIN, digest) {
            return Ok(procedure);
        }
        // The host was asked before the first cycle, or when the instance was installed.
        let answer = self.forests.answer(digest);
        self.forests
            .check_external(digest, answer.unwrap_or(Err(Missing::Forest)))
    }

    // ENDS
    // --------------------------------------------------------------------------------------------

    /// Ends a node other than a loop or a basic block.
    fn end_node(&mut self, walk: &Walk, forest: &MastForest, id: MastNodeId) -> OpResult {
        let (kind, digest) = match find_node(forest, id)? {
            MastNode::Join(node) => (NodeKind::Join, node.digest()),
            MastNode::Split(node) => (NodeKind::Split, node.digest()),
            MastNode::Call(node) if node.is_syscall() => (NodeKind::Syscall, node.digest()),
            MastNode::Call(node) => (NodeKind::Call, node.digest()),
            MastNode::Dyn(node) if node.is_dyncall() => (NodeKind::Dyncall, node.digest()),
            MastNode::Dyn(node) => (NodeKind::Dyn, node.digest()),
            MastNode::Block(_) | MastNode::Loop(_) | MastNode::External(_) => return Ok(()),
        };
        let frame = match kind {
            NodeKind::Call | NodeKind::Syscall | NodeKind::Dyncall => self.check_return()?,
            _ => None,
        };
        self.end_row(walk, kind, digest, false, frame);
        if frame.is_some() {
            self.leave();
        }
        self.advance()
    }

    #[inline(always)]
    fn end_row(
        &mut self,
        walk: &Walk,
        kind: NodeKind,
        digest: Word,
        loop_entered: bool,
        frame: Option<Frame>,
    ) {
        if T::ENABLED {
            let is_loop_body = walk.in_loop();
            self.row(RowKind::End(EndRow {
                kind,
                digest,
                is_loop_body,
                loop_entered,
                frame,
                left: frame
                    .map_or_else(InstanceState::default, |frame| self.state_to_leave(&frame)),
            }));
        }
    }

    // BASIC BLOCKS
    // --------------------------------------------------------------------------------------------

    /// Executes a basic block from a place on.
    fn run_block(
        &mut self,
        walk: &mut Walk,
        forest: &MastForest,
        id: MastNodeId,
        block: &BasicBlockNode,
        mut place: BlockPlace,
        host: &mut dyn BaseHost,
    ) -> OpResult<Next> {
        let batches = block.op_batches();
        while let Some(batch) = batches.get(place.batch) {
            if !place.begun {
                if place.batch > 0 && self.pauses(Some(place.done)) {
                    return Ok(walk.ask_in_block(Question::Pause, id, place));
                }
                self.start_batch(block, batch, place.batch)?;
                place.begun = true;
            }
            match self.run_batch(forest, id, batch, &mut place, host)? {
                None => place.go_to_next_batch(),
                Some(question) => return Ok(walk.ask_in_block(question, id, place)),
            }
        }
        if self.pauses(place.done.checked_sub(1)) {
            return Ok(walk.ask_in_block(Question::Pause, id, place));
        }
        self.row(RowKind::End(EndRow {
            kind: NodeKind::Block,
            digest: block.digest(),
            is_loop_body: T::ENABLED && walk.in_loop(),
            loop_entered: false,
            frame: None,
            left: InstanceState::default(),
        }));
        self.advance()?;
        if self.options.runs_decorators() {
            self.run_op_decorators(forest, id, place.done, host)?;
        }
        Ok(Next::Pending)
    }

    /// Executes the rest of the block in which the walk stopped.
    #[cold]
    fn resume_block(
        &mut self,
        walk: &mut Walk,
        forest: &MastForest,
        id: MastNodeId,
        host: &mut dyn BaseHost,
    ) -> OpResult<Next> {
        self.go_to_node(id);
        match find_node(forest, id)? {
            MastNode::Block(block) => self.run_block(walk, forest, id, block, walk.place, host),
            _ => Err(Box::new(Trap::MastNodeNotFoundInForest { node_id: id })),
        }
    }

    /// The cycle that begins a batch, and with the first one its block.
    fn start_batch(
        &mut self,
        block: &BasicBlockNode,
        batch: &OpBatch,
        position: usize,
    ) -> OpResult {
        self.row(match position {
            0 => RowKind::Start(StartRow {
                batches: block.op_batches(),
                ..node_start(NodeKind::Block, block.digest(), batch.groups())
            }),
            _ => RowKind::Respan {
                batch: position,
                groups: batch.groups(),
            },
        });
        self.advance()
    }

    /// Executes the operations of a batch from a place on, until its end or until a question; `place`
    /// is then after the event that the host has to answer, or before the operation at which the
    /// tracer pauses.
    fn run_batch(
        &mut self,
        forest: &MastForest,
        id: MastNodeId,
        batch: &OpBatch,
        place: &mut BlockPlace,
        host: &mut dyn BaseHost,
    ) -> OpResult<Option<Question>> {
        let decorated = self.options.runs_decorators();
        let BlockPlace {
            batch: position,
            op: first,
            done,
            mut group,
            ..
        } = *place;
        let rest = batch.ops().get(first..).unwrap_or_default();
        for (i, op) in (first..).zip(rest) {
            if self.pauses(Some(done + i)) {
                place.op = i;
                place.group = group;
                return Ok(Some(Question::Pause));
            }
            if decorated {
                self.run_op_decorators(forest, id, done + i, host)?;
            }
            if T::ENABLED {
                self.row(RowKind::Op(OpRow {
                    op: *op,
                    batch: position,
                    group: group.group,
                    index: group.index,
                }));
                group.advance(i, op, batch);
                self.position.op = Some(done + i);
            }
            let outcome = self
                .execute_op(op, forest)
                .and_then(|outcome| match outcome {
                    Outcome::Done => self.advance().map(|()| outcome),
                    Outcome::HostEvent => Ok(outcome),
                });
            if !matches!(outcome, Ok(Outcome::Done)) {
                self.position.op = Some(done + i);
                place.op = i + 1;
                place.group = group;
                return outcome.map(|_| Some(Question::Event));
            }
        }
        place.op = batch.ops().len();
        if T::ENABLED {
            self.position.op = None;
        }
        Ok(None)
    }

    // DECORATORS
    // --------------------------------------------------------------------------------------------

    #[cold]
    fn run_op_decorators(
        &mut self,
        forest: &MastForest,
        id: MastNodeId,
        op: usize,
        host: &mut dyn BaseHost,
    ) -> OpResult {
        for decorator in forest.decorators_for_op(id, op) {
            self.run_decorator(decorator, host)?;
        }
        Ok(())
    }

    #[cold]
    fn run_decorators(
        &mut self,
        forest: &MastForest,
        ids: &[DecoratorId],
        host: &mut dyn BaseHost,
    ) -> OpResult {
        for &id in ids {
            let decorator = forest.decorator_by_id(id).ok_or_else(|| {
                Box::new(Trap::DecoratorNotFoundInForest {
                    decorator: id.into(),
                })
            })?;
            self.run_decorator(decorator, host)?;
        }
        Ok(())
    }

    fn run_decorator(&mut self, decorator: &Decorator, host: &mut dyn BaseHost) -> OpResult {
        match decorator {
            Decorator::AsmOp(_) => Ok(()),
            Decorator::Debug(options) => host
                .on_debug(&mut self.state(), options)
                .map_err(|error| Box::new(Trap::DebugHandlerError(error))),
            Decorator::Trace(trace_id) if *trace_id != TEXT_TRACE && !self.options.tracing() => {
                Ok(())
            }
            Decorator::Trace(trace_id) => {
                host.on_trace(&mut self.state(), *trace_id)
                    .map_err(|error| {
                        Box::new(Trap::TraceHandlerError {
                            trace_id: *trace_id,
                            error,
                        })
                    })
            }
        }
    }
}

/// A place in a basic block.
#[derive(Debug, Clone, Copy, Default)]
struct BlockPlace {
    /// The batch.
    batch: usize,
    /// `true` if the batch has begun.
    begun: bool,
    /// The operation in the batch.
    op: usize,
    /// Number of operations in the batches before.
    done: usize,
    /// The place of the operation among the batch's groups.
    group: GroupPlace,
}

impl BlockPlace {
    /// Goes from the end of a batch to the next one.
    fn go_to_next_batch(&mut self) {
        *self = Self {
            batch: self.batch + 1,
            done: self.done + self.op,
            ..Self::default()
        };
    }
}

/// The place of an operation among the groups of its batch.
#[derive(Debug, Clone, Copy)]
struct GroupPlace {
    /// The group that holds the operation.
    group: usize,
    /// Position of the operation in its group.
    index: usize,
    /// The first group that neither was begun nor holds an immediate of operations so far.
    free: usize,
}

impl Default for GroupPlace {
    fn default() -> Self {
        Self {
            group: 0,
            index: 0,
            free: 1,
        }
    }
}

impl GroupPlace {
    /// Moves past the batch's operation number `i`.
    fn advance(&mut self, i: usize, op: &Operation, batch: &OpBatch) {
        if op.imm_value().is_some() {
            self.free += 1;
        }
        if batch.end_indices().get(self.group) == Some(&(i + 1)) {
            self.group = self.free;
            self.free += 1;
            self.index = 0;
        } else {
            self.index += 1;
        }
    }
}

/// The condition of a loop.
fn loop_condition(value: Felt) -> OpResult<bool> {
    truth(value).ok_or_else(|| Box::new(Trap::NotBinaryValueLoop { value }))
}

fn start_row(kind: NodeKind, digest: Word, inputs: &[Felt; 8]) -> RowKind<'_> {
    RowKind::Start(node_start(kind, digest, inputs))
}

fn node_start(kind: NodeKind, digest: Word, inputs: &[Felt; 8]) -> StartRow<'_> {
    StartRow {
        kind,
        digest,
        inputs,
        batches: &[],
        callee: None,
        entered: None,
    }
}
