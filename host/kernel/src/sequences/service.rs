//! What operators do with sequences, and what the room keeps in memory. A call's side is in `guest`.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use bulla_base::{Alias, ReservationId, TenantId};
use bulla_store::{Expect, StoreError, Unit};
use serde_json::json;

use super::allocator::{Allocator, for_database};
use super::error::SequenceError;
use super::model::{Definition, Number, Sequence, check_reason};
use super::store;
use crate::core::Core;
use crate::mirror::MAX_STALENESS;
use crate::origin::Origin;

type Definitions = HashMap<(TenantId, Alias), Arc<Defined>>;

pub(super) struct Defined {
    pub sequence: Sequence,
    pub version: i64,
}

/// The room's operations.
pub struct Sequences {
    pub(super) core: Core,
    pub(super) allocator: Box<dyn Allocator>,
    definitions: ArcSwap<Definitions>,
    /// One look at a time: an earlier one must not undo what a later one found.
    looking: tokio::sync::Mutex<()>,
    /// Monotonic milliseconds of the last look.
    looked_ms: AtomicU64,
}

impl Sequences {
    pub async fn open(core: Core) -> Result<Self, SequenceError> {
        let allocator = for_database(&core.db);
        let (definitions, looking, looked_ms) = Default::default();
        let sequences = Self { core, allocator, definitions, looking, looked_ms };
        sequences.refresh().await?;
        Ok(sequences)
    }

    /// Reads the definitions again: after a change here, and every second where other nodes may change them.
    pub async fn refresh(&self) -> Result<(), SequenceError> {
        let _one = self.looking.lock().await;
        let looked_ms = self.monotonic_ms();
        let all = store::sequences(&self.core.db).await?;
        let definitions = all
            .into_iter()
            .map(|(sequence, version)| {
                ((sequence.tenant.clone(), sequence.key.clone()), Arc::new(Defined { sequence, version }))
            })
            .collect();
        self.definitions.store(Arc::new(definitions));
        // The view is as old as the moment the look began.
        self.looked_ms.store(looked_ms, Ordering::Release);
        Ok(())
    }

    // ---- for operators -------------------------------------------------------------------------------------------

    /// Defines a sequence. The same definition again changes nothing; another one is refused once numbers were drawn.
    pub async fn define(
        &self,
        origin: &Origin,
        tenant: &TenantId,
        key: &Alias,
        definition: Definition,
    ) -> Result<(), SequenceError> {
        let sequence = match Sequence::new(tenant.clone(), key.clone(), definition.clone()) {
            Ok(sequence) => sequence,
            Err(error) => {
                let mut refusal = Unit::default();
                let detail = json!({"reason": error.to_string()});
                refusal.record(origin.entry("sequence.refused", &store::sequence_id(tenant, key), detail));
                self.core.committer.commit(refusal).await?;
                return Err(error);
            }
        };
        let known = self.defined(tenant, key);
        if known.as_ref().is_some_and(|known| known.sequence.definition == definition) {
            return Ok(());
        }
        if known.is_some() && store::has_numbers(&self.core.db, tenant, key).await? {
            return Err(SequenceError::Redefined { key: key.to_string() });
        }
        let expect = known.map_or(Expect::Absent, |known| Expect::Version(known.version));
        let row = store::SequenceRow {
            tenant: tenant.to_string(),
            series_key: key.to_string(),
            definition: serde_json::to_string(&sequence.definition).unwrap_or_default(),
            created_ms: origin.at_ms,
            version: 0,
        };
        let id = store::sequence_id(tenant, key);
        let mut unit = Unit::default();
        unit.put(&store::SEQUENCES, &id, expect, &row);
        unit.record(origin.entry("sequence.defined", &id, json!({"definition": sequence.definition})));
        self.core.committer.commit(unit).await?;
        self.refresh().await
    }

