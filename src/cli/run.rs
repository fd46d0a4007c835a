//! `run`.

use core::fmt;
use std::path::PathBuf;

use clap::Args;
use miden_cvm::{
    AdviceProvider, Felt, MAX_CYCLES, MemorySegment, StackOutputs, Target, TypedCall, execute,
    to_wave,
};
use serde::Serialize;

use super::{
    advisories::AdvisoriesAnswer,
    answers::{MemoryAnswer, write_memory},
    files::Outputs,
    outcome::{Failure, Outcome},
    progress::Progress,
    source::Source,
};

/// Runs a program or composition.
#[derive(Debug, Args)]
pub struct RunCommand {
    #[command(flatten)]
    source: Source,
    /// Write the outputs to a file, in Miden's JSON
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl RunCommand {
    /// Runs it.
    ///
    /// # Errors
    /// Returns an error if something cannot be loaded or written, or if the run traps.
    pub fn run(&self) -> Result<Outcome, Failure> {
        let progress = Progress::start("loading");
        let mut loaded = self.source.load(&progress, MAX_CYCLES)?;
        let outputs = match &self.output {
            Some(path) => Outputs::check([("the outputs", path.clone())], &loaded.read)?,
            None => Outputs::check([], &[])?,
        };
        progress.stage("running");
        let mut host = loaded.host();
        let inputs = std::mem::take(&mut loaded.inputs);
        let output = execute(
            &loaded.target,
            inputs.arguments,
            inputs.advice,
            &mut host,
            loaded.options,
        )
        .map_err(|error| loaded.failure(&error))?;
        drop(progress);

        let call = loaded.call.as_ref();
        let call = call.map(|call| CallAnswer::new(call, &output.stack, Some(&output.advice)));
        let answer = RunAnswer {
            code: CodeAnswer::new(&loaded.target),
            cycles: output.cycles,
            call: call.transpose()?,
            outputs: OutputsAnswer::new(&output.stack, output.memory_outputs.as_ref()),
        };
        let json = serde_json::to_vec_pretty(&answer.outputs).map_err(Failure::failed)?;
        outputs.answer(Outcome::new(&answer)?, [&json[..]])
    }
}

/// The answer of `run`.
#[derive(Debug, Serialize)]
struct RunAnswer {
    #[serde(flatten)]
    code: CodeAnswer,
    cycles: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    call: Option<CallAnswer>,
    #[serde(flatten)]
    outputs: OutputsAnswer,
}

impl fmt::Display for RunAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        writeln!(f, "cycles       {}", self.cycles)?;
        if let Some(call) = &self.call {
            write!(f, "{call}")?;
        }
        write!(f, "{}", self.outputs)
    }
}

/// A call with values, and its result.
#[derive(Debug, Serialize)]
pub struct CallAnswer {
    /// The function as WIT has it.
    function: String,
    /// The parameters, in WAVE.
    params: Vec<String>,
    /// The result, in WAVE; nothing if the function has none.
    result: Option<String>,
}

impl CallAnswer {
    /// A call whose run ended with this stack and this advice.
    ///
    /// # Errors
    /// Returns an error if the result is none of the function's type.
    pub fn new(
        call: &TypedCall,
        outputs: &StackOutputs,
        advice: Option<&AdviceProvider>,
    ) -> Result<Self, Failure> {
        let stack: Vec<Felt> = outputs.iter().copied().collect();
        let result = call.result(&stack, advice).map_err(Failure::failed)?;
        Ok(Self {
            function: call.function().to_string(),
            params: call.params().iter().map(to_wave).collect(),
            result: result.as_ref().map(to_wave),
        })
    }
}

impl fmt::Display for CallAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "function     {}", self.function)?;
        writeln!(f, "called with  ({})", self.params.join(", "))?;
        match &self.result {
            Some(result) => writeln!(f, "result       {result}"),
            None => Ok(()),
        }
    }
}

/// The code that was run, by its digests, and the advisories about it.
#[derive(Debug, Serialize)]
pub struct CodeAnswer {
    program_hash: String,
    composition: Option<String>,
    advisories: AdvisoriesAnswer,
}

impl CodeAnswer {
    /// The digests of a target.
    pub fn new(target: &Target) -> Self {
        let composition = target.composition();
        Self {
            program_hash: target.program().hash().to_hex(),
            composition: composition.map(|composition| composition.commitment().to_hex()),
            advisories: AdvisoriesAnswer::new(&target.findings()),
        }
    }
}

impl fmt::Display for CodeAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "program      {}", self.program_hash)?;
        if let Some(composition) = &self.composition {
            writeln!(f, "composition  {composition}")?;
        }
        self.advisories.write(f)
    }
}

/// The outputs, as Miden writes them: all 16 elements, the top one first.
#[derive(Debug, Serialize)]
pub struct OutputsAnswer {
    stack: Vec<String>,
    /// The outputs in memory, if there is a place for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_outputs: Option<MemoryAnswer>,
}

impl OutputsAnswer {
    /// The elements of `outputs`, and of those in memory.
    pub fn new(outputs: &StackOutputs, memory: Option<&MemorySegment>) -> Self {
        Self {
            stack: outputs.iter().map(ToString::to_string).collect(),
            memory_outputs: memory.map(MemoryAnswer::from),
        }
    }
}

impl fmt::Display for OutputsAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let used = self.stack.iter().rposition(|element| element != "0");
        let shown = &self.stack[..used.map_or(0, |last| last + 1)];
        writeln!(f, "outputs      [{}], then zeros", shown.join(", "))?;
        write_memory(f, "outputs", &self.memory_outputs)
    }
}
