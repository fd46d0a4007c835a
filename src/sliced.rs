//! A run that several workers prove together, each a group of slices.

use miden_cvm_air::heights::Heights;
use miden_cvm_prover::allowed_heights;

use crate::{
    Coordinator, ExecutionTrace, PrecompileRequest, Proof, ProofSettings, ProveError, ProveOptions,
    ProvenRun, ProverError, PublicInputs, Statement, stated,
};

/// A run as who coordinates its workers knows it: what is public about it, and the heights of its
/// tables. It has no trace.
#[derive(Debug, Clone)]
pub struct SlicedRun {
    public: PublicInputs,
    statement: Statement,
    requests: Vec<PrecompileRequest>,
    heights: Heights,
    settings: ProofSettings,
    groups: usize,
}

impl SlicedRun {
    /// The facts about a run that is proven in as many groups as the options have slices. The trace is
    /// dropped.
    ///
    /// # Errors
    /// If the run cannot be proven so, or if its requests to precompiles are not those that it
    /// absorbed into its transcript.
    pub fn new(run: ExecutionTrace, proving: &ProveOptions) -> Result<Self, ProveError> {
        let this = Self {
            heights: allowed_heights(&run.trace, proving.settings)?,
            statement: stated(&run.public, &run.requests)?,
            public: run.public,
            requests: run.requests,
            settings: proving.settings,
            groups: proving.slices,
        };
        // Whether there are as many groups.
        this.coordinator()?;
        Ok(this)
    }

    /// The heights of the tables.
    pub fn heights(&self) -> &Heights {
        &self.heights
    }

    /// A coordinator of the proof, that has asked nobody yet.
    ///
    /// # Errors
    /// If there are more groups than pieces.
    pub fn coordinator(&self) -> Result<Coordinator, ProveError> {
        let public = self.public.clone();
        let coordinator = Coordinator::new(self.heights, public, self.settings, self.groups);
        Ok(coordinator.map_err(ProverError::from)?)
    }

    /// The proven run, with the proof that a coordinator has when all stages are over.
    ///
    /// # Errors
    /// If the run's requests to precompiles do not fit beside the proof.
    pub fn proven(&self, proof: &Proof) -> Result<ProvenRun, ProveError> {
        Ok(ProvenRun {
            outputs: self.public.stack_outputs.clone(),
            proof: proof.clone().with_requests(self.requests.clone())?,
            statement: self.statement.clone(),
        })
    }
}
