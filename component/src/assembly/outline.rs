//! A source's outline: the names in it, what they lead to, and how much code there is.

use std::collections::BTreeMap;

use miden_assembly_syntax::parser::Token;

use super::{
    expression::{self, Term},
    reader::{Name, Reader, TypeExpression},
    scan::{At, words},
};
use crate::{
    error::{SourceFault, beginning},
    limits::{MAX_LOCALS, MAX_PART},
    text::line_of,
};

/// The declarations of a source.
#[derive(Debug, Default)]
pub(super) struct Outline {
    pub(super) aliases: Vec<Alias>,
    pub(super) constants: Vec<Constant>,
    pub(super) types: Vec<Type>,
    pub(super) procedures: Vec<Procedure>,
}

/// An import: `use target->name`.
#[derive(Debug)]
pub(super) struct Alias {
    pub(super) name: String,
    pub(super) is_public: bool,
    /// Where it leads; nothing if that is a procedure's hash.
    pub(super) target: Option<Name>,
    /// Where the target stands, in bytes.
    pub(super) target_place: usize,
    pub(super) place: usize,
    /// Where the import ends, in bytes.
    pub(super) end: usize,
}

/// A constant, or a variant of an enumeration.
#[derive(Debug)]
pub(super) struct Constant {
    pub(super) name: String,
    pub(super) terms: Vec<Term>,
    pub(super) place: usize,
}

/// A type.
#[derive(Debug)]
pub(super) struct Type {
    pub(super) name: String,
    pub(super) expression: TypeExpression,
    pub(super) place: usize,
}

/// A procedure, or a program's main block.
#[derive(Debug)]
pub(super) struct Procedure {
    pub(super) name: String,
    pub(super) is_public: bool,
    pub(super) place: usize,
    /// The types of its signature.
    pub(super) signature: TypeExpression,
    /// The procedures that its instructions name.
    pub(super) invoked: Vec<Invoked>,
    /// Constants in its instructions.
    pub(super) constants: Vec<Name>,
    /// Its code.
    pub(super) body: Vec<Code>,
}

/// A procedure that another one names.
#[derive(Debug)]
pub(super) struct Invoked {
    pub(super) target: Name,
    pub(super) how: &'static str,
}

/// Code, as far as it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    /// Instructions without control flow.
    Instructions(u64),
    /// An `exec` of the procedure at this place among the invoked.
    Exec(usize),
    /// A call of any kind, which is a node of its own.
    Call,
    /// The beginning of a block that is there so many times; of `if` and `while` once.
    Open { times: u64, is_repeat: bool },
    /// `else`.
    Else,
    /// The end of a block.
    Close,
}

/// The beginning of a path at the root.
const ROOT: &str = "::";

/// The length at which an error cuts a name that is too long.
const SHOWN: usize = 32;

/// The name of a program's main block.
pub(super) const MAIN: &str = "$main";

impl Outline {
    /// Reads the outline of a source.
    pub(super) fn read(text: &str) -> At<Self> {
        let words = words(text)?;
        let mut reader = Reader::new(&words);
        let mut outline = Self::default();
        // Where the `pub` is that stands before a declaration.
        let mut public: Option<usize> = None;
        while let Some(token) = reader.peek() {
            let was_public = public.take();
            let place = was_public.unwrap_or(reader.place());
            match token {
                Token::Pub => {
                    reader.skip();
                    public = Some(place);
                }
                Token::Use => {
                    reader.skip();
                    outline.alias(&mut reader, place, was_public.is_some())?;
                }
                Token::Const => {
                    reader.skip();
                    outline.constant(&mut reader, place)?;
                }
                Token::Enum => {
                    reader.skip();
                    outline.enumeration(&mut reader)?;
                }
                Token::Type => {
                    reader.skip();
                    outline.ty(&mut reader, place);
                }
                Token::Begin => {
                    reader.skip();
                    let body = Body::read(&mut reader);
                    let signature = TypeExpression::default();
                    outline.procedure(MAIN.into(), false, place, signature, body);
                }
                Token::Proc => {
                    reader.skip();
                    let Some(name) = reader.part() else {
                        continue;
                    };
                    let signature = reader.signature();
                    let body = Body::read(&mut reader);
                    outline.procedure(name, was_public.is_some(), place, signature, body);
                }
                // The name of an attribute can be a keyword.
                Token::At => {
                    reader.skip();
                    let attribute = reader.part();
                    if attribute.is_none() {
                        reader.skip();
                    }
                    if matches!(reader.peek(), Some(Token::Lparen)) {
                        let count = match reader.peek_behind() {
                            Some(Token::Int(count)) => *count,
                            Some(Token::HexValue(count)) => count.as_int(),
                            _ => 0,
                        };
                        if attribute.as_deref() == Some("locals") && count > MAX_LOCALS {
                            return Err((place, SourceFault::Locals));
                        }
                        reader.skip_brackets();
                    }
                }
                _ => reader.skip(),
            }
        }
        outline.check_names(text)?;
        Ok(outline)
    }

