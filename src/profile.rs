//! Where a run spends its cycles: by component instance and by procedure.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use miden_core::{
    AssemblyOp, Decorator, Felt, Word,
    crypto::merkle::MerklePath,
    mast::{MastForest, MastNode, MastNodeExt, MastNodeId},
};
use miden_cvm_air::{
    canonical,
    composition::{Intrinsic, Right},
};
use miden_cvm_library::core_library;
use miden_cvm_processor::{
    BaseHost, BitwiseOp, Crossing, MemoryAccess, MerkleUpdate, OpenProcedures, Process, RowKind,
    RowState, Tracer, file_and_line,
};
use serde::Serialize;

use crate::{AdviceInputs, Arguments, ExecutionError, ExecutionOptions, Host, Target};

/// The cycles of a run, by who spent them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The number of cycles.
    pub cycles: u64,
    /// The instances that ran, and the kernel if it did; most cycles first.
    pub instances: Vec<InstanceProfile>,
    /// The procedures that ran; most cycles of their own first.
    pub procedures: Vec<ProcedureProfile>,
    /// The intrinsics that were called, by resource type.
    pub intrinsics: Vec<IntrinsicProfile>,
    /// The costs by the chain of procedures in which they arose, across instances.
    pub stacks: Vec<StackProfile>,
}

/// The costs of a procedure where a chain of others led to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackProfile {
    /// The procedures, the outermost first, each behind its instance's name.
    pub frames: Vec<String>,
    /// The costs of the last of them, not counting procedures that it executed or called.
    pub spent: Spent,
}

/// A kind of cost of a part of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// Cycles: rows of the core table.
    Cycles,
    /// Rows of the hasher for permutations and Merkle paths that the code computes; not those for the
    /// hashes of the code itself.
    Hasher,
    /// Rows of bitwise operations.
    Bitwise,
    /// Rows of memory for what the code reads and writes.
    Memory,
}

impl Cost {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Cycles, Self::Hasher, Self::Bitwise, Self::Memory];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cycles => "cycles",
            Self::Hasher => "hasher",
            Self::Bitwise => "bitwise",
            Self::Memory => "memory",
        }
    }
}

/// Rows of the hasher for a permutation.
const PERMUTATION_ROWS: u64 = miden_cvm_air::builder::PERIOD as u64;

/// Rows for a bitwise operation of two numbers.
const BITWISE_ROWS: u64 = 2;

/// Costs that were counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent([u64; Cost::ALL.len()]);

impl Spent {
    /// Returns the amount of one cost.
    pub fn of(&self, cost: Cost) -> u64 {
        self.0[cost as usize]
    }

    fn add(&mut self, cost: Cost, count: u64) {
        self.0[cost as usize] += count;
    }
}

impl Profile {
    /// The stacks as lines that viewers of profiles read: `outer;inner count`, for a cost.
    pub fn folded(&self, cost: Cost) -> String {
        let spent = self.stacks.iter().filter(|stack| stack.spent.of(cost) > 0);
        let lines = spent.map(|stack| {
            // These two have a meaning in a line.
            let frames = stack
                .frames
                .iter()
                .map(|frame| frame.replace([';', '\n'], ":"));
            let frames: Vec<String> = frames.collect();
            format!("{} {}\n", frames.join(";"), stack.spent.of(cost))
        });
        lines.collect()
    }
}

/// The calls of an intrinsic. Each takes two cycles, or where it calls a destructor, one and those of
/// the call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IntrinsicProfile {
    /// Its name, such as `resource.new`.
    pub name: String,
    /// The resource type, as `instance.type`; `kernel` for the kernel's, `-` if there is none.
    pub resource: String,
    /// The number of times that it was called.
    pub calls: u64,
    /// The number of times that a destructor ran.
    pub destructors: u64,
}

/// The cycles of one instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InstanceProfile {
    /// Its name.
    pub name: String,
    /// The number of times that it was entered by a call or syscall.
    pub entries: u64,
    /// The cycles spent in it, not counting those in instances that it called.
    pub cycles: u64,
}

