//! Component instances: calls between them, their state, and the rules at their boundaries.

use std::sync::Arc;

use miden_assembly::{Assembler, DefaultSourceManager};
use miden_core::{AdviceMap, EMPTY_WORD, Felt, Kernel, Word, ZERO};
use miden_cvm_air::composition::{
    Composition,
    LinkKind::{self, Fresh, Isolated, Shared},
    LinkRecord, SegmentRecord,
};
use miden_cvm_processor::{
    ContextId, CreationTime, Crossing, DefaultHost, ExecutionError, ExecutionInputs,
    ExecutionOptions, KernelAccess, LoadError, Process, RowKind, RowState, TableAccess, Tracer,
    Trap,
};

use super::constraints::assert_valid;

#[path = "../common/composition.rs"]
mod builder;

pub use builder::{Builder, nosy};
use builder::{library, root_of};

/// A component that counts its calls, and tells who called it.
const COUNTER: &str = "
    pub proc bump mem_load.0 add.1 mem_store.0 mem_load.0 swap drop end
    pub proc who caller swapw dropw end
    pub proc deep push.1 push.2 end";

impl Builder {
    pub fn start(&self, main: &str) -> (Result<Vec<u64>, ExecutionError>, Process<Watcher>) {
        let (program, mut host) = self.program(main);
        let mut process = Process::new(
            program.kernel().clone(),
            &self.arguments,
            self.advice_inputs(),
            self.options,
            Watcher::default(),
        );
        let result = process.execute(&program, Some(&self.composition()), &mut host);
        (result.map(|stack| stack.as_int_vec()), process)
    }

    /// Runs to the end; the trace of the run has to satisfy all constraints.
    pub fn run(&self, main: &str) -> Vec<u64> {
        let stack = self.start(main).0.unwrap_or_else(|error| panic!("{error}"));
        let trace = self.trace(main);
        assert_valid(main, &trace);
        assert_eq!(trace.public.stack_outputs.as_int_vec(), stack);
        stack
    }

    fn fail(&self, main: &str) -> ExecutionError {
        self.start(main).0.expect_err("the run traps")
    }
}

/// Runs into a trap, which has to be this one.
pub fn traps(builder: &Builder, main: &str, is: impl FnOnce(&Trap) -> bool) {
    let error = builder.fail(main);
    assert!(error.trap().is_some_and(is), "{error}");
}

/// Notes how contexts are entered and created.
#[derive(Default)]
pub struct Watcher {
    pub entered: Vec<(Crossing, ContextId, bool)>,
    created: Vec<(ContextId, CreationTime)>,
    data: Vec<(ContextId, u32, usize)>,
    contexts: Vec<ContextId>,
    pub table: Vec<TableAccess>,
    pub kernel: Vec<KernelAccess>,
}

impl Tracer for Watcher {
    const ENABLED: bool = true;

    fn row(&mut self, state: &RowState<'_>, kind: RowKind<'_>) {
        if self.contexts.last() != Some(&state.context) {
            self.contexts.push(state.context);
        }
        if let RowKind::Start(row) = kind
            && let Some(entered) = row.entered
        {
            self.entered
                .push((entered.crossing, entered.context, entered.created));
        }
    }

    fn table(&mut self, access: &TableAccess) {
        self.table.push(*access);
    }

    fn kernel_memory(&mut self, access: &KernelAccess) {
        self.kernel.push(*access);
    }

    fn instance_created(&mut self, context: ContextId, at: CreationTime) {
        self.created.push((context, at));
    }

    fn static_data(
        &mut self,
        context: ContextId,
        _: CreationTime,
        segment: &SegmentRecord,
        data: &[Felt],
    ) {
        self.data.push((context, segment.address, data.len()));
    }
}

fn counter(kind: LinkKind) -> Builder {
    Builder::new(2)
        .component("counter", COUNTER)
        .link(0, "a1", kind, 1, "counter::bump")
        .link(0, "a2", kind, 1, "counter::who")
        .link(0, "b1", kind, 1, "counter::deep")
}

