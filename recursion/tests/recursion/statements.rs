//! Statements with more than a program and stacks: kernels, compositions, precompiles and claims.

use std::sync::Arc;

use miden_assembly::{
    Assembler, DefaultSourceManager, Library,
    ast::{Module, ModuleKind},
};
use miden_core::{
    AdviceMap, EMPTY_WORD, EventName, Felt, Kernel, ONE, StackInputs, Word, ZERO,
    crypto::hash::Rpo256,
    precompile::{PrecompileCommitment, PrecompileError, PrecompileRequest, PrecompileVerifier},
};
use miden_cvm_air::{
    composition::{
        Composition, ExportRecord, Intrinsic, IntrinsicRecord, LinkKind, LinkRecord, PublicData,
        ResourceRecord, SegmentRecord,
    },
    heights::Heights,
    memory_io::{MemoryIo, MemorySegment},
};
use miden_cvm_processor::{
    AdviceInputs, Arguments, DefaultHost, ExecutionInputs, ExecutionOptions, ExecutionTrace,
    execute_traced,
};
use miden_cvm_recursion::{
    Aggregate, AggregateError, CheckedAggregate, MAX_MESSAGES, Shape, ShapeError, VerifyingProgram,
    advice, variables,
};
use miden_cvm_verifier::{
    Claim, ClaimedRun, Expectations, MinSecurity, PrecompileVerifierRegistry, Proof, PublicInputs,
    Statement, verify_claims, with_claims,
};

use super::{accepts, aggregates::part, is_verified_with, program, run, traced};

/// The digest that calls name.
const STUBS: &str = "
    pub proc a push.1001 drop end
    pub proc b push.1002 drop end
    pub proc who push.1003 drop end
    pub proc new push.1004 drop end";

const PARTS: &str = "
    pub proc bump mem_load.0 mem_load.1003 add add.1 mem_store.0 end
    pub proc read mem_load.64 mem_load.71 add swap drop end
    pub proc gone drop end";

pub const KERNEL: &str = "pub proc one caller dropw push.1 drop end pub proc two push.2 drop end";

fn library(path: &str, source: &str) -> Library {
    let sources = Arc::new(DefaultSourceManager::default());
    let mut module = Module::parser(ModuleKind::Library);
    let module = module.parse_str(path, source, sources.clone());
    let module = module.expect("a module");
    let assembler = Assembler::new(sources);
    assembler.assemble_library([module]).expect("a library")
}

fn root_of(library: &Library, path: &str) -> Word {
    library
        .get_procedure_root_by_path(path)
        .expect("it is there")
}

fn data(length: u64) -> Vec<Felt> {
    (0..length).map(|i| Felt::new(i * i + 3)).collect()
}

/// A composition with records of all kinds, of a root, an instance with `public` elements of public data,
/// and one with `hashed` elements of static data.
pub fn composition(public: u64, hashed: u64) -> (Composition, [Library; 2]) {
    let libraries = [("test::stubs", STUBS), ("test::parts", PARTS)];
    let libraries = libraries.map(|(path, source)| library(path, source));
    let stub = |name: &str| root_of(&libraries[0], &format!("test::stubs::{name}"));
    let procedure = |name: &str| root_of(&libraries[1], &format!("test::parts::{name}"));
    let links = [
        ("a", LinkKind::Shared, 1, "bump"),
        ("b", LinkKind::Isolated, 2, "read"),
    ];
    let links = links.map(|(name, kind, target, callee)| LinkRecord {
        source: 0,
        digest: stub(name),
        kind,
        target,
        callee: procedure(callee),
    });
    let segment = |instance, address, length| SegmentRecord {
        instance,
        address,
        length: length as u32,
        commitment: Rpo256::hash_elements(&data(length)),
    };
    let segments = [
        segment(0, 128, 8),
        segment(2, 64, hashed),
        segment(2, 4096, 16),
    ];
    let resources = [Some(procedure("gone")), None].map(|destructor| ResourceRecord {
        definer: 1,
        destructor,
    });
    let intrinsics = [(Intrinsic::Caller, "who"), (Intrinsic::New, "new")];
    let intrinsics = intrinsics.map(|(intrinsic, name)| IntrinsicRecord {
        source: 1,
        digest: stub(name),
        intrinsic,
        resource: 0,
    });
    let elements = data(public);
    let public = PublicData {
        instance: 1,
        address: 1000,
        elements,
    };
    let exports = [5, 7].map(|key| ExportRecord {
        instance: 2,
        key: Felt::new(key),
        callee: procedure("read"),
    });
    let composition = Composition::new(3, links.into(), segments.into())
        .and_then(|composition| composition.with_resources(resources.into(), intrinsics.into()))
        .and_then(|composition| composition.with_public_data(vec![public]))
        .and_then(|composition| composition.with_exports(exports.into()))
        .expect("a composition");
    (composition, libraries)
}

