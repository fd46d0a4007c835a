//! The instances of a composition and of the compositions in it.
//!
//! A composition that is used as a component is taken apart: its instances become instances of the
//! whole, by names like `bank/ledger`, and wires that lead to it or out of it lead on.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use miden_cvm_air::composition::MAX_INSTANCES;
use toml::Spanned;

use crate::{
    COMPONENT_FILE,
    assembly::toolchain::Toolchain,
    error::{BuildError, ClaimProblem, Problem},
    file::read_file,
    limits::{AssemblyLimits, LimitName, MAX_COMPOSITIONS},
    link::{
        file::{CompositionFile, InstanceEntry, OUTSIDE, split_target},
        wac,
    },
    source::{
        component::{Component, imported_names},
        files::is_link_loop,
        libraries::with_libraries,
    },
    text::{document::Document, names::check_name},
    wit::{Interface, InterfaceName, find::short_names},
};

/// The files by which a folder is a composition.
const COMPOSITION_FILES: [&str; 2] = ["composition.toml", "composition.wac"];

/// The endings of files that are looked for where a name has none.
const ENDINGS: [&str; 3] = ["masp", "toml", "wac"];

/// The most references that all wires of a composition may go over: looking for who has an export can go
/// over each of them twice at every level.
const MAX_TOTAL_STEPS: u32 = 1 << 22;

/// The most references that one wire may go over: there are no such nestings, but there are circles.
const MAX_STEPS: usize = 1 << 10;

/// Reads a composition file: TOML, or WAC if its name ends so.
fn read(path: &Path) -> Result<(Document, CompositionFile), BuildError> {
    let document = Document::read(path, "composition file")?;
    let file = if path.extension().is_some_and(|extension| extension == "wac") {
        wac::parse(&document)?
    } else {
        document.parse()?
    };
    Ok((document, file))
}

/// A composition file and what its instances are.
pub(crate) struct Scope {
    pub(crate) document: Document,
    pub(crate) file: CompositionFile,
    /// The composition around it, and its instance there.
    parent: Option<(usize, String)>,
    nodes: BTreeMap<String, Node>,
}

impl Scope {
    /// The composition file, and the libraries that it names.
    pub(crate) fn files(&self) -> impl Iterator<Item = PathBuf> {
        let path = self.document.path();
        let folder = path.parent().unwrap_or(Path::new(""));
        let libraries = self.file.libraries.iter();
        let libraries = libraries.map(|library| folder.join(library.get_ref()));
        std::iter::once(path.to_owned()).chain(libraries)
    }

    /// Checks that a reference leads to an instance, or to what is around the composition.
    fn check_reference(&self, reference: &Spanned<String>) -> Result<(), BuildError> {
        let (name, _) = split_target(reference.get_ref());
        match name == OUTSIDE || self.nodes.contains_key(name) {
            true => Ok(()),
            false => Err(self.unknown_instance(reference)),
        }
    }

    /// The error of a reference to an instance that is not there.
    fn unknown_instance(&self, reference: &Spanned<String>) -> BuildError {
        let (name, _) = split_target(reference.get_ref());
        let problem = Problem::UnknownInstance(name.into());
        let error = self.document.error_at(reference, problem);
        error.with_similar(name, self.nodes.keys())
    }
}

/// An instance of a composition file: one of a component, or of another composition.
#[derive(Clone, Copy)]
enum Node {
    Instance(usize),
    Composition(usize),
}

/// An instance of a component.
pub(crate) struct Placed {
    /// Its name in the whole.
    pub(crate) name: String,
    /// Its composition file, by position.
    pub(crate) scope: usize,
    /// Its name there.
    local: String,
    /// The component that it is an instance of.
    pub(crate) component: Arc<Component>,
}

/// Where a reference leads.
pub(crate) struct Target {
    /// The instance.
    pub(crate) index: u32,
    /// The interface or export of it that was named, if one was.
    pub(crate) item: Option<String>,
}

/// A composition, taken apart.
pub(crate) struct Tree {
    pub(crate) scopes: Vec<Scope>,
    /// The instances, the root first, then the others in the order of their names.
    pub(crate) instances: Vec<Placed>,
    /// The components that instances install, by their folders or packages.
    pub(crate) installed: BTreeMap<PathBuf, Arc<Component>>,
    /// The export that the root runs, by name.
    pub(crate) main: String,
    /// References that were followed so far.
    steps: Cell<u32>,
}