#[test]
fn shared_calls_keep_state() {
    let builder = counter(Shared);
    let main = "begin call.stubs::a1 call.stubs::a1 call.stubs::a1 end";
    let (result, process) = builder.start(main);
    assert_eq!(result.expect("it runs")[0], 3);
    let instance = ContextId::new(0, 1);
    assert_eq!(process.memory().get_value(instance, 0), Some(Felt::new(3)));
    let watcher = process.tracer();
    let shared = |created| (Crossing::Link(LinkKind::Shared), instance, created);
    assert_eq!(
        watcher.entered,
        [shared(true), shared(false), shared(false)]
    );
    assert_eq!(
        watcher.created[0],
        (ContextId::ROOT, CreationTime::BeforeStart)
    );
    assert_eq!(watcher.created.len(), 2);
}

#[test]
fn isolated_calls_start_afresh() {
    let builder = counter(Isolated);
    let (result, process) = builder.start("begin call.stubs::a1 call.stubs::a1 end");
    assert_eq!(result.expect("it runs")[0], 1);
    let entered = &process.tracer().entered;
    assert!(
        entered
            .iter()
            .all(|e| e.0 == Crossing::Link(LinkKind::Isolated) && e.1.index() == 1 && e.2)
    );
    assert_ne!(entered[0].1, entered[1].1);
    for (_, context, _) in entered {
        let CreationTime::Cycle(clk) = process
            .tracer()
            .created
            .iter()
            .find(|c| c.0 == *context)
            .expect("it was created")
            .1
        else {
            panic!("created too early")
        };
        assert_eq!(context.domain(), clk + 1);
        assert_eq!(
            process.memory().get_value(*context, 0),
            None,
            "its memory is freed"
        );
    }
    let mut retaining = counter(Isolated);
    retaining.options = ExecutionOptions::default().with_retained_memory(true);
    let (_, process) = retaining.start("begin call.stubs::a1 end");
    let context = process.tracer().entered[0].1;
    assert_eq!(process.memory().get_value(context, 0), Some(Felt::new(1)));
}

#[test]
fn calls_cost_what_they_cost_without_components() {
    let main = "begin call.stubs::a1 call.stubs::a1 end";
    let open = Assembler::default()
        .assemble_program(
            "proc bump mem_load.0 add.1 mem_store.0 mem_load.0 swap drop end
            begin call.bump call.bump end",
        )
        .expect("it assembles");
    let output = miden_cvm_processor::execute(
        miden_cvm_processor::ExecutionInputs::new(&open),
        &mut DefaultHost::default(),
    )
    .expect("it runs");
    for kind in [Shared, Fresh, Isolated] {
        assert_eq!(counter(kind).start(main).1.clk(), output.cycles);
    }
}

#[test]
fn shared_calls_of_an_isolated_instance_stay_in_its_domain() {
    let builder = Builder::new(3)
        .component("counter", COUNTER)
        .component("middle", "pub proc twice call.stubs::c1 call.stubs::c1 end")
        .link(0, "a1", Isolated, 1, "middle::twice")
        .link(0, "b1", Shared, 2, "counter::bump")
        .link(1, "c1", Shared, 2, "counter::bump");
    let (result, process) = builder.start("begin call.stubs::a1 call.stubs::a1 call.stubs::b1 end");
    assert_eq!(
        result.expect("it runs")[0],
        1,
        "the root's own counter was not touched before"
    );
    let domains: Vec<u32> = process
        .tracer()
        .entered
        .iter()
        .map(|e| e.1.domain())
        .collect();
    assert_eq!(domains[0], domains[1]);
    assert_eq!(domains[1], domains[2]);
    assert_eq!(domains[3], domains[4]);
    assert_ne!(domains[0], domains[3]);
    assert_eq!(domains[6], 0);
    let created: Vec<bool> = process.tracer().entered.iter().map(|e| e.2).collect();
    assert_eq!(created, [true, true, false, true, true, false, true]);
    let left: Vec<ContextId> = process
        .memory()
        .contexts()
        .filter(|c| c.domain() != 0)
        .collect();
    assert_eq!(left, [], "memory of domains that are over is freed");
}