/// The cycles of one procedure in one instance.
///
/// Procedures are told apart by their digests. Short ones that the assembler merged into the basic
/// blocks of their callers are part of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProcedureProfile {
    /// The instance's name.
    pub instance: String,
    /// The procedure's name, or the beginning of its digest where nothing names it.
    pub name: String,
    /// Its digest.
    #[serde(with = "canonical::hex")]
    pub digest: Word,
    /// The file and the line that its first instruction comes from, as far as they are known: those of the
    /// source language, if the code was compiled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The number of executions.
    pub executions: u64,
    /// The cycles spent in it, not counting those in procedures that it executed or called.
    pub own_cycles: u64,
    /// The cycles from its beginning to its end.
    pub total_cycles: u64,
}

/// Runs a target and counts its cycles.
///
/// # Errors
/// If the target is refused before its first cycle, or traps.
pub fn profile(
    target: &Target,
    arguments: impl Into<Arguments>,
    advice_inputs: AdviceInputs,
    host: &mut dyn Host,
    options: ExecutionOptions,
) -> Result<Profile, ExecutionError> {
    let program = target.program();
    let counter = CycleCounter::new(target);
    let kernel = program.kernel().clone();
    let advice = target.advice(advice_inputs);
    let mut process = Process::new(kernel, arguments, advice, options, counter);
    process.execute(program, target.composition(), host)?;
    let (_, _, counter) = process.into_parts();
    Ok(counter.into_profile(target, &*host))
}

/// The place that cycles are attributed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Attribution {
    Instance(u16),
    Kernel,
}

impl Attribution {
    /// The instance; nothing for the kernel.
    fn instance(self) -> Option<u16> {
        match self {
            Self::Instance(index) => Some(index),
            Self::Kernel => None,
        }
    }

