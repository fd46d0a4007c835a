//! The service as its clients and operators meet it.

mod attacks;
mod claims;
mod clients;
mod commands;
mod deploy;
mod failures;
mod formats;
mod host;
mod page;
#[path = "../../../tests/cli/schema.rs"]
mod schema;
mod shared;
mod slices;
mod traces;
mod workers;
