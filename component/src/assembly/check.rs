//! Checks of sources before the assembler sees them: it does not notice when definitions go round
//! in circles, calculates constants modulo 2^64, and has no bound on the time that it takes.

use std::collections::{BTreeMap, HashMap};

use super::{
    expression::{self, Term},
    names::{Item, Names, Target, Unit},
    outline::Code,
    reader::{Name, TypeExpression},
};
use crate::{
    error::{SourceError, SourceFault, Step},
    limits::{AssemblyLimits, LimitName, MAX_CHAIN},
};

/// The most parts of a type, when names are replaced by what they stand for.
const MAX_TYPE_PARTS: u64 = 1 << 12;

/// The most instructions of a procedure that can become part of those that execute it.
const INLINED: u64 = 32 * 72;

/// Checks the sources of one program, library or kernel; `has_kernel` says whether there is one to be entered.
pub(super) fn check(
    units: &[Unit],
    libraries: impl Iterator<Item = String>,
    constants: &BTreeMap<String, u64>,
    has_kernel: bool,
    limits: &AssemblyLimits,
) -> Result<(), SourceError> {
    let names = Names::new(units, libraries, constants);
    names.check_aliases()?;
    let mut steps = Steps {
        taken: 0,
        allowed: limits.link_steps,
    };
    for (number, unit) in units.iter().enumerate() {
        let outline = &unit.outline;
        let items = outline.aliases.len()
            + outline.constants.len()
            + outline.types.len()
            + outline.procedures.len();
        let references: usize = outline
            .procedures
            .iter()
            .map(|p| 3 * p.invoked.len() + p.constants.len() + p.signature.names.len())
            .chain(outline.types.iter().map(|ty| ty.expression.names.len()))
            .chain(
                outline
                    .constants
                    .iter()
                    .map(|constant| constant.terms.len()),
            )
            .sum();
        // To find one name, the assembler makes a table of all of the module, in which it follows each
        // import by searching for it.
        let table = 400 * items as u64 + 2 * names.local_steps(number).saturating_mul(items as u64);
        let resolving = table.saturating_mul((2 * items + references) as u64);
        steps.take(unit, 0, "resolving the names of this module", resolving)?;
    }
    check_constants(&names, &mut steps)?;
    check_types(&names)?;
    check_syscalls(&names, has_kernel)?;
    check_calls(&names, &mut steps, limits)
}

/// Steps that the assembler will take.
struct Steps {
    taken: u64,
    allowed: u64,
}

impl Steps {
    fn take(
        &mut self,
        unit: &Unit,
        place: usize,
        what: &str,
        steps: u64,
    ) -> Result<(), SourceError> {
        self.taken = self.taken.saturating_add(steps);
        if self.taken <= self.allowed {
            return Ok(());
        }
        let fault = SourceFault::Limit {
            limit: LimitName::LinkSteps,
            what: what.into(),
            needed: self.taken,
            allowed: self.allowed,
        };
        Err(unit.error(place, fault))
    }
}

/// An order in which everything comes behind what it leads to.
///
/// # Errors
/// Returns a circle, if there is one: each leads to the next, and the last to the first.
fn bottom_up(edges: &[Vec<usize>]) -> Result<Vec<usize>, Vec<usize>> {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        New,
        Open,
        Done,
    }
    let mut states = vec![State::New; edges.len()];
    let mut order = Vec::with_capacity(edges.len());
    let mut path: Vec<(usize, usize)> = Vec::new();
    for start in 0..edges.len() {
        if states[start] != State::New {
            continue;
        }
        states[start] = State::Open;
        path.push((start, 0));
        while let Some((node, next)) = path.last_mut() {
            let node = *node;
            let Some(&successor) = edges[node].get(*next) else {
                states[node] = State::Done;
                order.push(node);
                path.pop();
                continue;
            };
            *next += 1;
            match states[successor] {
                State::Done => {}
                State::New => {
                    states[successor] = State::Open;
                    path.push((successor, 0));
                }
                State::Open => {
                    let begin = path.iter().position(|(node, _)| *node == successor);
                    let circle = path.split_off(begin.unwrap_or(0));
                    return Err(circle.into_iter().map(|(node, _)| node).collect());
                }
            }
        }
    }
    Ok(order)
}

