//! Runs programs with hosts that were written for `miden-processor` 0.20.
//!
//! The state that such a host is shown, `miden_processor::ProcessState`, can be made by Miden's
//! processor only: its memory, cycle and context have no constructor. So Miden's processor runs
//! beside this machine, in lockstep, for no other purpose than to show its state to the host.
//! Whenever this machine asks for something, Miden's processor is let on until it has asked the
//! host the same thing, and stands still again. The answer goes to both. Both must ask the same, at
//! the same cycle and in the same context, and end with the same stack and the same transcript of
//! precompiles; otherwise the run fails.
//!
//! This machine is always the one ahead, so its limits bound both.

use core::{
    any::Any,
    fmt,
    future::{Future, poll_fn, ready},
    pin::Pin,
    task::{Context, Poll, Waker, ready as task_ready},
};
use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use miden_core::{
    DebugOptions, EventId, EventName, Felt, Program, StackInputs, StackOutputs, Word,
    mast::MastForest,
};
use miden_cvm_processor::{
    AdviceMutation, AsyncHost, BaseHost, ExecutionError, ExecutionInputs, ExecutionOptions,
    ExecutionOutput, ExecutionTrace, HostError, HostFuture, ProcessState, TracedExecutionError,
    Trap, TrapReport, execute_async, execute_traced_async,
};
use miden_processor::{
    AssertError, DebugError, EventError, FutureMaybeSend, TraceError,
    fast::{ExecutionOutput as MidenOutput, FastProcessor},
};
use miden_protocol::{
    assembly::{
        SourceFile, SourceSpan,
        debuginfo::{FileLineCol, Location, SourceManagerSync},
    },
    vm::AdviceInputs,
};
use thiserror::Error;

/// Why a run with a host of Miden's failed.
#[derive(Debug, Error)]
pub enum HostedError {
    /// The program ended in an error, on both machines.
    #[error("{error}\nOn this machine: {trap}")]
    Failed {
        /// The error of Miden's processor.
        #[source]
        error: Box<miden_processor::ExecutionError>,
        /// The report of this machine.
        trap: Box<TrapReport>,
    },
    /// This machine refused the program, passed one of its limits, or has no trace of the run.
    #[error(transparent)]
    Machine(#[from] Box<TracedExecutionError>),
    /// The two machines did not do the same.
    #[error(transparent)]
    Diverged(#[from] Divergence),
}

/// A difference between the two machines.
#[derive(Debug, Clone, Error)]
pub enum Divergence {
    /// They asked the host for different things.
    #[error("this machine asks its host {here}, but Miden's processor {}", question(.there))]
    Event {
        /// Where this machine is.
        here: RaisedEvent,
        /// Where Miden's processor is; nowhere if it has ended.
        there: Option<RaisedEvent>,
    },
    /// Miden's processor asked the host when this machine had ended.
    #[error("this machine has ended, but Miden's processor asks its host {0}")]
    Extra(RaisedEvent),
    /// Only one of them failed.
    #[error("{failed} failed where {went_on} did not: {reason}")]
    End {
        /// The machine that did not.
        went_on: &'static str,
        /// The machine that did.
        failed: &'static str,
        /// Why it did.
        reason: String,
    },
    /// Miden's processor panicked, or the host.
    #[error("Miden's processor or its host panicked: {0}")]
    Panicked(String),
    /// They ended with different stacks, or different transcripts of precompiles.
    #[error("this machine and Miden's processor ended with different outputs")]
    Outputs,
}

impl Divergence {
    /// Miden's processor failed where this machine did not.
    fn failed_there(error: &miden_processor::ExecutionError) -> Self {
        Self::End {
            went_on: THIS,
            failed: MIDEN,
            reason: error.to_string(),
        }
    }
}

const THIS: &str = "this machine";
const MIDEN: &str = "Miden's processor";

fn question(there: &Option<RaisedEvent>) -> String {
    match there {
        Some(place) => format!("asks {place}"),
        None => "has ended".into(),
    }
}

/// An event of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RaisedEvent {
    /// The event.
    pub event: Felt,
    /// The cycle.
    pub cycle: u32,
    /// The context, by the cycle that began it.
    pub context: u64,
}

impl fmt::Display for RaisedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            event,
            cycle,
            context,
        } = self;
        write!(f, "for event {event} at cycle {cycle} in context {context}")
    }
}

