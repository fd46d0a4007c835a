//! The AIR of one run: the tables with their pieces, what they are constrained by, and how the
//! constraints are combined.

use alloc::vec::Vec;
use core::ops::Range;

use miden_core::Felt;
use winter_air::ProofOptions;
use winter_math::{FieldElement, StarkField};

use crate::{
    MAX_DEGREE,
    algebra::{Algebra, ExtensionAlgebra},
    boundary::Boundary,
    builder::{ConstraintBuilder, PERIOD, Periodic},
    committed::{Committed, interleaves},
    hasher_constants::{ARK1, ARK2},
    heights::{Heights, Piece},
    lookup::{Challenges, Packing, RowFractions},
    public::PublicInputs,
    table::{Table, TableRows, Window},
};

/// Number of columns that the composition polynomial of a group is divided into, each of the length of
/// the group's longest piece: what a quotient of the highest degree needs.
pub const COMPOSITION_COLUMNS: usize = MAX_DEGREE - 1;

/// Boundary constraints of a piece's auxiliary columns: its sum begins with the row that the piece
/// before it sends, if there is one, and ends, with the row that is sent to the next piece, at what
/// the proof states.
const AUX_BOUNDARIES: usize = 2;

/// The AIR of the VM for one run.
#[derive(Debug, Clone)]
pub struct CvmAir {
    heights: Heights,
    public: PublicInputs,
    options: ProofOptions,
    /// Of each table; nothing of one that is absent.
    tables: Vec<TableShape>,
    pieces: Vec<Piece>,
    /// The pieces of each group, by their numbers.
    groups: Vec<Vec<usize>>,
    /// Of each piece the main columns and the auxiliary ones, as they are committed to.
    committed: Vec<[Committed; 2]>,
}

/// The part of a table's description that does not depend on its rows.
#[derive(Debug, Clone, Default)]
struct TableShape {
    packing: Packing,
    boundaries: Vec<Boundary>,
    transitions: usize,
}

impl TableShape {
    /// The boundary constraints of a piece: those of the table's first row are its first piece's,
    /// those of its last row its last piece's.
    fn boundaries_of(&self, piece: &Piece) -> impl Iterator<Item = &Boundary> {
        let (is_first, is_last) = (piece.index == 0, piece.is_last);
        let boundaries = self.boundaries.iter();
        boundaries.filter(move |boundary| if boundary.last { is_last } else { is_first })
    }
}

/// Two consecutive rows of a table: the main columns, and the auxiliary ones.
#[derive(Debug, Clone, Copy)]
pub struct TableFrame<'a, F, E> {
    /// The main columns.
    pub main: Window<'a, F>,
    /// The auxiliary columns at the current row.
    pub aux: &'a [E],
    /// The auxiliary columns at the next row.
    pub aux_next: &'a [E],
}

/// The constraints of a piece on two rows, combined: each sum has a divisor of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Combined<E> {
    /// Those of all rows but the last.
    pub transition: E,
    /// Those of row 0.
    pub first: E,
    /// Those of the last row.
    pub last: E,
}

impl CvmAir {
    /// The AIR of a run with tables of these heights.
    pub fn new(heights: Heights, public: PublicInputs, options: ProofOptions) -> Self {
        let mut tables = alloc::vec![TableShape::default(); Table::COUNT];
        for table in heights.tables() {
            tables[table as usize] = TableShape {
                packing: table.packing(),
                boundaries: table.boundaries(&public),
                transitions: table.declaration().constraints.len(),
            };
        }
        let pieces = heights.pieces();
        Self {
            heights,
            public,
            options,
            tables,
            groups: alloc::vec![(0..pieces.len()).collect()],
            committed: Vec::new(),
            pieces,
        }
        .with_committed()
    }

    /// Settles how columns are committed to: a group's longest piece says how long they may be.
    fn with_committed(mut self) -> Self {
        let interleaves = interleaves(&self.options);
        let committed = |number: usize, piece: &Piece| {
            let group = self.groups.iter().find(|group| group.contains(&number));
            let longest = group.map_or(piece.height, |group| self.longest_of(group));
            let longer = if interleaves {
                longest / piece.height
            } else {
                1
            };
            [piece.table.width(), self.packing(piece.table).width()]
                .map(|width| Committed::new(width, piece.height, longer))
        };
        let pieces = self.pieces.iter().enumerate();
        self.committed = pieces.map(|(i, piece)| committed(i, piece)).collect();
        self
    }

