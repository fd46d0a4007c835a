//! The strongest release: 1.0.0-rc.0, on a STARK of its own with several tables.

use miden_core_1::Felt;
use miden_core_lib_1::CoreLibrary;
use miden_vm_1::{
    Assembler, DefaultHost, ExecutionClaim, ExecutionOptions, ExecutionProof, FastProcessor,
    HashFunction, ProgramInfo, Prover, StackInputs, StackOutputs, Verifier, advice::AdviceInputs,
    assembly::Linkage, trace::build_trace,
};

use crate::peer::{Assembled, Inputs, Peer, PeerError, Proven, Rows, Stage};

/// The bits of conjectured security that its proofs have, and that its verifier is asked for.
const SECURITY: u32 = 96;

/// `miden-vm` 1.0.0-rc.0 as published, with its default hash function or another.
#[derive(Debug, Clone, Copy)]
pub struct Miden1_0(Option<HashFunction>);

impl Miden1_0 {
    /// With its default hash function.
    pub const DEFAULT: Self = Self(None);

    /// With Blake3-256.
    pub const BLAKE3: Self = Self(Some(HashFunction::Blake3_256));
}

impl Peer for Miden1_0 {
    fn assemble(&self, source: &str, inputs: &Inputs) -> Result<Box<dyn Assembled>, PeerError> {
        let advice = elements(&inputs.advice_stack, Stage::Assemble)?;
        let advice = AdviceInputs::default().with_stack(advice.into());
        let stack = StackInputs::new(&elements(&inputs.operand_stack, Stage::Assemble)?)
            .map_err(|error| Stage::Assemble.failed(error))?;
        let mut assembler = Assembler::default();
        assembler
            .link_package(CoreLibrary::default().package(), Linkage::Dynamic)
            .map_err(|report| Stage::Assemble.failed(report))?;
        let program = assembler
            .assemble_program("program", source)
            .map_err(|report| Stage::Assemble.failed(report))?
            .unwrap_program();
        let prover = match self.0 {
            Some(hash) => Prover::new().with_hash_fn(hash),
            None => Prover::new(),
        };
        Ok(Box::new(Program {
            program,
            advice,
            stack,
            prover,
        }))
    }
}

struct Program {
    program: miden_vm_1::Program,
    advice: AdviceInputs,
    stack: StackInputs,
    prover: Prover,
}

impl Program {
    fn host(&self) -> Result<DefaultHost, PeerError> {
        DefaultHost::default()
            .with_library(&CoreLibrary::default())
            .map_err(|error| Stage::Assemble.failed(error))
    }
}

fn elements(numbers: &[u64], stage: Stage) -> Result<Vec<Felt>, PeerError> {
    let elements = numbers.iter().map(|&number| Felt::try_from(number));
    elements
        .collect::<Result<_, _>>()
        .map_err(|error| stage.failed(error))
}

impl Assembled for Program {
    fn prove(&self) -> Result<Proven, PeerError> {
        let (outputs, proof) = miden_vm_1::prove_sync(
            &self.prover,
            &self.program,
            self.stack,
            self.advice.clone(),
            &mut self.host()?,
            ExecutionOptions::default(),
        )
        .map_err(|error| Stage::Prove.failed(error))?;
        let outputs = outputs.iter().map(|element| element.as_canonical_u64());
        Ok(Proven {
            outputs: outputs.collect(),
            proof: proof.to_bytes(),
        })
    }

    fn verify(&self, proven: &Proven) -> Result<(), PeerError> {
        let proof = ExecutionProof::read_from_bytes(&proven.proof)
            .map_err(|error| Stage::Verify.failed(error))?;
        let outputs = StackOutputs::new(&elements(&proven.outputs, Stage::Verify)?)
            .map_err(|error| Stage::Verify.failed(error))?;
        let program = ProgramInfo::from(self.program.clone());
        let claim = ExecutionClaim::from_program_info(program, self.stack, outputs);
        // What is left to precompiles is proven with the rest.
        let _outcome = Verifier::new()
            .with_min_conjectured_security_level_per_stark(SECURITY)
            .verify(&claim, &proof)
            .map_err(|error| Stage::Verify.failed(error))?;
        Ok(())
    }

    fn rows(&self) -> Result<Rows, PeerError> {
        let processor = FastProcessor::new_with_options(
            self.stack,
            self.advice.clone(),
            ExecutionOptions::default(),
        )
        .map_err(|error| Stage::Execute.failed(error))?;
        let (witness, _) = processor
            .execute_for_proving_sync(&self.program, &mut self.host()?)
            .map_err(|error| Stage::Execute.failed(error))?
            .into_parts();
        let trace = build_trace(witness).map_err(|error| Stage::Execute.failed(error))?;
        let lengths = trace.trace_len_summary();
        let chiplets = lengths.chiplets();
        Ok(Rows {
            cycles: lengths.core_rows(),
            // Bytes are looked up in a fixed table.
            range: 0,
            hasher: chiplets.hash_chiplet_len() + lengths.eidos_compression_rows(),
            bitwise: chiplets.bitwise_chiplet_len(),
            memory: chiplets.memory_chiplet_len(),
            padded: lengths.padded_trace_len(),
        })
    }
}
