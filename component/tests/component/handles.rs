//! Handles in functions of WIT: they arrive in another instance as what they were sent, or the run traps
//! with the name of the rule.

use miden_cvm_component::{
    Component, Language, LinkedComposition, Toolchain, bindings, new_component,
};
use proptest::{prelude::*, test_runner::TestRunner};

use crate::{
    canonical_abi::message,
    support::{Files, Inputs, run, run_checked},
    values::{Memory, Type, Value, types_with_handles},
};

/// Keeps things, which are numbers, and knows how many there are.
const THINGS: &str = "
    interface things {
        resource thing {
            constructor(number: u32);
            number: func() -> u32;
        }
        left: func() -> u32;
    }";

const KEEPER: &str = "name = \"keeper\"\nwit = \"test.wit\"\nworld = \"keeper\"\n\
    sources = [\"keeper.masm\"]\nexports.things.module = \"keeper\"\n\
    resources.thing.destructor = \"keeper::gone\"\n";

const KEEPER_CODE: &str = "
    use resources::test::test::things::thing
    pub proc thing__constructor
        mem_load.0 add.1 mem_store.0
        exec.thing::new
    end
    pub proc thing__number
        nop
    end
    pub proc left
        mem_load.0
    end
    pub proc gone
        drop mem_load.0 sub.1 mem_store.0
    end
    proc check_own
        exec.thing::rep assert_eq.err=\"another thing\"
    end
    proc check_borrow
        assert_eq.err=\"another thing\"
    end
";

/// Code by which others check what they get: a borrow has to be dropped, an own handle can be kept.
const CHECKS: &str = "
    use bindings::test::test::things
    use bindings::test::test::things::thing
    proc check_own
        exec.things::thing__number assert_eq.err=\"another thing\"
    end
    proc check_borrow
        dup movdn.2 exec.things::thing__number assert_eq.err=\"another thing\" exec.thing::drop
    end
";

const COMPOSITION: &str = r#"
    main = "app.main"
    [instances.app]
    component = "app"
    imports.things = "keeper"
    imports.users = "user"
    [instances.user]
    component = "user"
    imports.things = "keeper"
    [instances.keeper]
    component = "keeper"
"#;

/// An app that calls functions of a user of things, and the keeper of them.
pub fn files(definitions: &str, functions: &str, app: &str, user: &str) -> Files {
    let wit = format!(
        "package test:test@1.0.0;
         {THINGS}
         interface users {{
             use miden:cvm/core-types@1.0.0.{{felt}};
             use things.{{thing}};
             {definitions}
             {functions}
         }}
         world keeper {{ export things; }}
         world app {{ import things; import users; export main: func(); }}
         world user {{ import things; export users; }}"
    );
    let component = |name: &str, export: &str| {
        format!(
            "name = \"{name}\"\nwit = \"test.wit\"\nworld = \"{name}\"\n\
             sources = [\"{name}.masm\"]\nexports.{export}\n"
        )
    };
    let checked = |code: &str| format!("use bindings::test::test::users{CHECKS}{code}");
    Files::new(&[
        ("app/test.wit", &wit),
        ("user/test.wit", &wit),
        ("keeper/test.wit", &wit),
        (
            "app/component.toml",
            &component("app", "main.procedure = \"app::main\""),
        ),
        ("app/app.masm", &checked(app)),
        (
            "user/component.toml",
            &component("user", "users.module = \"user\""),
        ),
        ("user/user.masm", &format!("{CHECKS}{user}")),
        ("keeper/component.toml", KEEPER),
        ("keeper/keeper.masm", KEEPER_CODE),
        ("composition.toml", COMPOSITION),
    ])
}

fn link(files: &Files) -> LinkedComposition {
    files.link().unwrap_or_else(|error| panic!("{error}"))
}

