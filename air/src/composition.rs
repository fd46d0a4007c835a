//! The public description of a composition: which instances there are, how their calls are linked,
//! and which static data each of them starts with.

mod intrinsic;
mod kind;

use alloc::vec::Vec;

use miden_core::{
    Felt, Word, ZERO,
    utils::{ByteReader, ByteWriter, Deserializable, DeserializationError, Serializable},
};
use miden_crypto::hash::rpo::Rpo256;
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use self::{
    intrinsic::{Intrinsic, IntrinsicCall, Right},
    kind::LinkKind,
};
use crate::{
    canonical,
    memory_io::{self, Area, DATA_LIMIT, MemoryLayout, MemoryLayoutError},
};

/// The most instances that a composition may have: an instance index fits in 16 bits.
pub const MAX_INSTANCES: u32 = 1 << 16;

/// The number that stands for the kernel where a record names the calling instance: the kernel runs
/// in the root's context, but has links of its own.
pub const KERNEL_SOURCE: u32 = MAX_INSTANCES;

/// The number that stands for every installed instance where a record names an instance that handles
/// or calls of what is held lead to.
pub const INSTALLED: u32 = MAX_INSTANCES;

/// The most resource types that a composition may have.
pub const MAX_RESOURCES: usize = 1 << 16;

/// The number of the type that handles to instances of instance 0 have which the program makes; for
/// those of instance `i` it is `i` more. Numbers below are those of the composition's resource types.
pub const FIRST_INSTANCE_TYPE: u32 = MAX_RESOURCES as u32;

/// The number of elements that a data segment is a multiple of: one sponge block.
pub const SEGMENT_BLOCK: u32 = 8;

/// The most elements of public data that a composition may have.
pub const MAX_PUBLIC_ELEMENTS: usize = 1024;

/// One entry of the link table: what a call to `digest` made by instance `source` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkRecord {
    /// Index of the calling instance.
    pub source: u32,
    /// The digest that the call names.
    #[serde(with = "canonical::hex")]
    pub digest: Word,
    /// The kind of the call.
    pub kind: LinkKind,
    /// Index of the instance that is entered.
    pub target: u32,
    /// The digest of the procedure that is executed.
    #[serde(with = "canonical::hex")]
    pub callee: Word,
}

impl LinkRecord {
    /// Returns `true` if the link leads to any installed instance that the caller holds, and the callee
    /// is the key of an export, with zeros.
    pub fn is_by_key(&self) -> bool {
        self.kind == LinkKind::Held && self.target == INSTALLED
    }

    /// The key of the record in canonical order: no two records share it.
    fn key(&self) -> (u32, [u64; 4]) {
        (self.source, key_of(self.digest))
    }
}

/// A type of resources. Types are numbered by their position among the composition's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceRecord {
    /// Index of the instance that defines the type: it alone makes handles and sees
    /// representations.
    pub definer: u32,
    /// The procedure of the definer that runs when the last handle is dropped.
    #[serde(
        default,
        with = "canonical::present_hex",
        skip_serializing_if = "Option::is_none"
    )]
    pub destructor: Option<Word>,
}

/// One entry of the link table that leads to the VM itself: what a call to `digest` made by
/// instance `source` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntrinsicRecord {
    /// Index of the calling instance, or [`KERNEL_SOURCE`].
    pub source: u32,
    /// The digest that the call names.
    #[serde(with = "canonical::hex")]
    pub digest: Word,
    /// The intrinsic.
    pub intrinsic: Intrinsic,
    /// Number of the resource type, or of a type of instances; 0 for an intrinsic that has none.
    pub resource: u32,
}

impl IntrinsicRecord {
    /// The instance whose instances the type is of, if it is a type of instances; [`INSTALLED`] for all
    /// installed ones.
    pub fn instances_of(&self) -> Option<u32> {
        self.resource.checked_sub(FIRST_INSTANCE_TYPE)
    }

    /// The key of the record in canonical order: no two records share it, nor does a link.
    fn key(&self) -> (u32, [u64; 4]) {
        (self.source, key_of(self.digest))
    }
}

/// The target of a call made by an instance, or by the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolved<'a> {
    /// A procedure of an instance.
    Call(&'a LinkRecord),
    /// The VM itself.
    Intrinsic(&'a IntrinsicRecord),
}

/// Static data that an instance finds in its memory before its first instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentRecord {
    /// Index of the instance.
    pub instance: u32,
    /// First address of the segment, in elements; a multiple of 4.
    pub address: u32,
    /// Number of elements; a non-zero multiple of [`SEGMENT_BLOCK`].
    pub length: u32,
    /// RPO hash of the elements (`hash_elements`); the data is in the advice map under it.
    #[serde(with = "canonical::hex")]
    pub commitment: Word,
}

