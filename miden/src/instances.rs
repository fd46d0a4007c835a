//! The transaction kernel over instances that it installs: the account is one that keeps its memory from call
//! to call, and each script has one of its own for the time that it runs.
//!
//! The kernel is Miden's. Between its prologue, which has checked account and notes, and its loop over the
//! notes stands a prelude. It installs the account by the commitment to its code and the scripts by their roots, as
//! the kernel has them in its memory, wires the scripts to the account, and adopts what the kernel calls from
//! there on. Nothing else of the kernel's code is another one. The composition has one instance, so a statement
//! says nothing of which scripts run, nor of the account.
//!
//! Foreign accounts whose procedures are invoked are instances as well. The prelude has the kernel load them, and
//! check them against the chain, which it else does when the first procedure of each is invoked. All are components then,
//! whose commitments the prelude computes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use miden_core::{
    EventId, EventName, Felt, Operation, Program, Word,
    mast::{JoinNodeBuilder, MastForest, MastForestContributor, MastNode, MastNodeExt, MastNodeId},
};
use miden_cvm_air::{
    component::{Call, Component, ComponentError, Export, Meaning, order_of},
    composition::{Composition, Intrinsic, IntrinsicRecord, LinkKind},
};
use miden_cvm_processor::{
    AdviceMutation, BaseHost, ExecutionInputs, ExecutionTrace, HostError, ProcessState, SyncHost,
    execute_traced,
};
use miden_processor::EventError;
use miden_protocol::{
    account::{AccountCode, AccountId},
    assembly::{
        Assembler, DefaultSourceManager, Library, Module, ModuleKind, SourceFile, SourceSpan,
        debuginfo::Location,
    },
    transaction::{TransactionInputs, TransactionKernel},
};
use thiserror::Error;

use crate::hosted::{Divergence, HostedError, Prompt, Run, at_once, own_advice, own_mutation};

/// The procedures of the VM that the prelude calls, by the names of their stubs.
const STUBS: [(&str, Intrinsic); 5] = [
    ("install", Intrinsic::Install),
    ("install_code", Intrinsic::InstallCode),
    ("install_procedure", Intrinsic::InstallProcedure),
    ("wire", Intrinsic::Wire),
    ("adopt", Intrinsic::Adopt),
];

/// Where the kernel has the roots of the native account's procedures.
const PROCEDURES: u64 = 8224;
/// The distance from there to those of the first foreign account that is loaded, and from each to the next.
const ACCOUNT_LENGTH: u64 = 8192;
/// Where it has the root of the transaction's script.
const TX_SCRIPT: u64 = 428;
/// Where it has the root of the first note's script, and how far it is to the next one's.
const NOTE_SCRIPT: (u64, u64) = (4_259_848, 2048);

