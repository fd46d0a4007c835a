//! The AIR as Winterfell wants it, derived from [`crate::constraints`] and [`crate::lookups`].

use alloc::{string::String, vec::Vec};

use miden_core::Felt;
use winter_air::{
    Air, AirContext, Assertion, AuxRandElements, EvaluationFrame, ProofOptions, TraceInfo,
    TransitionConstraintDegree,
};
use winter_math::{ExtensionOf, FieldElement};

use crate::{
    algebra::{Algebra, Degree},
    builder::{Catalog, ConstraintInfo, Evaluator, Frame, PERIOD, Periodic},
    columns::{MAIN_WIDTH, MainRow, cells_of},
    constraints,
    hasher_constants::{ARK1, ARK2},
    lookup::{Challenges, LookupCatalog, MessageInfo, NUM_CHALLENGES, Packing, RowFractions},
    lookups,
    opcode::HALT,
    public::{PublicInputs, ROOT_MARK},
};

/// The smallest trace: the byte table needs 257 rows.
pub const MIN_TRACE_LEN: usize = 512;

/// The largest trace: contexts then stay below 2^48.
pub const MAX_TRACE_LEN: usize = 1 << 28;

/// The AIR of the VM for one run.
pub struct CvmAir {
    context: AirContext<Felt>,
    public: PublicInputs,
    packing: Packing,
}

impl CvmAir {
    /// The public inputs of the run.
    pub fn public_inputs(&self) -> &PublicInputs {
        &self.public
    }

    /// How the lookups' slots share auxiliary columns.
    pub fn packing(&self) -> &Packing {
        &self.packing
    }
}

/// Lists the transition constraints of the main segment, in order.
pub fn constraint_catalog() -> Vec<ConstraintInfo> {
    let row = degree_row();
    let mut catalog = Catalog::default();
    constraints(&degree_frame(&row), &mut catalog);
    catalog.constraints
}

/// Lists the messages of a row, in order.
pub fn message_catalog() -> Vec<MessageInfo> {
    let row = degree_row();
    let mut catalog = LookupCatalog::default();
    lookups(&degree_frame(&row), &mut catalog);
    catalog.messages
}

fn degree_row() -> MainRow<Degree> {
    *MainRow::from_cells(&[Degree(1); MAIN_WIDTH])
}

fn degree_frame(row: &MainRow<Degree>) -> Frame<'_, Degree> {
    const PERIODIC: Periodic<Degree> = Periodic {
        first: Degree(1),
        last: Degree(1),
        odd: Degree(1),
        ark1: [Degree(1); 12],
        ark2: [Degree(1); 12],
    };
    Frame {
        cur: row,
        next: row,
        periodic: &PERIODIC,
        composed: Degree(0),
    }
}

/// The width of the auxiliary segment.
pub fn aux_width() -> usize {
    Packing::new(&message_catalog()).width()
}

/// The shape of a trace of `length` rows.
pub fn trace_info(length: usize) -> TraceInfo {
    TraceInfo::new_multi_segment(MAIN_WIDTH, aux_width(), NUM_CHALLENGES, length, Vec::new())
}

/// The values of the periodic columns on the rows of one cycle.
pub fn periodic_rows() -> [Periodic<Felt>; PERIOD] {
    let flag = |set: bool| Felt::from(u8::from(set));
    core::array::from_fn(|row| Periodic {
        first: flag(row == 0),
        last: flag(row == PERIOD - 1),
        odd: flag(row % 2 == 1),
        ark1: ARK1
            .get(row)
            .copied()
            .unwrap_or([<Felt as FieldElement>::ZERO; 12]),
        ark2: ARK2
            .get(row)
            .copied()
            .unwrap_or([<Felt as FieldElement>::ZERO; 12]),
    })
}

/// A cell of the main trace whose value the verifier knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boundary {
    /// Name of the constraint.
    pub name: String,
    /// The column.
    pub column: usize,
    /// Whether it is the last row; otherwise it is row 0.
    pub last: bool,
    /// The value.
    pub value: Felt,
}

