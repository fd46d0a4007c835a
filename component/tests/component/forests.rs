//! Code from elsewhere: its digests are recomputed.

use std::{collections::BTreeSet, sync::Arc};

use miden_assembly::{
    Assembler, DefaultSourceManager, Path as MasmPath, SourceManager,
    ast::{Module, ModuleKind},
    debuginfo::{SourceLanguage, Uri},
    library::LibraryExport,
};
use miden_core::{
    Felt, Operation, Word,
    mast::{
        BasicBlockNodeBuilder, CallNodeBuilder, DynNodeBuilder, ExternalNodeBuilder,
        JoinNodeBuilder, LoopNodeBuilder, MastForest, MastForestContributor, MastNodeExt,
        SplitNodeBuilder,
    },
    utils::{Deserializable, Serializable},
};
use miden_cvm_component::{Assembly, ForestError, SourceText, verify_forest};
use miden_cvm_library::core_library;

/// A forest with every kind of node.
fn forest() -> MastForest {
    let mut forest = MastForest::new();
    let block = |operations| BasicBlockNodeBuilder::new(operations, Vec::new());
    let many = (0..200).map(|i| Operation::Push(Felt::new(i))).collect();
    let build = "a node of its own children";
    let first = block(vec![Operation::Add])
        .add_to_forest(&mut forest)
        .expect(build);
    let second = block(many).add_to_forest(&mut forest).expect(build);
    let join = JoinNodeBuilder::new([first, second])
        .add_to_forest(&mut forest)
        .expect(build);
    let split = SplitNodeBuilder::new([join, first])
        .add_to_forest(&mut forest)
        .expect(build);
    let body = LoopNodeBuilder::new(split)
        .add_to_forest(&mut forest)
        .expect(build);
    let outside = ExternalNodeBuilder::new(forest[join].digest());
    let external = outside.add_to_forest(&mut forest).expect(build);
    let call = CallNodeBuilder::new(external)
        .add_to_forest(&mut forest)
        .expect(build);
    let syscall = CallNodeBuilder::new_syscall(external)
        .add_to_forest(&mut forest)
        .expect(build);
    let dynexec = DynNodeBuilder::new_dyn()
        .add_to_forest(&mut forest)
        .expect(build);
    let dyncall = DynNodeBuilder::new_dyncall()
        .add_to_forest(&mut forest)
        .expect(build);
    for root in [body, call, syscall, dynexec, dyncall] {
        forest.make_root(root);
    }
    forest
}

#[test]
fn forests_survive_the_way_through_bytes() {
    let forest = forest();
    verify_forest(&forest).expect("the builders hash right");
    let loaded = MastForest::read_from_bytes(&forest.to_bytes()).expect("it was just written");
    verify_forest(&loaded).expect("nothing changed");
    let digests = |forest: &MastForest| forest.procedure_digests().collect::<Vec<_>>();
    assert_eq!(digests(&loaded), digests(&forest));
}

#[test]
fn the_core_library_has_the_digests_it_states() {
    verify_forest(core_library().mast_forest()).expect("the library is what it says");
}

#[test]
fn a_changed_digest_of_any_node_is_found() {
    let forest = forest();
    let bytes = forest.to_bytes();
    for (id, node) in (0..).zip(forest.nodes()) {
        if node.is_external() || node.is_dyn() {
            // External nodes have no digest of their own; the reader computes that of dyn nodes.
            continue;
        }
        let digest = node.digest().to_bytes();
        let mut changed = false;
        for position in 0..bytes.len() - digest.len() {
            if bytes[position..].starts_with(&digest) {
                let mut tampered = bytes.clone();
                tampered[position] ^= 1;
                let loaded = MastForest::read_from_bytes(&tampered).expect("digests are trusted");
                // The external node has the join's digest, and changes no node by changing.
                changed |= match verify_forest(&loaded) {
                    Err(ForestError::Digest { node, .. }) => node == id,
                    _ => false,
                };
            }
        }
        assert!(changed, "node {id}");
    }
}

