//! Inputs and outputs in memory: elements that a statement shows beyond those of the stack.

use miden_core::{Felt, ONE, StackInputs, ZERO};
use miden_cvm_air::{
    composition::{
        Composition, CompositionError,
        LinkKind::{Fresh, Isolated, Shared},
        PublicData,
    },
    lookup::Bus,
    memory_io::{
        Area, Arguments, ArgumentsError, MAX_MEMORY_IO, MemoryIo, MemoryLayout, MemoryLayoutError,
        MemorySegment,
    },
};
use miden_cvm_processor::{
    ContextId, ExecutionError, ExecutionInputs, ExecutionTrace, LoadError, execute, execute_traced,
};

use super::constraints::assert_valid;
use crate::{common::Case, composition::Builder};

fn area(address: u32, length: u32) -> Option<Area> {
    Some(Area { address, length })
}

fn segment(address: u32, values: &[u64]) -> Option<MemorySegment> {
    let elements = values.iter().copied().map(Felt::new).collect();
    Some(MemorySegment { address, elements })
}

fn arguments(layout: MemoryLayout, values: &[u64]) -> Arguments {
    Arguments {
        stack: StackInputs::default(),
        memory: values.iter().copied().map(Felt::new).collect(),
        layout,
    }
}

/// The inputs of a case, with these arguments.
fn inputs_of<'a>(case: &'a Case, arguments: &Arguments) -> ExecutionInputs<'a> {
    ExecutionInputs {
        arguments: arguments.clone(),
        advice: case.advice_inputs(),
        ..ExecutionInputs::new(&case.program)
    }
}

/// Runs an open program with these arguments, with and without a trace.
fn run(case: &Case, arguments: &Arguments) -> MemoryIo {
    let ran = execute(inputs_of(case, arguments), &mut case.host());
    let ran = ran.unwrap_or_else(|error| panic!("{}: {error}", case.name));
    let trace = execute_traced(inputs_of(case, arguments), &mut case.host());
    let trace = trace.unwrap_or_else(|error| panic!("{}: {error}", case.name));
    assert_valid(&case.name, &trace);
    assert_eq!(trace.public.memory.outputs, ran.memory_outputs);
    trace.public.memory
}

fn refused(case: &Case, arguments: &Arguments) -> ArgumentsError {
    let ran = execute(inputs_of(case, arguments), &mut case.host());
    refusal(ran.expect_err("it is refused"))
}

fn refusal(error: ExecutionError) -> ArgumentsError {
    match error {
        ExecutionError::Refused(error) => match *error {
            LoadError::Arguments(error) => error,
            other => panic!("{other}"),
        },
        other => panic!("{other}"),
    }
}

#[test]
fn open_programs_read_inputs_and_leave_outputs() {
    let case = Case::masm(
        "sums",
        "begin
            mem_load.1000 mem_load.1001 add mem_store.2000
            mem_load.1000 mem_load.1005 mul mem_store.2002
        end",
    );
    let layout = MemoryLayout {
        inputs: area(1000, 8),
        outputs: area(2000, 8),
    };
    let shown = run(&case, &arguments(layout, &[3, 4, 5, 6, 7, 8]));
    // What is not given is zero, and so is what was never written.
    assert_eq!(shown.inputs, segment(1000, &[3, 4, 5, 6, 7, 8, 0, 0]));
    assert_eq!(shown.outputs, segment(2000, &[7, 0, 24, 0, 0, 0, 0, 0]));
    assert_eq!(shown.layout(), layout);
    // Without values all of them are zero; without places there is nothing.
    let zeros = run(&case, &arguments(layout, &[]));
    assert_eq!(zeros.inputs, segment(1000, &[0; 8]));
    assert_eq!(zeros.outputs, segment(2000, &[0; 8]));
    assert_eq!(run(&case, &Arguments::default()), MemoryIo::default());
}

#[test]
fn outputs_can_be_where_inputs_are() {
    let case = Case::masm("in place", "begin mem_load.8 add.1 mem_store.8 end");
    let layout = MemoryLayout {
        inputs: area(8, 8),
        outputs: area(4, 8),
    };
    let shown = run(&case, &arguments(layout, &[5, 6, 7, 8, 9]));
    assert_eq!(shown.inputs, segment(8, &[5, 6, 7, 8, 9, 0, 0, 0]));
    assert_eq!(shown.outputs, segment(4, &[0, 0, 0, 0, 6, 6, 7, 8]));
}

