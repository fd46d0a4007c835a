//! Blake3 of many inputs of one length at a time.
//!
//! The compression function is the plain one, in a loop over the inputs that the compiler turns into
//! vector code: lane `l` of every word is of input `l`. The hash is that of the `blake3` crate, whose
//! own vector code is for the chunks of one long input.

#![allow(
    clippy::needless_range_loop,
    reason = "a lane is an index into several arrays"
)]

use miden_core::Felt;
use miden_cvm_air::hash::Digest;

use super::{BLOCK, Rows, lanes, to_integer, transposed};
use crate::packed::{VectorUnit, Vectorizable};

/// The initial chaining value.
const IV: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// Where the words of the message are taken from in the next round.
const PERMUTATION: [usize; 16] = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];

// Flags of a compression.
const CHUNK_START: u32 = 1;
const CHUNK_END: u32 = 2;
const PARENT: u32 = 4;
const ROOT: u32 = 8;

const BLOCK_BYTES: usize = BLOCK * size_of::<Felt>();

/// Field elements in a chunk.
const CHUNK: usize = 16 * BLOCK;

/// Inputs that are hashed together.
const LANES: usize = 16;

/// One word of each input.
type Words = [u32; LANES];

/// The chaining value of each input.
type Values = [Words; 8];

/// A block of each input: pairs of words.
type Block = [[u64; LANES]; 8];

/// Hashes as many rows as there are hashes; a hash has so many bytes.
pub fn hash_rows(bytes: usize, unit: VectorUnit, rows: &impl Rows, hashes: &mut [Digest]) {
    for (i, hashes) in hashes.chunks_mut(LANES).enumerate() {
        let lanes = lanes(i * LANES, hashes.len());
        store(bytes, &hash(unit, rows, &lanes), hashes);
    }
}

/// Hashes pairs of digests, and puts the hash where the left one was.
pub fn merge_into(bytes: usize, unit: VectorUnit, digests: &mut [Digest], others: &[Digest]) {
    for (left, right) in digests.chunks_mut(LANES).zip(others.chunks(LANES)) {
        let mut block = [[0; LANES]; 8];
        for (lane, (left, right)) in left.iter().zip(right).enumerate() {
            let words = left.0[..bytes / 8].iter().chain(&right.0[..bytes / 8]);
            for (words, &word) in block.iter_mut().zip(words) {
                words[lane] = word;
            }
        }
        store(bytes, &hash_block(unit, &mut block, 2 * bytes), left);
    }
}

/// The first words of the hashes of a digest and each of the numbers from `first` on.
pub fn hash_nonces(bytes: usize, unit: VectorUnit, digest: Digest, first: u64, words: &mut [u64]) {
    let mut block = [[0; LANES]; 8];
    for (words, word) in block.iter_mut().zip(&digest.0[..bytes / 8]) {
        *words = [*word; LANES];
    }
    for (start, words) in (first..).step_by(LANES).zip(words.chunks_mut(LANES)) {
        let mut block = block;
        block[bytes / 8] = core::array::from_fn(|lane| start + lane as u64);
        let values = hash_block(unit, &mut block, bytes + 8);
        for (lane, word) in words.iter_mut().enumerate() {
            *word = pair(&values[..2], lane);
        }
    }
}

/// The hashes of inputs of so many bytes, which are in one block.
fn hash_block(unit: VectorUnit, block: &mut Block, bytes: usize) -> Values {
    let flags = CHUNK_START | CHUNK_END | ROOT;
    let mut values = initial();
    Compress::new(&mut values, block, 0, bytes, flags).run_on(unit);
    values
}

fn initial() -> Values {
    IV.map(|word| [word; LANES])
}

/// Stores the first bytes of the values of the first lanes.
fn store(bytes: usize, values: &Values, hashes: &mut [Digest]) {
    let pairs = &values.as_chunks::<2>().0[..bytes / 8];
    for (lane, hash) in hashes.iter_mut().enumerate() {
        for (word, words) in hash.0.iter_mut().zip(pairs) {
            *word = pair(words, lane);
        }
    }
}

/// Two words of a lane.
fn pair(words: &[Words], lane: usize) -> u64 {
    u64::from(words[0][lane]) | (u64::from(words[1][lane]) << 32)
}

/// The hashes of rows.
fn hash(unit: VectorUnit, rows: &impl Rows, lanes: &[usize; LANES]) -> Values {
    let width = rows.width();
    let chunks = width.div_ceil(CHUNK);
    // The roots of the full subtrees so far, which get smaller from left to right: two of one size
    // are joined as soon as there are.
    let mut roots: Vec<Values> = Vec::new();
    for index in 0..chunks {
        let is_last = index + 1 == chunks;
        let mut values = initial();
        let start = index * CHUNK;
        let end = width.min(start + CHUNK);
        let mut flags = CHUNK_START;
        for first in (start..end).step_by(BLOCK) {
            let len = BLOCK.min(end - first);
            if first + len == end {
                flags |= CHUNK_END;
                if chunks == 1 {
                    flags |= ROOT;
                }
            }
            let mut block = transposed(rows, lanes, first);
            let bytes = len * size_of::<Felt>();
            Compress {
                has_representatives: true,
                ..Compress::new(&mut values, &mut block, index as u64, bytes, flags)
            }
            .run_on(unit);
            flags = 0;
        }
        // At the end, all that is left is joined.
        let kept = match is_last {
            true => 0,
            false => roots.len() - (index + 1).trailing_zeros() as usize,
        };
        while roots.len() > kept
            && let Some(left) = roots.pop()
        {
            let is_root = is_last && roots.is_empty();
            let flags = if is_root { PARENT | ROOT } else { PARENT };
            values = parent(unit, &left, &values, flags);
        }
        roots.push(values);
    }
    roots[0]
}

