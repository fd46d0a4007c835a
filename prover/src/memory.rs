//! The memory that a proof takes.

use miden_core::Felt;
use miden_cvm_air::{
    air::{COMPOSITION_COLUMNS, CvmAir},
    hash::Digest,
    heights::Piece,
};
use winter_air::FieldExtension;

use crate::packed::{LANES, Packed};

/// Bytes of a field element.
const ELEMENT: usize = size_of::<Felt>();

/// The bytes of what is there at the same time while a run is proven, in each phase of it, as far as
/// they depend on the run.
#[derive(Debug, Clone, Copy)]
pub struct Memory([Phase; 6]);

/// The memory that a phase takes.
#[derive(Debug, Clone, Copy)]
struct Phase {
    /// All of it, if no values are kept.
    without: usize,
    /// The memory beside values that are kept: these have room for those that are not.
    with: usize,
    /// The values on one coset.
    coset: usize,
}

impl Phase {
    /// The bytes of the phase with the values on so many cosets kept.
    fn bytes(&self, kept: usize) -> usize {
        match kept {
            0 => self.without,
            _ => self.with + kept * self.coset,
        }
    }
}

impl Memory {
    /// That of a proof about the tables of this AIR, whose groups are all worked on in turn.
    pub fn new(air: &CvmAir) -> Self {
        Self::of_groups(air, air.groups(), air.domain_size())
    }

    /// That of groups of the AIR, and of a polynomial of which so many values are tested.
    fn of_groups(air: &CvmAir, groups: &[Vec<usize>], tested: usize) -> Self {
        let degree = match air.options().field_extension() {
            FieldExtension::Cubic => 3,
            FieldExtension::Quadratic | FieldExtension::None => 2,
        };
        let blowup = air.options().blowup_factor();
        let pieces_of = |group: &[usize]| -> Vec<&Piece> {
            let pieces = group.iter().map(|&piece| &air.pieces()[piece]);
            pieces.collect()
        };
        let pieces: Vec<&Piece> = groups.iter().flat_map(|group| pieces_of(group)).collect();
        let sum =
            |of: &dyn Fn(&Piece) -> usize| pieces.iter().map(|piece| of(piece)).sum::<usize>();
        // Of the pieces of a group of one height, of which there is one at a time.
        let most = |of: &dyn Fn(&Piece) -> usize| {
            let most_of = |group: &Vec<usize>| {
                let pieces = pieces_of(group);
                let of_height = |height| {
                    let same = pieces.iter().filter(move |piece| piece.height == height);
                    same.map(|piece| of(piece)).sum::<usize>()
                };
                let heights = pieces.iter().map(|piece| of_height(piece.height));
                heights.max().unwrap_or(0)
            };
            groups.iter().map(most_of).max().unwrap_or(0)
        };
        let columns =
            |rows: usize, width: usize| rows * width.div_ceil(LANES) * size_of::<Packed>();
        let main = |piece: &Piece| columns(piece.height, piece.table.width());
        let aux_width = |piece: &Piece| air.packing(piece.table).width() * degree;
        let aux = |piece: &Piece| columns(piece.height, aux_width(piece));

        // Of each group, from the lowest to the highest.
        let heights = groups.iter().map(|group| {
            let mut heights: Vec<usize> =
                pieces_of(group).iter().map(|piece| piece.height).collect();
            heights.sort_unstable();
            heights.dedup();
            heights
        });
        let heights: Vec<Vec<usize>> = heights.collect();
        let longest_of = heights.iter().filter_map(|heights| heights.last());
        let longest: usize = longest_of.clone().sum();
        let highest = longest_of.copied().max().unwrap_or(0);
        let trace = sum(&|piece| piece.height * piece.table.width() * ELEMENT);
        // Twiddle factors, and the powers of every coset's offset.
        let lengths: usize = heights.iter().flatten().sum();
        let domains = lengths * (blowup + 1) * ELEMENT;
        // Of all groups.
        let tree = longest * blowup * size_of::<Digest>();
        // The hashes of the shorter pieces' rows are there until they are merged.
        let hashed = heights.iter().map(|heights| heights.iter().sum::<usize>());
        let hashes = hashed.max().unwrap_or(0) * blowup * size_of::<Digest>();
        // The leaves are there while rows are hashed, then while the level above them is made. The trees
        // of the groups before are there, too.
        let half = highest * blowup * size_of::<Digest>() / 2;
        let before = (longest - highest) * blowup * size_of::<Digest>();
        let tree_of = |room: usize| before + hashes + room.max(half);
        let composition = columns(longest, COMPOSITION_COLUMNS * degree);
        let main_columns = sum(&main);
        let both = main_columns + sum(&aux);

        let main_rows = |room| trace + main_columns + tree_of(room);
        let lookups =
            trace + main_columns + tree + sum(&|piece| piece.height * aux_width(piece) * ELEMENT);
        let committed = both + tree;
        let lookup_rows = |room| committed + tree_of(room);
        let coefficients = longest * COMPOSITION_COLUMNS * degree * ELEMENT;
        let constraints = |room: &dyn Fn(&Piece) -> usize| {
            let quotient = |piece: &Piece| {
                let quotient = COMPOSITION_COLUMNS * piece.height * degree * ELEMENT;
                let transform = columns(piece.height, COMPOSITION_COLUMNS * degree) + quotient;
                quotient + room(piece).max(transform)
            };
            let quotients = pieces.iter().map(|piece| quotient(piece));
            let quotients = quotients.max().unwrap_or(0);
            committed + tree + coefficients + quotients.max(composition)
        };
        let composed = committed + tree + composition + tree_of(composition);
        // Of the polynomial that is tested, the values, and a tree that is an eighth as large.
        let tested = 2 * tested * degree * ELEMENT + tree / 4;
        let low_degree = committed + tree + composition + tree + tested;
        let phase = |without, with, coset| Phase {
            without: domains + without,
            with: domains + with,
            coset,
        };
        Self([
            phase(main_rows(most(&main)), main_rows(0), main_columns),
            phase(lookups, lookups, main_columns),
            phase(lookup_rows(most(&aux)), lookup_rows(0), both),
            phase(
                constraints(&|piece| main(piece) + aux(piece)),
                constraints(&|_| 0),
                both,
            ),
            phase(composed, composed, both),
            phase(low_degree, low_degree, both),
        ])
    }

