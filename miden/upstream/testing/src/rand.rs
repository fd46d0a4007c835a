//! Random values.

pub use winter_rand_utils::*;

use crate::Word;

/// The next word of a sequence; `seed` is where in the sequence it is.
pub fn seeded_word(seed: &mut u64) -> Word {
    *seed = seed.wrapping_add(1);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    Word::new(prng_array(bytes))
}
