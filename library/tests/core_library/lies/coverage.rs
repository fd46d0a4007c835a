//! That nothing which takes advice is forgotten.

use std::{collections::BTreeSet, sync::Arc};

use miden_assembly::{Assembler, DefaultSourceManager, library::LibraryExport};
use miden_core::{
    Operation,
    mast::{MastForest, MastNode, MastNodeExt, MastNodeId},
};

use super::targets::{instructions, procedures};
use crate::{
    stark::verifier,
    support::{Corrected, digest_in},
};

#[path = "../../common/words.rs"]
mod words;

/// Returns `true` if an operation takes something that its host says. No others do.
fn takes_advice(operation: &Operation) -> bool {
    matches!(
        operation,
        Operation::AdvPop
            | Operation::AdvPopW
            | Operation::Pipe
            | Operation::MpVerify(_)
            | Operation::MrUpdate
    )
}

/// The operations of all basic blocks that are reached from a node, also through calls.
fn blocks(forest: &MastForest, from: MastNodeId) -> Vec<Vec<Operation>> {
    let mut reached = BTreeSet::new();
    let mut waiting = vec![from];
    let mut blocks = Vec::new();
    while let Some(id) = waiting.pop() {
        if !reached.insert(u32::from(id)) {
            continue;
        }
        if let MastNode::Block(block) = &forest[id] {
            blocks.push(block.raw_operations().copied().collect());
        }
        forest[id].for_each_child(|child| waiting.push(child));
    }
    blocks
}

/// Those blocks of a procedure that take advice.
fn taking(forest: &MastForest, from: MastNodeId) -> Vec<Vec<Operation>> {
    let mut blocks = blocks(forest, from);
    blocks.retain(|block| block.iter().any(takes_advice));
    blocks
}

#[test]
fn every_procedure_that_takes_advice_is_a_target() {
    let library = Corrected.library();
    let forest = library.mast_forest();
    let targets = procedures(Corrected);
    let targets: BTreeSet<&str> = targets.iter().map(|target| target.name).collect();
    // The verifier of proofs is a target with all that it executes, by name or by digest, also in the
    // middle of its blocks.
    let verifier = ["stark::verifier::verify"]
        .into_iter()
        .chain(verifier::GIVEN);
    let verifier: Vec<Vec<Operation>> = verifier
        .flat_map(|path| {
            let root = forest.find_procedure_root(digest_in(Corrected, path));
            blocks(forest, root.expect("the procedure is in the library"))
        })
        .collect();
    let is_part = |block: &Vec<Operation>| {
        let mut blocks = verifier.iter();
        blocks.any(|whole| whole.windows(block.len()).any(|window| window == block))
    };
    let mut count = 0;
    let mut missing = Vec::new();
    for export in library.exports().filter_map(LibraryExport::as_procedure) {
        let taking = taking(forest, export.node);
        if taking.is_empty() {
            continue;
        }
        count += 1;
        let path = export.path.to_relative().to_string();
        let name = path.trim_start_matches("miden::core::");
        if !targets.contains(name) && !taking.iter().all(is_part) {
            missing.push(name.to_owned());
        }
    }
    assert_eq!(
        missing, [""; 0],
        "they take advice, and nobody lies to them"
    );
    assert!(count > 40, "{count} procedures take advice");
}

/// Words that are no instructions: of declarations, types, control flow and debugging, the call of a
/// kernel, and what was renamed.
const NO_INSTRUCTIONS: &str = "addrspace adv_map adv_stack begin byte const else end enum err event false \
    felt i1 i8 i16 i32 i64 i128 if local loc_loadw loc_storew mem mem_loadw mem_storew proc ptr pub repeat \
    stack struct syscall true type use u8 u16 u32 u64 u128 while word";

#[test]
fn every_instruction_that_takes_advice_is_a_target() {
    let targets: BTreeSet<String> = instructions().iter().map(|t| t.name.to_owned()).collect();
    let sources = Arc::new(DefaultSourceManager::default());
    let assembler = Assembler::new(sources.clone());
    let assembled = |form: &str| {
        let source = format!(
            "proc other push.1 drop end
            @locals(8) proc tried {form} end
            begin exec.tried end"
        );
        let program = Corrected.assemble_by(assembler.clone(), sources.clone(), &source);
        program.ok()
    };
    let mut missing = Vec::new();
    let mut count = 0;
    for word in words::KEYWORDS.split_whitespace() {
        // An instruction has one of these forms; which of them does not matter for what it takes.
        let forms = [
            word.to_owned(),
            format!("{word}.0"),
            format!("{word}.2"),
            format!("adv.{word}"),
            format!("{word}.push_mapval"),
            format!("{word}.stack"),
            format!("{word}.event(\"an event\")"),
            format!("{word}.other"),
        ];
        if NO_INSTRUCTIONS
            .split_whitespace()
            .any(|other| other == word)
        {
            assert!(assembled(word).is_none(), "{word} is an instruction");
            continue;
        }
        let program = forms.iter().find_map(|form| assembled(form));
        let program = program.unwrap_or_else(|| panic!("{word} is no instruction"));
        if taking(program.mast_forest(), program.entrypoint()).is_empty() {
            continue;
        }
        count += 1;
        if !targets.contains(word) {
            missing.push(word);
        }
    }
    assert_eq!(
        missing, [""; 0],
        "they take advice, and nobody lies to them"
    );
    assert!(count >= 12, "{count} instructions take advice");
}
