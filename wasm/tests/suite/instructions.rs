//! Each instruction on integers, and what memory, tables and branches do, against what Rust says.

use miden_cvm_wasm::{Compiled, Options, WasmError, compile};
use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, ElementSection, Elements, ExportKind, ExportSection,
    Function, FunctionSection, GlobalSection, GlobalType, Instruction, MemArg, MemorySection,
    MemoryType, Module, RefType, TableSection, TableType, TypeSection, ValType,
};
use wast::{
    Wat,
    parser::{ParseBuffer, parse},
};

use crate::support::{Call, Machine};

use Instruction as I;

/// A module whose functions are exported by their numbers.
#[derive(Default)]
struct Builder {
    types: TypeSection,
    functions: FunctionSection,
    exports: ExportSection,
    code: CodeSection,
    count: u32,
}

impl Builder {
    fn add(&mut self, params: &[ValType], results: &[ValType], locals: u32, body: &[I<'_>]) -> u32 {
        let number = self.count;
        self.count += 1;
        self.types
            .ty()
            .function(params.iter().copied(), results.iter().copied());
        self.functions.function(number);
        self.exports
            .export(&number.to_string(), ExportKind::Func, number);
        let mut function = Function::new([(locals, ValType::I32)]);
        for instruction in body {
            function.instruction(instruction);
        }
        function.instruction(&I::End);
        self.code.function(&function);
        number
    }

    fn machine(&self) -> Machine {
        let mut module = Module::new();
        let mut tables = TableSection::new();
        tables.table(TableType {
            element_type: RefType::FUNCREF,
            minimum: 4,
            maximum: None,
            table64: false,
            shared: false,
        });
        let mut memories = MemorySection::new();
        memories.memory(MemoryType {
            minimum: 1,
            maximum: Some(3),
            memory64: false,
            shared: false,
            page_size_log2: None,
        });
        let mut globals = GlobalSection::new();
        globals.global(
            GlobalType {
                val_type: ValType::I64,
                mutable: true,
                shared: false,
            },
            &ConstExpr::i64_const(5),
        );
        let mut elements = ElementSection::new();
        let listed: Vec<u32> = (0..self.count.min(3)).collect();
        elements.active(
            None,
            &ConstExpr::i32_const(0),
            Elements::Functions(listed.into()),
        );
        module
            .section(&self.types)
            .section(&self.functions)
            .section(&tables)
            .section(&memories)
            .section(&globals)
            .section(&self.exports)
            .section(&elements)
            .section(&self.code);
        Machine::new(&module.finish(), &Options::default()).expect("a module")
    }
}

fn call(number: u32, args: &[u64], results: &[u64]) -> Call {
    Call {
        name: number.to_string(),
        args: args.to_vec(),
        results: Some(results.to_vec()),
    }
}

/// Runs calls, and says which one fails.
fn check(machine: &Machine, calls: &[Call]) {
    if machine.run(calls).is_ok() {
        return;
    }
    for call in calls {
        if let Err(error) = machine.run(std::slice::from_ref(call)) {
            panic!("{call:?}: {error}");
        }
    }
    panic!("the calls fail together only");
}

fn traps(machine: &Machine, number: u32, args: &[u64], name: &str) {
    let call = Call {
        name: number.to_string(),
        args: args.to_vec(),
        results: None,
    };
    let error = machine.run(&[call]).expect_err("a trap").to_string();
    assert!(error.contains(name), "{error}");
}

const VALUES32: [u32; 9] = [
    0,
    1,
    2,
    31,
    32,
    0x7fff_ffff,
    0x8000_0000,
    0xdead_beef,
    u32::MAX,
];
const VALUES64: [u64; 11] = [
    0,
    1,
    33,
    63,
    64,
    0xffff_ffff,
    0x1_0000_0000,
    0x1234_5678_9abc_def0,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    u64::MAX,
];

type Unary32 = fn(u32) -> u32;
type Unary64 = fn(u64) -> u64;
type Binary32 = fn(u32, u32) -> u32;
type Binary64 = fn(u64, u64) -> u64;

#[test]
fn integers_of_32_bits() {
    let operations: [(I<'_>, Binary32); 21] = [
        (I::I32Add, u32::wrapping_add),
        (I::I32Sub, u32::wrapping_sub),
        (I::I32Mul, u32::wrapping_mul),
        (I::I32And, |a, b| a & b),
        (I::I32Or, |a, b| a | b),
        (I::I32Xor, |a, b| a ^ b),
        (I::I32Shl, u32::wrapping_shl),
        (I::I32ShrU, u32::wrapping_shr),
        (I::I32ShrS, |a, b| (a as i32).wrapping_shr(b) as u32),
        (I::I32Rotl, |a, b| a.rotate_left(b % 32)),
        (I::I32Rotr, |a, b| a.rotate_right(b % 32)),
        (I::I32Eq, |a, b| u32::from(a == b)),
        (I::I32Ne, |a, b| u32::from(a != b)),
        (I::I32LtU, |a, b| u32::from(a < b)),
        (I::I32LtS, |a, b| u32::from((a as i32) < b as i32)),
        (I::I32GtU, |a, b| u32::from(a > b)),
        (I::I32GtS, |a, b| u32::from(a as i32 > b as i32)),
        (I::I32LeU, |a, b| u32::from(a <= b)),
        (I::I32LeS, |a, b| u32::from(a as i32 <= b as i32)),
        (I::I32GeU, |a, b| u32::from(a >= b)),
        (I::I32GeS, |a, b| u32::from(a as i32 >= b as i32)),
    ];
    let divisions: [(I<'_>, Binary32); 4] = [
        (I::I32DivU, u32::wrapping_div),
        (I::I32RemU, u32::wrapping_rem),
        (I::I32DivS, |a, b| (a as i32).wrapping_div(b as i32) as u32),
        (I::I32RemS, |a, b| (a as i32).wrapping_rem(b as i32) as u32),
    ];
    let unary: [(I<'_>, Unary32); 6] = [
        (I::I32Eqz, |a| u32::from(a == 0)),
        (I::I32Clz, u32::leading_zeros),
        (I::I32Ctz, u32::trailing_zeros),
        (I::I32Popcnt, u32::count_ones),
        (I::I32Extend8S, |a| a as i8 as u32),
        (I::I32Extend16S, |a| a as i16 as u32),
    ];
    let mut builder = Builder::default();
    let mut calls = Vec::new();
    let word = ValType::I32;
    for (index, (operation, model)) in operations.iter().chain(&divisions).enumerate() {
        let divides = index >= operations.len();
        let both = [I::LocalGet(0), I::LocalGet(1), operation.clone()];
        let number = builder.add(&[word, word], &[word], 0, &both);
        for b in VALUES32 {
            // With a constant, other code is chosen; it stands on either side.
            let right = [I::LocalGet(0), I::I32Const(b as i32), operation.clone()];
            let left = [I::I32Const(b as i32), I::LocalGet(0), operation.clone()];
            let right = builder.add(&[word], &[word], 0, &right);
            let left = builder.add(&[word], &[word], 0, &left);
            for a in VALUES32 {
                let fits = |a: u32, b: u32| !divides || b != 0 && !(a == 1 << 31 && b == u32::MAX);
                if fits(a, b) {
                    let expected = [u64::from(model(a, b))];
                    calls.push(call(number, &[a.into(), b.into()], &expected));
                    calls.push(call(right, &[a.into()], &expected));
                }
                if fits(b, a) {
                    calls.push(call(left, &[a.into()], &[u64::from(model(b, a))]));
                }
            }
        }
    }
    for (operation, model) in &unary {
        let number = builder.add(&[word], &[word], 0, &[I::LocalGet(0), operation.clone()]);
        for a in VALUES32 {
            calls.push(call(number, &[a.into()], &[u64::from(model(a))]));
        }
    }
    let divide = [I::LocalGet(0), I::LocalGet(1), I::I32DivS];
    let divide = builder.add(&[word, word], &[word], 0, &divide);
    let machine = builder.machine();
    check(&machine, &calls);
    traps(&machine, divide, &[1, 0], "division by zero");
    traps(
        &machine,
        divide,
        &[1 << 31, 0xffff_ffff],
        "integer overflow",
    );
}

#[test]
fn integers_of_64_bits() {
    let operations: [(I<'_>, Binary64); 11] = [
        (I::I64Add, u64::wrapping_add),
        (I::I64Sub, u64::wrapping_sub),
        (I::I64Mul, u64::wrapping_mul),
        (I::I64And, |a, b| a & b),
        (I::I64Or, |a, b| a | b),
        (I::I64Xor, |a, b| a ^ b),
        (I::I64Shl, |a, b| a << (b % 64)),
        (I::I64ShrU, |a, b| a >> (b % 64)),
        (I::I64ShrS, |a, b| (a as i64 >> (b % 64)) as u64),
        (I::I64Rotl, |a, b| a.rotate_left((b % 64) as u32)),
        (I::I64Rotr, |a, b| a.rotate_right((b % 64) as u32)),
    ];
    let divisions: [(I<'_>, Binary64); 4] = [
        (I::I64DivU, u64::wrapping_div),
        (I::I64RemU, u64::wrapping_rem),
        (I::I64DivS, |a, b| (a as i64).wrapping_div(b as i64) as u64),
        (I::I64RemS, |a, b| (a as i64).wrapping_rem(b as i64) as u64),
    ];
    let comparisons: [(I<'_>, Binary64); 10] = [
        (I::I64Eq, |a, b| u64::from(a == b)),
        (I::I64Ne, |a, b| u64::from(a != b)),
        (I::I64LtU, |a, b| u64::from(a < b)),
        (I::I64LtS, |a, b| u64::from((a as i64) < b as i64)),
        (I::I64GtU, |a, b| u64::from(a > b)),
        (I::I64GtS, |a, b| u64::from(a as i64 > b as i64)),
        (I::I64LeU, |a, b| u64::from(a <= b)),
        (I::I64LeS, |a, b| u64::from(a as i64 <= b as i64)),
        (I::I64GeU, |a, b| u64::from(a >= b)),
        (I::I64GeS, |a, b| u64::from(a as i64 >= b as i64)),
    ];
    let unary: [(I<'_>, Unary64); 6] = [
        (I::I64Clz, |a| u64::from(a.leading_zeros())),
        (I::I64Ctz, |a| u64::from(a.trailing_zeros())),
        (I::I64Popcnt, |a| u64::from(a.count_ones())),
        (I::I64Extend8S, |a| a as i8 as u64),
        (I::I64Extend16S, |a| a as i16 as u64),
        (I::I64Extend32S, |a| a as i32 as u64),
    ];
    let mut builder = Builder::default();
    let mut calls = Vec::new();
    let (word, double) = (ValType::I32, ValType::I64);
    let all = operations.iter().chain(&divisions).chain(&comparisons);
    for (index, (operation, model)) in all.enumerate() {
        let divides = (operations.len()..operations.len() + divisions.len()).contains(&index);
        let compares = index >= operations.len() + divisions.len();
        let result = if compares { word } else { double };
        let both = [I::LocalGet(0), I::LocalGet(1), operation.clone()];
        let number = builder.add(&[double, double], &[result], 0, &both);
        for b in VALUES64 {
            let constant = [I::LocalGet(0), I::I64Const(b as i64), operation.clone()];
            let constant = builder.add(&[double], &[result], 0, &constant);
            for a in VALUES64 {
                if !divides || b != 0 && !(a == 1 << 63 && b == u64::MAX) {
                    calls.push(call(number, &[a, b], &[model(a, b)]));
                    calls.push(call(constant, &[a], &[model(a, b)]));
                }
            }
        }
    }
    for (operation, model) in &unary {
        let number = builder.add(
            &[double],
            &[double],
            0,
            &[I::LocalGet(0), operation.clone()],
        );
        for a in VALUES64 {
            calls.push(call(number, &[a], &[model(a)]));
        }
    }
    let divide = [I::LocalGet(0), I::LocalGet(1), I::I64DivS];
    let divide = builder.add(&[double, double], &[double], 0, &divide);
    let machine = builder.machine();
    check(&machine, &calls);
    traps(&machine, divide, &[1, 0], "divide by zero");
    traps(&machine, divide, &[1 << 63, u64::MAX], "integer overflow");
}

#[test]
fn memory_at_every_alignment() {
    let at = |offset: u64| MemArg {
        offset,
        align: 0,
        memory_index: 0,
    };
    let (word, double) = (ValType::I32, ValType::I64);
    let mut builder = Builder::default();
    let store = [I::LocalGet(0), I::LocalGet(1), I::I64Store(at(3))];
    let store = builder.add(&[word, double], &[], 0, &store);
    let mut loads = Vec::new();
    type Load = (I<'static>, ValType, fn(u64) -> u64);
    let all: [Load; 7] = [
        (I::I64Load(at(3)), double, |a| a),
        (I::I32Load(at(3)), word, |a| a & 0xffff_ffff),
        (I::I32Load16U(at(3)), word, |a| a & 0xffff),
        (I::I32Load16S(at(3)), word, |a| u64::from(a as i16 as u32)),
        (I::I32Load8U(at(3)), word, |a| a & 0xff),
        (I::I32Load8S(at(3)), word, |a| u64::from(a as i8 as u32)),
        (I::I64Load32S(at(3)), double, |a| a as i32 as u64),
    ];
    for (load, ty, model) in all {
        let number = builder.add(&[word], &[ty], 0, &[I::LocalGet(0), load]);
        loads.push((number, model));
    }
    let small = [I::LocalGet(0), I::LocalGet(1), I::I32Store8(at(3))];
    let small = builder.add(&[word, word], &[], 0, &small);
    let half = [I::LocalGet(0), I::LocalGet(1), I::I32Store16(at(3))];
    let half = builder.add(&[word, word], &[], 0, &half);
    let grow = builder.add(&[word], &[word], 0, &[I::LocalGet(0), I::MemoryGrow(0)]);
    let size = builder.add(&[], &[word], 0, &[I::MemorySize(0)]);
    let three =
        |instruction: I<'static>| [I::LocalGet(0), I::LocalGet(1), I::LocalGet(2), instruction];
    let copy = three(I::MemoryCopy {
        src_mem: 0,
        dst_mem: 0,
    });
    let copy = builder.add(&[word; 3], &[], 0, &copy);
    let fill = builder.add(&[word; 3], &[], 0, &three(I::MemoryFill(0)));
    let machine = builder.machine();
    let mut calls = Vec::new();
    let value = 0x8899_aabb_ccdd_eeff_u64;
    for address in 0..8 {
        calls.push(call(store, &[address, value], &[]));
        for (load, model) in &loads {
            calls.push(call(*load, &[address], &[model(value)]));
        }
        calls.push(call(half, &[address, 0xf_1234], &[]));
        calls.push(call(small, &[address + 2, 0x777], &[]));
        let changed = value & !0xff_ffff | 0x77_1234;
        calls.push(call(loads[0].0, &[address], &[changed]));
    }
    // Copies that overlap, both ways, and fills that begin anywhere.
    for (from, to) in [(100, 103), (103, 100), (100, 104)] {
        calls.push(call(store, &[97, value], &[]));
        calls.push(call(store, &[105, !value], &[]));
        calls.push(call(copy, &[to, from, 16], &[]));
        let bytes: Vec<u8> = [value.to_le_bytes(), (!value).to_le_bytes()].concat();
        let first = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"));
        if to > from {
            calls.push(call(loads[0].0, &[to - 3], &[first]));
        }
    }
    calls.push(call(fill, &[201, 0x15a, 13], &[]));
    calls.push(call(loads[0].0, &[198], &[0x5a5a_5a5a_5a5a_5a5a]));
    calls.push(call(loads[0].0, &[203], &[0x5a5a_5a5a_5a5a_5a5a]));
    calls.push(call(loads[0].0, &[204], &[0x005a_5a5a_5a5a_5a5a]));
    calls.push(call(size, &[], &[1]));
    calls.push(call(grow, &[2], &[1]));
    calls.push(call(size, &[], &[3]));
    calls.push(call(loads[0].0, &[3 * 65_536 - 11], &[0]));
    calls.push(call(grow, &[1], &[0xffff_ffff]));
    calls.push(call(grow, &[0xffff_ffff], &[0xffff_ffff]));
    check_in_order(&machine, &calls);
    for address in [65_536 - 10, 65_536, 0x7fff_ffff, 0xffff_fff0, 0xffff_ffff] {
        let call = Call {
            name: loads[0].0.to_string(),
            args: vec![address],
            results: None,
        };
        let error = machine.run(&[call]).expect_err("a trap").to_string();
        let named = [
            "out of bounds memory access",
            "memory address",
            "u32 values",
        ];
        assert!(named.iter().any(|name| error.contains(name)), "{error}");
    }
    traps(
        &machine,
        fill,
        &[65_530, 0, 7],
        "out of bounds memory access",
    );
    traps(
        &machine,
        copy,
        &[0, 65_530, 7],
        "out of bounds memory access",
    );
}

/// Runs calls that depend on each other, and says which is the first to fail.
fn check_in_order(machine: &Machine, calls: &[Call]) {
    if machine.run(calls).is_ok() {
        return;
    }
    for count in 1..=calls.len() {
        if let Err(error) = machine.run(&calls[..count]) {
            panic!("{:?}: {error}", calls[count - 1]);
        }
    }
}

#[test]
fn branches_calls_and_recursion() {
    let word = ValType::I32;
    let mut builder = Builder::default();
    // Functions 0 to 2 are in the table.
    let factorial = builder.add(
        &[word],
        &[word],
        0,
        &[
            I::LocalGet(0),
            I::If(BlockType::Result(word)),
            I::LocalGet(0),
            I::LocalGet(0),
            I::I32Const(1),
            I::I32Sub,
            I::Call(0),
            I::I32Mul,
            I::Else,
            I::I32Const(1),
            I::End,
        ],
    );
    let twice = builder.add(
        &[word],
        &[word],
        0,
        &[I::LocalGet(0), I::LocalGet(0), I::I32Add],
    );
    let pair = builder.add(
        &[word, word],
        &[word, word],
        0,
        &[I::LocalGet(1), I::LocalGet(0)],
    );
    let indirect = builder.add(
        &[word, word],
        &[word],
        0,
        &[
            I::LocalGet(0),
            I::LocalGet(1),
            I::CallIndirect {
                type_index: 0,
                table_index: 0,
            },
        ],
    );
    let switch = builder.add(
        &[word],
        &[word],
        0,
        &[
            I::Block(BlockType::Empty),
            I::Block(BlockType::Empty),
            I::Block(BlockType::Empty),
            I::Block(BlockType::Empty),
            I::LocalGet(0),
            I::BrTable(vec![0, 1, 2, 1].into(), 3),
            I::End,
            I::I32Const(10),
            I::Return,
            I::End,
            I::I32Const(11),
            I::Return,
            I::End,
            I::I32Const(12),
            I::Return,
            I::End,
            I::I32Const(13),
        ],
    );
    // Sums the numbers below the first parameter that the second does not divide, up to a limit.
    let sum = builder.add(
        &[word, word],
        &[word],
        2,
        &[
            I::Block(BlockType::Empty),
            I::Loop(BlockType::Empty),
            I::LocalGet(2),
            I::LocalGet(0),
            I::I32GeU,
            I::BrIf(1),
            I::Block(BlockType::Empty),
            I::LocalGet(2),
            I::LocalGet(1),
            I::I32RemU,
            I::I32Eqz,
            I::BrIf(0),
            I::LocalGet(3),
            I::LocalGet(2),
            I::I32Add,
            I::LocalTee(3),
            I::I32Const(1000),
            I::I32GtU,
            I::BrIf(2),
            I::End,
            I::LocalGet(2),
            I::I32Const(1),
            I::I32Add,
            I::LocalSet(2),
            I::Br(0),
            I::End,
            I::End,
            I::LocalGet(3),
        ],
    );
    let forever = builder.add(&[], &[], 0, &[I::Call(6)]);
    let trap = builder.add(&[], &[], 0, &[I::Unreachable]);
    let global = builder.add(
        &[],
        &[ValType::I64],
        0,
        &[
            I::GlobalGet(0),
            I::I64Const(7),
            I::I64Mul,
            I::GlobalSet(0),
            I::GlobalGet(0),
        ],
    );
    let machine = builder.machine();
    let model = |end: u32, by: u32| {
        let mut sum = 0;
        for number in (0..end).filter(|number| number % by != 0) {
            sum += number;
            if sum > 1000 {
                break;
            }
        }
        u64::from(sum)
    };
    let mut calls = vec![
        call(factorial, &[10], &[3_628_800]),
        call(twice, &[21], &[42]),
        call(pair, &[1, 2], &[2, 1]),
        call(indirect, &[5, 0], &[120]),
        call(indirect, &[5, 1], &[10]),
        call(global, &[], &[35]),
        call(global, &[], &[245]),
    ];
    for (index, expected) in [
        (0, 10),
        (1, 11),
        (2, 12),
        (3, 11),
        (4, 13),
        (0xffff_ffff, 13),
    ] {
        calls.push(call(switch, &[index], &[expected]));
    }
    for (end, by) in [(0, 1), (1, 2), (10, 3), (100, 7), (100, 1)] {
        calls.push(call(sum, &[end.into(), by.into()], &[model(end, by)]));
    }
    check_in_order(&machine, &calls);
    traps(&machine, indirect, &[5, 2], "indirect call type mismatch");
    traps(&machine, indirect, &[5, 3], "uninitialized element");
    traps(&machine, indirect, &[5, 4], "undefined element");
    traps(&machine, forever, &[], "call stack exhausted");
    traps(&machine, trap, &[], "unreachable");
}

/// The bytes of a module.
pub fn encoded(text: &str) -> Vec<u8> {
    let buffer = ParseBuffer::new(text).expect("tokens");
    let mut module: Wat<'_> = parse(&buffer).unwrap_or_else(|error| panic!("{text}: {error}"));
    module.encode().expect("a module")
}

/// A module with a function `f`, compiled.
fn compiled(definitions: &str, body: &str) -> Result<Compiled, WasmError> {
    let bytes = encoded(&format!(
        "(module {definitions} (func $other (param i32) (result i32) local.get 0)
            (func (export \"f\") (param i32) (result i32) {body}))"
    ));
    compile(&bytes, &Options::default())
}

#[test]
fn what_is_not_supported_is_refused_by_its_name() {
    for (definitions, body, expected) in [
        (
            "(memory 1) (memory $b 1)",
            "i32.const 1",
            "proposal of WebAssembly that is not supported",
        ),
        (
            "(memory 1) (memory $b 1)",
            "i32.const 1",
            "multiple memories",
        ),
        ("(memory i64 1)", "i32.const 1", "memory64"),
        ("(memory 1 1 shared)", "i32.const 1", "threads"),
        ("(tag $e)", "throw $e", "exceptions"),
        ("(type $s (struct (field i32)))", "i32.const 1", "gc"),
        ("", "(return_call $other (local.get 0))", "ReturnCall"),
        ("", "(i32.trunc_f32_u (f32.const 1))", "F32Const"),
        ("(table 2 1 funcref)", "i32.const 1", "size minimum"),
        (
            "(import \"a\" \"g\" (func $g))",
            "call $g i32.const 1",
            "`g` of `a` is not met",
        ),
    ] {
        let error = compiled(definitions, body)
            .expect_err("it is refused")
            .to_string();
        assert!(error.contains(expected), "{definitions} {body}: {error}");
    }
}

#[test]
fn what_nothing_reaches_is_no_reason_to_refuse() {
    for definitions in [
        "(func $g (param i32) (result i32) (return_call $g (local.get 0)))",
        "(func $g (result f64) f64.const 1)",
        "(import \"a\" \"g\" (func $g))",
    ] {
        compiled(definitions, "local.get 0")
            .unwrap_or_else(|error| panic!("{definitions}: {error}"));
    }
}

#[test]
fn tables_have_the_size_that_they_begin_with() {
    let text = "(module (table 7 funcref) (table $b 3 9 funcref)
        (func (export \"f\") (result i32) (i32.mul (table.size 0) (table.size $b))))";
    let bytes = encoded(text);
    let machine = Machine::new(&bytes, &Options::default()).expect("it is compiled");
    machine.expect("f", &[], &[21]);
}
