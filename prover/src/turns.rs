//! A proof whose groups are worked on one after the other, so that no more than one of them is there at a
//! time, beside the compositions of the others.
//!
//! All groups have to be committed to before a challenge is drawn. So each is made again at every
//! stage: its rows are asked for once more, and made polynomials of. What is extended and hashed
//! again are only the main and auxiliary columns of each group, once, when they are opened.

use std::sync::Arc;

use miden_core::Felt;
use miden_cvm_air::{
    air::CvmAir,
    hash::Digest,
    options::ProofSettings,
    table::{TableRows, Trace},
};
use tracing::info_span;
use winter_air::FieldExtension;
use winterfell::math::{
    FieldElement, StarkField,
    fields::{CubeExtension, QuadExtension},
};

use crate::{
    ProverError, check_rows,
    group::{Group, Lookups},
    lde::{Cosets, Segment},
    stark::Transcript,
};

/// Makes rows; nothing if it cannot.
pub type MakeRows<'a> = &'a mut dyn FnMut(&TableRows) -> Option<Trace>;

/// Makes the groups of a run.
struct Groups<'a> {
    air: Arc<CvmAir>,
    settings: ProofSettings,
    rows: MakeRows<'a>,
}

impl Groups<'_> {
    /// The numbers of the groups.
    fn numbers(&self) -> std::ops::Range<usize> {
        0..self.air.groups().len()
    }

    /// Makes a group of its rows, which nothing is done with yet.
    fn group<E>(&mut self, number: usize) -> Result<Group<E>, ProverError>
    where
        E: FieldElement<BaseField = Felt>,
    {
        let wanted = self.air.rows_of(&self.air.groups()[number]);
        let trace = (self.rows)(&wanted).unwrap_or_default();
        check_rows(&trace, &wanted)?;
        Ok(Group::new(
            trace,
            self.air.clone(),
            number,
            self.settings,
            0,
        ))
    }

    /// Makes a group whose main and auxiliary columns are polynomials.
    fn polynomials<E>(&mut self, number: usize, random: &[E]) -> Result<Group<E>, ProverError>
    where
        E: FieldElement<BaseField = Felt>,
    {
        let mut group = self.group(number)?;
        group.interpolate_main();
        group.interpolate_lookups(random);
        Ok(group)
    }
}

/// Proves a run whose tables have the heights of the AIR, and whose rows are made whenever they are needed.
/// Returns the bytes of the proof.
pub fn prove(
    air: CvmAir,
    settings: ProofSettings,
    rows: MakeRows<'_>,
) -> Result<Vec<u8>, ProverError> {
    match air.options().field_extension() {
        FieldExtension::Cubic => prove_in::<CubeExtension<Felt>>(air, settings, rows),
        // No set is without an extension.
        FieldExtension::Quadratic | FieldExtension::None => {
            prove_in::<QuadExtension<Felt>>(air, settings, rows)
        }
    }
}

/// The same, with the challenges in an extension.
fn prove_in<E>(
    air: CvmAir,
    settings: ProofSettings,
    rows: MakeRows<'_>,
) -> Result<Vec<u8>, ProverError>
where
    E: FieldElement<BaseField = Felt>,
{
    let _prove = info_span!("prove").entered();
    let air = Arc::new(air);
    let mut transcript = Transcript::<E>::new(air.clone(), settings);
    let mut groups = Groups {
        air: air.clone(),
        settings,
        rows,
    };

    let main: Vec<Digest> = {
        let _span = info_span!("commit_to_main_rows").entered();
        let roots = groups.numbers().map(|number| {
            let mut group = groups.group::<E>(number)?;
            Ok(group.commit_to_main())
        });
        roots.collect::<Result<_, ProverError>>()?
    };
    let random = transcript.main(&main);
    let lookups: Vec<Lookups<E>> = {
        let _span = info_span!("commit_to_lookup_columns").entered();
        let lookups = groups
            .numbers()
            .map(|number| Ok(groups.group::<E>(number)?.commit_to_lookups(&random)));
        lookups.collect::<Result<_, ProverError>>()?
    };
    let weight = transcript.lookups(&lookups);
    let mut compositions: Vec<Vec<Segment>> = Vec::new();
    let mut roots: Vec<Digest> = Vec::new();
    {
        let _span = info_span!("evaluate_constraints").entered();
        for number in groups.numbers() {
            let mut group = groups.polynomials::<E>(number, &random)?;
            group.evaluate_constraints(&random, weight);
            roots.push(group.commit_to_composition());
            compositions.push(group.into_composition());
        }
    }
    let z = transcript.composition(&roots);
    let mut outside = Vec::new();
    {
        let _span = info_span!("evaluate_out_of_domain").entered();
        for (number, composition) in compositions.iter_mut().enumerate() {
            let mut group = groups.polynomials::<E>(number, &random)?;
            group.set_composition(std::mem::take(composition));
            outside.push(group.outside(z));
            *composition = group.into_composition();
        }
    }
    let gamma = transcript.outside(&outside);
    let layers = {
        let _span = info_span!("low_degree_test").entered();
        let mut shares = Vec::new();
        for (number, composition) in compositions.iter_mut().enumerate() {
            let mut group = groups.polynomials::<E>(number, &random)?;
            group.set_composition(std::mem::take(composition));
            shares.push(group.share(gamma));
            *composition = group.into_composition();
        }
        let blowup = air.options().blowup_factor();
        let longest = Cosets::new(air.longest(), blowup, Felt::GENERATOR);
        transcript.low_degree(shares, &longest, z)
    };
    let positions = {
        let _span = info_span!("grind").entered();
        transcript.positions()
    };
    let _span = info_span!("open").entered();
    let mut opened = Vec::new();
    for (number, composition) in compositions.into_iter().enumerate() {
        let mut group = groups.group::<E>(number)?;
        let again = [
            group.commit_to_main(),
            group.commit_to_lookups(&random).root,
        ];
        group.set_composition(composition);
        group.commit_to_composition();
        if again != [main[number], lookups[number].root] {
            return Err(ProverError::Changed { group: number });
        }
        opened.push(group.open(&positions));
    }
    Ok(transcript.finish(&opened, &layers, &positions))
}
