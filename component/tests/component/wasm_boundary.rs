//! Modules that do not keep to the Canonical ABI, and what they may rely on if they do.

use miden_core::{Felt, StackInputs, Word};
use miden_crypto::hash::rpo::Rpo256;
use miden_cvm_component::{BuildError, Problem};
use miden_cvm_processor::AdviceInputs;
use proptest::{prelude::*, test_runner::TestRunner};

use crate::{
    canonical_abi::{files, link, world},
    handles,
    support::{Files, Inputs, outputs, run},
    wasm::replace,
};

/// A module in the binary format.
pub fn module(text: &str) -> Vec<u8> {
    let buffer = wast::parser::ParseBuffer::new(text).expect("a text");
    let mut module: wast::Wat<'_> =
        wast::parser::parse(&buffer).unwrap_or_else(|error| panic!("{error}\n{text}"));
    module.encode().expect("a module")
}

/// Memory for others from 4096 on.
pub const REALLOC: &str = "
    (memory (export \"memory\") 1)
    (global $next (mut i32) (i32.const 4096))
    (func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32)
        (global.set $next (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -8)))
        (global.get $next)
        (global.set $next (i32.add (global.get $next) (local.get 3))))";

const ECHO: &str = "test:echo/echo@1.0.0#echo";

/// An app whose main procedure has `code`, and a module with a function `echo` of this signature.
fn composed(definitions: &[&str], signature: &str, wat: &str, code: &str) -> Files {
    let definitions: Vec<String> = definitions.iter().map(ToString::to_string).collect();
    let files = files(&world(&definitions, signature), code, "");
    replace(
        &files,
        "echo",
        "callee",
        &module(&format!("(module {wat})")),
    );
    files
}

fn outcome(files: &Files) -> Result<(), String> {
    run(&link(files), Inputs::default())
        .map(|_| ())
        .map_err(|error| error.to_string())
}

