//! The Canonical ABI: values arrive in another instance as they were sent, or the run traps with the
//! name of the rule that they break.

use miden_core::Felt;
use miden_crypto::hash::rpo::Rpo256;
use miden_cvm_component::LinkedComposition;
use proptest::{prelude::*, test_runner::TestRunner};

use crate::{
    support::{Files, Inputs, outputs, run, run_checked},
    values::{Memory, Type, Value, all_types, scalar_types, types_of},
};

const COMPOSITION: &str = r#"
    main = "app.main"
    [instances.app]
    component = "app"
    imports."test:echo/echo" = "echo"
    [instances.echo]
    component = "echo"
"#;

/// The two worlds around a function `echo` with this signature and these definitions.
pub fn world(definitions: &[String], signature: &str) -> String {
    format!(
        "package test:echo@1.0.0;
         interface echo {{
             use miden:cvm/core-types@1.0.0.{{felt}};
             {}
             echo: func{signature};
         }}
         world app {{ import echo; export main: func(); }}
         world callee {{ export echo; }}",
        definitions.join("\n")
    )
}

/// A caller with `code` as its main procedure's body, and a callee that gives back what it gets.
pub fn files(wit: &str, code: &str, data: &str) -> Files {
    let app = format!(
        "name = \"app\"\nwit = \"app.wit\"\nworld = \"app\"\nsources = [\"app.masm\"]\n\
         exports.main.procedure = \"app::main\"\n{data}"
    );
    Files::new(&[
        ("app/component.toml", app.as_str()),
        ("app/app.wit", wit),
        (
            "app/app.masm",
            &format!("use bindings::test::echo::echo\n\npub proc main\n{code}\nend\n"),
        ),
        (
            "echo/component.toml",
            "name = \"echo\"\nwit = \"echo.wit\"\nworld = \"callee\"\nsources = [\"code.masm\"]\n\
             exports.echo.module = \"code\"\n",
        ),
        ("echo/echo.wit", wit),
        ("echo/code.masm", "pub proc echo push.1 drop end\n"),
        ("composition.toml", COMPOSITION),
    ])
}

pub fn link(files: &Files) -> LinkedComposition {
    files.link().unwrap_or_else(|error| panic!("{error}"))
}

/// Sends a value there and back, and checks that it is the same.
pub fn round_trip(ty: &Type, value: &Value) {
    if let Err(error) = run(&echoing(ty, value), Inputs::default()) {
        panic!("{ty:?}\n{value:?}\n{error}");
    }
}

/// A composition that sends a value there and back, and traps unless it is the same.
fn echoing(ty: &Type, value: &Value) -> LinkedComposition {
    link(&echo_files(ty, value))
}

/// The files of such a composition.
pub fn echo_files(ty: &Type, value: &Value) -> Files {
    const DATA: u64 = 100_000;
    const RESULT: usize = 200_000;

    let mut definitions = Vec::new();
    let name = ty.wit(&mut definitions);
    let mut memory = Memory::new(DATA);
    let mut flat = ty.flatten(value, &mut memory);
    if flat.len() > 16 {
        flat = vec![memory.place_flat(&flat)];
    }
    // What is below on the caller's stack stays what it is.
    let mut code = String::from("push.4242\n");
    for element in flat.iter().rev() {
        code += &format!("push.{element}\n");
    }
    code += "exec.echo::echo\n";
    let place = if ty.size() > 16 {
        code += &format!("mem_store.{RESULT}\n");
        format!("push.{RESULT} mem_load")
    } else {
        for at in 0..ty.size() {
            code += &format!("mem_store.{}\n", RESULT + at);
        }
        format!("push.{RESULT}")
    };
    code += "push.4242 assert_eq.err=\"the caller's stack was touched\"\n";
    ty.check(value, &place, &mut code);
    let wit = world(&definitions, &format!("(a: {name}) -> {name}"));
    files(&wit, &code, &memory.data())
}

