//! The tests of the Component Model's repository, as they are there: their components are taken apart and
//! linked, what they assert is asserted by a program here, and what is left out is counted by what it needs.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    rc::Rc,
};

use miden_cvm_component::{LinkedComposition, split_component, wit};
use wast::{
    Wast, WastArg, WastDirective, WastExecute, WastInvoke, WastRet,
    component::WastVal,
    lexer::Lexer,
    parser::{ParseBuffer, parse},
};

use crate::{
    support::{Files, Inputs, run},
    values::{Memory, Type, Value},
};

/// The expected result of a call.
enum Outcome<'a> {
    Returns(Vec<WastVal<'a>>),
    Traps(&'a str),
}

struct Call<'a> {
    /// The line of the assertion.
    line: usize,
    function: &'a str,
    args: Vec<WastVal<'a>>,
    outcome: Outcome<'a>,
}

/// An instance of a component, and what is called, in order.
struct Instance<'a> {
    component: Result<Rc<[u8]>, String>,
    calls: Vec<Call<'a>>,
}

/// The results of the assertions of a file.
#[derive(Default)]
struct Count {
    held: usize,
    left_out: BTreeMap<&'static str, usize>,
    failed: Vec<String>,
}

impl Count {
    fn leave_out(&mut self, reason: &str, number: usize) {
        match needs(reason) {
            Some(reason) => *self.left_out.entry(reason).or_default() += number,
            None => self.failed.push(reason.into()),
        }
    }
}

/// The feature that a refused component would need.
fn needs(reason: &str) -> Option<&'static str> {
    [
        ("has floats", "floats"),
        ("floats, vectors", "floats"),
        ("`map`", "maps"),
        ("async functions", "async functions"),
        ("of the kind Async", "async functions"),
        (
            "built-in function",
            "built-in functions of tasks, threads, streams and futures",
        ),
        ("not in UTF-8", "strings in UTF-16 or Latin-1"),
        (" memories", "several memories in a component"),
        ("exceptions", "exceptions"),
        ("cannot leave it", "handles that the host takes"),
    ]
    .into_iter()
    .find_map(|(part, needs)| reason.contains(part).then_some(needs))
}

/// The names that a trap can have here.
fn names(message: &str) -> &'static [&'static str] {
    const OUT_OF_BOUNDS: &[&str] = &[
        "wasm: out of bounds memory access",
        "outside of",
        "canonical ABI: memory",
    ];
    if message.starts_with("unknown handle index") {
        return &["unknown handle index"];
    }
    if message.starts_with("handle index 1 used with the wrong type") {
        return &["is of type", "of another type"];
    }
    match message {
        "cannot leave component instance" => &["canonical ABI: cannot leave the instance"],
        "cannot remove owned resource while borrowed" => &["is lent"],
        "incomplete utf-8 byte sequence" | "invalid utf-8" => &["canonical ABI: utf-8"],
        "invalid `char` bit pattern" => &["canonical ABI: char"],
        "invalid variant discriminant" => &["canonical ABI: discriminant"],
        "unaligned pointer"
        | "wasm trap: unaligned pointer"
        | "realloc return: result not aligned" => &["canonical ABI: pointer is not aligned"],
        "realloc return: beyond end of memory"
        | "string content out-of-bounds"
        | "string pointer/length out of bounds of memory"
        | "wasm trap: list content out-of-bounds" => OUT_OF_BOUNDS,
        _ => &[],
    }
}

// VALUES
// ------------------------------------------------------------------------------------------------

/// A type of the library as one of these tests.
fn test_type(ty: &wit::Type) -> Type {
    let boxed = |ty: &wit::Type| Box::new(test_type(ty));
    match ty {
        wit::Type::Bool => Type::Bool,
        wit::Type::U8 => Type::Unsigned(8),
        wit::Type::U16 => Type::Unsigned(16),
        wit::Type::U32 => Type::Unsigned(32),
        wit::Type::U64 => Type::Unsigned(64),
        wit::Type::S8 => Type::Signed(8),
        wit::Type::S16 => Type::Signed(16),
        wit::Type::S32 => Type::Signed(32),
        wit::Type::S64 => Type::Signed(64),
        wit::Type::Char => Type::Char,
        wit::Type::String => Type::String,
        wit::Type::List(element) => Type::List(boxed(element)),
        wit::Type::Tuple(types) => Type::Tuple(types.iter().map(test_type).collect()),
        wit::Type::Record(fields) => {
            Type::Record(fields.iter().map(|field| test_type(&field.ty)).collect())
        }
        wit::Type::Variant(cases) => {
            let cases = cases.iter();
            Type::Variant(cases.map(|case| case.ty.as_ref().map(test_type)).collect())
        }
        wit::Type::Enum(cases) => Type::Enum(cases.len() as u32),
        wit::Type::Flags(flags) => Type::Flags(flags.len() as u32),
        wit::Type::Option(ty) => Type::Option(boxed(ty)),
        wit::Type::Result { ok, err } => {
            Type::Result(ok.as_deref().map(boxed), err.as_deref().map(boxed))
        }
        other => panic!("the tests give no values of {other:?}"),
    }
}

