//! Cases of the Component Model's own tests, `test/values` and `test/linking`, as far as they are about
//! something that exists here. Which is which is in the book's "Comparison with the Component Model".

use std::sync::Arc;

use miden_cvm_component::LinkedComposition;

use crate::{
    canonical_abi::round_trip,
    support::{Files, Inputs, outputs, run},
    values::{Type, Value},
};

const COMPOSITION: &str = "main = \"app.main\"\n[instances.app]\ncomponent = \"app\"\n\
                           imports.service = \"service\"\n[instances.service]\n\
                           component = \"service\"\n";

/// Returns the stack that a run ends with, the top first, or its message when it traps.
fn ends(linked: &LinkedComposition) -> Result<Vec<u64>, String> {
    run(linked, Inputs::default())
        .map(|output| outputs(&output))
        .map_err(|error| error.to_string())
}

/// A caller with `main` as its main procedure's body, and a callee with this interface.
struct Pair<'a> {
    /// Functions, and types that they need.
    interface: &'a str,
    /// The main procedure's body; `service` is the module of the interface.
    main: &'a str,
    /// The callee's module, `code`.
    code: &'a str,
    /// More entries for the callee's `component.toml`.
    more: &'a str,
}

impl Pair<'_> {
    fn ends(&self) -> Result<Vec<u64>, String> {
        let wit = format!(
            "package test:pair@1.0.0;
             interface service {{ {} }}
             world app {{ import service; export main: func(); }}
             world callee {{ export service; }}",
            self.interface
        );
        let files = Files::new(&[
            (
                "app/component.toml",
                "name = \"app\"\nwit = \"app.wit\"\nworld = \"app\"\nsources = [\"app.masm\"]\n\
                 exports.main = { procedure = \"app::main\", raw = true }\n",
            ),
            ("app/app.wit", &wit),
            (
                "app/app.masm",
                &format!(
                    "use miden::core::sys\nuse bindings::test::pair::service\n\
                     pub proc main\n{}\nexec.sys::truncate_stack end\n",
                    self.main
                ),
            ),
            (
                "service/component.toml",
                &format!(
                    "name = \"service\"\nwit = \"service.wit\"\nworld = \"callee\"\n\
                     sources = [\"code.masm\"]\n{}\n",
                    self.more
                ),
            ),
            ("service/service.wit", &wit),
            ("service/code.masm", self.code),
            ("composition.toml", COMPOSITION),
        ]);
        ends(&files.link().unwrap_or_else(|error| panic!("{error}")))
    }
}

/// Every procedure of the callee stands behind generated code.
const LIFTED: &str = "exports.service.module = \"code\"";

// VALUES
// ------------------------------------------------------------------------------------------------

/// `concat.wast`: a value of each kind, all in one.
#[test]
fn values_of_every_kind_cross_together() {
    let scalar = |elements: &[u64]| Value::Scalar(elements.to_vec());
    let text = |text: &str| Value::List(text.chars().map(|c| scalar(&[c.into()])).collect());
    let number = || Box::new(Type::Unsigned(32));
    let scalars = Type::Record(vec![
        Type::Bool,
        Type::Unsigned(8),
        Type::Signed(8),
        Type::Unsigned(16),
        Type::Signed(16),
        Type::Unsigned(32),
        Type::Signed(32),
        Type::Unsigned(64),
        Type::Signed(64),
        Type::Char,
        Type::String,
    ]);
    let minus = |value: i32| scalar(&[u64::from(value as u32)]);
    let values = Value::Parts(vec![
        scalar(&[1]),
        scalar(&[8]),
        minus(-8),
        scalar(&[16]),
        minus(-16),
        scalar(&[32]),
        minus(-32),
        scalar(&[0xffff_ffff, 0xffff_ffff]),
        scalar(&[0xffff_ffff, 0xffff_ffc0]),
        scalar(&[0x5a]),
        text("end"),
    ]);
    let cases = [
        (scalars, values),
        (
            Type::List(Box::new(Type::String)),
            Value::List(vec![text("ab"), text(""), text("cde")]),
        ),
        (Type::List(Box::new(Type::String)), Value::List(vec![])),
        (
            Type::Variant(vec![Some(Type::String), Some(Type::Unsigned(32))]),
            Value::Case(0, Some(Box::new(text("hi")))),
        ),
        (
            Type::Variant(vec![Some(Type::String), Some(Type::Unsigned(32))]),
            Value::Case(1, Some(Box::new(scalar(&[99])))),
        ),
        (Type::Enum(3), scalar(&[2])),
        (Type::Flags(3), scalar(&[0b101])),
        (
            Type::Option(number()),
            Value::Case(1, Some(Box::new(scalar(&[5])))),
        ),
        (Type::Option(number()), Value::Case(0, None)),
        (
            Type::Result(Some(Box::new(Type::String)), Some(number())),
            Value::Case(0, Some(Box::new(text("yo")))),
        ),
        (
            Type::Result(Some(Box::new(Type::String)), Some(number())),
            Value::Case(1, Some(Box::new(scalar(&[404])))),
        ),
    ];
    let (types, values) = cases.into_iter().unzip();
    round_trip(&Type::Tuple(types), &Value::Parts(values));
}

