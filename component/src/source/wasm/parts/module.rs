//! A core module, as far as linking it with others goes.

use std::{collections::BTreeMap, rc::Rc};

use miden_cvm_wasm::LineTable;
use wasmparser::{
    CompositeInnerType, Data, Element, ExternalKind, FuncType, FunctionBody, Global, Imports,
    KnownCustom, MemoryType, Name, Parser, Payload, Table, TypeRef,
};

use super::super::binary::{invalid, refused};
use crate::error::Problem;

/// An import: the module's name and its own.
pub(super) type Import<'a> = (&'a str, &'a str);

/// A core module. Functions, tables, memories and globals are numbered with imports first.
#[derive(Default)]
pub(super) struct Module<'a> {
    pub(super) types: Vec<FuncType>,
    /// The type of each function.
    pub(super) functions: Vec<u32>,
    pub(super) imported_functions: Vec<Import<'a>>,
    pub(super) imported_tables: Vec<Import<'a>>,
    pub(super) imported_memories: Vec<Import<'a>>,
    pub(super) imported_globals: Vec<Import<'a>>,
    pub(super) tables: Vec<Table<'a>>,
    pub(super) memories: Vec<MemoryType>,
    pub(super) globals: Vec<Global<'a>>,
    pub(super) exports: BTreeMap<&'a str, (ExternalKind, u32)>,
    pub(super) start: Option<u32>,
    pub(super) elements: Vec<Element<'a>>,
    pub(super) data: Vec<Data<'a>>,
    pub(super) bodies: Vec<FunctionBody<'a>>,
    pub(super) names: BTreeMap<u32, &'a str>,
    /// The lines of its source, where they are known.
    pub(super) lines: Rc<LineTable>,
}

impl<'a> Module<'a> {
    /// Reads a module that is valid.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Problem> {
        let mut module = Self {
            // Lines are comments, too.
            lines: Rc::new(LineTable::of(bytes).unwrap_or_default()),
            ..Self::default()
        };
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload.map_err(|error| invalid(&error))?;
            if let Some(what) = module.section(payload).map_err(|error| invalid(&error))? {
                return Err(refused(format!("one of its core modules has {what}")));
            }
        }
        Ok(module)
    }

    /// Reads a section; what it has that is not supported.
    fn section(&mut self, payload: Payload<'a>) -> wasmparser::Result<Option<&'static str>> {
        match payload {
            Payload::TypeSection(section) => {
                for group in section {
                    for ty in group?.into_types() {
                        match ty.composite_type.inner {
                            CompositeInnerType::Func(ty) => self.types.push(ty),
                            _ => return Ok(Some("a type that is not a function's")),
                        }
                    }
                }
            }
            Payload::ImportSection(section) => {
                for import in section {
                    let Imports::Single(_, import) = import? else {
                        return Ok(Some("compact imports"));
                    };
                    let name = (import.module, import.name);
                    match import.ty {
                        TypeRef::Func(ty) => {
                            self.functions.push(ty);
                            self.imported_functions.push(name);
                        }
                        TypeRef::Table(_) => self.imported_tables.push(name),
                        TypeRef::Memory(_) => self.imported_memories.push(name),
                        TypeRef::Global(_) => self.imported_globals.push(name),
                        TypeRef::Tag(_) | TypeRef::FuncExact(_) => {
                            return Ok(Some("an imported tag of exceptions"));
                        }
                    }
                }
            }
            Payload::FunctionSection(section) => extend(&mut self.functions, section)?,
            Payload::TableSection(section) => extend(&mut self.tables, section)?,
            Payload::MemorySection(section) => extend(&mut self.memories, section)?,
            Payload::GlobalSection(section) => extend(&mut self.globals, section)?,
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    self.exports
                        .insert(export.name, (export.kind, export.index));
                }
            }
            Payload::StartSection { func, .. } => self.start = Some(func),
            Payload::ElementSection(section) => extend(&mut self.elements, section)?,
            Payload::DataSection(section) => extend(&mut self.data, section)?,
            Payload::CodeSectionEntry(body) => self.bodies.push(body),
            Payload::TagSection(_) => return Ok(Some("tags of exceptions")),
            Payload::CustomSection(section) => {
                if let KnownCustom::Name(names) = section.as_known() {
                    // Names are comments: what is damaged of them is left out.
                    for name in names.into_iter().flatten() {
                        if let Name::Function(map) = name {
                            let named = map.into_iter().flatten();
                            self.names
                                .extend(named.map(|naming| (naming.index, naming.name)));
                        }
                    }
                }
            }
            _ => {}
        }
        Ok(None)
    }
}

fn extend<T>(
    list: &mut Vec<T>,
    section: impl IntoIterator<Item = wasmparser::Result<T>>,
) -> wasmparser::Result<()> {
    for entry in section {
        list.push(entry?);
    }
    Ok(())
}
