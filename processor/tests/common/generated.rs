//! Cases grown from a stream of random numbers.

use core::fmt::Write;

use miden_core::{Felt, Word};

use super::{Case, circuits::instruction};

const KERNEL: &str = "
    pub proc k0 caller swapw dropw mem_load.400 add.1 mem_store.400 end
    pub proc k1 add push.7 mem_store.404 mem_load.404 mul end
    pub proc k2 swap mem_load.400 add end";
const KERNEL_PROCEDURES: u32 = 3;
/// Empties the overflow, whatever its size.
const SETTLE: &str = "sdepth push.16 neq while.true drop sdepth push.16 neq end";
/// An address below those that blocks use, for the counters of loops.
const COUNTERS: u32 = 1000;
const MODULUS: u64 = 0xffff_ffff_0000_0001;
const SLOTS: u32 = 2000;
/// Elements on the advice stack, and how many of them one procedure may read: none runs dry, no
/// matter how loops and calls multiply.
const ADVICE: u64 = 8000;
const ADVICE_OF_PROCEDURE: u64 = 1000;

/// A stream of numbers that look random, the same for the same seed.
pub fn random_from(seed: u64) -> impl FnMut() -> u32 {
    let mut state = seed;
    move || {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (state >> 33) as u32
    }
}

/// Grows a program from random numbers, with at least `size` instructions, nested control flow,
/// calls of all kinds, memory and advice. It ends without a trap.
pub fn generated_case(name: &str, random: impl FnMut() -> u32, size: usize) -> Case {
    let mut grower = Grower {
        random,
        source: String::new(),
        counters: 0,
        left: 0,
        callable: 0,
        rounds: 1,
        reads: 0,
        reads_of: Vec::new(),
        most_reads: ADVICE_OF_PROCEDURE,
    };
    let procedures = 1 + grower.below(4);
    for procedure in 0..procedures {
        grower.callable = procedure;
        grower.left = size / (2 * procedures as usize);
        let locals = 4 * (1 + grower.below(3));
        grower.emit(&format!("@locals({locals}) proc p{procedure}"));
        grower.block(0);
        grower.emit("push.3 loc_store.1 loc_load.1");
        grower.emit(SETTLE);
        grower.emit("end");
        let reads = core::mem::take(&mut grower.reads);
        grower.reads_of.push(reads);
    }
    grower.callable = procedures;
    grower.most_reads = ADVICE;
    grower.left = size;
    grower.emit("begin");
    for procedure in 0..procedures {
        let addr = SLOTS + 4 * procedure;
        grower.emit(&format!("procref.p{procedure} mem_storew_be.{addr} dropw"));
    }
    while grower.left > 0 {
        grower.block(0);
    }
    grower.emit(SETTLE);
    grower.emit("end");
    let stack: Vec<u64> = (0..16).map(|_| grower.value()).collect();
    let advice: Vec<u64> = (0..ADVICE).map(|_| grower.value()).collect();
    let key = Word::new([Felt::new(5); 4]);
    Case::with_kernel(name, KERNEL, &grower.source)
        .stack(&stack)
        .advice(advice)
        .entry(key, &[21, 22, 23, 24, 25, 26, 27, 28])
}

struct Grower<R> {
    random: R,
    source: String,
    /// Counters of loops that were handed out.
    counters: u32,
    /// Instructions that are still to be emitted.
    left: usize,
    /// Procedures that may be called: those before the one that grows.
    callable: u32,
    /// The number of times that the code emitted now runs, at most, each time the procedure does.
    rounds: u64,
    /// Elements of advice that the procedure reads, at most, its callees' included.
    reads: u64,
    /// The same, of each procedure that is finished.
    reads_of: Vec<u64>,
    most_reads: u64,
}

impl<R: FnMut() -> u32> Grower<R> {
    fn below(&mut self, bound: u32) -> u32 {
        (self.random)() % bound
    }

