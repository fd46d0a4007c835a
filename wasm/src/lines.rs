//! Lines of the source language, from the line tables of DWARF.
//!
//! Of all debug information only `.debug_line` is read, and the strings that it names. Its programs are read
//! one behind the other, so that the work grows with the section and with nothing that the section says.

use std::collections::{BTreeMap, HashMap, btree_map::Entry};

use gimli::{
    AttributeValue, DebugLine, DebugLineOffset, EndianSlice, LineProgramHeader, LittleEndian,
};

use wasmparser::{Parser, Payload};

use crate::{LineFault, limits, names::printable};

type Bytes<'a> = EndianSlice<'a, LittleEndian>;

/// The custom sections that lines are in, and the code that they are about.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct DebugSections<'a> {
    pub(crate) lines: &'a [u8],
    pub(crate) strings: &'a [u8],
    pub(crate) line_strings: &'a [u8],
    /// The place in the file of what addresses count from: the content of the code section.
    pub(crate) code: u64,
    /// The length of the code section.
    pub(crate) code_length: u64,
}

impl<'a> DebugSections<'a> {
    /// Takes a part of a module, if it is one of these.
    pub(crate) fn add(&mut self, payload: &Payload<'a>) {
        match payload {
            Payload::CodeSectionStart { range, .. } => {
                self.code = range.start;
                self.code_length = range.end - range.start;
            }
            Payload::CustomSection(section) => match section.name() {
                ".debug_line" => self.lines = section.data(),
                ".debug_str" => self.strings = section.data(),
                ".debug_line_str" => self.line_strings = section.data(),
                _ => {}
            },
            _ => {}
        }
    }
}

/// The lines of the source language that the assembly of a module comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceLines {
    files: Vec<String>,
    lines: Vec<Option<(u32, u32)>>,
}

impl SourceLines {
    /// The files that lines are known of.
    pub fn files(&self) -> &[String] {
        &self.files
    }

    /// The file and the line of it, from 1, that a line of the assembly, from 0, comes from.
    pub fn of(&self, line: usize) -> Option<(&str, u32)> {
        let (file, line) = self.lines.get(line).copied().flatten()?;
        Some((self.files.get(file as usize)?, line))
    }
}

/// The code from an address up to the next row, and the file and line that it comes from.
#[derive(Debug, Clone, Copy)]
struct Row {
    address: u64,
    place: Option<(u32, u32)>,
}

/// The line table of a module: which line of the source language each instruction comes from.
#[derive(Debug, Default)]
pub struct LineTable {
    files: Vec<String>,
    rows: Vec<Row>,
    code: u64,
}

impl LineTable {
    /// Reads the debug information of a module; the table is empty if there is none.
    ///
    /// # Errors
    /// Returns what is wrong with it.
    pub fn of(module: &[u8]) -> Result<Self, LineFault> {
        let mut sections = DebugSections::default();
        for payload in Parser::new(0).parse_all(module).map_while(Result::ok) {
            sections.add(&payload);
        }
        Self::read(&sections)
    }

    /// The file and the line of it, from 1, of the instruction at an offset in the module.
    pub fn at(&self, offset: u64) -> Option<(&str, u32)> {
        let (file, line) = self.place(offset)?;
        Some((self.files.get(file as usize)?, line))
    }

    /// Reads what the sections say; it is empty if there is no debug information.
    pub(crate) fn read(sections: &DebugSections<'_>) -> Result<Self, LineFault> {
        let mut reader = Reader {
            sections,
            files: BTreeMap::new(),
            rows: Vec::new(),
        };
        let mut offset = 0;
        while offset < sections.lines.len() {
            let program = program_at(sections.lines, offset)?;
            reader.program(program).map_err(|fault| match fault {
                Fault::Damaged(error) => damaged(offset, &error.to_string()),
                Fault::Limit(fault) => fault,
            })?;
            offset += program.len();
        }
        let Reader {
            files, mut rows, ..
        } = reader;
        // Where one function ends another may begin.
        rows.sort_by_key(|row| (row.address, row.place.is_some()));
        let mut names = vec![String::new(); files.len()];
        for (name, number) in files {
            names[number as usize] = name;
        }
        Ok(Self {
            files: names,
            rows,
            code: sections.code,
        })
    }

    /// The file, by its number, and the line of the instruction at an offset in the module.
    fn place(&self, offset: u64) -> Option<(u32, u32)> {
        let address = offset.checked_sub(self.code)?;
        let behind = self.rows.partition_point(|row| row.address <= address);
        self.rows.get(behind.checked_sub(1)?)?.place
    }

    /// The lines of code that stands at these offsets in the module; 0 for what is of no instruction.
    pub(crate) fn lines(self, offsets: &[u64]) -> SourceLines {
        let lines = offsets.iter().map(|offset| self.place(*offset)).collect();
        SourceLines {
            files: self.files,
            lines,
        }
    }
}

fn damaged(offset: usize, message: &str) -> LineFault {
    LineFault::Damaged {
        offset: offset as u64,
        message: message.to_owned(),
    }
}

