//! A composition as a graph: who calls whom.

use std::{collections::BTreeSet, fmt::Write};

use miden_cvm_air::{
    component::INSTALLED,
    composition::{LinkKind, LinkRecord},
};

use crate::{
    link::LinkedComposition,
    source::component::{Import, ImportKey},
    wit::InterfaceName,
};

/// Calls of one instance into another that belong together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// The calling instance.
    pub source: u32,
    /// The instance that is entered.
    pub target: u32,
    /// The interface; the function where the world itself has it, or where there is no WIT.
    pub label: String,
    /// The kind of the calls.
    pub kind: LinkKind,
}

impl LinkedComposition {
    /// The calls between instances, those of an interface as one. Calls of an instance's own procedures
    /// are left out.
    pub fn edges(&self) -> BTreeSet<Edge> {
        let links = self.composition.links().iter();
        let edges = links.filter_map(|link| {
            let label = self.label(link)?;
            Some(Edge {
                source: link.source,
                target: link.target,
                label,
                kind: link.kind,
            })
        });
        edges.collect()
    }

    /// Returns `true` if calls lead to whatever instances the program installs.
    fn leads_to_installed(&self) -> bool {
        self.composition.links().iter().any(LinkRecord::is_by_key)
    }

    /// The import that a link is for, and its name; nothing if it is for an own procedure.
    pub fn import_of(&self, link: &LinkRecord) -> Option<(&str, &Import)> {
        let component = &self.instances.get(link.source as usize)?.component;
        let mut imports = component.imports.iter();
        let (name, import) = imports.find(|(_, import)| import.digest == link.digest)?;
        Some((name, import))
    }

    /// The export that a link leads to, by its name.
    pub fn export_of(&self, link: &LinkRecord) -> Option<&str> {
        let component = &self.instances.get(link.target as usize)?.component;
        let mut exports = component.exports.iter();
        let kind = link.kind.of_export();
        let (name, _) =
            exports.find(|(_, export)| export.digest == link.callee && export.kind == kind)?;
        Some(name)
    }

    fn label(&self, link: &LinkRecord) -> Option<String> {
        let (name, import) = self.import_of(link)?;
        Some(match (&import.function, &import.key) {
            (Some((InterfaceName::World, function)), _) => function.clone(),
            (Some((interface, _)), _) => interface.to_string(),
            (None, ImportKey::Function(identity)) => identity.interface.clone(),
            (None, ImportKey::Root) => name.to_owned(),
        })
    }

    /// The graph in the language of Graphviz.
    pub fn to_dot(&self) -> String {
        let mut text = String::from("digraph composition {\n    node [shape=box];\n");
        // Writing to a string does not fail.
        for (index, instance) in self.instances.iter().enumerate() {
            let _ = writeln!(
                text,
                "    i{index} [label={}];",
                quoted(&format!("{}\\n{}", instance.name, instance.component.name))
            );
        }
        if self.leads_to_installed() {
            let _ = writeln!(text, "    i{INSTALLED} [label=\"*\"];");
        }
        for edge in self.edges() {
            let Drawing { style, .. } = Drawing::of(edge.kind);
            let label = quoted(&edge.label);
            let _ = writeln!(
                text,
                "    i{} -> i{} [label={label}{style}];",
                edge.source, edge.target
            );
        }
        text.push_str("}\n");
        text
    }

    /// The graph in the language of Mermaid.
    pub fn to_mermaid(&self) -> String {
        let mut text = String::from("graph LR\n");
        for (index, instance) in self.instances.iter().enumerate() {
            let label = quoted(&format!(
                "{}<br/>{}",
                instance.name, instance.component.name
            ));
            let _ = writeln!(text, "    i{index}[{label}]");
        }
        if self.leads_to_installed() {
            let _ = writeln!(text, "    i{INSTALLED}[\"*\"]");
        }
        for edge in self.edges() {
            let Drawing { arrow, .. } = Drawing::of(edge.kind);
            let label = quoted(&edge.label);
            let _ = writeln!(
                text,
                "    i{} {arrow}|{label}| i{}",
                edge.source, edge.target
            );
        }
        text
    }
}

/// The arrows that calls of a kind are drawn with.
struct Drawing {
    /// For Graphviz.
    style: &'static str,
    /// For Mermaid.
    arrow: &'static str,
}

impl Drawing {
    fn of(kind: LinkKind) -> Self {
        let (style, arrow) = match kind {
            LinkKind::Shared => ("", "-->"),
            LinkKind::Fresh => (", style=dotted", "==>"),
            LinkKind::Isolated => (", style=dashed", "-.->"),
            LinkKind::Held => (", style=bold", "--o"),
        };
        Self { style, arrow }
    }
}

/// A text between quotes. Names of interfaces can be free text.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "'"))
}
