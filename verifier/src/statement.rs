//! The public part of a run, as it travels beside the proof.

use alloc::{format, string::String, vec::Vec};

use miden_core::{Felt, Kernel, StackInputs, StackOutputs, Word, errors::KernelError};
use miden_cvm_air::{
    canonical::{
        Hex, Object,
        elements::{self, ElementError},
        present,
    },
    composition::{
        Composition, CompositionError, ExportRecord, IntrinsicRecord, LinkRecord, PublicData,
        ResourceRecord, SegmentRecord,
    },
    memory_io::{Area, MemoryIo, MemoryLayout, MemoryLayoutError, MemorySegment},
    proof::VERSION,
    public::PublicInputs,
};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use thiserror::Error;

/// The most records of one kind that a statement may have.
pub const MAX_RECORDS: usize = 1 << 20;

/// The number of stack elements that are public at either end of a run.
const STACK_DEPTH: usize = 16;

/// A statement about a run: a program, the composition it runs in, its stack at the beginning and
/// at the end, and the transcript of what it left to precompiles.
///
/// It names the [version](VERSION) of the AIR, which says what all of this means: a statement of
/// another version is refused, as its proof is.
///
/// It is (de)serialized with serde, and is valid once it is there. Digests are written as Miden
/// prints words (`0x` and 64 lower-case hexadecimal digits), field elements as numbers below the
/// modulus. Stacks have their topmost element first, and end with the last one that is not zero.
/// Nothing is read that would not be written: two statements say the same only if they are the same
/// JSON, up to white space and the order of fields.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Object<StatementRecord>", into = "StatementRecord")]
pub struct Statement {
    public: PublicInputs,
}

/// Why a statement is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StatementError {
    /// The statement is of another version, or of a time when statements had none.
    #[error(
        "the statement {}, but only version {VERSION} is supported",
        named_version(.0)
    )]
    Version(Option<u64>),
    /// A stack has a number that is not a field element.
    #[error(transparent)]
    Element(#[from] ElementError),
    /// A stack has more than 16 elements.
    #[error("a stack of {0} elements has more than the {STACK_DEPTH} that are public")]
    StackDepth(usize),
    /// A stack ends with zeros, which are left out.
    #[error("a stack ends with a zero, which has to be left out")]
    TrailingZero,
    /// Something is written that is left out if there is nothing to say.
    #[error("{0} must be left out if it is empty")]
    Superfluous(&'static str),
    /// A statement has a list of advisories.
    #[error("advisories belong in the records of a composition by themselves, not in a statement")]
    Advisories,
    /// There are too many records of one kind.
    #[error("there are {count} {records} records, but at most {MAX_RECORDS} are allowed")]
    TooManyRecords {
        /// The kind of record.
        records: &'static str,
        /// The number of records.
        count: usize,
    },
    /// The kernel has too many procedures.
    #[error("the kernel has {0} procedures, but at most 255 are allowed")]
    KernelSize(usize),
    /// The kernel has a procedure twice.
    #[error("the kernel has a procedure twice")]
    DuplicateProcedure,
    /// The kernel's procedures are not in canonical order.
    #[error("the kernel's procedures are not in canonical order")]
    KernelOrder,
    /// The composition's records break a rule.
    #[error("the composition is not valid: {0}")]
    InvalidComposition(CompositionError),
    /// The places of inputs and outputs in memory break a rule.
    #[error(transparent)]
    MemoryLayout(#[from] MemoryLayoutError),
    /// The inputs and outputs in memory are not where the composition's records say.
    #[error(
        "the inputs and outputs in memory have other addresses or lengths than the composition's records say"
    )]
    OtherLayout,
    /// The composition's records are not what its commitment is to.
    #[error("the composition's records have commitment {actual}, but the statement says {claimed}")]
    Commitment {
        /// The commitment in the statement.
        claimed: Word,
        /// The commitment of the records.
        actual: Word,
    },
}

fn named_version(version: &Option<u64>) -> String {
    match version {
        Some(version) => format!("has version {version}"),
        None => "names no version, as older ones".into(),
    }
}

