//! Errors in the files of a component or a composition, with their places and remedies.

use std::path::{Path, PathBuf};

use miden_assembly::diagnostics::{Diagnostic, miette};
use miden_core::Word;
use miden_cvm_air::{
    composition::{CompositionError, Intrinsic, LinkKind, MAX_INSTANCES},
    memory_io::MemoryLayoutError,
};
use thiserror::Error;

use super::{
    install::NotInstallable,
    package::PackageError,
    shown::beginning,
    source::{SourceError, SourceFault},
    value::{TypeError, ValueError},
};
use crate::{
    limits::{LimitName, MAX_BRACKETS, MAX_CLAIM_DEPTH, MAX_CLAIMED_EXPORTS, MAX_COMPOSITIONS},
    similar::{similar_name, similar_path},
};

/// The name that errors have for an import's name.
pub(crate) const IMPORT: &str = "an import";

/// The combination of markers that a doc comment cannot have.
pub(crate) const TWO_KINDS: &str = "both `@fresh` and `@isolated`";

/// The feature that an isolated function cannot have: its callee lives in a domain of its own, and
/// so do the types of that domain.
pub(crate) const ISOLATED_HANDLES: &str = "handles in an isolated function";

/// The most characters of a line that an error shows.
const MAX_SHOWN: usize = 160;

/// A mistake in one of the files that a component or a composition is made of.
///
/// It displays as `file:line: what is wrong`, with the line itself and the remedy below.
#[derive(Debug, Error)]
#[error(
    "{}{}: {problem}{}\n  help: {}{}",
    .file.display(), line_suffix(*.line), excerpt(*.line, .text), meant(.similar),
    .problem.remedy_in(.file)
)]
#[non_exhaustive]
pub struct BuildError {
    /// The file with the mistake.
    pub file: PathBuf,
    /// Its line, counted from 1; `None` if the mistake is the file itself.
    pub line: Option<u32>,
    /// The text of that line, if it is known.
    pub text: Option<String>,
    /// The problem.
    pub problem: Box<Problem>,
    /// The name that was probably meant, if it is a name that is wrong and there is one like it.
    pub similar: Option<String>,
}

impl BuildError {
    /// Returns an error at a line of `file`, if it has one.
    pub(crate) fn new(file: impl Into<PathBuf>, line: Option<u32>, problem: Problem) -> Self {
        Self {
            file: file.into(),
            line,
            text: None,
            problem: Box::new(problem),
            similar: None,
        }
    }

    /// Returns an error that concerns `file` as a whole.
    pub(crate) fn in_file(file: impl Into<PathBuf>, problem: Problem) -> Self {
        Self::new(file, None, problem)
    }

    /// The same error, which shows its line of this text of the file.
    pub(crate) fn showing(mut self, text: &str) -> Self {
        let index = self.line.and_then(|line| line.checked_sub(1));
        let line = index.and_then(|index| text.lines().nth(index as usize));
        self.text = line.map(|line| beginning(line.trim_end(), MAX_SHOWN));
        self
    }

    /// The same error, which says which of the `known` names was probably meant by `name`.
    pub(crate) fn with_similar<N: AsRef<str>>(
        mut self,
        name: &str,
        known: impl IntoIterator<Item = N>,
    ) -> Self {
        self.similar = similar_name(name, known);
        self
    }

    /// The same error, which says which path was probably meant, if there is none at `path`.
    pub(crate) fn with_similar_path(mut self, path: &Path) -> Self {
        self.similar = similar_path(path).map(|path| path.display().to_string());
        self
    }
}

impl From<SourceError> for BuildError {
    fn from(error: SourceError) -> Self {
        let SourceError {
            file,
            line,
            column,
            fault,
        } = error;
        Self::new(file, line, Problem::Assembly { column, fault })
    }
}

fn meant(similar: &Option<String>) -> String {
    let meant = similar
        .as_ref()
        .map(|name| format!("did you mean `{name}`? "));
    meant.unwrap_or_default()
}

/// A line of a file, below the message about it.
fn excerpt(line: Option<u32>, text: &Option<String>) -> String {
    match (line, text) {
        (Some(line), Some(text)) => format!("\n  {line} | {text}"),
        _ => String::new(),
    }
}

fn column_prefix(column: Option<u32>) -> String {
    column.map_or(String::new(), |column| format!("column {column}: "))
}

fn line_suffix(line: Option<u32>) -> String {
    line.map(|line| format!(":{line}")).unwrap_or_default()
}