/// Why a transaction does not run over instances.
#[derive(Debug, Error)]
pub enum InstancesError {
    /// The kernel is not the one that the prelude is for.
    #[error(
        "the transaction kernel of `miden-protocol` has no loop over notes, or the prelude is not assembled: {0}"
    )]
    Kernel(String),
    /// A foreign account is not among the transaction's inputs, or not all that has to be known of it.
    #[error("the foreign account {id} is not among the transaction's inputs: {reason}")]
    ForeignAccount {
        /// The account's id, or the two elements that are none.
        id: String,
        /// The reason.
        reason: String,
    },
    /// Two accounts have a procedure that is invoked: a call by its digest could lead to either.
    #[error(
        "the procedure {0} is invoked on a foreign account, and another account of the transaction has it as \
         well: run the kernel without instances"
    )]
    SharedProcedure(Word),
    /// A foreign account invokes another one.
    #[error(
        "the foreign account {0} invokes a procedure of another foreign account: run the kernel without \
         instances"
    )]
    NestedForeign(AccountId),
    /// A script is what the account is, or calls it by two names.
    #[error("the transaction's components have no records: {0}")]
    Component(#[from] ComponentError),
    /// The run failed.
    #[error(transparent)]
    Run(#[from] HostedError),
}

/// The kernel with its prelude.
#[derive(Debug, Clone)]
pub struct KernelOverInstances {
    program: Program,
    composition: Composition,
}

impl KernelOverInstances {
    /// Puts the prelude into the kernel of `miden-protocol`.
    ///
    /// # Errors
    /// If that is not the one which the prelude is for.
    pub fn new() -> Result<Self, InstancesError> {
        let failed = |error: &dyn core::fmt::Debug| InstancesError::Kernel(format!("{error:?}"));
        let text = STUBS.iter().zip(1u32..);
        let text: String = text
            .map(|((name, _), number)| format!("pub proc {name} push.{number} drop end\n"))
            .collect();
        let stubs = library("miden_cvm::stubs", &text, None).map_err(|e| failed(&e))?;
        let prelude = include_str!("../asm/instances.masm");
        let prelude = library("miden_cvm::instances", prelude, Some(&stubs));
        let prelude = prelude.map_err(|e| failed(&e))?;
        let root = |library: &Library, path: &str| {
            let root = library.get_procedure_root_by_path(path);
            root.ok_or_else(|| failed(&path))
        };
        let start = root(&prelude, "miden_cvm::instances::instances")?;

        let kernel = TransactionKernel::main();
        let mut forest = (**kernel.mast_forest()).clone();
        let start = add(&mut forest, prelude.mast_forest(), start).map_err(|e| failed(&e))?;
        let main = before_notes(&mut forest, kernel.entrypoint(), start);
        let main = main.ok_or_else(|| failed(&"no loop"))?;
        forest.make_root(main);
        let program = Program::with_kernel(Arc::new(forest), main, kernel.kernel().clone());

        let records = STUBS.iter().map(|(name, intrinsic)| {
            Ok(IntrinsicRecord {
                source: 0,
                digest: root(&stubs, &format!("miden_cvm::stubs::{name}"))?,
                intrinsic: *intrinsic,
                resource: 0,
            })
        });
        let records = records.collect::<Result<_, InstancesError>>()?;
        let composition = Composition::new(1, Vec::new(), Vec::new())
            .and_then(|composition| composition.with_resources(Vec::new(), records))
            .map_err(|error| failed(&error))?;
        Ok(Self {
            program,
            composition,
        })
    }

    /// The program: the same for all transactions.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// The composition: the same for all transactions.
    pub fn composition(&self) -> &Composition {
        &self.composition
    }

    /// Runs a transaction and builds its trace. `run` is what Miden's kernel runs it with, and its host is asked
    /// once: Miden's kernel runs first, and the answers are those that this one gets.
    ///
    /// # Errors
    /// If one of both fails, or they end in different ways.
    pub fn execute_traced<H>(
        &self,
        inputs: &TransactionInputs,
        run: Run<'_>,
        host: &mut H,
    ) -> Result<ExecutionTrace, InstancesError>
    where
        H: miden_processor::SyncHost + Send + Sync,
    {
        let (stack, options) = (run.stack.clone(), run.options);
        let mut advice = own_advice(run.advice.clone());
        let mut noted = Noted {
            host,
            answers: Vec::new(),
            foreign: Vec::new(),
        };
        let plain = at_once(run.execute(&mut Prompt(&mut noted)));
        let plain = plain.ok_or(HostedError::Diverged(Divergence::Outputs))??;
        let Noted {
            host,
            answers,
            foreign,
        } = noted;
        let installation = Installation::of(inputs, &foreign)?;
        advice.stack.extend(installation.advice);
        for component in &installation.components {
            advice
                .map
                .insert(component.commitment(), component.to_elements());
        }
        let mut told = Told {
            host,
            answers: loaded_early(answers).into_iter(),
        };
        let (program, composition) = (&self.program, Some(&self.composition));
        let run = execute_traced(
            ExecutionInputs {
                program,
                composition,
                arguments: (&stack).into(),
                advice,
                options,
            },
            &mut told,
        );
        let traced = run.map_err(|error| HostedError::Machine(Box::new(error)))?;
        let public = &traced.public;
        let same = public.stack_outputs == plain.stack
            && public.precompile_transcript == plain.precompile_transcript.state();
        match same && told.answers.len() == 0 {
            true => Ok(traced),
            false => Err(HostedError::Diverged(Divergence::Outputs).into()),
        }
    }
}

fn library(path: &str, source: &str, stubs: Option<&Library>) -> Result<Library, String> {
    let sources = Arc::new(DefaultSourceManager::default());
    let module = Module::parser(ModuleKind::Library)
        .parse_str(path, source, sources.clone())
        .map_err(|report| format!("{report:?}"))?;
    let mut assembler = Assembler::new(sources);
    if let Some(stubs) = stubs {
        let linked = assembler.with_dynamic_library(stubs);
        assembler = linked.map_err(|report| format!("{report:?}"))?;
    }
    let library = assembler.assemble_library([module]);
    library.map_err(|report| format!("{report:?}"))
}

/// Adds all code of a library, and returns the place of one of its procedures. `MastForest::merge` of this
/// version makes a `dyncall` a `dynexec`.
fn add(
    forest: &mut MastForest,
    library: &MastForest,
    procedure: Word,
) -> Result<MastNodeId, String> {
    let mut library = library.clone();
    library.strip_decorators();
    let mut places: BTreeMap<MastNodeId, MastNodeId> = BTreeMap::new();
    // Children have smaller numbers.
    for id in (0..library.num_nodes()).map(MastNodeId::from) {
        let node = library[id].clone().to_builder(&library);
        let node = node.remap_children(&places);
        let place = node.add_to_forest(forest).map_err(|e| e.to_string())?;
        places.insert(id, place);
    }
    let root = library.find_procedure_root(procedure);
    let place = root.and_then(|root| places.get(&root).copied());
    place.ok_or_else(|| "the prelude is lost".into())
}

/// Puts a procedure before the first loop that calls what it finds in memory: the one over the notes. Returns
/// the root of the new tree.
fn before_notes(
    forest: &mut MastForest,
    node: MastNodeId,
    start: MastNodeId,
) -> Option<MastNodeId> {
    let children = match &forest[node] {
        MastNode::Loop(_) if calls_dynamically(forest, node) => [start, node],
        MastNode::Join(join) => {
            let (first, second) = (join.first(), join.second());
            match before_notes(forest, first, start) {
                Some(first) => [first, second],
                None => [first, before_notes(forest, second, start)?],
            }
        }
        _ => return None,
    };
    JoinNodeBuilder::new(children).add_to_forest(forest).ok()
}

fn calls_dynamically(forest: &MastForest, node: MastNodeId) -> bool {
    match &forest[node] {
        MastNode::Dyn(node) => node.is_dyncall(),
        MastNode::Join(join) => [join.first(), join.second()]
            .into_iter()
            .any(|child| calls_dynamically(forest, child)),
        MastNode::Split(split) => [split.on_true(), split.on_false()]
            .into_iter()
            .any(|child| calls_dynamically(forest, child)),
        MastNode::Loop(node) => calls_dynamically(forest, node.body()),
        _ => false,
    }
}

/// The digests that code calls, but for syscalls.
fn called(forest: &MastForest) -> BTreeSet<Word> {
    let calls = forest.nodes().iter().filter_map(|node| match node {
        MastNode::Call(call) if !call.is_syscall() => Some(forest[call.callee()].digest()),
        _ => None,
    });
    calls.collect()
}

/// The elements that code pushes: a digest that it invokes a procedure of a foreign account by is among them,
/// unless it gets it from elsewhere.
fn pushed(forest: &MastForest) -> BTreeSet<u64> {
    let blocks = forest.nodes().iter().filter_map(|node| match node {
        MastNode::Block(block) => Some(block),
        _ => None,
    });
    let pushed = blocks.flat_map(|block| block.raw_operations());
    let pushed = pushed.filter_map(|operation| match operation {
        Operation::Push(element) => Some(element.as_int()),
        _ => None,
    });
    pushed.collect()
}

fn names(pushed: &BTreeSet<u64>, digest: Word) -> bool {
    // Zero is pushed by another operation.
    let mut elements = digest.iter().map(|element| element.as_int());
    elements.all(|element| element <= 1 || pushed.contains(&element))
}

/// A foreign account that the kernel loads.
struct Foreign {
    id: AccountId,
    code: AccountCode,
    /// Its procedures that somebody can invoke.
    exported: Vec<Procedure>,
    /// The elements that its code pushes.
    pushed: BTreeSet<u64>,
}

impl Foreign {
    /// The foreign accounts that were loaded, in order, without their exports.
    fn all(inputs: &TransactionInputs, loaded: &[[Felt; 2]]) -> Result<Vec<Self>, InstancesError> {
        let accounts = loaded.iter().map(|&[prefix, suffix]| {
            let missing =
                |id: String, reason: String| InstancesError::ForeignAccount { id, reason };
            let id = AccountId::try_from([prefix, suffix])
                .map_err(|error| missing(format!("{prefix}, {suffix}"), error.to_string()))?;
            let account = inputs
                .read_foreign_account_inputs(id)
                .map_err(|error| missing(id.to_string(), error.to_string()))?;
            let code = account.code().clone();
            Ok(Self {
                id,
                pushed: pushed(&code.mast()),
                code,
                exported: Vec::new(),
            })
        });
        accounts.collect()
    }

    /// All of its procedures, of the account with this number.
    fn procedures(&self, number: usize) -> impl Iterator<Item = Procedure> + use<'_> {
        let first = PROCEDURES + ACCOUNT_LENGTH * (number as u64 + 1);
        procedures(first, &self.code)
    }
}

