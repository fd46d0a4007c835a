//! No cell of the core can be changed alone, but those that mean nothing on their row. And no two
//! messages of a row share a slot, which the debug check, adding them up one by one, does not see.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::OnceLock,
};

use miden_core::{Felt, FieldElement, ONE, ZERO};
use miden_cvm_air::{
    air::periodic_rows,
    builder::{Frame, Violations},
    columns::{
        CORE_WIDTH, CoreRow, MAIN_WIDTH, MainRow, TableOutcome, TableRow, cells_of, cells_of_mut,
    },
    composition::LinkKind::{Isolated, Shared},
    constraints,
    lookup::{LookupBuilder, Message, Slot},
    lookups,
    opcode::{
        CALL, CALLER, CRYPTOSTREAM, DESTROY, DESTRUCTOR, DYN, DYNCALL, END, EQ, EQZ, EXPACC,
        FRIE2F4, HALT, HORNERBASE, HORNEREXT, HPERM, INTRINSIC, JOIN, LOGPRECOMPILE, LOOP,
        MPVERIFY, MRUPDATE, OWN_DESTRUCTOR, REPEAT, SPAN, SPLIT, SYSCALL,
    },
};
use miden_cvm_processor::{ExecutionOptions, ExecutionTrace, execute_traced};

use super::{
    resources,
    toolkit::{CYCLE, opcode},
};
use crate::{
    common::{generated_case, handwritten_cases, random_from},
    composition::Builder,
};

/// Rows of each kind that are looked at.
const SAMPLES: usize = 3;

/// What a row sends and receives, and how it uses its slots.
#[derive(Default)]
struct Sent {
    messages: Vec<(&'static str, Felt, Vec<Felt>)>,
    flagged: BTreeMap<Slot, &'static str>,
    clashes: BTreeSet<String>,
}

impl LookupBuilder for Sent {
    type Expr = Felt;

    fn add<M: Message<Felt>>(
        &mut self,
        slot: Slot,
        name: &'static str,
        flag: Felt,
        count: Felt,
        message: M,
    ) {
        if flag == ZERO {
            if count != ZERO {
                self.clashes
                    .insert(format!("{name} counts without its flag"));
            }
            return;
        }
        if flag != ONE {
            self.clashes.insert(format!("the flag of {name} is {flag}"));
        }
        if let Some(first) = self.flagged.insert(slot, name) {
            self.clashes
                .insert(format!("{first} and {name} are in one slot"));
        }
        if count != ZERO {
            self.messages
                .push((name, count, cells_of(&message).to_vec()));
        }
    }
}

/// A trace with whether it is one of a composition.
struct Honest {
    rows: Vec<MainRow<Felt>>,
    composed: Felt,
}

impl Honest {
    fn new(trace: ExecutionTrace) -> Self {
        let composed = trace.public.composed();
        Self {
            rows: trace.rows,
            composed,
        }
    }

