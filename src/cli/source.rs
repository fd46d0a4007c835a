//! The options that say what is run and on what.

use core::fmt;
use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::{Path, PathBuf},
};

use clap::Args;
use miden_cvm::{
    AdviceInputs, DefaultHost, ExecutionError, ExecutionOptions, ExecutionTrace, Function, Inputs,
    MAX_CYCLES, MAX_FILE_LEN, StackInputs, TableRows, Target, TargetError, TracedExecutionError,
    TypedCall, execute_traced, execute_traced_rows, target_file,
};

use super::{
    files,
    kind::{Kind, not_a},
    libraries::{Libraries, refused},
    limits::Limit,
    outcome::Failure,
    progress::Progress,
};

/// The target of a run and its inputs.
#[derive(Debug, Clone, Args)]
pub struct Source {
    /// A program (`.masm`, `.masp`), or a composition (`.toml`, `.wac`, `.masp`), or the folder of
    /// either; `-` is a program or a package on the standard input
    target: PathBuf,
    /// Inputs in JSON, `-` for the standard input; without it the target's own, beside it and with the ending `.inputs`, if
    /// there are any
    #[arg(short, long = "input", value_name = "FILE")]
    input: Option<PathBuf>,
    /// The advice of a claimed instance, as inputs in JSON without an operand stack; can be given
    /// several times
    #[arg(long = "claim-input", value_name = "INSTANCE=FILE", value_parser = of_claimed::<PathBuf>)]
    claim_inputs: Vec<(String, PathBuf)>,
    #[command(flatten)]
    libraries: Libraries,
    /// Call this function of the root's world, with values in WAVE: `main("alice", 3)`; the result is
    /// shown as a value too
    #[arg(long, value_name = "CALL")]
    invoke: Option<String>,
    /// End the run with an error after this many cycles
    #[arg(short, long, value_name = "CYCLES", default_value_t = MAX_CYCLES,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_CYCLES)))]
    max_cycles: u32,
    /// Print what the `debug` instructions of the program say, on the standard error
    #[arg(long)]
    debug: bool,
    /// Print when `trace` instructions of the program are reached, and what `debug` instructions
    /// say, on the standard error
    #[arg(long)]
    trace: bool,
    /// A bound on what the run may use, such as `memory-words=4096`; can be given several times. The
    /// names: memory-words, advice-elements, stack-depth, call-depth, nesting, handles, instances,
    /// static-data, bulk-elements, trace-rows; and of the assembly of its sources: source-bytes,
    /// assembled-instructions, link-steps, type-parts, wired-parts
    #[arg(long = "limit", value_name = "NAME=VALUE")]
    limits: Vec<Limit>,
}

/// The target of a run and its inputs, loaded.
pub struct Loaded {
    /// The target.
    pub target: Target,
    /// The file that stands for it, or `-`.
    pub file: PathBuf,
    /// Everything that was read.
    pub read: Vec<PathBuf>,
    /// The inputs of the run.
    pub inputs: Inputs,
    /// Limits of the run.
    pub options: ExecutionOptions,
    /// The call with values, if it is one.
    pub call: Option<TypedCall>,
    /// The hint for a run that traps: its function wants values, and there are none.
    wants_values: Option<String>,
}

impl Loaded {
    /// A host for one run.
    pub fn host(&self) -> DefaultHost<Stderr> {
        self.target.host().with_debug_writer(Stderr)
    }

    /// Runs it and builds the trace; the inputs are gone then.
    ///
    /// # Errors
    /// Returns an error if the run traps, or if it has no trace.
    pub fn trace(&mut self) -> Result<ExecutionTrace, Failure> {
        let Inputs { arguments, advice } = std::mem::take(&mut self.inputs);
        let traced = execute_traced(
            &self.target,
            arguments,
            advice,
            &mut self.host(),
            self.options,
        );
        traced.map_err(|error| self.no_trace(&error))
    }

