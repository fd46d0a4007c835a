//! Linking: from a composition file to the records that the verifier sees and the code that runs.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt, fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use miden_assembly::{DefaultSourceManager, SourceManager};
use miden_core::{AdviceMap, Kernel, Program, Word, mast::MastForest};
use miden_cvm_air::composition::{Composition, LinkKind, LinkRecord, MAX_INSTANCES, SegmentRecord};
use toml::Spanned;

use crate::{
    COMPONENT_FILE,
    authority::Authority,
    component::Component,
    document::Document,
    error::{BuildError, Problem},
    names::check_name,
    plan::{KernelEntry, Plan, split_reference},
    sources::is_link_loop,
    toolchain::Toolchain,
    wiring::{Placed, Wiring, unknown_export},
};

/// A composition, linked: everything that running and proving it needs besides inputs.
#[derive(Debug, Clone)]
pub struct LinkedComposition {
    /// The public records.
    pub composition: Composition,
    /// The root's main export as a program: its entrypoint is the exported procedure itself, without
    /// the prologue of a `begin` block, since the VM sets the root's frame pointer.
    pub program: Program,
    /// The code of all components, and of the kernel if there is one, for the host to provide.
    pub forests: Vec<Arc<MastForest>>,
    /// The static data of all instances under its commitments, for the advice map.
    pub advice_map: AdviceMap,
    /// The instances by index; index 0 is the root.
    pub instances: Vec<Instance>,
    /// Names of procedures by digest, as `component:module::procedure`, for diagnostics.
    pub procedures: BTreeMap<Word, String>,
    /// What is suspicious, but no error.
    pub warnings: Vec<Warning>,
    /// The sources of all components, by which locations become lines.
    pub source_manager: Arc<DefaultSourceManager>,
}

/// An instance of a component in a composition.
#[derive(Debug, Clone)]
pub struct Instance {
    /// Its name in the composition file.
    pub name: String,
    /// What it is an instance of; instances of one folder share it.
    pub component: Arc<Component>,
}

/// Something in a composition that works but is probably not meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// No chain of calls leads from the root to this instance, which is left out.
    DeadInstance(String),
    /// A component declares an import that its code does not call.
    UnusedImport {
        /// The component.
        component: String,
        /// The import.
        import: String,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DeadInstance(name) => {
                write!(
                    f,
                    "instance `{name}` is left out: no chain of calls leads from the root to it"
                )
            }
            Self::UnusedImport { component, import } => {
                write!(
                    f,
                    "component `{component}` never calls its import `{import}`"
                )
            }
        }
    }
}

impl LinkedComposition {
    /// Reads the composition file at `path` and the components that it names, and links them.
    ///
    /// The root gets index 0, the other instances follow in the order of their names. An import of
    /// an instance becomes a link to the export that it is wired to; a component's calls of its own
    /// procedures become isolated links to itself.
    ///
    /// # Errors
    /// Returns the first mistake in the composition file or in a component.
    pub fn load(path: &Path, toolchain: &Toolchain) -> Result<Self, BuildError> {
        let document = Document::read(path, "composition file")?;
        let plan: Plan = document.parse()?;
        Linker::new(&document, &plan, toolchain)?.link(toolchain)
    }

    /// The resource types by number, as `instance.type`.
    pub fn resource_names(&self) -> Vec<String> {
        let instances = self.instances.iter();
        let names = instances.flat_map(|instance| {
            let types = instance.component.resources.keys();
            types.map(move |name| format!("{}.{name}", instance.name))
        });
        names.collect()
    }
}

struct Linker<'a> {
    document: &'a Document,
    main: (&'a Spanned<String>, String),
    kernel: Option<&'a Spanned<KernelEntry>>,
    instances: Vec<Placed<'a>>,
    indices: HashMap<&'a str, u32>,
}

