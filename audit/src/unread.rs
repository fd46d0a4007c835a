//! The cells that nothing reads: row by row, as the book says it of the columns.
//!
//! A test compares this with the AIR in both directions (`forged/cells.rs`): a
//! cell that is listed here can be changed without anything noticing, and no other can.

use miden_core::{Felt, ONE, ZERO};
use miden_cvm_air::{
    chiplets::hasher::{REFUSED_UPPER_HALF, UPPER_HALF_LEVEL},
    columns::{
        BitwiseRow, Cells, CircuitRow, CoreRow, HasherRow, InstanceRow, MemoryRow, RangeRow,
        ResourceOutcome, ResourceRow, RomRow, cells_of, column_numbers,
    },
    opcode::{
        CALL, CALLER, CALLER_ID, CRYPTOSTREAM, DESTROY, DESTRUCTOR, DYN, DYNCALL, END, EQ, EQZ,
        EXPACC, FRIE2F4, HALT, HORNERBASE, HORNEREXT, HPERM, INSTANTIATE, INTRINSIC, JOIN,
        LOGPRECOMPILE, LOOP, MPVERIFY, MRUPDATE, OWN_DESTRUCTOR, REPEAT, SPAN, SPLIT, SYSCALL,
    },
    table::Table,
};

/// Rows of a hasher cycle.
const CYCLE: usize = 8;

/// A row of a table with what tells which of its cells are read.
#[derive(Debug, Clone, Copy)]
pub struct RowContext<'a> {
    /// The table.
    pub table: Table,
    /// The row's cells.
    pub row: &'a [Felt],
    /// The row before, if there is one.
    pub before: Option<&'a [Felt]>,
    /// The row's number.
    pub number: usize,
    /// `true` if it is the table's last row.
    pub is_last: bool,
    /// `true` if the program is a composition.
    pub composed: bool,
}

/// Returns `true` if nothing reads the cell in `column` of a row, the other cells being as they
/// are: no constraint and no message depends on it.
pub fn is_unread(place: &RowContext<'_>, column: usize) -> bool {
    let &RowContext {
        table,
        row,
        before,
        number,
        is_last,
        composed,
    } = place;
    if is_last && is_unread_at_the_end(table, column) {
        return true;
    }
    match table {
        Table::Core => is_unread_in_core(CoreRow::from_cells(row), composed, column),
        Table::Range => false,
        Table::Hasher => is_unread_in_hasher(HasherRow::from_cells(row), number, column),
        // All cells of memory and range rows are bound.
        Table::Memory => false,
        Table::Bitwise => is_unread_in_bitwise(before, row, number, column),
        Table::Resources => match before {
            Some(even) if !number.is_multiple_of(2) => {
                is_unread_in_outcome(ResourceRow::from_cells(even), column)
            }
            _ => is_unread_in_table(ResourceRow::from_cells(row), column),
        },
        Table::Rom => {
            let rom = RomRow::from_cells(row);
            let padding = rom.kernel + rom.link + rom.segment == ZERO;
            padding && column == column_numbers::<RomRow<usize>>().multiplicity
        }
        Table::Circuits => is_unread_in_circuit(CircuitRow::from_cells(row), column),
        // Cells that a kind of row has no use for are zero.
        Table::Instances => false,
    }
}

/// The bitwise table: the bits of the first row, which is of no pair, and those of pairs of zeros that
/// nobody looks up, of which either operation and any bit makes a true fact too.
fn is_unread_in_bitwise(
    before: Option<&[Felt]>,
    row: &[Felt],
    number: usize,
    column: usize,
) -> bool {
    let at = column_numbers::<BitwiseRow<usize>>();
    let is_bit = at.a.contains(&column) || at.b.contains(&column);
    let is_first = !number.is_multiple_of(2);
    let Some(first) = (if is_first { Some(row) } else { before }) else {
        return is_bit;
    };
    let looked_up = BitwiseRow::from_cells(first).multiplicity != ZERO;
    !looked_up && (is_bit || is_first && column == at.xor)
}

/// Returns `true` if a cell is one of two numbers that show, together, that a condition holds, and
/// that nothing else reads: any two that do are as good. Changed alone, each of them is bound.
///
/// On EXPACC rows and those of 32-bit arithmetic, that two halves are below the modulus; at the end of
/// the cycles of a Merkle path, that its index is.
pub fn is_one_of_two_witnesses(place: &RowContext<'_>, column: usize) -> bool {
    match place.table {
        Table::Core => {
            let code = CoreRow::from_cells(place.row).op.code();
            let helpers = column_numbers::<CoreRow<usize>>().helpers;
            (code == EXPACC || (0b100_0000..0b101_0000).contains(&code))
                && helpers[4..].contains(&column)
        }
        Table::Hasher => {
            let row = HasherRow::from_cells(place.row);
            let columns = column_numbers::<HasherRow<usize>>();
            let at = columns.cycle_end();
            place.number % CYCLE == CYCLE - 1
                && row.merkle == ONE
                && [at.level_witness, at.index_witness].contains(&column)
        }
        _ => false,
    }
}

