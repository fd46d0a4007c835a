//! Lies: what a dishonest host says in the place of honest answers.

use std::collections::BTreeMap;

use miden_core::{Felt, StarkField, ZERO};

use super::{
    quotient,
    record::{Origin, ReadSite, Record},
};
use crate::random::Random;

/// The idea behind a lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LieKind {
    /// One element is another: near the honest one, at an edge of 16, 32 or 64 bits or of the field,
    /// or something that the run has elsewhere.
    Value,
    /// Several elements of one answer are others.
    Values,
    /// A word is another word of the run.
    Word,
    /// Two elements that make up a 64-bit number are those of another number, or write the same
    /// number in another way.
    Halves,
    /// Quotient and remainder are changed so that they agree with the dividend modulo 2^32, 2^64 or
    /// the field's modulus.
    Quotient,
    /// The elements of an answer are in another order.
    Order,
    /// An element of an answer is missing.
    Missing,
    /// An element of an answer is there twice.
    Doubled,
    /// The event is not answered: what is taken is left over from another one.
    Stale,
    /// All answers are those of another run.
    Replay,
    /// A Merkle path has another node.
    Path,
}

impl LieKind {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Value => "value",
            Self::Values => "values",
            Self::Word => "word",
            Self::Halves => "halves",
            Self::Quotient => "quotient",
            Self::Order => "order",
            Self::Missing => "missing",
            Self::Doubled => "doubled",
            Self::Stale => "stale",
            Self::Replay => "replay",
            Self::Path => "path",
        }
    }
}

/// A lie.
#[derive(Debug)]
pub(super) struct Lie {
    pub kind: LieKind,
    /// Values to be said in the place of elements, by the number of the element.
    pub elements: BTreeMap<usize, Felt>,
    /// A Merkle path, a node of it, and what becomes of the node's first element.
    pub path: Option<(usize, usize, Felt)>,
    /// The run whose answers are given.
    pub replay: Option<usize>,
    /// Source of the liar's other choices.
    pub random: Random,
}

/// The material that lies are made of.
#[derive(Debug)]
pub(super) struct Lies<'a> {
    record: &'a Record,
    places: Vec<ReadSite>,
    /// Elements that the sweep goes through: of each place, the first and last time.
    spots: Vec<usize>,
    /// Runs whose answers can be replayed.
    others: &'a [Record],
}

impl<'a> Lies<'a> {
    pub fn new(record: &'a Record, others: &'a [Record]) -> Self {
        let places = record.places();
        let mut spots = Vec::new();
        for place in &places {
            let (first, last) = (place.takes.first(), place.takes.last());
            spots.extend(first.into_iter().flatten());
            if place.takes.len() > 1 {
                spots.extend(last.into_iter().flatten());
            }
        }
        Self {
            record,
            places,
            spots,
            others,
        }
    }

    /// Returns `true` if there is nothing to lie about.
    pub fn none(&self) -> bool {
        self.spots.is_empty() && self.record.paths.is_empty() && self.others.is_empty()
    }

    /// Lie `number` of a campaign. The first ones replay other runs; after them every other one
    /// goes through the elements and what could be said in their place, as long as there is more.
    pub fn draw(&self, seed: u64, number: u64) -> Lie {
        let mut random = Random::new(seed, number);
        let n = usize::try_from(number).unwrap_or(usize::MAX);
        if n < self.others.len() || self.spots.is_empty() && self.record.paths.is_empty() {
            return Lie {
                kind: LieKind::Replay,
                elements: BTreeMap::new(),
                path: None,
                replay: Some(n % self.others.len().max(1)),
                random,
            };
        }
        let n = n - self.others.len();
        let swept = (n.is_multiple_of(2) && !self.spots.is_empty())
            .then(|| self.sweep(n / 2))
            .flatten();
        let (kind, elements, path) = match swept {
            Some((element, value)) => (LieKind::Value, vec![(element, value)], None),
            None if self.spots.is_empty() || !self.record.paths.is_empty() && random.one_in(32) => {
                (LieKind::Path, Vec::new(), Some(self.path(&mut random)))
            }
            None => {
                let (kind, elements) = self.random(&mut random);
                (kind, elements, None)
            }
        };
        let mut elements: BTreeMap<usize, Felt> = elements.into_iter().collect();
        elements.retain(|&i, value| {
            let taken = &self.record.elements[i];
            taken.origin != Origin::Input && taken.value != *value
        });
        // It would not be a lie.
        if elements.is_empty()
            && path.is_none()
            && let Some(i) = self.element(&mut random)
        {
            let value = self.record.elements[i].value;
            elements.insert(i, value + Felt::new(1 + random.below(8) as u64));
        }
        Lie {
            kind,
            elements,
            path,
            replay: None,
            random,
        }
    }

