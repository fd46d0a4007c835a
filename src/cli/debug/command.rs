//! The commands that a user can give the debugger in a line of text, and the answers to them.

use std::fmt::Write;

use miden_cvm::{
    CodePlace, Felt,
    debug::{Breakpoint, Debugger, Direction, Movement, Stop},
};
use miden_cvm_component::beginning;
use miden_cvm_processor::Entry;

/// The list of commands, for users who ask.
pub const HELP: &str = "\
step, s [COUNT]        to the next line, also of a procedure that is called
next, n [COUNT]        to the next line of this procedure
out, o                 out of this procedure
cycle, . [COUNT]       one cycle
continue, c            to a breakpoint or the end
back MOVEMENT          the same movements back: back step, back next, back out,
                       back cycle, back continue (or bs, bn, bo, bc; , for a cycle)
goto CYCLE             to a cycle, ahead or back
restart                to the start
break WHERE, b         stop at [INSTANCE/]PROCEDURE, FILE:LINE, cycle N,
                       instance NAME, trap [RULE]
breakpoints            what it stops at
delete NUMBER          no longer stop there
where, w               the open procedures, across instances
list, l [LINES]        the source around this place
stack, k               the operand stack
memory, m [INSTANCE] ADDRESS [WORDS]
                       words of memory; of the running instance if none is named
used [INSTANCE]        all memory that was used
instances, i           the instances that exist, and who called whom
tables, t              the resource tables
advice, a              the advice: stack, map, Merkle store
output                 what `debug` instructions have printed
help, h, ?             this
quit, q                the end
An empty line repeats the last movement.
";

/// The most elements of the advice stack, entries of its map and words of memory that are shown.
const MAX_SHOWN: usize = 64;

/// The most characters of a line that an error shows.
const SHOWN: usize = 60;

/// The answer to a line.
#[derive(Debug, Default)]
pub struct Reply {
    /// The text to show.
    pub text: String,
    /// Why the run stopped, if it has moved.
    pub stop: Option<Stop>,
    /// `true` if the user has enough.
    pub quits: bool,
}

