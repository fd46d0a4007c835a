//! Files that are no files: whatever the bytes are, the answer is an error, not a panic.

use std::{fs, path::Path};

use miden_assembly::Assembler;
use miden_core::utils::Serializable;
use miden_cvm::{
    ExecutionOptions, Expectations, Inputs, Loader, ProveOptions, StackInputs, Statement, Target,
    execute_traced, prove, read_library, read_program, verify,
};
use miden_mast_package::{MastArtifact, Package, PackageKind, PackageManifest};
use proptest::{collection::vec, prelude::*, sample::Index, strategy::ValueTree};

/// A change of a file.
#[derive(Debug, Clone)]
enum Damage {
    /// Some bits of a byte flip.
    Flip(Index, u8),
    /// The file ends early.
    Truncate(Index),
    /// Bytes come in between.
    Insert(Index, Vec<u8>),
    /// A stretch is repeated.
    Repeat(Index, Index),
    /// Eight bytes are a huge number.
    Huge(Index),
    /// A digit becomes many.
    Digits(Index),
    /// All is random.
    Noise(Vec<u8>),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        4 => (any::<Index>(), 1..=u8::MAX).prop_map(|(at, bits)| Damage::Flip(at, bits)),
        1 => any::<Index>().prop_map(Damage::Truncate),
        2 => (any::<Index>(), vec(any::<u8>(), 1..9)).prop_map(|(at, b)| Damage::Insert(at, b)),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Damage::Repeat(from, to)),
        2 => any::<Index>().prop_map(Damage::Huge),
        2 => any::<Index>().prop_map(Damage::Digits),
        1 => vec(any::<u8>(), 0..300).prop_map(Damage::Noise),
    ]
}

impl Damage {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        match self {
            Self::Flip(at, bits) => {
                let at = at.index(bytes.len());
                bytes[at] ^= bits;
            }
            Self::Truncate(at) => bytes.truncate(at.index(bytes.len())),
            Self::Insert(at, new) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, new.iter().copied());
            }
            Self::Repeat(from, to) => {
                let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
                let again = bytes[from.min(to)..from.max(to)].to_vec();
                bytes.extend(again);
            }
            Self::Huge(at) => {
                let at = at.index(bytes.len());
                let end = (at + 8).min(bytes.len());
                bytes[at..end].fill(0xff);
            }
            Self::Digits(at) => {
                let digits: Vec<usize> = (0..bytes.len())
                    .filter(|&i| bytes[i].is_ascii_digit())
                    .collect();
                if !digits.is_empty() {
                    let at = digits[at.index(digits.len())];
                    bytes.splice(at..=at, *b"99999999999999999999");
                }
            }
            Self::Noise(noise) => *bytes = noise.clone(),
        }
    }
}

fn damaged(seed: &[u8], damages: &[Damage]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for damage in damages {
        damage.apply(&mut bytes);
    }
    bytes
}

fn example(path: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    fs::read(folder.join(path)).expect("an example")
}

fn target() -> Target {
    let program = Assembler::default()
        .assemble_program("begin push.1 push.2 add swap drop end")
        .expect("a program");
    Target::from(program)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn inputs(damages in vec(damage(), 1..4)) {
        let bytes = damaged(&example("wallet/wallet.inputs"), &damages);
        if let Ok(text) = String::from_utf8(bytes) {
            Inputs::from_json(&text).ok();
        }
    }

    #[test]
    fn packages_and_libraries(damages in vec(damage(), 1..4)) {
        let package = Package {
            name: "seed".into(),
            version: None,
            description: None,
            kind: PackageKind::Executable,
            mast: MastArtifact::Executable(target().program().clone().into()),
            manifest: PackageManifest::new(None),
            sections: Vec::new(),
        };
        let bytes = damaged(&package.to_bytes(), &damages);
        read_program(&bytes).ok();
        read_library(&bytes).ok();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn compositions_and_components(
        composition in vec(damage(), 0..3),
        component in vec(damage(), 0..3),
        source in vec(damage(), 0..2),
        wit in vec(damage(), 0..2),
    ) {
        let folder = tempfile::TempDir::new().expect("a folder");
        let write = |path: &str, bytes: &[u8]| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, bytes).expect("a file");
        };
        for part in ["app", "note"] {
            let files = ["masm", "wit"].map(|ending| format!("{part}.{ending}"));
            for end in ["component.toml".to_owned()].into_iter().chain(files) {
                let path = format!("{part}/{end}");
                write(&path, &example(&format!("wallet/{path}")));
            }
        }
        write("wallet.toml", &damaged(&example("wallet/wallet.toml"), &composition));
        let path = "account/component.toml";
        write(path, &damaged(&example(&format!("wallet/{path}")), &component));
        let path = "account/account.masm";
        write(path, &damaged(&example(&format!("wallet/{path}")), &source));
        let path = "account/account.wit";
        write(path, &damaged(&example(&format!("wallet/{path}")), &wit));
        Loader::new().load(&folder.path().join("wallet.toml")).ok();
    }
}

/// Statements and proofs: what is damaged is refused or, where a statement's text changes without
/// its meaning, accepted for the same reasons as before.
#[test]
fn statements_and_proofs() {
    let target = target();
    let proven = prove(
        &target,
        StackInputs::default(),
        Default::default(),
        &mut target.host(),
        ExecutionOptions::default(),
        &ProveOptions::default(),
    )
    .expect("a proof");
    let proof = proven.proof.to_bytes();
    let statement = serde_json::to_vec(&proven.statement).expect("JSON");
    let expectations = Expectations::default();
    verify(&proven.statement, &proof, &expectations).expect("a valid proof");

    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let damages = vec(damage(), 1..4);
    for _ in 0..400 {
        let damages = damages.new_tree(&mut runner).expect("damage").current();
        let bytes = damaged(&proof, &damages);
        if bytes != proof {
            let verified = verify(&proven.statement, &bytes, &expectations);
            assert!(verified.is_err(), "{damages:?}");
        }
        let bytes = damaged(&statement, &damages);
        if let Ok(statement) = serde_json::from_slice::<Statement>(&bytes) {
            verify(&statement, &proof, &expectations).ok();
        }
    }
}

/// The trace of a run is the same however many threads build it, and so is a proof on one thread:
/// with more, any nonce of the grinding will do.
#[test]
fn runs_are_deterministic() {
    let target = target();
    let pool = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.expect("a pool")
    };
    let trace = || {
        execute_traced(
            &target,
            StackInputs::default(),
            Default::default(),
            &mut target.host(),
            ExecutionOptions::default(),
        )
        .expect("a trace")
    };
    let proof = || {
        let trace = trace();
        let options = ProveOptions::default();
        let proof = miden_cvm::prove_trace(trace.rows, trace.public, &options);
        proof.expect("a proof").to_bytes()
    };
    assert_eq!(pool(1).install(trace).rows, pool(2).install(trace).rows);
    assert_eq!(pool(1).install(proof), pool(1).install(proof));
}