/// Why calls of an instance cannot be claims.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ClaimProblem {
    /// It is what runs.
    #[error("it is the root, whose run is what is proven")]
    Root,
    /// It is a composition.
    #[error("it is a composition, not an instance of a component")]
    Composition,
    /// A call of it shares something with its caller.
    #[error("instance `{caller}` calls it with a call that is {kind}, and not isolated")]
    Called {
        /// The calling instance.
        caller: String,
        /// The kind of the call.
        kind: LinkKind,
    },
    /// Another instance has handles of it, or of its resource types.
    #[error("instance `{0}` has handles of its resource types, or of instances of it")]
    Types(String),
    /// The composition has a kernel.
    #[error("the composition has a kernel, whose memory a run of its own would not share")]
    Kernel,
    /// The claimed instance makes that very claim.
    #[error("what it calls leads back to a call of it: the claim would rest on itself")]
    Circular,
    /// Claims are in claims in claims.
    #[error("it is behind {MAX_CLAIM_DEPTH} claimed instances that call one another")]
    TooDeep,
    /// Too many exports of claimed instances are called.
    #[error("more than {MAX_CLAIMED_EXPORTS} exports of claimed instances are called")]
    TooMany,
    /// The code of its component has `caller`.
    #[error(
        "the code of component `{0}` has `caller`, which a run of its own has no other word for \
             than zeros"
    )]
    ReadsCaller(String),
    /// Code that it reaches asks for the caller's instance.
    #[error(
        "component `{0}` asks for the id of its caller's instance, which differs from run to run"
    )]
    ReadsCallersInstance(String),
    /// Code that it reaches installs instances, or asks what they are.
    #[error(
        "component `{0}` installs instances or asks for their components, which exist only in the run itself"
    )]
    Installs(String),
    /// Code that it reaches reads the clock.
    #[error("the code of component `{0}` reads the clock, which differs from run to run")]
    ReadsClock(String),
}

impl ClaimProblem {
    fn remedy(&self) -> &'static str {
        match self {
            Self::Composition => "claim instances in the composition, with `claimed` in its file",
            Self::Called { .. } | Self::Types(_) => {
                "claim only what shares nothing with its callers, or remove `claimed`"
            }
            Self::Circular => "remove `claimed` from one of the instances on the way",
            Self::TooDeep | Self::TooMany => "claim fewer instances",
            Self::ReadsCaller(_) | Self::ReadsCallersInstance(_) => {
                "pass what it has to know of its caller as an input, or remove `claimed`"
            }
            Self::ReadsClock(_) => "pass what has to be unique as an input, or remove `claimed`",
            Self::Root | Self::Kernel | Self::Installs(_) => "remove `claimed`",
        }
    }
}

