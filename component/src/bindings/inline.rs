//! Procedures of generated modules in place of the `exec` that names them.
//!
//! The assembler makes one block of instructions that follow each other, but not of those around an `exec` of a
//! procedure with a call in it: each such `exec` would take eight cycles for nothing.

use std::collections::{HashMap, HashSet};

use miden_assembly::{
    Path as MasmPath,
    ast::{Alias, AliasTarget, Block, Instruction, InvocationTarget, Module, Op, Procedure},
    debuginfo::{Span, Spanned},
};

use super::{BINDINGS_MODULE, EXPORTS_MODULE, is_bindings_module, resources::RESOURCE_MODULE};
use crate::code::library::{canonical, canonical_in};

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
        .filter(|module| is_in(module, &NAMESPACES))
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
        let imports = imports(module);
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

/// The imports of a module, by the names that it has for them.
fn imports(module: &Module) -> HashMap<String, String> {
    let imports = module.aliases();
    imports
        .filter_map(|alias| Some((alias.name().to_string(), imported(alias)?)))
        .collect()
}

/// The procedure that an import stands for.
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
    procedures.get(&path_of(target, imports)?)
}

/// The path of a procedure that is not of the module that names it, or is named by its path there.
fn path_of(target: &InvocationTarget, imports: &HashMap<String, String>) -> Option<String> {
    match target {
        InvocationTarget::Symbol(name) => imports.get(name.as_str()).cloned(),
        InvocationTarget::Path(path) if path.is_absolute() => Some(relative(path.inner())),
        InvocationTarget::Path(path) => {
            let path = relative(path.inner());
            let (first, rest) = path.split_once("::")?;
            Some(format!("{}::{rest}", imports.get(first)?))
        }
        InvocationTarget::MastRoot(_) => None,
    }
}

/// Puts what the procedure of an export does before and after the one that implements it into that one, if
/// nothing else executes, calls or names it: the blocks at its ends are one with those of the export then.
/// `uses` says how often each procedure is named.
pub(crate) fn join_exports(modules: &mut [Box<Module>], uses: &HashMap<String, usize>) {
    let wrappings: HashMap<String, Wrapping> = modules
        .iter()
        .filter(|module| is_in(module, &[EXPORTS_MODULE]))
        .flat_map(|module| module.procedures())
        .filter_map(Wrapping::of)
        .filter(|(path, _)| uses.get(path) == Some(&1))
        .collect();
    let mut joined = HashSet::new();
    for module in modules.iter_mut() {
        let module_path = module.path().to_path_buf();
        for procedure in module.procedures_mut() {
            let path = canonical_in(module_path.as_str(), procedure.name().as_str());
            if procedure.num_locals() == 0
                && has_nodes(procedure.body())
                && let Some(wrapping) = wrappings.get(&path)
                && wrapping.join(procedure.body_mut())
            {
                joined.insert(path);
            }
        }
    }
    let exports = modules
        .iter_mut()
        .filter(|module| is_in(module, &[EXPORTS_MODULE]));
    for export in exports.flat_map(|module| module.procedures_mut()) {
        if let Some((path, wrapping)) = Wrapping::of(export)
            && joined.contains(&path)
        {
            *export.body_mut() = Block::new(export.body().span(), vec![wrapping.exec]);
        }
    }
}

/// The body of an export's procedure, if it is nothing but instructions that mean the same in every module.
struct Wrapping {
    before: Vec<Op>,
    /// The `exec` of the procedure that implements the export.
    exec: Op,
    after: Vec<Op>,
}

impl Wrapping {
    /// The procedure that implements an export, and what is done around it.
    fn of(export: &Procedure) -> Option<(String, Self)> {
        let mut executed = None;
        for (at, op) in export.iter().enumerate() {
            if let Instruction::Exec(InvocationTarget::Path(path)) = portable(op)?
                && let path = canonical(path.inner().as_str())
                && !is_bindings_module(&path)
                && executed.replace((at, path)).is_some()
            {
                return None;
            }
        }
        let (at, path) = executed?;
        let ops: Vec<Op> = export.iter().cloned().collect();
        let wrapping = Self {
            before: ops[..at].to_vec(),
            exec: ops[at].clone(),
            after: ops[at + 1..].to_vec(),
        };
        Some((path, wrapping))
    }

    /// Puts what is done around a procedure into it, if it has room for that and there is any.
    fn join(&self, body: &mut Block) -> bool {
        let around = self.before.len() + self.after.len();
        if around == 0 || body.len() + around > MAX_BLOCK {
            return false;
        }
        let ops = self.before.iter().chain(body.iter()).chain(&self.after);
        *body = Block::new(body.span(), ops.cloned().collect());
        true
    }
}

/// Returns `true` if a module lies below one of some.
fn is_in(module: &Module, namespaces: &[&str]) -> bool {
    let path = module.path().to_relative();
    let first = path.as_str().split("::").next();
    first.is_some_and(|first| namespaces.contains(&first))
}

/// Returns `true` if there is more in a block than one basic block has.
fn has_nodes(block: &Block) -> bool {
    block.iter().any(|op| match op {
        Op::Inst(instruction) => matches!(
            **instruction,
            Instruction::Exec(_)
                | Instruction::Call(_)
                | Instruction::SysCall(_)
                | Instruction::DynExec
                | Instruction::DynCall
        ),
        Op::If { .. } | Op::While { .. } | Op::Repeat { .. } => true,
    })
}
