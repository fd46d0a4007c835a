//! The procedures between the module's functions and the bindings.

use miden_cvm_wasm::{CallingConvention, ValueType};

use super::{
    layout::{core_types, layout},
    transfer::{CORE, Transfer, core, lift_scalar},
};
use crate::{
    abi::{FlatValues, MAX_FLAT, Signature, flat_len},
    bindings::Code,
    wit::{Function, Type},
};

/// The code that all modules share.
const SHARED: &str = include_str!("boundary.masm");

/// The code that reads strings.
const LIFT_STRING: &str = include_str!("lift_string.masm");

/// The code that writes strings.
const LOWER_STRING: &str = include_str!("lower_string.masm");

/// The code that reads bytes, an element each.
const READ_BYTES: &str = include_str!("read_bytes.masm");

/// The code that writes bytes.
const WRITE_BYTES: &str = include_str!("write_bytes.masm");

/// The most core values that are parameters; more of them are in linear memory.
const MAX_PARAMS: usize = 16;

/// Where values of at most 16 elements are between the stack and linear memory, behind core values.
const AREA: u32 = CORE + 0x30;

const _: () = assert!(CORE as usize + 2 * (MAX_PARAMS + 1) <= AREA as usize);
const _: () = assert!(AREA as usize + MAX_FLAT <= 0x2000_0080);

/// A function of the world, and how the module has it.
pub(super) struct Shape {
    signature: Signature,
    /// The core values of its parameters, were there no limit.
    params: Vec<ValueType>,
    /// Those of its result.
    results: Vec<ValueType>,
}

impl Shape {
    pub(super) fn of(function: &Function) -> Self {
        let signature = Signature::of(function);
        let core = |passing: &FlatValues| passing.types.iter().flat_map(core_types).collect();
        Self {
            params: core(&signature.params),
            results: core(&signature.results),
            signature,
        }
    }

    /// Returns `true` if parameters are in linear memory, and their address is the one parameter.
    fn is_spilled(&self) -> bool {
        self.params.len() > MAX_PARAMS
    }

    /// Returns `true` if the result is in linear memory.
    fn is_indirect(&self) -> bool {
        self.results.len() > 1
    }

    /// The parameters that the module's function has.
    fn core_params(&self) -> Vec<ValueType> {
        match self.is_spilled() {
            true => vec![ValueType::I32],
            false => self.params.clone(),
        }
    }

    /// The type of the module's function, if it exports it.
    pub(super) fn exported(&self) -> (Vec<ValueType>, Vec<ValueType>) {
        let results = match self.is_indirect() {
            true => vec![ValueType::I32],
            false => self.results.clone(),
        };
        (self.core_params(), results)
    }

    /// The type of the module's function, if it imports it.
    pub(super) fn imported(&self) -> (Vec<ValueType>, Vec<ValueType>) {
        let mut params = self.core_params();
        if self.is_indirect() {
            params.push(ValueType::I32);
            return (params, Vec::new());
        }
        (params, self.results.clone())
    }

    /// The single numbers that its values are made of, if they stand on the stack as the module has them.
    fn direct(&self) -> Option<Vec<&Type>> {
        let mut params = Vec::new();
        let mut result = Vec::new();
        let are_scalars = self
            .signature
            .params
            .types
            .iter()
            .all(|ty| scalars(ty, &mut params))
            && self
                .signature
                .results
                .types
                .iter()
                .all(|ty| scalars(ty, &mut result));
        let in_reach = !self.is_indirect() && self.signature.params.flat.len() < MAX_FLAT - 1;
        (are_scalars && in_reach).then_some(params)
    }

    /// Where the module's function, or what stands for it, finds its parameters.
    pub(super) fn passing(&self) -> CallingConvention {
        match self.direct() {
            Some(_) => CallingConvention::Stack,
            None => CallingConvention::Memory(CORE),
        }
    }

    /// The procedure that calls the module's function, `procedure`: `[parameters] -> [result]` as the
    /// bindings have them. `post` is executed with the core result when it is not needed any more.
    pub(super) fn export(
        &self,
        code: &mut Code,
        transfer: &mut Transfer,
        name: &str,
        procedure: &str,
        post: Option<&str>,
    ) {
        let Signature { params, results } = &self.signature;
        code.block(format!("pub proc {name}"), |code| {
            let is_direct = self.direct().is_some();
            if !is_direct && !params.types.is_empty() {
                let whole = Type::Tuple(params.types.clone());
                from_stack(code, params);
                if self.is_spilled() {
                    let (size, alignment) = layout(&whole);
                    let give = transfer.give(alignment);
                    code.line(format!("push.{size} {give}"));
                    transfer.store(code, &whole, 0, 0);
                    code.line(format!("mem_store.{CORE} drop"));
                } else {
                    transfer.lower(code, &whole, 0, 0);
                    code.line("drop");
                }
            }
            code.line(format!("exec.::{procedure}"));
            if is_direct && post.is_none() {
                let mut parts = Vec::new();
                results.types.iter().all(|ty| scalars(ty, &mut parts));
                parts.into_iter().for_each(|ty| lift_scalar(code, ty));
                return;
            }
            match self.exported().1.as_slice() {
                [ValueType::I32] => code.line(format!("mem_store.{CORE}")),
                [ValueType::I64] => code.line(format!("mem_store.{} mem_store.{CORE}", CORE + 1)),
                _ => {}
            }
            if let [result] = results.types.as_slice() {
                code.line("exec.clear");
                place(code, results);
                if self.is_indirect() {
                    let (size, alignment) = layout(result);
                    code.line(format!("push.{size} mem_load.{CORE} exec.span_{alignment}"));
                    transfer.load(code, result, 0, 0);
                    code.line("drop");
                } else {
                    transfer.lift(code, result, 0, 0);
                }
            }
            if let Some(post) = post {
                code.line("push.1 push.IS_INSIDE mem_store");
                code.line(format!("exec.::{post}"));
                code.line("push.0 push.IS_INSIDE mem_store");
            }
            to_stack(code, results);
        });
    }

