//! Installed instances that define resource types, and others that have handles of these.

use miden_core::{Felt, Word};
use miden_cvm_air::{
    component::{Call, Component, ComponentError, Meaning, Type, installed_type},
    composition::{
        Intrinsic,
        LinkKind::{Fresh, Isolated, Shared},
    },
};
use miden_cvm_processor::{ComponentFault, ContextId, Trap};

use crate::{
    composition::{Builder, traps},
    installed::{call, install, keep, wire},
};

#[path = "../common/types.rs"]
mod setup;

pub use setup::*;

/// A bank, and a user that is wired to it: `[user, bank, ...]`.
fn with_user(builder: &Builder) -> String {
    format!(
        "{} {} {}",
        install(&bank(builder)),
        install(&user(builder, Shared)),
        wire(1)
    )
}

/// A call with an argument of what element `position` is a handle to.
fn call_with(argument: u64, stub: &str, position: usize) -> String {
    call(stub, position).replacen("push.0", &format!("push.{argument}"), 1)
}

#[test]
fn handles_cross_wires_and_are_dropped_by_who_imports_the_type() {
    let builder = banks();
    // The user opens two accounts, of which one is closed by the bank and one dropped; each time the destructor runs
    // in the bank. A voucher has none.
    let main = format!(
        "begin {} {} {} {} {} {} end",
        with_user(&builder),
        call_with(100, "a1", 0),
        call_with(23, "d1", 1),
        call_with(5, "c2", 2),
        call("a2", 4),
        keep(4, 6),
    );
    assert_eq!(builder.run(&main)[..4], [123, 0, 23, 100]);
    let accesses = builder.start(&main).1.into_parts().2.table;
    let of_bank = accesses
        .iter()
        .filter(|access| access.resource >= installed_type(0, 0));
    let seen: Vec<(u16, Intrinsic, bool)> = of_bank
        .map(|access| {
            (
                access.context.index(),
                access.call.intrinsic,
                access.destroys,
            )
        })
        .collect();
    use Intrinsic::{Drop, New, RecvBorrow, RecvOwn, Rep, SendBorrow, SendOwn};
    assert_eq!(
        seen,
        [
            // The first one is opened, lent, and dropped.
            (1, New, false),
            (1, SendOwn, false),
            (2, RecvOwn, false),
            (2, SendBorrow, false),
            (1, RecvBorrow, false),
            (2, Drop, true),
            // The second one goes back.
            (1, New, false),
            (1, SendOwn, false),
            (2, RecvOwn, false),
            (2, SendOwn, false),
            (1, RecvOwn, false),
            (1, Rep, false),
            (1, Drop, true),
            (1, New, false),
            (1, SendOwn, false),
            (2, RecvOwn, false),
            (2, Drop, false),
        ]
    );
}

#[test]
fn who_imports_a_type_needs_no_function_of_its_definer() {
    let builder = banks();
    // The friend has a wire to the bank for the type, and calls the user alone, whose handle is gone.
    let main = format!(
        "begin {} {} {} {} swap call.stubs::drop3 drop {} {} {} end",
        with_user(&builder),
        install(&friend(&builder)),
        wire(2),
        wire(1),
        call_with(70, "b1", 0),
        call("a2", 2),
        keep(2, 4),
    );
    assert_eq!(builder.run(&main)[..2], [70, 70]);
}

#[test]
fn a_destructor_runs_in_an_instance_whose_handle_is_gone() {
    let builder = banks();
    let main = format!(
        "begin {} swap call.stubs::drop3 drop {} {} {} end",
        with_user(&builder),
        call_with(100, "a1", 0),
        call_with(11, "a1", 1),
        keep(2, 3),
    );
    assert_eq!(builder.run(&main)[..2], [11, 100]);
    let process = builder.start(&main).1;
    let instances = process.instances();
    assert!(instances.iter().any(|i| i.context == ContextId::new(0, 1)));
}

#[test]
fn an_isolated_call_has_the_types_of_its_own_domain() {
    let builder = banks();
    // The user of the domain opens its account with the bank there.
    let main = format!(
        "begin {} {} {} {} {} {} end",
        with_user(&builder),
        install(&away(&builder)),
        wire(1),
        call_with(50, "b2", 0),
        call("a2", 3),
        keep(2, 5),
    );
    assert_eq!(builder.run(&main)[..2], [0, 50]);
    let entered = builder.start(&main).1.into_parts().2.entered;
    let banks = entered
        .iter()
        .filter(|(_, context, _)| context.index() == 1);
    let domains: Vec<u32> = banks.map(|(_, context, _)| context.domain()).collect();
    let [opened, asked, destroyed, held] = domains[..] else {
        panic!("four entries: {domains:?}");
    };
    assert_ne!(opened, 0);
    assert_eq!([asked, destroyed, held], [opened, opened, 0]);
}

