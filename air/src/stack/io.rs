//! Constants, advice and memory.

use miden_core::Felt;

use super::{Rows, Transition};
use crate::{
    algebra::Algebra,
    lookup::{
        CircuitRequest, LookupBuilder, MemoryElement, MemoryWord, Slot, Space, access_time,
        context_key,
    },
    opcode::*,
};

/// Position of the address of MSTREAM and PIPE.
const STREAM_ADDRESS: usize = 12;

/// PUSH sets the top and the streams move their address; what comes from memory is bound by
/// messages, and advice is the prover's choice.
#[inline(always)]
pub(super) fn transition<E: Algebra>(rows: &Rows<'_, E>, t: &mut Transition<'_, E>) {
    let ops = rows.ops;
    let stream = ops.op(MSTREAM) + ops.op(PIPE);
    t.push(ops.op(PUSH), rows.cur.decoder.registers[0]);
    t.free(1, ops.op(ADVPOP) + ops.op(MLOAD));
    t.free(4, ops.op(ADVPOPW) + ops.op(MLOADW));
    t.free(8, stream);
    t.add(STREAM_ADDRESS, stream.scale(Felt::new(8)));
}

/// Accesses of memory, and circuits in it: a word lies in the stack with its last element on top.
#[inline(always)]
pub(super) fn lookups<B: LookupBuilder>(rows: &Rows<'_, B::Expr>, b: &mut B) {
    let Rows { cur, next, ops, .. } = *rows;
    let context = context_key(cur.system.domain, cur.system.index, Space::User);
    let time = access_time(cur.system.clk);
    let address = cur.stack.top[0];
    let n = &next.stack.top;

    // Of each pair of operations, one column of the opcode tells the store.
    let flag = ops.op(MLOAD) + ops.op(MSTORE);
    b.add(
        Slot::OP[0],
        "stack.memory_element",
        flag,
        flag,
        MemoryElement {
            context,
            address,
            time,
            is_write: ops.class(2),
            value: n[0],
        },
    );
    let flag = ops.op(MLOADW) + ops.op(MSTOREW);
    b.add(
        Slot::OP[0],
        "stack.memory_word",
        flag,
        flag,
        MemoryWord {
            context,
            address,
            time,
            is_write: ops.lo(2),
            value: [n[3], n[2], n[1], n[0]],
        },
    );
    let flag = ops.op(MSTREAM) + ops.op(PIPE);
    let address = cur.stack.top[STREAM_ADDRESS];
    b.add(
        Slot::OP[0],
        "stack.stream_first",
        flag,
        flag,
        MemoryWord {
            context,
            address,
            time,
            is_write: ops.lo(2),
            value: [n[7], n[6], n[5], n[4]],
        },
    );
    b.add(
        Slot::OP[1],
        "stack.stream_second",
        flag,
        flag,
        MemoryWord {
            context,
            address: address + B::Expr::int(4),
            time,
            is_write: ops.lo(2),
            value: [n[3], n[2], n[1], n[0]],
        },
    );

    // The circuit is in the memory as it is before this cycle writes, which this operation does not.
    let [ptr, num_read, num_eval, ..] = cur.stack.top;
    let flag = ops.op(EVALCIRCUIT);
    b.add(
        Slot::OP[0],
        "stack.circuit",
        flag,
        flag,
        CircuitRequest {
            context,
            time,
            address: ptr,
            num_read,
            num_eval,
        },
    );
}
