//! The table of operations on resource tables: a pair of rows each.

use std::collections::HashMap;

use miden_core::{Felt, FieldElement, ONE, ZERO};
use miden_cvm_air::{
    columns::{
        AskedCells, ResourceOps, ResourceOutcome, ResourceRow, TableRequestCells, TokenCells,
    },
    composition::Intrinsic,
    lookup::Space,
    table::Table,
};
use miden_cvm_parallel::prelude::*;

use super::{
    memory::{Access, MemoryRecorder},
    memory_context,
    range::RangeCounts,
};
use crate::{
    calls::resources::{KernelAccess, TableAccess, Token},
    context::ContextId,
};

/// An operation as its two rows.
type Pair = (ResourceRow<Felt>, ResourceOutcome<Felt>);

/// The table operations of a run.
#[derive(Debug, Clone, Default)]
pub struct ResourceRecorder {
    operations: Vec<Operation>,
    /// The tokens that were sent and not received yet, by id.
    tokens: HashMap<u32, Token>,
}

#[derive(Debug, Clone)]
enum Operation {
    /// With the two elements below the top of the stack.
    Table(TableAccess, [Felt; 2]),
    Kernel(KernelAccess),
}

impl ResourceRecorder {
    /// The number of rows that what was recorded so far takes at least.
    #[inline]
    pub fn rows(&self) -> usize {
        2 * self.operations.len()
    }

    /// Records an operation, with the two elements `below` the top of the stack, and its accesses of
    /// memory.
    pub fn table(&mut self, access: &TableAccess, below: [Felt; 2], memory: &mut MemoryRecorder) {
        if let Some(token) = access.token {
            match access.call.intrinsic {
                Intrinsic::SendOwn | Intrinsic::SendBorrow => self.tokens.insert(token.id, token),
                _ => self.tokens.remove(&token.id),
            };
        }
        let mut private = |context: ContextId, space, address, is_write, word| {
            memory.record(Access {
                context: memory_context(context.domain(), context.index(), space),
                address,
                time: access.clk + 1,
                is_write,
                is_element: false,
                word,
            });
        };
        let (ops, own) = operation(access);
        let changes_state = own_leaves(&ops, own) || (ops.new + ops.receive) == ONE;
        if changes_state {
            for (state, is_write) in access.state.iter().zip([false, true]) {
                private(access.context, Space::State, 0, is_write, state.to_word());
            }
        }
        if ops.receive_rep == ZERO {
            private(
                access.context,
                Space::Table,
                4 * access.handle,
                false,
                access.entry[0].to_word(),
            );
            if ops.rep == ZERO {
                private(
                    access.context,
                    Space::Table,
                    4 * access.handle,
                    true,
                    access.entry[1].to_word(),
                );
            }
        }
        if let Some(state) = access.definer_state {
            private(access.home, Space::State, 0, false, state.to_word());
        }
        self.operations.push(Operation::Table(*access, below));
    }

    /// Records an access of memory for the kernel.
    pub fn kernel(&mut self, access: &KernelAccess, memory: &mut MemoryRecorder) {
        let KernelAccess {
            clk,
            is_write,
            address,
            target,
            state,
            word,
            ..
        } = *access;
        let (domain, index) = (target.domain(), target.index());
        let time = clk + 1;
        memory.record(Access {
            context: memory_context(domain, index, Space::State),
            address: 0,
            time,
            is_write: false,
            is_element: false,
            word: state.to_word(),
        });
        memory.record(Access {
            context: memory_context(domain, index, Space::User),
            address,
            time,
            is_write,
            is_element: true,
            word,
        });
        self.operations.push(Operation::Kernel(*access));
    }

    /// Makes rows of the operations, and counts their range checks, of a table in pieces of at most
    /// `longest` rows.
    pub fn finish(self, ranges: &mut RangeCounts, longest: usize) -> ResourceTable {
        let mut tokens: Vec<Token> = self.tokens.into_values().collect();
        tokens.sort_unstable_by_key(|token| token.id);
        let operations = self.operations.par_iter().map(|operation| match operation {
            Operation::Table(access, below) => table_pair(access, *below),
            Operation::Kernel(access) => kernel_pair(access),
        });
        let mut pairs: Vec<Pair> = operations.collect();
        pairs.extend(tokens.into_iter().map(discarded));
        for (row, _) in &pairs {
            for limb in row.limbs {
                ranges.add(limb.as_int() as u16);
            }
        }
        let table = ResourceTable { pairs };
        // Pairs without an operation check three zeros.
        let height = Table::Resources.height_within(table.rows(), longest);
        ranges.add_many(0, 3 * (height - table.rows()) as u64 / 2);
        table
    }
}

