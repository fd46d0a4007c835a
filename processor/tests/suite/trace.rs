//! The reports to a tracer fit together: a trace can be built from them without looking further.

use std::collections::HashMap;

use miden_core::{Felt, Operation, QuadFelt, WORD_SIZE, Word, crypto::merkle::MerklePath};
use miden_cvm_air::composition::SegmentRecord;
use miden_cvm_processor::{
    BitwiseOp, CircuitEvaluation, ContextId, CreationTime, EndRow, ExecutionOptions, Frame,
    MemoryAccess, MerkleUpdate, NodeKind, OpRow, Process, RowKind, RowState, StartRow, Tracer,
};

use crate::common::{Case, generated_case, handwritten_cases, random_from};

/// A node that was started and not ended.
struct Open {
    kind: NodeKind,
    digest: Word,
    body: Option<Word>,
    entered: bool,
}

/// Follows a run and asserts that every event is possible after those before it.
#[derive(Default)]
struct Follower {
    open: Vec<Open>,
    /// Groups of the running basic block that were not used up, the current one first.
    groups: Vec<u64>,
    /// The callers' states, as they will be restored.
    frames: Vec<Frame>,
    /// The frame that the next row must be restored to.
    restored: Option<Frame>,
    memory: HashMap<(ContextId, u32), Word>,
    /// Cycle and opcode of the last row.
    last: Option<(u32, u8)>,
    accesses: usize,
    calls: usize,
}

impl Follower {
    fn start(&mut self, state: &RowState<'_>, row: &StartRow<'_>) {
        assert!(self.groups.is_empty(), "blocks hold no nodes");
        let mut entered = true;
        let mut body = None;
        match row.kind {
            NodeKind::Block => self.groups = row.inputs.iter().map(Felt::as_int).collect(),
            NodeKind::Loop => {
                entered = state.stack[0].as_int() == 1;
                body = Some(Word::new([
                    row.inputs[0],
                    row.inputs[1],
                    row.inputs[2],
                    row.inputs[3],
                ]));
            }
            NodeKind::Dyn | NodeKind::Dyncall => assert!(row.callee.is_some()),
            _ => {}
        }
        let enters = matches!(
            row.kind,
            NodeKind::Call | NodeKind::Syscall | NodeKind::Dyncall
        );
        assert_eq!(row.entered.is_some(), enters);
        if let Some(target) = row.entered {
            self.calls += 1;
            let popped = u32::from(row.kind == NodeKind::Dyncall && state.depth > 16);
            self.frames.push(Frame {
                crossing: target.crossing,
                context: state.context,
                in_syscall: state.in_syscall,
                adopted: state.adopted,
                home: state.home,
                fn_hash: *state.fn_hash,
                depth: state.depth - popped,
                // After a pop the pointer is that of the element below, which is not visible here.
                overflow_pointer: if popped == 1 {
                    u32::MAX
                } else {
                    state.overflow_pointer
                },
            });
        }
        self.open.push(Open {
            kind: row.kind,
            digest: row.digest,
            body,
            entered,
        });
    }

    fn end(&mut self, row: &EndRow) {
        let node = self.open.pop().expect("a node is open");
        assert_eq!((node.kind, node.digest), (row.kind, row.digest));
        assert!(
            self.groups.iter().all(|&group| group == 0),
            "a block ends when it is used up"
        );
        self.groups.clear();
        let in_loop = self
            .open
            .last()
            .is_some_and(|parent| parent.kind == NodeKind::Loop);
        assert_eq!(row.is_loop_body, in_loop);
        assert_eq!(
            row.loop_entered,
            node.kind == NodeKind::Loop && node.entered
        );
        if row.frame.is_some() {
            let mut expected = self.frames.pop().expect("a frame is open");
            if expected.overflow_pointer == u32::MAX {
                expected.overflow_pointer = row.frame.map_or(0, |frame| frame.overflow_pointer);
            }
            assert_eq!(row.frame, Some(expected));
            self.restored = row.frame;
        }
    }

    fn op(&mut self, row: &OpRow) {
        if row.index == 0 && row.group > 0 {
            assert_eq!(
                self.groups.remove(0),
                0,
                "a group starts when the last is used up"
            );
            self.groups.push(0);
        }
        let opcode = u64::from(row.op.op_code());
        assert_eq!(
            self.groups[0] & 0x7f,
            opcode,
            "the group holds the operation"
        );
        self.groups[0] >>= 7;
        if let Some(immediate) = row.op.imm_value() {
            assert_eq!(self.groups.remove(1), immediate.as_int());
            self.groups.push(0);
        }
    }
}

impl Tracer for Follower {
    const ENABLED: bool = true;

