//! Assembled code from files: packages (`.masp`) and libraries (`.masl`).
//!
//! The published readers trust what they read: they allocate as much as a length asks for, panic on
//! references to what is not there, and take digests as they come. So lengths are bounded here
//! before they are believed, panics become errors, and digests are recomputed.

use std::{
    collections::BTreeMap,
    panic::{self, AssertUnwindSafe},
    sync::Arc,
};

use miden_assembly::Library;
use miden_core::{
    AdviceMap, Program,
    mast::MastForest,
    utils::{ByteReader, Deserializable, DeserializationError, Serializable},
};
use miden_mast_package::{MastArtifact, Package, PackageKind, PackageManifest, Section};

use crate::{
    code::{merge::stripped, verify::verify_forest},
    error::ArtifactError,
};

/// Reads a package that holds a program.
///
/// # Errors
/// Returns an error if the bytes are no package of a program, or if a digest in it is not that of
/// its code.
pub fn read_program(bytes: &[u8]) -> Result<Arc<Program>, ArtifactError> {
    match read_package(bytes)?.into_mast_artifact() {
        MastArtifact::Executable(program) => Ok(program),
        MastArtifact::Library(_) => Err(ArtifactError::NotAProgram),
    }
}

/// Reads a library, bare (`.masl`) or in a package (`.masp`).
///
/// # Errors
/// Returns an error if the bytes are neither, or if a digest in it is not that of its code.
pub fn read_library(bytes: &[u8]) -> Result<Arc<Library>, ArtifactError> {
    if bytes.starts_with(PACKAGE_MAGIC) {
        return match read_package(bytes)?.into_mast_artifact() {
            MastArtifact::Library(library) => Ok(library),
            MastArtifact::Executable(_) => Err(ArtifactError::NotALibrary),
        };
    }
    let library: Library = read_value(bytes, "library")?;
    verify_forest(library.mast_forest())?;
    Ok(Arc::new(library))
}

/// Reads a library that sources are to be assembled with; a kernel is none.
///
/// # Errors
/// Returns an error if the bytes are no library, if a digest in it is not that of its code, or if it is a
/// kernel.
pub fn read_linked_library(bytes: &[u8]) -> Result<Arc<Library>, ArtifactError> {
    let library = read_library(bytes)?;
    let is_kernel = library.exports().any(|export| export.path().is_in_kernel());
    match is_kernel {
        true => Err(ArtifactError::Kernel),
        false => Ok(library),
    }
}

/// A program as a package, which is the same for the same source wherever it is made: without debug
/// information, but with the messages of its assertions.
pub fn package_program(program: &Program, name: &str) -> Vec<u8> {
    let forest = Arc::new(stripped(program.mast_forest()));
    let program = Program::with_kernel(forest, program.entrypoint(), program.kernel().clone());
    executable_bytes(program, name, Vec::new())
}

/// A package of a program, with sections.
pub(crate) fn executable_bytes(program: Program, name: &str, sections: Vec<Section>) -> Vec<u8> {
    let package = Package {
        name: name.into(),
        version: None,
        description: None,
        kind: PackageKind::Executable,
        mast: MastArtifact::Executable(Arc::new(program)),
        manifest: PackageManifest::new(None),
        sections,
    };
    package.to_bytes()
}

/// A library as a `.masl` file, which is the same for the same sources wherever it is made: without debug
/// information, but with the messages of its assertions.
///
/// # Errors
/// Returns an error if the library exports nothing.
pub fn library_bytes(library: &Library) -> Result<Vec<u8>, ArtifactError> {
    let forest = Arc::new(stripped(library.mast_forest()));
    let exports = library.exports();
    let exports = exports.map(|export| (export.path(), export.clone()));
    let library = Library::new(forest, exports.collect());
    let library = library.map_err(|error| ArtifactError::Format {
        what: "library",
        reason: error.to_string(),
    })?;
    Ok(library.to_bytes())
}

/// Reads a package, with the digests of its code recomputed.
pub(crate) fn read_package(bytes: &[u8]) -> Result<Package, ArtifactError> {
    let package: Package = read_value(bytes, "package")?;
    verify_forest(package.mast.mast_forest())?;
    Ok(package)
}

/// Code by itself, without names and debug information but with the messages of its assertions.
pub fn forest_bytes(forest: &MastForest) -> Vec<u8> {
    stripped(forest).to_bytes()
}

