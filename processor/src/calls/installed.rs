//! Instances that a program installs: by the commitments of their components, with wires that it lays.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, OnceLock},
};

use miden_core::{Felt, Word, ZERO, crypto::hash::Rpo256};
use miden_cvm_air::{
    component::{BLOCK, Component, INSTALLED, MAX_PROCEDURES},
    composition::{Composition, FIRST_INSTANCE_TYPE, Intrinsic, MAX_INSTANCES, SegmentRecord},
};

use crate::{
    advice::AdviceProvider,
    calls::{
        resources::{Marks, TableAccess},
        state::InstanceState,
    },
    context::ContextId,
    error::{ComponentFault, OpResult, Trap},
};

/// The number of the import of a whole instance that one procedure has.
pub(crate) const WHOLE_IMPORT: u32 = 1;

/// An access of an intrinsic to the installed instances.
#[derive(Debug, Clone)]
pub struct InstanceAccess {
    /// The cycle.
    pub clk: u32,
    /// The running instance.
    pub context: ContextId,
    /// The domain into which its shared calls go.
    pub home: u32,
    /// The boundaries crossed last.
    pub marks: Marks,
    /// The top three elements of the stack before.
    pub inputs: [Felt; 3],
    /// The top of the stack after.
    pub output: Felt,
    /// The operation.
    pub op: InstanceOp,
}

/// An operation on the installed instances.
#[derive(Debug, Clone)]
pub enum InstanceOp {
    /// An instance is installed.
    Install {
        /// The address of the commitment in the caller's memory.
        address: u32,
        /// Its index.
        index: u16,
        /// The number of instances of the composition, which have the indices below.
        first: u32,
        /// Its component.
        component: Arc<LoadedComponent>,
        /// The new handle.
        handle: Box<TableAccess>,
    },
    /// An import is wired.
    Wire {
        /// The instance whose import it is.
        index: u16,
        /// The number of imports that were not wired before.
        left: u32,
        /// The instance that it is wired to: an installed one of domain 0, or one that the program has made.
        target: ContextId,
        /// The state of that.
        state: InstanceState,
        /// The look at both handles.
        handles: Box<[TableAccess; 2]>,
    },
    /// The calls of an instance are taken over.
    Adopt {
        /// Its index.
        index: u16,
        /// The commitment of its component.
        commitment: Word,
        /// Its state.
        state: InstanceState,
        /// The handle as it is given up.
        handle: Box<TableAccess>,
    },
    /// The commitment of a component is told.
    Tell {
        /// The address in the caller's memory that it is written to.
        address: u32,
        /// The index of the instance.
        index: u16,
        /// The commitment.
        commitment: Word,
        /// The domain of the id.
        domain: u32,
    },
}

/// An instance that was installed.
#[derive(Debug)]
pub(crate) struct Installed {
    pub component: Arc<LoadedComponent>,
    /// The context that has installed it, and may wire its imports.
    pub maker: ContextId,
    /// Targets of the imports that are wired, the one with the highest number first.
    pub wires: Vec<ContextId>,
}

impl Installed {
    /// The number of imports that are not wired yet.
    pub fn left(&self) -> u32 {
        self.num_slots() - self.wires.len() as u32
    }

    /// The instance that an import is wired to.
    pub fn wire(&self, slot: u32) -> Option<ContextId> {
        let position = self.num_slots().checked_sub(slot)?;
        self.wires.get(position as usize).copied()
    }

    fn num_slots(&self) -> u32 {
        self.component.num_slots()
    }
}

/// The instances that a run has installed, and the components that it has read.
#[derive(Debug, Default)]
pub(crate) struct Installations {
    instances: Vec<Installed>,
    components: HashMap<(Form, Word), Arc<LoadedComponent>>,
    /// The instances that imports are wired to.
    wired_to: HashSet<ContextId>,
    /// The number of instances of the composition.
    first: u32,
}

impl Installations {
    /// Nothing is installed beside the instances of the composition.
    pub fn new(composition: &Composition) -> Self {
        Self {
            first: composition.num_instances(),
            ..Self::default()
        }
    }

