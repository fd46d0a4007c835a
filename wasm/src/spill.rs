//! Values as variables: a value stands on the operand stack until it is used, a variable can be in memory.

use crate::{
    facts::FunctionFacts,
    ir::{Arg, Body, Node, Val, Var},
};

/// Gives every value that an instruction computes a variable, so that all can be put into memory. What is
/// alive must be found again afterwards.
pub(crate) fn spill(body: &mut Body, facts: &mut FunctionFacts) {
    let mut vars: Vec<Option<Var>> = vec![None; body.vals as usize];
    nodes(&mut body.nodes, &mut vars, &mut body.vars);
    for (val, var) in (0..).zip(vars) {
        if let Some(var) = var {
            facts.rename(val, var);
        }
    }
}

fn nodes(list: &mut Vec<Node>, vars: &mut [Option<Var>], count: &mut Var) {
    let mut changed = Vec::with_capacity(list.len());
    for mut node in list.drain(..) {
        let mut named: Vec<(Var, Val)> = Vec::new();
        match &mut node {
            Node::Inst(inst) => {
                inst.args.iter_mut().for_each(|arg| read(arg, vars));
                for val in &inst.results {
                    vars[*val as usize] = Some(*count);
                    named.push((*count, *val));
                    *count += 1;
                }
            }
            Node::Set(_, arg, _) => read(arg, vars),
            Node::If {
                cond, then, els, ..
            } => {
                read(cond, vars);
                nodes(&mut then.nodes, vars, count);
                nodes(&mut els.nodes, vars, count);
            }
            Node::Scope { body, .. } | Node::Loop { body, .. } => {
                nodes(&mut body.nodes, vars, count);
            }
            Node::Exit(_) | Node::Trap(..) => {}
        }
        changed.push(node);
        // The last result is on top.
        let sets = named.into_iter().rev();
        changed.extend(sets.map(|(var, val)| Node::Set(var, Arg::Val(val), false)));
    }
    *list = changed;
}

/// A use of a value becomes one of its variable.
fn read(arg: &mut Arg, vars: &[Option<Var>]) {
    if let Arg::Val(val) = arg
        && let Some(var) = vars[*val as usize]
    {
        *arg = Arg::var(var);
    }
}
