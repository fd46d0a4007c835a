//! The core columns: what the decoder, the system and the stack show on each cycle.

use std::ops::Range;

use miden_core::{Felt, FieldElement, ONE, Operation, Word, ZERO};
use miden_cvm_air::{
    columns::{CallCols, Cells, CoreRow, EndCols, OpcodeCols},
    composition::{Intrinsic, IntrinsicCall, KERNEL_SOURCE},
    opcode::{self, Shift},
};
use miden_cvm_parallel::{iter, prelude::*};

use super::{chiplets::range::RangeCounts, inverse::PendingInverses};
use crate::{
    calls::{
        crossing::{Crossing, Entered},
        resources::Marks,
        state::InstanceState,
    },
    context::ContextId,
    exec::ops::{cipher::RangeWitness, polynomial::FriQuery},
    tracer::{EndRow, IntrinsicRow, NodeKind, OpRow, RowState, StartRow},
};

/// A block that was entered and not left yet.
#[derive(Debug, Clone, Copy)]
struct OpenBlock {
    id: u32,
    /// Hasher row of (the last batch of) its hash.
    address: u32,
    /// The row that began it.
    row: usize,
}

/// The most rows that are made at a time: memory that is written for the first time takes the operating
/// system's work, which all threads do then.
const GROWTH: usize = 1 << 13;

/// The rows so far, of which some are kept, and always the last one.
#[derive(Debug)]
struct Rows {
    /// Those that are kept, as far as they are there, and the last one, which may be none of them; then
    /// room for more, zero rows.
    kept: Vec<CoreRow<Felt>>,
    /// How many of them are not room.
    used: usize,
    /// The numbers of those that are kept.
    range: Range<usize>,
    len: usize,
}

impl Default for Rows {
    /// No rows, of which all are kept.
    fn default() -> Self {
        Self {
            kept: Vec::new(),
            used: 0,
            range: 0..usize::MAX,
            len: 0,
        }
    }
}

impl Rows {
    /// Adds a zero row, to be written.
    fn add(&mut self) -> &mut CoreRow<Felt> {
        self.drop_last();
        if self.used == self.kept.len() {
            let rows = self.used.clamp(1, GROWTH);
            self.kept
                .par_extend(iter::repeat_n(CoreRow::filled(ZERO), rows));
        }
        self.used += 1;
        self.len += 1;
        &mut self.kept[self.used - 1]
    }

    /// Makes the last row room if it is not kept.
    fn drop_last(&mut self) {
        let is_kept = |last| self.range.contains(&last);
        if !self.len.checked_sub(1).is_none_or(is_kept) {
            self.used -= 1;
            self.kept[self.used] = CoreRow::filled(ZERO);
        }
    }

    /// A row that is kept.
    fn kept(&mut self, number: usize) -> Option<&mut CoreRow<Felt>> {
        let is_kept = self.range.contains(&number);
        is_kept.then(|| self.kept[..self.used].get_mut(number - self.range.start))?
    }

    /// The last row.
    fn last(&self) -> Option<&CoreRow<Felt>> {
        self.kept[..self.used].last()
    }

    /// The last row, to be written.
    ///
    /// # Panics
    /// If there is none.
    fn last_mut(&mut self) -> &mut CoreRow<Felt> {
        &mut self.kept[self.used - 1]
    }
}

/// Builds the core columns, row by row.
#[derive(Debug, Default)]
pub(super) struct CoreTrace {
    rows: Rows,
    blocks: Vec<OpenBlock>,
    /// Batch registers of the row before.
    registers: [Felt; 8],
    /// The rest of the operation group after the row before.
    group: u64,
    /// `true` if the row before was a PUSH, which takes a register.
    pushed: bool,
    /// The END row before, if it was one: whether it ended a first child shows on the next row.
    ended: bool,
    /// The marks after the last row.
    marks: Option<Marks>,
    inverses: PendingInverses,
    ranges: RangeCounts,
}

