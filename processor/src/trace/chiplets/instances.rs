//! The table of installed instances: the blocks of their components' records, what intrinsics asked of
//! them, and the links that follow.

use std::{collections::HashMap, sync::Arc};

use miden_core::{Felt, FieldElement, ONE, Word, ZERO};
use miden_cvm_air::{
    columns::{AskedCells, Cells, InstanceOps, InstanceRow, OrderCells},
    component::{BLOCK, BlockKind, Component, Meaning, builtin_code, installed_type, order_of},
    composition::{Composition, FIRST_INSTANCE_TYPE, Intrinsic, IntrinsicCall, LinkKind},
    lookup::Space,
};

use super::{
    hasher::HasherRecorder,
    memory::{Access, MemoryRecorder},
    memory_context,
    range::RangeCounts,
    resources::ResourceRecorder,
    rom::{RomRecorder, UnknownRecord},
};
use crate::{
    calls::installed::{Form, InstanceAccess, InstanceOp, LoadedComponent, WHOLE_IMPORT},
    context::ContextId,
};

/// Rows of the hasher from one block to the next.
const HASHER_ROWS: u32 = 8;

/// The position among the lookups of an instance of one procedure of those of its import of a whole instance.
const IMPORTS_WHOLE: usize = 2;

/// An instance that was installed.
#[derive(Debug, Clone)]
struct Run {
    access: InstanceAccess,
    index: u16,
    first: u32,
    /// The index after those of the instances that were installed before, or 0.
    before: Felt,
    component: Arc<LoadedComponent>,
    blocks: Vec<[Felt; BLOCK]>,
    /// Hasher row of the first block.
    address: u32,
    /// The lookups of what each block states. Of code and of one procedure: those of the component, of each
    /// procedure, and of the import of a whole instance.
    lookups: Vec<u64>,
    /// The instance that each import is wired to, by its number.
    wires: HashMap<u32, ContextId>,
}

/// A generic link for one instance, or one by the import of a whole instance.
#[derive(Debug, Clone)]
struct Specific {
    source: u32,
    digest: Word,
    target: u16,
    call: SpecificCall,
    lookups: u64,
}

/// The meaning of such a link.
#[derive(Debug, Clone, Copy)]
enum SpecificCall {
    /// The export that has a key.
    Held(Felt),
    /// An intrinsic for handles.
    Handle(IntrinsicCall),
    /// An export, under this key, of the whole instance that is imported.
    Whole(Felt),
}

/// A fact that a row's link follows from.
#[derive(Debug, Clone, Copy)]
enum Premise {
    /// A block of an installed instance's record, by its number.
    Block(u16, usize),
    /// The export of an instance of the composition that has a key.
    Export(u16, Felt),
}

/// The operations of a run on installed instances.
#[derive(Debug, Clone, Default)]
pub struct InstanceRecorder {
    runs: Vec<Run>,
    /// The number of instances of the composition.
    first: u32,
    wires: Vec<InstanceAccess>,
    /// The requests to components, and the word that counts the installed ones.
    told: Vec<(InstanceAccess, [Felt; 4])>,
    adopted: Vec<InstanceAccess>,
    specific: Vec<Specific>,
    /// Positions in `specific`.
    known: HashMap<(u32, Word, u16), usize>,
    /// The key of an export of each instance of the composition that has any.
    exports: HashMap<u16, Felt>,
    rows: usize,
}

/// The parts of the other tables that recording an operation needs.
#[derive(Debug)]
pub struct Others<'a> {
    /// The hasher.
    pub hasher: &'a mut HasherRecorder,
    /// The memory.
    pub memory: &'a mut MemoryRecorder,
    /// The resource tables.
    pub resources: &'a mut ResourceRecorder,
}

