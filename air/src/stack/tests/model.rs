//! A plain model of every operation: what it does to a stack that is a list, and what the helpers
//! and messages of its row are.

use alloc::{vec, vec::Vec};

use miden_core::{Felt, Operation, QuadFelt};
use winter_math::{FieldElement, StarkField};

use super::{Message, Rng, blank};
use crate::{
    columns::{CallCols, CoreRow, EndCols, OpcodeCols},
    lookup::Bus,
};

const ZERO: Felt = <Felt as FieldElement>::ZERO;
const ONE: Felt = <Felt as FieldElement>::ONE;

/// The kinds of block that an END row can end, as far as the stack can tell.
const END_KINDS: u64 = 4;

/// Two rows that are an execution of one operation, and how their cells are bound.
pub(super) struct Step {
    pub(super) cur: CoreRow<Felt>,
    pub(super) next: CoreRow<Felt>,
    pub(super) composed: Felt,
    /// The messages of the stack, in no order.
    pub(super) messages: Vec<Message>,
    /// Positions of the next row's top that messages alone bind.
    pub(super) bus_top: Vec<usize>,
    /// Positions of the next row's top that are the prover's choice.
    pub(super) free_top: Vec<usize>,
    /// The helpers that matter.
    pub(super) helpers: Vec<usize>,
    /// The helpers that the decoder binds, if the stack does not notice.
    pub(super) decoder_helpers: Vec<usize>,
    /// The call stack binds the next row's depth and overflow pointer.
    pub(super) leaves: bool,
    /// A message alone binds the next row's overflow pointer.
    pub(super) bus_ptr: bool,
}

pub(super) fn felt(value: u64) -> Felt {
    Felt::new(value)
}

