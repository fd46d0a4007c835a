//! Linking: from a composition file to the records that the verifier sees and the code that runs.

pub(crate) mod authority;
pub(crate) mod claims;
mod file;
pub(crate) mod graph;
pub(crate) mod installed;
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
use miden_core::{AdviceMap, Kernel, Operation, Program, Word, ZERO, mast::MastForest};
use miden_cvm_air::{
    component::INSTALLED,
    composition::{Composition, LinkKind, LinkRecord, PublicData, SegmentRecord},
};
use miden_cvm_library::{Finding, findings};

use crate::{
    assembly::{SourceWarning, toolchain::Toolchain},
    error::{BuildError, ClaimProblem, Problem},
    limits::{MAX_CLAIM_DEPTH, MAX_CLAIMED_EXPORTS},
    link::{
        authority::Authority,
        claims::{ClaimedExport, caller_of, executes, stand_in},
        installed::exports_of_made,
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
    /// The instances by index; index 0 is the root. In the place of a claimed one stands what makes the
    /// claims.
    pub instances: Vec<Instance>,
    /// The exports of claimed instances that it calls.
    pub claims: Vec<Arc<ClaimedExport>>,
    /// The components that its instances install. The records have nothing of them; their own are in the
    /// advice map.
    pub installed: Vec<Arc<Component>>,
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
        let claims = self.claims.iter();
        let of_claims = claims.flat_map(|claim| claim.composition.findings());
        forests.flat_map(findings).chain(of_claims).collect()
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
        let uses = authority.uses();
        check_memory(tree)?;
        check_claimed(tree, &uses, kernel.is_some())?;
        let network = Network {
            path: self.path,
            tree,
            toolchain,
            links,
            uses,
            authority,
        };
        let mut made = Made::default();
        let linked = network.compose(&Run::Main(program), &mut made)?;
        let (alive, dropped): (Vec<_>, Vec<_>) = (0..)
            .zip(&tree.instances)
            .partition(|(index, _)| made.reached.contains(index));
        let alive = alive.into_iter().map(|(_, placed)| &placed.component);
        let components = distinct(alive.chain(tree.installed.values()));
        let dropped = dropped.into_iter().map(|(_, instance)| instance);
        let warnings = warnings(dropped, &components).into_iter();
        Ok(LinkedComposition {
            warnings: warnings.chain(untyped).collect(),
            files: files(tree, &components),
            ..linked
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
            self.check_claim(source, &wire, kind)?;
            let link = LinkRecord {
                source,
                digest: import.digest,
                kind,
                target: wire.target,
                callee: wire.export.digest,
            };
            links.insert(import.digest, link);
        }
        for (name, import) in &component.imports {
            if let Some(key) = import.function_key()
                && import.is_called
                && Wiring(&self.tree).is_any(instance, name)
            {
                let link = LinkRecord {
                    source,
                    digest: import.digest,
                    kind: LinkKind::Held,
                    target: INSTALLED,
                    callee: Word::new([key, ZERO, ZERO, ZERO]),
                };
                links.insert(import.digest, link);
            }
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

    /// Checks that a call of a claimed instance is one that a claim can stand for.
    fn check_claim(&self, source: u32, wire: &Wire<'_>, kind: LinkKind) -> Result<(), BuildError> {
        if !self.tree.is_claimed(wire.target) {
            return Ok(());
        }
        let reason = if kind != LinkKind::Isolated {
            let caller = self.tree.instances[source as usize].name.clone();
            ClaimProblem::Called { caller, kind }
        } else if source == wire.target {
            ClaimProblem::Circular
        } else {
            return Ok(());
        };
        let instance = &self.tree.instances[source as usize];
        let document = Wiring(&self.tree).document(instance);
        let problem = self.tree.claimed(wire.target, reason);
        Err(document.error(wire.place.clone(), problem))
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

/// Checks that nobody but the root has inputs and outputs in memory.
fn check_memory(tree: &Tree) -> Result<(), BuildError> {
    let mut others = tree.instances.iter().skip(1);
    match others.find(|placed| !placed.component.memory.is_empty()) {
        Some(placed) => {
            let problem = Problem::MemoryOfOther {
                component: placed.component.name.clone(),
                instance: placed.name.clone(),
            };
            Err(Wiring(tree).error_at(placed, problem))
        }
        None => Ok(()),
    }
}

/// Checks that no claimed instance is the root, or has types that others have handles of, and that
/// there is no kernel, whose state claims would share.
fn check_claimed(tree: &Tree, uses: &[(u32, u32)], has_kernel: bool) -> Result<(), BuildError> {
    for (index, placed) in (0..).zip(&tree.instances) {
        if !tree.is_claimed(index) {
            continue;
        }
        let mut users = uses.iter();
        let user = users.find(|(user, definer)| *definer == index && user != definer);
        let reason = match user {
            _ if index == 0 => ClaimProblem::Root,
            _ if has_kernel => ClaimProblem::Kernel,
            Some((user, _)) => ClaimProblem::Types(tree.instances[*user as usize].name.clone()),
            None => continue,
        };
        return Err(Wiring(tree).error_at(placed, tree.claimed(index, reason)));
    }
    Ok(())
}

/// The program that a composition is there to run.
enum Run {
    /// The root's main export.
    Main(Program),
    /// A procedure that a claimed instance exports.
    Claim { instance: u32, callee: Word },
}

/// The parts that were made on the way to a composition.
#[derive(Default)]
struct Made {
    /// The exports of claimed instances that are called, by the instance and the digest.
    claims: BTreeMap<(u32, Word), Arc<ClaimedExport>>,
    /// The claimed instances whose compositions are being made.
    open: Vec<u32>,
    /// The instances that a composition has.
    reached: BTreeSet<u32>,
}

/// Instances and all their links, from which compositions are made.
struct Network<'a> {
    path: &'a Path,
    tree: &'a Tree,
    toolchain: &'a Toolchain,
    links: Vec<LinkRecord>,
    uses: Vec<(u32, u32)>,
    authority: Authority<'a>,
}

impl Network<'_> {
    /// Makes the composition in which something runs: what is claimed in it has its own.
    fn compose(&self, run: &Run, made: &mut Made) -> Result<LinkedComposition, BuildError> {
        let tree = self.tree;
        let (start, first) = match run {
            Run::Main(_) => (0, 0),
            // The root is what calls it.
            Run::Claim { instance, .. } => (*instance, 1),
        };
        let is_claimed = |index: u32| index != start && tree.is_claimed(index);
        let alive = self.reachable(start);
        made.reached.extend(&alive);
        if let Run::Claim { .. } = run {
            self.check_readers(start, alive.iter().filter(|index| !is_claimed(**index)))?;
        }
        // Indices count what is left, in the same order.
        let indices: BTreeMap<u32, u32> = alive.iter().copied().zip(first..).collect();
        let mut links = Vec::new();
        let mut claimed: BTreeMap<u32, BTreeMap<Word, Arc<ClaimedExport>>> = BTreeMap::new();
        for link in &self.links {
            // Installed instances have one number for all.
            let is_by_key = link.target == INSTALLED;
            let target = is_by_key.then_some(&INSTALLED);
            let target = target.or_else(|| indices.get(&link.target));
            let (Some(source), Some(target)) = (indices.get(&link.source), target) else {
                continue;
            };
            if is_claimed(link.source) {
                continue;
            }
            // A call of an own procedure is no claim.
            if !is_by_key && tree.is_claimed(link.target) && link.source != link.target {
                let claim = self.claim(link, made)?;
                let calls = claimed.entry(link.target).or_default();
                calls.insert(link.callee, claim);
            }
            links.push(LinkRecord {
                source: *source,
                target: *target,
                ..*link
            });
        }
        let mut instances = Vec::with_capacity(alive.len() + 1);
        let program = match run {
            Run::Main(program) => program.clone(),
            Run::Claim { instance, callee } => {
                let placed = &tree.instances[*instance as usize];
                let assembly = self.toolchain.assembly_alone();
                let (caller, main) = caller_of(*callee, &assembly)
                    .map_err(|problem| Wiring(tree).error_at(placed, problem))?;
                let program = Program::new(caller.forest.clone(), main);
                links.push(LinkRecord {
                    source: 0,
                    digest: *callee,
                    kind: LinkKind::Isolated,
                    target: indices[instance],
                    callee: *callee,
                });
                instances.push(Instance {
                    name: "claim".into(),
                    component: Arc::new(caller),
                });
                program
            }
        };
        let claims = claimed.values().flat_map(BTreeMap::values).cloned();
        let claims = claims.collect();
        // What a digest means in the place of a claimed instance.
        let mut stand_ins: BTreeMap<(u32, Word), Word> = BTreeMap::new();
        for (index, position) in &indices {
            let placed = &tree.instances[*index as usize];
            let component = match is_claimed(*index) {
                false => placed.component.clone(),
                true => {
                    let calls = claimed.remove(index).unwrap_or_default();
                    let assembly = self.toolchain.assembly_alone();
                    let (component, digests) = stand_in(&placed.component, &calls, &assembly)
                        .map_err(|problem| Wiring(tree).error_at(placed, problem))?;
                    let digests = digests.into_iter();
                    stand_ins.extend(digests.map(|(of, digest)| ((*position, of), digest)));
                    Arc::new(component)
                }
            };
            instances.push(Instance {
                name: placed.name.clone(),
                component,
            });
        }
        for link in &mut links {
            if let Some(digest) = stand_ins.get(&(link.target, link.callee)) {
                link.callee = *digest;
            }
        }
        let (segments, public_data, mut advice_map) = static_data(&instances);
        // Isolated calls install nothing, and claims are such.
        let installed: Vec<Arc<Component>> = match run {
            Run::Main(_) => tree.installed.values().cloned().collect(),
            Run::Claim { .. } => Vec::new(),
        };
        for component in &installed {
            let record = component.record().map_err(|reason| {
                let problem = Problem::NotInstallable {
                    component: component.name.clone(),
                    reason,
                };
                BuildError::in_file(self.path, problem)
            })?;
            advice_map.insert(record.commitment(), record.to_elements());
            for segment in &component.segments {
                advice_map.insert(segment.commitment, segment.elements.clone());
            }
        }
        let own: BTreeMap<u32, u32> = indices
            .iter()
            .map(|(index, position)| (*index, *position))
            .filter(|(index, _)| !is_claimed(*index))
            .collect();
        let mut records = self.authority.records(&own);
        let kernel = self.toolchain.kernel();
        if let Run::Main(_) = run {
            let sources = self.toolchain.source_manager();
            let of_kernel = self.authority.of_kernel(kernel.is_some(), &sources)?;
            records.intrinsics.extend(of_kernel);
        }
        let layout = instances[0].component.memory;
        let exports = exports_of_made(&instances, &records.intrinsics);
        let composition = Composition::new(instances.len() as u32, links, segments)
            .and_then(|composition| {
                composition.with_resources(records.resources, records.intrinsics)
            })
            .and_then(|composition| composition.with_public_data(public_data))
            .and_then(|composition| composition.with_layout(layout))
            .and_then(|composition| composition.with_exports(exports))
            .map_err(|error| BuildError::in_file(self.path, error.into()))?;

        let of_instances = instances.iter().map(|instance| &instance.component);
        let components = distinct(of_instances.chain(&installed));
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
            composition,
            program,
            forests,
            advice_map,
            instances,
            claims,
            installed,
            procedures,
            warnings: Vec::new(),
            source_manager: self.toolchain.source_manager(),
            files: files(tree, &components),
        })
    }

    /// The claim that a call of a claimed instance makes.
    fn claim(&self, link: &LinkRecord, made: &mut Made) -> Result<Arc<ClaimedExport>, BuildError> {
        let LinkRecord { target, callee, .. } = *link;
        if let Some(known) = made.claims.get(&(target, callee)) {
            return Ok(known.clone());
        }
        let placed = &self.tree.instances[target as usize];
        let refused = |reason| {
            let problem = self.tree.claimed(target, reason);
            Err(Wiring(self.tree).error_at(placed, problem))
        };
        if made.open.contains(&target) {
            return refused(ClaimProblem::Circular);
        }
        if made.open.len() >= MAX_CLAIM_DEPTH {
            return refused(ClaimProblem::TooDeep);
        }
        if made.claims.len() >= MAX_CLAIMED_EXPORTS {
            return refused(ClaimProblem::TooMany);
        }
        let mut exports = placed.component.exports.iter();
        let called = (callee, link.kind);
        let export = exports.find(|(_, export)| (export.digest, export.kind) == called);
        made.open.push(target);
        let run = Run::Claim {
            instance: target,
            callee,
        };
        let composition = self.compose(&run, made)?;
        made.open.pop();
        let claim = Arc::new(ClaimedExport {
            instance: placed.name.clone(),
            // A link leads to an export.
            export: export.map_or_else(|| callee.to_hex(), |(name, _)| name.clone()),
            composition: Arc::new(composition),
        });
        made.claims.insert((target, callee), claim.clone());
        Ok(claim)
    }

    /// The instances that one reaches over links or by using their resource types, and itself. What a
    /// claimed one reaches further is not among them.
    fn reachable(&self, start: u32) -> BTreeSet<u32> {
        let mut targets: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        let links = self.links.iter().filter(|link| link.target != INSTALLED);
        let links = links.map(|link| (link.source, link.target));
        for (source, target) in links.chain(self.uses.iter().copied()) {
            if source == start || !self.tree.is_claimed(source) {
                targets.entry(source).or_default().push(target);
            }
        }
        let mut reached = BTreeSet::from([start]);
        let mut pending = vec![start];
        while let Some(source) = pending.pop() {
            let next = targets.remove(&source).unwrap_or_default();
            pending.extend(next.into_iter().filter(|target| reached.insert(*target)));
        }
        reached
    }

    /// Checks that no code of a claimed instance, or of those that it reaches, reads what is not the same
    /// in a run of its own.
    fn check_readers<'i>(
        &self,
        start: u32,
        instances: impl Iterator<Item = &'i u32>,
    ) -> Result<(), BuildError> {
        let component = |index: u32| &self.tree.instances[index as usize].component;
        for index in instances {
            let is_called = Arc::ptr_eq(component(*index), component(start));
            if let Some(reason) = component(*index).reads_of_run(is_called) {
                let placed = &self.tree.instances[start as usize];
                let problem = self.tree.claimed(start, reason);
                return Err(Wiring(self.tree).error_at(placed, problem));
            }
        }
        Ok(())
    }
}

