//! Provers that cheat inside the protocol. All of them know the protocol and the AIR, rebuild
//! whatever follows from what they forge, and hand in proofs of the right form; the verifier rejects
//! every one. (What the verifier thinks of *traces* that are forged and then proven by the book is
//! asked for each forged trace of the audit's tests, where it stands.)
//!
//! The prover of these tests is another one than the crate's: it does everything in the plainest way,
//! with polynomials as lists of coefficients. Without cheating, its proofs are accepted.

use std::{cell::Cell, fmt, ops::Range};

use miden_assembly::Assembler;
use miden_core::{
    Felt, ONE, StackInputs, StackOutputs, ZERO,
    crypto::{hash::Blake3_256, random::WinterRandomCoin},
    utils::ByteWriter,
};
use miden_cvm_air::{
    air::{COMPOSITION_COLUMNS, Combined, CvmAir, TableFrame, periodic_at, periodic_rows, powers},
    builder::{PERIOD, Periodic},
    columns::{Cells, CoreRow, column_numbers},
    heights::{Heights, Piece},
    lookup::{Challenges, NUM_CHALLENGES, RowFractions},
    public::PublicInputs,
    table::{Table, Trace, Window},
    transcript,
    tree::{missing, parents},
};
use miden_cvm_processor::{DefaultHost, ExecutionInputs, ExecutionTrace, execute_traced};
use miden_cvm_prover::{OptionSet, Proof, ProofSettings, ProveOptions, prove_trace};
use miden_cvm_verifier::{Expectations, Rejection, Verified, VerifierError, verify};
use winter_air::ProofOptions;
use winterfell::crypto::{Hasher, RandomCoin};
use winterfell::math::{FieldElement, StarkField, fft, fields::QuadExtension, polynom};

type E = QuadExtension<Felt>;
type Digest = <Blake3_256 as Hasher>::Digest;
type Coin = WinterRandomCoin<Blake3_256>;

const NOTHING: E = <E as FieldElement>::ZERO;
const UNIT: E = <E as FieldElement>::ONE;

/// The set with which the proofs of these tests are made, if nothing else is said.
const SET: OptionSet = OptionSet::Recursive96;

/// Sets with which columns of shorter pieces are interleaved: with the smallest blowup, and with a larger one.
const INTERLEAVED: [OptionSet; 2] = [OptionSet::Fast96, OptionSet::Regular96];

/// A deviation of a prover from the protocol.
#[derive(Clone, Copy, PartialEq)]
enum Cheat {
    /// Nothing: it proves whatever trace it has.
    None,
    /// The sum of a piece is stated as what would balance, whatever the column ends with.
    Stated,
    /// The same, and the column ends with it, whatever it sums up to.
    Sum,
    /// The same, and the column does not begin with zero, so that every step of it is right.
    ShiftedSum,
    /// A part of one piece's sum is stated as another piece's.
    MovedSum,
    /// The sum of a piece is stated as another one.
    ChangedSum(usize),
    /// The composition polynomial is no quotient, but has the right value at the point that the
    /// verifier evaluates it at.
    Composition,
    /// The composition polynomial that is committed to is that of other weights.
    Weights,
    /// The commitment to the main columns is one to another trace: to the honest one, if the prover's
    /// is forged.
    Commitment,
    /// The same, and the other trace is opened; the prover's is what the low-degree test sees.
    Openings,
    /// The remainder is chosen when the queries are known: it agrees with the last layer there.
    Remainder,
    /// The values outside of the domain are those of another point.
    Point,
    /// The lookups of two pieces are those of each other's places.
    Places(usize, usize),
    /// A shorter piece is opened at the rows of another position.
    Rows,
    /// A value at the successor of the point is another one: of a piece, the one of a column.
    Value(usize, usize),
    /// The low-degree test is not about the interleaved columns themselves.
    Untested,
}

/// A prover that can be told to cheat.
#[derive(Clone)]
struct Cheater {
    heights: Heights,
    /// The cells of each piece, row by row.
    pieces: Vec<Vec<Felt>>,
    public: PublicInputs,
    /// The public inputs that the coin is told.
    told: PublicInputs,
    told_heights: Heights,
    set: OptionSet,
    options: ProofOptions,
    cheat: Cheat,
}

/// A polynomial's values on the coset with this offset that is larger than it by a factor.
fn extend<F: FieldElement<BaseField = Felt>>(poly: &[F], offset: Felt, blowup: usize) -> Vec<F> {
    let twiddles = fft::get_twiddles::<Felt>(poly.len());
    fft::evaluate_poly_with_offset(poly, &twiddles, offset, blowup)
}

/// The polynomial with these values on the coset with this offset.
fn interpolate<F: FieldElement<BaseField = Felt>>(values: &[F], offset: Felt) -> Vec<F> {
    let mut poly = values.to_vec();
    let twiddles = fft::get_inv_twiddles::<Felt>(poly.len());
    fft::interpolate_poly_with_offset(&mut poly, &twiddles, offset);
    poly
}

fn lift(poly: &[Felt]) -> Vec<E> {
    poly.iter()
        .map(|&coefficient| E::from(coefficient))
        .collect()
}

/// The levels of a tree over hashes of rows, the largest first.
fn tree(mut extensions: Vec<Vec<Digest>>) -> Vec<Vec<Digest>> {
    extensions.sort_by_key(|rows| rows.len());
    let mut levels = vec![extensions.pop().expect("rows")];
    while levels[levels.len() - 1].len() > 1 {
        let below = &levels[levels.len() - 1];
        let half = below.len() / 2;
        let mut level: Vec<Digest> = (0..half)
            .map(|i| Blake3_256::merge(&[below[i], below[i + half]]))
            .collect();
        if let Some(rows) = extensions.pop_if(|rows| rows.len() == half) {
            for (node, row) in level.iter_mut().zip(rows) {
                *node = Blake3_256::merge(&[*node, row]);
            }
        }
        levels.push(level);
    }
    levels
}

/// The columns of the tables, extended.
struct Extended<F> {
    /// By piece and column.
    columns: Vec<Vec<Vec<F>>>,
    levels: Vec<Vec<Digest>>,
}

