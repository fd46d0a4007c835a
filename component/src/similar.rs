//! Names and paths that were probably meant, for errors about some that do not exist.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

/// The longest name that is compared: the time for two names grows with the product of their lengths.
const MAX_NAME: usize = 96;

/// The most files of a folder that are compared.
const MAX_FILES: usize = 1 << 10;

/// The one of `known` that is most like `name`, if one is like it at all: a letter in three may be
/// wrong, missing, too many or in the place of its neighbour.
pub fn similar_name<N: AsRef<str>>(
    name: &str,
    known: impl IntoIterator<Item = N>,
) -> Option<String> {
    if name.len() > MAX_NAME {
        return None;
    }
    // A name without the interface before it is meant if there is one such.
    let known: Vec<N> = known.into_iter().collect();
    let mut whole = known.iter().filter(|known| {
        let behind = known.as_ref().rsplit_once('#');
        behind.is_some_and(|(_, behind)| behind == name)
    });
    if let (Some(whole), None) = (whole.next(), whole.next()) {
        return Some(whole.as_ref().to_owned());
    }
    let allowed = name.chars().count().div_ceil(3);
    let near = known.into_iter().filter_map(|known| {
        let known = known.as_ref();
        let is_near = known != name && known.len().abs_diff(name.len()) <= MAX_NAME / 3;
        if !is_near || known.len() > MAX_NAME {
            return None;
        }
        let distance = strsim::damerau_levenshtein(name, known);
        (distance <= allowed).then(|| (distance, known.to_owned()))
    });
    near.min().map(|(_, name)| name)
}

/// The path that is most like one at which nothing is, if there is one: a file or folder beside it, or
/// one of the same name in a folder beside its own.
pub fn similar_path(path: &Path) -> Option<PathBuf> {
    if path.exists() {
        return None;
    }
    // The first part that is not there is the one that is wrong.
    let wrong = path.ancestors().take_while(|part| !part.exists()).last()?;
    let name = wrong.file_name()?.to_str()?;
    let folder = match wrong.parent()? {
        folder if folder == Path::new("") => Path::new("."),
        folder => folder,
    };
    let entries = fs::read_dir(folder).ok()?.take(MAX_FILES);
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let rest = path.strip_prefix(wrong).ok()?;
    let there = names.filter(|name| !name.starts_with('.'));
    let found = similar_name(name, there.filter(|name| join(wrong, name, rest).exists()))?;
    Some(join(wrong, &found, rest))
}

/// A path in which `name` stands for the last part of `wrong`, and `rest` follows.
fn join(wrong: &Path, name: &str, rest: &Path) -> PathBuf {
    let path = wrong.with_file_name(name);
    match rest.as_os_str() == OsStr::new("") {
        true => path,
        false => path.join(rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognized() {
        let known = ["ledger", "log", "bank:ledger/ledger", "procedure"];
        for (name, meant) in [
            ("leger", Some("ledger")),
            ("ledgre", Some("ledger")),
            ("lgo", Some("log")),
            ("bank:ledger/leger", Some("bank:ledger/ledger")),
            ("proceduer", Some("procedure")),
            ("vault", None),
            ("", None),
            // It is there: something else is wrong with it.
            ("log", None),
        ] {
            assert_eq!(similar_name(name, known).as_deref(), meant, "{name}");
        }
        let functions = ["my:a/b#add", "my:a/b#adds", "my:a/b#get", "my:a/c#get"];
        assert_eq!(
            similar_name("add", functions).as_deref(),
            Some("my:a/b#add")
        );
        assert_eq!(similar_name("get", functions), None);
        assert_eq!(
            similar_name(&"a".repeat(1 << 20), ["a".repeat(1 << 20)]),
            None
        );
    }
}
