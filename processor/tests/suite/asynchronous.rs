//! A host that takes its time changes nothing: not the trace, the outputs, the errors, nor what
//! decorators print.

use core::{
    fmt,
    future::{Future, poll_fn},
    pin::pin,
    task::{Context, Poll},
};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Wake, Waker},
    thread::{self, Thread},
};

use miden_core::{DebugOptions, EventId, EventName, Felt, StackInputs, Word, mast::MastForest};
use miden_cvm_air::composition::LinkKind::{Isolated, Shared};
use miden_cvm_processor::{
    AdviceInputs, AdviceMutation, AsyncHost, BaseHost, DefaultHost, ExecutionError,
    ExecutionInputs, ExecutionOptions, ExecutionTrace, Host, HostError, LoadError, NoTrace,
    Process, ProcessState, TracedExecutionError, Trap, execute, execute_async, execute_traced,
    execute_traced_async,
};
use miden_debug_types::{FileLineCol, Location};
use proptest::prelude::*;

use super::{composition::Builder, traps::Page};
use crate::common::{Case, generated_case, handwritten_cases, random_from};

/// Counts how often it was woken.
#[derive(Default)]
struct Alarm(AtomicUsize);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Polls a future that wakes its task before it is pending; returns how often it was pending too.
fn finish<V>(future: impl Future<Output = V> + Send) -> (V, usize) {
    let alarm = Arc::new(Alarm::default());
    let waker = Waker::from(alarm.clone());
    let mut future = pin!(future);
    for pauses in 0.. {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return (value, pauses),
            Poll::Pending => assert_eq!(alarm.0.load(Ordering::Relaxed), pauses + 1),
        }
    }
    unreachable!("it ends or it is polled again")
}

/// Pending once.
async fn pause() {
    let mut paused = false;
    poll_fn(|context| {
        if paused {
            return Poll::Ready(());
        }
        paused = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

/// Answers what another host answers, after a pause, and counts the questions.
struct Slow<W> {
    inner: DefaultHost<W>,
    questions: AtomicUsize,
}

impl<W> Slow<W> {
    fn new(inner: DefaultHost<W>) -> Self {
        Self {
            inner,
            questions: AtomicUsize::new(0),
        }
    }
}

impl<W: fmt::Write> BaseHost for Slow<W> {
    fn on_debug(
        &mut self,
        state: &mut ProcessState<'_>,
        options: &DebugOptions,
    ) -> Result<(), HostError> {
        self.inner.on_debug(state, options)
    }

    fn on_trace(&mut self, state: &mut ProcessState<'_>, trace_id: u32) -> Result<(), HostError> {
        self.inner.on_trace(state, trace_id)
    }

    fn resolve_event(&self, event_id: EventId) -> Option<&EventName> {
        self.inner.resolve_event(event_id)
    }

    fn resolve_location(&self, location: &Location) -> Option<FileLineCol> {
        self.inner.resolve_location(location)
    }
}

impl<W: fmt::Write + Send + Sync> AsyncHost for Slow<W> {
    async fn get_mast_forest(&self, digest: &Word) -> Option<Arc<MastForest>> {
        self.questions.fetch_add(1, Ordering::Relaxed);
        pause().await;
        Host::get_mast_forest(&self.inner, digest)
    }

    async fn on_event(
        &mut self,
        state: &ProcessState<'_>,
    ) -> Result<Vec<AdviceMutation>, HostError> {
        self.questions.fetch_add(1, Ordering::Relaxed);
        pause().await;
        Host::on_event(&mut self.inner, state)
    }
}

type Traced = Result<ExecutionTrace, TracedExecutionError>;

fn assert_same(name: &str, at_once: Traced, later: Traced) {
    match (at_once, later) {
        (Ok(at_once), Ok(later)) => {
            assert_eq!(at_once.lengths, later.lengths, "{name}");
            assert!(at_once.trace == later.trace, "{name}: the traces differ");
            let public = [at_once.public, later.public].map(|public| format!("{public:?}"));
            assert_eq!(public[0], public[1], "{name}");
            assert_eq!(at_once.requests, later.requests, "{name}");
        }
        (at_once, later) => {
            let message = |run: Traced| run.err().map(|error| error.to_string());
            assert_eq!(message(at_once), message(later), "{name}");
        }
    }
}

/// Runs a case with both kinds of hosts; returns how many questions it asks.
fn compare(case: &Case) -> usize {
    let options = ExecutionOptions::default();
    let (stack, advice) = (case.stack_inputs(), case.advice_inputs());
    let at_once = execute_traced(
        ExecutionInputs {
            arguments: (&stack).into(),
            advice: advice.clone(),
            options,
            ..ExecutionInputs::new(&case.program)
        },
        &mut case.host(),
    );
    let mut host = Slow::new(case.host());
    let future = execute_traced_async(
        ExecutionInputs {
            arguments: (&stack).into(),
            advice,
            options,
            ..ExecutionInputs::new(&case.program)
        },
        &mut host,
    );
    let (later, pauses) = finish(future);
    assert_same(&case.name, at_once, later);
    let questions = host.questions.into_inner();
    assert_eq!(pauses, questions, "{}: one pause a question", case.name);
    questions
}

#[test]
fn handwritten_cases_agree() {
    let asking = handwritten_cases()
        .iter()
        .filter(|case| compare(case) > 0)
        .count();
    assert!(asking > 30, "only {asking} cases ask the host");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..Default::default() })]

    #[test]
    fn generated_cases_agree(seed in any::<u64>(), size in 200usize..500) {
        compare(&generated_case(&format!("seed {seed}, size {size}"), random_from(seed), size));
    }
}

