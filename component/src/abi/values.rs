//! Values of WIT types, in and out of their forms at the boundary between instances.
//!
//! Whoever runs a composition stands outside of it, where a caller's bindings would be: it puts the
//! parameters of the main function on the stack, or into a message, and takes the result off in the same
//! way.

use std::{borrow::Cow, fmt};

use miden_core::{Felt, Word};
use miden_crypto::hash::rpo::Rpo256;
use wasm_wave::{
    value::{Type as WaveType, Value},
    wasm::{WasmTypeKind, WasmValue},
};

use super::{FlatValues, flat_len};
use crate::{
    error::ValueError,
    limits::MAX_BRACKETS,
    wit::{Field, Function, Type},
};

/// Values as they cross a boundary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lowered {
    /// The elements on the stack, the top first.
    pub stack: Vec<Felt>,
    /// The message that stands for them, and its hash, under which it is in the advice map.
    pub message: Option<(Word, Vec<Felt>)>,
}

/// The name of the function in a call in WAVE, such as `main("alice", 3)`, and its parameters.
///
/// # Errors
/// Returns an error if it is no call.
pub fn parse_call(text: &str) -> Result<wasm_wave::untyped::UntypedFuncCall<'_>, ValueError> {
    if brackets(text) > MAX_BRACKETS {
        return Err(ValueError::Brackets);
    }
    wasm_wave::untyped::UntypedFuncCall::parse(text).map_err(|error| ValueError::Text {
        text: text.into(),
        reason: error.to_string(),
    })
}

/// Returns the greatest depth of brackets, those in strings and characters counted too.
fn brackets(text: &str) -> usize {
    let (mut open, mut most) = (0_usize, 0);
    for character in text.chars() {
        match character {
            '(' | '[' | '{' => open += 1,
            ')' | ']' | '}' => open = open.saturating_sub(1),
            _ => {}
        }
        most = most.max(open);
    }
    most
}

/// The parameters of a call of `function`.
///
/// # Errors
/// Returns an error if they are not of the function's types.
pub fn typed_params(
    function: &Function,
    call: &wasm_wave::untyped::UntypedFuncCall<'_>,
) -> Result<Vec<Value>, ValueError> {
    for field in &function.params {
        if field.ty.has_handles() {
            return Err(ValueError::Handle {
                name: field.name.clone(),
            });
        }
    }
    let types: Vec<WaveType> = function
        .params
        .iter()
        .map(|field| wave_type(&field.ty))
        .collect();
    let wrong = |reason: String| ValueError::Text {
        text: call.source().into(),
        reason: format!("{reason}; the function is {function}"),
    };
    let params: Result<Vec<Value>, _> = call.to_wasm_params(&types);
    let params = params.map_err(|error| wrong(error.to_string()))?;
    let (expected, found) = (types.len(), params.len());
    match expected == found {
        true => Ok(params),
        false => Err(wrong(ValueError::Count { expected, found }.to_string())),
    }
}

/// A type as WAVE knows it: a `felt` is a `u64`, and so is a handle, which stands for nothing that could
/// be seen.
pub fn wave_type(ty: &Type) -> WaveType {
    let boxed = |ty: &Option<std::sync::Arc<Type>>| ty.as_deref().map(wave_type);
    let composed = match ty {
        Type::Bool => Some(WaveType::BOOL),
        Type::S8 => Some(WaveType::S8),
        Type::U8 => Some(WaveType::U8),
        Type::S16 => Some(WaveType::S16),
        Type::U16 => Some(WaveType::U16),
        Type::S32 => Some(WaveType::S32),
        Type::U32 => Some(WaveType::U32),
        Type::S64 => Some(WaveType::S64),
        Type::U64 | Type::Felt | Type::Own(_) | Type::Borrow(_) => Some(WaveType::U64),
        Type::Char => Some(WaveType::CHAR),
        Type::String => Some(WaveType::STRING),
        Type::List(ty) => Some(WaveType::list(wave_type(ty))),
        Type::Tuple(types) => {
            let types: Vec<WaveType> = types.iter().map(wave_type).collect();
            WaveType::tuple(types)
        }
        Type::Record(fields) => {
            WaveType::record(fields.iter().map(|f| (f.name.clone(), wave_type(&f.ty))))
        }
        Type::Variant(cases) => {
            let cases = cases.iter();
            WaveType::variant(cases.map(|c| (c.name.clone(), c.ty.as_ref().map(wave_type))))
        }
        Type::Enum(cases) => WaveType::enum_ty(cases.iter().cloned()),
        Type::Option(ty) => Some(WaveType::option(wave_type(ty))),
        Type::Result { ok, err } => Some(WaveType::result(boxed(ok), boxed(err))),
        Type::Flags(flags) => WaveType::flags(flags.iter().cloned()),
    };
    // WIT has no empty records, tuples, variants, enums and flags.
    composed.unwrap_or(WaveType::BOOL)
}