impl InstanceRecorder {
    /// Returns an empty recorder for a run of a composition, or of an open program.
    pub fn new(composition: Option<&Composition>) -> Self {
        let exports = composition.map_or(&[][..], Composition::exports).iter();
        let exports = exports.filter_map(|e| Some((u16::try_from(e.instance).ok()?, e.key)));
        Self {
            first: composition.map_or(0, Composition::num_instances),
            exports: exports.collect(),
            ..Self::default()
        }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    fn run(&self, index: u32) -> Option<&Run> {
        self.runs.get(index.checked_sub(self.first)? as usize)
    }

    fn run_mut(&mut self, index: u32) -> Option<&mut Run> {
        self.runs.get_mut(index.checked_sub(self.first)? as usize)
    }

    /// The component of an installed instance.
    pub fn component(&self, index: u16) -> Option<&LoadedComponent> {
        self.run(index.into()).map(|run| &*run.component)
    }

    /// The word that keeps how many instances were installed: their number, and the index after theirs.
    fn number_word(&self, number: usize) -> [Felt; 4] {
        let next = match number {
            0 => 0,
            number => self.first + number as u32,
        };
        [Felt::from(number as u32), Felt::from(next), ZERO, ZERO]
    }

    /// Records what an intrinsic does.
    pub fn record(&mut self, access: &InstanceAccess, others: &mut Others<'_>) {
        let time = access.clk + 1;
        let word = |context: ContextId, space, address, is_write, word| Access {
            context: memory_context(context.domain(), context.index(), space),
            address,
            time,
            is_write,
            is_element: false,
            word,
        };
        let at_home = |index| ContextId::new(ContextId::ROOT.domain(), index);
        let maker = Felt::new(access.context.as_u64() + 1);
        let numbers = [0, 1].map(|more| self.number_word(self.runs.len() + more));
        let mut memory = |access| others.memory.record(access);
        match &access.op {
            InstanceOp::Install {
                address,
                index,
                first,
                component,
                handle,
            } => {
                let commitment = component.commitment();
                memory(word(
                    access.context,
                    Space::User,
                    *address,
                    false,
                    commitment.into(),
                ));
                for (value, is_write) in numbers.into_iter().zip([false, true]) {
                    memory(word(ContextId::ROOT, Space::Installed, 0, is_write, value));
                }
                let slots = Felt::from(component.num_slots());
                let maker = if slots == ZERO { ZERO } else { maker };
                memory(word(
                    at_home(*index),
                    Space::State,
                    0,
                    true,
                    [slots, maker, ZERO, ZERO],
                ));
                others.resources.table(handle, [ZERO; 2], others.memory);
                let blocks = component.blocks();
                let exports = component.component().exports.len();
                let (rows, stated) = match component.form() {
                    Form::Record => (blocks.len(), blocks.len()),
                    Form::Code => (1 + blocks.len(), 1 + exports),
                    Form::Procedure { .. } => (2, IMPORTS_WHOLE + 1),
                };
                let start = match blocks.len() as u32 {
                    0 => 0,
                    number => {
                        let remainder = Felt::from(component.remainder());
                        let hasher = &mut others.hasher;
                        let start = hasher.hash_sequence(commitment, remainder, &blocks);
                        let addresses = (start..).step_by(HASHER_ROWS as usize);
                        for address in addresses.take(blocks.len()) {
                            hasher.request_input(address);
                        }
                        hasher.request_digest(start + HASHER_ROWS * (number - 1));
                        start
                    }
                };
                self.rows += rows;
                self.runs.push(Run {
                    access: access.clone(),
                    index: *index,
                    first: *first,
                    before: numbers[0][1],
                    component: component.clone(),
                    address: start,
                    lookups: vec![0; stated],
                    blocks,
                    wires: HashMap::new(),
                });
            }
            InstanceOp::Wire {
                index,
                left,
                target,
                state,
                handles,
            } => {
                let before = [Felt::from(*left), maker, ZERO, ZERO];
                let after = match left {
                    1 => [ZERO; 4],
                    left => [Felt::from(left - 1), maker, ZERO, ZERO],
                };
                memory(word(at_home(*index), Space::State, 0, false, before));
                memory(word(at_home(*index), Space::State, 0, true, after));
                memory(word(*target, Space::State, 0, false, state.to_word()));
                for handle in handles.iter() {
                    others.resources.table(handle, [ZERO; 2], others.memory);
                }
                if let Some(run) = self.run_mut((*index).into()) {
                    run.wires.insert(*left, *target);
                }
                self.rows += 1;
                self.wires.push(access.clone());
            }
            InstanceOp::Adopt {
                index,
                state,
                handle,
                ..
            } => {
                let read = state.to_word();
                memory(word(at_home(*index), Space::State, 0, false, read));
                others.resources.table(handle, [ZERO; 2], others.memory);
                self.rows += 1;
                self.adopted.push(access.clone());
            }
            InstanceOp::Tell {
                address,
                commitment,
                ..
            } => {
                memory(word(
                    ContextId::ROOT,
                    Space::Installed,
                    0,
                    false,
                    numbers[0],
                ));
                memory(word(
                    access.context,
                    Space::User,
                    *address,
                    true,
                    (*commitment).into(),
                ));
                self.rows += 1;
                self.told.push((access.clone(), numbers[0]));
            }
        }
    }

    /// Records a lookup of a link that leads to `target`, wherever it is stated; `call` is that of an
    /// intrinsic.
    ///
    /// # Errors
    /// If there is no such link.
    pub fn request_link(
        &mut self,
        source: u32,
        digest: Word,
        target: u16,
        call: Option<IntrinsicCall>,
        rom: &mut RomRecorder,
    ) -> Result<(), UnknownRecord> {
        let unknown = UnknownRecord::Link {
            instance: source,
            digest,
        };
        let generic = match self.run_mut(source) {
            None => rom.generic_link(source, digest),
            Some(run) if run.component.imports_whole() => {
                let component = self.component(target).ok_or(unknown)?;
                let key = component.key_of(digest).ok_or(unknown)?;
                self.specify(source, digest, target, SpecificCall::Whole(key));
                return Ok(());
            }
            Some(run) => {
                let (block, meaning) = run.component.component().call(digest).ok_or(unknown)?;
                match meaning {
                    Meaning::Held(key) => Some(key),
                    Meaning::Builtin(intrinsic) if intrinsic.has_resource() => Some(ZERO),
                    _ => {
                        run.lookups[block] += 1;
                        return Ok(());
                    }
                }
            }
        };
        let Some(key) = generic else {
            return rom.request_link(source, digest);
        };
        let call = call.map_or(SpecificCall::Held(key), SpecificCall::Handle);
        if !self.specify(source, digest, target, call) {
            return Ok(());
        }
        match self.run_mut(source) {
            None => rom.request_link(source, digest)?,
            Some(run) => {
                let called = run.component.component().call(digest);
                let (block, _) = called.ok_or(unknown)?;
                run.lookups[block] += 1;
            }
        }
        Ok(())
    }

    /// Records a lookup of a link for one instance; returns `true` if it is the first one.
    fn specify(&mut self, source: u32, digest: Word, target: u16, call: SpecificCall) -> bool {
        if let Some(&known) = self.known.get(&(source, digest, target)) {
            self.specific[known].lookups += 1;
            return false;
        }
        self.known
            .insert((source, digest, target), self.specific.len());
        self.rows += 1;
        self.specific.push(Specific {
            source,
            digest,
            target,
            call,
            lookups: 1,
        });
        true
    }

    /// Records a lookup of a segment of an installed instance; returns `false` if it is no such one.
    pub fn request_segment(&mut self, instance: u32, segment: u32) -> bool {
        let Some(run) = self.run_mut(instance) else {
            return false;
        };
        let block = run.component.component().segment_block(segment);
        run.lookups
            .get_mut(block)
            .map(|lookups| *lookups += 1)
            .is_some()
    }

    /// Makes rows of what was recorded, and counts their range checks and their lookups of public records.
    pub fn finish(mut self, ranges: &mut RangeCounts, rom: &mut RomRecorder) -> InstanceTable {
        let mut wired: HashMap<(u16, u32), u64> = HashMap::new();
        for premise in self.count_premises(&mut wired) {
            match premise {
                Premise::Block(index, block) => {
                    if let Some(run) = self.run_mut(index.into()) {
                        run.lookups[block] += 1;
                    }
                }
                Premise::Export(index, key) => rom.request_export(index.into(), key),
            }
        }
        let rom = &*rom;
        let mut rows = Vec::with_capacity(self.rows);
        for run in &self.runs {
            ranges.add(run.index);
            if run.component.form() != Form::Record {
                rows.extend(run.code_rows());
                continue;
            }
            for block in 0..run.blocks.len() {
                let row = self.block_row(run, block, rom);
                if is_ordered(&row) {
                    let order = row.order();
                    let limbs = order.limbs.iter().chain(&order.gap);
                    limbs.for_each(|limb| ranges.add(limb.as_int() as u16));
                }
                rows.push(row);
            }
        }
        rows.extend(self.wires.iter().map(|access| wire_row(access, &wired)));
        rows.extend(
            self.specific
                .iter()
                .map(|link| self.specific_row(link, rom)),
        );
        for (access, number) in &self.told {
            let mut row = tell_row(access, number);
            if let InstanceOp::Tell { index, .. } = access.op {
                row.domain = self.defines(index);
            }
            let [low, high, next, _] = row.callee;
            for limb in [low, high, next - row.index - ONE] {
                ranges.add(limb.as_int() as u16);
            }
            rows.push(row);
        }
        rows.extend(self.adopted.iter().map(adopt_row));
        InstanceTable { rows }
    }

    /// The facts that other rows look up, once for each lookup. Those of wires are counted in `wired`.
    fn count_premises(&self, wired: &mut HashMap<(u16, u32), u64>) -> Vec<Premise> {
        let mut premises = Vec::new();
        let records = self.runs.iter();
        for run in records.filter(|run| run.component.form() == Form::Record) {
            let looked_up = (0..)
                .zip(&run.lookups)
                .filter(|(_, lookups)| **lookups != 0);
            for (block, _) in looked_up {
                if let Some((key, slot, target)) = run.import(block) {
                    *wired.entry((run.index, slot)).or_default() += 1;
                    premises.push(self.premise(target.index(), key));
                }
                if let Some(of) = self.type_of(run, block) {
                    if of.slot != 0 {
                        *wired.entry((run.index, of.slot)).or_default() += 1;
                    }
                    premises.push(Premise::Block(of.definer, of.block));
                }
            }
        }
        for link in &self.specific {
            match link.call {
                SpecificCall::Held(key) => premises.push(self.premise(link.target, key)),
                SpecificCall::Whole(key) => {
                    let source = link.source as u16;
                    *wired.entry((source, WHOLE_IMPORT)).or_default() += 1;
                    premises.push(Premise::Block(source, IMPORTS_WHOLE));
                    premises.push(self.premise(link.target, key));
                }
                SpecificCall::Handle(_) => {
                    let export = self.shown_by(link.target);
                    premises.push(match export {
                        Some(key) => Premise::Export(link.target, key),
                        None => Premise::Block(link.target, 0),
                    });
                }
            }
        }
        let told = self.told.iter().map(|(access, _)| access);
        for access in told.chain(&self.adopted) {
            if let InstanceOp::Tell { index, .. } | InstanceOp::Adopt { index, .. } = access.op {
                premises.push(Premise::Block(index, 0));
            }
        }
        premises
    }

    fn export(&self, target: u16, key: Felt) -> Option<(usize, Word)> {
        self.component(target)?.component().export(key)
    }

    /// The fact that an instance has an export with a key.
    fn premise(&self, target: u16, key: Felt) -> Premise {
        match self.export(target, key) {
            Some((block, _)) => Premise::Block(target, block),
            None => Premise::Export(target, key),
        }
    }

    /// The key of an export by which an instance shows to be there that the program has not installed.
    fn shown_by(&self, target: u16) -> Option<Felt> {
        match self.component(target) {
            Some(_) => None,
            None => self.exports.get(&target).copied(),
        }
    }

    /// 1 if an instance was installed and defines resource types.
    fn defines(&self, index: u16) -> Felt {
        let component = self.component(index).map(LoadedComponent::component);
        flag(component.is_some_and(Component::defines_types))
    }

    /// The type for whose handles a block of a record is, if there is one where its import is wired to.
    fn type_of(&self, run: &Run, block: usize) -> Option<TypeOf> {
        let (intrinsic, key, slot, target) = run.for_handles(block)?;
        let (of, left, defined) = self.component(target)?.component().own_type(key)?;
        Some(TypeOf {
            intrinsic,
            slot,
            definer: target,
            block: of,
            resource: installed_type(target, left),
            destructor: defined.destructor,
        })
    }

    /// The digest that a call of an export executes, and whether the instance has static data.
    fn callee(&self, target: u16, key: Felt, rom: &RomRecorder) -> ([Felt; 4], Felt) {
        let Some(component) = self.component(target) else {
            return rom.export(target.into(), key).unwrap_or_default();
        };
        let digest = component.component().export(key).map(|(_, digest)| digest);
        let has_data = !component.component().segments.is_empty();
        (digest.unwrap_or_default().into(), flag(has_data))
    }

    /// The row of a block.
    fn block_row(&self, run: &Run, number: usize, rom: &RomRecorder) -> InstanceRow<Felt> {
        let block = run.blocks[number];
        let lookups = run.lookups[number];
        let mut row = InstanceRow {
            last: flag(number + 1 == run.blocks.len()),
            index: Felt::from(run.index),
            address: Felt::from(run.address + HASHER_ROWS * number as u32),
            left: Felt::from((run.blocks.len() - 1 - number) as u32),
            commitment: run.component.commitment().into(),
            block,
            multiplicity: Felt::new(lookups),
            ..InstanceRow::filled(ZERO)
        };
        let is = |kind: BlockKind| block[0] == Felt::from(kind as u8);
        let of_type = self.type_of(run, number).filter(|_| lookups != 0);
        if let Some(of) = of_type {
            row.flag = flag(of.slot == 0);
            row.target = Felt::from(of.definer);
            row.domain = flag(of.destructor.is_some());
            row.callee = of.destructor.unwrap_or_default().into();
            row.payload = Felt::from(of.resource) + ONE;
            let op = &mut row.op;
            let given = match of.intrinsic {
                Intrinsic::New | Intrinsic::Rep => &mut op.makes,
                Intrinsic::Drop => &mut op.drops,
                Intrinsic::RecvBorrow => &mut op.borrows,
                _ => &mut op.passes,
            };
            *given = ONE;
        } else if is(BlockKind::Handle) {
            (row.op.import, row.flag) = (ONE, ONE);
        } else if is(BlockKind::Type) {
            row.op.types = ONE;
        } else if is(BlockKind::Head) {
            row.op.install = ONE;
            run.ask(&mut row);
        } else if is(BlockKind::Import) {
            match run.import(number).filter(|_| lookups != 0) {
                Some((key, _, target)) => {
                    row.op.resolved = ONE;
                    row.target = Felt::from(target.index());
                    row.domain = Felt::from(target.domain());
                    row.flag = self.defines(target.index());
                    (row.callee, row.payload) = self.callee(target.index(), key, rom);
                }
                None => row.op.import = ONE,
            }
        } else if is(BlockKind::Own) {
            row.op.own = ONE;
        } else if is(BlockKind::Generic) {
            row.op.generic = ONE;
            let kind = block[3].as_int();
            let send = u64::from(Intrinsic::SendOwn.code());
            if kind == 0 {
                row.flag = ONE;
            } else if kind == u64::from(IntrinsicCall::INSTANCE_DROP.code()) {
                row.callee[2] = ONE;
            } else {
                row.callee[0] = flag((kind - send) & 1 == 1);
                row.callee[1] = flag((kind - send) & 2 == 2);
            }
        } else if is(BlockKind::Builtin) {
            row.op.builtin = ONE;
            let is = |intrinsic| flag(block[3] == Felt::from(builtin_code(intrinsic)));
            row.flag = is(Intrinsic::Component);
            row.callee[2] = is(Intrinsic::SavePair);
            row.callee[0] = is(Intrinsic::Save) + row.callee[2];
            row.callee[1] = is(Intrinsic::Restore);
        } else if is(BlockKind::Export) {
            row.op.export = ONE;
        } else {
            row.op.segment = ONE;
            row.flag = block[0] - Felt::from(BlockKind::Segment as u8);
        }
        if is_ordered(&row) {
            let before = Some(&run.blocks[number - 1]);
            let head = Felt::from(BlockKind::Head as u8);
            let same =
                |before: &&[Felt; BLOCK]| before[0] != head && group_of(before) == group_of(&block);
            order_row(&mut row, before.filter(same));
        }
        row
    }

    /// The row of a generic link for one instance, or of one by the import of a whole instance.
    fn specific_row(&self, link: &Specific, rom: &RomRecorder) -> InstanceRow<Felt> {
        let target = Felt::from(link.target);
        let mut row = InstanceRow {
            index: Felt::from(link.source),
            multiplicity: Felt::new(link.lookups),
            target,
            ..InstanceRow::filled(ZERO)
        };
        row.block[4..].copy_from_slice(link.digest.as_elements());
        match link.call {
            SpecificCall::Whole(key) => {
                row.op.whole = ONE;
                row.flag = self.defines(link.target);
                row.block[1] = key;
                row.block[2] = Felt::from(WHOLE_IMPORT);
                row.block[3] = Felt::from(LinkKind::Shared.code());
                row.callee = link.digest.into();
            }
            SpecificCall::Held(key) => {
                row.op.specific = ONE;
                row.flag = ONE;
                row.domain = self.defines(link.target);
                row.block[1] = key;
                (row.callee, row.payload) = self.callee(link.target, key, rom);
            }
            SpecificCall::Handle(call) => {
                row.op.specific = ONE;
                row.block[3] = Felt::from(call.code());
                row.left = target + Felt::from(FIRST_INSTANCE_TYPE) + ONE;
                match self.shown_by(link.target) {
                    Some(key) => {
                        row.last = ONE;
                        row.commitment[0] = key;
                        (row.callee, row.payload) = self.callee(link.target, key, rom);
                    }
                    None => {
                        row.domain = self.defines(link.target);
                        let commitment =
                            self.component(link.target).map(LoadedComponent::commitment);
                        row.commitment = commitment.unwrap_or_default().into();
                    }
                }
            }
        }
        row
    }
}

/// A type of an installed instance, as a procedure for its handles finds it.
#[derive(Debug, Clone, Copy)]
struct TypeOf {
    /// The procedure.
    intrinsic: Intrinsic,
    /// The import that leads to the definer; 0 for a type of the instance's own.
    slot: u32,
    definer: u16,
    /// The number of the block that defines it.
    block: usize,
    resource: u32,
    destructor: Option<Word>,
}

impl Run {
    /// The procedure that a block is, if it is one for handles of a type, the key of the type, the number of the
    /// import that it is found by, and the instance that this leads to.
    fn for_handles(&self, block: usize) -> Option<(Intrinsic, Felt, u32, u16)> {
        let [_, _, _, _, digest @ ..] = self.blocks[block];
        let (at, meaning) = self.component.component().call(Word::new(digest))?;
        let Meaning::Handle {
            intrinsic,
            key,
            slot,
        } = meaning
        else {
            return None;
        };
        let target = match slot {
            0 => self.index,
            slot => self.wires.get(&slot)?.index(),
        };
        // An export may have the same digest.
        (at == block).then_some((intrinsic, key, slot, target))
    }

