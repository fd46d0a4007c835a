//! Targets and inputs as bytes: all that a run needs, for another machine, and nothing else.

use std::{collections::BTreeSet, sync::Arc};

use miden_core::{
    AdviceMap, Felt, StackInputs, Word,
    crypto::merkle::{InnerNodeInfo, MerkleStore},
    utils::{ByteReader, ByteWriter, Deserializable, DeserializationError, Serializable},
};
use miden_cvm_component::{
    ArtifactError, MAX_CLAIM_DEPTH, MAX_CLAIMED_EXPORTS, forest_bytes, package_program,
    read_forest, read_program, read_value,
};
use miden_cvm_verifier::Records;

use crate::{
    AdviceInputs, Area, Arguments, Inputs, MemoryLayout, Target, claims::Claimed, target::Needed,
};

/// The bytes that a target begins with; the last one is a version.
pub const TARGET_MAGIC: &[u8] = b"MCVMTGT\x02";

/// The bytes that inputs begin with; the last one is a version.
pub const INPUTS_MAGIC: &[u8] = b"MCVMINP\x02";

/// The name of a target in errors.
const TARGET: &str = "target";

/// The parts of a target. Code is kept as bytes, to be checked when it is read.
struct TargetParts {
    /// The program, as a package.
    program: Vec<u8>,
    /// The records of the composition in JSON; empty for an open program.
    composition: Vec<u8>,
    static_data: AdviceMap,
    /// The code that the host provides besides, each with its own digests.
    code: Vec<Vec<u8>>,
    /// The exports whose calls are claims.
    claims: Vec<ClaimParts>,
}

/// The parts of an export whose calls are claims.
struct ClaimParts {
    instance: String,
    export: String,
    /// The advice that it runs with, as inputs in bytes.
    inputs: Vec<u8>,
    /// The program that is claimed to run, as a target in bytes.
    target: Vec<u8>,
}

impl Serializable for ClaimParts {
    fn write_into<W: ByteWriter>(&self, target: &mut W) {
        self.instance.write_into(target);
        self.export.write_into(target);
        self.inputs.write_into(target);
        self.target.write_into(target);
    }
}

impl Deserializable for ClaimParts {
    fn read_from<R: ByteReader>(source: &mut R) -> Result<Self, DeserializationError> {
        Ok(Self {
            instance: String::read_from(source)?,
            export: String::read_from(source)?,
            inputs: Vec::read_from(source)?,
            target: Vec::read_from(source)?,
        })
    }
}

impl Serializable for TargetParts {
    fn write_into<W: ByteWriter>(&self, target: &mut W) {
        self.program.write_into(target);
        self.composition.write_into(target);
        self.static_data.write_into(target);
        self.code.write_into(target);
        self.claims.write_into(target);
    }
}

impl Deserializable for TargetParts {
    fn read_from<R: ByteReader>(source: &mut R) -> Result<Self, DeserializationError> {
        Ok(Self {
            program: Vec::read_from(source)?,
            composition: Vec::read_from(source)?,
            static_data: AdviceMap::read_from(source)?,
            code: Vec::read_from(source)?,
            claims: Vec::read_from(source)?,
        })
    }
}

impl Target {
    /// The target as bytes: its program, composition, static data and code, and what is claimed, with the advice
    /// that [`Target::prepare_claims`] has set. They are the same for the same target, wherever it is made. Names and
    /// sources are left out, so that a trap tells less.
    pub fn to_bytes(&self) -> Vec<u8> {
        // The order in which a host is given its code plays no part.
        let code = self.forests().iter();
        let code: BTreeSet<Vec<u8>> = code.map(|forest| forest_bytes(forest)).collect();
        let composition = self.composition().cloned().map(Records::from);
        let composition = composition.and_then(|records| serde_json::to_vec(&records).ok());
        let claims = self.claims().iter().map(|claimed| ClaimParts {
            instance: claimed.instance().to_owned(),
            export: claimed.export().to_owned(),
            inputs: Inputs {
                advice: claimed.advice().clone(),
                ..Inputs::default()
            }
            .to_bytes(),
            target: claimed.target().to_bytes(),
        });
        let parts = TargetParts {
            program: package_program(self.program(), "target"),
            composition: composition.unwrap_or_default(),
            static_data: self.static_data().clone(),
            code: code.into_iter().collect(),
            claims: claims.collect(),
        };
        let mut bytes = TARGET_MAGIC.to_vec();
        parts.write_into(&mut bytes);
        bytes
    }

