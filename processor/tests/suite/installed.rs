//! Instances that the program installs by the commitments of their components.

use miden_core::{Felt, Word, ZERO, crypto::hash::Rpo256};
use miden_cvm_air::{
    component::{Call, Component, ComponentError, INSTALLED, Meaning, Segment, order_of},
    composition::{
        Composition, CompositionError, FIRST_INSTANCE_TYPE, Intrinsic, IntrinsicRecord, LinkKind,
        LinkRecord,
    },
};
use miden_cvm_processor::{ComponentFault, ExecutionOptions, Limits, Trap};

use crate::composition::{Builder, traps};

#[path = "../common/installed.rs"]
mod setup;

pub use setup::*;

/// The root, and an instance that it calls by `c1`, which installs as well.
fn adopters(middle: &str) -> Builder {
    let builder = Builder::new(2)
        .component("account", ACCOUNT)
        .component("middle", middle)
        .installs(&[("a1", BUMP)])
        .installs_in(1, &[])
        .link(0, "b1", LinkKind::Shared, 1, "middle::run")
        .link(0, "c2", LinkKind::Isolated, 1, "middle::run")
        .advised(&data(10));
    let (account, calls) = (account(&builder, 10), calls(&builder));
    builder.installable(&account).installable(&calls)
}

fn is(trap: &Trap, expected: &Trap) -> bool {
    trap.to_string() == expected.to_string()
}

#[test]
fn each_is_what_its_commitment_says() {
    let builder = kernel();
    let (first, second) = (account(&builder, 10), account(&builder, 20));
    // Two of one component, one of another; each has its data once and keeps its state.
    let main = format!(
        "begin {} {} {} {} {} {} {} {} end",
        install(&first),
        install(&second),
        install(&first),
        call("a1", 2),
        call("a1", 3),
        call("a1", 3),
        call("a1", 3),
        keep(4, 7),
    );
    assert_eq!(builder.run(&main)[..4], [11, 21, 12, 11]);
    // Indices follow those of the composition.
    let main = format!(
        "begin {} {} {} end",
        install(&first),
        call("a2", 0),
        keep(1, 2)
    );
    assert_eq!(builder.run(&main)[0], 0);
}

#[test]
fn an_import_leads_where_the_maker_has_wired_it() {
    for (kind, expected) in [(LinkKind::Shared, 13), (LinkKind::Fresh, 11)] {
        let builder = kernel();
        let main = format!(
            "begin {} {} dup.1 dup.1 call.stubs::wire drop drop {} {} {} end",
            install(&account(&builder, 10)),
            install(&note(&builder, kind)),
            call("b1", 0),
            call("a1", 2),
            keep(2, 4),
        );
        // A shared import goes to the account itself, a fresh one to a new instance each time.
        let paid = if kind == LinkKind::Shared { 12 } else { 11 };
        assert_eq!(builder.run(&main)[..2], [expected, paid], "{kind}");
    }
}

#[test]
fn two_notes_of_one_component_lead_to_different_accounts() {
    let builder = kernel();
    let note = note(&builder, LinkKind::Shared);
    let main = format!(
        "begin {} {} {} {}
        dup.2 dup.1 call.stubs::wire drop drop dup.3 dup.2 call.stubs::wire drop drop
        {} {} {} {} end",
        install(&account(&builder, 10)),
        install(&account(&builder, 20)),
        install(&note),
        install(&note),
        call("b1", 0),
        call("b1", 2),
        call("a1", 4),
        keep(3, 7),
    );
    assert_eq!(builder.run(&main)[..3], [23, 12, 22]);
}

#[test]
fn handles_to_installed_instances_are_lent_and_given_away() {
    let builder = kernel();
    let main = format!(
        "begin {} {} dup.1 dup.1 call.stubs::wire drop drop
        push.0 dup.2 call.stubs::send_borrow3 dup.2 movdn.15 call.stubs::c2 movup.15 drop
        {} movup.3 call.stubs::drop3 drop movup.3 call.stubs::drop3 drop {} end",
        install(&account(&builder, 10)),
        install(&note(&builder, LinkKind::Shared)),
        call("a1", 3),
        keep(2, 3),
    );
    let stack = builder.run(&main);
    assert_eq!(stack[..2], [12, 11]);
}

