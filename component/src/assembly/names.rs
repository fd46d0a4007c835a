//! Resolution of the names in sources, which lead to a definition, to another name, or back to
//! themselves.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
};

use super::{
    outline::{Alias, Outline},
    reader::Name,
};
use crate::{
    error::{SourceError, SourceFault, Step},
    limits::MAX_CHAIN,
    text::line_of,
};

/// A source with its outline.
#[derive(Debug)]
pub(super) struct Unit {
    /// The file, for errors.
    pub(super) file: PathBuf,
    /// Its text.
    pub(super) text: String,
    /// The parts of the module's path.
    pub(super) module: Vec<String>,
    /// Its declarations.
    pub(super) outline: Outline,
}

impl Unit {
    /// An error at a place, in bytes.
    pub(super) fn error(&self, place: usize, fault: SourceFault) -> SourceError {
        error_at(&self.file, &self.text, place, fault)
    }

    pub(super) fn step(&self, place: usize, what: String) -> Step {
        Step {
            file: self.file.clone(),
            line: line_of(&self.text, place),
            what,
        }
    }
}

/// An error at a place of a text, in bytes.
pub(super) fn error_at(
    file: &std::path::Path,
    text: &str,
    place: usize,
    fault: SourceFault,
) -> SourceError {
    let before = text.as_bytes().get(..place).unwrap_or(text.as_bytes());
    let start = before.iter().rposition(|byte| *byte == b'\n');
    let line = &before[start.map_or(0, |start| start + 1)..];
    // Bytes that continue a character are not counted.
    let column = 1 + line.iter().filter(|byte| **byte & 0xc0 != 0x80).count();
    SourceError {
        file: file.into(),
        line: Some(line_of(text, place)),
        column: u32::try_from(column).ok(),
        fault,
    }
}

/// Something that a source declares: the unit's number and its own in the outline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Item {
    Alias(usize, usize),
    Constant(usize, usize),
    Type(usize, usize),
    Procedure(usize, usize),
}

/// The names of all sources, and of the modules of libraries.
pub(super) struct Names<'a> {
    pub(super) units: &'a [Unit],
    /// Modules by their paths; those of libraries have no unit.
    modules: HashMap<String, Option<usize>>,
    /// The declarations of the modules of the units.
    items: Vec<HashMap<&'a str, Item>>,
    /// Numbers that libraries export as constants, by their paths.
    constants: &'a BTreeMap<String, u64>,
}

/// Where a name leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// To a definition in a source.
    Item(Item),
    /// To the number that a library exports.
    Number(u64),
    /// To a module.
    Module,
    /// To code of a library, or to nothing, which the assembler will say.
    Other,
}

/// A name that cannot be followed.
enum Lost {
    Circle(Vec<(usize, usize)>),
    Chain,
}

