//! Linking: from a composition file to the records that the verifier sees and the code that runs.

pub(crate) mod authority;
mod file;
pub(crate) mod graph;
pub(crate) mod package;
mod tree;
mod wac;
mod wiring;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use miden_assembly::DefaultSourceManager;
use miden_core::{
    AdviceMap, Kernel, Operation, Program, Word,
    mast::{MastForest, MastNode},
};
use miden_cvm_air::composition::{Composition, LinkKind, LinkRecord, PublicData, SegmentRecord};
use miden_cvm_library::{Finding, findings};

use crate::{
    assembly::{SourceWarning, toolchain::Toolchain},
    error::{BuildError, Problem},
    link::{
        authority::Authority,
        tree::{Placed, Scope, Tree},
        wiring::{Wire, Wiring, unknown_export},
    },
    source::component::{Component, ImportKey},
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
    /// The warnings: what is suspicious, but no error.
    pub warnings: Vec<Warning>,
    /// The sources of all components, by which locations become lines.
    pub source_manager: Arc<DefaultSourceManager>,
    /// The composition's files, and those of its components.
    pub files: Vec<PathBuf>,
}

impl LinkedComposition {
    /// The advisories that its code has.
    pub fn findings(&self) -> BTreeSet<Finding> {
        let forests = self.forests.iter().map(|forest| &**forest);
        let forests = forests.chain([&**self.program.mast_forest()]);
        forests.flat_map(findings).collect()
    }
}

/// An instance of a component in a composition.
#[derive(Debug, Clone)]
pub struct Instance {
    /// Its name in the composition file.
    pub name: String,
    /// The component that it is an instance of; instances of one folder share it.
    pub component: Arc<Component>,
}

/// Something in a composition that works but is probably not meant.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
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
    /// A component's code reads the clock, which whoever proves can set ahead with no-ops.
    ReadsClock {
        /// The component.
        component: String,
    },
    /// A function with types is imported of a component that does not say what its export takes.
    Untyped {
        /// The instance.
        instance: String,
        /// Its import.
        import: String,
        /// The instance that has the export.
        target: String,
    },
    /// The assembler remarks something about a source.
    Source(SourceWarning),
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
            Self::ReadsClock { component } => {
                write!(
                    f,
                    "component `{component}` reads the clock: the number is the prover's choice, as \
                     no-ops at the end of a block are in no hash; rely on its being unique only"
                )
            }
            Self::Untyped {
                instance,
                import,
                target,
            } => {
                write!(
                    f,
                    "import `{import}` of instance `{instance}` has types, and what instance \
                     `{target}` gives it has no WIT that they could be compared with"
                )
            }
            Self::Source(warning) => warning.fmt(f),
        }
    }
}

