//! An engine's results for a module, as a script.

use std::{error::Error, fmt::Write};

use wasmi::{Config, Engine, FuncType, Instance, Linker, Module, Store, TrapCode, Val, ValType};

use crate::random::{Numbers, STATE};

/// Calls of each export.
const CALLS: usize = 2;

/// The specification's words for a trap, if it has some.
fn words(trap: TrapCode) -> Option<&'static str> {
    Some(match trap {
        TrapCode::UnreachableCodeReached => "unreachable",
        TrapCode::MemoryOutOfBounds => "out of bounds memory access",
        // The engine has one for both.
        TrapCode::TableOutOfBounds => "undefined element or out of bounds table access",
        TrapCode::IndirectCallToNull => "uninitialized element",
        TrapCode::IntegerDivisionByZero => "integer divide by zero",
        TrapCode::IntegerOverflow => "integer overflow",
        TrapCode::BadSignature => "indirect call type mismatch",
        TrapCode::StackOverflow => "call stack exhausted",
        _ => return None,
    })
}

fn trap(error: &wasmi::Error) -> Result<&'static str, Box<dyn Error>> {
    // The engine has no code for what instructions on tables do.
    const TABLE: &str = "out of bounds table access";
    let is_of_table = || error.to_string().contains(TABLE).then_some(TABLE);
    let words = error.as_trap_code().and_then(words).or_else(is_of_table);
    words.ok_or_else(|| format!("no trap: {error}").into())
}

/// A text in quotes, byte by byte where it is not plain.
fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for byte in bytes {
        match byte {
            b'"' | b'\\' => text.extend(['\\', char::from(*byte)]),
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => {
                let _ = write!(text, "\\{byte:02x}");
            }
        }
    }
    text + "\""
}

fn constant(value: &Val) -> String {
    match value {
        Val::I32(value) => format!("(i32.const {value})"),
        Val::I64(value) => format!("(i64.const {value})"),
        other => unreachable!("modules are made without {other:?}"),
    }
}

fn constants(values: &[Val]) -> String {
    values
        .iter()
        .map(|value| format!(" {}", constant(value)))
        .collect()
}

/// A number as likely at an edge as not.
fn argument(numbers: &mut Numbers, ty: ValType) -> Val {
    let edges = [
        0,
        1,
        2,
        3,
        8,
        31,
        32,
        0x7f,
        0xffff,
        0x7fff_ffff,
        -1,
        -2,
        i64::MIN,
        i64::MAX,
    ];
    let drawn = numbers.next();
    let value = match numbers.next() % 2 {
        0 => edges[drawn as usize % edges.len()],
        _ => drawn as i64,
    };
    match ty {
        ValType::I32 => Val::I32(value as i32),
        _ => Val::I64(value),
    }
}

/// A call, and what it gives.
struct Call {
    name: String,
    params: Vec<Val>,
    results: Vec<Val>,
}

impl Call {
    fn invoke(&self) -> String {
        format!(
            "(invoke {}{})",
            quoted(self.name.as_bytes()),
            constants(&self.params)
        )
    }

    fn run(&mut self, store: &mut Store<()>, instance: &Instance) -> Result<(), wasmi::Error> {
        let function = instance.get_func(&*store, &self.name).expect("an export");
        function.call(store, &self.params, &mut self.results)
    }
}

/// The script of a module: the calls that return, what state is left, and one call that traps.
pub fn of(number: u64, bytes: &[u8]) -> Result<String, Box<dyn Error>> {
    let engine = Engine::new(Config::default().wasm_wide_arithmetic(true));
    let module = Module::new(&engine, bytes)?;
    let mut text = format!(";; {number}\n");
    let binary = format!("(module binary {})", quoted(bytes));
    let instance = || {
        let mut store = Store::new(&engine, ());
        let instance = Linker::new(&engine).instantiate_and_start(&mut store, &module)?;
        Ok::<_, wasmi::Error>((store, instance))
    };
    if let Err(error) = instance() {
        writeln!(text, "(assert_trap {binary} {:?})", trap(&error)?)?;
        return Ok(text);
    }
    writeln!(text, "{binary}")?;
    let mut numbers = Numbers::new(!number);
    let mut call = |name: &str, ty: &FuncType| Call {
        name: name.to_owned(),
        params: ty
            .params()
            .iter()
            .map(|ty| argument(&mut numbers, *ty))
            .collect(),
        results: ty.results().iter().map(|ty| Val::default(*ty)).collect(),
    };
    let exports: Vec<(String, FuncType)> = module
        .exports()
        .filter_map(|export| Some((export.name().to_owned(), export.ty().func()?.clone())))
        // Nobody outside knows what a reference to a function is.
        .filter(|(_, ty)| {
            let mut types = ty.params().iter().chain(ty.results());
            types.all(|ty| matches!(ty, ValType::I32 | ValType::I64))
        })
        .collect();
    let (state, others): (Vec<_>, Vec<_>) =
        exports.iter().partition(|(name, _)| name.as_str() == STATE);
    let mut returning: Vec<Call> = Vec::new();
    let mut trapping = None;
    for (name, ty) in (0..CALLS).flat_map(|_| &others).chain(&state) {
        // What a call did before it trapped would stay, so there is a new instance for each.
        let (mut store, instance) = instance()?;
        for call in &mut returning {
            call.run(&mut store, &instance)?;
        }
        let mut call = call(name, ty);
        match call.run(&mut store, &instance) {
            Ok(()) => returning.push(call),
            Err(_) => trapping = Some(call),
        }
    }
    // It comes after all calls that return, some of which were found after it: what it does then is not
    // always what it did before them.
    let mut trapped = None;
    if let Some(mut call) = trapping {
        let (mut store, instance) = instance()?;
        for call in &mut returning {
            call.run(&mut store, &instance)?;
        }
        match call.run(&mut store, &instance) {
            Ok(()) => returning.push(call),
            Err(error) => trapped = Some((call, trap(&error)?)),
        }
    }
    for call in &returning {
        let results = constants(&call.results);
        writeln!(text, "(assert_return {}{results})", call.invoke())?;
    }
    if let Some((call, words)) = trapped {
        writeln!(text, "(assert_trap {} {words:?})", call.invoke())?;
    }
    Ok(text)
}