    /// The bytes that a proof takes with the values on so many cosets kept.
    pub fn with(&self, kept: usize) -> usize {
        let phases = self.0.iter().map(|phase| phase.bytes(kept));
        phases.max().unwrap_or(0)
    }

    /// The most cosets whose values can be kept within so many bytes; `None` if there is not enough
    /// for none.
    pub fn kept_within(&self, bytes: usize) -> Option<usize> {
        let mut counts = (0..=COMPOSITION_COLUMNS).rev();
        counts.find(|&kept| self.with(kept) <= bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        alloc::{GlobalAlloc, Layout, System},
        cell::Cell,
    };

    use miden_cvm_air::options::{HashFunction, OptionSet, ProofSettings};
    use rayon::ThreadPoolBuilder;
    use winterfell::math::fields::QuadExtension;

    use super::*;
    use crate::{samples, stark};

    /// The system's allocator, which counts what each thread has.
    struct Counting;

    thread_local! {
        /// The bytes that the thread has allocated and not freed, and the most that it ever had.
        static BYTES: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
    }

    fn count(bytes: isize) {
        // What a thread frees when it ends is not counted.
        let _ = BYTES.try_with(|cell| {
            let (now, most) = cell.get();
            cell.set((now + bytes, most.max(now + bytes)));
        });
    }

    // SAFETY: all of it is the system's allocator's.
    unsafe impl GlobalAlloc for Counting {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            count(layout.size() as isize);
            // SAFETY: as for this function.
            unsafe { System.alloc(layout) }
        }

        unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
            count(layout.size() as isize);
            // SAFETY: as for this function.
            unsafe { System.alloc_zeroed(layout) }
        }

        unsafe fn dealloc(&self, allocated: *mut u8, layout: Layout) {
            count(-(layout.size() as isize));
            // SAFETY: as for this function.
            unsafe { System.dealloc(allocated, layout) }
        }

        unsafe fn realloc(&self, allocated: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            count(size as isize - layout.size() as isize);
            // SAFETY: as for this function.
            unsafe { System.realloc(allocated, layout, size) }
        }
    }

    #[global_allocator]
    static ALLOCATOR: Counting = Counting;

    /// The bytes that a proof takes with this set, and those that were calculated.
    fn taken(set: OptionSet, groups: usize, kept: usize) -> (usize, usize) {
        let pool = ThreadPoolBuilder::new().num_threads(1).build();
        pool.expect("a pool").install(|| {
            let settings = ProofSettings::new(set, HashFunction::Blake3_256);
            let settings = settings.expect("they go together");
            let (before, _) = BYTES.get();
            let trace = samples::trace();
            let heights = trace.heights().expect("allowed heights");
            let air = CvmAir::new(heights, Default::default(), settings.proof_options());
            let air = air.in_groups(groups);
            let (now, _) = BYTES.get();
            BYTES.set((now, now));
            let calculated = Memory::new(&air).with(kept);
            stark::prove::<QuadExtension<Felt>>(trace, air, settings, kept);
            let (_, most) = BYTES.get();
            ((most - before) as usize, calculated)
        })
    }

    #[test]
    fn proofs_take_what_is_calculated() {
        let cases = [
            (OptionSet::Fast96, 1),
            (OptionSet::Regular96, 1),
            (OptionSet::Fast96, 2),
        ];
        for (set, groups) in cases {
            for kept in [0, 1, COMPOSITION_COLUMNS] {
                let (taken, calculated) = taken(set, groups, kept);
                // What does not depend on the run is not calculated.
                let fixed = 2 << 20;
                assert!(taken <= calculated + fixed, "{taken} of {calculated}");
                assert!(taken >= calculated / 4 * 3, "{taken} of {calculated}");
            }
        }
    }

    #[test]
    fn as_much_is_kept_as_there_is_memory_for() {
        let phase = |without, with, coset| Phase {
            without,
            with,
            coset,
        };
        let [short, long] = [phase(700, 700, 350), phase(1000, 900, 300)];
        let memory = Memory([short, long, short, short, short, short]);
        assert_eq!(memory.kept_within(999), None);
        for (bytes, kept) in [(1000, 0), (1199, 0), (1200, 1), (1999, 3), (1 << 20, 4)] {
            assert_eq!(memory.kept_within(bytes), Some(kept));
            assert!(memory.with(kept) <= bytes);
        }
    }
}
