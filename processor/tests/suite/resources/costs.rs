//! Costs of the operations on tables, in rows. The book has these numbers.

use miden_cvm_air::composition::LinkKind::Shared;

use crate::composition::Builder;

/// Rows of a round: cycles, resource tables, memory.
type Rows = [i64; 3];

/// The rows that one more round takes.
fn rows(round: &str) -> Rows {
    let builder = Builder::new(2)
        .component(
            "other",
            "
            pub proc plain push.1 drop end
            pub proc take call.stubs::recv_own0 end
            pub proc look call.stubs::recv_borrow0 call.stubs::drop0 end
            pub proc make call.stubs::new1 call.stubs::send_own1 end
            pub proc rep call.stubs::recv_borrow1 end
            pub proc gone push.1 drop end",
        )
        .link(0, "a1", Shared, 1, "other::plain")
        .link(0, "a2", Shared, 1, "other::take")
        .link(0, "b1", Shared, 1, "other::look")
        .link(0, "b2", Shared, 1, "other::make")
        .link(0, "c1", Shared, 1, "other::rep")
        .resource(0, None)
        .resource(1, Some("other::gone"));
    let lengths = |rounds: usize| {
        let main = format!("begin {} end", format!(" {round} ").repeat(rounds));
        let lengths = builder.trace(&main).lengths;
        [lengths.cycles, lengths.resources, lengths.memory]
    };
    // A power of two more, so that the number of joins grows evenly.
    let (few, many) = (lengths(16), lengths(32));
    std::array::from_fn(|i| (many[i] as i64 - few[i] as i64) / 16)
}

fn less(round: Rows, part: Rows) -> Rows {
    std::array::from_fn(|i| round[i] - part[i])
}

#[test]
fn rows_of_the_operations() {
    let [
        nothing,
        new,
        drop,
        rep,
        lend_again,
        give,
        lend,
        make,
        make_and_rep,
        destroy,
    ] = [
        "push.5 call.stubs::a1 drop",
        "push.5 call.stubs::new0 drop",
        "push.5 call.stubs::new0 call.stubs::drop0 drop",
        "push.5 call.stubs::new0 call.stubs::rep0 drop",
        "push.5 call.stubs::new0 call.stubs::send_borrow0 drop",
        "push.5 call.stubs::new0 call.stubs::send_own0 call.stubs::a2 drop",
        "push.5 call.stubs::new0 call.stubs::send_borrow0 call.stubs::b1 drop",
        "push.5 call.stubs::b2 call.stubs::recv_own1 drop",
        "push.5 call.stubs::b2 call.stubs::recv_own1 call.stubs::send_borrow1 call.stubs::c1 drop",
        "push.5 call.stubs::b2 call.stubs::recv_own1 call.stubs::drop1 drop",
    ]
    .map(rows);
    let call = nothing;
    // Besides the operation's two cycles there are those of the join that leads to it.
    assert_eq!(new[1..], [2, 4]);
    assert_eq!(less(drop, new), [4, 2, 4]);
    assert_eq!(less(rep, new), [4, 2, 1]);
    // A token that nobody receives is discarded, in two rows.
    assert_eq!(less(lend_again, new), [4, 4, 2]);
    assert_eq!(call[1..], [0, 5]);
    // The rest without the call.
    assert_eq!(less(less(give, new), call)[1..], [4, 8]);
    assert_eq!(less(less(lend, new), call)[1..], [6, 10]);
    assert_eq!(less(less(make_and_rep, make), call)[1..], [4, 2]);
    assert_eq!(less(less(destroy, make), call)[1..], [2, 4]);
}
