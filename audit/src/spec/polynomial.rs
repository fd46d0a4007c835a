//! Polynomials in the cells of two rows.

use std::collections::BTreeMap;

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
        let mut factors: Vec<_> = self.variables().chain(other.variables()).collect();
        assert!(factors.len() <= MAX_DEGREE, "a monomial of a high degree");
        factors.sort_unstable();
        Self::product(factors.into_iter())
    }
}

/// A polynomial, by the coefficients of its monomials; none of them is zero.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Polynomial {
    terms: BTreeMap<Monomial, Felt>,
}

impl Polynomial {
    /// A constant.
    pub fn constant(value: Felt) -> Self {
        let mut polynomial = Self::default();
        polynomial.add_term(Monomial::ONE, value);
        polynomial
    }

    /// A variable.
    pub fn variable(variable: Variable) -> Self {
        let mut polynomial = Self::default();
        polynomial.add_term(Monomial::of(variable), ONE);
        polynomial
    }

    /// The monomials with their coefficients.
    pub fn terms(&self) -> impl Iterator<Item = (&Monomial, Felt)> {
        self.terms.iter().map(|(monomial, &c)| (monomial, c))
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
        match self.terms.len() {
            0 => Some(ZERO),
            1 => self.terms.get(&Monomial::ONE).copied(),
            _ => None,
        }
    }

    /// The largest number of factors of a monomial.
    pub fn degree(&self) -> usize {
        self.terms.keys().map(Monomial::degree).max().unwrap_or(0)
    }

    /// The variables that occur.
    pub fn variables(&self) -> Vec<Variable> {
        let mut variables: Vec<_> = self.terms.keys().flat_map(Monomial::variables).collect();
        variables.sort_unstable();
        variables.dedup();
        variables
    }

    /// Returns `true` if a variable occurs.
    pub fn has(&self, variable: Variable) -> bool {
        self.terms.keys().any(|m| m.power(variable) > 0)
    }

    /// Adds a multiple of a monomial.
    pub fn add_term(&mut self, monomial: Monomial, coefficient: Felt) {
        if coefficient == ZERO {
            return;
        }
        let sum = self.terms.entry(monomial).or_insert(ZERO);
        *sum += coefficient;
        if *sum == ZERO {
            self.terms.remove(&monomial);
        }
    }

    /// The sum of this and a multiple of another.
    pub fn plus(&self, other: &Self, factor: Felt) -> Self {
        let mut sum = self.clone();
        for (monomial, &coefficient) in &other.terms {
            sum.add_term(*monomial, coefficient * factor);
        }
        sum
    }

    /// A multiple.
    pub fn scaled(&self, factor: Felt) -> Self {
        Self::default().plus(self, factor)
    }

    /// The product of two.
    pub fn times(&self, other: &Self) -> Self {
        let mut product = Self::default();
        for (a, &x) in &self.terms {
            for (b, &y) in &other.terms {
                product.add_term(a.times(b), x * y);
            }
        }
        product
    }

    /// The polynomial with another one in place of a variable.
    pub fn substituted(&self, variable: Variable, by: &Self) -> Self {
        let mut result = Self::default();
        let mut powers = vec![Self::constant(ONE)];
        for (monomial, &coefficient) in &self.terms {
            let power = monomial.power(variable);
            if power == 0 {
                result.add_term(*monomial, coefficient);
                continue;
            }
            while powers.len() <= power {
                powers.push(powers[powers.len() - 1].times(by));
            }
            let rest = monomial.without(variable);
            for (factor, &by) in &powers[power].terms {
                result.add_term(rest.times(factor), coefficient * by);
            }
        }
        result
    }

    /// The polynomial with values for variables that have one.
    pub fn evaluated(&self, value: impl Fn(Variable) -> Option<Felt>) -> Self {
        let mut result = Self::default();
        for (monomial, &coefficient) in &self.terms {
            let mut coefficient = coefficient;
            let kept =
                Monomial::product(
                    monomial
                        .variables()
                        .filter(|&variable| match value(variable) {
                            Some(value) => {
                                coefficient *= value;
                                false
                            }
                            None => true,
                        }),
                );
            result.add_term(kept, coefficient);
        }
        result
    }

    /// The polynomial with other variables.
    pub fn renamed(&self, rename: impl Fn(Variable) -> Variable) -> Self {
        let mut result = Self::default();
        for (monomial, &coefficient) in &self.terms {
            let mut factors: Vec<_> = monomial.variables().map(&rename).collect();
            factors.sort_unstable();
            result.add_term(Monomial::product(factors.into_iter()), coefficient);
        }
        result
    }

    /// `a` and `b` such that this is `a * x + b`, if no higher power of `x` occurs.
    pub fn linear_in(&self, x: Variable) -> Option<(Self, Self)> {
        let (mut a, mut b) = (Self::default(), Self::default());
        for (monomial, &coefficient) in &self.terms {
            match monomial.power(x) {
                0 => b.add_term(*monomial, coefficient),
                1 => a.add_term(monomial.without(x), coefficient),
                _ => return None,
            }
        }
        Some((a, b))
    }

    /// The multiple whose first coefficient is 1.
    pub fn monic(&self) -> Self {
        match self.terms.values().next() {
            Some(&first) => self.scaled(ONE / first),
            None => Self::default(),
        }
    }

    /// The quotient by another one, if it divides this.
    pub fn divided_by(&self, divisor: &Self) -> Option<Self> {
        let (&lead, &coefficient) = divisor.leading()?;
        let mut rest = self.clone();
        let mut quotient = Self::default();
        while let Some((&monomial, &value)) = rest.leading() {
            let factor = monomial.divided_by(&lead)?;
            let value = value / coefficient;
            quotient.add_term(factor, value);
            for (term, &by) in &divisor.terms {
                rest.add_term(factor.times(term), -(value * by));
            }
        }
        Some(quotient)
    }

    /// The leading term in the graded order of monomials.
    fn leading(&self) -> Option<(&Monomial, &Felt)> {
        self.terms
            .iter()
            .max_by_key(|(monomial, _)| (monomial.degree(), std::cmp::Reverse(**monomial)))
    }
}

impl Monomial {
    fn divided_by(&self, other: &Self) -> Option<Self> {
        let mut factors: Vec<_> = self.variables().collect();
        for variable in other.variables() {
            let position = factors.iter().position(|&v| v == variable)?;
            factors.remove(position);
        }
        Some(Self::product(factors.into_iter()))
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
