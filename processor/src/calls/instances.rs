//! The component instances of a run: which exist, which are running, and what they start with.

use std::{collections::HashMap, sync::Arc};

use miden_core::{Felt, Word, ZERO, crypto::hash::Rpo256};
use miden_cvm_air::{
    component::{Meaning, installed_type},
    composition::{
        Composition, FIRST_INSTANCE_TYPE, Intrinsic, IntrinsicCall, IntrinsicRecord, KERNEL_SOURCE,
        LinkKind, LinkRecord, Resolved, Right, SegmentRecord,
    },
};

use crate::{
    advice::AdviceProvider,
    calls::{
        crossing::{Crossing, Entered},
        installed::{Form, Installations, Installed, InstanceOp, LoadedComponent, WHOLE_IMPORT},
        resources::{Entry, Handle, Marks, Sender, TableAccess, Token},
        state::InstanceState,
        tables::{Change, Quota, Table, Tokens},
    },
    context::ContextId,
    error::{LoadError, OpResult, Trap},
    options::Limits,
};

/// The target of a call.
#[derive(Debug, Clone)]
pub(crate) enum Callee {
    /// A procedure in a context that is entered; if the caller holds the instance, with the look into
    /// its table that finds it.
    Procedure(Entered, Option<Box<TableAccess>>),
    /// The VM itself.
    Intrinsic(IntrinsicCallee),
}

/// An intrinsic, as a call resolves to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IntrinsicCallee {
    /// The meaning of the call in the proof.
    pub call: IntrinsicCall,
    /// Number of the resource type; 0 if it has none.
    pub resource: u32,
    /// Index of the type's definer; of the instance whose instances the type is of.
    pub definer: u16,
    /// The type's destructor.
    pub destructor: Option<Word>,
}

/// Who calls, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Calling {
    /// The running instance.
    pub context: ContextId,
    /// Index of the instance whose calls are its own: itself, unless it has adopted another one's.
    pub source: u16,
    /// The domain into which its shared calls go, and in which its resource types live.
    pub home: u32,
    /// The boundaries crossed last.
    pub marks: Marks,
    /// The cycle.
    pub clk: u32,
}

/// An instance that exists at run time.
#[derive(Debug, Clone, Copy)]
pub struct RuntimeInstance<'a> {
    /// Its context: its lifetime, and its index in the composition.
    pub context: ContextId,
    /// Its state.
    pub state: InstanceState,
    /// The entries of its resource table, from index 1.
    pub entries: &'a [Entry],
}

/// The component-instance table of a run of a composition.
#[derive(Debug)]
pub(crate) struct Instances {
    composition: Composition,
    installations: Installations,
    /// Elements of the static data by their commitment.
    data: HashMap<Word, Arc<[Felt]>>,
    /// The indices of instances in `tables`.
    indices: HashMap<ContextId, TableIndex>,
    /// The tables of the instances that were created and whose domain is not over.
    tables: Vec<Table>,
    /// Indices in `tables` that can be used again.
    free: Vec<TableIndex>,
    /// The instances that run, the innermost last.
    running: Vec<TableIndex>,
    /// The instances of each domain that is open, the innermost domain last. Fresh ones belong to
    /// none.
    domains: Vec<Vec<ContextId>>,
    tokens: Tokens,
    quota: Quota,
    max_instances: usize,
    /// Elements of static data that may still be written.
    data_left: u64,
    max_data: u64,
    /// `true` if instances are kept when they are over, since the kernel can look at them.
    kept: bool,
}

/// The index of a resource table in [`Instances::tables`].
type TableIndex = usize;

/// The context of an instance of `index` whose handle stands for `domain`: a cycle + 1.
fn held_context(domain: Felt, index: u16) -> ContextId {
    ContextId::new(domain.as_int() as u32, index)
}

/// An intrinsic as an installed instance calls it.
fn builtin(intrinsic: Intrinsic) -> IntrinsicCallee {
    let call = match intrinsic {
        Intrinsic::Drop => IntrinsicCall::INSTANCE_DROP,
        intrinsic => IntrinsicCall::of(intrinsic),
    };
    IntrinsicCallee {
        call,
        resource: match intrinsic.has_resource() {
            true => Installations::ANY_TYPE,
            false => 0,
        },
        definer: 0,
        destructor: None,
    }
}

/// An operation of the VM itself on a handle to an installed instance.
fn handle_callee(intrinsic: Intrinsic, index: u16) -> IntrinsicCallee {
    IntrinsicCallee {
        call: IntrinsicCall::of(intrinsic),
        resource: FIRST_INSTANCE_TYPE + u32::from(index),
        definer: ContextId::ROOT.index(),
        destructor: None,
    }
}

