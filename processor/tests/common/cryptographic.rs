//! Cases of the operations that proof verifiers, ciphers and precompiles are made of.

use miden_core::{Felt, Operation};

use super::{Case, random_from};

const MODULUS: u64 = 0xffff_ffff_0000_0001;

/// All cases of these operations. Some end in a trap.
pub(super) fn cryptographic_cases() -> Vec<Case> {
    let mut cases = horner_cases();
    cases.extend(fri_cases());
    cases.extend(cipher_cases());
    cases.extend(transcript_cases());
    cases.push(one_of_each());
    cases
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

/// The stack of FRIE2F4 for a query in a segment, all else random.
fn fri_stack(seed: u64, segment: usize) -> Vec<u64> {
    let mut stack = elements(seed, 16);
    stack[9] = segment as u64;
    // The value of the segment is what the layer before was folded into.
    let value = 6 - 2 * segment;
    (stack[11], stack[12]) = (stack[value], stack[value + 1]);
    stack
}

fn fri_cases() -> Vec<Case> {
    let op = Operation::FriE2F4;
    let mut cases = Vec::new();
    for segment in 0..4 {
        let stack = fri_stack(50 + segment as u64, segment);
        let name = format!("{op} in segment {segment}");
        cases.push(Case::operations(&name, vec![op, Operation::Noop]).stack(&stack));
        // With the address of the last layer below, as in a verifier.
        let operations = vec![
            Operation::Push(Felt::new(stack[0])),
            op,
            Operation::Noop,
            Operation::Drop,
        ];
        let name = format!("{op} in segment {segment} of a deep stack");
        let below = [&stack[1..], &[4096]].concat();
        cases.push(Case::operations(&name, operations).stack(&below));
        // Power zero has no point.
        let mut at_zero = stack.clone();
        at_zero[10] = 0;
        let name = format!("{op} in segment {segment} of the power zero");
        cases.push(Case::operations(&name, vec![op, Operation::Noop]).stack(&at_zero));
        // Either coefficient of the value is another one.
        for at in [11, 12] {
            let mut inconsistent = stack.clone();
            inconsistent[at] ^= 1;
            let name = format!("{op} in segment {segment} after another value, at {at}");
            cases.push(Case::operations(&name, vec![op]).stack(&inconsistent));
        }
    }
    for segment in [4, 5, 1 << 32, MODULUS - 1] {
        let mut stack = fri_stack(60, 0);
        stack[9] = segment;
        let name = format!("{op} in segment {segment}");
        cases.push(Case::operations(&name, vec![op]).stack(&stack));
    }
    cases.push(
        Case::masm("FRI in Miden assembly", "begin fri_ext2fold4 end").stack(&fri_stack(61, 2)),
    );
    cases
}

fn cipher_cases() -> Vec<Case> {
    let op = Operation::CryptoStream;
    let last = u64::from(u32::MAX);
    let memory = elements(70, 16);
    let addresses = [
        (0, 8),
        (8, 0),
        (0, 64),
        (4, 12),
        (12, 4),
        (100, 0),
        (last - 11, 0),
        (0, last - 11),
        // Not aligned.
        (1, 64),
        (64, 1),
        (2, 15),
        // With words in common.
        (0, 0),
        (0, 4),
        (4, 0),
        (3, 5),
        (5, 12),
        // Ends at the end of memory, and beyond it.
        (last - 7, 0),
        (0, last - 7),
        (last - 3, 0),
        (0, last - 3),
        (last + 1, 0),
        (0, last + 1),
        (MODULUS - 4, 0),
        (0, MODULUS - 4),
    ];
    let mut cases = Vec::new();
    for (i, (source, target)) in addresses.into_iter().enumerate() {
        let mut stack = elements(71 + i as u64, 16);
        (stack[12], stack[13]) = (source, target);
        let name = format!("{op} from {source} to {target}");
        cases.push(Case::with_memory(&name, &memory, &[op, Operation::Noop]).stack(&stack));
    }
    // Further and further, and what was written is read again.
    let source = "begin
            push.1.2.3.4 mem_storew_be.0 dropw push.5.6.7.8 mem_storew_be.4 dropw
            push.9.10.11.12 mem_storew_be.12 dropw
            repeat.4 crypto_stream hperm end
            padw mem_loadw_be.16 padw mem_loadw_be.28 eqw
            sdepth push.16 neq while.true drop sdepth push.16 neq end
        end";
    let mut stack = elements(99, 16);
    (stack[12], stack[13]) = (0, 16);
    cases.push(Case::masm("a stream of memory", source).stack(&stack));
    cases
}

fn transcript_cases() -> Vec<Case> {
    let op = Operation::LogPrecompile;
    let mut cases = Vec::new();
    for (name, count) in [("once", 1), ("twice", 2), ("five times", 5)] {
        let name = format!("{op} {name}");
        cases.push(Case::operations(&name, vec![op; count]).stack(&elements(110, 16)));
    }
    cases.push(
        Case::masm(
            "precompiles in every context",
            "proc f log_precompile swapw end
            begin
                log_precompile call.f swapdw call.f exec.f
                push.1 while.true log_precompile push.0 end
            end",
        )
        .stack(&elements(111, 16)),
    );
    cases.push(
        Case::with_kernel(
            "precompiles of a kernel",
            "pub proc k log_precompile end",
            "proc f syscall.k log_precompile end
            begin syscall.k call.f log_precompile end",
        )
        .stack(&elements(112, 16)),
    );
    cases
}

/// A program with all of these operations.
fn one_of_each() -> Case {
    let source = "begin
            push.1.2.3.4 mem_storew_be.0 dropw push.5.6.7.8 mem_storew_be.4 dropw
            push.0 movdn.13 horner_eval_base horner_eval_ext
            push.2 movdn.10 movup.9 drop
            dup.2 movdn.12 movup.11 drop
            dup.3 movdn.13 movup.12 drop
            fri_ext2fold4
            push.64 movdn.12 push.0 movdn.12 crypto_stream
            log_precompile log_precompile
            sdepth push.16 neq while.true drop sdepth push.16 neq end
        end";
    Case::masm("one of each", source).stack(&elements(120, 16))
}
