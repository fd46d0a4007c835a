//! Evaluations of circuits.

use miden_core::{Felt, FieldElement, ONE, Operation, QuadFelt, ZERO};
use miden_cvm_air::{columns::CircuitRow, opcode::EVALCIRCUIT};

use super::{Forgery, toolkit::trace_of};
use crate::common::{
    Case,
    circuits::{ADD, Circuit, MUL, SUB, instruction},
};

/// Rows of an evaluation of [`smallest`].
const START: usize = 0;
const READ: usize = 1;
const FETCH: usize = 2;
/// The first gate, wire 3.
const GATE: usize = 3;
const ROWS: usize = 7;

/// `x · y = y` for `x = 1`: the variables are wires 5 and 4.
fn smallest() -> Circuit {
    Circuit {
        variables: vec![[1, 0], [7, 2]],
        instructions: vec![
            instruction(MUL, 5, 4),
            instruction(SUB, 3, 4),
            instruction(ADD, 2, 2),
            instruction(MUL, 1, 1),
        ],
    }
}

/// A program that takes a circuit of two words from the stack, stores it at 0, and evaluates it at
/// the address that comes next on the stack.
fn program(circuit: &Circuit) -> Forgery {
    let store = [vec![Operation::MStoreW], vec![Operation::Drop; 4]].concat();
    let operations = [
        store.clone(),
        store,
        vec![Operation::EvalCircuit, Operation::Noop],
    ];
    let case = Case::operations("circuit", operations.concat());
    trace_of(&case.stack(&inputs(circuit)))
}

fn inputs(circuit: &Circuit) -> Vec<u64> {
    let memory = circuit.memory();
    let word = |at: usize| {
        let reversed = memory[at..at + 4].iter().rev().copied();
        [at as u64].into_iter().chain(reversed).collect::<Vec<_>>()
    };
    [word(0), word(4), vec![0, 2, 4]].concat()
}

/// The honest evaluation of the smallest circuit.
pub fn honest() -> Forgery {
    program(&smallest())
}

/// Gives the program other inputs. All it does with them is to drop them one by one.
fn give(forgery: &mut Forgery, inputs: &[u64]) {
    let mut left: Vec<Felt> = inputs.iter().copied().map(Felt::new).collect();
    left.resize(64, ZERO);
    for row in 0..forgery.trace.core.len() {
        forgery.core(row).stack.top.copy_from_slice(&left[..16]);
        // MSTOREW and DROP.
        if forgery.core(row).op.hi[2] == ONE {
            left.remove(0);
        }
    }
    forgery.claim_inputs();
    forgery.claim_outputs();
}

/// The row number `row` of the circuits.
fn at(forgery: &mut Forgery, row: usize) -> &mut CircuitRow<Felt> {
    &mut forgery.trace.circuits[row]
}

/// Changes all rows of evaluations.
fn each(forgery: &mut Forgery, mut edit: impl FnMut(&mut CircuitRow<Felt>)) {
    for row in forgery.circuits() {
        edit(&mut forgery.trace.circuits[row]);
    }
}

/// Inserts or removes rows of evaluations.
fn splice(forgery: &mut Forgery, rows: core::ops::Range<usize>, new: &[CircuitRow<Felt>]) {
    let mut circuits = forgery.trace.circuits[forgery.circuits()].to_vec();
    circuits.splice(rows, new.iter().copied());
    forgery.set_circuits(&circuits);
}

fn quad([a, b]: [Felt; 2]) -> QuadFelt {
    QuadFelt::new(a, b)
}

/// Returns the result of a gate's operation for its operands, by its flags.
fn apply(row: &CircuitRow<Felt>) -> [Felt; 2] {
    let (left, right) = (quad(row.left), quad(row.right));
    let result = match (row.mul == ONE, row.add == ONE) {
        (true, _) => left * right,
        (false, true) => left + right,
        (false, false) => left - right,
    };
    result.to_base_elements()
}

