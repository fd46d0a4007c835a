//! Values of WIT types in linear memory and as core values: written down here again, from the Component
//! Model's `CanonicalABI.md`, and modules of WebAssembly that send, receive and check them.

use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, DataSection, EntityType, ExportKind, ExportSection,
    Function, FunctionSection, GlobalSection, GlobalType, ImportSection, Instruction as I, MemArg,
    MemorySection, MemoryType, Module, TypeSection, ValType,
};

use crate::values::{Type, Value};

/// Where a module's data is.
const DATA: u32 = 1024;

/// Where a module's memory for others begins.
const HEAP: i32 = 65_536;

/// Where a module wants results.
const RESULT: i32 = 32_768;

fn align_up(address: u32, alignment: u32) -> u32 {
    address.next_multiple_of(alignment)
}

fn payloads(ty: &Type) -> Option<Vec<Option<&Type>>> {
    match ty {
        Type::Option(value) => Some(vec![None, Some(value)]),
        Type::Result(ok, err) => Some(vec![ok.as_deref(), err.as_deref()]),
        Type::Variant(cases) => Some(cases.iter().map(Option::as_ref).collect()),
        _ => None,
    }
}

/// `alignment` of the text.
fn alignment(ty: &Type) -> u32 {
    match ty {
        Type::Bool => 1,
        Type::Unsigned(bits) | Type::Signed(bits) => bits / 8,
        Type::Felt => 8,
        Type::Char | Type::String | Type::List(_) | Type::Own | Type::Borrow => 4,
        // No enum here has more than 256 cases.
        Type::Enum(_) => 1,
        Type::Flags(flags) => match flags {
            1..=8 => 1,
            9..=16 => 2,
            _ => 4,
        },
        Type::Tuple(types) | Type::Record(types) => types.iter().map(alignment).max().unwrap_or(1),
        Type::Option(_) | Type::Result(..) | Type::Variant(_) => {
            let cases = payloads(ty).unwrap_or_default();
            cases
                .into_iter()
                .flatten()
                .map(alignment)
                .max()
                .unwrap_or(1)
        }
    }
}

/// `elem_size` of the text.
fn size(ty: &Type) -> u32 {
    match ty {
        Type::String | Type::List(_) => 8,
        Type::Tuple(types) | Type::Record(types) => {
            let end = types
                .iter()
                .fold(0, |end, ty| align_up(end, alignment(ty)) + size(ty));
            align_up(end, alignment(ty))
        }
        Type::Option(_) | Type::Result(..) | Type::Variant(_) => {
            let cases = payloads(ty).unwrap_or_default();
            let largest = cases.into_iter().flatten().map(size).max().unwrap_or(0);
            align_up(align_up(1, alignment(ty)) + largest, alignment(ty))
        }
        scalar => alignment(scalar),
    }
}

/// `flatten_type` of the text.
fn core(ty: &Type) -> Vec<ValType> {
    match ty {
        Type::Unsigned(64) | Type::Signed(64) | Type::Felt => vec![ValType::I64],
        Type::String | Type::List(_) => vec![ValType::I32, ValType::I32],
        Type::Tuple(types) | Type::Record(types) => types.iter().flat_map(core).collect(),
        Type::Option(_) | Type::Result(..) | Type::Variant(_) => {
            let mut flat = vec![ValType::I32];
            for case in payloads(ty).unwrap_or_default().into_iter().flatten() {
                for (at, found) in (1..).zip(core(case)) {
                    if at == flat.len() {
                        flat.push(found);
                    } else if flat[at] != found {
                        flat[at] = ValType::I64;
                    }
                }
            }
            flat
        }
        _ => vec![ValType::I32],
    }
}

/// A scalar as an integer.
fn integer(elements: &[u64]) -> u64 {
    match elements {
        [high, low] => high << 32 | low,
        [element] => *element,
        _ => unreachable!("a scalar has one element or two"),
    }
}

fn text(items: &[Value]) -> String {
    let characters = items.iter().map(|item| match item {
        Value::Scalar(elements) => char::from_u32(elements[0] as u32).expect("a character"),
        _ => unreachable!("a string has characters"),
    });
    characters.collect()
}

/// Data that a module begins with.
#[derive(Default)]
struct Image {
    bytes: Vec<u8>,
}

impl Image {
    fn take(&mut self, size: u32, alignment: u32) -> u32 {
        let address = align_up(DATA + self.bytes.len() as u32, alignment);
        self.bytes.resize((address + size - DATA) as usize, 0xee);
        address
    }

