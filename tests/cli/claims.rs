//! Claimed instances: runs whose calls of them are claims, and the proofs of these.

use std::sync::{Arc, LazyLock};

use miden_core::{ZERO, precompile::PrecompileRequest};
use miden_cvm::{
    AdviceInputs, AdviceMutation, BUNDLE_MAGIC, CLAIM_EVENT, Claim, ClaimedProgram, ClaimedRun,
    ClaimsError, ExecutionOptions, Expectations, Felt, HashFunction, HostError, Inputs, Kernel,
    Loader, MinSecurity, ProcessState, ProofBundle, ProofSettings, ProveError, ProveOptions,
    ProvenRun, ProvenStatement, RequestError, StackInputs, StatedProof, Target, VerifiedClaims,
    VerifierError, Word, claims_of, default_registry, execute_traced, prove, prove_run, verify,
    verify_claims,
};
use serde_json::Value;

use super::{Folder, on, stack};

const APP: &str = r#"
name = "app"
sources = ["app.masm"]
[exports.main]
procedure = "app::main"
[exports.twice]
procedure = "app::twice"
[exports.many]
procedure = "app::many"
[imports.weigh]
interface = "my:scale"
function = "weigh"
"#;

/// Two calls, the second with the results of the first; two with the same inputs; as many
/// as the first input says.
const APP_CODE: &str = "
pub proc main
    call.imports::weigh
    push.1 add call.imports::weigh
end
pub proc twice
    dropw call.imports::weigh
    dropw call.imports::weigh
end
pub proc many
    push.0 mem_store
    push.1
    while.true
        movup.15 add.1 movdn.15
        call.imports::weigh
        push.0 mem_load sub.1 dup push.0 mem_store neq.0
    end
end
";

const SCALE: &str = r#"
name = "scale"
sources = ["scale.masm"]
[exports.weigh]
procedure = "scale::weigh"
kind = "isolated"
[imports.tally]
interface = "my:tally"
function = "tally"
"#;

/// The weight is a secret of the owner's, the second input, and how often the tally was called, which
/// is kept in an instance that is shared in the call.
const SCALE_CODE: &str = "
pub proc weigh
    call.imports::tally
    call.imports::tally
    add
    adv_push.1 add
end
";

const TALLY: &str = r#"
name = "tally"
sources = ["tally.masm"]
[exports.tally]
procedure = "tally::tally"
[exports.alone]
procedure = "tally::tally"
kind = "isolated"
[[data]]
address = 0
felts = [10]
"#;

/// It counts, and adds the digest of who has called.
const TALLY_CODE: &str = "
pub proc tally
    push.0 mem_load add.1 dup push.0 mem_store swap drop
    padw caller add add add add
end
";

const COMPOSITION: &str = r#"
main = "app.MAIN"
[instances.app]
component = "app"
imports.weigh = "scale.weigh"
[instances.scale]
component = "scale"
claimed = CLAIMED
imports.tally = "tally.tally"
[instances.tally]
component = "tally"
"#;

const SECRET: &str = r#"{ "advice_stack": ["1000"] }"#;

