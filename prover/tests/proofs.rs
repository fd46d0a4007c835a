//! Proofs of real runs: they verify, and nothing else does.

use std::sync::Arc;

use miden_assembly::{
    Assembler, DefaultSourceManager, Library,
    ast::{Module, ModuleKind},
};
use miden_core::{Felt, Kernel, StackInputs, StackOutputs, Word, crypto::hash::Rpo256};
use miden_cvm_air::{
    composition::{Composition, LinkKind, LinkRecord, SegmentRecord},
    public::PublicInputs,
    table::Table,
};
use miden_cvm_processor::{
    AdviceInputs, DefaultHost, ExecutionOptions, ExecutionTrace, execute_traced,
};
use miden_cvm_prover::{
    HashFunction, OptionSet, ProofSettings, ProveOptions, ProverError, prove_trace,
};
use miden_cvm_verifier::{Expectations, LayoutError, MinSecurity, Proof, VerifierError, verify};

/// A program with a loop, a branch, a call, memory, u32 and bitwise operations, and a permutation.
const PROGRAM: &str = "
    proc twice dup add end
    begin
        push.7 mem_store.40
        push.5
        push.1
        while.true
            mem_load.40 call.twice swap drop mem_store.40
            sub.1 dup neq.0
        end
        mem_load.40 u32assert push.12345 u32and
        dup eq.0 if.true push.3 else push.4 end
        hperm drop drop
    end";

/// A program whose longest table is the core's, of nearly a power of two of rows.
const LONG_PROGRAM: &str = "
    begin
        push.7 mem_store.40 mem_load.40 u32assert push.12345 u32and hperm drop
        repeat.940 swap end
    end";

/// The set of the tests that are about anything else: proofs with it are made fastest.
const FAST: OptionSet = OptionSet::Fast96;

fn trace() -> ExecutionTrace {
    trace_of(PROGRAM)
}

fn trace_of(source: &str) -> ExecutionTrace {
    trace_in_slices(source, 1)
}

/// The trace of a run whose longest table is in so many pieces.
fn trace_in_slices(source: &str, slices: usize) -> ExecutionTrace {
    let program = Assembler::default()
        .assemble_program(source)
        .expect("the program assembles");
    let inputs = StackInputs::try_from_ints([1, 2, 3]).expect("three inputs");
    execute_traced(
        &program,
        None,
        &inputs,
        AdviceInputs::default(),
        &mut DefaultHost::default(),
        ExecutionOptions::default().with_slices(slices),
    )
    .expect("the program runs")
}

/// A proof of the program in so many groups.
fn prove_in_groups(
    settings: ProofSettings,
    slices: usize,
    groups: usize,
) -> (PublicInputs, Vec<u8>) {
    let ExecutionTrace { trace, public, .. } = trace_in_slices(LONG_PROGRAM, slices);
    let mut options = ProveOptions::from(settings);
    options.slices = groups;
    let proof = prove_trace(trace, public.clone(), &options).expect("the trace is valid");
    (public, proof.to_bytes())
}

#[test]
fn groups_of_slices_prove_and_verify() {
    let hashes = [
        (OptionSet::Fast96, HashFunction::Blake3_256),
        (OptionSet::Fast96, HashFunction::Rpo256),
        (OptionSet::Proven100, HashFunction::Blake3_256),
    ];
    for (set, hash) in hashes {
        let settings = ProofSettings::new(set, hash).expect("they go together");
        for (slices, groups) in [(1, 2), (2, 2), (3, 4), (4, 4), (4, 7)] {
            let (public, bytes) = prove_in_groups(settings, slices, groups);
            let verified = verify(&public, &bytes, &set.level().into())
                .unwrap_or_else(|error| panic!("{settings}, {groups} of {slices}: {error}"));
            assert_eq!(verified.groups, groups);
            let pieces = verified.heights.pieces();
            let of = |table: Table| pieces.iter().filter(move |piece| piece.table == table);
            let most = Table::ALL.map(|table| of(table).count()).into_iter().max();
            // Three pieces of the next power of two are more than two.
            assert_eq!(most, Some(if slices == 3 { 2 } else { slices }));
        }
    }
}

#[test]
fn there_is_a_piece_for_each_group() {
    let ExecutionTrace { trace, public, .. } = trace();
    let pieces = trace.heights().expect("allowed heights").pieces().len();
    let mut options = ProveOptions::from(ProofSettings::from(FAST));
    for slices in [0, pieces + 1] {
        options.slices = slices;
        let refused = prove_trace(trace.clone(), public.clone(), &options);
        let refused = refused.expect_err("more groups than pieces, or none");
        let text =
            format!("the proof is in {slices} groups, but its tables are in {pieces} pieces");
        assert_eq!(refused.to_string(), text);
    }
}