/// The caller, as what the VM itself asks of its table names it: without marks.
fn within_vm(by: Calling) -> Calling {
    Calling {
        marks: Marks::NONE,
        ..by
    }
}

/// The access of an intrinsic to the table of the caller, if it sent, received and destroyed nothing.
fn access(
    callee: &IntrinsicCallee,
    by: Calling,
    input: Felt,
    output: Felt,
    change: Change,
) -> TableAccess {
    let Change {
        handle,
        entry,
        state,
    } = change;
    TableAccess {
        clk: by.clk,
        context: by.context,
        call: callee.call,
        resource: callee.resource,
        home: ContextId::new(by.home, callee.definer),
        destroys: false,
        marks: by.marks,
        input,
        output,
        handle,
        state,
        entry,
        token: None,
        definer_state: None,
    }
}

impl Instances {
    /// Returns the table of a composition whose root is about to run, within these limits.
    ///
    /// # Errors
    /// If the composition is not valid, or static data is missing from the advice map or does not
    /// match its commitment.
    pub fn new(
        composition: &Composition,
        advice: &AdviceProvider,
        limits: &Limits,
    ) -> Result<Self, LoadError> {
        composition.validate().map_err(LoadError::Composition)?;
        let mut data = HashMap::new();
        for segment in composition.segments() {
            let SegmentRecord {
                instance,
                address,
                length,
                commitment,
            } = *segment;
            let values = match data.get(&commitment) {
                Some(values) => values,
                None => {
                    let values =
                        advice
                            .map()
                            .get(&commitment)
                            .ok_or(LoadError::StaticDataMissing {
                                instance,
                                address,
                                commitment,
                            })?;
                    if Rpo256::hash_elements(values) != commitment {
                        return Err(LoadError::StaticDataMismatch {
                            instance,
                            address,
                            commitment,
                        });
                    }
                    data.entry(commitment).or_insert(values.clone())
                }
            };
            if values.len() != length as usize {
                return Err(LoadError::StaticDataLength {
                    instance,
                    address,
                    expected: length,
                    actual: values.len(),
                });
            }
        }
        let mut root = Table::new(ContextId::ROOT.index());
        root.state.entered_by = Some(ContextId::ROOT);
        Ok(Self {
            composition: composition.clone(),
            installations: Installations::new(composition),
            data,
            indices: HashMap::from([(ContextId::ROOT, 0)]),
            tables: vec![root],
            free: Vec::new(),
            running: vec![0],
            domains: vec![vec![ContextId::ROOT]],
            tokens: Tokens::default(),
            quota: Quota::new(limits.handles),
            max_instances: limits.instances,
            data_left: limits.static_data,
            max_data: limits.static_data,
            kept: composition
                .intrinsics()
                .iter()
                .any(|record| record.intrinsic.right() == Right::Kernel),
        })
    }

    // CALLS
    // --------------------------------------------------------------------------------------------

    /// Resolves a call of an instance to `digest`, with `last` as the last of the elements that cross.
    ///
    /// # Errors
    /// If there is no link for it, the target is running, the caller does not hold it, or the target or the
    /// resource type is not there where the import is wired to.
    pub fn resolve(&mut self, digest: Word, last: Felt, by: Calling) -> OpResult<Callee> {
        let source = by.source;
        if let Some(installed) = self.installations.get(source) {
            let not_linked = || {
                Box::new(Trap::NotLinked {
                    instance: source,
                    digest,
                })
            };
            let link = |kind, target: u16, callee| LinkRecord {
                source: source.into(),
                digest,
                kind,
                target: target.into(),
                callee,
            };
            if installed.component.imports_whole() {
                let target = installed.wire(WHOLE_IMPORT).ok_or_else(not_linked)?;
                let exporter = self.installations.get(target.index());
                let key = exporter.and_then(|exporter| exporter.component.key_of(digest));
                key.ok_or_else(not_linked)?;
                let link = link(LinkKind::Shared, target.index(), digest);
                return self.resolve_wire(&link, target.domain(), by);
            }
            let called = installed.component.component().call(digest);
            let (_, meaning) = called.ok_or_else(not_linked)?;
            return match meaning {
                Meaning::Import { key, slot, kind } => {
                    let target = installed.wire(slot).ok_or_else(not_linked)?;
                    let callee = self.export(source, target.index(), key)?;
                    if kind == LinkKind::Fresh && self.installations.defines_types(target.index()) {
                        return Err(Box::new(Trap::FreshDefiner {
                            instance: source,
                            target: target.index(),
                        }));
                    }
                    self.resolve_wire(&link(kind, target.index(), callee), target.domain(), by)
                }
                Meaning::Own => {
                    // A new instance of who defines types has a domain of its own, and its types there.
                    let kind = match self.installations.defines_types(source) {
                        true => LinkKind::Isolated,
                        false => LinkKind::Fresh,
                    };
                    self.resolve_link(&link(kind, source, digest), last, by)
                }
                Meaning::Held(key) => self.resolve_by_key(digest, key, last, by),
                Meaning::Builtin(intrinsic) => Ok(Callee::Intrinsic(builtin(intrinsic))),
                Meaning::Handle {
                    intrinsic,
                    key,
                    slot,
                } => {
                    let definer = match slot {
                        0 => source,
                        slot => installed.wire(slot).ok_or_else(not_linked)?.index(),
                    };
                    let callee = self.for_handles(intrinsic, definer, key, slot == 0);
                    let callee = callee.ok_or(Trap::NoType {
                        instance: source,
                        target: definer,
                        key,
                    })?;
                    Ok(Callee::Intrinsic(callee))
                }
            };
        }
        match self.composition.resolve(source.into(), digest) {
            Some(Resolved::Call(link)) => {
                let link = *link;
                match link.is_by_key() {
                    true => self.resolve_by_key(digest, link.callee.as_elements()[0], last, by),
                    false => self.resolve_link(&link, last, by),
                }
            }
            Some(Resolved::Intrinsic(record)) => Ok(Callee::Intrinsic(self.intrinsic(record))),
            None => Err(Box::new(Trap::NotLinked {
                instance: source,
                digest,
            })),
        }
    }

