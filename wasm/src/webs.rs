//! Taking variables apart: compilers use one local for one thing here and for another there. Each thing
//! becomes a variable of its own, with its own place and its own facts.

use std::{collections::BTreeMap, rc::Rc};

use crate::ir::{Arg, Body, Label, Node, Set, Var};

/// A value given to a variable at one place.
type Def = u32;

struct Webs {
    /// Definitions that some use cannot tell apart lead to each other.
    parents: Vec<Def>,
    current: BTreeMap<Var, Def>,
    /// The variables that are alive where each label leads, and the definitions that arrive there.
    labels: BTreeMap<Label, (Rc<Set>, BTreeMap<Var, Def>)>,
}

/// Takes the variables of a body apart. What is alive must be known, and is no longer afterwards.
pub(crate) fn separate(body: &mut Body) {
    let mut webs = Webs {
        parents: (0..body.vars).collect(),
        current: (0..body.vars).map(|var| (var, var)).collect(),
        labels: BTreeMap::new(),
    };
    webs.nodes(&mut body.nodes);
    for result in &mut body.results {
        *result = webs.current[result];
    }
    let mut names: BTreeMap<Def, Var> = BTreeMap::new();
    let mut name = |webs: &mut Webs, def: Def| {
        let root = webs.find(def);
        let next = names.len() as Var;
        *names.entry(root).or_insert(next)
    };
    for param in &mut body.params {
        *param = name(&mut webs, *param);
    }
    for result in &mut body.results {
        *result = name(&mut webs, *result);
    }
    rename(&mut body.nodes, &mut |var| name(&mut webs, var));
    body.vars = names.len() as Var;
}

fn rename(nodes: &mut [Node], name: &mut impl FnMut(Var) -> Var) {
    let arg = |arg: &mut Arg, name: &mut dyn FnMut(Var) -> Var| {
        if let Arg::Var(var, _) = arg {
            *var = name(*var);
        }
    };
    for node in nodes {
        match node {
            Node::Inst(inst) => inst.args.iter_mut().for_each(|found| arg(found, name)),
            Node::Set(var, value, _) => {
                arg(value, name);
                *var = name(*var);
            }
            Node::If {
                cond, then, els, ..
            } => {
                arg(cond, name);
                rename(&mut then.nodes, name);
                rename(&mut els.nodes, name);
            }
            Node::Scope { body, .. } | Node::Loop { body, .. } => rename(&mut body.nodes, name),
            Node::Exit(_) | Node::Trap(..) => {}
        }
    }
}

impl Webs {
    fn find(&mut self, def: Def) -> Def {
        let mut root = def;
        while self.parents[root as usize] != root {
            root = self.parents[root as usize];
        }
        let mut def = def;
        while self.parents[def as usize] != root {
            let next = self.parents[def as usize];
            self.parents[def as usize] = root;
            def = next;
        }
        root
    }

    fn join(&mut self, a: Def, b: Def) {
        let (a, b) = (self.find(a), self.find(b));
        // The smaller stays, so that the first value of a variable is its root.
        self.parents[a.max(b) as usize] = a.min(b);
    }

    fn read(&self, arg: &mut Arg) {
        if let Arg::Var(var, _) = arg {
            *var = self.current[var];
        }
    }

    /// The current definitions arrive at a label.
    fn arrive(&mut self, label: Label) {
        let Some((live, mut arrived)) = self.labels.remove(&label) else {
            return;
        };
        for var in live.iter() {
            let def = self.current[&var];
            match arrived.get(&var) {
                Some(other) => self.join(*other, def),
                None => {
                    arrived.insert(var, def);
                }
            }
        }
        self.labels.insert(label, (live, arrived));
    }

    /// Uses become those of definitions, and so do variables that are set. Whether the end is reached.
    fn nodes(&mut self, nodes: &mut [Node]) -> bool {
        for node in nodes {
            match node {
                Node::Inst(inst) => inst.args.iter_mut().for_each(|arg| self.read(arg)),
                Node::Set(var, arg, _) => {
                    self.read(arg);
                    let def = self.parents.len() as Def;
                    self.parents.push(def);
                    self.current.insert(*var, def);
                    *var = def;
                }
                Node::If {
                    cond,
                    then,
                    els,
                    after,
                } => {
                    self.read(cond);
                    let before = self.current.clone();
                    let first = self.nodes(&mut then.nodes);
                    let then = std::mem::replace(&mut self.current, before);
                    let second = self.nodes(&mut els.nodes);
                    match (first, second) {
                        (true, true) => {
                            for var in after.iter() {
                                self.join(then[&var], self.current[&var]);
                            }
                        }
                        (true, false) => self.current = then,
                        (false, true) => {}
                        (false, false) => return false,
                    }
                }
                Node::Scope { label, body, after } => {
                    self.labels.insert(*label, (after.clone(), BTreeMap::new()));
                    if self.nodes(&mut body.nodes) {
                        self.arrive(*label);
                    }
                    match self.labels.remove(label) {
                        Some((_, arrived)) if !arrived.is_empty() => self.current.extend(arrived),
                        // Nothing is alive there, or nothing arrives.
                        _ if body.flow.falls || body.flow.exits.contains(label) => {}
                        _ => return false,
                    }
                }
                Node::Loop { label, body, .. } => {
                    let arrived = body.live.iter().map(|var| (var, self.current[&var]));
                    let arrived = arrived.collect();
                    self.labels.insert(*label, (body.live.clone(), arrived));
                    let falls = self.nodes(&mut body.nodes);
                    self.labels.remove(label);
                    if !falls {
                        return false;
                    }
                }
                Node::Exit(label) => {
                    self.arrive(*label);
                    return false;
                }
                Node::Trap(..) => return false,
            }
        }
        true
    }
}