    /// Runs it for some rows of its trace; it can be run again.
    ///
    /// # Errors
    /// Returns an error if the run traps, or if it has no trace.
    pub fn rows(&self, rows: &TableRows) -> Result<ExecutionTrace, TracedExecutionError> {
        let Inputs { arguments, advice } = self.inputs.clone();
        let host = &mut self.host();
        execute_traced_rows(&self.target, arguments, advice, host, self.options, rows)
    }

    /// The failure of a run that has no trace.
    pub fn no_trace(&self, error: &TracedExecutionError) -> Failure {
        match error {
            TracedExecutionError::Execution(error) => self.failure(error),
            error => Failure::failed(error),
        }
    }

    /// The failure of its run.
    pub fn failure(&self, error: &ExecutionError) -> Failure {
        Failure::of_run(&self.target, error, self.wants_values.clone())
    }
}

impl Source {
    /// Returns the path that is named as the target.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// The same options for another target.
    pub fn at(&self, target: PathBuf) -> Self {
        Self {
            target,
            ..self.clone()
        }
    }

    /// Returns `true` if its inputs are the standard input.
    pub fn is_from_standard(&self) -> bool {
        self.input.as_deref().is_some_and(files::is_standard)
    }

    /// Returns `true` if a function is called with values.
    pub fn is_call(&self) -> bool {
        self.invoke.is_some()
    }

    /// Returns the failure for an error of the target.
    fn refused(&self, error: TargetError) -> Failure {
        refused_target(error, &self.target)
    }

    /// Loads the target and its inputs; warnings, also of advisories, go to the standard error. The run
    /// may not be longer than `longest` cycles, whatever the options say.
    ///
    /// # Errors
    /// Returns an error if one of them cannot be loaded, or if advisories are denied and there are some
    /// about its code.
    pub fn load(&self, progress: &Progress, longest: u32) -> Result<Loaded, Failure> {
        progress.stage("assembling");
        let loader = self.libraries.loader(Limit::assembly(&self.limits))?;
        let file = target_file(&self.target).map_err(|error| self.refused(error))?;
        let target = if files::is_standard(&file) {
            if self.is_from_standard() {
                return Err(Failure::usage(
                    "the target and its inputs cannot both be the standard input",
                ));
            }
            let bytes = files::read(&file, MAX_FILE_LEN)?;
            loader.load_bytes(&bytes, "standard input".as_ref())
        } else {
            loader.load(&file)
        };
        let target = target.map_err(|error| self.refused(error))?;
        for warning in target.warnings() {
            progress.warn(warning);
        }
        self.libraries.judge(&target.findings(), progress)?;
        let mut read = target.files().to_vec();
        read.extend(self.libraries.paths().cloned());
        let own = file.with_extension("inputs");
        let inputs = match &self.input {
            Some(path) if files::is_standard(path) => {
                let bytes = files::read(path, MAX_FILE_LEN)?;
                String::from_utf8(bytes)
                    .map_err(|_| Failure::failed("the inputs on the standard input are not text"))
                    .and_then(|text| {
                        Inputs::from_json(&text).map_err(|error| {
                            Failure::failed(format!("inputs on the standard input: {error}"))
                        })
                    })?
            }
            Some(path) => {
                read.push(path.clone());
                Inputs::read(path).map_err(|error| {
                    let other = not_a(path, "inputs of a run").filter(|_| error.is_other());
                    let told = other.unwrap_or_else(|| error.to_string());
                    Failure::failed(told + &files::meant(path))
                })?
            }
            None if !files::is_standard(&file) && own.exists() => {
                read.push(own.clone());
                Inputs::read(&own).map_err(Failure::failed)?
            }
            None => Inputs::default(),
        };
        let mut target = target;
        let call = self.invoke.as_ref().map(|call| target.call(call));
        let call = call
            .transpose()
            .map_err(|error| Failure::usage(format!("--invoke: {error}")))?;
        let wants_values = match call {
            None if is_zero(&inputs.arguments.stack) => target.function().and_then(wanted_values),
            _ => None,
        };
        let inputs = match &call {
            Some(call) => call.inputs(inputs),
            None => inputs,
        };
        let expected = ExecutionOptions::default().expected_cycles();
        let max_cycles = self.max_cycles.min(longest);
        let options = ExecutionOptions::new(max_cycles, expected.min(max_cycles))
            .map_err(Failure::usage)?
            .with_debug(self.debug)
            .with_tracing(self.trace)
            .with_limits(Limit::all(&self.limits));
        let advice = self.claim_advice(&target, &mut read)?;
        target.prepare_claims(&|instance| advice.get(instance).cloned(), options);
        Ok(Loaded {
            target,
            file,
            read,
            inputs,
            options,
            call,
            wants_values,
        })
    }
}

