//! Splits a source into words, once everything that the lexer cannot handle is refused.

use miden_assembly::SourceId;
use miden_assembly_syntax::parser::{Lexer, Scanner, Token};

use crate::{
    error::SourceFault,
    limits::{MAX_LINE, MAX_OPEN},
};

/// A word of a source.
#[derive(Debug)]
pub(super) struct Word<'a> {
    /// The token.
    pub(super) token: Token<'a>,
    /// Where it begins, in bytes.
    pub(super) start: usize,
    /// Where it ends, in bytes.
    pub(super) end: usize,
}

/// A fault at a place of the text, in bytes.
pub(super) type At<T> = Result<T, (usize, SourceFault)>;

/// The text of a source, which is to be UTF-8.
///
/// A byte order mark is replaced by blanks, so that it does not move what is behind it.
///
/// # Errors
/// Returns the bytes, and where they are no text.
pub(super) fn text_of(bytes: Vec<u8>) -> Result<String, (Vec<u8>, usize, SourceFault)> {
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let place = error.utf8_error().valid_up_to();
        let fault = SourceFault::NotText(error.as_bytes()[place]);
        (error.into_bytes(), place, fault)
    })?;
    if text.starts_with('\u{feff}') {
        text.replace_range(..'\u{feff}'.len_utf8(), "   ");
    }
    Ok(text)
}

/// The words of a source without its comments, up to the first that is none: the parser will say so.
pub(super) fn words(text: &str) -> At<Vec<Word<'_>>> {
    check_lines(text)?;
    check_characters(text)?;
    let mut words = Vec::new();
    for lexed in Lexer::new(SourceId::default(), Scanner::new(text)) {
        let Ok((start, token, end)) = lexed else {
            break;
        };
        words.push(Word {
            token,
            start: start as usize,
            end: end as usize,
        });
    }
    check_depth(&words)?;
    Ok(words)
}

/// Tells the digits of a base from other characters.
type IsDigit = fn(char) -> bool;

fn check_lines(text: &str) -> At<()> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if line.len() > MAX_LINE {
            return Err((start, SourceFault::LongLine));
        }
        start += line.len();
    }
    Ok(())
}

/// Looks for what the lexer takes for granted: that a word begins with a character that words begin
/// with, and that numbers have digits. A NUL would be the end of the text to it, wherever it stands.
fn check_characters(text: &str) -> At<()> {
    let bytes = text.as_bytes();
    if let Some(place) = bytes.iter().position(|byte| *byte == 0) {
        return Err((place, SourceFault::Character('\0')));
    }
    let mut rest = text.char_indices().peekable();
    while let Some((place, character)) = rest.next() {
        let next = rest.peek().map(|(_, next)| *next);
        match character {
            '#' => while rest.next_if(|(_, character)| *character != '\n').is_some() {},
            '"' => {
                while let Some((_, character)) = rest.next_if(|(_, character)| *character != '\n') {
                    match character {
                        '"' => break,
                        '\\' => {
                            rest.next_if(|(_, character)| matches!(character, '"' | '\n'));
                        }
                        _ => {}
                    }
                }
            }
            '0' => {
                let digits: Option<(_, IsDigit)> = match next {
                    Some('x') => Some(("0x", |c| c.is_ascii_hexdigit())),
                    Some('b') => Some(("0b", |c| matches!(c, '0' | '1'))),
                    _ => None,
                };
                if let Some((prefix, is_digit)) = digits {
                    if !text[place + 2..].chars().next().is_some_and(is_digit) {
                        return Err((place, SourceFault::NoDigits(prefix)));
                    }
                    rest.next();
                }
                while rest.next_if(|(_, c)| c.is_ascii_hexdigit()).is_some() {}
            }
            c if c.is_ascii_digit() => while rest.next_if(|(_, c)| c.is_ascii_digit()).is_some() {},
            '_' if !next.is_some_and(|next| next.is_ascii_alphanumeric()) => {
                return Err((place, SourceFault::Character('_')));
            }
            c if c.is_ascii_alphabetic() || matches!(c, '_' | '$') => {
                let in_word = |c: &(usize, char)| c.1 == '_' || c.1.is_ascii_alphanumeric();
                while rest.next_if(in_word).is_some() {}
            }
            '@' | '!' | ':' | ';' | '.' | ',' | '=' | '<' | '{' | '[' | '(' | '>' | '}' | ']'
            | ')' | '-' | '+' | '/' | '*' => {}
            c if c.is_whitespace() => {}
            c => return Err((place, SourceFault::Character(c))),
        }
    }
    Ok(())
}

