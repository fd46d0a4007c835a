//! The interface of `rayon`, on one thread.

/// Makes iterators that are not parallel.
pub mod iter {
    pub use core::iter::repeat_n;
}

/// The traits under whose names code calls for parallel iterators.
pub mod prelude {
    pub use super::{
        IntoParallelIterator, IntoParallelRefIterator, IntoParallelRefMutIterator, ParallelExtend,
        ParallelIterator, ParallelSlice, ParallelSliceMut,
    };
}

/// Does one thing, then the other.
pub fn join<A, B>(first: impl FnOnce() -> A, second: impl FnOnce() -> B) -> (A, B) {
    (first(), second())
}

/// Does what there is to do.
pub fn spawn(body: impl FnOnce()) {
    body();
}

/// Where tasks are started that have to end before something is over.
#[derive(Debug)]
pub struct Scope(());

impl Scope {
    /// Does a task.
    pub fn spawn(&self, task: impl FnOnce(&Self)) {
        task(self);
    }
}

/// Does a task that starts others.
pub fn scope<R>(task: impl FnOnce(&Scope) -> R) -> R {
    task(&Scope(()))
}

/// A value that becomes an iterator.
pub trait IntoParallelIterator: IntoIterator + Sized {
    /// The iterator.
    fn into_par_iter(self) -> Self::IntoIter {
        self.into_iter()
    }
}

impl<I: IntoIterator> IntoParallelIterator for I {}

/// A collection that is iterated over by reference.
pub trait IntoParallelRefIterator<'a> {
    /// The iterator.
    type Iter;

    /// The iterator over references.
    fn par_iter(&'a self) -> Self::Iter;
}

impl<'a, I: 'a + ?Sized> IntoParallelRefIterator<'a> for I
where
    &'a I: IntoIterator,
{
    type Iter = <&'a I as IntoIterator>::IntoIter;

    fn par_iter(&'a self) -> Self::Iter {
        self.into_iter()
    }
}

/// A collection that is iterated over by mutable reference.
pub trait IntoParallelRefMutIterator<'a> {
    /// The iterator.
    type Iter;

    /// The iterator over mutable references.
    fn par_iter_mut(&'a mut self) -> Self::Iter;
}

impl<'a, I: 'a + ?Sized> IntoParallelRefMutIterator<'a> for I
where
    &'a mut I: IntoIterator,
{
    type Iter = <&'a mut I as IntoIterator>::IntoIter;

    fn par_iter_mut(&'a mut self) -> Self::Iter {
        self.into_iter()
    }
}

/// A collection that takes items.
pub trait ParallelExtend<T>: Extend<T> + Sized {
    /// Takes items.
    fn par_extend(&mut self, items: impl IntoIterator<Item = T>) {
        self.extend(items);
    }
}

impl<T, C: Extend<T>> ParallelExtend<T> for C {}

/// Methods that parallel iterators have and those of the standard library do not.
pub trait ParallelIterator: Iterator + Sized {
    /// The iterator itself: it is not divided.
    fn with_min_len(self, _least: usize) -> Self {
        self
    }

    /// Maps items, with something that is made once.
    fn map_init<T, R>(
        self,
        init: impl FnOnce() -> T,
        mut map: impl FnMut(&mut T, Self::Item) -> R,
    ) -> impl Iterator<Item = R> {
        let mut with = init();
        self.map(move |item| map(&mut with, item))
    }

    /// Does something with every item, and with something that is made once.
    fn for_each_init<T>(self, init: impl FnOnce() -> T, mut body: impl FnMut(&mut T, Self::Item)) {
        let mut with = init();
        self.for_each(|item| body(&mut with, item));
    }

    /// Maps every item to items.
    fn flat_map_iter<I: IntoIterator>(
        self,
        map: impl FnMut(Self::Item) -> I,
    ) -> impl Iterator<Item = I::Item> {
        self.flat_map(map)
    }

    /// The first result that is there.
    fn find_map_first<R>(mut self, map: impl FnMut(Self::Item) -> Option<R>) -> Option<R> {
        self.find_map(map)
    }
}

impl<I: Iterator> ParallelIterator for I {}

/// Parts of slices.
pub trait ParallelSlice<T> {
    /// The parts of this length, of which the last one may be shorter.
    fn par_chunks(&self, length: usize) -> core::slice::Chunks<'_, T>;
}

impl<T> ParallelSlice<T> for [T] {
    fn par_chunks(&self, length: usize) -> core::slice::Chunks<'_, T> {
        self.chunks(length)
    }
}

/// Parts of slices that change, and the order of slices.
pub trait ParallelSliceMut<T> {
    /// The parts of this length, of which the last one may be shorter.
    fn par_chunks_mut(&mut self, length: usize) -> core::slice::ChunksMut<'_, T>;

    /// The parts of exactly this length.
    fn par_chunks_exact_mut(&mut self, length: usize) -> core::slice::ChunksExactMut<'_, T>;

    /// Sorts; what is equal may change places.
    fn par_sort_unstable(&mut self)
    where
        T: Ord;
}

impl<T> ParallelSliceMut<T> for [T] {
    fn par_chunks_mut(&mut self, length: usize) -> core::slice::ChunksMut<'_, T> {
        self.chunks_mut(length)
    }

    fn par_chunks_exact_mut(&mut self, length: usize) -> core::slice::ChunksExactMut<'_, T> {
        self.chunks_exact_mut(length)
    }

    fn par_sort_unstable(&mut self)
    where
        T: Ord,
    {
        self.sort_unstable();
    }
}
