//! Whole proofs.

use miden_core::{Felt, ONE, Word, ZERO};

use crate::{
    recursion::{Advice, Proven, Transcript, sample, verify_proof as call_with},
    support::{Call, procedures},
};

/// A call with a proof.
pub fn call() -> Call {
    call_with(sample(), &sample().advice())
}

procedures! { "::miden::core::sys::vm";
    fn verify_proof() {
        // Remainders of 128 and 64 coefficients, kernels of every size, and the layers between.
        let cases = [(100, 7, 0, 0, 0), (200, 8, 1, 1, 1), (300, 27, 0, 0, 1), (600, 16, 2, 3, 2)];
        for (cycles, queries, grinding, kernel, layers) in cases {
            let transcript = Transcript::new(&Proven::new(cycles, queries, grinding, kernel));
            assert_eq!(transcript.layers.len(), layers);
            let call = call_with(&transcript, &transcript.advice());
            let outcome = call.run();
            assert!(outcome.advice_stack.is_empty());
            assert_eq!(outcome.stack, [ZERO; 16]);
        }
    }
}

/// CVM-2026-014: the run had another program, and ended with another stack.
#[test]
fn proofs_of_false_statements() {
    let proven = Proven::claiming(100, 7, 0, 1, |statement| {
        statement.program = Word::new([5, 6, 7, 8].map(Felt::new));
        statement.stack_outputs = vec![Felt::new(777); 16];
    });
    let transcript = Transcript::new(&proven);
    let call = call_with(&transcript, &transcript.advice());
    // It is a proof of that verification, too.
    call.prove();
}

#[test]
fn tampered_proofs_are_refused() {
    let sample = sample();
    let advice = sample.advice();
    let public = 1;
    let kernel = public + 40;
    let random = kernel + 8 * sample.kernel.len();
    let commitments = random + 5;
    let deep = commitments + 12;
    let out_of_domain = deep + 2;
    let layers = out_of_domain + 2 * 2 * 96;
    let remainder = layers + 4 * (sample.layers.len() + 1);
    let nonce = remainder + 2 * sample.remainder.len();
    assert_eq!(nonce + 1, advice.stack.len());
    let parts = [
        ("the number of public inputs", 0),
        ("the stack's inputs", public + 3),
        ("the stack's outputs", public + 16),
        ("the program", public + 35),
        ("the padding after the program", public + 36),
        ("a procedure of the kernel", kernel + 15),
        ("the base of the random elements' powers", random),
        ("the first random element", random + 3),
        ("the number of procedures", random + 4),
        ("the commitment to the main segment", commitments),
        ("the commitment to the auxiliary segment", commitments + 5),
        ("the commitment to the quotient", commitments + 11),
        ("what batches the columns", deep),
        ("a value of the trace at z", out_of_domain),
        ("a value of the quotient at z", out_of_domain + 2 * 95),
        ("a value of the trace after z", out_of_domain + 2 * 96 + 7),
        ("the commitment to a layer", layers + 6),
        ("the commitment to the remainder", remainder - 1),
        ("the remainder", remainder + 9),
        ("the nonce", nonce),
    ];
    for (part, at) in parts {
        let mut advice = advice.clone();
        advice.stack[at] += ONE;
        println!("{part}: {}", call_with(sample, &advice).trap());
    }
    // Rows that are opened, of every width.
    for width in [80, 16, 8] {
        let mut advice = advice.clone();
        let rows = advice.map.values_mut().filter(|row| row.len() == width);
        rows.for_each(|row| row[width - 1] += ONE);
        println!(
            "rows of {width} elements: {}",
            call_with(sample, &advice).trap()
        );
    }
    // The trees that they are opened from.
    call_with(
        sample,
        &Advice {
            nodes: Vec::new(),
            ..advice.clone()
        },
    )
    .trap();
}

#[test]
fn other_parameters_are_refused() {
    let others: [fn(&mut Transcript); 3] = [
        |transcript| transcript.log_length += 1,
        |transcript| transcript.queries += 1,
        |transcript| transcript.grinding -= 1,
    ];
    let proven = Proven::new(100, 7, 1, 0);
    for other in others {
        let mut transcript = Transcript::new(&proven);
        let advice = transcript.advice();
        other(&mut transcript);
        call_with(&transcript, &advice).trap();
    }
}
