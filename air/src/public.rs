//! The claim that the prover and the verifier agree on: the public inputs and the messages they
//! stand for.

use alloc::vec::Vec;

use miden_core::{
    FMP_ADDR, FMP_INIT_VALUE, Felt, Kernel, StackInputs, StackOutputs, Word,
    precompile::PrecompileTranscriptState,
};
use winter_math::{FieldElement, ToElements, batch_inversion};

use crate::{
    columns::cells_of,
    component::{FactKind, INSTALLED},
    composition::{
        Composition, ExportRecord, IntrinsicRecord, LinkRecord, SEGMENT_BLOCK, SegmentRecord,
    },
    lookup::{
        Bus, Challenges, ChildBlock, END_TIME, KernelRecord, LinkCoords, LinkRow, MemoryElement,
        MemoryWord, Message, SegmentCoords, SegmentInit, SegmentRow, Space, context_key,
    },
    memory_io::{MemoryIo, MemorySegment},
};

/// Everything public about a run; all of it goes into the transcript.
///
/// By default it is that of an open program without a kernel, in which everything is zero.
#[derive(Debug, Clone, Default)]
pub struct PublicInputs {
    /// Digest of the program's entry point.
    pub program_hash: Word,
    /// The procedures that SYSCALL may enter.
    pub kernel: Kernel,
    /// The composition, or nothing for an open program.
    pub composition: Option<Composition>,
    /// The inputs and outputs in the root's memory; in a composition they are where its records say.
    pub memory: MemoryIo,
    /// The operand stack at the beginning.
    pub stack_inputs: StackInputs,
    /// The operand stack at the end.
    pub stack_outputs: StackOutputs,
    /// State of the precompile transcript at the end. It is zero at the beginning, and stays so in
    /// a run that records no precompile.
    pub precompile_transcript: PrecompileTranscriptState,
}

impl ToElements<Felt> for PublicInputs {
    fn to_elements(&self) -> Vec<Felt> {
        let mut elements = Vec::new();
        elements.extend_from_slice(self.program_hash.as_elements());
        elements.push(Felt::new(self.kernel.proc_hashes().len() as u64));
        for digest in self.kernel.proc_hashes() {
            elements.extend_from_slice(digest.as_elements());
        }
        elements.push(Felt::from(u8::from(self.composition.is_some())));
        if let Some(composition) = &self.composition {
            elements.extend(composition.to_elements());
        }
        elements.extend(self.memory.to_elements());
        elements.extend_from_slice(&self.stack_inputs[..]);
        elements.extend_from_slice(&self.stack_outputs[..]);
        elements.extend_from_slice(self.precompile_transcript.as_elements());
        elements
    }
}

/// A message that the verifier itself sends, with its coordinates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicMessage {
    /// The bus.
    pub bus: Bus,
    /// The coordinates.
    pub coordinates: Vec<Felt>,
    /// The word among the coordinates that is none of a record, and the number of its first coordinate.
    pub word: Option<(PublicWord, usize)>,
}

/// A word of the public inputs that the verifier's messages have and that is none of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublicWord {
    /// The digest of the program's entry point.
    ProgramHash,
    /// A word of the inputs in memory, or behind them of the outputs, by its number.
    Memory(usize),
    /// The state of the precompile transcript at the end.
    PrecompileTranscript,
}

impl PublicMessage {
    fn new<M: Message<Felt>>(message: M) -> Self {
        Self {
            bus: M::BUS,
            coordinates: cells_of(&message).to_vec(),
            word: None,
        }
    }

    /// A message with a word in this field.
    fn with_word<M: Message<Felt>>(message: M, word: PublicWord, field: &str) -> Self {
        let before = M::FIELDS.iter().take_while(|(name, _)| *name != field);
        let first = before.map(|(_, count)| count).sum();
        Self {
            word: Some((word, first)),
            ..Self::new(message)
        }
    }
}

