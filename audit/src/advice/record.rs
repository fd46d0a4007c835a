//! The honest run: what it took from its host, and where.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use miden_core::{
    EventId, Felt, Operation, Word, crypto::merkle::MerklePath, stack::MIN_STACK_DEPTH,
    sys_events::SystemEvent,
};
use miden_cvm_processor::{
    AdviceError, OpenProcedures, Position, RowKind, RowState, Taking, Tracer, Trap,
};

/// The advice that is input: chosen by whoever runs the program, and part of what a run is about.
/// The liar leaves it as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    /// `true` if the advice stack that the run starts with is input.
    pub initial_stack: bool,
    /// Events whose answers are input.
    pub events: BTreeSet<EventId>,
    /// Keys of the advice map whose entries are input.
    pub keys: BTreeSet<Word>,
}

impl Default for Trust {
    /// The initial advice stack is input, and nothing else.
    fn default() -> Self {
        Self {
            initial_stack: true,
            events: BTreeSet::new(),
            keys: BTreeSet::new(),
        }
    }
}

impl Trust {
    /// Nothing is input.
    pub fn nothing() -> Self {
        Self {
            initial_stack: false,
            ..Self::default()
        }
    }

    /// Returns `true` if what the event answers is input. Its key, if it looks one up, stands below
    /// its id.
    fn covers(&self, event: EventId, stack: &[Felt; MIN_STACK_DEPTH]) -> bool {
        let looks_up = matches!(
            SystemEvent::from_event_id(event),
            Some(
                SystemEvent::MapValueToStack
                    | SystemEvent::MapValueToStackN0
                    | SystemEvent::MapValueToStackN4
                    | SystemEvent::MapValueToStackN8
                    | SystemEvent::MapValueCountToStack
                    | SystemEvent::HasMapKey
            )
        );
        let key = || Word::new(core::array::from_fn(|i| stack[4 - i]));
        self.events.contains(&event) || (looks_up && self.keys.contains(&key()))
    }
}

/// Where an element of the advice stack comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// It is input.
    Input,
    /// It is the answer to the event with this number, or was there from the beginning.
    Answer(Option<usize>),
}

/// Where the elements of the advice stack come from, kept beside it.
#[derive(Debug)]
pub(super) struct Origins<'a> {
    trust: &'a Trust,
    /// Of each element, the top one last.
    stack: Vec<Origin>,
    events: usize,
}

impl<'a> Origins<'a> {
    /// Those of an advice stack of `len` elements that a run starts with.
    pub fn new(trust: &'a Trust, len: usize) -> Self {
        let origin = match trust.initial_stack {
            true => Origin::Input,
            false => Origin::Answer(None),
        };
        Self {
            trust,
            stack: vec![origin; len],
            events: 0,
        }
    }

    /// After an event the advice stack has `len` elements. Returns whether what it answered is
    /// input.
    pub fn event(&mut self, event: EventId, stack: &[Felt; MIN_STACK_DEPTH], len: usize) -> bool {
        let trusted = self.trust.covers(event, stack);
        let origin = match trusted {
            true => Origin::Input,
            false => Origin::Answer(Some(self.events)),
        };
        self.events += 1;
        self.stack.resize(len, origin);
        trusted
    }

    /// Where the top element comes from.
    pub fn top(&self) -> Option<Origin> {
        self.stack.last().copied()
    }

    /// The top element is taken.
    pub fn pop(&mut self) {
        self.stack.pop();
    }
}

/// An element that the run took from the advice stack.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taken {
    pub value: Felt,
    pub origin: Origin,
    /// Number of the operation that took it.
    pub take: usize,
}

/// Where the machine took something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    pub position: Position,
    /// The index of the running instance.
    pub instance: u16,
    /// The innermost procedure that has a name.
    pub procedure: Option<Word>,
}

/// An operation that took elements from the advice stack.
#[derive(Debug, Clone)]
pub(super) struct Take {
    pub at: At,
    /// The stack, of the first ones.
    pub stack: Option<Box<[Felt; MIN_STACK_DEPTH]>>,
    /// The first of its elements.
    pub first: usize,
    /// The number of elements that it took.
    pub len: usize,
}

/// Everything that a run took from its host, in order.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub elements: Vec<Taken>,
    pub takes: Vec<Take>,
    /// The events.
    pub events: Vec<EventId>,
    /// Lengths of the Merkle paths that were taken, and where.
    pub paths: Vec<(usize, At)>,
    /// Constants of the code that ran.
    pub constants: Vec<Felt>,
    /// The kind of elements that the operations at a place took: input, answers, or now the one and
    /// now the other.
    pub kinds: BTreeMap<Position, Option<bool>>,
}

/// Only so many stacks are kept.
const MAX_STACKS: usize = 1 << 14;
/// Only so many constants are kept.
const MAX_CONSTANTS: usize = 256;

