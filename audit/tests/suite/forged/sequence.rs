//! The operations of basic blocks: none can be changed, left out or put in.

use miden_core::{
    Felt, ONE,
    Operation::{self, *},
    ZERO,
};
use miden_cvm_air::{
    columns::OpcodeCols,
    opcode::{self, END, FORBIDDEN, NOOP, RESPAN},
};

use super::{
    Forgery,
    toolkit::{edit_end, group_of, trace_of},
};
use crate::common::Case;

/// The trace of a program of one block. Its rows begin with SPAN, so operation `i` is on row `i + 1`.
fn block(operations: Vec<Operation>, stack: &[u64]) -> Forgery {
    trace_of(&Case::operations("forged", operations).stack(stack))
}

#[test]
fn another_opcode() {
    for (honest, executed, expected) in [
        (vec![Mul], vec![Add], "batch.group_starts"),
        (vec![Neg, Mul], vec![Neg, Add], "batch.group_continues"),
    ] {
        let honest = block(honest, &[3, 5]);
        let mut forged = block(executed, &[3, 5]);
        forged.wear(&honest);
        forged.settles_to(&[expected]);
    }
}

#[test]
fn another_immediate() {
    let program = |value| block(vec![Push(Felt::new(value)), Swap, Drop], &[]);
    let (three, four) = (program(3), program(4));
    // The stack gets another constant than the block has,
    let mut forged = four.clone();
    forged.wear(&three);
    forged.settles_to(&["stack.next"]);
    // the registers change on their way,
    forged.core(1).decoder.registers[0] = Felt::new(4);
    forged.settles_to(&["batch.registers"]);
    // the block begins with other registers than are hashed,
    forged.core(0).decoder.registers[1] = Felt::new(4);
    forged.settles_to(&["bus.HashInput"]);
    // another block is hashed.
    let mut forged = four.clone();
    forged.public.program_hash = three.public.program_hash;
    forged.settles_to(&["bus.BlockHash"]);
}

#[test]
fn entered_with_one_node_and_ended_with_the_digest_of_another() {
    let claimed = block(vec![Mul, Neg], &[3, 5]);
    let executed = block(vec![Add, Neg], &[3, 5]);
    let mut forged = executed.clone();
    let state = claimed.trace.hasher[0].state;
    let (address, digest) = forged.hash(state);
    assert_eq!(digest, claimed.public.program_hash);
    forged.public.program_hash = digest;
    let end = forged.row_of(END, 0);
    edit_end(forged.core(end), |end| end.digest = digest.into());
    forged.settles_to(&["bus.HashDigest"]);
    // With the address of the other hash: late, or from the start.
    let address = Felt::new(address as u64);
    forged.core(end).decoder.address = address;
    forged.settles_to(&["block.keep_address"]);
    forged.edit(1..end, |core| core.decoder.address = address);
    forged.settles_to(&["bus.HashInput"]);
}

/// Swaps of zeros, which can be left out without a trace on the stack.
fn swaps(count: usize) -> Forgery {
    block(vec![Swap; count], &[])
}

#[test]
fn ending_before_the_last_operation_of_a_group() {
    let mut forged = swaps(11);
    forged.remove_rows(11..12);
    forged.settles_to(&["batch.leaves_no_group"]);
    forged.core(10).decoder.group = ZERO;
    forged.settles_to(&["batch.group_starts"]);
}

#[test]
fn ending_before_the_last_group() {
    let mut forged = swaps(11);
    forged.remove_rows(10..12);
    forged.settles_to(&["batch.leaves_no_register"]);
    forged.core(9).decoder.registers[0] = ZERO;
    forged.settles_to(&["batch.registers"]);
}

#[test]
fn skipping_an_immediate() {
    // PUSH is the last operation, so its constant would have to be left behind.
    let mut forged = block(vec![Push(Felt::new(3)), Swap, Drop], &[]);
    let end = forged.row_of(END, 0);
    forged.core(1).decoder.group = ZERO;
    forged.remove_rows(2..end);
    let violations = {
        forged.settle();
        forged.violations()
    };
    assert!(violations.contains("batch.leaves_no_register"));
    assert!(violations.contains("batch.group_starts"));
}

