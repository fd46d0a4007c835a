//! Tools of a cheating prover: edits of a trace after which everything else fits again.

use std::collections::{BTreeMap, BTreeSet};

use miden_core::{Felt, ONE, Word, ZERO, crypto::hash::Rpo256};
use miden_cvm_air::{
    check::check,
    chiplets::rpo::{STATE_WIDTH, cube, mds},
    columns::{
        BitwiseRow, CallCols, Cells, CircuitRow, CoreRow, EndCols, HasherRow, InstanceRow,
        MemoryRow, OpcodeCols, RangeRow, ResourceOutcome, ResourceRow, RomRow,
    },
    lookup::Bus,
    opcode::{
        CALL, DYN, DYNCALL, END, HPERM, JOIN, LOGPRECOMPILE, LOOP, MPVERIFY, MRUPDATE, REPEAT,
        RESPAN, SPAN, SPLIT, SYSCALL,
    },
    public::{PublicInputs, ROOT_MARK},
    table::{Table, Trace, Window},
};
use miden_cvm_audit::{Key, Sent, collect, memory};
use miden_cvm_processor::{ExecutionInputs, ExecutionTrace, execute_traced};
use miden_cvm_prover::{OptionSet, ProofSettings, ProveOptions, prove_trace};
use miden_cvm_verifier::{Expectations, VerifierError, verify};

use super::recursive::{is_judged_twice, refuse_by_program};
use crate::{common::Case, composition::Builder};

/// Rows of a hasher cycle.
pub const CYCLE: usize = 8;

/// The messages of facts that rows of installed instances state.
const INSTANCE_FACTS: [&str; 16] = [
    "instances.component",
    "instances.type",
    "instances.link",
    "instances.drop_link",
    "instances.handle_link",
    "instances.own_link",
    "instances.generic",
    "instances.builtin",
    "instances.export",
    "instances.segment",
    "instances.wire",
    "instances.specific",
    "instances.even_procedure",
    "instances.odd_procedure",
    "instances.only_procedure",
    "instances.imports_whole",
];

/// A state of the hasher: capacity, then rate.
pub type State = [Felt; STATE_WIDTH];

/// A trace in the hands of a cheating prover.
#[derive(Clone)]
pub struct Forgery {
    /// The tables.
    pub trace: Trace,
    /// The public inputs that are claimed.
    pub public: PublicInputs,
}

/// A message with its place.
pub struct Located {
    /// The table.
    pub table: Table,
    /// The row that sends or receives it.
    pub row: usize,
    /// The message.
    pub sent: Sent,
}

/// The number of times that a message is sent, less the number of times that it is received.
#[derive(Default)]
struct Balance {
    /// By all.
    all: Felt,
    /// By those that are not left out.
    left: Felt,
    /// The names of the latter.
    names: BTreeSet<&'static str>,
}

/// The trace of a case, which does not trap.
pub fn trace_of(case: &Case) -> Forgery {
    let trace = execute_traced(
        ExecutionInputs {
            arguments: case.stack_inputs().into(),
            advice: case.advice_inputs(),
            ..ExecutionInputs::new(&case.program)
        },
        &mut case.host(),
    )
    .unwrap_or_else(|error| panic!("{}: {error}", case.name));
    Forgery::new(trace)
}

/// The trace of a program in Miden assembly, without libraries.
pub fn masm(source: &str) -> Forgery {
    trace_of(&Case::masm("forged", source))
}

/// Changes what an END row names.
pub fn edit_end(core: &mut CoreRow<Felt>, edit: impl FnOnce(&mut EndCols<Felt>)) {
    let mut end = core.as_end();
    edit(&mut end);
    core.set_end(end);
}

/// Changes what a CALL, DYNCALL or SYSCALL row names.
pub fn edit_call(core: &mut CoreRow<Felt>, edit: impl FnOnce(&mut CallCols<Felt>)) {
    let mut call = core.as_call();
    edit(&mut call);
    core.set_call(call);
}

impl Builder {
    /// Puts values on the advice stack, the first one on top.
    pub fn advice(mut self, values: &[u64]) -> Self {
        self.advice_stack = values.iter().copied().map(Felt::new).collect();
        self
    }
}

impl Forgery {
    /// Takes an honest trace.
    pub fn new(trace: ExecutionTrace) -> Self {
        let ExecutionTrace { trace, public, .. } = trace;
        let forgery = Self { trace, public };
        forgery.assert_rejected(&[]);
        forgery
    }

