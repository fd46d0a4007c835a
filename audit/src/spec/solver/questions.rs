//! Questions for a solver of equations in finite fields: what the rules of propagation rest on, so that
//! another program can tell whether a cell has one value.

use std::collections::{BTreeMap, BTreeSet};

use miden_core::{Felt, ONE, ZERO};
use miden_cvm_air::table::Table;
use serde::Serialize;
use winter_math::StarkField;

use super::{
    Kind, Problem,
    inputs::Inputs,
    losses::{CONSEQUENCES, Consequence},
    report::{label, rule_text},
    solved::Solved,
    state::{Case, Rule, Source},
};
use crate::spec::{
    Declaration,
    polynomial::{Polynomial, Variable},
};

/// A sum of products: coefficients with the names of the factors.
pub type Sum = Vec<(String, Vec<String>)>;

/// The question whether a cell has one value, or whether a constraint follows from others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Question {
    /// The table.
    pub table: &'static str,
    /// The kind of row.
    pub row: String,
    /// The cell; nothing if the question is whether there is such a row.
    pub cell: Option<String>,
    /// The rule by which propagation says that it has, or the constraint that follows.
    pub rule: String,
    /// The cells that have one value to begin with.
    pub given: Vec<String>,
    /// The polynomials that are zero.
    pub zero: Vec<Sum>,
    /// The polynomials that are not.
    pub nonzero: Vec<Sum>,
}

/// The questions of all tables, with the modulus of the field.
#[derive(Debug, Clone, Serialize)]
pub struct Questions {
    /// The modulus.
    pub modulus: String,
    /// One for each constraint by which a cell of a kind of row becomes known, where it is about the field.
    pub questions: Vec<Question>,
    /// The number of those whose rules are about integers, or rest on what is.
    pub left_out: usize,
}

impl Questions {
    /// Asks about all tables.
    pub fn new() -> Self {
        let mut all = Self {
            modulus: Felt::MODULUS.to_string(),
            questions: Vec::new(),
            left_out: 0,
        };
        for table in Table::ALL {
            let solved = Solved::of(table);
            let mut asked = BTreeSet::new();
            for (problem, kind) in solved.kinds() {
                all.ask(solved.recorded, problem, kind, &mut asked);
                for consequence in CONSEQUENCES {
                    all.ask_consequence(solved.recorded, problem, kind, consequence);
                }
            }
        }
        all
    }

    fn ask(
        &mut self,
        recorded: &Declaration,
        problem: &Problem,
        kind: &Kind,
        asked: &mut BTreeSet<(String, String)>,
    ) {
        let row = label(problem, kind);
        let width = problem.table.width();
        let inputs = Inputs::new(problem.table, &problem.cells);
        let flags = Flags::of(kind);
        for (cell, rule) in &kind.log {
            let own = usize::from(*cell) < width || inputs.is_passed(&kind.state, *cell);
            let is_answer = matches!(rule.source(), None | Some(Source::Message(..)));
            // What the branch assumes is no question.
            let is_assumed = flags.0.contains_key(cell);
            if !own || is_answer || is_assumed {
                continue;
            }
            let rule = rule_text(recorded, rule);
            if !asked.insert((row.clone(), rule.clone())) {
                continue;
            }
            let Some(cone) = Cone::of(problem, kind, *cell) else {
                self.left_out += 1;
                continue;
            };
            let name = |variable| problem.cells.name(variable).unwrap_or_default().to_owned();
            self.questions.push(Question {
                table: problem.table.name(),
                row: row.clone(),
                cell: Some(name(*cell)),
                rule,
                given: cone.given.iter().copied().map(name).collect(),
                zero: sums(problem, &cone.zero),
                nonzero: sums(problem, &cone.nonzero),
            });
        }
    }

    /// Asks whether there is a row of a kind on which a constraint does not hold that follows from others.
    fn ask_consequence(
        &mut self,
        recorded: &Declaration,
        problem: &Problem,
        kind: &Kind,
        consequence: &Consequence,
    ) {
        let mut on_branch = Flags::of(kind);
        // But for those that are flags by this constraint.
        let bound = kind.state.bound_by.iter();
        let bound = bound.filter(|(_, source)| match source {
            Source::Constraint(i, _) => recorded.constraints[*i].family == consequence.name,
            _ => false,
        });
        let own: BTreeSet<Variable> = bound.map(|(&x, _)| x).collect();
        let inputs = Inputs::new(problem.table, &problem.cells);
        let kinds = inputs.kinds().iter();
        on_branch
            .0
            .extend(kinds.filter_map(|x| Some((*x, *kind.constants.get(x)?))));
        on_branch.0.retain(|x, _| !own.contains(x));
        let named = |name: &'static str, of_next: Option<bool>| {
            let constraints = problem.constraints.iter().filter(move |(source, _)| {
                let Source::Constraint(i, next) = source else {
                    return false;
                };
                recorded.constraints[*i].family == name && of_next.is_none_or(|of| of == *next)
            });
            constraints.map(|(_, polynomial)| on_branch.evaluated(polynomial))
        };
        let violated: Vec<Polynomial> = named(consequence.name, Some(consequence.ahead)).collect();
        // What the branch determines of its cells.
        let cells: BTreeSet<Variable> = violated.iter().flat_map(Polynomial::variables).collect();
        let constant = |x: Variable| {
            let constant = kind.constants.get(&x).copied();
            constant.filter(|_| cells.contains(&x) && !own.contains(&x))
        };
        let on_row = |polynomial: Polynomial| {
            let polynomial = polynomial.evaluated(constant);
            (!polynomial.is_zero()).then_some(polynomial)
        };
        let violated: Vec<Polynomial> = violated.into_iter().filter_map(on_row).collect();
        if violated.is_empty() {
            return;
        }
        let zero = consequence.of.iter().flat_map(|name| named(name, None));
        let zero: Vec<Polynomial> = zero.filter_map(on_row).collect();
        let question = Question {
            table: problem.table.name(),
            row: label(problem, kind),
            cell: None,
            rule: consequence.name.to_owned(),
            given: Vec::new(),
            zero: sums(problem, &zero),
            nonzero: sums(problem, &violated),
        };
        if !self.questions.contains(&question) {
            self.questions.push(question);
        }
    }
}

