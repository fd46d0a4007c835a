//! The corrected procedures: right at the edges, and not to be lied to.

use miden_core::{
    Felt, Word,
    crypto::{
        hash::Rpo256,
        merkle::{InnerNodeInfo, MerkleStore, Mmr, Smt},
    },
};

use crate::support::{Code, Corrected, Lie, Published, proven, run};

const U64: [u64; 9] = [
    0,
    1,
    (1 << 32) - 1,
    1 << 32,
    u64::MAX,
    0x0123_4567_89ab_cdef,
    0xfedc_ba98_7654_3210,
    1 << 63,
    (1 << 63) - 1,
];

fn halves(n: u64) -> [u64; 2] {
    [n >> 32, n & 0xffff_ffff]
}

fn source(procedure: &str) -> String {
    let (module, _) = procedure.rsplit_once("::").expect("a module");
    let used = procedure.rsplit("::").take(2).collect::<Vec<_>>();
    format!(
        "use miden::core::{module}\nbegin exec.{}::{} end",
        used[1], used[0]
    )
}

fn u64_procedure(code: Code, name: &str, stack: &[u64]) -> Result<u64, String> {
    let stack = code.run(&source(&format!("math::u64::{name}")), stack, &Lie::none())?;
    assert_eq!(stack[2..], [0; 14]);
    Ok((stack[0] << 32) + stack[1])
}

#[test]
fn shifts_and_rotations_at_all_amounts() {
    type Shift = fn(u64, u32) -> u64;
    let shifts: [(&str, Shift); 4] = [
        ("shl", |n, by| n << by),
        ("shr", |n, by| n >> by),
        ("rotl", u64::rotate_left),
        ("rotr", u64::rotate_right),
    ];
    for (name, right) in shifts {
        for by in [0, 1, 15, 16, 30, 31, 32, 33, 40, 47, 62, 63] {
            for n in U64 {
                let [high, low] = halves(n);
                let given = u64_procedure(Corrected, name, &[by.into(), high, low]);
                assert_eq!(given, Ok(right(n, by)), "{name} of {n} by {by}");
            }
        }
        for by in [
            64,
            65,
            95,
            96,
            1 << 32,
            (1 << 32) + 1,
            0xffff_ffff_0000_0000,
        ] {
            let given = u64_procedure(Corrected, name, &[by, 1, 2]);
            assert!(given.is_err(), "{name} by {by}");
        }
    }
}

/// CVM-2026-004 and CVM-2026-005.
#[test]
fn published_shifts_and_rotations_are_wrong() {
    let all = [u32::MAX.into(); 2];
    let shifted = |name, by| u64_procedure(Published, name, &[by, all[0], all[1]]);
    assert_ne!(shifted("shr", 40), Ok(u64::MAX >> 40));
    assert_ne!(shifted("rotr", 0), Ok(u64::MAX));
    assert_ne!(shifted("rotr", 32), Ok(u64::MAX));
    assert!(shifted("rotl", 64).is_ok());
    // The wrong results of honest runs are proven like right ones.
    for (name, by, right) in [
        ("shr", 40, [0, u64::MAX >> 40]),
        ("rotr", 0, all),
        ("rotr", 32, all),
    ] {
        let source = source(&format!("math::u64::{name}"));
        let stack = [by, all[0], all[1]];
        let wrong = proven(&Published.assemble(&source), &stack, &Lie::none());
        assert_ne!(wrong[..2], right, "{name} by {by}");
        let given = Corrected.run(&source, &stack, &Lie::none());
        assert_eq!(given.expect("a number")[..2], right, "{name} by {by}");
    }
}

#[test]
fn leading_zeros_of_64_bits() {
    for n in U64 {
        let stack = Corrected.run(&source("math::u64::clz"), &halves(n), &Lie::none());
        assert_eq!(stack.expect("a number")[0], u64::from(n.leading_zeros()));
    }
}

const FALCON_DIV: &str = "miden::core::crypto::dsa::falcon512rpo::falcon_div";
const MOD_12289: &str = "crypto::dsa::falcon512rpo::mod_12289";