impl<'a> Names<'a> {
    pub(super) fn new(
        units: &'a [Unit],
        libraries: impl Iterator<Item = String>,
        constants: &'a BTreeMap<String, u64>,
    ) -> Self {
        let mut modules: HashMap<String, Option<usize>> =
            libraries.map(|module| (module, None)).collect();
        let mut items = Vec::with_capacity(units.len());
        for (number, unit) in units.iter().enumerate() {
            modules.insert(unit.module.join("::"), Some(number));
            let Outline {
                aliases,
                constants,
                types,
                procedures,
            } = &unit.outline;
            let mut declared: HashMap<&str, Item> = HashMap::new();
            // Of two with one name the first is what counts; the assembler refuses the second.
            let mut declare = |name: &'a str, item| {
                declared.entry(name).or_insert(item);
            };
            for (index, alias) in aliases.iter().enumerate() {
                declare(&alias.name, Item::Alias(number, index));
            }
            for (index, constant) in constants.iter().enumerate() {
                declare(&constant.name, Item::Constant(number, index));
            }
            for (index, ty) in types.iter().enumerate() {
                declare(&ty.name, Item::Type(number, index));
            }
            for (index, procedure) in procedures.iter().enumerate() {
                declare(&procedure.name, Item::Procedure(number, index));
            }
            items.push(declared);
        }
        Self {
            units,
            modules,
            items,
            constants,
        }
    }

    /// Follows all imports; none may lead back to itself.
    ///
    /// The assembler follows them whether they are used or not, and without noticing circles.
    pub(super) fn check_aliases(&self) -> Result<(), SourceError> {
        for (number, unit) in self.units.iter().enumerate() {
            for (index, alias) in unit.outline.aliases.iter().enumerate() {
                let Some(target) = &alias.target else {
                    continue;
                };
                let found = self
                    .follow(number, target, Some(index))
                    .map_err(|lost| self.error(number, alias.place, lost))?;
                // The assembler does not foresee it.
                if alias.is_public && found == Target::Module {
                    return Err(unit.error(alias.target_place, SourceFault::ExportedModule));
                }
            }
        }
        Ok(())
    }

    /// Where a name in a unit leads.
    pub(super) fn target(&self, unit: usize, name: &Name) -> Result<Target, SourceError> {
        self.follow(unit, name, None)
            .map_err(|lost| self.error(unit, name.place, lost))
    }

    /// The procedures of the units, by their units and numbers, each as often as an instruction names it or an
    /// import exports it under another name.
    pub(super) fn named_procedures(&self) -> Vec<(usize, usize)> {
        let mut named = Vec::new();
        for (number, unit) in self.units.iter().enumerate() {
            let procedures = unit.outline.procedures.iter();
            let invoked = procedures.flat_map(|procedure| &procedure.invoked);
            let invoked = invoked.map(|invoked| self.follow(number, &invoked.target, None));
            let aliases = unit.outline.aliases.iter().enumerate();
            let exported = aliases.filter(|(_, alias)| alias.is_public);
            let exported = exported.filter_map(|(index, alias)| {
                Some(self.follow(number, alias.target.as_ref()?, Some(index)))
            });
            for target in invoked.chain(exported) {
                if let Ok(Target::Item(Item::Procedure(unit, procedure))) = target {
                    named.push((unit, procedure));
                }
            }
        }
        named
    }

    /// The steps that names of a unit take inside of its own imports, one after the other.
    pub(super) fn local_steps(&self, unit: usize) -> u64 {
        let aliases = self.units[unit].outline.aliases.iter();
        aliases
            .filter_map(|alias| {
                let mut steps = 0;
                self.expand(unit, alias.target.as_ref()?, &mut steps).ok()?;
                Some(steps as u64)
            })
            .sum()
    }

    fn alias(&self, unit: usize, name: &str) -> Option<(usize, &'a Alias)> {
        match self.items[unit].get(name) {
            Some(Item::Alias(_, index)) => {
                Some((*index, &self.units[unit].outline.aliases[*index]))
            }
            _ => None,
        }
    }

    /// The path from the root that a name of a unit stands for by the unit's imports; nothing if that
    /// is a procedure's hash.
    fn expand(
        &self,
        unit: usize,
        name: &'a Name,
        steps: &mut usize,
    ) -> Result<Option<Vec<&'a str>>, Lost> {
        // What is behind the parts that were replaced, last first.
        let mut behind: Vec<&'a str> = Vec::new();
        let mut passed: Vec<(usize, usize)> = Vec::new();
        let mut name = name;
        loop {
            *steps += 1;
            if passed.len() > MAX_CHAIN {
                return Err(Lost::Chain);
            }
            let parts = &name.parts;
            let found = parts.first().and_then(|first| self.alias(unit, first));
            let next = match found {
                Some((_, alias))
                    if alias.target.as_ref().is_some_and(|next| next.is_like(name)) =>
                {
                    // The import's own path begins with its name, and means what is outside.
                    None
                }
                Some((index, alias)) => {
                    let Some(next) = &alias.target else {
                        return Ok(None);
                    };
                    if let Some(start) = passed.iter().position(|place| *place == (unit, index)) {
                        return Err(Lost::Circle(passed.split_off(start)));
                    }
                    passed.push((unit, index));
                    Some(next)
                }
                None => None,
            };
            match next {
                Some(next) => {
                    behind.extend(parts.iter().skip(1).rev().map(String::as_str));
                    name = next;
                }
                None => {
                    let mut path: Vec<&str> = parts.iter().map(String::as_str).collect();
                    path.extend(behind.into_iter().rev());
                    return Ok(Some(path));
                }
            }
        }
    }

    /// Follows a name of a unit to its definition. `start` is the import whose target it is.
    fn follow(&self, unit: usize, name: &'a Name, start: Option<usize>) -> Result<Target, Lost> {
        // The imports that were passed, and how many parts of the name were left.
        let mut passed: Vec<((usize, usize), usize)> = Vec::new();
        let mut unit = unit;
        let (mut path, mut is_absolute) = match start {
            Some(index) => {
                passed.push(((unit, index), 0));
                match self.expand(unit, name, &mut 0)? {
                    Some(path) => (path, true),
                    None => return Ok(Target::Other),
                }
            }
            None => (
                name.parts.iter().map(String::as_str).collect(),
                name.is_absolute,
            ),
        };
        loop {
            if passed.len() > MAX_CHAIN || path.len() > 2 * MAX_CHAIN {
                return Err(Lost::Chain);
            }
            if is_absolute {
                let Some((module, length)) = self.module_of(&path) else {
                    return Ok(Target::Other);
                };
                if length == path.len() {
                    return Ok(Target::Module);
                }
                let Some(module) = module else {
                    let number = self.constants.get(&path.join("::"));
                    return Ok(number.map_or(Target::Other, |number| Target::Number(*number)));
                };
                path.drain(..length);
                unit = module;
            }
            let rest = path.len() - 1;
            match self.items[unit].get(path[0]) {
                Some(Item::Alias(_, index)) => {
                    let at = (unit, *index);
                    // Passed again with as much before it, it will be passed again for ever.
                    let before = passed
                        .iter()
                        .position(|(place, left)| *place == at && *left <= rest);
                    if let Some(before) = before {
                        let circle = passed.split_off(before);
                        return Err(Lost::Circle(circle.into_iter().map(|(at, _)| at).collect()));
                    }
                    passed.push((at, rest));
                    let alias = &self.units[unit].outline.aliases[*index];
                    let Some(target) = &alias.target else {
                        return Ok(Target::Other);
                    };
                    let Some(mut next) = self.expand(unit, target, &mut 0)? else {
                        return Ok(Target::Other);
                    };
                    next.extend(&path[1..]);
                    path = next;
                    is_absolute = true;
                }
                Some(item) if rest == 0 => return Ok(Target::Item(*item)),
                Some(_) => return Ok(Target::Other),
                None if rest == 0 => return Ok(Target::Other),
                // What does not begin with a name of the module begins at the root.
                None => is_absolute = true,
            }
        }
    }

    /// The module with the longest path that a path begins with, and how many parts it has.
    fn module_of(&self, path: &[&str]) -> Option<(Option<usize>, usize)> {
        (1..=path.len()).rev().find_map(|length| {
            let module = self.modules.get(&path[..length].join("::"))?;
            Some((*module, length))
        })
    }

    fn error(&self, unit: usize, place: usize, lost: Lost) -> SourceError {
        let circle = match lost {
            Lost::Chain => return self.units[unit].error(place, SourceFault::Chain("name")),
            Lost::Circle(circle) => circle,
        };
        let mut missing = None;
        let steps: Vec<Step> = circle
            .iter()
            .map(|(unit, index)| {
                let unit = &self.units[*unit];
                let alias = &unit.outline.aliases[*index];
                let target = alias.target.as_ref();
                let text = target.map(Name::text).unwrap_or_default();
                if let Some(target) = target
                    && !self.modules.contains_key(&target.parts.join("::"))
                    && target.parts.starts_with(&unit.module)
                {
                    missing.get_or_insert_with(|| target.parts.join("::"));
                }
                let module = unit.module.join("::");
                unit.step(
                    alias.place,
                    format!("`{module}::{}` is `{text}`", alias.name),
                )
            })
            .collect();
        let (first_unit, first_alias) = circle.first().copied().unwrap_or((unit, 0));
        let unit = &self.units[first_unit];
        let place = unit
            .outline
            .aliases
            .get(first_alias)
            .map_or(place, |alias| alias.place);
        unit.error(place, SourceFault::AliasCircle(steps, missing))
    }
}
