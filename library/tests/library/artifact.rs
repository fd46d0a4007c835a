//! Makes `assets/`, and checks that it is what the sources give.
//!
//! The forest begins with all nodes of the published library, in their order and with their
//! digests. Then come our procedures, and those published ones that reach what they replace,
//! rebuilt around the replacements: a subtree for a subtree, and for what the assembler has put into
//! a basic block, operations for operations.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use miden_assembly::{
    Assembler, DefaultSourceManager, Library, ModuleParser, Path as MasmPath,
    ast::ModuleKind,
    library::{LibraryExport, ProcedureExport},
};
use miden_core::{
    AssemblyOp, Decorator, Felt, Operation, Word,
    mast::{
        BasicBlockNodeBuilder, CallNodeBuilder, DecoratorId, DynNodeBuilder, ExternalNodeBuilder,
        JoinNodeBuilder, LoopNodeBuilder, MastForest, MastForestContributor, MastNode, MastNodeExt,
        MastNodeId, SplitNodeBuilder,
    },
    utils::Serializable,
};
use miden_core_lib::CoreLibrary;
use miden_cvm_library::{
    ADVISORIES, SHORT_CODE, core_library, correct, corrected_instructions, findings,
    published_core_library,
};
use miniz_oxide::{deflate::compress_to_vec_zlib, inflate::decompress_to_vec_zlib};

/// The file with the library, compressed.
const LIBRARY: &str = "core.masl.zlib";

/// The file with its interface.
const INTERFACE: &str = "interface.masl";

/// Where our procedures are assembled, so that they can use the published ones.
const CORRECTED: &str = "corrected";

/// Procedures that are faulty by themselves, but not in the published procedures that use them: the
/// one is called with the hash that it needs, the others with as many queries as they ask for.
const EXPORTS_ONLY: [&str; 3] = [
    "crypto::dsa::eddsa_ed25519::verify_prehash",
    "crypto::dsa::eddsa_ed25519::verify_prehash_impl",
    "pcs::fri::frie2f4::verify",
];

/// The contents of `assets/`: the library, its interface, and the digests of what it replaces.
struct Assets {
    library: Vec<u8>,
    interface: Vec<u8>,
    published: String,
}

#[test]
fn the_assets_are_what_the_sources_give() {
    let Assets {
        library,
        interface,
        published,
    } = assets();
    let read = |name| fs::read(folder().join("assets").join(name)).expect("a library");
    let inflated = decompress_to_vec_zlib(&read(LIBRARY)).expect("a compressed library");
    for (made, there, name) in [
        (library, inflated, LIBRARY),
        (interface, read(INTERFACE), INTERFACE),
    ] {
        // Not `assert_eq`, which would print both.
        assert!(
            made == there,
            "assets/{name} is another: cargo test -p miden-cvm-library -- --ignored writes it"
        );
    }
    let there = fs::read_to_string(folder().join("assets/published.txt")).expect("the digests");
    assert_eq!(published, there);
}

/// Checks nothing, and so is not run with the tests: after a change of the sources it writes the files
/// that the test above compares.
#[test]
#[ignore = "writes the assets"]
fn write_the_assets() {
    let Assets {
        library,
        interface,
        published,
    } = assets();
    let write = |name, bytes| fs::write(folder().join("assets").join(name), bytes).expect("a file");
    write(LIBRARY, compress_to_vec_zlib(&library, 10));
    write(INTERFACE, interface);
    fs::write(folder().join("assets/published.txt"), published).expect("the digests");
}

#[test]
fn nothing_else_is_changed() {
    let published = CoreLibrary::default();
    let published = published.library();
    let ours = published_core_library();
    assert_eq!(ours.digest(), published.digest());
    let digests = |library: &Library| -> BTreeMap<String, Word> {
        let forest = library.mast_forest().clone();
        let procedures = library.exports().filter_map(LibraryExport::as_procedure);
        let digests = procedures.map(|p| (p.path.to_string(), forest[p.node].digest()));
        digests.collect()
    };
    let published = digests(published);
    assert_eq!(digests(ours), published);
    let corrected = digests(core_library());
    assert!(corrected.keys().eq(published.keys()));
    let replaced = include_str!("../../assets/published.txt").lines();
    let replaced: BTreeSet<&str> = replaced.map(|line| &line[67..]).collect();
    for (path, digest) in corrected {
        assert_eq!(
            digest != published[&path],
            replaced.contains(&*path),
            "{path}"
        );
    }
}

