//! The debugger behind the Debug Adapter Protocol, on the standard input and output.
//!
//! A thread reads requests, so that a run can be interrupted; all else happens on one thread.

mod protocol;

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

use clap::Parser;
use miden_cvm::{
    CodePlace,
    debug::{Breakpoint, Debugger, Direction, Movement, Stop},
};
use miden_cvm_processor::ContextId;
use protocol::{
    BreakpointLocationsArguments, EvaluateArguments, LaunchArguments, Request,
    SetBreakpointsArguments, SetExceptionBreakpointsArguments, SetFunctionBreakpointsArguments,
    SourceArguments, StackTraceArguments, StepArguments, VariablesArguments, Writer, read,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{
    super::{outcome::Failure, source::Source},
    command::{self, NewOutput},
    load, start,
};

/// The only thread that a run has.
const THREAD: u32 = 1;

// What `variables` is asked for. Memory of contexts comes after these, by number.
const STACK: u32 = 1;
const INSTANCES: u32 = 2;
const TABLES: u32 = 3;
const ADVICE: u32 = 4;
const FIRST_MEMORY: u32 = 16;

/// The filter of exceptions that stands for traps.
const TRAPS: &str = "trap";

/// Answers requests until a client disconnects or the input ends.
///
/// # Errors
/// Returns an error if the input is not of the protocol, or the output cannot be written.
pub fn serve(source: Option<&Source>) -> Result<(), Failure> {
    let (sender, requests) = channel();
    let interrupts = Arc::new(AtomicUsize::new(0));
    let count = interrupts.clone();
    thread::spawn(move || read_all(&sender, &count));
    let mut client = Client {
        requests,
        interrupts,
        writer: Writer::new(io::stdout()),
    };
    match client.serve(source) {
        // Nobody is listening any more.
        Err(End::Disconnected) => Ok(()),
        Err(End::Failed(failure)) => Err(failure),
        Ok(()) => Ok(()),
    }
}

fn read_all(requests: &Sender<Result<Request, Failure>>, interrupts: &AtomicUsize) {
    let mut input = io::stdin().lock();
    loop {
        let request = match read(&mut input) {
            Ok(Some(request)) => Ok(request),
            Ok(None) => return,
            Err(reason) => Err(Failure::failed(reason)),
        };
        let is_last = request.is_err();
        if let Ok(request) = &request
            && stops_the_run(request)
        {
            interrupts.fetch_add(1, Ordering::Relaxed);
        }
        if requests.send(request).is_err() || is_last {
            return;
        }
    }
}

/// Returns `true` if a request is one that cannot wait until the run stops by itself.
fn stops_the_run(request: &Request) -> bool {
    matches!(
        request.command.as_str(),
        "pause" | "disconnect" | "terminate"
    )
}

/// Why there are no more answers.
enum End {
    Disconnected,
    Failed(Failure),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Disconnected,
            _ => Self::Failed(Failure::failed(error)),
        }
    }
}

/// Who asks.
struct Client {
    requests: Receiver<Result<Request, Failure>>,
    /// The number of requests that stop a run which have been read and not answered.
    interrupts: Arc<AtomicUsize>,
    writer: Writer<io::Stdout>,
}

/// The options of a run, as the launch request has them.
#[derive(Debug, Parser)]
#[command(no_binary_name = true)]
struct Launch {
    #[command(flatten)]
    source: Source,
}

impl Client {
    fn next(&self) -> Result<Request, End> {
        match self.requests.recv() {
            Ok(Ok(request)) => {
                if stops_the_run(&request) {
                    self.interrupts.fetch_sub(1, Ordering::Relaxed);
                }
                Ok(request)
            }
            Ok(Err(failure)) => Err(End::Failed(failure)),
            Err(_) => Err(End::Disconnected),
        }
    }

    /// Answers until the end of what is debugged.
    fn serve(&mut self, source: Option<&Source>) -> Result<(), End> {
        loop {
            let request = self.next()?;
            match request.command.as_str() {
                "initialize" => self.writer.respond(&request, capabilities())?,
                "launch" => match self.launch(source, &request) {
                    Ok(launched) => return launched,
                    Err(reason) => self.writer.refuse(&request, &reason)?,
                },
                "disconnect" | "terminate" => {
                    self.writer.respond(&request, Value::Null)?;
                    return Ok(());
                }
                _ => self.writer.refuse(&request, "nothing was launched yet")?,
            }
        }
    }

