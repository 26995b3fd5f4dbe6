//! The rows of jobs, and of what stands beside them: unique keys, lock keys, circuits, schedules.

use std::collections::BTreeMap;

use bulla_base::{AddonName, Bytes, EntryName, JobId, Subject, TenantId, TraceId};
use bulla_store::{Arg, Db, Sql, StoreError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::circuit::Circuit;
use super::fairness::Candidate;
use super::model::{Context, Job, JobState, Page, Policy};
use crate::ports::Fairness;

bulla_store::table! {
    pub(super) JOBS = "job" {
        tenant: text, addon: text, entry: text, kind: text, context: text, subject: text, trace: text, payload: text,
        bytes: bigint, state: text, fairness: text, lock_key: text, unique_key: text, policy: text, attempt: bigint,
        max_attempts: bigint, created_ms: bigint, due_ms: bigint, lease_until_ms: bigint, holder: text,
        finished_ms: bigint, result: text, error_code: text, error_message: text, reason: text
    }
}
bulla_store::table! {
    /// Written once and removed once: its version is always 1.
    pub(super) KEYS = "job_key" { tenant: text, job: text }
}
bulla_store::table! { pub(super) LOCKS = "job_lock" { tenant: text, job: text } }
bulla_store::table! {
    pub(super) CIRCUITS = "job_circuit" {
        tenant: text, state: text, failures: bigint, open_until_ms: bigint, probe: text
    }
}
bulla_store::table! {
    pub(super) SCHEDULES = "job_schedule" { tenant: text, schedule: text, last_tick_ms: bigint }
}

/// The version of every row of `job_key`.
pub(super) const KEY_VERSION: i64 = 1;

/// `kind` of a row: whether `entry` is a job or a continuation's action.
pub(super) const KIND_JOB: &str = "job";
pub(super) const KIND_APPROVAL: &str = "approval";

#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
pub(super) struct JobRow {
    pub id: String,
    pub version: i64,
    pub tenant: String,
    pub addon: String,
    pub entry: String,
    pub kind: String,
    pub context: String,
    pub subject: String,
    pub trace: String,
    pub payload: String,
    pub bytes: i64,
    pub state: String,
    pub fairness: String,
    pub lock_key: Option<String>,
    /// `u/<key>` of the addon's own key, `schedule` for a scheduled run.
    pub unique_key: Option<String>,
    pub policy: String,
    pub attempt: i64,
    pub max_attempts: i64,
    pub created_ms: i64,
    pub due_ms: i64,
    pub lease_until_ms: Option<i64>,
    pub holder: Option<String>,
    pub finished_ms: Option<i64>,
    pub result: Option<String>,
    pub error_code: Option<String>,
    pub error_message: Option<String>,
    pub reason: Option<String>,
}

#[derive(Debug, Serialize, sqlx::FromRow)]
pub(super) struct KeyRow {
    pub tenant: String,
    pub job: String,
}

#[derive(Debug, Serialize, sqlx::FromRow)]
pub(super) struct LockRow {
    pub tenant: String,
    pub job: String,
}

#[derive(Debug, Serialize)]
pub(super) struct CircuitRow {
    tenant: String,
    state: &'static str,
    failures: i64,
    open_until_ms: i64,
    probe: Option<String>,
}

#[derive(Debug, Serialize, sqlx::FromRow)]
pub(super) struct ScheduleRow {
    pub id: String,
    pub version: i64,
    pub tenant: String,
    pub schedule: String,
    pub last_tick_ms: i64,
}

/// A lock key as it was last taken.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Lock {
    pub version: i64,
    pub holder_state: Option<String>,
}

