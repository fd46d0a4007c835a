//! The memory that a proof takes.

use miden_core::Felt;
use miden_cvm_air::{
    air::{COMPOSITION_COLUMNS, CvmAir},
    committed::Committed,
    hash::Digest,
    heights::Piece,
};
use winter_air::FieldExtension;

use crate::{
    ProverError,
    packed::{LANES, Packed},
};

/// Bytes of a field element.
const ELEMENT: usize = size_of::<Felt>();

/// The least number of cosets that values are kept on without a bound on memory, of those that
/// constraints are evaluated on.
const KEPT: usize = 2;

/// The bytes that proofs may take without a bound on memory so that more is kept.
const SMALL: usize = 192 << 20;

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

    /// That of a worker, which has one group, and tells its share of the polynomial that is tested.
    pub fn of_worker(air: &CvmAir, group: usize) -> Self {
        let groups = &air.groups()[group..=group];
        // There are shares of a polynomial, and as many bytes as all have: of the pieces that are opened with
        // one power, of columns by themselves, and of the composition.
        let mut powers: Vec<usize> = groups[0].iter().map(|&piece| air.power(piece)).collect();
        powers.sort_unstable();
        powers.dedup();
        let is_tested = |&piece: &usize| air.tested_before(piece).is_some();
        let shares = powers.len() + usize::from(groups[0].iter().any(is_tested)) + 1;
        Self::of_groups(air, groups, shares * air.longest_of(&groups[0]))
    }

    /// The bytes that a proof takes of whose groups only one is there at a time, beside the compositions of
    /// the others.
    pub fn in_turns(air: &CvmAir) -> usize {
        let groups = air.groups();
        let width = COMPOSITION_COLUMNS * degree_of(air);
        let composition = |group: &Vec<usize>| columns(air.longest_of(group), width);
        let all: usize = groups.iter().map(composition).sum();
        let turns = groups.chunks(1).map(|group| {
            let own = Self::of_groups(air, group, air.domain_size()).with(0);
            own + all - composition(&group[0])
        });
        turns.max().unwrap_or(0)
    }

    /// That of groups of the AIR, and of a polynomial of which so many values are tested.
    fn of_groups(air: &CvmAir, groups: &[Vec<usize>], tested: usize) -> Self {
        let degree = degree_of(air);
        let blowup = air.options().blowup_factor();
        let pieces_of = |group: &[usize]| -> Vec<&Piece> {
            let pieces = group.iter().map(|&piece| &air.pieces()[piece]);
            pieces.collect()
        };
        let pieces: Vec<&Piece> = groups.iter().flat_map(|group| pieces_of(group)).collect();
        let sum =
            |of: &dyn Fn(&Piece) -> usize| pieces.iter().map(|piece| of(piece)).sum::<usize>();
        let main = |piece: &Piece| columns(piece.height, piece.table.width());
        let aux_width = |piece: &Piece| air.packing(piece.table).width() * degree;
        let aux = |piece: &Piece| columns(piece.height, aux_width(piece));

        // Of the columns of one length, of which there is one at a time: those that are interleaved, as
        // they are hashed; and of main columns and auxiliary ones the values on a coset, of what is interleaved
        // one piece's after the other. And what all that is committed to has for hashes.
        let (mut interleaved, mut hashed, mut rooms) = (0, 0, [0, 0]);
        for (group, kind) in groups.iter().flat_map(|group| [(group, 0), (group, 1)]) {
            let degree = if kind == 0 { 1 } else { degree };
            let committed = group.iter().map(|&piece| air.committed(piece)[kind]);
            let committed: Vec<Committed> = committed.collect();
            let mut lengths: Vec<usize> = committed.iter().map(|columns| columns.height).collect();
            lengths.sort_unstable();
            lengths.dedup();
            hashed = hashed.max(lengths.iter().sum());
            for length in lengths {
                let (mut all, mut mixed, mut one) = (0, 0, 0);
                for (&piece, of) in group.iter().zip(&committed) {
                    let piece = &air.pieces()[piece];
                    let own = if kind == 0 { main(piece) } else { aux(piece) };
                    match (of.height == length, of.factor) {
                        (false, _) => {}
                        (true, 1) => all += own,
                        (true, _) => {
                            mixed += columns(length, of.width * degree);
                            one = one.max(own);
                        }
                    }
                }
                interleaved = interleaved.max(mixed);
                rooms[kind] = rooms[kind].max(all + mixed + one);
            }
        }
        let [main_room, aux_room] = rooms;

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
        // The hashes of the shorter columns' rows are there until they are merged.
        let hashes = hashed * blowup * size_of::<Digest>();
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
            phase(main_rows(main_room), main_rows(interleaved), main_columns),
            phase(lookups, lookups, main_columns),
            phase(lookup_rows(aux_room), lookup_rows(interleaved), both),
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
    fn kept_within(&self, bytes: usize) -> Option<usize> {
        let mut counts = (0..=COMPOSITION_COLUMNS).rev();
        counts.find(|&kept| self.with(kept) <= bytes)
    }

    /// The number of cosets whose values are kept by who may take so much memory, if it is bounded.
    pub fn kept(&self, memory: Option<usize>) -> Result<usize, ProverError> {
        match memory {
            None => Ok(self.kept_within(SMALL).unwrap_or(KEPT).max(KEPT)),
            Some(memory) => {
                let needed = self.with(0);
                self.kept_within(memory)
                    .ok_or(ProverError::Memory { needed, memory })
            }
        }
    }
}

