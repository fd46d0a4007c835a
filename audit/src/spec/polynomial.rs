//! Polynomials in the cells of two rows.

use std::cmp::Ordering;

use miden_core::{Felt, ONE, ZERO};

/// A variable: a cell, a periodic column, or something that the solver has introduced.
pub type Variable = u16;

/// The highest degree of a monomial.
const MAX_DEGREE: usize = 10;

/// Fills the places of a monomial beyond its degree.
const NONE: Variable = Variable::MAX;

/// A product of variables, in ascending order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Monomial([Variable; MAX_DEGREE]);

impl Monomial {
    /// The empty product.
    pub const ONE: Self = Self([NONE; MAX_DEGREE]);

    /// A variable.
    pub fn of(variable: Variable) -> Self {
        let mut monomial = Self::ONE;
        monomial.0[0] = variable;
        monomial
    }

    /// The factors.
    pub fn variables(&self) -> impl Iterator<Item = Variable> + '_ {
        self.0.iter().copied().take_while(|&v| v != NONE)
    }

    /// The number of factors.
    pub fn degree(&self) -> usize {
        self.variables().count()
    }

    /// Returns the number of times that a variable is a factor.
    pub fn power(&self, variable: Variable) -> usize {
        self.variables().filter(|&v| v == variable).count()
    }

    /// The product without this variable.
    pub fn without(&self, variable: Variable) -> Self {
        Self::product(self.variables().filter(|&v| v != variable))
    }

    fn product(variables: impl Iterator<Item = Variable>) -> Self {
        let mut monomial = Self::ONE;
        for (place, variable) in monomial.0.iter_mut().zip(variables) {
            *place = variable;
        }
        monomial
    }

    /// # Panics
    /// Panics if the product has more factors than there are places; constraints are of degree 5, and
    /// the solver squares nothing.
    fn times(&self, other: &Self) -> Self {
        assert!(
            self.degree() + other.degree() <= MAX_DEGREE,
            "a monomial of a high degree"
        );
        let (mut a, mut b) = (self.0.as_slice(), other.0.as_slice());
        // What fills the places beyond the degree comes last.
        Self(std::array::from_fn(|_| {
            let least = if a.first() <= b.first() {
                &mut a
            } else {
                &mut b
            };
            let (&first, rest) = least.split_first().unwrap_or((&NONE, &[]));
            *least = rest;
            first
        }))
    }
}

/// A polynomial, by the coefficients of its monomials in ascending order; none of them is zero.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Polynomial {
    terms: Vec<(Monomial, Felt)>,
}

impl Polynomial {
    /// A constant.
    pub fn constant(value: Felt) -> Self {
        Self::sum_of(vec![(Monomial::ONE, value)])
    }

    /// A variable.
    pub fn variable(variable: Variable) -> Self {
        Self::sum_of(vec![(Monomial::of(variable), ONE)])
    }

    /// The sum of terms, of which several may have the same monomial.
    fn sum_of(mut terms: Vec<(Monomial, Felt)>) -> Self {
        terms.sort_unstable_by_key(|(monomial, _)| *monomial);
        terms.dedup_by(|(monomial, coefficient), (last, sum)| {
            let is_same = monomial == last;
            if is_same {
                *sum += *coefficient;
            }
            is_same
        });
        terms.retain(|(_, coefficient)| *coefficient != ZERO);
        Self { terms }
    }

    /// The monomials with their coefficients.
    pub fn terms(&self) -> impl Iterator<Item = (&Monomial, Felt)> {
        self.terms.iter().map(|(monomial, c)| (monomial, *c))
    }

    /// The number of monomials.
    pub fn num_terms(&self) -> usize {
        self.terms.len()
    }

    /// Returns `true` if it is zero.
    pub fn is_zero(&self) -> bool {
        self.terms.is_empty()
    }

