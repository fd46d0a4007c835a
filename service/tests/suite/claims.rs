//! Claims: what a job's run claims, and claimed instances whose owner runs the service.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use bytes::Bytes;
use miden_cvm::{
    AdviceInputs, ExecutionOptions, Expectations, Felt, Inputs, Loader, MinSecurity, Proof,
    ProvenStatement, Statement, Target, claims_of, default_registry, verify_claims,
};
use miden_cvm_service::{
    client::{ClientError, Received},
    job::Digest,
    owned::{Owned, OwnedError},
    pb,
};
use serde_json::Value;
use tempfile::TempDir;

use super::{
    host::{Host, Process, SERVICE, Setup, fast, free_port, until_up},
    shared::Server,
};

/// A component with one procedure.
fn component(name: &str, export: &str, imports: &str) -> String {
    format!(
        "name = \"{name}\"\nsources = [\"{name}.masm\"]\n[exports.{export}]\nprocedure = \"{name}::{export}\"\n\
         {imports}"
    )
}

const ISOLATED: &str = "kind = \"isolated\"\n";

fn import(name: &str) -> String {
    format!("[imports.{name}]\ninterface = \"my:{name}\"\nfunction = \"{name}\"\n")
}

const COMPOSITION: &str = r#"
main = "app.main"
[instances.app]
component = "app"
imports.weigh = "scale.weigh"
imports.due = "tax.due"
[instances.scale]
component = "scale"
claimed = true
imports.count = "tally.count"
[instances.tally]
component = "tally"
claimed = true
[instances.tax]
component = "tax"
claimed = true
"#;

