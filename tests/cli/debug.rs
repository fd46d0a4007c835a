//! The debugger: as a library, on lines of text, and behind the Debug Adapter Protocol.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use miden_cvm::{
    ExecutionOptions, Felt, Inputs, Loader,
    debug::{Breakpoint, Debugger, Direction, Movement, Stop},
    execute,
};
use serde_json::{Value, json};

use super::{Folder, example, traps::chain};

use Direction::{Backwards, Forwards};

/// Three instances that call each other, the last of which traps.
fn trapping() -> Folder {
    let folder = chain();
    folder.write(
        "shop/app/app.masm",
        "pub proc main\n    push.7 push.1\n    call.imports::buy\n    drop\nend\n",
    );
    folder
}

// THE LIBRARY
// ------------------------------------------------------------------------------------------------

/// The cycle, the stack, the places of open procedures, and the memory of the running context.
type Shown = (u32, Vec<Felt>, Vec<String>, Vec<(u32, Felt)>);

/// The output of a debugger.
fn shown(debugger: &mut Debugger<'_>) -> Shown {
    let frames = debugger.frames().into_iter();
    let context = debugger.context();
    (
        debugger.cycle(),
        debugger.stack().to_vec(),
        frames.map(|frame| frame.place.to_string()).collect(),
        debugger.used_memory(context),
    )
}

/// Going back shows what was there, and a run that is debugged ends as it does otherwise.
#[test]
fn back_is_where_it_came_from() {
    let path = example("vault");
    let target = Loader::new().load(&path).expect("a target");
    let inputs = Inputs::read(&path.join("vault.inputs")).expect("inputs");
    let options = ExecutionOptions::default();
    let mut debugger = Debugger::new(&target, inputs.clone(), options).expect("it starts");
    let mut never = || false;
    let movements = [
        Movement::Into,
        Movement::Into,
        Movement::Cycle,
        Movement::Into,
        Movement::Over,
    ];
    let mut history = vec![shown(&mut debugger)];
    for movement in movements.into_iter().cycle().take(150) {
        if debugger.go(Forwards, movement, &mut never) != Stop::Moved {
            break;
        }
        history.push(shown(&mut debugger));
    }
    assert!(history.len() > 50, "{}", history.len());
    let contexts = history.iter().filter(|shown| shown.2.len() > 2);
    assert!(contexts.count() > 10);
    for seen in history.iter().rev().step_by(7) {
        let stop = debugger.go(Backwards, Movement::To(seen.0), &mut never);
        assert!(matches!(stop, Stop::Moved | Stop::Start), "{stop:?}");
        assert_eq!(shown(&mut debugger), *seen);
    }
    let here = shown(&mut debugger);
    debugger.go(Forwards, Movement::Cycle, &mut never);
    assert_ne!(shown(&mut debugger), here);
    debugger.go(Backwards, Movement::Cycle, &mut never);
    assert_eq!(shown(&mut debugger), here);

    assert_eq!(
        debugger.go(Forwards, Movement::Continue, &mut never),
        Stop::Ended
    );
    let expected = execute(
        &target,
        inputs.arguments,
        inputs.advice,
        &mut target.host(),
        options,
    );
    let expected = expected.expect("it runs");
    assert_eq!(debugger.outputs(), Some(&expected.stack));
    assert_eq!(debugger.cycle(), expected.cycles);
}

