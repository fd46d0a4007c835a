//! The two core libraries.

use std::{collections::BTreeMap, sync::LazyLock};

use miden_assembly::{Library, library::LibraryExport};
use miden_core::{Word, utils::Deserializable};

/// The corrected library. Its forest also has what was replaced, for code that was assembled with
/// the published one.
static CORRECTED: LazyLock<Library> = LazyLock::new(|| {
    Library::read_from_bytes(include_bytes!("../assets/core.masl"))
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

static PUBLISHED: LazyLock<Library> = LazyLock::new(|| {
    let forest = CORRECTED.mast_forest();
    let exports = CORRECTED.exports().cloned().map(|mut export| {
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
});

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

pub(crate) fn replaced() -> &'static BTreeMap<String, Word> {
    &REPLACED
}