impl<F: FieldElement<BaseField = Felt>> Extended<F> {
    fn new(polys: &[Vec<Vec<F>>], longest: usize, blowup: usize) -> Self {
        let extended = polys.iter().map(|polys| {
            let ratio = longest / polys[0].len();
            let offset = Felt::GENERATOR.exp(ratio as u64);
            let columns = polys.iter().map(|poly| extend(poly, offset, blowup));
            columns.collect::<Vec<_>>()
        });
        let columns: Vec<Vec<Vec<F>>> = extended.collect();
        let mut sizes: Vec<usize> = columns.iter().map(|columns| columns[0].len()).collect();
        sizes.sort_unstable();
        sizes.dedup();
        let hashes = sizes.into_iter().map(|size| {
            let hash = |row: usize| {
                let tables = columns.iter().filter(|columns| columns[0].len() == size);
                let cells: Vec<F> = tables.flatten().map(|column| column[row]).collect();
                Blake3_256::hash_elements(&cells)
            };
            (0..size).map(hash).collect()
        });
        let levels = tree(hashes.collect());
        Self { columns, levels }
    }

    fn root(&self) -> Digest {
        self.levels[self.levels.len() - 1][0]
    }

    /// Writes the rows at these positions, `shift` rows further in pieces that are not the longest.
    fn write(&self, proof: &mut Vec<u8>, positions: &[usize], shift: usize) {
        let longest = self.levels[0].len();
        for columns in &self.columns {
            let size = columns[0].len();
            for row in parents(positions, size) {
                let shift = if size == longest { 0 } else { shift };
                for column in columns {
                    proof.write(column[(row + shift) % size]);
                }
            }
        }
    }
}

/// Writes the nodes that open a tree at these positions; returns where they are.
fn write_nodes(proof: &mut Vec<u8>, levels: &[Vec<Digest>], positions: &[usize]) -> Range<usize> {
    let start = proof.len();
    let mut known = positions.to_vec();
    for level in &levels[..levels.len() - 1] {
        for at in missing(&known, level.len()) {
            proof.write(level[at]);
        }
        known = parents(&known, level.len() / 2);
    }
    start..proof.len()
}

impl Cheater {
    fn new((trace, public): (Trace, PublicInputs), cheat: Cheat) -> Self {
        let heights = trace.heights().expect("allowed heights");
        Self {
            told: public.clone(),
            told_heights: heights,
            set: SET,
            options: SET.proof_options(),
            heights,
            pieces: cells(&trace),
            public,
            cheat,
        }
    }

    /// The same with another set of parameters.
    fn with(self, set: OptionSet) -> Self {
        Self {
            set,
            options: set.proof_options(),
            ..self
        }
    }

    /// The columns of each piece as they are committed to, if the longest one has so many rows.
    fn committed<F>(&self, polys: &[Vec<Vec<F>>], longest: usize) -> Vec<Vec<Vec<F>>>
    where
        F: FieldElement<BaseField = Felt>,
    {
        let of_piece = |polys: &Vec<Vec<F>>| {
            let rows = polys[0].len();
            let factor = match INTERLEAVED.contains(&self.set) {
                true => (longest / rows).min(polys.len().next_power_of_two()),
                false => 1,
            };
            let width = polys.len().div_ceil(factor);
            let mut interleaved = vec![vec![F::ZERO; rows * factor]; width];
            for (number, poly) in polys.iter().enumerate() {
                let (part, column) = (number / width, number % width);
                for (i, &coefficient) in poly.iter().enumerate() {
                    interleaved[column][i * factor + part] = coefficient;
                }
            }
            interleaved
        };
        polys.iter().map(of_piece).collect()
    }

    fn main_polys(&self, pieces: &[Vec<Felt>]) -> Vec<Vec<Vec<Felt>>> {
        let shapes = self.heights.pieces().into_iter();
        let polys = shapes.zip(pieces).map(|(piece, cells)| {
            let width = piece.table.width();
            let column =
                |i: usize| -> Vec<Felt> { cells.chunks(width).map(|row| row[i]).collect() };
            (0..width).map(|i| interpolate(&column(i), ONE)).collect()
        });
        polys.collect()
    }

    /// The columns of the lookups of a piece, as they follow from its rows, and their sum.
    fn lookup_columns(
        &self,
        air: &CvmAir,
        piece: &Piece,
        cells: &[Felt],
        challenges: &Challenges<E>,
    ) -> (Vec<Vec<E>>, E) {
        let Piece { table, height, .. } = *piece;
        let row_of = |row: usize| &cells[row * table.width()..][..table.width()];
        let packing = air.packing(table);
        let periodic = periodic_rows();
        let mut columns = vec![Vec::with_capacity(height); packing.width()];
        let cut = |index: usize, row: usize| -> E {
            UNIT / challenges.cut(table as u8, index, row_of(row))
        };
        let mut sum = match piece.index {
            0 => NOTHING,
            index => -cut(index, 0),
        };
        for row in 0..height {
            let mut fractions = RowFractions::default();
            let rows = Window {
                cur: row_of(row),
                next: row_of((row + 1) % height),
                periodic: &periodic[(piece.start + row) % PERIOD],
                composed: self.public.composed(),
            };
            table.lookups(&rows, &mut fractions);
            // Nothing constrains the last row.
            let is_last = row == height - 1;
            let fraction = |&slot: &usize| match fractions.count(slot) {
                count if count == ZERO || is_last => NOTHING,
                count => E::from(count) / fractions.denominator(slot, challenges),
            };
            columns[0].push(sum);
            for (k, slots) in packing.columns.iter().enumerate() {
                let value = slots.iter().map(fraction).fold(NOTHING, |a, b| a + b);
                if k > 0 {
                    columns[k].push(value);
                }
                sum += value;
            }
        }
        if !piece.is_last {
            sum += cut(piece.index + 1, height - 1);
        }
        (columns, sum)
    }

