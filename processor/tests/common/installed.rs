//! Accounts and notes that a root installs by the commitments of their components.

use miden_core::{Felt, Word, ZERO, crypto::hash::Rpo256};
use miden_cvm_air::{
    component::{Call, Component, Export, Meaning, Segment},
    composition::LinkKind,
};

use crate::composition::Builder;

/// The keys of exports.
pub const BUMP: u64 = 11;
pub const WHO: u64 = 12;
pub const PAY: u64 = 13;
pub const LENT: u64 = 14;

/// A function of the first import.
pub fn import(builder: &Builder, stub: &str, key: u64, kind: LinkKind) -> Call {
    Call {
        digest: builder.stub(stub),
        meaning: Meaning::Import {
            key: Felt::new(key),
            slot: 1,
            kind,
        },
    }
}

/// An account counts its calls, beginning with what its data says, and tells who called.
pub const ACCOUNT: &str = "
    pub proc bump mem_load.8 add.1 dup mem_store.8 swap drop end
    pub proc who push.0 call.stubs::caller swap drop end";

/// A note pays into the account that it is wired to, twice, and calls a procedure of its own between.
pub const NOTE: &str = "
    pub proc pay call.stubs::c1 call.own call.stubs::c1 end
    pub proc own push.7 mem_store.0 end
    pub proc lent call.stubs::recv_borrow3
        push.0 dup.1 movdn.15 call.stubs::b2 movup.15 drop swap call.stubs::drop3 drop end";

pub fn export(builder: &Builder, path: &str, key: u64) -> Export {
    Export {
        digest: builder.procedure(path),
        key: Felt::new(key),
    }
}

/// Data of which the first element is this.
pub fn data(start: u64) -> Vec<Felt> {
    let mut data = vec![ZERO; 8];
    data[0] = Felt::new(start);
    data
}

pub fn account(builder: &Builder, start: u64) -> Component {
    let exports = vec![
        export(builder, "account::bump", BUMP),
        export(builder, "account::who", WHO),
    ];
    let segment = Segment {
        address: 8,
        length: 8,
        commitment: Rpo256::hash_elements(&data(start)),
    };
    builder.with_handles(Component::new(Vec::new(), exports, vec![segment]))
}

pub fn note(builder: &Builder, kind: LinkKind) -> Component {
    let calls = vec![
        import(builder, "c1", BUMP, kind),
        Call {
            digest: builder.procedure("note::own"),
            meaning: Meaning::Own,
        },
        Call {
            digest: builder.stub("b2"),
            meaning: Meaning::Held(Felt::new(BUMP)),
        },
    ];
    let exports = vec![
        export(builder, "note::pay", PAY),
        export(builder, "note::lent", LENT),
    ];
    builder.with_handles(Component::new(calls, exports, Vec::new()))
}

/// The root installs accounts that begin with 10 and 20, and notes.
pub fn kernel() -> Builder {
    kernel_among(1)
}

/// The same with so many instances of the composition.
pub fn kernel_among(instances: u32) -> Builder {
    let builder = Builder::new(instances)
        .component("account", ACCOUNT)
        .component("note", NOTE)
        .installs(&[("a1", BUMP), ("a2", WHO), ("b1", PAY), ("c2", LENT)])
        .advised(&data(10))
        .advised(&data(20));
    let components = [
        account(&builder, 10),
        account(&builder, 20),
        note(&builder, LinkKind::Shared),
        note(&builder, LinkKind::Fresh),
    ];
    components
        .iter()
        .fold(builder, |builder, component| builder.installable(component))
}

/// The key of what calls a note.
pub const RUN: u64 = 15;

/// The root installs notes and wires them to accounts that it makes of instance 1, which begin with 10.
pub fn maker() -> Builder {
    let builder = Builder::new(2)
        .component("account", ACCOUNT)
        .component("note", NOTE)
        .component("outer", "pub proc run call.stubs::c2 end")
        .installs(&[("a1", BUMP), ("b1", PAY), ("b2", RUN)])
        .instances_of(1, 2)
        .exports(1, &[("account::bump", BUMP)])
        .data(1, 8, &data(10))
        .advised(&data(20));
    let kinds = [LinkKind::Shared, LinkKind::Fresh, LinkKind::Isolated];
    let notes = kinds.map(|kind| note(&builder, kind));
    let outer = outer(&builder);
    let account = account(&builder, 20);
    let all = notes.iter().chain([&outer, &account]);
    all.fold(builder, |builder, component| builder.installable(component))
}

/// A component that calls a note, isolated.
pub fn outer(builder: &Builder) -> Component {
    let calls = vec![import(builder, "c2", PAY, LinkKind::Isolated)];
    let exports = vec![export(builder, "outer::run", RUN)];
    Component::new(calls, exports, Vec::new())
}