    /// Returns a lie of the sweep: first the first candidate for every element, and so on.
    fn sweep(&self, n: usize) -> Option<(usize, Felt)> {
        let element = self.spots[n % self.spots.len()];
        let candidates = self.candidates(element);
        Some((element, *candidates.get(n / self.spots.len())?))
    }

    /// An element: of a place, and of one of the times that it took something.
    fn element(&self, random: &mut Random) -> Option<usize> {
        let place = (!self.places.is_empty()).then(|| random.pick(&self.places))?;
        let elements = random.pick::<Vec<usize>>(&place.takes);
        Some(*random.pick(elements))
    }

    /// Values that could be said in the place of an element's honest one, without that.
    fn candidates(&self, element: usize) -> Vec<Felt> {
        let taken = &self.record.elements[element];
        let honest = taken.value;
        let x = honest.as_int();
        let edge = |bits: u32| (Felt::MODULUS.min((1_u128 << bits) as u64)).wrapping_sub(1);
        let mut values = vec![honest + Felt::new(1), honest - Felt::new(1)];
        values.extend([0, 1, 2].map(Felt::new));
        values.extend([
            honest + Felt::new(1 << 32),
            honest - Felt::new(1 << 32),
            ZERO - honest,
            Felt::new(x.rotate_left(32) % Felt::MODULUS),
            Felt::new(x & 0xffff_ffff),
            Felt::new(x >> 32),
        ]);
        for bits in [8, 16, 31, 32, 63] {
            let edge = edge(bits);
            values.extend([edge, edge + 1, edge + 2].map(Felt::new));
        }
        let p = Felt::MODULUS;
        values.extend(
            [
                p - 1,
                p - 2,
                p - (1 << 32),
                p - (1 << 32) - 1,
                p / 2,
                p / 2 + 1,
            ]
            .map(Felt::new),
        );
        values.extend(
            [2, 3, 4, 8, 16]
                .into_iter()
                .flat_map(|k| [honest + Felt::new(k), honest - Felt::new(k)]),
        );
        values.extend((3..=64).map(Felt::new));
        let group = self.record.group(element).into_iter();
        values.extend(group.map(|i| self.record.elements[i].value));
        if let Some(stack) = &self.record.takes[taken.take].stack {
            for &value in stack.iter() {
                // Numbers, and addresses of elements and words.
                let near = [1, 4, 8].map(Felt::new);
                values.push(value);
                values.extend(near.iter().flat_map(|&step| [value + step, value - step]));
                values.push(honest + value);
            }
        }
        values.extend(&self.record.constants);
        let mut seen = std::collections::HashSet::from([x]);
        values.retain(|value| seen.insert(value.as_int()));
        values
    }

    /// A value of the run, or near one, or any.
    fn value(&self, element: usize, random: &mut Random) -> Felt {
        match random.below(8) {
            0 => random.felt(),
            1 => Felt::new(random.next() >> 32),
            2 => Felt::new(random.below(1 << 16) as u64),
            3 => random.pick(&self.record.elements).value,
            _ => {
                let candidates = self.candidates(element);
                // The first ones are the likeliest to be of use.
                let bound = 1 + random.below(candidates.len().max(1));
                match candidates.get(random.below(bound)) {
                    Some(&value) => value,
                    None => random.felt(),
                }
            }
        }
    }

