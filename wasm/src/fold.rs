//! The results of instructions, as far as they are known before they run.

use crate::ir::{Arg, Op};

/// The results, if all operands are constants.
pub(crate) fn evaluate(op: &Op, args: &[Arg]) -> Option<Vec<u32>> {
    let mut values = [0_u32; 4];
    for (value, arg) in values.iter_mut().zip(args) {
        let Arg::Const(constant) = arg else {
            return None;
        };
        *value = *constant;
    }
    if args.is_empty() || args.len() > 4 {
        return None;
    }
    let [a, b, c, _] = values;
    let wide = |value: u64| vec![value as u32, (value >> 32) as u32];
    let (a64, b64, c64) = (u64::from(a), u64::from(b), u64::from(c));
    let is = |truth: bool| vec![u32::from(truth)];
    let below = || i64::from(a) - i64::from(b) - i64::from(c) < 0;
    Some(match op {
        Op::Add => vec![a.wrapping_add(b)],
        Op::Add3 => vec![a.wrapping_add(b).wrapping_add(c)],
        Op::AddCarry => wide(a64 + b64),
        Op::Add3Carry => wide(a64 + b64 + c64),
        Op::Sub => vec![a.wrapping_sub(b)],
        Op::SubBorrow => vec![a.wrapping_sub(b), u32::from(a < b)],
        Op::Mul => vec![a.wrapping_mul(b)],
        Op::MulWide => wide(a64 * b64),
        Op::MulAdd => vec![a.wrapping_mul(b).wrapping_add(c)],
        Op::MulAddWide => wide(a64 * b64 + c64),
        Op::DivU => vec![a.checked_div(b)?],
        Op::RemU => vec![a.checked_rem(b)?],
        Op::And => vec![a & b],
        Op::Or => vec![a | b],
        Op::Xor => vec![a ^ b],
        Op::Shl => vec![a.wrapping_shl(b)],
        Op::ShrU => vec![a.wrapping_shr(b)],
        Op::ShrS => vec![(a as i32).wrapping_shr(b) as u32],
        Op::Rotl => vec![a.rotate_left(b % 32)],
        Op::Rotr => vec![a.rotate_right(b % 32)],
        Op::Eqz => is(a == 0),
        Op::BothZero => is(a == 0 && b == 0),
        Op::Eq => is(a == b),
        Op::Ne => is(a != b),
        Op::LtU => is(a < b),
        Op::LeU => is(a <= b),
        Op::LtS => is((a as i32) < b as i32),
        Op::LeS => is(a as i32 <= b as i32),
        Op::Below => is(below()),
        Op::NotBelow => is(!below()),
        Op::Select => vec![if a != 0 { b } else { c }],
        Op::Ext8 => vec![a as i8 as u32],
        Op::Ext16 => vec![a as i16 as u32],
        Op::Runtime("clz", _) => vec![a.leading_zeros()],
        Op::Runtime("ctz", _) => vec![a.trailing_zeros()],
        Op::Runtime("popcnt", _) => vec![a.count_ones()],
        _ => return None,
    })
}

/// The results where they are operands or constants, or else a simpler instruction.
pub(crate) fn simplify(op: Op, mut args: Vec<Arg>) -> Result<Vec<Arg>, (Op, Vec<Arg>)> {
    let zero = Arg::Const(0);
    let one = Arg::Const(1);
    let all = Arg::Const(u32::MAX);
    // Constants stand behind.
    if op.is_commutative() && matches!(args[0], Arg::Const(_)) {
        args.swap(0, 1);
    }
    if matches!(op, Op::Add3 | Op::Add3Carry) {
        args.sort_by_key(|arg| matches!(arg, Arg::Const(_)));
        if args[1..] == [zero, zero] {
            return Ok(vec![args[0], zero]);
        }
        if args[2] == zero {
            args.pop();
            let op = match op {
                Op::Add3 => Op::Add,
                _ => Op::AddCarry,
            };
            return simplify(op, args);
        }
    }
    let shift = |arg: Arg| match arg {
        Arg::Const(count) => Arg::Const(count % 32),
        other => other,
    };
    if matches!(op, Op::Shl | Op::ShrU | Op::ShrS | Op::Rotl | Op::Rotr) {
        args[1] = shift(args[1]);
    }
    match (&op, args.as_slice()) {
        (
            Op::Add
            | Op::Sub
            | Op::Or
            | Op::Xor
            | Op::Shl
            | Op::ShrU
            | Op::ShrS
            | Op::Rotl
            | Op::Rotr,
            [a, b],
        ) if *b == zero => Ok(vec![*a]),
        (Op::Shl | Op::ShrU | Op::ShrS, [a, _]) if *a == zero => Ok(vec![zero]),
        (Op::AddCarry | Op::SubBorrow, [a, b]) if *b == zero => Ok(vec![*a, zero]),
        (Op::Mul | Op::And, [_, b]) if *b == zero => Ok(vec![zero]),
        (Op::Mul, [a, b]) if *b == one => Ok(vec![*a]),
        (Op::And, [a, b]) if *b == all => Ok(vec![*a]),
        (Op::Or, [_, b]) if *b == all => Ok(vec![all]),
        (Op::MulWide, [_, b]) if *b == zero => Ok(vec![zero, zero]),
        (Op::MulWide, [a, b]) if *b == one => Ok(vec![*a, zero]),
        (Op::MulAdd, [a, b, c]) if *a == zero || *b == zero => Ok(vec![*c]),
        (Op::MulAddWide, [a, b, c]) if *a == zero || *b == zero => Ok(vec![*c, zero]),
        (Op::MulAdd, [a, b, c]) if *b == one => simplify(Op::Add, vec![*a, *c]),
        (Op::MulAdd, [a, b, c]) if *a == one => simplify(Op::Add, vec![*b, *c]),
        (Op::MulAdd, [a, b, c]) if *c == zero => simplify(Op::Mul, vec![*a, *b]),
        (Op::MulAddWide, [a, b, c]) if *c == zero => simplify(Op::MulWide, vec![*a, *b]),
        (Op::BothZero, [a, b]) if *b == zero => Err((Op::Eqz, vec![*a])),
        (Op::Eq, [a, b]) if *b == zero => Err((Op::Eqz, vec![*a])),
        (Op::LtU, [_, b]) if *b == zero => Ok(vec![zero]),
        (Op::LtU, [a, b]) if *b == one => Err((Op::Eqz, vec![*a])),
        (Op::LeU, [a, _]) if *a == zero => Ok(vec![one]),
        (Op::Below, [a, b, c]) if *a == zero && *b == zero => Ok(vec![*c]),
        (Op::NotBelow, [a, b, c]) if *a == zero && *b == zero => Err((Op::Eqz, vec![*c])),
        (Op::Below, [a, b, c]) if *c == zero => simplify(Op::LtU, vec![*a, *b]),
        (Op::NotBelow, [a, b, c]) if *c == zero => simplify(Op::LeU, vec![*b, *a]),
        (Op::Select, [cond, a, b]) => match cond {
            Arg::Const(0) => Ok(vec![*b]),
            Arg::Const(_) => Ok(vec![*a]),
            _ => Err((op, args)),
        },
        (Op::Sub, [a, Arg::Const(b)]) => Err((Op::Add, vec![*a, Arg::Const(b.wrapping_neg())])),
        _ => Err((op, args)),
    }
}