impl Statement {
    /// The public inputs.
    pub fn public_inputs(&self) -> &PublicInputs {
        &self.public
    }
}

/// The records of a composition by themselves, as a statement has them: what a verifier knows of a
/// composition before there is anything proven of it.
///
/// They can say which advisories the code has. That is told by who made the composition, and is in
/// no commitment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Object<CompositionRecord>", into = "CompositionRecord")]
pub struct Records {
    composition: Composition,
    advisories: Vec<String>,
}

impl Records {
    /// The composition.
    pub fn composition(&self) -> &Composition {
        &self.composition
    }

    /// The ids of the advisories that the code has.
    pub fn advisories(&self) -> &[String] {
        &self.advisories
    }

    /// The same records, which say that the code has these advisories.
    pub fn with_advisories(mut self, advisories: Vec<String>) -> Self {
        self.advisories = advisories;
        self
    }
}

impl From<Composition> for Records {
    fn from(composition: Composition) -> Self {
        Self {
            composition,
            advisories: Vec::new(),
        }
    }
}

impl TryFrom<Object<CompositionRecord>> for Records {
    type Error = StatementError;

    fn try_from(record: Object<CompositionRecord>) -> Result<Self, StatementError> {
        let Object(mut record) = record;
        let advisories = not_empty("an empty list of advisories", record.advisories.take())?;
        check_count("advisory", advisories.len())?;
        Ok(Self {
            composition: record.into_composition()?,
            advisories,
        })
    }
}

impl From<Records> for CompositionRecord {
    fn from(records: Records) -> Self {
        let advisories = Some(records.advisories).filter(|advisories| !advisories.is_empty());
        Self {
            advisories,
            ..Self::of(&records.composition)
        }
    }
}

impl TryFrom<PublicInputs> for Statement {
    type Error = StatementError;

    /// Checks what the types of public inputs do not guarantee.
    fn try_from(public: PublicInputs) -> Result<Self, StatementError> {
        check(&public)?;
        Ok(Self { public })
    }
}

/// Checks what the AIR relies on and the types of public inputs do not guarantee.
pub fn check(public: &PublicInputs) -> Result<(), StatementError> {
    let layout = public.memory.layout();
    layout.validate()?;
    if let Some(composition) = &public.composition {
        if composition.layout() != layout {
            return Err(StatementError::OtherLayout);
        }
        check_count("link", composition.links().len())?;
        check_count("segment", composition.segments().len())?;
        check_count("intrinsic", composition.intrinsics().len())?;
        composition
            .validate()
            .map_err(StatementError::InvalidComposition)?;
    }
    let procedures = public.kernel.proc_hashes();
    if kernel(procedures)?.proc_hashes() == procedures {
        Ok(())
    } else {
        Err(StatementError::KernelOrder)
    }
}

fn check_count(records: &'static str, count: usize) -> Result<(), StatementError> {
    if count <= MAX_RECORDS {
        Ok(())
    } else {
        Err(StatementError::TooManyRecords { records, count })
    }
}

fn kernel(procedures: &[Word]) -> Result<Kernel, StatementError> {
    Kernel::new(procedures).map_err(|error| match error {
        KernelError::DuplicatedProcedures => StatementError::DuplicateProcedure,
        KernelError::TooManyProcedures(_, count) => StatementError::KernelSize(count),
    })
}

/// A statement as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StatementRecord {
    /// Read first, since what follows may differ from version to version. None if it is not there.
    #[serde(default, deserialize_with = "this_version")]
    version: Option<u64>,
    program_hash: Hex,
    kernel: Vec<Hex>,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    composition: Option<Object<CompositionRecord>>,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    memory_inputs: Option<Object<MemorySegment>>,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    memory_outputs: Option<Object<MemorySegment>>,
    stack_inputs: Vec<u64>,
    stack_outputs: Vec<u64>,
    /// Left out if it is zero.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    precompile_transcript: Option<Hex>,
}

