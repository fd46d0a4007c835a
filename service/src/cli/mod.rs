//! The commands of the service.

mod serve;
mod submit;
mod workers;

use std::{
    io::{self, IsTerminal},
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand, ValueEnum};
use miden_cvm_service::child;
use tokio::runtime::Runtime;
use tracing::level_filters::LevelFilter;

/// Proves for others: jobs come in by gRPC and HTTP, and are proven by workers.
#[derive(Debug, Parser)]
#[command(name = "miden-cvm-service", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Take jobs from clients, and prove them
    Serve(Box<serve::ServeCommand>),
    /// Take jobs from a queue that several machines share, and prove them
    Worker(workers::WorkerCommand),
    /// Send a job on the standard input to a service, and write its proof to the standard output; this
    /// is for programs, people have `miden-cvm prove --remote`
    #[command(hide = true)]
    Submit(submit::SubmitCommand),
    /// Prove one job on the standard input
    #[command(name = child::COMMAND, hide = true)]
    RunJob,
}

/// The environment variable with the token.
const TOKEN: &str = "MIDEN_CVM_TOKEN";

/// The token of the environment, if it has one.
fn token() -> Option<String> {
    std::env::var(TOKEN).ok().filter(|token| !token.is_empty())
}

/// The events that are logged.
#[derive(Debug, Args)]
struct Log {
    /// The least severe events that are told on the standard error
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log: LevelFilter,
    /// The form in which they are
    #[arg(long, value_enum, default_value_t = LogForm::Text)]
    log_form: LogForm,
}

/// Forms of what is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogForm {
    /// Lines for people
    Text,
    /// Lines of JSON
    Json,
}

impl Log {
    /// Tells events from now on.
    fn init(&self) {
        let events = tracing_subscriber::fmt()
            .with_max_level(self.log)
            .with_ansi(io::stderr().is_terminal())
            .with_writer(io::stderr);
        match self.log_form {
            LogForm::Text => events.init(),
            LogForm::Json => events.json().init(),
        }
    }
}

/// A failure of a command, and its exit code.
struct Failure {
    message: String,
    code: u8,
}

impl Failure {
    fn failed(error: impl ToString) -> Self {
        Self {
            message: error.to_string(),
            code: 1,
        }
    }
}

/// Runs what the arguments say.
pub fn main() -> ExitCode {
    let command = Cli::parse().command;
    if matches!(command, Command::RunJob) {
        return child::main();
    }
    let done = Runtime::new().map_err(Failure::failed).and_then(|runtime| {
        runtime.block_on(async {
            match command {
                Command::Serve(command) => command.run().await,
                Command::Worker(command) => command.run().await,
                Command::Submit(command) => command.run().await,
                Command::RunJob => Ok(()),
            }
        })
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { message, code }) => {
            eprintln!("error: {message}");
            ExitCode::from(code)
        }
    }
}