    pub fn list(&self, tenant: &TenantId) -> Vec<(Alias, Definition)> {
        let definitions = self.definitions.load();
        let mut all: Vec<_> = definitions
            .values()
            .filter(|defined| defined.sequence.tenant == *tenant)
            .map(|defined| (defined.sequence.key.clone(), defined.sequence.definition.clone()))
            .collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// The numbers drawn last, newest period first; at most 1,000.
    pub async fn numbers(
        &self,
        tenant: &TenantId,
        key: &Alias,
        limit: u32,
    ) -> Result<Vec<Number>, SequenceError> {
        self.sequence(tenant, key)?;
        Ok(store::latest(&self.core.db, tenant, key, limit.min(1_000)).await?)
    }

    /// Makes a reserved number void, with a reason. A number bound to a document stays bound.
    pub async fn void(
        &self,
        origin: &Origin,
        tenant: &TenantId,
        key: &Alias,
        id: &ReservationId,
        reason: &str,
    ) -> Result<(), SequenceError> {
        check_reason(reason)?;
        self.sequence(tenant, key)?;
        let (mut number, version) = self.stored(tenant, key, id).await?;
        if !number.cancel(reason)? {
            return Ok(());
        }
        let unit = self.voided(origin, tenant, &number, version)?;
        Ok(self.core.committer.commit(unit).await?)
    }

    /// Voids reservations whose time is over and frees what dead nodes hold. Says how many numbers became void.
    pub async fn sweep(&self, origin: &Origin) -> Result<usize, SequenceError> {
        let now_ms = self.core.now_ms();
        self.allocator.sweep(now_ms).await?;
        let expired = store::expired(&self.core.db, now_ms, 500).await?;
        let mut swept = 0;
        for (tenant, mut number, version) in expired {
            number.cancel("reservation expired")?;
            let origin = Origin { tenant: Some(tenant.clone()), at_ms: now_ms, ..origin.clone() };
            match self.core.committer.commit(self.voided(&origin, &tenant, &number, version)?).await {
                Ok(()) => swept += 1,
                // Another node was faster, or the number was committed in between.
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(swept)
    }

    pub async fn preview_for(
        &self,
        tenant: &TenantId,
        key: &Alias,
        date: &str,
    ) -> Result<String, SequenceError> {
        let defined = self.sequence(tenant, key)?;
        let date = defined.sequence.date(date)?;
        let value = self.allocator.peek(&defined.sequence.series(date)).await?;
        Ok(defined.sequence.text(value, date))
    }

    // ---- inside --------------------------------------------------------------------------------------------------

    /// Where other nodes may change the definitions, none is acted on that is older than [`MAX_STALENESS`].
    pub(super) fn fresh(&self) -> Result<(), SequenceError> {
        let age_ms = self.monotonic_ms().saturating_sub(self.looked_ms.load(Ordering::Acquire));
        if self.core.db.is_postgres() && u128::from(age_ms) > MAX_STALENESS.as_millis() {
            return Err(SequenceError::Stale { age_ms });
        }
        Ok(())
    }

    fn monotonic_ms(&self) -> u64 {
        u64::try_from(self.core.clock.monotonic().as_millis()).unwrap_or(u64::MAX)
    }

    fn defined(&self, tenant: &TenantId, key: &Alias) -> Option<Arc<Defined>> {
        self.definitions.load().get(&(tenant.clone(), key.clone())).cloned()
    }

    pub(super) fn sequence(&self, tenant: &TenantId, key: &Alias) -> Result<Arc<Defined>, SequenceError> {
        self.defined(tenant, key).ok_or_else(|| SequenceError::UnknownSequence { key: key.to_string() })
    }

    pub(super) async fn stored(
        &self,
        tenant: &TenantId,
        key: &Alias,
        id: &ReservationId,
    ) -> Result<(Number, i64), SequenceError> {
        let found = store::by_reservation(&self.core.db, tenant, id).await?;
        found
            .filter(|(number, _)| number.key == *key)
            .ok_or_else(|| SequenceError::UnknownReservation { id: id.to_string() })
    }

    pub(super) fn series_of(
        &self,
        tenant: &TenantId,
        number: &Number,
    ) -> Result<super::model::Series, SequenceError> {
        let gaps = self.sequence(tenant, &number.key)?.sequence.definition.gaps;
        Ok(super::model::Series {
            tenant: tenant.clone(),
            key: number.key.clone(),
            period: number.period.clone(),
            gaps,
        })
    }

    fn voided(
        &self,
        origin: &Origin,
        tenant: &TenantId,
        number: &Number,
        version: i64,
    ) -> Result<Unit, SequenceError> {
        let series = self.series_of(tenant, number)?;
        let mut unit = Unit::default();
        let row = store::NumberRow::of(&series, number);
        unit.put(&store::NUMBERS, &series.number_id(number.value), Expect::Version(version), &row);
        let detail = json!({"sequence": number.key, "reason": number.reason});
        unit.record(origin.entry("sequence.voided", &number.text, detail));
        Ok(unit)
    }
}
