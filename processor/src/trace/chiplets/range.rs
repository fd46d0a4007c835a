//! The range table and the byte table, from counts of what was looked up.

use miden_core::Felt;
use miden_cvm_air::{columns::RangeRow, range::BYTE_STEPS};

/// The number of lookups of each 16-bit number.
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

    /// The numbers that are looked up, each with how often.
    fn numbers(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        let counts = self.counts.iter().copied().enumerate();
        counts.filter(|&(_, count)| count != 0)
    }

    /// Returns the contents of the byte table: the bytes of the numbers, and what its steps need
    /// between them.
    fn bytes(&self) -> Vec<usize> {
        let mut needed = [false; BYTES];
        for (number, _) in self.numbers() {
            needed[number / BYTES] = true;
            needed[number % BYTES] = true;
        }
        needed[BYTES - 1] = true;
        let mut bytes = vec![0];
        let mut at = 0;
        for byte in (1..BYTES).filter(|&byte| needed[byte]) {
            while at < byte {
                let steps = BYTE_STEPS.into_iter().map(|step| step as usize);
                at += steps.fold(1, |best, step| match at + step <= byte {
                    true => best.max(step),
                    false => best,
                });
                bytes.push(at);
            }
        }
        bytes
    }

    /// The number of rows of use.
    pub fn rows(&self) -> usize {
        self.numbers().count().max(self.bytes().len())
    }

    /// Writes the tables into all of their rows.
    ///
    /// # Panics
    /// Panics if there are not more rows than [`Self::rows`].
    pub fn fill(&self, rows: &mut [RangeRow<Felt>]) {
        assert!(
            rows.len() > self.rows(),
            "the table is shorter than its numbers"
        );
        // The last row takes no part in lookups.
        let used = rows.len() - 1;
        let mut numbers = self.numbers();
        let mut lookups = [0u64; BYTES];
        let bytes = self.bytes();
        for (i, row) in rows.iter_mut().enumerate() {
            // Rows that have no number left state that 0 is one, at no multiplicity.
            let (number, multiplicity) = numbers.next().unwrap_or((0, 0));
            let (hi, lo) = (number / BYTES, number % BYTES);
            if i < used {
                lookups[hi] += 1;
                lookups[lo] += 1;
            }
            *row = RangeRow {
                hi: Felt::new(hi as u64),
                lo: Felt::new(lo as u64),
                multiplicity: Felt::new(multiplicity),
                byte: Felt::new(bytes.get(i).map_or(BYTES - 1, |&byte| byte) as u64),
                byte_multiplicity: Felt::new(0),
            };
        }
        for (row, byte) in rows.iter_mut().zip(bytes) {
            row.byte_multiplicity = Felt::new(lookups[byte]);
        }
    }
}
