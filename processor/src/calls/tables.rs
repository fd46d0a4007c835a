//! Resource tables: the handles of every instance, and those on their way between two.

use miden_core::Felt;

use crate::{
    calls::{
        resources::{Entry, Handle, Marks, Sender, Token},
        state::InstanceState,
    },
    error::{OpResult, Trap},
    options::MAX_HANDLES,
};

/// Counts what the tables of a run hold against the limit.
#[derive(Debug)]
pub(crate) struct Quota {
    used: u64,
    max: u64,
}

impl Quota {
    /// Nothing used out of `max`.
    pub fn new(max: u64) -> Self {
        Self { used: 0, max }
    }

    /// Takes one.
    ///
    /// # Errors
    /// If none is left.
    fn take(&mut self) -> OpResult {
        if self.used >= self.max {
            return Err(Box::new(Trap::LimitExceeded {
                limit: "handles",
                max: self.max,
            }));
        }
        self.used += 1;
        Ok(())
    }

    /// Gives some back.
    fn give_back(&mut self, count: usize) {
        self.used -= count as u64;
    }
}

/// An instance's state and its handles.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    /// The instance, for error messages.
    instance: u16,
    /// The instance's state. Its length is that of `entries` plus one, for index 0.
    pub state: InstanceState,
    /// The entries from index 1.
    entries: Vec<Entry>,
}

/// A changed slot of a table: its index, and the entry and the table's state before and
/// after.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change {
    pub handle: u32,
    pub entry: [Entry; 2],
    pub state: [InstanceState; 2],
}

impl Table {
    /// The table of an instance that was just created.
    pub fn new(instance: u16) -> Self {
        Self {
            instance,
            state: InstanceState::CREATED,
            entries: Vec::new(),
        }
    }

    /// The entries from index 1.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The handle at an index, which has to be of the given type.
    ///
    /// # Errors
    /// If there is none, or it is of another type.
    pub fn get(&self, index: Felt, resource: u32) -> OpResult<(u32, Handle)> {
        let instance = self.instance;
        let place = u32::try_from(index.as_int())
            .ok()
            .and_then(|handle| Some((handle, self.entries.get(handle.checked_sub(1)? as usize)?)));
        match place {
            Some((handle, Entry::Handle(content))) if content.resource == resource => {
                Ok((handle, *content))
            }
            Some((handle, Entry::Handle(content))) => Err(Box::new(Trap::WrongResourceType {
                instance,
                handle,
                expected: resource,
                found: content.resource,
            })),
            Some((_, Entry::Free { .. })) | None => Err(Box::new(Trap::UnknownHandle {
                instance,
                handle: index,
            })),
        }
    }

    /// The type of the handle at an index, if there is one.
    pub fn type_of(&self, index: Felt) -> Option<u32> {
        let place = usize::try_from(index.as_int()).ok()?.checked_sub(1)?;
        match self.entries.get(place)? {
            Entry::Handle(content) => Some(content.resource),
            Entry::Free { .. } => None,
        }
    }

    /// Like [`Table::get`], for a handle that is about to be taken out.
    ///
    /// # Errors
    /// If there is none, it is of another type, or lent.
    pub fn get_removable(
        &self,
        index: Felt,
        resource: u32,
        marks: Marks,
    ) -> OpResult<(u32, Handle)> {
        let (handle, content) = self.get(index, resource)?;
        if content.lent == marks.current {
            return Err(Box::new(Trap::HandleLent {
                instance: self.instance,
                handle,
                resource,
            }));
        }
        Ok((handle, content))
    }

    /// Returns a change that leaves `handle` as it is.
    pub fn unchanged(&self, handle: u32, entry: Entry) -> Change {
        Change {
            handle,
            entry: [entry; 2],
            state: [self.state; 2],
        }
    }

    /// Puts a handle in.
    ///
    /// # Errors
    /// If the table is full, or the run's limit is reached.
    pub fn add(&mut self, content: Handle, quota: &mut Quota) -> OpResult<Change> {
        let before = self.state;
        let (handle, read) = match before.free {
            0 => {
                if before.len > MAX_HANDLES {
                    return Err(Box::new(Trap::TableFull {
                        instance: self.instance,
                    }));
                }
                quota.take()?;
                self.entries.push(Entry::Handle(content));
                self.state.len += 1;
                (before.len, Entry::Free { next: 0 })
            }
            free => {
                let place = &mut self.entries[free as usize - 1];
                let read = core::mem::replace(place, Entry::Handle(content));
                if let Entry::Free { next } = read {
                    self.state.free = next;
                }
                (free, read)
            }
        };
        if !content.own {
            self.state.borrows += 1;
        }
        Ok(Change {
            handle,
            entry: [read, Entry::Handle(content)],
            state: [before, self.state],
        })
    }