fn prove(settings: ProofSettings) -> (PublicInputs, Vec<u8>) {
    let ExecutionTrace { trace, public, .. } = trace();
    let proof = prove_trace(trace, public.clone(), &settings.into()).expect("the trace is valid");
    (public, proof.to_bytes())
}

const HASHES: [HashFunction; 5] = [
    HashFunction::Blake3_192,
    HashFunction::Blake3_256,
    HashFunction::Rpo256,
    HashFunction::Rpx256,
    HashFunction::Poseidon2,
];

#[test]
fn every_setting_proves_and_verifies() {
    for hash in HASHES {
        for set in [OptionSet::Fast96, OptionSet::Proven100] {
            let Ok(settings) = ProofSettings::new(set, hash) else {
                assert_ne!(set, OptionSet::Fast96);
                assert_eq!(hash, HashFunction::Blake3_192);
                continue;
            };
            let (public, proof) = prove(settings);
            let verified = verify(&public, &proof, &set.level().into())
                .unwrap_or_else(|error| panic!("{settings}: {error}"));
            assert_eq!(verified.settings, settings);
            assert!(set.level().is_met_by(&verified.security));
        }
    }
}

#[test]
fn other_sets_prove_and_verify() {
    for set in [
        OptionSet::Fast128,
        OptionSet::Regular96,
        OptionSet::Recursive96,
        OptionSet::Regular128,
    ] {
        let settings = ProofSettings::from(set);
        let (public, proof) = prove(settings);
        verify(&public, &proof, &set.level().into())
            .unwrap_or_else(|error| panic!("{settings}: {error}"));
    }
}

/// The sets that need no conjecture, at several lengths; the first of them is what proving and
/// verifying take if nothing is said.
#[test]
fn proven_sets_prove_and_verify_at_several_lengths() {
    assert_eq!(ProofSettings::default().set(), OptionSet::Proven100);
    for (log_length, swaps) in [(7, 100), (11, 1900), (13, 7900)] {
        for set in [OptionSet::Proven100, OptionSet::Proven128] {
            let source = format!("begin repeat.{swaps} swap end end");
            let ExecutionTrace { trace, public, .. } = trace_of(&source);
            assert_eq!(trace.core.len(), 1 << log_length);
            let options = ProveOptions::from(ProofSettings::from(set));
            let proof = prove_trace(trace, public.clone(), &options).expect("the trace is valid");
            let verified = verify(&public, &proof.to_bytes(), &Expectations::default())
                .unwrap_or_else(|error| panic!("{set:?}, 2^{log_length} rows: {error}"));
            assert_eq!(verified.heights.of(Table::Core), 1 << log_length);
            assert!(set.level().is_met_by(&verified.security));
        }
    }
}

/// A proof that rests on the conjecture is accepted by who says so.
#[test]
fn too_little_security_is_refused() {
    let refused = |set: OptionSet, least: &[MinSecurity]| {
        let (public, proof) = prove(set.into());
        verify(&public, &proof, &set.level().into()).expect("what the set is made for");
        for &least in least {
            let error = verify(&public, &proof, &least.into()).expect_err("too few bits");
            assert!(
                matches!(error, VerifierError::Security { expected, .. } if expected == least),
                "{error}"
            );
            let text = error.to_string();
            assert!(text.contains(&least.to_string()), "{text}");
        }
    };
    refused(
        OptionSet::Fast96,
        &[
            MinSecurity::default(),
            MinSecurity::Proven(96),
            MinSecurity::Conjectured(98),
        ],
    );
    refused(OptionSet::Fast128, &[MinSecurity::Proven(100)]);
    refused(OptionSet::Proven100, &[MinSecurity::Proven(128)]);
}

#[test]
fn another_program_or_composition_is_not_what_was_expected() {
    let (public, proof) = prove(FAST.into());
    let other = Word::new([Felt::new(1); 4]);
    let mut expectations = Expectations::from(FAST.level());
    expectations.program_hash = Some(other);
    let error = verify(&public, &proof, &expectations).expect_err("another program");
    assert!(matches!(error, VerifierError::ProgramHash { .. }));
    let mut expectations = Expectations::from(FAST.level());
    expectations.composition = Some(other);
    let error = verify(&public, &proof, &expectations).expect_err("an open program");
    assert!(matches!(
        error,
        VerifierError::Composition { actual: None, .. }
    ));
}

