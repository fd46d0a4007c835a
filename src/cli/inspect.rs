//! `inspect`.

use core::fmt;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use clap::Args;
use miden_cvm::{
    Area, ClaimedExport, CodeDescription, CompiledModule, Component, Composition, Finding, Inputs,
    Intrinsic, LinkKind, LinkedComposition, Loader, MAX_FILE_LEN, MemoryLayout, PackageKind, Proof,
    ProofBundle, ProofError, PublicInputs, Records, Security, StatedCall, StatedProof, Statement,
    Target, Word, claims_of, describe_code, findings, target_file, to_wave,
};
use serde::Serialize;

use super::{
    advisories::AdvisoriesAnswer,
    answers::{ClaimAnswer, MemoryAnswer, TablesAnswer, numbers, write_memory, write_security},
    files,
    kind::{Kind, is_not, not_a},
    libraries::{Libraries, refused},
    limits::BuildLimits,
    outcome::{Failure, Outcome},
    progress::Progress,
    source::refused_target,
};

/// Shows what is in a component, a composition, a statement or a proof.
#[derive(Debug, Args)]
pub struct InspectCommand {
    /// A component's folder or package, a composition's file, folder or package, a program, a
    /// library or any other package, a statement, records, inputs, a proof or a bundle of proofs; `-` is the standard
    /// input
    target: PathBuf,
    #[command(flatten)]
    libraries: Libraries,
    #[command(flatten)]
    limits: BuildLimits,
    /// The composition that a statement is about: show what was called with what, by its WIT
    #[arg(long, value_name = "TARGET")]
    of: Option<PathBuf>,
    /// Print a composition as a graph for Graphviz
    #[arg(long, conflicts_with = "mermaid")]
    dot: bool,
    /// Print a composition as a graph for Mermaid
    #[arg(long)]
    mermaid: bool,
}

impl InspectCommand {
    /// Looks at it.
    ///
    /// # Errors
    /// Returns an error if it cannot be read, is none of these, or is damaged.
    pub fn run(&self) -> Result<Outcome, Failure> {
        let progress = Progress::start("loading");
        let loader = self.libraries.loader(self.limits.assembly())?;
        let found = load(&self.target, &loader)?;
        for warning in found.warnings(&loader) {
            progress.warn(warning);
        }
        self.libraries.judge(&found.findings(), &progress)?;
        drop(progress);
        if self.dot || self.mermaid {
            let Found::Composition(linked) = found else {
                return Err(Failure::usage(format!(
                    "`{}` is not a composition, and only compositions are shown as graphs",
                    self.target.display()
                )));
            };
            let (language, graph) = match self.dot {
                true => ("dot", linked.to_dot()),
                false => ("mermaid", linked.to_mermaid()),
            };
            return Outcome::new(&GraphAnswer { language, graph });
        }
        if let Some(of) = &self.of {
            let Found::Statement(statement) = found else {
                return Err(Failure::usage(format!(
                    "{} is not a statement, and only statements say what was called",
                    files::name(&self.target)
                )));
            };
            let target = loader.load(of).map_err(|error| refused_target(error, of))?;
            let call = target.stated_call(&statement).map_err(Failure::failed)?;
            return Outcome::new(&StatementAnswer {
                call: Some(StatedAnswer::of(&call)),
                ..StatementAnswer::of(&statement)
            });
        }
        match found {
            Found::Component(component) => Outcome::new(&ComponentAnswer::of(&component)),
            Found::Composition(linked) => Outcome::new(&CompositionAnswer::of(&linked)),
            Found::Program(program) => Outcome::new(&*program),
            Found::Code(code) => Outcome::new(&*code),
            Found::Records(records) => Outcome::new(&*records),
            Found::Inputs(inputs) => Outcome::new(&*inputs),
            Found::Statement(statement) => Outcome::new(&StatementAnswer::of(&statement)),
            Found::Proof(proof, bytes) => Outcome::new(&ProofAnswer::of(&proof, bytes)),
            Found::Bundle(bundle) => Outcome::new(&*bundle),
        }
    }
}

/// The contents of a file or folder.
enum Found {
    Component(Box<Component>),
    Composition(Box<LinkedComposition>),
    Program(Box<ProgramAnswer>),
    Code(Box<CodeAnswer>),
    Statement(Box<Statement>),
    Records(Box<RecordsAnswer>),
    Inputs(Box<InputsAnswer>),
    Proof(Proof, usize),
    Bundle(Box<BundleAnswer>),
}

impl Found {
    /// The advisories for its sources, and for those of the libraries.
    fn warnings(&self, loader: &Loader) -> Vec<String> {
        let own: Vec<String> = match self {
            Self::Component(component) => {
                component.warnings.iter().map(ToString::to_string).collect()
            }
            Self::Composition(linked) => linked.warnings.iter().map(ToString::to_string).collect(),
            // Those of the libraries are among them.
            Self::Program(program) => return program.warnings.clone(),
            _ => Vec::new(),
        };
        let of_libraries = loader.warnings().iter().map(ToString::to_string);
        of_libraries.chain(own).collect()
    }