/// The operations, ready to be written.
#[derive(Debug)]
pub struct ResourceTable {
    pairs: Vec<Pair>,
}

impl ResourceTable {
    /// The number of rows.
    pub fn rows(&self) -> usize {
        2 * self.pairs.len()
    }

    /// Writes a table of zeros: the operations come first, then pairs without one.
    pub fn fill(&self, rows: &mut [ResourceRow<Felt>]) {
        let padding = ResourceRow {
            grows: ONE,
            ..NO_ROW
        };
        let pairs = self.pairs.iter().copied();
        let pairs = pairs.chain(std::iter::repeat((padding, NO_OUTCOME)));
        for (rows, (row, outcome)) in rows.chunks_exact_mut(2).zip(pairs) {
            rows[0] = row;
            *rows[1].outcome_mut() = outcome;
        }
    }
}

/// Returns the operation of an access, and its `own` flag.
fn operation(access: &TableAccess) -> (ResourceOps<Felt>, bool) {
    let mut ops = NO_OP;
    let (op, own) = match access.call.intrinsic {
        Intrinsic::New => (&mut ops.new, false),
        Intrinsic::Rep => (&mut ops.rep, false),
        Intrinsic::SendOwn => (&mut ops.send, true),
        Intrinsic::SendBorrow => (&mut ops.send, false),
        Intrinsic::RecvOwn => (&mut ops.receive, true),
        Intrinsic::RecvBorrow if access.call.by_definer => (&mut ops.receive_rep, false),
        Intrinsic::RecvBorrow => (&mut ops.receive, false),
        // The others are no operations on tables, so these are left.
        _ => (&mut ops.drop, access.entry[0].to_word()[2] == ONE),
    };
    *op = ONE;
    (ops, own)
}

/// Returns `true` if a handle leaves the table.
fn own_leaves(ops: &ResourceOps<Felt>, own: bool) -> bool {
    ops.drop == ONE || ops.send == ONE && own
}

fn flag(set: bool) -> Felt {
    Felt::from(u8::from(set))
}

fn inverse(value: Felt) -> Felt {
    if value == ONE { ONE } else { value.inv() }
}

/// The 16-bit limbs of a context's id.
fn limbs(context: ContextId) -> [u16; 3] {
    core::array::from_fn(|i| (context.as_u64() >> (16 * i)) as u16)
}

fn table_pair(access: &TableAccess, below: [Felt; 2]) -> Pair {
    let (op, own) = operation(access);
    let frees = own_leaves(&op, own);
    let allocates = op.new + op.receive == ONE;
    let changes = allocates || frees;
    let [before, after] = access.state.map(|state| match changes {
        true => state.to_word(),
        false => [ZERO; 4],
    });
    let entry = access.entry.map(|entry| entry.to_word());
    let time = Felt::from(access.clk) + ONE;
    let mark = Felt::new(access.marks.current);
    let context = Felt::new(access.context.as_u64());
    let home = access.home;
    let resource = Felt::from(access.resource) + ONE;
    let call = access.call;
    let back = op.receive == ONE
        && access
            .token
            .is_some_and(|t| Felt::new(t.mark) != access.marks.sender_felt());
    let row = ResourceRow {
        op,
        own: flag(own),
        by_definer: flag(call.intrinsic == Intrinsic::Drop && call.by_definer),
        destructible: flag(call.destructible),
        back: flag(back),
        frees: flag(frees),
        destroys: flag(access.destroys),
        grows: flag(before[1] == ZERO),
        free_inv: inverse(before[1]),
        witness: match frees {
            true => inverse(mark - entry[0][3]),
            false => ZERO,
        },
        handle: Felt::from(access.handle),
        state: before,
        entry: entry[0],
        request: TableRequestCells {
            asked: AskedCells {
                time,
                context,
                home: Felt::new(home.as_u64()),
                mark,
                sender: access.marks.sender_felt(),
                input: access.input,
                output: access.output,
                second: below[0],
                third: below[1],
            },
            kind: Felt::from(call.code()),
            destroys: flag(access.destroys),
            resource,
        },
        ..NO_ROW
    };
    let writes_entry = op.rep + op.receive_rep == ZERO;
    let [_, free, len, borrows] = access.definer_state.unwrap_or_default().to_word();
    let outcome = ResourceOutcome {
        writes_state: flag(changes),
        writes_entry: flag(writes_entry),
        puts: op.send,
        takes: op.receive + op.receive_rep,
        guards: flag(access.definer_state.is_some()),
        time,
        context,
        home: Felt::new(home.as_u64()),
        handle: Felt::from(access.handle),
        state: after,
        entry: match writes_entry {
            true => entry[1],
            false => [ZERO; 4],
        },
        token: access.token.map_or(NO_TOKEN, token_cells),
        home_state: [free, len, borrows],
        ..NO_OUTCOME
    };
    (row, outcome)
}

