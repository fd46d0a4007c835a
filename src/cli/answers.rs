//! Parts of what several verbs answer about a proof.

use core::fmt;

use miden_cvm::{Heights, Security, SecurityParts, Table};
use serde::{Serialize, Serializer};

/// Writes how many computations the verifier repeats, if there are any.
pub fn write_precompiles(f: &mut fmt::Formatter<'_>, precompiles: usize) -> fmt::Result {
    match precompiles {
        0 => Ok(()),
        count => writeln!(f, "precompiles  {count} computed again by the verifier"),
    }
}

/// The heights of the tables of a proof.
#[derive(Debug)]
pub struct TablesAnswer(Heights);

impl TablesAnswer {
    /// These heights.
    pub fn new(heights: &Heights) -> Self {
        Self(*heights)
    }
}

impl Serialize for TablesAnswer {
    /// A map from names to heights; of tables that are absent 0.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let heights = Table::ALL.map(|table| (table.name(), self.0.of(table)));
        serializer.collect_map(heights)
    }
}

impl fmt::Display for TablesAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for table in self.0.tables() {
            write!(f, "{} {}, ", table.name(), self.0.of(table))?;
        }
        let cells = self.0.cells();
        write!(f, "{cells} cells")
    }
}

/// Writes the security of a proof with its parts, a line for each kind of them.
pub fn write_security(f: &mut fmt::Formatter<'_>, security: &Security) -> fmt::Result {
    let SecurityParts {
        protocol,
        collisions,
        lookups,
        constraints,
        out_of_domain,
        quotients,
        unique_decoding,
        list_decoding,
    } = &security.parts;
    writeln!(f, "security     {security}")?;
    writeln!(
        f,
        "  protocol   {protocol} conjectured; proven {} by unique decoding, {} by list decoding",
        unique_decoding.least(),
        list_decoding.least()
    )?;
    writeln!(
        f,
        "  errors     lookups {lookups}, point out of domain {out_of_domain}, batching of \
         constraints {constraints} and of quotients {quotients}"
    )?;
    let rounds = if unique_decoding.least() > list_decoding.least() {
        unique_decoding
    } else {
        list_decoding
    };
    writeln!(
        f,
        "  proven     queries {}, folding {}, batching of quotients {}, point out of domain {}, \
         batching of constraints {}",
        rounds.queries, rounds.folding, rounds.quotients, rounds.out_of_domain, rounds.constraints
    )?;
    writeln!(f, "  hash       {collisions} against collisions")
}
