//! Claims of runs, and the proofs that they are true.
//!
//! A proof with claims proves its statement if all claims are true. Each is a statement of its own,
//! whose proof can make claims in turn; none may rest on itself.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    vec::Vec,
};

use miden_core::{
    Word,
    precompile::{
        PrecompileCommitment, PrecompileError, PrecompileRequest, PrecompileVerifier,
        PrecompileVerifierRegistry,
    },
};
use miden_cvm_air::{
    claim::{CLAIM_EVENT, Claim, ClaimedProgram, ClaimedRun},
    composition::Composition,
    public::PublicInputs,
};
use thiserror::Error;

use crate::{Expectations, Verified, VerifierError, check, statement};

/// A statement with its proof, from outside.
#[derive(Debug, Clone, Copy)]
pub struct ProvenStatement<'a> {
    /// The statement.
    pub public: &'a PublicInputs,
    /// The proof's bytes.
    pub proof: &'a [u8],
}

/// The result of verifying a proof together with those of its claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedClaims {
    /// The verified facts about the run.
    pub run: Verified,
    /// The claims that it makes, and those that the proofs of claims make, each once.
    pub claims: Vec<VerifiedClaim>,
}

impl VerifiedClaims {
    /// The claims without a proof. Unless there are none, the statement is true only if they are.
    pub fn open(&self) -> impl Iterator<Item = &Claim> {
        let open = self.claims.iter().filter(|claim| claim.proof.is_none());
        open.map(|claim| &claim.claim)
    }
}

/// A claim, and what was verified of its proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedClaim {
    /// The claim.
    pub claim: Claim,
    /// The result of verifying its proof, or nothing if there is none.
    pub proof: Option<Verified>,
}

/// Why the proofs of claims are refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClaimsError {
    /// The run's own proof is rejected.
    #[error(transparent)]
    Run(#[from] VerifierError),
    /// The proof of a claim is rejected.
    #[error("proof {index} of a claim is rejected")]
    Proof {
        /// Its position among those of the claims.
        index: usize,
        /// Why.
        #[source]
        reason: VerifierError,
    },
    /// The proof proves none of the claims.
    #[error(
        "proof {0} is not one of a claim: no claim has its program, composition, inputs and outputs"
    )]
    Foreign(usize),
    /// Two proofs prove one claim.
    #[error("proofs {first} and {second} prove the same claim")]
    Twice {
        /// The position of the first one.
        first: usize,
        /// The position of the second one.
        second: usize,
    },
    /// Claims rest on each other, so that nothing of them is proven.
    #[error("the proof {0} of a claim rests on that claim itself")]
    Circular(usize),
}

/// Computes the commitments to claims; whether they are true is not its business.
struct Commitments;

impl PrecompileVerifier for Commitments {
    fn verify(&self, calldata: &[u8]) -> Result<PrecompileCommitment, PrecompileError> {
        Ok(Claim::from_calldata(calldata)?.commitment())
    }
}

/// The registry, with what claims come to: whether they are true is not checked by it.
pub fn with_claims(registry: &PrecompileVerifierRegistry) -> PrecompileVerifierRegistry {
    let registry = registry.clone();
    registry.with_verifier(&CLAIM_EVENT, Arc::new(Commitments))
}

/// The claims among requests, in order. Those that a proof's requests come to are believed once their
/// commitments are computed.
pub fn claims_among(requests: &[PrecompileRequest]) -> Vec<Claim> {
    let requests = requests.iter();
    let claims = requests.filter(|request| request.event_id() == CLAIM_EVENT.to_event_id());
    let claims = claims.filter_map(|request| Claim::from_calldata(request.calldata()).ok());
    claims.collect()
}

/// The run that a statement is about, if a claim can be about it.
pub fn claimed_run(public: &PublicInputs) -> Option<ClaimedRun> {
    let composition = public.composition.as_ref().map(Composition::commitment)?;
    // In a claim there is no kernel, whose procedures are not in a program's hash, and nothing in memory.
    let is_whole = public.kernel.is_empty() && public.memory.layout().is_empty();
    is_whole.then(|| ClaimedRun {
        program: ClaimedProgram {
            program_hash: public.program_hash,
            composition,
        },
        inputs: core::array::from_fn(|i| public.stack_inputs[i]),
        outputs: core::array::from_fn(|i| public.stack_outputs[i]),
    })
}

/// The identity of a run, whoever has called for it.
fn key(run: &ClaimedRun) -> Word {
    run.digest(Word::default())
}

