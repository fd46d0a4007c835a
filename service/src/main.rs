//! The command line of the service: `serve`, `worker`, `submit`, and the process that a job runs in.
//!
//! `miden-cvm serve`, `miden-cvm worker` and `miden-cvm prove --remote` run it.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
