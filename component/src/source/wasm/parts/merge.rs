//! The core instances of a component's instance as one core module, whose imports and exports have the
//! names that the Canonical ABI gives them.
//!
//! Code and data that no wanted export can reach are left out. Memory, tables and globals that instances share are one
//! each; a module that is instantiated twice is there twice.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use miden_cvm_wasm::readable;
use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, CustomSection, DataCountSection, DataSection,
    ElementSection, Elements, ExportKind, ExportSection, Function as Body, FunctionSection,
    GlobalSection, GlobalType, ImportSection, Instruction, MemorySection, NameMap, NameSection,
    StartSection, TableSection, TypeSection, ValType,
    reencode::{Error, Reencode, utils},
};
use wasmparser::{DataKind, ElementKind, ExternalKind, FuncType, FunctionBody, Operator};

use super::{
    super::{REALLOC, binary::refused},
    elaborate::{CoreFunction, CoreInstance, Function, Options, Unit},
    lines::CodeLines,
    module::{Import, Module},
    types::{FunctionType, Resource},
};
use crate::error::Problem;

/// Bytes of the modules that are linked, each as often as it is instantiated: as many as one may have that is
/// compiled.
const MAX_BYTES: usize = 1 << 24;

/// The number of times that functions in tables can lead to more tables.
const MAX_ROUNDS: u32 = 64;

/// The imports of the one core module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Imported {
    Function(Function),
    Resource(&'static str, Resource),
}

/// The names that the one core module has for things.
pub(super) trait Names {
    /// The module and the name of an import.
    fn import(&self, import: Imported) -> Result<(String, String), Problem>;

    /// The names of what a function is lifted from.
    fn exports(&self, lift: usize) -> Vec<String>;

    /// The name of the destructor of a resource type; nothing if nobody can ask for it.
    fn destructor(&self, resource: usize) -> Option<String>;
}

/// An instance of a core module.
type InstanceIndex = usize;

/// Something that is defined by an instance of a core module: the instance, and the number in its module.
type Defined = (InstanceIndex, u32);

/// In the place of an instance: it is made here.
const MADE: InstanceIndex = InstanceIndex::MAX;

/// The function that gives memory by what [`GIVER`] says, where several do.
const GIVES: Defined = (MADE, u32::MAX);

/// The global that says which function gives memory now; 0 is the common one.
const GIVER: Defined = (MADE, 0);

/// Things that are used, in the order in which they are found.
struct Used<T> {
    all: Vec<T>,
    numbers: BTreeMap<T, u32>,
}

impl<T> Default for Used<T> {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            numbers: BTreeMap::new(),
        }
    }
}

impl<T: Ord + Copy> Used<T> {
    fn number(&mut self, used: T) -> u32 {
        let next = self.all.len() as u32;
        let number = *self.numbers.entry(used).or_insert(next);
        if number == next {
            self.all.push(used);
        }
        number
    }
}

/// The definition of a core function in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Defined(Defined),
    /// It is no core module's: the number among the core functions of the component.
    Made(u32),
}

/// The core module that linking makes.
pub(super) struct Linked {
    pub(super) module: Vec<u8>,
    pub(super) imports: Vec<Imported>,
    /// The names of functions that were left out.
    pub(super) dropped: Vec<String>,
}

/// The linker of the core instances of one unit.
pub(super) struct Linker<'e, 'a> {
    unit: &'e Unit<'a>,
    names: &'e dyn Names,
    /// The module of each core instance that has one.
    modules: BTreeMap<InstanceIndex, Module<'a>>,
    /// The instance whose code is read.
    at: InstanceIndex,
    types: Vec<FuncType>,
    type_numbers: HashMap<FuncType, u32>,
    imports: Used<Imported>,
    import_types: Vec<FuncType>,
    /// The number of imports, which is known when all has been read once.
    import_count: u32,
    functions: Used<Defined>,
    tables: Used<Defined>,
    memories: Used<Defined>,
    globals: Used<Defined>,
    /// The numbers of the first segments, of elements and of data, of each core instance.
    segments: BTreeMap<InstanceIndex, (u32, u32)>,
    /// Passive segments that are used.
    elements: BTreeSet<Defined>,
    data: BTreeSet<Defined>,
    /// The memory that values are in.
    memory: Option<Defined>,
    /// The function that gives memory for values.
    realloc: Option<Found>,
    /// Another function that gives memory, for what some imports return: adapters have their own.
    others: Vec<Found>,
    /// Imports that are called by a function which says before who gives memory, from 1 on.
    wrapped: Used<(u32, u32)>,
}

