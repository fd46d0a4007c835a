//! The operand stack.
//!
//! All contexts share one buffer that grows towards its front, so that the top 16 elements of the
//! running context are always one slice in stack order. A context owns a region of the buffer;
//! a callee's region lies in front of its caller's, which thereby stays out of reach.

use miden_core::{Felt, Word, ZERO, stack::MIN_STACK_DEPTH};

/// Room for zeros that enter a context of the least depth from below.
const SLACK: usize = 64;
const INITIAL_CAPACITY: usize = 1024;

/// The operand stack of all contexts that are open.
#[derive(Debug, Clone)]
pub struct Stack {
    buffer: Vec<Felt>,
    /// For an overflown element, at its index in `buffer`: the cycle at which it overflowed.
    overflown_at: Vec<u32>,
    /// Index of the top element.
    top: usize,
    /// End of the running context's region.
    end: usize,
    /// Depth in the running context.
    depth: usize,
    /// The stacks that were saved and not restored yet, of all contexts that are open.
    saved: Vec<SavedStack>,
    /// The number of them when the running context began.
    saved_before: usize,
}

/// Where a context's stack stands while another context runs.
///
/// Positions are counted from the end of the buffer, because it grows at its front.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SuspendedStack {
    top_from_end: usize,
    end_from_end: usize,
    depth: usize,
    saved_before: usize,
}

/// A stack of which all but the top is out of reach until it is restored.
#[derive(Debug, Clone, Copy)]
struct SavedStack {
    stack: SuspendedStack,
    /// The cycle of the save + 1.
    time: u32,
}

impl Stack {
    /// Returns a stack that holds `inputs`, the first element on top.
    pub fn new(inputs: &[Felt; MIN_STACK_DEPTH]) -> Self {
        let mut buffer = vec![ZERO; INITIAL_CAPACITY];
        let top = INITIAL_CAPACITY - SLACK - MIN_STACK_DEPTH;
        buffer[top..top + MIN_STACK_DEPTH].copy_from_slice(inputs);
        Self {
            buffer,
            overflown_at: vec![0; INITIAL_CAPACITY],
            top,
            end: INITIAL_CAPACITY,
            depth: MIN_STACK_DEPTH,
            saved: Vec::new(),
            saved_before: 0,
        }
    }

    // READING
    // --------------------------------------------------------------------------------------------

    /// Number of elements in the running context, at least 16.
    #[inline]
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// The top 16 elements, the top one first.
    #[inline]
    pub fn top16(&self) -> &[Felt; MIN_STACK_DEPTH] {
        self.buffer[self.top..]
            .first_chunk()
            .expect("a context always has 16 elements in the buffer")
    }

    /// The element `position` below the top; zero below the stack's depth.
    #[inline]
    pub fn get(&self, position: usize) -> Felt {
        if position < self.depth {
            self.buffer[self.top + position]
        } else {
            ZERO
        }
    }

    /// Four elements from `start` downwards, the deepest of them first in the word.
    #[inline]
    pub fn get_word(&self, start: usize) -> Word {
        [
            self.get(start + 3),
            self.get(start + 2),
            self.get(start + 1),
            self.get(start),
        ]
        .into()
    }

    /// All elements of the running context, the top one first.
    pub fn elements(&self) -> &[Felt] {
        &self.buffer[self.top..self.top + self.depth]
    }

    /// The cycle at which the topmost overflown element of this context overflowed; if there is none, the
    /// cycle + 1 of the save that was not restored yet, or 0.
    #[inline]
    pub fn overflow_pointer(&self) -> u32 {
        if self.depth > MIN_STACK_DEPTH {
            self.overflown_at[self.top + MIN_STACK_DEPTH]
        } else {
            self.last_saved().map_or(0, |saved| saved.time)
        }
    }

    /// The number of stacks that were saved and not restored yet, in all contexts that are open.
    pub fn saved(&self) -> usize {
        self.saved.len()
    }

    /// `true` if the running context has saved a stack that it has not restored yet.
    #[inline]
    pub fn has_saved(&self) -> bool {
        self.saved.len() > self.saved_before
    }

    fn last_saved(&self) -> Option<&SavedStack> {
        self.saved[self.saved_before..].last()
    }

    // CHANGING
    // --------------------------------------------------------------------------------------------

