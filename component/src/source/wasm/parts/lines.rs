//! The lines of the source language in a module that is linked: a line table as DWARF has it.

use std::collections::HashMap;

use wasm_encoder::Encode;

/// A file, by its number from 1, and a line in it.
type SourceLine = (u64, u32);

/// The instructions of a function that begin another line, by their offsets in its body.
#[derive(Debug, Default)]
struct FunctionLines {
    rows: Vec<(usize, Option<SourceLine>)>,
    length: usize,
}

/// The lines of a code section, whose functions are added one after another.
#[derive(Debug, Default)]
pub(super) struct CodeLines {
    files: Vec<String>,
    numbers: HashMap<String, u64>,
    functions: Vec<FunctionLines>,
    current: FunctionLines,
}

impl CodeLines {
    /// Says where the next instruction of a function comes from, which stands at `offset` in its body.
    pub(super) fn instruction(&mut self, offset: usize, source: Option<(&str, u32)>) {
        let source = source.map(|(file, line)| {
            let number = match self.numbers.get(file) {
                Some(number) => *number,
                None => {
                    self.files.push(file.to_owned());
                    let number = self.files.len() as u64;
                    self.numbers.insert(file.to_owned(), number);
                    number
                }
            };
            (number, line)
        });
        let rows = &mut self.current.rows;
        if rows
            .last()
            .map_or(source.is_some(), |(_, last)| *last != source)
        {
            rows.push((offset, source));
        }
    }

    /// Ends a function whose body, with its locals, has so many bytes.
    pub(super) fn end(&mut self, length: usize) {
        self.current.length = length;
        self.functions.push(std::mem::take(&mut self.current));
    }

    /// The section `.debug_line`; nothing if no line is known.
    pub(super) fn section(&self) -> Option<Vec<u8>> {
        if self.files.is_empty() {
            return None;
        }
        // The form of version 4, with an instruction for each of what a row needs.
        let mut header = vec![1, 1, 1, 0xfb, 14, 13, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1, 0];
        for file in &self.files {
            header.extend(file.as_bytes());
            header.extend([0; 4]);
        }
        header.push(0);
        let mut program = Vec::new();
        // Addresses count from the number of functions that the code section begins with.
        let mut address = encoded(self.functions.len() as u64).len();
        for function in &self.functions {
            address += encoded(function.length as u64).len();
            function.write(address, &mut program);
            address += function.length;
        }
        let mut unit = vec![4, 0];
        unit.extend((header.len() as u32).to_le_bytes());
        unit.extend(header);
        unit.extend(program);
        let mut section = (unit.len() as u32).to_le_bytes().to_vec();
        section.extend(unit);
        Some(section)
    }
}

const COPY: u8 = 1;
const ADVANCE_ADDRESS: u8 = 2;
const ADVANCE_LINE: u8 = 3;
const SET_FILE: u8 = 4;
const END_SEQUENCE: [u8; 3] = [0, 1, 1];
const SET_ADDRESS: [u8; 3] = [0, 5, 2];

impl FunctionLines {
    /// Writes the rows of a function that stands at an address.
    fn write(&self, start: usize, program: &mut Vec<u8>) {
        let Some((first, _)) = self.rows.first() else {
            return;
        };
        program.extend(SET_ADDRESS);
        program.extend(((start + first) as u32).to_le_bytes());
        let (mut at, mut known) = (*first, (1, 1));
        for (offset, source) in &self.rows {
            // Line 0 is none.
            let (file, line) = source.unwrap_or((known.0, 0));
            program.push(ADVANCE_ADDRESS);
            program.extend(encoded((offset - at) as u64));
            program.push(SET_FILE);
            program.extend(encoded(file));
            program.push(ADVANCE_LINE);
            (i64::from(line) - i64::from(known.1)).encode(program);
            program.push(COPY);
            (at, known) = (*offset, (file, line));
        }
        program.push(ADVANCE_ADDRESS);
        program.extend(encoded((self.length - at) as u64));
        program.extend(END_SEQUENCE);
    }
}

/// A number in LEB128.
fn encoded(number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    number.encode(&mut bytes);
    bytes
}
