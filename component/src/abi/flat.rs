//! The flat form of types.

use std::fmt;

use crate::wit::Type;

/// The kind of an element of a flat form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flat {
    /// 0 or 1.
    Bool,
    /// Below 2^8.
    U8,
    /// Below 2^16.
    U16,
    /// Below 2^32.
    U32,
    /// A signed integer of 8 bits, as the u32 with its two's complement.
    S8,
    /// A signed integer of 16 bits, as the u32 with its two's complement.
    S16,
    /// A signed integer of 32 bits, as the u32 with its two's complement.
    S32,
    /// The high or the low half of an integer of 64 bits.
    Limb,
    /// A Unicode scalar value.
    Char,
    /// Any element.
    Felt,
    /// The number of the case, one of so many.
    Discriminant(u32),
    /// So many bits.
    Flags(u32),
    /// The address of the first element of a list.
    Pointer,
    /// The number of values in a list.
    Length,
    /// An owned handle.
    Own,
    /// A borrowed handle.
    Borrow,
    /// An element whose kind depends on the case of a variant.
    Payload,
}

impl fmt::Display for Flat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("bool"),
            Self::U8 => f.write_str("u8"),
            Self::U16 => f.write_str("u16"),
            Self::U32 => f.write_str("u32"),
            Self::S8 => f.write_str("s8"),
            Self::S16 => f.write_str("s16"),
            Self::S32 => f.write_str("s32"),
            Self::Limb => f.write_str("limb"),
            Self::Char => f.write_str("char"),
            Self::Felt => f.write_str("felt"),
            Self::Discriminant(cases) => write!(f, "case/{cases}"),
            Self::Flags(flags) => write!(f, "flags/{flags}"),
            Self::Pointer => f.write_str("pointer"),
            Self::Length => f.write_str("length"),
            Self::Own => f.write_str("own"),
            Self::Borrow => f.write_str("borrow"),
            Self::Payload => f.write_str("payload"),
        }
    }
}

/// An element of a flat form and its name, such as `entry.amount.hi`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlatValue {
    /// Where in the value it comes from.
    pub name: String,
    /// The kind of the element.
    pub flat: Flat,
}

/// The most names that an element has; if there were more of them, it is named by its position.
const MAX_NAMES: usize = 4;

/// The number of elements of a type's flat form, which is also its size in memory.
pub fn flat_len(ty: &Type) -> usize {
    match ty {
        Type::S64 | Type::U64 | Type::String | Type::List(_) => 2,
        Type::Tuple(types) => types.iter().map(flat_len).sum(),
        Type::Record(fields) => fields.iter().map(|field| flat_len(&field.ty)).sum(),
        Type::Variant(_) | Type::Option(_) | Type::Result { .. } => {
            1 + payloads(ty)
                .into_iter()
                .flatten()
                .map(flat_len)
                .max()
                .unwrap_or(0)
        }
        _ => 1,
    }
}

/// The flat form of a value called `name`.
///
/// An integer of 64 bits has its high half first, so that it stands on the stack as the core library's
/// `u64` takes it. Signed integers are sign-extended to 32 bits. A variant is the number of its case,
/// then the longest of the cases' flat forms; shorter ones leave the rest unused. An element there is named
/// after the case, and after what it is in it: `found.some.amount`; after all of them if a few use it:
/// `outcome.ok.left|err`.
pub fn flatten(name: &str, ty: &Type) -> Vec<FlatValue> {
    let one = |flat| {
        vec![FlatValue {
            name: name.into(),
            flat,
        }]
    };
    let two = |parts: [(&str, Flat); 2]| {
        parts
            .into_iter()
            .map(|(part, flat)| FlatValue {
                name: format!("{name}.{part}"),
                flat,
            })
            .collect()
    };
    match ty {
        Type::Bool => one(Flat::Bool),
        Type::S8 => one(Flat::S8),
        Type::U8 => one(Flat::U8),
        Type::S16 => one(Flat::S16),
        Type::U16 => one(Flat::U16),
        Type::S32 => one(Flat::S32),
        Type::U32 => one(Flat::U32),
        Type::S64 | Type::U64 => two([("hi", Flat::Limb), ("lo", Flat::Limb)]),
        Type::Char => one(Flat::Char),
        Type::Felt => one(Flat::Felt),
        Type::String | Type::List(_) => two([("ptr", Flat::Pointer), ("len", Flat::Length)]),
        Type::Tuple(types) => (0..)
            .zip(types)
            .flat_map(|(position, ty): (u32, _)| flatten(&format!("{name}.{position}"), ty))
            .collect(),
        Type::Record(fields) => fields
            .iter()
            .flat_map(|field| flatten(&format!("{name}.{}", field.name), &field.ty))
            .collect(),
        Type::Enum(cases) => one(Flat::Discriminant(cases.len() as u32)),
        Type::Flags(flags) => one(Flat::Flags(flags.len() as u32)),
        Type::Own(_) => one(Flat::Own),
        Type::Borrow(_) => one(Flat::Borrow),
        Type::Variant(_) | Type::Option(_) | Type::Result { .. } => {
            let payloads = payloads(ty);
            let mut flat = vec![FlatValue {
                name: format!("{name}.case"),
                flat: Flat::Discriminant(payloads.len() as u32),
            }];
            let mut joined: Vec<(Vec<String>, Flat)> = Vec::new();
            for (label, payload) in case_names(ty).into_iter().zip(payloads) {
                let values = payload.map(|ty| flatten(label, ty)).unwrap_or_default();
                for (position, value) in values.into_iter().enumerate() {
                    match joined.get_mut(position) {
                        Some((names, known)) => {
                            names.push(value.name);
                            if *known != value.flat {
                                *known = Flat::Payload;
                            }
                        }
                        None => joined.push((vec![value.name], value.flat)),
                    }
                }
            }
            let joined = joined.into_iter().enumerate();
            flat.extend(joined.map(|(position, (names, flat))| {
                let inner = match names.len() {
                    0..=MAX_NAMES => names.join("|"),
                    _ => position.to_string(),
                };
                FlatValue {
                    name: format!("{name}.{inner}"),
                    flat,
                }
            }));
            flat
        }
    }
}

