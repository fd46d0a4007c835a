//! The one way from Miden assembly to code: all sources that are read, of programs, components, kernels
//! and libraries, are assembled here.
//!
//! The published assembler is made for sources of its user's own. It calls itself for every block and
//! every import, follows circles of imports until the stack is used up, calculates constants modulo 2^64
//! and takes what time and memory it takes. So an [outline] of all sources is made first, on which
//! [all of that is checked](check); and what is left to the assembler runs on a [large stack](guard), and
//! its panics are errors.

mod check;
mod expression;
pub(crate) mod guard;
mod names;
mod outline;
mod reader;
mod scan;
pub(crate) mod toolchain;
mod used;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use miden_assembly::{
    Assembler, DefaultSourceManager, KernelLibrary, Library, LinkLibraryKind, ModuleParser,
    Path as MasmPath, Report, SourceFile, SourceManager,
    ast::{ConstantValue, Export, Module, ModuleKind},
    debuginfo::{SourceLanguage, Uri},
    diagnostics::{Diagnostic, Severity, reporting::PrintDiagnostic},
    library::LibraryExport,
};
use miden_assembly_syntax::sema::{SemanticAnalysisError, SyntaxError};
use miden_core::Program;
use miden_cvm_library::{
    core_interface, core_library, correct, published_core_interface, published_core_library,
};

use self::{
    guard::{Failure, guarded},
    names::{Names, Unit, error_at},
    outline::Outline,
    used::{Mentioned, link_core_library, link_used},
};
use crate::{
    code::library::canonical_in,
    error::{SourceError, SourceFault},
    file::read_file,
    limits::{AssemblyLimits, LimitName},
    text::line_of,
};

/// The public procedures that sources declare, as `module::procedure`. A source that cannot be read has none:
/// what is wrong with it is an error of the one who assembles it.
pub(crate) fn declared_procedures(sources: &[SourceText]) -> BTreeSet<String> {
    let of_source = |source: &SourceText| {
        let Outline {
            procedures,
            aliases,
            ..
        } = Outline::read(&source.text).unwrap_or_default();
        let procedures = procedures.into_iter();
        let own = procedures.map(|procedure| (procedure.name, procedure.is_public));
        let others = aliases.into_iter();
        own.chain(others.map(|alias| (alias.name, alias.is_public)))
            .filter(|(_, is_public)| *is_public)
            .map(|(name, _)| canonical_in(&source.module, &name))
            .collect::<Vec<_>>()
    };
    guarded(|| sources.iter().flat_map(of_source).collect()).unwrap_or_default()
}

/// The module that a kernel is.
const KERNEL: &str = "$kernel";

/// The module that a program is.
const PROGRAM: &str = "$exec";

/// A source of Miden assembly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceText {
    /// The file that it is from, for errors and for where code is from.
    pub file: PathBuf,
    /// The path of the module that it is, such as `math::rates`.
    pub module: String,
    /// The text.
    pub text: String,
}

impl SourceText {
    /// Reads the file at `path`, which is the module `module`.
    ///
    /// # Errors
    /// Returns an error if it cannot be read, or if it is no text.
    pub fn read(path: &Path, module: &str) -> Result<Self, SourceError> {
        let bytes = read_file(path)
            .map_err(|error| SourceFault::Unreadable(error.to_string()).in_file(path))?;
        Self::from_bytes(path, module, bytes)
    }

    /// The source that a file's bytes are.
    ///
    /// # Errors
    /// Returns an error if they are no text.
    pub fn from_bytes(path: &Path, module: &str, bytes: Vec<u8>) -> Result<Self, SourceError> {
        // Only for the place of an error.
        let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let text = match scan::text_of(bytes) {
            Ok(text) => text,
            Err((bytes, place, fault)) => {
                let before = lossy(&bytes[..place]);
                return Err(error_at(path, &before, before.len(), fault));
            }
        };
        Ok(Self {
            file: path.into(),
            module: module.into(),
            text,
        })
    }

