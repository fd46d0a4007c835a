//! Random modules without floats and vectors, which end, and can tell what state they are in.

use std::error::Error;

use arbitrary::Unstructured;
use wasm_encoder::{
    BlockType, CodeSection, ExportKind, ExportSection, Function, FunctionSection, InstructionSink,
    MemArg, Module, TypeSection, ValType,
    reencode::{self, Reencode, utils},
};
use wasm_smith::Config;
use wasmparser::{
    CodeSectionReader, ExportSectionReader, FunctionSectionReader, Parser, Payload,
    TypeSectionReader, ValType as Type,
};

/// The export that gives a number for what is in globals and memory.
pub const STATE: &str = "state of the instance";

/// The number of times that functions and loops may begin before the module traps.
const FUEL: u32 = 300;

/// Bytes at the beginning and at the end of memory that count for its state.
const SEEN: i32 = 1_024;

/// Modules have references from this number on.
pub const REFERENCES: u64 = 1 << 20;

/// Entries of a table whose state counts.
const SEEN_ENTRIES: i32 = 4;

/// Numbers that are the same on every machine.
pub struct Numbers(u64);

impl Numbers {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

fn config(number: u64) -> Config {
    let has_references = number >= REFERENCES;
    Config {
        allow_floats: false,
        bulk_memory_enabled: true,
        // Every other one has accesses that stay in bounds and divisions that have a result, so that it
        // comes further.
        disallow_traps: number % 2 == 1,
        exceptions_enabled: false,
        export_everything: true,
        gc_enabled: false,
        max_data_segments: 6,
        max_element_segments: 6,
        max_funcs: 12,
        max_globals: 12,
        max_imports: 0,
        max_instructions: 160,
        max_memory32_bytes: 8 << 16,
        max_table_elements: 200,
        max_tables: if has_references { 4 } else { 1 },
        max_tags: 0,
        memory64_enabled: false,
        memory_max_size_required: true,
        min_funcs: 2,
        min_globals: 1,
        min_memories: 1,
        min_tables: 1,
        min_data_segments: 1,
        reference_types_enabled: has_references,
        table_max_size_required: has_references,
        relaxed_simd_enabled: false,
        simd_enabled: false,
        tail_call_enabled: false,
        threads_enabled: false,
        wide_arithmetic_enabled: true,
        ..Config::default()
    }
}

/// The module with this number; none if its bytes do not make one with functions.
pub fn module(number: u64) -> Result<Option<Vec<u8>>, Box<dyn Error>> {
    let mut numbers = Numbers::new(number);
    let length = 1_500 + numbers.next() % 3_000;
    let bytes: Vec<u8> = (0..length).map(|_| numbers.next() as u8).collect();
    let made = wasm_smith::Module::new(config(number), &mut Unstructured::new(&bytes));
    let Ok(mut made) = made else {
        return Ok(None);
    };
    made.ensure_termination(FUEL)?;
    let bytes = made.to_bytes();
    let mut with_state = WithState::of(&bytes, number >= REFERENCES)?;
    if with_state.functions == 0 {
        return Ok(None);
    }
    let mut module = Module::new();
    utils::parse_core_module(&mut with_state, &mut module, Parser::new(0), &bytes)?;
    Ok(Some(module.finish()))
}

/// Adds a function that tells the state.
#[derive(Default)]
struct WithState {
    types: u32,
    functions: u32,
    globals: Vec<Type>,
    /// The number of tables, if the module has references.
    tables: u32,
    has_memory: bool,
}

impl WithState {
    fn of(bytes: &[u8], has_references: bool) -> Result<Self, Box<dyn Error>> {
        let mut this = Self::default();
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::TypeSection(types) => {
                    for group in types {
                        this.types += group?.types().len() as u32;
                    }
                }
                Payload::FunctionSection(functions) => this.functions = functions.count(),
                Payload::TableSection(tables) if has_references => this.tables = tables.count(),
                Payload::MemorySection(memories) => this.has_memory = memories.count() > 0,
                Payload::GlobalSection(globals) => {
                    for global in globals {
                        this.globals.push(global?.ty.content_type);
                    }
                }
                _ => {}
            }
        }
        Ok(this)
    }

    /// The top of the stack is mixed into the state.
    fn mix(code: &mut InstructionSink<'_>) {
        code.local_get(0).i64_const(7).i64_rotl();
        code.i64_xor()
            .i64_const(0x1_0000_01b3)
            .i64_mul()
            .local_set(0);
    }

    fn body(&self) -> Function {
        let mut function = Function::new([(1, ValType::I64), (2, ValType::I32)]);
        let mut code = function.instructions();
        for (index, ty) in (0..).zip(&self.globals) {
            match ty {
                Type::I32 => code.global_get(index).i64_extend_i32_u(),
                Type::I64 => code.global_get(index),
                Type::Ref(_) => code.global_get(index).ref_is_null().i64_extend_i32_u(),
                _ => continue,
            };
            Self::mix(&mut code);
        }
        for table in 0..self.tables {
            code.table_size(table).i64_extend_i32_u();
            Self::mix(&mut code);
            for entry in 0..SEEN_ENTRIES {
                // The table may be shorter.
                code.i32_const(entry).table_size(table).i32_lt_u();
                code.if_(BlockType::Empty);
                code.i32_const(entry).table_get(table).ref_is_null();
                code.i64_extend_i32_u();
                Self::mix(&mut code);
                code.end();
            }
        }
        if self.has_memory {
            code.memory_size(0).i64_extend_i32_u();
            Self::mix(&mut code);
            for from_end in [false, true] {
                code.i32_const(SEEN).local_set(1);
                // Memory may have no page.
                code.memory_size(0).if_(BlockType::Empty);
                code.loop_(BlockType::Empty);
                code.local_get(1).i32_const(8).i32_sub().local_tee(1);
                if from_end {
                    code.memory_size(0).i32_const(16).i32_shl();
                    code.i32_add().i32_const(SEEN).i32_sub();
                }
                code.i64_load(MemArg {
                    offset: 0,
                    align: 3,
                    memory_index: 0,
                });
                Self::mix(&mut code);
                code.local_get(1).br_if(0).end().end();
            }
        }
        code.local_get(0).end();
        function
    }
}

impl Reencode for WithState {
    type Error = std::convert::Infallible;

    fn parse_type_section(
        &mut self,
        types: &mut TypeSection,
        section: TypeSectionReader<'_>,
    ) -> Result<(), reencode::Error> {
        utils::parse_type_section(self, types, section)?;
        types.ty().function([], [ValType::I64]);
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Result<(), reencode::Error> {
        utils::parse_function_section(self, functions, section)?;
        functions.function(self.types);
        Ok(())
    }

    fn parse_export_section(
        &mut self,
        exports: &mut ExportSection,
        section: ExportSectionReader<'_>,
    ) -> Result<(), reencode::Error> {
        utils::parse_export_section(self, exports, section)?;
        exports.export(STATE, ExportKind::Func, self.functions);
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: CodeSectionReader<'_>,
    ) -> Result<(), reencode::Error> {
        utils::parse_code_section(self, code, section)?;
        code.function(&self.body());
        Ok(())
    }
}
