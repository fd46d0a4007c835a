//! The folder of a component: what its `component.toml` says, and what is assembled from it.

pub(crate) mod component;
pub(crate) mod data;
pub(crate) mod files;
pub(crate) mod foreign;
pub(crate) mod libraries;
pub(crate) mod manifest;
pub(crate) mod new_file;
pub(crate) mod resources;
pub(crate) mod scaffold;
pub(crate) mod system;
pub(crate) mod wasm;
pub(crate) mod workspace;
pub(crate) mod world;
