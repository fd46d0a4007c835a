//! The two core libraries, and their interfaces.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use miden_assembly::{Library, library::LibraryExport};
use miden_core::{Word, mast::MastForest, utils::Deserializable};
use miniz_oxide::inflate::decompress_to_vec_zlib;

/// The corrected library. Its forest also has what was replaced, for code that was assembled with
/// the published one. It is compressed, as most programs do not read it.
static CORRECTED: LazyLock<Library> = LazyLock::new(|| {
    let library = decompress_to_vec_zlib(include_bytes!("../assets/core.masl.zlib"))
        .expect("a test decompresses the file");
    Library::read_from_bytes(&library)
        .expect("a test compares the file with the library that it is made of")
});

/// Reading the library takes long, because every basic block is hashed; most programs use none of it.
static INTERFACE: LazyLock<Library> = LazyLock::new(|| {
    Library::read_from_bytes(include_bytes!("../assets/interface.masl"))
        .expect("a test compares the file with the library that it is made of")
});

/// The code that the corrected library replaces: digests as published, with the paths of
/// procedures, or the names of instructions.
static REPLACED: LazyLock<BTreeMap<String, Word>> = LazyLock::new(|| {
    let lines = include_str!("../assets/published.txt").lines();
    let entries = lines.map(|line| {
        let (digest, name) = line.split_once(' ').expect("a digest and a name");
        let digest = Word::try_from(digest).expect("a digest");
        (name.to_owned(), digest)
    });
    entries.collect()
});

static PUBLISHED: LazyLock<Library> = LazyLock::new(|| published(&CORRECTED));

static PUBLISHED_INTERFACE: LazyLock<Library> = LazyLock::new(|| published(&INTERFACE));

/// The library with the procedures that were published under the names of those that replace them.
fn published(corrected: &Library) -> Library {
    let forest = corrected.mast_forest();
    let exports = corrected.exports().cloned().map(|mut export| {
        if let LibraryExport::Procedure(procedure) = &mut export
            && let Some(digest) = REPLACED.get(&procedure.path.to_string())
        {
            procedure.node = forest
                .find_procedure_root(*digest)
                .expect("the forest has all that was published");
        }
        (export.path(), export)
    });
    Library::new(forest.clone(), exports.collect())
        .expect("what was published is a root of the forest")
}

/// The core library that programs and components are assembled with: the published one of 0.20.6,
/// with corrections under the same names.
pub fn core_library() -> &'static Library {
    &CORRECTED
}

/// The core library 0.20.6 as it was published, for what has to have its digests.
///
/// A proof about code that uses it can be of a run with false results: see [`crate::ADVISORIES`].
/// It shares its code with [`core_library`], so a host needs only one of them.
pub fn published_core_library() -> &'static Library {
    &PUBLISHED
}

/// The most operations of a procedure that interfaces have with its code and decorators.
pub const SHORT_CODE: usize = 256;

/// The interface of the [core library](core_library): its names, types, constants, error messages and
/// advice, and the digests of all its procedures. Their code is elsewhere, unless it is [short](SHORT_CODE)
/// or what advisories name. It has the library's digest, can be linked dynamically in its place, and
/// takes a fraction of the time to read.
pub fn core_interface() -> &'static Library {
    &INTERFACE
}

/// The interface of the [published core library](published_core_library).
pub fn published_core_interface() -> &'static Library {
    &PUBLISHED_INTERFACE
}

/// The code of both core libraries, if it has this procedure: it is read only then.
pub fn core_code_with(digest: &Word) -> Option<Arc<MastForest>> {
    INTERFACE.mast_forest().find_procedure_root(*digest)?;
    Some(CORRECTED.mast_forest().clone())
}

pub(crate) fn replaced() -> &'static BTreeMap<String, Word> {
    &REPLACED
}