/// The degree of the extension field.
fn degree_of(air: &CvmAir) -> usize {
    match air.options().field_extension() {
        FieldExtension::Cubic => 3,
        FieldExtension::Quadratic | FieldExtension::None => 2,
    }
}

/// The bytes of so many columns of so many rows.
fn columns(rows: usize, width: usize) -> usize {
    rows * width.div_ceil(LANES) * size_of::<Packed>()
}

#[cfg(test)]
mod tests {
    use std::{
        alloc::{GlobalAlloc, Layout, System},
        cell::Cell,
        ops::Range,
    };

    use miden_cvm_air::{
        heights::Heights,
        lookup::NUM_CHALLENGES,
        options::{HashFunction, OptionSet, ProofSettings},
        table::{Table, TableRows, Trace},
    };
    use rayon::ThreadPoolBuilder;
    use winterfell::math::fields::QuadExtension;

    use super::*;
    use crate::{
        GroupPart,
        messages::{Request, Run, Stage},
        samples, stark, turns,
    };

    /// Bytes that do not depend on the run, and are not calculated.
    const FIXED: usize = 2 << 20;

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

    /// Some rows of a trace.
    fn copied(trace: &Trace, rows: &TableRows) -> Trace {
        let mut copy = Trace::default();
        for table in Table::ALL {
            let Range { start, end } = rows.of(table);
            copy.resize(table, end - start);
            let cells = &trace.cells(table)[start * table.width()..end * table.width()];
            copy.cells_mut(table).copy_from_slice(cells);
        }
        copy
    }

    /// The AIR of the samples, whose tables are proven in so many groups.
    fn air(trace: &Trace, settings: ProofSettings, groups: usize) -> CvmAir {
        let heights = trace.heights().expect("allowed heights");
        let air = CvmAir::new(heights, Default::default(), settings.proof_options());
        air.in_groups(groups)
    }

    /// The bytes that something takes on one thread beside the samples.
    fn beside_samples(work: impl FnOnce(&Trace) + Send) -> usize {
        let pool = ThreadPoolBuilder::new().num_threads(1).build();
        pool.expect("a pool").install(|| {
            let trace = samples::trace();
            let (before, _) = BYTES.get();
            BYTES.set((before, before));
            work(&trace);
            let (_, most) = BYTES.get();
            (most - before) as usize
        })
    }

