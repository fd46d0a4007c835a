//! The chiplets' tables satisfy their constraints and balance their buses, and forged ones do
//! not.

use std::collections::{BTreeMap, BTreeSet};

use miden_core::{Felt, FieldElement, Kernel, ONE, QuadFelt, Word, ZERO};
use miden_crypto::hash::rpo::Rpo256;
use miden_cvm_air::{
    MAX_DEGREE,
    air::periodic_rows,
    builder::{PERIOD, Violations},
    columns::HasherRow,
    composition::{Composition, LinkKind, LinkRecord, SegmentRecord},
    heights::MAX_HEIGHT,
    lookup::{self, *},
    public::{PublicInputs, link_coords, segment_coords},
    table::{self, Table, TableRows, Window},
};

use super::{
    CYCLE, ChipletRecorders,
    bitwise::BitwiseRecorder,
    hasher::{HasherRequestError, SegmentData},
    instances::InstanceRecorder,
    memory::Access,
    memory_context,
    range::RangeCounts,
    rom::{RomRecorder, UnknownRecord},
};
use crate::{
    ContextId,
    circuit::{CircuitEvaluation, Gate, GateOperation},
    tracer::BitwiseOp,
};

/// A multiset of messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Balance(BTreeMap<(Bus, Vec<u64>), Felt>);

impl Balance {
    fn request<M: Message<Felt>>(&mut self, count: Felt, message: M) {
        self.add(Slot(0), "", ONE, count, message);
    }

    fn unbalanced(&self) -> Vec<Bus> {
        self.0
            .iter()
            .filter(|&(_, &sum)| sum != ZERO)
            .map(|((bus, _), _)| *bus)
            .collect()
    }
}

impl LookupBuilder for Balance {
    type Expr = Felt;

    fn send(&mut self, _: Slot, _: &'static str, _: Felt, count: Felt, content: Content<'_, Felt>) {
        if count != ZERO {
            let key = content.coordinates.iter().map(Felt::as_int).collect();
            let sum = self.0.entry((content.bus, key)).or_insert(ZERO);
            *sum += count;
        }
    }
}