    /// The advisories about the code in it.
    fn findings(&self) -> BTreeSet<Finding> {
        match self {
            Self::Component(component) => findings(&component.forest),
            Self::Composition(linked) => linked.findings(),
            Self::Program(program) => program.findings.clone(),
            Self::Code(code) => code.findings.clone(),
            Self::Statement(_)
            | Self::Records(_)
            | Self::Inputs(_)
            | Self::Proof(..)
            | Self::Bundle(_) => BTreeSet::new(),
        }
    }
}

fn load(path: &Path, loader: &Loader) -> Result<Found, Failure> {
    if files::is_standard(path) {
        let bytes = files::read(path, MAX_FILE_LEN)?;
        return of_bytes(&bytes, path, Kind::of_bytes(&bytes, None), loader);
    }
    let component = |folder: &Path| {
        let component = Component::load(folder, loader.toolchain()).map_err(Failure::failed)?;
        Ok(Found::Component(Box::new(component)))
    };
    match Kind::of(path) {
        Kind::Composition => {
            let file = target_file(path).map_err(refused)?;
            let linked =
                LinkedComposition::load(&file, loader.toolchain()).map_err(Failure::failed)?;
            Ok(Found::Composition(Box::new(linked)))
        }
        Kind::Component => component(path),
        Kind::ComponentFile => component(files::folder_of(path)),
        Kind::Masm | Kind::ProgramFolder => {
            let file = target_file(path).map_err(refused)?;
            let target = loader.load(&file).map_err(refused)?;
            Ok(Found::Program(Box::new(ProgramAnswer::of(&target))))
        }
        Kind::Workspace => Err(is_not(path, "anything that is shown")),
        Kind::Folder => match target_file(path) {
            Ok(_) => Err(Failure::failed(format!("`{}` has changed", path.display()))),
            Err(error) => Err(Failure::failed(error)),
        },
        Kind::Missing | Kind::Device => {
            // The operating system knows best.
            let bytes = files::read(path, MAX_FILE_LEN)?;
            of_bytes(&bytes, path, Kind::of_bytes(&bytes, Some(path)), loader)
        }
        kind => of_bytes(&files::read(path, MAX_FILE_LEN)?, path, kind, loader),
    }
}

/// Looks at something of a kind that is known.
fn of_bytes(bytes: &[u8], path: &Path, kind: Kind, loader: &Loader) -> Result<Found, Failure> {
    let name = files::name(path);
    let unusable =
        |error: &dyn fmt::Display| Failure::failed(format!("{name} cannot be used: {error}"));
    let not = |what: &str, error: &dyn fmt::Display| {
        Failure::failed(format!("{name} is not a valid {what}: {error}"))
    };
    Ok(match kind {
        Kind::Package(PackageKind::Composition) => {
            let linked = LinkedComposition::from_package(bytes, path, loader.toolchain())
                .map_err(|error| unusable(&error))?;
            match linked {
                Some(linked) => Found::Composition(Box::new(linked)),
                None => return Err(unusable(&"it is not a composition after all")),
            }
        }
        Kind::Package(PackageKind::Component) => {
            let component = Component::from_package(bytes, path, loader.toolchain())
                .map_err(|error| unusable(&error))?;
            Found::Component(Box::new(component))
        }
        Kind::Package(_) | Kind::Library => {
            let code = describe_code(bytes).map_err(|error| unusable(&error))?;
            Found::Code(Box::new(CodeAnswer::of(code)))
        }
        Kind::BrokenPackage => {
            return Err(match describe_code(bytes) {
                Ok(_) => unusable(&"it is damaged"),
                Err(error) => unusable(&error),
            });
        }
        Kind::Statement => {
            let statement: Statement =
                serde_json::from_slice(bytes).map_err(|error| not("statement", &error))?;
            Found::Statement(Box::new(statement))
        }
        Kind::Records => {
            let records: Records =
                serde_json::from_slice(bytes).map_err(|error| not("records", &error))?;
            Found::Records(Box::new(RecordsAnswer::of(&records)))
        }
        Kind::Inputs => {
            let text = String::from_utf8_lossy(bytes);
            let inputs = Inputs::from_json(&text)
                .map_err(|error| Failure::failed(format!("inputs {name}: {error}")))?;
            Found::Inputs(Box::new(InputsAnswer::of(&inputs)))
        }
        Kind::Unknown if path.extension().is_some_and(|ending| ending == "json") => {
            let error = match serde_json::from_slice::<serde_json::Value>(bytes) {
                Ok(_) => {
                    "it is neither a statement, the records of a composition nor inputs".into()
                }
                Err(error) => error.to_string(),
            };
            return Err(Failure::failed(format!(
                "{name} is nothing that can be shown: {error}"
            )));
        }
        // Whatever is run from there is shown from there.
        Kind::Unknown if files::is_standard(path) && is_text(bytes) => {
            let target = loader.load_bytes(bytes, "standard input".as_ref());
            Found::Program(Box::new(ProgramAnswer::of(&target.map_err(refused)?)))
        }
        Kind::Bundle => {
            let bundle = ProofBundle::from_bytes(bytes).map_err(|error| unusable(&error))?;
            let answer = BundleAnswer::of(&bundle).map_err(|error| unusable(&error))?;
            Found::Bundle(Box::new(answer))
        }
        Kind::Proof | Kind::Unknown => {
            let proof = Proof::from_bytes(bytes).map_err(|error| {
                let kinds = "nor a package, a library, a statement, records or inputs";
                Failure::failed(format!("{name} is not a proof: {error}; {kinds}"))
            })?;
            Found::Proof(proof, bytes.len())
        }
        _ => {
            let wanted = "anything that is shown";
            return Err(Failure::failed(
                not_a(path, wanted)
                    .unwrap_or_else(|| format!("{name} is nothing that can be shown")),
            ));
        }
    })
}