/// A value in WAVE.
pub fn wave_text(value: &Value) -> String {
    wasm_wave::to_string(value).unwrap_or_default()
}

/// Values as they cross a boundary, from outside.
///
/// # Errors
/// Returns an error if they are not of the types, or if one is a handle.
pub fn lower_values(
    params: &[Field],
    passing: &FlatValues,
    values: &[Value],
) -> Result<Lowered, ValueError> {
    if values.len() != params.len() {
        return Err(ValueError::Count {
            expected: params.len(),
            found: values.len(),
        });
    }
    let mut flat = Vec::new();
    let mut lists = Vec::new();
    for (param, value) in params.iter().zip(values) {
        Lowering {
            name: &param.name,
            lists: &mut lists,
        }
        .flatten(&param.ty, value, &mut flat)?;
    }
    if !passing.by_message {
        return Ok(Lowered {
            stack: flat,
            message: None,
        });
    }
    let mut message = Vec::new();
    write_block(flat, lists, &mut message, None)?;
    pad(&mut message, 8);
    let hash = Rpo256::hash_elements(&message);
    let mut stack: Vec<Felt> = hash.as_elements().iter().rev().copied().collect();
    stack.push(Felt::from(message.len() as u32 / 8));
    Ok(Lowered {
        stack,
        message: Some((hash, message)),
    })
}

/// A value in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The elements from the address on: the elements of a list or a string, the flat form of any other value,
    /// and behind it those of the lists in it.
    pub elements: Vec<Felt>,
    /// The number of values of a list, or of characters of a string; the length of the flat form of any other value.
    pub length: u64,
}

/// The memory that has a value in WAVE at an address, which is a multiple of 4.
///
/// # Errors
/// Returns an error if the text is no value of the type, or if there are handles in it.
pub fn place_value(name: &str, ty: &Type, text: &str, address: u32) -> Result<Placed, ValueError> {
    if brackets(text) > MAX_BRACKETS {
        return Err(ValueError::Brackets);
    }
    let value: Value =
        wasm_wave::from_str(&wave_type(ty), text).map_err(|error| ValueError::Wave {
            text: text.into(),
            ty: ty.to_string(),
            reason: error.to_string(),
        })?;
    let mut flat = Vec::new();
    let mut lists = Vec::new();
    Lowering {
        name,
        lists: &mut lists,
    }
    .flatten(ty, &value, &mut flat)?;
    let base = Some(address);
    let mut elements = Vec::new();
    let length = match ty {
        Type::String | Type::List(_) => {
            for list in lists {
                write_list(list, &mut elements, base)?;
            }
            flat.last().map_or(0, Felt::as_int)
        }
        _ => {
            let length = flat.len() as u64;
            write_block(flat, lists, &mut elements, base)?;
            length
        }
    };
    Ok(Placed { elements, length })
}

/// A list whose elements come later in a message.
struct PendingList {
    /// Where its pointer is in the flat form.
    pointer: usize,
    name: String,
    ty: Type,
    items: Vec<Value>,
    /// A string's characters, which are no values.
    characters: Vec<Felt>,
}

/// Writes a flat form, and behind it the lists in it, each with those in it. Pointers are zero in a message;
/// in memory, whose first address `base` is, they are what they are.
fn write_block(
    flat: Vec<Felt>,
    lists: Vec<PendingList>,
    written: &mut Vec<Felt>,
    base: Option<u32>,
) -> Result<(), ValueError> {
    let start = written.len();
    written.extend(flat);
    pad(written, 4);
    for list in lists {
        if let Some(base) = base {
            let address = u64::from(base) + written.len() as u64;
            written[start + list.pointer] = Felt::new(address);
        }
        write_list(list, written, base)?;
    }
    Ok(())
}