    /// The core columns of a row.
    pub fn core(&mut self, row: usize) -> &mut CoreRow<Felt> {
        &mut self.trace.core[row]
    }

    /// The opcode of a row.
    pub fn opcode(&self, row: usize) -> u8 {
        self.trace.core[row].op.code()
    }

    /// The row of the `nth` occurrence of an opcode, from 0.
    pub fn row_of(&self, code: u8, nth: usize) -> usize {
        self.trace
            .core
            .iter()
            .enumerate()
            .filter(|(_, row)| row.op.code() == code)
            .map(|(i, _)| i)
            .nth(nth)
            .unwrap_or_else(|| panic!("there is no opcode {code:#b} number {nth}"))
    }

    /// The row of the `nth` node of an opcode that opens a block, from 0, and that of its END.
    pub fn block_of(&self, code: u8, nth: usize) -> (usize, usize) {
        let start = self.row_of(code, nth);
        let id = Felt::new(start as u64 + 1);
        let end = (start..)
            .find(|&row| self.opcode(row) == END && self.trace.core[row].decoder.block == id)
            .expect("the block ends");
        (start, end)
    }

    /// Changes the core columns of some rows.
    pub fn edit(
        &mut self,
        rows: impl IntoIterator<Item = usize>,
        mut edit: impl FnMut(&mut CoreRow<Felt>),
    ) {
        for row in rows {
            edit(&mut self.trace.core[row]);
        }
    }

    /// Changes the core columns of all rows from `row` on.
    pub fn edit_from(&mut self, row: usize, edit: impl FnMut(&mut CoreRow<Felt>)) {
        self.edit(row..self.trace.core.len(), edit);
    }

    /// Claims the outputs that the last row has.
    pub fn claim_outputs(&mut self) {
        let top = self.trace.core[self.trace.core.len() - 1].stack.top;
        self.public.stack_outputs = miden_core::StackOutputs::from(top);
    }

    /// Claims the inputs that the first row has.
    pub fn claim_inputs(&mut self) {
        let bottom_first = self.trace.core[0].stack.top.iter().rev().copied().collect();
        self.public.stack_inputs =
            miden_core::StackInputs::new(bottom_first).expect("there are 16 elements");
    }

    /// Every message of the trace.
    fn messages(&self) -> Vec<Located> {
        let periodic = miden_cvm_air::air::periodic_rows();
        let composed = self.public.composed();
        let (mut located, mut messages) = (Vec::new(), Vec::new());
        for table in Table::ALL {
            for row in 0..self.trace.height(table).saturating_sub(1) {
                let rows = Window {
                    cur: self.trace.row(table, row),
                    next: self.trace.row(table, row + 1),
                    periodic: &periodic[row % CYCLE],
                    composed,
                };
                collect(table, &rows, &mut messages);
                let messages = messages.drain(..);
                located.extend(messages.map(|sent| Located { table, row, sent }));
            }
        }
        located
    }

    /// Every message that the verifier sends.
    fn public_messages(&self) -> Vec<Key> {
        let messages = self.public.messages();
        let keys = messages.iter().map(|m| Key::new(m.bus, &m.coordinates));
        keys.collect()
    }

    // Rows of the core
    // --------------------------------------------------------------------------------------------

    /// Removes rows of the core; all references to cycles follow.
    pub fn remove_rows(&mut self, rows: core::ops::Range<usize>) {
        let (from, count) = (rows.start as u64, rows.len() as u64);
        let mut cores = self.trace.core.clone();
        let halt = cores[cores.len() - 1];
        cores.drain(rows);
        cores.resize(self.trace.core.len(), halt);
        self.renumber(cores, |clk| {
            if clk >= from + count {
                clk - count
            } else {
                clk
            }
        });
    }

    /// Inserts rows into the core; all references to cycles follow. Those of the new rows are to
    /// cycles as they were.
    pub fn insert_rows(&mut self, at: usize, new: Vec<CoreRow<Felt>>) {
        let count = new.len() as u64;
        let length = self.trace.core.len();
        let mut cores = self.trace.core.clone();
        cores.splice(at..at, new);
        cores.truncate(length);
        self.renumber(
            cores,
            |clk| if clk >= at as u64 { clk + count } else { clk },
        );
    }

