//! Static data: from the entries of a `component.toml` to segments.

use std::{path::Path, sync::Arc};

use miden_core::{Felt, StarkField, Word};
use miden_crypto::hash::rpo::Rpo256;
use miden_cvm_air::{
    composition::SEGMENT_BLOCK,
    memory_io::{Area, DATA_LIMIT, MemoryLayout, MemoryLayoutError},
};
use toml::Spanned;

use crate::{
    abi::{Placed, place_value},
    bindings::BindingsModule,
    error::{BuildError, Problem},
    file::read_file,
    source::{
        files::inside,
        manifest::{DataEntry, DataFormat, Element, Manifest},
    },
    text::{document::Document, names::check_name},
    wit::{NamedType, parse_type},
};

/// Static data of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// First address, in elements; a multiple of 4.
    pub address: u32,
    /// The data, padded with zeros to a multiple of 8 elements.
    pub elements: Arc<[Felt]>,
    /// RPO hash of the elements.
    pub commitment: Word,
    /// `true` if the elements stand in a composition's records themselves, and the verifier puts them
    /// into memory.
    pub is_public: bool,
}

/// The module with the constants of labels.
pub(crate) const DATA_MODULE: &str = "data";

/// Data without an address is from here on, and ends where the memory for messages begins.
const UNPLACED: u32 = 1 << 28;
const UNPLACED_END: u64 = 1 << 29;

/// The static data of a component, and what its code calls it.
#[derive(Debug, Clone, Default)]
pub(crate) struct StaticData {
    /// The segments, sorted by address.
    pub(crate) segments: Vec<Segment>,
    labels: Vec<Label>,
}

/// The things that have a name in the code.
#[derive(Debug, Clone)]
struct Label {
    /// The constant with the address.
    constant: String,
    address: u32,
    length: u64,
}

/// Data of an entry before it is a segment.
struct Elements {
    elements: Vec<Felt>,
    /// The number of elements, or of the values of a list.
    length: u64,
}

impl StaticData {
    /// Reads the entries of a component. `types` are those that its world names.
    ///
    /// # Errors
    /// Returns the first segment that is malformed, out of range, overlaps another one or does not have
    /// the commitment it states.
    pub(crate) fn read(
        document: &Document,
        folder: &Path,
        entries: &[Spanned<DataEntry>],
        types: &[NamedType],
    ) -> Result<Self, BuildError> {
        let mut segments = Vec::with_capacity(entries.len());
        let mut labels: Vec<Label> = Vec::new();
        let mut unplaced = UNPLACED;
        for entry in entries {
            let data = entry.get_ref();
            let address = match (&data.address, &data.label) {
                (Some(address), _) => *address.get_ref(),
                (None, Some(_)) => unplaced,
                (None, None) => return Err(document.error_at(entry, Problem::DataAddress)),
            };
            let (segment, length) = read_segment(document, folder, entry, types, address)?;
            if data.address.is_none() {
                let end = u64::from(address) + segment.elements.len() as u64;
                unplaced = u32::try_from(end)
                    .ok()
                    .filter(|_| end <= UNPLACED_END)
                    .ok_or_else(|| document.error_at(entry, Problem::DataRoom))?;
            }
            if let Some(label) = &data.label {
                let found = Label::new(label.get_ref(), address, length)
                    .map_err(|problem| document.error_at(label, problem))?;
                let names = found.constants();
                let known = labels.iter().flat_map(Label::constants);
                if let Some((name, _)) = known
                    .into_iter()
                    .find(|(known, _)| names.iter().any(|(name, _)| name == known))
                {
                    return Err(document.error_at(label, Problem::DataLabel(name)));
                }
                labels.push(found);
            }
            segments.push((entry, segment));
        }
        segments.sort_by_key(|(_, segment)| segment.address);
        for pair in segments.windows(2) {
            let [(_, low), (entry, high)] = pair else {
                continue;
            };
            let end = u64::from(low.address) + low.elements.len() as u64;
            if end > u64::from(high.address) {
                let problem = Problem::DataOverlap {
                    first: low.address,
                    end,
                    second: high.address,
                };
                return Err(at_address(document, entry, problem));
            }
        }
        let segments = segments.into_iter().map(|(_, segment)| segment).collect();
        Ok(Self { segments, labels })
    }