/// The static data of instances: what is hashed, what is public, and the elements of the former.
fn static_data(instances: &[Instance]) -> (Vec<SegmentRecord>, Vec<PublicData>, AdviceMap) {
    let mut segments = Vec::new();
    let mut public_data = Vec::new();
    let mut advice_map = AdviceMap::default();
    for (index, instance) in (0..).zip(instances) {
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
    (segments, public_data, advice_map)
}

/// The components, each once, in the order of the first instances of them.
fn distinct<'a>(all: impl Iterator<Item = &'a Arc<Component>>) -> Vec<Arc<Component>> {
    let mut components: Vec<Arc<Component>> = Vec::new();
    for component in all {
        if !components.iter().any(|known| Arc::ptr_eq(known, component)) {
            components.push(component.clone());
        }
    }
    components
}

/// The composition's files, and those of its components.
fn files(tree: &Tree, components: &[Arc<Component>]) -> Vec<PathBuf> {
    let components = components.iter();
    let of_components = components.flat_map(|component| component.files.clone());
    let of_scopes = tree.scopes.iter().flat_map(Scope::files);
    of_scopes.chain(of_components).collect()
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
        if executes(&component.forest, Operation::Clk) {
            let component = component.name.clone();
            warnings.push(Warning::ReadsClock { component });
        }
        warnings.extend(component.warnings.iter().cloned().map(Warning::Source));
    }
    warnings
}