fn write_list(
    list: PendingList,
    written: &mut Vec<Felt>,
    base: Option<u32>,
) -> Result<(), ValueError> {
    let mut flat = list.characters;
    let mut inner = Vec::new();
    for item in &list.items {
        Lowering {
            name: &list.name,
            lists: &mut inner,
        }
        .flatten(&list.ty, item, &mut flat)?;
    }
    write_block(flat, inner, written, base)
}

fn pad(elements: &mut Vec<Felt>, to: usize) {
    elements.resize(elements.len().next_multiple_of(to), Felt::new(0));
}

/// Flattens values, and remembers their lists.
struct Lowering<'a> {
    /// The parameter, for errors.
    name: &'a str,
    lists: &'a mut Vec<PendingList>,
}

impl Lowering<'_> {
    fn flatten(
        &mut self,
        ty: &Type,
        value: &Value,
        flat: &mut Vec<Felt>,
    ) -> Result<(), ValueError> {
        let end = flat.len() + flat_len(ty);
        self.check(ty, value)?;
        let two = |number: u64| [Felt::from((number >> 32) as u32), Felt::from(number as u32)];
        match ty {
            Type::Bool => flat.push(Felt::from(u32::from(value.unwrap_bool()))),
            Type::U8 => flat.push(Felt::from(u32::from(value.unwrap_u8()))),
            Type::U16 => flat.push(Felt::from(u32::from(value.unwrap_u16()))),
            Type::U32 => flat.push(Felt::from(value.unwrap_u32())),
            Type::S8 => flat.push(Felt::from(i32::from(value.unwrap_s8()) as u32)),
            Type::S16 => flat.push(Felt::from(i32::from(value.unwrap_s16()) as u32)),
            Type::S32 => flat.push(Felt::from(value.unwrap_s32() as u32)),
            Type::U64 => flat.extend(two(value.unwrap_u64())),
            Type::S64 => flat.extend(two(value.unwrap_s64() as u64)),
            Type::Char => flat.push(Felt::from(u32::from(value.unwrap_char()))),
            Type::Felt => {
                let number = value.unwrap_u64();
                let element = Felt::try_from(number).map_err(|_| ValueError::Element {
                    name: self.name.into(),
                    value: number,
                })?;
                flat.push(element);
            }
            Type::Own(_) | Type::Borrow(_) => {
                return Err(ValueError::Handle {
                    name: self.name.into(),
                });
            }
            Type::String => {
                let text = value.unwrap_string();
                let characters: Vec<Felt> =
                    text.chars().map(|c| Felt::from(u32::from(c))).collect();
                self.push_list(flat, ty, Vec::new(), characters);
            }
            Type::List(element) => {
                let items = value.unwrap_list().map(Cow::into_owned).collect();
                self.push_list(flat, element, items, Vec::new());
            }
            Type::Tuple(types) => {
                for (ty, part) in types.iter().zip(value.unwrap_tuple()) {
                    self.flatten(ty, &part, flat)?;
                }
            }
            Type::Record(fields) => {
                for (field, (_, part)) in fields.iter().zip(value.unwrap_record()) {
                    self.flatten(&field.ty, &part, flat)?;
                }
            }
            Type::Variant(cases) => {
                let (case, payload) = value.unwrap_variant();
                let number = cases.iter().position(|known| known.name == *case);
                let number = number.ok_or_else(|| self.kind(ty, value))?;
                flat.push(Felt::from(number as u32));
                if let (Some(ty), Some(payload)) = (&cases[number].ty, payload) {
                    self.flatten(ty, &payload, flat)?;
                }
            }
            Type::Enum(cases) => {
                let case = value.unwrap_enum();
                let number = cases.iter().position(|known| **known == *case);
                let number = number.ok_or_else(|| self.kind(ty, value))?;
                flat.push(Felt::from(number as u32));
            }
            Type::Option(some) => {
                let payload = value.unwrap_option();
                flat.push(Felt::from(u32::from(payload.is_some())));
                if let Some(payload) = payload {
                    self.flatten(some, &payload, flat)?;
                }
            }
            Type::Result { ok, err } => {
                let (number, ty, payload) = match value.unwrap_result() {
                    Ok(payload) => (0_u32, ok, payload),
                    Err(payload) => (1, err, payload),
                };
                flat.push(Felt::from(number));
                if let (Some(ty), Some(payload)) = (ty, payload) {
                    self.flatten(ty, &payload, flat)?;
                }
            }
            Type::Flags(flags) => {
                let mut bits = 0_u32;
                for flag in value.unwrap_flags() {
                    let bit = flags.iter().position(|known| **known == *flag);
                    bits |= 1 << bit.ok_or_else(|| self.kind(ty, value))?;
                }
                flat.push(Felt::from(bits));
            }
        }
        flat.resize(end, Felt::new(0));
        Ok(())
    }

    fn push_list(
        &mut self,
        flat: &mut Vec<Felt>,
        element: &Type,
        items: Vec<Value>,
        characters: Vec<Felt>,
    ) {
        let length = items.len() + characters.len();
        let pointer = flat.len();
        flat.extend([Felt::new(0), Felt::new(length as u64)]);
        self.lists.push(PendingList {
            pointer,
            name: self.name.into(),
            ty: element.clone(),
            items,
            characters,
        });
    }

    /// Checks that a value is of the kind of its type: only then can it be looked into.
    fn check(&self, ty: &Type, value: &Value) -> Result<(), ValueError> {
        let is_right = wave_kind(ty) == value.kind()
            && match ty {
                Type::Tuple(types) => value.unwrap_tuple().count() == types.len(),
                Type::Record(fields) => {
                    let names = value.unwrap_record().map(|(name, _)| name.into_owned());
                    names.eq(fields.iter().map(|field| field.name.clone()))
                }
                _ => true,
            };
        match is_right {
            true => Ok(()),
            false => Err(self.kind(ty, value)),
        }
    }

    fn kind(&self, ty: &Type, value: &Value) -> ValueError {
        ValueError::Kind {
            name: self.name.into(),
            expected: ty.to_string(),
            found: wave_text(value),
        }
    }
}

