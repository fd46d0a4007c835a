//! Lowering and lifting: the code that takes values apart on one side of a boundary and puts them
//! together, and checks them, on the other.

use std::fmt::Write;

use super::code::{Code, move_down, move_up};
use crate::{
    abi::{MAX_FLAT, Passing, flat_len, has_pointers, payloads},
    bindings::resources::Handles,
    wit::Type,
};

/// Where messages are put together; `abi.masm` has it as `SCRATCH`.
const SCRATCH: usize = 0x4000_0010;

/// The elements that cross a boundary.
const CROSSING: usize = 16;

/// The module with what all functions share.
pub(super) const ABI_MODULE: &str = "abi";

/// How the functions of a module pass values: the types of their lists, for each of which the module
/// has two procedures, and how their handles are sent and received.
#[derive(Debug)]
pub(super) struct Lists<'a> {
    elements: Vec<Type>,
    handles: Handles<'a>,
}

impl<'a> Lists<'a> {
    pub(super) fn new(handles: Handles<'a>) -> Self {
        Self {
            elements: Vec::new(),
            handles,
        }
    }

    /// The number of the list with elements of a type.
    fn number(&mut self, element: &Type) -> usize {
        if let Some(number) = self.elements.iter().position(|known| known == element) {
            return number;
        }
        self.elements.push(element.clone());
        self.elements.len() - 1
    }

    /// The procedures that send and receive the lists that have been asked for.
    pub(super) fn procedures(mut self) -> String {
        let mut code = Code::default();
        let mut number = 0;
        // Lists of lists ask for more.
        while let Some(element) = self.elements.get(number).cloned() {
            self.send(&mut code, number, &element);
            self.receive(&mut code, number, &element);
            number += 1;
        }
        code.finish()
    }

    /// `[slot, place, cursor] -> [place, cursor']`: adds the list whose pointer is at `slot` of the
    /// message, and forgets the pointer.
    fn send(&mut self, code: &mut Code, number: usize, element: &Type) {
        let size = flat_len(element);
        code.line("");
        code.docs(&format!(
            "Adds a `list<{element}>` to the message.\n\n\
             Inputs:  [slot, place, cursor]\nOutputs: [place, cursor']"
        ));
        code.block(format!("proc send_list_{number}"), |code| {
            code.line("movup.2 dup.1 add.1 mem_load u32assert.err=\"canonical ABI: list-length\"");
            // => [len, cursor, slot, place]
            code.line("dup movdn.4");
            // => [len, cursor, slot, place, len]
            code.line(format!("mul.{size} dup.2 mem_load"));
            code.line("push.0 movup.4 mem_store");
            // => [ptr, count, cursor, place, len]
            code.line(format!("exec.::{ABI_MODULE}::append"));
            // => [item, cursor', place, len]
            if is_sent(element) {
                code.line("dup.3 neq.0");
                code.block("while.true", |code| {
                    self.send_value(code, element, 0);
                    code.line(format!("add.{size} movup.3 sub.1 movdn.3 dup.3 neq.0"));
                });
            }
            code.line("drop swap movup.2 drop");
        });
    }

    /// `[slot, place, cursor, end] -> [place, cursor', end]`: finds the list whose length is at `slot`
    /// behind `cursor` of the message, and checks what is in it.
    fn receive(&mut self, code: &mut Code, number: usize, element: &Type) {
        let size = flat_len(element);
        code.line("");
        code.docs(&format!(
            "Checks a `list<{element}>` of the message.\n\n\
             Inputs:  [slot, place, cursor, end]\nOutputs: [place, cursor', end]"
        ));
        code.block(format!("proc receive_list_{number}"), |code| {
            code.line("dup add.1 mem_load u32assert.err=\"canonical ABI: list-length\"");
            code.line(format!("dup.4 dup.4 sub u32div.{size} dup.1"));
            code.line("u32gte assert.err=\"canonical ABI: list-length\"");
            // => [len, slot, place, cursor, end]
            code.line("dup.3 movup.2 mem_store");
            // => [len, place, cursor, end]
            code.line(format!("dup mul.{size} add.3 u32div.4 mul.4 dup.3 add"));
            // => [cursor', len, place, cursor, end]
            if needs_check(element) {
                code.line("movup.4 swap movup.4");
                // => [item, cursor', end, len, place]
                code.line("dup.3 neq.0");
                code.block("while.true", |code| {
                    self.receive_value(code, element, 0);
                    code.line(format!("add.{size} movup.3 sub.1 movdn.3 dup.3 neq.0"));
                });
                code.line("drop movup.2 drop movup.2");
            } else {
                code.line("swap drop movup.2 drop swap");
            }
        });
    }

