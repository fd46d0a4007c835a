//! Texts in errors, cut where they are long.

/// The beginning of a text, with as many characters as an error shows.
pub fn beginning(text: &str, shown: usize) -> String {
    match text.char_indices().nth(shown) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::beginning;

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(beginning("☃☃☃", 3), "☃☃☃");
        assert_eq!(beginning("☃☃☃☃", 3), "☃☃☃…");
        assert_eq!(beginning("", 0), "");
    }
}
