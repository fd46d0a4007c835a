//! Provers that cheat inside the protocol. All of them know Winterfell's prover and the AIR, rebuild
//! whatever follows from what they forge, and hand in proofs of the right form; the verifier rejects
//! every one. (What the verifier thinks of *traces* that are forged and then proven by the book is
//! asked for each forged trace of the processor's tests, where it stands.)

use std::cell::RefCell;

use miden_assembly::Assembler;
use miden_core::{
    Felt, ONE, StackInputs, StackOutputs, ZERO,
    crypto::{hash::Blake3_256, random::WinterRandomCoin},
};
use miden_cvm_air::{
    air::{CvmAir, aux_width, periodic_rows, trace_info},
    builder::{Frame, PERIOD},
    columns::{MAIN_WIDTH, MainRow, cells_of},
    lookup::{Challenges, RowFractions},
    lookups,
    public::PublicInputs,
};
use miden_cvm_processor::{
    AdviceInputs, DefaultHost, ExecutionOptions, ExecutionTrace, execute_traced,
};
use miden_cvm_prover::{OptionSet, Proof, ProofSettings};
use miden_cvm_verifier::{Expectations, Verified, VerifierError, verify};
use winter_air::proof::{Context, Queries};
use winter_prover::ConstraintCommitment;
use winterfell::{
    Air, AirContext, Assertion, AuxRandElements, CompositionPoly, CompositionPolyTrace,
    ConstraintCompositionCoefficients, DefaultConstraintCommitment, DefaultConstraintEvaluator,
    DefaultTraceLde, EvaluationFrame, PartitionOptions, ProofOptions, Prover, StarkDomain, Trace,
    TraceInfo, TraceLde, TracePolyTable,
    crypto::{Hasher, MerkleTree, RandomCoin, RandomCoinError},
    math::{ExtensionOf, FieldElement, StarkField, ToElements, fft, polynom},
    matrix::ColMatrix,
};

type Digest = <Blake3_256 as Hasher>::Digest;
type Tree = MerkleTree<Blake3_256>;
type Coin = WinterRandomCoin<Blake3_256>;

/// What a prover does that it should not.
#[derive(Clone, Copy, PartialEq)]
enum Cheat {
    /// Nothing: it proves whatever trace it has.
    None,
    /// The running sum of the lookups ends with what the verifier expects, whatever it sums up to.
    Sum,
    /// The same, and it does not begin with zero, so that every step of it is right.
    ShiftedSum,
    /// The composition polynomial is no quotient, but has the right value at the point that the
    /// verifier evaluates it at.
    Composition,
    /// The composition polynomial that is committed to is that of other weights.
    Weights,
    /// The commitment to the main trace is one to the honest trace.
    Commitment,
    /// The same, and the honest trace is opened; the forged one is what the low-degree test sees.
    Openings,
}

/// Public inputs, and those that the coin is told.
#[derive(Clone)]
struct Claims {
    public: PublicInputs,
    told: PublicInputs,
}

impl ToElements<Felt> for Claims {
    fn to_elements(&self) -> Vec<Felt> {
        self.told.to_elements()
    }
}

/// The AIR, for a prover that tells the coin what it likes.
struct TellingAir(CvmAir);

impl Air for TellingAir {
    type BaseField = Felt;
    type PublicInputs = Claims;

    fn new(trace_info: TraceInfo, claims: Claims, options: ProofOptions) -> Self {
        Self(CvmAir::new(trace_info, claims.public, options))
    }

    fn context(&self) -> &AirContext<Felt> {
        self.0.context()
    }

    fn evaluate_transition<E: FieldElement<BaseField = Felt>>(
        &self,
        frame: &EvaluationFrame<E>,
        periodic: &[E],
        result: &mut [E],
    ) {
        self.0.evaluate_transition(frame, periodic, result);
    }

    fn get_assertions(&self) -> Vec<Assertion<Felt>> {
        self.0.get_assertions()
    }

    fn evaluate_aux_transition<F, E>(
        &self,
        main: &EvaluationFrame<F>,
        aux: &EvaluationFrame<E>,
        periodic: &[F],
        random: &AuxRandElements<E>,
        result: &mut [E],
    ) where
        F: FieldElement<BaseField = Felt>,
        E: FieldElement<BaseField = Felt> + ExtensionOf<F>,
    {
        self.0
            .evaluate_aux_transition(main, aux, periodic, random, result);
    }