/// A program and all that it runs with, but its host.
pub struct Run<'a> {
    /// The program.
    pub program: &'a Program,
    /// The stack at the beginning.
    pub stack: StackInputs,
    /// The advice at the beginning.
    pub advice: AdviceInputs,
    /// Options of this machine. With debugging, Miden's processor shows debug decorators to the host.
    pub options: ExecutionOptions,
    /// Where traps find lines of source files.
    pub sources: Option<Arc<dyn SourceManagerSync>>,
}

impl Run<'_> {
    /// Runs the program.
    ///
    /// # Errors
    /// If the run fails, or the two machines differ.
    pub async fn execute<H>(self, host: &mut H) -> Result<ExecutionOutput, HostedError>
    where
        H: miden_processor::AsyncHost + Send + Sync,
    {
        let (channel, inputs) = (Channel::default(), self.inputs());
        let mut miden = Box::pin(self.beside(host, &channel));
        let mut lockstep = Lockstep::new(miden.as_mut(), &channel, self.sources.clone());
        let run = execute_async(inputs, &mut lockstep).await;
        lockstep
            .settle(run.map_err(TracedExecutionError::from), |run| {
                (&run.stack, run.precompile_transcript.state())
            })
            .await
    }

    /// Runs the program, and builds its trace.
    ///
    /// # Errors
    /// If the run fails, or the two machines differ, or if there is no trace of the run.
    pub async fn execute_traced<H>(self, host: &mut H) -> Result<ExecutionTrace, HostedError>
    where
        H: miden_processor::AsyncHost + Send + Sync,
    {
        let (channel, inputs) = (Channel::default(), self.inputs());
        let mut miden = Box::pin(self.beside(host, &channel));
        let mut lockstep = Lockstep::new(miden.as_mut(), &channel, self.sources.clone());
        let run = execute_traced_async(inputs, &mut lockstep).await;
        lockstep
            .settle(run, |run| {
                let public = &run.public;
                (&public.stack_outputs, public.precompile_transcript)
            })
            .await
    }

    /// The inputs of this machine.
    fn inputs(&self) -> ExecutionInputs<'_> {
        ExecutionInputs {
            program: self.program,
            composition: None,
            arguments: (&self.stack).into(),
            advice: own_advice(self.advice.clone()),
            // Decorators are run once, by Miden's processor.
            options: self.options.with_debug(false).with_tracing(false),
        }
    }

    /// The run of Miden's processor beside this machine.
    fn beside<'h, H>(
        &'h self,
        host: &'h mut H,
        channel: &'h Channel,
    ) -> impl HostFuture<MidenEnd> + 'h
    where
        H: miden_processor::AsyncHost + Send + Sync,
    {
        // This processor takes the top of the stack last.
        let stack: Vec<Felt> = self.stack.iter().rev().copied().collect();
        let advice = self.advice.clone();
        async move {
            let processor = match self.options.runs_decorators() {
                true => FastProcessor::new_debug(&stack, advice),
                false => FastProcessor::new_with_advice_inputs(&stack, advice),
            };
            processor
                .execute(self.program, &mut Watched { host, channel })
                .await
        }
    }
}

type MidenEnd = Result<MidenOutput, miden_processor::ExecutionError>;

pub(crate) fn own_advice(advice: AdviceInputs) -> miden_cvm_processor::AdviceInputs {
    let AdviceInputs { stack, map, store } = advice;
    miden_cvm_processor::AdviceInputs { stack, map, store }
}

pub(crate) fn own_mutation(mutation: &miden_processor::AdviceMutation) -> AdviceMutation {
    use miden_processor::AdviceMutation::{
        ExtendMap, ExtendMerkleStore, ExtendPrecompileRequests, ExtendStack,
    };
    match mutation {
        ExtendStack { values } => AdviceMutation::ExtendStack {
            values: values.clone(),
        },
        ExtendMap { other } => AdviceMutation::ExtendMap {
            other: other.clone(),
        },
        ExtendMerkleStore { infos } => AdviceMutation::ExtendMerkleStore {
            infos: infos.clone(),
        },
        ExtendPrecompileRequests { data } => {
            AdviceMutation::ExtendPrecompileRequests { data: data.clone() }
        }
    }
}