    /// Checks that no part of a name is one that the assembler cannot have in a path, and that no name is declared
    /// twice: of an import and a type the assembler takes the one for the other,
    /// and goes round in circles that are none here.
    fn check_names(&self, text: &str) -> At<()> {
        let aliases = self.aliases.iter().map(|alias| (&alias.name, alias.place));
        let constants = self.constants.iter().map(|one| (&one.name, one.place));
        let types = self.types.iter().map(|ty| (&ty.name, ty.place));
        let procedures = self.procedures.iter().map(|one| (&one.name, one.place));
        let declared = aliases.chain(constants).chain(types).chain(procedures);
        let imported = self
            .aliases
            .iter()
            .filter_map(|alias| alias.target.as_ref());
        let mentioned = self.names().chain(imported);
        let mentioned = mentioned.flat_map(|name| name.parts.iter().map(|part| (part, name.place)));
        for (part, place) in declared.clone().chain(mentioned) {
            if part == ROOT || part.chars().count() > MAX_PART {
                return Err((place, SourceFault::PathPart(beginning(part, SHOWN))));
            }
        }
        let mut places: BTreeMap<&String, usize> = BTreeMap::new();
        // The assembler says best what it says of a second main block.
        for (name, place) in declared.filter(|(name, _)| *name != MAIN) {
            if let Some(other) = places.insert(name, place) {
                let fault = SourceFault::Twice {
                    name: name.clone(),
                    line: line_of(text, other.min(place)),
                };
                return Err((other.max(place), fault));
            }
        }
        Ok(())
    }

    /// Returns `true` if something in the source begins with this name, such as that of an import.
    pub(super) fn mentions(&self, name: &str) -> bool {
        let begins = |found: &Name| found.parts[0] == name;
        let of_aliases = self.aliases.iter().filter(|alias| alias.name != name);
        let of_aliases = of_aliases.filter_map(|alias| alias.target.as_ref());
        self.names().chain(of_aliases).any(begins)
    }

    /// The names in everything but imports.
    fn names(&self) -> impl Iterator<Item = &Name> {
        let constants = self.constants.iter().flat_map(|constant| &constant.terms);
        let of_constants = constants.filter_map(|term| match term {
            Term::Constant(name) => Some(name),
            _ => None,
        });
        let of_types = self.types.iter().flat_map(|ty| &ty.expression.names);
        let of_procedures = self.procedures.iter().flat_map(|procedure| {
            let invoked = procedure.invoked.iter().map(|invoked| &invoked.target);
            invoked
                .chain(&procedure.constants)
                .chain(&procedure.signature.names)
        });
        of_constants.chain(of_types).chain(of_procedures)
    }

    /// A prefix that no name in the source has.
    pub(super) fn free_prefix(&self) -> String {
        let mut prefix = "uses_imports".to_owned();
        let is_taken = |prefix: &str| {
            let aliases = self.aliases.iter().map(|alias| &alias.name);
            let procedures = self.procedures.iter().map(|procedure| &procedure.name);
            let types = self.types.iter().map(|ty| &ty.name);
            let mut names = aliases.chain(procedures).chain(types);
            names.any(|name| name.starts_with(prefix))
        };
        while is_taken(&prefix) {
            prefix.push('_');
        }
        prefix
    }