pub(super) fn folder(main: &str) -> Folder {
    let composition = COMPOSITION.replace("MAIN", main);
    let claimed = composition.replace("CLAIMED", "true");
    let inline = composition.replace("CLAIMED", "false");
    Folder::new(&[
        ("app/component.toml", APP),
        ("app/app.masm", APP_CODE),
        ("scale/component.toml", SCALE),
        ("scale/scale.masm", SCALE_CODE),
        ("tally/component.toml", TALLY),
        ("tally/tally.masm", TALLY_CODE),
        ("claimed.toml", &claimed),
        ("inline.toml", &inline),
        ("inputs.json", r#"{ "operand_stack": ["5", "6"] }"#),
        (
            "both.json",
            r#"{ "operand_stack": ["5", "6"], "advice_stack": ["1000", "1000"] }"#,
        ),
        ("secret.json", SECRET),
    ])
}

fn load(folder: &Folder, secret: u64) -> Target {
    let mut target = Loader::new()
        .load(&folder.path("claimed.toml"))
        .expect("a composition");
    prepare(&mut target, secret);
    target
}

fn prepare(target: &mut Target, secret: u64) {
    let advice = AdviceInputs::default().with_stack([Felt::new(secret)]);
    let of_scale = |instance: &str| (instance == "scale").then(|| advice.clone());
    target.prepare_claims(&of_scale, ExecutionOptions::default());
}

fn expectations() -> Expectations {
    Expectations::from(MinSecurity::Conjectured(96))
}

fn proving() -> ProveOptions {
    let settings = ProofSettings::preset(expectations().min_security, HashFunction::Blake3_256);
    ProveOptions::from(settings.expect("settings"))
}

fn inputs() -> StackInputs {
    StackInputs::new(vec![Felt::new(5), Felt::new(6)]).expect("inputs")
}

fn prove_it(target: &Target, stack: StackInputs, advice: AdviceInputs) -> ProvenRun {
    let options = ExecutionOptions::default();
    prove(
        target,
        stack,
        advice,
        &mut target.host(),
        options,
        &proving(),
    )
    .expect("a proof")
}

fn prove_claim(target: &Target, claim: &Claim) -> ProvenRun {
    let claimed = target.claimed(claim.run.program).expect("what is claimed");
    let inputs = claimed.inputs(claim);
    prove_it(claimed.target(), inputs.arguments.stack, inputs.advice)
}

fn verified(run: &ProvenRun, claims: &[&ProvenRun]) -> Result<VerifiedClaims, ClaimsError> {
    let bytes: Vec<Vec<u8>> = claims.iter().map(|run| run.proof.to_bytes()).collect();
    let claims = claims.iter().zip(&bytes);
    let claims: Vec<ProvenStatement<'_>> = claims
        .map(|(run, proof)| ProvenStatement {
            public: run.statement.public_inputs(),
            proof,
        })
        .collect();
    let run = ProvenStatement {
        public: run.statement.public_inputs(),
        proof: &run.proof.to_bytes(),
    };
    verify_claims(run, &claims, &expectations(), &default_registry())
}

/// A run with two claims, and the proofs of these.
struct Proven {
    run: ProvenRun,
    claims: [ProvenRun; 2],
}

static PROVEN: LazyLock<Proven> = LazyLock::new(|| {
    let target = load(&folder("main"), 1000);
    let run = prove_it(&target, inputs(), AdviceInputs::default());
    let [first, second] = claims_of(&run.proof).try_into().expect("two claims");
    Proven {
        run,
        claims: [first, second].map(|claim| prove_claim(&target, &claim)),
    }
});

/// The run with other requests beside its proof.
fn with_requests(requests: Vec<PrecompileRequest>) -> ProvenRun {
    let ProvenRun {
        outputs,
        proof,
        statement,
    } = PROVEN.run.clone();
    ProvenRun {
        outputs,
        proof: proof.with_requests(requests).expect("a proof"),
        statement,
    }
}

#[test]
fn claims_are_proven_by_the_owner_and_verified() {
    let folder = folder("main");
    let path = |name: &str| folder.path(name).display().to_string();
    let (claimed, inline) = (folder.path("claimed.toml"), folder.path("inline.toml"));
    let secret = format!("scale={}", path("secret.json"));
    let fast = ["--security", "conjectured:96"];

    let options = [
        "--json",
        "-i",
        &path("inputs.json"),
        "--claim-input",
        &secret,
    ];
    let made = on(&["prove"], &claimed, &[&options[..], &fast].concat()).json();
    let whole = on(&["run"], &inline, &["--json", "-i", &path("both.json")]).json();
    assert_eq!(stack(&made, 16), stack(&whole, 16));
    let claims = made["claims"].as_array().expect("claims");
    assert_eq!(claims.len(), 2);
    assert_eq!(claims[0]["call"], "scale.weigh");
    assert_eq!(claims[0]["inputs"][0], "6");

    let (proof, statement) = (path("claimed.proof"), path("claimed.statement.json"));
    let verify = |others: &[&str]| {
        let files = ["-p", &proof, "-s", &statement];
        super::miden_cvm([&["verify"], &files[..], &fast, others].concat())
    };
    let open = verify(&[]).error(1);
    assert!(open.contains("claims that are not proven"), "{open}");
    let listed = verify(&["--open-claims", "--json"]).json();
    assert_eq!(listed["claims"][1]["is_proven"], Value::Bool(false));

    for number in ["0", "1"] {
        let options = ["--claim", number, "--of", &proof, "--claim-input", &secret];
        on(&["prove"], &claimed, &[&options[..], &fast].concat()).answer();
    }
    let of = |number: usize| path(&format!("claimed.claim-{number}.proof"));
    let one = verify(&["--claim-proof", &of(1)]).error(1);
    assert!(one.contains("claims that are not proven"), "{one}");
    let both = verify(&["--claim-proof", &of(1), "--claim-proof", &of(0), "--json"]).json();
    for claim in both["claims"].as_array().expect("claims") {
        assert_eq!(claim["is_proven"], Value::Bool(true));
    }
    let twice = verify(&["--claim-proof", &of(1), "--claim-proof", &of(1)]).error(1);
    assert!(twice.contains("prove the same claim"), "{twice}");

    join_them(&proof, &[of(0), of(1)], &path("joined.bundle"));
    let bundle = path("shop.bundle");
    let inputs = path("inputs.json");
    let options = ["-i", &inputs, "--claim-input", &secret, "--bundle", &bundle];
    let made = on(
        &["prove", "--json"],
        &claimed,
        &[&options[..], &fast].concat(),
    )
    .json();
    assert_eq!(made["bundle"], bundle);
    let proven = |bundle: &str, others: &[&str]| {
        super::miden_cvm([&["verify", "-p", bundle], &fast[..], others].concat())
    };
    for bundle in [&bundle, &path("joined.bundle")] {
        let checked = proven(bundle, &["--json"]).json();
        assert_eq!(checked["stack_outputs"], both["stack_outputs"]);
        for claim in checked["claims"].as_array().expect("claims") {
            assert_eq!(claim["is_proven"], Value::Bool(true));
        }
    }
    // A statement beside a bundle would not be looked at.
    let beside = proven(&bundle, &["-s", &statement]).error(2);
    assert!(beside.contains("has its statement inside"), "{beside}");
    let missing = proven(&proof, &[]).error(2);
    assert!(missing.contains("it has no statement inside"), "{missing}");
    let twice = proven(&bundle, &["--claim-proof", &of(0)]).error(1);
    assert!(twice.contains("prove the same claim"), "{twice}");
    assert!(twice.contains("shop.bundle`") && twice.contains("claim-0.proof`"));
    let whole = super::miden_cvm(["inspect", &bundle, "--json"]).json();
    assert_eq!(whole["claims"].as_array().map(Vec::len), Some(2));
    assert_eq!(whole["run"]["proof"]["claims"][0]["inputs"][0], "6");

    // Another secret has other results than those that are claimed.
    folder.write("secret.json", SECRET.replace("1000", "1001"));
    let options = ["--claim", "0", "--of", &proof, "--claim-input", &secret];
    let other = on(&["prove"], &claimed, &[&options[..], &fast].concat()).error(1);
    assert!(other.contains("the claim is not true"), "{other}");
    let options = ["--claim", "2", "--of", &proof];
    let none = on(&["prove"], &claimed, &options).error(2);
    assert!(none.contains("makes 2 claims"), "{none}");
    let options = ["--claim-input", "tally=x.json"];
    let unclaimed = on(&["run"], &claimed, &options).error(2);
    assert!(
        unclaimed.contains("no claimed instance `tally`"),
        "{unclaimed}"
    );
    let of_tally = ["--claim-remote", "tally=http://127.0.0.1:1"];
    let alone = on(&["prove"], &claimed, &of_tally).error(2);
    assert!(alone.contains("--bundle"), "{alone}");
    let of_tally = [&of_tally[..], &["--bundle", &bundle]].concat();
    let unclaimed = on(&["prove"], &claimed, &of_tally).error(2);
    assert!(
        unclaimed.contains("no claimed instance `tally`"),
        "{unclaimed}"
    );
    // The owner of the scale answers for all that the scale claims.
    let nested = nested_folder("main");
    let options = [
        "--claim-remote",
        "scale=http://127.0.0.1:1",
        "--claim-remote",
        "tally=http://127.0.0.1:2",
        "--bundle",
        &bundle,
    ];
    let third = on(&["prove"], &nested.path("claimed.toml"), &options).error(2);
    assert!(third.contains("`tally` is claimed in `scale`"), "{third}");
    let package = on(&["compose"], &claimed, &[]).error(1);
    assert!(package.contains("instance `scale` is claimed"), "{package}");
}

/// Joins the proofs of claims to that of a run in two steps, and writes nothing where they are of others.
fn join_them(run: &str, claims: &[String; 2], output: &str) {
    let join = |parts: &[&str], output: &str| {
        super::miden_cvm([&["join"], parts, &["-o", output]].concat())
    };
    let [first, second] = claims;
    let foreign = join(&[first, second], output).error(1);
    assert!(foreign.contains("is not one of a claim"), "{foreign}");
    assert!(!std::path::Path::new(output).exists());
    let beside = run.replace(".proof", ".statement.json");
    for input in [first, &beside] {
        let taken = join(&[run, first], input).error(2);
        assert!(taken.contains("is read"), "{taken}");
    }
    let half = format!("{output}.half");
    let joined = join(&["--json", run, second], &half).json();
    let states = joined["claims"].as_array().expect("claims").iter();
    let states: Vec<&Value> = states.map(|claim| &claim["is_proven"]).collect();
    assert_eq!(states, [&Value::Bool(false), &Value::Bool(true)]);
    join(&[&half, first], output).answer();
}

#[test]
fn a_proof_with_claims_is_none_without_their_proofs() {
    let Proven { run, claims } = &*PROVEN;
    let bytes = run.proof.to_bytes();
    let alone = verify(&run.statement, &bytes, &expectations());
    assert!(matches!(alone, Err(VerifierError::Claims(2))));

    let [first, second] = claims;
    let none = verified(run, &[]).expect("a proof with open claims");
    assert_eq!(none.open().count(), 2);
    let one = verified(run, &[second]).expect("a proof with an open claim");
    let open: Vec<Claim> = one.open().copied().collect();
    assert_eq!(open, claims_of(&run.proof)[..1]);
    let both = verified(run, &[second, first]).expect("a proof");
    assert_eq!(both.open().count(), 0);
}

#[test]
fn requests_that_are_not_those_of_the_run_are_refused() {
    let run = &PROVEN.run;
    let requests = run.proof.requests();
    let [first, second] = [0, 1].map(|number: usize| requests[number].clone());
    let changed = |change: &dyn Fn(&mut Claim)| {
        let mut claim = claims_of(&run.proof)[0];
        change(&mut claim);
        vec![claim.request(), second.clone()]
    };
    let word = Word::new([Felt::new(7); 4]);
    let lies: [(&str, Vec<PrecompileRequest>); 10] = [
        ("none", vec![]),
        ("missing", vec![first.clone()]),
        ("swapped", vec![second.clone(), first.clone()]),
        (
            "doubled",
            vec![first.clone(), second.clone(), second.clone()],
        ),
        ("reused", vec![first.clone(), first.clone()]),
        ("caller", changed(&|claim| claim.caller = word)),
        (
            "program",
            changed(&|claim| claim.run.program.program_hash = word),
        ),
        (
            "composition",
            changed(&|claim| claim.run.program.composition = word),
        ),
        (
            "inputs",
            changed(&|claim| claim.run.inputs[15] = Felt::new(1)),
        ),
        (
            "outputs",
            changed(&|claim| claim.run.outputs[0] = Felt::new(1)),
        ),
    ];
    for (what, requests) in lies {
        let refused = verified(&with_requests(requests), &[]);
        let is_other = matches!(
            refused,
            Err(ClaimsError::Run(VerifierError::Requests(
                RequestError::Transcript { .. }
            )))
        );
        assert!(is_other, "{what}");
    }
}

#[test]
fn proofs_of_other_claims_are_refused() {
    let Proven { run, claims } = &*PROVEN;
    let [first, second] = claims;
    let twice = verified(run, &[first, second, first]);
    assert!(matches!(
        twice,
        Err(ClaimsError::Twice {
            first: 0,
            second: 2
        })
    ));
    // The run itself is none of its claims.
    let foreign = verified(run, &[first, run]);
    assert!(matches!(foreign, Err(ClaimsError::Foreign(1))));
    // The same instance with another secret, and so with other results.
    let other = prove_it(&load(&folder("main"), 7), inputs(), AdviceInputs::default());
    let target = load(&folder("main"), 7);
    let of_other = prove_claim(&target, &claims_of(&other.proof)[0]);
    let foreign = verified(run, &[first, second, &of_other]);
    assert!(matches!(foreign, Err(ClaimsError::Foreign(2))));
    // One claim's proof with the statement of the other one.
    let swapped = ProvenRun {
        proof: second.proof.clone(),
        ..first.clone()
    };
    let refused = verified(run, &[&swapped]);
    assert!(matches!(refused, Err(ClaimsError::Proof { index: 0, .. })));
    // A kernel is not in a program's hash, so that a claim is about none.
    let mut with_kernel = first.statement.public_inputs().clone();
    with_kernel.kernel = Kernel::new(&[Word::new([Felt::new(1); 4])]).expect("a kernel");
    let bytes = run.proof.to_bytes();
    let whole = ProvenStatement {
        public: run.statement.public_inputs(),
        proof: &bytes,
    };
    let of_kernel = ProvenStatement {
        public: &with_kernel,
        proof: &first.proof.to_bytes(),
    };
    let foreign = verify_claims(whole, &[of_kernel], &expectations(), &default_registry());
    assert!(matches!(foreign, Err(ClaimsError::Foreign(0))));
    // A proof that is too weak.
    let strong = Expectations::default();
    let weak = verify_claims(whole, &[], &strong, &default_registry());
    assert!(matches!(
        weak,
        Err(ClaimsError::Run(VerifierError::Security { .. }))
    ));
}

#[test]
fn a_run_that_is_claimed_twice_is_proven_once() {
    let target = load(&folder("twice"), 1000);
    let run = prove_it(&target, inputs(), AdviceInputs::default());
    let claims = claims_of(&run.proof);
    assert_eq!(claims.len(), 2);
    assert_eq!(claims[0], claims[1]);
    let proof = prove_claim(&target, &claims[0]);
    let checked = verified(&run, &[&proof]).expect("a proof");
    assert_eq!(checked.claims.len(), 1);
    assert_eq!(checked.open().count(), 0);
}

/// A host that answers with other results makes a proof, but of a claim that nobody can prove.
#[test]
fn results_of_a_lying_host_stay_open() {
    let folder = folder("main");
    let lying = prove_it(&load(&folder, 999), inputs(), AdviceInputs::default());
    let honest = load(&folder, 1000);
    let checked = verified(&lying, &[]).expect("a proof with open claims");
    assert_eq!(checked.open().count(), 2);
    for claim in claims_of(&lying.proof) {
        let proof = prove_claim(&honest, &claim);
        assert_ne!(proof.outputs[..], claim.run.outputs[..]);
        assert!(matches!(
            verified(&lying, &[&proof]),
            Err(ClaimsError::Foreign(0))
        ));
    }
    // One that notes another claim than the run absorbs has no proof at all.
    let mut host = honest.host();
    host.unregister_handler(&CLAIM_EVENT);
    let claim = claims_of(&lying.proof)[0];
    let lie = move |_: &ProcessState<'_>| -> Result<Vec<AdviceMutation>, HostError> {
        Ok(vec![
            AdviceMutation::extend_stack([ZERO; 16]),
            AdviceMutation::extend_precompile_requests([claim.request()]),
        ])
    };
    host.register_handler(CLAIM_EVENT, Arc::new(lie))
        .expect("a handler");
    let options = ExecutionOptions::default();
    let traced = execute_traced(
        &honest,
        inputs(),
        AdviceInputs::default(),
        &mut host,
        options,
    );
    let refused = prove_run(traced.expect("a run"), &proving());
    assert!(refused.is_err_and(|error| matches!(error, ProveError::Requests(_))));
}

