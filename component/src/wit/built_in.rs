//! Interfaces whose functions are instructions of the VM: every world can import them, nobody has to be
//! there to implement them, and a call of one is the instruction itself.

use super::model::{Function, InterfaceName};

/// The text of a `word` where its name is resolved.
const WORD: &str = "record { w3: felt, w2: felt, w1: felt, w0: felt }";

/// The text of the hash function's state.
const STATE: &str = "tuple<felt, felt, felt, felt, felt, felt, felt, felt, felt, felt, felt, felt>";

/// Interface, function, and what it is in assembly: `[parameters] -> [result]`, the first element on top.
const FUNCTIONS: [(&str, &str, &str); 15] = [
    ("field", "add: func(a: felt, b: felt) -> felt", "add"),
    ("field", "sub: func(a: felt, b: felt) -> felt", "swap sub"),
    ("field", "mul: func(a: felt, b: felt) -> felt", "mul"),
    ("field", "inv: func(a: felt) -> felt", "inv"),
    ("rpo", "permute: func(state: {state}) -> {state}", "hperm"),
    (
        "rpo",
        "merge: func(a: {word}, b: {word}) -> {word}",
        "swapw hmerge",
    ),
    (
        "rpo",
        "hash: func(elements: list<felt>) -> {word}",
        "exec.::miden::core::crypto::hashes::rpo256::hash_elements",
    ),
    (
        "merkle",
        "get: func(root: {word}, depth: u32, index: felt) -> {word}",
        "movup.5 movup.5 mtree_get swapw dropw",
    ),
    (
        "merkle",
        "set: func(root: {word}, depth: u32, index: felt, value: {word}) -> tuple<{word}, {word}>",
        "movup.5 movup.5 mtree_set",
    ),
    (
        "merkle",
        "verify: func(root: {word}, depth: u32, index: felt, value: {word})",
        "movup.5 movup.5 movup.9 movup.9 movup.9 movup.9 mtree_verify dropw drop drop dropw",
    ),
    ("advice", "pop: func() -> felt", "adv_push.1"),
    ("advice", "pop-word: func() -> {word}", "padw adv_loadw"),
    (
        "instance",
        "caller: func() -> felt",
        "push.0 call.::imports::intrinsics::caller",
    ),
    (
        "instance",
        "assert: func(condition: bool)",
        "assert.err=\"miden:cvm: assert\"",
    ),
    ("instance", "print: func(value: felt)", "debug.stack.1 drop"),
];

/// The package's interface of this name, if it is one of the package with the built-in ones.
fn own_name(name: &InterfaceName) -> Option<&str> {
    match name {
        InterfaceName::Package {
            namespace,
            package,
            interface,
            ..
        } if namespace == "miden" && package == "cvm" => Some(interface),
        _ => None,
    }
}

/// Returns `true` if the functions of an interface are instructions.
pub(crate) fn is_built_in(name: &InterfaceName) -> bool {
    own_name(name).is_some()
}

/// The assembly of a function of such an interface; nothing if there is no such function.
pub(crate) fn code(interface: &InterfaceName, function: &Function) -> Option<&'static str> {
    let interface = own_name(interface)?;
    let written = function.to_string();
    let found = FUNCTIONS.iter().find(|(of, signature, _)| {
        *of == interface && signature.replace("{word}", WORD).replace("{state}", STATE) == written
    });
    found.map(|(_, _, code)| *code)
}