/// Static data that is public itself. The verifier puts it into memory, so that it is not hashed;
/// the instance is therefore one that exists in the program's own domain only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicData {
    /// Index of the instance.
    pub instance: u32,
    /// First address of the data, in elements; a multiple of 4.
    pub address: u32,
    /// The elements; as many as a segment can have.
    #[serde(with = "canonical::elements")]
    pub elements: Vec<Felt>,
}

impl PublicData {
    /// The words of the data, with their addresses.
    pub fn words(&self) -> impl Iterator<Item = (u32, [Felt; 4])> {
        memory_io::words(self.address, &self.elements)
    }
}

/// A function of an instance by its key. The imports of [installed](crate::component) instances that are
/// wired to instances which the program has made of this one lead there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportRecord {
    /// Index of the instance.
    pub instance: u32,
    /// The key that imports have which lead to it.
    #[serde(with = "canonical::element")]
    pub key: Felt,
    /// The digest of the procedure that is executed.
    #[serde(with = "canonical::hex")]
    pub callee: Word,
}

impl ExportRecord {
    /// The key of the record in canonical order: no two records share it.
    fn key(&self) -> (u32, u64) {
        (self.instance, self.key.as_int())
    }
}

/// The addresses of static data of one kind or the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Extent {
    instance: u32,
    address: u32,
    /// Number of elements.
    length: u64,
}

impl Extent {
    fn end(&self) -> u64 {
        u64::from(self.address) + self.length
    }
}

impl From<&SegmentRecord> for Extent {
    fn from(segment: &SegmentRecord) -> Self {
        Self {
            instance: segment.instance,
            address: segment.address,
            length: segment.length.into(),
        }
    }
}

impl From<&PublicData> for Extent {
    fn from(data: &PublicData) -> Self {
        Self {
            instance: data.instance,
            address: data.address,
            length: data.elements.len() as u64,
        }
    }
}

/// A composition: the static graph of component instances that a run consists of.
///
/// Instance 0 is the root, whose `main` is the program. Links and intrinsics are sorted by source
/// and digest, static data by instance and address, resource types by definer, exports by instance and key;
/// [`Composition::validate`] insists on that.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Composition {
    num_instances: u32,
    links: Vec<LinkRecord>,
    segments: Vec<SegmentRecord>,
    resources: Vec<ResourceRecord>,
    intrinsics: Vec<IntrinsicRecord>,
    public: Vec<PublicData>,
    layout: MemoryLayout,
    exports: Vec<ExportRecord>,
}

