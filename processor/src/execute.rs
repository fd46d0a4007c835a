//! The walk through a program's forest, with a stack of its own instead of the native one.

use miden_core::{
    Decorator, Felt, ONE, Operation, Program, StackOutputs, Word, ZERO,
    mast::{
        BasicBlockNode, CallNode, DecoratorId, DynNode, JoinNode, LoopNode, MastForest, MastNode,
        MastNodeExt, MastNodeId, OpBatch, SplitNode,
    },
};
use miden_cvm_air::composition::Composition;

use crate::{
    error::{ExecutionError, LoadError, OpResult, Trap, TrapReport},
    forests::{ForestId, Forests, Missing},
    host::Host,
    instances::{Callee, Instances},
    location::locate,
    process::{Position, Process, hash_input},
    resources::InstanceState,
    tracer::{EndRow, Entered, Frame, NodeKind, OpRow, RowKind, StartRow, Tracer},
};

/// What is still to be done when a node has ended.
#[derive(Debug, Clone, Copy)]
enum Continuation {
    /// Execute a node.
    Enter(MastNodeId),
    /// Look at the condition of a loop whose body has ended.
    Loop(MastNodeId),
    /// End a node whose children have ended.
    End(MastNodeId),
    /// Execute the decorators that follow a node.
    AfterExit(MastNodeId),
    /// Go back to another forest.
    Forest(ForestId),
}

/// A walk through forests: in which it is and what is still to be done.
struct Walk {
    id: ForestId,
    pending: Vec<Continuation>,
    max_pending: usize,
}

impl Walk {
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

    /// Whether the node that is about to end is the body of a loop.
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

impl<T: Tracer> Process<T> {
    /// Runs a program, in a composition if one is given, and returns the final stack.
    ///
    /// # Errors
    /// If the program is refused, or traps. A machine runs only once.
    pub fn execute(
        &mut self,
        program: &Program,
        composition: Option<&Composition>,
        host: &mut impl Host,
    ) -> Result<StackOutputs, ExecutionError> {
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
            .extend_map(program.mast_forest().advice_map())
            .map_err(|error| Box::new(LoadError::Advice(error)))?;
        self.load(program, composition, host)?;
        match self
            .walk(program.entrypoint(), forest, host)
            .and_then(|()| self.final_stack())
        {
            Ok(stack) => Ok(StackOutputs::from(stack)),
            Err(trap) => Err(Box::new(self.report(*trap, host)).into()),
        }
    }

    /// Prepares a run in a composition: looks for its code and data.
    fn load(
        &mut self,
        program: &Program,
        composition: Option<&Composition>,
        host: &mut impl Host,
    ) -> Result<(), ExecutionError> {
        let Some(composition) = composition else {
            return Ok(());
        };
        let callees = composition.links().iter().map(|link| link.callee);
        let destructors = composition.resources().iter().filter_map(|r| r.destructor);
        for callee in callees.chain(destructors) {
            if program.mast_forest().find_procedure_root(callee).is_none() {
                // The forest brings its advice with it; that it is missing can only be told when the
                // call is made.
                let loaded = self.forests.resolve(&callee, host, &mut self.advice);
                loaded
                    .map_err(|trap| Box::new(self.report(*trap, host)))?
                    .ok();
            }
        }
        let max_handles = self.options.limits().handles;
        self.instances =
            Some(Instances::new(composition, &self.advice, max_handles).map_err(Box::new)?);
        self.create_root()
            .map_err(|trap| Box::new(self.report(*trap, host)))?;
        Ok(())
    }

    fn report(&self, trap: Trap, host: &impl Host) -> TrapReport {
        let instance = self.instances.is_some().then(|| self.context.index());
        let Position { forest, node, op } = self.position;
        let location = match (forest, node) {
            (Some(forest), Some(node)) => {
                locate(self.forests.get(forest), node, op, instance, host)
            }
            _ => Default::default(),
        };
        TrapReport {
            trap,
            cycle: self.clk,
            location,
        }
    }

    /// Executes a node and everything under it.
    fn walk(&mut self, start: MastNodeId, id: ForestId, host: &mut impl Host) -> OpResult {
        let mut walk = Walk {
            id,
            pending: Vec::new(),
            max_pending: self.options.limits().nesting,
        };
        let mut next = Some(Continuation::Enter(start));
        loop {
            let id = walk.id;
            self.position.forest = Some(id);
            let forest = self.forests.get(id).clone();
            while walk.id == id {
                let Some(continuation) = next.take().or_else(|| walk.pending.pop()) else {
                    return Ok(());
                };
                next = self.step(&mut walk, &forest, continuation, host)?;
            }
        }
    }

