//! Folders with components and compositions, made for a test, and their execution.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use miden_core::{Felt, StackInputs, Word};
use miden_cvm_air::check::check;
use miden_cvm_component::{BuildError, Component, LinkedComposition, Toolchain};
use miden_cvm_processor::{
    AdviceInputs, DefaultHost, ExecutionError, ExecutionInputs, ExecutionOutput, ExecutionTrace,
    execute, execute_traced,
};
use tempfile::TempDir;

/// A folder that exists as long as the test runs.
pub struct Files {
    folder: TempDir,
}

impl Files {
    /// Writes the files, given by path and text.
    pub fn new(files: &[(&str, &str)]) -> Self {
        let this = Self {
            folder: TempDir::new().expect("a temporary folder"),
        };
        for (path, text) in files {
            this.write(path, text.as_bytes());
        }
        this
    }

    /// Writes one file.
    pub fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a new folder");
        fs::write(path, bytes).expect("a new file");
    }

    /// The content of a file.
    pub fn read(&self, path: &str) -> Vec<u8> {
        fs::read(self.path(path)).expect("it is there")
    }

    /// The path of a file.
    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Loads the component in a folder.
    pub fn component(&self, folder: &str) -> Result<Component, BuildError> {
        Component::load(&self.path(folder), &Toolchain::new())
    }

    /// Links the composition in `composition.toml`.
    pub fn link(&self) -> Result<LinkedComposition, BuildError> {
        LinkedComposition::load(&self.path("composition.toml"), &Toolchain::new())
    }
}

/// The contents of an `.inputs` file.
#[derive(Default)]
pub struct Inputs {
    /// The operand stack.
    pub stack: StackInputs,
    /// The advice.
    pub advice: AdviceInputs,
}

impl Inputs {
    /// Reads the file beside a program or composition.
    pub fn beside(target: &Path) -> Self {
        let path = target.with_extension("inputs");
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let elements = |value: &serde_json::Value| -> Vec<Felt> {
            let values = value.as_array().map(Vec::as_slice).unwrap_or_default();
            values
                .iter()
                .map(|value| match value {
                    serde_json::Value::String(text) => text.parse().expect("an integer"),
                    number => number.as_u64().expect("an integer"),
                })
                .map(Felt::new)
                .collect()
        };
        let map = json["advice_map"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, value)| {
                (
                    Word::try_from(key.as_str()).expect("a word"),
                    elements(value),
                )
            });
        Self {
            stack: StackInputs::new(elements(&json["operand_stack"])).expect("at most 16"),
            advice: AdviceInputs::default()
                .with_stack(elements(&json["advice_stack"]))
                .with_map(map),
        }
    }
}

/// A host that answers the events of the core library.
pub fn host() -> DefaultHost {
    DefaultHost::default()
}

/// The final stack as integers, top first.
pub fn outputs(output: &ExecutionOutput) -> Vec<u64> {
    output.stack.iter().map(|felt| felt.as_int()).collect()
}

/// Executes a composition.
pub fn run(linked: &LinkedComposition, inputs: Inputs) -> Result<ExecutionOutput, ExecutionError> {
    let (stack, advice, mut host) = prepared(linked, inputs);
    execute(
        ExecutionInputs {
            composition: Some(&linked.composition),
            arguments: (&stack).into(),
            advice,
            ..ExecutionInputs::new(&linked.program)
        },
        &mut host,
    )
}

/// Executes a composition, and checks all rows of the run against all constraints and buses.
pub fn run_checked(linked: &LinkedComposition, inputs: Inputs) {
    let trace = traced(linked, inputs);
    let violations = check(&trace.trace, &trace.public);
    assert!(violations.is_empty(), "{violations:?}");
}

/// The trace of a composition that runs.
pub fn traced(linked: &LinkedComposition, inputs: Inputs) -> ExecutionTrace {
    let (stack, advice, mut host) = prepared(linked, inputs);
    execute_traced(
        ExecutionInputs {
            composition: Some(&linked.composition),
            arguments: (&stack).into(),
            advice,
            ..ExecutionInputs::new(&linked.program)
        },
        &mut host,
    )
    .unwrap_or_else(|error| panic!("{error}"))
}

fn prepared(
    linked: &LinkedComposition,
    Inputs { stack, advice }: Inputs,
) -> (StackInputs, AdviceInputs, DefaultHost) {
    let data = linked
        .advice_map
        .iter()
        .map(|(key, data)| (*key, data.to_vec()));
    let mut host = host().with_source_manager(linked.source_manager.clone());
    for forest in &linked.forests {
        host.load_forest(Arc::clone(forest));
    }
    (stack, advice.with_map(data), host)
}
