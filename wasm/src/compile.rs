//! From a module to assembly and memory.

use std::{
    cell::Cell as Slot,
    collections::{BTreeMap, BTreeSet},
};

use wasmparser::{ExternalKind, ValType};

use crate::{
    LineFault, SourceLines, WasmError,
    emit::{Calls, Code, Emitter, Failure, Way},
    entry::{entry, import},
    facts::{FunctionFacts, follow},
    graph::{Graph, groups},
    ir::{Body, Callee, CallingConvention, Import, Node, Op, ValueType},
    layout::{Image, Initial, Layout, TYPE, TableSize},
    limits,
    lines::LineTable,
    liveness::{analyze, count_uses},
    module::{Module, reference},
    names::printable,
    permute::Known,
    runtime::{DE_BRUIJN, procedures},
    spill::spill,
    translate::{Stop, slots, translate},
    webs::separate,
};

/// The options that a compilation depends on besides the module.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The functions to be called from outside, and where they find their parameters; all exported
    /// functions, with their parameters on the stack, if nothing is said.
    pub exports: Option<BTreeMap<String, CallingConvention>>,
    /// The procedures that stand for imported functions, by module and name.
    pub imports: BTreeMap<(String, String), Import>,
    /// The values of imported constant globals.
    pub globals: BTreeMap<(String, String), u64>,
    /// Leaves out the exports that cannot be compiled, instead of refusing the module.
    pub skip_unsupported: bool,
    /// `true` if memory stays as it is: `memory.grow` then fails, and accesses need no check of the
    /// size.
    pub fixed_memory: bool,
    /// `true` to add procedures by which other code reaches linear memory, by byte addresses that are
    /// multiples of the access's size: `rt_read8`, `rt_read16` and `rt_read32` (`[address] → [value]`),
    /// `rt_write8`, `rt_write16` and `rt_write32` (`[address, value] → []`). Only `rt_bounds`
    /// (`[length, first] → []`) looks whether a range of bytes is in memory.
    pub access: bool,
}

/// A function that can be called from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// The name that the module exports it by.
    pub name: String,
    /// The procedure.
    pub procedure: String,
    /// Its parameters.
    pub params: Vec<ValueType>,
    /// Its results.
    pub results: Vec<ValueType>,
}

/// The content of an element of memory before the first instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// A number.
    Value(u64),
    /// An element, by its number, of the digest of a procedure of the module.
    Digest(String, u8),
}

/// A compiled module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiled {
    /// The module of Miden assembly.
    pub text: String,
    /// The exports: what can be called.
    pub exports: Vec<Export>,
    /// The procedure to be executed once, before anything else, if the module has a start function.
    pub start: Option<String>,
    /// The elements of memory that are not zero at first, by address. All are below [`Self::memory_end`].
    pub memory: BTreeMap<u32, Cell>,
    /// The first address that the module does not use.
    pub memory_end: u32,
    /// The names of functions by their procedures.
    pub functions: BTreeMap<String, String>,
    /// Functions that no export can reach, and that are left out.
    pub dropped: Vec<String>,
    /// The lines of the source language that the assembly comes from; or why they are not known.
    pub source_lines: Result<SourceLines, LineFault>,
    /// Exports that were left out because they cannot be compiled, and why.
    pub refused: Vec<(String, WasmError)>,
}

/// Compiles a core module.
///
/// # Errors
/// Returns why the module is refused, with the place.
pub fn compile(bytes: &[u8], options: &Options) -> Result<Compiled, WasmError> {
    // The code generator walks nested blocks; a thread of its own has room for the deepest allowed.
    std::thread::scope(|scope| {
        let work = std::thread::Builder::new()
            .stack_size(256 << 20)
            .spawn_scoped(scope, || compile_module(bytes, options));
        match work.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(_) => compile_module(bytes, options),
        }
    })
}

fn value_types(types: &[ValType]) -> Vec<ValueType> {
    let types = types.iter().map(|ty| match ty {
        ValType::I64 => ValueType::I64,
        ValType::Ref(_) => ValueType::Reference,
        _ => ValueType::I32,
    });
    types.collect()
}

/// Functions that were translated, with what they call.
#[derive(Default)]
struct Reached {
    bodies: BTreeMap<u32, Body>,
    graph: Graph,
    /// The types of indirect calls that each makes.
    indirect: BTreeMap<u32, BTreeSet<u32>>,
}