    fn get_aux_assertions<E: FieldElement<BaseField = Felt>>(
        &self,
        random: &AuxRandElements<E>,
    ) -> Vec<Assertion<E>> {
        self.0.get_aux_assertions(random)
    }

    fn get_periodic_column_values(&self) -> Vec<Vec<Felt>> {
        self.0.get_periodic_column_values()
    }
}

thread_local! {
    /// What the prover's coin was made of and told so far.
    static TOLD: RefCell<(Vec<Felt>, Vec<Digest>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

/// The coin, which keeps what it is told: who knows that can look ahead.
struct OpenCoin(Coin);

impl RandomCoin for OpenCoin {
    type BaseField = Felt;
    type Hasher = Blake3_256;

    fn new(seed: &[Felt]) -> Self {
        TOLD.set((seed.to_vec(), Vec::new()));
        Self(Coin::new(seed))
    }

    fn reseed(&mut self, data: Digest) {
        TOLD.with_borrow_mut(|(_, told)| told.push(data));
        self.0.reseed(data);
    }

    fn check_leading_zeros(&self, value: u64) -> u32 {
        self.0.check_leading_zeros(value)
    }

    fn draw<E: FieldElement<BaseField = Felt>>(&mut self) -> Result<E, RandomCoinError> {
        self.0.draw()
    }

    fn draw_integers(
        &mut self,
        count: usize,
        domain_size: usize,
        nonce: u64,
    ) -> Result<Vec<usize>, RandomCoinError> {
        self.0.draw_integers(count, domain_size, nonce)
    }
}

/// The first element that the coin will draw once it is told of this commitment.
fn look_ahead<E: FieldElement<BaseField = Felt>>(commitment: Digest) -> E {
    TOLD.with_borrow(|(seed, told)| {
        let mut coin = Coin::new(seed);
        for &data in told.iter().chain([&commitment]) {
            coin.reseed(data);
        }
        coin.draw().expect("the coin yields elements")
    })
}

/// The main trace, as Winterfell wants it.
struct Columns {
    info: TraceInfo,
    main: ColMatrix<Felt>,
}

impl Columns {
    fn new(rows: &[MainRow<Felt>]) -> Self {
        let column = |i: usize| -> Vec<Felt> {
            rows.iter().map(|row| cells_of::<Felt, _>(row)[i]).collect()
        };
        Self {
            info: trace_info(rows.len()),
            main: ColMatrix::new((0..MAIN_WIDTH).map(column).collect()),
        }
    }
}

impl Trace for Columns {
    type BaseField = Felt;

    fn info(&self) -> &TraceInfo {
        &self.info
    }

    fn main_segment(&self) -> &ColMatrix<Felt> {
        &self.main
    }

    fn read_main_frame(&self, row: usize, frame: &mut EvaluationFrame<Felt>) {
        let next = (row + 1) % self.info.length();
        self.main.read_row_into(row, frame.current_mut());
        self.main.read_row_into(next, frame.next_mut());
    }
}

/// The trace that is evaluated, and the one that is committed to and opened.
struct TwoFaced<E: FieldElement<BaseField = Felt>> {
    own: DefaultTraceLde<E, Blake3_256, Tree>,
    /// With whether it is opened too.
    shown: Option<(DefaultTraceLde<E, Blake3_256, Tree>, bool)>,
}

impl<E: FieldElement<BaseField = Felt>> TraceLde<E> for TwoFaced<E> {
    type HashFn = Blake3_256;
    type VC = Tree;

    fn get_main_trace_commitment(&self) -> Digest {
        let shown = self.shown.as_ref().map_or(&self.own, |(shown, _)| shown);
        shown.get_main_trace_commitment()
    }

    fn set_aux_trace(
        &mut self,
        aux: &ColMatrix<E>,
        domain: &StarkDomain<Felt>,
    ) -> (ColMatrix<E>, Digest) {
        if let Some((shown, _)) = &mut self.shown {
            shown.set_aux_trace(aux, domain);
        }
        self.own.set_aux_trace(aux, domain)
    }

    fn read_main_trace_frame_into(&self, step: usize, frame: &mut EvaluationFrame<Felt>) {
        self.own.read_main_trace_frame_into(step, frame);
    }

    fn read_aux_trace_frame_into(&self, step: usize, frame: &mut EvaluationFrame<E>) {
        self.own.read_aux_trace_frame_into(step, frame);
    }

    fn query(&self, positions: &[usize]) -> Vec<Queries> {
        match &self.shown {
            Some((shown, true)) => shown.query(positions),
            _ => self.own.query(positions),
        }
    }

    fn trace_len(&self) -> usize {
        self.own.trace_len()
    }

    fn blowup(&self) -> usize {
        self.own.blowup()
    }

    fn trace_info(&self) -> &TraceInfo {
        self.own.trace_info()
    }
}

/// What a prover remembers of its own messages, elements as their coordinates.
#[derive(Default)]
struct Notes {
    aux: Vec<Vec<Felt>>,
    random: Vec<Felt>,
    weights: [Vec<Felt>; 2],
}

/// A prover that can be told to cheat.
struct Cheater {
    rows: Vec<MainRow<Felt>>,
    honest: Vec<MainRow<Felt>>,
    claims: Claims,
    options: ProofOptions,
    cheat: Cheat,
    notes: RefCell<Notes>,
}

fn coordinates<E: FieldElement<BaseField = Felt>>(elements: &[E]) -> Vec<Felt> {
    E::slice_as_base_elements(elements).to_vec()
}

fn elements<E: FieldElement<BaseField = Felt>>(coordinates: &[Felt]) -> Vec<E> {
    E::slice_from_base_elements(coordinates).to_vec()
}

impl Cheater {
    /// The columns of the lookups, as they follow from the rows.
    fn lookup_columns<E: FieldElement<BaseField = Felt>>(&self, random: &[E]) -> Vec<Vec<E>> {
        let challenges = Challenges::new(random);
        let air = CvmAir::new(
            trace_info(self.rows.len()),
            self.claims.public.clone(),
            self.options.clone(),
        );
        let periodic = periodic_rows();
        let mut columns = vec![Vec::with_capacity(self.rows.len()); aux_width()];
        let mut sum = E::ZERO;
        for row in 0..self.rows.len() {
            let mut fractions = RowFractions::default();
            let frame = Frame {
                cur: &self.rows[row],
                next: &self.rows[(row + 1) % self.rows.len()],
                periodic: &periodic[row % PERIOD],
                composed: self.claims.public.composed(),
            };
            lookups(&frame, &mut fractions);
            let fraction = |&slot: &usize| {
                E::from(fractions.count(slot)) / fractions.denominator(slot, &challenges)
            };
            columns[0].push(sum);
            for (k, slots) in air.packing().columns.iter().enumerate() {
                let value = slots.iter().map(fraction).fold(E::ZERO, |a, b| a + b);
                if k > 0 {
                    columns[k].push(value);
                }
                sum += value;
            }
        }
        columns
    }

    /// What the constraints, divided and weighed, come to at a point outside of the domain.
    fn constraints_at<E: FieldElement<BaseField = Felt>>(&self, z: E) -> E {
        let notes = self.notes.borrow();
        let length = self.rows.len();
        let air = TellingAir::new(
            trace_info(length),
            self.claims.clone(),
            self.options.clone(),
        );
        let generator = E::from(Felt::get_root_of_unity(length.ilog2()));
        let inverse_twiddles = fft::get_inv_twiddles::<Felt>(length);
        let at = |column: Vec<E>| {
            let mut poly = column;
            fft::interpolate_poly(&mut poly, &inverse_twiddles);
            [z, z * generator].map(|point| polynom::eval(&poly, point))
        };
        let main = (0..MAIN_WIDTH).map(|i| {
            let cells = self.rows.iter().map(|row| cells_of::<Felt, _>(row)[i]);
            at(cells.map(E::from).collect())
        });
        let (cur, next) = main.map(|[cur, next]| (cur, next)).unzip();
        let main = EvaluationFrame::from_rows(cur, next);
        let aux = notes.aux.iter().map(|column| at(elements(column)));
        let (cur, next) = aux.map(|[cur, next]| (cur, next)).unzip();
        let aux = EvaluationFrame::from_rows(cur, next);
        let random = AuxRandElements::new(elements(&notes.random));
        let [transition, boundary] = &notes.weights;
        let transitions = air.get_transition_constraints(&elements::<E>(transition));
        let periodic: Vec<E> = (air.get_periodic_column_polys().iter())
            .map(|poly| polynom::eval(poly, z.exp(((length / poly.len()) as u64).into())))
            .collect();
        let mut main_values = vec![E::ZERO; transitions.num_main_constraints()];
        let mut aux_values = vec![E::ZERO; transitions.num_aux_constraints()];
        air.evaluate_transition(&main, &periodic, &mut main_values);
        air.evaluate_aux_transition(&main, &aux, &periodic, &random, &mut aux_values);
        let mut sum = transitions.combine_evaluations::<E>(&main_values, &aux_values, z);
        let groups = air.get_boundary_constraints(Some(&random), &elements::<E>(boundary));
        for group in groups.main_constraints() {
            sum += group.evaluate_at(main.current(), z);
        }
        for group in groups.aux_constraints() {
            sum += group.evaluate_at(aux.current(), z);
        }
        sum
    }
}

impl Prover for Cheater {
    type BaseField = Felt;
    type Air = TellingAir;
    type Trace = Columns;
    type HashFn = Blake3_256;
    type VC = Tree;
    type RandomCoin = OpenCoin;
    type TraceLde<E: FieldElement<BaseField = Felt>> = TwoFaced<E>;
    type ConstraintEvaluator<'a, E: FieldElement<BaseField = Felt>> =
        DefaultConstraintEvaluator<'a, TellingAir, E>;
    type ConstraintCommitment<E: FieldElement<BaseField = Felt>> =
        DefaultConstraintCommitment<E, Blake3_256, Tree>;

    fn get_pub_inputs(&self, _: &Columns) -> Claims {
        self.claims.clone()
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
    ) -> (TwoFaced<E>, TracePolyTable<E>) {
        let (own, polys) = DefaultTraceLde::new(info, main, domain, partitions);
        let shown = matches!(self.cheat, Cheat::Commitment | Cheat::Openings).then(|| {
            let honest = Columns::new(&self.honest);
            let (shown, _) = DefaultTraceLde::new(info, &honest.main, domain, partitions);
            (shown, self.cheat == Cheat::Openings)
        });
        (TwoFaced { own, shown }, polys)
    }

    fn build_aux_trace<E: FieldElement<BaseField = Felt>>(
        &self,
        _: &Columns,
        random: &AuxRandElements<E>,
    ) -> ColMatrix<E> {
        let mut columns = self.lookup_columns(random.rand_elements());
        let challenges = Challenges::new(random.rand_elements());
        let expected = -self.claims.public.boundary_sum(&challenges);
        let last = self.rows.len() - 1;
        let missing = expected - columns[0][last];
        match self.cheat {
            Cheat::Sum => columns[0][last] = expected,
            Cheat::ShiftedSum => columns[0].iter_mut().for_each(|sum| *sum += missing),
            _ => {}
        }
        let mut notes = self.notes.borrow_mut();
        notes.aux = columns.iter().map(|column| coordinates(column)).collect();
        notes.random = coordinates(random.rand_elements());
        ColMatrix::new(columns)
    }

    fn new_evaluator<'a, E: FieldElement<BaseField = Felt>>(
        &self,
        air: &'a TellingAir,
        random: Option<AuxRandElements<E>>,
        mut weights: ConstraintCompositionCoefficients<E>,
    ) -> DefaultConstraintEvaluator<'a, TellingAir, E> {
        self.notes.borrow_mut().weights =
            [&weights.transition, &weights.boundary].map(|weights| coordinates(weights));
        if self.cheat == Cheat::Weights {
            weights.transition.reverse();
        }
        DefaultConstraintEvaluator::new(air, random, weights)
    }

    fn build_constraint_commitment<E: FieldElement<BaseField = Felt>>(
        &self,
        evaluations: CompositionPolyTrace<E>,
        num_columns: usize,
        domain: &StarkDomain<Felt>,
        partitions: PartitionOptions,
    ) -> (Self::ConstraintCommitment<E>, CompositionPoly<E>) {
        let values = evaluations.into_inner();
        let commit = |values: &[E]| {
            let trace = CompositionPolyTrace::new(values.to_vec());
            DefaultConstraintCommitment::new(trace, num_columns, domain, partitions)
        };
        let (committed, poly) = commit(&values);
        if self.cheat != Cheat::Composition {
            return (committed, poly);
        }
        // Once it is committed to, the verifier's point is known, and a constant makes the value
        // there the right one. What is committed to is too late to be changed.
        let z: E = look_ahead(ConstraintCommitment::commitment(&committed));
        let powers = (0..num_columns).map(|i| z.exp(((i * self.rows.len()) as u64).into()));
        let columns = poly.get_ood_frame(z);
        let value = (columns.current_row().iter().zip(powers))
            .fold(E::ZERO, |sum, (&column, power)| sum + column * power);
        let missing = self.constraints_at(z) - value;
        assert_ne!(missing, E::ZERO, "the trace is not forged");
        let fitted: Vec<E> = values.iter().map(|&value| value + missing).collect();
        let (_, fitted) = commit(&fitted);
        (committed, fitted)
    }
}