impl<'a> Linker<'a> {
    /// Puts the instances in order and loads their components, each folder once.
    fn new(
        document: &'a Document,
        plan: &'a Plan,
        toolchain: &Toolchain,
    ) -> Result<Self, BuildError> {
        let main = plan
            .main
            .as_ref()
            .ok_or_else(|| BuildError::in_file(document.path(), Problem::NoMain))?;
        let (root, export) =
            split_reference(main.get_ref()).map_err(|p| document.error_at(main, p))?;
        let count = plan.instances.len();
        if count > MAX_INSTANCES as usize {
            let problem = Problem::TooManyInstances(count);
            return Err(BuildError::in_file(document.path(), problem));
        }
        if !plan.instances.contains_key(root) {
            return Err(document.error_at(main, Problem::UnknownInstance(root.into())));
        }
        let mut ordered: Vec<_> = plan.instances.iter().collect();
        ordered.sort_by_key(|(name, _)| (name.get_ref() != root, name.get_ref()));

        let mut loaded: BTreeMap<PathBuf, Arc<Component>> = BTreeMap::new();
        let mut instances = Vec::with_capacity(count);
        let mut indices = HashMap::with_capacity(count);
        for (index, (name, entry)) in (0..).zip(ordered) {
            check_name("an instance", name.get_ref()).map_err(|p| document.error_at(name, p))?;
            let folder = component_folder(document, &entry.component)?;
            let component = match loaded.get(&folder.canonical) {
                Some(component) => component.clone(),
                None => {
                    let component = Arc::new(folder.load(document, &entry.component, toolchain)?);
                    loaded.insert(folder.canonical, component.clone());
                    component
                }
            };
            indices.insert(name.get_ref().as_str(), index);
            instances.push(Placed {
                name,
                entry,
                component,
            });
        }
        Ok(Self {
            document,
            main: (main, export.to_owned()),
            kernel: plan.kernel.as_ref(),
            instances,
            indices,
        })
    }

    fn link(self, toolchain: &Toolchain) -> Result<LinkedComposition, BuildError> {
        let (main, export) = &self.main;
        let root = &self.instances[0];
        let Some(entry) = root.component.exports.get(export) else {
            return Err(self.document.error_at(main, unknown_export(root, export)));
        };
        let kernel = toolchain.kernel();
        let program = Program::with_kernel(
            root.component.forest.clone(),
            entry.node,
            kernel.map_or_else(Kernel::default, |kernel| kernel.kernel().clone()),
        );

        let wiring = Wiring {
            document: self.document,
            instances: &self.instances,
            indices: &self.indices,
        };
        let mut links = Vec::new();
        for (source, instance) in (0..).zip(&self.instances) {
            links.extend(self.links_of(&wiring, source, instance)?);
        }
        let authority = Authority { wiring: &wiring };
        let alive = reachable(&links, &authority.uses()?);
        // Indices count what is left, in the same order.
        let indices: BTreeMap<u32, u32> = alive.iter().copied().zip(0..).collect();
        links.retain_mut(|link| {
            let (source, target) = (indices.get(&link.source), indices.get(&link.target));
            if let (Some(source), Some(target)) = (source, target) {
                (link.source, link.target) = (*source, *target);
            }
            source.is_some()
        });
        let (kept, dropped): (Vec<_>, Vec<_>) = (0..)
            .zip(&self.instances)
            .partition(|(index, _)| alive.contains(index));
        let kept: Vec<&Placed<'_>> = kept.into_iter().map(|(_, instance)| instance).collect();
        let mut segments = Vec::new();
        let mut advice_map = AdviceMap::default();
        for (index, instance) in (0..).zip(&kept) {
            for segment in &instance.component.segments {
                segments.push(SegmentRecord {
                    instance: index,
                    address: segment.address,
                    length: segment.elements.len() as u32,
                    commitment: segment.commitment,
                });
                advice_map.insert(segment.commitment, segment.elements.clone());
            }
        }
        let mut records = authority.records(&indices)?;
        if let Some(entry) = self.kernel {
            let sources: Arc<dyn SourceManager> = toolchain.source_manager();
            let of_kernel = authority.of_kernel(entry, kernel.is_some(), &sources)?;
            records.intrinsics.extend(of_kernel);
        }
        let composition = Composition::new(kept.len() as u32, links, segments)
            .and_then(|composition| {
                composition.with_resources(records.resources, records.intrinsics)
            })
            .map_err(|error| BuildError::in_file(self.document.path(), error.into()))?;

        let components = components(&kept);
        let mut forests: Vec<Arc<MastForest>> = components
            .iter()
            .map(|component| component.forest.clone())
            .collect();
        forests.extend(kernel.map(|kernel| kernel.mast_forest().clone()));
        let mut procedures = BTreeMap::new();
        for component in &components {
            for (digest, name) in &component.procedures {
                let name = format!("{}:{name}", component.name);
                procedures.entry(*digest).or_insert(name);
            }
        }
        Ok(LinkedComposition {
            warnings: warnings(
                dropped.into_iter().map(|(_, instance)| instance),
                &components,
            ),
            composition,
            program,
            forests,
            advice_map,
            instances: kept
                .iter()
                .map(|placed| Instance {
                    name: placed.name.get_ref().clone(),
                    component: placed.component.clone(),
                })
                .collect(),
            procedures,
            source_manager: toolchain.source_manager(),
        })
    }

