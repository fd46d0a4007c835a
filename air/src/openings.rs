//! The opened rows of a group: how they are laid out, and the roots that they lead to.
//!
//! A group opens of each of its pieces the main columns and then the nodes of their tree, in the same
//! way the auxiliary columns, and then its composition.

use alloc::{collections::BTreeMap, vec::Vec};

use miden_core::Felt;
use winter_math::FieldElement;

use crate::{
    air::{COMPOSITION_COLUMNS, CvmAir},
    committed::Committed,
    hash::{Digest, Hasher},
    reader::{LayoutError, Reader},
    tree::{parents, root_of},
};

/// Opened rows, by their positions.
pub type Rows<F> = BTreeMap<usize, Vec<F>>;

/// The parts of a tree that are seen while its root is computed.
#[derive(Debug)]
pub enum Seen<'a> {
    /// The rows of extensions of one size, side by side as they are hashed, of the tree whose nodes
    /// come next; the largest extension first.
    Rows(usize, &'a Rows<Felt>),
    /// The nodes of a level that are known, siblings included; the last level is the root.
    Nodes(usize, &'a BTreeMap<usize, Digest>),
}

/// The opened rows of a group.
#[derive(Debug)]
pub struct GroupRows<E> {
    /// The main columns of each piece.
    main: Vec<Rows<Felt>>,
    /// The auxiliary columns of each piece.
    aux: Vec<Rows<E>>,
    composition: Rows<E>,
    /// The roots that the rows lead to: of the main columns, the auxiliary ones and the composition.
    pub roots: [Digest; 3],
}

impl<E: FieldElement<BaseField = Felt>> GroupRows<E> {
    /// Reads what a group opens at positions of the longest domain of all groups, sorted and distinct.
    ///
    /// # Errors
    /// Returns an error if the bytes end too early, or a number is not below the modulus.
    pub fn read(
        reader: &mut Reader<'_>,
        air: &CvmAir,
        group: &[usize],
        positions: &[usize],
        seen: &mut dyn FnMut(Seen<'_>),
    ) -> Result<Self, LayoutError> {
        let size = air.domain_size_of(group);
        let positions = parents(positions, size);
        let columns = |piece: usize| air.committed(piece)[0];
        let (main, main_root) = pieces(reader, air, group, &positions, columns, seen)?;
        let columns = |piece: usize| air.committed(piece)[1];
        let (aux, aux_root) = pieces(reader, air, group, &positions, columns, seen)?;
        let part = "the columns of the composition";
        let composition = rows(reader, part, &positions, COMPOSITION_COLUMNS)?;
        let leaves = [(size, [&composition])];
        let composition_root = root(reader, size, leaves, seen)?;
        Ok(Self {
            main,
            aux,
            composition,
            roots: [main_root, aux_root, composition_root],
        })
    }

    /// The opened row of a group's piece at a position of the longest domain: main columns, and auxiliary
    /// ones. `at` is the piece's number within the group.
    pub fn of_piece(
        &self,
        air: &CvmAir,
        number: usize,
        at: usize,
        position: usize,
    ) -> (&[Felt], &[E]) {
        let piece = air.groups()[number][at];
        let [main, aux] = air.committed(piece).map(|columns| extension(air, columns));
        (
            row(&self.main[at], position & (main - 1)),
            row(&self.aux[at], position & (aux - 1)),
        )
    }

    /// The opened row of a group's composition at a position of the longest domain.
    pub fn of_composition(&self, air: &CvmAir, number: usize, position: usize) -> &[E] {
        let size = air.domain_size_of(&air.groups()[number]);
        row(&self.composition, position & (size - 1))
    }
}

fn row<F>(rows: &Rows<F>, at: usize) -> &[F] {
    rows.get(&at).map_or(&[], Vec::as_slice)
}

/// Reads a row for each position.
fn rows<F: FieldElement<BaseField = Felt>>(
    reader: &mut Reader<'_>,
    part: &'static str,
    positions: &[usize],
    width: usize,
) -> Result<Rows<F>, LayoutError> {
    let row = |&position: &usize| Ok((position, reader.elements(part, width)?));
    positions.iter().map(row).collect()
}

/// Reads, for each piece of a group, its rows at these positions of the group's longest domain, and the
/// nodes of their tree; returns the root too.
fn pieces<F: FieldElement<BaseField = Felt>>(
    reader: &mut Reader<'_>,
    air: &CvmAir,
    group: &[usize],
    positions: &[usize],
    columns: impl Fn(usize) -> Committed,
    seen: &mut dyn FnMut(Seen<'_>),
) -> Result<(Vec<Rows<F>>, Digest), LayoutError> {
    let mut read = Vec::with_capacity(group.len());
    for &piece in group {
        let columns = columns(piece);
        let positions = parents(positions, extension(air, columns));
        let part = "the rows of the pieces";
        read.push(rows(reader, part, &positions, columns.width)?);
    }
    let mut sizes: BTreeMap<usize, Vec<&Rows<F>>> = BTreeMap::new();
    for (&piece, rows) in group.iter().zip(&read) {
        let size = extension(air, columns(piece));
        sizes.entry(size).or_default().push(rows);
    }
    let root = root(
        reader,
        air.domain_size_of(group),
        sizes.into_iter().rev(),
        seen,
    )?;
    Ok((read, root))
}

/// The number of rows that columns are extended to.
fn extension(air: &CvmAir, columns: Committed) -> usize {
    columns.height * air.options().blowup_factor()
}

/// The root of the tree over rows, by the sizes of their extensions, the largest first. The nodes that
/// do not follow from the rows are read.
///
/// # Errors
/// Returns an error if the bytes end too early, or a digest is not written as digests are.
pub fn root<'a, F, R>(
    reader: &mut Reader<'_>,
    size: usize,
    extensions: impl IntoIterator<Item = (usize, R)>,
    seen: &mut dyn FnMut(Seen<'_>),
) -> Result<Digest, LayoutError>
where
    F: FieldElement<BaseField = Felt> + 'a,
    R: IntoIterator<Item = &'a Rows<F>>,
{
    let hasher = reader.hasher();
    let hashes = extensions
        .into_iter()
        .map(|(size, rows)| (size, hashes(hasher, size, rows, seen)));
    let hashes: Vec<_> = hashes.collect();
    let node = || reader.digest("the nodes of the trees");
    root_of(hasher, size, hashes, node, |size, nodes| {
        seen(Seen::Nodes(size, nodes))
    })
}

/// The hashes of the rows of pieces of one height, extended to `size`, which stand side by side.
fn hashes<'a, F: FieldElement<BaseField = Felt> + 'a>(
    hasher: Hasher,
    size: usize,
    pieces: impl IntoIterator<Item = &'a Rows<F>>,
    seen: &mut dyn FnMut(Seen<'_>),
) -> BTreeMap<usize, Digest> {
    let mut joined: Rows<Felt> = BTreeMap::new();
    for rows in pieces {
        for (&position, row) in rows {
            let row = F::slice_as_base_elements(row);
            joined.entry(position).or_default().extend_from_slice(row);
        }
    }
    seen(Seen::Rows(size, &joined));
    let joined = joined.into_iter();
    joined
        .map(|(position, row)| (position, hasher.hash_elements(&row)))
        .collect()
}
