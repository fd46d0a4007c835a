//! Typed calls: a function of the root's world with values, instead of elements on a stack.

use miden_core::{Felt, Program, Word};
use miden_cvm_component::{
    abi::{
        Lowered, Signature, ValueError, lift_values, lower_values, parse_call, typed_params,
        wave_text,
    },
    wit::Function,
};
use thiserror::Error;
use wasm_wave::value::Value;

use crate::{
    AdviceInputs, AdviceProvider, Arguments, Composition, Inputs, StackInputs, Statement, Target,
};

/// A call that cannot be made of a target.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CallError {
    /// The target has no world whose functions could be called.
    #[error(
        "the target has no typed function: only a composition whose root component is described by WIT \
         has one"
    )]
    Untyped,
    /// The root exports no function of this name, or several.
    #[error("the root exports no single function `{name}`: it has {}", .known.join(", "))]
    UnknownFunction {
        /// The name.
        name: String,
        /// The functions that it exports.
        known: Vec<String>,
    },
    /// A statement is about something else than the target.
    #[error("the statement is about another program or composition than this target")]
    OtherTarget,
    /// A parameter, or the result, does not fit its type.
    #[error(transparent)]
    Value(#[from] ValueError),
}

/// A call of a function of a target's root, such as `main("alice", 3)`.
#[derive(Debug, Clone)]
pub struct TypedCall {
    function: Function,
    params: Vec<Value>,
    lowered: Lowered,
}

/// A function that the root of a composition exports, and its program.
#[derive(Debug, Clone)]
pub(crate) struct RootFunction {
    /// Its name: of the function alone, and with its interface.
    pub(crate) names: [String; 2],
    pub(crate) function: Function,
    pub(crate) program: Program,
}

impl Target {
    /// The function that the target runs; nothing if it has no types.
    pub fn function(&self) -> Option<&Function> {
        let main = self.program().hash();
        let mut functions = self.functions.iter();
        let found = functions.find(|function| function.program.hash() == main)?;
        Some(&found.function)
    }

    /// Reads a call in WAVE, the text form of values of the Component Model, and makes the function that
    /// it names the one that the target runs. It can be any that the root exports, by its own name or
    /// with its interface, `interface#function`; a run of another one is that of another program.
    ///
    /// # Errors
    /// Returns an error if the root has no such function, or if the parameters are not of its types.
    pub fn call(&mut self, text: &str) -> Result<TypedCall, CallError> {
        let (name, _) = text.split_once('(').unwrap_or((text, ""));
        let name = name.trim();
        let found = self.select(name)?;
        // WAVE knows labels only, and the name of an interface is none. One that is as long keeps the places.
        let open = text.find('(').unwrap_or(text.len());
        let call = "f".repeat(open) + &text[open..];
        let params = parse_call(&call)
            .and_then(|call| typed_params(&found, &call))
            .map_err(|error| error.in_text(text))?;
        self.typed_call(found, params)
    }

    /// A call of a function with values that are there already.
    ///
    /// # Errors
    /// Returns an error if the root has no such function, or if the values are not of its types.
    pub fn call_with(&mut self, name: &str, params: Vec<Value>) -> Result<TypedCall, CallError> {
        let found = self.select(name)?;
        self.typed_call(found, params)
    }

    fn typed_call(&self, function: Function, params: Vec<Value>) -> Result<TypedCall, CallError> {
        let signature = Signature::of(&function);
        let lowered = lower_values(&function.params, &signature.params, &params)?;
        Ok(TypedCall {
            function,
            params,
            lowered,
        })
    }

    /// Makes a function of the root the one that runs.
    fn select(&mut self, name: &str) -> Result<Function, CallError> {
        if self.functions.is_empty() {
            return Err(CallError::Untyped);
        }
        let mut found = self
            .functions
            .iter()
            .filter(|function| function.names.iter().any(|known| known == name));
        let (Some(function), None) = (found.next(), found.next()) else {
            return Err(CallError::UnknownFunction {
                name: name.into(),
                known: self
                    .functions
                    .iter()
                    .map(|function| format!("`{}`", function.names[1]))
                    .collect(),
            });
        };
        let (function, program) = (function.function.clone(), function.program.clone());
        self.set_program(program);
        Ok(function)
    }
}

impl TypedCall {
    /// The function.
    pub fn function(&self) -> &Function {
        &self.function
    }

    /// The parameters.
    pub fn params(&self) -> &[Value] {
        &self.params
    }

    /// Returns the inputs of the run: `others`, with the parameters on top of the stack, and their
    /// message in the advice map if they cross as one. Elements of `others` stay below the
    /// parameters.
    pub fn inputs(&self, others: Inputs) -> Inputs {
        let mut stack = self.lowered.stack.clone();
        stack.extend(others.arguments.stack.iter().copied());
        // There are at most 16 parameters on the stack.
        stack.truncate(16);
        stack.reverse();
        let advice: AdviceInputs = match &self.lowered.message {
            Some((hash, elements)) => others.advice.with_map([(*hash, elements.clone())]),
            None => others.advice,
        };
        Inputs {
            arguments: Arguments {
                stack: StackInputs::new(stack).unwrap_or_default(),
                ..others.arguments
            },
            advice,
        }
    }

    /// Returns `true` if the result crosses as a message, which is in the advice map of the run.
    pub fn result_is_message(&self) -> bool {
        Signature::of(&self.function).results.by_message
    }

    /// The result of a run that ended with this stack and this advice; nothing if the function has none.
    ///
    /// # Errors
    /// Returns an error if the result is none of the function's type, which a component without bindings
    /// can give.
    pub fn result(
        &self,
        stack: &[Felt],
        advice: Option<&AdviceProvider>,
    ) -> Result<Option<Value>, CallError> {
        let results = Signature::of(&self.function).results;
        let message = |hash: &Word| Some(advice?.map().get(hash)?.to_vec());
        Ok(lift_values(&results, stack, message)?.pop())
    }
}

/// The call that a statement states.
#[derive(Debug, Clone)]
pub struct StatedCall {
    /// The function.
    pub function: Function,
    /// The parameters; an error if they are in a message, of which a statement has the hash.
    pub params: Result<Vec<Value>, ValueError>,
    /// The result, if there is one; an error if it is in a message.
    pub result: Result<Option<Value>, ValueError>,
}

impl Target {
    /// Returns the call that a statement states, in the types of this target.
    ///
    /// # Errors
    /// Returns an error if the statement is about another program or composition, or if the target has
    /// no types.
    pub fn stated_call(&self, statement: &Statement) -> Result<StatedCall, CallError> {
        if self.functions.is_empty() {
            return Err(CallError::Untyped);
        }
        let public = statement.public_inputs();
        let stated = public.composition.as_ref().map(Composition::commitment);
        let own = self.composition().map(Composition::commitment);
        let mut functions = self.functions.iter();
        let found = functions.find(|function| function.program.hash() == public.program_hash);
        let function = match found {
            Some(found) if stated == own => found.function.clone(),
            _ => return Err(CallError::OtherTarget),
        };
        let Signature { params, results } = Signature::of(&function);
        Ok(StatedCall {
            params: lift_values(&params, &public.stack_inputs[..], |_| None),
            result: lift_values(&results, &public.stack_outputs[..], |_| None)
                .map(|mut values| values.pop()),
            function,
        })
    }
}

/// A value in WAVE.
pub fn to_wave(value: &Value) -> String {
    wave_text(value)
}