    /// The links of one instance, by the digests that its calls name.
    fn links_of(
        &self,
        wiring: &Wiring<'_>,
        source: u32,
        instance: &Placed<'_>,
    ) -> Result<impl Iterator<Item = LinkRecord>, BuildError> {
        let component = &instance.component;
        let wires = wiring.wires_of(instance)?;
        let mut links: BTreeMap<Word, LinkRecord> = BTreeMap::new();
        for (name, wire) in wires {
            let Some(import) = component.imports.get(name) else {
                continue;
            };
            // What a world imports and no code calls needs no link.
            if import.function.is_some() && !import.is_called {
                continue;
            }
            let link = LinkRecord {
                source,
                digest: import.digest,
                kind: wire.export.kind,
                target: wire.target,
                callee: wire.export.digest,
            };
            links.insert(import.digest, link);
        }
        for digest in &component.own_calls {
            let own = LinkRecord {
                source,
                digest: *digest,
                kind: LinkKind::Isolated,
                target: source,
                callee: *digest,
            };
            let link = *links.entry(*digest).or_insert(own);
            if link != own {
                let problem = Problem::LinkConflict {
                    instance: instance.name.get_ref().clone(),
                    digest: *digest,
                    first: self.describe(&link),
                    second: self.describe(&own),
                };
                return Err(self.document.error_at(instance.name, problem));
            }
        }
        Ok(links.into_values())
    }

    fn describe(&self, link: &LinkRecord) -> String {
        let kind = match link.kind {
            LinkKind::Shared => "a shared",
            LinkKind::Isolated => "an isolated",
        };
        let target = self.instances[link.target as usize].name.get_ref();
        format!("{kind} call of {} in instance `{target}`", link.callee)
    }
}

/// The instances that the root reaches over links or by using their resource types, and the root.
fn reachable(links: &[LinkRecord], uses: &[(u32, u32)]) -> BTreeSet<u32> {
    let mut targets: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let links = links.iter().map(|link| (link.source, link.target));
    for (source, target) in links.chain(uses.iter().copied()) {
        targets.entry(source).or_default().push(target);
    }
    let mut reached = BTreeSet::from([0]);
    let mut pending = vec![0];
    while let Some(source) = pending.pop() {
        let next = targets.remove(&source).unwrap_or_default();
        pending.extend(next.into_iter().filter(|target| reached.insert(*target)));
    }
    reached
}

/// The components, each once, in the order of the first instances of them.
fn components(instances: &[&Placed<'_>]) -> Vec<Arc<Component>> {
    let mut components: Vec<Arc<Component>> = Vec::new();
    for instance in instances {
        if !components
            .iter()
            .any(|known| Arc::ptr_eq(known, &instance.component))
        {
            components.push(instance.component.clone());
        }
    }
    components
}

fn warnings<'a>(
    dropped: impl Iterator<Item = &'a Placed<'a>>,
    components: &[Arc<Component>],
) -> Vec<Warning> {
    let mut warnings: Vec<Warning> = dropped
        .map(|instance| Warning::DeadInstance(instance.name.get_ref().clone()))
        .collect();
    for component in components {
        let unused = component.unused_imports.iter();
        warnings.extend(unused.map(|import| Warning::UnusedImport {
            component: component.name.clone(),
            import: import.clone(),
        }));
    }
    warnings
}

/// A component's folder, or its package.
struct Folder {
    /// The path as the composition file has it, for error messages.
    written: PathBuf,
    /// The path with links resolved, by which instances of one component are recognized.
    canonical: PathBuf,
}

impl Folder {
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
        let bytes = fs::read(&self.canonical).map_err(|error| {
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

fn component_folder(document: &Document, entry: &Spanned<String>) -> Result<Folder, BuildError> {
    let base = document.path().parent().unwrap_or(Path::new(""));
    let written = base.join(entry.get_ref());
    let canonical = fs::canonicalize(&written).map_err(|error| {
        let problem = if is_link_loop(&written, &error) {
            Problem::FolderCycle(written.clone())
        } else {
            Problem::NotAComponent(written.clone())
        };
        document.error_at(entry, problem)
    })?;
    let is_package = canonical.is_file() && canonical.extension().is_some_and(|e| e == "masp");
    if !is_package && !canonical.join(COMPONENT_FILE).is_file() {
        return Err(document.error_at(entry, Problem::NotAComponent(written)));
    }
    Ok(Folder { written, canonical })
}
