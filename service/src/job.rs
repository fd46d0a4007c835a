//! Jobs: what is to be proven, with what, and by when.

use std::{fmt, panic::AssertUnwindSafe, str::FromStr, thread, time::Duration};

use bytes::Bytes;
use miden_cvm::{
    Area, Composition, Expectations, HashFunction, INPUTS_MAGIC, Inputs, Kernel, Loader,
    MAX_CYCLES, MAX_PIECES, MemoryLayout, MemorySegment, OptionSet, ProofSettings, ProvenStatement,
    PublicInputs, StackInputs, Statement, Word, default_registry, hash_name, verify_claims,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::owned::Owned;

/// The hash of bytes (SHA-256), by which jobs and objects are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// The hash of several parts, each with its length before it.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Self(hasher.finalize().into())
    }

    /// Its first bytes, 32 at most.
    pub fn first<const BYTES: usize>(&self) -> [u8; BYTES] {
        const { assert!(BYTES <= 32, "a hash has 32 bytes") };
        std::array::from_fn(|i| self.0[i])
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

/// A text that names no job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a job is named by 64 lower-case hexadecimal digits")]
pub struct ParseDigestError;

impl FromStr for Digest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, ParseDigestError> {
        let is_digit = |digit: &u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != 32 || !rest.is_empty() || !text.as_bytes().iter().all(is_digit) {
            return Err(ParseDigestError);
        }
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(pairs) {
            let pair = str::from_utf8(pair).map_err(|_| ParseDigestError)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| ParseDigestError)?;
        }
        Ok(Self(digest))
    }
}

impl TryFrom<String> for Digest {
    type Error = ParseDigestError;

    fn try_from(text: String) -> Result<Self, ParseDigestError> {
        text.parse()
    }
}

/// The name of a job: the hash of its target, its inputs and its options. Equal jobs are one.
pub type JobId = Digest;

/// Options that change what is proven, and so belong to the name of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "OptionNames", into = "OptionNames")]
pub struct Options {
    /// The parameters and the hash function of the proof.
    pub settings: ProofSettings,
    /// The most cycles that the run may take.
    pub max_cycles: u32,
    /// The number of workers that prove the run together, each a group of slices.
    pub slices: u8,
}

/// [`Options`] by names. What is left out, or empty, is as by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptionNames {
    /// The parameter set, such as `Proven100`.
    pub set: String,
    /// The hash function, such as `blake3-256`.
    pub hash: String,
    /// The most cycles; 0 for as many as there may be.
    pub max_cycles: u32,
    /// The number of workers that prove the run together; 0 is 1.
    pub slices: u8,
}

/// Options that there are not.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OptionsError {
    /// There is no such parameter set.
    #[error("there is no parameter set `{0}`: there are {sets}", sets = OptionSet::ALL.map(|set| format!("{set:?}")).join(", "))]
    Set(String),
    /// There is no such hash function.
    #[error("there is no hash function `{0}`: there are {hashes}", hashes = HASHES.map(hash_name).join(", "))]
    Hash(String),
    /// They do not go together.
    #[error("{0}")]
    Settings(String),
    /// A run is not cut into so many slices.
    #[error("a run is cut into at most {MAX_PIECES} slices, and not into {0}")]
    Slices(u8),
}

/// The hash functions that proofs can have.
const HASHES: [HashFunction; 5] = [
    HashFunction::Blake3_256,
    HashFunction::Blake3_192,
    HashFunction::Rpo256,
    HashFunction::Rpx256,
    HashFunction::Poseidon2,
];

impl Options {
    /// The most cycles of a run that can be proven with these settings.
    pub fn longest(settings: ProofSettings) -> u32 {
        // A trace has a row of padding.
        u32::try_from(settings.set().max_height() - 1).unwrap_or(MAX_CYCLES)
    }
}

impl TryFrom<OptionNames> for Options {
    type Error = OptionsError;

