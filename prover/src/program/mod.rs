//! Arithmetic on many rows at once: straight-line programs over blocks of rows.
//!
//! The constraints are declared once, for any values. Here they compute with values that
//! [record](miden_cvm_air::symbolic) what is done to them, so that no expression is computed twice, and nothing
//! that no output needs. The [`Program`] that results runs over [`BLOCK`] rows with every
//! instruction, which is a loop that the compiler vectorizes and makes what it takes to fetch the
//! instruction small.

mod extended;

pub use extended::Extended;
use miden_core::Felt;
use miden_cvm_air::symbolic::{Constant, Operation, Value};

use crate::packed::{LANES, Packed, Vectorizable, vectorized};

/// Number of rows that an instruction is done for.
pub const BLOCK: usize = 32;

/// One value for each row of a block.
pub type Block = [Packed; BLOCK / LANES];

/// A cell: where a block of values is while a program runs.
type Cell = u16;

/// A step of a program; the result's cell comes last.
#[derive(Debug, Clone, Copy)]
enum Instruction {
    Add(Cell, Cell, Cell),
    Sub(Cell, Cell, Cell),
    Mul(Cell, Cell, Cell),
    /// A product plus what is in the result's cell already.
    MulAdd(Cell, Cell, Cell),
    /// With the number of a constant.
    Shift(Cell, u16, Cell),
    /// A constant minus a cell.
    SubFrom(u16, Cell, Cell),
    Scale(Cell, u16, Cell),
    /// A multiple plus what is in the result's cell already.
    ScaleAdd(Cell, u16, Cell),
}

/// Where an output is when a program has run.
#[derive(Debug, Clone, Copy)]
enum Output {
    Constant(Felt),
    Cell(Cell),
}

/// A straight-line program.
#[derive(Debug)]
pub struct Program {
    instructions: Vec<Instruction>,
    constants: Vec<Felt>,
    outputs: Vec<Output>,
    num_cells: usize,
}

impl Program {
    /// Compiles what was recorded, for these outputs. The inputs are the first
    /// `num_inputs` cells.
    ///
    /// # Panics
    /// Panics if there are 2^16 cells or constants, which constraints are far from.
    pub fn new(nodes: &[Operation], outputs: &[Value], num_inputs: usize) -> Self {
        Compiler::new(nodes, outputs, num_inputs).compile(outputs)
    }

    /// The cells that a run takes, all zero.
    pub fn cells(&self) -> Vec<Block> {
        vec![[Packed::ZERO; BLOCK / LANES]; self.num_cells]
    }

    /// Runs the program on a block of rows, whose inputs are in the first cells.
    pub fn run(&self, cells: &mut [Block]) {
        vectorized(Run {
            program: self,
            cells,
        });
    }

    /// An output on one row of the block that the program has run on.
    pub fn output(&self, cells: &[Block], output: usize, row: usize) -> Felt {
        match self.outputs[output] {
            Output::Constant(value) => value,
            Output::Cell(cell) => cells[usize::from(cell)][row / LANES].lanes()[row % LANES],
        }
    }
}

/// Decides what is computed, and where.
struct Compiler<'a> {
    nodes: &'a [Operation],
    num_inputs: usize,
    /// The number of remaining uses of each node.
    uses: Vec<u32>,
    /// Products that are added to a sum right when they are computed.
    fused: Vec<bool>,
    cells: Vec<Cell>,
    free: Vec<Cell>,
    num_cells: usize,
    constants: Vec<Felt>,
    instructions: Vec<Instruction>,
}

impl<'a> Compiler<'a> {
    fn new(nodes: &'a [Operation], outputs: &[Value], num_inputs: usize) -> Self {
        let mut uses = vec![0; nodes.len()];
        for output in outputs {
            if let &Value::Node(node) = output {
                uses[node as usize] += 1;
            }
        }
        for (node, operation) in nodes.iter().enumerate().rev() {
            if uses[node] > 0 {
                for operand in operation.operands() {
                    uses[operand as usize] += 1;
                }
            }
        }
        Self {
            nodes,
            num_inputs,
            fused: vec![false; nodes.len()],
            cells: vec![0; nodes.len()],
            uses,
            free: Vec::new(),
            num_cells: num_inputs,
            constants: Vec::new(),
            instructions: Vec::new(),
        }
    }

    fn compile(mut self, outputs: &[Value]) -> Program {
        for (node, &operation) in self.nodes.iter().enumerate() {
            if let Operation::Add(a, b) = operation
                && self.uses[node] > 0
                && let Some(product) = self.fusion(a, b)
            {
                self.fused[product as usize] = true;
            }
        }
        for node in 0..self.nodes.len() {
            if self.uses[node] > 0 && !self.fused[node] {
                self.emit(node);
            }
        }
        let outputs = outputs
            .iter()
            .map(|&output| match output {
                Value::Constant(value) => Output::Constant(value),
                Value::Node(node) => Output::Cell(self.cells[node as usize]),
            })
            .collect();
        Program {
            instructions: self.instructions,
            constants: self.constants,
            outputs,
            num_cells: self.num_cells,
        }
    }

