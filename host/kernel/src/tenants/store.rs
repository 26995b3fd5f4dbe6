use bulla_base::TenantId;
use bulla_store::{Db, Sql, StoreError};
use serde::Serialize;

use super::model::Tenant;

bulla_store::table! {
    pub(super) TENANTS = "tenant" {
        display_name: text, time_zone: text, created_by: text, created_ms: bigint,
    }
}

#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
pub(super) struct TenantRow {
    pub id: String,
    pub display_name: String,
    pub time_zone: String,
    pub created_by: String,
    pub created_ms: i64,
}

/// Tells one state of the table from any other: rows are never removed, and each change raises a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub(super) struct Mark {
    pub row_count: i64,
    pub version_sum: i64,
}

impl Mark {
    /// As it is after one row more.
    pub fn inserted(self) -> Self {
        Self { row_count: self.row_count + 1, version_sum: self.version_sum + 1 }
    }
}

pub(super) async fn mark(db: &Db) -> Result<Mark, StoreError> {
    const MARK: Sql = Sql::both(
        "SELECT COUNT(*) AS row_count, CAST(COALESCE(SUM(version), 0) AS BIGINT) AS version_sum FROM tenant",
    );
    db.fetch_one(&MARK, &[]).await?.ok_or_else(|| StoreError::Corrupt("a count without a row".into()))
}

pub(super) async fn all(db: &Db) -> Result<Vec<Tenant>, StoreError> {
    const ALL: Sql =
        Sql::both("SELECT id, display_name, time_zone, created_by, created_ms FROM tenant ORDER BY id");
    db.fetch::<TenantRow>(&ALL, &[]).await?.into_iter().map(Tenant::try_from).collect()
}

impl From<&Tenant> for TenantRow {
    fn from(tenant: &Tenant) -> Self {
        Self {
            id: tenant.id.to_string(),
            display_name: tenant.display_name.clone(),
            time_zone: tenant.time_zone.clone(),
            created_by: tenant.created_by.clone(),
            created_ms: tenant.created_ms,
        }
    }
}

impl TryFrom<TenantRow> for Tenant {
    type Error = StoreError;
    fn try_from(row: TenantRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: TenantId::new(&row.id).map_err(|error| StoreError::Corrupt(error.to_string()))?,
            display_name: row.display_name,
            time_zone: row.time_zone,
            created_by: row.created_by,
            created_ms: row.created_ms,
        })
    }
}
