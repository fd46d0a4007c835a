//! A world, resolved: interfaces, functions and types, with every name replaced by what it stands for.

use std::{fmt, str::FromStr, sync::Arc};

use miden_cvm_air::composition::LinkKind;
use semver::Version;

/// The exports and imports of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct World {
    /// Its name with package and version, such as `bank:ledger/ledger@1.0.0`.
    pub name: String,
    /// Its imports, in the order of the world.
    pub imports: Vec<Interface>,
    /// The interfaces of `miden:cvm` that it imports: their functions are instructions, and nobody has to
    /// be wired for them.
    pub built_in: Vec<Interface>,
    /// Its exports, in the order of the world.
    pub exports: Vec<Interface>,
    /// The types that its interfaces name, as far as Miden can express them.
    pub types: Vec<NamedType>,
}

impl World {
    /// The imported interface with a name.
    pub fn import(&self, name: &InterfaceName) -> Option<&Interface> {
        self.imports
            .iter()
            .find(|interface| interface.name == *name)
    }

    /// The exported interface with a name.
    pub fn export(&self, name: &InterfaceName) -> Option<&Interface> {
        self.exports
            .iter()
            .find(|interface| interface.name == *name)
    }

    /// Returns `true` if a resource type that a function of an exported interface names is one that
    /// the world exports; otherwise it is imported, as are all types that imported functions name.
    ///
    /// An exported interface takes types from other exported ones where it can. Functions that the
    /// world exports without an interface take theirs from what it imports.
    pub fn exports_type(&self, interface: &InterfaceName, resource: &ResourceName) -> bool {
        *interface != InterfaceName::World
            && self
                .export(&resource.interface)
                .is_some_and(|interface| interface.resources.contains(&resource.name))
    }
}

/// A type that an interface of a world names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedType {
    /// The interface.
    pub interface: InterfaceName,
    /// The type's name in it.
    pub name: String,
    /// The type.
    pub ty: Type,
}

/// The functions and resources of an interface, or those that a world has without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: InterfaceName,
    /// The text of its doc comment.
    pub docs: String,
    /// Its functions, methods included.
    pub functions: Vec<Function>,
    /// The resource types that it defines.
    pub resources: Vec<String>,
    /// Where it is defined: file and line.
    pub location: String,
}

impl Interface {
    /// The number of parts of its functions' types, and one for each function.
    pub(crate) fn parts(&self) -> u64 {
        self.functions.iter().map(Function::parts).sum()
    }

    /// The function with a name.
    pub fn function(&self, name: &str) -> Option<&Function> {
        self.functions.iter().find(|function| function.name == name)
    }
}

/// The name of an interface.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum InterfaceName {
    /// Functions that the world has by itself.
    World,
    /// An interface without a package, declared in the world.
    Plain(String),
    /// An interface of a package.
    Package {
        /// The package's namespace.
        namespace: String,
        /// The package's name.
        package: String,
        /// The interface's name.
        interface: String,
        /// The package's version.
        version: Option<Version>,
    },
}

impl InterfaceName {
    /// Returns `true` if an import by this name can be met by an export with the other: the names
    /// are equal but for the version, and the versions are of one semver track (the same major
    /// version; below 1.0.0 the same minor, below 0.1.0 the same patch; a pre-release only itself).
    pub fn accepts(&self, export: &Self) -> bool {
        match (self, export) {
            (
                Self::Package {
                    namespace,
                    package,
                    interface,
                    version,
                },
                Self::Package {
                    namespace: other_namespace,
                    package: other_package,
                    interface: other_interface,
                    version: other_version,
                },
            ) => {
                (namespace, package, interface) == (other_namespace, other_package, other_interface)
                    && match (version, other_version) {
                        (None, None) => true,
                        (Some(wanted), Some(offered)) => same_track(wanted, offered),
                        _ => false,
                    }
            }
            _ => self == export,
        }
    }

    /// The name without its version.
    pub fn without_version(&self) -> Self {
        let mut name = self.clone();
        if let Self::Package { version, .. } = &mut name {
            *version = None;
        }
        name
    }

