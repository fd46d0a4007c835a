//! Parallel work, on all threads or on one.
//!
//! With the feature `concurrent` this is `rayon`. Without it the same names do the same one after the
//! other, as where there are no threads: parallel iterators are then those of the standard library.
//! Only what Miden CVM uses is there.

#[cfg(feature = "concurrent")]
pub use rayon::{iter, join, prelude, scope, spawn};

#[cfg(any(test, not(feature = "concurrent")))]
mod serial;
#[cfg(not(feature = "concurrent"))]
pub use serial::{Scope, iter, join, prelude, scope, spawn};

#[cfg(test)]
mod tests {
    /// A module that does everything there is by the names of another one.
    macro_rules! work {
        ($name:ident, $($from:tt)*) => {
            mod $name {
                use $($from)*::{iter, join, prelude::*, scope, spawn};

                pub fn results() -> Vec<Vec<u64>> {
                    let numbers: Vec<u64> = (0..1_000).map(|i| i * i % 1_009).collect();
                    let add = |to: &mut u64, by: u64| *to = to.wrapping_mul(31) + by;
                    let mut found = Vec::new();

                    let squares = numbers.par_iter().with_min_len(10).map(|n| n * n);
                    found.push(squares.collect());
                    let several = (0..9_u64).into_par_iter().flat_map_iter(|n| [n; 3]);
                    found.push(several.collect());
                    found.push(iter::repeat_n(7, 12).collect());
                    let with_room = (0..5_u64).into_par_iter().map_init(Vec::new, |room, n| {
                        room.clear();
                        room.push(n);
                        room.len() as u64 + n
                    });
                    found.push(with_room.collect());
                    let mut longer = vec![1, 2];
                    longer.par_extend((3..900_u64).into_par_iter().map(|n| n * n));
                    found.push(longer);
                    let first = numbers.clone().into_par_iter().find_map_first(|n| (n > 900).then_some(n));
                    found.push(first.into_iter().collect());

                    let mut changed = numbers.clone();
                    changed.par_iter_mut().enumerate().for_each(|(i, n)| add(n, i as u64));
                    let chunks = changed.par_chunks_mut(7).zip(numbers.par_chunks(7));
                    chunks.enumerate().for_each_init(|| 3, |three, (i, (to, from))| {
                        to.iter_mut().zip(from).for_each(|(to, from)| add(to, from + *three + i as u64));
                    });
                    changed.par_chunks_exact_mut(16).for_each(|to| to.reverse());
                    found.push(changed.clone());
                    changed.par_sort_unstable();
                    found.push(changed);

                    let (mut left, mut right) = (vec![1, 2], vec![3]);
                    let lengths = join(|| left.len() as u64, || right.len() as u64);
                    scope(|scope| {
                        scope.spawn(|scope| {
                            left.push(lengths.0);
                            scope.spawn(|_| right.push(lengths.1));
                        });
                    });
                    found.extend([left, right]);
                    let (sender, receiver) = std::sync::mpsc::channel();
                    spawn(move || sender.send(5).expect("somebody listens"));
                    found.push(vec![receiver.recv().expect("a number")]);
                    found
                }
            }
        };
    }

    work!(in_order, crate::serial);
    work!(at_once, rayon);

    #[test]
    fn order_makes_no_difference() {
        assert_eq!(in_order::results(), at_once::results());
    }
}
