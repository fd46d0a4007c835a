//! FRI over the quadratic extension, layers folded by four, against a proof of Winterfell's.

use std::sync::LazyLock;

use miden_core::{Felt, FieldElement, ONE, QuadFelt, StarkField};

use crate::{
    recursion::{Advice, Proven, Transcript, coefficients, horner, sample, with_advice},
    stark::constants::address,
    support::{Call, procedures},
};

/// A proof of 2048 rows, so that FRI has two layers and a remainder of 128 coefficients.
fn larger() -> &'static Transcript {
    static LARGER: LazyLock<Transcript> =
        LazyLock::new(|| Transcript::new(&Proven::new(1200, 7, 0, 0)));
    &LARGER
}

/// Where the layers are, and the remainder after them.
fn pointers(transcript: &Transcript) -> [u32; 2] {
    let layers = address("fri_com_ptr");
    [layers, layers + 8 * transcript.layers.len() as u32]
}

/// The layers as they are stored: commitment, challenge, and the cosets with their logarithm.
fn layers(transcript: &Transcript) -> Vec<Felt> {
    let words = transcript.layers.iter().flat_map(|layer| {
        let cosets = layer.cosets as u64;
        let sizes = [u64::from(layer.cosets.ilog2()), cosets].map(Felt::new);
        [&*layer.commitment, coefficients(&[layer.challenge]), &sizes].concat()
    });
    words.collect()
}

/// Returns the queries of FRI, as they are stored: value, position and power of the generator.
fn queries(transcript: &Transcript) -> Vec<Felt> {
    let words = transcript.positions.iter().flat_map(|&position| {
        let place = [Felt::new(position as u64), transcript.power(position)];
        [coefficients(&[transcript.first_layer(position)]), &place].concat()
    });
    words.collect()
}

/// A call with layers and remainder in memory.
fn call(procedure: &str, transcript: &Transcript) -> Call {
    let [layers_at, remainder_at] = pointers(transcript);
    // An empty sum, and where the remainder is evaluated at.
    let remainder_state = [0, 0, address("tmp2"), remainder_at];
    let advice = Advice {
        stack: Vec::new(),
        ..transcript.advice()
    };
    let call = Call::new(&format!("pcs::fri::frie2f4::{procedure}"))
        .memory(layers_at, layers(transcript))
        .memory(remainder_at, coefficients(&transcript.remainder).to_vec())
        .memory(address("tmp1"), remainder_state)
        .memory(address("remainder_poly_address"), [remainder_at])
        .memory(
            address("remainder_poly_size"),
            [transcript.remainder.len() as u32],
        );
    with_advice(call, &advice)
}

/// The stack of a query: power of the generator, position and value.
fn query(transcript: &Transcript, position: usize, value: QuadFelt) -> [Felt; 4] {
    let [value0, value1] = value.to_base_elements();
    let power = transcript.power(position);
    [power, Felt::new(position as u64), value1, value0]
}

/// The folded value after a layer: what the next one has, or the remainder at the point.
fn folded(transcript: &Transcript, layer: usize, position: usize) -> QuadFelt {
    let position = position % transcript.layers[layer].cosets;
    match transcript.layers.get(layer + 1) {
        Some(next) => next.coset(position % next.cosets)[position / next.cosets],
        None => {
            let log_size = transcript.layers[layer].cosets.ilog2();
            let power = Felt::get_root_of_unity(log_size).exp(position as u64);
            horner(&transcript.remainder, (Felt::GENERATOR * power).into())
        }
    }
}

fn check_query(procedure: &str, transcript: &Transcript) {
    let [layers_at, remainder_at] = pointers(transcript);
    let position = transcript.positions[0];
    let value = transcript.first_layer(position);
    let run = |value| {
        call(procedure, transcript)
            .stack(query(transcript, position, value))
            .stack([layers_at, remainder_at])
    };
    run(value).run();
    run(value + QuadFelt::ONE).trap();
}