// WHERE THE MACHINES MEET
// ------------------------------------------------------------------------------------------------

/// An event that Miden's processor has asked its host for, with the answer.
struct Answer {
    place: RaisedEvent,
    mutations: Result<Vec<AdviceMutation>, String>,
}

/// The point at which Miden's processor stands still, until it is taken away.
enum Stop {
    /// An event.
    Event(Answer),
    /// A procedure that it has looked up for the first time.
    Forest,
}

#[derive(Default)]
struct Meeting {
    stop: Option<Stop>,
    forests: HashMap<Word, Option<Arc<MastForest>>>,
}

#[derive(Default)]
struct Channel(Mutex<Meeting>);

impl Channel {
    fn lock(&self) -> MutexGuard<'_, Meeting> {
        // Nothing in here can be left half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stands still until the stop is taken away. Nothing wakes this: who takes the stop away polls.
    async fn stand_still(&self) {
        poll_fn(|_| match self.lock().stop {
            Some(_) => Poll::Pending,
            None => Poll::Ready(()),
        })
        .await;
    }
}

// MIDEN'S SIDE
// ------------------------------------------------------------------------------------------------

/// A host of Miden's whose answers are noted down.
struct Watched<'a, H> {
    host: &'a mut H,
    channel: &'a Channel,
}

/// Forwards to the host inside what neither side has to note down.
macro_rules! forward_base_host {
    ($type:ident, $host:tt) => {
        impl<H: miden_processor::BaseHost> miden_processor::BaseHost for $type<'_, H> {
            fn get_label_and_source_file(
                &self,
                location: &Location,
            ) -> (SourceSpan, Option<Arc<SourceFile>>) {
                self.$host.get_label_and_source_file(location)
            }

            fn on_debug(
                &mut self,
                process: &mut miden_processor::ProcessState<'_>,
                options: &DebugOptions,
            ) -> Result<(), DebugError> {
                self.$host.on_debug(process, options)
            }

            fn on_trace(
                &mut self,
                process: &mut miden_processor::ProcessState<'_>,
                trace_id: u32,
            ) -> Result<(), TraceError> {
                self.$host.on_trace(process, trace_id)
            }

            fn on_assert_failed(
                &mut self,
                process: &miden_processor::ProcessState<'_>,
                error_code: Felt,
            ) -> Option<AssertError> {
                self.$host.on_assert_failed(process, error_code)
            }

            fn resolve_event(&self, event_id: EventId) -> Option<&EventName> {
                self.$host.resolve_event(event_id)
            }
        }
    };
}

forward_base_host!(Watched, host);
forward_base_host!(Prompt, 0);

impl<H> miden_processor::AsyncHost for Watched<'_, H>
where
    H: miden_processor::AsyncHost + Send + Sync,
{
    fn get_mast_forest(&self, digest: &Word) -> impl FutureMaybeSend<Option<Arc<MastForest>>> {
        let digest = *digest;
        async move {
            let forest = self.host.get_mast_forest(&digest).await;
            let is_first = {
                let mut meeting = self.channel.lock();
                let is_first = meeting.forests.insert(digest, forest.clone()).is_none();
                if is_first {
                    meeting.stop = Some(Stop::Forest);
                }
                is_first
            };
            // This machine asks once only.
            if is_first {
                self.channel.stand_still().await;
            }
            forest
        }
    }

    fn on_event(
        &mut self,
        process: &miden_processor::ProcessState<'_>,
    ) -> impl FutureMaybeSend<Result<Vec<miden_processor::AdviceMutation>, EventError>> {
        let place = RaisedEvent {
            event: process.get_stack_item(0),
            cycle: process.clk().into(),
            context: u32::from(process.ctx()).into(),
        };
        let channel = self.channel;
        let answered = self.host.on_event(process);
        async move {
            let answer = answered.await;
            let mutations = match &answer {
                Ok(mutations) => Ok(mutations.iter().map(own_mutation).collect()),
                Err(error) => Err(error.to_string()),
            };
            channel.lock().stop = Some(Stop::Event(Answer { place, mutations }));
            channel.stand_still().await;
            answer
        }
    }
}

/// A host that answers at once, where one is asked for that may take its time.
pub struct Prompt<'a, H>(pub &'a mut H);

