//! Recording what an expression does, by computing with it.
//!
//! The constraints are declared once, for any values. Computing with an [`Expression`] records every
//! operation as a node. Whoever needs values computes the nodes, the prover compiles them, and the audit
//! reasons about them.

use alloc::{collections::BTreeMap, vec::Vec};
use core::{
    cell::RefCell,
    ops::{Add, AddAssign, Mul, Neg, Sub, SubAssign},
};

use miden_core::Felt;
use winter_math::FieldElement;

use crate::algebra::{Algebra, ExtensionAlgebra};

const ZERO: Felt = <Felt as FieldElement>::ZERO;
const ONE: Felt = <Felt as FieldElement>::ONE;

/// The operation that a node computes. Constants are operands only of the operations that have
/// them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// An input, by its number.
    Input(u32),
    /// The sum of two nodes.
    Add(u32, u32),
    /// The difference of two nodes.
    Sub(u32, u32),
    /// The product of two nodes.
    Mul(u32, u32),
    /// A node plus a constant.
    Shift(u32, Constant),
    /// A constant minus a node.
    SubFrom(Constant, u32),
    /// A node times a constant.
    Scale(u32, Constant),
}

impl Operation {
    /// The nodes that it uses.
    pub fn operands(self) -> impl Iterator<Item = u32> {
        let (first, second) = match self {
            Self::Input(_) => (None, None),
            Self::Add(a, b) | Self::Sub(a, b) | Self::Mul(a, b) => (Some(a), Some(b)),
            Self::Shift(a, _) | Self::SubFrom(_, a) | Self::Scale(a, _) => (Some(a), None),
        };
        first.into_iter().chain(second)
    }
}

/// A constant, as the representative of a field element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Constant(u64);

impl From<Felt> for Constant {
    fn from(value: Felt) -> Self {
        Self(value.inner())
    }
}

impl From<Constant> for Felt {
    fn from(Constant(inner): Constant) -> Self {
        Self::from_mont(inner)
    }
}

/// A recorded value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// Known already.
    Constant(Felt),
    /// Computed by a node.
    Node(u32),
}

impl Value {
    /// The value, given those of all nodes.
    pub fn of<E: Algebra>(self, nodes: &[E]) -> E {
        match self {
            Self::Constant(value) => E::constant(value),
            Self::Node(node) => nodes[node as usize],
        }
    }
}

/// Takes down operations. Equal ones are one node.
#[derive(Debug, Default)]
pub struct Recorder(RefCell<Nodes>);

/// The nodes recorded so far.
#[derive(Debug, Default)]
struct Nodes {
    nodes: Vec<Operation>,
    numbers: BTreeMap<Operation, u32>,
}

impl Nodes {
    /// The number of an operation, which becomes a node if it is none.
    fn number(&mut self, operation: Operation) -> u32 {
        let nodes = &mut self.nodes;
        *self.numbers.entry(operation).or_insert_with(|| {
            nodes.push(operation);
            (nodes.len() - 1) as u32
        })
    }
}

impl Recorder {
    /// Goes on with nodes that were recorded.
    pub fn from_nodes(nodes: &[Operation]) -> Self {
        let recorder = Self::default();
        for &node in nodes {
            recorder.0.borrow_mut().number(node);
        }
        recorder
    }

    /// An input.
    pub fn input(&self, number: usize) -> Expression<'_> {
        let number = u32::try_from(number).expect("a frame has fewer than 2^32 cells");
        self.computed(Operation::Input(number))
    }

    /// The nodes, operands before results.
    pub fn into_nodes(self) -> Vec<Operation> {
        self.0.into_inner().nodes
    }

    fn computed(&self, operation: Operation) -> Expression<'_> {
        Expression::Node(self.0.borrow_mut().number(operation), self)
    }

    /// The node that this one is the negation of, if it is one.
    fn negated(&self, node: u32) -> Option<u32> {
        match self.0.borrow().nodes[node as usize] {
            Operation::SubFrom(zero, negated) if Felt::from(zero) == ZERO => Some(negated),
            _ => None,
        }
    }
}

/// A value while it is recorded.
#[derive(Debug, Clone, Copy)]
pub enum Expression<'r> {
    /// Known already.
    Constant(Felt),
    /// Computed by a node of a recorder.
    Node(u32, &'r Recorder),
}

/// Records what `compute` does. Returns the nodes, operands before results, and what `compute` returned.
pub fn record<R>(compute: impl FnOnce(&Recorder) -> R) -> (Vec<Operation>, R) {
    let recorder = Recorder::default();
    let result = compute(&recorder);
    (recorder.into_nodes(), result)
}