/// Makes a random step of an operation.
///
/// The match has no wildcard, so that an operation without a model does not compile.
pub(super) fn step(op: &Operation, rng: &mut Rng) -> Step {
    use Operation as Op;
    let mut m = Machine::new(op.op_code(), rng);
    match op {
        Op::Noop | Op::Emit | Op::Join | Op::Span | Op::Respan | Op::Halt => {}
        Op::Drop | Op::Dyn => {
            m.pop();
        }
        Op::Assert(_) | Op::Repeat => {
            m.give(&[ONE]);
            m.pop();
        }
        Op::Split | Op::Loop => {
            m.give_bits(1);
            m.pop();
        }
        Op::End => m.end(),
        Op::Call => m.call(false, true),
        Op::Dyncall => m.call(true, true),
        Op::SysCall => m.call(false, false),

        Op::SDepth => m.push(m.step.cur.stack.depth),
        Op::Clk => m.push(m.step.cur.system.clk),
        Op::Caller => m.caller(),

        Op::Add => m.binary(|a, b| a + b),
        Op::Mul => m.binary(|a, b| a * b),
        Op::Neg => m.unary(|a| -a),
        Op::Incr => m.unary(|a| a + ONE),
        Op::Inv => {
            if m.stack[0] == ZERO {
                m.give(&[ONE]);
            }
            m.unary(Felt::inv);
        }
        Op::And => {
            m.give_bits(2);
            m.binary(|a, b| felt(u64::from(a == ONE && b == ONE)));
        }
        Op::Or => {
            m.give_bits(2);
            m.binary(|a, b| felt(u64::from(a == ONE || b == ONE)));
        }
        Op::Not => {
            m.give_bits(1);
            m.unary(|a| felt(u64::from(a == ZERO)));
        }
        Op::Eq => {
            if m.rng.bit() {
                m.give(&[m.stack[1]]);
            }
            m.zero_test(m.stack[0] - m.stack[1]);
            m.binary(|a, b| felt(u64::from(a == b)));
        }
        Op::Eqz => {
            if m.rng.bit() {
                m.give(&[ZERO]);
            }
            m.zero_test(m.stack[0]);
            m.unary(|a| felt(u64::from(a == ZERO)));
        }
        Op::Expacc => m.expacc(),
        Op::Ext2Mul => {
            let [b1, b0, a1, a0] = m.take();
            let two = felt(2);
            m.place(&[
                b1,
                b0,
                (b0 + b1) * (a0 + a1) - b0 * a0,
                b0 * a0 - two * b1 * a1,
            ]);
        }

        Op::U32split => {
            let value = match m.rng.below(4) {
                0 => Felt::MODULUS - 1,
                1 => m.rng.u32(),
                _ => m.rng.felt().as_int(),
            };
            m.give(&[felt(value)]);
            m.pop();
            m.halves(value);
        }
        Op::U32add => m.u32_halves::<2>(|[b, a]| a + b),
        Op::U32add3 => m.u32_halves::<3>(|[c, b, a]| a + b + c),
        Op::U32mul => m.u32_halves::<2>(|[b, a]| a * b),
        Op::U32madd => m.u32_halves::<3>(|[b, a, c]| a * b + c),
        Op::U32assert2(_) => {
            let [b, a] = m.take_u32();
            m.place(&[felt(b), felt(a)]);
            m.limbs(a, b);
        }
        Op::U32sub => {
            let [b, a] = m.take_u32();
            m.check_operands(&[b, a]);
            let (difference, borrow) = (a as u32).overflowing_sub(b as u32);
            m.place(&[felt(borrow.into()), felt(difference.into())]);
            m.limbs(difference.into(), 0);
        }
        Op::U32div => {
            let [b, a] = m.take_u32();
            let b = b.max(1);
            m.step.cur.stack.top[0] = felt(b);
            m.check_operands(&[b, a]);
            let (q, r) = (a / b, a % b);
            m.place(&[felt(r), felt(q)]);
            m.limbs((q & 0xffff) + (((q >> 16) + (r >> 16)) << 16), b - r - 1);
            m.range(r & 0xffff);
        }
        Op::U32and => m.bitwise(0, |a, b| a & b),
        Op::U32xor => m.bitwise(1, |a, b| a ^ b),

        Op::Pad => m.push(ZERO),
        Op::Dup0 => m.dup(0),
        Op::Dup1 => m.dup(1),
        Op::Dup2 => m.dup(2),
        Op::Dup3 => m.dup(3),
        Op::Dup4 => m.dup(4),
        Op::Dup5 => m.dup(5),
        Op::Dup6 => m.dup(6),
        Op::Dup7 => m.dup(7),
        Op::Dup9 => m.dup(9),
        Op::Dup11 => m.dup(11),
        Op::Dup13 => m.dup(13),
        Op::Dup15 => m.dup(15),
        Op::Swap => m.stack.swap(0, 1),
        Op::SwapW => m.swap_words(0, 1),
        Op::SwapW2 => m.swap_words(0, 2),
        Op::SwapW3 => m.swap_words(0, 3),
        Op::SwapDW => {
            m.swap_words(0, 2);
            m.swap_words(1, 3);
        }
        Op::MovUp2 => m.move_up(2),
        Op::MovUp3 => m.move_up(3),
        Op::MovUp4 => m.move_up(4),
        Op::MovUp5 => m.move_up(5),
        Op::MovUp6 => m.move_up(6),
        Op::MovUp7 => m.move_up(7),
        Op::MovUp8 => m.move_up(8),
        Op::MovDn2 => m.move_down(2),
        Op::MovDn3 => m.move_down(3),
        Op::MovDn4 => m.move_down(4),
        Op::MovDn5 => m.move_down(5),
        Op::MovDn6 => m.move_down(6),
        Op::MovDn7 => m.move_down(7),
        Op::MovDn8 => m.move_down(8),
        Op::CSwap => {
            m.give_bits(1);
            if m.pop() == ONE {
                m.stack.swap(0, 1);
            }
        }
        Op::CSwapW => {
            m.give_bits(1);
            if m.pop() == ONE {
                m.swap_words(0, 1);
            }
        }

        Op::Push(_) => m.push(m.step.cur.decoder.registers[0]),
        Op::AdvPop => {
            let advice = m.rng.felt();
            m.push(advice);
            m.step.free_top = vec![0];
        }
        Op::AdvPopW => {
            let word: [Felt; 4] = m.rng.felts();
            m.stack[..4].copy_from_slice(&word);
            m.step.free_top = (0..4).collect();
        }
        Op::MLoad => {
            let (address, value) = (m.stack[0], m.rng.felt());
            m.stack[0] = value;
            m.step.bus_top = vec![0];
            m.access(Bus::MemoryElement, address, 0, &[value]);
        }
        Op::MStore => {
            let address = m.pop();
            let value = m.stack[0];
            m.access(Bus::MemoryElement, address, 1, &[value]);
        }
        Op::MLoadW => {
            let address = m.pop();
            let word: [Felt; 4] = m.rng.felts();
            m.put_word(0, word);
            m.step.bus_top = (0..4).collect();
            m.access(Bus::MemoryWord, address, 0, &word);
        }
        Op::MStoreW => {
            let address = m.pop();
            let word = m.word(0);
            m.access(Bus::MemoryWord, address, 1, &word);
        }
        Op::MStream => m.stream(0),
        Op::Pipe => m.stream(1),

        Op::FriE2F4 => m.fri_fold(),
        Op::HornerBase => m.horner_base(),
        Op::HornerExt => m.horner_ext(),
        Op::EvalCircuit => {
            let request = [
                m.context(0),
                m.step.cur.system.clk + ONE,
                m.stack[0],
                m.stack[1],
                m.stack[2],
            ];
            m.message(Bus::Circuit, ONE, request.to_vec());
        }

        Op::CryptoStream => m.crypto_stream(),
        Op::LogPrecompile => m.log_precompile(),
        Op::HPerm => m.hperm(),
        Op::MpVerify(_) => {
            m.merkle(0, 0, 0, 6);
        }
        Op::MrUpdate => {
            let new_node = m.word(10);
            m.merkle(1, 0, 0, 6);
            let root: [Felt; 4] = m.rng.felts();
            m.step.bus_top = (0..4).collect();
            m.merkle_leg(0, 1, new_node, root);
            m.put_word(0, root);
        }
    }
    m.finish()
}