    fn renumber(&mut self, cores: Vec<CoreRow<Felt>>, map: impl Fn(u64) -> u64) {
        // Ids of blocks and domains are cycles + 1, and 0 is none.
        let id = |id: Felt| match id.as_int() {
            0 => ZERO,
            id => Felt::new(map(id - 1) + 1),
        };
        let cycle = |clk: Felt| match clk.as_int() {
            0 => ZERO,
            clk => Felt::new(map(clk)),
        };
        for (clk, (row, mut core)) in self.trace.core.iter_mut().zip(cores).enumerate() {
            core.system.clk = Felt::new(clk as u64);
            // The kernel's is no id.
            if core.system.domain != -ONE {
                core.system.domain = id(core.system.domain);
            }
            core.system.home = id(core.system.home);
            core.decoder.block = id(core.decoder.block);
            // Marks are cycles + 1 too, and a callee's has a minus sign.
            let mark = |mark: Felt| match mark.as_int() {
                ROOT_MARK => mark,
                value if value > u64::from(u32::MAX) => -id(-mark),
                _ => id(mark),
            };
            core.system.mark = mark(core.system.mark);
            core.system.sender = mark(core.system.sender);
            core.stack.overflow_ptr = cycle(core.stack.overflow_ptr);
            match core.op.code() {
                CALL | DYNCALL | SYSCALL => {
                    edit_call(&mut core, |call| {
                        call.saved_overflow_ptr = cycle(call.saved_overflow_ptr);
                    });
                }
                END => edit_end(&mut core, |end| {
                    if end.entered_by != ZERO {
                        let context = end.entered_by.as_int() - 1;
                        let domain = id(Felt::new(context >> 16)).as_int();
                        end.entered_by = Felt::new((domain << 16) + (context & 0xffff) + 1);
                    }
                }),
                _ => {}
            }
            *row = core;
        }
        for circuit in &mut self.trace.circuits {
            circuit.time = id(circuit.time);
        }
    }

    /// Doubles the core with more rows of padding.
    pub fn extend(&mut self) {
        let core = &mut self.trace.core;
        let length = core.len();
        core.resize(2 * length, core[length - 1]);
        for (clk, row) in core.iter_mut().enumerate().skip(length) {
            row.system.clk = Felt::new(clk as u64);
        }
    }

    // Basic blocks
    // --------------------------------------------------------------------------------------------

    /// Makes the block that begins at `span` one of a single group with these opcodes, hash and all;
    /// the block must have as many operations, none with an immediate. Returns the digest.
    pub fn rewrite_block(&mut self, span: usize, codes: &[u8]) -> Word {
        let group = group_of(codes);
        let mut left = group;
        self.core(span).decoder.registers = [group, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO];
        for (i, &code) in codes.iter().enumerate() {
            let core = self.core(span + 1 + i);
            core.op = OpcodeCols::of(code);
            left = (left - Felt::from(code)) / Felt::new(128);
            core.decoder.in_block = ONE;
            core.decoder.registers = [ZERO; 8];
            core.decoder.group = left;
            core.decoder.position = [Felt::from(i as u32 % 3), Felt::from(i as u32 / 3)];
            core.decoder.group_start = Felt::from(u8::from(i == 0));
        }
        let end = span + 1 + codes.len();
        assert_eq!(self.opcode(end), END, "the block has other operations");
        let address = self.trace.core[end].decoder.address.as_int() as usize;
        let mut state = [ZERO; STATE_WIDTH];
        state[4] = group;
        let digest = self.rehash(address, state);
        edit_end(self.core(end), |end| end.digest = digest.into());
        digest
    }

    /// Takes the decoder columns, the chiplets and the program hash of another program whose rows
    /// are of the same shape: what is executed stays, what it is claimed to be changes.
    pub fn wear(&mut self, other: &Self) {
        for (row, theirs) in self.trace.core.iter_mut().zip(&other.trace.core) {
            row.decoder = theirs.decoder;
        }
        self.trace = Trace {
            core: std::mem::take(&mut self.trace.core),
            range: std::mem::take(&mut self.trace.range),
            ..other.trace.clone()
        };
        self.public.program_hash = other.public.program_hash;
    }