impl<H: miden_processor::SyncHost + Send + Sync> miden_processor::AsyncHost for Prompt<'_, H> {
    fn get_mast_forest(&self, digest: &Word) -> impl FutureMaybeSend<Option<Arc<MastForest>>> {
        ready(self.0.get_mast_forest(digest))
    }

    fn on_event(
        &mut self,
        process: &miden_processor::ProcessState<'_>,
    ) -> impl FutureMaybeSend<Result<Vec<miden_processor::AdviceMutation>, EventError>> {
        ready(self.0.on_event(process))
    }
}

// THIS MACHINE'S SIDE
// ------------------------------------------------------------------------------------------------

/// The run of Miden's processor, as far as it has come.
struct Beside<'a, F> {
    /// Nothing once it has ended.
    run: Option<Pin<&'a mut F>>,
    /// Its end: by itself, or in a panic.
    end: Option<Result<MidenEnd, Divergence>>,
}

/// The host of this machine: lets Miden's processor on, and takes its answers.
struct Lockstep<'a, F> {
    beside: Mutex<Beside<'a, F>>,
    channel: &'a Channel,
    sources: Option<Arc<dyn SourceManagerSync>>,
}

impl<'a, F: HostFuture<MidenEnd>> Lockstep<'a, F> {
    fn new(
        run: Pin<&'a mut F>,
        channel: &'a Channel,
        sources: Option<Arc<dyn SourceManagerSync>>,
    ) -> Self {
        Self {
            beside: Mutex::new(Beside {
                run: Some(run),
                end: None,
            }),
            channel,
            sources,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Beside<'a, F>> {
        self.beside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets Miden's processor on until it stands still, or has ended; false if it had ended before.
    fn let_on(&self, context: &mut Context<'_>) -> Poll<bool> {
        let mut beside = self.lock();
        let Some(run) = beside.run.as_mut() else {
            return Poll::Ready(false);
        };
        // What the future has borrowed is not looked at after a panic, but for the host, whose state is
        // then its owner's to judge.
        let end = match catch_unwind(AssertUnwindSafe(|| run.as_mut().poll(context))) {
            Ok(Poll::Pending) => {
                return match self.channel.lock().stop {
                    Some(_) => Poll::Ready(true),
                    None => Poll::Pending,
                };
            }
            Ok(Poll::Ready(end)) => Ok(end),
            Err(panic) => Err(Divergence::Panicked(message(&*panic))),
        };
        *beside = Beside {
            run: None,
            end: Some(end),
        };
        Poll::Ready(true)
    }

    /// The next event of Miden's processor; none if it has ended.
    async fn next_event(&self) -> Option<Answer> {
        poll_fn(|context| {
            loop {
                // A forest that this machine did not need.
                if let Some(Stop::Event(answer)) = self.channel.lock().stop.take() {
                    return Poll::Ready(Some(answer));
                }
                if !task_ready!(self.let_on(context)) {
                    return Poll::Ready(None);
                }
            }
        })
        .await
    }

    /// The forest that the host has for a digest; none if Miden's processor does not ask for it before
    /// its next event.
    async fn forest(&self, digest: Word) -> Option<Arc<MastForest>> {
        poll_fn(|context| {
            loop {
                {
                    let mut meeting = self.channel.lock();
                    if let Some(forest) = meeting.forests.get(&digest) {
                        return Poll::Ready(forest.clone());
                    }
                    match meeting.stop {
                        Some(Stop::Event(_)) => return Poll::Ready(None),
                        Some(Stop::Forest) | None => meeting.stop = None,
                    }
                }
                if !task_ready!(self.let_on(context)) {
                    return Poll::Ready(None);
                }
            }
        })
        .await
    }

    /// Returns how Miden's processor ends, once this machine has.
    async fn end(&self) -> Result<MidenEnd, Divergence> {
        if let Some(Answer { place, .. }) = self.next_event().await {
            return Err(Divergence::Extra(place));
        }
        self.lock().end.take().unwrap_or(Err(Divergence::Outputs))
    }

    /// Compares the ends of both.
    async fn settle<R>(
        &self,
        run: Result<R, TracedExecutionError>,
        outputs: impl FnOnce(&R) -> (&StackOutputs, Word),
    ) -> Result<R, HostedError> {
        let ended_before = match &self.lock().end {
            Some(Err(panicked)) => Some(panicked.clone()),
            Some(Ok(Err(error))) => Some(Divergence::failed_there(error)),
            Some(Ok(Ok(_))) | None => None,
        };
        if let Some(divergence) = ended_before {
            return Err(divergence.into());
        }
        let report = match run {
            Ok(run) => {
                let end = self.end().await?;
                let output = end.map_err(|error| Divergence::failed_there(&error))?;
                let (stack, transcript) = outputs(&run);
                let same = output.stack[..] == stack[..]
                    && output.final_pc_transcript.state() == transcript;
                return match same {
                    true => Ok(run),
                    false => Err(Divergence::Outputs.into()),
                };
            }
            Err(TracedExecutionError::Execution(ExecutionError::Trapped(report))) => report,
            Err(error) => return Err(Box::new(error).into()),
        };
        match &report.trap {
            Trap::EventError { error, .. } if error.is::<Divergence>() => {
                let divergence = error.downcast_ref::<Divergence>().cloned();
                Err(divergence.unwrap_or(Divergence::Outputs).into())
            }
            // Miden's processor knows no limits, and is not let on.
            Trap::CycleLimitExceeded(_) | Trap::LimitExceeded { .. } => {
                Err(Box::new(TracedExecutionError::Execution(report.into())).into())
            }
            _ => match self.end().await? {
                Err(error) => Err(HostedError::Failed {
                    error: Box::new(error),
                    trap: report,
                }),
                Ok(_) => Err(Divergence::End {
                    went_on: MIDEN,
                    failed: THIS,
                    reason: report.to_string(),
                }
                .into()),
            },
        }
    }
}

impl<F: HostFuture<MidenEnd>> BaseHost for Lockstep<'_, F> {
    fn resolve_location(&self, location: &Location) -> Option<FileLineCol> {
        let sources = self.sources.as_ref()?;
        let span = sources.location_to_span(location.clone())?;
        sources.file_line_col(span).ok()
    }
}

impl<F: HostFuture<MidenEnd>> AsyncHost for Lockstep<'_, F> {
    fn get_mast_forest(&self, digest: &Word) -> impl HostFuture<Option<Arc<MastForest>>> {
        self.forest(*digest)
    }