/// The boundary constraints of the main segment.
///
/// Row 0 is the root context, outside of any block, with the stack inputs; a node begins there. The
/// hasher's section begins with it. The last row, which no transition constraint covers, is HALT
/// with the stack outputs, and belongs to no chiplet.
pub fn boundaries(public: &PublicInputs) -> Vec<Boundary> {
    let zero = <Felt as FieldElement>::ZERO;
    // A row in which every cell is its own column index: the typed way to name columns.
    let mut index = [0; MAIN_WIDTH];
    for (i, cell) in index.iter_mut().enumerate() {
        *cell = i;
    }
    let column = MainRow::from_cells(&index);
    let (system, op) = (&column.core.system, &column.core.op);
    let (decoder, stack) = (&column.core.decoder, &column.core.stack);
    let hasher = column.chiplet.hasher();

    let mut list = Vec::new();
    let mut push = |name: &str, index: Option<usize>, column: usize, last: bool, value: Felt| {
        let name = match index {
            Some(i) => alloc::format!("boundary.{name}[{i}]"),
            None => alloc::format!("boundary.{name}"),
        };
        list.push(Boundary {
            name,
            column,
            last,
            value,
        });
    };
    for (name, column) in [
        ("clk", system.clk),
        ("domain", system.domain),
        ("index", system.index),
        ("in_syscall", system.in_syscall),
        ("sender", system.sender),
        ("block", decoder.block),
        ("address", decoder.address),
        ("in_block", decoder.in_block),
        ("first_op", op.hi[7]),
        ("overflow_ptr", stack.overflow_ptr),
        ("first_byte", column.range.byte),
        ("first_absorb", hasher.absorb),
        ("first_merkle", hasher.merkle),
        ("first_unhash", hasher.unhash),
    ] {
        push(name, None, column, false, zero);
    }
    for (i, &column) in system.fn_hash.iter().enumerate() {
        push("fn_hash", Some(i), column, false, zero);
    }
    push("mark", None, system.mark, false, Felt::new(ROOT_MARK));
    push("depth", None, stack.depth, false, Felt::new(16));
    push(
        "first_hasher",
        None,
        column.chiplet.select.hasher,
        false,
        Felt::new(1),
    );
    for (i, &column) in stack.top.iter().enumerate() {
        push("input", Some(i), column, false, public.stack_inputs[i]);
        push("output", Some(i), column, true, public.stack_outputs[i]);
    }
    push("last_depth", None, stack.depth, true, Felt::new(16));
    push("last_byte", None, column.range.byte, true, Felt::new(255));
    push("last_in_block", None, decoder.in_block, true, zero);
    push("last_call", None, decoder.call, true, zero);
    for (i, &column) in cells_of::<usize, _>(op).iter().enumerate() {
        let set = i == usize::from(HALT >> 4)
            || i == 8 + usize::from((HALT >> 2) & 3)
            || i == 12 + usize::from(HALT & 3);
        push("last_op", Some(i), column, true, Felt::from(u8::from(set)));
    }
    for (i, &column) in cells_of::<usize, _>(&column.chiplet.select)
        .iter()
        .enumerate()
    {
        push("last_chiplet", Some(i), column, true, zero);
    }
    list
}

impl Air for CvmAir {
    type BaseField = Felt;
    type PublicInputs = PublicInputs;

    /// # Panics
    /// Panics if the trace is not [`MAIN_WIDTH`] wide or the options' blowup is below 4; the
    /// verifier checks both before it comes here.
    fn new(trace_info: TraceInfo, public: PublicInputs, options: ProofOptions) -> Self {
        assert_eq!(
            trace_info.main_trace_width(),
            MAIN_WIDTH,
            "unexpected width of the trace"
        );
        let packing = Packing::new(&message_catalog());
        let degrees = constraint_catalog()
            .iter()
            .map(|c| TransitionConstraintDegree::new(c.degree))
            .collect();
        let aux_degrees = packing
            .degrees
            .iter()
            .map(|&degree| TransitionConstraintDegree::new(degree))
            .collect();
        let num_boundaries = boundaries(&public).len();
        let context = AirContext::new_multi_segment(
            trace_info,
            degrees,
            aux_degrees,
            num_boundaries,
            2,
            options,
        );
        Self {
            context,
            public,
            packing,
        }
    }

    fn context(&self) -> &AirContext<Felt> {
        &self.context
    }

    fn evaluate_transition<E: FieldElement<BaseField = Felt>>(
        &self,
        frame: &EvaluationFrame<E>,
        periodic: &[E],
        result: &mut [E],
    ) {
        let frame = Frame {
            cur: MainRow::from_cells(frame.current()),
            next: MainRow::from_cells(frame.next()),
            periodic: Periodic::from_cells(periodic),
            composed: E::constant(self.public.composed()),
        };
        constraints(&frame, &mut Evaluator::new(result));
    }

    fn get_assertions(&self) -> Vec<Assertion<Felt>> {
        let last_row = self.trace_length() - 1;
        boundaries(&self.public)
            .into_iter()
            .map(|boundary| {
                let row = if boundary.last { last_row } else { 0 };
                Assertion::single(boundary.column, row, boundary.value)
            })
            .collect()
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
        let frame = Frame {
            cur: MainRow::from_cells(main.current()),
            next: MainRow::from_cells(main.next()),
            periodic: Periodic::from_cells(periodic),
            composed: F::constant(self.public.composed()),
        };
        let mut row = RowFractions::default();
        lookups(&frame, &mut row);
        let challenges = Challenges::new(random.rand_elements());
        self.packing
            .evaluate(&row, &challenges, aux.current(), aux.next(), result);
    }

    fn get_aux_assertions<E: FieldElement<BaseField = Felt>>(
        &self,
        random: &AuxRandElements<E>,
    ) -> Vec<Assertion<E>> {
        let challenges = Challenges::new(random.rand_elements());
        let last_row = self.trace_length() - 1;
        [
            Assertion::single(0, 0, <E as FieldElement>::ZERO),
            Assertion::single(0, last_row, -self.public.boundary_sum(&challenges)),
        ]
        .into()
    }

    fn get_periodic_column_values(&self) -> Vec<Vec<Felt>> {
        let rows = periodic_rows();
        (0..crate::builder::NUM_PERIODIC)
            .map(|column| rows.iter().map(|row| cells_of(row)[column]).collect())
            .collect()
    }
}

/// Returns a row of zeros, to be filled.
pub fn zero_row() -> MainRow<Felt> {
    *MainRow::from_cells(&[<Felt as FieldElement>::ZERO; MAIN_WIDTH])
}