impl Tree {
    /// Reads a composition file, what it names, and what that names.
    pub(crate) fn load(path: &Path, toolchain: &Toolchain) -> Result<Self, BuildError> {
        let mut loader = Loader {
            toolchain: toolchain.clone(),
            libraries: Vec::new(),
            components: BTreeMap::new(),
            open: Vec::new(),
            scopes: Vec::new(),
            instances: Vec::new(),
            installed: BTreeMap::new(),
        };
        loader.composition(path, None, "")?;
        let mut tree = Self {
            scopes: loader.scopes,
            instances: loader.instances,
            installed: loader.installed,
            main: String::new(),
            steps: Cell::new(0),
        };
        tree.check()?;
        tree.check_parts(toolchain.limits())?;
        let whole = &tree.scopes[0];
        let count = tree.instances.len();
        if count > MAX_INSTANCES as usize {
            let problem = Problem::TooManyInstances(count);
            return Err(BuildError::in_file(whole.document.path(), problem));
        }
        let main = whole.file.main.clone();
        let main =
            main.ok_or_else(|| BuildError::in_file(whole.document.path(), Problem::NoMain))?;
        let at_main = |problem| tree.scopes[0].document.error_at(&main, problem);
        if split_target(main.get_ref()).1.is_none() {
            return Err(at_main(Problem::Reference(main.get_ref().clone())));
        }
        let target = tree.target(0, &main, None)?;
        let Some(item) = target.item else {
            return Err(at_main(Problem::Reference(main.get_ref().clone())));
        };
        tree.main = item;
        tree.put_first(target.index as usize);
        Ok(tree)
    }

    /// The entry of an instance in its composition file, and its name there.
    pub(crate) fn entry(&self, placed: &Placed) -> Option<(&Spanned<String>, &InstanceEntry)> {
        let instances = &self.scopes[placed.scope].file.instances;
        instances.get_key_value(placed.local.as_str())
    }

    /// Returns `true` if calls of an instance are claimed and not run.
    pub(crate) fn is_claimed(&self, index: u32) -> bool {
        let entry = self.entry(&self.instances[index as usize]);
        entry.is_some_and(|(_, entry)| entry.claimed)
    }

    /// The problem of a claimed instance.
    pub(crate) fn claimed(&self, index: u32, reason: ClaimProblem) -> Problem {
        let instance = self.instances[index as usize].name.clone();
        Problem::Claimed { instance, reason }
    }

    /// Puts an instance first and the others in the order of their names.
    fn put_first(&mut self, root: usize) {
        let mut order: Vec<usize> = (0..self.instances.len()).collect();
        order.sort_by_key(|index| (*index != root, &self.instances[*index].name));
        let mut position = vec![0; order.len()];
        for (new, old) in order.iter().enumerate() {
            position[*old] = new;
        }
        let mut instances: Vec<(usize, Placed)> = position
            .iter()
            .copied()
            .zip(self.instances.drain(..))
            .collect();
        instances.sort_by_key(|(position, _)| *position);
        self.instances = instances.into_iter().map(|(_, placed)| placed).collect();
        for scope in &mut self.scopes {
            for node in scope.nodes.values_mut() {
                if let Node::Instance(index) = node {
                    *index = position[*index];
                }
            }
        }
    }