#[test]
fn an_import_by_exact_root_is_a_link_to_itself() {
    let mut builder = counter(Shared);
    let exact = library("counter", COUNTER, None);
    let digest = root_of(&exact, "counter::bump");
    builder.stubs = exact;
    builder.links = vec![LinkRecord {
        source: 0,
        digest,
        kind: Shared,
        target: 1,
        callee: digest,
    }];
    let main = "begin call.::counter::bump call.::counter::bump end";
    let (program, mut host) = {
        let sources = Arc::new(DefaultSourceManager::default());
        let program = Assembler::new(sources)
            .with_dynamic_library(&builder.stubs)
            .and_then(|assembler| assembler.assemble_program(main))
            .unwrap_or_else(|report| panic!("{report:?}"));
        (
            program,
            DefaultHost::default().with_forest(builder.stubs.mast_forest().clone()),
        )
    };
    let output = miden_cvm_processor::execute(
        ExecutionInputs {
            composition: Some(&builder.composition()),
            ..ExecutionInputs::new(&program)
        },
        &mut host,
    )
    .expect("it runs");
    assert_eq!(output.stack[0], Felt::new(2));
}

#[test]
fn dyncalls_go_over_links() {
    let builder = counter(Shared);
    let main = "begin
        procref.stubs::a1 mem_storew_be.0 dropw
        push.0 dyncall drop push.0 dyncall
    end";
    assert_eq!(builder.run(main)[0], 2);
    let mut unlinked = counter(Shared);
    unlinked.links.clear();
    let error = unlinked.fail(main);
    assert!(
        matches!(error.trap(), Some(Trap::NotLinked { instance: 0, .. })),
        "{error}"
    );
}

#[test]
fn caller_is_the_function_that_called_in() {
    let builder = Builder::new(3)
        .component("counter", COUNTER)
        .component("middle", "pub proc ask call.stubs::c2 end")
        .link(0, "a1", Shared, 1, "middle::ask")
        .link(0, "a2", Shared, 2, "counter::who")
        .link(1, "c2", Isolated, 2, "counter::who");
    let word = |values: &[u64]| -> Word {
        Word::new([values[3], values[2], values[1], values[0]].map(Felt::new))
    };
    let asked = builder.run("begin call.stubs::a1 end");
    let middle = builder.procedure("middle::ask");
    assert_eq!(
        word(&asked),
        middle,
        "the isolated callee sees who called it"
    );
    let direct = builder.run("begin call.stubs::a2 end");
    assert_eq!(word(&direct), EMPTY_WORD, "main has no hash");
    let main = builder.run("begin caller swapw dropw end");
    assert_eq!(word(&main), EMPTY_WORD, "nobody called main");
}

#[test]
fn caller_is_restored_after_a_call() {
    let builder = Builder::new(3)
        .component("counter", COUNTER)
        .component(
            "middle",
            "pub proc ask call.stubs::c1 dropw caller swapw dropw end",
        )
        .component("outer", "pub proc go call.stubs::b1 end")
        .link(0, "a1", Shared, 1, "outer::go")
        .link(1, "b1", Shared, 2, "middle::ask")
        .link(2, "c1", Isolated, 1, "counter::who");
    let stack = builder.run("begin call.stubs::a1 end");
    let expected: Vec<u64> = builder
        .procedure("outer::go")
        .iter()
        .rev()
        .map(Felt::as_int)
        .collect();
    assert_eq!(stack[..4], expected);
}

#[test]
fn running_instances_cannot_be_entered() {
    let round = |kind| {
        Builder::new(3)
            .component(
                "a",
                "pub proc go call.stubs::b1 end pub proc back push.1 drop end",
            )
            .component("b", "pub proc there call.stubs::a1 end")
            .link(0, "a1", Shared, 1, "a::go")
            .link(1, "b1", Shared, 2, "b::there")
            .link(2, "a1", kind, 1, "a::back")
    };
    let error = round(Shared).fail("begin call.stubs::a1 end");
    assert!(
        matches!(error.trap(), Some(Trap::InstanceRunning { instance: 1 })),
        "{error}"
    );
    // A new domain has an instance of its own.
    round(Isolated).run("begin call.stubs::a1 end");

    let own = |kind| {
        Builder::new(2)
            .component(
                "a",
                "pub proc go call.stubs::a2 end pub proc inner push.1 drop end",
            )
            .link(0, "a1", Shared, 1, "a::go")
            .link(1, "a2", kind, 1, "a::inner")
    };
    let error = own(Shared).fail("begin call.stubs::a1 end");
    assert!(
        matches!(error.trap(), Some(Trap::InstanceRunning { instance: 1 })),
        "{error}"
    );
    own(Isolated).run("begin call.stubs::a1 end");

    let to_root = Builder::new(2)
        .component(
            "a",
            "pub proc go call.stubs::b1 end pub proc main push.5 drop end",
        )
        .link(0, "a1", Shared, 1, "a::go")
        .link(1, "b1", Shared, 0, "a::main");
    let error = to_root.fail("begin call.stubs::a1 end");
    assert!(
        matches!(error.trap(), Some(Trap::InstanceRunning { instance: 0 })),
        "{error}"
    );
    let main_to_itself = Builder::new(1)
        .component("a", "pub proc go push.1 drop end")
        .link(0, "a1", Shared, 0, "a::go");
    let error = main_to_itself.fail("begin call.stubs::a1 end");
    assert!(
        matches!(error.trap(), Some(Trap::InstanceRunning { instance: 0 })),
        "{error}"
    );
}