/// The quotient modulo 2^64 with which a remainder is accepted that is none.
fn quotient_for(a: u64, remainder: u64) -> u64 {
    // The inverse of an odd number modulo 2^64, by Newton's iteration.
    let inverse = (0..6).fold(12289_u64, |x, _| {
        x.wrapping_mul(2_u64.wrapping_sub(x.wrapping_mul(12289)))
    });
    a.wrapping_sub(remainder).wrapping_mul(inverse)
}

/// CVM-2026-003: 5 mod 12289 is 7.
#[test]
fn forged_remainders() {
    let source = source(MOD_12289);
    for (a, remainder) in [(5, 7), (5, 0), (u64::MAX, 1), (0, 12288)] {
        let quotient = quotient_for(a, remainder);
        let [high, low] = halves(quotient);
        let lie = Lie::at(FALCON_DIV, &[high, low, remainder]);
        let given = Published.run(&source, &halves(a), &lie);
        assert_eq!(given.map(|stack| stack[0]), Ok(remainder));
        assert!(Corrected.run(&source, &halves(a), &lie).is_err());
    }
    let [high, low] = halves(quotient_for(5, 7));
    let lie = Lie::at(FALCON_DIV, &[high, low, 7]);
    let program = Published.assemble(&source);
    assert_eq!(proven(&program, &[0, 5], &lie)[0], 7);
}

/// CVM-2026-003: a signature of any message, under a public key that nobody has a secret for. It is
/// zero, and so are all remainders.
#[test]
fn forged_falcon_signatures() {
    let key: Vec<Felt> = (0..512).map(|i| Felt::new((i * i + 7) % 12289)).collect();
    let commitment = Rpo256::hash_elements(&key);
    let message = word([1, 2, 3, 4]);
    let zeros = vec![Felt::new(0); 512 + 1024];
    let polynomials = [key, zeros].concat();
    let point = Rpo256::hash_elements(&polynomials);
    let nonce = vec![Felt::new(5); 8];
    let advice = [vec![point[0], point[1]], polynomials, nonce].concat();
    let advice: Vec<u64> = advice.iter().map(Felt::as_int).collect();
    let lie = Lie::stack(&advice).by(FALCON_DIV, |state| {
        let [high, low] = [1, 2].map(|index| state.get_stack_item(index).as_int());
        let quotient = quotient_for((high << 32) + low, 0);
        let [high, low] = halves(quotient);
        [high, low, 0].map(Felt::new).to_vec()
    });
    let source = source("crypto::dsa::falcon512rpo::verify");
    let stack = on_stack(&[commitment, message]);
    proven(&Published.assemble(&source), &stack, &lie);
    assert!(
        Published
            .run(&source, &stack, &Lie::stack(&advice))
            .is_err()
    );
    assert!(Corrected.run(&source, &stack, &lie).is_err());
}

#[test]
fn remainders_are_right_and_no_others_are_accepted() {
    let source = source(MOD_12289);
    for a in U64.into_iter().chain([12288, 12289, 12290]) {
        let given = Corrected.run(&source, &halves(a), &Lie::none());
        assert_eq!(given.expect("a remainder")[0], a % 12289);
        let (quotient, remainder) = (a / 12289, a % 12289);
        for (quotient, remainder) in [
            (quotient.wrapping_sub(1), remainder + 12289),
            (quotient.wrapping_add(1), remainder.wrapping_sub(12289)),
            (quotient, remainder + (1 << 32)),
            (quotient ^ (1 << 32), remainder),
        ] {
            let [high, low] = halves(quotient);
            let remainder = remainder % 0xffff_ffff_0000_0001;
            let lie = Lie::at(FALCON_DIV, &[high, low, remainder]);
            assert!(Corrected.run(&source, &halves(a), &lie).is_err(), "{a}");
        }
    }
}

/// Code that writes elements to memory.
fn store(address: usize, elements: &[u64]) -> String {
    let stores = (address..).zip(elements);
    let stores = stores.map(|(address, element)| format!("push.{element}.{address} mem_store "));
    stores.collect()
}

