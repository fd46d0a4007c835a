//! Code from elsewhere: its digests are recomputed.

use miden_core::{
    Felt, Operation,
    mast::{
        BasicBlockNodeBuilder, CallNodeBuilder, DynNodeBuilder, ExternalNodeBuilder,
        JoinNodeBuilder, LoopNodeBuilder, MastForest, MastForestContributor, MastNodeExt,
        SplitNodeBuilder,
    },
    utils::{Deserializable, Serializable},
};
use miden_cvm_component::{ForestError, verify_forest};
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
