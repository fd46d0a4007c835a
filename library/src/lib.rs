//! The code that programs are assembled with: Miden's core library and instructions, corrected.
//!
//! A proof says that a program ran, and what the program took from its host it has to check itself.
//! The published core library 0.20.6, and what the published assembler makes of some instructions,
//! do not check all of it. [`core_library`] has the same procedures, with those replaced that do
//! not show what they return, and all that use them made anew; everything else has the digest that
//! it was published with. [`correct`] does the same to the instructions in a module.
//!
//! Each fault of the published ones is an [`Advisory`]; [`findings`] looks for them in code that is
//! assembled already.
//!
//! `assets/core.masl.zlib` is made of the published library and of `masm/`, and `assets/interface.masl` is what
//! others need to know of it; a test makes both again and compares. Another one finds in the published code
//! the advisories that `assets/advisories.txt` says it has.

mod advisories;
mod instructions;
mod libraries;

pub use advisories::{ADVISORIES, Advisory, Finding, findings};
pub use instructions::{correct, corrected_instructions};
pub use libraries::{
    SHORT_CODE, core_code_with, core_interface, core_library, published_core_interface,
    published_core_library,
};
