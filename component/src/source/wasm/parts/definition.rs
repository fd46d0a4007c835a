//! A component as it is written: its definitions, one after another.

use std::rc::Rc;

use wasmparser::{
    CanonicalFunction, ComponentAlias, ComponentExport, ComponentImport, ComponentInstance,
    ComponentType, Instance, Parser, Payload, Validator, WasmFeatures,
};

use super::super::binary::{invalid, refused};
use crate::error::Problem;

/// A component with what it defines, in order.
#[derive(Debug, Default)]
pub(super) struct Definition<'a> {
    pub(super) items: Vec<Item<'a>>,
}

/// Something that a component defines.
#[derive(Debug)]
pub(super) enum Item<'a> {
    Module(&'a [u8]),
    CoreInstance(Instance<'a>),
    Component(Rc<Definition<'a>>),
    Instance(ComponentInstance<'a>),
    Alias(ComponentAlias<'a>),
    Type(ComponentType<'a>),
    Canonical(CanonicalFunction),
    Import(ComponentImport<'a>),
    Export(ComponentExport<'a>),
}

impl<'a> Definition<'a> {
    /// Reads and validates a component.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Problem> {
        let fails = |error| invalid(&error);
        Validator::new_with_features(WasmFeatures::all())
            .validate_all(bytes)
            .map_err(fails)?;
        let mut open: Vec<Option<Self>> = Vec::new();
        let mut current = Some(Self::default());
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload.map_err(fails)?;
            match payload {
                Payload::ModuleSection {
                    unchecked_range, ..
                } => {
                    let range = unchecked_range.start as usize..unchecked_range.end as usize;
                    if let Some(definition) = &mut current {
                        let module = bytes.get(range).unwrap_or_default();
                        definition.items.push(Item::Module(module));
                    }
                    open.push(current.take());
                }
                Payload::ComponentSection { .. } => {
                    open.push(current.replace(Self::default()));
                }
                Payload::End(_) => {
                    let Some(parent) = open.pop() else {
                        return current.ok_or_else(|| refused("it is a core module"));
                    };
                    let ended = std::mem::replace(&mut current, parent);
                    if let (Some(definition), Some(ended)) = (&mut current, ended) {
                        definition.items.push(Item::Component(Rc::new(ended)));
                    }
                }
                payload => {
                    if let Some(definition) = &mut current {
                        definition.section(payload)?;
                    }
                }
            }
        }
        Err(refused("it has no end"))
    }

    fn section(&mut self, payload: Payload<'a>) -> Result<(), Problem> {
        let items = &mut self.items;
        let added = match payload {
            Payload::ComponentTypeSection(section) => add(items, section, Item::Type),
            Payload::ComponentImportSection(section) => add(items, section, Item::Import),
            Payload::InstanceSection(section) => add(items, section, Item::CoreInstance),
            Payload::ComponentAliasSection(section) => add(items, section, Item::Alias),
            Payload::ComponentCanonicalSection(section) => add(items, section, Item::Canonical),
            Payload::ComponentInstanceSection(section) => add(items, section, Item::Instance),
            Payload::ComponentExportSection(section) => add(items, section, Item::Export),
            Payload::ComponentStartSection { .. } => {
                return Err(refused("it has a start function of the component itself"));
            }
            _ => Ok(()),
        };
        added.map_err(|error| invalid(&error))
    }
}

fn add<'a, T>(
    items: &mut Vec<Item<'a>>,
    section: impl IntoIterator<Item = wasmparser::Result<T>>,
    item: impl Fn(T) -> Item<'a>,
) -> wasmparser::Result<()> {
    for defined in section {
        items.push(item(defined?));
    }
    Ok(())
}