#[test]
fn an_instance_can_be_entered_again_after_it_returned() {
    let builder = Builder::new(3)
        .component("counter", COUNTER)
        .component("middle", "pub proc go call.stubs::c1 end")
        .link(0, "a1", Shared, 1, "middle::go")
        .link(0, "b1", Shared, 2, "counter::bump")
        .link(1, "c1", Shared, 2, "counter::bump");
    let stack = builder.run("begin call.stubs::a1 call.stubs::b1 call.stubs::a1 end");
    assert_eq!(stack[0], 3, "all reach the same counter");
}

#[test]
fn unlinked_calls_trap() {
    let builder = counter(Shared);
    let error = builder.fail("begin call.stubs::c2 end");
    let digest = builder.stub("c2");
    let Some(Trap::NotLinked {
        instance: 0,
        digest: named,
    }) = error.trap()
    else {
        panic!("{error}")
    };
    assert_eq!(*named, digest);
    // A component's call to its own procedure needs a link as well.
    let own = Builder::new(1);
    let error = own.fail("proc f push.1 drop end begin call.f end");
    assert!(
        matches!(error.trap(), Some(Trap::NotLinked { instance: 0, .. })),
        "{error}"
    );
}

#[test]
fn a_callee_may_not_leave_more_than_it_found() {
    for kind in [Shared, Isolated] {
        let error = counter(kind).fail("begin call.stubs::b1 drop drop end");
        assert!(
            matches!(
                error.trap(),
                Some(Trap::InvalidStackDepthOnReturn { depth: 18 })
            ),
            "{error}"
        );
        let ExecutionError::Trapped(report) = error else {
            panic!("it traps")
        };
        assert_eq!(report.location.instance, Some(1));
    }
}

#[test]
fn the_kernel_runs_in_the_root_and_cannot_call() {
    const KERNEL: &str = "
        pub proc count mem_load.80 add.1 mem_store.80 mem_load.80 swap drop end
        pub proc who caller swapw dropw end
        proc inner push.1 drop end
        pub proc calls call.inner end";
    let mut builder = Builder::new(2)
        .component("plain", "pub proc nothing push.1 drop end")
        .link(0, "b1", Isolated, 1, "plain::nothing");
    builder.kernel = Some(KERNEL);
    let (result, process) = builder.start("begin syscall.count syscall.count call.stubs::b1 end");
    assert_eq!(result.expect("it runs")[0], 2);
    assert_eq!(
        process.memory().get_value(ContextId::ROOT, 80),
        Some(Felt::new(2))
    );
    assert_eq!(builder.run("begin syscall.who end")[..4], [0; 4]);
    let error = builder.fail("begin syscall.calls end");
    assert!(matches!(error.trap(), Some(Trap::CallInSyscall)), "{error}");
}

