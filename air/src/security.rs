//! The parts that the security of a proof is made of.
//!
//! Every part is a probability with which a cheating prover gets through one step, or the work that
//! it takes, in bits. A proof is as secure as the weakest of them: each step has a challenge of its
//! own, and to get through one of them is enough (round-by-round soundness).
//!
//! Three accounts are kept of the protocol. One rests on the conjecture that was usual for STARKs.
//! The other two rest on theorems: one for proximity below the unique-decoding radius, one for
//! proximity up to the Johnson bound, where a word may be close to several polynomials. Either
//! proves the protocol, so the better one counts. Where the theorems are from is said at each part.

use core::{fmt, str::FromStr};

use libm::{floor, log2, sqrt};
use miden_air::HashFunction;
use miden_core::Felt;
use serde::{Serialize, Serializer, ser::SerializeStruct};
use thiserror::Error;
use winter_math::StarkField;

use crate::{MAX_DEGREE, air::CvmAir};

/// The security of a proof in bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Security {
    /// By theorems alone.
    pub proven: u32,
    /// Under the conjecture that FRI is sound up to the capacity of the code (eprint 2021/582).
    /// In that generality it is refuted (eprint 2025/2010, 2025/2046); no attack on proofs follows
    /// from that, but neither does the figure follow from anything that is proven.
    pub conjectured: u32,
    /// The figures for the parts, of which the two above are the minimum.
    pub parts: SecurityParts,
}

impl fmt::Display for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            proven,
            conjectured,
            ..
        } = self;
        write!(f, "{proven} bits proven, {conjectured} bits conjectured")
    }
}

/// A least security that is asked for, in bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum MinSecurity {
    /// Bits under the conjecture.
    Conjectured(u32),
    /// Bits by theorems alone.
    Proven(u32),
}

impl MinSecurity {
    /// The number of bits.
    pub const fn bits(self) -> u32 {
        match self {
            Self::Proven(bits) | Self::Conjectured(bits) => bits,
        }
    }

    /// Returns `true` if a proof of this security is good enough.
    pub const fn is_met_by(self, security: &Security) -> bool {
        match self {
            Self::Proven(bits) => security.proven >= bits,
            Self::Conjectured(bits) => security.conjectured >= bits,
        }
    }
}

impl Default for MinSecurity {
    /// 100 proven bits.
    fn default() -> Self {
        Self::Proven(100)
    }
}

impl fmt::Display for MinSecurity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Proven(bits) => write!(f, "{bits} proven bits"),
            Self::Conjectured(bits) => write!(f, "{bits} conjectured bits"),
        }
    }
}

/// A text that names no least security.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "a security is a number of proven bits, as in `100` or `proven:100`, or one of conjectured bits, \
     as in `conjectured:96`"
)]
pub struct ParseSecurityError;

impl FromStr for MinSecurity {
    type Err = ParseSecurityError;

    /// Reads `100`, `proven:100` or `conjectured:96`.
    fn from_str(text: &str) -> Result<Self, ParseSecurityError> {
        let (kind, bits) = text.split_once(':').unwrap_or(("proven", text));
        if !bits.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(ParseSecurityError);
        }
        let bits = bits.parse().map_err(|_| ParseSecurityError)?;
        match kind {
            "proven" => Ok(Self::Proven(bits)),
            "conjectured" => Ok(Self::Conjectured(bits)),
            _ => Err(ParseSecurityError),
        }
    }
}

