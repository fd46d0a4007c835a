//! Opcodes and their flags.

use miden_core::Felt;

use crate::{
    algebra::Algebra,
    columns::{EndCols, OpcodeCols},
};

/// The purpose of a row, as its opcode states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It executes an operation of a basic block.
    Operation,
    /// It begins a node whose END comes later, or on the next row.
    Begin,
    /// It is a call by CALL or DYNCALL, which begin a node too and have a column for their flag.
    Call,
    /// It goes on with a node, ends one, or follows the end of the program.
    Continue,
}

/// The shift of the stack's elements below those that a row takes and leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shift {
    /// They stay where they are.
    No,
    /// There is one element less: they move up by one.
    Left,
    /// There is one element more: they move down by one.
    Right,
    /// The row leaves its context, or the cells of the row decide.
    Other,
}

/// An opcode and what holds on its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opcode {
    /// Its name.
    pub name: &'static str,
    /// Its number.
    pub code: u8,
    /// The purpose of its rows.
    pub role: Role,
    /// The shift of the stack on its rows.
    pub shift: Shift,
}

macro_rules! opcodes {
    ($($role:ident $shift:ident { $($(#[$doc:meta])* $name:ident = $value:literal),* $(,)? })*) => {
        $($($(#[$doc])* #[allow(missing_docs)] pub const $name: u8 = $value;)*)*

        /// All opcodes. The flags of sets of them follow from this table.
        pub const OPCODES: &[Opcode] = &[$($(Opcode {
            name: stringify!($name),
            code: $value,
            role: Role::$role,
            shift: Shift::$shift,
        }),*),*];
    };
}

// The values are those of `miden-core` 0.20, since they enter the hashes of programs.
opcodes! {
    Operation No {
        NOOP = 0b000_0000, EQZ = 0b000_0001, NEG = 0b000_0010, INV = 0b000_0011,
        INCR = 0b000_0100, NOT = 0b000_0101, MLOAD = 0b000_0111,
        SWAP = 0b000_1000, CALLER = 0b000_1001, MOVUP2 = 0b000_1010, MOVDN2 = 0b000_1011,
        MOVUP3 = 0b000_1100, MOVDN3 = 0b000_1101, ADVPOPW = 0b000_1110, EXPACC = 0b000_1111,

        MOVUP4 = 0b001_0000, MOVDN4 = 0b001_0001, MOVUP5 = 0b001_0010, MOVDN5 = 0b001_0011,
        MOVUP6 = 0b001_0100, MOVDN6 = 0b001_0101, MOVUP7 = 0b001_0110, MOVDN7 = 0b001_0111,
        SWAPW = 0b001_1000, EXT2MUL = 0b001_1001, MOVUP8 = 0b001_1010, MOVDN8 = 0b001_1011,
        SWAPW2 = 0b001_1100, SWAPW3 = 0b001_1101, SWAPDW = 0b001_1110, EMIT = 0b001_1111,
    }
    Operation Left {
        ASSERT = 0b010_0000, EQ = 0b010_0001, ADD = 0b010_0010, MUL = 0b010_0011,
        AND = 0b010_0100, OR = 0b010_0101, U32AND = 0b010_0110, U32XOR = 0b010_0111,
        FRIE2F4 = 0b010_1000, DROP = 0b010_1001, CSWAP = 0b010_1010, CSWAPW = 0b010_1011,
        MLOADW = 0b010_1100, MSTORE = 0b010_1101, MSTOREW = 0b010_1110,
    }
    Operation Right {
        PAD = 0b011_0000, DUP0 = 0b011_0001, DUP1 = 0b011_0010, DUP2 = 0b011_0011,
        DUP3 = 0b011_0100, DUP4 = 0b011_0101, DUP5 = 0b011_0110, DUP6 = 0b011_0111,
        DUP7 = 0b011_1000, DUP9 = 0b011_1001, DUP11 = 0b011_1010, DUP13 = 0b011_1011,
        DUP15 = 0b011_1100, ADVPOP = 0b011_1101, SDEPTH = 0b011_1110, CLK = 0b011_1111,
    }
    Operation No {
        U32ADD = 0b100_0000, U32SUB = 0b100_0010, U32MUL = 0b100_0100, U32DIV = 0b100_0110,
        U32ASSERT2 = 0b100_1010,
    }
    Operation Right { U32SPLIT = 0b100_1000 }
    Operation Left { U32ADD3 = 0b100_1100, U32MADD = 0b100_1110 }
    Operation No {
        HPERM = 0b101_0000, MPVERIFY = 0b101_0001, PIPE = 0b101_0010, MSTREAM = 0b101_0011,
        HORNERBASE = 0b101_1001, HORNEREXT = 0b101_1010, EVALCIRCUIT = 0b101_1101,
        LOGPRECOMPILE = 0b101_1110, MRUPDATE = 0b110_0000, CRYPTOSTREAM = 0b110_0100,
    }
    Operation Right { PUSH = 0b101_1011 }

    Begin Left { SPLIT = 0b101_0100, LOOP = 0b101_0101, DYN = 0b101_1000 }
    Begin No { SPAN = 0b101_0110, JOIN = 0b101_0111 }
    Begin Other { SYSCALL = 0b110_1000 }
    Call Other { CALL = 0b110_1100, DYNCALL = 0b101_1100 }

    Begin No {
        /// An intrinsic of the VM, which the next row ends. Never in a program: a CALL's row becomes one.
        INTRINSIC = 0b110_0001,
        /// The intrinsic that tells an instance who called in, which the next row ends. Never in a program.
        CALLER_ID = 0b110_1001,
        /// The intrinsic that makes an instance, which the next row ends. Never in a program.
        INSTANTIATE = 0b110_1101,
    }
    Continue No {
        /// The drop of a handle whose destructor the next row calls. Never in a program.
        DESTROY = 0b110_0101,
    }
    Continue Other {
        /// The call of a destructor into the instance that defines the type. Never in a program.
        DESTRUCTOR = 0b110_0010,
        /// The call of a destructor in its dropper's own context. Never in a program.
        OWN_DESTRUCTOR = 0b110_0011,
        END = 0b111_0000,
    }
    Continue Left { REPEAT = 0b111_0100 }
    Continue No { RESPAN = 0b111_1000, HALT = 0b111_1100 }
}

/// A set of opcodes as the flags that add up to the set's: where all opcodes with a prefix are in it,
/// the flag of the prefix, whose degree is lower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpcodeSet {
    /// By the upper three bits.
    class: [bool; 8],
    /// By the upper five bits, where the whole class is not in it.
    upper: [[bool; 4]; 8],
    /// By opcode, where neither is.
    single: [bool; 128],
}

impl OpcodeSet {
    /// The operations of basic blocks.
    pub const OPERATIONS: Self = Self::with(Some(Role::Operation), None);
    /// The opcodes that begin a node, but for CALL and DYNCALL.
    pub const BEGIN: Self = Self::with(Some(Role::Begin), None);
    /// CALL and DYNCALL.
    pub const CALLS: Self = Self::with(Some(Role::Call), None);
    /// The opcodes that always shift the stack to the left.
    pub const LEFT: Self = Self::with(None, Some(Shift::Left));
    /// The opcodes that always shift the stack to the right.
    pub const RIGHT: Self = Self::with(None, Some(Shift::Right));

    /// The opcodes of this role, or of this shift, where one is asked for.
    const fn with(role: Option<Role>, shift: Option<Shift>) -> Self {
        let mut members = [false; 128];
        let mut i = 0;
        while i < OPCODES.len() {
            let opcode = &OPCODES[i];
            let has_role = match role {
                Some(role) => opcode.role as u8 == role as u8,
                None => true,
            };
            let has_shift = match shift {
                Some(shift) => opcode.shift as u8 == shift as u8,
                None => true,
            };
            members[opcode.code as usize] = has_role && has_shift;
            i += 1;
        }
        Self::new(members)
    }

    /// The set of these opcodes.
    const fn new(members: [bool; 128]) -> Self {
        let mut class = [true; 8];
        let mut upper = [[true; 4]; 8];
        let mut i = 0;
        while i < OPCODES.len() {
            let code = OPCODES[i].code as usize;
            class[code >> 4] &= members[code];
            upper[code >> 4][(code >> 2) & 3] &= members[code];
            i += 1;
        }
        // What is said by a shorter prefix is not said by a longer one. Prefixes that no opcode has do
        // not occur: they are no flags of rows.
        let mut single = members;
        let mut code = 0;
        while code < 128 {
            let (hi, mid) = (code >> 4, (code >> 2) & 3);
            single[code] &= !upper[hi][mid];
            code += 1;
        }
        let mut hi = 0;
        while hi < 8 {
            let mut mid = 0;
            while mid < 4 {
                upper[hi][mid] &= !class[hi] && has_prefix(hi, mid);
                mid += 1;
            }
            hi += 1;
        }
        Self {
            class,
            upper,
            single,
        }
    }
}

/// Returns `true` if there is an opcode with these upper five bits.
const fn has_prefix(hi: usize, mid: usize) -> bool {
    let first = (hi << 4 | mid << 2) as u8;
    entry(first).is_some()
        || entry(first + 1).is_some()
        || entry(first + 2).is_some()
        || entry(first + 3).is_some()
}

/// The entry of an opcode in the table.
const fn entry(code: u8) -> Option<&'static Opcode> {
    let mut i = 0;
    while i < OPCODES.len() {
        if OPCODES[i].code == code {
            return Some(&OPCODES[i]);
        }
        i += 1;
    }
    None
}

/// Returns how the rows of an opcode of 7 bits shift the stack.
pub const fn shift_of(code: u8) -> Shift {
    SHIFTS[(code & 0x7f) as usize]
}

const SHIFTS: [Shift; 128] = {
    let mut shifts = [Shift::No; 128];
    let mut i = 0;
    while i < OPCODES.len() {
        shifts[OPCODES[i].code as usize] = OPCODES[i].shift;
        i += 1;
    }
    shifts
};

/// Opcodes that no row may have, under the prefixes that have free ones: those that stand for
/// nothing, and the operations that are refused. The prefixes 100 (only even opcodes) and 111 (low
/// bits zero) have constraints of their own.
pub const FORBIDDEN: [u8; 9] = {
    let mut forbidden = [0; 9];
    let (mut count, mut code) = (0, 0);
    while code < 128 {
        if !matches!(code >> 4, 0b100 | 0b111) && entry(code).is_none() {
            forbidden[count] = code;
            count += 1;
        }
        code += 1;
    }
    assert!(count == forbidden.len());
    forbidden
};

impl OpcodeCols<Felt> {
    /// The cells of an opcode.
    pub fn of(code: u8) -> Self {
        fn one_hot<const N: usize>(part: u8) -> [Felt; N] {
            core::array::from_fn(|i| Felt::from(u8::from(i == usize::from(part))))
        }
        Self {
            hi: one_hot(code >> 4),
            mid: one_hot((code >> 2) & 3),
            lo: one_hot(code & 3),
        }
    }

    /// The opcode that the cells stand for. A part of which no cell is 1 counts as 0.
    pub fn code(&self) -> u8 {
        let part = |cells: &[Felt]| {
            let place = cells.iter().position(|&cell| cell == Algebra::ONE);
            place.unwrap_or(0) as u8
        };
        (part(&self.hi) << 4) | (part(&self.mid) << 2) | part(&self.lo)
    }
}

/// Flags of the operations on one row: one multiplication each.
#[derive(Debug, Clone, Copy)]
pub struct OpFlags<E> {
    hi: [E; 8],
    mid: [E; 4],
    lo: [E; 4],
    upper: [[E; 4]; 8],
}

impl<E: Algebra> OpFlags<E> {
    /// Prepares the flags of a row.
    #[inline(always)]
    pub fn new(op: &OpcodeCols<E>) -> Self {
        let upper = core::array::from_fn(|i| core::array::from_fn(|j| op.hi[i] * op.mid[j]));
        Self {
            hi: op.hi,
            mid: op.mid,
            lo: op.lo,
            upper,
        }
    }

    /// 1 if the row's opcode is `code`; degree 3, but 2 for END, REPEAT, RESPAN and HALT, whose
    /// low bits are known to be zero.
    #[inline(always)]
    pub fn op(&self, code: u8) -> E {
        let (hi, mid, lo) = (code >> 4, (code >> 2) & 3, code & 3);
        let upper = self.upper[hi as usize][mid as usize];
        if hi == 7 {
            upper
        } else {
            upper * self.lo[lo as usize]
        }
    }

    /// 1 if the opcode is one of a set; the degree is that of the longest prefix that tells them apart.
    #[inline(always)]
    pub fn any(&self, set: &OpcodeSet) -> E {
        let mut flag = E::ZERO;
        for hi in 0..8 {
            if set.class[hi] {
                flag += self.hi[hi];
                continue;
            }
            for mid in 0..4 {
                if set.upper[hi][mid] {
                    flag += self.upper[hi][mid];
                    continue;
                }
                for lo in 0..4 {
                    let code = 16 * hi + 4 * mid + lo;
                    if set.single[code] {
                        flag += self.op(code as u8);
                    }
                }
            }
        }
        flag
    }

    /// 1 if the upper 3 bits of the opcode are `hi`; degree 1.
    #[inline(always)]
    pub fn class(&self, hi: usize) -> E {
        self.hi[hi]
    }

    /// 1 if the upper 5 bits of the opcode are those of `code`; degree 2.
    #[inline(always)]
    pub fn upper(&self, code: u8) -> E {
        self.upper[(code >> 4) as usize][((code >> 2) & 3) as usize]
    }

    /// The one-hot column for the lower 2 bits `lo`; degree 1.
    #[inline(always)]
    pub fn lo(&self, lo: usize) -> E {
        self.lo[lo]
    }

    /// The one-hot column for the middle 2 bits `mid`; degree 1.
    #[inline(always)]
    pub fn mid(&self, mid: usize) -> E {
        self.mid[mid]
    }

    /// The opcode as a number; degree 1.
    #[inline(always)]
    pub fn code(&self) -> E {
        let mut code = E::ZERO;
        for (i, &flag) in self.hi.iter().enumerate() {
            code += flag.scale(miden_core::Felt::new(16 * i as u64));
        }
        for (i, &flag) in self.mid.iter().enumerate() {
            code += flag.scale(miden_core::Felt::new(4 * i as u64));
        }
        for (i, &flag) in self.lo.iter().enumerate() {
            code += flag.scale(miden_core::Felt::new(i as u64));
        }
        code
    }

    /// 1 on SPLIT, LOOP, SPAN and JOIN rows; degree 2.
    #[inline(always)]
    pub fn plain_node(&self) -> E {
        self.upper(SPLIT)
    }

    /// 1 on the rows that begin a node (`call` being the CALL and DYNCALL column), but for those
    /// that call a destructor; degree 3.
    #[inline(always)]
    pub fn start(&self, call: E) -> E {
        self.any(&OpcodeSet::BEGIN) + call
    }

    /// 1 on the rows whose next row is in a context that they enter (`call` being the CALL and DYNCALL
    /// column); degree 3.
    #[inline(always)]
    pub fn enter(&self, call: E) -> E {
        call + self.op(SYSCALL) + self.calls_destructor()
    }

    /// 1 on the END rows that leave a context; degree 3.
    #[inline(always)]
    pub fn leave(&self, end: &EndCols<E>) -> E {
        self.op(END) * end.any_call()
    }

    /// 1 on the first rows of intrinsics: INTRINSIC, CALLER_ID, INSTANTIATE and DESTROY; degree 2.
    #[inline(always)]
    pub fn intrinsic(&self) -> E {
        self.hi[6] * self.lo[1]
    }

    /// 1 on the first rows of intrinsics but for DESTROY, which no END follows; degree 3.
    #[inline(always)]
    pub fn plain_intrinsic(&self) -> E {
        self.intrinsic() * self.mid[1].not()
    }

    /// On the first rows of intrinsics 1 on CALLER_ID; degree 1.
    #[inline(always)]
    pub fn is_caller_id(&self) -> E {
        self.mid[2]
    }

    /// On the first rows of intrinsics 1 on INSTANTIATE; degree 1.
    #[inline(always)]
    pub fn instantiates(&self) -> E {
        self.mid[3]
    }

    /// 1 on the rows that call a destructor: DESTRUCTOR and OWN_DESTRUCTOR; degree 2.
    #[inline(always)]
    pub fn calls_destructor(&self) -> E {
        self.hi[6] * (self.lo[2] + self.lo[3])
    }

    /// 1 on DESTRUCTOR rows; degree 2.
    #[inline(always)]
    pub fn destructor(&self) -> E {
        self.hi[6] * self.lo[2]
    }

    /// 1 on OWN_DESTRUCTOR rows; degree 2.
    #[inline(always)]
    pub fn own_destructor(&self) -> E {
        self.hi[6] * self.lo[3]
    }
}

#[cfg(test)]
mod tests {
    use miden_core::{Felt, ONE, ZERO};

    use super::*;
    use crate::columns::{Cells, column_numbers};

    fn flags(code: u8) -> OpFlags<Felt> {
        let columns = column_numbers::<OpcodeCols<usize>>();
        let mut cells = [ZERO; size_of::<OpcodeCols<u8>>()];
        cells[columns.hi[usize::from(code >> 4)]] = ONE;
        cells[columns.mid[usize::from((code >> 2) & 3)]] = ONE;
        cells[columns.lo[usize::from(code & 3)]] = ONE;
        OpFlags::new(OpcodeCols::from_cells(&cells))
    }

    #[test]
    fn flags_of_sets_are_those_of_their_opcodes() {
        for opcode in OPCODES {
            let flags = flags(opcode.code);
            for (set, is_in) in [
                (OpcodeSet::OPERATIONS, opcode.role == Role::Operation),
                (OpcodeSet::BEGIN, opcode.role == Role::Begin),
                (OpcodeSet::CALLS, opcode.role == Role::Call),
                (OpcodeSet::LEFT, opcode.shift == Shift::Left),
                (OpcodeSet::RIGHT, opcode.shift == Shift::Right),
            ] {
                let expected = if is_in { ONE } else { ZERO };
                assert_eq!(flags.any(&set), expected, "{} {set:?}", opcode.name);
            }
        }
    }

    #[test]
    fn no_number_stands_for_two_opcodes() {
        for (i, opcode) in OPCODES.iter().enumerate() {
            let twin = OPCODES[..i].iter().find(|other| other.code == opcode.code);
            assert_eq!(twin, None, "{}", opcode.name);
            assert!(!FORBIDDEN.contains(&opcode.code), "{}", opcode.name);
        }
    }
}
