//! Precompiles: the host computes them and leaves a request for the verifier to do the same.

use miden_cvm_precompiles::{CalldataError, CorePrecompile};
use thiserror::Error;

use super::{
    Answer,
    region::{self, RegionError},
};
use crate::{advice::AdviceMutation, host::EventHandler, machine::view::ProcessState};

#[derive(Debug, Error)]
enum RequestError {
    #[error("the {name} cannot be read: {error}")]
    Argument {
        name: &'static str,
        #[source]
        error: RegionError,
    },
    #[error(transparent)]
    Calldata(#[from] CalldataError),
}

impl EventHandler for CorePrecompile {
    /// `[event, pointer, length]` for hash functions, `[event, pointers]` for signatures; pushes the
    /// result.
    fn on_event(&self, state: &ProcessState<'_>) -> Answer {
        let mut calldata = Vec::new();
        let mut read = |name, position, len| {
            let pointer = state.get_stack_item(position).as_int();
            region::bytes(state, pointer, len)
                .map(|bytes| calldata.extend(bytes))
                .map_err(|error| RequestError::Argument { name, error })
        };
        match self.arguments() {
            None => read("data", 1, state.get_stack_item(2).as_int())?,
            Some(arguments) => {
                for (position, argument) in arguments.iter().enumerate() {
                    read(argument.name, 1 + position, argument.len as u64)?;
                }
            }
        }
        let evaluation = self.evaluate(&calldata).map_err(RequestError::from)?;
        Ok(vec![
            AdviceMutation::extend_stack(evaluation.advice),
            AdviceMutation::extend_precompile_requests([self.request(calldata)]),
        ])
    }
}
