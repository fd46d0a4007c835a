//! Advisories about code, in answers.

use core::fmt;
use std::collections::BTreeSet;

use miden_cvm::Finding;
use serde::Serialize;

/// Advisories that code has.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct AdvisoriesAnswer(Vec<AdvisoryAnswer>);

#[derive(Debug, Serialize)]
struct AdvisoryAnswer {
    id: &'static str,
    title: &'static str,
    /// The published procedure, by its path, or the instruction, by its name.
    code: String,
}

impl AdvisoriesAnswer {
    /// Creates an answer from the findings.
    pub fn new(found: &BTreeSet<Finding>) -> Self {
        let found = found.iter().map(|finding| AdvisoryAnswer {
            id: finding.advisory().id,
            title: finding.advisory().title,
            code: finding.code().into(),
        });
        Self(found.collect())
    }

    /// The ids, each once.
    pub fn ids(&self) -> Vec<String> {
        let ids: BTreeSet<&str> = self.0.iter().map(|advisory| advisory.id).collect();
        ids.into_iter().map(Into::into).collect()
    }
}

impl AdvisoriesAnswer {
    /// Writes one a line.
    pub fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for AdvisoryAnswer { id, code, .. } in &self.0 {
            writeln!(f, "advisory     {id}, by {code}")?;
        }
        Ok(())
    }
}
