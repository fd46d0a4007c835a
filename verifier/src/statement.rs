//! What a proof claims, as it travels beside the proof.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use miden_core::{Felt, Kernel, StackInputs, StackOutputs, Word};
use miden_cvm_air::{
    composition::{
        Composition, CompositionError, LinkKind, LinkRecord, MAX_INSTANCES, SegmentRecord,
    },
    public::PublicInputs,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The version of the statement's format.
const VERSION: u32 = 1;

/// The most links and segments that a statement may have.
const MAX_RECORDS: usize = 1 << 20;

/// The claim that a proof is about: everything public of a run.
///
/// As JSON, digests are hexadecimal with a leading `0x`, and field elements are numbers below the
/// modulus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// Version of the format.
    pub version: u32,
    /// Digest of the program's entry point.
    pub program_hash: String,
    /// Digests of the kernel's procedures.
    pub kernel: Vec<String>,
    /// The composition; nothing for an open program.
    pub composition: Option<CompositionStatement>,
    /// The operand stack at the beginning, the top first.
    pub stack_inputs: Vec<u64>,
    /// The operand stack at the end, the top first.
    pub stack_outputs: Vec<u64>,
}

/// A composition as a statement has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompositionStatement {
    /// Commitment to the records.
    pub commitment: String,
    /// Number of instances.
    pub instances: u32,
    /// The links, sorted by source and digest.
    pub links: Vec<LinkStatement>,
    /// The segments, sorted by instance and address.
    pub segments: Vec<SegmentStatement>,
}

/// A link as a statement has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkStatement {
    /// Index of the calling instance.
    pub source: u32,
    /// The digest that the call names.
    pub digest: String,
    /// What the call does.
    pub kind: LinkKind,
    /// Index of the instance that is entered.
    pub target: u32,
    /// The digest that is executed.
    pub callee: String,
}

/// A segment as a statement has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentStatement {
    /// Index of the instance.
    pub instance: u32,
    /// First address.
    pub address: u32,
    /// Number of elements.
    pub length: u32,
    /// RPO hash of the elements.
    pub commitment: String,
}

/// Why a statement is not well-formed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StatementError {
    /// The statement is of another version.
    #[error("the statement has version {0}, but only version {VERSION} is supported")]
    Version(u32),
    /// A digest is not one.
    #[error(
        "{field} of the statement is {value:?}, which is not the canonical 0x-form of a digest"
    )]
    Digest {
        /// Which field.
        field: &'static str,
        /// Its text, cut off after some characters.
        value: String,
    },
    /// A stack does not have 16 elements.
    #[error("{field} of the statement has {actual} elements instead of 16")]
    StackLength {
        /// Which stack.
        field: &'static str,
        /// How many elements it has.
        actual: usize,
    },
    /// A number is not below the field's modulus.
    #[error("{value} in {field} of the statement is not below the field's modulus")]
    Element {
        /// Which stack.
        field: &'static str,
        /// The number.
        value: u64,
    },
    /// The kernel is not one.
    #[error("the statement's kernel is invalid: {0}")]
    Kernel(String),
    /// There are too many records.
    #[error("the statement has {0} records, more than can be")]
    TooManyRecords(usize),
    /// The records are not those of a composition.
    #[error("the statement's composition is invalid: {0}")]
    Composition(#[from] CompositionError),
    /// The commitment is not that of the records.
    #[error("the statement's composition commits to {actual}, not to {stated}")]
    Commitment {
        /// The commitment that is stated.
        stated: Word,
        /// The commitment of the records.
        actual: Word,
    },
}

