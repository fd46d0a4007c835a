//! Calls between component instances: the instances, their resource tables, and how one is entered and
//! left.

pub(crate) mod crossing;
pub(crate) mod installed;
pub(crate) mod instances;
pub(crate) mod resources;
pub(crate) mod state;
pub(crate) mod tables;
