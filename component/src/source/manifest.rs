//! The entries of a `component.toml`.

use std::{collections::BTreeMap, fmt};

use miden_cvm_air::{composition::LinkKind, memory_io::Area};
use serde::{Deserialize, Deserializer, de};
use toml::Spanned;

/// A `component.toml` as it is written; nothing is checked yet but the form.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    /// The component's name.
    pub(crate) name: Spanned<String>,
    /// Sources, relative to the folder: `.masm` files, or folders of them.
    pub(crate) sources: Option<Spanned<Vec<Spanned<String>>>>,
    /// Assembled libraries whose procedures the sources can use, relative to the folder.
    #[serde(default)]
    pub(crate) libraries: Vec<Spanned<String>>,
    /// A package or library with assembled code that implements exports of the world.
    pub(crate) package: Option<Spanned<String>>,
    /// A core module of WebAssembly that implements the world, or a component in the binary format.
    pub(crate) wasm: Option<Spanned<String>>,
    /// `true` if the module's linear memory stays as large as it is at first.
    #[serde(default, rename = "fixed-memory")]
    pub(crate) fixed_memory: bool,
    /// The WIT file, or the folder of the WIT package, that has the component's world.
    pub(crate) wit: Option<Spanned<String>>,
    /// The component's world, if its WIT package has several.
    pub(crate) world: Option<Spanned<String>>,
    /// The procedure that gives memory for lists and strings that come in, as `module::procedure`.
    pub(crate) realloc: Option<Spanned<String>>,
    /// The procedure that sets up an instance, as `module::procedure`; if it is left out, that of
    /// `package`, if it has one; none if it is empty.
    pub(crate) init: Option<Spanned<String>>,
    /// Procedures and imports that the code reaches by `dyncall` (or `dynexec`).
    #[serde(default)]
    pub(crate) dyncall: Vec<Spanned<String>>,
    /// The exports: what others can call.
    #[serde(default)]
    pub(crate) exports: BTreeMap<Spanned<String>, ExportEntry>,
    /// The imports: what it calls and does not have.
    #[serde(default)]
    pub(crate) imports: BTreeMap<Spanned<String>, ImportEntry>,
    /// The resource types that it defines.
    #[serde(default)]
    pub(crate) resources: BTreeMap<Spanned<String>, ResourceEntry>,
    /// The places of inputs and outputs in memory, where the component is the root.
    #[serde(default)]
    pub(crate) memory: MemoryEntry,
    /// Static data.
    #[serde(default)]
    pub(crate) data: Vec<Spanned<DataEntry>>,
}

/// An entry of `[exports]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExportEntry {
    /// The procedure, as `module::procedure`.
    pub(crate) procedure: Option<Spanned<String>>,
    /// The module with a procedure for each function of the interface.
    pub(crate) module: Option<Spanned<String>>,
    /// `true` if the procedure takes and leaves values as they cross the boundary, and checks them.
    #[serde(default)]
    pub(crate) raw: bool,
    /// The kind of a call to it; shared if nothing is said.
    pub(crate) kind: Option<LinkKind>,
    /// The interface that it implements; imports of another one are not wired to it.
    pub(crate) interface: Option<Spanned<String>>,
    /// The version of the interface.
    pub(crate) version: Option<Spanned<String>>,
}

/// An entry of `[imports]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImportEntry {
    /// The interface that the function belongs to.
    pub(crate) interface: Option<Spanned<String>>,
    /// The version of the interface.
    pub(crate) version: Option<Spanned<String>>,
    /// The function's name in the interface.
    pub(crate) function: Option<Spanned<String>>,
    /// The name of a resource type in the interface, instead of a function's.
    pub(crate) resource: Option<Spanned<String>>,
    /// `true` if handles to instances of who exports the interface are imported, instead of a function.
    #[serde(default)]
    pub(crate) instances: bool,
    /// The exact procedure, instead of interface and function.
    pub(crate) root: Option<Spanned<String>>,
    /// The kind that the export must have; any if nothing is said. Held for a shared export of an
    /// instance whose handle goes with the call.
    pub(crate) kind: Option<LinkKind>,
}

/// An entry of `[resources]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResourceEntry {
    /// The procedure that runs when an own handle is dropped, as `module::procedure`.
    pub(crate) destructor: Option<Spanned<String>>,
    /// The interface that the type belongs to; imports of another one are not wired to it.
    pub(crate) interface: Option<Spanned<String>>,
    /// The version of the interface.
    pub(crate) version: Option<Spanned<String>>,
}

/// The entries of `[memory]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MemoryEntry {
    /// The place of the inputs.
    pub(crate) inputs: Option<Spanned<Area>>,
    /// The place of the outputs.
    pub(crate) outputs: Option<Spanned<Area>>,
}

/// An entry of `[[data]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DataEntry {
    /// The name after which the constants with its address and its length are named.
    pub(crate) label: Option<Spanned<String>>,
    /// The first address, in elements; what has a label can be without one.
    pub(crate) address: Option<Spanned<u32>>,
    /// The type of `value`.
    #[serde(rename = "type")]
    pub(crate) ty: Option<Spanned<String>>,
    /// A value in WAVE.
    pub(crate) value: Option<Spanned<String>>,
    /// The elements.
    pub(crate) felts: Option<Vec<Spanned<Element>>>,
    /// The elements four at a time, as digests are written.
    pub(crate) words: Option<Vec<Spanned<String>>>,
    /// A file with the elements, relative to the folder.
    pub(crate) file: Option<Spanned<String>>,
    /// The way in which the file's bytes become elements.
    pub(crate) format: Option<Spanned<DataFormat>>,
    /// The commitment that the data must have.
    pub(crate) commitment: Option<Spanned<String>>,
    /// `true` if the elements are public, and so are not hashed.
    #[serde(default)]
    pub(crate) public: bool,
}

/// The way in which the bytes of a data file become elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DataFormat {
    /// One byte in each element.
    U8,
    /// Four bytes in each element, little-endian; zero bytes fill the last one.
    U32,
    /// Eight bytes in each element, little-endian, below the modulus.
    Felt,
}

/// An element as it is written: an integer, or one in a string where TOML's integers end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Element(pub(crate) String);

impl<'de> Deserialize<'de> for Element {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ElementVisitor;

        impl de::Visitor<'_> for ElementVisitor {
            type Value = Element;

            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("an integer, or a string with one")
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Element, E> {
                Ok(Element(value.to_string()))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Element, E> {
                Ok(Element(value.to_string()))
            }

            fn visit_i128<E: de::Error>(self, value: i128) -> Result<Element, E> {
                Ok(Element(value.to_string()))
            }

            fn visit_u128<E: de::Error>(self, value: u128) -> Result<Element, E> {
                Ok(Element(value.to_string()))
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Element, E> {
                Ok(Element(value.into()))
            }
        }

        deserializer.deserialize_any(ElementVisitor)
    }
}
