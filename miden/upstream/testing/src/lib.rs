//! The crate `miden-utils-testing` of Miden's VM 0.20.6 has what its tests build, run and prove programs
//! with. It is not published; this one has the part of its interface that the published tests use, and
//! does all of it on Miden CVM.
//!
//! Each run is one on Miden CVM, with Miden's processor beside it. Unless it is one of many of a property,
//! the run is repeated with a trace, which has to satisfy every constraint and balance every bus.

mod builders;
pub mod crypto;
mod machine;
pub mod rand;
mod values;

pub use machine::{Chiplets, Execution, Memory, Process, Test, prove, verify};
pub use miden_assembly::debuginfo::{
    DefaultSourceManager, SourceFile, SourceLanguage, SourceManager,
};
pub use miden_core::{
    EMPTY_WORD, Felt, FieldElement, ONE, StackInputs, StackOutputs, StarkField, WORD_SIZE, Word,
    ZERO,
    chiplets::hasher::{STATE_WIDTH, hash_elements},
    stack::MIN_STACK_DEPTH,
    utils::{IntoBytes, ToElements, group_slice_elements},
};
pub use miden_processor::{AdviceInputs, ExecutionError, ExecutionOptions};
pub use miden_prover::{MerkleTreeVC, ProvingOptions};
pub use miden_verifier::VerifierError;
pub use pretty_assertions::assert_eq;
pub use proptest;
pub use values::{
    append_word_to_vec, build_expected_hash, build_expected_perm, felt_slice_to_ints,
    prepend_word_to_vec, prop_randw, push_inputs,
};

pub mod math {
    //! Polynomials.

    pub use winter_prover::math::fft;
}

pub mod serde {
    //! Binary forms.

    pub use miden_core::utils::DeserializationError;
}

/// The first number that does not fit into 32 bits.
pub const U32_BOUND: u64 = 1 << 32;

/// A procedure that leaves the topmost 16 elements on the stack. Programs of the tests end with it, so
/// its code has to be the one that their expected digests and cycles are of.
pub const TRUNCATE_STACK_PROC: &str = "
@locals(4)
proc truncate_stack
     loc_storew_be.0 dropw movupw.3
    sdepth neq.16
    while.true
        dropw movupw.3
        sdepth neq.16
    end
    loc_loadw_be.0
end
";
