//! The number of instructions that a call executes.

use std::error::Error;

use wasm_encoder::{
    CodeSection, ConstExpr, ExportKind, ExportSection, GlobalSection, GlobalType, Instruction,
    Module, SectionId, ValType,
    reencode::{self, Reencode, utils},
};
use wasmi::{Engine, Linker, Store, Val, ValType as Type};
use wasmparser::{
    ExportSectionReader, FunctionBody, GlobalSectionReader, Operator, Parser, Payload,
};

/// The export that has the number.
const COUNTER: &str = "instructions";

/// A module that counts, before each instruction.
struct Counting {
    /// The number of the global in which it counts.
    counter: u32,
    has_globals: bool,
}

/// Returns `true` if an instruction counts: `wasmtime` takes no fuel for these others.
fn counts(operator: &Operator<'_>) -> bool {
    !matches!(
        operator,
        Operator::Nop
            | Operator::Drop
            | Operator::Block { .. }
            | Operator::Loop { .. }
            | Operator::Unreachable
            | Operator::Return
            | Operator::Else
            | Operator::End
    )
}

impl Counting {
    fn add(&self, globals: &mut GlobalSection) {
        let ty = GlobalType {
            val_type: ValType::I64,
            mutable: true,
            shared: false,
        };
        globals.global(ty, &ConstExpr::i64_const(0));
    }
}

impl Reencode for Counting {
    type Error = std::convert::Infallible;

    fn parse_global_section(
        &mut self,
        globals: &mut GlobalSection,
        section: GlobalSectionReader<'_>,
    ) -> Result<(), reencode::Error> {
        utils::parse_global_section(self, globals, section)?;
        self.add(globals);
        Ok(())
    }

    fn intersperse_section_hook(
        &mut self,
        module: &mut Module,
        _: Option<SectionId>,
        before: Option<SectionId>,
    ) -> Result<(), reencode::Error> {
        if before == Some(SectionId::Export) && !self.has_globals {
            let mut globals = GlobalSection::new();
            self.add(&mut globals);
            module.section(&globals);
        }
        Ok(())
    }

    fn parse_export_section(
        &mut self,
        exports: &mut ExportSection,
        section: ExportSectionReader<'_>,
    ) -> Result<(), reencode::Error> {
        utils::parse_export_section(self, exports, section)?;
        exports.export(COUNTER, ExportKind::Global, self.counter);
        Ok(())
    }

    fn parse_function_body(
        &mut self,
        code: &mut CodeSection,
        body: FunctionBody<'_>,
    ) -> Result<(), reencode::Error> {
        let mut function = self.new_function_with_parsed_locals(&body)?;
        let count = [
            Instruction::GlobalGet(self.counter),
            Instruction::I64Const(1),
            Instruction::I64Add,
            Instruction::GlobalSet(self.counter),
        ];
        // A call counts as one, whatever is in it.
        count.iter().for_each(|instruction| {
            function.instruction(instruction);
        });
        for operator in body.get_operators_reader()? {
            let operator = operator?;
            if counts(&operator) {
                count.iter().for_each(|instruction| {
                    function.instruction(instruction);
                });
            }
            function.instruction(&self.instruction(operator)?);
        }
        code.function(&function);
        Ok(())
    }
}

/// The results of a call, and the number of instructions.
pub fn call(
    bytes: &[u8],
    name: &str,
    arguments: &[i64],
) -> Result<(Vec<Val>, i64), Box<dyn Error>> {
    let mut counting = Counting {
        counter: 0,
        has_globals: false,
    };
    for payload in Parser::new(0).parse_all(bytes) {
        if let Payload::GlobalSection(globals) = payload? {
            counting.counter = globals.count();
            counting.has_globals = true;
        }
    }
    let mut module = Module::new();
    utils::parse_core_module(&mut counting, &mut module, Parser::new(0), bytes)?;
    let engine = Engine::default();
    let module = wasmi::Module::new(&engine, module.finish())?;
    let mut store = Store::new(&engine, ());
    let instance = Linker::new(&engine).instantiate_and_start(&mut store, &module)?;
    let counter = instance.get_global(&store, COUNTER).ok_or("a counter")?;
    let before = counter.get(&store).i64().unwrap_or_default();
    let function = instance.get_func(&store, name).ok_or("no such export")?;
    let ty = function.ty(&store);
    let params: Vec<Val> = ty
        .params()
        .iter()
        .zip(arguments)
        .map(|(ty, value)| match ty {
            Type::I32 => Val::I32(*value as i32),
            _ => Val::I64(*value),
        })
        .collect();
    let mut results: Vec<Val> = ty.results().iter().map(|ty| Val::default(*ty)).collect();
    function.call(&mut store, &params, &mut results)?;
    let after = counter.get(&store).i64().unwrap_or_default();
    Ok((results, after - before))
}