    fn name(self, target: &Target) -> String {
        match self {
            Self::Kernel => "kernel".into(),
            // An open program has one instance, without a name.
            Self::Instance(index) => match target.instances().get(usize::from(index)) {
                Some(name) => name.clone(),
                None => "program".into(),
            },
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    executions: u64,
    own: u64,
    total: u64,
    /// The number of executions that have not ended; recursion counts once in the total.
    open: u64,
}

/// A procedure that has not ended.
#[derive(Debug, Clone, Copy)]
struct OpenProcedure {
    key: usize,
    /// Its place in the tree of calls.
    node: usize,
    began: u64,
}

/// A procedure in the tree of calls.
#[derive(Debug, Clone, Copy)]
struct CallNode {
    parent: Option<usize>,
    key: usize,
    spent: Spent,
}

/// The most procedures of a chain that are told apart; recursion by `dynexec` can be deeper.
const MAX_FRAMES: usize = 256;

/// Counts cycles while the program runs.
#[derive(Debug)]
struct CycleCounter {
    /// The digests of all procedures that are known.
    known: HashSet<Word>,
    cycles: u64,
    open: OpenProcedures<OpenProcedure>,
    procedures: ProcedureCounter,
    instances: BTreeMap<Attribution, (u64, u64)>,
    /// Calls and destructors, by resource type (none is the kernel's) and intrinsic.
    intrinsics: BTreeMap<(Option<u32>, Intrinsic), (u64, u64)>,
}

/// Counts the executions of procedures.
#[derive(Debug, Default)]
struct ProcedureCounter {
    keys: HashMap<(Attribution, Word), usize>,
    counts: Vec<Count>,
    /// The tree of calls: procedures by who executed them, and their own cycles there.
    calls: Vec<CallNode>,
    /// Nodes of the tree by parent and procedure.
    call_places: HashMap<(Option<usize>, usize), usize>,
}

impl ProcedureCounter {
    /// A procedure begins, in the one at the place `parent` in the tree.
    fn begin(
        &mut self,
        place: Attribution,
        digest: Word,
        parent: Option<usize>,
        cycle: u64,
    ) -> OpenProcedure {
        let next = self.counts.len();
        let key = *self.keys.entry((place, digest)).or_insert(next);
        if key == next {
            self.counts.push(Count::default());
        }
        let count = &mut self.counts[key];
        count.executions += 1;
        count.open += 1;
        let next = self.calls.len();
        let node = *self.call_places.entry((parent, key)).or_insert(next);
        if node == next {
            self.calls.push(CallNode {
                parent,
                key,
                spent: Spent::default(),
            });
        }
        OpenProcedure {
            key,
            node,
            began: cycle,
        }
    }

    /// A procedure ends; `cycles` have passed.
    fn end(&mut self, ended: OpenProcedure, cycles: u64) {
        let count = &mut self.counts[ended.key];
        count.open -= 1;
        if count.open == 0 {
            count.total += cycles - ended.began;
        }
    }
}

impl CycleCounter {
    fn new(target: &Target) -> Self {
        let mut known: HashSet<Word> = forests(target)
            .flat_map(|forest| forest.procedure_digests())
            .collect();
        known.insert(target.program().hash());
        Self {
            known,
            cycles: 0,
            open: OpenProcedures::default(),
            procedures: ProcedureCounter::default(),
            instances: BTreeMap::from([(Attribution::Instance(0), (0, 0))]),
            intrinsics: BTreeMap::new(),
        }
    }

    /// Counts rows for the procedure that runs.
    fn count(&mut self, cost: Cost, rows: u64) {
        if let Some(procedure) = self.open.innermost() {
            self.procedures.calls[procedure.node].spent.add(cost, rows);
        }
    }

    fn into_profile(self, target: &Target, host: &dyn BaseHost) -> Profile {
        let instances = self.instances.into_iter();
        let mut instances: Vec<InstanceProfile> = instances
            .map(|(place, (entries, cycles))| InstanceProfile {
                name: place.name(target),
                entries,
                cycles,
            })
            .collect();
        instances.sort_by_key(|instance| std::cmp::Reverse(instance.cycles));

        let mut intrinsics: Vec<_> = self.intrinsics.into_iter().collect();
        intrinsics.sort_by_cached_key(|((resource, intrinsic), _)| (*resource, intrinsic.path()));
        let intrinsics = intrinsics.into_iter();
        let intrinsics = intrinsics
            .map(
                |((resource, intrinsic), (calls, destructors))| IntrinsicProfile {
                    name: intrinsic.path(),
                    resource: match resource {
                        None if intrinsic.right() == Right::Kernel => "kernel".into(),
                        None => "-".into(),
                        Some(number) => target
                            .resource_name(number)
                            .unwrap_or_else(|| format!("type {number}")),
                    },
                    calls,
                    destructors,
                },
            )
            .collect();
        let mut names = Names::new(target);
        let mut labels: Vec<String> = vec![String::new(); self.procedures.counts.len()];
        let keys = self.procedures.keys.into_iter();
        let mut procedures: Vec<ProcedureProfile> = keys
            .map(|((place, digest), key)| {
                let Count {
                    executions,
                    own,
                    total,
                    ..
                } = self.procedures.counts[key];
                let name = names
                    .of(place.instance(), digest)
                    .unwrap_or_else(|| short(digest));
                let source = source(target, place.instance(), digest, &name, host);
                let instance = place.name(target);
                labels[key] = format!("{instance} {name}");
                ProcedureProfile {
                    instance,
                    name,
                    digest,
                    source,
                    executions,
                    own_cycles: own,
                    total_cycles: total,
                }
            })
            .collect();
        procedures.sort_by(|a, b| {
            let order = |p: &ProcedureProfile| std::cmp::Reverse((p.own_cycles, p.total_cycles));
            (order(a), &a.instance, &a.name).cmp(&(order(b), &b.instance, &b.name))
        });
        let calls = &self.procedures.calls;
        let spent = calls.iter().filter(|node| node.spent != Spent::default());
        let stacks = spent.map(|node| {
            let chain = std::iter::successors(Some(node), |node| Some(&calls[node.parent?]));
            let mut frames: Vec<String> = chain
                .take(MAX_FRAMES)
                .map(|node| labels[node.key].clone())
                .collect();
            frames.reverse();
            StackProfile {
                frames,
                spent: node.spent,
            }
        });
        Profile {
            cycles: self.cycles,
            instances,
            intrinsics,
            procedures,
            stacks: stacks.collect(),
        }
    }
}

impl Tracer for CycleCounter {
    const ENABLED: bool = true;

    fn row(&mut self, state: &RowState<'_>, kind: RowKind<'_>) {
        let place = match state.in_syscall {
            true => Attribution::Kernel,
            false => Attribution::Instance(state.context.index()),
        };
        let Self {
            known,
            cycles,
            procedures,
            ..
        } = self;
        self.open.begin(&kind, |digest, parent| {
            let parent = parent.map(|procedure: &OpenProcedure| procedure.node);
            let is_known = known.contains(&digest) && state.is_procedure();
            is_known.then(|| procedures.begin(place, digest, parent, *cycles))
        });
        if let RowKind::Start(start) = kind
            && let Some(entered) = start.entered
        {
            let entered = match entered.crossing {
                Crossing::Syscall => Attribution::Kernel,
                _ => Attribution::Instance(entered.context.index()),
            };
            self.instances.entry(entered).or_default().0 += 1;
        }
        if let RowKind::Intrinsic(row) = kind {
            let intrinsic = row.call.intrinsic;
            let resource = intrinsic.has_resource().then_some(row.resource);
            let count = self.intrinsics.entry((resource, intrinsic)).or_default();
            count.0 += 1;
            count.1 += u64::from(row.destroys);
        }
        self.cycles += 1;
        self.instances.entry(place).or_default().1 += 1;
        if let Some(procedure) = self.open.innermost() {
            self.procedures.counts[procedure.key].own += 1;
            let spent = &mut self.procedures.calls[procedure.node].spent;
            spent.add(Cost::Cycles, 1);
        }
        if let Some(ended) = self.open.end(&kind) {
            self.procedures.end(ended, self.cycles);
        }
    }

    fn memory(&mut self, _access: MemoryAccess) {
        self.count(Cost::Memory, 1);
    }

    fn bitwise(&mut self, _op: BitwiseOp, _a: u32, _b: u32) {
        self.count(Cost::Bitwise, BITWISE_ROWS);
    }

    fn permutation(&mut self, _input: &[Felt; 12], _output: &[Felt; 12]) {
        self.count(Cost::Hasher, PERMUTATION_ROWS);
    }

    fn merkle_verify(&mut self, _leaf: Word, _index: u64, path: &MerklePath, _root: Word) {
        self.count(Cost::Hasher, u64::from(path.depth()) * PERMUTATION_ROWS);
    }

    fn merkle_update(&mut self, update: MerkleUpdate<'_>) {
        let permutations = 2 * u64::from(update.path.depth());
        self.count(Cost::Hasher, permutations * PERMUTATION_ROWS);
    }

    fn log_precompile(&mut self, _clk: u32, _input: &[Felt; 12], _output: &[Felt; 12]) {
        self.count(Cost::Hasher, PERMUTATION_ROWS);
    }
}

pub(crate) fn forests(target: &Target) -> impl Iterator<Item = &Arc<MastForest>> {
    let own = [target.program().mast_forest(), core_library().mast_forest()];
    own.into_iter().chain(target.forests())
}

/// The beginning of a digest, as the name of what has none.
fn short(digest: Word) -> String {
    let mut hex = digest.to_hex();
    hex.truncate(10);
    hex
}

/// Names of procedures by the instance that executes them.
///
/// The code of one procedure can be that of another, in another component even. So an instance's
/// procedures have the names that its own component has for them, then those of the debug information
/// of its code, and those of libraries. If several are the same code, all of them are named.
pub(crate) struct Names<'t> {
    target: &'t Target,
    /// The names in the debug information of forests, by their addresses.
    in_code: HashMap<usize, HashMap<Word, Vec<String>>>,
}

impl<'t> Names<'t> {
    pub(crate) fn new(target: &'t Target) -> Self {
        Self {
            target,
            in_code: HashMap::new(),
        }
    }