impl PublicInputs {
    /// 1 if the program is a composition, 0 if it is open.
    pub fn composed(&self) -> Felt {
        Felt::from(u8::from(self.composition.is_some()))
    }

    /// The messages that the verifier sends, each once: the program as the block to execute, the
    /// public records, the final read of the precompile transcript, the inputs and outputs in memory,
    /// and in a composition the root instance's beginning and the public data.
    pub fn messages(&self) -> Vec<PublicMessage> {
        let zero = <Felt as FieldElement>::ZERO;
        let one = <Felt as FieldElement>::ONE;
        let mut messages = Vec::new();
        let program = ChildBlock {
            parent: zero,
            digest: self.program_hash.into(),
            first_child: zero,
            body: zero,
        };
        let word = PublicWord::ProgramHash;
        messages.push(PublicMessage::with_word(program, word, "digest"));
        for &digest in self.kernel.proc_hashes() {
            messages.push(PublicMessage::new(KernelRecord {
                digest: digest.into(),
            }));
        }
        let transcript = MemoryWord {
            context: context_key(zero, zero, Space::Transcript),
            address: zero,
            time: Felt::from(END_TIME),
            is_write: zero,
            value: self.precompile_transcript.into(),
        };
        let word = PublicWord::PrecompileTranscript;
        messages.push(PublicMessage::with_word(transcript, word, "value"));
        // Inputs are written before the first cycle, outputs read after the last one.
        let shown = [
            (&self.memory.inputs, zero, one),
            (&self.memory.outputs, Felt::from(END_TIME), zero),
        ];
        let mut number = 0;
        for (segment, time, is_write) in shown {
            let words = segment.iter().flat_map(MemorySegment::words);
            messages.extend(words.map(|(address, value)| {
                let access = MemoryWord {
                    context: context_key(zero, zero, Space::User),
                    address: Felt::from(address),
                    time,
                    is_write,
                    value,
                };
                let word = PublicWord::Memory(number);
                number += 1;
                PublicMessage::with_word(access, word, "value")
            }));
        }
        let Some(composition) = &self.composition else {
            return messages;
        };
        for link in composition.links() {
            let link = link_coords(link, composition);
            messages.push(PublicMessage::new(LinkRow { link }));
        }
        for record in composition.intrinsics() {
            let link = intrinsic_coords(record, composition);
            messages.push(PublicMessage::new(LinkRow { link }));
        }
        for export in composition.exports() {
            let link = export_coords(export, composition);
            messages.push(PublicMessage::new(LinkRow { link }));
        }
        for segment in segment_coords(composition) {
            messages.push(PublicMessage::new(SegmentRow { segment }));
        }
        messages.push(PublicMessage::new(MemoryWord {
            context: context_key(zero, zero, Space::State),
            address: zero,
            time: zero,
            is_write: one,
            value: ROOT_STATE,
        }));
        messages.push(PublicMessage::new(MemoryElement {
            context: context_key(zero, zero, Space::User),
            address: FMP_ADDR,
            time: zero,
            is_write: one,
            value: FMP_INIT_VALUE,
        }));
        for data in composition.public_data() {
            let instance = Felt::from(data.instance);
            messages.extend(data.words().map(|(address, value)| {
                PublicMessage::new(MemoryWord {
                    context: context_key(zero, instance, Space::User),
                    address: Felt::from(address),
                    time: zero,
                    is_write: one,
                    value,
                })
            }));
        }
        if !composition.segments_of(0).is_empty() {
            messages.push(PublicMessage::new(SegmentInit {
                context: context_key(zero, zero, Space::User),
                instance: zero,
                time: zero,
                segment: zero,
            }));
        }
        messages
    }

    /// The sum of the verifier's fractions: those of the tables add up to minus this.
    pub fn boundary_sum<E: FieldElement<BaseField = Felt>>(&self, challenges: &Challenges<E>) -> E {
        let messages = self.messages();
        let denominators: Vec<E> = messages
            .iter()
            .map(|message| {
                let bus = Felt::new(message.bus as u64);
                challenges.denominator(bus, &message.coordinates)
            })
            .collect();
        let fractions = batch_inversion(&denominators);
        fractions.into_iter().fold(E::ZERO, |sum, f| sum + f)
    }
}

