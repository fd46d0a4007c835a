//! Faults of the published core library and instructions, and where code has them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::LazyLock,
};

use miden_assembly::{Library, library::LibraryExport};
use miden_core::{
    Felt, Operation, Word,
    mast::{MastForest, MastNode, MastNodeExt, MastNodeId},
};

use crate::libraries::{core_interface, published_core_interface, replaced};

/// A fault of published code that lets proofs of false results be made, or that gives false results
/// itself.
#[derive(Debug, PartialEq, Eq)]
pub struct Advisory {
    /// The name by which the book and the command line speak of it.
    pub id: &'static str,
    /// The fault, in a few words.
    pub title: &'static str,
    /// The faulty procedures by path, or instructions by name. What uses them has the fault too.
    pub code: &'static [&'static str],
}

/// All advisories, as the book explains them.
pub const ADVISORIES: &[Advisory] = &[
    Advisory {
        id: "CVM-2026-001",
        title: "a logarithm below 32 is accepted whatever the upper half of the number",
        code: &["ilog2"],
    },
    Advisory {
        id: "CVM-2026-002",
        title: "false numbers of leading zeros are accepted for 0 and 1",
        code: &["u32clz"],
    },
    Advisory {
        id: "CVM-2026-003",
        title: "false remainders are accepted, and with them forged Falcon signatures",
        code: &["::miden::core::crypto::dsa::falcon512rpo::mod_12289"],
    },
    Advisory {
        id: "CVM-2026-004",
        title: "the upper half of a shifted number is wrong for some amounts",
        code: &["::miden::core::math::u64::shr"],
    },
    Advisory {
        id: "CVM-2026-005",
        title: "rotations are wrong by 0 and 32 (rotr), and do not trap at 64 and more",
        code: &[
            "::miden::core::math::u64::rotl",
            "::miden::core::math::u64::rotr",
        ],
    },
    Advisory {
        id: "CVM-2026-006",
        title: "a ciphertext decrypts to the plaintext of another one that has the same tag",
        code: &["::miden::core::crypto::aead::decrypt"],
    },
    Advisory {
        id: "CVM-2026-007",
        title: "encryption writes padding behind the plaintext, over what is there",
        code: &["::miden::core::crypto::aead::encrypt"],
    },
    Advisory {
        id: "CVM-2026-008",
        title: "keys that are in a sorted array can be said to be missing",
        code: &[
            "::miden::core::collections::sorted_array::find_word",
            "::miden::core::collections::sorted_array::find_key_value",
            "::miden::core::collections::sorted_array::find_half_key_value",
        ],
    },
    Advisory {
        id: "CVM-2026-009",
        title: "old values and neighbours in the leaf of a sparse Merkle tree can be made up",
        code: &[
            "::miden::core::collections::smt::get",
            "::miden::core::collections::smt::set",
        ],
    },
    Advisory {
        id: "CVM-2026-010",
        title: "the number of leaves of a Merkle mountain range is not bound by its hash",
        code: &[
            "::miden::core::collections::mmr::pack",
            "::miden::core::collections::mmr::unpack",
        ],
    },
    Advisory {
        id: "CVM-2026-011",
        title: "a FRI proof without queries is accepted",
        code: &["::miden::core::pcs::fri::frie2f4::verify"],
    },
    Advisory {
        id: "CVM-2026-012",
        title: "an Ed25519 signature under a challenge of the prover's choice is accepted",
        code: &[
            "::miden::core::crypto::dsa::eddsa_ed25519::verify_prehash",
            "::miden::core::crypto::dsa::eddsa_ed25519::verify_prehash_impl",
        ],
    },
    Advisory {
        id: "CVM-2026-013",
        title: "a position behind the last leaf of a Merkle mountain range can have a leaf",
        code: &["::miden::core::collections::mmr::get"],
    },
    Advisory {
        id: "CVM-2026-014",
        title: "a proof of a run with any program and any outputs is accepted",
        code: &["::miden::core::sys::vm::verify_proof"],
    },
];

/// An advisory that code has, and by what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    advisory: usize,
    code: String,
}

