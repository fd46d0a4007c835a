//! The Canonical ABI in field elements: how values of WIT types are laid out and how they cross from
//! one instance to another.
//!
//! A value's flat form is a list of elements, and its form in memory is the same list at consecutive
//! addresses: everything is one element wide, so nothing is aligned or padded. Lists and strings are a
//! pointer and a length. What has neither of them and at most [`MAX_FLAT`] elements crosses on the
//! stack; everything else crosses as a message, see [`FlatValues`].

mod flat;
mod signature;
mod values;

pub use crate::error::ValueError;
pub use flat::{Flat, FlatValue, flat_len, flatten, has_pointers};
pub(crate) use flat::{legend, payloads};
pub use signature::{FlatValues, MAX_FLAT, MESSAGE_LEN, Signature};
pub use values::{
    Lowered, Placed, lift_values, lower_values, parse_call, place_value, typed_params, wave_text,
    wave_type,
};

#[cfg(test)]
mod tests;