/// Checks how many blocks and brackets are open at once.
///
/// A name can be that of a keyword, so that an `end` need not close a block: only one that is no part of a
/// path does. A block opens in any case.
fn check_depth(words: &[Word<'_>]) -> At<()> {
    let (mut blocks, mut brackets) = (0_usize, 0_usize);
    for (index, word) in words.iter().enumerate() {
        let before = index.checked_sub(1).map(|before| &words[before].token);
        let after = words.get(index + 1).map(|word| &word.token);
        match word.token {
            Token::If | Token::While | Token::Repeat if matches!(after, Some(Token::Dot)) => {
                blocks += 1;
            }
            Token::End
                if !matches!(before, Some(Token::Dot | Token::ColonColon))
                    && !matches!(after, Some(Token::ColonColon)) =>
            {
                blocks = blocks.saturating_sub(1);
            }
            Token::Lparen | Token::Lbracket | Token::Lbrace | Token::Langle => brackets += 1,
            Token::Rparen | Token::Rbracket | Token::Rbrace | Token::Rangle => {
                brackets = brackets.saturating_sub(1);
            }
            _ => {}
        }
        if blocks.max(brackets) > MAX_OPEN {
            return Err((word.start, SourceFault::Nesting));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> Option<(usize, SourceFault)> {
        words(text).err()
    }

    #[test]
    fn what_the_lexer_cannot_stand_is_found() {
        assert_eq!(fault("begin é end"), Some((6, SourceFault::Character('é'))));
        assert_eq!(
            fault("begin\n\0 end"),
            Some((6, SourceFault::Character('\0')))
        );
        assert_eq!(fault("# \0"), Some((2, SourceFault::Character('\0'))));
        assert_eq!(fault("begin _ end"), Some((6, SourceFault::Character('_'))));
        assert_eq!(
            fault("begin push.0xg end"),
            Some((11, SourceFault::NoDigits("0x")))
        );
        assert_eq!(
            fault("begin push.0b2 end"),
            Some((11, SourceFault::NoDigits("0b")))
        );
        assert_eq!(
            fault("begin push.0x"),
            Some((11, SourceFault::NoDigits("0x")))
        );
        for fine in [
            "# é\n\"é%\\\" é\" a_b_ A__ 0xff 0b101 007 1x $exec\r\n\tend",
            "",
        ] {
            assert_eq!(fault(fine), None, "{fine}");
        }
    }

    #[test]
    fn lines_are_not_too_long() {
        let blanks = " ".repeat(MAX_LINE);
        assert_eq!(fault(&format!("begin\n{}\nend", &blanks[1..])), None);
        assert_eq!(
            fault(&format!("begin\n {blanks}end")),
            Some((6, SourceFault::LongLine))
        );
    }

    #[test]
    fn blocks_and_brackets_are_counted() {
        for (open, close) in [
            ("if.true\n", "end "),
            ("repeat.2 while.true ", "end end "),
            ("(", ")"),
            ("[<{(", ")}>]"),
        ] {
            let each = if open.len() == 1 || open.starts_with("if") {
                1
            } else if open.len() == 4 {
                4
            } else {
                2
            };
            let nested = |count: usize| open.repeat(count / each) + &close.repeat(count / each);
            assert_eq!(fault(&nested(MAX_OPEN).repeat(3)), None, "{open}");
            let deep = nested(MAX_OPEN + each);
            assert!(
                matches!(fault(&deep), Some((_, SourceFault::Nesting))),
                "{open}"
            );
        }
        for piece in ["if.true exec.end ", "if.true exec.a::end::b "] {
            let deep = piece.repeat(MAX_OPEN + 1);
            assert!(
                matches!(fault(&deep), Some((_, SourceFault::Nesting))),
                "{piece}"
            );
        }
        for piece in [
            "# if.true\n",
            "push.\"if.true (\" ",
            "exec.if_so ",
            "if.true end ",
        ] {
            assert_eq!(fault(&piece.repeat(MAX_OPEN + 1)), None, "{piece}");
        }
    }
}