/// A callee whose memory for what comes in is at `address`, and what happens.
fn with_memory_at(address: u64, function: &str, main: &str) -> Result<Vec<u64>, String> {
    let code = format!(
        "pub proc take drop end
         pub proc alloc
             add add add push.12 assert_eq.err=\"no call of realloc for eight elements\"
             push.{address}
         end"
    );
    Pair {
        interface: function,
        main,
        code: &code,
        more: &format!("realloc = \"code::alloc\"\n{LIFTED}"),
    }
    .ends()
}

const TAKE_LIST: &str = "take: func(a: list<u32>) -> u32;";

/// `realloc.wast`: also an empty list asks for memory.
#[test]
fn an_empty_list_asks_for_memory() {
    let code = "pub proc take drop drop mem_load.7 end
         pub proc alloc
             mem_load.7 add.1 mem_store.7
             drop drop drop drop push.4096
         end";
    let ends = Pair {
        interface: TAKE_LIST,
        main: "push.0.0 exec.service::take push.0.0 exec.service::take",
        code,
        more: &format!("realloc = \"code::alloc\"\n{LIFTED}"),
    }
    .ends();
    assert_eq!(ends.map(|stack| stack[..2].to_vec()), Ok(vec![2, 1]));
}

/// `realloc.wast` and `alignment.wast`: what `realloc` gives is not taken on trust.
#[test]
fn memory_out_of_place_or_range_is_refused() {
    let long = format!("take: func({}) -> u32;", {
        let params = (0..17).map(|number| format!("a{number}: bool"));
        params.collect::<Vec<_>>().join(", ")
    });
    let send_list = "push.5 mem_store.100 push.1.100 exec.service::take";
    let send_empty = "push.0.100 exec.service::take";
    for address in [
        4097,
        4098,
        (1 << 30) - 4,
        1 << 30,
        1 << 32,
        0xffff_ffff_0000_0000,
    ] {
        for main in [send_list, send_empty] {
            let error = with_memory_at(address, TAKE_LIST, main).expect_err("no place for it");
            assert!(
                error.contains("canonical ABI: memory"),
                "{address}: {error}"
            );
        }
    }
    // More than fits on the stack comes in the same way; it takes 24 elements.
    let code = "pub proc take drop mem_load.7 end
         pub proc alloc drop drop drop drop push.4097 end";
    let error = Pair {
        interface: &long,
        main: "push.100 exec.service::take",
        code,
        more: &format!("realloc = \"code::alloc\"\n{LIFTED}"),
    }
    .ends()
    .expect_err("no place for it");
    assert!(error.contains("canonical ABI: memory"), "{error}");
}

/// `strings.wast`: where an empty string is does not matter.
#[test]
fn empty_strings_are_anywhere() {
    let ends = Pair {
        interface: "take: func(a: string) -> u32;",
        main: "push.0.0 exec.service::take push.0.100 exec.service::take add",
        code: "pub proc take drop end",
        more: LIFTED,
    }
    .ends();
    assert_eq!(ends.map(|stack| stack[0]), Ok(0));
}

/// `strings.wast` and `alignment.wast`: what lies outside of memory cannot be sent.
#[test]
fn what_is_not_in_memory_cannot_be_sent() {
    for (length, address) in [(100, u64::from(u32::MAX) - 3), (1, 1 << 32)] {
        let error = Pair {
            interface: "take: func(a: string) -> u32;",
            main: &format!("push.{length}.{address} exec.service::take"),
            code: "pub proc take drop end",
            more: LIFTED,
        }
        .ends()
        .expect_err("there is no such memory");
        assert!(error.contains("instance 0"), "{error}");
    }
}