    fn write(&mut self, address: u32, bytes: &[u8]) {
        let first = (address - DATA) as usize;
        self.bytes[first..first + bytes.len()].copy_from_slice(bytes);
    }

    /// The address and the length of a list's items.
    fn list(&mut self, ty: &Type, items: &[Value]) -> (u32, u32) {
        if let Type::String = ty {
            let text = text(items);
            let address = self.take(text.len() as u32, 1);
            self.write(address, text.as_bytes());
            return (address, text.len() as u32);
        }
        let element = ty.element();
        let address = self.take(size(element) * items.len() as u32, alignment(element));
        for (at, item) in (0..).zip(items) {
            self.store(element, item, address + at * size(element));
        }
        (address, items.len() as u32)
    }

    fn store(&mut self, ty: &Type, value: &Value, address: u32) {
        match value {
            Value::Scalar(elements) => {
                let bytes = integer(elements).to_le_bytes();
                self.write(address, &bytes[..size(ty) as usize]);
            }
            Value::Parts(parts) => {
                let mut at = address;
                for (ty, part) in ty.parts().iter().zip(parts) {
                    at = align_up(at, alignment(ty));
                    self.store(ty, part, at);
                    at += size(ty);
                }
            }
            Value::List(items) => {
                let (first, length) = self.list(ty, items);
                self.write(address, &first.to_le_bytes());
                self.write(address + 4, &length.to_le_bytes());
            }
            Value::Case(case, payload) => {
                self.write(address, &[*case as u8]);
                if let (Some(of), Some(payload)) = (ty.payload(*case), payload) {
                    self.store(of, payload, address + align_up(1, alignment(ty)));
                }
            }
            Value::Handle(_) => unreachable!("no handles here"),
        }
    }

    /// The core values of a value.
    fn flat(&mut self, ty: &Type, value: &Value) -> Vec<u64> {
        let mut flat = match value {
            Value::Scalar(elements) => vec![integer(elements)],
            Value::Parts(parts) => {
                let parts = ty.parts().iter().zip(parts);
                parts.flat_map(|(ty, part)| self.flat(ty, part)).collect()
            }
            Value::List(items) => {
                let (first, length) = self.list(ty, items);
                vec![first.into(), length.into()]
            }
            Value::Case(case, payload) => {
                let mut flat = vec![*case];
                if let (Some(of), Some(payload)) = (ty.payload(*case), payload) {
                    flat.extend(self.flat(of, payload));
                }
                flat
            }
            Value::Handle(_) => unreachable!("no handles here"),
        };
        flat.resize(core(ty).len(), 0);
        flat
    }
}

fn at(offset: u32) -> MemArg {
    MemArg {
        offset: offset.into(),
        align: 0,
        memory_index: 0,
    }
}

/// Instructions that trap unless values are as expected.
struct Check {
    code: Vec<I<'static>>,
    /// The number of locals that are i32, from `first` on.
    locals: u32,
    first: u32,
}

impl Check {
    fn local(&mut self) -> u32 {
        self.locals += 1;
        self.first + self.locals - 1
    }

    fn refuse(&mut self, ne: I<'static>) {
        self.code
            .extend([ne, I::If(BlockType::Empty), I::Unreachable, I::End]);
    }

    fn i32(&mut self, expected: u64) {
        self.code.push(I::I32Const(expected as i32));
        self.refuse(I::I32Ne);
    }

    fn i64(&mut self, expected: u64) {
        self.code.push(I::I64Const(expected as i64));
        self.refuse(I::I64Ne);
    }

    /// The items of a list whose address is in a local.
    fn items(&mut self, ty: &Type, items: &[Value], address: u32) {
        if let Type::String = ty {
            for (offset, byte) in (0..).zip(text(items).bytes()) {
                self.code
                    .extend([I::LocalGet(address), I::I32Load8U(at(offset))]);
                self.i32(byte.into());
            }
            return;
        }
        let element = ty.element();
        for (offset, item) in (0..).zip(items) {
            self.memory(element, item, address, offset * size(element));
        }
    }

    fn length(ty: &Type, items: &[Value]) -> u64 {
        match ty {
            Type::String => text(items).len() as u64,
            _ => items.len() as u64,
        }
    }