/// Limbs of how far an operand is from its gate; one that comes later has none that fit.
fn gap(row: &CircuitRow<Felt>, operand: Felt) -> [Felt; 2] {
    let distance = operand - row.id - ONE;
    match distance.as_int() {
        value if value >> 32 == 0 => [value & 0xffff, value >> 16].map(Felt::new),
        _ => [distance, ZERO],
    }
}

/// Reads an instruction into a gate's cells, whatever it says.
fn decode(row: &mut CircuitRow<Felt>, code: u64) {
    let id = |shift: u32| Felt::new(code >> shift & 0x3fff_ffff);
    row.left_id = id(0);
    row.right_id = id(30);
    row.mul = Felt::new((code >> 60) & 1);
    row.add = Felt::new((code >> 61) & 1);
    row.left_gap = gap(row, row.left_id);
    [row.right_gap_low, row.right_gap_high] = gap(row, row.right_id);
}

/// Makes the evaluation that of another circuit of the same size, which the program is given too.
/// `results` are the values that the gates claim.
fn pose(forgery: &mut Forgery, circuit: &Circuit, results: [[u64; 2]; 4]) {
    give(forgery, &inputs(circuit));
    let memory: Vec<Felt> = circuit.memory().into_iter().map(Felt::new).collect();
    let mut values = circuit.variables.clone();
    values.extend(results);
    let operand = |id: Felt| {
        let position = 5u64.wrapping_sub(id.as_int()) as usize;
        values
            .get(position)
            .map_or([ZERO; 2], |value| value.map(Felt::new))
    };
    at(forgery, READ).word.copy_from_slice(&memory[..4]);
    for row in FETCH..ROWS {
        at(forgery, row).word.copy_from_slice(&memory[4..]);
    }
    for (i, (&code, value)) in circuit.instructions.iter().zip(results).enumerate() {
        let row = at(forgery, GATE + i);
        decode(row, code);
        row.left = operand(row.left_id);
        row.right = operand(row.right_id);
        row.value = value.map(Felt::new);
    }
}

#[test]
fn another_circuit_is_evaluated_as_well() {
    let mut forged = honest();
    let mut circuit = smallest();
    circuit.variables[1] = [11, 13];
    pose(&mut forged, &circuit, [[11, 13], [0; 2], [0; 2], [0; 2]]);
    forged.settles_to(&[]);
}

#[test]
fn a_result_that_is_none() {
    for coefficient in 0..2 {
        for row in GATE..ROWS {
            let mut forged = honest();
            at(&mut forged, row).value[coefficient] += ONE;
            let id = at(&mut forged, row).id;
            // The gates that it leads to take it.
            each(&mut forged, |row| {
                if row.left_id == id && row.gate.contains(&ONE) {
                    row.left[coefficient] += ONE;
                }
                if row.right_id == id && row.gate.contains(&ONE) {
                    row.right[coefficient] += ONE;
                }
            });
            let expected: &[&str] = if row + 1 == ROWS {
                &["circuits.result", "circuits.output"]
            } else {
                &["circuits.result"]
            };
            forged.settles_to(expected);
        }
    }
    // A product that leaves out that x^2 is not zero.
    let mut circuit = smallest();
    circuit.variables = vec![[1, 1], [1, 1]];
    circuit.instructions[1] = instruction(SUB, 3, 3);
    let mut forged = honest();
    pose(&mut forged, &circuit, [[1, 2], [0; 2], [0; 2], [0; 2]]);
    forged.settles_to(&["circuits.result"]);
    pose(
        &mut forged,
        &circuit,
        [[1 - 2, 3], [0; 2], [0; 2], [0; 2]].map(wrap),
    );
    forged.settles_to(&[]);
}

/// Small negative numbers as elements.
fn wrap(value: [i64; 2]) -> [u64; 2] {
    value.map(|x| {
        let element = Felt::new(x.unsigned_abs());
        if x < 0 { -element } else { element }.as_int()
    })
}

