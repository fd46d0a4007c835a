//! The exports and imports of a component, as its WIT world declares them.

pub(crate) mod built_in;
pub(crate) mod find;
mod model;
mod names;
mod resolve;
mod sources;
mod types;

pub use crate::error::TypeError;
pub(crate) use find::FunctionName;
pub use model::{
    Case, Field, Function, Interface, InterfaceName, Method, NamedType, ResourceName, Type, World,
};
pub(crate) use names::{destructor_name, masm_name, module_names, quoted};
pub(crate) use resolve::resolve_world;
pub use sources::WitFile;
pub(crate) use sources::WitSources;
pub(crate) use types::parse_type;

#[cfg(test)]
mod tests;