/// The rows of the second batch of 80 swaps: RESPAN, then 8 operations.
fn second_batch(forgery: &Forgery) -> core::ops::Range<usize> {
    forgery.row_of(RESPAN, 0)..forgery.row_of(END, 0)
}

#[test]
fn leaving_a_batch_early() {
    let mut forged = swaps(80);
    let respan = forged.row_of(RESPAN, 0);
    // The eighth group of the first batch.
    forged.remove_rows(respan - 9..respan);
    forged.settles_to(&["batch.leaves_no_register"]);
}

#[test]
fn another_batch_than_is_hashed() {
    // No-ops instead of exchanges of zeros.
    let mut forged = swaps(80);
    let batch = second_batch(&forged);
    forged.core(batch.start).decoder.registers[0] = ZERO;
    forged.edit(batch.start + 1..batch.end, |core| {
        core.op = OpcodeCols::of(NOOP);
        core.decoder.group = ZERO;
    });
    forged.settles_without(&["block.hash_batch"]);
}

#[test]
fn skipping_a_batch() {
    let mut forged = swaps(80);
    let batch = second_batch(&forged);
    forged.remove_rows(batch.clone());
    // END still names the digest of the whole; the first batch's hash is another one.
    forged.core(batch.start).decoder.address = ZERO;
    forged.settles_to(&["bus.HashDigest"]);
}

#[test]
fn repeating_a_batch() {
    let mut forged = swaps(80);
    let batch = second_batch(&forged);
    let rows: Vec<_> = batch.clone().map(|row| forged.trace.core[row]).collect();
    let end = batch.end;
    forged.insert_rows(end, rows);
    // The second RESPAN absorbs the same batch at the same address.
    let address = forged.trace.core[end + 1].decoder.address;
    forged.core(end).decoder.address = address;
    forged.settles_to(&["block.respan_address"]);
    // Or at the one after it, where nothing is.
    let next = address + Felt::new(8);
    let new_end = forged.row_of(END, 0);
    forged.edit(end + 1..=new_end, |core| core.decoder.address = next);
    forged.settles_to(&["bus.HashAbsorb", "bus.HashDigest"]);
}

#[test]
fn an_operation_more_than_the_block_has() {
    // One that does nothing may be added, as in Miden VM: the hash does not bind it.
    for (code, expected) in [(NOOP, None), (opcode::SWAP, Some(()))] {
        let mut forged = swaps(11);
        let mut extra = forged.trace.core[11];
        extra.op = OpcodeCols::of(code);
        extra.decoder.position = [Felt::new(2), ZERO];
        forged.insert_rows(12, vec![extra]);
        let continues = expected.map(|()| "batch.group_continues");
        forged.settles_to(continues.as_slice());
        let core = forged.core(12);
        core.decoder.position = [ZERO; 2];
        core.decoder.group_start = ONE;
        let starts = expected.map(|()| "batch.group_starts");
        forged.settles_to(starts.as_slice());
    }
}

#[test]
fn a_tenth_operation() {
    // The group of SWAPW is, modulo the field's order, also one of ten operations.
    let codes = [
        opcode::EQZ,
        NOOP,
        NOOP,
        NOOP,
        opcode::SWAP,
        NOOP,
        NOOP,
        NOOP,
        NOOP,
        opcode::NEG,
    ];
    let honest = block(vec![Noop, Noop, Noop, Noop, SwapW], &[1, 2, 3, 4, 5]);
    assert_eq!(group_of(&codes), honest.trace.core[0].decoder.registers[0]);
    let operations = vec![Eqz, Noop, Noop, Noop, Swap, Noop, Noop, Noop, Noop, Neg];
    let mut forged = block(operations, &[1, 2, 3, 4, 5]);
    forged.public.program_hash = honest.public.program_hash;
    assert_eq!(forged.rewrite_block(0, &codes), honest.public.program_hash);
    forged.settles_to(&["batch.position_ternary"]);
    forged.core(10).decoder.position = [Felt::new(2); 2];
    forged.settles_to(&["batch.position_continues"]);
    let decoder = &mut forged.core(10).decoder;
    decoder.position = [ZERO; 2];
    decoder.group_start = ONE;
    forged.settles_to(&["batch.group_exhausted", "batch.group_starts"]);
}