    /// The columns of the lookups and the stated sums.
    fn lookups(&self, air: &CvmAir, random: &[E]) -> (Vec<Vec<Vec<E>>>, Vec<E>) {
        let challenges = Challenges::new(random);
        let place = |table: Table| {
            let mut pieces = air.pieces().iter();
            let place = pieces.position(|piece| piece.table == table);
            place.expect("the table is there")
        };
        let mut shapes = air.pieces().to_vec();
        if let Cheat::Places(one, other) = self.cheat {
            shapes.swap(one, other);
        }
        let pieces = shapes.iter().zip(&self.pieces);
        let (mut columns, mut sums): (Vec<Vec<Vec<E>>>, Vec<E>) = pieces
            .map(|(piece, cells)| self.lookup_columns(air, piece, cells, &challenges))
            .unzip();
        let total = sums.iter().fold(NOTHING, |total, &sum| total + sum);
        let missing = -self.public.boundary_sum(&challenges) - total;
        let at = place(Table::Bitwise);
        match self.cheat {
            Cheat::Stated => sums[at] += missing,
            Cheat::Sum => {
                sums[at] += missing;
                let end = columns[at][0].last_mut().expect("a row");
                *end += missing;
            }
            Cheat::ShiftedSum => {
                sums[at] += missing;
                columns[at][0].iter_mut().for_each(|sum| *sum += missing);
            }
            Cheat::MovedSum => {
                sums[place(Table::Core)] += UNIT;
                sums[at] -= UNIT;
            }
            Cheat::ChangedSum(piece) => sums[piece] += UNIT,
            _ => {}
        }
        (columns, sums)
    }

    /// The coefficients of the composition polynomial: the constraints on every point of the domain,
    /// divided and interpolated.
    fn composition(
        &self,
        air: &CvmAir,
        main: &Extended<Felt>,
        aux: &Extended<E>,
        random: &[E],
        sums: &[E],
        weight: E,
    ) -> Vec<E> {
        let challenges = Challenges::new(random);
        let mut composition = vec![NOTHING; COMPOSITION_COLUMNS * air.longest()];
        let base = Cell::new(UNIT);
        for (i, piece) in air.pieces().iter().enumerate() {
            let (height, ratio) = (piece.height, air.ratio(piece));
            let size = height * self.options.blowup_factor();
            let offset = Felt::GENERATOR.exp(ratio as u64);
            let generator = Felt::get_root_of_unity(size.ilog2());
            let last = Felt::get_root_of_unity(height.ilog2()).inv();
            let step = size / height;
            let values = (0..size).map(|at| {
                let x = offset * generator.exp(at as u64);
                let periodic = periodic_at(piece, x);
                let row = |at: usize| -> (Vec<Felt>, Vec<E>) {
                    let at = at % size;
                    let main = main.columns[i].iter().map(|column| column[at]).collect();
                    (
                        main,
                        aux.columns[i].iter().map(|column| column[at]).collect(),
                    )
                };
                let ((cur, aux), (next, aux_next)) = (row(at), row(at + step));
                let frame = TableFrame {
                    main: Window {
                        cur: &cur,
                        next: &next,
                        periodic: Periodic::from_cells(&periodic),
                        composed: self.public.composed(),
                    },
                    aux: &aux,
                    aux_next: &aux_next,
                };
                let next = Cell::new(base.get());
                let mut weights = || next.replace(next.get() * weight);
                let Combined {
                    transition,
                    first,
                    last: last_row,
                } = air.combine(piece, &frame, &challenges, sums[i], &mut weights);
                let vanishing = x.exp(height as u64) - ONE;
                transition * E::from((x - last) / vanishing)
                    + first / E::from(x - ONE)
                    + last_row / E::from(x - last)
            });
            let quotient = interpolate(&values.collect::<Vec<_>>(), offset);
            for (i, coefficient) in quotient.into_iter().take(4 * height).enumerate() {
                composition[i * ratio] += coefficient;
            }
            let used = air.num_constraints(piece) as u64;
            base.set(base.get() * weight.exp(used));
        }
        composition
    }

    /// Makes the bytes of a proof.
    fn prove(&self) -> Vec<u8> {
        self.prove_with_openings().0
    }

