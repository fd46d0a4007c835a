//! Counts what calls and static data cost, in rows of each segment. Nothing is proven.

use std::{error::Error, process::ExitCode};

use clap::Parser;
use miden_cvm_benches::{Cost, costs};

#[derive(Parser)]
#[command(about = "Count the rows that calls and static data take")]
struct Arguments {
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    match report(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn report(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let costs = costs()?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&costs)?);
        return Ok(());
    }
    println!("{}", Cost::headings());
    for cost in costs {
        println!("{cost}");
    }
    Ok(())
}
