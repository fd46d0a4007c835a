//! Static data by label: values in canonical layout, whose addresses and lengths the code has as constants.

use miden_core::Felt;
use miden_cvm_component::{Problem, bindings};

use crate::support::{Files, Inputs, run};

const COMPOSITION: &str = "main = \"app.main\"\n[instances.app]\ncomponent = \"app\"\n";

/// The composition of a component with this text behind its `component.toml`, and this source.
fn files(data: &str, source: &str) -> Files {
    let wit = "package test:data@1.0.0;
        interface types {
            enum color { red, green }
            record entry { name: string, marks: option<list<u16>>, amount: u64, color: color }
        }
        interface others { enum color { blue } }
        interface api {
            use types.{entry, color};
            show: func(of: entry) -> color;
            hide: func();
        }
        world app {
            import types;
            import others;
            export api;
            export main: func();
        }";
    let toml = format!(
        "name = \"app\"\nwit = \"app.wit\"\nsources = [\"app.masm\"]\nexports.api.module = \"app\"\n\
         exports.main.procedure = \"app::main\"\n{data}"
    );
    Files::new(&[
        ("app/component.toml", &toml),
        ("app/app.wit", wit),
        ("app/app.masm", source),
        ("composition.toml", COMPOSITION),
    ])
}

const API: &str = "pub proc show dropw drop drop drop push.1 end\npub proc hide push.0 drop end\n";

#[test]
fn places_of_inputs_and_outputs_are_checked() {
    let source = format!("{API}pub proc main neg neg end");
    let refused = |data: &str| files(data, &source).link().expect_err("it is refused");
    for (data, line, text) in [
        (
            "[memory]\ninputs = { address = 2, length = 8 }",
            2,
            "begin at address 2",
        ),
        (
            "[memory]\noutputs = { address = 0, length = 1028 }",
            2,
            "from 4 to 1024",
        ),
        (
            "[memory]\ninputs = { address = 0, length = 4 }\n\
             outputs = { address = 2147483644, length = 8 }",
            3,
            "beyond address 2^31",
        ),
        (
            "[[data]]\naddress = 64\nfelts = [1]\n[memory]\n\
             inputs = { address = 68, length = 8 }",
            5,
            "overlap the root's static data at address 64",
        ),
    ] {
        let error = refused(data);
        assert!(matches!(*error.problem, Problem::Memory(_)), "{error}");
        assert!(error.to_string().contains(text), "{error}");
        assert_eq!(error.line, Some(line + 5), "{error}");
    }
}

#[test]
fn values_are_in_memory_where_the_constants_say() {
    let data = r#"
        [[data]]
        label = "greeting"
        type = "string"
        value = '"hé!"'

        [[data]]
        label = "some-entries"
        address = 4096
        type = "list<entry>"
        value = '''[{name: "ab", marks: some([7, 8, 9, 10, 11]), amount: 4294967298, color: green},
                  {name: "", marks: none, amount: 1, color: red}]'''

        [[data]]
        label = "entry"
        type = "types#entry"
        value = '{name: "c", marks: some([3]), amount: 5, color: green}'

        [[data]]
        label = "raw"
        felts = [9, 8, 7]
    "#;
    // The entry stands behind the greeting, which takes a block of 8 elements.
    let source = format!(
        "use data::GREETING
         use data::GREETING_LENGTH
         use data::SOME_ENTRIES
         use data::SOME_ENTRIES_LENGTH
         use data::ENTRY
         use data::ENTRY_LENGTH
         use data::RAW
         use data::RAW_LENGTH

         #! Asserts that an element is at an address.
         proc is
             mem_load assert_eq
         end

         pub proc main
             push.GREETING_LENGTH push.3 assert_eq
             push.GREETING push.268435456 assert_eq
             push.104 push.GREETING exec.is
             push.233 push.GREETING add.1 exec.is
             push.33 push.GREETING add.2 exec.is

             push.SOME_ENTRIES_LENGTH push.2 assert_eq
             push.4112 push.SOME_ENTRIES exec.is
             push.2 push.4097 exec.is
             push.1 push.4098 exec.is
             push.4116 push.4099 exec.is
             push.5 push.4100 exec.is
             push.1 push.4101 exec.is
             push.2 push.4102 exec.is
             push.1 push.4103 exec.is
             push.0 push.4105 exec.is
             push.0 push.4106 exec.is
             push.1 push.4110 exec.is
             push.98 push.4113 exec.is
             push.11 push.4120 exec.is

             push.ENTRY_LENGTH push.8 assert_eq
             push.ENTRY mem_load mem_load push.99 assert_eq
             push.ENTRY add.3 mem_load mem_load push.3 assert_eq
             push.ENTRY add.1 mem_load push.1 assert_eq
             push.5 push.ENTRY add.6 exec.is

             push.RAW_LENGTH push.3 assert_eq
             push.7 push.RAW add.2 exec.is
         end
         {API}"
    );
    let files = files(data, &source);
    let linked = files.link().unwrap_or_else(|error| panic!("{error}"));
    run(&linked, Inputs::default()).unwrap_or_else(|error| panic!("{error}"));

    // The address chosen is the same whatever the text before it is, and what is shown is what is built.
    let modules = bindings(&files.path("app")).expect("bindings");
    let data = modules.iter().find(|module| module.path == "data");
    let text = &data.expect("the constants").text;
    assert!(text.contains("pub const GREETING = 268435456\n"), "{text}");
    assert!(text.contains("pub const RAW_LENGTH = 3\n"), "{text}");
    let component = files.component("app").expect("the component");
    assert_eq!(component.segments.len(), 4);
    // The list's second value begins behind the eight elements of the first one.
    assert_eq!(component.segments[0].elements[6], Felt::new(2));
}