/// The parts of a proof's security, each in bits.
///
/// F is the extension field, n the number of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecurityParts {
    /// Queries, grinding and the size of the field, under the conjecture (equation 19 of eprint
    /// 2021/582).
    pub protocol: u32,
    /// The hash function's resistance to collisions.
    pub collisions: u32,
    /// The lookup argument: with N fractions, their sum or a denominator vanishes at the challenges
    /// with probability 2·N / |F|.
    pub lookups: u32,
    /// Combining C constraints with powers of one element: (C - 1) / |F|.
    pub constraints: u32,
    /// The point outside of the domain, with constraints of degree d: (d·(n + 1) + n - 1) / |F|.
    pub out_of_domain: u32,
    /// Combining P quotients with powers of one element, for the low-degree test: (P - 1) / |F|.
    pub quotients: u32,
    /// The protocol, proven below the unique-decoding radius.
    pub unique_decoding: Rounds,
    /// The protocol, proven up to the Johnson bound.
    pub list_decoding: Rounds,
}

impl Serialize for SecurityParts {
    /// A proof by either theorem is as strong as the weakest of its rounds; those are told besides.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Theorems {
            unique_decoding: Rounds,
            list_decoding: Rounds,
        }
        let mut parts = serializer.serialize_struct("SecurityParts", 9)?;
        parts.serialize_field("protocol", &self.protocol)?;
        parts.serialize_field("unique_decoding", &self.unique_decoding.least())?;
        parts.serialize_field("list_decoding", &self.list_decoding.least())?;
        parts.serialize_field("collisions", &self.collisions)?;
        parts.serialize_field("lookups", &self.lookups)?;
        parts.serialize_field("constraints", &self.constraints)?;
        parts.serialize_field("out_of_domain", &self.out_of_domain)?;
        parts.serialize_field("quotients", &self.quotients)?;
        let rounds = Theorems {
            unique_decoding: self.unique_decoding,
            list_decoding: self.list_decoding,
        };
        parts.serialize_field("rounds", &rounds)?;
        parts.end()
    }
}

/// The rounds of the protocol, each with its security in bits, as far as they depend on how close a
/// committed word is taken to be to a polynomial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Rounds {
    /// The multiplicity m of the interpolation, which sets the distance: 1 - √ρ·(1 + 1/2m) at a
    /// rate of ρ. 0 below the unique-decoding radius, where the distance is (1 - ρ)/2.
    pub multiplicity: u32,
    /// Combining the constraints.
    pub constraints: u32,
    /// The point outside of the domain.
    pub out_of_domain: u32,
    /// Combining the quotients.
    pub quotients: u32,
    /// Folding; the first one, as later ones are about shorter words.
    pub folding: u32,
    /// The queries, with the grinding before them.
    pub queries: u32,
}

impl Rounds {
    /// The bits of the weakest round.
    pub fn least(&self) -> u32 {
        [
            self.constraints,
            self.out_of_domain,
            self.quotients,
            self.folding,
            self.queries,
        ]
        .into_iter()
        .fold(u32::MAX, u32::min)
    }
}

/// The numbers on which the soundness of a protocol depends: one that commits to columns, combines
/// constraints and then quotients with powers of one element each, and tests the result with FRI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protocol {
    /// The degree of the extension field.
    pub extension: u32,
    /// The blowup, which is one over the rate of the code.
    pub blowup: u32,
    /// The number of queries.
    pub queries: u32,
    /// The bits of grinding before the queries.
    pub grinding: u32,
    /// The factor by which FRI folds.
    pub folding: u32,
    /// The number of rows of the longest piece.
    pub rows: u64,
    /// The number of functions that the low-degree test combines: the quotients of all columns that are
    /// committed to, and interleaved columns by themselves.
    pub columns: u64,
    /// The number of constraints.
    pub constraints: u64,
    /// The highest degree of a constraint.
    pub degree: u64,
    /// The number of fractions of the lookup argument.
    pub fractions: u64,
}

impl Protocol {
    /// The protocol by which this AIR is proven.
    pub fn of(air: &CvmAir) -> Self {
        let options = air.options();
        Self {
            extension: options.field_extension().degree(),
            blowup: options.blowup_factor() as u32,
            queries: options.num_queries() as u32,
            grinding: options.grinding_factor(),
            folding: options.to_fri_options().folding_factor() as u32,
            rows: air.longest() as u64,
            columns: air.num_quotients() as u64,
            constraints: air.total_constraints() as u64,
            degree: MAX_DEGREE as u64,
            fractions: air.num_fractions(),
        }
    }