/// Reads the version, and nothing more if it is another one.
fn this_version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let version = u64::deserialize(deserializer)?;
    if version == u64::from(VERSION) {
        Ok(Some(version))
    } else {
        Err(D::Error::custom(StatementError::Version(Some(version))))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CompositionRecord {
    commitment: Hex,
    instances: u32,
    links: Vec<Object<LinkRecord>>,
    segments: Vec<Object<SegmentRecord>>,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    resources: Option<Vec<Object<ResourceRecord>>>,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    intrinsics: Option<Vec<Object<IntrinsicRecord>>>,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    public_data: Option<Vec<Object<PublicData>>>,
    /// The places of inputs and outputs in memory.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    memory: Option<Object<LayoutRecord>>,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    exports: Option<Vec<Object<ExportRecord>>>,
    /// In records by themselves only.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    advisories: Option<Vec<String>>,
}

/// The places of inputs and outputs as they are written, one of them at least.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LayoutRecord {
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    inputs: Option<Object<Area>>,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    outputs: Option<Object<Area>>,
}

impl TryFrom<Object<StatementRecord>> for Statement {
    type Error = StatementError;

    fn try_from(Object(record): Object<StatementRecord>) -> Result<Self, StatementError> {
        if record.version.is_none() {
            return Err(StatementError::Version(None));
        }
        let procedures: Vec<Word> = record.kernel.into_iter().map(|Hex(word)| word).collect();
        let kernel = kernel(&procedures)?;
        if kernel.proc_hashes() != procedures {
            return Err(StatementError::KernelOrder);
        }
        // Miden builds inputs from the bottom of the stack.
        let mut inputs = stack(record.stack_inputs)?;
        inputs.reverse();
        let outputs = stack(record.stack_outputs)?;
        let (num_inputs, num_outputs) = (inputs.len(), outputs.len());
        let public = PublicInputs {
            program_hash: record.program_hash.0,
            kernel,
            composition: record
                .composition
                .map(|Object(record)| record.into_composition())
                .transpose()?,
            memory: MemoryIo {
                inputs: record.memory_inputs.map(|Object(segment)| segment),
                outputs: record.memory_outputs.map(|Object(segment)| segment),
            },
            stack_inputs: StackInputs::new(inputs)
                .map_err(|_| StatementError::StackDepth(num_inputs))?,
            stack_outputs: StackOutputs::new(outputs)
                .map_err(|_| StatementError::StackDepth(num_outputs))?,
            precompile_transcript: match record.precompile_transcript {
                Some(Hex(state)) if state == Word::default() => {
                    return Err(StatementError::Superfluous(
                        "a precompile transcript of zero",
                    ));
                }
                state => state.map(|Hex(state)| state).unwrap_or_default(),
            },
        };
        Self::try_from(public)
    }
}

impl CompositionRecord {
    fn of(composition: &Composition) -> Self {
        Self {
            commitment: Hex(composition.commitment()),
            instances: composition.num_instances(),
            links: objects(composition.links()),
            segments: objects(composition.segments()),
            resources: unless_empty(composition.resources()),
            intrinsics: unless_empty(composition.intrinsics()),
            public_data: unless_empty(composition.public_data()),
            memory: LayoutRecord::of(composition.layout()),
            exports: unless_empty(composition.exports()),
            advisories: None,
        }
    }

