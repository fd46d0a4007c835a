//! The functions that can come back to themselves.

use std::collections::{BTreeMap, BTreeSet};

/// Edges from each function to those that it calls.
pub(crate) type Graph = BTreeMap<u32, BTreeSet<u32>>;

/// The group of each function: functions that can reach each other are in one group. Functions that
/// cannot reach themselves have none.
pub(crate) fn groups(graph: &Graph) -> BTreeMap<u32, u32> {
    let mut order = Vec::new();
    let mut seen = BTreeSet::new();
    for start in graph.keys() {
        if !seen.insert(*start) {
            continue;
        }
        let mut path = vec![(*start, graph[start].iter())];
        while let Some((node, edges)) = path.last_mut() {
            match edges.next() {
                Some(next) => {
                    if seen.insert(*next)
                        && let Some(edges) = graph.get(next)
                    {
                        path.push((*next, edges.iter()));
                    }
                }
                None => {
                    order.push(*node);
                    path.pop();
                }
            }
        }
    }
    let mut reversed: Graph = BTreeMap::new();
    for (from, edges) in graph {
        for to in edges {
            reversed.entry(*to).or_default().insert(*from);
        }
    }
    let mut found = BTreeMap::new();
    let mut members: BTreeMap<u32, u32> = BTreeMap::new();
    for (group, root) in (0..).zip(order.into_iter().rev()) {
        let mut pending = vec![root];
        while let Some(node) = pending.pop() {
            if found.contains_key(&node) || !graph.contains_key(&node) {
                continue;
            }
            found.insert(node, group);
            *members.entry(group).or_default() += 1;
            pending.extend(reversed.get(&node).into_iter().flatten());
        }
    }
    found.retain(|node, group| members[group] > 1 || graph[node].contains(node));
    found
}