/// An honest run of 512 rows.
fn honest() -> (Vec<MainRow<Felt>>, PublicInputs) {
    let program = Assembler::default()
        .assemble_program("begin push.7 mem_store.3 mem_load.3 add u32assert push.6 u32and end")
        .expect("the program assembles");
    let ExecutionTrace { rows, public, .. } = execute_traced(
        &program,
        None,
        &StackInputs::try_from_ints([5]).expect("an input"),
        AdviceInputs::default(),
        &mut DefaultHost::default(),
        ExecutionOptions::default(),
    )
    .expect("the program runs");
    assert_eq!(rows.len(), 512);
    (rows, public)
}

/// The run with another output, which one step of the stack does not give.
fn other_output() -> (Vec<MainRow<Felt>>, PublicInputs) {
    let (mut rows, mut public) = honest();
    let from = rows.len() / 2;
    for row in &mut rows[from..] {
        row.core.stack.top[0] += ONE;
    }
    public.stack_outputs = StackOutputs::from(rows[from].core.stack.top);
    (rows, public)
}

/// The run with a fact that is looked up less often than asked for: only the lookups' sum is wrong.
fn missing_fact() -> (Vec<MainRow<Felt>>, PublicInputs) {
    let (mut rows, public) = honest();
    let row = rows
        .iter_mut()
        .find(|row| row.chiplet.select.bitwise == ONE)
        .expect("there is a bitwise operation");
    row.chiplet.bitwise_mut().multiplicity = ZERO;
    (rows, public)
}