impl Source {
    /// Reads the advice of claimed instances.
    fn claim_advice(
        &self,
        target: &Target,
        read: &mut Vec<PathBuf>,
    ) -> Result<BTreeMap<String, AdviceInputs>, Failure> {
        let mut all = BTreeMap::new();
        for (instance, path) in &self.claim_inputs {
            if !claims(target, instance) {
                return Err(Failure::usage(format!(
                    "--claim-input: the composition has no claimed instance `{instance}`"
                )));
            }
            read.push(path.clone());
            let inputs = Inputs::read(path).map_err(Failure::failed)?;
            let advice = inputs.only_advice().ok_or_else(|| {
                Failure::failed(format!(
                    "inputs `{}`: a claimed instance gets its operand stack from who calls it, and nothing in \
                     memory: leave out all but the advice",
                    path.display()
                ))
            })?;
            if all.insert(instance.clone(), advice).is_some() {
                return Err(Failure::usage(format!(
                    "--claim-input: the advice of `{instance}` is given twice"
                )));
            }
        }
        Ok(all)
    }
}

/// Returns `true` if there is nothing but zeros on a stack.
fn is_zero(stack: &StackInputs) -> bool {
    stack[..] == StackInputs::default()[..]
}

/// The call of a function with the values that it takes, if it takes some.
fn wanted_values(function: &Function) -> Option<String> {
    let names = function.params.iter().map(|param| &*param.name);
    let names: Vec<&str> = names.collect();
    (!names.is_empty()).then(|| {
        format!(
            "`{function}` was run without values: give them with `--invoke \'{}({})\'`, or as elements in \
             the inputs",
            function.name,
            names.join(", ")
        )
    })
}

/// Returns `true` if an instance is claimed, or claimed in what is claimed.
pub fn claims(target: &Target, instance: &str) -> bool {
    let mut claimed = target.claims().iter();
    claimed.any(|claimed| claimed.instance() == instance || claims(claimed.target(), instance))
}

/// Reads `INSTANCE=…`: what is given for a claimed instance.
pub fn of_claimed<T: From<String>>(text: &str) -> Result<(String, T), String> {
    let (instance, given) = text
        .split_once('=')
        .ok_or("it is the name of a claimed instance, `=` and what is given for it")?;
    Ok((instance.to_owned(), given.to_owned().into()))
}

/// Returns the failure for an error of a target; for a file that is something else, it says what it is.
pub fn refused_target(error: TargetError, path: &Path) -> Failure {
    let kind = Kind::of(path);
    let is_other = matches!(kind, Kind::Workspace | Kind::WorkspaceFile)
        || matches!(
            error,
            TargetError::UnknownKind(_) | TargetError::Component(_) | TargetError::Artifact { .. }
        );
    let is_damaged = kind.is_target();
    match not_a(path, "a program or a composition").filter(|_| is_other && !is_damaged) {
        Some(text) if matches!(error, TargetError::UnknownKind(_)) => {
            Failure::usage(format!("{error}\n  {text}"))
        }
        Some(text) => Failure::failed(text),
        None => refused(error),
    }
}

/// Writes to the standard error.
#[derive(Debug, Clone, Copy)]
pub struct Stderr;

impl fmt::Write for Stderr {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        io::stderr()
            .write_all(text.as_bytes())
            .map_err(|_| fmt::Error)
    }
}