    /// Reads all `.masm` files below a folder; they are modules below `namespace`, and a `mod.masm` is
    /// its folder's module.
    ///
    /// # Errors
    /// Returns an error if something cannot be read, or if a name is none of a module.
    pub fn read_folder(folder: &Path, namespace: &str) -> Result<Vec<Self>, SourceError> {
        let mut found = Vec::new();
        // Folders with their namespaces, or with what it is whose name is none of a module: that does not matter
        // where there are no sources.
        let mut open = vec![(folder.to_path_buf(), Ok(namespace.to_owned()))];
        while let Some((folder, namespace)) = open.pop() {
            let unreadable = |path: &Path, error: std::io::Error| {
                SourceFault::Unreadable(error.to_string()).in_file(path)
            };
            let mut entries = Vec::new();
            for entry in fs::read_dir(&folder).map_err(|error| unreadable(&folder, error))? {
                entries.push(entry.map_err(|error| unreadable(&folder, error))?);
            }
            // So that what is assembled does not depend on the file system.
            entries.sort_by_key(fs::DirEntry::file_name);
            for entry in entries {
                let path = entry.path();
                // Links to folders are not followed: they could lead in circles.
                let kind = entry
                    .file_type()
                    .map_err(|error| unreadable(&path, error))?;
                let is_source = path.extension().is_some_and(|ending| ending == "masm");
                if !kind.is_dir() && !is_source {
                    continue;
                }
                let name = path.file_stem().and_then(|name| name.to_str());
                let name = name.filter(|name| MasmPath::validate(name).is_ok());
                let module = match (&namespace, name) {
                    (Ok(namespace), Some(Module::ROOT)) if !kind.is_dir() => Ok(namespace.clone()),
                    (Ok(namespace), Some(name)) => Ok(format!("{namespace}::{name}")),
                    (Ok(_), None) => Err(path.clone()),
                    (Err(named), _) => Err(PathBuf::clone(named)),
                };
                if kind.is_dir() {
                    open.push((path, module));
                } else {
                    let module = module.map_err(|path| SourceFault::ModuleName.in_file(path))?;
                    found.push(Self::read(&path, &module)?);
                }
            }
        }
        found.sort_by(|a, b| a.module.cmp(&b.module));
        Ok(found)
    }
}

/// A warning of the assembler about a source that it accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceWarning {
    /// The source.
    pub file: PathBuf,
    /// The line, counted from 1.
    pub line: u32,
    /// The message.
    pub message: String,
    /// The remedy, if the assembler names one.
    pub help: Option<String>,
    /// All of it with the line of the source, to be printed.
    pub report: String,
}

impl std::fmt::Display for SourceWarning {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.report.trim_end())
    }
}

/// Assembled code, and what is to be remarked about its sources.
#[derive(Debug, Clone)]
pub struct Assembled<T> {
    /// The code.
    pub code: T,
    /// The remarks.
    pub warnings: Vec<SourceWarning>,
}

/// The environment in which sources are assembled: a kernel, libraries and limits.
#[derive(Clone, Default)]
pub struct Assembly {
    sources: Arc<DefaultSourceManager>,
    kernel: Option<KernelLibrary>,
    libraries: Vec<Linked>,
    limits: AssemblyLimits,
    corrects: bool,
}

/// A library that is linked.
#[derive(Clone)]
struct Linked {
    library: Arc<Library>,
    kind: LinkLibraryKind,
    /// Where the library's code is, if it is an interface only.
    code: Option<fn() -> &'static Library>,
}

impl Assembly {
    /// Without a kernel and libraries; `sources` takes the sources that are read.
    pub fn new(sources: Arc<DefaultSourceManager>) -> Self {
        Self {
            sources,
            ..Self::default()
        }
    }

    /// Against the kernel, which `syscall` enters.
    pub fn with_kernel(mut self, kernel: Option<&KernelLibrary>) -> Self {
        self.kernel = kernel.cloned();
        self
    }

