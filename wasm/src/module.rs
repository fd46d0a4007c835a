//! Reading and validating a module.

use std::collections::{BTreeMap, BTreeSet};

use wasmparser::{
    CompositeInnerType, ConstExpr, DataKind, ElementItems, ElementKind, Encoding, ExternalKind,
    FuncType, FunctionBody, Imports, KnownCustom, Name, Operator, Parser, Payload, TableInit,
    TypeRef, ValType, Validator, WasmFeatures,
};

use crate::{
    WasmError, limits,
    lines::DebugSections,
    names::{printable, readable},
};

/// A module, with function bodies as they stand in the file.
pub(crate) struct Module<'a> {
    pub(crate) types: Vec<FuncType>,
    pub(crate) imports: Vec<FunctionImport>,
    /// The type of each function, imports first.
    pub(crate) functions: Vec<u32>,
    pub(crate) bodies: Vec<FunctionBody<'a>>,
    pub(crate) tables: Vec<Table>,
    pub(crate) memory: Option<Memory>,
    /// `true` if any function asks for more memory.
    pub(crate) grows: bool,
    /// The functions that a value can be a reference to.
    pub(crate) referenced: BTreeSet<u32>,
    pub(crate) globals: Vec<Global>,
    pub(crate) exports: Vec<(String, ExternalKind, u32)>,
    pub(crate) start: Option<u32>,
    pub(crate) elements: Vec<Elements>,
    pub(crate) data: Vec<Data<'a>>,
    pub(crate) names: BTreeMap<u32, String>,
    pub(crate) debug: DebugSections<'a>,
}

#[derive(Debug, Clone)]
pub(crate) struct FunctionImport {
    pub(crate) module: String,
    pub(crate) name: String,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Table {
    pub(crate) size: u32,
    pub(crate) max: Option<u64>,
    /// `true` if any function asks for more entries.
    pub(crate) grows: bool,
    /// The reference that every entry begins with.
    pub(crate) first: u32,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) pages: u32,
    pub(crate) max: Option<u32>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Global {
    pub(crate) ty: ValType,
    pub(crate) mutable: bool,
    pub(crate) value: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Elements {
    /// The table and the first entry, if they are put there before the module runs.
    pub(crate) active: Option<(u32, u32)>,
    pub(crate) declared: bool,
    /// References.
    pub(crate) items: Vec<u32>,
}

#[derive(Debug, Clone)]
pub(crate) struct Data<'a> {
    pub(crate) active: Option<u32>,
    pub(crate) bytes: &'a [u8],
}

fn features() -> WasmFeatures {
    WasmFeatures::WASM2
        | WasmFeatures::EXTENDED_CONST
        | WasmFeatures::WIDE_ARITHMETIC
        // Refused where an export reaches them.
        | WasmFeatures::TAIL_CALL
}

/// Validates a module, and says whether a proposal is all that it lacks.
fn validate(bytes: &[u8]) -> Result<(), WasmError> {
    let Err(error) = Validator::new_with_features(features()).validate_all(bytes) else {
        return Ok(());
    };
    match Validator::new_with_features(WasmFeatures::all()).validate_all(bytes) {
        Ok(_) => Err(WasmError::Proposal {
            offset: error.offset(),
            message: error.message().to_string(),
        }),
        Err(_) => Err(error.into()),
    }
}

fn unsupported(section: &'static str, what: impl Into<String>) -> WasmError {
    WasmError::Unsupported {
        section,
        what: what.into(),
    }
}

fn limited(place: &str, what: &'static str, actual: u64, max: u64) -> Result<(), WasmError> {
    if actual > max {
        return Err(WasmError::Limit {
            place: place.into(),
            what,
            max,
            actual,
        });
    }
    Ok(())
}

/// A constant that is imported.
pub(crate) type GlobalImports<'o> = &'o BTreeMap<(String, String), u64>;

impl<'a> Module<'a> {
    /// Reads and validates a module; `imported` are the values of imported globals.
    pub(crate) fn read(bytes: &'a [u8], imported: GlobalImports<'_>) -> Result<Self, WasmError> {
        limited(
            "the module",
            "its length in bytes",
            bytes.len() as u64,
            limits::MODULE_BYTES,
        )?;
        if Parser::is_component(bytes) {
            return Err(WasmError::Component);
        }
        validate(bytes)?;
        let mut module = Self {
            types: Vec::new(),
            imports: Vec::new(),
            functions: Vec::new(),
            bodies: Vec::new(),
            tables: Vec::new(),
            memory: None,
            grows: false,
            referenced: BTreeSet::new(),
            globals: Vec::new(),
            exports: Vec::new(),
            start: None,
            elements: Vec::new(),
            data: Vec::new(),
            names: BTreeMap::new(),
            debug: DebugSections::default(),
        };
        for payload in Parser::new(0).parse_all(bytes) {
            module.section(payload?, imported)?;
        }
        Ok(module)
    }