/// The procedures of an account, of which the first one's root is at this address.
fn procedures(first: u64, code: &AccountCode) -> impl Iterator<Item = Procedure> + use<'_> {
    let roots = code.procedure_roots();
    let procedures = (first..).step_by(4).zip(roots);
    procedures.map(|(address, digest)| Procedure { address, digest })
}

/// The procedures of accounts that a component calls, by the instances that they are of: their handles, in the
/// order of the imports.
#[derive(Default)]
struct Imports(Vec<(u64, Vec<Procedure>)>);

impl Imports {
    fn add(&mut self, handle: u64, procedures: Vec<Procedure>) {
        if !procedures.is_empty() {
            self.0.push((handle, procedures));
        }
    }

    /// The calls, as a record has them.
    fn calls(&self) -> Vec<(u32, Procedure)> {
        let numbered = (1..).zip(&self.0);
        let calls = numbered.flat_map(|(slot, (_, procedures))| {
            procedures.iter().map(move |&procedure| (slot, procedure))
        });
        let mut calls: Vec<(u32, Procedure)> = calls.collect();
        calls.sort_by_key(|(_, procedure)| order_of(procedure.digest[0]));
        calls
    }

    fn records(&self) -> Vec<Call> {
        let calls = self.calls().into_iter();
        calls
            .map(|(slot, procedure)| procedure.import(slot, LinkKind::Shared))
            .collect()
    }

