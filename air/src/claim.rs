//! Claims: statements that a run makes about another one in place of running it.
//!
//! A call of a claimed instance takes its results from the advice and absorbs a commitment to the claim
//! into the run's precompile transcript. The claim itself travels beside the proof as a request to
//! [`CLAIM_EVENT`].

use alloc::vec::Vec;

use miden_core::{
    EventName, Felt, Word, ZERO,
    crypto::hash::Rpo256,
    precompile::{PrecompileCommitment, PrecompileRequest},
};
use thiserror::Error;

/// The event by which a run asks for the results of a claimed call.
pub const CLAIM_EVENT: EventName = EventName::new("miden_cvm::claim");

/// The number of elements that go into a call and come out of it.
const STACK: usize = 16;
/// The number of elements of a claim.
const ELEMENTS: usize = 12 + 2 * STACK;
/// The number of bytes of an element.
const ELEMENT_LEN: usize = 8;

/// The subject of a claim: a program without a kernel, in a composition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimedProgram {
    /// The program's hash.
    pub program_hash: Word,
    /// The composition's commitment.
    pub composition: Word,
}

impl ClaimedProgram {
    /// The hash of both, which stands in the code of the calls.
    pub fn id(&self) -> Word {
        Rpo256::merge(&[self.program_hash, self.composition])
    }
}

/// A run that a claim says there is: of this program, from these elements of the stack to those.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimedRun {
    /// The program and the composition that run.
    pub program: ClaimedProgram,
    /// The stack at the beginning, the top first.
    pub inputs: [Felt; STACK],
    /// The stack at the end, the top first.
    pub outputs: [Felt; STACK],
}

impl ClaimedRun {
    /// The hash of the run and who has called for it.
    pub fn digest(&self, caller: Word) -> Word {
        let mut elements = Vec::with_capacity(8 + 2 * STACK);
        elements.extend(caller);
        elements.extend(self.program.id());
        elements.extend(self.inputs.iter().rev());
        elements.extend(self.outputs.iter().rev());
        Rpo256::hash_elements(&elements)
    }
}

/// A claim of a run: another run, and who called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The run that there is.
    pub run: ClaimedRun,
    /// The fn hash of the context that has made the call: zeros for the root's main.
    pub caller: Word,
}

/// The number of bytes of a claim.
const CLAIM_LEN: usize = ELEMENTS * ELEMENT_LEN;

/// Why bytes are no claim.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ClaimError {
    /// There are more or fewer than a claim has.
    #[error("a claim has {CLAIM_LEN} bytes, not {0}")]
    Length(usize),
    /// A number is not below the field's modulus.
    #[error("element {0} of the claim is not below the field's modulus")]
    Element(usize),
}

impl Claim {
    /// The elements that the call absorbs into the transcript: the event, and the hash of caller, program, inputs and
    /// outputs, both stacks from the deepest element to the top.
    pub fn commitment(&self) -> PrecompileCommitment {
        PrecompileCommitment::new(tag(), self.run.digest(self.caller))
    }

    /// The claim as it travels beside a proof: caller, program hash, composition, inputs and outputs, each
    /// element as eight bytes, the lowest first.
    pub fn request(&self) -> PrecompileRequest {
        let ClaimedRun {
            program,
            inputs,
            outputs,
        } = &self.run;
        let words = [self.caller, program.program_hash, program.composition];
        let elements = words.iter().flat_map(|word| word.iter());
        let elements = elements.chain(inputs).chain(outputs);
        let calldata = elements.flat_map(|element| element.as_int().to_le_bytes());
        PrecompileRequest::new(CLAIM_EVENT.to_event_id(), calldata.collect())
    }

    /// Reads the calldata of a request. There is one way only to write a claim.
    ///
    /// # Errors
    /// If the bytes are no claim.
    pub fn from_calldata(bytes: &[u8]) -> Result<Self, ClaimError> {
        let (chunks, rest) = bytes.as_chunks::<ELEMENT_LEN>();
        if chunks.len() != ELEMENTS || !rest.is_empty() {
            return Err(ClaimError::Length(bytes.len()));
        }
        let mut elements = [ZERO; ELEMENTS];
        for (position, (element, chunk)) in elements.iter_mut().zip(chunks).enumerate() {
            *element = Felt::try_from(u64::from_le_bytes(*chunk))
                .map_err(|_| ClaimError::Element(position))?;
        }
        let word = |first: usize| Word::new(core::array::from_fn(|i| elements[first + i]));
        let stack = |first: usize| core::array::from_fn(|i| elements[first + i]);
        Ok(Self {
            caller: word(0),
            run: ClaimedRun {
                program: ClaimedProgram {
                    program_hash: word(4),
                    composition: word(8),
                },
                inputs: stack(12),
                outputs: stack(12 + STACK),
            },
        })
    }
}

/// The first word that a claim absorbs: no precompile has it, since it has the event.
pub fn tag() -> Word {
    [CLAIM_EVENT.to_event_id().as_felt(), ZERO, ZERO, ZERO].into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim() -> Claim {
        let word = |first: u64| Word::new(core::array::from_fn(|i| Felt::new(first + i as u64)));
        Claim {
            caller: word(1),
            run: ClaimedRun {
                program: ClaimedProgram {
                    program_hash: word(5),
                    composition: word(9),
                },
                inputs: core::array::from_fn(|i| Felt::new(20 + i as u64)),
                outputs: core::array::from_fn(|i| Felt::new(40 + i as u64)),
            },
        }
    }

    #[test]
    fn round_trip() {
        let request = claim().request();
        assert_eq!(request.event_id(), CLAIM_EVENT.to_event_id());
        assert_eq!(Claim::from_calldata(request.calldata()), Ok(claim()));
    }

    #[test]
    fn every_element_is_in_the_commitment() {
        let bytes = claim().request().calldata().to_vec();
        for position in 0..ELEMENTS {
            let mut other = bytes.clone();
            other[position * ELEMENT_LEN] ^= 0x80;
            let other = Claim::from_calldata(&other).expect("a claim");
            assert_ne!(other.commitment(), claim().commitment(), "{position}");
        }
    }

    #[test]
    fn other_bytes_are_refused() {
        let bytes = claim().request().calldata().to_vec();
        for len in 0..bytes.len() {
            let refused = Claim::from_calldata(&bytes[..len]);
            assert_eq!(refused, Err(ClaimError::Length(len)));
        }
        let mut large = bytes;
        large[8..16].fill(0xff);
        assert_eq!(Claim::from_calldata(&large), Err(ClaimError::Element(1)));
    }
}
