//! Memory from the end of the program's data on.

use core::{
    alloc::{GlobalAlloc, Layout},
    cell::UnsafeCell,
};

/// Blocks of one size are given again when they are free: powers of two, from 16 bytes on.
const CLASSES: usize = 24;

/// An allocator whose memory begins where the module's own ends, and grows with what is asked for:
///
/// ```ignore
/// #[global_allocator]
/// static HEAP: miden_cvm_guest::Heap = miden_cvm_guest::Heap::new();
/// ```
// Free blocks by size, each of which begins with the address of the next, and the end of what was given.
pub struct Heap(UnsafeCell<([usize; CLASSES], usize)>);

impl Heap {
    /// An allocator that has given nothing yet. A module has one.
    pub const fn new() -> Self {
        Self(UnsafeCell::new(([0; CLASSES], 0)))
    }
}

impl Default for Heap {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: an instance has one thread.
unsafe impl Sync for Heap {}

fn class(layout: Layout) -> usize {
    let size = layout
        .size()
        .max(layout.align())
        .max(16)
        .next_power_of_two();
    size.trailing_zeros() as usize - 4
}

// SAFETY: a block has the size of its class, which is a multiple of its alignment, and is given to one at a time.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let (free, end) = unsafe { &mut *self.0.get() };
        let class = class(layout);
        let Some(first) = free.get_mut(class) else {
            return core::ptr::null_mut();
        };
        if *first != 0 {
            let block = *first as *mut usize;
            *first = unsafe { *block };
            return block.cast();
        }
        let size = 16 << class;
        let memory = core::arch::wasm32::memory_size(0) << 16;
        if *end == 0 {
            *end = memory;
        }
        let block = end.next_multiple_of(size);
        if block + size > memory {
            let pages = (block + size - memory).div_ceil(1 << 16);
            if core::arch::wasm32::memory_grow(0, pages) == usize::MAX {
                return core::ptr::null_mut();
            }
        }
        *end = block + size;
        block as *mut u8
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let (free, _) = unsafe { &mut *self.0.get() };
        let first = &mut free[class(layout)];
        unsafe { *block.cast() = *first };
        *first = block as usize;
    }
}