impl Finding {
    /// The advisory.
    pub fn advisory(&self) -> &'static Advisory {
        &ADVISORIES[self.advisory]
    }

    /// The path of the published procedure, or the name of the instruction, that the code has. It
    /// is faulty or uses what is faulty.
    pub fn code(&self) -> &str {
        &self.code
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Advisory { id, title, .. } = self.advisory();
        write!(f, "{id}, by `{}`: {title}", self.code)
    }
}

/// Looks for published code that has an advisory, in all procedures of `forest`: called, named by its
/// digest or contained, also in the middle of a basic block, into which the assembler puts short
/// procedures.
///
/// Code that is called by a digest which nothing here knows is not looked at; and who writes the
/// operations of a faulty procedure in another order is not found.
pub fn findings(forest: &MastForest) -> BTreeSet<Finding> {
    let known = &*KNOWN;
    let mut found = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut waiting: Vec<MastNodeId> = forest.procedure_roots().to_vec();
    while let Some(id) = waiting.pop() {
        let node = &forest[id];
        // What is corrected may have a procedure in it that is faulty by itself.
        if !seen.insert(u32::from(id)) || known.corrected.contains(&node.digest()) {
            continue;
        }
        if let Some(there) = known.by_digest.get(&node.digest()) {
            found.extend(there.findings());
            continue;
        }
        found.extend(known.named_in(node));
        let contained = contained(&known.patterns, node).into_iter();
        found.extend(contained.map(|pattern| Finding {
            advisory: pattern.advisory,
            code: pattern.name.into(),
        }));
        node.for_each_child(|child| waiting.push(child));
    }
    found
}

/// A faulty basic block.
#[derive(PartialEq, Eq)]
struct Pattern {
    advisory: usize,
    name: &'static str,
    operations: Vec<Operation>,
}

/// The patterns that a node has in it, if it is a basic block.
fn contained<'a>(patterns: &'a [Pattern], node: &MastNode) -> Vec<&'a Pattern> {
    let MastNode::Block(_) = node else {
        return Vec::new();
    };
    let operations = operations(node);
    let is_in = |pattern: &&Pattern| {
        let mut windows = operations.windows(pattern.operations.len());
        windows.any(|window| window == pattern.operations)
    };
    patterns.iter().filter(is_in).collect()
}

/// A published procedure or instruction that is faulty or uses what is.
#[derive(PartialEq, Eq)]
struct Published {
    name: String,
    advisories: BTreeSet<usize>,
}

impl Published {
    fn findings(&self) -> impl Iterator<Item = Finding> {
        self.advisories.iter().map(|&advisory| Finding {
            advisory,
            code: self.name.clone(),
        })
    }
}

#[derive(PartialEq, Eq)]
struct Known {
    by_digest: BTreeMap<Word, Published>,
    patterns: Vec<Pattern>,
    /// The procedures that the corrected library exports.
    corrected: BTreeSet<Word>,
}

impl Known {
    /// Returns the findings whose digests a basic block names, to call them.
    fn named_in(&self, node: &MastNode) -> BTreeSet<Finding> {
        let MastNode::Block(block) = node else {
            return BTreeSet::new();
        };
        let operations: Vec<&Operation> = block.raw_operations().collect();
        let digests = operations.windows(4).filter_map(|window| match window {
            [
                Operation::Push(a),
                Operation::Push(b),
                Operation::Push(c),
                Operation::Push(d),
            ] => Some(Word::new([*a, *b, *c, *d])),
            _ => None,
        });
        let named = digests.filter_map(|digest| self.by_digest.get(&digest));
        named.flat_map(Published::findings).collect()
    }
}

static KNOWN: LazyLock<Known> =
    LazyLock::new(|| known(published_core_interface(), core_interface()));