/// Reads code by itself.
///
/// # Errors
/// Returns an error if the bytes are none, or if a digest in it is not that of its code.
pub fn read_forest(bytes: &[u8]) -> Result<Arc<MastForest>, ArtifactError> {
    let forest: MastForest = read_value(bytes, "code")?;
    verify_forest(&forest)?;
    Ok(Arc::new(forest))
}

/// Reads a value of a published type from all of `bytes`, whatever they are; `what` is its name in
/// errors. The digests of code are not looked at.
///
/// # Errors
/// Returns an error if the bytes are no such value, or if there are more of them.
pub fn read_value<T: Deserializable>(bytes: &[u8], what: &'static str) -> Result<T, ArtifactError> {
    let malformed = |reason: String| ArtifactError::Format { what, reason };
    let mut reader = BoundedReader::new(bytes);
    // The reader is not looked at after a panic.
    let value = panic::catch_unwind(AssertUnwindSafe(|| T::read_from(&mut reader)))
        .map_err(|_| malformed("it refers to parts that it does not have".into()))?
        .map_err(|error| malformed(error.to_string()))?;
    if reader.has_more_bytes() {
        return Err(malformed("there are bytes after its end".into()));
    }
    Ok(value)
}

/// The bytes that a package begins with.
pub(crate) const PACKAGE_MAGIC: &[u8] = b"MASP\0";

/// The bytes that a forest begins with.
const FOREST_MAGIC: &[u8] = b"MAST\0";

/// A reader that refuses lengths which the bytes cannot have.
struct BoundedReader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> BoundedReader<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    fn rest(&self) -> &'a [u8] {
        &self.bytes[self.position..]
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], DeserializationError> {
        let taken = self.rest().get(..len);
        let taken = taken.ok_or(DeserializationError::UnexpectedEOF)?;
        self.position += len;
        Ok(taken)
    }
}

impl ByteReader for BoundedReader<'_> {
    fn read_u8(&mut self) -> Result<u8, DeserializationError> {
        self.read_array().map(|[byte]| byte)
    }

    fn peek_u8(&self) -> Result<u8, DeserializationError> {
        let byte = self.rest().first().copied();
        byte.ok_or(DeserializationError::UnexpectedEOF)
    }

    fn read_slice(&mut self, len: usize) -> Result<&[u8], DeserializationError> {
        self.take(len)
    }

    fn read_array<const N: usize>(&mut self) -> Result<[u8; N], DeserializationError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        if array == *FOREST_MAGIC {
            check_forest(self.rest())?;
        }
        Ok(array)
    }

    fn check_eor(&self, num_bytes: usize) -> Result<(), DeserializationError> {
        match num_bytes <= self.rest().len() {
            true => Ok(()),
            false => Err(DeserializationError::UnexpectedEOF),
        }
    }

    fn has_more_bytes(&self) -> bool {
        !self.rest().is_empty()
    }

    /// Reads a number that is a length, or a position in a list: every element of a list takes a
    /// byte at least, so neither can exceed the number of all bytes.
    fn read_usize(&mut self) -> Result<usize, DeserializationError> {
        // As many bytes as the first one has zeros at its lower end, and one; the value lies above
        // these bits, or in the eight bytes behind the first if that is zero.
        let length = self.peek_u8()?.trailing_zeros() as usize + 1;
        let mut encoded = [0; 16];
        encoded[..length].copy_from_slice(self.take(length)?);
        let shift = if length > 8 { 8 } else { length };
        let value = u128::from_le_bytes(encoded) >> shift;
        match usize::try_from(value) {
            Ok(value) if value <= self.bytes.len() => Ok(value),
            _ => Err(too_long(value)),
        }
    }

    /// Reads a list without making room for it beforehand.
    fn read_many<D: Deserializable>(
        &mut self,
        num_elements: usize,
    ) -> Result<Vec<D>, DeserializationError> {
        (0..num_elements).map(|_| D::read_from(self)).collect()
    }
}

fn too_long(length: u128) -> DeserializationError {
    DeserializationError::InvalidValue(format!("a length of {length} is more than there can be"))
}