    /// Deals the pieces out to so many groups, of which each is committed to by itself: at least one,
    /// and at most as many as there are pieces.
    ///
    /// The piece with the most cells comes first, and each goes to the group that has the fewest cells
    /// so far; the first one of several that do.
    pub fn in_groups(mut self, count: usize) -> Self {
        let cells = |&piece: &usize| {
            let piece = &self.pieces[piece];
            piece.height * self.piece_width(piece)
        };
        let mut pieces: Vec<usize> = (0..self.pieces.len()).collect();
        pieces.sort_by_key(|piece| core::cmp::Reverse(cells(piece)));
        let mut groups = alloc::vec![(0, Vec::new()); count.clamp(1, pieces.len().max(1))];
        for piece in pieces {
            if let Some((taken, group)) = groups.iter_mut().min_by_key(|(taken, _)| *taken) {
                *taken += cells(&piece);
                group.push(piece);
            }
        }
        let in_order = |(_, mut group): (usize, Vec<usize>)| {
            group.sort_unstable();
            group
        };
        self.groups = groups.into_iter().map(in_order).collect();
        self.with_committed()
    }

    /// The heights of the tables.
    pub fn heights(&self) -> &Heights {
        &self.heights
    }

    /// The pieces of all tables, in order.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The groups that the pieces are dealt out to: of each the numbers of its pieces, in order.
    pub fn groups(&self) -> &[Vec<usize>] {
        &self.groups
    }

    /// The rows of each table that a group has pieces of, and those between them.
    pub fn rows_of(&self, group: &[usize]) -> TableRows {
        TableRows::new(Table::ALL.map(|table| {
            let pieces = group.iter().map(|&piece| &self.pieces[piece]);
            let pieces = pieces.filter(|piece| piece.table == table);
            let rows = pieces.map(|piece| piece.start..piece.start + piece.height);
            let all = rows.reduce(|all, rows| all.start.min(rows.start)..all.end.max(rows.end));
            all.unwrap_or_default()
        }))
    }

    /// The number of rows of the longest piece.
    pub fn longest(&self) -> usize {
        let heights = self.pieces.iter().map(|piece| piece.height);
        heights.fold(0, usize::max)
    }

    /// The number of rows of the longest of these pieces.
    pub fn longest_of(&self, group: &[usize]) -> usize {
        let heights = group.iter().map(|&piece| self.pieces[piece].height);
        heights.fold(0, usize::max)
    }

    /// The number of times that a piece goes into the longest one.
    pub fn ratio(&self, piece: &Piece) -> usize {
        self.longest() / piece.height
    }

    /// The public inputs of the run.
    pub fn public_inputs(&self) -> &PublicInputs {
        &self.public
    }

    /// The parameters of the protocol.
    pub fn options(&self) -> &ProofOptions {
        &self.options
    }

    /// The size of the domain that the longest piece is extended to.
    pub fn domain_size(&self) -> usize {
        self.longest() * self.options.blowup_factor()
    }

    /// The size of the domain that the longest of these pieces is extended to.
    pub fn domain_size_of(&self, group: &[usize]) -> usize {
        self.longest_of(group) * self.options.blowup_factor()
    }

    /// Returns the packing of a table's messages into auxiliary columns, which is empty if the
    /// table is absent.
    pub fn packing(&self, table: Table) -> &Packing {
        &self.tables[table as usize].packing
    }

    /// The number of constraints of a piece, those of the auxiliary columns included.
    pub fn num_constraints(&self, piece: &Piece) -> usize {
        let shape = &self.tables[piece.table as usize];
        let main = shape.transitions + shape.boundaries_of(piece).count();
        main + shape.packing.width() + AUX_BOUNDARIES
    }

    /// The number of constraints of all pieces.
    pub fn total_constraints(&self) -> usize {
        let counts = self.pieces.iter().map(|piece| self.num_constraints(piece));
        counts.sum()
    }

    /// The number of columns of a piece, auxiliary ones included.
    pub fn piece_width(&self, piece: &Piece) -> usize {
        piece.table.width() + self.packing(piece.table).width()
    }

    /// The main columns of a piece and its auxiliary ones, as they are committed to.
    pub fn committed(&self, piece: usize) -> [Committed; 2] {
        self.committed[piece]
    }

    /// The power `k` with which a piece's columns are opened outside of the domain: the quotients are by
    /// `X^k` minus the same power of a point. It is 1 for a piece of which no columns are interleaved.
    pub fn power(&self, piece: usize) -> usize {
        if self.committed[piece]
            .iter()
            .any(|columns| columns.factor > 1)
        {
            self.ratio(&self.pieces[piece])
        } else {
            1
        }
    }