    /// Computes the digests of all nodes anew from the blocks and from the children that were not
    /// executed, and claims the program that has them. In an open program.
    pub fn rehash_tree(&mut self) {
        let mut open: Vec<(usize, Vec<[Felt; 4]>)> = Vec::new();
        let mut last = [ZERO; 4];
        for row in 0..self.trace.core.len() {
            match self.opcode(row) {
                SPAN | JOIN | SPLIT | LOOP | DYN | CALL | SYSCALL | DYNCALL => {
                    open.push((row, Vec::new()));
                }
                RESPAN => panic!("a block of several batches"),
                REPEAT => self.core(row).decoder.registers[..4].copy_from_slice(&last),
                END => {
                    let (start, children) = open.pop().expect("a block is open");
                    last = self.rehash_node(start, &children);
                    edit_end(self.core(row), |end| end.digest = last);
                    match open.last_mut() {
                        Some((_, siblings)) => siblings.push(last),
                        None => self.public.program_hash = Word::new(last),
                    }
                }
                _ => {}
            }
        }
    }

    /// Computes the digest of the node that begins at `row`, with the children that it executed.
    fn rehash_node(&mut self, row: usize, children: &[[Felt; 4]]) -> [Felt; 4] {
        let code = self.opcode(row);
        let address = self.trace.core[row + 1].decoder.address.as_int() as usize;
        let core = self.core(row);
        let registers = &mut core.decoder.registers;
        let mut state = [ZERO; STATE_WIDTH];
        if code != SPAN {
            state[1] = Felt::from(code);
        }
        match (code, children) {
            (JOIN, [first, second]) => {
                registers[..4].copy_from_slice(first);
                registers[4..].copy_from_slice(second);
            }
            (SPLIT, [child]) => {
                let at = if core.helpers[0] == ONE { 0 } else { 4 };
                registers[at..at + 4].copy_from_slice(child);
            }
            (LOOP | CALL | SYSCALL, [child, ..]) => registers[..4].copy_from_slice(child),
            _ => {}
        }
        match code {
            DYN | DYNCALL => {}
            CALL | SYSCALL => state[4..8].copy_from_slice(&registers[..4]),
            _ => state[4..].copy_from_slice(registers),
        }
        self.rehash(address, state).into()
    }

    // Tables of the chiplets
    // --------------------------------------------------------------------------------------------

    /// The rows of the hasher, without the cycles at its end that fill it up.
    pub fn hasher(&self) -> core::ops::Range<usize> {
        let rows = &self.trace.hasher;
        let is_used = |cycle: &[HasherRow<Felt>]| {
            let first = &cycle[0];
            let special = [first.absorb, first.merkle, first.init];
            first.state != [ZERO; STATE_WIDTH] || special.contains(&ONE)
        };
        let used = rows.chunks_exact(CYCLE).rposition(is_used);
        0..used.map_or(0, |last| CYCLE * (last + 1))
    }

    /// The rows of the memory that are accesses.
    pub fn memory(&self) -> core::ops::Range<usize> {
        let rows = &self.trace.memory;
        let is_access = |row: &MemoryRow<Felt>| row.whole == ONE || row.element.contains(&ONE);
        let end = rows.len() - 1;
        rows.iter().position(is_access).unwrap_or(end)..end
    }

    /// The rows of the ROM that have a record.
    pub fn rom(&self) -> core::ops::Range<usize> {
        let is_record = |row: &RomRow<Felt>| [row.kernel, row.link, row.segment].contains(&ONE);
        let records = self.trace.rom.iter().filter(|row| is_record(row));
        0..records.count()
    }

    /// The rows of evaluations of circuits.
    pub fn circuits(&self) -> core::ops::Range<usize> {
        let is_used = |row: &CircuitRow<Felt>| {
            [row.start, row.read, row.fetch].contains(&ONE) || row.gate.contains(&ONE)
        };
        let rows = self.trace.circuits.iter();
        0..rows.filter(|row| is_used(row)).count()
    }

    /// The first row of the `nth` bitwise operation.
    pub fn bitwise(&mut self, nth: usize) -> &mut BitwiseRow<Felt> {
        &mut self.trace.bitwise[1 + 2 * nth]
    }

    /// The even row of the `nth` operation on a resource table.
    pub fn table(&mut self, nth: usize) -> &mut ResourceRow<Felt> {
        &mut self.trace.resources[2 * nth]
    }

    /// The odd row of the `nth` operation on a resource table.
    pub fn outcome(&mut self, nth: usize) -> &mut ResourceOutcome<Felt> {
        self.trace.resources[2 * nth + 1].outcome_mut()
    }

