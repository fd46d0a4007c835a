//! Inputs of a run, in the JSON that Miden's command line reads.

use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Path, PathBuf},
};

use miden_core::{
    Felt, Word,
    crypto::merkle::{
        InnerNodeInfo, MerkleError, MerkleStore, MerkleTree, NodeIndex, PartialMerkleTree,
        SimpleSmt,
    },
    errors::InputError,
};
use miden_cvm_air::canonical::Object;
use miden_cvm_component::read_file;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use thiserror::Error;

use crate::{AdviceInputs, Area, Arguments, MemoryLayout, MemoryLayoutError, StackInputs};

/// Depth of the trees that `sparse_merkle_tree` describes.
const SPARSE_TREE_DEPTH: u8 = 64;

/// The inputs of a run.
///
/// In JSON it is an object with the fields `operand_stack` (decimal numbers in strings, the last
/// one on top of the stack, at most 16), `memory_inputs` (likewise, at ascending addresses),
/// `memory_layout` (for a program that is no composition: `inputs` and `outputs`, each an object with
/// `address` and `length`), `advice_stack` (numbers in strings, the first one on top),
/// `advice_map` (lists of numbers under words) and `merkle_store` (a list of trees, each an object
/// with `merkle_tree`, `sparse_merkle_tree` or `partial_merkle_tree`). Words are `0x` and 64
/// hexadecimal digits: four elements of 8 bytes, each with its lowest byte first. Every field may
/// be left out.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    /// The operand stack and the inputs in memory.
    pub arguments: Arguments,
    /// The advice provider.
    pub advice: AdviceInputs,
}

impl Inputs {
    /// Returns `true` if there is advice.
    pub fn has_advice(&self) -> bool {
        let AdviceInputs { stack, map, store } = &self.advice;
        let has_nodes = store.inner_nodes().count() > MerkleStore::default().inner_nodes().count();
        !stack.is_empty() || map.iter().next().is_some() || has_nodes
    }

    /// The advice, if there is nothing else.
    pub fn only_advice(self) -> Option<AdviceInputs> {
        let Self { arguments, advice } = self;
        let is_alone = arguments.stack[..] == StackInputs::default()[..]
            && arguments.memory.is_empty()
            && arguments.layout.is_empty();
        is_alone.then_some(advice)
    }
}

/// An inputs file that cannot be used.
#[derive(Debug, Error)]
#[error("inputs `{}`: {reason}", .path.display())]
pub struct InputsFileError {
    /// The file.
    pub path: PathBuf,
    /// The reason.
    #[source]
    pub reason: InputsError,
}

impl InputsFileError {
    /// Returns `true` if the file is something else than inputs, and not inputs with a mistake.
    pub fn is_other(&self) -> bool {
        matches!(
            self.reason,
            InputsError::Json(_) | InputsError::Unreadable(_)
        )
    }
}

/// A problem with inputs.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InputsError {
    /// The file cannot be read.
    #[error("the file cannot be read: {0}")]
    Unreadable(#[source] io::Error),
    /// The text is not JSON, or a field or value does not belong there.
    #[error("{0}")]
    Json(#[source] serde_json::Error),
    /// A text is not a decimal number below 2^64.
    #[error("{place}: `{text}` is not a decimal number below 2^64")]
    Number {
        /// The field and the position in it.
        place: InputPath,
        /// The text.
        text: String,
    },
    /// A number is not below the field's modulus.
    #[error("{place}: {value} is not below the field's modulus, 2^64 - 2^32 + 1")]
    Element {
        /// The field and the position in it.
        place: InputPath,
        /// The number.
        value: u64,
    },
    /// The operand stack has too many elements.
    #[error("operand_stack: {0}")]
    Stack(#[source] InputError),
    /// The places of inputs and outputs in memory break a rule.
    #[error("memory_layout: {0}")]
    Layout(#[source] MemoryLayoutError),
    /// A text is not a word.
    #[error("{place}: `{text}` is not a word, `0x` and 64 hexadecimal digits: {reason}")]
    Word {
        /// The field and the position in it.
        place: InputPath,
        /// The text.
        text: String,
        /// The reason.
        reason: String,
    },
    /// Two entries of the advice map have the same key.
    #[error("advice_map: there are two entries for {}", .0.to_hex())]
    DuplicateKey(Word),
    /// The nodes do not make a tree.
    #[error("merkle_store[{tree}]: {reason}")]
    Tree {
        /// The position of the tree in the list.
        tree: usize,
        /// Why they do not.
        #[source]
        reason: MerkleError,
    },
}

/// A place in inputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputPath {
    /// The field, and the key in it if it has keys.
    pub field: String,
    /// The position in the list there, if it is one of a list.
    pub position: Option<usize>,
}

impl InputPath {
    fn new(field: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            position: None,
        }
    }

    fn at(field: impl Into<String>, position: usize) -> Self {
        Self {
            field: field.into(),
            position: Some(position),
        }
    }
}

impl fmt::Display for InputPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.field)?;
        match self.position {
            Some(position) => write!(f, "[{position}]"),
            None => Ok(()),
        }
    }
}