    /// The number of columns that are committed to of the pieces before one.
    pub fn committed_before(&self, piece: usize) -> usize {
        (0..piece).map(|piece| self.committed_width(piece)).sum()
    }

    /// The number of columns that are committed to of a piece.
    pub fn committed_width(&self, piece: usize) -> usize {
        self.committed[piece]
            .iter()
            .map(|columns| columns.width)
            .sum()
    }

    /// The number of quotients before those columns of a piece that the low-degree test has by
    /// themselves, too; nothing if it has not. Quotients by a higher power do not show that a column has
    /// no more coefficients than there are rows.
    pub fn tested_before(&self, piece: usize) -> Option<usize> {
        let quotients = self.committed_before(self.pieces.len()) + self.composition_width();
        (self.power(piece) > 1).then(|| quotients + self.tested_of(0..piece))
    }

    /// The number of columns of these pieces that the low-degree test has by themselves, too.
    fn tested_of(&self, pieces: Range<usize>) -> usize {
        let tested = pieces.filter(|&piece| self.power(piece) > 1);
        tested.map(|piece| self.committed_width(piece)).sum()
    }

    /// The number of constraints of the pieces before one.
    pub fn constraints_before(&self, piece: usize) -> usize {
        let before = self.pieces[..piece].iter();
        before.map(|piece| self.num_constraints(piece)).sum()
    }

    /// The number of columns of all pieces, auxiliary ones included.
    pub fn trace_width(&self) -> usize {
        let widths = self.pieces.iter().map(|piece| self.piece_width(piece));
        widths.sum()
    }

    /// The number of values that are stated of polynomials outside of the domain: every column of
    /// the pieces at two points, and every column of the composition of each group at one.
    pub fn num_openings(&self) -> usize {
        2 * self.trace_width() + self.composition_width()
    }

    /// The number of columns of the compositions of all groups.
    pub fn composition_width(&self) -> usize {
        COMPOSITION_COLUMNS * self.groups.len()
    }

    /// The number of functions that the low-degree test combines: the quotients of the columns that are
    /// committed to and of the compositions, and the columns that it has by themselves, too.
    pub fn num_quotients(&self) -> usize {
        let pieces = self.pieces.len();
        self.committed_before(pieces) + self.composition_width() + self.tested_of(0..pieces)
    }

    /// The number of fractions that the lookup argument sums up, those of the verifier included. The
    /// row at a cut, which is sent and received, counts as many times as it has cells, which are
    /// combined with powers of one challenge.
    pub fn num_fractions(&self) -> u64 {
        let fractions = self.pieces.iter().map(|piece| {
            let slots = self.packing(piece.table).columns.iter().map(Vec::len);
            let slots: usize = slots.sum();
            let cuts = usize::from(piece.index > 0) + usize::from(!piece.is_last);
            piece.height as u64 * slots as u64 + (cuts * piece.table.width()) as u64
        });
        fractions.sum::<u64>() + self.public.messages().len() as u64
    }

    /// Combines the constraints of a piece on two rows, each times the next of the
    /// weights. `sum` is what the piece's fractions are said to sum up to.
    #[inline]
    pub fn combine<F, E>(
        &self,
        piece: &Piece,
        frame: &TableFrame<'_, F, E>,
        challenges: &Challenges<E>,
        sum: E,
        weights: &mut impl FnMut() -> E,
    ) -> Combined<E>
    where
        F: Algebra,
        E: ExtensionAlgebra<F>,
    {
        let known = |boundary: &Boundary| F::constant(boundary.value);
        self.combine_with(piece, frame, challenges, sum, weights, known)
    }

