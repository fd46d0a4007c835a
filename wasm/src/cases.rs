//! Many blocks in one another, each with what follows the one in it: that is how compilers write a choice among
//! many cases. A branch to a case passes the ends of all blocks before it, one after another. Here it becomes
//! a number, and the cases are behind comparisons with it in the form of a tree.

use std::{collections::BTreeMap, rc::Rc};

use crate::ir::{Arg, Arm, Body, Inst, Label, Node, Op, Var};

/// So many cases are left as they are.
const FEW: usize = 8;

/// Makes trees of all long chains of blocks in a body.
pub(crate) fn arrange(body: &mut Body) {
    let mut nodes = std::mem::take(&mut body.nodes);
    Cases { body }.nodes(&mut nodes);
    body.nodes = nodes;
}

struct Cases<'b> {
    /// The counters of new variables, values and labels.
    body: &'b mut Body,
}

/// The number of blocks that a block begins with, each in the one before.
fn depth(nodes: &[Node]) -> usize {
    let mut nodes = nodes;
    let mut depth = 0;
    while let Some(Node::Scope { body, .. }) = nodes.first() {
        nodes = &body.nodes;
        depth += 1;
    }
    depth
}

impl Cases<'_> {
    fn nodes(&mut self, nodes: &mut [Node]) {
        for node in nodes {
            match node {
                Node::Inst(_) | Node::Set(..) | Node::Exit(_) | Node::Trap(..) => {}
                Node::If { then, els, .. } => {
                    self.arm(then);
                    self.arm(els);
                }
                Node::Loop { body, .. } => self.arm(body),
                Node::Scope { label, body, .. } => match depth(&body.nodes) < FEW {
                    true => self.arm(body),
                    false => {
                        let inner = std::mem::take(&mut body.nodes);
                        *body = Arm::new(self.tree(*label, inner));
                    }
                },
            }
        }
    }

    fn arm(&mut self, arm: &mut Box<Arm>) {
        self.nodes(&mut arm.nodes);
    }

    /// The result for a block that begins with a chain of others.
    fn tree(&mut self, label: Label, mut nodes: Vec<Node>) -> Vec<Node> {
        // From the outermost block to the innermost: its label, and what follows the one in it.
        let mut chain = Vec::new();
        let mut label = label;
        while let Some(Node::Scope { .. }) = nodes.first() {
            let rest = nodes.split_off(1);
            let Some(Node::Scope {
                label: inner, body, ..
            }) = nodes.pop()
            else {
                break;
            };
            chain.push((inner, rest));
            label = inner;
            nodes = body.nodes;
        }
        debug_assert!(chain.last().is_some_and(|(last, _)| *last == label));
        let chosen = self.body.vars;
        self.body.vars += 1;
        let cases: BTreeMap<Label, u32> = chain
            .iter()
            .rev()
            .map(|(label, _)| *label)
            .zip(0..)
            .collect();
        let end = self.label();
        replace(&mut nodes, &cases, chosen, end);
        self.nodes(&mut nodes);
        // What reaches its end goes on with the first case.
        if crate::ir::flow_of(&nodes).falls {
            nodes.push(Node::Set(chosen, Arg::Const(0), false));
        }
        let mut leaves = Vec::new();
        for (_, mut rest) in chain.into_iter().rev() {
            let end = self.label();
            replace(&mut rest, &cases, chosen, end);
            self.nodes(&mut rest);
            leaves.push(vec![scope(end, rest)]);
        }
        let mut tree = vec![scope(end, nodes)];
        tree.extend(self.choose(chosen, &mut leaves, 0, true));
        tree
    }

    fn label(&mut self) -> Label {
        self.body.labels += 1;
        self.body.labels - 1
    }

    /// The cases from `first` on, the last of which is the last of all where `is_last` says so: each is reached
    /// if the number is not greater than its own.
    fn choose(
        &mut self,
        chosen: Var,
        leaves: &mut [Vec<Node>],
        first: u32,
        is_last: bool,
    ) -> Vec<Node> {
        let next = first + leaves.len() as u32;
        let nodes = match leaves {
            [leaf] => std::mem::take(leaf),
            leaves => {
                let (front, back) = leaves.split_at_mut(leaves.len() / 2);
                let middle = first + front.len() as u32;
                let mut nodes = self.choose(chosen, front, first, false);
                nodes.extend(self.choose(chosen, back, middle, is_last));
                nodes
            }
        };
        if is_last {
            return nodes;
        }
        let val = self.body.vals;
        self.body.vals += 1;
        let compare = Inst {
            op: Op::LtU,
            args: vec![Arg::var(chosen), Arg::Const(next)],
            results: vec![val],
            live_after: None,
            offset: 0,
        };
        let choice = Node::If {
            cond: Arg::Val(val),
            then: Arm::new(nodes),
            els: Arm::new(Vec::new()),
            after: Rc::default(),
        };
        vec![Node::Inst(compare), choice]
    }
}

fn scope(label: Label, nodes: Vec<Node>) -> Node {
    Node::Scope {
        label,
        body: Arm::new(nodes),
        after: Rc::default(),
    }
}

/// Branches to cases set the number, and lead to `end`.
fn replace(nodes: &mut Vec<Node>, cases: &BTreeMap<Label, u32>, chosen: Var, end: Label) {
    let arm = |arm: &mut Box<Arm>| {
        if arm.flow.exits.iter().any(|exit| cases.contains_key(exit)) {
            let mut nodes = std::mem::take(&mut arm.nodes);
            replace(&mut nodes, cases, chosen, end);
            *arm = Arm::new(nodes);
        }
    };
    for node in nodes.iter_mut() {
        match node {
            Node::If { then, els, .. } => {
                arm(then);
                arm(els);
            }
            Node::Scope { body, .. } | Node::Loop { body, .. } => arm(body),
            Node::Inst(_) | Node::Set(..) | Node::Exit(_) | Node::Trap(..) => {}
        }
    }
    if let Some(Node::Exit(label)) = nodes.last()
        && let Some(number) = cases.get(label)
    {
        let number = Arg::Const(*number);
        nodes.pop();
        nodes.extend([Node::Set(chosen, number, false), Node::Exit(end)]);
    }
}
