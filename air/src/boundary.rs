//! Boundary constraints: what the verifier knows of the first and the last row of each table.

use alloc::{string::String, vec::Vec};

use miden_core::Felt;
use winter_math::FieldElement;

use crate::{
    columns::{
        CircuitRow, CoreRow, HasherRow, InstanceRow, MemoryRow, RangeRow, ResourceRow, cells_of,
        column_numbers,
    },
    opcode::HALT,
    public::{PublicInputs, ROOT_MARK},
};

const ZERO: Felt = <Felt as FieldElement>::ZERO;
const ONE: Felt = <Felt as FieldElement>::ONE;

/// A cell of a table whose value the verifier knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boundary {
    /// Name of the constraint.
    pub name: String,
    /// The column of the table.
    pub column: usize,
    /// `true` for the last row; otherwise it is row 0.
    pub last: bool,
    /// The value.
    pub value: Felt,
    /// The cell of the public inputs that has the value; none if it is the same for all runs.
    pub source: Option<StackCell>,
}

/// A cell of the operand stack that is public.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StackCell {
    /// Of the stack at the beginning, by its position.
    Input(usize),
    /// Of the stack at the end, by its position.
    Output(usize),
}

/// Collects boundary constraints.
#[derive(Default)]
struct List(Vec<Boundary>);

impl List {
    fn first(&mut self, name: &str, column: usize, value: Felt) {
        self.push(alloc::format!("boundary.{name}"), column, false, value);
    }

    fn last(&mut self, name: &str, column: usize, value: Felt) {
        self.push(alloc::format!("boundary.{name}"), column, true, value);
    }

    /// States where the value of the constraint before comes from.
    fn of(&mut self, source: StackCell) {
        if let Some(boundary) = self.0.last_mut() {
            boundary.source = Some(source);
        }
    }

    fn push(&mut self, name: String, column: usize, last: bool, value: Felt) {
        self.0.push(Boundary {
            name,
            column,
            last,
            value,
            source: None,
        });
    }
}

/// The core: row 0 is the root context, outside of any block, with the stack inputs; a node begins
/// there. The last row, which no transition constraint covers, is HALT with the stack outputs.
pub fn core(public: &PublicInputs) -> Vec<Boundary> {
    let at = column_numbers::<CoreRow<usize>>();
    let (system, op, decoder, stack) = (&at.system, &at.op, &at.decoder, &at.stack);
    let mut list = List::default();
    for (name, column) in [
        ("clk", system.clk),
        ("domain", system.domain),
        ("index", system.index),
        ("home", system.home),
        ("sender", system.sender),
        ("block", decoder.block),
        ("address", decoder.address),
        ("in_block", decoder.in_block),
        ("first_op", op.hi[7]),
        ("overflow_ptr", stack.overflow_ptr),
    ] {
        list.first(name, column, ZERO);
    }
    for (i, &column) in system.fn_hash.iter().enumerate() {
        list.first(&alloc::format!("fn_hash[{i}]"), column, ZERO);
    }
    list.first("mark", system.mark, Felt::new(ROOT_MARK));
    list.first("depth", stack.depth, Felt::new(16));
    for (i, &column) in stack.top.iter().enumerate() {
        let (input, output) = (public.stack_inputs[i], public.stack_outputs[i]);
        list.first(&alloc::format!("input[{i}]"), column, input);
        list.of(StackCell::Input(i));
        list.last(&alloc::format!("output[{i}]"), column, output);
        list.of(StackCell::Output(i));
    }
    list.last("last_depth", stack.depth, Felt::new(16));
    list.last("last_in_block", decoder.in_block, ZERO);
    list.last("last_call", decoder.call, ZERO);
    for (i, &column) in cells_of::<usize, _>(op).iter().enumerate() {
        let set = i == usize::from(HALT >> 4)
            || i == 8 + usize::from((HALT >> 2) & 3)
            || i == 12 + usize::from(HALT & 3);
        let value = Felt::from(u8::from(set));
        list.last(&alloc::format!("last_op[{i}]"), column, value);
    }
    list.0
}

/// The byte table has all bytes.
pub fn range() -> Vec<Boundary> {
    let at = column_numbers::<RangeRow<usize>>();
    let mut list = List::default();
    list.first("first_byte", at.byte, ZERO);
    list.last("last_byte", at.byte, Felt::new(255));
    list.0
}

/// The hasher: row 0 continues nothing, and the last cycle is neither of a path nor of static data.
pub fn hasher() -> Vec<Boundary> {
    let at = column_numbers::<HasherRow<usize>>();
    let mut list = List::default();
    list.first("first_address", at.address, ZERO);
    list.first("first_absorb", at.absorb, ZERO);
    list.first("first_merkle", at.merkle, ZERO);
    list.first("first_init", at.init, ZERO);
    list.last("last_merkle", at.merkle, ZERO);
    list.last("last_init", at.init, ZERO);
    list.0
}

/// The memory: row 0 is no access.
pub fn memory() -> Vec<Boundary> {
    let at = column_numbers::<MemoryRow<usize>>();
    let mut list = List::default();
    list.first("first_whole", at.whole, ZERO);
    for (i, &column) in at.element.iter().enumerate() {
        list.first(&alloc::format!("first_element[{i}]"), column, ZERO);
    }
    list.0
}

/// The resource tables: nothing comes of the last row.
pub fn resources() -> Vec<Boundary> {
    let at = column_numbers::<ResourceRow<usize>>();
    let outcome = at.outcome();
    let mut list = List::default();
    for (name, column) in [
        ("last_writes_state", outcome.writes_state),
        ("last_writes_entry", outcome.writes_entry),
        ("last_puts", outcome.puts),
        ("last_takes", outcome.takes),
        ("last_guards", outcome.guards),
        ("last_accesses", outcome.accesses),
    ] {
        list.last(name, column, ZERO);
    }
    list.0
}

/// Circuits: an evaluation starts on row 0, and the last row is of none.
pub fn circuits() -> Vec<Boundary> {
    let at = column_numbers::<CircuitRow<usize>>();
    let mut list = List::default();
    list.first("first_start", at.start, ONE);
    let [g0, g1, g2, g3] = at.gate;
    let kinds = [at.start, at.read, at.fetch, g0, g1, g2, g3];
    for (i, column) in kinds.into_iter().enumerate() {
        list.last(&alloc::format!("last_circuit[{i}]"), column, ZERO);
    }
    list.0
}

/// The installed instances: row 0 continues no record and no code, and the last row says nothing.
pub fn instances() -> Vec<Boundary> {
    let at = column_numbers::<InstanceRow<usize>>();
    let mut list = List::default();
    for (i, column) in at.op.blocks_after_first().into_iter().enumerate() {
        list.first(&alloc::format!("first_block[{i}]"), column, ZERO);
    }
    list.first("first_procedures", at.op.procedures, ZERO);
    list.first("first_procedure", at.op.procedure, ZERO);
    for (i, &column) in cells_of::<usize, _>(&at.op).iter().enumerate() {
        list.last(&alloc::format!("last_instance[{i}]"), column, ZERO);
    }
    list.0
}