/// Code that leaves elements of memory on the stack, the first one on top.
fn load(address: usize, count: usize) -> String {
    let loads = (address..address + count).rev();
    loads
        .map(|address| format!("push.{address} mem_load "))
        .collect()
}

const AEAD_DECRYPT: &str = "stdlib::crypto::aead::decrypt";

/// A program that encrypts and decrypts with one key and nonce.
fn aead(body: &str) -> String {
    let keyed = |name: &str| format!("push.11.12.13.14 push.21.22.23.24 exec.aead::{name}");
    format!(
        "use miden::core::crypto::aead\nuse miden::core::sys\nbegin {} exec.sys::truncate_stack end",
        body.replace("encrypt", &keyed("encrypt"))
            .replace("decrypt", &keyed("decrypt"))
    )
}

#[test]
fn what_is_encrypted_is_decrypted() {
    let plaintext: Vec<u64> = (1..=24).collect();
    for blocks in [0, 1, 3] {
        let plaintext = &plaintext[..8 * blocks];
        let (padding, tag) = (1000 + 8 * blocks, 2008 + 8 * blocks);
        // Encrypted, with something behind the plaintext.
        let encrypted = format!(
            "{} {} push.{blocks}.2000.1000 encrypt push.{tag} mem_storew_be dropw",
            store(1000, plaintext),
            store(padding, &[7; 8])
        );
        let ciphertext = |code: Code| {
            let source = aead(&format!("{encrypted} {}", load(tag - 8, 12)));
            code.run(&source, &[], &Lie::none()).expect("a ciphertext")
        };
        assert_eq!(ciphertext(Corrected), ciphertext(Published));
        // What is behind the plaintext stays, on both sides.
        let there = |code: Code| {
            let source = aead(&format!("{encrypted} {}", load(padding, 8)));
            code.run(&source, &[], &Lie::none()).expect("memory")[..8] == [7; 8]
        };
        assert!(there(Corrected));
        assert!(!there(Published), "CVM-2026-007");
        let source = aead(&format!(
            "{encrypted} {} push.{blocks}.3000.2000 decrypt {}",
            store(3000 + 8 * blocks, &[9; 4]),
            load(3000, 12.min(8 * blocks + 4))
        ));
        let decrypted = Corrected
            .run(&source, &[], &Lie::none())
            .expect("a plaintext");
        let expected: Vec<u64> = plaintext.iter().copied().chain([9; 4]).take(12).collect();
        assert_eq!(decrypted[..expected.len()], expected);
        // One element of ciphertext, padding or tag is another.
        for changed in [2000, 2000 + 8 * blocks, 2015 + 8 * blocks - 8, tag, tag + 3] {
            let source = aead(&format!(
                "{encrypted} push.{changed} mem_load add.1 push.{changed} mem_store \
                 push.{blocks}.3000.2000 decrypt"
            ));
            assert!(Corrected.run(&source, &[], &Lie::none()).is_err());
        }
    }
}

/// CVM-2026-006: 16 elements of 77, with the tag of something else.
#[test]
fn forged_ciphertexts() {
    let plaintext: Vec<u64> = (1..=8).collect();
    let encrypted = aead(&format!(
        "{} push.1.2000.1000 encrypt",
        store(1000, &plaintext)
    ));
    let tag = Published.run(&encrypted, &[], &Lie::none()).expect("a tag");
    let tag: Vec<u64> = tag[..4].iter().rev().copied().collect();
    let source = aead(&format!(
        "{} {} push.1.3000.2000 decrypt {}",
        store(2000, &[77; 16]),
        store(2016, &tag),
        load(3000, 8)
    ));
    let lie = Lie::at(AEAD_DECRYPT, &plaintext);
    assert!(Corrected.run(&source, &[], &lie).is_err());
    let program = Published.assemble(&source);
    assert_eq!(proven(&program, &[], &lie)[..8], plaintext);
}