#[test]
fn an_output_that_is_not_zero() {
    for output in [[1, 0], [0, 1]] {
        let mut circuit = smallest();
        circuit.instructions = vec![instruction(SUB, 5, 4); 4];
        circuit.variables = vec![output, [0, 0]];
        let mut forged = honest();
        pose(&mut forged, &circuit, [output; 4]);
        forged.settles_to(&["circuits.output"]);
    }
}

#[test]
fn another_instruction() {
    // Operands exchanged where it makes no difference.
    let mut forged = honest();
    let row = at(&mut forged, GATE);
    core::mem::swap(&mut row.left_id, &mut row.right_id);
    core::mem::swap(&mut row.left, &mut row.right);
    row.left_gap = gap(row, row.left_id);
    [row.right_gap_low, row.right_gap_high] = gap(row, row.right_id);
    forged.settles_to(&["circuits.instruction"]);
    // Another operation with the same result, zero.
    let mut forged = honest();
    at(&mut forged, ROWS - 1).mul = ZERO;
    forged.settles_to(&["circuits.instruction"]);
    // Another wire with the same value.
    let mut forged = honest();
    let row = at(&mut forged, GATE + 1);
    row.right_id = Felt::new(3);
    [row.right_gap_low, row.right_gap_high] = gap(row, row.right_id);
    forged.settles_to(&["circuits.instruction"]);
    // Instructions that change between the row that reads them and the gate.
    let mut forged = honest();
    for row in FETCH + 1..ROWS {
        let row = at(&mut forged, row);
        row.word[3] = Felt::new(instruction(SUB, 1, 1));
        row.mul *= ONE - row.gate[3];
    }
    forged.settles_to(&["circuits.instructions"]);
    // A gate that takes the instruction of the next one, as both were the fourth.
    let mut forged = honest();
    at(&mut forged, ROWS - 2).gate = [ZERO, ZERO, ZERO, ONE];
    let row = at(&mut forged, ROWS - 2);
    decode(row, instruction(MUL, 1, 1));
    row.left = [ZERO; 2];
    row.right = [ZERO; 2];
    forged.settle();
    let found = forged.violations();
    assert!(found.contains("circuits.after_gate"), "{found:?}");
}

#[test]
fn an_operation_that_is_none() {
    // Operation 3 would be a product and a sum at once.
    let mut circuit = smallest();
    circuit.instructions[3] = instruction(3, 1, 1);
    let mut forged = honest();
    pose(&mut forged, &circuit, [[7, 2], [0; 2], [0; 2], [0; 2]]);
    forged.settles_to(&["circuits.operation_binary"]);
    // Or thrice a product; or a sum and a half.
    for (mul, add) in [(Felt::new(3), ZERO), (ZERO, Felt::new(3) / Felt::new(2))] {
        let row = at(&mut forged, ROWS - 1);
        (row.mul, row.add) = (mul, add);
        forged.settles_to(&["circuits.operation_binary"]);
    }
}

#[test]
fn an_instruction_read_in_another_way() {
    // `left` and `right` make the same number with 2^30 moved from one to the other.
    let mut forged = honest();
    let row = at(&mut forged, GATE + 1);
    row.left_id += Felt::new(1 << 30);
    row.right_id -= ONE;
    row.left_gap = gap(row, row.left_id);
    [row.right_gap_low, row.right_gap_high] = gap(row, row.right_id);
    forged.settles_to(&["bus.Wire"]);
    // A sum that the modulus is added to: no such wires are close.
    let mut forged = honest();
    let row = at(&mut forged, GATE);
    row.left_id -= Felt::new(1 << 60);
    row.mul = ZERO;
    row.add = ONE;
    row.left_gap = gap(row, row.left_id);
    row.value = apply(row);
    forged.settle();
    let found = forged.violations();
    assert!(
        found.contains("bus.Wire") && found.contains("bus.Range"),
        "{found:?}"
    );
}