fn wave_kind(ty: &Type) -> WasmTypeKind {
    match ty {
        Type::Bool => WasmTypeKind::Bool,
        Type::S8 => WasmTypeKind::S8,
        Type::U8 => WasmTypeKind::U8,
        Type::S16 => WasmTypeKind::S16,
        Type::U16 => WasmTypeKind::U16,
        Type::S32 => WasmTypeKind::S32,
        Type::U32 => WasmTypeKind::U32,
        Type::S64 => WasmTypeKind::S64,
        Type::U64 | Type::Felt | Type::Own(_) | Type::Borrow(_) => WasmTypeKind::U64,
        Type::Char => WasmTypeKind::Char,
        Type::String => WasmTypeKind::String,
        Type::List(_) => WasmTypeKind::List,
        Type::Tuple(_) => WasmTypeKind::Tuple,
        Type::Record(_) => WasmTypeKind::Record,
        Type::Variant(_) => WasmTypeKind::Variant,
        Type::Enum(_) => WasmTypeKind::Enum,
        Type::Option(_) => WasmTypeKind::Option,
        Type::Result { .. } => WasmTypeKind::Result,
        Type::Flags(_) => WasmTypeKind::Flags,
    }
}

/// The values that have crossed a boundary to the outside. `stack` has what is on the stack, the top
/// first, and `message_of` gives the message with a hash.
///
/// # Errors
/// Returns an error if they are no values of the types, or if their message is not there.
pub fn lift_values(
    passing: &FlatValues,
    stack: &[Felt],
    message_of: impl FnOnce(&Word) -> Option<Vec<Felt>>,
) -> Result<Vec<Value>, ValueError> {
    let element = |position: usize| stack.get(position).copied().unwrap_or_default();
    let mut lifting = Lifting {
        elements: Vec::new(),
        next: 0,
    };
    let length = passing.flat.len();
    if !passing.by_message {
        lifting.elements = (0..length).map(element).collect();
        let flat: Vec<Felt> = lifting.take(length)?.to_vec();
        return lifting.values(&passing.types, &flat);
    }
    let hash = Word::new([element(3), element(2), element(1), element(0)]);
    let message = message_of(&hash).ok_or(ValueError::NoMessage(hash))?;
    if message.len() as u64 != element(4).as_int().saturating_mul(8)
        || Rpo256::hash_elements(&message) != hash
    {
        return Err(ValueError::MessageLength);
    }
    lifting.elements = message;
    let flat = lifting.block(length)?;
    let values = lifting.values(&passing.types, &flat)?;
    match lifting.next.next_multiple_of(8) == lifting.elements.len() {
        true => Ok(values),
        false => Err(ValueError::MessageLength),
    }
}