    /// Reads what [`Target::to_bytes`] gives. Whatever the bytes are, lengths in them are bounded by
    /// their own, digests of code are recomputed, and the rules of compositions are checked.
    ///
    /// # Errors
    /// Returns an error if the bytes are no target, or one with more claimed exports than there may be.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ArtifactError> {
        Self::read_within(bytes, 0, &mut 0)
    }

    /// Reads a target that is claimed in `depth` others, where `read` claimed exports were read before.
    fn read_within(bytes: &[u8], depth: usize, read: &mut usize) -> Result<Self, ArtifactError> {
        let parts: TargetParts = read_value(behind(bytes, TARGET_MAGIC, TARGET)?, TARGET)?;
        *read += parts.claims.len();
        if *read > MAX_CLAIMED_EXPORTS || (depth >= MAX_CLAIM_DEPTH && !parts.claims.is_empty()) {
            return Err(malformed(
                TARGET,
                format!(
                    "more than {MAX_CLAIMED_EXPORTS} exports are claimed in it, where those in what is claimed \
                     count each time, or some are behind {MAX_CLAIM_DEPTH} others"
                ),
            ));
        }
        let composition = match parts.composition.as_slice() {
            [] => None,
            json => {
                let records: Records =
                    serde_json::from_slice(json).map_err(|error| malformed(TARGET, error))?;
                let composition = records.composition().clone();
                composition
                    .validate()
                    .map_err(|error| malformed(TARGET, error))?;
                Some(composition)
            }
        };
        let program = read_program(&parts.program)?;
        let forests = parts.code.iter().map(|code| read_forest(code));
        let claims = parts.claims.into_iter().map(|claim| {
            let target = Self::read_within(&claim.target, depth + 1, read)?;
            let advice = Inputs::from_bytes(&claim.inputs)?.only_advice();
            let claimed = advice.and_then(|advice| {
                Claimed::of_target(claim.instance, claim.export, target, advice)
            });
            claimed.ok_or_else(|| {
                malformed(
                    TARGET,
                    "what is claimed has no composition, or inputs besides its advice",
                )
            })
        });
        Ok(Self::from(Needed {
            program: Arc::unwrap_or_clone(program),
            composition,
            static_data: parts.static_data,
            forests: forests.collect::<Result<_, _>>()?,
            claims: claims.collect::<Result<_, _>>()?,
        }))
    }
}

/// A node of a Merkle store, with its children.
type Node = (Word, Word, Word);

fn value(node: InnerNodeInfo) -> Word {
    node.value
}

/// Inputs in the published encoding of their parts.
struct InputParts(Inputs);

impl Serializable for InputParts {
    fn write_into<W: ByteWriter>(&self, target: &mut W) {
        let Inputs { arguments, advice } = &self.0;
        arguments.stack.write_into(target);
        arguments.memory.write_into(target);
        for area in [arguments.layout.inputs, arguments.layout.outputs] {
            let (address, length) = area.map_or((0, 0), |area| (area.address, area.length));
            target.write_u32(address);
            target.write_u32(length);
        }
        advice.stack.write_into(target);
        advice.map.write_into(target);
        // Every store has the nodes of empty trees.
        let empty: BTreeSet<Word> = MerkleStore::default().inner_nodes().map(value).collect();
        let nodes = advice.store.inner_nodes();
        let nodes = nodes.filter(|node| !empty.contains(&node.value));
        let nodes: Vec<Node> = nodes
            .map(|node| (node.value, node.left, node.right))
            .collect();
        nodes.write_into(target);
    }
}

