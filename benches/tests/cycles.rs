//! What calls and static data may cost at most.

use miden_cvm_benches::{Cost, Means, Subject, costs};

#[test]
fn calls_cost_what_miden_calls_cost_and_static_data_costs_no_cycles() {
    let costs = costs().expect("all programs run");
    let cycles = |subject: Subject, means: Means| {
        let cost = costs
            .iter()
            .find(|cost: &&Cost| cost.subject == subject && cost.means == means);
        cost.expect("is counted").cycles
    };
    let miden = cycles(Subject::Call, Means::Miden0_20);
    assert!(cycles(Subject::Call, Means::Shared) <= miden + 2.0);
    assert_eq!(cycles(Subject::Call, Means::Open), miden);
    assert_eq!(cycles(Subject::Data, Means::Isolated), 0.0);
    assert_eq!(
        cycles(Subject::Data, Means::Open),
        cycles(Subject::Data, Means::Miden0_20)
    );
}