    /// With other limits.
    pub fn with_limits(mut self, limits: AssemblyLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets whether to replace instructions that the assembler expands into code which does not
    /// check the advice it takes, by [`correct`](miden_cvm_library::correct).
    pub fn with_corrections(mut self, corrects: bool) -> Self {
        self.corrects = corrects;
        self
    }

    /// With a library whose code is called, but not copied.
    pub fn with_dynamic_library(mut self, library: &Library) -> Self {
        self.link(library, LinkLibraryKind::Dynamic, None);
        self
    }

    /// With the core library, or the [published one](published_core_library), whose code is read only
    /// if it becomes part of what is assembled.
    pub fn with_core_library(mut self, is_published: bool, kind: LinkLibraryKind) -> Self {
        let (interface, code): (_, fn() -> _) = match is_published {
            true => (published_core_interface(), published_core_library),
            false => (core_interface(), core_library),
        };
        self.link(interface, kind, Some(code));
        self
    }

    /// With a library whose code becomes part of what is assembled.
    pub fn with_static_library(mut self, library: &Library) -> Self {
        self.link(library, LinkLibraryKind::Static, None);
        self
    }

    fn link(
        &mut self,
        library: &Library,
        kind: LinkLibraryKind,
        code: Option<fn() -> &'static Library>,
    ) {
        let library = Arc::new(library.clone());
        self.libraries.push(Linked {
            library,
            kind,
            code,
        });
    }

    /// Assembles a program.
    ///
    /// # Errors
    /// Returns an error if there is a mistake in it.
    pub fn program(&self, source: SourceText) -> Result<Assembled<Program>, SourceError> {
        let source = SourceText {
            module: PROGRAM.into(),
            ..source
        };
        let parsed = self.parse(vec![(ModuleKind::Executable, source)])?;
        self.assemble(parsed, |assembler, modules| {
            let main = modules
                .into_iter()
                .next()
                .ok_or_else(|| Report::msg("no source"))?;
            assembler.assemble_program(main)
        })
    }

    /// Assembles a library.
    ///
    /// # Errors
    /// Returns an error if there is a mistake in its sources.
    pub fn library(&self, sources: Vec<SourceText>) -> Result<Assembled<Library>, SourceError> {
        let parsed = self.parse_library(sources)?;
        self.parsed_library(parsed)
    }

    /// Assembles a kernel, and modules that it uses, which are below `$kernel`.
    ///
    /// # Errors
    /// Returns an error if there is a mistake in its sources.
    pub fn kernel(
        &self,
        source: SourceText,
        modules: Vec<SourceText>,
    ) -> Result<Assembled<KernelLibrary>, SourceError> {
        let source = SourceText {
            module: KERNEL.into(),
            ..source
        };
        let modules = modules
            .into_iter()
            .map(|module| (ModuleKind::Library, module));
        let kernel = (ModuleKind::Kernel, source);
        let parsed = self.parse(std::iter::once(kernel).chain(modules).collect())?;
        self.assemble(parsed, |mut assembler, mut modules| {
            let kernel = modules.remove(0);
            assembler.compile_and_statically_link_all(modules)?;
            assembler.assemble_kernel(kernel)
        })
    }

    /// Reads the sources of a library, which [`Self::parsed_library`] assembles.
    pub(crate) fn parse_library(&self, sources: Vec<SourceText>) -> Result<Parsed, SourceError> {
        let sources = sources
            .into_iter()
            .map(|source| (ModuleKind::Library, source));
        self.parse(sources.collect())
    }

    /// Assembles sources that were read.
    pub(crate) fn parsed_library(&self, parsed: Parsed) -> Result<Assembled<Library>, SourceError> {
        self.assemble(parsed, |assembler, modules| {
            assembler.assemble_library(modules)
        })
    }

    fn parse(&self, sources: Vec<(ModuleKind, SourceText)>) -> Result<Parsed, SourceError> {
        let mut bytes = 0_u64;
        for (_, SourceText { file, text, .. }) in &sources {
            bytes = bytes.saturating_add(text.len() as u64);
            if bytes > self.limits.source_bytes {
                let fault = SourceFault::Limit {
                    limit: LimitName::SourceBytes,
                    what: "reading the sources up to this one".into(),
                    needed: bytes,
                    allowed: self.limits.source_bytes,
                };
                return Err(fault.in_file(file));
            }
        }
        let first = sources.first().map(|(_, source)| source.file.clone());
        let read = guarded(|| {
            let outlines = sources.iter().map(|(_, source)| {
                let SourceText { file, text, .. } = source;
                Outline::read(text).map_err(|(place, fault)| error_at(file, text, place, fault))
            });
            outlines.collect::<Result<Vec<_>, _>>()
        });
        let outlines = read.map_err(|failure| given_up(&first.unwrap_or_default(), failure))??;
        let mut parsed = Parsed::default();
        let mut kinds = Vec::with_capacity(sources.len());
        for ((kind, SourceText { file, module, text }), outline) in
            sources.into_iter().zip(outlines)
        {
            kinds.push(kind);
            let parts = module.trim_start_matches("::").split("::");
            parsed.units.push(Unit {
                module: parts.map(str::to_owned).collect(),
                file,
                text,
                outline,
            });
        }
        self.check(&parsed.units)?;
        for (unit, kind) in parsed.units.iter().zip(kinds) {
            let (module, warnings) = self.parse_unit(kind, unit)?;
            parsed.modules.push(module);
            parsed.warnings.extend(warnings);
        }
        Ok(parsed)
    }

    /// Parses a source; what the assembler would only remark comes back, and is blotted out, because it
    /// would print that there is something to be remarked. Imports whose use it overlooks are used once
    /// more, by declarations that are taken out again.
    fn parse_unit(
        &self,
        kind: ModuleKind,
        unit: &Unit,
    ) -> Result<(Box<Module>, Vec<SourceWarning>), SourceError> {
        let mut warnings = Vec::new();
        let path = unit.module.join("::");
        let first = self.load(&unit.file, unit.text.clone());
        let mut text = unit.text.clone();
        let mut file = first.clone();
        let mut is_strict = true;
        let mut overlooked: BTreeSet<&str> = BTreeSet::new();
        let user = unit.outline.free_prefix();
        loop {
            let sources = self.sources.clone();
            let read = guarded(|| {
                let sources: Arc<dyn SourceManager> = sources;
                let mut parser = ModuleParser::new(kind);
                parser.set_warnings_as_errors(is_strict);
                parser
                    .parse(MasmPath::new(&path), file.clone(), sources)
                    .map_err(|report| Remarks::of(report, &first))
            });
            match read.map_err(|failure| given_up(&unit.file, failure))? {
                Ok(mut module) => {
                    module
                        .items_mut()
                        .retain(|item| !item.name().as_str().starts_with(&user));
                    if declares_the_same(&module, &unit.outline) {
                        if self.corrects {
                            correct(&mut module);
                        }
                        return Ok((module, warnings));
                    }
                    let reason = "its declarations are not clear".into();
                    return Err(SourceFault::GaveUp(reason).in_file(&unit.file));
                }
                Err(Remarks::Refused(report)) => {
                    return Err(SourceFault::Refused(report).in_file(&unit.file));
                }
                Err(Remarks::Warnings(found)) => {
                    let before = (text.clone(), overlooked.len());
                    for Remark {
                        start,
                        end,
                        is_import,
                        message,
                        help,
                        report,
                    } in found
                    {
                        let mut range = start..end;
                        if is_import {
                            let aliases = &unit.outline.aliases;
                            let alias = aliases.iter().find(|alias| alias.target_place == start);
                            match alias {
                                Some(alias) if !unit.outline.mentions(&alias.name) => {
                                    range = alias.place..alias.end;
                                }
                                Some(alias) => {
                                    overlooked.insert(&alias.name);
                                    continue;
                                }
                                None => continue,
                            }
                        }
                        blot_out(&mut text, range);
                        warnings.push(SourceWarning {
                            file: unit.file.clone(),
                            line: line_of(&unit.text, start),
                            message,
                            help,
                            report,
                        });
                    }
                    is_strict = is_strict && before != (text.clone(), overlooked.len());
                    let used = text.clone() + &using(&user, &overlooked);
                    file = self.load(&unit.file, used);
                }
            }
        }
    }

    fn load(&self, file: &Path, text: String) -> Arc<SourceFile> {
        self.sources
            .load(SourceLanguage::Masm, Uri::from(file), text)
    }

    fn check(&self, units: &[Unit]) -> Result<(), SourceError> {
        let mut modules = BTreeSet::new();
        let mut constants = BTreeMap::new();
        for Linked { library, .. } in &self.libraries {
            for export in library.exports() {
                let path = export.path();
                let path = path.to_relative();
                modules.extend(path.parent().map(|module| module.as_str().to_owned()));
                if let LibraryExport::Constant(constant) = export
                    && let ConstantValue::Int(value) = &constant.value
                {
                    constants.insert(path.as_str().to_owned(), value.inner().as_int());
                }
            }
        }
        check::check(
            units,
            modules.into_iter(),
            &constants,
            self.kernel.is_some(),
            &self.limits,
        )
    }

    fn assemble<T: Send>(
        &self,
        parsed: Parsed,
        assemble: impl FnOnce(Assembler, Vec<Box<Module>>) -> Result<T, Report> + Send,
    ) -> Result<Assembled<T>, SourceError> {
        let Parsed {
            units,
            modules,
            warnings,
        } = parsed;
        self.check(&units)?;
        // Of several sources the report says which one it is about.
        let file = match &units[..] {
            [unit] => unit.file.clone(),
            units => common_folder(units),
        };
        let assembled = guarded(|| {
            let sources: Arc<dyn SourceManager> = self.sources.clone();
            let mut assembler = match &self.kernel {
                Some(kernel) => Assembler::with_kernel(sources, kernel.clone()),
                None => Assembler::new(sources),
            };
            // The core library's code is its own.
            let others = self.libraries.iter().filter(|linked| linked.code.is_none());
            let mentioned = Mentioned::new(&modules, others.map(|linked| linked.library.as_ref()));
            let mut libraries = self.libraries.iter();
            let linked = libraries.try_for_each(|linked| {
                let Linked { library, .. } = linked;
                match (linked.kind, linked.code) {
                    (LinkLibraryKind::Dynamic, _) => assembler.link_dynamic_library(library),
                    (LinkLibraryKind::Static, None) => {
                        link_used(&mut assembler, library, &mentioned)
                    }
                    (LinkLibraryKind::Static, Some(code)) => {
                        link_core_library(&mut assembler, library, code, &mentioned)
                    }
                }
            });
            linked
                .and_then(|()| assemble(assembler, modules))
                .map_err(|report| render(&report))
        });
        match assembled {
            Ok(Ok(code)) => Ok(Assembled { code, warnings }),
            Ok(Err(report)) => Err(SourceFault::Refused(report).in_file(file)),
            Err(failure) => Err(given_up(&file, failure)),
        }
    }
}

/// Sources that were read.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    units: Vec<Unit>,
    #[expect(
        clippy::vec_box,
        reason = "the parser gives boxes, and the assembler takes them"
    )]
    modules: Vec<Box<Module>>,
    warnings: Vec<SourceWarning>,
}