/// Reads values; the elements of lists in the order of the message.
struct Lifting {
    elements: Vec<Felt>,
    next: usize,
}

/// The part of a value that is read before the lists in it, which come behind it.
enum Shape {
    Whole(Value),
    List(Type, usize),
    String(usize),
    Parts(Vec<Shape>),
    Case(u32, Option<Box<Shape>>),
}

impl Lifting {
    fn take(&mut self, length: usize) -> Result<&[Felt], ValueError> {
        let end = self.next.checked_add(length);
        let taken = end.and_then(|end| self.elements.get(self.next..end));
        let taken = taken.ok_or(ValueError::MessageLength)?;
        self.next += length;
        Ok(taken)
    }

    /// Elements, and the zeros behind them.
    fn block(&mut self, length: usize) -> Result<Vec<Felt>, ValueError> {
        let taken = self.take(length)?.to_vec();
        self.next = self.next.next_multiple_of(4);
        Ok(taken)
    }

    fn values(&mut self, types: &[Type], flat: &[Felt]) -> Result<Vec<Value>, ValueError> {
        let mut rest = flat;
        let shapes = types
            .iter()
            .map(|ty| shape(ty, &mut rest))
            .collect::<Result<Vec<_>, _>>()?;
        types
            .iter()
            .zip(shapes)
            .map(|(ty, shape)| self.fill(ty, shape))
            .collect()
    }

    /// A value, with its lists read.
    fn fill(&mut self, ty: &Type, shape: Shape) -> Result<Value, ValueError> {
        let wave = wave_type(ty);
        let impossible = |_| ValueError::MessageLength;
        match (shape, ty) {
            (Shape::Whole(value), _) => Ok(value),
            (Shape::String(length), _) => {
                let characters = self.block(length)?;
                let text = characters
                    .into_iter()
                    .map(|element| {
                        let scalar = u32::try_from(element.as_int()).ok();
                        let found = scalar.and_then(char::from_u32);
                        found.ok_or_else(|| malformed(element, "char"))
                    })
                    .collect::<Result<String, _>>()?;
                Ok(Value::make_string(text.into()))
            }
            (Shape::List(element, length), _) => {
                let each = flat_len(&element);
                let size = each.checked_mul(length).ok_or(ValueError::MessageLength)?;
                let flat = self.block(size)?;
                let types = vec![element; length];
                let items = self.values(&types, &flat)?;
                Value::make_list(&wave, items).map_err(impossible)
            }
            (Shape::Parts(parts), Type::Tuple(types)) => {
                let values = types
                    .iter()
                    .zip(parts)
                    .map(|(ty, part)| self.fill(ty, part))
                    .collect::<Result<Vec<_>, _>>()?;
                Value::make_tuple(&wave, values).map_err(impossible)
            }
            (Shape::Parts(parts), Type::Record(fields)) => {
                let values = fields
                    .iter()
                    .zip(parts)
                    .map(|(field, part)| Ok((field.name.as_str(), self.fill(&field.ty, part)?)))
                    .collect::<Result<Vec<_>, ValueError>>()?;
                Value::make_record(&wave, values).map_err(impossible)
            }
            (Shape::Case(number, payload), _) => {
                let types = super::payloads(ty);
                let payload_type = types.get(number as usize).copied().flatten();
                let payload = match (payload_type, payload) {
                    (Some(ty), Some(shape)) => Some(self.fill(ty, *shape)?),
                    _ => None,
                };
                let made = match ty {
                    Type::Variant(cases) => {
                        let name = &cases[number as usize].name;
                        Value::make_variant(&wave, name, payload)
                    }
                    Type::Option(_) => Value::make_option(&wave, payload),
                    _ if number == 0 => Value::make_result(&wave, Ok(payload)),
                    _ => Value::make_result(&wave, Err(payload)),
                };
                made.map_err(impossible)
            }
            (Shape::Parts(_), _) => Err(ValueError::MessageLength),
        }
    }
}