impl Statement {
    /// Checks the statement and returns the public inputs that it stands for.
    ///
    /// # Errors
    /// Returns the first rule that the statement breaks.
    pub fn public_inputs(&self) -> Result<PublicInputs, StatementError> {
        if self.version != VERSION {
            return Err(StatementError::Version(self.version));
        }
        if self.kernel.len() > Kernel::MAX_NUM_PROCEDURES {
            return Err(StatementError::TooManyRecords(self.kernel.len()));
        }
        let procedures: Vec<Word> = self
            .kernel
            .iter()
            .map(|text| digest("kernel", text))
            .collect::<Result<_, _>>()?;
        let kernel =
            Kernel::new(&procedures).map_err(|error| StatementError::Kernel(error.to_string()))?;
        if kernel.proc_hashes() != procedures {
            return Err(StatementError::Kernel(
                "the procedures are not sorted".into(),
            ));
        }
        Ok(PublicInputs {
            program_hash: digest("program_hash", &self.program_hash)?,
            kernel,
            composition: self.composition.as_ref().map(composition).transpose()?,
            stack_inputs: StackInputs::from(stack("stack_inputs", &self.stack_inputs)?),
            stack_outputs: StackOutputs::from(stack("stack_outputs", &self.stack_outputs)?),
        })
    }
}

impl From<&PublicInputs> for Statement {
    fn from(public: &PublicInputs) -> Self {
        let numbers = |elements: &[Felt]| elements.iter().map(Felt::as_int).collect();
        Self {
            version: VERSION,
            program_hash: public.program_hash.to_string(),
            kernel: public
                .kernel
                .proc_hashes()
                .iter()
                .map(Word::to_string)
                .collect(),
            composition: public.composition.as_ref().map(CompositionStatement::from),
            stack_inputs: numbers(&public.stack_inputs[..]),
            stack_outputs: numbers(&public.stack_outputs[..]),
        }
    }
}

impl From<&Composition> for CompositionStatement {
    fn from(composition: &Composition) -> Self {
        let links = composition.links().iter().map(|link| LinkStatement {
            source: link.source,
            digest: link.digest.to_string(),
            kind: link.kind,
            target: link.target,
            callee: link.callee.to_string(),
        });
        let segments = composition
            .segments()
            .iter()
            .map(|segment| SegmentStatement {
                instance: segment.instance,
                address: segment.address,
                length: segment.length,
                commitment: segment.commitment.to_string(),
            });
        Self {
            commitment: composition.commitment().to_string(),
            instances: composition.num_instances(),
            links: links.collect(),
            segments: segments.collect(),
        }
    }
}

/// The composition of a statement, if its records are valid and in order and have its commitment.
fn composition(stated: &CompositionStatement) -> Result<Composition, StatementError> {
    let records = stated.links.len() + stated.segments.len();
    if records > MAX_RECORDS || stated.instances > MAX_INSTANCES {
        return Err(StatementError::TooManyRecords(
            records.max(stated.instances as usize),
        ));
    }
    let links = stated
        .links
        .iter()
        .map(|link| {
            Ok(LinkRecord {
                source: link.source,
                digest: digest("a link", &link.digest)?,
                kind: link.kind,
                target: link.target,
                callee: digest("a link", &link.callee)?,
            })
        })
        .collect::<Result<Vec<_>, StatementError>>()?;
    let segments = stated
        .segments
        .iter()
        .map(|segment| {
            Ok(SegmentRecord {
                instance: segment.instance,
                address: segment.address,
                length: segment.length,
                commitment: digest("a segment", &segment.commitment)?,
            })
        })
        .collect::<Result<Vec<_>, StatementError>>()?;
    let composition = Composition::new(stated.instances, links.clone(), segments.clone())?;
    if composition.links() != links {
        return Err(CompositionError::Order("link").into());
    }
    if composition.segments() != segments {
        return Err(CompositionError::Order("segment").into());
    }
    let (commitment, actual) = (
        digest("the composition", &stated.commitment)?,
        composition.commitment(),
    );
    if commitment != actual {
        return Err(StatementError::Commitment {
            stated: commitment,
            actual,
        });
    }
    Ok(composition)
}

/// Reads a digest in the form in which digests are written.
fn digest(field: &'static str, text: &str) -> Result<Word, StatementError> {
    let word = Word::try_from(text)
        .ok()
        .filter(|word| word.to_string() == text);
    word.ok_or_else(|| StatementError::Digest {
        field,
        value: text.chars().take(80).collect(),
    })
}

