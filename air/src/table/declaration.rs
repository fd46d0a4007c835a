//! The constraints and messages of a table, recorded.

use alloc::{string::String, vec::Vec};

use super::{Table, Window};
use crate::{
    builder::{ConstraintBuilder, NUM_PERIODIC, Periodic, constraint_name},
    columns::{Cells, cells_of},
    lookup::{Bus, Content, LookupBuilder, Slot},
    symbolic::{Expression, Operation, Recorder, Value, compute, needed},
};

/// A constraint, as recorded.
#[derive(Debug, Clone)]
pub struct Constraint {
    /// Its name, without the number of the member.
    pub family: &'static str,
    /// The number of the member, if it is one of a family.
    pub member: Option<usize>,
    /// The degree that it declares.
    pub degree: usize,
    /// The value that is zero.
    pub value: Value,
}

impl Constraint {
    /// Its name, with the number of the member.
    pub fn name(&self) -> String {
        constraint_name(self.family, self.member)
    }
}

/// A message, as recorded.
#[derive(Debug, Clone)]
pub struct Sent {
    /// Its name.
    pub name: &'static str,
    /// Its bus.
    pub bus: Bus,
    /// Its slot.
    pub slot: Slot,
    /// 1 where the count may be something other than zero.
    pub flag: Value,
    /// The number of times that it is sent; negative for receiving.
    pub count: Value,
    /// The names of its fields, in order, with their numbers of coordinates.
    pub fields: &'static [(&'static str, usize)],
    /// The coordinates.
    pub coordinates: Vec<Value>,
}

impl Sent {
    fn values(&self) -> impl Iterator<Item = Value> {
        let coordinates = self.coordinates.iter().copied();
        [self.flag, self.count].into_iter().chain(coordinates)
    }
}

/// All that a table declares, recorded once: the functions of its sections are compiled for nothing else,
/// as there is much code in them. Its inputs are the cells of the current row, those of the next one, the
/// periodic columns, and whether the program is a composition.
#[derive(Debug, Clone)]
pub struct Declaration {
    /// The table.
    pub table: Table,
    /// The operations, operands before results.
    pub nodes: Vec<Operation>,
    /// The transition constraints, in order.
    pub constraints: Vec<Constraint>,
    /// The messages, in order.
    pub messages: Vec<Sent>,
    /// The nodes that constraints need, up to the last one.
    needed_by_constraints: Vec<bool>,
    /// The nodes that messages need.
    needed_by_messages: Vec<bool>,
}

impl Declaration {
    /// Records a table.
    pub(super) fn new(table: Table) -> Self {
        let recorder = Recorder::default();
        let mut collector = Collector::default();
        with_rows(&recorder, table, |rows| {
            table.declare_constraints(rows, &mut collector);
            table.declare_lookups(rows, &mut collector);
        });
        let Collector {
            constraints,
            messages,
            ..
        } = collector;
        let nodes = recorder.into_nodes();
        let values = constraints.iter().map(|constraint| constraint.value);
        let mut needed_by_constraints = needed(&nodes, values);
        let count = needed_by_constraints.iter().rposition(|&needed| needed);
        needed_by_constraints.truncate(count.map_or(0, |last| last + 1));
        Self {
            table,
            needed_by_constraints,
            needed_by_messages: needed(&nodes, messages.iter().flat_map(Sent::values)),
            nodes,
            constraints,
            messages,
        }
    }

    /// Goes on with what `more` computes with the same inputs, whose nodes are the same as those of equal
    /// expressions in the declaration.
    pub fn with<R>(&self, more: impl FnOnce(&Window<'_, Expression<'_>>) -> R) -> (Self, R) {
        let recorder = Recorder::from_nodes(&self.nodes);
        let result = with_rows(&recorder, self.table, more);
        let declaration = Self {
            nodes: recorder.into_nodes(),
            ..self.clone()
        };
        (declaration, result)
    }

    /// Computes the constraints on two rows.
    pub(super) fn constrain<B: ConstraintBuilder>(
        &self,
        rows: &Window<'_, B::Expr>,
        builder: &mut B,
    ) {
        let input = |number| rows.input(number);
        let values = compute(&self.nodes, &self.needed_by_constraints, input);
        for constraint in &self.constraints {
            let value = constraint.value.of(&values);
            builder.constrain(
                constraint.family,
                constraint.member,
                constraint.degree,
                value,
            );
        }
    }

    /// Computes the messages of a row.
    pub(super) fn send<B: LookupBuilder>(&self, rows: &Window<'_, B::Expr>, builder: &mut B) {
        let input = |number| rows.input(number);
        let values = compute(&self.nodes, &self.needed_by_messages, input);
        let mut coordinates = Vec::new();
        for sent in &self.messages {
            coordinates.clear();
            coordinates.extend(sent.coordinates.iter().map(|value| value.of(&values)));
            let content = Content {
                bus: sent.bus,
                fields: sent.fields,
                coordinates: &coordinates,
            };
            let [flag, count] = [sent.flag, sent.count].map(|value| value.of(&values));
            builder.send(sent.slot, sent.name, flag, count, content);
        }
    }
}

