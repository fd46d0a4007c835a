//! No cell can be changed alone, but those that the audit knows as read by nothing. And no two
//! messages of a row share a slot, which the debug check, adding them up one by one, does not see.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    sync::OnceLock,
};

use miden_core::{Felt, FieldElement, ONE, ZERO};
use miden_cvm_air::{
    air::periodic_rows,
    boundary::Boundary,
    builder::{Periodic, Violations},
    columns::{Cells, CoreRow},
    composition::LinkKind::{Fresh, Isolated, Shared},
    lookup::{Content, LookupBuilder, Slot},
    table::{Table, Trace, Window},
};
use miden_cvm_audit::{Names, RowContext, core_kind, is_unread, row_kind};
use miden_cvm_processor::{ExecutionInputs, ExecutionTrace, execute_traced};

use super::{resources, toolkit::CYCLE};
use crate::{
    common::{generated_case, handwritten_cases, random_from},
    composition::{Builder, nosy},
};

/// Rows of each kind that are looked at.
const SAMPLES: usize = 3;

/// The messages that a row sends and receives, and how it uses its slots.
#[derive(Default)]
struct Sent {
    messages: Vec<(&'static str, Felt, Vec<Felt>)>,
    flagged: BTreeMap<Slot, &'static str>,
    clashes: BTreeSet<String>,
}

impl LookupBuilder for Sent {
    type Expr = Felt;

    fn send(
        &mut self,
        slot: Slot,
        name: &'static str,
        flag: Felt,
        count: Felt,
        content: Content<'_, Felt>,
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
                .push((name, count, content.coordinates.to_vec()));
        }
    }
}

/// A trace with whether it is one of a composition.
struct Honest {
    trace: Trace,
    composed: Felt,
    boundaries: [Vec<Boundary>; Table::COUNT],
    periodic: [Periodic<Felt>; CYCLE],
}

impl Honest {
    fn new(trace: ExecutionTrace) -> Self {
        let composed = trace.public.composed();
        Self {
            composed,
            boundaries: Table::ALL.map(|table| table.boundaries(&trace.public)),
            trace: trace.trace,
            periodic: periodic_rows(),
        }
    }

    /// Two rows as constraints see them.
    fn window<'a>(&'a self, number: usize, cur: &'a [Felt], next: &'a [Felt]) -> Window<'a, Felt> {
        Window {
            cur,
            next,
            periodic: &self.periodic[number % CYCLE],
            composed: self.composed,
        }
    }

    /// Returns what row `number` of a table and the pairs of rows around it violate and send, with
    /// another row there.
    fn around(&self, table: Table, number: usize, changed: &[Felt]) -> (Vec<String>, Sent) {
        let last = self.trace.height(table) - 1;
        let mut violations = Violations::default();
        let mut sent = Sent::default();
        for at in number.saturating_sub(1)..=number.min(last - 1) {
            let row = |at: usize| {
                if at == number {
                    changed
                } else {
                    self.trace.row(table, at)
                }
            };
            let rows = self.window(at, row(at), row(at + 1));
            table.constraints(&rows, &mut violations);
            table.lookups(&rows, &mut sent);
            sent.flagged.clear();
        }
        let mut names: Vec<String> = violations.found.into_iter().map(|(name, _)| name).collect();
        for boundary in &self.boundaries[table as usize] {
            let row = if boundary.last { last } else { 0 };
            if row == number && changed[boundary.column] != boundary.value {
                names.push(boundary.name.clone());
            }
        }
        (names, sent)
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
                ExecutionInputs {
                    arguments: case.stack_inputs().into(),
                    advice: case.advice_inputs(),
                    ..ExecutionInputs::new(&case.program)
                },
                &mut case.host(),
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
        .link(0, "b2", Fresh, 1, "a::go")
        .link(1, "b1", Shared, 2, "b::there")
        .data(2, 1000, &values)
        .told_callers();
    builder.kernel = Some("pub proc k caller dropw end");
    let main = "begin
        call.stubs::a1 call.stubs::a1 call.stubs::a2 call.stubs::b2 call.stubs::caller syscall.k
        procref.stubs::a1 mem_storew_be.0 dropw push.0 dyncall
    end";
    traces.push(Honest::new(builder.trace(main)));
    let saving = "begin
        push.1 push.2 call.stubs::save_pair call.stubs::a2 call.stubs::restore drop drop drop
    end";
    traces.push(Honest::new(nosy().trace(saving)));
    traces.extend(resources::traces().into_iter().map(Honest::new));
    traces
}