/// The trap of a call of a function whose result is at `address` of this memory.
fn result(definitions: &[&str], ty: &str, address: i32, bytes: &[u8]) -> Result<(), String> {
    let bytes: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
    let wat = format!(
        "(memory (export \"memory\") 1) (data (i32.const 64) \"{bytes}\")
         (func (export \"{ECHO}\") (result i32) (i32.const {address}))"
    );
    let code = "exec.echo::echo dropw";
    outcome(&composed(definitions, &format!("() -> {ty}"), &wat, code))
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// Definitions, a type, where its value is, what is in memory, and the trap if there is one.
type Case<'c> = (&'c [&'c str], &'c str, i32, &'c [u32], Result<(), &'c str>);

#[test]
fn pointers_and_numbers_of_a_module_are_checked() {
    const BOUNDS: &str = "wasm: out of bounds memory access";
    const ALIGNED: &str = "canonical ABI: pointer is not aligned";
    let variant = "variant v { a(u32), b(u8) }";
    let cases: [Case<'_>; 20] = [
        (&[], "string", 64, &[128, 0], Ok(())),
        (&[], "string", 66, &[0, 0], Err(ALIGNED)),
        (&[], "string", 65_532, &[], Err(BOUNDS)),
        (&[], "string", -8, &[], Err(BOUNDS)),
        (&[], "string", 64, &[65_536, 0], Ok(())),
        (&[], "string", 64, &[65_536, 1], Err(BOUNDS)),
        (&[], "string", 64, &[64, u32::MAX], Err(BOUNDS)),
        (&[], "string", 64, &[u32::MAX, 1], Err(BOUNDS)),
        (&[], "list<u64>", 64, &[64, 2], Ok(())),
        (&[], "list<u64>", 64, &[68, 2], Err(ALIGNED)),
        (&[], "list<u64>", 64, &[4, 0], Err(ALIGNED)),
        (&[], "list<u64>", 64, &[64, 8185], Err(BOUNDS)),
        (&[], "list<u64>", 64, &[64, 0x2000_0000], Err(BOUNDS)),
        (&[], "list<u64>", 64, &[64, u32::MAX], Err(BOUNDS)),
        (
            &[],
            "tuple<char, u8>",
            64,
            &[0xd800, 0],
            Err("canonical ABI: char"),
        ),
        (
            &[],
            "tuple<char, u8>",
            64,
            &[0x11_0000, 0],
            Err("canonical ABI: char"),
        ),
        (
            &[variant],
            "v",
            64,
            &[2, 0],
            Err("canonical ABI: discriminant"),
        ),
        (&[variant], "v", 64, &[0x0101, 9], Ok(())),
        (
            &[],
            "tuple<felt, u8>",
            64,
            &[1, u32::MAX, 0],
            Err("canonical ABI: felt"),
        ),
        (&[], "tuple<felt, u8>", 64, &[0, u32::MAX, 0], Ok(())),
    ];
    for (definitions, ty, address, memory, expected) in cases {
        let found = result(definitions, ty, address, &words(memory));
        match (&found, expected) {
            (Ok(()), Ok(())) => {}
            (Err(error), Err(expected)) if error.contains(expected) => {}
            _ => panic!("{ty} at {address}, {memory:?}: {found:?}"),
        }
    }
}

#[test]
fn strings_are_utf_8() {
    let refused: [&[u8]; 12] = [
        &[0x80],
        &[0xc0, 0x80],
        &[0xc1, 0xbf],
        &[0xc3],
        &[0xc3, 0x28],
        &[0xe0, 0x9f, 0xbf],
        &[0xed, 0xa0, 0x80],
        &[0xe2, 0x82],
        &[0xf0, 0x8f, 0xbf, 0xbf],
        &[0xf4, 0x90, 0x80, 0x80],
        &[0xf5, 0x80, 0x80, 0x80],
        &[0x41, 0xff],
    ];
    let text = |bytes: &[u8]| {
        let mut memory = words(&[72, bytes.len() as u32]);
        memory.extend(bytes);
        result(&[], "string", 64, &memory)
    };
    for bytes in refused {
        let error = text(bytes).expect_err("no UTF-8");
        assert!(error.contains("canonical ABI: utf-8"), "{bytes:?}: {error}");
    }
    // Bytes that are nearly UTF-8, against what Rust says.
    let pieces = prop_oneof![
        4 => any::<char>().prop_map(|c| c.to_string().into_bytes()),
        1 => prop::collection::vec(prop_oneof![0x7d..0x84_u8, 0xbe..0xc3_u8, 0xe0..=0xff_u8], 1..3),
    ];
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let texts = prop::collection::vec(pieces, 1..4).prop_map(|pieces| pieces.concat());
    let outcome = runner.run(&texts, |bytes| {
        prop_assert_eq!(
            text(&bytes).is_ok(),
            std::str::from_utf8(&bytes).is_ok(),
            "{:?}",
            bytes
        );
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn what_cabi_realloc_gives_is_checked() {
    for (gives, rule) in [
        ("(i32.const 4)", "canonical ABI: pointer is not aligned"),
        ("(i32.const 65536)", "wasm: out of bounds memory access"),
        ("(i32.const -8)", "wasm: out of bounds memory access"),
        ("(unreachable)", "wasm: unreachable"),
    ] {
        let wat = format!(
            "(memory (export \"memory\") 1)
             (func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32) {gives})
             (func (export \"{ECHO}\") (param i32 i32))"
        );
        let code = "push.1.2.3.4 mem_storew_be.4000 dropw push.2.4000 exec.echo::echo";
        let files = composed(&[], "(a: list<u64>)", &wat, code);
        let error = outcome(&files).expect_err("a trap");
        assert!(error.contains(rule), "{gives}: {error}");
    }
}

#[test]
fn a_module_is_asked_for_memory_only_if_it_gives_some() {
    let wat = format!("(memory 1) (func (export \"{ECHO}\") (param i32 i32))");
    let files = composed(&[], "(a: string)", &wat, "push.0.0 exec.echo::echo");
    let error = files.link().expect_err("no `cabi_realloc`");
    assert!(error.to_string().contains("cabi_realloc"), "{error}");
}

#[test]
fn cabi_realloc_and_cabi_post_cannot_leave_the_instance() {
    // Both worlds have it: what the app exports, and what it imports of `echo`.
    let import = "(import \"test:echo/echo@1.0.0\" \"echo\" (func $echo (param i32 i32)))";
    let main = "(func (export \"main\") (call $echo (i32.const 0) (i32.const 0)))";
    let text = |post: &str| {
        let files = files(&world(&[], "(a: string)"), "", "");
        files.write("echo/code.masm", b"pub proc echo drop drop end\n");
        let wat = format!("(module {import} (memory (export \"memory\") 1) {main} {post})");
        replace(&files, "app", "app", &module(&wat));
        outcome(&files)
    };
    text("").expect("no trap");
    let error = text("(func (export \"cabi_post_main\") (call $echo (i32.const 0) (i32.const 0)))")
        .expect_err("a trap");
    assert!(error.contains("cannot leave the instance"), "{error}");
}

#[test]
fn cabi_post_is_called_with_what_the_function_gave() {
    let wat = format!(
        "{REALLOC}
         (global $freed (mut i32) (i32.const 0))
         (func (export \"{ECHO}\") (param i32) (result i32)
            (i32.store (i32.const 64) (global.get $freed))
            (i32.store (i32.const 68) (local.get 0))
            (i32.const 64))
         (func (export \"cabi_post_{ECHO}\") (param i32) (global.set $freed (local.get 0)))"
    );
    let code = "push.7 exec.echo::echo push.0 assert_eq push.7 assert_eq
        push.8 exec.echo::echo push.64 assert_eq push.8 assert_eq";
    outcome(&composed(&[], "(a: u32) -> tuple<u32, u32>", &wat, code)).expect("no trap");
    // The same for a result that is on the stack.
    let wat = format!(
        "(global $freed (mut i64) (i64.const 0))
         (func (export \"{ECHO}\") (param i64) (result i64)
            (i64.add (global.get $freed) (local.get 0)))
         (func (export \"cabi_post_{ECHO}\") (param i64) (global.set $freed (local.get 0)))"
    );
    let code = "push.7.1 exec.echo::echo push.1 assert_eq push.7 assert_eq
        push.8.2 exec.echo::echo push.3 assert_eq push.15 assert_eq";
    outcome(&composed(&[], "(a: u64) -> u64", &wat, code)).expect("no trap");
}

#[test]
fn start_functions_run_before_memory_is_asked_for() {
    let wat = format!(
        "(memory (export \"memory\") 1) (global $next (mut i32) (i32.const 0))
         (func $start (global.set $next (i32.const 4096)))
         (start $start)
         (func (export \"_initialize\")
            (global.set $next (i32.add (global.get $next) (i32.const 32))))
         (func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32) (global.get $next))
         (func (export \"{ECHO}\") (param i32 i32) (result i32) (local.get 0))"
    );
    let code = "push.0.0 exec.echo::echo push.4128 assert_eq
        push.0.0 exec.echo::echo push.4128 assert_eq";
    outcome(&composed(&[], "(a: string) -> u32", &wat, code)).expect("no trap");
}

#[test]
fn imports_have_the_types_that_the_world_gives_them() {
    let files = files(&world(&[], "(a: string)"), "", "");
    let wat = "(module (import \"test:echo/echo@1.0.0\" \"echo\" (func $echo (param i32)))
        (func (export \"main\") (call $echo (i32.const 0))))";
    replace(&files, "app", "app", &module(wat));
    let error: BuildError = files.link().expect_err("another type");
    assert!(matches!(*error.problem, Problem::Wasm(_)), "{error}");
    assert!(error.to_string().contains("another type"), "{error}");
}

/// The keeper of things, as a module.
const KEEPER: &str = "
    (import \"[export]test:test/things@1.0.0\" \"[resource-new]thing\"
        (func $new (param i32) (result i32)))
    (global $left (mut i32) (i32.const 0))
    (func (export \"test:test/things@1.0.0#[constructor]thing\") (param i32) (result i32)
        (global.set $left (i32.add (global.get $left) (i32.const 1)))
        (call $new (local.get 0)))
    (func (export \"test:test/things@1.0.0#[method]thing.number\") (param i32) (result i32)
        (local.get 0))
    (func (export \"test:test/things@1.0.0#left\") (result i32) (global.get $left))
    (func (export \"test:test/things@1.0.0#[dtor]thing\") (param i32)
        (global.set $left (i32.sub (global.get $left) (i32.const 1))))";

/// Adds the numbers of things, those of a list and a lent one, and keeps none.
const USER: &str = "
    (import \"test:test/things@1.0.0\" \"[method]thing.number\"
        (func $number (param i32) (result i32)))
    (import \"test:test/things@1.0.0\" \"[constructor]thing\"
        (func $constructor (param i32) (result i32)))
    (import \"test:test/things@1.0.0\" \"[resource-drop]thing\" (func $drop (param i32)))
    (func (export \"test:test/users@1.0.0#sum\") (param $item i32) (param $left i32) (param $lent i32)
        (result i32)
        (local $sum i32)
        (local.set $sum (call $number (local.get $lent)))
        (call $drop (local.get $lent))
        (loop $next
            (if (local.get $left)
                (then
                    (local.set $sum (i32.add (local.get $sum)
                        (call $number (i32.load (local.get $item)))))
                    (call $drop (i32.load (local.get $item)))
                    (local.set $item (i32.add (local.get $item) (i32.const 4)))
                    (local.set $left (i32.sub (local.get $left) (i32.const 1)))
                    (br $next))))
        (local.get $sum))
    (func (export \"test:test/users@1.0.0#pair\") (result i32)
        (i32.store (i32.const 64) (i32.const 72))
        (i32.store (i32.const 68) (i32.const 2))
        (i32.store (i32.const 72) (call $constructor (i32.const 5)))
        (i32.store (i32.const 76) (call $constructor (i32.const 6)))
        (i32.const 64))";

#[test]
fn handles_of_own_types_and_of_others_cross() {
    let functions = "sum: func(a: list<thing>, b: borrow<thing>) -> u32;
        pair: func() -> list<thing>;";
    let app = "
        pub proc main
            push.10 exec.things::thing__constructor mem_store.4000
            push.20 exec.things::thing__constructor mem_store.4001
            push.30 exec.things::thing__constructor mem_store.4004
            mem_load.4004 push.2 push.4000 exec.users::sum push.60 assert_eq.err=\"another sum\"
            exec.things::left push.1 assert_eq.err=\"another number\"
            mem_load.4004 exec.thing::drop
            exec.things::left push.0 assert_eq.err=\"something is left\"
            exec.users::pair
            dup mem_load push.5 swap exec.check_own
            dup add.1 mem_load push.6 swap exec.check_own
            mem_load exec.thing::drop
            push.2 assert_eq.err=\"another length\"
            exec.things::left push.1 assert_eq.err=\"another number\"
        end";
    let all = |keeper: bool, user: bool| {
        let files = handles::files("", functions, app, "");
        if keeper {
            let text = format!("(module {KEEPER})");
            replace(&files, "keeper", "keeper", &module(&text));
            files.write("keeper/keeper.wit", &files.read("keeper/test.wit"));
        }
        if user {
            let text = format!("(module {USER} {REALLOC})");
            replace(&files, "user", "user", &module(&text));
            files.write("user/user.wit", &files.read("user/test.wit"));
        }
        files
    };
    for keeper in [false, true] {
        run(&link(&all(keeper, true)), Inputs::default())
            .unwrap_or_else(|error| panic!("{keeper}: {error}"));
    }
    // A borrow that is not dropped.
    let files = all(true, true);
    let keeps = USER.replace("(call $drop (local.get $lent))", "");
    let text = format!("(module {keeps} {REALLOC})");
    replace(&files, "user", "user", &module(&text));
    let error = outcome(&files).expect_err("a borrow remains");
    assert!(error.contains("borrow"), "{error}");
}

#[test]
fn a_destructor_is_named_once() {
    let files = handles::files(
        "",
        "sum: func();",
        "pub proc main nop end",
        "pub proc sum nop end",
    );
    let text = format!("(module {KEEPER})");
    replace(&files, "keeper", "keeper", &module(&text));
    files.write("keeper/keeper.wit", &files.read("keeper/test.wit"));
    let toml = format!(
        "{}resources.thing.destructor = \"wasm::gone\"\n",
        String::from_utf8_lossy(&files.read("keeper/component.toml"))
    );
    files.write("keeper/component.toml", toml.as_bytes());
    let error = files.link().expect_err("two destructors");
    assert!(
        matches!(*error.problem, Problem::DuplicateResource(_)),
        "{error}"
    );
}

#[test]
fn built_in_functions_are_instructions() {
    let wit = "package a:b;
        world w {
            import miden:cvm/field@1.0.0;
            import miden:cvm/rpo@1.0.0;
            import miden:cvm/advice@1.0.0;
            import miden:cvm/instance@1.0.0;
            export main: func() -> u64;
        }";
    // The product of two popped elements, and what a hash of it with a zero word begins with, are asserted.
    let of = [Felt::new(0), Felt::new(0), Felt::new(0), Felt::new(21)];
    let hash = Rpo256::merge(&[Word::new(of), Word::default()]);
    let expected = hash.as_elements()[3].as_int();
    let wat = format!(
        "(module
            (import \"miden:cvm/field@1.0.0\" \"mul\" (func $mul (param i64 i64) (result i64)))
            (import \"miden:cvm/rpo@1.0.0\" \"merge\"
                (func $merge (param i64 i64 i64 i64 i64 i64 i64 i64 i32)))
            (import \"miden:cvm/advice@1.0.0\" \"pop\" (func $pop (result i64)))
            (import \"miden:cvm/instance@1.0.0\" \"assert\" (func $assert (param i32)))
            (memory (export \"memory\") 1)
            (func (export \"main\") (result i64)
                (local $product i64)
                (local.set $product (call $mul (call $pop) (call $pop)))
                (call $merge (local.get $product) (i64.const 0) (i64.const 0) (i64.const 0)
                    (i64.const 0) (i64.const 0) (i64.const 0) (i64.const 0) (i32.const 64))
                (call $assert (i64.eq (i64.load (i32.const 64)) (i64.const {})))
                (local.get $product)))",
        expected as i64
    );
    let files = Files::new(&[
        (
            "app/component.toml",
            "name = \"app\"\nwit = \"app.wit\"\nwasm = \"app.wasm\"\n",
        ),
        ("app/app.wit", wit),
        (
            "composition.toml",
            "main = \"app.main\"\n[instances.app]\ncomponent = \"app\"\n",
        ),
    ]);
    files.write("app/app.wasm", &module(&wat));
    let inputs = |values: [u64; 2]| Inputs {
        advice: AdviceInputs::default().with_stack(values.map(Felt::new)),
        ..Inputs::default()
    };
    let output = run(&link(&files), inputs([3, 7])).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(outputs(&output)[..2], [0, 21]);
    let error = run(&link(&files), inputs([3, 8])).expect_err("another hash");
    assert!(error.to_string().contains("miden:cvm: assert"), "{error}");
}

/// The hash of a range of linear memory is that of its elements; what is no element, or is not there, traps.
#[test]
fn ranges_of_linear_memory_are_hashed() {
    const PLACE: u32 = 1024;
    let wit = "package a:b;
        world w {
            import miden:cvm/rpo@1.0.0;
            use miden:cvm/core-types@1.0.0.{word};
            export main: func(place: u32, length: u32, first: u64) -> word;
        }";
    let wat = format!(
        "(module
            (import \"miden:cvm/rpo@1.0.0\" \"hash\" (func $hash (param i32 i32 i32)))
            (memory (export \"memory\") 1)
            (func (export \"main\") (param $place i32) (param $length i32) (param $first i64) (result i32)
                (local $index i32)
                (loop $next
                    (i64.store offset={PLACE}
                        (i32.shl (local.get $index) (i32.const 3))
                        (i64.add (local.get $first) (i64.extend_i32_u (local.get $index))))
                    (local.set $index (i32.add (local.get $index) (i32.const 1)))
                    (br_if $next (i32.lt_u (local.get $index) (i32.const 100))))
                (call $hash (local.get $place) (local.get $length) (i32.const 64))
                (i32.const 64)))"
    );
    let files = Files::new(&[
        (
            "app/component.toml",
            "name = \"app\"\nwit = \"app.wit\"\nwasm = \"app.wasm\"\n",
        ),
        ("app/app.wit", wit),
        (
            "composition.toml",
            "main = \"app.main\"\n[instances.app]\ncomponent = \"app\"\n",
        ),
    ]);
    files.write("app/app.wasm", &module(&wat));
    let linked = link(&files);
    let hash = |place: u32, length: u32, first: u64| {
        let (high, low) = (first >> 32, first & 0xffff_ffff);
        // The last one is on top.
        let values = [low, high, u64::from(length), u64::from(place)].map(Felt::new);
        let inputs = Inputs {
            stack: StackInputs::new(values.to_vec()).expect("few values"),
            ..Inputs::default()
        };
        run(&linked, inputs)
    };
    for (skipped, length, first) in [
        (0, 0, 7),
        (0, 1, 7),
        (1, 7, 1 << 32),
        (3, 8, 0xffff_ffff_0000_0000 - 99),
        (0, 9, 1 << 63),
        (2, 98, 0),
    ] {
        let place = PLACE + 8 * skipped;
        let elements: Vec<Felt> = (skipped..skipped + length)
            .map(|index| Felt::new(first + u64::from(index)))
            .collect();
        let expected = Rpo256::hash_elements(&elements);
        let mut expected = expected
            .as_elements()
            .iter()
            .map(Felt::as_int)
            .collect::<Vec<_>>();
        expected.reverse();
        let output = hash(place, length, first).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(outputs(&output)[..4], expected, "{length} from {place}");
    }
    for (place, length, first, trap) in [
        (PLACE + 4, 1, 0, "canonical ABI: pointer is not aligned"),
        (65_528, 2, 0, "wasm: out of bounds memory access"),
        (65_536, 1, 0, "wasm: out of bounds memory access"),
        (0xffff_fff8, 3, 0, "wasm: out of bounds memory access"),
        (8, 1 << 29, 0, "wasm: out of bounds memory access"),
        (0, u32::MAX, 0, "wasm: out of bounds memory access"),
        (PLACE, 4, 0xffff_ffff_0000_0001 - 3, "canonical ABI: felt"),
    ] {
        let error = hash(place, length, first).expect_err("a trap");
        assert!(
            error.to_string().contains(trap),
            "{place}, {length}: {error}"
        );
    }
}

#[test]
fn built_in_functions_are_those_of_the_package() {
    let wit = "package a:b;
        world w { import miden:cvm/field@1.0.0; export main: func(); }
        package miden:cvm@1.0.0 { interface field { add: func(a: u32) -> u32; } }";
    let files = Files::new(&[
        (
            "component.toml",
            "name = \"x\"\nwit = \"x.wit\"\nsources = [\"x.masm\"]\nexports.main.procedure = \"x::main\"\n",
        ),
        ("x.wit", wit),
        ("x.masm", "pub proc main nop end"),
    ]);
    let error = files
        .component(".")
        .map(|_| ())
        .expect_err("another function");
    assert!(
        error
            .to_string()
            .contains("has no function `add: func(a: u32) -> u32`"),
        "{error}"
    );
}