    /// `[place, cursor] -> [place, cursor']`: adds the lists of the value at `place + at`, and sends its
    /// handles.
    fn send_value(&mut self, code: &mut Code, ty: &Type, at: usize) {
        match ty {
            Type::String => self.send_list(code, &Type::Char, at),
            Type::List(element) => self.send_list(code, element, at),
            Type::Own(of) => replace(code, at, &self.handles.send(of, true)),
            Type::Borrow(of) => replace(code, at, &self.handles.send(of, false)),
            Type::Tuple(types) => self.each(code, types.iter(), at, Self::send_value),
            Type::Record(fields) => {
                self.each(code, fields.iter().map(|f| &f.ty), at, Self::send_value);
            }
            _ => {
                let cases = cases_with(ty, is_sent);
                self.cases(code, &cases, &load(at), &|lists, code, ty| {
                    lists.send_value(code, ty, at + 1);
                });
            }
        }
    }

    fn send_list(&mut self, code: &mut Code, element: &Type, at: usize) {
        let number = self.number(element);
        code.line(format!("{} exec.send_list_{number}", slot(at)));
    }

    /// `[place, cursor, end] -> [place, cursor', end]`: checks the value at `place + at`, and receives
    /// its handles.
    fn receive_value(&mut self, code: &mut Code, ty: &Type, at: usize) {
        match ty {
            Type::Own(of) => replace(code, at, &self.handles.receive(of, true)),
            Type::Borrow(of) => replace(code, at, &self.handles.receive(of, false)),
            Type::String => self.receive_list(code, &Type::Char, at),
            Type::List(element) => self.receive_list(code, element, at),
            Type::Tuple(types) => self.each(code, types.iter(), at, Self::receive_value),
            Type::Record(fields) => {
                self.each(code, fields.iter().map(|f| &f.ty), at, Self::receive_value);
            }
            Type::U64 | Type::S64 => {
                code.line(format!("{} dup.1 add.{} mem_load", load(at), at + 1));
                code.line(CHECK_LIMBS);
            }
            _ => {
                if let Some(check) = check(ty) {
                    code.line(format!("{} {check}", load(at)));
                }
                let cases = cases_with(ty, needs_check);
                self.cases(code, &cases, &load(at), &|lists, code, ty| {
                    lists.receive_value(code, ty, at + 1);
                });
            }
        }
    }

    fn receive_list(&mut self, code: &mut Code, element: &Type, at: usize) {
        let number = self.number(element);
        code.line(format!("{} exec.receive_list_{number}", slot(at)));
    }

