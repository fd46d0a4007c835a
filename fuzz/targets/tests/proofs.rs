//! Nothing passes for a proof but the proof, and nothing for its statement but the statement.

use miden_cvm::{Expectations, OptionSet, Statement, verify};
use miden_cvm_fuzz::{Known, another, flip, known};

fn accepts(Known { statement, .. }: &Known, proof: &[u8]) -> bool {
    verify(
        statement,
        proof,
        &Expectations::from(OptionSet::Regular96.level()),
    )
    .is_ok()
}

/// Where the number of bytes of the STARK proof stands.
const LENGTH: std::ops::Range<usize> = 8..12;

/// Number of bytes of the header.
const HEADER: usize = 16;

/// The same with a header that announces as many bytes as there are.
fn announced(mut proof: Vec<u8>) -> Vec<u8> {
    let length = (proof.len() - HEADER) as u32;
    proof[LENGTH].copy_from_slice(&length.to_le_bytes());
    proof
}

/// All bits of the header, the parameters and the commitments, of the remainder and the nonce; of
/// what is between, every 41st, so that all bits of bytes take turns. `cargo run --release -p
/// miden-cvm-fuzz --bin flips` changes every one of them.
#[test]
fn changed_bits_are_refused() {
    let bits = 8 * known().proof.len();
    let (head, tail) = (8 * 500, bits - 8 * 100);
    let chosen: Vec<usize> = (0..head)
        .chain((head..tail).step_by(41))
        .chain(tail..bits)
        .collect();
    let flips = flip(known(), chosen.clone());
    assert_eq!(flips.count(), chosen.len());
    assert!(flips.accepted.is_empty(), "{flips:?}");
    for reason in ["header", "rejected"] {
        assert!(flips.refused.contains_key(reason), "{flips:?}");
    }
}

#[test]
fn shorter_and_longer_proofs_are_refused() {
    let whole = &known().proof;
    let lengths = (0..2 * HEADER).chain((HEADER..whole.len()).step_by(97));
    for length in lengths.chain([whole.len() - 1]) {
        let short = whole[..length].to_vec();
        assert!(!accepts(known(), &short), "{length} bytes");
        if length >= HEADER {
            assert!(!accepts(known(), &announced(short)), "{length} bytes");
        }
    }
    for more in [&[0][..], &[0xff; 8], &whole[..HEADER], whole] {
        let long = [whole, more].concat();
        assert!(!accepts(known(), &long));
        assert!(!accepts(known(), &announced(long)));
    }
}

#[test]
fn spliced_proofs_are_refused() {
    let (one, two) = (known(), another());
    let pairs = [(one, two), (two, one)];
    for (first, second) in pairs {
        for cut in (0..first.proof.len()).step_by(211) {
            // Two proofs have as many bytes as their queries need, and so have their parts.
            for end in [
                cut,
                (second.proof.len() + cut).saturating_sub(first.proof.len()),
            ] {
                let rest = second.proof.get(end..).unwrap_or_default();
                let spliced = announced_if_long([&first.proof[..cut], rest].concat());
                for known in [one, two] {
                    let valid = spliced == known.proof;
                    assert_eq!(accepts(known, &spliced), valid, "cut at {cut}");
                }
            }
        }
    }
    assert!(!accepts(one, &two.proof) && !accepts(two, &one.proof));
}

fn announced_if_long(proof: Vec<u8>) -> Vec<u8> {
    match proof.len() {
        0..HEADER => proof,
        _ => announced(proof),
    }
}

/// Whatever bit of a statement's text changes, it is no statement, or one that the proof is not of.
#[test]
fn changed_statements_are_refused() {
    let text = serde_json::to_vec_pretty(&known().statement).expect("JSON");
    let mut others = 0;
    for bit in 0..8 * text.len() {
        let mut changed = text.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        if let Ok(statement) = serde_json::from_slice::<Statement>(&changed) {
            let verified = verify(
                &statement,
                &known().proof,
                &Expectations::from(OptionSet::Regular96.level()),
            );
            assert!(verified.is_err(), "bit {bit}");
            others += 1;
        }
    }
    assert!(others > 64, "only {others} texts are statements");
}