impl<'e, 'a> Linker<'e, 'a> {
    pub(super) fn new(unit: &'e Unit<'a>, names: &'e dyn Names) -> Result<Self, Problem> {
        let mut modules: BTreeMap<InstanceIndex, Module<'a>> = BTreeMap::new();
        let mut length = 0_usize;
        for (place, instance) in unit.core_instances.iter().enumerate() {
            if let CoreInstance::Module(bytes, _) = instance {
                length = length.saturating_add(bytes.len());
                if length > MAX_BYTES {
                    return Err(refused(format!(
                        "its core modules have more than {MAX_BYTES} bytes, each counted as often as it is \
                         instantiated"
                    )));
                }
                modules.insert(place, Module::read(bytes)?);
            }
        }
        let mut segments = BTreeMap::new();
        let (mut elements, mut data) = (0, 0);
        for (place, module) in &modules {
            segments.insert(*place, (elements, data));
            elements += module.elements.len() as u32;
            data += module.data.len() as u32;
        }
        Ok(Self {
            unit,
            names,
            modules,
            segments,
            at: 0,
            types: Vec::new(),
            type_numbers: HashMap::new(),
            imports: Used::default(),
            import_types: Vec::new(),
            import_count: 0,
            functions: Used::default(),
            tables: Used::default(),
            memories: Used::default(),
            globals: Used::default(),
            elements: BTreeSet::new(),
            data: BTreeSet::new(),
            memory: None,
            realloc: None,
            others: Vec::new(),
            wrapped: Used::default(),
        })
    }

    /// The module with what these functions are lifted from, and what it imports.
    pub(super) fn link(mut self, lifts: &BTreeSet<usize>) -> Result<Linked, Problem> {
        // Imports have numbers before all others, so they have to be known first.
        self.encode(lifts)?;
        self.import_count = self.imports.all.len() as u32;
        self.functions = Used::default();
        let module = self.encode(lifts)?;
        Ok(Linked {
            module,
            dropped: self.dropped(),
            imports: self.imports.all,
        })
    }

    /// The functions of its modules that nothing reaches, each once.
    fn dropped(&self) -> Vec<String> {
        let mut dropped = BTreeSet::new();
        for (place, module) in &self.modules {
            let own = module.imported_functions.len()..module.functions.len();
            let own = own.map(|index| index as u32);
            let unused =
                own.filter(|index| !self.functions.numbers.contains_key(&(*place, *index)));
            dropped.extend(unused.map(|index| match module.names.get(&index) {
                Some(name) => readable(name),
                None => format!("function {index} of core module {place}"),
            }));
        }
        dropped.into_iter().collect()
    }

    // WHAT SOMETHING IS
    // --------------------------------------------------------------------------------------------

    /// The export of a core instance by a name: where it is defined, or the number of a core function.
    fn exported(&self, mut instance: u32, mut name: &'a str) -> Result<Found, Problem> {
        let missing = || refused("what one of its core modules imports is not there");
        // Each step leads to an instance that was made earlier.
        loop {
            let place = instance as usize;
            let (kind, index) = match self.unit.core_instances.get(place) {
                Some(CoreInstance::Exports(exports)) => *exports.get(name).ok_or_else(missing)?,
                Some(CoreInstance::Module(_, args)) => {
                    let module = &self.modules[&place];
                    let (kind, index) = *module.exports.get(name).ok_or_else(missing)?;
                    let Some((from, import)) = imports(module, kind).get(index as usize) else {
                        return Ok(Found::Defined((place, index)));
                    };
                    instance = *args.get(from).ok_or_else(missing)?;
                    name = import;
                    continue;
                }
                None => return Err(missing()),
            };
            let index = index as usize;
            let alias = match kind {
                ExternalKind::Func | ExternalKind::FuncExact => {
                    match self.unit.core_functions.get(index) {
                        Some(CoreFunction::Exported(instance, name)) => Some((*instance, *name)),
                        _ => return Ok(Found::Made(index as u32)),
                    }
                }
                ExternalKind::Table => self.unit.core_tables.get(index).copied(),
                ExternalKind::Memory => self.unit.core_memories.get(index).copied(),
                ExternalKind::Global => self.unit.core_globals.get(index).copied(),
                ExternalKind::Tag => None,
            };
            (instance, name) = alias.ok_or_else(missing)?;
        }
    }