fn kernel_pair(access: &KernelAccess) -> Pair {
    let time = Felt::from(access.clk) + ONE;
    let own = flag(access.is_write);
    let [address, target, element] = access.inputs;
    let state = access.state.to_word();
    let intrinsic = match access.is_write {
        true => Intrinsic::Store,
        false => Intrinsic::Load,
    };
    // The kernel runs in the root's context, and so does what it calls.
    let root = ZERO;
    let row = ResourceRow {
        op: ResourceOps {
            memory: ONE,
            ..NO_OP
        },
        own,
        grows: flag(state[1] == ZERO),
        free_inv: inverse(state[1]),
        limbs: limbs(access.target).map(Felt::from),
        witness: inverse(state[2]),
        state,
        ..NO_ROW
    };
    let row = ResourceRow {
        request: TableRequestCells {
            asked: AskedCells {
                time,
                context: root,
                home: root,
                mark: Felt::new(access.marks.current),
                sender: access.marks.sender_felt(),
                input: address,
                output: access.output,
                second: target,
                third: element,
            },
            kind: Felt::from(intrinsic.code()),
            destroys: ZERO,
            resource: ZERO,
        },
        ..row
    };
    let outcome = ResourceOutcome {
        accesses: ONE,
        time,
        context: target,
        address,
        is_write: own,
        value: access.word[access.address as usize % 4],
        ..NO_OUTCOME
    };
    (row, outcome)
}

/// A pair that takes a token which nobody received.
fn discarded(token: Token) -> Pair {
    let row = ResourceRow {
        op: ResourceOps {
            discard: ONE,
            ..NO_OP
        },
        grows: ONE,
        ..NO_ROW
    };
    let outcome = ResourceOutcome {
        takes: ONE,
        token: token_cells(token),
        ..NO_OUTCOME
    };
    (row, outcome)
}

fn token_cells(token: Token) -> TokenCells<Felt> {
    TokenCells {
        id: Felt::from(token.id),
        mark: Felt::new(token.mark),
        resource: Felt::from(token.resource) + ONE,
        own: flag(token.own),
        rep: token.rep,
    }
}

const NO_OP: ResourceOps<Felt> = ResourceOps {
    new: ZERO,
    rep: ZERO,
    drop: ZERO,
    send: ZERO,
    receive: ZERO,
    receive_rep: ZERO,
    memory: ZERO,
    discard: ZERO,
};

const NO_TOKEN: TokenCells<Felt> = TokenCells {
    id: ZERO,
    mark: ZERO,
    resource: ZERO,
    own: ZERO,
    rep: ZERO,
};

const NO_ROW: ResourceRow<Felt> = ResourceRow {
    op: NO_OP,
    own: ZERO,
    by_definer: ZERO,
    destructible: ZERO,
    back: ZERO,
    frees: ZERO,
    destroys: ZERO,
    grows: ZERO,
    free_inv: ZERO,
    limbs: [ZERO; 3],
    witness: ZERO,
    handle: ZERO,
    state: [ZERO; 4],
    entry: [ZERO; 4],
    request: TableRequestCells {
        asked: AskedCells {
            time: ZERO,
            context: ZERO,
            home: ZERO,
            mark: ZERO,
            sender: ZERO,
            input: ZERO,
            output: ZERO,
            second: ZERO,
            third: ZERO,
        },
        kind: ZERO,
        destroys: ZERO,
        resource: ZERO,
    },
};

const NO_OUTCOME: ResourceOutcome<Felt> = ResourceOutcome {
    writes_state: ZERO,
    writes_entry: ZERO,
    puts: ZERO,
    takes: ZERO,
    guards: ZERO,
    accesses: ZERO,
    time: ZERO,
    context: ZERO,
    home: ZERO,
    handle: ZERO,
    state: [ZERO; 4],
    entry: [ZERO; 4],
    token: NO_TOKEN,
    home_state: [ZERO; 3],
    address: ZERO,
    is_write: ZERO,
    value: ZERO,
};