#[test]
fn they_are_in_the_memory_of_the_root_context() {
    let case = Case::with_kernel(
        "kernel",
        "pub proc note mem_load.64 add mem_store.128 end",
        "proc elsewhere
            mem_load.64 assertz push.9 mem_store.128 push.1 syscall.note drop
        end
        begin call.elsewhere end",
    );
    let layout = MemoryLayout {
        inputs: area(64, 4),
        outputs: area(128, 4),
    };
    // The called context has a memory of its own; the kernel runs in the root's.
    let shown = run(&case, &arguments(layout, &[20]));
    assert_eq!(shown.outputs, segment(128, &[21, 0, 0, 0]));
}

/// The root adds its two inputs by another instance, which has memory of its own at the same place.
fn adder() -> Builder {
    Builder::new(2)
        .component(
            "adder",
            "pub proc sum mem_load.1000 assertz add dup mem_store.1000 end",
        )
        .link(0, "a1", Shared, 1, "adder::sum")
}

const SUM: &str = "begin
        mem_load.1001 mem_load.1000 call.stubs::a1 mem_store.2000 drop
        push.8 mem_store.1000
    end";

#[test]
fn roots_of_compositions_have_them_where_the_records_say() {
    let builder = adder().inputs(1000, 4, &[30, 12]).outputs(2000, 8);
    builder.run(SUM);
    let trace = builder.trace(SUM);
    let shown = &trace.public.memory;
    assert_eq!(shown.inputs, segment(1000, &[30, 12, 0, 0]));
    assert_eq!(shown.outputs, segment(2000, &[42, 0, 0, 0, 0, 0, 0, 0]));
    let composition = builder.composition();
    assert_eq!(composition.layout(), shown.layout());
    // The commitment says where they are.
    let places = [
        adder(),
        adder().inputs(1000, 4, &[]),
        adder().outputs(2000, 8),
        adder().inputs(1000, 8, &[]).outputs(2000, 8),
        adder().inputs(1004, 4, &[]).outputs(2000, 8),
        adder().inputs(2000, 8, &[]).outputs(1000, 4),
    ];
    for other in places {
        assert_ne!(other.composition().commitment(), composition.commitment());
    }
}

#[test]
fn other_instances_of_the_root_begin_without_them() {
    for kind in [Fresh, Isolated] {
        let builder = Builder::new(1)
            .component(
                "root",
                "pub proc looks mem_load.1000 assertz push.5 mem_store.2000 end",
            )
            .link(0, "a1", kind, 0, "root::looks")
            .inputs(1000, 4, &[30])
            .outputs(2000, 4);
        let main = "begin call.stubs::a1 mem_load.1000 mem_store.2000 end";
        builder.run(main);
        let shown = builder.trace(main).public.memory;
        assert_eq!(shown.outputs, segment(2000, &[30, 0, 0, 0]));
    }
}

#[test]
fn a_word_of_either_is_a_message_and_a_row() {
    let main = "begin neg neg end";
    let counts = |trace: ExecutionTrace| {
        let messages = trace.public.messages();
        let words = messages.iter().filter(|m| m.bus == Bus::MemoryWord);
        let rows = [
            trace.lengths.cycles,
            trace.lengths.hasher,
            trace.lengths.memory,
            trace.lengths.rom,
        ];
        (words.count(), rows)
    };
    let (messages, [cycles, hasher, memory, rom]) = counts(Builder::new(1).trace(main));
    let values: Vec<u64> = (0..1024).collect();
    let full = Builder::new(1)
        .inputs(1024, 1024, &values)
        .outputs(1024, 1024);
    let trace = full.trace(main);
    assert_eq!(
        trace.public.memory.inputs.as_ref().map(|s| &s.elements),
        trace.public.memory.outputs.as_ref().map(|s| &s.elements)
    );
    assert_eq!(
        counts(trace),
        (messages + 512, [cycles, hasher, memory + 512, rom])
    );
}

