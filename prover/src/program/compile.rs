//! From recorded operations to a program: what is computed, when, and where.

use std::{collections::HashMap, mem};

use miden_core::{Felt, ZERO};
use miden_cvm_air::symbolic::{Operation, Value};

use super::{Cell, Instruction, Output, Program, Sum};
use crate::dot::{MAX_PRODUCTS, from_limbs, limbs};

/// Terms of a sum that are added together: as many as there are cells to spare for what they are
/// made of.
const CHUNK: usize = 16;
const _: () = assert!(CHUNK <= MAX_PRODUCTS);

/// The number of products from which on it is faster to reduce only their sum.
const MIN_PRODUCTS: usize = 4;

/// Decides what is computed, and where.
pub struct Compiler<'a> {
    nodes: &'a [Operation],
    num_inputs: usize,
    /// The number of remaining uses of each node.
    uses: Vec<u32>,
    /// Nodes that are part of a sum, and not computed by themselves.
    inner: Vec<bool>,
    sums: HashMap<u32, Terms>,
    /// The sums that go on when a node is there.
    going_on: HashMap<u32, Vec<u32>>,
    cells: Vec<Cell>,
    free: Vec<Cell>,
    program: Program,
}

/// A term of a sum.
#[derive(Debug, Clone, Copy)]
enum Term {
    Plus(u32),
    Minus(u32),
    Multiple(u32, Felt),
    Product(u32, u32),
    MinusProduct(u32, u32),
}

/// A sum of terms that nothing but the sum needs.
#[derive(Debug)]
struct Terms {
    /// The terms that are still to be added, each with the node that it is there with.
    rest: Vec<(u32, Term)>,
    constant: Felt,
    /// Where the terms are that were added up already.
    cell: Option<Cell>,
}

