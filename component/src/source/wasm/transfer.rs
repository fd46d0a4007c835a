//! Code that moves values between linear memory, or core values, and elements.
//!
//! Core values are in memory, two elements each, the lower half first, since there can be more of them
//! than elements in reach on the stack. The alignment of what is read and written is known: whoever has
//! an address checks it.

use miden_cvm_wasm::ValueType;

use super::layout::{core_types, discriminant, layout, payload_offset, payload_types, sequence};
use crate::{
    abi::{flat_len, payloads},
    bindings::{Check, Code},
    wit::Type,
};

/// Where core values are; behind what `boundary.masm` has, and before its `HEAP`.
pub(super) const CORE: u32 = 0x2000_0010;

/// The code of the module's own that stands between it and the bindings.
#[derive(Debug, Default)]
pub(super) struct Transfer {
    /// Elements of the lists that are read.
    lifted: Vec<Type>,
    /// Elements of the lists that are written.
    lowered: Vec<Type>,
    /// The alignment with which memory is asked for.
    given: Vec<u64>,
}

/// A procedure for a type, by its place among those that there are.
fn number(known: &mut Vec<Type>, ty: &Type) -> usize {
    match known.iter().position(|known| known == ty) {
        Some(number) => number,
        None => {
            known.push(ty.clone());
            known.len() - 1
        }
    }
}

/// `add.n`, or nothing.
fn plus(offset: u64) -> String {
    match offset {
        0 => String::new(),
        offset => format!(" add.{offset}"),
    }
}

/// Where a core value is, and its higher half.
pub(super) fn core(number: usize) -> (u32, u32) {
    let first = CORE + 2 * number as u32;
    (first, first + 1)
}

/// The parts of a value that is a sequence of others, in order.
fn parts(ty: &Type) -> Option<Vec<&Type>> {
    match ty {
        Type::Tuple(types) => Some(types.iter().collect()),
        Type::Record(fields) => Some(fields.iter().map(|field| &field.ty).collect()),
        _ => None,
    }
}

/// The parts of a value with their offsets in bytes and in elements.
fn placed<'t>(parts: &[&'t Type]) -> Vec<(u64, usize, &'t Type)> {
    let (offsets, _) = sequence(parts.iter().copied());
    let mut at = 0;
    let placed = offsets.into_iter().zip(parts).map(|(offset, ty)| {
        let place = (offset, at, *ty);
        at += flat_len(ty);
        place
    });
    placed.collect()
}

/// `[integer] -> [element]`: makes an integer of the module a value of its type, as the Canonical ABI does:
/// what is above it is cut; other numbers than those of cases and characters trap.
pub(super) fn lift_scalar(code: &mut Code, ty: &Type) {
    match ty {
        Type::Bool => code.line("neq.0"),
        Type::U8 => code.line("push.255 u32and"),
        Type::U16 => code.line("push.65535 u32and"),
        Type::S8 => code.line("push.255 u32and push.128 u32xor push.128 u32wrapping_sub"),
        Type::S16 => code.line("push.65535 u32and push.32768 u32xor push.32768 u32wrapping_sub"),
        Type::Flags(flags) if flags.len() < 32 => {
            code.line(format!("push.{} u32and", (1_u64 << flags.len()) - 1));
        }
        Type::Flags(_) | Type::U32 | Type::S32 => {}
        _ => {
            if let Some(check) = Check::of(ty) {
                code.line(check.kept());
            }
        }
    }
}

