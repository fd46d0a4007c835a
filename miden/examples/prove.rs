//! Proves a transaction from a file of its inputs, and says what that costs.
//!
//! ```sh
//! cargo run --release -p miden-cvm-miden --example prove -- FILE [SET [TIMES [MIB]]]
//! ```
//!
//! `FILE` has `TransactionInputs` in their binary form, `SET` is a parameter set (`Regular96` if left
//! out), `TIMES` is how often the proof is verified, on all cores, and `MIB` bounds the prover's memory.

use std::{env, error::Error, fs, time::Instant};

use miden_cvm_miden::{
    HashFunction, LocalTransactionProver, OptionSet, ProofSettings, TransactionVerifier, carried,
};
use miden_protocol::{
    MIN_PROOF_SECURITY_LEVEL, transaction::TransactionInputs, utils::serde::Deserializable,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let file = arguments.next().ok_or("which file?")?;
    let mut prover = match arguments.next() {
        None => LocalTransactionProver::default(),
        Some(name) => {
            let mut sets = OptionSet::ALL.into_iter();
            let set = sets.find(|set| format!("{set:?}") == name);
            let set = set.ok_or_else(|| format!("there is no parameter set {name}"))?;
            let small = ProofSettings::new(set, HashFunction::Blake3_192);
            LocalTransactionProver::with_settings(small.unwrap_or_else(|_| set.into()))
        }
    };
    let times = arguments.next().map_or(Ok(1), |times| times.parse())?;
    if let Some(mebibytes) = arguments.next() {
        prover = prover.with_memory(mebibytes.parse::<usize>()? << 20);
    }

    let inputs = TransactionInputs::read_from_bytes(&fs::read(file)?)?;
    let begun = Instant::now();
    let transaction = prover.prove(inputs)?;
    println!("proven in {:.2?}", begun.elapsed());
    let proof = carried::take_out(transaction.proof())?;
    let heights = proof.heights();
    let rows: Vec<usize> = heights.tables().map(|table| heights.of(table)).collect();
    println!(
        "{}: {} bytes, tables of {rows:?} rows",
        proof.settings(),
        proof.to_bytes().len(),
    );

    let transactions = vec![transaction; times];
    let verifier = TransactionVerifier::new(MIN_PROOF_SECURITY_LEVEL);
    for part in verifier.verify(&transactions[0])?.parts {
        println!("{:>8} bytes: {}", part.bytes, part.name);
    }
    let begun = Instant::now();
    for verified in verifier.verify_batch(&transactions) {
        verified?;
    }
    let took = begun.elapsed();
    println!("verified {times} times in {took:.2?}");
    Ok(())
}