    /// Replaces the element `position` below the top.
    #[inline]
    pub fn set(&mut self, position: usize, value: Felt) {
        debug_assert!(position < MIN_STACK_DEPTH);
        self.buffer[self.top + position] = value;
    }

    /// Writes a word so that its last element is at `start` and its first one three below.
    #[inline]
    pub fn set_word(&mut self, start: usize, word: &Word) {
        for (i, &element) in word.iter().rev().enumerate() {
            self.set(start + i, element);
        }
    }

    /// The top 16 elements, to be changed in place.
    #[inline]
    pub fn top16_mut(&mut self) -> &mut [Felt; MIN_STACK_DEPTH] {
        self.buffer[self.top..]
            .first_chunk_mut()
            .expect("a context always has 16 elements in the buffer")
    }

    /// Puts an element on top at cycle `clk`; the sixteenth overflows.
    #[inline]
    pub fn push(&mut self, value: Felt, clk: u32) {
        if self.top == 0 {
            self.grow();
        }
        self.overflown_at[self.top + MIN_STACK_DEPTH - 1] = clk;
        self.top -= 1;
        self.depth += 1;
        self.buffer[self.top] = value;
    }

    /// Removes the top element; at the least depth a zero enters from below.
    #[inline]
    pub fn drop_top(&mut self) {
        if self.depth > MIN_STACK_DEPTH {
            self.depth -= 1;
        } else {
            if self.top + MIN_STACK_DEPTH == self.end {
                self.make_slack();
            }
            self.buffer[self.top + MIN_STACK_DEPTH] = ZERO;
        }
        self.top += 1;
    }

    // CONTEXTS
    // --------------------------------------------------------------------------------------------

    /// Begins a context that sees the top 16 elements and nothing below them.
    pub fn start_context(&mut self) -> SuspendedStack {
        while self.top < 2 * SLACK + MIN_STACK_DEPTH {
            self.grow();
        }
        let suspended = SuspendedStack {
            top_from_end: self.buffer.len() - self.top,
            end_from_end: self.buffer.len() - self.end,
            depth: self.depth,
            saved_before: self.saved_before,
        };
        self.saved_before = self.saved.len();
        let callee_top = self.top - SLACK - MIN_STACK_DEPTH;
        self.buffer
            .copy_within(self.top..self.top + MIN_STACK_DEPTH, callee_top);
        self.end = self.top;
        self.top = callee_top;
        self.depth = MIN_STACK_DEPTH;
        suspended
    }

    /// Ends the running context, whose depth must be 16, and goes back to a suspended one with
    /// the top 16 elements.
    pub fn restore_context(&mut self, suspended: SuspendedStack) {
        debug_assert_eq!(self.depth, MIN_STACK_DEPTH);
        let crossing = *self.top16();
        self.go_back(suspended);
        *self.top16_mut() = crossing;
    }

    /// Puts all but the top `seen` elements out of reach at cycle `clk`, zeros being in their place.
    pub fn save(&mut self, seen: usize, clk: u32) {
        let before = self.saved_before;
        let stack = self.start_context();
        self.saved_before = before;
        self.saved.push(SavedStack {
            stack,
            time: clk + 1,
        });
        self.top16_mut()[seen..].fill(ZERO);
    }

    /// Puts below the top what was saved last in the running context; does nothing if nothing was. The depth must
    /// be 16.
    pub fn restore(&mut self) {
        if !self.has_saved() {
            return;
        }
        let Some(SavedStack { stack, .. }) = self.saved.pop() else {
            return;
        };
        debug_assert_eq!(self.depth, MIN_STACK_DEPTH);
        let top = self.get(0);
        self.go_back(stack);
        self.set(0, top);
    }

    /// Goes back to a suspended stack as it was.
    fn go_back(&mut self, suspended: SuspendedStack) {
        self.top = self.buffer.len() - suspended.top_from_end;
        self.end = self.buffer.len() - suspended.end_from_end;
        self.depth = suspended.depth;
        self.saved_before = suspended.saved_before;
    }

    /// Moves a context of the least depth forward in its region.
    #[cold]
    fn make_slack(&mut self) {
        if self.top < SLACK {
            self.grow();
        }
        self.buffer
            .copy_within(self.top..self.top + MIN_STACK_DEPTH, self.top - SLACK);
        self.top -= SLACK;
    }