    /// The definition of an index of a core module.
    fn found(
        &self,
        place: InstanceIndex,
        kind: ExternalKind,
        index: u32,
    ) -> Result<Found, Problem> {
        let missing = || refused("what one of its core modules imports is not there");
        let module = self.modules.get(&place).ok_or_else(missing)?;
        let Some((from, name)) = imports(module, kind).get(index as usize) else {
            return Ok(Found::Defined((place, index)));
        };
        let Some(CoreInstance::Module(_, args)) = self.unit.core_instances.get(place) else {
            return Err(missing());
        };
        self.exported(*args.get(from).ok_or_else(missing)?, name)
    }

    /// A definition of a core module that is no function of the component.
    fn defined(&self, kind: ExternalKind, index: u32) -> Result<Defined, Problem> {
        match self.found(self.at, kind, index)? {
            Found::Defined(defined) => Ok(defined),
            Found::Made(_) => Err(refused("a core function is given for something else")),
        }
    }

    /// A core function of the component.
    fn core_function(&self, index: u32) -> Result<Found, Problem> {
        match self.unit.core_functions.get(index as usize) {
            Some(CoreFunction::Exported(instance, name)) => self.exported(*instance, name),
            _ => Ok(Found::Made(index)),
        }
    }

    // NUMBERS
    // --------------------------------------------------------------------------------------------

    fn ty(&mut self, ty: &FuncType) -> u32 {
        if let Some(number) = self.type_numbers.get(ty) {
            return *number;
        }
        let number = self.types.len() as u32;
        self.types.push(ty.clone());
        self.type_numbers.insert(ty.clone(), number);
        number
    }

    fn function(&mut self, found: Found, ty: Option<FuncType>) -> Result<u32, Problem> {
        let made = match found {
            Found::Defined(defined) => {
                return Ok(self.import_count + self.functions.number(defined));
            }
            Found::Made(made) => made,
        };
        let unit = self.unit;
        let mut giver = None;
        let import = match unit.core_functions.get(made as usize) {
            Some(CoreFunction::Lowered(function, ty, options)) => {
                self.options(ty, options)?;
                giver = self.giver(options)?;
                Imported::Function(*function)
            }
            Some(CoreFunction::Resource(name, resource)) => Imported::Resource(name, *resource),
            Some(CoreFunction::BuiltIn(name)) => {
                return Err(refused(format!("it uses the built-in function `{name}`")));
            }
            Some(CoreFunction::Exported(..)) | None => {
                return Err(refused("a core function that it uses is not there"));
            }
        };
        let ty = ty.ok_or_else(|| {
            refused("it exports a function that it imports, with no core module between them")
        })?;
        let number = self.imports.number(import);
        if number as usize == self.import_types.len() {
            self.import_types.push(ty);
        }
        match giver {
            Some(giver) => {
                let wrapper = self.wrapped.number((number, giver));
                Ok(self.import_count + self.functions.number((MADE, wrapper)))
            }
            None => Ok(number),
        }
    }

    /// Looks at how a function is lifted or lowered.
    fn options(&mut self, ty: &FunctionType<'a>, options: &Options) -> Result<(), Problem> {
        if ty.is_async {
            return Err(refused("it has async functions"));
        }
        if let Some(other) = &options.other {
            return Err(refused(format!("it has functions of the kind {other}")));
        }
        if options.is_wide && ty.has_strings() {
            return Err(refused("its strings are not in UTF-8"));
        }
        if let Some(memory) = options.memory {
            let place = self.unit.core_memories.get(memory as usize).copied();
            let (instance, name) =
                place.ok_or_else(|| refused("a memory that it uses is not there"))?;
            let Found::Defined(memory) = self.exported(instance, name)? else {
                return Err(refused("a core function is given for a memory"));
            };
            if *self.memory.get_or_insert(memory) != memory {
                return Err(refused("its values are in several memories"));
            }
            self.memories.number(memory);
        }
        Ok(())
    }