    /// The advice that the prelude's `imports` takes.
    fn advice(&self) -> Vec<u64> {
        let calls = self.calls().into_iter();
        calls
            .flat_map(|(slot, procedure)| [1, procedure.address, slot.into()])
            .chain([0])
            .collect()
    }

    /// The advice that the prelude's `wires` takes.
    fn wires(&self) -> Vec<u64> {
        let handles = self.0.iter().rev().flat_map(|(handle, _)| [1, *handle]);
        handles.chain([0]).collect()
    }
}

/// The components that are installed for a transaction, and what the prelude takes from the advice.
struct Installation {
    components: Vec<Component>,
    advice: Vec<Felt>,
}

impl Installation {
    /// The installation for a transaction whose run has loaded these foreign accounts.
    fn of(inputs: &TransactionInputs, loaded: &[[Felt; 2]]) -> Result<Self, InstancesError> {
        let (first, step) = NOTE_SCRIPT;
        let notes = inputs.input_notes().iter();
        let notes = notes
            .zip((first..).step_by(step as usize))
            .map(|(note, address)| {
                let script = note.note().script();
                (address, script.root(), script.mast())
            });
        let own = inputs.tx_script();
        let own = own.map(|script| (TX_SCRIPT, script.root(), script.mast()));
        // Equal scripts are one component.
        let mut known = BTreeSet::new();
        let mut scripts: Vec<_> = notes
            .chain(own)
            .filter(|(_, root, _)| known.insert(*root))
            .collect();
        scripts.sort_by_key(|(_, root, _)| order_of(root[0]));

        let code = inputs.account().code();
        let procedures: Vec<Procedure> = procedures(PROCEDURES, code).collect();
        if loaded.is_empty() {
            let scripts = scripts
                .iter()
                .map(|&(address, digest, _)| Procedure { address, digest });
            return Self::alone(procedures.first().copied(), scripts.collect());
        }
        let calls: Vec<Vec<Procedure>> = scripts
            .iter()
            .map(|(_, _, forest)| {
                let called = called(forest);
                let of_account = procedures.iter().copied();
                of_account.filter(|p| called.contains(&p.digest)).collect()
            })
            .collect();
        // The kernel calls the first one to authenticate.
        let exported: Vec<Procedure> = procedures
            .iter()
            .copied()
            .enumerate()
            .filter(|(number, p)| *number == 0 || calls.iter().flatten().any(|c| c == p))
            .map(|(_, procedure)| procedure)
            .collect();

        let mut foreign = Foreign::all(inputs, loaded)?;
        let mut callers = vec![pushed(&code.mast())];
        callers.extend(scripts.iter().map(|(_, _, forest)| pushed(forest)));
        let invoked = find_invoked(&mut foreign, &callers, &procedures)?;

        let component = |calls, exports| Component::new(calls, exports, Vec::new());
        let mut components = Vec::new();
        let mut advice = vec![0];
        for account in &foreign {
            let exports = account.exported.iter().map(|procedure| procedure.export());
            let record = component(Vec::new(), exports.collect());
            let [prefix, suffix] = [account.id.prefix().as_felt(), account.id.suffix()];
            advice.extend([1, suffix.as_int(), prefix.as_int()]);
            advice.extend(head(&record));
            advice.extend(listed(&account.exported));
            components.push(record);
        }
        advice.push(0);
        // Handles have the numbers of the instances, in the order in which they are installed.
        let own_handle = foreign.len() as u64 + 1;
        let mut invoked = invoked.into_iter();
        let imports = invoked.next().unwrap_or_default();
        let exports = exported.iter().map(|procedure| procedure.export());
        let account = component(imports.records(), exports.collect());
        advice.extend(head(&account));
        advice.extend(imports.advice());
        advice.extend(listed(exported.iter().skip(1)));
        advice.extend(imports.wires());
        components.push(account);
        let authenticates = procedures.first();
        let mut kernel: Vec<Call> = authenticates
            .map(|procedure| procedure.import(1, LinkKind::Shared))
            .into_iter()
            .collect();
        let numbered = (2..).zip(scripts.iter().zip(calls).zip(invoked));
        for (slot, (((address, digest, _), calls), invoked)) in numbered {
            let script = Procedure {
                address: *address,
                digest: *digest,
            };
            kernel.push(script.import(slot, LinkKind::Fresh));
            let mut imports = Imports::default();
            imports.add(own_handle, calls);
            imports.0.extend(invoked.0);
            let record = component(imports.records(), vec![script.export()]);
            advice.push(1);
            advice.extend(head(&record));
            advice.extend(imports.advice());
            advice.push(*address);
            advice.extend(imports.wires());
            components.push(record);
        }
        advice.push(0);
        let kernel = component(kernel, Vec::new());
        advice.extend(head(&kernel));
        advice.extend(called_by_kernel(&kernel, authenticates.copied()));
        components.push(kernel);
        Self::new(components, advice)
    }