#[test]
fn gates_in_a_circle() {
    // v3 = v2 + x and v2 = v3 - x hold for any v2, so also for y, which the last gates ask for.
    let circuit = Circuit {
        variables: vec![[5, 5], [7, 2]],
        instructions: vec![
            instruction(ADD, 2, 5),
            instruction(SUB, 3, 5),
            instruction(SUB, 2, 4),
            instruction(MUL, 1, 1),
        ],
    };
    let values = [[12, 7], [7, 2], [0, 0], [0, 0]];
    let mut forged = honest();
    pose(&mut forged, &circuit, values);
    forged.settles_without(&["circuits.left_gap_low"]);
    // The difference is -2: with a lower limb that is one, and an upper one that is not.
    at(&mut forged, GATE).left_gap = [Felt::new(0xfffe), -ONE];
    forged.settles_without(&["circuits.left_gap_high"]);
    at(&mut forged, GATE).left_gap = [ZERO; 2];
    forged.settles_to(&["circuits.left_before"]);

    let mut exchanged = circuit.clone();
    exchanged.instructions[0] = instruction(ADD, 5, 2);
    let mut forged = honest();
    pose(&mut forged, &exchanged, values);
    forged.settles_without(&["circuits.right_gap_low"]);
    let row = at(&mut forged, GATE);
    (row.right_gap_low, row.right_gap_high) = (Felt::new(0xfffe), -ONE);
    forged.settles_without(&["circuits.right_gap_high"]);
    let row = at(&mut forged, GATE);
    (row.right_gap_low, row.right_gap_high) = (ZERO, ZERO);
    forged.settles_to(&["circuits.right_before"]);

    // A gate that is its own operand.
    let mut own = smallest();
    own.instructions[3] = instruction(MUL, 0, 0);
    let mut forged = honest();
    pose(&mut forged, &own, [[7, 2], [0; 2], [0; 2], [0; 2]]);
    forged.settles_to(&["bus.Range"]);
    // With limbs too large for the difference.
    let row = at(&mut forged, ROWS - 1);
    row.left_gap = [Felt::new(0xffff), -Felt::new(2).inv() / Felt::new(1 << 15)];
    forged.settle();
    assert!(!forged.violations().is_empty());
}

#[test]
fn wires_that_are_not_there() {
    // Beyond the first variable.
    let mut circuit = smallest();
    circuit.instructions[3] = instruction(MUL, 6, 1);
    let mut forged = honest();
    pose(&mut forged, &circuit, [[7, 2], [0; 2], [0; 2], [0; 2]]);
    forged.settles_to(&["bus.Wire"]);
    // A wire with another value than it has.
    let mut forged = honest();
    let row = at(&mut forged, ROWS - 1);
    row.left = [ONE, ZERO];
    forged.settles_to(&["bus.Wire"]);
}

#[test]
fn multiplicities_out_of_balance() {
    for (row, place) in [(READ, 0), (READ, 1), (GATE, 0), (ROWS - 1, 0)] {
        for by in [ONE, -ONE] {
            let mut forged = honest();
            at(&mut forged, row).multiplicity[place] += by;
            forged.assert_rejected(&["bus.Wire"]);
        }
    }
}

/// Two evaluations of the smallest circuit, the second with another variable.
fn twice() -> Forgery {
    let mut second = smallest();
    second.variables[1] = [8, 3];
    let (load, mut advice) = smallest().load(0);
    let (reload, more) = second.load(0);
    advice.extend(more);
    let source = format!(
        "begin {load} {} {reload} {} end",
        smallest().evaluation(0),
        second.evaluation(0)
    );
    trace_of(&Case::masm("two circuits", &source).advice(advice))
}