    /// Writes what the row has that answers the request; the number of imports stands in the block.
    fn ask(&self, row: &mut InstanceRow<Felt>) {
        let slots = row.block[2];
        if slots != ZERO {
            row.flag = ONE;
            row.callee[0] = slots.inv();
            row.callee[1] = Felt::new(self.access.context.as_u64() + 1);
        }
        row.callee[2] = self.before;
        row.payload = Felt::from(self.first);
        row.request = request(&self.access);
    }

    /// The rows of an instance of code or of one procedure: the request, and the procedures.
    fn code_rows(&self) -> Vec<InstanceRow<Felt>> {
        let row = InstanceRow {
            index: Felt::from(self.index),
            commitment: self.component.commitment().into(),
            ..InstanceRow::filled(ZERO)
        };
        let lookups = |number: usize| Felt::new(self.lookups.get(number).copied().unwrap_or(0));
        let mut first = InstanceRow {
            multiplicity: lookups(0),
            ..row
        };
        first.op.installs = ONE;
        first.block[2] = Felt::from(self.component.num_slots());
        self.ask(&mut first);
        let mut rows = vec![first];
        if let Form::Procedure { address } = self.component.form() {
            let mut row = InstanceRow {
                multiplicity: lookups(1),
                ..row
            };
            row.op.procedure = ONE;
            row.block[1] = Felt::from(address);
            row.callee[0] = lookups(IMPORTS_WHOLE);
            rows.push(row);
        }
        let is_odd = flag(self.component.remainder() != 0);
        for (number, &block) in self.blocks.iter().enumerate() {
            let mut row = InstanceRow {
                block,
                flag: flag(number == 0),
                last: flag(number + 1 == self.blocks.len()),
                left: Felt::from(number as u32),
                address: Felt::from(self.address + HASHER_ROWS * number as u32),
                multiplicity: lookups(1 + 2 * number),
                ..row
            };
            row.op.procedures = ONE;
            row.callee[0] = lookups(2 + 2 * number);
            if number == 0 {
                row.callee[1] = is_odd;
            }
            rows.push(row);
        }
        rows
    }

