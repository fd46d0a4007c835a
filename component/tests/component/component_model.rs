//! Compares what the Component Model's own definitions say, which is in `component_model.json`,
//! with what is said and done here. The book's "Canonical ABI" describes how the one becomes the
//! other.

use std::{collections::BTreeMap, fmt::Write, fs, path::Path};

use miden_core::{Felt, StackInputs};
use miden_cvm_component::{
    LinkedComposition,
    abi::{Flat, FlatValues, MAX_FLAT, Signature, flatten},
    wit::{Function, Type},
};
use serde::Deserialize;

use crate::{
    canonical_abi::{message, refusal, round_trip},
    support::{Files, Inputs, outputs, run},
    values,
};

#[derive(Deserialize)]
struct Facts {
    limits: Limits,
    types: Vec<TypeFacts>,
    signatures: Vec<SignatureFacts>,
    strings: Vec<StringFacts>,
    trap_rules: BTreeMap<String, usize>,
}

#[derive(Deserialize)]
struct Limits {
    max_flat_params: usize,
    max_flat_results: usize,
    max_string_bytes: u64,
    max_list_bytes: u64,
}

#[derive(Deserialize)]
struct TypeFacts {
    wit: String,
    define: Vec<String>,
    tree: Tree,
    flat: Vec<Core>,
    values: Vec<ValueFacts>,
}

#[derive(Deserialize)]
struct ValueFacts {
    core: Vec<u64>,
    /// Nothing if lifting traps.
    becomes: Option<Vec<u64>>,
}

#[derive(Deserialize)]
struct SignatureFacts {
    params: Vec<String>,
    result: Option<String>,
    define: Vec<String>,
    flat_params: Vec<Core>,
    flat_results: Vec<Core>,
    lift: Counts,
}

#[derive(Deserialize)]
struct Counts {
    params: usize,
    results: usize,
}

#[derive(Deserialize)]
struct StringFacts {
    encoding: String,
    bytes: String,
    /// Nothing if lifting traps.
    scalars: Option<Vec<u64>>,
}

/// A core type. Floats are in no fact.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Core {
    I32,
    I64,
}

impl Core {
    /// An `i64` is two elements here.
    fn elements(self) -> usize {
        match self {
            Self::I32 => 1,
            Self::I64 => 2,
        }
    }
}

/// A type without what is short for something else.
#[derive(Deserialize)]
#[serde(untagged)]
enum Tree {
    Fields {
        fields: Vec<(String, Tree)>,
    },
    Cases {
        cases: Vec<(String, Option<Tree>)>,
        discriminant: String,
    },
    Flags {
        flags: u32,
        core: Vec<Core>,
    },
    List {
        list: Box<Tree>,
        core: Vec<Core>,
    },
    Scalar {
        prim: String,
        core: Vec<Core>,
    },
}

impl Tree {
    /// The flat form that the type has here.
    fn flat(&self) -> Vec<Flat> {
        match self {
            Self::Fields { fields } => fields.iter().flat_map(|(_, ty)| ty.flat()).collect(),
            Self::Cases { cases, .. } => {
                let mut joined: Vec<Flat> = Vec::new();
                for flat in cases.iter().filter_map(|(_, ty)| Some(ty.as_ref()?.flat())) {
                    for (position, flat) in flat.into_iter().enumerate() {
                        match joined.get_mut(position) {
                            Some(known) if *known != flat => *known = Flat::Payload,
                            Some(_) => {}
                            None => joined.push(flat),
                        }
                    }
                }
                joined.insert(0, Flat::Discriminant(cases.len() as u32));
                joined
            }
            Self::Flags { flags, core } => {
                assert_eq!(core.len(), 1);
                vec![Flat::Flags(*flags)]
            }
            Self::List { core, .. } => {
                assert_eq!(core.len(), 2);
                vec![Flat::Pointer, Flat::Length]
            }
            Self::Scalar { prim, core } => {
                let flat = match prim.as_str() {
                    "bool" => vec![Flat::Bool],
                    "u8" => vec![Flat::U8],
                    "u16" => vec![Flat::U16],
                    "u32" => vec![Flat::U32],
                    "s8" => vec![Flat::S8],
                    "s16" => vec![Flat::S16],
                    "s32" => vec![Flat::S32],
                    "u64" | "s64" => vec![Flat::Limb, Flat::Limb],
                    "char" => vec![Flat::Char],
                    "string" => vec![Flat::Pointer, Flat::Length],
                    other => panic!("{other} is no type of these facts"),
                };
                let elements: usize = core.iter().map(|core| core.elements()).sum();
                assert_eq!(flat.len(), elements, "{prim}");
                flat
            }
        }
    }