/// The last row is only seen as the next one: what a row says about itself is not looked at. In the
/// core it is a HALT, and what counts of it is in the boundary constraints.
fn is_unread_at_the_end(table: Table, column: usize) -> bool {
    match table {
        Table::Core => {
            let at = column_numbers::<CoreRow<usize>>();
            let (decoder, stack) = (&at.decoder, &at.stack);
            let single = [
                decoder.polynomial,
                decoder.group,
                decoder.group_start,
                stack.depth_inv,
                stack.overflowed,
                stack.shift_left,
                stack.shift_right,
            ];
            single.contains(&column)
                || decoder.registers.contains(&column)
                || decoder.position.contains(&column)
                || at.helpers.contains(&column)
                || at.operands.contains(&column)
        }
        Table::Range => column != column_numbers::<RangeRow<usize>>().byte,
        Table::Hasher => {
            let at = column_numbers::<HasherRow<usize>>();
            at.cube_in.contains(&column)
                || at.cube_out.contains(&column)
                || at.multiplicity.contains(&column)
        }
        Table::Memory => {
            let at = column_numbers::<MemoryRow<usize>>();
            column == at.is_write || column == at.element_value
        }
        Table::Bitwise => true,
        Table::Resources => column >= size_of::<ResourceOutcome<u8>>(),
        Table::Rom => true,
        Table::Circuits => {
            let at = column_numbers::<CircuitRow<usize>>();
            let [g0, g1, g2, g3] = at.gate;
            ![at.start, at.read, at.fetch, g0, g1, g2, g3].contains(&column)
        }
        Table::Instances => {
            let at = column_numbers::<InstanceRow<usize>>();
            !cells_of::<usize, _>(&at.op).contains(&column)
        }
    }
}

/// The core: witnesses that an operation has no need of, or of which any number will do.
fn is_unread_in_core(core: &CoreRow<Felt>, composed: bool, column: usize) -> bool {
    let at = column_numbers::<CoreRow<usize>>();
    let position = |cells: &[usize]| cells.iter().position(|&cell| cell == column);
    if column == at.stack.depth_inv {
        // The inverse of zero: the depth is 16.
        core.stack.overflowed == ZERO
    } else if let Some(helper) = position(&at.helpers) {
        is_unread_helper(core, composed, helper)
    } else if let Some(operand) = position(&at.operands) {
        // Two operands of 32-bit arithmetic, three of U32ADD3 and U32MADD, none of U32SPLIT and
        // U32ASSERT2. On intrinsics they say whether the stack is saved or restored, and with calls
        // they have a cell that is the link's.
        match core.op.code() {
            INTRINSIC | CALLER_ID | INSTANTIATE | DESTROY => false,
            CALL | DYNCALL | DESTRUCTOR | OWN_DESTRUCTOR => operand != 2,
            0b100_1000 | 0b100_1010 => true,
            0b100_1100 | 0b100_1110 => false,
            0b100_0000..0b100_1000 => operand == 2,
            _ => true,
        }
    } else if let Some(register) = position(&at.decoder.registers) {
        is_unread_register(core, composed, register)
    } else {
        false
    }
}

/// Helpers: what an operation does not need.
fn is_unread_helper(core: &CoreRow<Felt>, composed: bool, helper: usize) -> bool {
    let code = core.op.code();
    match code {
        // The operation's own witnesses; an inverse of zero is any number.
        EQ | EQZ if helper == 0 => {
            core.stack.top[0] == if code == EQ { core.stack.top[1] } else { ZERO }
        }
        EXPACC => helper == 4 && core.helpers[5] == ZERO,
        0b100_0000..0b101_0000 => {
            helper == 4 && core.helpers[5] == ZERO && core.helpers[2..4] == [Felt::new(0xffff); 2]
        }
        HPERM | MPVERIFY | MRUPDATE => helper != 0,
        CALLER => match helper {
            0..4 => !composed,
            4 => false,
            // The inverse of zero: the kernel runs.
            _ => core.system.domain == -ONE,
        },
        FRIE2F4 | HORNERBASE | HORNEREXT => false,
        CRYPTOSTREAM | LOGPRECOMPILE => helper == 5,
        SPLIT | LOOP | SPAN | JOIN => helper >= 2,
        CALL | DYNCALL | SYSCALL | INTRINSIC | CALLER_ID | INSTANTIATE | DESTROY | DESTRUCTOR
        | OWN_DESTRUCTOR | END => false,
        _ => true,
    }
}