/// A value of the tests' language.
fn value(ty: &wit::Type, given: &WastVal<'_>) -> Value {
    let small = |number: i64| Value::Scalar(vec![u64::from(number as u32)]);
    let wide = |number: u64| Value::Scalar(vec![number >> 32, number & 0xffff_ffff]);
    let case = |number: usize, payload: Option<(&wit::Type, &WastVal<'_>)>| {
        let payload = payload.map(|(ty, given)| Box::new(value(ty, given)));
        Value::Case(number as u64, payload)
    };
    let position = |names: &[&str], name: &str| {
        let position = names.iter().position(|known| *known == name);
        position.unwrap_or_else(|| panic!("{names:?} have no {name}"))
    };
    match (given, ty) {
        (WastVal::Bool(value), _) => small(i64::from(*value)),
        (WastVal::U8(value), _) => small(i64::from(*value)),
        (WastVal::S8(value), _) => small(i64::from(*value)),
        (WastVal::U16(value), _) => small(i64::from(*value)),
        (WastVal::S16(value), _) => small(i64::from(*value)),
        (WastVal::U32(value), _) => small(i64::from(*value)),
        (WastVal::S32(value), _) => small(i64::from(*value)),
        (WastVal::U64(value), _) => wide(*value),
        (WastVal::S64(value), _) => wide(*value as u64),
        (WastVal::Char(value), _) => small(i64::from(u32::from(*value))),
        (WastVal::String(text), _) => {
            let characters = text.chars().map(|c| small(i64::from(u32::from(c))));
            Value::List(characters.collect())
        }
        (WastVal::List(items), wit::Type::List(element)) => {
            Value::List(items.iter().map(|item| value(element, item)).collect())
        }
        (WastVal::Record(given), wit::Type::Record(fields)) => {
            let fields = fields.iter().zip(given);
            Value::Parts(
                fields
                    .map(|(field, (_, given))| value(&field.ty, given))
                    .collect(),
            )
        }
        (WastVal::Tuple(given), wit::Type::Tuple(types)) => {
            let parts = types.iter().zip(given);
            Value::Parts(parts.map(|(ty, given)| value(ty, given)).collect())
        }
        (WastVal::Variant(name, payload), wit::Type::Variant(cases)) => {
            let names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
            let number = position(&names, name);
            case(number, cases[number].ty.as_ref().zip(payload.as_deref()))
        }
        (WastVal::Enum(name), wit::Type::Enum(cases)) => {
            let names: Vec<&str> = cases.iter().map(String::as_str).collect();
            small(position(&names, name) as i64)
        }
        (WastVal::Flags(given), wit::Type::Flags(flags)) => {
            let names: Vec<&str> = flags.iter().map(String::as_str).collect();
            let bits = given.iter().map(|name| 1 << position(&names, name));
            small(bits.sum())
        }
        (WastVal::Option(given), wit::Type::Option(ty)) => {
            let number = usize::from(given.is_some());
            case(number, given.as_deref().map(|given| (&**ty, given)))
        }
        (WastVal::Result(Ok(given)), wit::Type::Result { ok, .. }) => {
            case(0, ok.as_deref().zip(given.as_deref()))
        }
        (WastVal::Result(Err(given)), wit::Type::Result { err, .. }) => {
            case(1, err.as_deref().zip(given.as_deref()))
        }
        (given, ty) => panic!("{given:?} is no {ty:?}"),
    }
}

fn has_floats(value: &WastVal<'_>) -> bool {
    match value {
        WastVal::F32(_) | WastVal::F64(_) => true,
        WastVal::List(items) | WastVal::Tuple(items) => items.iter().any(has_floats),
        WastVal::Record(fields) => fields.iter().any(|(_, value)| has_floats(value)),
        WastVal::Variant(_, value) | WastVal::Option(value) => {
            value.as_deref().is_some_and(has_floats)
        }
        WastVal::Result(Ok(value) | Err(value)) => value.as_deref().is_some_and(has_floats),
        _ => false,
    }
}