    /// Combines constraints as [`CvmAir::combine`] does, with these values of the boundary
    /// constraints in the place of those of the public inputs.
    #[inline]
    pub fn combine_with<F, E>(
        &self,
        piece: &Piece,
        frame: &TableFrame<'_, F, E>,
        challenges: &Challenges<E>,
        sum: E,
        weights: &mut impl FnMut() -> E,
        known: impl Fn(&Boundary) -> F,
    ) -> Combined<E>
    where
        F: Algebra,
        E: ExtensionAlgebra<F>,
    {
        let table = piece.table;
        let shape = &self.tables[table as usize];
        let mut weighted = Weighted {
            weights: &mut *weights,
            sum: E::ZERO,
            _value: core::marker::PhantomData::<F>,
        };
        table.constraints(&frame.main, &mut weighted);
        let mut transition = weighted.sum;

        let mut row = RowFractions::default();
        table.lookups(&frame.main, &mut row);
        let mut values = alloc::vec![E::ZERO; shape.packing.width()];
        shape
            .packing
            .evaluate(&row, challenges, frame.aux, frame.aux_next, &mut values);
        for value in values {
            transition += weights() * value;
        }

        let (mut first, mut last) = (E::ZERO, E::ZERO);
        for boundary in shape.boundaries_of(piece) {
            let difference = frame.main.cur[boundary.column] - known(boundary);
            let end = if boundary.last { &mut last } else { &mut first };
            *end += weights().times(difference);
        }
        let cut = |index: usize| challenges.cut(table as u8, index, frame.main.cur);
        first += weights()
            * match piece.index {
                0 => frame.aux[0],
                index => frame.aux[0] * cut(index) + E::ONE,
            };
        last += weights()
            * match piece.is_last {
                true => frame.aux[0] - sum,
                false => (frame.aux[0] - sum) * cut(piece.index + 1) + E::ONE,
            };
        Combined {
            transition,
            first,
            last,
        }
    }
}

impl<E: FieldElement<BaseField = Felt>> Combined<E> {
    /// The quotient that the constraints of a piece come to at a point outside of its domain, at which
    /// the polynomial that is zero on the domain has the value `vanishing`.
    pub fn divided(&self, piece: &Piece, point: E, vanishing: E) -> E {
        let last_point = E::from(Felt::get_root_of_unity(piece.height.ilog2()).inv());
        self.transition * (point - last_point) / vanishing
            + self.first / (point - E::ONE)
            + self.last / (point - last_point)
    }
}

/// Sums up constraints, each times its weight.
struct Weighted<'a, W, F, E> {
    weights: &'a mut W,
    sum: E,
    _value: core::marker::PhantomData<F>,
}

impl<W, F, E> ConstraintBuilder for Weighted<'_, W, F, E>
where
    W: FnMut() -> E,
    F: Algebra,
    E: ExtensionAlgebra<F>,
{
    type Expr = F;

    fn constrain(&mut self, _: &'static str, _: Option<usize>, _: usize, value: F) {
        self.sum += (self.weights)().times(value);
    }
}

/// The powers of an element, one after the other: the weights of what is combined.
pub fn powers<E: FieldElement>(base: E) -> impl FnMut() -> E {
    powers_from(base, 0)
}

/// The powers of an element from an exponent on.
pub fn powers_from<E: FieldElement>(base: E, exponent: usize) -> impl FnMut() -> E {
    let mut next = base.exp_vartime((exponent as u64).into());
    move || {
        let power = next;
        next *= base;
        power
    }
}

/// The values of the periodic columns on the rows of one cycle.
pub fn periodic_rows() -> [Periodic<Felt>; PERIOD] {
    const ZERO: Felt = <Felt as FieldElement>::ZERO;
    let flag = |set: bool| Felt::from(u8::from(set));
    core::array::from_fn(|row| Periodic {
        first: flag(row == 0),
        last: flag(row == PERIOD - 1),
        odd: flag(row % 2 == 1),
        ark1: ARK1.get(row).copied().unwrap_or([ZERO; 12]),
        ark2: ARK2.get(row).copied().unwrap_or([ZERO; 12]),
    })
}

/// The values of the periodic columns of a piece at a point: they are polynomials in
/// `x^(height / PERIOD)`, and a piece begins with the row of a period that the table has there.
pub fn periodic_at<E: FieldElement<BaseField = Felt>>(piece: &Piece, x: E) -> Vec<E> {
    let step = Felt::get_root_of_unity(PERIOD.ilog2());
    let in_period = x.exp_vartime(((piece.height / PERIOD) as u64).into());
    let at = in_period.mul_base(step.exp_vartime(piece.phase() as u64));
    let value = |polynomial: &Vec<Felt>| {
        let coefficients = polynomial.iter().rev();
        coefficients.fold(E::ZERO, |sum, &c| sum * at + E::from(c))
    };
    periodic_polynomials().iter().map(value).collect()
}

/// The periodic columns as polynomials that have their values on the rows of one period.
pub fn periodic_polynomials() -> Vec<Vec<Felt>> {
    let rows = periodic_rows();
    let twiddles = winter_math::fft::get_inv_twiddles::<Felt>(PERIOD);
    (0..crate::builder::NUM_PERIODIC)
        .map(|column| {
            let mut values: Vec<Felt> = rows
                .iter()
                .map(|row| crate::columns::cells_of(row)[column])
                .collect();
            winter_math::fft::interpolate_poly(&mut values, &twiddles);
            values
        })
        .collect()
}
