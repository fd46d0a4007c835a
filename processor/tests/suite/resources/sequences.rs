//! Sequences of operations on tables, against a model of the Canonical ABI's table.

use std::collections::BTreeMap;

use miden_cvm_air::composition::LinkKind::Shared;
use miden_cvm_processor::Trap;
use proptest::prelude::*;

use crate::composition::Builder;

/// A table as `definitions.py` of the Component Model has it.
#[derive(Debug, Clone)]
struct Table {
    array: Vec<Option<Entry>>,
    free: Vec<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    resource: usize,
    rep: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    Unknown,
    WrongType,
    Lent,
}

impl Table {
    fn new() -> Self {
        Self {
            array: vec![None],
            free: Vec::new(),
        }
    }

    fn add(&mut self, entry: Entry) -> usize {
        match self.free.pop() {
            Some(index) => {
                assert_eq!(self.array[index], None);
                self.array[index] = Some(entry);
                index
            }
            None => {
                self.array.push(Some(entry));
                self.array.len() - 1
            }
        }
    }

    fn get(&self, index: usize, resource: usize) -> Result<Entry, Refusal> {
        let entry = self.array.get(index).copied().flatten();
        let entry = entry.ok_or(Refusal::Unknown)?;
        match entry.resource == resource {
            true => Ok(entry),
            false => Err(Refusal::WrongType),
        }
    }

    fn remove(&mut self, index: usize, resource: usize) -> Result<Entry, Refusal> {
        let entry = self.get(index, resource)?;
        self.array[index] = None;
        self.free.push(index);
        Ok(entry)
    }
}

/// A task for an instance; numbers are reduced to what there is.
#[derive(Debug, Clone, Copy)]
enum Step {
    New {
        resource: usize,
        rep: u32,
    },
    Rep {
        resource: usize,
        handle: usize,
    },
    Drop {
        by: usize,
        resource: usize,
        handle: usize,
    },
    Give {
        from: usize,
        to: usize,
        resource: usize,
        handle: usize,
    },
    Lend {
        from: usize,
        to: usize,
        resource: usize,
        handle: usize,
    },
    /// Lends a handle and gives it away in the same call.
    Both {
        from: usize,
        to: usize,
        resource: usize,
        handle: usize,
    },
}

/// The effect of a call on the stack's top element: the procedure's code, by the worker that has
/// it.
type Code = BTreeMap<(usize, String), String>;

/// Workers 1 to n, the first of which define one type each; types of odd numbers have destructors,
/// which sum up what was destroyed.
struct Model {
    workers: usize,
    types: usize,
    tables: Vec<Table>,
    destroyed: Vec<u64>,
    code: Code,
    main: String,
}

/// Most handles that a table has at the beginning, before it is known what there is.
const HANDLES: usize = 6;

impl Model {
    fn new(workers: usize) -> Self {
        let types = workers.min(4);
        Self {
            workers,
            types,
            tables: vec![Table::new(); workers + 1],
            destroyed: vec![0; types],
            code: Code::new(),
            main: String::new(),
        }
    }

    /// Has a worker execute `code` with `input` on top of the stack, and checks what comes back.
    fn call(&mut self, worker: usize, code: &str, input: u64, output: Option<u64>) {
        let stub = self.procedure(worker, code);
        self.main += &format!("push.{input} call.stubs::{stub} ");
        self.main += &match output {
            Some(output) => format!("push.{output} assert_eq\n"),
            None => "drop\n".into(),
        };
    }

    /// The procedure of a worker with some code, which can be called by everybody.
    fn procedure(&mut self, worker: usize, code: &str) -> String {
        let number = self.code.len();
        let name = self.code.entry((worker, code.into()));
        name.or_insert_with(|| format!("w{number}")).clone()
    }

    fn definer(&self, resource: usize) -> usize {
        resource + 1
    }

    fn destroys(resource: usize) -> bool {
        resource % 2 == 1
    }