    /// Loads what is to be debugged and answers requests about it. The outer error is that of a
    /// launch that fails.
    fn launch(
        &mut self,
        source: Option<&Source>,
        request: &Request,
    ) -> Result<Result<(), End>, String> {
        let arguments: LaunchArguments = parsed(request)?;
        let parsed = match (source, &arguments.program) {
            (Some(_), _) => None,
            (None, Some(program)) => {
                let words = [program].into_iter().chain(&arguments.args);
                let launch = Launch::try_parse_from(words.map(OsString::from));
                Some(launch.map_err(|error| error.to_string())?.source)
            }
            (None, None) => return Err("the launch request names no `program`".into()),
        };
        // One of them is there.
        let Some(source) = source.or(parsed.as_ref()) else {
            return Err("the launch request names no `program`".into());
        };
        let loaded = load(source).map_err(|failure| failure.to_string())?;
        let debugger = start(&loaded).map_err(|failure| failure.to_string())?;
        let mut session = Session {
            client: self,
            debugger,
            stop_on_entry: arguments.stop_on_entry,
            stops_at_traps: true,
            of_files: BTreeMap::new(),
            of_functions: Vec::new(),
            output: NewOutput::default(),
        };
        Ok(session.begin(request))
    }
}

fn parsed<T: DeserializeOwned>(request: &Request) -> Result<T, String> {
    let arguments = match &request.arguments {
        Value::Null => json!({}),
        arguments => arguments.clone(),
    };
    serde_json::from_value(arguments)
        .map_err(|error| format!("the arguments of `{}`: {error}", request.command))
}

fn capabilities() -> Value {
    json!({
        "supportsConfigurationDoneRequest": true,
        "supportsFunctionBreakpoints": true,
        "supportsStepBack": true,
        "supportsRestartRequest": true,
        "supportsTerminateRequest": true,
        "supportsExceptionInfoRequest": true,
        "supportsLoadedSourcesRequest": true,
        "supportsBreakpointLocationsRequest": true,
        "supportsSteppingGranularity": true,
        "exceptionBreakpointFilters": [{
            "filter": TRAPS,
            "label": "Traps",
            "default": true,
        }],
    })
}

/// A run that is debugged.
struct Session<'c, 't> {
    client: &'c mut Client,
    debugger: Debugger<'t>,
    stop_on_entry: bool,
    stops_at_traps: bool,
    /// The breakpoints in each file.
    of_files: BTreeMap<String, Vec<u32>>,
    of_functions: Vec<u32>,
    output: NewOutput,
}

/// The answer to a request, and what happens then.
enum Answer {
    Body(Value),
    /// The run goes on.
    Goes(Direction, Movement),
    /// It stands somewhere else.
    Moved(Value, Stop),
    /// The session is over.
    Over,
}

impl Session<'_, '_> {
    fn begin(&mut self, launch: &Request) -> Result<(), End> {
        self.client.writer.respond(launch, Value::Null)?;
        self.client.writer.event("initialized", Value::Null)?;
        loop {
            let request = self.client.next()?;
            match self.answer(&request) {
                Err(reason) => self.client.writer.refuse(&request, &reason)?,
                Ok(Answer::Body(body)) => self.client.writer.respond(&request, body)?,
                Ok(Answer::Moved(body, stop)) => {
                    self.client.writer.respond(&request, body)?;
                    self.tell(&stop)?;
                }
                Ok(Answer::Goes(direction, movement)) => {
                    let body = json!({ "allThreadsContinued": true });
                    self.client.writer.respond(&request, body)?;
                    let interrupts = self.client.interrupts.clone();
                    let mut interrupted = || interrupts.load(Ordering::Relaxed) > 0;
                    let stop = self.debugger.go(direction, movement, &mut interrupted);
                    self.tell(&stop)?;
                }
                Ok(Answer::Over) => {
                    self.client.writer.respond(&request, Value::Null)?;
                    return Ok(());
                }
            }
        }
    }