/// Why a composition is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CompositionError {
    /// The number of instances is zero or more than [`MAX_INSTANCES`].
    #[error("a composition has between 1 and 65536 instances, but this one has {0}")]
    InstanceCount(u32),
    /// A link names an instance that does not exist.
    #[error("link {link} names instance {index}, but there are only {count} instances")]
    LinkInstance {
        /// Position of the link in canonical order.
        link: usize,
        /// The index it names.
        index: u32,
        /// The number of instances.
        count: u32,
    },
    /// A resource type names an instance that does not exist.
    #[error(
        "resource type {resource} names instance {index}, but there are only {count} instances"
    )]
    ResourceDefiner {
        /// Number of the type.
        resource: usize,
        /// The index it names.
        index: u32,
        /// The number of instances.
        count: u32,
    },
    /// There are more than [`MAX_RESOURCES`] resource types.
    #[error("a composition has at most 65536 resource types, but this one has {0}")]
    ResourceCount(usize),
    /// An intrinsic is linked to an instance that does not exist.
    #[error(
        "intrinsic {intrinsic} is linked to instance {index}, but there are only {count} instances"
    )]
    IntrinsicSource {
        /// Position of the record in canonical order.
        intrinsic: usize,
        /// The index it names.
        index: u32,
        /// The number of instances.
        count: u32,
    },
    /// An intrinsic is linked to somebody who has no right to it.
    #[error(
        "{intrinsic:?} of resource type {resource} is linked to instance {source_index}, who has no right to it"
    )]
    Authority {
        /// The intrinsic.
        intrinsic: Intrinsic,
        /// Number of the resource type.
        resource: u32,
        /// The calling instance.
        source_index: u32,
    },
    /// An intrinsic names a resource type that does not exist.
    #[error("intrinsic {intrinsic} names resource type {resource}, but there are only {count}")]
    IntrinsicResource {
        /// Position of the record in canonical order.
        intrinsic: usize,
        /// The type it names.
        resource: u32,
        /// The number of types.
        count: usize,
    },
    /// A fresh or a held link leads to an instance that defines resource types: they are those of one
    /// instance, and a new one would have none of them.
    #[error(
        "link {link} leads to new instances of instance {target}, which defines resource types: only shared and isolated links can lead there"
    )]
    FreshDefiner {
        /// Position of the link in canonical order.
        link: usize,
        /// The instance it leads to.
        target: u32,
    },
    /// Two links have the same source and digest.
    #[error("instance {source_index} has two links for digest {digest}")]
    DuplicateLink {
        /// The calling instance.
        source_index: u32,
        /// The digest that both links name.
        digest: Word,
    },
    /// Records are not in canonical order.
    #[error("the {0} records are not in canonical order")]
    Order(&'static str),
    /// A segment names an instance that does not exist.
    #[error("segment {segment} names instance {index}, but there are only {count} instances")]
    SegmentInstance {
        /// Position of the segment in canonical order.
        segment: usize,
        /// The index it names.
        index: u32,
        /// The number of instances.
        count: u32,
    },
    /// A segment's address or length is not aligned, or it is empty.
    #[error(
        "segment at address {address} of instance {instance} has {length} elements: the address \
         must be a multiple of 4 and the length a non-zero multiple of 8"
    )]
    SegmentShape {
        /// The instance it belongs to.
        instance: u32,
        /// Its first address.
        address: u32,
        /// Its length in elements.
        length: u64,
    },
    /// A segment reaches into the addresses of locals and the frame pointer.
    #[error("segment at address {address} of instance {instance} reaches beyond address 2^31")]
    SegmentRange {
        /// The instance it belongs to.
        instance: u32,
        /// Its first address.
        address: u32,
    },
    /// Two segments of one instance overlap.
    #[error("segments at addresses {first} and {second} of instance {instance} overlap")]
    SegmentOverlap {
        /// The instance they belong to.
        instance: u32,
        /// Address of the lower segment.
        first: u32,
        /// Address of the higher segment.
        second: u32,
    },
    /// An export is one of an instance that does not exist.
    #[error("export {export} names instance {index}, but there are only {count} instances")]
    ExportInstance {
        /// Position of the export in canonical order.
        export: usize,
        /// The index it names.
        index: u32,
        /// The number of instances.
        count: u32,
    },
    /// Two exports of an instance have one key.
    #[error("instance {instance} has two exports with the key {key}")]
    DuplicateExport {
        /// The instance.
        instance: u32,
        /// The key that both have.
        key: Felt,
    },
    /// An export by key is one of an instance that defines resource types, which are those of one instance:
    /// a program makes no others of it.
    #[error(
        "export {export} is one of instance {instance}, which defines resource types: imports cannot be wired \
         to new instances of it"
    )]
    ExportOfDefiner {
        /// Position of the export in canonical order.
        export: usize,
        /// The instance.
        instance: u32,
    },
    /// There is more public data than [`MAX_PUBLIC_ELEMENTS`].
    #[error("a composition has at most 1024 elements of public data, but this one has {0}")]
    PublicDataLength(usize),
    /// An instance with public data can exist more than once.
    #[error(
        "instance {instance} has public data, which the verifier gives to one instance: only shared \
         calls can lead there, and none within an isolated call or over a wire that the program lays"
    )]
    PublicDataCopied {
        /// The instance.
        instance: u32,
    },
    /// The places of inputs and outputs in memory break a rule.
    #[error(transparent)]
    MemoryLayout(#[from] MemoryLayoutError),
}

impl Composition {
    /// Returns a composition of `num_instances` instances with the given records, which are
    /// brought into canonical order.
    ///
    /// # Errors
    /// Returns an error if the records are not valid, see [`Self::validate`].
    pub fn new(
        num_instances: u32,
        mut links: Vec<LinkRecord>,
        mut segments: Vec<SegmentRecord>,
    ) -> Result<Self, CompositionError> {
        links.sort_by_key(LinkRecord::key);
        segments.sort_by_key(|s| (s.instance, s.address));
        let composition = Self {
            num_instances,
            links,
            segments,
            ..Self::default()
        };
        composition.validate()?;
        Ok(composition)
    }

