//! The operations of basic blocks, a file for each family.

pub(crate) mod cipher;
mod circuit;
mod crypto;
mod field;
mod io;
pub(crate) mod polynomial;
mod stack_ops;
mod system;
mod u32_ops;

use miden_core::{Felt, ONE, Operation, ZERO, mast::MastForest};

use crate::{
    error::{OpResult, Trap},
    machine::process::Process,
    tracer::Tracer,
};

/// The outcome of the execution of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All of it is done.
    Done,
    /// It emits an event that the host has to answer; then it is done.
    HostEvent,
}

/// The truth value that an element stands for, if it is 0 or 1.
#[inline]
pub(crate) fn truth(value: Felt) -> Option<bool> {
    if value == ZERO {
        return Some(false);
    }
    (value == ONE).then_some(true)
}

impl<T: Tracer> Process<T> {
    /// Executes one operation of a basic block, except for the passing of its cycle.
    ///
    /// # Errors
    /// The operation's own traps; an operation that cannot stand in a block is one.
    #[inline(always)]
    pub(crate) fn execute_op(&mut self, op: &Operation, forest: &MastForest) -> OpResult<Outcome> {
        let clk = self.clk;
        let stack = &mut self.stack;
        match op {
            // system
            Operation::Noop => {}
            Operation::Assert(code) => system::assert(stack, *code, forest)?,
            Operation::SDepth => system::sdepth(stack, clk),
            Operation::Caller => self.op_caller(),
            Operation::Clk => stack.push(clk.into(), clk),
            Operation::Emit => return self.op_emit(),

            // field
            Operation::Add => field::add(stack),
            Operation::Neg => field::neg(stack),
            Operation::Mul => field::mul(stack),
            Operation::Inv => field::inv(stack)?,
            Operation::Incr => field::incr(stack),
            Operation::And => field::and(stack)?,
            Operation::Or => field::or(stack)?,
            Operation::Not => field::not(stack)?,
            Operation::Eq => field::eq(stack),
            Operation::Eqz => field::eqz(stack),
            Operation::Expacc => field::expacc(stack),
            Operation::Ext2Mul => field::ext2mul(stack),

            // u32
            Operation::U32split => u32_ops::split(stack, clk),
            Operation::U32add => u32_ops::add(stack)?,
            Operation::U32add3 => u32_ops::add3(stack)?,
            Operation::U32sub => u32_ops::sub(stack)?,
            Operation::U32mul => u32_ops::mul(stack)?,
            Operation::U32madd => u32_ops::madd(stack)?,
            Operation::U32div => u32_ops::div(stack)?,
            Operation::U32and => u32_ops::and(stack, &mut self.tracer)?,
            Operation::U32xor => u32_ops::xor(stack, &mut self.tracer)?,
            Operation::U32assert2(code) => u32_ops::assert2(stack, *code, forest)?,

            // stack manipulation
            Operation::Pad => stack.push(miden_core::ZERO, clk),
            Operation::Drop => stack.drop_top(),
            Operation::Dup0 => stack_ops::dup::<0>(stack, clk),
            Operation::Dup1 => stack_ops::dup::<1>(stack, clk),
            Operation::Dup2 => stack_ops::dup::<2>(stack, clk),
            Operation::Dup3 => stack_ops::dup::<3>(stack, clk),
            Operation::Dup4 => stack_ops::dup::<4>(stack, clk),
            Operation::Dup5 => stack_ops::dup::<5>(stack, clk),
            Operation::Dup6 => stack_ops::dup::<6>(stack, clk),
            Operation::Dup7 => stack_ops::dup::<7>(stack, clk),
            Operation::Dup9 => stack_ops::dup::<9>(stack, clk),
            Operation::Dup11 => stack_ops::dup::<11>(stack, clk),
            Operation::Dup13 => stack_ops::dup::<13>(stack, clk),
            Operation::Dup15 => stack_ops::dup::<15>(stack, clk),
            Operation::Swap => stack.top16_mut().swap(0, 1),
            Operation::SwapW => stack_ops::swap_blocks::<4>(stack, 4),
            Operation::SwapW2 => stack_ops::swap_blocks::<4>(stack, 8),
            Operation::SwapW3 => stack_ops::swap_blocks::<4>(stack, 12),
            Operation::SwapDW => stack_ops::swap_blocks::<8>(stack, 8),
            Operation::MovUp2 => stack_ops::movup::<2>(stack),
            Operation::MovUp3 => stack_ops::movup::<3>(stack),
            Operation::MovUp4 => stack_ops::movup::<4>(stack),
            Operation::MovUp5 => stack_ops::movup::<5>(stack),
            Operation::MovUp6 => stack_ops::movup::<6>(stack),
            Operation::MovUp7 => stack_ops::movup::<7>(stack),
            Operation::MovUp8 => stack_ops::movup::<8>(stack),
            Operation::MovDn2 => stack_ops::movdn::<2>(stack),
            Operation::MovDn3 => stack_ops::movdn::<3>(stack),
            Operation::MovDn4 => stack_ops::movdn::<4>(stack),
            Operation::MovDn5 => stack_ops::movdn::<5>(stack),
            Operation::MovDn6 => stack_ops::movdn::<6>(stack),
            Operation::MovDn7 => stack_ops::movdn::<7>(stack),
            Operation::MovDn8 => stack_ops::movdn::<8>(stack),
            Operation::CSwap => stack_ops::cswap(stack)?,
            Operation::CSwapW => stack_ops::cswapw(stack)?,

            // input and output
            Operation::Push(value) => stack.push(*value, clk),
            Operation::AdvPop => self.op_advpop()?,
            Operation::AdvPopW => self.op_advpopw()?,
            Operation::MLoadW => self.op_mloadw()?,
            Operation::MStoreW => self.op_mstorew()?,
            Operation::MLoad => self.op_mload()?,
            Operation::MStore => self.op_mstore()?,
            Operation::MStream => self.op_mstream()?,
            Operation::Pipe => self.op_pipe()?,

            // polynomials
            Operation::FriE2F4 => polynomial::fri_fold(stack)?,
            Operation::HornerBase => self.op_horner_base()?,
            Operation::HornerExt => self.op_horner_ext()?,

            // cryptography
            Operation::CryptoStream => self.op_crypto_stream()?,
            Operation::LogPrecompile => self.op_log_precompile(),
            Operation::HPerm => self.op_hperm(),
            Operation::MpVerify(code) => self.op_mpverify(*code, forest)?,
            Operation::MrUpdate => self.op_mrupdate()?,
            Operation::EvalCircuit => self.op_evalcircuit()?,

            Operation::Join
            | Operation::Split
            | Operation::Loop
            | Operation::Call
            | Operation::SysCall
            | Operation::Dyn
            | Operation::Dyncall
            | Operation::Span
            | Operation::Repeat
            | Operation::Respan
            | Operation::End
            | Operation::Halt => {
                return Err(Box::new(Trap::ControlFlowInBlock(*op)));
            }
        }
        Ok(Outcome::Done)
    }
}