/// Does `check` for random values of random types.
pub fn for_values(types: BoxedStrategy<Type>, cases: u32, check: fn(&Type, &Value)) {
    let mut runner = TestRunner::new(ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 20,
        ..ProptestConfig::default()
    });
    let values = types.prop_flat_map(|ty| {
        let values = ty.values();
        (Just(ty), values)
    });
    runner
        .run(&values, |(ty, value)| {
            check(&ty, &value);
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn scalars_arrive() {
    for_values(types_of(scalar_types()), 40, round_trip);
}

#[test]
fn lists_and_strings_arrive() {
    for_values(all_types(), 60, round_trip);
}

#[test]
fn what_crosses_satisfies_every_constraint() {
    let check = |ty: &Type, value: &Value| {
        run_checked(&echoing(ty, value), Inputs::default());
    };
    for_values(types_of(scalar_types()), 6, check);
    for_values(all_types(), 10, check);
}

#[test]
fn long_lists_arrive() {
    let ty = Type::List(Box::new(Type::Unsigned(32)));
    let value = Value::List((0..1000).map(|i| Value::Scalar(vec![i])).collect());
    round_trip(&ty, &value);
}

/// Returns the message of a run that calls the stub of `echo` with these elements on top of the
/// stack.
pub fn refusal(definitions: &[&str], signature: &str, elements: &[u64], before: &str) -> String {
    let definitions: Vec<String> = definitions.iter().map(ToString::to_string).collect();
    let mut code = String::from(before);
    for element in elements.iter().rev() {
        code += &format!(" push.{element}");
    }
    code += " call.::imports::test::echo::echo::echo";
    let files = files(&world(&definitions, signature), &code, "");
    match run(&link(&files), Inputs::default()) {
        Ok(output) => panic!("{signature} {elements:?}: {:?}", outputs(&output)),
        Err(error) => error.to_string(),
    }
}

#[test]
fn malformed_scalars_trap_with_the_name_of_the_rule() {
    const P: u64 = 0xffff_ffff_0000_0001;
    let flags = "flags f { a, b, c }";
    let color = "enum color { red, green, blue }";
    let shape = "variant shape { none, some(u8), many(char) }";
    let cases: [(&[&str], &str, &[u64], &str); 25] = [
        (&[], "bool", &[2], "bool"),
        (&[], "bool", &[P - 1], "bool"),
        (&[], "u8", &[256], "integer"),
        (&[], "u16", &[65_536], "integer"),
        (&[], "u32", &[1 << 32], "integer"),
        (&[], "s8", &[128], "integer"),
        (&[], "s8", &[0xffff_ff7f], "integer"),
        (&[], "s16", &[0x8000], "integer"),
        (&[], "s32", &[P - 1], "integer"),
        (&[], "u64", &[1 << 32, 0], "integer"),
        (&[], "s64", &[0, 1 << 32], "integer"),
        (&[], "char", &[0xd800], "char"),
        (&[], "char", &[0xdfff], "char"),
        (&[], "char", &[0x11_0000], "char"),
        (&[], "char", &[1 << 40], "char"),
        (&[flags], "f", &[8], "flags"),
        (&[color], "color", &[3], "discriminant"),
        (&[shape], "shape", &[3, 0], "discriminant"),
        (&[shape], "shape", &[1, 256], "integer"),
        (&[shape], "shape", &[2, 0xd900], "char"),
        (&[], "option<bool>", &[2, 0], "discriminant"),
        (&[], "option<bool>", &[1, 2], "bool"),
        (&[], "result<u8, char>", &[0, 256], "integer"),
        (&[], "result<u8, char>", &[1, 0xd800], "char"),
        (&[], "tuple<felt, bool>", &[P - 1, 2], "bool"),
    ];
    for (definitions, ty, elements, rule) in cases {
        let error = refusal(definitions, &format!("(a: {ty})"), elements, "");
        let expected = format!("canonical ABI: {rule}");
        assert!(error.contains(&expected), "{ty} {elements:?}: {error}");
    }
    // What a case has no use for does not count.
    let files = files(
        &world(&[shape.into()], "(a: shape)"),
        "push.999.0 call.::imports::test::echo::echo::echo drop drop",
        "",
    );
    run(&link(&files), Inputs::default()).unwrap_or_else(|error| panic!("{error}"));
}

/// Assembly that puts elements into the advice map under their hash, and the hash's elements.
pub fn message(elements: &[u64]) -> (String, Vec<u64>) {
    let mut code = String::new();
    for (at, element) in elements.iter().enumerate() {
        code += &format!("push.{element} mem_store.{}\n", 4000 + at);
    }
    let felts: Vec<Felt> = elements.iter().map(|e| Felt::new(*e)).collect();
    let hash = Rpo256::hash_elements(&felts);
    let hash: Vec<u64> = hash
        .as_elements()
        .iter()
        .rev()
        .map(|e| e.as_int())
        .collect();
    let pushed: Vec<String> = hash.iter().rev().map(ToString::to_string).collect();
    code += &format!(
        "push.{}.4000 push.{} adv.insert_mem dropw drop drop\n",
        4000 + elements.len(),
        pushed.join(" push."),
    );
    (code, hash)
}

#[test]
fn malformed_messages_trap_with_the_name_of_the_rule() {
    let cases: [(&str, &[u64], &str); 9] = [
        // More characters than there are, in all ways.
        ("string", &[0, 5, 0, 0, 65, 66, 67, 68], "list-length"),
        ("string", &[0, 1 << 33, 0, 0, 65, 66, 67, 68], "list-length"),
        (
            "list<u64>",
            &[0, 0x8000_0000, 0, 0, 65, 66, 67, 68],
            "list-length",
        ),
        ("string", &[0, 2, 0, 0, 65, 0xd800, 0, 0], "char"),
        ("list<option<bool>>", &[0, 2, 0, 0, 1, 1, 1, 2], "bool"),
        ("list<list<u8>>", &[0, 1, 0, 0, 0, 1, 0, 0], "list-length"),
        ("option<string>", &[2, 0, 0, 0, 0, 0, 0, 0], "discriminant"),
        // More than belongs to it.
        (
            "string",
            &[0, 1, 0, 0, 65, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            "message-length",
        ),
        // Less than the parameters themselves.
        (
            "tuple<string, u64, u64, u64, u64>",
            &[0, 0, 0, 0, 0, 0, 0, 0],
            "message-length",
        ),
    ];
    for (ty, elements, rule) in cases {
        let (code, mut top) = message(elements);
        top.push(elements.len() as u64 / 8);
        let error = refusal(&[], &format!("(a: {ty})"), &top, &code);
        let expected = format!("canonical ABI: {rule}");
        assert!(error.contains(&expected), "{ty} {elements:?}: {error}");
    }
}

/// Returns `true` if they are looked at two words at a time, or in the one that is left.
#[test]
fn every_element_of_a_list_is_checked() {
    let cases = [
        ("u32", 13, 13, 1, 1 << 32, "integer"),
        ("u64", 7, 14, 1, 1 << 32, "integer"),
        ("u8", 13, 13, 1, 256, "integer"),
        ("char", 13, 13, 65, 0xd800, "char"),
    ];
    for (ty, values, length, right, wrong, rule) in cases {
        for position in [0, 2, 3, 5, 6, 7, 8, 10, 12] {
            let mut elements = vec![0, values, 0, 0];
            elements.extend(vec![right; length]);
            elements[4 + position] = wrong;
            elements.resize(elements.len().next_multiple_of(8), 0);
            let (code, mut top) = message(&elements);
            top.push(elements.len() as u64 / 8);
            let error = refusal(&[], &format!("(a: list<{ty}>)"), &top, &code);
            let expected = format!("canonical ABI: {rule}");
            assert!(error.contains(&expected), "{ty} {position}: {error}");
        }
    }
}

#[test]
fn messages_with_another_hash_or_length_trap() {
    let elements = [0, 1, 0, 0, 65, 0, 0, 0];
    let (code, hash) = message(&elements);
    // The data under this hash is other data.
    let other = [0, 1, 0, 0, 66, 0, 0, 0].map(Felt::new);
    let wrong = Rpo256::hash_elements(&other);
    let wrong: Vec<u64> = wrong
        .as_elements()
        .iter()
        .rev()
        .map(|e| e.as_int())
        .collect();
    let pushed: Vec<String> = wrong.iter().rev().map(ToString::to_string).collect();
    let forged = format!(
        "{code} push.4008.4000 push.{} adv.insert_mem dropw drop drop",
        pushed.join(" push.")
    );
    let mut top = wrong.clone();
    top.push(1);
    let error = refusal(&[], "(a: string)", &top, &forged);
    assert!(error.contains("canonical ABI: message-hash"), "{error}");

    let mut top = hash.clone();
    top.push(1 << 27);
    let error = refusal(&[], "(a: string)", &top, &code);
    assert!(error.contains("canonical ABI: message-length"), "{error}");

    let mut top = hash;
    top.push(0);
    let error = refusal(&[], "(a: string)", &top, &code);
    assert!(error.contains("canonical ABI: message-hash"), "{error}");
}
