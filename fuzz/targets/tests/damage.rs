//! A fixed number of changed and random inputs for every target, with a bound on memory: what fuzzers
//! look for without end.

use std::alloc::{GlobalAlloc, Layout, System};

use miden_cvm_fuzz::{TARGETS, Target};
use proptest::{
    collection::vec,
    prelude::*,
    sample::Index,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};

/// The most bytes that may be asked for at once. All inputs here are far smaller, so who asks for more
/// believes a number in them.
const LARGEST: usize = 1 << 26;

/// Refuses to allocate more than [`LARGEST`] bytes at once, which ends the test.
struct Bounded;

// SAFETY: everything is left to the system's allocator, or refused.
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() > LARGEST {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller keeps to the contract of this very function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer is from `alloc`, so from the system.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Bounded = Bounded;

/// A change of a file.
#[derive(Debug, Clone)]
enum Damage {
    /// Some bits of a byte flip.
    Flip(Index, u8),
    /// The file ends early.
    Truncate(Index),
    /// Bytes come in between.
    Insert(Index, Vec<u8>),
    /// A stretch is repeated at the end.
    Repeat(Index, Index),
    /// A stretch is left out.
    Remove(Index, usize),
    /// A word, or what is between two words, stands where another did.
    Exchange(Index, Index),
    /// Eight bytes are a huge number.
    Huge(Index),
    /// A digit becomes many.
    Digits(Index),
    /// Thousands of brackets open.
    Nest(Index, char),
    /// All is random.
    Noise(Vec<u8>),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<Index>;
    prop_oneof![
        4 => (at(), 1..=u8::MAX).prop_map(|(at, bits)| Damage::Flip(at, bits)),
        1 => at().prop_map(Damage::Truncate),
        2 => (at(), vec(any::<u8>(), 1..9)).prop_map(|(at, new)| Damage::Insert(at, new)),
        1 => (at(), at()).prop_map(|(from, to)| Damage::Repeat(from, to)),
        2 => (at(), 1..40_usize).prop_map(|(at, len)| Damage::Remove(at, len)),
        5 => (at(), at()).prop_map(|(to, from)| Damage::Exchange(to, from)),
        2 => at().prop_map(Damage::Huge),
        2 => at().prop_map(Damage::Digits),
        1 => (at(), prop::sample::select(vec!['(', '[', '{', '<']))
            .prop_map(|(at, bracket)| Damage::Nest(at, bracket)),
        1 => vec(any::<u8>(), 0..300).prop_map(Damage::Noise),
    ]
}

impl Damage {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let at = |index: &Index| index.index(bytes.len());
        match self {
            Self::Flip(place, bits) => {
                let place = at(place);
                bytes[place] ^= bits;
            }
            Self::Truncate(place) => bytes.truncate(at(place)),
            Self::Insert(place, new) => {
                let place = at(place);
                bytes.splice(place..place, new.iter().copied());
            }
            Self::Repeat(from, to) => {
                let (from, to) = (at(from), at(to));
                let again = bytes[from.min(to)..from.max(to)].to_vec();
                bytes.extend(again);
            }
            Self::Remove(place, len) => {
                let place = at(place);
                let end = (place + len).min(bytes.len());
                bytes.drain(place..end);
            }
            Self::Exchange(to, from) => {
                let words = words(bytes);
                let word = |index: &Index| words[index.index(words.len())].clone();
                let (to, from) = (word(to), word(from));
                let new = bytes[from].to_vec();
                bytes.splice(to, new);
            }
            Self::Huge(place) => {
                let place = at(place);
                let end = (place + 8).min(bytes.len());
                bytes[place..end].fill(0xff);
            }
            Self::Digits(place) => {
                let digits: Vec<usize> = (0..bytes.len())
                    .filter(|&i| bytes[i].is_ascii_digit())
                    .collect();
                if !digits.is_empty() {
                    let place = digits[place.index(digits.len())];
                    bytes.splice(place..=place, *b"99999999999999999999");
                }
            }
            Self::Nest(place, bracket) => {
                let place = at(place);
                let brackets = vec![*bracket as u8; 5000];
                bytes.splice(place..place, brackets);
            }
            Self::Noise(noise) => *bytes = noise.clone(),
        }
    }
}

/// The stretches of bytes that belong to words, and those that do not.
fn words(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let in_word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let mut words: Vec<std::ops::Range<usize>> = Vec::new();
    for (i, &byte) in bytes.iter().enumerate() {
        match words.last_mut() {
            Some(word) if in_word(bytes[word.start]) == in_word(byte) => word.end = i + 1,
            _ => words.push(i..i + 1),
        }
    }
    words
}

/// The number of cases if `PROPTEST_CASES` is not set.
const DEFAULT_CASES: usize = 256;

/// Checks the inputs to start from, and this many that come of them; `PROPTEST_CASES` makes it more.
fn damaged(name: &str, count: usize) {
    let Target { check, seeds, .. } = TARGETS
        .into_iter()
        .find(|target| target.name == name)
        .expect("a target");
    let seeds = seeds();
    for seed in &seeds {
        check(seed);
    }
    check(&[]);
    let config = Config::default();
    let count = count * config.cases as usize / DEFAULT_CASES;
    let mut runner = TestRunner::new(config);
    let changes = (any::<Index>(), vec(damage(), 1..4));
    for _ in 0..count {
        let drawn = changes.new_tree(&mut runner).expect("changes").current();
        let (seed, damages) = &drawn;
        let mut bytes = seed.get(&seeds).clone();
        for damage in damages {
            damage.apply(&mut bytes);
        }
        let checked = std::panic::catch_unwind(|| check(&bytes));
        assert!(checked.is_ok(), "{drawn:?}");
    }
}

#[test]
fn proofs() {
    damaged("proof", 400);
}

#[test]
fn statements() {
    damaged("statement", 400);
}

#[test]
fn packages() {
    damaged("package", 300);
}

#[test]
fn components() {
    damaged("component", 40);
}

#[test]
fn sources() {
    damaged("source", 60);
}

#[test]
fn modules() {
    damaged("modules", 60);
}

#[test]
fn wasm() {
    damaged("wasm", 60);
}

#[test]
fn names() {
    damaged("names", 300);
}

#[test]
fn worlds() {
    damaged("wit", 100);
}

#[test]
fn compositions() {
    damaged("composition", 24);
}

#[test]
fn documents() {
    damaged("wac", 40);
}

#[test]
fn inputs() {
    damaged("inputs", 600);
}