    #[test]
    fn one_group_at_a_time_takes_what_is_calculated() {
        for set in [OptionSet::Fast96, OptionSet::Regular96] {
            let settings = ProofSettings::new(set, HashFunction::Blake3_256);
            let settings = settings.expect("they go together");
            for groups in [2, 3] {
                let mut calculated = [0; 2];
                let taken = beside_samples(|trace| {
                    let air = air(trace, settings, groups);
                    calculated = [Memory::in_turns(&air), Memory::new(&air).with(0)];
                    let rows = &mut |rows: &TableRows| Some(copied(trace, rows));
                    let proof = turns::prove(air, settings, rows);
                    proof.expect("a proof");
                });
                let [in_turns, at_once] = calculated;
                assert!(in_turns < at_once, "{in_turns} and {at_once}");
                assert!(taken <= in_turns + FIXED, "{taken} of {in_turns}");
                assert!(taken >= in_turns / 2, "{taken} of {in_turns}");
            }
        }
    }

    /// The book's formula, for a group that is one piece.
    #[test]
    fn the_book_says_what_a_worker_takes() {
        let eights = |columns: usize| columns.next_multiple_of(8);
        for (set, blowup, degree) in [(OptionSet::Fast96, 4, 2), (OptionSet::Proven100, 8, 3)] {
            let rows = 1 << 20;
            let heights = Heights::new([rows, 512, 32, 8, 0, 0, 0, 0, 0]).expect("allowed heights");
            let options = ProofSettings::from(set).proof_options();
            let air = CvmAir::new(heights, Default::default(), options).in_groups(2);
            assert_eq!(air.groups()[0], [0]);
            let (main, aux) = (Table::Core.width(), air.packing(Table::Core).width());
            let columns = eights(main) + eights(degree * aux);
            let taken = 8 * rows * (2 * columns + 9 * blowup + 8 * degree + 1);
            assert_eq!(
                Memory::of_worker(&air, 0).with(0),
                taken,
                "{main} and {aux} columns"
            );
            // As the book has it in MiB.
            let told = if degree == 2 { 2088 } else { 2568 };
            assert_eq!(taken >> 20, told);
        }
    }

    #[test]
    fn workers_take_what_is_calculated() {
        type E = QuadExtension<Felt>;
        let settings = ProofSettings::new(OptionSet::Fast96, HashFunction::Blake3_256);
        let settings = settings.expect("they go together");
        for (group, kept) in [(0, 0), (1, 0), (0, 1), (0, COMPOSITION_COLUMNS)] {
            let mut calculated = 0;
            let taken = beside_samples(|trace| {
                let run = Run::new(air(trace, settings, 2), settings);
                let memory = Memory::of_worker(&run.air, group);
                calculated = memory.with(kept);
                let heights = trace.heights().expect("allowed heights");
                let part = GroupPart::new(heights, Default::default(), settings, 2, group);
                let part = part.expect("a group");
                assert_eq!(part.memory(), memory.with(0));
                let rows = copied(trace, part.rows());
                let mut worker = part.worker(rows, Some(calculated)).expect("enough memory");
                let elements: Vec<E> = (1u32..).map(E::from).take(NUM_CHALLENGES + 3).collect();
                for stage in Stage::ALL {
                    let is_last = stage == Stage::Rows;
                    let request = Request {
                        stage,
                        elements: elements[..stage.elements()].to_vec(),
                        positions: (0..if is_last { 9 } else { 0 }).collect(),
                    };
                    let reply = worker.answer(&request.write(&run));
                    assert!(!reply.expect("an answer").is_empty());
                }
            });
            assert!(taken <= calculated + FIXED, "{taken} of {calculated}");
            assert!(taken >= calculated / 4 * 3, "{taken} of {calculated}");
        }
    }

    /// The bytes that a proof takes with this set, and those that were calculated.
    fn taken(set: OptionSet, groups: usize, kept: usize) -> (usize, usize) {
        let pool = ThreadPoolBuilder::new().num_threads(1).build();
        pool.expect("a pool").install(|| {
            let settings = ProofSettings::new(set, HashFunction::Blake3_256);
            let settings = settings.expect("they go together");
            let (before, _) = BYTES.get();
            let trace = samples::trace();
            let air = air(&trace, settings, groups);
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
                assert!(taken <= calculated + FIXED, "{taken} of {calculated}");
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