    /// The instance that a reference in a composition file leads to. If the reference names only an
    /// instance, `wanted` is what is to be had of it.
    pub(crate) fn target(
        &self,
        scope: usize,
        reference: &Spanned<String>,
        wanted: Option<&str>,
    ) -> Result<Target, BuildError> {
        let mut scope = scope;
        let mut reference = reference;
        let mut wanted: Option<String> = wanted.map(ToOwned::to_owned);
        // Whether `wanted` was written down on the way, and not only derived from the import.
        let mut is_named = false;
        for _ in 0..MAX_STEPS {
            self.steps.set(self.steps.get().saturating_add(1));
            if self.steps.get() > MAX_TOTAL_STEPS {
                break;
            }
            let here = &self.scopes[scope];
            let at_wire = |problem| here.document.error_at(reference, problem);
            let (name, item) = split_target(reference.get_ref());
            let asked = item.map(ToOwned::to_owned).or_else(|| wanted.clone());
            is_named |= item.is_some();
            if name == OUTSIDE {
                let Some((parent, local)) = &here.parent else {
                    return Err(at_wire(Problem::NothingOutside));
                };
                let asked = asked.unwrap_or_default();
                let entry = self.scopes[*parent].file.instances.get(local.as_str());
                let wire = match entry {
                    Some(entry) => self.outside_wire(*parent, entry, &asked),
                    None => Ok(None),
                };
                reference = wire.map_err(at_wire)?.ok_or_else(|| {
                    at_wire(Problem::UnmetByOutside {
                        composition: local.clone(),
                        import: asked.clone(),
                    })
                })?;
                (scope, wanted) = (*parent, Some(asked));
                continue;
            }
            match here.nodes.get(name) {
                None => return Err(here.unknown_instance(reference)),
                Some(Node::Instance(index)) => {
                    return Ok(Target {
                        index: *index as u32,
                        item: asked.filter(|_| is_named),
                    });
                }
                Some(Node::Composition(inner)) => {
                    let asked = asked.unwrap_or_default();
                    let file = &self.scopes[*inner].file;
                    let export = find_key(&file.exports, &asked).map_err(at_wire)?;
                    let next = export.or_else(|| {
                        let all = file.export_all.iter();
                        all.clone()
                            .find(|spread| self.offers(*inner, spread, &asked))
                    });
                    reference = next.ok_or_else(|| {
                        at_wire(Problem::UnknownExport {
                            instance: name.into(),
                            component: self.scopes[*inner].document.path().display().to_string(),
                            export: asked.clone(),
                        })
                        .with_similar(&asked, file.exports.keys().map(Spanned::get_ref))
                    })?;
                    (scope, wanted) = (*inner, Some(asked));
                }
            }
        }
        let document = &self.scopes[scope].document;
        Err(document.error_at(reference, Problem::WireCycle(reference.get_ref().clone())))
    }

