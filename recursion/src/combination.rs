//! The combination of opened rows with powers of one element, in the order in which they are hashed.
//!
//! The low-degree test is about the sum of all columns, each times a power of `g` that its number in the
//! openings says. HORNERBASE and HORNEREXT multiply what they have so far, so columns that come later have
//! lower powers of the point: it is the inverse of `g`. After a column the accumulator times
//! `g^e` is the sum so far, `e` being the column's power. Where the next column in the row has
//! another power than the next one, the accumulator is multiplied by the power of `g` that makes up for it.

use miden_cvm_air::air::{COMPOSITION_COLUMNS, CvmAir};

use crate::shape::Shape;

/// The columns of one row that is hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The size of the extension.
    pub size: usize,
    /// Of each column its power.
    pub powers: Vec<i64>,
    /// Elements of the base field of a column.
    pub degree: usize,
}

impl Row {
    /// The number of elements of the base field.
    pub fn len(&self) -> usize {
        self.powers.len() * self.degree
    }
}

/// The rows that a query opens, of each tree from the largest extension to the smallest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    /// Main columns.
    pub main: Vec<Row>,
    /// Auxiliary columns.
    pub aux: Vec<Row>,
    /// The composition.
    pub composition: Row,
}

impl Rows {
    /// The rows of proofs of a shape, in the quadratic extension.
    pub fn new(shape: &Shape, air: &CvmAir) -> Self {
        // The powers of the first columns of each piece.
        let mut next = 0;
        let firsts: Vec<[i64; 2]> = air
            .pieces()
            .iter()
            .map(|piece| {
                let main = next;
                let aux = main + piece.table.width() as i64;
                next = aux + air.packing(piece.table).width() as i64;
                [main, aux]
            })
            .collect();
        let rows = |is_aux: bool| {
            let sizes = shape.extensions(air).into_iter();
            let row = |size: usize| {
                let powers = Shape::pieces_of(air, size).flat_map(|(number, piece)| {
                    let width = match is_aux {
                        true => air.packing(piece.table).width(),
                        false => piece.table.width(),
                    };
                    let first = firsts[number][usize::from(is_aux)];
                    first..first + width as i64
                });
                Row {
                    size,
                    powers: powers.collect(),
                    degree: if is_aux { 2 } else { 1 },
                }
            };
            sizes.map(row).collect()
        };
        let first = air.trace_width() as i64;
        Self {
            main: rows(false),
            aux: rows(true),
            composition: Row {
                size: air.domain_size(),
                powers: (first..first + COMPOSITION_COLUMNS as i64).collect(),
                degree: 2,
            },
        }
    }
}
