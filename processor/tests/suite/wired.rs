//! Imports of installed instances that are wired to instances which the program makes of the composition's.

use miden_core::{EMPTY_WORD, Felt, ZERO};
use miden_cvm_air::{
    component::Component,
    composition::{
        Composition, CompositionError, ExportRecord,
        LinkKind::{Fresh, Isolated, Shared},
        LinkRecord, PublicData, ResourceRecord,
    },
};
use miden_cvm_processor::{ContextId, Trap};

use crate::{
    composition::{Builder, traps},
    installed::*,
};

/// An account is made and a note installed, which is wired to it: `[note, account, ...]`.
fn wired(builder: &Builder, kind: miden_cvm_air::composition::LinkKind) -> String {
    format!("{MAKE} {} {}", install(&note(builder, kind)), wire(1))
}

#[test]
fn a_call_enters_the_instance_that_the_import_is_wired_to() {
    let builder = maker().link(0, "c1", Shared, 1, "account::bump");
    // The note pays twice; then the account is called by its handle, and the composition's own one.
    for (kind, paid, then) in [(Shared, 12, 13), (Fresh, 11, 11), (Isolated, 11, 11)] {
        let main = format!(
            "begin {} {} {} push.0 call.stubs::c1 {} end",
            wired(&builder, kind),
            call("b1", 0),
            call("a1", 2),
            keep(3, 5),
        );
        assert_eq!(builder.run(&main)[..3], [11, then, paid], "{kind}");
        let entered = builder.start(&main).1.into_parts().2.entered;
        // The first is that of the note, and the last the composition's.
        let contexts: Vec<ContextId> = entered.iter().map(|(_, context, _)| *context).collect();
        let accounts: Vec<ContextId> = contexts.into_iter().filter(|c| c.index() == 1).collect();
        let [first, second, held, own] = accounts[..] else {
            panic!("four calls: {accounts:?}");
        };
        assert_eq!(own, ContextId::new(0, 1));
        assert_ne!(held.domain(), 0);
        assert_eq!([first == held, second == held], [kind == Shared; 2]);
    }
}

#[test]
fn notes_lead_to_the_accounts_that_they_were_wired_to() {
    let builder = maker();
    let note = note(&builder, Shared);
    // One account is installed, and two are made.
    let main = format!(
        "begin {} {MAKE} {MAKE} {} {} {} {} {} {} {} {} {} {} end",
        install(&account(&builder, 20)),
        install(&note),
        wire(3),
        install(&note),
        wire(2),
        install(&note),
        wire(4),
        call("b1", 0),
        call("b1", 2),
        call("b1", 4),
        keep(3, 9),
    );
    // The notes, the last one first: of the second account that was made, the first, and the installed one.
    assert_eq!(builder.run(&main)[..3], [22, 12, 12]);
}

#[test]
fn what_is_wired_to_stays_when_its_handle_is_dropped() {
    let builder = maker();
    let main = format!(
        "begin {} swap call.stubs::drop2 drop {} {} {} end",
        wired(&builder, Shared),
        call("b1", 0),
        call("b1", 1),
        keep(2, 3),
    );
    assert_eq!(builder.run(&main)[..2], [14, 12]);
    // It exists as long as the wire does, and without one no longer than its handle.
    let existing = |main: &str| {
        let (result, process) = builder.start(main);
        result.expect("the run ends well");
        let contexts = process.instances().into_iter().map(|found| found.context);
        contexts.filter(|context| context.index() == 1).count()
    };
    assert_eq!(existing(&main), 1);
    let main = format!(
        "begin {MAKE} {} swap call.stubs::drop2 drop {} end",
        call("a1", 0),
        keep(1, 1)
    );
    assert_eq!(builder.run(&main)[0], 11);
    assert_eq!(existing(&main), 0);
}

#[test]
fn adopted_calls_go_over_such_wires() {
    let builder = maker();
    let calls = Component::new(vec![import(&builder, "c1", BUMP, Shared)], vec![], vec![]);
    let builder = builder.installable(&calls);
    let main = format!(
        "begin {MAKE} {} {} call.stubs::adopt drop call.stubs::c1 drop push.0 call.stubs::c1 {} end",
        install(&calls),
        wire(1),
        keep(1, 2),
    );
    assert_eq!(builder.run(&main)[0], 12);
}

#[test]
fn no_call_leaves_an_isolated_one() {
    let builder = maker();
    let main = |kind| {
        format!(
            "begin {} {} {} {} {} end",
            wired(&builder, kind),
            install(&outer(&builder)),
            wire(1),
            call("b2", 0),
            keep(1, 4),
        )
    };
    // What is new in any case is new there, too.
    for kind in [Fresh, Isolated] {
        assert_eq!(builder.run(&main(kind))[0], 11, "{kind}");
    }
    traps(&builder, &main(Shared), |trap| {
        matches!(
            trap,
            Trap::WiredElsewhere {
                instance: 2,
                target: 1
            }
        )
    });
    // A note that is wired to an installed account calls a new one there.
    let main = format!(
        "begin {} {} {} {} {} {} {} end",
        install(&account(&builder, 20)),
        install(&note(&builder, Shared)),
        wire(1),
        install(&outer(&builder)),
        wire(1),
        call("b2", 0),
        keep(1, 4),
    );
    assert_eq!(builder.run(&main)[0], 22);
}