    fn on_event(
        &mut self,
        state: &ProcessState<'_>,
    ) -> impl HostFuture<Result<Vec<AdviceMutation>, HostError>> {
        let here = RaisedEvent {
            event: state.get_stack_item(0),
            cycle: state.clk().into(),
            context: state.ctx().domain().into(),
        };
        async move {
            match self.next_event().await {
                Some(Answer { place, mutations }) if place == here => Ok(mutations?),
                other => {
                    let there = other.map(|answer| answer.place);
                    Err(Divergence::Event { here, there }.into())
                }
            }
        }
    }
}

/// Returns the message of a panic.
fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("without a message").into()
}

/// The result of a future that waits for nothing; none if it does wait.
pub fn at_once<V>(future: impl Future<Output = V>) -> Option<V> {
    match core::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

#[cfg(test)]
mod tests {
    use miden_protocol::assembly::Assembler;

    use super::*;

    const EMITS: &str = "begin emit.event(\"a::b\") end";

    fn program(source: &str) -> Program {
        let program = Assembler::default().assemble_program(source);
        program.expect("a program")
    }

    /// A host that has nothing to say.
    struct Nobody {
        panics: bool,
    }

    impl miden_processor::BaseHost for Nobody {
        fn get_label_and_source_file(&self, _: &Location) -> (SourceSpan, Option<Arc<SourceFile>>) {
            (SourceSpan::UNKNOWN, None)
        }
    }

    impl miden_processor::SyncHost for Nobody {
        fn get_mast_forest(&self, _: &Word) -> Option<Arc<MastForest>> {
            None
        }

        fn on_event(
            &mut self,
            _: &miden_processor::ProcessState<'_>,
        ) -> Result<Vec<miden_processor::AdviceMutation>, EventError> {
            assert!(!self.panics, "nobody is here");
            Ok(Vec::new())
        }
    }

    /// The end of a run of Miden's processor that nobody is asked anything in.
    fn end(source: &str) -> MidenEnd {
        let (processor, mut nobody) = (FastProcessor::new(&[]), Nobody { panics: false });
        let program = program(source);
        at_once(processor.execute(&program, &mut Prompt(&mut nobody)))
            .expect("it waits for nothing")
    }

    /// Runs a program beside something that asks for these events and ends so.
    fn beside(
        source: &str,
        places: &[RaisedEvent],
        end: MidenEnd,
    ) -> Result<ExecutionOutput, HostedError> {
        let channel = Channel::default();
        let mut other = Box::pin(async {
            for &place in places {
                let mutations = Ok(Vec::new());
                channel.lock().stop = Some(Stop::Event(Answer { place, mutations }));
                channel.stand_still().await;
            }
            end
        });
        let mut lockstep = Lockstep::new(other.as_mut(), &channel, None);
        let run = async {
            let (stack, advice) = (StackInputs::default(), Default::default());
            let options = ExecutionOptions::default();
            let program = program(source);
            let run = execute_async(
                ExecutionInputs {
                    program: &program,
                    composition: None,
                    arguments: (&stack).into(),
                    advice,
                    options,
                },
                &mut lockstep,
            )
            .await;
            lockstep
                .settle(run.map_err(TracedExecutionError::from), |run| {
                    (&run.stack, run.precompile_transcript.state())
                })
                .await
        };
        at_once(run).expect("it waits for nothing")
    }

    fn divergence(run: Result<ExecutionOutput, HostedError>) -> Divergence {
        match run {
            Err(HostedError::Diverged(divergence)) => divergence,
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("nobody noticed"),
        }
    }

    #[test]
    fn who_does_something_else_is_noticed() {
        let nowhere = beside(EMITS, &[], end("begin nop end"));
        let Divergence::Event { here, there: None } = divergence(nowhere) else {
            panic!("an event that only this machine has");
        };
        assert!(beside(EMITS, &[here], end("begin nop end")).is_ok());

        for place in [
            RaisedEvent {
                event: here.event + Felt::new(1),
                ..here
            },
            RaisedEvent {
                cycle: here.cycle + 1,
                ..here
            },
            RaisedEvent { context: 5, ..here },
        ] {
            let there = divergence(beside(EMITS, &[place], end("begin nop end")));
            assert!(
                matches!(there, Divergence::Event { there: Some(there), .. } if there == place),
                "{there}"
            );
        }
        let extra = divergence(beside(EMITS, &[here, here], end("begin nop end")));
        assert!(
            matches!(extra, Divergence::Extra(place) if place == here),
            "{extra}"
        );
    }

    /// Runs a program with a host of Miden's.
    fn hosted(source: &str, mut host: Nobody) -> Divergence {
        let run = Run {
            program: &program(source),
            stack: StackInputs::default(),
            advice: AdviceInputs::default(),
            options: ExecutionOptions::default(),
            sources: None,
        };
        divergence(at_once(run.execute(&mut Prompt(&mut host))).expect("it waits for nothing"))
    }

    #[test]
    fn what_midens_processor_has_no_room_for_is_an_error() {
        let deep = "begin repeat.7000 push.1 end emit.event(\"a::b\") repeat.7000 drop end end";
        for source in [deep, &deep.replace("emit.event(\"a::b\")", "")] {
            let full = hosted(source, Nobody { panics: false });
            assert!(
                matches!(&full, Divergence::End { failed: MIDEN, reason, .. } if reason.contains("overflow")),
                "{full}"
            );
        }
    }

    #[test]
    fn a_panic_becomes_an_error() {
        let panicked = hosted(EMITS, Nobody { panics: true });
        assert!(
            matches!(&panicked, Divergence::Panicked(message) if message == "nobody is here"),
            "{panicked}"
        );
    }

    #[test]
    fn who_ends_otherwise_is_noticed() {
        assert!(beside("begin push.0 drop end", &[], end("begin nop end")).is_ok());
        let outputs = divergence(beside(
            "begin push.1 swap drop end",
            &[],
            end("begin nop end"),
        ));
        assert!(matches!(outputs, Divergence::Outputs), "{outputs}");
        let fails = "begin push.0 assert end";
        for (source, other) in [(fails, "begin nop end"), ("begin nop end", fails)] {
            let one = divergence(beside(source, &[], end(other)));
            assert!(matches!(one, Divergence::End { .. }), "{one}");
        }
        assert!(matches!(
            beside(fails, &[], end(fails)),
            Err(HostedError::Failed { .. })
        ));
    }
}