impl LinkedComposition {
    /// Reads the composition file at `path` and the components that it names, and links them.
    ///
    /// The root gets index 0, the other instances follow in the order of their names. An import of
    /// an instance becomes a link to the export that it is wired to; a component's calls of its own
    /// procedures become fresh links to itself, or isolated
    /// ones if it defines resource types, which are those of one instance.
    ///
    /// # Errors
    /// Returns the first mistake in the composition file or in a component.
    pub fn load(path: &Path, toolchain: &Toolchain) -> Result<Self, BuildError> {
        let tree = Tree::load(path, toolchain)?;
        Linker { path, tree }.link(toolchain)
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
    path: &'a Path,
    tree: Tree,
}

impl Linker<'_> {
    fn link(self, toolchain: &Toolchain) -> Result<LinkedComposition, BuildError> {
        let tree = &self.tree;
        let root = &tree.instances[0];
        let Some(entry) = root.component.exports.get(&tree.main) else {
            let document = &tree.scopes[0].document;
            let problem = unknown_export(root, &tree.main);
            return Err(match &tree.scopes[0].file.main {
                Some(main) => document
                    .error_at(main, problem)
                    .with_similar(&tree.main, root.component.exports.keys()),
                None => BuildError::in_file(self.path, problem),
            });
        };
        let kernel = toolchain.kernel();
        let program = Program::with_kernel(
            root.component.forest.clone(),
            entry.node,
            kernel.map_or_else(Kernel::default, |kernel| kernel.kernel().clone()),
        );

        let wires = tree
            .instances
            .iter()
            .map(|instance| Wiring(tree).wires_of(instance))
            .collect::<Result<Vec<_>, _>>()?;
        let authority = Authority::new(tree)?;
        let mut links = Vec::new();
        let mut untyped = Vec::new();
        for (source, wires) in (0..).zip(wires) {
            untyped.extend(self.untyped(source, &wires));
            links.extend(self.links_of(source, wires, &authority)?);
        }
        let alive = reachable(&links, &authority.uses());
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
            .zip(&tree.instances)
            .partition(|(index, _)| alive.contains(index));
        let kept: Vec<&Placed> = kept.into_iter().map(|(_, instance)| instance).collect();
        let mut segments = Vec::new();
        let mut public_data = Vec::new();
        let mut advice_map = AdviceMap::default();
        for (index, instance) in (0..).zip(&kept) {
            for segment in &instance.component.segments {
                if segment.is_public {
                    public_data.push(PublicData {
                        instance: index,
                        address: segment.address,
                        elements: segment.elements.to_vec(),
                    });
                    continue;
                }
                segments.push(SegmentRecord {
                    instance: index,
                    address: segment.address,
                    length: segment.elements.len() as u32,
                    commitment: segment.commitment,
                });
                advice_map.insert(segment.commitment, segment.elements.clone());
            }
        }
        let mut records = authority.records(&indices);
        let sources = toolchain.source_manager();
        records
            .intrinsics
            .extend(authority.of_kernel(kernel.is_some(), &sources)?);
        let composition = Composition::new(kept.len() as u32, links, segments)
            .and_then(|composition| {
                composition.with_resources(records.resources, records.intrinsics)
            })
            .and_then(|composition| composition.with_public_data(public_data))
            .map_err(|error| BuildError::in_file(self.path, error.into()))?;

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
            )
            .into_iter()
            .chain(untyped)
            .collect(),
            composition,
            program,
            forests,
            advice_map,
            instances: kept
                .iter()
                .map(|placed| Instance {
                    name: placed.name.clone(),
                    component: placed.component.clone(),
                })
                .collect(),
            procedures,
            source_manager: toolchain.source_manager(),
            files: tree
                .scopes
                .iter()
                .flat_map(Scope::files)
                .chain(
                    components
                        .iter()
                        .flat_map(|component| component.files.clone()),
                )
                .collect(),
        })
    }

    /// The wires of one instance whose types nothing can be compared with.
    fn untyped(&self, source: u32, wires: &BTreeMap<&str, Wire<'_>>) -> Vec<Warning> {
        let instance = &self.tree.instances[source as usize];
        let untyped = wires.iter().filter(|(name, wire)| {
            let import = instance.component.imports.get(**name);
            let is_typed = import.is_some_and(|import| {
                import.is_called && import.function.is_some() && import.key != ImportKey::Root
            });
            is_typed && wire.export.function.is_none()
        });
        let warnings = untyped.map(|(name, wire)| Warning::Untyped {
            instance: instance.name.clone(),
            import: (*name).to_owned(),
            target: self.tree.instances[wire.target as usize].name.clone(),
        });
        warnings.collect()
    }

    /// The links of one instance, by the digests that its calls name.
    fn links_of(
        &self,
        source: u32,
        wires: BTreeMap<&str, Wire<'_>>,
        authority: &Authority<'_>,
    ) -> Result<impl Iterator<Item = LinkRecord>, BuildError> {
        let instance = &self.tree.instances[source as usize];
        let component = &instance.component;
        let mut links: BTreeMap<Word, LinkRecord> = BTreeMap::new();
        for (name, wire) in wires {
            let Some(import) = component.imports.get(name) else {
                continue;
            };
            // What a world imports and no code calls needs no link.
            if import.function.is_some() && !import.is_called {
                continue;
            }
            authority.check_types(source, import, &wire)?;
            let kind = match import.kind {
                Some(LinkKind::Held) => LinkKind::Held,
                _ => wire.export.kind,
            };
            if kind.is_of_instance_alone() {
                self.check_new(instance, wire.target)?;
            }
            let link = LinkRecord {
                source,
                digest: import.digest,
                kind,
                target: wire.target,
                callee: wire.export.digest,
            };
            links.insert(import.digest, link);
        }
        let kind = match component.resources.is_empty() {
            true => LinkKind::Fresh,
            false => LinkKind::Isolated,
        };
        for digest in &component.own_calls {
            let own = LinkRecord {
                source,
                digest: *digest,
                kind,
                target: source,
                callee: *digest,
            };
            let link = *links.entry(*digest).or_insert(own);
            if link != own {
                let problem = Problem::LinkConflict {
                    instance: instance.name.clone(),
                    digest: *digest,
                    first: self.describe(&link),
                    second: self.describe(&own),
                };
                return Err(Wiring(&self.tree).error_at(instance, problem));
            }
        }
        Ok(links.into_values())
    }

    /// Checks that a new instance of `target` can do what the one that exists does.
    fn check_new(&self, instance: &Placed, target: u32) -> Result<(), BuildError> {
        let target = &self.tree.instances[target as usize];
        match target.component.resources.keys().next() {
            None => Ok(()),
            Some(resource) => {
                let problem = Problem::FreshDefiner {
                    instance: instance.name.clone(),
                    target: target.name.clone(),
                    resource: resource.clone(),
                };
                Err(Wiring(&self.tree).error_at(instance, problem))
            }
        }
    }

    fn describe(&self, link: &LinkRecord) -> String {
        let LinkRecord { kind, callee, .. } = link;
        let target = &self.tree.instances[link.target as usize].name;
        format!("a call of {callee} in instance `{target}` ({kind})")
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
fn components(instances: &[&Placed]) -> Vec<Arc<Component>> {
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
    dropped: impl Iterator<Item = &'a Placed>,
    components: &[Arc<Component>],
) -> Vec<Warning> {
    let mut warnings: Vec<Warning> = dropped
        .map(|instance| Warning::DeadInstance(instance.name.clone()))
        .collect();
    for component in components {
        let unused = component.unused_imports.iter();
        warnings.extend(unused.map(|import| Warning::UnusedImport {
            component: component.name.clone(),
            import: import.clone(),
        }));
        if reads_clock(&component.forest) {
            let component = component.name.clone();
            warnings.push(Warning::ReadsClock { component });
        }
        warnings.extend(component.warnings.iter().cloned().map(Warning::Source));
    }
    warnings
}

fn reads_clock(forest: &MastForest) -> bool {
    forest.nodes().iter().any(|node| match node {
        MastNode::Block(block) => block.raw_operations().any(|op| *op == Operation::Clk),
        _ => false,
    })
}