/// `variants.wast`: wrong numbers of cases trap in both directions.
#[test]
fn malformed_results_trap_in_the_caller() {
    let interface = "variant single { x } enum pair { a, b }
        give-variant: func() -> single; give-enum: func() -> pair;
        give-flag: func() -> bool; give-char: func() -> char; give-text: func() -> string;";
    let code = "pub proc give_variant push.1 swap drop end
         pub proc give_enum push.2 swap drop end
         pub proc give_flag push.2 swap drop end
         pub proc give_char push.55296 swap drop end
         pub proc give_text push.1 movdn.4 movup.5 drop end";
    let more = [
        "give-variant",
        "give-enum",
        "give-flag",
        "give-char",
        "give-text",
    ]
    .map(|function| {
        let procedure = function.replace('-', "_");
        format!(
            "[exports.\"test:pair/service#{function}\"]\nprocedure = \"code::{procedure}\"\n\
                 raw = true\n"
        )
    })
    .concat();
    for (function, rule) in [
        ("give_variant", "discriminant"),
        ("give_enum", "discriminant"),
        ("give_flag", "bool"),
        ("give_char", "char"),
    ] {
        let error = Pair {
            interface,
            main: &format!("exec.service::{function}"),
            code,
            more: &more,
        }
        .ends()
        .expect_err("the result is malformed");
        assert!(error.contains(&format!("canonical ABI: {rule}")), "{error}");
        assert!(error.contains("instance 0"), "{error}");
    }
    // There is nothing under the hash that the callee names.
    let error = Pair {
        interface,
        main: "exec.service::give_text",
        code,
        more: &more,
    }
    .ends()
    .expect_err("there is no message");
    assert!(error.contains("instance 0"), "{error}");
}

// LINKING
// ------------------------------------------------------------------------------------------------

/// A component whose world has these imports and exports.
fn component(files: &Files, name: &str, world: &str, code: &str, exports: &str) {
    files.write(
        &format!("{name}/component.toml"),
        format!("name = \"{name}\"\nwit = \"w.wit\"\nsources = [\"code.masm\"]\n{exports}\n")
            .as_bytes(),
    );
    let wit = format!("package test:{name}; world {name} {{ {world} }}");
    files.write(&format!("{name}/w.wit"), wit.as_bytes());
    files.write(&format!("{name}/code.masm"), code.as_bytes());
}

fn plain(name: &str) -> String {
    format!("{name}: interface {{ f: func(x: u32) -> u32; }}")
}

/// `unit.wast`: four wrappers around a function, each of which adds 10 to what the next one gives.
#[test]
fn a_call_crosses_five_boundaries() {
    let files = Files::new(&[]);
    let module = "exports.f.module = \"code\"";
    let export = format!("export {}", plain("f"));
    component(&files, "base", &export, "pub proc f add.1 end", module);
    component(
        &files,
        "wrap",
        &format!("import {} {export}", plain("next")),
        "use bindings::plain::next\npub proc f exec.next::f add.10 end",
        module,
    );
    component(
        &files,
        "app",
        &format!("import {} export main: func() -> u32;", plain("next")),
        "use bindings::plain::next\npub proc main push.5 exec.next::f end",
        "exports.main.procedure = \"code::main\"",
    );
    let mut wiring = "main = \"app.main\"\n[instances.app]\ncomponent = \"app\"\n\
                      imports.next = \"w4.f\"\n[instances.w0]\ncomponent = \"base\"\n"
        .to_owned();
    for number in 1..=4 {
        wiring += &format!(
            "[instances.w{number}]\ncomponent = \"wrap\"\nimports.next = \"w{}.f\"\n",
            number - 1
        );
    }
    files.write("composition.toml", wiring.as_bytes());
    let linked = files.link().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(ends(&linked).map(|stack| stack[0]), Ok(46));
}

