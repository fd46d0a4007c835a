//! Procedures of generated modules in place of the `exec` that names them.
//!
//! The assembler makes one block of instructions that follow each other, but not of those around an `exec` of a
//! procedure with a call in it: each such `exec` would take eight cycles for nothing.

use std::collections::HashMap;

use miden_assembly::{
    Path as MasmPath,
    ast::{Alias, AliasTarget, Block, Instruction, InvocationTarget, Module, Op},
    debuginfo::{Span, Spanned},
};

use super::{BINDINGS_MODULE, resources::RESOURCE_MODULE};

/// The most instructions that the assembler has in a block.
const MAX_BLOCK: usize = u16::MAX as usize;

/// Procedures by their paths, without `::` before them.
type Procedures = HashMap<String, Vec<Instruction>>;

/// The modules below which the procedures are.
const NAMESPACES: [&str; 2] = [BINDINGS_MODULE, RESOURCE_MODULE];

/// Puts generated procedures, as far as they are nothing but instructions, in place of every `exec` that names
/// them by its path, or by way of one import.
pub(crate) fn inline(modules: &mut [Box<Module>]) {
    let procedures: Procedures = modules
        .iter()
        .filter(|module| {
            let path = module.path().to_relative();
            let first = path.as_str().split("::").next();
            first.is_some_and(|first| NAMESPACES.contains(&first))
        })
        .flat_map(|module| {
            module
                .procedures()
                .map(move |procedure| (module, procedure))
        })
        .filter(|(_, procedure)| procedure.num_locals() == 0)
        .filter_map(|(module, procedure)| {
            let path = module.path().to_relative();
            let instructions = procedure.iter().map(portable).collect::<Option<_>>()?;
            Some((
                format!("{}::{}", path.as_str(), procedure.name()),
                instructions,
            ))
        })
        .collect();
    if procedures.is_empty() {
        return;
    }
    for module in modules {
        let imports: HashMap<String, String> = module
            .aliases()
            .filter_map(|alias| Some((alias.name().to_string(), imported(alias)?)))
            .collect();
        for procedure in module.procedures_mut() {
            inline_block(procedure.body_mut(), &procedures, &imports);
        }
    }
}

/// The instruction, if it means the same in every module.
fn portable(op: &Op) -> Option<Instruction> {
    let Op::Inst(instruction) = op else {
        return None;
    };
    let means_the_same = match &**instruction {
        Instruction::Exec(target) | Instruction::Call(target) => match target {
            InvocationTarget::Path(path) => path.is_absolute(),
            InvocationTarget::MastRoot(_) => true,
            InvocationTarget::Symbol(_) => false,
        },
        Instruction::SysCall(_) | Instruction::ProcRef(_) => false,
        _ => true,
    };
    means_the_same.then(|| (**instruction).clone())
}

/// What an import stands for.
fn imported(alias: &Alias) -> Option<String> {
    match alias.target() {
        AliasTarget::Path(path) => Some(relative(path.inner())),
        AliasTarget::MastRoot(_) => None,
    }
}

fn relative(path: &MasmPath) -> String {
    path.to_relative().as_str().to_owned()
}

fn inline_block(block: &mut Block, procedures: &Procedures, imports: &HashMap<String, String>) {
    let mut length = block.len();
    for op in block.iter_mut() {
        match op {
            Op::If {
                then_blk, else_blk, ..
            } => {
                inline_block(then_blk, procedures, imports);
                inline_block(else_blk, procedures, imports);
            }
            Op::While { body, .. } | Op::Repeat { body, .. } => {
                inline_block(body, procedures, imports);
            }
            Op::Inst(_) => {}
        }
        length += named(op, procedures, imports).map_or(0, Vec::len);
    }
    if length == block.len() || length > MAX_BLOCK {
        return;
    }
    let mut inlined = Block::new(block.span(), Vec::with_capacity(length));
    for op in block.iter() {
        match named(op, procedures, imports) {
            Some(instructions) => {
                for instruction in instructions {
                    inlined.push(Op::Inst(Span::new(op.span(), instruction.clone())));
                }
            }
            None => inlined.push(op.clone()),
        }
    }
    *block = inlined;
}

/// The procedure that an `exec` names.
fn named<'p>(
    op: &Op,
    procedures: &'p Procedures,
    imports: &HashMap<String, String>,
) -> Option<&'p Vec<Instruction>> {
    let Op::Inst(instruction) = op else {
        return None;
    };
    let Instruction::Exec(target) = &**instruction else {
        return None;
    };
    let path = match target {
        InvocationTarget::Symbol(name) => imports.get(name.as_str())?.clone(),
        InvocationTarget::Path(path) if path.is_absolute() => relative(path.inner()),
        InvocationTarget::Path(path) => {
            let path = relative(path.inner());
            let (first, rest) = path.split_once("::")?;
            format!("{}::{rest}", imports.get(first)?)
        }
        InvocationTarget::MastRoot(_) => return None,
    };
    procedures.get(&path)
}