/// Runs a program in the composition, with a kernel or without.
pub fn composed(main: &str, kernel: Option<&str>, public: u64, hashed: u64) -> ExecutionTrace {
    let (composition, [stubs, parts]) = composition(public, hashed);
    let sources = Arc::new(DefaultSourceManager::default());
    let mut host = DefaultHost::default();
    let assembler = match kernel {
        None => Assembler::new(sources),
        Some(source) => {
            let kernel = Assembler::new(sources.clone()).assemble_kernel(source);
            let kernel = kernel.expect("a kernel");
            host.load_forest(kernel.mast_forest().clone());
            Assembler::with_kernel(sources, kernel)
        }
    };
    let program = assembler
        .with_dynamic_library(&stubs)
        .and_then(|assembler| assembler.assemble_program(format!("use test::stubs\n{main}")))
        .expect("a program");
    for library in [&stubs, &parts] {
        host.load_forest(library.mast_forest().clone());
    }
    let mut map = AdviceMap::default();
    for length in [8, 16, hashed] {
        map.insert(Rpo256::hash_elements(&data(length)), data(length));
    }
    let advice = AdviceInputs {
        map,
        ..AdviceInputs::default()
    };
    let (stack, options) = (StackInputs::default(), ExecutionOptions::default());
    execute_traced(
        ExecutionInputs {
            program: &program,
            composition: Some(&composition),
            arguments: (&stack).into(),
            advice,
            options,
        },
        &mut host,
    )
    .expect("a trace")
}

/// Inputs and outputs of so many elements each.
fn memory(length: u64) -> MemoryIo {
    let segment = |address| {
        let elements = data(length);
        Some(MemorySegment { address, elements })
    };
    MemoryIo {
        inputs: segment(1000),
        outputs: segment(5000),
    }
}

/// Runs a program with so many inputs and outputs in memory, which copies one of them.
pub fn in_memory(length: u64) -> ExecutionTrace {
    let program = Assembler::default()
        .assemble_program("begin mem_load.1002 mem_store.5003 end")
        .expect("a program");
    let layout = memory(length).layout();
    let arguments = Arguments {
        memory: data(length),
        layout,
        ..Arguments::default()
    };
    let inputs = ExecutionInputs {
        arguments,
        ..ExecutionInputs::new(&program)
    };
    execute_traced(inputs, &mut DefaultHost::default()).expect("a trace")
}

/// A program that records something of a precompile or a claim.
fn recording(commitment: &PrecompileCommitment) -> String {
    let push = |word: Word| {
        let [a, b, c, d] = <[Felt; 4]>::from(word).map(|element| element.as_int());
        format!("push.{a}.{b}.{c}.{d}")
    };
    let (tag, digest) = (push(commitment.tag()), push(commitment.comm_calldata()));
    format!("{tag} {digest} log_precompile dropw dropw ")
}

const EVENT: EventName = EventName::new("test::hash");

/// A precompile that hashes bytes.
struct Hashed;

