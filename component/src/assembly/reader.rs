//! Reading the words of a source one after the other.

use miden_assembly_syntax::parser::Token;

use super::scan::Word;

/// A name with its path, as a source has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    /// Its parts.
    pub(super) parts: Vec<String>,
    /// `true` if it begins with `::`.
    pub(super) is_absolute: bool,
    /// Where it stands, in bytes.
    pub(super) place: usize,
}

impl Name {
    /// Returns `true` if it names the same thing, wherever it stands.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.is_absolute == other.is_absolute && self.parts == other.parts
    }

    /// As it is written.
    pub(super) fn text(&self) -> String {
        let root = if self.is_absolute { "::" } else { "" };
        format!("{root}{}", self.parts.join("::"))
    }
}

/// The types that a type is made of.
#[derive(Debug, Default)]
pub(super) struct TypeExpression {
    /// Types with names.
    pub(super) names: Vec<Name>,
    /// Its words.
    pub(super) words: u64,
}

/// Reads words one after the other.
pub(super) struct Reader<'w, 't> {
    words: &'w [Word<'t>],
    position: usize,
}

impl<'w, 't> Reader<'w, 't> {
    pub(super) fn new(words: &'w [Word<'t>]) -> Self {
        Self { words, position: 0 }
    }

    /// The next word; nothing at the end.
    pub(super) fn peek(&self) -> Option<&'w Token<'t>> {
        match self.words.get(self.position) {
            Some(Word {
                token: Token::Eof, ..
            })
            | None => None,
            Some(word) => Some(&word.token),
        }
    }

    /// The word behind it.
    pub(super) fn peek_behind(&self) -> Option<&'w Token<'t>> {
        self.words.get(self.position + 1).map(|word| &word.token)
    }

    /// Where it stands.
    pub(super) fn place(&self) -> usize {
        let word = self.words.get(self.position).or(self.words.last());
        word.map_or(0, |word| word.start)
    }

    /// Where the word before it ends.
    pub(super) fn end_of_last(&self) -> usize {
        let last = self.position.min(self.words.len()).checked_sub(1);
        last.map_or(0, |last| self.words[last].end)
    }

    /// Goes on.
    pub(super) fn skip(&mut self) {
        self.position += 1;
    }

    /// Goes behind the bracket that closes the next one; false if none does.
    pub(super) fn skip_brackets(&mut self) -> bool {
        let mut open = 0_usize;
        while let Some(token) = self.peek() {
            match token {
                Token::Lparen | Token::Lbracket | Token::Lbrace | Token::Langle => open += 1,
                Token::Rparen | Token::Rbracket | Token::Rbrace | Token::Rangle => {
                    open = open.saturating_sub(1);
                }
                _ => {}
            }
            self.skip();
            if open == 0 {
                return true;
            }
        }
        false
    }

    /// One part of a name.
    pub(super) fn part(&mut self) -> Option<String> {
        let part = match self.peek()? {
            Token::Ident(name) | Token::ConstantIdent(name) | Token::QuotedIdent(name) => {
                (*name).to_owned()
            }
            Token::Int(_) | Token::HexValue(_) | Token::HexWord(_) => return None,
            // Keywords are names too.
            token => {
                let text = token.to_string();
                let is_word = text.starts_with(|c: char| c.is_ascii_alphabetic());
                if !is_word || !text.chars().all(|c| c == '_' || c.is_ascii_alphanumeric()) {
                    return None;
                }
                text
            }
        };
        self.skip();
        Some(part)
    }

    /// A name with its path.
    pub(super) fn name(&mut self) -> Option<Name> {
        let place = self.place();
        let is_absolute = matches!(self.peek()?, Token::ColonColon);
        if is_absolute {
            self.skip();
        }
        let mut parts = vec![self.part()?];
        while matches!(self.peek(), Some(Token::ColonColon)) {
            self.skip();
            parts.push(self.part()?);
        }
        Some(Name {
            parts,
            is_absolute,
            place,
        })
    }

    /// The types of a signature, if one is next.
    pub(super) fn signature(&mut self) -> TypeExpression {
        let mut types = TypeExpression::default();
        if matches!(self.peek(), Some(Token::Lparen)) {
            self.types_in_brackets(&mut types);
            if matches!(self.peek(), Some(Token::Rstab)) {
                self.skip();
                match self.peek() {
                    Some(Token::Lparen) => self.types_in_brackets(&mut types),
                    _ => self.type_expression(&mut types),
                }
            }
        }
        types
    }

    /// One type.
    pub(super) fn type_expression(&mut self, types: &mut TypeExpression) {
        types.words += 1;
        let is_followed =
            |this: &Self, by: fn(&Token<'_>) -> bool| this.peek_behind().is_some_and(by);
        match self.peek() {
            Some(Token::Lbracket) => self.types_in_brackets(types),
            Some(Token::Ptr) if is_followed(self, |token| matches!(token, Token::Langle)) => {
                self.skip();
                self.types_in_brackets(types);
            }
            Some(Token::Struct) => {
                while !matches!(self.peek(), Some(Token::Lbrace) | None) {
                    self.skip();
                }
                self.types_in_brackets(types);
            }
            _ => types.names.extend(self.name()),
        }
    }

    /// All names of types in brackets, which are next.
    fn types_in_brackets(&mut self, types: &mut TypeExpression) {
        let mut open = 0_usize;
        while let Some(token) = self.peek() {
            types.words += 1;
            match token {
                Token::Lparen | Token::Lbracket | Token::Lbrace | Token::Langle => {
                    open += 1;
                    self.skip();
                }
                Token::Rparen | Token::Rbracket | Token::Rbrace | Token::Rangle => {
                    open = open.saturating_sub(1);
                    self.skip();
                    if open == 0 {
                        return;
                    }
                }
                Token::Ptr if matches!(self.peek_behind(), Some(Token::Langle)) => self.skip(),
                _ => match self.name() {
                    // The name of a field or a parameter.
                    Some(_) if matches!(self.peek(), Some(Token::Colon)) => self.skip(),
                    Some(name) => types.names.push(name),
                    None => self.skip(),
                },
            }
        }
    }
}
