//! Lowering and lifting: the code that takes values apart on one side of a boundary and puts them
//! together, and checks them, on the other.

use super::{
    ABI_MODULE,
    checks::{
        CHECK_INTEGERS, Check, ListCheck, cases_with, check_integers, integer_len, leaves,
        needs_check,
    },
    code::{Code, move_down, move_up},
    crossing::{Crossing, Depth},
};
use crate::{
    abi::{FlatValues, flat_len, has_pointers},
    bindings::resources::Handles,
    wit::{ResourceName, Type},
};

/// Where messages are put together; `abi.masm` has it as `SCRATCH`.
const SCRATCH: usize = 0x4000_0040;

/// The way in which the functions of a module pass values: the types of their lists, for each of
/// which the module has two procedures, and how their handles are sent and received.
#[derive(Debug)]
pub(super) struct ValueGlue<'a> {
    elements: Vec<Type>,
    handles: Handles<'a>,
}

impl<'a> ValueGlue<'a> {
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
            code.words(&times(size));
            code.line("dup movdn.4 dup.2 mem_load");
            code.line("push.0 movup.4 mem_store");
            // => [ptr, count, cursor, place, count]
            code.line(format!("exec.::{ABI_MODULE}::append"));
            // => [item, cursor', place, count]
            if is_sent(element) {
                code.line("dup movup.4 add movdn.3");
                // => [item, cursor', place, last]
                code.line("dup dup.4 neq");
                code.block("while.true", |code| {
                    self.send_value(code, element, 0);
                    code.line(format!("add.{size} dup dup.4 neq"));
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
            let available = match size {
                1 => String::new(),
                _ => format!("u32div.{size}"),
            };
            code.words(&format!("dup.4 dup.4 sub {available} dup.1"));
            code.line("u32gte assert.err=\"canonical ABI: list-length\"");
            // => [len, slot, place, cursor, end]
            code.line("dup.3 movup.2 mem_store");
            code.words(&times(size));
            // => [count, place, cursor, end]
            let check = ListCheck::of(element);
            match &check {
                ListCheck::Nothing => {
                    code.line("add.3 u32div.4 mul.4 movup.2 add swap");
                }
                ListCheck::Integers | ListCheck::Elements(_) => {
                    code.line("add.3 u32div.4 dup mul.4 dup.3 add swap movup.3");
                    // => [cursor, words, cursor', place, end]
                    code.line(match check {
                        ListCheck::Integers => format!("exec.::{ABI_MODULE}::check_integers"),
                        _ => format!("exec.check_list_{number}"),
                    });
                    code.line("swap");
                }
                ListCheck::Values => {
                    code.line("dup add.3 u32div.4 mul.4 dup.3 add swap dup.3 add");
                    // => [last, cursor', place, cursor, end]
                    code.line("movup.4 movup.2 movup.4");
                    // => [item, cursor', end, last, place]
                    code.line("dup dup.4 neq");
                    code.block("while.true", |code| {
                        self.receive_value(code, element, 0);
                        code.line(format!("add.{size} dup dup.4 neq"));
                    });
                    code.line("drop movup.2 drop movup.2");
                }
            }
        });
        if let ListCheck::Elements(check) = ListCheck::of(element) {
            check_elements(code, number, element, &check);
        }
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
                code.line(format!("{CHECK_INTEGERS} drop drop"));
            }
            _ => {
                if let Some(check) = Check::of(ty) {
                    code.line(format!("{} {}", load(at), check.taken()));
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
    fn lower(&mut self, code: &mut Code, passing: &FlatValues) {
        if !passing.by_message {
            for (at, ty) in passing.placed() {
                self.send_stack(code, ty, at);
            }
            return;
        }
        let length = passing.flat.len();
        let behind = SCRATCH + length.next_multiple_of(4);
        if passing.on_stack() {
            for at in (0..length).step_by(4) {
                let turned = match length - at {
                    1 => "push.0.0.0",
                    2 => "swap push.0.0",
                    3 => "swap movup.2 push.0",
                    _ => "swap movup.2 movup.3",
                };
                // The highest address has the top of the stack.
                code.line(format!("{turned} mem_storew_be.{} dropw", SCRATCH + at));
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

    /// A call of a stub, or of a hash, with the parameters and the result in the form that they have inside an
    /// instance.
    pub(super) fn call(
        &mut self,
        code: &mut Code,
        callee: &str,
        params: &FlatValues,
        results: &FlatValues,
    ) {
        let (sent, received) = (Transfer::of_top(params), Transfer::of_top(results));
        if sent.is_none() {
            self.lower(code, params);
        }
        let crossing = Crossing::new(params, results);
        crossing.keep(code);
        if let Some(sent) = sent {
            code.line(self.handles.send(sent.of, sent.own));
        }
        code.line(format!("call.{callee}"));
        if let Some(received) = &received {
            code.line(self.handles.receive(received.of, received.own));
        }
        crossing.restore(code);
        match received {
            Some(_) => self.check_below_handle(code, results),
            None if crossing.checks_result() => {}
            None => self.lift(code, results),
        }
    }

    /// The code of an export that handles its results before it returns.
    pub(super) fn send_results(&mut self, code: &mut Code, results: &FlatValues, depth: Depth) {
        match Transfer::of_top(results) {
            Some(sent) => {
                depth.lower(code);
                code.line(self.handles.send(sent.of, sent.own));
            }
            None => {
                self.lower(code, results);
                depth.lower(code);
            }
        }
    }

    /// The code of an export that handles its parameters before its procedure is executed.
    pub(super) fn receive_params(&mut self, code: &mut Code, params: &FlatValues, depth: Depth) {
        let elements = leaves(&params.types);
        let all_integers = elements.iter().all(|(_, ty)| integer_len(ty) > 0);
        if !params.by_message && all_integers && depth.checks_copies() {
            // Going around once, all parameters come by the top, where they are checked.
            let length = params.flat.len();
            let turn = format!("dup.{} ", length.saturating_sub(1));
            let checked = format!("{turn}{turn}{CHECK_INTEGERS} ");
            let last = format!("{turn}{CHECK_INTEGERS}");
            code.words(&(checked.repeat(length / 2) + &last.repeat(length % 2)));
        } else {
            self.lift(code, params);
        }
    }

    /// From the form at the boundary to the form inside an instance; traps if a rule is broken.
    fn lift(&mut self, code: &mut Code, passing: &FlatValues) {
        if !passing.by_message {
            self.receive_flat(code, passing);
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

    /// Checks what is flat on the stack, and receives its handles.
    fn receive_flat(&mut self, code: &mut Code, passing: &FlatValues) {
        let (integers, mut others) = by_check(passing);
        // Receiving what is on top takes no instruction but the call: the others come after it, in one block with
        // those of the procedure.
        let on_top =
            |(at, ty): &(usize, &Type)| *at == 0 && matches!(ty, Type::Own(_) | Type::Borrow(_));
        if others.first().is_some_and(on_top) {
            let (at, ty) = others.remove(0);
            self.receive_stack(code, ty, at);
        }
        check_integers(code, &integers);
        for (at, ty) in others {
            self.receive_stack(code, ty, at);
        }
    }

    /// Checks what is flat on the stack below the handle on top, which was received and is the only one.
    fn check_below_handle(&mut self, code: &mut Code, passing: &FlatValues) {
        let (integers, others) = by_check(passing);
        check_integers(code, &integers);
        for (at, ty) in others.into_iter().skip(1) {
            self.receive_stack(code, ty, at);
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
                check_integers(code, &[at, at + 1]);
            }
            _ => {
                match Check::of(ty) {
                    Some(check) if at == 0 => code.line(check.kept()),
                    Some(check) => code.line(format!("dup.{at} {}", check.taken())),
                    None => {}
                }
                let cases = cases_with(ty, needs_check);
                self.cases(code, &cases, &format!("dup.{at}"), &|lists, code, ty| {
                    lists.receive_stack(code, ty, at + 1);
                });
            }
        }
    }
}

/// A handle on top of the stack that is the only one in some values. Nothing has to be moved to send or to receive it, so
/// that there are no instructions, and no block, between that and the call or return.
#[derive(Debug, Clone, Copy)]
struct Transfer<'t> {
    /// The resource type.
    of: &'t ResourceName,
    /// `true` if it is given away.
    own: bool,
}

impl<'t> Transfer<'t> {
    fn of_top(values: &'t FlatValues) -> Option<Self> {
        if values.by_message {
            return None;
        }
        let leaves = leaves(&values.types);
        let ((_, first), others) = leaves.split_first()?;
        if others.iter().any(|(_, ty)| ty.has_handles()) {
            return None;
        }
        match first {
            Type::Own(of) => Some(Self { of, own: true }),
            Type::Borrow(of) => Some(Self { of, own: false }),
            _ => None,
        }
    }
}

/// The positions of elements that are right if they are below 2^32, and all other parts of values with their positions.
fn by_check(values: &FlatValues) -> (Vec<usize>, Vec<(usize, &Type)>) {
    let (mut integers, mut others) = (Vec::new(), Vec::new());
    for (at, ty) in leaves(&values.types) {
        match integer_len(ty) {
            0 => others.push((at, ty)),
            length => integers.extend(at..at + length),
        }
    }
    (integers, others)
}

/// Returns `true` if there is more to sending a value than copying its flat form.
fn is_sent(ty: &Type) -> bool {
    has_pointers(ty) || ty.has_handles()
}

/// `[ptr, words] -> []`: a procedure that traps unless all elements of some words are right.
fn check_elements(code: &mut Code, number: usize, element: &Type, check: &Check) {
    code.line("");
    code.docs(&format!(
        "Traps unless all elements of some words are `{element}`.\n\n\
         Inputs:  [ptr, words]\nOutputs: []"
    ));
    code.block(format!("proc check_list_{number}"), |code| {
        code.line(format!("exec.::{ABI_MODULE}::begin_check"));
        code.block("while.true", |code| {
            code.line("mem_stream");
            code.block("repeat.8", |code| {
                code.line(format!("movup.7 {}", check.kept()));
            });
            code.line("dup.12 dup.14 neq");
        });
        code.line("movup.14");
        code.block("if.true", |code| {
            code.line("dup.12 mem_loadw_be");
            code.block("repeat.4", |code| {
                code.line(format!("movup.3 {}", check.kept()));
            });
        });
        code.line(format!("exec.::{ABI_MODULE}::end_check"));
    });
}

/// The instruction that makes a number of elements of a number of values.
fn times(size: usize) -> String {
    // Multiplying by one would cost cycles.
    match size {
        1 => String::new(),
        _ => format!("mul.{size}"),
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
