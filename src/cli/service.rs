//! The prover service, which is a program of its own: nobody else has its network stack.

use std::{
    env,
    ffi::OsString,
    io::{self, BufRead, BufReader, Read, Write},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
};

use clap::{Args, ValueEnum};
use miden_cvm::{
    Composition, ExecutionOptions, Expectations, Inputs, MAX_FILE_LEN, MAX_PROOF_LEN, Proof,
    ProofSettings, ProvenRun, ProvenStatement, Statement, Target, default_registry, hash_name,
    verify_claims,
};
use serde::Deserialize;
use serde_json::Value;

use super::{
    outcome::{Failure, Outcome},
    progress::Progress,
};

/// The name of the program.
const PROGRAM: &str = "miden-cvm-service";

/// The exit code with which it says that the service is not there or has no room.
const UNAVAILABLE: i32 = 3;

/// Runs a command of the service.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub struct ServiceCommand {
    /// The arguments of the command; `--help` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

impl ServiceCommand {
    /// Runs it in the place of this process, where the system can, so that signals reach it.
    ///
    /// # Errors
    /// Returns an error if the program is not installed, or if it fails.
    pub fn run(&self, name: &str) -> Result<Outcome, Failure> {
        let mut command = Command::new(program());
        command.arg(name).args(&self.arguments);
        #[cfg(unix)]
        {
            use std::os::unix::process::CommandExt;
            Err(missing(&command.exec()))
        }
        #[cfg(not(unix))]
        match command.status().map_err(|error| missing(&error))? {
            status if status.success() => Ok(Outcome::nothing()),
            status => Err(Failure::failed(format!("{PROGRAM} ended with {status}"))),
        }
    }
}

/// The program beside this one, or else the one that is found by its name.
fn program() -> PathBuf {
    let name = format!("{PROGRAM}{}", env::consts::EXE_SUFFIX);
    let beside = env::current_exe().ok();
    let beside = beside.and_then(|this| Some(this.parent()?.join(&name)));
    beside.filter(|path| path.is_file()).unwrap_or(name.into())
}

/// That the program cannot be started.
fn missing(error: &io::Error) -> Failure {
    Failure::failed(match error.kind() {
        io::ErrorKind::NotFound => format!(
            "`{PROGRAM}` is neither beside this program nor in PATH: install it with `cargo install \
             {PROGRAM}`, or build it with `cargo build --release -p {PROGRAM}`"
        ),
        _ => format!("`{PROGRAM}` cannot be started: {error}"),
    })
}

/// A prover somewhere else.
#[derive(Debug, Clone, Args)]
pub struct RemoteArgs {
    /// Have the run proven by the service at this address, such as `http://127.0.0.1:7700`; the
    /// environment variable MIDEN_CVM_TOKEN has the token to authenticate with
    #[arg(long, value_name = "URL")]
    remote: Option<String>,
    /// The certificate, in PEM, of the authority that signed the service's, if the system does not
    /// trust it
    #[arg(long, value_name = "FILE")]
    remote_authority: Option<PathBuf>,
    /// The priority among the jobs that wait
    #[arg(long, value_enum, default_value_t = Priority::Normal, requires = "remote")]
    priority: Priority,
    /// The number of seconds within which the proof has to be made
    #[arg(long, value_name = "SECONDS", requires = "remote")]
    deadline: Option<u32>,
    /// Prove here if the service is not there or has no room
    #[arg(long, requires = "remote")]
    or_here: bool,
}

/// Places among others that wait.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Priority {
    High,
    Normal,
    Low,
}

/// The environment variable with what the service is shown.
const TOKEN: &str = "MIDEN_CVM_TOKEN";

/// The environment variable with what the services of owners are shown.
const OWNERS_TOKEN: &str = "MIDEN_CVM_CLAIM_TOKEN";

