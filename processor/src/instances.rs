//! The component instances of a run: which exist, which are running, and what they start with.

use std::{collections::HashMap, sync::Arc};

use miden_core::{Felt, Word, crypto::hash::Rpo256};
use miden_cvm_air::composition::{Composition, LinkKind, Resolved, SegmentRecord};

use crate::{
    advice::AdviceProvider,
    context::ContextId,
    error::{LoadError, OpResult, Trap},
    resources::InstanceState,
    tracer::{Crossing, Entered},
};

/// The component-instance table of a run of a composition.
#[derive(Debug)]
pub(crate) struct Instances {
    composition: Composition,
    /// Elements of the static data by their commitment.
    data: HashMap<Word, Arc<[Felt]>>,
    /// The instances that were created and whose domain is not over; true while running.
    created: HashMap<ContextId, bool>,
    /// The instances of each domain that is open, the innermost domain last.
    domains: Vec<Vec<ContextId>>,
}

impl Instances {
    /// Returns the table of a composition whose root is about to run.
    ///
    /// # Errors
    /// If the composition is not valid, or static data is missing from the advice map or does not
    /// match its commitment.
    pub fn new(composition: &Composition, advice: &AdviceProvider) -> Result<Self, LoadError> {
        composition.validate().map_err(LoadError::Composition)?;
        let mut data = HashMap::new();
        for segment in composition.segments() {
            let SegmentRecord {
                instance,
                address,
                length,
                commitment,
            } = *segment;
            let values = match data.get(&commitment) {
                Some(values) => values,
                None => {
                    let values =
                        advice
                            .map()
                            .get(&commitment)
                            .ok_or(LoadError::StaticDataMissing {
                                instance,
                                address,
                                commitment,
                            })?;
                    if Rpo256::hash_elements(values) != commitment {
                        return Err(LoadError::StaticDataMismatch {
                            instance,
                            address,
                            commitment,
                        });
                    }
                    data.entry(commitment).or_insert(values.clone())
                }
            };
            if values.len() != length as usize {
                return Err(LoadError::StaticDataLength {
                    instance,
                    address,
                    expected: length,
                    actual: values.len(),
                });
            }
        }
        Ok(Self {
            composition: composition.clone(),
            data,
            created: HashMap::from([(ContextId::ROOT, true)]),
            domains: vec![vec![ContextId::ROOT]],
        })
    }

    /// What a call means that `caller` makes to `digest` at cycle `clk`.
    ///
    /// # Errors
    /// If there is no link for it, or the target is running.
    pub fn resolve(&self, caller: ContextId, digest: Word, clk: u32) -> OpResult<Entered> {
        let source = caller.index();
        let Some(Resolved::Call(link)) = self.composition.resolve(source.into(), digest) else {
            return Err(Box::new(Trap::NotLinked {
                instance: source,
                digest,
            }));
        };
        // A valid composition has no more instances than an index can name.
        let target = link.target as u16;
        let (crossing, domain) = match link.kind {
            LinkKind::Shared => (Crossing::Shared, caller.domain()),
            LinkKind::Isolated => (Crossing::Isolated, clk + 1),
        };
        let context = ContextId::new(domain, target);
        match self.created.get(&context) {
            Some(true) => Err(Box::new(Trap::InstanceRunning { instance: target })),
            running => Ok(Entered {
                crossing,
                context,
                target: link.callee,
                created: running.is_none(),
                state: match running {
                    None => InstanceState::default(),
                    Some(_) => InstanceState::CREATED,
                },
            }),
        }
    }

    /// Marks an instance as running.
    pub fn enter(&mut self, entered: &Entered) {
        if entered.crossing == Crossing::Isolated {
            self.domains.push(Vec::new());
        }
        if self.created.insert(entered.context, true).is_none()
            && let Some(members) = self.domains.last_mut()
        {
            members.push(entered.context);
        }
    }

    /// Marks an instance as no longer running. When this ends a domain, returns its instances.
    pub fn leave(&mut self, crossing: Crossing, context: ContextId) -> Vec<ContextId> {
        if crossing != Crossing::Isolated {
            self.created.insert(context, false);
            return Vec::new();
        }
        let members = self.domains.pop().unwrap_or_default();
        for member in &members {
            self.created.remove(member);
        }
        members
    }

    /// The static data of an instance: the records in order, with their elements.
    pub fn static_data(&self, instance: u16) -> Vec<(SegmentRecord, Arc<[Felt]>)> {
        self.composition
            .segments_of(instance.into())
            .iter()
            .filter_map(|segment| Some((*segment, self.data.get(&segment.commitment)?.clone())))
            .collect()
    }

    /// The composition.
    pub fn composition(&self) -> &Composition {
        &self.composition
    }
}
