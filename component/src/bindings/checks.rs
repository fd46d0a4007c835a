//! The checks of a receiver: that elements are values of their types.

use super::code::Code;
use crate::{
    abi::{flat_len, payloads},
    wit::Type,
};

/// The check of one element that is to be on top of the stack.
#[derive(Debug, Clone)]
pub(crate) struct Check {
    code: String,
    /// `true` if the element is off the stack then.
    takes: bool,
}

impl Check {
    /// The check of the first element of a type's flat form; nothing if any will do.
    pub(crate) fn of(ty: &Type) -> Option<Self> {
        Some(match ty {
            // Messages do not enter digests, so of two equal pieces of code only one keeps its own. Checks
            // of one kind are therefore other code than those of another. A number is its own square only
            // if it is 0 or 1.
            Type::Bool => Self::taking("dup dup mul assert_eq.err=\"canonical ABI: bool\""),
            Type::U8 => Self::below(1 << 8, "integer"),
            Type::U16 => Self::below(1 << 16, "integer"),
            Type::U32 | Type::S32 => Self::keeping("u32assert.err=\"canonical ABI: integer\""),
            Type::S8 => Self::signed(1 << 7),
            Type::S16 => Self::signed(1 << 15),
            // Surrogates lie from 0xd800 to 0xdfff; shifted down by 0xd800, only they are below 0x800.
            Type::Char => Self::taking(
                "u32assert.err=\"canonical ABI: char\" dup u32lt.1114112 \
                 assert.err=\"canonical ABI: char\" push.55296 u32wrapping_sub u32lt.2048 \
                 assertz.err=\"canonical ABI: char\"",
            ),
            Type::Enum(cases) => Self::below(cases.len() as u64, "discriminant"),
            Type::Variant(cases) => Self::below(cases.len() as u64, "discriminant"),
            Type::Option(_) | Type::Result { .. } => Self::below(2, "discriminant"),
            Type::Flags(flags) if flags.len() == 32 => {
                Self::keeping("u32assert.err=\"canonical ABI: flags\"")
            }
            Type::Flags(flags) => Self::taking(format!(
                "u32assert.err=\"canonical ABI: flags\" u32gte.{} \
                 assertz.err=\"canonical ABI: flags\"",
                1_u64 << flags.len()
            )),
            _ => return None,
        })
    }

    fn taking(code: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            takes: true,
        }
    }

    fn keeping(code: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            takes: false,
        }
    }

    fn below(limit: u64, rule: &str) -> Self {
        if limit.is_power_of_two() {
            // What is below 2^32 is also below the limit if it still is so when multiplied; there is no
            // product that exceeds the modulus.
            Self::keeping(format!(
                "dup mul.{} u32assert2.err=\"canonical ABI: {rule}\" drop",
                (1_u64 << 32) / limit
            ))
        } else {
            Self::taking(format!(
                "u32assert.err=\"canonical ABI: {rule}\" u32lt.{limit} \
                 assert.err=\"canonical ABI: {rule}\""
            ))
        }
    }

    fn signed(half: u64) -> Self {
        Self::taking(format!(
            "u32assert.err=\"canonical ABI: integer\" u32wrapping_add.{half} u32lt.{} \
             assert.err=\"canonical ABI: integer\"",
            2 * half
        ))
    }

    /// `[element] -> []`
    pub(super) fn taken(&self) -> String {
        let drop = if self.takes { "" } else { " drop" };
        format!("{}{drop}", self.code)
    }

    /// `[element] -> [element]`
    pub(crate) fn kept(&self) -> String {
        let copy = if self.takes { "dup " } else { "" };
        format!("{copy}{}", self.code)
    }
}

/// The check of a list's elements.
#[derive(Debug, Clone)]
pub(super) enum ListCheck {
    /// Any are right.
    Nothing,
    /// All elements of memory that it has are to be below 2^32.
    Integers,
    /// Each element of memory by itself.
    Elements(Check),
    /// Value by value.
    Values,
}

impl ListCheck {
    pub(super) fn of(element: &Type) -> Self {
        if !needs_check(element) {
            return Self::Nothing;
        }
        if leaves([element]).iter().all(|(_, ty)| integer_len(ty) > 0) {
            return Self::Integers;
        }
        match Check::of(element) {
            Some(check) if flat_len(element) == 1 => Self::Elements(check),
            _ => Self::Values,
        }
    }
}

/// The cases whose payloads are such.
pub(super) fn cases_with(ty: &Type, is_such: fn(&Type) -> bool) -> Vec<(usize, &Type)> {
    payloads(ty)
        .into_iter()
        .enumerate()
        .filter_map(|(case, payload)| Some((case, payload?)))
        .filter(|(_, payload)| is_such(payload))
        .collect()
}

/// Checks the two elements on top of the stack.
pub(super) const CHECK_INTEGERS: &str = "u32assert2.err=\"canonical ABI: integer\"";

/// Checks elements of the stack, of which each is to be below 2^32.
pub(super) fn check_integers(code: &mut Code, positions: &[usize]) {
    let (first, others) = match positions {
        [0, 1, 2, 3] => return code.line("u32assertw.err=\"canonical ABI: integer\""),
        [0, 1, others @ ..] => (CHECK_INTEGERS, others),
        [0, others @ ..] if others.len() % 2 == 0 => {
            ("u32assert.err=\"canonical ABI: integer\"", others)
        }
        others => ("", others),
    };
    code.words(first);
    for pair in others.chunks(2) {
        match *pair {
            [one, two] => code.line(format!(
                "dup.{two} dup.{} {CHECK_INTEGERS} drop drop",
                one + 1
            )),
            // The top has been checked, so that it can be looked at once more.
            [one] if !first.is_empty() => {
                code.line(format!("dup.{one} {CHECK_INTEGERS} drop"));
            }
            [one] => code.line(format!(
                "dup.{one} u32assert.err=\"canonical ABI: integer\" drop"
            )),
            _ => {}
        }
    }
}

/// Returns `true` if a type is a single integer of 32 bits.
pub(super) fn is_integer(ty: &Type) -> bool {
    matches!(ty, Type::U32 | Type::S32)
}

/// The number of elements of a type's flat form that are the type if all of them are below 2^32, whatever else they
/// are; none if there is more to check.
pub(super) fn integer_len(ty: &Type) -> usize {
    match ty {
        Type::U64 | Type::S64 => 2,
        _ => usize::from(is_integer(ty)),
    }
}

/// The parts of records and tuples, and where in the flat form each begins.
pub(super) fn leaves<'t>(types: impl IntoIterator<Item = &'t Type>) -> Vec<(usize, &'t Type)> {
    fn add<'t>(ty: &'t Type, next: &mut usize, found: &mut Vec<(usize, &'t Type)>) {
        match ty {
            Type::Tuple(types) => types.iter().for_each(|ty| add(ty, next, found)),
            Type::Record(fields) => fields.iter().for_each(|f| add(&f.ty, next, found)),
            _ => {
                found.push((*next, ty));
                *next += flat_len(ty);
            }
        }
    }
    let (mut next, mut found) = (0, Vec::new());
    for ty in types {
        add(ty, &mut next, &mut found);
    }
    found
}

/// Returns `true` if not every flat form is a value of the type.
pub(super) fn needs_check(ty: &Type) -> bool {
    match ty {
        Type::Felt => false,
        Type::Tuple(types) => types.iter().any(needs_check),
        Type::Record(fields) => fields.iter().any(|field| needs_check(&field.ty)),
        _ => true,
    }
}
