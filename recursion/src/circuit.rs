//! The constraints of a shape as an arithmetic circuit, in the form that EVALCIRCUIT reads.
//!
//! The circuit's output is zero exactly if the sums of the pieces balance with what the verifier sends,
//! and the constraints come to the composition at `z`. There are no divisions: `z^n - 1` divided by one
//! of its factors `y - a`, where `y^m = z^n` and `a^m = 1`, is a product, `1/a` times the product of all
//! `1 + (y/a)^(2^j)` with `2^j < m`; so the constraints are compared after both sides are multiplied
//! by `z^n - 1`. Two differences `d` and `e` are zero at once exactly if `d^2 - r e^2` is, where `r` is no
//! square.

use std::collections::BTreeMap;

use miden_core::{Felt, FieldElement, ONE, QuadFelt, StarkField, ZERO};
use miden_cvm_air::{
    air::{COMPOSITION_COLUMNS, CvmAir, TableFrame, periodic_polynomials},
    algebra::Algebra,
    boundary::{Boundary, StackCell},
    builder::{PERIOD, Periodic},
    columns::Cells,
    heights::Piece,
    lookup::{Challenges, NUM_CHALLENGES},
    public::PublicWord,
    symbolic::{Expression, Operation, Recorder, Value, record},
    table::Window,
};
use miden_cvm_processor::{Gate, GateOperation};

use crate::shape::{BLOCK, StatementVariables, WORD};

/// Cells of memory that a variable takes.
pub const VARIABLE_LEN: usize = 2;

/// Variables of a block that the hasher absorbs.
const ALIGNMENT: usize = BLOCK / VARIABLE_LEN;

/// An element that is no square: its norm, 7, generates the field's units. It is `1 - 2x`.
fn non_square() -> QuadFelt {
    QuadFelt::new(ONE, -Felt::new(2))
}

/// The numbers of the first variables of each kind. What is hashed begins with a whole block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variables {
    /// The challenges of the lookups, from 0 on.
    pub challenges: usize,
    /// The variables of the statement.
    pub statement: usize,
    /// The element whose powers weigh the constraints.
    pub weight: usize,
    /// The point outside of the domain.
    pub z: usize,
    /// The sums of the pieces.
    pub sums: usize,
    /// The values outside of the domain.
    pub openings: usize,
    /// The constants of the circuit.
    pub constants: usize,
}

impl Variables {
    fn new(air: &CvmAir) -> Self {
        let statement = NUM_CHALLENGES;
        let weight = statement + StatementVariables::of(air.public_inputs()).count;
        let z = weight + 1;
        let sums = (z + 1).next_multiple_of(ALIGNMENT);
        let openings = (sums + air.pieces().len()).next_multiple_of(ALIGNMENT);
        let constants = (openings + air.num_openings()).next_multiple_of(ALIGNMENT);
        Self {
            challenges: 0,
            statement,
            weight,
            z,
            sums,
            openings,
            constants,
        }
    }
}

/// A circuit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Circuit {
    /// Where the variables are that are no constants.
    pub variables: Variables,
    constants: Vec<QuadFelt>,
    gates: Vec<Gate>,
}

impl Circuit {
    /// The circuit of an AIR, whose statement has variables and records: these are constants.
    pub fn new(air: &CvmAir) -> Self {
        let variables = Variables::new(air);
        let (nodes, output) = record(|recorder| check(air, &variables, recorder).value());
        Lowering::new(&nodes).finish(variables, output)
    }

    /// The number of variables, constants included.
    pub fn num_read(&self) -> usize {
        self.variables.constants + self.constants.len()
    }

    /// The number of gates.
    pub fn num_eval(&self) -> usize {
        self.gates.len()
    }

    /// The words in memory after the variables: constants and gates, whole blocks.
    pub fn code(&self) -> Vec<Felt> {
        let constants = self.constants.iter().flat_map(|c| c.to_base_elements());
        let gates = self.gates.iter().map(|gate| gate.encode());
        constants.chain(gates).collect()
    }

