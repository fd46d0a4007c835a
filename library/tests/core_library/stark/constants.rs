//! The memory of the verifier, and its parameters.

use std::collections::BTreeSet;

use miden_core::{Felt, FieldElement, ONE, StarkField};

use crate::support::{Call, Samples, word_at};

const MODULE: &str = "stark::constants";

/// Procedures that read and write one element of memory, with its address.
pub const CELLS: [(&str, u32); 12] = [
    ("lde_domain_generator", 3_223_322_625),
    ("lde_domain_log_size", 3_223_322_626),
    ("lde_domain_size", 3_223_322_627),
    ("number_queries", 3_223_322_628),
    ("remainder_poly_size", 3_223_322_629),
    ("num_fri_layers", 3_223_322_630),
    ("remainder_poly_address", 3_223_322_631),
    ("trace_length", 3_223_322_632),
    ("fri_queries_address", 3_223_322_633),
    ("trace_length_log", 3_223_322_634),
    ("grinding_factor", 3_223_322_635),
    ("trace_domain_generator", 3_223_322_665),
];

/// Procedures that name an address.
pub const POINTERS: [(&str, u32); 30] = [
    ("main_trace_com_ptr", 3_223_322_636),
    ("aux_trace_com_ptr", 3_223_322_640),
    ("composition_poly_com_ptr", 3_223_322_644),
    ("z_ptr", 3_223_322_648),
    ("zero_word_ptr", 3_223_322_652),
    ("deep_rand_alpha_nd_ptr", 3_223_322_656),
    ("ood_fixed_term_horner_evaluations_ptr", 3_223_322_660),
    ("num_public_inputs_ptr", 3_223_322_664),
    ("variable_length_public_inputs_address_ptr", 3_223_322_666),
    ("public_inputs_address_ptr", 3_223_322_667),
    ("c_ptr", 3_223_322_668),
    ("r1_ptr", 3_223_322_672),
    ("r2_ptr", 3_223_322_676),
    ("tmp1", 3_223_322_680),
    ("tmp2", 3_223_322_684),
    ("tmp3", 3_223_322_688),
    ("tmp4", 3_223_322_692),
    ("aux_rand_nd_ptr", 3_223_322_708),
    ("composition_coef_ptr", 3_223_322_712),
    ("deep_rand_coef_ptr", 3_223_322_716),
    (
        "get_procedure_digest_compute_deep_composition_polynomial_queries_ptr",
        3_223_322_728,
    ),
    (
        "get_procedure_digest_execute_constraint_evaluation_check_ptr",
        3_223_322_732,
    ),
    (
        "get_procedure_digest_process_row_ood_evaluations_ptr",
        3_223_322_736,
    ),
    (
        "get_procedure_digest_process_public_inputs_ptr",
        3_223_322_740,
    ),
    ("aux_rand_elem_ptr", 3_225_419_776),
    ("ood_evaluations_ptr", 3_225_419_780),
    ("auxiliary_ace_inputs_ptr", 3_225_420_164),
    ("get_arithmetic_circuit_ptr", 3_225_420_176),
    ("current_trace_row_ptr", 3_238_002_688),
    ("fri_com_ptr", 4_294_912_800),
];

/// The word of zero, generator, logarithm and size of the domain.
pub const DOMAIN: u32 = 3_223_322_624;

/// Procedures that name a parameter, with what it has to be.
pub fn parameters() -> [(&'static str, Felt); 6] {
    [
        ("get_root_unity", Felt::get_root_of_unity(Felt::TWO_ADICITY)),
        ("get_domain_offset", Felt::GENERATOR),
        ("get_domain_offset_inv", Felt::GENERATOR.inv()),
        ("get_num_aux_trace_coefs", Felt::new(2)),
        ("get_blowup_factor", Felt::new(8)),
        ("get_blowup_factor_log", Felt::new(3)),
    ]
}

/// Procedures of words.
const WORDS: [&str; 3] = [
    "set_lde_domain_info_word",
    "get_lde_domain_info_word",
    "zeroize_stack_word",
];

/// The address of the cell with a name, or the one that the procedure with the name has.
pub fn address(name: &str) -> u32 {
    CELLS
        .into_iter()
        .chain(POINTERS)
        .find_map(|(known, address)| (known == name).then_some(address))
        .unwrap_or_else(|| panic!("no address {name}"))
}

/// The procedures tested here.
pub fn procedures() -> Vec<String> {
    let cells = CELLS
        .iter()
        .flat_map(|(name, _)| [format!("get_{name}"), format!("set_{name}")]);
    let pointers = POINTERS.iter().map(|(name, _)| (*name).to_owned());
    let parameters = parameters().map(|(name, _)| name);
    let others = parameters.into_iter().chain(WORDS).map(str::to_owned);
    cells
        .chain(pointers)
        .chain(others)
        .map(|name| format!("::miden::core::{MODULE}::{name}"))
        .collect()
}

fn call(name: &str) -> Call {
    Call::new(&format!("{MODULE}::{name}"))
}

#[test]
fn cells_are_written_and_read() {
    let mut samples = Samples::new(31);
    for (name, address) in CELLS {
        let value = samples.felt();
        let read = call(&format!("get_{name}")).memory(address, [value]).top();
        assert_eq!(read, [value.as_int()], "{name}");
        let written = call(&format!("set_{name}")).stack([value, ONE]).run();
        assert_eq!(written.elements(address, 1), [value], "{name}");
        assert_eq!(written.stack[0], ONE, "{name}");
    }
}

#[test]
fn pointers_are_apart() {
    let addresses: BTreeSet<u32> = POINTERS
        .iter()
        .chain(&CELLS)
        .map(|&(_, address)| address)
        .collect();
    assert_eq!(addresses.len(), POINTERS.len() + CELLS.len());
    for (name, address) in POINTERS {
        assert_eq!(call(name).top(), [u64::from(address)], "{name}");
    }
}

#[test]
fn parameters_are_those_of_the_field() {
    for (name, value) in parameters() {
        assert_eq!(call(name).top(), [value.as_int()], "{name}");
    }
}

#[test]
fn words_are_written_and_read() {
    let word = Samples::new(32).word();
    let written = call("set_lde_domain_info_word").word(word).run();
    assert_eq!(written.elements(DOMAIN, 4), *word);
    assert_eq!(word_at(&written.stack, 0), word);
    let read = call("get_lde_domain_info_word")
        .memory(DOMAIN, word)
        .stack([1_u32; 4]);
    assert_eq!(read.top_word(), word);
    assert_eq!(
        call("zeroize_stack_word").word(word).stack([5_u32]).top(),
        [0, 0, 0, 0, 5]
    );
}