    /// Makes the bytes of a proof; returns where in them the nodes are that open each tree, too.
    fn prove_with_openings(&self) -> (Vec<u8>, Vec<Range<usize>>) {
        let settings = ProofSettings::from(self.set);
        let air = CvmAir::new(self.heights, self.public.clone(), self.options.clone());
        let told = CvmAir::new(self.told_heights, self.told.clone(), self.options.clone());
        let (longest, blowup) = (air.longest(), self.options.blowup_factor());
        let mut coin = Coin::new(&transcript::seed(&told, settings));
        let mut proof = Vec::new();
        let draw = |coin: &mut Coin| -> E { coin.draw().expect("an element") };

        let main_polys = self.main_polys(&self.pieces);
        let main_committed = self.committed(&main_polys, longest);
        let main = Extended::new(&main_committed, longest, blowup);
        let shown = matches!(self.cheat, Cheat::Commitment | Cheat::Openings).then(|| {
            let honest = cells(&honest().0);
            let other = if self.pieces == honest {
                cells(&other_output().0)
            } else {
                honest
            };
            let other = self.committed(&self.main_polys(&other), longest);
            Extended::new(&other, longest, blowup)
        });
        let committed = shown.as_ref().unwrap_or(&main);
        proof.write(committed.root());
        coin.reseed(committed.root());

        let random: Vec<E> = (0..NUM_CHALLENGES).map(|_| draw(&mut coin)).collect();
        let (columns, sums) = self.lookups(&air, &random);
        let aux_polys = columns.iter().map(|columns| {
            let polys = columns.iter().map(|column| interpolate(column, ONE));
            polys.collect()
        });
        let aux_polys: Vec<Vec<Vec<E>>> = aux_polys.collect();
        let aux_committed = self.committed(&aux_polys, longest);
        let aux = Extended::new(&aux_committed, longest, blowup);
        proof.write(aux.root());
        coin.reseed(aux.root());
        proof.write_many(&sums);
        coin.reseed(Blake3_256::hash_elements(&sums));

        let mut weight = draw(&mut coin);
        if self.cheat == Cheat::Weights {
            weight += UNIT;
        }
        let mut composition = self.composition(
            &air,
            &Extended::new(&main_polys, longest, blowup),
            &Extended::new(&aux_polys, longest, blowup),
            &random,
            &sums,
            weight,
        );
        let divided = |composition: &[E]| -> Vec<Vec<E>> {
            composition.chunks(longest).map(<[E]>::to_vec).collect()
        };
        let extended: Vec<Vec<E>> = divided(&composition)
            .iter()
            .map(|poly| extend(poly, Felt::GENERATOR, blowup))
            .collect();
        let row = |at: usize| -> Vec<E> { extended.iter().map(|column| column[at]).collect() };
        let size = longest * blowup;
        let hashes = (0..size).map(|at| Blake3_256::hash_elements(&row(at)));
        let levels = tree(vec![hashes.collect()]);
        let root = levels[levels.len() - 1][0];
        proof.write(root);
        coin.reseed(root);

        let z = draw(&mut coin);
        let point = if self.cheat == Cheat::Point {
            z + UNIT
        } else {
            z
        };
        let open = |point: E| -> Vec<E> {
            let mut values = Vec::new();
            for (i, piece) in air.pieces().iter().enumerate() {
                let y = point.exp(air.ratio(piece) as u64);
                let main = main_polys[i]
                    .iter()
                    .map(|poly| polynom::eval(&lift(poly), y));
                let aux = aux_polys[i].iter().map(|poly| polynom::eval(poly, y));
                values.extend(main.chain(aux));
            }
            values
        };
        let root_of_unity = Felt::get_root_of_unity(longest.ilog2());
        let next = point * E::from(root_of_unity);
        let mut openings = open(point);
        let width = openings.len();
        openings.resize(width + COMPOSITION_COLUMNS, NOTHING);
        openings.extend(open(next));
        if self.cheat == Cheat::Composition {
            // What is committed to is too late to be changed, but a constant makes the value at the
            // verifier's point the right one.
            let missing = self.constraints_at(&air, &openings, &random, &sums, weight, z)
                - polynom::eval(&composition, z);
            assert_ne!(missing, NOTHING, "the trace is not forged");
            composition[0] += missing;
        }
        let columns = divided(&composition);
        for (i, column) in columns.iter().enumerate() {
            openings[width + i] = polynom::eval(column, point);
        }
        if let Cheat::Value(piece, column) = self.cheat {
            let before = air.pieces()[..piece].iter();
            let before: usize = before.map(|piece| air.piece_width(piece)).sum();
            openings[width + COMPOSITION_COLUMNS + before + column] += UNIT;
        }
        proof.write_many(&openings);
        coin.reseed(Blake3_256::hash_elements(&openings));

        let gamma = draw(&mut coin);
        let mut weights = powers(gamma);
        let add = |to: &mut Vec<E>, poly: &[E], weight: E| {
            let ratio = longest / poly.len();
            for (i, &coefficient) in poly.iter().enumerate() {
                to[i * ratio] += weight * coefficient;
            }
        };
        // The quotient by x^power minus a constant, without the remainder.
        let quotient = |poly: &[E], power: usize, constant: E| {
            let mut quotient = vec![NOTHING; longest];
            for i in (0..longest - power).rev() {
                let higher = quotient.get(i + power).copied().unwrap_or(NOTHING);
                quotient[i] = poly[i + power] + constant * higher;
            }
            quotient
        };
        let polys_of = |piece: usize| -> Vec<Vec<E>> {
            let main = main_committed[piece].iter().map(|poly| lift(poly));
            main.chain(aux_committed[piece].iter().cloned()).collect()
        };
        let power_of = |piece: usize| match INTERLEAVED.contains(&self.set) {
            true => longest / main_polys[piece][0].len(),
            false => 1,
        };
        let mut tested = vec![NOTHING; longest];
        for piece in 0..main_polys.len() {
            let mut sum = vec![NOTHING; longest];
            for poly in polys_of(piece) {
                add(&mut sum, &poly, weights());
            }
            let power = power_of(piece);
            for point in [point, next] {
                let quotient = quotient(&sum, power, point.exp(power as u64));
                add(&mut tested, &quotient, UNIT);
            }
        }
        for column in &columns {
            add(&mut tested, &quotient(column, 1, point), weights());
        }
        let by_themselves = (0..main_polys.len()).filter(|&piece| power_of(piece) > 1);
        for poly in by_themselves.flat_map(polys_of) {
            let weight = match self.cheat {
                Cheat::Untested => NOTHING,
                _ => weights(),
            };
            add(&mut tested, &poly, weight);
        }

        let fri = self.options.to_fri_options();
        let folding = fri.folding_factor();
        let mut offset = Felt::GENERATOR;
        let mut layers = Vec::new();
        for _ in 0..fri.num_fri_layers(size) {
            let values = extend(&tested, offset, blowup);
            let rows = values.len() / folding;
            let row =
                |at: usize| -> Vec<E> { (0..folding).map(|k| values[at + k * rows]).collect() };
            let hashes = (0..rows).map(|at| Blake3_256::hash_elements(&row(at)));
            let levels = tree(vec![hashes.collect()]);
            let root = levels[levels.len() - 1][0];
            proof.write(root);
            coin.reseed(root);
            let alpha = draw(&mut coin);
            let parts = tested.chunks(folding);
            tested = parts.map(|part| polynom::eval(part, alpha)).collect();
            layers.push((values, levels));
            offset = offset.exp(folding as u64);
        }
        let at = proof.len();
        proof.write_many(&tested);
        coin.reseed(Blake3_256::hash_elements(&tested));

        let bits = self.options.grinding_factor();
        let nonce = (0..).find(|&nonce| coin.check_leading_zeros(nonce) >= bits);
        let nonce = nonce.expect("a nonce");
        proof.write_u64(nonce);
        let positions = coin.draw_integers(self.options.num_queries(), size, nonce);
        let positions = parents(&positions.expect("positions"), size);
        if self.cheat == Cheat::Remainder {
            // It differs where nobody asks.
            let last = size / folding.pow(layers.len() as u32);
            let generator = Felt::get_root_of_unity(last.ilog2());
            let points = parents(&positions, last).into_iter();
            let roots: Vec<E> = points
                .map(|at| E::from(offset * generator.exp(at as u64)))
                .collect();
            let vanishing = polynom::poly_from_roots(&roots);
            assert!(vanishing.len() <= tested.len(), "there is room to choose");
            let other = polynom::add(&tested, &vanishing);
            let mut bytes = Vec::new();
            bytes.write_many(&other);
            proof[at..at + bytes.len()].copy_from_slice(&bytes);
        }

        let opened = match (&shown, self.cheat) {
            (Some(shown), Cheat::Openings) => shown,
            _ => &main,
        };
        let mut openings = Vec::new();
        opened.write(
            &mut proof,
            &positions,
            usize::from(self.cheat == Cheat::Rows),
        );
        openings.push(write_nodes(&mut proof, &opened.levels, &positions));
        aux.write(&mut proof, &positions, 0);
        openings.push(write_nodes(&mut proof, &aux.levels, &positions));
        for &position in &positions {
            proof.write_many(row(position));
        }
        openings.push(write_nodes(&mut proof, &levels, &positions));
        let mut known = positions;
        for (values, levels) in &layers {
            let count = values.len() / folding;
            let rows = parents(&known, count);
            for row in &rows {
                for at in (0..folding).map(|k| row + k * count) {
                    if !known.contains(&at) {
                        proof.write(values[at]);
                    }
                }
            }
            openings.push(write_nodes(&mut proof, levels, &rows));
            known = rows;
        }
        (proof, openings)
    }