/// Reads the 16 elements of a stack.
fn stack(field: &'static str, numbers: &[u64]) -> Result<[Felt; 16], StatementError> {
    let numbers: [u64; 16] = numbers
        .try_into()
        .map_err(|_| StatementError::StackLength {
            field,
            actual: numbers.len(),
        })?;
    let mut elements = [Felt::new(0); 16];
    for (element, value) in elements.iter_mut().zip(numbers) {
        *element = Felt::try_from(value).map_err(|_| StatementError::Element { field, value })?;
    }
    Ok(elements)
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn statement() -> Statement {
        let word = |n: u64| Word::new([n, 1, 2, 3].map(Felt::new));
        let links = vec![LinkRecord {
            source: 0,
            digest: word(5),
            kind: LinkKind::Shared,
            target: 1,
            callee: word(6),
        }];
        let segments = vec![SegmentRecord {
            instance: 1,
            address: 8,
            length: 16,
            commitment: word(7),
        }];
        let composition = Composition::new(2, links, segments).expect("valid records");
        Statement::from(&PublicInputs {
            program_hash: word(1),
            kernel: Kernel::new(&[word(9)]).expect("one procedure"),
            composition: Some(composition),
            stack_inputs: StackInputs::default(),
            stack_outputs: StackOutputs::default(),
        })
    }

    #[test]
    fn json_round_trip() {
        let json = serde_json::to_string(&statement()).expect("a statement is JSON");
        let read: Statement = serde_json::from_str(&json).expect("that was a statement");
        assert_eq!(read, statement());
        let public = read.public_inputs().expect("valid");
        assert_eq!(Statement::from(&public), statement());
    }

    #[test]
    fn unknown_fields_are_refused() {
        let json = serde_json::to_string(&statement()).expect("a statement is JSON");
        let json = json.replacen('{', "{\"extra\":1,", 1);
        assert!(serde_json::from_str::<Statement>(&json).is_err());
    }

    /// Alters a statement and returns why it is refused.
    fn refused(alter: impl FnOnce(&mut Statement)) -> StatementError {
        let mut altered = statement();
        alter(&mut altered);
        altered
            .public_inputs()
            .expect_err("the statement is refused")
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(refused(|s| s.version = 2), StatementError::Version(2));
        let digest = refused(|s| s.program_hash = "0x12".into());
        assert!(matches!(
            digest,
            StatementError::Digest {
                field: "program_hash",
                ..
            }
        ));
        let digest = refused(|s| s.kernel[0] = s.kernel[0].to_uppercase());
        assert!(matches!(
            digest,
            StatementError::Digest {
                field: "kernel",
                ..
            }
        ));
        let kernel = refused(|s| s.kernel.push(s.kernel[0].clone()));
        assert!(matches!(kernel, StatementError::Kernel(_)));
        let stack = refused(|s| s.stack_inputs.push(0));
        assert_eq!(
            stack,
            StatementError::StackLength {
                field: "stack_inputs",
                actual: 17
            }
        );
        let element = refused(|s| s.stack_outputs[3] = u64::MAX);
        let expected = StatementError::Element {
            field: "stack_outputs",
            value: u64::MAX,
        };
        assert_eq!(element, expected);
    }

    #[test]
    fn altered_compositions_are_refused() {
        fn composition(s: &mut Statement) -> &mut CompositionStatement {
            s.composition.as_mut().expect("it has one")
        }
        let kind = refused(|s| composition(s).links[0].kind = LinkKind::Isolated);
        assert!(matches!(kind, StatementError::Commitment { .. }));
        let target = refused(|s| composition(s).links[0].target = 2);
        assert!(matches!(target, StatementError::Composition(_)));
        let twice = refused(|s| {
            let link = composition(s).links[0].clone();
            composition(s).links.push(link);
        });
        assert!(matches!(twice, StatementError::Composition(_)));
        let length = refused(|s| composition(s).segments[0].length = 7);
        assert!(matches!(length, StatementError::Composition(_)));
        let instances = refused(|s| composition(s).instances = 70_000);
        assert!(matches!(instances, StatementError::TooManyRecords(_)));
    }
}