impl Parsed {
    /// Adds others.
    pub(crate) fn append(&mut self, mut others: Self) {
        self.units.append(&mut others.units);
        self.modules.append(&mut others.modules);
        self.warnings.append(&mut others.warnings);
    }

    /// The modules.
    pub(crate) fn modules(&self) -> &[Box<Module>] {
        &self.modules
    }

    /// The number of times that code, and exports under another name, name each procedure of the sources, by its path.
    pub(crate) fn uses(&self) -> HashMap<String, usize> {
        let constants = BTreeMap::new();
        let names = Names::new(&self.units, std::iter::empty(), &constants);
        let mut uses = HashMap::new();
        for (unit, procedure) in names.named_procedures() {
            let unit = &self.units[unit];
            let name = &unit.outline.procedures[procedure].name;
            let path = canonical_in(&unit.module.join("::"), name);
            *uses.entry(path).or_default() += 1;
        }
        uses
    }

    /// The modules, to be changed: what was checked of them has to hold of what they become.
    pub(crate) fn modules_mut(&mut self) -> &mut [Box<Module>] {
        &mut self.modules
    }
}

/// The parser's remarks about a source that it rejects, or would accept with remarks.
enum Remarks {
    Refused(String),
    Warnings(Vec<Remark>),
}

struct Remark {
    start: usize,
    end: usize,
    is_import: bool,
    message: String,
    help: Option<String>,
    report: String,
}

