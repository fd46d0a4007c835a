//! The lying host: every instruction whose expansion takes advice, and every procedure of the core
//! library that takes some; as published, and as corrected.
//!
//! `LIES=10000 cargo test --release -p miden-cvm-library --test core_library lies -- --nocapture
//! --test-threads 1` tells each of them so many lies, and prints the tables of the book.

mod coverage;
mod targets;

use miden_cvm_audit::advice::{Finding, LieTally};
use miden_cvm_library::corrected_instructions;

use self::targets::{Target, instructions, procedures};
use crate::support::{Code, Corrected, Published, digest_in};

/// Lies told to each target, one call after the other.
const LIES: u64 = 1000;

/// Lies told to those whose calls take many cycles, and to one of few cycles whose faults are harder
/// to find.
const OTHER_COUNTS: &[(&str, u64)] = &[
    ("crypto::dsa::falcon512rpo::verify", 16),
    ("crypto::dsa::falcon512rpo::load_h_s2_and_product", 16),
    ("crypto::dsa::falcon512rpo::compute_s1_norm_sq", 16),
    ("crypto::dsa::falcon512rpo::mod_12289", 40_000),
    ("collections::sorted_array::find_word", 4000),
    ("pcs::fri::frie2f4::verify", 100),
    ("stark::verifier::verify", 24),
];

/// Returns the number of lies that a target is told here.
fn lies(name: &str) -> u64 {
    let other = OTHER_COUNTS.iter().find(|(other, _)| *other == name);
    other.map_or(LIES, |&(_, count)| count)
}

/// Tells lies to a target; returns how they went, and what it let through.
fn tell(code: Code, Target { name, calls, .. }: &Target) -> (LieTally, Vec<Finding>) {
    let more = std::env::var("LIES")
        .ok()
        .and_then(|lies| lies.parse().ok());
    let count: u64 = more.unwrap_or_else(|| lies(name));
    let mut tally = LieTally::default();
    let mut findings = Vec::new();
    for (i, call) in calls.iter().enumerate() {
        let others = [&calls[..i], &calls[i + 1..]].concat();
        let report = call.lies(code, &others, count.div_ceil(calls.len() as u64));
        tally.add(report.total());
        findings.extend(report.findings);
    }
    if more.is_some() {
        let LieTally {
            refused,
            same,
            cut_off,
            accepted,
        } = tally;
        println!("| `{name}` | {refused} | {same} | {cut_off} | {accepted} |");
    }
    (tally, findings)
}

/// A lie in a line.
fn told(finding: &Finding) -> String {
    let Finding {
        number,
        kind,
        place,
        lied,
        ..
    } = finding;
    let shown = &lied[..lied.len().min(8)];
    format!("lie {number} ({}) in {place}: {shown:?}", kind.name())
}

/// The code that lets lies through in Miden's core library and assembler 0.20.6, and is found by as
/// many lies as the tests tell.
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

/// The code that lets lies through as well, but takes more of them.
const FAULTY: &[&str] = &[
    "crypto::dsa::falcon512rpo::diff_mod_M",
    "crypto::dsa::falcon512rpo::compute_s1_norm_sq",
    "crypto::dsa::falcon512rpo::verify",
    "collections::smt::get",
    "collections::sorted_array::find_key_value",
    "collections::sorted_array::find_half_key_value",
];

/// Lies to the published code that is corrected are found. Code that is as published is told lies
/// once, with what is corrected.
#[test]
fn lies_to_the_published_library_are_found() {
    let targets = [instructions(), procedures(Published)].concat();
    let replaced = |target: &Target| match target.name.contains("::") {
        true => digest_in(Published, target.name) != digest_in(Corrected, target.name),
        false => corrected_instructions().any(|name| name == target.name),
    };
    let mut found = Vec::new();
    for target in targets.into_iter().filter(replaced) {
        if let Some(finding) = tell(Published, &target).1.first() {
            println!("{}: {}", target.name, told(finding));
            found.push(target.name);
        }
    }
    let missed: Vec<_> = FOUND.iter().filter(|name| !found.contains(name)).collect();
    assert!(missed.is_empty(), "not found: {missed:?}");
    let known = [FOUND, FAULTY].concat();
    let new: Vec<_> = found.iter().filter(|name| !known.contains(name)).collect();
    assert!(new.is_empty(), "not known: {new:?}");
}

#[test]
fn lies_to_what_is_corrected_are_refused() {
    for target in [instructions(), procedures(Corrected)].concat() {
        let (tally, findings) = tell(Corrected, &target);
        let name = target.name;
        match target.is_open {
            true => assert!(tally.accepted > 0, "{name} gives what it takes"),
            false => assert!(findings.is_empty(), "{name}: {}", told(&findings[0])),
        }
    }
}
