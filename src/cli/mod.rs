//! The commands, their options, and how they end.

mod advisories;
mod aggregate;
mod analyze;
mod answers;
mod audit;
mod bundle;
mod claims;
mod compile;
mod component;
mod compose;
mod debug;
mod files;
mod inspect;
mod kind;
mod libraries;
mod limits;
mod lying;
mod outcome;
mod progress;
mod prove;
mod rows;
mod run;
mod service;
mod settings;
mod source;
mod test;
mod timings;
mod verify;

use std::{
    env, panic,
    process::ExitCode,
    sync::{Mutex, PoisonError},
    thread,
};

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use outcome::{Failure, Outcome};

/// Runs, proves and verifies programs made of components.
#[derive(Debug, Parser)]
#[command(name = "miden-cvm", version, arg_required_else_help = true)]
struct Cli {
    /// Print the answer, or the error, as JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a program or composition
    Run(run::RunCommand),
    /// Run a program or composition and prove the run
    Prove(prove::ProveCommand),
    /// Verify a proof: it and its statement are all that is needed
    Verify(verify::VerifyCommand),
    /// Make one proof of many, by a program that verifies them
    Aggregate(aggregate::AggregateCommand),
    /// Join the proof of a run and the proofs of its claims into one file
    Join(bundle::JoinCommand),
    /// Show where a run spends its cycles and its trace its rows
    Analyze(analyze::AnalyzeCommand),
    /// Run a program or composition step by step, forwards and backwards
    Debug(debug::DebugCommand),
    /// Run the tests that the root of a composition exports, or those of a component
    Test(test::TestCommand),
    /// Change the trace of a run in many ways, and see whether the constraints reject every change; or
    /// lie about the advice, and see whether the program refuses every lie
    Audit(audit::AuditCommand),
    /// Start a component, look at its bindings, or build its package
    Component(component::ComponentCommand),
    /// Assemble a program into a package
    Compile(compile::CompileCommand),
    /// Assemble a folder of sources into a library, or a kernel
    Bundle(compile::BundleCommand),
    /// Link components into one file that is run, proven and looked at like its parts
    Compose(compose::ComposeCommand),
    /// Show what is in a component, a composition, any package or library, a statement or a proof
    Inspect(inspect::InspectCommand),
    /// Print rows of the trace, with the messages between them
    Rows(rows::RowsCommand),
    /// Print the AIR: columns, constraints and messages of all tables, as JSON
    Air,
    /// Take jobs from others and prove them; `miden-cvm-service` has to be installed
    Serve(service::ServiceCommand),
    /// Take jobs from a queue that several machines share, and prove them; `miden-cvm-service` has to be
    /// installed
    Worker(service::ServiceCommand),
    /// Print a script that completes this command line in a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page
    Man {
        /// The command that it is about, such as `component new`; without it the page is about all of them
        command: Vec<String>,
    },
}

/// The assembler recurses into nested blocks, as deep as the source has them.
const STACK_SIZE: usize = 1 << 28;

/// The message of the last panic. Panics that are caught are answered by an error, and nothing is
/// said about them.
static LAST_PANIC: Mutex<Option<String>> = Mutex::new(None);

/// Reads the arguments, does what they say and says how it went.
pub fn main() -> ExitCode {
    panic::set_hook(Box::new(|panic| {
        let mut last = LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(panic.to_string());
    }));
    // What makes no sense is told as JSON too.
    let json = env::args_os().skip(1).any(|argument| argument == "--json");
    let worker = thread::Builder::new()
        .stack_size(STACK_SIZE)
        .spawn(move || {
            let cli = match Cli::try_parse() {
                Ok(cli) => cli,
                Err(error) if json && error.use_stderr() => {
                    let text = error.render().to_string();
                    let text = text.trim_start_matches("error: ").trim_end();
                    return outcome::tell(Err(Failure::usage(text)), true);
                }
                Err(error) => error.exit(),
            };
            let result = match &cli.command {
                Command::Run(command) => command.run(),
                Command::Prove(command) => command.run(),
                Command::Verify(command) => command.run(),
                Command::Aggregate(command) => command.run(),
                Command::Join(command) => command.run(),
                Command::Analyze(command) => command.run(),
                Command::Debug(command) => command.run(),
                Command::Test(command) => command.run(),
                Command::Audit(command) => command.run(),
                Command::Rows(command) => command.run(),
                Command::Component(command) => command.run(),
                Command::Compile(command) => command.run(),
                Command::Bundle(command) => command.run(),
                Command::Compose(command) => command.run(),
                Command::Inspect(command) => command.run(),
                Command::Serve(command) => command.run("serve"),
                Command::Worker(command) => command.run("worker"),
                Command::Air => Ok(Outcome::of_json(
                    miden_cvm_audit::spec::json::specification(),
                )),
                Command::Completions { shell } => {
                    let mut script = Vec::new();
                    let mut command = Cli::command();
                    clap_complete::generate(*shell, &mut command, "miden-cvm", &mut script);
                    Ok(Outcome::of_text("script", script))
                }
                Command::Man { command } => manual(command),
            };
            outcome::tell(result, cli.json)
        });
    match worker {
        Ok(worker) => worker.join().unwrap_or_else(|_| {
            let mut last = LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner);
            let message = last.take().unwrap_or_default();
            outcome::tell(Err(Failure::Internal(message)), json)
        }),
        Err(error) => outcome::tell(Err(Failure::failed(error)), json),
    }
}

/// The manual page of a command, or that of all.
fn manual(words: &[String]) -> Result<Outcome, Failure> {
    let mut root = Cli::command();
    // Commands have their full names then.
    root.build();
    let mut command = &root;
    for word in words {
        command = command.find_subcommand(word).ok_or_else(|| {
            let known: Vec<&str> = command
                .get_subcommands()
                .map(clap::Command::get_name)
                .collect();
            Failure::usage(match known.as_slice() {
                [] => format!("`{}` has no commands of its own", command.get_name()),
                _ => format!(
                    "there is no command `{word}`; the commands are {}",
                    known.join(", ")
                ),
            })
        })?;
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone())
        .render(&mut page)
        .map_err(Failure::failed)?;
    Ok(Outcome::of_text("page", page))
}