#[test]
fn what_is_not_exported_is_not_called() {
    // The record of the export is missing.
    let without = Builder::new(2)
        .component("account", ACCOUNT)
        .component("note", NOTE)
        .installs(&[("a1", BUMP), ("b1", PAY)])
        .instances_of(1, 2);
    let note = note(&without, Shared);
    let without = without.installable(&note);
    let is_missing = |trap: &Trap, by| {
        let Trap::NoExport {
            instance,
            target: 1,
            key,
        } = *trap
        else {
            return false;
        };
        instance == by && key == Felt::new(BUMP)
    };
    let main = format!("begin {} {} end", wired(&without, Shared), call("b1", 0));
    traps(&without, &main, |trap| is_missing(trap, 2));
    let main = format!("begin {MAKE} {} end", call("a1", 0));
    traps(&without, &main, |trap| is_missing(trap, 0));
}

#[test]
fn only_what_is_complete_and_at_rest_is_wired_to() {
    let builder = maker();
    let note = install(&note(&builder, Shared));
    // A wire to a note that is not wired itself, and one for an account, which has no imports.
    let main = format!("begin {MAKE} {note} {note} {} end", wire(1));
    traps(&builder, &main, |trap| {
        matches!(
            trap,
            Trap::NotWired {
                instance: 2,
                left: 1
            }
        )
    });
    let main = format!("begin {MAKE} {} end", wire(0));
    traps(&builder, &main, |trap| {
        matches!(trap, Trap::WrongResourceType { .. })
    });
    // A wire to a number that is no handle.
    let main = format!("begin push.9 {note} {} end", wire(1));
    traps(&builder, &main, |trap| {
        matches!(trap, Trap::UnknownHandle { .. })
    });
    // An instance that is made is lent itself, and wires a note to it.
    let base = || {
        let base = Builder::new(2).component("account", ACCOUNT);
        base.component("note", NOTE)
    };
    let note = super::installed::note(&base(), Shared);
    let middle = format!(
        "pub proc run call.stubs::recv_borrow2 {} {} swap call.stubs::drop2 drop end",
        install(&note),
        wire(1)
    );
    let builder = base()
        .component("middle", &middle)
        .installs(&[])
        .installs_in(1, &[])
        .instances_of(1, 2)
        .link(
            0,
            "a2",
            miden_cvm_air::composition::LinkKind::Held,
            1,
            "middle::run",
        )
        .exports(1, &[("account::bump", BUMP)])
        .installable(&note);
    let lend =
        format!("begin {MAKE} dup call.stubs::send_borrow2 dup.1 movdn.15 call.stubs::a2 end");
    traps(&builder, &lend, |trap| {
        matches!(trap, Trap::InstanceRunning { instance: 1 })
    });
    // Lent another one, it does.
    let other = format!(
        "begin {MAKE} {MAKE} dup.1 call.stubs::send_borrow2 dup.1 movdn.15 call.stubs::a2 {} end",
        keep(1, 4)
    );
    builder.run(&other);
}

#[test]
fn exports_are_those_of_instances_that_can_be_made() {
    let export = |instance, key| ExportRecord {
        instance,
        key: Felt::new(key),
        callee: EMPTY_WORD,
    };
    let composition = || Composition::new(2, Vec::new(), Vec::new());
    let with = |exports: &[ExportRecord]| {
        composition().and_then(|composition| composition.with_exports(exports.to_vec()))
    };
    let sorted = with(&[export(1, 7), export(1, 5), export(0, 9)]).expect("they are valid");
    assert_eq!(sorted.exports(), [export(0, 9), export(1, 5), export(1, 7)]);
    assert_eq!(sorted.export(1, Felt::new(7)), Some(EMPTY_WORD));
    assert_eq!(sorted.export(0, Felt::new(7)), None);
    assert_eq!(
        with(&[export(2, 5)]),
        Err(CompositionError::ExportInstance {
            export: 0,
            index: 2,
            count: 2
        })
    );
    assert_eq!(
        with(&[export(1, 5), export(1, 5)]),
        Err(CompositionError::DuplicateExport {
            instance: 1,
            key: Felt::new(5)
        })
    );
    let types = |definer| {
        let types = vec![ResourceRecord {
            definer,
            destructor: None,
        }];
        let composition = composition().and_then(|c| c.with_resources(types, Vec::new()));
        composition.and_then(|composition| composition.with_exports(vec![export(1, 5)]))
    };
    assert!(types(0).is_ok());
    assert_eq!(
        types(1),
        Err(CompositionError::ExportOfDefiner {
            export: 0,
            instance: 1
        })
    );
    // Public data is that of one instance; an import could be called isolated.
    let link = LinkRecord {
        source: 0,
        digest: EMPTY_WORD,
        kind: Shared,
        target: 1,
        callee: EMPTY_WORD,
    };
    let data = |of, exports: &[ExportRecord]| {
        let data = vec![PublicData {
            instance: of,
            address: 0,
            elements: vec![ZERO; 8],
        }];
        let composition = Composition::new(2, vec![link], Vec::new());
        let composition = composition.and_then(|composition| composition.with_public_data(data));
        composition.and_then(|composition| composition.with_exports(exports.to_vec()))
    };
    assert!(data(1, &[]).is_ok());
    assert!(data(0, &[export(1, 5)]).is_ok());
    for of in [0, 1] {
        assert_eq!(
            data(1, &[export(of, 5)]),
            Err(CompositionError::PublicDataCopied { instance: 1 })
        );
    }
}
