//! Lookups: one LogUp argument for all buses.
//!
//! A section declares its messages once, with [`LookupBuilder::add`]. From that declaration come the
//! prover's auxiliary columns, the verifier's constraints, the degrees, and the debug check.
//!
//! Every row sums fractions `count / (alpha + beta_0 * bus + sum_j beta_{j+1} * coordinate_j)`. Each
//! fraction stands in a *slot*. Messages that cannot occur on one row share a slot: their
//! coordinates are added up, each multiplied by the `flag` under which it occurs. Slots are packed
//! into auxiliary columns of their table as the degree allows ([`Packing`]). Column 0 is the running
//! sum of all of them; it begins at zero and ends at the sum, which the proof states. The
//! sums of all tables and what the verifier sends (`PublicInputs::messages`) add up to zero.
//!
//! Where a table is cut, the piece before sends the row that both pieces have, and the next one
//! receives it ([`Challenges::cut`]): the sum of one ends with this fraction, that of the other begins
//! with it.

use alloc::{string::String, vec::Vec};

use miden_core::Felt;
mod message;
pub use message::*;

use crate::{
    MAX_DEGREE,
    algebra::{Algebra, Degree, ExtensionAlgebra},
    columns::cells_of,
};

/// A place for one fraction a row. Each table has slots of its own; the core and the others number
/// theirs alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot(pub usize);

impl Slot {
    /// The core: five slots that the operations share; an operation uses at most five of them.
    pub const OP: [Self; 5] = [Self(0), Self(1), Self(2), Self(3), Self(4)];
    /// The core: what CALL and DYNCALL do besides, in a composition.
    pub const CALL: [Self; 7] = [
        Self(5),
        Self(6),
        Self(7),
        Self(8),
        Self(9),
        Self(10),
        Self(11),
    ];
    /// The core: right shifts and left shifts of the operand stack.
    pub const OVERFLOW: [Self; 2] = [Self(12), Self(13)];
    /// The core: the halves of three operands that have to be of 32 bits.
    pub const OPERAND: [[Self; 2]; 3] = [
        [Self(14), Self(15)],
        [Self(16), Self(17)],
        [Self(18), Self(19)],
    ];
    /// The other tables: messages of any width.
    pub const WIDE: [Self; 3] = [Self(0), Self(1), Self(2)];
    /// The installed instances: what a row states.
    pub const FACT: Self = Self(5);
    /// The installed instances: words of memory, and the digest of a record.
    pub const WORD: [Self; 5] = [Self(3), Self(4), Self(6), Self(7), Self(8)];
    /// The other tables: facts about single numbers.
    pub const CHECK: [Self; 6] = [Self(14), Self(15), Self(16), Self(17), Self(18), Self(19)];
    /// The number of slots.
    pub const COUNT: usize = 20;
}

/// The number of random field elements: `alpha`, one for the bus, one for each coordinate, and one
/// whose powers combine the cells of a row.
pub const NUM_CHALLENGES: usize = 3 + MAX_MESSAGE_WIDTH;

/// Receives the messages of a row.
pub trait LookupBuilder {
    /// The values that messages are made of.
    type Expr: Algebra;

    /// Takes a message of any bus, as [`Self::add`] does.
    fn send(
        &mut self,
        slot: Slot,
        name: &'static str,
        flag: Self::Expr,
        count: Self::Expr,
        content: Content<'_, Self::Expr>,
    );

    /// Adds `message`, `count` times (negative for receiving it), to the fraction in `slot`.
    ///
    /// `flag` is 1 whenever `count` is not zero, and two messages of one slot never have their flag
    /// set on one row. `name` is how the debug check calls the message.
    fn add<M: Message<Self::Expr>>(
        &mut self,
        slot: Slot,
        name: &'static str,
        flag: Self::Expr,
        count: Self::Expr,
        message: M,
    ) {
        let content = Content {
            bus: M::BUS,
            fields: M::FIELDS,
            coordinates: cells_of(&message),
        };
        self.send(slot, name, flag, count, content);
    }
}

/// The content of a message of any bus.
#[derive(Debug, Clone, Copy)]
pub struct Content<'a, E> {
    /// The bus that carries it.
    pub bus: Bus,
    /// The names of its fields, in order, with their numbers of coordinates.
    pub fields: &'static [(&'static str, usize)],
    /// Its coordinates.
    pub coordinates: &'a [E],
}

