//! Resource tables: handles, how they cross from one instance to another, and destructors.

mod kernel;
mod specification;