/// The error of `Type::check` for another value.
const ARRIVED_WRONG: &str = "arrived wrong";

// PROGRAMS
// ------------------------------------------------------------------------------------------------

/// A component that has been taken apart, with a program beside it that can call it.
struct Program {
    files: Files,
    functions: BTreeMap<String, wit::Function>,
}

impl Program {
    /// Takes a component apart, with these functions.
    fn new(component: &[u8], functions: &BTreeSet<String>) -> Result<Self, String> {
        let files = Files::new(&[]);
        files.write("whole.wasm", component);
        let parts = split_component(&files.path("whole.wasm"), Some(functions))
            .map_err(|error| error.to_string())?;
        for part in &parts {
            files.write(&format!("whole/{}", part.path), &part.bytes);
        }
        let whole = String::from_utf8(files.read("whole/composition.toml")).expect("text");
        let whole: toml::Table = whole.parse().expect("TOML");
        let mut types = String::new();
        let mut imports = String::new();
        let mut wires = String::new();
        let mut known = BTreeSet::new();
        for (name, target) in whole["exports"].as_table().expect("exports") {
            let target = target.as_str().expect("a reference");
            let (part, function) = target.split_once('.').expect("an instance and its export");
            let wit = String::from_utf8(files.read(&format!("whole/{part}/world.wit")));
            let wit = wit
                .expect("text")
                .replace("type-", &format!("{part}-type-"));
            let (_, world) = wit.split_once("world part {\n").expect("its world");
            for line in world.lines().map(str::trim) {
                if let Some(signature) = line.strip_prefix(&format!("export %{function}: ")) {
                    let _ = writeln!(imports, "import %{name}: {signature}");
                } else if line.contains("-type-")
                    && !line.starts_with("export ")
                    && !known.contains(part)
                {
                    let _ = writeln!(types, "{line}");
                }
            }
            known.insert(part.to_owned());
            let _ = writeln!(wires, "{name:?} = \"whole.{name}\"");
        }
        let wit = format!(
            "package test:driver;\nworld driver {{\n{types}{imports}export %run: func();\n}}\n"
        );
        files.write("driver/driver.wit", wit.as_bytes());
        files.write(
            "driver/component.toml",
            b"name = \"driver\"\nwit = \"driver.wit\"\nsources = [\"driver.masm\"]\n\
              exports.run.procedure = \"driver::run\"\n",
        );
        files.write("driver/driver.masm", b"pub proc run push.1 drop end\n");
        files.write(
            "composition.toml",
            format!(
                "main = \"driver.run\"\n[instances.driver]\ncomponent = \"driver\"\n\
                 [instances.driver.imports]\n{wires}[instances.whole]\ncomponent = \"whole\"\n"
            )
            .as_bytes(),
        );
        let driver = files
            .component("driver")
            .unwrap_or_else(|error| panic!("{wit}\n{error}"));
        let world = driver.world.expect("a world").world;
        let functions = world.imports.iter().flat_map(|of| of.functions.clone());
        Ok(Self {
            functions: functions.map(|f| (f.name.clone(), f)).collect(),
            files,
        })
    }

