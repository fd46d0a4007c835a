//! The public description of a composition: which instances there are, how their calls are linked,
//! and which static data each of them starts with.

use alloc::vec::Vec;

use miden_core::{
    Felt, Word,
    utils::{ByteReader, ByteWriter, Deserializable, DeserializationError, Serializable},
};
use miden_crypto::hash::rpo::Rpo256;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The most instances that a composition may have: an instance index fits in 16 bits.
pub const MAX_INSTANCES: u32 = 1 << 16;

/// Static data lies below this address; locals and the frame pointer live from here on.
pub const DATA_LIMIT: u64 = 1 << 31;

/// The number of elements that a data segment is a multiple of: one sponge block.
pub const SEGMENT_BLOCK: u32 = 8;

/// What a call over a link does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkKind {
    /// The call continues in the target instance of the caller's domain.
    Shared,
    /// The call starts a new domain with a fresh target instance.
    Isolated,
}

/// One entry of the link table: what a call to `digest` made by instance `source` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkRecord {
    /// Index of the calling instance.
    pub source: u32,
    /// The digest that the call names.
    pub digest: Word,
    /// What the call does.
    pub kind: LinkKind,
    /// Index of the instance that is entered.
    pub target: u32,
    /// The digest of the procedure that is executed.
    pub callee: Word,
}

impl LinkRecord {
    /// The key of the record in canonical order: no two records share it.
    fn key(&self) -> (u32, [u64; 4]) {
        (self.source, key_of(self.digest))
    }
}

/// Static data that an instance finds in its memory before its first instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentRecord {
    /// Index of the instance.
    pub instance: u32,
    /// First address of the segment, in elements; a multiple of 4.
    pub address: u32,
    /// Number of elements; a non-zero multiple of [`SEGMENT_BLOCK`].
    pub length: u32,
    /// RPO hash of the elements (`hash_elements`); the data is in the advice map under it.
    pub commitment: Word,
}

/// A composition: the static graph of component instances that a run consists of.
///
/// Instance 0 is the root, whose `main` is the program. Links are sorted by source and digest,
/// segments by instance and address; [`Composition::validate`] insists on both.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Composition {
    num_instances: u32,
    links: Vec<LinkRecord>,
    segments: Vec<SegmentRecord>,
}

/// Why a composition is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
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
        /// How many instances there are.
        count: u32,
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
        /// How many instances there are.
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
        length: u32,
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
        };
        composition.validate()?;
        Ok(composition)
    }

    /// Checks what the AIR relies on: unique keys, indices in range, aligned segments that do not
    /// overlap, canonical order.
    ///
    /// # Errors
    /// Returns the first rule that is broken.
    pub fn validate(&self) -> Result<(), CompositionError> {
        let count = self.num_instances;
        if count == 0 || count > MAX_INSTANCES {
            return Err(CompositionError::InstanceCount(count));
        }
        for (link, record) in self.links.iter().enumerate() {
            for index in [record.source, record.target] {
                if index >= count {
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
        for (segment, record) in self.segments.iter().enumerate() {
            let SegmentRecord {
                instance,
                address,
                length,
                ..
            } = *record;
            if instance >= count {
                return Err(CompositionError::SegmentInstance {
                    segment,
                    index: instance,
                    count,
                });
            }
            if address % 4 != 0 || length == 0 || length % SEGMENT_BLOCK != 0 {
                return Err(CompositionError::SegmentShape {
                    instance,
                    address,
                    length,
                });
            }
            if u64::from(address) + u64::from(length) > DATA_LIMIT {
                return Err(CompositionError::SegmentRange { instance, address });
            }
        }
        for pair in self.segments.windows(2) {
            if (pair[0].instance, pair[0].address) > (pair[1].instance, pair[1].address) {
                return Err(CompositionError::Order("segment"));
            }
            let end = u64::from(pair[0].address) + u64::from(pair[0].length);
            if pair[0].instance == pair[1].instance && end > u64::from(pair[1].address) {
                return Err(CompositionError::SegmentOverlap {
                    instance: pair[0].instance,
                    first: pair[0].address,
                    second: pair[1].address,
                });
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

    /// The segments of one instance, in the order in which they are unhashed.
    pub fn segments_of(&self, instance: u32) -> &[SegmentRecord] {
        let start = self.segments.partition_point(|s| s.instance < instance);
        let end = self.segments.partition_point(|s| s.instance <= instance);
        &self.segments[start..end]
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

    /// The RPO hash of [`Self::to_elements`]: what a verifier pins.
    pub fn commitment(&self) -> Word {
        Rpo256::hash_elements(&self.to_elements())
    }

    /// The records as field elements: counts first, then links, then segments.
    pub fn to_elements(&self) -> Vec<Felt> {
        let mut elements = Vec::with_capacity(3 + 11 * self.links.len() + 7 * self.segments.len());
        elements.extend(
            [
                self.num_instances,
                self.links.len() as u32,
                self.segments.len() as u32,
            ]
            .map(Felt::from),
        );
        for link in &self.links {
            elements.push(Felt::from(link.source));
            elements.extend_from_slice(link.digest.as_elements());
            elements.push(Felt::from(u8::from(link.kind == LinkKind::Shared)));
            elements.push(Felt::from(link.target));
            elements.extend_from_slice(link.callee.as_elements());
        }
        for segment in &self.segments {
            elements.extend([segment.instance, segment.address, segment.length].map(Felt::from));
            elements.extend_from_slice(segment.commitment.as_elements());
        }
        elements
    }
}

/// The elements of a digest as integers, by which records are ordered.
fn key_of(digest: Word) -> [u64; 4] {
    let elements = digest.as_elements();
    core::array::from_fn(|i| elements[i].as_int())
}

impl Serializable for Composition {
    fn write_into<W: ByteWriter>(&self, target: &mut W) {
        target.write_u32(self.num_instances);
        target.write_u32(self.links.len() as u32);
        target.write_u32(self.segments.len() as u32);
        for link in &self.links {
            target.write_u32(link.source);
            link.digest.write_into(target);
            target.write_u8(u8::from(link.kind == LinkKind::Shared));
            target.write_u32(link.target);
            link.callee.write_into(target);
        }
        for segment in &self.segments {
            target.write_u32(segment.instance);
            target.write_u32(segment.address);
            target.write_u32(segment.length);
            segment.commitment.write_into(target);
        }
    }
}

impl Deserializable for Composition {
    fn read_from<R: ByteReader>(source: &mut R) -> Result<Self, DeserializationError> {
        let num_instances = source.read_u32()?;
        let num_links = source.read_u32()?;
        let num_segments = source.read_u32()?;
        // The counts come from outside: vectors grow with what is really there.
        let mut links = Vec::new();
        for _ in 0..num_links {
            links.push(LinkRecord {
                source: source.read_u32()?,
                digest: Word::read_from(source)?,
                kind: match source.read_u8()? {
                    0 => LinkKind::Isolated,
                    1 => LinkKind::Shared,
                    other => {
                        return Err(DeserializationError::InvalidValue(alloc::format!(
                            "{other} is not a link kind"
                        )));
                    }
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
        let composition = Self {
            num_instances,
            links,
            segments,
        };
        composition
            .validate()
            .map_err(|error| DeserializationError::InvalidValue(alloc::format!("{error}")))?;
        Ok(composition)
    }
}
