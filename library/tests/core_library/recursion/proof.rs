//! Runs of Miden VM 0.20.6, proven under the constraints that the library's circuit evaluates.

use miden_assembly::{Assembler, DefaultSourceManager};
use miden_core::{
    Felt, Program, StackInputs, ToElements, Word, ZERO,
    crypto::{hash::Rpo256, random::RpoRandomCoin},
};
use miden_processor as peer;
use winter_air::proof::Proof;
use winterfell::{
    AcceptableOptions, AuxRandElements, BatchingMethod, CompositionPoly, CompositionPolyTrace,
    ConstraintCompositionCoefficients, DefaultConstraintCommitment, DefaultConstraintEvaluator,
    DefaultTraceLde, EvaluationFrame, FieldExtension, PartitionOptions, ProofOptions, Prover,
    StarkDomain, Trace, TraceInfo, TracePolyTable, crypto::MerkleTree, math::FieldElement,
    matrix::ColMatrix,
};

use super::air::{AUX_WIDTH, CircuitAir, MAIN_WIDTH, RANDOM_ELEMENTS};

/// Columns of the system in Miden VM 0.20.6, and those that the circuit has besides.
const SYSTEM_WIDTH: usize = 6;
const FORMER_SYSTEM_WIDTH: usize = 8;
/// All columns of Miden VM 0.20.6 without padding.
const PEER_WIDTH: usize = 71;

/// The statement to be proven: the program with its kernel, and the stack before and after it.
#[derive(Debug, Clone)]
pub struct Statement {
    pub stack_inputs: Vec<Felt>,
    pub stack_outputs: Vec<Felt>,
    pub program: Word,
    pub kernel: Vec<Word>,
}

impl ToElements<Felt> for Statement {
    fn to_elements(&self) -> Vec<Felt> {
        let mut elements = [&self.stack_inputs[..], &self.stack_outputs].concat();
        elements.extend(self.program);
        elements.extend([ZERO; 4]);
        for digest in &self.kernel {
            // For Horner's rule, the highest power first.
            elements.extend([ZERO; 4]);
            elements.extend(digest.into_iter().rev());
        }
        elements
    }
}

/// A statement with its proof.
pub struct Proven {
    pub statement: Statement,
    pub proof: Proof,
}

impl Proven {
    /// Proves a run of at least so many cycles, with this many queries and bits of grinding, of a
    /// program with this many procedures in its kernel.
    pub fn new(cycles: usize, queries: usize, grinding: u32, kernel: usize) -> Self {
        Self::claiming(cycles, queries, grinding, kernel, |_| {})
    }

    /// The same, of a statement that something is changed of.
    pub fn claiming(
        cycles: usize,
        queries: usize,
        grinding: u32,
        kernel: usize,
        claim: impl FnOnce(&mut Statement),
    ) -> Self {
        let program = program(cycles, kernel);
        let stack_inputs =
            StackInputs::try_from_ints(1..=16).expect("sixteen elements are a stack");
        let trace = peer::execute(
            &program,
            stack_inputs.clone(),
            peer::AdviceInputs::default(),
            &mut peer::DefaultHost::default(),
            peer::ExecutionOptions::default(),
        )
        .expect("the program runs");
        let mut statement = Statement {
            stack_inputs: stack_inputs.to_vec(),
            stack_outputs: trace.stack_outputs().to_vec(),
            program: program.hash(),
            kernel: program.kernel().proc_hashes().to_vec(),
        };
        claim(&mut statement);
        let options = ProofOptions::new(
            queries,
            8,
            grinding,
            FieldExtension::Quadratic,
            4,
            127,
            BatchingMethod::Algebraic,
            BatchingMethod::Horner,
        );
        let prover = CircuitProver {
            statement: statement.clone(),
            options: options.clone(),
        };
        let proof = prover
            .prove(CircuitTrace::new(trace))
            .expect("the trace is valid");
        winterfell::verify::<CircuitAir, Rpo256, RpoRandomCoin, MerkleTree<Rpo256>>(
            proof.clone(),
            statement.clone(),
            &AcceptableOptions::OptionSet(vec![options]),
        )
        .expect("Winterfell accepts the proof");
        Self { statement, proof }
    }
}

