//! Progress on a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

const TICK: Duration = Duration::from_millis(100);

/// A line on the standard error that says what is being done and for how long. It is not there if
/// that is no terminal, and gone when this value is dropped.
#[derive(Debug, Clone)]
pub struct Progress(ProgressBar);

impl Progress {
    /// Shows the first stage.
    pub fn start(stage: &'static str) -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.set_message(stage);
        bar.enable_steady_tick(TICK);
        Self(bar)
    }

    /// Goes on to another stage.
    pub fn stage(&self, stage: &'static str) {
        self.0.set_message(stage);
        self.0.reset_elapsed();
    }

    /// Does something that prints, without the line in the way.
    pub fn suspend<R>(&self, prints: impl FnOnce() -> R) -> R {
        self.0.suspend(prints)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
