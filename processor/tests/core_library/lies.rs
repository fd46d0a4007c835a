//! The lying host: every instruction whose expansion takes advice, and every procedure of the core
//! library that takes some.
//!
//! `LIES=10000 cargo test --release -p miden-cvm-processor --test core_library lies -- --nocapture`
//! tells more lies than the tests do, and prints the table of the book.

use miden_core::{
    Felt, StarkField, Word,
    crypto::merkle::{MerkleTree, NodeIndex},
};

use crate::{
    aead,
    collections::{mmr, smt, sorted_array},
    dsa::{ecdsa_k256_keccak, eddsa_ed25519, falcon512rpo},
    hashes::precompiled,
    mem,
    support::{Call, Samples},
};

/// Something that takes advice, on some inputs. All calls are of one program.
#[derive(Clone)]
struct Target {
    name: &'static str,
    calls: Vec<Call>,
}

/// An instruction or a procedure, on stacks.
fn on_stacks<const N: usize>(name: &'static str, stacks: &[[u64; N]]) -> Target {
    let calls = stacks.iter().map(|stack| Call::new(name).stack(*stack));
    Target {
        name,
        calls: calls.collect(),
    }
}

fn halves(value: u64) -> [u64; 2] {
    [value >> 32, value & 0xffff_ffff]
}

const P: u64 = Felt::MODULUS;

fn instructions() -> Vec<Target> {
    const BITS: [[u64; 1]; 13] = [
        [0],
        [1],
        [2],
        [3],
        [5],
        [0xffff],
        [0x1_0000],
        [0x7fff_ffff],
        [0x8000_0000],
        [0x8000_0001],
        [0xffff_0000],
        [0xffff_fffe],
        [0xffff_ffff],
    ];
    let logarithms = [
        1,
        2,
        3,
        0xffff_ffff,
        1 << 32,
        (1 << 32) + 1,
        (1 << 40) + 1,
        1 << 63,
        P - 1,
    ];
    let pairs = [[1, 0], [0, 1], [7, 1 << 32], [P - 1, P - 1]];
    let quotients = [
        [1, 0, 7, 9],
        [0, 1, 0, 0],
        [7, 1 << 32, P - 1, 1],
        [P - 1, 2, 3, 4],
    ];
    [
        vec![
            on_stacks("u32clz", &BITS),
            on_stacks("u32ctz", &BITS),
            on_stacks("u32clo", &BITS),
            on_stacks("u32cto", &BITS),
            on_stacks("ilog2", &logarithms.map(|n| [n])),
            on_stacks("ext2inv", &pairs),
            on_stacks("ext2div", &quotients),
        ],
        merkle(),
    ]
    .concat()
}

/// The instructions of Merkle trees.
fn merkle() -> Vec<Target> {
    let leaves: Vec<Word> = (0..8).map(|seed| Samples::new(seed).word()).collect();
    let tree = MerkleTree::new(&leaves).expect("eight leaves");
    let trees = |call: Call| call.trees(tree.inner_nodes());
    let positions = [(3, 0), (3, 7), (2, 1), (1, 1)];
    let node = |depth: u64, index: u64| {
        let index = NodeIndex::new(depth as u8, index).expect("the node exists");
        tree.get_node(index).expect("the node exists")
    };
    let at = |name: &str, (depth, index)| Call::new(name).stack([depth, index]);
    let calls = |call: &dyn Fn((u64, u64)) -> Call| positions.map(|at| trees(call(at))).to_vec();
    let new = Samples::new(9).word();
    vec![
        Target {
            name: "mtree_get",
            calls: calls(&|position| at("mtree_get", position).word(tree.root())),
        },
        Target {
            name: "mtree_set",
            calls: calls(&|position| at("mtree_set", position).word(tree.root()).word(new)),
        },
        Target {
            name: "mtree_verify",
            calls: calls(&|(depth, index)| {
                let call = Call::new("mtree_verify").word(node(depth, index));
                call.stack([depth, index]).word(tree.root())
            }),
        },
        Target {
            name: "mtree_merge",
            calls: vec![Call::new("mtree_merge").word(leaves[0]).word(leaves[1])],
        },
    ]
}