#[test]
fn an_operation_outside_of_the_block() {
    // A row that the batch does not see because it says that it is in no block.
    let mut forged = swaps(3);
    let mut extra = forged.trace.core[3];
    extra.op = OpcodeCols::of(opcode::INCR);
    extra.decoder.in_block = ZERO;
    extra.decoder.position = [ZERO; 2];
    let end = forged.row_of(END, 0);
    forged.insert_rows(end, vec![extra]);
    forged.edit_from(end + 1, |core| core.stack.top[0] = ONE);
    forged.claim_outputs();
    forged.settles_to(&["decoder.block_ends", "decoder.in_block"]);
    // In the middle, where the group is not exhausted.
    let mut forged = swaps(3);
    forged.insert_rows(2, vec![extra]);
    forged.edit_from(3, |core| core.stack.top[0] = ONE);
    forged.edit(3..4, |core| core.stack.top[0] = ONE);
    let found = {
        forged.settle();
        forged.violations()
    };
    for name in [
        "decoder.in_block",
        "decoder.block_ends",
        "decoder.block_continues",
        "batch.leaves_no_group",
    ] {
        assert!(found.contains(name), "{name} is not in {found:?}");
    }
}

#[test]
fn opcodes_that_stand_for_nothing() {
    let odd = (0b100_0000..0b101_0000).filter(|code| code % 2 == 1);
    let low_bits = (0b111_0000..=0b111_1111).filter(|code| code % 4 != 0);
    let all = FORBIDDEN
        .into_iter()
        .map(|code| (code, "decoder.op_forbidden"))
        .chain(odd.map(|code| (code, "decoder.op_u32_even")))
        .chain(low_bits.map(|code| (code, "decoder.op_control_low_bits")));
    for (code, expected) in all {
        // A program whose hash really has the opcode.
        let mut forged = swaps(2);
        forged.public.program_hash = forged.rewrite_block(0, &[NOOP, code]);
        // The flag of left shifts knows some prefixes only.
        let shifts_left = code >> 4 == 2 || code >> 2 == 0b1_0011;
        forged.core(2).stack.shift_left = Felt::from(u8::from(shifts_left));
        forged.settle();
        let found = forged.violations();
        assert!(found.contains(expected), "{code:#b}: {found:?}");
        if code >> 4 < 5 {
            forged.assert_rejected(&[expected]);
        }
    }
}

#[test]
fn two_opcodes_at_once() {
    let mut forged = block(vec![Noop, Noop], &[]);
    forged.core(1).op.lo[1] = ONE;
    forged.settle();
    assert!(forged.violations().contains("decoder.op_one_hot"));
    let mut forged = block(vec![Noop, Noop], &[]);
    let op = &mut forged.core(1).op;
    op.hi[0] = Felt::new(2);
    op.hi[1] = -ONE;
    forged.settle();
    assert!(forged.violations().contains("decoder.op_hi_binary"));
    let op = &mut forged.core(1).op;
    op.hi[0] = ONE;
    op.hi[1] = ZERO;
    op.mid[0] = Felt::new(2);
    op.mid[1] = -ONE;
    forged.settle();
    assert!(forged.violations().contains("decoder.op_mid_binary"));
    let op = &mut forged.core(1).op;
    op.mid[0] = ONE;
    op.mid[1] = ZERO;
    op.lo[0] = Felt::new(2);
    op.lo[1] = -ONE;
    forged.settle();
    assert!(forged.violations().contains("decoder.op_lo_binary"));
}
