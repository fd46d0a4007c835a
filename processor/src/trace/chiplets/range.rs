//! The range table and the byte table, from counts of what was looked up.

use miden_core::Felt;
use miden_cvm_air::columns::RangeRow;

/// How often each 16-bit number is looked up.
#[derive(Debug, Clone)]
pub struct RangeCounts {
    counts: Vec<u64>,
}

/// Number of 16-bit numbers.
const NUMBERS: usize = 1 << 16;
/// Number of bytes.
const BYTES: usize = 1 << 8;

impl Default for RangeCounts {
    fn default() -> Self {
        Self {
            counts: vec![0; NUMBERS],
        }
    }
}

impl RangeCounts {
    /// Counts a lookup of `number`.
    #[inline]
    pub fn add(&mut self, number: u16) {
        self.add_many(number, 1);
    }

    /// Counts `times` lookups of `number`.
    #[inline]
    pub fn add_many(&mut self, number: u16, times: u64) {
        self.counts[usize::from(number)] += times;
    }

    /// Counts a lookup of each half of `number`.
    #[inline]
    pub fn add_u32(&mut self, number: u32) {
        self.add(number as u16);
        self.add((number >> 16) as u16);
    }

    /// The number of rows that the tables need, the last row included, which takes no
    /// part in lookups.
    pub fn rows(&self) -> usize {
        let numbers = self.counts.iter().filter(|&&count| count != 0).count();
        numbers.max(BYTES) + 1
    }

    /// Writes the tables into all of their rows.
    ///
    /// # Panics
    /// Panics if there are fewer rows than [`Self::rows`].
    pub fn fill(&self, rows: &mut [RangeRow<Felt>]) {
        assert!(
            rows.len() >= self.rows(),
            "the table is shorter than its numbers"
        );
        let used = rows.len() - 1;
        let mut numbers = self
            .counts
            .iter()
            .enumerate()
            .filter(|&(_, &count)| count != 0)
            .map(|(n, &m)| (n, m));
        let mut bytes = [0u64; BYTES];
        for (i, row) in rows.iter_mut().enumerate() {
            // Rows that have no number left state that 0 is one, at no multiplicity.
            let (number, multiplicity) = numbers.next().unwrap_or((0, 0));
            let (hi, lo) = (number / BYTES, number % BYTES);
            if i < used {
                bytes[hi] += 1;
                bytes[lo] += 1;
            }
            *row = RangeRow {
                hi: Felt::new(hi as u64),
                lo: Felt::new(lo as u64),
                multiplicity: Felt::new(multiplicity),
                byte: Felt::new(i.min(BYTES - 1) as u64),
                byte_multiplicity: Felt::new(0),
            };
        }
        for (row, count) in rows.iter_mut().zip(bytes) {
            row.byte_multiplicity = Felt::new(count);
        }
    }
}