    /// A value in memory, at an offset from the address in a local.
    fn memory(&mut self, ty: &Type, value: &Value, address: u32, offset: u32) {
        match value {
            Value::Scalar(elements) => {
                let expected = integer(elements);
                self.code.push(I::LocalGet(address));
                match size(ty) {
                    1 => self.code.push(I::I32Load8U(at(offset))),
                    2 => self.code.push(I::I32Load16U(at(offset))),
                    4 => self.code.push(I::I32Load(at(offset))),
                    _ => {
                        self.code.push(I::I64Load(at(offset)));
                        return self.i64(expected);
                    }
                }
                let bits = 8 * size(ty);
                self.i32(expected & ((1_u64 << bits) - 1));
            }
            Value::Parts(parts) => {
                let mut part_at = offset;
                for (ty, part) in ty.parts().iter().zip(parts) {
                    part_at = align_up(part_at, alignment(ty));
                    self.memory(ty, part, address, part_at);
                    part_at += size(ty);
                }
            }
            Value::List(items) => {
                self.code
                    .extend([I::LocalGet(address), I::I32Load(at(offset + 4))]);
                self.i32(Self::length(ty, items));
                let list = self.local();
                let load = [
                    I::LocalGet(address),
                    I::I32Load(at(offset)),
                    I::LocalSet(list),
                ];
                self.code.extend(load);
                self.items(ty, items, list);
            }
            Value::Case(case, payload) => {
                self.code
                    .extend([I::LocalGet(address), I::I32Load8U(at(offset))]);
                self.i32(*case);
                if let (Some(of), Some(payload)) = (ty.payload(*case), payload) {
                    self.memory(of, payload, address, offset + align_up(1, alignment(ty)));
                }
            }
            Value::Handle(_) => unreachable!("no handles here"),
        }
    }

    /// A value in locals of these types, from `first` on.
    fn flat(&mut self, ty: &Type, value: &Value, first: u32, types: &[ValType]) {
        let scalar = |this: &mut Self, number: usize, expected: u64| {
            this.code.push(I::LocalGet(first + number as u32));
            match types[number] {
                ValType::I64 => this.i64(expected),
                _ => this.i32(expected),
            }
        };
        match value {
            Value::Scalar(elements) => scalar(self, 0, integer(elements)),
            Value::Parts(parts) => {
                let mut number = 0;
                for (ty, part) in ty.parts().iter().zip(parts) {
                    let types = &types[number as usize..];
                    self.flat(ty, part, first + number, types);
                    number += core(ty).len() as u32;
                }
            }
            Value::List(items) => {
                scalar(self, 1, Self::length(ty, items));
                let list = self.local();
                self.code.push(I::LocalGet(first));
                if types[0] == ValType::I64 {
                    self.code.push(I::I32WrapI64);
                }
                self.code.push(I::LocalSet(list));
                self.items(ty, items, list);
            }
            Value::Case(case, payload) => {
                scalar(self, 0, *case);
                let mut used = 1;
                if let (Some(of), Some(payload)) = (ty.payload(*case), payload) {
                    self.flat(of, payload, first + 1, &types[1..]);
                    used += core(of).len();
                }
                for unused in used..core(ty).len() {
                    scalar(self, unused, 0);
                }
            }
            Value::Handle(_) => unreachable!("no handles here"),
        }
    }
}

fn constant(ty: ValType, value: u64) -> I<'static> {
    match ty {
        ValType::I64 => I::I64Const(value as i64),
        _ => I::I32Const(value as i32),
    }
}

/// A type of a function: parameters and results.
pub type FuncType = (Vec<ValType>, Vec<ValType>);