    /// Adds a step; a refusal is the end.
    fn step(&mut self, step: Step) -> Result<(), Refusal> {
        let worker = |number: usize| 1 + number % self.workers;
        match step {
            Step::New { resource, rep } => {
                let resource = resource % self.types;
                let definer = self.definer(resource);
                let rep = u64::from(rep);
                let handle = self.tables[definer].add(Entry { resource, rep }) as u64;
                let code = format!("call.stubs::new{resource}");
                self.call(definer, &code, rep, Some(handle));
            }
            Step::Rep { resource, handle } => {
                let resource = resource % self.types;
                let definer = self.definer(resource);
                let found = self.tables[definer].get(handle, resource);
                let code = format!("call.stubs::rep{resource}");
                self.call(definer, &code, handle as u64, found.ok().map(|e| e.rep));
                found?;
            }
            Step::Drop {
                by,
                resource,
                handle,
            } => {
                let (by, resource) = (worker(by), resource % self.types);
                let code = format!("call.stubs::drop{resource}");
                self.call(by, &code, handle as u64, None);
                let entry = self.tables[by].remove(handle, resource)?;
                self.destroyed[resource] += entry.rep;
            }
            Step::Give {
                from,
                to,
                resource,
                handle,
            } => {
                let (from, to, resource) = (worker(from), worker(to), resource % self.types);
                if from == to {
                    return Ok(());
                }
                let take = self.procedure(to, &format!("call.stubs::recv_own{resource}"));
                let code = format!("call.stubs::send_own{resource} call.stubs::{take}");
                let removed = self.tables[from].remove(handle, resource);
                let received = removed.map(|entry| self.tables[to].add(entry) as u64);
                self.call(from, &code, handle as u64, received.ok());
                received?;
            }
            Step::Lend {
                from,
                to,
                resource,
                handle,
            } => {
                let (from, to, resource) = (worker(from), worker(to), resource % self.types);
                if from == to {
                    return Ok(());
                }
                let (look, seen) = self.look(from, to, resource, handle);
                let code = format!("call.stubs::send_borrow{resource} call.stubs::{look}");
                self.call(from, &code, handle as u64, seen.ok());
                seen?;
            }
            Step::Both {
                from,
                to,
                resource,
                handle,
            } => {
                let (from, to, resource) = (worker(from), worker(to), resource % self.types);
                if from == to {
                    return Ok(());
                }
                let found = self.tables[from].get(handle, resource);
                let code = format!(
                    "dup call.stubs::send_borrow{resource} drop call.stubs::send_own{resource}"
                );
                self.call(from, &code, handle as u64, None);
                found?;
                return Err(Refusal::Lent);
            }
        }
        Ok(())
    }

    /// The procedure that looks at a borrow and gives it up; and what it sees: the definer the
    /// representation, others their index.
    fn look(
        &mut self,
        from: usize,
        to: usize,
        resource: usize,
        handle: usize,
    ) -> (String, Result<u64, Refusal>) {
        let found = self.tables[from].get(handle, resource);
        if to == self.definer(resource) {
            let code = format!("call.stubs::recv_borrow{resource}");
            return (self.procedure(to, &code), found.map(|entry| entry.rep));
        }
        let code = format!("call.stubs::recv_borrow{resource} dup call.stubs::drop{resource} drop");
        let seen = found.map(|entry| {
            let index = self.tables[to].add(entry);
            let removed = self.tables[to].remove(index, resource);
            assert_eq!(removed, Ok(entry));
            index as u64
        });
        (self.procedure(to, &code), seen)
    }