impl Reply {
    fn of(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    fn moved(debugger: &mut Debugger<'_>, stop: Stop) -> Self {
        Self {
            text: situation(debugger, &stop),
            stop: Some(stop),
            quits: false,
        }
    }
}

/// The text that `debug` instructions have printed since somebody asked. Going back takes nothing
/// back.
#[derive(Debug, Default)]
pub struct NewOutput {
    shown: usize,
}

impl NewOutput {
    /// Returns what is new.
    pub fn of(&mut self, debugger: &Debugger<'_>) -> String {
        let printed = debugger.printed();
        let new = printed.get(self.shown..).unwrap_or_default().to_owned();
        self.shown = self.shown.max(printed.len());
        new
    }
}

/// Returns `true` if a line makes the run move.
pub fn moves(line: &str) -> bool {
    let word = line.split_whitespace().next().unwrap_or_default();
    movement(word).is_some() || matches!(word, "back" | "goto" | "restart")
}

/// A movement and its direction.
fn movement(word: &str) -> Option<(Direction, Movement)> {
    use Direction::{Backwards, Forwards};
    Some(match word {
        "step" | "s" => (Forwards, Movement::Into),
        "next" | "n" => (Forwards, Movement::Over),
        "out" | "o" => (Forwards, Movement::Out),
        "cycle" | "." => (Forwards, Movement::Cycle),
        "continue" | "c" => (Forwards, Movement::Continue),
        "bs" => (Backwards, Movement::Into),
        "bn" => (Backwards, Movement::Over),
        "bo" => (Backwards, Movement::Out),
        "bc" => (Backwards, Movement::Continue),
        "," => (Backwards, Movement::Cycle),
        _ => return None,
    })
}

/// Does what a line says.
pub fn execute(
    debugger: &mut Debugger<'_>,
    line: &str,
    interrupted: &mut dyn FnMut() -> bool,
) -> Reply {
    match try_execute(debugger, line, interrupted) {
        Ok(reply) => reply,
        Err(reason) => Reply::of(format!("error: {reason}\n")),
    }
}

fn try_execute(
    debugger: &mut Debugger<'_>,
    line: &str,
    interrupted: &mut dyn FnMut() -> bool,
) -> Result<Reply, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (word, arguments) = match words.split_first() {
        Some((&word, arguments)) => (word, arguments),
        None => return Ok(Reply::default()),
    };
    let told = match (word, arguments) {
        ("back", [word, rest @ ..]) => {
            let back = movement(word).ok_or_else(|| format!("there is no movement `{word}`"))?;
            Some(((Direction::Backwards, back.1), rest))
        }
        _ => movement(word).map(|told| (told, arguments)),
    };
    if let Some(((direction, movement), rest)) = told {
        let count: u32 = match rest {
            [] => 1,
            [count] => number(count)?,
            _ => return Err(format!("`{word}` takes one number")),
        };
        let mut stop = Stop::Moved;
        for _ in 0..count.max(1) {
            stop = debugger.go(direction, movement, interrupted);
            if stop != Stop::Moved {
                break;
            }
        }
        return Ok(Reply::moved(debugger, stop));
    }
    let reply = match (word, arguments) {
        ("goto", [cycle]) => {
            let movement = Movement::To(number(cycle)?);
            let stop = debugger.go(Direction::Forwards, movement, interrupted);
            Reply::moved(debugger, stop)
        }
        ("restart", []) => {
            debugger.restart().map_err(|error| error.to_string())?;
            Reply::moved(debugger, Stop::Start)
        }
        ("break" | "b", arguments) => {
            let number = debugger
                .add_breakpoint(breakpoint(arguments)?)
                .map_err(|error| error.to_string())?;
            let set = debugger.breakpoints().iter();
            let set = set.filter(|(known, _)| *known == number);
            let text = set.map(|(number, at)| format!("breakpoint {number} at {at}\n"));
            Reply::of(text.collect::<String>())
        }
        ("breakpoints", []) => {
            let all = debugger.breakpoints().iter();
            let all: String = all
                .map(|(number, at)| format!("{number}  {at}\n"))
                .collect();
            Reply::of(if all.is_empty() { "none\n".into() } else { all })
        }
        ("delete", [breakpoint]) => match debugger.remove_breakpoint(number(breakpoint)?) {
            true => Reply::of(format!("breakpoint {breakpoint} is gone\n")),
            false => return Err(format!("there is no breakpoint {breakpoint}")),
        },
        ("where" | "w", []) => Reply::of(calls(debugger).join("\n") + "\n"),
        ("list" | "l", []) => Reply::of(listing(debugger, 5)),
        ("list" | "l", [lines]) => Reply::of(listing(debugger, number(lines)? as usize)),
        ("stack" | "k", []) => Reply::of(stack(debugger).join("\n") + "\n"),
        ("memory" | "m", arguments) => Reply::of(memory(debugger, arguments)?),
        ("used", arguments) => Reply::of(used_memory(debugger, arguments)?),
        ("instances" | "i", []) => Reply::of(instances(debugger).join("\n") + "\n"),
        ("tables" | "t", []) => Reply::of(tables(debugger).join("\n") + "\n"),
        ("advice" | "a", []) => Reply::of(advice(debugger).join("\n") + "\n"),
        ("output", []) => Reply::of(debugger.printed()),
        ("help" | "h" | "?", []) => Reply::of(HELP),
        ("quit" | "q", []) => Reply {
            quits: true,
            ..Reply::default()
        },
        _ => {
            return Err(format!(
                "`{}` is not a command: try `help`",
                beginning(line.trim(), SHOWN)
            ));
        }
    };
    Ok(reply)
}

fn number(text: &str) -> Result<u32, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| format!("`{text}` is not a 32-bit number"))
}

/// Reads where a run is to stop.
pub fn breakpoint(words: &[&str]) -> Result<Breakpoint, String> {
    match words {
        ["cycle", cycle] => Ok(Breakpoint::Cycle(number(cycle)?)),
        ["instance", name] => Ok(Breakpoint::Instance((*name).into())),
        ["trap"] => Ok(Breakpoint::Trap { rule: None }),
        ["trap", rule] => Ok(Breakpoint::Trap {
            rule: Some((*rule).into()),
        }),
        [place] => {
            if let Some((file, line)) = place.rsplit_once(':')
                && let Ok(line) = line.parse()
            {
                return Ok(Breakpoint::Line {
                    file: file.into(),
                    line,
                });
            }
            Ok(match place.split_once('/') {
                Some((instance, name)) if !place.contains('"') => Breakpoint::Procedure {
                    instance: Some(instance.into()),
                    name: name.into(),
                },
                _ => Breakpoint::Procedure {
                    instance: None,
                    name: (*place).into(),
                },
            })
        }
        _ => Err(
            "say where to stop: [INSTANCE/]PROCEDURE, FILE:LINE, cycle N, instance NAME, trap [RULE]"
                .into(),
        ),
    }
}

// WHAT IS SHOWN
// ------------------------------------------------------------------------------------------------