impl CoreTrace {
    /// Keeps only these rows.
    pub fn keep_only(&mut self, rows: Range<usize>) {
        self.rows.range = rows;
    }

    /// Makes room for so many rows, as far as they are kept.
    pub fn reserve(&mut self, rows: usize) {
        let kept = rows
            .min(self.rows.range.end)
            .saturating_sub(self.rows.range.start);
        self.rows.kept.reserve(kept + 1);
    }

    /// The number of rows so far.
    pub fn len(&self) -> usize {
        self.rows.len
    }

    /// Adds an operation of a basic block.
    pub fn op(&mut self, state: &RowState<'_>, row: OpRow) {
        let OpRow { op, index, .. } = row;
        let code = op.op_code();
        let starts = index == 0;
        if self.pushed || starts {
            if starts {
                self.group = self.registers[0].as_int();
            }
            self.registers.rotate_left(1);
            self.registers[7] = ZERO;
        }
        self.group = (self.group - u64::from(code)) >> 7;
        self.pushed = matches!(op, Operation::Push(_));

        let registers = self.registers;
        let group = Felt::new(self.group);
        let core = self.begin(state, code);
        core.decoder.in_block = ONE;
        core.decoder.polynomial = Felt::from(u8::from(matches!(
            op,
            Operation::HornerBase | Operation::HornerExt | Operation::FriE2F4
        )));
        core.decoder.registers = registers;
        core.decoder.group = group;
        core.decoder.position = [
            Felt::from((index % 3) as u32),
            Felt::from((index / 3) as u32),
        ];
        core.decoder.group_start = Felt::from(u8::from(starts));
        self.op_helpers(state, op);
    }

    /// Adds the start of a node, whose hash begins at hasher row `address`.
    ///
    /// `payload` is that of the link of a call: whether the instance that it enters has static data,
    /// or the type of the resource whose destructor it is.
    pub fn start(&mut self, state: &RowState<'_>, row: &StartRow<'_>, address: u32, payload: u32) {
        self.pushed = false;
        self.group = 0;
        self.registers = *row.inputs;
        let condition = state.stack[0];
        let crossing = row.entered.map(|entered| entered.crossing);
        let (code, id) = match crossing {
            // The row before began the block.
            Some(Crossing::Destructor) => (opcode::DESTRUCTOR, state.clk),
            Some(Crossing::OwnDestructor) => (opcode::OWN_DESTRUCTOR, state.clk),
            _ => (row.kind.opcode(), state.clk + 1),
        };
        let core = self.begin(state, code);
        match row.kind {
            NodeKind::Block | NodeKind::Join | NodeKind::Split | NodeKind::Loop => {
                core.decoder.registers = *row.inputs;
                let (first, second) = match row.kind {
                    NodeKind::Join => (ONE, ONE),
                    NodeKind::Split => (condition, ONE - condition),
                    NodeKind::Loop => (condition, ZERO),
                    _ => (ZERO, ZERO),
                };
                core.helpers[0] = first;
                core.helpers[1] = second;
            }
            NodeKind::Dyn => {
                let callee = row.callee.unwrap_or_default();
                core.decoder.registers[..4].copy_from_slice(callee.as_elements());
            }
            NodeKind::Call | NodeKind::Dyncall | NodeKind::Syscall => {
                if let Some(entered) = &row.entered {
                    let named = row.callee.unwrap_or_default();
                    set_call(core, row.kind, named, entered, payload);
                }
            }
        }
        let row = self.rows.len - 1;
        self.blocks.push(OpenBlock { id, address, row });
    }