impl Reached {
    /// Translates a function and all that it can reach.
    fn add(
        &mut self,
        module: &Module<'_>,
        layout: &Layout,
        options: &Options,
        root: u32,
    ) -> Result<(), WasmError> {
        let mut added = Reached::default();
        let mut pending = vec![root];
        while let Some(function) = pending.pop() {
            if self.graph.contains_key(&function) || added.graph.contains_key(&function) {
                continue;
            }
            let name = module.name(function);
            let Some(body) = module.body(function) else {
                let import = &module.imports[function as usize];
                let key = (import.module.clone(), import.name.clone());
                let refused = |hint| WasmError::Import {
                    module: printable(&import.module),
                    name: printable(&import.name),
                    hint,
                };
                let Some(target) = options.imports.get(&key) else {
                    return Err(refused("the world has no such import"));
                };
                let ty = module.type_of(function);
                for types in [ty.params(), ty.results()] {
                    slots(types).map_err(|what| WasmError::UnsupportedInstruction {
                        function: name.clone(),
                        offset: 0,
                        what,
                    })?;
                }
                let is_as_expected = value_types(ty.params()) == target.params
                    && value_types(ty.results()) == target.results;
                if !is_as_expected {
                    return Err(refused("the world gives it another type"));
                }
                added.graph.insert(function, BTreeSet::new());
                continue;
            };
            let translated =
                translate(module, layout, function, body).map_err(|stop| match stop {
                    Stop::Wasm(error) => error,
                    Stop::Unsupported { offset, what } => WasmError::UnsupportedInstruction {
                        function: name,
                        offset,
                        what,
                    },
                })?;
            let mut callees = translated.callees;
            for ty in &translated.indirect {
                callees.extend(module.referenced.iter().copied().filter(|function| {
                    module.canonical_type(module.functions[*function as usize]) == *ty
                }));
            }
            pending.extend(&callees);
            added.graph.insert(function, callees);
            added.indirect.insert(function, translated.indirect);
            added.bodies.insert(function, translated.body);
        }
        self.bodies.append(&mut added.bodies);
        self.graph.append(&mut added.graph);
        self.indirect.append(&mut added.indirect);
        Ok(())
    }
}

/// The calls between the functions of a module.
struct CallGraph {
    names: BTreeMap<u32, String>,
    groups: BTreeMap<u32, u32>,
    /// The groups that indirect calls of a type can come back to.
    indirect: BTreeMap<u32, BTreeSet<u32>>,
    digests: BTreeMap<u32, u32>,
    current: Slot<u32>,
}

impl CallGraph {
    fn reenters(&self, op: &Op) -> bool {
        let Some(group) = self.groups.get(&self.current.get()) else {
            return false;
        };
        match op {
            Op::Call(Callee::Function(function)) => self.groups.get(function) == Some(group),
            Op::Call(Callee::Indirect { ty, .. }) => self
                .indirect
                .get(ty)
                .is_some_and(|groups| groups.contains(group)),
            _ => false,
        }
    }

    /// Returns `true` if a call goes through memory, so that no procedure has to name itself.
    /// Numbers of functions cannot grow forever, so every circle of calls has one that does.
    fn is_back(&self, op: &Op) -> bool {
        match op {
            Op::Call(Callee::Function(function)) => {
                self.reenters(op) && *function <= self.current.get()
            }
            Op::Call(Callee::Indirect { .. }) => self.reenters(op),
            _ => false,
        }
    }
}

impl Calls for CallGraph {
    fn way(&self, op: &Op) -> Way {
        match op {
            Op::Call(Callee::Function(function)) => {
                let cell = self.digests.get(function).filter(|_| self.is_back(op));
                match cell {
                    Some(cell) => Way::Memory(*cell),
                    None => Way::Exec(self.names[function].clone()),
                }
            }
            Op::Call(Callee::Indirect { table, ty }) => Way::Indirect {
                table: *table,
                ty: *ty,
            },
            _ => Way::Exec(String::new()),
        }
    }

    fn is_counted(&self, op: &Op) -> bool {
        self.is_back(op)
    }
}

/// A name for a procedure that says which function it is.
fn procedure_name(prefix: char, number: u32, name: &str) -> String {
    let mut text = format!("{prefix}{number}");
    let mut apart = true;
    for character in name.chars().take(80) {
        if character.is_ascii_alphanumeric() {
            if apart {
                text.push('_');
            }
            apart = false;
            text.push(character.to_ascii_lowercase());
        } else {
            apart = true;
        }
    }
    text
}