/// All digests in the procedures of the corrected library, and the blocks among them.
#[test]
fn nothing_corrected_contains_what_is_replaced() {
    let library = core_library();
    let forest = library.mast_forest();
    let replaced = include_str!("../../assets/published.txt").lines();
    let replaced: BTreeMap<Word, &str> = replaced
        .map(|line| (Word::try_from(&line[..66]).expect("a digest"), &line[67..]))
        .collect();
    let mut waiting = Vec::new();
    for procedure in library.exports().filter_map(LibraryExport::as_procedure) {
        let path = procedure.path.to_relative().to_string();
        if !EXPORTS_ONLY.iter().any(|name| path.ends_with(name)) {
            waiting.push(procedure.node);
        }
    }
    let mut seen = BTreeSet::new();
    while let Some(id) = waiting.pop() {
        if !seen.insert(u32::from(id)) {
            continue;
        }
        let name = replaced.get(&forest[id].digest());
        let allowed = name.is_none_or(|name| EXPORTS_ONLY.iter().any(|only| name.ends_with(only)));
        assert!(allowed, "{name:?} is in the corrected library");
        waiting.extend(children(&forest[id]));
    }
    // As a whole it has none either, and the published one has them all.
    let ours = |library: &Library| {
        let mut forest = MastForest::new();
        let mut copied = BTreeMap::new();
        for procedure in library.exports().filter_map(LibraryExport::as_procedure) {
            let node = copy_tree(
                library.mast_forest(),
                procedure.node,
                &mut forest,
                &mut copied,
            );
            forest.make_root(node);
        }
        let found = findings(&forest);
        let ids = found.iter().map(|finding| finding.advisory().id);
        ids.collect::<BTreeSet<_>>()
    };
    assert_eq!(ours(library), BTreeSet::new());
    let all = ADVISORIES.iter().map(|advisory| advisory.id);
    assert_eq!(ours(published_core_library()), all.collect());
}

/// Copies a procedure with all that it contains, without decorators.
fn copy_tree(
    source: &MastForest,
    id: MastNodeId,
    forest: &mut MastForest,
    copied: &mut BTreeMap<u32, MastNodeId>,
) -> MastNodeId {
    if let Some(&copy) = copied.get(&id.into()) {
        return copy;
    }
    let node = &source[id];
    let mut children = Vec::new();
    node.for_each_child(|child| children.push(child));
    let children: Vec<MastNodeId> = children
        .into_iter()
        .map(|child| copy_tree(source, child, forest, copied))
        .collect();
    let copy = add(node, &children, Decorators::default(), forest);
    copied.insert(id.into(), copy);
    copy
}

fn folder() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

fn assets() -> Assets {
    let published = CoreLibrary::default();
    let published = published.library();
    let corrected = corrected(published);
    let mut maker = Maker::new(published.mast_forest());

    let source = corrected.mast_forest();
    let ours = maker.add_all(source);
    // What is replaced, by its digest, and what by.
    let mut replaced: BTreeMap<Word, MastNodeId> = BTreeMap::new();
    let mut exports_only: BTreeMap<Word, MastNodeId> = BTreeMap::new();
    let mut texts = String::new();
    let procedures = |library: &Library| -> Vec<ProcedureExport> {
        let procedures = library.exports().filter_map(LibraryExport::as_procedure);
        procedures.cloned().collect()
    };
    for procedure in procedures(&corrected) {
        let path = procedure.path.to_relative().to_string();
        let path = path
            .strip_prefix(&format!("{CORRECTED}::"))
            .expect("a path");
        let digest = published
            .get_procedure_root_by_path(MasmPath::new(&format!("::miden::core::{path}")))
            .unwrap_or_else(|| panic!("{path} is not in the published library"));
        let corrections = match EXPORTS_ONLY.contains(&path) {
            true => &mut exports_only,
            false => &mut replaced,
        };
        corrections.insert(digest, ours[&procedure.node.into()]);
    }
    for name in corrected_instructions() {
        let (digest, old) = maker.instruction(&format!("pub proc {name}\n {name}\nend"), name);
        let text = fs::read_to_string(folder().join("masm/instructions.masm")).expect("a module");
        let (_, new) = maker.instruction(&text, name);
        maker.forest.make_root(old);
        replaced.insert(digest, new);
        writeln!(texts, "{} {name}", digest.to_hex()).expect("a line");
    }

    let mut exports = BTreeMap::new();
    let rebuilt = maker.rebuild(published.mast_forest(), &replaced);
    for export in published.exports() {
        let mut export = export.clone();
        if let LibraryExport::Procedure(procedure) = &mut export {
            let old = published.mast_forest()[procedure.node].digest();
            procedure.node = match exports_only.get(&old) {
                Some(&new) => new,
                None => rebuilt[&procedure.node.into()],
            };
            maker.forest.make_root(procedure.node);
            if maker.forest[procedure.node].digest() != old {
                writeln!(texts, "{} {}", old.to_hex(), procedure.path).expect("a line");
            }
        }
        exports.insert(export.path(), export);
    }
    let interface = interface(&maker.forest, &exports, &texts);
    let library = Library::new(Arc::new(maker.forest), exports).expect("a library");
    assert_eq!(interface.digest(), library.digest());
    Assets {
        library: library.to_bytes(),
        interface: interface.to_bytes(),
        published: texts,
    }
}

