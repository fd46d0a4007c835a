//! A machine with its host.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use miden_cvm_processor::{DefaultHost, Position, Process, Run};

use super::follower::Follower;
use crate::Location;

/// The output of `debug` instructions.
#[derive(Debug, Clone, Default)]
pub(super) struct Console(pub Arc<Mutex<String>>);

impl Console {
    pub fn text(&self) -> String {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push_str(text);
        Ok(())
    }
}

/// A machine, and what runs on it.
pub(super) struct Running<'t> {
    pub process: Process<Follower>,
    pub run: Run<'t>,
    pub host: DefaultHost<Console>,
}

impl Running<'_> {
    /// A position in the source.
    pub fn locate(&self, position: Position) -> Location {
        self.process.locate(position, &self.host)
    }
}

impl std::ops::Deref for Running<'_> {
    type Target = Process<Follower>;

    fn deref(&self) -> &Self::Target {
        &self.process
    }
}