    /// The function that gives memory for the values of a function, from 1 on; nothing if it is the common one.
    fn giver(&mut self, options: &Options) -> Result<Option<u32>, Problem> {
        let Some(realloc) = options.realloc else {
            return Ok(None);
        };
        let realloc = self.core_function(realloc)?;
        if *self.realloc.get_or_insert(realloc) == realloc {
            return Ok(None);
        }
        let known = self.others.iter().position(|other| *other == realloc);
        let place = known.unwrap_or_else(|| {
            self.others.push(realloc);
            self.others.len() - 1
        });
        Ok(Some(place as u32 + 1))
    }

    /// The number of the function that gives memory, if there is one, with all that it can lead to.
    fn gives(&mut self) -> Result<Option<u32>, Problem> {
        let Some(realloc) = self.realloc else {
            return Ok(None);
        };
        let common = self.function(realloc, None)?;
        for other in self.others.clone() {
            self.function(other, None)?;
        }
        Ok(Some(match self.others.is_empty() {
            true => common,
            false => self.import_count + self.functions.number(GIVES),
        }))
    }

    /// A function that is made here.
    fn made(&mut self, index: u32) -> Result<Body, Problem> {
        let mut body = Body::new([]);
        let global = self.globals.number(GIVER);
        if (MADE, index) == GIVES {
            let params = 0..4;
            for (number, other) in (1..).zip(self.others.clone()) {
                body.instruction(&Instruction::GlobalGet(global));
                body.instruction(&Instruction::I32Const(number));
                body.instruction(&Instruction::I32Eq);
                body.instruction(&Instruction::If(BlockType::Empty));
                for param in params.clone() {
                    body.instruction(&Instruction::LocalGet(param));
                }
                body.instruction(&Instruction::Call(self.function(other, None)?));
                body.instruction(&Instruction::Return);
                body.instruction(&Instruction::End);
            }
            for param in params {
                body.instruction(&Instruction::LocalGet(param));
            }
            if let Some(realloc) = self.realloc {
                body.instruction(&Instruction::Call(self.function(realloc, None)?));
            }
        } else {
            let (import, giver) = self.wrapped.all[index as usize];
            let params = self.import_types[import as usize].params().len() as u32;
            body.instruction(&Instruction::I32Const(giver as i32));
            body.instruction(&Instruction::GlobalSet(global));
            for param in 0..params {
                body.instruction(&Instruction::LocalGet(param));
            }
            body.instruction(&Instruction::Call(import));
            body.instruction(&Instruction::I32Const(0));
            body.instruction(&Instruction::GlobalSet(global));
        }
        body.instruction(&Instruction::End);
        Ok(body)
    }

    // CODE
    // --------------------------------------------------------------------------------------------