    /// What the pairs of rows around `row` violate and send, with another row there.
    fn around(&self, row: usize, changed: &MainRow<Felt>) -> (Vec<(String, Felt)>, Sent) {
        let periodic = periodic_rows();
        let pairs = [
            (row - 1, &self.rows[row - 1], changed),
            (row, changed, &self.rows[row + 1]),
        ];
        let mut violations = Violations::default();
        let mut sent = Sent::default();
        for (clk, cur, next) in pairs {
            let frame = Frame {
                cur,
                next,
                periodic: &periodic[clk % CYCLE],
                composed: self.composed,
            };
            constraints(&frame, &mut violations);
            lookups(&frame, &mut sent);
            sent.flagged.clear();
        }
        (violations.found, sent)
    }
}

/// Programs and compositions that have every kind of row.
fn traces() -> Vec<Honest> {
    let mut cases = handwritten_cases();
    cases.push(generated_case("generated", random_from(1), 200));
    let mut traces: Vec<Honest> = cases
        .iter()
        .filter_map(|case| {
            execute_traced(
                &case.program,
                None,
                &case.stack_inputs(),
                case.advice_inputs(),
                &mut case.host(),
                ExecutionOptions::default(),
            )
            .ok()
        })
        .map(Honest::new)
        .collect();
    let values: Vec<Felt> = (0..16).map(Felt::new).collect();
    let mut builder = Builder::new(3)
        .component(
            "a",
            "pub proc go push.1 mem_store.0 call.stubs::b1 caller dropw end",
        )
        .component("b", "pub proc there caller dropw mem_load.1000 drop end")
        .link(0, "a1", Shared, 1, "a::go")
        .link(0, "a2", Isolated, 1, "a::go")
        .link(1, "b1", Shared, 2, "b::there")
        .data(2, 1000, &values);
    builder.kernel = Some("pub proc k caller dropw end");
    let main = "begin
        call.stubs::a1 call.stubs::a1 call.stubs::a2 syscall.k
        procref.stubs::a1 mem_storew_be.0 dropw push.0 dyncall
    end";
    traces.push(Honest::new(builder.trace(main)));
    traces.extend(resources::traces().into_iter().map(Honest::new));
    traces
}

/// The names of the core's columns, in order.
fn names() -> Vec<String> {
    let groups = [
        ("clk", 1),
        ("domain", 1),
        ("index", 1),
        ("in_syscall", 1),
        ("fn_hash", 4),
        ("mark", 1),
        ("sender", 1),
        ("hi", 8),
        ("mid", 4),
        ("lo", 4),
        ("in_block", 1),
        ("call", 1),
        ("polynomial", 1),
        ("block", 1),
        ("address", 1),
        ("register", 8),
        ("group", 1),
        ("position", 2),
        ("group_start", 1),
        ("helper", 6),
        ("operand", 3),
        ("top", 16),
        ("depth", 1),
        ("overflow_ptr", 1),
        ("depth_inv", 1),
        ("overflowed", 1),
        ("shift_left", 1),
        ("shift_right", 1),
    ];
    let names: Vec<String> = groups
        .iter()
        .flat_map(|&(name, count)| (0..count).map(move |i| format!("{name}{i}")))
        .collect();
    assert_eq!(names.len(), CORE_WIDTH);
    names
}

/// Whether a cell means nothing on this row.
fn is_free(core: &CoreRow<Felt>, composed: bool, name: &str) -> bool {
    let code = opcode(&core.op);
    if name == "depth_inv0" {
        return core.stack.overflowed == ZERO;
    }
    if let Some(helper) = name.strip_prefix("helper") {
        let helper: usize = helper.parse().expect("a number");
        return match code {
            // The operation's own witnesses; an inverse of zero is any number.
            EQ | EQZ if helper == 0 => {
                core.stack.top[0] == if code == EQ { core.stack.top[1] } else { ZERO }
            }
            EXPACC => helper == 4 && core.helpers[5] == ZERO,
            0b100_0000..0b101_0000 => {
                helper == 4
                    && core.helpers[5] == ZERO
                    && core.helpers[2..4] == [Felt::new(0xffff); 2]
            }
            HPERM | MPVERIFY | MRUPDATE => helper != 0,
            CALLER => !composed || helper >= 4,
            FRIE2F4 | HORNERBASE | HORNEREXT => false,
            CRYPTOSTREAM | LOGPRECOMPILE => helper == 5,
            SPLIT | LOOP | SPAN | JOIN => helper >= 2,
            CALL | DYNCALL | SYSCALL => false,
            INTRINSIC | DESTROY | DESTRUCTOR | OWN_DESTRUCTOR => false,
            END => false,
            _ => true,
        };
    }
    if let Some(operand) = name.strip_prefix("operand") {
        // Two operands of 32-bit arithmetic, three of U32ADD3 and U32MADD.
        return match code {
            0b100_1000 | 0b100_1010 => true,
            0b100_1100 | 0b100_1110 => false,
            0b100_0000..0b100_1000 => operand == "2",
            _ => true,
        };
    }
    if let Some(register) = name.strip_prefix("register") {
        let register: usize = register.parse().expect("a number");
        return match code {
            DYN | REPEAT => register >= 4,
            SYSCALL => register >= 4,
            // The inverse of a table's length, if there is a table.
            CALL | DYNCALL => register == 4 && core.as_call().creates == ONE,
            END if composed && core.as_end().call == ONE => false,
            // Whether tokens pass, at the end of a call or syscall.
            END => {
                let end = core.as_end();
                register >= 4
                    && (register < 7 || end.call + end.syscall + end.own_destructor == ZERO)
            }
            HALT => true,
            _ => false,
        };
    }
    false
}

/// Changes every cell of the core on rows of every kind, once, and checks that no change passes;
/// returns the opcodes of the rows.
pub fn changed_opcodes() -> &'static BTreeSet<u8> {
    static CHANGED: OnceLock<BTreeSet<u8>> = OnceLock::new();
    CHANGED.get_or_init(change_every_cell)
}

#[test]
fn no_cell_of_the_core_can_be_changed() {
    assert!(!changed_opcodes().is_empty());
}

