//! The world that components in the binary format have, as WIT. Core modules that are made to become components
//! have it too.

use wasmparser::{Parser, Payload, Validator};
use wit_component::{ComponentEncoder, DecodedWasm, OutputToString, WitPrinter, metadata};
use wit_parser::{Resolve, WorldId, WorldKey};

use crate::{
    assembly::guard::{Failure, guarded},
    error::Problem,
};

/// The module whose imports are functions of the world itself.
pub(super) const ROOT: &str = "$root";

/// The prefix of the interface of resource types that the component exports.
pub(super) const EXPORTED: &str = "[export]";

pub(super) fn refused(what: impl Into<String>) -> Problem {
    Problem::WasmBinary(what.into())
}

pub(super) fn invalid(error: &wasmparser::Error) -> Problem {
    refused(format!(
        "it is not valid, at offset {:#x}: {}",
        error.offset(),
        error.message()
    ))
}

/// Runs what reads bytes from outside, and turns a panic into an error.
pub(super) fn reading<T: Send>(
    work: impl FnOnce() -> Result<T, Problem> + Send,
) -> Result<T, Problem> {
    match guarded(work) {
        Ok(result) => result,
        Err(Failure::Panicked(reason) | Failure::NoThread(reason)) => {
            Err(refused(format!("its reader gave up: {reason}")))
        }
    }
}

/// The world that a component has, or a core module that was made to become one, as the text of a WIT
/// package.
pub(super) fn world(bytes: &[u8]) -> Result<Option<String>, Problem> {
    reading(|| {
        let fails = |error| refused(format!("its world cannot be read: {error:#}"));
        let component = |bytes: &[u8]| match wit_component::decode(bytes).map_err(fails)? {
            DecodedWasm::Component(resolve, world) => Ok((resolve, world)),
            DecodedWasm::WitPackage(..) => Err(refused("it has no code, but only WIT")),
        };
        let (resolve, world) = if Parser::is_component(bytes) {
            component(bytes)?
        } else {
            // That it is a module at all is for the compiler to say.
            let (resolve, world) = match metadata::decode(bytes) {
                Ok((Some(_), found)) => (found.resolve, found.world),
                Ok((None, _)) => return Ok(None),
                Err(_) if Validator::new().validate_all(bytes).is_err() => return Ok(None),
                Err(error) => return Err(fails(error)),
            };
            // A C library for WASI comes with all of it; a component has what is used.
            match imports_wasi(&resolve, world) {
                true => {
                    let mut encoder = ComponentEncoder::default();
                    encoder.module(bytes).map_err(fails)?;
                    component(&encoder.encode().map_err(fails)?)?
                }
                false => (resolve, world),
            }
        };
        let Some(package) = resolve.worlds[world].package else {
            return Err(refused("its world is in no package"));
        };
        let packages = resolve.packages.iter().map(|(id, _)| id);
        let others: Vec<_> = packages.filter(|id| *id != package).collect();
        let mut printer = WitPrinter::new(OutputToString::default());
        printer.print(&resolve, package, &others).map_err(fails)?;
        Ok(Some(printer.output.to_string()))
    })
}

/// Returns `true` if a world imports interfaces of WASI.
fn imports_wasi(resolve: &Resolve, world: WorldId) -> bool {
    let mut imports = resolve.worlds[world].imports.keys();
    imports.any(|key| match key {
        WorldKey::Interface(id) => {
            let package = resolve.interfaces[*id].package;
            package.is_some_and(|id| resolve.packages[id].name.namespace == "wasi")
        }
        WorldKey::Name(_) => false,
    })
}

/// The imports of a core module: module and name. Nothing behind what cannot be read.
pub(super) fn imports(bytes: &[u8]) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    for payload in Parser::new(0).parse_all(bytes).map_while(Result::ok) {
        if let Payload::ImportSection(section) = payload {
            for import in section.into_imports().map_while(Result::ok) {
                found.push((import.module, import.name));
            }
        }
    }
    found
}
