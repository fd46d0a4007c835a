//! The machine: its state, and how state changes pass through it.

use miden_core::{
    FMP_ADDR, FMP_INIT_VALUE, Felt, Kernel, Word, ZERO, precompile::PrecompileTranscript,
    stack::MIN_STACK_DEPTH,
};
use miden_cvm_air::{
    composition::Composition,
    memory_io::{Area, Arguments, MemoryIo, MemorySegment},
};

use crate::{
    advice::{AdviceInputs, AdviceProvider},
    bulk::BulkQuota,
    calls::{
        crossing::{CreationTime, Crossing, Entered, Frame},
        instances::{Callee, Calling, Instances, RuntimeInstance},
        resources::Marks,
        state::InstanceState,
    },
    context::ContextId,
    error::{OpResult, Trap},
    forests::{Forests, Position},
    machine::{
        memory::{Memory, MemorySlot, to_address, to_word_address},
        stack::{Stack, SuspendedStack},
        view::ProcessState,
    },
    options::{ExecutionOptions, Limits},
    tracer::{MemoryAccess, RowKind, RowState, Taking, Tracer},
};

const WORD_LEN: u32 = 4;

/// A machine that runs one program, and tells a tracer what it does.
#[derive(Debug)]
pub struct Process<T: Tracer> {
    pub(crate) clk: u32,
    pub(crate) context: ContextId,
    pub(crate) stack: Stack,
    pub(crate) memory: Memory,
    pub(crate) advice: AdviceProvider,
    pub(crate) tracer: T,
    pub(crate) kernel: Kernel,
    pub(crate) options: ExecutionOptions,
    pub(crate) forests: Forests,
    /// The instance table; `None` in an open program.
    pub(crate) instances: Option<Instances>,
    pub(crate) position: Position,
    pub(crate) bulk: BulkQuota,
    /// The transcript of precompiles so far.
    pub(crate) transcript: PrecompileTranscript,
    in_syscall: bool,
    /// Index of the installed instance whose calls the running one has adopted.
    pub(crate) adopted: Option<u16>,
    /// The domain into which shared calls go and in which resource types live.
    pub(crate) home: u32,
    fn_hash: Word,
    /// Hash of the function that called into the running instance.
    caller: Word,
    slot: MemorySlot,
    frames: Vec<CallerFrame>,
    /// The boundaries between contexts that were crossed last.
    pub(crate) marks: Marks,
    /// The arguments of the run.
    pub(crate) arguments: Arguments,
    /// The inputs in memory, from when the run begins.
    pub(crate) inputs: Option<MemorySegment>,
    /// The place of the outputs in memory, from when the run begins.
    pub(crate) outputs: Option<Area>,
}

/// Where a context is that runs or waits.
#[derive(Debug)]
pub(crate) struct OpenContext {
    pub context: ContextId,
    pub in_syscall: bool,
    /// The function that was called last there.
    pub fn_hash: Word,
    pub position: Position,
}

/// The state that a caller gets back when its callee ends.
#[derive(Debug)]
struct CallerFrame {
    frame: Frame,
    /// The call.
    position: Position,
    caller: Word,
    slot: MemorySlot,
    stack: SuspendedStack,
}

impl<T: Tracer> Process<T> {
    /// Returns a machine with the given kernel and inputs that has not run yet.
    pub fn new(
        kernel: Kernel,
        arguments: impl Into<Arguments>,
        advice_inputs: AdviceInputs,
        options: ExecutionOptions,
        tracer: T,
    ) -> Self {
        let arguments = arguments.into();
        let limits = *options.limits();
        let mut memory = Memory::new(limits.memory_words);
        let slot = memory.open(ContextId::ROOT);
        Self {
            clk: 0,
            context: ContextId::ROOT,
            stack: Stack::new(&arguments.stack),
            arguments,
            inputs: None,
            outputs: None,
            memory,
            advice: AdviceProvider::new(advice_inputs, limits.advice_elements),
            tracer,
            kernel,
            options,
            forests: Forests::default(),
            instances: None,
            position: Position::default(),
            bulk: BulkQuota::new(limits.bulk_elements),
            transcript: PrecompileTranscript::default(),
            in_syscall: false,
            adopted: None,
            home: ContextId::ROOT.domain(),
            fn_hash: Word::default(),
            caller: Word::default(),
            slot,
            frames: Vec::new(),
            marks: Marks::START,
        }
    }

