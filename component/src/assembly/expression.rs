//! The expressions of constants, and what they come to.

use miden_assembly_syntax::parser::Token;

use super::{
    reader::{Name, Reader},
    scan::At,
};
use crate::{error::SourceFault, limits::MAX_TERMS};

/// The modulus of the field.
const MODULUS: u64 = 0xffff_ffff_0000_0001;

/// A part of an expression, operands before their operators.
#[derive(Debug, Clone)]
pub(super) enum Term {
    /// A number.
    Number(u64),
    /// Another constant.
    Constant(Name),
    /// A string, a word, a hash: nothing to calculate with.
    Other,
    /// An operation on the two values before it.
    Operation(Operator, usize),
}

/// An operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Sub,
    Mul,
    /// Division in the field.
    Div,
    /// Division of integers.
    IntDiv,
}

impl Operator {
    fn of(token: &Token<'_>) -> Option<Self> {
        Some(match token {
            Token::Plus => Self::Add,
            Token::Minus => Self::Sub,
            Token::Star => Self::Mul,
            Token::Slash => Self::Div,
            Token::SlashSlash => Self::IntDiv,
            _ => return None,
        })
    }

    fn binds(self) -> u8 {
        match self {
            Self::Add | Self::Sub => 1,
            Self::Mul | Self::Div | Self::IntDiv => 2,
        }
    }

    fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::IntDiv => "//",
        }
    }

    /// The result, if it is the same for integers and in the field.
    ///
    /// # Errors
    /// Returns what is wrong: the assembler would calculate with integers of 64 bits, and reduce or cut
    /// off the result without a word.
    fn apply(self, left: u64, right: u64) -> Result<u64, SourceFault> {
        let sign = self.sign();
        let refused = |what: &str| {
            Err(SourceFault::Constant(format!(
                "`{left} {sign} {right}` {what}"
            )))
        };
        let in_field =
            |value: u64| format!("; in the field it is {value}: write that number if it is meant");
        let modulus = u128::from(MODULUS);
        let (wide_left, wide_right) = (u128::from(left), u128::from(right));
        let exact = match self {
            Self::Add => wide_left + wide_right,
            Self::Mul => wide_left * wide_right,
            Self::Sub if left < right => {
                let value = MODULUS - (right - left);
                return refused(&format!("is below zero{}", in_field(value)));
            }
            Self::Sub => wide_left - wide_right,
            Self::Div | Self::IntDiv if right == 0 => return refused("divides by zero"),
            Self::Div if !left.is_multiple_of(right) => {
                // The inverse is the power by the modulus less two.
                let (mut inverse, mut power, mut exponent) = (1_u128, wide_right, MODULUS - 2);
                while exponent > 0 {
                    if exponent & 1 == 1 {
                        inverse = inverse * power % modulus;
                    }
                    power = power * power % modulus;
                    exponent >>= 1;
                }
                let value = (wide_left * inverse % modulus) as u64;
                return refused(&format!(
                    "is not an integer; `//` is division that drops the remainder{}",
                    in_field(value)
                ));
            }
            Self::Div | Self::IntDiv => wide_left / wide_right,
        };
        match u64::try_from(exact) {
            Ok(value) if value < MODULUS => Ok(value),
            _ => refused(&format!(
                "is not below the modulus of the field, {MODULUS}{}",
                in_field((exact % modulus) as u64)
            )),
        }
    }
}

/// Reads the expression that begins at the reader's word; nothing if it is not whole, which the parser
/// will say.
pub(super) fn read(reader: &mut Reader<'_, '_>) -> At<Option<Vec<Term>>> {
    let mut terms = Vec::new();
    // Operators and parentheses that wait for what is behind them.
    let mut waiting: Vec<Option<(Operator, usize)>> = Vec::new();
    let start = reader.place();
    loop {
        while matches!(reader.peek(), Some(Token::Lparen)) {
            reader.skip();
            waiting.push(None);
        }
        let Some(term) = operand(reader) else {
            return Ok(None);
        };
        terms.push(term);
        while matches!(reader.peek(), Some(Token::Rparen)) && waiting.contains(&None) {
            reader.skip();
            while let Some(Some((operator, place))) = waiting.pop() {
                terms.push(Term::Operation(operator, place));
            }
        }
        if terms.len() + waiting.len() > MAX_TERMS {
            return Err((start, SourceFault::Terms));
        }
        let Some(operator) = reader.peek().and_then(Operator::of) else {
            break;
        };
        while let Some(Some((before, place))) = waiting.last()
            && before.binds() >= operator.binds()
        {
            terms.push(Term::Operation(*before, *place));
            waiting.pop();
        }
        waiting.push(Some((operator, reader.place())));
        reader.skip();
    }
    while let Some(before) = waiting.pop() {
        let Some((operator, place)) = before else {
            return Ok(None);
        };
        terms.push(Term::Operation(operator, place));
    }
    Ok(Some(terms))
}