impl Deserializable for InputParts {
    fn read_from<R: ByteReader>(source: &mut R) -> Result<Self, DeserializationError> {
        let stack = StackInputs::read_from(source)?;
        let memory = Vec::read_from(source)?;
        let mut area = || -> Result<Option<Area>, DeserializationError> {
            let (address, length) = (source.read_u32()?, source.read_u32()?);
            match (address, length) {
                (0, 0) => Ok(None),
                (_, 0) => Err(DeserializationError::InvalidValue(
                    "a place in memory without a length".into(),
                )),
                (address, length) => Ok(Some(Area { address, length })),
            }
        };
        let layout = MemoryLayout {
            inputs: area()?,
            outputs: area()?,
        };
        let arguments = Arguments {
            stack,
            memory,
            layout,
        };
        let advice = AdviceInputs {
            stack: Vec::<Felt>::read_from(source)?,
            map: AdviceMap::read_from(source)?,
            // The published reader of stores makes room for as many nodes as the bytes say.
            store: {
                let mut store = MerkleStore::default();
                let nodes = Vec::<Node>::read_from(source)?.into_iter();
                store.extend(nodes.map(|(value, left, right)| InnerNodeInfo {
                    value,
                    left,
                    right,
                }));
                store
            },
        };
        Ok(Self(Inputs { arguments, advice }))
    }
}

impl Inputs {
    /// The inputs as bytes, which are the same for the same inputs.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = INPUTS_MAGIC.to_vec();
        InputParts(self.clone()).write_into(&mut bytes);
        bytes
    }

    /// Reads what [`Inputs::to_bytes`] gives. Whatever the bytes are, lengths in them are bounded by
    /// their own.
    ///
    /// # Errors
    /// Returns an error if the bytes are no inputs.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ArtifactError> {
        const WHAT: &str = "inputs";
        let InputParts(inputs) = read_value(behind(bytes, INPUTS_MAGIC, WHAT)?, WHAT)?;
        Ok(inputs)
    }
}

/// Returns what is behind the bytes that it has to begin with.
pub(crate) fn behind<'a>(
    bytes: &'a [u8],
    magic: &[u8],
    what: &'static str,
) -> Result<&'a [u8], ArtifactError> {
    bytes
        .strip_prefix(magic)
        .ok_or_else(|| malformed(what, "it begins with something else"))
}