    /// The procedure that stands for a function that the module imports; `binding` is executed with the
    /// parameters as the bindings have them.
    pub(super) fn import(
        &self,
        code: &mut Code,
        transfer: &mut Transfer,
        name: &str,
        binding: &str,
    ) {
        let Signature { params, results } = &self.signature;
        code.block(format!("pub proc {name}"), |code| {
            code.line("exec.leave");
            if let Some(direct) = self.direct() {
                // Each parameter comes to the top once, the last of them last; then all are in order again.
                let last = params.flat.len().saturating_sub(1);
                for ty in direct {
                    lift_scalar(code, ty);
                    if last > 0 {
                        let down = match last {
                            1 => "swap ".to_owned(),
                            last => format!("movdn.{last} "),
                        };
                        code.line(down.repeat(flat_len(ty)).trim_end());
                    }
                }
                code.line(format!("exec.::{binding}"));
                return;
            }
            code.line("exec.clear");
            if !params.types.is_empty() {
                let whole = Type::Tuple(params.types.clone());
                place(code, params);
                if self.is_spilled() {
                    let (size, alignment) = layout(&whole);
                    code.line(format!("push.{size} mem_load.{CORE} exec.span_{alignment}"));
                    transfer.load(code, &whole, 0, 0);
                    code.line("drop");
                } else {
                    transfer.lift(code, &whole, 0, 0);
                }
                to_stack(code, params);
            }
            code.line(format!("exec.::{binding}"));
            if let [result] = results.types.as_slice() {
                from_stack(code, results);
                if self.is_indirect() {
                    let (size, alignment) = layout(result);
                    let (pointer, _) = core(self.core_params().len());
                    code.line(format!(
                        "push.{size} mem_load.{pointer} exec.span_{alignment}"
                    ));
                    transfer.store(code, result, 0, 0);
                    code.line("drop drop");
                } else {
                    transfer.lower(code, result, 0, 0);
                    code.line("drop");
                    code.line(match self.results.as_slice() {
                        [ValueType::I64] => format!("mem_load.{CORE} mem_load.{}", CORE + 1),
                        _ => format!("mem_load.{CORE}"),
                    });
                }
            }
        });
    }
}

/// Adds the numbers that a value is made of; false if it has others, or some that depend on others.
fn scalars<'t>(ty: &'t Type, found: &mut Vec<&'t Type>) -> bool {
    match ty {
        Type::Tuple(types) => types.iter().all(|ty| scalars(ty, found)),
        Type::Record(fields) => fields.iter().all(|field| scalars(&field.ty, found)),
        Type::String
        | Type::Felt
        | Type::List(_)
        | Type::Variant(_)
        | Type::Option(_)
        | Type::Result { .. } => false,
        _ => {
            found.push(ty);
            true
        }
    }
}

/// `[values] -> [place]`: where values are that bindings take, or give.
fn from_stack(code: &mut Code, passing: &FlatValues) {
    if passing.on_stack() {
        for element in (AREA..).take(passing.flat.len()) {
            code.line(format!("mem_store.{element}"));
        }
        code.line(format!("push.{AREA}"));
    }
}

/// `[] -> [place]`: where values are put together.
fn place(code: &mut Code, passing: &FlatValues) {
    code.line(match passing.on_stack() {
        true => format!("push.{AREA}"),
        false => format!("push.{} exec.room", passing.flat.len()),
    });
}

/// `[place] -> [values]`: values as bindings take them, or give them.
fn to_stack(code: &mut Code, passing: &FlatValues) {
    if passing.on_stack() && !passing.flat.is_empty() {
        code.line("drop");
        for element in (AREA..)
            .take(passing.flat.len())
            .collect::<Vec<_>>()
            .iter()
            .rev()
        {
            code.line(format!("mem_load.{element}"));
        }
    }
}

/// The text of the boundary's module with these procedures.
pub(super) fn module(procedures: &str) -> String {
    let mut text = format!("{SHARED}{procedures}");
    for (name, more) in [
        ("lift_string", LIFT_STRING),
        ("lower_string", LOWER_STRING),
        ("read_bytes", READ_BYTES),
        ("write_bytes", WRITE_BYTES),
    ] {
        if text.contains(&format!("exec.{name}")) {
            text.push_str(more);
        }
    }
    text
}