    /// Returns the value of the constraints, divided and weighed, at a point outside of the domain.
    fn constraints_at(
        &self,
        air: &CvmAir,
        openings: &[E],
        random: &[E],
        sums: &[E],
        weight: E,
        z: E,
    ) -> E {
        let challenges = Challenges::new(random);
        let longest = air.longest() as u64;
        let (mut current, mut next) = openings.split_at(air.trace_width() + COMPOSITION_COLUMNS);
        let mut weights = powers(weight);
        let mut value = NOTHING;
        for (i, piece) in air.pieces().iter().enumerate() {
            let table = piece.table;
            let y = z.exp(air.ratio(piece) as u64);
            let periodic = periodic_at(piece, y);
            let widths = [table.width(), air.packing(table).width()];
            let (cur, rest) = current.split_at(widths[0]);
            let (aux, rest) = rest.split_at(widths[1]);
            current = rest;
            let (cur_next, rest) = next.split_at(widths[0]);
            let (aux_next, rest) = rest.split_at(widths[1]);
            next = rest;
            let frame = TableFrame {
                main: Window {
                    cur,
                    next: cur_next,
                    periodic: Periodic::from_cells(&periodic),
                    composed: E::from(self.public.composed()),
                },
                aux,
                aux_next,
            };
            let combined = air.combine(piece, &frame, &challenges, sums[i], &mut weights);
            let last = E::from(Felt::get_root_of_unity(piece.height.ilog2()).inv());
            value += combined.transition * (y - last) / (z.exp(longest) - UNIT)
                + combined.first / (y - UNIT)
                + combined.last / (y - last);
        }
        value
    }
}

/// The cells of each piece of a trace.
fn cells(trace: &Trace) -> Vec<Vec<Felt>> {
    let heights = trace.heights().expect("allowed heights");
    let pieces = heights.pieces().into_iter();
    pieces
        .map(|piece| {
            let width = piece.table.width();
            trace.cells(piece.table)[piece.start * width..][..piece.height * width].to_vec()
        })
        .collect()
}

/// An honest run of a program, with a range table of 512 rows, so that the low-degree test has a
/// layer.
fn run(source: &str) -> (Trace, PublicInputs) {
    let program = Assembler::default()
        .assemble_program(source)
        .expect("the program assembles");
    let ExecutionTrace {
        mut trace, public, ..
    } = execute_traced(
        ExecutionInputs {
            arguments: StackInputs::try_from_ints([5]).expect("an input").into(),
            ..ExecutionInputs::new(&program)
        },
        &mut DefaultHost::default(),
    )
    .expect("the program runs");
    // Each row more checks two zeros.
    let more = 512 - trace.range.len();
    let last = trace.range[trace.range.len() - 1];
    trace.range.resize(512, last);
    trace.range[0].byte_multiplicity += Felt::new(2 * more as u64);
    (trace, public)
}

fn heights_of(trace: &Trace) -> [usize; Table::COUNT] {
    Table::ALL.map(|table| trace.height(table))
}

/// An honest run, whose tables have three heights, and three tables are absent.
fn honest() -> (Trace, PublicInputs) {
    let source = "begin push.7 mem_store.3 mem_load.3 add u32assert push.6 u32and end";
    let (trace, public) = run(source);
    assert_eq!(heights_of(&trace), [32, 512, 16, 8, 8, 0, 0, 0, 0]);
    (trace, public)
}

/// An honest run with tables in several pieces: the core in two of two heights, the memory in three
/// of one height, and the hasher in two.
fn cut() -> (Trace, PublicInputs) {
    let source = "
        begin
            push.6 u32and
            repeat.4 push.7 mem_store.3 end
            repeat.12 swap end
        end";
    let (mut trace, public) = run(source);
    assert_eq!(heights_of(&trace), [64, 512, 32, 8, 8, 0, 0, 0, 0]);
    trace.core.truncate(47);
    // Rows of zeros come before the accesses, and each of them checks six zeros.
    let more = 22 - trace.memory.len();
    let padding = trace.memory[0];
    trace.memory.splice(0..0, vec![padding; more]);
    // Cycles that nobody looks up come after the others; of one more the last row is missing.
    let padding = trace.hasher[trace.hasher.len() - PERIOD..].to_vec();
    trace.hasher.extend_from_slice(&padding[..PERIOD - 1]);
    for (number, row) in trace.hasher.iter_mut().enumerate() {
        row.address = Felt::new(number as u64);
    }
    // What was the table's last row checks a zero now.
    let zeros = Felt::new(6 * more as u64 + 1);
    let mut rows = trace.range.iter_mut();
    let zero = rows.find(|row| row.multiplicity != ZERO && row.hi + row.lo == ZERO);
    zero.expect("zero is checked").multiplicity += zeros;
    assert_eq!(heights_of(&trace), [47, 512, 39, 22, 8, 0, 0, 0, 0]);
    (trace, public)
}