/// Makes a proof for a trace, with what the prover tells the coin and which options it uses.
fn prove_with(
    (rows, public): (Vec<MainRow<Felt>>, PublicInputs),
    told: PublicInputs,
    options: ProofOptions,
    cheat: Cheat,
) -> winterfell::Proof {
    let columns = Columns::new(&rows);
    let cheater = Cheater {
        rows,
        honest: honest().0,
        claims: Claims { public, told },
        options,
        cheat,
        notes: RefCell::default(),
    };
    cheater.prove(columns).expect("Winterfell proves anything")
}

/// Proves a trace by the book, but for the cheat, and asks the verifier.
fn attempt(
    (rows, public): (Vec<MainRow<Felt>>, PublicInputs),
    cheat: Cheat,
) -> Result<Verified, VerifierError> {
    let options = OptionSet::Fast96.proof_options();
    let length = rows.len();
    let proof = prove_with((rows, public.clone()), public.clone(), options, cheat);
    hand_in(&public, length, &proof)
}

/// Puts a proof into its envelope and asks the verifier.
fn hand_in(
    public: &PublicInputs,
    length: usize,
    proof: &winterfell::Proof,
) -> Result<Verified, VerifierError> {
    let proof = Proof::new(
        ProofSettings::from(OptionSet::Fast96),
        length,
        proof.to_bytes(),
    )
    .expect("the proof is not too long");
    verify(
        public,
        &proof.to_bytes(),
        &Expectations::from(OptionSet::Fast96.level()),
    )
}