/// All declarations of one kind, in one list.
struct Numbered {
    places: Vec<(usize, usize)>,
    numbers: HashMap<(usize, usize), usize>,
}

impl Numbered {
    fn new(lengths: impl Iterator<Item = usize>) -> Self {
        let places: Vec<(usize, usize)> = lengths
            .enumerate()
            .flat_map(|(unit, length)| (0..length).map(move |index| (unit, index)))
            .collect();
        let numbers = places
            .iter()
            .enumerate()
            .map(|(number, place)| (*place, number))
            .collect();
        Self { places, numbers }
    }
}

fn check_constants(names: &Names<'_>, steps: &mut Steps) -> Result<(), SourceError> {
    let units = names.units;
    let all = Numbered::new(units.iter().map(|unit| unit.outline.constants.len()));
    let mut edges = vec![Vec::new(); all.places.len()];
    // What the names in the expressions lead to.
    let mut targets: Vec<Vec<Target>> = Vec::with_capacity(all.places.len());
    for (number, &(unit, index)) in all.places.iter().enumerate() {
        let mut found = Vec::new();
        for term in &units[unit].outline.constants[index].terms {
            if let Term::Constant(name) = term {
                let target = names.target(unit, name)?;
                if let Target::Item(Item::Constant(unit, index)) = target {
                    edges[number].extend(all.numbers.get(&(unit, index)));
                }
                found.push(target);
            }
        }
        targets.push(found);
    }
    let declared = |number: usize| {
        let (unit, index) = all.places[number];
        (&units[unit], &units[unit].outline.constants[index])
    };
    let order = bottom_up(&edges).map_err(|circle| {
        let steps: Vec<Step> = circle
            .iter()
            .map(|number| {
                let (unit, constant) = declared(*number);
                unit.step(constant.place, format!("`{}`", constant.name))
            })
            .collect();
        let (unit, constant) = declared(circle[0]);
        unit.error(constant.place, SourceFault::ConstantCircle(steps))
    })?;
    let mut values: Vec<Option<u64>> = vec![None; edges.len()];
    // Terms, when names are replaced by what they stand for, and how often that is done one inside the
    // other: the assembler does so again for each.
    let mut sizes = vec![0_u64; edges.len()];
    let mut depths = vec![0_u64; edges.len()];
    for number in order {
        let (unit, constant) = declared(number);
        let own = constant.terms.len() as u64;
        sizes[number] = edges[number]
            .iter()
            .fold(own, |sum, next| sum.saturating_add(sizes[*next]));
        depths[number] = 1 + edges[number]
            .iter()
            .map(|next| depths[*next])
            .max()
            .unwrap_or(0);
        let work = sizes[number]
            .saturating_mul(depths[number])
            .saturating_mul(64);
        steps.take(
            unit,
            constant.place,
            "evaluating the constants down to this one",
            work,
        )?;
        let mut found = targets[number].iter();
        values[number] = expression::value(&constant.terms, |_: &Name| match found.next()? {
            Target::Item(Item::Constant(unit, index)) => {
                values[*all.numbers.get(&(*unit, *index))?]
            }
            Target::Number(value) => Some(*value),
            _ => None,
        })
        .map_err(|(place, fault)| unit.error(place, fault))?;
    }
    // Each use of one that is not of the same module is evaluated again.
    for (number, unit) in units.iter().enumerate() {
        for procedure in &unit.outline.procedures {
            for name in &procedure.constants {
                if let Target::Item(Item::Constant(unit, index)) = names.target(number, name)?
                    && unit != number
                    && let Some(constant) = all.numbers.get(&(unit, index))
                {
                    let work = sizes[*constant].saturating_mul(depths[*constant]);
                    let work = work.saturating_mul(64);
                    steps.take(&units[number], name.place, "evaluating this constant", work)?;
                }
            }
        }
    }
    Ok(())
}