    /// Numbers that the code has at hand where an element is taken.
    fn at_hand(&self, element: usize, random: &mut Random) -> u128 {
        let take = &self.record.takes[self.record.elements[element].take];
        let stack: &[Felt] = take.stack.as_ref().map_or(&[], |stack| &stack[..]);
        // Digests and the names of events are no divisors.
        let constants = self.record.constants.iter().map(Felt::as_int);
        let constants: Vec<u64> = constants.filter(|&c| c > 1 && c <= 1 << 33).collect();
        match (random.below(4), stack, &constants[..]) {
            (0, [_, ..], _) => random.pick(stack).as_int().into(),
            (1, [_, ..], _) => {
                let i = random.below(stack.len() - 1);
                let [mut high, mut low] = [stack[i].as_int(), stack[i + 1].as_int()];
                if random.one_in(2) {
                    (high, low) = (low, high);
                }
                (u128::from(high) << 32) + u128::from(low)
            }
            (_, _, [_, ..]) => (*random.pick(&constants)).into(),
            _ => 1 + random.below(1 << 16) as u128,
        }
    }

    fn random(&self, random: &mut Random) -> (LieKind, Vec<(usize, Felt)>) {
        let Some(element) = self.element(random) else {
            return (LieKind::Value, Vec::new());
        };
        let group = self.record.group(element);
        let honest: Vec<Felt> = group
            .iter()
            .map(|&i| self.record.elements[i].value)
            .collect();
        let say = |values: Vec<Felt>| group.iter().copied().zip(values).collect();
        let position = group.iter().position(|&i| i == element).unwrap_or_default();
        match random.below(18) {
            0..2 => {
                let value = self.value(element, random);
                (LieKind::Value, vec![(element, value)])
            }
            2..4 => {
                let count = 2 + random.below(3);
                let changes = (0..count)
                    .map(|_| {
                        let i = *random.pick(&group);
                        (i, self.value(i, random))
                    })
                    .collect();
                (LieKind::Values, changes)
            }
            4..6 => (LieKind::Word, self.word(element, random)),
            6..8 if group.len() > 1 => {
                let i = position.min(group.len() - 2);
                let [a, b] = self.halves([honest[i], honest[i + 1]], random);
                (LieKind::Halves, vec![(group[i], a), (group[i + 1], b)])
            }
            8..14 if group.len() > 1 => {
                let values = self.quotient(element, &honest, random);
                (LieKind::Quotient, say(values))
            }
            14 => {
                let mut values = honest;
                match random.below(3) {
                    0 => values.reverse(),
                    1 => {
                        let by = random.below(values.len());
                        values.rotate_left(by);
                    }
                    _ => {
                        let (i, j) = (random.below(values.len()), random.below(values.len()));
                        values.swap(i, j);
                    }
                }
                (LieKind::Order, say(values))
            }
            15 => {
                let mut values = honest;
                values.remove(position);
                values.push(self.value(element, random));
                (LieKind::Missing, say(values))
            }
            16 => {
                let mut values = honest.clone();
                values.insert(position, honest[position]);
                (LieKind::Doubled, say(values))
            }
            _ => {
                // Whatever the run takes elsewhere, in its order.
                let from = random.below(self.record.elements.len());
                let values = self.record.elements[from..].iter().map(|taken| taken.value);
                (LieKind::Stale, say(values.take(group.len()).collect()))
            }
        }
    }

    /// Four elements that one operation or neighbours took, as a word.
    fn word(&self, element: usize, random: &mut Random) -> Vec<(usize, Felt)> {
        let take = &self.record.takes[self.record.elements[element].take];
        let first = match take.len {
            0..4 => element,
            len => take.first + random.below(len / 4) * 4,
        };
        let last = (first + 4).min(self.record.elements.len());
        let mut word: [Felt; 4] = match (random.below(4), &take.stack) {
            (0, _) => [ZERO; 4],
            (1, Some(stack)) => {
                let start = random.below(13);
                let mut word = core::array::from_fn(|i| stack[start + i]);
                if random.one_in(2) {
                    word.reverse();
                }
                word
            }
            (2, _) => core::array::from_fn(|_| random.felt()),
            _ => {
                let from = random.below(self.record.elements.len());
                core::array::from_fn(|i| {
                    let taken = self.record.elements.get(from + i);
                    taken.map_or(ZERO, |taken| taken.value)
                })
            }
        };
        if random.one_in(4) {
            word[random.below(4)] = random.felt();
        }
        (first..last).zip(word).collect()
    }

