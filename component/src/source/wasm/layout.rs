//! The layout of values by the Canonical ABI in linear memory, and as core values.

use miden_cvm_wasm::ValueType;

use crate::{abi::payloads, wit::Type};

/// The bytes of a value in linear memory, and what its address is a multiple of.
pub(super) fn layout(ty: &Type) -> (u64, u64) {
    match ty {
        Type::Bool | Type::S8 | Type::U8 => (1, 1),
        Type::S16 | Type::U16 => (2, 2),
        Type::S64 | Type::U64 | Type::Felt => (8, 8),
        Type::String | Type::List(_) => (8, 4),
        Type::Enum(_) => {
            let size = discriminant(ty);
            (size, size)
        }
        Type::Flags(flags) => match flags.len() {
            0..=8 => (1, 1),
            9..=16 => (2, 2),
            _ => (4, 4),
        },
        Type::Tuple(types) => sequence(types.iter()).1,
        Type::Record(fields) => sequence(fields.iter().map(|field| &field.ty)).1,
        Type::Variant(_) | Type::Option(_) | Type::Result { .. } => {
            let cases = payloads(ty).into_iter().flatten().map(layout);
            let largest = cases.fold((0, 1), |(size, alignment), (case, align)| {
                (case.max(size), align.max(alignment))
            });
            let alignment = largest.1.max(discriminant(ty));
            let size = payload_offset(ty) + largest.0;
            (size.next_multiple_of(alignment), alignment)
        }
        Type::S32 | Type::U32 | Type::Char | Type::Own(_) | Type::Borrow(_) => (4, 4),
    }
}

/// The offsets of values that stand one after another, and the size and alignment of them all.
pub(super) fn sequence<'t>(types: impl Iterator<Item = &'t Type>) -> (Vec<u64>, (u64, u64)) {
    let (mut offsets, mut size, mut alignment) = (Vec::new(), 0_u64, 1);
    for ty in types {
        let (bytes, align) = layout(ty);
        size = size.next_multiple_of(align);
        offsets.push(size);
        size += bytes;
        alignment = alignment.max(align);
    }
    (offsets, (size.next_multiple_of(alignment), alignment))
}

/// The bytes of the number of a case.
pub(super) fn discriminant(ty: &Type) -> u64 {
    let cases = match ty {
        Type::Enum(cases) => cases.len(),
        _ => payloads(ty).len(),
    };
    match cases {
        0..=0x100 => 1,
        0x101..=0x1_0000 => 2,
        _ => 4,
    }
}

/// Where the values of cases are, behind the number of the case.
pub(super) fn payload_offset(ty: &Type) -> u64 {
    let cases = payloads(ty).into_iter().flatten();
    let alignment = cases.map(|case| layout(case).1).max().unwrap_or(1);
    discriminant(ty).next_multiple_of(alignment)
}

/// The core values that a value is flattened to.
pub(super) fn core_types(ty: &Type) -> Vec<ValueType> {
    match ty {
        Type::S64 | Type::U64 | Type::Felt => vec![ValueType::I64],
        Type::String | Type::List(_) => vec![ValueType::I32; 2],
        Type::Tuple(types) => types.iter().flat_map(core_types).collect(),
        Type::Record(fields) => fields.iter().flat_map(|f| core_types(&f.ty)).collect(),
        Type::Variant(_) | Type::Option(_) | Type::Result { .. } => {
            let mut joined = vec![ValueType::I32];
            joined.extend(payload_types(ty));
            joined
        }
        _ => vec![ValueType::I32],
    }
}

/// The core values that the values of cases share.
pub(super) fn payload_types(ty: &Type) -> Vec<ValueType> {
    let mut joined: Vec<ValueType> = Vec::new();
    for case in payloads(ty).into_iter().flatten() {
        for (position, found) in core_types(case).into_iter().enumerate() {
            match joined.get_mut(position) {
                Some(known) if *known != found => *known = ValueType::I64,
                Some(_) => {}
                None => joined.push(found),
            }
        }
    }
    joined
}
