//! The bitwise table: AND and XOR of 32-bit numbers, each pair of operands once.

use miden_core::Felt;
use miden_cvm_air::columns::BitwiseRow;
use miden_cvm_parallel::prelude::*;

use crate::tracer::BitwiseOp;

/// An operation as a number to sort by: the operands, then whether it is XOR.
type Key = (u64, bool);

/// The bitwise operations of a run.
#[derive(Debug, Clone, Default)]
pub struct BitwiseRecorder {
    operations: Vec<Key>,
}

impl BitwiseRecorder {
    /// Records an operation.
    pub fn record(&mut self, op: BitwiseOp, a: u32, b: u32) {
        let operands = u64::from(a) << 32 | u64::from(b);
        self.operations.push((operands, op == BitwiseOp::Xor));
    }

    /// Puts equal operations together.
    pub fn finish(self) -> BitwiseTable {
        let mut operations = self.operations;
        operations.par_sort_unstable();
        let facts = operations
            .chunk_by(|a, b| a == b)
            .map(|equal| (equal[0], equal.len() as u64))
            .collect();
        BitwiseTable { facts }
    }
}

/// The bitwise table, ready to be written.
#[derive(Debug)]
pub struct BitwiseTable {
    /// Operations and how often they are looked up.
    facts: Vec<(Key, u64)>,
}

impl BitwiseTable {
    /// The number of rows.
    pub fn rows(&self) -> usize {
        2 * self.facts.len()
    }

    /// Writes a table of zeros: the pairs stand after its first row.
    pub fn fill(&self, rows: &mut [BitwiseRow<Felt>]) {
        let Some((_, rows)) = rows.split_first_mut() else {
            return;
        };
        let pairs = rows.par_chunks_exact_mut(2);
        pairs
            .zip(&self.facts)
            .for_each(|(pair, &((operands, xor), count))| {
                let (a, b) = ((operands >> 32) as u32, operands as u32);
                let result = if xor { a ^ b } else { a & b };
                for (half, row) in pair.iter_mut().enumerate() {
                    let first = half == 0;
                    *row = BitwiseRow {
                        a: bits(a >> (16 * half)),
                        b: bits(b >> (16 * half)),
                        result: Felt::from(if first { result } else { 0 }),
                        xor: Felt::from(u8::from(first && xor)),
                        multiplicity: Felt::new(if first { count } else { 0 }),
                    };
                }
            });
    }
}

/// The lower 16 bits, lowest first.
fn bits(value: u32) -> [Felt; 16] {
    core::array::from_fn(|i| Felt::from(value >> i & 1))
}