    /// Returns the entry that meets an import of a composition where that is used as a component.
    fn outside_wire<'e>(
        &self,
        scope: usize,
        entry: &'e InstanceEntry,
        asked: &str,
    ) -> Result<Option<&'e Spanned<String>>, Problem> {
        let named = find_key(&entry.imports, asked)?;
        Ok(named.or_else(|| {
            let mut others = entry.others.iter();
            others
                .clone()
                .find(|other| self.offers(scope, other, asked))
                // What is around the whole may have it.
                .or_else(|| others.find(|other| other.get_ref() == OUTSIDE))
        }))
    }

    /// Checks how many parts of types there are to compare when interfaces are wired, before any is.
    fn check_parts(&self, limits: AssemblyLimits) -> Result<(), BuildError> {
        let mut of_components: BTreeMap<*const Component, u64> = BTreeMap::new();
        let mut compared = 0_u64;
        for instance in &self.instances {
            let parts = of_components
                .entry(Arc::as_ptr(&instance.component))
                .or_insert_with(|| {
                    let world = instance.component.world.iter();
                    let interfaces = world.flat_map(|world| &world.world.imports);
                    interfaces.map(Interface::parts).sum()
                });
            compared = compared.saturating_add(*parts);
            if compared > limits.wired_parts {
                let problem = Problem::Limit {
                    limit: LimitName::WiredParts,
                    what: "the composition",
                    allowed: limits.wired_parts,
                };
                let document = &self.scopes[instance.scope].document;
                return Err(match self.entry(instance) {
                    Some((name, _)) => document.error_at(name, problem),
                    None => BuildError::in_file(document.path(), problem),
                });
            }
        }
        Ok(())
    }

    /// Checks that no composition says anything twice, or something that says nothing.
    fn check(&self) -> Result<(), BuildError> {
        for (number, scope) in self.scopes.iter().enumerate() {
            let Scope { document, file, .. } = scope;
            if let Some((_, second)) = same_keys(&file.exports) {
                let problem = Problem::ExportTwice(second.get_ref().clone());
                return Err(document.error_at(second, problem));
            }
            for (name, entry) in &file.instances {
                // Those of a component are compared with what it imports.
                let Some(Node::Composition(inner)) = scope.nodes.get(name.get_ref()) else {
                    continue;
                };
                if let Some((first, second)) = same_keys(&entry.imports) {
                    let problem = Problem::WiredTwice {
                        import: second.get_ref().clone(),
                        first: first.get_ref().clone(),
                        second: second.get_ref().clone(),
                    };
                    return Err(document.error_at(second, problem));
                }
                self.check_wires_of(number, entry, *inner)?;
            }
            self.check_exports(number)?;
            self.check_spread_exports(number)?;
        }
        Ok(())
    }

    /// Checks that each wire of a composition in a composition leads from something that it asks for to
    /// an instance.
    fn check_wires_of(
        &self,
        scope: usize,
        entry: &InstanceEntry,
        inner: usize,
    ) -> Result<(), BuildError> {
        let around = &self.scopes[scope];
        for wire in entry.imports.values().chain(&entry.others) {
            around.check_reference(wire)?;
        }
        let asked = self.asked_of_outside(inner);
        for key in entry.imports.keys() {
            let mut meant = asked
                .iter()
                .filter(|asked| stands_for(asked, key.get_ref()))
                .peekable();
            if let Some(first) = meant.peek() {
                // A wire by the very name stands before others that could be meant.
                let first = (*first).clone();
                let is_exact = |name: &String| {
                    name != key.get_ref() && entry.imports.contains_key(name.as_str())
                };
                if meant.all(is_exact) {
                    let problem = Problem::WiredTwice {
                        import: first.clone(),
                        first,
                        second: key.get_ref().clone(),
                    };
                    return Err(around.document.error_at(key, problem));
                }
            } else {
                let inner = self.scopes[inner].document.path();
                let problem = Problem::UnknownImport {
                    component: inner.display().to_string(),
                    import: key.get_ref().clone(),
                };
                let error = around.document.error_at(key, problem);
                return Err(error.with_similar(key.get_ref(), &asked));
            }
        }
        Ok(())
    }

    /// The imports of a composition.
    fn asked_of_outside(&self, scope: usize) -> BTreeSet<String> {
        let Scope { file, nodes, .. } = &self.scopes[scope];
        let mut asked = file.declared.clone();
        let mut add = |reference: &str, name: Option<&str>| {
            if let (OUTSIDE, item) = split_target(reference) {
                asked.extend(item.or(name).map(ToOwned::to_owned));
            }
        };
        for (name, value) in &file.exports {
            add(value.get_ref(), Some(name.get_ref()));
        }
        for value in file.export_all.iter().chain(&file.main) {
            add(value.get_ref(), None);
        }
        for (name, entry) in &file.instances {
            for (key, wire) in &entry.imports {
                add(wire.get_ref(), Some(key.get_ref()));
            }
            for other in &entry.others {
                add(other.get_ref(), None);
            }
            if entry.others.iter().any(|other| other.get_ref() == OUTSIDE) {
                match nodes.get(name.get_ref()) {
                    Some(Node::Instance(index)) => {
                        for name in imported_names(&self.instances[*index].component) {
                            add(OUTSIDE, Some(&name));
                        }
                    }
                    Some(Node::Composition(inner)) => {
                        for name in self.asked_of_outside(*inner) {
                            add(OUTSIDE, Some(&name));
                        }
                    }
                    None => {}
                }
            }
        }
        asked
    }

    /// Checks that each export of a composition is one of an instance in it.
    fn check_exports(&self, scope: usize) -> Result<(), BuildError> {
        let here = &self.scopes[scope];
        for value in &here.file.export_all {
            here.check_reference(value)?;
        }
        for (name, value) in &here.file.exports {
            here.check_reference(value)?;
            let (instance, item) = split_target(value.get_ref());
            let item = item.unwrap_or(name.get_ref());
            let Some(node) = here.nodes.get(instance) else {
                continue;
            };
            let Some(known) = self.export_names(scope, instance) else {
                continue;
            };
            let (is_there, component) = match node {
                Node::Instance(index) => {
                    let component = &self.instances[*index].component;
                    let is_there = component.exports.contains_key(item)
                        || component.resources.contains_key(item);
                    (is_there, component.name.clone())
                }
                Node::Composition(inner) => {
                    let path = self.scopes[*inner].document.path();
                    (false, path.display().to_string())
                }
            };
            if !is_there && !known.iter().any(|known| stands_for(item, known)) {
                let problem = Problem::UnknownExport {
                    instance: instance.into(),
                    component,
                    export: item.into(),
                };
                let error = here.document.error_at(value, problem);
                return Err(error.with_similar(item, known));
            }
        }
        Ok(())
    }

    /// Checks that each instance all of whose exports are exported has one that is not yet, and that what
    /// it has is not exported again by its name.
    fn check_spread_exports(&self, scope: usize) -> Result<(), BuildError> {
        let Scope { document, file, .. } = &self.scopes[scope];
        let mut exported: BTreeSet<String> = BTreeSet::new();
        for spread in &file.export_all {
            let Some(names) = self.export_names(scope, spread.get_ref()) else {
                continue;
            };
            for name in &names {
                let again = file.exports.get_key_value(name.as_str());
                if let Some((again, _)) = again
                    && again.span().start > spread.span().start
                {
                    return Err(document.error_at(again, Problem::ExportTwice(name.clone())));
                }
            }
            let is_new = |name: &String| {
                !file.exports.contains_key(name.as_str()) && !exported.contains(name)
            };
            if !names.iter().any(is_new) {
                let problem = Problem::NothingToExport(spread.get_ref().clone());
                return Err(document.error_at(spread, problem));
            }
            exported.extend(names);
        }
        Ok(())
    }

    /// The names of what an instance of a composition file exports; nothing if that is not known here.
    fn export_names(&self, scope: usize, instance: &str) -> Option<Vec<String>> {
        match self.scopes[scope].nodes.get(instance)? {
            Node::Instance(index) => {
                let component = &self.instances[*index].component;
                let functions = component.exports.iter().filter(|(_, export)| {
                    let interface = export.function.as_ref().map(|(interface, _)| interface);
                    interface.is_none_or(|interface| *interface == InterfaceName::World)
                });
                let world = component.world.iter();
                let interfaces = world.flat_map(|world| &world.world.exports);
                let names = functions.map(|(name, _)| name.clone()).chain(
                    interfaces
                        .filter(|interface| interface.name != InterfaceName::World)
                        .map(|interface| interface.name.to_string()),
                );
                Some(names.collect())
            }
            Node::Composition(inner) => {
                let file = &self.scopes[*inner].file;
                let mut names: Vec<String> = file
                    .exports
                    .keys()
                    .map(|name| name.get_ref().clone())
                    .collect();
                for spread in &file.export_all {
                    names.extend(self.export_names(*inner, spread.get_ref())?);
                }
                Some(names)
            }
        }
    }

    /// Returns `true` if the instance that a reference names has an export, or an interface, of a
    /// name.
    pub(crate) fn offers(&self, scope: usize, reference: &Spanned<String>, name: &str) -> bool {
        let Ok(target) = self.target(scope, reference, Some(name)) else {
            return false;
        };
        if target.item.is_some() {
            return true;
        }
        let component = &self.instances[target.index as usize].component;
        let mut interfaces = component
            .world
            .iter()
            .flat_map(|world| &world.world.exports);
        component.exports.contains_key(name)
            || interfaces.any(|interface| stands_for(name, &interface.name.to_string()))
    }
}