    fn section(
        &mut self,
        payload: Payload<'a>,
        imported: GlobalImports<'_>,
    ) -> Result<(), WasmError> {
        self.debug.add(&payload);
        match payload {
            Payload::Version { encoding, .. } if encoding != Encoding::Module => {
                return Err(WasmError::Component);
            }
            Payload::TypeSection(reader) => {
                for group in reader {
                    for ty in group?.into_types() {
                        match ty.composite_type.inner {
                            CompositeInnerType::Func(ty) => self.types.push(ty),
                            _ => {
                                return Err(unsupported("type", "a type that is not a function's"));
                            }
                        }
                    }
                }
            }
            Payload::ImportSection(reader) => {
                for group in reader {
                    let Imports::Single(_, import) = group? else {
                        return Err(unsupported("import", "compact imports"));
                    };
                    self.import(import.module, import.name, import.ty, imported)?;
                }
            }
            Payload::FunctionSection(reader) => {
                for ty in reader {
                    self.functions.push(ty?);
                }
                limited(
                    "the function section",
                    "the number of functions",
                    self.functions.len() as u64,
                    limits::FUNCTIONS,
                )?;
            }
            Payload::TableSection(reader) => {
                for table in reader {
                    let table = table?;
                    limited(
                        "the table section",
                        "the size of a table",
                        table.ty.initial,
                        limits::TABLE,
                    )?;
                    let first = match &table.init {
                        TableInit::RefNull => 0,
                        TableInit::Expr(expression) => self.constant(expression)? as u32,
                    };
                    self.tables.push(Table {
                        size: table.ty.initial as u32,
                        max: table.ty.maximum,
                        grows: false,
                        first,
                    });
                }
            }
            Payload::MemorySection(reader) => {
                for memory in reader {
                    let memory = memory?;
                    limited(
                        "the memory section",
                        "the number of pages",
                        memory.initial,
                        u64::from(limits::PAGES),
                    )?;
                    self.memory = Some(Memory {
                        pages: memory.initial as u32,
                        max: memory.maximum.map(|max| max.min(65_536) as u32),
                    });
                }
            }
            Payload::GlobalSection(reader) => {
                for global in reader {
                    let global = global?;
                    let value = self.constant(&global.init_expr)?;
                    self.globals.push(Global {
                        ty: global.ty.content_type,
                        mutable: global.ty.mutable,
                        value,
                    });
                }
            }
            Payload::ExportSection(reader) => {
                for export in reader {
                    let export = export?;
                    self.exports
                        .push((export.name.into(), export.kind, export.index));
                }
            }
            Payload::StartSection { func, .. } => self.start = Some(func),
            Payload::ElementSection(reader) => {
                for elements in reader {
                    let elements = elements?;
                    let (active, declared) = match &elements.kind {
                        ElementKind::Passive => (None, false),
                        ElementKind::Declared => (None, true),
                        ElementKind::Active {
                            table_index,
                            offset_expr,
                        } => {
                            let offset = self.constant(offset_expr)? as u32;
                            (Some((table_index.unwrap_or(0), offset)), false)
                        }
                    };
                    let mut items = Vec::new();
                    match elements.items {
                        ElementItems::Functions(reader) => {
                            for function in reader {
                                items.push(reference(function?));
                            }
                        }
                        ElementItems::Expressions(_, reader) => {
                            for item in reader {
                                items.push(self.constant(&item?)? as u32);
                            }
                        }
                    }
                    if !declared {
                        let functions = items.iter().copied().filter_map(referenced);
                        self.referenced.extend(functions);
                    }
                    self.elements.push(Elements {
                        active,
                        declared,
                        items,
                    });
                }
            }
            Payload::DataSection(reader) => {
                for data in reader {
                    let data = data?;
                    let active = match &data.kind {
                        DataKind::Passive => None,
                        DataKind::Active { offset_expr, .. } => {
                            Some(self.constant(offset_expr)? as u32)
                        }
                    };
                    self.data.push(Data {
                        active,
                        bytes: data.data,
                    });
                }
            }
            Payload::CodeSectionEntry(body) => {
                let mut operators = body.get_operators_reader()?;
                while !operators.eof() {
                    match operators.read()? {
                        Operator::MemoryGrow { .. } => self.grows = true,
                        Operator::TableGrow { table } => self.tables[table as usize].grows = true,
                        Operator::RefFunc { function_index } => {
                            self.referenced.insert(function_index);
                        }
                        _ => {}
                    }
                }
                self.bodies.push(body);
            }
            Payload::CustomSection(reader) => {
                if let KnownCustom::Name(names) = reader.as_known() {
                    // Names are comments: a damaged section is no reason to refuse the module.
                    for name in names.into_iter().flatten() {
                        if let Name::Function(map) = name {
                            let named = map.into_iter().flatten();
                            self.names
                                .extend(named.map(|naming| (naming.index, readable(naming.name))));
                        }
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn import(
        &mut self,
        module: &str,
        name: &str,
        ty: TypeRef,
        imported: GlobalImports<'_>,
    ) -> Result<(), WasmError> {
        let import = |hint| WasmError::Import {
            module: printable(module),
            name: printable(name),
            hint,
        };
        match ty {
            TypeRef::Func(ty) => {
                self.functions.push(ty);
                self.imports.push(FunctionImport {
                    module: module.into(),
                    name: name.into(),
                });
                Ok(())
            }
            TypeRef::Global(global) => {
                let key = (module.to_owned(), name.to_owned());
                let value = imported.get(&key).filter(|_| !global.mutable);
                let value = value.ok_or_else(|| {
                    import("it is a global, and components import functions only")
                })?;
                self.globals.push(Global {
                    ty: global.content_type,
                    mutable: false,
                    value: *value,
                });
                Ok(())
            }
            TypeRef::Memory(_) => Err(import(
                "a component has a memory of its own; link without `--import-memory`",
            )),
            TypeRef::Table(_) => Err(import(
                "a component has tables of its own; link without `--import-table`",
            )),
            _ => Err(import("only functions can be imported")),
        }
    }

    /// The value of a constant expression.
    fn constant(&mut self, expression: &ConstExpr<'_>) -> Result<u64, WasmError> {
        let mut stack: Vec<u64> = Vec::new();
        for operator in expression.get_operators_reader() {
            let binary = |stack: &mut Vec<u64>, f: fn(u64, u64) -> u64| {
                let (b, a) = (stack.pop().unwrap_or(0), stack.pop().unwrap_or(0));
                stack.push(f(a, b));
            };
            match operator? {
                Operator::I32Const { value } => stack.push(u64::from(value as u32)),
                Operator::I64Const { value } => stack.push(value as u64),
                Operator::F32Const { value } => stack.push(u64::from(value.bits())),
                Operator::F64Const { value } => stack.push(value.bits()),
                Operator::GlobalGet { global_index } => {
                    let global = self.globals.get(global_index as usize);
                    stack.push(global.map_or(0, |global| global.value));
                }
                Operator::RefNull { .. } => stack.push(0),
                Operator::RefFunc { function_index } => {
                    self.referenced.insert(function_index);
                    stack.push(u64::from(reference(function_index)));
                }
                Operator::I32Add => binary(&mut stack, |a, b| {
                    u64::from((a as u32).wrapping_add(b as u32))
                }),
                Operator::I32Sub => binary(&mut stack, |a, b| {
                    u64::from((a as u32).wrapping_sub(b as u32))
                }),
                Operator::I32Mul => binary(&mut stack, |a, b| {
                    u64::from((a as u32).wrapping_mul(b as u32))
                }),
                Operator::I64Add => binary(&mut stack, u64::wrapping_add),
                Operator::I64Sub => binary(&mut stack, u64::wrapping_sub),
                Operator::I64Mul => binary(&mut stack, u64::wrapping_mul),
                Operator::End => {}
                other => {
                    return Err(unsupported("global", format!("{other:?}")));
                }
            }
        }
        Ok(stack.pop().unwrap_or(0))
    }

    /// The type of a function.
    pub(crate) fn type_of(&self, function: u32) -> &FuncType {
        &self.types[self.functions[function as usize] as usize]
    }

    /// The first type that is the same as this one.
    pub(crate) fn canonical_type(&self, ty: u32) -> u32 {
        let wanted = &self.types[ty as usize];
        let found = self.types.iter().position(|ty| ty == wanted);
        found.map_or(ty, |found| found as u32)
    }

    /// The body of a function, if it is not imported.
    pub(crate) fn body(&self, function: u32) -> Option<&FunctionBody<'a>> {
        let index = (function as usize).checked_sub(self.imports.len())?;
        self.bodies.get(index)
    }

    /// The function's name, or its number where it has none.
    pub(crate) fn name(&self, function: u32) -> String {
        if let Some(name) = self.names.get(&function) {
            return name.clone();
        }
        let exported = self
            .exports
            .iter()
            .find(|(_, kind, index)| *kind == ExternalKind::Func && *index == function);
        match exported {
            Some((name, ..)) => printable(name),
            None => format!("function {function}"),
        }
    }
}

/// The value that stands for a function: what is known of it is at this distance from where the records of
/// functions begin. 0 is null.
pub(crate) fn reference(function: u32) -> u32 {
    RECORD * (function + 1)
}

/// The function that a value stands for.
fn referenced(reference: u32) -> Option<u32> {
    (reference / RECORD).checked_sub(1)
}

/// Elements of a function's record: its digest, and its type.
pub(crate) const RECORD: u32 = 8;
