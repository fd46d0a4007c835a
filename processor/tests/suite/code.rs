//! Instances that the program installs by a commitment to code, or by the root of a procedure.

use miden_core::{Felt, Word, ZERO, crypto::hash::Rpo256};
use miden_cvm_air::component::{Component, MAX_PROCEDURES};
use miden_cvm_processor::{ComponentFault, Trap};

use crate::{
    composition::{Builder, traps},
    installed::{
        ACCOUNT, BUMP, MAKE, ROOT, account, bank, bank_and_script, call, calls_of_bank,
        code_commitment, data, export, install, install_at, keep, pays_in, wire,
    },
};

#[test]
fn a_script_calls_what_its_import_is_wired_to() {
    let builder = bank();
    // The script has paid in twice, and then the root once.
    assert_eq!(builder.run(&pays_in(&builder))[..3], [3, 3, 2]);
}

#[test]
fn instances_of_one_code_have_their_own_memory() {
    let builder = bank();
    let main = format!(
        "begin {} {} {} {} {} {} end",
        bank_and_script(&builder),
        bank_and_script(&builder),
        call("b1", 2),
        call("a1", 2),
        call("a1", 5),
        keep(2, 7),
    );
    assert_eq!(builder.run(&main)[..2], [2, 0]);
}

#[test]
fn components_are_known_by_the_commitment_to_their_code() {
    let builder = bank();
    let main = |id: u32| {
        format!(
            "begin {} push.{id}.24 call.stubs::component drop drop
            mem_loadw_le.24 {} end",
            bank_and_script(&builder),
            keep(4, 2),
        )
    };
    for (id, expected) in [
        (1, code_commitment(&builder)),
        (2, builder.procedure("script::run")),
    ] {
        let found = builder.run(&main(id));
        let mut expected = expected.map(|element| element.as_int());
        if found[0] != expected[0] {
            expected.reverse();
        }
        assert_eq!(found[..4], expected);
    }
}

#[test]
fn what_is_installed_is_the_code_that_was_committed_to() {
    let builder = bank();
    let installs = |word, intrinsic| format!("begin {} drop end", install_at(word, 16, intrinsic));
    let other = Word::from([Felt::new(1), ZERO, ZERO, ZERO]);
    traps(
        &builder,
        &installs(other, "install_code"),
        |trap| matches!(trap, Trap::UnknownComponent { commitment } if *commitment == other),
    );
    // Elements of another commitment.
    let mut lying = bank();
    lying.data.insert(other, vec![ZERO; 4]);
    traps(&lying, &installs(other, "install_code"), |trap| {
        let reason = &ComponentFault::Record;
        matches!(trap, Trap::InvalidComponent { reason: found, .. } if found == reason)
    });
    // No digests, none at all, and too many.
    for length in [5, 0, 4 * (MAX_PROCEDURES + 1)] {
        let elements = vec![ZERO; length];
        let commitment = Rpo256::hash_elements(&elements);
        let lying = bank().advised(&elements);
        traps(&lying, &installs(commitment, "install_code"), |trap| {
            let reason = &ComponentFault::Code(length);
            matches!(trap, Trap::InvalidComponent { reason: found, .. } if found == reason)
        });
    }
    // A record is no list of the digests that it has.
    let record = Component::new(
        Vec::new(),
        vec![export(&builder, "bank::total", 0)],
        Vec::new(),
    );
    let main = format!("begin {} end", install(&record));
    traps(&builder, &main, |trap| {
        matches!(trap, Trap::UnknownComponent { .. })
    });
    // Nor is code a record.
    let main = installs(code_commitment(&builder), "install");
    traps(&builder, &main, |trap| {
        let content = |reason: &ComponentFault| matches!(reason, ComponentFault::Content(_));
        matches!(trap, Trap::InvalidComponent { reason, .. } if content(reason))
    });
}

#[test]
fn a_script_calls_nothing_else() {
    let builder = bank();
    // It is entered when it is wired.
    let unwired = install_at(builder.procedure("script::run"), ROOT, "install_procedure");
    let main = format!("begin {unwired} {} end", call("b1", 0));
    traps(&builder, &main, |trap| {
        matches!(
            trap,
            Trap::NotWired {
                instance: 1,
                left: 1
            }
        )
    });
    // Code has no import, and a script has one.
    for position in [0, 1] {
        let main = format!(
            "begin {} dup.1 dup.{} call.stubs::wire end",
            bank_and_script(&builder),
            position + 1,
        );
        traps(&builder, &main, |trap| {
            matches!(trap, Trap::NothingToWire { .. })
        });
    }
    // What the bank does not have is not linked, nor is a procedure of the composition's.
    let stranger = builder.procedure("stranger::run");
    let main = format!(
        "begin {} {} {} {} end",
        install_at(code_commitment(&builder), 16, "install_code"),
        install_at(stranger, ROOT, "install_procedure"),
        wire(1),
        call("b1", 0),
    );
    let digest = builder.stub("d1");
    traps(
        &builder,
        &main,
        |trap| matches!(trap, Trap::NotLinked { instance: 2, digest: found } if *found == digest),
    );
    // A key is an address or a number that there is.
    let main = format!(
        "begin {} {} end",
        install_at(builder.procedure("bank::total"), 16, "install_procedure"),
        call("b1", 0),
    );
    traps(
        &builder,
        &main,
        |trap| matches!(trap, Trap::NoExport { target: 1, key, .. } if key.as_int() == ROOT),
    );
}

/// An import of a whole instance leads to one that was installed by a record, unless it has static data, which some
/// procedures could have and others not.
#[test]
fn a_script_is_wired_to_a_component_without_data() {
    let builder = Builder::new(2).component("account", ACCOUNT);
    let [d0, d1, d2, d3]: [Felt; 4] = builder.procedure("account::bump").into();
    let run =
        format!("pub proc run push.{d3}.{d2}.{d1}.{d0} mem_storew_le.40 dropw push.40 dyncall end");
    let builder = builder
        .component("script", &run)
        .installs(&[("b2", ROOT)])
        .instances_of(1, 2)
        .exports(1, &[("account::bump", BUMP)])
        .advised(&data(20));
    let main = |builder: &Builder, target: &str| {
        format!(
            "begin {target} {} {} {} {} end",
            install_at(builder.procedure("script::run"), ROOT, "install_procedure"),
            wire(1),
            call("b2", 0),
            keep(1, 3),
        )
    };
    let plain = Component::new(
        Vec::new(),
        vec![export(&builder, "account::bump", BUMP)],
        Vec::new(),
    );
    let with_data = account(&builder, 20);
    let builder = builder.installable(&plain).installable(&with_data);
    assert_eq!(builder.run(&main(&builder, &install(&plain)))[0], 1);
    for target in [install(&with_data), MAKE.to_owned()] {
        traps(&builder, &main(&builder, &target), |trap| {
            matches!(trap, Trap::NotLinked { .. })
        });
    }
}

/// A record imports a function of code by its number.
#[test]
fn records_import_functions_of_code() {
    let builder = bank();
    let calls = calls_of_bank(&builder);
    let builder = builder.installable(&calls);
    let main = format!(
        "begin {} {} {} call.stubs::adopt drop push.0 call.stubs::c1 {} end",
        install_at(code_commitment(&builder), 16, "install_code"),
        install(&calls),
        wire(1),
        keep(1, 2),
    );
    assert_eq!(builder.run(&main)[0], 1);
}