    /// The installation for a transaction without foreign accounts, of the account's first procedure and of different
    /// scripts, in the order of their digests.
    fn alone(
        authenticates: Option<Procedure>,
        scripts: Vec<Procedure>,
    ) -> Result<Self, InstancesError> {
        // The exports of code have their numbers as keys.
        let by_number = authenticates.map(|first| Procedure {
            address: 0,
            ..first
        });
        let numbered = (2..).zip(&scripts);
        let called = numbered.map(|(slot, script)| script.import(slot, LinkKind::Fresh));
        let first = by_number.map(|first| first.import(1, LinkKind::Shared));
        let kernel = Component::new(
            first.into_iter().chain(called).collect(),
            Vec::new(),
            Vec::new(),
        );
        let advice = match &scripts[..] {
            [script] => {
                let first = kernel.calls.first();
                let is_first = first.is_some_and(|call| call.digest == script.digest);
                vec![1, script.address, is_first.into()]
            }
            _ => {
                let mut advice = vec![0, 0];
                advice.extend(listed(&scripts));
                advice.extend(head(&kernel).into_iter().skip(1).take(2));
                advice.extend(called_by_kernel(&kernel, authenticates));
                advice
            }
        };
        Self::new(vec![kernel], advice)
    }

    fn new(components: Vec<Component>, advice: Vec<u64>) -> Result<Self, InstancesError> {
        for component in &components {
            component.validate()?;
        }
        Ok(Self {
            components,
            advice: advice.into_iter().map(Felt::new).collect(),
        })
    }
}

