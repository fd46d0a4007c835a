//! Public memory: elements of the root's memory that a statement shows, beyond those of the stack.
//!
//! The *inputs* are in memory before the first cycle; the *outputs* are what is there after the last
//! one. The verifier writes the former and reads the latter by messages of its own, a word each.

use alloc::vec::Vec;
use core::fmt;

use miden_core::{Felt, StackInputs};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::canonical;

/// Static data, inputs and outputs lie below this address; locals and the frame pointer live from here on.
pub const DATA_LIMIT: u64 = 1 << 31;

/// The most elements that the inputs may have, and the outputs.
pub const MAX_MEMORY_IO: usize = 1024;

/// Elements of a word.
const WORD_LEN: u32 = 4;

/// A range of addresses in the root's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Area {
    /// The first address; a multiple of 4.
    pub address: u32,
    /// The number of elements; a non-zero multiple of 4, at most [`MAX_MEMORY_IO`].
    pub length: u32,
}

impl Area {
    /// The first address after it.
    pub fn end(&self) -> u64 {
        u64::from(self.address) + u64::from(self.length)
    }

    fn validate(&self, kind: &'static str) -> Result<(), MemoryLayoutError> {
        let Self { address, length } = *self;
        if address % WORD_LEN != 0 {
            return Err(MemoryLayoutError::Address { kind, address });
        }
        if length == 0 || length % WORD_LEN != 0 || length as usize > MAX_MEMORY_IO {
            return Err(MemoryLayoutError::Length { kind, length });
        }
        if self.end() > DATA_LIMIT {
            return Err(MemoryLayoutError::Range { kind, address });
        }
        Ok(())
    }
}

/// The places of inputs and outputs in the root's memory; there need not be any.
///
/// Of a composition it is part of the records. An open program has no records: who verifies a
/// statement about one has to know where its inputs belong, as the program's hash does not say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryLayout {
    /// The place of the inputs.
    pub inputs: Option<Area>,
    /// The place of the outputs.
    pub outputs: Option<Area>,
}

/// Why places of inputs and outputs are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MemoryLayoutError {
    /// An address is not that of a word.
    #[error("the {kind} in memory begin at address {address}, which has to be a multiple of 4")]
    Address {
        /// Inputs or outputs.
        kind: &'static str,
        /// The address.
        address: u32,
    },
    /// There are none, too many, or parts of a word.
    #[error(
        "the {kind} in memory have {length} elements: it has to be a multiple of 4 from 4 to {MAX_MEMORY_IO}"
    )]
    Length {
        /// Inputs or outputs.
        kind: &'static str,
        /// The number of elements.
        length: u32,
    },
    /// The inputs overlap static data of the root.
    #[error(
        "the inputs in memory at address {inputs} overlap the root's static data at address {data}"
    )]
    Overlap {
        /// Address of the inputs.
        inputs: u32,
        /// Address of the data.
        data: u32,
    },
    /// They reach into the addresses of locals and the frame pointer.
    #[error("the {kind} in memory at address {address} reach beyond address 2^31")]
    Range {
        /// Inputs or outputs.
        kind: &'static str,
        /// The address.
        address: u32,
    },
}

impl fmt::Display for MemoryLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (kind, area) in [("inputs", self.inputs), ("outputs", self.outputs)] {
            if let Some(Area { address, length }) = area {
                write!(
                    f,
                    "{separator}{length} {kind} in memory from address {address} on"
                )?;
                separator = " and ";
            }
        }
        match self.is_empty() {
            true => f.write_str("no inputs or outputs in memory"),
            false => Ok(()),
        }
    }
}

impl MemoryLayout {
    /// Returns `true` if there are neither inputs nor outputs in memory.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Checks that addresses and lengths are those of words, in range and not too many.
    ///
    /// # Errors
    /// Returns the first rule that is broken.
    pub fn validate(&self) -> Result<(), MemoryLayoutError> {
        let areas = [("inputs", &self.inputs), ("outputs", &self.outputs)];
        areas
            .iter()
            .filter_map(|(kind, area)| Some((*kind, area.as_ref()?)))
            .try_for_each(|(kind, area)| area.validate(kind))
    }

    /// Checks that the inputs are not where the root has static data, of which addresses and lengths
    /// are given: memory is written once before the first cycle.
    ///
    /// # Errors
    /// Returns the first data that the inputs overlap.
    pub fn check_data(
        &self,
        mut data: impl Iterator<Item = (u32, u64)>,
    ) -> Result<(), MemoryLayoutError> {
        let Some(inputs) = self.inputs else {
            return Ok(());
        };
        let overlaps = |&(address, length): &(u32, u64)| {
            let begin = u64::from(address);
            begin < inputs.end() && u64::from(inputs.address) < begin + length
        };
        match data.find(overlaps) {
            Some((data, _)) => Err(MemoryLayoutError::Overlap {
                inputs: inputs.address,
                data,
            }),
            None => Ok(()),
        }
    }