    fn try_from(names: OptionNames) -> Result<Self, OptionsError> {
        let default = ProofSettings::default();
        let set = match names.set.as_str() {
            "" => default.set(),
            name => OptionSet::ALL
                .into_iter()
                .find(|set| format!("{set:?}").eq_ignore_ascii_case(name))
                .ok_or_else(|| OptionsError::Set(name.into()))?,
        };
        let hash = match names.hash.as_str() {
            "" => default.hash(),
            name => HASHES
                .into_iter()
                .find(|&hash| hash_name(hash) == name)
                .ok_or_else(|| OptionsError::Hash(name.into()))?,
        };
        let settings = ProofSettings::new(set, hash);
        let settings = settings.map_err(|error| OptionsError::Settings(error.to_string()))?;
        let longest = Self::longest(settings);
        let max_cycles = match names.max_cycles {
            0 => longest,
            cycles => cycles.min(longest),
        };
        let slices = names.slices.max(1);
        if usize::from(slices) > MAX_PIECES {
            return Err(OptionsError::Slices(slices));
        }
        Ok(Self {
            settings,
            max_cycles,
            slices,
        })
    }
}

impl From<Options> for OptionNames {
    fn from(options: Options) -> Self {
        Self {
            set: format!("{:?}", options.settings.set()),
            hash: hash_name(options.settings.hash()).into(),
            max_cycles: options.max_cycles,
            slices: options.slices,
        }
    }
}

/// Something of a job that waits for somebody to do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Item {
    /// The job.
    pub job: JobId,
    /// The role in the job.
    pub role: Role,
}

/// A role in a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// To work on the part with this number.
    Part(u8),
    /// To prove all of it.
    Whole,
    /// To ask the workers that prove it together.
    Coordinator,
}

impl Item {
    /// The first item of a job with these options.
    pub fn first(job: JobId, options: Options) -> Self {
        let role = match options.slices {
            0 | 1 => Role::Whole,
            _ => Role::Coordinator,
        };
        Self { job, role }
    }
}

/// The word for a coordinator in the text of an item.
const COORDINATOR: &str = "coordinator";

impl fmt::Display for Item {
    /// The job's name; behind it, after a slash, `coordinator` or the number of a part.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.role {
            Role::Whole => write!(f, "{}", self.job),
            Role::Coordinator => write!(f, "{}/{COORDINATOR}", self.job),
            Role::Part(part) => write!(f, "{}/{part}", self.job),
        }
    }
}

impl FromStr for Item {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, ParseDigestError> {
        let (job, role) = match text.split_once('/') {
            None => (text, Role::Whole),
            Some((job, COORDINATOR)) => (job, Role::Coordinator),
            Some((job, part)) => {
                let number = part.parse().map_err(|_| ParseDigestError)?;
                (job, Role::Part(number))
            }
        };
        let item = Self {
            job: job.parse()?,
            role,
        };
        // There is one text for each.
        match item.to_string() == text {
            true => Ok(item),
            false => Err(ParseDigestError),
        }
    }
}

/// Who takes an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    /// Workers, which prove jobs and parts of them.
    Prove,
    /// Coordinators of jobs that several workers prove together.
    Coordinate,
}

impl Role {
    /// Who takes it.
    pub const fn duty(self) -> Duty {
        match self {
            Self::Whole | Self::Part(_) => Duty::Prove,
            Self::Coordinator => Duty::Coordinate,
        }
    }
}

/// The place of a job among others that wait.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// After all others.
    Low,
    /// In the order in which they came.
    #[default]
    Normal,
    /// Before all others.
    High,
}

impl Priority {
    /// All of them, the most urgent one first.
    pub const ALL: [Self; 3] = [Self::High, Self::Normal, Self::Low];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }
}

/// The wishes of who submits a job, which do not change what is proven.
#[derive(Debug, Clone, Copy, Default)]
pub struct Terms {
    /// Its place among others.
    pub priority: Priority,
    /// The time after which it is worth nothing; nothing for as long as the service allows.
    pub deadline: Option<Duration>,
    /// `true` if it is to be proven even if nobody waits for it.
    pub is_detached: bool,
}