const FIND_WORD: &str = "miden::core::collections::sorted_array::lowerbound_array";
const FIND_KEY_VALUE: &str = "miden::core::collections::sorted_array::lowerbound_key_value";

/// A program that looks for a key in an array of entries at 1000, with something that looks like
/// entries at 2000.
fn search(procedure: &str, keys: &[u64], stride: usize) -> String {
    let mut memory = store(2004, &[0, 0, 0, 99, 0, 0, 0, 0, 0, 0, 0, 100]);
    for (entry, &key) in keys.iter().enumerate() {
        memory += &store(1000 + entry * stride, &[0, 0, key, key]);
    }
    format!(
        "use miden::core::collections::sorted_array
        begin {memory} exec.sorted_array::{procedure} end"
    )
}

/// Returns the stack that a search starts with.
fn searched(procedure: &str, keys: &[u64], stride: usize, key: u64) -> Vec<u64> {
    let end = (1000 + keys.len() * stride) as u64;
    match procedure {
        "find_half_key_value" => vec![key, key, 1000, end],
        _ => vec![key, key, 0, 0, 1000, end],
    }
}

const SEARCHES: [(&str, &str, usize); 3] = [
    ("find_word", FIND_WORD, 4),
    ("find_key_value", FIND_KEY_VALUE, 8),
    ("find_half_key_value", FIND_KEY_VALUE, 8),
];

#[test]
fn searches_find_the_one_place() {
    for (procedure, event, stride) in SEARCHES {
        for keys in [&[][..], &[10], &[10, 20], &[10, 20, 20, 30]] {
            for key in [5, 10, 15, 20, 25, 30, 35] {
                let place = keys.partition_point(|&there| there < key);
                let found = u64::from(keys.get(place) == Some(&key));
                let at = (1000 + place * stride) as u64;
                let end = (1000 + keys.len() * stride) as u64;
                let program = Corrected.assemble(&search(procedure, keys, stride));
                let stack = searched(procedure, keys, stride, key);
                let given = run(&program, &stack, &Lie::none()).expect("a place");
                assert_eq!(
                    given[..4],
                    [found, at, 1000, end],
                    "{procedure} {keys:?} {key}"
                );
                // Whatever else is said is refused.
                let mut places: Vec<u64> = (996..end + 8).step_by(2).collect();
                places.extend([0, 2004, 2008, 2012, 1 << 32, u64::MAX >> 1]);
                for place in places.into_iter().filter(|&place| place != at) {
                    for flag in [0, 1] {
                        let lie = Lie::at(event, &[place, flag]);
                        assert!(run(&program, &stack, &lie).is_err());
                    }
                }
                let lie = Lie::at(event, &[at, 1 - found]);
                assert_eq!(run(&program, &stack, &lie), Ok(given));
            }
        }
    }
}

/// CVM-2026-008: what is there is not found.
#[test]
fn forged_searches() {
    for (procedure, event, stride) in SEARCHES {
        let source = search(procedure, &[10, 20, 30], stride);
        // Something large, with nothing before it, that is not in the array.
        let memory = store(3000, &[0, 0, 99, 99]);
        // The published search leaves one zero more below it.
        let source = source
            .replace("begin", &format!("begin {memory}"))
            .replace(" end", " exec.::miden::core::sys::truncate_stack end");
        let stack = searched(procedure, &[10, 20, 30], stride, 20);
        let honest = Published.run(&source, &stack, &Lie::none());
        assert_eq!(honest.expect("a place")[0], 1);
        let lie = Lie::at(event, &[3000, 0]);
        let given = proven(&Published.assemble(&source), &stack, &lie);
        assert_eq!(given[..2], [0, 3000]);
        assert!(Corrected.run(&source, &stack, &lie).is_err());
    }
}

fn word(elements: [u64; 4]) -> Word {
    Word::new(elements.map(Felt::new))
}

/// Words on the stack, the first one on top.
fn on_stack(words: &[Word]) -> Vec<u64> {
    let elements = words.iter().flat_map(|word| word.iter().rev());
    elements.map(Felt::as_int).collect()
}

