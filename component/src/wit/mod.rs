//! What a component offers and needs, as its WIT world says it.

mod model;
mod names;
mod resolve;
mod sources;

pub use model::{
    Case, Field, Function, Interface, InterfaceName, Method, ResourceName, Type, World,
};
pub(crate) use names::{destructor_name, masm_name, module_names, quoted};
pub(crate) use resolve::{ISOLATED_HANDLES, TWO_KINDS, resolve_world};
pub use sources::WitFile;
pub(crate) use sources::WitSources;

#[cfg(test)]
mod tests;