    /// Its value, if it is a constant.
    pub fn as_constant(&self) -> Option<Felt> {
        match self.terms[..] {
            [] => Some(ZERO),
            [(Monomial::ONE, value)] => Some(value),
            _ => None,
        }
    }

    /// The largest number of factors of a monomial.
    pub fn degree(&self) -> usize {
        let degrees = self.terms().map(|(monomial, _)| monomial.degree());
        degrees.max().unwrap_or(0)
    }

    /// The variables that occur.
    pub fn variables(&self) -> Vec<Variable> {
        let mut variables = Vec::with_capacity(2 * self.num_terms());
        for (monomial, _) in self.terms() {
            variables.extend(monomial.variables());
        }
        variables.sort_unstable();
        variables.dedup();
        variables
    }

    /// Returns `true` if a variable occurs.
    pub fn has(&self, variable: Variable) -> bool {
        self.terms().any(|(m, _)| m.0.contains(&variable))
    }

    /// Adds a multiple of a monomial.
    pub fn add_term(&mut self, monomial: Monomial, coefficient: Felt) {
        *self = self.plus(&Self::sum_of(vec![(monomial, ONE)]), coefficient);
    }

    /// The sum of this and a multiple of another.
    pub fn plus(&self, other: &Self, factor: Felt) -> Self {
        if factor == ZERO {
            return self.clone();
        }
        let mut terms = Vec::with_capacity(self.terms.len() + other.terms.len());
        let mut others = other.terms.iter().peekable();
        for &(monomial, coefficient) in &self.terms {
            while let Some((other, by)) = others.next_if(|(other, _)| *other < monomial) {
                terms.push((*other, *by * factor));
            }
            let same = others.next_if(|(other, _)| *other == monomial);
            let sum = same.map_or(coefficient, |(_, by)| coefficient + *by * factor);
            if sum != ZERO {
                terms.push((monomial, sum));
            }
        }
        terms.extend(others.map(|(other, by)| (*other, *by * factor)));
        Self { terms }
    }

    /// A multiple.
    pub fn scaled(&self, factor: Felt) -> Self {
        Self::default().plus(self, factor)
    }

    /// The product of two.
    pub fn times(&self, other: &Self) -> Self {
        let mut terms = Vec::with_capacity(self.terms.len() * other.terms.len());
        for (a, x) in self.terms() {
            terms.extend(other.terms().map(|(b, y)| (a.times(b), x * y)));
        }
        Self::sum_of(terms)
    }

    /// The polynomial with another one in place of a variable.
    pub fn substituted(&self, variable: Variable, by: &Self) -> Self {
        let mut terms = Vec::with_capacity(self.terms.len());
        let mut powers = vec![Self::constant(ONE)];
        for (monomial, coefficient) in self.terms() {
            let power = monomial.power(variable);
            if power == 0 {
                terms.push((*monomial, coefficient));
                continue;
            }
            while powers.len() <= power {
                powers.push(powers[powers.len() - 1].times(by));
            }
            let rest = monomial.without(variable);
            let factors = powers[power].terms();
            terms.extend(factors.map(|(factor, by)| (rest.times(factor), coefficient * by)));
        }
        Self::sum_of(terms)
    }

    /// The polynomial with values for variables that have one.
    pub fn evaluated(&self, value: impl Fn(Variable) -> Option<Felt>) -> Self {
        let terms = self.terms().map(|(monomial, mut coefficient)| {
            let unknown = monomial.variables().filter(|&variable| {
                let value = value(variable);
                coefficient *= value.unwrap_or(ONE);
                value.is_none()
            });
            (Monomial::product(unknown), coefficient)
        });
        Self::sum_of(terms.collect())
    }

    /// The polynomial with other variables.
    pub fn renamed(&self, rename: impl Fn(Variable) -> Variable) -> Self {
        let terms = self.terms().map(|(monomial, coefficient)| {
            let mut factors: Vec<_> = monomial.variables().map(&rename).collect();
            factors.sort_unstable();
            (Monomial::product(factors.into_iter()), coefficient)
        });
        Self::sum_of(terms.collect())
    }