/// The call of `preprocess`.
pub fn preprocess_call() -> Call {
    let sample = sample();
    let remainder = coefficients(&sample.remainder);
    Call::new("pcs::fri::frie2f4::preprocess")
        .stack([7_u32])
        .advice([sample.queries as u32])
        .advice(queries(sample))
        .advice([sample.layers.len() as u32])
        .advice(layers(sample))
        .advice([remainder.len() as u32 / 4])
        .advice(remainder.to_vec())
}

/// The call of `verify` with queries.
fn verify_call(transcript: &Transcript, queries: Vec<Felt>) -> Call {
    let queries_at = address("fri_com_ptr") - queries.len() as u32;
    let [_, generator, ..] = transcript.domain();
    call("verify", transcript)
        .memory(queries_at, queries)
        .memory(address("fri_queries_address"), [queries_at])
        .memory(address("lde_domain_generator"), [generator])
}

/// The queries with another value of the last one.
fn other_queries(transcript: &Transcript) -> Vec<Felt> {
    let mut others = queries(transcript);
    let last = others.len() - 3;
    others[last] += ONE;
    others
}

/// Calls of `verify`, with the queries of a proof and with another one.
pub fn verify_calls() -> Vec<Call> {
    let sample = sample();
    [queries(sample), other_queries(sample)]
        .map(|queries| verify_call(sample, queries))
        .to_vec()
}

procedures! { "::miden::core::pcs::fri::frie2f4";
    fn preprocess() {
        let sample = sample();
        let remainder = coefficients(&sample.remainder);
        let outcome = preprocess_call().run();
        let [layers_at, remainder_at] = pointers(sample);
        let queries = queries(sample);
        let queries_at = layers_at - queries.len() as u32;
        let stored = [
            (queries_at, queries),
            (layers_at, layers(sample)),
            (remainder_at, remainder.to_vec()),
            (address("fri_queries_address"), vec![Felt::from(queries_at)]),
            (address("remainder_poly_size"), vec![Felt::new(64)]),
            (address("remainder_poly_address"), vec![Felt::from(remainder_at)]),
        ];
        for (addr, elements) in stored {
            assert_eq!(outcome.elements(addr, elements.len() as u32), elements, "{addr}");
        }
    }

    fn verify_query_layer() {
        let sample = sample();
        let [layers_at, remainder_at] = pointers(sample);
        let mut addr = layers_at;
        let mut position = sample.positions[1];
        let mut value = sample.first_layer(position);
        let mut power = sample.power(position);
        for (i, layer) in sample.layers.iter().enumerate() {
            let run = |value: QuadFelt| {
                let [value0, value1] = value.to_base_elements();
                call("verify_query_layer", sample)
                    .stack([addr, addr])
                    .stack([power, Felt::new(position as u64), value1, value0])
                    .stack([addr, remainder_at])
            };
            let outcome = run(value).run();
            run(value + QuadFelt::ONE).trap();
            let next = folded(sample, i, position);
            position %= layer.cosets;
            value = next;
            power = power.exp(4);
            addr += 8;
            let [value0, value1] = value.to_base_elements();
            let pointers = [addr, remainder_at].map(Felt::from);
            let expected = [
                Felt::from(i + 1 < sample.layers.len()),
                pointers[0],
                pointers[0],
                power,
                Felt::new(position as u64),
                value1,
                value0,
                pointers[0],
                pointers[1],
            ];
            assert_eq!(outcome.stack[..9], expected);
        }
    }

    fn verify_query_64() {
        check_query("verify_query_64", sample());
    }

    fn verify_query_128() {
        check_query("verify_query_128", larger());
    }

    fn verify() {
        for transcript in [sample(), larger()] {
            verify_call(transcript, queries(transcript)).run();
            verify_call(transcript, other_queries(transcript)).trap();
        }
    }
}