    /// Tells why the run stopped.
    fn tell(&mut self, stop: &Stop) -> Result<(), End> {
        let printed = self.output.of(&self.debugger);
        if !printed.is_empty() {
            self.say("stdout", &printed)?;
        }
        let (reason, hits) = match stop {
            Stop::Start => ("entry", Vec::new()),
            Stop::Moved => ("step", Vec::new()),
            Stop::Breakpoints(hits) => ("breakpoint", hits.clone()),
            Stop::Interrupted => ("pause", Vec::new()),
            Stop::Trapped if self.stops_at_traps => ("exception", Vec::new()),
            Stop::Trapped | Stop::Ended => {
                let failed = *stop == Stop::Trapped;
                let text = command::situation(&mut self.debugger, stop);
                self.say(if failed { "stderr" } else { "stdout" }, &text)?;
                let code = i32::from(failed);
                self.client
                    .writer
                    .event("exited", json!({ "exitCode": code }))?;
                self.client.writer.event("terminated", Value::Null)?;
                return Ok(());
            }
        };
        let text = self.debugger.trap().map(|trap| trap.reason.clone());
        let body = json!({
            "reason": reason,
            "text": text,
            "threadId": THREAD,
            "allThreadsStopped": true,
            "hitBreakpointIds": hits,
        });
        Ok(self.client.writer.event("stopped", body)?)
    }

    fn say(&mut self, category: &str, text: &str) -> Result<(), End> {
        let body = json!({ "category": category, "output": text });
        Ok(self.client.writer.event("output", body)?)
    }

    fn answer(&mut self, request: &Request) -> Result<Answer, String> {
        use Direction::{Backwards, Forwards};
        let is_over = self.debugger.trap().is_some() || self.debugger.outputs().is_some();
        let step = |direction, movement| -> Result<Answer, String> {
            let StepArguments { granularity } = parsed(request)?;
            let movement = match granularity.as_deref() {
                Some("instruction") => Movement::Cycle,
                _ => movement,
            };
            Ok(Answer::Goes(direction, movement))
        };
        match request.command.as_str() {
            "configurationDone" if self.stop_on_entry => {
                Ok(Answer::Moved(Value::Null, Stop::Start))
            }
            "configurationDone" => Ok(Answer::Goes(Forwards, Movement::Continue)),
            "continue" | "next" | "stepIn" | "stepOut" if is_over => {
                // After a trap there is only the way back.
                self.stops_at_traps = false;
                Ok(Answer::Moved(Value::Null, Stop::Trapped))
            }
            "continue" => Ok(Answer::Goes(Forwards, Movement::Continue)),
            "next" => step(Forwards, Movement::Over),
            "stepIn" => step(Forwards, Movement::Into),
            "stepOut" => step(Forwards, Movement::Out),
            "stepBack" => step(Backwards, Movement::Over),
            "reverseContinue" => Ok(Answer::Goes(Backwards, Movement::Continue)),
            "restart" => {
                self.debugger.restart().map_err(|error| error.to_string())?;
                match self.stop_on_entry {
                    true => Ok(Answer::Moved(Value::Null, Stop::Start)),
                    false => Ok(Answer::Goes(Forwards, Movement::Continue)),
                }
            }
            // The run stands already when this is answered.
            "pause" => Ok(Answer::Body(Value::Null)),
            "disconnect" | "terminate" => Ok(Answer::Over),
            "threads" => {
                let threads = json!({ "threads": [{ "id": THREAD, "name": "the run" }] });
                Ok(Answer::Body(threads))
            }
            "setBreakpoints" => self.set_breakpoints(parsed(request)?).map(Answer::Body),
            "setFunctionBreakpoints" => {
                let arguments = parsed(request)?;
                Ok(Answer::Body(self.set_function_breakpoints(arguments)))
            }
            "setExceptionBreakpoints" => {
                let SetExceptionBreakpointsArguments { filters } = parsed(request)?;
                self.stops_at_traps = filters.iter().any(|filter| filter == TRAPS);
                Ok(Answer::Body(Value::Null))
            }
            "breakpointLocations" => Ok(Answer::Body(self.breakpoint_locations(&parsed(request)?))),
            "stackTrace" => Ok(Answer::Body(self.stack_trace(&parsed(request)?))),
            "scopes" => Ok(Answer::Body(self.scopes())),
            "variables" => self.variables(&parsed(request)?).map(Answer::Body),
            "source" => {
                let SourceArguments { source_reference } = parsed(request)?;
                let number = (source_reference as usize).checked_sub(1);
                let file = number.and_then(|number| self.files().nth(number).map(str::to_owned));
                let text = file.and_then(|file| self.debugger.source(&file));
                let text = text.ok_or("there is no such source")?;
                Ok(Answer::Body(json!({ "content": text })))
            }
            "loadedSources" => {
                let sources: Vec<Value> = self.files().map(|file| self.source(file)).collect();
                Ok(Answer::Body(json!({ "sources": sources })))
            }
            "exceptionInfo" => {
                let trap = self.debugger.trap().ok_or("the run has not trapped")?;
                Ok(Answer::Body(json!({
                    "exceptionId": trap.rule,
                    "description": trap.reason,
                    "breakMode": "always",
                    "details": { "message": trap.to_string() },
                })))
            }
            "evaluate" => self.evaluate(&parsed(request)?),
            other => Err(format!("`{other}` is not supported")),
        }
    }

