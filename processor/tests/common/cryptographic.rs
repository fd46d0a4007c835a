//! Cases of the operations that proof verifiers, ciphers and precompiles are made of.

use miden_core::Operation;

use super::{Case, random_from};

const MODULUS: u64 = 0xffff_ffff_0000_0001;

/// All cases of these operations. Some end in a trap.
pub(super) fn cryptographic_cases() -> Vec<Case> {
    horner_cases()
}

/// Elements that look random, the same for the same seed.
fn elements(seed: u64, count: usize) -> Vec<u64> {
    let mut random = random_from(seed);
    (0..count)
        .map(|_| (u64::from(random()) << 33 ^ u64::from(random())) % MODULUS)
        .collect()
}

fn horner_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let memory = elements(1, 12);
    for op in [Operation::HornerBase, Operation::HornerExt] {
        // The point is at 0, across words, or where nothing was written; the last are refused.
        for (i, address) in [
            0,
            1,
            3,
            4,
            8,
            11,
            100,
            u64::from(u32::MAX) - 3,
            u64::from(u32::MAX),
            1 << 32,
            MODULUS - 1,
        ]
        .into_iter()
        .enumerate()
        {
            let mut stack = elements(10 + i as u64, 16);
            stack[13] = address;
            cases.push(
                Case::with_memory(
                    &format!("{op} with a point at {address}"),
                    &memory,
                    &[op; 3],
                )
                .stack(&stack),
            );
        }
        let mut stack = vec![0; 16];
        stack[13] = 4;
        cases.push(Case::with_memory(&format!("{op} of zeros"), &memory, &[op; 2]).stack(&stack));
        // Under elements that came back from the overflow.
        let deep = [vec![Operation::Pad; 3], vec![Operation::Drop; 3], vec![op]].concat();
        let mut stack = elements(30, 16);
        stack[13] = 8;
        cases
            .push(Case::with_memory(&format!("{op} after overflow"), &memory, &deep).stack(&stack));
    }
    let source = "begin
            push.0 movdn.13 movup.14 drop
            repeat.3 horner_eval_base swapdw horner_eval_ext end
        end";
    cases.push(Case::masm("Horner in Miden assembly", source).stack(&elements(31, 16)));
    cases
}