#[test]
fn other_public_inputs_are_rejected() {
    let (public, proof) = prove(FAST.into());
    let reject = |name: &str, alter: fn(&mut PublicInputs)| {
        let mut altered = public.clone();
        alter(&mut altered);
        let result = verify(&altered, &proof, &FAST.level().into());
        assert!(
            matches!(result, Err(VerifierError::Rejected(_))),
            "{name}: {result:?}"
        );
    };
    reject("program", |p| p.program_hash = Word::new([Felt::new(9); 4]));
    reject("kernel", |p| {
        p.kernel = Kernel::new(&[p.program_hash]).expect("one procedure")
    });
    reject("input", |p| p.stack_inputs = StackInputs::default());
    reject("output", |p| p.stack_outputs = StackOutputs::default());
    reject("precompiles", |p| {
        p.precompile_transcript = Word::new([Felt::new(9); 4])
    });
    reject("composition", |p| {
        p.composition = Some(Composition::new(1, vec![], vec![]).expect("a single instance"));
    });
}

#[test]
fn changed_and_missing_bytes_are_rejected() {
    changed_and_missing_bytes(1, 97);
    changed_and_missing_bytes(2, 499);
}

/// No byte of those that `step` reaches can be changed in a proof of so many groups.
fn changed_and_missing_bytes(groups: usize, step: usize) {
    let (public, proof) = prove_in_groups(FAST.into(), groups, groups);
    let rejected = |bytes: &[u8]| verify(&public, bytes, &FAST.level().into()).is_err();
    // Everything that says how long something is comes early or is reached by the stride.
    let positions = (0..200)
        .chain((200..proof.len()).step_by(step))
        .chain(proof.len() - 40..proof.len());
    for position in positions {
        for bit in [0, 3, 7] {
            let mut altered = proof.clone();
            altered[position] ^= 1 << bit;
            assert!(
                rejected(&altered),
                "bit {bit} of byte {position} can be changed"
            );
        }
    }
    for length in (0..proof.len()).step_by(501) {
        assert!(rejected(&proof[..length]), "{length} bytes are enough");
    }
    let mut longer = proof.clone();
    longer.push(0);
    assert!(rejected(&longer));
}

/// The names of the parts of a proof, by the book.
fn parts() -> Vec<&'static str> {
    let book = include_str!("../../docs/src/security.md");
    let table = book
        .lines()
        .skip_while(|line| *line != "| part | content |");
    let rows = table.skip(2).map_while(|line| line.strip_prefix("| `"));
    let parts: Vec<&str> = rows.filter_map(|row| row.split('`').next()).collect();
    assert!(!parts.is_empty());
    parts
}

#[test]
fn a_proof_has_the_parts_that_the_book_lists() {
    // So long a run that the low-degree test has several layers.
    let source = "begin push.700 push.1 while.true sub.1 dup neq.0 end drop end";
    let ExecutionTrace { trace, public, .. } = trace_of(source);
    let settings = ProofSettings::from(FAST);
    let proof = prove_trace(trace, public.clone(), &settings.into()).expect("the trace is valid");
    let mut ends: Vec<&str> = Vec::new();
    let mut length = 0;
    while length < proof.stark().len() {
        let stark = proof.stark()[..length].to_vec();
        let short = Proof::new(proof.settings(), *proof.heights(), stark);
        let short = short.expect("a proof of the same tables").to_bytes();
        match verify(&public, &short, &FAST.level().into()) {
            Err(VerifierError::Layout(LayoutError::End(part))) => {
                if ends.last() != Some(&part) {
                    ends.push(part);
                }
            }
            other => panic!("{length} bytes: {other:?}"),
        }
        // The parts after the nonce are longer than this.
        let step = if ends.contains(&"the rows of the pieces") {
            80
        } else {
            8
        };
        length += step;
    }
    let parts = parts();
    let (once, layer) = parts.split_at(parts.len() - 2);
    let expected = once.iter().chain(layer.iter().cycle()).take(ends.len());
    assert_eq!(ends, expected.copied().collect::<Vec<_>>());
    assert!(ends.len() > parts.len());
}