    /// Adds the first row of an intrinsic, whose hash begins at hasher row `address`.
    pub fn intrinsic(&mut self, state: &RowState<'_>, row: &IntrinsicRow, address: u32) {
        self.pushed = false;
        self.group = 0;
        let code = match row.call.intrinsic {
            Intrinsic::Caller => opcode::CALLER_ID,
            Intrinsic::Instantiate => opcode::INSTANTIATE,
            _ if row.destroys => opcode::DESTROY,
            _ => opcode::INTRINSIC,
        };
        let read = row.state.map_or([ZERO; 4], InstanceState::to_word);
        let [_, free, table_len, borrows] = read;
        let [from_save, from_restore] = [Intrinsic::Save, Intrinsic::Restore]
            .map(|intrinsic| Felt::from(row.call.code()) - Felt::from(intrinsic.code()));
        let saving_inv = (from_save * from_restore).inv();
        let core = self.begin(state, code);
        // The cells of `IntrinsicCols`.
        core.set_call(CallCols {
            named: row.named.into(),
            callee: row.destructor.unwrap_or_default().into(),
            target: Felt::from(row.definer),
            shared: Felt::from(row.call.code()),
            has_data: Felt::from(row.payload()),
            saved_depth: borrows,
            saved_overflow_ptr: ZERO,
            fresh: ZERO,
            creates: Felt::from(u8::from(row.call.intrinsic == Intrinsic::Adopt)),
            free,
            table_len,
            table_len_inv: saving_inv,
            domain: ZERO,
        });
        let position = self.rows.len - 1;
        let adopts = Felt::from(Intrinsic::Adopt.code());
        let distance = Felt::from(row.call.code()) - adopts;
        self.invert(position, 1, distance);
        let is = |intrinsic: Intrinsic| Felt::from(u8::from(row.call.code() == intrinsic.code()));
        let changes = [is(Intrinsic::Save), is(Intrinsic::Restore)];
        self.rows.last_mut().operands[..2].copy_from_slice(&changes);
        if !row.destroys {
            let row = position;
            self.blocks.push(OpenBlock {
                id: state.clk + 1,
                address,
                row,
            });
        }
    }

    /// Adds the start of another batch of a basic block.
    pub fn respan(&mut self, state: &RowState<'_>, groups: &[Felt; 8]) {
        self.pushed = false;
        self.group = 0;
        self.registers = *groups;
        self.begin(state, opcode::RESPAN).decoder.registers = *groups;
        if let Some(block) = self.blocks.last_mut() {
            block.address += 8;
        }
    }

    /// Adds another iteration of a loop.
    pub fn repeat(&mut self, state: &RowState<'_>, body: Word) {
        let core = self.begin(state, opcode::REPEAT);
        core.decoder.registers[..4].copy_from_slice(body.as_elements());
    }

    /// Adds the end of a node.
    pub fn end(&mut self, state: &RowState<'_>, row: &EndRow, composed: bool) {
        let core = self.begin(state, opcode::END);
        let flag = |set: bool| Felt::from(u8::from(set));
        let crossing = row.frame.map(|frame| frame.crossing);
        let is_call =
            crossing.is_some_and(|by| !matches!(by, Crossing::Syscall | Crossing::OwnDestructor));
        let [entered_by, free, table_len, _] = match is_call && composed {
            true => row.left.to_word(),
            false => [ZERO; 4],
        };
        let end = EndCols {
            digest: row.digest.into(),
            loop_body: flag(row.is_loop_body),
            entered_loop: flag(row.loop_entered),
            call: flag(is_call),
            first_child: ZERO,
            syscall: flag(crossing == Some(Crossing::Syscall)),
            passes_tokens: flag(crossing.is_some_and(Crossing::passes_tokens)),
            own_destructor: flag(crossing == Some(Crossing::OwnDestructor)),
            entered_by,
            free,
            table_len,
        };
        core.set_end(end);
        core.stack.shift_left = end.entered_loop;
        let block = self.blocks.pop();
        if let (Some(block), Some(frame)) = (block, &row.frame) {
            // What a DYNCALL's pop leaves of the caller's stack is known only now.
            if let Some(started) = self.rows.kept(block.row) {
                started.helpers[0] = Felt::from(frame.depth);
                started.helpers[1] = Felt::from(frame.overflow_pointer);
            }
            self.marks = Some(state.marks.left(state.clk, frame.crossing));
        }
        self.ended = true;
    }