    /// The summand that is a product, if nothing else needs it, nor the other one, which has a cell
    /// of its own: then the product can be added to the sum right there.
    fn fusion(&self, a: u32, b: u32) -> Option<u32> {
        let once = |node: u32| self.uses[node as usize] == 1;
        let operation = |node: u32| self.nodes[node as usize];
        let is_product = |node| {
            matches!(operation(node), Operation::Mul(..) | Operation::Scale(..)) && once(node)
        };
        let is_sum = |node| !matches!(operation(node), Operation::Input(_)) && once(node);
        [(a, b), (b, a)]
            .into_iter()
            .find(|&(sum, product)| is_sum(sum) && is_product(product))
            .map(|(_, product)| product)
    }

    fn emit(&mut self, node: usize) {
        let operation = self.nodes[node];
        if let Operation::Input(number) = operation {
            self.cells[node] = number as Cell;
            return;
        }
        if let Operation::Add(a, b) = operation {
            let pair = [(a, b), (b, a)];
            let fused = pair
                .into_iter()
                .find(|&(_, product)| self.fused[product as usize]);
            if let Some((sum, product)) = fused {
                let to = self.cells[sum as usize];
                let product = self.nodes[product as usize];
                let instruction = match product {
                    Operation::Scale(a, c) => {
                        Instruction::ScaleAdd(self.cell(a), self.constant(c), to)
                    }
                    Operation::Mul(a, b) => Instruction::MulAdd(self.cell(a), self.cell(b), to),
                    _ => unreachable!("only products are fused"),
                };
                self.instructions.push(instruction);
                self.release(product);
                self.cells[node] = to;
                return;
            }
        }
        // A result may take an operand's cell: instructions read before they write.
        self.release(operation);
        let to = self.allocate();
        let instruction = match operation {
            Operation::Add(a, b) => Instruction::Add(self.cell(a), self.cell(b), to),
            Operation::Sub(a, b) => Instruction::Sub(self.cell(a), self.cell(b), to),
            Operation::Mul(a, b) => Instruction::Mul(self.cell(a), self.cell(b), to),
            Operation::Shift(a, c) => Instruction::Shift(self.cell(a), self.constant(c), to),
            Operation::SubFrom(c, a) => Instruction::SubFrom(self.constant(c), self.cell(a), to),
            Operation::Scale(a, c) => Instruction::Scale(self.cell(a), self.constant(c), to),
            Operation::Input(_) => unreachable!("inputs are there already"),
        };
        self.instructions.push(instruction);
        self.cells[node] = to;
    }

    fn cell(&self, node: u32) -> Cell {
        self.cells[node as usize]
    }

    fn allocate(&mut self) -> Cell {
        self.free.pop().unwrap_or_else(|| {
            self.num_cells += 1;
            Cell::try_from(self.num_cells - 1).expect("there are fewer than 2^16 cells")
        })
    }

    /// Frees the cells of operands that nothing else needs.
    fn release(&mut self, operation: Operation) {
        for operand in operation.operands() {
            let uses = &mut self.uses[operand as usize];
            *uses -= 1;
            let cell = self.cells[operand as usize];
            if *uses == 0 && usize::from(cell) >= self.num_inputs {
                self.free.push(cell);
            }
        }
    }

    fn constant(&mut self, constant: Constant) -> u16 {
        self.constants.push(constant.into());
        u16::try_from(self.constants.len() - 1).expect("there are fewer than 2^16 constants")
    }
}

/// A program and the cells that it works on.
struct Run<'a> {
    program: &'a Program,
    cells: &'a mut [Block],
}

