//! Random WIT types and values of them, and how Miden assembly makes and checks them.

use std::fmt::Write;

use proptest::prelude::*;

/// A type as WIT writes it.
#[derive(Debug, Clone)]
pub enum Type {
    Bool,
    Unsigned(u32),
    Signed(u32),
    Char,
    String,
    Felt,
    List(Box<Type>),
    Tuple(Vec<Type>),
    Option(Box<Type>),
    Result(Option<Box<Type>>, Option<Box<Type>>),
    /// A record, a variant and so on, which WIT wants to have a name.
    Record(Vec<Type>),
    Variant(Vec<Option<Type>>),
    Enum(u32),
    Flags(u32),
    /// A handle of the resource type `thing`, given away.
    Own,
    /// A handle of the resource type `thing`, lent.
    Borrow,
}

/// A value in the abstract.
#[derive(Debug, Clone)]
pub enum Value {
    /// The elements of a scalar's flat form.
    Scalar(Vec<u64>),
    List(Vec<Value>),
    Parts(Vec<Value>),
    Case(u64, Option<Box<Value>>),
    /// A handle, by what it stands for.
    Handle(u64),
}

impl Type {
    /// The elements of the flat form. This is written down again here, from the book, so that a
    /// mistake in the one in the library is found.
    pub fn size(&self) -> usize {
        let optional = |ty: &Option<Box<Self>>| ty.as_ref().map_or(0, |ty| ty.size());
        match self {
            Self::Unsigned(64) | Self::Signed(64) | Self::String | Self::List(_) => 2,
            Self::Tuple(types) | Self::Record(types) => types.iter().map(Self::size).sum(),
            Self::Option(value) => 1 + value.size(),
            Self::Result(ok, err) => 1 + optional(ok).max(optional(err)),
            Self::Variant(cases) => {
                let payloads = cases.iter().flatten().map(Self::size);
                1 + payloads.max().unwrap_or(0)
            }
            _ => 1,
        }
    }

    /// The type in WIT; definitions that it needs are added to `definitions`.
    pub fn wit(&self, definitions: &mut Vec<String>) -> String {
        let define = |keyword: &str, parts: Vec<String>, definitions: &mut Vec<String>| {
            let name = format!("t{}", definitions.len());
            definitions.push(format!("{keyword} {name} {{ {} }}", parts.join(", ")));
            name
        };
        match self {
            Self::Bool => "bool".into(),
            Self::Unsigned(bits) => format!("u{bits}"),
            Self::Signed(bits) => format!("s{bits}"),
            Self::Char => "char".into(),
            Self::String => "string".into(),
            Self::Felt => "felt".into(),
            Self::Own => "thing".into(),
            Self::Borrow => "borrow<thing>".into(),
            Self::List(element) => format!("list<{}>", element.wit(definitions)),
            Self::Option(value) => format!("option<{}>", value.wit(definitions)),
            Self::Tuple(types) => {
                let types: Vec<String> = types.iter().map(|ty| ty.wit(definitions)).collect();
                format!("tuple<{}>", types.join(", "))
            }
            Self::Result(ok, err) => {
                let mut part = |ty: &Option<Box<Self>>| match ty {
                    Some(ty) => ty.wit(definitions),
                    None => "_".into(),
                };
                match (part(ok), part(err)) {
                    (ok, err) if ok == "_" && err == "_" => "result".into(),
                    (ok, err) if err == "_" => format!("result<{ok}>"),
                    (ok, err) => format!("result<{ok}, {err}>"),
                }
            }
            Self::Record(types) => {
                let fields = (0..)
                    .zip(types)
                    .map(|(field, ty): (u32, _)| format!("f{field}: {}", ty.wit(definitions)))
                    .collect();
                define("record", fields, definitions)
            }
            Self::Variant(cases) => {
                let cases = (0..)
                    .zip(cases)
                    .map(|(case, ty): (u32, _)| match ty {
                        Some(ty) => format!("c{case}({})", ty.wit(definitions)),
                        None => format!("c{case}"),
                    })
                    .collect();
                define("variant", cases, definitions)
            }
            Self::Enum(cases) => {
                let cases = (0..*cases).map(|case| format!("c{case}")).collect();
                define("enum", cases, definitions)
            }
            Self::Flags(flags) => {
                let flags = (0..*flags).map(|flag| format!("f{flag}")).collect();
                define("flags", flags, definitions)
            }
        }
    }

