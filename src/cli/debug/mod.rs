//! `debug`.

mod command;
mod dap;
mod lines;
#[cfg(feature = "tui")]
mod screen;

use clap::{Args, builder::ArgPredicate};
use miden_cvm::{MAX_CYCLES, debug::Debugger};

use super::{
    files,
    outcome::{Failure, Outcome},
    progress::Progress,
    source::{Loaded, Source},
};

/// Runs a program or composition step by step.
#[derive(Debug, Args)]
#[command(mut_arg("target", |target| target
    .required(false)
    .required_unless_present("dap")
    .default_value_if("dap", ArgPredicate::IsPresent, files::STANDARD)))]
pub struct DebugCommand {
    #[command(flatten)]
    source: Source,
    /// Speak the Debug Adapter Protocol on the standard input and output, for an editor; without a
    /// target, that is the `program` of its launch request
    #[arg(long)]
    dap: bool,
    /// Read commands as lines, also on a terminal
    #[arg(long, conflicts_with = "dap")]
    plain: bool,
}

impl DebugCommand {
    /// Runs it, until its user has enough.
    ///
    /// # Errors
    /// Returns an error if something cannot be loaded, or the target is refused.
    pub fn run(&self) -> Result<Outcome, Failure> {
        // Commands or requests come from there.
        let is_standard = files::is_standard(self.source.target());
        if self.dap {
            let source = (!is_standard).then_some(&self.source);
            return dap::serve(source).map(|()| Outcome::nothing());
        }
        if is_standard {
            return Err(Failure::usage(
                "what is debugged cannot be the standard input, from which commands come",
            ));
        }
        let loaded = load(&self.source)?;
        let debugger = start(&loaded)?;
        #[cfg(feature = "tui")]
        if !self.plain && screen::is_possible() {
            return screen::run(debugger).map(|()| Outcome::nothing());
        }
        lines::run(debugger).map(|()| Outcome::nothing())
    }
}

/// Loads what is debugged.
fn load(source: &Source) -> Result<Loaded, Failure> {
    if source.is_from_standard() {
        return Err(Failure::usage(
            "the inputs cannot be the standard input, from which commands come",
        ));
    }
    source.load(&Progress::start("loading"), MAX_CYCLES)
}

/// A debugger for what was loaded.
fn start(loaded: &Loaded) -> Result<Debugger<'_>, Failure> {
    let debugger = Debugger::new(&loaded.target, loaded.inputs.clone(), loaded.options);
    debugger.map_err(|error| loaded.failure(&error))
}