/// Assembly that takes a value of a type off the stack and checks it.
fn checked(ty: &Type, value: &Value) -> String {
    const PLACE: usize = 200_000;
    let mut code = String::new();
    let place = if ty.size() > 16 {
        code += &format!("mem_store.{PLACE}\n");
        format!("push.{PLACE} mem_load")
    } else {
        for at in 0..ty.size() {
            code += &format!("mem_store.{}\n", PLACE + at);
        }
        format!("push.{PLACE}")
    };
    ty.check(value, &place, &mut code);
    code
}

/// Sends a value with handles to a user, which gives it back if it owns all of it, and otherwise checks
/// it.
fn pass(ty: &Type, value: &Value, comes_back: bool) {
    const DATA: u64 = 100_000;

    let mut definitions = Vec::new();
    let name = ty.wit(&mut definitions);
    let mut memory = Memory::new(DATA);
    let mut flat = ty.flatten(value, &mut memory);
    if flat.len() > 16 {
        flat = vec![memory.place_flat(&flat)];
    }
    let mut code = String::from("pub proc main\npush.4242\n");
    for (at, rep) in memory.handles().iter().enumerate() {
        let handle = at + 1;
        code += &format!("push.{rep} exec.things::thing__constructor push.{handle} assert_eq\n");
    }
    for element in flat.iter().rev() {
        code += &format!("push.{element}\n");
    }
    code += "exec.users::use_\n";
    let check = checked(ty, value);
    let (functions, user) = if comes_back {
        code += &check;
        (
            format!("%use: func(a: {name}) -> {name};"),
            "pub proc use_ nop end".to_owned(),
        )
    } else {
        (
            format!("%use: func(a: {name});"),
            format!("pub proc use_\n{check}end"),
        )
    };
    // Nothing was given up on the way.
    let count = memory.handles().len();
    code += &format!(
        "exec.things::left push.{count} assert_eq.err=\"things are lost\"\n\
         push.4242 assert_eq.err=\"the caller's stack was touched\"\nend"
    );
    let files = files(&definitions.join("\n"), &functions, &code, &user);
    let app = std::fs::read_to_string(files.path("app/component.toml")).expect("it is there");
    files.write(
        "app/component.toml",
        format!("{app}{}", memory.data()).as_bytes(),
    );
    if let Err(error) = run(&link(&files), Inputs::default()) {
        panic!("{ty:?}\n{value:?}\n{error}");
    }
}