/// Facts about the two libraries, all of which follow from their interfaces, and from the advisories that the
/// published code is said to have.
fn known(published: &Library, corrected: &Library) -> Known {
    let forest = published.mast_forest();
    let mut patterns = Vec::new();
    for (advisory, Advisory { code, .. }) in ADVISORIES.iter().enumerate() {
        for &name in *code {
            let node = forest
                .find_procedure_root(replaced()[name])
                .expect("the forest has all that was published");
            if let MastNode::Block(_) = &forest[node] {
                patterns.push(Pattern {
                    advisory,
                    name,
                    operations: without_event(operations(&forest[node])),
                });
            }
        }
    }
    let by_digest = replaced().iter().map(|(name, &digest)| {
        let published = Published {
            name: name.clone(),
            advisories: advisories_of(name),
        };
        (digest, published)
    });
    let by_digest = by_digest.collect();
    let procedures = corrected.exports().filter_map(LibraryExport::as_procedure);
    let forest = corrected.mast_forest();
    let corrected = procedures.map(|procedure| forest[procedure.node].digest());
    Known {
        by_digest,
        corrected: corrected.collect(),
        patterns,
    }
}

/// The advisories that a published procedure or instruction has, by itself or by what it uses.
fn advisories_of(name: &str) -> BTreeSet<usize> {
    let mut lines = include_str!("../assets/advisories.txt").lines();
    let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let ids = line.unwrap_or_default().split(' ');
    let places = ids.filter_map(|id| ADVISORIES.iter().position(|known| known.id == id));
    places.collect()
}

/// The operations of a basic block, without what does not enter its digest.
fn operations(node: &MastNode) -> Vec<Operation> {
    let operations = node.unwrap_basic_block().raw_operations();
    let operations = operations.map(|operation| match operation {
        Operation::Assert(_) => Operation::Assert(Felt::default()),
        Operation::U32assert2(_) => Operation::U32assert2(Felt::default()),
        Operation::MpVerify(_) => Operation::MpVerify(Felt::default()),
        operation => *operation,
    });
    operations.collect()
}

/// Leaves out the event at the beginning: a prover does as well without, so the code that is looked
/// for begins where the answer is taken.
fn without_event(operations: Vec<Operation>) -> Vec<Operation> {
    match &operations[..] {
        [
            Operation::Push(_),
            Operation::Emit,
            Operation::Drop,
            rest @ ..,
        ] => rest.to_vec(),
        _ => operations,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::libraries::{core_library, published_core_library};

    #[test]
    fn interfaces_tell_all_that_is_to_be_known() {
        let of_code = known(published_core_library(), core_library());
        assert!(!of_code.patterns.is_empty());
        assert!(*KNOWN == of_code);
    }

    /// Finds out what advisories nodes of the published library have.
    struct Reached<'a> {
        forest: &'a MastForest,
        faulty: BTreeMap<Word, usize>,
        patterns: &'a [Pattern],
        known: BTreeMap<u32, BTreeSet<usize>>,
    }

    impl Reached<'_> {
        fn from(&mut self, id: MastNodeId) -> BTreeSet<usize> {
            if let Some(known) = self.known.get(&id.into()) {
                return known.clone();
            }
            let node = &self.forest[id];
            let mut advisories: BTreeSet<usize> = self
                .faulty
                .get(&node.digest())
                .copied()
                .into_iter()
                .collect();
            let contained = contained(self.patterns, node).into_iter();
            advisories.extend(contained.map(|pattern| pattern.advisory));
            let mut children = Vec::new();
            node.for_each_child(|child| children.push(child));
            for child in children {
                advisories.extend(self.from(child));
            }
            self.known.insert(id.into(), advisories.clone());
            advisories
        }
    }

    /// The advisories in the text are those of the published code.
    #[test]
    fn published_code_has_the_advisories_that_it_is_said_to_have() {
        let faulty = ADVISORIES.iter().enumerate().flat_map(|(advisory, known)| {
            let digests = known.code.iter().map(|name| replaced()[*name]);
            digests.map(move |digest| (digest, advisory))
        });
        let forest = published_core_library().mast_forest();
        let mut reached = Reached {
            forest,
            faulty: faulty.collect(),
            patterns: &KNOWN.patterns,
            known: BTreeMap::new(),
        };
        let mut text = String::new();
        for (name, &digest) in replaced() {
            let node = forest.find_procedure_root(digest).expect("a procedure");
            let advisories = reached.from(node).into_iter();
            let ids: Vec<&str> = advisories.map(|number| ADVISORIES[number].id).collect();
            text += &format!("{name} {}\n", ids.join(" "));
        }
        assert_eq!(include_str!("../assets/advisories.txt"), text);
    }
}