fn check_types(names: &Names<'_>) -> Result<(), SourceError> {
    let units = names.units;
    let all = Numbered::new(units.iter().map(|unit| unit.outline.types.len()));
    let leads_to = |unit: usize, expression: &TypeExpression| {
        let mut found = Vec::new();
        for name in &expression.names {
            if let Target::Item(Item::Type(unit, index)) = names.target(unit, name)? {
                found.extend(all.numbers.get(&(unit, index)).copied());
            }
        }
        Ok(found)
    };
    let mut edges = Vec::with_capacity(all.places.len());
    for &(unit, index) in &all.places {
        edges.push(leads_to(
            unit,
            &units[unit].outline.types[index].expression,
        )?);
    }
    let declared = |number: usize| {
        let (unit, index) = all.places[number];
        (&units[unit], &units[unit].outline.types[index])
    };
    let order = bottom_up(&edges).map_err(|circle| {
        let steps: Vec<Step> = circle
            .iter()
            .map(|number| {
                let (unit, ty) = declared(*number);
                unit.step(ty.place, format!("`{}`", ty.name))
            })
            .collect();
        let (unit, ty) = declared(circle[0]);
        unit.error(ty.place, SourceFault::TypeCircle(steps))
    })?;
    let mut sizes = vec![0_u64; edges.len()];
    let mut depths = vec![0_usize; edges.len()];
    let size_of = |words: u64, next: &[usize], sizes: &[u64]| {
        next.iter()
            .fold(words, |sum, next| sum.saturating_add(sizes[*next]))
    };
    for number in order {
        let (unit, ty) = declared(number);
        sizes[number] = size_of(ty.expression.words, &edges[number], &sizes);
        depths[number] = 1 + edges[number]
            .iter()
            .map(|next| depths[*next])
            .max()
            .unwrap_or(0);
        if depths[number] > MAX_CHAIN {
            return Err(unit.error(ty.place, SourceFault::Chain("type")));
        }
        if sizes[number] > MAX_TYPE_PARTS {
            return Err(unit.error(ty.place, SourceFault::TypeSize(MAX_TYPE_PARTS)));
        }
    }
    for (number, unit) in units.iter().enumerate() {
        for procedure in &unit.outline.procedures {
            let next = leads_to(number, &procedure.signature)?;
            if size_of(procedure.signature.words, &next, &sizes) > MAX_TYPE_PARTS {
                return Err(unit.error(procedure.place, SourceFault::TypeSize(MAX_TYPE_PARTS)));
            }
        }
    }
    Ok(())
}

/// Checks that there is a kernel if one is entered: to the assembler its procedures are names that are nowhere.
fn check_syscalls(names: &Names<'_>, has_kernel: bool) -> Result<(), SourceError> {
    if has_kernel || is_kernel(names.units) {
        return Ok(());
    }
    for unit in names.units {
        let invoked = unit.outline.procedures.iter().flat_map(|p| &p.invoked);
        if let Some(syscall) = invoked.into_iter().find(|i| i.how == "syscall") {
            let fault = SourceFault::NoKernel(syscall.target.text());
            return Err(unit.error(syscall.target.place, fault));
        }
    }
    Ok(())
}

/// Returns `true` if these are the sources of a kernel.
fn is_kernel(units: &[Unit]) -> bool {
    units.iter().any(|unit| unit.module == [super::KERNEL])
}