    /// Writes the hasher, and cycles after it that fill it up.
    pub fn set_hasher(&mut self, used: &[HasherRow<Felt>]) {
        let rows = &mut self.trace.hasher;
        let height = Table::Hasher.height_for(used.len()).max(rows.len());
        let mut padding = blank_cycle();
        run_cycle(&mut padding, [ZERO; STATE_WIDTH]);
        *rows = used.to_vec();
        while rows.len() < height {
            rows.extend_from_slice(&padding);
        }
        self.number_rows();
    }

    fn number_rows(&mut self) {
        for (number, row) in self.trace.hasher.iter_mut().enumerate() {
            row.address = Felt::new(number as u64);
        }
    }

    /// Writes the ROM, and padding after its records.
    pub fn set_rom(&mut self, records: &[RomRow<Felt>]) {
        set_rows(Table::Rom, &mut self.trace.rom, records);
    }

    /// Writes evaluations of circuits, and padding after them.
    pub fn set_circuits(&mut self, rows: &[CircuitRow<Felt>]) {
        set_rows(Table::Circuits, &mut self.trace.circuits, rows);
    }

    /// Writes the rows of installed instances, and padding after them.
    pub fn set_instances(&mut self, rows: &[InstanceRow<Felt>]) {
        set_rows(Table::Instances, &mut self.trace.instances, rows);
    }

    /// Inserts hasher cycles as the cycles from row `at` on; all references to hasher rows follow.
    pub fn insert_cycles(&mut self, at: usize, cycles: &[[HasherRow<Felt>; CYCLE]]) {
        let count = Felt::new((cycles.len() * CYCLE) as u64);
        self.readdress(|address| {
            if address.as_int() >= at as u64 {
                address + count
            } else {
                address
            }
        });
        let mut rows = self.trace.hasher[self.hasher()].to_vec();
        rows.splice(at..at, cycles.iter().flatten().copied());
        self.set_hasher(&rows);
    }

    /// Removes hasher cycles; all references to hasher rows follow.
    pub fn remove_cycles(&mut self, rows: core::ops::Range<usize>) {
        let count = Felt::new(rows.len() as u64);
        self.readdress(|address| {
            if address.as_int() >= rows.end as u64 {
                address - count
            } else {
                address
            }
        });
        let mut used = self.trace.hasher[self.hasher()].to_vec();
        used.drain(rows);
        self.set_hasher(&used);
    }

    fn readdress(&mut self, map: impl Fn(Felt) -> Felt) {
        for core in &mut self.trace.core {
            core.decoder.address = map(core.decoder.address);
            if matches!(core.op.code(), HPERM | MPVERIFY | MRUPDATE | LOGPRECOMPILE) {
                core.helpers[0] = map(core.helpers[0]);
            }
        }
        for row in &mut self.trace.hasher {
            if row.merkle == ONE {
                let args = row.merkle_args_mut();
                args.path = map(args.path);
            }
        }
    }

    /// Hashes another state in the cycle at `address`; returns the digest.
    pub fn rehash(&mut self, address: usize, state: State) -> Word {
        let rows = &mut self.trace.hasher[address..address + CYCLE];
        let mut cycle = core::array::from_fn(|i| rows[i]);
        let output = run_cycle(&mut cycle, state);
        rows.copy_from_slice(&cycle);
        digest_of(&output)
    }

    /// Appends the plain cycle of a state; returns its address and the digest.
    pub fn hash(&mut self, state: State) -> (usize, Word) {
        let at = self.hasher().end;
        let mut cycle = blank_cycle();
        let output = run_cycle(&mut cycle, state);
        self.insert_cycles(at, &[cycle]);
        (at, digest_of(&output))
    }

    /// The memory rows, to be changed.
    pub fn edit_memory(&mut self, edit: impl FnOnce(&mut Vec<MemoryRow<Felt>>)) {
        let mut rows = self.trace.memory[self.memory()].to_vec();
        edit(&mut rows);
        self.set_memory(&rows);
    }

    fn set_memory(&mut self, rows: &[MemoryRow<Felt>]) {
        let height = Table::Memory.height_for(rows.len());
        self.trace.memory = memory::table(rows, height.max(self.trace.memory.len()));
    }

    /// The cycles of the hasher that satisfy `is`, by their first rows.
    pub fn cycles(&self, is: impl Fn(&HasherRow<Felt>) -> bool) -> Vec<usize> {
        self.hasher()
            .step_by(CYCLE)
            .filter(|&row| is(&self.trace.hasher[row]))
            .collect()
    }

