//! Campaigns against the examples: nothing survives, and every constraint and message is violated by
//! some mutation.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use miden_assembly::{
    Assembler, DefaultSourceManager,
    ast::{Module, ModuleKind},
};
use miden_core::{Felt, crypto::hash::Rpo256};
use miden_cvm::{
    AuditReport, Campaign, ExecutionOptions, ExecutionTrace, Inputs, LinkedComposition, Loader,
    Table, Target, Toolchain, audit, execute_traced,
};
use miden_cvm_air::{
    component::{Call, Component, Meaning},
    composition::LinkKind,
    opcode::{CALLER_ID, DESTROY, DESTRUCTOR, FORBIDDEN, INSTANTIATE, INTRINSIC, OWN_DESTRUCTOR},
};

use tempfile::TempDir;

const SEED: u64 = 1;

fn example(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(path)
}

/// The trace of an example on its own inputs.
fn trace(path: &str, kernel: Option<&str>) -> ExecutionTrace {
    trace_of(&example(path), kernel)
}

/// The trace of a target on the inputs beside it.
fn trace_of(path: &Path, kernel: Option<&str>) -> ExecutionTrace {
    let mut loader = Loader::new();
    if let Some(kernel) = kernel {
        loader = loader.with_kernel(&example(kernel)).expect("a kernel");
    }
    let target = loader.load(path).expect("a target");
    let inputs = match path.with_extension("inputs") {
        inputs if inputs.exists() => Inputs::read(&inputs).expect("inputs"),
        _ => Inputs::default(),
    };
    trace_with(&target, inputs)
}

/// The trace of a target on inputs.
fn trace_with(target: &Target, inputs: Inputs) -> ExecutionTrace {
    execute_traced(
        target,
        inputs.arguments,
        inputs.advice,
        &mut target.host(),
        ExecutionOptions::default(),
    )
    .expect("a trace")
}

/// The program that uses every operation.
fn operations() -> ExecutionTrace {
    trace("operations/operations.masm", Some("operations/kernel.masm"))
}