/// A host that has a tree.
fn host_with(tree: &Smt) -> Lie {
    let mut lie = Lie::none();
    lie.advice = lie
        .advice
        .with_merkle_store(tree.inner_nodes().collect::<MerkleStore>());
    for (_, leaf) in tree.leaves() {
        lie = lie.with_entry(leaf.hash(), &leaf.to_elements());
    }
    lie
}

#[test]
fn sparse_trees_are_read_and_written() {
    let key = |index, low| word([low, 0, 0, index]);
    let value = |n| word([n, n + 1, n + 2, n + 3]);
    let entries = [
        (key(1, 1), value(10)),
        (key(2, 1), value(20)),
        (key(2, 3), value(30)),
        (key(3, 1), value(40)),
        (key(3, 3), value(50)),
        (key(3, 5), value(60)),
    ];
    let tree = Smt::with_entries(entries).expect("a tree");
    let source = |name: &str| source(&format!("collections::smt::{name}"));
    let keys = [
        key(0, 1),
        key(1, 0),
        key(1, 1),
        key(1, 2),
        key(2, 0),
        key(2, 1),
        key(2, 2),
        key(2, 3),
        key(3, 1),
        key(3, 2),
        key(3, 3),
        key(3, 5),
        key(3, 6),
    ];
    for key in keys {
        let old = tree.get_value(&key);
        let host = host_with(&tree);
        let given = Corrected.run(&source("get"), &on_stack(&[key, tree.root()]), &host);
        let given = given.expect("a value");
        assert_eq!(given[..8], on_stack(&[old, tree.root()]), "get {key}");

        for new in [Word::default(), value(70), old] {
            let mut changed = tree.clone();
            changed.insert(key, new).expect("a tree");
            let stack = on_stack(&[new, key, tree.root()]);
            let given = Corrected
                .run(&source("set"), &stack, &host)
                .expect("a root");
            assert_eq!(
                given[..8],
                on_stack(&[old, changed.root()]),
                "set {key} to {new}"
            );
        }
    }
}

/// CVM-2026-009: a key that is there has no value, by a leaf that is not the tree's.
#[test]
fn forged_leaves() {
    let key = word([1, 0, 0, 5]);
    let tree = Smt::with_entries([(key, word([1, 2, 3, 4]))]).expect("a tree");
    let pairs = [
        word([2, 0, 0, 5]),
        word([9, 9, 9, 9]),
        word([3, 0, 0, 5]),
        word([8, 8, 8, 8]),
    ];
    let pairs: Vec<Felt> = pairs.iter().flat_map(|word| word.iter().copied()).collect();
    let leaf = Rpo256::hash_elements(&pairs);
    // Nodes whose hashes are not those of their children.
    let mut node = tree.root();
    let mut nodes = Vec::new();
    for level in 0..64 {
        let next = match level {
            63 => leaf,
            _ => word([level, 1, 1, 1]),
        };
        let right = 5_u64 >> (63 - level) & 1 == 1;
        let (left, right) = match right {
            true => (Word::default(), next),
            false => (next, Word::default()),
        };
        nodes.push(InnerNodeInfo {
            value: node,
            left,
            right,
        });
        node = next;
    }
    let mut lie = Lie::none().with_entry(leaf, &pairs);
    lie.advice = lie.advice.with_merkle_store(nodes.into_iter().collect());
    let source = source("collections::smt::set");
    let stack = on_stack(&[Word::default(), key, tree.root()]);
    let given = proven(&Published.assemble(&source), &stack, &lie);
    assert_eq!(given[..8], on_stack(&[Word::default(), tree.root()]));
    assert!(Corrected.run(&source, &stack, &lie).is_err());

    // And a leaf that has a key twice, or keys in another order.
    let value = |n| word([n; 4]);
    let other = word([2, 0, 0, 5]);
    for entries in [[key, key, other], [other, key, key], [other, key, other]] {
        let pairs = entries
            .iter()
            .zip(1..)
            .flat_map(|(&key, n)| [key, value(n)]);
        let pairs: Vec<Felt> = pairs.flat_map(|word| word.into_iter()).collect();
        let leaf = Rpo256::hash_elements(&pairs);
        let mut node = leaf;
        let mut nodes = Vec::new();
        for level in 0..64 {
            let (left, right) = match 5_u64 >> level & 1 {
                1 => (Word::default(), node),
                _ => (node, Word::default()),
            };
            let value = Rpo256::merge(&[left, right]);
            nodes.push(InnerNodeInfo { value, left, right });
            node = value;
        }
        let mut lie = Lie::none().with_entry(leaf, &pairs);
        lie.advice = lie.advice.with_merkle_store(nodes.into_iter().collect());
        let get = self::source("collections::smt::get");
        let stack = on_stack(&[key, node]);
        assert!(Corrected.run(&get, &stack, &lie).is_err());
        if entries == [key, key, other] {
            // Either of the two values can be read.
            let get = "use miden::core::collections::smt\nuse miden::core::sys
                begin exec.smt::get exec.sys::truncate_stack end";
            for (n, offset) in [(1, 0), (2, 8)] {
                let lie = lie.clone().by(FIND_KEY_VALUE, move |state| {
                    vec![state.get_stack_item(5) + Felt::new(offset), Felt::new(1)]
                });
                let given = proven(&Published.assemble(get), &stack, &lie);
                assert_eq!(given[..4], [n; 4]);
                assert!(Corrected.run(get, &stack, &lie).is_err());
            }
        }
        let stack = on_stack(&[value(7), key, node]);
        assert!(Corrected.run(&source, &stack, &lie).is_err());
    }
}