    /// Sets a helper of the row that was added last.
    pub fn set_helper(&mut self, helper: usize, value: Felt) {
        if self.rows.len > 0 {
            self.rows.last_mut().helpers[helper] = value;
        }
    }

    /// The two elements below the top of the stack, on the row that was added last.
    pub fn below_top(&self) -> [Felt; 2] {
        self.rows.last().map_or([ZERO; 2], |row| {
            let [_, second, third, ..] = row.stack.top;
            [second, third]
        })
    }

    /// Hasher row of the block that the next row belongs to.
    pub fn address(&self) -> u32 {
        self.blocks.last().map_or(0, |block| block.address)
    }

    /// Takes the counts of the range checks that the rows make.
    pub fn take_ranges(&mut self) -> RangeCounts {
        std::mem::take(&mut self.ranges)
    }

    /// The rows that are kept of the first `length`, with all inverses computed and HALT rows after those
    /// that there are.
    pub fn finish(mut self, length: usize, stack: &[Felt; 16]) -> Vec<CoreRow<Felt>> {
        let mut halt = CoreRow::filled(ZERO);
        halt.op = OpcodeCols::of(opcode::HALT);
        halt.stack.top = *stack;
        halt.stack.depth = Felt::new(16);
        // The context stays as the program's last END leaves it: a call's, which ends a program that is one
        // call, leaves for the root, and the root of such a program has adopted nothing.
        if let Some(last) = self.rows.last()
            && last.as_end().any_call() == ZERO
        {
            (halt.system.domain, halt.system.index) = (last.system.domain, last.system.index);
        }
        let marks = self.marks.unwrap_or(Marks::START);
        halt.system.mark = Felt::new(marks.current);
        halt.system.sender = marks.sender_felt();
        self.rows.drop_last();
        let Rows {
            mut kept,
            used,
            range,
            ..
        } = self.rows;
        kept.truncate(used);
        self.inverses.resolve(&mut kept, range.start);
        let wanted = length.min(range.end).saturating_sub(range.start);
        kept.truncate(wanted);
        let padding = (kept.len()..wanted).into_par_iter().map(|row| {
            let mut halt = halt;
            halt.system.clk = Felt::new((range.start + row) as u64);
            halt
        });
        kept.par_extend(padding);
        kept
    }

    /// Adds a row with what every row shows.
    fn begin(&mut self, state: &RowState<'_>, code: u8) -> &mut CoreRow<Felt> {
        if self.ended {
            self.ended = false;
            let first_child = !matches!(code, opcode::END | opcode::REPEAT);
            self.set_helper(3, Felt::from(u8::from(first_child)));
        }
        let depth = state.depth - 16;
        let position = self.rows.len;
        if depth > 0 && self.rows.range.contains(&position) {
            self.inverses.depth(position, depth);
        }
        let block = self.blocks.last().copied().unwrap_or(OpenBlock {
            id: 0,
            address: 0,
            row: 0,
        });
        self.marks = Some(state.marks);
        let core = self.rows.add();
        core.system.clk = Felt::from(state.clk);
        (core.system.domain, core.system.index) = match (state.in_syscall, state.adopted) {
            (true, _) => (-ONE, Felt::from(KERNEL_SOURCE)),
            (false, Some(index)) => (adopted_domain(state.context, index), Felt::from(index)),
            (false, None) => (
                Felt::from(state.context.domain()),
                Felt::from(state.context.index()),
            ),
        };
        core.system.home = Felt::from(state.home);
        core.system.fn_hash = (*state.fn_hash).into();
        core.system.mark = Felt::new(state.marks.current);
        core.system.sender = state.marks.sender_felt();
        core.op = OpcodeCols::of(code);
        core.decoder.block = Felt::from(block.id);
        core.decoder.address = Felt::from(block.address);
        core.stack.top = *state.stack;
        core.stack.depth = Felt::from(state.depth);
        core.stack.overflow_ptr = Felt::from(state.overflow_pointer);
        core.stack.overflowed = Felt::from(u8::from(depth > 0));
        // An END that leaves a loop shifts left too, and a DYNCALL in its own way.
        match opcode::shift_of(code) {
            Shift::Left => core.stack.shift_left = ONE,
            Shift::Right => core.stack.shift_right = ONE,
            Shift::No | Shift::Other => {}
        }
        core
    }

