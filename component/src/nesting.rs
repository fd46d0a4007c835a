//! How deep the brackets of a text nest, and the blocks of Miden assembly.
//!
//! The parsers of WIT and WAC call themselves for every bracket, the assembler for every block, and a
//! text from outside must not decide how much of the stack that takes.

use crate::document::line_of;

/// The most brackets that may be open at once.
pub(crate) const MAX_BRACKETS: usize = 128;

/// The most blocks of Miden assembly that may be open at once.
pub(crate) const MAX_BLOCKS: usize = 256;

/// The line of the first bracket that is nested deeper than [`MAX_BRACKETS`].
///
/// What is in comments and strings is no bracket. Whether block comments nest is left open: a bracket
/// opens unless it is in a comment either way, and closes only if it is in none either way.
pub(crate) fn bracket_too_deep(text: &str) -> Option<u32> {
    offset_too_deep(text).map(|offset| line_of(text, offset))
}

/// The line of the first block of Miden assembly that is nested too deep for the assembler: inside of
/// more than 255 others.
///
/// What is in comments and strings is no block. Words need nothing between them to be apart (`1if` is
/// two), so every `if.` opens a block, and nothing but an `end` that stands alone closes one.
pub fn block_too_deep(source: &str) -> Option<u32> {
    let bytes = source.as_bytes();
    let is_apart = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_whitespace);
    let mut open = 0_usize;
    let mut offset = 0;
    while let Some(&byte) = bytes.get(offset) {
        let rest = &bytes[offset..];
        let length = match byte {
            b'#' => up_to(rest, b'\n'),
            b'"' => 1 + up_to(&rest[1..], b'"'),
            byte if byte.is_ascii_alphabetic() || byte == b'_' => {
                let in_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
                let (word, behind) = split_where(rest, |byte| !in_word(byte));
                let before = offset.checked_sub(1).map(|before| &bytes[before]);
                let (_, next) = split_where(behind, |byte| !byte.is_ascii_whitespace());
                match word {
                    b"if" | b"while" | b"repeat" if next.first() == Some(&b'.') => {
                        open += 1;
                        if open > MAX_BLOCKS {
                            return Some(line_of(source, offset));
                        }
                    }
                    b"end" if is_apart(before) && is_apart(behind.first()) => {
                        open = open.saturating_sub(1);
                    }
                    _ => {}
                }
                word.len()
            }
            _ => 1,
        };
        offset += length;
    }
    None
}

/// What stands before the first byte for which `ends` holds, and what from there on.
fn split_where(bytes: &[u8], ends: impl Fn(&u8) -> bool) -> (&[u8], &[u8]) {
    bytes.split_at(bytes.iter().position(ends).unwrap_or(bytes.len()))
}

fn offset_too_deep(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut open = 0_usize;
    // Block comments that are open if they nest, and whether one is if they do not.
    let (mut comments, mut in_comment) = (0_usize, false);
    let mut offset = 0;
    while let Some(&byte) = bytes.get(offset) {
        let mut length = 1;
        match (byte, bytes.get(offset + 1)) {
            (b'/', Some(b'*')) => {
                (comments, in_comment, length) = (comments + 1, true, 2);
            }
            (b'*', Some(b'/')) if comments > 0 => {
                (comments, in_comment, length) = (comments - 1, false, 2);
            }
            _ if in_comment => {}
            (b'/', Some(b'/')) => length = up_to(&bytes[offset..], b'\n'),
            (b'"', _) => length = 1 + up_to(&bytes[offset + 1..], b'"'),
            // The arrow before a result.
            (b'-', Some(b'>')) => length = 2,
            (b'(' | b'[' | b'{' | b'<', _) => {
                open += 1;
                if open > MAX_BRACKETS {
                    return Some(offset);
                }
            }
            (b')' | b']' | b'}' | b'>', _) if comments == 0 => open = open.saturating_sub(1),
            _ => {}
        }
        offset += length;
    }
    None
}

/// The number of bytes up to the first `end`, with it; all if there is none.
fn up_to(bytes: &[u8], end: u8) -> usize {
    let found = bytes.iter().position(|byte| *byte == end);
    found.map_or(bytes.len(), |position| position + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_are_counted() {
        let fits = "(".repeat(MAX_BRACKETS) + &")".repeat(MAX_BRACKETS);
        assert_eq!(bracket_too_deep(&fits.repeat(3)), None);
        assert_eq!(bracket_too_deep(&format!("\n({fits})")), Some(2));
        let kinds = "([{<".repeat(MAX_BRACKETS / 4);
        assert_eq!(bracket_too_deep(&kinds), None);
        assert_eq!(
            offset_too_deep(&format!("{kinds} (")),
            Some(MAX_BRACKETS + 1)
        );
    }

    #[test]
    fn blocks_are_counted() {
        let nested = |count: usize| "if.true\n".repeat(count) + &"end ".repeat(count);
        assert_eq!(block_too_deep(&nested(MAX_BLOCKS).repeat(3)), None);
        assert_eq!(
            block_too_deep(&nested(MAX_BLOCKS + 1)),
            Some(MAX_BLOCKS as u32 + 1)
        );
        for piece in [
            "while.true # end\n",
            "repeat.2 assert.err=\"an end \" ",
            "if.true ending ",
            "push.1if\n.true ",
        ] {
            let deep = piece.repeat(MAX_BLOCKS + 1);
            assert!(block_too_deep(&deep).is_some(), "{piece}");
        }
        for piece in [
            "# if.true\n",
            "push.\"if.true \" ",
            "exec.elif.x ",
            "exec.if_so ",
        ] {
            let flat = piece.repeat(MAX_BLOCKS + 1);
            assert_eq!(block_too_deep(&flat), None, "{piece}");
        }
    }

    #[test]
    fn what_closes_nothing_does_not_count() {
        for piece in [
            "( // )\n",
            "( /* ) */",
            "( /* /* */ ) */",
            "( \")\"",
            "( ->",
        ] {
            let deep = piece.repeat(MAX_BRACKETS + 1);
            assert!(bracket_too_deep(&deep).is_some(), "{piece}");
        }
    }

    #[test]
    fn what_opens_nothing_does_not_count() {
        for piece in ["// (\n", "/* ( */", "\"(\"", "func() -> u32;", "list<u8>"] {
            assert_eq!(bracket_too_deep(&piece.repeat(1000)), None, "{piece}");
        }
    }
}