/// Code can absorb any claim, also that of its own run: that proves nothing.
#[test]
fn a_claim_does_not_rest_on_itself() {
    // The event stands in front of every claim.
    let [t0, t1, t2, t3] = *claims_of(&PROVEN.run.proof)[0].commitment().tag();
    let event = CLAIM_EVENT.as_str().to_owned();
    let code = format!(
        "pub proc main
            emit.event(\"{event}\")
            push.{t0}.{t1}.{t2}.{t3} padw adv_loadw log_precompile dropw dropw dropw
        end"
    );
    let folder = Folder::new(&[
        (
            "liar/component.toml",
            "name = \"liar\"\nsources = [\"liar.masm\"]\n[exports.main]\nprocedure = \"liar::main\"\n",
        ),
        ("liar/liar.masm", &code),
        (
            "liar.toml",
            "main = \"liar.main\"\n[instances.liar]\ncomponent = \"liar\"\n",
        ),
    ]);
    let target = Loader::new()
        .load(&folder.path("liar.toml"))
        .expect("a composition");
    let composition = target.composition().expect("a composition").commitment();
    let zeros = [ZERO; 16];
    let claim = Claim {
        caller: Word::default(),
        run: ClaimedRun {
            program: ClaimedProgram {
                program_hash: target.program().hash(),
                composition,
            },
            inputs: zeros,
            outputs: zeros,
        },
    };
    let mut host = target.host();
    let note = move |_: &ProcessState<'_>| -> Result<Vec<AdviceMutation>, HostError> {
        Ok(vec![
            AdviceMutation::extend_stack(claim.commitment().comm_calldata().into_iter().rev()),
            AdviceMutation::extend_precompile_requests([claim.request()]),
        ])
    };
    host.register_handler(CLAIM_EVENT, Arc::new(note))
        .expect("a handler");
    let (stack, advice) = (StackInputs::default(), AdviceInputs::default());
    let options = ExecutionOptions::default();
    let run = prove(&target, stack, advice, &mut host, options, &proving()).expect("a proof");
    assert_eq!(run.outputs[..], zeros);
    let open = verified(&run, &[]).expect("a proof with an open claim");
    assert_eq!(open.open().count(), 1);
    let circular = verified(&run, &[&run]);
    assert!(matches!(circular, Err(ClaimsError::Circular(0))));
}