impl Inputs {
    /// Reads a file.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read or is not of the form that [`Inputs`] describes.
    pub fn read(path: &Path) -> Result<Self, InputsFileError> {
        read_file(path)
            .and_then(|bytes| {
                String::from_utf8(bytes)
                    .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
            })
            .map_err(InputsError::Unreadable)
            .and_then(|text| Self::from_json(&text))
            .map_err(|reason| InputsFileError {
                path: path.into(),
                reason,
            })
    }

    /// Reads JSON; a byte order mark before it is nothing.
    ///
    /// # Errors
    /// Returns the first thing that is not of the form that [`Inputs`] describes.
    pub fn from_json(text: &str) -> Result<Self, InputsError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let Object(document): Object<Document> =
            serde_json::from_str(text).map_err(InputsError::Json)?;
        let stack = numbers("operand_stack", &document.operand_stack)?;
        let stack = StackInputs::new(stack).map_err(InputsError::Stack)?;
        let advice = AdviceInputs::default()
            .with_stack(numbers("advice_stack", &document.advice_stack)?)
            .with_map(map(&document.advice_map)?)
            .with_merkle_store(store(&document.merkle_store)?);
        let MemoryPlaces { inputs, outputs } = document.memory_layout;
        let layout = MemoryLayout { inputs, outputs };
        layout.validate().map_err(InputsError::Layout)?;
        let arguments = Arguments {
            stack,
            memory: numbers("memory_inputs", &document.memory_inputs)?,
            layout,
        };
        Ok(Self { arguments, advice })
    }
}

/// The JSON as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    operand_stack: Vec<String>,
    #[serde(default)]
    memory_inputs: Vec<String>,
    #[serde(default)]
    memory_layout: MemoryPlaces,
    #[serde(default)]
    advice_stack: Vec<String>,
    #[serde(default)]
    advice_map: Entries,
    #[serde(default)]
    merkle_store: Vec<Tree>,
}

/// The places of inputs and outputs in memory.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct MemoryPlaces {
    inputs: Option<Area>,
    outputs: Option<Area>,
}

/// A tree of the Merkle store.
#[derive(Debug, Deserialize)]
enum Tree {
    /// All leaves.
    #[serde(rename = "merkle_tree")]
    Full(Vec<String>),
    /// Leaves by index, in a tree of depth 64.
    #[serde(rename = "sparse_merkle_tree")]
    Sparse(Vec<(u64, String)>),
    /// Nodes by depth and index.
    #[serde(rename = "partial_merkle_tree")]
    Partial(Vec<((u8, u64), String)>),
}

/// An object's entries in their order; a map would silently drop all but one entry of a key.
#[derive(Debug, Default)]
struct Entries(Vec<(String, Vec<u64>)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor;

        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of lists of numbers under words")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(EntriesVisitor)
    }
}

fn numbers(field: &str, texts: &[String]) -> Result<Vec<Felt>, InputsError> {
    let numbers = texts.iter().enumerate().map(|(position, text)| {
        let place = InputPath::at(field, position);
        match text.parse() {
            Ok(value) => element(place, value),
            Err(_) => Err(InputsError::Number {
                place,
                text: text.clone(),
            }),
        }
    });
    numbers.collect()
}

fn element(place: InputPath, value: u64) -> Result<Felt, InputsError> {
    Felt::try_from(value).map_err(|_| InputsError::Element { place, value })
}