/// A job with its bytes, checked and in the one form that equal jobs have.
#[derive(Debug, Clone)]
pub struct Job {
    /// The target, as [`miden_cvm::Target::to_bytes`] gives it.
    pub target: Bytes,
    /// The inputs, as [`Inputs::to_bytes`] gives them.
    pub inputs: Bytes,
    /// The options.
    pub options: Options,
    /// The hash of what a statement about the job says of it.
    pub subject: Digest,
    /// `true` if the inputs have advice that who submitted the job does not see.
    pub is_owned: bool,
}

/// Why bytes are no job.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum JobError {
    /// The target cannot be loaded.
    #[error("the target is refused: {0}")]
    Target(String),
    /// The inputs cannot be read.
    #[error("the inputs are refused: {0}")]
    Inputs(String),
    /// There is advice for a program that is run with that of its owner.
    #[error(
        "the inputs are refused: `{instance}.{export}` is run with its owner's advice, and with no other"
    )]
    Advice {
        /// The claimed instance.
        instance: String,
        /// The export.
        export: String,
    },
    /// There was no thread to check them on.
    #[error("the job could not be checked: {0}")]
    Thread(String),
}

/// The assembler recurses into nested blocks, as deep as a source has them.
const STACK_SIZE: usize = 1 << 28;

/// Does something on a thread with room for deep recursion; a panic is an error.
fn on_deep_thread<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, String> {
    thread::scope(|scope| {
        let thread = thread::Builder::new()
            .stack_size(STACK_SIZE)
            .spawn_scoped(scope, AssertUnwindSafe(work));
        let thread = thread.map_err(|error| error.to_string())?;
        thread
            .join()
            .map_err(|_| "it made the reader panic".to_owned())
    })
}

impl Job {
    /// Loads a target, in any of the forms of [`Loader::load_bytes`], and inputs, in either form, and puts
    /// them into theirs. What is owned is run as its owner has it, and with its owner's advice. It blocks, and can
    /// take as long as assembling does.
    ///
    /// # Errors
    /// Returns an error if the bytes are no target or no inputs, or if there is advice for what is owned.
    pub fn prepare(
        target: &[u8],
        inputs: &[u8],
        options: Options,
        owned: &Owned,
    ) -> Result<Self, JobError> {
        let prepare = || {
            let target = Loader::new().load_bytes(target, "target".as_ref());
            let target = target.map_err(|error| JobError::Target(error.to_string()))?;
            let refused = |error: String| JobError::Inputs(error);
            let inputs = if inputs.is_empty() {
                Inputs::default()
            } else if inputs.starts_with(INPUTS_MAGIC) {
                Inputs::from_bytes(inputs).map_err(|error| refused(error.to_string()))?
            } else {
                let text = str::from_utf8(inputs);
                let text = text.map_err(|_| refused("they are neither JSON nor bytes".into()))?;
                Inputs::from_json(text).map_err(|error| refused(error.to_string()))?
            };
            let claimed = owned.claimed(&target);
            // Nothing of the code that came is run with the owner's advice, though it has the same hashes: code
            // brings advice along, too.
            let (target, inputs) = match claimed {
                Some(claimed) if inputs.has_advice() => {
                    return Err(JobError::Advice {
                        instance: claimed.instance().into(),
                        export: claimed.export().into(),
                    });
                }
                Some(claimed) => {
                    let advice = claimed.advice().clone();
                    (claimed.target(), Inputs { advice, ..inputs })
                }
                None => (&target, inputs),
            };
            let program = target.program();
            let layout = target.composition().map(Composition::layout);
            let placed = inputs.arguments.place(layout);
            let (memory, outputs) = placed.map_err(|error| refused(error.to_string()))?;
            let subject = subject(
                program.hash(),
                program.kernel(),
                target.composition(),
                &inputs.arguments.stack,
                (memory.as_ref(), outputs),
            );
            Ok(Self {
                target: target.to_bytes().into(),
                inputs: inputs.to_bytes().into(),
                options,
                subject,
                is_owned: claimed.is_some(),
            })
        };
        on_deep_thread(prepare).map_err(JobError::Thread)?
    }