    fn into_composition(self) -> Result<Composition, StatementError> {
        if self.advisories.is_some() {
            return Err(StatementError::Advisories);
        }
        let links = records("link", self.links)?;
        let segments = records("segment", self.segments)?;
        let resources = not_empty("an empty list of resources", self.resources)?;
        let resources = records("resource", resources)?;
        let intrinsics = not_empty("an empty list of intrinsics", self.intrinsics)?;
        let intrinsics = records("intrinsic", intrinsics)?;
        let public_data = not_empty("an empty list of public data", self.public_data)?;
        let public_data = records("public data", public_data)?;
        let layout = match self.memory {
            Some(Object(record)) => record.into_layout()?,
            None => MemoryLayout::default(),
        };
        let exports = not_empty("an empty list of exports", self.exports)?;
        let exports = records("export", exports)?;
        let Hex(claimed) = self.commitment;
        let composition = Composition::new(self.instances, links.clone(), segments.clone())
            .and_then(|composition| composition.with_resources(resources, intrinsics.clone()))
            .and_then(|composition| composition.with_public_data(public_data.clone()))
            .and_then(|composition| composition.with_layout(layout))
            .and_then(|composition| composition.with_exports(exports.clone()))
            .map_err(StatementError::InvalidComposition)?;
        // `new` sorts the records; a statement has one form only.
        let in_order = [
            ("link", composition.links() == links),
            ("segment", composition.segments() == segments),
            ("intrinsic", composition.intrinsics() == intrinsics),
            ("public data", composition.public_data() == public_data),
            ("export", composition.exports() == exports),
        ];
        if let Some((kind, _)) = in_order.iter().find(|(_, in_order)| !in_order) {
            let error = CompositionError::Order(kind);
            return Err(StatementError::InvalidComposition(error));
        }
        let actual = composition.commitment();
        if actual != claimed {
            return Err(StatementError::Commitment { claimed, actual });
        }
        Ok(composition)
    }
}

impl From<Statement> for StatementRecord {
    fn from(statement: Statement) -> Self {
        let public = statement.public;
        let composition = public.composition.as_ref();
        let composition = composition.map(|of| Object(CompositionRecord::of(of)));
        let procedures = public.kernel.proc_hashes();
        Self {
            version: Some(VERSION.into()),
            program_hash: Hex(public.program_hash),
            kernel: procedures.iter().copied().map(Hex).collect(),
            composition,
            memory_inputs: public.memory.inputs.map(Object),
            memory_outputs: public.memory.outputs.map(Object),
            stack_inputs: numbers(&public.stack_inputs[..]),
            stack_outputs: numbers(&public.stack_outputs[..]),
            precompile_transcript: Some(public.precompile_transcript)
                .filter(|state| *state != Word::default())
                .map(Hex),
        }
    }
}

impl LayoutRecord {
    fn of(layout: MemoryLayout) -> Option<Object<Self>> {
        (!layout.is_empty()).then(|| {
            Object(Self {
                inputs: layout.inputs.map(Object),
                outputs: layout.outputs.map(Object),
            })
        })
    }

    fn into_layout(self) -> Result<MemoryLayout, StatementError> {
        let layout = MemoryLayout {
            inputs: self.inputs.map(|Object(area)| area),
            outputs: self.outputs.map(|Object(area)| area),
        };
        match layout.is_empty() {
            true => Err(StatementError::Superfluous("`memory`")),
            false => Ok(layout),
        }
    }
}

/// Records as they are written.
fn objects<R: Clone>(records: &[R]) -> Vec<Object<R>> {
    records.iter().cloned().map(Object).collect()
}

/// Records as they are written if they are left out when there are none.
fn unless_empty<R: Clone>(records: &[R]) -> Option<Vec<Object<R>>> {
    (!records.is_empty()).then(|| objects(records))
}

/// Records as they are read, if there are not too many.
fn records<R>(kind: &'static str, read: Vec<Object<R>>) -> Result<Vec<R>, StatementError> {
    check_count(kind, read.len())?;
    Ok(read.into_iter().map(|Object(record)| record).collect())
}

/// Records as they are read, which are left out if there are none.
fn not_empty<T>(what: &'static str, records: Option<Vec<T>>) -> Result<Vec<T>, StatementError> {
    match records {
        Some(records) if records.is_empty() => Err(StatementError::Superfluous(what)),
        records => Ok(records.unwrap_or_default()),
    }
}

/// Reads a stack, topmost element first.
fn stack(numbers: Vec<u64>) -> Result<Vec<Felt>, StatementError> {
    if numbers.len() > STACK_DEPTH {
        return Err(StatementError::StackDepth(numbers.len()));
    }
    if numbers.last() == Some(&0) {
        return Err(StatementError::TrailingZero);
    }
    let elements = numbers.into_iter().map(elements::element);
    Ok(elements.collect::<Result<_, _>>()?)
}