    // LOOKING AT IT
    // --------------------------------------------------------------------------------------------

    /// Returns the transcript of precompiles that the run recorded so far, in the order in which it
    /// did.
    pub fn precompile_transcript(&self) -> PrecompileTranscript {
        self.transcript
    }

    /// The number of cycles that have passed.
    pub fn clk(&self) -> u32 {
        self.clk
    }

    /// The operand stack.
    pub fn stack(&self) -> &Stack {
        &self.stack
    }

    /// Memory of all contexts that are alive or retained.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The inputs in memory, as they were before the first cycle, and the outputs, as they are now.
    pub fn memory_io(&self) -> MemoryIo {
        let outputs = self.outputs.map(|Area { address, length }| {
            let words = (address..).step_by(4).take(length as usize / 4);
            let words = words.map(|addr| {
                let word = self.memory.get_word(ContextId::ROOT, addr);
                // The address is aligned; a word that was never touched is zero.
                word.ok().flatten().unwrap_or_default()
            });
            MemorySegment {
                address,
                elements: words.flatten().collect(),
            }
        });
        MemoryIo {
            inputs: self.inputs.clone(),
            outputs,
        }
    }

    /// The advice provider.
    pub fn advice(&self) -> &AdviceProvider {
        &self.advice
    }

    /// The tracer.
    pub fn tracer(&self) -> &T {
        &self.tracer
    }

    /// The composition that runs; `None` in an open program.
    pub fn composition(&self) -> Option<&Composition> {
        self.instances.as_ref().map(Instances::composition)
    }