    /// The name without its version, and the version; that is empty if there is none.
    pub(crate) fn identity(&self) -> (String, String) {
        let version = self.version().map(ToString::to_string);
        (
            self.without_version().to_string(),
            version.unwrap_or_default(),
        )
    }

    /// The version, if there is one.
    pub fn version(&self) -> Option<&Version> {
        match self {
            Self::Package { version, .. } => version.as_ref(),
            Self::World | Self::Plain(_) => None,
        }
    }
}

fn same_track(a: &Version, b: &Version) -> bool {
    if !(a.pre.is_empty() && b.pre.is_empty()) {
        return (a.major, a.minor, a.patch, &a.pre) == (b.major, b.minor, b.patch, &b.pre);
    }
    if (a.major, b.major) != (0, 0) {
        return a.major == b.major;
    }
    if (a.minor, b.minor) != (0, 0) {
        return a.minor == b.minor;
    }
    a.patch == b.patch
}

/// The text that stands for [`InterfaceName::World`] where a name is written.
const WORLD: &str = "$world";

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::World => f.write_str(WORLD),
            Self::Plain(name) => f.write_str(name),
            Self::Package {
                namespace,
                package,
                interface,
                version,
            } => {
                write!(f, "{namespace}:{package}/{interface}")?;
                match version {
                    Some(version) => write!(f, "@{version}"),
                    None => Ok(()),
                }
            }
        }
    }
}

/// A text that is not the name of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAnInterfaceName;

impl FromStr for InterfaceName {
    type Err = NotAnInterfaceName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == WORLD {
            return Ok(Self::World);
        }
        let (path, version) = match text.split_once('@') {
            Some((path, version)) => {
                let version = Version::parse(version).map_err(|_| NotAnInterfaceName)?;
                (path, Some(version))
            }
            None => (text, None),
        };
        match (path.split_once(':'), version) {
            (Some((namespace, rest)), version) => {
                let (package, interface) = rest.split_once('/').ok_or(NotAnInterfaceName)?;
                Ok(Self::Package {
                    namespace: namespace.into(),
                    package: package.into(),
                    interface: interface.into(),
                    version,
                })
            }
            (None, None) if !path.is_empty() && !path.contains('/') => Ok(Self::Plain(path.into())),
            _ => Err(NotAnInterfaceName),
        }
    }
}

/// A function of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its name, as the Component Model writes it: `[method]account.deposit` for a method.
    pub name: String,
    /// The text of its doc comment.
    pub docs: String,
    /// The kind of a call of it: what the line `@fresh` or `@isolated` of its doc comment, or else
    /// of the interface's, says; shared without one.
    pub kind: LinkKind,
    /// Its parameters, by name.
    pub params: Vec<Field>,
    /// Its result.
    pub result: Option<Type>,
    /// The role that it has, if it belongs to a resource type.
    pub method: Option<Method>,
    /// Where it is defined: file and line.
    pub location: String,
}

impl Function {
    /// Returns `true` if a call of this function can be answered by the other one.
    pub fn is_met_by(&self, export: &Self) -> bool {
        let types = |function: &Self| -> Vec<Type> {
            function.params.iter().map(|p| p.ty.clone()).collect()
        };
        let names = |function: &Self| -> Vec<String> {
            function.params.iter().map(|p| p.name.clone()).collect()
        };
        self.kind == export.kind
            && names(self) == names(export)
            && types(self).iter().zip(&types(export)).all(matches_pair)
            && match (&self.result, &export.result) {
                (Some(a), Some(b)) => matches_pair((a, b)),
                (None, None) => true,
                _ => false,
            }
    }
}

impl Function {
    /// The number of parts of its types, and one for itself.
    pub(crate) fn parts(&self) -> u64 {
        let params = self.params.iter().map(|param| &param.ty);
        1 + params.chain(&self.result).map(Type::parts).sum::<u64>()
    }

