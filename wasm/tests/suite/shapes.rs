//! Modules of unusual shapes: many parameters, many values at one time, many branches, references in tables.

use std::{collections::BTreeMap, fmt::Write};

use miden_cvm_wasm::{CallingConvention, Import, Options, ValueType, WasmError, compile};

use crate::{
    instructions::encoded,
    support::{Call, Machine},
};

fn machine(text: &str) -> Machine {
    Machine::new(&encoded(text), &Options::default()).expect("it is compiled")
}

fn traps(machine: &Machine, name: &str, args: &[u64], reason: &str) {
    let call = Call {
        name: name.into(),
        args: args.to_vec(),
        results: None,
    };
    let error = machine.run(&[call]).expect_err("a trap").to_string();
    assert!(error.contains(reason), "{name}: {error}");
}

fn repeat(count: usize, part: impl Fn(usize) -> String) -> String {
    (0..count).map(part).collect()
}

#[test]
fn references_to_functions_are_values() {
    let machine = machine(
        r#"(module
            (type $unary (func (param i32) (result i32)))
            (table $a 3 10 funcref) (table $b 5 funcref) (table $c 2 externref)
            (elem (table $b) (i32.const 1) func $twice)
            (elem $passive func $next $twice $other)
            (elem declare func $next)
            (global $g (mut funcref) (ref.func $twice))
            (func $next (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
            (func $twice (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
            (func $other)
            (func (export "call") (param i32 i32) (result i32)
                (call_indirect $a (type $unary) (local.get 1) (local.get 0)))
            (func (export "set next") (param i32) (table.set $a (local.get 0) (ref.func $next)))
            (func (export "set global") (param i32) (table.set $a (local.get 0) (global.get $g)))
            (func (export "clear global") (global.set $g (ref.null func)))
            (func (export "is null") (param i32) (result i32)
                (local funcref)
                (local.set 1 (table.get $a (local.get 0)))
                (ref.is_null (local.get 1)))
            (func (export "grow") (param i32) (result i32)
                (table.grow $a (select (result funcref) (ref.func $next) (ref.null func) (local.get 0))
                    (local.get 0)))
            (func (export "size") (result i32) (table.size $a))
            (func (export "fill") (param i32 i32)
                (table.fill $a (local.get 0) (ref.func $next) (local.get 1)))
            (func (export "init") (param i32 i32 i32)
                (table.init $a $passive (local.get 0) (local.get 1) (local.get 2)))
            (func (export "copy") (param i32 i32 i32)
                (table.copy $a $b (local.get 0) (local.get 1) (local.get 2)))
            (func (export "put") (param i32 externref) (table.set $c (local.get 0) (local.get 1)))
            (func (export "get") (param i32) (result externref) (table.get $c (local.get 0))))"#,
    );
    let call = |name: &str, args: &[u64], results: &[u64]| Call {
        name: name.into(),
        args: args.to_vec(),
        results: Some(results.to_vec()),
    };
    let calls = [
        call("is null", &[2], &[1]),
        call("set next", &[2], &[]),
        call("is null", &[2], &[0]),
        call("call", &[2, 20], &[21]),
        call("set global", &[0], &[]),
        call("call", &[0, 20], &[40]),
        call("clear global", &[], &[]),
        call("set global", &[0], &[]),
        call("is null", &[0], &[1]),
        call("grow", &[4], &[3]),
        call("size", &[], &[7]),
        call("call", &[6, 1], &[2]),
        call("grow", &[4], &[0xffff_ffff]),
        call("grow", &[0xffff_ffff], &[0xffff_ffff]),
        call("grow", &[0], &[7]),
        call("grow", &[3], &[7]),
        call("copy", &[5, 0, 3], &[]),
        call("is null", &[5], &[1]),
        call("call", &[6, 9], &[18]),
        call("init", &[3, 0, 2], &[]),
        call("call", &[3, 9], &[10]),
        call("call", &[4, 9], &[18]),
        call("fill", &[8, 2], &[]),
        call("call", &[9, 9], &[10]),
        call("fill", &[10, 0], &[]),
        call("put", &[1, 77], &[]),
        call("get", &[1], &[77]),
        call("get", &[0], &[0]),
    ];
    machine.run(&calls).expect("the results");
    let bounds = "out of bounds table access";
    traps(&machine, "set next", &[3], bounds);
    traps(&machine, "is null", &[3], bounds);
    traps(&machine, "fill", &[2, 2], bounds);
    traps(&machine, "fill", &[4, 0], bounds);
    traps(&machine, "fill", &[1, 0xffff_ffff], bounds);
    traps(&machine, "init", &[0, 2, 2], bounds);
    traps(&machine, "copy", &[0, 4, 2], bounds);
    traps(&machine, "put", &[2, 1], bounds);
    traps(&machine, "call", &[3, 0], "undefined element");
    traps(&machine, "call", &[0, 0], "uninitialized element");
}

#[test]
fn functions_have_any_number_of_parameters_and_results() {
    for (count, ty) in [(9, "i64"), (17, "i32"), (40, "i64"), (1_000, "i64")] {
        let params = format!("(param {})", format!("{ty} ").repeat(count));
        let results = format!("(result {})", format!("{ty} ").repeat(count));
        let given = repeat(count, |n| format!("(local.get {n})"));
        let back = repeat(count, |n| format!("(local.get {})", count - 1 - n));
        // It goes through the outside, and comes back in the other order each time.
        let text = format!(
            "(module (import \"a\" \"f\" (func $f {params} {results}))
                (func $back {params} {results} {back})
                (func (export \"g\") {params} {results} (call $back {given}))
                (func (export \"h\") {params} {results} (call $back (call $f {given}))))"
        );
        let value = match ty {
            "i64" => ValueType::I64,
            _ => ValueType::I32,
        };
        let import = Import {
            procedure: "host::f".into(),
            passing: CallingConvention::Stack,
            params: vec![value; count],
            results: vec![value; count],
        };
        let options = Options {
            imports: BTreeMap::from([(("a".into(), "f".into()), import)]),
            ..Options::default()
        };
        let machine = Machine::with(
            &encoded(&text),
            &options,
            &[("host", "pub proc f push.1 drop end")],
        )
        .expect("it is compiled");
        let args: Vec<u64> = (0..count as u64).map(|n| n * 0x1_0000_0003).collect();
        let args: Vec<u64> = match ty {
            "i64" => args,
            _ => args.iter().map(|arg| arg & 0xffff_ffff).collect(),
        };
        let reversed: Vec<u64> = args.iter().rev().copied().collect();
        machine.expect("g", &args, &reversed);
        machine.expect("h", &args, &reversed);
    }
}

#[test]
fn any_number_of_values_waits_at_one_time() {
    // Results of a call and of loads, which are all there before the first one is used.
    let count = 60;
    let results = "i64 ".repeat(count);
    let values = repeat(count, |n| format!("(i64.const {n})"));
    let loads = repeat(count, |n| {
        format!("(i64.load offset={} (local.get 0))", 8 * n)
    });
    let sums = "i64.add ".repeat(count - 1);
    let text = format!(
        "(module (memory 1)
            (func $many (result {results}) {values})
            (func (export \"sum\") (result i64) (call $many) {sums})
            (func (export \"twice\") (result i64) (call $many) (call $many) i64.add {sums} {sums})
            (func $again (param i32) (result {results})
                (if (result {results}) (local.get 0)
                    (then (call $again (i32.sub (local.get 0) (i32.const 1))))
                    (else {values})))
            (func (export \"recursive\") (param i32) (result i64)
                (call $again (local.get 0)) {sums})
            (func (export \"loads\") (param i32) (result i64)
                (i64.store (local.get 0) (i64.const 5)) {loads} {sums}))"
    );
    let machine = machine(&text);
    let sum = (0..count as u64).sum();
    machine.expect("sum", &[], &[sum]);
    machine.expect("twice", &[], &[2 * sum]);
    machine.expect("recursive", &[3], &[sum]);
    machine.expect("loads", &[16], &[5]);
}

/// A choice among `count` cases, each of which ends the function or goes on with the next.
fn switch(count: usize) -> String {
    let mut body = format!("{} local.get 0 br_table ", "block ".repeat(count));
    let _ = write!(body, "{}", repeat(count, |n| format!("{n} ")));
    body += &repeat(count, |n| {
        let leave = if n % 3 == 2 { "" } else { "local.get 1 return" };
        format!(
            " end local.get 1 i32.const {} i32.add local.set 1 {leave}",
            n + 1
        )
    });
    format!("(func (export \"switch\") (param i32) (result i32) (local i32) {body} local.get 1)")
}

#[test]
fn many_cases_and_many_branches() {
    let count = 1_000;
    let leaves = repeat(5_000, |n| {
        format!("(br_if 0 (i32.eq (local.get 0) (i32.const {n}))) (local.set 1 (i32.const {n}))")
    });
    let text = format!(
        "(module {}
            (func (export \"leave\") (param i32) (result i32) (local i32)
                (block {leaves}) (local.get 1)))",
        switch(count)
    );
    let machine = machine(&text);
    let expected = |case: usize| {
        let last = if case % 3 == 2 && case + 1 < count {
            case + 1
        } else {
            case
        };
        (case..=last).map(|n| n as u64 + 1).sum::<u64>()
    };
    for case in [0, 1, 2, 3, 500, 501, 997, 998, 999] {
        machine.expect("switch", &[case as u64], &[expected(case)]);
    }
    for number in [1, 64, 65, 4_095, 4_999] {
        machine.expect("leave", &[number], &[number - 1]);
    }
    machine.expect("leave", &[5_000], &[4_999]);
}

#[test]
fn names_that_lie_are_printed_as_they_can_be() {
    let text = "(module (import \"a\\1b[2J\" \"b\\0a\" (func $i))
        (func $f (export \"f\") call $i))";
    let error = compile(&encoded(text), &Options::default()).expect_err("there is no import");
    let error = error.to_string();
    assert!(!error.contains(char::is_control), "{error:?}");
    let mut module = encoded("(module (func (export \"f\") (result i32) i32.const 1))");
    let mut names = wasm_encoder::NameSection::new();
    let mut map = wasm_encoder::NameMap::new();
    map.append(0, "end\nend \u{1b}[2J pub proc main");
    map.append(7, "nobody");
    names.functions(&map);
    module.push(wasm_encoder::Section::id(&names));
    wasm_encoder::Encode::encode(&names, &mut module);
    let machine = Machine::new(&module, &Options::default()).expect("it is compiled");
    machine.expect("f", &[], &[1]);
    let mut names = machine.compiled.functions.values();
    assert!(names.any(|name| name.contains("pub proc main")));
    assert!(
        machine
            .compiled
            .functions
            .values()
            .all(|name| !name.contains(char::is_control))
    );
}

#[test]
fn blocks_are_nested_as_deep_as_the_limit_says() {
    for (depth, is_accepted) in [(1_000, true), (100_000, false)] {
        let text = format!(
            "(module (func (export \"f\") (param i32) (result i32)
                {} local.get 0 br_if {} {} i32.const 7))",
            "loop block ".repeat(depth / 2),
            depth / 2,
            "end ".repeat(depth)
        );
        match compile(&encoded(&text), &Options::default()) {
            Ok(_) => assert!(is_accepted),
            Err(WasmError::Limit { what, .. }) => {
                assert!(!is_accepted && what.contains("open blocks"), "{what}");
            }
            Err(error) => panic!("{error}"),
        }
        if is_accepted {
            machine(&text).expect("f", &[0], &[7]);
        }
    }
}
