//! Programs that the machine is tested on, here and by whoever builds on its traces.

pub mod circuits;
mod cryptographic;
mod generated;
mod handwritten;

use std::sync::Arc;

pub use generated::{generated_case, random_from};
pub use handwritten::handwritten_cases;
use miden_assembly::{
    Assembler, DefaultSourceManager,
    ast::{Module, ModuleKind},
};
use miden_core::{
    AdviceMap, Felt, Operation, Program, StackInputs, Word,
    crypto::merkle::MerkleStore,
    mast::{BasicBlockNodeBuilder, MastForest, MastForestContributor},
};
use miden_core_lib::CoreLibrary;
use miden_cvm_processor::{AdviceInputs, DefaultHost};

/// A program with everything it needs to run.
pub struct Case {
    /// The name of the case: what it is about.
    pub name: String,
    /// The program, with its kernel.
    pub program: Program,
    /// Code that the host provides besides the core library.
    pub forests: Vec<Arc<MastForest>>,
    /// The stack, top first; at most 16 elements.
    pub stack: Vec<Felt>,
    /// The advice stack, top first.
    pub advice_stack: Vec<Felt>,
    /// The advice map.
    pub advice_map: AdviceMap,
    /// The Merkle store.
    pub merkle_store: MerkleStore,
}

impl Case {
    /// A program in Miden assembly, which may use the core library.
    pub fn masm(name: &str, source: &str) -> Self {
        let program = Assembler::default()
            .with_dynamic_library(CoreLibrary::default())
            .and_then(|assembler| assembler.assemble_program(source))
            .unwrap_or_else(|report| panic!("{name} does not assemble: {report:?}\n{source}"));
        Self::new(name, program)
    }

    /// A program in Miden assembly that uses a library of one module, `test::library`, whose code
    /// the host provides.
    pub fn with_library(name: &str, library: &str, source: &str) -> Self {
        let sources = Arc::new(DefaultSourceManager::default());
        let library = Module::parser(ModuleKind::Library)
            .parse_str("test::library", library, sources.clone())
            .and_then(|module| Assembler::new(sources.clone()).assemble_library([module]))
            .unwrap_or_else(|report| panic!("the library of {name} fails: {report:?}"));
        let program = Assembler::new(sources)
            .with_dynamic_library(&library)
            .and_then(|assembler| assembler.assemble_program(source))
            .unwrap_or_else(|report| panic!("{name} does not assemble: {report:?}\n{source}"));
        let mut case = Self::new(name, program);
        case.forests.push(library.mast_forest().clone());
        case
    }

    /// A program in Miden assembly with a kernel.
    pub fn with_kernel(name: &str, kernel: &str, source: &str) -> Self {
        let sources = Arc::new(DefaultSourceManager::default());
        let kernel = Assembler::new(sources.clone())
            .assemble_kernel(kernel)
            .unwrap_or_else(|report| panic!("the kernel of {name} does not assemble: {report:?}"));
        let forest = kernel.mast_forest().clone();
        let program = Assembler::with_kernel(sources, kernel)
            .with_dynamic_library(CoreLibrary::default())
            .and_then(|assembler| assembler.assemble_program(source))
            .unwrap_or_else(|report| panic!("{name} does not assemble: {report:?}\n{source}"));
        let mut case = Self::new(name, program);
        case.forests.push(forest);
        case
    }

    /// A program of one basic block.
    pub fn operations(name: &str, operations: Vec<Operation>) -> Self {
        let mut forest = MastForest::new();
        let root = BasicBlockNodeBuilder::new(operations, Vec::new())
            .add_to_forest(&mut forest)
            .unwrap_or_else(|error| panic!("{name} is not a basic block: {error}"));
        forest.make_root(root);
        Self::new(name, Program::new(Arc::new(forest), root))
    }

    /// A program of one basic block, which first stores these elements from address 0 on; the
    /// operations find the stack as it was before.
    pub fn with_memory(name: &str, memory: &[u64], operations: &[Operation]) -> Self {
        let mut all = Vec::new();
        for (address, &value) in memory.iter().enumerate() {
            all.extend([
                Operation::Push(Felt::new(value)),
                Operation::Push(Felt::new(address as u64)),
                Operation::MStore,
                Operation::Drop,
            ]);
        }
        all.extend_from_slice(operations);
        Self::operations(name, all)
    }

    /// A program that needs nothing.
    pub fn new(name: &str, program: Program) -> Self {
        Self {
            name: name.to_owned(),
            program,
            forests: Vec::new(),
            stack: Vec::new(),
            advice_stack: Vec::new(),
            advice_map: AdviceMap::default(),
            merkle_store: MerkleStore::default(),
        }
    }

    /// Sets the stack, top first.
    pub fn stack(mut self, values: &[u64]) -> Self {
        self.stack = values.iter().map(|&value| Felt::new(value)).collect();
        self
    }

    /// Sets the advice stack, top first.
    pub fn advice(mut self, values: impl IntoIterator<Item = u64>) -> Self {
        self.advice_stack = values.into_iter().map(Felt::new).collect();
        self
    }

    /// Adds an entry to the advice map.
    pub fn entry(mut self, key: Word, values: &[u64]) -> Self {
        let values: Vec<Felt> = values.iter().map(|&value| Felt::new(value)).collect();
        self.advice_map.insert(key, values);
        self
    }

    /// Sets the Merkle store.
    pub fn store(mut self, store: MerkleStore) -> Self {
        self.merkle_store = store;
        self
    }

    /// The initial stack.
    pub fn stack_inputs(&self) -> StackInputs {
        let bottom_first = self.stack.iter().rev().copied().collect();
        StackInputs::new(bottom_first).expect("a case has at most 16 inputs")
    }

    /// The initial advice.
    pub fn advice_inputs(&self) -> AdviceInputs {
        AdviceInputs {
            stack: self.advice_stack.clone(),
            map: self.advice_map.clone(),
            store: self.merkle_store.clone(),
        }
    }

    /// A host with the core library and the code that the case needs.
    pub fn host(&self) -> DefaultHost {
        let mut host = DefaultHost::default();
        host.load_forest(CoreLibrary::default().mast_forest().clone());
        for forest in &self.forests {
            host.load_forest(forest.clone());
        }
        host
    }
}