    /// Takes out the handle that [`Table::get_removable`] has found.
    pub fn remove(&mut self, handle: u32, content: Handle) -> Change {
        let before = self.state;
        let freed = Entry::Free { next: before.free };
        self.entries[handle as usize - 1] = freed;
        self.state.free = handle;
        if !content.own {
            self.state.borrows -= 1;
        }
        Change {
            handle,
            entry: [Entry::Handle(content), freed],
            state: [before, self.state],
        }
    }

    /// Lends the handle that [`Table::get`] has found until the next boundary but one.
    pub fn lend(&mut self, handle: u32, content: Handle, marks: Marks) -> Change {
        let lent = Entry::Handle(Handle {
            lent: marks.current,
            ..content
        });
        self.entries[handle as usize - 1] = lent;
        Change {
            entry: [Entry::Handle(content), lent],
            ..self.unchanged(handle, lent)
        }
    }

    /// Forgets the handles: the instance's domain is over.
    pub fn clear(&mut self, quota: &mut Quota) {
        quota.give_back(self.entries.len());
        self.entries = Vec::new();
    }
}

/// The handles on their way across a boundary.
///
/// A token is received right after the boundary that follows its sending, or never. So two lists
/// are enough: those sent since the last boundary, and those sent between it and the one before.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    /// Sent since the last boundary.
    sent: Vec<Sent>,
    /// Sent before the last boundary and after the one before it.
    arriving: Vec<Sent>,
}

#[derive(Debug)]
struct Sent {
    token: Token,
    received: bool,
}

impl Tokens {
    /// Sends a handle.
    ///
    /// # Errors
    /// If the run's limit is reached.
    pub fn send(&mut self, token: Token, quota: &mut Quota) -> OpResult {
        quota.take()?;
        self.sent.push(Sent {
            token,
            received: false,
        });
        Ok(())
    }

    /// Delivers tokens when a boundary is crossed: what was sent before it can be received now, what
    /// could be received before it no more.
    pub fn deliver(&mut self, quota: &mut Quota) {
        quota.give_back(self.arriving.len());
        self.arriving.clear();
        core::mem::swap(&mut self.arriving, &mut self.sent);
    }

    /// The type of what a token carries that can be received, if it is one.
    pub fn type_of(&self, id: Felt) -> Option<u32> {
        let number = u32::try_from(id.as_int()).ok()?;
        let found = self.arriving.iter().find(|sent| sent.token.id == number)?;
        Some(found.token.resource)
    }

    /// The running component `instance` receives the token `id`.
    ///
    /// # Errors
    /// If there is no such token for it, or it carries something else.
    pub fn receive(
        &mut self,
        id: Felt,
        own: bool,
        resource: u32,
        marks: Marks,
        instance: u16,
    ) -> OpResult<Token> {
        let number = u32::try_from(id.as_int()).ok();
        // Ids are cycles, so they stand in order.
        let found = number.and_then(|number| {
            let place = self
                .arriving
                .binary_search_by_key(&number, |sent| sent.token.id)
                .ok()?;
            let sent = self.arriving.get_mut(place)?;
            let may_cross = match marks.sender {
                Sender::None => false,
                Sender::Caller(mark) | Sender::Callee(mark) => mark == sent.token.mark,
            };
            (may_cross && !sent.received).then_some(sent)
        });
        let Some(Sent { token, received }) = found else {
            return Err(Box::new(Trap::UnknownToken {
                instance,
                token: id,
            }));
        };
        if token.resource != resource {
            return Err(Box::new(Trap::WrongTokenType {
                instance,
                token: token.id,
                expected: resource,
                found: token.resource,
            }));
        }
        if token.own != own {
            return Err(Box::new(Trap::WrongOwnership {
                instance,
                token: token.id,
                resource,
                own: token.own,
            }));
        }
        if !own && !matches!(marks.sender, Sender::Caller(_)) {
            return Err(Box::new(Trap::BorrowInResult {
                instance,
                token: token.id,
                resource,
            }));
        }
        *received = true;
        Ok(*token)
    }
}