    /// Another number of two halves, or the same number written in another way.
    fn halves(&self, honest: [Felt; 2], random: &mut Random) -> [Felt; 2] {
        const LOW: u64 = 0xffff_ffff;
        let swapped = random.one_in(2);
        let [high, low] = match swapped {
            true => [honest[1], honest[0]],
            false => honest,
        };
        let number = (high.as_int() << 32).wrapping_add(low.as_int());
        let split = |number: u64| [number >> 32, number & LOW].map(Felt::new);
        let small = 1 + random.below(16) as u64;
        let [high, low] = match random.below(8) {
            0 => split(number.wrapping_add(small)),
            1 => split(number.wrapping_sub(small)),
            // The other number of 64 bits that is the same element.
            2 => split(number.wrapping_add(Felt::MODULUS)),
            3 => split(number.wrapping_sub(Felt::MODULUS)),
            // More or less in the high half, and the low half makes up for it.
            4 => [high + Felt::new(small), low - Felt::new(small << 32)],
            5 => [high - Felt::new(small), low + Felt::new(small << 32)],
            6 => split(*random.pick(&[0, 1, LOW, 1 << 32, 1 << 63, u64::MAX])),
            _ => split(random.next()),
        };
        match swapped {
            true => [low, high],
            false => [high, low],
        }
    }

    /// Another quotient and remainder, wherever they may stand in an answer.
    fn quotient(&self, element: usize, honest: &[Felt], random: &mut Random) -> Vec<Felt> {
        let mut values = honest.to_vec();
        let divisor = self.at_hand(element, random);
        let (q, r) = Limbs::pair(honest.len(), random);
        let (quotient, remainder) = quotient::shift(
            q.read(honest),
            r.read(honest),
            divisor,
            q.high.is_some(),
            random,
        );
        q.write(quotient, &mut values);
        r.write(remainder, &mut values);
        values
    }

    fn path(&self, random: &mut Random) -> (usize, usize, Felt) {
        let path = random.below(self.record.paths.len());
        let (len, _) = self.record.paths[path];
        (path, random.below(len.max(1)), random.felt())
    }
}

/// One or two elements that hold a number.
#[derive(Debug, Clone, Copy)]
struct Limbs {
    high: Option<usize>,
    low: usize,
}

impl Limbs {
    /// A quotient and a remainder among `len` elements, which are two or more.
    fn pair(len: usize, random: &mut Random) -> (Self, Self) {
        // Answers begin or end with the quotient, and have the remainder at the other end. One that
        // has an element too few for both to have halves has those of the quotient.
        let halves = match len {
            2 => [false, false],
            3 => [true, false],
            4 => [true, true],
            _ => [!random.one_in(3), !random.one_in(3)],
        };
        let big_endian = random.one_in(2);
        let limbs = |start: usize, halves: bool| match (halves, big_endian) {
            (false, _) => Self {
                high: None,
                low: start,
            },
            (true, true) => Self {
                high: Some(start),
                low: start + 1,
            },
            (true, false) => Self {
                high: Some(start + 1),
                low: start,
            },
        };
        let [q_len, r_len] = halves.map(|halves| 1 + usize::from(halves));
        let start = match len.saturating_sub(q_len + r_len) {
            0 => 0,
            room => random.below(room + 1),
        };
        match random.one_in(2) {
            true => (limbs(start, halves[0]), limbs(start + q_len, halves[1])),
            false => (limbs(start + r_len, halves[0]), limbs(start, halves[1])),
        }
    }

    fn read(self, values: &[Felt]) -> u128 {
        let high = self
            .high
            .map_or(0, |high| u128::from(values[high].as_int()));
        (high << 32) + u128::from(values[self.low].as_int())
    }

    fn write(self, number: u128, values: &mut [Felt]) {
        let number = number as u64;
        match self.high {
            None => values[self.low] = Felt::new(number % Felt::MODULUS),
            Some(high) => {
                values[high] = Felt::new(number >> 32);
                values[self.low] = Felt::new(number & 0xffff_ffff);
            }
        }
    }
}