    /// Changes all rows of the cycle at `address`, and computes its rounds anew; returns the final
    /// state.
    pub fn edit_cycle(
        &mut self,
        address: usize,
        mut edit: impl FnMut(&mut HasherRow<Felt>),
    ) -> State {
        let mut cycle = core::array::from_fn(|i| self.trace.hasher[address + i]);
        cycle.iter_mut().for_each(&mut edit);
        let state = cycle[0].state;
        let output = run_cycle(&mut cycle, state);
        self.trace.hasher[address..address + CYCLE].copy_from_slice(&cycle);
        output
    }

    // What follows from the rest
    // --------------------------------------------------------------------------------------------

    /// Computes everything anew that the prover chooses: the memory, the bitwise table, how often
    /// facts are looked up, the range and byte tables.
    pub fn settle(&mut self) -> &mut Self {
        self.rebuild();
        self.recount()
    }

    /// The memory and the bitwise table, from what the rest of the trace asks of them.
    fn rebuild(&mut self) {
        let mut accesses = self.public_messages();
        let mut operations = BTreeSet::new();
        for Located { sent, .. } in self.messages() {
            if sent.key.bus == Bus::Bitwise && sent.name != "bitwise.operation" {
                let [xor, a, b, ..] = sent.key.cells;
                operations.insert((xor == 1, a as u32, b as u32));
            } else if !sent.name.starts_with("memory.") && sent.count == ONE {
                accesses.push(sent.key);
            }
        }
        accesses.retain(|key| memory::is_memory(key.bus));
        let pairs = operations.into_iter();
        let pairs: Vec<_> = pairs.map(|(xor, a, b)| bitwise_pair(xor, a, b)).collect();
        let rows = [&[BitwiseRow::filled(ZERO)], pairs.as_flattened()].concat();
        let used = if pairs.is_empty() { &[] } else { &rows[..] };
        set_rows(Table::Bitwise, &mut self.trace.bitwise, used);
        self.set_memory(&memory::sorted(accesses));
    }

    /// Computes anew how often facts are looked up, the range and byte tables, and the numbers of
    /// the hasher's rows.
    pub fn recount(&mut self) -> &mut Self {
        self.number_rows();
        let mut facts: BTreeMap<Key, Felt> = BTreeMap::new();
        let mut numbers: BTreeMap<u64, Felt> = BTreeMap::new();
        for Located { sent, .. } in self.messages() {
            let answers = [
                "hasher.",
                "bitwise.",
                "rom.",
                "range.",
                "circuits.first_variable",
                "circuits.second_variable",
                "circuits.result",
            ];
            if sent.key.bus == Bus::Range {
                if sent.name != "range.number" {
                    *numbers.entry(sent.key.cells[0]).or_default() -= sent.count;
                }
            } else if !answers.iter().any(|prefix| sent.name.starts_with(prefix))
                && !INSTANCE_FACTS.contains(&sent.name)
                || sent.name == "hasher.segment"
            {
                *facts.entry(sent.key).or_default() -= sent.count;
            }
        }
        self.count_facts(&facts);
        self.fill_tables(&numbers);
        self
    }

    /// Sets the multiplicities of the chiplets.
    fn count_facts(&mut self, facts: &BTreeMap<Key, Felt>) {
        // With every multiplicity 1, the answers that there are show up as messages.
        self.set_multiplicities(|_, _, _| ONE);
        let mut left = facts.clone();
        let mut counts = BTreeMap::new();
        for Located { table, row, sent } in self.messages() {
            let second = match sent.name {
                "hasher.output"
                | "circuits.second_variable"
                | "instances.odd_procedure"
                | "instances.imports_whole" => true,
                "hasher.input"
                | "hasher.absorb"
                | "hasher.digest"
                | "bitwise.operation"
                | "rom.kernel"
                | "rom.link"
                | "rom.segment"
                | "circuits.first_variable"
                | "circuits.result" => false,
                name if INSTANCE_FACTS.contains(&name) => false,
                _ => continue,
            };
            let count = left.remove(&sent.key).unwrap_or(ZERO);
            counts.insert((table, row, second), count);
        }
        self.set_multiplicities(|table, row, second| {
            counts.get(&(table, row, second)).copied().unwrap_or(ZERO)
        });
    }