impl Remarks {
    fn of(report: Report, file: &Arc<SourceFile>) -> Self {
        let is_warning =
            |error: &SemanticAnalysisError| error.severity() == Some(Severity::Warning);
        match report.downcast_ref::<SyntaxError>() {
            Some(SyntaxError { errors, .. }) if errors.iter().all(is_warning) => {}
            _ => return Self::Refused(render(&report)),
        }
        let errors = match report.downcast::<SyntaxError>() {
            Ok(error) => error.errors,
            Err(report) => return Self::Refused(render(&report)),
        };
        let remarks = errors.into_iter().map(|error| {
            let label = error.labels().and_then(|mut labels| labels.next());
            let (start, length) = label.map_or((0, 0), |label| (label.offset(), label.len()));
            Remark {
                start,
                end: start + length,
                is_import: matches!(error, SemanticAnalysisError::UnusedImport { .. }),
                message: error.to_string(),
                help: error.help().map(|help| help.to_string()),
                report: render(&Report::new(error).with_source_code(file.clone())),
            }
        });
        Self::Warnings(remarks.collect())
    }
}

/// Returns `true` if a parsed module declares what its outline has: what was checked is what is
/// assembled.
fn declares_the_same(module: &Module, outline: &Outline) -> bool {
    let in_module = module.items().iter().filter_map(|item| match item {
        Export::Procedure(procedure) => Some(("", procedure.name().as_str())),
        Export::Alias(alias) => Some(("use", alias.name().as_str())),
        Export::Constant(_) | Export::Type(_) => None,
    });
    let in_outline: BTreeSet<(&str, &str)> = outline
        .procedures
        .iter()
        .map(|procedure| ("", procedure.name.as_str()))
        .chain(
            outline
                .aliases
                .iter()
                .map(|alias| ("use", alias.name.as_str())),
        )
        .collect();
    let in_module: BTreeSet<(&str, &str)> = in_module.collect();
    // Imports that are not used may have been blotted out.
    let procedures =
        |all: &BTreeSet<(&str, &str)>| all.iter().filter(|(kind, _)| kind.is_empty()).count();
    in_module.is_subset(&in_outline) && procedures(&in_module) == procedures(&in_outline)
}