/// Batch registers: what a node does not hash or name.
fn is_unread_register(core: &CoreRow<Felt>, composed: bool, register: usize) -> bool {
    match core.op.code() {
        DYN | REPEAT | SYSCALL => register >= 4,
        // The inverse of a table's length, if there is a table.
        CALL | DYNCALL => register == 4 && core.as_call().creates == ONE,
        END => {
            let end = core.as_end();
            let state_is_read = composed && end.call == ONE;
            // Whether tokens pass counts where a boundary is crossed.
            let crosses = end.call + end.syscall + end.own_destructor == ONE;
            !state_is_read && register >= 4 && (register < 7 || !crosses)
        }
        HALT => true,
        _ => false,
    }
}

/// The hasher: of the two witnesses that not both of two numbers are zero, the one of a number that
/// is.
fn is_unread_in_hasher(hasher: &HasherRow<Felt>, number: usize, column: usize) -> bool {
    if number % CYCLE != CYCLE - 1 || hasher.merkle == ZERO {
        return false;
    }
    let columns = column_numbers::<HasherRow<usize>>();
    let at = columns.cycle_end();
    let args = hasher.merkle_args();
    column == at.level_witness && args.level == Felt::new(UPPER_HALF_LEVEL)
        || column == at.index_witness && args.index == Felt::new(REFUSED_UPPER_HALF)
}

/// The even row of an operation on a resource table: what the operation does not look at.
fn is_unread_in_table(row: &ResourceRow<Felt>, column: usize) -> bool {
    let at = column_numbers::<ResourceRow<usize>>();
    let op = &row.op;
    let some = cells_of::<Felt, _>(op).contains(&ONE);
    if column == at.free_inv {
        // The inverse of zero: no entry is free.
        return row.state[1] == ZERO;
    }
    if column == at.witness {
        return row.frees + op.memory == ZERO;
    }
    // Neither read nor written; but whether an entry is free is seen anyway.
    let state = [at.state[0], at.state[2], at.state[3]];
    if state.contains(&column) {
        return op.new + op.receive + row.frees + op.memory == ZERO;
    }
    if at.entry.contains(&column) {
        return !some || op.receive_rep + op.memory + op.discard == ONE;
    }
    // Nobody asks for a token to be discarded, or for no operation. Kind, context and the rest of the outcome's
    // coordinates are bound all the same.
    let asked = &at.request.asked;
    let unasked = [
        at.request.resource,
        asked.mark,
        asked.sender,
        asked.input,
        asked.second,
        asked.third,
    ];
    (!some || op.discard == ONE) && unasked.contains(&column)
}

/// The odd row of an operation on a resource table, whose even row is given: what it does not send.
fn is_unread_in_outcome(row: &ResourceRow<Felt>, column: usize) -> bool {
    let columns = column_numbers::<ResourceRow<usize>>();
    let at = columns.outcome();
    let op = &row.op;
    let token = op.send + op.receive + op.receive_rep + op.discard;
    let guards = (op.drop * row.own - row.destroys) * (ONE - row.by_definer);
    cells_of::<usize, _>(&at.token).contains(&column) && token == ZERO
        || at.home_state.contains(&column) && guards == ZERO
        || column == at.value && op.memory == ZERO
}

/// Circuits: what belongs to gates on the other rows, the word on rows that read none, and how often
/// wires are looked up on rows that have none.
fn is_unread_in_circuit(row: &CircuitRow<Felt>, column: usize) -> bool {
    let at = column_numbers::<CircuitRow<usize>>();
    let [g0, g1, g2, g3] = at.gate;
    let kinds = [at.start, at.read, at.fetch, g0, g1, g2, g3];
    if !kinds.iter().any(|&kind| cells_of(row)[kind] == ONE) {
        // Padding is no more than that.
        return column != at.end && !kinds.contains(&column);
    }
    let is_gate = row.gate.contains(&ONE);
    let of_gates = [
        at.mul,
        at.add,
        at.right_gap_low,
        at.right_gap_high,
        at.left_id,
        at.right_id,
    ];
    let pairs = [at.left_gap, at.value, at.left, at.right];
    let wires = [is_gate || row.read == ONE, row.read == ONE];
    !is_gate && (of_gates.contains(&column) || pairs.as_flattened().contains(&column))
        || row.start == ONE && at.word.contains(&column)
        || (at.multiplicity.iter().zip(wires)).any(|(&cell, counts)| cell == column && !counts)
}