    /// Returns the composition with these resource types, in order of their numbers, and these
    /// links to intrinsics, which are brought into canonical order.
    ///
    /// # Errors
    /// Returns an error if the records are not valid, see [`Self::validate`].
    pub fn with_resources(
        mut self,
        resources: Vec<ResourceRecord>,
        mut intrinsics: Vec<IntrinsicRecord>,
    ) -> Result<Self, CompositionError> {
        intrinsics.sort_by_key(IntrinsicRecord::key);
        self.resources = resources;
        self.intrinsics = intrinsics;
        self.validate()?;
        Ok(self)
    }

    /// Returns the composition with this public data, which is brought into canonical order.
    ///
    /// # Errors
    /// Returns an error if the records are not valid, see [`Self::validate`].
    pub fn with_public_data(mut self, mut data: Vec<PublicData>) -> Result<Self, CompositionError> {
        data.sort_by_key(|data| (data.instance, data.address));
        self.public = data;
        self.validate()?;
        Ok(self)
    }

    /// Returns the composition with these places of inputs and outputs in the root's memory.
    ///
    /// # Errors
    /// Returns an error if the records are not valid, see [`Self::validate`].
    pub fn with_layout(mut self, layout: MemoryLayout) -> Result<Self, CompositionError> {
        self.layout = layout;
        self.validate()?;
        Ok(self)
    }

    /// Returns the composition with these exports by key, which are brought into canonical order.
    ///
    /// # Errors
    /// Returns an error if the records are not valid, see [`Self::validate`].
    pub fn with_exports(
        mut self,
        mut exports: Vec<ExportRecord>,
    ) -> Result<Self, CompositionError> {
        exports.sort_by_key(ExportRecord::key);
        self.exports = exports;
        self.validate()?;
        Ok(self)
    }

    /// Checks what the AIR relies on: unique keys, indices in range, aligned segments that do not
    /// overlap, canonical order, no fresh instances of who defines resource types, one instance of
    /// who has public data, and inputs in memory where the root has no static data.
    ///
    /// # Errors
    /// Returns the first rule that is broken.
    pub fn validate(&self) -> Result<(), CompositionError> {
        let count = self.num_instances;
        if count == 0 || count > MAX_INSTANCES {
            return Err(CompositionError::InstanceCount(count));
        }
        for (link, record) in self.links.iter().enumerate() {
            // What is held can be any installed instance; then the callee is a key.
            let by_key = record.is_by_key() && record.callee.as_elements()[1..] == [ZERO; 3];
            for index in [record.source, record.target] {
                if index >= count && !(by_key && index == INSTALLED) {
                    return Err(CompositionError::LinkInstance { link, index, count });
                }
            }
        }
        for pair in self.links.windows(2) {
            if pair[0].key() == pair[1].key() {
                return Err(CompositionError::DuplicateLink {
                    source_index: pair[0].source,
                    digest: pair[0].digest,
                });
            }
            if pair[0].key() > pair[1].key() {
                return Err(CompositionError::Order("link"));
            }
        }
        self.validate_resources()?;
        self.validate_exports()?;
        self.validate_data()?;
        self.validate_layout()?;
        self.validate_public_data()
    }

    /// Checks the places of inputs and outputs: memory is written once at time 0.
    fn validate_layout(&self) -> Result<(), CompositionError> {
        self.layout.validate()?;
        let hashed = self.segments_of(0).iter().map(Extent::from);
        let public = self.public.iter().map(Extent::from);
        let data = hashed.chain(public.filter(|extent| extent.instance == 0));
        self.layout
            .check_data(data.map(|extent| (extent.address, extent.length)))?;
        Ok(())
    }

    /// Checks that exports by key are those of instances of which there can be others.
    fn validate_exports(&self) -> Result<(), CompositionError> {
        let count = self.num_instances;
        for (export, &ExportRecord { instance, .. }) in self.exports.iter().enumerate() {
            if instance >= count {
                return Err(CompositionError::ExportInstance {
                    export,
                    index: instance,
                    count,
                });
            }
            if self.defines(instance) {
                return Err(CompositionError::ExportOfDefiner { export, instance });
            }
        }
        for pair in self.exports.windows(2) {
            if pair[0].key() == pair[1].key() {
                return Err(CompositionError::DuplicateExport {
                    instance: pair[0].instance,
                    key: pair[0].key,
                });
            }
            if pair[0].key() > pair[1].key() {
                return Err(CompositionError::Order("export"));
            }
        }
        Ok(())
    }

    /// Returns `true` if an instance defines resource types.
    fn defines(&self, instance: u32) -> bool {
        let search = |record: &ResourceRecord| record.definer.cmp(&instance);
        self.resources.binary_search_by(search).is_ok()
    }