    fn each<'t>(
        &mut self,
        code: &mut Code,
        types: impl Iterator<Item = &'t Type>,
        at: usize,
        step: fn(&mut Self, &mut Code, &Type, usize),
    ) {
        let mut at = at;
        for ty in types {
            step(self, code, ty, at);
            at += flat_len(ty);
        }
    }

    /// Does `step` for the payload of the case that `load` finds, if it is one of those given.
    fn cases(
        &mut self,
        code: &mut Code,
        cases: &[(usize, &Type)],
        load: &str,
        step: &dyn Fn(&mut Self, &mut Code, &Type),
    ) {
        let Some(((case, payload), others)) = cases.split_first() else {
            return;
        };
        code.line(format!("{load} eq.{case}"));
        let mut taken = Code::default();
        step(self, &mut taken, payload);
        let mut left = Code::default();
        self.cases(&mut left, others, load, step);
        code.branch(taken, left);
    }

    /// From the form inside an instance to the form at the boundary.
    pub(super) fn lower(&mut self, code: &mut Code, passing: &Passing) {
        if !passing.by_message {
            for (at, ty) in passing.placed() {
                self.send_stack(code, ty, at);
            }
            return;
        }
        let length = passing.flat.len();
        let behind = SCRATCH + length.next_multiple_of(4);
        if passing.on_stack() {
            if !length.is_multiple_of(4) {
                code.line(format!("padw mem_storew_be.{} dropw", behind - 4));
            }
            for position in 0..length {
                code.line(format!("mem_store.{}", SCRATCH + position));
            }
            code.line(format!("push.{behind} push.{SCRATCH}"));
        } else {
            code.line(format!("push.{SCRATCH} push.{length} movup.2"));
            code.line(format!("exec.::{ABI_MODULE}::append"));
        }
        for (at, ty) in passing.placed() {
            self.send_value(code, ty, at);
        }
        code.line(format!("drop exec.::{ABI_MODULE}::seal"));
    }

    /// Sends the handles of the value whose flat form begins at a position of the stack.
    fn send_stack(&mut self, code: &mut Code, ty: &Type, at: usize) {
        match ty {
            Type::Own(of) => replace_on_stack(code, at, &self.handles.send(of, true)),
            Type::Borrow(of) => replace_on_stack(code, at, &self.handles.send(of, false)),
            Type::Tuple(types) => self.each(code, types.iter(), at, Self::send_stack),
            Type::Record(fields) => {
                self.each(code, fields.iter().map(|f| &f.ty), at, Self::send_stack);
            }
            _ => {
                let cases = cases_with(ty, is_sent);
                self.cases(code, &cases, &format!("dup.{at}"), &|lists, code, ty| {
                    lists.send_stack(code, ty, at + 1);
                });
            }
        }
    }

    /// From the form at the boundary to the form inside an instance; traps if a rule is broken.
    pub(super) fn lift(&mut self, code: &mut Code, passing: &Passing) {
        if !passing.by_message {
            for (at, ty) in passing.placed() {
                self.receive_stack(code, ty, at);
            }
            return;
        }
        let length = passing.flat.len();
        let head = length.next_multiple_of(4);
        code.line(format!("exec.::{ABI_MODULE}::open"));
        code.line(format!("dup.1 dup.1 sub push.{head}"));
        code.line("u32gte assert.err=\"canonical ABI: message-length\"");
        code.line(format!("dup add.{head} swap"));
        for (at, ty) in passing.placed() {
            self.receive_value(code, ty, at);
        }
        code.line("movup.2 movup.2 sub dup eq.0 swap eq.4 or");
        code.line("assert.err=\"canonical ABI: message-length\"");
        if passing.on_stack() {
            for position in (1..length).rev() {
                let depth = length - 1 - position;
                code.line(format!("dup.{depth} add.{position} mem_load"));
            }
            code.line(format!("{} mem_load", move_up(length - 1)).trim_start());
        }
    }

    /// Checks the value whose flat form begins at a position of the stack, and receives its handles.
    fn receive_stack(&mut self, code: &mut Code, ty: &Type, at: usize) {
        match ty {
            Type::Own(of) => replace_on_stack(code, at, &self.handles.receive(of, true)),
            Type::Borrow(of) => replace_on_stack(code, at, &self.handles.receive(of, false)),
            Type::Tuple(types) => self.each(code, types.iter(), at, Self::receive_stack),
            Type::Record(fields) => {
                self.each(code, fields.iter().map(|f| &f.ty), at, Self::receive_stack);
            }
            Type::U64 | Type::S64 => {
                code.line(format!("dup.{} dup.{} {CHECK_LIMBS}", at + 1, at + 1));
            }
            _ => {
                if let Some(check) = check(ty) {
                    code.line(format!("dup.{at} {check}"));
                }
                let cases = cases_with(ty, needs_check);
                self.cases(code, &cases, &format!("dup.{at}"), &|lists, code, ty| {
                    lists.receive_stack(code, ty, at + 1);
                });
            }
        }
    }
}

/// Calls a stub with what crosses on top of the stack and nothing else of the caller's beside it.
pub(super) fn cross(code: &mut Code, stub: &str, params: usize, results: usize) {
    let zeros = CROSSING - params;
    let mut line = String::new();
    // Writing to a string does not fail.
    let _ = write!(
        line,
        "{}{}",
        "padw ".repeat(zeros / 4),
        "push.0 ".repeat(zeros % 4)
    );
    if zeros > 0 {
        if params.is_multiple_of(4) {
            line.push_str(&"movupw.3 ".repeat(params / 4));
        } else {
            line.push_str(&"movup.15 ".repeat(params));
        }
        code.line(line.trim_end());
    }
    code.line(format!("call.::{stub}"));
    let others = CROSSING - results;
    if others > 0 {
        let mut line = if results.is_multiple_of(4) {
            "movdnw.3 ".repeat(results / 4)
        } else {
            format!("{} ", move_down(CROSSING - 1)).repeat(results)
        };
        let _ = write!(
            line,
            "{}{}",
            "dropw ".repeat(others / 4),
            "drop ".repeat(others % 4)
        );
        code.line(line.trim_end());
    }
}