/// Checks the lengths in a forest that readers of its own read: those of the operations of basic
/// blocks, and of the texts in debug information.
///
/// The bytes behind the magic: version (3), number of nodes, number of decorators, roots (a list of
/// u32), the data of the blocks (a list of bytes), then the nodes (40 bytes each), the advice map,
/// the error messages by code, the data of decorators (a list of bytes), the offsets of texts (a
/// list), the data of texts (a list of bytes). The first 8 bytes of a node are a number, whose
/// highest 4 bits are the node's kind; for a block, the others are an offset in the blocks' data.
fn check_forest(bytes: &[u8]) -> Result<(), DeserializationError> {
    const VERSION_LEN: usize = 3;
    const DIGEST_LEN: usize = 32;
    const KIND_SHIFT: u32 = 60;
    const BLOCK: u64 = 3;

    let mut reader = BoundedReader::new(bytes);
    reader.take(VERSION_LEN)?;
    let nodes = reader.read_usize()?;
    reader.read_usize()?;
    Vec::<u32>::read_from(&mut reader)?;
    let length = reader.read_usize()?;
    let data = reader.take(length)?;
    let mut operations = 0;
    for _ in 0..nodes {
        let node = reader.read_u64()?;
        reader.take(DIGEST_LEN)?;
        if node >> KIND_SHIFT == BLOCK {
            let offset = usize::try_from(node & ((1 << KIND_SHIFT) - 1));
            operations += length_at(data, offset.unwrap_or(usize::MAX))?;
            // Blocks do not share their data, and an operation takes a byte at least.
            if operations > data.len() {
                return Err(too_long(operations as u128));
            }
        }
    }
    AdviceMap::read_from(&mut reader)?;
    BTreeMap::<u64, String>::read_from(&mut reader)?;
    let length = reader.read_usize()?;
    reader.take(length)?;
    let offsets = Vec::<usize>::read_from(&mut reader)?;
    let length = reader.read_usize()?;
    let texts = reader.take(length)?;
    for offset in offsets {
        length_at(texts, offset)?;
    }
    Ok(())
}

/// The length of the list that begins at an offset.
fn length_at(data: &[u8], offset: usize) -> Result<usize, DeserializationError> {
    let list = data.get(offset..);
    let list = list.ok_or_else(|| {
        DeserializationError::InvalidValue(format!("there is nothing at offset {offset}"))
    })?;
    BoundedReader::new(list).read_usize()
}

#[cfg(test)]
mod tests {
    use miden_assembly::Assembler;

    use super::*;
    use miden_cvm_library::core_library;

    fn program_package() -> Vec<u8> {
        let source = "proc f push.1 add end begin if.true call.f else exec.f end end";
        let program = Assembler::default()
            .assemble_program(source)
            .expect("a program");
        package_program(&program, "program")
    }

    #[test]
    fn what_the_assembler_writes_is_read() {
        read_program(&program_package()).expect("a package");
        let library = read_library(&core_library().to_bytes()).expect("the core library");
        assert_eq!(*library, *core_library());
    }

    #[test]
    fn programs_and_libraries_are_told_apart() {
        let refused = read_library(&program_package());
        assert!(matches!(refused, Err(ArtifactError::NotALibrary)));
        let refused = read_program(&core_library().to_bytes());
        assert!(matches!(refused, Err(ArtifactError::Format { .. })));
    }

    #[test]
    fn changed_bytes_never_pass_for_other_code_and_never_panic() {
        let bytes = program_package();
        let program = read_program(&bytes).expect("a package");
        for position in 0..bytes.len() {
            for flipped in [1, 0x10, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[position] ^= flipped;
                if let Ok(read) = read_program(&changed) {
                    verify_forest(read.mast_forest()).expect("digests that are right");
                }
            }
        }
        for length in 0..bytes.len() {
            read_program(&bytes[..length]).expect_err("a package without its end");
        }
        let mut longer = bytes;
        longer.push(0);
        read_program(&longer).expect_err("a package with more behind it");
        assert_ne!(program.hash(), Default::default());
    }

    #[test]
    fn lengths_that_cannot_be_are_refused_before_they_are_believed() {
        // A library whose forest announces 2^56 nodes.
        let mut bytes = FOREST_MAGIC.to_vec();
        bytes.extend([0, 0, 0]);
        bytes.extend([0x80, 0, 0, 0, 0, 0, 0, 1]);
        bytes.extend([0xff; 64]);
        let refused = read_library(&bytes).expect_err("no library");
        assert!(
            refused.to_string().contains("more than there can be"),
            "{refused}"
        );
    }
}