    /// The instances of the composition that exist, by context; none in an open program.
    pub fn instances(&self) -> Vec<RuntimeInstance<'_>> {
        let instances = self.instances.as_ref();
        instances.map(Instances::existing).unwrap_or_default()
    }

    /// The running context.
    pub fn context(&self) -> ContextId {
        self.context
    }

    /// The advice provider, memory and tracer.
    pub fn into_parts(self) -> (AdviceProvider, Memory, T) {
        (self.advice, self.memory, self.tracer)
    }

    /// Returns what the advice is taken from, with the tracer that may have other answers.
    #[inline(always)]
    pub(crate) fn taking(&mut self) -> (&mut T, Taking<'_>) {
        let taking = Taking {
            advice: &mut self.advice,
            position: self.position,
            context: self.context,
            stack: self.stack.top16(),
        };
        (&mut self.tracer, taking)
    }

    /// The state as the host sees it.
    pub(crate) fn state(&self) -> ProcessState<'_> {
        ProcessState {
            clk: self.clk,
            context: self.context,
            stack: &self.stack,
            memory: &self.memory,
            advice: &self.advice,
            bulk: &self.bulk,
        }
    }

    /// The context that runs and those that wait for it, the innermost first.
    pub(crate) fn open_contexts(&self) -> Vec<OpenContext> {
        let running = OpenContext {
            context: self.context,
            in_syscall: self.in_syscall,
            fn_hash: self.fn_hash,
            position: self.position,
        };
        let waiting = self.frames.iter().rev().map(|waiting| OpenContext {
            context: waiting.frame.context,
            in_syscall: waiting.frame.in_syscall,
            fn_hash: waiting.frame.fn_hash,
            position: waiting.position,
        });
        std::iter::once(running).chain(waiting).collect()
    }

    /// Returns the word that CALLER yields.
    pub(crate) fn caller(&self) -> Word {
        if self.instances.is_some() && !self.in_syscall {
            self.caller
        } else {
            self.fn_hash
        }
    }

    // CYCLES
    // --------------------------------------------------------------------------------------------

    /// Tells the tracer that a cycle begins.
    #[inline(always)]
    pub(crate) fn row(&mut self, kind: RowKind<'_>) {
        if T::ENABLED {
            let state = RowState {
                clk: self.clk,
                context: self.context,
                in_syscall: self.in_syscall,
                adopted: self.adopted,
                home: self.home,
                fn_hash: &self.fn_hash,
                stack: self.stack.top16(),
                depth: self.stack.depth() as u32,
                overflow_pointer: self.stack.overflow_pointer(),
                marks: self.marks,
                position: self.position,
                forests: &self.forests,
            };
            self.tracer.row(&state, kind);
        }
    }

    /// Ends a cycle.
    ///
    /// # Errors
    /// If there were more cycles than allowed, or the stack is deeper, or the trace longer.
    #[inline(always)]
    pub(crate) fn advance(&mut self) -> OpResult {
        self.clk += 1;
        if self.clk > self.options.max_cycles()
            || self.stack.depth() > self.options.limits().stack_depth
            || (T::ENABLED && self.tracer.rows() > self.options.limits().trace_rows)
        {
            return Err(self.limit_passed());
        }
        Ok(())
    }

    #[cold]
    fn limit_passed(&self) -> Box<Trap> {
        let max_cycles = self.options.max_cycles();
        let Limits {
            stack_depth,
            trace_rows,
            ..
        } = *self.options.limits();
        Box::new(if self.clk > max_cycles {
            Trap::CycleLimitExceeded(max_cycles)
        } else if self.stack.depth() > stack_depth {
            Trap::LimitExceeded {
                limit: "stack elements in a context",
                max: stack_depth as u64,
            }
        } else {
            Trap::LimitExceeded {
                limit: "trace rows",
                max: trace_rows as u64,
            }
        })
    }

    // MEMORY OF THE RUNNING CONTEXT
    // --------------------------------------------------------------------------------------------

    #[inline]
    pub(crate) fn read_element(&mut self, addr: Felt) -> OpResult<Felt> {
        let addr = to_address(addr)?;
        let word = self.memory.read(self.slot, addr)?;
        self.trace_access(addr, false, true, word);
        Ok(word[(addr % WORD_LEN) as usize])
    }

    #[inline]
    pub(crate) fn write_element(&mut self, addr: Felt, value: Felt) -> OpResult {
        let addr = to_address(addr)?;
        let word = self.memory.write_element(self.slot, addr, value)?;
        self.trace_access(addr, true, true, word);
        Ok(())
    }

    #[inline]
    pub(crate) fn read_word(&mut self, addr: Felt) -> OpResult<Word> {
        let addr = to_word_address(addr, self.context)?;
        let word = self.memory.read(self.slot, addr)?;
        self.trace_access(addr, false, false, word);
        Ok(word)
    }

    #[inline]
    pub(crate) fn write_word(&mut self, addr: Felt, word: Word) -> OpResult {
        let addr = to_word_address(addr, self.context)?;
        self.memory.write_word(self.slot, addr, word)?;
        self.trace_access(addr, true, false, word);
        Ok(())
    }

    /// The word at `addr`, without telling the tracer.
    pub(crate) fn fetch_word(&mut self, addr: Felt) -> OpResult<(u32, Word)> {
        let addr = to_word_address(addr, self.context)?;
        Ok((addr, self.memory.read(self.slot, addr)?))
    }

    #[inline(always)]
    pub(crate) fn trace_access(&mut self, addr: u32, is_write: bool, is_element: bool, word: Word) {
        if T::ENABLED {
            self.tracer.memory(MemoryAccess {
                context: self.context,
                addr,
                clk: self.clk,
                is_write,
                is_element,
                word,
            });
        }
    }

    // CONTEXTS
    // --------------------------------------------------------------------------------------------

    /// Resolves a call to `callee`.
    ///
    /// # Errors
    /// In a composition: if there is no link for it, the target is running or not held, or a syscall
    /// calls anything but the kernel's intrinsics.
    pub(crate) fn resolve_call(&mut self, callee: Word) -> OpResult<Callee> {
        let by = self.calling();
        match &mut self.instances {
            None => {
                let entered = Entered {
                    crossing: Crossing::Open,
                    context: ContextId::new(self.clk + 1, 0),
                    home: self.clk + 1,
                    wired: 0,
                    target: callee,
                    created: true,
                    state: InstanceState::default(),
                };
                Ok(Callee::Procedure(entered, None))
            }
            Some(instances) if self.in_syscall => instances.resolve_in_kernel(callee),
            Some(instances) => {
                let last = self.stack.get(MIN_STACK_DEPTH - 1);
                instances.resolve(callee, last, by)
            }
        }
    }

    /// Who would call now.
    pub(crate) fn calling(&self) -> Calling {
        Calling {
            context: self.context,
            source: self.adopted.unwrap_or(self.context.index()),
            home: self.home,
            marks: self.marks,
            clk: self.clk,
        }
    }

    /// Resolves a syscall.
    ///
    /// # Errors
    /// If the kernel does not have the procedure.
    pub(crate) fn resolve_syscall(&self, callee: Word) -> OpResult<Entered> {
        if !self.kernel.contains_proc(callee) {
            return Err(Box::new(Trap::SyscallTargetNotInKernel {
                proc_root: callee,
            }));
        }
        Ok(Entered {
            crossing: Crossing::Syscall,
            context: ContextId::ROOT,
            home: ContextId::ROOT.domain(),
            wired: 0,
            target: callee,
            created: false,
            state: InstanceState::default(),
        })
    }

    /// Goes into another context. The caller's frame waits for [Process::leave].
    ///
    /// # Errors
    /// If too many calls are open, or there is no room for the context's memory.
    pub(crate) fn enter(&mut self, entered: &Entered) -> OpResult {
        let max_depth = self.options.limits().call_depth;
        if self.frames.len() >= max_depth {
            return Err(Box::new(Trap::LimitExceeded {
                limit: "open calls",
                max: max_depth as u64,
            }));
        }
        if entered.created
            && let Some(instances) = &self.instances
        {
            instances.check_room()?;
        }
        let depth = self.stack.depth() as u32;
        let overflow_pointer = self.stack.overflow_pointer();
        self.frames.push(CallerFrame {
            frame: Frame {
                crossing: entered.crossing,
                context: self.context,
                in_syscall: self.in_syscall,
                adopted: self.adopted,
                home: self.home,
                fn_hash: self.fn_hash,
                depth,
                overflow_pointer,
            },
            position: self.position,
            caller: self.caller,
            slot: self.slot,
            stack: self.stack.start_context(),
        });
        self.marks = self.marks.entered(self.clk, entered.crossing);
        if let Some(instances) = &mut self.instances {
            instances.deliver_tokens();
            if entered.crossing.enters_instance() {
                instances.enter(entered, self.context);
            }
        }
        if entered.crossing != Crossing::OwnDestructor {
            self.context = entered.context;
            self.adopted = None;
            self.home = entered.home;
            self.slot = self.memory.open(entered.context);
            self.in_syscall = entered.crossing == Crossing::Syscall;
            if !self.in_syscall {
                self.caller = self.fn_hash;
                self.fn_hash = entered.target;
            }
        }
        if entered.created {
            self.create(CreationTime::Cycle(self.clk))?;
            self.write_element(FMP_ADDR, FMP_INIT_VALUE)?;
        }
        Ok(())
    }

    /// Creates the root of a composition, and places the public data, before the first cycle.
    ///
    /// # Errors
    /// If there is no room for its memory.
    pub(crate) fn create_root(&mut self) -> OpResult {
        self.create(CreationTime::BeforeStart)?;
        self.memory
            .write_element(self.slot, FMP_ADDR.as_int() as u32, FMP_INIT_VALUE)?;
        let composition = self.instances.as_ref().map(Instances::composition);
        for data in composition
            .map(Composition::public_data)
            .unwrap_or_default()
        {
            // A valid composition has no more instances than an index can name.
            let context = ContextId::new(ContextId::ROOT.domain(), data.instance as u16);
            let slot = self.memory.open(context);
            for (addr, word) in data.words() {
                self.memory.write_word(slot, addr, Word::new(word))?;
                self.tracer.public_word(context, addr, word);
            }
        }
        Ok(())
    }

    /// Places the inputs in memory, before the first cycle.
    ///
    /// # Errors
    /// If there is no room for them.
    pub(crate) fn place_inputs(&mut self) -> OpResult {
        for (addr, word) in self.inputs.iter().flat_map(MemorySegment::words) {
            self.memory.write_word(self.slot, addr, Word::new(word))?;
            self.tracer.public_word(ContextId::ROOT, addr, word);
        }
        Ok(())
    }

    /// Gives the running instance its static data; in an open program there is none.
    fn create(&mut self, at: CreationTime) -> OpResult {
        let Some(instances) = &mut self.instances else {
            return Ok(());
        };
        instances.count_static_data(self.context.index())?;
        self.tracer.instance_created(self.context, at);
        for (segment, data) in instances.static_data(self.context.index()) {
            for (addr, elements) in (segment.address..).step_by(4).zip(data.chunks_exact(4)) {
                let word = Word::new(core::array::from_fn(|i| elements[i]));
                self.memory.write_word(self.slot, addr, word)?;
            }
            self.tracer.static_data(self.context, at, &segment, &data);
        }
        Ok(())
    }

    /// The frame that the running context goes back to, after checking that it may end.
    ///
    /// # Errors
    /// If the stack is deeper than 16, or saved and not restored, or the instance that is left has borrowed
    /// handles.
    pub(crate) fn check_return(&self) -> OpResult<Option<Frame>> {
        let depth = self.stack.depth();
        if depth > MIN_STACK_DEPTH {
            return Err(Box::new(Trap::InvalidStackDepthOnReturn { depth }));
        }
        if self.stack.has_saved() {
            return Err(Box::new(Trap::SavedStackRemains));
        }
        let frame = self.frames.last().map(|waiting| waiting.frame);
        if let (Some(instances), Some(frame)) = (&self.instances, frame)
            && frame.crossing.enters_instance()
        {
            let borrows = instances.state().borrows;
            if borrows != 0 {
                return Err(Box::new(Trap::BorrowsRemain {
                    instance: self.context.index(),
                    borrows,
                }));
            }
        }
        Ok(frame)
    }

    /// The state of the instance that a return leaves; in an open program and at the end of a
    /// syscall there is none.
    pub(crate) fn state_to_leave(&self, frame: &Frame) -> InstanceState {
        match &self.instances {
            Some(instances) if frame.crossing != Crossing::Syscall => instances.state(),
            _ => InstanceState::default(),
        }
    }

    /// Goes back to the caller; [Process::check_return] has allowed it.
    pub(crate) fn leave(&mut self) {
        let Some(CallerFrame {
            frame,
            position: _,
            caller,
            slot,
            stack,
        }) = self.frames.pop()
        else {
            return;
        };
        let left = self.context;
        self.marks = self.marks.left(self.clk, frame.crossing);
        self.stack.restore_context(stack);
        self.context = frame.context;
        self.in_syscall = frame.in_syscall;
        self.adopted = frame.adopted;
        self.home = frame.home;
        self.fn_hash = frame.fn_hash;
        self.caller = caller;
        self.slot = slot;
        if let Some(instances) = &mut self.instances {
            instances.deliver_tokens();
        }
        let over = match (&mut self.instances, frame.crossing) {
            (_, Crossing::Syscall | Crossing::OwnDestructor) => Vec::new(),
            (Some(instances), crossing) => instances.leave(crossing, left),
            (None, _) => vec![left],
        };
        self.close(over);
    }

    /// Frees the memory of contexts that are over.
    pub(crate) fn close(&mut self, over: Vec<ContextId>) {
        if !self.options.retain_memory() {
            for context in over {
                self.memory.close(context);
            }
        }
    }

    /// The top 16 elements of a stack that has no more.
    ///
    /// # Errors
    /// If it has more, or is saved and not restored.
    pub(crate) fn final_stack(&self) -> OpResult<[Felt; MIN_STACK_DEPTH]> {
        if self.stack.has_saved() {
            return Err(Box::new(Trap::SavedStackRemains));
        }
        match self.stack.depth() - MIN_STACK_DEPTH {
            0 => Ok(*self.stack.top16()),
            overflow => Err(Box::new(Trap::OutputStackOverflow(overflow))),
        }
    }
}

/// The hash input of a node with up to two children.
pub(crate) fn hash_input(first: Word, second: Word) -> [Felt; 8] {
    let mut input = [ZERO; 8];
    input[..4].copy_from_slice(first.as_elements());
    input[4..].copy_from_slice(second.as_elements());
    input
}