/// The event of [`eventful`], whose handler pushes twice the element below the event.
const EVENT: EventName = EventName::new("test::double");

/// Events in loops, at the edges of batches, beside decorators, in code that the host has, reached
/// by external nodes and by both kinds of dynamic ones.
fn eventful() -> Case {
    let event = EVENT.to_event_id().as_felt();
    let double =
        format!("trace.10 push.{event} debug.stack.2 emit trace.11 drop adv_push.1 swap.1 drop");
    let library = format!("pub proc f add.1 {double} end");
    let many = format!("push.{event} emit drop adv_push.1 drop ").repeat(40);
    let source = format!(
        "use test::library
        begin
            push.3
            push.1 while.true
                {double} trace.20 exec.library::f trace.21
                dup lt.1000
            end
            procref.library::f mem_storew_be.0 dropw
            push.0 trace.30 dynexec trace.31
            push.0 trace.32 dyncall trace.33
            {many}
            debug.stack.4 dup push.{event} emit drop adv_push.2 add drop
        end"
    );
    Case::with_library("eventful", &library, &source)
}

fn with_handler<W>(mut host: DefaultHost<W>) -> DefaultHost<W> {
    let double = |state: &ProcessState<'_>| -> Result<Vec<AdviceMutation>, HostError> {
        let value = state.get_stack_item(1);
        Ok(vec![AdviceMutation::extend_stack([value + value])])
    };
    host.register_handler(EVENT, Arc::new(double))
        .expect("a new event");
    host
}

#[test]
fn decorators_run_once() {
    let case = eventful();
    let options = ExecutionOptions::default()
        .with_debug(true)
        .with_tracing(true);
    let (stack, advice) = (case.stack_inputs(), case.advice_inputs());
    let pages = [Page::default(), Page::default()];
    let host_for = |page: &Page| with_handler(case.host()).with_debug_writer(page.clone());
    let at_once = execute_traced(
        ExecutionInputs {
            arguments: (&stack).into(),
            advice: advice.clone(),
            options,
            ..ExecutionInputs::new(&case.program)
        },
        &mut host_for(&pages[0]),
    );
    let mut host = Slow::new(host_for(&pages[1]));
    let future = execute_traced_async(
        ExecutionInputs {
            arguments: (&stack).into(),
            advice,
            options,
            ..ExecutionInputs::new(&case.program)
        },
        &mut host,
    );
    let (later, pauses) = finish(future);
    let last = at_once.as_ref().map(|_| ()).map_err(ToString::to_string);
    // The last event leaves one element, but two are taken.
    assert!(last.is_err_and(|error| error.contains("advice stack")));
    assert_same(&case.name, at_once, later);
    let [at_once, later] = pages.map(|page| page.text());
    assert_eq!(at_once, later);
    // Both the loop's body and the library's procedure run as often as the value can double.
    let count = |what: &str| later.matches(&format!("trace {what} ")).count();
    assert_eq!(count("20"), count("21"));
    assert_eq!(count("10"), 2 * count("20") + 2);
    assert_eq!(count("11"), count("10"));
    assert_eq!([30, 31, 32, 33].map(|id| count(&id.to_string())), [1; 4]);
    assert_eq!(pauses, count("10") + 40 + 1 + 1, "events, and one forest");
}

