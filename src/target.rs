//! What is run: a program or a composition, with all the code that it needs.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use miden_assembly::{
    Assembler, DefaultSourceManager, KernelLibrary, Library, ModuleParser, Path as MasmPath,
    Report, SourceManager, ast::ModuleKind, library::LibraryExport,
};
use miden_core::{
    AdviceMap, Program, Word,
    mast::{MastForest, MastNodeExt},
};
use miden_cvm_component::{
    ArtifactError, BuildError, COMPONENT_FILE, LinkedComposition, PackageError, Toolchain, Warning,
    assembling, block_too_deep, core_library, kernel_stubs, read_library, read_program,
};
use thiserror::Error;

use crate::{AdviceInputs, Composition, DefaultHost, ExecutionError, StdoutWriter};

/// The names of the composition file that a folder is read by, the first that is there.
pub const COMPOSITION_FILES: [&str; 2] = ["composition.toml", "composition.wac"];

/// What is run: a program or a composition, with the code of all libraries that it may need.
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
    sources: Option<Arc<DefaultSourceManager>>,
    warnings: Vec<Warning>,
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
            sources: None,
            warnings: Vec::new(),
        };
        target.add_library(core_library());
        target
    }
}

impl From<LinkedComposition> for Target {
    fn from(linked: LinkedComposition) -> Self {
        let resources = linked.resource_names();
        let mut target = Self::from(linked.program);
        target.resources = resources;
        target.composition = Some(linked.composition);
        target.static_data = linked.advice_map;
        target.forests.extend(linked.forests);
        target.procedures.extend(linked.procedures);
        target.sources = Some(linked.source_manager);
        target.warnings = linked.warnings;
        let names = linked.instances.into_iter().map(|instance| instance.name);
        target.instances = names.collect();
        target
    }
}

impl Target {
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

    /// The names of the composition's resource types by number, as `instance.type`.
    pub fn resources(&self) -> &[String] {
        &self.resources
    }

    /// Why a run ended early, with the names of the instances and resource types that the error
    /// knows by number only.
    pub fn explain(&self, error: &ExecutionError) -> String {
        let mut text = error.to_string();
        let Some(trap) = error.trap() else {
            return text;
        };
        let named = |kind: &str, number: u32, names: &[String]| {
            let name = names.get(number as usize)?;
            Some(format!("{kind} {number} is `{name}`"))
        };
        let mut notes: Vec<String> = Vec::new();
        let instances = trap.instances().into_iter().map(u32::from);
        notes.extend(instances.filter_map(|number| named("component", number, &self.instances)));
        let resources = trap.resource_types().into_iter();
        notes.extend(resources.filter_map(|n| named("resource type", n, &self.resources)));
        if !notes.is_empty() {
            text += &format!(" ({})", notes.join(", "));
        }
        text
    }

    /// The names of exported procedures by digest.
    pub fn procedures(&self) -> &BTreeMap<Word, String> {
        &self.procedures
    }

    /// All code that the host provides; the program's own is not among it.
    pub fn forests(&self) -> &[Arc<MastForest>] {
        &self.forests
    }

    /// What is suspicious, but no error.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
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
        for export in library.exports() {
            if let LibraryExport::Procedure(procedure) = export
                && let Some(node) = forest.get_node_by_id(procedure.node)
            {
                let name = procedure.path.to_string();
                self.procedures.insert(node.digest(), name);
            }
        }
    }

    /// The advice of a run: what is given to it, and the target's static data.
    pub(crate) fn advice(&self, inputs: AdviceInputs) -> AdviceInputs {
        let data = self.static_data.iter();
        inputs.with_map(data.map(|(&commitment, data)| (commitment, data.to_vec())))
    }

    /// A host that provides the code of all libraries, components and the kernel, and answers the
    /// events of the core library.
    pub fn host(&self) -> DefaultHost<StdoutWriter> {
        let mut host = DefaultHost::default();
        for forest in &self.forests {
            host.load_forest(forest.clone());
        }
        match &self.sources {
            Some(sources) => host.with_source_manager(sources.clone()),
            None => host,
        }
    }
}

