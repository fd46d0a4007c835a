//! Events that the machine handles itself: they move data between the stack, memory and advice.

use miden_core::{
    Felt, FieldElement, QuadFelt, Word, ZERO, crypto::hash::Rpo256, sys_events::SystemEvent,
};

use crate::{
    advice::{AdviceError, AdviceProvider},
    bulk::BulkQuota,
    context::ContextId,
    error::{OpResult, Trap},
    exec::permutation::permuted,
    machine::{memory::Memory, stack::Stack, view::ProcessState},
};

/// Handles a system event. The event's id stands on top of the stack, its arguments below.
///
/// # Errors
/// If arguments are out of range, or the advice provider refuses.
pub(crate) fn handle_system_event(
    event: SystemEvent,
    clk: u32,
    context: ContextId,
    stack: &Stack,
    memory: &Memory,
    advice: &mut AdviceProvider,
    bulk: &BulkQuota,
) -> OpResult {
    match event {
        SystemEvent::MerkleNodeMerge => {
            advice.merge_roots(stack.get_word(5), stack.get_word(1))?;
        }
        SystemEvent::MerkleNodeToStack => {
            let node = advice.get_tree_node(stack.get_word(3), stack.get(1), stack.get(2))?;
            advice.push_stack_word(&node)?;
        }
        SystemEvent::MapValueToStack => advice.push_from_map(stack.get_word(1), false, 0)?,
        SystemEvent::MapValueToStackN0 => advice.push_from_map(stack.get_word(1), true, 0)?,
        SystemEvent::MapValueToStackN4 => advice.push_from_map(stack.get_word(1), true, 4)?,
        SystemEvent::MapValueToStackN8 => advice.push_from_map(stack.get_word(1), true, 8)?,
        SystemEvent::MapValueCountToStack => {
            let key = stack.get_word(1);
            let count = advice
                .get_mapped_values(&key)
                .ok_or(AdviceError::MapKeyNotFound { key })?
                .len();
            advice.push_stack(Felt::new(count as u64))?;
        }
        SystemEvent::HasMapKey => {
            let found = advice.contains_map_key(&stack.get_word(1));
            advice.push_stack(Felt::from(found))?;
        }
        SystemEvent::Ext2Inv => {
            let element = QuadFelt::new(stack.get(2), stack.get(1));
            if element == QuadFelt::ZERO {
                return Err(Box::new(Trap::DivideByZero));
            }
            let [real, imaginary] = element.inv().to_base_elements();
            advice.extend_stack([imaginary, real])?;
        }
        SystemEvent::U32Clz => push_of_u32(stack, advice, u32::leading_zeros)?,
        SystemEvent::U32Ctz => push_of_u32(stack, advice, u32::trailing_zeros)?,
        SystemEvent::U32Clo => push_of_u32(stack, advice, u32::leading_ones)?,
        SystemEvent::U32Cto => push_of_u32(stack, advice, u32::trailing_ones)?,
        SystemEvent::ILog2 => {
            let logarithm = stack
                .get(1)
                .as_int()
                .checked_ilog2()
                .ok_or_else(|| Box::new(Trap::LogArgumentZero))?;
            advice.push_stack(Felt::from(logarithm))?;
        }
        SystemEvent::MemToMap => {
            let state = ProcessState {
                clk,
                context,
                stack,
                memory,
                advice,
                bulk,
            };
            let range = state.get_mem_addr_range(5, 6)?;
            advice.check_room(range.len())?;
            bulk.take(range.len() as u64)?;
            let values = range
                .map(|addr| memory.get_value(context, addr).unwrap_or(ZERO))
                .collect();
            advice.insert_into_map(stack.get_word(1), values)?;
        }
        SystemEvent::HdwordToMap => insert_two_words(stack, advice, ZERO)?,
        SystemEvent::HdwordToMapWithDomain => insert_two_words(stack, advice, stack.get(9))?,
        SystemEvent::HqwordToMap => {
            let values = elements_of([
                stack.get_word(13),
                stack.get_word(9),
                stack.get_word(5),
                stack.get_word(1),
            ]);
            advice.insert_into_map(Rpo256::hash_elements(&values), values)?;
        }
        SystemEvent::HpermToMap => {
            let state: [Felt; 12] = core::array::from_fn(|i| stack.get(12 - i));
            let values = state[Rpo256::RATE_RANGE].to_vec();
            let state = permuted(state);
            let key = Word::new(core::array::from_fn(|i| {
                state[Rpo256::DIGEST_RANGE.start + i]
            }));
            advice.insert_into_map(key, values)?;
        }
    }
    Ok(())
}

/// Puts two words of the stack into the map under their hash in a domain.
fn insert_two_words(stack: &Stack, advice: &mut AdviceProvider, domain: Felt) -> OpResult {
    let words = [stack.get_word(5), stack.get_word(1)];
    let key = Rpo256::merge_in_domain(&words, domain);
    advice.insert_into_map(key, elements_of(words))?;
    Ok(())
}

fn elements_of<const N: usize>(words: [Word; N]) -> Vec<Felt> {
    words.into_iter().flat_map(<[Felt; 4]>::from).collect()
}

/// Pushes a function of the u32 under the event's id onto the advice stack.
fn push_of_u32(stack: &Stack, advice: &mut AdviceProvider, f: fn(u32) -> u32) -> OpResult {
    let element = stack.get(1);
    let value = u32::try_from(element.as_int()).map_err(|_| {
        Box::new(Trap::NotU32Values {
            values: vec![element],
            err_code: ZERO,
            err_msg: None,
        })
    })?;
    advice.push_stack(Felt::from(f(value)))?;
    Ok(())
}
