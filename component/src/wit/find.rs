//! The names by which the functions and interfaces of a world are called.

use super::model::{Interface, InterfaceName};

/// A function of a world: the interface and the function's name in it.
pub(crate) type FunctionName = (InterfaceName, String);

/// The full name of a function of a world, as the Component Model writes it.
pub(crate) fn full_name((interface, function): &FunctionName) -> String {
    match interface {
        InterfaceName::World => function.clone(),
        _ => format!("{interface}#{function}"),
    }
}

/// The names by which an interface can be called: the whole one, that without its version, and the
/// interface's own.
pub(crate) fn short_names(name: &InterfaceName) -> Vec<String> {
    let mut names = vec![name.to_string(), name.without_version().to_string()];
    if let InterfaceName::Package { interface, .. } = name {
        names.push(interface.clone());
    }
    names.dedup();
    names
}

/// Finds the interface that a name stands for; nothing if there is none, or more than one.
pub(crate) fn find_interface<'a>(interfaces: &'a [Interface], name: &str) -> Option<&'a Interface> {
    let exact = interfaces
        .iter()
        .find(|interface| interface.name.to_string() == name);
    exact.or_else(|| {
        let mut named = interfaces.iter().filter(|interface| {
            short_names(&interface.name)
                .iter()
                .any(|short| short == name)
        });
        match (named.next(), named.next()) {
            (Some(interface), None) => Some(interface),
            _ => None,
        }
    })
}