    /// Evaluates the circuit on values of all variables that are no constants. Gates that fill the last
    /// block double the result, which counts only as zero or not.
    pub fn evaluate(&self, inputs: &[QuadFelt]) -> QuadFelt {
        let mut wires = inputs.to_vec();
        wires.extend_from_slice(&self.constants);
        let last = wires.len() + self.gates.len() - 1;
        for gate in &self.gates {
            let [left, right] = [gate.left, gate.right].map(|id| wires[last - id as usize]);
            wires.push(match gate.operation {
                GateOperation::Sub => left - right,
                GateOperation::Mul => left * right,
                GateOperation::Add => left + right,
            });
        }
        wires[last]
    }
}

/// The value that is zero exactly if both checks hold.
fn check<'r>(air: &CvmAir, variables: &Variables, recorder: &'r Recorder) -> Expression<'r> {
    let input = |first: usize| move |i: usize| recorder.input(first + i);
    let random: Vec<Expression<'r>> = (0..NUM_CHALLENGES)
        .map(input(variables.challenges))
        .collect();
    let challenges = Challenges::new(&random);
    let count = StatementVariables::of(air.public_inputs()).count;
    let statement: Vec<Expression<'r>> = (0..count).map(input(variables.statement)).collect();
    let sums: Vec<Expression<'r>> = (0..air.pieces().len()).map(input(variables.sums)).collect();
    let openings: Vec<Expression<'r>> = (0..air.num_openings())
        .map(input(variables.openings))
        .collect();

    let balance = balance(air, &challenges, &statement, &sums);
    let weight = recorder.input(variables.weight);
    let constraints = Constraints {
        air,
        powers: squares(recorder.input(variables.z), air.longest()),
        statement: &statement,
        challenges: &challenges,
        sums: &sums,
    };
    let quotients = constraints.difference(weight, &openings);
    // The first constant.
    let non_square = recorder.input(variables.constants);
    balance * balance - non_square * quotients * quotients
}

/// The difference that the lookups' sums leave, times the denominators of what the verifier sends.
fn balance<'r>(
    air: &CvmAir,
    challenges: &Challenges<Expression<'r>>,
    statement: &[Expression<'r>],
    sums: &[Expression<'r>],
) -> Expression<'r> {
    let places = StatementVariables::of(air.public_inputs());
    let denominators = air.public_inputs().messages().into_iter().map(|message| {
        let coordinates = message.coordinates.into_iter();
        let mut coordinates: Vec<Expression<'r>> = coordinates.map(Expression::Constant).collect();
        if let Some((word, first)) = message.word {
            let variable = match word {
                PublicWord::ProgramHash => 0,
                PublicWord::Memory(number) => places.word_in_memory(number),
                PublicWord::PrecompileTranscript => places.transcript,
            };
            coordinates[first..first + WORD].copy_from_slice(&statement[variable..variable + WORD]);
        }
        challenges.denominator(Expression::int(message.bus as u64), &coordinates)
    });
    // Fractions are added as fractions.
    let mut numerator = sums
        .iter()
        .fold(Expression::ZERO, |sum, &other| sum + other);
    let mut denominator = Expression::ONE;
    for other in denominators {
        numerator = numerator * other + denominator;
        denominator = denominator * other;
    }
    numerator
}

/// `x`, `x^2`, `x^4`, … up to `x^last`, which is a power of two.
fn squares<'r>(x: Expression<'r>, last: usize) -> Vec<Expression<'r>> {
    let next = |&x: &Expression<'r>| Some(x * x);
    let powers = std::iter::successors(Some(x), next);
    powers.take(last.ilog2() as usize + 1).collect()
}

/// The constraints at one point.
struct Constraints<'a, 'r> {
    air: &'a CvmAir,
    /// The point, to the powers of two up to the length of the longest piece.
    powers: Vec<Expression<'r>>,
    statement: &'a [Expression<'r>],
    challenges: &'a Challenges<Expression<'r>>,
    sums: &'a [Expression<'r>],
}