    /// Checks that all static data is aligned, in range and in order, and does not overlap.
    fn validate_data(&self) -> Result<(), CompositionError> {
        let count = self.num_instances;
        let segments: Vec<Extent> = self.segments.iter().map(Extent::from).collect();
        let public: Vec<Extent> = self.public.iter().map(Extent::from).collect();
        for (segment, extent) in segments.iter().enumerate().chain(public.iter().enumerate()) {
            let Extent {
                instance,
                address,
                length,
            } = *extent;
            if instance >= count {
                return Err(CompositionError::SegmentInstance {
                    segment,
                    index: instance,
                    count,
                });
            }
            if address % 4 != 0 || length == 0 || length % u64::from(SEGMENT_BLOCK) != 0 {
                return Err(CompositionError::SegmentShape {
                    instance,
                    address,
                    length,
                });
            }
            if extent.end() > DATA_LIMIT {
                return Err(CompositionError::SegmentRange { instance, address });
            }
        }
        for (kind, extents) in [("segment", &segments), ("public data", &public)] {
            if !extents.is_sorted() {
                return Err(CompositionError::Order(kind));
            }
        }
        let mut all = segments;
        all.extend(public);
        all.sort_unstable();
        for pair in all.windows(2) {
            if pair[0].instance == pair[1].instance && pair[0].end() > u64::from(pair[1].address) {
                return Err(CompositionError::SegmentOverlap {
                    instance: pair[0].instance,
                    first: pair[0].address,
                    second: pair[1].address,
                });
            }
        }
        Ok(())
    }

    /// Checks how much public data there is, and that each instance that has some is one only: what
    /// the verifier supplies is in the memory of the program's own domain.
    fn validate_public_data(&self) -> Result<(), CompositionError> {
        let count = self.public.iter().map(|data| data.elements.len()).sum();
        if count > MAX_PUBLIC_ELEMENTS {
            return Err(CompositionError::PublicDataLength(count));
        }
        if self.public.is_empty() {
            return Ok(());
        }
        // Instances that other domains can have, and those among them whose links are to be followed.
        let mut elsewhere = alloc::vec![false; self.num_instances as usize];
        let mut pending = Vec::new();
        for link in &self.links {
            let enters_domain = link.kind == LinkKind::Isolated;
            if link.is_by_key() {
                continue;
            }
            elsewhere[link.target as usize] |= link.kind != LinkKind::Shared;
            pending.extend(enters_domain.then_some(link.target));
        }
        // Imports that are wired there can be called in any way.
        for export in &self.exports {
            elsewhere[export.instance as usize] = true;
            pending.push(export.instance);
        }
        let mut followed = alloc::vec![false; self.num_instances as usize];
        while let Some(source) = pending.pop() {
            if core::mem::replace(&mut followed[source as usize], true) {
                continue;
            }
            let start = self.links.partition_point(|link| link.source < source);
            let links = self.links[start..]
                .iter()
                .take_while(|link| link.source == source);
            for link in links.filter(|link| !link.is_by_key()) {
                elsewhere[link.target as usize] = true;
                pending.push(link.target);
            }
        }
        let mut instances = self.public.iter().map(|data| data.instance);
        match instances.find(|&instance| elsewhere[instance as usize]) {
            Some(instance) => Err(CompositionError::PublicDataCopied { instance }),
            None => Ok(()),
        }
    }