    fn alias(&mut self, reader: &mut Reader<'_, '_>, place: usize, is_public: bool) -> At<()> {
        let target_place = reader.place();
        let target = match reader.peek() {
            Some(Token::HexWord(_)) if is_public => {
                return Err((target_place, SourceFault::ExportedHash));
            }
            Some(Token::HexWord(_)) => {
                reader.skip();
                None
            }
            _ => match reader.name() {
                Some(name) => Some(name),
                None => return Ok(()),
            },
        };
        let mut name = target.as_ref().and_then(|name| name.parts.last().cloned());
        if matches!(reader.peek(), Some(Token::Rstab)) {
            reader.skip();
            name = reader.part();
        }
        if let Some(name) = name {
            self.aliases.push(Alias {
                name,
                is_public,
                target,
                target_place,
                place,
                end: reader.end_of_last(),
            });
        }
        Ok(())
    }

    fn constant(&mut self, reader: &mut Reader<'_, '_>, place: usize) -> At<()> {
        let Some(name) = reader.part() else {
            return Ok(());
        };
        if !matches!(reader.peek(), Some(Token::Equal)) {
            return Ok(());
        }
        reader.skip();
        if let Some(terms) = expression::read(reader)? {
            self.constants.push(Constant { name, terms, place });
        }
        Ok(())
    }

    fn enumeration(&mut self, reader: &mut Reader<'_, '_>) -> At<()> {
        while !matches!(reader.peek(), Some(Token::Lbrace) | None) {
            reader.skip();
        }
        reader.skip();
        // A variant without a value is one more than that before it.
        let mut next = vec![Term::Number(0)];
        while let Some(token) = reader.peek() {
            let place = reader.place();
            match token {
                Token::Rbrace => break,
                Token::Comma => {
                    reader.skip();
                    continue;
                }
                _ => {}
            }
            let Some(name) = reader.part() else {
                break;
            };
            let mut terms = std::mem::take(&mut next);
            if matches!(reader.peek(), Some(Token::Equal)) {
                reader.skip();
                match expression::read(reader)? {
                    Some(read) => terms = read,
                    None => break,
                }
            }
            let before = Name {
                parts: vec![name.clone()],
                is_absolute: false,
                place,
            };
            next = vec![
                Term::Constant(before),
                Term::Number(1),
                Term::Operation(expression::Operator::Add, place),
            ];
            self.constants.push(Constant { name, terms, place });
        }
        Ok(())
    }

    fn ty(&mut self, reader: &mut Reader<'_, '_>, place: usize) {
        let Some(name) = reader.part() else {
            return;
        };
        if !matches!(reader.peek(), Some(Token::Equal)) {
            return;
        }
        reader.skip();
        let mut expression = TypeExpression::default();
        reader.type_expression(&mut expression);
        self.types.push(Type {
            name,
            expression,
            place,
        });
    }

    fn procedure(
        &mut self,
        name: String,
        is_public: bool,
        place: usize,
        signature: TypeExpression,
        Body {
            invoked,
            constants,
            code,
        }: Body,
    ) {
        self.procedures.push(Procedure {
            name,
            is_public,
            place,
            signature,
            invoked,
            constants,
            body: code,
        });
    }
}

/// The code between the beginning and the end of a procedure.
#[derive(Default)]
struct Body {
    invoked: Vec<Invoked>,
    constants: Vec<Name>,
    code: Vec<Code>,
}