/// Reads the flat form of a value.
fn shape(ty: &Type, rest: &mut &[Felt]) -> Result<Shape, ValueError> {
    let length = flat_len(ty);
    let (own, behind) = rest
        .split_at_checked(length)
        .ok_or(ValueError::MessageLength)?;
    *rest = behind;
    let first = own.first().copied().unwrap_or_default();
    let number = first.as_int();
    let below = |limit: u64| match number < limit {
        true => Ok(number as u32),
        false => Err(malformed(first, ty)),
    };
    let signed = |bits: u32| -> Result<i32, ValueError> {
        let value = below(1 << 32)? as i32;
        match (-(1_i64 << (bits - 1))..1 << (bits - 1)).contains(&i64::from(value)) {
            true => Ok(value),
            false => Err(malformed(first, ty)),
        }
    };
    let wide = || -> Result<u64, ValueError> {
        let low = own.get(1).copied().unwrap_or_default();
        match u32::try_from(low.as_int()) {
            Ok(low) => Ok(u64::from(below(1 << 32)?) << 32 | u64::from(low)),
            Err(_) => Err(malformed(low, ty)),
        }
    };
    let count = || {
        let count = own.get(1).copied().unwrap_or_default().as_int();
        usize::try_from(count).map_err(|_| ValueError::MessageLength)
    };
    Ok(Shape::Whole(match ty {
        Type::Bool => Value::make_bool(below(2)? == 1),
        Type::U8 => Value::make_u8(below(1 << 8)? as u8),
        Type::U16 => Value::make_u16(below(1 << 16)? as u16),
        Type::U32 => Value::make_u32(below(1 << 32)?),
        Type::S8 => Value::make_s8(signed(8)? as i8),
        Type::S16 => Value::make_s16(signed(16)? as i16),
        Type::S32 => Value::make_s32(signed(32)?),
        Type::U64 => Value::make_u64(wide()?),
        Type::S64 => Value::make_s64(wide()? as i64),
        Type::Char => match char::from_u32(below(1 << 32)?) {
            Some(character) => Value::make_char(character),
            None => return Err(malformed(first, ty)),
        },
        Type::Felt | Type::Own(_) | Type::Borrow(_) => Value::make_u64(number),
        Type::String => return Ok(Shape::String(count()?)),
        Type::List(element) => return Ok(Shape::List(Type::clone(element), count()?)),
        Type::Tuple(types) => {
            let mut own = own;
            let parts = types.iter().map(|ty| shape(ty, &mut own));
            return Ok(Shape::Parts(parts.collect::<Result<_, _>>()?));
        }
        Type::Record(fields) => {
            let mut own = own;
            let parts = fields.iter().map(|field| shape(&field.ty, &mut own));
            return Ok(Shape::Parts(parts.collect::<Result<_, _>>()?));
        }
        Type::Variant(_) | Type::Option(_) | Type::Result { .. } => {
            let payloads = super::payloads(ty);
            let case = below(payloads.len() as u64)?;
            let payload = payloads[case as usize]
                .map(|ty| shape(ty, &mut &own[1..]))
                .transpose()?;
            return Ok(Shape::Case(case, payload.map(Box::new)));
        }
        Type::Enum(cases) => {
            let case = below(cases.len() as u64)?;
            let made = Value::make_enum(&wave_type(ty), &cases[case as usize]);
            made.map_err(|_| malformed(first, ty))?
        }
        Type::Flags(flags) => {
            let bits = below(1 << flags.len())?;
            let set = (0..).zip(flags).filter(|(bit, _)| bits >> bit & 1 == 1);
            let set = set.map(|(_, name)| name.as_str());
            let made = Value::make_flags(&wave_type(ty), set);
            made.map_err(|_| malformed(first, ty))?
        }
    }))
}

fn malformed(element: Felt, expected: impl fmt::Display) -> ValueError {
    ValueError::Malformed {
        name: "result".into(),
        element: element.as_int(),
        expected: expected.to_string(),
    }
}