    fn row(&mut self, state: &RowState<'_>, kind: RowKind<'_>) {
        assert_eq!(self.last.map_or(0, |(clk, _)| clk + 1), state.clk);
        self.last = Some((state.clk, kind.opcode()));
        if let Some(frame) = self.restored.take() {
            assert_eq!(
                (state.context, state.in_syscall, state.home, *state.fn_hash),
                (frame.context, frame.in_syscall, frame.home, frame.fn_hash)
            );
            assert_eq!(
                (state.depth, state.overflow_pointer),
                (frame.depth, frame.overflow_pointer)
            );
        }
        match kind {
            RowKind::Start(row) => self.start(state, &row),
            RowKind::Op(row) => self.op(&row),
            RowKind::Respan { groups, .. } => {
                assert!(self.groups.iter().all(|&group| group == 0));
                self.groups = groups.iter().map(Felt::as_int).collect();
            }
            RowKind::Repeat { digest, body } => {
                let node = self.open.last().expect("a loop is open");
                assert_eq!((node.digest, node.body), (digest, Some(body)));
                assert_eq!(state.stack[0].as_int(), 1);
            }
            RowKind::Intrinsic(_) => unreachable!("an open program has none"),
            RowKind::End(row) => self.end(&row),
        }
    }

    fn memory(&mut self, access: MemoryAccess) {
        self.accesses += 1;
        assert_eq!(self.last.map(|(clk, _)| clk), Some(access.clk));
        let offset = access.addr % WORD_SIZE as u32;
        assert!(access.is_element || offset == 0);
        let word = self
            .memory
            .entry((access.context, access.addr - offset))
            .or_default();
        let mut expected = *word;
        if access.is_write && access.is_element {
            expected[offset as usize] = access.word[offset as usize];
        } else if access.is_write {
            expected = access.word;
        }
        assert_eq!(access.word, expected);
        *word = access.word;
    }

    fn bitwise(&mut self, op: BitwiseOp, _: u32, _: u32) {
        let opcode = match op {
            BitwiseOp::And => Operation::U32and.op_code(),
            BitwiseOp::Xor => Operation::U32xor.op_code(),
        };
        assert_eq!(self.last.map(|(_, op)| op), Some(opcode));
    }

    fn permutation(&mut self, input: &[Felt; 12], output: &[Felt; 12]) {
        assert_eq!(
            self.last.map(|(_, op)| op),
            Some(Operation::HPerm.op_code())
        );
        let mut state = *input;
        miden_core::crypto::hash::Rpo256::apply_permutation(&mut state);
        assert_eq!(&state, output);
    }

    fn merkle_verify(&mut self, leaf: Word, index: u64, path: &MerklePath, root: Word) {
        assert_eq!(path.compute_root(index, leaf).ok(), Some(root));
    }

    fn merkle_update(&mut self, update: MerkleUpdate<'_>) {
        let root = |leaf| update.path.compute_root(update.index, leaf).ok();
        assert_eq!(root(update.old_leaf), Some(update.old_root));
        assert_eq!(root(update.new_leaf), Some(update.new_root));
    }

    fn circuit(&mut self, evaluation: CircuitEvaluation) {
        let opcode = Operation::EvalCircuit.op_code();
        assert_eq!(self.last, Some((evaluation.clk, opcode)));
        // The circuit as it lies in memory, evaluated once more.
        let element = |offset: usize| {
            let address = evaluation.address + offset as u32;
            let word = self.memory[&(evaluation.context, address / 4 * 4)];
            word[address as usize % 4]
        };
        let num_read = evaluation.num_read as usize;
        let variable = |i| QuadFelt::new(element(2 * i), element(2 * i + 1));
        let mut wires: Vec<QuadFelt> = (0..num_read).map(variable).collect();
        let count = num_read + evaluation.gates.len();
        for i in 0..evaluation.gates.len() {
            let instruction = element(2 * num_read + i).as_int();
            let wire = |id: u64| wires[count - 1 - (id & 0x3fff_ffff) as usize];
            let (left, right) = (wire(instruction), wire(instruction >> 30));
            wires.push(match instruction >> 60 {
                0 => left - right,
                1 => left * right,
                _ => left + right,
            });
        }
        assert_eq!(evaluation.wires, wires);
        assert_eq!(wires.last(), Some(&QuadFelt::default()));
        assert_eq!(evaluation.gates[0].encode(), element(2 * num_read));
    }

    fn instance_created(&mut self, _: ContextId, _: CreationTime) {
        panic!("an open program has no instances");
    }

    fn static_data(&mut self, _: ContextId, _: CreationTime, _: &SegmentRecord, _: &[Felt]) {
        panic!("an open program has no static data");
    }
}

/// Follows a run; returns what was followed if it ended without a trap.
fn follow(case: &Case) -> Option<Follower> {
    let mut process = Process::new(
        case.program.kernel().clone(),
        case.stack_inputs(),
        case.advice_inputs(),
        ExecutionOptions::default(),
        Follower::default(),
    );
    process
        .execute(&case.program, None, &mut case.host())
        .ok()?;
    let (_, _, follower) = process.into_parts();
    assert!(
        follower.open.is_empty() && follower.frames.is_empty(),
        "{}",
        case.name
    );
    Some(follower)
}

#[test]
fn events_of_all_cases_fit_together() {
    let followed: Vec<Follower> = handwritten_cases().iter().filter_map(follow).collect();
    assert!(followed.len() > 500);
    let mut calls = 0;
    for seed in 0..20 {
        let case = generated_case(&format!("seed {seed}"), random_from(seed), 300);
        let follower = follow(&case).expect("a generated case does not trap");
        assert!(follower.accesses > 0);
        calls += follower.calls;
    }
    assert!(calls > 20);
}
