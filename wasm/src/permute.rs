//! Bringing the stack into an order, with few moves.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A move of the stack's top.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Move {
    Up(usize),
    Down(usize),
    Dup(usize),
    Drop,
    Push(u32),
    Cell(u32),
}

/// The item that a place is to hold: one that is there, by number, or a constant, or a cell's
/// content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Item {
    Slot(u8),
    Const(u32),
    Cell(u32),
    /// An item that nobody needs.
    Garbage,
}

/// Orders that were looked for already.
pub(crate) type Known = BTreeMap<(Vec<Item>, Vec<Item>), Vec<Move>>;

/// The largest part of a stack for which the shortest way is searched.
const SEARCHED: usize = 7;

/// The moves from `from` to `to`, both from the bottom to the top.
pub(crate) fn moves(from: &[Item], to: &[Item], known: &mut Known) -> Vec<Move> {
    if from == to {
        return Vec::new();
    }
    if from.len() > SEARCHED || to.len() > SEARCHED {
        return greedy(from, to);
    }
    let key = (from.to_vec(), to.to_vec());
    if let Some(moves) = known.get(&key) {
        return moves.clone();
    }
    let found = search(from, to).unwrap_or_else(|| greedy(from, to));
    known.insert(key, found.clone());
    found
}

fn count(items: &[Item], item: Item) -> usize {
    items.iter().filter(|found| **found == item).count()
}

/// Moves one step after another; each matched item stays, the others are brought up in order.
fn greedy(from: &[Item], to: &[Item]) -> Vec<Move> {
    let mut stack = from.to_vec();
    let mut moves = Vec::new();
    // What is not needed, and what is there too often.
    let mut needed: Vec<Item> = to.to_vec();
    let mut keep = vec![false; stack.len()];
    for (index, item) in stack.iter().enumerate() {
        if let Some(found) = needed.iter().position(|need| need == item) {
            needed.swap_remove(found);
            keep[index] = true;
        }
    }
    for index in (0..stack.len()).rev() {
        if !keep[index] {
            let depth = stack.len() - 1 - index;
            if depth > 0 {
                moves.push(Move::Up(depth));
            }
            moves.push(Move::Drop);
            stack.remove(index);
        }
    }
    let mut staying = 0;
    for item in &stack {
        if to.get(staying) == Some(item) {
            staying += 1;
        }
    }
    // Items that stay in their order below those that are moved above them.
    let mut fixed: Vec<bool> = Vec::new();
    let mut next = 0;
    for item in &stack {
        let is_next = next < staying && to[next] == *item;
        next += usize::from(is_next);
        fixed.push(is_next);
    }
    for item in to[staying..].iter().copied() {
        let free = (0..stack.len()).find(|index| stack[*index] == item && !fixed[*index]);
        match (free, item) {
            (Some(index), _) => {
                let depth = stack.len() - 1 - index;
                if depth > 0 {
                    moves.push(Move::Up(depth));
                }
                let item = stack.remove(index);
                fixed.remove(index);
                stack.push(item);
                fixed.push(true);
            }
            (None, Item::Const(value)) => {
                moves.push(Move::Push(value));
                stack.push(item);
                fixed.push(true);
            }
            (None, Item::Cell(cell)) => {
                moves.push(Move::Cell(cell));
                stack.push(item);
                fixed.push(true);
            }
            (None, _) => {
                if let Some(index) = stack.iter().rposition(|found| *found == item) {
                    moves.push(Move::Dup(stack.len() - 1 - index));
                }
                stack.push(item);
                fixed.push(true);
            }
        }
    }
    moves
}

/// The fewest moves, if they are found soon.
fn search(from: &[Item], to: &[Item]) -> Option<Vec<Move>> {
    let mut queue = VecDeque::from([(from.to_vec(), Vec::new())]);
    let mut seen = BTreeSet::from([from.to_vec()]);
    while let Some((stack, moves)) = queue.pop_front() {
        if seen.len() > 6_000 {
            return None;
        }
        let mut next = Vec::new();
        if let Some(top) = stack.last() {
            if count(&stack, *top) > count(to, *top) {
                let mut changed = stack.clone();
                changed.pop();
                next.push((changed, Move::Drop));
            }
            for depth in 1..stack.len() {
                let mut up = stack.clone();
                let item = up.remove(stack.len() - 1 - depth);
                up.push(item);
                next.push((up, Move::Up(depth)));
                if depth > 1 {
                    let mut down = stack.clone();
                    let item = down.remove(stack.len() - 1);
                    down.insert(stack.len() - 1 - depth, item);
                    next.push((down, Move::Down(depth)));
                }
            }
        }
        if stack.len() <= SEARCHED {
            let missing: BTreeSet<Item> = to
                .iter()
                .copied()
                .filter(|item| count(&stack, *item) < count(to, *item))
                .collect();
            for item in missing {
                let step = match item {
                    Item::Const(value) => Move::Push(value),
                    Item::Cell(cell) => Move::Cell(cell),
                    _ => {
                        let place = stack.iter().rposition(|found| *found == item)?;
                        Move::Dup(stack.len() - 1 - place)
                    }
                };
                let mut changed = stack.clone();
                changed.push(item);
                next.push((changed, step));
            }
        }
        for (stack, step) in next {
            if seen.contains(&stack) {
                continue;
            }
            let mut moves = moves.clone();
            moves.push(step);
            if stack == to {
                return Some(moves);
            }
            seen.insert(stack.clone());
            queue.push_back((stack, moves));
        }
    }
    None
}
