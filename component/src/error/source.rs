//! Errors in sources of Miden assembly, with their places.

use std::path::PathBuf;

use thiserror::Error;

use crate::limits::{LimitName, MAX_CHAIN, MAX_LINE, MAX_LOCALS, MAX_OPEN, MAX_PART, MAX_TERMS};

/// Sources that are refused.
///
/// It displays as `file:line:column: what is wrong`; with the assembler's own report, which has the
/// place and the line of the source, the message is that report.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}{}{fault}", .file.display(), place(*.line, *.column))]
pub struct SourceError {
    /// The source, or the folder of the sources.
    pub file: PathBuf,
    /// The line, counted from 1; `None` if it is about the file, or if the fault's text has it.
    pub line: Option<u32>,
    /// The column, counted from 1 in characters.
    pub column: Option<u32>,
    /// The problem there.
    pub fault: SourceFault,
}

fn place(line: Option<u32>, column: Option<u32>) -> String {
    match (line, column) {
        (Some(line), Some(column)) => format!(":{line}:{column}: "),
        (Some(line), None) => format!(":{line}: "),
        _ => ": ".into(),
    }
}

/// A problem with a source.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SourceFault {
    /// The file cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// The name of a file or folder cannot be part of a module's path.
    #[error("its name cannot be that of a module; use letters, digits, `_` and `-`")]
    ModuleName,
    /// The bytes are no text.
    #[error("the byte 0x{0:02x} is not UTF-8")]
    NotText(u8),
    /// A line is longer than positions in it can be told.
    #[error("the line is longer than {MAX_LINE} bytes; break it up")]
    LongLine,
    /// A character that begins no word of the language.
    #[error("the character {} is not part of the language", shown(*.0))]
    Character(char),
    /// The prefix of a number without digits behind it.
    #[error("`{0}` has no digits after it")]
    NoDigits(&'static str),
    /// Too many blocks or brackets are open at once.
    #[error(
        "more than {MAX_OPEN} blocks or brackets are open here; give the inner ones names of their own"
    )]
    Nesting,
    /// A constant's expression is too large.
    #[error("the expression has more than {MAX_TERMS} terms; give parts of it names of their own")]
    Terms,
    /// Two declarations with one name.
    #[error("`{name}` is declared twice, here and in line {line}; rename one of the two")]
    Twice {
        /// The name.
        name: String,
        /// The line of the first declaration.
        line: u32,
    },
    /// A procedure has too many locals.
    #[error("a procedure has at most {MAX_LOCALS} locals; use memory that is not local")]
    Locals,
    /// The assembler could not have this in a path.
    #[error(
        "a part of a name has at most {MAX_PART} characters and is not `::`, and this one begins with \
         `{0}`; choose another name"
    )]
    PathPart(String),
    /// A procedure that is named by its hash is exported.
    #[error("a hash cannot be exported; write a procedure that executes it, and export that")]
    ExportedHash,
    /// Something else is executed or called.
    #[error("`{0}` is not a procedure")]
    NotAProcedure(String),
    /// A module is exported.
    #[error("a module cannot be exported; export what is in it")]
    ExportedModule,
    /// Imports that lead back to themselves.
    #[error("the import leads back to itself:\n{}{}", steps(.0), missing(.1.as_deref()))]
    AliasCircle(Vec<Step>, Option<String>),
    /// A kernel is entered, and there is none.
    #[error(
        "`syscall.{0}` enters a kernel, and this is assembled without one: give it with `--kernel`, or \
         with `Toolchain::with_kernel` in the library"
    )]
    NoKernel(String),
    /// Constants that are defined by themselves.
    #[error("the constant is defined by itself:\n{}", steps(.0))]
    ConstantCircle(Vec<Step>),
    /// Types that contain themselves.
    #[error("the type contains itself:\n{}", steps(.0))]
    TypeCircle(Vec<Step>),
    /// Procedures that execute or call themselves.
    #[error(
        "the procedure calls itself, and a procedure's hash contains those of all that it calls:\n{}",
        steps(.0)
    )]
    CallCircle(Vec<Step>),
    /// Names that lead to other names too many times.
    #[error("the {0} leads through more than {MAX_CHAIN} others; shorten the chain")]
    Chain(&'static str),
    /// A type stands for too much when its names are replaced.
    #[error("the type has more than {0} parts when its names are replaced by what they stand for")]
    TypeSize(u64),
    /// An operation of a constant has another result than the field has.
    #[error("{0}")]
    Constant(String),
    /// Work that a limit forbids.
    #[error(
        "{what} would take {needed} {}, more than the limit `{}` of {allowed}; raise the limit if this \
         is intended",
        .limit.unit(), .limit.name()
    )]
    Limit {
        /// The limit.
        limit: LimitName,
        /// The work that would take so much.
        what: String,
        /// The amount that it would take.
        needed: u64,
        /// The amount that is allowed.
        allowed: u64,
    },
    /// The assembler refuses it; this is its report.
    #[error("\n{0}")]
    Refused(String),
    /// The assembler failed on it in a way that it does not foresee.
    #[error("the assembler gave up on it: {0}")]
    GaveUp(String),
    /// There is no stack for the assembler.
    #[error("there is no memory for the assembler: {0}")]
    NoStack(String),
}

impl SourceFault {
    /// An error about a file as a whole.
    pub(crate) fn in_file(self, file: impl Into<PathBuf>) -> SourceError {
        SourceError {
            file: file.into(),
            line: None,
            column: None,
            fault: self,
        }
    }
}

/// One step of a circle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The file.
    pub file: PathBuf,
    /// The line, counted from 1.
    pub line: u32,
    /// The step, in words.
    pub what: String,
}

fn steps(steps: &[Step]) -> String {
    let lines = steps
        .iter()
        .map(|Step { file, line, what }| format!("  {}:{line}: {what}", file.display()));
    lines.collect::<Vec<_>>().join("\n")
}

fn missing(module: Option<&str>) -> String {
    module.map_or(String::new(), |module| {
        format!("\n  there is no module `{module}` for it to lead to")
    })
}

/// A character as it can be shown on a terminal, with its number.
fn shown(character: char) -> String {
    let number = character as u32;
    if character.is_control() || !character.is_ascii() && character.len_utf8() > 2 {
        format!("U+{number:04X}")
    } else {
        format!("`{character}` (U+{number:04X})")
    }
}