/// The payloads of the cases of a type that is one of several things; none for all other types.
pub(crate) fn payloads(ty: &Type) -> Vec<Option<&Type>> {
    match ty {
        Type::Variant(cases) => cases.iter().map(|case| case.ty.as_ref()).collect(),
        Type::Option(value) => vec![None, Some(value)],
        Type::Result { ok, err } => vec![ok.as_deref(), err.as_deref()],
        _ => Vec::new(),
    }
}

/// The names of the cases of a type that is one of several things; none for all other types.
fn case_names(ty: &Type) -> Vec<&str> {
    match ty {
        Type::Variant(cases) => cases.iter().map(|case| case.name.as_str()).collect(),
        Type::Option(_) => vec!["none", "some"],
        Type::Result { .. } => vec!["ok", "err"],
        _ => Vec::new(),
    }
}

/// Sentences that say which number stands for which case or flag in a value called `name`, and what the
/// values of lists in it are.
pub(crate) fn legend(name: &str, ty: &Type) -> Vec<String> {
    fn numbered(what: &str, names: &[impl AsRef<str>]) -> String {
        let listed: Vec<String> = (0_u32..)
            .zip(names)
            .map(|(number, name)| format!("{number} for {}", name.as_ref()))
            .collect();
        format!("Where {what} is {}.", listed.join(", "))
    }
    match ty {
        Type::Enum(cases) => vec![numbered(name, cases)],
        Type::Flags(flags) => {
            let bits: Vec<String> = (0_u32..)
                .zip(flags)
                .map(|(bit, flag)| format!("bit {bit} is {flag}"))
                .collect();
            vec![format!("Where in {name} {}.", bits.join(", "))]
        }
        Type::Tuple(types) => (0_u32..)
            .zip(types)
            .flat_map(|(position, ty)| legend(&format!("{name}.{position}"), ty))
            .collect(),
        Type::Record(fields) => fields
            .iter()
            .flat_map(|field| legend(&format!("{name}.{}", field.name), &field.ty))
            .collect(),
        Type::List(element) => {
            let each = format!("{name}[i]");
            let names: Vec<String> = flatten(&each, element)
                .into_iter()
                .map(|value| value.name)
                .collect();
            let mut lines = Vec::new();
            if names != [each.as_str()] {
                lines.push(format!(
                    "Where each value of {name} is [{}] in memory.",
                    names.join(", ")
                ));
            }
            lines.extend(legend(&each, element));
            lines
        }
        _ => {
            let names = case_names(ty);
            if names.is_empty() {
                return Vec::new();
            }
            let mut lines = vec![numbered(&format!("{name}.case"), &names)];
            for (label, payload) in names.into_iter().zip(payloads(ty)) {
                if let Some(ty) = payload {
                    lines.extend(legend(&format!("{name}.{label}"), ty));
                }
            }
            lines
        }
    }
}

/// Returns `true` if values of a type can have lists or strings in them.
pub fn has_pointers(ty: &Type) -> bool {
    match ty {
        Type::String | Type::List(_) => true,
        Type::Tuple(types) => types.iter().any(has_pointers),
        Type::Record(fields) => fields.iter().any(|field| has_pointers(&field.ty)),
        _ => payloads(ty).into_iter().flatten().any(has_pointers),
    }
}