    /// The names of its objects: the target, and the inputs.
    pub fn objects(&self) -> [Digest; 2] {
        [Digest::of(&[&self.target]), Digest::of(&[&self.inputs])]
    }

    /// Its name.
    pub fn id(&self) -> JobId {
        let [target, inputs] = self.objects();
        let OptionNames {
            set,
            hash,
            max_cycles,
            slices,
        } = self.options.into();
        Digest::of(&[
            b"miden-cvm job",
            &target.0,
            &inputs.0,
            set.as_bytes(),
            hash.as_bytes(),
            &max_cycles.to_le_bytes(),
            &[slices],
        ])
    }
}

/// The hash of what is known of a statement before the run.
fn subject(
    program: Word,
    kernel: &Kernel,
    composition: Option<&Composition>,
    stack: &StackInputs,
    (memory, outputs): (Option<&MemorySegment>, Option<Area>),
) -> Digest {
    let procedures: Vec<u8> = kernel
        .proc_hashes()
        .iter()
        .flat_map(Word::as_bytes)
        .collect();
    let composition = composition.map(|composition| composition.commitment().as_bytes());
    let stack: Vec<u8> = stack
        .iter()
        .flat_map(|element| element.as_int().to_le_bytes())
        .collect();
    let layout = MemoryLayout {
        inputs: memory.map(MemorySegment::area),
        outputs,
    };
    let memory = memory.iter().flat_map(|segment| &segment.elements);
    let layout = layout.to_elements();
    let memory: Vec<u8> = layout
        .iter()
        .chain(memory)
        .flat_map(|element| element.as_int().to_le_bytes())
        .collect();
    Digest::of(&[
        &program.as_bytes(),
        &procedures,
        composition
            .as_ref()
            .map_or(&[], |commitment| &commitment[..]),
        &stack,
        &memory,
    ])
}