/// Returns the entry for a name: that of this very name, or the only one that stands for it.
///
/// # Errors
/// Returns an error if there are several.
fn find_key<'e>(
    entries: &'e BTreeMap<Spanned<String>, Spanned<String>>,
    name: &str,
) -> Result<Option<&'e Spanned<String>>, Problem> {
    if let Some(exact) = entries.get(name) {
        return Ok(Some(exact));
    }
    let mut others = entries
        .iter()
        .filter(|(key, _)| stands_for(name, key.get_ref()));
    match (others.next(), others.next()) {
        (Some((first, _)), Some((second, _))) => Err(Problem::Ambiguous {
            asked: name.into(),
            first: first.get_ref().clone(),
            second: second.get_ref().clone(),
        }),
        (found, _) => Ok(found.map(|(_, value)| value)),
    }
}

/// Two keys of an entry that name one interface, one of them without its version or its package.
fn same_keys<T>(
    entries: &BTreeMap<Spanned<String>, T>,
) -> Option<(&Spanned<String>, &Spanned<String>)> {
    entries.keys().find_map(|key| {
        let name = key.get_ref().parse::<InterfaceName>().ok()?;
        let (other, _) = short_names(&name)
            .iter()
            .filter(|short| *short != key.get_ref())
            .find_map(|short| entries.get_key_value(short.as_str()))?;
        // The later one is the mistake.
        let in_order = key.span().start < other.span().start;
        Some(if in_order { (key, other) } else { (other, key) })
    })
}

/// Returns `true` if what is asked for by one name is had by another: an interface by a shorter
/// name, or of another version of its track.
fn stands_for(asked: &str, offered: &str) -> bool {
    if asked == offered {
        return true;
    }
    match (
        asked.parse::<InterfaceName>(),
        offered.parse::<InterfaceName>(),
    ) {
        (Ok(asked), Ok(offered)) => {
            asked.accepts(&offered)
                || short_names(&asked).contains(&offered.to_string())
                || short_names(&offered).contains(&asked.to_string())
        }
        _ => false,
    }
}

