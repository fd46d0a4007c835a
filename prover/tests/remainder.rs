//! The remainder of the low-degree test is bound to its commitment, which Winterfell's verifier
//! does not see to.

use std::cell::RefCell;

use miden_assembly::Assembler;
use miden_core::{
    Felt, StackInputs,
    crypto::{hash::Blake3_256, random::WinterRandomCoin},
};
use miden_cvm_air::air::CvmAir;
use miden_cvm_processor::{
    AdviceInputs, DefaultHost, ExecutionOptions, ExecutionTrace, execute_traced,
};
use miden_cvm_prover::{OptionSet, Proof, ProofSettings, prove_trace};
use miden_cvm_verifier::{Expectations, VerifierError, verify};
use winterfell::{
    AcceptableOptions,
    crypto::{BatchMerkleProof, MerkleTree, MerkleTreeError, VectorCommitment},
    math::{FieldElement, StarkField, fields::QuadExtension, polynom},
};

type Digest = <Blake3_256 as winterfell::crypto::Hasher>::Digest;
type Extended = QuadExtension<Felt>;

thread_local! {
    /// The positions that were opened last.
    static OPENED: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// Winterfell's Merkle tree; remembers which positions are opened.
struct RecordingTree(MerkleTree<Blake3_256>);

impl VectorCommitment<Blake3_256> for RecordingTree {
    type Options = ();
    type Proof = Vec<Digest>;
    type MultiProof = BatchMerkleProof<Blake3_256>;
    type Error = MerkleTreeError;

    fn with_options(items: Vec<Digest>, (): ()) -> Result<Self, MerkleTreeError> {
        MerkleTree::new(items).map(Self)
    }

    fn commitment(&self) -> Digest {
        self.0.commitment()
    }

    fn domain_len(&self) -> usize {
        self.0.domain_len()
    }

    fn get_proof_domain_len(proof: &Vec<Digest>) -> usize {
        1 << proof.len()
    }

    fn get_multiproof_domain_len(proof: &Self::MultiProof) -> usize {
        1 << proof.depth
    }

    fn open(&self, index: usize) -> Result<(Digest, Vec<Digest>), MerkleTreeError> {
        self.0.open(index)
    }

    fn open_many(
        &self,
        indexes: &[usize],
    ) -> Result<(Vec<Digest>, Self::MultiProof), MerkleTreeError> {
        self.0.open_many(indexes)
    }

    fn verify(
        commitment: Digest,
        index: usize,
        item: Digest,
        proof: &Vec<Digest>,
    ) -> Result<(), MerkleTreeError> {
        MerkleTree::<Blake3_256>::verify(commitment, index, item, proof)
    }

    fn verify_many(
        commitment: Digest,
        indexes: &[usize],
        items: &[Digest],
        proof: &Self::MultiProof,
    ) -> Result<(), MerkleTreeError> {
        OPENED.set(indexes.to_vec());
        MerkleTree::verify_batch(&commitment, indexes, items, proof)
    }
}

/// A prover that waits for the query positions can choose any remainder that agrees with the last
/// layer there. Winterfell alone accepts it.
#[test]
fn a_remainder_chosen_after_the_queries_is_rejected() {
    let program = Assembler::default()
        .assemble_program("begin push.1 push.2 add drop end")
        .expect("the program assembles");
    let ExecutionTrace { rows, public, .. } = execute_traced(
        &program,
        None,
        &StackInputs::default(),
        AdviceInputs::default(),
        &mut DefaultHost::default(),
        ExecutionOptions::default(),
    )
    .expect("the program runs");
    let settings = ProofSettings::from(OptionSet::Fast96);
    let proof = prove_trace(rows, public.clone(), &settings.into()).expect("the trace is valid");
    verify(
        &public,
        &proof.to_bytes(),
        &Expectations::from(OptionSet::Fast96.level()),
    )
    .expect("the proof is valid");

    let options = settings.proof_options();
    let winterfell_accepts = |stark: &[u8]| {
        let parsed = winterfell::Proof::from_bytes(stark).expect("it has the form of a proof");
        let accepted = AcceptableOptions::OptionSet(vec![options.clone()]);
        winterfell::verify::<CvmAir, Blake3_256, WinterRandomCoin<Blake3_256>, RecordingTree>(
            parsed,
            public.clone(),
            &accepted,
        )
        .is_ok()
    };
    assert!(winterfell_accepts(proof.stark()));

    // The points of the remainder's domain that the last layer's openings lead to.
    let fri = options.to_fri_options();
    let mut domain = proof.trace_length() * options.blowup_factor();
    for _ in 0..fri.num_fri_layers(domain) {
        domain /= fri.folding_factor();
    }
    let generator = Felt::get_root_of_unity(domain.ilog2());
    let points: Vec<Felt> = OPENED.with_borrow(|positions| {
        positions
            .iter()
            .map(|&position| Felt::GENERATOR * generator.exp_vartime(position as u64))
            .collect()
    });
    let vanishing = polynom::poly_from_roots(&points);

    // The remainder is the last part but for a byte and the proof of work, its highest coefficient
    // first.
    let mut stark = proof.stark().to_vec();
    let end = stark.len() - 9;
    let coefficients = domain / options.blowup_factor();
    assert!(vanishing.len() <= coefficients, "there is room to choose");
    for (i, &value) in vanishing.iter().enumerate() {
        let start = end - (i + 1) * Extended::ELEMENT_BYTES;
        let bytes = stark[start..start + 8].try_into().expect("eight bytes");
        let sum = Felt::new(u64::from_le_bytes(bytes)) + value;
        stark[start..start + 8].copy_from_slice(&sum.as_int().to_le_bytes());
    }
    assert_ne!(stark, proof.stark());
    assert!(winterfell_accepts(&stark));

    let forged = Proof::new(settings, proof.trace_length(), stark).expect("a proof's form");
    let result = verify(
        &public,
        &forged.to_bytes(),
        &Expectations::from(OptionSet::Fast96.level()),
    );
    assert!(
        matches!(result, Err(VerifierError::Remainder)),
        "{result:?}"
    );
}
