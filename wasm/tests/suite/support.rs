//! Compiling a module, and calling its exports one after another in one instance.

use std::{collections::BTreeMap, sync::Arc};

use miden_assembly::{
    Assembler, DefaultSourceManager, Library, ModuleParser, Path, SourceManager,
    ast::ModuleKind,
    debuginfo::{SourceLanguage, Uri},
    diagnostics::reporting::PrintDiagnostic,
};
use miden_core::{Felt, Program, Word, mast::MastNodeExt};
use miden_crypto::hash::rpo::Rpo256;
use miden_cvm_air::composition::{Composition, SegmentRecord};
use miden_cvm_component::core_library;
use miden_cvm_processor::{
    AdviceInputs, DefaultHost, ExecutionError, ExecutionInputs, ExecutionOptions, ExecutionOutput,
    execute,
};
use miden_cvm_wasm::{Cell, Compiled, Export, Options, ValueType, WasmError, compile};

/// Code that calls exports as the advice says: for each a one, the digest, the parameters (the last
/// first, after their number), and the results that are expected (the first first, after their
/// number).
const DRIVER: &str = "
pub proc main
    adv_push.1
    while.true
        adv_push.1 mem_store.{0} adv_push.1 mem_store.{1} adv_push.1 mem_store.{2} adv_push.1 mem_store.{3}
        adv_push.1 dup.0 neq.0
        while.true
            adv_push.1 swap sub.1 dup.0 neq.0
        end
        drop
        push.{0} dynexec
        adv_push.1 dup.0 neq.0
        while.true
            swap adv_push.1 assert_eq.err=\"another result\" sub.1 dup.0 neq.0
        end
        drop
        adv_push.1
    end
end
";

/// A module that can be run.
pub struct Machine {
    pub compiled: Compiled,
    program: Program,
    composition: Composition,
    data: Vec<(Word, Vec<Felt>)>,
    digests: BTreeMap<String, Word>,
}

/// A call of an export.
#[derive(Debug, Clone)]
pub struct Call {
    pub name: String,
    pub args: Vec<u64>,
    /// The results, unless it is to trap.
    pub results: Option<Vec<u64>>,
}

pub fn assemble(compiled: &Compiled, extra: &[(&str, &str)]) -> Library {
    let sources: Arc<dyn SourceManager> = Arc::new(DefaultSourceManager::default());
    let driver = {
        let mut text = DRIVER.to_owned();
        for number in 0..4 {
            let address = compiled.memory_end + number;
            text = text.replace(&format!("{{{number}}}"), &address.to_string());
        }
        text
    };
    let mut texts = vec![("wasm", compiled.text.as_str()), ("driver", &driver)];
    texts.extend(extra);
    // A module without functions is no module of assembly.
    texts.retain(|(_, text)| text.contains("proc "));
    let modules: Vec<_> = texts
        .into_iter()
        .map(|(name, text)| {
            let file = sources.load(
                SourceLanguage::Masm,
                Uri::from(name.to_owned()),
                text.to_owned(),
            );
            ModuleParser::new(ModuleKind::Library)
                .parse(Path::new(name), file, sources.clone())
                .unwrap_or_else(|report| {
                    panic!("{}\n{text}", PrintDiagnostic::new_without_color(report))
                })
        })
        .collect();
    let mut assembler = Assembler::new(sources);
    if compiled.text.contains("miden::core") {
        assembler
            .link_static_library(core_library())
            .expect("the core library");
    }
    assembler
        .assemble_library(modules)
        .unwrap_or_else(|report| panic!("{}", PrintDiagnostic::new_without_color(report)))
}

impl Machine {
    pub fn new(bytes: &[u8], options: &Options) -> Result<Self, WasmError> {
        Self::with(bytes, options, &[])
    }

