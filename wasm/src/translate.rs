//! From a function's instructions to [ir](crate::ir).

use std::{collections::BTreeSet, rc::Rc};

use wasmparser::{BlockType, FunctionBody, MemArg, Operator, ValType};

use crate::{
    WasmError, cases,
    fold::{evaluate, simplify},
    ir::{Arg, Arm, Body, Callee, Inst, Label, Node, Op, Val, Var, Width, group},
    layout::{Layout, TableSize},
    limits,
    module::{Module, reference},
    tails,
};

/// Elements of parameters, and of results, that stand on the stack at a call; what there is beyond
/// them is in cells.
pub(crate) const STACK_VALUES: usize = 8;

/// A function's body, and what it calls.
pub(crate) struct Translated {
    pub(crate) body: Body,
    pub(crate) callees: BTreeSet<u32>,
    /// The types of indirect calls.
    pub(crate) indirect: BTreeSet<u32>,
}

#[derive(Debug, Clone, Copy)]
enum Operand {
    I32(Arg),
    /// Lower and higher half.
    I64(Arg, Arg),
}

impl Operand {
    fn args(self) -> Vec<Arg> {
        match self {
            Self::I32(arg) => vec![arg],
            Self::I64(low, high) => vec![low, high],
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Block,
    Loop,
    If,
    Else,
}

struct Frame {
    kind: Kind,
    label: Label,
    /// The variables that a branch to the label sets.
    branch: Vec<Slot>,
    /// The variables of the results.
    results: Vec<Slot>,
    /// Operands below the frame's own.
    height: usize,
    /// The nodes before it.
    outer: Vec<Node>,
    cond: Arg,
    then: Vec<Node>,
    /// The operands that both arms of an `if` begin with.
    params: Vec<Operand>,
    /// `true` if what follows cannot be reached.
    dead: bool,
}

/// The variables of a value.
#[derive(Debug, Clone, Copy)]
enum Slot {
    I32(Var),
    I64(Var, Var),
}

impl Slot {
    fn vars(self) -> Vec<Var> {
        match self {
            Self::I32(var) => vec![var],
            Self::I64(low, high) => vec![low, high],
        }
    }

    fn operand(self) -> Operand {
        match self {
            Self::I32(var) => Operand::I32(Arg::var(var)),
            Self::I64(low, high) => Operand::I64(Arg::var(low), Arg::var(high)),
        }
    }
}

struct Translator<'m, 'a> {
    module: &'m Module<'a>,
    layout: &'m Layout,
    nodes: Vec<Node>,
    stack: Vec<Operand>,
    frames: Vec<Frame>,
    locals: Vec<Slot>,
    /// The first variable that is no local.
    temporaries: Var,
    vars: Var,
    vals: Val,
    labels: Label,
    callees: BTreeSet<u32>,
    indirect: BTreeSet<u32>,
    /// The place in the module of the instruction that is translated.
    offset: u64,
}

/// The reason why a translation stops.
pub(crate) enum Stop {
    Wasm(WasmError),
    Unsupported { offset: u64, what: String },
}

impl From<wasmparser::Error> for Stop {
    fn from(error: wasmparser::Error) -> Self {
        Self::Wasm(error.into())
    }
}

fn type_name(ty: ValType) -> String {
    format!("a value of type {ty}")
}

/// The number of elements of values of these types; the first type that has none.
pub(crate) fn slots(types: &[ValType]) -> Result<usize, String> {
    types.iter().try_fold(0, |sum, ty| match ty {
        ValType::I32 | ValType::Ref(_) => Ok(sum + 1),
        ValType::I64 => Ok(sum + 2),
        other => Err(type_name(*other)),
    })
}

/// Translates the body of a function.
pub(crate) fn translate(
    module: &Module<'_>,
    layout: &Layout,
    function: u32,
    body: &FunctionBody<'_>,
) -> Result<Translated, Stop> {
    let name = || format!("function `{}`", module.name(function));
    let limit = |what, actual, max| match actual > max {
        true => Err(Stop::Wasm(WasmError::Limit {
            place: name(),
            what,
            max,
            actual,
        })),
        false => Ok(()),
    };
    let range = body.range();
    limit(
        "the length of the body in bytes",
        range.end - range.start,
        limits::BODY_BYTES,
    )?;
    let ty = module.type_of(function);
    let unsupported = |what| Stop::Unsupported {
        offset: range.start,
        what,
    };
    let mut this = Translator {
        module,
        layout,
        nodes: Vec::new(),
        stack: Vec::new(),
        frames: Vec::new(),
        locals: Vec::new(),
        temporaries: 0,
        vars: 0,
        vals: 0,
        labels: 1,
        callees: BTreeSet::new(),
        indirect: BTreeSet::new(),
        offset: range.start,
    };
    for ty in ty.params() {
        let slot = this.slot(*ty).map_err(unsupported)?;
        this.locals.push(slot);
    }
    let mut count = ty.params().len() as u64;
    for group in body.get_locals_reader()? {
        let (number, ty) = group?;
        count += u64::from(number);
        limit("the number of locals", count, limits::LOCALS)?;
        for _ in 0..number {
            let slot = this.slot(ty).map_err(unsupported)?;
            this.locals.push(slot);
        }
    }
    limit("the number of locals", count, limits::LOCALS)?;
    this.temporaries = this.vars;
    let mut params: Vec<Var> = this.locals[..ty.params().len()]
        .iter()
        .flat_map(|slot| slot.vars())
        .collect();
    let results = this.slots(ty.results()).map_err(unsupported)?;
    this.frames.push(Frame {
        kind: Kind::Block,
        label: 0,
        branch: results.clone(),
        results: results.clone(),
        height: 0,
        outer: Vec::new(),
        cond: Arg::Const(0),
        then: Vec::new(),
        params: Vec::new(),
        dead: false,
    });
    let mut skipped = 0_u32;
    let mut reader = body.get_operators_reader()?;
    while !reader.eof() {
        let offset = reader.original_position();
        let operator = reader.read()?;
        limit(
            "the number of open blocks",
            this.frames.len() as u64,
            limits::NESTING,
        )?;
        let dead = this.frames.last().is_some_and(|frame| frame.dead);
        if dead {
            match operator {
                Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => {
                    skipped += 1;
                    continue;
                }
                Operator::End if skipped > 0 => {
                    skipped -= 1;
                    continue;
                }
                Operator::End => {}
                Operator::Else if skipped == 0 => {}
                _ => continue,
            }
        }
        this.offset = offset;
        this.operator(&operator)
            .map_err(|what| Stop::Unsupported { offset, what })?;
    }
    let mut results: Vec<Var> = results.iter().flat_map(|slot| slot.vars()).collect();
    let mut nodes = Vec::new();
    let in_cells = params.len().saturating_sub(STACK_VALUES);
    for (index, var) in params.drain(..in_cells).enumerate() {
        let val = this.val();
        nodes.push(this.inst(
            Op::CellGet(layout.arguments + index as u32),
            vec![],
            vec![val],
        ));
        nodes.push(Node::Set(var, Arg::Val(val), false));
    }
    nodes.append(&mut this.nodes);
    let in_cells = results.len().saturating_sub(STACK_VALUES);
    for (index, var) in results.drain(..in_cells).enumerate() {
        let cell = Op::CellSet(layout.results + index as u32);
        nodes.push(this.inst(cell, vec![Arg::var(var)], vec![]));
    }
    let mut body = Body {
        nodes,
        vars: this.vars,
        vals: this.vals,
        labels: this.labels,
        params,
        results,
        entry: Rc::default(),
    };
    tails::inline(&mut body);
    cases::arrange(&mut body);
    group(&mut body);
    Ok(Translated {
        body,
        callees: this.callees,
        indirect: this.indirect,
    })
}

impl Translator<'_, '_> {
    fn var(&mut self) -> Var {
        self.vars += 1;
        self.vars - 1
    }

    fn val(&mut self) -> Val {
        self.vals += 1;
        self.vals - 1
    }

    fn slot(&mut self, ty: ValType) -> Result<Slot, String> {
        match ty {
            ValType::I32 | ValType::Ref(_) => Ok(Slot::I32(self.var())),
            ValType::I64 => Ok(Slot::I64(self.var(), self.var())),
            other => Err(type_name(other)),
        }
    }

    fn slots(&mut self, types: &[ValType]) -> Result<Vec<Slot>, String> {
        types.iter().map(|ty| self.slot(*ty)).collect()
    }

    fn inst(&self, op: Op, args: Vec<Arg>, results: Vec<Val>) -> Node {
        Node::Inst(Inst {
            op,
            args,
            results,
            live_after: None,
            offset: self.offset,
        })
    }

    // OPERANDS

    fn pop(&mut self) -> Operand {
        // Validation has seen to it that there is one.
        self.stack.pop().unwrap_or(Operand::I32(Arg::Const(0)))
    }

    fn pop32(&mut self) -> Arg {
        match self.pop() {
            Operand::I32(arg) | Operand::I64(arg, _) => arg,
        }
    }

    fn pop64(&mut self) -> (Arg, Arg) {
        match self.pop() {
            Operand::I64(low, high) => (low, high),
            Operand::I32(arg) => (arg, Arg::Const(0)),
        }
    }

    fn push32(&mut self, arg: Arg) {
        self.stack.push(Operand::I32(arg));
    }

    fn push64(&mut self, (low, high): (Arg, Arg)) {
        self.stack.push(Operand::I64(low, high));
    }

    fn set(&mut self, var: Var, arg: Arg) {
        if arg != Arg::var(var) {
            self.nodes.push(Node::Set(var, arg, false));
        }
    }

    /// Puts a value into a variable of its own.
    fn named(&mut self, arg: Arg) -> Arg {
        let keep = match arg {
            Arg::Const(_) => true,
            Arg::Var(var, _) => var >= self.temporaries,
            Arg::Val(_) => false,
        };
        if keep {
            return arg;
        }
        let var = self.var();
        self.set(var, arg);
        Arg::var(var)
    }

    /// Puts all operands into variables, so that they outlive straight-line code.
    fn flush(&mut self) {
        for index in 0..self.stack.len() {
            self.stack[index] = match self.stack[index] {
                Operand::I32(arg) => Operand::I32(self.named(arg)),
                Operand::I64(low, high) => {
                    let low = self.named(low);
                    Operand::I64(low, self.named(high))
                }
            };
        }
    }

    /// Puts the deepest results of instructions into variables if there are many.
    fn relieve(&mut self) {
        let is_val = |operand: &Operand| operand.args().iter().any(|a| matches!(a, Arg::Val(_)));
        let pending = self.stack.iter().filter(|operand| is_val(operand)).count();
        if pending > 6
            && let Some(index) = self.stack.iter().position(is_val)
        {
            self.stack[index] = match self.stack[index] {
                Operand::I32(arg) => Operand::I32(self.named(arg)),
                Operand::I64(low, high) => {
                    let low = self.named(low);
                    Operand::I64(low, self.named(high))
                }
            };
        }
    }

    // INSTRUCTIONS

    fn emit(&mut self, op: Op, args: Vec<Arg>, results: usize) -> Vec<Arg> {
        if let Some(folded) = evaluate(&op, &args) {
            return folded.into_iter().map(Arg::Const).collect();
        }
        let (op, args) = match simplify(op, args) {
            Ok(results) => return results,
            Err(changed) => changed,
        };
        let vals: Vec<Val> = (0..results).map(|_| self.val()).collect();
        let node = self.inst(op, args, vals.clone());
        self.nodes.push(node);
        vals.into_iter().map(Arg::Val).collect()
    }

    fn one<const N: usize>(&mut self, op: Op, args: [Arg; N]) -> Arg {
        self.emit(op, args.to_vec(), 1)[0]
    }

    fn two<const N: usize>(&mut self, op: Op, args: [Arg; N]) -> (Arg, Arg) {
        let results = self.emit(op, args.to_vec(), 2);
        (results[0], results[1])
    }

    fn binary32(&mut self, op: Op) {
        let b = self.pop32();
        let a = self.pop32();
        let result = match op {
            Op::Add => self.add(a, b),
            op => self.one(op, [a, b]),
        };
        self.push32(result);
    }

    /// The sum; of three if one is a sum itself, just computed.
    fn add(&mut self, a: Arg, b: Arg) -> Arg {
        for (sum, other) in [(b, a), (a, b)] {
            let (Arg::Val(val), Some(Node::Inst(last))) = (sum, self.nodes.last()) else {
                continue;
            };
            if last.op == Op::Add
                && last.results == [val]
                && other != sum
                && !last
                    .args
                    .iter()
                    .chain([&other])
                    .any(|a| matches!(a, Arg::Const(_)))
            {
                let (x, y) = (last.args[0], last.args[1]);
                self.nodes.pop();
                let args = if sum == b {
                    [other, x, y]
                } else {
                    [x, y, other]
                };
                return self.one(Op::Add3, args);
            }
        }
        self.one(Op::Add, [a, b])
    }

    /// The comparison with its operands swapped.
    fn swapped32(&mut self, op: Op) {
        let b = self.pop32();
        let a = self.pop32();
        let result = self.one(op, [b, a]);
        self.push32(result);
    }

    fn unary32(&mut self, op: Op) {
        let a = self.pop32();
        let result = self.one(op, [a]);
        self.push32(result);
    }

    fn sign(&mut self, low: Arg) -> Arg {
        self.one(Op::ShrS, [low, Arg::Const(31)])
    }

    fn add64(&mut self, a: (Arg, Arg), b: (Arg, Arg)) -> (Arg, Arg) {
        let (low, carry) = self.two(Op::AddCarry, [a.0, b.0]);
        let high = self.one(Op::Add3, [a.1, b.1, carry]);
        (low, high)
    }

    fn sub64(&mut self, a: (Arg, Arg), b: (Arg, Arg)) -> (Arg, Arg) {
        let (low, borrow) = self.two(Op::SubBorrow, [a.0, b.0]);
        let high = self.one(Op::Sub, [a.1, b.1]);
        let high = self.one(Op::Sub, [high, borrow]);
        (low, high)
    }

    fn mul64(&mut self, a: (Arg, Arg), b: (Arg, Arg)) -> (Arg, Arg) {
        let (low, high) = self.two(Op::MulWide, [a.0, b.0]);
        let high = self.one(Op::MulAdd, [a.0, b.1, high]);
        let high = self.one(Op::MulAdd, [a.1, b.0, high]);
        (low, high)
    }

    fn bitwise64(&mut self, op: Op) {
        let b = self.pop64();
        let a = self.pop64();
        let low = self.one(op.clone(), [a.0, b.0]);
        let high = self.one(op, [a.1, b.1]);
        self.push64((low, high));
    }

    /// Compares the two topmost values; `less` is the operation on their higher halves.
    fn compare64(&mut self, signed: bool, swapped: bool, op: Op) {
        let mut b = self.pop64();
        let mut a = self.pop64();
        if swapped {
            std::mem::swap(&mut a, &mut b);
        }
        let (_, borrow) = self.two(Op::SubBorrow, [a.0, b.0]);
        if signed {
            a.1 = self.one(Op::Xor, [a.1, Arg::Const(1 << 31)]);
            b.1 = self.one(Op::Xor, [b.1, Arg::Const(1 << 31)]);
        }
        let result = self.one(op, [a.1, b.1, borrow]);
        self.push32(result);
    }

    fn equal64(&mut self) -> Arg {
        let b = self.pop64();
        let a = self.pop64();
        let low = self.one(Op::Xor, [a.0, b.0]);
        let high = self.one(Op::Xor, [a.1, b.1]);
        self.one(Op::BothZero, [low, high])
    }

    fn shift64(&mut self, op: Op) {
        let (count, _) = self.pop64();
        let (low, high) = self.pop64();
        let result = match count {
            Arg::Const(count) => self.shift64_by(&op, low, high, count % 64),
            count => {
                let name = match op {
                    Op::Shl => "shl64",
                    Op::ShrU => "shr_u64",
                    Op::ShrS => "shr_s64",
                    Op::Rotl => "rotl64",
                    _ => "rotr64",
                };
                self.two(Op::Runtime(name, 2), [low, high, count])
            }
        };
        self.push64(result);
    }

    fn shift64_by(&mut self, op: &Op, low: Arg, high: Arg, count: u32) -> (Arg, Arg) {
        let by = Arg::Const(count % 32);
        let rest = Arg::Const(32 - count % 32);
        let whole = count >= 32;
        match op {
            _ if count == 0 => (low, high),
            Op::Shl if whole => (Arg::Const(0), self.one(Op::Shl, [low, by])),
            Op::Shl => {
                let factor = Arg::Const(1 << count);
                let (low, carry) = self.two(Op::MulWide, [low, factor]);
                (low, self.one(Op::MulAdd, [high, factor, carry]))
            }
            Op::ShrU | Op::ShrS if whole => {
                let low = self.one(op.clone(), [high, by]);
                let high = match op {
                    Op::ShrU => Arg::Const(0),
                    _ => self.sign(high),
                };
                (low, high)
            }
            Op::ShrU | Op::ShrS => {
                let carry = self.one(Op::Shl, [high, rest]);
                let low = self.one(Op::ShrU, [low, by]);
                let low = self.one(Op::Add, [low, carry]);
                (low, self.one(op.clone(), [high, by]))
            }
            Op::Rotr => self.shift64_by(&Op::Rotl, low, high, 64 - count),
            _ => {
                let (low, high) = if whole { (high, low) } else { (low, high) };
                if count == 32 {
                    return (low, high);
                }
                let factor = Arg::Const(1 << (count % 32));
                let (l, carry) = self.two(Op::MulWide, [low, factor]);
                let (h, around) = self.two(Op::MulAddWide, [high, factor, carry]);
                (self.one(Op::Add, [l, around]), h)
            }
        }
    }

    fn runtime32(&mut self, name: &'static str) {
        let b = self.pop32();
        let a = self.pop32();
        let result = self.one(Op::Runtime(name, 1), [a, b]);
        self.push32(result);
    }

    fn runtime64(&mut self, name: &'static str) {
        let b = self.pop64();
        let a = self.pop64();
        let result = self.two(Op::Runtime(name, 2), [a.0, a.1, b.0, b.1]);
        self.push64(result);
    }

    fn load(&mut self, width: Width, signed: bool, at: MemArg) -> Arg {
        let address = self.pop32();
        self.one(Op::Load(width, signed, at.offset), [address])
    }

    fn load64(&mut self, width: Width, signed: bool, at: MemArg) {
        let low = self.load(width, signed, at);
        let high = match signed {
            true => {
                let named = self.named(low);
                let high = self.sign(named);
                self.push64((named, high));
                return;
            }
            false => Arg::Const(0),
        };
        self.push64((low, high));
    }

    fn store(&mut self, width: Width, value: Arg, address: Arg, offset: u64) {
        self.emit(Op::Store(width, offset), vec![value, address], 0);
    }

    fn reject(operator: &Operator<'_>) -> String {
        let text = format!("{operator:?}");
        let end = text.find([' ', '{', '(']).unwrap_or(text.len());
        format!("the instruction {}", &text[..end])
    }

    fn operator(&mut self, operator: &Operator<'_>) -> Result<(), String> {
        use Operator as O;
        self.relieve();
        match operator {
            O::Nop => {}
            O::Unreachable => {
                self.nodes.push(Node::Trap("unreachable", self.offset));
                self.die();
            }
            O::Block { blockty } => self.open(Kind::Block, *blockty)?,
            O::Loop { blockty } => self.open(Kind::Loop, *blockty)?,
            O::If { blockty } => self.open(Kind::If, *blockty)?,
            O::Else => self.other(),
            O::End => self.close(),
            O::Br { relative_depth } => self.branch(*relative_depth),
            O::Return => self.branch(self.frames.len() as u32 - 1),
            O::BrIf { relative_depth } => {
                let cond = self.pop32();
                self.flush();
                let then = self.branch_nodes(*relative_depth);
                self.nodes.push(Node::If {
                    cond,
                    then: Arm::new(then),
                    els: Arm::new(Vec::new()),
                    after: Rc::default(),
                });
            }
            O::BrTable { targets } => {
                let index = self.pop32();
                let index = self.named(index);
                self.flush();
                let mut groups: Vec<(u32, u32)> = Vec::new();
                let all = targets.targets().chain([Ok(targets.default())]);
                for (number, depth) in (0..).zip(all) {
                    let depth = depth.map_err(|error| error.to_string())?;
                    if groups.last().is_none_or(|(_, last)| *last != depth) {
                        groups.push((number, depth));
                    }
                }
                let nodes = self.table_nodes(index, &groups);
                self.nodes.extend(nodes);
                self.die();
            }
            O::Call { function_index } => {
                let ty = self.module.type_of(*function_index).clone();
                self.callees.insert(*function_index);
                self.call(Callee::Function(*function_index), &ty, None)?;
            }
            O::CallIndirect {
                type_index,
                table_index,
            } => {
                let ty = self.module.types[*type_index as usize].clone();
                let canonical = self.module.canonical_type(*type_index);
                self.indirect.insert(canonical);
                let index = self.pop32();
                let callee = Callee::Indirect {
                    table: *table_index,
                    ty: canonical,
                };
                self.call(callee, &ty, Some(index))?;
            }
            O::Drop => {
                self.pop();
            }
            O::Select | O::TypedSelect { .. } => {
                let cond = self.pop32();
                let (b, a) = (self.pop(), self.pop());
                match (a, b) {
                    (Operand::I64(al, ah), Operand::I64(bl, bh)) => {
                        let cond = self.named(cond);
                        let low = self.one(Op::Select, [cond, al, bl]);
                        let high = self.one(Op::Select, [cond, ah, bh]);
                        self.push64((low, high));
                    }
                    (
                        Operand::I32(a) | Operand::I64(a, _),
                        Operand::I32(b) | Operand::I64(b, _),
                    ) => {
                        let result = self.one(Op::Select, [cond, a, b]);
                        self.push32(result);
                    }
                }
            }
            O::LocalGet { local_index } => {
                let operand = self.locals[*local_index as usize].operand();
                self.stack.push(operand);
            }
            O::LocalSet { local_index } => self.set_local(*local_index),
            O::LocalTee { local_index } => {
                self.set_local(*local_index);
                let operand = self.locals[*local_index as usize].operand();
                self.stack.push(operand);
            }
            O::GlobalGet { global_index } => {
                let global = self.module.globals[*global_index as usize];
                let cell = self.layout.globals[*global_index as usize];
                let constant = !global.mutable;
                match global.ty {
                    ValType::I32 | ValType::Ref(_) if constant => {
                        self.push32(Arg::Const(global.value as u32))
                    }
                    ValType::I64 if constant => self.push64((
                        Arg::Const(global.value as u32),
                        Arg::Const((global.value >> 32) as u32),
                    )),
                    ValType::I32 | ValType::Ref(_) => {
                        let value = self.one(Op::CellGet(cell), []);
                        self.push32(value);
                    }
                    ValType::I64 => {
                        let low = self.one(Op::CellGet(cell), []);
                        let high = self.one(Op::CellGet(cell + 1), []);
                        self.push64((low, high));
                    }
                    other => return Err(type_name(other)),
                }
            }
            O::GlobalSet { global_index } => {
                let cell = self.layout.globals[*global_index as usize];
                let operand = self.pop();
                for (cell, arg) in (cell..).zip(operand.args()) {
                    self.emit(Op::CellSet(cell), vec![arg], 0);
                }
            }
            O::I32Const { value } => self.push32(Arg::Const(*value as u32)),
            O::I64Const { value } => {
                self.push64((Arg::Const(*value as u32), Arg::Const((*value >> 32) as u32)))
            }
            O::I32Eqz => self.unary32(Op::Eqz),
            O::I32Eq => self.binary32(Op::Eq),
            O::I32Ne => self.binary32(Op::Ne),
            O::I32LtS => self.binary32(Op::LtS),
            O::I32LtU => self.binary32(Op::LtU),
            O::I32GtS => self.swapped32(Op::LtS),
            O::I32GtU => self.swapped32(Op::LtU),
            O::I32LeS => self.binary32(Op::LeS),
            O::I32LeU => self.binary32(Op::LeU),
            O::I32GeS => self.swapped32(Op::LeS),
            O::I32GeU => self.swapped32(Op::LeU),
            O::I32Clz => self.unary32(Op::Runtime("clz", 1)),
            O::I32Ctz => self.unary32(Op::Runtime("ctz", 1)),
            O::I32Popcnt => self.unary32(Op::Runtime("popcnt", 1)),
            O::I32Add => self.binary32(Op::Add),
            O::I32Sub => self.binary32(Op::Sub),
            O::I32Mul => self.binary32(Op::Mul),
            O::I32DivS => self.runtime32("div_s"),
            O::I32DivU => self.binary32(Op::DivU),
            O::I32RemS => self.runtime32("rem_s"),
            O::I32RemU => self.binary32(Op::RemU),
            O::I32And => self.binary32(Op::And),
            O::I32Or => self.binary32(Op::Or),
            O::I32Xor => self.binary32(Op::Xor),
            O::I32Shl => self.binary32(Op::Shl),
            O::I32ShrS => self.binary32(Op::ShrS),
            O::I32ShrU => self.binary32(Op::ShrU),
            O::I32Rotl => self.binary32(Op::Rotl),
            O::I32Rotr => self.binary32(Op::Rotr),
            O::I32Extend8S => self.unary32(Op::Ext8),
            O::I32Extend16S => self.unary32(Op::Ext16),
            O::I32WrapI64 => {
                let (low, _) = self.pop64();
                self.push32(low);
            }
            O::I64ExtendI32U => {
                let low = self.pop32();
                self.push64((low, Arg::Const(0)));
            }
            O::I64ExtendI32S => {
                let low = self.pop32();
                let high = self.sign(low);
                self.push64((low, high));
            }
            O::I64Extend8S | O::I64Extend16S | O::I64Extend32S => {
                let (low, _) = self.pop64();
                let low = match operator {
                    O::I64Extend8S => self.one(Op::Ext8, [low]),
                    O::I64Extend16S => self.one(Op::Ext16, [low]),
                    _ => low,
                };
                let high = self.sign(low);
                self.push64((low, high));
            }
            O::I64Eqz => {
                let (low, high) = self.pop64();
                let result = self.one(Op::BothZero, [low, high]);
                self.push32(result);
            }
            O::I64Eq => {
                let result = self.equal64();
                self.push32(result);
            }
            O::I64Ne => {
                let result = self.equal64();
                let result = self.one(Op::Eqz, [result]);
                self.push32(result);
            }
            O::I64LtS => self.compare64(true, false, Op::Below),
            O::I64LtU => self.compare64(false, false, Op::Below),
            O::I64GtS => self.compare64(true, true, Op::Below),
            O::I64GtU => self.compare64(false, true, Op::Below),
            O::I64LeS => self.compare64(true, true, Op::NotBelow),
            O::I64LeU => self.compare64(false, true, Op::NotBelow),
            O::I64GeS => self.compare64(true, false, Op::NotBelow),
            O::I64GeU => self.compare64(false, false, Op::NotBelow),
            O::I64Clz | O::I64Ctz => {
                let (low, high) = self.pop64();
                let (first, second, name) = match operator {
                    O::I64Clz => (high, low, "clz"),
                    _ => (low, high, "ctz"),
                };
                let first = self.named(first);
                let half = self.one(Op::Select, [first, first, second]);
                let count = self.one(Op::Runtime(name, 1), [half]);
                let skipped = self.one(Op::Select, [first, Arg::Const(0), Arg::Const(32)]);
                let sum = self.one(Op::Add, [count, skipped]);
                self.push64((sum, Arg::Const(0)));
            }
            O::I64Popcnt => {
                let (low, high) = self.pop64();
                let low = self.one(Op::Runtime("popcnt", 1), [low]);
                let high = self.one(Op::Runtime("popcnt", 1), [high]);
                let sum = self.one(Op::Add, [low, high]);
                self.push64((sum, Arg::Const(0)));
            }
            O::I64Add => {
                let b = self.pop64();
                let a = self.pop64();
                let sum = self.add64(a, b);
                self.push64(sum);
            }
            O::I64Sub => {
                let b = self.pop64();
                let a = self.pop64();
                let difference = self.sub64(a, b);
                self.push64(difference);
            }
            O::I64Mul => {
                let b = self.pop64();
                let a = self.pop64();
                let product = self.mul64(a, b);
                self.push64(product);
            }
            O::I64DivS => self.runtime64("div_s64"),
            O::I64DivU => self.runtime64("div_u64"),
            O::I64RemS => self.runtime64("rem_s64"),
            O::I64RemU => self.runtime64("rem_u64"),
            O::I64And => self.bitwise64(Op::And),
            O::I64Or => self.bitwise64(Op::Or),
            O::I64Xor => self.bitwise64(Op::Xor),
            O::I64Shl => self.shift64(Op::Shl),
            O::I64ShrS => self.shift64(Op::ShrS),
            O::I64ShrU => self.shift64(Op::ShrU),
            O::I64Rotl => self.shift64(Op::Rotl),
            O::I64Rotr => self.shift64(Op::Rotr),
            O::I64Add128 | O::I64Sub128 => {
                let (bh, bl) = (self.pop64(), self.pop64());
                let (ah, al) = (self.pop64(), self.pop64());
                let (a, b) = ([al.0, al.1, ah.0, ah.1], [bl.0, bl.1, bh.0, bh.1]);
                let limbs = match operator {
                    O::I64Add128 => self.add128(a, b),
                    _ => self.sub128(a, b),
                };
                self.push64((limbs[0], limbs[1]));
                self.push64((limbs[2], limbs[3]));
            }
            O::I64MulWideU | O::I64MulWideS => {
                let b = self.pop64();
                let a = self.pop64();
                let limbs = self.mul128(a, b, matches!(operator, O::I64MulWideS));
                self.push64((limbs[0], limbs[1]));
                self.push64((limbs[2], limbs[3]));
            }
            O::I32Load { memarg } => {
                let value = self.load(Width::Word, false, *memarg);
                self.push32(value);
            }
            O::I32Load8S { memarg } => {
                let value = self.load(Width::Byte, true, *memarg);
                self.push32(value);
            }
            O::I32Load8U { memarg } => {
                let value = self.load(Width::Byte, false, *memarg);
                self.push32(value);
            }
            O::I32Load16S { memarg } => {
                let value = self.load(Width::Half, true, *memarg);
                self.push32(value);
            }
            O::I32Load16U { memarg } => {
                let value = self.load(Width::Half, false, *memarg);
                self.push32(value);
            }
            O::I64Load { memarg } => {
                let address = self.pop32();
                let offset = memarg.offset;
                let low = self.one(Op::Load(Width::Word, false, offset), [address]);
                let high = self.one(Op::Load(Width::Word, false, offset + 4), [address]);
                self.push64((low, high));
            }
            O::I64Load8S { memarg } => self.load64(Width::Byte, true, *memarg),
            O::I64Load8U { memarg } => self.load64(Width::Byte, false, *memarg),
            O::I64Load16S { memarg } => self.load64(Width::Half, true, *memarg),
            O::I64Load16U { memarg } => self.load64(Width::Half, false, *memarg),
            O::I64Load32S { memarg } => self.load64(Width::Word, true, *memarg),
            O::I64Load32U { memarg } => self.load64(Width::Word, false, *memarg),
            O::I32Store { memarg } => {
                let (value, address) = (self.pop32(), self.pop32());
                self.store(Width::Word, value, address, memarg.offset);
            }
            O::I32Store8 { memarg } => {
                let (value, address) = (self.pop32(), self.pop32());
                self.store(Width::Byte, value, address, memarg.offset);
            }
            O::I32Store16 { memarg } => {
                let (value, address) = (self.pop32(), self.pop32());
                self.store(Width::Half, value, address, memarg.offset);
            }
            O::I64Store { memarg } => {
                let ((low, high), address) = (self.pop64(), self.pop32());
                // The higher half first: if it is out of bounds, nothing is written.
                self.store(Width::Word, high, address, memarg.offset + 4);
                self.store(Width::Word, low, address, memarg.offset);
            }
            O::I64Store8 { memarg } => {
                let ((low, _), address) = (self.pop64(), self.pop32());
                self.store(Width::Byte, low, address, memarg.offset);
            }
            O::I64Store16 { memarg } => {
                let ((low, _), address) = (self.pop64(), self.pop32());
                self.store(Width::Half, low, address, memarg.offset);
            }
            O::I64Store32 { memarg } => {
                let ((low, _), address) = (self.pop64(), self.pop32());
                self.store(Width::Word, low, address, memarg.offset);
            }
            O::MemorySize { .. } => {
                let pages = self.one(Op::MemorySize, []);
                self.push32(pages);
            }
            O::MemoryGrow { .. } => self.unary32(Op::Runtime("memory_grow", 1)),
            O::MemoryCopy { .. } => self.bulk("memory_copy", &[]),
            O::MemoryFill { .. } => self.bulk("memory_fill", &[]),
            O::MemoryInit { data_index, .. } => {
                let data = self.layout.data[*data_index as usize];
                self.bulk(
                    "memory_init",
                    &[data.first, data.length_cell].map(Arg::Const),
                );
            }
            O::DataDrop { data_index } => {
                let data = self.layout.data[*data_index as usize];
                self.emit(Op::CellSet(data.length_cell), vec![Arg::Const(0)], 0);
            }
            O::RefNull { .. } => self.push32(Arg::Const(0)),
            O::RefIsNull => self.unary32(Op::Eqz),
            O::RefFunc { function_index } => self.push32(Arg::Const(reference(*function_index))),
            O::TableGet { table } => {
                let index = self.pop32();
                let [first, size] = self.table(*table);
                let entry = self.one(Op::Runtime("table_get", 1), [index, size, first]);
                self.push32(entry);
            }
            O::TableSet { table } => {
                let (value, index) = (self.pop32(), self.pop32());
                let [first, size] = self.table(*table);
                let args = vec![index, value, size, first];
                self.emit(Op::Runtime("table_set", 0), args, 0);
            }
            O::TableSize { table } => {
                let [_, size] = self.table(*table);
                self.push32(size);
            }
            O::TableGrow { table } => {
                let (count, value) = (self.pop32(), self.pop32());
                let table = self.layout.tables[*table as usize];
                let TableSize::Cell(cell) = table.size else {
                    return Err(Self::reject(operator));
                };
                let constants = [table.first, cell, table.capacity].map(Arg::Const);
                let [first, cell, capacity] = constants;
                let grow = Op::Runtime("table_grow", 1);
                let before = self.one(grow, [value, count, first, cell, capacity]);
                self.push32(before);
            }
            O::TableFill { table } => {
                let places = self.table(*table);
                self.bulk("table_fill", &places);
            }
            O::TableInit { elem_index, table } => {
                let elements = self.layout.elements[*elem_index as usize];
                let [first, size] = self.table(*table);
                let [from, length] = [elements.first, elements.length_cell].map(Arg::Const);
                self.bulk("table_init", &[from, length, first, size]);
            }
            O::ElemDrop { elem_index } => {
                let elements = self.layout.elements[*elem_index as usize];
                self.emit(Op::CellSet(elements.length_cell), vec![Arg::Const(0)], 0);
            }
            O::TableCopy {
                dst_table,
                src_table,
            } => {
                let [from, from_size] = self.table(*src_table);
                let [to, to_size] = self.table(*dst_table);
                self.bulk("table_copy", &[from, from_size, to, to_size]);
            }
            other => return Err(Self::reject(other)),
        }
        Ok(())
    }

    /// The address of a table's first entry, and how many entries it has.
    fn table(&mut self, table: u32) -> [Arg; 2] {
        let table = self.layout.tables[table as usize];
        let size = match table.size {
            TableSize::Fixed(size) => Arg::Const(size),
            TableSize::Cell(cell) => self.one(Op::CellGet(cell), []),
        };
        [Arg::Const(table.first), size]
    }

    /// A procedure that takes destination, source and length, and what is said of their places.
    fn bulk(&mut self, name: &'static str, places: &[Arg]) {
        let (length, source, destination) = (self.pop32(), self.pop32(), self.pop32());
        let mut args = vec![destination, source, length];
        args.extend(places);
        self.emit(Op::Runtime(name, 0), args, 0);
    }

    fn add128(&mut self, a: [Arg; 4], b: [Arg; 4]) -> [Arg; 4] {
        let (l0, carry) = self.two(Op::AddCarry, [a[0], b[0]]);
        let (l1, carry) = self.two(Op::Add3Carry, [a[1], b[1], carry]);
        let (l2, carry) = self.two(Op::Add3Carry, [a[2], b[2], carry]);
        let l3 = self.one(Op::Add3, [a[3], b[3], carry]);
        [l0, l1, l2, l3]
    }

    fn sub128(&mut self, a: [Arg; 4], b: [Arg; 4]) -> [Arg; 4] {
        let (l0, borrow) = self.two(Op::SubBorrow, [a[0], b[0]]);
        let mut limbs = [l0; 4];
        let mut borrow = borrow;
        for index in 1..4 {
            let (limb, first) = self.two(Op::SubBorrow, [a[index], b[index]]);
            let (limb, second) = self.two(Op::SubBorrow, [limb, borrow]);
            borrow = self.one(Op::Add, [first, second]);
            limbs[index] = limb;
        }
        limbs
    }

    fn mul128(&mut self, a: (Arg, Arg), b: (Arg, Arg), signed: bool) -> [Arg; 4] {
        let a = (self.named(a.0), self.named(a.1));
        let b = (self.named(b.0), self.named(b.1));
        let (l0, carry) = self.two(Op::MulWide, [a.0, b.0]);
        let (middle, first) = self.two(Op::MulAddWide, [a.0, b.1, carry]);
        let (l1, second) = self.two(Op::MulAddWide, [a.1, b.0, middle]);
        let (l2, l3) = self.two(Op::MulAddWide, [a.1, b.1, first]);
        let (l2, carry) = self.two(Op::AddCarry, [l2, second]);
        let l3 = self.one(Op::Add, [l3, carry]);
        if !signed {
            return [l0, l1, l2, l3];
        }
        let mut high = (l2, l3);
        for (factor, other) in [(a, b), (b, a)] {
            let sign = self.sign(factor.1);
            let sign = self.named(sign);
            let low = self.one(Op::And, [other.0, sign]);
            let masked = self.one(Op::And, [other.1, sign]);
            high = self.sub64(high, (low, masked));
        }
        [l0, l1, high.0, high.1]
    }

    fn set_local(&mut self, local: u32) {
        let operand = self.pop();
        let slot = self.locals[local as usize];
        let vars = slot.vars();
        // Operands that stand for the old value keep it.
        for index in 0..self.stack.len() {
            let named = |this: &mut Self, arg: Arg| match arg {
                Arg::Var(var, _) if vars.contains(&var) => this.named(arg),
                other => other,
            };
            self.stack[index] = match self.stack[index] {
                Operand::I32(arg) => Operand::I32(named(self, arg)),
                Operand::I64(low, high) => {
                    let low = named(self, low);
                    Operand::I64(low, named(self, high))
                }
            };
        }
        // A value that is computed from the old halves, such as one with them exchanged.
        let args: Vec<Arg> = operand
            .args()
            .into_iter()
            .map(|arg| match arg {
                Arg::Var(var, _) if vars.contains(&var) && vars.len() > 1 => self.named(arg),
                other => other,
            })
            .collect();
        for (var, arg) in vars.iter().zip(args) {
            self.set(*var, arg);
        }
    }

    fn call(
        &mut self,
        callee: Callee,
        ty: &wasmparser::FuncType,
        index: Option<Arg>,
    ) -> Result<(), String> {
        slots(ty.params())?;
        let count = slots(ty.results())?;
        let mut args: Vec<Arg> = Vec::new();
        for _ in ty.params() {
            let mut operand = self.pop().args();
            operand.append(&mut args);
            args = operand;
        }
        let in_cells = args.len().saturating_sub(STACK_VALUES);
        let cells: Vec<Arg> = args.drain(..in_cells).collect();
        for (cell, arg) in (self.layout.arguments..).zip(cells) {
            self.emit(Op::CellSet(cell), vec![arg], 0);
        }
        args.extend(index);
        let on_stack = count.min(STACK_VALUES);
        let vals: Vec<Val> = (0..on_stack).map(|_| self.val()).collect();
        let node = self.inst(Op::Call(callee), args, vals.clone());
        self.nodes.push(node);
        let mut values: Vec<Arg> = Vec::new();
        for index in 0..count - on_stack {
            let val = self.one(Op::CellGet(self.layout.results + index as u32), []);
            values.push(val);
        }
        values.extend(vals.into_iter().map(Arg::Val));
        let mut values = values.into_iter();
        for ty in ty.results() {
            let low = values.next().unwrap_or(Arg::Const(0));
            match ty {
                ValType::I64 => {
                    let high = values.next().unwrap_or(Arg::Const(0));
                    self.push64((low, high));
                }
                _ => self.push32(low),
            }
        }
        Ok(())
    }

    // CONTROL FLOW

    fn die(&mut self) {
        if let Some(frame) = self.frames.last_mut() {
            frame.dead = true;
            self.stack.truncate(frame.height);
        }
    }

    fn open(&mut self, kind: Kind, ty: BlockType) -> Result<(), String> {
        let cond = match kind {
            Kind::If => self.pop32(),
            _ => Arg::Const(0),
        };
        self.flush();
        let (params, results) = match ty {
            BlockType::Empty => (Vec::new(), Vec::new()),
            BlockType::Type(ty) => (Vec::new(), vec![ty]),
            BlockType::FuncType(index) => {
                let ty = &self.module.types[index as usize];
                (ty.params().to_vec(), ty.results().to_vec())
            }
        };
        let height = self.stack.len().saturating_sub(params.len());
        let mut operands = self.stack.split_off(height);
        let results = self.slots(&results)?;
        let mut branch = results.clone();
        if kind == Kind::Loop {
            branch = self.slots(&params)?;
            self.assign(&branch, &operands);
            operands = branch.iter().map(|slot| slot.operand()).collect();
        }
        let label = self.labels;
        self.labels += 1;
        self.stack.extend(&operands);
        self.frames.push(Frame {
            kind,
            label,
            branch,
            results,
            height,
            outer: std::mem::take(&mut self.nodes),
            cond,
            then: Vec::new(),
            params: operands,
            dead: false,
        });
        Ok(())
    }

    /// Sets variables, all at once.
    fn assign(&mut self, slots: &[Slot], operands: &[Operand]) {
        let vars: Vec<Var> = slots.iter().flat_map(|slot| slot.vars()).collect();
        let mut args: Vec<Arg> = operands.iter().flat_map(|operand| operand.args()).collect();
        for (index, arg) in args.iter_mut().enumerate() {
            if let Arg::Var(var, _) = *arg
                && vars[..index.min(vars.len())].contains(&var)
            {
                let copy = self.var();
                self.nodes.push(Node::Set(copy, *arg, false));
                *arg = Arg::var(copy);
            }
        }
        for (var, arg) in vars.into_iter().zip(args) {
            self.set(var, arg);
        }
    }

    /// The end of an arm or body: its results go where those after it expect them.
    fn leave(&mut self) {
        let Some(frame) = self.frames.last() else {
            return;
        };
        if !frame.dead {
            let results = frame.results.clone();
            let first = self.stack.len().saturating_sub(results.len());
            let operands = self.stack.split_off(first);
            self.assign(&results, &operands);
        }
    }

    fn other(&mut self) {
        self.leave();
        let nodes = std::mem::take(&mut self.nodes);
        if let Some(frame) = self.frames.last_mut() {
            frame.kind = Kind::Else;
            frame.then = nodes;
            frame.dead = false;
            self.stack.truncate(frame.height);
            self.stack.extend(&frame.params);
        }
    }

    fn close(&mut self) {
        if self
            .frames
            .last()
            .is_some_and(|frame| frame.kind == Kind::If)
        {
            self.other();
        }
        self.leave();
        let Some(frame) = self.frames.pop() else {
            return;
        };
        let inner = std::mem::replace(&mut self.nodes, frame.outer);
        let after = Rc::default();
        let body = match frame.kind {
            Kind::Loop => Node::Loop {
                label: frame.label,
                body: Arm::new(inner),
                after,
            },
            Kind::Block => Node::Scope {
                label: frame.label,
                body: Arm::new(inner),
                after,
            },
            Kind::If | Kind::Else => {
                let choice = Node::If {
                    cond: frame.cond,
                    then: Arm::new(frame.then),
                    els: Arm::new(inner),
                    after: Rc::default(),
                };
                Node::Scope {
                    label: frame.label,
                    body: Arm::new(vec![choice]),
                    after,
                }
            }
        };
        let falls = match &body {
            Node::Scope { label, body, .. } => body.flow.falls || body.flow.exits.contains(label),
            Node::Loop { body, .. } => body.flow.falls,
            _ => true,
        };
        // A block that nothing branches out of is no block.
        match body {
            Node::Scope { label, body, .. } if !body.flow.exits.contains(&label) => {
                self.nodes.extend(body.nodes);
            }
            Node::Loop { label, body, .. } if !body.flow.exits.contains(&label) => {
                self.nodes.extend(body.nodes);
            }
            node => self.nodes.push(node),
        }
        self.stack.truncate(frame.height);
        self.stack
            .extend(frame.results.iter().map(|slot| slot.operand()));
        if let Some(frame) = self.frames.last_mut()
            && !falls
        {
            frame.dead = true;
            self.stack.truncate(frame.height);
        }
    }

    /// The frame that a branch leads to.
    fn target(&self, depth: u32) -> (Label, Vec<Slot>) {
        let index = self.frames.len() - 1 - depth as usize;
        let frame = &self.frames[index];
        (frame.label, frame.branch.clone())
    }

    /// Returns the nodes of a branch, with the operands on the stack, which stay there.
    fn branch_nodes(&mut self, depth: u32) -> Vec<Node> {
        let outer = std::mem::take(&mut self.nodes);
        let (label, slots) = self.target(depth);
        let first = self.stack.len().saturating_sub(slots.len());
        let operands = self.stack[first..].to_vec();
        self.assign(&slots, &operands);
        self.nodes.push(Node::Exit(label));
        std::mem::replace(&mut self.nodes, outer)
    }

    fn branch(&mut self, depth: u32) {
        let nodes = self.branch_nodes(depth);
        self.nodes.extend(nodes);
        self.die();
    }

    /// A search for the group that an index belongs to; each has its first index and its target.
    fn table_nodes(&mut self, index: Arg, groups: &[(u32, u32)]) -> Vec<Node> {
        let [first, rest @ ..] = groups else {
            return Vec::new();
        };
        if rest.is_empty() {
            return self.branch_nodes(first.1);
        }
        let middle = groups.len() / 2;
        let val = self.val();
        let bound = groups[middle].0;
        let compare = match bound {
            1 => self.inst(Op::Eqz, vec![index], vec![val]),
            bound => self.inst(Op::LtU, vec![index, Arg::Const(bound)], vec![val]),
        };
        let then = self.table_nodes(index, &groups[..middle]);
        let els = self.table_nodes(index, &groups[middle..]);
        vec![
            compare,
            Node::If {
                cond: Arg::Val(val),
                then: Arm::new(then),
                els: Arm::new(els),
                after: Rc::default(),
            },
        ]
    }
}