fn weigh(nodes: &[Node], depth: u32, weights: &mut [u64]) {
    let weight = 8_u64.pow(depth.min(10));
    let mut add = |arg: &crate::ir::Arg, factor: u64| {
        if let crate::ir::Arg::Var(var, _) = arg {
            weights[*var as usize] += weight * factor;
        }
    };
    for node in nodes {
        match node {
            Node::Inst(inst) => inst.args.iter().for_each(|arg| add(arg, 2)),
            Node::Set(var, arg, _) => {
                add(arg, 1);
                add(&crate::ir::Arg::var(*var), 3);
            }
            Node::If { cond, .. } => add(cond, 2),
            _ => {}
        }
    }
    for node in nodes {
        match node {
            Node::If { then, els, .. } => {
                weigh(&then.nodes, depth, weights);
                weigh(&els.nodes, depth, weights);
            }
            Node::Scope { body, .. } => weigh(&body.nodes, depth, weights),
            Node::Loop { body, .. } => weigh(&body.nodes, depth + 1, weights),
            _ => {}
        }
    }
}

fn compile_module(bytes: &[u8], options: &Options) -> Result<Compiled, WasmError> {
    let module = Module::read(bytes, &options.globals)?;
    let mut layout = Layout::new(&module, module.grows && !options.fixed_memory);
    let mut reached = Reached::default();
    let mut refused = Vec::new();
    let mut exported: Vec<(String, u32, CallingConvention)> = Vec::new();
    for (name, kind, index) in &module.exports {
        let passing = match &options.exports {
            Some(wanted) => wanted.get(name).copied(),
            None => Some(CallingConvention::Stack),
        };
        let (ExternalKind::Func, Some(passing)) = (kind, passing) else {
            continue;
        };
        match reached.add(&module, &layout, options, *index) {
            Ok(()) => exported.push((name.clone(), *index, passing)),
            Err(error) if options.skip_unsupported => refused.push((name.clone(), error)),
            Err(error) => return Err(error),
        }
    }
    if let Some(start) = module.start {
        reached.add(&module, &layout, options, start)?;
    }
    let Reached {
        mut bodies,
        graph,
        indirect,
    } = reached;
    let mut plan = CallGraph {
        names: graph
            .keys()
            .map(|function| {
                (
                    *function,
                    procedure_name('f', *function, &module.name(*function)),
                )
            })
            .collect(),
        groups: groups(&graph),
        indirect: BTreeMap::new(),
        digests: BTreeMap::new(),
        current: Slot::new(0),
    };
    for function in &module.referenced {
        if let Some(group) = plan.groups.get(function) {
            let ty = module.canonical_type(module.functions[*function as usize]);
            plan.indirect.entry(ty).or_default().insert(*group);
        }
    }
    let called: BTreeSet<u32> = indirect.into_values().flatten().collect();
    for (from, edges) in &graph {
        for to in edges {
            let is_back = plan
                .groups
                .get(from)
                .is_some_and(|group| plan.groups.get(to) == Some(group) && to <= from);
            if is_back && !plan.digests.contains_key(to) {
                plan.digests.insert(*to, layout.take_word());
            }
        }
    }
    for (function, body) in &mut bodies {
        plan.current.set(*function);
        analyze(body, &|op| plan.reenters(op));
        separate(body);
        analyze(body, &|op| plan.reenters(op));
    }
    let globals = module
        .globals
        .iter()
        .zip(&layout.globals)
        .flat_map(|(global, cell)| {
            [
                (*cell, global.value as u32),
                (cell + 1, (global.value >> 32) as u32),
            ]
        });
    let entered: BTreeSet<u32> = exported.iter().map(|(_, index, _)| *index).collect();
    let is_open = |function: u32| {
        entered.contains(&function)
            || module.referenced.contains(&function)
            || module.start == Some(function)
    };
    let mut facts = follow(&bodies, is_open, globals);

    let mut known = Known::new();
    let mut runtime = BTreeSet::new();
    if options.access {
        runtime.extend([
            "read8", "read16", "read32", "write8", "write16", "write32", "bounds",
        ]);
    }
    let mut all = Code::default();
    all.push("# Compiled from WebAssembly.\n\n", 0);
    let mut functions = BTreeMap::new();
    for function in graph.keys() {
        let name = &plan.names[function];
        functions.insert(name.clone(), module.name(*function));
        let Some(body) = bodies.get_mut(function) else {
            let imported = &module.imports[*function as usize];
            let target = &options.imports[&(imported.module.clone(), imported.name.clone())];
            let ty = module.type_of(*function);
            let params = value_types(ty.params());
            let results = value_types(ty.results());
            let code = import(name, target, (&params, &results), &layout, &mut known);
            all.push(&code, 0);
            continue;
        };
        plan.current.set(*function);
        let code = emit(
            body,
            name,
            &plan,
            facts.functions.entry(*function).or_default(),
            &mut layout,
            &mut known,
            &mut runtime,
        )
        .ok_or_else(|| WasmError::Nesting {
            function: module.name(*function),
        })?;
        all.append(code);
    }
    let (code, tables) = procedures(&runtime, &layout);
    all.push(&code, 0);
    let start = module.start.map(|start| plan.names[&start].clone());
    let mut exports = Vec::new();
    for (number, (name, function, passing)) in (0..).zip(&exported) {
        let ty = module.type_of(*function);
        let params = value_types(ty.params());
        let results = value_types(ty.results());
        let procedure = procedure_name('e', number, name);
        let code = entry(
            &procedure,
            &plan.names[function],
            *passing,
            (&params, &results),
            &layout,
            &mut known,
        );
        all.push(&code, 0);
        functions.insert(procedure.clone(), name.clone());
        exports.push(Export {
            name: name.clone(),
            procedure,
            params,
            results,
        });
    }
    let Code { text, offsets } = all;
    let source_lines = LineTable::read(&module.debug).map(|table| table.lines(&offsets));
    let mut image = Image::new();
    if tables.powers
        || text.contains(&format!("push.{} add mem_load", layout.powers))
        || text.contains(&format!("push.{} add mem_load", layout.powers + 32))
    {
        for power in 0..33 {
            image.insert(layout.powers + power, Initial::Value(1 << power));
        }
    }
    if tables.bytes || text.contains(&format!("push.{} add mem_load", layout.bytes)) {
        for place in 0..4 {
            image.insert(layout.bytes + place, Initial::Value(1 << (24 - 8 * place)));
        }
    }
    if tables.bits {
        for bit in 0..32 {
            let place = (1_u32 << bit).wrapping_mul(DE_BRUIJN) >> 27;
            image.insert(layout.bits + place, Initial::Value(bit));
        }
    }
    fill(&module, &layout, &plan, &called, &mut image)?;
    for (function, cell) in &plan.digests {
        for number in 0..4 {
            image.insert(cell + u32::from(number), Initial::Digest(*function, number));
        }
    }
    let memory = image
        .into_iter()
        .filter(|(_, initial)| *initial != Initial::Value(0))
        .map(|(address, initial)| {
            let cell = match initial {
                Initial::Value(value) => Cell::Value(value),
                Initial::Digest(function, number) => {
                    Cell::Digest(plan.names[&function].clone(), number)
                }
            };
            (address, cell)
        })
        .collect();
    let all = 0..module.functions.len() as u32;
    let dropped = all
        .filter(|function| !graph.contains_key(function) && module.body(*function).is_some())
        .map(|function| module.name(function))
        .collect();
    Ok(Compiled {
        text,
        exports,
        start,
        memory,
        memory_end: layout.next.next_multiple_of(8),
        functions,
        dropped,
        source_lines,
        refused,
    })
}

