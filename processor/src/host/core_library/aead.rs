//! Authenticated encryption: the host decrypts, the program encrypts again and compares the tags.

use miden_core::EventName;
use miden_crypto::aead::{
    DataType, EncryptionError,
    aead_rpo::{AuthTag, EncryptedData, Nonce, SecretKey},
};
use thiserror::Error;

use super::{
    Answer,
    region::{self, RegionError},
};
use crate::{advice::AdviceMutation, machine::view::ProcessState};

pub(super) const DECRYPT_EVENT: EventName = EventName::new("stdlib::crypto::aead::decrypt");

/// Elements of a block, and of the padding, which is a block.
const BLOCK_LEN: u64 = 8;
const TAG_LEN: u64 = 4;

#[derive(Debug, Error)]
enum DecryptError {
    #[error("the ciphertext or its tag cannot be read: {0}")]
    Region(#[from] RegionError),
    #[error("{0} blocks do not fit in memory")]
    Blocks(u64),
    #[error("the ciphertext cannot be decrypted: {0}")]
    Decryption(#[from] EncryptionError),
}

/// `[event, NONCE, KEY, source, destination, blocks]`: pushes the plaintext, its first element on
/// top. At the source are the blocks, the padding and the tag.
pub(super) fn decrypt(state: &ProcessState<'_>) -> Answer {
    let nonce = Nonce::from(state.get_stack_word_be(1));
    let key = SecretKey::from_elements(state.get_stack_word_be(5).into());
    let source = state.get_stack_item(9).as_int();
    let blocks = state.get_stack_item(11).as_int();

    let len = blocks
        .checked_add(1)
        .and_then(|blocks| blocks.checked_mul(BLOCK_LEN))
        .and_then(|len| len.checked_add(TAG_LEN))
        .ok_or(DecryptError::Blocks(blocks))?;
    let mut ciphertext = region::elements(state, source, len).map_err(DecryptError::from)?;
    let tag = ciphertext.split_off(ciphertext.len() - TAG_LEN as usize);
    let tag = AuthTag::new(core::array::from_fn(|i| tag[i]));

    let encrypted = EncryptedData::from_parts(DataType::Elements, ciphertext, tag, nonce);
    let mut plaintext = key
        .decrypt_elements(&encrypted)
        .map_err(DecryptError::from)?;
    // What was encrypted elsewhere may end within the padding block. The program takes whole blocks
    // only, and finds that the tag is another.
    plaintext.truncate((blocks * BLOCK_LEN) as usize);
    Ok(vec![AdviceMutation::extend_stack(
        plaintext.into_iter().rev(),
    )])
}