/// Reads files, each component once.
struct Loader {
    /// The settings with which the components of the composition file that is being read are assembled.
    toolchain: Toolchain,
    /// The libraries among it that composition files name, with links resolved.
    libraries: Vec<PathBuf>,
    /// Components by their paths with links resolved, and by the libraries.
    components: BTreeMap<(PathBuf, Vec<PathBuf>), Arc<Component>>,
    /// The composition files that are being read, with links resolved.
    open: Vec<PathBuf>,
    scopes: Vec<Scope>,
    instances: Vec<Placed>,
    /// Components that are installed, by their paths as compositions have them.
    installed: BTreeMap<PathBuf, Arc<Component>>,
}

impl Loader {
    /// Reads a composition file; what its instances are called begins with `prefix`.
    fn composition(
        &mut self,
        path: &Path,
        parent: Option<(usize, String)>,
        prefix: &str,
    ) -> Result<usize, BuildError> {
        let (document, file) = read(path)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let outer = match file.libraries.is_empty() {
            true => None,
            false => {
                let extended = with_libraries(&document, folder, &file.libraries, &self.toolchain)?;
                let named = file.libraries.iter();
                let named = named.map(|library| folder.join(library.get_ref()));
                let named = named.map(|path| fs::canonicalize(&path).unwrap_or(path));
                let libraries = self.libraries.iter().cloned().chain(named).collect();
                Some((
                    std::mem::replace(&mut self.toolchain, extended),
                    std::mem::replace(&mut self.libraries, libraries),
                ))
            }
        };
        let scope = self.scopes.len();
        let entries: Vec<(Spanned<String>, Spanned<String>)> = file
            .instances
            .iter()
            .map(|(name, entry)| (name.clone(), entry.component.clone()))
            .collect();
        let installs = file.instances.values().filter_map(|e| e.installs.as_ref());
        let installs: Vec<Spanned<String>> = installs.flatten().cloned().collect();
        self.scopes.push(Scope {
            document,
            file,
            parent,
            nodes: BTreeMap::new(),
        });
        self.open
            .push(fs::canonicalize(path).unwrap_or_else(|_| path.into()));
        for (name, component) in entries {
            let document = &self.scopes[scope].document;
            check_name("an instance", name.get_ref())
                .and_then(|()| match name.get_ref() == OUTSIDE {
                    true => Err(Problem::ReservedInstance),
                    false => Ok(()),
                })
                .map_err(|problem| document.error_at(&name, problem))?;
            let local = name.get_ref().clone();
            let full = format!("{prefix}{local}");
            let place = ComponentSource::find(document, &component)?;
            let node = if place.is_composition {
                let entry = self.scopes[scope].file.instances.get(local.as_str());
                if entry.is_some_and(|entry| entry.claimed) {
                    let problem = Problem::Claimed {
                        instance: full,
                        reason: ClaimProblem::Composition,
                    };
                    return Err(document.error_at(&name, problem));
                }
                if self.open.contains(&place.canonical) {
                    let problem = Problem::CompositionCycle(place.written);
                    return Err(document.error_at(&component, problem));
                }
                if self.open.len() >= MAX_COMPOSITIONS {
                    return Err(document.error_at(&component, Problem::CompositionDepth));
                }
                if self.scopes.len() >= MAX_INSTANCES as usize {
                    let problem = Problem::TooManyInstances(self.scopes.len());
                    return Err(document.error_at(&component, problem));
                }
                let parent = Some((scope, local.clone()));
                Node::Composition(self.composition(&place.written, parent, &format!("{full}/"))?)
            } else {
                let loaded = self.component(scope, &place, &component)?;
                self.instances.push(Placed {
                    name: full,
                    scope,
                    local: local.clone(),
                    component: loaded,
                });
                Node::Instance(self.instances.len() - 1)
            };
            self.scopes[scope].nodes.insert(local, node);
        }
        for entry in installs {
            let document = &self.scopes[scope].document;
            let place = ComponentSource::find(document, &entry)?;
            if place.is_composition {
                let problem = Problem::NotAComponent(place.written);
                return Err(document.error_at(&entry, problem));
            }
            let component = self.component(scope, &place, &entry)?;
            if let Err(reason) = component.record() {
                let problem = Problem::NotInstallable {
                    component: component.name.clone(),
                    reason,
                };
                return Err(self.scopes[scope].document.error_at(&entry, problem));
            }
            self.installed.insert(place.written, component);
        }
        self.open.pop();
        if let Some(outer) = outer {
            (self.toolchain, self.libraries) = outer;
        }
        Ok(scope)
    }
}

