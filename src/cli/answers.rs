//! Parts of what several verbs answer about a proof.

use core::fmt;

use miden_cvm::{Heights, Rounds, Security, SecurityParts, Table};
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

/// The security of a proof in bits, and what it is made of.
#[derive(Debug, Serialize)]
pub struct SecurityAnswer {
    proven: u32,
    conjectured: u32,
    parts: PartsAnswer,
}

#[derive(Debug, Serialize)]
struct PartsAnswer {
    protocol: u32,
    unique_decoding: u32,
    list_decoding: u32,
    collisions: u32,
    lookups: u32,
    constraints: u32,
    out_of_domain: u32,
    quotients: u32,
    rounds: RegimesAnswer,
}

/// The rounds of the protocol under either kind of theorem.
#[derive(Debug, Serialize)]
struct RegimesAnswer {
    unique_decoding: Rounds,
    list_decoding: Rounds,
}

impl From<Security> for SecurityAnswer {
    fn from(security: Security) -> Self {
        let SecurityParts {
            protocol,
            unique_decoding,
            list_decoding,
            collisions,
            lookups,
            constraints,
            out_of_domain,
            quotients,
        } = security.parts;
        Self {
            proven: security.proven,
            conjectured: security.conjectured,
            parts: PartsAnswer {
                protocol,
                unique_decoding: unique_decoding.least(),
                list_decoding: list_decoding.least(),
                collisions,
                lookups,
                constraints,
                out_of_domain,
                quotients,
                rounds: RegimesAnswer {
                    unique_decoding,
                    list_decoding,
                },
            },
        }
    }
}

impl SecurityAnswer {
    /// Writes it with its parts, a line for each kind of them.
    pub fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PartsAnswer {
            protocol,
            unique_decoding,
            list_decoding,
            collisions,
            lookups,
            constraints,
            out_of_domain,
            quotients,
            rounds,
        } = &self.parts;
        writeln!(f, "security     {self}")?;
        writeln!(
            f,
            "  protocol   {protocol} conjectured; proven {unique_decoding} by unique decoding, \
             {list_decoding} by list decoding"
        )?;
        writeln!(
            f,
            "  errors     lookups {lookups}, point out of domain {out_of_domain}, batching of \
             constraints {constraints} and of quotients {quotients}"
        )?;
        let rounds = if unique_decoding > list_decoding {
            &rounds.unique_decoding
        } else {
            &rounds.list_decoding
        };
        writeln!(
            f,
            "  proven     queries {}, folding {}, batching of quotients {}, point out of domain {}, \
             batching of constraints {}",
            rounds.queries,
            rounds.folding,
            rounds.quotients,
            rounds.out_of_domain,
            rounds.constraints
        )?;
        writeln!(f, "  hash       {collisions} against collisions")
    }
}

impl fmt::Display for SecurityAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            proven,
            conjectured,
            parts: _,
        } = self;
        write!(f, "{proven} bits proven, {conjectured} bits conjectured")
    }
}
