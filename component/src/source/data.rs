//! Static data: from the entries of a `component.toml` to segments.

use std::{fs, path::Path, sync::Arc};

use miden_core::{Felt, StarkField, Word};
use miden_crypto::hash::rpo::Rpo256;
use miden_cvm_air::composition::{DATA_LIMIT, SEGMENT_BLOCK};
use toml::Spanned;

use crate::{
    error::{BuildError, Problem},
    source::{
        files::inside,
        manifest::{DataEntry, DataFormat, Element},
    },
    text::document::Document,
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
}

/// Reads the data segments of a component, sorted by address.
///
/// # Errors
/// Returns the first segment that is malformed, out of range, overlaps another one or does not have
/// the commitment it states.
pub(crate) fn read_segments(
    document: &Document,
    folder: &Path,
    entries: &[Spanned<DataEntry>],
) -> Result<Vec<Segment>, BuildError> {
    let mut segments = Vec::with_capacity(entries.len());
    for entry in entries {
        segments.push((entry, read_segment(document, folder, entry)?));
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
            return Err(document.error_at(&entry.get_ref().address, problem));
        }
    }
    Ok(segments.into_iter().map(|(_, segment)| segment).collect())
}

fn read_segment(
    document: &Document,
    folder: &Path,
    entry: &Spanned<DataEntry>,
) -> Result<Segment, BuildError> {
    let data = entry.get_ref();
    let address = *data.address.get_ref();
    if let (None, Some(format)) = (&data.file, &data.format) {
        return Err(document.error_at(format, Problem::DataFormat));
    }
    let mut elements = match (&data.felts, &data.words, &data.file) {
        (Some(felts), None, None) => felts
            .iter()
            .map(|felt| parse_element(felt.get_ref()).map_err(|p| document.error_at(felt, p)))
            .collect::<Result<Vec<_>, _>>()?,
        (None, Some(words), None) => words
            .iter()
            .map(|word| parse_word(word.get_ref()).map_err(|p| document.error_at(word, p)))
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .flatten()
            .collect(),
        (None, None, Some(file)) => {
            let format = data
                .format
                .as_ref()
                .map_or(DataFormat::U32, |format| *format.get_ref());
            read_file(folder, file.get_ref(), format).map_err(|p| document.error_at(file, p))?
        }
        _ => return Err(document.error_at(entry, Problem::DataForm)),
    };
    if elements.is_empty() {
        return Err(document.error_at(entry, Problem::DataEmpty(address)));
    }
    elements.resize(
        elements.len().next_multiple_of(SEGMENT_BLOCK as usize),
        Felt::new(0),
    );
    if !address.is_multiple_of(4) {
        return Err(document.error_at(&data.address, Problem::DataUnaligned(address)));
    }
    let length = elements.len() as u64;
    if u64::from(address) + length > DATA_LIMIT {
        return Err(document.error_at(&data.address, Problem::DataRange { address, length }));
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
    Ok(Segment {
        address,
        elements: Arc::from(elements),
        commitment,
    })
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

fn read_file(folder: &Path, entry: &str, format: DataFormat) -> Result<Vec<Felt>, Problem> {
    let path = folder.join(inside(entry)?);
    let bytes = fs::read(&path).map_err(|error| Problem::Unreadable {
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
