//! Knowledge about a pair of rows, and the rules by which more of it becomes known.

use std::collections::{BTreeMap, BTreeSet};

use miden_core::{Felt, ONE, ZERO};
use miden_cvm_air::lookup::Bus;
use winter_math::StarkField;

use super::{
    answers::{BOUNDS, FUNCTIONS, Function, Queries},
    tables::Fact,
};
use crate::spec::polynomial::{Monomial, Polynomial, Variable};

/// Why a cell has one value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// It is given: from the row before, the program, the advice, or by who asks.
    Input(&'static str),
    /// A constraint is linear in it, with a coefficient that is not zero.
    Linear(Source),
    /// Numbers with bounds add up to zero.
    Zero(Source),
    /// A constraint has bounded numbers in it as the digits of a number below the modulus.
    Digits(Source),
    /// As digits, of a number that is shown to be below the modulus.
    Canonical(Source),
    /// Flags, of which the constraints allow one choice only.
    Flags(Source),
    /// A power is known whose exponent is coprime to the order of the field's units.
    Power(Source),
    /// Quotient or remainder of integers below the modulus.
    Division(Source),
    /// A flag whose other value is impossible.
    Refuted(Source),
    /// It names a computation whose input is known: what that computation answers is the same for
    /// every value.
    Pointer(Source),
}

impl Rule {
    /// Returns the source that it rests on; inputs rest on nothing.
    pub fn source(&self) -> Option<Source> {
        match self {
            Self::Input(_) => None,
            Self::Linear(source)
            | Self::Zero(source)
            | Self::Digits(source)
            | Self::Canonical(source)
            | Self::Flags(source)
            | Self::Power(source)
            | Self::Division(source)
            | Self::Refuted(source)
            | Self::Pointer(source) => Some(*source),
        }
    }
}

/// A source that a rule rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A constraint, by its number; of the next row if `true`.
    Constraint(usize, bool),
    /// A message, by its number; of the next row if `true`.
    Message(usize, bool),
    /// A case: what the branch assumes.
    Case,
}

/// A message with its polynomials.
#[derive(Debug, Clone)]
pub struct Lookup {
    /// Where it comes from.
    pub source: Source,
    /// Its bus.
    pub bus: Bus,
    /// Its count.
    pub count: Polynomial,
    /// Its coordinates.
    pub coordinates: Vec<Polynomial>,
    /// The functions, by number, whose answers have been taken in.
    pub answered: BTreeSet<usize>,
    /// `true` if the bounds that it states have been taken in.
    pub bounded: bool,
    /// `true` if it has been asked whether there is such a message.
    pub asked: bool,
}

impl Lookup {
    /// Returns `true` if the message asks for what a function answers, and for something that is known.
    fn is_query(&self, function: &Function, known: &impl Fn(&Polynomial) -> bool) -> bool {
        let count = self.count.as_constant();
        let is_one = match function.queries {
            Queries::Received => function.whether || count == Some(-ONE),
            Queries::Sent => count == Some(ONE),
            Queries::Zero(cell) => {
                count == Some(ONE) && self.coordinates[cell].as_constant() == Some(ZERO)
            }
            Queries::One(cell) => {
                count == Some(-ONE) && self.coordinates[cell].as_constant() == Some(ONE)
            }
        };
        is_one && function.key.iter().all(|&i| known(&self.coordinates[i]))
    }
}

/// A set of variables.
#[derive(Debug, Clone, Default)]
pub struct Variables {
    /// By variable, whether it is one of them, as far as any is.
    is_in: Vec<bool>,
}

impl Variables {
    /// Returns `true` if a variable is one of them.
    pub fn contains(&self, variable: Variable) -> bool {
        self.is_in.get(usize::from(variable)) == Some(&true)
    }

    /// Adds a variable; returns `true` if it was none of them.
    fn insert(&mut self, variable: Variable) -> bool {
        let at = usize::from(variable);
        if self.is_in.len() <= at {
            self.is_in.resize(at + 1, false);
        }
        !std::mem::replace(&mut self.is_in[at], true)
    }
}

/// Everything that is known.
#[derive(Debug, Clone)]
pub struct State {
    /// Cells and helpers of the solver that have one value, given the inputs.
    pub known: Variables,
    /// Those of them that are constants on the branch.
    pub constants: BTreeMap<Variable, Felt>,
    /// Constraints that are not used up, by source.
    pub active: Vec<(Source, Polynomial)>,
    /// Constraints by which something has become known.
    pub facts: Vec<(Source, Polynomial)>,
    /// The values, as polynomials, of cells that are determined by a constraint linear in them.
    pub definitions: BTreeMap<Variable, Polynomial>,
    /// The conditions that the inputs have to satisfy.
    pub conditions: Vec<(Source, Polynomial)>,
    /// The messages.
    pub lookups: Vec<Lookup>,
    /// The largest values that variables have as integers.
    pub bounds: BTreeMap<Variable, u64>,
    /// Constraints and messages that bounds rest on.
    pub bound_by: BTreeMap<Variable, Source>,
    /// Polynomials in known variables that are not zero.
    pub nonzero: Vec<Polynomial>,
    /// The variables that became known, in order, with the rule.
    pub log: Vec<(Variable, Rule)>,
    /// Everything that a rule has used.
    pub used: BTreeSet<Source>,
    next_helper: Variable,
    /// The polynomials that the branch has been divided by.
    assumed: Vec<Polynomial>,
    /// Answers whether there is a message.
    whether: Vec<Variable>,
    /// `true` if all cells that are made of flags have been found.
    flags_tried: bool,
}

/// The branch is impossible.
#[derive(Debug)]
pub struct Contradiction;

const MODULUS: u64 = Felt::MODULUS;

/// A product of differences that bounds a variable has no more factors.
const MOST_ROOTS: usize = 8;

