//! One choice of features for each dependency of the workspace.
//!
//! Cargo builds a dependency once for each set of features that is asked of it. Build scripts (the core library's
//! has the assembler), the tests' and our own code ask for different ones, so the assembler, the hash functions and
//! most of what they need would be built two times, and the command line's once more. This crate is a member of the workspace
//! that asks for what any of them does, for both kinds of code. Nothing depends on it, and it is not published.