impl Transfer {
    /// `[address, place] -> [address, place]`: reads the value at `address + offset` to `place + at`.
    pub(super) fn load(&mut self, code: &mut Code, ty: &Type, offset: u64, at: usize) {
        let read = |size: u64, offset: u64| {
            format!("dup{} exec.::wasm::rt_read{}", plus(offset), 8 * size)
        };
        let write = |depth: usize, at: usize| format!("dup.{depth}{} mem_store", plus(at as u64));
        if let Some(parts) = parts(ty) {
            for (part, element, ty) in placed(&parts) {
                self.load(code, ty, offset + part, at + element);
            }
            return;
        }
        match ty {
            Type::String | Type::List(_) => {
                let list = self.lift_list(ty);
                code.line(format!(
                    "dup.1{} dup.1{} exec.::wasm::rt_read32 dup.2{} exec.::wasm::rt_read32 {list}",
                    plus(at as u64),
                    plus(offset + 4),
                    plus(offset),
                ));
            }
            Type::U64 | Type::S64 => {
                code.line(format!("{} {}", read(4, offset + 4), write(2, at)));
                code.line(format!("{} {}", read(4, offset), write(2, at + 1)));
            }
            Type::Felt => {
                code.line(format!(
                    "{} dup.1{} exec.::wasm::rt_read32 exec.felt {}",
                    read(4, offset),
                    plus(offset + 4),
                    write(2, at)
                ));
            }
            Type::Variant(_) | Type::Option(_) | Type::Result { .. } => {
                code.line(read(discriminant(ty), offset));
                lift_scalar(code, ty);
                code.line(write(2, at));
                clear_payload(code, ty, 2, at);
                let offset = offset + payload_offset(ty);
                let case = format!("dup.1{} mem_load", plus(at as u64));
                self.cases(code, ty, &case, &mut |this, code, ty| {
                    this.load(code, ty, offset, at + 1);
                });
            }
            _ => {
                code.line(read(layout(ty).0, offset));
                // Linear memory has no more than the integer's own bits.
                if !matches!(ty, Type::U8 | Type::U16) {
                    lift_scalar(code, ty);
                }
                code.line(write(2, at));
            }
        }
    }

    /// `[address, place] -> [address, place]`: writes the value at `place + at` to `address + offset`.
    pub(super) fn store(&mut self, code: &mut Code, ty: &Type, offset: u64, at: usize) {
        let read = |at: usize| format!("dup.1{} mem_load", plus(at as u64));
        let write = |size: u64, depth: usize, offset: u64| {
            format!(
                "dup.{depth}{} exec.::wasm::rt_write{}",
                plus(offset),
                8 * size
            )
        };
        if let Some(parts) = parts(ty) {
            for (part, element, ty) in placed(&parts) {
                self.store(code, ty, offset + part, at + element);
            }
            return;
        }
        match ty {
            Type::String | Type::List(_) => {
                let list = self.lower_list(ty);
                code.line(format!("dup.1{} {list}", plus(at as u64)));
                code.line(write(4, 2, offset));
                code.line(write(4, 1, offset + 4));
            }
            Type::U64 | Type::S64 => {
                code.line(format!("{} {}", read(at), write(4, 1, offset + 4)));
                code.line(format!("{} {}", read(at + 1), write(4, 1, offset)));
            }
            Type::Felt => {
                code.line(format!("{} u32split", read(at)));
                code.line(write(4, 2, offset + 4));
                code.line(write(4, 1, offset));
            }
            Type::Variant(_) | Type::Option(_) | Type::Result { .. } => {
                code.line(format!(
                    "{} {}",
                    read(at),
                    write(discriminant(ty), 1, offset)
                ));
                let offset = offset + payload_offset(ty);
                self.cases(code, ty, &read(at), &mut |this, code, ty| {
                    this.store(code, ty, offset, at + 1);
                });
            }
            _ => code.line(format!("{} {}", read(at), write(layout(ty).0, 1, offset))),
        }
    }

    /// `[place] -> [place]`: makes core values, from number `first` on, the value at `place + at`.
    pub(super) fn lift(&mut self, code: &mut Code, ty: &Type, first: usize, at: usize) {
        let write = |at: usize| format!("dup.1{} mem_store", plus(at as u64));
        if let Some(parts) = parts(ty) {
            let mut number = first;
            for (_, element, ty) in placed(&parts) {
                self.lift(code, ty, number, at + element);
                number += core_types(ty).len();
            }
            return;
        }
        let (low, high) = core(first);
        match ty {
            Type::String | Type::List(_) => {
                let (length, _) = core(first + 1);
                let list = self.lift_list(ty);
                let place = plus(at as u64);
                code.line(format!(
                    "dup{place} mem_load.{length} mem_load.{low} {list}"
                ));
            }
            Type::U64 | Type::S64 => {
                code.line(format!("mem_load.{high} {}", write(at)));
                code.line(format!("mem_load.{low} {}", write(at + 1)));
            }
            Type::Felt => {
                code.line(format!(
                    "mem_load.{low} mem_load.{high} exec.felt {}",
                    write(at)
                ));
            }
            Type::Variant(_) | Type::Option(_) | Type::Result { .. } => {
                code.line(format!("mem_load.{low}"));
                lift_scalar(code, ty);
                code.line(write(at));
                clear_payload(code, ty, 1, at);
                let case = format!("mem_load.{low}");
                self.cases(code, ty, &case, &mut |this, code, ty| {
                    this.lift(code, ty, first + 1, at + 1);
                });
            }
            _ => {
                code.line(format!("mem_load.{low}"));
                lift_scalar(code, ty);
                code.line(write(at));
            }
        }
    }