    /// The values of the type.
    pub fn values(&self) -> BoxedStrategy<Value> {
        let scalar = |value| Value::Scalar(vec![value]);
        match self {
            Self::Bool => (0..2_u64).prop_map(scalar).boxed(),
            Self::Unsigned(64) | Self::Signed(64) => (any::<u32>(), any::<u32>())
                .prop_map(|(high, low)| Value::Scalar(vec![high.into(), low.into()]))
                .boxed(),
            Self::Unsigned(bits) => (0..1_u64 << bits).prop_map(scalar).boxed(),
            Self::Signed(bits) => {
                let half = 1_i64 << (bits - 1);
                (-half..half)
                    .prop_map(move |value| scalar(u64::from(value as u32)))
                    .boxed()
            }
            Self::Char => any::<char>()
                .prop_map(move |c| scalar(u64::from(u32::from(c))))
                .boxed(),
            Self::Felt => (0..0xffff_ffff_0000_0001_u64).prop_map(scalar).boxed(),
            Self::Own | Self::Borrow => (1..1000_u64).prop_map(Value::Handle).boxed(),
            Self::Enum(cases) => (0..u64::from(*cases)).prop_map(scalar).boxed(),
            Self::Flags(flags) => (0..1_u64 << flags).prop_map(scalar).boxed(),
            Self::String => Self::List(Box::new(Self::Char)).values(),
            Self::List(element) => prop::collection::vec(element.values(), 0..6)
                .prop_map(Value::List)
                .boxed(),
            Self::Tuple(types) | Self::Record(types) => {
                let parts: Vec<_> = types.iter().map(Self::values).collect();
                parts.prop_map(Value::Parts).boxed()
            }
            Self::Option(value) => case_values(&[None, Some((**value).clone())]),
            Self::Result(ok, err) => {
                let unboxed = |ty: &Option<Box<Self>>| ty.as_ref().map(|ty| (**ty).clone());
                case_values(&[unboxed(ok), unboxed(err)])
            }
            Self::Variant(cases) => case_values(cases),
        }
    }

    pub fn payload(&self, case: u64) -> Option<&Self> {
        match self {
            Self::Option(value) => (case == 1).then_some(value),
            Self::Result(ok, err) => if case == 0 { ok } else { err }.as_deref(),
            Self::Variant(cases) => cases.get(case as usize)?.as_ref(),
            _ => None,
        }
    }

    pub fn element(&self) -> &Self {
        match self {
            Self::List(element) => element,
            _ => &Self::Char,
        }
    }

    pub fn parts(&self) -> &[Self] {
        match self {
            Self::Tuple(types) | Self::Record(types) => types,
            _ => &[],
        }
    }

    /// The flat form of a value; lists go to `memory` from its end on. Handles are numbered from 1: they
    /// have to be made in the order of `memory`.
    pub fn flatten(&self, value: &Value, memory: &mut Memory) -> Vec<u64> {
        let mut flat = match value {
            Value::Scalar(elements) => elements.clone(),
            Value::Handle(rep) => {
                memory.handles.push(*rep);
                vec![memory.handles.len() as u64]
            }
            Value::Parts(parts) => {
                let types = self.parts().iter();
                types
                    .zip(parts)
                    .flat_map(|(ty, part)| ty.flatten(part, memory))
                    .collect()
            }
            Value::List(items) => {
                let element = self.element();
                let mut content = Vec::new();
                for item in items {
                    content.extend(element.flatten(item, memory));
                }
                vec![memory.place(&content), items.len() as u64]
            }
            Value::Case(case, payload) => {
                let mut flat = vec![*case];
                if let (Some(ty), Some(payload)) = (self.payload(*case), payload) {
                    flat.extend(ty.flatten(payload, memory));
                }
                flat
            }
        };
        flat.resize(self.size(), 0);
        flat
    }

    /// Assembly that asserts that memory has a value; `place` pushes its address. Handles are for
    /// procedures `check_own` and `check_borrow`, which take the handle and what it stands for.
    pub fn check(&self, value: &Value, place: &str, code: &mut String) {
        let expect = |place: &str, at: usize, element: u64, code: &mut String| {
            // Writing to a string does not fail.
            let _ = writeln!(
                code,
                "{place} add.{at} mem_load push.{element} assert_eq.err=\"arrived wrong\""
            );
        };
        match value {
            Value::Scalar(elements) => {
                for (at, element) in elements.iter().enumerate() {
                    expect(place, at, *element, code);
                }
            }
            Value::Handle(rep) => {
                let check = match self {
                    Self::Borrow => "check_borrow",
                    _ => "check_own",
                };
                let _ = writeln!(code, "push.{rep} {place} mem_load exec.{check}");
            }
            Value::Parts(parts) => {
                let mut at = 0;
                for (ty, part) in self.parts().iter().zip(parts) {
                    ty.check(part, &format!("{place} add.{at}"), code);
                    at += ty.size();
                }
            }
            Value::List(items) => {
                expect(place, 1, items.len() as u64, code);
                let element = self.element();
                for (position, item) in items.iter().enumerate() {
                    let at = position * element.size();
                    element.check(item, &format!("{place} mem_load add.{at}"), code);
                }
            }
            Value::Case(case, payload) => {
                expect(place, 0, *case, code);
                if let (Some(ty), Some(payload)) = (self.payload(*case), payload) {
                    ty.check(payload, &format!("{place} add.1"), code);
                }
            }
        }
    }
}