    /// The security that the protocol has with this hash function.
    pub fn security(&self, hash: HashFunction) -> Security {
        let parts = SecurityParts {
            protocol: self.conjectured_protocol(),
            collisions: hash.collision_resistance(),
            lookups: self.lookups(),
            constraints: self.error(log2_of(self.constraints - 1)),
            out_of_domain: self.error(self.log_identity()),
            quotients: self.error(log2_of(self.columns - 1)),
            unique_decoding: self.unique_decoding(),
            list_decoding: self.list_decoding(),
        };
        // The conjecture is about one word: the two combinations and the point come to it.
        let conjectured = [
            parts.protocol,
            parts.collisions,
            parts.lookups,
            parts.constraints,
            parts.out_of_domain,
            parts.quotients,
        ];
        let rounds = parts
            .unique_decoding
            .least()
            .max(parts.list_decoding.least());
        Security {
            proven: rounds.min(parts.lookups).min(parts.collisions),
            conjectured: conjectured.into_iter().fold(u32::MAX, u32::min),
            parts,
        }
    }

    /// The rounds below the unique-decoding radius, where a word is close to one polynomial at most.
    ///
    /// Combinations and folding: corollary 1.4 of eprint 2025/2055, for lines, times the degree of
    /// the curve that powers make. Constraints and point: theorem 3 of eprint 2024/1553.
    pub fn unique_decoding(&self) -> Rounds {
        let rate = 1.0 / f64::from(self.blowup);
        let distance = (1.0 - rate) / 2.0;
        let exceptions = |rows: f64| distance * rows / rate + 1.0;
        self.rounds(0, distance, 1.0, exceptions)
    }

    /// The rounds up to the Johnson bound, at the distance that suits the protocol best: nearer to
    /// the bound, queries find more, but more combinations hide what they are to find.
    pub fn list_decoding(&self) -> Rounds {
        // The queries' part grows with the multiplicity, that of every other round falls. So the
        // best one is where they meet.
        let others = |rounds: Rounds| {
            let queries = u32::MAX;
            Rounds { queries, ..rounds }.least()
        };
        let meet = first_multiplicity(|m| {
            let rounds = self.list_decoding_at(m);
            rounds.queries >= others(rounds)
        });
        let before = (meet - 1).max(MULTIPLICITIES.0);
        let best = [before, meet]
            .map(|m| self.list_decoding_at(m).least())
            .into_iter()
            .fold(0, u32::max);
        // The least one that gives as many whole bits leaves the most to the other rounds.
        self.list_decoding_at(first_multiplicity(|m| {
            self.list_decoding_at(m).queries >= best
        }))
    }

    /// The rounds up to the Johnson bound, at the distance of multiplicity `m`.
    ///
    /// Combinations and folding: theorem 4.2 of eprint 2025/2055, for lines, times the degree of the
    /// curve that powers make. Lists: the Johnson bound. Constraints and point: theorem 2 of eprint
    /// 2024/1553; the point's error has the square of the list, as the quotients at the point and
    /// at its successor are added with one coefficient.
    pub fn list_decoding_at(&self, m: u32) -> Rounds {
        let rate = 1.0 / f64::from(self.blowup);
        let (root, shifted) = (sqrt(rate), f64::from(m) + 0.5);
        let distance = 1.0 - root - root / (2.0 * f64::from(m));
        let list = f64::from(m) / rate;
        let fifth = shifted * shifted * shifted * shifted * shifted;
        let exceptions = |rows: f64| {
            let codeword = rows / rate;
            (2.0 * fifth + 3.0 * shifted * distance * rate) * codeword / (3.0 * rate * root)
                + shifted / root
        };
        self.rounds(m, distance, list, exceptions)
    }