#[test]
fn a_wire_of_another_circuit() {
    let mut forged = twice();
    assert_eq!(forged.circuits().len(), 2 * ROWS);
    // The second difference is that of the first circuit's wires: zero as well.
    let first = *at(&mut forged, GATE + 1);
    let row = at(&mut forged, ROWS + GATE + 1);
    (row.left, row.right) = (first.left, first.right);
    forged.settles_to(&["bus.Wire"]);
    // All its wires: the first evaluation once more, at the second's time. The memory has changed.
    let mut forged = twice();
    let time = at(&mut forged, ROWS).time;
    for row in 0..ROWS {
        let first = *at(&mut forged, row);
        *at(&mut forged, ROWS + row) = CircuitRow { time, ..first };
    }
    forged.settles_to(&["memory.value"]);
    // At its own time.
    for row in 0..ROWS {
        let first = *at(&mut forged, row);
        *at(&mut forged, ROWS + row) = first;
    }
    forged.settles_to(&["bus.Circuit"]);
    // A row takes its wires over to the other evaluation.
    for row in [READ, FETCH, GATE, ROWS - 1] {
        let mut forged = twice();
        let time = at(&mut forged, ROWS).time;
        at(&mut forged, row).time = time;
        forged.settle();
        let found = forged.violations();
        assert!(found.contains("circuits.kept"), "{found:?}");
    }
}

#[test]
fn evaluations_in_another_order() {
    // Nothing says in which order they stand.
    let mut forged = twice();
    let rows: Vec<_> = (0..2 * ROWS).map(|row| *at(&mut forged, row)).collect();
    splice(
        &mut forged,
        0..2 * ROWS,
        &[&rows[ROWS..], &rows[..ROWS]].concat(),
    );
    forged.settles_to(&[]);
}

#[test]
fn a_circuit_that_is_skipped_or_made_up() {
    let mut forged = honest();
    splice(&mut forged, 0..ROWS, &[]);
    forged.settles_to(&["bus.Circuit"]);
    let mut forged = twice();
    splice(&mut forged, ROWS..2 * ROWS, &[]);
    forged.settles_to(&["bus.Circuit"]);
    // One more than was asked for.
    let mut forged = honest();
    let rows: Vec<_> = (0..ROWS).map(|row| *at(&mut forged, row)).collect();
    splice(&mut forged, 0..0, &rows);
    forged.settles_to(&["bus.Circuit"]);
    // An operation that asks for nothing else than what another one has shown.
    let mut forged = twice();
    let [first, second] = [0, 1].map(|nth| forged.row_of(EVALCIRCUIT, nth));
    assert!(first < second);
    splice(&mut forged, 0..ROWS, &[]);
    let time = Felt::new(first as u64 + 1);
    each(&mut forged, |row| row.time = time);
    forged.settles_to(&["bus.Circuit", "memory.value"]);
}

#[test]
fn another_circuit_than_was_asked_for() {
    // Another address, other numbers of variables and gates on the stack.
    for (place, value) in [(10, 4), (11, 4), (11, 0), (12, 8), (12, 0)] {
        let mut forged = honest();
        let mut inputs = inputs(&smallest());
        inputs[place] = value;
        give(&mut forged, &inputs);
        forged.settles_to(&["bus.Circuit"]);
    }
    // Another context, another time.
    let mut forged = honest();
    each(&mut forged, |row| row.context += Felt::new(8));
    forged.settles_to(&["bus.Circuit", "memory.value"]);
    let mut forged = honest();
    each(&mut forged, |row| row.time += ONE);
    forged.settles_to(&["bus.Circuit"]);
    // Time and context change on the way.
    for row in READ..ROWS {
        let mut forged = honest();
        at(&mut forged, row).context += Felt::new(8);
        forged.settle();
        assert!(forged.violations().contains("circuits.kept"));
    }
}