impl<E: Copy> Window<'_, E> {
    /// The input of a declaration with this number.
    fn input(&self, number: usize) -> E {
        let inputs = [self.cur, self.next, cells_of(self.periodic)];
        let mut rest = number;
        for cells in inputs {
            match cells.get(rest) {
                Some(&cell) => return cell,
                None => rest -= cells.len(),
            }
        }
        self.composed
    }
}

/// The inputs of a table's declaration.
fn with_rows<'r, R>(
    recorder: &'r Recorder,
    table: Table,
    f: impl FnOnce(&Window<'_, Expression<'r>>) -> R,
) -> R {
    let width = table.width();
    let inputs = (0..=2 * width + NUM_PERIODIC).map(|number| recorder.input(number));
    let inputs: Vec<Expression<'r>> = inputs.collect();
    f(&Window {
        cur: &inputs[..width],
        next: &inputs[width..2 * width],
        periodic: Periodic::from_cells(&inputs[2 * width..][..NUM_PERIODIC]),
        composed: inputs[2 * width + NUM_PERIODIC],
    })
}

/// Collects constraints and messages.
#[derive(Default)]
struct Collector<'r> {
    constraints: Vec<Constraint>,
    messages: Vec<Sent>,
    _recorder: core::marker::PhantomData<&'r Recorder>,
}

impl<'r> ConstraintBuilder for Collector<'r> {
    type Expr = Expression<'r>;

    fn constrain(
        &mut self,
        family: &'static str,
        member: Option<usize>,
        degree: usize,
        value: Expression<'r>,
    ) {
        self.constraints.push(Constraint {
            family,
            member,
            degree,
            value: value.value(),
        });
    }
}

impl<'r> LookupBuilder for Collector<'r> {
    type Expr = Expression<'r>;

    fn send(
        &mut self,
        slot: Slot,
        name: &'static str,
        flag: Expression<'r>,
        count: Expression<'r>,
        content: Content<'_, Expression<'r>>,
    ) {
        let coordinates = content.coordinates.iter();
        self.messages.push(Sent {
            name,
            bus: content.bus,
            slot,
            flag: flag.value(),
            count: count.value(),
            fields: content.fields,
            coordinates: coordinates.map(|coordinate| coordinate.value()).collect(),
        });
    }
}

#[cfg(test)]
mod tests {
    use miden_core::Felt;

    use super::*;

    /// All that a table declares, computed by its functions or from the record.
    #[derive(Debug, Default, PartialEq)]
    struct Computed {
        constraints: Vec<(String, usize, Felt)>,
        /// With flag, count and coordinates.
        messages: Vec<(Slot, &'static str, Bus, Vec<Felt>)>,
    }

    impl ConstraintBuilder for Computed {
        type Expr = Felt;

        fn constrain(
            &mut self,
            family: &'static str,
            member: Option<usize>,
            degree: usize,
            value: Felt,
        ) {
            let name = constraint_name(family, member);
            self.constraints.push((name, degree, value));
        }
    }

    impl LookupBuilder for Computed {
        type Expr = Felt;

        fn send(
            &mut self,
            slot: Slot,
            name: &'static str,
            flag: Felt,
            count: Felt,
            content: Content<'_, Felt>,
        ) {
            let values = [&[flag, count], content.coordinates].concat();
            self.messages.push((slot, name, content.bus, values));
        }
    }

    /// Prover, verifier and audit compute what was recorded; the functions themselves compute the same, on
    /// rows of which nothing is known.
    #[test]
    fn records_compute_what_is_declared() {
        let mut state = 7_u64;
        let mut cell = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            // Some cells are small, and so are differences of others.
            Felt::new(if state >> 61 == 0 {
                state >> 62
            } else {
                state >> 1
            })
        };
        for table in Table::ALL {
            for _ in 0..20 {
                let mut cells = |count: usize| (0..count).map(|_| cell()).collect::<Vec<_>>();
                let [cur, next] = [(); 2].map(|()| cells(table.width()));
                let rest = cells(NUM_PERIODIC + 1);
                let rows = Window {
                    cur: &cur,
                    next: &next,
                    periodic: Periodic::from_cells(&rest[..NUM_PERIODIC]),
                    composed: rest[NUM_PERIODIC],
                };
                let [mut declared, mut recorded] = [(); 2].map(|()| Computed::default());
                table.declare_constraints(&rows, &mut declared);
                table.declare_lookups(&rows, &mut declared);
                table.constraints(&rows, &mut recorded);
                table.lookups(&rows, &mut recorded);
                assert_eq!(recorded, declared, "{}", table.name());
            }
        }
    }
}