/// The verifier's random elements.
#[derive(Debug, Clone, Copy)]
pub struct Challenges<E> {
    alpha: E,
    bus: E,
    coordinates: [E; MAX_MESSAGE_WIDTH],
    cell: E,
}

impl<E: Copy> Challenges<E> {
    /// Takes the challenges from the elements drawn from the public coin; there are
    /// [`NUM_CHALLENGES`] of them.
    pub fn new(drawn: &[E]) -> Self {
        Self {
            alpha: drawn[0],
            bus: drawn[1],
            coordinates: core::array::from_fn(|i| drawn[2 + i]),
            cell: drawn[2 + MAX_MESSAGE_WIDTH],
        }
    }

    /// The denominator of a message.
    #[inline(always)]
    pub fn denominator<F>(&self, bus: F, coordinates: &[F]) -> E
    where
        F: Algebra,
        E: ExtensionAlgebra<F>,
    {
        let mut sum = self.alpha + self.bus.times(bus);
        for (challenge, &coordinate) in self.coordinates.iter().zip(coordinates) {
            sum += challenge.times(coordinate);
        }
        sum
    }

    /// The denominator of the row that a piece of a table begins with, and the piece before it ends
    /// with; the table is given by its number. It is that of no message, as no bus has the number 0.
    #[inline]
    pub fn cut<F>(&self, table: u8, index: usize, row: &[F]) -> E
    where
        F: Algebra,
        E: ExtensionAlgebra<F>,
    {
        let number = |number: usize| F::constant(Felt::new(number as u64));
        let [of_table, of_index, ..] = self.coordinates;
        let place = of_table.times(number(table.into())) + of_index.times(number(index));
        let (mut sum, mut weight) = (self.alpha + place, self.cell);
        for &cell in row {
            sum += weight.times(cell);
            weight = weight * self.cell;
        }
        sum
    }
}

/// The fractions of a row, with the denominators still in coordinates.
#[derive(Debug, Clone, Copy)]
pub struct RowFractions<F> {
    counts: [F; Slot::COUNT],
    buses: [F; Slot::COUNT],
    coordinates: [[F; MAX_MESSAGE_WIDTH]; Slot::COUNT],
}

impl<F: Algebra> Default for RowFractions<F> {
    fn default() -> Self {
        Self {
            counts: [F::ZERO; Slot::COUNT],
            buses: [F::ZERO; Slot::COUNT],
            coordinates: [[F::ZERO; MAX_MESSAGE_WIDTH]; Slot::COUNT],
        }
    }
}

impl<F: Algebra> RowFractions<F> {
    /// The sum of the counts in a slot.
    #[inline(always)]
    pub fn count(&self, slot: usize) -> F {
        self.counts[slot]
    }

    /// The denominator of the fraction in a slot.
    #[inline(always)]
    pub fn denominator<E: ExtensionAlgebra<F>>(
        &self,
        slot: usize,
        challenges: &Challenges<E>,
    ) -> E {
        let width = SLOT_WIDTHS[slot];
        challenges.denominator(self.buses[slot], &self.coordinates[slot][..width])
    }
}

/// The most coordinates that a message in each slot has; [`LookupCatalog`] checks it.
const SLOT_WIDTHS: [usize; Slot::COUNT] = [
    13, 13, 13, 11, 8, // OP
    13, 8, 8, 8, 5, 4, 12, // CALL
    3, 3, // OVERFLOW
    1, 1, 1, 1, 1, 1, // OPERAND
];

impl<F: Algebra> LookupBuilder for RowFractions<F> {
    type Expr = F;

    fn send(
        &mut self,
        Slot(slot): Slot,
        _: &'static str,
        flag: F,
        count: F,
        content: Content<'_, F>,
    ) {
        self.counts[slot] += count;
        self.buses[slot] += flag.scale(Felt::new(content.bus as u64));
        let sums = self.coordinates[slot].iter_mut();
        for (sum, &coordinate) in sums.zip(content.coordinates) {
            *sum += flag * coordinate;
        }
    }
}

/// A message as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageInfo {
    /// Name of the message: `section.what`.
    pub name: String,
    /// Its bus.
    pub bus: Bus,
    /// Its slot.
    pub slot: Slot,
    /// Number of its coordinates.
    pub width: usize,
    /// Degree of its count.
    pub count_degree: usize,
    /// Degree of its denominator.
    pub denominator_degree: usize,
}