/// A problem, without its place.
#[derive(Debug, Error, Diagnostic)]
#[non_exhaustive]
pub enum Problem {
    // FILES
    /// A file or folder cannot be read.
    #[error("{what} `{}` cannot be read: {reason}", .path.display())]
    #[diagnostic(help("put the {what} there, or correct the path"))]
    Unreadable {
        /// The kind of file or folder that it was to be.
        what: &'static str,
        /// Where it was expected.
        path: PathBuf,
        /// The reason that the operating system gives.
        reason: String,
    },
    /// The bytes are no text.
    #[error("the byte 0x{0:02x} is not UTF-8")]
    #[diagnostic(help("save the file as UTF-8"))]
    NotText(u8),
    /// The text is no TOML, or it has a key or value that does not belong there.
    #[error("{0}")]
    #[diagnostic(help("correct the entry; the book lists the keys of both files"))]
    Toml(String),
    /// A workspace without a single component.
    #[error("the workspace has no members")]
    #[diagnostic(help("list the folders of its components under `members`"))]
    NoMembers,
    /// A workspace names a component twice.
    #[error("the member `{0}` is listed twice")]
    #[diagnostic(help("remove one of them"))]
    MemberTwice(String),
    /// A WIT package has the binary form.
    #[error("`{0}` is a WIT package in its binary form, and only texts are read")]
    #[diagnostic(help(
        "make a text of it: `wasm-tools component wit {0} -o {}.wit`",
        _0.trim_end_matches(".wasm")
    ))]
    BinaryWit(String),
    /// An instance names a folder that is no component.
    #[error("`{}` is not a component", .0.display())]
    #[diagnostic(help(
        "name a folder that has a `component.toml`, or a `.masp` package, relative to the \
         composition file"
    ))]
    NotAComponent(PathBuf),
    /// An instance names a package that cannot be used.
    #[error("`{}` cannot be used: {reason}", .path.display())]
    #[diagnostic(help("build it again with the tool that made it"))]
    Package {
        /// The package.
        path: PathBuf,
        /// Why not.
        #[source]
        reason: Box<PackageError>,
    },
    /// A file that `component.toml` names as a library is not an assembled library.
    #[error("`{}` is not an assembled library", .0.display())]
    #[diagnostic(help(
        "name a `.masl` or `.masp` file; a folder of sources is given with `-l`, or put under \
         `sources`"
    ))]
    NotALibrary(PathBuf),
    /// A folder is reached again from inside itself.
    #[error("the folder `{}` contains itself", .0.display())]
    #[diagnostic(help("remove the symbolic link that leads back to it"))]
    FolderCycle(PathBuf),
    /// A path leads out of the component's folder.
    #[error("`{0}` leads out of the component's folder")]
    #[diagnostic(help(
        "move the file below the folder of `component.toml`, which holds all of a component"
    ))]
    OutsideFolder(String),

    // NAMES
    /// A name does not have the form that names have.
    #[error("`{name}` is not a name for {what}")]
    #[diagnostic(help("{}", names_remedy(.what)))]
    Name {
        /// The kind of thing that is named.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A text that is part of an import's identity is empty or has control characters in it.
    #[error("the {what} `{text}` is empty or has control characters in it")]
    #[diagnostic(help("give a text of printable characters"))]
    Identity {
        /// The kind of text: an interface, a version, a function.
        what: &'static str,
        /// The text.
        text: String,
    },
    /// A hexadecimal digest is malformed.
    #[error("`{0}` is not a digest")]
    #[diagnostic(help("write it as 0x and 64 hexadecimal digits"))]
    Digest(String),

    /// Brackets of a WIT or WAC text nest too deep.
    #[error("more than {MAX_BRACKETS} brackets are open here")]
    #[diagnostic(help("give the inner parts names of their own"))]
    Brackets,

    // WIT
    /// There is no WIT where it should be.
    #[error("there are no `.wit` files")]
    #[diagnostic(help("put the world into a `.wit` file there"))]
    NoWit,
    /// The WIT parser refuses the text.
    #[error("{0}")]
    #[diagnostic(help("correct the WIT; the Component Model's `WIT.md` describes it"))]
    Wit(String),
    /// The WIT package does not have the world, or it is not clear which one is meant.
    #[error("{0}")]
    #[diagnostic(help("name the world with `world` in `component.toml`"))]
    World(String),
    /// The world asks for something that Miden does not support.
    #[error("Miden cannot express {0}")]
    #[diagnostic(help("{}", wit_remedy(_0)))]
    WitUnsupported(&'static str),
    /// The types of a function are too large.
    #[error("the types of this function have more than {0} parts")]
    #[diagnostic(help("split the function, or use lists"))]
    WitTypeSize(usize),
    /// A component or a composition has more of something than a limit allows.
    #[error(
        "{what} has more {} than the limit `{}` of {allowed}; raise the limit if that is meant",
        .limit.unit(), .limit.name()
    )]
    #[diagnostic(help("`--limit {}=…` raises it", limit.name()))]
    Limit {
        /// The limit.
        limit: LimitName,
        /// The thing that is too large.
        what: &'static str,
        /// The limit.
        allowed: u64,
    },

    /// A world was chosen, but there is no WIT that could have it.
    #[error("`world` is given, but no `wit`")]
    #[diagnostic(help("add `wit`, or remove `world`"))]
    WorldAlone,
    /// Bindings are asked for, and there is no world.
    #[error("the component has no WIT world")]
    #[diagnostic(help("add `wit` with the WIT that describes it"))]
    NoWorld,
    /// An entry is for something that the world does not have.
    #[error("the world `{world}` {what} no `{name}`")]
    #[diagnostic(help("{}", world_remedy(.known)))]
    NotInWorld {
        /// Either `exports` or `imports`.
        what: &'static str,
        /// The world.
        world: String,
        /// The name.
        name: String,
        /// The names that the world has.
        known: String,
    },
    /// A world whose component could do nothing.
    #[error(
        "the world `{0}` exports no function, so no part of a component with it could be called"
    )]
    #[diagnostic(help("export a function, or an interface with functions"))]
    NothingExported(String),
    /// An entry repeats what the world says.
    #[error("the entry `{0}` repeats what the component's world says")]
    #[diagnostic(help(
        "name a procedure for an export, or a `root` for a single function that is imported; \
         everything else is in the WIT"
    ))]
    SaidByWorld(String),
    /// Two entries say what one function is.
    #[error("`{function}` is named by two entries: `{first}` and `{second}`")]
    #[diagnostic(help("keep one of the two entries"))]
    NamedTwice {
        /// The function.
        function: String,
        /// Its name in one entry.
        first: String,
        /// Its name in the other one.
        second: String,
    },
    /// An export of the world has no procedure.
    #[error("the world exports `{function}` ({location}), but no procedure is named for it")]
    #[diagnostic(help("{}", implementation_remedy(.function)))]
    NotImplemented {
        /// The function.
        function: String,
        /// Where it is declared.
        location: String,
    },

    // SOURCES
    /// A component without a single source.
    #[error("the component has no sources")]
    #[diagnostic(help("list at least one `.masm` file under `sources`"))]
    NoSources,
    /// A source whose path is no module path.
    #[error("the path of the source `{0}` is not a module path")]
    #[diagnostic(help(
        "name `.masm` files, or folders of them, with lower-case letters, digits and `_`"
    ))]
    SourceName(String),
    /// A source that would be a module in which stubs or wrappers are.
    #[error("the module name `{0}` belongs to what is generated")]
    #[diagnostic(help("rename the file"))]
    ReservedModule(String),
    /// Two sources give the same module.
    #[error("the module `{0}` has two sources")]
    #[diagnostic(help("list each file once under `sources`"))]
    DuplicateModule(String),
    /// The sources cannot be assembled.
    #[error("{}{fault}", column_prefix(*.column))]
    #[diagnostic(help("{}", fault_remedy(.fault)))]
    Assembly {
        /// The column, counted from 1.
        column: Option<u32>,
        /// The problem there.
        fault: SourceFault,
    },
    /// The stubs of imports cannot be assembled.
    #[error("stubs of imports: {0}")]
    #[diagnostic(help("rename the imports that it names"))]
    Stubs(SourceError),

    // EXPORTS, IMPORTS, CALLS
    /// An export does not name what implements it, or does so twice.
    #[error("export `{0}` does not name its procedure")]
    #[diagnostic(help("give `procedure`, or `module` for all functions of a WIT interface"))]
    ExportForm(String),
    /// An export names a procedure that the sources do not have, or do not make public.
    #[error(
        "export `{export}` names procedure `{procedure}`, but there is no such public procedure"
    )]
    #[diagnostic(help("{}", procedure_remedy(.candidates)))]
    ExportWithoutProcedure {
        /// The export.
        export: String,
        /// The procedure it names.
        procedure: String,
        /// Procedures that could be meant.
        candidates: Vec<String>,
    },
    /// A version without an interface it could belong to.
    #[error("`{0}` states a version but no interface")]
    #[diagnostic(help("add `interface`, or remove `version`"))]
    VersionAlone(String),
    /// An import is none of a function, a resource type and an exact procedure, or several.
    #[error(
        "import `{0}` must have either `interface` and `function`, or `interface` and `resource`, \
         or `root`"
    )]
    #[diagnostic(help(
        "give `interface` and `function` to import by name, `interface` and `resource` to import \
         a resource type, `interface` and `instances = true` to import handles to instances, or \
         `root` to import one exact procedure"
    ))]
    ImportForm(String),
    /// A resource type names a destructor that the sources do not have, or do not make public.
    #[error(
        "resource type `{resource}` names destructor `{procedure}`, but there is no such public \
         procedure"
    )]
    #[diagnostic(help("name it as `module::procedure` and declare it with `pub proc`"))]
    DestructorWithoutProcedure {
        /// The resource type.
        resource: String,
        /// The procedure it names.
        procedure: String,
    },
    /// Two resource types whose wrappers would be one module, or two entries for one type.
    #[error("the resource type `{0}` exists twice, own and imported ones counted together")]
    #[diagnostic(help("rename or remove one of them; `-` counts as `_`"))]
    DuplicateResource(String),
    /// Two imports with one digest, so that a call could mean either.
    #[error("the imports `{first}` and `{second}` have the same root")]
    #[diagnostic(help("remove one of them"))]
    DuplicateImport {
        /// One of them.
        first: String,
        /// The other.
        second: String,
    },
    /// The procedure that gives memory, or that sets up an instance, does not exist.
    #[error("`{key}` names `{procedure}`, but there is no such public procedure")]
    #[diagnostic(help("{}", procedure_remedy(.candidates)))]
    NoProcedure {
        /// The key of `component.toml`.
        key: &'static str,
        /// The procedure it names.
        procedure: String,
        /// Procedures that could be meant.
        candidates: Vec<String>,
    },
    /// A procedure is to set up instances of a component without bindings that could execute it.
    #[error("`init` is given, but no `wit`")]
    #[diagnostic(help("add `wit` with the component's world, or call the procedure in your code"))]
    InitWithoutWorld,
    /// A procedure declared as reached by dyncall does not exist.
    #[error("`dyncall` names `{0}`, which is neither a public procedure nor an import")]
    #[diagnostic(help(
        "name a `pub proc` as `module::procedure`, or an import as `imports::name`"
    ))]
    DyncallWithoutProcedure(String),
    /// Code of the component executes an import instead of calling it.
    #[error("import `{0}` is executed by `exec`, or exported, instead of being called")]
    #[diagnostic(help(
        "use `call.imports::{0}`: an import runs in another instance; a component that only \
         passes it on is left out by wiring its users to the implementation"
    ))]
    ExecutedImport(String),
    /// Code of the component executes a procedure that is not part of it.
    #[error("the component executes procedure {0}, which it does not contain")]
    #[diagnostic(help("add the library with that procedure, or `call` it as an import by root"))]
    ForeignCode(Word),
    /// Code of the component calls a procedure that is neither its own nor imported.
    #[error("the component calls procedure {0}, which is neither its own nor imported")]
    #[diagnostic(help("declare an import with `root = \"{0}\"`, or correct the digest"))]
    UnlinkedCall(Word),

    // STATIC DATA
    /// A data segment has no data or more than one source of it.
    #[error(
        "a data segment must have exactly one of `felts`, `words`, `file`, and `type` with `value`"
    )]
    #[diagnostic(help(
        "keep one: `felts = [1, 2]`, `words = [\"0x…\"]`, `file = \"data.bin\"`, or `type = \
         \"string\"` with `value = '\"text\"'`"
    ))]
    DataForm,
    /// A data segment without an address that the code could not find.
    #[error("a data segment without `address` must have a `label`")]
    #[diagnostic(help(
        "add `address`, or a `label`, whose constant has the address that the build chooses"
    ))]
    DataAddress,
    /// Data without addresses takes too much room.
    #[error(
        "the data segments without `address` do not end below 2^29, where memory for messages begins"
    )]
    #[diagnostic(help("give some of them an `address`"))]
    DataRoom,
    /// Two labels make one constant.
    #[error("another label already makes the constant `{0}`")]
    #[diagnostic(help("rename it; `a` makes the constants `A` and `A_LENGTH`"))]
    DataLabel(String),
    /// A text that is no type.
    #[error("`{ty}` is not a type: {error}")]
    #[diagnostic(help(
        "write a type of WIT, such as `list<u32>`, or a name that an interface of the world has"
    ))]
    DataType {
        /// The text.
        ty: String,
        /// The fault.
        error: TypeError,
    },
    /// A value that is none of its type.
    #[error(transparent)]
    #[diagnostic(help("write the value in WAVE: `\"text\"`, `[1, 2]`, `{{a: 1, b: some(2)}}`"))]
    DataValue(ValueError),
    /// A format was given for inline data.
    #[error("`format` says how a `file` is read, but this data segment has none")]
    #[diagnostic(help("remove `format`"))]
    DataFormat,
    /// A data segment without elements.
    #[error("the data segment at address {0} is empty")]
    #[diagnostic(help("give it data, or remove the segment"))]
    DataEmpty(u32),
    /// A data segment does not begin with a word.
    #[error("the data segment's address {0} is not a multiple of 4")]
    #[diagnostic(help("move it to {} or {}", _0 & !3, (_0 & !3).saturating_add(4)))]
    DataUnaligned(u32),
    /// A data segment reaches beyond the addresses that static data may have.
    #[error("the data segment at address {address} has {length} elements and ends beyond 2^31")]
    #[diagnostic(help("choose a lower address: locals and the frame pointer live from 2^31 on"))]
    DataRange {
        /// Its first address.
        address: u32,
        /// Its length in elements, padding included.
        length: u64,
    },
    /// Two data segments share addresses.
    #[error(
        "the data segment at address {second} overlaps the one at {first}, which ends at {end}"
    )]
    #[diagnostic(help(
        "move the second one to {end} or beyond; segments are padded to 8 elements"
    ))]
    DataOverlap {
        /// Address of the lower segment.
        first: u32,
        /// The address behind the lower segment, padding included.
        end: u64,
        /// Address of the higher segment.
        second: u32,
    },
    /// The place of inputs or outputs in memory breaks a rule.
    #[error("{0}")]
    #[diagnostic(help("choose other numbers under `[memory]`"))]
    Memory(#[source] MemoryLayoutError),
    /// An instance that is not the root has inputs or outputs in memory.
    #[error(
        "component `{component}` of instance `{instance}` has inputs or outputs in memory, which only the \
         root is given"
    )]
    #[diagnostic(help(
        "remove `[memory]` from its `component.toml`, or make it the composition's root"
    ))]
    MemoryOfOther {
        /// The component.
        component: String,
        /// The instance.
        instance: String,
    },
    /// A value that is no field element.
    #[error("`{0}` is not a field element")]
    #[diagnostic(help(
        "write an integer from 0 to 18446744069414584320; above 2^63 - 1, as a string"
    ))]
    NotAnElement(String),
    /// A file of field elements that is not a whole number of them.
    #[error("`{}` has {length} bytes, not a multiple of 8", .path.display())]
    #[diagnostic(help(
        "write each element as 8 little-endian bytes, or read the file as `u8` or `u32`"
    ))]
    DataLength {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        length: usize,
    },
    /// The data does not have the hash that it was declared to have.
    #[error("the data has commitment {actual}, not {expected}")]
    #[diagnostic(help("restore the data, or correct `commitment` if the change was meant"))]
    DataCommitment {
        /// The hash that was declared.
        expected: Word,
        /// The hash of the data.
        actual: Word,
    },

    // WEBASSEMBLY
    /// The module is refused.
    #[error(transparent)]
    #[diagnostic(help("change the module's source, or its build"))]
    Wasm(Box<miden_cvm_wasm::WasmError>),
    /// The module does not have a function as the world has it.
    #[error("the module has no `{function}` of the type that the world gives it: {expected}")]
    #[diagnostic(help("generate the module's bindings from the same WIT"))]
    WasmSignature {
        /// The name that the module would export it by, or imports it by.
        function: String,
        /// The core type.
        expected: String,
    },
    /// A component in the binary format that is not understood.
    #[error("`wasm` names a component that cannot be used: {0}")]
    #[diagnostic(help(
        "make it with `wasm-tools component new` of a core module for `wasm32-unknown-unknown`, \
         or give that module and `wit`"
    ))]
    WasmBinary(String),
    /// A world that wants more of an operating system than there is.
    #[error("`wasm` names code for a system with WASI, and what it imports is not there: `{}`", .0.join("`, `"))]
    #[diagnostic(help(
        "there are streams, clocks and random numbers, and no files or sockets: do without what \
         needs these, or compile for `wasm32-unknown-unknown`"
    ))]
    Wasi(Vec<String>),
    /// A module together with what is not its own, or without a world.
    #[error("`wasm` is given {0}")]
    #[diagnostic(help("give `wasm` and `wit`, and write other code as a component of its own"))]
    WasmForm(&'static str),

    // COMPOSITIONS
    /// Assembled code without a world that would say what it is for.
    #[error("`package` is given, but no `wit`")]
    #[diagnostic(help("add `wit` with a world whose exports the package implements"))]
    PackageWithoutWorld,
    /// The text is no WAC.
    #[error("{0}")]
    #[diagnostic(help("correct the document; `wac` of the Component Model describes it"))]
    Wac(String),
    /// The WAC document asks for something that compositions do not support.
    #[error("the document has {0}, which compositions do not support")]
    #[diagnostic(help("put them into the WIT of the components"))]
    WacUnsupported(&'static str),
    /// A name stands for two things.
    #[error("the name `{0}` is given twice")]
    #[diagnostic(help("rename one of them"))]
    WacTwice(String),
    /// An export without a name.
    #[error("`{0}` is exported as a whole, but has no name")]
    #[diagnostic(help(
        "add `...` to export everything it has, or `as` and a name after the one to export"
    ))]
    WacExport(String),
    /// A composition is an instance of itself.
    #[error("the composition `{}` contains itself", .0.display())]
    #[diagnostic(help("name another component"))]
    CompositionCycle(PathBuf),
    /// An instance has the name that stands for what is around a composition.
    #[error("an instance cannot be called `import`")]
    #[diagnostic(help("rename it; in wires `import` stands for what is around a composition"))]
    ReservedInstance,
    /// A wire leads out of a composition that is no component of another.
    #[error("no enclosing composition provides it")]
    #[diagnostic(help("wire it to an instance, or use the composition in another"))]
    NothingOutside,
    /// A wire leads out of a composition, and nothing is there.
    #[error("no enclosing composition provides import `{import}` of instance `{composition}`")]
    #[diagnostic(help(
        "add `\"{import}\" = \"instance\"` to the imports of `{composition}` where that is an \
         instance"
    ))]
    UnmetByOutside {
        /// The composition, as an instance.
        composition: String,
        /// The import that it asks for.
        import: String,
    },
    /// A wire leads back to itself.
    #[error("the wire `{0}` leads back to itself")]
    #[diagnostic(help("wire it to an instance of a component"))]
    WireCycle(String),
    /// The composition does not say which export runs.
    #[error("the composition has no `main`")]
    #[diagnostic(help("add `main = \"instance.export\"`"))]
    NoMain,
    /// A reference to an export that is not `instance.export`.
    #[error("`{0}` is not of the form `instance.export`")]
    #[diagnostic(help("write the instance's name, a dot and the export's name"))]
    Reference(String),
    /// An instance that is not declared.
    #[error("there is no instance `{0}`")]
    #[diagnostic(help("declare it as `[instances.{0}]`, or correct the name"))]
    UnknownInstance(String),
    /// An export that the instance's component does not have.
    #[error("instance `{instance}` (component `{component}`) has no export `{export}`")]
    #[diagnostic(help(
        "add `[exports.{export}]` to the `component.toml` of `{component}`, or correct the name"
    ))]
    UnknownExport {
        /// The instance.
        instance: String,
        /// The component it is an instance of.
        component: String,
        /// The export that was named.
        export: String,
    },
    /// A resource type that the instance's component does not define.
    #[error(
        "instance `{instance}` (component `{component}`) defines no resource type `{resource}`"
    )]
    #[diagnostic(help("{}", resource_remedy(.component, .resource)))]
    UnknownResource {
        /// The instance.
        instance: String,
        /// The component it is an instance of.
        component: String,
        /// The type that was named.
        resource: String,
    },
    /// A composition that is a component of another gives intrinsics to the kernel.
    #[error("a composition that is part of another gives intrinsics to the kernel")]
    #[diagnostic(help("move `[kernel]` to the composition that is run"))]
    NestedKernel,
    /// An instance is claimed that cannot be.
    #[error("instance `{instance}` is claimed, but {reason}")]
    #[diagnostic(help("{}", .reason.remedy()))]
    Claimed {
        /// The instance.
        instance: String,
        /// Why it cannot be.
        reason: ClaimProblem,
    },
    /// The composition gives intrinsics to a kernel that is not there.
    #[error("the composition gives intrinsics to a kernel, but it is linked without one")]
    #[diagnostic(help("give the kernel (`--kernel`), or remove `[kernel]`"))]
    NoKernel,
    /// An import that is not wired.
    #[error("import `{import}` of instance `{instance}` (component `{component}`) is unmet")]
    #[diagnostic(help("{}", wire_remedy(.instance, .import, *.by_interface)))]
    UnmetImport {
        /// The instance.
        instance: String,
        /// The component it is an instance of.
        component: String,
        /// The import that lacks an export: a function, or an interface of WIT.
        import: String,
        /// `true` if it is an interface.
        by_interface: bool,
    },
    /// An instance does not export an interface.
    #[error(
        "the import `{import}` ({location}) is expected of instance `{instance}` (component \
         `{component}`), which does not offer it"
    )]
    #[diagnostic(help("{}", interface_remedy(.offered)))]
    NoInterface {
        /// The interface.
        import: String,
        /// Where it is declared.
        location: String,
        /// The instance.
        instance: String,
        /// Its component.
        component: String,
        /// The exports that it offers.
        offered: String,
    },
    /// An interface is offered that lacks a resource type of the one imported.
    #[error("the import {import} has the resource type `{resource}`, and {offered} does not")]
    #[diagnostic(help(
        "wire it to an instance whose interface has the type, or correct the WIT on one side"
    ))]
    NoResource {
        /// The type.
        resource: String,
        /// The interface that is imported, and where it is declared.
        import: String,
        /// The interface that is offered, by which instance, and where it is declared.
        offered: String,
    },
    /// A function is offered that is not the one imported.
    #[error("import `{import}`: expected {expected}, offered {offered}")]
    #[diagnostic(help(
        "wire it to an instance that offers the expected function, or correct the WIT on one side"
    ))]
    WrongFunction {
        /// The import.
        import: String,
        /// The function that is imported, and where it is declared.
        expected: String,
        /// The function that is offered, and where it is declared.
        offered: String,
    },
    /// A function is offered whose handles are of another type than those of the one imported.
    #[error("import `{import}`: expected handles of {expected}, offered are handles of {offered}")]
    #[diagnostic(help("wire the interface of the type to the same instance on both sides"))]
    WrongResource {
        /// The import.
        import: String,
        /// The type that the importing instance has, and where the function is declared.
        expected: String,
        /// The type that the offering instance has, and where the function is declared.
        offered: String,
    },
    /// Compositions nest too deep.
    #[error("more than {MAX_COMPOSITIONS} compositions are nested here")]
    #[diagnostic(help("put instances of the inner ones into an outer one"))]
    CompositionDepth,
    /// Two wires from one import.
    #[error("import `{import}` is wired twice: as `{first}` and as `{second}`")]
    #[diagnostic(help("keep one of the two wires"))]
    WiredTwice {
        /// The import.
        import: String,
        /// The name that one wire has for it.
        first: String,
        /// Its name in the other one.
        second: String,
    },
    /// Two things that a composition offers by names that stand for the same.
    #[error("`{asked}` could be `{first}` or `{second}`")]
    #[diagnostic(help("ask for it by its full name, with its version"))]
    Ambiguous {
        /// The name that is asked for.
        asked: String,
        /// The first candidate.
        first: String,
        /// The second candidate.
        second: String,
    },
    /// Two exports of a composition with one name.
    #[error("`{0}` is exported twice")]
    #[diagnostic(help("remove one of them, or give it another name with `as`"))]
    ExportTwice(String),
    /// The exports of an instance meet none of the imports that are left.
    #[error("`{0}` has no export for an import that is not wired yet")]
    #[diagnostic(help("remove it, or name another instance"))]
    SpreadOfNothing(String),
    /// All exports of an instance are exported already, or there are none.
    #[error("`{0}` has no exports besides those that are exported already")]
    #[diagnostic(help("remove it, or name another instance"))]
    NothingToExport(String),
    /// The `...` that stands for all other imports is not the last argument.
    #[error("`...` is not the last argument")]
    #[diagnostic(help("move it after all other arguments"))]
    FillNotLast,
    /// The exports of something that is no instance are asked for.
    #[error("`{0}` is not an instance and has no exports")]
    #[diagnostic(help("spread the instance that it belongs to"))]
    NotAnInstance(String),
    /// A wire from an import that the component does not have.
    #[error("component `{component}` has no import `{import}`")]
    #[diagnostic(help("remove the line, or declare the import in the component"))]
    UnknownImport {
        /// The component of the instance.
        component: String,
        /// The import that was named.
        import: String,
    },
    /// An import wants another kind of call than the export takes.
    #[error("import `{import}` expects {expected} calls, but `{export}` takes {actual} ones")]
    #[diagnostic(help("wire it to an export of the expected kind, or change `kind` on one side"))]
    WrongKind {
        /// The import.
        import: String,
        /// The export it is wired to, as `instance.export`.
        export: String,
        /// The kind that the import states.
        expected: LinkKind,
        /// The kind that the export states.
        actual: LinkKind,
    },
    /// An import and its export state different interfaces.
    #[error("import `{import}` is of interface {expected}, but `{export}` is of {actual}")]
    #[diagnostic(help("wire it to an export of the same interface and version"))]
    WrongInterface {
        /// The import.
        import: String,
        /// The export it is wired to, as `instance.export`.
        export: String,
        /// The interface of the import, with its version.
        expected: String,
        /// The interface of the export, with its version.
        actual: String,
    },
    /// An import by exact root is wired to an export with another one.
    #[error("import `{import}` is the procedure {expected}, but `{export}` is {actual}")]
    #[diagnostic(help("wire it to the export that is this procedure, or correct `root`"))]
    WrongRoot {
        /// The import.
        import: String,
        /// The export it is wired to, as `instance.export`.
        export: String,
        /// The root that the import states.
        expected: Word,
        /// The digest of the export.
        actual: Word,
    },
    /// More instances than an index can tell apart.
    #[error("the composition has {0} instances, more than {MAX_INSTANCES}")]
    #[diagnostic(help("use fewer instances"))]
    TooManyInstances(usize),
    /// Two links with the same key that mean different things.
    #[error("a call to {digest} by instance `{instance}` would mean both {first} and {second}")]
    #[diagnostic(help(
        "make the procedures differ, or import the one that is not meant by interface and function"
    ))]
    LinkConflict {
        /// The calling instance.
        instance: String,
        /// The digest that is called.
        digest: Word,
        /// The meaning of the call by one link.
        first: String,
        /// The meaning of the call by the other link.
        second: String,
    },
    /// A fresh call would lead to a new instance of a component that defines resource types.
    #[error(
        "instance `{instance}` calls new instances of `{target}`, which defines the resource type \
         `{resource}`"
    )]
    #[diagnostic(help(
        "make the export shared or isolated: a new instance would have types of its own, of which \
         nobody else has handles"
    ))]
    FreshDefiner {
        /// The calling instance.
        instance: String,
        /// The instance that is called.
        target: String,
        /// One of its resource types.
        resource: String,
    },
    /// An import that is no call of what is held, nor handles to instances, is wired to all of them.
    #[error("import `{0}` is wired to `*`, whatever instances the program installs")]
    #[diagnostic(help(
        "make it `kind = \"held\"` with an interface and a function, or wire it to an instance"
    ))]
    AnyInstance(String),
    /// An instance installs others without the right to it.
    #[error("instance `{instance}` calls `{}`, and has no `installs` in the composition", .intrinsic.identifier())]
    #[diagnostic(help(
        "add `installs` to its entry: the components that a run has at hand, or `[]`"
    ))]
    NoRightToInstall {
        /// The instance.
        instance: String,
        /// The intrinsic.
        intrinsic: Intrinsic,
    },
    /// A component cannot be installed.
    #[error("component `{component}` cannot be installed: {reason}")]
    #[diagnostic(help(
        "make it an instance of the composition, or leave out what cannot be installed"
    ))]
    NotInstallable {
        /// The component.
        component: String,
        /// The reason.
        reason: NotInstallable,
    },
    /// An import of instances is wired to something that an instance has.
    #[error("import `{import}` is one of instances, and is wired to `{wire}`")]
    #[diagnostic(help(
        "name the instance alone: what the program makes are further ones of its component"
    ))]
    InstanceOfWhat {
        /// The import.
        import: String,
        /// The wire in the composition file.
        wire: String,
    },
    /// An export is said to be held.
    #[error("export `{0}` is `held`, which only imports are")]
    #[diagnostic(help("leave `kind` out: who holds an instance calls its shared exports"))]
    HeldExport(String),
    /// The records that linking gives are refused.
    #[error(transparent)]
    #[diagnostic(help("correct the component or the wiring that it names"))]
    Records(#[from] CompositionError),
}