#[test]
fn a_definer_calls_its_own_procedures_isolated() {
    let builder = banks();
    let main = format!(
        "begin {} {} {} {} {} end",
        with_user(&builder),
        call_with(100, "a1", 0),
        call("c1", 2),
        call("a2", 3),
        keep(3, 5),
    );
    assert_eq!(builder.run(&main)[..3], [100, 0, 100]);
}

#[test]
fn two_instances_of_one_component_have_different_types() {
    let builder = banks();
    // The friend has the type of the second bank, and is given an account of the first one.
    let main = format!(
        "begin {} {} {} dup.1 dup.1 call.stubs::wire drop drop {} {} end",
        with_user(&builder),
        install(&bank(&builder)),
        install(&friend(&builder)),
        wire(2),
        call_with(70, "b1", 0),
    );
    let bank = bank(&builder);
    let left = bank.own_type(Felt::new(ACCOUNTS)).expect("it has one").1;
    traps(&builder, &main, |trap| {
        matches!(
            *trap,
            Trap::WrongTokenType { instance: 4, expected, found, .. }
                if [expected, found] == [3, 1].map(|index| installed_type(index, left))
        )
    });
    assert_eq!(installed_type(3, left) - installed_type(1, left), 2);
    // As it is wired to the first one, it is no other type.
    let main = format!(
        "begin {} {} {} dup.3 dup.1 call.stubs::wire drop drop {} {} {} end",
        with_user(&builder),
        install(&bank),
        install(&friend(&builder)),
        wire(2),
        call_with(70, "b1", 0),
        keep(1, 5),
    );
    assert_eq!(builder.run(&main)[0], 70);
}

#[test]
fn handles_of_one_type_are_none_of_another() {
    let builder = banks();
    // A user whose procedures for accounts are for vouchers.
    let mut calls = handles(&builder, 0, VOUCHERS, 1);
    calls.push(import_of(&builder, "c1", OPEN, 1, Shared));
    let mixed = Component::new(calls, exports(&builder, &[("user::give", GIVE)]), vec![]);
    let friend = Component::new(
        vec![import_of(&builder, "c2", GIVE, 1, Isolated)],
        exports(&builder, &[("away::outer", RUN)]),
        vec![],
    );
    let builder = builder.installable(&mixed).installable(&friend);
    let main = format!(
        "begin {} {} {} {} {} {} end",
        install(&bank(&builder)),
        install(&mixed),
        wire(1),
        install(&friend),
        wire(1),
        call("a1", 0),
    );
    traps(&builder, &main, |trap| {
        matches!(trap, Trap::WrongTokenType { instance: 2, .. })
    });
}

#[test]
fn a_type_that_is_not_where_the_import_leads() {
    let builder = banks();
    let main = format!(
        "begin {} {} {} {} {} end",
        with_user(&builder),
        // Where the type of the bank is to be, there is the user.
        install(&friend(&builder)),
        "dup.1 dup.1 call.stubs::wire drop drop",
        wire(1),
        call("b1", 0),
    );
    traps(&builder, &main, |trap| {
        matches!(
            *trap,
            Trap::NoType { instance: 3, target: 2, key } if key == Felt::new(ACCOUNTS)
        )
    });
    // An import that is not wired.
    let main = format!(
        "begin {} {} end",
        install(&user(&builder, Shared)),
        call("a1", 0)
    );
    traps(&builder, &main, |trap| {
        matches!(trap, Trap::NotWired { instance: 1, .. })
    });
}

#[test]
fn definers_are_neither_called_fresh_nor_adopted() {
    let builder = banks();
    let main = format!(
        "begin {} {} {} {} end",
        install(&bank(&builder)),
        install(&user(&builder, Fresh)),
        wire(1),
        call("a1", 0),
    );
    traps(&builder, &main, |trap| {
        matches!(
            trap,
            Trap::FreshDefiner {
                instance: 2,
                target: 1
            }
        )
    });
    let main = format!("begin {} call.stubs::adopt end", install(&bank(&builder)));
    traps(&builder, &main, |trap| {
        matches!(
            trap,
            Trap::AdoptedDefiner {
                instance: 0,
                target: 1
            }
        )
    });
    // Tokens do not pass isolated calls, as ever.
    let main = format!(
        "begin {} {} {} {} end",
        install(&bank(&builder)),
        install(&user(&builder, Isolated)),
        wire(1),
        call("a1", 0),
    );
    traps(&builder, &main, |trap| {
        matches!(trap, Trap::UnknownToken { instance: 2, .. })
    });
}