fn check_calls(
    names: &Names<'_>,
    steps: &mut Steps,
    limits: &AssemblyLimits,
) -> Result<(), SourceError> {
    let units = names.units;
    let all = Numbered::new(units.iter().map(|unit| unit.outline.procedures.len()));
    let declared = |number: usize| {
        let (unit, index) = all.places[number];
        (&units[unit], &units[unit].outline.procedures[index])
    };
    let is_kernel = is_kernel(units);
    let mut edges = Vec::with_capacity(all.places.len());
    // The procedures that are invoked, one by one; nothing for those of libraries.
    let mut invoked: Vec<Vec<Option<usize>>> = Vec::with_capacity(all.places.len());
    for number in 0..all.places.len() {
        let (unit, _) = all.places[number];
        let (_, procedure) = declared(number);
        let mut found = Vec::with_capacity(procedure.invoked.len());
        for invoked in &procedure.invoked {
            // A syscall leaves the sources that are assembled together, but in a kernel.
            let in_kernel = Name {
                parts: vec![super::KERNEL.into(), invoked.target.parts.concat()],
                is_absolute: true,
                place: invoked.target.place,
            };
            let target = match invoked.how {
                "syscall" if is_kernel => &in_kernel,
                _ => &invoked.target,
            };
            let target = match invoked.how {
                "syscall" if !is_kernel => None,
                _ => match names.target(unit, target)? {
                    Target::Item(Item::Procedure(unit, index)) => {
                        all.numbers.get(&(unit, index)).copied()
                    }
                    Target::Item(Item::Constant(..) | Item::Type(..)) | Target::Number(_) => {
                        let fault = SourceFault::NotAProcedure(invoked.target.text());
                        return Err(units[unit].error(invoked.target.place, fault));
                    }
                    _ => None,
                },
            };
            found.push(target);
        }
        let mut distinct: Vec<usize> = found.iter().flatten().copied().collect();
        distinct.sort_unstable();
        distinct.dedup();
        edges.push(distinct);
        invoked.push(found);
    }
    let order = bottom_up(&edges).map_err(|circle| {
        let describe = |place: usize| {
            let number = circle[place];
            let next = circle[(place + 1) % circle.len()];
            let (unit, procedure) = declared(number);
            let (_, next_procedure) = declared(next);
            let call = invoked[number]
                .iter()
                .position(|found| *found == Some(next));
            let (how, at) = call.map_or(("exec", procedure.place), |index| {
                let invoked = &procedure.invoked[index];
                (invoked.how, invoked.target.place)
            });
            let what = format!(
                "`{}` has `{how}` of `{}`",
                procedure.name, next_procedure.name
            );
            (unit, at, what)
        };
        let steps = (0..circle.len())
            .map(|place| {
                let (unit, at, what) = describe(place);
                unit.step(at, what)
            })
            .collect();
        let (unit, at, _) = describe(0);
        unit.error(at, SourceFault::CallCircle(steps))
    })?;

    // The instructions of each procedure; and those that it adds where it is executed.
    let mut sizes = vec![Size::default(); edges.len()];
    let mut instructions = 0_u64;
    for &number in &order {
        let (unit, procedure) = declared(number);
        let (size, work) = Size::of(&procedure.body, |index| {
            invoked[number][index].map(|callee| sizes[callee])
        });
        sizes[number] = size;
        instructions = instructions.saturating_add(work);
        if instructions > limits.assembled_instructions {
            let fault = SourceFault::Limit {
                limit: LimitName::AssembledInstructions,
                what: format!("assembling up to `{}`", procedure.name),
                needed: instructions,
                allowed: limits.assembled_instructions,
            };
            return Err(unit.error(procedure.place, fault));
        }
    }

    // For each procedure that is seen from outside, the assembler orders all that it leads to, in which
    // it looks through all for each.
    let is_root = |number: usize| {
        let (_, procedure) = declared(number);
        procedure.is_public || procedure.name == super::outline::MAIN
    };
    let all_edges: usize = edges.iter().map(Vec::len).sum();
    if let Some(unit) = units.first() {
        let whole = (edges.len() as u64).saturating_mul(1 + all_edges as u64);
        steps.take(unit, 0, "ordering the procedures", whole.saturating_mul(7))?;
    }
    let mut seen = vec![usize::MAX; edges.len()];
    for root in (0..edges.len()).filter(|number| is_root(*number)) {
        let (mut nodes, mut arcs) = (0_u64, 0_u64);
        let mut open = vec![root];
        seen[root] = root;
        while let Some(node) = open.pop() {
            nodes += 1;
            arcs += edges[node].len() as u64;
            for &next in &edges[node] {
                if seen[next] != root {
                    seen[next] = root;
                    open.push(next);
                }
            }
        }
        let (unit, procedure) = declared(root);
        let work = nodes.saturating_mul(arcs).saturating_mul(7);
        steps.take(
            unit,
            procedure.place,
            "ordering the procedures that this one leads to",
            work,
        )?;
    }
    Ok(())
}

