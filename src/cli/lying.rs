//! `audit --advice`.

use core::fmt;
use std::{collections::BTreeMap, path::PathBuf};

use clap::Args;
use miden_cvm::{
    EventName, Inputs, MAX_CYCLES, Target, Word,
    advice::{Finding, LieCampaign, LieReport, LieTally, Outputs, Trust, Verdict, audit_advice},
};
use serde::Serialize;

use super::{
    outcome::{Failure, Outcome},
    progress::Progress,
    run::{CodeAnswer, OutputsAnswer},
    source::Source,
};

/// Options for what is lied about.
#[derive(Debug, Args)]
pub struct LyingArgs {
    /// Lie about the advice stack of the inputs too, and not only about what events answer
    #[arg(long, requires = "advice")]
    all: bool,
    /// An event whose answers are input, and not lied about; can be given several times
    #[arg(long = "input-event", value_name = "NAME", requires = "advice")]
    input_events: Vec<String>,
    /// A key of the advice map whose entry is input, and not lied about; can be given several times
    #[arg(long = "input-key", value_name = "WORD", requires = "advice", value_parser = word)]
    input_keys: Vec<Word>,
    /// Other inputs of the target, whose answers are given in the place of its own; can be given
    /// several times
    #[arg(long = "other", value_name = "FILE", requires = "advice")]
    others: Vec<PathBuf>,
    /// Look at the memory of the root context too, which is not public
    #[arg(long, requires = "advice")]
    memory: bool,
    /// Tell only the lie with this number
    #[arg(long, value_name = "NUMBER", requires = "advice")]
    only: Option<u64>,
}

fn word(text: &str) -> Result<Word, String> {
    Word::try_from(text).map_err(|error| format!("not a word (0x and 64 digits): {error}"))
}

impl LyingArgs {
    /// Runs the target honestly, and then with each lie, on all threads.
    ///
    /// # Errors
    /// Returns an error if something cannot be loaded.
    pub fn run(&self, source: &Source, lies: u64, seed: u64) -> Result<Outcome, Failure> {
        let progress = Progress::start("loading");
        let loaded = source.load(&progress, MAX_CYCLES)?;
        let mut others = Vec::new();
        for path in &self.others {
            let Inputs { arguments, advice } = Inputs::read(path).map_err(Failure::failed)?;
            others.push((arguments, advice));
        }
        let events = self.input_events.iter();
        let campaign = LieCampaign {
            lies,
            seed,
            only: self.only,
            trust: Trust {
                initial_stack: !self.all,
                events: events
                    .map(|name| EventName::from_string(name.clone()).to_event_id())
                    .collect(),
                keys: self.input_keys.iter().copied().collect(),
            },
            memory: self.memory,
            others,
        };
        progress.stage("lying");
        let host = loaded.host();
        let report = audit_advice(
            &loaded.target,
            loaded.inputs.arguments,
            loaded.inputs.advice,
            &|| host.clone(),
            loaded.options,
            &campaign,
            &|_| {},
        )
        .map_err(Failure::failed)?;
        drop(progress);
        let accepted = report.total().accepted;
        let answer = LyingAnswer::new(&loaded.target, &campaign, report);
        let outcome = Outcome::new(&answer)?;
        Ok(match accepted {
            0 => outcome,
            _ => outcome.but_failed(format!(
                "{accepted} lies about the advice are let through: checks are missing, or the \
                 advice is input (see --input-event and --input-key)"
            )),
        })
    }
}

/// The answer of `audit --advice`.
#[derive(Debug, Serialize)]
struct LyingAnswer {
    #[serde(flatten)]
    code: CodeAnswer,
    seed: u64,
    /// Elements that the honest run took from the advice stack.
    elements: u64,
    /// Those that are input.
    inputs: u64,
    paths: u64,
    events: u64,
    honest: HonestAnswer,
    kinds: BTreeMap<&'static str, Counts>,
    places: Vec<PlaceAnswer>,
    findings: Vec<FindingAnswer>,
}

/// The outcome of the honest run.
#[derive(Debug, Serialize)]
struct HonestAnswer {
    #[serde(flatten)]
    outputs: Option<PublicAnswer>,
    trap: Option<String>,
}

/// Everything that a run shows of itself.
#[derive(Debug, Serialize)]
struct PublicAnswer {
    #[serde(flatten)]
    outputs: OutputsAnswer,
    transcript: String,
}

impl PublicAnswer {
    fn new(outputs: &Outputs) -> Self {
        Self {
            outputs: OutputsAnswer::new(&outputs.stack, outputs.memory_outputs.as_ref()),
            transcript: outputs.transcript.to_hex(),
        }
    }
}

/// The number of lies by outcome.
#[derive(Debug, Clone, Copy, Serialize)]
struct Counts {
    refused: u64,
    same: u64,
    cut_off: u64,
    accepted: u64,
}

