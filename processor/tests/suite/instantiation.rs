//! Cases of `test/linking` and `test/validation` of the Component Model, and of Wasmtime's tests of
//! instances, with instances that a program installs and wires: what links there before the run links
//! here while it runs.

use miden_core::{Felt, ZERO, crypto::hash::Rpo256};
use miden_cvm_air::{
    component::{Call, Component, Export, Meaning, Segment},
    composition::LinkKind,
};
use miden_cvm_processor::Trap;

use crate::{
    composition::Builder,
    installed::{install, keep},
};

/// The keys of functions.
const BUMP: u64 = 1 << 20;
const GET: u64 = BUMP + 1;
const BASE: u64 = BUMP + 2;
const ADD: u64 = BUMP + 3;
const RUN: u64 = BUMP + 4;

/// The code of the components. Each function takes an element and gives one.
const COUNTER: &str = "
    pub proc bump mem_load.0 add.1 dup mem_store.0 swap drop end
    pub proc get mem_load.0 swap drop end
    pub proc add mem_load.0 add dup mem_store.0 end
    pub proc base mem_load.8 swap drop end";
const CLIENT: &str = "
    pub proc go call.stubs::c1 end
    pub proc add push.0 call.stubs::c1 add end
    pub proc bump mem_load.8 swap drop call.stubs::c1 end
    pub proc both call.stubs::c1 call.stubs::b1 call.stubs::c2 push.0 call.stubs::b2 add end
    pub proc sum call.stubs::c1 push.0 call.stubs::b1 add end";

/// The root calls `bump`, `add` and `run` of what it has installed.
fn builder() -> Builder {
    Builder::new(1)
        .component("counter", COUNTER)
        .component("client", CLIENT)
        .installs(&[("a1", BUMP), ("a2", ADD), ("b1", RUN)])
}

/// A component with data that begins with a number, if there is any.
fn component(
    builder: &Builder,
    imports: &[(&str, u64, u32)],
    exports: &[(&str, u64)],
    data: Option<u64>,
) -> Component {
    let calls = imports.iter().map(|&(stub, key, slot)| Call {
        digest: builder.stub(stub),
        meaning: Meaning::Import {
            key: Felt::new(key),
            slot,
            kind: LinkKind::Shared,
        },
    });
    let exports = exports.iter().map(|&(path, key)| Export {
        digest: builder.procedure(path),
        key: Felt::new(key),
    });
    let segments = data.map(|first| Segment {
        address: 8,
        length: 8,
        commitment: Rpo256::hash_elements(&elements(first)),
    });
    Component::new(
        calls.collect(),
        exports.collect(),
        segments.into_iter().collect(),
    )
}

fn elements(first: u64) -> Vec<Felt> {
    let mut data = vec![ZERO; 8];
    data[0] = Felt::new(first);
    data
}