/// Computes the nodes that are needed, given the inputs. The others are 0.
pub fn compute<E: Algebra>(
    nodes: &[Operation],
    is_needed: &[bool],
    input: impl Fn(usize) -> E,
) -> Vec<E> {
    let mut values = alloc::vec![E::ZERO; is_needed.len()];
    // Of a slice elements are read without a call, in builds that are little optimized, too.
    let of: &mut [E] = &mut values;
    for (at, (&node, &is_needed)) in nodes.iter().zip(is_needed).enumerate() {
        if !is_needed {
            continue;
        }
        of[at] = match node {
            Operation::Input(number) => input(number as usize),
            Operation::Add(a, b) => of[a as usize] + of[b as usize],
            Operation::Sub(a, b) => of[a as usize] - of[b as usize],
            Operation::Mul(a, b) => of[a as usize] * of[b as usize],
            Operation::Shift(a, c) => of[a as usize] + E::constant(c.into()),
            Operation::SubFrom(c, a) => E::constant(c.into()) - of[a as usize],
            Operation::Scale(a, c) => of[a as usize].scale(c.into()),
        };
    }
    values
}

/// Tells which nodes these values need.
pub fn needed(nodes: &[Operation], values: impl IntoIterator<Item = Value>) -> Vec<bool> {
    let mut is_needed = alloc::vec![false; nodes.len()];
    for value in values {
        if let Value::Node(node) = value {
            is_needed[node as usize] = true;
        }
    }
    for node in (0..nodes.len()).rev() {
        if is_needed[node] {
            for operand in nodes[node].operands() {
                is_needed[operand as usize] = true;
            }
        }
    }
    is_needed
}

impl Expression<'_> {
    /// The value, which outlives the recorder.
    pub fn value(self) -> Value {
        match self {
            Self::Constant(value) => Value::Constant(value),
            Self::Node(node, _) => Value::Node(node),
        }
    }
}

impl Add for Expression<'_> {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        match (self, other) {
            (Self::Constant(a), Self::Constant(b)) => Self::Constant(a + b),
            (Self::Constant(c), x) | (x, Self::Constant(c)) if c == ZERO => x,
            (Self::Constant(c), Self::Node(a, r)) | (Self::Node(a, r), Self::Constant(c)) => {
                r.computed(Operation::Shift(a, c.into()))
            }
            (Self::Node(a, r), Self::Node(b, _)) => match (r.negated(a), r.negated(b)) {
                (_, Some(b)) => Self::Node(a, r) - Self::Node(b, r),
                (Some(a), None) => Self::Node(b, r) - Self::Node(a, r),
                (None, None) => r.computed(Operation::Add(a.min(b), a.max(b))),
            },
        }
    }
}

impl Sub for Expression<'_> {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        match (self, other) {
            (x, Self::Constant(c)) => x + Self::Constant(-c),
            (Self::Constant(c), Self::Node(a, r)) => r.computed(Operation::SubFrom(c.into(), a)),
            (Self::Node(a, _), Self::Node(b, _)) if a == b => Self::ZERO,
            (Self::Node(a, r), Self::Node(b, _)) => match r.negated(b) {
                Some(b) => Self::Node(a, r) + Self::Node(b, r),
                None => r.computed(Operation::Sub(a, b)),
            },
        }
    }
}

impl Mul for Expression<'_> {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        match (self, other) {
            (Self::Constant(c), x) | (x, Self::Constant(c)) => x.scale(c),
            (Self::Node(a, r), Self::Node(b, _)) => r.computed(Operation::Mul(a.min(b), a.max(b))),
        }
    }
}

impl Neg for Expression<'_> {
    type Output = Self;

    fn neg(self) -> Self {
        Self::ZERO - self
    }
}

impl AddAssign for Expression<'_> {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for Expression<'_> {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Algebra for Expression<'_> {
    const ZERO: Self = Self::Constant(ZERO);
    const ONE: Self = Self::Constant(ONE);

    fn constant(value: Felt) -> Self {
        Self::Constant(value)
    }

    fn scale(self, factor: Felt) -> Self {
        let two = ONE + ONE;
        match self {
            Self::Constant(value) => Self::Constant(value * factor),
            _ if factor == ZERO => Self::ZERO,
            _ if factor == ONE => self,
            _ if factor == -ONE => -self,
            _ if factor == two => self + self,
            _ if factor == -two => -(self + self),
            Self::Node(a, r) => r.computed(Operation::Scale(a, factor.into())),
        }
    }
}

/// A recorded value may stand for one of an extension as well.
impl ExtensionAlgebra<Self> for Expression<'_> {
    fn times(self, factor: Self) -> Self {
        self * factor
    }
}
