//! The code that each instruction becomes.

use crate::{
    emit::{Emitted, Emitter, Way},
    facts::Fact,
    ir::{Arg, Inst, Op, Width},
    layout::{TYPE, TableSize},
    machine::Loc,
};

const AS_GIVEN: &[&[usize]] = &[&[0, 1]];
const EITHER: &[&[usize]] = &[&[0, 1], &[1, 0]];

impl Emitter<'_> {
    fn fact(&self, arg: Arg) -> Fact {
        self.facts.of(arg)
    }

    /// The greatest sum of values.
    fn sum(&self, args: &[Arg]) -> u64 {
        args.iter().map(|arg| u64::from(self.fact(*arg).max)).sum()
    }

    pub(super) fn inst(&mut self, inst: &Inst) -> Emitted {
        self.offset = inst.offset;
        let args = inst.args.as_slice();
        let max = u64::from(u32::MAX);
        let product =
            |this: &Self| u64::from(this.fact(args[0]).max) * u64::from(this.fact(args[1]).max);
        match &inst.op {
            Op::Add if self.sum(args) <= max => self.add_small(args)?,
            Op::Add => self.simple(args, EITHER, "u32wrapping_add")?,
            Op::Add3 => {
                let orders: &[&[usize]] = &[
                    &[0, 1, 2],
                    &[1, 0, 2],
                    &[2, 1, 0],
                    &[2, 0, 1],
                    &[0, 2, 1],
                    &[1, 2, 0],
                ];
                let small = self.sum(args) <= max;
                let code = if small { "add add" } else { "u32wrapping_add3" };
                self.simple(args, orders, code)?;
            }
            Op::AddCarry => self.simple(args, EITHER, "u32overflowing_add")?,
            Op::Add3Carry => {
                let orders: &[&[usize]] = &[&[0, 1, 2], &[1, 0, 2], &[2, 1, 0], &[2, 0, 1]];
                self.simple(args, orders, "u32overflowing_add3")?;
            }
            Op::Sub => self.simple(args, AS_GIVEN, "u32wrapping_sub")?,
            Op::SubBorrow => self.simple(args, AS_GIVEN, "u32overflowing_sub")?,
            Op::Mul if product(self) <= max => self.simple(args, EITHER, "mul")?,
            Op::Mul => self.simple(args, EITHER, "u32wrapping_mul")?,
            Op::MulWide => self.simple(args, EITHER, "u32overflowing_mul")?,
            Op::MulAdd => {
                self.simple(args, &[&[2, 0, 1], &[2, 1, 0]], "u32wrapping_madd")?;
            }
            Op::MulAddWide => {
                self.simple(args, &[&[2, 0, 1], &[2, 1, 0]], "u32overflowing_madd")?;
            }
            Op::DivU => self.simple(args, AS_GIVEN, "u32div")?,
            Op::RemU => match args[1] {
                Arg::Const(by) if by.is_power_of_two() => {
                    let masked = [args[0], Arg::Const(by - 1)];
                    self.simple(&masked, AS_GIVEN, "u32and")?;
                }
                _ => self.simple(args, AS_GIVEN, "u32mod")?,
            },
            Op::And => self.simple(args, EITHER, "u32and")?,
            Op::Xor => self.simple(args, EITHER, "u32xor")?,
            Op::Or => self.or(args)?,
            Op::Shl | Op::ShrU | Op::ShrS | Op::Rotl | Op::Rotr => self.shift(&inst.op, args)?,
            Op::Eqz => self.simple(args, &[&[0]], "eq.0")?,
            Op::BothZero => self.simple(args, EITHER, "add eq.0")?,
            Op::Eq => self.simple(args, EITHER, "eq")?,
            Op::Ne => self.simple(args, EITHER, "neq")?,
            Op::LtU => self.simple(args, AS_GIVEN, "u32lt")?,
            Op::LeU => match args {
                [a, Arg::Const(b)] if *b < u32::MAX => {
                    let next = [*a, Arg::Const(b + 1)];
                    self.simple(&next, AS_GIVEN, "u32lt")?;
                }
                [Arg::Const(a), b] if *a > 0 => {
                    let before = [Arg::Const(a - 1), *b];
                    self.simple(&before, AS_GIVEN, "u32lt")?;
                }
                _ => self.simple(args, &[&[1, 0]], "u32lt not")?,
            },
            Op::LtS | Op::LeS => self.signed(&inst.op, args)?,
            Op::Below => self.simple(
                args,
                &[&[0, 1, 2], &[0, 2, 1]],
                "add sub u32split swap drop neq.0",
            )?,
            Op::NotBelow => {
                self.simple(
                    args,
                    &[&[0, 1, 2], &[0, 2, 1]],
                    "add sub u32split swap drop eq.0",
                )?;
            }
            Op::Select => self.select(args)?,
            Op::Ext8 => {
                let mask = self.fact(args[0]).max > 0xff;
                self.arrange(args, &[&[0]])?;
                if mask {
                    self.line("push.255 u32and");
                }
                self.line("push.128 u32xor push.128 u32wrapping_sub");
            }
            Op::Ext16 => {
                let mask = self.fact(args[0]).max > 0xffff;
                self.arrange(args, &[&[0]])?;
                if mask {
                    self.line("push.65535 u32and");
                }
                self.line("push.32768 u32xor push.32768 u32wrapping_sub");
            }
            Op::Runtime(name, _) => {
                let order: Vec<usize> = (0..args.len()).collect();
                self.arrange(args, &[&order])?;
                self.runtime(name);
            }
            Op::Load(width, signed, offset) => self.load(*width, *signed, *offset, args)?,
            Op::Store(width, offset) => self.store(*width, *offset, args)?,
            Op::CellGet(cell) => self.line(format!("mem_load.{cell}")),
            Op::CellSet(cell) => {
                self.arrange(args, &[&[0]])?;
                self.line(format!("mem_store.{cell}"));
            }
            Op::MemorySize => match self.layout.grows {
                true => self.line(format!("mem_load.{}", self.layout.pages)),
                false => {
                    let pages = self.layout.memory.map_or(0, |memory| memory.pages);
                    self.line(format!("push.{pages}"));
                }
            },
            Op::Call(_) => return self.call(inst),
        }
        self.results(&inst.results);
        Ok(())
    }

    fn simple(&mut self, args: &[Arg], orders: &[&[usize]], code: &str) -> Emitted {
        self.arrange(args, orders)?;
        self.line(code);
        Ok(())
    }

    fn runtime(&mut self, name: &'static str) {
        self.runtime.insert(name);
        self.line(format!("exec.rt_{name}"));
    }

    /// A sum of 32 bits.
    fn add_small(&mut self, args: &[Arg]) -> Emitted {
        match args {
            [a, Arg::Const(1)] => self.simple(&[*a], &[&[0]], "add.1"),
            _ => self.simple(args, EITHER, "add"),
        }
    }

    fn or(&mut self, args: &[Arg]) -> Emitted {
        let (a, b) = (self.fact(args[0]), self.fact(args[1]));
        let apart = |low: Fact, high: Fact| u64::from(low.max) < 1 << high.zeros;
        if apart(a, b) || apart(b, a) {
            return self.simple(args, EITHER, "add");
        }
        match args {
            [a, Arg::Const(bits)] => {
                self.arrange(&[*a], &[&[0]])?;
                self.line(format!("push.{} u32and push.{bits} add", !bits));
                Ok(())
            }
            _ => self.simple(args, EITHER, "u32or"),
        }
    }

    /// From the number of bits on top to its power of two, without the bits above the lowest five.
    fn power(&mut self, count: Fact) {
        if count.max > 31 {
            self.line("push.31 u32and");
        }
        self.line(format!("push.{} add mem_load", self.layout.powers));
    }

    fn shift(&mut self, op: &Op, args: &[Arg]) -> Emitted {
        let (value, count) = (self.fact(args[0]), self.fact(args[1]));
        let positive = value.max < 1 << 31;
        if let Arg::Const(count) = args[1] {
            self.arrange(&args[..1], &[&[0]])?;
            let power = 1_u64 << count;
            let code = match op {
                Op::Shl if u64::from(value.max) * power < 1 << 32 => format!("push.{power} mul"),
                Op::Shl => format!("push.{power} u32wrapping_mul"),
                Op::ShrU => format!("push.{power} u32div"),
                Op::ShrS if positive => format!("push.{power} u32div"),
                Op::ShrS if count == 31 => "push.2147483648 u32div push.4294967295 mul".to_owned(),
                Op::ShrS => format!(
                    "push.2147483648 u32xor push.{power} u32div push.{} u32wrapping_sub",
                    (1_u64 << 31) >> count
                ),
                Op::Rotl => format!("push.{power} u32overflowing_mul add"),
                _ => format!("push.{} u32overflowing_mul add", 1_u64 << (32 - count)),
            };
            self.line(code);
            return Ok(());
        }
        self.arrange(args, AS_GIVEN)?;
        match op {
            Op::Rotr => {
                if count.max > 31 {
                    self.line("push.31 u32and");
                }
                let last = self.layout.powers + 32;
                self.line(format!("neg push.{last} add mem_load mul u32split add"));
            }
            _ => {
                self.power(count);
                self.line(match op {
                    Op::Shl => "u32wrapping_mul",
                    Op::ShrU => "u32div",
                    Op::ShrS if positive => "u32div",
                    Op::ShrS => {
                        "swap push.2147483648 u32xor dup.1 u32div swap push.2147483648 swap u32div u32wrapping_sub"
                    }
                    _ => "u32overflowing_mul add",
                });
            }
        }
        Ok(())
    }

    fn signed(&mut self, op: &Op, args: &[Arg]) -> Emitted {
        let flipped = |arg: Arg| match arg {
            Arg::Const(value) => Some(Arg::Const(value ^ (1 << 31))),
            _ => None,
        };
        // With less-or-equal the operands change places, and the truth its value.
        let (less, negated) = match op {
            Op::LtS => ([args[0], args[1]], false),
            _ => ([args[1], args[0]], true),
        };
        let end = if negated { "u32lt not" } else { "u32lt" };
        let flip = "push.2147483648 u32xor";
        let positive = |this: &Self, arg: Arg| this.fact(arg).max < 1 << 31;
        if less == [args[0], Arg::Const(0)] && !negated {
            return self.simple(&less[..1], &[&[0]], "push.2147483648 u32div");
        }
        if negated && less[1] == Arg::Const(0) {
            return self.simple(&less[..1], &[&[0]], "push.2147483648 u32lt");
        }
        if positive(self, less[0]) && positive(self, less[1]) {
            return self.simple(&less, AS_GIVEN, end);
        }
        match (flipped(less[0]), flipped(less[1])) {
            (_, Some(Arg::Const(b))) => {
                self.arrange(&less[..1], &[&[0]])?;
                self.line(format!("{flip} push.{b} {end}"));
            }
            (Some(Arg::Const(a)), _) => {
                self.arrange(&less[1..], &[&[0]])?;
                self.line(format!("{flip} push.{a} swap {end}"));
            }
            _ => {
                self.arrange(&less, &[&[1, 0]])?;
                self.line(format!("{flip} swap {flip} {end}"));
            }
        }
        Ok(())
    }

    fn select(&mut self, args: &[Arg]) -> Emitted {
        if self.fact(args[0]).max <= 1 {
            let number = self.arrange(args, &[&[2, 1, 0], &[1, 2, 0]])?;
            self.line(if number == 0 { "cdrop" } else { "not cdrop" });
        } else {
            self.arrange(args, &[&[1, 2, 0]])?;
            self.line("eq.0 cdrop");
        }
        Ok(())
    }

    // LINEAR MEMORY

    /// Traps unless the address on top is that of an element the memory has by now.
    fn guard(&mut self) {
        if self.layout.grows {
            self.line(format!(
                "dup.0 mem_load.{} add u32assert2.err=\"wasm: out of bounds memory access\" drop",
                self.layout.guard
            ));
        }
    }

    /// From a byte address on top to the address of its element. It is one only if the byte address is
    /// in bounds and aligned.
    fn element(&mut self, offset: u64) {
        self.element_from(offset, 0);
    }

    /// The same for an access that is at a place in its element.
    fn element_from(&mut self, offset: u64, place: u32) {
        let scale = crate::layout::Layout::scale();
        let base = self.layout.base(offset, place);
        self.line(format!("push.{scale} mul push.{base} add"));
    }

    /// From a byte address on top to its place in the element, counted from its end, and the element's
    /// address below it.
    fn place(&mut self, offset: u64) {
        let end = self.layout.end(offset);
        self.line(format!("neg push.{end} add push.4 u32divmod"));
    }

    /// The place of an access in its element, counted from its beginning, if it is known and the access is in no
    /// other element.
    fn place_in_element(&self, width: Width, offset: u64, address: Arg) -> Option<u32> {
        let place = match address {
            Arg::Const(address) => u64::from(address) + offset,
            _ if self.fact(address).zeros >= 2 => offset,
            _ => return None,
        };
        let place = (place % 4) as u32;
        (place + width.bytes() <= 4).then_some(place)
    }

    /// Brings the address of the element to the top that an access is in, at a known place, and below it the
    /// value, if there is one. Returns the address instead if it is constant.
    fn element_of(&mut self, args: &[Arg], offset: u64, place: u32) -> Emitted<Option<u32>> {
        let (address, value) = args.split_last().unwrap_or((&Arg::Const(0), &[]));
        if let Arg::Const(address) = address
            && let Some(first) = (u64::from(*address) + offset).checked_sub(u64::from(place))
            && let Some(element) = self.layout.element(first)
        {
            let order: Vec<usize> = (0..value.len()).collect();
            self.arrange(value, &[&order])?;
            return Ok(Some(element));
        }
        let order: Vec<usize> = (0..args.len()).collect();
        self.arrange(args, &[&order])?;
        self.element_from(offset, place);
        self.guard();
        Ok(None)
    }

    fn load(&mut self, width: Width, signed: bool, offset: u64, args: &[Arg]) -> Emitted {
        let fact = self.fact(args[0]);
        let zeros = fact.zeros.min(offset.trailing_zeros().min(32) as u8);
        let mask = width.mask();
        match (self.place_in_element(width, offset, args[0]), width) {
            (Some(place), _) => {
                match self.element_of(args, offset, place)? {
                    Some(element) => self.line(format!("mem_load.{element}")),
                    None => self.line("mem_load"),
                }
                if place > 0 {
                    self.line(format!("push.{} u32div", 1 << (8 * place)));
                }
                if place + width.bytes() < 4 {
                    self.line(format!("push.{mask} u32and"));
                }
            }
            (None, Width::Word) => {
                self.arrange(args, &[&[0]])?;
                self.element(offset);
                self.runtime("load");
            }
            (None, Width::Half) if zeros == 0 => {
                self.arrange(args, &[&[0]])?;
                self.place(offset);
                self.runtime("load16");
            }
            (None, Width::Byte | Width::Half) => {
                self.arrange(args, &[&[0]])?;
                self.place(offset);
                self.line(format!("push.{} add mem_load swap", self.layout.bytes));
                self.guard();
                self.line(format!("mem_load swap u32div push.{mask} u32and"));
            }
        }
        match width {
            Width::Byte if signed => self.line("push.128 u32xor push.128 u32wrapping_sub"),
            Width::Half if signed => self.line("push.32768 u32xor push.32768 u32wrapping_sub"),
            _ => {}
        }
        Ok(())
    }

    /// The operands are the value and the address.
    fn store(&mut self, width: Width, offset: u64, args: &[Arg]) -> Emitted {
        let address = self.fact(args[1]);
        let zeros = address.zeros.min(offset.trailing_zeros().min(32) as u8);
        let mask = width.mask();
        let small = self.fact(args[0]).max <= mask;
        match (self.place_in_element(width, offset, args[1]), width) {
            (Some(place), Width::Word) => match self.element_of(args, offset, place)? {
                Some(element) => self.line(format!("mem_store.{element}")),
                None => self.line("mem_store"),
            },
            (Some(place), _) => {
                let element = self.element_of(args, offset, place)?;
                // [element, value] -> [rest of the old value, element, value]
                match element {
                    Some(element) => self.line(format!("mem_load.{element}")),
                    None => self.line("dup.0 mem_load"),
                }
                self.line(format!("push.{} u32and", !(mask << (8 * place))));
                self.line(if element.is_some() { "swap" } else { "movup.2" });
                if !small {
                    self.line(format!("push.{mask} u32and"));
                }
                if place > 0 {
                    self.line(format!("push.{} mul", 1 << (8 * place)));
                }
                match element {
                    Some(element) => self.line(format!("add mem_store.{element}")),
                    None => self.line("add swap mem_store"),
                }
            }
            (None, Width::Word) => {
                self.arrange(args, AS_GIVEN)?;
                self.element(offset);
                self.runtime("store");
            }
            (None, Width::Half) if zeros == 0 => {
                self.arrange(args, AS_GIVEN)?;
                self.place(offset);
                self.runtime("store16");
            }
            (None, Width::Byte | Width::Half) => {
                self.arrange(args, AS_GIVEN)?;
                self.place(offset);
                // [place, element, value] -> [power, element, value]
                self.line(format!("push.{} add mem_load", self.layout.bytes));
                if self.layout.grows {
                    self.line("swap");
                    self.guard();
                    self.line("swap");
                }
                // -> [value, old part, whole, power, element]
                self.line(format!(
                    "dup.1 mem_load dup.0 dup.2 u32div push.{mask} u32and movup.4"
                ));
                if !small {
                    self.line(format!("push.{mask} u32and"));
                }
                // The difference, at its place, makes the old whole the new one.
                self.line("swap sub movup.2 mul add swap mem_store");
            }
        }
        Ok(())
    }

    // CALLS

    fn call(&mut self, inst: &Inst) -> Emitted {
        let way = self.calls.way(&inst.op);
        let mut saved: Vec<u32> = Vec::new();
        if let Some(live) = &inst.live_after {
            let alive = self.cells.iter().filter(|(var, _)| live.contains(**var));
            saved = alive.map(|(_, cell)| *cell).collect();
        }
        let counted = self.calls.is_counted(&inst.op);
        if counted {
            saved.push(self.layout.depth);
        }
        let order: Vec<usize> = (0..inst.args.len()).collect();
        // Where what is saved would put the arguments out of reach, it goes below them.
        let deepest = inst.args.iter().filter_map(|arg| match self.loc(*arg) {
            Loc::Slot(slot) => self.machine.depth(slot),
            _ => None,
        });
        let reach = deepest.max().unwrap_or(0) + saved.len() + order.len();
        let goes_below = reach > 15 && order.len() <= 15;
        if goes_below {
            self.arrange(&inst.args, &[&order])?;
        }
        let mut slots = Vec::new();
        for cell in &saved {
            self.line(format!("mem_load.{cell}"));
            if counted && *cell == self.layout.depth {
                self.line(format!(
                    "dup.0 push.1 sub u32assert.err=\"wasm: call stack exhausted\" mem_store.{cell}"
                ));
            }
            match order.len() {
                1 if goes_below => self.line("swap"),
                count @ 2.. if goes_below => self.line(format!("movdn.{count}")),
                _ => {}
            }
            let slot = self.machine.new_slot();
            self.machine.slots.push(slot);
            self.machine.hold(Loc::Slot(slot));
            slots.push(slot);
        }
        if !goes_below {
            self.arrange(&inst.args, &[&order])?;
        }
        match way {
            Way::Exec(procedure) => self.line(format!("exec.{procedure}")),
            Way::Memory(cell) => self.line(format!("push.{cell} dynexec")),
            Way::Indirect { table, ty } => {
                let table = self.layout.tables[table as usize];
                let size = match table.size {
                    TableSize::Fixed(size) => format!("push.{size}"),
                    TableSize::Cell(cell) => format!("mem_load.{cell}"),
                };
                self.line(format!(
                    "dup.0 {size} u32lt assert.err=\"wasm: undefined element\""
                ));
                self.line(format!("push.{} add mem_load", table.first));
                self.line(format!(
                    "dup.0 push.{} add mem_load push.{} eq \
                     assert.err=\"wasm: indirect call type mismatch, or uninitialized element\"",
                    self.layout.records + TYPE,
                    ty + 1
                ));
                self.line(format!("push.{} add dynexec", self.layout.records));
            }
        }
        for val in &inst.results {
            let slot = self.machine.new_slot();
            self.machine.slots.push(slot);
            self.machine.vals.insert(*val, Loc::Slot(slot));
            self.machine.hold(Loc::Slot(slot));
        }
        for (slot, cell) in slots.into_iter().zip(saved).rev() {
            self.up(slot)?;
            self.machine.release(Loc::Slot(slot));
            self.machine.slots.pop();
            self.line(format!("mem_store.{cell}"));
        }
        for val in &inst.results {
            if self.uses[*val as usize] == 0
                && let Some(loc) = self.machine.vals.remove(val)
            {
                self.machine.release(loc);
            }
        }
        self.sweep();
        Ok(())
    }
}
