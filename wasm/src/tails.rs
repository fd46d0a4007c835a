//! Short ends of paths, which many branches lead to: a call of what panics and a trap, or a jump elsewhere. Each
//! branch gets an end of its own, so that no path has to carry along where it leads.

use std::collections::BTreeMap;

use crate::ir::{Arg, Arm, Body, Label, Node, Val};

/// Nodes of an end that traps.
const TRAPPING: usize = 5;

/// Puts short ends where branches to them are.
pub(crate) fn inline(body: &mut Body) {
    let mut nodes = std::mem::take(&mut body.nodes);
    let vals = &mut body.vals;
    Tails { vals }.nodes(&mut nodes, None);
    flatten(nodes, &mut body.nodes);
}

struct Tails<'b> {
    /// The number of values that there are.
    vals: &'b mut Val,
}

/// The short end that nodes begin with.
fn tail(nodes: &[Node]) -> Option<&[Node]> {
    let is_plain = |node: &&Node| matches!(node, Node::Inst(_) | Node::Set(..));
    let plain = nodes.iter().take(TRAPPING).take_while(is_plain).count();
    match nodes.get(plain)? {
        Node::Trap(..) => nodes.get(..=plain).filter(|end| end.len() <= TRAPPING),
        // One that does something on its way could grow with each jump.
        Node::Exit(_) if plain == 0 => nodes.get(..1),
        _ => None,
    }
}

/// Takes blocks apart that nothing branches out of.
fn flatten(nodes: Vec<Node>, out: &mut Vec<Node>) {
    let arm = |arm: &mut Box<Arm>| {
        let nodes = std::mem::take(&mut arm.nodes);
        flatten(nodes, &mut arm.nodes);
    };
    for mut node in nodes {
        match &mut node {
            Node::Scope { label, body, .. } if !body.flow.exits.contains(label) => {
                let falls = body.flow.falls;
                flatten(std::mem::take(&mut body.nodes), out);
                if !falls {
                    return;
                }
                continue;
            }
            Node::If { then, els, .. } => {
                arm(then);
                arm(els);
            }
            Node::Scope { body, .. } | Node::Loop { body, .. } => arm(body),
            Node::Inst(_) | Node::Set(..) | Node::Exit(_) | Node::Trap(..) => {}
        }
        out.push(node);
    }
}

impl Tails<'_> {
    /// `next` is the short end that comes behind the nodes.
    fn nodes(&mut self, list: &mut [Node], next: Option<&[Node]>) {
        for index in 0..list.len() {
            let (front, rest) = list.split_at_mut(index + 1);
            let next = match rest {
                [] => next,
                rest => tail(rest),
            };
            match &mut front[index] {
                Node::If { then, els, .. } => {
                    self.arm(then, next);
                    self.arm(els, next);
                }
                Node::Scope { label, body, .. } => {
                    if let Some(end) = next {
                        self.replace_in(body, *label, end);
                    }
                    self.arm(body, next);
                }
                Node::Loop { body, .. } => self.arm(body, next),
                Node::Inst(_) | Node::Set(..) | Node::Exit(_) | Node::Trap(..) => {}
            }
        }
    }

    fn arm(&mut self, arm: &mut Box<Arm>, next: Option<&[Node]>) {
        let mut nodes = std::mem::take(&mut arm.nodes);
        self.nodes(&mut nodes, next);
        *arm = Arm::new(nodes);
    }

    /// Puts an end where branches to a label are.
    fn replace(&mut self, nodes: &mut Vec<Node>, label: Label, end: &[Node]) {
        for node in nodes.iter_mut() {
            match node {
                Node::If { then, els, .. } => {
                    self.replace_in(then, label, end);
                    self.replace_in(els, label, end);
                }
                Node::Scope { body, .. } | Node::Loop { body, .. } => {
                    self.replace_in(body, label, end);
                }
                Node::Inst(_) | Node::Set(..) | Node::Exit(_) | Node::Trap(..) => {}
            }
        }
        if matches!(nodes.last(), Some(Node::Exit(last)) if *last == label) {
            nodes.pop();
            let copy = self.copy(end);
            nodes.extend(copy);
        }
    }

    fn replace_in(&mut self, arm: &mut Box<Arm>, label: Label, end: &[Node]) {
        if arm.flow.exits.contains(&label) {
            let mut nodes = std::mem::take(&mut arm.nodes);
            self.replace(&mut nodes, label, end);
            *arm = Arm::new(nodes);
        }
    }

    /// The same nodes, with values of their own.
    fn copy(&mut self, nodes: &[Node]) -> Vec<Node> {
        let mut names: BTreeMap<Val, Val> = BTreeMap::new();
        let renamed = |arg: &mut Arg, names: &BTreeMap<Val, Val>| {
            if let Arg::Val(val) = arg {
                *val = names.get(val).copied().unwrap_or(*val);
            }
        };
        let mut copies = nodes.to_vec();
        for node in &mut copies {
            match node {
                Node::Inst(inst) => {
                    inst.args.iter_mut().for_each(|arg| renamed(arg, &names));
                    for val in &mut inst.results {
                        names.insert(*val, *self.vals);
                        *val = *self.vals;
                        *self.vals += 1;
                    }
                }
                Node::Set(_, arg, _) => renamed(arg, &names),
                _ => {}
            }
        }
        copies
    }
}