/// A composition of which the scale is claimed, and in that the tally.
pub(super) fn nested_folder(main: &str) -> Folder {
    let folder = folder(main);
    let nested = COMPOSITION
        .replace("MAIN", main)
        .replace("CLAIMED", "true")
        .replace("\"tally.tally\"", "\"tally.alone\"")
        .replace(
            "component = \"tally\"",
            "component = \"tally\"\nclaimed = true",
        );
    folder.write("claimed.toml", nested);
    let quiet = TALLY_CODE.replace("padw caller add add add add", "");
    folder.write("tally/tally.masm", quiet);
    folder
}

/// A claim within a claim is proven apart, and has to be.
#[test]
fn claims_of_claims_are_proven_too() {
    let folder = nested_folder("twice");
    let target = load(&folder, 1000);
    let run = prove_it(&target, inputs(), AdviceInputs::default());
    let outer = prove_claim(&target, &claims_of(&run.proof)[0]);
    let within = claims_of(&outer.proof);
    assert_eq!(within.len(), 2);
    // The tally is new in each of its calls.
    assert_eq!(within[0].run.outputs[0], within[1].run.outputs[0]);
    assert_ne!(within[0].caller, Word::default());
    let half = verified(&run, &[&outer]).expect("a proof with open claims");
    assert_eq!(half.open().copied().collect::<Vec<_>>(), within);
    let inner: Vec<ProvenRun> = within
        .iter()
        .map(|claim| prove_claim(&target, claim))
        .collect();
    let all = verified(&run, &[&inner[1], &inner[0], &outer]).expect("a proof");
    assert_eq!(all.open().count(), 0);
    // Without what it is for, a proof is none of a claim.
    let foreign = verified(&run, &[&inner[0]]);
    assert!(matches!(foreign, Err(ClaimsError::Foreign(0))));

    // An owner's bundle has what its claim rests on; what two bundles have is taken once.
    let [first, second] = [0, 1].map(|number: usize| {
        let mut bundle = ProofBundle::from(StatedProof::from(outer.clone()));
        bundle.claims.push(inner[number].clone().into());
        bundle
    });
    let mut whole = ProofBundle::from(StatedProof::from(run.clone()));
    whole.join([first.clone()]);
    assert_eq!(is_open(&whole), 1);
    whole.claims.clear();
    whole.join([first, StatedProof::from(inner[1].clone()).into()]);
    whole.join([ProofBundle {
        run: inner[0].clone().into(),
        ..second
    }]);
    let twice = whole.verify(&expectations());
    assert!(matches!(
        twice,
        Err(ClaimsError::Twice {
            first: 2,
            second: 3
        })
    ));
    // All that is open is proven at once.
    let mut bundle = ProofBundle::from(StatedProof::from(run.clone()));
    bundle
        .prove_claims(&target, &run.proof, &proving())
        .expect("proofs");
    assert_eq!(bundle.claims.len(), 3);
    assert_eq!(is_open(&bundle), 0);
}