impl Problem {
    /// Returns the remedy for the writer of this file: a WAC document is not written as TOML is.
    pub fn remedy_in(&self, file: &Path) -> String {
        if file.extension().is_some_and(|ending| ending == "wac")
            && let Some(remedy) = self.remedy_in_wac()
        {
            return remedy;
        }
        self.remedy()
    }

    fn remedy_in_wac(&self) -> Option<String> {
        Some(match self {
            Self::NotAComponent(path) => format!(
                "put the component, or its `.masp` package, at `{}`; a package `a:b` of the document is \
                 looked for as `deps/a/b` beside it",
                path.display()
            ),
            Self::UnmetByOutside {
                composition,
                import,
            } => format!(
                "add `\"{import}\": ` and an instance to the arguments of `new` that make \
                 `{composition}`, or `...` to take it from outside"
            ),
            Self::NoMain => {
                "export the function that runs: `export instance.main;`, or `export instance...;`"
                    .into()
            }
            Self::Reference(_) => {
                "export a function: `export instance[\"interface\"];` exports all of an interface"
                    .into()
            }
            Self::UnknownInstance(name) => format!(
                "declare it with `let {name} = new package:name {{ … }};`, or correct the name"
            ),
            Self::UnmetImport {
                instance, import, ..
            } => format!(
                "add `\"{import}\": ` and an instance to the arguments of `new` that make `{instance}`"
            ),
            Self::UnknownImport { .. } => {
                "remove the argument, or declare the import in the component's world".into()
            }
            Self::ReservedInstance => "rename it".into(),
            _ => return None,
        })
    }