    /// Checks resource types and who has which intrinsic.
    fn validate_resources(&self) -> Result<(), CompositionError> {
        let count = self.num_instances;
        if self.resources.len() > MAX_RESOURCES {
            return Err(CompositionError::ResourceCount(self.resources.len()));
        }
        for (resource, &ResourceRecord { definer, .. }) in self.resources.iter().enumerate() {
            if definer >= count {
                let index = definer;
                return Err(CompositionError::ResourceDefiner {
                    resource,
                    index,
                    count,
                });
            }
        }
        if !self.resources.is_sorted_by_key(|record| record.definer) {
            return Err(CompositionError::Order("resource"));
        }
        for (link, &LinkRecord { kind, target, .. }) in self.links.iter().enumerate() {
            if kind.is_of_instance_alone() && self.defines(target) {
                return Err(CompositionError::FreshDefiner { link, target });
            }
        }
        for (position, record) in self.intrinsics.iter().enumerate() {
            let IntrinsicRecord {
                source,
                digest,
                intrinsic,
                resource,
            } = *record;
            if source >= count && source != KERNEL_SOURCE {
                return Err(CompositionError::IntrinsicSource {
                    intrinsic: position,
                    index: source,
                    count,
                });
            }
            let no_right = CompositionError::Authority {
                intrinsic,
                resource,
                source_index: source,
            };
            if (intrinsic.right() == Right::Kernel) != (source == KERNEL_SOURCE) {
                return Err(no_right);
            }
            let of = record.instances_of();
            let definer = self.definer_of(record);
            let exists = match of {
                Some(of) => of < count || of == INSTALLED,
                None => definer.is_some() || resource == 0 && !intrinsic.has_resource(),
            };
            if !exists {
                return Err(CompositionError::IntrinsicResource {
                    intrinsic: position,
                    resource,
                    count: self.resources.len(),
                });
            }
            let is_fit = match intrinsic.right() {
                Right::Maker => of.is_some_and(|of| of != INSTALLED),
                // What the handle of an instance stands for is the VM's business alone.
                Right::Definer => of.is_none() && definer == Some(source),
                Right::Holder => true,
                Right::Instance | Right::Installer | Right::Kernel => resource == 0,
            };
            if !is_fit {
                return Err(no_right);
            }
            if self.link(source, digest).is_some() {
                return Err(CompositionError::DuplicateLink {
                    source_index: source,
                    digest,
                });
            }
        }
        for pair in self.intrinsics.windows(2) {
            if pair[0].key() == pair[1].key() {
                return Err(CompositionError::DuplicateLink {
                    source_index: pair[0].source,
                    digest: pair[0].digest,
                });
            }
            if pair[0].key() > pair[1].key() {
                return Err(CompositionError::Order("intrinsic"));
            }
        }
        Ok(())
    }

    /// The number of instances; indices run from 0, the root.
    pub fn num_instances(&self) -> u32 {
        self.num_instances
    }

    /// The link records, sorted by source and digest.
    pub fn links(&self) -> &[LinkRecord] {
        &self.links
    }

    /// The segment records, sorted by instance and address.
    pub fn segments(&self) -> &[SegmentRecord] {
        &self.segments
    }

    /// The public data, sorted by instance and address.
    pub fn public_data(&self) -> &[PublicData] {
        &self.public
    }

    /// The places of inputs and outputs in the root's memory.
    pub fn layout(&self) -> MemoryLayout {
        self.layout
    }

    /// The segments of one instance, in the order in which memory is initialized with them.
    pub fn segments_of(&self, instance: u32) -> &[SegmentRecord] {
        let start = self.segments.partition_point(|s| s.instance < instance);
        let end = self.segments.partition_point(|s| s.instance <= instance);
        &self.segments[start..end]
    }

    /// The resource types; a type's number is its position.
    pub fn resources(&self) -> &[ResourceRecord] {
        &self.resources
    }

    /// The links to intrinsics, sorted by source and digest.
    pub fn intrinsics(&self) -> &[IntrinsicRecord] {
        &self.intrinsics
    }

    /// The exports by key, sorted by instance and key.
    pub fn exports(&self) -> &[ExportRecord] {
        &self.exports
    }

    /// The procedure that an instance exports under a key.
    pub fn export(&self, instance: u32, key: Felt) -> Option<Word> {
        let key = (instance, key.as_int());
        let found = self.exports.binary_search_by_key(&key, ExportRecord::key);
        Some(self.exports[found.ok()?].callee)
    }

    /// The first export by key of an instance, if it has any.
    pub fn first_export(&self, instance: u32) -> Option<&ExportRecord> {
        let start = self.exports.partition_point(|e| e.instance < instance);
        self.exports.get(start).filter(|e| e.instance == instance)
    }