    fn value(&mut self) -> u64 {
        match self.below(6) {
            0 => 0,
            1 => 1,
            2 => u64::from(self.below(100)),
            3 => u64::from(u32::MAX) - u64::from(self.below(3)),
            4 => u64::from((self.random)()),
            _ => (u64::from((self.random)()) << 32 | u64::from((self.random)())) % MODULUS,
        }
    }

    fn emit(&mut self, text: &str) {
        let _ = writeln!(self.source, "{text}");
    }

    fn block(&mut self, depth: u32) {
        for _ in 0..3 + self.below(12) {
            self.left = self.left.saturating_sub(1);
            match self.below(24) {
                0 if depth < 3 => self.conditional(depth),
                1 if depth < 3 => self.counted_loop(depth),
                2 => self.call(),
                3 | 4 => self.memory(),
                5 => self.advice(),
                6 => self.circuit(),
                _ => self.plain(),
            }
        }
    }

    fn conditional(&mut self, depth: u32) {
        self.emit("dup.3 push.2 mul eq.0 if.true");
        self.block(depth + 1);
        self.emit("else");
        self.block(depth + 1);
        self.emit("end");
    }

    fn counted_loop(&mut self, depth: u32) {
        let counter = COUNTERS + self.counters;
        self.counters += 1;
        let rounds = self.below(4);
        self.emit(&format!(
            "push.{rounds} mem_store.{counter} push.{rounds} neq.0 while.true"
        ));
        let around = self.rounds;
        self.rounds *= u64::from(rounds);
        self.block(depth + 1);
        self.rounds = around;
        self.emit(&format!(
            "mem_load.{counter} sub.1 dup mem_store.{counter} neq.0 end"
        ));
    }

    fn call(&mut self) {
        let callee = if self.callable == 0 {
            None
        } else {
            Some(self.below(self.callable))
        };
        let callee = callee.filter(|&p| self.may_read(self.reads_of[p as usize]));
        match (self.below(5), callee) {
            (0, Some(p)) => self.emit(&format!("call.p{p}")),
            (1, Some(p)) => self.emit(&format!("exec.p{p}")),
            (2, Some(p)) => self.stored_call(p, "dyncall"),
            (3, Some(p)) => self.stored_call(p, "dynexec"),
            _ => {
                let kernel_procedure = self.below(KERNEL_PROCEDURES);
                self.emit(&format!("syscall.k{kernel_procedure}"));
            }
        }
    }

    /// A dynamic call. The slot is written first, because a callee's memory has none.
    fn stored_call(&mut self, procedure: u32, op: &str) {
        let addr = SLOTS + 4 * procedure;
        self.emit(&format!(
            "procref.p{procedure} mem_storew_be.{addr} dropw push.{addr} {op}"
        ));
    }

    /// Folds a query whose value is the one that the layer before was folded into.
    fn fri(&mut self) {
        let segment = self.below(4);
        let high = 6 - 2 * segment;
        // Segment and value replace what is at positions 9, 11 and 12.
        self.emit(&format!(
            "push.{segment} movdn.10 movup.9 drop
            dup.{high} movdn.12 movup.11 drop
            dup.{} movdn.13 movup.12 drop
            fri_ext2fold4",
            high + 1
        ));
    }

    fn memory(&mut self) {
        let element = self.below(64);
        let word = 4 * self.below(16);
        let text = match self.below(9) {
            0 => format!("mem_store.{element}"),
            1 => format!("mem_load.{element}"),
            2 => format!("mem_storew_be.{word}"),
            3 => format!("mem_loadw_be.{word}"),
            4 => format!("push.{word} movdn.12 mem_stream movup.12 drop"),
            5 => format!("push.{element} movdn.13 horner_eval_base"),
            6 => format!("push.{word} movdn.13 horner_eval_ext"),
            7 => {
                let target = word + 8 + 4 * self.below(8);
                format!("push.{target} movdn.12 push.{word} movdn.12 crypto_stream")
            }
            _ => format!("dup.2 mem_store.{element} padw mem_loadw_le.{word}"),
        };
        self.emit(&text);
    }