/// Polynomials with the names of their cells.
fn sums(problem: &Problem, polynomials: &[Polynomial]) -> Vec<Sum> {
    let name = |variable| problem.cells.name(variable).unwrap_or_default().to_owned();
    let sums = polynomials.iter().map(|polynomial| {
        let terms = polynomial.terms().map(|(monomial, coefficient)| {
            let factors = monomial.variables().map(name).collect();
            (coefficient.as_int().to_string(), factors)
        });
        terms.collect()
    });
    sums.collect()
}

impl Default for Questions {
    fn default() -> Self {
        Self::new()
    }
}

/// The flags that a branch is divided by, with their values.
struct Flags(BTreeMap<Variable, Felt>);

impl Flags {
    fn of(kind: &Kind) -> Self {
        let flags = kind.cases.iter().filter_map(|(case, value)| match case {
            Case::Flag(flag) => Some((*flag, if *value { ONE } else { ZERO })),
            Case::Zero(_) => None,
        });
        Self(flags.collect())
    }

    fn evaluated(&self, polynomial: &Polynomial) -> Polynomial {
        polynomial.evaluated(|x| self.0.get(&x).copied())
    }
}

/// The reasons why a cell is known, back to what is given.
struct Cone {
    given: BTreeSet<Variable>,
    zero: Vec<Polynomial>,
    nonzero: Vec<Polynomial>,
}

impl Cone {
    /// Nothing if a rule is about integers, or rests on a number that the solver has introduced.
    fn of(problem: &Problem, kind: &Kind, cell: Variable) -> Option<Self> {
        let rules: BTreeMap<Variable, &Rule> =
            kind.log.iter().map(|(x, rule)| (*x, rule)).collect();
        let flags = Flags::of(kind);
        let on_branch = |polynomial: &Polynomial| flags.evaluated(polynomial);
        let mut given = BTreeSet::new();
        let mut sources = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut open = vec![cell];
        while let Some(x) = open.pop() {
            if flags.0.contains_key(&x) || !seen.insert(x) {
                continue;
            }
            problem.cells.name(x)?;
            let related: Vec<&(Source, Polynomial)> = match rules.get(&x)? {
                Rule::Input(_) | Rule::Pointer(_) => Vec::new(),
                rule => match rule.source()? {
                    Source::Message(..) => Vec::new(),
                    Source::Case => return None,
                    source => match rule {
                        Rule::Linear(_) => problem.from(source).collect(),
                        Rule::Power(_) | Rule::Flags(_) | Rule::Refuted(_) => {
                            let used = problem.constraints.iter();
                            let used = used.filter(|(source, _)| kind.used.contains(source));
                            used.filter(|(_, polynomial)| on_branch(polynomial).has(x))
                                .collect()
                        }
                        _ => return None,
                    },
                },
            };
            if related.is_empty() {
                given.insert(x);
            }
            for (source, polynomial) in related {
                sources.insert(*source);
                open.extend(on_branch(polynomial).variables());
            }
        }
        // What the inputs have to satisfy, too, if it is about these cells.
        let conditions = kind.conditions.iter().map(|(source, _)| *source);
        sources.extend(conditions);
        let constraints = sources.iter().flat_map(|source| problem.from(*source));
        let mut zero: Vec<Polynomial> = constraints.map(|(_, p)| on_branch(p)).collect();
        for (case, is_zero) in &kind.cases {
            if let (Case::Zero(polynomial), true) = (case, is_zero) {
                zero.push(polynomial.clone());
            }
        }
        // What is given may be a constant on the branch.
        for &x in &given {
            if let Some(&value) = kind.constants.get(&x) {
                let difference = Polynomial::variable(x).plus(&Polynomial::constant(value), -ONE);
                zero.push(difference);
            }
        }
        let known = |polynomial: &Polynomial| {
            let variables = polynomial.variables();
            variables.iter().all(|x| seen.contains(x))
        };
        zero.retain(|polynomial| !polynomial.is_zero() && known(polynomial));
        let nonzero = kind.state.nonzero.iter();
        let nonzero = nonzero.filter(|polynomial| known(polynomial)).cloned();
        Some(Self {
            given,
            zero,
            nonzero: nonzero.collect(),
        })
    }
}

impl Problem {
    /// The constraint that a source stands for.
    fn from(&self, source: Source) -> impl Iterator<Item = &(Source, Polynomial)> {
        let all = self.constraints.iter();
        all.filter(move |(other, _)| *other == source)
    }
}