impl PrecompileVerifier for Hashed {
    fn verify(&self, calldata: &[u8]) -> Result<PrecompileCommitment, PrecompileError> {
        let tag = Word::from([EVENT.to_event_id().as_felt(), ZERO, ZERO, ZERO]);
        Ok(PrecompileCommitment::new(tag, Rpo256::hash(calldata)))
    }
}

fn registry() -> PrecompileVerifierRegistry {
    PrecompileVerifierRegistry::new().with_verifier(&EVENT, Arc::new(Hashed))
}

fn request() -> PrecompileRequest {
    PrecompileRequest::new(EVENT.to_event_id(), vec![1, 2, 3])
}

/// Proves a run that has left these requests.
fn prove(traced: ExecutionTrace, requests: &[PrecompileRequest]) -> (PublicInputs, Proof) {
    let ExecutionTrace { trace, public, .. } = traced;
    let settings = Shape::settings().into();
    let proof = miden_cvm_prover::prove_trace(trace, public.clone(), &settings).expect("a proof");
    let proof = proof
        .with_requests(requests.to_vec())
        .expect("few requests");
    assert!(is_verified_with(&public, &proof, &with_claims(&registry())));
    (public, proof)
}

/// Changes of a statement, each of which makes another one of it.
fn changes(public: &PublicInputs) -> Vec<(&'static str, PublicInputs)> {
    let mut changes = Vec::new();
    let mut add = |name, change: &dyn Fn(&mut PublicInputs)| {
        let mut changed = public.clone();
        change(&mut changed);
        changes.push((name, changed));
    };
    add("transcript", &|public| {
        public.precompile_transcript = public.program_hash
    });
    add("kernel", &|public| {
        let mut procedures = public.kernel.proc_hashes().to_vec();
        match procedures.is_empty() {
            true => procedures.push(public.program_hash),
            false => procedures.truncate(1),
        }
        public.kernel = Kernel::new(&procedures).expect("a kernel");
    });
    let Some(composition) = &public.composition else {
        let change = |segment: &mut Option<MemorySegment>| match segment {
            Some(segment) => segment.elements[3] += ONE,
            None => *segment = memory(8).inputs,
        };
        add("input", &|public| change(&mut public.memory.inputs));
        add("output", &|public| change(&mut public.memory.outputs));
        add("place", &|public| match &mut public.memory.outputs {
            Some(segment) => segment.address += 4,
            outputs => *outputs = memory(8).outputs,
        });
        add("no input", &|public| {
            public.memory.inputs = match public.memory.inputs {
                Some(_) => None,
                None => memory(4).inputs,
            };
        });
        add("composition", &|public| {
            public.composition = Some(composition(8, 8).0);
            public.memory = MemoryIo::default();
        });
        return changes;
    };
    add("none", &|public| public.composition = None);
    let mut records = |name, change: &dyn Fn(&mut Records)| {
        let mut records = Records(
            composition.links().to_vec(),
            composition.segments().to_vec(),
            composition.resources().to_vec(),
            composition.intrinsics().to_vec(),
            composition.public_data().to_vec(),
            composition.exports().to_vec(),
        );
        change(&mut records);
        let Records(links, segments, resources, intrinsics, data, exports) = records;
        let count = composition.num_instances() + u32::from(name == "instances");
        let changed = Composition::new(count, links, segments)
            .and_then(|composition| composition.with_resources(resources, intrinsics))
            .and_then(|composition| composition.with_public_data(data))
            .and_then(|composition| composition.with_exports(exports))
            .expect("a composition");
        add(name, &|public| public.composition = Some(changed.clone()));
    };
    records("instances", &|_| {});
    records("link", &|records| records.0[0].callee = EMPTY_WORD);
    records("links", &|records| records.0.truncate(1));
    records("segment", &|records| records.1[0].commitment = EMPTY_WORD);
    records("address", &|records| records.1[1].address += 8);
    records("destructor", &|records| records.2[0].destructor = None);
    records("intrinsic", &|records| records.3[0].digest = EMPTY_WORD);
    records("datum", &|records| records.4[0].elements[5] += ONE);
    records("data", &|records| records.4[0].address += 8);
    records("export", &|records| records.5[0].callee = EMPTY_WORD);
    records("key", &|records| records.5[1].key += ONE);
    records("exports", &|records| records.5.truncate(1));
    changes
}

