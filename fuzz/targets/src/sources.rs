//! Files that people write: components, WIT, compositions and WAC documents.

use std::{
    fs,
    path::{Path, PathBuf},
};

use miden_cvm::{Assembly, Component, LinkedComposition, SourceText, Toolchain};
use tempfile::TempDir;

use crate::{
    artifacts::{stays_component, stays_composition},
    example, examples,
};

/// Copies of examples in a folder of a test, of which one file is changed at a time.
struct Copies(TempDir);

impl Copies {
    /// Copies examples, and adds the component [`PLAIN`].
    fn of(paths: &[&str]) -> Self {
        let this = Self(TempDir::new().expect("a folder"));
        for path in paths {
            copy(&examples().join(path), &this.path(path));
        }
        fs::create_dir(this.path(PLAIN)).expect("a folder");
        this.change(&manifest_of(PLAIN), PLAIN_MANIFEST.as_bytes());
        this.change(&source_of(PLAIN), PLAIN_SOURCE.as_bytes());
        fs::create_dir(this.path(GRAPH)).expect("a folder");
        this.change(&manifest_of(GRAPH), GRAPH_MANIFEST.as_bytes());
        this
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn change(&self, path: &str, bytes: &[u8]) {
        fs::write(self.path(path), bytes).expect("a file");
    }
}

fn copy(from: &Path, to: &Path) {
    if !from.is_dir() {
        fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
        fs::copy(from, to).expect("a file");
        return;
    }
    for entry in fs::read_dir(from).expect("a folder") {
        let name = entry.expect("an entry").file_name();
        copy(&from.join(&name), &to.join(&name));
    }
}

fn component_in(copies: &Copies, path: &str) {
    let toolchain = Toolchain::new();
    if let Ok(component) = Component::load(&copies.path(path), &toolchain) {
        stays_component(&component, &toolchain);
    }
}

fn composition_in(copies: &Copies, path: &str) {
    let toolchain = Toolchain::new();
    if let Ok(linked) = LinkedComposition::load(&copies.path(path), &toolchain) {
        stays_composition(&linked, &toolchain);
    }
}

/// A component without WIT.
const PLAIN: &str = "plain";

const PLAIN_MANIFEST: &str = r#"name = "plain"
sources = ["plain.masm"]

[exports.take]
procedure = "plain::take"
interface = "plain:taker"
version = "1.2.0"
kind = "isolated"

[imports.give]
interface = "plain:giver"
version = "1.0.0"
function = "give"
kind = "shared"

[resources.coin]
destructor = "plain::melt"

[[data]]
address = 8
felts = [7, 2_500]

[[data]]
address = 16
words = ["0x7875e2f500738bd461f38594c1635ba22e8360f9da0a182d2e7d80a834f18d12"]
"#;

const PLAIN_SOURCE: &str = "use resources::coin

const LIMIT = 1 << 20

#! Takes what is given.
pub proc take
    call.imports::give
    push.LIMIT lt
    if.true
        repeat.3 add end
        while.true dup neq.0 end
    else
        mem_load.8 exec.coin::new drop
    end
end

pub proc melt
    drop
end
";

/// A component whose functions are described by WIT.
const KEEPER: &str = "exchange/deps/bank/ledger";

thread_local! {
    static COMPONENTS: Copies = Copies::of(&[KEEPER]);
    static COMPOSITIONS: Copies = Copies::of(&["wallet", "exchange"]);
}

fn manifest_of(folder: &str) -> String {
    format!("{folder}/component.toml")
}

fn source_of(folder: &str) -> String {
    let name = folder.rsplit('/').next().unwrap_or_default();
    format!("{folder}/{name}.masm")
}

/// Reads bytes as the `component.toml` of a component without WIT, and of one with it.
pub fn component(bytes: &[u8]) {
    COMPONENTS.with(|copies| {
        copies.change(&manifest_of(PLAIN), bytes);
        component_in(copies, PLAIN);
        copies.change(&manifest_of(PLAIN), PLAIN_MANIFEST.as_bytes());
        copies.change(&manifest_of(KEEPER), bytes);
        component_in(copies, KEEPER);
        copies.change(&manifest_of(KEEPER), &example(&manifest_of(KEEPER)));
    });
}

/// Reads bytes as the Miden assembly of a component.
pub fn source(bytes: &[u8]) {
    COMPONENTS.with(|copies| {
        copies.change(&source_of(PLAIN), bytes);
        component_in(copies, PLAIN);
        copies.change(&source_of(PLAIN), PLAIN_SOURCE.as_bytes());
    });
}

/// The plain component, and sources that are deep in every construct that can be.
pub(crate) fn source_seeds() -> Vec<Vec<u8>> {
    let nested = |open: &str, inner: &str, close: &str| {
        let (open, close) = (open.repeat(40), close.repeat(40));
        format!("pub proc take {open} {inner} {close} end\npub proc melt drop end\n")
    };
    let chain: String = (1..40)
        .map(|i| format!("proc f{i} exec.f{} end\n", i - 1))
        .collect();
    let constants: String = (1..40)
        .map(|i| format!("const C{i} = C{} + C{}\n", i - 1, i - 1))
        .collect();
    let sources = [
        PLAIN_SOURCE.to_owned(),
        nested("if.true ", "nop", "else nop end "),
        nested("while.true ", "push.0", "end "),
        nested("repeat.1 ", "nop", "end "),
        nested("if.true repeat.1 while.true ", "push.0", "end end end "),
        format!("proc f0 nop end\n{chain}pub proc take exec.f39 end\npub proc melt drop end\n"),
        format!(
            "const C0 = 1\n{constants}pub proc take push.C9 drop end\npub proc melt drop end\n"
        ),
        format!(
            "const A = {}1{}\npub proc take push.A end\n",
            "(".repeat(60),
            ")".repeat(60)
        ),
        "use plain::take->melt\nuse plain::melt->take\npub proc main exec.take end\n".into(),
        "use plain::plain->plain\npub proc take exec.plain::take exec.::plain::take end\n".into(),
        "type A = struct { a: B }\ntype B = struct { b: A }\npub proc take(a: A) nop end\n".into(),
        "pub use plain::take->melt\npub use plain::melt->take\n".into(),
    ];
    sources.map(String::into_bytes).into()
}

/// The component of [`modules`].
const GRAPH: &str = "graph";

const GRAPH_MANIFEST: &str = "name = \"graph\"
sources = [\"graph.masm\", \"left.masm\", \"right.masm\"]

[exports.main]
procedure = \"graph::main\"
";

/// The separator between two modules.
const BETWEEN: &str = "\n=\n";

/// Reads bytes as the three modules of one component, which can name each other.
pub fn modules(bytes: &[u8]) {
    COMPONENTS.with(|copies| {
        let between = BETWEEN.as_bytes();
        let mut rest = bytes;
        for name in ["graph", "left", "right"] {
            let end = rest
                .windows(between.len())
                .position(|window| window == between);
            let (module, others) = match end {
                Some(end) => (&rest[..end], &rest[end + between.len()..]),
                None => (rest, &[][..]),
            };
            copies.change(&format!("{GRAPH}/{name}.masm"), module);
            rest = others;
        }
        component_in(copies, GRAPH);
    });
}

/// Imports over three modules: in a line, in circles of every length, and to what is not there.
pub(crate) fn modules_seeds() -> Vec<Vec<u8>> {
    let graphs = [
        [
            "use left::a\npub proc main exec.left::a end",
            "use right::b\npub proc a exec.right::b end",
            "pub proc b nop end",
        ],
        [
            "use left::a\npub proc main exec.a end",
            "pub use right::b->a",
            "pub use graph::main->b",
        ],
        [
            "pub use left::main",
            "pub use right::main",
            "pub use left::main",
        ],
        [
            "use left::X\npub proc main push.X drop end",
            "use right::Y\npub const X = Y + 1",
            "use left::X\npub const Y = X + 1",
        ],
        [
            "use left::T\npub proc main(a: T) nop end",
            "use right::U\npub type T = struct { u: U }",
            "use left::T\npub type U = struct { t: T }",
        ],
        [
            "use left::right::b->graph\npub proc main exec.graph exec.::graph::main end",
            "use graph->right\npub proc a exec.right::main end",
            "pub proc b exec.::left::a end",
        ],
    ];
    graphs
        .map(|modules| modules.join(BETWEEN).into_bytes())
        .into()
}

pub(crate) fn component_seeds() -> Vec<Vec<u8>> {
    let folders = [KEEPER, "exchange/app", "wallet/note"];
    let mut seeds: Vec<_> = folders.map(|folder| example(&manifest_of(folder))).into();
    seeds.push(PLAIN_MANIFEST.into());
    seeds
}

/// Reads bytes as the WIT of a component.
pub fn wit(bytes: &[u8]) {
    COMPONENTS.with(|copies| {
        let path = format!("{KEEPER}/ledger.wit");
        copies.change(&path, bytes);
        component_in(copies, KEEPER);
        copies.change(&path, &example(&path));
    });
}

pub(crate) fn wit_seeds() -> Vec<Vec<u8>> {
    let everything = "package all:types@1.0.0;

interface types {
    type amount = u64;
    record entry { key: string, value: option<list<amount>>, at: tuple<u8, char> }
    variant outcome { none, some(entry), other(result<u32, string>) }
    enum color { red, green }
    flags rights { read, write }
    /// @isolated
    post: func(entry: entry, rights: rights) -> outcome;
}

interface shop {
    use types.{entry};
    resource account {
        constructor(owner: string);
        balance: func() -> u64;
        merge: static func(from: account, to: borrow<account>) -> account;
    }
    list: func() -> list<entry>;
}

world keeper {
    import types;
    export shop;
    export run: func(a: u32) -> u32;
}
";
    vec![
        example("exchange/deps/bank/ledger/ledger.wit"),
        example("exchange/app/app.wit"),
        everything.into(),
    ]
}

/// Reads bytes as a composition file beside the components of two examples.
pub fn composition(bytes: &[u8]) {
    COMPOSITIONS.with(|copies| {
        for path in ["wallet/fuzzed.toml", "exchange/fuzzed.toml"] {
            copies.change(path, bytes);
            composition_in(copies, path);
        }
    });
}

pub(crate) fn composition_seeds() -> Vec<Vec<u8>> {
    vec![
        example("wallet/wallet.toml"),
        example("exchange/exchange.toml"),
        example("exchange/deps/bank/desk.toml"),
    ]
}

/// Reads bytes as a WAC document: as a composition of its own, and as one within another.
pub fn wac(bytes: &[u8]) {
    COMPOSITIONS.with(|copies| {
        let path = "exchange/fuzzed.wac";
        copies.change(path, bytes);
        composition_in(copies, path);
        let branch = "exchange/branch.wac";
        copies.change(branch, bytes);
        composition_in(copies, "exchange/exchange.toml");
        copies.change(branch, &example(branch));
    });
}

pub(crate) fn wac_seeds() -> Vec<Vec<u8>> {
    let runs = r#"package bank:run@1.0.0;

let teller = new bank:teller { first: desk, second: desk, ... };
let desk = new bank:desk { log: (log)["bank:log/log@1.0.0"], ...log };
let log = new bank:ledger { };
export teller["bank:teller/teller@1.0.0"] as main;
export desk...;
"#;
    let branch = example("exchange/branch.wac");
    vec![branch, example("ledger/ledger.wac"), runs.into()]
}

/// A graph of names in sources: each two bytes are a declaration, and what it leads to.
pub fn names(bytes: &[u8]) {
    const MODULES: usize = 3;
    let name = |number: u8| format!("n{}", number % 5);
    let mut texts = vec![String::new(); MODULES];
    for (number, pair) in bytes.chunks_exact(2).take(40).enumerate() {
        let [kind, target] = [pair[0], pair[1]];
        let own = format!("{}{}", name(kind >> 5), ["", "x"][number % 2]);
        let module = usize::from(kind >> 3) % MODULES;
        let root = ["", "::"][usize::from(target & 1)];
        let public = ["", "pub "][usize::from(target >> 1 & 1)];
        let other = usize::from(target >> 2) % (MODULES + 1);
        let last = name(target >> 4);
        let path = match other {
            MODULES => format!("{}::{last}", name(target >> 5)),
            other => format!("{root}m::m{other}::{last}"),
        };
        let text = match kind % 8 {
            0..=3 => format!("{public}use {path}->{own}\n"),
            4 => format!("{public}const C{own} = {} + 1\n", path.to_uppercase())
                .replace("::N", "::CN"),
            5 => format!("{public}type {own} = struct {{ a: {path}, b: {last} }}\n"),
            6 => format!("{public}proc {own} exec.{path} exec.{last} end\n"),
            _ => format!(
                "{public}proc {own} repeat.{} call.{last} end push.1 drop end\n",
                target
            ),
        };
        texts[module].push_str(&text);
    }
    let sources = texts
        .into_iter()
        .enumerate()
        .map(|(number, text)| SourceText {
            file: format!("m{number}.masm").into(),
            module: format!("m::m{number}"),
            text,
        });
    // Whether it is accepted does not matter, as long as it is answered.
    let _ = Assembly::default().library(sources.collect());
}

pub(crate) fn names_seeds() -> Vec<Vec<u8>> {
    let patterns: [&[u8]; 4] = [
        &[0, 0],
        &[0, 4, 8, 0],
        &[6, 16, 7, 1],
        &[1, 12, 9, 4, 17, 0],
    ];
    patterns.iter().map(|pattern| pattern.repeat(10)).collect()
}