fn procedures() -> Vec<Target> {
    let dividends = [
        [5, 7],
        [7, 5],
        [u64::MAX, 1],
        [u64::MAX, u64::MAX],
        [u64::MAX, 1 << 32],
        [1 << 32, 0xffff_ffff],
        [0x0123_4567_89ab_cdef, 6],
        [3, 1 << 63],
        [9, 0],
    ];
    let divisions: Vec<[u64; 4]> = dividends
        .map(|[a, b]| {
            [halves(b), halves(a)]
                .concat()
                .try_into()
                .expect("two halves each")
        })
        .to_vec();
    let numbers = [
        0,
        1,
        5,
        12_288,
        12_289,
        12_290,
        0xffff_ffff,
        1 << 32,
        1 << 40,
        u64::MAX,
    ];
    let numbers: Vec<[u64; 2]> = numbers.map(halves).to_vec();
    let lift = 512 * 12_289 * 12_289;
    let differences = [
        [0, lift, 0, 5],
        [77, 2 * lift - 1, 0xffff_fffe, 0],
        [lift - 1, lift + 3, 0, 9],
    ];
    let target = |name, calls| Target { name, calls };
    let hashed = |name| {
        let lens = [0_usize, 1, 32, 136];
        let calls = lens.map(|len| precompiled::call(name, &Samples::new(5).bytes(len)));
        target(name, calls.to_vec())
    };
    let on_stack = |name, len| {
        let limbs = precompiled::limbs(&Samples::new(5).bytes(len));
        target(name, vec![Call::new(name).stack(limbs)])
    };
    vec![
        on_stacks("math::u64::div", &divisions),
        on_stacks("math::u64::mod", &divisions),
        on_stacks("math::u64::divmod", &divisions),
        on_stacks("math::u64::clz", &numbers),
        on_stacks("math::u64::ctz", &numbers),
        on_stacks("math::u64::clo", &numbers),
        on_stacks("math::u64::cto", &numbers),
        on_stacks("crypto::dsa::falcon512rpo::mod_12289", &numbers),
        on_stacks("crypto::dsa::falcon512rpo::diff_mod_M", &differences),
        target(
            "crypto::dsa::falcon512rpo::load_h_s2_and_product",
            vec![falcon512rpo::load_call()],
        ),
        target("crypto::dsa::falcon512rpo::verify", falcon512rpo::calls()),
        target(
            "crypto::dsa::ecdsa_k256_keccak::verify_prehash",
            ecdsa_k256_keccak::signed().prehash_calls("verify_prehash"),
        ),
        target(
            "crypto::dsa::ecdsa_k256_keccak::verify",
            ecdsa_k256_keccak::signed().calls(),
        ),
        target(
            "crypto::dsa::eddsa_ed25519::verify_prehash",
            eddsa_ed25519::signed().prehash_calls("verify_prehash"),
        ),
        target(
            "crypto::dsa::eddsa_ed25519::verify",
            eddsa_ed25519::signed().calls(),
        ),
        target("crypto::aead::decrypt", aead::decrypt_calls()),
        hashed("crypto::hashes::keccak256::hash_bytes"),
        hashed("crypto::hashes::sha512::hash_bytes"),
        on_stack("crypto::hashes::keccak256::hash", 32),
        on_stack("crypto::hashes::keccak256::merge", 64),
        target("collections::smt::get", smt::calls("get", None)),
        target(
            "collections::smt::set",
            [
                smt::calls("set", Some(Word::default())),
                smt::calls("set", Some(Samples::new(7).word())),
            ]
            .concat(),
        ),
        target("collections::mmr::get", mmr::get_calls()),
        target("collections::mmr::unpack", mmr::unpack_calls()),
        target("collections::mmr::add", mmr::peaks_calls("add")),
        target("collections::mmr::pack", mmr::peaks_calls("pack")),
        target(
            "collections::sorted_array::find_word",
            sorted_array::calls("find_word"),
        ),
        target(
            "collections::sorted_array::find_key_value",
            sorted_array::calls("find_key_value"),
        ),
        target(
            "collections::sorted_array::find_half_key_value",
            sorted_array::calls("find_half_key_value"),
        ),
        target(
            "mem::pipe_preimage_to_memory",
            vec![mem::preimage_call("pipe_preimage_to_memory", 3)],
        ),
        target(
            "mem::pipe_double_words_preimage_to_memory",
            vec![mem::preimage_call(
                "pipe_double_words_preimage_to_memory",
                4,
            )],
        ),
    ]
}