    /// The first index that an installed instance has.
    pub fn first(&self) -> u32 {
        self.first
    }

    /// The installed instance of an index.
    pub fn get(&self, index: u16) -> Option<&Installed> {
        let position = u32::from(index).checked_sub(self.first)?;
        self.instances.get(position as usize)
    }

    /// The index of the installed instances that handles of a type lead to; nothing for other types.
    pub fn index_of_type(&self, resource: u32) -> Option<u16> {
        let index = u16::try_from(resource.checked_sub(FIRST_INSTANCE_TYPE)?).ok()?;
        self.get(index).map(|_| index)
    }

    /// Returns `true` if the instance of an index was installed and defines resource types.
    pub fn defines_types(&self, index: u16) -> bool {
        let installed = self.get(index);
        installed.is_some_and(|installed| installed.component.component.defines_types())
    }

    /// The number of the type that stands for those of all installed instances.
    pub const ANY_TYPE: u32 = FIRST_INSTANCE_TYPE + INSTALLED;

    /// The index that the next instance gets.
    ///
    /// # Errors
    /// If there is none left.
    pub fn next_index(&self) -> OpResult<u16> {
        let index = self.first as usize + self.instances.len();
        u16::try_from(index).map_err(|_| {
            Box::new(Trap::LimitExceeded {
                limit: "indices of instances",
                max: MAX_INSTANCES.into(),
            })
        })
    }

    /// Adds an instance, which has no wires yet.
    pub fn push(&mut self, component: Arc<LoadedComponent>, maker: ContextId) {
        self.instances.push(Installed {
            component,
            maker,
            wires: Vec::new(),
        });
    }

    /// Wires the next import of an installed instance.
    pub fn wire(&mut self, index: u16, target: ContextId) {
        self.wired_to.insert(target);
        let position = u32::from(index).checked_sub(self.first);
        let found = position.and_then(|position| self.instances.get_mut(position as usize));
        if let Some(installed) = found {
            installed.wires.push(target);
        }
    }

    /// Returns `true` if an import of another instance is wired to this one.
    pub fn is_wired_to(&self, context: ContextId) -> bool {
        self.wired_to.contains(&context)
    }

    /// Reads what a commitment is of from the advice map: a component with its static data, or code.
    ///
    /// # Errors
    /// If a part of it is missing, or does not match its commitment.
    pub fn component(
        &mut self,
        (form, commitment): (Form, Word),
        advice: &AdviceProvider,
        data: &mut HashMap<Word, Arc<[Felt]>>,
    ) -> OpResult<Arc<LoadedComponent>> {
        if let Some(component) = self.components.get(&(form, commitment)) {
            return Ok(component.clone());
        }
        let component = match form {
            Form::Procedure { address } => Component::of_code(address, [commitment]),
            Form::Record | Form::Code => Self::read(form, commitment, advice, data)?,
        };
        let component = Arc::new(LoadedComponent {
            component,
            form,
            commitment,
            keys: OnceLock::new(),
        });
        self.components
            .insert((form, commitment), component.clone());
        Ok(component)
    }

    /// Reads a record with its static data, or code.
    fn read(
        form: Form,
        commitment: Word,
        advice: &AdviceProvider,
        data: &mut HashMap<Word, Arc<[Felt]>>,
    ) -> OpResult<Component> {
        let invalid = |reason| Box::new(Trap::InvalidComponent { commitment, reason });
        let Some(elements) = advice.map().get(&commitment) else {
            return Err(Box::new(Trap::UnknownComponent { commitment }));
        };
        if Rpo256::hash_elements(elements) != commitment {
            return Err(invalid(ComponentFault::Record));
        }
        if form == Form::Code {
            let (procedures, rest) = elements.as_chunks::<4>();
            return match procedures.len() {
                1..=MAX_PROCEDURES if rest.is_empty() => Ok(Component::of_code(
                    0,
                    procedures.iter().copied().map(Word::new),
                )),
                _ => Err(invalid(ComponentFault::Code(elements.len()))),
            };
        }
        let component = Component::from_elements(elements)
            .map_err(|error| invalid(ComponentFault::Content(error)))?;
        for segment in &component.segments {
            let fault = |what| {
                invalid(ComponentFault::Data {
                    address: segment.address,
                    what,
                })
            };
            if data.contains_key(&segment.commitment) {
                continue;
            }
            let Some(values) = advice.map().get(&segment.commitment) else {
                return Err(fault("is missing"));
            };
            if Rpo256::hash_elements(values) != segment.commitment {
                return Err(fault("does not match its commitment"));
            }
            if values.len() != segment.length as usize {
                return Err(fault("has another length than the record says"));
            }
            data.insert(segment.commitment, values.clone());
        }
        Ok(component)
    }
}

