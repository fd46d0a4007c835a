//! Sparse Merkle trees, against `miden-crypto`'s.

use miden_core::{Felt, Word, crypto::merkle::Smt};
use miden_cvm_processor::Trap;

use crate::support::{Call, Samples, procedures, word_at};

/// A key in the leaf with a number.
fn key(seed: u64, leaf: u64) -> Word {
    let mut key = Samples::new(seed).word();
    key[3] = Felt::new(leaf);
    key
}

fn value(seed: u64) -> Word {
    Samples::new(1000 + seed).word()
}

/// A tree with leaves of one and of several entries.
fn tree() -> Smt {
    let entries = [(1, 10), (2, 11), (3, 12), (4, 12), (5, 12)];
    let entries = entries.map(|(seed, leaf)| (key(seed, leaf), value(seed)));
    Smt::with_entries(entries).expect("the keys differ")
}

/// Keys with values, a new one in an empty leaf, and new ones in leaves of one and several entries.
fn keys() -> Vec<Word> {
    let existing = [(1, 10), (2, 11), (3, 12), (4, 12), (5, 12)];
    let new = [(6, 13), (7, 10), (8, 12)];
    [existing.as_slice(), &new]
        .concat()
        .into_iter()
        .map(|(seed, leaf)| key(seed, leaf))
        .collect()
}

/// Calls of a procedure of a key and a tree, with every key.
pub fn calls(procedure: &str, new: Option<Word>) -> Vec<Call> {
    let tree = tree();
    keys()
        .into_iter()
        .map(|key| {
            let call = Call::new(&format!("collections::smt::{procedure}"));
            let call = match new {
                Some(new) => call.word(new),
                None => call,
            };
            with_tree(call.word(key).word(tree.root()), &tree)
        })
        .collect()
}

fn with_tree(mut call: Call, tree: &Smt) -> Call {
    for (_, leaf) in tree.leaves() {
        call = call.entry(leaf.hash(), leaf.to_elements());
    }
    call.trees(tree.inner_nodes())
}

procedures! { "::miden::core::collections::smt";
    fn get() {
        let tree = tree();
        for key in keys() {
            let call = Call::new("collections::smt::get").word(key).word(tree.root());
            let call = with_tree(call, &tree);
            let leaf = tree.get_leaf(&key);
            if leaf.num_entries() == 1 && tree.get_value(&key) == Smt::EMPTY_VALUE {
                // The library insists on the key of a leaf that has only one.
                assert!(matches!(*call.trap(), Trap::FailedAssertion { .. }));
                continue;
            }
            let stack = call.run().stack;
            assert_eq!(word_at(&stack, 0), tree.get_value(&key), "{key}");
            assert_eq!(word_at(&stack, 4), tree.root());
        }
    }

    fn set() {
        let tree = tree();
        for (i, key) in keys().into_iter().enumerate() {
            for new in [value(100 + i as u64), Word::default()] {
                let mut updated = tree.clone();
                let old = updated.insert(key, new).expect("the leaf has room");
                let call = Call::new("collections::smt::set");
                let call = with_tree(call.word(new).word(key).word(tree.root()), &tree);
                let stack = if i == 0 { call.prove() } else { call.run() }.stack;
                assert_eq!(word_at(&stack, 0), old, "{key}");
                assert_eq!(word_at(&stack, 4), updated.root(), "{key}");
            }
        }
    }

    fn peek() {
        let tree = tree();
        for key in keys() {
            let call = Call::new("collections::smt::peek").word(key).word(tree.root());
            let outcome = with_tree(call, &tree).run();
            assert_eq!(outcome.advice_stack, tree.get_value(&key).to_vec(), "{key}");
            assert_eq!(word_at(&outcome.stack, 0), key);
        }
        let unknown = Call::new("collections::smt::peek").word(key(1, 10)).word(value(1));
        let trap = unknown.trap();
        assert!(matches!(*trap, Trap::EventError { .. }), "{trap}");
    }
}
