//! A trace of some rows has those of the whole trace.

use std::ops::Range;

use miden_core::{Felt, Program, StackInputs, ToElements};
use miden_cvm_air::{
    composition::{Composition, LinkKind},
    table::{Table, TableRows},
};
use miden_cvm_processor::{
    AdviceInputs, DefaultHost, ExecutionInputs, ExecutionOptions, ExecutionTrace,
    TracedExecutionError, execute_traced_rows,
};

use crate::{
    common::{circuits::valid_circuits, generated_case, handwritten_cases, random_from},
    composition::{Builder, nosy},
};

/// A run, again and again.
struct Runs<'a> {
    program: &'a Program,
    composition: Option<&'a Composition>,
    stack: StackInputs,
    advice: AdviceInputs,
    host: &'a dyn Fn() -> DefaultHost,
}

impl Runs<'_> {
    fn rows(&self, rows: &TableRows) -> Result<ExecutionTrace, TracedExecutionError> {
        execute_traced_rows(
            ExecutionInputs {
                program: self.program,
                composition: self.composition,
                arguments: (&self.stack).into(),
                advice: self.advice.clone(),
                options: ExecutionOptions::default(),
            },
            &mut (self.host)(),
            rows,
        )
    }

    /// Compares some rows of each table with those of the whole trace; returns which tables had any.
    /// A run that traps is left out.
    fn compare(&self, name: &str, random: &mut impl FnMut() -> u32) -> [bool; Table::COUNT] {
        let Ok(none) = self.rows(&TableRows::default()) else {
            return [false; Table::COUNT];
        };
        assert!(
            Table::ALL
                .iter()
                .all(|&table| none.trace.height(table) == 0)
        );
        let height = |table: Table| none.heights.of(table);
        let all = TableRows::new(Table::ALL.map(|table| 0..height(table)));
        let whole = self.rows(&all).expect("the same run");
        assert_eq!(whole.trace.heights(), Some(none.heights), "{name}");
        assert_eq!(
            (whole.public.to_elements(), whole.lengths),
            (none.public.to_elements(), none.lengths),
            "{name}"
        );
        for _ in 0..4 {
            let mut range = |height: usize| -> Range<usize> {
                let [one, other] = [random(), random()].map(|at| at as usize % (height + 1));
                one.min(other)..one.max(other)
            };
            let rows = TableRows::new(Table::ALL.map(|table| range(height(table))));
            let some = self.rows(&rows).expect("the same run");
            for table in Table::ALL {
                let Range { start, end } = rows.of(table);
                let width = table.width();
                let cells = &whole.trace.cells(table)[start * width..end * width];
                assert_eq!(
                    some.trace.cells(table),
                    cells,
                    "{name}: {table:?}, {start}..{end}"
                );
            }
        }
        Table::ALL.map(|table| height(table) > 0)
    }
}

#[test]
fn some_rows_are_those_of_the_whole_trace() {
    let mut random = random_from(7);
    let mut seen = [false; Table::COUNT];
    let mut note = |of: [bool; Table::COUNT]| {
        for (seen, of) in seen.iter_mut().zip(of) {
            *seen |= of;
        }
    };
    let mut cases = handwritten_cases();
    cases.extend(valid_circuits());
    cases.extend((0..5).map(|seed| generated_case(&format!("{seed}"), random_from(seed), 300)));
    for case in &cases {
        let runs = Runs {
            program: &case.program,
            composition: None,
            stack: case.stack_inputs(),
            advice: case.advice_inputs(),
            host: &|| case.host(),
        };
        note(runs.compare(&case.name, &mut random));
    }
    let values: Vec<Felt> = (0..64).map(Felt::new).collect();
    let compositions = [
        (
            nosy(),
            "begin
                push.3 push.2 push.1 call.stubs::save push.50 movup.2 drop
                call.stubs::save call.stubs::a1 call.stubs::restore
                call.stubs::restore repeat.4 movup.15 drop end
            end",
        ),
        (
            Builder::new(2)
                .component("keeper", "pub proc reads mem_load.70 swap drop end")
                .link(0, "a1", LinkKind::Shared, 1, "keeper::reads")
                .data(1, 64, &values),
            "begin call.stubs::a1 drop end",
        ),
    ];
    for (builder, main) in &compositions {
        let composition = builder.composition();
        let (program, _) = builder.program(main);
        let runs = Runs {
            program: &program,
            composition: Some(&composition),
            stack: StackInputs::default(),
            advice: builder.advice_inputs(),
            host: &|| builder.program(main).1,
        };
        let of = runs.compare(main, &mut random);
        assert!(of[Table::Rom as usize], "{main}: it has run");
        note(of);
    }
    let unseen = Table::ALL.iter().zip(seen).filter(|(_, seen)| !seen);
    let unseen: Vec<&Table> = unseen.map(|(table, _)| table).collect();
    // Tables that are cut after they are made.
    assert_eq!(unseen, [&Table::Resources, &Table::Instances]);
}