impl State {
    /// Begins with constraints and messages; helpers are numbered from `first_helper` on.
    pub fn new(
        active: Vec<(Source, Polynomial)>,
        lookups: Vec<Lookup>,
        first_helper: Variable,
    ) -> Self {
        Self {
            known: Variables::default(),
            constants: BTreeMap::new(),
            active,
            facts: Vec::new(),
            definitions: BTreeMap::new(),
            conditions: Vec::new(),
            lookups,
            bounds: BTreeMap::new(),
            bound_by: BTreeMap::new(),
            nonzero: Vec::new(),
            log: Vec::new(),
            used: BTreeSet::new(),
            next_helper: first_helper,
            assumed: Vec::new(),
            whether: Vec::new(),
            flags_tried: false,
        }
    }

    fn helper(&mut self) -> Variable {
        self.next_helper += 1;
        self.next_helper - 1
    }

    /// A cell gets known by a rule.
    pub fn learn(&mut self, variable: Variable, rule: Rule) {
        if self.known.insert(variable) {
            self.used.extend(rule.source());
            self.log.push((variable, rule));
        }
    }

    /// Puts a value, or another polynomial, in place of a variable.
    fn substitute(&mut self, variable: Variable, by: &Polynomial) {
        let polynomials = self.active.iter_mut().chain(&mut self.facts);
        for (_, polynomial) in polynomials.chain(&mut self.conditions) {
            if polynomial.has(variable) {
                *polynomial = polynomial.substituted(variable, by);
            }
        }
        for lookup in &mut self.lookups {
            for polynomial in lookup.coordinates.iter_mut().chain([&mut lookup.count]) {
                if polynomial.has(variable) {
                    *polynomial = polynomial.substituted(variable, by);
                }
            }
        }
        for polynomial in &mut self.nonzero {
            if polynomial.has(variable) {
                *polynomial = polynomial.substituted(variable, by).monic();
            }
        }
        for polynomial in self.definitions.values_mut() {
            if polynomial.has(variable) {
                *polynomial = polynomial.substituted(variable, by);
            }
        }
    }

    /// A variable is a constant on this branch.
    pub fn fix(&mut self, variable: Variable, value: Felt) -> Result<(), Contradiction> {
        if let Some(&bound) = self.bounds.get(&variable)
            && value.as_int() > bound
        {
            self.used.extend(self.bound_by.get(&variable));
            return Err(Contradiction);
        }
        self.constants.insert(variable, value);
        self.substitute(variable, &Polynomial::constant(value));
        Ok(())
    }

    /// The branch assumes that a polynomial in known variables is zero, or that it is not.
    pub fn assume(&mut self, polynomial: Polynomial, zero: bool) {
        self.assumed.push(polynomial.clone());
        if zero {
            self.active.push((Source::Case, polynomial));
        } else {
            self.nonzero.push(polynomial.monic());
        }
    }

    /// A constraint has served: it is no condition of the inputs.
    fn consume(&mut self, source: Source) {
        if let Some(i) = self.active.iter().position(|(other, _)| *other == source) {
            let fact = self.active.remove(i);
            self.facts.push(fact);
        }
    }

    fn unknown(&self, polynomial: &Polynomial) -> Vec<Variable> {
        let mut unknown = polynomial.variables();
        unknown.retain(|&x| !self.known.contains(x));
        unknown
    }

    /// Returns `true` if a polynomial in known variables is known not to be zero.
    fn is_nonzero(&self, polynomial: &Polynomial) -> bool {
        if let Some(constant) = polynomial.as_constant() {
            return constant != ZERO;
        }
        let mut rest = polynomial.clone();
        loop {
            let divided = self.nonzero.iter().find_map(|factor| {
                (factor.degree() > 0)
                    .then(|| rest.divided_by(factor))
                    .flatten()
            });
            match divided {
                Some(quotient) => match quotient.as_constant() {
                    Some(constant) => return constant != ZERO,
                    None => rest = quotient,
                },
                None => return false,
            }
        }
    }

    /// Applies all rules until none applies any more.
    pub fn propagate(&mut self, functions: &[Function]) -> Result<(), Contradiction> {
        while self.simplify()?
            || self.linear()
            || self.bound()
            || self.zero_sums()?
            || self.answers(functions)
            || self.digits()
            || self.flags()?
            || self.powers()
            || self.division()
        {}
        Ok(())
    }

    /// A branch on which flags have these values, if they are flags: each needs a constraint by which
    /// it is 0 or 1.
    pub fn set_flags(&mut self, values: &[(Variable, bool)]) -> Result<(), Contradiction> {
        for &(flag, value) in values {
            let binary = self.active.iter().find(|(_, polynomial)| {
                polynomial.variables() == [flag] && consecutive_roots(polynomial, flag) == Some(1)
            });
            if let Some((source, _)) = binary {
                self.used.insert(*source);
                self.fix(flag, if value { ONE } else { ZERO })?;
            }
        }
        Ok(())
    }

    /// Constants, and polynomials in known variables alone.
    fn simplify(&mut self) -> Result<bool, Contradiction> {
        if self.nonzero.iter().any(Polynomial::is_zero) {
            return Err(Contradiction);
        }
        self.nonzero.retain(|polynomial| polynomial.degree() > 0);
        let mut changed = false;
        let mut i = 0;
        while i < self.active.len() {
            if self.simplify_one(i)? {
                changed = true;
            } else {
                i += 1;
            }
        }
        for i in 0..self.facts.len() {
            let (source, polynomial) = &self.facts[i];
            let source = *source;
            if let Some(constant) = polynomial.as_constant() {
                if constant != ZERO {
                    self.used.insert(source);
                    return Err(Contradiction);
                }
                continue;
            }
            if polynomial.num_terms() > 2 {
                continue;
            }
            if let [x] = polynomial.variables()[..]
                && let Some((a, b)) = polynomial.linear_in(x)
                && let (Some(a), Some(b)) = (a.as_constant(), b.as_constant())
            {
                self.fix(x, -b / a)?;
                changed = true;
            }
        }
        self.facts.retain(|(_, polynomial)| !polynomial.is_zero());
        Ok(changed)
    }

