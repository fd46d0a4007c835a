//! Miden's core library, which every component and program can use.

use std::sync::LazyLock;

use miden_assembly::Library;
use miden_core::utils::Deserializable;

static CORE_LIBRARY: LazyLock<Library> = LazyLock::new(|| {
    Library::read_from_bytes(include_bytes!(concat!(env!("OUT_DIR"), "/core.masl")))
        .expect("the build script embeds the library as its crate serialized it")
});

/// The compiled core library, version 0.20.6; it is linked statically into components.
pub fn core_library() -> &'static Library {
    &CORE_LIBRARY
}
