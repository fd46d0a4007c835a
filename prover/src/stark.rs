//! Winterfell's prover, told how to work with our traces.

use std::{cell::RefCell, marker::PhantomData};

use miden_core::Felt;
use miden_cvm_air::{
    air::{CvmAir, trace_info},
    columns::MainRow,
    options::ProofSettings,
    public::PublicInputs,
};
use winterfell::{
    AuxRandElements, AuxTraceWithMetadata, CompositionPoly, CompositionPolyTrace,
    ConstraintCompositionCoefficients, DefaultConstraintCommitment, EvaluationFrame,
    PartitionOptions, Proof, ProofOptions, Prover, ProverError, StarkDomain, Trace, TraceInfo,
    TracePolyTable,
    crypto::{ElementHasher, MerkleTree, RandomCoin},
    math::FieldElement,
    matrix::ColMatrix,
};

use crate::{columns::lookup_columns, evaluator::FusedEvaluator, lde::CosetLde};

/// A prover for one trace, with hash function `H` and public coin `R`.
pub struct StarkProver<H, R> {
    /// Taken away once everything that needs rows is computed.
    rows: RefCell<Vec<MainRow<Felt>>>,
    length: usize,
    public: PublicInputs,
    options: ProofOptions,
    _protocol: PhantomData<(H, R)>,
}

impl<H, R> StarkProver<H, R>
where
    H: ElementHasher<BaseField = Felt> + Sync,
    R: RandomCoin<BaseField = Felt, Hasher = H> + Send,
{
    /// Returns a prover for the trace `rows`.
    pub fn new(rows: Vec<MainRow<Felt>>, public: PublicInputs, settings: ProofSettings) -> Self {
        Self {
            length: rows.len(),
            rows: RefCell::new(rows),
            public,
            options: settings.proof_options(),
            _protocol: PhantomData,
        }
    }

    /// Proves it.
    pub fn prove(self) -> Result<Proof, ProverError> {
        Prover::prove(&self, RowTrace::new(self.length))
    }
}

/// What Winterfell is given as the trace: its shape. The rows stay with the prover, since
/// Winterfell would keep columns, and keep them longer than they are needed.
pub struct RowTrace {
    info: TraceInfo,
    main: ColMatrix<Felt>,
}

impl RowTrace {
    fn new(length: usize) -> Self {
        Self {
            info: trace_info(length),
            main: ColMatrix::new(vec![vec![Felt::ZERO; 2]]),
        }
    }
}

impl Trace for RowTrace {
    type BaseField = Felt;

    fn info(&self) -> &TraceInfo {
        &self.info
    }

    /// A placeholder: [`StarkProver::new_trace_lde`] reads the rows.
    fn main_segment(&self) -> &ColMatrix<Felt> {
        &self.main
    }

    fn read_main_frame(&self, row: usize, frame: &mut EvaluationFrame<Felt>) {
        self.main.read_row_into(row, frame.current_mut());
        self.main.read_row_into(row + 1, frame.next_mut());
    }

    /// Winterfell's own debug check of the columns, which are not here. Ours names what is violated
    /// and is run by [`crate::prove_trace`].
    fn validate<A, E>(&self, _: &A, _: Option<&AuxTraceWithMetadata<E>>)
    where
        A: winterfell::Air<BaseField = Felt>,
        E: FieldElement<BaseField = Felt>,
    {
    }
}

impl<H, R> Prover for StarkProver<H, R>
where
    H: ElementHasher<BaseField = Felt> + Sync,
    R: RandomCoin<BaseField = Felt, Hasher = H> + Send,
{
    type BaseField = Felt;
    type Air = CvmAir;
    type Trace = RowTrace;
    type HashFn = H;
    type VC = MerkleTree<H>;
    type RandomCoin = R;
    type TraceLde<E: FieldElement<BaseField = Felt>> = CosetLde<E, H>;
    type ConstraintEvaluator<'a, E: FieldElement<BaseField = Felt>> = FusedEvaluator<'a, E>;
    type ConstraintCommitment<E: FieldElement<BaseField = Felt>> =
        DefaultConstraintCommitment<E, H, Self::VC>;

    fn get_pub_inputs(&self, _: &RowTrace) -> PublicInputs {
        self.public.clone()
    }

    fn options(&self) -> &ProofOptions {
        &self.options
    }

    fn new_trace_lde<E: FieldElement<BaseField = Felt>>(
        &self,
        trace_info: &TraceInfo,
        _: &ColMatrix<Felt>,
        domain: &StarkDomain<Felt>,
        _: PartitionOptions,
    ) -> (CosetLde<E, H>, TracePolyTable<E>) {
        let _span = tracing::info_span!("commit_to_main_rows").entered();
        let (lde, polys) = CosetLde::new(&self.rows.borrow(), trace_info, domain);
        (lde, TracePolyTable::new(polys))
    }

    fn build_aux_trace<E: FieldElement<BaseField = Felt>>(
        &self,
        _: &RowTrace,
        random: &AuxRandElements<E>,
    ) -> ColMatrix<E> {
        let _span = tracing::info_span!("build_lookup_columns").entered();
        let rows = self.rows.take();
        ColMatrix::new(lookup_columns(&rows, &self.public, random.rand_elements()))
    }

    fn new_evaluator<'a, E: FieldElement<BaseField = Felt>>(
        &self,
        air: &'a CvmAir,
        random: Option<AuxRandElements<E>>,
        coefficients: ConstraintCompositionCoefficients<E>,
    ) -> FusedEvaluator<'a, E> {
        FusedEvaluator::new(air, random, coefficients)
    }

    fn build_constraint_commitment<E: FieldElement<BaseField = Felt>>(
        &self,
        evaluations: CompositionPolyTrace<E>,
        num_columns: usize,
        domain: &StarkDomain<Felt>,
        partitions: PartitionOptions,
    ) -> (Self::ConstraintCommitment<E>, CompositionPoly<E>) {
        let _span = tracing::info_span!("commit_to_constraints").entered();
        DefaultConstraintCommitment::new(evaluations, num_columns, domain, partitions)
    }
}