    /// Does one thing of a walk; returns what is to be done next, if it is known already.
    #[inline(always)]
    fn step(
        &mut self,
        walk: &mut Walk,
        forest: &MastForest,
        continuation: Continuation,
        host: &mut impl Host,
    ) -> OpResult<Option<Continuation>> {
        let next = match continuation {
            Continuation::Enter(id) => self.enter_node(walk, forest, id, host)?,
            Continuation::Loop(id) => {
                self.position = Position {
                    node: Some(id),
                    op: None,
                    ..self.position
                };
                self.continue_loop(walk, forest, id)?
            }
            Continuation::End(id) => {
                self.position = Position {
                    node: Some(id),
                    op: None,
                    ..self.position
                };
                self.end_node(walk, forest, id)?;
                None
            }
            Continuation::AfterExit(id) => {
                self.run_decorators(forest, forest.after_exit_decorators(id), host)?;
                None
            }
            Continuation::Forest(id) => {
                walk.id = id;
                None
            }
        };
        Ok(next.map(Continuation::Enter))
    }

    /// Begins a node; returns the node to be executed next, if it is known already.
    #[inline]
    fn enter_node(
        &mut self,
        walk: &mut Walk,
        forest: &MastForest,
        id: MastNodeId,
        host: &mut impl Host,
    ) -> OpResult<Option<MastNodeId>> {
        self.position = Position {
            node: Some(id),
            op: None,
            ..self.position
        };
        let node = find_node(forest, id)?;
        if self.options.runs_decorators() {
            self.run_decorators(forest, forest.before_enter_decorators(id), host)?;
            if !forest.after_exit_decorators(id).is_empty() {
                walk.push(Continuation::AfterExit(id))?;
            }
        }
        match node {
            MastNode::Block(block) => {
                let is_loop_body = T::ENABLED && walk.in_loop();
                self.run_block(forest, id, block, is_loop_body, host)?;
                Ok(None)
            }
            MastNode::Join(join) => self.start_join(walk, forest, id, join).map(Some),
            MastNode::Split(split) => self.start_split(walk, forest, id, split).map(Some),
            MastNode::Loop(node) => self.start_loop(walk, forest, id, node),
            MastNode::Call(call) => self.start_call(walk, forest, id, call, host),
            MastNode::Dyn(node) => self.start_dyn(walk, id, node, host).map(Some),
            MastNode::External(external) => {
                let digest = external.digest();
                let procedure = self
                    .forests
                    .resolve_external(&digest, host, &mut self.advice)?;
                walk.go_to(procedure.forest)?;
                Ok(Some(procedure.node))
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
    ) -> OpResult<MastNodeId> {
        if T::ENABLED {
            let children = [
                find_node(forest, join.first())?,
                find_node(forest, join.second())?,
            ];
            let input = hash_input(children[0].digest(), children[1].digest());
            self.row(start_row(NodeKind::Join, join.digest(), &input));
        }
        self.advance()?;
        walk.push(Continuation::End(id))?;
        walk.push(Continuation::Enter(join.second()))?;
        Ok(join.first())
    }

    fn start_split(
        &mut self,
        walk: &mut Walk,
        forest: &MastForest,
        id: MastNodeId,
        split: &SplitNode,
    ) -> OpResult<MastNodeId> {
        if T::ENABLED {
            let children = [
                find_node(forest, split.on_true())?,
                find_node(forest, split.on_false())?,
            ];
            let input = hash_input(children[0].digest(), children[1].digest());
            self.row(start_row(NodeKind::Split, split.digest(), &input));
        }
        let value = self.stack.get(0);
        self.stack.drop_top();
        self.advance()?;
        walk.push(Continuation::End(id))?;
        if value == ONE {
            Ok(split.on_true())
        } else if value == ZERO {
            Ok(split.on_false())
        } else {
            Err(Box::new(Trap::NotBinaryValueIf { value }))
        }
    }

    fn start_loop(
        &mut self,
        walk: &mut Walk,
        forest: &MastForest,
        id: MastNodeId,
        node: &LoopNode,
    ) -> OpResult<Option<MastNodeId>> {
        if T::ENABLED {
            let input = hash_input(find_node(forest, node.body())?.digest(), Word::default());
            self.row(start_row(NodeKind::Loop, node.digest(), &input));
        }
        let value = self.stack.get(0);
        self.stack.drop_top();
        self.advance()?;
        if value == ONE {
            walk.push(Continuation::Loop(id))?;
            Ok(Some(node.body()))
        } else if value == ZERO {
            self.end_loop(walk, node, false)?;
            Ok(None)
        } else {
            Err(Box::new(Trap::NotBinaryValueLoop { value }))
        }
    }

    /// Executes a loop's body once more, or ends the loop.
    fn continue_loop(
        &mut self,
        walk: &mut Walk,
        forest: &MastForest,
        id: MastNodeId,
    ) -> OpResult<Option<MastNodeId>> {
        let MastNode::Loop(node) = find_node(forest, id)? else {
            return Err(Box::new(Trap::MastNodeNotFoundInForest { node_id: id }));
        };
        let value = self.stack.get(0);
        if value == ONE {
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
            Ok(Some(node.body()))
        } else if value == ZERO {
            self.end_loop(walk, node, true)?;
            Ok(None)
        } else {
            Err(Box::new(Trap::NotBinaryValueLoop { value }))
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

    /// Begins a call; returns the procedure to be executed next, unless the VM itself is called.
    fn start_call(
        &mut self,
        walk: &mut Walk,
        forest: &MastForest,
        id: MastNodeId,
        call: &CallNode,
        host: &mut impl Host,
    ) -> OpResult<Option<MastNodeId>> {
        let callee = find_node(forest, call.callee())?.digest();
        let (kind, entered) = if call.is_syscall() {
            (NodeKind::Syscall, self.resolve_syscall(callee)?)
        } else {
            match self.resolve_call(callee)? {
                Callee::Procedure(entered) => (NodeKind::Call, entered),
                Callee::Kernel(access) => {
                    self.access_for_kernel(access, call.digest(), callee)?;
                    self.end_intrinsic(walk, call)?;
                    return Ok(None);
                }
                Callee::Table(intrinsic) => {
                    let digest = call.digest();
                    match self.access_table(&intrinsic, digest, callee)? {
                        Some(entered) => (NodeKind::Call, entered),
                        None => {
                            self.end_intrinsic(walk, call)?;
                            return Ok(None);
                        }
                    }
                }
            }
        };
        let target = match entered.target == callee {
            true => None,
            false => Some(self.find_linked(walk, &entered, host)?),
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
        }
        self.enter(&entered)?;
        self.advance()?;
        walk.push(Continuation::End(id))?;
        match target {
            None => Ok(Some(call.callee())),
            Some((forest, node)) => {
                walk.go_to(forest)?;
                Ok(Some(node))
            }
        }
    }

    /// The second cycle of an intrinsic that enters nothing.
    fn end_intrinsic(&mut self, walk: &Walk, call: &CallNode) -> OpResult {
        self.end_row(walk, NodeKind::Call, call.digest(), false, None);
        self.advance()
    }

    fn start_dyn(
        &mut self,
        walk: &mut Walk,
        id: MastNodeId,
        node: &DynNode,
        host: &mut impl Host,
    ) -> OpResult<MastNodeId> {
        let (addr, callee) = self.fetch_word(self.stack.get(0))?;
        let entered = if node.is_dyncall() {
            match self.resolve_call(callee)? {
                Callee::Procedure(entered) => Some(entered),
                Callee::Table(_) | Callee::Kernel(_) => {
                    return Err(Box::new(Trap::DynamicIntrinsic {
                        instance: self.context.index(),
                        digest: callee,
                    }));
                }
            }
        } else {
            None
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
        }
        self.trace_access(addr, false, false, callee);
        self.stack.drop_top();
        if let Some(entered) = &entered {
            self.enter(entered)?;
        }
        self.advance()?;
        walk.push(Continuation::End(id))?;
        let (forest, root) = match entered {
            Some(entered) if entered.target != callee => self.find_linked(walk, &entered, host)?,
            _ => self.find_dynamic(walk, callee, host)?,
        };
        walk.go_to(forest)?;
        Ok(root)
    }

    /// The procedure that is executed when a dynamic node finds `digest` in memory.
    fn find_dynamic(
        &mut self,
        walk: &Walk,
        digest: Word,
        host: &mut impl Host,
    ) -> OpResult<(ForestId, MastNodeId)> {
        if let Some(root) = self.forests.root(walk.id, &digest) {
            return Ok((walk.id, root));
        }
        match self.forests.resolve(&digest, host, &mut self.advice)? {
            Ok(procedure) => Ok((procedure.forest, procedure.node)),
            Err(Missing::Forest) => Err(Box::new(Trap::DynamicNodeNotFound { digest })),
            Err(Missing::Root) => Err(Box::new(Trap::MalformedMastForestInHost {
                root_digest: digest,
            })),
        }
    }

    /// The procedure at the far end of a link that leads to another digest than the one called.
    fn find_linked(
        &mut self,
        walk: &Walk,
        entered: &Entered,
        host: &mut impl Host,
    ) -> OpResult<(ForestId, MastNodeId)> {
        if let Some(root) = self.forests.root(walk.id, &entered.target) {
            return Ok((walk.id, root));
        }
        let main = Forests::MAIN;
        if let Some(root) = self.forests.root(main, &entered.target) {
            return Ok((main, root));
        }
        let procedure = self
            .forests
            .resolve_external(&entered.target, host, &mut self.advice)?;
        Ok((procedure.forest, procedure.node))
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

    fn run_block(
        &mut self,
        forest: &MastForest,
        id: MastNodeId,
        block: &BasicBlockNode,
        is_loop_body: bool,
        host: &mut impl Host,
    ) -> OpResult {
        let batches = block.op_batches();
        let mut done = 0;
        for (position, batch) in batches.iter().enumerate() {
            if position == 0 {
                self.row(RowKind::Start(StartRow {
                    batches,
                    ..node_start(NodeKind::Block, block.digest(), batch.groups())
                }));
            } else {
                self.row(RowKind::Respan {
                    batch: position,
                    groups: batch.groups(),
                });
            }
            self.advance()?;
            self.run_batch(forest, id, position, batch, done, host)?;
            done += batch.ops().len();
        }
        self.row(RowKind::End(EndRow {
            kind: NodeKind::Block,
            digest: block.digest(),
            is_loop_body,
            loop_entered: false,
            frame: None,
            left: InstanceState::default(),
        }));
        self.advance()?;
        if self.options.runs_decorators() {
            self.run_op_decorators(forest, id, done, host)?;
        }
        Ok(())
    }

    /// Executes the operations of a batch; `done` counts those of the batches before it.
    fn run_batch(
        &mut self,
        forest: &MastForest,
        id: MastNodeId,
        position: usize,
        batch: &OpBatch,
        done: usize,
        host: &mut impl Host,
    ) -> OpResult {
        let decorated = self.options.runs_decorators();
        let mut place = BatchPlace::default();
        for (i, op) in batch.ops().iter().enumerate() {
            if decorated {
                self.run_op_decorators(forest, id, done + i, host)?;
            }
            if T::ENABLED {
                let BatchPlace { group, index, .. } = place;
                self.row(RowKind::Op(OpRow {
                    op: *op,
                    batch: position,
                    group,
                    index,
                }));
                place.advance(i, op, batch);
            }
            if let Err(trap) = self
                .execute_op(op, forest, host)
                .and_then(|()| self.advance())
            {
                self.position.op = Some(done + i);
                return Err(trap);
            }
        }
        Ok(())
    }

    // DECORATORS
    // --------------------------------------------------------------------------------------------

    #[cold]
    fn run_op_decorators(
        &mut self,
        forest: &MastForest,
        id: MastNodeId,
        op: usize,
        host: &mut impl Host,
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
        host: &mut impl Host,
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

    fn run_decorator(&mut self, decorator: &Decorator, host: &mut impl Host) -> OpResult {
        match decorator {
            Decorator::AsmOp(_) => Ok(()),
            Decorator::Debug(options) => host
                .on_debug(&self.state(), options)
                .map_err(|error| Box::new(Trap::DebugHandlerError(error))),
            Decorator::Trace(_) if !self.options.tracing() => Ok(()),
            Decorator::Trace(trace_id) => {
                host.on_trace(&self.state(), *trace_id).map_err(|error| {
                    Box::new(Trap::TraceHandlerError {
                        trace_id: *trace_id,
                        error,
                    })
                })
            }
        }
    }
}

/// The place of an operation in its batch.
#[derive(Debug, Clone, Copy)]
struct BatchPlace {
    /// The group that holds the operation.
    group: usize,
    /// Position of the operation in its group.
    index: usize,
    /// The first group that neither was begun nor holds an immediate of operations so far.
    free: usize,
}

impl Default for BatchPlace {
    fn default() -> Self {
        Self {
            group: 0,
            index: 0,
            free: 1,
        }
    }
}

impl BatchPlace {
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