    fn encode(&mut self, lifts: &BTreeSet<usize>) -> Result<Vec<u8>, Problem> {
        let unit = self.unit;
        let mut exports = ExportSection::new();
        let mut export = |name: &str, number| {
            exports.export(name, ExportKind::Func, number);
        };
        for number in lifts {
            let Some(lift) = unit.lifts.get(*number) else {
                continue;
            };
            self.options(&lift.ty, &lift.options)?;
            if self.giver(&lift.options)?.is_some() {
                return Err(refused(
                    "several core functions give memory for what it exports",
                ));
            }
            let core = self.core_function(lift.core)?;
            let core = self.function(core, None)?;
            let post = match lift.options.post_return {
                Some(post) => {
                    let post = self.core_function(post)?;
                    Some(self.function(post, None)?)
                }
                None => None,
            };
            for name in self.names.exports(*number) {
                export(&name, core);
                if let Some(post) = post {
                    export(&format!("cabi_post_{name}"), post);
                }
            }
        }
        for (number, destructor) in unit.resources.iter().enumerate() {
            if let (Some(destructor), Some(name)) = (destructor, self.names.destructor(number)) {
                let destructor = self.core_function(*destructor)?;
                export(&name, self.function(destructor, None)?);
            }
        }
        let mut starts = Vec::new();
        for place in self.modules.keys().copied().collect::<Vec<_>>() {
            if let Some(start) = self.modules[&place].start {
                self.at = place;
                starts.push(self.function_number(start)?);
            }
        }

        let mut code = CodeSection::new();
        let mut lines = CodeLines::default();
        let mut done = 0;
        for round in 0.. {
            if round > MAX_ROUNDS {
                return Err(refused(format!(
                    "its element segments lead to one another more than {MAX_ROUNDS} times"
                )));
            }
            while let Some((place, index)) = self.functions.all.get(done).copied() {
                done += 1;
                if place == MADE {
                    let body = self.made(index)?;
                    code.function(&body);
                    lines.end(body.byte_len());
                    continue;
                }
                self.at = place;
                let module = &self.modules[&place];
                let own = (index as usize).checked_sub(module.imported_functions.len());
                let body = own.and_then(|own| module.bodies.get(own)).cloned();
                let body = body.ok_or_else(|| refused("a function that it uses has no code"))?;
                self.body(body, &mut code, &mut lines).map_err(broken)?;
            }
            // What is in a table that is used can be called.
            let before = self.functions.all.len();
            self.elements(None)?;
            self.gives()?;
            if self.functions.all.len() == before {
                break;
            }
        }
        if let Some(realloc) = self.gives()? {
            export(REALLOC, realloc);
        }

        let mut elements = ElementSection::new();
        self.elements(Some(&mut elements))?;
        let declared = (0..self.import_count + self.functions.all.len() as u32).collect::<Vec<_>>();
        elements.declared(Elements::Functions(declared.into()));
        let (data, data_count) = self.data_segments()?;
        let mut globals = GlobalSection::new();
        let mut known = 0;
        // The first value of a global can be another global.
        while let Some((place, index)) = self.globals.all.get(known).copied() {
            known += 1;
            if place == MADE {
                let ty = GlobalType {
                    val_type: ValType::I32,
                    mutable: true,
                    shared: false,
                };
                globals.global(ty, &ConstExpr::i32_const(0));
                continue;
            }
            self.at = place;
            let module = &self.modules[&place];
            let own = (index as usize).checked_sub(module.imported_globals.len());
            let global = own.and_then(|own| module.globals.get(own)).cloned();
            let global = global.ok_or_else(|| refused("a global that it uses is not there"))?;
            utils::parse_global(self, &mut globals, global).map_err(broken)?;
        }
        let mut tables = TableSection::new();
        for (place, index) in self.tables.all.clone() {
            self.at = place;
            let module = &self.modules[&place];
            let own = (index as usize).checked_sub(module.imported_tables.len());
            let table = own.and_then(|own| module.tables.get(own)).cloned();
            let table = table.ok_or_else(|| refused("a table that it uses is not there"))?;
            utils::parse_table(self, &mut tables, table).map_err(broken)?;
        }
        let mut memories = MemorySection::new();
        if self.memories.all.len() > 1 {
            return Err(refused(format!(
                "one of its components uses {} memories, and one is supported",
                self.memories.all.len()
            )));
        }
        for (place, index) in self.memories.all.clone() {
            let module = &self.modules[&place];
            let own = (index as usize).checked_sub(module.imported_memories.len());
            let memory = own.and_then(|own| module.memories.get(own)).copied();
            let memory = memory.ok_or_else(|| refused("a memory that it uses is not there"))?;
            memories.memory(self.memory_type(memory).map_err(broken)?);
        }

        let start = match starts.as_slice() {
            [] => None,
            [start] => Some(*start),
            starts => {
                let mut body = Body::new([]);
                for start in starts {
                    body.instruction(&Instruction::Call(*start));
                }
                body.instruction(&Instruction::End);
                code.function(&body);
                lines.end(body.byte_len());
                Some(self.import_count + self.functions.all.len() as u32)
            }
        };
        let start_type = (starts.len() > 1).then(|| self.ty(&FuncType::new([], [])));

        let mut functions = FunctionSection::new();
        let mut names = NameMap::new();
        for (number, (place, index)) in self.functions.all.clone().into_iter().enumerate() {
            let ty = self.type_of(place, index)?;
            let module = self.modules.get(&place);
            if let Some(name) = module.and_then(|module| module.names.get(&index)) {
                names.append(self.import_count + number as u32, name);
            }
            functions.function(self.ty(&ty));
        }
        if let Some(ty) = start_type {
            functions.function(ty);
        }
        let mut imports = ImportSection::new();
        for (import, ty) in self
            .imports
            .all
            .clone()
            .into_iter()
            .zip(self.import_types.clone())
        {
            let (module, name) = self.names.import(import)?;
            let ty = self.ty(&ty);
            imports.import(&module, &name, wasm_encoder::EntityType::Function(ty));
        }
        let mut types = TypeSection::new();
        for ty in self.types.clone() {
            let ty = self.func_type(ty).map_err(broken)?;
            types.ty().func_type(&ty);
        }

        let mut module = wasm_encoder::Module::new();
        module
            .section(&types)
            .section(&imports)
            .section(&functions)
            .section(&tables)
            .section(&memories)
            .section(&globals)
            .section(&exports);
        if let Some(function_index) = start {
            module.section(&StartSection { function_index });
        }
        let mut named = NameSection::new();
        named.functions(&names);
        module
            .section(&elements)
            .section(&DataCountSection { count: data_count })
            .section(&code)
            .section(&data)
            .section(&named);
        if let Some(lines) = lines.section() {
            module.section(&CustomSection {
                name: ".debug_line".into(),
                data: lines.into(),
            });
        }
        Ok(module.finish())
    }