/// The advice that the prelude takes for the calls of the kernel's record, and for their wires.
fn called_by_kernel(kernel: &Component, authenticates: Option<Procedure>) -> Vec<u64> {
    let authenticates = authenticates.map(|procedure| procedure.digest);
    let calls = kernel.calls.iter().flat_map(|call| match call.meaning {
        // The scripts before it are over, and those after it begin.
        _ if Some(call.digest) == authenticates => vec![0],
        Meaning::Import { key, .. } => vec![1, key.as_int()],
        _ => Vec::new(),
    });
    // An import more each, but for the last one.
    let wires = kernel.calls.iter().skip(1).map(|_| 1);
    calls.chain([0]).chain(wires).chain([0]).collect()
}

/// Finds which procedures of foreign accounts can be invoked, and puts them among their exports; returns, for each
/// caller, by the elements that its code pushes, which ones it imports. Where no code names a
/// procedure of an account, as the digest comes from elsewhere, everybody imports all of them.
fn find_invoked(
    foreign: &mut [Foreign],
    callers: &[BTreeSet<u64>],
    own: &[Procedure],
) -> Result<Vec<Imports>, InstancesError> {
    let mut imports: Vec<Imports> = callers.iter().map(|_| Imports::default()).collect();
    let mut owners: BTreeSet<Word> = own.iter().map(|procedure| procedure.digest).collect();
    for number in 0..foreign.len() {
        let all: Vec<Procedure> = foreign[number].procedures(number).collect();
        let mut others = foreign.iter().enumerate();
        let nested = others.find(|(other, account)| {
            *other != number && all.iter().any(|p| names(&account.pushed, p.digest))
        });
        if let Some((_, account)) = nested {
            return Err(InstancesError::NestedForeign(account.id));
        }
        let is_named = |p: &Procedure| callers.iter().any(|caller| names(caller, p.digest));
        let is_any_named = all.iter().any(is_named);
        let exported = all.into_iter().filter(|p| match is_any_named {
            true => is_named(p),
            false => !owners.contains(&p.digest),
        });
        let exported: Vec<Procedure> = exported.collect();
        for procedure in &exported {
            if !owners.insert(procedure.digest) {
                return Err(InstancesError::SharedProcedure(procedure.digest));
            }
        }
        for (caller, imports) in callers.iter().zip(&mut imports) {
            let invoked = exported.iter().copied();
            let invoked = invoked.filter(|p| !is_any_named || names(caller, p.digest));
            imports.add(number as u64 + 1, invoked.collect());
        }
        foreign[number].exported = exported;
    }
    Ok(imports)
}

/// A root in the kernel's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Procedure {
    address: u64,
    digest: Word,
}

impl Procedure {
    fn export(self) -> Export {
        Export {
            digest: self.digest,
            key: Felt::new(self.address),
        }
    }

    fn import(self, slot: u32, kind: LinkKind) -> Call {
        let key = Felt::new(self.address);
        Call {
            digest: self.digest,
            meaning: Meaning::Import { key, slot, kind },
        }
    }
}