impl Vectorizable for Run<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { program, cells } = self;
        // A closure or a function between here and the arithmetic might not be inlined.
        macro_rules! each_part {
            ($to:ident, |$part:ident| $value:expr) => {
                for $part in 0..BLOCK / LANES {
                    cells[usize::from($to)][$part] = $value;
                }
            };
        }
        macro_rules! part {
            ($cell:ident[$part:ident]) => {
                cells[usize::from($cell)][$part]
            };
        }
        for &instruction in &program.instructions {
            match instruction {
                Instruction::Add(a, b, to) => {
                    each_part!(to, |i| part!(a[i]) + part!(b[i]));
                }
                Instruction::Sub(a, b, to) => {
                    each_part!(to, |i| part!(a[i]) - part!(b[i]));
                }
                Instruction::Mul(a, b, to) => {
                    each_part!(to, |i| part!(a[i]) * part!(b[i]));
                }
                Instruction::MulAdd(a, b, to) => {
                    each_part!(to, |i| part!(to[i]) + part!(a[i]) * part!(b[i]));
                }
                Instruction::Shift(a, c, to) => {
                    let c = program.constants[usize::from(c)];
                    each_part!(to, |i| part!(a[i]) + Packed::from_fn(|_| c));
                }
                Instruction::SubFrom(c, a, to) => {
                    let c = program.constants[usize::from(c)];
                    each_part!(to, |i| Packed::from_fn(|_| c) - part!(a[i]));
                }
                Instruction::Scale(a, c, to) => {
                    let c = program.constants[usize::from(c)];
                    each_part!(to, |i| part!(a[i]) * c);
                }
                Instruction::ScaleAdd(a, c, to) => {
                    let c = program.constants[usize::from(c)];
                    each_part!(to, |i| part!(to[i]) + part!(a[i]) * c);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use miden_core::ONE;
    use miden_cvm_air::{
        algebra::{Algebra, ExtensionAlgebra},
        symbolic::record,
    };
    use winterfell::math::{
        FieldElement,
        fields::{CubeExtension, QuadExtension},
    };

    use super::*;

    const INPUTS: usize = 9;

    /// The inputs on a row.
    fn input(row: usize) -> [Felt; INPUTS] {
        core::array::from_fn(|i| Felt::new(((row + 2) * (i + 3) + i * i) as u64).exp(5_u32.into()))
    }

    /// Expressions with everything that there is: sums and products of all kinds, values that are
    /// used again, and some that are not used at all.
    fn compute<F: Algebra>(x: &[F]) -> Vec<F> {
        let c = F::int(77);
        let unused = x[0] * x[1] * x[2];
        let shared = x[0] * x[1];
        let mut sum = shared + x[2].scale(Felt::new(5)) + x[3] * x[4];
        sum += shared * shared;
        sum -= x[5].not() * c;
        let difference = c - sum;
        let negated = -difference;
        let (same, other) = (x[8] * x[7], x[7] * x[8]);
        let _ = unused;
        vec![
            sum,
            difference + negated * x[1],
            x[6] + -x[7],
            x[6] - (-x[7] - c),
            -x[6] + x[7].scale(-ONE),
            same - other + F::ONE,
            x[8].binary() + x[8].squared(),
            x[1],
            F::ZERO * x[2] + x[3].scale(Felt::new(2)) - x[4].scale(-Felt::new(2)),
        ]
    }

    /// Runs a program on a block and gives its outputs by row.
    fn outputs(nodes: &[Operation], outputs: &[Value]) -> Vec<Vec<Felt>> {
        let program = Program::new(nodes, outputs, INPUTS);
        let mut cells = program.cells();
        for (i, block) in cells[..INPUTS].iter_mut().enumerate() {
            for (part, packed) in block.iter_mut().enumerate() {
                *packed = Packed::from_fn(|lane| input(part * LANES + lane)[i]);
            }
        }
        program.run(&mut cells);
        (0..BLOCK)
            .map(|row| {
                let output = |i| program.output(&cells, i, row);
                (0..outputs.len()).map(output).collect()
            })
            .collect()
    }

    #[test]
    fn programs_compute_what_was_recorded() {
        let (nodes, recorded) = record(|| {
            let x: Vec<Value> = (0..INPUTS).map(Value::input).collect();
            compute(&x)
        });
        for (row, found) in outputs(&nodes, &recorded).into_iter().enumerate() {
            assert_eq!(found, compute(&input(row)), "row {row}");
        }
    }

    /// An expression in an extension field.
    fn extended<F: Algebra, E: ExtensionAlgebra<F>>(x: &[F], a: E, b: E) -> E {
        let mut sum = (a * b - a).times(x[6]) + E::ONE - b.scale(Felt::new(9));
        sum += -(a * a * b) + E::constant(Felt::new(3));
        sum
    }

    fn extensions_agree<E: FieldElement<BaseField = Felt>>() {
        let known = E::slice_from_base_elements(&input(99)[..E::EXTENSION_DEGREE])[0];
        let (nodes, recorded) = record(|| {
            let x: Vec<Value> = (0..INPUTS).map(Value::input).collect();
            let element = Extended::new(&x[..E::EXTENSION_DEGREE]);
            extended(&x, element, Extended::known(known))
        });
        let found = outputs(&nodes, recorded.coordinates());
        for (row, found) in found.into_iter().enumerate() {
            let x = input(row);
            let element = E::slice_from_base_elements(&x[..E::EXTENSION_DEGREE])[0];
            let expected = extended(&x, element, known);
            assert_eq!(E::slice_from_base_elements(&found), [expected], "row {row}");
        }
    }

    #[test]
    fn programs_compute_in_extensions() {
        extensions_agree::<QuadExtension<Felt>>();
        extensions_agree::<CubeExtension<Felt>>();
    }

    #[test]
    fn nothing_is_computed_twice_or_in_vain() {
        let (nodes, recorded) = record(|| {
            let [a, b] = [0, 1].map(Value::input);
            let _ = a - b;
            a * b + (b * a).scale(Felt::new(3))
        });
        let program = Program::new(&nodes, &[recorded], 2);
        assert_eq!(program.instructions.len(), 3);
        // Both products are in one cell, one after the other.
        assert!(program.num_cells <= 4);
    }
}