    /// The module with the constants, if there are any.
    pub(crate) fn module(&self) -> Option<BindingsModule> {
        let constants: String = self
            .labels
            .iter()
            .flat_map(Label::constants)
            .map(|(name, value)| format!("\npub const {name} = {value}\n"))
            .collect();
        (!constants.is_empty()).then(|| BindingsModule {
            path: DATA_MODULE.into(),
            text: format!(
                "# Where the static data of `component.toml` is, and how much of it.\n{constants}"
            ),
        })
    }
}

/// The places of inputs and outputs in memory that a component says.
///
/// # Errors
/// Returns the first rule of them that is broken.
pub(crate) fn memory_layout(
    document: &Document,
    manifest: &Manifest,
    segments: &[Segment],
) -> Result<MemoryLayout, BuildError> {
    let mut layout = MemoryLayout::default();
    let check = |entry: &Option<Spanned<Area>>, layout: &MemoryLayout| match entry {
        Some(entry) => check_memory(layout, segments)
            .map_err(|error| document.error_at(entry, Problem::Memory(error))),
        None => Ok(()),
    };
    layout.inputs = manifest.memory.inputs.as_ref().map(|area| *area.get_ref());
    check(&manifest.memory.inputs, &layout)?;
    layout.outputs = manifest.memory.outputs.as_ref().map(|area| *area.get_ref());
    check(&manifest.memory.outputs, &layout)?;
    Ok(layout)
}

/// Checks the places of inputs and outputs of a component with this static data.
pub(crate) fn check_memory(
    layout: &MemoryLayout,
    segments: &[Segment],
) -> Result<(), MemoryLayoutError> {
    layout.validate()?;
    let data = segments
        .iter()
        .map(|segment| (segment.address, segment.elements.len() as u64));
    layout.check_data(data)
}

impl Label {
    fn new(label: &str, address: u32, length: u64) -> Result<Self, Problem> {
        check_name("a label", label)?;
        Ok(Self {
            constant: label.replace('-', "_").to_uppercase(),
            address,
            length,
        })
    }

    fn constants(&self) -> [(String, u64); 2] {
        [
            (self.constant.clone(), u64::from(self.address)),
            (format!("{}_LENGTH", self.constant), self.length),
        ]
    }
}

/// An error at an entry's address, or at all of it.
fn at_address(document: &Document, entry: &Spanned<DataEntry>, problem: Problem) -> BuildError {
    match &entry.get_ref().address {
        Some(address) => document.error_at(address, problem),
        None => document.error_at(entry, problem),
    }
}

fn read_elements(
    document: &Document,
    folder: &Path,
    entry: &Spanned<DataEntry>,
    types: &[NamedType],
    address: u32,
) -> Result<Elements, BuildError> {
    let data = entry.get_ref();
    if let (None, Some(format)) = (&data.file, &data.format) {
        return Err(document.error_at(format, Problem::DataFormat));
    }
    let elements: Vec<Felt> = match (&data.felts, &data.words, &data.file, &data.ty, &data.value) {
        (Some(felts), None, None, None, None) => felts
            .iter()
            .map(|felt| parse_element(felt.get_ref()).map_err(|p| document.error_at(felt, p)))
            .collect::<Result<Vec<_>, _>>()?,
        (None, Some(words), None, None, None) => words
            .iter()
            .map(|word| parse_word(word.get_ref()).map_err(|p| document.error_at(word, p)))
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .flatten()
            .collect(),
        (None, None, Some(file), None, None) => {
            let format = data
                .format
                .as_ref()
                .map_or(DataFormat::U32, |format| *format.get_ref());
            elements_of(folder, file.get_ref(), format).map_err(|p| document.error_at(file, p))?
        }
        (None, None, None, Some(ty), Some(value)) => {
            let found = parse_type(ty.get_ref(), types).map_err(|error| {
                let problem = Problem::DataType {
                    ty: ty.get_ref().clone(),
                    error,
                };
                document.error_at(ty, problem)
            })?;
            let name = data.label.as_ref().map_or("value", |label| label.get_ref());
            let Placed { elements, length } =
                place_value(name, &found, value.get_ref(), address)
                    .map_err(|error| document.error_at(value, Problem::DataValue(error)))?;
            return Ok(Elements { elements, length });
        }
        _ => return Err(document.error_at(entry, Problem::DataForm)),
    };
    let length = elements.len() as u64;
    Ok(Elements { elements, length })
}