#[test]
fn traces_that_violate_the_air_are_named_or_rejected() {
    let ExecutionTrace {
        mut trace, public, ..
    } = trace();
    trace.core[20].stack.top[3] += Felt::new(1);
    let mut options = ProveOptions::from(ProofSettings::from(FAST));
    options.check_trace = true;
    let error = prove_trace(trace.clone(), public.clone(), &options).expect_err("it is checked");
    let ProverError::Violations(violations) = error else {
        panic!("{error}")
    };
    assert!(violations.first[0].name().starts_with("stack."));

    options.check_trace = false;
    if let Ok(proof) = prove_trace(trace, public.clone(), &options) {
        let result = verify(&public, &proof.to_bytes(), &FAST.level().into());
        assert!(
            matches!(result, Err(VerifierError::Rejected(_))),
            "{result:?}"
        );
    }
}

/// A library of one module.
fn library(path: &str, source: &str) -> Library {
    let sources = Arc::new(DefaultSourceManager::default());
    let module = Module::parser(ModuleKind::Library)
        .parse_str(path, source, sources.clone())
        .expect("the module parses");
    Assembler::new(sources)
        .assemble_library([module])
        .expect("the library assembles")
}

#[test]
fn a_composition_proves_and_verifies() {
    let stubs = library("stubs", "pub proc bump push.1001 drop end");
    let counter = library(
        "counter",
        "pub proc bump mem_load.0 add.1 dup mem_store.0 swap drop end",
    );
    let program = Assembler::default()
        .with_dynamic_library(&stubs)
        .and_then(|assembler| {
            assembler.assemble_program("begin call.stubs::bump call.stubs::bump add.40 end")
        })
        .expect("main assembles");
    let digest = |library: &Library, path: &str| {
        library
            .get_procedure_root_by_path(path)
            .expect("the procedure is there")
    };
    let data: Vec<Felt> = (0..8).map(Felt::new).collect();
    let segment = SegmentRecord {
        instance: 1,
        address: 64,
        length: 8,
        commitment: Rpo256::hash_elements(&data),
    };
    let link = LinkRecord {
        source: 0,
        digest: digest(&stubs, "stubs::bump"),
        kind: LinkKind::Shared,
        target: 1,
        callee: digest(&counter, "counter::bump"),
    };
    let composition =
        Composition::new(2, vec![link], vec![segment]).expect("the records are valid");
    let mut host = DefaultHost::default();
    host.load_forest(counter.mast_forest().clone());
    let mut advice = AdviceInputs::default();
    advice.map.insert(segment.commitment, data);
    let ExecutionTrace { trace, public, .. } = execute_traced(
        &program,
        Some(&composition),
        &StackInputs::default(),
        advice,
        &mut host,
        ExecutionOptions::default(),
    )
    .expect("the composition runs");
    assert_eq!(
        public.stack_outputs[0],
        Felt::new(42),
        "the counter kept its state"
    );
    let proof = prove_trace(
        trace,
        public.clone(),
        &ProveOptions::from(ProofSettings::from(FAST)),
    )
    .expect("the trace is valid")
    .to_bytes();
    let mut expectations = Expectations::from(FAST.level());
    expectations.composition = Some(composition.commitment());
    verify(&public, &proof, &expectations).expect("the proof is valid");

    // The same run cannot pass for one with other records.
    let reject = |links: Vec<LinkRecord>, segments: Vec<SegmentRecord>| {
        let other = Composition::new(2, links, segments).expect("the records are valid");
        let altered = PublicInputs {
            composition: Some(other),
            ..public.clone()
        };
        let result = verify(&altered, &proof, &FAST.level().into());
        assert!(
            matches!(result, Err(VerifierError::Rejected(_))),
            "{result:?}"
        );
    };
    reject(
        vec![LinkRecord {
            kind: LinkKind::Isolated,
            ..link
        }],
        vec![segment],
    );
    reject(
        vec![LinkRecord {
            callee: link.digest,
            ..link
        }],
        vec![segment],
    );
    reject(vec![LinkRecord { target: 0, ..link }], vec![segment]);
    reject(
        vec![link],
        vec![SegmentRecord {
            commitment: link.digest,
            ..segment
        }],
    );
    reject(
        vec![link],
        vec![SegmentRecord {
            address: 68,
            ..segment
        }],
    );
    reject(vec![link], vec![]);
    let open = PublicInputs {
        composition: None,
        ..public.clone()
    };
    let result = verify(&open, &proof, &FAST.level().into());
    assert!(
        matches!(result, Err(VerifierError::Rejected(_))),
        "{result:?}"
    );
}
