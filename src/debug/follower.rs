//! The tracer that stops the machine before every cycle.

use std::{collections::HashSet, sync::Arc};

use miden_core::Word;
use miden_cvm_processor::{ContextId, OpenProcedures, Position, RowKind, RowState, Tracer};

/// A procedure that has begun.
#[derive(Debug, Clone, Copy)]
pub(super) struct Opened {
    pub digest: Word,
    pub context: ContextId,
    pub in_kernel: bool,
}

/// Stops before every cycle, and knows which procedures are open.
#[derive(Debug)]
pub(super) struct Follower {
    /// The digests of all procedures.
    known: Arc<HashSet<Word>>,
    /// The cycle before which it stopped last.
    paused: Option<u32>,
    /// The place of what comes next in the code.
    pub position: Position,
    pub open: OpenProcedures<Opened>,
    /// The context that was entered since the last stop.
    pub entered: Option<ContextId>,
}

impl Follower {
    pub fn new(known: Arc<HashSet<Word>>) -> Self {
        Self {
            known,
            paused: None,
            position: Position::default(),
            open: OpenProcedures::default(),
            entered: None,
        }
    }
}

impl Tracer for Follower {
    const ENABLED: bool = true;

    fn pauses(&mut self, clk: u32, position: Position) -> bool {
        if self.paused == Some(clk) {
            self.entered = None;
            return false;
        }
        self.paused = Some(clk);
        self.position = position;
        true
    }

    fn row(&mut self, state: &RowState<'_>, kind: RowKind<'_>) {
        let known = &self.known;
        self.open.begin(&kind, |digest, _| {
            let is_procedure = known.contains(&digest) && state.is_procedure();
            is_procedure.then_some(Opened {
                digest,
                context: state.context,
                in_kernel: state.in_syscall,
            })
        });
        if let RowKind::Start(start) = kind {
            self.entered = start.entered.map(|entered| entered.context);
        }
        self.open.end(&kind);
    }
}