    /// Four elements: address and length of the inputs and of the outputs, zeros for what there is not.
    pub fn to_elements(&self) -> [Felt; 4] {
        let [inputs, outputs] = [self.inputs, self.outputs].map(|area| {
            let area = area.unwrap_or(Area {
                address: 0,
                length: 0,
            });
            [area.address, area.length].map(Felt::from)
        });
        [inputs[0], inputs[1], outputs[0], outputs[1]]
    }
}

/// Inputs or outputs in memory, with their values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemorySegment {
    /// The first address.
    pub address: u32,
    /// The elements.
    #[serde(with = "canonical::elements")]
    pub elements: Vec<Felt>,
}

impl MemorySegment {
    /// The addresses that it takes. Their number is cut off where no area could be that long.
    pub fn area(&self) -> Area {
        Area {
            address: self.address,
            length: u32::try_from(self.elements.len()).unwrap_or(u32::MAX),
        }
    }

    /// The words, with their addresses.
    pub fn words(&self) -> impl Iterator<Item = (u32, [Felt; 4])> {
        words(self.address, &self.elements)
    }
}

/// The words of elements that begin at an address, with their addresses.
pub(crate) fn words(address: u32, elements: &[Felt]) -> impl Iterator<Item = (u32, [Felt; 4])> {
    let (words, _) = elements.as_chunks::<4>();
    (address..).step_by(4).zip(words.iter().copied())
}

/// Inputs and outputs in memory, as a statement shows them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemoryIo {
    /// The inputs: in memory before the first cycle.
    pub inputs: Option<MemorySegment>,
    /// The outputs: in memory after the last cycle.
    pub outputs: Option<MemorySegment>,
}

impl MemoryIo {
    /// The places of both.
    pub fn layout(&self) -> MemoryLayout {
        MemoryLayout {
            inputs: self.inputs.as_ref().map(MemorySegment::area),
            outputs: self.outputs.as_ref().map(MemorySegment::area),
        }
    }

    /// The layout, then the inputs and the outputs.
    pub fn to_elements(&self) -> Vec<Felt> {
        let mut elements = self.layout().to_elements().to_vec();
        for segment in [&self.inputs, &self.outputs].into_iter().flatten() {
            elements.extend_from_slice(&segment.elements);
        }
        elements
    }
}

/// What a run is given that its statement shows.
#[derive(Debug, Clone, Default)]
pub struct Arguments {
    /// The operand stack at the beginning.
    pub stack: StackInputs,
    /// The inputs in memory, as far as they are not zero; there has to be a place for them.
    pub memory: Vec<Felt>,
    /// The places of inputs and outputs of an open program. Those of a composition are in its records;
    /// here they are left out, or the same.
    pub layout: MemoryLayout,
}

impl From<StackInputs> for Arguments {
    fn from(stack: StackInputs) -> Self {
        Self {
            stack,
            ..Self::default()
        }
    }
}

impl From<&StackInputs> for Arguments {
    fn from(stack: &StackInputs) -> Self {
        stack.clone().into()
    }
}

impl From<&Arguments> for Arguments {
    fn from(arguments: &Arguments) -> Self {
        arguments.clone()
    }
}

/// Why a run is not given its arguments.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ArgumentsError {
    /// The places break a rule.
    #[error(transparent)]
    MemoryLayout(#[from] MemoryLayoutError),
    /// There are more elements than there is place for.
    #[error(
        "{given} elements are given as inputs in memory, but there is place for {place}: the root component's \
         `component.toml` says so in `[memory]`, of an open program the inputs file in `memory_layout`"
    )]
    TooMany {
        /// The number of elements given.
        given: usize,
        /// The number that there is place for.
        place: u32,
    },
    /// The places are not those of the composition.
    #[error(
        "the places of inputs and outputs in memory are those that the composition's records say: leave \
         `memory_layout` out"
    )]
    OtherLayout,
}

impl Arguments {
    /// The inputs in memory with their place, and the place of the outputs, of a run in a composition
    /// with this layout, or of an open program.
    ///
    /// # Errors
    /// If the places break a rule, are not the composition's, or do not suffice.
    pub fn place(
        &self,
        of_composition: Option<MemoryLayout>,
    ) -> Result<(Option<MemorySegment>, Option<Area>), ArgumentsError> {
        let layout = match of_composition {
            Some(layout) if self.layout.is_empty() || self.layout == layout => layout,
            Some(_) => return Err(ArgumentsError::OtherLayout),
            None => self.layout,
        };
        layout.validate()?;
        let (given, place) = (
            self.memory.len(),
            layout.inputs.map_or(0, |area| area.length),
        );
        if given > place as usize {
            return Err(ArgumentsError::TooMany { given, place });
        }
        let inputs = layout.inputs.map(|area| {
            let mut elements = self.memory.clone();
            elements.resize(area.length as usize, Felt::new(0));
            MemorySegment {
                address: area.address,
                elements,
            }
        });
        Ok((inputs, layout.outputs))
    }
}