/// `unit.wast`: a base is reached by two ways, and what it counts is one count; instances that are
/// wired differently add what they are wired to.
#[test]
fn a_diamond_shares_its_base() {
    let files = Files::new(&[]);
    component(
        &files,
        "base",
        "export bump: func() -> u32;",
        "pub proc bump mem_load.0 add.1 dup mem_store.0 end",
        "exports.bump.procedure = \"code::bump\"",
    );
    for (name, amount) in [("hundred", 100), ("more", 200)] {
        component(
            &files,
            name,
            "export amount: func() -> u32;",
            &format!("pub proc amount push.{amount} end"),
            "exports.amount.procedure = \"code::amount\"",
        );
    }
    component(
        &files,
        "wrap",
        "import bump: func() -> u32; import amount: func() -> u32; export go: func() -> u32;",
        "use bindings::world\npub proc go exec.world::bump exec.world::amount add end",
        "exports.go.procedure = \"code::go\"",
    );
    component(
        &files,
        "app",
        "import a: func() -> u32; import b: func() -> u32; export main: func() -> tuple<u32, u32>;",
        "use bindings::world
         proc both exec.world::a exec.world::b add end
         pub proc main exec.both exec.both swap end",
        "exports.main.procedure = \"code::main\"",
    );
    let wiring = "main = \"app.main\"
        [instances.app]
        component = \"app\"
        imports = { a = \"wa.go\", b = \"wb.go\" }
        [instances.base]
        component = \"base\"
        [instances.wa]
        component = \"wrap\"
        imports = { bump = \"base.bump\", amount = \"hundred.amount\" }
        [instances.wb]
        component = \"wrap\"
        imports = { bump = \"base.bump\", amount = \"more.amount\" }
        [instances.hundred]
        component = \"hundred\"
        [instances.more]
        component = \"more\"";
    files.write("composition.toml", wiring.as_bytes());
    let linked = files.link().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(
        ends(&linked).map(|stack| stack[..2].to_vec()),
        Ok(vec![303, 307])
    );
}

/// `unit.wast`: a function is handed up through five compositions, each in the next; another instance
/// of the innermost has a count of its own.
#[test]
fn a_function_is_handed_up_five_levels() {
    let files = Files::new(&[]);
    component(
        &files,
        "leaf",
        "export bump: func() -> u32;",
        "pub proc bump mem_load.0 add.1 dup mem_store.0 end",
        "exports.bump.procedure = \"code::bump\"",
    );
    component(
        &files,
        "app",
        "import deep: func() -> u32; import near: func() -> u32;
         export main: func() -> tuple<u32, u32>;",
        "use bindings::world
         pub proc main exec.world::deep drop exec.world::deep exec.world::near end",
        "exports.main.procedure = \"code::main\"",
    );
    for level in 0..5 {
        let inner = match level {
            0 => "leaf".to_owned(),
            level => format!("level{}.toml", level - 1),
        };
        let text =
            format!("exports.bump = \"inner.bump\"\n[instances.inner]\ncomponent = \"{inner}\"\n");
        files.write(&format!("level{level}.toml"), text.as_bytes());
    }
    let wiring = "main = \"app.main\"\n[instances.app]\ncomponent = \"app\"\n\
                  imports = { deep = \"deep.bump\", near = \"near.bump\" }\n\
                  [instances.deep]\ncomponent = \"level4.toml\"\n\
                  [instances.near]\ncomponent = \"leaf\"\n";
    files.write("composition.toml", wiring.as_bytes());
    let linked = files.link().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(
        ends(&linked).map(|stack| stack[..2].to_vec()),
        Ok(vec![1, 2])
    );
}

/// `link-time-virtualization.wast`: what one part of a composition calls is in front of what the other
/// calls itself; only the wiring makes the difference.
#[test]
fn an_interface_is_virtualized_for_one_part() {
    let files = Files::new(&[]);
    let module = "exports.fs.module = \"code\"";
    let fs = "fs: interface { read: func(at: u32) -> u32; write: func(at: u32, value: u32); }";
    component(
        &files,
        "real",
        &format!("export {fs}"),
        "pub proc read mem_load end pub proc write mem_store end",
        module,
    );
    // Shifts every address, and so keeps to a window of the store.
    component(
        &files,
        "window",
        &format!("import {fs} export {fs}"),
        "use bindings::plain::fs
         pub proc read u32mod.256 add.512 exec.fs::read end
         pub proc write u32mod.256 add.512 exec.fs::write end",
        module,
    );
    component(
        &files,
        "child",
        &format!("import {fs} export step: func(value: u32) -> u32;"),
        "use bindings::plain::fs
         pub proc step push.300 exec.fs::write push.300 exec.fs::read end",
        "exports.step.procedure = \"code::step\"",
    );
    component(
        &files,
        "app",
        &format!(
            "import {fs} import a: func(value: u32) -> u32; import b: func(value: u32) -> u32;
             export main: func() -> tuple<u32, u32, u32, u32>;"
        ),
        "use bindings::plain::fs
         use bindings::world
         pub proc main
             push.11 exec.world::a push.22 exec.world::b
             push.300 exec.fs::read push.556 exec.fs::read
         end",
        "exports.main.procedure = \"code::main\"",
    );
    let wiring = "main = \"app.main\"
        [instances.app]
        component = \"app\"
        imports = { fs = \"real.fs\", a = \"a.step\", b = \"b.step\" }
        [instances.a]
        component = \"child\"
        imports.fs = \"real.fs\"
        [instances.b]
        component = \"child\"
        imports.fs = \"window.fs\"
        [instances.window]
        component = \"window\"
        imports.fs = \"real.fs\"
        [instances.real]
        component = \"real\"";
    files.write("composition.toml", wiring.as_bytes());
    let linked = files.link().unwrap_or_else(|error| panic!("{error}"));
    // The window's 300 is the store's 300 % 256 + 512.
    assert_eq!(
        ends(&linked).map(|stack| stack[..4].to_vec()),
        Ok(vec![22, 11, 22, 11])
    );
    // The interface that both call is the same, and so is their component.
    let child = |name: &str| {
        let instance = linked.instances.iter().find(|i| i.name == name);
        instance.expect("an instance").component.clone()
    };
    assert!(Arc::ptr_eq(&child("a"), &child("b")));
}