#[test]
fn the_component_of_a_caller_is_told() {
    let builder = kernel();
    let account = account(&builder, 10);
    // The account has told the root's id; what component an instance has is told by its own id, 1.
    let main = format!(
        "begin {} {} drop push.1.24 call.stubs::component drop drop
        padw mem_loadw_le.24 {} end",
        install(&account),
        call("a1", 0),
        keep(4, 5),
    );
    let stack = builder.run(&main);
    let commitment: [Felt; 4] = account.commitment().into();
    assert_eq!(stack[..4], commitment.map(|element| element.as_int()));
    // So it is before it is entered, of any instance that a fresh call makes or has made, and when it is over.
    for (id, calls) in [
        (1, String::new()),
        ((7 << 16) + 1, String::new()),
        (
            1,
            format!("{} drop call.stubs::drop3 drop push.0", call("a1", 0)),
        ),
    ] {
        let main = format!(
            "begin {} {calls} push.{id}.24 call.stubs::component drop drop padw mem_loadw_le.24 {} end",
            install(&account),
            keep(4, 5),
        );
        let stack = builder.run(&main);
        assert_eq!(
            stack[..4],
            commitment.map(|element| element.as_int()),
            "{id} {calls}"
        );
    }
    for id in [0, 2, (7 << 16) + 2, (1 << 48) + 1] {
        let main = format!(
            "begin {} push.{id}.24 call.stubs::component {} end",
            install(&account),
            install(&account),
        );
        traps(&builder, &main, |trap| {
            is(trap, &Trap::NotInstalled { id: Felt::new(id) })
        });
    }
}

#[test]
fn nothing_is_entered_before_it_is_wired_and_nothing_is_wired_after() {
    let builder = kernel();
    let (account, note) = (account(&builder, 10), note(&builder, LinkKind::Shared));
    let both = format!("{} {}", install(&account), install(&note));
    traps(
        &builder,
        &format!("begin {both} {} end", call("b1", 0)),
        |trap| {
            is(
                trap,
                &Trap::NotWired {
                    instance: 2,
                    left: 1,
                },
            )
        },
    );
    // A wire that leads to what is not wired.
    let main = format!(
        "begin {both} {} dup.1 dup.1 call.stubs::wire end",
        install(&note)
    );
    traps(&builder, &main, |trap| {
        is(
            trap,
            &Trap::NotWired {
                instance: 2,
                left: 1,
            },
        )
    });
    // A second wire, and one for what has no imports.
    let twice = "dup.1 dup.1 call.stubs::wire drop drop dup.1 dup.1 call.stubs::wire";
    traps(&builder, &format!("begin {both} {twice} end"), |trap| {
        is(trap, &Trap::NothingToWire { instance: 2 })
    });
    let main = format!("begin {both} dup dup.2 call.stubs::wire end");
    traps(&builder, &main, |trap| {
        is(trap, &Trap::NothingToWire { instance: 1 })
    });
    // An export that is none.
    let main = format!(
        "begin {} {} {} dup.1 dup.1 call.stubs::wire drop drop dup.1 dup.1 call.stubs::wire
        drop drop {} end",
        install(&account),
        install(&note),
        install(&note),
        call("b1", 0),
    );
    traps(&builder, &main, |trap| {
        matches!(trap, Trap::NotWired { .. })
    });
    let main = format!("begin {} {} end", install(&account), call("b1", 0));
    traps(&builder, &main, |trap| {
        matches!(
            trap,
            Trap::NoExport {
                instance: 0,
                target: 1,
                ..
            }
        )
    });
}

