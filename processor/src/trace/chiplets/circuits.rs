//! The table of circuits: evaluations below each other.

use miden_core::{Felt, FieldElement, ONE, QuadFelt, ZERO};
use miden_cvm_air::{columns::CircuitRow, lookup::Space};
use miden_cvm_parallel::prelude::*;

use super::{memory_context, range::RangeCounts};
use crate::circuit::{CircuitEvaluation, Gate, GateOperation};

/// The evaluations of a run.
#[derive(Debug, Clone, Default)]
pub struct CircuitRecorder {
    evaluations: Vec<CircuitEvaluation>,
    rows: usize,
}

impl CircuitRecorder {
    /// Records an evaluation. What it reads of memory is not recorded here.
    pub fn record(&mut self, evaluation: CircuitEvaluation) {
        self.rows += rows_of(&evaluation);
        self.evaluations.push(evaluation);
    }

    /// Counts the range checks of the gates.
    pub fn count_ranges(&self, ranges: &mut RangeCounts) {
        for evaluation in &self.evaluations {
            for (id, gate) in evaluation.numbered_gates() {
                for operand in [gate.left, gate.right] {
                    ranges.add_u32(operand - id - 1);
                }
            }
        }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Writes a table of zeros: the evaluations come first.
    pub fn fill(&self, rows: &mut [CircuitRow<Felt>]) {
        let mut rest = rows;
        let mut parts = Vec::with_capacity(self.evaluations.len());
        for evaluation in &self.evaluations {
            let (part, tail) = rest.split_at_mut(rows_of(evaluation));
            parts.push((evaluation, part));
            rest = tail;
        }
        parts
            .into_par_iter()
            .for_each(|(evaluation, rows)| fill(evaluation, rows));
    }
}

impl CircuitEvaluation {
    /// The gates with the numbers of their wires.
    fn numbered_gates(&self) -> impl Iterator<Item = (u32, &Gate)> {
        (0..self.gates.len() as u32).rev().zip(&self.gates)
    }

    /// Returns the number of lookups of each wire by the gates, in the order of the wires.
    fn uses(&self) -> Vec<u32> {
        let mut uses = vec![0; self.wires.len()];
        for gate in &self.gates {
            for id in [gate.left, gate.right] {
                uses[self.position(id)] += 1;
            }
        }
        uses
    }

    /// The position of a wire in the order of the wires.
    fn position(&self, id: u32) -> usize {
        self.wires.len() - 1 - id as usize
    }
}

/// A start row, one for two variables, one for four instructions, one for each gate.
fn rows_of(evaluation: &CircuitEvaluation) -> usize {
    let gates = evaluation.gates.len();
    1 + evaluation.num_read as usize / 2 + gates / 4 + gates
}

/// Writes an evaluation into exactly its rows.
fn fill(evaluation: &CircuitEvaluation, rows: &mut [CircuitRow<Felt>]) {
    let CircuitEvaluation {
        context,
        clk,
        address,
        num_read,
        wires,
        gates,
    } = evaluation;
    let uses = evaluation.uses();
    let context = memory_context(context.domain(), context.index(), Space::User);
    let mut cur = Cursor {
        rows: rows.iter_mut(),
        kept: [context, u64::from(*clk) + 1, gates.len() as u64].map(Felt::new),
        address: Felt::from(*address),
        id: wires.len() as u64 - 1,
    };
    cur.row(|row| row.start = ONE);

    let (variables, results) = wires.split_at(*num_read as usize);
    for (i, pair) in variables.chunks_exact(2).enumerate() {
        cur.row(|row| {
            row.read = ONE;
            row.word[..2].copy_from_slice(&coefficients(pair[0]));
            row.word[2..].copy_from_slice(&coefficients(pair[1]));
            row.multiplicity = [uses[2 * i], uses[2 * i + 1]].map(Felt::from);
        });
        cur.id -= 2;
        cur.address += WORD;
    }

    let uses = &uses[variables.len()..];
    let last = gates.len() - 1;
    for (word, gates) in gates.chunks_exact(4).enumerate() {
        let instructions: [Felt; 4] = core::array::from_fn(|i| gates[i].encode());
        cur.row(|row| {
            row.fetch = ONE;
            row.word = instructions;
        });
        cur.address += WORD;
        for (i, gate) in gates.iter().enumerate() {
            let position = 4 * word + i;
            let id = cur.id as u32;
            let operand = |id| coefficients(wires[evaluation.position(id)]);
            let [right_gap_low, right_gap_high] = limbs(gate.right - id - 1);
            cur.row(|row| {
                row.gate[i] = ONE;
                row.end = flag(position == last);
                row.mul = flag(gate.operation == GateOperation::Mul);
                row.add = flag(gate.operation == GateOperation::Add);
                row.left_gap = limbs(gate.left - id - 1);
                row.right_gap_low = right_gap_low;
                row.right_gap_high = right_gap_high;
                row.word = instructions;
                row.value = coefficients(results[position]);
                row.multiplicity[0] = Felt::from(uses[position]);
                row.left_id = Felt::from(gate.left);
                row.left = operand(gate.left);
                row.right_id = Felt::from(gate.right);
                row.right = operand(gate.right);
            });
            cur.id = cur.id.wrapping_sub(1);
        }
    }
}

const WORD: Felt = Felt::new(4);

/// Writes rows with what all of them show.
struct Cursor<'a> {
    rows: core::slice::IterMut<'a, CircuitRow<Felt>>,
    /// Context, time, number of gates.
    kept: [Felt; 3],
    address: Felt,
    /// Number of the next wire.
    id: u64,
}

impl Cursor<'_> {
    /// Writes the next row.
    fn row(&mut self, write: impl FnOnce(&mut CircuitRow<Felt>)) {
        let Some(row) = self.rows.next() else { return };
        let [context, time, num_eval] = self.kept;
        row.context = context;
        row.time = time;
        row.num_eval = num_eval;
        row.address = self.address;
        row.id = Felt::new(self.id);
        write(row);
    }
}

/// The coefficients of a wire's value, lower one first.
fn coefficients(value: QuadFelt) -> [Felt; 2] {
    [value.base_element(0), value.base_element(1)]
}

/// The 16-bit limbs of a number, low first.
fn limbs(value: u32) -> [Felt; 2] {
    [value as u16, (value >> 16) as u16].map(Felt::from)
}

fn flag(set: bool) -> Felt {
    if set { ONE } else { ZERO }
}
