//! The rows of rules, requests, and of what waits for a decision.

use std::collections::BTreeMap;

use bulla_base::{
    AddonName, ApprovalId, Bytes, EntryName, JobId, ObjectRef, Scope, Subject, TenantId, TraceId,
};
use bulla_store::{Db, Sql, StoreError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::model::{Approval, Page, Status, SubjectRef};
use super::rules::RuleSet;

bulla_store::table! {
    /// Every version of every scope's rules: `<tenant>/<scope>/<version>`. Never changed, never removed.
    pub(super) RULES = "approval_rules" {
        tenant: text, scope: text, number: bigint, document: text, loaded_by: text, loaded_ms: bigint
    }
}
bulla_store::table! {
    pub(super) APPROVALS = "approval" {
        tenant: text, addon: text, scope: text, object: text, digest: text, facts: text, action: text, payload: text,
        requester: text, trace: text, status: text, approvers: text, rationale: text, rules_version: bigint,
        created_ms: bigint, expires_ms: bigint, decided_ms: bigint, decider: text, reason: text, job: text
    }
}
bulla_store::table! {
    /// One row for each object and digest that waits; it is written once and removed once, so its version is always 1.
    pub(super) OPEN = "approval_open" { tenant: text, approval: text }
}

/// The version of every row of `approval_open`.
pub(super) const OPEN_VERSION: i64 = 1;

#[derive(Debug, Serialize, sqlx::FromRow)]
pub(super) struct RulesRow {
    pub tenant: String,
    pub scope: String,
    pub number: i64,
    pub document: String,
    pub loaded_by: String,
    pub loaded_ms: i64,
}

#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
pub(super) struct ApprovalRow {
    pub id: String,
    pub version: i64,
    pub tenant: String,
    pub addon: String,
    pub scope: String,
    pub object: String,
    pub digest: String,
    pub facts: String,
    pub action: String,
    pub payload: String,
    pub requester: String,
    pub trace: String,
    pub status: String,
    pub approvers: String,
    pub rationale: String,
    pub rules_version: i64,
    pub created_ms: i64,
    pub expires_ms: Option<i64>,
    pub decided_ms: Option<i64>,
    pub decider: Option<String>,
    pub reason: Option<String>,
    pub job: Option<String>,
}

#[derive(Debug, Serialize, sqlx::FromRow)]
pub(super) struct OpenRow {
    pub tenant: String,
    pub approval: String,
}

#[derive(sqlx::FromRow)]
struct Head {
    tenant: String,
    scope: String,
    number: i64,
}

#[derive(sqlx::FromRow)]
struct TenantSum {
    tenant: String,
    bytes: i64,
}

const BY_ID: Sql = Sql::both("SELECT * FROM approval WHERE tenant = $1 AND id = $2");
const LATEST: Sql = Sql::both(
    "SELECT id, version, tenant, addon, scope, object, digest, facts, action, '' AS payload, requester, trace, status, \
     approvers, rationale, rules_version, created_ms, expires_ms, decided_ms, decider, reason, job FROM approval \
     WHERE tenant = $1 AND ($2 IS NULL OR status = $2) \
     AND ($3 IS NULL OR (created_ms, id) < (SELECT p.created_ms, p.id FROM approval p WHERE p.tenant = $1 AND p.id = $3)) \
     ORDER BY created_ms DESC, id DESC LIMIT $4",
);
const EXPIRED: Sql = Sql::both(
    "SELECT * FROM approval WHERE status = 'waiting' AND expires_ms <= $1 ORDER BY expires_ms LIMIT $2",
);
const OPEN_BY_ID: Sql = Sql::both("SELECT tenant, approval FROM approval_open WHERE tenant = $1 AND id = $2");
const HEADS: Sql =
    Sql::both("SELECT tenant, scope, MAX(number) AS number FROM approval_rules GROUP BY tenant, scope");
const RULES_BY_NUMBER: Sql =
    Sql::both("SELECT * FROM approval_rules WHERE tenant = $1 AND scope = $2 AND number = $3");
const RULES_LATEST: Sql =
    Sql::both("SELECT * FROM approval_rules WHERE tenant = $1 AND scope = $2 ORDER BY number DESC LIMIT 1");
const RULES_HISTORY: Sql =
    Sql::both("SELECT * FROM approval_rules WHERE tenant = $1 AND scope = $2 ORDER BY number DESC LIMIT 100");
const ALL_BYTES: Sql = Sql::both(
    "SELECT tenant, CAST(SUM(OCTET_LENGTH(payload) + OCTET_LENGTH(facts)) AS BIGINT) AS bytes FROM approval \
     WHERE status = 'waiting' GROUP BY tenant",
);

/// The row that a waiting request holds: one for each addon, scope, object and digest of a tenant.
pub(super) fn open_id(tenant: &TenantId, addon: &AddonName, scope: &Scope, subject: &SubjectRef) -> String {
    let what = format!("{addon}\n{scope}\n{}\n{}", subject.object, subject.digest);
    format!("{tenant}/{}", hex::encode(Sha256::digest(what)))
}

pub(super) fn rules_id(tenant: &TenantId, scope: &Scope, number: i64) -> String {
    format!("{tenant}/{scope}/{number}")
}

pub(super) async fn by_id(
    db: &Db,
    tenant: &TenantId,
    id: &ApprovalId,
) -> Result<Option<ApprovalRow>, StoreError> {
    db.fetch_one(&BY_ID, &[tenant.as_str().into(), id.as_str().into()]).await
}

/// Without payloads, newest first.
pub(super) async fn list(db: &Db, tenant: &TenantId, page: &Page) -> Result<Vec<ApprovalRow>, StoreError> {
    let status = bulla_store::Arg::OptText(page.status.map(Status::as_str));
    let after = bulla_store::Arg::OptText(page.after.as_ref().map(ApprovalId::as_str));
    db.fetch(&LATEST, &[tenant.as_str().into(), status, after, page.rows().into()]).await
}

pub(super) async fn expired(db: &Db, now_ms: i64, limit: i64) -> Result<Vec<ApprovalRow>, StoreError> {
    db.fetch(&EXPIRED, &[now_ms.into(), limit.into()]).await
}

pub(super) async fn open(
    db: &Db,
    tenant: &TenantId,
    open_id: &str,
) -> Result<Option<ApprovalId>, StoreError> {
    let row: Option<OpenRow> = db.fetch_one(&OPEN_BY_ID, &[tenant.as_str().into(), open_id.into()]).await?;
    row.map(|row| parsed("approval_open", &row.approval, ApprovalId::new)).transpose()
}

/// The current version of every scope of every tenant.
pub(super) async fn heads(db: &Db) -> Result<Vec<(TenantId, Scope, i64)>, StoreError> {
    let rows: Vec<Head> = db.fetch(&HEADS, &[]).await?;
    rows.into_iter()
        .map(|row| {
            let tenant = parsed("approval_rules", &row.tenant, TenantId::new)?;
            Ok((tenant, parsed("approval_rules", &row.scope, Scope::new)?, row.number))
        })
        .collect()
}

/// The rules of this version; `None` for the current ones.
pub(super) async fn rules(
    db: &Db,
    tenant: &TenantId,
    scope: &Scope,
    number: Option<i64>,
) -> Result<Option<RuleSet>, StoreError> {
    let key = [tenant.as_str().into(), scope.as_str().into()];
    let row: Option<RulesRow> = match number {
        Some(number) => db.fetch_one(&RULES_BY_NUMBER, &[key[0], key[1], number.into()]).await?,
        None => db.fetch_one(&RULES_LATEST, &key).await?,
    };
    row.map(|row| row.read()).transpose()
}

/// At most 100 versions, newest first, each with who loaded it and when.
pub(super) async fn history(db: &Db, tenant: &TenantId, scope: &Scope) -> Result<Vec<RulesRow>, StoreError> {
    db.fetch(&RULES_HISTORY, &[tenant.as_str().into(), scope.as_str().into()]).await
}

pub(super) async fn all_waiting_bytes(db: &Db) -> Result<BTreeMap<TenantId, Bytes>, StoreError> {
    let rows: Vec<TenantSum> = db.fetch(&ALL_BYTES, &[]).await?;
    let sums = rows.into_iter().map(|row| {
        let tenant = parsed("approval", &row.tenant, TenantId::new)?;
        Ok((tenant, Bytes(u64::try_from(row.bytes).unwrap_or(0))))
    });
    sums.collect()
}

impl RulesRow {
    pub fn read(&self) -> Result<RuleSet, StoreError> {
        let what = || format!("approval_rules `{}/{}/{}`", self.tenant, self.scope, self.number);
        let version = u32::try_from(self.number).map_err(|_| StoreError::Corrupt(what()))?;
        let document = serde_json::from_str(&self.document)
            .map_err(|error| StoreError::Corrupt(format!("{}: {error}", what())))?;
        Ok(RuleSet { version, document })
    }
}

impl ApprovalRow {
    pub fn status(&self) -> Result<Status, StoreError> {
        Status::parse(&self.status)
            .ok_or_else(|| StoreError::Corrupt(format!("approval `{}`: status", self.id)))
    }

    pub fn open_id(&self) -> Result<String, StoreError> {
        let subject =
            SubjectRef { object: self.text(&self.object, ObjectRef::new)?, digest: self.digest.clone() };
        let tenant = self.text(&self.tenant, TenantId::new)?;
        let addon = self.text(&self.addon, AddonName::new)?;
        Ok(open_id(&tenant, &addon, &self.text(&self.scope, Scope::new)?, &subject))
    }

    /// The row as it is shown; a list has no payloads.
    pub fn view(&self) -> Result<Approval, StoreError> {
        Ok(Approval {
            id: self.text(&self.id, ApprovalId::new)?,
            addon: self.text(&self.addon, AddonName::new)?,
            scope: self.text(&self.scope, Scope::new)?,
            object: self.text(&self.object, ObjectRef::new)?,
            digest: self.digest.clone(),
            facts: self.json(&self.facts)?,
            status: self.status()?,
            requester: self.text(&self.requester, Subject::new)?,
            approvers: self.json(&self.approvers)?,
            rationale: self.json(&self.rationale)?,
            rules_version: u32::try_from(self.rules_version).unwrap_or(u32::MAX),
            action: self.text(&self.action, EntryName::new)?,
            payload: if self.payload.is_empty() { None } else { Some(self.json(&self.payload)?) },
            trace: self.text(&self.trace, TraceId::new)?,
            created_ms: self.created_ms,
            expires_ms: self.expires_ms,
            decided_ms: self.decided_ms,
            decider: self.decider.as_deref().map(|text| self.text(text, Subject::new)).transpose()?,
            reason: self.reason.clone(),
            job: self.job.as_deref().map(|text| self.text(text, JobId::new)).transpose()?,
        })
    }

    pub fn text<T, E>(&self, text: &str, read: fn(&str) -> Result<T, E>) -> Result<T, StoreError> {
        parsed("approval", text, read)
    }

    pub fn json<T: DeserializeOwned>(&self, text: &str) -> Result<T, StoreError> {
        serde_json::from_str(text)
            .map_err(|error| StoreError::Corrupt(format!("approval `{}`: {error}", self.id)))
    }
}

fn parsed<T, E>(table: &str, text: &str, read: fn(&str) -> Result<T, E>) -> Result<T, StoreError> {
    read(text).map_err(|_| StoreError::Corrupt(format!("{table}: `{text}`")))
}
