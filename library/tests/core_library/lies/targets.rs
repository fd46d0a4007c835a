//! Everything that takes advice, on inputs.

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
    pcs::frie2f4,
    stark::verifier,
    support::{Call, Code, Samples},
    vm::proof,
};

/// Something that takes advice, on some inputs. All calls are of one program.
#[derive(Clone)]
pub struct Target {
    /// The instruction, or the procedure's path.
    pub name: &'static str,
    pub calls: Vec<Call>,
    /// `true` if what it takes is what it is there to give, so that lies are let through.
    pub is_open: bool,
}

impl Target {
    fn new(name: &'static str, calls: Vec<Call>) -> Self {
        Self {
            name,
            calls,
            is_open: false,
        }
    }

    fn open(name: &'static str, call: Call) -> Self {
        Self {
            name,
            calls: vec![call],
            is_open: true,
        }
    }
}

/// An instruction or a procedure, on stacks.
fn on_stacks<const N: usize>(name: &'static str, stacks: &[[u64; N]]) -> Target {
    let calls = stacks.iter().map(|stack| Call::new(name).stack(*stack));
    Target::new(name, calls.collect())
}

fn halves(value: u64) -> [u64; 2] {
    [value >> 32, value & 0xffff_ffff]
}

const P: u64 = Felt::MODULUS;

/// All instructions that take advice.
pub fn instructions() -> Vec<Target> {
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
        vec![
            Target::open("adv_push", Call::new("adv_push.1").advice([5_u32])),
            Target::open("adv_loadw", Call::new("adv_loadw").advice([5_u32; 4])),
            Target::open(
                "adv_pipe",
                Call::new("adv_pipe")
                    .stack([0_u32; 12])
                    .stack([40_u32])
                    .advice([5_u32; 8]),
            ),
        ],
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
        Target::new(
            "mtree_get",
            calls(&|position| at("mtree_get", position).word(tree.root())),
        ),
        Target::new(
            "mtree_set",
            calls(&|position| at("mtree_set", position).word(tree.root()).word(new)),
        ),
        Target::new(
            "mtree_verify",
            calls(&|(depth, index)| {
                let call = Call::new("mtree_verify").word(node(depth, index));
                call.stack([depth, index]).word(tree.root())
            }),
        ),
        Target::new(
            "mtree_merge",
            vec![Call::new("mtree_merge").word(leaves[0]).word(leaves[1])],
        ),
    ]
}

/// All procedures that take advice, and others that did.
pub fn procedures(code: Code) -> Vec<Target> {
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
    let target = Target::new;
    const LOG: &str = "exec.sys::log_precompile_request";
    // What leaves a commitment has callers that log it.
    let hashed = |name, after: &str| {
        let lens = [0_usize, 1, 32, 136];
        let call = |len| precompiled::call(name, &Samples::new(5).bytes(len)).after(after);
        let calls = lens.map(call);
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
        target(
            "crypto::dsa::falcon512rpo::compute_s1_norm_sq",
            vec![falcon512rpo::norm_call()],
        ),
        target("crypto::dsa::falcon512rpo::verify", falcon512rpo::calls()),
        target(
            "crypto::dsa::ecdsa_k256_keccak::verify_prehash",
            ecdsa_k256_keccak::signed().prehash_calls("verify_prehash", ""),
        ),
        target(
            "crypto::dsa::ecdsa_k256_keccak::verify_prehash_impl",
            ecdsa_k256_keccak::signed().prehash_calls("verify_prehash_impl", LOG),
        ),
        // A signature is valid with whatever says which of two keys could have made it.
        target(
            "crypto::dsa::ecdsa_k256_keccak::verify",
            ecdsa_k256_keccak::signed()
                .calls()
                .into_iter()
                .map(Call::with_advice_as_input)
                .collect(),
        ),
        target(
            "crypto::dsa::eddsa_ed25519::verify_prehash",
            eddsa_ed25519::signed().prehash_calls("verify_prehash", ""),
        ),
        target(
            "crypto::dsa::eddsa_ed25519::verify_prehash_impl",
            eddsa_ed25519::signed().prehash_calls("verify_prehash_impl", LOG),
        ),
        target(
            "crypto::dsa::eddsa_ed25519::verify",
            eddsa_ed25519::signed().calls(),
        ),
        target("crypto::aead::decrypt", aead::decrypt_calls()),
        hashed("crypto::hashes::keccak256::hash_bytes", ""),
        hashed("crypto::hashes::keccak256::hash_bytes_impl", LOG),
        hashed("crypto::hashes::sha512::hash_bytes", ""),
        hashed("crypto::hashes::sha512::hash_bytes_impl", LOG),
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
        target("collections::mmr::unpack", mmr::unpack_calls(code)),
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
            "mem::pipe_words_to_memory",
            vec![mem::pipe_call("pipe_words_to_memory")],
        ),
        target(
            "mem::pipe_double_words_to_memory",
            vec![mem::pipe_call("pipe_double_words_to_memory")],
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
        Target::open("pcs::fri::frie2f4::preprocess", frie2f4::preprocess_call()),
        target("pcs::fri::frie2f4::verify", frie2f4::verify_calls()),
        target("stark::verifier::verify", vec![verifier::call()]),
        target("sys::vm::verify_proof", vec![proof::call()]),
    ]
}