#[test]
fn calls_that_are_adopted_take_the_place_of_ones_own() {
    let builder = kernel();
    let calls = calls(&builder);
    let builder = builder.installable(&calls);
    let wired = wired(&builder);
    // The account keeps its state, memory is the root's as before, and so is its id.
    let main = format!(
        "begin push.5 mem_store.0 {wired} call.stubs::adopt
        call.stubs::c1 swap call.stubs::c1 push.9 call.stubs::b2 mem_load.0 {} end",
        keep(4, 4)
    );
    assert_eq!(builder.run(&main)[..4], [5, 0, 12, 11]);
    // What it tells is the index of what was adopted.
    let main = format!("begin {wired} call.stubs::adopt {} end", keep(1, 2));
    assert_eq!(builder.run(&main)[0], 2);
    // Nothing of its own is left, above all no right to install.
    for stub in ["install", "wire", "adopt", "caller", "a1", "drop3"] {
        let digest = builder.stub(stub);
        let main = format!("begin {wired} call.stubs::adopt call.stubs::{stub} end");
        traps(&builder, &main, |trap| {
            is(
                trap,
                &Trap::NotLinked {
                    instance: 2,
                    digest,
                },
            )
        });
    }
    // Nothing of the other one's is there before.
    let main = format!("begin {wired} call.stubs::c1 end");
    let digest = builder.stub("c1");
    traps(&builder, &main, |trap| {
        is(
            trap,
            &Trap::NotLinked {
                instance: 0,
                digest,
            },
        )
    });
}

#[test]
fn who_returns_has_its_own_calls_again() {
    // The root gives the calls to the instance, which adopts them each time that it is entered.
    let builder =
        adopters("pub proc run call.stubs::recv_own3 call.stubs::adopt call.stubs::c1 end");
    let give = format!(
        "{} dup.1 dup.1 call.stubs::wire drop drop call.stubs::send_own3 call.stubs::b1",
        install(&calls(&builder))
    );
    let main = format!(
        "begin {} {give} swap {give} swap drop {} end",
        install(&account(&builder, 10)),
        keep(2, 2)
    );
    // The account counts on.
    assert_eq!(builder.run(&main)[..2], [12, 11]);
}

#[test]
fn only_who_owns_a_complete_instance_adopts_its_calls() {
    let borrowed = adopters("pub proc run call.stubs::recv_borrow3 call.stubs::adopt end");
    let (wired, account) = (wired(&borrowed), install(&account(&borrowed, 10)));
    let lend = format!("begin {wired} call.stubs::send_borrow3 call.stubs::b1 end");
    traps(&borrowed, &lend, |trap| {
        matches!(trap, Trap::HandleNotOwned { instance: 1, .. })
    });
    let lent = format!("begin {wired} dup call.stubs::send_borrow3 drop call.stubs::adopt end");
    traps(&borrowed, &lent, |trap| {
        matches!(trap, Trap::HandleLent { .. })
    });
    let open = format!(
        "begin {account} {} call.stubs::adopt end",
        install(&calls(&borrowed))
    );
    traps(&borrowed, &open, |trap| {
        is(
            trap,
            &Trap::NotWired {
                instance: 3,
                left: 1,
            },
        )
    });
    for main in [
        "begin push.1 call.stubs::adopt end",
        "begin push.0 call.stubs::adopt end",
    ] {
        traps(&borrowed, main, |trap| {
            matches!(trap, Trap::UnknownHandle { .. })
        });
    }
    let isolated = adopters("pub proc run push.1 call.stubs::adopt end");
    traps(&isolated, "begin call.stubs::c2 end", |trap| {
        is(trap, &Trap::InstalledElsewhere { instance: 1 })
    });
}

#[test]
fn a_wire_outlives_the_loan_that_it_was_laid_with() {
    // An instance is lent an account, wires a note to it, and gives the note away.
    let base = || {
        Builder::new(2)
            .component("account", ACCOUNT)
            .component("note", NOTE)
    };
    let note = note(&base(), LinkKind::Shared);
    let account = account(&base(), 10);
    let middle = format!(
        "pub proc run call.stubs::recv_borrow3 {} dup.1 dup.1 call.stubs::wire drop drop
        swap call.stubs::drop3 drop call.stubs::send_own3 end",
        install(&note)
    );
    let builder = base()
        .component("middle", &middle)
        .installs(&[("a1", PAY)])
        .installs_in(1, &[])
        .link(0, "b1", LinkKind::Shared, 1, "middle::run")
        .advised(&data(10))
        .installable(&account)
        .installable(&note);
    // The owner drops the account, which stays for the note.
    let main = format!(
        "begin {} dup call.stubs::send_borrow3 call.stubs::b1 call.stubs::recv_own3
        swap call.stubs::drop3 drop {} {} end",
        install(&account),
        call("a1", 0),
        keep(1, 2)
    );
    assert_eq!(builder.run(&main)[0], 12);
}