    /// Leaves a helper of a row for the end, as the inverse of a value; of a row that is not kept nobody
    /// needs it.
    fn invert(&mut self, position: usize, helper: usize, value: Felt) {
        if self.rows.range.contains(&position) {
            self.inverses.helper(position, helper, value);
        }
    }

    /// Fills the helpers that follow from the operation and its operands.
    fn op_helpers(&mut self, state: &RowState<'_>, op: Operation) {
        let position = self.rows.len - 1;
        let [a, b, c, d, ..] = *state.stack;
        // Operands that are not 32-bit numbers trap, after this.
        for (i, operand) in state.stack[..checked_operands(op)].iter().enumerate() {
            let operand = operand.as_int() as u32;
            self.ranges.add_u32(operand);
            self.rows.last_mut().operands[i] = Felt::from(operand & 0xffff);
        }
        match op {
            Operation::Eq => self.invert(position, 0, a - b),
            Operation::Eqz => self.invert(position, 0, a),
            Operation::Caller => {
                let row = self.rows.last_mut();
                row.helpers[4] = Felt::from(u8::from(state.in_syscall));
                let distance = row.system.domain + ONE;
                self.invert(position, 5, distance);
            }
            Operation::Expacc => {
                let exponent = d.as_int();
                let limb = |shift: u32| Felt::new((exponent >> shift) & 0xffff);
                let bit = exponent & 1;
                let factor = if bit == 1 { b } else { ONE };
                let half = (exponent & 0xffff) >> 1;
                self.ranges.add(half as u16);
                self.ranges.add_u32(exponent as u32);
                self.ranges.add_u32((exponent >> 32) as u32);
                let half = Felt::new(half);
                let (inverse, guard) = self.canonical(position, exponent);
                self.rows.last_mut().helpers = [factor, half, limb(16), limb(32), inverse, guard];
            }
            Operation::CryptoStream => {
                let RangeWitness {
                    square,
                    distinct,
                    below,
                } = RangeWitness::of(state.stack);
                let both = distinct * below;
                self.invert(position, 4, both);
                self.rows.last_mut().helpers[..4].copy_from_slice(&[square, distinct, below, both]);
            }
            // A query of a segment that there is not traps, after this.
            Operation::FriE2F4 => {
                if let Some(query) = FriQuery::read(state.stack) {
                    let [r0, r1] = query.ratio.to_base_elements();
                    let [s0, s1] = query.ratio.square().to_base_elements();
                    self.rows.last_mut().helpers = [r0, r1, s0, s1, query.point, query.inverse];
                }
            }
            // Operands that are not 32-bit numbers trap, after this; nothing here may.
            Operation::U32split => self.limbs(position, a.as_int(), true),
            Operation::U32add => {
                self.limbs(position, a.as_int().wrapping_add(b.as_int()), false);
            }
            Operation::U32add3 => {
                let sum = a.as_int().wrapping_add(b.as_int()).wrapping_add(c.as_int());
                self.limbs(position, sum, false);
            }
            Operation::U32sub => {
                let difference = b.as_int().wrapping_sub(a.as_int());
                self.limbs(position, difference & u64::from(u32::MAX), false);
            }
            Operation::U32mul => {
                self.limbs(position, a.as_int().wrapping_mul(b.as_int()), true);
            }
            Operation::U32madd => {
                let product = a.as_int().wrapping_mul(b.as_int());
                self.limbs(position, product.wrapping_add(c.as_int()), true);
            }
            Operation::U32div => {
                let (divisor, dividend) = (a.as_int(), b.as_int());
                if let (Some(quotient), Some(remainder)) =
                    (dividend.checked_div(divisor), dividend.checked_rem(divisor))
                {
                    // Either the quotient or the remainder has 16 bits; the other one's upper limb
                    // goes into helper 1.
                    let (lo, low_remainder) = if remainder >> 16 == 0 {
                        (quotient, remainder)
                    } else {
                        (quotient | ((remainder >> 16) << 16), remainder & 0xffff)
                    };
                    self.ranges.add(low_remainder as u16);
                    self.limbs(position, lo | ((divisor - remainder - 1) << 32), false);
                }
            }
            Operation::U32assert2(_) => {
                self.limbs(position, b.as_int() | (a.as_int() << 32), false);
            }
            _ => {}
        }
    }

