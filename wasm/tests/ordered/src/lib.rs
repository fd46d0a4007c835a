//! Code that keeps order: the standard library's `sort_unstable`, which is recursive, and a red-black tree.

#![no_std]

use core::cmp::Ordering;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

/// The most keys.
const MOST: usize = 1_024;

fn next(seed: &mut u32) -> u32 {
    *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    *seed ^ (*seed >> 15)
}

fn checksum(keys: impl Iterator<Item = u32>) -> u32 {
    keys.fold(0, |sum: u32, key| sum.wrapping_mul(31).wrapping_add(key))
}

/// Sorts random keys: a checksum of what is in order then.
#[unsafe(no_mangle)]
pub extern "C" fn sort_unstable(count: u32) -> u32 {
    let mut keys = [0; MOST];
    let keys = &mut keys[..count as usize];
    let mut seed = 1;
    keys.iter_mut().for_each(|key| *key = next(&mut seed));
    keys.sort_unstable();
    checksum(keys.iter().copied())
}

/// No node.
const NONE: u16 = u16::MAX;

#[derive(Clone, Copy)]
struct Node {
    key: u32,
    parent: u16,
    /// The lesser and the greater side.
    children: [u16; 2],
    is_red: bool,
}

struct Tree {
    nodes: [Node; MOST],
    length: u16,
    root: u16,
}

impl Tree {
    fn new() -> Self {
        let node = Node {
            key: 0,
            parent: NONE,
            children: [NONE; 2],
            is_red: false,
        };
        Self {
            nodes: [node; MOST],
            length: 0,
            root: NONE,
        }
    }

    fn node(&mut self, node: u16) -> &mut Node {
        &mut self.nodes[node as usize]
    }

    fn is_red(&self, node: u16) -> bool {
        node != NONE && self.nodes[node as usize].is_red
    }

    fn side(&mut self, parent: u16, child: u16) -> usize {
        usize::from(self.node(parent).children[1] == child)
    }

    /// Lets a node's child on one side take its place, and puts the node on the other side of it.
    fn rotate(&mut self, node: u16, side: usize) {
        let above = self.node(node).parent;
        let child = self.node(node).children[side];
        let middle = self.node(child).children[1 - side];
        self.node(node).children[side] = middle;
        if middle != NONE {
            self.node(middle).parent = node;
        }
        self.node(child).children[1 - side] = node;
        self.node(child).parent = above;
        match above {
            NONE => self.root = child,
            above => {
                let at = self.side(above, node);
                self.node(above).children[at] = child;
            }
        }
        self.node(node).parent = child;
    }

    fn insert(&mut self, key: u32) {
        let (mut parent, mut side) = (NONE, 0);
        let mut at = self.root;
        while at != NONE {
            parent = at;
            side = match key.cmp(&self.node(at).key) {
                Ordering::Less => 0,
                Ordering::Greater => 1,
                Ordering::Equal => return,
            };
            at = self.node(at).children[side];
        }
        let new = self.length;
        self.length += 1;
        *self.node(new) = Node {
            key,
            parent,
            children: [NONE; 2],
            is_red: true,
        };
        match parent {
            NONE => self.root = new,
            parent => self.node(parent).children[side] = new,
        }
        self.balance(new);
    }

    fn balance(&mut self, mut node: u16) {
        loop {
            let parent = self.node(node).parent;
            if !self.is_red(parent) {
                break;
            }
            let above = self.node(parent).parent;
            let side = self.side(above, parent);
            let uncle = self.node(above).children[1 - side];
            if self.is_red(uncle) {
                self.node(parent).is_red = false;
                self.node(uncle).is_red = false;
                self.node(above).is_red = true;
                node = above;
                continue;
            }
            if self.side(parent, node) != side {
                self.rotate(parent, 1 - side);
                node = parent;
            }
            let parent = self.node(node).parent;
            self.node(parent).is_red = false;
            self.node(above).is_red = true;
            self.rotate(above, side);
        }
        let root = self.root;
        self.node(root).is_red = false;
    }

    /// The keys in order, one after another.
    fn sum(&mut self, node: u16, sum: u32) -> u32 {
        if node == NONE {
            return sum;
        }
        let Node { key, children, .. } = *self.node(node);
        let sum = self
            .sum(children[0], sum)
            .wrapping_mul(31)
            .wrapping_add(key);
        self.sum(children[1], sum)
    }
}

/// Puts random keys into a tree: a checksum of them in order.
#[unsafe(no_mangle)]
pub extern "C" fn red_black_tree(count: u32) -> u32 {
    let mut tree = Tree::new();
    let mut seed = 1;
    for _ in 0..count {
        tree.insert(next(&mut seed));
    }
    tree.sum(tree.root, 0)
}
