//! Calls of procedures, here and on Miden VM 0.20.6.

use std::collections::BTreeMap;

use miden_assembly::Assembler;
use miden_core::{
    AdviceMap, Felt, ONE, Program, StackInputs, Word, ZERO,
    crypto::merkle::{InnerNodeInfo, MerkleStore},
    precompile::PrecompileRequest,
};
use miden_core_lib::CoreLibrary;
use miden_cvm_audit::advice::{LieCampaign, LieReport, Subject, Trust, audit_advice};
use miden_cvm_library::core_library;
use miden_cvm_processor::{
    AdviceInputs, Arguments, ContextId, DefaultHost, ExecutionError, ExecutionInputs,
    ExecutionOptions, ExecutionTrace, NoTrace, Process, Trap, execute_traced,
};
use miden_cvm_prover::{OptionSet, ProofSettings, ProveOptions, prove_trace};
use miden_cvm_verifier::{Expectations, default_registry, verify};
use miden_processor as peer;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

#[path = "../common/code.rs"]
mod code;

pub use code::{Code, Corrected, Published};

/// Defines one test for each procedure of a module, and `PROCEDURES`, which names them.
macro_rules! procedures {
    ($module:literal; $($(#[$attribute:meta])* fn $name:ident() $body:block)+) => {
        /// The procedures tested here.
        pub const PROCEDURES: &[&str] = &[$(concat!($module, "::", stringify!($name))),+];

        $(
            $(#[$attribute])*
            #[test]
            #[allow(non_snake_case, reason = "the library's names")]
            fn $name() {
                $body
            }
        )+
    };
}
pub(crate) use procedures;

/// A call of a procedure, with what stands on the stack, in memory and in the advice before it.
#[derive(Clone)]
pub struct Call {
    /// The procedure, or instructions in its place.
    path: String,
    memory: Vec<(u32, Felt)>,
    /// Instructions before the call, which leave the stack as it is.
    before: String,
    /// Instructions after the call.
    after: String,
    stack: Vec<Felt>,
    advice_stack: Vec<Felt>,
    /// `true` if the elements on the advice stack are input, and not lied about.
    has_input: bool,
    advice_map: AdviceMap,
    store: MerkleStore,
}

/// The result of a call, on both machines.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    /// The stack, top first; 16 elements.
    pub stack: Vec<Felt>,
    /// Cycles of the program around it.
    pub cycles: u32,
    /// Memory of the root context; zeros are left out.
    pub memory: BTreeMap<u32, Felt>,
    /// The advice stack, top first.
    pub advice_stack: Vec<Felt>,
    /// Requests to precompiles.
    pub requests: Vec<PrecompileRequest>,
    /// The state of the transcript of precompiles.
    pub transcript: Word,
}

impl Outcome {
    /// So many elements of memory, from the address on.
    pub fn elements(&self, addr: u32, count: u32) -> Vec<Felt> {
        (addr..addr + count)
            .map(|addr| self.memory.get(&addr).copied().unwrap_or_default())
            .collect()
    }
}

impl Call {
    /// A call of the procedure with a path like `math::u64::div`.
    pub fn new(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            memory: Vec::new(),
            before: String::new(),
            after: String::new(),
            stack: Vec::new(),
            advice_stack: Vec::new(),
            has_input: false,
            advice_map: AdviceMap::default(),
            store: MerkleStore::default(),
        }
    }

    /// Puts elements below those that are there already, top first.
    pub fn stack(mut self, elements: impl IntoIterator<Item = impl Into<Element>>) -> Self {
        let elements = elements.into_iter().map(|element| element.into().0);
        self.stack.extend(elements);
        self
    }

    /// Puts a word below what is there already, its last element on top.
    pub fn word(self, word: Word) -> Self {
        self.stack(word.into_iter().rev())
    }

    /// Stores elements in memory, from the address on.
    pub fn memory(
        mut self,
        addr: u32,
        elements: impl IntoIterator<Item = impl Into<Element>>,
    ) -> Self {
        let elements = elements.into_iter().map(|element| element.into().0);
        self.memory.extend((addr..).zip(elements));
        self
    }

    /// Runs instructions before the call.
    pub fn before(mut self, instructions: &str) -> Self {
        self.before.push_str(instructions);
        self.before.push('\n');
        self
    }

    /// Runs instructions after the call: what its callers have to do with what it leaves.
    pub fn after(mut self, instructions: &str) -> Self {
        self.after.push_str(instructions);
        self.after.push('\n');
        self
    }

    /// Puts elements below those on the advice stack, top first.
    pub fn advice(mut self, elements: impl IntoIterator<Item = impl Into<Element>>) -> Self {
        let elements = elements.into_iter().map(|element| element.into().0);
        self.advice_stack.extend(elements);
        self
    }

    /// The same, but nobody lies about what is on the advice stack.
    pub fn with_advice_as_input(mut self) -> Self {
        self.has_input = true;
        self
    }

    /// Adds an entry to the advice map.
    pub fn entry(mut self, key: Word, values: impl IntoIterator<Item = Felt>) -> Self {
        self.advice_map
            .insert(key, values.into_iter().collect::<Vec<_>>());
        self
    }

    /// Adds Merkle trees.
    pub fn trees(mut self, nodes: impl IntoIterator<Item = InnerNodeInfo>) -> Self {
        self.store.extend(nodes);
        self
    }

    /// The program around the call, which leaves 16 elements on the stack.
    fn program(&self) -> Program {
        Assembler::default()
            .with_dynamic_library(CoreLibrary::default())
            .and_then(|assembler| assembler.assemble_program(self.source(&self.stores())))
            .unwrap_or_else(|report| panic!("{} is not assembled: {report:?}", self.path))
    }

    /// Instructions that write what is in memory before the call.
    fn stores(&self) -> String {
        let stores = self.memory.iter();
        stores
            .map(|(addr, element)| format!("push.{element} mem_store.{addr}\n"))
            .collect()
    }

    /// The source of a program that begins with `start`, and then makes the call.
    fn source(&self, start: &str) -> String {
        let Self {
            path,
            before,
            after,
            ..
        } = self;
        let sys = "use miden::core::sys";
        let (imports, call) = match path.rsplit_once("::") {
            None => (sys.to_owned(), path.clone()),
            Some((module, procedure)) => {
                let alias = module.rsplit("::").next().expect("a module has a name");
                let sys = match module {
                    "sys" => "",
                    _ => sys,
                };
                let imports = format!("use miden::core::{module}\n{sys}");
                (imports, format!("exec.{alias}::{procedure}"))
            }
        };
        format!(
            "{imports}
            begin
                {start}
                {before}
                {call}
                {after}
                exec.sys::truncate_stack
            end"
        )
    }

    /// A program that takes what is in memory from the advice, so that all calls of a procedure are
    /// one program.
    pub fn general_program(&self, code: Code) -> Program {
        code.assemble(&self.source(&memory_from_advice()))
    }

    /// Calls with a host that lies about everything but what is in memory. `others` are calls of the
    /// same procedure whose answers are given in the place of this one's.
    pub fn lies(&self, code: Code, others: &[Call], lies: u64) -> LieReport {
        let program = self.general_program(code);
        let inputs = |call: &Call| {
            let mut advice = call.advice_inputs();
            let stored = call.memory.iter();
            let stored = stored.flat_map(|&(addr, element)| [ONE, element, Felt::from(addr)]);
            let elements = stored.chain([ZERO]).collect::<Vec<_>>();
            advice.map.insert(MEMORY_KEY.into(), elements);
            (Arguments::from(call.stack_inputs()), advice)
        };
        let (arguments, advice) = inputs(self);
        let host = host();
        let subject = Subject {
            program: &program,
            composition: None,
            arguments,
            advice,
            host: &|| host.clone(),
            options: ExecutionOptions::default(),
            precompiles: &default_registry(),
            procedures: &BTreeMap::new(),
        };
        let campaign = LieCampaign {
            lies,
            seed: 1,
            memory: true,
            trust: Trust {
                initial_stack: self.has_input,
                keys: [MEMORY_KEY.into()].into(),
                ..Trust::nothing()
            },
            others: others.iter().map(inputs).collect(),
            ..LieCampaign::default()
        };
        audit_advice(&subject, &campaign, &|_| {}).expect("the program is not refused")
    }

    /// The stack, top first, memory, and the advice.
    pub fn inputs(&self) -> (&[Felt], &[(u32, Felt)], AdviceInputs) {
        (&self.stack, &self.memory, self.advice_inputs())
    }

    fn stack_inputs(&self) -> StackInputs {
        let bottom_first = self.stack.iter().rev().copied().collect();
        StackInputs::new(bottom_first).expect("a call has at most 16 inputs")
    }

    fn advice_inputs(&self) -> AdviceInputs {
        AdviceInputs {
            stack: self.advice_stack.clone(),
            map: self.advice_map.clone(),
            store: self.store.clone(),
        }
    }

    fn run_here(&self, program: &Program) -> Result<Outcome, Box<Trap>> {
        let mut host = host();
        let advice = self.advice_inputs();
        let (kernel, options) = (program.kernel().clone(), ExecutionOptions::default());
        let mut process = Process::new(kernel, self.stack_inputs(), advice, options, NoTrace);
        let result = process.execute(program, None, &mut host);
        let cycles = process.clk();
        let transcript = process.precompile_transcript().state();
        let (advice, memory, NoTrace) = process.into_parts();
        let stack = result.map_err(|error| match error {
            ExecutionError::Trapped(report) => Box::new(report.trap),
            ExecutionError::Refused(reason) => panic!("{}: {reason}", self.path),
        })?;
        let (mut advice_stack, _, _, requests) = advice.into_parts();
        advice_stack.reverse();
        Ok(Outcome {
            stack: stack.to_vec(),
            cycles,
            memory: without_zeros(memory.state(ContextId::ROOT)),
            advice_stack,
            requests,
            transcript,
        })
    }

    fn run_peer(&self, program: &Program) -> Result<Outcome, peer::ExecutionError> {
        let mut host = peer::DefaultHost::default();
        host.load_library(&CoreLibrary::default())
            .expect("the core library loads");
        let map = self.advice_map.iter();
        let advice = peer::AdviceInputs::default()
            .with_stack(self.advice_stack.iter().copied())
            .with_map(map.map(|(key, values)| (*key, values.to_vec())))
            .with_merkle_store(self.store.clone());
        let kernel = program.kernel().clone();
        let options = peer::ExecutionOptions::default();
        let mut process = peer::Process::new(kernel, self.stack_inputs(), advice, options);
        let stack = process.execute(program, &mut host)?.to_vec();
        let state = process.state();
        let memory = state.get_mem_state(peer::ContextId::root()).into_iter();
        let advice = state.advice_provider();
        let advice_stack = advice.stack().iter().rev().copied().collect();
        let requests = advice.precompile_requests().to_vec();
        let cycles = state.clk().as_u32();
        let (.., transcript) = process.into_parts();
        Ok(Outcome {
            stack,
            cycles,
            memory: without_zeros(memory.map(|(addr, value)| (addr.into(), value))),
            advice_stack,
            requests,
            transcript,
        })
    }

    /// The outcome, which both machines have to agree on.
    pub fn run(&self) -> Outcome {
        let (path, program) = (&self.path, self.program());
        let here = self
            .run_here(&program)
            .unwrap_or_else(|trap| panic!("{path} traps: {trap}"));
        let there = self
            .run_peer(&program)
            .unwrap_or_else(|error| panic!("{path} traps on Miden VM: {error}"));
        assert_eq!(here, there, "{path}");
        here
    }

    /// The outcome, once a run that ends with its stack is proven and the proof verified, with
    /// every constraint checked on the trace.
    pub fn prove(&self) -> Outcome {
        let (path, program) = (&self.path, self.program());
        let ExecutionTrace {
            trace,
            public,
            requests,
            ..
        } = execute_traced(
            ExecutionInputs {
                arguments: self.stack_inputs().into(),
                advice: self.advice_inputs(),
                ..ExecutionInputs::new(&program)
            },
            &mut host(),
        )
        .unwrap_or_else(|error| panic!("{path}: {error}"));
        let proof = prove_trace(
            trace,
            public.clone(),
            &ProveOptions::from(ProofSettings::from(OptionSet::Fast96)),
        )
        .unwrap_or_else(|error| panic!("{path} is not proven: {error}"))
        .with_requests(requests)
        .unwrap_or_else(|error| panic!("{path} has too many requests: {error}"));
        verify(
            &public,
            &proof.to_bytes(),
            &Expectations::from(OptionSet::Fast96.level()),
        )
        .unwrap_or_else(|error| panic!("the proof of {path} is refused: {error}"));
        let outcome = self.run();
        assert_eq!(public.stack_outputs.to_vec(), outcome.stack, "{path}");
        outcome
    }

    /// The top of the stack afterwards.
    pub fn top<const N: usize>(&self) -> [u64; N] {
        let stack = self.run().stack;
        core::array::from_fn(|i| stack[i].as_int())
    }

    /// The word on top of the stack afterwards, its last element on top.
    pub fn top_word(&self) -> Word {
        word_at(&self.run().stack, 0)
    }

    /// The trap; Miden VM has to trap as well.
    pub fn trap(&self) -> Box<Trap> {
        let (path, program) = (&self.path, self.program());
        let Err(trap) = self.run_here(&program) else {
            panic!("{path} does not trap");
        };
        let there = self.run_peer(&program);
        assert!(there.is_err(), "{path} does not trap on Miden VM");
        trap
    }
}

/// The key of the advice map under which [`memory_from_advice`] finds what it writes.
pub const MEMORY_KEY: [Felt; 4] = [ONE, ONE, ONE, ONE];

/// Writes memory from the entry of the advice map under [`MEMORY_KEY`]: 1, the element and its
/// address, as often as there are any, and 0.
pub fn memory_from_advice() -> String {
    let [a, b, c, d] = MEMORY_KEY;
    format!(
        "push.{a}.{b}.{c}.{d} adv.push_mapval dropw
        adv_push.1 while.true adv_push.2 mem_store adv_push.1 end"
    )
}

/// A host that has both libraries.
fn host() -> DefaultHost {
    let mut host = DefaultHost::default();
    host.load_forest(core_library().mast_forest().clone());
    host
}

/// The digest of the published procedure with a path like `math::u64::div`.
pub fn digest(path: &str) -> Word {
    digest_in(Published, path)
}

/// The digest of the procedure with such a path in either library.
pub fn digest_in(code: Code, path: &str) -> Word {
    let path = format!("::miden::core::{path}");
    code.library()
        .get_procedure_root_by_path(path.as_str())
        .unwrap_or_else(|| panic!("there is no procedure {path}"))
}

/// Four elements of a stack from the position on as a word, the deepest first.
pub fn word_at(stack: &[Felt], position: usize) -> Word {
    Word::new(core::array::from_fn(|i| stack[position + 3 - i]))
}

fn without_zeros(memory: impl IntoIterator<Item = (u32, Felt)>) -> BTreeMap<u32, Felt> {
    memory
        .into_iter()
        .filter(|(_, value)| value.as_int() != 0)
        .collect()
}

/// A field element, from whatever a test has.
pub struct Element(Felt);

impl From<Felt> for Element {
    fn from(element: Felt) -> Self {
        Self(element)
    }
}

impl From<u64> for Element {
    fn from(value: u64) -> Self {
        Self(Felt::new(value))
    }
}

impl From<u32> for Element {
    fn from(value: u32) -> Self {
        Self(Felt::from(value))
    }
}

/// Random numbers, the same for the same seed.
pub struct Samples(ChaCha8Rng);

impl Samples {
    /// Numbers that depend on the seed alone.
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A number.
    pub fn u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// An element.
    pub fn felt(&mut self) -> Felt {
        Felt::new(self.u64())
    }

    /// Elements.
    pub fn felts(&mut self, count: usize) -> Vec<Felt> {
        (0..count).map(|_| self.felt()).collect()
    }

    /// A word.
    pub fn word(&mut self) -> Word {
        Word::new(core::array::from_fn(|_| self.felt()))
    }

    /// Bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    /// Returns the generator that draws the keys of signatures.
    pub fn rng(&mut self) -> &mut ChaCha8Rng {
        &mut self.0
    }
}