impl Body {
    fn read(reader: &mut Reader<'_, '_>) -> Self {
        let mut body = Self::default();
        let mut open = 0_usize;
        // How many values the `push` at hand has so far.
        let mut pushed: Option<u64> = None;
        while let Some(token) = reader.peek() {
            let is_followed_by_dot = matches!(reader.peek_behind(), Some(Token::Dot));
            match token {
                Token::If | Token::While | Token::Repeat if is_followed_by_dot => {
                    let is_repeat = matches!(token, Token::Repeat);
                    reader.skip();
                    reader.skip();
                    let times = match reader.peek() {
                        Some(Token::Int(times)) => *times,
                        _ => 1,
                    };
                    reader.skip();
                    body.code.push(Code::Open { times, is_repeat });
                    open += 1;
                }
                Token::Else => {
                    reader.skip();
                    body.code.push(Code::Else);
                }
                Token::End => {
                    reader.skip();
                    if open == 0 {
                        break;
                    }
                    open -= 1;
                    body.code.push(Code::Close);
                }
                Token::Exec | Token::Call | Token::Syscall | Token::Procref
                    if is_followed_by_dot =>
                {
                    let how = match token {
                        Token::Exec => "exec",
                        Token::Call => "call",
                        Token::Syscall => "syscall",
                        _ => "procref",
                    };
                    reader.skip();
                    reader.skip();
                    match reader.name() {
                        Some(target) => {
                            let exec = Code::Exec(body.invoked.len());
                            body.code
                                .push(if how == "exec" { exec } else { Code::Call });
                            body.invoked.push(Invoked { target, how });
                        }
                        // A hash.
                        None => body.code.push(Code::Call),
                    }
                }
                Token::Dyncall | Token::Dynexec => {
                    reader.skip();
                    body.code.push(Code::Call);
                }
                Token::ConstantIdent(name) => {
                    body.constants.push(Name {
                        parts: vec![(*name).to_owned()],
                        is_absolute: false,
                        place: reader.place(),
                    });
                    reader.skip();
                    body.argument(&mut pushed);
                }
                Token::Push => {
                    reader.skip();
                    pushed = Some(0);
                    body.instruction();
                }
                Token::Int(_) | Token::HexValue(_) | Token::HexWord(_) => {
                    reader.skip();
                    body.argument(&mut pushed);
                }
                Token::Dot => {
                    reader.skip();
                    // What is behind a dot makes the instruction longer.
                    if !matches!(reader.peek(), Some(Token::ConstantIdent(_))) {
                        reader.part();
                    }
                }
                Token::Equal | Token::Comma => reader.skip(),
                _ => {
                    pushed = None;
                    body.instruction();
                    reader.skip();
                }
            }
        }
        body
    }

    /// An argument: each value of a `push` but the first is an instruction of its own.
    fn argument(&mut self, pushed: &mut Option<u64>) {
        if let Some(values) = pushed {
            *values += 1;
            if *values > 1 {
                self.instruction();
            }
        }
    }

    fn instruction(&mut self) {
        match self.code.last_mut() {
            Some(Code::Instructions(count)) => *count += 1,
            _ => self.code.push(Code::Instructions(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(text: &str) -> Outline {
        Outline::read(text).expect("an outline")
    }

    #[test]
    fn names_are_read() {
        let outline = outline(
            "use a::b\npub use ::a::c->d\nuse 0x0000000000000000000000000000000000000000000000000000000000000001->e\n\
             const A = 1 + B\nenum E : u8 { X, Y = 5, Z }\n\
             type T = struct { f: ptr<U>, g: [m::V; 4] }\ntype W = T\n\
             pub proc p(x: T) -> (felt, T) exec.end::q push.A end\n\
             begin repeat.5 if.true call.\"x-y\"::z else push.1.2 drop end end dynexec end",
        );
        let aliases: Vec<_> = outline
            .aliases
            .iter()
            .map(|alias| (alias.name.as_str(), alias.target.as_ref().map(Name::text)))
            .collect();
        assert_eq!(
            aliases,
            [
                ("b", Some("a::b".into())),
                ("d", Some("::a::c".into())),
                ("e", None)
            ]
        );
        let constants: Vec<_> = outline.constants.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(constants, ["A", "X", "Y", "Z"]);
        let types: Vec<(&str, Vec<String>)> = outline
            .types
            .iter()
            .map(|ty| {
                (
                    ty.name.as_str(),
                    ty.expression.names.iter().map(Name::text).collect(),
                )
            })
            .collect();
        assert_eq!(
            types,
            [
                ("T", vec!["U".into(), "m::V".into()]),
                ("W", vec!["T".into()])
            ]
        );
        let [p, main] = &outline.procedures[..] else {
            panic!("two procedures: {:?}", outline.procedures);
        };
        assert!(p.is_public && !main.is_public);
        assert_eq!(p.invoked[0].target.text(), "end::q");
        assert_eq!(p.constants[0].text(), "A");
        assert_eq!(main.invoked[0].target.text(), "x-y::z");
        assert_eq!(
            main.body,
            [
                Code::Open {
                    times: 5,
                    is_repeat: true
                },
                Code::Open {
                    times: 1,
                    is_repeat: false
                },
                Code::Call,
                Code::Else,
                Code::Instructions(3),
                Code::Close,
                Code::Close,
                Code::Call,
            ]
        );
    }
}
