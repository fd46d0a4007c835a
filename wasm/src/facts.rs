//! Facts about values that are known before a module runs: the greatest value, and how many of the
//! lowest bits are zero. It holds for all calls: parameters, results and globals are followed
//! through the module.

use std::collections::BTreeMap;

use crate::ir::{Arg, Body, Callee, Node, Op, Val, Var, Width};

/// The facts that are known of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fact {
    pub(crate) max: u32,
    /// At least so many of the lowest bits are zero.
    pub(crate) zeros: u8,
}

impl Fact {
    pub(crate) const ANY: Self = Self {
        max: u32::MAX,
        zeros: 0,
    };

    const TRUTH: Self = Self { max: 1, zeros: 0 };

    pub(crate) fn of(value: u32) -> Self {
        Self {
            max: value,
            zeros: value.trailing_zeros() as u8,
        }
    }

    fn up_to(max: u32) -> Self {
        Self { max, zeros: 0 }
    }

    /// Returns the fact that holds for both.
    fn join(self, other: Self) -> Self {
        Self {
            max: self.max.max(other.max),
            zeros: self.zeros.min(other.zeros),
        }
    }
}

/// A fact about what was seen so far; `None` if nothing was.
type Seen = Option<Fact>;

fn join(seen: &mut Seen, fact: Seen, widen: bool) -> bool {
    let Some(fact) = fact else {
        return false;
    };
    let mut joined = seen.map_or(fact, |seen| seen.join(fact));
    if let Some(seen) = seen
        && widen
        && joined.max > seen.max
    {
        joined.max = u32::MAX;
    }
    let changed = *seen != Some(joined);
    *seen = Some(joined);
    changed
}

/// The facts that are known of the values of one function.
#[derive(Debug, Clone, Default)]
pub(crate) struct FunctionFacts {
    vars: Vec<Seen>,
    vals: Vec<Seen>,
}

impl FunctionFacts {
    /// Returns what is known of an operand.
    pub(crate) fn of(&self, arg: Arg) -> Fact {
        self.seen(arg).unwrap_or(Fact::ANY)
    }

    /// A variable has a value from where that is computed on.
    pub(crate) fn rename(&mut self, val: Val, var: Var) {
        let seen = self.seen(Arg::Val(val));
        self.vars
            .resize(self.vars.len().max(var as usize + 1), None);
        self.vars[var as usize] = seen;
    }

    fn seen(&self, arg: Arg) -> Seen {
        match arg {
            Arg::Const(value) => Some(Fact::of(value)),
            Arg::Var(var, _) => self.vars.get(var as usize).copied().flatten(),
            Arg::Val(val) => self.vals.get(val as usize).copied().flatten(),
        }
    }
}

/// The facts that are known of the whole module.
pub(crate) struct Facts {
    pub(crate) functions: BTreeMap<u32, FunctionFacts>,
    params: BTreeMap<u32, Vec<Seen>>,
    results: BTreeMap<u32, Vec<Seen>>,
    /// Globals, by their cells.
    cells: BTreeMap<u32, Seen>,
}

/// Follows all values of a module until nothing new is seen. `open` are the functions that are called
/// from elsewhere; `globals` the cells of globals with their first values.
pub(crate) fn follow(
    bodies: &BTreeMap<u32, Body>,
    open: impl Fn(u32) -> bool,
    globals: impl IntoIterator<Item = (u32, u32)>,
) -> Facts {
    let mut facts = Facts {
        functions: BTreeMap::new(),
        params: BTreeMap::new(),
        results: BTreeMap::new(),
        cells: globals
            .into_iter()
            .map(|(cell, value)| (cell, Some(Fact::of(value))))
            .collect(),
    };
    for (function, body) in bodies {
        let mut known = FunctionFacts {
            vars: vec![Some(Fact::of(0)); body.vars as usize],
            vals: vec![None; body.vals as usize],
        };
        let first = open(*function).then_some(Fact::ANY);
        for param in &body.params {
            known.vars[*param as usize] = first;
        }
        facts.functions.insert(*function, known);
        facts
            .params
            .insert(*function, vec![first; body.params.len()]);
        facts
            .results
            .insert(*function, vec![None; body.results.len()]);
    }
    for round in 0.. {
        let mut changed = false;
        for (function, body) in bodies {
            let mut known = facts.functions.remove(function).unwrap_or_default();
            let widen = round > 2;
            for (param, seen) in body.params.iter().zip(&facts.params[function]) {
                changed |= join(&mut known.vars[*param as usize], *seen, widen);
            }
            changed |= facts.pass(&body.nodes, &mut known, widen);
            let results: Vec<Seen> = body
                .results
                .iter()
                .map(|var| known.seen(Arg::var(*var)))
                .collect();
            if let Some(seen) = facts.results.get_mut(function) {
                for (seen, result) in seen.iter_mut().zip(results) {
                    changed |= join(seen, result, widen);
                }
            }
            facts.functions.insert(*function, known);
        }
        if !changed {
            break;
        }
    }
    facts
}