/// The state in which an operation begins, and what it does with it.
struct Machine<'a> {
    rng: &'a mut Rng,
    step: Step,
    stack: Vec<Felt>,
    overflowed: bool,
    pushed: bool,
    popped: bool,
    /// 1 on calls: the next row is in a new context.
    enters: bool,
    previous_ptr: Felt,
}

impl<'a> Machine<'a> {
    fn new(code: u8, rng: &'a mut Rng) -> Self {
        let mut cur = blank(ZERO);
        let overflowed = rng.bit();
        let core = &mut cur;
        core.op = OpcodeCols::of(code);
        core.system.clk = felt(1000 + rng.below(1000));
        core.system.domain = felt(rng.below(1000));
        core.system.index = felt(rng.below(100));
        if rng.bit() {
            core.system.domain = -ONE;
            core.system.index = felt(1 << 16);
        }
        core.system.fn_hash = rng.felts();
        core.decoder.registers = rng.felts();
        core.helpers = rng.felts();
        core.operands = rng.felts();
        core.stack.top = rng.felts();
        core.stack.depth = felt(16);
        if overflowed {
            core.stack.depth = felt(17 + rng.below(50));
            core.stack.depth_inv = (core.stack.depth - felt(16)).inv();
            core.stack.overflowed = ONE;
            core.stack.overflow_ptr = felt(500 + rng.below(500));
        }
        let mut stack = core.stack.top.to_vec();
        if overflowed {
            stack.push(rng.felt());
        }
        Self {
            stack,
            overflowed,
            pushed: false,
            popped: false,
            enters: false,
            previous_ptr: felt(rng.below(500)),
            step: Step {
                next: blank(ZERO),
                cur,
                composed: felt(rng.below(2)),
                messages: Vec::new(),
                bus_top: Vec::new(),
                free_top: Vec::new(),
                helpers: Vec::new(),
                decoder_helpers: Vec::new(),
                leaves: false,
                bus_ptr: false,
            },
            rng,
        }
    }