#[test]
fn what_is_no_handle_is_nothing() {
    let builder = kernel();
    let account = account(&builder, 10);
    for main in [
        "begin push.1.1 call.stubs::wire end".to_owned(),
        format!(
            "begin {} push.9 swap call.stubs::wire end",
            install(&account)
        ),
        "begin push.1 movdn.15 call.stubs::a1 end".to_owned(),
        "begin push.1 call.stubs::drop3 end".to_owned(),
    ] {
        traps(&builder, &main, |trap| {
            matches!(trap, Trap::UnknownHandle { .. })
        });
    }
}

#[test]
fn a_component_that_is_not_there_is_refused() {
    let builder = kernel();
    let known = account(&builder, 10);
    let unknown = account(&builder, 30);
    let main = format!("begin {} end", install(&unknown));
    let commitment = unknown.commitment();
    traps(&builder, &main, |trap| {
        is(trap, &Trap::UnknownComponent { commitment })
    });
    // Without its data, and with elements that are no record.
    let builder = builder.installable(&unknown);
    traps(&builder, &main, |trap| {
        matches!(
            trap,
            Trap::InvalidComponent {
                reason: ComponentFault::Data { address: 8, .. },
                ..
            }
        )
    });
    let zeros = vec![ZERO; 8];
    let [c0, c1, c2, c3]: [Felt; 4] = Rpo256::hash_elements(&zeros).into();
    let builder = builder.advised(&zeros);
    let main = format!(
        "begin push.{c3}.{c2}.{c1}.{c0} mem_storew_le.16 dropw push.16 call.stubs::install end"
    );
    traps(&builder, &main, |trap| {
        matches!(
            trap,
            Trap::InvalidComponent {
                reason: ComponentFault::Content(ComponentError::Block(0)),
                ..
            }
        )
    });
    // Where no word is.
    let main = format!("begin {} push.17 call.stubs::install end", install(&known));
    assert!(builder.start(&main).0.is_err());
}

#[test]
fn a_thousand_of_one_component_hash_its_record_once() {
    let builder = kernel();
    let account = account(&builder, 10);
    let [c0, c1, c2, c3]: [Felt; 4] = account.commitment().into();
    let main = |count| {
        format!(
            "begin push.{c3}.{c2}.{c1}.{c0} mem_storew_le.16 dropw
            repeat.{count} push.16 call.stubs::install {} drop call.stubs::drop3 drop end end",
            call("a1", 0)
        )
    };
    let few = builder.trace(&main(2)).lengths;
    let many = builder.trace(&main(1002)).lengths;
    let blocks = account.blocks().len();
    assert_eq!(many.instances - few.instances, 1000 * (blocks + 2));
    // The data of each instance is hashed, and no more.
    let data = 8;
    assert!(many.hasher - few.hasher <= 1000 * data + 8 * 1000);
    let mut limited = kernel();
    let mut limits = Limits::default();
    limits.instances = 3;
    limited.options = ExecutionOptions::default().with_limits(limits);
    assert!(
        limited.start(&main(1002)).0.is_ok(),
        "what is dropped is over"
    );
}

#[test]
fn records_are_read_as_they_are_written() {
    let builder = kernel();
    for component in [
        Component::default(),
        account(&builder, 10),
        note(&builder, LinkKind::Isolated),
    ] {
        let elements = component.to_elements();
        assert_eq!(Component::from_elements(&elements), Ok(component));
        // Any other element, and any block less, is no record, or another one.
        for position in 0..elements.len() {
            let mut changed = elements.clone();
            changed[position] += Felt::new(1 << 40);
            let read = Component::from_elements(&changed);
            assert!(
                read.is_err() || read.is_ok_and(|read| read.to_elements() == changed),
                "{position}"
            );
        }
        let less = &elements[..elements.len() - 8];
        assert!(Component::from_elements(less).is_err());
        assert!(Component::from_elements(&elements[1..]).is_err());
    }
}