/// Verifies that a proof is one of a job: its statement is about the job's program, composition, kernel
/// and stack, and the proof has the job's settings and proves the statement, if what it claims is true. It blocks for
/// some milliseconds.
///
/// # Errors
/// Returns the reason for which the result is none of the job.
pub fn check_result(
    subject_of_job: Digest,
    options: Options,
    statement: &[u8],
    proof: &[u8],
) -> Result<(), String> {
    let statement: Statement = serde_json::from_slice(statement)
        .map_err(|error| format!("the statement cannot be read: {error}"))?;
    let public: &PublicInputs = statement.public_inputs();
    let stated = subject(
        public.program_hash,
        &public.kernel,
        public.composition.as_ref(),
        &public.stack_inputs,
        (
            public.memory.inputs.as_ref(),
            public.memory.layout().outputs,
        ),
    );
    if stated != subject_of_job {
        return Err("the statement is about another program, composition, stack or memory".into());
    }
    let expectations = Expectations::from(options.settings.set().level());
    let proven = ProvenStatement { public, proof };
    let verified = verify_claims(proven, &[], &expectations, &default_registry());
    let verified = verified.map_err(|error| format!("the proof is rejected: {error}"))?;
    let verified = verified.run;
    if verified.settings != options.settings {
        return Err(format!(
            "the proof was made with {}, and {} was wanted",
            verified.settings, options.settings
        ));
    }
    if verified.groups != usize::from(options.slices) {
        return Err(format!(
            "the proof has {} groups, and {} were wanted",
            verified.groups, options.slices
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(target: &[u8], inputs: &[u8], names: OptionNames) -> Result<Job, JobError> {
        let options = names.try_into().expect("options");
        Job::prepare(target, inputs, options, &Owned::default())
    }

    #[test]
    fn equal_jobs_have_one_name_in_whatever_form_they_come() {
        let source = b"begin push.1 add end";
        let names = OptionNames::default;
        let json = br#"{ "operand_stack": ["3"] }"#;
        let job = prepared(source, json, names()).expect("a job");
        let again = prepared(&job.target, &job.inputs, names()).expect("a job");
        assert_eq!((again.id(), again.subject), (job.id(), job.subject));
        let others = [
            prepared(b"begin push.2 add end", json, names()),
            prepared(source, b"", names()),
            prepared(
                source,
                json,
                OptionNames {
                    set: "fast96".into(),
                    ..names()
                },
            ),
            prepared(
                source,
                json,
                OptionNames {
                    hash: "rpo".into(),
                    ..names()
                },
            ),
            prepared(
                source,
                json,
                OptionNames {
                    max_cycles: 7,
                    ..names()
                },
            ),
            prepared(
                source,
                json,
                OptionNames {
                    slices: 2,
                    ..names()
                },
            ),
        ];
        for other in others {
            assert_ne!(other.expect("a job").id(), job.id());
        }
    }

    #[test]
    fn what_is_no_job_is_refused() {
        let refused = |target: &[u8], inputs: &[u8]| {
            prepared(target, inputs, OptionNames::default()).expect_err("no job")
        };
        assert!(matches!(
            refused(b"begin nothing end", b""),
            JobError::Target(_)
        ));
        assert!(matches!(refused(b"", b""), JobError::Target(_)));
        assert!(matches!(
            refused(b"MASP\0 and no more", b""),
            JobError::Target(_)
        ));
        let program = b"begin push.1 drop end";
        assert!(matches!(refused(program, b"[1]"), JobError::Inputs(_)));
        assert!(matches!(refused(program, b"\xff"), JobError::Inputs(_)));
        assert!(matches!(
            refused(program, INPUTS_MAGIC),
            JobError::Inputs(_)
        ));
    }

    #[test]
    fn options_are_known_by_name() {
        let of = |set: &str, hash: &str| {
            Options::try_from(OptionNames {
                set: set.into(),
                hash: hash.into(),
                ..OptionNames::default()
            })
        };
        let default = of("", "").expect("options");
        assert_eq!(default.settings, ProofSettings::default());
        assert!(matches!(of("Slow", ""), Err(OptionsError::Set(_))));
        assert!(matches!(of("", "md5"), Err(OptionsError::Hash(_))));
        assert!(matches!(
            of("Proven128", "blake3-192"),
            Err(OptionsError::Settings(_))
        ));
        let slices = |slices| {
            Options::try_from(OptionNames {
                slices,
                ..OptionNames::default()
            })
        };
        assert_eq!(slices(0), slices(1));
        assert_eq!(slices(4).expect("options").slices, 4);
        assert_eq!(slices(5), Err(OptionsError::Slices(5)));
        assert_eq!("0".repeat(63).parse::<Digest>(), Err(ParseDigestError));
        assert_eq!("G".repeat(64).parse::<Digest>(), Err(ParseDigestError));
        let digest = Digest::of(&[b"1"]);
        assert_eq!(digest.to_string().parse(), Ok(digest));
    }

    #[test]
    fn items_have_one_text_each() {
        let job = Digest::of(&[b"1"]);
        let roles = [Role::Whole, Role::Coordinator, Role::Part(0), Role::Part(3)];
        for role in roles {
            let item = Item { job, role };
            assert_eq!(item.to_string().parse(), Ok(item));
        }
        for behind in [
            "/",
            "/00",
            "/+1",
            "/256",
            "/-1",
            "/Coordinator",
            "/1/",
            "/1/1",
        ] {
            let text = format!("{job}{behind}");
            assert_eq!(text.parse::<Item>(), Err(ParseDigestError), "{text}");
        }
        let first = |slices| {
            let names = OptionNames {
                slices,
                ..OptionNames::default()
            };
            Item::first(job, names.try_into().expect("options")).role
        };
        assert_eq!((first(1), first(2)), (Role::Whole, Role::Coordinator));
    }
}