/// CVM-2026-010: four leaves are said to be one.
#[test]
fn forged_numbers_of_leaves() {
    let mut peaks = vec![Felt::new(0); 64];
    peaks[..4].copy_from_slice(&[1, 2, 3, 4].map(Felt::new));
    let with_leaves = |count: u64| {
        let count = [count, 0, 0, 0].map(Felt::new).into_iter();
        count.chain(peaks.iter().copied()).collect::<Vec<_>>()
    };
    let source = "use miden::core::collections::mmr
        begin push.1000 movdn.4 exec.mmr::unpack push.1000 mem_load swap drop end";
    let published = Rpo256::hash_elements(&peaks);
    for claim in [4, 1] {
        let lie = Lie::none().with_entry(published, &with_leaves(claim));
        let given = Published.run(source, &on_stack(&[published]), &lie);
        assert_eq!(given.map(|stack| stack[0]), Ok(claim));
        assert!(
            Corrected
                .run(source, &on_stack(&[published]), &lie)
                .is_err()
        );
    }
    let lie = Lie::none().with_entry(published, &with_leaves(1));
    let forged = proven(&Published.assemble(source), &on_stack(&[published]), &lie);
    assert_eq!(forged[0], 1);
    let corrected = Rpo256::hash_elements(&with_leaves(4));
    for claim in [4, 1, 2, 3, 8, 1 << 20, 1 << 40] {
        let lie = Lie::none().with_entry(corrected, &with_leaves(claim));
        let given = Corrected.run(source, &on_stack(&[corrected]), &lie);
        assert_eq!(given.ok().map(|stack| stack[0]), (claim == 4).then_some(4));
    }
    // What is packed has that hash, and is unpacked.
    let packed = format!(
        "use miden::core::collections::mmr\nuse miden::core::sys
        begin {} push.1000 exec.mmr::pack push.2000 movdn.4 exec.mmr::unpack
        {} exec.sys::truncate_stack end",
        store(1000, &[4, 0, 0, 0, 1, 2, 3, 4]),
        load(2000, 8)
    );
    let given = Corrected.run(&packed, &[], &Lie::none()).expect("memory");
    assert_eq!(given[..8], [4, 0, 0, 0, 1, 2, 3, 4]);
    let hash = format!(
        "use miden::core::collections::mmr\nuse miden::core::sys
        begin {} push.1000 exec.mmr::pack exec.sys::truncate_stack end",
        store(1000, &[4, 0, 0, 0, 1, 2, 3, 4])
    );
    let given = Corrected.run(&hash, &[], &Lie::none()).expect("a hash");
    assert_eq!(given[..4], on_stack(&[corrected]));
}

