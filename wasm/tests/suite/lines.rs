//! Lines of the source language: those of a module that `clang` made, and tables that lie.

use miden_cvm_wasm::{Compiled, LineFault, Options, compile};
use wasmparser::{Parser, Payload};

const MODULE: &[u8] = include_bytes!("../lines/lines.wasm");
const SOURCE: &str = include_str!("../lines/lines.c");

fn compiled(bytes: &[u8]) -> Compiled {
    compile(bytes, &Options::default()).expect("a module")
}

/// The lines of the source that the lines of assembly with this instruction come from.
fn lines_of(compiled: &Compiled, instruction: &str) -> Vec<(String, u32)> {
    let lines = compiled.source_lines.as_ref().expect("lines");
    let found = compiled.text.lines().enumerate();
    let found = found.filter(|(_, text)| text.contains(instruction));
    let places = found.filter_map(|(number, _)| lines.of(number));
    places.map(|(file, line)| (file.to_owned(), line)).collect()
}

/// The section's content, and the range that it has in the module.
fn section(name: &str) -> std::ops::Range<usize> {
    let payloads = Parser::new(0).parse_all(MODULE);
    let found = payloads.filter_map(|payload| match payload {
        Ok(Payload::CustomSection(section)) if section.name() == name => {
            let start = section.data_offset() as usize;
            Some(start..start + section.data().len())
        }
        _ => None,
    });
    found.last().expect("a section")
}

/// The module with another line table: of several sections of a name the last one counts.
fn with_table(table: &[u8]) -> Vec<u8> {
    let mut module = MODULE.to_vec();
    let custom = wasm_encoder::CustomSection {
        name: ".debug_line".into(),
        data: table.into(),
    };
    module.push(wasm_encoder::Section::id(&custom));
    wasm_encoder::Encode::encode(&custom, &mut module);
    module
}

/// A line table of version 4 for the file `x.c`, with a program that begins at address 10.
fn table(header: &[u8], program: &[u8]) -> Vec<u8> {
    let fixed = [1, 1, 1, 0xfb, 14, 13, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1];
    let set_address = [0, 5, 2, 10, 0, 0, 0];
    let header_length = (fixed.len() + header.len()) as u32;
    let mut content = vec![4, 0];
    content.extend(header_length.to_le_bytes());
    content.extend(fixed);
    content.extend(header);
    content.extend(set_address);
    content.extend(program);
    let mut table = (content.len() as u32).to_le_bytes().to_vec();
    table.extend(content);
    table
}

/// No folder, and one file.
const FILES: &[u8] = &[0, b'x', b'.', b'c', 0, 0, 0, 0, 0];

fn fault(table: &[u8]) -> LineFault {
    let compiled = compiled(&with_table(table));
    assert_eq!(compiled.text, self::compiled(MODULE).text);
    compiled.source_lines.expect_err("a fault")
}

#[test]
fn instructions_have_the_lines_of_their_source() {
    let compiled = compiled(MODULE);
    let line = |text: &str| {
        let mut lines = SOURCE.lines();
        1 + lines.position(|line| line.contains(text)).expect("a line") as u32
    };
    let at = |text: &str| vec![("./lines.c".to_owned(), line(text))];
    assert_eq!(
        lines_of(&compiled, "u32div"),
        [at("a / b;"), at("a / 2 + b")].concat()
    );
    // Inlined code has the lines of where it was written.
    assert_eq!(lines_of(&compiled, "unreachable"), at("__builtin_trap"));
    for text in ["a + 7", "sum * a"] {
        assert!(lines_of(&compiled, "").contains(&at(text)[0]), "{text}");
    }
}

#[test]
fn modules_without_debug_information_have_no_lines() {
    let compiled = compiled(&with_table(&[]));
    assert!(lines_of(&compiled, "").is_empty());
}

/// Whatever stands in the sections, the module is compiled to the same.
#[test]
fn changed_tables_change_no_code() {
    let text = compiled(MODULE).text;
    for name in [".debug_line", ".debug_line_str"] {
        for place in section(name) {
            for value in [0, 0x7f, 0xff, MODULE[place] ^ 1] {
                let mut changed = MODULE.to_vec();
                changed[place] = value;
                assert_eq!(compiled(&changed).text, text, "{name}, {place}");
            }
        }
    }
    let whole = &MODULE[section(".debug_line")];
    for length in 1..whole.len() {
        let is_cut = matches!(fault(&whole[..length]), LineFault::Damaged { .. });
        assert!(is_cut, "{length}");
    }
}

#[test]
fn tables_that_lie_are_refused_with_the_reason() {
    let good = table(FILES, &[1, 0, 1, 1]);
    assert!(compiled(&with_table(&good)).source_lines.is_ok());
    let says = |table: &[u8], reason: &str| {
        let fault = fault(table).to_string();
        assert!(fault.contains(reason), "{fault}");
    };
    let mut of_64_bits = good.clone();
    of_64_bits[..4].fill(0xff);
    says(&of_64_bits, "64 bits");
    let mut of_version_6 = good.clone();
    of_version_6[4] = 6;
    says(&of_version_6, "unknown version");
    says(&[good.as_slice(), &[9, 0, 0, 0]].concat(), "ends early");
    let mut without_range = good.clone();
    without_range[14] = 0;
    assert!(matches!(
        fault(&without_range),
        LineFault::Damaged { offset: 0, .. }
    ));
    let folders = [b"x\0".repeat(1 << 17).as_slice(), FILES].concat();
    says(&table(&folders, &[1]), "header may be at most 262144");
    // One line more for each byte.
    let lines = vec![20; (1 << 20) + 1];
    says(&table(FILES, &lines), "lines may be at most 1048576");
    let mut many = vec![0];
    let mut program = Vec::new();
    for number in 1..=(1_u32 << 14) + 1 {
        many.extend(format!("{number:x}\0\0\0\0").bytes());
        program.push(4);
        program.extend([
            number as u8 | 0x80,
            (number >> 7) as u8 | 0x80,
            (number >> 14) as u8,
        ]);
        program.push(1);
    }
    many.push(0);
    says(&table(&many, &program), "source files may be at most 16384");
}

/// Code that the linker dropped is said to be at address 0, or behind the end.
#[test]
fn dropped_functions_give_no_lines() {
    let mut dropped = table(FILES, &[3, 99, 1, 2, 12, 0, 1, 1]);
    let address = dropped.windows(3).position(|bytes| bytes == [0, 5, 2]);
    let address = address.expect("an address") + 3;
    for first in [0_u32, u32::MAX - 1, 0x10_0000] {
        dropped[address..address + 4].copy_from_slice(&first.to_le_bytes());
        let compiled = compiled(&with_table(&dropped));
        assert!(lines_of(&compiled, "").is_empty(), "{first}");
    }
}

/// Names of files are shown to people: they are short, and no commands to terminals.
#[test]
fn names_of_files_are_fit_to_be_printed() {
    let named = |name: &[u8]| {
        let header = [&[0], name, &[0, 0, 0, 0, 0]].concat();
        let program = [3, 41, 1, 2, 12, 0, 1, 1];
        let compiled = compiled(&with_table(&table(&header, &program)));
        lines_of(&compiled, "").first().cloned()
    };
    assert_eq!(named(b"a.rs"), Some(("a.rs".into(), 42)));
    assert_eq!(
        named(b"a\x1b[2J\xff.rs"),
        Some(("a\u{fffd}[2J\u{fffd}.rs".into(), 42))
    );
    assert_eq!(named(&[b'a'; 513]), None);
}