/// A line step goes over calls, into them, and out; every kind of breakpoint stops the run.
#[test]
fn lines_and_breakpoints() {
    let folder = trapping();
    let target = Loader::new().load(&folder.path("shop")).expect("a target");
    let mut debugger =
        Debugger::new(&target, Inputs::default(), ExecutionOptions::default()).expect("a run");
    let mut never = || false;
    let line = |debugger: &mut Debugger<'_>| {
        let frames = debugger.frames();
        let place = &frames[0].place;
        (
            place.procedure.clone().unwrap_or_default(),
            place.line.unwrap_or_default(),
        )
    };
    let at = |procedure: &str, line| (procedure.to_owned(), line);
    assert_eq!(
        debugger.go(Forwards, Movement::Into, &mut never),
        Stop::Moved
    );
    assert_eq!(line(&mut debugger), at("app::main", 2));
    debugger.go(Forwards, Movement::Over, &mut never);
    assert_eq!(line(&mut debugger), at("app::main", 3));
    debugger.go(Forwards, Movement::Into, &mut never);
    assert_eq!(line(&mut debugger), at("store::buy", 6));
    assert_eq!(debugger.frames().len(), 2);
    debugger.go(Forwards, Movement::Into, &mut never);
    assert_eq!(line(&mut debugger), at("store::pay", 2));
    debugger.go(Backwards, Movement::Out, &mut never);
    assert_eq!(line(&mut debugger).0, "store::buy");
    debugger.restart().expect("it starts again");

    let breakpoints = [
        Breakpoint::Line {
            file: "bank.masm".into(),
            line: 3,
        },
        Breakpoint::Procedure {
            instance: Some("store".into()),
            name: "buy".into(),
        },
        Breakpoint::Instance("bank".into()),
        Breakpoint::Trap {
            rule: Some("FailedAssertion".into()),
        },
    ];
    for breakpoint in breakpoints {
        debugger
            .add_breakpoint(breakpoint)
            .expect("a place to stop");
    }
    let mut hits = Vec::new();
    while let Stop::Breakpoints(numbers) = debugger.go(Forwards, Movement::Continue, &mut never) {
        hits.extend(numbers);
        if debugger.trap().is_some() {
            break;
        }
    }
    assert_eq!(hits, [2, 3, 1, 4]);
    let stop = debugger.go(Backwards, Movement::Continue, &mut never);
    assert_eq!(stop, Stop::Breakpoints(vec![1]));
    assert_eq!(line(&mut debugger), at("bank::check", 3));
    let unknown = [
        Breakpoint::Procedure {
            instance: None,
            name: "sell".into(),
        },
        Breakpoint::Instance("cellar".into()),
        Breakpoint::Line {
            file: "bank.masm".into(),
            line: 99,
        },
    ];
    for breakpoint in unknown {
        debugger
            .add_breakpoint(breakpoint)
            .expect_err("nothing to stop at");
    }
}

// LINES OF TEXT
// ------------------------------------------------------------------------------------------------

/// The debugger's answers to these lines.
fn told(target: &Path, lines: impl AsRef<[u8]>) -> String {
    let mut child = start(&["debug", "--plain"], Some(target));
    let mut stdin = child.stdin.take().expect("an input");
    stdin.write_all(lines.as_ref()).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    String::from_utf8(output.stdout).expect("text")
}

fn start(words: &[&str], target: Option<&Path>) -> Child {
    Command::new(env!("CARGO_BIN_EXE_miden-cvm"))
        .args(words)
        .args(target)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts")
}