/// CVM-2026-011: a proof of nothing.
#[test]
fn forged_proofs_without_queries() {
    let source = "use miden::core::pcs::fri::frie2f4
        use miden::core::stark::constants
        begin
            exec.constants::fri_com_ptr exec.constants::set_fri_queries_address
            push.64 exec.constants::set_remainder_poly_size
            exec.frie2f4::verify
        end";
    proven(&Published.assemble(source), &[], &Lie::none());
    let error = Corrected
        .run(source, &[], &Lie::none())
        .expect_err("no queries");
    assert!(error.contains("there are no queries"), "{error}");
}

/// CVM-2026-012: with a challenge of -1, the public key itself and zero are a signature.
#[test]
fn forged_signatures_under_a_chosen_challenge() {
    // The base point, whose secret key is 1: any other does as well.
    let mut key = [0x66; 32];
    key[0] = 0x58;
    // The order of the group, less one.
    let mut challenge = [0; 64];
    challenge[..16].copy_from_slice(&[
        0xec, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14,
    ]);
    challenge[31] = 0x10;
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&key);
    let limbs = |bytes: &[u8]| -> Vec<u64> {
        let limbs = bytes.chunks(4);
        limbs
            .map(|limb| u32::from_le_bytes(limb.try_into().expect("four bytes")).into())
            .collect()
    };
    for verification in [
        "exec.eddsa_ed25519::verify_prehash",
        "exec.eddsa_ed25519::verify_prehash_impl exec.sys::log_precompile_request",
    ] {
        let source = format!(
            "use miden::core::crypto::dsa::eddsa_ed25519\nuse miden::core::sys
            begin {} {} {} push.1032.1008.1000 {verification} exec.sys::truncate_stack end",
            store(1000, &limbs(&key)),
            store(1008, &limbs(&challenge)),
            store(1032, &limbs(&signature))
        );
        let program = Published.assemble(&source);
        assert_eq!(proven(&program, &[], &Lie::none())[0], 1);
        let error = Corrected
            .run(&source, &[], &Lie::none())
            .expect_err("the challenge is anyone's");
        assert!(error.contains("use verify"), "{error}");
    }
}

/// CVM-2026-013: of nine leaves, the ninth of which is a peak itself, there is no eleventh.
#[test]
fn leaves_behind_the_last_one() {
    let mut range = Mmr::new();
    for leaf in 0..9 {
        range.add(word([leaf; 4]));
    }
    let peaks = range.peaks();
    let mut elements = vec![peaks.num_leaves() as u64, 0, 0, 0];
    elements.extend(
        peaks
            .peaks()
            .iter()
            .flat_map(|peak| peak.iter().map(Felt::as_int)),
    );
    let source = format!(
        "use miden::core::collections::mmr\nuse miden::core::sys
        begin {} push.1000 swap exec.mmr::get exec.sys::truncate_stack end",
        store(1000, &elements)
    );
    let mut host = Lie::none();
    host.advice = host.advice.with_merkle_store(range.inner_nodes().collect());
    let forged = proven(&Published.assemble(&source), &[10], &host);
    assert_eq!(forged[..4], [8; 4]);
    for position in 0..12 {
        let given = Corrected.run(&source, &[position], &host);
        let leaf = given.ok().map(|stack| stack[..4].to_vec());
        assert_eq!(leaf, (position < 9).then_some(vec![position; 4]));
    }
}

/// CVM-2026-014; what the published procedure accepts is shown where proofs of Miden VM are made.
#[test]
fn proofs_of_other_machines_are_not_verified() {
    let error = Corrected
        .run(&source("sys::vm::verify_proof"), &[10, 7, 0], &Lie::none())
        .expect_err("it shows nothing");
    assert!(error.contains("what it accepts shows nothing"), "{error}");
}