/// The interface of a library with this forest and these exports: all roots, messages and advice. Nodes are
/// external ones, but for those of short procedures, and those that are faulty, which the text names with
/// their digests.
fn interface(
    forest: &MastForest,
    exports: &BTreeMap<Arc<MasmPath>, LibraryExport>,
    published: &str,
) -> Library {
    let is_faulty = |name: &str| ADVISORIES.iter().any(|known| known.code.contains(&name));
    let faulty: BTreeSet<Word> = published
        .lines()
        .filter(|line| is_faulty(&line[67..]))
        .map(|line| Word::try_from(&line[..66]).expect("a digest"))
        .collect();
    let mut maker = Maker::default();
    let mut lengths: BTreeMap<MastNodeId, usize> = BTreeMap::new();
    let mut shown: BTreeSet<MastNodeId> = BTreeSet::new();
    for id in (0..forest.num_nodes()).map(MastNodeId::from) {
        let node = &forest[id];
        assert!(!node.is_external(), "the library has all of its code");
        let below = children(node);
        let mut length: usize = below.iter().map(|child| lengths[child]).sum();
        if let MastNode::Block(block) = node {
            for operation in block.raw_operations() {
                maker.register_message(forest, operation);
                length += 1;
            }
        }
        lengths.insert(id, length);
        if length <= SHORT_CODE || faulty.contains(&node.digest()) {
            shown.insert(id);
        }
    }
    let mut needed: BTreeSet<MastNodeId> = BTreeSet::new();
    let mut waiting = forest.procedure_roots().to_vec();
    while let Some(id) = waiting.pop() {
        if needed.insert(id) && shown.contains(&id) {
            waiting.extend(children(&forest[id]));
        }
    }
    let mut places: BTreeMap<MastNodeId, MastNodeId> = BTreeMap::new();
    let mut bare: BTreeSet<MastNodeId> = BTreeSet::new();
    for id in needed {
        let node = &forest[id];
        let below = children(node);
        let copies = below.iter().filter_map(|child| places.get(child).copied());
        let copies: Vec<MastNodeId> = copies.collect();
        let place = if lengths[&id] <= SHORT_CODE {
            maker.copy(forest, id, &copies)
        } else if shown.contains(&id) {
            add(node, &copies, Decorators::default(), &mut maker.forest)
        } else {
            let node = ExternalNodeBuilder::new(node.digest());
            node.add_to_forest(&mut maker.forest).expect("a node")
        };
        places.insert(id, place);
        // Code without its decorators is known by references or long blocks; there is none besides.
        let is_known = !shown.contains(&id) || (below.is_empty() && lengths[&id] > SHORT_CODE);
        let is_bare = |child: &MastNodeId| bare.contains(child) || lengths[child] <= SHORT_CODE;
        if !is_known && lengths[&id] > SHORT_CODE && below.iter().all(is_bare) {
            bare.insert(id);
        }
    }
    let mut roots = forest.procedure_roots().iter();
    assert!(roots.all(|root| !bare.contains(root)));
    for root in forest.procedure_roots() {
        maker.forest.make_root(places[root]);
    }
    let advice = forest.advice_map().clone();
    maker.forest.advice_map_mut().extend(advice);
    let exports = exports.values().cloned().map(|mut export| {
        if let LibraryExport::Procedure(procedure) = &mut export {
            procedure.node = places[&procedure.node];
        }
        (export.path(), export)
    });
    Library::new(Arc::new(maker.forest), exports.collect()).expect("a library")
}