    /// Writes a function, and where its instructions come from.
    fn body(
        &mut self,
        body: FunctionBody<'_>,
        code: &mut CodeSection,
        lines: &mut CodeLines,
    ) -> Result<(), Error<Problem>> {
        let places = self.modules[&self.at].lines.clone();
        let mut function = self.new_function_with_parsed_locals(&body)?;
        let mut operators = body.get_operators_reader()?;
        while !operators.eof() {
            let place = places.at(operators.original_position());
            lines.instruction(function.byte_len(), place);
            function.instruction(&self.parse_instruction(&mut operators)?);
        }
        code.function(&function);
        lines.end(function.byte_len());
        Ok(())
    }

    fn type_of(&self, place: InstanceIndex, function: u32) -> Result<FuncType, Problem> {
        if (place, function) == GIVES {
            let word = wasmparser::ValType::I32;
            return Ok(FuncType::new([word; 4], [word]));
        }
        let ty = match place {
            MADE => {
                let wrapped = self.wrapped.all.get(function as usize);
                wrapped.and_then(|(import, _)| self.import_types.get(*import as usize))
            }
            _ => {
                let module = &self.modules[&place];
                let ty = module.functions.get(function as usize);
                ty.and_then(|ty| module.types.get(*ty as usize))
            }
        };
        let ty = ty.cloned();
        ty.ok_or_else(|| refused("a function that it uses has no type"))
    }

    /// The number of a function of the module that is read.
    fn function_number(&mut self, index: u32) -> Result<u32, Problem> {
        let found = self.found(self.at, ExternalKind::Func, index)?;
        let ty = self.type_of(self.at, index)?;
        self.function(found, Some(ty))
    }

    /// Looks at all element segments that have functions where somebody can find them, and writes them.
    fn elements(&mut self, mut section: Option<&mut ElementSection>) -> Result<(), Problem> {
        for place in self.modules.keys().copied().collect::<Vec<_>>() {
            self.at = place;
            for (number, element) in self.modules[&place]
                .elements
                .clone()
                .into_iter()
                .enumerate()
            {
                let is_used = match &element.kind {
                    ElementKind::Active { table_index, .. } => {
                        let index = table_index.unwrap_or(0);
                        let table = self.defined(ExternalKind::Table, index)?;
                        self.tables.numbers.contains_key(&table)
                    }
                    ElementKind::Passive => self.elements.contains(&(place, number as u32)),
                    ElementKind::Declared => false,
                };
                let mut unused = ElementSection::new();
                let section = section.as_deref_mut().unwrap_or(&mut unused);
                if is_used {
                    utils::parse_element(self, section, element).map_err(broken)?;
                } else {
                    section.passive(Elements::Functions([].as_slice().into()));
                }
            }
        }
        Ok(())
    }

    /// The data segments of the memories that are used.
    fn data_segments(&mut self) -> Result<(DataSection, u32), Problem> {
        let mut section = DataSection::new();
        let mut started = false;
        for place in self.modules.keys().copied().collect::<Vec<_>>() {
            self.at = place;
            for (number, data) in self.modules[&place].data.clone().into_iter().enumerate() {
                let is_used = match &data.kind {
                    DataKind::Active { memory_index, .. } => {
                        let memory = self.defined(ExternalKind::Memory, *memory_index)?;
                        if started && memory.0 != place {
                            return Err(refused(
                                "a core module puts data into another one's memory after a start function",
                            ));
                        }
                        self.memories.numbers.contains_key(&memory)
                    }
                    DataKind::Passive => self.data.contains(&(place, number as u32)),
                };
                match is_used {
                    true => utils::parse_data(self, &mut section, data).map_err(broken)?,
                    false => {
                        section.passive([]);
                    }
                }
            }
            started |= self.modules[&place].start.is_some();
        }
        let count = section.len();
        Ok((section, count))
    }
}