/// The amount of code in a body, written out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Size {
    /// Instructions, if there is nothing else: bodies that are put together are copied.
    instructions: u64,
    /// Other nodes: they are the same node wherever they are.
    nodes: u64,
}

impl Size {
    /// The size of code, and what it takes to make it. `callee` gives the sizes of procedures that are
    /// executed.
    fn of(code: &[Code], callee: impl Fn(usize) -> Option<Self>) -> (Self, u64) {
        struct Block {
            size: Size,
            times: u64,
            is_repeat: bool,
        }
        let mut work = 0_u64;
        let mut own = Self::default();
        let mut open: Vec<Block> = Vec::new();
        for code in code {
            let size = open.last_mut().map_or(&mut own, |block| &mut block.size);
            match *code {
                Code::Instructions(count) => {
                    size.instructions = size.instructions.saturating_add(count);
                    work = work.saturating_add(count);
                }
                Code::Exec(index) => match callee(index) {
                    Some(callee) if callee.nodes == 0 && callee.instructions <= INLINED => {
                        size.instructions = size.instructions.saturating_add(callee.instructions);
                        work = work.saturating_add(callee.instructions);
                    }
                    _ => {
                        size.nodes = size.nodes.saturating_add(1);
                        work = work.saturating_add(1);
                    }
                },
                Code::Call => {
                    size.nodes = size.nodes.saturating_add(1);
                    work = work.saturating_add(1);
                }
                Code::Open { times, is_repeat } => open.push(Block {
                    size: Self::default(),
                    times,
                    is_repeat,
                }),
                Code::Else => {}
                Code::Close => {
                    let Some(block) = open.pop() else {
                        continue;
                    };
                    let size = open.last_mut().map_or(&mut own, |block| &mut block.size);
                    match block {
                        Block {
                            size: inner,
                            times,
                            is_repeat: true,
                        } if inner.nodes == 0 => {
                            let written_out = inner.instructions.saturating_mul(times);
                            size.instructions = size.instructions.saturating_add(written_out);
                            work = work.saturating_add(written_out);
                        }
                        Block { times, .. } => {
                            size.nodes = size.nodes.saturating_add(times);
                            work = work.saturating_add(times);
                        }
                    }
                }
            }
        }
        (own, work)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles_are_found() {
        assert_eq!(bottom_up(&[vec![1], vec![2], vec![]]), Ok(vec![2, 1, 0]));
        assert_eq!(bottom_up(&[vec![1, 2], vec![2], vec![1]]), Err(vec![1, 2]));
        assert_eq!(bottom_up(&[vec![0]]), Err(vec![0]));
        let chain: Vec<Vec<usize>> = (1..200_000)
            .map(|next| vec![next])
            .chain([vec![]])
            .collect();
        assert_eq!(bottom_up(&chain).map(|order| order.len()), Ok(200_000));
    }

    #[test]
    fn repeats_are_written_out() {
        let open = |times| Code::Open {
            times,
            is_repeat: true,
        };
        let body = [
            open(1000),
            open(1000),
            Code::Instructions(2),
            Code::Close,
            Code::Close,
        ];
        let (size, work) = Size::of(&body, |_| None);
        assert_eq!(size.instructions, 2_000_000);
        assert!(work >= 2_000_000);
        let calls = [open(1000), open(1000), Code::Call, Code::Close, Code::Close];
        let (size, work) = Size::of(&calls, |_| None);
        assert_eq!((size.instructions, size.nodes), (0, 1000));
        assert_eq!(work, 2001);
        let endless: Vec<Code> = std::iter::repeat_n(open(u64::MAX), 5)
            .chain([Code::Instructions(1)])
            .chain(std::iter::repeat_n(Code::Close, 5))
            .collect();
        assert_eq!(Size::of(&endless, |_| None).1, u64::MAX);
    }
}
