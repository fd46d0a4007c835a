//! The calling convention: how the parameters and the results of a function are passed.

use super::flat::{Flat, FlatValue, flat_len, flatten, has_pointers};
use crate::wit::{Field, Function, Type};

/// The most elements that cross on the stack, and that a procedure takes or leaves there; more than
/// these are in memory, and their address is on the stack.
pub const MAX_FLAT: usize = 16;

/// The number of elements that stand for a message on the stack: its hash and its length.
pub const MESSAGE_LEN: usize = 5;

/// The way in which parameters, or results, are passed.
///
/// Inside an instance they are flat on the stack, the first element on top, or, if there are more than
/// [`MAX_FLAT`], in memory with their address on the stack. Between instances they cross on the stack
/// just so if they are at most [`MAX_FLAT`] elements without pointers. Otherwise they cross as a
/// message: their memory and that of all lists in them, one after the other, under its RPO hash in the
/// advice map; on the stack is the hash and the number of double words. Either way handles cross as
/// tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlatValues {
    /// The values.
    pub types: Vec<Type>,
    /// Their flat form.
    pub flat: Vec<FlatValue>,
    /// `true` if they cross as a message.
    pub by_message: bool,
}

impl FlatValues {
    fn new(values: &[Field]) -> Self {
        let flat: Vec<FlatValue> = values
            .iter()
            .flat_map(|value| flatten(&value.name, &value.ty))
            .collect();
        let types: Vec<Type> = values.iter().map(|value| value.ty.clone()).collect();
        Self {
            by_message: flat.len() > MAX_FLAT || types.iter().any(has_pointers),
            types,
            flat,
        }
    }

    /// Returns `true` if they are flat on the stack inside an instance.
    pub fn on_stack(&self) -> bool {
        self.flat.len() <= MAX_FLAT
    }

    /// The number of elements on the stack inside an instance.
    pub fn stack_len(&self) -> usize {
        if self.on_stack() { self.flat.len() } else { 1 }
    }

    /// The number of elements on the stack at the boundary.
    pub fn crossing_len(&self) -> usize {
        if self.by_message {
            MESSAGE_LEN
        } else {
            self.flat.len()
        }
    }

    /// The values and where in the flat form each begins.
    pub fn placed(&self) -> impl Iterator<Item = (usize, &Type)> {
        self.types.iter().scan(0, |next, ty| {
            let at = *next;
            *next += flat_len(ty);
            Some((at, ty))
        })
    }

    /// Describes the elements on the stack inside an instance, the top first, for people.
    pub fn stack_names(&self) -> Vec<String> {
        if self.on_stack() {
            self.flat.iter().map(|value| value.name.clone()).collect()
        } else {
            vec!["ptr".into()]
        }
    }

    /// The elements of the flat form.
    pub fn kinds(&self) -> Vec<Flat> {
        self.flat.iter().map(|value| value.flat).collect()
    }
}

/// The signature of a function: how it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Its parameters.
    pub params: FlatValues,
    /// Its results.
    pub results: FlatValues,
}

impl Signature {
    /// The signature of a function.
    pub fn of(function: &Function) -> Self {
        let result: Vec<Field> = function
            .result
            .iter()
            .map(|ty| Field {
                name: "result".into(),
                ty: ty.clone(),
            })
            .collect();
        Self {
            params: FlatValues::new(&function.params),
            results: FlatValues::new(&result),
        }
    }
}
