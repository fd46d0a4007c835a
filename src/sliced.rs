//! A run that several workers prove together, each a group of slices.

use miden_cvm_prover::{memory_at_once, prove_in_turns};

use crate::{
    Coordinator, ExecutionTrace, GroupPart, Heights, PrecompileRequest, Proof, ProveError,
    ProveOptions, ProvenRun, ProverError, PublicInputs, Statement, TableRows, TracedExecutionError,
    stated,
};

/// A run as who coordinates its workers knows it: what is public about it, and the heights of its
/// tables. It has no trace.
#[derive(Debug, Clone)]
pub struct SlicedRun {
    public: PublicInputs,
    statement: Statement,
    requests: Vec<PrecompileRequest>,
    heights: Heights,
    proving: ProveOptions,
}

impl SlicedRun {
    /// The facts about a run that is proven in as many groups as the options have slices, whatever rows of its
    /// trace there are.
    ///
    /// # Errors
    /// If the run cannot be proven so, or if its requests to precompiles are not those that it
    /// absorbed into its transcript.
    pub fn new(run: ExecutionTrace, proving: &ProveOptions) -> Result<Self, ProveError> {
        let this = Self {
            heights: run.heights,
            statement: stated(&run.public, &run.requests)?,
            public: run.public,
            requests: run.requests,
            proving: *proving,
        };
        // Whether there are as many groups.
        this.coordinator()?;
        Ok(this)
    }

    /// The heights of the tables.
    pub fn heights(&self) -> &Heights {
        &self.heights
    }

    /// A group of the run, for who works on it.
    ///
    /// # Errors
    /// If there is no such group.
    pub fn part(&self, group: usize) -> Result<GroupPart, ProveError> {
        let ProveOptions {
            settings, slices, ..
        } = self.proving;
        let public = self.public.clone();
        let part = GroupPart::new(self.heights, public, settings, slices, group);
        Ok(part?)
    }

    /// A coordinator of the proof, that has asked nobody yet.
    ///
    /// # Errors
    /// If there are more groups than pieces.
    pub fn coordinator(&self) -> Result<Coordinator, ProveError> {
        let ProveOptions {
            settings, slices, ..
        } = self.proving;
        let public = self.public.clone();
        let coordinator = Coordinator::new(self.heights, public, settings, slices);
        Ok(coordinator.map_err(ProverError::from)?)
    }

    /// Returns `true` if a proof whose groups are all worked on at once takes no more memory than it may.
    ///
    /// # Errors
    /// If the run cannot be proven.
    pub fn fits_at_once(&self) -> Result<bool, ProveError> {
        let needed = memory_at_once(self.heights, self.public.clone(), &self.proving)?;
        Ok(self.proving.memory.is_none_or(|memory| needed <= memory))
    }

    /// Proves the run here, one group after the other, so that no more rows are there at a time than those of
    /// one group. `rows` runs the target once more, for [rows](crate::execute_traced_rows) of its trace: at
    /// every stage for those of each group.
    ///
    /// # Errors
    /// If the target traps or is not the same every time, or if one group alone takes more memory than a
    /// proof may.
    pub fn prove_in_turns(
        &self,
        mut rows: impl FnMut(&TableRows) -> Result<ExecutionTrace, TracedExecutionError>,
    ) -> Result<ProvenRun, ProveError> {
        let public = self.public.clone();
        let proof = prove_in_turns(self.heights, public, &self.proving, |wanted| {
            Ok::<_, ProveError>(rows(wanted)?.trace)
        });
        self.proven(&proof?)
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
