//! Published code is found however it got into other code.

use std::sync::Arc;

use miden_assembly::{
    Assembler, DefaultSourceManager, Library, ModuleParser, Path as MasmPath, ast::ModuleKind,
};
use miden_cvm_library::{core_library, findings, published_core_library};

use crate::support::{Corrected, Published};

/// The ids and the code of what is in a module.
fn found(library: &Library, is_contained: bool, source: &str) -> Vec<(&'static str, String)> {
    let sources = Arc::new(DefaultSourceManager::default());
    let module = ModuleParser::new(ModuleKind::Library)
        .parse_str(MasmPath::new("tested"), source, sources.clone())
        .unwrap_or_else(|report| panic!("{source}: {report:?}"));
    let assembler = Assembler::new(sources);
    let assembler = match is_contained {
        true => assembler.with_static_library(library),
        false => assembler.with_dynamic_library(library),
    };
    let tested = assembler
        .and_then(|assembler| assembler.assemble_library([module]))
        .unwrap_or_else(|report| panic!("{source}: {report:?}"));
    let found = findings(tested.mast_forest()).into_iter();
    found
        .map(|finding| (finding.advisory().id, finding.code().to_owned()))
        .collect()
}

#[test]
fn published_procedures_are_found() {
    for (module, name, id) in [
        ("math::u64", "shr", "CVM-2026-004"),
        ("math::u64", "rotl", "CVM-2026-005"),
        ("math::u64", "clz", "CVM-2026-002"),
        ("crypto::dsa::falcon512rpo", "verify", "CVM-2026-003"),
        ("crypto::dsa::falcon512rpo", "mod_12289", "CVM-2026-003"),
        ("crypto::aead", "encrypt", "CVM-2026-007"),
        ("collections::sorted_array", "find_word", "CVM-2026-008"),
        ("collections::smt", "get", "CVM-2026-009"),
        ("collections::mmr", "get", "CVM-2026-001"),
        ("collections::mmr", "unpack", "CVM-2026-010"),
        ("pcs::fri::frie2f4", "verify", "CVM-2026-011"),
        (
            "crypto::dsa::eddsa_ed25519",
            "verify_prehash",
            "CVM-2026-012",
        ),
        (
            "crypto::dsa::eddsa_ed25519",
            "verify_prehash_impl",
            "CVM-2026-012",
        ),
        ("collections::mmr", "get", "CVM-2026-013"),
        ("sys::vm", "verify_proof", "CVM-2026-014"),
    ] {
        let path = format!("::miden::core::{module}::{name}");
        let body = [
            format!("exec.{path}"),
            // In the middle of a basic block, if it is one.
            format!("push.1 add exec.{path} push.2 swap"),
            format!("push.1 if.true exec.{path} push.1 else push.0 end while.true push.0 end"),
            format!("call.{path}"),
            format!("procref.{path} dropw"),
        ];
        for (number, body) in body.iter().enumerate() {
            let source = format!("proc inner {body} end\npub proc outer push.3 exec.inner end");
            // Contained it is what is there for any body, so one will do.
            let ways: &[bool] = if number == 1 {
                &[false, true]
            } else {
                &[false]
            };
            for &is_contained in ways {
                let found = |library: &Library| found(library, is_contained, &source);
                let there = found(published_core_library());
                assert!(there.contains(&(id, path.clone())), "{body}: {there:?}");
                assert_eq!(found(core_library()), [], "{body}");
            }
        }
    }
}

#[test]
fn what_is_as_published_is_not_found() {
    for path in [
        "math::u64::shl",
        "math::u64::div",
        "math::u64::ctz",
        "collections::smt::peek",
        "crypto::dsa::eddsa_ed25519::verify",
        "crypto::hashes::sha256::hash",
        "mem::pipe_preimage_to_memory",
        "stark::verifier::verify",
    ] {
        let source = format!("pub proc outer exec.::miden::core::{path} end");
        let is_contained = path.starts_with("crypto::dsa");
        let found = found(published_core_library(), is_contained, &source);
        assert_eq!(found, [], "{path}");
    }
}

#[test]
fn published_instructions_are_found() {
    for (name, id) in [("ilog2", "CVM-2026-001"), ("u32clz", "CVM-2026-002")] {
        let source = format!("begin push.9 add {name} push.3 drop repeat.2 {name} end end");
        let found = findings(Published.assemble(&source).mast_forest());
        let found: Vec<_> = found.iter().map(|found| found.advisory().id).collect();
        assert_eq!(found, [id]);
        let corrected = Corrected.assemble(&source);
        assert_eq!(findings(corrected.mast_forest()).len(), 0);
    }
}
