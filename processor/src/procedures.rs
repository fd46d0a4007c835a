//! The procedures of a run that have begun and not ended, for tracers that keep track of them.

use miden_core::Word;

use crate::tracer::RowKind;

/// The procedures that have begun and not ended, as the rows of a run tell it, and what a tracer keeps
/// of each.
///
/// Procedures are told apart by their digests. Short ones that the assembler merged into the basic
/// blocks of others have no rows of their own.
#[derive(Debug, Clone)]
pub struct OpenProcedures<N> {
    /// Number of open nodes.
    nodes: usize,
    /// The data kept for each procedure, and the number of open nodes when it began.
    open: Vec<(usize, N)>,
}

impl<N> Default for OpenProcedures<N> {
    fn default() -> Self {
        Self {
            nodes: 0,
            open: Vec::new(),
        }
    }
}

impl<N> OpenProcedures<N> {
    /// Takes the row that begins a cycle. If it starts a node, `note` says what is kept of it, given
    /// its digest and what is kept of the procedure around it; nothing if it is no procedure.
    pub fn begin(&mut self, row: &RowKind<'_>, note: impl FnOnce(Word, Option<&N>) -> Option<N>) {
        match row {
            RowKind::Start(start) => {
                if let Some(noted) = note(start.digest, self.innermost()) {
                    self.open.push((self.nodes, noted));
                }
                self.nodes += 1;
            }
            // The call of a destructor is a node of its own.
            RowKind::Intrinsic(intrinsic) if !intrinsic.destroys => self.nodes += 1,
            _ => {}
        }
    }

    /// Takes the same row once more when everything about its cycle is done. Returns what was kept of
    /// the procedure that ended with it, if one did.
    pub fn end(&mut self, row: &RowKind<'_>) -> Option<N> {
        let RowKind::End(_) = row else {
            return None;
        };
        self.nodes = self.nodes.saturating_sub(1);
        let ended = self.open.pop_if(|(nodes, _)| *nodes == self.nodes);
        ended.map(|(_, noted)| noted)
    }

    /// Returns the data kept for the procedure that began last.
    pub fn innermost(&self) -> Option<&N> {
        self.open.last().map(|(_, noted)| noted)
    }

    /// Returns the data kept for the procedures, the innermost first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &N> + ExactSizeIterator {
        self.open.iter().rev().map(|(_, noted)| noted)
    }

    /// The number of procedures.
    pub fn depth(&self) -> usize {
        self.open.len()
    }
}