    /// Doubles the buffer, the new room being in front.
    #[cold]
    fn grow(&mut self) {
        let added = self.buffer.len();
        self.buffer.resize(2 * added, ZERO);
        self.buffer.copy_within(0..added, added);
        self.overflown_at.resize(2 * added, 0);
        self.overflown_at.copy_within(0..added, added);
        self.top += added;
        self.end += added;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs() -> [Felt; MIN_STACK_DEPTH] {
        core::array::from_fn(|i| Felt::new(i as u64 + 1))
    }

    #[test]
    fn zeros_enter_at_least_depth() {
        let mut stack = Stack::new(&inputs());
        for i in 0..1000u64 {
            stack.drop_top();
            let expected = if i + 2 <= 16 { Felt::new(i + 2) } else { ZERO };
            assert_eq!(stack.get(0), expected);
            assert_eq!(stack.get(15), ZERO);
            assert_eq!(stack.depth(), 16);
        }
    }

    #[test]
    fn overflow_comes_back_with_its_cycle() {
        let mut stack = Stack::new(&inputs());
        for clk in 1..=5000u32 {
            stack.push(Felt::from(100 + clk), clk);
            assert_eq!(stack.overflow_pointer(), clk);
        }
        assert_eq!(stack.depth(), 5016);
        for clk in (1..=5000u32).rev() {
            assert_eq!(stack.overflow_pointer(), clk);
            assert_eq!(stack.get(0), Felt::from(100 + clk));
            stack.drop_top();
        }
        assert_eq!(stack.top16(), &inputs());
        assert_eq!(stack.overflow_pointer(), 0);
    }

    #[test]
    fn what_is_saved_comes_back_below_the_top() {
        let mut stack = Stack::new(&inputs());
        stack.push(Felt::new(77), 3);
        for level in 0..200u32 {
            stack.save(1, 10 + level);
            assert_eq!(stack.depth(), 16);
            assert_eq!(stack.overflow_pointer(), 11 + level);
            assert_eq!(stack.elements()[1..], [ZERO; 15]);
            // What overflows in between points to it.
            stack.push(Felt::new(5), 1000);
            assert_eq!(stack.overflow_pointer(), 1000);
            stack.drop_top();
            // A callee sees nothing of it.
            let suspended = stack.start_context();
            assert!(!stack.has_saved());
            assert_eq!(stack.overflow_pointer(), 0);
            let mut callee = stack.clone();
            callee.restore();
            assert_eq!(callee.elements(), stack.elements());
            stack.set(0, stack.get(0) + Felt::new(1));
            stack.set(7, Felt::new(9));
            stack.restore_context(suspended);
            assert_eq!(stack.overflow_pointer(), 11 + level);
        }
        assert_eq!(stack.saved(), 200);
        for level in (0..200u32).rev() {
            assert_eq!(stack.overflow_pointer(), 11 + level);
            stack.restore();
        }
        assert!(!stack.has_saved());
        assert_eq!(stack.depth(), 17);
        assert_eq!(stack.overflow_pointer(), 3);
        assert_eq!(stack.get(0), Felt::new(277));
        assert_eq!(stack.elements()[1..], inputs());
        stack.save(2, 20);
        assert_eq!(
            stack.elements()[1..],
            [[Felt::new(1)].as_slice(), &[ZERO; 14]].concat()
        );
    }

    #[test]
    fn contexts_hide_overflow() {
        let mut stack = Stack::new(&inputs());
        stack.push(Felt::new(77), 3);
        let mut suspended = Vec::new();
        for level in 0..200 {
            suspended.push(stack.start_context());
            assert_eq!(stack.depth(), 16);
            assert_eq!(stack.get(16), ZERO);
            assert_eq!(stack.overflow_pointer(), 0);
            assert_eq!(stack.get(0), Felt::new(77 + level));
            stack.set(0, Felt::new(78 + level));
        }
        for saved in suspended.into_iter().rev() {
            stack.restore_context(saved);
        }
        assert_eq!(stack.depth(), 17);
        assert_eq!(stack.overflow_pointer(), 3);
        assert_eq!(stack.get(0), Felt::new(277));
        assert_eq!(stack.get(16), Felt::new(16));
    }
}