    /// `a` and `b` such that this is `a * x + b`, if no higher power of `x` occurs.
    pub fn linear_in(&self, x: Variable) -> Option<(Self, Self)> {
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for (monomial, coefficient) in self.terms() {
            match monomial.power(x) {
                0 => b.push((*monomial, coefficient)),
                1 => a.push((monomial.without(x), coefficient)),
                _ => return None,
            }
        }
        Some((Self::sum_of(a), Self { terms: b }))
    }

    /// The multiple whose first coefficient is 1.
    pub fn monic(&self) -> Self {
        match self.terms.first() {
            Some(&(_, first)) => self.scaled(ONE / first),
            None => Self::default(),
        }
    }

    /// The quotient by another one, if it divides this.
    pub fn divided_by(&self, divisor: &Self) -> Option<Self> {
        let (lead, coefficient) = divisor.leading()?;
        // Most do not divide, which mostly shows here.
        if let Some((monomial, _)) = self.leading() {
            monomial.divided_by(lead)?;
        }
        let mut rest = self.clone();
        let mut quotient = Vec::new();
        while let Some((monomial, value)) = rest.leading() {
            let factor = monomial.divided_by(lead)?;
            let value = value / coefficient;
            quotient.push((factor, value));
            let multiple = divisor.terms().map(|(term, by)| (factor.times(term), by));
            rest = rest.plus(&Self::sum_of(multiple.collect()), -value);
        }
        Some(Self::sum_of(quotient))
    }

    /// The leading term in the graded order of monomials.
    fn leading(&self) -> Option<(&Monomial, Felt)> {
        let terms = self.terms();
        terms.max_by(|(a, _), (b, _)| match a.degree().cmp(&b.degree()) {
            Ordering::Equal => b.cmp(a),
            unequal => unequal,
        })
    }
}

impl Monomial {
    fn divided_by(&self, other: &Self) -> Option<Self> {
        let mut divisor = other.variables().peekable();
        // Factors of both are in one order.
        let quotient = Self::product(
            self.variables()
                .filter(|&factor| divisor.next_if_eq(&factor).is_none()),
        );
        divisor.next().is_none().then_some(quotient)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn x(variable: Variable) -> Polynomial {
        Polynomial::variable(variable)
    }

    fn int(value: u64) -> Polynomial {
        Polynomial::constant(Felt::new(value))
    }

    #[test]
    fn products_are_divided_again() {
        let a = x(1).plus(&x(2), Felt::new(3)).plus(&int(5), ONE);
        let b = x(1).times(&x(3)).plus(&x(2), -ONE);
        let product = a.times(&b);
        assert_eq!(product.divided_by(&a), Some(b.clone()));
        assert_eq!(product.divided_by(&b), Some(a));
        assert_eq!(product.plus(&int(1), ONE).divided_by(&b), None);
    }

    #[test]
    fn substitution_is_evaluation() {
        let p = x(1).times(&x(1)).times(&x(2)).plus(&x(3), Felt::new(7));
        let by = x(2).plus(&int(4), ONE);
        let values = |v: Variable| Some(Felt::new([0, 13, 9, 2][usize::from(v)]));
        let direct = p.substituted(1, &by).evaluated(values).as_constant();
        let at = |v: Variable| {
            if v == 1 {
                Some(Felt::new(13))
            } else {
                values(v)
            }
        };
        assert_eq!(direct, p.evaluated(at).as_constant());
    }

    #[test]
    fn what_is_linear_is_taken_apart() {
        let p = x(1).times(&x(2)).plus(&x(1), ONE).plus(&x(4), -ONE);
        let (a, b) = p.linear_in(1).expect("linear");
        assert_eq!(a, x(2).plus(&int(1), ONE));
        assert_eq!(b, x(4).scaled(-ONE));
        assert!(p.times(&x(1)).linear_in(1).is_none());
    }
}
