//! From folders with Miden assembly to a linked composition.
//!
//! A [component](Component) is a folder with a `component.toml` and its sources; it is assembled
//! against generated stubs of what it imports, so its digests do not depend on who implements them.
//! A composition file names instances of components and wires their imports to exports;
//! [`LinkedComposition::load`] reads it, with everything that it names, and gives what the processor
//! runs and what a verifier is shown.
//!
//! [`verify_forest`] recomputes the digests of code that was loaded from elsewhere.

// What derives diagnostics names it.
extern crate alloc;

pub mod abi;
mod assembly;
mod bindings;
mod code;
mod describe;
mod error;
mod file;
mod limits;
mod link;
mod package;
mod similar;
mod source;
mod text;
pub mod wit;

pub use assembly::{Assembled, Assembly, SourceText, SourceWarning, toolchain::Toolchain};
pub use bindings::{
    BINDINGS_MODULE, BindingsModule,
    kernel::{KERNEL_MODULE, kernel_stubs},
    resources::{INSTANCES, IntrinsicImport, RESOURCE_MODULE, ResourceImport, ResourceType},
    stubs::{STUB_MODULE, StubIdentity},
};
pub use code::{
    artifact::{
        forest_bytes, library_bytes, package_program, read_forest, read_library,
        read_linked_library, read_program, read_value,
    },
    verify::verify_forest,
};
pub use describe::{CodeDescription, ExportDescription, PackageKind, describe_code, package_kind};
pub use error::{
    ArtifactError, BuildError, ClaimProblem, ForestError, NotInstallable, PackageError, Problem,
    SourceError, SourceFault, Step, beginning,
};
pub use file::{MAX_FILE_LEN, read_file};
pub use limits::{AssemblyLimits, LimitName, MAX_CLAIM_DEPTH, MAX_CLAIMED_EXPORTS};
pub use link::{
    Instance, LinkedComposition, Warning, claims::ClaimedExport, graph::Edge,
    installed::function_key,
};
pub use miden_cvm_air::composition::{
    Composition, CompositionError, Intrinsic, IntrinsicRecord, LinkKind, LinkRecord,
    ResourceRecord, Right, SegmentRecord,
};
pub use miden_cvm_library::core_library;
pub use similar::{similar_name, similar_path};
pub use source::{
    component::{Component, Export, Import, ImportKey},
    data::Segment,
    new_file::NewFile,
    scaffold::{Language, bindings, new_component},
    system::system_component,
    wasm::{CompiledModule, split_component},
    workspace::{WORKSPACE_FILE, Workspace},
    world::ComponentWorld,
};

/// The name of the file that makes a folder a component.
pub const COMPONENT_FILE: &str = "component.toml";