    /// Puts operands on top of the stack before the operation.
    fn give(&mut self, values: &[Felt]) {
        self.step.cur.stack.top[..values.len()].copy_from_slice(values);
        self.stack[..values.len()].copy_from_slice(values);
    }

    fn give_bits(&mut self, count: usize) {
        let bits: Vec<Felt> = (0..count).map(|_| felt(self.rng.below(2))).collect();
        self.give(&bits);
    }

    fn push(&mut self, value: Felt) {
        self.stack.insert(0, value);
    }

    fn pop(&mut self) -> Felt {
        self.stack.remove(0)
    }

    /// The topmost elements, which stay.
    fn take<const N: usize>(&self) -> [Felt; N] {
        core::array::from_fn(|i| self.stack[i])
    }

    fn take_u32<const N: usize>(&mut self) -> [u64; N] {
        let values = core::array::from_fn(|_| self.rng.u32());
        self.give(&values.map(felt));
        values
    }

    /// The halves that show that operands are of 32 bits.
    fn check_operands(&mut self, values: &[u64]) {
        for (i, &value) in values.iter().enumerate() {
            self.step.cur.operands[i] = felt(value & 0xffff);
            self.range(value & 0xffff);
            self.range(value >> 16);
        }
    }

    /// Overwrites the topmost elements.
    fn place(&mut self, values: &[Felt]) {
        self.stack[..values.len()].copy_from_slice(values);
    }

    fn unary(&mut self, f: impl Fn(Felt) -> Felt) {
        self.stack[0] = f(self.stack[0]);
    }

    fn binary(&mut self, f: impl Fn(Felt, Felt) -> Felt) {
        let (b, a) = (self.pop(), self.pop());
        self.push(f(a, b));
    }

    fn dup(&mut self, n: usize) {
        self.push(self.stack[n]);
    }

    fn move_up(&mut self, n: usize) {
        let value = self.stack.remove(n);
        self.stack.insert(0, value);
    }

    fn move_down(&mut self, n: usize) {
        let value = self.stack.remove(0);
        self.stack.insert(n, value);
    }

    fn word(&self, first: usize) -> [Felt; 4] {
        let mut word: [Felt; 4] = core::array::from_fn(|i| self.stack[first + i]);
        word.reverse();
        word
    }

    fn put_word(&mut self, first: usize, mut word: [Felt; 4]) {
        word.reverse();
        self.stack[first..first + 4].copy_from_slice(&word);
    }

    fn swap_words(&mut self, a: usize, b: usize) {
        let (x, y) = (self.word(4 * a), self.word(4 * b));
        self.put_word(4 * a, y);
        self.put_word(4 * b, x);
    }

    fn helper(&mut self, i: usize, value: Felt) {
        self.step.cur.helpers[i] = value;
        self.step.helpers.push(i);
    }

    fn zero_test(&mut self, value: Felt) {
        if value != ZERO {
            self.helper(0, value.inv());
        }
    }

    fn range(&mut self, value: u64) {
        assert!(value < 1 << 16);
        self.message(Bus::Range, -ONE, vec![felt(value)]);
    }

    fn message(&mut self, bus: Bus, count: Felt, coordinates: Vec<Felt>) {
        self.step.messages.push(Message {
            bus,
            count,
            coordinates,
        });
    }

    /// The helpers that show that a number with the upper half `hi` is canonical.
    fn guard(&mut self, hi: u64) {
        let distance = felt(0xffff_ffff - hi);
        if distance == ZERO {
            self.step.cur.helpers[4] = ZERO;
            self.helper(5, ZERO);
        } else {
            self.helper(4, distance.inv());
            self.helper(5, ONE);
        }
    }