#[test]
fn a_cycle_limit_is_reached_in_the_same_cycle() {
    let case = eventful();
    let (stack, advice) = (case.stack_inputs(), case.advice_inputs());
    for max_cycles in 1..150 {
        let options = ExecutionOptions::new(max_cycles, 1).expect("valid options");
        let at_once = execute_traced(
            ExecutionInputs {
                arguments: (&stack).into(),
                advice: advice.clone(),
                options,
                ..ExecutionInputs::new(&case.program)
            },
            &mut with_handler(case.host()),
        );
        assert!(at_once.is_err());
        let mut host = Slow::new(with_handler(case.host()));
        let advice = advice.clone();
        let future = execute_traced_async(
            ExecutionInputs {
                arguments: (&stack).into(),
                advice,
                options,
                ..ExecutionInputs::new(&case.program)
            },
            &mut host,
        );
        assert_same(&format!("{max_cycles} cycles"), at_once, finish(future).0);
    }
}

#[test]
fn a_host_that_fails_late_fails_alike() {
    let case = eventful();
    // Nobody answers the event.
    assert!(compare(&case) > 0);
    let mut lacking = eventful();
    lacking.forests.clear();
    assert!(compare(&lacking) > 0);
}

#[test]
fn compositions_agree() {
    let counter = "pub proc bump mem_load.0 add.1 mem_store.0 mem_load.0 swap drop end";
    let event = EVENT.to_event_id().as_felt();
    let worker = format!(
        "pub proc work
            push.7 call.stubs::new0 call.stubs::drop0 drop
            push.{event} emit drop adv_push.1 drop call.stubs::c1
        end
        pub proc destroy push.{event} emit drop adv_push.1 drop drop end"
    );
    let builder = |work| {
        Builder::new(3)
            .component("counter", counter)
            .component("worker", &worker)
            .link(0, "a1", Shared, 1, "counter::bump")
            .link(0, "b1", work, 2, "worker::work")
            .link(2, "c1", Shared, 1, "counter::bump")
            .resource(2, Some("worker::destroy"))
    };
    let mains = [
        "begin call.stubs::a1 call.stubs::b1 call.stubs::a1 end",
        "begin repeat.3 call.stubs::b1 end call.stubs::b2 end",
    ];
    for work in [Shared, Isolated] {
        for main in mains {
            let builder = builder(work);
            let composition = builder.composition();
            let options = builder.options;
            let (program, host) = builder.program(main);
            let mut host = with_handler(host);
            let (stack, advice) = (StackInputs::default(), builder.advice_inputs());
            let at_once = execute_traced(
                ExecutionInputs {
                    program: &program,
                    composition: Some(&composition),
                    arguments: (&stack).into(),
                    advice: advice.clone(),
                    options,
                },
                &mut host,
            );
            let mut host = Slow::new(host);
            let composition = Some(&composition);
            let future = execute_traced_async(
                ExecutionInputs {
                    program: &program,
                    composition,
                    arguments: (&stack).into(),
                    advice,
                    options,
                },
                &mut host,
            );
            let (later, pauses) = finish(future);
            assert_same(main, at_once, later);
            assert!(
                pauses >= 5,
                "the host has the components, and answers events"
            );
        }
    }
}

#[test]
fn default_host_answers_at_once() {
    let case = eventful();
    let (stack, advice) = (case.stack_inputs(), case.advice_inputs());
    let options = ExecutionOptions::default();
    let mut host = with_handler(case.host());
    let at_once = execute(
        ExecutionInputs {
            arguments: (&stack).into(),
            advice: advice.clone(),
            options,
            ..ExecutionInputs::new(&case.program)
        },
        &mut host,
    );
    let future = execute_async(
        ExecutionInputs {
            arguments: (&stack).into(),
            advice,
            options,
            ..ExecutionInputs::new(&case.program)
        },
        &mut host,
    );
    let (later, pauses) = finish(future);
    assert_eq!(pauses, 0);
    let message =
        |run: Result<_, ExecutionError>| run.map(|_| ()).map_err(|error| error.to_string());
    assert_eq!(message(at_once), message(later));
}

