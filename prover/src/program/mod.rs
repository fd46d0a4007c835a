//! Arithmetic on many rows at once: straight-line programs over blocks of rows.
//!
//! The constraints are declared once, for any values. Here they compute with values that
//! [record](miden_cvm_air::symbolic) what is done to them, so that no expression is computed twice, and nothing
//! that no output needs. The [`Program`] that results runs over [`BLOCK`] rows with every
//! instruction, which is a loop that the compiler vectorizes and makes what it takes to fetch the
//! instruction small.

mod compile;
mod extended;

pub use extended::Extended;
use miden_core::Felt;
use miden_cvm_air::symbolic::{Operation, Value};

use self::compile::Compiler;
use crate::{
    dot::{Dot, Limbs, limbs_of},
    packed::{LANES, Packed, Vectorizable, vectorized},
};

/// Number of rows that an instruction is done for.
pub const BLOCK: usize = 64;

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
    /// A product of the first two plus the third.
    MulAdd(Cell, Cell, Cell, Cell),
    /// The third minus a product of the first two.
    MulSub(Cell, Cell, Cell, Cell),
    /// With the number of a constant.
    Shift(Cell, u16, Cell),
    /// A constant minus a cell.
    SubFrom(u16, Cell, Cell),
    Scale(Cell, u16, Cell),
    /// A multiple of the first plus the third.
    ScaleAdd(Cell, u16, Cell, Cell),
    /// The sum of products with this number.
    Sum(u16, Cell),
}

/// A sum of many products.
#[derive(Debug, Default)]
struct Sum {
    products: Vec<(Cell, Cell)>,
    multiples: Vec<(Cell, Limbs)>,
    /// The term that is added to it.
    start: Option<Cell>,
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
    sums: Vec<Sum>,
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
                Instruction::MulAdd(a, b, c, to) => {
                    each_part!(to, |i| part!(c[i]) + part!(a[i]) * part!(b[i]));
                }
                Instruction::MulSub(a, b, c, to) => {
                    each_part!(to, |i| part!(c[i]) - part!(a[i]) * part!(b[i]));
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
                Instruction::ScaleAdd(a, c, b, to) => {
                    let c = program.constants[usize::from(c)];
                    each_part!(to, |i| part!(b[i]) + part!(a[i]) * c);
                }
                Instruction::Sum(sum, to) => {
                    let sum = &program.sums[usize::from(sum)];
                    each_part!(to, |i| {
                        let mut dot = Dot::ZERO;
                        for &(a, limbs) in &sum.multiples {
                            dot.add(&part!(a[i]), &limbs.map(|limb| [limb; LANES]));
                        }
                        for &(a, b) in &sum.products {
                            dot.add(&part!(a[i]), &limbs_of(&part!(b[i])));
                        }
                        match sum.start {
                            Some(start) => part!(start[i]) + dot.reduced(),
                            None => dot.reduced(),
                        }
                    });
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
        symbolic::{Expression, record},
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
            many(x, F::ZERO),
            -many(x, c),
            x[0] - (x[1] * x[2] + x[2] * x[3] + x[3] * x[4] + x[4] * x[5] + x[5] * x[6]),
            -(x[0] * x[1]) - x[3] * x[4] - x[5] * x[6] - x[7] * x[8] - x[0] * x[8],
            c - x[1] * x[3],
            x[0] + F::ONE - F::ONE,
        ]
    }

    /// A sum of products, multiples and others, more than are added at a time.
    fn many<F: Algebra>(x: &[F], start: F) -> F {
        let mut sum = start;
        for (i, &a) in x.iter().enumerate() {
            for (j, &b) in x[i..].iter().enumerate() {
                let product = (a + F::int(i as u64)) * (b - F::int(j as u64));
                match (i + j) % 5 {
                    0 => sum -= product,
                    1 => sum += product.scale(Felt::new(0xffff_ffff_0000_0003 << i)),
                    2 => sum -= (a - b).scale(Felt::new(j as u64 + 3)),
                    3 => sum += a.binary() + b,
                    _ => sum += product,
                }
            }
        }
        sum
    }

    fn values(recorded: &[Expression<'_>]) -> Vec<Value> {
        recorded
            .iter()
            .map(|expression| expression.value())
            .collect()
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
        let (nodes, recorded) = record(|recorder| {
            let x = (0..INPUTS).map(|number| recorder.input(number));
            values(&compute(&x.collect::<Vec<_>>()))
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
        let (nodes, recorded) = record(|recorder| {
            let x = (0..INPUTS).map(|number| recorder.input(number));
            let x: Vec<Expression<'_>> = x.collect();
            let element = Extended::new(&x[..E::EXTENSION_DEGREE]);
            values(extended(&x, element, Extended::known(known)).coordinates())
        });
        let found = outputs(&nodes, &recorded);
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
        let (nodes, recorded) = record(|recorder| {
            let [a, b] = [0, 1].map(|number| recorder.input(number));
            let _ = a - b;
            (a * b + (b * a).scale(Felt::new(3))).value()
        });
        let program = Program::new(&nodes, &[recorded], 2);
        assert_eq!(program.instructions.len(), 2);
        assert!(program.num_cells <= 4);
    }
}