impl Facts {
    fn pass(&mut self, nodes: &[Node], known: &mut FunctionFacts, widen: bool) -> bool {
        let mut changed = false;
        for node in nodes {
            match node {
                Node::Inst(inst) => {
                    let args: Vec<Seen> = inst.args.iter().map(|arg| known.seen(*arg)).collect();
                    let results = match &inst.op {
                        Op::Call(Callee::Function(function)) => {
                            if let Some(params) = self.params.get_mut(function) {
                                for (param, arg) in params.iter_mut().zip(&args) {
                                    changed |= join(param, *arg, widen);
                                }
                            }
                            match self.results.get(function) {
                                Some(results) => results.clone(),
                                None => vec![Some(Fact::ANY); inst.results.len()],
                            }
                        }
                        Op::CellSet(cell) => {
                            if let Some(seen) = self.cells.get_mut(cell) {
                                changed |= join(seen, args[0], widen);
                            }
                            Vec::new()
                        }
                        Op::CellGet(cell) => {
                            vec![self.cells.get(cell).copied().unwrap_or(Some(Fact::ANY))]
                        }
                        op @ (Op::Shl | Op::ShrU) if matches!(inst.args[1], Arg::Const(_)) => {
                            let Arg::Const(count) = inst.args[1] else {
                                continue;
                            };
                            vec![args[0].and_then(|fact| shifted(op, fact, count % 32))]
                        }
                        op => results(op, &args, inst.results.len()),
                    };
                    for (val, result) in inst.results.iter().zip(results) {
                        changed |= known.vals[*val as usize] != result;
                        known.vals[*val as usize] = result;
                    }
                }
                Node::Set(var, arg, _) => {
                    let fact = known.seen(*arg);
                    changed |= join(&mut known.vars[*var as usize], fact, widen);
                }
                Node::If { then, els, .. } => {
                    changed |= self.pass(&then.nodes, known, widen);
                    changed |= self.pass(&els.nodes, known, widen);
                }
                Node::Scope { body, .. } | Node::Loop { body, .. } => {
                    changed |= self.pass(&body.nodes, known, widen);
                }
                Node::Exit(_) | Node::Trap(..) => {}
            }
        }
        changed
    }
}

fn results(op: &Op, args: &[Seen], count: usize) -> Vec<Seen> {
    let mut known = [Fact::ANY; 4];
    for (fact, arg) in known.iter_mut().zip(args) {
        match arg {
            Some(arg) => *fact = *arg,
            None => return vec![None; count],
        }
    }
    let [a, b, c, _] = known;
    let bits = |max: u32| u32::MAX.checked_shr(max.leading_zeros()).unwrap_or(0);
    let fits = |max: u64| u32::try_from(max).unwrap_or(u32::MAX);
    let sum = |facts: &[Fact]| Fact {
        max: fits(facts.iter().map(|fact| u64::from(fact.max)).sum()),
        zeros: facts.iter().map(|fact| fact.zeros).min().unwrap_or(0),
    };
    let product = |a: Fact, b: Fact| Fact {
        max: fits(u64::from(a.max) * u64::from(b.max)),
        zeros: (a.zeros + b.zeros).min(32),
    };
    let results = match op {
        Op::Add => vec![sum(&[a, b])],
        Op::Add3 => vec![sum(&[a, b, c])],
        Op::AddCarry => vec![sum(&[a, b]), Fact::TRUTH],
        Op::Add3Carry => vec![sum(&[a, b, c]), Fact::up_to(2)],
        Op::Sub | Op::SubBorrow => vec![
            Fact {
                max: u32::MAX,
                zeros: a.zeros.min(b.zeros),
            },
            Fact::TRUTH,
        ],
        Op::Mul => vec![product(a, b)],
        Op::MulAdd => vec![sum(&[product(a, b), c])],
        Op::DivU => vec![Fact::up_to(a.max)],
        Op::RemU => vec![Fact::up_to(a.max.min(b.max.saturating_sub(1)))],
        Op::And => vec![Fact {
            max: a.max.min(b.max),
            zeros: a.zeros.max(b.zeros),
        }],
        Op::Or | Op::Xor => vec![Fact {
            max: bits(a.max) | bits(b.max),
            zeros: a.zeros.min(b.zeros),
        }],
        Op::Eqz
        | Op::BothZero
        | Op::Eq
        | Op::Ne
        | Op::LtU
        | Op::LeU
        | Op::LtS
        | Op::LeS
        | Op::Below
        | Op::NotBelow => vec![Fact::TRUTH],
        Op::Select => vec![b.join(c)],
        Op::Runtime("clz" | "ctz" | "popcnt", _) => vec![Fact::up_to(32)],
        Op::Load(Width::Byte, false, _) => vec![Fact::up_to(0xff)],
        Op::Load(Width::Half, false, _) => vec![Fact::up_to(0xffff)],
        Op::ShrU => vec![Fact::up_to(a.max)],
        _ => vec![Fact::ANY; count],
    };
    results.into_iter().take(count).map(Some).collect()
}

/// Returns the fact that shifting by a constant leaves.
fn shifted(op: &Op, fact: Fact, count: u32) -> Option<Fact> {
    match op {
        Op::Shl => Some(Fact {
            max: u32::try_from(u64::from(fact.max) << count).unwrap_or(u32::MAX),
            zeros: (fact.zeros + count as u8).min(32),
        }),
        Op::ShrU => Some(Fact {
            max: fact.max >> count,
            zeros: fact.zeros.saturating_sub(count as u8),
        }),
        _ => None,
    }
}