/// The bytes of the program at an offset, whose header has to be short: what it lists takes many times the
/// memory.
fn program_at(section: &[u8], offset: usize) -> Result<&[u8], LineFault> {
    let ends = || damaged(offset, "it ends early");
    let number = |at: usize| {
        let bytes = section.get(at..)?.first_chunk::<4>()?;
        Some(u32::from_le_bytes(*bytes))
    };
    let length = number(offset).ok_or_else(ends)?;
    if length >= 0xffff_fff0 {
        return Err(damaged(offset, "it is of the form for 64 bits"));
    }
    let end = (offset + 4).checked_add(length as usize).ok_or_else(ends)?;
    let program = section.get(offset..end).ok_or_else(ends)?;
    let version = program.get(4..6).ok_or_else(ends)?;
    let header_length = match version {
        [2..=4, 0] => number(offset + 6),
        [5, 0] => number(offset + 8),
        _ => return Err(damaged(offset, "it is of an unknown version")),
    };
    let header_length = header_length.ok_or_else(ends)?;
    if header_length > limits::LINE_HEADER {
        return Err(LineFault::Limit {
            what: "the length of a line table's header",
            max: limits::LINE_HEADER.into(),
        });
    }
    Ok(program)
}

enum Fault {
    Damaged(gimli::Error),
    Limit(LineFault),
}

impl From<gimli::Error> for Fault {
    fn from(error: gimli::Error) -> Self {
        Self::Damaged(error)
    }
}

struct Reader<'s, 'a> {
    sections: &'s DebugSections<'a>,
    files: BTreeMap<String, u32>,
    rows: Vec<Row>,
}

impl Reader<'_, '_> {
    fn program(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let lines = DebugLine::new(bytes, LittleEndian);
        let mut rows = lines.program(DebugLineOffset(0), 4, None, None)?.rows();
        let mut numbers: HashMap<u64, Option<u32>> = HashMap::new();
        let mut sequence: Vec<Row> = Vec::new();
        while let Some((header, row)) = rows.next_row()? {
            let address = row.address();
            if row.end_sequence() {
                // The code of a function that the linker dropped is said to be at 0, or behind all code.
                let first = sequence.first().map_or(0, |row| row.address);
                if first > 0 && address <= self.sections.code_length {
                    self.rows.append(&mut sequence);
                    self.rows.push(Row {
                        address,
                        place: None,
                    });
                }
                sequence.clear();
                continue;
            }
            let file = match numbers.get(&row.file_index()) {
                Some(number) => *number,
                None => {
                    let number = self.file(header, row.file_index())?;
                    numbers.insert(row.file_index(), number);
                    number
                }
            };
            let line = row.line().and_then(|line| u32::try_from(line.get()).ok());
            let place = file.zip(line);
            if sequence.last().is_none_or(|last| last.place != place) {
                sequence.push(Row { address, place });
            }
            if self.rows.len() + sequence.len() > limits::LINES {
                return Err(Fault::Limit(LineFault::Limit {
                    what: "the number of lines",
                    max: limits::LINES as u64,
                }));
            }
        }
        Ok(())
    }

    /// The number of a file that a header lists.
    fn file(
        &mut self,
        header: &LineProgramHeader<Bytes<'_>>,
        index: u64,
    ) -> Result<Option<u32>, Fault> {
        let Some(entry) = header.file(index) else {
            return Ok(None);
        };
        let Some(name) = self.text(&entry.path_name()) else {
            return Ok(None);
        };
        let folder = entry.directory(header);
        let folder = folder.and_then(|folder| self.text(&folder));
        let path = match folder {
            Some(folder) if !folder.is_empty() && !name.starts_with('/') => {
                format!("{}/{name}", folder.trim_end_matches('/'))
            }
            _ => name,
        };
        let next = self.files.len();
        match self.files.entry(path) {
            Entry::Occupied(found) => Ok(Some(*found.get())),
            Entry::Vacant(_) if next >= limits::LINE_FILES => Err(Fault::Limit(LineFault::Limit {
                what: "the number of source files",
                max: limits::LINE_FILES as u64,
            })),
            Entry::Vacant(vacant) => Ok(Some(*vacant.insert(next as u32))),
        }
    }

    /// A text, if it is of a sensible length.
    fn text(&self, value: &AttributeValue<Bytes<'_>>) -> Option<String> {
        let bytes = match value {
            AttributeValue::String(text) => text.slice(),
            AttributeValue::DebugStrRef(offset) => self.sections.strings.get(offset.0..)?,
            AttributeValue::DebugLineStrRef(offset) => {
                self.sections.line_strings.get(offset.0..)?
            }
            _ => return None,
        };
        let bytes = &bytes[..bytes.len().min(limits::PATH + 1)];
        let end = bytes.iter().position(|byte| *byte == 0);
        let text = &bytes[..end.unwrap_or(bytes.len())];
        let text = (text.len() <= limits::PATH).then(|| String::from_utf8_lossy(text))?;
        Some(printable(&text))
    }
}
