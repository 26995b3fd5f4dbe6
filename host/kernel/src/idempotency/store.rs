use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bulla_base::{Bytes, CallId, TenantId, TraceId};
use bulla_store::{Db, Sql, StoreError};
use serde::Serialize;
use serde_json::Value;

use super::model::{Key, RequestHash, Stored};

bulla_store::table! {
    pub(super) RECORDS = "idempotency" {
        tenant: text, subject: text, action: text, key: text, request_hash: text, response: text, size: bigint,
        call_id: text, trace: text, created_ms: bigint, expires_ms: bigint,
    }
}

#[derive(Serialize)]
pub(super) struct NewRecord<'a> {
    pub tenant: &'a str,
    pub subject: &'a str,
    pub action: &'a str,
    pub key: &'a str,
    /// In hex.
    pub request_hash: String,
    /// Base64 (RFC 4648, section 4).
    pub response: String,
    /// What the record counts against the tenant's storage, in bytes.
    pub size: i64,
    pub call_id: &'a str,
    pub trace: &'a str,
    pub created_ms: i64,
    pub expires_ms: i64,
}

#[derive(Debug, Clone, sqlx::FromRow)]
pub(super) struct RecordRow {
    pub id: String,
    pub tenant: String,
    pub version: i64,
    pub request_hash: String,
    pub response: String,
    pub call_id: String,
    pub trace: String,
    pub created_ms: i64,
    pub expires_ms: i64,
}

#[derive(Debug, sqlx::FromRow)]
pub(super) struct ExpiredRow {
    pub id: String,
    pub version: i64,
}

#[derive(sqlx::FromRow)]
struct SizeRow {
    tenant: String,
    size: i64,
}

/// The records with these ids.
pub(super) async fn some(db: &Db, ids: &[String]) -> Result<Vec<RecordRow>, StoreError> {
    const SOME: Sql = Sql::pair(
        "SELECT id, tenant, version, request_hash, response, call_id, trace, created_ms, expires_ms FROM idempotency \
         WHERE id IN (SELECT value FROM json_each($1))",
        "SELECT id, tenant, version, request_hash, response, call_id, trace, created_ms, expires_ms FROM idempotency \
         WHERE id = ANY(ARRAY(SELECT jsonb_array_elements_text($1::jsonb)))",
    );
    let ids = Value::from(ids).to_string();
    db.fetch(&SOME, &[(&ids).into()]).await
}

/// The records whose time was up at `now_ms`, the oldest first.
pub(super) async fn expired(db: &Db, now_ms: i64, batch: i64) -> Result<Vec<ExpiredRow>, StoreError> {
    const EXPIRED: Sql = Sql::both(
        "SELECT id, version FROM idempotency WHERE expires_ms <= $1 ORDER BY expires_ms, id LIMIT $2",
    );
    db.fetch(&EXPIRED, &[now_ms.into(), batch.into()]).await
}

/// What each tenant keeps.
pub(super) async fn sizes(db: &Db) -> Result<BTreeMap<TenantId, Bytes>, StoreError> {
    const SIZES: Sql =
        Sql::both("SELECT tenant, CAST(SUM(size) AS BIGINT) AS size FROM idempotency GROUP BY tenant");
    let rows = db.fetch::<SizeRow>(&SIZES, &[]).await?;
    let sizes = rows.into_iter().map(|row| {
        let tenant = TenantId::new(&row.tenant).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        Ok((tenant, Bytes(u64::try_from(row.size).unwrap_or(0))))
    });
    sizes.collect()
}

/// What a record counts against its tenant's storage.
pub(super) fn size(key: &Key, response: usize) -> usize {
    key.subject.as_str().len() + key.action.len() + key.text.as_str().len() + response
}

impl<'a> NewRecord<'a> {
    pub fn new(key: &'a Key, hash: RequestHash, stored: &'a Stored) -> Self {
        Self {
            tenant: key.tenant.as_str(),
            subject: key.subject.as_str(),
            action: &key.action,
            key: key.text.as_str(),
            request_hash: hash.to_hex(),
            response: STANDARD.encode(&stored.response),
            size: i64::try_from(size(key, stored.response.len())).unwrap_or(i64::MAX),
            call_id: stored.call.as_str(),
            trace: stored.trace.as_str(),
            created_ms: stored.created_ms,
            expires_ms: stored.expires_ms,
        }
    }
}

impl RecordRow {
    pub fn stored(&self) -> Result<Stored, StoreError> {
        let corrupt =
            |what: String| StoreError::Corrupt(format!("idempotency record of `{}`: {what}", self.call_id));
        Ok(Stored {
            response: STANDARD.decode(&self.response).map_err(|error| corrupt(error.to_string()))?.into(),
            call: CallId::new(&self.call_id).map_err(|error| corrupt(error.to_string()))?,
            trace: TraceId::new(&self.trace).map_err(|error| corrupt(error.to_string()))?,
            created_ms: self.created_ms,
            expires_ms: self.expires_ms,
        })
    }
}