/// The error of bytes that are something else.
pub(crate) fn malformed(what: &'static str, reason: impl ToString) -> ArtifactError {
    ArtifactError::Format {
        what,
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::{ExecutionOptions, Loader, execute};

    fn folder(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("examples")
            .join(name)
    }

    fn load(loader: &Loader, name: &str) -> (Target, Inputs) {
        let target = loader.load(&folder(name)).expect("a target");
        let file = crate::target_file(&folder(name)).expect("a file");
        let inputs = Inputs::read(&file.with_extension("inputs")).unwrap_or_default();
        (target, inputs)
    }

    fn example(name: &str) -> (Target, Inputs) {
        load(&Loader::new(), name)
    }

    /// A target that went through bytes is the same: it runs alike, and gives the same bytes.
    fn goes_through_bytes((target, inputs): (Target, Inputs)) {
        let bytes = target.to_bytes();
        let read = Target::from_bytes(&bytes).expect("a target");
        assert_eq!(read.to_bytes(), bytes);
        let input_bytes = inputs.to_bytes();
        let read_inputs = Inputs::from_bytes(&input_bytes).expect("inputs");
        assert_eq!(read_inputs.to_bytes(), input_bytes);
        let run = |target: &Target, inputs: Inputs| {
            let options = ExecutionOptions::default();
            let Inputs { arguments, advice } = inputs;
            let output = execute(target, arguments, advice, &mut target.host(), options);
            let output = output.expect("a run");
            (output.stack, output.cycles)
        };
        assert_eq!(run(&read, read_inputs), run(&target, inputs));
    }

    /// Programs, with a kernel too, and compositions: with data, handles, instances that are made, and code
    /// of others. Those with claims, and those with inputs in memory, are in the tests of the command line.
    #[test]
    fn targets_and_inputs_go_through_bytes() {
        for name in [
            "fib",
            "sha256",
            "accounts",
            "kernels",
            "ledger",
            "market",
            "transaction",
            "vault",
        ] {
            goes_through_bytes(example(name));
        }
        let kernel = folder("operations/kernel.masm");
        let loader = Loader::new().with_kernel(&kernel).expect("a kernel");
        goes_through_bytes(load(&loader, "operations/operations.masm"));
    }

    /// The bytes of a target that claims others.
    fn claiming(target: &Target, inputs: &Inputs, claimed: &[u8], count: usize) -> Vec<u8> {
        let claim = || ClaimParts {
            instance: "one".into(),
            export: "main".into(),
            inputs: inputs.to_bytes(),
            target: claimed.to_vec(),
        };
        let parts = TargetParts {
            program: package_program(target.program(), "target"),
            composition: target
                .composition()
                .map(|composition| serde_json::to_vec(&Records::from(composition.clone())))
                .map(|json| json.expect("JSON"))
                .unwrap_or_default(),
            static_data: AdviceMap::default(),
            code: Vec::new(),
            claims: (0..count).map(|_| claim()).collect(),
        };
        let mut bytes = TARGET_MAGIC.to_vec();
        parts.write_into(&mut bytes);
        bytes
    }

    #[test]
    fn claims_are_bounded() {
        let (target, inputs) = example("fib");
        let (composed, _) = example("vault");
        let none = Inputs::default();
        let leaf = claiming(&composed, &none, &[], 0);
        let refused = |bytes: &[u8]| {
            Target::from_bytes(bytes)
                .expect_err("no target")
                .to_string()
        };
        Target::from_bytes(&claiming(&target, &none, &leaf, 2)).expect("a target");
        let many = claiming(&target, &none, &leaf, MAX_CLAIMED_EXPORTS + 1);
        assert!(refused(&many).contains("256 exports"));
        // Those in claims count as well.
        let half = claiming(&composed, &none, &leaf, MAX_CLAIMED_EXPORTS / 2);
        assert!(refused(&claiming(&target, &none, &half, 2)).contains("256 exports"));
        let mut deep = leaf.clone();
        for _ in 0..MAX_CLAIM_DEPTH {
            deep = claiming(&composed, &none, &deep, 1);
        }
        Target::from_bytes(&deep).expect("a target");
        assert!(refused(&claiming(&composed, &none, &deep, 1)).contains("behind 16 others"));
        // What is claimed is a composition, and has no stack of its own.
        let open = claiming(&target, &none, &[], 0);
        assert!(refused(&claiming(&target, &none, &open, 1)).contains("no composition"));
        assert!(refused(&claiming(&target, &inputs, &leaf, 1)).contains("besides its advice"));
    }

    #[test]
    fn bytes_that_are_no_target_or_inputs_are_refused() {
        let (target, inputs) = example("vault");
        let (target, inputs) = (target.to_bytes(), inputs.to_bytes());
        for length in (0..target.len()).step_by(target.len() / 200 + 1) {
            Target::from_bytes(&target[..length]).expect_err("a target without its end");
            let mut changed = target.clone();
            changed[length] ^= 0x5a;
            if let Ok(read) = Target::from_bytes(&changed) {
                // What is left is another target, and no mistake of the reader.
                Target::from_bytes(&read.to_bytes()).expect("a target");
            }
        }
        for length in 0..inputs.len().min(200) {
            Inputs::from_bytes(&inputs[..length]).expect_err("inputs without their end");
        }
        Inputs::from_bytes(&target).expect_err("a target, and no inputs");
        Target::from_bytes(&inputs).expect_err("inputs, and no target");
    }
}