/// A target, library or kernel that cannot be loaded.
#[derive(Debug, Error)]
pub enum TargetError {
    /// A file cannot be read.
    #[error("`{}` cannot be read: {reason}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        reason: io::Error,
    },
    /// The name does not say what the file is.
    #[error(
        "`{}` is no target: a program is a `.masm` or `.masp` file, a composition is a `.toml`, \
         `.wac` or `.masp` file or the folder of one", .0.display()
    )]
    UnknownKind(PathBuf),
    /// Blocks of Miden assembly nest too deep for the assembler.
    #[error("`{}`, line {line}: too many blocks are open", .path.display())]
    Blocks {
        /// The source.
        path: PathBuf,
        /// The line of the first block too many.
        line: u32,
    },
    /// A file that is no library was given as one.
    #[error(
        "`{}` is no library: one is a `.masl` or `.masp` file, or a folder of `.masm` files",
        .0.display()
    )]
    UnknownLibrary(PathBuf),
    /// The folder has no composition file.
    #[error(
        "the folder `{}` has no composition file: neither {}",
        .folder.display(),
        .tried.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" nor ")
    )]
    NoComposition {
        /// The folder.
        folder: PathBuf,
        /// The names that were looked for.
        tried: Vec<String>,
    },
    /// A component was given where a composition is needed.
    #[error(
        "`{}` is a component, and only compositions are run: write a composition file with an \
         instance of it", .0.display()
    )]
    Component(PathBuf),
    /// The assembler refuses a source.
    #[error("`{}` cannot be assembled:\n{report}", .path.display())]
    Assembly {
        /// The source, or the folder of sources.
        path: PathBuf,
        /// What the assembler says.
        report: String,
    },
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

/// Loads targets from files, with a kernel and libraries.
#[derive(Clone, Default)]
pub struct Loader {
    toolchain: Toolchain,
    libraries: Vec<Arc<Library>>,
}

impl Loader {
    /// A loader without a kernel, whose only library is Miden's core library.
    pub fn new() -> Self {
        Self::default()
    }

    /// Assembles the kernel in the `.masm` file at `path`, against the stubs of the kernel's
    /// intrinsics: `call.intrinsics::load` and `call.intrinsics::store`.
    ///
    /// # Errors
    /// Returns an error if there is no such file, or if the assembler refuses it.
    pub fn with_kernel(mut self, path: &Path) -> Result<Self, TargetError> {
        check_source(path)?;
        let stubs = kernel_stubs(self.toolchain.source_manager()).map_err(|problem| {
            TargetError::Assembly {
                path: path.into(),
                report: problem.to_string(),
            }
        })?;
        let mut assembler = self.assembler(path)?;
        let kernel = assembling(|| {
            assembler
                .link_dynamic_library(stubs)
                .and_then(|()| assembler.assemble_kernel(path))
        })
        .map_err(|report| refused(path, report))?;
        self.toolchain = self.toolchain.with_kernel(kernel);
        Ok(self)
    }

    /// Adds the library at `path`: a `.masl` or `.masp` file, or a folder of `.masm` files, whose
    /// name is the library's namespace. It may use the kernel and the libraries added before it.
    ///
    /// # Errors
    /// Returns an error if there is no such library, if it cannot be used, or if the assembler
    /// refuses it.
    pub fn with_library(mut self, path: &Path) -> Result<Self, TargetError> {
        let library = if path.is_dir() {
            self.library_from_sources(path)?
        } else if matches!(extension(path), Some("masl" | "masp")) {
            read_library(&read(path)?).map_err(|reason| unusable(path, reason))?
        } else {
            check_readable(path)?;
            return Err(TargetError::UnknownLibrary(path.into()));
        };
        self.toolchain = self.toolchain.with_library((*library).clone());
        self.libraries.push(library);
        Ok(self)
    }

    /// Loads the target at `path`: a program in a `.masm` or `.masp` file, or a composition in a
    /// `.toml`, `.wac` or `.masp` file or in the folder of one.
    ///
    /// # Errors
    /// Returns an error if there is no such target, or if there is a mistake in its files.
    pub fn load(&self, path: &Path) -> Result<Target, TargetError> {
        let mut target = if path.is_dir() || matches!(extension(path), Some("toml" | "wac")) {
            LinkedComposition::load(&target_file(path)?, &self.toolchain)?.into()
        } else {
            match extension(path) {
                Some("masm") => Target {
                    sources: Some(self.toolchain.source_manager()),
                    ..Target::from(self.assemble(path)?)
                },
                Some("masp") => {
                    let bytes = read(path)?;
                    match LinkedComposition::from_package(&bytes, path, &self.toolchain) {
                        Ok(Some(composition)) => composition.into(),
                        Ok(None) => {
                            let program =
                                read_program(&bytes).map_err(|reason| unusable(path, reason))?;
                            Target::from(Arc::unwrap_or_clone(program))
                        }
                        Err(PackageError::Artifact(reason)) => return Err(unusable(path, reason)),
                        Err(reason) => {
                            return Err(TargetError::Package {
                                path: path.into(),
                                reason,
                            });
                        }
                    }
                }
                _ => {
                    check_readable(path)?;
                    return Err(TargetError::UnknownKind(path.into()));
                }
            }
        };
        if let Some(kernel) = self.toolchain.kernel() {
            target.add_kernel(kernel);
        }
        for library in &self.libraries {
            target.add_library(library);
        }
        Ok(target)
    }