fn word(place: InputPath, text: &str) -> Result<Word, InputsError> {
    Word::try_from(text).map_err(|error| InputsError::Word {
        place,
        text: text.into(),
        reason: error.to_string(),
    })
}

fn map(entries: &Entries) -> Result<BTreeMap<Word, Vec<Felt>>, InputsError> {
    let mut map = BTreeMap::new();
    for (key, values) in &entries.0 {
        let word = word(InputPath::new("advice_map"), key)?;
        let place = |position| InputPath::at(format!("advice_map.{key}"), position);
        let values = (0..).zip(values);
        let values = values.map(|(position, &value)| element(place(position), value));
        if map
            .insert(word, values.collect::<Result<_, _>>()?)
            .is_some()
        {
            return Err(InputsError::DuplicateKey(word));
        }
    }
    Ok(map)
}

fn store(trees: &[Tree]) -> Result<MerkleStore, InputsError> {
    let mut store = MerkleStore::default();
    for (position, tree) in trees.iter().enumerate() {
        let leaf = |text: &String| word(InputPath::at("merkle_store", position), text);
        let refused = |reason| InputsError::Tree {
            tree: position,
            reason,
        };
        let nodes: Vec<InnerNodeInfo> = match tree {
            Tree::Full(leaves) => {
                let leaves: Vec<Word> = leaves.iter().map(leaf).collect::<Result<_, _>>()?;
                let tree = MerkleTree::new(leaves).map_err(refused)?;
                tree.inner_nodes().collect()
            }
            Tree::Sparse(leaves) => {
                let leaves = leaves.iter().map(|(index, text)| Ok((*index, leaf(text)?)));
                let leaves: Vec<_> = leaves.collect::<Result<_, InputsError>>()?;
                let tree = SimpleSmt::<SPARSE_TREE_DEPTH>::with_leaves(leaves).map_err(refused)?;
                tree.inner_nodes().collect()
            }
            // The published type panics on no nodes at all.
            Tree::Partial(nodes) if nodes.is_empty() => continue,
            Tree::Partial(nodes) => {
                let nodes = nodes.iter().map(|((depth, index), text)| {
                    let index = NodeIndex::new(*depth, *index).map_err(refused)?;
                    Ok((index, leaf(text)?))
                });
                let nodes: Vec<_> = nodes.collect::<Result<_, InputsError>>()?;
                let tree = PartialMerkleTree::with_leaves(nodes).map_err(refused)?;
                tree.inner_nodes().collect()
            }
        };
        store.extend(nodes);
    }
    Ok(store)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAF: &str = "0x1400000000000000000000000000000000000000000000000000000000000000";
    const OTHER: &str = "0x1500000000000000000000000000000000000000000000000000000000000000";

    fn refusal(json: &str) -> String {
        let error = Inputs::from_json(json).expect_err("inputs that are refused");
        error.to_string()
    }

    #[test]
    fn stacks_are_in_the_order_of_miden() {
        let json = r#"{ "operand_stack": ["1", "2"], "advice_stack": ["3", "4"] }"#;
        let inputs = Inputs::from_json(json).expect("inputs");
        assert_eq!(inputs.arguments.stack[..3], [2, 1, 0].map(Felt::new));
        assert_eq!(inputs.advice.stack, [3, 4].map(Felt::new));
    }

    #[test]
    fn every_field_may_be_left_out() {
        let inputs = Inputs::from_json("{}").expect("inputs");
        assert_eq!(inputs.advice, AdviceInputs::default());
        assert_eq!(*inputs.arguments.stack, *StackInputs::default());
    }

    #[test]
    fn the_advice_map_has_words_for_keys() {
        let json = format!(r#"{{ "advice_map": {{ "{LEAF}": [7, 8] }} }}"#);
        let inputs = Inputs::from_json(&json).expect("inputs");
        let key = Word::new([0x14, 0, 0, 0].map(Felt::new));
        let values = inputs.advice.map.get(&key).expect("an entry");
        assert_eq!(**values, [7, 8].map(Felt::new));
    }

    #[test]
    fn all_kinds_of_trees_go_into_the_store() {
        let leaf = |value: u64| Word::new([value, 0, 0, 0].map(Felt::new));
        let tree = MerkleTree::new(vec![leaf(0x14), leaf(0x15)]).expect("a tree");
        let json = format!(r#"{{ "merkle_store": [{{ "merkle_tree": ["{LEAF}", "{OTHER}"] }}] }}"#);
        let inputs = Inputs::from_json(&json).expect("inputs");
        let index = NodeIndex::new(1, 1).expect("an index");
        let found = inputs.advice.store.get_node(tree.root(), index);
        assert_eq!(found.expect("a node"), leaf(0x15));

        let json = format!(
            r#"{{ "merkle_store": [{{ "partial_merkle_tree": [[[1, 0], "{LEAF}"], [[1, 1], "{OTHER}"]] }}] }}"#
        );
        let inputs = Inputs::from_json(&json).expect("inputs");
        let found = inputs.advice.store.get_node(tree.root(), index);
        assert_eq!(found.expect("a node"), leaf(0x15));

        let sparse = SimpleSmt::<64>::with_leaves([(3, leaf(0x14))]).expect("a tree");
        let json =
            format!(r#"{{ "merkle_store": [{{ "sparse_merkle_tree": [[3, "{LEAF}"]] }}] }}"#);
        let inputs = Inputs::from_json(&json).expect("inputs");
        let index = NodeIndex::new(64, 3).expect("an index");
        let found = inputs.advice.store.get_node(sparse.root(), index);
        assert_eq!(found.expect("a node"), leaf(0x14));
    }

    #[test]
    fn refusals_name_the_place() {
        let unknown = refusal(r#"{ "operand_stak": [] }"#);
        assert!(unknown.contains("operand_stak"), "{unknown}");
        let number = refusal(r#"{ "operand_stack": ["1", "-2"] }"#);
        assert!(number.starts_with("operand_stack[1]: `-2`"), "{number}");
        let element = refusal(r#"{ "advice_stack": ["18446744069414584321"] }"#);
        assert!(
            element.starts_with("advice_stack[0]: 18446744069414584321"),
            "{element}"
        );
        let stack = format!(r#"{{ "operand_stack": [{}] }}"#, ["\"1\""; 17].join(","));
        assert!(
            refusal(&stack).starts_with("operand_stack: "),
            "{}",
            refusal(&stack)
        );
        let key = refusal(r#"{ "advice_map": { "0x12": [1] } }"#);
        assert!(key.starts_with("advice_map: `0x12` is not a word"), "{key}");
        let value = format!(r#"{{ "advice_map": {{ "{LEAF}": [18446744073709551615] }} }}"#);
        assert!(refusal(&value).starts_with(&format!("advice_map.{LEAF}[0]")));
    }

    #[test]
    fn keys_stand_once_however_they_are_written() {
        let lower = "0xab00000000000000000000000000000000000000000000000000000000000000";
        let upper = "0xAB00000000000000000000000000000000000000000000000000000000000000";
        let json = format!(r#"{{ "advice_map": {{ "{lower}": [1], "{upper}": [2] }} }}"#);
        assert!(refusal(&json).contains("two entries"));
    }

    #[test]
    fn trees_that_are_none_are_refused() {
        for tree in [
            format!(r#"{{ "merkle_tree": ["{LEAF}"] }}"#),
            format!(r#"{{ "merkle_tree": ["{LEAF}", "{LEAF}", "{LEAF}"] }}"#),
            format!(r#"{{ "partial_merkle_tree": [[[1, 0], "{LEAF}"]] }}"#),
            format!(r#"{{ "partial_merkle_tree": [[[1, 2], "{LEAF}"]] }}"#),
            format!(r#"{{ "partial_merkle_tree": [[[70, 2], "{LEAF}"]] }}"#),
            format!(r#"{{ "sparse_merkle_tree": [[0, "{LEAF}"], [0, "{OTHER}"]] }}"#),
        ] {
            let refusal = refusal(&format!(r#"{{ "merkle_store": [{tree}] }}"#));
            assert!(refusal.starts_with("merkle_store[0]: "), "{refusal}");
        }
    }

    #[test]
    fn no_nodes_at_all_add_nothing() {
        let json = r#"{ "merkle_store": [{ "partial_merkle_tree": [] }] }"#;
        let inputs = Inputs::from_json(json).expect("inputs");
        assert_eq!(inputs.advice, AdviceInputs::default());
    }
}