    /// Sets the multiplicities of the chiplets, by table, row, and whether it is the second one.
    fn set_multiplicities(&mut self, count: impl Fn(Table, usize, bool) -> Felt) {
        let both = |table, row| [false, true].map(|second| count(table, row, second));
        for (i, row) in self.trace.hasher.iter_mut().enumerate() {
            row.multiplicity = both(Table::Hasher, i);
        }
        for (i, row) in self.trace.bitwise.iter_mut().enumerate() {
            row.multiplicity = count(Table::Bitwise, i, false);
        }
        for (i, row) in self.trace.rom.iter_mut().enumerate() {
            row.multiplicity = count(Table::Rom, i, false);
        }
        for (i, row) in self.trace.circuits.iter_mut().enumerate() {
            row.multiplicity = both(Table::Circuits, i);
        }
        for (i, row) in self.trace.instances.iter_mut().enumerate() {
            row.multiplicity = count(Table::Instances, i, false);
            // Those of code state two facts.
            if [row.op.procedures, row.op.procedure].contains(&ONE) {
                row.callee[0] = count(Table::Instances, i, true);
            }
        }
    }

    /// Writes the range and byte tables; numbers that are not of 16 bits have no row.
    fn fill_tables(&mut self, numbers: &BTreeMap<u64, Felt>) {
        let mut numbers = numbers.range(..1 << 16);
        let height = Table::Range.height_for(numbers.clone().count().max(256));
        let used = height.max(self.trace.range.len()) - 1;
        let mut bytes = [0u64; 256];
        self.trace.range = (0..=used)
            .map(|i| {
                let (&number, &count) = numbers.next().unwrap_or((&0, &ZERO));
                let (hi, lo) = (number >> 8, number & 0xff);
                if i < used {
                    bytes[hi as usize] += 1;
                    bytes[lo as usize] += 1;
                }
                RangeRow {
                    hi: Felt::new(hi),
                    lo: Felt::new(lo),
                    multiplicity: count,
                    byte: Felt::new(i.min(255) as u64),
                    byte_multiplicity: ZERO,
                }
            })
            .collect();
        for (row, count) in self.trace.range.iter_mut().zip(bytes) {
            row.byte_multiplicity = Felt::new(count);
        }
    }

    // Verdicts
    // --------------------------------------------------------------------------------------------

    /// The names of everything that the trace violates; families without the member. If there is
    /// anything, no proof of the trace is accepted.
    pub fn violations(&self) -> BTreeSet<String> {
        let found: BTreeSet<String> = check(&self.trace, &self.public)
            .iter()
            .map(|violation| {
                let name = violation.name();
                name.split('[').next().unwrap_or_default().to_owned()
            })
            .collect();
        if !found.is_empty() {
            self.prove_in_vain();
        }
        found
    }

    /// Proves the trace as it is, by the book and with the lookup columns that follow from it, and
    /// expects that the verifier rejects the proof.
    fn prove_in_vain(&self) {
        let mut options = ProveOptions::from(ProofSettings::from(OptionSet::Fast96));
        options.check_trace = false;
        let proof = prove_trace(self.trace.clone(), self.public.clone(), &options)
            .expect("whatever it is given is proven");
        let verdict = verify(
            &self.public,
            &proof.to_bytes(),
            &Expectations::from(OptionSet::Fast96.level()),
        );
        assert!(
            matches!(
                verdict,
                Err(VerifierError::Rejected(_) | VerifierError::Statement(_))
            ),
            "a proof of a forged trace is not rejected as such: {verdict:?}"
        );
        if is_judged_twice(&self.trace) {
            refuse_by_program(&self.trace, &self.public);
        }
    }

    /// Proves the trace, and expects that the verifier accepts the proof.
    pub fn assert_proven(&self) {
        let options = ProveOptions::from(ProofSettings::from(OptionSet::Fast96));
        let proof = prove_trace(self.trace.clone(), self.public.clone(), &options)
            .expect("the trace is valid");
        let expectations = Expectations::from(OptionSet::Fast96.level());
        let verdict = verify(&self.public, &proof.to_bytes(), &expectations);
        assert!(verdict.is_ok(), "a valid proof is rejected: {verdict:?}");
    }

    /// Expects that the trace violates exactly `expected`.
    pub fn assert_rejected(&self, expected: &[&str]) {
        let expected: BTreeSet<String> = expected.iter().map(|&name| name.to_owned()).collect();
        let found = self.violations();
        if found != expected {
            let violations = check(&self.trace, &self.public);
            let list: Vec<String> = violations
                .iter()
                .take(16)
                .map(ToString::to_string)
                .collect();
            panic!(
                "expected {expected:?}, found {found:?}\n{}",
                list.join("\n")
            );
        }
    }

