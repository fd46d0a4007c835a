//! Columns as they are committed to.
//!
//! A column of a piece of m rows is a polynomial f of fewer than m coefficients. Where a piece is
//! shorter than the longest one, r of its columns are interleaved: what is committed to in their place is
//! f_0(X^r) + X f_1(X^r) + … + X^(r-1) f_(r-1)(X^r), one column of m r coefficients. So as many columns
//! fewer are opened. If w columns are left, number i is made of the piece's columns i, i + w, i + 2 w, …; those
//! that are missing to r are zero.

use winter_air::ProofOptions;

/// The factor by which the low-degree test of a proof folds whose verifier is a program.
const FOLDED_BY_PROGRAMS: usize = 4;

/// Returns `true` if proofs with these parameters have their columns interleaved. Those that programs
/// verify have not, as it takes more cycles.
pub fn interleaves(options: &ProofOptions) -> bool {
    options.to_fri_options().folding_factor() != FOLDED_BY_PROGRAMS
}

/// The columns of one kind of a piece, as they are committed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The number of columns that are interleaved into one, a power of two.
    pub factor: usize,
    /// The number of columns that are committed to.
    pub width: usize,
    /// The number of coefficients of each.
    pub height: usize,
}

impl Committed {
    /// So many columns of so many rows, in the place of which there may be columns that are longer
    /// by a factor of at most `longer`, a power of two.
    pub fn new(width: usize, height: usize, longer: usize) -> Self {
        let factor = longer.min(width.next_power_of_two());
        Self {
            factor,
            width: width.div_ceil(factor),
            height: height * factor,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::OptionSet;

    #[test]
    fn as_many_columns_are_interleaved_as_there_are_or_is_room_for() {
        let committed = |factor, width, height| Committed {
            factor,
            width,
            height,
        };
        assert_eq!(Committed::new(20, 8, 1), committed(1, 20, 8));
        assert_eq!(Committed::new(20, 8, 4), committed(4, 5, 32));
        assert_eq!(Committed::new(21, 8, 4), committed(4, 6, 32));
        assert_eq!(Committed::new(20, 8, 128), committed(32, 1, 256));
        assert_eq!(Committed::new(1, 8, 128), committed(1, 1, 8));
    }

    #[test]
    fn sets_that_programs_verify_do_not_interleave() {
        for set in OptionSet::ALL {
            let plain = matches!(set, OptionSet::Recursive96 | OptionSet::Recursive128);
            assert_eq!(interleaves(&set.proof_options()), !plain, "{set:?}");
        }
    }
}
