//! Types as a `component.toml` writes them: those of WIT, with the names that the world has for its own.

use std::sync::Arc;

use super::{
    find::short_names,
    model::{NamedType, Type},
};
use crate::{
    error::TypeError,
    limits::{MAX_TYPE_DEPTH, MAX_TYPE_LENGTH},
};

/// The type that a text is, such as `list<u32>` or `bank:log/summary#entries`.
///
/// # Errors
/// Returns an error if it is none.
pub(crate) fn parse_type(text: &str, named: &[NamedType]) -> Result<Type, TypeError> {
    if text.len() > MAX_TYPE_LENGTH {
        return Err(TypeError::Size);
    }
    let mut reader = Reader { rest: text, named };
    let ty = reader.ty(MAX_TYPE_DEPTH)?;
    match reader.rest.trim() {
        "" => Ok(ty),
        _ => Err(reader.expected("the end")),
    }
}

struct Reader<'a> {
    rest: &'a str,
    named: &'a [NamedType],
}

impl<'a> Reader<'a> {
    fn expected(&self, expected: &'static str) -> TypeError {
        TypeError::Syntax {
            expected,
            rest: self.rest.trim().into(),
        }
    }

    /// Returns `true` if a sign is next; if it is, it is taken.
    fn takes(&mut self, sign: char) -> bool {
        match self.rest.trim_start().strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn close(&mut self) -> Result<(), TypeError> {
        match self.takes('>') {
            true => Ok(()),
            false => Err(self.expected("`>`")),
        }
    }

    fn name(&mut self) -> Result<&'a str, TypeError> {
        let rest = self.rest.trim_start();
        let end = rest.find(['<', '>', ',']).unwrap_or(rest.len());
        let (name, rest) = rest.split_at(end);
        if name.trim().is_empty() {
            return Err(self.expected("a type"));
        }
        self.rest = rest;
        Ok(name.trim())
    }

    fn ty(&mut self, depth: usize) -> Result<Type, TypeError> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(TypeError::Size);
        };
        let name = self.name()?;
        if self.takes('<') {
            let ty = match name {
                "list" => Type::List(Arc::new(self.ty(depth)?)),
                "option" => Type::Option(Arc::new(self.ty(depth)?)),
                "tuple" => {
                    let mut types = vec![self.ty(depth)?];
                    while self.takes(',') {
                        types.push(self.ty(depth)?);
                    }
                    Type::Tuple(types)
                }
                "result" => {
                    let ok = self.payload(depth)?;
                    let err = match self.takes(',') {
                        true => self.payload(depth)?,
                        false => None,
                    };
                    Type::Result { ok, err }
                }
                other => return Err(TypeError::Unknown(format!("{other}<>"))),
            };
            self.close()?;
            return Ok(ty);
        }
        Ok(match name {
            "bool" => Type::Bool,
            "u8" => Type::U8,
            "u16" => Type::U16,
            "u32" => Type::U32,
            "u64" => Type::U64,
            "s8" => Type::S8,
            "s16" => Type::S16,
            "s32" => Type::S32,
            "s64" => Type::S64,
            "char" => Type::Char,
            "string" => Type::String,
            "felt" => Type::Felt,
            "result" => Type::Result {
                ok: None,
                err: None,
            },
            name => self.named(name)?,
        })
    }

    /// The content of a case of a result, where `_` is nothing.
    fn payload(&mut self, depth: usize) -> Result<Option<Arc<Type>>, TypeError> {
        match self.takes('_') {
            true => Ok(None),
            false => self.ty(depth).map(|ty| Some(Arc::new(ty))),
        }
    }

    fn named(&self, name: &str) -> Result<Type, TypeError> {
        let (interface, own) = match name.split_once('#') {
            Some((interface, own)) => (Some(interface), own),
            None => (None, name),
        };
        let is_meant = |named: &&NamedType| {
            let has_name = |interface: &str| {
                short_names(&named.interface)
                    .iter()
                    .any(|short| short == interface)
            };
            named.name == own && interface.is_none_or(has_name)
        };
        let mut found = self.named.iter().filter(is_meant).map(|named| &named.ty);
        let Some(first) = found.next() else {
            return Err(TypeError::Unknown(name.into()));
        };
        match found.all(|other| other == first) {
            true => Ok(first.clone()),
            false => Err(TypeError::Ambiguous(name.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(interface: &str, name: &str, ty: Type) -> NamedType {
        NamedType {
            interface: interface.parse().expect("a name"),
            name: name.into(),
            ty,
        }
    }

    #[test]
    fn types_are_read_as_wit_has_them() {
        let types = [
            named("bank:log/summary@1.0.0", "entry", Type::U64),
            named("bank:log/other", "entry", Type::Bool),
            named("bank:log/other", "kind", Type::Char),
        ];
        let text = "result<tuple<list<u32>, bank:log/summary#entry, kind>, _>";
        let tuple = Type::Tuple(vec![Type::List(Arc::new(Type::U32)), Type::U64, Type::Char]);
        let expected = Type::Result {
            ok: Some(Arc::new(tuple)),
            err: None,
        };
        assert_eq!(parse_type(text, &types), Ok(expected));
        assert_eq!(parse_type(" felt ", &types), Ok(Type::Felt));

        let error = |text: &str| parse_type(text, &types).expect_err(text).to_string();
        for (text, part) in [
            ("entry", "several types are called `entry`"),
            ("entries", "no interface of the world has a type `entries`"),
            ("map<u32>", "no interface of the world has a type `map<>`"),
            ("list<u32", "expected `>`"),
            ("list<>", "expected a type at `>`"),
            ("", "expected a type"),
            ("u32>", "expected the end at `>`"),
            (&"list<".repeat(40), "nested more than 32 deep"),
            (&" ".repeat(2_000), "more than 1024 bytes"),
        ] {
            assert!(error(text).contains(part), "{text}: {}", error(text));
        }
    }
}