    /// A module, with other modules of assembly beside it.
    pub fn with(
        bytes: &[u8],
        options: &Options,
        extra: &[(&str, &str)],
    ) -> Result<Self, WasmError> {
        let compiled = compile(bytes, options)?;
        let library = assemble(&compiled, extra);
        let forest = library.mast_forest().clone();
        let mut digests = BTreeMap::new();
        let mut main = None;
        for export in library.exports() {
            let Some(procedure) = export.as_procedure() else {
                continue;
            };
            let path = procedure.path.to_string();
            let path = path.trim_start_matches("::");
            if path == "driver::main" {
                main = Some(procedure.node);
            }
            if let Some(name) = path.strip_prefix("wasm::") {
                digests.insert(name.to_owned(), forest[procedure.node].digest());
            }
        }
        let program = Program::new(forest, main.expect("a driver"));
        let mut blocks: BTreeMap<u32, [Felt; 8]> = BTreeMap::new();
        for (address, cell) in &compiled.memory {
            let value = match cell {
                Cell::Value(value) => Felt::new(*value),
                Cell::Digest(procedure, number) => digests[procedure][usize::from(*number)],
            };
            let block = blocks.entry(address / 8).or_insert([Felt::new(0); 8]);
            block[*address as usize % 8] = value;
        }
        let mut segments: Vec<(u32, Vec<Felt>)> = Vec::new();
        for (block, elements) in blocks {
            let address = block * 8;
            match segments.last_mut() {
                Some((first, found)) if *first + found.len() as u32 == address => {
                    found.extend(elements);
                }
                _ => segments.push((address, elements.to_vec())),
            }
        }
        let mut data = Vec::new();
        let records = segments
            .into_iter()
            .map(|(address, elements)| {
                let commitment = Rpo256::hash_elements(&elements);
                let length = elements.len() as u32;
                data.push((commitment, elements));
                SegmentRecord {
                    instance: 0,
                    address,
                    length,
                    commitment,
                }
            })
            .collect();
        let composition = Composition::new(1, Vec::new(), records).expect("valid records");
        Ok(Self {
            compiled,
            program,
            composition,
            data,
            digests,
        })
    }

    pub fn export(&self, name: &str) -> Option<&Export> {
        self.compiled
            .exports
            .iter()
            .find(|export| export.name == name)
    }

    /// Calls exports one after another.
    pub fn run(&self, calls: &[Call]) -> Result<ExecutionOutput, Box<ExecutionError>> {
        let mut script: Vec<Felt> = Vec::new();
        if let Some(start) = &self.compiled.start {
            script.push(Felt::new(1));
            script.extend(self.digests[start]);
            script.extend([0, 0].map(Felt::new));
        }
        for call in calls {
            let export = self.export(&call.name).expect("an export");
            script.push(Felt::new(1));
            script.extend(self.digests[&export.procedure]);
            let args = elements(&export.params, &call.args);
            script.push(Felt::new(args.len() as u64));
            script.extend(args.into_iter().rev());
            let results = match &call.results {
                Some(results) => elements(&export.results, results),
                None => Vec::new(),
            };
            script.push(Felt::new(results.len() as u64));
            script.extend(results);
        }
        script.push(Felt::new(0));
        let advice = AdviceInputs::default()
            .with_stack(script)
            .with_map(self.data.iter().cloned());
        let mut host = DefaultHost::default();
        let options = ExecutionOptions::new(1 << 26, 64).expect("valid options");
        execute(
            ExecutionInputs {
                composition: Some(&self.composition),
                advice,
                options,
                ..ExecutionInputs::new(&self.program)
            },
            &mut host,
        )
        .map_err(Box::new)
    }

    /// Calls one export, whose results must be these; the number of cycles.
    pub fn expect(&self, name: &str, args: &[u64], results: &[u64]) -> u32 {
        let call = Call {
            name: name.into(),
            args: args.to_vec(),
            results: Some(results.to_vec()),
        };
        match self.run(&[call]) {
            Ok(output) => output.cycles,
            Err(error) => panic!("{name}: {error}"),
        }
    }
}

/// Values as they stand on the stack, the topmost first.
fn elements(types: &[ValueType], values: &[u64]) -> Vec<Felt> {
    assert_eq!(types.len(), values.len());
    let elements = types.iter().zip(values).flat_map(|(ty, value)| match ty {
        ValueType::I32 | ValueType::Reference => vec![value & 0xffff_ffff],
        ValueType::I64 => vec![value >> 32, value & 0xffff_ffff],
    });
    elements.map(Felt::new).collect()
}