#[test]
fn static_data_is_there_from_the_start() {
    let values: Vec<Felt> = (0..2048u64).map(|i| Felt::new(i * i + 1)).collect();
    let reader = "
        pub proc read mem_load.1000 mem_load.3047 add swap drop end
        pub proc change push.5 mem_store.1000 end";
    let base = || {
        Builder::new(2)
            .component("reader", reader)
            .link(0, "a1", Shared, 1, "reader::read")
            .link(0, "a2", Shared, 1, "reader::change")
            .link(0, "b1", Isolated, 1, "reader::read")
    };
    let main = "begin call.stubs::a1 end";
    let with_data = base().data(1, 1000, &values);
    let expected = values[0] + values[2047];
    let (result, process) = with_data.start(main);
    assert_eq!(result.expect("it runs")[0], expected.as_int());
    let (_, without) = base().start(main);
    assert_eq!(process.clk(), without.clk(), "static data costs no cycle");
    assert_eq!(process.tracer().data, [(ContextId::new(0, 1), 1000, 2048)]);

    let again = "begin call.stubs::a1 call.stubs::a2 call.stubs::a1 end";
    let (result, process) = with_data.start(again);
    assert_eq!(
        result.expect("it runs")[0],
        (values[2047] + Felt::new(5)).as_int()
    );
    assert_eq!(
        process.tracer().data.len(),
        1,
        "data is written once per instance"
    );
    let (result, process) =
        with_data.start("begin call.stubs::a2 call.stubs::b1 call.stubs::b1 end");
    assert_eq!(result.expect("it runs")[0], expected.as_int());
    assert_eq!(
        process.tracer().data.len(),
        3,
        "each new instance has its own"
    );

    let of_root = Builder::new(1).data(0, 64, &values[..8]);
    let (result, process) = of_root.start("begin mem_load.64 mem_load.71 add swap drop end");
    assert_eq!(
        result.expect("it runs")[0],
        (values[0] + values[7]).as_int()
    );
    assert_eq!(
        process.tracer().created,
        [(ContextId::ROOT, CreationTime::BeforeStart)]
    );
}

#[test]
fn static_data_is_checked_before_the_run() {
    let values: Vec<Felt> = (0..16u64).map(Felt::new).collect();
    let base = || counter(Shared).data(1, 1000, &values);
    let reason = |builder: &Builder| match builder.fail("begin push.0 assert end") {
        ExecutionError::Refused(reason) => *reason,
        other => panic!("{other}"),
    };
    let mut missing = base();
    missing.data = AdviceMap::default();
    assert!(matches!(
        reason(&missing),
        LoadError::StaticDataMissing {
            instance: 1,
            address: 1000,
            ..
        }
    ));
    let mut altered = base();
    let commitment = altered.segments[0].commitment;
    altered.data.insert(commitment, vec![ZERO; 16]);
    assert!(matches!(
        reason(&altered),
        LoadError::StaticDataMismatch { instance: 1, .. }
    ));
    let mut shorter = base();
    shorter.segments[0].length = 8;
    assert!(matches!(
        reason(&shorter),
        LoadError::StaticDataLength {
            expected: 8,
            actual: 16,
            ..
        }
    ));
}

#[test]
fn the_frame_pointer_is_set_on_creation_only() {
    let component = "
        pub proc move push.4294967294 mem_load add.64 push.4294967294 mem_store end
        pub proc show push.4294967294 mem_load swap drop end
        @locals(4)
        pub proc local loc_load.0 add.1 loc_store.0 loc_load.0 swap drop end";
    let builder = |kind| {
        Builder::new(2)
            .component("frames", component)
            .link(0, "a1", kind, 1, "frames::move")
            .link(0, "a2", kind, 1, "frames::show")
            .link(0, "b1", kind, 1, "frames::local")
    };
    let initial = 1u64 << 31;
    let main = "begin call.stubs::a1 call.stubs::a2 end";
    assert_eq!(builder(Shared).run(main)[0], initial + 64);
    assert_eq!(builder(Isolated).run(main)[0], initial);
    let main = "begin call.stubs::b1 call.stubs::b1 end";
    assert_eq!(
        builder(Shared).run(main)[0],
        2,
        "memory of locals is there again"
    );
}

#[test]
fn a_missing_implementation_is_found_when_it_is_called() {
    let mut builder = counter(Shared);
    builder.libraries.clear();
    assert_eq!(builder.run("begin push.3 swap drop end")[0], 3);
    let error = builder.fail("begin call.stubs::a1 end");
    assert!(
        matches!(error.trap(), Some(Trap::NoMastForestWithProcedure { .. })),
        "{error}"
    );
}

#[test]
fn an_invalid_composition_is_refused() {
    let (program, mut host) = counter(Shared).program("begin push.1 drop end");
    let error = miden_cvm_processor::execute(
        ExecutionInputs {
            composition: Some(&Composition::default()),
            ..ExecutionInputs::new(&program)
        },
        &mut host,
    )
    .expect_err("a composition has instances");
    assert!(matches!(error, ExecutionError::Refused(_)), "{error}");
    assert_eq!(*program.kernel(), Kernel::default());
}