    /// `[place] -> [place]`: makes the value at `place + at` core values, from number `first` on.
    pub(super) fn lower(&mut self, code: &mut Code, ty: &Type, first: usize, at: usize) {
        let read = |at: usize| format!("dup{} mem_load", plus(at as u64));
        if let Some(parts) = parts(ty) {
            let mut number = first;
            for (_, element, ty) in placed(&parts) {
                self.lower(code, ty, number, at + element);
                number += core_types(ty).len();
            }
            return;
        }
        let (low, high) = core(first);
        match ty {
            Type::String | Type::List(_) => {
                let (length, _) = core(first + 1);
                let list = self.lower_list(ty);
                let place = plus(at as u64);
                code.line(format!(
                    "dup{place} {list} mem_store.{low} mem_store.{length}"
                ));
            }
            Type::U64 | Type::S64 => {
                code.line(format!("{} mem_store.{high}", read(at)));
                code.line(format!("{} mem_store.{low}", read(at + 1)));
            }
            Type::Felt => {
                code.line(format!(
                    "{} u32split mem_store.{high} mem_store.{low}",
                    read(at)
                ));
            }
            Type::Variant(_) | Type::Option(_) | Type::Result { .. } => {
                code.line(format!("{} mem_store.{low}", read(at)));
                // What the case does not have is zero, and so are upper halves of what others have longer.
                for (number, ty) in (first + 1..).zip(payload_types(ty)) {
                    let (low, high) = core(number);
                    code.line(format!("push.0 mem_store.{low}"));
                    if ty == ValueType::I64 {
                        code.line(format!("push.0 mem_store.{high}"));
                    }
                }
                self.cases(code, ty, &read(at), &mut |this, code, ty| {
                    this.lower(code, ty, first + 1, at + 1);
                });
            }
            _ => code.line(format!("{} mem_store.{low}", read(at))),
        }
    }

    /// Does `step` for the value of the case that `load` finds.
    fn cases(
        &mut self,
        code: &mut Code,
        ty: &Type,
        load: &str,
        step: &mut dyn FnMut(&mut Self, &mut Code, &Type),
    ) {
        let cases = payloads(ty).into_iter().enumerate();
        let cases = cases.filter_map(|(case, payload)| Some((case, payload?)));
        let mut rest = Code::default();
        for (case, payload) in cases.collect::<Vec<_>>().into_iter().rev() {
            let mut taken = Code::default();
            step(self, &mut taken, payload);
            let mut chosen = Code::default();
            chosen.line(format!("{load} eq.{case}"));
            chosen.branch(taken, rest);
            rest = chosen;
        }
        code.add(rest);
    }

    /// `[ptr, length, place] -> []`: reads a list, checks it, and puts its address and length in elements
    /// to `place`.
    fn lift_list(&mut self, ty: &Type) -> String {
        match ty {
            Type::List(element) => format!("exec.lift_list_{}", number(&mut self.lifted, element)),
            _ => "exec.lift_string".into(),
        }
    }

    /// `[place] -> [ptr, length]`: writes the list whose address and length in elements are at `place`.
    fn lower_list(&mut self, ty: &Type) -> String {
        match ty {
            Type::List(element) => {
                format!("exec.lower_list_{}", number(&mut self.lowered, element))
            }
            _ => {
                self.give(1);
                "exec.lower_string".into()
            }
        }
    }

