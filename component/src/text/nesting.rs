//! The depth to which the brackets of a text nest.
//!
//! The parsers of WIT and WAC call themselves for every bracket, and a text from outside must not decide
//! how much of the stack that takes.

use crate::{limits::MAX_BRACKETS, text::line_of};

/// The line of the first bracket that is nested deeper than [`MAX_BRACKETS`].
///
/// Nothing in comments and strings is a bracket. Whether block comments nest is left open: a
/// bracket opens unless it is in a comment either way, and closes only if it is in none either way.
pub(crate) fn bracket_too_deep(text: &str) -> Option<u32> {
    offset_too_deep(text).map(|offset| line_of(text, offset))
}

/// The text with blanks for `/**/`, which the WIT parser takes for a doc comment that has begun and not
/// ended. In other comments it stays, where it opens and closes as any other does.
pub(crate) fn without_empty_comments(text: &str) -> String {
    const EMPTY: &[u8] = b"/**/";
    let mut bytes = text.as_bytes().to_vec();
    let mut open = 0_usize;
    let mut offset = 0;
    while offset < bytes.len() {
        let rest = &bytes[offset..];
        offset += match rest {
            _ if open == 0 && rest.starts_with(EMPTY) => {
                bytes[offset..offset + EMPTY.len()].fill(b' ');
                EMPTY.len()
            }
            [b'/', b'*', ..] => {
                open += 1;
                2
            }
            [b'*', b'/', ..] if open > 0 => {
                open -= 1;
                2
            }
            [b'/', b'/', ..] if open == 0 => up_to(rest, b'\n'),
            [b'"', ..] if open == 0 => 1 + up_to(&rest[1..], b'"'),
            _ => 1,
        };
    }
    // Only ASCII characters were replaced, by others.
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
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
    fn empty_comments_are_blanks() {
        for (text, blank) in [
            ("a /**/ b", "a      b"),
            ("/**//**/", "        "),
            ("/* /**/ */ /**/", "/* /**/ */     "),
            ("// /**/\n/**/é", "// /**/\n    é"),
            ("\"/**/\" /***/ /** */", "\"/**/\" /***/ /** */"),
            ("/**", "/**"),
        ] {
            assert_eq!(without_empty_comments(text), blank, "{text}");
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
