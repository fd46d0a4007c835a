//! The toolchain that components are assembled with.

use std::sync::Arc;

use miden_assembly::{DefaultSourceManager, KernelLibrary, Library, LinkLibraryKind};
use miden_cvm_library::{core_interface, published_core_interface};

use crate::assembly::{Assembly, AssemblyLimits};

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
    limits: AssemblyLimits,
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

    /// Returns `true` if instructions are replaced that the assembler expands into code which does
    /// not check the advice it takes.
    pub fn corrects(&self) -> bool {
        !self.published
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

    /// Bounds what the assembler may be made to do.
    pub fn with_limits(mut self, limits: AssemblyLimits) -> Self {
        self.limits = limits;
        self
    }

    /// The bounds.
    pub fn limits(&self) -> AssemblyLimits {
        self.limits
    }

    /// The manager of all sources read so far: it turns the locations in errors into lines.
    pub fn source_manager(&self) -> Arc<DefaultSourceManager> {
        self.source_manager.clone()
    }

    /// The kernel, if there is one.
    pub fn kernel(&self) -> Option<&KernelLibrary> {
        self.kernel.as_ref()
    }

    /// Returns the environment for assembling sources: the kernel, the core library and the other
    /// libraries. Programs that are no components can be assembled with it too.
    pub fn assembly(&self) -> Assembly {
        let assembly = self
            .assembly_alone()
            .with_kernel(self.kernel.as_ref())
            .with_corrections(!self.published)
            .with_core_library(self.published, LinkLibraryKind::Static);
        let libraries = self.libraries.iter();
        libraries.fold(assembly, Assembly::with_static_library)
    }

    /// The interface of the core library, and the libraries that were added.
    pub(crate) fn interfaces(&self) -> impl Iterator<Item = &Library> {
        let core = match self.published {
            true => published_core_interface(),
            false => core_interface(),
        };
        std::iter::once(core).chain(&self.libraries)
    }

    /// Returns the environment for assembling sources that use nothing else.
    pub(crate) fn assembly_alone(&self) -> Assembly {
        Assembly::new(self.source_manager.clone()).with_limits(self.limits)
    }
}