    /// Resolves a call over a link.
    fn resolve_link(&mut self, link: &LinkRecord, last: Felt, by: Calling) -> OpResult<Callee> {
        // A valid composition has no more instances than an index can name.
        let target = link.target as u16;
        let own = by.clk + 1;
        let domain = match link.kind {
            LinkKind::Shared => by.home,
            LinkKind::Isolated | LinkKind::Fresh => own,
            LinkKind::Held => return self.resolve_held(link, last, by),
        };
        let home = if link.kind.keeps_home() { by.home } else { own };
        let entered = self.entered(link, ContextId::new(domain, target), home)?;
        Ok(Callee::Procedure(entered, None))
    }

    /// An intrinsic for handles of a type that an installed instance defines, if it has such a type.
    fn for_handles(
        &self,
        intrinsic: Intrinsic,
        definer: u16,
        key: Felt,
        by_definer: bool,
    ) -> Option<IntrinsicCallee> {
        let component = self.installations.get(definer)?.component.component();
        let (_, left, of) = component.own_type(key)?;
        let told = matches!(intrinsic, Intrinsic::Drop | Intrinsic::RecvBorrow);
        Some(IntrinsicCallee {
            call: IntrinsicCall {
                intrinsic,
                by_definer: by_definer && told,
                destructible: intrinsic == Intrinsic::Drop && of.destructor.is_some(),
            },
            resource: installed_type(definer, left),
            definer,
            destructor: of.destructor,
        })
    }

    /// Resolves a call over an import that is wired to an instance of a domain.
    ///
    /// # Errors
    /// If the target is running, or it is one that the program has made beside the caller's home domain.
    fn resolve_wire(&mut self, link: &LinkRecord, domain: u32, by: Calling) -> OpResult<Callee> {
        let is_made = domain != ContextId::ROOT.domain();
        let entered = match link.kind {
            LinkKind::Shared if is_made && by.home != ContextId::ROOT.domain() => {
                return Err(Box::new(Trap::WiredElsewhere {
                    instance: by.source,
                    target: link.target as u16,
                }));
            }
            LinkKind::Shared if is_made => {
                let context = ContextId::new(domain, link.target as u16);
                self.entered(link, context, by.home)?
            }
            _ => match self.resolve_link(link, ZERO, by)? {
                Callee::Procedure(entered, _) => entered,
                // No import is one of an intrinsic, as its record says.
                callee => return Ok(callee),
            },
        };
        let wired = domain;
        Ok(Callee::Procedure(Entered { wired, ..entered }, None))
    }

    /// Resolves a call of the export that has a key, of the instance that has this handle in the caller's
    /// table.
    fn resolve_by_key(
        &mut self,
        digest: Word,
        key: Felt,
        handle: Felt,
        by: Calling,
    ) -> OpResult<Callee> {
        let source = by.source;
        let table = &self.tables[self.current()];
        let found = table.type_of(handle);
        let Some(target) = found.and_then(|found| self.index_of_type(found)) else {
            // Of what type it is, or that it is none, is the error.
            table.get(handle, Installations::ANY_TYPE)?;
            return Err(Box::new(Trap::UnknownHandle {
                instance: source,
                handle,
            }));
        };
        let link = LinkRecord {
            source: source.into(),
            digest,
            kind: LinkKind::Held,
            target: target.into(),
            callee: self.export(source, target, key)?,
        };
        self.resolve_held(&link, handle, by)
    }