    /// Returns the remedy for the writer of the files.
    pub fn remedy(&self) -> String {
        self.help().map(|help| help.to_string()).unwrap_or_default()
    }
}

fn world_remedy(known: &str) -> String {
    match known {
        "" => "remove the entry".into(),
        known => format!("the world has `{known}`"),
    }
}

fn implementation_remedy(function: &str) -> String {
    match function.rsplit_once('#') {
        Some((interface, _)) => format!("add `[exports.\"{interface}\"]` with `module`"),
        None => format!("add `[exports.{function}]` with `procedure`"),
    }
}

fn resource_remedy(component: &str, resource: &str) -> String {
    match resource.contains('#') {
        true => "wire it to an instance whose world exports the type".into(),
        false => format!(
            "add `[resources.{resource}]` to the `component.toml` of `{component}`, or correct the name"
        ),
    }
}

fn interface_remedy(offered: &str) -> String {
    match offered {
        "" => "wire each function to an export: this component exports no interface of WIT".into(),
        offered => format!("it offers `{offered}`"),
    }
}

fn wire_remedy(instance: &str, import: &str, by_interface: bool) -> String {
    let wire = match by_interface {
        true => format!("\"{import}\" = \"instance\""),
        false => format!("{import} = \"instance.export\""),
    };
    format!("add `{wire}` under `[instances.{instance}.imports]`")
}