    /// Simplifies a constraint; returns `true` if it is used up.
    fn simplify_one(&mut self, i: usize) -> Result<bool, Contradiction> {
        let source = self.active[i].0;
        // Factors that are not zero.
        for factor in 0..self.nonzero.len() {
            let polynomial = &self.active[i].1;
            if !polynomial.is_zero()
                && let Some(quotient) = polynomial.divided_by(&self.nonzero[factor])
            {
                self.active[i].1 = quotient;
            }
        }
        let polynomial = &self.active[i].1;
        if let Some(constant) = polynomial.as_constant() {
            self.active.remove(i);
            if constant == ZERO {
                return Ok(true);
            }
            self.used.insert(source);
            return Err(Contradiction);
        }
        if polynomial.num_terms() > 2 && self.some_unknown(polynomial) {
            return Ok(false);
        }
        let variables = polynomial.variables();
        if let [variable] = variables[..]
            && let Some((a, b)) = polynomial.linear_in(variable)
            && let (Some(a), Some(b)) = (a.as_constant(), b.as_constant())
        {
            let fact = self.active.remove(i);
            if self.known.contains(variable) {
                self.conditions.push(fact);
            } else {
                self.facts.push(fact);
                self.learn(variable, Rule::Linear(source));
            }
            self.used.insert(source);
            self.fix(variable, -b / a)?;
            return Ok(true);
        }
        // What is equal among known variables is replaced, the last one by the others.
        if !self.some_unknown(polynomial) {
            // What a case says of numbers is worth more than their bounds, but for flags.
            let is_free = |x: &&Variable| match self.bounds.get(x) {
                None => true,
                Some(&bound) => source == Source::Case && bound > 1,
            };
            let free = variables.iter().rev().filter(is_free);
            let equal = free.into_iter().find_map(|&variable| {
                let (a, b) = polynomial.linear_in(variable)?;
                Some((variable, b.scaled(-ONE / a.as_constant()?)))
            });
            if let Some((variable, by)) = equal
                && by.degree() <= 1
            {
                let condition = self.active.remove(i);
                self.conditions.push(condition);
                self.substitute(variable, &by);
                self.definitions.insert(variable, by);
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn some_unknown(&self, polynomial: &Polynomial) -> bool {
        polynomial
            .terms()
            .any(|(monomial, _)| monomial.variables().any(|x| !self.known.contains(x)))
    }

    /// The only unknown of a polynomial.
    fn single_unknown(&self, polynomial: &Polynomial) -> Option<Variable> {
        let mut found = None;
        for (monomial, _) in polynomial.terms() {
            for x in monomial.variables() {
                if found != Some(x) && !self.known.contains(x) {
                    match found {
                        Some(_) => return None,
                        None => found = Some(x),
                    }
                }
            }
        }
        found
    }

    /// Constraints that are linear in one unknown, with a coefficient that cannot be zero.
    fn linear(&mut self) -> bool {
        let mut learnt = false;
        let mut i = 0;
        while i < self.active.len() {
            if self.linear_one(i) {
                learnt = true;
            } else {
                i += 1;
            }
        }
        learnt
    }

    fn linear_one(&mut self, i: usize) -> bool {
        let (source, polynomial) = &self.active[i];
        let source = *source;
        let Some(x) = self.single_unknown(polynomial) else {
            return false;
        };
        let Some((a, b)) = polynomial.linear_in(x) else {
            return false;
        };
        if !self.is_nonzero(&a) {
            return false;
        }
        let fact = self.active.remove(i);
        self.facts.push(fact);
        if let Some(a) = a.as_constant() {
            self.definitions.insert(x, b.scaled(-ONE / a));
        }
        self.learn(x, Rule::Linear(source));
        // A quotient that is a constant is worth more than one that is known.
        let quotient = b.divided_by(&a).and_then(|quotient| quotient.as_constant());
        if let Some(value) = quotient
            && self.fix(x, -value).is_err()
        {
            // The bound is violated, which the next round sees.
            self.active.push((source, Polynomial::constant(ONE)));
        }
        true
    }

    /// Bounds, from range checks and from products of consecutive differences.
    fn bound(&mut self) -> bool {
        let mut found = false;
        for i in 0..self.active.len() {
            let (source, polynomial) = &self.active[i];
            if polynomial.num_terms() <= MOST_ROOTS
                && let &[x] = &polynomial.variables()[..]
                && !self.bounds.contains_key(&x)
                && let Some(bound) = consecutive_roots(polynomial, x)
            {
                self.bounds.insert(x, bound);
                self.bound_by.insert(x, *source);
                found = true;
            }
        }
        if found || self.sums_of_flags() {
            return true;
        }
        for i in 0..self.lookups.len() {
            let lookup = &self.lookups[i];
            let Some(bound) = BOUNDS.iter().find(|bound| bound.bus == lookup.bus) else {
                continue;
            };
            let received = lookup
                .count
                .as_constant()
                .is_some_and(|count| count == -ONE);
            if lookup.bounded || !received {
                continue;
            }
            let (source, value) = (lookup.source, lookup.coordinates[bound.coordinate].clone());
            let bound = bound.largest;
            self.lookups[i].bounded = true;
            let single = value.variables();
            if let [x] = single[..]
                && value == Polynomial::variable(x)
            {
                let old = self.bounds.get(&x).copied().unwrap_or(u64::MAX);
                if bound < old {
                    self.bounds.insert(x, bound);
                    self.bound_by.insert(x, source);
                }
            } else {
                // A helper is the value.
                let helper = self.helper();
                self.bounds.insert(helper, bound);
                self.bound_by.insert(helper, source);
                let definition = value.plus(&Polynomial::variable(helper), -ONE);
                self.active.push((source, definition));
            }
            return true;
        }
        false
    }

    /// Cells that are flags because they are made of one-hot groups of flags: all choices are tried.
    fn sums_of_flags(&mut self) -> bool {
        const MOST: usize = 256;
        if self.flags_tried {
            return false;
        }
        let is_flag = |x: &Variable| self.bounds.get(x) == Some(&1);
        let all = || {
            self.active
                .iter()
                .chain(&self.facts)
                .chain(&self.conditions)
        };
        // Groups of flags of which one is set.
        let groups: Vec<(Source, Vec<Variable>)> = all()
            .filter(|(_, polynomial)| polynomial.degree() == 1)
            .filter_map(|(source, polynomial)| {
                let variables = polynomial.variables();
                let sum = variables
                    .iter()
                    .fold(Polynomial::constant(-ONE), |sum, &x| {
                        sum.plus(&Polynomial::variable(x), ONE)
                    });
                (variables.len() > 1
                    && polynomial.monic() == sum.monic()
                    && variables.iter().all(is_flag))
                .then_some((*source, variables))
            })
            .collect();
        if groups.is_empty() {
            return false;
        }
        let found = all().find_map(|(source, polynomial)| {
            (polynomial.num_terms() <= MOST).then_some(())?;
            let variables = polynomial.variables();
            let mut others = variables.iter().filter(|x| !is_flag(x));
            let (Some(&x), None) = (others.next(), others.next()) else {
                return None;
            };
            let (a, b) = polynomial.linear_in(x)?;
            let value = b.scaled(-ONE / a.as_constant()?);
            let parts: Vec<&(Source, Vec<Variable>)> = groups
                .iter()
                .filter(|(_, group)| group.iter().any(|flag| variables.contains(flag)))
                .collect();
            let covered = |flag: &Variable| parts.iter().any(|(_, group)| group.contains(flag));
            let choices: usize = parts.iter().map(|(_, group)| group.len()).product();
            (choices <= MOST && variables.iter().all(|v| *v == x || covered(v))).then_some(())?;
            let all_flags = (0..choices).all(|mut choice| {
                let mut set = BTreeSet::new();
                for (_, group) in &parts {
                    set.insert(group[choice % group.len()]);
                    choice /= group.len();
                }
                let value = value.evaluated(|v| Some(if set.contains(&v) { ONE } else { ZERO }));
                value
                    .as_constant()
                    .is_some_and(|value| value == ZERO || value == ONE)
            });
            all_flags.then(|| {
                let mut used: Vec<Source> = parts.iter().map(|(source, _)| *source).collect();
                let flags = parts.iter().flat_map(|(_, group)| group);
                used.extend(flags.filter_map(|flag| self.bound_by.get(flag)));
                (x, *source, used)
            })
        });
        let Some((x, source, used)) = found else {
            self.flags_tried = !groups.is_empty();
            return false;
        };
        self.used.extend(used);
        self.bounds.insert(x, 1);
        self.bound_by.insert(x, source);
        true
    }

    /// The unknown terms of a polynomial that is linear in bounded unknowns, with the coefficients as
    /// integers near zero, and the bounds.
    fn bounded_terms(&self, polynomial: &Polynomial) -> Option<Vec<(Variable, i128, u64)>> {
        let mut terms = Vec::new();
        for (monomial, coefficient) in polynomial.terms() {
            let variables: Vec<_> = monomial.variables().collect();
            match variables[..] {
                [x] if !self.known.contains(x) => {
                    terms.push((x, centered(coefficient), *self.bounds.get(&x)?));
                }
                _ if variables.iter().all(|x| self.known.contains(*x)) => {}
                _ => return None,
            }
        }
        Some(terms)
    }

    /// Bounded numbers, all with coefficients of one sign, add up to zero.
    fn zero_sums(&mut self) -> Result<bool, Contradiction> {
        let of_flags = self
            .facts
            .iter()
            .filter(|(_, p)| p.num_terms() > 1)
            .cloned();
        let all: Vec<(Source, Polynomial)> = self.active.iter().cloned().chain(of_flags).collect();
        for (source, polynomial) in all {
            let mut sum = 0i128;
            let mut signs = BTreeSet::new();
            let mut found = Vec::new();
            let mut constant = false;
            for (monomial, coefficient) in polynomial.terms() {
                let mut variables = monomial.variables();
                let (Some(x), None) = (variables.next(), variables.next()) else {
                    if monomial.degree() == 0 {
                        constant = true;
                        sum += centered(coefficient).abs();
                        signs.insert(centered(coefficient) > 0);
                        continue;
                    }
                    found.clear();
                    break;
                };
                let (weight, Some(&bound)) = (centered(coefficient), self.bounds.get(&x)) else {
                    found.clear();
                    break;
                };
                sum += weight.abs() * i128::from(bound);
                signs.insert(weight > 0);
                found.push(x);
            }
            if found.is_empty() || signs.len() > 1 || sum >= i128::from(MODULUS) {
                continue;
            }
            if constant {
                self.used
                    .extend(found.iter().filter_map(|x| self.bound_by.get(x)));
                self.used.insert(source);
                return Err(Contradiction);
            }
            self.active.retain(|(_, other)| *other != polynomial);
            let mut is_condition = false;
            for x in found {
                self.used.extend(self.bound_by.get(&x));
                is_condition |= self.known.contains(x);
                self.learn(x, Rule::Zero(source));
                self.fix(x, ZERO)?;
            }
            self.used.insert(source);
            if is_condition {
                self.conditions.push((source, polynomial));
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// Takes in what is looked up by a key that is known; returns `false` if there is nothing.
    fn answers(&mut self, functions: &[Function]) -> bool {
        let found = self.lookups.iter().enumerate().find_map(|(i, lookup)| {
            let mut open = functions.iter().enumerate().filter(|(number, function)| {
                function.bus == lookup.bus
                    && !lookup.answered.contains(number)
                    && lookup.is_query(function, &|polynomial| !self.some_unknown(polynomial))
            });
            let helps = |(_, function): &(usize, &Function)| match function.pointer {
                Some(pointer) => self.single_unknown(&lookup.coordinates[pointer]).is_some(),
                // Whether there is a message is asked once, before it is clear.
                None => !function.whether || !lookup.asked && self.some_unknown(&lookup.count),
            };
            open.find(helps)
                .map(|(number, function)| (i, number, *function))
        });
        let Some((i, number, function)) = found else {
            return false;
        };
        let Lookup {
            source,
            count,
            coordinates,
            ..
        } = self.lookups[i].clone();
        if let Some(pointer) = function.pointer {
            self.lookups[i].answered.insert(number);
            if let Some(x) = self.single_unknown(&coordinates[pointer]) {
                self.learn(x, Rule::Pointer(source));
            }
        } else if function.whether {
            // The message is received if there is one with this key, and not if there is none. What
            // it says is asked afterwards.
            self.lookups[i].asked = true;
            self.whether.push(self.next_helper);
            let there = self.answer(1);
            self.active.push((source, count.plus(&there, ONE)));
            self.lookups[i].count = there.scaled(-ONE);
        } else {
            self.lookups[i].answered.insert(number);
            for (at, coordinate) in coordinates.into_iter().enumerate() {
                let answers = function.answers.is_empty() || function.answers.contains(&at);
                if answers && self.some_unknown(&coordinate) {
                    let answer = self.answer(u64::MAX);
                    if function.nonzero.contains(&at) {
                        self.nonzero.push(answer.clone());
                    }
                    self.active.push((source, coordinate.plus(&answer, -ONE)));
                }
            }
        }
        true
    }

    /// A known helper, of at most this value.
    fn answer(&mut self, bound: u64) -> Polynomial {
        let helper = self.helper();
        self.known.insert(helper);
        if bound < u64::MAX {
            self.bounds.insert(helper, bound);
        }
        Polynomial::variable(helper)
    }

    /// Bounded numbers as the digits of a number.
    fn digits(&mut self) -> bool {
        struct Linear {
            source: Source,
            polynomial: Polynomial,
            unknown: Vec<Variable>,
            /// Those of the unknown that have no bound.
            unbounded: Vec<Variable>,
        }
        let linear = self.active.iter();
        let linear = linear.filter(|(_, polynomial)| self.is_affine(polynomial));
        let linear = linear.map(|(source, polynomial)| {
            let unknown = self.unknown(polynomial);
            let unbounded = unknown.iter().filter(|x| !self.bounds.contains_key(x));
            Linear {
                source: *source,
                polynomial: polynomial.clone(),
                unbounded: unbounded.copied().collect(),
                unknown,
            }
        });
        let linear: Vec<Linear> = linear.collect();
        let mut alike: BTreeMap<&[Variable], Vec<usize>> = BTreeMap::new();
        for (i, one) in linear.iter().enumerate() {
            alike.entry(&one.unbounded).or_default().push(i);
        }
        for (i, one) in linear.iter().enumerate() {
            let (source, polynomial) = (one.source, &one.polynomial);
            if one.unbounded.is_empty() && self.digits_of(source, None, polynomial) {
                return true;
            }
            // One variable eliminated with another constraint. What one of the two has that is no digit
            // would be left.
            let others = alike[&one.unbounded[..]].iter().filter(|&&j| i != j);
            for other in others.map(|&j| &linear[j]) {
                let by = &other.polynomial;
                for &x in &other.unknown {
                    let (Some((a, _)), Some((b, _))) = (polynomial.linear_in(x), by.linear_in(x))
                    else {
                        continue;
                    };
                    let (Some(a), Some(b)) = (a.as_constant(), b.as_constant()) else {
                        continue;
                    };
                    if a == ZERO || b == ZERO {
                        continue;
                    }
                    let eliminated = polynomial.plus(by, -(a / b));
                    if self.digits_of(source, Some(other.source), &eliminated) {
                        return true;
                    }
                }
            }
        }
        false
    }

    /// Returns `true` if unknown variables occur with constant coefficients, by themselves.
    fn is_affine(&self, polynomial: &Polynomial) -> bool {
        polynomial.terms().all(|(monomial, _)| {
            monomial.degree() <= 1 || monomial.variables().all(|x| self.known.contains(x))
        })
    }

    fn digits_of(
        &mut self,
        source: Source,
        other: Option<Source>,
        polynomial: &Polynomial,
    ) -> bool {
        let unknown = self.unknown(polynomial);
        // The multiple in which some coefficient is 1.
        for &unit in &unknown {
            let Some((a, _)) = polynomial.linear_in(unit) else {
                return false;
            };
            let Some(a) = a.as_constant() else {
                return false;
            };
            let scaled = polynomial.scaled(ONE / a);
            let Some(mut terms) = self.bounded_terms(&scaled) else {
                return false;
            };
            terms.sort_by_key(|&(_, weight, _)| weight.abs());
            let mut below = 0i128;
            let mut increasing = true;
            for &(_, weight, bound) in &terms {
                increasing &= weight.abs() > below;
                below += weight.abs() * i128::from(bound);
            }
            if !increasing {
                continue;
            }
            let rule: fn(Source) -> Rule = if below < i128::from(MODULUS) {
                Rule::Digits
            } else if let Some(shown) = self.shown_canonical(&terms) {
                self.used.extend(shown);
                Rule::Canonical
            } else {
                continue;
            };
            self.used.extend(other);
            self.consume(source);
            for (x, ..) in terms {
                self.used.extend(self.bound_by.get(&x));
                self.learn(x, rule(source));
            }
            return true;
        }
        false
    }

    /// The constraints that show that digits of 64 bits make up a number below the modulus: a guard
    /// that is a multiple of `2^32 - 1 - hi`, and that is 1 or `lo` is zero.
    fn shown_canonical(&self, terms: &[(Variable, i128, u64)]) -> Option<Vec<Source>> {
        let half = 1i128 << 32;
        let (mut lo, mut hi) = (Polynomial::default(), Polynomial::default());
        let (mut lo_max, mut hi_max) = (0i128, 0i128);
        let sign = terms.first()?.1.signum();
        for &(x, weight, bound) in terms {
            let weight = weight * sign;
            if weight < 0 {
                // Weights beyond half of the modulus show as negative ones.
                return None;
            }
            let (part, max, weight) = if weight < half {
                (&mut lo, &mut lo_max, weight)
            } else if weight % half == 0 {
                (&mut hi, &mut hi_max, weight / half)
            } else {
                return None;
            };
            part.add_term(Monomial::of(x), Felt::new(weight as u64));
            *max += weight * i128::from(bound);
        }
        if lo_max >= half || hi_max >= half {
            return None;
        }
        let span = Span::of(
            self.active
                .iter()
                .map(|(_, p)| p)
                .filter(|p| p.degree() <= 1),
        );
        let all_ones = Polynomial::constant(Felt::new(u64::from(u32::MAX)));
        let distance = all_ones.plus(&hi, -ONE);
        for (guard_source, constraint) in &self.active {
            for guard in self.unknown(constraint) {
                let Some((a, b)) = constraint.linear_in(guard) else {
                    continue;
                };
                let Some(a) = a.as_constant() else {
                    continue;
                };
                // guard = inverse * distance.
                let product = b.scaled(-ONE / a);
                let of_distance = self.unknown(&product).into_iter().any(|inverse| {
                    product.linear_in(inverse).is_some_and(|(factor, rest)| {
                        rest.is_zero() && span.contains(&factor.plus(&distance, -ONE))
                    })
                });
                if !of_distance {
                    continue;
                }
                let lower = self.active.iter().find(|(_, other)| {
                    other.linear_in(guard).is_some_and(|(a, b)| {
                        !b.is_zero() && a.plus(&b, ONE).is_zero() && span.is_multiple(&b, &lo)
                    })
                });
                if let Some((lower, _)) = lower {
                    return Some(vec![*guard_source, *lower]);
                }
            }
        }
        None
    }

    /// Flags, of which there is one choice for what is known.
    fn flags(&mut self) -> Result<bool, Contradiction> {
        const MOST: usize = 8;
        let unknown = self.active.iter().map(|(_, p)| self.unknown(p));
        let unknown: Vec<Vec<Variable>> = unknown.collect();
        for i in 0..self.active.len() {
            let source = self.active[i].0;
            let flags = unknown[i].clone();
            if flags.is_empty()
                || flags.len() > MOST
                || flags.iter().any(|x| self.bounds.get(x) != Some(&1))
            {
                continue;
            }
            let related = self.active.iter().zip(&unknown).filter(|(_, unknown)| {
                !unknown.is_empty() && unknown.iter().all(|x| flags.contains(x))
            });
            let related: Vec<(Source, Polynomial)> =
                related.map(|(constraint, _)| constraint.clone()).collect();
            let mut seen: Vec<Vec<Polynomial>> = Vec::new();
            let mut only = Vec::new();
            let mut unique = true;
            for choice in 0..1u32 << flags.len() {
                let value = |x: Variable| {
                    let position = flags.iter().position(|&flag| flag == x)?;
                    Some(Felt::from((choice >> position) & 1))
                };
                let rests: Vec<_> = related.iter().map(|(_, p)| p.evaluated(value)).collect();
                let allowed = rests
                    .iter()
                    .all(|rest| rest.as_constant().is_none_or(|c| c == ZERO));
                if !allowed {
                    continue;
                }
                // Another choice is possible unless some constraint tells them apart.
                unique &= seen.iter().all(|other: &Vec<Polynomial>| {
                    other.iter().zip(&rests).any(|(a, b)| {
                        a.plus(b, -ONE)
                            .as_constant()
                            .is_some_and(|difference| difference != ZERO)
                    })
                });
                seen.push(rests);
                only.push(choice);
            }
            if unique && !seen.is_empty() {
                for &x in &flags {
                    self.used.extend(self.bound_by.get(&x));
                    self.learn(x, Rule::Flags(source));
                }
                self.used.extend(related.iter().map(|(source, _)| *source));
                for (source, _) in related {
                    self.consume(source);
                }
                if let [choice] = only[..] {
                    for (position, x) in flags.into_iter().enumerate() {
                        self.fix(x, Felt::from((choice >> position) & 1))?;
                    }
                }
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// `y` is a power of `x`, and a product of powers of both is known.
    fn powers(&mut self) -> bool {
        for i in 0..self.active.len() {
            let (definition, polynomial) = &self.active[i];
            if polynomial.degree() < 3 {
                continue;
            }
            for y in self.unknown(polynomial) {
                let Some((a, b)) = polynomial.linear_in(y) else {
                    continue;
                };
                let (Some(a), &[x]) = (a.as_constant(), &self.unknown(&b)[..]) else {
                    continue;
                };
                let by = b.scaled(-ONE / a);
                let found = self
                    .active
                    .iter()
                    .enumerate()
                    .find_map(|(j, (source, other))| {
                        let unknown = self.unknown(other);
                        (i != j && unknown == [x.min(y), x.max(y)]).then_some(())?;
                        let power = other.terms().map(|(m, _)| m.power(y)).max()?;
                        (power <= 2).then_some(())?;
                        let other = other.substituted(y, &by);
                        let mut exponents: BTreeSet<usize> = BTreeSet::new();
                        for (monomial, _) in other.terms() {
                            let rest = monomial.without(x);
                            let exponent = monomial.power(x);
                            if exponent > 0 {
                                // The coefficient must be a constant.
                                (rest.degree() == 0).then_some(())?;
                                exponents.insert(exponent);
                            }
                        }
                        let exponent = *exponents.first()?;
                        (exponents.len() == 1 && coprime(exponent as u64, MODULUS - 1))
                            .then_some(*source)
                    });
                if let Some(source) = found {
                    self.used.insert(*definition);
                    self.consume(source);
                    self.learn(x, Rule::Power(source));
                    return true;
                }
            }
        }
        false
    }

    /// `q * b + r = a` with `r < b`, all of them so small that this holds of integers.
    fn division(&mut self) -> bool {
        for i in 0..self.active.len() {
            let (source, polynomial) = &self.active[i];
            let source = *source;
            let &[first, second] = &self.unknown(polynomial)[..] else {
                continue;
            };
            for (q, r) in [(first, second), (second, first)] {
                let (Some((divisor, _)), Some((one, _))) =
                    (polynomial.linear_in(q), polynomial.linear_in(r))
                else {
                    continue;
                };
                if one.as_constant() != Some(ONE) || divisor.as_constant().is_some() {
                    continue;
                }
                let Some(used) = self.remainder(&divisor, q, r) else {
                    continue;
                };
                self.used.extend(used);
                self.consume(source);
                self.learn(q, Rule::Division(source));
                self.learn(r, Rule::Division(source));
                return true;
            }
        }
        false
    }

    /// Returns the sources that show that `q`, `r` and the divisor have 32 bits, and that `r` is
    /// less than the divisor.
    fn remainder(&self, divisor: &Polynomial, q: Variable, r: Variable) -> Option<Vec<Source>> {
        let word = (1u64 << 32) - 1;
        let mut used = Vec::new();
        // divisor - r - 1 is a number with a bound.
        let less = self.active.iter().find(|(_, p)| {
            self.cases_of(p, r).is_some_and(|rest| {
                let rest = rest
                    .plus(divisor, -ONE)
                    .plus(&Polynomial::constant(ONE), ONE);
                self.largest(&rest.scaled(-ONE))
                    .is_some_and(|max| max <= word)
            })
        })?;
        used.push(less.0);
        // The divisor is the sum of known numbers with bounds.
        let bounded = self.active.iter().chain(&self.facts).find(|(_, p)| {
            divisor.variables().first().is_some_and(|&x| {
                self.cases_of(p, x)
                    .is_some_and(|value| self.largest(&value).is_some_and(|max| max <= word))
            })
        })?;
        used.push(bounded.0);
        // One of several factors is zero; each says what q is, and so what r is.
        let choice = self.active.iter().find_map(|(source, p)| {
            let factors = linear_factors(p, q)?;
            let fits = factors.iter().all(|value| {
                self.largest(value).is_some_and(|max| max <= word)
                    && self.active.iter().any(|(_, other)| {
                        let other = other.substituted(q, value);
                        self.cases_of(&other, r).is_some_and(|value| {
                            self.largest(&value).is_some_and(|max| max <= word)
                        })
                    })
            });
            fits.then_some(*source)
        })?;
        used.push(choice);
        Some(used)
    }

    /// Solves a linear polynomial, which is zero, for a variable.
    fn cases_of(&self, polynomial: &Polynomial, x: Variable) -> Option<Polynomial> {
        if polynomial.degree() > 1 {
            return None;
        }
        let (a, b) = polynomial.linear_in(x)?;
        let a = a.as_constant().filter(|&a| a != ZERO)?;
        Some(b.scaled(-ONE / a))
    }

    /// The largest value of a sum of bounded variables with coefficients that are not negative.
    fn largest(&self, polynomial: &Polynomial) -> Option<u64> {
        let mut sum = 0i128;
        for (monomial, coefficient) in polynomial.terms() {
            let weight = centered(coefficient);
            let mut variables = monomial.variables();
            let bound = match (variables.next(), variables.next()) {
                (None, _) => 1,
                (Some(x), None) => i128::from(*self.bounds.get(&x)?),
                _ => return None,
            };
            (weight >= 0).then_some(())?;
            sum += weight * bound;
        }
        u64::try_from(sum).ok().filter(|&sum| sum < MODULUS)
    }

    /// A case that the next step is to be divided by: a flag, or whether a factor is zero. `wanted`
    /// are the cells that are to be determined.
    pub fn split(&self, wanted: &dyn Fn(Variable) -> bool) -> Option<Case> {
        // Messages that may answer.
        for lookup in &self.lookups {
            if lookup.count.as_constant().is_some() || self.some_unknown(&lookup.count) {
                continue;
            }
            let is_wanted = lookup
                .coordinates
                .iter()
                .any(|coordinate| self.unknown(coordinate).into_iter().any(wanted));
            if is_wanted && let Some(flag) = self.flag_of(&lookup.count) {
                return Some(Case::Flag(flag));
            }
        }
        let mut zero = None;
        let of_next = |source: &Source| matches!(source, Source::Constraint(_, true));
        for (_, polynomial) in self.active.iter().filter(|(source, _)| !of_next(source)) {
            for x in self.unknown(polynomial) {
                if !wanted(x) {
                    continue;
                }
                let Some((a, _)) = polynomial.linear_in(x) else {
                    continue;
                };
                if a.as_constant().is_some() || self.some_unknown(&a) {
                    continue;
                }
                if let Some(flag) = self.flag_of(&a) {
                    return Some(Case::Flag(flag));
                }
                if zero.is_none()
                    && self.single_unknown(polynomial).is_some()
                    && !self.is_nonzero(&a)
                {
                    let case = common_variable(&a).map_or(a.monic(), Polynomial::variable);
                    if !self.assumed.contains(&case) {
                        zero = Some(Case::Zero(case));
                    }
                }
            }
        }
        zero
    }

    /// A flag that tells kinds of rows from each other: one of `kinds`, which are taken in order, or
    /// whether there is a message.
    pub fn kind_flag(&self, kinds: &[Variable]) -> Option<Case> {
        let is_open = |x: &Variable| {
            self.bounds.get(x) == Some(&1)
                && self.known.contains(*x)
                && !self.constants.contains_key(x)
        };
        let flags = kinds.iter().chain(&self.whether);
        flags.copied().find(is_open).map(Case::Flag)
    }

    /// Flags among `wanted` that cannot have one of their values.
    pub fn refute(&mut self, wanted: &dyn Fn(Variable) -> bool) -> Result<bool, Contradiction> {
        let flags: Vec<(Variable, Source)> = self
            .bound_by
            .iter()
            .filter(|(x, _)| self.bounds.get(x) == Some(&1))
            .filter(|(x, _)| wanted(**x) && !self.known.contains(**x))
            .map(|(&x, &source)| (x, source))
            .collect();
        for (flag, source) in flags {
            for value in [ZERO, ONE] {
                let mut other = self.clone();
                let possible = other.fix(flag, value).is_ok() && other.propagate(FUNCTIONS).is_ok();
                if !possible {
                    self.used.extend(other.used);
                    self.learn(flag, Rule::Refuted(source));
                    self.fix(flag, ONE - value)?;
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// A variable of a polynomial that is a flag.
    fn flag_of(&self, polynomial: &Polynomial) -> Option<Variable> {
        let variables = polynomial.variables();
        variables
            .into_iter()
            .find(|x| self.bounds.get(x) == Some(&1) && self.known.contains(*x))
    }

    /// Takes in inputs, each with where it comes from and what is known of it besides. Returns `true` if
    /// one of them was not known.
    pub fn give(&mut self, inputs: Vec<(Variable, &'static str, Option<Fact>)>) -> bool {
        let mut learnt = false;
        for (variable, why, fact) in inputs {
            if self.known.contains(variable) {
                continue;
            }
            self.learn(variable, Rule::Input(why));
            learnt = true;
            match fact {
                Some(Fact::NotZero) => self.nonzero.push(Polynomial::variable(variable)),
                Some(Fact::Flag) => {
                    self.bounds.insert(variable, 1);
                }
                None => {}
            }
        }
        learnt
    }
}

/// A condition that a branch is divided by.
#[derive(Debug, Clone)]
pub enum Case {
    /// A flag is 0 or 1.
    Flag(Variable),
    /// A polynomial in known variables is zero, or not.
    Zero(Polynomial),
}

/// A coefficient as an integer near zero.
fn centered(value: Felt) -> i128 {
    let value = value.as_int();
    if value > MODULUS / 2 {
        i128::from(value) - i128::from(MODULUS)
    } else {
        i128::from(value)
    }
}

/// A variable that all monomials have.
fn common_variable(polynomial: &Polynomial) -> Option<Variable> {
    let variables = polynomial.variables();
    let common = |x: &Variable| {
        polynomial
            .terms()
            .all(|(monomial, _)| monomial.power(*x) > 0)
    };
    variables.into_iter().find(common)
}

fn coprime(a: u64, b: u64) -> bool {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a == 1
}

/// `k` if a polynomial in `x` is a multiple of `x (x - 1) … (x - k)`.
fn consecutive_roots(polynomial: &Polynomial, x: Variable) -> Option<u64> {
    let degree = polynomial.degree();
    if degree < 2 {
        return None;
    }
    let is_root = |value: u64| {
        polynomial
            .evaluated(|variable| (variable == x).then(|| Felt::new(value)))
            .is_zero()
    };
    (0..degree as u64).all(is_root).then_some(degree as u64 - 1)
}

/// The values that `x` has where a product of two polynomials that are linear in it, with the
/// coefficient 1, is zero.
fn linear_factors(polynomial: &Polynomial, x: Variable) -> Option<[Polynomial; 2]> {
    // x^2 + b x + c, with b = -(u + v) and c = u v, u being a variable.
    let mut parts = [(); 3].map(|()| Polynomial::default());
    for (monomial, coefficient) in polynomial.terms() {
        let power = monomial.power(x);
        parts
            .get_mut(power)?
            .add_term(monomial.without(x), coefficient);
    }
    let [c, b, a] = parts;
    let a = a.as_constant().filter(|&a| a != ZERO)?;
    let (b, c) = (b.scaled(ONE / a), c.scaled(ONE / a));
    b.variables().into_iter().find_map(|u| {
        let u = Polynomial::variable(u);
        let v = b.scaled(-ONE).plus(&u, -ONE);
        (u.times(&v) == c).then_some([u, v])
    })
}

/// The linear polynomials that vanish where some others do.
struct Span {
    /// In echelon form, by their leading variable.
    basis: BTreeMap<Monomial, Polynomial>,
}

impl Span {
    fn of<'a>(polynomials: impl Iterator<Item = &'a Polynomial>) -> Self {
        let mut span = Self {
            basis: BTreeMap::new(),
        };
        for polynomial in polynomials {
            let rest = span.reduced(polynomial);
            if let Some(lead) = lead(&rest) {
                span.basis.insert(lead, rest);
            }
        }
        span
    }

    fn reduced(&self, polynomial: &Polynomial) -> Polynomial {
        let mut rest = polynomial.clone();
        // Leading monomials in ascending order: a reducer has no smaller ones.
        loop {
            let next = rest.terms().find_map(|(monomial, coefficient)| {
                let by = self.basis.get(monomial)?;
                let (_, own) = by.terms().find(|(m, _)| *m == monomial)?;
                Some(rest.plus(by, -(coefficient / own)))
            });
            match next {
                Some(next) => rest = next,
                None => return rest,
            }
        }
    }

    fn contains(&self, polynomial: &Polynomial) -> bool {
        self.reduced(polynomial).is_zero()
    }

    /// Returns `true` if `a` is a multiple of `b`, but for what vanishes.
    fn is_multiple(&self, a: &Polynomial, b: &Polynomial) -> bool {
        let (a, b) = (self.reduced(a), self.reduced(b));
        !a.is_zero() && a.monic() == b.monic()
    }
}

fn lead(polynomial: &Polynomial) -> Option<Monomial> {
    let first = polynomial.terms().find(|(m, _)| m.degree() > 0)?;
    Some(*first.0)
}