/// Wakes a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// A place where another thread leaves an answer.
#[derive(Default)]
struct Answer {
    value: Option<Felt>,
    waker: Option<Waker>,
}

/// A host whose events are answered by threads of their own.
struct Remote;

impl BaseHost for Remote {}

impl AsyncHost for Remote {
    async fn get_mast_forest(&self, _: &Word) -> Option<Arc<MastForest>> {
        None
    }

    async fn on_event(
        &mut self,
        state: &ProcessState<'_>,
    ) -> Result<Vec<AdviceMutation>, HostError> {
        let value = state.get_stack_item(1);
        let answer = Arc::new(Mutex::new(Answer::default()));
        let there = answer.clone();
        thread::spawn(move || {
            let mut answer = there.lock().expect("nobody panics");
            answer.value = Some(value + value);
            answer.waker.take().map(Waker::wake)
        });
        let value = poll_fn(|context| {
            let mut answer = answer.lock().expect("nobody panics");
            match answer.value {
                Some(value) => Poll::Ready(value),
                None => {
                    answer.waker = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        });
        Ok(vec![AdviceMutation::extend_stack([value.await])])
    }
}

#[test]
fn other_threads_may_answer() {
    let event = EVENT.to_event_id().as_felt();
    let source = format!("begin repeat.20 push.{event} emit drop adv_push.1 swap drop end end");
    let case = Case::masm("answers from elsewhere", &source).stack(&[1]);
    let (stack, advice) = (case.stack_inputs(), case.advice_inputs());
    let mut host = Remote;
    let options = ExecutionOptions::default();
    let mut run = pin!(execute_async(
        ExecutionInputs {
            arguments: (&stack).into(),
            advice,
            options,
            ..ExecutionInputs::new(&case.program)
        },
        &mut host
    ));
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let output = loop {
        match run.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => break output.expect("it runs"),
            Poll::Pending => thread::park(),
        }
    };
    assert_eq!(output.stack[0], Felt::new(1 << 20));
}

#[test]
fn an_abandoned_run_is_over() {
    let case = eventful();
    let mut process = Process::new(
        case.program.kernel().clone(),
        StackInputs::default(),
        AdviceInputs::default(),
        ExecutionOptions::default(),
        NoTrace,
    );
    let mut host = Slow::new(case.host());
    {
        let mut run = pin!(process.execute_async(&case.program, None, &mut host));
        let polled = run.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
    }
    let again = process.execute(&case.program, None, &mut host.inner);
    assert!(matches!(
        again,
        Err(ExecutionError::Refused(reason)) if matches!(*reason, LoadError::ProgramAlreadyExecuted)
    ));
}

#[test]
fn missing_procedures_are_the_same_trap() {
    for (source, is_it) in [
        (
            "begin exec.::miden::core::math::u64::wrapping_add end",
            (|trap| matches!(trap, Trap::NoMastForestWithProcedure { .. })) as fn(&Trap) -> bool,
        ),
        ("begin push.0 dynexec end", |trap| {
            matches!(trap, Trap::DynamicNodeNotFound { .. })
        }),
        ("begin push.0 dyncall end", |trap| {
            matches!(trap, Trap::DynamicNodeNotFound { .. })
        }),
    ] {
        let case = Case::masm("nothing there", source);
        let mut host = Slow::new(DefaultHost::default());
        let options = ExecutionOptions::default();
        let (stack, advice) = (case.stack_inputs(), case.advice_inputs());
        let future = execute_async(
            ExecutionInputs {
                arguments: (&stack).into(),
                advice,
                options,
                ..ExecutionInputs::new(&case.program)
            },
            &mut host,
        );
        let (result, pauses) = finish(future);
        let error = result.expect_err("nothing is there");
        assert!(error.trap().is_some_and(is_it), "{error}");
        assert_eq!(pauses, 1);
    }
}