    /// `[bytes] -> [ptr]`: asks the module for memory.
    pub(super) fn give(&mut self, alignment: u64) -> String {
        if !self.given.contains(&alignment) {
            self.given.push(alignment);
        }
        format!("exec.give_{alignment}")
    }

    /// Returns `true` if the module is asked for memory.
    pub(super) fn gives(&self) -> bool {
        !self.given.is_empty()
    }

    /// The procedures that have been asked for. `realloc` is the module's.
    pub(super) fn procedures(mut self, code: &mut Code, realloc: &str) {
        let (mut lifted, mut lowered) = (0, 0);
        // Lists of lists ask for more.
        loop {
            if let Some(element) = self.lifted.get(lifted).cloned() {
                self.lift_procedure(code, lifted, &element);
                lifted += 1;
            } else if let Some(element) = self.lowered.get(lowered).cloned() {
                self.lower_procedure(code, lowered, &element);
                lowered += 1;
            } else {
                break;
            }
        }
        for alignment in &self.given {
            code.line("");
            code.docs("Memory of the module's.\n\nInputs:  [bytes]\nOutputs: [ptr]");
            code.block(format!("proc give_{alignment}"), |code| {
                code.line("u32assert.err=\"canonical ABI: list-length\"");
                code.line("push.1 push.IS_INSIDE mem_store");
                code.line(format!(
                    "dup push.{alignment} push.0 push.0 exec.::{realloc}"
                ));
                code.line("push.0 push.IS_INSIDE mem_store");
                code.line(format!("exec.span_{alignment}"));
            });
        }
    }

    fn lift_procedure(&mut self, code: &mut Code, number: usize, element: &Type) {
        let ((size, alignment), length) = (layout(element), flat_len(element));
        code.line("");
        code.docs(&format!(
            "Reads a `list<{element}>`.\n\nInputs:  [ptr, length, place]\nOutputs: []"
        ));
        code.block(format!("proc lift_list_{number}"), |code| {
            code.line(format!("dup.1 mul.{size} swap exec.span_{alignment}"));
            // => [ptr, length, place]
            code.line("dup.1 dup.3 add.1 mem_store");
            code.line(format!(
                "dup.1 mul.{length} exec.room dup movup.4 mem_store"
            ));
            // => [item, ptr, length]
            if *element == Type::U8 {
                code.line("swap exec.read_bytes");
                return;
            }
            code.line("swap dup.2 neq.0");
            code.block("while.true", |code| {
                self.load(code, element, 0, 0);
                code.line(format!("add.{size} swap add.{length} swap"));
                code.line("movup.2 sub.1 movdn.2 dup.2 neq.0");
            });
            code.line("drop drop drop");
        });
    }

    fn lower_procedure(&mut self, code: &mut Code, number: usize, element: &Type) {
        let ((size, alignment), length) = (layout(element), flat_len(element));
        let give = self.give(alignment);
        code.line("");
        code.docs(&format!(
            "Writes a `list<{element}>`.\n\nInputs:  [place]\nOutputs: [ptr, length]"
        ));
        code.block(format!("proc lower_list_{number}"), |code| {
            code.line("dup mem_load swap add.1 mem_load");
            // => [length, item]
            code.line(format!("dup mul.{size} {give}"));
            // => [ptr, length, item]
            code.line("movup.2 dup.2 swap dup.2");
            // => [to, item, left, ptr, length]
            if *element == Type::U8 {
                code.line("exec.write_bytes");
                return;
            }
            code.line("dup.2 neq.0");
            code.block("while.true", |code| {
                self.store(code, element, 0, 0);
                code.line(format!("add.{size} swap add.{length} swap"));
                code.line("movup.2 sub.1 movdn.2 dup.2 neq.0");
            });
            code.line("drop drop drop");
        });
    }
}

/// Makes the elements zero that a case could leave as they are; the place is `depth` below what is pushed.
fn clear_payload(code: &mut Code, ty: &Type, depth: usize, at: usize) {
    let length = flat_len(ty) - 1;
    let lengths = payloads(ty).into_iter();
    let shortest = lengths.map(|case| case.map_or(0, flat_len)).min();
    for element in shortest.unwrap_or(length)..length {
        let place = plus((at + 1 + element) as u64);
        code.line(format!("push.0 dup.{depth}{place} mem_store"));
    }
}