    /// The number of core values of the flat form.
    fn core_len(&self) -> usize {
        match self {
            Self::Fields { fields } => fields.iter().map(|(_, ty)| ty.core_len()).sum(),
            Self::Cases { cases, .. } => {
                let cases = cases.iter().filter_map(|(_, ty)| ty.as_ref());
                1 + cases.map(Self::core_len).max().unwrap_or(0)
            }
            Self::Flags { core, .. } | Self::List { core, .. } | Self::Scalar { core, .. } => {
                core.len()
            }
        }
    }

    /// Returns `true` if every core value is one element here.
    fn has_only_i32(&self) -> bool {
        match self {
            Self::Fields { fields } => fields.iter().all(|(_, ty)| ty.has_only_i32()),
            Self::Cases { cases, .. } => {
                let mut cases = cases.iter().filter_map(|(_, ty)| ty.as_ref());
                cases.all(Self::has_only_i32)
            }
            Self::Flags { core, .. } | Self::List { core, .. } | Self::Scalar { core, .. } => {
                core.iter().all(|core| *core == Core::I32)
            }
        }
    }

    /// Checks that a type has the same parts, by the same names and in the same order.
    fn check_parts(&self, ty: &Type) {
        match (self, ty) {
            (Self::Fields { fields }, Type::Tuple(types)) => {
                assert_eq!(fields.len(), types.len());
                for (position, ((name, tree), ty)) in fields.iter().zip(types).enumerate() {
                    assert_eq!(*name, position.to_string());
                    tree.check_parts(ty);
                }
            }
            (Self::Fields { fields }, Type::Record(others)) => {
                assert_eq!(fields.len(), others.len());
                for ((name, tree), other) in fields.iter().zip(others) {
                    assert_eq!(*name, other.name);
                    tree.check_parts(&other.ty);
                }
            }
            (
                Self::Cases {
                    cases,
                    discriminant,
                },
                ty,
            ) => {
                let others: Vec<(&str, Option<&Type>)> = match ty {
                    Type::Variant(cases) => cases
                        .iter()
                        .map(|case| (case.name.as_str(), case.ty.as_ref()))
                        .collect(),
                    Type::Enum(names) => names.iter().map(|name| (name.as_str(), None)).collect(),
                    Type::Option(value) => vec![("none", None), ("some", Some(&**value))],
                    Type::Result { ok, err } => {
                        vec![("ok", ok.as_deref()), ("error", err.as_deref())]
                    }
                    other => panic!("{other} has no cases"),
                };
                assert_eq!(cases.len(), others.len());
                for ((name, tree), (other, ty)) in cases.iter().zip(others) {
                    assert_eq!(name, other);
                    assert_eq!(tree.is_some(), ty.is_some());
                    if let (Some(tree), Some(ty)) = (tree, ty) {
                        tree.check_parts(ty);
                    }
                }
                let bits: u32 = discriminant[1..].parse().expect("an unsigned type");
                assert!(cases.len() as u64 <= 1 << bits, "one element is as good");
            }
            (Self::Flags { flags, .. }, Type::Flags(names)) => {
                assert_eq!(*flags as usize, names.len());
            }
            (Self::List { list, .. }, Type::List(element)) => list.check_parts(element),
            (Self::Scalar { prim, .. }, ty) => assert_eq!(*prim, ty.to_string()),
            (_, ty) => panic!("{ty} is another type"),
        }
    }