    fn set_breakpoints(&mut self, arguments: SetBreakpointsArguments) -> Result<Value, String> {
        let source = &arguments.source;
        let number = source
            .source_reference
            .and_then(|n| (n as usize).checked_sub(1));
        let generated = number.and_then(|number| self.files().nth(number).map(str::to_owned));
        let file = generated.or_else(|| source.path.clone());
        let file = file.ok_or("the source has neither a path nor a reference")?;
        for number in self.of_files.remove(&file).unwrap_or_default() {
            self.debugger.remove_breakpoint(number);
        }
        let mut set = Vec::new();
        let mut answers = Vec::new();
        for wanted in &arguments.breakpoints {
            let breakpoint = Breakpoint::Line {
                file: file.clone(),
                line: wanted.line,
            };
            answers.push(self.set(breakpoint, &mut set));
        }
        self.of_files.insert(file, set);
        Ok(json!({ "breakpoints": answers }))
    }

    fn set_function_breakpoints(&mut self, arguments: SetFunctionBreakpointsArguments) -> Value {
        for number in std::mem::take(&mut self.of_functions) {
            self.debugger.remove_breakpoint(number);
        }
        let mut set = Vec::new();
        let mut answers = Vec::new();
        for wanted in &arguments.breakpoints {
            let words: Vec<&str> = wanted.name.split_whitespace().collect();
            answers.push(match command::breakpoint(&words) {
                Ok(breakpoint) => self.set(breakpoint, &mut set),
                Err(reason) => json!({ "verified": false, "message": reason }),
            });
        }
        self.of_functions = set;
        json!({ "breakpoints": answers })
    }

    /// Sets a breakpoint, and says where it is.
    fn set(&mut self, breakpoint: Breakpoint, set: &mut Vec<u32>) -> Value {
        match self.debugger.add_breakpoint(breakpoint) {
            Ok(number) => {
                set.push(number);
                let line = match self.debugger.breakpoints().last() {
                    Some((_, Breakpoint::Line { line, .. })) => Some(*line),
                    _ => None,
                };
                json!({ "id": number, "verified": true, "line": line })
            }
            Err(error) => json!({ "verified": false, "message": error.to_string() }),
        }
    }

    fn breakpoint_locations(&self, arguments: &BreakpointLocationsArguments) -> Value {
        let wanted = arguments.line..=arguments.end_line.unwrap_or(arguments.line);
        let path = arguments.source.path.as_deref().unwrap_or_default();
        let mut files = self.debugger.lines();
        let found = files.find(|(file, _)| Path::new(path).ends_with(file));
        let lines = found.into_iter().flat_map(|(_, lines)| lines);
        let lines = lines.filter(|line| wanted.contains(line));
        let lines: Vec<Value> = lines.map(|line| json!({ "line": line })).collect();
        json!({ "breakpoints": lines })
    }

    /// The files that code comes from; a source's reference is its place among them, from 1.
    fn files(&self) -> impl Iterator<Item = &str> {
        self.debugger.lines().map(|(file, _)| file)
    }

    /// A source file: on disk by its path, else by its reference.
    fn source(&self, file: &str) -> Value {
        let name = Path::new(file).file_name().and_then(|name| name.to_str());
        let name = name.unwrap_or(file);
        if let Ok(path) = std::fs::canonicalize(file) {
            return json!({ "name": name, "path": path });
        }
        let reference = self.files().position(|known| known == file);
        json!({ "name": name, "path": file, "sourceReference": reference.map_or(0, |i| i + 1) })
    }

