//! The data that the verifier of proofs keeps in memory, and its parameters; of the least and the
//! greatest elements.

use miden_core::{Felt, ONE, StarkField, Word, ZERO};

use super::{Case, Expected, Table, ints, on_stack};
use crate::{
    stark::constants::{CELLS, DOMAIN, POINTERS, address, parameters},
    support::Samples,
};

fn elements() -> [Felt; 3] {
    [ZERO, ZERO - ONE, Samples::new(5).felt()]
}

fn words() -> [Word; 3] {
    elements().map(|element| Word::new([element, element + ONE, element, element]))
}

/// Cells, pointers and parameters, whose names are made of others.
pub fn constants() -> Vec<(String, Vec<Case>)> {
    let mut tables = Vec::new();
    let mut add = |name: String, cases| tables.push((format!("stark::constants::{name}"), cases));
    for (name, addr) in CELLS {
        let values = elements().map(|element| element.as_int());
        let read = values.map(|value| Case::new([], vec![value]).memory(addr, &[value]));
        add(format!("get_{name}"), read.to_vec());
        let written = values.map(|value| Case::new([value], vec![]).leaves(addr, &[value]));
        add(format!("set_{name}"), written.to_vec());
    }
    for (name, addr) in POINTERS {
        add(name.to_owned(), vec![Case::new([], vec![addr.into()])]);
    }
    for (name, value) in parameters() {
        add(name.to_owned(), vec![Case::new([], vec![value.as_int()])]);
    }
    tables
}

/// Words that are read and written.
fn stored() -> Table {
    let read = |addr: u32| {
        words()
            .map(|word| Case::new([], on_stack(word)).memory(addr, &ints(word.as_elements())))
            .to_vec()
    };
    let written = |addr: u32| {
        words()
            .map(|word| Case::new(on_stack(word), vec![]).leaves(addr, &ints(word.as_elements())))
            .to_vec()
    };
    let domain = words().map(|word| {
        let elements = ints(word.as_elements());
        // The getter overwrites a word, and the setter leaves it.
        [
            Case::new([1; 4], on_stack(word)).memory(DOMAIN, &elements),
            Case::new(on_stack(word), on_stack(word)).leaves(DOMAIN, &elements),
        ]
    });
    let [get, set]: [Vec<Case>; 2] =
        [0, 1].map(|i| domain.iter().map(|cases| cases[i].clone()).collect());
    let cleared = words().map(|word| Case::new(on_stack(word), vec![0; 4]));
    vec![
        ("stark::constants::get_lde_domain_info_word", get),
        ("stark::constants::set_lde_domain_info_word", set),
        ("stark::constants::zeroize_stack_word", cleared.to_vec()),
        ("stark::random_coin::get_capacity", read(address("c_ptr"))),
        ("stark::random_coin::get_rate_1", read(address("r1_ptr"))),
        ("stark::random_coin::get_rate_2", read(address("r2_ptr"))),
        (
            "stark::random_coin::set_capacity",
            written(address("c_ptr")),
        ),
        ("stark::random_coin::set_rate_1", written(address("r1_ptr"))),
        ("stark::random_coin::set_rate_2", written(address("r2_ptr"))),
    ]
}

/// Returns inputs with which a proof can be verified, and with which it cannot.
fn inputs() -> Vec<Case> {
    let mut cases = Vec::new();
    for log_length in [0, 5, 6, 29, 30, 1 << 32] {
        for queries in [0, 6, 7, 150, 151, 1 << 32] {
            for grinding in [0, 31, 32, 1 << 32] {
                let is_valid =
                    (6..30).contains(&log_length) && (7..151).contains(&queries) && grinding < 32;
                let stack = vec![log_length, queries, grinding];
                let expected = match is_valid {
                    true => stack.clone().into(),
                    false => Expected::Traps,
                };
                cases.push(Case::new(stack, expected));
            }
        }
    }
    cases
}

pub fn table() -> Table {
    let generators = (1..=32_u32).map(|log_size| {
        let generator = Felt::get_root_of_unity(log_size);
        Case::new([log_size.into()], vec![generator.as_int()])
    });
    let others = vec![
        ("stark::utils::compute_lde_generator", generators.collect()),
        ("stark::utils::validate_inputs", inputs()),
    ];
    [stored(), others].concat()
}
