//! A sample of the audit's mutations, proven: with everything rebuilt that a cheating prover would
//! rebuild, none of them gives a proof that is accepted, unless it is a valid trace of the same claim.

use miden_cvm_audit::Mutations;

use super::{
    resources,
    toolkit::{Forgery, masm},
};

/// The campaign's seed.
const SEED: u64 = 1;

/// Of the mutations of each trace, so many are proven: every one of a certain distance.
const SAMPLE: u64 = 12;

/// The distance, which is odd: cells that are swept through and random changes alternate.
const STEP: u64 = 997;

/// Proves mutations of a trace, each as it is and with how often facts are looked up counted anew.
/// Returns how many were no valid traces.
fn prove_mutations(honest: &Forgery) -> usize {
    let Forgery { trace, public } = honest.clone();
    let mutations = Mutations::new(trace, public.clone(), SEED);
    let forged = (0..SAMPLE).filter(|number| {
        let Some(trace) = mutations.trace(number * STEP) else {
            return false;
        };
        let public = public.clone();
        let mut forged = Forgery { trace, public };
        let rejected = !forged.violations().is_empty();
        rejected && !forged.recount().violations().is_empty()
    });
    forged.count()
}

#[test]
fn mutations_have_no_proof() {
    let program = masm(
        "proc f push.3 mem_store.8 mem_load.8 add end
        begin
            call.f push.5 u32and hperm
            push.1 while.true push.0 end
        end",
    );
    let composition = resources::traces().into_iter().next().expect("a trace");
    for honest in [program, Forgery::new(composition)] {
        // Most mutations are no valid traces of anything.
        let forged = prove_mutations(&honest);
        assert!(2 * forged as u64 > SAMPLE, "only {forged} are forged");
    }
}
