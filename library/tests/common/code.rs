//! Programs assembled with either library; the tests of other crates have this file too.

use std::sync::Arc;

use miden_assembly::{
    Assembler, DefaultSourceManager, Library, ModuleParser, Path as MasmPath, Report,
    ast::ModuleKind,
};
use miden_core::Program;
use miden_cvm_library::{core_library, correct, published_core_library};

/// The library and instructions that a program is assembled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    Published,
    Corrected,
}

pub use Code::{Corrected, Published};

impl Code {
    pub fn library(self) -> &'static Library {
        match self {
            Published => published_core_library(),
            Corrected => core_library(),
        }
    }

    pub fn assemble(self, source: &str) -> Program {
        let sources = Arc::new(DefaultSourceManager::default());
        Assembler::new(sources.clone())
            .with_dynamic_library(self.library())
            .and_then(|assembler| self.assemble_by(assembler, sources, source))
            .unwrap_or_else(|report| panic!("{source}: {report:?}"))
    }

    /// Assembles a program by an assembler, which has the libraries that it needs.
    pub fn assemble_by(
        self,
        assembler: Assembler,
        sources: Arc<DefaultSourceManager>,
        source: &str,
    ) -> Result<Program, Report> {
        let mut module = ModuleParser::new(ModuleKind::Executable).parse_str(
            MasmPath::exec_path(),
            source,
            sources,
        )?;
        if self == Corrected {
            correct(&mut module);
        }
        assembler.assemble_program(module)
    }
}