    fn limbs(&mut self, lo: u64, hi: u64) {
        assert!(lo < 1 << 32 && hi < 1 << 32);
        for (i, limb) in [lo & 0xffff, lo >> 16, hi & 0xffff, hi >> 16]
            .into_iter()
            .enumerate()
        {
            self.helper(i, felt(limb));
            self.range(limb);
        }
        self.guard(hi);
    }

    /// Pushes the halves of a number, the upper one last.
    fn halves(&mut self, value: u64) {
        let (hi, lo) = (value >> 32, value & 0xffff_ffff);
        self.push(felt(lo));
        self.push(felt(hi));
        self.limbs(lo, hi);
    }

    fn u32_halves<const N: usize>(&mut self, f: impl Fn([u64; N]) -> u64) {
        let operands = self.take_u32();
        self.check_operands(&operands);
        for _ in operands {
            self.pop();
        }
        self.halves(f(operands));
    }

    fn bitwise(&mut self, xor: u64, f: impl Fn(u64, u64) -> u64) {
        let [b, a] = self.take_u32();
        self.pop();
        let result = felt(f(a, b));
        self.stack[0] = result;
        self.step.bus_top = vec![0];
        self.message(
            Bus::Bitwise,
            -ONE,
            vec![felt(xor), felt(a), felt(b), result],
        );
    }

    fn expacc(&mut self) {
        let exponent = match self.rng.below(4) {
            0 => Felt::MODULUS - 1,
            1 => self.rng.below(10),
            _ => self.rng.felt().as_int(),
        };
        let [_, base, acc, _] = self.take();
        self.give(&[self.stack[0], base, acc, felt(exponent)]);
        let bit = exponent & 1;
        let factor = if bit == 1 { base } else { ONE };
        self.place(&[felt(bit), base * base, acc * factor, felt(exponent >> 1)]);
        let limb = |i: u64| exponent >> (16 * i) & 0xffff;
        self.helper(0, factor);
        self.helper(1, felt(limb(0) >> 1));
        self.helper(2, felt(limb(1)));
        self.helper(3, felt(limb(2)));
        self.guard(exponent >> 32);
        self.range(limb(0) >> 1);
        for i in 0..4 {
            self.range(limb(i));
        }
    }

    fn context(&self, space: u64) -> Felt {
        let system = &self.step.cur.system;
        (system.domain * felt(1 << 16) + system.index) * felt(8) + felt(space)
    }

    fn access(&mut self, bus: Bus, address: Felt, is_write: u64, value: &[Felt]) {
        let mut coordinates = vec![
            self.context(0),
            address,
            self.step.cur.system.clk + ONE,
            felt(is_write),
        ];
        coordinates.extend(value);
        self.message(bus, ONE, coordinates);
    }

    fn stream(&mut self, is_write: u64) {
        let address = self.stack[12];
        let (first, second): ([Felt; 4], [Felt; 4]) = (self.rng.felts(), self.rng.felts());
        self.access(Bus::MemoryWord, address, is_write, &first);
        self.access(Bus::MemoryWord, address + felt(4), is_write, &second);
        self.put_word(4, first);
        self.put_word(0, second);
        self.stack[12] = address + felt(8);
        self.step.bus_top = (0..8).collect();
    }

    fn quadratic(&self, low: usize) -> QuadFelt {
        QuadFelt::new(self.stack[low], self.stack[low - 1])
    }

    fn quadratic_helpers(&mut self, first: usize, value: QuadFelt) {
        for (i, coefficient) in value.to_base_elements().into_iter().enumerate() {
            self.helper(first + i, coefficient);
        }
    }

    /// Evaluates by Horner's rule, one coefficient at a time.
    fn horner(&mut self, point: QuadFelt, coefficients: &[QuadFelt]) {
        self.step.cur.decoder.polynomial = ONE;
        let half = coefficients.len() / 2;
        let fold = |value, coefficients: &[QuadFelt]| {
            coefficients
                .iter()
                .fold(value, |value: QuadFelt, &c| value * point + c)
        };
        let middle = fold(self.quadratic(15), &coefficients[..half]);
        let [low, high] = fold(middle, &coefficients[half..]).to_base_elements();
        self.quadratic_helpers(0, point);
        self.quadratic_helpers(4, middle);
        (self.stack[14], self.stack[15]) = (high, low);
    }