/// A program that takes at least so many cycles.
fn program(cycles: usize, kernel: usize) -> Program {
    let source = format!(
        "begin
            repeat.{} swap dup.1 add end
            u32split mem_store.8 push.5 u32assert2 u32wrapping_add drop
        end",
        cycles / 3
    );
    let sources = std::sync::Arc::new(DefaultSourceManager::default());
    let assembler = Assembler::new(sources.clone());
    let assembler = match kernel {
        0 => assembler,
        _ => {
            let procedures: String = (0..kernel)
                .map(|i| format!("pub proc number_{i} push.{i} drop end\n"))
                .collect();
            let kernel = assembler.assemble_kernel(procedures).expect("a kernel");
            Assembler::with_kernel(sources, kernel)
        }
    };
    assembler
        .assemble_program(source)
        .expect("the program assembles")
}

/// A trace of Miden VM 0.20.6 in the columns of the circuit.
struct CircuitTrace {
    peer: peer::ExecutionTrace,
    main: ColMatrix<Felt>,
    info: TraceInfo,
}

impl CircuitTrace {
    fn new(peer: peer::ExecutionTrace) -> Self {
        let rows = peer.length();
        let columns = peer.main_segment();
        let mut main = vec![vec![ZERO; rows]; MAIN_WIDTH];
        for column in 0..PEER_WIDTH {
            let moved = match column {
                0..SYSTEM_WIDTH => column,
                _ => column + FORMER_SYSTEM_WIDTH - SYSTEM_WIDTH,
            };
            main[moved] = columns.get_column(column).to_vec();
        }
        let info =
            TraceInfo::new_multi_segment(MAIN_WIDTH, AUX_WIDTH, RANDOM_ELEMENTS, rows, Vec::new());
        Self {
            peer,
            main: ColMatrix::new(main),
            info,
        }
    }
}

impl Trace for CircuitTrace {
    type BaseField = Felt;

    fn info(&self) -> &TraceInfo {
        &self.info
    }

    fn main_segment(&self) -> &ColMatrix<Felt> {
        &self.main
    }

    fn read_main_frame(&self, row: usize, frame: &mut EvaluationFrame<Felt>) {
        let next = (row + 1) % self.length();
        self.main.read_row_into(row, frame.current_mut());
        self.main.read_row_into(next, frame.next_mut());
    }
}

struct CircuitProver {
    statement: Statement,
    options: ProofOptions,
}

impl Prover for CircuitProver {
    type BaseField = Felt;
    type Air = CircuitAir;
    type Trace = CircuitTrace;
    type HashFn = Rpo256;
    type VC = MerkleTree<Rpo256>;
    type RandomCoin = RpoRandomCoin;
    type TraceLde<E: FieldElement<BaseField = Felt>> = DefaultTraceLde<E, Rpo256, Self::VC>;
    type ConstraintCommitment<E: FieldElement<BaseField = Felt>> =
        DefaultConstraintCommitment<E, Rpo256, Self::VC>;
    type ConstraintEvaluator<'a, E: FieldElement<BaseField = Felt>> =
        DefaultConstraintEvaluator<'a, CircuitAir, E>;

    fn get_pub_inputs(&self, _: &CircuitTrace) -> Statement {
        self.statement.clone()
    }

    fn options(&self) -> &ProofOptions {
        &self.options
    }

    fn new_trace_lde<E: FieldElement<BaseField = Felt>>(
        &self,
        info: &TraceInfo,
        main: &ColMatrix<Felt>,
        domain: &StarkDomain<Felt>,
        partitions: PartitionOptions,
    ) -> (Self::TraceLde<E>, TracePolyTable<E>) {
        DefaultTraceLde::new(info, main, domain, partitions)
    }

    fn build_aux_trace<E: FieldElement<BaseField = Felt>>(
        &self,
        trace: &CircuitTrace,
        random: &AuxRandElements<E>,
    ) -> ColMatrix<E> {
        let columns = trace.peer.build_aux_trace(random.rand_elements());
        columns.expect("a trace has an auxiliary segment")
    }

    fn new_evaluator<'a, E: FieldElement<BaseField = Felt>>(
        &self,
        air: &'a CircuitAir,
        random: Option<AuxRandElements<E>>,
        coefficients: ConstraintCompositionCoefficients<E>,
    ) -> Self::ConstraintEvaluator<'a, E> {
        DefaultConstraintEvaluator::new(air, random, coefficients)
    }

    fn build_constraint_commitment<E: FieldElement<BaseField = Felt>>(
        &self,
        composition: CompositionPolyTrace<E>,
        columns: usize,
        domain: &StarkDomain<Felt>,
        partitions: PartitionOptions,
    ) -> (Self::ConstraintCommitment<E>, CompositionPoly<E>) {
        DefaultConstraintCommitment::new(composition, columns, domain, partitions)
    }
}