    /// The composition, and its main procedure.
    fn build(mut self) -> (Builder, String) {
        for resource in (0..self.types).filter(|resource| Self::destroys(*resource)) {
            let definer = self.definer(resource);
            let sum = self.destroyed[resource];
            self.call(definer, "mem_load.0 swap drop", 0, Some(sum));
        }
        let stubs: Vec<String> = self
            .code
            .values()
            .enumerate()
            .map(|(number, name)| format!("pub proc {name} push.{} drop end", 9000 + number))
            .collect();
        let mut builder = Builder::with_stubs(self.workers as u32 + 1, &stubs.join("\n"));
        for worker in 1..=self.workers {
            let mut source = String::from("pub proc gone dup mem_load.0 add mem_store.0 end\n");
            for ((owner, code), name) in &self.code {
                if *owner == worker {
                    source += &format!("pub proc {name} {code} end\n");
                }
            }
            builder = builder.component(&format!("worker{worker}"), &source);
        }
        for ((worker, _), name) in &self.code {
            for source in (0..=self.workers).filter(|source| source != worker) {
                let callee = format!("worker{worker}::{name}");
                let (source, target) = (source as u32, *worker as u32);
                builder = builder.link(source, name, Shared, target, &callee);
            }
        }
        for resource in 0..self.types {
            let definer = self.definer(resource);
            let destructor = format!("worker{definer}::gone");
            let destructor = Self::destroys(resource).then_some(destructor.as_str());
            builder = builder.resource(definer as u32, destructor);
        }
        (builder, format!("begin\nneg neg\n{}end", self.main))
    }
}

fn step() -> impl Strategy<Value = Step> {
    let small = 0..8usize;
    let handle = 1..HANDLES;
    prop_oneof![
        5 => (small.clone(), any::<u32>()).prop_map(|(resource, rep)| Step::New { resource, rep }),
        2 => (small.clone(), handle.clone())
            .prop_map(|(resource, handle)| Step::Rep { resource, handle }),
        3 => (small.clone(), small.clone(), handle.clone())
            .prop_map(|(by, resource, handle)| Step::Drop { by, resource, handle }),
        6 => (small.clone(), small.clone(), small.clone(), handle.clone()).prop_map(
            |(from, to, resource, handle)| Step::Give { from, to, resource, handle }
        ),
        4 => (small.clone(), small.clone(), small.clone(), handle.clone()).prop_map(
            |(from, to, resource, handle)| Step::Lend { from, to, resource, handle }
        ),
        1 => (small.clone(), small.clone(), small, handle).prop_map(
            |(from, to, resource, handle)| Step::Both { from, to, resource, handle }
        ),
    ]
}

/// Returns `true` if a step would be refused; most of these are left out, so that runs get long.
fn is_refused(model: &Model, step: Step) -> bool {
    let worker = |number: usize| 1 + number % model.workers;
    let (table, resource, handle) = match step {
        Step::New { .. } => return false,
        Step::Rep { resource, handle } => (model.definer(resource % model.types), resource, handle),
        Step::Drop {
            by: from,
            resource,
            handle,
        }
        | Step::Give {
            from,
            resource,
            handle,
            ..
        }
        | Step::Lend {
            from,
            resource,
            handle,
            ..
        } => (worker(from), resource, handle),
        Step::Both { .. } => return true,
    };
    model.tables[table]
        .get(handle, resource % model.types)
        .is_err()
}

/// Runs what can be done of the steps, and if `refused` is set, the first after these that cannot.
fn run(workers: usize, steps: &[Step], refused: bool) -> Result<(), TestCaseError> {
    let mut model = Model::new(workers);
    let mut refusal = None;
    for (number, &step) in steps.iter().enumerate() {
        let is_late = refused && number > steps.len() / 2;
        if is_refused(&model, step) && !is_late {
            continue;
        }
        if let Err(reason) = model.step(step) {
            refusal = Some(reason);
            break;
        }
    }
    let (builder, main) = model.build();
    let Some(refusal) = refusal else {
        super::ends(&builder, &main);
        return Ok(());
    };
    let trap = super::traps(&builder, &main);
    let found = match &trap {
        Trap::UnknownHandle { .. } => Refusal::Unknown,
        Trap::WrongResourceType { .. } => Refusal::WrongType,
        Trap::HandleLent { .. } => Refusal::Lent,
        other => panic!("{other}\n{main}"),
    };
    prop_assert_eq!(found, refusal, "{}", trap);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn tables_are_those_of_the_canonical_abi(
        workers in 1..=8usize,
        steps in proptest::collection::vec(step(), 1..60),
        refused: bool,
    ) {
        run(workers, &steps, refused)?;
    }
}