/// Checks two halves of an integer.
const CHECK_LIMBS: &str = "u32assert2.err=\"canonical ABI: integer\" drop drop";

/// `[element] -> []`: checks the first element of a type's flat form; nothing if any will do.
pub(crate) fn check(ty: &Type) -> Option<String> {
    let below = |limit: u64, rule: &str| {
        format!(
            "u32assert.err=\"canonical ABI: {rule}\" u32lt.{limit} assert.err=\"canonical ABI: {rule}\""
        )
    };
    let signed = |half: u64| {
        format!(
            "u32assert.err=\"canonical ABI: integer\" u32wrapping_add.{half} u32lt.{} \
             assert.err=\"canonical ABI: integer\"",
            2 * half
        )
    };
    Some(match ty {
        // Messages do not enter digests, so of two equal pieces of code only one keeps its own. Checks
        // of one kind are therefore other code than those of another. A number is its own square only
        // if it is 0 or 1.
        Type::Bool => "dup dup mul assert_eq.err=\"canonical ABI: bool\"".into(),
        Type::U8 => below(1 << 8, "integer"),
        Type::U16 => below(1 << 16, "integer"),
        Type::U32 | Type::S32 => "u32assert.err=\"canonical ABI: integer\" drop".into(),
        Type::S8 => signed(1 << 7),
        Type::S16 => signed(1 << 15),
        // Surrogates lie from 0xd800 to 0xdfff; shifted down by 0xd800, only they are below 0x800.
        Type::Char => "u32assert.err=\"canonical ABI: char\" dup u32lt.1114112 \
             assert.err=\"canonical ABI: char\" push.55296 u32wrapping_sub u32lt.2048 \
             assertz.err=\"canonical ABI: char\""
            .into(),
        Type::Enum(cases) => below(cases.len() as u64, "discriminant"),
        Type::Variant(cases) => below(cases.len() as u64, "discriminant"),
        Type::Option(_) | Type::Result { .. } => below(2, "discriminant"),
        Type::Flags(flags) if flags.len() == 32 => {
            "u32assert.err=\"canonical ABI: flags\" drop".into()
        }
        Type::Flags(flags) => format!(
            "u32assert.err=\"canonical ABI: flags\" u32gte.{} assertz.err=\"canonical ABI: flags\"",
            1_u64 << flags.len()
        ),
        _ => return None,
    })
}

/// The cases whose payloads are such.
fn cases_with(ty: &Type, is_such: fn(&Type) -> bool) -> Vec<(usize, &Type)> {
    payloads(ty)
        .into_iter()
        .enumerate()
        .filter_map(|(case, payload)| Some((case, payload?)))
        .filter(|(_, payload)| is_such(payload))
        .collect()
}

/// Whether there is more to sending a value than copying its flat form.
fn is_sent(ty: &Type) -> bool {
    has_pointers(ty) || ty.has_handles()
}

/// Whether not every flat form is a value of the type.
fn needs_check(ty: &Type) -> bool {
    match ty {
        Type::Felt => false,
        Type::Tuple(types) => types.iter().any(needs_check),
        Type::Record(fields) => fields.iter().any(|field| needs_check(&field.ty)),
        _ => true,
    }
}

/// `[place] -> [place]`: puts what `instruction` makes of it in place of the element at `place + at`.
fn replace(code: &mut Code, at: usize, instruction: &str) {
    code.line(format!(
        "{} dup mem_load {instruction} swap mem_store",
        slot(at)
    ));
}

/// Puts what `instruction` makes of it in place of the element at a position of the stack.
fn replace_on_stack(code: &mut Code, at: usize, instruction: &str) {
    let line = format!("{} {instruction} {}", move_up(at), move_down(at));
    code.line(line.trim());
}

/// `[place] -> [place + at, place]`
fn slot(at: usize) -> String {
    // Adding nothing would cost a cycle.
    if at == 0 {
        "dup".into()
    } else {
        format!("dup add.{at}")
    }
}

/// `[place] -> [element at place + at, place]`
fn load(at: usize) -> String {
    format!("{} mem_load", slot(at))
}

/// The most elements that a procedure has on the stack when it is entered.
const _: () = assert!(MAX_FLAT == CROSSING);