/// Lies told to each call.
const LIES: u64 = 200;

/// Lies told to calls that take many cycles, and to those of few cycles whose faults are harder to
/// find.
const OTHER_COUNTS: &[(&str, u64)] = &[
    ("crypto::dsa::falcon512rpo::verify", 16),
    ("crypto::dsa::falcon512rpo::load_h_s2_and_product", 16),
    ("crypto::dsa::falcon512rpo::mod_12289", 4000),
];

/// Tells lies to all targets; returns the names of those that let one through.
fn let_through(targets: Vec<Target>) -> Vec<&'static str> {
    let more = std::env::var("LIES")
        .ok()
        .and_then(|lies| lies.parse().ok());
    let mut names = Vec::new();
    for Target { name, calls } in targets {
        let count = OTHER_COUNTS.iter().find(|(other, _)| *other == name);
        let lies = more.unwrap_or(count.map_or(LIES, |&(_, count)| count));
        let mut found = Vec::new();
        let (mut told, mut refused, mut same, mut accepted) = (0, 0, 0, 0);
        for (i, call) in calls.iter().enumerate() {
            let others = [&calls[..i], &calls[i + 1..]].concat();
            let report = call.lies(&others, lies);
            let total = report.total();
            told += total.refused + total.same + total.cut_off + total.accepted;
            refused += total.refused;
            same += total.same;
            accepted += total.accepted;
            found.extend(report.findings.into_iter().map(|finding| (i, finding)));
        }
        if more.is_some() {
            println!("| `{name}` | {told} | {refused} | {same} | {accepted} |");
        }
        if let Some((i, finding)) = found.first() {
            println!("{name}, call {i}: {finding:?}");
            names.push(name);
        }
    }
    names
}

/// What lets lies through in Miden's core library and assembler 0.20.6, and is found by as many lies as
/// the tests tell.
const FOUND: &[&str] = &[
    "u32clz",
    "ilog2",
    "math::u64::clz",
    "crypto::dsa::falcon512rpo::mod_12289",
    "crypto::aead::decrypt",
    "collections::smt::set",
    "collections::mmr::get",
    "collections::mmr::unpack",
    "collections::sorted_array::find_word",
];

/// What lets lies through as well, but takes more of them.
const FAULTY: &[&str] = &[
    "crypto::dsa::falcon512rpo::diff_mod_M",
    "crypto::dsa::falcon512rpo::verify",
    "collections::smt::get",
    "collections::sorted_array::find_key_value",
    "collections::sorted_array::find_half_key_value",
];

#[test]
fn lies_to_the_published_library_are_found() {
    let found = let_through([instructions(), procedures()].concat());
    let missed: Vec<_> = FOUND.iter().filter(|name| !found.contains(name)).collect();
    assert!(missed.is_empty(), "not found: {missed:?}");
    let known = [FOUND, FAULTY].concat();
    let new: Vec<_> = found.iter().filter(|name| !known.contains(name)).collect();
    assert!(new.is_empty(), "not known: {new:?}");
}