#[derive(Debug, sqlx::FromRow)]
struct StoredCircuit {
    version: i64,
    state: String,
    failures: i64,
    open_until_ms: i64,
    probe: Option<String>,
    probe_state: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Due {
    id: String,
    tenant: String,
    lock_key: Option<String>,
}

#[derive(sqlx::FromRow)]
struct TenantSum {
    tenant: String,
    bytes: i64,
}

/// Tenants that wait in a class, by jumps over the index: its cost is that of the tenants, not of their jobs.
macro_rules! tenants {
    () => {
        "WITH RECURSIVE t(tenant) AS (\
         SELECT MIN(tenant) FROM job WHERE state = 'waiting' AND fairness = $1 \
         UNION ALL SELECT (SELECT MIN(n.tenant) FROM job n WHERE n.state = 'waiting' AND n.fairness = $1 AND n.tenant > t.tenant) \
         FROM t WHERE t.tenant IS NOT NULL) "
    };
}

/// A tenant's due jobs whose lock key is free and whose circuit lets them run.
macro_rules! due {
    ($columns:literal) => {
        concat!(
            "SELECT ", $columns, " FROM job k WHERE k.state = 'waiting' AND k.fairness = $1 AND k.tenant = t.tenant AND k.due_ms <= $2 \
             AND NOT EXISTS (SELECT 1 FROM job_lock l JOIN job h ON h.id = l.job \
                 WHERE l.id = k.tenant || '/' || k.lock_key AND h.state = 'running') \
             AND NOT EXISTS (SELECT 1 FROM job_circuit c LEFT JOIN job p ON p.id = c.probe \
                 WHERE c.id = k.tenant || '/' || k.addon || '/' || k.entry AND k.kind = 'job' \
                 AND ((c.state = 'open' AND c.open_until_ms > $2) OR (c.state = 'half-open' AND p.state = 'running'))) \
             ORDER BY k.due_ms, k.id LIMIT $3"
        )
    };
}

const DUE: Sql = Sql::pair(
    concat!(
        tenants!(),
        "SELECT j.id, j.tenant, j.lock_key FROM t CROSS JOIN job j WHERE j.id IN (",
        due!("k.id"),
        ") ORDER BY j.tenant, j.due_ms, j.id"
    ),
    concat!(
        tenants!(),
        "SELECT d.id, d.tenant, d.lock_key FROM t CROSS JOIN LATERAL (",
        due!("k.id, k.tenant, k.lock_key, k.due_ms"),
        ") d ORDER BY d.tenant, d.due_ms, d.id"
    ),
);
const BY_ID: Sql = Sql::both("SELECT * FROM job WHERE tenant = $1 AND id = $2");
const LATEST: Sql = Sql::both(
    "SELECT id, version, tenant, addon, entry, kind, context, subject, trace, '' AS payload, bytes, state, fairness, lock_key, \
     unique_key, policy, attempt, max_attempts, created_ms, due_ms, lease_until_ms, holder, finished_ms, NULL AS result, \
     error_code, error_message, reason FROM job WHERE tenant = $1 AND ($2 IS NULL OR state = $2) \
     AND ($3 IS NULL OR (created_ms, id) < (SELECT p.created_ms, p.id FROM job p WHERE p.tenant = $1 AND p.id = $3)) \
     ORDER BY created_ms DESC, id DESC LIMIT $4",
);
const LAPSED: Sql = Sql::both(
    "SELECT * FROM job WHERE state = 'running' AND lease_until_ms <= $1 ORDER BY lease_until_ms LIMIT $2",
);
const FINISHED: Sql = Sql::both(
    "SELECT * FROM job WHERE finished_ms IS NOT NULL AND ((state IN ('succeeded', 'cancelled') AND finished_ms <= $1) \
     OR (state = 'dead' AND finished_ms <= $2)) ORDER BY finished_ms LIMIT $3",
);
const KEY_BY_ID: Sql = Sql::both("SELECT tenant, job FROM job_key WHERE tenant = $1 AND id = $2");
const LOCK_BY_ID: Sql = Sql::both(
    "SELECT l.version, h.state AS holder_state FROM job_lock l LEFT JOIN job h ON h.id = l.job \
     WHERE l.tenant = $1 AND l.id = $2",
);
const CIRCUIT_BY_ID: Sql = Sql::both(
    "SELECT c.version, c.state, c.failures, c.open_until_ms, c.probe, p.state AS probe_state FROM job_circuit c \
     LEFT JOIN job p ON p.id = c.probe WHERE c.tenant = $1 AND c.id = $2",
);
const ALL_SCHEDULES: Sql = Sql::both("SELECT id, version, tenant, schedule, last_tick_ms FROM job_schedule");
const ALL_BYTES: Sql = Sql::both(
    "SELECT tenant, CAST(SUM(bytes) AS BIGINT) AS bytes FROM job WHERE state IN ('waiting', 'running', 'dead') GROUP BY tenant",
);

pub(super) fn key_id(tenant: &str, addon: &str, entry: &str, key: &str) -> String {
    format!("{tenant}/{addon}/{entry}/{key}")
}

pub(super) fn lock_id(tenant: &str, key: &str) -> String {
    format!("{tenant}/{key}")
}

/// Names a circuit and a schedule: one for each job of an addon in a tenant.
pub(super) fn entry_id(tenant: &str, addon: &str, entry: &str) -> String {
    format!("{tenant}/{addon}/{entry}")
}

/// At most `limit` due jobs of each tenant in this class.
pub(super) async fn due(
    db: &Db,
    class: Fairness,
    now_ms: i64,
    limit: i64,
) -> Result<Vec<Candidate>, StoreError> {
    let rows: Vec<Due> = db.fetch(&DUE, &[class_text(class).into(), now_ms.into(), limit.into()]).await?;
    Ok(rows
        .into_iter()
        .map(|row| Candidate { id: row.id, tenant: row.tenant, lock_key: row.lock_key })
        .collect())
}

pub(super) async fn by_id(db: &Db, tenant: &str, id: &str) -> Result<Option<JobRow>, StoreError> {
    db.fetch_one(&BY_ID, &[tenant.into(), id.into()]).await
}

/// Without payloads and results, newest first.
pub(super) async fn list(db: &Db, tenant: &TenantId, page: &Page) -> Result<Vec<JobRow>, StoreError> {
    let state = Arg::OptText(page.state.map(JobState::as_str));
    let after = Arg::OptText(page.after.as_ref().map(JobId::as_str));
    db.fetch(&LATEST, &[tenant.as_str().into(), state, after, page.rows().into()]).await
}

/// Running jobs whose lease ended at `now_ms` or before.
pub(super) async fn lapsed(db: &Db, now_ms: i64, limit: i64) -> Result<Vec<JobRow>, StoreError> {
    db.fetch(&LAPSED, &[now_ms.into(), limit.into()]).await
}

pub(super) async fn finished(db: &Db, done: i64, dead: i64, limit: i64) -> Result<Vec<JobRow>, StoreError> {
    db.fetch(&FINISHED, &[done.into(), dead.into(), limit.into()]).await
}

pub(super) async fn key(db: &Db, tenant: &str, id: &str) -> Result<Option<JobId>, StoreError> {
    let row: Option<KeyRow> = db.fetch_one(&KEY_BY_ID, &[tenant.into(), id.into()]).await?;
    row.map(|row| JobId::new(&row.job).map_err(|_| StoreError::Corrupt(format!("job_key `{id}`"))))
        .transpose()
}

pub(super) async fn lock(db: &Db, tenant: &str, id: &str) -> Result<Option<Lock>, StoreError> {
    db.fetch_one(&LOCK_BY_ID, &[tenant.into(), id.into()]).await
}

/// A circuit with the version of its row, and whether its probe is running.
pub(super) struct FoundCircuit {
    pub circuit: Circuit,
    pub version: i64,
    pub probe_runs: bool,
}

pub(super) async fn circuit(db: &Db, tenant: &str, id: &str) -> Result<Option<FoundCircuit>, StoreError> {
    let row: Option<StoredCircuit> = db.fetch_one(&CIRCUIT_BY_ID, &[tenant.into(), id.into()]).await?;
    row.map(|row| {
        let corrupt = || StoreError::Corrupt(format!("job_circuit `{id}`"));
        let failures = u32::try_from(row.failures).map_err(|_| corrupt())?;
        let circuit = match (row.state.as_str(), row.probe) {
            ("closed", _) => Circuit::Closed { failures },
            ("open", _) => Circuit::Open { failures, until_ms: row.open_until_ms },
            ("half-open", Some(probe)) => {
                Circuit::HalfOpen { failures, probe: JobId::new(&probe).map_err(|_| corrupt())? }
            }
            _ => return Err(corrupt()),
        };
        let probe_runs = row.probe_state.as_deref() == Some(JobState::Running.as_str());
        Ok(FoundCircuit { circuit, version: row.version, probe_runs })
    })
    .transpose()
}

pub(super) async fn schedules(db: &Db) -> Result<Vec<ScheduleRow>, StoreError> {
    db.fetch(&ALL_SCHEDULES, &[]).await
}

pub(super) async fn all_waiting_bytes(db: &Db) -> Result<BTreeMap<TenantId, Bytes>, StoreError> {
    let rows: Vec<TenantSum> = db.fetch(&ALL_BYTES, &[]).await?;
    let sums = rows.into_iter().map(|row| {
        let tenant = TenantId::new(&row.tenant).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        Ok((tenant, Bytes(u64::try_from(row.bytes).unwrap_or(0))))
    });
    sums.collect()
}

impl CircuitRow {
    pub fn of(tenant: &str, circuit: &Circuit) -> Self {
        let (open_until_ms, probe) = match circuit {
            Circuit::Closed { .. } => (0, None),
            Circuit::Open { until_ms, .. } => (*until_ms, None),
            Circuit::HalfOpen { probe, .. } => (0, Some(probe.to_string())),
        };
        Self {
            tenant: tenant.into(),
            state: circuit.state(),
            failures: circuit.failures().into(),
            open_until_ms,
            probe,
        }
    }
}

impl JobRow {
    pub fn id(&self) -> Result<JobId, StoreError> {
        self.text(&self.id, JobId::new)
    }

