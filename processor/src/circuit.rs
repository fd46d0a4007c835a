//! Arithmetic circuits: instructions, wires, and what an evaluation leaves for the trace.

use miden_core::{Felt, FieldElement, QuadFelt, Word};
use miden_cvm_air::chiplets::circuits::{ID_BITS, MAX_WIRES};

use crate::{context::ContextId, error::AceError};

/// The operation of a gate on its two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GateOperation {
    /// The left operand minus the right one.
    Sub,
    /// The product.
    Mul,
    /// The sum.
    Add,
}

/// A gate of a circuit, as its instruction says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gate {
    /// Its operation.
    pub operation: GateOperation,
    /// Number of the left operand's wire.
    pub left: u32,
    /// Number of the right operand's wire.
    pub right: u32,
}

impl Gate {
    /// Decodes an instruction: `left + 2^30 * right + 2^60 * operation`.
    ///
    /// # Errors
    /// If the operation is none of the three.
    pub fn decode(instruction: Felt) -> Result<Self, AceError> {
        let bits = instruction.as_int();
        let id = |shift: u32| ((bits >> shift) & MAX_WIRES) as u32;
        let operation = match bits >> (2 * ID_BITS) {
            0 => GateOperation::Sub,
            1 => GateOperation::Mul,
            2 => GateOperation::Add,
            _ => return Err(AceError::FailedDecodeInstruction),
        };
        Ok(Self {
            operation,
            left: id(0),
            right: id(ID_BITS),
        })
    }

    /// The instruction that [`Self::decode`] takes apart; numbers have at most 30 bits.
    pub fn encode(self) -> Felt {
        let operation = match self.operation {
            GateOperation::Sub => 0,
            GateOperation::Mul => 1,
            GateOperation::Add => 2u64,
        };
        Felt::new(
            u64::from(self.left) | u64::from(self.right) << ID_BITS | operation << (2 * ID_BITS),
        )
    }

    fn apply(self, left: QuadFelt, right: QuadFelt) -> QuadFelt {
        match self.operation {
            GateOperation::Sub => left - right,
            GateOperation::Mul => left * right,
            GateOperation::Add => left + right,
        }
    }
}

/// An evaluation of a circuit, wire by wire.
#[derive(Debug, Clone)]
pub struct CircuitEvaluation {
    /// The context in whose memory the circuit is.
    pub context: ContextId,
    /// The cycle.
    pub clk: u32,
    /// Address of the first variable.
    pub address: u32,
    /// Number of variables.
    pub num_read: u32,
    /// Values of the variables, then of the gates. The first one's number is the number of all
    /// wires less 1, the last one's is 0.
    pub wires: Vec<QuadFelt>,
    /// The gates.
    pub gates: Vec<Gate>,
}

/// The numbers of variables and gates of a circuit, which an evaluation can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CircuitSize {
    /// Variables; a multiple of 2.
    pub num_read: u32,
    /// Gates; a multiple of 4.
    pub num_eval: u32,
}

impl CircuitSize {
    /// Takes the numbers off the stack.
    ///
    /// # Errors
    /// If there are too many wires, or if variables or gates do not fill words.
    pub fn new(num_read: Felt, num_eval: Felt) -> Result<Self, AceError> {
        let (num_read, num_eval) = (num_read.as_int(), num_eval.as_int());
        let num_wires = num_read.saturating_add(num_eval);
        if num_wires > MAX_WIRES {
            return Err(AceError::TooManyWires(num_wires));
        }
        if num_read == 0 || !num_read.is_multiple_of(2) {
            return Err(AceError::NumVarIsNotWordAlignedOrIsEmpty(num_read));
        }
        if num_eval == 0 || !num_eval.is_multiple_of(4) {
            return Err(AceError::NumEvalIsNotWordAlignedOrIsEmpty(num_eval));
        }
        Ok(Self {
            num_read: num_read as u32,
            num_eval: num_eval as u32,
        })
    }

    fn wires(self) -> u32 {
        self.num_read + self.num_eval
    }
}

/// The wires of an evaluation that is going on.
#[derive(Debug)]
pub(crate) struct Wires {
    size: CircuitSize,
    values: Vec<QuadFelt>,
}

impl Wires {
    /// No wires yet, of a circuit of this size.
    pub fn new(size: CircuitSize) -> Self {
        // The size is the program's claim: nothing is allocated for it before it is read.
        let values = Vec::new();
        Self { size, values }
    }

    /// Adds a word of two variables.
    pub fn read(&mut self, word: Word) {
        let [a0, a1, b0, b1] = word.into();
        self.values
            .extend([QuadFelt::new(a0, a1), QuadFelt::new(b0, b1)]);
    }

    /// Adds the result of the gate that an instruction stands for.
    ///
    /// # Errors
    /// If the instruction is none, or an operand comes no earlier than the gate.
    pub fn eval(&mut self, instruction: Felt) -> Result<Gate, AceError> {
        let gate = Gate::decode(instruction)?;
        let (left, right) = (self.value(gate.left)?, self.value(gate.right)?);
        self.values.push(gate.apply(left, right));
        Ok(gate)
    }

    fn value(&self, id: u32) -> Result<QuadFelt, AceError> {
        self.size
            .wires()
            .checked_sub(id + 1)
            .and_then(|position| self.values.get(position as usize))
            .copied()
            .ok_or(AceError::FailedWireBusRead)
    }

    /// The values of all wires.
    ///
    /// # Errors
    /// If the last one is not zero.
    pub fn finish(self) -> Result<Vec<QuadFelt>, AceError> {
        if self.values.last() == Some(&QuadFelt::ZERO) {
            Ok(self.values)
        } else {
            Err(AceError::CircuitNotEvaluateZero)
        }
    }
}