/// The contents of each slot of a row.
#[derive(Default)]
struct Slots(BTreeMap<Slot, Vec<&'static str>>);

impl LookupBuilder for Slots {
    type Expr = Felt;

    fn send(&mut self, slot: Slot, name: &'static str, flag: Felt, _: Felt, _: Content<'_, Felt>) {
        if flag != ZERO {
            self.0.entry(slot).or_default().push(name);
        }
    }
}

/// A run's requests, with what the rest of the machine sends and receives for them.
#[derive(Clone)]
struct Run {
    recorders: ChipletRecorders,
    requests: Balance,
    seed: u64,
}

/// A finished trace.
struct Trace {
    /// All tables but the core.
    tables: table::Trace,
    requests: Balance,
}

impl Run {
    fn new(kernel: &[Word], composition: Option<&Composition>) -> Self {
        let kernel = Kernel::new(kernel).expect("a valid kernel");
        let mut requests = Balance::default();
        for &digest in kernel.proc_hashes() {
            requests.request(
                ONE,
                KernelRecord {
                    digest: digest.into(),
                },
            );
        }
        if let Some(composition) = composition {
            for link in composition.links() {
                requests.request(
                    ONE,
                    LinkRow {
                        link: link_coords(link, composition),
                    },
                );
            }
            for segment in segment_coords(composition) {
                requests.request(ONE, SegmentRow { segment });
            }
        }
        let recorders = ChipletRecorders::new(
            RomRecorder::new(&kernel, composition),
            InstanceRecorder::new(composition),
        );
        Self {
            recorders,
            requests,
            seed: 1,
        }
    }

    fn random(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn word(&mut self) -> Word {
        Word::new(core::array::from_fn(|_| Felt::new(self.random())))
    }

    fn words(&mut self, count: usize) -> Vec<Word> {
        (0..count).map(|_| self.word()).collect()
    }

    /// Executes a node once.
    fn node(&mut self, left: Word, right: Word, domain: u64) -> u32 {
        let domain = Felt::new(domain);
        let digest = Rpo256::merge_in_domain(&[left, right], domain);
        let mut inputs = [ZERO; 8];
        inputs[..4].copy_from_slice(left.as_elements());
        inputs[4..].copy_from_slice(right.as_elements());
        let hasher = &mut self.recorders.hasher;
        let address = hasher.hash_node(digest, domain, &inputs);
        hasher.request_input(address);
        hasher.request_digest(address);
        let at = Felt::from(address);
        let state = core::array::from_fn(|i| match i {
            1 => domain,
            0..4 => ZERO,
            _ => inputs[i - 4],
        });
        self.requests
            .request(-ONE, HashInput { address: at, state });
        let end = HashDigest {
            address: at + Felt::new(7),
            digest: digest.into(),
        };
        self.requests.request(-ONE, end);
        address
    }

    /// Executes a basic block once.
    fn block(&mut self, batches: &[[Felt; 8]]) -> u32 {
        let digest = Rpo256::hash_elements(batches.as_flattened());
        let hasher = &mut self.recorders.hasher;
        let address = hasher.hash_block(digest, batches);
        let mut at = address;
        for (i, batch) in batches.iter().enumerate() {
            hasher.request_input(at);
            let address = Felt::from(at);
            if i == 0 {
                let state = core::array::from_fn(|i| if i < 4 { ZERO } else { batch[i - 4] });
                self.requests.request(-ONE, HashInput { address, state });
            } else {
                self.requests.request(
                    -ONE,
                    HashAbsorb {
                        address,
                        rate: *batch,
                    },
                );
            }
            at += 8;
        }
        hasher.request_digest(at - 8);
        let end = HashDigest {
            address: Felt::from(at - 1),
            digest: digest.into(),
        };
        self.requests.request(-ONE, end);
        address
    }

    /// Executes HPERM once.
    fn permute(&mut self, state: [Felt; 12]) -> u32 {
        let address = self.recorders.hasher.permute(&state);
        let at = Felt::from(address);
        self.requests
            .request(-ONE, HashInput { address: at, state });
        let mut output = state;
        Rpo256::apply_permutation(&mut output);
        let end = HashOutput {
            address: at + Felt::new(7),
            state: output,
        };
        self.requests.request(-ONE, end);
        address
    }

    /// Claims a leg of a Merkle path.
    fn claim_leg(&mut self, id: u32, legs: [u32; 2], leaf: Word, index: u64, path: &[Word]) {
        let mut root = leaf;
        for (level, &sibling) in path.iter().enumerate() {
            let right = index >> level & 1 == 1;
            root = Rpo256::merge(&if right {
                [sibling, root]
            } else {
                [root, sibling]
            });
        }
        let path_id = Felt::from(id);
        let [old_leg, new_leg] = legs.map(Felt::from);
        let leaf = MerkleLeaf {
            path: path_id,
            old_leg,
            new_leg,
            index: Felt::new(index),
            node: leaf.into(),
        };
        self.requests.request(-ONE, leaf);
        let root = MerkleRoot {
            path: path_id,
            old_leg,
            new_leg,
            depth: Felt::new(path.len() as u64),
            root: root.into(),
        };
        self.requests.request(-ONE, root);
    }

    fn merkle_verify(&mut self, index: u64, depth: usize) -> u32 {
        let (leaf, path) = (self.word(), self.words(depth));
        let id = self
            .recorders
            .hasher
            .merkle_verify(leaf, index, &path)
            .expect("a valid path");
        self.claim_leg(id, [0, 0], leaf, index, &path);
        id
    }

    fn merkle_update(&mut self, index: u64, depth: usize) -> u32 {
        let (old, new, path) = (self.word(), self.word(), self.words(depth));
        let id = self
            .recorders
            .hasher
            .merkle_update(old, new, index, &path)
            .expect("a valid path");
        self.claim_leg(id, [1, 0], old, index, &path);
        self.claim_leg(id, [0, 1], new, index, &path);
        id
    }

    /// Creates an instance and writes its static data.
    fn create(
        &mut self,
        composition: &Composition,
        domain: u32,
        instance: u32,
        data: &[Vec<Felt>],
        time: u32,
    ) {
        let context = memory_context(domain, instance as u16, Space::User);
        let init = SegmentInit {
            context: Felt::new(context),
            instance: Felt::from(instance),
            time: Felt::from(time),
            segment: ZERO,
        };
        self.requests.request(ONE, init);
        let segments = composition.segments_of(instance);
        for (number, (record, data)) in segments.iter().zip(data).enumerate() {
            let segment = SegmentData {
                context,
                instance,
                time,
                number: number as u32,
                address: record.address,
                done: number + 1 == segments.len(),
                data,
            };
            self.recorders
                .init_segment(&segment)
                .expect("valid static data");
        }
    }

    fn bitwise(&mut self, op: BitwiseOp, a: u32, b: u32) {
        self.recorders.bitwise.record(op, a, b);
        let xor = op == BitwiseOp::Xor;
        let result = if xor { a ^ b } else { a & b };
        let [xor, a, b, result] = [u32::from(xor), a, b, result].map(Felt::from);
        self.requests
            .request(-ONE, BitwiseOp_ { xor, a, b, result });
    }

    fn access(&mut self, access: Access) {
        self.recorders.memory.record(access);
        let context = Felt::new(access.context);
        let address = Felt::from(access.address);
        let time = Felt::from(access.time);
        let is_write = Felt::from(u8::from(access.is_write));
        if access.is_element {
            let value = access.word[access.address as usize % 4];
            let message = MemoryElement {
                context,
                address,
                time,
                is_write,
                value,
            };
            self.requests.request(ONE, message);
        } else {
            let value = access.word;
            let message = MemoryWord {
                context,
                address,
                time,
                is_write,
                value,
            };
            self.requests.request(ONE, message);
        }
    }

    /// Accesses memory at random, from cycle `first` on.
    fn memory(&mut self, first: u32, count: u32) {
        let contexts = [
            memory_context(0, 0, Space::User),
            memory_context(0, 0, Space::State),
            memory_context(0, 3, Space::User),
            memory_context((1 << 28) - 1, 0xffff, Space::Caller),
        ];
        let words = [0, 4, 8, 0x3fffc, 0x4_0000, 0x8000_0000, 0xffff_fffc];
        let mut memory: BTreeMap<(u64, u32), [Felt; 4]> = BTreeMap::new();
        for time in first..first + count {
            let context = contexts[self.random() as usize % contexts.len()];
            let address = words[self.random() as usize % words.len()];
            let cell = memory.entry((context, address)).or_default();
            let mut word = *cell;
            let (is_write, is_element) = (self.random() & 1 == 0, self.random() & 1 == 0);
            let element = if is_element { self.random() % 4 } else { 0 };
            if is_write {
                let value = Felt::new(self.random());
                if is_element {
                    word[element as usize] = value;
                } else {
                    word = [value; 4];
                }
            }
            let before = core::mem::replace(cell, word);
            // Sometimes the old value is read in the same cycle, once or twice.
            for _ in 0..self.random() % 3 {
                let (is_write, is_element) = (false, false);
                self.access(Access {
                    context,
                    address,
                    time,
                    is_write,
                    is_element,
                    word: before,
                });
            }
            let address = address + element as u32;
            self.access(Access {
                context,
                address,
                time,
                is_write,
                is_element,
                word,
            });
        }
    }

    /// Writes a circuit of two variables, `x` and `y`, to memory, and evaluates it to zero at these
    /// cycles.
    fn circuit(&mut self, cycles: &[u32], [x, y]: [QuadFelt; 2], gates: &[Gate]) {
        let (address, num_read) = (8, 2);
        let (context, key) = (ContextId::new(3, 1), memory_context(3, 1, Space::User));
        let mut wires = vec![x, y];
        let count = 2 + gates.len();
        for gate in gates {
            let [left, right] = [gate.left, gate.right].map(|id| wires[count - 1 - id as usize]);
            wires.push(match gate.operation {
                GateOperation::Sub => left - right,
                GateOperation::Mul => left * right,
                GateOperation::Add => left + right,
            });
        }
        assert_eq!(wires.last(), Some(&QuadFelt::ZERO));
        let variables = [x, y].map(|v| [v.base_element(0), v.base_element(1)]);
        let instructions = gates.iter().map(|gate| gate.encode());
        let memory: Vec<Felt> = variables.concat().into_iter().chain(instructions).collect();

        for (i, word) in memory.chunks_exact(4).enumerate() {
            let write = Access {
                context: key,
                address: address + 4 * i as u32,
                time: 1,
                is_write: true,
                is_element: false,
                word: core::array::from_fn(|i| word[i]),
            };
            self.access(write);
            for &clk in cycles {
                // The chiplet sends the reads itself.
                self.recorders.memory.record(Access {
                    time: clk + 1,
                    is_write: false,
                    ..write
                });
            }
        }
        for &clk in cycles {
            self.requests.request(
                ONE,
                CircuitRequest {
                    context: Felt::new(key),
                    time: Felt::from(clk + 1),
                    address: Felt::from(address),
                    num_read: Felt::from(num_read),
                    num_eval: Felt::new(gates.len() as u64),
                },
            );
            self.recorders.circuits.record(CircuitEvaluation {
                context,
                clk,
                address,
                num_read,
                wires: wires.clone(),
                gates: gates.to_vec(),
            });
        }
    }

    fn finish(self) -> Trace {
        let mut ranges = RangeCounts::default();
        let sections = self.recorders.finish(&mut ranges, MAX_HEIGHT);
        let mut tables = table::Trace::default();
        let height = |table: Table| {
            table.height_for(match table {
                Table::Range => ranges.rows(),
                Table::Hasher => sections.hasher.rows(),
                Table::Memory => sections.memory.rows(),
                Table::Bitwise => sections.bitwise.rows(),
                Table::Rom => sections.rom.rows(),
                Table::Circuits => sections.circuits.rows(),
                Table::Core | Table::Resources | Table::Instances => return 0,
            })
        };
        let all = TableRows::new(Table::ALL.map(|table| 0..height(table)));
        tables.resize(Table::Range, height(Table::Range));
        sections.fill(&mut tables, &all, height);
        ranges.fill(&mut tables.range);
        Trace {
            tables,
            requests: self.requests,
        }
    }
}

type BitwiseOp_ = lookup::BitwiseOp<Felt>;

/// Looks at the rows of a table from `row` on as constraints see them.
fn window<R>(
    tables: &table::Trace,
    table: Table,
    row: usize,
    look: impl FnOnce(&Window<'_, Felt>) -> R,
) -> R {
    let periodic = periodic_rows();
    look(&Window {
        cur: tables.row(table, row),
        next: tables.row(table, row + 1),
        periodic: &periodic[row % PERIOD],
        composed: ONE,
    })
}

/// The constraints that the pair of rows from `row` on violates.
fn violations(tables: &table::Trace, table: Table, row: usize) -> Vec<String> {
    let mut found = Violations::default();
    window(tables, table, row, |rows| {
        table.constraints(rows, &mut found)
    });
    found.found.into_iter().map(|(name, _)| name).collect()
}

/// The tables that are there.
fn present(tables: &table::Trace) -> impl Iterator<Item = Table> {
    let present = Table::ALL.map(|table| (table, tables.height(table) > 0));
    present
        .into_iter()
        .filter_map(|(table, there)| there.then_some(table))
}

impl Trace {
    /// The names of all violated constraints and unbalanced buses.
    fn check(&self) -> BTreeSet<String> {
        let tables = &self.tables;
        let mut found = BTreeSet::new();
        let mut balance = self.requests.clone();
        for table in present(tables) {
            let last = tables.height(table) - 1;
            for row in 0..last {
                found.extend(violations(tables, table, row));
                window(tables, table, row, |rows| table.lookups(rows, &mut balance));
            }
            for boundary in table.boundaries(&PublicInputs::default()) {
                let row = if boundary.last { last } else { 0 };
                if tables.row(table, row)[boundary.column] != boundary.value {
                    found.insert(boundary.name);
                }
            }
        }
        found.extend(
            balance
                .unbalanced()
                .into_iter()
                .map(|bus| format!("bus.{bus:?}")),
        );
        found
    }

    #[track_caller]
    fn assert_valid(&self) {
        assert_eq!(self.check(), BTreeSet::new());
    }

    /// Expects that the trace, changed by `forge`, violates `expected`, among others.
    #[track_caller]
    fn assert_forged(&self, expected: &str, forge: impl FnOnce(&mut table::Trace)) {
        let mut tables = self.tables.clone();
        forge(&mut tables);
        // Whoever moves rows numbers them.
        for (number, row) in tables.hasher.iter_mut().enumerate() {
            row.address = Felt::new(number as u64);
        }
        let requests = self.requests.clone();
        let found = Self { tables, requests }.check();
        assert!(
            found.iter().any(|name| name.starts_with(expected)),
            "{expected} is not among {found:?}"
        );
    }

    /// The final state of the cycle at `address`.
    fn output(&self, address: u32) -> [Felt; 12] {
        self.tables.hasher[address as usize + CYCLE - 1].state
    }
}

fn data(seed: u64, length: usize) -> Vec<Felt> {
    (0..length as u64)
        .map(|i| Felt::new(seed.wrapping_mul(i * i + 7)))
        .collect()
}

/// A composition of two instances: segments of 1 and 3 blocks, and of 2 blocks.
fn composition() -> (Composition, [Vec<Vec<Felt>>; 2]) {
    let data = [vec![data(11, 8), data(12, 24)], vec![data(13, 16)]];
    let segment = |instance: u32, address: u32, data: &[Felt]| SegmentRecord {
        instance,
        address,
        length: data.len() as u32,
        commitment: Rpo256::hash_elements(data),
    };
    let segments = vec![
        segment(0, 0x10_0000, &data[0][0]),
        segment(0, 0x20_0000, &data[0][1]),
        segment(1, 4, &data[1][0]),
    ];
    let link = |source, digest: u64, kind, target| LinkRecord {
        source,
        digest: Word::new([Felt::new(digest); 4]),
        kind,
        target,
        callee: Word::new([Felt::new(digest + 1); 4]),
    };
    let links = vec![
        link(0, 5, LinkKind::Shared, 1),
        link(1, 6, LinkKind::Isolated, 0),
    ];
    (
        Composition::new(2, links, segments).expect("a valid composition"),
        data,
    )
}

/// A run that asks something of every chiplet.
fn small_run() -> Run {
    let (composition, data) = composition();
    let kernel = [Word::new([Felt::new(77); 4])];
    let mut run = Run::new(&kernel, Some(&composition));
    let (left, right) = (run.word(), run.word());
    run.node(left, right, 0b101_0111);
    let batches: Vec<[Felt; 8]> = (1..4).map(|i| [Felt::new(i); 8]).collect();
    run.block(&batches);
    run.block(&batches[..1]);
    let state = core::array::from_fn(|i| Felt::new(i as u64));
    run.permute(state);
    run.merkle_verify(0b10, 2);
    run.merkle_update(0b011, 3);
    run.create(&composition, 0, 0, &data[0], 0);
    run.create(&composition, 9, 1, &data[1], 9);
    run.merkle_verify(1, 1);
    run.bitwise(BitwiseOp::And, 0xffff_0000, 0x1234_5678);
    run.bitwise(BitwiseOp::Xor, 0xdead_beef, 0x0f0f_0f0f);
    run.memory(20, 20);
    let variables = [[3, 1], [4, 6]].map(|[a, b]| QuadFelt::new(Felt::new(a), Felt::new(b)));
    run.circuit(&[50, 60], variables, &gates());
    run.recorders
        .rom
        .request_kernel(kernel[0])
        .expect("a kernel procedure");
    run.requests.request(
        -ONE,
        KernelProcedure {
            digest: kernel[0].into(),
        },
    );
    for link in composition.links() {
        run.recorders
            .rom
            .request_link(link.source, link.digest)
            .expect("a link");
        run.requests.request(
            -ONE,
            LinkLookup {
                link: link_coords(link, &composition),
                domain: ZERO,
            },
        );
    }
    run
}

/// Eight gates of all operations, the last of which is zero.
fn gates() -> Vec<Gate> {
    use GateOperation::{Add, Mul, Sub};
    [
        (Mul, 9, 8),
        (Add, 9, 7),
        (Sub, 6, 8),
        (Mul, 5, 5),
        (Add, 4, 4),
        (Mul, 3, 9),
        (Sub, 2, 6),
        (Sub, 3, 3),
    ]
    .map(|(operation, left, right)| Gate {
        operation,
        left,
        right,
    })
    .to_vec()
}

#[test]
fn a_run_that_uses_every_chiplet_is_valid() {
    small_run().finish().assert_valid();
}

#[test]
fn nodes_are_hashed_once_and_as_the_program_is() {
    let mut run = Run::new(&[], None);
    let (left, right) = (run.word(), run.word());
    let first = run.node(left, right, 42);
    let other = run.node(left, right, 43);
    assert_eq!(run.node(left, right, 42), first);
    let blocks: Vec<Vec<[Felt; 8]>> = (1..5)
        .map(|count| (0..count).map(|i| [Felt::new(10 * count + i); 8]).collect())
        .collect();
    let addresses: Vec<u32> = blocks.iter().map(|batches| run.block(batches)).collect();
    assert_eq!(run.block(&blocks[2]), addresses[2]);
    let trace = run.finish();
    trace.assert_valid();
    let merged = |domain| Rpo256::merge_in_domain(&[left, right], Felt::new(domain));
    assert_eq!(trace.output(first)[4..8], *merged(42).as_elements());
    assert_eq!(trace.output(other)[4..8], *merged(43).as_elements());
    for (address, batches) in addresses.into_iter().zip(&blocks) {
        let last = address + 8 * (batches.len() as u32 - 1);
        let digest = Rpo256::hash_elements(batches.as_flattened());
        assert_eq!(trace.output(last)[4..8], *digest.as_elements());
    }
}

#[test]
fn permutations_are_shared_and_those_of_the_hash_function() {
    let mut run = Run::new(&[], None);
    let states: Vec<[Felt; 12]> = (0..40)
        .map(|_| core::array::from_fn(|_| Felt::new(run.random())))
        .collect();
    let addresses: Vec<u32> = states.iter().map(|&state| run.permute(state)).collect();
    assert_eq!(run.permute(states[3]), addresses[3]);
    assert_eq!(run.recorders.hasher.rows(), CYCLE * states.len());
    let trace = run.finish();
    trace.assert_valid();
    for (mut state, address) in states.into_iter().zip(addresses) {
        Rpo256::apply_permutation(&mut state);
        assert_eq!(trace.output(address), state);
    }
}

#[test]
fn merkle_paths_of_all_depths_are_valid() {
    let mut run = Run::new(&[], None);
    run.permute([ONE; 12]);
    for depth in [1, 2, 7, 31, 32, 33, 34, 63, 64] {
        let mask = u64::MAX >> (64 - depth);
        let random = run.random() & 0x7fff_ffff_ffff_ffff;
        for index in [0, random & mask, mask.min(0xffff_fffe_ffff_ffff)] {
            run.merkle_verify(index, depth);
        }
        run.merkle_update(random & mask, depth);
    }
    run.finish().assert_valid();
}

#[test]
fn merkle_paths_that_cannot_be_shown_are_refused() {
    let mut run = Run::new(&[], None);
    let (leaf, path) = (run.word(), run.words(65));
    let hasher = &mut run.recorders.hasher;
    let refused = |depth| HasherRequestError::PathDepth(depth);
    assert_eq!(hasher.merkle_verify(leaf, 0, &[]), Err(refused(0)));
    assert_eq!(hasher.merkle_verify(leaf, 0, &path), Err(refused(65)));
    for (index, depth) in [(2, 1), (u64::MAX, 64), (0xffff_ffff_0000_0000, 64)] {
        assert_eq!(
            hasher.merkle_update(leaf, leaf, index, &path[..depth]),
            Err(HasherRequestError::PathIndex { index, depth })
        );
    }
    assert_eq!(hasher.rows(), 0);
}

#[test]
fn an_index_beyond_the_modulus_cannot_pose_as_a_small_one() {
    let mut run = Run::new(&[], None);
    run.permute([ONE; 12]);
    let (leaf, path) = (run.word(), run.words(64));
    // The bits are those of 5 plus the modulus.
    let index = 5 + 0xffff_ffff_0000_0001;
    let id = run.recorders.hasher.begin_chain();
    run.recorders
        .hasher
        .leg(id, [false, false], leaf, index, &path);
    run.claim_leg(id, [0, 0], leaf, index, &path);
    assert_eq!(
        run.finish().check(),
        ["hasher.merkle_canonical_index".to_owned()].into()
    );
}

#[test]
fn a_path_of_65_levels_is_refused() {
    let mut run = Run::new(&[], None);
    run.permute([ONE; 12]);
    let (leaf, path) = (run.word(), run.words(64));
    let id = run.recorders.hasher.begin_chain();
    run.recorders.hasher.leg(id, [false, false], leaf, 1, &path);
    run.claim_leg(id, [0, 0], leaf, 1, &path);
    let trace = run.finish();
    trace.assert_valid();
    // Levels from 1 on instead of from 0: the range check of the last row has no answer.
    trace.assert_forged("bus.Range", |rows| {
        for row in &mut rows.hasher[8..8 * 65] {
            row.merkle_args_mut().level += ONE;
        }
        for row in rows.hasher[8..8 * 65].iter_mut().skip(7).step_by(8) {
            row.cycle_end_mut().levels_left -= ONE;
        }
    });
}

#[test]
fn static_data_is_a_whole_number_of_blocks_and_public() {
    let (composition, _) = composition();
    let mut run = Run::new(&[], Some(&composition));
    let zeros = [ZERO; 12];
    let segment = |number, data| SegmentData {
        context: 0,
        instance: 0,
        time: 0,
        number,
        address: 0,
        done: false,
        data,
    };
    assert_eq!(
        run.recorders.init_segment(&segment(0, &zeros)),
        Err(HasherRequestError::SegmentLength {
            instance: 0,
            segment: 0,
            length: 12
        })
    );
    assert_eq!(
        run.recorders.init_segment(&segment(2, &zeros[..8])),
        Err(HasherRequestError::Segment {
            instance: 0,
            segment: 2
        })
    );
    assert_eq!(
        run.recorders.rom.request_link(1, Word::default()),
        Err(UnknownRecord::Link {
            instance: 1,
            digest: Word::default()
        })
    );
}

#[test]
fn bitwise_operations_are_shared_and_right() {
    let mut run = Run::new(&[], None);
    run.permute([ONE; 12]);
    let mut pairs: Vec<(u32, u32)> = (0..100)
        .map(|_| (run.random() as u32, run.random() as u32))
        .collect();
    pairs.extend([(0, 0), (u32::MAX, u32::MAX), (u32::MAX, 0)]);
    for _ in 0..2 {
        for &(a, b) in &pairs {
            run.bitwise(BitwiseOp::And, a, b);
            run.bitwise(BitwiseOp::Xor, a, b);
        }
    }
    let mut recorder = BitwiseRecorder::default();
    recorder.record(BitwiseOp::And, 1, 2);
    recorder.record(BitwiseOp::And, 1, 2);
    assert_eq!(recorder.finish().rows(), 2);
    run.finish().assert_valid();
}

#[test]
fn memory_accesses_are_valid() {
    let mut run = Run::new(&[], None);
    run.permute([ONE; 12]);
    run.memory(1, 2000);
    run.finish().assert_valid();
}

#[test]
fn two_writes_at_one_time_are_refused() {
    let mut run = Run::new(&[], None);
    run.permute([ONE; 12]);
    for value in [3, 4] {
        let (time, is_write, is_element) = (9, true, false);
        let word = [Felt::new(value); 4];
        run.access(Access {
            context: 0,
            address: 8,
            time,
            is_write,
            is_element,
            word,
        });
    }
    let found = run.finish().check();
    assert_eq!(found, ["memory.delta".to_owned()].into());
}

#[test]
fn a_slot_has_one_message_a_row() {
    let Trace { tables, .. } = small_run().finish();
    for table in present(&tables) {
        for row in 0..tables.height(table) - 1 {
            let mut slots = Slots::default();
            window(&tables, table, row, |rows| table.lookups(rows, &mut slots));
            for (slot, names) in slots.0 {
                assert!(names.len() < 2, "{table:?}, row {row}, {slot:?}: {names:?}");
            }
        }
    }
}

#[test]
fn degrees_are_as_declared() {
    let catalogs = Table::ALL.into_iter().flat_map(Table::constraint_catalog);
    let constraints: Vec<_> = catalogs.collect();
    for constraint in &constraints {
        assert!(
            constraint.actual <= constraint.degree && constraint.degree <= MAX_DEGREE,
            "{constraint:?}"
        );
    }
    let names: BTreeSet<_> = constraints
        .iter()
        .map(|constraint| &constraint.name)
        .collect();
    assert_eq!(names.len(), constraints.len(), "names are unique");
}

#[test]
fn messages_are_packed_into_few_columns() {
    let widths = Table::ALL.map(|table| table.packing().width());
    // Fractions with ungated denominators share a column, four at most.
    assert_eq!(widths[1..], [1, 3, 2, 1, 3, 1, 3, 7]);
}

/// (That every cell which means something is bound is a test of the audit's, on traces of programs.)
#[test]
fn every_constraint_is_violated_by_some_change() {
    let Trace { mut tables, .. } = small_run().finish();
    for table in present(&tables.clone()) {
        let mut violated = BTreeSet::new();
        for row in 0..tables.height(table) - 1 {
            for cell in 0..table.width() {
                let value = tables.row(table, row)[cell];
                for change in [
                    value + ONE,
                    ONE - value,
                    -value,
                    Felt::new(0x1234_5678_9abc),
                ] {
                    tables.row_mut(table, row)[cell] = change;
                    for row in [row.checked_sub(1), Some(row)].into_iter().flatten() {
                        violated.extend(violations(&tables, table, row));
                    }
                }
                tables.row_mut(table, row)[cell] = value;
            }
        }
        let missing: BTreeSet<String> = table
            .constraint_catalog()
            .into_iter()
            .map(|constraint| constraint.name)
            .filter(|name| !violated.contains(name))
            .collect();
        assert_eq!(missing, BTreeSet::new());
    }
}

/// The rows of the first cycle at or after `from` whose first row satisfies `is`.
fn cycle(
    tables: &mut table::Trace,
    from: usize,
    is: impl Fn(&HasherRow<Felt>) -> bool,
) -> (usize, &mut [HasherRow<Felt>]) {
    let rows = &mut tables.hasher;
    let at = (from..rows.len())
        .step_by(CYCLE)
        .find(|&row| is(&rows[row]))
        .expect("the trace has such a cycle");
    (at, &mut rows[at..at + CYCLE])
}

fn each(rows: &mut [HasherRow<Felt>], change: impl Fn(&mut HasherRow<Felt>)) {
    rows.iter_mut().for_each(change);
}

#[test]
fn kinds_of_cycles_cannot_be_mixed() {
    let trace = small_run().finish();
    // The plain cycle after the first node becomes one that goes on with its hash.
    trace.assert_forged("hasher.absorb_capacity", |rows| {
        each(&mut rows.hasher[8..16], |row| row.absorb = ONE);
    });
    // A cycle goes on with the hash of a finished Merkle path.
    trace.assert_forged("hasher.absorb_after", |rows| {
        let (at, _) = cycle(rows, 0, |row| {
            row.merkle == ONE && row.merkle_args().end == ONE
        });
        each(&mut rows.hasher[at + 8..at + 16], |row| {
            row.merkle = ZERO;
            row.absorb = ONE;
        });
    });
    // A cycle changes its kind half way.
    trace.assert_forged("hasher.kind_constant", |rows| {
        each(&mut rows.hasher[4..8], |row| row.merkle = ONE);
    });
    // A cycle is of two kinds.
    trace.assert_forged("hasher.one_kind", |rows| {
        let (_, rows) = cycle(rows, 0, |row| row.absorb == ONE);
        each(rows, |row| row.init = ONE);
    });
    // The first cycle of the trace goes on with something.
    trace.assert_forged("boundary.first_absorb", |rows| {
        each(&mut rows.hasher[..8], |row| row.absorb = ONE);
    });
}

#[test]
fn merkle_paths_cannot_be_cut_or_spliced() {
    let trace = small_run().finish();
    let is_start = |row: &HasherRow<Felt>| row.merkle == ONE && row.merkle_args().start == ONE;
    let is_end = |row: &HasherRow<Felt>| row.merkle == ONE && row.merkle_args().end == ONE;
    // A path without a beginning: no leaf is claimed.
    trace.assert_forged("hasher.start", |rows| {
        let (_, rows) = cycle(rows, 0, is_start);
        each(rows, |row| {
            row.merkle_args_mut().start = ZERO;
            row.merkle_args_mut().names_path = ZERO;
        });
    });
    // A path without an end: no root is claimed.
    for kind in ["hasher.open_merkle_kind", "hasher.start"] {
        trace.assert_forged(kind, |rows| {
            let (at, _) = cycle(rows, 0, |row| row.merkle == ONE);
            let (_, rows) = cycle(rows, at, |row| {
                is_end(row) && (kind == "hasher.start") != (row.merkle_args().new_leg == ONE)
            });
            each(rows, |row| row.merkle_args_mut().end = ZERO);
            rows[7].cycle_end_mut().open_merkle = ONE;
        });
    }
    // A path without an end, to the end of the table.
    trace.assert_forged("boundary.last_merkle", |rows| {
        let end = rows.hasher.len();
        rows.hasher[end - CYCLE..]
            .iter_mut()
            .for_each(|row| row.merkle = ONE);
    });
    // A second beginning on the way.
    trace.assert_forged("hasher.start", |rows| {
        let (at, _) = cycle(rows, 0, is_start);
        each(&mut rows.hasher[at + 8..at + 16], |row| {
            row.merkle_args_mut().start = ONE
        });
    });
    // An index that leaves something over at the root.
    trace.assert_forged("hasher.merkle_end_index", |rows| {
        let (_, rows) = cycle(rows, 0, is_end);
        each(rows, |row| row.merkle_args_mut().index += Felt::new(2));
    });
    // The node of a level is not the digest of the one below.
    trace.assert_forged("hasher.merkle_node", |rows| {
        let (at, _) = cycle(rows, 0, is_start);
        let bit = rows.hasher[at + 8].merkle_args().bit;
        each(&mut rows.hasher[at + 8..at + 16], |row| {
            row.merkle_args_mut().bit = ONE - bit
        });
    });
    // Another leg on the way.
    trace.assert_forged("hasher.continued_args", |rows| {
        let (at, _) = cycle(rows, 0, |row| {
            is_start(row) && row.merkle_args().old_leg == ONE
        });
        each(&mut rows.hasher[at + 8..at + 16], |row| {
            row.merkle_args_mut().old_leg = ZERO
        });
    });
}

#[test]
fn a_path_has_the_id_of_its_row() {
    let mut run = Run::new(&[], None);
    run.permute([ONE; 12]);
    let (leaf, path) = (run.word(), run.words(3));
    let id = run.recorders.hasher.begin_chain() + 8;
    run.recorders.hasher.leg(id, [false, false], leaf, 1, &path);
    run.claim_leg(id, [0, 0], leaf, 1, &path);
    assert_eq!(
        run.finish().check(),
        ["hasher.merkle_path".to_owned()].into()
    );
}

#[test]
fn an_update_has_the_same_siblings_on_both_legs() {
    let mut run = Run::new(&[], None);
    run.permute([ONE; 12]);
    let (old, new, path, other) = (run.word(), run.word(), run.words(3), run.words(3));
    let id = run.recorders.hasher.begin_chain();
    run.recorders.hasher.leg(id, [true, false], old, 1, &path);
    run.recorders.hasher.begin_chain();
    run.recorders.hasher.leg(id, [false, true], new, 1, &other);
    run.claim_leg(id, [1, 0], old, 1, &path);
    run.claim_leg(id, [0, 1], new, 1, &other);
    assert_eq!(
        run.finish().check(),
        ["bus.MerkleSibling".to_owned()].into()
    );
}

#[test]
fn static_data_cannot_be_altered() {
    let trace = small_run().finish();
    let first = |row: &HasherRow<Felt>| {
        row.init == ONE && row.init_args().first == ONE && row.init_args().last == ZERO
    };
    // A block is left out: the segment claims to begin with its second block.
    trace.assert_forged("hasher.zero_capacity", |rows| {
        let (at, _) = cycle(rows, 0, first);
        each(&mut rows.hasher[at + 8..at + 16], |row| {
            row.init_args_mut().first = ONE
        });
    });
    // The last block is left out.
    trace.assert_forged("bus.Segment", |rows| {
        let (at, _) = cycle(rows, 0, first);
        each(&mut rows.hasher[at + 8..at + 16], |row| {
            row.init_args_mut().last = ONE
        });
        rows.hasher[at + 15].cycle_end_mut().open_init = ZERO;
    });
    // A segment without an end: its commitment is never looked up.
    trace.assert_forged("hasher.start", |rows| {
        let (_, rows) = cycle(rows, 0, |row| {
            row.init == ONE && row.init_args().last == ONE && row.init_args().done == ZERO
        });
        each(rows, |row| row.init_args_mut().last = ZERO);
        rows[7].cycle_end_mut().open_init = ONE;
    });
    // Blocks change places.
    trace.assert_forged("hasher.init_block", |rows| {
        let (at, _) = cycle(rows, 0, first);
        each(&mut rows.hasher[at + 8..at + 16], |row| {
            row.init_args_mut().block += ONE
        });
        each(&mut rows.hasher[at + 16..at + 24], |row| {
            row.init_args_mut().block -= ONE
        });
    });
    // A segment goes to another instance, or comes at another time, half way.
    for arg in [0, 2] {
        trace.assert_forged("hasher.continued_args", |rows| {
            let (at, _) = cycle(rows, 0, first);
            each(&mut rows.hasher[at + 8..at + 16], |row| {
                row.args[arg] += ONE
            });
        });
    }
    // A segment comes late.
    trace.assert_forged("bus.SegmentInit", |rows| {
        for row in rows.hasher.iter_mut().filter(|row| row.init == ONE) {
            row.init_args_mut().time += ONE;
        }
    });
    // The segments that follow are not owed.
    trace.assert_forged("bus.Segment", |rows| {
        let (_, rows) = cycle(rows, 0, |row| {
            row.init == ONE && row.init_args().done == ZERO
        });
        each(rows, |row| row.init_args_mut().done = ONE);
    });
}

#[test]
fn memory_holds_what_was_written() {
    let mut run = Run::new(&[], None);
    run.permute([ONE; 12]);
    let access = |context, address, time, is_write, is_element, value| Access {
        context,
        address,
        time,
        is_write,
        is_element,
        word: [Felt::new(value); 4],
    };
    run.access(access(0, 0, 5, true, false, 7));
    run.access(access(0, 0, 6, false, false, 7));
    run.access(access(0, 4, 3, false, false, 0));
    run.access(access(8, 0, 4, false, true, 0));
    run.clone().finish().assert_valid();

    // A read of something else, as the reader believes it.
    for (time, value) in [(6, 8), (4, 7)] {
        let mut run = run.clone();
        run.access(access(0, 0, time, false, false, value));
        let found = run.finish().check();
        assert!(
            found.iter().any(|name| name.starts_with("memory.value")),
            "{found:?}"
        );
    }
    // A first read that is not zero, in a new word and in a new context.
    for (context, address) in [(0, 8), (16, 0)] {
        let mut run = run.clone();
        run.access(access(context, address, 7, false, false, 1));
        let found = run.finish().check();
        assert!(
            found.iter().any(|name| name.starts_with("memory.value")),
            "{found:?}"
        );
    }
    // A write of one element that changes another.
    let mut written = run.clone();
    written.access(access(0, 0, 9, true, true, 8));
    let found = written.finish().check();
    assert!(
        found.iter().any(|name| name.starts_with("memory.value")),
        "{found:?}"
    );

    let trace = run.finish();
    // The last row is of no access.
    let at = trace.tables.memory.len() - 5;
    // The read before the write.
    trace.assert_forged("memory.", |rows| rows.memory.swap(at, at + 1));
    // Words and contexts in another order, with the right differences: they are no 48-bit numbers.
    trace.assert_forged("memory.delta", |rows| {
        rows.memory.swap(at + 1, at + 2);
        rows.memory[at + 1].new_word = ONE;
        rows.memory[at + 2].new_word = ONE;
    });
    // A second run of the same word, as if it were another one.
    trace.assert_forged("memory.delta", |rows| {
        rows.memory[at + 1].new_word = ONE;
    });
    trace.assert_forged("memory.delta", |rows| {
        rows.memory[at + 1].new_context = ONE;
    });
    // The first access finds what the row before it holds, which is padding.
    trace.assert_forged("memory.padding", |rows| {
        rows.memory[at - 1].value[0] = ONE;
    });
    // There is no row before it.
    trace.assert_forged("boundary.first_whole", |rows| {
        rows.memory.drain(..at);
        rows.memory.extend_from_within(..3);
    });
    // Padding between accesses.
    trace.assert_forged("memory.after_padding", |rows| {
        rows.memory[at + 1] = rows.memory[at - 1];
    });
    // An address beyond 32 bits.
    trace.assert_forged("bus.Range", |rows| {
        rows.memory[at + 2].word[1] = Felt::new(1 << 14);
    });
}

#[test]
fn public_records_are_there_once() {
    let trace = small_run().finish();
    let records = trace.tables.rom.iter().filter(|row| row.segment == ONE);
    // One procedure, two links, three segments.
    assert_eq!(records.count(), 3);
    let end = 5;
    for (name, at) in [
        ("bus.KernelRecord", 0),
        ("bus.LinkRecord", 1),
        ("bus.SegmentRecord", end),
    ] {
        // A record is there twice.
        trace.assert_forged(name, |rows| rows.rom[end + 1] = rows.rom[at]);
    }
    // A record is missing, and is answered nevertheless: nothing else may answer.
    trace.assert_forged("bus.Link", |rows| {
        rows.rom[1] = rows.rom[0];
        rows.rom[1].multiplicity = ZERO;
    });
    // A row of no kind that has a record, and one of two kinds.
    for (kind, name) in [(ZERO, "rom.unused"), (ONE, "rom.kind_binary")] {
        trace.assert_forged(name, |rows| {
            rows.rom[0].link = kind;
            rows.rom[0].kernel = kind;
        });
    }
}