/// The first four elements of a component's record.
fn head(component: &Component) -> Vec<u64> {
    let blocks = component.blocks();
    let first = blocks.first().map(|block| &block[..4]);
    let elements = first.unwrap_or_default().iter();
    elements.map(|element| element.as_int()).collect()
}

/// The addresses of procedures, each after a 1, and a 0 at the end.
fn listed<'a>(procedures: impl IntoIterator<Item = &'a Procedure>) -> Vec<u64> {
    let addresses = procedures
        .into_iter()
        .flat_map(|procedure| [1, procedure.address]);
    addresses.chain([0]).collect()
}

/// A host of Miden's whose answers are noted down, with the events that they are for.
struct Noted<'a, H> {
    host: &'a mut H,
    answers: Vec<Answer>,
    /// Prefix and suffix of the ids of the foreign accounts, in the order in which they are loaded.
    foreign: Vec<[Felt; 2]>,
}

/// An answer, and the event that it is for.
type Answer = (Felt, Vec<AdviceMutation>);

/// The event by which the kernel asks for a foreign account.
const FOREIGN_LOAD: EventName = EventName::new("miden::account::before_foreign_load");
/// The last event before the prelude.
const NOTES_START: EventName = EventName::new("miden::tx::notes_processing_start");

fn is(event: Felt, name: &EventName) -> bool {
    event == name.to_event_id().as_felt()
}

/// The answers that a run gets which loads foreign accounts before the notes, and so not later. Loading one asks
/// the host once.
fn loaded_early(answers: Vec<Answer>) -> Vec<Answer> {
    let (early, mut answers): (Vec<Answer>, Vec<Answer>) = answers
        .into_iter()
        .partition(|(event, _)| is(*event, &FOREIGN_LOAD));
    let start = answers
        .iter()
        .position(|(event, _)| is(*event, &NOTES_START));
    let start = start.map_or(answers.len(), |start| start + 1);
    answers.splice(start..start, early);
    answers
}

impl<H: miden_processor::BaseHost> miden_processor::BaseHost for Noted<'_, H> {
    fn get_label_and_source_file(
        &self,
        location: &Location,
    ) -> (SourceSpan, Option<Arc<SourceFile>>) {
        self.host.get_label_and_source_file(location)
    }

    fn on_assert_failed(
        &mut self,
        process: &miden_processor::ProcessState<'_>,
        error_code: Felt,
    ) -> Option<miden_processor::AssertError> {
        self.host.on_assert_failed(process, error_code)
    }

    fn resolve_event(&self, event_id: EventId) -> Option<&EventName> {
        self.host.resolve_event(event_id)
    }
}

impl<H: miden_processor::SyncHost> miden_processor::SyncHost for Noted<'_, H> {
    fn get_mast_forest(&self, digest: &Word) -> Option<Arc<MastForest>> {
        self.host.get_mast_forest(digest)
    }

    fn on_event(
        &mut self,
        process: &miden_processor::ProcessState<'_>,
    ) -> Result<Vec<miden_processor::AdviceMutation>, EventError> {
        let event = process.get_stack_item(0);
        if is(event, &FOREIGN_LOAD) {
            self.foreign
                .push([1, 2].map(|at| process.get_stack_item(at)));
        }
        let mutations = self.host.on_event(process)?;
        let own = mutations.iter().map(own_mutation).collect();
        self.answers.push((event, own));
        Ok(mutations)
    }
}

/// A host that gives the answers which another run has got.
struct Told<'a, H> {
    host: &'a H,
    answers: std::vec::IntoIter<Answer>,
}

impl<H> BaseHost for Told<'_, H> {}

impl<H: miden_processor::SyncHost> SyncHost for Told<'_, H> {
    fn get_mast_forest(&self, digest: &Word) -> Option<Arc<MastForest>> {
        self.host.get_mast_forest(digest)
    }

    fn on_event(&mut self, state: &ProcessState<'_>) -> Result<Vec<AdviceMutation>, HostError> {
        let event = state.get_stack_item(0);
        match self.answers.next() {
            Some((asked, answer)) if asked == event => Ok(answer),
            _ => Err(Divergence::Outputs.into()),
        }
    }
}