/// Emits a function, with ever more of its variables in memory until all others are in reach.
fn emit(
    body: &mut Body,
    name: &str,
    plan: &CallGraph,
    facts: &mut FunctionFacts,
    layout: &mut Layout,
    known: &mut Known,
    runtime: &mut BTreeSet<&'static str>,
) -> Option<Code> {
    let mut is_spilled = false;
    loop {
        match place(body, name, plan, facts, layout, known, runtime) {
            Ok(code) => return Some(code),
            Err(Failure::Pressure) if !is_spilled => {
                spill(body, facts);
                analyze(body, &|op| plan.reenters(op));
                is_spilled = true;
            }
            Err(_) => return None,
        }
    }
}

/// The same, where values stand on the stack until they are used.
fn place(
    body: &Body,
    name: &str,
    plan: &CallGraph,
    facts: &FunctionFacts,
    layout: &mut Layout,
    known: &mut Known,
    runtime: &mut BTreeSet<&'static str>,
) -> Result<Code, Failure> {
    let mut weights = vec![0; body.vars as usize];
    weigh(&body.nodes, 0, &mut weights);
    let mut uses = vec![0; body.vals as usize];
    count_uses(&body.nodes, &mut uses);
    let mut cells = BTreeMap::new();
    loop {
        let emitter = Emitter::new(
            name.to_owned(),
            layout,
            facts,
            plan,
            cells.clone(),
            &weights,
            known,
            runtime,
            uses.clone(),
        );
        match emitter.function(body) {
            Ok(code) => {
                layout.take(cells.len() as u32);
                return Ok(code);
            }
            Err(Failure::Reach(vars)) => {
                for var in vars {
                    let cell = layout.next + cells.len() as u32;
                    cells.entry(var).or_insert(cell);
                }
            }
            Err(failure) => return Err(failure),
        }
    }
}