impl<'r> Constraints<'_, 'r> {
    /// The difference of the constraints and the composition, times what vanishes on the longest
    /// piece's rows.
    fn difference(&self, weight: Expression<'r>, openings: &[Expression<'r>]) -> Expression<'r> {
        let air = self.air;
        let places = StatementVariables::of(air.public_inputs());
        let (at_point, mut next) = openings.split_at(air.trace_width() + COMPOSITION_COLUMNS);
        let (mut current, composition) = at_point.split_at(air.trace_width());
        let mut power = Expression::ONE;
        let mut weights = || {
            let weight_of_next = power;
            power = power * weight;
            weight_of_next
        };
        let mut expected = Expression::ZERO;
        for (i, piece) in air.pieces().iter().enumerate() {
            let widths = [piece.table.width(), air.packing(piece.table).width()];
            let [main, aux] = widths.map(|width| take(&mut current, width));
            let [main_next, aux_next] = widths.map(|width| take(&mut next, width));
            let periodic = self.periodic(piece);
            let frame = TableFrame {
                main: Window {
                    cur: main,
                    next: main_next,
                    periodic: Periodic::from_cells(&periodic),
                    composed: Expression::Constant(air.public_inputs().composed()),
                },
                aux,
                aux_next,
            };
            let known = |boundary: &Boundary| match boundary.source {
                Some(StackCell::Input(at)) => self.statement[places.stack_inputs + at],
                Some(StackCell::Output(at)) => self.statement[places.stack_outputs + at],
                None => Expression::Constant(boundary.value),
            };
            let combined = air.combine_with(
                piece,
                &frame,
                self.challenges,
                self.sums[i],
                &mut weights,
                known,
            );
            let root = Felt::get_root_of_unity(piece.height.ilog2());
            let point = self.point(piece);
            expected += combined.transition * (point - Expression::Constant(root.inv()))
                + combined.first * self.others(piece, ONE)
                + combined.last * self.others(piece, root.inv());
        }
        let whole = self.powers[air.longest().ilog2() as usize];
        let columns = composition.iter().rev();
        let composition = columns.fold(Expression::ZERO, |sum, &column| sum * whole + column);
        expected - composition * (whole - Expression::ONE)
    }

    /// The point of a piece.
    fn point(&self, piece: &Piece) -> Expression<'r> {
        self.powers[self.air.ratio(piece).ilog2() as usize]
    }

    /// The polynomial that vanishes on the rows of a piece, but for the one at this root of unity.
    fn others(&self, piece: &Piece, root: Felt) -> Expression<'r> {
        let first = self.air.ratio(piece).ilog2() as usize;
        let count = piece.height.ilog2() as usize;
        let mut scale = root.inv();
        let product =
            self.powers[first..][..count]
                .iter()
                .fold(Expression::ONE, |product, &power| {
                    let factor = power.scale(scale) + Expression::ONE;
                    scale *= scale;
                    product * factor
                });
        product.scale(root.inv())
    }

    /// The periodic columns.
    fn periodic(&self, piece: &Piece) -> Vec<Expression<'r>> {
        let step = Felt::get_root_of_unity(PERIOD.ilog2());
        let in_period = self.powers[(self.air.longest() / PERIOD).ilog2() as usize];
        let at = in_period.scale(step.exp(piece.phase() as u64));
        let value = |polynomial: &Vec<Felt>| {
            let coefficients = polynomial.iter().rev();
            coefficients.fold(Expression::ZERO, |sum, &c| {
                sum * at + Expression::Constant(c)
            })
        };
        periodic_polynomials().iter().map(value).collect()
    }
}

/// Takes the first elements off a slice.
fn take<'a, 'r>(rest: &mut &'a [Expression<'r>], width: usize) -> &'a [Expression<'r>] {
    let (taken, others) = rest.split_at(width);
    *rest = others;
    taken
}