/// Why the run stopped, and where it is.
pub fn situation(debugger: &mut Debugger<'_>, stop: &Stop) -> String {
    let cycle = debugger.cycle();
    let why = match stop {
        Stop::Start => "at the start".to_owned(),
        Stop::Moved => format!("cycle {cycle}"),
        Stop::Breakpoints(numbers) => {
            let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
            format!("breakpoint {}, cycle {cycle}", numbers.join(" and "))
        }
        Stop::Interrupted => format!("interrupted at cycle {cycle}"),
        Stop::Trapped => format!("trapped at cycle {cycle}"),
        Stop::Ended => format!("ended after {cycle} cycles"),
    };
    if let Some(trap) = debugger.trap() {
        return format!("{why}\n{trap}\n");
    }
    if let Some(outputs) = debugger.outputs() {
        let elements: Vec<String> = outputs.iter().map(ToString::to_string).collect();
        return format!("{why}\noutputs [{}]\n", elements.join(", "));
    }
    let frames = debugger.frames();
    let Some(frame) = frames.first() else {
        return format!("{why}\n");
    };
    let mut text = format!("{why}: {}\n", frame.place);
    if let (Some(line), Some(source)) = (frame.place.line, &frame.place.source) {
        let _ = writeln!(text, "{line:>6}  {source}");
    } else if let Some(instruction) = &frame.place.instruction {
        let _ = writeln!(text, "        {instruction}");
    }
    text
}

/// The open procedures, a line each, the innermost first.
pub fn calls(debugger: &mut Debugger<'_>) -> Vec<String> {
    let frames = debugger.frames().into_iter().enumerate();
    let lines = frames.map(|(number, frame)| {
        let merged = if frame.is_merged { ", merged into" } else { "" };
        format!("#{number} {}{merged}", frame.place)
    });
    lines.collect()
}

/// The source around a place, with its line marked; nothing if there is none.
pub fn source_around(debugger: &Debugger<'_>, place: &CodePlace, around: usize) -> Option<String> {
    let source = debugger.source(place.file.as_deref()?)?;
    let line = place.line? as usize;
    let first = line.saturating_sub(around).max(1);
    let lines = source.lines().enumerate().map(|(i, text)| (i + 1, text));
    let shown = lines.filter(|(number, _)| (first..=line + around).contains(number));
    let shown = shown.map(|(number, text)| {
        let mark = if number == line { '>' } else { ' ' };
        format!("{mark}{number:>5}  {text}\n")
    });
    Some(shown.collect())
}

fn listing(debugger: &mut Debugger<'_>, around: usize) -> String {
    let frames = debugger.frames();
    let text = frames
        .iter()
        .find_map(|frame| source_around(debugger, &frame.place, around));
    text.unwrap_or_else(|| "there is no source for this place\n".into())
}

/// The elements of the operand stack, a line each.
pub fn stack(debugger: &Debugger<'_>) -> Vec<String> {
    let stack = debugger.stack();
    let elements = stack.iter().take(MAX_SHOWN).enumerate();
    let mut lines: Vec<String> = elements
        .map(|(position, element)| format!("{position:>3}  {element}"))
        .collect();
    if stack.len() > MAX_SHOWN {
        lines.push(format!("and {} more", stack.len() - MAX_SHOWN));
    }
    lines
}

fn memory(debugger: &Debugger<'_>, arguments: &[&str]) -> Result<String, String> {
    let (context, rest) = match arguments {
        [first, rest @ ..] if number(first).is_err() || rest.len() == 2 => (Some(*first), rest),
        all => (None, all),
    };
    let context = context_of(debugger, context)?;
    let (address, words) = match rest {
        [address] => (number(address)?, 4),
        [address, words] => (number(address)?, number(words)?),
        _ => return Err("say `memory [INSTANCE] ADDRESS [WORDS]`".into()),
    };
    let words = words.min(MAX_SHOWN as u32);
    Ok(memory_lines(debugger, context, address, words).join("\n") + "\n")
}

/// Words of memory, a line each.
pub fn memory_lines(
    debugger: &Debugger<'_>,
    context: miden_cvm_processor::ContextId,
    address: u32,
    words: u32,
) -> Vec<String> {
    let words = debugger.memory(context, address, words).into_iter();
    let lines = words.map(|(address, word)| match word {
        Some(word) => {
            let elements: Vec<String> = word.iter().map(ToString::to_string).collect();
            format!("{address:>10}  {}", elements.join("  "))
        }
        None => format!("{address:>10}  never used"),
    });
    lines.collect()
}