    fn horner_base(&mut self) {
        let point = QuadFelt::new(self.rng.felt(), self.rng.felt());
        let coefficients: Vec<QuadFelt> =
            (0..8).map(|i| QuadFelt::from(self.stack[7 - i])).collect();
        let address = self.stack[13];
        self.horner(point, &coefficients);
        self.quadratic_helpers(2, point * point);
        let [low, high] = point.to_base_elements();
        self.access(Bus::MemoryElement, address, 0, &[low]);
        self.access(Bus::MemoryElement, address + ONE, 0, &[high]);
    }

    fn horner_ext(&mut self) {
        let word: [Felt; 4] = self.rng.felts();
        let coefficients: Vec<QuadFelt> = (0..4).map(|i| self.quadratic(7 - 2 * i)).collect();
        let address = self.stack[13];
        self.horner(QuadFelt::new(word[0], word[1]), &coefficients);
        self.helper(2, word[2]);
        self.helper(3, word[3]);
        self.access(Bus::MemoryWord, address, 0, &word);
    }

    /// Interpolates the four values, which is not how the constraints go about it.
    fn fri_fold(&mut self) {
        self.step.cur.decoder.polynomial = ONE;
        let segment = self.rng.below(4) as usize;
        let root = Felt::get_root_of_unity(2);
        let values: [QuadFelt; 4] = core::array::from_fn(|i| self.quadratic(7 - 2 * i));
        let [previous_low, previous_high] = values[segment].to_base_elements();
        let top = &mut self.step.cur.stack.top;
        (top[9], top[11], top[12]) = (felt(segment as u64), previous_high, previous_low);
        self.stack[..16].copy_from_slice(top);
        let challenge = self.quadratic(14);
        let power = self.stack[10];

        let root_power = root.exp(segment as u64).inv();
        let point = felt(7) * power * root_power;
        let points = [0, 1, 2, 3].map(|i| QuadFelt::from(point * root.exp(i)));
        // The polynomial of degree 3 through the points, by Lagrange.
        let at = |z: QuadFelt| {
            (0..4).fold(QuadFelt::from(ZERO), |sum, i| {
                let others = (0..4).filter(|&j| j != i);
                sum + others.fold(values[i], |product, j| {
                    product * (z - points[j]) / (points[i] - points[j])
                })
            })
        };
        let folded = at(challenge);
        let half = |i: usize| {
            // The line through the values at two opposite points.
            let (a, b) = (values[i], values[i + 2]);
            a + (b - a) * (challenge - points[i]) / (points[i + 2] - points[i])
        };
        let ratio = challenge / QuadFelt::from(point);
        self.quadratic_helpers(0, ratio);
        self.quadratic_helpers(2, ratio * ratio);
        self.helper(4, point);
        self.helper(5, point.inv());

        let (position, address) = (self.stack[8], self.stack[15]);
        self.pop();
        let [even_low, even_high] = half(0).to_base_elements();
        let [odd_low, odd_high] = half(1).to_base_elements();
        let [low, high] = folded.to_base_elements();
        let flag = |i: usize| felt(u64::from(i == segment));
        self.place(&[
            even_high,
            even_low,
            odd_high,
            odd_low,
            flag(3),
            flag(2),
            flag(1),
            flag(0),
            power * power,
            root_power,
            address + felt(8),
            power.exp(4),
            position,
            high,
            low,
        ]);
    }

