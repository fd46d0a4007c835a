//! Proofs of real runs: they verify, and nothing else does.

use std::{
    sync::{Arc, mpsc},
    thread,
};

use miden_assembly::{
    Assembler, DefaultSourceManager, Library,
    ast::{Module, ModuleKind},
};
use miden_core::{Felt, Kernel, ONE, StackInputs, StackOutputs, Word, crypto::hash::Rpo256};
use miden_cvm_air::{
    air::CvmAir,
    composition::{Composition, LinkKind, LinkRecord, SegmentRecord},
    heights::{Heights, MAX_HEIGHT},
    memory_io::{Area, Arguments, MemoryIo, MemoryLayout},
    public::PublicInputs,
    table::{Table, TableRows, Trace},
};
use miden_cvm_processor::{
    AdviceInputs, DefaultHost, ExecutionInputs, ExecutionOptions, ExecutionTrace, execute_traced,
    execute_traced_rows,
};
use miden_cvm_prover::{
    Coordinator, CoordinatorError, GroupPart, HashFunction, OptionSet, ProofError, ProofSettings,
    ProveOptions, ProverError, Worker, WorkerError, memory_at_once, prove_in_turns, prove_trace,
};
use miden_cvm_verifier::{
    Expectations, LayoutError, MinSecurity, Proof, Verified, VerifierError, verify,
};
use winterfell::math::{FieldElement, fields::QuadExtension};

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

/// A set with which columns of shorter pieces are interleaved.
const INTERLEAVED: OptionSet = OptionSet::Regular96;

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
        ExecutionInputs {
            arguments: (&inputs).into(),
            options: ExecutionOptions::default().with_slices(slices),
            ..ExecutionInputs::new(&program)
        },
        &mut DefaultHost::default(),
    )
    .expect("the program runs")
}

