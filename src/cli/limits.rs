//! Limits of a run and of the assembly of its sources, by name.

use std::str::FromStr;

use clap::Args;
use miden_cvm::{AssemblyLimits, LimitName, Limits, similar_name};

/// A limit as it is given, such as `memory-words=4096`.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    what: What,
    value: u64,
}

/// The subject of a limit: a run, or the assembly of its sources.
#[derive(Debug, Clone, Copy)]
enum What {
    Run(Setter),
    Assembly(LimitName),
}

type Setter = fn(&mut Limits, u64);

const LIMITS: [(&str, Setter); 10] = [
    ("memory-words", |limits, value| limits.memory_words = value),
    ("advice-elements", |limits, value| {
        limits.advice_elements = to_usize(value);
    }),
    ("stack-depth", |limits, value| {
        limits.stack_depth = to_usize(value);
    }),
    ("call-depth", |limits, value| {
        limits.call_depth = to_usize(value);
    }),
    ("nesting", |limits, value| limits.nesting = to_usize(value)),
    ("handles", |limits, value| limits.handles = value),
    ("instances", |limits, value| {
        limits.instances = to_usize(value);
    }),
    ("static-data", |limits, value| limits.static_data = value),
    ("bulk-elements", |limits, value| {
        limits.bulk_elements = value
    }),
    ("trace-rows", |limits, value| {
        limits.trace_rows = to_usize(value);
    }),
];

/// A limit that does not fit is none.
fn to_usize(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// Limits of what is built and not run.
#[derive(Debug, Args)]
pub struct BuildLimits {
    /// A bound on what assembling and linking may take, such as `source-bytes=4096`; can be given
    /// several times. The names: source-bytes, assembled-instructions, link-steps, type-parts,
    /// wired-parts
    #[arg(long = "limit", value_name = "NAME=VALUE", value_parser = Limit::of_assembly)]
    limits: Vec<Limit>,
}

impl BuildLimits {
    /// These limits, and the defaults for all others.
    pub fn assembly(&self) -> AssemblyLimits {
        Limit::assembly(&self.limits)
    }
}

impl Limit {
    /// A limit of assembly, as it is given.
    fn of_assembly(text: &str) -> Result<Self, String> {
        let limit: Self = text.parse()?;
        match limit.what {
            What::Assembly(_) => Ok(limit),
            What::Run(_) => Err("this is a limit of runs, and nothing is run".into()),
        }
    }

    /// These limits, and the defaults for all others; of two by one name the later one holds.
    pub fn all(given: &[Self]) -> Limits {
        let mut limits = Limits::default();
        for limit in given {
            if let What::Run(set) = limit.what {
                set(&mut limits, limit.value);
            }
        }
        limits
    }

    /// Those of them that bound the assembler, and the defaults for all others.
    pub fn assembly(given: &[Self]) -> AssemblyLimits {
        let mut limits = AssemblyLimits::default();
        for limit in given {
            if let What::Assembly(name) = limit.what {
                name.set(&mut limits, limit.value);
            }
        }
        limits
    }
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text
            .split_once('=')
            .ok_or("a limit is given as NAME=VALUE")?;
        let of_runs = LIMITS.into_iter().map(|(name, set)| (name, What::Run(set)));
        let of_assembly = LimitName::ALL.map(|limit| (limit.name(), What::Assembly(limit)));
        let known: Vec<(&str, What)> = of_runs.chain(of_assembly).collect();
        let (_, what) = *known
            .iter()
            .find(|(known, _)| *known == name)
            .ok_or_else(|| {
                let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
                let meant = similar_name(name, &names);
                let meant = meant.map(|name| format!(", did you mean `{name}`?"));
                format!(
                    "there is no limit `{name}`{}: there are {}",
                    meant.unwrap_or_default(),
                    names.join(", ")
                )
            })?;
        let value = value
            .parse()
            .map_err(|error| format!("`{value}` is not a valid limit: {error}"))?;
        Ok(Self { what, value })
    }
}