#[test]
fn records_that_mean_two_things_are_refused() {
    let builder = kernel();
    let note = note(&builder, LinkKind::Shared);
    let with = |call: Call| {
        let calls = note.calls.iter().copied().chain([call]).collect();
        Component::new(calls, note.exports.clone(), Vec::new()).validate()
    };
    let meaning = Meaning::Own;
    for digest in note.calls.iter().map(|call| call.digest) {
        let twice = with(Call { digest, meaning });
        assert_eq!(twice, Err(ComponentError::DuplicateDigest(digest)));
        // So are digests that the order of a record does not tell apart.
        let [d0, d1, d2, d3]: [Felt; 4] = digest.into();
        let other = d0 + Felt::new(1 << 48);
        assert_eq!(order_of(other), order_of(d0));
        let digest = Word::from([other, d1, d2, d3]);
        let twice = with(Call { digest, meaning });
        assert!(matches!(twice, Err(ComponentError::DuplicateDigest(_))));
    }
    let mut twice = note.clone();
    twice.exports[1].key = twice.exports[0].key;
    assert!(matches!(
        twice.validate(),
        Err(ComponentError::DuplicateKey(_))
    ));
    let mut other = note.clone();
    other.exports.swap(0, 1);
    let number = 2 + note.calls.len();
    assert_eq!(other.validate(), Err(ComponentError::Order(number)));
    let mut other = note.clone();
    other.calls.swap(1, 2);
    assert_eq!(other.validate(), Err(ComponentError::Order(3)));
    let elements = other.to_elements();
    assert_eq!(
        Component::from_elements(&elements),
        Err(ComponentError::Order(3))
    );
    for slot in [0, 2] {
        let mut other = note.clone();
        let mut calls = other.calls.iter_mut();
        let found = calls.find_map(|call| match &mut call.meaning {
            Meaning::Import { slot, .. } => Some(slot),
            _ => None,
        });
        *found.expect("there is an import") = slot;
        assert_eq!(other.validate(), Err(ComponentError::Slots));
    }
    for intrinsic in [
        Intrinsic::New,
        Intrinsic::Load,
        Intrinsic::Install,
        Intrinsic::Wire,
        Intrinsic::Adopt,
    ] {
        let mut other = note.clone();
        other.calls[0].meaning = Meaning::Builtin(intrinsic);
        other.calls.truncate(1);
        assert_eq!(other.validate(), Err(ComponentError::Authority(intrinsic)));
    }
    for (address, length) in [(2, 8), (8, 4), (8, 0), ((1 << 31) - 4, 8)] {
        let mut other = account(&builder, 10);
        let commitment = Word::default();
        other.segments = vec![Segment {
            address,
            length,
            commitment,
        }];
        assert_eq!(other.validate(), Err(ComponentError::Segment(address)));
    }
}

#[test]
fn only_held_calls_and_handles_lead_to_any_installed_instance() {
    let of = |kind, target, callee: [u64; 4]| {
        let link = LinkRecord {
            source: 0,
            digest: Word::default(),
            kind,
            target,
            callee: callee.map(Felt::new).into(),
        };
        Composition::new(1, vec![link], Vec::new())
    };
    assert!(of(LinkKind::Held, INSTALLED, [5, 0, 0, 0]).is_ok());
    for (kind, target, callee) in [
        (LinkKind::Shared, INSTALLED, [5, 0, 0, 0]),
        (LinkKind::Held, INSTALLED + 1, [5, 0, 0, 0]),
        (LinkKind::Held, INSTALLED, [5, 0, 1, 0]),
    ] {
        assert!(matches!(
            of(kind, target, callee),
            Err(CompositionError::LinkInstance { .. })
        ));
    }
    let with = |intrinsic| {
        let record = IntrinsicRecord {
            source: 0,
            digest: Word::default(),
            intrinsic,
            resource: FIRST_INSTANCE_TYPE + INSTALLED,
        };
        Composition::new(1, Vec::new(), Vec::new())
            .and_then(|composition| composition.with_resources(Vec::new(), vec![record]))
    };
    for intrinsic in Intrinsic::ALL {
        let may = matches!(
            intrinsic,
            Intrinsic::Drop
                | Intrinsic::SendOwn
                | Intrinsic::SendBorrow
                | Intrinsic::RecvOwn
                | Intrinsic::RecvBorrow
        );
        assert_eq!(with(intrinsic).is_ok(), may, "{intrinsic:?}");
    }
}