/// Assembles `masm/core`.
fn corrected(published: &Library) -> Library {
    let sources = Arc::new(DefaultSourceManager::default());
    let mut modules = Vec::new();
    collect(&folder().join("masm/core"), CORRECTED, &mut modules);
    let modules = modules.into_iter().map(|(file, path)| {
        let mut module = ModuleParser::new(ModuleKind::Library)
            .parse_file(MasmPath::new(&path), &file, sources.clone())
            .unwrap_or_else(|report| panic!("{path}: {report:?}"));
        correct(&mut module);
        module
    });
    Assembler::new(sources.clone())
        .with_static_library(published)
        .expect("the published library")
        .assemble_library(modules.collect::<Vec<_>>())
        .unwrap_or_else(|report| panic!("{report:?}"))
}

fn collect(folder: &Path, path: &str, modules: &mut Vec<(PathBuf, String)>) {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    for file in files {
        let name = file.file_stem().expect("a name").to_string_lossy();
        let path = format!("{path}::{name}");
        if file.is_dir() {
            collect(&file, &path, modules);
        } else {
            modules.push((file, path));
        }
    }
}

/// Decorators of a node, in the forest that it goes to.
#[derive(Default)]
struct Decorators {
    before: Vec<DecoratorId>,
    after: Vec<DecoratorId>,
    /// Of a block's operations, by their positions.
    within: Vec<(usize, DecoratorId)>,
}

/// Adds `node` with other children.
fn add(
    node: &MastNode,
    children: &[MastNodeId],
    decorators: Decorators,
    forest: &mut MastForest,
) -> MastNodeId {
    let Decorators {
        before,
        after,
        within,
    } = decorators;
    macro_rules! add {
        ($builder:expr) => {
            $builder
                .with_before_enter(before)
                .with_after_exit(after)
                .add_to_forest(forest)
        };
    }
    let added = match (node, children) {
        (MastNode::Block(block), []) => add!(BasicBlockNodeBuilder::new(
            block.raw_operations().copied().collect(),
            within
        )),
        (MastNode::Join(_), &[first, second]) => add!(JoinNodeBuilder::new([first, second])),
        (MastNode::Split(_), &[yes, no]) => add!(SplitNodeBuilder::new([yes, no])),
        (MastNode::Loop(_), &[body]) => add!(LoopNodeBuilder::new(body)),
        (MastNode::Call(call), &[callee]) if call.is_syscall() => {
            add!(CallNodeBuilder::new_syscall(callee))
        }
        (MastNode::Call(_), &[callee]) => add!(CallNodeBuilder::new(callee)),
        (MastNode::Dyn(dynamic), []) if dynamic.is_dyncall() => {
            add!(DynNodeBuilder::new_dyncall())
        }
        (MastNode::Dyn(_), []) => add!(DynNodeBuilder::new_dyn()),
        (MastNode::External(external), []) => add!(ExternalNodeBuilder::new(external.digest())),
        _ => unreachable!("a node with the children of another"),
    };
    added.expect("a node")
}

/// The forest that is made.
#[derive(Default)]
struct Maker {
    forest: MastForest,
    decorators: BTreeMap<(String, String, u8), DecoratorId>,
    by_digest: BTreeMap<Word, MastNodeId>,
}

impl Maker {
    /// Begins with all nodes of `published`, in their order.
    fn new(published: &MastForest) -> Self {
        let mut maker = Self::default();
        for index in 0..published.num_nodes() {
            let id = MastNodeId::from(index);
            let children = children(&published[id]);
            let copy = maker.copy(published, id, &children);
            assert_eq!(u32::from(copy), index);
        }
        for &root in published.procedure_roots() {
            maker.forest.make_root(root);
        }
        let map = published.advice_map().clone();
        maker.forest.advice_map_mut().extend(map);
        maker
    }