#[test]
fn changed_operations_are_found() {
    let mut forest = MastForest::new();
    let honest = BasicBlockNodeBuilder::new(vec![Operation::Add], Vec::new())
        .build()
        .expect("a block");
    let forged = BasicBlockNodeBuilder::new(vec![Operation::Mul], Vec::new())
        .with_digest(honest.digest())
        .add_to_forest(&mut forest)
        .expect("the builder trusts digests");
    let error = verify_forest(&forest).expect_err("the block was changed");
    assert!(
        matches!(&error, ForestError::Digest { node, stated, .. }
            if *node == u32::from(forged) && *stated == honest.digest()),
        "{error}"
    );
}

/// Of a library that is linked statically only what sources can mean is taken, and the code is what the
/// assembler makes with all of it.
#[test]
fn code_is_the_same_as_with_all_of_a_library() {
    let truncate = core_library()
        .get_procedure_root_by_path("::miden::core::sys::truncate_stack")
        .expect("the library has it")
        .to_hex();
    // Code of a library that has no name there: the assembler knows it by its digest alone.
    let named: BTreeSet<Word> = core_library()
        .exports()
        .filter_map(LibraryExport::as_procedure)
        .map(|procedure| core_library().mast_forest()[procedure.node].digest())
        .collect();
    let mut roots = core_library().mast_forest().procedure_digests();
    let unnamed = roots
        .find(|digest| !named.contains(digest))
        .expect("what was replaced")
        .to_hex();
    let sources = [
        "use miden::core::sys\npub proc a exec.sys::truncate_stack end".to_owned(),
        "use miden::core::sys::truncate_stack->short\npub proc a call.short end".to_owned(),
        "pub proc a exec.::miden::core::sys::truncate_stack end".to_owned(),
        "pub proc a procref.::miden::core::math::u64::div dropw end".to_owned(),
        "pub use miden::core::math::u64::div->a".to_owned(),
        "use miden::core\npub proc a exec.core::math::u64::div end".to_owned(),
        "use miden::core::sys\npub proc a exec.sys::trunc end".to_owned(),
        "pub proc a exec.::miden::core::sys::trunc end".to_owned(),
        "use miden::core::crypto::hashes::blake3\npub proc a exec.blake3::hash end".to_owned(),
        format!("pub proc a call.{truncate} exec.{truncate} end"),
        format!("pub proc a call.{unnamed} end"),
        "pub proc a push.1 end".to_owned(),
    ];
    let (mut same, mut refused) = (0, 0);
    for text in sources {
        let ours = Assembly::default()
            .with_static_library(core_library())
            .library(vec![SourceText {
                file: "a.masm".into(),
                module: "a".into(),
                text: text.clone(),
            }]);
        let manager = Arc::new(DefaultSourceManager::default());
        let file = manager.load(SourceLanguage::Masm, Uri::new("a.masm"), text.clone());
        let module = Module::parse(
            MasmPath::new("a"),
            ModuleKind::Library,
            file,
            manager.clone(),
        )
        .unwrap_or_else(|error| panic!("{text}: {error}"));
        let theirs = Assembler::new(manager)
            .with_static_library(core_library())
            .and_then(|assembler| assembler.assemble_library([module]));
        match (ours, theirs) {
            (Ok(ours), Ok(theirs)) => {
                assert_eq!(ours.code.to_bytes(), theirs.to_bytes(), "{text}");
                same += 1;
            }
            (Err(ours), Err(theirs)) => {
                let theirs = theirs.to_string();
                assert!(ours.to_string().contains(&theirs), "{ours}: {theirs}");
                refused += 1;
            }
            (ours, theirs) => panic!("{text}: {ours:?}, {theirs:?}"),
        }
    }
    assert_eq!((same, refused), (9, 3));
}
