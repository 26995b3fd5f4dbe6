//! What one call has drawn and changed, before it commits.

use std::collections::BTreeMap;

use bulla_base::{Alias, ObjectRef, ReservationId};
use bulla_store::{Expect, Unit};

use super::allocator::Hold;
use super::model::{Number, NumberState, Series};
use super::store;
use super::uncommitted::Uncommitted;

/// The numbers a call works on. Reads see these before the committed rows.
#[derive(Default)]
pub struct Overlay {
    numbers: BTreeMap<ReservationId, Staged>,
    drawn: u32,
    /// A number was asked for, whether it arrived or not.
    draws: bool,
}

pub(super) struct Staged {
    pub series: Series,
    pub number: Number,
    pub source: Source,
    /// The binding is new in this call.
    pub bound: bool,
    /// A stored number is written back only when the call changed it.
    pub changed: bool,
}

/// Where a staged number comes from.
pub(super) enum Source {
    /// Drawn in this very call; nobody has seen it.
    Fresh(Hold),
    /// Committed by an earlier call, in this version of its row.
    Stored { version: i64 },
}

impl Overlay {
    pub(super) fn get_mut(&mut self, id: &ReservationId) -> Option<&mut Staged> {
        self.numbers.get_mut(id)
    }

    pub(super) fn insert(&mut self, staged: Staged) {
        if matches!(staged.source, Source::Fresh(_)) {
            self.drawn += 1;
        }
        self.numbers.insert(staged.number.reservation.clone(), staged);
    }

    pub(super) fn drawn(&self) -> u32 {
        self.drawn
    }

    /// True while the call holds a number that is not yet committed: such a call cannot send. Numbers of a series that
    /// allows gaps as well: after a restart one that never came to rest is issued again.
    pub fn holds_uncommitted(&self) -> bool {
        self.fresh().next().is_some()
    }

    /// The numbers that are issued again if the call fails.
    pub fn uncommitted(&self) -> Uncommitted {
        Uncommitted::new(self.fresh().map(|staged| staged.number.text.clone()))
    }

    /// True where the call has bound the object to another number of the sequence.
    pub(super) fn binds_another(&self, key: &Alias, id: &ReservationId, object: &ObjectRef) -> bool {
        let binds = |staged: &Staged| {
            staged.bound && staged.series.key == *key && staged.number.object.as_ref() == Some(object)
        };
        self.numbers.iter().any(|(other, staged)| other != id && binds(staged))
    }

    pub(super) fn draws(&mut self) {
        self.draws = true;
    }

    pub(super) fn has_drawn(&self) -> bool {
        self.draws
    }

    /// The hold of a number that this call drew; none where an earlier call did.
    pub(super) fn fresh_hold(&self, id: &ReservationId) -> Option<(Series, Hold)> {
        match self.numbers.get(id)? {
            Staged { series, source: Source::Fresh(hold), .. } => Some((series.clone(), *hold)),
            _ => None,
        }
    }

    /// Takes a number out that was given back.
    pub(super) fn withdraw(&mut self, id: &ReservationId) {
        self.numbers.remove(id);
    }

    /// All fresh numbers of a call that came to its end.
    pub(super) fn drain_fresh(&mut self) -> Vec<(Series, Hold)> {
        std::mem::take(&mut self.numbers)
            .into_values()
            .filter_map(|staged| match staged.source {
                Source::Fresh(hold) => Some((staged.series, hold)),
                Source::Stored { .. } => None,
            })
            .collect()
    }

    pub(crate) fn stage(&mut self, unit: &mut Unit) {
        for staged in self.numbers.values() {
            let id = staged.series.number_id(staged.number.value);
            let row = store::NumberRow::of(&staged.series, &staged.number);
            match &staged.source {
                Source::Fresh(hold) => {
                    unit.put(&store::NUMBERS, &id, Expect::Absent, &row);
                    if let Some(fence) = hold.fence {
                        unit.remove(&store::HOLDS, &id, fence);
                    }
                }
                Source::Stored { .. } if !staged.changed => continue,
                Source::Stored { version } => unit.put(&store::NUMBERS, &id, Expect::Version(*version), &row),
            }
            if let (true, NumberState::Committed, Some(object)) =
                (staged.bound, staged.number.state, &staged.number.object)
            {
                let binding = store::BindingRow::of(&staged.series, &staged.number);
                let id = store::binding_id(&staged.series.tenant, &staged.series.key, object);
                unit.put(&store::BINDINGS, &id, Expect::Absent, &binding);
            }
        }
    }

    fn fresh(&self) -> impl Iterator<Item = &Staged> {
        self.numbers.values().filter(|staged| matches!(staged.source, Source::Fresh(_)))
    }
}