#[test]
fn variables_that_are_gates() {
    // Three variables and three gates, or one and five.
    for num_eval in [3, 5] {
        let mut forged = honest();
        let mut inputs = inputs(&smallest());
        inputs[11..13].copy_from_slice(&[6 - num_eval, num_eval]);
        give(&mut forged, &inputs);
        each(&mut forged, |row| row.num_eval = Felt::new(num_eval));
        forged.settles_to(&["circuits.variables"]);
        // Honest again as soon as there are variables.
        let num_eval = Felt::new(4);
        for row in FETCH..ROWS {
            at(&mut forged, row).num_eval = num_eval;
        }
        forged.settles_to(&["circuits.kept", "circuits.variables"]);
    }
    // No variables, and the evaluation reads none.
    let mut forged = honest();
    let mut inputs = inputs(&smallest());
    inputs[10..13].copy_from_slice(&[4, 0, 4]);
    give(&mut forged, &inputs);
    splice(&mut forged, READ..FETCH, &[]);
    let start = at(&mut forged, START);
    start.id = Felt::new(3);
    start.address = Felt::new(4);
    forged.settles_to(&["circuits.after_start", "bus.Wire"]);
}

#[test]
fn memory_that_is_something_else() {
    // The variable is another one, and all gates agree.
    let mut circuit = smallest();
    circuit.variables[1] = [9, 9];
    let mut forged = honest();
    pose(&mut forged, &circuit, [[9, 9], [0; 2], [0; 2], [0; 2]]);
    give(&mut forged, &inputs(&smallest()));
    forged.settles_to(&["memory.value"]);
    // An instruction is another one.
    let mut circuit = smallest();
    circuit.instructions[3] = instruction(SUB, 1, 1);
    let mut forged = honest();
    pose(&mut forged, &circuit, [[7, 2], [0; 2], [0; 2], [0; 2]]);
    give(&mut forged, &inputs(&smallest()));
    forged.settles_to(&["memory.value"]);
    // Variables from another place: what is there is zero.
    let mut forged = honest();
    let mut circuit = smallest();
    circuit.variables = vec![[0; 2]; 2];
    pose(&mut forged, &circuit, [[0; 2]; 4]);
    give(&mut forged, &inputs(&smallest()));
    at(&mut forged, READ).address = Felt::new(40);
    forged.settles_to(&["circuits.address"]);
    at(&mut forged, START).address = Felt::new(40);
    forged.settles_to(&["circuits.address", "bus.Circuit"]);
}

#[test]
fn words_between_words_and_beyond_memory() {
    for address in [2, 1 << 32, 0xffff_ffff_0000_0000] {
        let mut forged = honest();
        let mut inputs = inputs(&smallest());
        inputs[10] = address;
        give(&mut forged, &inputs);
        each(&mut forged, |row| row.address += Felt::new(address));
        forged.settle();
        assert!(forged.violations().contains("bus.Range"), "{address}");
    }
}

#[test]
fn an_evaluation_cut_short() {
    // Padding comes before the evaluation is over.
    for rows in 1..ROWS {
        let mut forged = honest();
        splice(&mut forged, rows..ROWS, &[]);
        forged.settle();
        let found = forged.violations();
        let after = found.iter().any(|name| name.starts_with("circuits.after"));
        assert!(after, "{rows}: {found:?}");
    }
    // It says that it is over: the gate's result is zero, and more gates were to come.
    for row in [GATE + 1, GATE + 2] {
        let mut forged = honest();
        splice(&mut forged, row + 1..ROWS, &[]);
        at(&mut forged, row).end = ONE;
        forged.settle();
        let found = forged.violations();
        for name in ["circuits.end_after_gate", "circuits.end_id"] {
            assert!(found.contains(name), "{name} is not in {found:?}");
        }
    }
    let mut eight = smallest();
    eight.instructions = [
        vec![instruction(MUL, 9, 8), instruction(SUB, 7, 8)],
        vec![instruction(SUB, 9, 9), instruction(MUL, 5, 5)],
        (0..4)
            .rev()
            .map(|id| instruction(ADD, id + 1, id + 1))
            .collect(),
    ]
    .concat();
    let case = eight.case("eight gates", 0);
    let mut forged = trace_of(&case);
    assert_eq!(forged.circuits().len(), 12);
    splice(&mut forged, 7..12, &[]);
    at(&mut forged, 6).end = ONE;
    forged.settles_to(&["circuits.end_id"]);
    // It counts from further below, as if the circuit had half of the gates.
    each(&mut forged, |row| row.id -= Felt::new(4));
    forged.settle();
    let found = forged.violations();
    assert!(found.contains("circuits.variables"), "{found:?}");
    // It does not end.
    let mut forged = honest();
    at(&mut forged, ROWS - 1).end = ZERO;
    forged.settle();
    assert!(forged.violations().contains("circuits.after_last_gate"));
    let mut forged = twice();
    at(&mut forged, ROWS - 1).end = ZERO;
    forged.settle();
    let found = forged.violations();
    for name in ["circuits.after_last_gate", "circuits.kept"] {
        assert!(found.contains(name), "{name} is not in {found:?}");
    }
}