/// Declarations that use imports in ways which the assembler does not overlook: as parts of a type, or as
/// constants in a procedure. Imports whose names can be neither are left out.
fn using(prefix: &str, imports: &BTreeSet<&str>) -> String {
    let is_word = |import: &str| {
        let mut characters = import.chars();
        characters.all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let is_type = |import: &str| import.contains(|c: char| c.is_ascii_lowercase());
    let words = imports.iter().copied().filter(|import| is_word(import));
    let (types, constants): (Vec<&str>, Vec<&str>) = words.partition(|import| is_type(import));
    let mut text = String::new();
    if !types.is_empty() {
        let parts: Vec<String> = (0..)
            .zip(types)
            .map(|(number, import)| format!("p{number}: {import}"))
            .collect();
        text += &format!(
            "\ntype {prefix}_types = struct {{ {} }}\n",
            parts.join(", ")
        );
    }
    if !constants.is_empty() {
        let pushed: String = constants
            .iter()
            .map(|import| format!("push.{import} "))
            .collect();
        text += &format!("\nproc {prefix}_constants {pushed}end\n");
    }
    text
}

/// Replaces a part of a text by blanks.
fn blot_out(text: &mut String, range: std::ops::Range<usize>) {
    if let Some(part) = text.get(range.clone()) {
        let blank: String = part
            .bytes()
            .map(|byte| if byte == b'\n' { '\n' } else { ' ' })
            .collect();
        text.replace_range(range, &blank);
    }
}

fn given_up(file: &Path, failure: Failure) -> SourceError {
    let fault = match failure {
        Failure::Panicked(reason) => SourceFault::GaveUp(reason),
        Failure::NoThread(reason) => SourceFault::NoStack(reason),
    };
    fault.in_file(file)
}

/// The deepest folder that all sources are in.
fn common_folder(units: &[Unit]) -> PathBuf {
    let mut folders = units.iter().filter_map(|unit| unit.file.parent());
    let first = folders.next().unwrap_or(Path::new("")).to_path_buf();
    folders.fold(first, |common, folder| {
        let shared = common
            .components()
            .zip(folder.components())
            .take_while(|(a, b)| a == b);
        shared.map(|(part, _)| part).collect()
    })
}

/// The assembler's report as text, without colours.
pub(crate) fn render(report: &Report) -> String {
    PrintDiagnostic::new_without_color(report).to_string()
}
