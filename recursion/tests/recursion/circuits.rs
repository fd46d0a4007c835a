//! The circuit of the constraints against the constraints.

use miden_core::{
    Felt, FieldElement, Kernel, ONE, QuadFelt, StackInputs, StackOutputs, StarkField, ZERO,
    crypto::hash::Rpo256,
};
use miden_cvm_air::{
    air::{COMPOSITION_COLUMNS, CvmAir, TableFrame, periodic_at, powers},
    builder::Periodic,
    columns::Cells,
    heights::Heights,
    lookup::{Challenges, NUM_CHALLENGES},
    memory_io::{MemoryIo, MemorySegment},
    public::PublicInputs,
    table::Window,
};
use miden_cvm_recursion::{Circuit, Shape, Variables, variables};

use super::statements::composition;

/// Elements that look random.
fn random(seed: u64, count: usize) -> Vec<QuadFelt> {
    let element = |i: u64| {
        let digest = Rpo256::hash_elements(&[Felt::new(seed), Felt::new(i)]);
        QuadFelt::new(digest[0], digest[1])
    };
    (0..count as u64).map(element).collect()
}

/// Shapes with and without optional tables, with tables in pieces, and with equal heights.
fn shapes() -> Vec<Shape> {
    let heights = [
        [16, 512, 32, 8, 0, 0, 0, 0, 0],
        [39, 64, 32, 64, 16, 0, 0, 0, 0],
        [64, 64, 37, 16, 8, 0, 0, 128, 0],
    ];
    let shape = |heights: [usize; 9], public: &PublicInputs| {
        Shape::new(Heights::new(heights).expect("heights"), public).expect("a shape")
    };
    let mut shapes = heights
        .map(|heights| shape(heights, &PublicInputs::default()))
        .to_vec();
    let composed = PublicInputs {
        kernel: Kernel::new(&[Rpo256::hash(b"one"), Rpo256::hash(b"two")]).expect("a kernel"),
        composition: Some(composition(16, 8).0),
        ..PublicInputs::default()
    };
    shapes.push(shape([64, 64, 37, 16, 0, 16, 16, 0, 0], &composed));
    let segment = |address, length| {
        let elements = vec![ONE; length];
        Some(MemorySegment { address, elements })
    };
    for (inputs, outputs) in [(segment(1000, 8), segment(2000, 4)), (None, segment(0, 12))] {
        let public = PublicInputs {
            memory: MemoryIo { inputs, outputs },
            ..PublicInputs::default()
        };
        shapes.push(shape([64, 64, 37, 16, 0, 0, 0, 0, 0], &public));
    }
    shapes
}