/// The trace of some rows of such a run.
fn rows_in_slices(source: &str, slices: usize, rows: &TableRows) -> ExecutionTrace {
    let program = Assembler::default().assemble_program(source);
    let inputs = StackInputs::try_from_ints([1, 2, 3]).expect("three inputs");
    execute_traced_rows(
        ExecutionInputs {
            program: &program.expect("the program assembles"),
            composition: None,
            arguments: inputs.into(),
            advice: AdviceInputs::default(),
            options: ExecutionOptions::default().with_slices(slices),
        },
        &mut DefaultHost::default(),
        rows,
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
        ExecutionInputs {
            composition: Some(&composition),
            advice,
            ..ExecutionInputs::new(&program)
        },
        &mut host,
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

/// A run with inputs and outputs in memory: its table of memory is in several pieces.
#[test]
fn inputs_and_outputs_in_memory_are_those_of_the_statement() {
    let program = Assembler::default()
        .assemble_program(
            "begin
                mem_load.1000 mem_load.1255 add mem_store.2004
                repeat.100 mem_load.2004 drop end
            end",
        )
        .expect("the program assembles");
    let area = |address, length| Some(Area { address, length });
    let layout = MemoryLayout {
        inputs: area(1000, 256),
        outputs: area(2000, 8),
    };
    let arguments = Arguments {
        memory: (1..=256).map(Felt::new).collect(),
        layout,
        ..Arguments::default()
    };
    for slices in [1, 3] {
        let ExecutionTrace { trace, public, .. } = execute_traced(
            ExecutionInputs {
                arguments: arguments.clone(),
                options: ExecutionOptions::default().with_slices(slices),
                ..ExecutionInputs::new(&program)
            },
            &mut DefaultHost::default(),
        )
        .expect("the program runs");
        let outputs = public.memory.outputs.as_ref().expect("outputs");
        let expected = [0, 0, 0, 0, 257, 0, 0, 0].map(Felt::new);
        assert_eq!(outputs.elements, expected);
        let mut options = ProveOptions::from(ProofSettings::from(FAST));
        options.slices = slices;
        let proof = prove_trace(trace, public.clone(), &options).expect("the trace is valid");
        let proof = proof.to_bytes();
        verify(&public, &proof, &FAST.level().into()).expect("the proof is valid");

        // With another element, another place or fewer words it is a proof of nothing.
        type Alter = fn(&mut MemoryIo);
        let inputs = |memory: &mut MemoryIo| memory.inputs.take().expect("inputs");
        let alter: [Alter; 7] = [
            |memory| memory.inputs.as_mut().expect("inputs").elements[255] += Felt::new(1),
            |memory| memory.outputs.as_mut().expect("outputs").elements[4] += Felt::new(1),
            |memory| memory.outputs.as_mut().expect("outputs").elements[7] += Felt::new(1),
            |memory| memory.outputs.as_mut().expect("outputs").address += 4,
            |memory| {
                memory
                    .inputs
                    .as_mut()
                    .expect("inputs")
                    .elements
                    .truncate(252)
            },
            |memory| memory.outputs = None,
            |memory| core::mem::swap(&mut memory.inputs, &mut memory.outputs),
        ];
        for alter in alter {
            let mut other = public.clone();
            alter(&mut other.memory);
            let result = verify(&other, &proof, &FAST.level().into());
            assert!(
                matches!(result, Err(VerifierError::Rejected(_))),
                "{result:?}"
            );
        }
        let mut other = public.clone();
        let mut odd = inputs(&mut other.memory);
        odd.elements.truncate(255);
        other.memory.inputs = Some(odd);
        let result = verify(&other, &proof, &FAST.level().into());
        assert!(
            matches!(result, Err(VerifierError::Statement(_))),
            "{result:?}"
        );

        // Who knows the program by its hash says where its inputs and outputs are.
        let mut expectations = Expectations::from(FAST.level());
        expectations.program_hash = Some(public.program_hash);
        let refused = |expectations: &Expectations| {
            let result = verify(&public, &proof, expectations);
            assert!(
                matches!(result, Err(VerifierError::Memory { .. })),
                "{result:?}"
            );
        };
        refused(&expectations);
        expectations.memory.inputs = layout.inputs;
        refused(&expectations);
        expectations.memory = layout;
        verify(&public, &proof, &expectations).expect("it is what is expected");
        expectations.memory.inputs = area(1004, 252);
        refused(&expectations);
    }
}

/// The parts that the workers of a proof are made of.
#[derive(Clone)]
struct Sliced {
    trace: Trace,
    public: PublicInputs,
    settings: ProofSettings,
    groups: usize,
}

impl Sliced {
    /// The same with a set with which columns of shorter pieces are interleaved.
    fn interleaved(self) -> Self {
        Self {
            settings: INTERLEAVED.into(),
            ..self
        }
    }

    /// The program in as many slices as there are groups.
    fn new(groups: usize) -> Self {
        let ExecutionTrace { trace, public, .. } = trace_in_slices(LONG_PROGRAM, groups);
        Self {
            trace,
            public,
            settings: FAST.into(),
            groups,
        }
    }

    fn coordinator(&self) -> Coordinator {
        let heights = self.trace.heights().expect("allowed heights");
        Coordinator::new(heights, self.public.clone(), self.settings, self.groups)
            .expect("a piece for each group")
    }

    fn worker(&self, group: usize) -> Worker {
        let (trace, public) = (self.trace.clone(), self.public.clone());
        Worker::new(trace, public, self.settings, self.groups, group).expect("a group of the run")
    }

    /// A worker that has run the program for its own rows only.
    fn worker_of_rows(&self, group: usize) -> Worker {
        let none = rows_in_slices(LONG_PROGRAM, self.groups, &TableRows::default());
        assert_eq!(Some(none.heights), self.trace.heights());
        let part = GroupPart::new(none.heights, none.public, self.settings, self.groups, group);
        let part = part.expect("a group of the run");
        let own = rows_in_slices(LONG_PROGRAM, self.groups, part.rows());
        assert!(own.trace.height(Table::Core) < self.trace.height(Table::Core));
        part.worker(own.trace, None).expect("the rows of the group")
    }

    /// The proof that one machine makes.
    fn alone(&self) -> Proof {
        let mut options = ProveOptions::from(self.settings);
        options.slices = self.groups;
        prove_trace(self.trace.clone(), self.public.clone(), &options).expect("the trace is valid")
    }

    fn verify(&self, proof: &Proof) -> Result<Verified, VerifierError> {
        let least = self.settings.set().level();
        verify(&self.public, &proof.to_bytes(), &least.into())
    }

    fn workers(&self) -> Vec<Worker> {
        (0..self.groups).map(|group| self.worker(group)).collect()
    }
}

/// Lets honest workers answer at so many stages.
fn go_on(coordinator: &mut Coordinator, workers: &mut [Worker], stages: usize) {
    for _ in 0..stages {
        let request = coordinator.request();
        for worker in workers.iter_mut() {
            let reply = worker.answer(&request).expect("an honest request");
            coordinator.receive(&reply).expect("an honest answer");
        }
    }
}

/// The bytes that a message begins with, up to its first root or element.
const HEAD: usize = 7 + 32;

/// The stages of a proof, as their number stands in messages.
const STAGES: usize = 6;

#[test]
fn workers_make_the_proof_that_one_machine_makes() {
    for (sliced, machines) in [
        (Sliced::new(2), 2),
        (Sliced::new(4), 2),
        (Sliced::new(4), 4),
        (Sliced::new(2).interleaved(), 2),
        (Sliced::new(4).interleaved(), 2),
    ] {
        let groups = sliced.groups;
        let mut coordinator = sliced.coordinator();
        let (replies, answered) = mpsc::channel();
        thread::scope(|scope| {
            // Each machine has some of the groups.
            let machine = |number: usize| {
                let (requests, asked) = mpsc::channel::<Vec<u8>>();
                let (replies, sliced) = (replies.clone(), &sliced);
                scope.spawn(move || {
                    let groups = (number..groups).step_by(machines);
                    let mut workers: Vec<Worker> =
                        groups.map(|group| sliced.worker(group)).collect();
                    for request in asked {
                        for worker in &mut workers {
                            let reply = worker.answer(&request).expect("an honest request");
                            replies.send(reply).expect("it is listened to");
                        }
                    }
                });
                requests
            };
            let machines: Vec<_> = (0..machines).map(machine).collect();
            while coordinator.proof().is_none() {
                assert_eq!(coordinator.awaited().len(), groups);
                for requests in &machines {
                    requests.send(coordinator.request()).expect("it listens");
                }
                for _ in 0..groups {
                    let reply = answered.recv().expect("an answer");
                    coordinator.receive(&reply).expect("an honest answer");
                }
            }
        });
        assert!(coordinator.awaited().is_empty());
        let proof = coordinator.proof().expect("all stages are over");
        assert_eq!(*proof, sliced.alone());
        let verified = sliced.verify(proof).expect("a proof of the run");
        assert_eq!(verified.groups, groups);
    }
}

#[test]
fn workers_need_no_rows_but_their_own() {
    let sliced = Sliced::new(4);
    let mut coordinator = sliced.coordinator();
    let workers = (0..4).map(|group| sliced.worker_of_rows(group));
    let mut workers: Vec<Worker> = workers.collect();
    go_on(&mut coordinator, &mut workers, STAGES);
    assert_eq!(coordinator.proof(), Some(&sliced.alone()));
    // A trace of other rows is none for the group.
    let heights = sliced.trace.heights().expect("allowed heights");
    let part = |group| GroupPart::new(heights, sliced.public.clone(), sliced.settings, 4, group);
    let whole = part(1).expect("a group").worker(sliced.trace.clone(), None);
    assert!(matches!(whole.err(), Some(ProverError::Rows { .. })));
    assert!(matches!(part(4).err(), Some(ProverError::Group { .. })));
}

#[test]
fn workers_take_no_more_memory_than_they_may() {
    let sliced = Sliced::new(2);
    let heights = sliced.trace.heights().expect("allowed heights");
    let part = |group| {
        let part = GroupPart::new(heights, sliced.public.clone(), sliced.settings, 2, group);
        part.expect("a group of the run")
    };
    let rows = |group| rows_in_slices(LONG_PROGRAM, 2, part(group).rows()).trace;
    let least = part(0).memory();
    let refused = part(0).worker(rows(0), Some(least - 1));
    let Err(ProverError::Memory { needed, memory }) = refused else {
        panic!("it is not refused");
    };
    assert_eq!((needed, memory), (least, least - 1));
    // Those that keep all that they can say the same as those that keep nothing.
    let mut coordinator = sliced.coordinator();
    let workers = [(0, least), (1, usize::MAX)];
    let workers = workers.map(|(group, memory)| part(group).worker(rows(group), Some(memory)));
    let mut workers = workers.map(|worker| worker.expect("enough memory"));
    go_on(&mut coordinator, &mut workers, STAGES);
    assert_eq!(coordinator.proof(), Some(&sliced.alone()));
}

/// The options of a run in so many groups.
fn in_slices(settings: ProofSettings, slices: usize) -> ProveOptions {
    let mut options = ProveOptions::from(settings);
    options.slices = slices;
    options
}

#[test]
fn proofs_of_one_group_after_the_other_are_the_same() {
    for (set, groups) in [
        (FAST, 2),
        (FAST, 4),
        (OptionSet::Proven100, 3),
        (OptionSet::Regular96, 1),
    ] {
        let settings = ProofSettings::from(set);
        let ExecutionTrace { trace, public, .. } = trace_in_slices(LONG_PROGRAM, groups);
        let heights = trace.heights().expect("allowed heights");
        let mut options = in_slices(settings, groups);
        let at_once = prove_trace(trace, public.clone(), &options).expect("a proof");
        let memory = memory_at_once(heights, public.clone(), &options).expect("allowed heights");
        options.memory = Some(memory - 1);
        let mut most = 0;
        let proof = prove_in_turns(heights, public.clone(), &options, |rows| {
            let rows = rows_in_slices(LONG_PROGRAM, groups, rows).trace;
            most = most.max(rows.height(Table::Core));
            Ok::<_, ProverError>(rows)
        });
        match groups {
            // One group is all of it.
            1 => assert!(matches!(proof, Err(ProverError::Memory { .. }))),
            _ => {
                assert_eq!(proof.expect("a proof").to_bytes(), at_once.to_bytes());
                assert!(most < heights.of(Table::Core), "{most}");
            }
        }
    }
}

#[test]
fn a_run_that_is_another_one_every_time_is_not_proven_in_turns() {
    let options = in_slices(ProofSettings::from(FAST), 2);
    let ExecutionTrace { trace, public, .. } = trace_in_slices(LONG_PROGRAM, 2);
    let heights = trace.heights().expect("allowed heights");
    let in_turns = |memory, rows: &mut dyn FnMut(Trace, usize) -> Trace| {
        let mut options = options;
        options.memory = memory;
        let mut asked = 0;
        let proof = prove_in_turns(heights, public.clone(), &options, |wanted| {
            asked += 1;
            let mut own = trace.clone();
            own.keep_only(wanted);
            Ok::<_, ProverError>(rows(own, asked))
        });
        (proof.expect_err("that it is refused"), asked)
    };
    // Rows change when they are made for the last time: the first group's and the second one's.
    for (time, group) in [(11, 0), (12, 1)] {
        let (refused, _) = in_turns(None, &mut |mut rows, asked| {
            if asked == time {
                rows.cells_mut(Table::Core)[0] += ONE;
            }
            rows
        });
        assert!(
            matches!(refused, ProverError::Changed { group: of } if of == group),
            "{refused}"
        );
    }
    // There are not as many rows as are asked for.
    let (refused, asked) = in_turns(None, &mut |_, _| Trace::default());
    assert!(matches!(refused, ProverError::Rows { found: 0, .. }));
    assert_eq!(asked, 1);
    // Without memory for one group nothing is run.
    let (refused, asked) = in_turns(Some(1 << 10), &mut |rows, _| rows);
    assert!(matches!(refused, ProverError::Memory { .. }));
    assert_eq!(asked, 0);
    // What makes the rows can fail.
    let failed = prove_in_turns(heights, public.clone(), &options, |_| {
        Err(ProverError::Changed { group: 7 })
    });
    assert!(matches!(failed, Err(ProverError::Changed { group: 7 })));
}

/// No run that is longer than a set's lookups allow is begun with, whoever is asked.
#[test]
fn runs_that_are_too_long_are_refused_before_anything_is_made() {
    let public = trace().public;
    for set in OptionSet::ALL {
        let longest = set.max_height();
        let heights = |core| {
            let mut rows = trace().trace.heights().expect("allowed heights").rows();
            rows[Table::Core as usize] = core;
            Heights::new(rows.map(|rows| rows as usize))
        };
        let settings = ProofSettings::from(set);
        let options = in_slices(settings, 2);
        let Some(too_long) = heights(2 * longest as u32) else {
            assert!(2 * longest > MAX_HEIGHT, "{set:?}");
            continue;
        };
        let allowed = heights(longest as u32).expect("allowed heights");
        assert!(memory_at_once(allowed, public.clone(), &options).is_ok());
        let said = memory_at_once(too_long, public.clone(), &options);
        assert!(matches!(
            said,
            Err(ProverError::Proof(ProofError::Heights(_)))
        ));
        let part = GroupPart::new(too_long, public.clone(), settings, 2, 0);
        assert!(matches!(
            part.err(),
            Some(ProverError::Proof(ProofError::Heights(_)))
        ));
        let coordinator = Coordinator::new(too_long, public.clone(), settings, 2);
        assert!(matches!(coordinator.err(), Some(ProofError::Heights(_))));
        let proof = prove_in_turns(
            too_long,
            public.clone(),
            &options,
            |_| -> Result<_, ProverError> { panic!("rows are asked for") },
        );
        assert!(matches!(
            proof,
            Err(ProverError::Proof(ProofError::Heights(_)))
        ));
    }
}

#[test]
fn whoever_is_gone_is_replaced() {
    let sliced = Sliced::new(2);
    let mut coordinator = sliced.coordinator();
    let mut workers = sliced.workers();
    let mut replies: Vec<Vec<u8>> = Vec::new();
    while coordinator.proof().is_none() {
        let request = coordinator.request();
        // One worker is gone before every stage.
        workers[1] = sliced.worker(1);
        for worker in &mut workers {
            let reply = worker.answer(&request).expect("an honest request");
            // Both are asked and answer again.
            assert_eq!(worker.answer(&request), Ok(reply.clone()));
            coordinator.receive(&reply).expect("an honest answer");
            replies.push(reply);
        }
    }
    assert_eq!(replies.len(), 2 * STAGES);
    let mut another = sliced.coordinator();
    for reply in &replies {
        another.receive(reply).expect("it was taken before");
    }
    assert_eq!(another.proof(), coordinator.proof());
    assert_eq!(coordinator.proof(), Some(&sliced.alone()));
    // The same again changes nothing.
    let last = replies.last().expect("there are answers");
    assert_eq!(coordinator.receive(last), Err(CoordinatorError::Over));
}

/// Every byte of an answer counts: the coordinator refuses what can be seen of one answer, and names the
/// worker; what cannot be seen does not balance, or is no proof.
#[test]
fn workers_are_not_believed() {
    for sliced in [Sliced::new(2), Sliced::new(2).interleaved()] {
        is_not_believed(&sliced);
    }
}

/// The coordinator refuses what a worker changes, stage by stage.
fn is_not_believed(sliced: &Sliced) {
    for stage in 0..STAGES {
        let mut coordinator = sliced.coordinator();
        let mut workers = sliced.workers();
        go_on(&mut coordinator, &mut workers, stage);
        let request = coordinator.request();
        let reply = workers[0].answer(&request).expect("an honest request");
        let other = workers[1].answer(&request).expect("an honest request");
        let roots = HEAD + 32 * (stage + 1).min(3);
        assert_eq!(usize::from(reply[5]), stage);
        let altered = |at: usize| {
            let mut altered = reply.clone();
            altered[at] ^= 1;
            altered
        };
        // Magic bytes, version, stage, and what names the run.
        for at in [0, 4, 5, 7, 38] {
            let refused = coordinator.receive(&altered(at));
            assert!(
                matches!(refused, Err(CoordinatorError::Message(_))),
                "{stage}, byte {at}: {refused:?}"
            );
        }
        for length in [0, 6, 20, 39, reply.len() - 1] {
            let refused = coordinator.receive(&reply[..length]);
            assert!(
                matches!(refused, Err(CoordinatorError::Message(_))),
                "{refused:?}"
            );
        }
        let longer = [&reply[..], &[0]].concat();
        let refused = coordinator.receive(&longer);
        assert!(
            matches!(refused, Err(CoordinatorError::Message(_))),
            "{refused:?}"
        );
        // A root that was sent before.
        if stage > 0 {
            let refused = coordinator.receive(&altered(HEAD));
            assert_eq!(refused, Err(CoordinatorError::Changed(0)));
        }
        match stage {
            0 | 2 => {}
            1 => {
                let first = altered(roots);
                coordinator
                    .receive(&first)
                    .expect("sums are not known before all are");
                // The first answer counts.
                let again = coordinator.receive(&reply);
                assert_eq!(again, Err(CoordinatorError::Changed(0)));
                assert_eq!(coordinator.receive(&other), Err(CoordinatorError::Sums));
                assert_eq!(coordinator.awaited(), [0, 1]);
            }
            3 => {
                let refused = coordinator.receive(&altered(roots));
                assert_eq!(refused, Err(CoordinatorError::Constraints(0)));
            }
            _ => {
                let named = match stage {
                    4 => CoordinatorError::Share(0),
                    _ => CoordinatorError::Opening(0),
                };
                for altered in [altered(roots), altered(reply.len() - 8)] {
                    assert_eq!(coordinator.receive(&altered), Err(named.clone()), "{stage}");
                }
            }
        }
        // The honest answers are taken still.
        for reply in [&reply, &other] {
            coordinator.receive(reply).expect("an honest answer");
        }
        while coordinator.proof().is_none() {
            go_on(&mut coordinator, &mut workers, 1);
        }
        assert_eq!(coordinator.proof(), Some(&sliced.alone()));
    }
}

/// A worker that adds to its sum what another takes from its own is found out by the constraints.
#[test]
fn sums_are_not_moved_between_workers() {
    let sliced = Sliced::new(2);
    let mut coordinator = sliced.coordinator();
    let mut workers = sliced.workers();
    go_on(&mut coordinator, &mut workers, 1);
    let request = coordinator.request();
    for (i, worker) in workers.iter_mut().enumerate() {
        let mut reply = worker.answer(&request).expect("an honest request");
        let at = HEAD + 2 * 32;
        let sum: [u8; 8] = reply[at..at + 8].try_into().expect("a coordinate");
        let moved = [Felt::new(5), -Felt::new(5)][i] + Felt::new(u64::from_le_bytes(sum));
        reply[at..at + 8].copy_from_slice(&moved.as_int().to_le_bytes());
        coordinator.receive(&reply).expect("the sums balance");
    }
    go_on(&mut coordinator, &mut workers, 1);
    let request = coordinator.request();
    for (i, worker) in workers.iter_mut().enumerate() {
        let reply = worker.answer(&request).expect("an honest request");
        let refused = coordinator.receive(&reply);
        assert_eq!(refused, Err(CoordinatorError::Constraints(i)));
    }
}

/// A share that is right outside of the domain and nowhere else is named when rows are opened.
#[test]
fn wrong_shares_are_named_by_the_rows() {
    names_share(&Sliced::new(2), false);
    for by_themselves in [false, true] {
        names_share(&Sliced::new(2).interleaved(), by_themselves);
    }
}

/// The coordinator names the worker whose share is wrong in the composition, or in the columns that are
/// tested by themselves.
fn names_share(sliced: &Sliced, by_themselves: bool) {
    let mut coordinator = sliced.coordinator();
    let mut workers = sliced.workers();
    go_on(&mut coordinator, &mut workers, 4);
    let request = coordinator.request();
    let honest = workers[0].answer(&request).expect("an honest request");
    // To the composition's part is added y - y(z), y being the power of the point that it is a polynomial in.
    let elements: Vec<Felt> = request[HEAD..]
        .chunks(8)
        .map(|bytes| Felt::new(u64::from_le_bytes(bytes.try_into().expect("a coordinate"))))
        .collect();
    let z = QuadExtension::new(elements[2 * 17], elements[2 * 17 + 1]);
    let heights = sliced.trace.heights().expect("allowed heights");
    let options = sliced.settings.proof_options();
    let air = CvmAir::new(heights, sliced.public.clone(), options).in_groups(2);
    let length = air.longest_of(&air.groups()[0]);
    let point = z.exp_vartime((air.longest() / length) as u64);
    // In bit-reversed order, coefficient 1 is in the middle.
    let half = length / 2;
    let at = honest.len() - length * if by_themselves { 32 } else { 16 };
    if by_themselves {
        let tested = air.groups()[0]
            .iter()
            .filter_map(|&piece| air.tested_before(piece));
        assert!(tested.count() > 0, "there are such columns");
    }
    let mut forged = honest.clone();
    let mut add = |position: usize, value: QuadExtension<Felt>| {
        for (i, part) in value.to_base_elements().into_iter().enumerate() {
            let at = at + 16 * position + 8 * i;
            let old: [u8; 8] = forged[at..at + 8].try_into().expect("a coordinate");
            let new = Felt::new(u64::from_le_bytes(old)) + part;
            forged[at..at + 8].copy_from_slice(&new.as_int().to_le_bytes());
        }
    };
    add(0, -point);
    add(half, QuadExtension::ONE);
    coordinator
        .receive(&forged)
        .expect("it is right outside of the domain");
    let other = workers[1].answer(&request).expect("an honest request");
    coordinator.receive(&other).expect("an honest answer");
    let request = coordinator.request();
    let mut refused = Ok(());
    for worker in &mut workers {
        let reply = worker.answer(&request).expect("an honest request");
        refused = coordinator.receive(&reply);
    }
    assert_eq!(refused, Err(CoordinatorError::Share(0)));
}

/// Slices that are not those of the run: of rows that another worker does not have.
#[test]
fn forged_slices_do_not_balance() {
    let sliced = Sliced::new(4);
    let pieces = sliced.trace.heights().expect("allowed heights").pieces();
    let core: Vec<_> = pieces
        .iter()
        .filter(|piece| piece.table == Table::Core)
        .collect();
    assert_eq!(core.len(), 4);
    let width = Table::Core.width();
    let rows =
        |piece: usize| core[piece].start * width..(core[piece].start + core[piece].height) * width;
    let forge = |change: &dyn Fn(&mut [Felt])| {
        let mut forged = sliced.clone();
        change(forged.trace.cells_mut(Table::Core));
        forged
    };
    let height = core[0].height;
    assert!(core.iter().all(|piece| piece.height == height));
    let copy = |cells: &mut [Felt], from: usize, to: usize| {
        cells.copy_within(rows(from), rows(to).start);
    };
    // A slice twice, and the one after it left out.
    let doubled = forge(&|cells| copy(cells, 1, 2));
    // Two slices in each other's place.
    let swapped = forge(&|cells| {
        let first = cells[rows(1)].to_vec();
        copy(cells, 2, 1);
        cells[rows(2)].copy_from_slice(&first);
    });
    for forged in [&doubled, &swapped] {
        let mut options = ProveOptions::from(sliced.settings);
        (options.slices, options.check_trace) = (4, false);
        let proof = prove_trace(forged.trace.clone(), forged.public.clone(), &options);
        let refused = sliced.verify(&proof.expect("it has the form of a trace"));
        assert!(
            matches!(refused, Err(VerifierError::Rejected(_))),
            "{refused:?}"
        );
    }
    // Only one worker is wrong: about the row that two slices share, or about all of its rows.
    let overlap = forge(&|cells| {
        let at = rows(2).start;
        cells[at] += Felt::new(1);
    });
    for forged in [&overlap, &doubled] {
        for wrong in 0..4 {
            let mut coordinator = sliced.coordinator();
            let mut workers = sliced.workers();
            workers[wrong] = forged.worker(wrong);
            let mut refused = None;
            while refused.is_none() && coordinator.proof().is_none() {
                let request = coordinator.request();
                for worker in &mut workers {
                    let reply = worker.answer(&request).expect("an honest request");
                    refused = refused.or(coordinator.receive(&reply).err());
                }
            }
            // Who has none of the changed rows makes the same proof.
            match refused {
                Some(CoordinatorError::Sums) => {}
                Some(CoordinatorError::Constraints(worker)) => assert_eq!(worker, wrong),
                None => assert_eq!(coordinator.proof(), Some(&sliced.alone())),
                other => panic!("worker {wrong}: {other:?}"),
            }
        }
    }
}

/// The parts of a proof in groups, exchanged after it was made.
#[test]
fn roots_and_rows_are_those_of_their_group() {
    let sliced = Sliced::new(2);
    let mut coordinator = sliced.coordinator();
    let mut workers = sliced.workers();
    go_on(&mut coordinator, &mut workers, STAGES - 1);
    let request = coordinator.request();
    let rows = workers.iter_mut().map(|worker| {
        let reply = worker.answer(&request).expect("an honest request");
        coordinator.receive(&reply).expect("an honest answer");
        reply[HEAD + 3 * 32..].to_vec()
    });
    let rows: Vec<Vec<u8>> = rows.collect();
    let proof = coordinator.proof().expect("all stages are over");
    let stark = proof.stark();
    let opened = rows.concat();
    let at = stark.windows(opened.len()).position(|part| part == opened);
    let at = at.expect("the rows stand together");
    let forged = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut stark = stark.to_vec();
        change(&mut stark);
        let forged = Proof::new(proof.settings(), *proof.heights(), stark).expect("its form");
        sliced.verify(&forged.in_groups(2).expect("as many groups"))
    };
    forged(&|_| {}).expect("nothing is changed");
    let exchange = |stark: &mut Vec<u8>, first: usize, second: usize| {
        let root = stark[first..first + 32].to_vec();
        stark.copy_within(second..second + 32, first);
        stark[second..second + 32].copy_from_slice(&root);
    };
    // The roots of the main columns, and those of the auxiliary ones.
    for (first, second) in [(0, 32), (64, 96), (0, 64)] {
        let refused = forged(&|stark| exchange(stark, first, second));
        assert!(
            matches!(refused, Err(VerifierError::Rejected(_))),
            "{refused:?}"
        );
    }
    let exchanged = [&rows[1][..], &rows[0]].concat();
    let refused = forged(&|stark| stark[at..at + opened.len()].copy_from_slice(&exchanged));
    assert!(refused.is_err(), "{refused:?}");
    let doubled = [&rows[0][..], &rows[0]].concat();
    let refused = forged(&|stark| {
        stark.splice(at..at + opened.len(), doubled.iter().copied());
    });
    assert!(refused.is_err(), "{refused:?}");
    // Another number of groups, whose deal is another one.
    for groups in [1, 3, 4] {
        let other = proof
            .clone()
            .in_groups(groups)
            .expect("there are as many pieces");
        assert!(sliced.verify(&other).is_err());
    }
}

#[test]
fn workers_answer_requests_about_their_proof_only() {
    let sliced = Sliced::new(2);
    let mut coordinator = sliced.coordinator();
    let mut workers = sliced.workers();
    go_on(&mut coordinator, &mut workers, STAGES - 1);
    let request = coordinator.request();
    let mut worker = sliced.worker(0);
    let message = |request: &[u8], worker: &mut Worker| {
        let refused = worker.answer(request).expect_err("another request");
        assert!(matches!(refused, WorkerError::Message(_)), "{refused}");
    };
    // What is cut off after whole positions is a request for fewer rows.
    let positions = HEAD + 19 * 16;
    for length in 0..=positions {
        message(&request[..length], &mut worker);
    }
    for at in (0..HEAD).chain([request.len() - 1]) {
        let mut altered = request.clone();
        altered[at] ^= 0x80;
        message(&altered, &mut worker);
    }
    let doubled = [&request[..], &request[request.len() - 8..]].concat();
    message(&doubled, &mut worker);
    // Other challenges than those that it has committed with.
    worker.answer(&request).expect("an honest request");
    for at in [HEAD, positions - 16] {
        let mut altered = request.clone();
        altered[at] ^= 1;
        let refused = worker.answer(&altered);
        assert_eq!(refused, Err(WorkerError::Challenges), "{at}");
    }
    assert!(
        Sliced {
            groups: 3,
            ..sliced.clone()
        }
        .worker(0)
        .answer(&request)
        .is_err()
    );
    let (trace, public) = (sliced.trace.clone(), sliced.public.clone());
    let refused = Worker::new(trace, public, sliced.settings, 2, 2).map(drop);
    assert!(matches!(
        refused,
        Err(ProverError::Group { group: 2, count: 2 })
    ));
}
