//! Names of WIT as names of Miden assembly.

use std::collections::BTreeMap;

use miden_assembly::Path as MasmPath;

use super::model::InterfaceName;

/// Words that cannot be the name of a procedure or module, or that bindings use for something else.
const RESERVED: &[&str] = &[
    "adv_map",
    "begin",
    "breakpoint",
    "const",
    "constructor",
    "destructor",
    "else",
    "end",
    "enum",
    "event",
    "exec",
    "export",
    "false",
    "fri_ext2fold4",
    "has_mapkey",
    "horner_eval_base",
    "horner_eval_ext",
    "if",
    "insert_hdword",
    "insert_hdword_d",
    "insert_hperm",
    "insert_hqword",
    "insert_mem",
    "let",
    "log_precompile",
    "mtree_get",
    "mtree_set",
    "nop",
    "proc",
    "pub",
    "push_mapval",
    "push_mapval_count",
    "push_mapvaln",
    "push_mtnode",
    "repeat",
    "struct",
    "true",
    "type",
    "use",
    "while",
];

/// The name of a function, as a procedure: lower case with `_` for `-`, and `_` behind a word that
/// means something else. What belongs to a resource type has its name and `__` before it. No two
/// functions of an interface get one name, since WIT has no `_` and names that are different in case only are
/// refused.
pub(crate) fn masm_name(name: &str) -> String {
    if let Some(resource) = name.strip_prefix("[constructor]") {
        return format!("{}__constructor", word(resource));
    }
    let method = name
        .strip_prefix("[method]")
        .or_else(|| name.strip_prefix("[static]"));
    match method.and_then(|method| method.split_once('.')) {
        Some((resource, function)) => format!("{}__{}", word(resource), identifier(function)),
        None => identifier(name),
    }
}

/// The name of the destructor of a resource type, as a new component has it. No function is called so.
pub(crate) fn destructor_name(resource: &str) -> String {
    format!("{}__destructor", word(resource))
}

fn word(name: &str) -> String {
    name.to_ascii_lowercase().replace('-', "_")
}

fn identifier(name: &str) -> String {
    let mut name = word(name);
    if RESERVED.contains(&name.as_str()) {
        name.push('_');
    }
    name
}

/// A path to a procedure as it can stand in assembly: a part that is a word of the language, or none that can
/// stand there by itself, is quoted.
pub(crate) fn quoted(path: &str) -> String {
    let parts = MasmPath::new(path).components().map(|part| {
        part.map(|part| match part.as_str() {
            part if is_plain(part) => part.to_owned(),
            part => format!("\"{part}\""),
        })
    });
    match parts.collect::<Result<Vec<_>, _>>() {
        Ok(parts) => parts.join("::"),
        // It leads nowhere, however it is written.
        Err(_) => path.to_owned(),
    }
}

/// Returns `true` if a part of a path can stand in assembly by itself.
fn is_plain(part: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    part.starts_with(|c: char| c.is_ascii_lowercase())
        && part.chars().all(word)
        && !RESERVED.contains(&part)
}

/// The module of each interface, in the order in which they are given: `namespace::package::name` for
/// one of a package, its name for one without, `world` for the world's own functions. Where a list has
/// several versions of an interface, each has its version at the end.
pub(crate) fn module_names<'a>(
    interfaces: impl IntoIterator<Item = &'a InterfaceName>,
) -> Vec<String> {
    let interfaces: Vec<&InterfaceName> = interfaces.into_iter().collect();
    let mut versions: BTreeMap<InterfaceName, usize> = BTreeMap::new();
    for name in &interfaces {
        *versions.entry(name.without_version()).or_default() += 1;
    }
    interfaces
        .into_iter()
        .map(|name| match name {
            InterfaceName::World => "world".into(),
            InterfaceName::Plain(name) => format!("plain::{}", identifier(name)),
            InterfaceName::Package {
                namespace,
                package,
                interface,
                version,
            } => {
                let mut module = [namespace, package, interface]
                    .map(|part| identifier(part))
                    .join("::");
                if let Some(version) = version
                    && versions[&name.without_version()] > 1
                {
                    let version = version.to_string().replace(['.', '-', '+'], "_");
                    module.push_str(&format!("__{}", word(&version)));
                }
                module
            }
        })
        .collect()
}