fn pass_all(handles: &[Type], cases: u32, comes_back: bool) {
    let mut runner = TestRunner::new(ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 20,
        ..ProptestConfig::default()
    });
    let values = types_with_handles(handles.to_vec()).prop_flat_map(|ty| {
        let values = ty.values();
        (Just(ty), values)
    });
    runner
        .run(&values, |(ty, value)| {
            pass(&ty, &value, comes_back);
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn own_handles_go_there_and_back() {
    pass_all(&[Type::Own], 12, true);
}

#[test]
fn handles_are_given_and_lent_together() {
    pass_all(&[Type::Own, Type::Borrow], 16, false);
}

/// The rows of a run with own handles, lent ones, and both in lists, against all constraints.
#[test]
fn runs_with_handles_satisfy_the_constraints() {
    let functions = "%use: func(a: list<thing>, b: tuple<borrow<thing>, option<borrow<thing>>>) \
                     -> option<thing>;";
    let user = "
        pub proc use_
            # => [ptr, len, first, is some, second]
            movup.2 push.12 swap exec.check_borrow
            # => [ptr, len, is some, second]
            movup.3 push.12 swap exec.check_borrow
            # => [ptr, len, is some]
            movup.2 drop swap drop add.1 mem_load
            # => [the second of the list]
            push.1
        end";
    let app = "
        pub proc main
            push.10 exec.things::thing__constructor mem_store.100
            push.11 exec.things::thing__constructor mem_store.101
            push.12 exec.things::thing__constructor
            # => [handle]
            dup push.1 dup.2
            # => [handle, 1, handle, handle]
            push.2.100 exec.users::use_
            # => [is some, handle of the second, handle]
            assert push.11 swap dup movdn.2 exec.check_own exec.thing::drop
            push.12 swap exec.check_own
            exec.things::left push.2 assert_eq
        end";
    let files = files("", functions, app, user);
    run_checked(&link(&files), Inputs::default());
}

// RULES
// ------------------------------------------------------------------------------------------------

/// Makes a thing; its handle is on top of the stack.
const MAKE: &str = "push.7 exec.things::thing__constructor";

/// The name of the trap that ends a run.
fn trap(files: &Files) -> String {
    match run(&link(files), Inputs::default()) {
        Ok(_) => panic!("nothing traps"),
        Err(error) => {
            let trap = format!("{:?}", error.trap().expect("a trap"));
            trap.chars().take_while(|c| c.is_alphanumeric()).collect()
        }
    }
}

/// Breaking a rule of handles traps with the rule's name. Each case has functions of the user, what
/// the app does, and what the user does.
#[test]
fn what_breaks_a_rule_traps_with_its_name() {
    let given = "%use: func(a: thing);";
    let lent = "%use: func(a: borrow<thing>);";
    let both = "%use: func(a: thing, b: thing);";
    let cases: &[(&str, &str, &str, &str)] = &[
        // Numbers that are no handles.
        (given, "push.5 exec.users::use_", "drop", "UnknownHandle"),
        (given, "push.0 exec.users::use_", "drop", "UnknownHandle"),
        (
            lent,
            "push.4294967295 exec.users::use_",
            "drop",
            "UnknownHandle",
        ),
        (
            lent,
            "push.18446744069414584320 exec.users::use_",
            "drop",
            "UnknownHandle",
        ),
        // Handles that are gone.
        (
            given,
            "MAKE dup exec.thing::drop exec.users::use_",
            "drop",
            "UnknownHandle",
        ),
        (
            given,
            "MAKE dup exec.users::use_ exec.users::use_",
            "drop",
            "UnknownHandle",
        ),
        (
            given,
            "MAKE dup exec.users::use_ exec.thing::drop",
            "drop",
            "UnknownHandle",
        ),
        (
            both,
            "MAKE dup exec.users::use_",
            "drop drop",
            "UnknownHandle",
        ),
        (
            "%use: func(a: list<thing>);",
            "MAKE dup mem_store.100 mem_store.101 push.2.100 exec.users::use_",
            "drop drop",
            "UnknownHandle",
        ),
        (
            "%use: func(a: thing, b: borrow<thing>);",
            "MAKE dup exec.users::use_",
            "drop exec.thing::drop",
            "UnknownHandle",
        ),
        // A handle that is lent stays.
        (
            "%use: func(a: borrow<thing>, b: thing);",
            "MAKE dup exec.users::use_",
            "exec.thing::drop drop",
            "HandleLent",
        ),
        (
            "%use: func(a: list<borrow<thing>>, b: option<thing>);",
            "MAKE dup mem_store.100 push.1 push.1.100 exec.users::use_",
            "drop drop drop drop",
            "HandleLent",
        ),
        // What is lent is given back in time, and is not given away.
        (lent, "MAKE exec.users::use_", "drop", "BorrowsRemain"),
        (
            "%use: func(a: option<borrow<thing>>);",
            "MAKE push.1 exec.users::use_",
            "drop drop",
            "BorrowsRemain",
        ),
        (
            "%use: func(a: list<borrow<thing>>);",
            "MAKE dup mem_store.100 mem_store.101 push.2.100 exec.users::use_",
            "swap drop mem_load exec.thing::drop",
            "BorrowsRemain",
        ),
        (
            "%use: func(a: borrow<thing>) -> thing;",
            "MAKE exec.users::use_",
            "nop",
            "HandleNotOwned",
        ),
        (
            "%use: func(a: borrow<thing>) -> list<thing>;",
            "MAKE exec.users::use_",
            "mem_store.50 push.1.50",
            "HandleNotOwned",
        ),
        // Results are handles too.
        (
            "%use: func() -> thing;",
            "exec.users::use_",
            "push.3",
            "UnknownHandle",
        ),
        (
            "%use: func() -> result<u8, thing>;",
            "exec.users::use_",
            "push.3 push.1",
            "UnknownHandle",
        ),
        // Handles of another type.
        (
            "%use: func(a: thing); make: func() -> other; resource other;",
            "exec.users::make exec.users::use_",
            "drop end
             pub proc make
                 push.9 exec.::resources::test::test::users::other::new",
            "WrongResourceType",
        ),
        (
            "%use: func(a: borrow<thing>); make: func() -> other; resource other;",
            "exec.users::make exec.users::use_",
            "drop end
             pub proc make
                 push.9 exec.::resources::test::test::users::other::new",
            "WrongResourceType",
        ),
        // Callers without bindings: what crosses is no token, or another one.
        (given, "push.77 STUB", "drop", "UnknownToken"),
        (given, "MAKE STUB", "drop", "UnknownToken"),
        (
            both,
            "MAKE exec.thing::send_own dup STUB",
            "drop drop",
            "UnknownToken",
        ),
        (
            given,
            "MAKE exec.thing::send_own exec.things::left drop STUB",
            "drop",
            "UnknownToken",
        ),
        (
            given,
            "MAKE exec.thing::send_borrow STUB",
            "drop",
            "WrongOwnership",
        ),
        (
            lent,
            "MAKE exec.thing::send_own STUB",
            "drop",
            "WrongOwnership",
        ),
        (
            "%use: func(a: thing); make: func() -> other; resource other;",
            "exec.users::make exec.::bindings::test::test::users::other::send_own STUB",
            "drop end
             pub proc make
                 push.9 exec.::resources::test::test::users::other::new",
            "WrongTokenType",
        ),
    ];
    for (functions, app, user, rule) in cases {
        let app = app
            .replace("MAKE", MAKE)
            .replace("STUB", "call.::imports::test::test::users::use_");
        let app = format!("pub proc main {app} end");
        let files = files("", functions, &app, &format!("pub proc use_ {user} end"));
        assert_eq!(trap(&files), *rule, "{functions} {app} {user}");
    }
}

#[test]
fn tokens_in_messages_are_received_one_by_one() {
    // One value, 77, which is no token.
    let (code, mut top) = message(&[0, 1, 0, 0, 77, 0, 0, 0]);
    top.push(1);
    let mut app = format!("pub proc main {code}");
    for element in top.iter().rev() {
        app += &format!(" push.{element}");
    }
    app += " call.::imports::test::test::users::use_ end";
    let function = "%use: func(a: list<thing>);";
    let files = files("", function, &app, "pub proc use_ drop drop end");
    assert_eq!(trap(&files), "UnknownToken");
}

/// A case that is none traps before anything is received.
#[test]
fn cases_are_checked_before_their_handles() {
    let app = format!("pub proc main {MAKE} push.2 exec.users::use_ end");
    let function = "%use: func(a: option<thing>);";
    let files = files("", function, &app, "pub proc use_ drop drop end");
    let error = run(&link(&files), Inputs::default()).expect_err("there is no such case");
    assert!(
        error.to_string().contains("canonical ABI: discriminant"),
        "{error}"
    );
}

/// The Canonical ABI lets a `realloc` call nothing. Here the tokens of the message would be lost.
#[test]
fn a_realloc_that_calls_loses_the_handles() {
    let app = format!("pub proc main {MAKE} mem_store.100 push.1.100 exec.users::use_ end");
    let alloc = |call: &str| {
        let user = format!(
            "pub proc use_ drop drop end
             pub proc alloc {call} drop drop drop drop push.4000 end"
        );
        let files = files("", "%use: func(a: list<thing>);", &app, &user);
        let path = files.path("user/component.toml");
        let toml = std::fs::read_to_string(path).expect("it is there");
        let toml = format!("realloc = \"user::alloc\"\n{toml}");
        files.write("user/component.toml", toml.as_bytes());
        files
    };
    run(&link(&alloc("")), Inputs::default()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(trap(&alloc("exec.things::left drop")), "UnknownToken");
}

/// Handle tables behave as the specification's tests of them expect: indices from 1, the one that
/// was freed last first, whether by dropping or by giving away; one handle lent twice in a call;
/// two types with destructors of their own in one table.
#[test]
fn tables_are_filled_as_the_specification_says() {
    let functions = "
        resource other { constructor(number: u32); number: func() -> u32; }
        others: func() -> u32;
        sum: func(a: borrow<thing>, b: borrow<thing>) -> u32;
        take: func(a: borrow<thing>, b: thing) -> u32;";
    let user = "
        use resources::test::test::users::other
        pub proc other__constructor
            mem_load.0 add.1 mem_store.0
            exec.other::new
        end
        pub proc other__number
            nop
        end
        pub proc other__gone
            drop mem_load.0 sub.1 mem_store.0
        end
        pub proc others
            mem_load.0
        end
        pub proc sum
            dup exec.things::thing__number swap exec.thing::drop
            swap dup exec.things::thing__number swap exec.thing::drop
            add
        end
        pub proc take
            swap exec.thing::drop
            dup exec.things::thing__number swap exec.thing::drop
        end";
    let app = "
        use bindings::test::test::users::other
        pub proc main
            push.64 exec.things::thing__constructor push.1 assert_eq
            push.1 exec.things::thing__number push.64 assert_eq
            push.1 push.1 exec.users::sum push.128 assert_eq
            push.65 exec.things::thing__constructor push.2 assert_eq
            push.66 exec.users::other__constructor push.3 assert_eq
            exec.things::left push.2 assert_eq
            # The second is given away and dropped there.
            push.2 push.1 exec.users::take push.64 assert_eq
            exec.things::left push.1 assert_eq
            push.3 exec.users::other__number push.66 assert_eq
            push.67 exec.users::other__constructor push.2 assert_eq
            exec.users::others push.2 assert_eq
            push.1 exec.thing::drop
            push.3 exec.other::drop
            push.2 exec.other::drop
            exec.users::others exec.things::left add push.0 assert_eq
            push.68 exec.users::other__constructor push.2 assert_eq
            push.69 exec.things::thing__constructor push.3 assert_eq
            push.70 exec.things::thing__constructor push.1 assert_eq
            push.71 exec.things::thing__constructor push.4 assert_eq
        end";
    let files = files("", functions, app, user);
    let path = files.path("user/component.toml");
    let toml = std::fs::read_to_string(path).expect("it is there");
    let toml = format!("{toml}resources.other.destructor = \"user::other__gone\"\n");
    files.write("user/component.toml", toml.as_bytes());
    run_checked(&link(&files), Inputs::default());
}

// LINKING
// ------------------------------------------------------------------------------------------------

const TAKE: &str = "%use: func(a: thing);";

/// Makes a thing and gives it away.
fn gives_one() -> Files {
    let app =
        format!("pub proc main {MAKE} exec.users::use_ exec.things::left push.0 assert_eq end");
    files("", TAKE, &app, "pub proc use_ exec.thing::drop end")
}

fn refusal(files: &Files) -> String {
    match files.link() {
        Ok(_) => panic!("it links"),
        Err(error) => error.to_string(),
    }
}

#[track_caller]
fn assert_says(error: &str, parts: &[&str]) {
    for part in parts {
        assert!(error.contains(part), "`{part}` is missing in: {error}");
    }
}

#[test]
fn types_are_those_of_the_instances_that_define_them() {
    let files = gives_one();
    let linked = link(&files);
    run(&linked, Inputs::default()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(
        linked.resource_names(),
        ["keeper.test:test/things@1.0.0#thing"]
    );
    // Two keepers define two types.
    let other = COMPOSITION.replacen("things = \"keeper\"", "things = \"other\"", 1)
        + "[instances.other]\ncomponent = \"keeper\"\n";
    files.write("composition.toml", other.as_bytes());
    assert_says(
        &refusal(&files),
        &[
            "composition.toml:6: import `test:test/users@1.0.0#use`: expected handles of \
             `test:test/things@1.0.0#thing` of instance `other` (",
            "test.wit:",
            "offered are handles of `test:test/things@1.0.0#thing` of instance `keeper`",
            "same instance on both sides",
        ],
    );
    // The user's own functions of things are never called, but its type is.
    let unwired = COMPOSITION.replacen(
        "component = \"user\"\n    imports.things = \"keeper\"",
        "component = \"user\"",
        1,
    );
    files.write("composition.toml", unwired.as_bytes());
    assert_says(
        &refusal(&files),
        &[
            "import `test:test/things@1.0.0` of instance `user`",
            "is unmet",
        ],
    );
}

#[test]
fn a_type_can_be_imported_under_another_name() {
    let files = gives_one();
    let wit = std::fs::read_to_string(files.path("app/test.wit")).expect("it is there");
    let wit = wit.replace(
        "world app { import things;",
        "world app {
 import plain: interface {
                 resource thing { constructor(number: u32); number: func() -> u32; }
                 make: func() -> thing;
             }
             import things;",
    );
    let wit = wit.replace(
        "left: func() -> u32;",
        "left: func() -> u32; make: func() -> thing;",
    );
    for component in ["app", "user", "keeper"] {
        files.write(&format!("{component}/test.wit"), wit.as_bytes());
    }
    files.write(
        "keeper/keeper.masm",
        format!("{KEEPER_CODE} pub proc make push.5 exec.thing__constructor end").as_bytes(),
    );
    // Made as one, given away as the other, and dropped as a third.
    files.write(
        "app/app.masm",
        b"use bindings::plain::plain
          use bindings::test::test::users
          pub proc main
              exec.plain::make exec.users::use_
              exec.plain::make exec.::bindings::test::test::things::thing::drop
              push.3 exec.plain::thing__constructor exec.::bindings::plain::plain::thing::drop
              exec.::bindings::test::test::things::left push.0 assert_eq
          end",
    );
    let composition = COMPOSITION.replacen(
        "imports.users",
        "imports.plain = \"keeper.test:test/things\"\n    imports.users",
        1,
    );
    files.write("composition.toml", composition.as_bytes());
    run(&link(&files), Inputs::default()).unwrap_or_else(|error| panic!("{error}"));
}

/// A shim both imports and exports the interface of things: it makes its own of those of the keeper.
#[test]
fn an_interface_with_a_type_is_virtualized() {
    let files = gives_one();
    let wit = std::fs::read_to_string(files.path("app/test.wit")).expect("it is there");
    let wit = wit + "world shim { import things; export things; }";
    files.write("shim/test.wit", wit.as_bytes());
    files.write(
        "shim/component.toml",
        KEEPER
            .replace("keeper", "shim")
            .replace("shim::gone", "shim::thing__destructor")
            .as_bytes(),
    );
    files.write(
        "shim/shim.masm",
        b"use bindings::test::test::things
          use bindings::test::test::things::thing->inner
          use resources::test::test::things::thing
          # A thing of the shim stands for the handle of one of the keeper, with ten times its number.
          pub proc thing__constructor
              exec.things::thing__constructor exec.thing::new
          end
          pub proc thing__number
              exec.things::thing__number mul.10
          end
          pub proc thing__destructor
              exec.inner::drop
          end
          pub proc left
              exec.things::left
          end",
    );
    let app = format!(
        "use bindings::test::test::things
         use bindings::test::test::users
         pub proc main
             {MAKE} dup exec.things::thing__number push.70 assert_eq
             exec.users::use_ exec.things::left push.0 assert_eq
         end"
    );
    files.write("app/app.masm", app.as_bytes());
    let composition = COMPOSITION.replace("things = \"keeper\"", "things = \"shim\"")
        + "[instances.shim]\ncomponent = \"shim\"\nimports.things = \"keeper\"\n";
    files.write("composition.toml", composition.as_bytes());
    let linked = link(&files);
    run_checked(&linked, Inputs::default());
    assert_eq!(linked.resource_names().len(), 2);

    // Its two types of one name are told apart in its package.
    let shim = files
        .component("shim")
        .unwrap_or_else(|error| panic!("{error}"));
    let bytes = shim.to_package().expect("it has a package");
    files.write("shim.masp", &bytes);
    let packed = composition.replace("component = \"shim\"", "component = \"shim.masp\"");
    files.write("composition.toml", packed.as_bytes());
    let packed = link(&files);
    assert_eq!(
        packed.composition.commitment(),
        linked.composition.commitment()
    );
}

#[test]
fn packages_compositions_and_documents_wire_types() {
    let files = gives_one();
    let linked = link(&files);
    for name in ["app", "user", "keeper"] {
        let component = files
            .component(name)
            .unwrap_or_else(|error| panic!("{error}"));
        let bytes = component.to_package().expect("it has a package");
        let path = files.path("read.masp");
        let read = Component::from_package(&bytes, &path, &Toolchain::new())
            .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(read.resources, component.resources);
        assert_eq!(read.resource_imports, component.resource_imports);
        assert_eq!(read.intrinsics, component.intrinsics);
        files.write(&format!("deps/test/{name}.masp"), &bytes);
    }
    let same = |other: &LinkedComposition| {
        run(other, Inputs::default()).unwrap_or_else(|error| panic!("{error}"));
        let commitments = [other, &linked].map(|linked| linked.composition.commitment());
        assert_eq!(commitments[0], commitments[1]);
    };
    // One package of all.
    let bytes = linked.to_package("things").expect("it has a package");
    let path = files.path("things.masp");
    let read = LinkedComposition::from_package(&bytes, &path, &Toolchain::new())
        .unwrap_or_else(|error| panic!("{error}"))
        .expect("it is a composition");
    assert_eq!(read.resource_names(), linked.resource_names());
    same(&read);
    // A document, with the type's interface wired by name and by spreading.
    let wac = "package test:all;
        let keeper = new test:keeper {};
        let user = new test:user { \"test:test/things@1.0.0\": keeper[\"test:test/things@1.0.0\"] };
        let app = new test:app { ...keeper, ...user };
        export app.main;";
    files.write("all.wac", wac.as_bytes());
    let toolchain = Toolchain::new();
    let document = LinkedComposition::load(&files.path("all.wac"), &toolchain);
    same(&document.unwrap_or_else(|error| panic!("{error}")));
    // The keeper is in a composition of its own, and the user in another, which has it from around.
    let inner = "exports.\"test:test/things\" = \"keeper\"\n\
                 [instances.keeper]\ncomponent = \"keeper\"\n";
    files.write("inner.toml", inner.as_bytes());
    let outer = "exports.\"test:test/users\" = \"user\"\n\
                 [instances.user]\ncomponent = \"user\"\nimports.\"test:test/things\" = \"import\"\n";
    files.write("outer.toml", outer.as_bytes());
    let nested = "main = \"app.main\"
        [instances.app]
        component = \"app\"
        imports.\"test:test/things\" = \"inner\"
        imports.\"test:test/users\" = \"outer\"
        [instances.inner]
        component = \"inner.toml\"
        [instances.outer]
        component = \"outer.toml\"
        imports.\"test:test/things\" = \"inner\"\n";
    files.write("composition.toml", nested.as_bytes());
    let nested = link(&files);
    run(&nested, Inputs::default()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(
        nested.resource_names(),
        ["inner/keeper.test:test/things@1.0.0#thing"]
    );
}

#[test]
fn mistakes_with_types_of_a_world_have_their_place() {
    let files = gives_one();
    let keeper = |toml: &str| {
        files.write("keeper/component.toml", toml.as_bytes());
        let error = files.component("keeper").expect_err("there is a mistake");
        error.to_string()
    };
    let entry = "resources.thing.destructor";
    let error = keeper(&KEEPER.replace(entry, "resources.things.destructor"));
    assert_says(
        &error,
        &[
            "component.toml:6: ",
            "exports no `things`",
            "`test:test/things@1.0.0#thing`",
        ],
    );
    let error = keeper(&KEEPER.replace("keeper::gone", "keeper::away"));
    assert_says(
        &error,
        &[
            "component.toml:6: ",
            "`test:test/things@1.0.0#thing`",
            "destructor `keeper::away`",
        ],
    );
    let error = keeper(&format!(
        "{KEEPER}resources.thing.interface = \"test:test/things\"\n"
    ));
    assert_says(
        &error,
        &["component.toml:6: ", "what the component's world says"],
    );
    let twice = format!("{KEEPER}resources.\"things#thing\".destructor = \"keeper::gone\"\n");
    assert_says(&keeper(&twice), &["component.toml:", "exists twice"]);
    for name in ["thing", "things#thing", "test:test/things@1.0.0#thing"] {
        let named = KEEPER.replace("resources.thing.", &format!("resources.\"{name}\"."));
        files.write("keeper/component.toml", named.as_bytes());
        let keeper = files
            .component("keeper")
            .unwrap_or_else(|error| panic!("{error}"));
        let thing = &keeper.resources["test:test/things@1.0.0#thing"];
        assert!(thing.destructor.is_some());
    }
    files.write("keeper/component.toml", KEEPER.as_bytes());

    // What is lent does not come out of a call.
    let wit = std::fs::read_to_string(files.path("app/test.wit")).expect("it is there");
    let wit = wit.replace(TAKE, "%use: func(a: thing) -> option<borrow<thing>>;");
    files.write("app/test.wit", wit.as_bytes());
    assert_says(
        &refusal(&files),
        &["test.wit:", "returns a type which contains a `borrow<T>`"],
    );
}

#[test]
fn a_new_component_has_its_types_and_destructors() {
    let files = gives_one();
    let wit = files.path("keeper/test.wit");
    for world in ["keeper", "user"] {
        let name = format!("new-{world}");
        let made = new_component(&name, Some(&wit), Some(world), Language::Masm);
        for file in made.unwrap_or_else(|error| panic!("{error}")) {
            files.write(&format!("{name}/{}", file.path), &file.bytes);
        }
    }
    let keeper = files.component("new-keeper");
    let keeper = keeper.unwrap_or_else(|error| panic!("{error}"));
    let thing = &keeper.resources["test:test/things@1.0.0#thing"];
    assert!(thing.destructor.is_some());
    let source = std::fs::read_to_string(files.path("new-keeper/new_keeper.masm"));
    assert_says(
        &source.expect("it is there"),
        &[
            "# Handles of `thing`: `use resources::test::test::things::thing`.",
            "pub proc thing__destructor",
            "#! Inputs:  [self]",
            "#! Where self is not a handle but what it stands for.",
        ],
    );
    let user = files.component("new-user");
    let user = user.unwrap_or_else(|error| panic!("{error}"));
    assert!(
        user.resource_imports
            .contains_key("test:test/things@1.0.0#thing")
    );
    let source = std::fs::read_to_string(files.path("new-user/new_user.masm"));
    assert_says(
        &source.expect("it is there"),
        &["# Handles of `thing`: `use bindings::test::test::things::thing`."],
    );
    let generated = bindings(&files.path("new-user")).unwrap_or_else(|error| panic!("{error}"));
    let paths: Vec<&str> = generated
        .iter()
        .map(|module| module.path.as_str())
        .collect();
    assert_eq!(
        paths,
        [
            "abi",
            "bindings::test::test::things",
            "exports::test::test::users",
            "bindings::test::test::things::thing",
        ]
    );
}