    /// The rounds at a distance within which a word is close to at most `list` polynomials, and a
    /// line through words that are not is within it at `exceptions` points, given the number of rows.
    fn rounds(
        &self,
        multiplicity: u32,
        distance: f64,
        list: f64,
        exceptions: impl Fn(f64) -> f64,
    ) -> Rounds {
        let rows = self.rows as f64;
        let folded = rows / f64::from(self.folding);
        let queries = -f64::from(self.queries) * log2(1.0 - distance);
        Rounds {
            multiplicity,
            constraints: self.error(log2(list) + log2_of(self.constraints - 1)),
            out_of_domain: self.error(2.0 * log2(list) + self.log_identity()),
            quotients: self.error(log2(exceptions(rows)) + log2_of(self.columns - 1)),
            folding: self.error(log2(exceptions(folded)) + log2(f64::from(self.folding) - 1.0)),
            queries: whole(queries + f64::from(self.grinding)),
        }
    }

    /// Queries, grinding and field under the conjecture.
    fn conjectured_protocol(&self) -> u32 {
        let field = Felt::MODULUS_BITS * self.extension;
        let queries = self.queries * self.blowup.ilog2();
        // Grinding counts where queries do the greater part.
        let ground = if queries >= 80 { self.grinding } else { 0 };
        field.min(queries + ground) - 1
    }

    /// The lookup argument.
    ///
    /// With N fractions whose messages do not balance, the sum of the fractions is a rational
    /// function of the challenges that is not zero, since distinct messages have distinct linear
    /// forms for denominators. It vanishes at random challenges with probability below N / |F|
    /// (Schwartz-Zippel on a numerator of degree below N), and some denominator does, which would
    /// leave the column's constraint without force, with probability at most N / |F|. The width of
    /// the messages does not enter, as every coordinate has a challenge of its own.
    fn lookups(&self) -> u32 {
        self.error(log2_of(2 * self.fractions))
    }

    /// The logarithm of the degree of the identity that is checked at the point outside of the
    /// domain.
    fn log_identity(&self) -> f64 {
        log2_of(self.degree * (self.rows + 1) + self.rows - 1)
    }

    /// The bits of an error whose numerator over |F| has this logarithm.
    fn error(&self, log_numerator: f64) -> u32 {
        whole(f64::from(self.extension) * log2(Felt::MODULUS as f64) - log_numerator)
    }
}

/// The multiplicities that are tried: the theorem's least, and more than is ever the best.
const MULTIPLICITIES: (u32, u32) = (3, 1 << 12);