impl From<LieTally> for Counts {
    fn from(tally: LieTally) -> Self {
        Self {
            refused: tally.refused,
            same: tally.same,
            cut_off: tally.cut_off,
            accepted: tally.accepted,
        }
    }
}

/// A place that takes advice.
#[derive(Debug, Serialize)]
struct PlaceAnswer {
    place: String,
    #[serde(flatten)]
    counts: Counts,
}

/// A lie that was let through.
#[derive(Debug, Serialize)]
struct FindingAnswer {
    number: u64,
    kind: &'static str,
    place: String,
    lies: Vec<LieAnswer>,
    outputs: PublicAnswer,
}

/// An element that was a lie.
#[derive(Debug, Serialize)]
struct LieAnswer {
    element: usize,
    honest: String,
    said: String,
}

impl From<Finding> for FindingAnswer {
    fn from(finding: Finding) -> Self {
        let lied = finding.lied.into_iter();
        Self {
            number: finding.number,
            kind: finding.kind.name(),
            place: finding.place.to_string(),
            lies: lied
                .map(|lied| LieAnswer {
                    element: lied.element,
                    honest: lied.honest.to_string(),
                    said: lied.said.to_string(),
                })
                .collect(),
            outputs: PublicAnswer::new(&finding.outputs),
        }
    }
}

impl LyingAnswer {
    fn new(target: &Target, campaign: &LieCampaign, report: LieReport) -> Self {
        let kinds = report.kinds.into_iter();
        let places = report.places.into_iter();
        Self {
            code: CodeAnswer::new(target),
            seed: campaign.seed,
            elements: report.elements,
            inputs: report.inputs,
            paths: report.paths,
            events: report.events,
            honest: match &report.honest {
                Some(Verdict::Accepted(outputs)) => HonestAnswer {
                    outputs: Some(PublicAnswer::new(outputs)),
                    trap: None,
                },
                Some(Verdict::Trapped(reason)) => HonestAnswer {
                    outputs: None,
                    trap: Some(reason.clone()),
                },
                _ => HonestAnswer {
                    outputs: None,
                    trap: None,
                },
            },
            kinds: kinds
                .map(|(kind, tally)| (kind.name(), tally.into()))
                .collect(),
            places: places
                .map(|(place, tally)| PlaceAnswer {
                    place: place.to_string(),
                    counts: tally.into(),
                })
                .collect(),
            findings: report.findings.into_iter().map(Into::into).collect(),
        }
    }
}

/// Elements of a lie that are shown.
const MAX_SHOWN: usize = 12;

impl fmt::Display for LyingAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        writeln!(f, "seed         {}", self.seed)?;
        writeln!(
            f,
            "taken        {} elements of advice ({} of them input), {} Merkle paths; {} events",
            self.elements, self.inputs, self.paths, self.events
        )?;
        match &self.honest {
            HonestAnswer {
                trap: Some(trap), ..
            } => writeln!(
                f,
                "honest run   traps, so that every run that ends is a finding: {trap}"
            )?,
            HonestAnswer {
                outputs: Some(outputs),
                ..
            } => write!(f, "{}", outputs.outputs)?,
            _ => {}
        }
        if self.kinds.is_empty() {
            return writeln!(
                f,
                "\nThe run takes nothing from its host that is not input."
            );
        }
        let head = |f: &mut fmt::Formatter<'_>, name: &str| {
            writeln!(
                f,
                "\n{:>9} {:>9} {:>9} {:>9}  {name}",
                "refused", "same", "cut off", "ACCEPTED"
            )
        };
        head(f, "kind of lie")?;
        for (name, counts) in &self.kinds {
            line(f, counts, name)?;
        }
        head(f, "place")?;
        for place in &self.places {
            line(f, &place.counts, &place.place)?;
        }
        for finding in &self.findings {
            let FindingAnswer {
                number,
                kind,
                place,
                lies,
                outputs,
            } = finding;
            writeln!(f, "\nlie {number} ({kind}) is let through in {place}:")?;
            for LieAnswer {
                element,
                honest,
                said,
            } in lies.iter().take(MAX_SHOWN)
            {
                writeln!(f, "  element {element}: {honest} -> {said}")?;
            }
            if lies.len() > MAX_SHOWN {
                writeln!(f, "  and {} more", lies.len() - MAX_SHOWN)?;
            }
            write!(f, "  {}", outputs.outputs)?;
            writeln!(f, "  again: --advice --seed {} --only {number}", self.seed)?;
        }
        Ok(())
    }
}

fn line(f: &mut fmt::Formatter<'_>, counts: &Counts, name: &str) -> fmt::Result {
    let Counts {
        refused,
        same,
        cut_off,
        accepted,
    } = counts;
    writeln!(
        f,
        "{refused:>9} {same:>9} {cut_off:>9} {accepted:>9}  {name}"
    )
}