fn is_open(bundle: &ProofBundle) -> usize {
    bundle
        .verify(&expectations())
        .expect("proofs")
        .open()
        .count()
}

/// Bundles from outside are read, or refused, and never taken for others.
#[test]
fn bundles_are_read_as_they_were_written() {
    let Proven { run, claims } = &*PROVEN;
    let mut bundle = ProofBundle::from(StatedProof::from(run.clone()));
    bundle.join(claims.clone().map(|claim| StatedProof::from(claim).into()));
    let bytes = bundle.to_bytes();
    let read = ProofBundle::from_bytes(&bytes).expect("a bundle");
    assert_eq!(read.to_bytes(), bytes);
    assert_eq!(is_open(&read), 0);
    for length in (0..bytes.len()).step_by(bytes.len() / 300) {
        ProofBundle::from_bytes(&bytes[..length]).expect_err("a bundle without its end");
        let mut changed = bytes.clone();
        changed[length] ^= 0x21;
        let verified = ProofBundle::from_bytes(&changed).map(|read| read.verify(&expectations()));
        assert!(!matches!(verified, Ok(Ok(_))), "byte {length}");
    }
    ProofBundle::from_bytes(&[&bytes[..], &[0]].concat()).expect_err("more than a bundle");
    ProofBundle::from_bytes(&run.proof.to_bytes()).expect_err("a proof");
    // A length that the bytes do not have takes no memory.
    let huge = [BUNDLE_MAGIC, &[0], &u64::MAX.to_le_bytes()].concat();
    ProofBundle::from_bytes(&huge).expect_err("a statement that is too long");
    // One claim's proof under the statement of the other one.
    let mut swapped = bundle.clone();
    swapped.claims[0].proof = bundle.claims[1].proof.clone();
    let refused = swapped.verify(&expectations());
    assert!(matches!(refused, Err(ClaimsError::Proof { index: 0, .. })));
}