    fn crypto_stream(&mut self) {
        let address = |rng: &mut Rng| felt(4 * rng.below((1 << 30) - 2));
        let from = address(self.rng);
        let mut to = address(self.rng);
        while (to - from + felt(7)).as_int() < 15 {
            to = address(self.rng);
        }
        let top = &mut self.step.cur.stack.top;
        (top[12], top[13]) = (from, to);
        (self.stack[12], self.stack[13]) = (from + felt(8), to + felt(8));
        let distance = to - from;
        let distinct = (distance - felt(4)) * distance * (distance + felt(4));
        let below = (from - felt((1 << 32) - 8)) * (to - felt((1 << 32) - 8));
        self.helper(0, distance * distance);
        self.helper(1, distinct);
        self.helper(2, below);
        self.helper(3, distinct * below);
        self.helper(4, (distinct * below).inv());
        for (first, offset) in [(4, 0), (0, 4)] {
            let plain: [Felt; 4] = self.rng.felts();
            let key = self.word(first);
            let cipher = core::array::from_fn(|i| plain[i] + key[i]);
            self.access(Bus::MemoryWord, from + felt(offset), 0, &plain);
            self.access(Bus::MemoryWord, to + felt(offset), 1, &cipher);
            self.put_word(first, cipher);
        }
        self.step.bus_top = (0..8).collect();
    }

    fn log_precompile(&mut self) {
        let before: [Felt; 4] = self.rng.felts();
        let (tag, commitment) = (self.word(4), self.word(0));
        let after = self.permutation([before, tag, commitment].as_flattened());
        for (i, element) in before.into_iter().enumerate() {
            self.helper(1 + i, element);
        }
        // The transcript is the root's word in space 7, whatever the context.
        let time = self.step.cur.system.clk + ONE;
        for (is_write, word) in [(ZERO, before), (ONE, after)] {
            let mut coordinates = vec![felt(7), ZERO, time, is_write];
            coordinates.extend(word);
            self.message(Bus::MemoryWord, ONE, coordinates);
        }
    }

    fn caller(&mut self) {
        let system = self.step.cur.system;
        let composed = self.step.composed == ONE;
        let in_kernel = system.domain == -ONE;
        let mut word = system.fn_hash;
        if composed {
            let kept: [Felt; 4] = self.rng.felts();
            for (i, value) in kept.into_iter().enumerate() {
                self.helper(i, value);
            }
            let mut coordinates = vec![self.context(2), ZERO, system.clk + ONE, ZERO];
            coordinates.extend(kept);
            self.message(Bus::MemoryWord, ONE, coordinates);
            if !in_kernel {
                word = kept;
            }
        }
        self.helper(4, felt(in_kernel.into()));
        if !in_kernel {
            self.helper(5, (system.domain + ONE).inv());
        }
        self.put_word(0, word);
    }

    fn hperm(&mut self) {
        let state: Vec<Felt> = self.stack[..12].iter().rev().copied().collect();
        self.permutation(&state);
    }

    /// Asks the hasher for a permutation, whose output comes to the stack; returns its capacity.
    fn permutation(&mut self, before: &[Felt]) -> [Felt; 4] {
        let address = felt(8 * self.rng.below(100));
        self.helper(0, address);
        let mut input = vec![address];
        input.extend(before);
        self.message(Bus::HashInput, -ONE, input);
        let state: [Felt; 12] = self.rng.felts();
        let mut output = vec![address + felt(7)];
        output.extend(state);
        self.message(Bus::HashOutput, -ONE, output);
        for (i, value) in state.into_iter().rev().enumerate() {
            self.stack[i] = value;
        }
        self.step.bus_top = (0..12).collect();
        core::array::from_fn(|i| state[i])
    }

    fn merkle(&mut self, old_leg: u64, new_leg: u64, node: usize, root: usize) {
        let address = felt(8 * self.rng.below(100));
        self.helper(0, address);
        let (node, root) = (self.word(node), self.word(root));
        self.merkle_leg(old_leg, new_leg, node, root);
    }

    fn merkle_leg(&mut self, old_leg: u64, new_leg: u64, node: [Felt; 4], root: [Felt; 4]) {
        let top = self.step.cur.stack.top;
        let path = self.step.cur.helpers[0];
        for (bus, number, word) in [
            (Bus::MerkleLeaf, top[5], node),
            (Bus::MerkleRoot, top[4], root),
        ] {
            let mut coordinates = vec![path, felt(old_leg), felt(new_leg), number];
            coordinates.extend(word);
            self.message(bus, -ONE, coordinates);
        }
    }

