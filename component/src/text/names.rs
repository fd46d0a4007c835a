//! The form that names have in the files.

use crate::error::{IMPORT, Problem};

/// Checks the name of a component, an instance or an export: a lower-case letter, then lower-case
/// letters, digits, `_` and `-`.
pub(crate) fn check_name(what: &'static str, name: &str) -> Result<(), Problem> {
    check(what, name, |c| c == '_' || c == '-')
}

/// Checks the name of an import, which is also the name of a procedure: no `-` here.
pub(crate) fn check_import_name(name: &str) -> Result<(), Problem> {
    check(IMPORT, name, |c| c == '_')
}

/// Returns `true` if a part of a source's path can be part of a module path.
pub(crate) fn is_module_name(name: &str) -> bool {
    check("a module", name, |c| c == '_').is_ok()
}

/// Checks a text that goes into the identity of an import.
pub(crate) fn check_identity(what: &'static str, text: &str) -> Result<(), Problem> {
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(Problem::Identity {
            what,
            text: text.into(),
        });
    }
    Ok(())
}

fn check(what: &'static str, name: &str, others: fn(char) -> bool) -> Result<(), Problem> {
    let mut characters = name.chars();
    let begins = characters.next().is_some_and(|c| c.is_ascii_lowercase());
    let goes_on = characters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || others(c));
    if begins && goes_on {
        Ok(())
    } else {
        Err(Problem::Name {
            what,
            name: name.into(),
        })
    }
}

/// A component's name as WIT has names: words of letters and digits that begin with a letter, with one `-` between
/// them.
pub(crate) fn wit_name(name: &str) -> String {
    let mut words = String::new();
    for word in name.split(['-', '_']).filter(|word| !word.is_empty()) {
        if !words.is_empty() && !word.starts_with(|first: char| first.is_ascii_digit()) {
            words.push('-');
        }
        words += word;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_wit_have_whole_words() {
        for (name, wit) in [
            ("ledger", "ledger"),
            ("my_ledger", "my-ledger"),
            ("use_", "use"),
            ("a__b-_c", "a-b-c"),
            ("a-1", "a1"),
            ("v2_3x-y", "v23x-y"),
        ] {
            assert_eq!(wit_name(name), wit);
        }
    }
}