/// The mark under which the root runs before it crosses a boundary: no cycle, and not zero.
pub const ROOT_MARK: u64 = 1 << 32;

/// The root's state before the first cycle: entered, with a resource table of length 1 (index 0 is
/// never handed out) and no borrows.
pub const ROOT_STATE: [Felt; 4] = [Felt::new(1), Felt::new(0), Felt::new(1), Felt::new(0)];

/// A link record as the coordinates that its ROM row has.
pub fn link_coords(link: &LinkRecord, composition: &Composition) -> LinkCoords<Felt> {
    let by_key = link.is_by_key();
    LinkCoords {
        source: Felt::from(link.source),
        digest: link.digest.into(),
        kind: Felt::from(match by_key {
            true => FactKind::Held as u8,
            false => link.kind.code(),
        }),
        target: Felt::from(if by_key { 0 } else { link.target }),
        callee: link.callee.into(),
        payload: has_data(link.target, composition),
    }
}

/// A link to an intrinsic as the coordinates that its ROM row has.
pub fn intrinsic_coords(record: &IntrinsicRecord, composition: &Composition) -> LinkCoords<Felt> {
    let resource = composition.resource_of(record);
    let definer = composition.definer_of(record);
    let number = match record.intrinsic {
        // The first index that an installed instance can have.
        intrinsic if intrinsic.installs() => composition.num_instances(),
        intrinsic if definer.is_none() => intrinsic.argument().into(),
        _ => record.resource + 1,
    };
    let code = composition.call_of(record).code();
    if record.instances_of() == Some(INSTALLED) {
        return LinkCoords {
            source: Felt::from(record.source),
            digest: record.digest.into(),
            kind: Felt::from(FactKind::Generic as u8 + code),
            target: Felt::ZERO,
            callee: [Felt::ZERO; 4],
            payload: Felt::ZERO,
        };
    }
    LinkCoords {
        source: Felt::from(record.source),
        digest: record.digest.into(),
        kind: Felt::from(code),
        target: Felt::from(definer.unwrap_or_default()),
        callee: resource
            .and_then(|r| r.destructor)
            .unwrap_or_default()
            .into(),
        payload: Felt::from(number),
    }
}

/// An export by key as the coordinates that its ROM row has: those of the same fact about an installed
/// instance.
pub fn export_coords(export: &ExportRecord, composition: &Composition) -> LinkCoords<Felt> {
    let zero = <Felt as FieldElement>::ZERO;
    LinkCoords {
        source: Felt::from(export.instance),
        digest: [export.key, zero, zero, zero],
        kind: Felt::from(FactKind::Export as u8),
        target: zero,
        callee: export.callee.into(),
        payload: has_data(export.instance, composition),
    }
}

/// 1 if an instance has static data.
fn has_data(instance: u32, composition: &Composition) -> Felt {
    Felt::from(u8::from(!composition.segments_of(instance).is_empty()))
}

/// The segment records of a composition as the coordinates that their ROM rows have.
pub fn segment_coords(composition: &Composition) -> impl Iterator<Item = SegmentCoords<Felt>> {
    let segments = composition.segments();
    let mut number = 0;
    segments.iter().enumerate().map(move |(i, segment)| {
        let SegmentRecord {
            instance,
            address,
            length,
            commitment,
        } = *segment;
        let done = segments
            .get(i + 1)
            .is_none_or(|next| next.instance != instance);
        let coords = SegmentCoords {
            instance: Felt::from(instance),
            segment: Felt::new(number),
            address: Felt::from(address),
            blocks: Felt::from(length / SEGMENT_BLOCK),
            done: Felt::from(u8::from(done)),
            commitment: commitment.into(),
        };
        number = if done { 0 } else { number + 1 };
        coords
    })
}
