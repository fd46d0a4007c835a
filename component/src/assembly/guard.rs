//! Runs code that was not written for untrusted input.

use std::{
    any::Any,
    panic::{self, AssertUnwindSafe},
    thread,
};

/// The stack of the thread: what is bounded beforehand (nesting, terms, chains of names) takes far less.
/// It is only reserved; memory is taken as it is used.
const STACK_BYTES: usize = 512 << 20;

/// Why nothing came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It panicked with this message.
    Panicked(String),
    /// The thread could not be started.
    NoThread(String),
}

/// Runs `work` on a large stack, and turns a panic into an error.
///
/// A stack overflow cannot be caught: whoever hands over work bounds first how deep it goes.
pub(crate) fn guarded<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, Failure> {
    thread::scope(|scope| {
        let builder = thread::Builder::new()
            .name("reading input".into())
            .stack_size(STACK_BYTES);
        let thread = builder
            .spawn_scoped(scope, || {
                // Nothing that it was about to make is looked at after a panic.
                panic::catch_unwind(AssertUnwindSafe(work)).map_err(|panic| message(&*panic))
            })
            .map_err(|error| Failure::NoThread(error.to_string()))?;
        match thread.join() {
            Ok(result) => result.map_err(Failure::Panicked),
            Err(panic) => Err(Failure::Panicked(message(&*panic))),
        }
    })
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("no reason is known").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panics_are_errors() {
        assert_eq!(guarded(|| 1), Ok(1));
        let panicked = guarded(|| -> u32 { panic!("because of {}", 7) });
        assert_eq!(panicked, Err(Failure::Panicked("because of 7".into())));
    }

    #[test]
    fn the_stack_is_large() {
        fn deep(levels: u32) -> u32 {
            let frame = std::hint::black_box([levels; 256]);
            if levels == 0 {
                frame[0]
            } else {
                deep(levels - 1) + frame[1] / levels.max(1)
            }
        }
        assert_eq!(guarded(|| deep(50_000)), Ok(50_000));
    }
}