/// What Winterfell says to a proof that it gets to see.
fn refused_by_winterfell(result: Result<Verified, VerifierError>) -> winterfell::VerifierError {
    match result {
        Err(VerifierError::Rejected(error)) => error,
        other => panic!("{other:?}"),
    }
}

/// The prover of this test is a real one.
#[test]
fn without_cheating_a_proof_is_accepted() {
    attempt(honest(), Cheat::None).expect("the proof is valid");
}

#[test]
fn forged_traces_are_rejected() {
    for forged in [other_output(), missing_fact()] {
        let error = refused_by_winterfell(attempt(forged, Cheat::None));
        let inconsistent = winterfell::VerifierError::InconsistentOodConstraintEvaluations;
        assert_eq!(error, inconsistent);
    }
}

/// Auxiliary columns are the prover's own, and their first and last cells are what they should be.
#[test]
fn sums_that_only_end_right_are_rejected() {
    for cheat in [Cheat::Sum, Cheat::ShiftedSum] {
        let error = refused_by_winterfell(attempt(missing_fact(), cheat));
        let inconsistent = winterfell::VerifierError::InconsistentOodConstraintEvaluations;
        assert_eq!(error, inconsistent);
    }
}

/// The check outside of the domain passes; that the value is the committed polynomial's is what the
/// low-degree test finds to be wrong.
#[test]
fn a_composition_polynomial_that_fits_one_point_is_rejected() {
    for forged in [other_output(), missing_fact()] {
        let error = refused_by_winterfell(attempt(forged, Cheat::Composition));
        let fri = matches!(error, winterfell::VerifierError::FriVerificationFailed(_));
        assert!(fri, "{error}");
    }
}