fn read_segment(
    document: &Document,
    folder: &Path,
    entry: &Spanned<DataEntry>,
    types: &[NamedType],
    address: u32,
) -> Result<(Segment, u64), BuildError> {
    let data = entry.get_ref();
    let Elements {
        mut elements,
        length,
    } = read_elements(document, folder, entry, types, address)?;
    if elements.is_empty() {
        return Err(document.error_at(entry, Problem::DataEmpty(address)));
    }
    elements.resize(
        elements.len().next_multiple_of(SEGMENT_BLOCK as usize),
        Felt::new(0),
    );
    if !address.is_multiple_of(4) {
        return Err(at_address(document, entry, Problem::DataUnaligned(address)));
    }
    let padded = elements.len() as u64;
    if u64::from(address) + padded > DATA_LIMIT {
        let problem = Problem::DataRange {
            address,
            length: padded,
        };
        return Err(at_address(document, entry, problem));
    }
    let commitment = Rpo256::hash_elements(&elements);
    if let Some(declared) = &data.commitment {
        let expected =
            parse_word(declared.get_ref()).map_err(|p| document.error_at(declared, p))?;
        if expected != commitment {
            let problem = Problem::DataCommitment {
                expected,
                actual: commitment,
            };
            return Err(document.error_at(declared, problem));
        }
    }
    let segment = Segment {
        address,
        elements: Arc::from(elements),
        commitment,
        is_public: data.public,
    };
    Ok((segment, length))
}

fn parse_element(element: &Element) -> Result<Felt, Problem> {
    let text = element.0.as_str();
    let value = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    value
        .ok()
        .and_then(canonical)
        .ok_or_else(|| Problem::NotAnElement(text.into()))
}

/// Parses a word as digests are written: 0x, then each element's eight bytes, lowest first.
pub(crate) fn parse_word(text: &str) -> Result<Word, Problem> {
    Word::try_from(text).map_err(|_| Problem::Digest(text.into()))
}

fn elements_of(folder: &Path, entry: &str, format: DataFormat) -> Result<Vec<Felt>, Problem> {
    let path = folder.join(inside(entry)?);
    let bytes = read_file(&path).map_err(|error| Problem::Unreadable {
        what: "data file",
        path: path.clone(),
        reason: error.to_string(),
    })?;
    match format {
        DataFormat::U8 => Ok(bytes.into_iter().map(Felt::from).collect()),
        DataFormat::U32 => Ok(bytes
            .chunks(4)
            .map(|chunk| {
                let mut word = [0; 4];
                word[..chunk.len()].copy_from_slice(chunk);
                Felt::from(u32::from_le_bytes(word))
            })
            .collect()),
        DataFormat::Felt => {
            let (chunks, rest) = bytes.as_chunks::<8>();
            if !rest.is_empty() {
                return Err(Problem::DataLength {
                    path,
                    length: bytes.len(),
                });
            }
            chunks
                .iter()
                .map(|chunk| {
                    let value = u64::from_le_bytes(*chunk);
                    canonical(value).ok_or_else(|| Problem::NotAnElement(value.to_string()))
                })
                .collect()
        }
    }
}

/// The element with this value, if it is below the modulus.
fn canonical(value: u64) -> Option<Felt> {
    (value < Felt::MODULUS).then(|| Felt::new(value))
}