/// The place of a wire.
#[derive(Debug, Clone, Copy)]
enum Wire {
    Input(usize),
    Constant(usize),
    Gate(usize),
}

/// Makes gates of recorded operations.
struct Lowering<'a> {
    nodes: &'a [Operation],
    constants: Vec<QuadFelt>,
    /// The numbers of the constants of the base field.
    numbers: BTreeMap<u64, usize>,
    gates: Vec<(GateOperation, Wire, Wire)>,
}

impl<'a> Lowering<'a> {
    fn new(nodes: &'a [Operation]) -> Self {
        Self {
            nodes,
            constants: vec![non_square()],
            numbers: BTreeMap::new(),
            gates: Vec::new(),
        }
    }

    fn constant(&mut self, value: Felt) -> Wire {
        let constants = &mut self.constants;
        let number = *self.numbers.entry(value.as_int()).or_insert_with(|| {
            constants.push(value.into());
            constants.len() - 1
        });
        Wire::Constant(number)
    }

    fn gate(&mut self, operation: GateOperation, left: Wire, right: Wire) -> Wire {
        self.gates.push((operation, left, right));
        Wire::Gate(self.gates.len() - 1)
    }

    /// The nodes that the output depends on.
    fn used(&self, output: Value) -> Vec<bool> {
        let mut used = vec![false; self.nodes.len()];
        if let Value::Node(node) = output {
            used[node as usize] = true;
        }
        for (at, node) in self.nodes.iter().enumerate().rev() {
            if used[at] {
                node.operands()
                    .for_each(|operand| used[operand as usize] = true);
            }
        }
        used
    }

    fn finish(mut self, variables: Variables, output: Value) -> Circuit {
        let used = self.used(output);
        let nodes = self.nodes;
        let mut wires = Vec::with_capacity(nodes.len());
        for (&node, used) in nodes.iter().zip(used) {
            // The place of what is not used is not looked at.
            let mut wire = Wire::Input(0);
            let at = |node: u32| wires[node as usize];
            if used {
                wire = match node {
                    Operation::Input(number) => Wire::Input(number as usize),
                    Operation::Add(a, b) => self.gate(GateOperation::Add, at(a), at(b)),
                    Operation::Sub(a, b) => self.gate(GateOperation::Sub, at(a), at(b)),
                    Operation::Mul(a, b) => self.gate(GateOperation::Mul, at(a), at(b)),
                    Operation::Shift(a, c) => {
                        let constant = self.constant(c.into());
                        self.gate(GateOperation::Add, at(a), constant)
                    }
                    Operation::SubFrom(c, a) => {
                        let constant = self.constant(c.into());
                        self.gate(GateOperation::Sub, constant, at(a))
                    }
                    Operation::Scale(a, c) => {
                        let constant = self.constant(c.into());
                        self.gate(GateOperation::Mul, at(a), constant)
                    }
                };
            }
            wires.push(wire);
        }
        let mut output = match output {
            Value::Constant(value) => self.constant(value),
            Value::Node(node) => wires[node as usize],
        };
        // Twice the output is zero exactly if the output is; the last gate is the output.
        while self.gates.is_empty() || !self.gates.len().is_multiple_of(BLOCK) {
            output = self.gate(GateOperation::Add, output, output);
        }
        let len = self.constants.len().next_multiple_of(ALIGNMENT);
        self.constants.resize(len, ZERO.into());

        let num_read = variables.constants + self.constants.len();
        let last = num_read + self.gates.len() - 1;
        let id = |wire: Wire| {
            let position = match wire {
                Wire::Input(number) => number,
                Wire::Constant(number) => variables.constants + number,
                Wire::Gate(number) => num_read + number,
            };
            (last - position) as u32
        };
        let gates = self.gates.iter();
        let gates = gates.map(|&(operation, left, right)| Gate {
            operation,
            left: id(left),
            right: id(right),
        });
        Circuit {
            variables,
            gates: gates.collect(),
            constants: self.constants,
        }
    }
}