impl<'a> Compiler<'a> {
    pub fn new(nodes: &'a [Operation], outputs: &[Value], num_inputs: usize) -> Self {
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
            uses,
            inner: vec![false; nodes.len()],
            sums: HashMap::new(),
            going_on: HashMap::new(),
            cells: vec![0; nodes.len()],
            free: Vec::new(),
            program: Program {
                instructions: Vec::new(),
                constants: Vec::new(),
                sums: Vec::new(),
                outputs: Vec::new(),
                num_cells: num_inputs,
            },
        }
    }

    pub fn compile(mut self, outputs: &[Value]) -> Program {
        self.find_sums();
        for node in 0..self.nodes.len() as u32 {
            let at = node as usize;
            if self.uses[at] == 0 {
                continue;
            }
            if !self.inner[at] {
                self.emit(node);
            }
            for sum in self.going_on.remove(&node).unwrap_or_default() {
                self.add_terms(sum, CHUNK);
            }
        }
        self.program.outputs = outputs
            .iter()
            .map(|&output| match output {
                Value::Constant(value) => Output::Constant(value),
                Value::Node(node) => Output::Cell(self.cell(node)),
            })
            .collect();
        self.program
    }

    /// Finds what is added up without being needed otherwise.
    fn find_sums(&mut self) {
        for root in (0..self.nodes.len() as u32).rev() {
            let at = root as usize;
            if self.uses[at] == 0 || self.inner[at] || !is_sum(self.nodes[at]) {
                continue;
            }
            let (mut rest, mut constant) = (Vec::new(), ZERO);
            let mut open = vec![(root, false)];
            while let Some((node, negative)) = open.pop() {
                let signed = |constant: Felt, negative| if negative { -constant } else { constant };
                let operands = match self.nodes[node as usize] {
                    Operation::Add(a, b) => [Some((a, negative)), Some((b, negative))],
                    Operation::Sub(a, b) => [Some((a, negative)), Some((b, !negative))],
                    Operation::Shift(a, c) => {
                        constant += signed(c.into(), negative);
                        [Some((a, negative)), None]
                    }
                    Operation::SubFrom(c, a) => {
                        constant += signed(c.into(), negative);
                        [Some((a, !negative)), None]
                    }
                    _ => [None, None],
                };
                for (operand, negative) in operands.into_iter().flatten() {
                    let operation = self.nodes[operand as usize];
                    let is_inner = self.uses[operand as usize] == 1;
                    if is_inner && is_sum(operation) {
                        self.inner[operand as usize] = true;
                        open.push((operand, negative));
                        continue;
                    }
                    let term = match operation {
                        Operation::Mul(a, b) if is_inner && negative => Term::MinusProduct(a, b),
                        Operation::Mul(a, b) if is_inner => Term::Product(a, b),
                        Operation::Scale(a, c) if is_inner => {
                            Term::Multiple(a, signed(c.into(), negative))
                        }
                        _ if negative => Term::Minus(operand),
                        _ => Term::Plus(operand),
                    };
                    if !matches!(term, Term::Plus(_) | Term::Minus(_)) {
                        self.inner[operand as usize] = true;
                    }
                    rest.push((operand, term));
                }
            }
            rest.sort_by_key(|&(node, _)| node);
            // What is left for the end is not empty.
            let mut added = CHUNK;
            while added < rest.len() {
                let (node, _) = rest[added - 1];
                self.going_on.entry(node).or_default().push(root);
                added += CHUNK;
            }
            let terms = Terms {
                rest,
                constant,
                cell: None,
            };
            self.sums.insert(root, terms);
        }
    }

    fn emit(&mut self, node: u32) {
        let operation = self.nodes[node as usize];
        if let Operation::Input(number) = operation {
            self.cells[node as usize] = number as Cell;
            return;
        }
        if self.sums.contains_key(&node) {
            self.add_terms(node, usize::MAX);
            return;
        }
        // A result may take an operand's cell: instructions read before they write.
        for operand in operation.operands() {
            self.release(operand);
        }
        let to = self.allocate();
        match operation {
            Operation::Mul(a, b) => self.push(Instruction::Mul(self.cell(a), self.cell(b), to)),
            Operation::Scale(a, c) => {
                let constant = self.constant(c.into());
                self.push(Instruction::Scale(self.cell(a), constant, to));
            }
            _ => unreachable!("inputs are there already, and all others are sums"),
        }
        self.cells[node as usize] = to;
    }

    /// Adds the next terms of a sum to those before; with the last ones, the constant too.
    fn add_terms(&mut self, root: u32, count: usize) {
        let Some(mut terms) = self.sums.remove(&root) else {
            return;
        };
        let later = terms.rest.split_off(count.min(terms.rest.len()));
        let now = mem::replace(&mut terms.rest, later);
        let constant = match terms.rest.is_empty() {
            true => mem::replace(&mut terms.constant, ZERO),
            false => ZERO,
        };
        let to = terms.cell.unwrap_or_else(|| self.allocate());
        self.add_up(&now, constant, terms.cell, to);
        for (_, term) in now {
            let (first, second) = match term {
                Term::Plus(a) | Term::Minus(a) | Term::Multiple(a, _) => (a, None),
                Term::Product(a, b) | Term::MinusProduct(a, b) => (a, Some(b)),
            };
            self.release(first);
            if let Some(second) = second {
                self.release(second);
            }
        }
        if terms.rest.is_empty() {
            self.cells[root as usize] = to;
        } else {
            terms.cell = Some(to);
            self.sums.insert(root, terms);
        }
    }

    /// Adds terms and a constant to what is in `start`, if there is anything, into `to`.
    fn add_up(&mut self, terms: &[(u32, Term)], constant: Felt, start: Option<Cell>, to: Cell) {
        let (mut added, mut subtracted) = (Sum::default(), Sum::default());
        let (mut plus, mut minus) = (Vec::new(), Vec::new());
        for &(_, term) in terms {
            match term {
                Term::Plus(a) => plus.push(self.cell(a)),
                Term::Minus(a) => minus.push(self.cell(a)),
                Term::Multiple(a, c) => added.multiples.push((self.cell(a), limbs(c.inner()))),
                Term::Product(a, b) => added.products.push((self.cell(a), self.cell(b))),
                Term::MinusProduct(a, b) => subtracted.products.push((self.cell(a), self.cell(b))),
            }
        }
        let mut from = start;
        if added.len() >= MIN_PRODUCTS {
            added.start = from;
            self.sum(mem::take(&mut added), to);
            from = Some(to);
        }
        // Something to begin with that is not subtracted, if there is.
        let mut plus = plus.into_iter();
        from = from.or_else(|| plus.next());
        for (a, c) in added.multiples {
            let c = self.constant(from_limbs(c));
            self.push(match from {
                Some(from) => Instruction::ScaleAdd(a, c, from, to),
                None => Instruction::Scale(a, c, to),
            });
            from = Some(to);
        }
        for (a, b) in added.products {
            self.push(match from {
                Some(from) => Instruction::MulAdd(a, b, from, to),
                None => Instruction::Mul(a, b, to),
            });
            from = Some(to);
        }
        for a in plus {
            let sum = from.map_or(a, |from| {
                self.push(Instruction::Add(from, a, to));
                to
            });
            from = Some(sum);
        }
        let mut constant = Some(constant).filter(|&constant| constant != ZERO);
        for a in minus {
            match from {
                Some(from) => self.push(Instruction::Sub(from, a, to)),
                None => {
                    let constant = self.constant(constant.take().unwrap_or(ZERO));
                    self.push(Instruction::SubFrom(constant, a, to));
                }
            }
            from = Some(to);
        }
        if subtracted.len() >= MIN_PRODUCTS {
            let sum = self.allocate();
            self.sum(mem::take(&mut subtracted), sum);
            match from {
                Some(from) => self.push(Instruction::Sub(from, sum, to)),
                None => {
                    let constant = self.constant(constant.take().unwrap_or(ZERO));
                    self.push(Instruction::SubFrom(constant, sum, to));
                }
            }
            self.free.push(sum);
            from = Some(to);
        }
        for (a, b) in subtracted.products {
            match from {
                Some(from) => self.push(Instruction::MulSub(a, b, from, to)),
                None => {
                    self.push(Instruction::Mul(a, b, to));
                    let constant = self.constant(constant.take().unwrap_or(ZERO));
                    self.push(Instruction::SubFrom(constant, to, to));
                }
            }
            from = Some(to);
        }
        match (from, constant) {
            (Some(from), None) if from == to => {}
            // A sum is a cell of its own, even if it comes to one of its terms.
            (Some(from), constant) => {
                let constant = self.constant(constant.unwrap_or(ZERO));
                self.push(Instruction::Shift(from, constant, to));
            }
            (None, _) => unreachable!("a sum has a term"),
        }
    }

    fn push(&mut self, instruction: Instruction) {
        self.program.instructions.push(instruction);
    }

    fn sum(&mut self, sum: Sum, to: Cell) {
        let number = self.program.sums.len();
        let number = u16::try_from(number).expect("there are fewer than 2^16 sums");
        self.program.sums.push(sum);
        self.push(Instruction::Sum(number, to));
    }

    fn cell(&self, node: u32) -> Cell {
        self.cells[node as usize]
    }

    fn allocate(&mut self) -> Cell {
        self.free.pop().unwrap_or_else(|| {
            self.program.num_cells += 1;
            Cell::try_from(self.program.num_cells - 1).expect("there are fewer than 2^16 cells")
        })
    }

    /// Frees a node's cell if nothing else needs it.
    fn release(&mut self, node: u32) {
        let uses = &mut self.uses[node as usize];
        *uses -= 1;
        let cell = self.cells[node as usize];
        if *uses == 0 && usize::from(cell) >= self.num_inputs {
            self.free.push(cell);
        }
    }

    fn constant(&mut self, constant: Felt) -> u16 {
        let constants = &mut self.program.constants;
        constants.push(constant);
        u16::try_from(constants.len() - 1).expect("there are fewer than 2^16 constants")
    }
}

impl Sum {
    fn len(&self) -> usize {
        self.products.len() + self.multiples.len()
    }
}

/// Returns `true` if an operation adds or subtracts.
fn is_sum(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::Add(..) | Operation::Sub(..) | Operation::Shift(..) | Operation::SubFrom(..)
    )
}