/// The run with another output, which one step of the stack does not give.
fn other_output() -> (Trace, PublicInputs) {
    let (mut trace, mut public) = honest();
    // In the padding after the run.
    let from = trace.core.len() - 4;
    for row in &mut trace.core[from..] {
        row.stack.top[0] += ONE;
    }
    public.stack_outputs = StackOutputs::from(trace.core[from].stack.top);
    (trace, public)
}

/// The run with a fact that is looked up less often than asked for: only the lookups' sum is wrong.
fn missing_fact() -> (Trace, PublicInputs) {
    let (mut trace, public) = honest();
    trace.bitwise[1].multiplicity = ZERO;
    (trace, public)
}

/// Puts a proof into its envelope and asks the verifier.
fn hand_in(
    public: &PublicInputs,
    heights: Heights,
    stark: Vec<u8>,
) -> Result<Verified, VerifierError> {
    hand_in_with(SET, public, heights, stark)
}

/// The same with this set of parameters.
fn hand_in_with(
    set: OptionSet,
    public: &PublicInputs,
    heights: Heights,
    stark: Vec<u8>,
) -> Result<Verified, VerifierError> {
    let proof = Proof::new(set.into(), heights, stark).expect("an allowed proof");
    let expectations = Expectations::from(set.level());
    verify(public, &proof.to_bytes(), &expectations)
}

/// Proves a trace by the book, but for the cheat, and asks the verifier.
fn attempt(claim: (Trace, PublicInputs), cheat: Cheat) -> Result<Verified, VerifierError> {
    attempt_with(SET, claim, cheat)
}

/// The same with this set of parameters.
fn attempt_with(
    set: OptionSet,
    claim: (Trace, PublicInputs),
    cheat: Cheat,
) -> Result<Verified, VerifierError> {
    let cheater = Cheater::new(claim, cheat).with(set);
    hand_in_with(set, &cheater.public, cheater.heights, cheater.prove())
}

/// Why a proof that can be read is rejected.
fn rejection(result: Result<Verified, VerifierError>) -> Rejection {
    match result {
        Err(VerifierError::Rejected(rejection)) => rejection,
        other => panic!("{other:?}"),
    }
}

/// A proof is rejected, or has another layout than its heights call for.
#[track_caller]
fn assert_refused(result: &Result<Verified, VerifierError>, what: impl fmt::Debug) {
    let refused = matches!(
        result,
        Err(VerifierError::Rejected(_) | VerifierError::Layout(_))
    );
    assert!(refused, "{what:?}: {result:?}");
}

/// The prover of this test is a real one, and it is the crate's: the proofs are the same.
#[test]
fn without_cheating_a_proof_is_accepted() {
    for set in INTERLEAVED.into_iter().chain([SET]) {
        for (trace, public) in [honest(), cut()] {
            let run = (trace.clone(), public.clone());
            attempt_with(set, run.clone(), Cheat::None).expect("the proof is valid");
            let ours = Cheater::new(run, Cheat::None).with(set).prove();
            let options = ProveOptions::from(ProofSettings::from(set));
            let theirs = prove_trace(trace, public, &options).expect("the trace is valid");
            assert!(ours == theirs.stark(), "two provers make different proofs");
        }
    }
}

/// Cheats that are rejected if columns are committed to one by one are rejected if they are interleaved.
#[test]
fn interleaved_columns_hide_nothing() {
    let layers = Rejection::Opening("the values of the layers");
    let main = Rejection::Opening("the main columns");
    for (claim, cheat, expected) in [
        (other_output(), Cheat::None, Rejection::Constraints),
        (missing_fact(), Cheat::None, Rejection::Sums),
        (missing_fact(), Cheat::Stated, Rejection::Constraints),
        (missing_fact(), Cheat::ShiftedSum, Rejection::Constraints),
        (other_output(), Cheat::Composition, layers),
        (honest(), Cheat::Weights, Rejection::Constraints),
        (honest(), Cheat::Point, Rejection::Constraints),
        (honest(), Cheat::Commitment, main),
        (honest(), Cheat::Openings, layers),
        (honest(), Cheat::Rows, main),
        (cut(), Cheat::Rows, main),
        (honest(), Cheat::Untested, layers),
        (cut(), Cheat::Untested, layers),
    ] {
        for set in INTERLEAVED {
            let result = attempt_with(set, claim.clone(), cheat);
            assert_eq!(rejection(result), expected);
        }
    }
    for set in INTERLEAVED {
        let result = attempt_with(set, honest(), Cheat::Remainder);
        assert_refused(&result, "a remainder");
    }
}

/// A value that no constraint reads is stated as another one. That it is not the committed column's is what
/// the low-degree test finds, also where the column is one of several interleaved ones.
#[test]
fn values_of_no_committed_column_are_rejected() {
    let layers = Rejection::Opening("the values of the layers");
    for set in INTERLEAVED.into_iter().chain([SET]) {
        let heights = honest().0.heights().expect("allowed heights");
        for (at, piece) in heights.pieces().iter().enumerate() {
            let columns = (0..piece.table.width()).step_by(8);
            let rejected = columns
                .map(|column| rejection(attempt_with(set, honest(), Cheat::Value(at, column))));
            let rejected: Vec<Rejection> = rejected.collect();
            let known = |rejected: &Rejection| [Rejection::Constraints, layers].contains(rejected);
            assert!(rejected.iter().all(known), "{rejected:?}");
            let has_unread = matches!(piece.table, Table::Core | Table::Hasher);
            assert!(!has_unread || rejected.contains(&layers), "{rejected:?}");
        }
    }
}

#[test]
fn forged_traces_are_rejected() {
    assert_eq!(
        rejection(attempt(other_output(), Cheat::None)),
        Rejection::Constraints
    );
    assert_eq!(
        rejection(attempt(missing_fact(), Cheat::None)),
        Rejection::Sums
    );
}