#[test]
fn lines_drive_it() {
    let folder = trapping();
    let lines = "break bank.masm:3\ncontinue\nwhere\nbs\nstack\ninstances\nlist\ncontinue\ncontinue\n\
                 bc\nbc\ngoto 0\nbreak cellar\nbreak trap Poverty\nfly\nused\nquit\nstack\n";
    let text = told(&folder.path("shop"), lines);
    for part in [
        "breakpoint 1 at line ",
        "breakpoint 1, cycle ",
        ": bank::check of `bank` (",
        "     3  assert_eq.err=\"too poor\"",
        "store::pay of `store` (",
        "app::main of `app` (",
        "     2  push.1 push.2",
        "bank                 runs, called by store",
        "store                waits, called by app",
        ">    2      push.1 push.2",
        "trapped at cycle ",
        "too poor",
        "at the start",
        "error: no procedure is called `cellar`",
        "error: there is no rule `Poverty`; the rules are AceChipError, ",
        ", FailedAssertion, ",
        "error: `fly` is not a command",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // Nothing is answered after the end.
    assert!(!text.ends_with(" 15  0\n"), "{text}");
}

/// Bytes that are no text are no command, and no end of the session.
#[test]
fn noise_is_answered_as_an_unknown_command() {
    let folder = Folder::new(&[("main.masm", "begin push.1 drop end")]);
    let long = "x".repeat(200_000);
    let lines = [
        &b"\xff\xfe\n\0\r\nbreak instance shop\n"[..],
        long.as_bytes(),
        b"\nstep\nstack\n",
    ];
    let text = told(&folder.path("main.masm"), lines.concat());
    assert!(text.contains("is not a command"), "{text}");
    assert!(
        text.contains("a program without components has none"),
        "{text}"
    );
    assert!(text.contains(" 15  0\n"), "{text}");
}

/// Handles, whose they are, and what they stand for.
#[test]
fn tables_and_advice_are_shown() {
    let lines = "advice\nbreak reader/read\ncontinue\ntables\nmemory vault 0 2\n";
    let text = told(&example("vault"), lines);
    for part in [
        "stack [",
        "map of ",
        "own vault.bank:vault/vault@1.0.0#account, stands for ",
        "of `reader`",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

// THE DEBUG ADAPTER PROTOCOL
// ------------------------------------------------------------------------------------------------

/// A client.
struct Client {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    seq: u64,
    events: VecDeque<Value>,
}

impl Client {
    fn start(words: &[&str]) -> Self {
        let mut child = start(words, None);
        Self {
            input: child.stdin.take().expect("an input"),
            output: BufReader::new(child.stdout.take().expect("an output")),
            child,
            seq: 0,
            events: VecDeque::new(),
        }
    }

    fn receive(&mut self) -> Value {
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.output.read_line(&mut line).expect("a header");
            match line.trim_end().split_once(": ") {
                Some(("Content-Length", digits)) => length = digits.parse().expect("a length"),
                _ => break,
            }
        }
        let mut bytes = vec![0; length];
        self.output.read_exact(&mut bytes).expect("a body");
        serde_json::from_slice(&bytes).expect("JSON")
    }

    fn send(&mut self, command: &str, arguments: Value) {
        self.seq += 1;
        let message = json!({
            "seq": self.seq, "type": "request", "command": command, "arguments": arguments,
        })
        .to_string();
        write!(
            self.input,
            "Content-Length: {}\r\n\r\n{message}",
            message.len()
        )
        .expect("it reads");
        self.input.flush().expect("it reads");
    }

    /// The response to a request; events before it are kept.
    fn ask(&mut self, command: &str, arguments: Value) -> Value {
        self.send(command, arguments);
        loop {
            let message = self.receive();
            if message["type"] == "event" {
                self.events.push_back(message);
                continue;
            }
            assert_eq!(message["command"], command);
            assert_eq!(message["request_seq"], self.seq);
            return message;
        }
    }

    fn done(&mut self, command: &str, arguments: Value) -> Value {
        let response = self.ask(command, arguments);
        assert_eq!(response["success"], true, "{response}");
        response["body"].clone()
    }

    /// The next event of a kind; others are passed over.
    fn event(&mut self, name: &str) -> Value {
        loop {
            let event = match self.events.pop_front() {
                Some(event) => event,
                None => self.receive(),
            };
            if event["event"] == name {
                return event["body"].clone();
            }
        }
    }

    fn top_frame(&mut self) -> (String, u64) {
        let trace = self.done("stackTrace", json!({ "threadId": 1 }));
        let frame = &trace["stackFrames"][0];
        let name = frame["name"].as_str().expect("a name").to_owned();
        (name, frame["line"].as_u64().expect("a line"))
    }
}

#[test]
fn a_debug_adapter() {
    let folder = trapping();
    let mut client = Client::start(&["debug", "--dap"]);
    let early = client.ask("stackTrace", json!({ "threadId": 1 }));
    assert_eq!(early["success"], false);
    let abilities = client.done("initialize", json!({ "adapterID": "miden-cvm" }));
    assert_eq!(abilities["supportsStepBack"], true);
    let nowhere = client.ask("launch", json!({ "program": folder.path("nowhere") }));
    assert_eq!(nowhere["success"], false);
    let program = folder.path("shop");
    client.done("launch", json!({ "program": program, "stopOnEntry": true }));
    client.event("initialized");

    let bank = folder.path("shop/bank/bank.masm");
    let lines = json!([{ "line": 3 }, { "line": 400 }]);
    let set = json!({ "source": { "path": bank }, "breakpoints": lines });
    let set = client.done("setBreakpoints", set);
    assert_eq!(set["breakpoints"][0]["verified"], true, "{set}");
    assert_eq!(set["breakpoints"][0]["line"], 3);
    assert_eq!(set["breakpoints"][1]["verified"], false);
    let functions = json!({ "breakpoints": [{ "name": "store/buy" }, { "name": "cellar" }] });
    let functions = client.done("setFunctionBreakpoints", functions);
    assert_eq!(functions["breakpoints"][0]["verified"], true, "{functions}");
    assert_eq!(functions["breakpoints"][1]["verified"], false);
    client.done("setExceptionBreakpoints", json!({ "filters": ["trap"] }));
    client.done("configurationDone", json!({}));
    assert_eq!(client.event("stopped")["reason"], "entry");
    let threads = client.done("threads", json!({}));
    assert_eq!(threads["threads"][0]["id"], 1);

    client.done("continue", json!({ "threadId": 1 }));
    let stopped = client.event("stopped");
    assert_eq!(stopped["reason"], "breakpoint");
    assert_eq!(
        stopped["hitBreakpointIds"],
        json!([functions["breakpoints"][0]["id"]])
    );
    // A branch has begun, and in it another procedure.
    let trace = client.done("stackTrace", json!({ "threadId": 1 }));
    let frames = trace["stackFrames"].as_array().expect("frames");
    let mut names = frames.iter().map(|frame| &frame["name"]);
    assert!(
        names.any(|name| name == "store: store:store::buy"),
        "{trace}"
    );
    client.done("continue", json!({ "threadId": 1 }));
    let stopped = client.event("stopped");
    assert_eq!(
        stopped["hitBreakpointIds"],
        json!([set["breakpoints"][0]["id"]])
    );
    let trace = client.done("stackTrace", json!({ "threadId": 1 }));
    let frames = trace["stackFrames"].as_array().expect("frames");
    let names: Vec<&str> = frames
        .iter()
        .filter_map(|frame| frame["name"].as_str())
        .collect();
    assert_eq!(
        (names[0], names.last()),
        ("bank: bank::check", Some(&"app: app::main"))
    );
    let path = frames[0]["source"]["path"].as_str().expect("a path");
    assert_eq!(
        Path::new(path).canonicalize().ok(),
        bank.canonicalize().ok()
    );

    let scopes = client.done("scopes", json!({ "frameId": 1 }));
    let scopes: Vec<(&str, u64)> = scopes["scopes"]
        .as_array()
        .expect("scopes")
        .iter()
        .filter_map(|scope| {
            Some((
                scope["name"].as_str()?,
                scope["variablesReference"].as_u64()?,
            ))
        })
        .collect();
    assert_eq!(scopes[0].0, "Operand stack");
    assert_eq!(scopes[1].0, "Memory of bank");
    let mut variables = |reference: u64| -> Vec<Value> {
        let asked = json!({ "variablesReference": reference });
        let variables = client.done("variables", asked);
        variables["variables"].as_array().expect("a list").clone()
    };
    let stack = variables(scopes[0].1);
    assert_eq!(
        (&stack[0]["value"], &stack[1]["value"]),
        (&json!("2"), &json!("1"))
    );
    for (_, reference) in &scopes[1..] {
        variables(*reference);
    }

    client.done("stepBack", json!({ "threadId": 1 }));
    assert_eq!(client.event("stopped")["reason"], "step");
    assert_eq!(client.top_frame(), ("bank: bank::check".into(), 2));
    client.done("next", json!({ "threadId": 1 }));
    client.event("stopped");
    assert_eq!(client.top_frame(), ("bank: bank::check".into(), 3));
    let said = json!({ "expression": "instances", "context": "watch" });
    let said = client.done("evaluate", said);
    assert!(
        said["result"]
            .as_str()
            .is_some_and(|text| text.contains("bank"))
    );
    let refused = client.ask(
        "evaluate",
        json!({ "expression": "step", "context": "watch" }),
    );
    assert_eq!(refused["success"], false);
    client.done(
        "evaluate",
        json!({ "expression": "goto 0", "context": "repl" }),
    );
    assert_eq!(client.event("stopped")["reason"], "entry");

    client.done(
        "setBreakpoints",
        json!({ "source": { "path": bank }, "breakpoints": [] }),
    );
    client.done("setFunctionBreakpoints", json!({ "breakpoints": [] }));
    client.done("continue", json!({ "threadId": 1 }));
    let stopped = client.event("stopped");
    assert_eq!(stopped["reason"], "exception");
    let trap = client.done("exceptionInfo", json!({ "threadId": 1 }));
    assert_eq!(trap["exceptionId"], "FailedAssertion");
    client.done("reverseContinue", json!({ "threadId": 1 }));
    assert_eq!(client.event("stopped")["reason"], "entry");
    client.done("continue", json!({ "threadId": 1 }));
    client.event("stopped");
    client.done("continue", json!({ "threadId": 1 }));
    assert_eq!(client.event("exited")["exitCode"], 1);
    client.event("terminated");
    client.done("disconnect", json!({}));
    assert!(client.child.wait().expect("it ends").success());
}

/// A run that goes on for ever is paused.
#[test]
fn a_run_is_paused() {
    let folder = Folder::new(&[("loop.masm", "begin push.1 while.true push.1 end end")]);
    let program = folder.path("loop.masm");
    let mut client = Client::start(&["debug", "--dap", program.to_str().expect("text")]);
    client.done("initialize", json!({}));
    client.done("launch", json!({}));
    client.done("configurationDone", json!({}));
    client.done("pause", json!({ "threadId": 1 }));
    assert_eq!(client.event("stopped")["reason"], "pause");
    client.done("disconnect", json!({}));
    assert!(client.child.wait().expect("it ends").success());
}

/// Messages that are none end the adapter with an error.
#[test]
fn what_is_no_protocol_is_refused() {
    for bytes in [
        "Content-Length: x\r\n\r\n",
        "Content-Length: 3\r\n\r\n{}",
        "hello\n\n",
        "Content-Length: 99999999999\r\n\r\n",
        "Content-Length: 2\r\n\r\n{}",
    ] {
        let mut child = start(&["debug", "--dap"], None);
        let mut stdin = child.stdin.take().expect("an input");
        // It may have ended before it has read all.
        let _ = stdin.write_all(bytes.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(1), "{bytes:?}");
        assert!(!output.stderr.is_empty());
    }
    let ended = start(&["debug", "--dap"], None)
        .wait_with_output()
        .expect("it ends");
    assert!(ended.status.success());
}