fn context_of(
    debugger: &Debugger<'_>,
    name: Option<&str>,
) -> Result<miden_cvm_processor::ContextId, String> {
    let Some(name) = name else {
        return Ok(debugger.context());
    };
    debugger.context_named(name).ok_or_else(|| {
        let contexts = debugger.contexts().into_iter();
        let known: Vec<String> = contexts
            .map(|context| debugger.context_name(context))
            .collect();
        format!(
            "no instance is called `{name}`: there are {}",
            known.join(", ")
        )
    })
}

/// The words of a context's memory that were used, a line each.
pub fn used_lines(debugger: &Debugger<'_>, context: miden_cvm_processor::ContextId) -> Vec<String> {
    let used = debugger.used_memory(context);
    let words = used.chunks_exact(4).take(MAX_SHOWN);
    let mut lines: Vec<String> = words
        .map(|word| {
            let elements: Vec<String> = word.iter().map(|(_, value)| value.to_string()).collect();
            format!("{:>10}  {}", word[0].0, elements.join("  "))
        })
        .collect();
    if used.len() / 4 > MAX_SHOWN {
        lines.push(format!("and {} more words", used.len() / 4 - MAX_SHOWN));
    }
    lines
}

fn used_memory(debugger: &Debugger<'_>, arguments: &[&str]) -> Result<String, String> {
    let context = match arguments {
        [] => context_of(debugger, None)?,
        [name] => context_of(debugger, Some(name))?,
        _ => return Err("say `used [INSTANCE]`".into()),
    };
    Ok(used_lines(debugger, context).join("\n") + "\n")
}

/// The instances that exist, a line each, in the order in which they call each other.
pub fn instances(debugger: &Debugger<'_>) -> Vec<String> {
    let instances = debugger.instances();
    if instances.is_empty() {
        return vec!["a program without components: one instance".into()];
    }
    let running = debugger.context();
    let lines = instances.iter().map(|instance| {
        let name = debugger.context_name(instance.context);
        let state = match instance.state.entered_by {
            _ if instance.context == running => "runs",
            Some(_) => "waits",
            None => "idle",
        };
        let caller = match instance.state.entered_by {
            Some(caller) if !instance.context.is_root() => {
                format!(", called by {}", debugger.context_name(caller))
            }
            _ => String::new(),
        };
        let handles = instance.entries.iter();
        let handles = handles
            .filter(|entry| matches!(entry, Entry::Handle(_)))
            .count();
        let words = debugger.used_memory(instance.context).len() / 4;
        format!("{name:<20} {state}{caller}; {words} words, {handles} handles")
    });
    lines.collect()
}

/// The resource tables, a line for each handle.
pub fn tables(debugger: &Debugger<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    for instance in debugger.instances() {
        let name = debugger.context_name(instance.context);
        for (index, entry) in (1..).zip(instance.entries) {
            let Entry::Handle(handle) = entry else {
                continue;
            };
            let resource = debugger.target().resource_name(handle.resource);
            let resource = resource.unwrap_or_else(|| format!("type {}", handle.resource));
            let kind = if handle.own { "own" } else { "borrow" };
            let lent = if handle.lent == 0 { "" } else { ", was lent" };
            lines.push(format!(
                "{name:<20} {index:>4}  {kind} {resource}, stands for {}{lent}",
                handle.rep
            ));
        }
    }
    if lines.is_empty() {
        lines.push("no handles".into());
    }
    lines
}

/// Returns the contents of the advice.
pub fn advice(debugger: &Debugger<'_>) -> Vec<String> {
    let advice = debugger.advice();
    // Its top is at the end.
    let stack = advice.stack();
    let top: Vec<String> = stack
        .iter()
        .rev()
        .take(MAX_SHOWN)
        .map(Felt::to_string)
        .collect();
    let more = match stack.len() > MAX_SHOWN {
        true => format!(" and {} more", stack.len() - MAX_SHOWN),
        false => String::new(),
    };
    let mut lines = vec![
        format!("stack [{}]{more}", top.join(", ")),
        format!(
            "Merkle store of {} nodes",
            advice.merkle_store().num_internal_nodes()
        ),
        format!("map of {} entries", advice.map().len()),
    ];
    let entries = advice.map().iter().take(MAX_SHOWN);
    lines.extend(entries.map(|(key, values)| {
        let shown: Vec<String> = values.iter().take(8).map(Felt::to_string).collect();
        let more = if values.len() > 8 { " …" } else { "" };
        format!(
            "  {}  {} elements [{}{more}]",
            key.to_hex(),
            values.len(),
            shown.join(", ")
        )
    }));
    lines
}
