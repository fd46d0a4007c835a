//! The service as its clients and operators meet it.

mod attacks;
mod clients;
mod commands;
mod deploy;
mod failures;
mod host;
mod shared;
mod workers;