/// A module with at most one import, one function by this name, `cabi_realloc`, and data.
pub fn module(
    import: Option<(&str, &str, FuncType)>,
    (name, (params, results)): (&str, FuncType),
    locals: u32,
    code: &[I<'static>],
    data: &[u8],
) -> Vec<u8> {
    let mut types = TypeSection::new();
    let mut imports = ImportSection::new();
    types.ty().function([ValType::I32; 4], [ValType::I32]);
    types.ty().function(params, results);
    let imported = u32::from(import.is_some());
    if let Some((module, name, (params, results))) = import {
        types.ty().function(params, results);
        imports.import(module, name, EntityType::Function(2));
    }
    let mut functions = FunctionSection::new();
    functions.function(0).function(1);
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: 2,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut globals = GlobalSection::new();
    let counter = GlobalType {
        val_type: ValType::I32,
        mutable: true,
        shared: false,
    };
    globals.global(counter, &ConstExpr::i32_const(HEAP + 1));
    let mut exports = ExportSection::new();
    exports
        .export("memory", ExportKind::Memory, 0)
        .export("cabi_realloc", ExportKind::Func, imported)
        .export(name, ExportKind::Func, imported + 1);
    // The next address that is aligned; behind what it gives one byte stays free, so that the address
    // after it is as often odd as not.
    let mut realloc = Function::new([(1, ValType::I32)]);
    for instruction in [
        I::GlobalGet(0),
        I::LocalGet(2),
        I::I32Add,
        I::I32Const(1),
        I::I32Sub,
        I::I32Const(0),
        I::LocalGet(2),
        I::I32Sub,
        I::I32And,
        I::LocalTee(4),
        I::LocalGet(3),
        I::I32Add,
        I::I32Const(1),
        I::I32Add,
        I::GlobalSet(0),
        I::LocalGet(4),
        I::End,
    ] {
        realloc.instruction(&instruction);
    }
    let mut function = Function::new([(locals, ValType::I32)]);
    for instruction in code {
        function.instruction(instruction);
    }
    function.instruction(&I::End);
    let mut codes = CodeSection::new();
    codes.function(&realloc).function(&function);
    let mut segments = DataSection::new();
    segments.active(0, &ConstExpr::i32_const(DATA as i32), data.iter().copied());
    let mut module = Module::new();
    module
        .section(&types)
        .section(&imports)
        .section(&functions)
        .section(&memories)
        .section(&globals)
        .section(&exports)
        .section(&codes)
        .section(&segments);
    module.finish()
}

/// The parameters that a function of one parameter has, and whether they are in memory.
fn params(ty: &Type) -> (Vec<ValType>, bool) {
    let flat = core(ty);
    match flat.len() > 16 {
        true => (vec![ValType::I32], true),
        false => (flat, false),
    }
}

/// A module with a function from a type to that type, which traps unless it is given this value, and gives
/// it back from its own data.
pub fn callee(name: &str, ty: &Type, value: &Value) -> Vec<u8> {
    let (params, is_spilled) = params(ty);
    let mut check = Check {
        code: Vec::new(),
        locals: 0,
        first: params.len() as u32,
    };
    match is_spilled {
        true => check.memory(ty, value, 0, 0),
        false => check.flat(ty, value, 0, &params),
    }
    let mut image = Image::default();
    let results = core(ty);
    let result = match results.as_slice() {
        [single] => {
            let flat = image.flat(ty, value);
            check.code.push(constant(*single, flat[0]));
            *single
        }
        _ => {
            let address = image.take(size(ty), alignment(ty));
            image.store(ty, value, address);
            check.code.push(I::I32Const(address as i32));
            ValType::I32
        }
    };
    let ty = (params, vec![result]);
    module(None, (name, ty), check.locals, &check.code, &image.bytes)
}

/// A module with a function `main` that calls an imported function with a value, and traps unless it is
/// given back.
pub fn caller(from: (&str, &str), ty: &Type, value: &Value) -> Vec<u8> {
    let (mut params, is_spilled) = params(ty);
    let mut image = Image::default();
    let mut check = Check {
        code: Vec::new(),
        locals: 2,
        first: 0,
    };
    if is_spilled {
        let address = image.take(size(ty), alignment(ty));
        image.store(ty, value, address);
        check.code.push(I::I32Const(address as i32));
    } else {
        let flat = image.flat(ty, value);
        let constants = params
            .iter()
            .zip(flat)
            .map(|(ty, value)| constant(*ty, value));
        check.code.extend(constants.collect::<Vec<_>>());
    }
    let mut results = core(ty);
    match results.as_slice() {
        [ValType::I64] => {
            check.code.push(I::Call(0));
            check.i64(image.flat(ty, value)[0]);
        }
        [_] => {
            check.code.extend([I::Call(0), I::LocalSet(0)]);
            check.flat(ty, value, 0, &[ValType::I32]);
        }
        _ => {
            params.push(ValType::I32);
            results.clear();
            check.code.extend([
                I::I32Const(RESULT),
                I::Call(0),
                I::I32Const(RESULT),
                I::LocalSet(1),
            ]);
            check.memory(ty, value, 1, 0);
        }
    }
    let import = (from.0, from.1, (params, results));
    let main = ("main", (Vec::new(), Vec::new()));
    module(Some(import), main, check.locals, &check.code, &image.bytes)
}
