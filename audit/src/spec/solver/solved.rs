//! The tables with all kinds of their rows, each solved once for all that is said about it.

use std::sync::OnceLock;

use miden_core::{ONE, ZERO};
use miden_cvm_air::{builder::PERIOD, table::Table};
use rayon::prelude::*;

use super::{Dropped, Kind, Polynomials, Problem};
use crate::spec::Declaration;

/// A table with what its rows are.
#[derive(Debug)]
pub struct Solved {
    /// The table, as it is recorded.
    pub recorded: &'static Declaration,
    /// The problems, one for each variant of its rows, and the kinds of these.
    pub problems: Vec<(Problem, Vec<Kind>)>,
}

impl Solved {
    /// Solves a table, the first time that it is asked for.
    pub fn of(table: Table) -> &'static Self {
        static TABLES: [OnceLock<Solved>; Table::COUNT] = [const { OnceLock::new() }; Table::COUNT];
        TABLES[table as usize].get_or_init(|| Self::new(table))
    }

    fn new(table: Table) -> Self {
        let recorded = table.declaration();
        let polynomials = Polynomials::new(recorded);
        let problems: Vec<Problem> = variants(&polynomials)
            .map(|(composed, place)| polynomials.at(composed, place))
            .collect();
        let solved = problems.into_par_iter().map(|problem| {
            let kinds = problem.solve(None, None);
            (problem, kinds)
        });
        let problems = solved.collect();
        Self { recorded, problems }
    }

    /// All kinds of rows, with the problem whose they are.
    pub fn kinds(&self) -> impl Iterator<Item = (&Problem, &Kind)> {
        let problems = self.problems.iter();
        problems.flat_map(|(problem, kinds)| kinds.iter().map(move |kind| (problem, kind)))
    }

    /// Returns `true` if a message is sent, or received, once on some row; nothing if it is always the prover who
    /// chooses how often.
    pub fn is_sent(&self, message: usize) -> Option<bool> {
        let lookups = self.kinds().flat_map(|(_, kind)| &kind.state.lookups);
        let mut counts = lookups
            .filter(|lookup| Problem::is_dropped(lookup.source, Some(Dropped::Message(message))))
            .filter_map(|lookup| lookup.count.as_constant())
            .filter(|count| *count != ZERO);
        counts.next().map(|count| count == ONE)
    }
}

/// Returns the variants by which rows of a table are told apart, besides their cells: whether the program is a
/// composition, and the place in a cycle.
fn variants(polynomials: &Polynomials) -> impl Iterator<Item = (bool, usize)> + use<> {
    let places = if polynomials.is_periodic() { PERIOD } else { 1 };
    let composed = match polynomials.depends_on_composition() {
        true => &[false, true][..],
        false => &[false],
    };
    (0..places).flat_map(move |place| composed.iter().map(move |&composed| (composed, place)))
}