/// Makes an account of instance 1: `[...] -> [account, ...]`.
pub const MAKE: &str = "push.0 call.stubs::instantiate2\n";

/// Wires the next import of what is on top to element `position`: `[note, ...] -> [note, ...]`.
pub fn wire(position: usize) -> String {
    format!("dup.{position} dup.1 call.stubs::wire drop drop\n")
}

/// Puts the commitment of a component at an address and installs an instance: `[...] -> [handle, ...]`.
pub fn install(component: &Component) -> String {
    let [c0, c1, c2, c3]: [Felt; 4] = component.commitment().into();
    format!("push.{c3}.{c2}.{c1}.{c0} mem_storew_le.16 dropw push.16 call.stubs::install\n")
}

/// Puts a word at an address and installs what it commits to by an intrinsic: `[...] -> [handle, ...]`.
pub fn install_at(word: Word, address: u64, intrinsic: &str) -> String {
    let [c0, c1, c2, c3]: [Felt; 4] = word.into();
    format!(
        "push.{c3}.{c2}.{c1}.{c0} mem_storew_le.{address} dropw push.{address} call.stubs::{intrinsic}\n"
    )
}

/// The address of the root of a script, which is the key of its export.
pub const ROOT: u64 = 20;

/// The procedures of a bank, by their numbers.
pub const PROCEDURES: [&str; 3] = ["bank::total", "bank::pay_in", "bank::secret"];

/// The elements of the bank's code.
pub fn code(builder: &Builder) -> Vec<Felt> {
    let digests = PROCEDURES.map(|path| builder.procedure(path));
    digests.iter().flat_map(|digest| digest.to_vec()).collect()
}

/// The commitment to the bank's code.
pub fn code_commitment(builder: &Builder) -> Word {
    Rpo256::hash_elements(&code(builder))
}

/// The root installs banks, of which the code is advised, and scripts that pay in, twice.
pub fn bank() -> Builder {
    let builder = Builder::new(1).component(
        "bank",
        "pub proc total mem_load.0 swap drop end
        pub proc pay_in mem_load.0 add.1 dup mem_store.0 swap drop end
        pub proc secret push.99 swap drop end",
    );
    let [d0, d1, d2, d3]: [Felt; 4] = builder.procedure("bank::pay_in").into();
    let pay =
        format!("push.{d3}.{d2}.{d1}.{d0} mem_storew_le.40 dropw push.40 dyncall push.40 dyncall");
    let builder = builder
        .component("script", &format!("pub proc run {pay} end"))
        .component("stranger", "pub proc run push.1 drop call.stubs::d1 end")
        .installs(&[("a1", 0), ("a2", 1), ("b1", ROOT)]);
    let code = code(&builder);
    builder.advised(&code)
}

/// A component that imports the bank's second procedure, by its number.
pub fn calls_of_bank(builder: &Builder) -> Component {
    let calls = vec![import(builder, "c1", 1, LinkKind::Shared)];
    Component::new(calls, Vec::new(), Vec::new())
}

/// The root installs a bank and a script, calls the script, and then the bank twice.
pub fn pays_in(builder: &Builder) -> String {
    format!(
        "begin {} {} {} {} {} end",
        bank_and_script(builder),
        call("b1", 0),
        call("a2", 2),
        call("a1", 3),
        keep(3, 5),
    )
}

/// A bank, and a script that is wired to it: `[...] -> [script, bank, ...]`.
pub fn bank_and_script(builder: &Builder) -> String {
    format!(
        "{} {} {}",
        install_at(code_commitment(builder), 16, "install_code"),
        install_at(builder.procedure("script::run"), ROOT, "install_procedure"),
        wire(1),
    )
}

/// A call of what element `position` is a handle to, with 0 on top, in the place of which the result
/// comes.
pub fn call(stub: &str, position: usize) -> String {
    let position = position + 1;
    format!("push.0 dup.{position} movdn.15 call.stubs::{stub} movup.15 drop\n")
}

/// Drops what is below so many elements, of all that were pushed.
pub fn keep(count: usize, pushed: usize) -> String {
    let below = match count {
        1 => "swap".to_owned(),
        count => format!("movup.{count}"),
    };
    format!("repeat.{pushed} {below} drop end")
}

/// The component that a root adopts: two calls over a wire, by stubs that the composition has no links for.
pub fn calls(builder: &Builder) -> Component {
    let import = |stub, key| import(builder, stub, key, LinkKind::Shared);
    let calls = vec![import("c1", BUMP), import("b2", WHO)];
    Component::new(calls, Vec::new(), Vec::new())
}

/// An account and the calls, wired to it: `[...] -> [calls, account, ...]`.
pub fn wired(builder: &Builder) -> String {
    format!(
        "{} {} dup.1 dup.1 call.stubs::wire drop drop",
        install(&account(builder, 10)),
        install(&calls(builder))
    )
}