    /// Books a read of advice, unless the procedure's share does not hold it.
    fn may_read(&mut self, elements: u64) -> bool {
        let reads = self.reads + self.rounds * elements;
        let fits = reads <= self.most_reads;
        if fits {
            self.reads = reads;
        }
        fits
    }

    fn advice(&mut self) {
        // Pipes read the most.
        if !self.may_read(8) {
            return self.plain();
        }
        let word = 4 * self.below(16);
        let text = match self.below(7) {
            0 => "adv_push.2".to_owned(),
            1 => "adv_loadw".to_owned(),
            2 => format!("push.{word} movdn.12 adv_pipe movup.12 drop"),
            3 => "push.5.5.5.5 adv.push_mapvaln.4 dropw adv_push.3".to_owned(),
            4 => "adv.insert_hdword".to_owned(),
            5 => "u32split drop u32clz".to_owned(),
            _ => "u32split drop push.1 add ilog2".to_owned(),
        };
        self.emit(&text);
    }

    /// A circuit of the two variables that a word happens to hold, and of four gates.
    fn circuit(&mut self) {
        let word = 4 * self.below(15);
        for id in (0..4).rev() {
            let earlier = 6 - id - 1;
            let left = id + 1 + self.below(earlier);
            // The last gate is zero.
            let (operation, right) = match id {
                0 => (0, left),
                _ => (self.below(3), id + 1 + self.below(earlier)),
            };
            let instruction = instruction(operation.into(), left.into(), right.into());
            let addr = word + 7 - id;
            self.emit(&format!("push.{instruction} mem_store.{addr}"));
        }
        self.emit(&format!(
            "push.4 push.2 push.{word} eval_circuit drop drop drop"
        ));
    }

    fn plain(&mut self) {
        const SAFE: &[&str] = &[
            "add",
            "sub",
            "mul",
            "neg",
            "add.1",
            "eq",
            "neq",
            "eq.0",
            "swap",
            "drop",
            "dup",
            "dup.3",
            "dup.7",
            "dup.15",
            "movup.2",
            "movup.5",
            "movup.8",
            "movup.15",
            "movdn.3",
            "movdn.7",
            "movdn.8",
            "swapw",
            "swapw.2",
            "swapw.3",
            "swapdw",
            "padw",
            "dropw",
            "dupw.1",
            "movupw.2",
            "movdnw.3",
            "reversew",
            "hperm",
            "log_precompile",
            "hmerge",
            "hash",
            "sdepth",
            "clk",
            "u32split",
            "u32cast",
            "ext2add",
            "ext2mul",
            "caller",
            "eqw",
            "is_odd",
            "lt",
            "exp.5",
        ];
        const OF_TWO_U32: &[&str] = &[
            "u32overflowing_add",
            "u32wrapping_sub",
            "u32overflowing_sub",
            "u32overflowing_mul",
            "u32and",
            "u32or",
            "u32xor",
            "u32lt",
            "u32assert2",
            "u32min",
        ];
        match self.below(11) {
            0 | 1 => {
                let value = self.value();
                self.emit(&format!("push.{value}"));
            }
            2 => {
                let op = OF_TWO_U32[self.below(OF_TWO_U32.len() as u32) as usize];
                self.emit(&format!("u32cast swap u32cast swap {op}"));
            }
            3 => {
                let divisor = 1 + self.below(1000);
                self.emit(&format!("u32cast push.{divisor} u32divmod"));
            }
            4 => {
                let op = ["cswap", "cdrop", "cswapw", "not", "and", "or"][self.below(6) as usize];
                self.emit(&format!("eq.0 swap eq.1 swap {op}"));
            }
            5 => self.emit("u32cast swap u32cast movup.2 u32cast u32overflowing_add3"),
            6 => self.emit("u32cast swap u32cast movup.2 u32cast u32overflowing_madd"),
            7 => self.fri(),
            _ => {
                let op = SAFE[self.below(SAFE.len() as u32) as usize];
                self.emit(op);
            }
        }
    }
}