    /// The resource types of its handles, in the order of its parameters and its result.
    pub(crate) fn handles(&self) -> Vec<&ResourceName> {
        let mut found = Vec::new();
        let params = self.params.iter().map(|param| &param.ty);
        for ty in params.chain(&self.result) {
            ty.find_handles(&mut found);
        }
        found
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind != LinkKind::Shared {
            write!(f, "{} ", self.kind)?;
        }
        write!(f, "{}: func(", self.name)?;
        for (position, param) in self.params.iter().enumerate() {
            let separator = if position == 0 { "" } else { ", " };
            write!(f, "{separator}{}: {}", param.name, param.ty)?;
        }
        write!(f, ")")?;
        match &self.result {
            Some(result) => write!(f, " -> {result}"),
            None => Ok(()),
        }
    }
}

fn matches_pair((a, b): (&Type, &Type)) -> bool {
    a.matches(b)
}

/// The role of a function of a resource type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Method {
    /// It makes one.
    Constructor(String),
    /// Its first parameter is a borrowed one.
    Method(String),
    /// It only belongs there by name.
    Static(String),
}

/// A type of values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// True or false.
    Bool,
    /// A signed integer of 8 bits.
    S8,
    /// An unsigned integer of 8 bits.
    U8,
    /// A signed integer of 16 bits.
    S16,
    /// An unsigned integer of 16 bits.
    U16,
    /// A signed integer of 32 bits.
    S32,
    /// An unsigned integer of 32 bits.
    U32,
    /// A signed integer of 64 bits.
    S64,
    /// An unsigned integer of 64 bits.
    U64,
    /// A Unicode scalar value.
    Char,
    /// A sequence of Unicode scalar values.
    String,
    /// An element of Miden's field: `felt` of `miden:cvm/core-types` or `miden:base/core-types`.
    Felt,
    /// Any number of values.
    List(Arc<Type>),
    /// A value of each type.
    Tuple(Vec<Type>),
    /// A value for each field.
    Record(Vec<Field>),
    /// One of the cases, with its value.
    Variant(Vec<Case>),
    /// One of the cases.
    Enum(Vec<String>),
    /// A value or none.
    Option(Arc<Type>),
    /// Success or failure, each with a value or without.
    Result {
        /// The value of a success.
        ok: Option<Arc<Type>>,
        /// The value of a failure.
        err: Option<Arc<Type>>,
    },
    /// Each flag is set or not.
    Flags(Vec<String>),
    /// A handle that owns its resource.
    Own(ResourceName),
    /// A handle that is lent for the duration of a call.
    Borrow(ResourceName),
}

/// A field of a record, or a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Type,
}

/// A case of a variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// The type of its value, if it has one.
    pub ty: Option<Type>,
}

/// A resource type, by the interface that has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ResourceName {
    /// The interface that defines it.
    pub interface: InterfaceName,
    /// Its name there.
    pub name: String,
}

impl fmt::Display for ResourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.interface {
            InterfaceName::World => f.write_str(&self.name),
            interface => write!(f, "{interface}#{}", self.name),
        }
    }
}

impl Type {
    /// The number of types that it is made of, itself among them.
    fn parts(&self) -> u64 {
        let inner: u64 = match self {
            Self::List(ty) | Self::Option(ty) => ty.parts(),
            Self::Tuple(types) => types.iter().map(Self::parts).sum(),
            Self::Record(fields) => fields.iter().map(|field| field.ty.parts()).sum(),
            Self::Variant(cases) => {
                let payloads = cases
                    .iter()
                    .map(|case| case.ty.as_ref().map_or(0, Self::parts));
                payloads.sum::<u64>() + cases.len() as u64
            }
            Self::Enum(names) | Self::Flags(names) => names.len() as u64,
            Self::Result { ok, err } => ok.iter().chain(err).map(|ty| ty.parts()).sum(),
            _ => 0,
        };
        1 + inner
    }

    /// Returns `true` if values of the type can have handles in them.
    pub fn has_handles(&self) -> bool {
        let mut found = Vec::new();
        self.find_handles(&mut found);
        !found.is_empty()
    }