/// Puts into memory what the module says that it begins with.
fn fill(
    module: &Module<'_>,
    layout: &Layout,
    plan: &CallGraph,
    called: &BTreeSet<u32>,
    image: &mut Image,
) -> Result<(), WasmError> {
    let pages = module.memory.map_or(0, |memory| memory.pages);
    image.insert(layout.pages, Initial::Value(u64::from(pages)));
    if layout.grows {
        image.insert(layout.guard, Initial::Value(layout.guard_of(pages)));
    }
    if !plan.groups.is_empty() {
        let depth = u64::from(limits::RECURSION);
        image.insert(layout.depth, Initial::Value(depth));
    }
    for (global, cell) in module.globals.iter().zip(&layout.globals) {
        if global.mutable {
            let (low, high) = (global.value as u32, global.value >> 32);
            image.insert(*cell, Initial::Value(u64::from(low)));
            image.insert(cell + 1, Initial::Value(high));
        }
    }
    for function in &module.referenced {
        let ty = module.canonical_type(module.functions[*function as usize]);
        let record = layout.records + reference(*function);
        image.insert(record + TYPE, Initial::Value(u64::from(ty) + 1));
        // A function of a type that nobody calls is in no forest; its record has a type only.
        if called.contains(&ty) {
            for number in 0..4 {
                let digest = Initial::Digest(*function, number);
                image.insert(record + u32::from(number), digest);
            }
        }
    }
    for (table, place) in module.tables.iter().zip(&layout.tables) {
        if let TableSize::Cell(cell) = place.size {
            image.insert(cell, Initial::Value(u64::from(table.size)));
        }
        if table.first != 0 {
            let entries = place.first..place.first + table.size;
            image.extend(entries.map(|entry| (entry, Initial::Value(u64::from(table.first)))));
        }
    }
    for (index, elements) in module.elements.iter().enumerate() {
        let first = match elements.active {
            Some((table, first)) => {
                if u64::from(first) + elements.items.len() as u64
                    > u64::from(module.tables[table as usize].size)
                {
                    return Err(WasmError::SegmentOutOfBounds {
                        what: "element",
                        index,
                    });
                }
                layout.tables[table as usize].first + first
            }
            None if !elements.declared => {
                let place = &layout.elements[index];
                let length = elements.items.len() as u64;
                image.insert(place.length_cell, Initial::Value(length));
                place.first
            }
            None => continue,
        };
        for (entry, item) in (first..).zip(&elements.items) {
            image.insert(entry, Initial::Value(u64::from(*item)));
        }
    }
    let mut written: BTreeMap<u32, u32> = BTreeMap::new();
    for (index, data) in module.data.iter().enumerate() {
        match data.active {
            Some(first) => {
                let end = u64::from(first) + data.bytes.len() as u64;
                if end > u64::from(pages) * 65_536 {
                    return Err(WasmError::SegmentOutOfBounds {
                        what: "data",
                        index,
                    });
                }
                for (address, byte) in (first..).zip(data.bytes) {
                    let element = written
                        .entry(layout.capacity - 1 - address / 4)
                        .or_default();
                    let shift = 8 * (address % 4);
                    *element = *element & !(0xff << shift) | u32::from(*byte) << shift;
                }
            }
            None => {
                let place = &layout.data[index];
                for (number, chunk) in (0..).zip(data.bytes.chunks(4)) {
                    let mut word = [0; 4];
                    word[..chunk.len()].copy_from_slice(chunk);
                    let value = u64::from(u32::from_le_bytes(word));
                    image.insert(place.first + number, Initial::Value(value));
                }
                let length = data.bytes.len() as u64;
                image.insert(place.length_cell, Initial::Value(length));
            }
        }
    }
    for (address, value) in written {
        image.insert(address, Initial::Value(u64::from(value)));
    }
    Ok(())
}