/// Auxiliary columns are the prover's own, and so is what it states of their sums.
#[test]
fn sums_that_only_balance_are_rejected() {
    for cheat in [Cheat::Stated, Cheat::Sum, Cheat::ShiftedSum] {
        assert_eq!(
            rejection(attempt(missing_fact(), cheat)),
            Rejection::Constraints
        );
    }
    // Of an honest trace, too, each table's sum is its own.
    assert_eq!(
        rejection(attempt(honest(), Cheat::MovedSum)),
        Rejection::Constraints
    );
    for run in [honest(), cut()] {
        for piece in 0..cells(&run.0).len() {
            let result = attempt(run.clone(), Cheat::ChangedSum(piece));
            assert_eq!(rejection(result), Rejection::Sums);
        }
    }
}

/// The check outside of the domain passes; that the value is the committed polynomial's is what the
/// low-degree test finds to be wrong.
#[test]
fn a_composition_polynomial_that_fits_one_point_is_rejected() {
    let rejected = rejection(attempt(other_output(), Cheat::Composition));
    assert_eq!(rejected, Rejection::Opening("the values of the layers"));
}

/// An opening has those nodes of a tree that do not follow from its rows, each once and in order.
#[test]
fn other_nodes_are_rejected() {
    const NODE: usize = size_of::<Digest>();
    for run in [honest(), cut()] {
        let cheater = Cheater::new(run, Cheat::None);
        let (proof, openings) = cheater.prove_with_openings();
        let hand_in = |forge: &dyn Fn(&mut Vec<u8>)| {
            let mut proof = proof.clone();
            forge(&mut proof);
            hand_in(&cheater.public, cheater.heights, proof)
        };
        assert!(openings.len() > 3, "there are layers");
        for nodes in openings {
            let (first, last) = (nodes.start, nodes.end - NODE);
            assert!(first < last, "there are two nodes");
            let swapped = hand_in(&|proof| {
                for i in 0..NODE {
                    proof.swap(first + i, last + i);
                }
            });
            assert!(matches!(rejection(swapped), Rejection::Opening(_)));
            for at in [first, last] {
                let changed = hand_in(&|proof| proof[at] ^= 1);
                assert!(matches!(rejection(changed), Rejection::Opening(_)));
                // Here, what follows is not where it should be.
                let doubled = hand_in(&|proof| {
                    let node = proof[at..at + NODE].to_vec();
                    proof.splice(at..at, node);
                });
                let dropped = hand_in(&|proof| drop(proof.drain(at..at + NODE)));
                for result in [doubled, dropped] {
                    assert_refused(&result, at);
                }
            }
        }
    }
}

#[test]
fn other_weights_and_points_are_rejected() {
    assert_eq!(
        rejection(attempt(honest(), Cheat::Weights)),
        Rejection::Constraints
    );
    assert_eq!(
        rejection(attempt(honest(), Cheat::Point)),
        Rejection::Constraints
    );
}

/// A commitment to the honest trace does not prove a forged one, whichever of the two is opened.
#[test]
fn swapped_commitments_are_rejected() {
    for cheat in [Cheat::Commitment, Cheat::Openings] {
        assert_eq!(
            rejection(attempt(other_output(), cheat)),
            Rejection::Constraints
        );
        rejection(attempt(missing_fact(), cheat));
    }
    let rejected = rejection(attempt(honest(), Cheat::Commitment));
    assert_eq!(rejected, Rejection::Opening("the main columns"));
    let rejected = rejection(attempt(honest(), Cheat::Openings));
    assert_eq!(rejected, Rejection::Opening("the values of the layers"));
    // An honest claim, of which other rows are opened.
    let rejected = rejection(attempt(honest(), Cheat::Rows));
    assert_eq!(rejected, Rejection::Opening("the main columns"));
}

/// There are more coefficients than queries, so a remainder that is chosen last agrees with anything.
#[test]
fn a_remainder_chosen_after_the_queries_is_rejected() {
    let result = attempt(honest(), Cheat::Remainder);
    assert_refused(&result, "a remainder");
}

/// The coin's seed binds the public inputs and the heights.
#[test]
fn a_coin_that_is_told_something_else_is_rejected() {
    let honest = Cheater::new(honest(), Cheat::None);
    let heights = honest.told_heights;
    let mut told = honest.clone();
    told.told.stack_outputs = StackOutputs::default();
    let stark = told.prove();
    for claimed in [&told.public, &told.told] {
        rejection(hand_in(claimed, heights, stark.clone()));
    }
    for (table, height) in OTHER_HEIGHTS {
        let mut told = honest.clone();
        told.told_heights = with_height(heights, table, height);
        let stark = told.prove();
        rejection(hand_in(&told.public, heights, stark.clone()));
        let result = hand_in(&told.public, told.told_heights, stark);
        assert_refused(&result, told.told_heights);
    }
}

/// Less work than the options ask for does not pass.
#[test]
fn other_options_are_rejected() {
    let honest = Cheater::new(honest(), Cheat::None);
    let right = &honest.options;
    let with = |queries: usize, grinding: u32| {
        ProofOptions::new(
            queries,
            right.blowup_factor(),
            grinding,
            right.field_extension(),
            right.to_fri_options().folding_factor(),
            right.to_fri_options().remainder_max_degree(),
            right.constraint_batching_method(),
            right.deep_poly_batching_method(),
        )
    };
    for (options, rejected) in [
        (with(right.num_queries(), 0), Some(Rejection::ProofOfWork)),
        (with(1, right.grinding_factor()), None),
    ] {
        let mut cheater = honest.clone();
        cheater.options = options;
        let result = hand_in(&cheater.public, cheater.told_heights, cheater.prove());
        match rejected {
            Some(expected) => assert_eq!(rejection(result), expected),
            None => assert!(
                matches!(result, Err(VerifierError::Layout(_))),
                "{result:?}"
            ),
        }
    }
}

/// Heights of single tables that are not those of the honest run: lower and higher ones, others in
/// as many pieces or in more, a table that is there as absent, and absent ones as if they were there.
const OTHER_HEIGHTS: [(Table, usize); 16] = [
    (Table::Core, 16),
    (Table::Core, 64),
    (Table::Core, 512),
    (Table::Core, 31),
    (Table::Core, 39),
    (Table::Core, 29),
    (Table::Range, 16),
    (Table::Range, 1024),
    (Table::Range, 511),
    (Table::Hasher, 32),
    (Table::Memory, 1 << 20),
    (Table::Bitwise, 0),
    (Table::Bitwise, 16),
    (Table::Resources, 8),
    (Table::Rom, 64),
    (Table::Circuits, 8),
];

