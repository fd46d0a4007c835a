//! Components that a root installs of which one defines resource types.

use miden_core::Felt;
use miden_cvm_air::{
    component::{Call, Component, Export, Meaning, Type},
    composition::{Intrinsic, LinkKind, Right},
};

use crate::{composition::Builder, installed::export};

/// The keys of the bank's types: accounts have a destructor, vouchers none.
pub const ACCOUNTS: u64 = 31;
pub const VOUCHERS: u64 = 32;

/// The keys of exports.
pub const OPEN: u64 = 41;
pub const BALANCE: u64 = 42;
pub const CLOSE: u64 = 43;
pub const SUM: u64 = 44;
pub const APART: u64 = 45;
pub const ISSUE: u64 = 46;
pub const RUN: u64 = 51;
pub const GIVE: u64 = 52;
pub const VOUCHER: u64 = 53;
pub const SHUT: u64 = 54;
pub const PULL: u64 = 61;
pub const OUTER: u64 = 62;

/// The bank makes accounts, which stand for what is in them, and adds up what was in those that are gone. Its stubs
/// for handles are those of type 0 for accounts and of type 1 for vouchers.
pub const BANK: &str = "
    pub proc open call.stubs::new0 call.stubs::send_own0 end
    pub proc balance call.stubs::recv_borrow0 end
    pub proc close call.stubs::recv_own0 dup call.stubs::rep0 swap call.stubs::drop0 drop end
    pub proc sum mem_load.8 swap drop end
    pub proc apart call.sum end
    pub proc issue call.stubs::new1 call.stubs::send_own1 end
    pub proc destroy dup mem_load.8 add mem_store.8 end";

/// A user opens an account, asks for its balance and drops it, or closes it, or gives it to who calls; or takes a
/// voucher and drops that.
pub const USER: &str = "
    pub proc run call.stubs::c1 call.stubs::recv_own0 dup call.stubs::send_borrow0 call.stubs::c2
        swap call.stubs::drop0 drop end
    pub proc shut call.stubs::c1 call.stubs::recv_own0 call.stubs::send_own0 call.stubs::a2 end
    pub proc give call.stubs::c1 call.stubs::recv_own0 call.stubs::send_own0 end
    pub proc voucher call.stubs::b2 call.stubs::recv_own1 call.stubs::drop1 end";

/// A friend is given an account by a user and drops it: it has the type alone, and no function of the bank.
pub const FRIEND: &str = "
    pub proc pull call.stubs::b1 call.stubs::recv_own0 call.stubs::drop0 end";

/// A component that calls a user isolated.
pub const AWAY: &str = "pub proc outer call.stubs::c2 end";

/// A function of an import.
pub fn import_of(builder: &Builder, stub: &str, key: u64, slot: u32, kind: LinkKind) -> Call {
    Call {
        digest: builder.stub(stub),
        meaning: Meaning::Import {
            key: Felt::new(key),
            slot,
            kind,
        },
    }
}

/// The procedures for handles of a type, under the stubs of this number: of import `slot`, or of the component's own.
pub fn handles(builder: &Builder, stubs: u32, key: u64, slot: u32) -> Vec<Call> {
    let all = Intrinsic::ALL.into_iter();
    let fit = all.filter(|intrinsic| match intrinsic.right() {
        Right::Holder => true,
        Right::Definer => slot == 0,
        _ => false,
    });
    fit.map(|intrinsic| Call {
        digest: builder.stub(&format!("{}{stubs}", intrinsic.identifier())),
        meaning: Meaning::Handle {
            intrinsic,
            key: Felt::new(key),
            slot,
        },
    })
    .collect()
}

pub fn exports(builder: &Builder, all: &[(&str, u64)]) -> Vec<Export> {
    all.iter()
        .map(|(path, key)| export(builder, path, *key))
        .collect()
}

pub fn bank(builder: &Builder) -> Component {
    let mut calls = handles(builder, 0, ACCOUNTS, 0);
    calls.extend(handles(builder, 1, VOUCHERS, 0));
    calls.push(Call {
        digest: builder.procedure("bank::sum"),
        meaning: Meaning::Own,
    });
    let exports = exports(
        builder,
        &[
            ("bank::open", OPEN),
            ("bank::balance", BALANCE),
            ("bank::close", CLOSE),
            ("bank::sum", SUM),
            ("bank::apart", APART),
            ("bank::issue", ISSUE),
        ],
    );
    Component::new(calls, exports, Vec::new()).with_types(vec![
        Type {
            key: Felt::new(VOUCHERS),
            destructor: None,
        },
        Type {
            key: Felt::new(ACCOUNTS),
            destructor: Some(builder.procedure("bank::destroy")),
        },
    ])
}

/// A user that calls its bank so.
pub fn user(builder: &Builder, kind: LinkKind) -> Component {
    let mut calls = handles(builder, 0, ACCOUNTS, 1);
    calls.extend(handles(builder, 1, VOUCHERS, 1));
    let imports = [("c1", OPEN), ("c2", BALANCE), ("a2", CLOSE), ("b2", ISSUE)];
    calls.extend(imports.map(|(stub, key)| import_of(builder, stub, key, 1, kind)));
    let exports = exports(
        builder,
        &[
            ("user::run", RUN),
            ("user::give", GIVE),
            ("user::voucher", VOUCHER),
            ("user::shut", SHUT),
        ],
    );
    Component::new(calls, exports, Vec::new())
}

/// Import 1 leads to a user, import 2 to the bank.
pub fn friend(builder: &Builder) -> Component {
    let mut calls = handles(builder, 0, ACCOUNTS, 2);
    calls.push(import_of(builder, "b1", GIVE, 1, LinkKind::Shared));
    let exports = exports(builder, &[("friend::pull", PULL)]);
    Component::new(calls, exports, Vec::new())
}

pub fn away(builder: &Builder) -> Component {
    let calls = vec![import_of(builder, "c2", RUN, 1, LinkKind::Isolated)];
    let exports = exports(builder, &[("away::outer", OUTER)]);
    Component::new(calls, exports, Vec::new())
}

/// The root installs all of them, and calls what it holds.
pub fn banks() -> Builder {
    let builder = Builder::new(1)
        .component("bank", BANK)
        .component("user", USER)
        .component("friend", FRIEND)
        .component("away", AWAY)
        .installs(&[
            ("a1", RUN),
            ("a2", SUM),
            ("b1", PULL),
            ("b2", OUTER),
            ("c1", APART),
            ("c2", VOUCHER),
            ("d1", SHUT),
        ]);
    let components = [
        bank(&builder),
        user(&builder, LinkKind::Shared),
        user(&builder, LinkKind::Fresh),
        user(&builder, LinkKind::Isolated),
        friend(&builder),
        away(&builder),
    ];
    components
        .iter()
        .fold(builder, |builder, component| builder.installable(component))
}
