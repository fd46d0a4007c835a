//! EVALCIRCUIT.

use miden_core::Felt;

use crate::{
    circuit::{CircuitEvaluation, CircuitSize, Wires},
    error::{AceError, OpResult, Trap},
    machine::process::Process,
    tracer::Tracer,
};

const WORD: Felt = Felt::new(4);

impl<T: Tracer> Process<T> {
    /// Checks that the circuit at `[ptr, num_read, num_eval, ...]` evaluates to zero.
    pub(super) fn op_evalcircuit(&mut self) -> OpResult {
        let start = self.stack.get(0);
        let size = CircuitSize::new(self.stack.get(1), self.stack.get(2)).map_err(trap)?;
        let elements = 2 * u64::from(size.num_read) + u64::from(size.num_eval);
        self.bulk.take(elements)?;
        let mut wires = Wires::new(size);
        let mut gates = Vec::new();
        let mut ptr = start;
        for _ in 0..size.num_read / 2 {
            wires.read(self.read_word(ptr)?);
            ptr += WORD;
        }
        for _ in 0..size.num_eval / 4 {
            for &instruction in self.read_word(ptr)?.iter() {
                let gate = wires.eval(instruction).map_err(trap)?;
                if T::ENABLED {
                    gates.push(gate);
                }
            }
            ptr += WORD;
        }
        let wires = wires.finish().map_err(trap)?;
        if T::ENABLED {
            self.tracer.circuit(CircuitEvaluation {
                context: self.context,
                clk: self.clk,
                // The first word was read there.
                address: start.as_int() as u32,
                num_read: size.num_read,
                wires,
                gates,
            });
        }
        Ok(())
    }
}

fn trap(error: AceError) -> Box<Trap> {
    Box::new(Trap::AceChipError(error))
}