    /// The procedure that an instance exports under a key.
    fn export(&self, source: u16, target: u16, key: Felt) -> OpResult<Word> {
        let export = match self.installations.get(target) {
            Some(installed) => {
                let export = installed.component.component().export(key);
                export.map(|(_, digest)| digest)
            }
            None => self.composition.export(target.into(), key),
        };
        Ok(export.ok_or(Trap::NoExport {
            instance: source,
            target,
            key,
        })?)
    }

    /// The index of the instances that handles of a type lead to, installed ones or such as the program has
    /// made; nothing for other types.
    fn index_of_type(&self, resource: u32) -> Option<u16> {
        let index = u16::try_from(resource.checked_sub(FIRST_INSTANCE_TYPE)?).ok()?;
        let is_of_composition = u32::from(index) < self.composition.num_instances();
        (is_of_composition || self.installations.get(index).is_some()).then_some(index)
    }

    /// Gives an intrinsic for handles to any instance the type that the caller's table has of the handle, or the
    /// token: the instance that it leads to. It was installed, or the program has made it of one of the composition's
    /// that has exports by key.
    pub fn specify(&self, callee: &IntrinsicCallee, input: Felt) -> IntrinsicCallee {
        if callee.resource != Installations::ANY_TYPE {
            return *callee;
        }
        let found = match callee.call.intrinsic {
            Intrinsic::RecvOwn | Intrinsic::RecvBorrow => self.tokens.type_of(input),
            _ => self.tables[self.current()].type_of(input),
        };
        let index = found.and_then(|found| self.index_of_type(found));
        let is_there = |index: &u16| {
            let installed = self.installations.get(*index).is_some();
            installed || self.composition.first_export((*index).into()).is_some()
        };
        match index.filter(is_there) {
            Some(index) => IntrinsicCallee {
                resource: FIRST_INSTANCE_TYPE + u32::from(index),
                definer: index,
                ..*callee
            },
            None => *callee,
        }
    }

    /// Resolves a call of the instance that has this handle in the caller's table.
    fn resolve_held(&mut self, link: &LinkRecord, handle: Felt, by: Calling) -> OpResult<Callee> {
        let target = link.target as u16;
        let look = IntrinsicCallee {
            call: IntrinsicCall::of(Intrinsic::Rep),
            resource: FIRST_INSTANCE_TYPE + link.target,
            definer: target,
            destructor: None,
        };
        let access = self.look_up(&look, handle, by)?;
        let context = held_context(access.output, target);
        let entered = self.entered(link, context, by.home)?;
        Ok(Callee::Procedure(entered, Some(Box::new(access))))
    }

    /// The entry of an instance over a link.
    ///
    /// # Errors
    /// If it is running.
    fn entered(&self, link: &LinkRecord, context: ContextId, home: u32) -> OpResult<Entered> {
        if let Some(installed) = self.installations.get(context.index())
            && installed.left() != 0
        {
            return Err(Box::new(Trap::NotWired {
                instance: context.index(),
                left: installed.left(),
            }));
        }
        let state = self.state_to_enter(context)?;
        Ok(Entered {
            crossing: Crossing::Link(link.kind),
            context,
            home,
            wired: 0,
            target: link.callee,
            created: state.len == 0,
            state,
        })
    }

    /// Resolves the call that the kernel makes to `digest`.
    ///
    /// # Errors
    /// If it is not one of the kernel's intrinsics.
    pub fn resolve_in_kernel(&self, digest: Word) -> OpResult<Callee> {
        match self.composition.resolve(KERNEL_SOURCE, digest) {
            Some(Resolved::Intrinsic(record)) => Ok(Callee::Intrinsic(self.intrinsic(record))),
            _ => Err(Box::new(Trap::CallInSyscall)),
        }
    }

    fn intrinsic(&self, record: &IntrinsicRecord) -> IntrinsicCallee {
        let resource = self.composition.resource_of(record);
        let of = self.composition.definer_of(record);
        IntrinsicCallee {
            call: self.composition.call_of(record),
            resource: record.resource,
            definer: of.and_then(|of| u16::try_from(of).ok()).unwrap_or_default(),
            destructor: resource.and_then(|resource| resource.destructor),
        }
    }

