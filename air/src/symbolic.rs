//! Recording what an expression does, by computing with it.
//!
//! The constraints are declared once, for any values. Computing with a [`Value`] records every
//! operation as a node; the prover compiles the nodes, and the audit reasons about them.

use alloc::vec::Vec;
use core::ops::{Add, AddAssign, Mul, Neg, Sub, SubAssign};
use std::{cell::RefCell, collections::HashMap};

use miden_core::Felt;
use winter_math::FieldElement;

use crate::algebra::{Algebra, ExtensionAlgebra};

const ZERO: Felt = <Felt as FieldElement>::ZERO;
const ONE: Felt = <Felt as FieldElement>::ONE;

/// The operation that a node computes. Constants are operands only of the operations that have
/// them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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

/// A value while a program is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// Known already.
    Constant(Felt),
    /// Computed by a node.
    Node(u32),
}

/// The nodes recorded so far. Equal operations are one node.
#[derive(Debug, Default)]
struct Recorder {
    nodes: Vec<Operation>,
    numbers: HashMap<Operation, u32>,
}

thread_local! {
    /// Values are operated on without a recorder at hand, so there is one per thread.
    static RECORDER: RefCell<Recorder> = RefCell::default();
}

/// Records what `compute` does on this thread. Returns the nodes, operands before results, and what
/// `compute` returned.
pub fn record<R>(compute: impl FnOnce() -> R) -> (Vec<Operation>, R) {
    RECORDER.take();
    let result = compute();
    (RECORDER.take().nodes, result)
}

impl Value {
    /// An input.
    pub fn input(number: usize) -> Self {
        let number = u32::try_from(number).expect("a frame has fewer than 2^32 cells");
        Self::computed(Operation::Input(number))
    }

    fn computed(operation: Operation) -> Self {
        RECORDER.with_borrow_mut(|Recorder { nodes, numbers }| {
            let number = *numbers.entry(operation).or_insert_with(|| {
                nodes.push(operation);
                (nodes.len() - 1) as u32
            });
            Self::Node(number)
        })
    }

    /// The node that this one is the negation of, if it is one.
    fn negated(node: u32) -> Option<u32> {
        RECORDER.with_borrow(|recorder| match recorder.nodes[node as usize] {
            Operation::SubFrom(zero, negated) if Felt::from(zero) == ZERO => Some(negated),
            _ => None,
        })
    }
}

impl Add for Value {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        match (self, other) {
            (Self::Constant(a), Self::Constant(b)) => Self::Constant(a + b),
            (Self::Constant(c), x) | (x, Self::Constant(c)) if c == ZERO => x,
            (Self::Constant(c), Self::Node(a)) | (Self::Node(a), Self::Constant(c)) => {
                Self::computed(Operation::Shift(a, c.into()))
            }
            (Self::Node(a), Self::Node(b)) => match (Self::negated(a), Self::negated(b)) {
                (_, Some(b)) => Self::Node(a) - Self::Node(b),
                (Some(a), None) => Self::Node(b) - Self::Node(a),
                (None, None) => Self::computed(Operation::Add(a.min(b), a.max(b))),
            },
        }
    }
}

impl Sub for Value {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        match (self, other) {
            (x, Self::Constant(c)) => x + Self::Constant(-c),
            (Self::Constant(c), Self::Node(a)) => Self::computed(Operation::SubFrom(c.into(), a)),
            (Self::Node(a), Self::Node(b)) if a == b => Self::ZERO,
            (Self::Node(a), Self::Node(b)) => match Self::negated(b) {
                Some(b) => Self::Node(a) + Self::Node(b),
                None => Self::computed(Operation::Sub(a, b)),
            },
        }
    }
}

impl Mul for Value {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        match (self, other) {
            (Self::Constant(c), x) | (x, Self::Constant(c)) => x.scale(c),
            (Self::Node(a), Self::Node(b)) => Self::computed(Operation::Mul(a.min(b), a.max(b))),
        }
    }
}

impl Neg for Value {
    type Output = Self;

    fn neg(self) -> Self {
        Self::ZERO - self
    }
}

impl AddAssign for Value {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for Value {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Algebra for Value {
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
            Self::Node(a) => Self::computed(Operation::Scale(a, factor.into())),
        }
    }
}

/// A recorded value may stand for one of an extension as well.
impl ExtensionAlgebra<Self> for Value {
    fn times(self, factor: Self) -> Self {
        self * factor
    }
}