    /// Settles the trace and expects that it violates exactly `expected`.
    pub fn settles_to(&mut self, expected: &[&str]) {
        self.settle().assert_rejected(expected);
    }

    /// Settles the trace and expects that it is rejected, and that it would not be if these messages were
    /// left out of the AIR.
    pub fn settles_without(&mut self, left_out: &[&str]) {
        let found = self.settle().violations();
        assert!(!found.is_empty(), "it is accepted");
        let left = self.unmatched(left_out);
        let constraints = found.iter().filter(|name| !name.starts_with("bus."));
        let constraints: Vec<&String> = constraints.collect();
        assert!(
            constraints.is_empty() && left.is_empty(),
            "{constraints:?} and {left:?} reject it too"
        );
    }

    /// The names of the messages that do not balance, nor would if those of some names were left out and
    /// facts looked up as often as is left.
    fn unmatched(&self, left_out: &[&str]) -> BTreeSet<&'static str> {
        let public = self.public_messages().into_iter();
        let sent = self.messages().into_iter();
        let sent = sent.map(|Located { sent, .. }| (sent.key, sent.name, sent.count));
        let mut sums: BTreeMap<Key, Balance> = BTreeMap::new();
        for (key, name, count) in sent.chain(public.map(|key| (key, "public", ONE))) {
            let balance = sums.entry(key).or_default();
            balance.all += count;
            if !left_out.contains(&name) {
                balance.left += count;
                balance.names.insert(name);
            }
        }
        let balances = sums.into_values();
        let unmatched = balances.filter(|sum| sum.all != ZERO && sum.left != ZERO);
        unmatched.flat_map(|sum| sum.names).collect()
    }

    /// Settles the trace and expects that it violates `expected`, and maybe more.
    pub fn settles_to_more_than(&mut self, expected: &[&str]) {
        let found = self.settle().violations();
        for &name in expected {
            assert!(found.contains(name), "{name} is not in {found:?}");
        }
    }
}

/// The group of these opcodes.
pub fn group_of(codes: &[u8]) -> Felt {
    codes.iter().rev().fold(ZERO, |group, &code| {
        group * Felt::new(128) + Felt::from(code)
    })
}

/// Writes the first rows of a table, and zeros after them. The table gets higher if it has to, and
/// without any row it is absent.
fn set_rows<R: Cells<Felt> + Copy>(table: Table, rows: &mut Vec<R>, used: &[R]) {
    let height = match table.height_for(used.len()) {
        0 => 0,
        height => height.max(rows.len()),
    };
    *rows = used.to_vec();
    rows.resize(height, R::filled(ZERO));
}

/// The digest in a state.
pub fn digest_of(state: &State) -> Word {
    Word::new([state[4], state[5], state[6], state[7]])
}

/// The rows of a plain cycle, still without a state.
pub fn blank_cycle() -> [HasherRow<Felt>; CYCLE] {
    [HasherRow::filled(ZERO); CYCLE]
}

/// Computes the rounds of a cycle from its first state; returns the last one. The rest of the cycle
/// stays as it is.
pub fn run_cycle(rows: &mut [HasherRow<Felt>; CYCLE], mut state: State) -> State {
    for (round, row) in rows.iter_mut().enumerate() {
        row.state = state;
        if let Some(constants) = Rpo256::ARK1.get(round) {
            let input = mds(&state);
            row.cube_in = core::array::from_fn(|i| cube(input[i] + constants[i]));
            Rpo256::apply_round(&mut state, round);
            row.cube_out = state.map(cube);
        }
    }
    state
}

/// The rows of a bitwise operation.
fn bitwise_pair(xor: bool, a: u32, b: u32) -> [BitwiseRow<Felt>; 2] {
    let result = if xor { a ^ b } else { a & b };
    core::array::from_fn(|half| {
        let bits = |value: u32| core::array::from_fn(|i| Felt::from(value >> (16 * half + i) & 1));
        BitwiseRow {
            a: bits(a),
            b: bits(b),
            result: if half == 0 { Felt::from(result) } else { ZERO },
            xor: Felt::from(u8::from(half == 0 && xor)),
            multiplicity: ZERO,
        }
    })
}
