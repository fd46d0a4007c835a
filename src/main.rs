//! The command line of Miden CVM.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