/// Looks at a few rows of every kind of a table, and changes every cell of them: nothing minds if the
/// cell is one that nothing reads, and else something does. Returns the rows' kinds and the names of
/// what was violated.
fn change_every_cell<K: Ord + Debug>(
    table: Table,
    kind: impl Fn(&[Felt], usize, bool) -> K,
) -> (BTreeSet<K>, BTreeSet<String>) {
    let names = Names::default();
    let mut samples: BTreeMap<K, usize> = BTreeMap::new();
    let mut surprises = BTreeSet::new();
    let mut violated = BTreeSet::new();
    for trace in traces() {
        let Some(last) = trace.trace.height(table).checked_sub(1) else {
            continue;
        };
        for number in 0..=last {
            let honest = trace.trace.row(table, number);
            let is_end = number == 0 || number == last;
            let count = samples
                .entry(kind(honest, number, trace.composed == ONE))
                .or_default();
            // The ends have boundary constraints; those of a few traces are enough.
            if *count >= SAMPLES && !(is_end && *count < 10 * SAMPLES) {
                continue;
            }
            *count += 1;
            let (violations, expected) = trace.around(table, number, honest);
            assert!(violations.is_empty(), "row {number}: {violations:?}");
            let before = number.checked_sub(1);
            let place = RowContext {
                table,
                row: honest,
                before: before.map(|before| trace.trace.row(table, before)),
                number,
                is_last: number == last,
                composed: trace.composed == ONE,
            };
            for column in 0..table.width() {
                let mut accepted = false;
                let value = honest[column];
                for other in [
                    value + ONE,
                    value - ONE.double(),
                    value + Felt::new(0x1234_5678_9abc),
                    ONE - value,
                    -value,
                    Felt::new(0x1234_5678_9abc),
                ] {
                    if other == value {
                        continue;
                    }
                    let mut changed = honest.to_vec();
                    changed[column] = other;
                    let (violations, sent) = trace.around(table, number, &changed);
                    accepted |= violations.is_empty() && sent.messages == expected.messages;
                    violated.extend(violations);
                }
                if accepted != is_unread(&place, column) {
                    let name = names.of(table, number, column);
                    let what = if accepted { "is free" } else { "is bound" };
                    let kind = kind(honest, number, trace.composed == ONE);
                    surprises.insert(format!("{kind:?}: {name} {what}"));
                }
            }
        }
    }
    let list: Vec<_> = surprises.iter().map(String::as_str).collect();
    assert!(surprises.is_empty(), "{}", list.join("\n"));
    (samples.into_keys().collect(), violated)
}

/// Changes every cell of the core on rows of every kind, once, and checks that no change passes but
/// of cells that nothing reads; returns the opcodes of the rows.
pub fn changed_opcodes() -> &'static BTreeSet<u8> {
    static CHANGED: OnceLock<BTreeSet<u8>> = OnceLock::new();
    CHANGED.get_or_init(|| {
        let (kinds, _) = change_every_cell(Table::Core, |row, _, composed| {
            let row = CoreRow::from_cells(row);
            let (code, flags) = core_kind(row);
            let state = [row.stack.overflowed == ONE, row.system.domain == -ONE];
            (code, composed, flags, state)
        });
        kinds.into_iter().map(|(code, ..)| code).collect()
    })
}

#[test]
fn no_cell_of_the_core_can_be_changed() {
    assert!(!changed_opcodes().is_empty());
}

#[test]
fn no_cell_of_a_chiplet_can_be_changed() {
    for (table, names) in [
        (
            Table::Hasher,
            &[
                "hasher.address",
                "hasher.args_unused",
                "hasher.multiplicity_unused",
                "hasher.witness_unused",
                "hasher.levels_left",
            ][..],
        ),
        (Table::Memory, &["memory.delta", "memory.padding"]),
        (Table::Bitwise, &["bitwise.unused"]),
        (Table::Resources, &["resources.outcome_unused"]),
        (Table::Rom, &["rom.unused"]),
        (Table::Circuits, &["circuits.start"]),
    ] {
        let (kinds, violated) =
            change_every_cell(table, |row, number, _| row_kind(table, row, number));
        assert!(kinds.len() > 1, "{table:?}: {kinds:?}");
        for name in names {
            assert!(
                violated.iter().any(|violated| violated.starts_with(name)),
                "{name} is not violated"
            );
        }
    }
}

#[test]
fn no_cell_of_the_range_table_can_be_changed() {
    let (_, violated) = change_every_cell(Table::Range, |_, number, _| number == 0);
    assert!(violated.contains("range.byte_step"));
}

#[test]
fn no_two_messages_of_a_row_share_a_slot() {
    let mut clashes = BTreeSet::new();
    for trace in traces() {
        for table in Table::ALL {
            for number in 0..trace.trace.height(table).saturating_sub(1) {
                let mut sent = Sent::default();
                let row = |number| trace.trace.row(table, number);
                let rows = trace.window(number, row(number), row(number + 1));
                table.lookups(&rows, &mut sent);
                clashes.extend(sent.clashes);
            }
        }
    }
    assert!(clashes.is_empty(), "{clashes:?}");
}