/// A target has what it claims in its bytes, with the advice that is set for it.
#[test]
fn claims_go_through_bytes() {
    for folder in [folder("main"), nested_folder("main")] {
        let target = load(&folder, 1000);
        let bytes = target.to_bytes();
        let read = Target::from_bytes(&bytes).expect("a target");
        assert_eq!(read.to_bytes(), bytes);
        let lengths = |target: &Target| {
            let mut claims = target.claims().iter();
            claims.all(|claimed| !claimed.target().claims().is_empty())
        };
        assert_eq!(lengths(&read), lengths(&target));
        let [run, again] =
            [&target, &read].map(|target| prove_it(target, inputs(), AdviceInputs::default()));
        assert_eq!(run.outputs, again.outputs);
        let claims = claims_of(&run.proof);
        assert_eq!(claims, claims_of(&again.proof));
        let claimed = read
            .claimed(claims[0].run.program)
            .expect("what is claimed");
        let named = (claimed.instance(), claimed.export());
        assert_eq!(named, ("scale", "weigh"));
        let proof = prove_claim(&read, &claims[0]);
        assert_eq!(proof.outputs[..], claims[0].run.outputs);

        // No byte of it makes a mistake of the reader.
        for at in (0..bytes.len()).step_by(bytes.len() / 100) {
            Target::from_bytes(&bytes[..at]).expect_err("a target without its end");
            let mut changed = bytes.clone();
            changed[at] ^= 0x5a;
            if let Ok(read) = Target::from_bytes(&changed) {
                Target::from_bytes(&read.to_bytes()).expect("a target");
            }
        }
    }
}

