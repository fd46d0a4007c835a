//! The debugger on lines of text, for terminals without a screen, and for pipes.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use miden_cvm::debug::{Debugger, Stop};

use super::{
    super::outcome::Failure,
    command::{NewOutput, execute, situation},
};

/// The most bytes of a command.
const MAX_LINE: u64 = 1 << 16;

/// Reads commands from the standard input and writes answers to the standard output, until either ends.
///
/// # Errors
/// Returns an error if the input cannot be read, or the output not be written.
pub fn run(mut debugger: Debugger<'_>) -> Result<(), Failure> {
    let with_prompt = io::stdin().is_terminal();
    let mut output = io::stdout().lock();
    let begin = situation(&mut debugger, &Stop::Start);
    let mut output_of_run = NewOutput::default();
    let mut last = String::new();
    match write(&mut output, &begin, with_prompt) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
        written => written.map_err(Failure::failed)?,
    }
    let mut input = io::stdin().lock();
    while let Some(line) = next_line(&mut input).map_err(Failure::failed)? {
        let line = if line.trim().is_empty() { &last } else { &line };
        let reply = execute(&mut debugger, line, &mut || false);
        if reply.quits {
            break;
        }
        let text = format!("{}{}", output_of_run.of(&debugger), reply.text);
        last = if reply.stop.is_some() {
            line.clone()
        } else {
            String::new()
        };
        match write(&mut output, &text, with_prompt) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            written => written.map_err(Failure::failed)?,
        }
    }
    Ok(())
}

/// The next line of the commands; nothing at their end. What is not text in it is no command, and one that is too
/// long goes on as the next one.
fn next_line(input: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    let read = input.take(MAX_LINE).read_until(b'\n', &mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok((read > 0).then(|| text.trim_end_matches(['\r', '\n']).to_owned()))
}

fn write(output: &mut impl Write, text: &str, with_prompt: bool) -> io::Result<()> {
    output.write_all(text.as_bytes())?;
    if with_prompt {
        output.write_all(b"(debug) ")?;
    }
    output.flush()
}