    /// Returns how `dropper` enters the destructor of a type of the domain `home`, once its handle
    /// is gone.
    ///
    /// # Errors
    /// If the definer is running; unless it is the dropper.
    pub fn destructor_of(
        &self,
        callee: &IntrinsicCallee,
        destructor: Word,
        dropper: ContextId,
        home: u32,
    ) -> OpResult<Entered> {
        let context = ContextId::new(home, callee.definer);
        let (crossing, state) = match context == dropper {
            true => (Crossing::OwnDestructor, self.state()),
            false => (Crossing::Destructor, self.state_to_enter(context)?),
        };
        Ok(Entered {
            crossing,
            context,
            home,
            wired: 0,
            target: destructor,
            created: false,
            state,
        })
    }

    /// The state of an instance that is about to be entered.
    ///
    /// # Errors
    /// If it is running.
    fn state_to_enter(&self, context: ContextId) -> OpResult<InstanceState> {
        let state = self.state_of(context);
        match state.entered_by {
            None => Ok(state),
            Some(_) => Err(Box::new(Trap::InstanceRunning {
                instance: context.index(),
            })),
        }
    }

    /// The state of an instance.
    pub fn state_of(&self, context: ContextId) -> InstanceState {
        self.indices
            .get(&context)
            .map_or_else(InstanceState::default, |&index| self.tables[index].state)
    }

    /// The state of the running instance.
    pub fn state(&self) -> InstanceState {
        self.tables[self.current()].state
    }

    fn current(&self) -> TableIndex {
        // The root runs as long as there is a run.
        self.running.last().copied().unwrap_or_default()
    }

    /// Delivers tokens at a boundary of any kind: those sent before it can be received now.
    pub fn deliver_tokens(&mut self) {
        self.tokens.deliver(&mut self.quota);
    }

    /// Marks an instance as running, entered by `caller`.
    pub fn enter(&mut self, entered: &Entered, caller: ContextId) {
        if entered.crossing == Crossing::Link(LinkKind::Isolated) {
            self.domains.push(Vec::new());
        }
        let index = match self.indices.get(&entered.context) {
            Some(&index) => index,
            None => self.create(entered),
        };
        self.tables[index].state.entered_by = Some(caller);
        self.running.push(index);
    }

    fn create(&mut self, entered: &Entered) -> TableIndex {
        let context = entered.context;
        let table = Table::new(context.index());
        let index = match self.free.pop() {
            Some(index) => {
                self.tables[index] = table;
                index
            }
            None => {
                self.tables.push(table);
                self.tables.len() - 1
            }
        };
        self.indices.insert(context, index);
        // A fresh instance does not wait for the end of a domain.
        if entered.crossing != Crossing::Link(LinkKind::Fresh)
            && let Some(members) = self.domains.last_mut()
        {
            members.push(context);
        }
        index
    }

    /// Marks the running instance, which is `left`, as no longer running. Returns the instances whose
    /// end this is, unless they are kept: a fresh one alone, or all of a domain.
    pub fn leave(&mut self, crossing: Crossing, left: ContextId) -> Vec<ContextId> {
        if let Some(index) = self.running.pop() {
            self.tables[index].state.entered_by = None;
        }
        let members = match crossing {
            Crossing::Link(LinkKind::Isolated) => self.domains.pop().unwrap_or_default(),
            Crossing::Link(LinkKind::Fresh) => vec![left],
            _ => return Vec::new(),
        };
        self.end(members)
    }

    /// The instance that is over because its own handle was dropped, unless it is kept. It does not
    /// run: it would have been entered by who drops it, or by somebody whom that has called.
    pub fn end_dropped(
        &mut self,
        callee: &IntrinsicCallee,
        access: &TableAccess,
    ) -> Vec<ContextId> {
        let (Intrinsic::Drop, Entry::Handle(handle)) = (callee.call.intrinsic, access.entry[0])
        else {
            return Vec::new();
        };
        if self.index_of_type(callee.resource).is_none() || !handle.own {
            return Vec::new();
        }
        let context = held_context(handle.rep, callee.definer);
        match self.installations.is_wired_to(context) {
            true => Vec::new(),
            false => self.end(vec![context]),
        }
    }

    /// Forgets instances that are over, and returns them, unless they are kept.
    fn end(&mut self, members: Vec<ContextId>) -> Vec<ContextId> {
        for member in &members {
            if let Some(&index) = self.indices.get(member) {
                self.tables[index].clear(&mut self.quota);
                if !self.kept {
                    self.free.push(index);
                    self.indices.remove(member);
                }
            }
        }
        if self.kept { Vec::new() } else { members }
    }

    // RESOURCES
    // --------------------------------------------------------------------------------------------

