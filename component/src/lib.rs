//! From folders with Miden assembly to a linked composition.
//!
//! A [component](Component) is a folder with a `component.toml` and its sources; it is assembled
//! against generated stubs of what it imports, so its digests do not depend on who implements them.
//! A composition file names instances of components and wires their imports to exports;
//! [`LinkedComposition::load`] reads it, with everything that it names, and gives what the processor
//! runs and what a verifier is shown.
//!
//! [`verify_forest`] recomputes the digests of code that was loaded from elsewhere.

pub mod abi;
mod artifact;
mod assembly;
mod authority;
mod bindings;
mod calls;
mod code;
mod component;
mod composed;
mod data;
mod described;
mod document;
mod error;
mod forest;
mod graph;
mod implement;
mod kernel;
mod link;
mod manifest;
mod names;
mod nesting;
mod package;
mod plan;
mod resources;
mod scaffold;
mod sources;
mod stubs;
mod toolchain;
mod tree;
mod wac;
mod wasm;
mod wiring;
pub mod wit;

pub use artifact::{ArtifactError, read_library, read_program};
pub use assembly::{
    Assembled, Assembly, AssemblyLimits, LimitName, SourceError, SourceFault, SourceText,
    SourceWarning, Step,
};
pub use bindings::{BINDINGS_MODULE, BindingsModule};
pub use component::{Component, Export, Import, ImportKey, Segment};
pub use described::{CodeDescription, ExportDescription, PackageKind, describe_code, package_kind};
pub use error::{BuildError, Problem};
pub use forest::{ForestError, verify_forest};
pub use graph::Edge;
pub use implement::ComponentWorld;
pub use kernel::{KERNEL_MODULE, kernel_stubs};
pub use link::{Instance, LinkedComposition, Warning};
pub use miden_cvm_air::composition::{
    Composition, CompositionError, Intrinsic, IntrinsicRecord, LinkKind, LinkRecord,
    ResourceRecord, SegmentRecord,
};
pub use miden_cvm_library::core_library;
pub use package::PackageError;
pub use resources::{IntrinsicImport, RESOURCE_MODULE, ResourceImport, ResourceType};
pub use scaffold::{NewFile, bindings, new_component};
pub use stubs::{STUB_MODULE, StubIdentity};
pub use toolchain::Toolchain;

/// The name of the file that makes a folder a component.
pub const COMPONENT_FILE: &str = "component.toml";