impl Loader {
    /// The component at a place, read once.
    fn component(
        &mut self,
        scope: usize,
        place: &ComponentSource,
        entry: &Spanned<String>,
    ) -> Result<Arc<Component>, BuildError> {
        let key = (place.canonical.clone(), self.libraries.clone());
        if let Some(known) = self.components.get(&key) {
            return Ok(known.clone());
        }
        let document = &self.scopes[scope].document;
        let loaded = Arc::new(place.load(document, entry, &self.toolchain)?);
        self.components.insert(key, loaded.clone());
        Ok(loaded)
    }
}

/// A path with an ending, whatever dots its name has, such as those of a version.
fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(ending);
    path.with_file_name(name)
}

/// The place that the `component` of an instance names.
struct ComponentSource {
    /// The path as the composition file has it, for error messages.
    written: PathBuf,
    /// The path with links resolved, by which instances of one component are recognized.
    canonical: PathBuf,
    is_composition: bool,
}

impl ComponentSource {
    fn find(document: &Document, entry: &Spanned<String>) -> Result<Self, BuildError> {
        let base = document.path().parent().unwrap_or(Path::new(""));
        let named = base.join(entry.get_ref());
        let mut written = named.clone();
        let has_ending = ENDINGS
            .map(Some)
            .contains(&written.extension().and_then(|e| e.to_str()));
        let is_one = |path: &Path| {
            let files = COMPOSITION_FILES.iter().chain([&COMPONENT_FILE]);
            !path.is_dir() || files.into_iter().any(|file| path.join(file).is_file())
        };
        let names_a_file = written.exists() && is_one(&written);
        if !has_ending && !names_a_file {
            let others = ENDINGS.map(|ending| with_ending(&named, ending));
            written = others
                .into_iter()
                .find(|path| path.is_file())
                .unwrap_or(written);
        }
        if written.is_dir() && !written.join(COMPONENT_FILE).is_file() {
            let files = COMPOSITION_FILES.map(|file| written.join(file));
            written = files
                .into_iter()
                .find(|path| path.is_file())
                .unwrap_or(written);
        }
        let not_a_component = |written: &Path| {
            let error = document.error_at(entry, Problem::NotAComponent(written.into()));
            error.with_similar_path(written)
        };
        let canonical = match fs::canonicalize(&written) {
            Ok(canonical) => canonical,
            Err(error) if is_link_loop(&written, &error) => {
                return Err(document.error_at(entry, Problem::FolderCycle(written)));
            }
            Err(_) => return Err(not_a_component(&named)),
        };
        let extension = canonical
            .extension()
            .and_then(|extension| extension.to_str());
        let is_component_file = canonical
            .file_name()
            .is_some_and(|name| name == COMPONENT_FILE);
        let is_composition = match extension {
            _ if canonical.is_dir() => false,
            Some("toml") => !is_component_file,
            extension => extension == Some("wac"),
        };
        let is_component = match canonical.is_dir() {
            true => canonical.join(COMPONENT_FILE).is_file(),
            false => extension == Some("masp"),
        };
        match is_composition || is_component {
            true => Ok(Self {
                written,
                canonical,
                is_composition,
            }),
            false => Err(not_a_component(&written)),
        }
    }

    /// Loads the component that `entry` names.
    fn load(
        &self,
        document: &Document,
        entry: &Spanned<String>,
        toolchain: &Toolchain,
    ) -> Result<Component, BuildError> {
        if self.canonical.is_dir() {
            return Component::load(&self.written, toolchain);
        }
        let bytes = read_file(&self.canonical).map_err(|error| {
            let problem = Problem::Unreadable {
                what: "package",
                path: self.written.clone(),
                reason: error.to_string(),
            };
            document.error_at(entry, problem)
        })?;
        Component::from_package(&bytes, &self.written, toolchain).map_err(|error| {
            let problem = Problem::Package {
                path: self.written.clone(),
                reason: Box::new(error),
            };
            document.error_at(entry, problem)
        })
    }
}