/// Returns `true` if this can be Miden assembly, and is no JSON that is broken.
fn is_text(bytes: &[u8]) -> bool {
    let first = bytes.trim_ascii_start().first();
    first.is_some_and(|first| !b"{[".contains(first)) && std::str::from_utf8(bytes).is_ok()
}

/// A program from its source.
#[derive(Debug, Serialize)]
struct ProgramAnswer {
    kind: &'static str,
    program_hash: String,
    /// Procedures of a kernel that it can enter.
    kernel_procedures: Vec<String>,
    nodes: usize,
    advisories: AdvisoriesAnswer,
    #[serde(skip)]
    findings: BTreeSet<Finding>,
    #[serde(skip)]
    warnings: Vec<String>,
}

impl ProgramAnswer {
    fn of(target: &Target) -> Self {
        let program = target.program();
        let kernel = program.kernel().proc_hashes().iter();
        let findings = target.findings();
        Self {
            advisories: AdvisoriesAnswer::new(&findings),
            findings,
            warnings: target.warnings().iter().map(ToString::to_string).collect(),
            kind: "program",
            program_hash: program.hash().to_hex(),
            kernel_procedures: kernel.map(Word::to_hex).collect(),
            nodes: program.mast_forest().nodes().len(),
        }
    }
}

impl fmt::Display for ProgramAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "program      {}, {} nodes",
            self.program_hash, self.nodes
        )?;
        self.advisories.write(f)?;
        self.kernel_procedures
            .iter()
            .try_for_each(|digest| writeln!(f, "kernel       {digest}"))
    }
}

/// A package or library that is no component or composition.
#[derive(Debug, Serialize)]
struct CodeAnswer {
    kind: &'static str,
    package: Option<PackageAnswer>,
    program_hash: Option<String>,
    exports: Vec<ProcedureAnswer>,
    init: Option<String>,
    syscalls: Vec<String>,
    missing: Vec<String>,
    dependencies: Vec<String>,
    sections: Vec<String>,
    debug_info: bool,
    advice_entries: usize,
    nodes: usize,
    advisories: AdvisoriesAnswer,
    #[serde(skip)]
    findings: BTreeSet<Finding>,
}

#[derive(Debug, Serialize)]
struct PackageAnswer {
    name: String,
    version: Option<String>,
    kind: &'static str,
}

#[derive(Debug, Serialize)]
struct ProcedureAnswer {
    path: String,
    digest: String,
    signature: Option<String>,
}

impl CodeAnswer {
    fn of(code: CodeDescription) -> Self {
        let exports = code.exports.into_iter();
        Self {
            kind: match code.kind {
                PackageKind::Program => "program",
                _ => "library",
            },
            package: code.package.map(|(name, version, kind)| PackageAnswer {
                name,
                version,
                kind,
            }),
            program_hash: code.program_hash.map(|hash| hash.to_hex()),
            exports: exports
                .map(|export| ProcedureAnswer {
                    path: export.path,
                    digest: export.digest.to_hex(),
                    signature: export.signature,
                })
                .collect(),
            init: code.init,
            syscalls: code.syscalls.iter().map(Word::to_hex).collect(),
            missing: code.missing.iter().map(Word::to_hex).collect(),
            dependencies: code.dependencies,
            sections: code.sections,
            debug_info: code.has_debug_info,
            advice_entries: code.advice_entries,
            nodes: code.nodes,
            advisories: AdvisoriesAnswer::new(&code.findings),
            findings: code.findings,
        }
    }
}

