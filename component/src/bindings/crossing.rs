//! The call from one instance to another. 16 elements of the stack are seen and left by the callee, so
//! what is the caller's among them is out of reach before the call and restored after it.

use miden_cvm_air::composition::Intrinsic;

use super::{
    ABI_MODULE,
    checks::is_integer,
    code::{Code, move_down, move_up},
    resources::INSTANCE_STUBS,
    stubs::STUB_MODULE,
};
use crate::abi::{FlatValues, MAX_FLAT};

/// The elements that cross a boundary.
const CROSSING: usize = 16;

/// The most results that bindings can clear of what lies below them by moves alone.
const MAX_CLEARED: usize = 8;

/// Where what is the caller's is while the callee runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keeping {
    /// The VM has it: the intrinsics of the stack put it out of reach and back.
    Saved,
    /// Three words of it are in memory, the others lie deeper than the callee sees.
    ThreeWords,
    /// Two words of it are in memory.
    TwoWords,
    /// All of it lies deeper.
    Below,
}

/// A call with so many elements that go and come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Crossing {
    params: usize,
    results: usize,
    keeping: Keeping,
    result_is_integer: bool,
}

impl Crossing {
    pub(super) fn new(params: &FlatValues, results: &FlatValues) -> Self {
        let (given, taken) = (params.crossing_len(), results.crossing_len());
        let keeping = match (given, taken) {
            (0..=2, 0..=2) => Keeping::Saved,
            (0..=2, 0..=4) => Keeping::ThreeWords,
            (0..=4, 0..=8) => Keeping::TwoWords,
            _ => Keeping::Below,
        };
        Self {
            params: given,
            results: taken,
            keeping,
            result_is_integer: matches!(results.types.as_slice(), [ty] if is_integer(ty))
                && taken == 1,
        }
    }

    /// Returns `true` if the call traps if the result is no value of its type, so that nobody else has to look.
    pub(super) fn checks_result(&self) -> bool {
        self.result_is_integer && self.keeping == Keeping::TwoWords
    }

    /// The code before the call: the parameters stay on top, and what is below them is out of reach.
    pub(super) fn keep(&self, code: &mut Code) {
        match self.keeping {
            Keeping::Saved => {
                code.words(&"push.0".repeat(usize::from(self.params == 0)));
                code.line(stack_call(match self.params {
                    2 => Intrinsic::SavePair,
                    _ => Intrinsic::Save,
                }));
            }
            Keeping::ThreeWords => {
                code.words(&"push.0 ".repeat(2 - self.params));
                code.line(format!("exec.::{ABI_MODULE}::keep_three_words"));
                code.words(&"movup.3 ".repeat(self.params));
            }
            Keeping::TwoWords => {
                self.fill(code, 4);
                code.line(format!("exec.::{ABI_MODULE}::keep_two_words"));
            }
            Keeping::Below if self.params == 0 => code.line("padw padw padw padw"),
            Keeping::Below if self.params <= 8 => {
                self.fill(code, 8);
                code.line("padw padw swapdw");
            }
            Keeping::Below => {
                code.words(&"push.0 ".repeat(CROSSING - self.params));
                if self.params < CROSSING {
                    code.words(&"movup.15 ".repeat(self.params));
                }
            }
        }
    }

    /// Puts zeros below the parameters, so that together they are so many.
    fn fill(&self, code: &mut Code, length: usize) {
        let zero = format!("push.0 {} ", move_down(self.params));
        code.words(&zero.repeat(length - self.params));
    }

