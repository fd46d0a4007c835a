//! Files that are made by programs: proofs and packages.

use std::{path::Path, sync::OnceLock};

use miden_assembly::Assembler;
use miden_core::utils::Serializable;
use miden_cvm::{
    Component, ExecutionOptions, Expectations, HashFunction, LinkedComposition, OptionSet, Proof,
    ProofSettings, ProveOptions, ProvenRun, StackInputs, Statement, Target, Toolchain, prove,
    read_library, read_program, verify,
};
use miden_mast_package::{MastArtifact, Package, PackageKind, PackageManifest};

use crate::examples;

/// A proof that is known to be valid, and its statement.
pub struct Known {
    /// The statement that it proves.
    pub statement: Statement,
    /// The proof, for the shortest trace and with the fewest queries that there are.
    pub proof: Vec<u8>,
}

/// The source of the program that is proven, and packaged.
const PROGRAM: &str = "proc sum add end begin push.1 push.2 call.sum swap drop drop end";

fn program() -> Target {
    let program = Assembler::default()
        .assemble_program(PROGRAM)
        .expect("a program");
    Target::from(program)
}

impl Known {
    /// Proves a run of the program with an input that it does not read.
    fn with_input(input: u64) -> Self {
        let target = program();
        let settings = ProofSettings::new(OptionSet::Regular96, HashFunction::Blake3_192);
        let ProvenRun {
            proof, statement, ..
        } = prove(
            &target,
            StackInputs::try_from_ints([input]).expect("an element"),
            Default::default(),
            &mut target.host(),
            ExecutionOptions::default(),
            &ProveOptions::from(settings.expect("they go together")),
        )
        .expect("a proof");
        let proof = proof.to_bytes();
        verify(
            &statement,
            &proof,
            &Expectations::from(OptionSet::Regular96.level()),
        )
        .expect("a valid proof");
        Self { statement, proof }
    }
}

/// The proof that other proofs and statements are compared with; made once.
pub fn known() -> &'static Known {
    static KNOWN: OnceLock<Known> = OnceLock::new();
    KNOWN.get_or_init(|| Known::with_input(0))
}

/// A proof of the same program on another input.
pub fn another() -> &'static Known {
    static ANOTHER: OnceLock<Known> = OnceLock::new();
    ANOTHER.get_or_init(|| Known::with_input(7))
}

/// Reads bytes as a proof, and verifies them against a statement of which one proof is known: they
/// are refused unless they are that proof.
pub fn proof(bytes: &[u8]) {
    if let Ok(proof) = Proof::from_bytes(bytes) {
        assert!(proof.to_bytes() == bytes, "another form of a proof");
    }
    let Known { statement, proof } = known();
    let verified = verify(
        statement,
        bytes,
        &Expectations::from(OptionSet::Regular96.level()),
    );
    assert_eq!(verified.is_ok(), bytes == proof, "another proof is valid");
}

pub(crate) fn proof_seeds() -> Vec<Vec<u8>> {
    vec![known().proof.clone(), another().proof.clone()]
}

/// Reads bytes as everything that a package can hold; what can be read is written as it was.
pub fn package(bytes: &[u8]) {
    read_program(bytes).ok();
    read_library(bytes).ok();
    let (path, toolchain) = (Path::new("fuzzed.masp"), Toolchain::new());
    if let Ok(component) = Component::from_package(bytes, path, &toolchain) {
        stays_component(&component, &toolchain);
    }
    if let Ok(Some(linked)) = LinkedComposition::from_package(bytes, path, &toolchain) {
        stays_composition(&linked, &toolchain);
    }
}

/// A component's package is read as that component: the code may be in another order.
pub(crate) fn stays_component(component: &Component, toolchain: &Toolchain) {
    let Ok(package) = component.to_package() else {
        return;
    };
    let read = Component::from_package(&package, &component.folder, toolchain)
        .expect("the package of a component");
    let exports = |of: &Component| {
        let exports = of.exports.iter();
        let exports = exports.map(|(name, export)| (name.clone(), export.kind, export.digest));
        exports.collect::<Vec<_>>()
    };
    assert_eq!(exports(&read), exports(component));
    assert_eq!(read.imports, component.imports);
    assert_eq!(read.own_calls, component.own_calls);
    assert!(read.segments == component.segments, "other data");
}

/// A composition's package is read as that composition.
pub(crate) fn stays_composition(linked: &LinkedComposition, toolchain: &Toolchain) {
    let Ok(package) = linked.to_package("fuzzed") else {
        return;
    };
    let read = LinkedComposition::from_package(&package, Path::new("fuzzed.masp"), toolchain)
        .expect("the package of a composition")
        .expect("a composition");
    assert_eq!(read.composition, linked.composition);
    assert_eq!(read.program.hash(), linked.program.hash());
    // The code can bring more of its own.
    for (commitment, data) in linked.advice_map.iter() {
        assert!(read.advice_map.get(commitment) == Some(data), "lost data");
    }
}

pub(crate) fn package_seeds() -> Vec<Vec<u8>> {
    let toolchain = Toolchain::new();
    let program = Package {
        name: "program".into(),
        version: None,
        description: None,
        kind: PackageKind::Executable,
        mast: MastArtifact::Executable(program().program().clone().into()),
        manifest: PackageManifest::new(None),
        sections: Vec::new(),
    };
    let note = Component::load(&examples().join("wallet/note"), &toolchain).expect("a component");
    let desk = Component::load(&examples().join("exchange/deps/bank/ledger"), &toolchain)
        .expect("a component");
    let wallet = LinkedComposition::load(&examples().join("wallet/wallet.toml"), &toolchain)
        .expect("a composition");
    let module = "pub proc sum add end pub proc twice exec.sum dup end";
    let library = Assembler::default().assemble_library([module]);
    vec![
        program.to_bytes(),
        note.to_package().expect("a package"),
        desk.to_package().expect("a package"),
        wallet.to_package("wallet").expect("a package"),
        library.expect("a library").to_bytes(),
    ]
}