/// The root's steps with instances, which have their handles in the order in which they are installed.
enum Step<'a> {
    /// One of a component.
    Install(&'a Component),
    /// The next import of one is wired to another one.
    Wire(usize, usize),
    /// A function of one is called with an element.
    Call(&'static str, usize, u64),
}

use Step::{Call as Calls, Install, Wire};

/// `true` if a trap is the one of a case.
type IsTrap = fn(&Trap) -> bool;

/// The text of the root's program, which ends with the results of all calls, the last one on top.
fn main_of(steps: &[Step<'_>]) -> String {
    let mut text = String::from("begin\n");
    let mut results = 0;
    for step in steps {
        text += &match step {
            Install(component) => format!("{} drop\n", install(component)),
            Wire(handle, target) => {
                format!("push.{target} push.{handle} call.stubs::wire drop drop\n")
            }
            Calls(stub, handle, value) => {
                results += 1;
                format!("push.{value} push.{handle} movdn.15 call.stubs::{stub} movup.15 drop\n")
            }
        };
    }
    if results != 0 {
        text += &keep(results, results);
    }
    text + " end"
}

/// The builder with all that a run has at hand: components, and data.
fn with(builder: Builder, steps: &[Step<'_>]) -> Builder {
    let builder = [10, 20, 1]
        .into_iter()
        .fold(builder, |builder, first| builder.advised(&elements(first)));
    steps.iter().fold(builder, |builder, step| match step {
        Install(component) => builder.installable(component),
        _ => builder,
    })
}

/// The components of the cases.
struct Components {
    counter: Component,
    client: Component,
    ten: Component,
    twenty: Component,
    adder: Component,
    renamed: Component,
    adds: Component,
    one: Component,
    more: Component,
    top: Component,
    sum: Component,
    twice: Component,
    first: Component,
    chain: Component,
}

fn components(builder: &Builder) -> Components {
    let of = |imports: &[_], exports: &[_], data| component(builder, imports, exports, data);
    let base = |first| of(&[], &[("counter::base", BASE)], Some(first));
    let middle = |by| of(&[("c1", ADD, 1)], &[("client::bump", BUMP)], Some(by));
    let two = |first, second| {
        let imports = [("c1", first, 1), ("b1", second, 2)];
        of(&imports, &[("client::sum", RUN)], None)
    };
    let passes = |from, to| of(&[("c1", from, 1)], &[("client::go", to)], None);
    Components {
        counter: of(&[], &[("counter::bump", BUMP), ("counter::get", GET)], None),
        client: passes(BUMP, BUMP),
        ten: base(10),
        twenty: base(20),
        adder: of(&[("c1", BASE, 1)], &[("client::add", ADD)], None),
        renamed: of(&[], &[("counter::bump", BASE)], None),
        adds: of(&[], &[("counter::add", ADD), ("counter::get", GET)], None),
        one: middle(1),
        more: middle(10),
        top: of(
            &[
                ("c1", BUMP, 1),
                ("b1", BUMP, 2),
                ("c2", GET, 3),
                ("b2", GET, 3),
            ],
            &[("client::both", RUN)],
            None,
        ),
        sum: two(BASE, BUMP),
        twice: two(BUMP, BUMP),
        first: passes(BUMP, ADD),
        chain: passes(ADD, ADD),
    }
}

#[test]
fn cases_of_linking_hold_at_run_time() {
    let of = components(&builder());
    let cases: [(&str, &[Step<'_>], &[u64]); 10] = [
        (
            "unit: two instances of one component have a state each",
            &[
                Install(&of.counter),
                Install(&of.counter),
                Calls("a1", 1, 0),
                Calls("a1", 1, 0),
                Calls("a1", 2, 0),
                Calls("a1", 1, 0),
            ],
            &[3, 1, 2, 1],
        ),
        (
            "unit: one instance for two importers",
            &[
                Install(&of.counter),
                Install(&of.client),
                Install(&of.client),
                Wire(2, 1),
                Wire(3, 1),
                Calls("a1", 2, 0),
                Calls("a1", 3, 0),
                Calls("a1", 2, 0),
            ],
            &[3, 2, 1],
        ),
        (
            "unit: one component with two arguments",
            &[
                Install(&of.ten),
                Install(&of.twenty),
                Install(&of.adder),
                Install(&of.adder),
                Wire(3, 1),
                Wire(4, 2),
                Calls("a2", 3, 5),
                Calls("a2", 4, 5),
            ],
            &[25, 15],
        ),
        (
            "unit: a function under another name",
            &[
                Install(&of.renamed),
                Install(&of.adder),
                Wire(2, 1),
                Calls("a2", 2, 5),
            ],
            &[6],
        ),
        (
            "unit: functions of two instances for one importer",
            &[
                Install(&of.ten),
                Install(&of.counter),
                Install(&of.sum),
                Wire(3, 2),
                Wire(3, 1),
                Calls("b1", 3, 0),
            ],
            &[11],
        ),
        (
            "unit: a diamond shares its base",
            &[
                Install(&of.adds),
                Install(&of.one),
                Install(&of.more),
                Install(&of.top),
                Wire(2, 1),
                Wire(3, 1),
                Wire(4, 1),
                Wire(4, 3),
                Wire(4, 2),
                Calls("b1", 4, 0),
                Calls("b1", 4, 0),
            ],
            &[44, 22],
        ),
        (
            "unit: one instance for two imports",
            &[
                Install(&of.counter),
                Install(&of.twice),
                Wire(2, 1),
                Wire(2, 1),
                Calls("b1", 2, 0),
            ],
            &[3],
        ),
        (
            "unit: a call through five instances",
            &[
                Install(&of.counter),
                Install(&of.first),
                Install(&of.chain),
                Install(&of.chain),
                Install(&of.chain),
                Wire(2, 1),
                Wire(3, 2),
                Wire(4, 3),
                Wire(5, 4),
                Calls("a2", 5, 0),
                Calls("a2", 3, 0),
            ],
            &[2, 1],
        ),
        (
            "instantiation: an instance with more exports than are asked for",
            &[
                Install(&of.adds),
                Install(&of.chain),
                Wire(2, 1),
                Calls("a2", 2, 7),
            ],
            &[7],
        ),
        (
            "instance: data is there when the instance is first entered",
            &[
                Install(&of.ten),
                Install(&of.adder),
                Wire(2, 1),
                Calls("a2", 2, 0),
            ],
            &[10],
        ),
    ];
    for (name, steps, expected) in cases {
        let stack = with(builder(), steps).run(&main_of(steps));
        assert_eq!(stack[..expected.len()], *expected, "{name}");
    }
}

#[test]
fn what_does_not_link_traps_at_run_time() {
    let of = components(&builder());
    let cases: [(&str, &[Step<'_>], IsTrap); 8] = [
        (
            "instantiation: an argument is missing",
            &[Install(&of.client), Calls("a1", 1, 0)],
            |trap| {
                matches!(
                    trap,
                    Trap::NotWired {
                        instance: 1,
                        left: 1
                    }
                )
            },
        ),
        (
            "instantiation: one of two arguments is missing",
            &[
                Install(&of.counter),
                Install(&of.twice),
                Wire(2, 1),
                Calls("b1", 2, 0),
            ],
            |trap| {
                matches!(
                    trap,
                    Trap::NotWired {
                        instance: 2,
                        left: 1
                    }
                )
            },
        ),
        (
            "instantiation: an argument that is given twice",
            &[
                Install(&of.counter),
                Install(&of.client),
                Wire(2, 1),
                Wire(2, 1),
            ],
            |trap| matches!(trap, Trap::NothingToWire { instance: 2 }),
        ),
        (
            "instantiation: an argument that nobody asks for",
            &[Install(&of.counter), Install(&of.ten), Wire(2, 1)],
            |trap| matches!(trap, Trap::NothingToWire { instance: 2 }),
        ),
        (
            "instantiation: the argument does not export what is imported",
            &[
                Install(&of.ten),
                Install(&of.client),
                Wire(2, 1),
                Calls("a1", 2, 0),
            ],
            |trap| {
                matches!(
                    trap,
                    Trap::NoExport {
                        instance: 2,
                        target: 1,
                        ..
                    }
                )
            },
        ),
        (
            "instantiation: an index that was never defined",
            &[Install(&of.client), Wire(1, 2)],
            |trap| matches!(trap, Trap::UnknownHandle { .. }),
        ),
        (
            "instantiation: an instance is no argument of itself",
            &[Install(&of.chain), Wire(1, 1)],
            |trap| {
                matches!(
                    trap,
                    Trap::NotWired {
                        instance: 1,
                        left: 1
                    }
                )
            },
        ),
        (
            "linking: what is called is an export that is none",
            &[Install(&of.counter), Calls("b1", 1, 0)],
            |trap| {
                matches!(
                    trap,
                    Trap::NoExport {
                        instance: 0,
                        target: 1,
                        ..
                    }
                )
            },
        ),
    ];
    for (name, steps, expected) in cases {
        let error = with(builder(), steps).start(&main_of(steps)).0;
        let error = error.expect_err(name);
        assert!(error.trap().is_some_and(expected), "{name}: {error}");
    }
    // A component that is not there.
    let steps = [Install(&of.counter)];
    let error = builder().start(&main_of(&steps)).0.expect_err("it traps");
    let is_unknown = |trap: &Trap| matches!(trap, Trap::UnknownComponent { .. });
    assert!(error.trap().is_some_and(is_unknown), "{error}");
}
