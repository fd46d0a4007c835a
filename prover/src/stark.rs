//! Winterfell's prover, told how to work with our traces.

use std::{cell::RefCell, marker::PhantomData, sync::Arc};

use miden_core::Felt;
use miden_cvm_air::{
    air::{CvmAir, trace_info},
    columns::MainRow,
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

use crate::{
    columns::lookup_columns,
    evaluator::FusedEvaluator,
    lde::{CosetLde, Extension},
};

/// A prover for one trace, with hash function `H` and public coin `R`.
pub struct StarkProver<H, R> {
    /// Taken away once everything that needs rows is computed.
    rows: RefCell<Vec<MainRow<Felt>>>,
    /// The extension of the trace, for the evaluator.
    extension: RefCell<Option<Arc<Extension>>>,
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
    pub fn new(rows: Vec<MainRow<Felt>>, public: PublicInputs, options: ProofOptions) -> Self {
        Self {
            length: rows.len(),
            rows: RefCell::new(rows),
            extension: RefCell::default(),
            public,
            options,
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
        self.extension.replace(Some(lde.extension()));
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
        let extension = self.extension.take();
        let extension = extension.expect("the main segment is extended before");
        let random = random.expect("the trace has an auxiliary segment");
        FusedEvaluator::new(air, extension, &random, &coefficients)
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

#[cfg(test)]
mod tests {
    use miden_assembly::Assembler;
    use miden_core::{
        StackInputs,
        crypto::{hash::Blake3_256, random::WinterRandomCoin},
    };
    use miden_cvm_air::options::OptionSet;
    use miden_cvm_processor::{
        AdviceInputs, DefaultHost, ExecutionOptions, ExecutionTrace, execute_traced,
    };
    use rayon::ThreadPoolBuilder;

    use super::*;

    /// A proof of a run with memory, u32 arithmetic and a permutation, its trace and all of it made
    /// on this many threads.
    fn proof(threads: usize, options: &ProofOptions) -> Vec<u8> {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build();
        pool.expect("a pool").install(|| {
            let source = "begin repeat.9 hperm end u32split u32and mem_store.7 end";
            let program = Assembler::default()
                .assemble_program(source)
                .expect("a program");
            let ExecutionTrace { rows, public, .. } = execute_traced(
                &program,
                None,
                &StackInputs::default(),
                AdviceInputs::default(),
                &mut DefaultHost::default(),
                ExecutionOptions::default(),
            )
            .expect("a trace");
            type Blake3Prover = StarkProver<Blake3_256, WinterRandomCoin<Blake3_256>>;
            let prover = Blake3Prover::new(rows, public, options.clone());
            prover.prove().expect("a proof").to_bytes()
        })
    }

    /// Without grinding there is nothing that threads could race for.
    #[test]
    fn without_grinding_proofs_do_not_depend_on_threads() {
        let set = OptionSet::Fast96.proof_options();
        let options = ProofOptions::new(
            set.num_queries(),
            set.blowup_factor(),
            0,
            set.field_extension(),
            set.to_fri_options().folding_factor(),
            set.to_fri_options().remainder_max_degree(),
            set.constraint_batching_method(),
            set.deep_poly_batching_method(),
        );
        let alone = proof(1, &options);
        assert_eq!(alone, proof(2, &options));
        assert_eq!(alone, proof(2, &options));
    }

    /// One thread grinds through the nonces in their order. So do many of them without `concurrent`,
    /// when Winterfell has one, and ours have no part in it.
    #[test]
    fn proofs_on_one_thread_are_the_same() {
        let options = OptionSet::Fast96.proof_options();
        let alone = proof(1, &options);
        assert_eq!(alone, proof(1, &options));
        if cfg!(not(feature = "concurrent")) {
            assert_eq!(alone, proof(2, &options));
        }
    }
}
