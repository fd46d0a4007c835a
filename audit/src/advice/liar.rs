//! The dishonest host: answers as the honest one does, except for a lie.

use std::collections::BTreeMap;

use miden_core::{EventId, Felt, Word, crypto::merkle::MerklePath};
use miden_cvm_processor::{AdviceError, Taking, Tracer, Trap};

use super::{
    lie::Lie,
    record::{Origin, Origins, Record, Trust},
};
use crate::random::Random;

/// Plays a dishonest host.
///
/// Everything it does not lie about is answered as the honest host would, in the state that the lie
/// has led to. Where the honest host has no answer (a key that is not there, a division by zero) it
/// says nothing, and gives what the honest run took at that point, or anything.
#[derive(Debug)]
pub(super) struct Liar<'a> {
    honest: &'a Record,
    replayed: Option<&'a Record>,
    elements: BTreeMap<usize, Felt>,
    path: Option<(usize, usize, Felt)>,
    origins: Origins<'a>,
    random: Random,
    /// Elements taken so far.
    taken: usize,
    /// Paths taken so far.
    paths: usize,
}

impl<'a> Liar<'a> {
    pub fn new(
        honest: &'a Record,
        others: &'a [Record],
        lie: Lie,
        trust: &'a Trust,
        initial: usize,
    ) -> Self {
        Self {
            honest,
            replayed: lie.replay.and_then(|number| others.get(number)),
            elements: lie.elements,
            path: lie.path,
            origins: Origins::new(trust, initial),
            random: lie.random,
            taken: 0,
            paths: 0,
        }
    }

    /// Returns the honest host's answer; `None` where it has none.
    fn answer(&mut self, taking: &mut Taking<'_>, kind: Option<bool>) -> Option<(Felt, Origin)> {
        // What an answer left over is not taken for input, nor input for an answer.
        if kind == Some(true) {
            while self
                .origins
                .top()
                .is_some_and(|origin| origin != Origin::Input)
            {
                let _ = taking.advice.pop_stack();
                self.origins.pop();
            }
        }
        let origin = self.origins.top()?;
        if kind == Some(false) && origin == Origin::Input {
            return None;
        }
        let value = taking.advice.pop_stack().ok()?;
        self.origins.pop();
        Some((value, origin))
    }

    /// Invents an answer where the honest host has nothing to say.
    fn invent(&mut self, number: usize) -> Felt {
        match self.honest.elements.get(number) {
            Some(taken) if taken.origin != Origin::Input => taken.value,
            _ => match self.random.below(4) {
                0 => Felt::new(0),
                1 => Felt::new(1),
                2 => Felt::new(self.random.below(1 << 16) as u64),
                _ => self.random.felt(),
            },
        }
    }
}

impl Tracer for Liar<'_> {
    // For the positions of operations, by which input is told from answers.
    const ENABLED: bool = true;

    fn take_advice(
        &mut self,
        mut taking: Taking<'_>,
        elements: &mut [Felt],
    ) -> Result<(), AdviceError> {
        let kind = self.honest.kinds.get(&taking.position).copied().flatten();
        for element in elements {
            let number = self.taken;
            self.taken += 1;
            let answer = self.answer(&mut taking, kind);
            *element = match answer {
                Some((value, Origin::Input)) => value,
                None if kind == Some(true) => return Err(AdviceError::StackReadFailed),
                answer => {
                    let replayed = self.replayed.and_then(|run| run.elements.get(number));
                    match (self.elements.get(&number), replayed, answer) {
                        (Some(&lie), ..) => lie,
                        (_, Some(taken), _) => taken.value,
                        (_, _, Some((value, _))) => value,
                        _ => self.invent(number),
                    }
                }
            };
        }
        Ok(())
    }

    fn take_path(&mut self, _taking: Taking<'_>, path: &mut MerklePath) {
        let number = self.paths;
        self.paths += 1;
        if let Some((changed, node, value)) = self.path
            && changed == number
        {
            let mut nodes: Vec<Word> = path.nodes().to_vec();
            if let Some(node) = nodes.get_mut(node) {
                node[0] = value;
            }
            *path = MerklePath::new(nodes);
        }
    }

    fn take_event(
        &mut self,
        taking: Taking<'_>,
        event: EventId,
        answered: Result<(), Box<Trap>>,
    ) -> Result<(), Box<Trap>> {
        let len = taking.advice.stack().len();
        match self.origins.event(event, taking.stack, len) {
            true => answered,
            false => Ok(()),
        }
    }

    fn log_precompile(&mut self, _clk: u32, _input: &[Felt; 12], _output: &[Felt; 12]) {}
}