fn case_values(cases: &[Option<Type>]) -> BoxedStrategy<Value> {
    let cases: Vec<_> = (0..)
        .zip(cases)
        .map(|(case, ty)| match ty {
            Some(ty) => ty
                .values()
                .prop_map(move |value| Value::Case(case, Some(Box::new(value))))
                .boxed(),
            None => Just(Value::Case(case, None)).boxed(),
        })
        .collect();
    prop::strategy::Union::new(cases).boxed()
}

/// Memory that a program starts with: elements from an address on.
pub struct Memory {
    start: u64,
    elements: Vec<u64>,
    /// The representations that handles stand for, from the first one on.
    handles: Vec<u64>,
}

impl Memory {
    pub fn new(start: u64) -> Self {
        Self {
            start,
            elements: Vec::new(),
            handles: Vec::new(),
        }
    }

    /// Returns the representations of the handles that values have, in the order in which they have
    /// to be made.
    pub fn handles(&self) -> &[u64] {
        &self.handles
    }

    /// Puts elements behind those that are there. Sometimes at a word, sometimes not.
    fn place(&mut self, elements: &[u64]) -> u64 {
        if elements.len().is_multiple_of(2) {
            self.elements
                .resize(self.elements.len().next_multiple_of(4), 77);
        }
        let address = self.start + self.elements.len() as u64;
        self.elements.extend(elements);
        address
    }

    /// Puts a value of more than 16 elements there.
    pub fn place_flat(&mut self, elements: &[u64]) -> u64 {
        self.place(elements)
    }

    /// The elements as a `[[data]]` entry; nothing if there are none.
    pub fn data(&self) -> String {
        if self.elements.is_empty() {
            return String::new();
        }
        let felts: Vec<String> = self.elements.iter().map(|e| format!("\"{e}\"")).collect();
        format!(
            "[[data]]\naddress = {}\nfelts = [{}]\n",
            self.start,
            felts.join(", ")
        )
    }
}

/// Types without lists that fit on the stack.
pub fn scalar_types() -> BoxedStrategy<Type> {
    prop_oneof![
        Just(Type::Bool),
        prop::sample::select(vec![8, 16, 32, 64]).prop_map(Type::Unsigned),
        prop::sample::select(vec![8, 16, 32, 64]).prop_map(Type::Signed),
        Just(Type::Char),
        Just(Type::Felt),
        (1_u32..9).prop_map(Type::Enum),
        (1_u32..33).prop_map(Type::Flags),
    ]
    .boxed()
}

/// Types of all kinds, made of `leaves`.
pub fn types_of(leaves: BoxedStrategy<Type>) -> BoxedStrategy<Type> {
    leaves
        .prop_recursive(3, 12, 4, |inner| {
            let boxed = inner.clone().prop_map(Box::new);
            let optional = prop::option::of(boxed.clone());
            prop_oneof![
                prop::collection::vec(inner.clone(), 1..4).prop_map(Type::Tuple),
                prop::collection::vec(inner.clone(), 1..4).prop_map(Type::Record),
                boxed.prop_map(Type::Option),
                (optional.clone(), optional).prop_map(|(ok, err)| Type::Result(ok, err)),
                prop::collection::vec(prop::option::of(inner), 1..4).prop_map(Type::Variant),
            ]
        })
        .boxed()
}

/// Types of all kinds, with lists and strings in them.
pub fn all_types() -> BoxedStrategy<Type> {
    with_lists(types_of(scalar_types()))
}

/// Types of all kinds, most of them with handles in them.
pub fn types_with_handles(handles: Vec<Type>) -> BoxedStrategy<Type> {
    let handles = prop::sample::select(handles);
    let leaves = prop_oneof![3 => handles, 1 => scalar_types()];
    with_lists(types_of(leaves.boxed()))
}

fn with_lists(types: BoxedStrategy<Type>) -> BoxedStrategy<Type> {
    types
        .prop_recursive(2, 8, 3, |inner| {
            prop_oneof![
                inner.clone().prop_map(|ty| Type::List(Box::new(ty))),
                prop::collection::vec(inner.clone(), 1..3).prop_map(Type::Tuple),
                inner.prop_map(|ty| Type::Option(Box::new(ty))),
                Just(Type::String),
            ]
        })
        .boxed()
}
