//! Instructions that are procedures, from `runtime.masm`.

use std::collections::{BTreeMap, BTreeSet};

use crate::layout::Layout;

const TEXT: &str = include_str!("runtime.masm");

/// The tables of constants that code reads.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Tables {
    pub(crate) powers: bool,
    pub(crate) bits: bool,
    pub(crate) bytes: bool,
}

/// The procedures with these names, those that they execute, and the tables that they read.
pub(crate) fn procedures(names: &BTreeSet<&'static str>, layout: &Layout) -> (String, Tables) {
    let mut texts: BTreeMap<&str, &str> = BTreeMap::new();
    let mut order = Vec::new();
    for text in TEXT.split("\n\n").filter(|text| text.contains("pub proc ")) {
        let name = text.split("pub proc rt_").nth(1).unwrap_or_default();
        let name = name.split_whitespace().next().unwrap_or_default();
        texts.insert(name, text);
        order.push(name);
    }
    let mut needed: BTreeSet<&str> = BTreeSet::new();
    let mut pending: Vec<&str> = names.iter().copied().collect();
    while let Some(name) = pending.pop() {
        if needed.insert(name)
            && let Some(text) = texts.get(name)
        {
            let executed = text.split("exec.rt_").skip(1);
            pending.extend(executed.filter_map(|rest| rest.split_whitespace().next()));
        }
    }
    let guard = match layout.grows {
        true => format!(
            "dup.0 mem_load.{} add u32assert2.err=\"wasm: out of bounds memory access\" drop",
            layout.guard
        ),
        false => String::new(),
    };
    let mut tables = Tables::default();
    let mut all = String::new();
    for name in order.into_iter().filter(|name| needed.contains(name)) {
        let text = texts[name];
        tables.powers |= text.contains("{powers}");
        tables.bits |= text.contains("{bits}");
        tables.bytes |= text.contains("{bytes");
        all.push_str(text.trim());
        all.push_str("\n\n");
    }
    let replacements = [
        ("{guard}", guard),
        ("{powers}", layout.powers.to_string()),
        ("{last_power}", (layout.powers + 32).to_string()),
        ("{bits}", layout.bits.to_string()),
        ("{bytes}", layout.bytes.to_string()),
        ("{bytes2}", (layout.bytes + 2).to_string()),
        ("{bytes3}", (layout.bytes + 3).to_string()),
        ("{pages}", layout.pages.to_string()),
        ("{max_pages}", layout.max_pages.to_string()),
        ("{guard_cell}", layout.guard.to_string()),
        ("{scale}", Layout::scale().to_string()),
        ("{base}", layout.base(0, 0).to_string()),
        ("{end}", layout.end(0).to_string()),
    ];
    for (name, value) in replacements {
        all = all.replace(name, &value);
    }
    (all, tables)
}

/// Bit numbers by the upper five bits of the product of their powers of two and this constant.
pub(crate) const DE_BRUIJN: u32 = 125_613_361;
