//! The component that is the system for components that expect one, as WASI describes it.

use crate::{
    COMPONENT_FILE,
    error::{BuildError, Problem},
    source::new_file::NewFile,
    text::names::check_name,
    wit::InterfaceName,
};

/// The component's own file.
const MANIFEST: &str = include_str!("../../wasi/component.toml");

/// Its world.
const WIT: &str = include_str!("../../wasi/wasi.wit");

/// Its sources.
const SOURCES: [(&str, &str); 6] = [
    ("cli.masm", include_str!("../../wasi/cli.masm")),
    (
        "filesystem.masm",
        include_str!("../../wasi/filesystem.masm"),
    ),
    ("io.masm", include_str!("../../wasi/io.masm")),
    (
        "monotonic_clock.masm",
        include_str!("../../wasi/monotonic_clock.masm"),
    ),
    ("random.masm", include_str!("../../wasi/random.masm")),
    (
        "wall_clock.masm",
        include_str!("../../wasi/wall_clock.masm"),
    ),
];

/// The files of a component that is the system for components with WASI: what these write goes to the debug
/// output, random numbers and clocks come from the advice, exit is a trap, and there are no files.
///
/// # Errors
/// Returns an error if the name is none.
pub fn system_component(name: &str) -> Result<Vec<NewFile>, BuildError> {
    check_name("a component", name).map_err(|problem| BuildError::in_file(name, problem))?;
    let manifest = MANIFEST.replacen("name = \"wasi\"", &format!("name = \"{name}\""), 1);
    let sources = SOURCES.map(|(path, text)| NewFile::new(path, text));
    Ok([
        NewFile::new(COMPONENT_FILE, manifest),
        NewFile::new("wasi.wit", WIT),
    ]
    .into_iter()
    .chain(sources)
    .collect())
}

/// Returns `true` if the component has an interface, in a version that is as good.
fn has(interface: &InterfaceName) -> bool {
    let mut exports = WIT.lines().filter_map(|line| {
        let name = line.trim().strip_prefix("export ")?;
        name.strip_suffix(';')?.parse::<InterfaceName>().ok()
    });
    exports.any(|export| interface.accepts(&export))
}

/// Refuses interfaces of WASI that the component does not have.
pub(crate) fn check<'a>(
    interfaces: impl Iterator<Item = &'a InterfaceName>,
) -> Result<(), Problem> {
    let missing: Vec<String> = interfaces
        .filter(|name| name.to_string().starts_with("wasi:") && !has(name))
        .map(InterfaceName::to_string)
        .collect();
    match missing.is_empty() {
        true => Ok(()),
        false => Err(Problem::Wasi(missing)),
    }
}