impl fmt::Display for CodeAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(PackageAnswer {
            name,
            version,
            kind,
        }) = &self.package
        {
            let version = version.as_deref().unwrap_or("no version");
            writeln!(f, "package      {name}, {version}, {kind}")?;
        }
        if let Some(hash) = &self.program_hash {
            writeln!(f, "program      {hash}")?;
        }
        let debug = match self.debug_info {
            true => "with debug information",
            false => "without debug information",
        };
        writeln!(f, "code         {} nodes, {debug}", self.nodes)?;
        self.advisories.write(f)?;
        if self.advice_entries > 0 {
            writeln!(f, "advice       {} entries", self.advice_entries)?;
        }
        for export in &self.exports {
            writeln!(f, "export       {}", export.path)?;
            if let Some(signature) = &export.signature {
                writeln!(f, "               {signature}")?;
            }
            writeln!(f, "               {}", export.digest)?;
        }
        if let Some(init) = &self.init {
            writeln!(f, "init         {init}")?;
        }
        for (what, all) in [
            ("syscall      ", &self.syscalls),
            ("missing      ", &self.missing),
            ("needs        ", &self.dependencies),
            ("section      ", &self.sections),
        ] {
            for one in all {
                writeln!(f, "{what}{one}")?;
            }
        }
        Ok(())
    }
}

/// The records of a composition.
#[derive(Debug, Serialize)]
struct RecordsAnswer {
    kind: &'static str,
    composition: String,
    instances: u32,
    links: usize,
    segments: usize,
    resources: usize,
    intrinsics: usize,
    /// Exports to which imports of installed instances can be wired.
    exports: usize,
    /// Elements of public data.
    public_elements: usize,
    /// The places of inputs and outputs in memory.
    #[serde(flatten)]
    memory: PlacesAnswer,
    /// The advisories that they state about the code.
    advisories: Vec<String>,
}

impl RecordsAnswer {
    fn of(records: &Records) -> Self {
        let composition = records.composition();
        Self {
            kind: "records",
            composition: composition.commitment().to_hex(),
            instances: composition.num_instances(),
            links: composition.links().len(),
            segments: composition.segments().len(),
            resources: composition.resources().len(),
            intrinsics: composition.intrinsics().len(),
            exports: composition.exports().len(),
            public_elements: public_elements(composition),
            memory: composition.layout().into(),
            advisories: records.advisories().to_vec(),
        }
    }
}

impl fmt::Display for RecordsAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "composition  {}", self.composition)?;
        writeln!(
            f,
            "records      {} instances, {} links, {} segments, {} resource types, {} intrinsics",
            self.instances, self.links, self.segments, self.resources, self.intrinsics
        )?;
        if self.exports != 0 {
            writeln!(f, "wired to     {} exports", self.exports)?;
        }
        write_public_elements(f, self.public_elements)?;
        write!(f, "{}", self.memory)?;
        self.advisories
            .iter()
            .try_for_each(|id| writeln!(f, "advisory     {id}"))
    }
}

/// The places of inputs and outputs in memory.
#[derive(Debug, Serialize)]
struct PlacesAnswer {
    #[serde(rename = "memory_inputs", skip_serializing_if = "Option::is_none")]
    inputs: Option<Area>,
    #[serde(rename = "memory_outputs", skip_serializing_if = "Option::is_none")]
    outputs: Option<Area>,
}

impl From<MemoryLayout> for PlacesAnswer {
    fn from(MemoryLayout { inputs, outputs }: MemoryLayout) -> Self {
        Self { inputs, outputs }
    }
}

impl fmt::Display for PlacesAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, area) in [("inputs", self.inputs), ("outputs", self.outputs)] {
            if let Some(Area { address, length }) = area {
                writeln!(
                    f,
                    "{kind:<12} {length} elements in memory, from address {address} on"
                )?;
            }
        }
        Ok(())
    }
}

/// The number of elements of public data.
fn public_elements(composition: &Composition) -> usize {
    let data = composition.public_data().iter();
    data.map(|data| data.elements.len()).sum()
}

fn write_public_elements(f: &mut fmt::Formatter<'_>, count: usize) -> fmt::Result {
    match count {
        0 => Ok(()),
        count => writeln!(f, "public data  {count} elements"),
    }
}

/// Inputs of a run.
#[derive(Debug, Serialize)]
struct InputsAnswer {
    kind: &'static str,
    stack_inputs: Vec<String>,
    /// Elements of inputs in memory.
    memory_inputs: usize,
    advice_stack: usize,
    advice_map: usize,
}

impl InputsAnswer {
    fn of(inputs: &Inputs) -> Self {
        Self {
            kind: "inputs",
            stack_inputs: numbers(&inputs.arguments.stack[..]),
            memory_inputs: inputs.arguments.memory.len(),
            advice_stack: inputs.advice.stack.len(),
            advice_map: inputs.advice.map.len(),
        }
    }
}

