//! Hashing, Merkle trees, and the precompile transcript.

use miden_core::{
    Felt, Word, ZERO,
    crypto::{hash::Rpo256, merkle::MerklePath},
    mast::MastForest,
    precompile::PrecompileTranscript,
};

use crate::{
    advice::AdviceError,
    error::{OpResult, Trap},
    exec::permutation::permuted,
    machine::process::Process,
    tracer::{MerkleUpdate, Tracer},
};

impl<T: Tracer> Process<T> {
    /// Permutes the top 12 elements; the deepest one is the first of the state.
    pub(super) fn op_hperm(&mut self) {
        let input: [Felt; 12] = core::array::from_fn(|i| self.stack.get(11 - i));
        let state = permuted(input);
        self.tracer.permutation(&input, &state);
        let top = self.stack.top16_mut();
        for (i, &element) in state.iter().rev().enumerate() {
            top[i] = element;
        }
    }

    /// Records `[COMMITMENT, TAG]` in the precompile transcript: the top eight elements are absorbed,
    /// and the top 12 become the permuted state, its capacity the transcript's state.
    pub(super) fn op_log_precompile(&mut self) {
        let before = self.transcript.state();
        let (tag, commitment) = (self.stack.get_word(4), self.stack.get_word(0));
        let mut input = [ZERO; 12];
        for (cells, word) in input.chunks_exact_mut(4).zip([before, tag, commitment]) {
            cells.copy_from_slice(word.as_elements());
        }
        let state = permuted(input);
        self.tracer.log_precompile(self.clk, &input, &state);
        let top = self.stack.top16_mut();
        for (i, &element) in state.iter().rev().enumerate() {
            top[i] = element;
        }
        let after = Word::new(core::array::from_fn(|i| state[i]));
        self.transcript = PrecompileTranscript::from_state(after);
    }

    /// Checks that `[NODE, depth, index, ROOT]` on the stack is true of a tree; the path is advice.
    pub(super) fn op_mpverify(&mut self, err_code: Felt, forest: &MastForest) -> OpResult {
        let (depth, index) = (self.stack.get(4), self.stack.get(5));
        let (value, root) = (self.stack.get_word(0), self.stack.get_word(6));
        require_depth(depth)?;
        let mut path = self.advice.get_merkle_path(root, depth, index)?;
        let (tracer, taking) = self.taking();
        tracer.take_path(taking, &mut path);
        if root_of(value, index.as_int(), &path) != root {
            let err_msg = forest.resolve_error_message(err_code);
            return Err(Box::new(Trap::MerklePathVerificationFailed {
                value,
                index,
                root,
                err_code,
                err_msg,
            }));
        }
        self.tracer
            .merkle_verify(value, index.as_int(), &path, root);
        Ok(())
    }

    /// Replaces a node of a tree: `[OLD, depth, index, ROOT, NEW]` becomes
    /// `[NEW_ROOT, depth, index, ROOT, NEW]`.
    pub(super) fn op_mrupdate(&mut self) -> OpResult {
        let (depth, index) = (self.stack.get(4), self.stack.get(5));
        let old_leaf = self.stack.get_word(0);
        let old_root = self.stack.get_word(6);
        let new_leaf = self.stack.get_word(10);
        require_depth(depth)?;
        let (mut path, _) = self
            .advice
            .update_merkle_node(old_root, depth, index, new_leaf)?;
        let (tracer, taking) = self.taking();
        tracer.take_path(taking, &mut path);
        let position = index.as_int();
        if root_of(old_leaf, position, &path) != old_root {
            return Err(Box::new(Trap::MerkleUpdateOfOtherNode {
                value: old_leaf,
                index,
                root: old_root,
            }));
        }
        let new_root = root_of(new_leaf, position, &path);
        self.tracer.merkle_update(MerkleUpdate {
            old_leaf,
            new_leaf,
            index: position,
            path: &path,
            old_root,
            new_root,
        });
        self.stack.set_word(0, &new_root);
        Ok(())
    }
}

/// A path of no nodes would prove nothing: its leaf is the root.
fn require_depth(depth: Felt) -> OpResult {
    if depth == ZERO {
        return Err(AdviceError::InvalidMerkleTreeDepth { depth }.into());
    }
    Ok(())
}

fn root_of(leaf: Word, index: u64, path: &MerklePath) -> Word {
    let mut index = index;
    path.nodes().iter().fold(leaf, |node, &sibling| {
        let pair = if index & 1 == 0 {
            [node, sibling]
        } else {
            [sibling, node]
        };
        index >>= 1;
        Rpo256::merge(&pair)
    })
}
