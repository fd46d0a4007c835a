//! Messages of the Debug Adapter Protocol, as far as they are used.

use std::io::{self, BufRead, Read, Write};

use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;

/// The most bytes of a message.
const MAX_LEN: usize = 1 << 24;

/// The most bytes of a header line.
const MAX_HEADER_LEN: u64 = 1 << 10;

/// A request of a client.
#[derive(Debug, Deserialize)]
pub struct Request {
    seq: i64,
    pub command: String,
    #[serde(default)]
    pub arguments: Value,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LaunchArguments {
    pub program: Option<String>,
    /// Further options, as on the command line.
    #[serde(default)]
    pub args: Vec<String>,
    #[serde(default)]
    pub stop_on_entry: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceReference {
    pub path: Option<String>,
    pub source_reference: Option<u32>,
}

#[derive(Debug, Deserialize)]
pub struct SourceBreakpoint {
    pub line: u32,
}

#[derive(Debug, Deserialize)]
pub struct SetBreakpointsArguments {
    pub source: SourceReference,
    #[serde(default)]
    pub breakpoints: Vec<SourceBreakpoint>,
}

#[derive(Debug, Deserialize)]
pub struct FunctionBreakpoint {
    pub name: String,
}

#[derive(Debug, Deserialize)]
pub struct SetFunctionBreakpointsArguments {
    pub breakpoints: Vec<FunctionBreakpoint>,
}

#[derive(Debug, Deserialize)]
pub struct SetExceptionBreakpointsArguments {
    pub filters: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BreakpointLocationsArguments {
    pub source: SourceReference,
    pub line: u32,
    pub end_line: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StackTraceArguments {
    pub start_frame: Option<usize>,
    pub levels: Option<usize>,
}

#[derive(Debug, Deserialize)]
pub struct StepArguments {
    pub granularity: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VariablesArguments {
    pub variables_reference: u32,
    pub start: Option<usize>,
    pub count: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceArguments {
    pub source_reference: u32,
}

#[derive(Debug, Deserialize)]
pub struct EvaluateArguments {
    pub expression: String,
    pub context: Option<String>,
}

/// Why there is no message.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The input cannot be read, or ends within a message.
    #[error("the debug adapter's input: {0}")]
    Io(#[from] io::Error),
    /// A message does not say how long it is.
    #[error("a message of the debug adapter's input has no valid `Content-Length`")]
    NoLength,
    /// A message is too long.
    #[error("a message of {0} bytes is longer than the limit of {MAX_LEN} bytes")]
    TooLong(usize),
    /// A message is no request.
    #[error("a message of the debug adapter's input is not a request: {0}")]
    NoRequest(#[from] serde_json::Error),
}

/// Reads a request; nothing at the end of the input.
///
/// # Errors
/// Returns an error if there is something else than a request.
pub fn read(input: &mut impl BufRead) -> Result<Option<Request>, ReadError> {
    let mut length: Option<usize> = None;
    let mut is_first = true;
    loop {
        let mut line = String::new();
        let read = input.by_ref().take(MAX_HEADER_LEN).read_line(&mut line)?;
        match line.trim_end() {
            _ if read == 0 && is_first => return Ok(None),
            "" => break,
            line => {
                let (name, value) = line.split_once(':').ok_or(ReadError::NoLength)?;
                if name.eq_ignore_ascii_case("Content-Length") {
                    length = value.trim().parse().ok();
                }
            }
        }
        is_first = false;
    }
    let length = length.ok_or(ReadError::NoLength)?;
    if length > MAX_LEN {
        return Err(ReadError::TooLong(length));
    }
    let mut body = vec![0; length];
    input.read_exact(&mut body)?;
    Ok(Some(serde_json::from_slice(&body)?))
}

/// Writes responses and events, and numbers them.
pub struct Writer<W> {
    output: W,
    seq: i64,
}

impl<W: Write> Writer<W> {
    pub fn new(output: W) -> Self {
        Self { output, seq: 0 }
    }

    /// # Errors
    /// If it cannot be written.
    pub fn respond(&mut self, request: &Request, body: Value) -> io::Result<()> {
        self.write(json!({
            "type": "response",
            "request_seq": request.seq,
            "command": request.command,
            "success": true,
            "body": body,
        }))
    }

    /// # Errors
    /// If it cannot be written.
    pub fn refuse(&mut self, request: &Request, reason: &str) -> io::Result<()> {
        self.write(json!({
            "type": "response",
            "request_seq": request.seq,
            "command": request.command,
            "success": false,
            "message": reason,
            "body": { "error": { "id": 1, "format": reason, "showUser": true } },
        }))
    }

    /// # Errors
    /// If it cannot be written.
    pub fn event(&mut self, name: &str, body: Value) -> io::Result<()> {
        self.write(json!({ "type": "event", "event": name, "body": body }))
    }

    fn write(&mut self, mut message: Value) -> io::Result<()> {
        self.seq += 1;
        message["seq"] = self.seq.into();
        if message["body"].is_null()
            && let Some(message) = message.as_object_mut()
        {
            message.remove("body");
        }
        let text = message.to_string();
        write!(self.output, "Content-Length: {}\r\n\r\n{text}", text.len())?;
        self.output.flush()
    }
}