/// Writes a stack, topmost element first, without the zeros at its bottom.
fn numbers(stack: &[Felt]) -> Vec<u64> {
    let depth = stack
        .iter()
        .rposition(|element| element.as_int() != 0)
        .map_or(0, |last| last + 1);
    stack[..depth].iter().map(Felt::as_int).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use miden_cvm_air::composition::{Intrinsic, LinkKind};

    use super::*;

    fn word(first: u64) -> Word {
        Word::new([first, 2, 3, 4].map(Felt::new))
    }

    fn public_data() -> Vec<PublicData> {
        let data = [128, 256].map(|address| PublicData {
            instance: 1,
            address,
            elements: alloc::vec![Felt::from(address); 8],
        });
        data.into()
    }

    /// Twelve elements of inputs and four of outputs.
    fn memory() -> MemoryIo {
        let segment = |address: u32, length: usize| MemorySegment {
            address,
            elements: alloc::vec![Felt::from(address); length],
        };
        MemoryIo {
            inputs: Some(segment(8, 12)),
            outputs: Some(segment(1000, 4)),
        }
    }

    fn exports() -> Vec<ExportRecord> {
        let exports = [5, 7].map(|key| ExportRecord {
            instance: 2,
            key: Felt::new(key),
            callee: word(key),
        });
        exports.into()
    }

    fn public() -> PublicInputs {
        let links = [(0, 5), (0, 9), (1, 5)].map(|(source, digest)| LinkRecord {
            source,
            digest: word(digest),
            kind: LinkKind::Shared,
            target: 1,
            callee: word(77),
        });
        let segments = [0, 64].map(|address| SegmentRecord {
            instance: 1,
            address,
            length: 16,
            commitment: word(u64::from(address)),
        });
        let resources = [Some(word(77)), None].map(|destructor| ResourceRecord {
            definer: 1,
            destructor,
        });
        let intrinsics =
            [(0, 3, Intrinsic::Drop), (1, 3, Intrinsic::New)].map(|(source, digest, intrinsic)| {
                IntrinsicRecord {
                    source,
                    digest: word(digest),
                    intrinsic,
                    resource: 1,
                }
            });
        let (resources, intrinsics) = (resources.into(), intrinsics.into());
        PublicInputs {
            program_hash: word(1),
            kernel: Kernel::new(&[word(8), word(3)]).expect("two procedures"),
            composition: Some(
                Composition::new(3, links.into(), segments.into())
                    .and_then(|composition| composition.with_resources(resources, intrinsics))
                    .and_then(|composition| composition.with_public_data(public_data()))
                    .and_then(|composition| composition.with_layout(memory().layout()))
                    .and_then(|composition| composition.with_exports(exports()))
                    .expect("valid records"),
            ),
            memory: memory(),
            stack_inputs: StackInputs::try_from_ints([10, 11, 12]).expect("three elements"),
            stack_outputs: StackOutputs::try_from_ints([5, 0, 7]).expect("three elements"),
            precompile_transcript: word(6),
        }
    }

    fn json() -> Value {
        let statement = Statement::try_from(public()).expect("valid public inputs");
        serde_json::to_value(statement).expect("statements are JSON")
    }

    fn refusal(alter: impl FnOnce(&mut Value)) -> String {
        let mut value = json();
        alter(&mut value);
        match serde_json::from_value::<Statement>(value) {
            Ok(_) => panic!("the altered statement is accepted"),
            Err(error) => alloc::format!("{error}"),
        }
    }

    #[test]
    fn statements_survive_json() {
        let value = json();
        // The last input given is on top of the stack.
        assert_eq!(value["stack_inputs"], json!([12, 11, 10]));
        assert_eq!(value["stack_outputs"], json!([5, 0, 7]));
        assert_eq!(value["program_hash"], json!(word(1).to_hex()));
        let text = serde_json::to_string(&value).expect("it is JSON");
        let statement: Statement = serde_json::from_str(&text).expect("it was a statement");
        let (read, written) = (statement.public_inputs(), public());
        assert_eq!(read.program_hash, written.program_hash);
        assert_eq!(read.kernel, written.kernel);
        assert_eq!(read.composition, written.composition);
        assert_eq!(read.memory, written.memory);
        assert_eq!(read.stack_inputs[..], written.stack_inputs[..]);
        assert_eq!(read.stack_outputs, written.stack_outputs);
        assert_eq!(read.precompile_transcript, written.precompile_transcript);
        assert_eq!(serde_json::to_value(&statement).expect("it is JSON"), value);
    }

    #[test]
    fn open_programs_have_no_composition() {
        let open = PublicInputs {
            composition: None,
            ..public()
        };
        let statement = Statement::try_from(open).expect("valid public inputs");
        let value = serde_json::to_value(statement).expect("it is JSON");
        assert_eq!(value.get("composition"), None);
        let statement: Statement = serde_json::from_value(value).expect("it was a statement");
        assert_eq!(statement.public_inputs().composition, None);
    }

    #[test]
    fn an_empty_precompile_transcript_is_left_out() {
        let without = PublicInputs {
            precompile_transcript: Word::default(),
            ..public()
        };
        let statement = Statement::try_from(without).expect("valid public inputs");
        let value = serde_json::to_value(statement).expect("it is JSON");
        assert_eq!(value.get("precompile_transcript"), None);
        let statement: Statement = serde_json::from_value(value).expect("it was a statement");
        let read = statement.public_inputs().precompile_transcript;
        assert_eq!(read, Word::default());
    }

    #[test]
    fn other_versions_are_refused_by_name() {
        let with = |version: Value| refusal(|v| v["version"] = version);
        for other in [u64::from(VERSION) - 1, u64::from(VERSION) + 1, 0, u64::MAX] {
            let expected = format!("has version {other}, but only version {VERSION} is supported");
            let refusal = with(json!(other));
            assert!(refusal.contains(&expected), "{refusal}");
        }
        for other in [json!("10"), json!(-1), json!(10.0), Value::Null] {
            assert!(with(other).contains("invalid"));
        }
        let without = refusal(|v| {
            v.as_object_mut().expect("an object").remove("version");
        });
        assert!(without.contains("names no version"), "{without}");
        // What else a later version has is not looked at, as the version stands first.
        let text = serde_json::to_string(&Statement::try_from(public()).expect("valid"));
        let text = text.expect("statements are JSON");
        let begin = format!(r#"{{"version":{VERSION},"#);
        let later = text.replacen(&begin, r#"{"version":200,"slices":[1],"#, 1);
        let error = serde_json::from_str::<Statement>(&later).expect_err("a later version");
        assert!(error.to_string().contains("has version 200"), "{error}");
    }

    #[test]
    fn mistakes_are_named() {
        let expect = |text: &str, refusal: String| {
            assert!(refusal.contains(text), "'{refusal}' does not name '{text}'");
        };
        expect("unknown field `extra`", refusal(|v| v["extra"] = json!(1)));
        expect(
            "unknown field `extra`",
            refusal(|v| v["composition"]["links"][0]["extra"] = json!(1)),
        );
        expect("missing field `kernel`", {
            refusal(|v| {
                v.as_object_mut().expect("an object").remove("kernel");
            })
        });
        expect(
            "not a digest",
            refusal(|v| v["program_hash"] = json!("0x12")),
        );
        expect(
            "not a digest",
            refusal(|v| {
                let text = word(0xabc).to_hex().to_uppercase().replace('X', "x");
                v["program_hash"] = json!(text);
            }),
        );
        expect(
            "not a digest",
            refusal(|v| v["kernel"][0] = json!(alloc::format!("0x{}", "f".repeat(64)))),
        );
        expect(
            "is not a field element",
            refusal(|v| v["stack_inputs"][0] = json!(0xffff_ffff_0000_0001_u64)),
        );
        expect(
            "a stack of 17 elements",
            refusal(|v| v["stack_outputs"] = json!(alloc::vec![1; 17])),
        );
        expect(
            "procedure twice",
            refusal(|v| v["kernel"][1] = v["kernel"][0].clone()),
        );
        expect(
            "procedures are not in canonical order",
            refusal(|v| v["kernel"].as_array_mut().expect("an array").reverse()),
        );
        expect(
            "256 procedures",
            refusal(|v| v["kernel"] = (0..256).map(|i| json!(word(i).to_hex())).collect()),
        );
        expect(
            "have commitment",
            refusal(|v| v["composition"]["links"][0]["callee"] = json!(word(78).to_hex())),
        );
        expect(
            "the link records are not in canonical order",
            refusal(|v| {
                let links = &mut v["composition"]["links"];
                links.as_array_mut().expect("an array").swap(0, 1);
            }),
        );
        expect(
            "the segment records are not in canonical order",
            refusal(|v| {
                let segments = &mut v["composition"]["segments"];
                segments.as_array_mut().expect("an array").reverse();
            }),
        );
        expect(
            "two links",
            refusal(|v| {
                let links = &mut v["composition"]["links"];
                links[1] = links[0].clone();
            }),
        );
        expect(
            "names instance 3",
            refusal(|v| v["composition"]["links"][0]["target"] = json!(3)),
        );
        expect(
            "overlap",
            refusal(|v| v["composition"]["segments"][0]["length"] = json!(72)),
        );
        expect(
            "the public data records are not in canonical order",
            refusal(|v| {
                let data = &mut v["composition"]["public_data"];
                data.as_array_mut().expect("an array").reverse();
            }),
        );
        expect(
            "is not a field element",
            refusal(|v| v["composition"]["public_data"][0]["elements"][0] = json!(u64::MAX)),
        );
        expect(
            "have commitment",
            refusal(|v| v["composition"]["public_data"][0]["elements"][0] = json!(1)),
        );
        expect(
            "at most 1024 elements of public data",
            refusal(|v| {
                v["composition"]["public_data"][1]["elements"] = json!(alloc::vec![1; 1024]);
            }),
        );
        expect(
            "overlap",
            refusal(|v| v["composition"]["public_data"][0]["address"] = json!(8)),
        );
        expect(
            "other addresses or lengths than the composition's records say",
            refusal(|v| v["memory_inputs"]["address"] = json!(12)),
        );
        expect(
            "other addresses or lengths",
            refusal(|v| v["memory_outputs"]["elements"] = json!(alloc::vec![1; 8])),
        );
        expect(
            "other addresses or lengths",
            refusal(|v| {
                v.as_object_mut()
                    .expect("an object")
                    .remove("memory_outputs");
            }),
        );
        expect(
            "has to be a multiple of 4 from 4 to 1024",
            refusal(|v| v["memory_inputs"]["elements"] = json!(alloc::vec![1; 1028])),
        );
        expect(
            "has to be a multiple of 4 from 4 to 1024",
            refusal(|v| v["memory_inputs"]["elements"] = json!([])),
        );
        expect(
            "begin at address 9",
            refusal(|v| v["composition"]["memory"]["inputs"]["address"] = json!(9)),
        );
        expect(
            "reach beyond address 2^31",
            refusal(|v| v["memory_outputs"]["address"] = json!(0x8000_0000_u32)),
        );
        expect(
            "is not a field element",
            refusal(|v| v["memory_outputs"]["elements"][0] = json!(u64::MAX)),
        );
        expect(
            "have commitment",
            refusal(|v| v["composition"]["memory"]["inputs"]["address"] = json!(12)),
        );
        expect(
            "only shared calls can lead there",
            refusal(|v| v["composition"]["links"][0]["kind"] = json!("isolated")),
        );
        expect(
            "the intrinsic records are not in canonical order",
            refusal(|v| {
                let intrinsics = &mut v["composition"]["intrinsics"];
                intrinsics.as_array_mut().expect("an array").reverse();
            }),
        );
        expect(
            "who has no right to it",
            refusal(|v| v["composition"]["intrinsics"][0]["intrinsic"] = json!("new")),
        );
        expect(
            "have commitment",
            refusal(|v| {
                v["composition"]["resources"][1]["destructor"] = json!(word(77).to_hex());
            }),
        );
        expect(
            "unknown variant",
            refusal(|v| v["composition"]["links"][0]["kind"] = json!("Shared")),
        );
        expect(
            "the export records are not in canonical order",
            refusal(|v| {
                let exports = &mut v["composition"]["exports"];
                exports.as_array_mut().expect("an array").reverse();
            }),
        );
        expect(
            "two exports",
            refusal(|v| v["composition"]["exports"][0]["key"] = json!(7)),
        );
        expect(
            "is not a field element",
            refusal(|v| v["composition"]["exports"][0]["key"] = json!(u64::MAX)),
        );
        expect(
            "export 0 names instance 3",
            refusal(|v| {
                v["composition"]["exports"] = json!([v["composition"]["exports"][0]]);
                v["composition"]["exports"][0]["instance"] = json!(3);
            }),
        );
        expect(
            "which defines resource types",
            refusal(|v| v["composition"]["exports"][0]["instance"] = json!(1)),
        );
        expect(
            "have commitment",
            refusal(|v| v["composition"]["exports"][0]["callee"] = json!(word(6).to_hex())),
        );
    }

    /// Bytes that say the same in another way are refused: bytes of statements are compared and
    /// signed.
    #[test]
    fn statements_have_one_form() {
        fn list(value: &Value) -> Value {
            let fields = value.as_object().expect("an object");
            fields.values().cloned().collect()
        }
        type Alter = fn(&mut Value);
        let forms: [(&str, Alter); 20] = [
            ("ends with a zero", |v| {
                v["stack_inputs"] = json!([12, 11, 10, 0])
            }),
            ("ends with a zero", |v| v["stack_outputs"] = json!([0])),
            ("a precompile transcript of zero", |v| {
                v["precompile_transcript"] = json!(Word::default().to_hex());
            }),
            ("null", |v| v["precompile_transcript"] = Value::Null),
            ("null", |v| v["composition"] = Value::Null),
            ("an object", |v| v["composition"] = list(&v["composition"])),
            ("an object", |v| {
                let link = &mut v["composition"]["links"][0];
                *link = list(link);
            }),
            ("a string", |v| {
                v["composition"]["links"][0]["kind"] = json!({ "shared": null });
            }),
            ("null", |v| {
                v["composition"]["resources"][1]["destructor"] = Value::Null;
            }),
            ("an empty list of resources", |v| {
                v["composition"]["resources"] = json!([]);
            }),
            ("an empty list of intrinsics", |v| {
                v["composition"]["intrinsics"] = json!([]);
            }),
            ("an empty list of public data", |v| {
                v["composition"]["public_data"] = json!([]);
            }),
            ("null", |v| v["composition"]["memory"] = Value::Null),
            ("`memory` must be left out", |v| {
                v["composition"]["memory"] = json!({});
            }),
            ("an object", |v| {
                let place = &mut v["composition"]["memory"]["inputs"];
                *place = list(place);
            }),
            ("null", |v| v["memory_inputs"] = Value::Null),
            ("an object", |v| {
                v["memory_outputs"] = list(&v["memory_outputs"])
            }),
            ("an empty list of exports", |v| {
                v["composition"]["exports"] = json!([]);
            }),
            ("an object", |v| {
                let export = &mut v["composition"]["exports"][0];
                *export = list(export);
            }),
            ("an object", |v| *v = list(v)),
        ];
        for (text, form) in forms {
            let refusal = refusal(form);
            assert!(refusal.contains(text), "'{refusal}' does not name '{text}'");
        }
        let twice = r#"{ "kernel": [], "kernel": [] }"#;
        let error = serde_json::from_str::<Statement>(twice).expect_err("a field twice");
        assert!(
            alloc::format!("{error}").contains("duplicate field"),
            "{error}"
        );
    }
}
