//! A prover service for Miden CVM.
//!
//! [`jobs`] has the rules by which jobs come in, are proven and are over; they are the same on every
//! engine ([`queue`]). A [`worker`] takes jobs and has each proven in a process of its own ([`child`]);
//! the [`server`] takes them from clients, verifies results and tells how it goes; what the service
//! [owns](owned) it runs with advice of its own. [`traces`] tells
//! collectors of it; [`client`] is the other end.

pub mod child;
pub mod client;
pub mod job;
pub mod jobs;
pub mod metrics;
pub mod owned;
pub mod pb;
pub mod queue;
pub mod record;
pub mod server;
pub mod stop;
pub mod traces;
pub mod worker;