impl fmt::Display for InputsAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "inputs       [{}]", self.stack_inputs.join(", "))?;
        if self.memory_inputs > 0 {
            writeln!(f, "in memory    {} elements", self.memory_inputs)?;
        }
        writeln!(
            f,
            "advice       {} elements on the stack, {} entries in the map",
            self.advice_stack, self.advice_map
        )
    }
}

/// A graph as text.
#[derive(Debug, Serialize)]
struct GraphAnswer {
    language: &'static str,
    graph: String,
}

impl fmt::Display for GraphAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.graph)
    }
}

/// A component.
#[derive(Debug, Serialize)]
struct ComponentAnswer {
    kind: &'static str,
    name: String,
    world: Option<String>,
    exports: Vec<ExportAnswer>,
    imports: Vec<ImportAnswer>,
    resources: Vec<ResourceAnswer>,
    segments: Vec<SegmentAnswer>,
    /// The places of inputs and outputs in memory.
    #[serde(flatten)]
    memory: PlacesAnswer,
    /// The commitment by which a program can install the component; nothing if none can.
    #[serde(skip_serializing_if = "Option::is_none")]
    installed_by: Option<String>,
    /// Nodes of its code.
    nodes: usize,
    /// The result for its core module of WebAssembly.
    #[serde(skip_serializing_if = "Option::is_none")]
    compiled: Option<CompiledModule>,
    advisories: AdvisoriesAnswer,
}

#[derive(Debug, Serialize)]
struct ExportAnswer {
    name: String,
    kind: LinkKind,
    digest: String,
    function: Option<String>,
}

#[derive(Debug, Serialize)]
struct ImportAnswer {
    name: String,
    digest: String,
    function: Option<String>,
    is_called: bool,
}

/// A resource type.
#[derive(Debug, Serialize)]
struct ResourceAnswer {
    name: String,
    /// `true` if the component defines it; otherwise another one does.
    is_own: bool,
    /// The procedure that is called when an own handle is dropped; nothing if there is none, or if
    /// another component says so.
    destructor: Option<String>,
    /// The intrinsics that the component's code calls.
    intrinsics: Vec<Intrinsic>,
}

#[derive(Debug, Serialize)]
struct SegmentAnswer {
    address: u32,
    length: usize,
    commitment: String,
    is_public: bool,
}

impl ComponentAnswer {
    fn of(component: &Component) -> Self {
        let world = component.world.as_ref().map(|world| &world.world);
        let exports = component.exports.iter().map(|(name, export)| ExportAnswer {
            name: name.clone(),
            kind: export.kind,
            digest: export.digest.to_hex(),
            function: export.function.as_ref().and_then(|(interface, function)| {
                Some(world?.export(interface)?.function(function)?.to_string())
            }),
        });
        let imports = component.imports.iter().map(|(name, import)| ImportAnswer {
            name: name.clone(),
            digest: import.digest.to_hex(),
            function: import.function.as_ref().and_then(|(interface, function)| {
                Some(world?.import(interface)?.function(function)?.to_string())
            }),
            is_called: import.is_called,
        });
        let segments = component.segments.iter().map(|segment| SegmentAnswer {
            address: segment.address,
            length: segment.elements.len(),
            commitment: segment.commitment.to_hex(),
            is_public: segment.is_public,
        });
        let intrinsics = |name: &str, is_imported: bool| {
            let calls = component.intrinsics.iter();
            calls
                .filter(|call| {
                    call.resource.as_deref() == Some(name) && call.is_imported == is_imported
                })
                .map(|call| call.intrinsic)
                .collect()
        };
        let own = component
            .resources
            .iter()
            .map(|(name, resource)| ResourceAnswer {
                name: name.clone(),
                is_own: true,
                destructor: resource.destructor.map(|digest| digest.to_hex()),
                intrinsics: intrinsics(name, false),
            });
        let imported = component.resource_imports.keys();
        let imported = imported.map(|name| ResourceAnswer {
            name: name.clone(),
            is_own: false,
            destructor: None,
            intrinsics: intrinsics(name, true),
        });
        Self {
            kind: "component",
            name: component.name.clone(),
            world: world.map(|world| world.name.clone()),
            exports: exports.collect(),
            imports: imports.collect(),
            resources: own.chain(imported).collect(),
            segments: segments.collect(),
            memory: component.memory.into(),
            nodes: component.forest.nodes().len(),
            compiled: component.compiled.clone(),
            installed_by: component
                .record()
                .ok()
                .map(|record| record.commitment().to_hex()),
            advisories: AdvisoriesAnswer::new(&findings(&component.forest)),
        }
    }
}