fn parent(unit: VectorUnit, left: &Values, right: &Values, flags: u32) -> Values {
    let mut block = [[0; LANES]; 8];
    let (first, second) = block.split_at_mut(4);
    for (block, values) in [(first, left), (second, right)] {
        for (to, words) in block.iter_mut().zip(values.as_chunks::<2>().0) {
            *to = core::array::from_fn(|lane| pair(words, lane));
        }
    }
    let mut values = initial();
    Compress::new(&mut values, &mut block, 0, BLOCK_BYTES, flags).run_on(unit);
    values
}

/// The compression function.
struct Compress<'a> {
    values: &'a mut Values,
    block: &'a mut Block,
    /// `true` if the block has the representatives of field elements, instead of their integers.
    has_representatives: bool,
    /// The last words of the initial state.
    last: [u32; 4],
}

impl<'a> Compress<'a> {
    /// For a block that has `len` bytes.
    fn new(
        values: &'a mut Values,
        block: &'a mut Block,
        counter: u64,
        len: usize,
        flags: u32,
    ) -> Self {
        Self {
            values,
            block,
            has_representatives: false,
            last: [counter as u32, (counter >> 32) as u32, len as u32, flags],
        }
    }

    fn run_on(self, unit: VectorUnit) {
        unit.run(self);
    }
}

impl Vectorizable for Compress<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        if self.has_representatives {
            for element in self.block.as_flattened_mut() {
                *element = to_integer(*element);
            }
        }
        // Apart, since a loop is as wide as its largest type allows.
        let (mut even, mut odd) = ([[0; LANES]; 8], [[0; LANES]; 8]);
        let words = even
            .as_flattened_mut()
            .iter_mut()
            .zip(odd.as_flattened_mut());
        for ((even, odd), &pair) in words.zip(self.block.as_flattened()) {
            *even = pair as u32;
            *odd = (pair >> 32) as u32;
        }
        for lane in 0..LANES {
            let [a, b, c, d, ..] = IV;
            let [e, f, g, h] = self.last;
            let v: [u32; 8] = core::array::from_fn(|i| self.values[i][lane]);
            let mut state = [
                v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], a, b, c, d, e, f, g, h,
            ];
            let mut message = [0; 16];
            for i in 0..8 {
                message[2 * i] = even[i][lane];
                message[2 * i + 1] = odd[i][lane];
            }
            // Written out, because only loops without loops in them are vectorized.
            round(&mut state, &mut message);
            round(&mut state, &mut message);
            round(&mut state, &mut message);
            round(&mut state, &mut message);
            round(&mut state, &mut message);
            round(&mut state, &mut message);
            round(&mut state, &mut message);
            for i in 0..8 {
                self.values[i][lane] = state[i] ^ state[i + 8];
            }
        }
    }
}

/// A round, after which the message is permuted.
#[inline(always)]
fn round(s: &mut [u32; 16], m: &mut [u32; 16]) {
    mix(s, [0, 4, 8, 12], m[0], m[1]);
    mix(s, [1, 5, 9, 13], m[2], m[3]);
    mix(s, [2, 6, 10, 14], m[4], m[5]);
    mix(s, [3, 7, 11, 15], m[6], m[7]);
    mix(s, [0, 5, 10, 15], m[8], m[9]);
    mix(s, [1, 6, 11, 12], m[10], m[11]);
    mix(s, [2, 7, 8, 13], m[12], m[13]);
    mix(s, [3, 4, 9, 14], m[14], m[15]);
    *m = core::array::from_fn(|i| m[PERMUTATION[i]]);
}

#[inline(always)]
fn mix(s: &mut [u32; 16], [a, b, c, d]: [usize; 4], x: u32, y: u32) {
    s[a] = s[a].wrapping_add(s[b]).wrapping_add(x);
    s[d] = (s[d] ^ s[a]).rotate_right(16);
    s[c] = s[c].wrapping_add(s[d]);
    s[b] = (s[b] ^ s[c]).rotate_right(12);
    s[a] = s[a].wrapping_add(s[b]).wrapping_add(y);
    s[d] = (s[d] ^ s[a]).rotate_right(8);
    s[c] = s[c].wrapping_add(s[d]);
    s[b] = (s[b] ^ s[c]).rotate_right(7);
}