/// Results can be in the advice: then nothing that is claimed is run. They are believed there as all advice is.
#[test]
fn results_in_the_advice_are_claimed() {
    let folder = folder("main");
    let claims = claims_of(&PROVEN.run.proof);
    let bare = Loader::new()
        .load(&folder.path("claimed.toml"))
        .expect("a composition");
    let run = |claims: &[Claim]| {
        let given = Inputs::default().with_results(claims.iter().map(|claim| claim.run));
        let options = ExecutionOptions::default();
        let host = &mut bare.host();
        execute_traced(&bare, inputs(), given.advice, host, options)
    };
    let given = run(&claims).expect("a run");
    assert_eq!(given.public.stack_outputs, PROVEN.run.outputs);
    assert_eq!(given.requests, PROVEN.run.proof.requests());
    // One that is missing is run for its results, without its advice here.
    let missing = run(&claims[..1]).expect_err("no advice").to_string();
    assert!(missing.contains("`scale.weigh`"), "{missing}");
    // A lie is claimed, and has no proof.
    let mut lies = claims.clone();
    lies[1].run.outputs[0] += Felt::new(1);
    let lied = prove_run(run(&lies).expect("a run"), &proving()).expect("a proof");
    let claimed = claims_of(&lied.proof);
    assert_eq!(claimed, lies);
    let [first, second] = &PROVEN.claims;
    assert!(matches!(
        verified(&lied, &[first, second]),
        Err(ClaimsError::Foreign(1))
    ));
    // Results are 16 elements.
    let mut advice = Inputs::default().with_results([claims[0].run]).advice;
    let key = *advice.map.iter().next().expect("results").0;
    advice.map.insert(key, vec![ZERO; 15]);
    let options = ExecutionOptions::default();
    let short = execute_traced(&bare, inputs(), advice, &mut bare.host(), options);
    let short = short.expect_err("too few").to_string();
    assert!(
        short.contains("15 elements as the results of `scale.weigh`"),
        "{short}"
    );
}