/// The value of the circuit, computed with the AIR as the verifier does it.
fn value(shape: &Shape, inputs: &[QuadFelt], at: &Variables) -> QuadFelt {
    let statement = |from: usize, count: usize| -> Vec<Felt> {
        let inputs = &inputs[at.statement + from..][..count];
        inputs
            .iter()
            .map(|input| input.to_base_elements()[0])
            .collect()
    };
    let records = shape.air().public_inputs().clone();
    let hash: [Felt; 4] = statement(0, 4).try_into().expect("four elements");
    let mut next = 4;
    let mut memory = records.memory.clone();
    for segment in [&mut memory.inputs, &mut memory.outputs]
        .into_iter()
        .flatten()
    {
        assert!(segment.elements.iter().all(|&element| element == ZERO));
        segment.elements = statement(next, segment.elements.len());
        next += segment.elements.len();
    }
    let transcript: [Felt; 4] = statement(next + 32, 4).try_into().expect("four elements");
    let bottom_first = statement(next, 16).into_iter().rev().collect();
    let public = PublicInputs {
        program_hash: hash.into(),
        memory,
        stack_inputs: StackInputs::new(bottom_first).expect("a stack"),
        stack_outputs: StackOutputs::new(statement(next + 16, 16)).expect("a stack"),
        precompile_transcript: transcript.into(),
        ..records
    };
    let elements = variables(&public);
    assert_eq!(statement(0, elements.len()), elements);
    let air = CvmAir::new(*shape.heights(), public, Shape::settings().proof_options());
    let challenges = Challenges::new(&inputs[at.challenges..][..NUM_CHALLENGES]);
    let sums = &inputs[at.sums..][..air.pieces().len()];
    let z = inputs[at.z];

    let public = air.public_inputs();
    let denominators = public
        .messages()
        .into_iter()
        .map(|message| challenges.denominator(Felt::new(message.bus as u64), &message.coordinates));
    let denominators = denominators.fold(QuadFelt::ONE, |product, d| product * d);
    let sum = sums
        .iter()
        .fold(public.boundary_sum(&challenges), |sum, &other| sum + other);
    let balance = sum * denominators;

    let width = air.trace_width();
    let openings = &inputs[at.openings..][..air.num_openings()];
    let power = z.exp(air.longest() as u64);
    let vanishing = power - QuadFelt::ONE;
    let mut weights = powers(inputs[at.weight]);
    let mut expected = QuadFelt::ZERO;
    let mut column = 0;
    for (piece, &sum) in air.pieces().iter().zip(sums) {
        let point = z.exp(air.ratio(piece) as u64);
        let periodic = periodic_at(piece, point);
        let (main, aux) = (piece.table.width(), air.packing(piece.table).width());
        let next = width + COMPOSITION_COLUMNS + column;
        let frame = TableFrame {
            main: Window {
                cur: &openings[column..][..main],
                next: &openings[next..][..main],
                periodic: Periodic::from_cells(&periodic),
                composed: public.composed().into(),
            },
            aux: &openings[column + main..][..aux],
            aux_next: &openings[next + main..][..aux],
        };
        let combined = air.combine(piece, &frame, &challenges, sum, &mut weights);
        let last = QuadFelt::from(Felt::get_root_of_unity(piece.height.ilog2()).inv());
        expected += combined.transition * (point - last) / vanishing
            + combined.first / (point - QuadFelt::ONE)
            + combined.last / (point - last);
        column += main + aux;
    }
    let composition = openings[width..][..COMPOSITION_COLUMNS].iter().rev();
    let composition = composition.fold(QuadFelt::ZERO, |sum, &column| sum * power + column);
    let difference = (expected - composition) * vanishing;
    let non_square = QuadFelt::new(ONE, -Felt::new(2));
    balance * balance - non_square * difference * difference
}

#[test]
fn circuits_compute_what_the_constraints_do() {
    for (seed, shape) in shapes().iter().enumerate() {
        let circuit = Circuit::new(&shape.air());
        println!(
            "{:?}: {} variables, {} gates",
            shape.heights().rows(),
            circuit.num_read(),
            circuit.num_eval()
        );
        let at = circuit.variables;
        let mut inputs = random(seed as u64, at.constants);
        // The statement's elements are of the base field.
        for input in &mut inputs[at.statement..at.weight] {
            *input = input.to_base_elements()[0].into();
        }
        let computed = circuit.evaluate(&inputs);
        // The gates that fill the last block double it.
        let mut doubled =
            (0..8).map(|bits| value(shape, &inputs, &at) * Felt::new(1 << bits).into());
        assert!(doubled.any(|value| value == computed));

        // Every variable matters, but for those that fill a block, columns that nothing reads on the next
        // row, and the last challenge where no table is cut.
        let mut ignored = Vec::new();
        for number in 0..at.constants {
            let mut changed = inputs.clone();
            changed[number] += QuadFelt::ONE;
            if circuit.evaluate(&changed) == computed {
                ignored.push(number);
            }
        }
        let air = shape.air();
        let at_point = at.openings..at.openings + air.trace_width() + COMPOSITION_COLUMNS;
        let read = [
            at.challenges..at.statement - 1,
            at.statement..at.z + 1,
            at.sums..at.sums + air.pieces().len(),
            at_point,
        ];
        for range in read {
            let ignored: Vec<_> = ignored
                .iter()
                .filter(|number| range.contains(number))
                .collect();
            assert!(
                ignored.is_empty(),
                "variables {ignored:?} of {range:?} do not matter"
            );
        }
    }
}

#[test]
fn no_square_is_the_factor() {
    // The norm of a square is a square: its power to half of the order of the units is 1.
    let norm = Felt::new(7);
    let half = (Felt::MODULUS - 1) / 2;
    assert_eq!(norm.exp(half), -ONE);
    let element = QuadFelt::new(ONE, -Felt::new(2));
    let conjugate = element.conjugate();
    assert_eq!(element * conjugate, norm.into());
}
