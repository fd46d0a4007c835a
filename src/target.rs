//! The target of a run: a program or a composition, with all the code that it needs.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use miden_assembly::{
    DefaultSourceManager, KernelLibrary, Library, LinkLibraryKind, library::LibraryExport,
};
use miden_core::{
    AdviceMap, Program, Word,
    mast::{MastForest, MastNodeExt},
};
use miden_cvm_air::composition::FIRST_INSTANCE_TYPE;
use miden_cvm_component::{
    ArtifactError, Assembly, AssemblyLimits, BuildError, COMPONENT_FILE, Component, INSTANCES,
    LinkedComposition, PackageError, SourceError, SourceText, SourceWarning, Toolchain,
    WORKSPACE_FILE, Warning, kernel_stubs, read_file, read_library, read_linked_library,
    read_program,
};
use miden_cvm_library::{
    Finding, core_code_with, core_interface, findings, published_core_interface,
};
use miden_cvm_verifier::{CLAIM_EVENT, ClaimedProgram};
use thiserror::Error;

use crate::{
    AdviceInputs, Composition, DefaultHost, ExecutionOptions, StdoutWriter, TARGET_MAGIC,
    call::RootFunction,
    claims::{ClaimResults, Claimed, Claims, RunHere},
};

/// The names of the composition file that a folder is read by, the first that is there.
pub const COMPOSITION_FILES: [&str; 2] = ["composition.toml", "composition.wac"];

/// The endings of programs.
const PROGRAM_ENDINGS: [&str; 2] = ["masm", "masp"];

/// The bytes that a package begins with.
const PACKAGE_MAGIC: &[u8] = b"MASP\0";

/// The target of a run: a program or a composition, with the code of all libraries that it may
/// need.
///
/// Miden's core library is always among them.
#[derive(Debug, Clone)]
pub struct Target {
    program: Program,
    composition: Option<Composition>,
    static_data: AdviceMap,
    forests: Vec<Arc<MastForest>>,
    instances: Vec<String>,
    resources: Vec<String>,
    procedures: BTreeMap<Word, String>,
    /// All names of the procedures of libraries and the kernel.
    library_names: BTreeMap<Word, Vec<String>>,
    /// Those of the core library, for code that no other library has.
    core_names: BTreeMap<Word, Vec<String>>,
    /// Information about the code of the instances, by index.
    code: Vec<InstanceCode>,
    /// The subjects of claims of claimed instances.
    claims: Arc<[Claimed]>,
    /// The functions that the root exports, if it has a world.
    pub(crate) functions: Vec<RootFunction>,
    pub(crate) sources: Option<Arc<DefaultSourceManager>>,
    warnings: Vec<Warning>,
    files: Vec<PathBuf>,
}

/// The parts of a target that a run needs.
pub(crate) struct Needed {
    pub(crate) program: Program,
    pub(crate) composition: Option<Composition>,
    pub(crate) static_data: AdviceMap,
    pub(crate) forests: Vec<Arc<MastForest>>,
    pub(crate) claims: Vec<Claimed>,
}

impl From<Needed> for Target {
    fn from(needed: Needed) -> Self {
        let mut target = Self::from(needed.program);
        target.composition = needed.composition;
        target.static_data = needed.static_data;
        target.forests.extend(needed.forests);
        target.claims = needed.claims.into();
        target
    }
}

/// The code of an instance.
#[derive(Debug, Clone)]
pub(crate) struct InstanceCode {
    /// The names of its component's public procedures and stubs.
    pub(crate) names: Arc<BTreeMap<Word, Vec<String>>>,
    /// The forest that has its component's code.
    pub(crate) forest: Arc<MastForest>,
}

impl From<Program> for Target {
    fn from(program: Program) -> Self {
        let mut target = Self {
            program,
            composition: None,
            static_data: AdviceMap::default(),
            forests: Vec::new(),
            instances: Vec::new(),
            resources: Vec::new(),
            procedures: BTreeMap::new(),
            library_names: BTreeMap::new(),
            core_names: BTreeMap::new(),
            code: Vec::new(),
            claims: Arc::default(),
            functions: Vec::new(),
            sources: None,
            warnings: Vec::new(),
            files: Vec::new(),
        };
        target.add_names(core_interface().mast_forest(), core_interface());
        // One forest has the code of both: what was assembled with the published library needs only the
        // names of what is corrected.
        let published = published_core_interface();
        for export in published.exports() {
            if let LibraryExport::Procedure(procedure) = export {
                let digest = published.mast_forest()[procedure.node].digest();
                if !target.procedures.contains_key(&digest) {
                    target.add_name(digest, procedure.path.to_string());
                }
            }
        }
        target.core_names = std::mem::take(&mut target.library_names);
        target
    }
}