/// The cost of a claimed call: the book has the figures.
#[test]
fn a_claimed_call_is_cheap() {
    let target = load(&folder("many"), 1000);
    let lengths = |count: u64| {
        let stack = StackInputs::new(vec![Felt::new(7), Felt::new(count)]).expect("inputs");
        let options = ExecutionOptions::default();
        let host = &mut target.host();
        let run = execute_traced(&target, stack, AdviceInputs::default(), host, options);
        run.expect("a run").lengths
    };
    let (one, two) = (lengths(1), lengths(2));
    let cycles = two.cycles - one.cycles;
    let hasher = two.hasher - one.hasher;
    // With those of the loop; what both calls have in common is hashed once.
    assert!(cycles <= 150, "{cycles}");
    assert_eq!(hasher, 40);
}

/// A lie about the results of a claimed call is none that a program has to find: the claim that was made
/// is of others.
#[test]
fn lies_about_claimed_results_are_refused() {
    let folder = folder("main");
    let secret = format!("scale={}", folder.path("secret.json").display());
    let inputs = folder.path("inputs.json").display().to_string();
    let options = [
        "-i",
        &inputs,
        "--claim-input",
        &secret,
        "--advice",
        "-n",
        "60",
    ];
    let told = on(&["audit", "--json"], &folder.path("claimed.toml"), &options).json();
    assert_eq!(told["findings"], Value::Array(Vec::new()));
    let kinds = told["kinds"].as_object().expect("kinds").values();
    let refused: u64 = kinds.filter_map(|kind| kind["refused"].as_u64()).sum();
    assert!(refused > 0, "{told}");
}