/// The imports of a kind of a module.
fn imports<'m, 'a>(module: &'m Module<'a>, kind: ExternalKind) -> &'m [Import<'a>] {
    match kind {
        ExternalKind::Func | ExternalKind::FuncExact => &module.imported_functions,
        ExternalKind::Table => &module.imported_tables,
        ExternalKind::Memory => &module.imported_memories,
        ExternalKind::Global => &module.imported_globals,
        ExternalKind::Tag => &[],
    }
}

fn broken(error: Error<Problem>) -> Problem {
    match error {
        Error::UserError(problem) => problem,
        other => refused(format!("one of its core modules cannot be linked: {other}")),
    }
}

impl Reencode for Linker<'_, '_> {
    type Error = Problem;

    fn type_index(&mut self, ty: u32) -> Result<u32, Error<Problem>> {
        let ty = self.modules[&self.at].types.get(ty as usize).cloned();
        let ty = ty.ok_or_else(|| Error::UserError(refused("a type that it uses is not there")))?;
        Ok(self.ty(&ty))
    }

    fn function_index(&mut self, function: u32) -> Result<u32, Error<Problem>> {
        self.function_number(function).map_err(Error::UserError)
    }

    fn table_index(&mut self, table: u32) -> Result<u32, Error<Problem>> {
        let table = self.defined(ExternalKind::Table, table);
        Ok(self.tables.number(table.map_err(Error::UserError)?))
    }

    fn memory_index(&mut self, memory: u32) -> Result<u32, Error<Problem>> {
        let memory = self.defined(ExternalKind::Memory, memory);
        Ok(self.memories.number(memory.map_err(Error::UserError)?))
    }

    fn global_index(&mut self, global: u32) -> Result<u32, Error<Problem>> {
        let global = self.defined(ExternalKind::Global, global);
        Ok(self.globals.number(global.map_err(Error::UserError)?))
    }

    fn element_index(&mut self, element: u32) -> Result<u32, Error<Problem>> {
        self.elements.insert((self.at, element));
        Ok(self.segments[&self.at].0 + element)
    }

    fn data_index(&mut self, data: u32) -> Result<u32, Error<Problem>> {
        self.data.insert((self.at, data));
        Ok(self.segments[&self.at].1 + data)
    }

    fn tag_index(&mut self, _: u32) -> Result<u32, Error<Problem>> {
        Err(Error::UserError(refused("it uses exceptions")))
    }

    /// A constant that is another global's is that one's value.
    fn const_expr(
        &mut self,
        expression: wasmparser::ConstExpr<'_>,
    ) -> Result<ConstExpr, Error<Problem>> {
        let mut bytes = Vec::new();
        self.constant(&expression, &mut bytes)?;
        Ok(ConstExpr::raw(bytes))
    }
}

impl Linker<'_, '_> {
    fn constant(
        &mut self,
        expression: &wasmparser::ConstExpr<'_>,
        bytes: &mut Vec<u8>,
    ) -> Result<(), Error<Problem>> {
        let mut operators = expression.get_operators_reader();
        while !operators.is_end_then_eof() {
            let operator = operators.read()?;
            let Operator::GlobalGet { global_index } = operator else {
                let instruction = self.instruction(operator)?;
                wasm_encoder::Encode::encode(&instruction, bytes);
                continue;
            };
            let global = self.defined(ExternalKind::Global, global_index);
            let (place, index) = global.map_err(Error::UserError)?;
            let module = &self.modules[&place];
            let own = (index as usize).checked_sub(module.imported_globals.len());
            let value = own.and_then(|own| module.globals.get(own)).cloned();
            let value = value
                .ok_or_else(|| Error::UserError(refused("a global that it uses is not there")))?;
            let before = std::mem::replace(&mut self.at, place);
            self.constant(&value.init_expr, bytes)?;
            self.at = before;
            if bytes.len() > MAX_CONSTANT {
                return Err(Error::UserError(refused("a constant of it is too long")));
            }
        }
        Ok(())
    }
}

/// Bytes of a constant expression.
const MAX_CONSTANT: usize = 1 << 16;