    /// The code after the call: the results stay on top, and below them is what was below the parameters.
    pub(super) fn restore(&self, code: &mut Code) {
        let results = self.results;
        match self.keeping {
            Keeping::Saved => {
                // The second of two results is what crosses with the stack.
                let is_pair = results == 2;
                if is_pair {
                    code.line(format!("exec.::{ABI_MODULE}::put_away"));
                }
                code.line(stack_call(Intrinsic::Restore));
                // What is on top takes the place of the last parameter.
                let above = results.min(1);
                drop_below(code, above, self.params.max(1) - above);
                if is_pair {
                    code.line(format!("exec.::{ABI_MODULE}::take_back"));
                }
            }
            Keeping::ThreeWords if results == 4 => {
                code.line(format!(
                    "exec.::{ABI_MODULE}::restore_three_words_below_word"
                ));
            }
            // Three: fewer are below a saved stack. The address takes the place of one element that is dropped.
            Keeping::ThreeWords => {
                code.line(format!(
                    "movup.3 drop exec.::{ABI_MODULE}::restore_three_words"
                ));
            }
            Keeping::TwoWords if results == 0 => {
                code.line(format!(
                    "dropw dropw exec.::{ABI_MODULE}::restore_two_words"
                ));
            }
            Keeping::TwoWords if results == 1 => {
                code.line(match self.checks_result() {
                    true => format!("exec.::{ABI_MODULE}::restore_two_words_below_u32"),
                    false => format!("exec.::{ABI_MODULE}::restore_two_words_below_one"),
                });
            }
            Keeping::TwoWords if results <= 3 => {
                code.line(format!(
                    "exec.::{ABI_MODULE}::restore_two_words_below_three"
                ));
                drop_below(code, results, 3 - results);
            }
            Keeping::TwoWords => {
                code.line(format!(
                    "swapdw exec.::{ABI_MODULE}::restore_two_words swapdw"
                ));
                drop_below(code, results, 8 - results);
            }
            Keeping::Below if results == 0 => code.line("dropw dropw dropw dropw"),
            Keeping::Below if results <= 8 => {
                code.line("swapdw dropw dropw");
                drop_below(code, results, 8 - results);
            }
            Keeping::Below if results < CROSSING => {
                code.words(&format!("{} ", move_down(CROSSING - 1)).repeat(results));
                code.words(&"drop ".repeat(CROSSING - results));
            }
            Keeping::Below => {}
        }
    }
}

/// The call of an intrinsic that changes the stack.
fn stack_call(intrinsic: Intrinsic) -> String {
    format!(
        "call.::{STUB_MODULE}::{INSTANCE_STUBS}::{}",
        intrinsic.identifier()
    )
}

/// Drops `count` elements that lie below `above` others; 16 at most are looked at.
fn drop_below(code: &mut Code, above: usize, count: usize) {
    match (above, count) {
        (4, 4) => code.line("swapw dropw"),
        (8, 8) => code.line("swapdw dropw dropw"),
        _ if above < count => {
            let under = format!("{} ", move_down(above + count - 1));
            code.words(&under.repeat(above));
            code.words(&"drop ".repeat(count));
        }
        _ => code.words(&format!("{} drop ", move_up(above)).repeat(count)),
    }
}

/// The code by which an export leaves no more elements than it finds, however its procedure takes the
/// parameters off the stack: where fewer than 16 would be left, zeros come in from below, and then there
/// are too many once the results are there, as many as these at most.
#[derive(Debug, Clone, Copy)]
pub(super) struct Depth {
    params: usize,
    results: usize,
}

impl Depth {
    pub(super) fn new(params: &FlatValues, results: &FlatValues) -> Self {
        Self {
            params: params.crossing_len(),
            results: results.crossing_len(),
        }
    }

    /// Returns `true` if the parameters are checked in copies, which stay: one, and more than four, are checked in fewer
    /// cycles so. There can be results then whose number is taken off below them in the end.
    pub(super) fn checks_copies(&self) -> bool {
        (1..=MAX_CLEARED).contains(&self.results) && !matches!(self.params, 2..=4)
    }

    /// Leaves 16 elements.
    pub(super) fn lower(&self, code: &mut Code) {
        let behind = self.results.saturating_sub(MAX_CLEARED);
        if behind == 0 {
            return drop_below(code, self.results, self.results);
        }
        code.line(format!("exec.::{ABI_MODULE}::put_away_two_words"));
        drop_below(code, behind, behind);
        // What is behind the results is not needed any more.
        code.line(match behind {
            1..=4 => "swapw.2",
            _ => "swapdw",
        });
        code.line(format!("exec.::{ABI_MODULE}::restore_two_words"));
    }
}

/// Whatever is on the stack when a procedure is entered crosses the boundary too.
const _: () = assert!(MAX_FLAT == CROSSING);
