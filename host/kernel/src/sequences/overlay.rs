//! What one call has drawn and changed, before it commits.

use std::collections::BTreeMap;

use bulla_base::ReservationId;
use bulla_store::{Expect, Unit};

use super::allocator::Hold;
use super::model::{Gaps, Number, NumberState, Series};
use super::store;

/// The numbers a call works on. Reads see these before the committed rows.
#[derive(Default)]
pub struct Overlay {
    numbers: BTreeMap<ReservationId, Staged>,
    drawn: u32,
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

    /// True while the call holds a gapless number that is not yet committed: such a call cannot send.
    pub fn holds_gapless(&self) -> bool {
        self.fresh().any(|staged| staged.series.gaps == Gaps::Gapless)
    }

    /// Marks every number of this call in a text that leaves although the call failed: it will be issued again.
    pub fn mark_uncommitted(&self, text: &str) -> String {
        self.fresh().fold(text.to_owned(), |text, staged| {
            let number = &staged.number.text;
            if text.contains(number.as_str()) { text.replace(number.as_str(), &format!("[uncommitted {number}]")) } else { text }
        })
    }

    /// Takes one fresh number out, to be given back.
    pub(super) fn withdraw(&mut self, id: &ReservationId) -> Option<(Series, Hold)> {
        match self.numbers.remove(id)? {
            Staged { series, source: Source::Fresh(hold), .. } => Some((series, hold)),
            stored => {
                self.numbers.insert(id.clone(), stored);
                None
            }
        }
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
            if let (true, NumberState::Committed, Some(object)) = (staged.bound, staged.number.state, &staged.number.object) {
                let binding = store::BindingRow::of(&staged.series, &staged.number);
                unit.put(&store::BINDINGS, &store::binding_id(&staged.series, object), Expect::Absent, &binding);
            }
        }
    }

    fn fresh(&self) -> impl Iterator<Item = &Staged> {
        self.numbers.values().filter(|staged| matches!(staged.source, Source::Fresh(_)))
    }
}