struct Records(
    Vec<LinkRecord>,
    Vec<SegmentRecord>,
    Vec<ResourceRecord>,
    Vec<IntrinsicRecord>,
    Vec<PublicData>,
    Vec<ExportRecord>,
);

/// Runs of all kinds, each with its proof.
fn kinds() -> Vec<(&'static str, (PublicInputs, Proof))> {
    let commitment = Hashed.verify(request().calldata()).expect("a commitment");
    let recording = format!("begin {} end", recording(&commitment));
    let main = "begin call.stubs::a call.stubs::b push.1 drop end";
    let with_kernel = "begin syscall.one call.stubs::a call.stubs::a syscall.two end";
    vec![
        ("precompile", prove(traced(&recording, &[]), &[request()])),
        ("memory", prove(in_memory(8), &[])),
        ("composition", prove(composed(main, None, 16, 8), &[])),
        (
            "kernel",
            prove(composed(with_kernel, Some(KERNEL), 8, 8), &[]),
        ),
    ]
}

#[test]
fn statements_of_all_kinds_are_verified() {
    for (name, proven) in kinds() {
        let output = accepts(std::slice::from_ref(&proven));
        println!("{name}: {} cycles", output.cycles);
        let (public, proof) = &proven;
        let program = program(std::slice::from_ref(&proven));
        let statement = PublicInputs {
            program_hash: program.program().hash(),
            stack_outputs: output.stack,
            ..PublicInputs::default()
        };
        let aggregation = Aggregate::new(vec![part(&proven, None)]).expect("an aggregation");
        let checked = aggregation.check(&statement, &registry());
        let checked = checked.expect("it is what was verified");
        assert_eq!(checked.precompiles, proof.requests().len());
        assert!(checked.claims.is_empty());
        let json = serde_json::to_value(&aggregation).expect("JSON");
        let read: Aggregate = serde_json::from_value(json.clone()).expect("an aggregation");
        read.check(&statement, &registry()).expect("the same");
        assert_eq!(serde_json::to_value(&read).expect("JSON"), json);

        // Another statement is refused by the verifier, and by the program of its shape, whatever is
        // read of the proof; and it is not what the run has verified.
        for (changed, other) in changes(public) {
            assert!(
                !is_verified_with(&other, proof, &registry()),
                "{name}, {changed}"
            );
            let shape = Shape::of(&other, proof).expect("a shape");
            let of_shape = VerifyingProgram::new(&[shape]).expect("a program");
            let mut read = advice(public, proof).expect("advice");
            let own = variables(public).len();
            read.stack.splice(..own, variables(&other));
            let mut inputs = of_shape.advice();
            inputs.extend(read);
            assert!(run(&of_shape, inputs).is_err(), "{name}, {changed}");
            let other = Aggregate::new(vec![part(&(other, proof.clone()), None)]);
            let refused = other
                .expect("an aggregation")
                .check(&statement, &registry());
            let is_other = matches!(
                refused,
                Err(AggregateError::OtherProgram { .. } | AggregateError::Statement)
            );
            assert!(is_other, "{name}, {changed}");
        }
    }
}

