//! The elements that the transcript of a proof begins with.

use alloc::vec::Vec;

use miden_core::Felt;
use winter_math::ToElements;

use crate::{
    air::{COMPOSITION_COLUMNS, CvmAir},
    lookup::NUM_CHALLENGES,
    options::ProofSettings,
    proof::VERSION,
    table::Table,
};

/// Separates the transcripts of this protocol and AIR from others and from those of other versions.
const TAG: u64 = u64::from_be_bytes([0, b'M', b'C', b'V', b'M', 0, 0, VERSION]);

/// The amount that the tag grows by with every group but the first.
const GROUP: u64 = 1 << 8;

/// The elements that the public coin is made of: everything that a proof depends on and that is not
/// in its messages. The version, the parameters and the hash function; of every table its height,
/// which is 0 if it is absent, and otherwise its widths and its number of pieces; of every piece its
/// table, its number, its height and its number of constraints, and, if there is more than one group,
/// its group; and the public inputs.
///
/// Every part has a fixed length, or one that what is before it says, so that different proofs begin
/// differently.
pub fn seed(air: &CvmAir, settings: ProofSettings) -> Vec<Felt> {
    let options = settings.proof_options();
    let fri = options.to_fri_options();
    let number = |value: usize| Felt::new(value as u64);
    let groups = air.groups();
    let mut elements = alloc::vec![
        Felt::new(TAG + (groups.len().saturating_sub(1) as u64) * GROUP),
        number(settings.set() as usize),
        number(settings.hash() as usize),
        number(options.blowup_factor()),
        number(options.num_queries()),
        Felt::from(options.grinding_factor()),
        Felt::from(options.field_extension().degree()),
        number(fri.folding_factor()),
        number(fri.remainder_max_degree()),
        number(NUM_CHALLENGES),
        number(COMPOSITION_COLUMNS),
        number(Table::COUNT),
    ];
    for table in Table::ALL {
        let height = air.heights().of(table);
        elements.push(number(height));
        if height > 0 {
            let pieces = air.pieces().iter().filter(|piece| piece.table == table);
            elements.extend([
                number(table.width()),
                number(air.packing(table).width()),
                number(pieces.count()),
            ]);
        }
    }
    for (i, piece) in air.pieces().iter().enumerate() {
        elements.extend([
            number(piece.table as usize),
            number(piece.index),
            number(piece.height),
            number(air.num_constraints(piece)),
        ]);
        if groups.len() > 1 {
            let group = groups.iter().position(|group| group.contains(&i));
            elements.push(number(group.unwrap_or(groups.len())));
        }
    }
    elements.extend(air.public_inputs().to_elements());
    elements
}