#[test]
fn who_has_adopted_calls_has_the_handles_that_they_give() {
    let builder = banks();
    // What the root adopts opens an account with a bank that it is wired to.
    let mut calls = handles(&builder, 0, ACCOUNTS, 1);
    calls.push(import_of(&builder, "c1", OPEN, 1, Shared));
    let adopted = Component::new(calls, vec![], vec![]);
    let builder = builder.installable(&adopted);
    let main = format!(
        "begin {} {} {} call.stubs::adopt drop push.9 call.stubs::c1 call.stubs::recv_own0
        call.stubs::drop0 {} end",
        install(&bank(&builder)),
        install(&adopted),
        wire(1),
        keep(1, 2),
    );
    assert_eq!(builder.run(&main)[0], 9);
}

#[test]
fn records_with_types() {
    let builder = banks();
    for component in [bank(&builder), user(&builder, Shared), friend(&builder)] {
        let read = Component::from_elements(&component.to_elements());
        assert_eq!(read.as_ref(), Ok(&component));
        assert_eq!(
            component.num_slots(),
            component.blocks()[0][2].as_int() as u32
        );
    }
    assert_eq!(friend(&builder).num_slots(), 2);
    let bank = bank(&builder);
    let (block, left, of) = bank.own_type(Felt::new(VOUCHERS)).expect("it has one");
    assert_eq!((block, of.destructor), (2, None));
    assert_eq!(left as usize, bank.blocks().len() - 3);
    assert_eq!(bank.own_type(Felt::new(33)), None);
    // Types in another order, or one twice.
    let mut other = bank.clone();
    other.types.swap(0, 1);
    assert_eq!(other.validate(), Err(ComponentError::Order(2)));
    let mut other = bank.clone();
    let [first, second] = [0, 1].map(|i| other.types[i].key);
    other.types[1].key = first;
    assert_eq!(other.validate(), Err(ComponentError::DuplicateType(first)));
    // A type that it does not define.
    let mut other = bank.clone();
    other.types.pop();
    assert_eq!(other.validate(), Err(ComponentError::UnknownType(second)));
    // What only the definer may do.
    for intrinsic in [Intrinsic::New, Intrinsic::Rep, Intrinsic::Instantiate] {
        let call = Call {
            digest: Word::default(),
            meaning: Meaning::Handle {
                intrinsic,
                key: first,
                slot: 1,
            },
        };
        let other = Component::new(vec![call], vec![], vec![]);
        assert_eq!(other.validate(), Err(ComponentError::Authority(intrinsic)));
    }
    // Blocks that are written in another way: a type that says wrongly whether there is a destructor, a definer that
    // hides it, a number of a kind that there is not.
    let elements = bank.to_elements();
    let tag = |block: usize| elements[8 * block].as_int();
    let first_of = |kind| (0..elements.len() / 8).find(|block| tag(*block) == kind);
    for (block, position) in [(0, 3), (1, 2), (1, 3), (2, 4)] {
        let mut other = elements.clone();
        other[8 * block + position] = Felt::new(1) - other[8 * block + position];
        assert_eq!(
            Component::from_elements(&other),
            Err(ComponentError::Block(block)),
            "element {position}"
        );
    }
    for (kind, position) in [(3, 2), (6, 3), (10, 3)] {
        let block = first_of(kind).expect("there is such a block");
        let mut other = elements.clone();
        other[8 * block + position] = Felt::new(7);
        assert_eq!(
            Component::from_elements(&other),
            Err(ComponentError::Block(block)),
            "kind {kind}"
        );
    }
    // Another type's definition is another component.
    let mut other = bank.clone();
    other.types[0] = Type {
        destructor: None,
        ..other.types[0]
    };
    assert_ne!(other.commitment(), bank.commitment());
    let main = format!("begin {} drop end", install(&other));
    traps(&builder, &main, |trap| {
        matches!(trap, Trap::UnknownComponent { .. })
    });
    let mut elements = bank.to_elements();
    elements[3] = Felt::new(0);
    let hash = miden_core::crypto::hash::Rpo256::hash_elements(&elements);
    let mut builder = builder;
    builder.data.insert(hash, elements);
    let [c0, c1, c2, c3]: [Felt; 4] = hash.into();
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
}