#[test]
fn what_precompiles_compute_is_computed_again() {
    let (_, proven) = kinds().swap_remove(0);
    let output = accepts(std::slice::from_ref(&proven));
    let statement = PublicInputs {
        program_hash: program(std::slice::from_ref(&proven)).program().hash(),
        stack_outputs: output.stack,
        ..PublicInputs::default()
    };
    let (public, proof) = proven;
    let check = |requests: Vec<PrecompileRequest>, registry: &PrecompileVerifierRegistry| {
        let proof = proof.clone().with_requests(requests).expect("few requests");
        let aggregation = Aggregate::new(vec![part(&(public.clone(), proof), None)]);
        aggregation
            .expect("an aggregation")
            .check(&statement, registry)
    };
    check(vec![request()], &registry()).expect("what the run left");
    let other = PrecompileRequest::new(EVENT.to_event_id(), vec![1, 2, 4]);
    for requests in [vec![], vec![other], vec![request(); 2]] {
        let refused = check(requests, &registry());
        assert!(matches!(
            refused,
            Err(AggregateError::Requests { index: 0, .. })
        ));
    }
    let unknown = check(vec![request()], &PrecompileVerifierRegistry::new());
    assert!(matches!(
        unknown,
        Err(AggregateError::Requests { index: 0, .. })
    ));

    let proof = proof
        .clone()
        .with_requests(vec![request()])
        .expect("a request");
    let aggregation = Aggregate::new(vec![part(&(public, proof), None)]).expect("an aggregation");
    let json = serde_json::to_value(&aggregation).expect("JSON");
    for text in ["", "0", "0G", "0A", "00"] {
        let mut changed = json.clone();
        changed["statements"][0]["requests"] = text.into();
        let error = serde_json::from_value::<Aggregate>(changed).expect_err("it is refused");
        assert!(
            error.to_string().contains("is not in canonical form"),
            "{text}: {error}"
        );
    }
}

/// The run of a statement, as it is claimed.
fn run_of(public: &PublicInputs) -> ClaimedRun {
    miden_cvm_verifier::claimed_run(public).expect("a run that can be claimed")
}

/// Proves a run that claims other ones.
fn claiming(runs: &[ClaimedRun], main: &str) -> (PublicInputs, Proof) {
    let claims = runs.iter().map(|&run| Claim {
        caller: Word::default(),
        run,
    });
    let claims: Vec<Claim> = claims.collect();
    let code: String = claims
        .iter()
        .map(|claim| recording(&claim.commitment()))
        .collect();
    let requests: Vec<PrecompileRequest> = claims.iter().map(Claim::request).collect();
    prove(
        composed(&format!("begin {code} {main} end"), None, 8, 8),
        &requests,
    )
}

/// The findings about an aggregation of proofs, were it proven.
fn checked(proofs: &[&(PublicInputs, Proof)]) -> Result<CheckedAggregate, AggregateError> {
    let parts = proofs.iter().map(|proof| part(proof, None));
    let aggregation = Aggregate::new(parts.collect()).expect("an aggregation");
    let program = aggregation.program().expect("a program");
    let commitment = aggregation.commitment().to_vec();
    let statement = PublicInputs {
        program_hash: program.program().hash(),
        stack_outputs: miden_core::StackOutputs::new(commitment).expect("outputs"),
        ..PublicInputs::default()
    };
    aggregation.check(&statement, &registry())
}

#[test]
fn claims_are_proven_by_the_aggregation_or_open() {
    let inner = claiming(&[], "call.stubs::a");
    let middle = claiming(&[run_of(&inner.0)], "call.stubs::b");
    let outer = claiming(&[run_of(&middle.0), run_of(&inner.0)], "push.1 drop");
    let all = [&outer, &middle, &inner];
    let output = accepts(&all.map(Clone::clone));
    let found = checked(&all).expect("an aggregation");
    println!("three with claims: {} cycles", output.cycles);
    assert_eq!(found.claims.len(), 2);
    assert_eq!(found.open().count(), 0);
    assert_eq!(found.precompiles, 0);
    let proofs: Vec<Vec<u8>> = all.iter().map(|(_, proof)| proof.to_bytes()).collect();
    let stated = |i: usize| miden_cvm_verifier::ProvenStatement {
        public: &all[i].0,
        proof: &proofs[i],
    };
    let expectations = Expectations::from(MinSecurity::Conjectured(96));
    let native = verify_claims(
        stated(0),
        &[stated(1), stated(2)],
        &expectations,
        &registry(),
    );
    let native = native.expect("claims with proofs");
    let claims = |claims: &mut dyn Iterator<Item = Claim>| -> Vec<Claim> { claims.collect() };
    assert_eq!(
        claims(&mut native.claims.iter().map(|claim| claim.claim)),
        claims(&mut found.claims.iter().map(|claim| claim.claim))
    );

    // Without a proof they are open, in whichever order the others stand.
    for (proofs, open) in [
        (vec![&outer], vec![&middle, &inner]),
        (vec![&inner, &outer], vec![&middle]),
        (vec![&middle, &outer], vec![&inner]),
        (vec![&inner, &inner], vec![]),
    ] {
        let found = checked(&proofs).expect("an aggregation");
        let found: Vec<ClaimedRun> = found.open().map(|claim| claim.run).collect();
        let open: Vec<ClaimedRun> = open.iter().map(|(public, _)| run_of(public)).collect();
        assert_eq!(open.len(), found.len());
        assert!(open.iter().all(|run| found.contains(run)));
    }
    // A proof of another run of the program is none.
    let mut other = inner.clone();
    other.0.stack_inputs = StackInputs::try_from_ints([1]).expect("inputs");
    let found = checked(&[&middle, &other]).expect("an aggregation");
    assert_eq!(found.open().count(), 1);
}