    fn assemble(&self, path: &Path) -> Result<Program, TargetError> {
        check_source(path)?;
        let assembler = self.assembler(path)?;
        assembling(|| {
            ModuleParser::new(ModuleKind::Executable)
                .parse_file(MasmPath::exec_path(), path, self.toolchain.source_manager())
                .and_then(|module| assembler.assemble_program(module))
        })
        .map_err(|report| refused(path, report))
    }

    fn library_from_sources(&self, folder: &Path) -> Result<Arc<Library>, TargetError> {
        let name = name_of(folder)?;
        check_sources(folder)?;
        let library = assembling(|| {
            let namespace = MasmPath::validate(&name).map_err(Report::msg)?;
            let assembler = self.assembler_with_libraries()?;
            assembler.assemble_library_from_dir(folder, namespace)
        })
        .map_err(|report| refused(folder, report))?;
        Ok(Arc::new(library))
    }

    fn assembler(&self, path: &Path) -> Result<Assembler, TargetError> {
        assembling(|| self.assembler_with_libraries()).map_err(|report| refused(path, report))
    }

    /// An assembler that leaves the code of libraries out of what it assembles, as that of Miden's
    /// command line does: so programs have the same hashes here.
    fn assembler_with_libraries(&self) -> Result<Assembler, Report> {
        let sources: Arc<dyn SourceManager> = self.toolchain.source_manager();
        let mut assembler = match self.toolchain.kernel() {
            Some(kernel) => Assembler::with_kernel(sources, kernel.clone()),
            None => Assembler::new(sources),
        };
        assembler.link_dynamic_library(core_library())?;
        for library in &self.libraries {
            assembler.link_dynamic_library(library)?;
        }
        Ok(assembler)
    }
}

/// The file that stands for the target at `path`, beside which its inputs are looked for: the
/// composition file of a folder, and `path` itself in all other cases.
///
/// In a folder it is `composition.toml` or `composition.wac`, or else the file with the folder's own name
/// and one of these endings.
///
/// # Errors
/// Returns an error if `path` is a folder without such a file.
pub fn target_file(path: &Path) -> Result<PathBuf, TargetError> {
    if !path.is_dir() {
        return Ok(path.into());
    }
    let own = name_of(path)?;
    let mut tried: Vec<String> = COMPOSITION_FILES
        .map(str::to_owned)
        .into_iter()
        .chain(["toml", "wac"].map(|ending| format!("{own}.{ending}")))
        .collect();
    // In a folder of this name it is a component all the same.
    tried.retain(|name| name != COMPONENT_FILE);
    let found = tried
        .iter()
        .map(|name| path.join(name))
        .find(|path| path.is_file());
    if let Some(found) = found {
        return Ok(found);
    }
    if path.join(COMPONENT_FILE).is_file() {
        return Err(TargetError::Component(path.into()));
    }
    Err(TargetError::NoComposition {
        folder: path.into(),
        tried,
    })
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
    fs::read(path).map_err(|reason| TargetError::Unreadable {
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

/// Checks that a source can be read, and that the assembler has enough of the stack for it.
fn check_source(path: &Path) -> Result<(), TargetError> {
    let source = String::from_utf8_lossy(&read(path)?).into_owned();
    match block_too_deep(&source) {
        None => Ok(()),
        Some(line) => Err(TargetError::Blocks {
            path: path.into(),
            line,
        }),
    }
}

/// Checks all sources of a library.
fn check_sources(folder: &Path) -> Result<(), TargetError> {
    let unreadable = |reason| TargetError::Unreadable {
        path: folder.into(),
        reason,
    };
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path();
        // Links to folders are not followed: they could lead in circles.
        if entry.file_type().map_err(unreadable)?.is_dir() {
            check_sources(&path)?;
        } else if extension(&path) == Some("masm") {
            check_source(&path)?;
        }
    }
    Ok(())
}

fn refused(path: &Path, report: String) -> TargetError {
    TargetError::Assembly {
        path: path.into(),
        report,
    }
}

fn unusable(path: &Path, reason: ArtifactError) -> TargetError {
    TargetError::Artifact {
        path: path.into(),
        reason,
    }
}
