//! Results of another engine, `wasmi`, for modules.
//!
//! `random FIRST COUNT` prints a script in the specification's own form: random modules, numbered from
//! FIRST, with calls of what they export, and what comes of them. `count MODULE FUNCTION ARGUMENT…` prints
//! the result of a call, and how many instructions it executes.

#![forbid(unsafe_code)]

mod count;
mod random;
mod script;

use std::{env, error::Error, fs, process::ExitCode};

fn run(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    match arguments {
        [command, first, count] if command == "random" => {
            let first: u64 = first.parse()?;
            for number in first..first + count.parse::<u64>()? {
                if let Some(module) = random::module(number)? {
                    print!("{}", script::of(number, &module)?);
                }
            }
        }
        [command, module, function, arguments @ ..] if command == "count" => {
            let arguments: Result<Vec<i64>, _> =
                arguments.iter().map(|text| text.parse()).collect();
            let (results, instructions) = count::call(&fs::read(module)?, function, &arguments?)?;
            println!("{results:?} {instructions}");
        }
        _ => return Err("random FIRST COUNT, or count MODULE FUNCTION ARGUMENT…".into()),
    }
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