    pub fn state(&self) -> Result<JobState, StoreError> {
        JobState::parse(&self.state).ok_or_else(|| self.corrupt("state"))
    }

    pub fn policy(&self) -> Result<Policy, StoreError> {
        self.json(&self.policy)
    }

    pub fn key_id(&self) -> Option<String> {
        self.unique_key.as_ref().map(|key| key_id(&self.tenant, &self.addon, &self.entry, key))
    }

    pub fn entry_id(&self) -> String {
        entry_id(&self.tenant, &self.addon, &self.entry)
    }

    /// Attempts so far, or `max_attempts`, as the model counts them.
    pub fn count(&self, attempts: i64) -> u32 {
        u32::try_from(attempts).unwrap_or(u32::MAX)
    }

    pub fn view(&self) -> Result<Job, StoreError> {
        Ok(Job {
            id: self.id()?,
            tenant: self.text(&self.tenant, TenantId::new)?,
            addon: self.text(&self.addon, AddonName::new)?,
            entry: self.text(&self.entry, EntryName::new)?,
            context: self.json::<Context>(&self.context)?,
            subject: self.text(&self.subject, Subject::new)?,
            trace: self.text(&self.trace, TraceId::new)?,
            state: self.state()?,
            fairness: class(&self.fairness).ok_or_else(|| self.corrupt("fairness"))?,
            lock_key: self.lock_key.clone(),
            attempt: self.count(self.attempt),
            max_attempts: self.count(self.max_attempts),
            created_ms: self.created_ms,
            due_ms: self.due_ms,
            finished_ms: self.finished_ms,
            error_code: self.error_code.clone(),
            error_message: self.error_message.clone(),
            reason: self.reason.clone(),
            payload: if self.payload.is_empty() { None } else { Some(self.json(&self.payload)?) },
            result: self.result.as_deref().map(|result| self.json(result)).transpose()?,
        })
    }

    pub fn text<T, E>(&self, text: &str, read: fn(&str) -> Result<T, E>) -> Result<T, StoreError> {
        read(text).map_err(|_| self.corrupt(text))
    }

    fn json<T: DeserializeOwned>(&self, text: &str) -> Result<T, StoreError> {
        serde_json::from_str(text).map_err(|error| self.corrupt(&error.to_string()))
    }

    fn corrupt(&self, what: &str) -> StoreError {
        StoreError::Corrupt(format!("job `{}`: {what}", self.id))
    }
}

pub(super) fn class_text(class: Fairness) -> &'static str {
    match class {
        Fairness::Interactive => "interactive",
        Fairness::Normal => "normal",
        Fairness::Bulk => "bulk",
    }
}

fn class(text: &str) -> Option<Fairness> {
    [Fairness::Interactive, Fairness::Normal, Fairness::Bulk]
        .into_iter()
        .find(|class| class_text(*class) == text)
}