/// Verifies the proof of a run that makes claims, and proofs of these, which may make claims as well. All
/// have to be as secure as the expectations say; what they say beyond that is expected of the run alone.
///
/// What has no proof is [open](VerifiedClaims::open): it is up to the caller to accept that or not.
///
/// # Errors
/// Returns why a proof is rejected, or why the proofs do not go together: one that proves no claim, two
/// that prove the same, or claims that rest on themselves.
pub fn verify_claims(
    run: ProvenStatement<'_>,
    proofs: &[ProvenStatement<'_>],
    expectations: &Expectations,
    registry: &PrecompileVerifierRegistry,
) -> Result<VerifiedClaims, ClaimsError> {
    let registry = with_claims(registry);
    let mut given: BTreeMap<Word, usize> = BTreeMap::new();
    for (index, ProvenStatement { public, .. }) in proofs.iter().enumerate() {
        statement::check(public).map_err(|reason| ClaimsError::Proof {
            index,
            reason: reason.into(),
        })?;
        let run = claimed_run(public).ok_or(ClaimsError::Foreign(index))?;
        if let Some(first) = given.insert(key(&run), index) {
            let second = index;
            return Err(ClaimsError::Twice { first, second });
        }
    }
    let (verified, mut pending) = check(run.public, run.proof, expectations, &registry)?;
    let of_claims = Expectations::from(expectations.min_security);
    let mut claims: Vec<VerifiedClaim> = Vec::new();
    // A run that several contexts have called for is one claim to prove, and several to list.
    let mut listed: BTreeSet<Word> = BTreeSet::new();
    let mut proven: BTreeMap<usize, Verified> = BTreeMap::new();
    let mut rests_on: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    while !pending.is_empty() {
        for claim in core::mem::take(&mut pending) {
            if !listed.insert(claim.run.digest(claim.caller)) {
                continue;
            }
            let index = given.get(&key(&claim.run)).copied();
            if let Some(index) = index
                && !proven.contains_key(&index)
            {
                let ProvenStatement { public, proof } = proofs[index];
                let (verified, made) = check(public, proof, &of_claims, &registry)
                    .map_err(|reason| ClaimsError::Proof { index, reason })?;
                proven.insert(index, verified);
                let others = made.iter().filter_map(|claim| given.get(&key(&claim.run)));
                rests_on.insert(index, others.copied().collect());
                pending.extend(made);
            }
            let proof = index.and_then(|index| proven.get(&index).cloned());
            claims.push(VerifiedClaim { claim, proof });
        }
    }
    if let Some(index) = (0..proofs.len()).find(|index| !proven.contains_key(index)) {
        return Err(ClaimsError::Foreign(index));
    }
    check_order(rests_on)?;
    Ok(VerifiedClaims {
        run: verified,
        claims,
    })
}

/// Checks that proofs can be put in an order in which each rests on earlier ones only.
fn check_order(mut rests_on: BTreeMap<usize, BTreeSet<usize>>) -> Result<(), ClaimsError> {
    loop {
        let Some(first) = rests_on.keys().next().copied() else {
            return Ok(());
        };
        let mut founded: Vec<usize> = Vec::new();
        for (index, others) in &rests_on {
            if others.is_empty() {
                founded.push(*index);
            }
        }
        if founded.is_empty() {
            // Each of them rests on another one that is left: going on from one, a circle is met.
            let mut seen = BTreeSet::new();
            let mut at = first;
            while seen.insert(at) {
                let next = rests_on.get(&at).and_then(|others| others.first());
                at = next.copied().unwrap_or(at);
            }
            return Err(ClaimsError::Circular(at));
        }
        for index in &founded {
            rests_on.remove(index);
        }
        for others in rests_on.values_mut() {
            others.retain(|index| !founded.contains(index));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(rests_on: &[(usize, &[usize])]) -> Result<(), ClaimsError> {
        let rests_on = rests_on.iter();
        check_order(
            rests_on
                .map(|(index, others)| (*index, others.iter().copied().collect()))
                .collect(),
        )
    }

    #[test]
    fn claims_do_not_rest_on_themselves() {
        order(&[]).expect("no proofs");
        order(&[(0, &[1, 2]), (1, &[2]), (2, &[])]).expect("an order");
        let refused = order(&[(0, &[0])]);
        assert!(matches!(refused, Err(ClaimsError::Circular(0))));
        // The first one leads to the circle and is not in it.
        let refused = order(&[(0, &[1]), (1, &[2]), (2, &[1, 3]), (3, &[])]);
        assert!(matches!(refused, Err(ClaimsError::Circular(1 | 2))));
    }
}