    /// Does what an intrinsic does to the table of the running instance; nothing if it is not one for
    /// tables.
    ///
    /// # Errors
    /// The traps of the Canonical ABI, and those of tokens.
    pub fn apply(
        &mut self,
        callee: &IntrinsicCallee,
        input: Felt,
        by: Calling,
    ) -> OpResult<Option<TableAccess>> {
        let (marks, resource) = (by.marks, callee.resource);
        let home = ContextId::new(by.home, callee.definer);
        let index = self.current();
        let table = &mut self.tables[index];
        let own = |rep, own| Handle {
            rep,
            resource,
            own,
            lent: 0,
        };
        let send = |handle: Handle, own| Token {
            id: by.clk + 1,
            mark: marks.current,
            rep: handle.rep,
            resource,
            own,
        };
        let access = match callee.call.intrinsic {
            Intrinsic::New => {
                let change = table.add(own(input, true), &mut self.quota)?;
                let output = Felt::from(change.handle);
                access(callee, by, input, output, change)
            }
            Intrinsic::Instantiate => {
                // A handle to a new instance stands for its domain.
                let domain = Felt::from(by.clk + 1);
                let change = table.add(own(domain, true), &mut self.quota)?;
                let output = Felt::from(change.handle);
                TableAccess {
                    call: IntrinsicCall::of(Intrinsic::New),
                    ..access(callee, by, domain, output, change)
                }
            }
            Intrinsic::Rep => self.look_up(callee, input, by)?,
            Intrinsic::Drop => {
                let (handle, content) = table.get_removable(input, resource, marks)?;
                let change = table.remove(handle, content);
                let destroys = content.own && callee.destructor.is_some();
                let enters_definer =
                    content.own && callee.call == IntrinsicCall::of(Intrinsic::Drop);
                let output = if destroys { content.rep } else { ZERO };
                TableAccess {
                    destroys,
                    definer_state: match enters_definer {
                        true => Some(self.state_to_enter(home)?),
                        false => None,
                    },
                    ..access(callee, by, input, output, change)
                }
            }
            Intrinsic::SendOwn => {
                let (handle, content) = table.get_removable(input, resource, marks)?;
                if !content.own {
                    return Err(Box::new(Trap::HandleNotOwned {
                        instance: by.context.index(),
                        handle,
                        resource,
                    }));
                }
                let change = table.remove(handle, content);
                self.send(send(content, true), access(callee, by, input, ZERO, change))?
            }
            Intrinsic::SendBorrow => {
                let (handle, content) = table.get(input, resource)?;
                let change = table.lend(handle, content, marks);
                self.send(
                    send(content, false),
                    access(callee, by, input, ZERO, change),
                )?
            }
            Intrinsic::RecvOwn | Intrinsic::RecvBorrow => {
                let owned = callee.call.intrinsic == Intrinsic::RecvOwn;
                let instance = by.context.index();
                let got = self
                    .tokens
                    .receive(input, owned, resource, marks, instance)?;
                let (output, change) = if callee.call.by_definer {
                    (got.rep, table.unchanged(0, Entry::Free { next: 0 }))
                } else {
                    let change = table.add(own(got.rep, owned), &mut self.quota)?;
                    (Felt::from(change.handle), change)
                };
                TableAccess {
                    token: Some(got),
                    ..access(callee, by, input, output, change)
                }
            }
            Intrinsic::Load
            | Intrinsic::Store
            | Intrinsic::Caller
            | Intrinsic::Install
            | Intrinsic::InstallCode
            | Intrinsic::InstallProcedure
            | Intrinsic::Wire
            | Intrinsic::Component
            | Intrinsic::Adopt
            | Intrinsic::Save
            | Intrinsic::SavePair
            | Intrinsic::Restore => return Ok(None),
        };
        Ok(Some(access))
    }

    /// Finds a handle in the table of the running instance.
    ///
    /// # Errors
    /// If it is not there.
    fn look_up(&self, callee: &IntrinsicCallee, input: Felt, by: Calling) -> OpResult<TableAccess> {
        let table = &self.tables[self.current()];
        let (handle, content) = table.get(input, callee.resource)?;
        let change = table.unchanged(handle, Entry::Handle(content));
        Ok(access(callee, by, input, content.rep, change))
    }

    /// Sends a token; the operation leaves its id.
    ///
    /// # Errors
    /// If there are too many.
    fn send(&mut self, token: Token, access: TableAccess) -> OpResult<TableAccess> {
        self.tokens.send(token, &mut self.quota)?;
        Ok(TableAccess {
            output: Felt::from(token.id),
            token: Some(token),
            ..access
        })
    }