    fn stack_trace(&mut self, arguments: &StackTraceArguments) -> Value {
        let frames = self.debugger.frames();
        let first = arguments.start_frame.unwrap_or(0);
        let count = match arguments.levels {
            None | Some(0) => frames.len(),
            Some(levels) => levels,
        };
        let shown = frames.iter().enumerate().skip(first).take(count);
        let shown: Vec<Value> = shown
            .map(|(number, frame)| {
                let CodePlace {
                    instance,
                    procedure,
                    file,
                    line,
                    ..
                } = &frame.place;
                let procedure = procedure.as_deref().unwrap_or("a procedure without a name");
                let name = match instance {
                    Some(instance) => format!("{instance}: {procedure}"),
                    None => procedure.to_owned(),
                };
                let source = file.as_deref().filter(|_| line.is_some());
                json!({
                    "id": number + 1,
                    "name": name,
                    "source": source.map(|file| self.source(file)),
                    "line": line.unwrap_or(0),
                    "column": u32::from(line.is_some()),
                })
            })
            .collect();
        json!({ "stackFrames": shown, "totalFrames": frames.len() })
    }

    fn scopes(&self) -> Value {
        let scope = |name: String, reference: u32| json!({ "name": name, "variablesReference": reference, "expensive": false });
        let running = self.debugger.context();
        let name = format!("Memory of {}", self.debugger.context_name(running));
        let contexts = self.debugger.contexts();
        let memory = contexts.iter().position(|context| *context == running);
        let memory = memory.map(|place| scope(name, FIRST_MEMORY + place as u32));
        let mut scopes = vec![scope("Operand stack".into(), STACK)];
        scopes.extend(memory);
        scopes.extend([
            scope("Instances".into(), INSTANCES),
            scope("Resource tables".into(), TABLES),
            scope("Advice".into(), ADVICE),
        ]);
        json!({ "scopes": scopes })
    }

    fn variables(&self, arguments: &VariablesArguments) -> Result<Value, String> {
        let debugger = &self.debugger;
        let variable = |name: String, value: String, reference: u32| json!({ "name": name, "value": value, "variablesReference": reference });
        let lines = |lines: Vec<String>| -> Vec<Value> {
            let lines = lines.into_iter().enumerate();
            lines
                .map(|(i, line)| variable(i.to_string(), line, 0))
                .collect()
        };
        let all: Vec<Value> = match arguments.variables_reference {
            STACK => {
                let elements = debugger.stack().iter().enumerate();
                let elements =
                    elements.map(|(i, element)| variable(i.to_string(), element.to_string(), 0));
                elements.collect()
            }
            INSTANCES => {
                let contexts: Vec<ContextId> = debugger.contexts();
                let places = (FIRST_MEMORY..).zip(&contexts);
                let named = places.map(|(reference, context)| {
                    let words = debugger.used_memory(*context).len() / 4;
                    let name = debugger.context_name(*context);
                    variable(name, format!("{words} words of memory"), reference)
                });
                named.collect()
            }
            TABLES => lines(command::tables(debugger)),
            ADVICE => lines(command::advice(debugger)),
            reference => {
                let place = reference.checked_sub(FIRST_MEMORY);
                let contexts = debugger.contexts();
                let context = place.and_then(|place| contexts.get(place as usize));
                let context = context.ok_or("there are no such variables")?;
                let used = debugger.used_memory(*context);
                let words = used.chunks_exact(4).map(|word| {
                    let elements: Vec<String> =
                        word.iter().map(|(_, value)| value.to_string()).collect();
                    let value = format!("[{}]", elements.join(", "));
                    variable(word[0].0.to_string(), value, 0)
                });
                words.collect()
            }
        };
        let first = arguments.start.unwrap_or(0);
        let count = match arguments.count {
            None | Some(0) => all.len(),
            Some(count) => count,
        };
        let shown: Vec<Value> = all.into_iter().skip(first).take(count).collect();
        Ok(json!({ "variables": shown }))
    }

    /// Does what a command of the line mode says. Where it is no console, the run must not move.
    fn evaluate(&mut self, arguments: &EvaluateArguments) -> Result<Answer, String> {
        let is_console = arguments.context.as_deref() == Some("repl");
        if !is_console && command::moves(&arguments.expression) {
            return Err("this command moves the run: enter it in the console".into());
        }
        let interrupts = self.client.interrupts.clone();
        let mut interrupted = || interrupts.load(Ordering::Relaxed) > 0;
        let reply = command::execute(&mut self.debugger, &arguments.expression, &mut interrupted);
        let body = json!({ "result": reply.text, "variablesReference": 0 });
        Ok(match reply.stop {
            Some(stop) => Answer::Moved(body, stop),
            None => Answer::Body(body),
        })
    }
}
