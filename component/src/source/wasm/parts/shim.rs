//! Shim and fixup modules, which `wit-component` puts between a component's core module and its imports,
//! recognized by what they do.

use std::collections::BTreeMap;

use wasmparser::{
    CompositeInnerType, ElementItems, ElementKind, ExternalKind, FunctionBody, Imports, Operator,
    Parser, Payload, Result, TypeRef,
};

use super::module::Import;

/// Functions that a fixup module puts into a table.
#[derive(Debug)]
pub(super) struct Fixup<'a> {
    /// The table, which is imported.
    pub(super) table: Import<'a>,
    /// The place of the first of them.
    pub(super) first: u32,
    /// They are imported too.
    pub(super) functions: Vec<Import<'a>>,
}

/// A module that only hands calls on: it has functions that call what stands in its table, gives back what
/// it imports, or fills another one's table.
#[derive(Debug, Default)]
pub(super) struct Shim<'a> {
    /// The functions that are put into tables.
    pub(super) fixups: Vec<Fixup<'a>>,
    /// The imported functions that are called when an instance is made.
    pub(super) starts: Vec<Import<'a>>,
    functions: Vec<Import<'a>>,
    tables: Vec<Import<'a>>,
    exports: BTreeMap<&'a str, (ExternalKind, u32)>,
    /// The tables and the places in them whose functions other functions stand for.
    slots: BTreeMap<u32, (u32, u32)>,
}

/// A body that hands a call on.
enum Passed {
    /// To a function in a table.
    Slot(u32, u32),
    /// To imported functions without parameters, one after another.
    Functions(Vec<u32>),
}

impl<'a> Shim<'a> {
    /// Reads a module; nothing if it does more than hand calls on.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Option<Self>> {
        let mut this = Self::default();
        let mut params = Vec::new();
        let mut declared = Vec::new();
        let mut bodies = Vec::new();
        let mut start = None;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::TypeSection(types) => {
                    for group in types {
                        for ty in group?.into_types() {
                            params.push(match ty.composite_type.inner {
                                CompositeInnerType::Func(ty) => ty.params().len(),
                                _ => return Ok(None),
                            });
                        }
                    }
                }
                Payload::ImportSection(imports) => {
                    for import in imports {
                        let Imports::Single(_, import) = import? else {
                            return Ok(None);
                        };
                        match import.ty {
                            TypeRef::Func(_) => this.functions.push((import.module, import.name)),
                            TypeRef::Table(_) => this.tables.push((import.module, import.name)),
                            _ => return Ok(None),
                        }
                    }
                }
                Payload::FunctionSection(functions) => {
                    for ty in functions {
                        declared.push(ty?);
                    }
                }
                Payload::ExportSection(exports) => {
                    for export in exports {
                        let export = export?;
                        this.exports
                            .insert(export.name, (export.kind, export.index));
                    }
                }
                Payload::StartSection { func, .. } => start = Some(func),
                Payload::ElementSection(segments) => {
                    for segment in segments {
                        let segment = segment?;
                        let ElementKind::Active {
                            table_index,
                            offset_expr,
                        } = segment.kind
                        else {
                            return Ok(None);
                        };
                        let mut offset = offset_expr.get_operators_reader();
                        let (Operator::I32Const { value }, Operator::End) =
                            (offset.read()?, offset.read()?)
                        else {
                            return Ok(None);
                        };
                        let table = this.tables.get(table_index.unwrap_or(0) as usize);
                        let (Some(table), ElementItems::Functions(items)) =
                            (table.copied(), segment.items)
                        else {
                            return Ok(None);
                        };
                        let mut functions = Vec::new();
                        for item in items {
                            match this.functions.get(item? as usize) {
                                Some(function) => functions.push(*function),
                                None => return Ok(None),
                            }
                        }
                        this.fixups.push(Fixup {
                            table,
                            first: value as u32,
                            functions,
                        });
                    }
                }
                Payload::CodeSectionEntry(body) => bodies.push(body),
                Payload::MemorySection(_)
                | Payload::GlobalSection(_)
                | Payload::DataSection(_)
                | Payload::TagSection(_) => return Ok(None),
                _ => {}
            }
        }
        let imported = this.functions.len() as u32;
        for ((number, ty), body) in (imported..).zip(declared).zip(&bodies) {
            let params = params.get(ty as usize).copied().unwrap_or_default();
            match passed(body, ty, params)? {
                Some(Passed::Slot(table, slot)) => {
                    this.slots.insert(number, (table, slot));
                }
                Some(Passed::Functions(called)) if start == Some(number) => {
                    for function in called {
                        match this.functions.get(function as usize) {
                            Some(function) => this.starts.push(*function),
                            None => return Ok(None),
                        }
                    }
                }
                _ => return Ok(None),
            }
        }
        if let Some(function) = start.and_then(|start| this.functions.get(start as usize)) {
            this.starts.push(*function);
        }
        let hands_on = !(this.fixups.is_empty() && this.slots.is_empty() && this.starts.is_empty())
            || this.exports.keys().any(|name| this.import(name).is_some());
        Ok(hands_on.then_some(this))
    }

    /// The import that is exported by a name.
    pub(super) fn import(&self, export: &str) -> Option<Import<'a>> {
        match self.exports.get(export)? {
            (ExternalKind::Func, index) => self.functions.get(*index as usize).copied(),
            _ => None,
        }
    }

    /// The table, by its export, and the place in it that a function calls.
    pub(super) fn slot(&self, export: &str) -> Option<(&'a str, u32)> {
        let (ExternalKind::Func, index) = self.exports.get(export)? else {
            return None;
        };
        let (table, slot) = *self.slots.get(index)?;
        // Tables of its own have numbers behind those that it imports.
        let place = (ExternalKind::Table, table);
        let mut exports = self.exports.iter();
        let exported = exports.find(|(_, exported)| **exported == place)?;
        (table as usize >= self.tables.len()).then_some((*exported.0, slot))
    }
}

/// The function that a body of this type hands its call on to, if it does nothing else.
fn passed(body: &FunctionBody<'_>, ty: u32, params: usize) -> Result<Option<Passed>> {
    if body.get_locals_reader()?.get_count() > 0 {
        return Ok(None);
    }
    let mut operators = body.get_operators_reader()?;
    let mut called = Vec::new();
    let mut given = 0;
    loop {
        match operators.read()? {
            Operator::LocalGet { local_index } if local_index as usize == given => given += 1,
            Operator::I32Const { value } if given == params && called.is_empty() => {
                let Operator::CallIndirect {
                    type_index,
                    table_index,
                } = operators.read()?
                else {
                    return Ok(None);
                };
                let is_last = matches!(operators.read()?, Operator::End) && operators.eof();
                let passes = is_last && type_index == ty;
                return Ok(passes.then_some(Passed::Slot(table_index, value as u32)));
            }
            Operator::Call { function_index } if params == 0 => called.push(function_index),
            Operator::End if operators.eof() && params == 0 => {
                return Ok(Some(Passed::Functions(called)));
            }
            _ => return Ok(None),
        }
    }
}

/// The functions that a module exports.
pub(super) fn exports(bytes: &[u8]) -> Result<Vec<&str>> {
    let mut names = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        if let Payload::ExportSection(exports) = payload? {
            for export in exports {
                let export = export?;
                if export.kind == ExternalKind::Func {
                    names.push(export.name);
                }
            }
        }
    }
    Ok(names)
}