/// Heights of which one is another.
fn with_height(heights: Heights, table: Table, height: usize) -> Heights {
    let mut rows = heights.rows().map(|rows| rows as usize);
    rows[table as usize] = height;
    Heights::new(rows).expect("allowed heights")
}

/// A proof is one for the heights that were proven.
#[test]
fn other_heights_are_rejected() {
    let honest = Cheater::new(honest(), Cheat::None);
    let stark = honest.prove();
    for (table, height) in OTHER_HEIGHTS {
        let heights = with_height(honest.heights, table, height);
        let result = hand_in(&honest.public, heights, stark.clone());
        assert_refused(&result, heights);
    }
}

/// Where the pieces of a table stand in a run with several.
fn places(table: Table) -> Vec<usize> {
    let heights = cut().0.heights().expect("allowed heights");
    let pieces = heights.pieces().into_iter().enumerate();
    let of_table = pieces.filter(|(_, piece)| piece.table == table);
    of_table.map(|(place, _)| place).collect()
}

/// Proves pieces that are forged, each by the book but for the cheat.
fn attempt_pieces(forge: impl FnOnce(&mut Cheater), cheat: Cheat) -> Rejection {
    let mut cheater = Cheater::new(cut(), cheat);
    forge(&mut cheater);
    rejection(hand_in(&cheater.public, cheater.heights, cheater.prove()))
}

/// Each piece of the memory satisfies its constraints in the place of another one, and what its rows
/// send and receive is the same there; so only the rows at the cuts tell.
#[test]
fn swapped_pieces_are_rejected() {
    let [first, middle, last] = places(Table::Memory)[..] else {
        panic!("the memory is in three pieces");
    };
    let swap = |cheater: &mut Cheater| cheater.pieces.swap(middle, last);
    assert_eq!(attempt_pieces(swap, Cheat::None), Rejection::Sums);
    // Sums that balance, because they are stated, or because the pieces say that they are where they
    // belong, are not those of the places in which they are.
    let places = Cheat::Places(middle, last);
    for cheat in [Cheat::Stated, Cheat::Sum, Cheat::ShiftedSum, places] {
        assert_eq!(attempt_pieces(swap, cheat), Rejection::Constraints);
    }
    let swap = |cheater: &mut Cheater| cheater.pieces.swap(first, last);
    for cheat in [Cheat::Stated, Cheat::Places(first, last)] {
        assert_eq!(attempt_pieces(swap, cheat), Rejection::Constraints);
    }
}

/// A piece that is there twice has another one's place.
#[test]
fn doubled_pieces_are_rejected() {
    let [_, middle, last] = places(Table::Memory)[..] else {
        panic!("the memory is in three pieces");
    };
    for (from, to) in [(middle, last), (last, middle)] {
        let double = |cheater: &mut Cheater| cheater.pieces[to] = cheater.pieces[from].clone();
        assert_eq!(attempt_pieces(double, Cheat::None), Rejection::Sums);
        assert_eq!(
            attempt_pieces(double, Cheat::Stated),
            Rejection::Constraints
        );
    }
}

/// A table of fewer pieces lacks what the last one has, and what is claimed of its end.
#[test]
fn dropped_pieces_are_rejected() {
    for (table, height) in [(Table::Core, 32), (Table::Memory, 15)] {
        let drop = |cheater: &mut Cheater| {
            cheater
                .pieces
                .remove(places(table)[places(table).len() - 1]);
            cheater.heights = with_height(cheater.heights, table, height);
            cheater.told_heights = cheater.heights;
        };
        assert_eq!(attempt_pieces(drop, Cheat::None), Rejection::Sums);
        if table == Table::Core {
            assert_eq!(attempt_pieces(drop, Cheat::Stated), Rejection::Constraints);
        }
        // Nor is it a proof of the whole table.
        let mut cheater = Cheater::new(cut(), Cheat::None);
        let whole = cheater.heights;
        drop(&mut cheater);
        let result = hand_in(&cheater.public, whole, cheater.prove());
        assert_refused(&result, whole);
    }
}

/// The row at a cut is the same in both pieces. Here each piece satisfies all of its constraints, and
/// all messages balance; but the second piece of the core begins with another stack.
#[test]
fn rows_at_cuts_that_differ_are_rejected() {
    let [_, second] = places(Table::Core)[..] else {
        panic!("the core is in two pieces");
    };
    let forge = |cheater: &mut Cheater| {
        // No operation after the cut moves the last of the elements.
        let moved = column_numbers::<CoreRow<usize>>().stack.top[15];
        for row in cheater.pieces[second].chunks_mut(Table::Core.width()) {
            row[moved] += ONE;
        }
        let mut outputs: [Felt; 16] = cheater.public.stack_outputs[..]
            .try_into()
            .expect("there are 16 outputs");
        outputs[15] += ONE;
        cheater.public.stack_outputs = StackOutputs::from(outputs);
        cheater.told = cheater.public.clone();
    };
    assert_eq!(attempt_pieces(forge, Cheat::None), Rejection::Sums);
    for cheat in [Cheat::Stated, Cheat::Sum, Cheat::ShiftedSum] {
        assert_eq!(attempt_pieces(forge, cheat), Rejection::Constraints);
    }
}

/// The coin is told of every table how many rows it has, and so in which pieces it is.
#[test]
fn other_pieces_are_rejected() {
    let honest = Cheater::new(cut(), Cheat::None);
    let stark = honest.prove();
    for (table, height) in [
        (Table::Core, 32),
        (Table::Core, 64),
        (Table::Core, 46),
        (Table::Hasher, 32),
        (Table::Memory, 15),
        (Table::Memory, 16),
        (Table::Memory, 23),
    ] {
        let mut told = honest.clone();
        told.told_heights = with_height(honest.heights, table, height);
        for (heights, stark) in [
            (told.told_heights, stark.clone()),
            (told.told_heights, told.prove()),
            (honest.heights, told.prove()),
        ] {
            let result = hand_in(&honest.public, heights, stark);
            assert_refused(&result, heights);
        }
    }
}
