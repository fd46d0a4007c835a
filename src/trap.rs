//! Traps, told with the names of instances, resource types and procedures.

use std::fmt;

use miden_assembly::{SourceManager, debuginfo::Uri};
use miden_cvm_processor::{Location, TrapReport};
use serde::Serialize;

use crate::{
    ExecutionError, Target,
    profile::{Names, plain},
};

/// The most calls that are shown of a trap.
const SHOWN_CALLS: usize = 24;

/// A trap in the terms of its target: what went wrong, where, and which calls led there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrapDescription {
    /// Why the run ended, with the names of what the trap knows by number.
    pub reason: String,
    /// The name of the rule that was broken: that of the variant of [`Trap`](crate::Trap).
    pub rule: String,
    /// The cycle that could not be completed.
    pub cycle: u32,
    /// The place.
    pub place: CodePlace,
    /// The calls that led there, the innermost first: each is the place of the call, in the caller.
    pub calls: Vec<CodePlace>,
    /// The top 16 elements of the operand stack, the top one first.
    pub stack: Vec<u64>,
}

/// A place in the code of a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CodePlace {
    /// The instance that was running, or `kernel`; nothing in a program without components.
    pub instance: Option<String>,
    /// The procedure.
    pub procedure: Option<String>,
    /// The source file.
    pub file: Option<String>,
    /// `true` if the file is not there, but was generated for the build.
    pub is_generated: bool,
    /// The line in the source file, from 1.
    pub line: Option<u32>,
    /// The line's text.
    pub source: Option<String>,
    /// The instruction.
    pub instruction: Option<String>,
}

impl Target {
    /// Returns a description of the trap that ended a run; nothing if the run was refused.
    pub fn describe(&self, error: &ExecutionError) -> Option<TrapDescription> {
        let ExecutionError::Trapped(report) = error else {
            return None;
        };
        let TrapReport {
            trap,
            cycle,
            location,
            calls,
            stack,
        } = &**report;
        let mut notes: Vec<String> = Vec::new();
        let mut name = |kind: &str, number: u32, name: Option<&str>| {
            if let Some(name) = name {
                notes.push(format!("{kind} {number} is `{name}`"));
            }
        };
        for number in trap.instances() {
            let instance = self.instances().get(usize::from(number));
            name("component", number.into(), instance.map(String::as_str));
        }
        for number in trap.resource_types() {
            name(
                "resource type",
                number,
                self.resource_name(number).as_deref(),
            );
        }
        let reason = match notes.is_empty() {
            true => trap.to_string(),
            false => format!("{trap} ({})", notes.join(", ")),
        };
        Some(TrapDescription {
            reason,
            rule: trap.rule().to_owned(),
            cycle: *cycle,
            place: self.place(location),
            calls: calls.iter().map(|call| self.place(call)).collect(),
            stack: stack.iter().map(|element| element.as_int()).collect(),
        })
    }

    pub(crate) fn place(&self, location: &Location) -> CodePlace {
        let name = |index: u16| match self.instances().get(usize::from(index)) {
            Some(name) => name.clone(),
            None => format!("instance {index}"),
        };
        let instance = match location.in_kernel {
            true => Some("kernel".into()),
            false => location.instance.map(name),
        };
        let named = || {
            let mut names = Names::new(self);
            let mut digests = location.procedures.iter();
            digests.find_map(|digest| names.of(location.instance, *digest))
        };
        let procedure = location.procedure.as_deref().map(|path| plain(path).into());
        let text = location.line.and_then(|line| {
            let file = Uri::new(location.file.as_deref()?);
            let file = self.sources.as_ref()?.get_by_uri(&file)?;
            let mut lines = file.as_str().lines();
            Some(lines.nth(line as usize - 1)?.trim().to_owned())
        });
        let file = location.file.clone();
        CodePlace {
            instance,
            procedure: procedure.or_else(named),
            is_generated: text.is_some()
                && file
                    .as_ref()
                    .is_some_and(|file| !std::path::Path::new(file).exists()),
            file,
            line: location.line,
            source: text,
            instruction: location.instruction.clone(),
        }
    }
}

impl fmt::Display for TrapDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            reason,
            rule,
            cycle,
            place,
            calls,
            stack,
        } = self;
        writeln!(f, "{reason}")?;
        writeln!(f, "  rule       {rule}, at cycle {cycle}")?;
        writeln!(f, "  in         {place}")?;
        if let Some(source) = &place.source {
            writeln!(f, "             {source}")?;
        } else if let Some(instruction) = &place.instruction {
            writeln!(f, "             {instruction}")?;
        }
        for call in calls.iter().take(SHOWN_CALLS) {
            writeln!(f, "  called by  {call}")?;
        }
        if calls.len() > SHOWN_CALLS {
            writeln!(f, "             and {} more", calls.len() - SHOWN_CALLS)?;
        }
        let used = stack.iter().rposition(|element| *element != 0);
        let shown = stack.iter().take(used.map_or(0, |last| last + 1));
        let shown: Vec<String> = shown.map(ToString::to_string).collect();
        write!(f, "  stack      [{}], then zeros", shown.join(", "))
    }
}

impl fmt::Display for CodePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.procedure {
            Some(procedure) => write!(f, "{procedure}")?,
            None => write!(f, "a procedure without a name")?,
        }
        if let Some(instance) = &self.instance {
            write!(f, " of `{instance}`")?;
        }
        if let Some(file) = &self.file {
            write!(f, " ({file}")?;
            if let Some(line) = self.line {
                write!(f, ":{line}")?;
            }
            if self.is_generated {
                write!(f, ", generated")?;
            }
            write!(f, ")")?;
        }
        Ok(())
    }
}