impl fmt::Display for ComponentAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "component    {}, {} nodes", self.name, self.nodes)?;
        self.advisories.write(f)?;
        if let Some(compiled) = &self.compiled {
            let CompiledModule {
                bytes,
                functions,
                dropped,
                data,
                memory_end,
                source_files,
            } = compiled;
            writeln!(
                f,
                "module       {bytes} bytes, {} functions compiled, {} dropped",
                functions.len(),
                dropped.len()
            )?;
            writeln!(
                f,
                "               {data} elements at first, all memory below {memory_end}"
            )?;
            match source_files {
                0 => writeln!(f, "               without lines of the source")?,
                1 => writeln!(f, "               with lines of 1 source file")?,
                count => writeln!(f, "               with lines of {count} source files")?,
            }
            for name in dropped {
                writeln!(f, "               dropped {name}")?;
            }
        }
        if let Some(world) = &self.world {
            writeln!(f, "world        {world}")?;
        }
        if let Some(commitment) = &self.installed_by {
            writeln!(f, "installed by {commitment}")?;
        }
        write!(f, "{}", self.memory)?;
        for export in &self.exports {
            writeln!(f, "export       {}", export.name)?;
            if let Some(function) = &export.function {
                writeln!(f, "               {function}")?;
            }
            writeln!(f, "               {} {}", export.kind, export.digest)?;
        }
        for import in &self.imports {
            let unused = if import.is_called {
                ""
            } else {
                ", never called"
            };
            writeln!(f, "import       {}{unused}", import.name)?;
            if let Some(function) = &import.function {
                writeln!(f, "               {function}")?;
            }
            writeln!(f, "               {}", import.digest)?;
        }
        for resource in &self.resources {
            let whose = if resource.is_own { "own" } else { "imported" };
            writeln!(f, "resource     {}, {whose}", resource.name)?;
            if let Some(destructor) = &resource.destructor {
                writeln!(f, "               destructor {destructor}")?;
            }
            if !resource.intrinsics.is_empty() {
                let names = intrinsic_names(&resource.intrinsics);
                writeln!(f, "               {names}")?;
            }
        }
        for segment in &self.segments {
            let SegmentAnswer {
                address,
                length,
                commitment,
                is_public,
            } = segment;
            let of = if *is_public {
                "public elements"
            } else {
                "elements"
            };
            writeln!(f, "data         {length} {of} at {address}, {commitment}")?;
        }
        Ok(())
    }
}

fn intrinsic_names(intrinsics: &[Intrinsic]) -> String {
    let names = intrinsics.iter().map(|intrinsic| intrinsic.identifier());
    names.collect::<Vec<_>>().join(", ")
}

/// A composition.
#[derive(Debug, Serialize)]
struct CompositionAnswer {
    kind: &'static str,
    program_hash: String,
    composition: String,
    instances: Vec<InstanceAnswer>,
    /// The resource types by number, as `instance.type`.
    resources: Vec<String>,
    components: Vec<ComponentAnswer>,
    /// The exports that are claimed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    claims: Vec<ClaimedAnswer>,
    advisories: AdvisoriesAnswer,
}

/// An export whose calls are claims, and the program and composition that these are about.
#[derive(Debug, Serialize)]
struct ClaimedAnswer {
    export: String,
    program_hash: String,
    composition: String,
}

impl ClaimedAnswer {
    fn of(claimed: &ClaimedExport) -> Self {
        let program = claimed.program();
        Self {
            export: format!("{}.{}", claimed.instance, claimed.export),
            program_hash: program.program_hash.to_hex(),
            composition: program.composition.to_hex(),
        }
    }
}

#[derive(Debug, Serialize)]
struct InstanceAnswer {
    index: usize,
    name: String,
    component: String,
    /// `true` if its calls are claims: then the component is the one that stands in its place.
    is_claimed: bool,
    links: Vec<LinkAnswer>,
    /// The operations on handles that it may perform.
    handles: Vec<HandlesAnswer>,
}

#[derive(Debug, Serialize)]
struct HandlesAnswer {
    /// The resource type, as `instance.type`.
    resource: String,
    intrinsics: Vec<Intrinsic>,
}

/// A link of an instance.
#[derive(Debug, Serialize)]
struct LinkAnswer {
    /// The import; nothing for a call of an own procedure.
    import: Option<String>,
    kind: LinkKind,
    digest: String,
    target: String,
    export: Option<String>,
    callee: String,
}