    /// The key and the number of the import that a block states, and the instance that it is wired to.
    fn import(&self, block: usize) -> Option<(Felt, u32, ContextId)> {
        let [tag, key, slot, ..] = self.blocks[block];
        if tag != Felt::from(BlockKind::Import as u8) {
            return None;
        }
        let slot = slot.as_int() as u32;
        Some((key, slot, *self.wires.get(&slot)?))
    }
}

/// The rows, ready to be written.
#[derive(Debug)]
pub struct InstanceTable {
    rows: Vec<InstanceRow<Felt>>,
}

impl InstanceTable {
    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Writes a table of zeros, which are the padding.
    pub fn fill(&self, rows: &mut [InstanceRow<Felt>]) {
        rows[..self.rows.len()].copy_from_slice(&self.rows);
    }
}

fn flag(set: bool) -> Felt {
    Felt::from(u8::from(set))
}

/// Returns `true` for types, calls and exports.
fn is_ordered(row: &InstanceRow<Felt>) -> bool {
    row.op.types == ONE || row.op.calls().contains(&ONE) || row.op.export == ONE
}

/// The blocks among which one is ordered: types, exports, or calls.
fn group_of(block: &[Felt; BLOCK]) -> Option<BlockKind> {
    let mut keyed = [BlockKind::Type, BlockKind::Export].into_iter();
    keyed.find(|kind| block[0] == Felt::from(*kind as u8))
}

/// The element by which a type, a call or an export is ordered.
fn ordered_element(block: &[Felt; BLOCK]) -> Felt {
    match group_of(block) {
        Some(_) => block[1],
        None => block[4],
    }
}

/// Shows that a type, a call or an export comes after the one before.
fn order_row(row: &mut InstanceRow<Felt>, before: Option<&[Felt; BLOCK]>) {
    let element = ordered_element(&row.block);
    let gap = before.map_or(0, |before| {
        order_of(element).wrapping_sub(order_of(ordered_element(before)) + 1)
    });
    let limb = |number: u64, i: usize| Felt::from((number >> (16 * i)) as u16);
    let distance = Felt::from(u32::MAX) - Felt::from((element.as_int() >> 32) as u32);
    let is_below = distance != ZERO;
    *row.order_mut() = OrderCells {
        limbs: core::array::from_fn(|i| limb(element.as_int(), i)),
        gap: core::array::from_fn(|i| limb(gap, i)),
        upper_inv: match is_below {
            true => distance.inv(),
            false => ZERO,
        },
        is_below: flag(is_below),
    };
}

fn request(access: &InstanceAccess) -> AskedCells<Felt> {
    let [input, second, third] = access.inputs;
    AskedCells {
        time: Felt::from(access.clk) + ONE,
        context: Felt::new(access.context.as_u64()),
        home: Felt::new(ContextId::new(access.home, ContextId::ROOT.index()).as_u64()),
        mark: Felt::new(access.marks.current),
        sender: access.marks.sender_felt(),
        input,
        output: access.output,
        second,
        third,
    }
}

/// The row of a wire, which so many imports' rows look up.
fn wire_row(access: &InstanceAccess, wired: &HashMap<(u16, u32), u64>) -> InstanceRow<Felt> {
    let mut row = InstanceRow {
        op: InstanceOps {
            wire: ONE,
            ..InstanceOps::filled(ZERO)
        },
        request: request(access),
        ..InstanceRow::filled(ZERO)
    };
    if let InstanceOp::Wire {
        index,
        left,
        target,
        state,
        ..
    } = &access.op
    {
        let lookups = wired.get(&(*index, *left)).copied().unwrap_or_default();
        let [_, free, table_len, _] = state.to_word();
        row.index = Felt::from(*index);
        row.target = Felt::from(target.index());
        row.domain = Felt::from(target.domain());
        row.left = Felt::from(*left);
        row.multiplicity = Felt::new(lookups);
        row.callee[1] = free;
        row.callee[2] = table_len;
        match left {
            1 => row.last = ONE,
            left => {
                row.callee[0] = Felt::from(left - 1).inv();
                row.callee[3] = Felt::new(access.context.as_u64() + 1);
            }
        }
    }
    row
}

/// The row that tells a component.
fn tell_row(access: &InstanceAccess, number: &[Felt; 4]) -> InstanceRow<Felt> {
    let mut row = InstanceRow {
        op: InstanceOps {
            tell: ONE,
            ..InstanceOps::filled(ZERO)
        },
        request: request(access),
        ..InstanceRow::filled(ZERO)
    };
    if let InstanceOp::Tell {
        index,
        commitment,
        domain,
        ..
    } = &access.op
    {
        row.index = Felt::from(*index);
        row.commitment = (*commitment).into();
        row.callee = [
            Felt::from(domain & 0xffff),
            Felt::from(domain >> 16),
            number[1],
            number[0],
        ];
    }
    row
}

/// The row of an instance whose calls are adopted.
fn adopt_row(access: &InstanceAccess) -> InstanceRow<Felt> {
    let mut row = InstanceRow {
        op: InstanceOps {
            adopt: ONE,
            ..InstanceOps::filled(ZERO)
        },
        request: request(access),
        ..InstanceRow::filled(ZERO)
    };
    if let InstanceOp::Adopt {
        index,
        commitment,
        state,
        ..
    } = &access.op
    {
        let [_, free, table_len, _] = state.to_word();
        row.index = Felt::from(*index);
        row.commitment = (*commitment).into();
        (row.callee[1], row.callee[2]) = (free, table_len);
    }
    row
}