/// Writes down what a run takes.
#[derive(Debug)]
pub(super) struct Recorder<'a> {
    /// `true` if the run goes on where the honest host has no answer.
    lenient: bool,
    record: Record,
    origins: Origins<'a>,
    /// The digests of procedures that have names.
    known: &'a HashSet<Word>,
    constants: HashSet<u64>,
    /// The digests of procedures that have not ended.
    open: OpenProcedures<Word>,
}

impl<'a> Recorder<'a> {
    pub fn new(trust: &'a Trust, initial: usize, known: &'a HashSet<Word>, lenient: bool) -> Self {
        Self {
            lenient,
            record: Record::default(),
            origins: Origins::new(trust, initial),
            known,
            constants: HashSet::new(),
            open: OpenProcedures::default(),
        }
    }

    pub fn record(&self) -> &Record {
        &self.record
    }

    pub fn into_record(self) -> Record {
        self.record
    }

    fn at(&self, taking: &Taking<'_>) -> At {
        At {
            position: taking.position,
            instance: taking.context.index(),
            procedure: self.open.innermost().copied(),
        }
    }
}

impl Tracer for Recorder<'_> {
    const ENABLED: bool = true;

    fn row(&mut self, _state: &RowState<'_>, kind: RowKind<'_>) {
        if let RowKind::Op(row) = kind
            && let Operation::Push(value) = row.op
            && self.record.constants.len() < MAX_CONSTANTS
            && self.constants.insert(value.as_int())
        {
            self.record.constants.push(value);
        }
        let known = self.known;
        let named = |digest, _: Option<&Word>| known.contains(&digest).then_some(digest);
        self.open.begin(&kind, named);
        self.open.end(&kind);
    }

    fn take_advice(
        &mut self,
        taking: Taking<'_>,
        elements: &mut [Felt],
    ) -> Result<(), AdviceError> {
        match taking.advice.pop_elements(elements) {
            Err(_) if self.lenient => {
                let answers = elements.iter_mut();
                answers
                    .for_each(|element| *element = taking.advice.pop_stack().unwrap_or_default());
            }
            popped => popped?,
        }
        let at = self.at(&taking);
        let record = &mut self.record;
        let take = record.takes.len();
        let first = record.elements.len();
        for &value in elements.iter() {
            let origin = self.origins.top().unwrap_or(Origin::Answer(None));
            self.origins.pop();
            let is_input = origin == Origin::Input;
            let kind = record.kinds.entry(taking.position);
            kind.and_modify(|kind| {
                if *kind != Some(is_input) {
                    *kind = None;
                }
            })
            .or_insert(Some(is_input));
            record.elements.push(Taken {
                value,
                origin,
                take,
            });
        }
        record.takes.push(Take {
            at,
            stack: (take < MAX_STACKS).then(|| Box::new(*taking.stack)),
            first,
            len: elements.len(),
        });
        Ok(())
    }

    fn take_path(&mut self, taking: Taking<'_>, path: &mut MerklePath) {
        let at = self.at(&taking);
        self.record.paths.push((path.nodes().len(), at));
    }

    fn take_event(
        &mut self,
        taking: Taking<'_>,
        event: EventId,
        answered: Result<(), Box<Trap>>,
    ) -> Result<(), Box<Trap>> {
        let len = taking.advice.stack().len();
        let trusted = self.origins.event(event, taking.stack, len);
        self.record.events.push(event);
        match self.lenient && !trusted {
            true => Ok(()),
            false => answered,
        }
    }

    fn log_precompile(&mut self, _clk: u32, _input: &[Felt; 12], _output: &[Felt; 12]) {}
}

impl Record {
    /// The elements that the liar may change, by the operation that took them, in the order of the
    /// first time that each place took any.
    pub fn places(&self) -> Vec<ReadSite> {
        let mut numbers: BTreeMap<At, usize> = BTreeMap::new();
        let mut places: Vec<ReadSite> = Vec::new();
        for take in &self.takes {
            let range = take.first..take.first + take.len;
            let mut free = range.filter(|&i| self.elements[i].origin != Origin::Input);
            let Some(first) = free.next() else { continue };
            let number = *numbers.entry(take.at).or_insert_with(|| {
                places.push(ReadSite { takes: Vec::new() });
                places.len() - 1
            });
            places[number]
                .takes
                .push([first].into_iter().chain(free).collect());
        }
        places
    }

    /// The elements that answer the same event as element `i`, in the order in which they were
    /// taken. Of what was on the stack from the beginning, those that one operation took.
    pub fn group(&self, i: usize) -> Vec<usize> {
        /// Answers are taken soon after they are given, and long ones are not of interest as a
        /// whole.
        const REACH: usize = 64;
        let Taken { origin, take, .. } = self.elements[i];
        let range = i.saturating_sub(REACH)..(i + REACH).min(self.elements.len());
        range
            .filter(|&j| match origin {
                Origin::Answer(Some(_)) => self.elements[j].origin == origin,
                _ => self.elements[j].take == take,
            })
            .collect()
    }
}

/// A place in the code that takes what the liar may change.
#[derive(Debug)]
pub(super) struct ReadSite {
    /// The elements taken, each time.
    pub takes: Vec<Vec<usize>>,
}
