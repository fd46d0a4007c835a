//! Programs by Miden's plain means for which one text does not fit all of its versions.

use std::fmt::Write as _;

/// A program in three parts, and data that it loads from the advice and checks.
#[derive(Debug, Clone, Copy)]
pub struct PlainSource<'a> {
    /// The data: elements of 8 bytes each, the lowest byte first.
    pub data: &'a [u8],
    /// The constant by which the program knows the commitment to the data.
    pub data_name: &'a str,
    /// What all versions share.
    pub common: &'a str,
    /// What 0.20.6 adds to it.
    pub miden_0_20: &'a str,
    /// What 0.23.5 adds to it.
    pub miden_0_23: &'a str,
}

impl PlainSource<'_> {
    /// The source for 0.20.6.
    pub fn for_miden_0_20(&self) -> String {
        self.with(self.miden_0_20)
    }

    /// The source for 0.23.5.
    pub fn for_miden_0_23(&self) -> String {
        self.with(self.miden_0_23)
    }

    fn with(&self, version: &str) -> String {
        let (elements, _) = self.data.as_chunks();
        let data = advice_entry(
            self.data_name,
            elements.iter().map(|&bytes| u64::from_le_bytes(bytes)),
        );
        format!("{data}\n{version}\n{}", self.common)
    }
}

/// A declaration that puts `elements` into the advice map under their commitment, and defines `name`
/// to be that commitment.
pub fn advice_entry(name: &str, elements: impl IntoIterator<Item = u64>) -> String {
    let mut entry = format!("adv_map {name} = [");
    for (index, element) in elements.into_iter().enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        // Writing to a string does not fail.
        let _ = write!(entry, "{separator}{element}");
    }
    entry.push_str("]\n");
    entry
}