/// A service, at its address.
#[derive(Debug, Clone, Copy)]
pub enum Service<'a> {
    /// One that proves what it is given.
    Common(&'a str),
    /// One that proves claims with advice that it has itself.
    Owner(&'a str),
}

/// A proof, and what it took where it was made.
pub struct Fetched {
    /// The cycles of the run.
    pub cycles: usize,
    /// The time of the run there.
    pub run_seconds: f64,
    /// The time of the proof there.
    pub prove_seconds: f64,
    /// The proof, with its statement.
    pub run: ProvenRun,
}

/// The line that is before statement and proof.
#[derive(Debug, Deserialize)]
struct Head {
    cycles: usize,
    run_seconds: f64,
    prove_seconds: f64,
    statement_bytes: usize,
    proof_bytes: usize,
}

impl RemoteArgs {
    /// The service that proves the run, if it is not to be proven here.
    pub fn service(&self) -> Option<Service<'_>> {
        self.remote.as_deref().map(Service::Common)
    }

    /// Has a run proven by a service, and verifies what comes back: nobody there is trusted. It is nothing if the
    /// run is to be proven here after all. What the run claims is open.
    ///
    /// # Errors
    /// Returns an error if there is no proof, or one of another run or with other settings.
    pub fn prove(
        &self,
        service: Service<'_>,
        target: &Target,
        inputs: &Inputs,
        options: &ExecutionOptions,
        settings: ProofSettings,
        progress: &Progress,
    ) -> Result<Option<Fetched>, Failure> {
        let (url, can_be_here) = match service {
            Service::Common(url) => (url, self.or_here),
            Service::Owner(url) => (url, false),
        };
        let job = (target, inputs);
        let (target, inputs) = (target.to_bytes(), inputs.to_bytes());
        let priority = self.priority.to_possible_value();
        let priority = priority.map_or_else(String::new, |value| value.get_name().to_owned());
        let mut command = Command::new(program());
        command
            .args(["submit", "--url", url, "--priority", &priority])
            .args(["--set", &format!("{:?}", settings.set())])
            .args(["--hash", hash_name(settings.hash())])
            .args(["--max-cycles", &options.max_cycles().to_string()])
            .args(["--slices", &options.slices().to_string()])
            .args(["--target-bytes", &target.len().to_string()]);
        if let Service::Owner(_) = service {
            // Nobody is shown the token of somebody else.
            match env::var_os(OWNERS_TOKEN) {
                Some(token) => command.env(TOKEN, token),
                None => command.env_remove(TOKEN),
            };
        }
        if let Some(file) = &self.remote_authority {
            command.arg("--authority").arg(file);
        }
        if let Some(seconds) = self.deadline {
            command.args(["--deadline", &seconds.to_string()]);
        }
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| missing(&error))?;
        let (answer, told) = talk(&mut process, [target, inputs], progress)?;
        let status = process.wait().map_err(Failure::failed)?;
        if status.code() == Some(UNAVAILABLE) && can_be_here {
            progress.warn(format!("{told}: the run is proven here"));
            return Ok(None);
        }
        if !status.success() {
            return Err(Failure::failed(told));
        }
        let malformed = || Failure::failed(format!("`{PROGRAM}` is of another version than this"));
        let end = answer.iter().position(|byte| *byte == b'\n');
        let (line, parts) = answer.split_at(end.ok_or_else(malformed)? + 1);
        let head: Head = serde_json::from_slice(line).map_err(|_| malformed())?;
        let (statement, proof) = parts
            .split_at_checked(head.statement_bytes)
            .ok_or_else(malformed)?;
        if proof.len() != head.proof_bytes {
            return Err(malformed());
        }
        let statement = serde_json::from_slice(statement)
            .map_err(|error| Failure::failed(format!("the service sent no statement: {error}")))?;
        progress.stage("verifying");
        Ok(Some(Fetched {
            cycles: head.cycles,
            run_seconds: head.run_seconds,
            prove_seconds: head.prove_seconds,
            run: verified(job, options, settings, statement, proof)?,
        }))
    }
}

/// Verifies that a proof is one of a run, with the settings that were asked for.
fn verified(
    (target, inputs): (&Target, &Inputs),
    options: &ExecutionOptions,
    settings: ProofSettings,
    statement: Statement,
    proof: &[u8],
) -> Result<ProvenRun, Failure> {
    let public = statement.public_inputs();
    let layout = target.composition().map(Composition::layout);
    let placed = inputs.arguments.place(layout).map_err(Failure::failed)?;
    if public.program_hash != target.program().hash()
        || public.kernel != *target.program().kernel()
        || public.composition.as_ref() != target.composition()
        || public.stack_inputs[..] != inputs.arguments.stack[..]
        || (public.memory.inputs.clone(), public.memory.layout().outputs) != placed
    {
        return Err(Failure::failed(
            "the service sent a statement about another run",
        ));
    }
    let rejected = |error: String| {
        Failure::failed(format!(
            "the service sent a proof that is rejected: {error}"
        ))
    };
    let expectations = Expectations::from(settings.set().level());
    let proven = ProvenStatement { public, proof };
    let verified = verify_claims(proven, &[], &expectations, &default_registry());
    let verified = verified.map_err(|error| rejected(error.to_string()))?.run;
    if verified.settings != settings {
        return Err(rejected(format!("it was made with {}", verified.settings)));
    }
    if verified.groups != options.slices() {
        return Err(rejected(format!("it has {} groups", verified.groups)));
    }
    let proof = Proof::from_bytes(proof).map_err(|error| rejected(error.to_string()))?;
    Ok(ProvenRun {
        outputs: public.stack_outputs.clone(),
        proof,
        statement,
    })
}

/// The most bytes of an answer.
const MAX_ANSWER: u64 = MAX_FILE_LEN + MAX_PROOF_LEN as u64 + (1 << 16);

/// Writes a job to the process, and reads what it answers and what it tells, all at once;
/// shows the states of the job.
fn talk(
    process: &mut Child,
    parts: [Vec<u8>; 2],
    progress: &Progress,
) -> Result<(Vec<u8>, String), Failure> {
    let streams = (
        process.stdin.take(),
        process.stdout.take(),
        process.stderr.take(),
    );
    let (Some(mut stdin), Some(stdout), Some(stderr)) = streams else {
        return Err(Failure::failed("the process has no standard streams"));
    };
    thread::scope(|scope| {
        // A process that does not read all says why.
        scope.spawn(move || parts.iter().try_for_each(|part| stdin.write_all(part)));
        let told = scope.spawn(move || {
            let mut told = Vec::new();
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                match phase(&line) {
                    Some(phase) => progress.stage(phase),
                    None => told.push(line),
                }
            }
            told.join("\n").trim_start_matches("error: ").to_owned()
        });
        let mut answer = Vec::new();
        stdout
            .take(MAX_ANSWER)
            .read_to_end(&mut answer)
            .map_err(Failure::failed)?;
        Ok((answer, told.join().unwrap_or_default()))
    })
}

/// The state of a job that a line tells.
fn phase(line: &str) -> Option<&'static str> {
    let told: Value = serde_json::from_str(line).ok()?;
    let told = told.get("phase")?.as_str()?;
    let known = ["queued", "proving", "verifying"];
    known.into_iter().find(|phase| *phase == told)
}
