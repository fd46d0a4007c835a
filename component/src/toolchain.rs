//! What components are assembled with.

use std::{
    panic::{self, AssertUnwindSafe},
    path::Path,
    sync::Arc,
};

use miden_assembly::{
    Assembler, DefaultSourceManager, KernelLibrary, Library, ModuleParser, Path as MasmPath,
    Report, SourceManager,
    ast::{Module, ModuleKind},
    debuginfo::{SourceLanguage, Uri},
    diagnostics::reporting::PrintDiagnostic,
};

use miden_cvm_library::{core_library, correct, published_core_library};

use crate::{error::Problem, nesting::block_too_deep};

/// The kernel and the libraries that components are assembled with, and the manager of their
/// sources. The core library is always among the libraries: the corrected one, unless the published
/// one is asked for.
///
/// All libraries are linked statically, so that a component's forest holds all code that it can
/// reach and the calls in it are all found.
#[derive(Clone, Default)]
pub struct Toolchain {
    source_manager: Arc<DefaultSourceManager>,
    kernel: Option<KernelLibrary>,
    libraries: Vec<Library>,
    published: bool,
}

impl Toolchain {
    /// A toolchain with the core library, without a kernel.
    pub fn new() -> Self {
        Self::default()
    }

    /// Assembles as the published assembler 0.20.6 does with the published core library, for code
    /// that has to have the digests of theirs. A proof about such code can be of a run with false
    /// results, which [`ADVISORIES`](miden_cvm_library::ADVISORIES) lists.
    pub fn with_published_library(mut self) -> Self {
        self.published = true;
        self
    }

    /// The core library that is assembled with.
    pub fn core_library(&self) -> &'static Library {
        match self.published {
            true => published_core_library(),
            false => core_library(),
        }
    }

    /// Replaces the instructions of a module that the assembler expands into code which does not
    /// check the advice it takes, unless the published ones are asked for.
    pub fn correct(&self, module: &mut Module) {
        if !self.published {
            correct(module);
        }
    }

    /// Assembles against `kernel`, which `syscall` enters.
    pub fn with_kernel(mut self, kernel: KernelLibrary) -> Self {
        self.kernel = Some(kernel);
        self
    }

    /// Makes `library` available to all components; one that is available already is not added again.
    pub fn with_library(mut self, library: Library) -> Self {
        if self.libraries.iter().all(|known| *known != library) {
            self.libraries.push(library);
        }
        self
    }

    /// The manager of all sources read so far: it turns the locations in errors into lines.
    pub fn source_manager(&self) -> Arc<DefaultSourceManager> {
        self.source_manager.clone()
    }

    /// The kernel, if there is one.
    pub fn kernel(&self) -> Option<&KernelLibrary> {
        self.kernel.as_ref()
    }

    /// An assembler with the kernel, the core library and the other libraries, in which programs
    /// that are no components can be assembled too.
    ///
    /// # Errors
    /// Returns the assembler's report, as text, if the libraries do not go together.
    pub fn assembler(&self) -> Result<Assembler, Problem> {
        let sources: Arc<dyn SourceManager> = self.source_manager.clone();
        let mut assembler = match &self.kernel {
            Some(kernel) => Assembler::with_kernel(sources, kernel.clone()),
            None => Assembler::new(sources),
        };
        for library in std::iter::once(self.core_library()).chain(&self.libraries) {
            assembler
                .link_static_library(library)
                .map_err(|report| Problem::Assembly(render(&report)))?;
        }
        Ok(assembler)
    }

    /// Parses the source at `file`, whose text is `text`, as the module `path`.
    pub(crate) fn parse_module(
        &self,
        file: &Path,
        path: &str,
        text: String,
    ) -> Result<Box<Module>, Problem> {
        if let Some(line) = block_too_deep(&text) {
            return Err(Problem::Blocks(line));
        }
        let sources: Arc<dyn SourceManager> = self.source_manager.clone();
        let file = sources.load(SourceLanguage::Masm, Uri::from(file), text);
        let mut module = assembling(|| {
            ModuleParser::new(ModuleKind::Library).parse(MasmPath::new(path), file, sources)
        })
        .map_err(Problem::Assembly)?;
        self.correct(&mut module);
        Ok(module)
    }
}

/// Lets the assembler read sources; its report is given as text.
///
/// # Errors
/// Returns the report if it refuses them. It panics at a character that begins no token and stands
/// behind a blank, which is caught: there is no knowing what else it takes for granted of sources.
pub fn assembling<T>(read: impl FnOnce() -> Result<T, Report>) -> Result<T, String> {
    // Nothing that it was about to make is looked at after a panic.
    match panic::catch_unwind(AssertUnwindSafe(read)) {
        Ok(read) => read.map_err(|report| render(&report)),
        Err(_) => Err(
            "the assembler gave up on it, as it does at characters that are not of its language"
                .into(),
        ),
    }
}

/// The assembler's report as text, without colours.
pub(crate) fn render(report: &Report) -> String {
    PrintDiagnostic::new_without_color(report).to_string()
}