/// The sum of what the scale says of the input, which has a tally, and of what is due for that. All three have
/// secrets; the scale traps on 99.
fn shop() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let app = component("app", "main", &(import("weigh") + &import("due")));
    let scale = component("scale", "weigh", &(ISOLATED.to_owned() + &import("count")));
    let leaf = |name: &str, export: &str| component(name, export, ISOLATED);
    for (name, file, code) in [
        (
            "app",
            app,
            "pub proc main call.imports::weigh call.imports::due end",
        ),
        (
            "scale",
            scale,
            "pub proc weigh dup neq.99 assert call.imports::count adv_push.1 add end",
        ),
        (
            "tally",
            leaf("tally", "count"),
            "pub proc count add.1 adv_push.1 add end",
        ),
        ("tax", leaf("tax", "due"), "pub proc due adv_push.1 mul end"),
    ] {
        fs::create_dir(path(name)).expect("a folder");
        fs::write(path(name).join("component.toml"), file).expect("a file");
        fs::write(path(name).join(format!("{name}.masm")), code).expect("a file");
    }
    fs::write(path("shop.toml"), COMPOSITION).expect("a file");
    fs::write(path("shop.inputs"), r#"{ "operand_stack": ["5"] }"#).expect("a file");
    for (name, secret) in SECRETS {
        let inputs = format!(r#"{{ "advice_stack": ["{secret}"] }}"#);
        fs::write(path(&format!("{name}.json")), inputs).expect("a file");
    }
    folder
}

const SECRETS: [(&str, u64); 3] = [("scale", 1000), ("tally", 200), ("tax", 3)];

/// What the shop comes to.
const TOTAL: u64 = (5 + 1 + 200 + 1000) * 3;

fn path(folder: &TempDir, name: &str) -> String {
    let path = folder.path().join(name);
    path.to_str().expect("a path").to_owned()
}

fn load(folder: &TempDir) -> Target {
    Loader::new()
        .load(&folder.path().join("shop.toml"))
        .expect("a composition")
}

fn advice(secret: u64) -> AdviceInputs {
    AdviceInputs::default().with_stack([Felt::new(secret)])
}

fn with_secrets(mut target: Target) -> Target {
    let secrets = BTreeMap::from(SECRETS);
    target.prepare_claims(
        &|instance| secrets.get(instance).map(|&secret| advice(secret)),
        ExecutionOptions::default(),
    );
    target
}

fn inputs(stack: u64) -> Inputs {
    Inputs::from_json(&format!(r#"{{ "operand_stack": ["{stack}"] }}"#)).expect("inputs")
}

async fn prove(host: &Host, target: &Target, inputs: &Inputs) -> Result<Received, ClientError> {
    let (target, inputs) = (target.to_bytes(), inputs.to_bytes());
    let remote = host.remote();
    let proven = remote.prove(fast(), target.into(), inputs.into(), |_| {});
    proven.await
}

fn statement(received: &Received) -> Statement {
    serde_json::from_slice(&received.statement).expect("a statement")
}

/// The top of the stack at the end.
fn result(received: &Received) -> u64 {
    statement(received).public_inputs().stack_outputs[0].as_int()
}

/// A job's target has what it claims, with the advice that is set for it, and the proofs of claims are jobs.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_claims_and_its_claims_are_jobs() {
    let folder = shop();
    let bare = load(&folder);
    let mut host = Host::start(Setup::default()).await;
    // Nobody here has the advice.
    let failed = prove(&host, &bare, &inputs(5)).await.expect_err("a trap");
    assert!(
        failed.to_string().contains("the run of `scale.weigh`"),
        "{failed}"
    );

    let target = with_secrets(bare.clone());
    let root = prove(&host, &target, &inputs(5)).await.expect("a proof");
    assert_eq!(result(&root), TOTAL);
    let proof = Proof::from_bytes(&root.proof).expect("a proof");
    let claims = claims_of(&proof);
    assert_eq!(claims.len(), 2);
    // With the results as advice the same is proven where nobody has that of the claimed instances.
    let answered = inputs(5).with_results(claims.iter().map(|claim| claim.run));
    let again = prove(&host, &bare, &answered).await.expect("a proof");
    assert_eq!(again.statement, root.statement);

    // Workers that prove it together run what is claimed each for itself.
    host.coordinate("coordinator");
    let terms = pb::Terms {
        slices: 2,
        ..fast()
    };
    let remote = host.remote();
    let (target_bytes, input_bytes) = (target.to_bytes(), inputs(5).to_bytes());
    let sliced = remote
        .prove(terms, target_bytes.into(), input_bytes.into(), |_| {})
        .await
        .expect("a proof");
    assert_eq!(sliced.statement, root.statement);
    let sliced = Proof::from_bytes(&sliced.proof).expect("a proof");
    assert_eq!((sliced.groups(), claims_of(&sliced)), (2, claims.clone()));

    let mut proofs = Vec::new();
    let mut pending = claims;
    while let Some(claim) = pending.pop() {
        let claimed = target.claimed(claim.run.program).expect("what is claimed");
        let received = prove(&host, claimed.target(), &claimed.inputs(&claim)).await;
        let received = received.expect("a proof");
        pending.extend(claims_of(
            &Proof::from_bytes(&received.proof).expect("a proof"),
        ));
        proofs.push(received);
    }
    assert_eq!(proofs.len(), 3);
    let statements: Vec<Statement> = proofs.iter().map(statement).collect();
    let proven: Vec<ProvenStatement<'_>> = statements
        .iter()
        .zip(&proofs)
        .map(|(statement, received)| ProvenStatement {
            public: statement.public_inputs(),
            proof: &received.proof,
        })
        .collect();
    let of_root = statement(&root);
    let whole = ProvenStatement {
        public: of_root.public_inputs(),
        proof: &root.proof,
    };
    let expectations = Expectations::from(MinSecurity::Conjectured(96));
    let verified = verify_claims(whole, &proven, &expectations, &default_registry());
    assert_eq!(verified.expect("proofs").open().count(), 0);
    host.stop().await;
}

/// What is owned, by a name of an instance each.
fn owned(folder: &TempDir, names: &[&str]) -> Result<Owned, OwnedError> {
    let secrets = BTreeMap::from(SECRETS);
    let inputs = names.iter().map(|&name| {
        let advice = advice(secrets[name]);
        let inputs = Inputs {
            advice,
            ..Inputs::default()
        };
        (name.to_owned(), inputs)
    });
    Owned::of(&folder.path().join("shop.toml"), inputs.collect())
}

/// The owner of the scale and of what it claims.
async fn owner(folder: &TempDir) -> Host {
    Host::start(Setup {
        owned: owned(folder, &["scale", "tally"]).expect("what is claimed"),
        ..Setup::default()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_answers_with_advice_that_nobody_sees() {
    let folder = shop();
    let bare = load(&folder);
    let of = |target: &Target, instance: &str| {
        let mut claims = target.claims().iter();
        let claimed = claims.find(|claimed| claimed.instance() == instance);
        claimed.expect("what is claimed").clone()
    };
    let scale = of(&bare, "scale");
    let host = owner(&folder).await;
    let weighed = prove(&host, scale.target(), &inputs(5)).await;
    let weighed = weighed.expect("a proof");
    assert_eq!(result(&weighed), 1206);
    // The claim in the claim is its owner's as well.
    let tally = of(scale.target(), "tally");
    let counted = prove(&host, tally.target(), &inputs(5)).await;
    assert_eq!(result(&counted.expect("a proof")), 206);

    // Nobody else's advice goes in, wherever it is.
    let given = Inputs {
        advice: advice(7),
        ..inputs(5)
    };
    let refused = prove(&host, scale.target(), &given).await;
    let refused = refused.expect_err("advice").to_string();
    assert!(
        refused.contains("`scale.weigh` is run with its owner's advice"),
        "{refused}"
    );
    let lying = with_secrets(bare.clone());
    let mut lying = of(&lying, "scale").target().clone();
    lying.prepare_claims(&|_| Some(advice(7)), ExecutionOptions::default());
    let weighed = prove(&host, &lying, &inputs(5)).await.expect("a proof");
    assert_eq!(result(&weighed), 1206);

    // A trap tells nothing that depends on the advice, by either interface.
    let trapped = prove(&host, scale.target(), &inputs(99)).await;
    let trapped = trapped.expect_err("a trap").to_string();
    assert!(
        trapped.contains("only the owner's log says why"),
        "{trapped}"
    );
    let records = host.get("/v1/jobs").await.json();
    let records = records.as_array().expect("records");
    assert_eq!(records.len(), 3, "{records:?}");
    for record in records {
        assert_eq!(record["is_owned"], true);
        assert!(!record.to_string().contains("assert"), "{record}");
    }

    // The same code in another composition is not owned: something in it could tell the advice.
    fs::write(
        folder.path().join("tally/tally.masm"),
        "pub proc count adv_push.1 drop add.1 end",
    )
    .expect("a file");
    let other = load(&folder);
    let other = of(&other, "scale");
    assert_eq!(other.program().program_hash, scale.program().program_hash);
    let without = prove(&host, other.target(), &inputs(5)).await;
    let without = without.expect_err("no advice").to_string();
    assert!(without.contains("advice"), "{without}");
    host.stop().await;
}

/// The name of a job says nothing of its owner's advice, not even to who guesses it.
#[tokio::test(flavor = "multi_thread")]
async fn names_of_jobs_do_not_tell_advice() {
    let folder = shop();
    let target = load(&folder);
    let mut claims = target.claims().iter();
    let scale = claims.find(|claimed| claimed.instance() == "scale");
    let scale = scale.expect("what is claimed").target();
    let mut names = Vec::new();
    for _ in 0..2 {
        let host = owner(&folder).await;
        for _ in 0..2 {
            prove(&host, scale, &inputs(5)).await.expect("a proof");
        }
        // Equal jobs are one, at one server.
        let records = host.get("/v1/jobs").await.json();
        assert_eq!(records.as_array().map(Vec::len), Some(1));
        names.push(records[0]["inputs"].clone());
        host.stop().await;
    }
    assert_ne!(names[0], names[1]);
    let guessed = Inputs {
        advice: advice(1000),
        ..inputs(5)
    };
    let guessed = Digest::of(&[&guessed.to_bytes()]).to_string();
    assert!(!names.contains(&Value::from(guessed)));
}

#[test]
fn advice_for_what_is_not_claimed_is_refused() {
    let folder = shop();
    let refused = |name: &str, inputs: Inputs| {
        let inputs = BTreeMap::from([(name.to_owned(), inputs)]);
        Owned::of(&folder.path().join("shop.toml"), inputs).expect_err("nothing is claimed")
    };
    assert!(matches!(
        refused("app", Inputs::default()),
        OwnedError::Instance(_)
    ));
    assert!(matches!(refused("scale", inputs(5)), OwnedError::Inputs(_)));
    let missing = Owned::of(&folder.path().join("none.toml"), BTreeMap::new());
    assert!(matches!(missing, Err(OwnedError::Composition(_))));
}

fn run(program: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    command.output().expect("a process")
}

/// The answer in JSON of a command that succeeds.
fn answer(program: &Path, arguments: &[&str]) -> Value {
    let output = run(program, &[&["--json"], arguments].concat());
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(output.status.success(), "{arguments:?}: {answer}");
    answer
}

/// Two owners, each with a service that has its advice, a service for the run itself, and an aggregation: a
/// composition of many owners' components is one proof.
#[tokio::test(flavor = "multi_thread")]
async fn a_composition_of_many_owners_is_one_proof() {
    let program = PathBuf::from(SERVICE).with_file_name("miden-cvm");
    if !program.is_file() {
        eprintln!("skipped: there is no `{}`", program.display());
        return;
    }
    let folder = shop();
    let shop = path(&folder, "shop.toml");
    // The run's service has its queue on NATS, and its worker elsewhere, if there is NATS.
    let nats = Server::start();
    let nats_url = nats.as_ref().map(Server::url);
    let _worker = nats.as_ref().map(Server::worker);
    let mut servers = Vec::new();
    let mut urls = Vec::new();
    for names in [&["scale", "tally"][..], &["tax"], &[]] {
        let listen = format!("127.0.0.1:{}", free_port());
        let mut arguments = vec!["serve".to_owned(), "--listen".into(), listen.clone()];
        arguments.extend(["--threads".into(), "1".into()]);
        match &nats_url {
            _ if !names.is_empty() => arguments.extend(["--claims-of".into(), shop.clone()]),
            Some(url) => {
                arguments.extend(["--nats".into(), url.clone(), "--workers".into(), "0".into()]);
            }
            None => {}
        }
        for name in names {
            let file = path(&folder, &format!("{name}.json"));
            arguments.extend(["--claim-input".into(), format!("{name}={file}")]);
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        servers.push(Process::start(SERVICE, &arguments));
        let url = format!("http://{listen}");
        until_up(&url).await;
        urls.push(url);
    }
    let [scale, tax] = [("scale", 0), ("tax", 1)].map(|(name, i)| format!("{name}={}", urls[i]));
    let (bundle, one) = (path(&folder, "shop.bundle"), path(&folder, "one.proof"));
    let recursive = [
        "--preset",
        "recursive",
        "--hash",
        "rpo",
        "--security",
        "conjectured:96",
    ];
    let owners = ["--claim-remote", &scale, "--claim-remote", &tax];
    let to = ["--bundle", &bundle, "--remote", &urls[2]];
    let prove = [&["prove", &shop], &recursive[..], &owners, &to].concat();

    // Without an owner there are no results.
    let lonely = [&["prove", &shop], &recursive[..], &owners[2..], &to].concat();
    let lonely = run(&program, &lonely);
    let told = String::from_utf8_lossy(&lonely.stderr);
    assert!(
        !lonely.status.success() && told.contains("the run of `scale.weigh`"),
        "{told}"
    );

    let proven = answer(&program, &prove);
    assert_eq!(proven["stack"][0], TOTAL.to_string(), "{proven}");
    assert_eq!(proven["claims"].as_array().map(Vec::len), Some(2));
    let made = answer(
        &program,
        &[
            "aggregate",
            &bundle,
            "-o",
            &one,
            "--security",
            "conjectured:96",
            "--remote",
            &urls[2],
        ],
    );
    assert_eq!(made["statements"].as_array().map(Vec::len), Some(4));
    let (statement, list) = (
        path(&folder, "one.statement.json"),
        path(&folder, "one.aggregate.json"),
    );
    let verify = [
        "verify",
        "-p",
        &one,
        "-s",
        &statement,
        "--aggregate",
        &list,
        "--security",
        "conjectured:96",
    ];
    let verified = answer(&program, &verify);
    assert_eq!(verified["aggregated"], made["statements"]);
    let claims = verified["claims"].as_array().expect("claims");
    assert_eq!(claims.len(), 3);
    assert!(claims.iter().all(|claim| claim["is_proven"] == true));

    // An owner that is gone is told, and nothing is proven in its place.
    servers[1].kill();
    let lost = run(&program, &prove);
    let told = String::from_utf8_lossy(&lost.stderr);
    assert!(
        !lost.status.success() && told.contains("the owner of `tax.due`"),
        "{told}"
    );
}

/// Claims without a service of an owner are proven where the run is, each with its own advice alone; and here,
/// if nobody is there.
#[tokio::test(flavor = "multi_thread")]
async fn claims_are_proven_where_the_run_is() {
    let program = PathBuf::from(SERVICE).with_file_name("miden-cvm");
    if !program.is_file() {
        eprintln!("skipped: there is no `{}`", program.display());
        return;
    }
    let folder = shop();
    let host = Host::start(Setup::default()).await;
    let (shop, bundle) = (path(&folder, "shop.toml"), path(&folder, "shop.bundle"));
    let secrets = SECRETS.map(|(name, _)| {
        let file = path(&folder, &format!("{name}.json"));
        format!("{name}={file}")
    });
    let prove = |url: &str, options: &[&str]| {
        let mut arguments = vec!["prove", &shop, "--bundle", &bundle, "--remote", url];
        arguments.extend(["--security", "conjectured:96"]);
        for secret in &secrets {
            arguments.extend(["--claim-input", secret]);
        }
        answer(&program, &[&arguments, options].concat())
    };
    let verify = ["verify", "-p", &bundle, "--security", "conjectured:96"];
    let proven = prove(&host.remote().url, &[]);
    let verified = answer(&program, &verify);
    assert_eq!(proven["stack"][0], TOTAL.to_string());
    let claims = verified["claims"].as_array().expect("claims");
    assert!(claims.iter().all(|claim| claim["is_proven"] == true));

    // The job of the run has the results, and nobody's advice.
    let queue = host.jobs.queue();
    let mut of_run = 0;
    let ids = queue.ids().await.expect("an engine");
    assert_eq!(ids.len(), 4);
    for id in ids {
        let record = host.jobs.status(id).await.expect("a job");
        let target = queue.get(record.target).await.expect("the target");
        let target = Target::from_bytes(&target).expect("a target");
        let inputs = queue.get(record.inputs).await.expect("the inputs");
        let inputs = Inputs::from_bytes(&inputs).expect("inputs");
        let mut claims = target.claims().iter();
        assert!(claims.all(|claimed| claimed.advice().stack.is_empty()));
        if target.claims().len() == 2 {
            assert!(inputs.advice.stack.is_empty());
            assert_eq!(inputs.advice.map.iter().count(), 2);
            of_run += 1;
        } else {
            assert_eq!(inputs.advice.stack.len(), 1);
        }
    }
    assert_eq!(of_run, 1);
    host.stop().await;

    // The same bundle is made where nobody is, if it may be.
    let here = prove("http://127.0.0.1:9", &["--or-here"]);
    let warnings = here["warnings"].as_array().expect("warnings");
    assert_eq!(warnings.len(), 4, "{here}");
    let again = answer(&program, &verify);
    assert_eq!(again["claims"], verified["claims"]);
}

/// What is claimed is part of the target, which is read as a whole before the job is taken.
#[tokio::test(flavor = "multi_thread")]
async fn damaged_claims_are_refused_at_the_door() {
    let folder = shop();
    let host = Host::without_workers().await;
    let whole = load(&folder).to_bytes();
    let cut = &whole[..whole.len() - 1];
    let target = Bytes::copy_from_slice(cut);
    let refused = host
        .remote()
        .prove(fast(), target, Bytes::new(), |_| {})
        .await;
    let refused = refused.expect_err("no target").to_string();
    assert!(refused.contains("the target is refused"), "{refused}");
    host.stop().await;
}
