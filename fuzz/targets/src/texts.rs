//! JSON: statements and inputs.

use miden_cvm::{
    ExecutionOptions, Expectations, Inputs, Loader, OptionSet, Statement, Word, execute_traced,
    verify,
};
use serde_json::Value;

use crate::{artifacts::known, example, examples};

/// Reads bytes as a statement, which is read only if it is what would be written; none but the one
/// that was proven is accepted with the proof that is known.
pub fn statement(bytes: &[u8]) {
    let Ok(statement) = serde_json::from_slice::<Statement>(bytes) else {
        return;
    };
    let text: Value = serde_json::from_slice(bytes).expect("a statement is JSON");
    let value = serde_json::to_value(&statement).expect("a statement has a form in JSON");
    assert_eq!(value, text, "another form of a statement");
    let proven = serde_json::to_value(&known().statement).expect("a statement");
    let verified = verify(
        &statement,
        &known().proof,
        &Expectations::from(OptionSet::Regular96.level()),
    );
    assert_eq!(
        verified.is_ok(),
        value == proven,
        "another statement is proven"
    );
}

pub(crate) fn statement_seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![serde_json::to_vec_pretty(&known().statement)];
    for (folder, transcript) in [("wallet", Word::default()), ("vault", known_word())] {
        let path = examples().join(folder);
        let target = Loader::new().load(&path).expect("a composition");
        let inputs = path.join(format!("{folder}.inputs"));
        let inputs = Inputs::read(&inputs).expect("inputs");
        let (arguments, advice) = (inputs.arguments, inputs.advice);
        let options = ExecutionOptions::default();
        let run = execute_traced(&target, arguments, advice, &mut target.host(), options);
        let mut public = run.expect("a run").public;
        public.precompile_transcript = transcript;
        let statement = Statement::try_from(public).expect("a statement");
        seeds.push(serde_json::to_vec_pretty(&statement));
    }
    let seeds = seeds.into_iter().collect::<Result<_, _>>();
    seeds.expect("statements are JSON")
}

/// Any word but zero.
fn known_word() -> Word {
    known().statement.public_inputs().program_hash
}

/// Reads bytes as inputs. Trees of the Merkle store and lists are as large as the text says they are.
pub fn inputs(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(Inputs { arguments, advice }) = Inputs::from_json(text) {
        assert_eq!(arguments.stack.len(), 16);
        let numbers = text.bytes().filter(|byte| *byte == b',').count() + 1;
        assert!(advice.stack.len() <= numbers && arguments.memory.len() <= numbers);
    }
}

pub(crate) fn inputs_seeds() -> Vec<Vec<u8>> {
    let word = |first: u8| format!("0x{first:02x}{}", "0".repeat(62));
    let (a, b) = (word(1), word(2));
    let trees = format!(
        r#"{{
            "operand_stack": ["1", "18446744069414584320"],
            "memory_inputs": ["5", "6"],
            "memory_layout": {{ "inputs": {{ "address": 8, "length": 4 }} }},
            "advice_stack": ["3"],
            "advice_map": {{ "{a}": [1, 2] }},
            "merkle_store": [
                {{ "merkle_tree": ["{a}", "{b}", "{a}", "{b}"] }},
                {{ "sparse_merkle_tree": [[5, "{a}"], [9, "{b}"]] }},
                {{ "partial_merkle_tree": [[[1, 0], "{a}"], [[2, 3], "{b}"], [[2, 2], "{a}"]] }}
            ]
        }}"#
    );
    vec![
        trees.into_bytes(),
        example("wallet/wallet.inputs"),
        example("vault/vault.inputs"),
        b"{}".to_vec(),
    ]
}