/// Statements are made up so that each run claims the other one: no hash allows that, but code that is not
/// bound by it could.
#[test]
fn claims_that_rest_on_themselves_are_refused() {
    let (public, proof) = claiming(&[], "push.1 drop");
    let with_claims_of = |public: &PublicInputs, runs: &[ClaimedRun]| {
        let requests = runs.iter().map(|&run| Claim {
            caller: Word::default(),
            run,
        });
        let requests: Vec<PrecompileRequest> = requests.map(|claim| claim.request()).collect();
        let mut public = public.clone();
        let registry = with_claims(&registry());
        let transcript = registry
            .requests_transcript(&requests)
            .expect("a transcript");
        public.precompile_transcript = transcript.state();
        let proof = proof.clone().with_requests(requests).expect("few requests");
        (public, proof)
    };
    let mut second = public.clone();
    second.stack_inputs = StackInputs::try_from_ints([1]).expect("inputs");
    let (first_run, second_run) = (run_of(&public), run_of(&second));
    let itself = with_claims_of(&public, &[first_run]);
    assert!(
        matches!(checked(&[&itself]), Err(AggregateError::Circular(hash)) if hash == public.program_hash)
    );
    let first = with_claims_of(&public, &[second_run]);
    let second = with_claims_of(&second, &[first_run]);
    assert!(matches!(
        checked(&[&first, &second]),
        Err(AggregateError::Circular(_))
    ));
    // With a proof of one that rests on nothing, all do.
    let founded = with_claims_of(&public, &[]);
    let found = checked(&[&first, &second, &founded]).expect("an order");
    assert_eq!(found.open().count(), 0);
    assert_eq!(checked(&[&first]).expect("an open one").open().count(), 1);
}

#[test]
fn statements_with_too_many_records_are_refused() {
    let links = (0..MAX_MESSAGES as u64 + 1).map(|number| LinkRecord {
        source: 0,
        digest: Word::from([Felt::new(number), ZERO, ZERO, ZERO]),
        kind: LinkKind::Shared,
        target: 1,
        callee: EMPTY_WORD,
    });
    let composition = Composition::new(2, links.collect(), Vec::new()).expect("a composition");
    let public = PublicInputs {
        composition: Some(composition),
        ..PublicInputs::default()
    };
    let heights = Heights::uniform(64).expect("heights");
    let refused = Shape::new(heights, &public).expect_err("too many");
    assert!(matches!(refused, ShapeError::Records(_)), "{refused}");
    let statement = Statement::try_from(public).expect("a statement");
    let json = serde_json::json!({
        "statements": [{ "statement": statement, "heights": heights.rows() }]
    });
    let refused = serde_json::from_value::<Aggregate>(json).expect_err("too many");
    assert!(
        refused.to_string().contains("cannot be one of it"),
        "{refused}"
    );
}
