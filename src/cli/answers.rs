//! Parts of what several verbs answer about a proof.

use core::fmt;

use miden_cvm::{
    CheckedAggregate, Claim, Felt, Heights, MemorySegment, Security, SecurityParts, Table, Target,
    VerifiedClaim,
};
use serde::{Serialize, Serializer};

/// Writes how many computations the verifier repeats, if there are any.
pub fn write_precompiles(f: &mut fmt::Formatter<'_>, precompiles: usize) -> fmt::Result {
    match precompiles {
        0 => Ok(()),
        count => writeln!(f, "precompiles  {count} computed again by the verifier"),
    }
}

/// Elements as decimal numbers.
pub fn numbers(elements: &[Felt]) -> Vec<String> {
    elements.iter().map(ToString::to_string).collect()
}

/// Inputs or outputs in memory.
#[derive(Debug, Serialize)]
pub struct MemoryAnswer {
    address: u32,
    elements: Vec<String>,
}

impl From<&MemorySegment> for MemoryAnswer {
    fn from(segment: &MemorySegment) -> Self {
        Self {
            address: segment.address,
            elements: numbers(&segment.elements),
        }
    }
}

/// Writes inputs or outputs in memory, if there are any, without the zeros at their end.
pub fn write_memory(
    f: &mut fmt::Formatter<'_>,
    kind: &str,
    memory: &Option<MemoryAnswer>,
) -> fmt::Result {
    let Some(MemoryAnswer { address, elements }) = memory else {
        return Ok(());
    };
    let used = elements.iter().rposition(|element| element != "0");
    let shown = &elements[..used.map_or(0, |last| last + 1)];
    let then = match elements.len() - shown.len() {
        0 => String::new(),
        zeros => format!(", then {zeros} zeros"),
    };
    let shown = shown.join(", ");
    writeln!(
        f,
        "{kind:<12} in memory, from address {address} on: [{shown}]{then}"
    )
}

/// A claim that a run makes.
#[derive(Debug, Serialize)]
pub struct ClaimAnswer {
    /// The instance and the export, where they are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    call: Option<String>,
    program_hash: String,
    composition: String,
    caller: String,
    inputs: Vec<String>,
    outputs: Vec<String>,
}

impl ClaimAnswer {
    /// A claim that a run of the target makes.
    pub fn new(claim: &Claim, target: &Target) -> Self {
        let claimed = target.claimed(claim.run.program);
        let call = claimed.map(|claimed| format!("{}.{}", claimed.instance(), claimed.export()));
        Self {
            call,
            ..Self::from(claim)
        }
    }
}

impl From<&Claim> for ClaimAnswer {
    fn from(claim: &Claim) -> Self {
        Self {
            call: None,
            program_hash: claim.run.program.program_hash.to_hex(),
            composition: claim.run.program.composition.to_hex(),
            caller: claim.caller.to_hex(),
            inputs: numbers(&claim.run.inputs),
            outputs: numbers(&claim.run.outputs),
        }
    }
}

impl fmt::Display for ClaimAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.call {
            Some(call) => write!(f, "{call}")?,
            None => write!(f, "{} in {}", self.program_hash, self.composition)?,
        }
        let (inputs, outputs) = (self.inputs.join(", "), self.outputs.join(", "));
        write!(f, ": [{inputs}] -> [{outputs}]")
    }
}

/// A claim, and whether a proof of it was verified.
#[derive(Debug, Serialize)]
pub struct ClaimVerified {
    claim: ClaimAnswer,
    is_proven: bool,
}

impl From<&VerifiedClaim> for ClaimVerified {
    fn from(verified: &VerifiedClaim) -> Self {
        Self {
            claim: ClaimAnswer::from(&verified.claim),
            is_proven: verified.proof.is_some(),
        }
    }
}

impl ClaimVerified {
    /// The claims of runs whose proofs are aggregated.
    pub fn list(aggregate: &CheckedAggregate) -> Vec<Self> {
        let claims = aggregate.claims.iter().map(|aggregated| Self {
            claim: ClaimAnswer::from(&aggregated.claim),
            is_proven: aggregated.is_proven,
        });
        claims.collect()
    }
}

impl fmt::Display for ClaimVerified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.is_proven { "proven" } else { "open" };
        writeln!(f, "claim        {state}: {}", self.claim)
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
