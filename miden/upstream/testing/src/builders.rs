//! The macros that tests are written with.

/// A test of instructions: after them, all but the topmost 16 elements are dropped.
#[macro_export]
macro_rules! build_op_test {
    ($instructions:expr $(, $inputs:expr)* $(,)?) => {{
        let source = format!(
            "{}\nbegin {} exec.truncate_stack end",
            $crate::TRUNCATE_STACK_PROC,
            $instructions
        );
        $crate::build_test!(&source $(, $inputs)*)
    }};
}

/// A test of a program, with the operand stack, the advice stack, the Merkle store and the advice map, as
/// far as they are given.
#[macro_export]
macro_rules! build_test {
    ($($arguments:tt)+) => {
        $crate::build_test_by_mode!(false, $($arguments)+)
    };
}

/// A test of a program in debug mode or not.
#[macro_export]
macro_rules! build_test_by_mode {
    ($debug:expr, $source:expr) => {
        $crate::Test::new(&format!("test{}", line!()), ::core::convert::AsRef::<str>::as_ref(&$source), $debug)
    };
    ($debug:expr, $source:expr, $operands:expr $(, $stack:expr $(, $store:expr $(, $map:expr)?)?)? $(,)?) => {{
        let advice = $crate::AdviceInputs::default();
        $(
            let advice = advice.with_stack_values($stack.to_vec()).expect("field elements");
            $(
                let advice = advice.with_merkle_store($store);
                $(let advice = advice.with_map($map);)?
            )?
        )?
        let operands: Vec<u64> = $operands.to_vec();
        $crate::Test {
            stack_inputs: $crate::StackInputs::try_from_ints(operands).expect("operands"),
            advice_inputs: advice,
            ..$crate::build_test_by_mode!($debug, $source)
        }
    }};
}

/// Asserts that a test fails with an error of a form.
#[macro_export]
macro_rules! expect_exec_error_matches {
    ($test:expr, $(|)? $($pattern:pat_param)|+ $(if $guard:expr)? $(,)?) => {
        match $test.execute() {
            Ok(_) => panic!("the program does not fail"),
            Err(error) => ::miden_core::assert_matches!(error, $($pattern)|+ $(if $guard)?),
        }
    };
}

/// Asserts that the lines of a report that are not empty have these forms.
#[macro_export]
macro_rules! assert_diagnostic_lines {
    ($report:expr, $($expected:expr),+ $(,)?) => {{
        use ::miden_assembly::{diagnostics::reporting::PrintDiagnostic, testing::Pattern};
        let text = PrintDiagnostic::new_without_color($report).to_string();
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        for (line, pattern) in lines.zip([$(Pattern::from($expected)),+]) {
            pattern.assert_match_with_context(line, &text);
        }
    }};
}

/// Asserts that a test does not assemble, with a report of this form.
#[macro_export]
macro_rules! assert_assembler_diagnostic {
    ($test:ident, $($expected:expr),+ $(,)?) => {{
        let report = $test.compile().expect_err("the program assembles");
        $crate::assert_diagnostic_lines!(report, $($expected),+);
    }};
}
