//! Progress on a terminal, or in lines of JSON.

use std::{fmt, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::outcome::note_warning;

const TICK: Duration = Duration::from_millis(100);

/// A line on the standard error that says what is being done and for how long, and how much of it is
/// done where that is known. It is not there if that is no terminal, and gone when this value is
/// dropped.
#[derive(Debug, Clone)]
pub struct Progress {
    bar: ProgressBar,
    /// `true` if every change is a line of JSON, in the place of the line on a terminal.
    is_lines: bool,
}

impl Progress {
    /// Shows the first stage.
    pub fn start(stage: &'static str) -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.set_message(stage);
        bar.enable_steady_tick(TICK);
        Self {
            bar,
            is_lines: false,
        }
    }

    /// Says the first stage in a line of JSON, as all that follows.
    pub fn in_lines(stage: &'static str) -> Self {
        let this = Self {
            bar: ProgressBar::hidden(),
            is_lines: true,
        };
        this.stage(stage);
        this
    }

    /// Goes on to another stage.
    pub fn stage(&self, stage: &'static str) {
        self.bar.set_message(stage);
        self.bar.reset_elapsed();
        if self.is_lines {
            eprintln!(
                "{}",
                json!({ "phase": stage, "percent": self.bar.position() })
            );
        }
    }

    /// Says how much of the work is done, in percent.
    pub fn done(&self, percent: u64) {
        if self.bar.length().is_none() {
            self.bar.set_length(100);
            let template = "{spinner} {bar:30} {pos:>3} %  {msg} {elapsed}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                self.bar.set_style(style);
            }
        }
        self.bar.set_position(percent);
    }

    /// Warns of something, on the standard error and in the answer in JSON.
    pub fn warn(&self, warning: impl fmt::Display) {
        self.bar.suspend(|| eprintln!("warning: {warning}"));
        note_warning(warning.to_string());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
