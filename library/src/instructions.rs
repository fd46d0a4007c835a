//! Corrected instructions, put into modules before they are assembled.

use std::{collections::BTreeMap, sync::LazyLock};

use miden_assembly::{
    DefaultSourceManager, Path, Span, Spanned,
    ast::{Block, Instruction, Module, ModuleKind, Op},
    debuginfo::{SourceLanguage, SourceManager, Uri},
};

/// The corrected instructions as procedures, each under the instruction's name.
const SOURCE: &str = include_str!("../masm/instructions.masm");

static CORRECTED: LazyLock<BTreeMap<String, Vec<Instruction>>> = LazyLock::new(|| {
    let sources = std::sync::Arc::new(DefaultSourceManager::default());
    let uri = Uri::new("corrected instructions");
    let file = sources.load(SourceLanguage::Masm, uri, SOURCE.into());
    let module = Module::parse(
        Path::new("instructions"),
        ModuleKind::Library,
        file,
        sources,
    )
    .expect("a test assembles the module");
    let procedures = module.procedures().map(|procedure| {
        let body = procedure.body().iter().filter_map(|op| match op {
            Op::Inst(instruction) => Some((**instruction).clone()),
            _ => None,
        });
        (procedure.name().to_string(), body.collect())
    });
    procedures.collect()
});

/// The names of the instructions that [`correct`] replaces.
pub fn corrected_instructions() -> impl Iterator<Item = &'static str> {
    CORRECTED.keys().map(String::as_str)
}

/// Replaces the instructions of `module` whose expansions do not check what they take from the
/// advice, by others that do the same and check it.
///
/// The replacement of an instruction stands at its place in the source. A module without such an
/// instruction is left as it is, and so are the digests of what is assembled of it.
pub fn correct(module: &mut Module) {
    for procedure in module.procedures_mut() {
        correct_block(procedure.body_mut());
    }
}

fn correct_block(block: &mut Block) {
    for op in block.iter_mut() {
        match op {
            Op::If {
                then_blk, else_blk, ..
            } => {
                correct_block(then_blk);
                correct_block(else_blk);
            }
            Op::While { body, .. } | Op::Repeat { body, .. } => correct_block(body),
            Op::Inst(_) => {}
        }
    }
    if !block.iter().any(|op| correction(op).is_some()) {
        return;
    }
    let mut corrected = Block::new(block.span(), Vec::with_capacity(block.len()));
    for op in block.iter() {
        match correction(op) {
            Some(instructions) => {
                for instruction in instructions {
                    corrected.push(Op::Inst(Span::new(op.span(), instruction.clone())));
                }
            }
            None => corrected.push(op.clone()),
        }
    }
    *block = corrected;
}

/// Returns the replacement of an instruction, if it is one of those that are replaced.
fn correction(op: &Op) -> Option<&'static [Instruction]> {
    let Op::Inst(instruction) = op else {
        return None;
    };
    let name = match **instruction {
        Instruction::ILog2 => "ilog2",
        Instruction::U32Clz => "u32clz",
        _ => return None,
    };
    CORRECTED.get(name).map(Vec::as_slice)
}