    /// Returns the target of a call to `digest` made by instance `source`, or by [`KERNEL_SOURCE`].
    pub fn resolve(&self, source: u32, digest: Word) -> Option<Resolved<'_>> {
        if let Some(link) = self.link(source, digest) {
            return Some(Resolved::Call(link));
        }
        let key = (source, key_of(digest));
        let position = self
            .intrinsics
            .binary_search_by_key(&key, IntrinsicRecord::key)
            .ok()?;
        Some(Resolved::Intrinsic(&self.intrinsics[position]))
    }

    /// The link that a call to `digest` made by instance `source` goes over, if there is one.
    pub fn link(&self, source: u32, digest: Word) -> Option<&LinkRecord> {
        let key = (source, key_of(digest));
        let position = self
            .links
            .binary_search_by_key(&key, LinkRecord::key)
            .ok()?;
        Some(&self.links[position])
    }

    /// The instance that defines the resource type of an intrinsic, or whose instances that is a type
    /// of, if there is such a type.
    pub fn definer_of(&self, record: &IntrinsicRecord) -> Option<u32> {
        let definer = || self.resource_of(record).map(|resource| resource.definer);
        record.instances_of().or_else(definer)
    }

    /// The resource type of an intrinsic, if it has one that an instance defines.
    pub fn resource_of(&self, record: &IntrinsicRecord) -> Option<&ResourceRecord> {
        if !record.intrinsic.has_resource() {
            return None;
        }
        self.resources.get(record.resource as usize)
    }

    /// The call that an intrinsic's record makes possible.
    pub fn call_of(&self, record: &IntrinsicRecord) -> IntrinsicCall {
        let resource = self.resource_of(record);
        let by_definer = resource.is_some_and(|r| r.definer == record.source);
        let intrinsic = record.intrinsic;
        IntrinsicCall {
            intrinsic,
            by_definer: match intrinsic {
                Intrinsic::Drop => by_definer || record.instances_of().is_some(),
                Intrinsic::RecvBorrow => by_definer,
                _ => false,
            },
            destructible: intrinsic == Intrinsic::Drop
                && resource.is_some_and(|r| r.destructor.is_some()),
        }
    }

    /// The RPO hash of [`Self::to_elements`]: what a verifier pins.
    pub fn commitment(&self) -> Word {
        Rpo256::hash_elements(&self.to_elements())
    }

    /// The records as field elements: counts and the places of inputs and outputs first, then links, segments, resource types (definer,
    /// whether there is a destructor, the destructor), intrinsics (source, digest, position in
    /// [`Intrinsic::ALL`], type), public data (instance, address, length, elements) and exports (instance, key,
    /// digest).
    pub fn to_elements(&self) -> Vec<Felt> {
        let public = self.public.iter();
        let mut elements = Vec::with_capacity(
            11 + 11 * self.links.len()
                + 7 * self.segments.len()
                + 6 * self.resources.len()
                + 7 * self.intrinsics.len()
                + 6 * self.exports.len()
                + public.map(|data| 3 + data.elements.len()).sum::<usize>(),
        );
        elements.extend(
            [
                self.num_instances,
                self.links.len() as u32,
                self.segments.len() as u32,
                self.resources.len() as u32,
                self.intrinsics.len() as u32,
                self.public.len() as u32,
                self.exports.len() as u32,
            ]
            .map(Felt::from),
        );
        elements.extend(self.layout.to_elements());
        for link in &self.links {
            elements.push(Felt::from(link.source));
            elements.extend_from_slice(link.digest.as_elements());
            elements.push(Felt::from(link.kind as u8));
            elements.push(Felt::from(link.target));
            elements.extend_from_slice(link.callee.as_elements());
        }
        for segment in &self.segments {
            elements.extend([segment.instance, segment.address, segment.length].map(Felt::from));
            elements.extend_from_slice(segment.commitment.as_elements());
        }
        for resource in &self.resources {
            elements.push(Felt::from(resource.definer));
            elements.push(Felt::from(u8::from(resource.destructor.is_some())));
            let destructor = resource.destructor.unwrap_or_default();
            elements.extend_from_slice(destructor.as_elements());
        }
        for record in &self.intrinsics {
            elements.push(Felt::from(record.source));
            elements.extend_from_slice(record.digest.as_elements());
            elements.push(Felt::from(record.intrinsic as u8));
            elements.push(Felt::from(record.resource));
        }
        for data in &self.public {
            let length = data.elements.len() as u32;
            elements.extend([data.instance, data.address, length].map(Felt::from));
            elements.extend_from_slice(&data.elements);
        }
        for export in &self.exports {
            elements.extend([Felt::from(export.instance), export.key]);
            elements.extend_from_slice(export.callee.as_elements());
        }
        elements
    }
}

/// The elements of a digest as integers, by which records are ordered.
pub(crate) fn key_of(digest: Word) -> [u64; 4] {
    let elements = digest.as_elements();
    core::array::from_fn(|i| elements[i].as_int())
}

