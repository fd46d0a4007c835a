//! Words, against their order as keys of Merkle trees.

use miden_core::{LexicographicWord, Word, ZERO};

use crate::support::{Call, Samples, procedures};

/// Pairs of words that differ in some element, or in none.
fn pairs() -> Vec<(Word, Word)> {
    let mut samples = Samples::new(4);
    let word = samples.word();
    let mut pairs = vec![
        (word, word),
        (Word::default(), word),
        (word, samples.word()),
    ];
    for i in 0..4 {
        let mut other = word;
        other[i] = samples.felt();
        pairs.extend([(word, other), (other, word)]);
    }
    pairs
}

/// Checks a procedure of `[b, a]` with a flag as its result.
fn relation(procedure: &str, expected: impl Fn(&LexicographicWord, &LexicographicWord) -> bool) {
    for (a, b) in pairs() {
        let call = Call::new(&format!("word::{procedure}")).word(b).word(a);
        let expected = expected(&a.into(), &b.into());
        assert_eq!(
            call.top(),
            [u64::from(expected)],
            "{procedure} of {a} and {b}"
        );
    }
}

/// The zero word, and words with one element that is not zero.
fn nearly_zero() -> Vec<Word> {
    let mut words = vec![Word::default()];
    for i in 0..4 {
        let mut word = Word::default();
        word[i] = Samples::new(i as u64).felt();
        words.push(word);
    }
    words
}

procedures! { "::miden::core::word";
    fn reverse() {
        let [top, below] = Call::new("word::reverse").stack([1_u64, 2, 3, 4]).top();
        assert_eq!([top, below], [4, 3]);
    }

    fn store_word_u32s_le() {
        let word = Samples::new(1).word();
        let outcome = Call::new("word::store_word_u32s_le").word(word).stack([40_u32]).run();
        let limbs = word.into_iter().flat_map(|element| {
            let value = element.as_int();
            [value & u64::from(u32::MAX), value >> 32]
        });
        for (addr, limb) in (40..48).zip(limbs) {
            assert_eq!(outcome.memory[&addr].as_int(), limb, "address {addr}");
        }
        assert!(outcome.stack.iter().all(|&element| element == ZERO));
    }

    fn eqz() {
        for word in nearly_zero() {
            let expected = u64::from(word == Word::default());
            assert_eq!(Call::new("word::eqz").word(word).top(), [expected]);
        }
    }

    fn testz() {
        for word in nearly_zero() {
            let expected = u64::from(word == Word::default());
            let [w0, w1, w2, w3] = word.map(|element| element.as_int());
            let result = Call::new("word::testz").word(word).top();
            assert_eq!(result, [expected, w3, w2, w1, w0]);
        }
    }

    fn gt() {
        relation("gt", |a, b| a > b);
    }

    fn gte() {
        relation("gte", |a, b| a >= b);
    }

    fn lt() {
        relation("lt", |a, b| a < b);
    }

    fn lte() {
        relation("lte", |a, b| a <= b);
    }

    fn eq() {
        relation("eq", |a, b| a == b);
    }

    fn test_eq() {
        relation("test_eq", |a, b| a == b);
        let (a, b) = (Samples::new(2).word(), Samples::new(3).word());
        let stack = Call::new("word::test_eq").word(b).word(a).run().stack;
        assert_eq!(crate::support::word_at(&stack, 1), b);
        assert_eq!(crate::support::word_at(&stack, 5), a);
    }
}