#[test]
fn other_weights_are_rejected() {
    let error = refused_by_winterfell(attempt(honest(), Cheat::Weights));
    let inconsistent = winterfell::VerifierError::InconsistentOodConstraintEvaluations;
    assert_eq!(error, inconsistent);
}

/// A commitment to the honest trace does not prove a forged one, whichever of the two is opened.
#[test]
fn swapped_commitments_are_rejected() {
    for forged in [other_output(), missing_fact()] {
        for cheat in [Cheat::Commitment, Cheat::Openings] {
            let result = attempt(forged.clone(), cheat);
            assert!(
                matches!(result, Err(VerifierError::Rejected(_))),
                "{result:?}"
            );
        }
    }
}

/// The coin's seed binds the public inputs.
#[test]
fn a_coin_that_is_told_something_else_is_rejected() {
    let (rows, public) = honest();
    let mut told = public.clone();
    told.stack_outputs = StackOutputs::default();
    let options = OptionSet::Fast96.proof_options();
    let length = rows.len();
    let proof = prove_with((rows, public.clone()), told.clone(), options, Cheat::None);
    for claimed in [public, told] {
        let error = refused_by_winterfell(hand_in(&claimed, length, &proof));
        let inconsistent = winterfell::VerifierError::InconsistentOodConstraintEvaluations;
        assert_eq!(error, inconsistent);
    }
}

/// Less work than the options ask for does not pass: as it is, or with the right options written
/// over those that were used.
#[test]
fn other_options_are_rejected() {
    let (rows, public) = honest();
    let length = rows.len();
    let right = OptionSet::Fast96.proof_options();
    let with = |queries: usize, grinding: u32| {
        ProofOptions::new(
            queries,
            right.blowup_factor(),
            grinding,
            right.field_extension(),
            right.to_fri_options().folding_factor(),
            right.to_fri_options().remainder_max_degree(),
            right.constraint_batching_method(),
            right.deep_poly_batching_method(),
        )
    };
    for options in [
        with(right.num_queries(), 0),
        with(1, right.grinding_factor()),
    ] {
        let claims = (rows.clone(), public.clone());
        let mut proof = prove_with(claims, public.clone(), options, Cheat::None);
        let result = hand_in(&public, length, &proof);
        assert!(
            matches!(result, Err(VerifierError::Layout(_))),
            "{result:?}"
        );
        let constraints = proof.context.num_constraints();
        proof.context = Context::new::<Felt>(trace_info(length), right.clone(), constraints);
        let result = hand_in(&public, length, &proof);
        assert!(
            matches!(
                result,
                Err(VerifierError::Layout(_) | VerifierError::Rejected(_))
            ),
            "{result:?}"
        );
    }
}

/// A proof is one for the length that was proven.
#[test]
fn other_lengths_are_rejected() {
    let (rows, public) = honest();
    let options = OptionSet::Fast96.proof_options();
    let claims = (rows, public.clone());
    let proof = prove_with(claims, public.clone(), options, Cheat::None);
    for length in [1024, 1 << 20] {
        let result = hand_in(&public, length, &proof);
        assert!(
            matches!(result, Err(VerifierError::Layout(_))),
            "{result:?}"
        );
        let mut renamed = proof.clone();
        let context = &proof.context;
        renamed.context = Context::new::<Felt>(
            trace_info(length),
            context.options().clone(),
            context.num_constraints(),
        );
        let result = hand_in(&public, length, &renamed);
        assert!(
            matches!(result, Err(VerifierError::Layout(_))),
            "{result:?}"
        );
    }
}