    /// Reads core values of the type; what is read stands in `read`.
    fn read(&self, core: &mut impl Iterator<Item = u64>, read: &mut Read) {
        let mut next = || core.next().expect("as many core values as the type has");
        match self {
            Self::Fields { fields } => {
                for (_, ty) in fields {
                    ty.read(core, read);
                }
            }
            Self::Cases { cases, .. } => {
                let (start, case) = (read.elements.len(), next());
                read.push("discriminant", case, &[case]);
                let taken = usize::try_from(case)
                    .ok()
                    .and_then(|case| cases.get(case)?.1.as_ref());
                let mut used = 1;
                if let Some(taken) = taken {
                    used += taken.core_len();
                    taken.read(core, read);
                }
                for _ in used..self.core_len() {
                    core.next();
                }
                read.elements
                    .resize(start + self.flat().len(), UNUSED_ELEMENT);
            }
            Self::Flags { .. } => {
                let value = next();
                read.push("flags", value, &[value]);
            }
            Self::Scalar { prim, core } if *core == [Core::I64] => {
                let value = next();
                debug_assert!(matches!(prim.as_str(), "u64" | "s64"));
                read.push("integer", value, &[value >> 32, value & 0xffff_ffff]);
            }
            Self::Scalar { prim, .. } => {
                let rule = match prim.as_str() {
                    "bool" | "char" => prim,
                    _ => "integer",
                };
                let value = next();
                read.push(rule, value, &[value]);
            }
            Self::List { .. } => panic!("lists are in no value of these facts"),
        }
    }

    fn elements(&self, core: &[u64]) -> Read {
        assert_eq!(core.len(), self.core_len());
        let mut read = Read::default();
        self.read(&mut core.iter().copied(), &mut read);
        read
    }
}

/// The element that stands where the case that is taken has nothing. Nobody looks at it.
const UNUSED_ELEMENT: u64 = 999;

/// A value's core values, each with the rule for what it is, and its elements.
#[derive(Default)]
struct Read {
    parts: Vec<(String, u64)>,
    elements: Vec<u64>,
}

impl Read {
    fn push(&mut self, rule: &str, value: u64, elements: &[u64]) {
        self.parts.push((rule.into(), value));
        self.elements.extend(elements);
    }
}

fn facts() -> Facts {
    serde_json::from_str(include_str!("component_model.json")).expect("facts of this form")
}

/// The functions of the facts in one interface: `take0` and so on take and give a value of a type, `sig0`
/// and so on have the signatures.
fn interface(facts: &Facts) -> String {
    let mut definitions: Vec<&str> = Vec::new();
    let types = facts.types.iter().map(|ty| &ty.define);
    for define in types.chain(facts.signatures.iter().map(|s| &s.define)) {
        for definition in define {
            if !definitions.contains(&definition.as_str()) {
                definitions.push(definition);
            }
        }
    }
    let mut wit = definitions.join("\n");
    for (number, ty) in facts.types.iter().enumerate() {
        // Writing to a string does not fail.
        let _ = writeln!(wit, "take{number}: func(a: {0}) -> {0};", ty.wit);
    }
    for (number, signature) in facts.signatures.iter().enumerate() {
        let params: Vec<String> = signature
            .params
            .iter()
            .enumerate()
            .map(|(position, ty)| format!("p{position}: {ty}"))
            .collect();
        let result = signature.result.as_ref();
        let result = result.map(|ty| format!(" -> {ty}")).unwrap_or_default();
        let _ = writeln!(wit, "sig{number}: func({}){result};", params.join(", "));
    }
    format!(
        "package test:facts@1.0.0;
         interface facts {{ {wit} }}
         world app {{ import facts; export main: func(); }}
         world callee {{ export facts; }}"
    )
}

/// A composition in which the number on top of the stack chooses the type whose function gets the
/// elements below it and gives them back.
fn files(facts: &Facts) -> Files {
    let mut code = String::from("pub proc main\n");
    let mut depth = 0;
    for (number, ty) in facts.types.iter().enumerate() {
        if !ty.values.is_empty() {
            let _ = writeln!(
                code,
                "dup eq.{number} if.true drop call.::imports::test::facts::facts::take{number} else"
            );
            depth += 1;
        }
    }
    code += "push.0 assert\n";
    code += &"end\n".repeat(depth);
    code += "end\n";
    let mut callee = String::new();
    for (kind, count) in [("take", facts.types.len()), ("sig", facts.signatures.len())] {
        for number in 0..count {
            let _ = writeln!(callee, "pub proc {kind}{number} push.1 drop end");
        }
    }
    let wit = interface(facts);
    Files::new(&[
        (
            "app/component.toml",
            "name = \"app\"\nwit = \"app.wit\"\nworld = \"app\"\nsources = [\"app.masm\"]\n\
             exports.main = { procedure = \"app::main\", raw = true }\n",
        ),
        ("app/app.wit", &wit),
        ("app/app.masm", &code),
        (
            "callee/component.toml",
            "name = \"callee\"\nwit = \"callee.wit\"\nworld = \"callee\"\n\
             sources = [\"code.masm\"]\nexports.facts.module = \"code\"\n",
        ),
        ("callee/callee.wit", &wit),
        ("callee/code.masm", &callee),
        (
            "composition.toml",
            "main = \"app.main\"\n[instances.app]\ncomponent = \"app\"\n\
             imports.facts = \"callee\"\n[instances.callee]\ncomponent = \"callee\"\n",
        ),
    ])
}