    /// Adds the nodes of `source` that are not there yet.
    fn add_all(&mut self, source: &MastForest) -> BTreeMap<u32, MastNodeId> {
        let mut copies: BTreeMap<u32, MastNodeId> = BTreeMap::new();
        for index in 0..source.num_nodes() {
            let id = MastNodeId::from(index);
            let children = children(&source[id]);
            let children: Vec<MastNodeId> = children
                .into_iter()
                .map(|child| copies[&child.into()])
                .collect();
            let copy = match self.by_digest.get(&source[id].digest()) {
                Some(&there) => there,
                None => self.copy(source, id, &children),
            };
            copies.insert(index, copy);
        }
        copies
    }

    /// Assembles a module with the published assembler and takes one procedure of it, which is a
    /// basic block.
    fn instruction(&mut self, text: &str, name: &str) -> (Word, MastNodeId) {
        let module = Arc::new(DefaultSourceManager::default());
        let module = ModuleParser::new(ModuleKind::Library)
            .parse_str(MasmPath::new("instructions"), text, module)
            .expect("a module");
        let library = Assembler::default()
            .assemble_library([module])
            .expect("a library");
        let node = library.get_export_node_id(MasmPath::new(&format!("instructions::{name}")));
        let source = library.mast_forest();
        (source[node].digest(), self.copy(source, node, &[]))
    }

    /// Copies a node, with other children.
    fn copy(&mut self, source: &MastForest, id: MastNodeId, children: &[MastNodeId]) -> MastNodeId {
        let node = &source[id];
        if let MastNode::Block(block) = node {
            for operation in block.raw_operations() {
                self.register_message(source, operation);
            }
        }
        let decorators = self.decorators_of(source, id);
        let copy = add(node, children, decorators, &mut self.forest);
        self.by_digest.entry(node.digest()).or_insert(copy);
        copy
    }

    fn register_message(&mut self, source: &MastForest, operation: &Operation) {
        let (Operation::Assert(code) | Operation::U32assert2(code) | Operation::MpVerify(code)) =
            operation
        else {
            return;
        };
        if let Some(message) = source.resolve_error_message(*code) {
            assert_eq!(self.forest.register_error(message), *code);
        }
    }

    fn decorators_of(&mut self, source: &MastForest, id: MastNodeId) -> Decorators {
        let mut own = |ids: &[DecoratorId]| -> Vec<DecoratorId> {
            ids.iter().map(|&id| self.decorator(&source[id])).collect()
        };
        let before = own(source.before_enter_decorators(id));
        let after = own(source.after_exit_decorators(id));
        let within = match &source[id] {
            MastNode::Block(block) => {
                let raw = block.raw_op_indexed_decorators(source);
                let raw = raw.into_iter();
                raw.map(|(at, id)| (at, self.decorator(&source[id])))
                    .collect()
            }
            _ => Vec::new(),
        };
        Decorators {
            before,
            after,
            within,
        }
    }

    /// The same decorator in this forest: without the place of a file on the machine that assembled
    /// it, and with the name that a procedure has for its users.
    fn decorator(&mut self, decorator: &Decorator) -> DecoratorId {
        let Decorator::AsmOp(op) = decorator else {
            return self
                .forest
                .add_decorator(decorator.clone())
                .expect("a decorator");
        };
        let context = op.context_name().replace("corrected::", "miden::core::");
        self.assembly_op(context, op.op(), op.num_cycles())
    }

    fn assembly_op(&mut self, context: String, op: &str, cycles: u8) -> DecoratorId {
        let key = (context.clone(), op.to_owned(), cycles);
        *self.decorators.entry(key).or_insert_with(|| {
            let op = AssemblyOp::new(None, context, cycles, op.into(), false);
            self.forest
                .add_decorator(Decorator::AsmOp(op))
                .expect("a decorator")
        })
    }