    // INSTALLED INSTANCES
    // --------------------------------------------------------------------------------------------

    /// What a commitment is of, read from the advice map.
    ///
    /// # Errors
    /// If it is not there, or cannot be installed.
    pub fn component(
        &mut self,
        form: Form,
        commitment: Word,
        advice: &AdviceProvider,
    ) -> OpResult<Arc<LoadedComponent>> {
        self.installations
            .component((form, commitment), advice, &mut self.data)
    }

    /// Installs an instance of a component. `address` is that of the commitment.
    ///
    /// # Errors
    /// If this is an isolated call, or there is no room for another instance or its handle.
    pub fn install(
        &mut self,
        component: Arc<LoadedComponent>,
        address: u32,
        by: Calling,
    ) -> OpResult<InstanceOp> {
        self.check_home(by)?;
        let index = self.installations.next_index()?;
        let callee = handle_callee(Intrinsic::New, index);
        let table = self.current();
        let content = Handle {
            rep: ZERO,
            resource: callee.resource,
            own: true,
            lent: 0,
        };
        let change = self.tables[table].add(content, &mut self.quota)?;
        let output = Felt::from(change.handle);
        let handle = access(&callee, within_vm(by), ZERO, output, change);
        self.installations.push(component.clone(), by.context);
        Ok(InstanceOp::Install {
            address,
            index,
            first: self.installations.first(),
            component,
            handle: Box::new(handle),
        })
    }

    /// Wires the next import of an instance to another one: an installed one, or one that the program has made
    /// of an instance of the composition.
    ///
    /// # Errors
    /// If the caller does not hold both or has not installed the first, if nothing is left to wire, or
    /// the second one is running or not wired itself.
    pub fn wire(&mut self, [handle, target]: [Felt; 2], by: Calling) -> OpResult<InstanceOp> {
        self.check_home(by)?;
        let (index, first) = self.find_installed(handle, by)?;
        let (target, second) = self.find_instance(target, by)?;
        let installed = self.installed_of(index, handle, by)?;
        let left = installed.left();
        if left == 0 {
            return Err(Box::new(Trap::NothingToWire { instance: index }));
        }
        if installed.maker != by.context {
            return Err(Box::new(Trap::NotMaker {
                instance: by.context.index(),
                target: index,
            }));
        }
        let of_target = self.installations.get(target.index());
        let open = of_target.map_or(0, Installed::left);
        if open != 0 {
            return Err(Box::new(Trap::NotWired {
                instance: target.index(),
                left: open,
            }));
        }
        let state = self.state_to_enter(target)?;
        self.installations.wire(index, target);
        Ok(InstanceOp::Wire {
            index,
            left,
            target,
            state,
            handles: Box::new([first, second]),
        })
    }

    /// Takes the calls of an installed instance over, and its handle away.
    ///
    /// # Errors
    /// If this is an isolated call, the caller does not own the instance, or that is running, not wired, or
    /// defines resource types.
    pub fn adopt(&mut self, handle: Felt, by: Calling) -> OpResult<InstanceOp> {
        self.check_home(by)?;
        let (index, _) = self.find_installed(handle, by)?;
        let installed = self.installed_of(index, handle, by)?;
        let (left, commitment) = (installed.left(), installed.component.commitment());
        if left != 0 {
            return Err(Box::new(Trap::NotWired {
                instance: index,
                left,
            }));
        }
        if self.installations.defines_types(index) {
            return Err(Box::new(Trap::AdoptedDefiner {
                instance: by.context.index(),
                target: index,
            }));
        }
        let state = self.state_to_enter(ContextId::new(by.home, index))?;
        let callee = handle_callee(Intrinsic::SendOwn, index);
        // By the mark that there is it shows that it is not lent.
        let by = Calling {
            marks: Marks {
                sender: Sender::None,
                ..by.marks
            },
            ..by
        };
        let given_up = self.apply(&callee, handle, by)?;
        let handle = given_up.ok_or(Trap::UnknownHandle {
            instance: by.context.index(),
            handle,
        })?;
        Ok(InstanceOp::Adopt {
            index,
            commitment,
            state,
            handle: Box::new(handle),
        })
    }

    /// Finds the handle of an installed instance in the table of the running one, and its index.
    ///
    /// # Errors
    /// If it is not there.
    fn find_installed(&self, handle: Felt, by: Calling) -> OpResult<(u16, TableAccess)> {
        let found = self.tables[self.current()].type_of(handle);
        let index = found.and_then(|found| self.installations.index_of_type(found));
        let found = self.find(index, handle, by)?;
        Ok((index.unwrap_or_default(), found))
    }