/// The least multiplicity for which something holds that holds for all larger ones too; the largest
/// one if there is none.
fn first_multiplicity(holds: impl Fn(u32) -> bool) -> u32 {
    let (mut low, mut high) = MULTIPLICITIES;
    while low < high {
        let middle = low.midpoint(high);
        if holds(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

/// Whole bits. What floating point may get wrong is far less than what is taken off.
fn whole(bits: f64) -> u32 {
    floor(bits - 1e-9) as u32
}

fn log2_of(number: u64) -> f64 {
    log2(number as f64)
}

impl Security {
    /// The security of a proof for this AIR with this hash function.
    pub fn of(air: &CvmAir, hash: HashFunction) -> Self {
        Protocol::of(air).security(hash)
    }
}

#[cfg(test)]
mod tests {
    use miden_core::crypto::hash::Blake3_256;
    use winter_air::{
        TraceInfo,
        proof::{Context, Proof},
    };

    use super::*;
    use crate::{
        heights::{Heights, MAX_HEIGHT},
        lookup::NUM_CHALLENGES,
        options::{OptionSet, ProofSettings},
        public::PublicInputs,
        table::Table,
    };

    /// More messages than a statement can make the verifier send.
    const MESSAGES: u64 = 1 << 22;

    fn uniform(log_height: u32) -> Heights {
        Heights::uniform(1 << log_height).expect("an allowed height")
    }

    fn air(set: OptionSet, log_length: u32) -> CvmAir {
        let options = set.proof_options();
        CvmAir::new(uniform(log_length), PublicInputs::default(), options)
    }

    #[test]
    fn the_weakest_part_decides() {
        let public = PublicInputs::default();
        for set in OptionSet::ALL {
            let settings = ProofSettings::new(set, HashFunction::Rpo256).expect("strong enough");
            for log_length in [9, 16, 20, set.max_height().ilog2()] {
                let security = settings.security(&uniform(log_length), &public);
                let Security {
                    conjectured,
                    proven,
                    parts,
                } = security;
                assert!(set.level().is_met_by(&security));
                let parts_of_both = [parts.collisions, parts.lookups];
                let weakest = [
                    parts.protocol,
                    parts.constraints,
                    parts.out_of_domain,
                    parts.quotients,
                ]
                .into_iter()
                .chain(parts_of_both)
                .min();
                assert_eq!(weakest, Some(conjectured));
                let rounds = [parts.unique_decoding, parts.list_decoding].map(|rounds| {
                    assert!(rounds.constraints <= parts.constraints);
                    assert!(rounds.out_of_domain <= parts.out_of_domain);
                    assert!(rounds.quotients <= parts.quotients);
                    rounds.least()
                });
                let weakest = rounds.into_iter().max().into_iter().chain(parts_of_both);
                assert_eq!(weakest.min(), Some(proven));
            }
        }
    }

    /// No multiplicity gives more than the one that is chosen.
    #[test]
    fn the_distance_is_the_best_one() {
        for set in OptionSet::ALL {
            for log_length in [9, 20, set.max_height().ilog2()] {
                let protocol = Protocol::of(&air(set, log_length));
                let chosen = protocol.list_decoding();
                let best = (MULTIPLICITIES.0..=MULTIPLICITIES.1)
                    .map(|m| protocol.list_decoding_at(m).least())
                    .max();
                assert_eq!(Some(chosen.least()), best, "{set:?} {chosen:?}");
            }
        }
    }

    /// A set's longest traces are those with which it reaches its level, whatever the statement.
    #[test]
    fn lookups_limit_the_longest_traces() {
        for set in OptionSet::ALL {
            let longest = set.max_height() as u64;
            let slots = |table: Table| table.packing().columns.iter().map(Vec::len).sum::<usize>();
            let slots: usize = Table::ALL.map(slots).iter().sum();
            let bits = |rows: u64| {
                let mut protocol = Protocol::of(&air(set, longest.ilog2()));
                protocol.fractions = rows * slots as u64 + MESSAGES;
                protocol.lookups()
            };
            assert!(bits(longest) >= set.level().bits());
            match set.level() {
                MinSecurity::Conjectured(96) => assert!(bits(2 * longest) < 96),
                MinSecurity::Conjectured(_) => assert!(longest >= MAX_HEIGHT as u64 / 2),
                MinSecurity::Proven(_) => assert_eq!(longest, 1 << 24),
            }
        }
    }

    #[test]
    fn errors_are_rounded_down() {
        let mut protocol = Protocol::of(&air(OptionSet::Fast96, 10));
        // The field is a little smaller than the power of two.
        assert_eq!(protocol.error(log2_of(1)), 127);
        assert_eq!(protocol.error(log2_of(1 << 20)), 107);
        assert_eq!(protocol.error(log2_of((1 << 20) - 2)), 108);
        protocol.extension = 3;
        assert_eq!(protocol.error(log2_of(1 << 20)), 171);
        assert_eq!(protocol.error(log2_of(1 << 63) * 4.0), 0);
    }

    /// The figures that the Ethereum Foundation's calculator `soundcalc` (as of 2026-05-14) gives
    /// for this protocol: 149 columns, 681 constraints of degree 5, opened at two points, folded by
    /// 8, and lookups of 30 fractions a row with 18 coordinates.
    ///
    /// Each row: blowup, queries, degree of the extension, grinding, logarithm of the rows; then for
    /// unique decoding and for the Johnson bound: total, queries, combining quotients, first
    /// folding, point out of domain, lookups.
    const SOUNDCALC: [([u32; 5], [u32; 6], [u32; 6]); 16] = [
        (
            [4, 41, 2, 16, 16],
            [43, 43, 104, 111, 109, 102],
            [55, 55, 78, 85, 103, 102],
        ),
        (
            [4, 41, 2, 16, 20],
            [43, 43, 100, 107, 105, 98],
            [55, 55, 74, 81, 99, 98],
        ),
        (
            [4, 84, 3, 20, 16],
            [76, 76, 168, 175, 173, 166],
            [102, 102, 136, 143, 165, 166],
        ),
        (
            [4, 112, 3, 20, 16],
            [95, 95, 168, 175, 173, 166],
            [130, 130, 136, 143, 165, 166],
        ),
        (
            [8, 54, 3, 20, 16],
            [64, 64, 166, 174, 173, 166],
            [100, 100, 133, 140, 164, 166],
        ),
        (
            [8, 56, 3, 20, 16],
            [66, 66, 166, 174, 173, 166],
            [103, 103, 133, 140, 164, 166],
        ),
        (
            [8, 75, 3, 20, 16],
            [82, 82, 166, 174, 173, 166],
            [131, 131, 133, 140, 164, 166],
        ),
        (
            [16, 42, 3, 20, 16],
            [58, 58, 165, 173, 173, 166],
            [103, 103, 130, 138, 163, 166],
        ),
        (
            [16, 56, 3, 20, 16],
            [71, 71, 165, 173, 173, 166],
            [130, 131, 130, 138, 163, 166],
        ),
        (
            [4, 84, 3, 20, 20],
            [76, 76, 164, 171, 169, 162],
            [102, 102, 132, 139, 161, 162],
        ),
        (
            [4, 112, 3, 20, 20],
            [95, 95, 164, 171, 169, 162],
            [130, 130, 132, 139, 161, 162],
        ),
        (
            [8, 54, 3, 20, 20],
            [64, 64, 162, 170, 169, 162],
            [100, 100, 129, 136, 160, 162],
        ),
        (
            [8, 56, 3, 20, 20],
            [66, 66, 162, 170, 169, 162],
            [103, 103, 129, 136, 160, 162],
        ),
        (
            [8, 75, 3, 20, 20],
            [82, 82, 162, 170, 169, 162],
            [129, 131, 129, 136, 160, 162],
        ),
        (
            [16, 42, 3, 20, 20],
            [58, 58, 161, 169, 169, 162],
            [103, 103, 126, 134, 159, 162],
        ),
        (
            [16, 56, 3, 20, 20],
            [71, 71, 161, 169, 169, 162],
            [126, 131, 126, 134, 159, 162],
        ),
    ];

    /// Every round is within a bit of the calculator's, but for two that are meant otherwise.
    #[test]
    fn an_independent_calculator_gives_the_same_figures() {
        for ([blowup, queries, extension, grinding, log_rows], unique, johnson) in SOUNDCALC {
            let protocol = Protocol {
                extension,
                blowup,
                queries,
                grinding,
                folding: 8,
                rows: 1 << log_rows,
                columns: 149,
                constraints: 681,
                degree: 5,
                fractions: 30 << log_rows,
            };
            // The calculator stays at a fixed distance from the Johnson bound: these are the
            // multiplicities that belong to it.
            let m = if extension == 2 { 20 } else { 50 };
            // It adds quotients at several points as one quotient, where the list counts once.
            let list = log2(f64::from(m * blowup));
            // It takes coordinates to be combined with powers of one challenge, which costs as many
            // times the error as there are coordinates, where ours costs twice the error.
            let coordinates = 18.0 / 2.0;
            let lookups = f64::from(protocol.lookups()) - log2(coordinates);
            for (rounds, list, figures) in [
                (protocol.unique_decoding(), 0.0, unique),
                (protocol.list_decoding_at(m), list, johnson),
            ] {
                let total = f64::from(rounds.least()).min(lookups);
                let ours = [
                    total,
                    f64::from(rounds.queries),
                    f64::from(rounds.quotients),
                    f64::from(rounds.folding),
                    f64::from(rounds.out_of_domain) + list,
                    lookups,
                ];
                for (part, (ours, theirs)) in ours.into_iter().zip(figures).enumerate() {
                    let difference = ours - f64::from(theirs);
                    assert!(
                        difference.abs() <= 1.0,
                        "blowup {blowup}, {queries} queries, 2^{log_rows} rows, part {part}: \
                         {ours} and {theirs}"
                    );
                }
            }
        }
    }

    /// Winterfell's estimates are older theorems' for the same protocol: below the unique-decoding
    /// radius they are ours, up to the Johnson bound ours are higher.
    #[test]
    fn winterfells_estimates_are_not_higher() {
        for set in OptionSet::ALL {
            for log_length in [9, 16, 20, set.max_height().ilog2()] {
                // Winterfell knows of no more than 255 columns: those of the tables that every run has.
                let heights = Heights::new(Table::ALL.map(|table| match table.is_optional() {
                    true => 0,
                    false => 1 << log_length,
                }));
                let heights = heights.expect("allowed heights");
                let air = CvmAir::new(heights, PublicInputs::default(), set.proof_options());
                let protocol = Protocol::of(&air);
                let security = protocol.security(HashFunction::Blake3_256);
                // Winterfell estimates proofs, of which it only reads the context.
                let mut proof = Proof::new_dummy();
                let length = air.longest();
                let main = heights.tables().map(Table::width).sum();
                let info = TraceInfo::new_multi_segment(
                    main,
                    air.trace_width() - main,
                    NUM_CHALLENGES,
                    length,
                    alloc::vec::Vec::new(),
                );
                proof.context = Context::new::<Felt>(
                    info,
                    air.options().clone(),
                    protocol.constraints as usize,
                );
                let conjectured = proof.conjectured_security::<Blake3_256>().bits();
                let parts = security.parts;
                assert_eq!(parts.protocol.min(parts.collisions), conjectured);
                let proven = proof.proven_security::<Blake3_256>();
                let unique = parts.unique_decoding.least();
                let bits = proven.udr_bits();
                assert!(unique.abs_diff(bits) <= 1, "{unique} {bits}");
                let list = parts.list_decoding.least().min(parts.collisions);
                let bits = proven.ldr_bits();
                assert!(list >= bits, "{list} {bits}");
            }
        }
    }

    #[test]
    fn a_least_security_is_read_and_met() {
        use MinSecurity::{Conjectured, Proven};
        for (text, read) in [
            ("100", Proven(100)),
            ("proven:128", Proven(128)),
            ("conjectured:96", Conjectured(96)),
        ] {
            assert_eq!(text.parse(), Ok(read));
        }
        for text in [
            "",
            "most",
            "+1",
            "-1",
            "96 ",
            "proven",
            "proven:",
            "conjectured:",
            "conjectured:+96",
            "guessed:96",
            "proven:96:1",
            "4294967296",
        ] {
            assert_eq!(
                text.parse::<MinSecurity>(),
                Err(ParseSecurityError),
                "{text}"
            );
        }
        let security = Protocol::of(&air(OptionSet::Fast96, 16)).security(HashFunction::Rpo256);
        let Security {
            proven,
            conjectured,
            ..
        } = security;
        assert!(proven < conjectured);
        assert!(Proven(proven).is_met_by(&security));
        assert!(!Proven(proven + 1).is_met_by(&security));
        assert!(Conjectured(conjectured).is_met_by(&security));
        assert!(!Conjectured(conjectured + 1).is_met_by(&security));
    }
}