impl CompositionAnswer {
    fn of(linked: &LinkedComposition) -> Self {
        let target = Target::from(linked.clone());
        let instances = linked
            .instances
            .iter()
            .enumerate()
            .map(|(index, instance)| {
                let links = linked.composition.links().iter();
                let own = links.filter(|link| link.source as usize == index);
                let mut types: BTreeMap<u32, Vec<Intrinsic>> = BTreeMap::new();
                for record in linked.composition.intrinsics() {
                    if record.source as usize == index && record.intrinsic.has_resource() {
                        types
                            .entry(record.resource)
                            .or_default()
                            .push(record.intrinsic);
                    }
                }
                let handles = types.into_iter().map(|(number, intrinsics)| HandlesAnswer {
                    resource: target.resource_name(number).unwrap_or_default(),
                    intrinsics,
                });
                InstanceAnswer {
                    handles: handles.collect(),
                    index,
                    name: instance.name.clone(),
                    component: instance.component.name.clone(),
                    is_claimed: linked
                        .claims
                        .iter()
                        .any(|claim| claim.instance == instance.name),
                    links: own
                        .map(|link| LinkAnswer {
                            import: linked.import_of(link).map(|(name, _)| name.to_owned()),
                            kind: link.kind,
                            digest: link.digest.to_hex(),
                            // What is no instance of the composition is any that is installed.
                            target: linked
                                .instances
                                .get(link.target as usize)
                                .map_or_else(|| "*".into(), |target| target.name.clone()),
                            export: linked.export_of(link).map(ToOwned::to_owned),
                            callee: link.callee.to_hex(),
                        })
                        .collect(),
                }
            });
        let mut components: Vec<&Component> = Vec::new();
        for instance in &linked.instances {
            let component: &Component = &instance.component;
            if !components
                .iter()
                .any(|known| std::ptr::eq(*known, component))
            {
                components.push(component);
            }
        }
        Self {
            kind: "composition",
            program_hash: linked.program.hash().to_hex(),
            composition: linked.composition.commitment().to_hex(),
            instances: instances.collect(),
            resources: linked.resource_names(),
            components: components.into_iter().map(ComponentAnswer::of).collect(),
            claims: linked
                .claims
                .iter()
                .map(|claim| ClaimedAnswer::of(claim))
                .collect(),
            advisories: AdvisoriesAnswer::new(&linked.findings()),
        }
    }
}

impl fmt::Display for CompositionAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "program      {}", self.program_hash)?;
        writeln!(f, "composition  {}", self.composition)?;
        for instance in &self.instances {
            let InstanceAnswer {
                index,
                name,
                component,
                is_claimed,
                links,
                handles,
            } = instance;
            let claimed = if *is_claimed { ", claimed" } else { "" };
            writeln!(f, "instance {index:<4}{name} ({component}{claimed})")?;
            for link in links {
                let import = link.import.as_deref().unwrap_or("its own procedure");
                let export = link.export.as_deref().unwrap_or(&link.callee);
                let kind = link.kind;
                writeln!(
                    f,
                    "               {import} -> {}.{export}, {kind}",
                    link.target
                )?;
            }
            for HandlesAnswer {
                resource,
                intrinsics,
            } in handles
            {
                let names = intrinsic_names(intrinsics);
                writeln!(f, "               handles of {resource}: {names}")?;
            }
        }
        for (number, resource) in self.resources.iter().enumerate() {
            writeln!(f, "resource {number:<4}{resource}")?;
        }
        for ClaimedAnswer {
            export,
            program_hash,
            composition,
        } in &self.claims
        {
            writeln!(f, "claimed      {export}: {program_hash} in {composition}")?;
        }
        self.components
            .iter()
            .try_for_each(|component| write!(f, "\n{component}"))
    }
}

/// A statement.
#[derive(Debug, Serialize)]
struct StatementAnswer {
    kind: &'static str,
    program_hash: String,
    kernel_procedures: usize,
    composition: Option<String>,
    instances: u32,
    links: usize,
    segments: usize,
    /// Elements of public data.
    public_elements: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    call: Option<StatedAnswer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_inputs: Option<MemoryAnswer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_outputs: Option<MemoryAnswer>,
    stack_inputs: Vec<String>,
    stack_outputs: Vec<String>,
}

/// The function that was called, with its values; nothing stands for those in a message.
#[derive(Debug, Serialize)]
struct StatedAnswer {
    function: String,
    params: Option<Vec<String>>,
    result: Option<String>,
    /// `true` if parameters, or the result, are in a message.
    in_messages: bool,
}

impl StatedAnswer {
    fn of(call: &StatedCall) -> Self {
        let params = call.params.as_ref();
        let result = call.result.as_ref();
        Self {
            function: call.function.to_string(),
            params: params
                .ok()
                .map(|values| values.iter().map(to_wave).collect()),
            result: result.ok().and_then(|value| Some(to_wave(value.as_ref()?))),
            in_messages: params.is_err() || result.is_err(),
        }
    }
}

impl fmt::Display for StatedAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "function     {}", self.function)?;
        match &self.params {
            Some(params) => writeln!(f, "called with  ({})", params.join(", "))?,
            None => writeln!(f, "called with  a message")?,
        }
        match &self.result {
            Some(result) => writeln!(f, "result       {result}"),
            None if self.in_messages => writeln!(f, "result       in a message, or none"),
            None => Ok(()),
        }
    }
}