    /// Finds the handle of an instance, whether installed or made of one of the composition's, in the table of
    /// the running one, and its context.
    ///
    /// # Errors
    /// If it is not there.
    fn find_instance(&self, handle: Felt, by: Calling) -> OpResult<(ContextId, TableAccess)> {
        let found = self.tables[self.current()].type_of(handle);
        let index = found.and_then(|found| self.index_of_type(found));
        let found = self.find(index, handle, by)?;
        Ok((held_context(found.output, index.unwrap_or_default()), found))
    }

    /// Finds a handle to an instance of this index in the table of the running one; of none, if there is no
    /// index.
    ///
    /// # Errors
    /// If it is not there.
    fn find(&self, index: Option<u16>, handle: Felt, by: Calling) -> OpResult<TableAccess> {
        let look = match index {
            Some(index) => handle_callee(Intrinsic::Rep, index),
            None => IntrinsicCallee {
                resource: Installations::ANY_TYPE,
                ..handle_callee(Intrinsic::Rep, 0)
            },
        };
        self.look_up(&look, handle, within_vm(by))
    }

    /// The installed instance of an index that a handle has led to.
    fn installed_of(&self, index: u16, handle: Felt, by: Calling) -> OpResult<&Installed> {
        let installed = self.installations.get(index);
        Ok(installed.ok_or(Trap::UnknownHandle {
            instance: by.context.index(),
            handle,
        })?)
    }

    /// The commitment of the component of an installed instance, by the id of a context: its own, or one that
    /// a fresh or isolated call makes or has made. `address` is where it is written to.
    ///
    /// # Errors
    /// If there is no such instance.
    pub fn tell_component(&self, id: Felt, address: u32) -> OpResult<InstanceOp> {
        let context = ContextId::from_u64(id.as_int());
        let found = context.and_then(|context| {
            let installed = self.installations.get(context.index())?;
            Some((context, installed.component.commitment()))
        });
        let (context, commitment) = found.ok_or(Trap::NotInstalled { id })?;
        Ok(InstanceOp::Tell {
            address,
            index: context.index(),
            commitment,
            domain: context.domain(),
        })
    }

    /// Checks that this is no isolated call, whose domain would have the instances.
    fn check_home(&self, by: Calling) -> OpResult {
        match by.home == ContextId::ROOT.domain() {
            true => Ok(()),
            false => Err(Box::new(Trap::InstalledElsewhere {
                instance: by.context.index(),
            })),
        }
    }

    // DATA
    // --------------------------------------------------------------------------------------------

    /// The segments of an instance.
    fn segments_of(&self, instance: u16) -> Vec<SegmentRecord> {
        match self.installations.get(instance) {
            Some(installed) => installed.component.segments(instance),
            None => self.composition.segments_of(instance.into()).to_vec(),
        }
    }

    /// The static data of an instance: the records in order, with their elements.
    pub fn static_data(&self, instance: u16) -> Vec<(SegmentRecord, Arc<[Felt]>)> {
        self.segments_of(instance)
            .into_iter()
            .filter_map(|segment| Some((segment, self.data.get(&segment.commitment)?.clone())))
            .collect()
    }

    /// Counts the static data of an instance that is about to be created.
    ///
    /// # Errors
    /// If the run has created instances with too much of it.
    pub fn count_static_data(&mut self, instance: u16) -> OpResult {
        let segments = self.segments_of(instance);
        let elements = segments.iter().map(|segment| u64::from(segment.length));
        match self.data_left.checked_sub(elements.sum()) {
            Some(left) => {
                self.data_left = left;
                Ok(())
            }
            None => Err(Box::new(Trap::LimitExceeded {
                limit: "elements of static data",
                max: self.max_data,
            })),
        }
    }

    /// Checks that one more instance may exist.
    ///
    /// # Errors
    /// If there are as many as there may be.
    pub fn check_room(&self) -> OpResult {
        match self.indices.len() < self.max_instances {
            true => Ok(()),
            false => Err(Box::new(Trap::LimitExceeded {
                limit: "instances",
                max: self.max_instances as u64,
            })),
        }
    }

    /// The composition.
    pub fn composition(&self) -> &Composition {
        &self.composition
    }

    /// The instances that exist, by context.
    pub fn existing(&self) -> Vec<RuntimeInstance<'_>> {
        let indices = self.indices.iter();
        let mut existing: Vec<RuntimeInstance<'_>> = indices
            .map(|(&context, &index)| RuntimeInstance {
                context,
                state: self.tables[index].state,
                entries: self.tables[index].entries(),
            })
            .collect();
        existing.sort_unstable_by_key(|instance| instance.context);
        existing
    }
}