fn change_every_cell() -> BTreeSet<u8> {
    let names = names();
    let mut samples: BTreeMap<(u8, bool, [bool; 3]), usize> = BTreeMap::new();
    let mut surprises = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for trace in traces() {
        let composed = trace.composed == ONE;
        for row in 1..trace.rows.len() - 1 {
            let honest = &trace.rows[row];
            let core = &honest.core;
            let code = opcode(&core.op);
            seen.insert(code);
            let kind = match code {
                END => {
                    let end = core.as_end();
                    [end.call, end.syscall, end.entered_loop]
                }
                CALL | DYNCALL => {
                    let call = core.as_call();
                    [call.shared, call.creates, call.has_data]
                }
                _ => [core.stack.overflowed, core.system.in_syscall, ZERO],
            };
            let count = samples
                .entry((code, composed, kind.map(|flag| flag == ONE)))
                .or_default();
            *count += 1;
            if *count > SAMPLES {
                continue;
            }
            let (violations, expected) = trace.around(row, honest);
            assert!(violations.is_empty(), "row {row}: {violations:?}");
            for (cell, name) in names.iter().enumerate() {
                let accepted = [ONE, Felt::new(0x1234_5678_9abc), -ONE.double()]
                    .iter()
                    .any(|&by| {
                        let mut changed = *honest;
                        cells_of_mut::<Felt, MainRow<Felt>>(&mut changed)[cell] += by;
                        let (violations, sent) = trace.around(row, &changed);
                        violations.is_empty() && sent.messages == expected.messages
                    });
                if accepted != is_free(core, composed, name) {
                    let what = if accepted { "is free" } else { "is bound" };
                    surprises.insert(format!("{code:#09b} {composed} {kind:?}: {name} {what}"));
                }
            }
        }
    }
    let list: Vec<_> = surprises.iter().map(String::as_str).collect();
    assert!(surprises.is_empty(), "{}", list.join("\n"));
    seen
}

/// Whether a cell of the pair of an operation on a resource table means nothing.
fn is_free_in_table(row: &TableRow<Felt>, odd: bool, cell: usize) -> bool {
    let op = &row.op;
    let changes = op.new + op.receive + row.frees;
    // A row in which every cell is its own index.
    let index: [usize; MAIN_WIDTH] = core::array::from_fn(|i| i);
    let columns = &MainRow::from_cells(&index).chiplet;
    let cell = columns.body[cell];
    if !odd {
        let at = columns.table();
        let found = |cells: &[usize]| cells.contains(&cell);
        if cell == at.free_inv {
            return row.state[1] == ZERO;
        }
        if cell == at.witness {
            return row.frees + op.memory == ZERO;
        }
        if [at.state[0], at.state[2], at.state[3]].contains(&cell) {
            return changes + op.memory == ZERO;
        }
        let asked = &at.request;
        let unasked = [asked.resource, asked.mark, asked.sender, asked.input];
        return found(&at.entry) && op.receive_rep + op.memory + op.discard == ONE
            || op.discard == ONE && (unasked.contains(&cell) || cell >= asked.second);
    }
    let at = columns.outcome();
    let tokens = op.send + op.receive + op.receive_rep + op.discard;
    let guards = (op.drop * row.own - row.destroys) * (ONE - row.by_definer);
    cells_of::<usize, _>(&at.token).contains(&cell) && tokens == ZERO
        || at.home_state.contains(&cell) && guards == ZERO
        || cell == at.value && op.memory == ZERO
}

#[test]
fn no_cell_of_a_table_can_be_changed() {
    let mut surprises = BTreeSet::new();
    let mut kinds = BTreeSet::new();
    for trace in resources::traces().into_iter().map(Honest::new) {
        for row in 1..trace.rows.len() - 1 {
            let chiplet = &trace.rows[row].chiplet;
            if chiplet.select.table == ZERO || row % 2 == 1 {
                continue;
            }
            let asked = *chiplet.table();
            let kind = asked.request.kind.as_int();
            kinds.insert((kind, asked.own == ONE));
            for odd in [false, true] {
                let at = row + usize::from(odd);
                let honest = &trace.rows[at];
                let (violations, expected) = trace.around(at, honest);
                assert!(violations.is_empty(), "row {at}: {violations:?}");
                let cells = if odd {
                    size_of::<TableOutcome<u8>>()
                } else {
                    size_of::<TableRow<u8>>()
                };
                for cell in 0..cells {
                    let accepted = [ONE, Felt::new(0x1234_5678_9abc)].iter().any(|&by| {
                        let mut changed = *honest;
                        changed.chiplet.body[cell] += by;
                        let (violations, sent) = trace.around(at, &changed);
                        violations.is_empty() && sent.messages == expected.messages
                    });
                    if accepted != is_free_in_table(&asked, odd, cell) {
                        surprises.insert(format!(
                            "kind {kind}, own {}, odd {odd}: cell {cell}, free {accepted}",
                            asked.own
                        ));
                    }
                }
            }
        }
    }
    let list: Vec<_> = surprises.iter().map(String::as_str).collect();
    assert!(surprises.is_empty(), "{}", list.join("\n"));
    assert!(kinds.len() >= 15, "{kinds:?}");
}

#[test]
fn no_two_messages_of_a_row_share_a_slot() {
    let mut clashes = BTreeSet::new();
    for trace in traces() {
        let periodic = periodic_rows();
        for (clk, pair) in trace.rows.windows(2).enumerate() {
            let mut sent = Sent::default();
            let frame = Frame {
                cur: &pair[0],
                next: &pair[1],
                periodic: &periodic[clk % CYCLE],
                composed: trace.composed,
            };
            lookups(&frame, &mut sent);
            clashes.extend(sent.clashes);
        }
    }
    assert!(clashes.is_empty(), "{clashes:?}");
}