    /// Fills the four limbs of a 64-bit value, and the proof that it is canonical if `wide`.
    fn limbs(&mut self, position: usize, value: u64, wide: bool) {
        let limb = |shift: u32| Felt::new((value >> shift) & 0xffff);
        self.ranges.add_u32(value as u32);
        self.ranges.add_u32((value >> 32) as u32);
        let (inverse, guard) = if wide {
            self.canonical(position, value)
        } else {
            (ZERO, ZERO)
        };
        self.rows.last_mut().helpers = [limb(0), limb(16), limb(32), limb(48), inverse, guard];
    }

    /// Helpers 4 and 5 for a value whose upper half must not be all ones unless the lower is zero;
    /// the inverse itself is left for the end.
    fn canonical(&mut self, position: usize, value: u64) -> (Felt, Felt) {
        let distance = u64::from(u32::MAX) - (value >> 32);
        if distance == 0 {
            return (ZERO, ZERO);
        }
        self.invert(position, 4, Felt::new(distance));
        (ZERO, ONE)
    }
}

/// The number of operands that an operation shows to be of 32 bits by their halves.
fn checked_operands(op: Operation) -> usize {
    match op {
        Operation::U32add | Operation::U32sub | Operation::U32mul | Operation::U32div => 2,
        Operation::U32add3 | Operation::U32madd => 3,
        _ => 0,
    }
}

/// Fills the columns of a row that enters a context.
fn set_call(
    core: &mut CoreRow<Felt>,
    kind: NodeKind,
    named: Word,
    entered: &Entered,
    payload: u32,
) {
    let flag = |set: bool| Felt::from(u8::from(set));
    let is_call = kind != NodeKind::Syscall;
    let crossing = entered.crossing;
    let own_destructor = crossing == Crossing::OwnDestructor;
    let destructor = own_destructor || crossing == Crossing::Destructor;
    core.decoder.call = flag(is_call && !destructor);
    let [_, free, table_len, _] = match is_call && !own_destructor {
        true => entered.state.to_word(),
        false => [ZERO; 4],
    };
    // Where no instance is created, the cell shows something else.
    let nonzero = match destructor {
        true => core.system.clk,
        false => table_len,
    };
    let table_len_inv = match nonzero == ONE {
        true => ONE,
        false => nonzero.inv(),
    };
    let [shared, fresh] = match crossing {
        Crossing::Link(kind) => kind.flags(),
        _ => [false; 2],
    };
    core.set_call(CallCols {
        named: named.into(),
        callee: entered.target.into(),
        // The END of the call fills these in.
        saved_depth: ZERO,
        saved_overflow_ptr: ZERO,
        target: if is_call {
            Felt::from(entered.context.index())
        } else {
            ZERO
        },
        shared: match destructor {
            true => Felt::from(IntrinsicCall::destructor(own_destructor).code()),
            false => flag(shared),
        },
        fresh: flag(fresh),
        creates: flag(is_call && entered.created),
        has_data: Felt::from(if is_call { payload } else { 0 }),
        free,
        table_len,
        table_len_inv,
        domain: Felt::from(entered.wired),
    });
}

/// The domain with which a context keeps its id after it has adopted the calls of `index`.
fn adopted_domain(context: ContextId, index: u16) -> Felt {
    (Felt::new(context.as_u64()) - Felt::from(index)) / Felt::new(1 << 16)
}
