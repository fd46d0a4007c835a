//! Merkle trees over tables of different heights.
//!
//! A level of a tree has a power of two of nodes, and node `j` of a level of `n` nodes is above the
//! nodes `j` and `j + n` of the level below. So it is above everything at positions that are `j`
//! modulo `n`, which is where the rows of an extension of `n` rows belong that is lifted to the
//! longest domain: its row `j` goes into node `j`. A tree begins with the level of the longest
//! extension, whose nodes are hashes of rows; where a level has as many nodes as a shorter extension
//! has rows, each node is what its children come to, merged with the hash of the row.
//!
//! An opening of several positions has, level by level and from left to right, those nodes that do
//! not follow from the opened rows.

use alloc::{collections::BTreeMap, vec::Vec};

use crate::hash::{Digest, Hasher};

/// The positions of the next level, of `size` nodes, above these, in order.
pub fn parents<'a>(positions: impl IntoIterator<Item = &'a usize>, size: usize) -> Vec<usize> {
    let mut parents: Vec<usize> = positions.into_iter().map(|at| at & (size - 1)).collect();
    parents.sort_unstable();
    parents.dedup();
    parents
}

/// The nodes that an opening of `positions` has of a level of `size` nodes, in order: the other
/// child of each parent of which only one child is known.
pub fn missing(positions: &[usize], size: usize) -> Vec<usize> {
    let half = size / 2;
    let known = |at: &usize| positions.binary_search(at).is_ok();
    parents(positions, half)
        .into_iter()
        .flat_map(|parent| [parent, parent + half])
        .filter(|child| !known(child))
        .collect()
}

/// The root of the tree above hashes of rows, by the sizes of their extensions, of which `size` is the
/// largest. The nodes that do not follow are those that `node` returns; `seen` is shown the known nodes of
/// each level, siblings included, up to the root.
///
/// The rows are at the same positions, each taken modulo the size of its extension.
///
/// # Errors
/// Those of `node`.
pub fn root_of<E>(
    hasher: Hasher,
    mut size: usize,
    extensions: impl IntoIterator<Item = (usize, BTreeMap<usize, Digest>)>,
    mut node: impl FnMut() -> Result<Digest, E>,
    mut seen: impl FnMut(usize, &BTreeMap<usize, Digest>),
) -> Result<Digest, E> {
    let mut extensions: BTreeMap<usize, _> = extensions.into_iter().collect();
    let mut nodes = extensions.remove(&size).unwrap_or_default();
    let at = |nodes: &BTreeMap<usize, Digest>, position: usize| {
        nodes.get(&position).copied().unwrap_or_default()
    };
    while size > 1 {
        let known: Vec<usize> = nodes.keys().copied().collect();
        for position in missing(&known, size) {
            nodes.insert(position, node()?);
        }
        seen(size, &nodes);
        size /= 2;
        let rows = extensions.remove(&size);
        let above = parents(&known, size).into_iter().map(|position| {
            let children = (at(&nodes, position), at(&nodes, position + size));
            let merged = hasher.merge(children.0, children.1);
            let node = match &rows {
                Some(rows) => hasher.merge(merged, at(rows, position)),
                None => merged,
            };
            (position, node)
        });
        nodes = above.collect();
    }
    seen(size, &nodes);
    Ok(at(&nodes, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn siblings_are_half_a_level_apart() {
        assert_eq!(missing(&[0, 4], 8), []);
        assert_eq!(missing(&[0, 5], 8), [4, 1]);
        assert_eq!(missing(&[1, 2, 6], 8), [5]);
        assert_eq!(parents(&[1, 2, 6], 4), [1, 2]);
        assert_eq!(missing(&[0], 2), [1]);
    }
}