impl StatementAnswer {
    fn of(statement: &Statement) -> Self {
        let public = statement.public_inputs();
        let composition = public.composition.as_ref();
        Self {
            kind: "statement",
            program_hash: public.program_hash.to_hex(),
            kernel_procedures: public.kernel.proc_hashes().len(),
            composition: composition.map(|composition| composition.commitment().to_hex()),
            instances: composition.map_or(0, |composition| composition.num_instances()),
            links: composition.map_or(0, |composition| composition.links().len()),
            segments: composition.map_or(0, |composition| composition.segments().len()),
            public_elements: composition.map_or(0, public_elements),
            call: None,
            memory_inputs: public.memory.inputs.as_ref().map(MemoryAnswer::from),
            memory_outputs: public.memory.outputs.as_ref().map(MemoryAnswer::from),
            stack_inputs: numbers(&public.stack_inputs[..]),
            stack_outputs: numbers(&public.stack_outputs[..]),
        }
    }
}

impl fmt::Display for StatementAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "program      {}", self.program_hash)?;
        if self.kernel_procedures > 0 {
            writeln!(f, "kernel       {} procedures", self.kernel_procedures)?;
        }
        if let Some(composition) = &self.composition {
            writeln!(f, "composition  {composition}")?;
            writeln!(
                f,
                "records      {} instances, {} links, {} segments",
                self.instances, self.links, self.segments
            )?;
            write_public_elements(f, self.public_elements)?;
        }
        if let Some(call) = &self.call {
            write!(f, "{call}")?;
        }
        writeln!(f, "inputs       [{}]", self.stack_inputs.join(", "))?;
        writeln!(f, "outputs      [{}]", self.stack_outputs.join(", "))?;
        write_memory(f, "inputs", &self.memory_inputs)?;
        write_memory(f, "outputs", &self.memory_outputs)
    }
}

/// A proof.
#[derive(Debug, Serialize)]
struct ProofAnswer {
    kind: &'static str,
    settings: String,
    /// The security that its parameters are made for.
    level: String,
    tables: TablesAnswer,
    /// The number of groups that their pieces are committed to in.
    groups: usize,
    /// The claims that the run makes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    claims: Vec<ClaimAnswer>,
    bytes: usize,
    /// As of an open program: a statement's records count as lookups too, but the statement is
    /// elsewhere.
    security: Security,
}

impl ProofAnswer {
    fn of(proof: &Proof, bytes: usize) -> Self {
        let settings = proof.settings();
        Self {
            kind: "proof",
            settings: settings.to_string(),
            level: settings.set().level().to_string(),
            tables: TablesAnswer::new(proof.heights()),
            groups: proof.groups(),
            claims: claims_of(proof).iter().map(ClaimAnswer::from).collect(),
            bytes,
            security: proof.security(&PublicInputs::default()),
        }
    }
}

impl fmt::Display for ProofAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "proof        {} bytes\ntables       {}",
            self.bytes, self.tables
        )?;
        if self.groups > 1 {
            writeln!(
                f,
                "groups       {}, each committed to by itself",
                self.groups
            )?;
        }
        writeln!(f, "settings     {}, made for {}", self.settings, self.level)?;
        for (number, claim) in self.claims.iter().enumerate() {
            writeln!(f, "claim {number:<6} {claim}")?;
        }
        write_security(f, &self.security)
    }
}

/// A bundle, in which nothing is verified.
#[derive(Debug, Serialize)]
struct BundleAnswer {
    kind: &'static str,
    run: StatedProofAnswer,
    claims: Vec<StatedProofAnswer>,
}

/// A proof in a bundle, with its statement.
#[derive(Debug, Serialize)]
struct StatedProofAnswer {
    statement: StatementAnswer,
    proof: ProofAnswer,
}

impl StatedProofAnswer {
    fn of(stated: &StatedProof) -> Result<Self, ProofError> {
        let StatedProof { statement, proof } = stated;
        Ok(Self {
            statement: StatementAnswer::of(statement),
            proof: ProofAnswer::of(&Proof::from_bytes(proof)?, proof.len()),
        })
    }
}

impl fmt::Display for StatedProofAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.statement, self.proof)
    }
}

impl BundleAnswer {
    fn of(bundle: &ProofBundle) -> Result<Self, ProofError> {
        let claims = bundle.claims.iter().map(StatedProofAnswer::of);
        Ok(Self {
            kind: "bundle",
            run: StatedProofAnswer::of(&bundle.run)?,
            claims: claims.collect::<Result<_, _>>()?,
        })
    }
}

impl fmt::Display for BundleAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "run\n{}", self.run)?;
        for (number, claim) in self.claims.iter().enumerate() {
            write!(f, "\nproof {number} of a claim\n{claim}")?;
        }
        Ok(())
    }
}
