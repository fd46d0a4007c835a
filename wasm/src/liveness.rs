//! Liveness: which variables are still needed where, and what nobody needs.

use std::rc::Rc;

use crate::ir::{Arg, Body, Node, Op, Set};

/// Drops what computes values that nobody needs, and marks the last use of each variable.
///
/// `reenters` says of a call whether it can come back to the function before it returns.
pub(crate) fn analyze(body: &mut Body, reenters: &impl Fn(&Op) -> bool) {
    for _ in 0..4 {
        mark(body, reenters);
        let mut uses = vec![0; body.vals as usize];
        let mut dropped = false;
        drop_dead_sets(&mut body.nodes, &mut dropped);
        count_uses(&body.nodes, &mut uses);
        drop_unused(&mut body.nodes, &mut uses, &mut dropped);
        if !dropped {
            return;
        }
    }
    mark(body, reenters);
}

fn mark(body: &mut Body, reenters: &impl Fn(&Op) -> bool) {
    let mut end = Set::default();
    for var in &body.results {
        end.insert(*var);
    }
    let mut labels = vec![Set::default(); body.labels as usize];
    forget(&mut body.nodes);
    let entry = live(&mut body.nodes, end, &mut labels, reenters);
    body.entry = Rc::new(entry);
}

/// Forgets what was alive in loops.
fn forget(nodes: &mut [Node]) {
    for node in nodes {
        match node {
            Node::If { then, els, .. } => {
                forget(&mut then.nodes);
                forget(&mut els.nodes);
            }
            Node::Scope { body, .. } | Node::Loop { body, .. } => {
                body.live = Rc::default();
                forget(&mut body.nodes);
            }
            _ => {}
        }
    }
}

/// The number of times that each value is used.
pub(crate) fn count_uses(nodes: &[Node], uses: &mut [u32]) {
    fn count(arg: &Arg, uses: &mut [u32]) {
        if let Arg::Val(val) = arg {
            uses[*val as usize] += 1;
        }
    }
    for node in nodes {
        match node {
            Node::Inst(inst) => inst.args.iter().for_each(|arg| count(arg, uses)),
            Node::Set(_, arg, _) => count(arg, uses),
            Node::If {
                cond, then, els, ..
            } => {
                count(cond, uses);
                count_uses(&then.nodes, uses);
                count_uses(&els.nodes, uses);
            }
            Node::Scope { body, .. } | Node::Loop { body, .. } => {
                count_uses(&body.nodes, uses);
            }
            Node::Exit(_) | Node::Trap(..) => {}
        }
    }
}

fn drop_dead_sets(nodes: &mut Vec<Node>, dropped: &mut bool) {
    let before = nodes.len();
    nodes.retain(|node| !matches!(node, Node::Set(_, _, true)));
    *dropped |= nodes.len() < before;
    for node in nodes {
        match node {
            Node::If { then, els, .. } => {
                drop_dead_sets(&mut then.nodes, dropped);
                drop_dead_sets(&mut els.nodes, dropped);
            }
            Node::Scope { body, .. } | Node::Loop { body, .. } => {
                drop_dead_sets(&mut body.nodes, dropped);
            }
            _ => {}
        }
    }
}

fn drop_unused(nodes: &mut Vec<Node>, uses: &mut [u32], dropped: &mut bool) {
    let mut keep = vec![true; nodes.len()];
    for (index, node) in nodes.iter_mut().enumerate().rev() {
        match node {
            Node::Inst(inst)
                if inst.op.is_pure() && inst.results.iter().all(|val| uses[*val as usize] == 0) =>
            {
                keep[index] = false;
                *dropped = true;
                for arg in &inst.args {
                    if let Arg::Val(val) = arg {
                        uses[*val as usize] -= 1;
                    }
                }
            }
            Node::If { then, els, .. } => {
                drop_unused(&mut then.nodes, uses, dropped);
                drop_unused(&mut els.nodes, uses, dropped);
            }
            Node::Scope { body, .. } | Node::Loop { body, .. } => {
                drop_unused(&mut body.nodes, uses, dropped);
            }
            _ => {}
        }
    }
    let mut keep = keep.into_iter();
    nodes.retain(|_| keep.next().unwrap_or(true));
}

fn use_arg(arg: &mut Arg, live: &mut Set) {
    if let Arg::Var(var, last) = arg {
        *last = !live.contains(*var);
        live.insert(*var);
    }
}

/// Returns the variables that are alive before `nodes`, if `live` is alive behind them.
fn live(
    nodes: &mut [Node],
    mut live_now: Set,
    labels: &mut Vec<Set>,
    reenters: &impl Fn(&Op) -> bool,
) -> Set {
    for node in nodes.iter_mut().rev() {
        match node {
            Node::Inst(inst) => {
                inst.live_after = reenters(&inst.op).then(|| Rc::new(live_now.clone()));
                for arg in inst.args.iter_mut().rev() {
                    use_arg(arg, &mut live_now);
                }
            }
            Node::Set(var, arg, dead) => {
                *dead = !live_now.contains(*var);
                live_now.remove(*var);
                match arg {
                    Arg::Var(_, last) if *dead => *last = false,
                    arg => use_arg(arg, &mut live_now),
                }
            }
            Node::If {
                cond,
                then,
                els,
                after,
            } => {
                *after = Rc::new(live_now.clone());
                let mut before = live(&mut then.nodes, live_now.clone(), labels, reenters);
                then.live = Rc::new(before.clone());
                let other = live(&mut els.nodes, live_now, labels, reenters);
                before.extend(&other);
                els.live = Rc::new(other);
                live_now = before;
                use_arg(cond, &mut live_now);
            }
            Node::Scope { label, body, after } => {
                *after = Rc::new(live_now.clone());
                labels[*label as usize] = live_now.clone();
                live_now = live(&mut body.nodes, live_now, labels, reenters);
                body.live = Rc::new(live_now.clone());
            }
            Node::Loop { label, body, after } => {
                *after = Rc::new(live_now.clone());
                // What an earlier round found is alive still: the sets only grow.
                let mut head = (*body.live).clone();
                loop {
                    labels[*label as usize] = head.clone();
                    let found = live(&mut body.nodes, live_now.clone(), labels, reenters);
                    if !head.extend(&found) {
                        break;
                    }
                }
                body.live = Rc::new(head.clone());
                live_now = head;
            }
            Node::Exit(label) => live_now = labels[*label as usize].clone(),
            Node::Trap(..) => live_now = Set::default(),
        }
    }
    live_now
}
