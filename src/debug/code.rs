//! The debug information about the code of a target.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    rc::Rc,
    sync::Arc,
};

use miden_assembly::{SourceManager, debuginfo::Uri};
use miden_core::{
    Decorator, Word,
    mast::{MastForest, MastNodeExt},
};
use miden_cvm_processor::{Position, file_and_line};

use super::running::Running;
use crate::{
    Location, Target,
    profile::{Names, forests, own_ops, plain},
};

/// A place in the source.
#[derive(Debug)]
pub(super) struct Spot {
    /// The same for all operations of one line of a procedure; of one instruction where there are no
    /// lines.
    pub line_key: usize,
    pub procedure: Option<String>,
    pub location: Location,
}

/// The key that tells a line from others: procedure, file and line, and the instruction where there
/// are no lines.
type LineKey = (Option<String>, Option<String>, Option<u32>, Option<String>);

/// Everything that is known of the code of a target.
pub(super) struct CodeMap<'t> {
    target: &'t Target,
    names: Names<'t>,
    /// The digests of all procedures.
    pub known: Arc<HashSet<Word>>,
    /// The digests of the procedures in code that has debug information.
    located: HashSet<Word>,
    /// The lines at which instructions stand, by file.
    lines: BTreeMap<String, BTreeSet<u32>>,
    /// The names of procedures in debug information.
    procedures: BTreeSet<String>,
    spots: HashMap<Position, Option<Rc<Spot>>>,
    line_keys: HashMap<LineKey, usize>,
    own_names: HashMap<(Option<u16>, Word), Rc<str>>,
}

impl<'t> CodeMap<'t> {
    pub fn new(target: &'t Target) -> Self {
        let mut map = Self {
            target,
            names: Names::new(target),
            known: Arc::default(),
            located: HashSet::new(),
            lines: BTreeMap::new(),
            procedures: BTreeSet::new(),
            spots: HashMap::new(),
            line_keys: HashMap::new(),
            own_names: HashMap::new(),
        };
        let mut known = HashSet::from([target.program().hash()]);
        for forest in forests(target) {
            known.extend(forest.procedure_digests());
            map.add_debug_information(forest);
        }
        map.known = Arc::new(known);
        map
    }

    fn add_debug_information(&mut self, forest: &MastForest) {
        for decorator in forest.decorators() {
            let Decorator::AsmOp(op) = decorator else {
                continue;
            };
            let name = plain(op.context_name());
            if !self.procedures.contains(name) {
                self.procedures.insert(name.into());
            }
            let resolve = |location: &_| {
                let sources = self.target.sources.as_ref()?;
                let span = sources.location_to_span(Clone::clone(location))?;
                Some(sources.file_line_col(span).ok()?.line.to_u32())
            };
            let found = op
                .location()
                .map(|location| file_and_line(location, resolve));
            if let Some((file, Some(line))) = found {
                match self.lines.get_mut(file) {
                    Some(lines) => {
                        lines.insert(line);
                    }
                    None => {
                        let lines = BTreeSet::from([line]);
                        self.lines.insert(file.into(), lines);
                    }
                }
            }
        }
        // A package has no places but those in sources of other languages.
        for &root in forest.procedure_roots() {
            if let Some(node) = forest.get_node_by_id(root)
                && !own_ops(forest, root).is_empty()
            {
                self.located.insert(node.digest());
            }
        }
    }

    /// Returns `true` if the code of a procedure has debug information.
    pub fn is_located(&self, digest: &Word) -> bool {
        self.located.contains(digest)
    }

    /// The place in the source of what is at a position.
    pub fn spot(&mut self, position: Position, running: &Running<'t>) -> Option<Rc<Spot>> {
        if let Some(spot) = self.spots.get(&position) {
            return spot.clone();
        }
        let location = running.locate(position);
        let spot = location.instruction.is_some().then(|| {
            let procedure = location
                .procedure
                .as_deref()
                .map(|path| plain(path).to_owned());
            let instruction = match location.line {
                Some(_) => None,
                None => location.instruction.clone(),
            };
            let key = (
                procedure.clone(),
                location.file.clone(),
                location.line,
                instruction,
            );
            let next = self.line_keys.len();
            Rc::new(Spot {
                line_key: *self.line_keys.entry(key).or_insert(next),
                procedure,
                location,
            })
        });
        self.spots.insert(position, spot.clone());
        spot
    }

    /// The name of a procedure that an instance executes, or the beginning of its digest.
    pub fn name(&mut self, instance: Option<u16>, digest: Word) -> Rc<str> {
        let names = &mut self.names;
        let name = self.own_names.entry((instance, digest)).or_insert_with(|| {
            match names.of(instance, digest) {
                Some(name) => name.into(),
                None => digest.to_hex()[..10].into(),
            }
        });
        name.clone()
    }

    /// The text of a source file.
    pub fn source(&self, file: &str) -> Option<String> {
        let sources = self.target.sources.as_ref()?;
        Some(sources.get_by_uri(&Uri::new(file))?.as_str().to_owned())
    }

    /// The lines at which instructions stand, by file.
    pub fn lines(&self) -> impl Iterator<Item = (&str, impl Iterator<Item = u32> + '_)> {
        let files = self.lines.iter();
        files.map(|(file, lines)| (file.as_str(), lines.iter().copied()))
    }

    /// The names of procedures in debug information.
    pub fn procedures(&self) -> impl Iterator<Item = &str> {
        self.procedures.iter().map(String::as_str)
    }
}

/// Returns `true` if a path of a procedure, behind that of a component perhaps, ends with the name
/// that somebody has given to it.
pub(super) fn is_named(path: &str, name: &str) -> bool {
    let mut paths = path.split(" = ");
    paths.any(|path| match path.strip_suffix(name) {
        Some(before) => before.is_empty() || before.ends_with(':'),
        None => false,
    })
}