#[test]
fn places_are_those_of_words_in_range() {
    let case = Case::masm("nothing", "begin neg neg end");
    let with = |inputs, outputs| {
        let layout = MemoryLayout { inputs, outputs };
        match refused(&case, &arguments(layout, &[])) {
            ArgumentsError::MemoryLayout(error) => error,
            other => panic!("{other}"),
        }
    };
    let kinds = ["inputs", "outputs"];
    for (kind, inputs) in kinds.into_iter().zip([true, false]) {
        let with = |address, length| match inputs {
            true => with(area(address, length), area(0, 4)),
            false => with(area(0, 4), area(address, length)),
        };
        let refused = with(2, 4);
        assert_eq!(refused, MemoryLayoutError::Address { kind, address: 2 });
        for length in [0, 3, 6, MAX_MEMORY_IO as u32 + 4, u32::MAX] {
            let refused = with(4, length);
            assert_eq!(refused, MemoryLayoutError::Length { kind, length });
        }
        for address in [(1 << 31) - 4, 1 << 31, u32::MAX - 3] {
            let refused = with(address, 8);
            assert_eq!(refused, MemoryLayoutError::Range { kind, address });
        }
        let layout = |place| match inputs {
            true => MemoryLayout {
                inputs: place,
                outputs: None,
            },
            false => MemoryLayout {
                inputs: None,
                outputs: place,
            },
        };
        run(&case, &arguments(layout(area((1 << 31) - 8, 8)), &[]));
        run(&case, &arguments(layout(area(0, 1024)), &[]));
    }
}

#[test]
fn there_is_place_for_what_is_given() {
    let case = Case::masm("nothing", "begin neg neg end");
    let refused = |layout, values: &[u64]| refused(&case, &arguments(layout, values));
    let (given, place) = (1, 0);
    assert_eq!(
        refused(MemoryLayout::default(), &[1]),
        ArgumentsError::TooMany { given, place }
    );
    let layout = MemoryLayout {
        inputs: area(0, 4),
        outputs: area(8, 8),
    };
    let (given, place) = (5, 4);
    assert_eq!(
        refused(layout, &[1; 5]),
        ArgumentsError::TooMany { given, place }
    );
    // In a composition the records say where; whoever runs it may say the same, and nothing else.
    let mut builder = adder().inputs(1000, 4, &[30, 12]).outputs(2000, 8);
    builder.arguments.layout = builder.composition().layout();
    builder.run(SUM);
    for layout in [
        layout,
        MemoryLayout {
            outputs: None,
            ..builder.arguments.layout
        },
    ] {
        builder.arguments.layout = layout;
        let error = builder.start(SUM).0.expect_err("it is refused");
        assert_eq!(refusal(error), ArgumentsError::OtherLayout);
    }
}

#[test]
fn inputs_are_not_where_static_data_is() {
    let overlap = |data| {
        Err(CompositionError::MemoryLayout(MemoryLayoutError::Overlap {
            inputs: 1000,
            data,
        }))
    };
    let public = |instance, address| {
        let data = PublicData {
            instance,
            address,
            elements: vec![ONE; 8],
        };
        Composition::new(2, Vec::new(), Vec::new())
            .and_then(|composition| composition.with_public_data(vec![data]))
            .expect("valid records")
    };
    let layout = MemoryLayout {
        inputs: area(1000, 12),
        outputs: area(1000, 12),
    };
    for address in [996, 1000, 1008] {
        assert_eq!(public(0, address).with_layout(layout), overlap(address));
        // That of another instance is elsewhere.
        assert!(public(1, address).with_layout(layout).is_ok());
        let hashed = Builder::new(2)
            .data(0, address, &[ZERO; 8])
            .composition()
            .with_layout(layout);
        assert_eq!(hashed, overlap(address));
    }
    for address in [992, 1012] {
        assert!(public(0, address).with_layout(layout).is_ok());
    }
    // Outputs may be where data was.
    let outputs = MemoryLayout {
        inputs: None,
        ..layout
    };
    assert!(public(0, 1000).with_layout(outputs).is_ok());
}

#[test]
fn memory_that_the_run_may_not_have_is_a_trap() {
    let values: Vec<u64> = (0..64).collect();
    let mut builder = Builder::new(1).inputs(0, 1024, &values);
    let mut limits = *builder.options.limits();
    limits.memory_words = 16;
    builder.options = builder.options.with_limits(limits);
    let (result, process) = builder.start("begin neg neg end");
    assert!(result.is_err());
    assert_eq!(process.clk(), 0);
    assert_eq!(process.memory().get_value(ContextId::ROOT, 1023), None);
}