fn operand(reader: &mut Reader<'_, '_>) -> Option<Term> {
    match reader.peek()? {
        Token::Int(value) => {
            let value = *value;
            reader.skip();
            Some(Term::Number(value))
        }
        Token::HexValue(value) => {
            let value = value.as_int();
            reader.skip();
            Some(Term::Number(value))
        }
        Token::HexWord(_) | Token::QuotedString(_) => {
            reader.skip();
            Some(Term::Other)
        }
        Token::QuotedIdent(_) if !matches!(reader.peek_behind(), Some(Token::ColonColon)) => {
            reader.skip();
            Some(Term::Other)
        }
        Token::Lbracket => reader.skip_brackets().then_some(Term::Other),
        Token::Word | Token::Event if matches!(reader.peek_behind(), Some(Token::Lparen)) => {
            reader.skip();
            reader.skip_brackets().then_some(Term::Other)
        }
        _ => reader.name().map(Term::Constant),
    }
}

/// Returns the value of an expression, if that can be known; `value_of` gives the values of other
/// constants.
///
/// # Errors
/// Returns the operation whose result is another one in the field than with integers.
pub(super) fn value(
    terms: &[Term],
    mut value_of: impl FnMut(&Name) -> Option<u64>,
) -> At<Option<u64>> {
    let mut stack: Vec<Option<u64>> = Vec::new();
    for term in terms {
        let value = match term {
            Term::Number(value) => Some(*value),
            Term::Constant(name) => value_of(name),
            Term::Other => None,
            Term::Operation(operator, place) => {
                let (right, left) = (stack.pop().flatten(), stack.pop().flatten());
                match (left, right) {
                    (Some(left), Some(right)) => {
                        let result = operator.apply(left, right);
                        Some(result.map_err(|fault| (*place, fault))?)
                    }
                    (_, Some(0)) if matches!(operator, Operator::Div | Operator::IntDiv) => {
                        let fault = SourceFault::Constant("this divides by zero".into());
                        return Err((*place, fault));
                    }
                    _ => None,
                }
            }
        };
        stack.push(value);
    }
    Ok(stack.pop().flatten())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assembly::scan::words;

    fn come_to(text: &str) -> Result<Option<u64>, String> {
        let words = words(text).expect("words");
        let terms = read(&mut Reader::new(&words)).map_err(|(_, fault)| fault.to_string())?;
        value(&terms.expect("an expression"), |_| None).map_err(|(_, fault)| fault.to_string())
    }

    #[test]
    fn operators_bind_as_in_the_language() {
        for (text, value) in [
            ("1+2*3", 7),
            ("(1+2)*3", 9),
            ("10-2-3", 5),
            ("100//7//2", 7),
            ("2*(3+(4-1))*2", 24),
            ("12/3/2", 2),
            ("0xff+1", 256),
            ("((((5))))", 5),
        ] {
            assert_eq!(come_to(text), Ok(Some(value)), "{text}");
        }
        assert_eq!(come_to("A+1"), Ok(None));
        assert_eq!(come_to("a::b::C*2"), Ok(None));
    }

    #[test]
    fn what_the_field_sees_otherwise_is_refused() {
        for (text, value) in [
            ("1-2", "18446744069414584320"),
            ("1-2+2", "18446744069414584320"),
            ("18446744069414584320*18446744069414584320", "1"),
            ("18446744069414584320+1", "0"),
            ("4294967296*4294967296", "4294967295"),
            ("1/3", "12297829379609722881"),
        ] {
            let error = come_to(text).expect_err(text);
            assert!(
                error.contains(&format!("in the field it is {value}:")),
                "{text}: {error}"
            );
        }
        for text in ["1/0", "1//0", "A/0", "A//(1-1)"] {
            assert!(come_to(text).expect_err(text).contains("by zero"), "{text}");
        }
        assert!(come_to(&"1+".repeat(MAX_TERMS)).is_err());
    }
}
