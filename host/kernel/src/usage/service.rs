use std::collections::BTreeMap;

use bulla_base::{Code, TenantId};
use bulla_store::{Expect, StoreError, Unit};
use parking_lot::Mutex;
use serde_json::json;

use super::budget::{Budget, BudgetWarning, over_budget};
use super::model::{Counters, Place, UsageTotal};
use super::store::{self, COUNTERS, UsageRow};
use crate::Core;
use crate::call::Call;
use crate::origin::Origin;
use crate::ports::Usage;

/// Rows that one commit writes at most.
const FLUSH_BATCH: usize = 1_000;
/// How often a flush tries again when other nodes count in the same rows.
const FLUSH_TRIES: u32 = 5;

pub struct Meter {
    core: Core,
    counted: Mutex<BTreeMap<Place, Counters>>,
    /// One flush at a time: two would count against each other.
    flushing: tokio::sync::Mutex<()>,
}

impl Meter {
    pub fn new(core: Core) -> Self {
        Self { core, counted: Mutex::default(), flushing: tokio::sync::Mutex::new(()) }
    }

    /// Compares what the call used with its addon's budget. Beyond it the call is observed and the operator's log warned.
    /// To be called before the call's unit is made; the answer goes into [`Meter::count`].
    pub fn check_budget(&self, call: &mut Call, budget: &Budget, usage: &Usage) -> Option<BudgetWarning> {
        let warning = over_budget(budget, usage)?;
        let (addon, entry) = (call.addon().addon.clone(), call.addon().entry.clone());
        tracing::warn!(
            tenant = %call.tenant, %addon, %entry, call = %call.id, trace = %call.origin.trace, %warning,
            "a call used more than its budget"
        );
        call.observe("call.over-budget", &format!("{addon}/{entry}"), json!(warning));
        Some(warning)
    }

    /// Counts a call that came to an end.
    pub fn count(
        &self,
        call: &Call,
        usage: &Usage,
        outcome: Result<(), Code>,
        warning: Option<&BudgetWarning>,
    ) {
        let origin = call.addon();
        let place =
            Place { tenant: call.tenant.clone(), addon: origin.addon.clone(), entry: origin.entry.clone() };
        let now_ms = self.core.now_ms();
        self.counted.lock().entry(place).or_default().count(usage, outcome, warning.is_some(), now_ms);
    }

    /// What the tenant's entries used, as far as it is flushed; by addon and entry.
    pub async fn list(&self, tenant: &TenantId) -> Result<Vec<UsageTotal>, StoreError> {
        store::of_tenant(&self.core.db, tenant).await
    }

    /// Brings what was counted into the database; gives the number of rows. What cannot be written is kept for the next time.
    pub async fn flush(&self, origin: &Origin) -> Result<usize, StoreError> {
        let _flushing = self.flushing.lock().await;
        let mut rest = std::mem::take(&mut *self.counted.lock());
        let mut written = 0;
        while !rest.is_empty() {
            let batch: Vec<_> =
                rest.iter().take(FLUSH_BATCH).map(|(place, one)| (place.clone(), one.clone())).collect();
            if let Err(error) = self.write(origin, &batch).await {
                self.put_back(rest);
                return Err(error);
            }
            for (place, _) in &batch {
                rest.remove(place);
            }
            written += batch.len();
        }
        Ok(written)
    }

    async fn write(&self, origin: &Origin, batch: &[(Place, Counters)]) -> Result<(), StoreError> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.core.committer.commit(self.unit(origin, batch).await?).await {
                Err(StoreError::Conflict { .. }) if tries < FLUSH_TRIES => {}
                outcome => return outcome,
            }
        }
    }

    async fn unit(&self, origin: &Origin, batch: &[(Place, Counters)]) -> Result<Unit, StoreError> {
        let ids: Vec<_> = batch.iter().map(|(place, _)| place.id()).collect();
        let stored = store::some(&self.core.db, &ids).await?;
        let mut unit = Unit::default();
        for (id, (place, counters)) in ids.iter().zip(batch) {
            let (expect, total) = match stored.get(id) {
                None => (Expect::Absent, counters.clone()),
                Some(row) => {
                    let mut total = row.counters()?;
                    total.add(counters);
                    (Expect::Version(row.version), total)
                }
            };
            unit.put(&COUNTERS, id, expect, &UsageRow::new(place, &total));
        }
        let system = Origin { tenant: None, ..origin.clone() };
        unit.record(system.entry("usage.flushed", "usage", json!({"rows": batch.len()})));
        Ok(unit)
    }

    fn put_back(&self, rest: BTreeMap<Place, Counters>) {
        let mut counted = self.counted.lock();
        for (place, counters) in rest {
            counted.entry(place).or_default().add(&counters);
        }
    }
}