    /// The resource types of the handles that values of the type can have in them, in order.
    fn find_handles<'t>(&'t self, found: &mut Vec<&'t ResourceName>) {
        match self {
            Self::Own(resource) | Self::Borrow(resource) => found.push(resource),
            Self::List(ty) | Self::Option(ty) => ty.find_handles(found),
            Self::Tuple(types) => types.iter().for_each(|ty| ty.find_handles(found)),
            Self::Record(fields) => fields.iter().for_each(|f| f.ty.find_handles(found)),
            Self::Variant(cases) => {
                let payloads = cases.iter().flat_map(|case| &case.ty);
                payloads.for_each(|ty| ty.find_handles(found));
            }
            Self::Result { ok, err } => {
                let payloads = ok.iter().chain(err);
                payloads.for_each(|ty| ty.find_handles(found));
            }
            _ => {}
        }
    }

    /// Returns `true` if both types have the same structure. Names of records and variants do not
    /// count, those of their parts do. Neither do names of resource types: which ones they are is
    /// decided by which instances define them, when components are linked.
    pub fn matches(&self, other: &Self) -> bool {
        let optional = |a: &Option<Arc<Self>>, b: &Option<Arc<Self>>| match (a, b) {
            (Some(a), Some(b)) => a.matches(b),
            (None, None) => true,
            _ => false,
        };
        match (self, other) {
            (Self::List(a), Self::List(b)) | (Self::Option(a), Self::Option(b)) => a.matches(b),
            (Self::Tuple(a), Self::Tuple(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(matches_pair)
            }
            (Self::Record(a), Self::Record(b)) => {
                a.len() == b.len()
                    && a.iter()
                        .zip(b)
                        .all(|(a, b)| a.name == b.name && a.ty.matches(&b.ty))
            }
            (Self::Variant(a), Self::Variant(b)) => {
                a.len() == b.len()
                    && a.iter().zip(b).all(|(a, b)| {
                        a.name == b.name
                            && match (&a.ty, &b.ty) {
                                (Some(a), Some(b)) => a.matches(b),
                                (None, None) => true,
                                _ => false,
                            }
                    })
            }
            (Self::Result { ok, err }, Self::Result { ok: ok2, err: err2 }) => {
                optional(ok, ok2) && optional(err, err2)
            }
            (Self::Own(_), Self::Own(_)) | (Self::Borrow(_), Self::Borrow(_)) => true,
            _ => self == other,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("bool"),
            Self::S8 => f.write_str("s8"),
            Self::U8 => f.write_str("u8"),
            Self::S16 => f.write_str("s16"),
            Self::U16 => f.write_str("u16"),
            Self::S32 => f.write_str("s32"),
            Self::U32 => f.write_str("u32"),
            Self::S64 => f.write_str("s64"),
            Self::U64 => f.write_str("u64"),
            Self::Char => f.write_str("char"),
            Self::String => f.write_str("string"),
            Self::Felt => f.write_str("felt"),
            Self::List(element) => write!(f, "list<{element}>"),
            Self::Option(value) => write!(f, "option<{value}>"),
            Self::Tuple(types) => {
                let types: Vec<String> = types.iter().map(ToString::to_string).collect();
                write!(f, "tuple<{}>", types.join(", "))
            }
            Self::Record(fields) => {
                let fields: Vec<String> = fields
                    .iter()
                    .map(|field| format!("{}: {}", field.name, field.ty))
                    .collect();
                write!(f, "record {{ {} }}", fields.join(", "))
            }
            Self::Variant(cases) => {
                let cases: Vec<String> = cases
                    .iter()
                    .map(|case| match &case.ty {
                        Some(ty) => format!("{}({ty})", case.name),
                        None => case.name.clone(),
                    })
                    .collect();
                write!(f, "variant {{ {} }}", cases.join(", "))
            }
            Self::Enum(cases) => write!(f, "enum {{ {} }}", cases.join(", ")),
            Self::Flags(flags) => write!(f, "flags {{ {} }}", flags.join(", ")),
            Self::Result { ok, err } => match (ok, err) {
                (None, None) => f.write_str("result"),
                (Some(ok), None) => write!(f, "result<{ok}>"),
                (None, Some(err)) => write!(f, "result<_, {err}>"),
                (Some(ok), Some(err)) => write!(f, "result<{ok}, {err}>"),
            },
            Self::Own(resource) => write!(f, "own<{}>", resource.name),
            Self::Borrow(resource) => write!(f, "borrow<{}>", resource.name),
        }
    }
}