    fn end(&mut self) {
        let kind = self.rng.below(END_KINDS);
        let flag = |wanted: u64| felt(u64::from(kind == wanted));
        let mut end = EndCols {
            digest: self.rng.felts(),
            loop_body: felt(self.rng.below(2)),
            entered_loop: flag(1),
            call: flag(2),
            first_child: felt(self.rng.below(2)),
            syscall: flag(3),
            passes_tokens: self.rng.felt(),
            own_destructor: ZERO,
            entered_by: self.rng.felt(),
            free: self.rng.felt(),
            table_len: self.rng.felt(),
        };
        match kind {
            0 => {}
            1 => {
                end.loop_body = ZERO;
                self.give(&[ZERO]);
                self.pop();
            }
            _ => {
                self.overflowed = false;
                let stack = &mut self.step.cur.stack;
                stack.depth = felt(16);
                stack.depth_inv = ZERO;
                stack.overflowed = ZERO;
                stack.overflow_ptr = ZERO;
                self.stack.truncate(16);
                self.step.leaves = true;
            }
        }
        self.step.cur.set_end(end);
        // A loop that ends shifts; whether a call does is the decoder's to know.
        self.step.helpers = vec![1];
        self.step.decoder_helpers = vec![2, 4, 5];
    }

    fn call(&mut self, dynamic: bool, column: bool) {
        self.step.cur.decoder.call = felt(column.into());
        self.enters = true;
        let stack = self.step.cur.stack;
        let pops = dynamic && self.overflowed;
        let call = CallCols {
            named: self.rng.felts(),
            callee: self.rng.felts(),
            saved_depth: stack.depth - felt(pops.into()),
            saved_overflow_ptr: if pops {
                self.previous_ptr
            } else {
                stack.overflow_ptr
            },
            target: self.rng.felt(),
            shared: ZERO,
            fresh: ZERO,
            creates: ZERO,
            has_data: ZERO,
            free: ZERO,
            table_len: ZERO,
            table_len_inv: ZERO,
            domain: ZERO,
        };
        self.step.cur.set_call(call);
        self.step.helpers = vec![0, 1];
        if dynamic {
            self.pop();
        }
    }

    /// Writes the stack columns: what came of the list, the depth, the overflow table.
    fn finish(mut self) -> Step {
        let before = 16 + usize::from(self.overflowed);
        match self.stack.len() {
            after if after > before => self.pushed = true,
            after if after < before => self.popped = true,
            _ => {}
        }
        let core = &mut self.step.cur;
        let clk = core.system.clk;
        core.stack.shift_right = felt(self.pushed.into());
        core.stack.shift_left = felt((self.popped && !self.enters).into());

        self.stack.resize(self.stack.len().max(16), ZERO);
        let next = &mut self.step.next.stack;
        next.top.copy_from_slice(&self.stack[..16]);
        next.depth = core.stack.depth;
        next.overflow_ptr = core.stack.overflow_ptr;

        let (old_ptr, last) = (core.stack.overflow_ptr, core.stack.top[15]);
        if self.pushed {
            next.depth += ONE;
            next.overflow_ptr = clk;
            self.message(Bus::Overflow, ONE, vec![clk, last, old_ptr]);
        } else if self.popped && self.overflowed {
            next.depth -= ONE;
            next.overflow_ptr = self.previous_ptr;
            let back = next.top[15];
            self.step.bus_top.push(15);
            self.step.bus_ptr = !self.enters;
            self.message(Bus::Overflow, -ONE, vec![old_ptr, back, self.previous_ptr]);
        }
        let next = &mut self.step.next.stack;
        if self.enters {
            next.depth = felt(16);
            next.overflow_ptr = ZERO;
        }
        if self.step.leaves {
            next.depth = felt(16 + self.rng.below(9));
            next.overflow_ptr = self.rng.felt();
        }
        self.step
    }
}
