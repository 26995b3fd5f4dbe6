use bulla_store::{Db, Sql, StoreError};
use serde::Serialize;

use super::model::{NewTrustedKey, TrustedKey};

bulla_store::table! {
    pub(super) TRUST_KEYS = "trust_key" {
        public_key: text, owner: text, purposes: text, names: text, not_before_ms: bigint, not_after_ms: bigint,
        revoked_ms: bigint, revoked_reason: text, rotated_by: text, added_by: text, added_ms: bigint, removed_ms: bigint,
    }
}

#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
pub(super) struct TrustRow {
    pub id: String,
    pub version: i64,
    pub public_key: String,
    pub owner: String,
    /// A JSON array, as `names`.
    pub purposes: String,
    pub names: String,
    pub not_before_ms: Option<i64>,
    pub not_after_ms: Option<i64>,
    pub revoked_ms: Option<i64>,
    pub revoked_reason: Option<String>,
    pub rotated_by: Option<String>,
    pub added_by: String,
    pub added_ms: i64,
    pub removed_ms: Option<i64>,
}

/// Tells one state of the table from any other: rows stay when their key is removed, and each change raises a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub(super) struct Mark {
    pub version_sum: i64,
}

pub(super) async fn mark(db: &Db) -> Result<Mark, StoreError> {
    const MARK: Sql =
        Sql::both("SELECT CAST(COALESCE(SUM(version), 0) AS BIGINT) AS version_sum FROM trust_key");
    db.fetch_one(&MARK, &[]).await?.ok_or_else(|| StoreError::Corrupt("a sum without a row".into()))
}

pub(super) async fn all(db: &Db) -> Result<Vec<TrustRow>, StoreError> {
    const ALL: Sql = Sql::both(
        "SELECT id, version, public_key, owner, purposes, names, not_before_ms, not_after_ms, revoked_ms, \
         revoked_reason, rotated_by, added_by, added_ms, removed_ms FROM trust_key ORDER BY id",
    );
    db.fetch(&ALL, &[]).await
}

/// Also where the key was removed.
pub(super) async fn one(db: &Db, id: &str) -> Result<Option<TrustRow>, StoreError> {
    const ONE: Sql = Sql::both(
        "SELECT id, version, public_key, owner, purposes, names, not_before_ms, not_after_ms, revoked_ms, \
         revoked_reason, rotated_by, added_by, added_ms, removed_ms FROM trust_key WHERE id = $1",
    );
    db.fetch_one(&ONE, &[id.into()]).await
}

impl TrustRow {
    pub fn new(key: &NewTrustedKey, added_by: &str, added_ms: i64) -> Self {
        let purposes: Vec<_> = key.purposes.iter().map(|one| one.as_str()).collect();
        Self {
            id: key.id.clone(),
            version: 1,
            public_key: key.public_key.clone(),
            owner: key.owner.clone(),
            purposes: serde_json::Value::from(purposes).to_string(),
            names: serde_json::Value::from(key.names.clone()).to_string(),
            not_before_ms: key.not_before_ms,
            not_after_ms: key.not_after_ms,
            revoked_ms: None,
            revoked_reason: None,
            rotated_by: None,
            added_by: added_by.into(),
            added_ms,
            removed_ms: None,
        }
    }
}

impl TryFrom<TrustRow> for TrustedKey {
    type Error = StoreError;
    fn try_from(row: TrustRow) -> Result<Self, StoreError> {
        let corrupt =
            |error: serde_json::Error| StoreError::Corrupt(format!("trust key `{}`: {error}", row.id));
        Ok(Self {
            purposes: serde_json::from_str(&row.purposes).map_err(corrupt)?,
            names: serde_json::from_str(&row.names).map_err(corrupt)?,
            id: row.id,
            public_key: row.public_key,
            owner: row.owner,
            not_before_ms: row.not_before_ms,
            not_after_ms: row.not_after_ms,
            revoked_ms: row.revoked_ms,
            revoked_reason: row.revoked_reason,
            rotated_by: row.rotated_by,
            added_by: row.added_by,
            added_ms: row.added_ms,
        })
    }
}