/// Lists the messages and their degrees.
#[derive(Debug, Default)]
pub struct LookupCatalog {
    /// The messages, in order of declaration.
    pub messages: Vec<MessageInfo>,
}

impl LookupBuilder for LookupCatalog {
    type Expr = Degree;

    fn send(
        &mut self,
        slot: Slot,
        name: &'static str,
        flag: Degree,
        count: Degree,
        content: Content<'_, Degree>,
    ) {
        let width = content.coordinates.len();
        assert!(
            width <= SLOT_WIDTHS[slot.0],
            "{name} is too wide for its slot"
        );
        let coordinate = content.coordinates.iter().max();
        let coordinate = coordinate.map_or(0, |degree| degree.0);
        self.messages.push(MessageInfo {
            name: name.into(),
            bus: content.bus,
            slot,
            width,
            count_degree: count.0,
            denominator_degree: flag.0 + coordinate,
        });
    }
}

/// The slots that share each auxiliary column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Packing {
    /// The slots of each column.
    pub columns: Vec<Vec<usize>>,
    /// The degree of each column's constraint.
    pub degrees: Vec<usize>,
}

impl Packing {
    /// Packs the slots that the messages of a table use, the ones with the largest denominators first, each into the first column
    /// whose constraint stays within [`MAX_DEGREE`].
    ///
    /// # Panics
    /// Panics if a slot alone exceeds the degree; the declarations are ours, and a test runs this.
    pub fn new(messages: &[MessageInfo]) -> Self {
        let mut degrees = [(0, 0); Slot::COUNT];
        for message in messages {
            let (count, denominator) = &mut degrees[message.slot.0];
            *count = (*count).max(message.count_degree);
            *denominator = (*denominator).max(message.denominator_degree);
        }
        let column_degree = |slots: &[usize]| {
            let total: usize = slots.iter().map(|&slot| degrees[slot].1).sum();
            slots
                .iter()
                .map(|&slot| degrees[slot].0 + total - degrees[slot].1)
                .max()
                .unwrap_or(0)
                .max(1 + total)
        };
        let used = |slot: &usize| messages.iter().any(|message| message.slot.0 == *slot);
        let mut order: Vec<usize> = (0..Slot::COUNT).filter(used).collect();
        order.sort_by_key(|&slot| core::cmp::Reverse(degrees[slot].1));
        let mut columns: Vec<Vec<usize>> = Vec::new();
        for slot in order {
            let fits = |column: &Vec<usize>| {
                let mut slots = column.clone();
                slots.push(slot);
                column_degree(&slots) <= MAX_DEGREE
            };
            match columns.iter().position(fits) {
                Some(column) => columns[column].push(slot),
                None => columns.push([slot].into()),
            }
        }
        let degrees: Vec<usize> = columns.iter().map(|slots| column_degree(slots)).collect();
        assert!(
            degrees.iter().all(|&degree| degree <= MAX_DEGREE),
            "a slot exceeds the degree"
        );
        Self { columns, degrees }
    }

    /// The number of auxiliary columns.
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// Evaluates the constraints of the auxiliary columns.
    ///
    /// Column k > 0 holds the sum of its fractions; column 0 is the running sum of everything:
    /// `next_0 - cur_0 - sum_{k > 0} cur_k` is the sum of its own fractions.
    #[inline]
    pub fn evaluate<F, E>(
        &self,
        row: &RowFractions<F>,
        challenges: &Challenges<E>,
        cur: &[E],
        next: &[E],
        results: &mut [E],
    ) where
        F: Algebra,
        E: ExtensionAlgebra<F>,
    {
        let others = cur[1..].iter().fold(E::ZERO, |sum, &value| sum + value);
        for (k, slots) in self.columns.iter().enumerate() {
            let (mut numerator, mut denominator) = (E::ZERO, E::ONE);
            for &slot in slots {
                let d = row.denominator(slot, challenges);
                numerator = numerator * d + denominator.times(row.count(slot));
                denominator = denominator * d;
            }
            let value = if k == 0 {
                next[0] - cur[0] - others
            } else {
                cur[k]
            };
            results[k] = value * denominator - numerator;
        }
    }
}