/// A composition whose root calls an instance isolated, again and again, which calls another one in the same domain.
fn isolated() -> ExecutionTrace {
    const FILES: [(&str, &str); 7] = [
        (
            "isolated.toml",
            "main = \"app.main\"
            [instances.app]
            component = \"app\"
            imports.weigh = \"scale.weigh\"
            [instances.scale]
            component = \"scale\"
            imports.tally = \"book.tally\"
            [instances.book]
            component = \"book\"",
        ),
        (
            "app/component.toml",
            "name = \"app\"
            sources = [\"app.masm\"]
            [exports.main]
            procedure = \"app::main\"
            [imports.weigh]
            interface = \"my:scale\"
            function = \"weigh\"",
        ),
        (
            "app/app.masm",
            "pub proc main repeat.100 call.imports::weigh end end",
        ),
        (
            "scale/component.toml",
            "name = \"scale\"
            sources = [\"scale.masm\"]
            [exports.weigh]
            procedure = \"scale::weigh\"
            kind = \"isolated\"
            interface = \"my:scale\"
            [imports.tally]
            interface = \"my:book\"
            function = \"tally\"",
        ),
        (
            "scale/scale.masm",
            "pub proc weigh repeat.8 call.imports::tally end end",
        ),
        (
            "book/component.toml",
            "name = \"book\"
            sources = [\"book.masm\"]
            [exports.tally]
            procedure = \"book::tally\"
            interface = \"my:book\"",
        ),
        (
            "book/book.masm",
            "pub proc tally push.0 mem_load add.1 dup push.0 mem_store swap drop end",
        ),
    ];
    let folder = written(&FILES);
    trace_of(&folder.path().join("isolated.toml"), None)
}

/// A folder with these files.
fn written(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    folder
}

/// A composition whose root makes an account and installs notes, each of which is wired to it, and is lent another
/// one.
fn wired() -> ExecutionTrace {
    const FILES: [(&str, &str); 7] = [
        (
            "wired.toml",
            "main = \"app.main\"
            [instances.app]
            component = \"app\"
            installs = [\"note\"]
            imports.instance = \"*\"
            imports.pay = \"*\"
            imports.account = \"account\"
            [instances.account]
            component = \"account\"",
        ),
        (
            "app/component.toml",
            "name = \"app\"
            sources = [\"app.masm\"]
            [exports.main]
            procedure = \"app::main\"
            [imports.instance]
            interface = \"my:note\"
            instances = true
            [imports.account]
            interface = \"my:account\"
            instances = true
            [imports.pay]
            interface = \"my:note\"
            function = \"pay\"
            kind = \"held\"",
        ),
        (
            "app/app.masm",
            "use resources::account
            use resources::instance
            pub proc main
                adv_push.1 mem_store.0 adv_push.1 mem_store.1
                adv_push.1 mem_store.2 adv_push.1 mem_store.3
                exec.account::instantiate exec.account::instantiate
                repeat.6
                    push.0 call.imports::intrinsics::install
                    dup.1 dup.1 call.imports::intrinsics::wire drop drop
                    dup.2 exec.account::send_borrow
                    dup.1 movdn.15 call.imports::pay movup.15 drop drop
                    dup.2 exec.account::send_borrow
                    dup.1 movdn.15 call.imports::pay movup.15 drop drop
                    exec.instance::drop
                end
                exec.account::drop exec.account::drop
            end",
        ),
        (
            "note/component.toml",
            "name = \"note\"
            sources = [\"note.masm\"]
            [exports.pay]
            procedure = \"note::pay\"
            interface = \"my:note\"
            [imports.account]
            interface = \"my:account\"
            instances = true
            [imports.look]
            interface = \"my:account\"
            function = \"look\"
            kind = \"held\"
            [imports.deposit]
            interface = \"my:account\"
            function = \"deposit\"",
        ),
        (
            "note/note.masm",
            "use resources::account
            pub proc pay
                exec.account::recv_borrow
                push.0 dup.1 movdn.15 call.imports::look movup.15 drop drop
                dup exec.account::drop
                call.imports::deposit
            end",
        ),
        (
            "account/component.toml",
            "name = \"account\"
            sources = [\"account.masm\"]
            [exports.deposit]
            procedure = \"account::deposit\"
            interface = \"my:account\"
            [exports.look]
            procedure = \"account::look\"
            interface = \"my:account\"",
        ),
        (
            "account/account.masm",
            "pub proc deposit mem_load.0 add.1 dup mem_store.0 swap drop end
            pub proc look mem_load.0 swap drop end",
        ),
    ];
    let folder = written(&FILES);
    let path = folder.path().join("wired.toml");
    let linked = LinkedComposition::load(&path, &Toolchain::new()).expect("a composition");
    let note = linked.installed[0].record().expect("it can be installed");
    let mut inputs = Inputs::default();
    inputs.advice.stack = note.commitment().to_vec();
    let target = Loader::new().load(&path).expect("a target");
    trace_with(&target, inputs)
}

/// The procedures of a bank, and a script that calls two of them.
const BANK: &str = "
    pub proc total push.0 mem_load swap drop end
    pub proc deposit push.0 mem_load add.1 dup push.0 mem_store swap drop end
    pub proc look push.0 mem_load add.7 swap drop end
    pub proc script
        procref.deposit mem_storew_be.40 dropw push.40 dyncall push.40 dyncall
        procref.look mem_storew_be.44 dropw push.44 dyncall
    end";

/// A composition whose root installs banks by the commitment to their code, and scripts by their root, which it wires to a
/// bank. It adopts calls of a script and of its bank.
fn of_code() -> ExecutionTrace {
    const ROOT: u64 = 20;
    let app = format!(
        "use resources::instance
        {BANK}
        pub proc main
            procref.script mem_storew_be.{ROOT} dropw
            procref.deposit mem_storew_be.24 dropw
            push.16 repeat.4 adv_push.1 dup.1 mem_store add.1 end drop
            push.28 repeat.4 adv_push.1 dup.1 mem_store add.1 end drop
            repeat.3
                push.16 call.imports::intrinsics::install_code
                repeat.2
                    push.{ROOT} call.imports::intrinsics::install_procedure
                    dup.1 dup.1 call.imports::intrinsics::wire drop drop
                    exec.instance::drop
                end
                exec.instance::drop
            end
            push.16 call.imports::intrinsics::install_code
            push.{ROOT} call.imports::intrinsics::install_procedure
            dup.1 dup.1 call.imports::intrinsics::wire drop drop
            push.28 call.imports::intrinsics::install
            dup.1 dup.1 call.imports::intrinsics::wire drop drop
            dup.2 dup.1 call.imports::intrinsics::wire drop drop
            call.imports::intrinsics::adopt drop
            repeat.4 push.0 push.{ROOT} dyncall drop end
            push.0 push.24 dyncall drop drop drop
        end"
    );
    let files = [
        (
            "code.toml",
            "main = \"app.main\"
            [instances.app]
            component = \"app\"
            installs = []
            imports.instance = \"*\"",
        ),
        (
            "app/component.toml",
            "name = \"app\"
            sources = [\"app.masm\"]
            [exports.main]
            procedure = \"app::main\"
            [imports.instance]
            interface = \"my:script\"
            instances = true",
        ),
        ("app/app.masm", &app),
    ];
    let module = Module::parser(ModuleKind::Library)
        .parse_str("bank", BANK, Arc::new(DefaultSourceManager::default()))
        .expect("a module");
    let bank = Assembler::default().assemble_library([module]);
    let bank = bank.expect("a library");
    let digest = |name| bank.get_procedure_root_by_path(format!("bank::{name}").as_str());
    let digest = |name| digest(name).expect("a procedure");
    let code: Vec<Felt> = ["total", "deposit", "look"]
        .into_iter()
        .flat_map(|name| digest(name).to_vec())
        .collect();
    let call = |name, key, slot, kind| Call {
        digest: digest(name),
        meaning: Meaning::Import {
            key: Felt::new(key),
            slot,
            kind,
        },
    };
    let calls = vec![
        call("deposit", 1, 1, LinkKind::Shared),
        call("script", ROOT, 2, LinkKind::Fresh),
    ];
    let calls = Component::new(calls, Vec::new(), Vec::new());
    let commitment = Rpo256::hash_elements(&code);
    let mut inputs = Inputs::default();
    inputs.advice.stack = [commitment, calls.commitment()]
        .iter()
        .flat_map(|word| word.to_vec())
        .collect();
    inputs.advice.map.insert(commitment, code);
    let record = calls.to_elements();
    inputs.advice.map.insert(calls.commitment(), record);
    let folder = written(&files);
    let target = Loader::new().load(&folder.path().join("code.toml"));
    trace_with(&target.expect("a target"), inputs)
}

fn campaign(trace: ExecutionTrace, mutations: u64) -> AuditReport {
    let campaign = Campaign {
        mutations,
        seed: SEED,
    };
    let report = audit(trace.trace, trace.public, campaign, &|_| {});
    assert_eq!(report.total().total(), mutations);
    assert_eq!(report.survivors, []);
    report
}

#[test]
fn the_program_of_all_operations_uses_all() {
    let used: BTreeSet<u8> = operations()
        .trace
        .core
        .iter()
        .map(|row| row.op.code())
        .collect();
    // The prefix 100 has even opcodes only, those of 111 have zero low bits. Rows of intrinsics are
    // in compositions only.
    let intrinsics = [
        INTRINSIC,
        CALLER_ID,
        INSTANTIATE,
        DESTROY,
        DESTRUCTOR,
        OWN_DESTRUCTOR,
    ];
    let exists = |code: &u8| match code >> 4 {
        0b100 => code.is_multiple_of(2),
        0b111 => code.is_multiple_of(4),
        _ => !FORBIDDEN.contains(code) && !intrinsics.contains(code),
    };
    let missing: Vec<String> = (0..1 << 7)
        .filter(exists)
        .filter(|code| !used.contains(code))
        .map(|code| format!("{code:#09b}"))
        .collect();
    assert_eq!(missing, [""; 0]);
}

/// Messages that no single change leaves unmatched: a number that the range table states is looked up as
/// often as the prover likes. That it has 16 bits is what `range.hi` and `range.lo` show.
const PROVERS_CHOICE: &str = "range.number";

#[test]
fn nothing_survives_and_everything_objects() {
    let reports = [
        campaign(operations(), 60_000),
        campaign(trace("wallet/wallet.toml", None), 16_000),
        campaign(trace("vault/vault.toml", None), 12_000),
        campaign(trace("ledger/ledger.wac", None), 6_000),
        campaign(trace("accounts/accounts.toml", None), 6_000),
        campaign(trace("transaction/transaction.toml", None), 16_000),
        campaign(trace("fib/fib.masm", None), 2_000),
        campaign(isolated(), 12_000),
        campaign(trace("vault/installed.toml", None), 16_000),
        campaign(wired(), 12_000),
        campaign(of_code(), 12_000),
    ];
    let public = trace("fib/fib.masm", None).public;
    let names = Table::ALL.into_iter().flat_map(|table| {
        let constraints = table.constraint_catalog().into_iter().map(|c| c.name);
        let boundaries = table.boundaries(&public).into_iter().map(|b| b.name);
        let messages = table.message_catalog().into_iter().map(|m| m.name);
        constraints
            .chain(boundaries)
            .chain(messages)
            .collect::<Vec<_>>()
    });
    let mut objections: BTreeMap<String, u64> = names.map(|name| (name, 0)).collect();
    let mut alone = BTreeSet::new();
    for report in reports {
        alone.extend(report.alone.into_keys());
        for (name, count) in report.constraints.into_iter().chain(report.messages) {
            *objections.entry(name).or_default() += count;
        }
    }
    let silent: Vec<String> = objections
        .into_iter()
        .filter(|(name, count)| *count == 0 && name != PROVERS_CHOICE)
        .map(|(name, _)| name)
        .collect();
    assert_eq!(silent, [""; 0], "no mutation violates these");
    // What the list of losses leaves to campaigns.
    let losses = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/losses.txt");
    let losses = fs::read_to_string(losses).expect("the list of losses");
    let left = losses
        .lines()
        .filter_map(|line| line.strip_suffix(": campaign"))
        .map(|name| name.split('[').next().unwrap_or_default());
    let lost: BTreeSet<&str> = left.filter(|name| !alone.contains(*name)).collect();
    assert!(
        lost.is_empty(),
        "nothing notices that these are lost: {lost:?}"
    );
}

#[test]
fn campaigns_depend_on_the_seed_only() {
    let run = |threads| {
        let trace = trace("fib/fib.masm", None);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.expect("a pool");
        pool.install(|| campaign(trace, 500))
    };
    assert_eq!(run(1), run(2));
}