impl From<LinkedComposition> for Target {
    fn from(linked: LinkedComposition) -> Self {
        let resources = linked.resource_names();
        let functions = root_functions(&linked);
        let claims = linked
            .claims
            .iter()
            .map(|claim| Claimed::new(claim))
            .collect();
        let mut target = Self::from(linked.program);
        target.functions = functions;
        target.claims = claims;
        target.resources = resources;
        target.composition = Some(linked.composition);
        target.static_data = linked.advice_map;
        target.forests.extend(linked.forests);
        target.procedures.extend(linked.procedures);
        target.sources = Some(linked.source_manager);
        target.warnings = linked.warnings;
        target.files = linked.files;
        let mut known: Vec<(Arc<Component>, InstanceCode)> = Vec::new();
        for instance in linked.instances {
            target.instances.push(instance.name);
            let component = instance.component;
            let of_same = known
                .iter()
                .find(|(other, _)| Arc::ptr_eq(other, &component));
            let code = match of_same {
                Some((_, code)) => code.clone(),
                None => {
                    let code = InstanceCode {
                        names: Arc::new(component.full_names()),
                        forest: component.forest.clone(),
                    };
                    known.push((component, code.clone()));
                    code
                }
            };
            target.code.push(code);
        }
        target
    }
}

/// The functions that the root of a composition exports, and the programs that run them.
fn root_functions(linked: &LinkedComposition) -> Vec<RootFunction> {
    let Some(root) = linked.instances.first().map(|root| &root.component) else {
        return Vec::new();
    };
    let world = root.world.as_ref().map(|world| &world.world);
    let exports = root.exports.iter();
    let functions = exports.filter_map(|(full, export)| {
        let (interface, name) = export.function.as_ref()?;
        let function = world?.export(interface)?.function(name)?;
        let forest = linked.program.mast_forest();
        let (forest, node) = match forest.find_procedure_root(export.digest) {
            Some(node) => (forest, node),
            None => (&root.forest, export.node),
        };
        let kernel = linked.program.kernel().clone();
        Some(RootFunction {
            names: [name.clone(), full.clone()],
            function: function.clone(),
            program: Program::with_kernel(forest.clone(), node, kernel),
        })
    });
    functions.collect()
}

impl Target {
    pub(crate) fn set_program(&mut self, program: Program) {
        self.program = program;
    }

    /// The program; of a composition the root's main export.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// The composition, or nothing for an open program.
    pub fn composition(&self) -> Option<&Composition> {
        self.composition.as_ref()
    }

    /// The static data of all instances under its commitments.
    pub fn static_data(&self) -> &AdviceMap {
        &self.static_data
    }

    /// The names of the composition's instances by index; empty for an open program.
    pub fn instances(&self) -> &[String] {
        &self.instances
    }

    /// The name of a resource type of the composition, as `instance.type`, or as `instance.[instance]` if
    /// handles are to instances that the program makes.
    pub fn resource_name(&self, number: u32) -> Option<String> {
        match number.checked_sub(FIRST_INSTANCE_TYPE) {
            Some(of) => {
                // Those that are none of the composition's are installed.
                let instance = self.instances.get(of as usize).map_or("*", |name| name);
                Some(format!("{instance}.{INSTANCES}"))
            }
            None => self.resources.get(number as usize).cloned(),
        }
    }

    /// The names of exported procedures by digest.
    pub fn procedures(&self) -> &BTreeMap<Word, String> {
        &self.procedures
    }

    /// Returns what is known of the code of an instance.
    pub(crate) fn code_of(&self, instance: u16) -> Option<&InstanceCode> {
        self.code.get(usize::from(instance))
    }

    /// The names that libraries and the kernel have for a procedure.
    pub(crate) fn library_names(&self, digest: &Word) -> &[String] {
        let names = self.library_names.get(digest);
        names
            .or_else(|| self.core_names.get(digest))
            .map_or(&[], Vec::as_slice)
    }

