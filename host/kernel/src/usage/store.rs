use std::collections::HashMap;

use bulla_base::{AddonName, EntryName, TenantId};
use bulla_store::{Db, Sql, StoreError};
use serde::Serialize;
use serde_json::Value;

use super::model::{Counters, Place, UsageTotal};

bulla_store::table! {
    pub(super) COUNTERS = "usage_counter" {
        tenant: text, addon: text, entry: text, calls: bigint, ok: bigint, failed: text, over_budget: bigint,
        fuel: bigint, elapsed_ms: bigint, memory_peak: bigint, first_ms: bigint, last_ms: bigint,
    }
}

#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
pub(super) struct UsageRow {
    pub id: String,
    pub version: i64,
    pub tenant: String,
    pub addon: String,
    pub entry: String,
    pub calls: i64,
    pub ok: i64,
    /// An object of counts by error code, as JSON.
    pub failed: String,
    pub over_budget: i64,
    pub fuel: i64,
    pub elapsed_ms: i64,
    pub memory_peak: i64,
    pub first_ms: i64,
    pub last_ms: i64,
}

/// The rows with these ids, by id.
pub(super) async fn some(db: &Db, ids: &[String]) -> Result<HashMap<String, UsageRow>, StoreError> {
    const SOME: Sql = Sql::pair(
        "SELECT id, version, tenant, addon, entry, calls, ok, failed, over_budget, fuel, elapsed_ms, memory_peak, \
         first_ms, last_ms FROM usage_counter WHERE id IN (SELECT value FROM json_each($1))",
        "SELECT id, version, tenant, addon, entry, calls, ok, failed, over_budget, fuel, elapsed_ms, memory_peak, \
         first_ms, last_ms FROM usage_counter WHERE id = ANY(ARRAY(SELECT jsonb_array_elements_text($1::jsonb)))",
    );
    let ids = Value::from(ids.to_vec()).to_string();
    let rows = db.fetch::<UsageRow>(&SOME, &[(&ids).into()]).await?;
    Ok(rows.into_iter().map(|row| (row.id.clone(), row)).collect())
}

pub(super) async fn of_tenant(db: &Db, tenant: &TenantId) -> Result<Vec<UsageTotal>, StoreError> {
    const OF_TENANT: Sql = Sql::both(
        "SELECT id, version, tenant, addon, entry, calls, ok, failed, over_budget, fuel, elapsed_ms, memory_peak, \
         first_ms, last_ms FROM usage_counter WHERE tenant = $1 ORDER BY id",
    );
    let rows = db.fetch::<UsageRow>(&OF_TENANT, &[tenant.as_str().into()]).await?;
    rows.into_iter().map(UsageTotal::try_from).collect()
}

impl UsageRow {
    pub fn new(place: &Place, counters: &Counters) -> Self {
        Self {
            id: place.id(),
            version: 0,
            tenant: place.tenant.to_string(),
            addon: place.addon.to_string(),
            entry: place.entry.to_string(),
            calls: counters.calls,
            ok: counters.ok,
            failed: serde_json::json!(counters.failed).to_string(),
            over_budget: counters.over_budget,
            fuel: counters.fuel,
            elapsed_ms: counters.elapsed_ms,
            memory_peak: counters.memory_peak,
            first_ms: counters.first_ms,
            last_ms: counters.last_ms,
        }
    }

    pub fn counters(&self) -> Result<Counters, StoreError> {
        let corrupt =
            |error: serde_json::Error| StoreError::Corrupt(format!("usage of `{}`: {error}", self.id));
        Ok(Counters {
            calls: self.calls,
            ok: self.ok,
            failed: serde_json::from_str(&self.failed).map_err(corrupt)?,
            over_budget: self.over_budget,
            fuel: self.fuel,
            elapsed_ms: self.elapsed_ms,
            memory_peak: self.memory_peak,
            first_ms: self.first_ms,
            last_ms: self.last_ms,
        })
    }
}

impl TryFrom<UsageRow> for UsageTotal {
    type Error = StoreError;
    fn try_from(row: UsageRow) -> Result<Self, StoreError> {
        let corrupt = |error: bulla_base::ids::InvalidId| StoreError::Corrupt(error.to_string());
        let counters = row.counters()?;
        Ok(Self {
            tenant: TenantId::new(&row.tenant).map_err(corrupt)?,
            addon: AddonName::new(&row.addon).map_err(corrupt)?,
            entry: EntryName::new(&row.entry).map_err(corrupt)?,
            calls: counters.calls,
            ok: counters.ok,
            failed: counters.failed,
            over_budget: counters.over_budget,
            fuel: counters.fuel,
            elapsed_ms: counters.elapsed_ms,
            memory_peak: counters.memory_peak,
            first_ms: counters.first_ms,
            last_ms: counters.last_ms,
        })
    }
}