    /// Rebuilds what contains something that is replaced. Gives what stands for every published
    /// node.
    fn rebuild(
        &mut self,
        published: &MastForest,
        replaced: &BTreeMap<Word, MastNodeId>,
    ) -> BTreeMap<u32, MastNodeId> {
        let blocks = replaced.iter().filter_map(|(old, &new)| {
            let old = self.by_digest[old];
            match (&self.forest[old], &self.forest[new]) {
                (MastNode::Block(_), MastNode::Block(_)) => Some((old, new)),
                _ => None,
            }
        });
        let mut blocks: Vec<(MastNodeId, MastNodeId)> = blocks.collect();
        // What contains another one first.
        blocks.sort_by_key(|(old, _)| {
            let block = self.forest[*old].unwrap_basic_block();
            std::cmp::Reverse(block.raw_operations().count())
        });
        let mut rebuilt: BTreeMap<u32, MastNodeId> = BTreeMap::new();
        for index in 0..published.num_nodes() {
            let id = MastNodeId::from(index);
            let node = &published[id];
            let new = if let Some(&new) = replaced.get(&node.digest()) {
                new
            } else if let MastNode::Block(_) = node {
                self.rebuild_block(id, &blocks)
            } else {
                let old = children(node);
                let new: Vec<MastNodeId> =
                    old.iter().map(|&child| rebuilt[&child.into()]).collect();
                if new == old {
                    id
                } else {
                    self.copy(published, id, &new)
                }
            };
            rebuilt.insert(index, new);
        }
        rebuilt
    }

    /// Puts one basic block in the place of another wherever it is contained in `block`.
    fn rebuild_block(
        &mut self,
        block: MastNodeId,
        replacements: &[(MastNodeId, MastNodeId)],
    ) -> MastNodeId {
        let parts = |maker: &Self, id: MastNodeId| {
            let node = maker.forest[id].unwrap_basic_block();
            let operations: Vec<Operation> = node.raw_operations().copied().collect();
            (operations, node.raw_op_indexed_decorators(&maker.forest))
        };
        let (mut operations, mut within) = parts(self, block);
        let mut changed = false;
        for &(old, new) in replacements {
            let (old, _) = parts(self, old);
            let (new, marks) = parts(self, new);
            let mut from = 0;
            while let Some(at) = position(&operations[from..], &old) {
                let start = from + at;
                let end = start + old.len();
                operations.splice(start..end, new.iter().copied());
                let context = within.iter().find(|(position, _)| *position == start);
                let context = context.and_then(|(_, id)| self.context(*id));
                let mut shifted: Vec<(usize, DecoratorId)> = Vec::new();
                for &(position, id) in within.iter().filter(|(position, _)| *position < start) {
                    shifted.push((position, id));
                }
                for &(position, id) in &marks {
                    shifted.push((start + position, self.in_context(id, context.as_deref())));
                }
                for &(position, id) in within.iter().filter(|(position, _)| *position >= end) {
                    shifted.push((position + new.len() - old.len(), id));
                }
                within = shifted;
                from = start + new.len();
                changed = true;
            }
        }
        if !changed {
            return block;
        }
        let before = self.forest.before_enter_decorators(block).to_vec();
        let after = self.forest.after_exit_decorators(block).to_vec();
        BasicBlockNodeBuilder::new(operations, within)
            .with_before_enter(before)
            .with_after_exit(after)
            .add_to_forest(&mut self.forest)
            .expect("a block")
    }

    fn context(&self, id: DecoratorId) -> Option<String> {
        match &self.forest[id] {
            Decorator::AsmOp(op) => Some(op.context_name().into()),
            _ => None,
        }
    }

    /// Places what replaces an instruction into the procedure in which the instruction stood.
    fn in_context(&mut self, id: DecoratorId, context: Option<&str>) -> DecoratorId {
        let (Decorator::AsmOp(op), Some(context)) = (&self.forest[id], context) else {
            return id;
        };
        if !op.context_name().contains("instructions::") {
            return id;
        }
        let (op, cycles) = (op.op().to_owned(), op.num_cycles());
        self.assembly_op(context.into(), &op, cycles)
    }
}

fn children(node: &MastNode) -> Vec<MastNodeId> {
    let mut children = Vec::new();
    node.for_each_child(|child| children.push(child));
    children
}

/// Where `part` stands in `operations`. Error codes do not matter, as they enter no digest.
fn position(operations: &[Operation], part: &[Operation]) -> Option<usize> {
    let plain = |operation: &Operation| match operation {
        Operation::Assert(_) => Operation::Assert(Felt::default()),
        Operation::U32assert2(_) => Operation::U32assert2(Felt::default()),
        Operation::MpVerify(_) => Operation::MpVerify(Felt::default()),
        operation => *operation,
    };
    operations
        .windows(part.len())
        .position(|window| window.iter().map(plain).eq(part.iter().map(plain)))
}