fn refused(data: &str) -> (Option<u32>, Problem) {
    let files = files(data, &format!("pub proc main push.0 drop end\n{API}"));
    let error = files.component("app").map(|_| ()).expect_err(data);
    (error.line, *error.problem)
}

#[test]
fn mistakes_in_labelled_data_have_their_place() {
    let value = |ty: &str, value: &str| {
        format!("[[data]]\nlabel = \"x\"\ntype = \"{ty}\"\nvalue = '{value}'\n")
    };
    for (data, line, part) in [
        (
            value("entries", "1"),
            8,
            "no interface of the world has a type `entries`",
        ),
        (value("color", "red"), 8, "several types are called `color`"),
        (value("list<u8", "[]"), 8, "expected `>`"),
        (value("u8", "256"), 9, "is not a value of type u8 in WAVE"),
        (
            value("string", "text"),
            9,
            "is not a value of type string in WAVE",
        ),
        (value("string", "\"\""), 6, "is empty"),
        (value("felt", "18446744069414584321"), 9, "modulus"),
        (value("u32", &"[".repeat(200)), 9, "more than 128 brackets"),
        ("[[data]]\nfelts = [1]\n".into(), 6, "must have a `label`"),
        (
            "[[data]]\nlabel = \"x\"\ntype = \"u8\"\n".into(),
            6,
            "must have exactly one of",
        ),
        ("[[data]]\nlabel = \"A b\"\nfelts = [1]\n".into(), 7, "A b"),
        (
            "[[data]]\nlabel = \"x\"\nfelts = [1]\n[[data]]\nlabel = \"x-length\"\nfelts = [1]\n"
                .into(),
            10,
            "constant `X_LENGTH`",
        ),
        (
            "[[data]]\nlabel = \"x\"\nfelts = [1]\n[[data]]\naddress = 268435456\nfelts = [1]\n"
                .into(),
            10,
            "overlaps",
        ),
    ] {
        let (at, problem) = refused(&data);
        assert!(problem.to_string().contains(part), "{data}: {problem}");
        assert_eq!(at, Some(line), "{data}: {problem}");
    }
}

#[test]
fn the_module_of_constants_is_taken_where_there_are_labels() {
    let source = format!("pub proc main push.0 drop end\n{API}");
    let files = files("[[data]]\naddress = 16\nfelts = [1]\n", &source);
    files.write("app/data.masm", b"pub const X = 5");
    let path = files.path("app/component.toml");
    let text = std::fs::read_to_string(&path).expect("the file");
    let text = text.replace("[\"app.masm\"]", "[\"app.masm\", \"data.masm\"]");
    files.write("app/component.toml", text.as_bytes());
    files.component("app").expect("nobody else has the name");
    let text = text.replace("address = 16", "label = \"x\"");
    files.write("app/component.toml", text.as_bytes());
    let error = files.component("app").map(|_| ()).expect_err("taken");
    assert!(matches!(*error.problem, Problem::ReservedModule(ref module) if module == "data"));
}