    /// Calls functions one after another, and compares their results.
    fn link(&self, calls: &[&Call<'_>]) -> Result<LinkedComposition, String> {
        const DATA: u64 = 1 << 20;
        const RESULT: usize = 1 << 21;

        let mut memory = Memory::new(DATA);
        let mut code = String::from("pub proc run\n");
        for call in calls {
            let function = &self.functions[call.function];
            let types = function.params.iter().map(|param| &param.ty);
            let given = types.clone().zip(&call.args);
            let given = given.map(|(ty, given)| value(ty, given)).collect();
            let params = Type::Tuple(types.map(test_type).collect());
            let mut flat = params.flatten(&Value::Parts(given), &mut memory);
            if flat.len() > 16 {
                flat = vec![memory.place_flat(&flat)];
            }
            for element in flat.iter().rev() {
                let _ = writeln!(code, "push.{element}");
            }
            let mut procedure = call.function.to_lowercase().replace('-', "_");
            if procedure == "enum" {
                procedure.push('_');
            }
            let _ = writeln!(code, "exec.::bindings::world::{procedure}");
            let Some(result) = &function.result else {
                continue;
            };
            let ty = test_type(result);
            let place = if ty.size() > 16 {
                let _ = writeln!(code, "mem_store.{RESULT}");
                format!("push.{RESULT} mem_load")
            } else {
                for at in 0..ty.size() {
                    let _ = writeln!(code, "mem_store.{}", RESULT + at);
                }
                format!("push.{RESULT}")
            };
            if let Outcome::Returns(expected) = &call.outcome {
                let expected = expected.first().expect("a result");
                ty.check(&value(result, expected), &place, &mut code);
            }
        }
        code.push_str("push.1 drop\nend\n");
        self.files.write("driver/driver.masm", code.as_bytes());
        let manifest = format!(
            "name = \"driver\"\nwit = \"driver.wit\"\nsources = [\"driver.masm\"]\n\
             exports.run.procedure = \"driver::run\"\n{}",
            memory.data()
        );
        self.files
            .write("driver/component.toml", manifest.as_bytes());
        self.files.link().map_err(|error| error.to_string())
    }
}

impl Instance<'_> {
    /// Does all calls of the instance in one program, and each that traps in one of its own.
    fn run(&self, place: &str, count: &mut Count) {
        let component = match &self.component {
            Ok(component) => component,
            Err(reason) => return count.leave_out(reason, self.calls.len()),
        };
        let mut calls: Vec<&Call<'_>> = Vec::new();
        for call in &self.calls {
            let results = match &call.outcome {
                Outcome::Returns(results) => results.as_slice(),
                Outcome::Traps(_) => &[],
            };
            match call.args.iter().chain(results).any(has_floats) {
                true => count.leave_out("has floats", 1),
                false => calls.push(call),
            }
        }
        if calls.is_empty() {
            return;
        }
        let (mut made, mut needed) = (Self::made(component, &calls), None);
        if made.is_err() {
            // Only some of the functions may need what is not there.
            let mut reasons: BTreeMap<&str, Option<String>> = BTreeMap::new();
            calls.retain(|call| {
                let reason = reasons
                    .entry(call.function)
                    .or_insert_with(|| Self::made(component, &[*call]).err());
                if let Some(reason) = reason {
                    count.leave_out(&format!("{place}:{}: {reason}", call.line), 1);
                    needed.get_or_insert_with(|| reason.clone());
                }
                reason.is_none()
            });
            if calls.is_empty() {
                return;
            }
            made = Self::made(component, &calls);
        }
        let (program, first) = match made {
            Ok(made) => made,
            Err(reason) => return count.leave_out(&reason, calls.len()),
        };
        let mut first = Some(first);
        for (calls, trap) in runs(&calls) {
            let linked = first.take().map_or_else(|| program.link(&calls), Ok);
            let ends = linked.and_then(|linked| {
                let ends = run(&linked, Inputs::default());
                ends.map(|_| ()).map_err(|error| error.to_string())
            });
            match (ends, trap, &needed) {
                (Ok(()), None, _) => count.held += calls.len(),
                (Err(error), Some(message), _)
                    if names(message).iter().any(|name| error.contains(name)) =>
                {
                    count.held += 1;
                }
                // What was left out has changed what these see.
                (Err(error), None, Some(reason)) if error.contains(ARRIVED_WRONG) => {
                    count.leave_out(reason, calls.len());
                }
                (ends, trap, _) => {
                    let line = calls.last().map_or(0, |call| call.line);
                    count
                        .failed
                        .push(format!("{place}:{line}: {trap:?}: {ends:?}"));
                }
            }
        }
    }