#[test]
fn types_are_flattened_as_the_definitions_say() {
    let facts = facts();
    let component = files(&facts)
        .component("callee")
        .unwrap_or_else(|error| panic!("{error}"));
    let world = component.world.expect("a world").world;
    let function = |name: String| -> &Function {
        let found = world.exports[0].function(&name);
        found.unwrap_or_else(|| panic!("no function {name}"))
    };
    for (number, fact) in facts.types.iter().enumerate() {
        let ty = &function(format!("take{number}")).params[0].ty;
        fact.tree.check_parts(ty);
        let flat: Vec<Flat> = flatten("a", ty)
            .into_iter()
            .map(|value| value.flat)
            .collect();
        assert_eq!(flat, fact.tree.flat(), "{}", fact.wit);
        assert_eq!(fact.flat.len(), fact.tree.core_len(), "{}", fact.wit);
        if fact.tree.has_only_i32() {
            assert_eq!(flat.len(), fact.flat.len(), "{}", fact.wit);
        }
    }

    assert_eq!(MAX_FLAT, facts.limits.max_flat_params);
    // Here results are passed as parameters are.
    assert_eq!(facts.limits.max_flat_results, 1);
    // A message has less than 2^30 elements, of which a character is one: more than there are bytes.
    assert!(facts.limits.max_string_bytes < 1 << 30 && facts.limits.max_list_bytes < 1 << 30);
    for (number, fact) in facts.signatures.iter().enumerate() {
        let Signature { params, results } = Signature::of(function(format!("sig{number}")));
        let sides = [
            (&params, &fact.flat_params, fact.lift.params, MAX_FLAT),
            (&results, &fact.flat_results, fact.lift.results, 1),
        ];
        for (passing, core, count, limit) in sides {
            let on_stack = core.len() <= limit;
            assert_eq!(count, if on_stack { core.len() } else { 1 });
            check_passing(passing, core, limit == MAX_FLAT && on_stack);
        }
    }
}

/// Checks a side of a signature without variants whose cases have values of several widths.
fn check_passing(passing: &FlatValues, core: &[Core], is_on_stack_there: bool) {
    let elements: usize = core.iter().map(|core| core.elements()).sum();
    assert_eq!(passing.flat.len(), elements);
    assert_eq!(passing.on_stack(), elements <= MAX_FLAT);
    if is_on_stack_there && core.iter().all(|core| *core == Core::I32) {
        assert!(passing.on_stack());
    }
}

#[test]
fn values_are_lifted_or_refused_as_the_definitions_say() {
    let facts = facts();
    let linked = files(&facts)
        .link()
        .unwrap_or_else(|error| panic!("{error}"));
    let (mut kept, mut changed, mut trapped) = (0, 0, 0);
    for (number, ty) in (0_u64..).zip(&facts.types) {
        for value in &ty.values {
            let at = format!("{} {:?}", ty.wit, value.core);
            let sent = ty.tree.elements(&value.core);
            let becomes = value.becomes.as_ref().map(|core| ty.tree.elements(core));
            let rule = match &becomes {
                None => {
                    trapped += 1;
                    Some(&sent.parts.last().expect("a part").0)
                }
                Some(becomes) => {
                    // What arrives there arrives here.
                    assert_eq!(echo(&linked, number, becomes, &at), Ok(()));
                    let parts = sent.parts.iter().zip(&becomes.parts);
                    let rule = parts
                        .filter(|(sent, becomes)| sent != becomes)
                        .map(|((rule, _), _)| rule)
                        .next();
                    match rule {
                        // What is cut to size there, a sender here must not send.
                        Some(_) => changed += 1,
                        None => kept += 1,
                    }
                    rule
                }
            };
            if let Some(rule) = rule {
                let refused = echo(&linked, number, &sent, &at);
                // The check of exactly 256 cases is the code of that of a `u8`, which is here too.
                let is_shared = ty.wit == "enum256" && refused == Err("integer".into());
                assert!(
                    refused == Err(rule.clone()) || is_shared,
                    "{at}: {refused:?}"
                );
            }
        }
    }
    assert!(
        kept > 50 && changed > 20 && trapped > 20,
        "{kept} {changed} {trapped}"
    );
}