    /// The exports of claimed instances that it calls. What is claimed in them, they have.
    pub fn claims(&self) -> &[Claimed] {
        &self.claims
    }

    /// The subjects of a program's claims, here or in what is claimed here.
    pub fn claimed(&self, program: ClaimedProgram) -> Option<&Claimed> {
        let mut claims = self.claims.iter();
        claims.find_map(|claimed| match claimed.program() == program {
            true => Some(claimed),
            false => claimed.target().claimed(program),
        })
    }

    /// Sets how claimed instances are run: the advice of each, by its name, if there is some, and the options
    /// of all.
    pub fn prepare_claims(
        &mut self,
        advice: &dyn Fn(&str) -> Option<AdviceInputs>,
        options: ExecutionOptions,
    ) {
        let mut claims = self.claims.to_vec();
        for claimed in &mut claims {
            claimed.prepare(advice, options);
        }
        self.claims = claims.into();
    }

    /// All code that the host provides but the core library's; the program's own is not among it.
    pub fn forests(&self) -> &[Arc<MastForest>] {
        &self.forests
    }

    /// Returns the warnings: what is suspicious, but no error.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The files that it was loaded from, and the folders of those that are read as a whole.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// The advisories that its code has: the program's, the components', the kernel's and that of
    /// libraries other than the core library.
    pub fn findings(&self) -> BTreeSet<Finding> {
        let forests = self.forests.iter();
        forests
            .chain([self.program.mast_forest()])
            .flat_map(|forest| findings(forest))
            .collect()
    }

    /// Lets the target's code call procedures of `library` that it does not contain.
    pub fn add_library(&mut self, library: &Library) {
        self.add_code(library.mast_forest(), library);
    }

    /// Provides the code of the program's kernel.
    pub fn add_kernel(&mut self, kernel: &KernelLibrary) {
        self.add_code(kernel.mast_forest(), kernel.as_ref());
    }

    fn add_code(&mut self, forest: &Arc<MastForest>, library: &Library) {
        self.forests.push(forest.clone());
        self.add_names(forest, library);
    }

    fn add_names(&mut self, forest: &MastForest, library: &Library) {
        for export in library.exports() {
            if let LibraryExport::Procedure(procedure) = export
                && let Some(node) = forest.get_node_by_id(procedure.node)
            {
                self.add_name(node.digest(), procedure.path.to_string());
            }
        }
    }

    fn add_name(&mut self, digest: Word, name: String) {
        let names = self.library_names.entry(digest).or_default();
        names.push(name.trim_start_matches("::").into());
        self.procedures.insert(digest, name);
    }

    /// The advice of a run: what is given to it, and the target's static data.
    pub(crate) fn advice(&self, inputs: AdviceInputs) -> AdviceInputs {
        let data = self.static_data.iter();
        inputs.with_map(data.map(|(&commitment, data)| (commitment, data.to_vec())))
    }

    /// A host that provides the code of all libraries, components and the kernel, and answers the
    /// events of the core library and of claimed instances, which it runs for their results.
    pub fn host(&self) -> DefaultHost<StdoutWriter> {
        self.host_with(Arc::new(RunHere))
    }

    /// A host as [`Target::host`] is one, which takes results of claimed instances from elsewhere.
    pub fn host_with(&self, results: Arc<dyn ClaimResults>) -> DefaultHost<StdoutWriter> {
        let mut host = DefaultHost::default().with_code_from(core_code_with);
        for forest in &self.forests {
            host.load_forest(forest.clone());
        }
        if !self.claims.is_empty() {
            // No event of the core library has this name.
            let claims = Claims {
                claimed: self.claims.clone(),
                results,
            };
            let registered = host.register_handler(CLAIM_EVENT, Arc::new(claims));
            debug_assert!(registered.is_ok());
        }
        match &self.sources {
            Some(sources) => host.with_source_manager(sources.clone()),
            None => host,
        }
    }
}