fn fault_remedy(fault: &SourceFault) -> String {
    match fault {
        SourceFault::Limit { limit, .. } => format!("`--limit {}=…` raises it", limit.name()),
        SourceFault::Unreadable(_) => "put the source there, or let it be read".into(),
        _ => "correct the assembly at the place shown above".into(),
    }
}

fn procedure_remedy(candidates: &[String]) -> String {
    let remedy = "name it as `module::procedure` and declare it with `pub proc`";
    match candidates.is_empty() {
        true => remedy.into(),
        false => format!("{remedy}; there are `{}`", candidates.join("`, `")),
    }
}

fn names_remedy(what: &str) -> String {
    let hyphen = if what == IMPORT { "" } else { ", `-`" };
    format!("begin with a lower-case letter; go on with lower-case letters, digits, `_`{hyphen}")
}

fn wit_remedy(what: &str) -> String {
    match what {
        "`f32`" | "`f64`" => "use integers, or `felt` of `miden:cvm/core-types@1.0.0`".into(),
        "`flags` with more than 32 labels" => "use two of them".into(),
        "a record without fields" | "a tuple without types" | "`flags` without labels" => {
            "leave it out; the Component Model has no empty types either".into()
        }
        TWO_KINDS => "say one of them".into(),
        ISOLATED_HANDLES => {
            "make it shared or fresh: an isolated callee is a new instance, with types of its own"
                .into()
        }
        "`map`" | "a list of fixed length" => "use a list or a tuple".into(),
        _ => "use a function that returns when it is done, and a `result` for errors".into(),
    }
}