/// Sends a value there and back; the name of the rule if that traps.
fn echo(linked: &LinkedComposition, number: u64, value: &Read, at: &str) -> Result<(), String> {
    // The last one is on top.
    let elements = value.elements.iter().rev().copied();
    let stack = elements.chain([number]);
    let inputs = Inputs {
        stack: StackInputs::new(stack.map(Felt::new).collect()).expect("at most 16"),
        ..Inputs::default()
    };
    match run(linked, inputs) {
        Ok(output) => {
            assert_eq!(
                outputs(&output)[..value.elements.len()],
                value.elements,
                "{at}"
            );
            Ok(())
        }
        Err(error) => {
            let text = error.to_string();
            let rule = text.split_once("canonical ABI: ");
            let (_, rule) = rule.unwrap_or_else(|| panic!("{at}: {text}"));
            Err(rule.split(',').next().unwrap_or_default().into())
        }
    }
}

#[test]
fn strings_are_the_scalar_values_that_the_definitions_decode() {
    let ty = values::Type::String;
    for fact in facts().strings {
        if let Some(scalars) = fact.scalars {
            let scalars = scalars.into_iter().map(|c| values::Value::Scalar(vec![c]));
            round_trip(&ty, &values::Value::List(scalars.collect()));
            continue;
        }
        // Elements are no bytes, so that most mistakes in them cannot be made here. A surrogate that
        // is no half of a pair can.
        if fact.encoding == "utf16" {
            let (bytes, _) = fact.bytes.as_bytes().as_chunks::<4>();
            let mut elements: Vec<u64> = bytes
                .iter()
                .map(|unit| {
                    let text = std::str::from_utf8(unit).expect("hexadecimal digits");
                    u64::from(u16::from_str_radix(text, 16).expect("a unit").swap_bytes())
                })
                .collect();
            let head = [0, elements.len() as u64, 0, 0];
            elements.splice(0..0, head);
            elements.resize(elements.len().next_multiple_of(8), 0);
            let (code, mut top) = message(&elements);
            top.push(elements.len() as u64 / 8);
            let error = refusal(&[], "(a: string)", &top, &code);
            assert!(
                error.contains("canonical ABI: char"),
                "{}: {error}",
                fact.bytes
            );
        }
    }
}

/// The book's page of comparisons.
fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src/component-model.md");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rows of the tables below a heading, as cells.
fn rows<'p>(page: &'p str, heading: &str) -> Vec<Vec<&'p str>> {
    let (_, section) = page
        .split_once(&format!("\n## {heading}\n"))
        .unwrap_or_else(|| panic!("no section `{heading}`"));
    let section = section.split("\n## ").next().unwrap_or_default();
    let lines = section.lines().filter(|line| line.starts_with('|'));
    let cells = lines.map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect());
    cells
        .filter(|cells: &Vec<&str>| !cells[0].starts_with("---"))
        .collect()
}

#[test]
fn every_rule_of_the_definitions_is_in_the_book() {
    let page = page();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for row in &rows(&page, "Rules that trap")[1..] {
        // A row is one rule, or as many as it says.
        let (function, rules) = row[0].split_once(", ").unwrap_or((row[0], "1 rule"));
        let rules = rules.split(' ').next().and_then(|count| count.parse().ok());
        *counts
            .entry(function.trim_matches('`').to_owned())
            .or_default() += rules.unwrap_or(1);
    }
    assert_eq!(counts, facts().trap_rules);
}

#[test]
fn every_test_that_the_book_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = String::new();
    let mut pending = vec![
        root.join("tests"),
        root.join("src"),
        root.join("../processor/tests"),
        root.join("../audit/tests"),
    ];
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of tests") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources += &fs::read_to_string(&path).expect("a source");
            }
        }
    }
    let page = page();
    let mut named = 0;
    for heading in [
        "Rules that trap",
        "Cases of `test/values`",
        "Cases of `test/linking`",
        "Cases at run time",
        "Instantiation",
    ] {
        for row in &rows(&page, heading)[1..] {
            let last = row.last().expect("a cell");
            for test in last.split('`').skip(1).step_by(2) {
                assert!(
                    sources.contains(&format!("fn {test}()")),
                    "{heading}: {test}"
                );
                named += 1;
            }
        }
    }
    assert!(named > 60, "{named} tests");
}