/// The form of what a commitment is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// A component's record.
    Record,
    /// The digests of procedures one after the other.
    Code,
    /// One procedure, whose digest is the commitment. It imports a whole instance.
    Procedure {
        /// The address at which the digest was found, which is the key of the export.
        address: u32,
    },
}

impl Form {
    /// The form that an intrinsic installs which has found the commitment at an address.
    pub(crate) fn of(intrinsic: Intrinsic, address: u32) -> Option<Self> {
        match intrinsic {
            Intrinsic::Install => Some(Self::Record),
            Intrinsic::InstallCode => Some(Self::Code),
            Intrinsic::InstallProcedure => Some(Self::Procedure { address }),
            _ => None,
        }
    }
}

/// A component that was read.
#[derive(Debug)]
pub struct LoadedComponent {
    component: Component,
    form: Form,
    commitment: Word,
    /// The exports' keys by their digests, made when a whole instance is called first.
    keys: OnceLock<HashMap<Word, Felt>>,
}

impl LoadedComponent {
    /// The form that it was installed by.
    pub fn form(&self) -> Form {
        self.form
    }

    /// Returns `true` if it imports a whole instance, whose exports it calls by their digests.
    pub fn imports_whole(&self) -> bool {
        matches!(self.form, Form::Procedure { .. })
    }

    /// The number of imports that have to be wired.
    pub fn num_slots(&self) -> u32 {
        match self.form {
            Form::Record | Form::Code => self.component.num_slots(),
            Form::Procedure { .. } => WHOLE_IMPORT,
        }
    }

    /// The key of the first export of a digest, if there is no static data.
    pub(crate) fn key_of(&self, digest: Word) -> Option<Felt> {
        let keys = self.keys.get_or_init(|| {
            let exports = match self.component.segments.is_empty() {
                true => &self.component.exports[..],
                false => &[],
            };
            let last_first = exports.iter().rev();
            last_first
                .map(|export| (export.digest, export.key))
                .collect()
        });
        keys.get(&digest).copied()
    }

    /// The number of elements modulo 8 that the commitment is the hash of, which the hash begins with.
    pub(crate) fn remainder(&self) -> u32 {
        match self.form {
            Form::Code => (4 * self.component.exports.len() % BLOCK) as u32,
            Form::Record | Form::Procedure { .. } => 0,
        }
    }

    /// The blocks that the commitment is the hash of.
    pub(crate) fn blocks(&self) -> Vec<[Felt; BLOCK]> {
        let exports = &self.component.exports;
        match self.form {
            Form::Record => self.component.blocks(),
            Form::Code => {
                let pairs = exports.chunks(2);
                let blocks = pairs.map(|pair| {
                    let mut block = [ZERO; BLOCK];
                    for (half, export) in block.chunks_exact_mut(4).zip(pair) {
                        half.copy_from_slice(export.digest.as_elements());
                    }
                    block
                });
                blocks.collect()
            }
            Form::Procedure { .. } => Vec::new(),
        }
    }

    /// The component.
    pub fn component(&self) -> &Component {
        &self.component
    }

    /// The component's commitment.
    pub fn commitment(&self) -> Word {
        self.commitment
    }

    /// The segments as a composition would have them for an instance.
    pub(crate) fn segments(&self, instance: u16) -> Vec<SegmentRecord> {
        let segments = self.component.segments.iter();
        let record = segments.map(|segment| SegmentRecord {
            instance: instance.into(),
            address: segment.address,
            length: segment.length,
            commitment: segment.commitment,
        });
        record.collect()
    }
}