#[test]
fn an_evaluation_without_a_beginning() {
    // At the beginning of the table, and after another one: no request is received.
    let mut forged = honest();
    splice(&mut forged, START..READ, &[]);
    forged.settles_to(&["boundary.first_start", "bus.Circuit"]);
    let mut forged = twice();
    splice(&mut forged, ROWS..ROWS + 1, &[]);
    forged.settles_to(&["circuits.start", "bus.Circuit"]);
    // A second beginning on the way.
    let mut forged = honest();
    let start = *at(&mut forged, START);
    splice(&mut forged, READ..READ, &[start]);
    forged.settle();
    let found = forged.violations();
    for name in ["circuits.after_start", "bus.Circuit"] {
        assert!(found.contains(name), "{name} is not in {found:?}");
    }
}

#[test]
fn rows_of_no_kind_or_of_two() {
    for row in 0..ROWS {
        let mut forged = honest();
        let cells = at(&mut forged, row);
        (cells.start, cells.read, cells.fetch) = (ZERO, ZERO, ZERO);
        cells.gate = [ZERO; 4];
        forged.settle();
        // What follows does not follow, or the last gate does not.
        let name = match row + 1 {
            ROWS => "circuits.after_gate",
            _ => "circuits.start",
        };
        assert!(forged.violations().contains(name), "{row}");
    }
    // A gate that is variables too states a second wire.
    let mut forged = honest();
    at(&mut forged, GATE).read = ONE;
    forged.settle();
    assert!(forged.violations().contains("circuits.kind_binary"));
    // Halves of two kinds.
    let half = ONE / Felt::new(2);
    let mut forged = honest();
    let row = at(&mut forged, READ);
    (row.read, row.fetch) = (half, half);
    forged.settle();
    assert!(forged.violations().contains("circuits.kind_binary"));
}

#[test]
fn a_wire_stated_twice() {
    // The variables once more, with values of the prover's choice, from a word that is zero.
    let mut forged = honest();
    let mut row = *at(&mut forged, READ);
    row.word = [ZERO; 4];
    splice(&mut forged, FETCH..FETCH, &[row]);
    for row in FETCH..=ROWS {
        at(&mut forged, row).address += Felt::new(4);
    }
    forged.settle();
    let found = forged.violations();
    assert!(found.contains("circuits.id"), "{found:?}");
    // A gate once more, at the number of another one.
    for row in GATE..ROWS - 1 {
        let mut forged = honest();
        let id = at(&mut forged, row).id;
        at(&mut forged, row + 1).id = id;
        forged.settle();
        assert!(forged.violations().contains("circuits.id"), "{row}");
    }
}

#[test]
fn an_operation_that_changes_the_stack() {
    let mut forged = honest();
    let row = forged.row_of(EVALCIRCUIT, 0);
    forged.edit_from(row + 1, |core| core.stack.top[5] += ONE);
    forged.claim_outputs();
    forged.settles_to(&["stack.next"]);
}