    /// The program for calls, and the first of its runs, linked.
    fn made(component: &[u8], calls: &[&Call<'_>]) -> Result<(Program, LinkedComposition), String> {
        let functions = calls.iter().map(|call| call.function.into()).collect();
        let program = Program::new(component, &functions)?;
        let linked = program.link(&runs(calls)[0].0)?;
        Ok((program, linked))
    }
}

/// Calls that one run makes, and why it traps.
type Run<'c, 'a> = (Vec<&'c Call<'a>>, Option<&'a str>);

/// The runs that calls of an instance need: one of all that return, and one for each that traps, after
/// those that return before it.
fn runs<'c, 'a>(calls: &[&'c Call<'a>]) -> Vec<Run<'c, 'a>> {
    let (mut runs, mut before) = (Vec::new(), Vec::new());
    for call in calls {
        match call.outcome {
            Outcome::Returns(_) => before.push(*call),
            Outcome::Traps(message) => {
                let calls = before.iter().copied().chain([*call]).collect();
                runs.push((calls, Some(message)));
            }
        }
    }
    if !before.is_empty() {
        runs.insert(0, (before, None));
    }
    runs
}

/// The instances of a file.
fn read<'a>(wast: &mut Wast<'a>, text: &str, count: &mut Count) -> Vec<Instance<'a>> {
    let mut definitions: BTreeMap<&str, Result<Rc<[u8]>, String>> = BTreeMap::new();
    let mut instances: Vec<Instance<'a>> = Vec::new();
    for directive in &mut wast.directives {
        let line = directive.span().linecol_in(text).0 + 1;
        let call = |exec: &mut WastExecute<'a>| match exec {
            WastExecute::Invoke(WastInvoke { name, args, .. }) => {
                let args = std::mem::take(args).into_iter().map(|arg| match arg {
                    WastArg::Component(value) => value,
                    _ => panic!("{line}: an argument of a core module"),
                });
                (*name, args.collect())
            }
            _ => panic!("{line}: no call"),
        };
        match directive {
            WastDirective::Module(component) => {
                let component = component.encode().map(Rc::from);
                instances.push(Instance {
                    component: component.map_err(|error| error.to_string()),
                    calls: Vec::new(),
                });
            }
            WastDirective::ModuleDefinition(component) => {
                let name = component.name().expect("a definition has a name").name();
                let component = component.encode().map(Rc::from);
                definitions.insert(name, component.map_err(|error| error.to_string()));
            }
            WastDirective::ModuleInstance { module, .. } => {
                let name = module.expect("an instance is of something").name();
                instances.push(Instance {
                    component: definitions[name].clone(),
                    calls: Vec::new(),
                });
            }
            WastDirective::AssertReturn { exec, results, .. } => {
                let (function, args) = call(exec);
                let results = std::mem::take(results).into_iter();
                let results = results.map(|result| match result {
                    WastRet::Component(value) => value,
                    _ => panic!("{line}: a result of a core module"),
                });
                let instance = instances.last_mut().expect("an instance");
                instance.calls.push(Call {
                    line,
                    function,
                    args,
                    outcome: Outcome::Returns(results.collect()),
                });
            }
            WastDirective::AssertTrap { exec, message, .. } => {
                let (function, args) = call(exec);
                let instance = instances.last_mut().expect("an instance");
                instance.calls.push(Call {
                    line,
                    function,
                    args,
                    outcome: Outcome::Traps(message),
                });
            }
            WastDirective::AssertInvalid { module, .. } => {
                let files = Files::new(&[]);
                let refused = match module.encode() {
                    Ok(bytes) => {
                        files.write("whole.wasm", &bytes);
                        split_component(&files.path("whole.wasm"), None).is_err()
                    }
                    Err(_) => true,
                };
                match refused {
                    true => count.held += 1,
                    false => count.failed.push(format!("line {line} is not valid")),
                }
            }
            other => panic!("{line}: {other:?}"),
        }
    }
    instances
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/component-model")
}

/// The tests of a folder of the Component Model's.
fn check(name: &str) {
    let mut table = String::new();
    let mut failed = Vec::new();
    let mut paths: Vec<PathBuf> = fs::read_dir(folder().join(name))
        .expect("a folder")
        .map(|entry| entry.expect("a file").path())
        .collect();
    paths.sort();
    for path in paths {
        let text = fs::read_to_string(&path).expect("text");
        let mut lexer = Lexer::new(&text);
        lexer.allow_confusing_unicode(true);
        let buffer = ParseBuffer::new_with_lexer(lexer).expect("tokens");
        let mut wast: Wast<'_> = parse(&buffer).unwrap_or_else(|error| panic!("{error}"));
        let mut count = Count::default();
        let file = path.file_stem().expect("a name").to_string_lossy();
        let place = format!("{name}/{file}");
        for instance in read(&mut wast, &text, &mut count) {
            instance.run(&place, &mut count);
        }
        let left_out: Vec<String> = count
            .left_out
            .iter()
            .map(|(reason, number)| format!("{number}: {reason}"))
            .collect();
        let all = count.held + count.left_out.values().sum::<usize>() + count.failed.len();
        let _ = writeln!(
            table,
            "| `{place}` | {all} | {} | {} |",
            count.held,
            left_out.join("; ")
        );
        failed.extend(count.failed);
    }
    println!("{table}");
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    let book = fs::read_to_string(folder().join("../../../docs/src/component-model.md"))
        .expect("the book");
    for row in table.lines() {
        assert!(book.contains(row), "the book has no\n{row}");
    }
}

#[test]
fn the_component_models_tests_of_values_hold() {
    check("values");
}

#[test]
fn the_component_models_tests_of_resources_hold() {
    check("resources");
}

#[test]
fn the_component_models_tests_of_linking_hold() {
    check("linking");
}
