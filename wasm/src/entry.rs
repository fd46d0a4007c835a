//! The procedures by which functions are called from outside of the module.

use std::fmt::Write;

use crate::{
    ir::{CallingConvention, Import, ValueType},
    layout::Layout,
    permute::{Item, Known, Move, moves},
    translate::STACK_VALUES,
};

/// An element of a value: the number of the value, and whether it is its higher half.
type Element = (usize, bool);

/// The elements of values as the inside has them, from the bottom to the top: the last value on top, and
/// its higher half above the lower.
fn inside(types: &[ValueType]) -> Vec<Element> {
    let elements = types.iter().enumerate().flat_map(|(number, ty)| match ty {
        ValueType::I32 | ValueType::Reference => vec![(number, false)],
        ValueType::I64 => vec![(number, false), (number, true)],
    });
    elements.collect()
}

/// The same as callers have them: the first value on top, and its higher half above the lower.
fn outside(types: &[ValueType]) -> Vec<Element> {
    let mut elements = inside(types);
    elements.sort_by_key(|(number, high)| (usize::MAX - number, *high));
    elements
}

fn line(text: &mut String, step: Move) {
    let _ = match step {
        Move::Up(1) => writeln!(text, "    swap"),
        Move::Up(depth) => writeln!(text, "    movup.{depth}"),
        Move::Down(depth) => writeln!(text, "    movdn.{depth}"),
        Move::Dup(depth) => writeln!(text, "    dup.{depth}"),
        Move::Drop => writeln!(text, "    drop"),
        Move::Push(value) => writeln!(text, "    push.{value}"),
        Move::Cell(cell) => writeln!(text, "    mem_load.{cell}"),
    };
}

/// Moves from one order of elements to another.
fn reorder(text: &mut String, from: &[Element], to: &[Element], known: &mut Known) {
    let item = |element: &Element| {
        let place = from.iter().position(|found| found == element);
        place.map_or(Item::Garbage, |place| Item::Slot(place as u8))
    };
    let from_items: Vec<Item> = from.iter().map(item).collect();
    let to_items: Vec<Item> = to.iter().map(item).collect();
    for step in moves(&from_items, &to_items, known) {
        line(text, step);
    }
}

/// The address of a parameter's element, if parameters are in memory from `first` on.
fn address(first: u32, (number, high): Element) -> u32 {
    first + 2 * number as u32 + u32::from(high)
}

/// A procedure of the module that stands for an imported function.
pub(crate) fn import(
    name: &str,
    target: &Import,
    (params, results): (&[ValueType], &[ValueType]),
    layout: &Layout,
    known: &mut Known,
) -> String {
    let mut text = format!("pub proc {name}\n");
    let given = inside(params);
    let in_cells = given.len().saturating_sub(STACK_VALUES);
    let (cells, on_stack) = given.split_at(in_cells);
    match target.passing {
        CallingConvention::Stack if given.len() > REACH => {
            spill(&mut text, on_stack, layout.arguments, &given);
            fetch(&mut text, &outside(params), layout.arguments, &given);
        }
        CallingConvention::Stack => {
            let mut stack = on_stack.to_vec();
            for (cell, element) in (layout.arguments..).zip(cells) {
                let _ = writeln!(text, "    mem_load.{cell}");
                stack.push(*element);
            }
            reorder(&mut text, &stack, &outside(params), known);
        }
        CallingConvention::Memory(first) => {
            for element in on_stack.iter().rev() {
                let _ = writeln!(text, "    mem_store.{}", address(first, *element));
            }
            for (cell, element) in (layout.arguments..).zip(cells) {
                let to = address(first, *element);
                let _ = writeln!(text, "    mem_load.{cell} mem_store.{to}");
            }
        }
    }
    let _ = writeln!(text, "    exec.::{}", target.procedure);
    let mut stack = outside(results);
    let wanted = inside(results);
    let in_cells = wanted.len().saturating_sub(STACK_VALUES);
    if wanted.len() > REACH {
        spill(&mut text, &stack, layout.results, &wanted);
        fetch(&mut text, &wanted[in_cells..], layout.results, &wanted);
    } else {
        store(&mut text, &mut stack, layout.results, &wanted[..in_cells]);
        reorder(&mut text, &stack, &wanted[in_cells..], known);
    }
    text.push_str("end\n\n");
    text
}

/// Elements of the stack that can be reached.
const REACH: usize = 16;

/// The cell of an element, if those of `all` are in cells from `first` on.
fn cell_of(element: Element, first: u32, all: &[Element]) -> u32 {
    let place = all.iter().position(|found| *found == element);
    first + place.unwrap_or(0) as u32
}

/// Takes the whole stack into the cells of its elements, from the top down, so that all are in reach.
fn spill(text: &mut String, stack: &[Element], first: u32, all: &[Element]) {
    for element in stack.iter().rev() {
        let _ = writeln!(text, "    mem_store.{}", cell_of(*element, first, all));
    }
}

/// Brings elements from their cells to the stack.
fn fetch(text: &mut String, elements: &[Element], first: u32, all: &[Element]) {
    for element in elements {
        let _ = writeln!(text, "    mem_load.{}", cell_of(*element, first, all));
    }
}

/// Takes elements off the stack into cells.
fn store(text: &mut String, stack: &mut Vec<Element>, first: u32, elements: &[Element]) {
    for (cell, element) in (first..).zip(elements) {
        if let Some(place) = stack.iter().position(|found| found == element) {
            let depth = stack.len() - 1 - place;
            if depth > 0 {
                line(text, Move::Up(depth));
            }
            let _ = writeln!(text, "    mem_store.{cell}");
            stack.remove(place);
        }
    }
}

/// A procedure by which a function of the module is called from outside.
pub(crate) fn entry(
    name: &str,
    procedure: &str,
    passing: CallingConvention,
    (params, results): (&[ValueType], &[ValueType]),
    layout: &Layout,
    known: &mut Known,
) -> String {
    let mut text = format!("pub proc {name}\n");
    let wanted = inside(params);
    let in_cells = wanted.len().saturating_sub(STACK_VALUES);
    let (cells, on_stack) = wanted.split_at(in_cells);
    match passing {
        CallingConvention::Stack if wanted.len() > REACH => {
            spill(&mut text, &outside(params), layout.arguments, &wanted);
            fetch(&mut text, on_stack, layout.arguments, &wanted);
        }
        CallingConvention::Stack => {
            let mut stack = outside(params);
            store(&mut text, &mut stack, layout.arguments, cells);
            reorder(&mut text, &stack, on_stack, known);
        }
        CallingConvention::Memory(first) => {
            for (cell, element) in (layout.arguments..).zip(cells) {
                let from = address(first, *element);
                let _ = writeln!(text, "    mem_load.{from} mem_store.{cell}");
            }
            for element in on_stack {
                let _ = writeln!(text, "    mem_load.{}", address(first, *element));
            }
        }
    }
    let _ = writeln!(text, "    exec.{procedure}");
    let left = inside(results);
    let in_cells = left.len().saturating_sub(STACK_VALUES);
    let mut stack = left[in_cells..].to_vec();
    let wanted = outside(results);
    if left.len() > REACH {
        spill(&mut text, &stack, layout.results, &left);
        fetch(&mut text, &wanted, layout.results, &left);
    } else {
        for (cell, element) in (layout.results..).zip(&left[..in_cells]) {
            let _ = writeln!(text, "    mem_load.{cell}");
            stack.push(*element);
        }
        reorder(&mut text, &stack, &wanted, known);
    }
    text.push_str("end\n\n");
    text
}
