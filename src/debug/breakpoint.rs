//! Where a run is to stop.

use std::fmt;

use miden_cvm_processor::Trap;
use thiserror::Error;

use super::{
    code::{CodeMap, is_named},
    machine::Machine,
};
use crate::Target;

/// Where a run is to stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Breakpoint {
    /// Where a procedure begins.
    Procedure {
        /// The instance that executes it; any if there is none.
        instance: Option<String>,
        /// The procedure's path, or the end of it.
        name: String,
    },
    /// Where a line begins.
    Line {
        /// The file, or the end of its path.
        file: String,
        /// The line, from 1. If nothing begins there, the next one at which something does.
        line: u32,
    },
    /// When an instance is entered.
    Instance(String),
    /// Before a cycle.
    Cycle(u32),
    /// When the run traps.
    Trap {
        /// The name of the rule that is broken; any if there is none.
        rule: Option<String>,
    },
}

/// The instances that there are, in words.
fn told(instances: &[String]) -> String {
    match instances {
        [] => "a program without components has none".into(),
        _ => format!("the instances are {}", instances.join(", ")),
    }
}

/// Why a breakpoint cannot be set.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BreakpointError {
    /// No procedure has the name.
    #[error("no procedure is called `{name}`{}", did_you_mean(.similar))]
    UnknownProcedure {
        /// The name.
        name: String,
        /// Names that are much like it.
        similar: Vec<String>,
    },
    /// No instance has the name.
    #[error("no instance is called `{name}`; {}", told(.known))]
    UnknownInstance {
        /// The name.
        name: String,
        /// The instances.
        known: Vec<String>,
    },
    /// No code comes from the file.
    #[error("no code comes from a file `{file}`; the files are {}", .known.join(", "))]
    UnknownFile {
        /// The file.
        file: String,
        /// The files that code comes from.
        known: Vec<String>,
    },
    /// No rule has the name.
    #[error("there is no rule `{rule}`; the rules are {}", .known.join(", "))]
    UnknownRule {
        /// The name.
        rule: String,
        /// The rules that there are.
        known: Vec<String>,
    },
    /// No code comes from the line or those after it.
    #[error("no instruction stands at line {line} of `{file}` or after it")]
    NoCode {
        /// The file.
        file: String,
        /// The line.
        line: u32,
    },
}

/// The most names that are suggested.
const MAX_SUGGESTIONS: usize = 5;

fn did_you_mean(similar: &[String]) -> String {
    match similar.is_empty() {
        true => String::new(),
        false => format!("; there are {}", similar.join(", ")),
    }
}

impl Breakpoint {
    /// The same breakpoint, as the target has its file, line or instance.
    pub(super) fn resolved(
        self,
        target: &Target,
        code: &CodeMap<'_>,
    ) -> Result<Self, BreakpointError> {
        let known_instance = |name: &String| match target.instances().contains(name) {
            true => Ok(()),
            false => Err(BreakpointError::UnknownInstance {
                name: name.clone(),
                known: target.instances().to_vec(),
            }),
        };
        match self {
            Self::Procedure { instance, name } => {
                instance.iter().try_for_each(known_instance)?;
                let in_code = || code.procedures();
                let exported = || target.procedures().values().map(String::as_str);
                let known = in_code()
                    .chain(exported())
                    .any(|path| is_named(path, &name));
                if !known {
                    let last = name.rsplit("::").next().unwrap_or(&name);
                    let similar = in_code().chain(exported());
                    let similar = similar.filter(|path| path.contains(last));
                    let similar = similar.take(MAX_SUGGESTIONS).map(ToOwned::to_owned);
                    let similar = similar.collect();
                    return Err(BreakpointError::UnknownProcedure { name, similar });
                }
                Ok(Self::Procedure { instance, name })
            }
            Self::Line { file, line } => {
                let Some((path, mut lines)) = code.lines().find(|(path, _)| is_file(path, &file))
                else {
                    let known = code.lines().map(|(path, _)| path.to_owned()).collect();
                    return Err(BreakpointError::UnknownFile { file, known });
                };
                match lines.find(|known| *known >= line) {
                    Some(line) => Ok(Self::Line {
                        file: path.to_owned(),
                        line,
                    }),
                    None => Err(BreakpointError::NoCode { file, line }),
                }
            }
            Self::Instance(name) => known_instance(&name).map(|()| Self::Instance(name)),
            Self::Trap { rule: Some(rule) } if !Trap::RULES.contains(&rule.as_str()) => {
                let known = Trap::RULES
                    .iter()
                    .map(|known| (*known).to_owned())
                    .collect();
                Err(BreakpointError::UnknownRule { rule, known })
            }
            Self::Cycle(_) | Self::Trap { .. } => Ok(self),
        }
    }

    /// Returns `true` if a run stops here for it.
    pub(super) fn is_hit(&self, machine: &Machine<'_>, target: &Target) -> bool {
        let is_instance =
            |index: u16, name: &String| target.instances().get(usize::from(index)) == Some(name);
        match self {
            Self::Procedure { instance, name } => machine.began.iter().any(|(place, path)| {
                let in_instance = match (instance, place) {
                    (None, _) => true,
                    (Some(wanted), Some(index)) => is_instance(*index, wanted),
                    (Some(_), None) => false,
                };
                in_instance && is_named(path, name)
            }),
            Self::Line { file, line } => machine.beginning_line() == Some((file.as_str(), *line)),
            Self::Instance(name) => machine
                .entered()
                .is_some_and(|context| is_instance(context.index(), name)),
            Self::Cycle(cycle) => {
                machine.previous_cycle.is_some_and(|before| before < *cycle)
                    && machine.process.clk() >= *cycle
            }
            Self::Trap { .. } => false,
        }
    }

    /// Returns `true` if it is one for traps that break this rule.
    pub(super) fn is_trap(&self, broken: &str) -> bool {
        match self {
            Self::Trap { rule } => rule.as_deref().is_none_or(|rule| rule == broken),
            _ => false,
        }
    }
}

/// Returns `true` if a path is, or ends with, the one that somebody has given.
fn is_file(path: &str, given: &str) -> bool {
    let canonical = |path: &str| std::fs::canonicalize(path).ok();
    let path = path.strip_prefix("file://").unwrap_or(path);
    std::path::Path::new(path).ends_with(given)
        || canonical(given).is_some_and(|given| canonical(path) == Some(given))
}

impl fmt::Display for Breakpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Procedure {
                instance: None,
                name,
            } => write!(f, "procedure {name}"),
            Self::Procedure {
                instance: Some(instance),
                name,
            } => write!(f, "procedure {instance}/{name}"),
            Self::Line { file, line } => write!(f, "line {file}:{line}"),
            Self::Instance(name) => write!(f, "instance {name}"),
            Self::Cycle(cycle) => write!(f, "cycle {cycle}"),
            Self::Trap { rule: None } => write!(f, "trap"),
            Self::Trap { rule: Some(rule) } => write!(f, "trap {rule}"),
        }
    }
}