impl Serializable for Composition {
    fn write_into<W: ByteWriter>(&self, target: &mut W) {
        target.write_u32(self.num_instances);
        target.write_u32(self.links.len() as u32);
        target.write_u32(self.segments.len() as u32);
        target.write_u32(self.resources.len() as u32);
        target.write_u32(self.intrinsics.len() as u32);
        target.write_u32(self.public.len() as u32);
        for area in [self.layout.inputs, self.layout.outputs] {
            target.write(area.map(|area| (area.address, area.length)));
        }
        target.write_u32(self.exports.len() as u32);
        for link in &self.links {
            target.write_u32(link.source);
            link.digest.write_into(target);
            target.write_u8(link.kind as u8);
            target.write_u32(link.target);
            link.callee.write_into(target);
        }
        for segment in &self.segments {
            target.write_u32(segment.instance);
            target.write_u32(segment.address);
            target.write_u32(segment.length);
            segment.commitment.write_into(target);
        }
        for resource in &self.resources {
            target.write_u32(resource.definer);
            target.write(resource.destructor);
        }
        for record in &self.intrinsics {
            target.write_u32(record.source);
            record.digest.write_into(target);
            target.write_u8(record.intrinsic as u8);
            target.write_u32(record.resource);
        }
        for data in &self.public {
            target.write_u32(data.instance);
            target.write_u32(data.address);
            target.write_u32(data.elements.len() as u32);
            target.write_many(&data.elements);
        }
        for export in &self.exports {
            target.write_u32(export.instance);
            target.write(export.key);
            export.callee.write_into(target);
        }
    }
}

impl Deserializable for Composition {
    fn read_from<R: ByteReader>(source: &mut R) -> Result<Self, DeserializationError> {
        let num_instances = source.read_u32()?;
        let num_links = source.read_u32()?;
        let num_segments = source.read_u32()?;
        let num_resources = source.read_u32()?;
        let num_intrinsics = source.read_u32()?;
        let num_public = source.read_u32()?;
        let mut area = || -> Result<Option<Area>, DeserializationError> {
            let area: Option<(u32, u32)> = source.read()?;
            Ok(area.map(|(address, length)| Area { address, length }))
        };
        let layout = MemoryLayout {
            inputs: area()?,
            outputs: area()?,
        };
        let num_exports = source.read_u32()?;
        // The counts come from outside: vectors grow with what is really there.
        let mut links = Vec::new();
        for _ in 0..num_links {
            links.push(LinkRecord {
                source: source.read_u32()?,
                digest: Word::read_from(source)?,
                kind: {
                    let number = source.read_u8()?;
                    let kind = LinkKind::ALL.get(usize::from(number));
                    *kind.ok_or_else(|| {
                        DeserializationError::InvalidValue(alloc::format!(
                            "{number} is not a link kind"
                        ))
                    })?
                },
                target: source.read_u32()?,
                callee: Word::read_from(source)?,
            });
        }
        let mut segments = Vec::new();
        for _ in 0..num_segments {
            segments.push(SegmentRecord {
                instance: source.read_u32()?,
                address: source.read_u32()?,
                length: source.read_u32()?,
                commitment: Word::read_from(source)?,
            });
        }
        let mut resources = Vec::new();
        for _ in 0..num_resources {
            resources.push(ResourceRecord {
                definer: source.read_u32()?,
                destructor: source.read()?,
            });
        }
        let mut intrinsics = Vec::new();
        for _ in 0..num_intrinsics {
            intrinsics.push(IntrinsicRecord {
                source: source.read_u32()?,
                digest: Word::read_from(source)?,
                intrinsic: {
                    let number = source.read_u8()?;
                    let intrinsic = Intrinsic::ALL.get(usize::from(number));
                    *intrinsic.ok_or_else(|| {
                        DeserializationError::InvalidValue(alloc::format!(
                            "{number} is not an intrinsic"
                        ))
                    })?
                },
                resource: source.read_u32()?,
            });
        }
        let mut public = Vec::new();
        for _ in 0..num_public {
            let (instance, address) = (source.read_u32()?, source.read_u32()?);
            let length = source.read_u32()? as usize;
            if length > MAX_PUBLIC_ELEMENTS {
                let error = CompositionError::PublicDataLength(length);
                return Err(DeserializationError::InvalidValue(alloc::format!(
                    "{error}"
                )));
            }
            public.push(PublicData {
                instance,
                address,
                elements: source.read_many(length)?,
            });
        }
        let mut exports = Vec::new();
        for _ in 0..num_exports {
            exports.push(ExportRecord {
                instance: source.read_u32()?,
                key: source.read()?,
                callee: Word::read_from(source)?,
            });
        }
        let composition = Self {
            num_instances,
            links,
            segments,
            resources,
            intrinsics,
            public,
            layout,
            exports,
        };
        composition
            .validate()
            .map_err(|error| DeserializationError::InvalidValue(alloc::format!("{error}")))?;
        Ok(composition)
    }
}