/// A target, library or kernel that cannot be loaded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TargetError {
    /// A file cannot be read.
    #[error("`{}` cannot be read: {reason}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        reason: io::Error,
    },
    /// The name does not say what the file is.
    #[error(
        "`{}` is not a target: a program is a `.masm` or `.masp` file, a composition is a `.toml`, \
         `.wac` or `.masp` file or the folder of one", .0.display()
    )]
    UnknownKind(PathBuf),
    /// A file that is no library was given as one.
    #[error(
        "`{}` is not a library: a library is a `.masl` or `.masp` file, or a folder of `.masm` files",
        .0.display()
    )]
    UnknownLibrary(PathBuf),
    /// A library's folder, or what was given in the place of its name, is no name of modules.
    #[error(
        "`{0}` is not a namespace: a namespace is a name of Miden assembly, or several joined by `::`"
    )]
    Namespace(String),
    /// A file that is no kernel was given as one.
    #[error(
        "`{}` is not a kernel: a kernel is a `.masm`, `.masl` or `.masp` file, or a folder with \
         `kernel.masm` or `api.masm`", .0.display()
    )]
    UnknownKernel(PathBuf),
    /// A library was given as a kernel, and is none.
    #[error("`{}` is a library, not a kernel: {reason}", .path.display())]
    NotAKernel {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The folder has neither a composition file nor a program.
    #[error(
        "the folder `{}` has no composition file and no program: neither {}{}",
        .folder.display(),
        .tried.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" nor "),
        or_named(.others)
    )]
    NoComposition {
        /// The folder.
        folder: PathBuf,
        /// The names that were looked for.
        tried: Vec<String>,
        /// Files there that could be composition files by their endings.
        others: Vec<String>,
    },
    /// It is not clear which of the folder's programs is meant.
    #[error(
        "the folder `{}` has no composition file, but several programs: name one of {}",
        .folder.display(),
        .found.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    )]
    SeveralPrograms {
        /// The folder.
        folder: PathBuf,
        /// The files that are there.
        found: Vec<String>,
    },
    /// A component was given where a composition is needed.
    #[error(
        "`{}` is a component, but only compositions can be run: write a composition file with an \
         instance of it", .0.display()
    )]
    Component(PathBuf),
    /// A source cannot be assembled.
    #[error(transparent)]
    Assembly(#[from] SourceError),
    /// A package or library cannot be used.
    #[error("`{}` cannot be used: {reason}", .path.display())]
    Artifact {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        reason: ArtifactError,
    },
    /// A package of a composition is wrong about itself.
    #[error("`{}` cannot be used: {reason}", .path.display())]
    Package {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        reason: PackageError,
    },
    /// There is a mistake in the files of a composition or of its components.
    #[error(transparent)]
    Composition(#[from] BuildError),
}

/// The files that can be named in the place of a folder, in words.
fn or_named(others: &[String]) -> String {
    match others {
        [] => String::new(),
        _ => {
            let names: Vec<String> = others.iter().map(|name| format!("`{name}`")).collect();
            format!("; if it is {}, name the file", names.join(" or "))
        }
    }
}

/// Loads targets from files, with a kernel and libraries.
#[derive(Clone, Default)]
pub struct Loader {
    toolchain: Toolchain,
    libraries: Vec<Arc<Library>>,
    warnings: Vec<SourceWarning>,
}

impl Loader {
    /// A loader without a kernel, whose only library is Miden's core library.
    pub fn new() -> Self {
        Self::default()
    }

    /// Assembles what is loaded from here on as the published assembler 0.20.6 does with the published
    /// core library: see [`Toolchain::with_published_library`].
    pub fn with_published_library(mut self) -> Self {
        self.toolchain = self.toolchain.with_published_library();
        self
    }

    /// Returns the toolchain that components are assembled and linked with.
    pub fn toolchain(&self) -> &Toolchain {
        &self.toolchain
    }

    /// Bounds what the assembler may be made to do by the sources that are loaded from now on.
    pub fn with_limits(mut self, limits: AssemblyLimits) -> Self {
        self.toolchain = self.toolchain.with_limits(limits);
        self
    }

    /// Takes the kernel at `path`: a `.masm` file, a folder, or a `.masl` or `.masp` file. In a folder
    /// the kernel exports what `kernel.masm` or `api.masm` does, or else the only `.masm` file; its other
    /// modules are those in the folder `lib`, or beside it if there is none. Sources are assembled
    /// against the stubs of the kernel's intrinsics: `call.intrinsics::load` and
    /// `call.intrinsics::store`.
    ///
    /// # Errors
    /// Returns an error if there is no such kernel, if it cannot be used, or if the assembler refuses it.
    pub fn with_kernel(mut self, path: &Path) -> Result<Self, TargetError> {
        let kernel = if path.is_dir() {
            let exported = kernel_module(path)?;
            let modules = path.join("lib");
            let modules = if modules.is_dir() {
                modules
            } else {
                path.into()
            };
            self.assemble_kernel(&exported, Some(&modules))?
        } else {
            match extension(path) {
                Some("masm") => self.assemble_kernel(path, None)?,
                Some("masl" | "masp") => {
                    let library = read_library(&read(path)?);
                    let library = library.map_err(|reason| unusable(path, reason))?;
                    KernelLibrary::try_from(Arc::unwrap_or_clone(library)).map_err(|error| {
                        TargetError::NotAKernel {
                            path: path.into(),
                            reason: error.to_string(),
                        }
                    })?
                }
                _ => {
                    check_readable(path)?;
                    return Err(TargetError::UnknownKernel(path.into()));
                }
            }
        };
        if kernel.kernel().is_empty() {
            return Err(TargetError::NotAKernel {
                path: path.into(),
                reason: "it exports no procedure".into(),
            });
        }
        self.toolchain = self.toolchain.with_kernel(kernel);
        Ok(self)
    }

    /// Assembles a kernel that exports what the source `exported` does; the other sources below `modules`
    /// are its modules.
    fn assemble_kernel(
        &mut self,
        exported: &Path,
        modules: Option<&Path>,
    ) -> Result<KernelLibrary, TargetError> {
        let source = read_source(exported)?;
        let mut others = Vec::new();
        if let Some(folder) = modules {
            others = SourceText::read_folder(folder, "$kernel")?;
            others.retain(|other| other.file != exported);
        }
        let stubs = kernel_stubs(self.toolchain.source_manager())?;
        let assembly = self.assembly().with_dynamic_library(&stubs);
        let assembled = assembly.kernel(source, others)?;
        self.warnings.extend(assembled.warnings);
        Ok(assembled.code)
    }

    /// Adds the library at `path`: a `.masl` or `.masp` file, or a folder of `.masm` files, whose
    /// name is the library's namespace. It may use the kernel and the libraries added before it.
    ///
    /// # Errors
    /// Returns an error if there is no such library, if it cannot be used, or if the assembler
    /// refuses it.
    pub fn with_library(mut self, path: &Path) -> Result<Self, TargetError> {
        let library = if path.is_dir() {
            self.assemble_library(path, None)?
        } else if matches!(extension(path), Some("masl" | "masp")) {
            read_linked_library(&read(path)?).map_err(|reason| unusable(path, reason))?
        } else {
            check_readable(path)?;
            return Err(TargetError::UnknownLibrary(path.into()));
        };
        self.toolchain = self.toolchain.with_library((*library).clone());
        self.libraries.push(library);
        Ok(self)
    }

    /// Loads the target at `path`: a program in a `.masm` or `.masp` file, or a composition in a
    /// `.toml`, `.wac` or `.masp` file, or the folder of either.
    ///
    /// # Errors
    /// Returns an error if there is no such target, or if there is a mistake in its files.
    pub fn load(&self, path: &Path) -> Result<Target, TargetError> {
        let path = &*target_file(path)?;
        let target = match extension(path) {
            Some("toml" | "wac") => LinkedComposition::load(path, &self.toolchain)?.into(),
            Some("masm") => self.assemble(path, &read(path)?)?,
            Some("masp") => self.read_package(&read(path)?, path)?,
            _ => {
                check_readable(path)?;
                return Err(TargetError::UnknownKind(path.into()));
            }
        };
        Ok(self.completed(target, path))
    }

    /// Loads a program or a composition from the bytes of a package or from those that
    /// [`Target::to_bytes`] gives, or a program from Miden assembly. `name` is what errors call it by.
    ///
    /// # Errors
    /// Returns an error if the bytes are neither, or if there is a mistake in them.
    pub fn load_bytes(&self, bytes: &[u8], name: &Path) -> Result<Target, TargetError> {
        let target = if bytes.starts_with(PACKAGE_MAGIC) {
            self.read_package(bytes, name)?
        } else if bytes.starts_with(TARGET_MAGIC) {
            Target::from_bytes(bytes).map_err(|reason| unusable(name, reason))?
        } else {
            self.assemble(name, bytes)?
        };
        Ok(self.completed(target, name))
    }

    /// The target with the code that the loader has besides.
    fn completed(&self, mut target: Target, path: &Path) -> Target {
        let of_others = self.warnings.iter().cloned().map(Warning::Source);
        target.warnings.extend(of_others);
        if let Some(kernel) = self.toolchain.kernel() {
            target.add_kernel(kernel);
        }
        for library in &self.libraries {
            target.add_library(library);
        }
        if target.files.is_empty() {
            target.files.push(path.into());
        }
        target
    }

    fn read_package(&self, bytes: &[u8], path: &Path) -> Result<Target, TargetError> {
        match LinkedComposition::from_package(bytes, path, &self.toolchain) {
            Ok(Some(composition)) => Ok(composition.into()),
            Ok(None) => {
                let program = read_program(bytes).map_err(|reason| unusable(path, reason))?;
                Ok(Target::from(Arc::unwrap_or_clone(program)))
            }
            Err(PackageError::Artifact(reason)) => Err(unusable(path, reason)),
            Err(reason) => Err(TargetError::Package {
                path: path.into(),
                reason,
            }),
        }
    }

    fn assemble(&self, path: &Path, source: &[u8]) -> Result<Target, TargetError> {
        let source = SourceText::from_bytes(path, "", source.into())?;
        let assembled = self.assembly().program(source)?;
        let warnings = assembled.warnings.into_iter().map(Warning::Source);
        Ok(Target {
            sources: Some(self.toolchain.source_manager()),
            warnings: warnings.collect(),
            ..Target::from(assembled.code)
        })
    }

    /// Returns the warnings about the sources of the kernel and the libraries: what is suspicious,
    /// but no error.
    pub fn warnings(&self) -> &[SourceWarning] {
        &self.warnings
    }

    /// Assembles the `.masm` files in a folder into a library, whose modules are below `namespace`, or
    /// the folder's name. It may use the kernel and the libraries added so far.
    ///
    /// # Errors
    /// Returns an error if the folder cannot be read, or if the assembler refuses what is in it.
    pub fn assemble_library(
        &mut self,
        folder: &Path,
        namespace: Option<&str>,
    ) -> Result<Arc<Library>, TargetError> {
        let name = match namespace {
            Some(namespace) => namespace.into(),
            None => name_of(folder)?,
        };
        let is_reserved = name.is_empty() || name.starts_with('$');
        if is_reserved || miden_assembly::PathBuf::new(&name).is_err() {
            return Err(TargetError::Namespace(name));
        }
        let sources = SourceText::read_folder(folder, &name)?;
        if sources.is_empty() {
            return Err(TargetError::UnknownLibrary(folder.into()));
        }
        let assembled = self.assembly().library(sources)?;
        self.warnings.extend(assembled.warnings);
        Ok(Arc::new(assembled.code))
    }

    /// The code of libraries is left out of what is assembled, as it is by Miden's command line: so
    /// programs have the same hashes here.
    fn assembly(&self) -> Assembly {
        let assembly = Assembly::new(self.toolchain.source_manager())
            .with_limits(self.toolchain.limits())
            .with_kernel(self.toolchain.kernel())
            .with_corrections(self.toolchain.corrects())
            .with_core_library(!self.toolchain.corrects(), LinkLibraryKind::Dynamic);
        let libraries = self.libraries.iter();
        libraries.fold(assembly, |assembly, library| {
            assembly.with_dynamic_library(library)
        })
    }
}

/// The file that stands for the target at `path`, beside which its inputs are looked for: the
/// composition file or the program of a folder, and `path` itself in all other cases.
///
/// In a folder it is `composition.toml` or `composition.wac`, or else the file with the folder's own name
/// and one of these endings. In a folder without a composition file it is `main.masm`, or the `.masm` or
/// `.masp` file with the folder's own name, or else the only one there is.
///
/// # Errors
/// Returns an error if `path` is a folder without such a file.
pub fn target_file(path: &Path) -> Result<PathBuf, TargetError> {
    if !path.is_dir() {
        return match path.file_name().is_some_and(|name| name == COMPONENT_FILE) && path.is_file() {
            true => Err(TargetError::Component(path.into())),
            false => Ok(path.into()),
        };
    }
    let own = name_of(path)?;
    let first = |names: &[String]| {
        let mut paths = names.iter().map(|name| path.join(name));
        paths.find(|path| path.is_file())
    };
    let mut tried: Vec<String> = COMPOSITION_FILES
        .map(str::to_owned)
        .into_iter()
        .chain(["toml", "wac"].map(|ending| format!("{own}.{ending}")))
        .collect();
    // In a folder of this name it is a component, or a workspace, all the same.
    tried.retain(|name| name != COMPONENT_FILE && name != WORKSPACE_FILE);
    if let Some(found) = first(&tried) {
        return Ok(found);
    }
    if path.join(COMPONENT_FILE).is_file() {
        return Err(TargetError::Component(path.into()));
    }
    let programs = ["main.masm".into()]
        .into_iter()
        .chain(PROGRAM_ENDINGS.map(|ending| format!("{own}.{ending}")));
    let programs: Vec<String> = programs.collect();
    if let Some(found) = first(&programs) {
        return Ok(found);
    }
    let mut others = files_in(path, &PROGRAM_ENDINGS)?;
    // A package beside its source is made of it.
    let sources = others.clone();
    others.retain(|name| {
        let stem = name.strip_suffix(".masp");
        !stem.is_some_and(|stem| sources.contains(&format!("{stem}.masm")))
    });
    match others.len() {
        0 => {
            tried.extend(programs);
            let mut others = files_in(path, &["toml", "wac"])?;
            others.retain(|name| name != WORKSPACE_FILE);
            Err(TargetError::NoComposition {
                folder: path.into(),
                tried,
                others,
            })
        }
        1 => Ok(path.join(others.remove(0))),
        _ => Err(TargetError::SeveralPrograms {
            folder: path.into(),
            found: others,
        }),
    }
}

/// The module in a kernel's folder whose procedures the kernel exports.
fn kernel_module(folder: &Path) -> Result<PathBuf, TargetError> {
    let named = ["kernel.masm", "api.masm"].map(|name| folder.join(name));
    if let Some(found) = named.into_iter().find(|path| path.is_file()) {
        return Ok(found);
    }
    let sources = files_in(folder, &["masm"])?;
    let mut sources = sources.iter();
    match (sources.next(), sources.next()) {
        (Some(only), None) => Ok(folder.join(only)),
        _ => Err(TargetError::UnknownKernel(folder.into())),
    }
}

/// The names of the files in a folder that have one of some endings, sorted.
fn files_in(folder: &Path, endings: &[&str]) -> Result<Vec<String>, TargetError> {
    let unreadable = |reason| TargetError::Unreadable {
        path: folder.into(),
        reason,
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if extension(&path).is_some_and(|ending| endings.contains(&ending)) && path.is_file() {
            found.push(
                path.file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into(),
            );
        }
    }
    // Not in the order of the file system.
    found.sort();
    Ok(found)
}

/// The name of a folder, also where the path ends with `.` or `..`.
fn name_of(folder: &Path) -> Result<String, TargetError> {
    let canonical = fs::canonicalize(folder).map_err(|reason| TargetError::Unreadable {
        path: folder.into(),
        reason,
    })?;
    let name = canonical.file_name().unwrap_or_default();
    Ok(name.to_string_lossy().into_owned())
}

fn extension(path: &Path) -> Option<&str> {
    path.extension()?.to_str()
}

fn read(path: &Path) -> Result<Vec<u8>, TargetError> {
    read_file(path).map_err(|reason| TargetError::Unreadable {
        path: path.into(),
        reason,
    })
}

/// Tells a file that is missing from one that is wrong, which the assembler's reports do not.
fn check_readable(path: &Path) -> Result<(), TargetError> {
    match fs::File::open(path) {
        Ok(_) => Ok(()),
        Err(reason) => Err(TargetError::Unreadable {
            path: path.into(),
            reason,
        }),
    }
}

fn read_source(path: &Path) -> Result<SourceText, TargetError> {
    let bytes = read(path)?;
    // Programs and kernels are what they are, whatever their files are called.
    Ok(SourceText::from_bytes(path, "", bytes)?)
}

fn unusable(path: &Path, reason: ArtifactError) -> TargetError {
    TargetError::Artifact {
        path: path.into(),
        reason,
    }
}