    /// The name of a procedure that an instance executes; that of an open program is none.
    pub(crate) fn of(&mut self, instance: Option<u16>, digest: Word) -> Option<String> {
        let target = self.target;
        let libraries = target.library_names(&digest);
        if let Some(code) = instance.and_then(|index| target.code_of(index)) {
            if let Some(own) = code.names.get(&digest) {
                return Some(own.join(" = "));
            }
            let in_code = self.in_code(&code.forest, &code.names);
            if let Some(names) = in_code.get(&digest)
                && !libraries.iter().any(|library| names.contains(library))
            {
                return Some(names.join(" = "));
            }
            return (!libraries.is_empty()).then(|| libraries.join(" = "));
        }
        if !libraries.is_empty() {
            return Some(libraries.join(" = "));
        }
        if digest == target.program().hash() {
            return Some("main".into());
        }
        let none = BTreeMap::new();
        forests(target)
            .find_map(|forest| Some(self.in_code(forest, &none).get(&digest)?.join(" = ")))
    }

    /// The names that the debug information of a forest gives to the procedures that have none.
    fn in_code(
        &mut self,
        forest: &Arc<MastForest>,
        named: &BTreeMap<Word, Vec<String>>,
    ) -> &HashMap<Word, Vec<String>> {
        let target = self.target;
        let address = Arc::as_ptr(forest) as usize;
        self.in_code.entry(address).or_insert_with(|| {
            let roots = forest.procedure_roots().iter();
            let mut unnamed: Vec<(Word, Vec<String>)> = roots
                .filter_map(|&root| Some((forest.get_node_by_id(root)?.digest(), root)))
                .filter(|(digest, _)| !named.contains_key(digest))
                .map(|(digest, root)| (digest, names_in_code(forest, root)))
                .collect();
            // Code holds the names of procedures merged into it too; those with one name are sure.
            unnamed.sort_by_key(|(_, candidates)| candidates.len());
            let mut taken: HashSet<String> = HashSet::new();
            let mut names: HashMap<Word, Vec<String>> = HashMap::new();
            for (digest, candidates) in unnamed {
                let of_library = target.library_names(&digest);
                let name = match of_library.iter().find(|name| candidates.contains(name)) {
                    Some(name) => Some(name.clone()),
                    None => candidates.into_iter().find(|name| !taken.contains(name)),
                };
                let Some(name) = name else { continue };
                taken.insert(name.clone());
                let known = names.entry(digest).or_default();
                if !known.contains(&name) {
                    known.push(name);
                }
            }
            names
        })
    }
}

/// The place in the source of a procedure that an instance executes.
fn source(
    target: &Target,
    instance: Option<u16>,
    digest: Word,
    name: &str,
    host: &dyn BaseHost,
) -> Option<String> {
    let own = instance.and_then(|index| target.code_of(index));
    let own = own.map(|code| &code.forest);
    let (forest, root) = own
        .into_iter()
        .chain(forests(target))
        .find_map(|forest| Some((forest, forest.find_procedure_root(digest)?)))?;
    let ops = own_ops(forest, root);
    let line = |op: &AssemblyOp| {
        let place = op.location()?;
        let resolve = |place: &_| Some(host.resolve_location(place)?.line.to_u32());
        let (file, line) = file_and_line(place, resolve);
        Some((format!("{file}:{}", line?), place.uri().as_str() != file))
    };
    // Procedures that were merged into it have places of their own; what was compiled comes first.
    let is_own = |op: &AssemblyOp| {
        name.split(" = ")
            .any(|name| name.ends_with(plain(op.context_name())))
    };
    let places = ops.iter().filter_map(|op| {
        let (place, is_compiled) = line(op)?;
        Some((!is_compiled, !is_own(op), place))
    });
    let first = places.min_by_key(|(rest, foreign, _)| (*rest, *foreign));
    first.map(|(.., place)| place)
}

/// The procedures that the debug information of a procedure's own nodes names, in their order.
fn names_in_code(forest: &MastForest, root: MastNodeId) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for op in own_ops(forest, root) {
        let name = plain(op.context_name());
        if !names.iter().any(|known| known == name) {
            names.push(name.into());
        }
    }
    names
}

/// The instructions in the debug information of a procedure's own nodes, in their order.
pub(crate) fn own_ops(forest: &MastForest, root: MastNodeId) -> Vec<&AssemblyOp> {
    let mut ops = Vec::new();
    let mut seen = HashSet::from([root]);
    let mut pending = vec![root];
    while let Some(id) = pending.pop() {
        let Some(node) = forest.get_node_by_id(id) else {
            continue;
        };
        let mut decorators = forest.before_enter_decorators(id).to_vec();
        if let MastNode::Block(block) = node {
            decorators.extend(block.indexed_decorator_iter(forest).map(|(_, id)| id));
        }
        for id in decorators {
            if let Some(Decorator::AsmOp(op)) = forest.decorator_by_id(id) {
                ops.push(op);
            }
        }
        let mut children = Vec::new();
        node.append_children_to(&mut children);
        let own = children.into_iter().rev();
        pending.extend(own.filter(|&child| !forest.is_procedure_root(child) && seen.insert(child)));
    }
    ops
}

/// A procedure's path without what the assembler puts before it.
pub(crate) fn plain(path: &str) -> &str {
    let path = path.strip_prefix("::").unwrap_or(path);
    path.strip_prefix("$exec::").unwrap_or(path)
}
