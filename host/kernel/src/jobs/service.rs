//! What addons enqueue in a call, and what operators look at, retry and cancel.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bulla_base::{Bytes, EntryName, JobId, Millis, Subject, TenantId, TraceId};
use bulla_store::{Expect, StoreError, Unit};
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::Notify;

use super::claim::Claimed;
use super::error::JobError;
use super::fairness::Turns;
use super::model::{
    Context, Enqueue, Job, JobState, MAX_PAYLOAD, Page, Policy, checked_json, checked_reason,
};
use super::store::{self, JOBS, JobRow, KEY_VERSION, KEYS, KIND_JOB, KeyRow};
use crate::Core;
use crate::call::Call;
use crate::origin::Origin;
use crate::ports::{Catalogue, JobSpec, Principal};

#[derive(Debug, Clone)]
pub struct JobsConfig {
    /// Names this node in the rows it holds.
    pub node: String,
    /// How long a run is its node's without a sign of life; a run extends it every third of it.
    pub lease: Millis,
    /// How long succeeded and cancelled jobs are kept, and dead letters.
    pub keep_done: Millis,
    pub keep_dead: Millis,
}

impl Default for JobsConfig {
    fn default() -> Self {
        const DAY: u64 = 86_400_000;
        Self {
            node: "node".into(),
            lease: Millis(60_000),
            keep_done: Millis(7 * DAY),
            keep_dead: Millis(30 * DAY),
        }
    }
}

/// The room. Clones share what this node holds.
#[derive(Clone)]
pub struct Jobs {
    pub(super) core: Core,
    pub(super) catalogue: Arc<dyn Catalogue>,
    pub(super) config: Arc<JobsConfig>,
    /// The claims of this node that have not ended.
    pub(super) held: Arc<Mutex<HashMap<JobId, Arc<Claimed>>>>,
    pub(super) turns: Arc<Mutex<Turns>>,
    pub(super) wake: Arc<Notify>,
}

impl Jobs {
    pub fn new(core: Core, catalogue: Arc<dyn Catalogue>, config: JobsConfig) -> Self {
        Self {
            core,
            catalogue,
            config: Arc::new(config),
            held: Arc::default(),
            turns: Arc::default(),
            wake: Arc::default(),
        }
    }

    /// Stages a job into the call. Reads the database only where there is a unique key.
    pub async fn enqueue(
        &self,
        call: &mut Call,
        name: &str,
        payload: Vec<u8>,
        options: Enqueue,
    ) -> Result<JobId, JobError> {
        let spec = self.spec(call, name)?;
        options.check()?;
        // A payload beyond the limit is not even parsed.
        let too_large = payload.len() > MAX_PAYLOAD;
        let payload = if too_large { String::new() } else { checked_json(payload)? };
        if call.jobs.len() >= call.limits.jobs as usize {
            return Err(call.limit_hit("jobs").into());
        }
        if too_large {
            return Err(call.limit_hit("payload").into());
        }
        let key = options.unique_key.as_ref().map(|key| format!("u/{key}"));
        if let Some(key) = &key
            && let Some(there) = self.with_key(call, &spec.name, key).await?
        {
            return Ok(there);
        }
        call.take_storage(payload.len())?;
        let id = JobId::draw(self.core.rng.as_ref());
        let delay = i64::try_from(options.delay_ms).unwrap_or(i64::MAX);
        let row = NewJob {
            id: &id,
            tenant: &call.tenant,
            addon: call.addon().addon.as_str(),
            spec: &spec,
            context: &Context::Enqueued,
            subject: &call.subject,
            trace: &call.origin.trace,
            payload,
            now_ms: call.origin.at_ms,
            due_ms: call.origin.at_ms.saturating_add(delay),
            unique_key: key,
        }
        .row();
        let detail =
            json!({"job": name, "due-ms": row.due_ms, "bytes": row.bytes, "unique-key": options.unique_key});
        call.record("job.enqueued", id.as_str(), detail);
        call.jobs.add(row);
        Ok(id)
    }

    /// Tells the runners of this node that something may be due: to be called when a call's commit has enqueued jobs.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Newest first, without payloads and results.
    pub async fn list(&self, tenant: &TenantId, page: &Page) -> Result<Vec<Job>, JobError> {
        let rows = store::list(&self.core.db, tenant, page).await?;
        Ok(rows.iter().map(JobRow::view).collect::<Result<_, _>>()?)
    }

    pub async fn get(&self, tenant: &TenantId, id: &JobId) -> Result<Job, JobError> {
        Ok(self.row(tenant, id).await?.view()?)
    }

    /// What the jobs of a tenant that have not ended well take of its storage: waiting, running and dead ones.
    pub async fn waiting_bytes(&self, tenant: &TenantId) -> Result<Bytes, JobError> {
        Ok(self.all_waiting_bytes().await?.remove(tenant).unwrap_or(Bytes(0)))
    }

    /// The same for every tenant that has any.
    pub async fn all_waiting_bytes(&self) -> Result<BTreeMap<TenantId, Bytes>, JobError> {
        Ok(store::all_waiting_bytes(&self.core.db).await?)
    }

    /// Gives a dead letter as many attempts again as it had at first, the next one now.
    pub async fn retry(&self, origin: &Origin, tenant: &TenantId, id: &JobId) -> Result<Job, JobError> {
        let mut row = self.row(tenant, id).await?;
        expect_state(id, &row, &[JobState::Dead], "dead")?;
        row.state = JobState::Waiting.as_str().into();
        row.max_attempts = row.attempt + 1 + i64::from(row.policy()?.retries);
        row.due_ms = self.core.now_ms();
        row.finished_ms = None;
        let mut unit = Unit::default();
        unit.put(&JOBS, &row.id, Expect::Version(row.version), &row);
        if let Some(key_id) = row.key_id() {
            unit.put(
                &KEYS,
                &key_id,
                Expect::Absent,
                &KeyRow { tenant: row.tenant.clone(), job: row.id.clone() },
            );
        }
        let origin = Origin { tenant: Some(tenant.clone()), ..origin.clone() };
        unit.record(origin.entry("job.retried", id.as_str(), json!({"attempt": row.attempt})));
        match self.core.committer.commit(unit).await {
            Err(StoreError::Conflict { table, .. }) if table == KEYS.name => {
                return Err(JobError::KeyTaken { id: id.clone() });
            }
            Err(StoreError::Conflict { .. }) => return Err(self.changed(tenant, id, "dead").await?),
            other => other?,
        }
        self.wake();
        Ok(row.view()?)
    }

    /// Ends a waiting or dead job. A running one is refused: it may have sent something, and ends by itself.
    pub async fn cancel(
        &self,
        origin: &Origin,
        tenant: &TenantId,
        id: &JobId,
        reason: &str,
    ) -> Result<Job, JobError> {
        let reason = checked_reason(reason)?;
        let mut row = self.row(tenant, id).await?;
        let state = expect_state(id, &row, &[JobState::Waiting, JobState::Dead], "waiting or dead")?;
        row.state = JobState::Cancelled.as_str().into();
        row.finished_ms = Some(self.core.now_ms());
        row.reason = Some(reason.into());
        let mut unit = Unit::default();
        unit.put(&JOBS, &row.id, Expect::Version(row.version), &row);
        if let (Some(key_id), JobState::Waiting) = (row.key_id(), state) {
            unit.remove(&KEYS, &key_id, KEY_VERSION);
        }
        let origin = Origin { tenant: Some(tenant.clone()), ..origin.clone() };
        unit.record(origin.entry(
            "job.cancelled",
            id.as_str(),
            json!({"was": state, "attempt": row.attempt}),
        ));
        match self.core.committer.commit(unit).await {
            Err(StoreError::Conflict { .. }) => {
                return Err(self.changed(tenant, id, "waiting or dead").await?);
            }
            other => other?,
        }
        Ok(row.view()?)
    }

    async fn row(&self, tenant: &TenantId, id: &JobId) -> Result<JobRow, JobError> {
        let row = store::by_id(&self.core.db, tenant.as_str(), id.as_str()).await?;
        row.ok_or_else(|| JobError::Unknown { id: id.clone() })
    }

    /// What to say where another change came first.
    async fn changed(
        &self,
        tenant: &TenantId,
        id: &JobId,
        wanted: &'static str,
    ) -> Result<JobError, JobError> {
        let state = self.row(tenant, id).await?.state()?;
        Ok(JobError::State { id: id.clone(), state, wanted })
    }

    fn spec(&self, call: &Call, name: &str) -> Result<Arc<JobSpec>, JobError> {
        let unknown = || JobError::UnknownJob { name: name.chars().take(80).collect() };
        let name = EntryName::new(name).map_err(|_| unknown())?;
        self.catalogue.job(&call.tenant, &call.addon().addon, &name).ok_or_else(unknown)
    }

    async fn with_key(&self, call: &Call, entry: &EntryName, key: &str) -> Result<Option<JobId>, JobError> {
        let key_id = store::key_id(call.tenant.as_str(), call.addon().addon.as_str(), entry.as_str(), key);
        if let Some(staged) = call.jobs.with_key(&key_id) {
            return Ok(Some(staged));
        }
        Ok(store::key(&self.core.db, call.tenant.as_str(), &key_id).await?)
    }
}

fn expect_state(
    id: &JobId,
    row: &JobRow,
    states: &[JobState],
    wanted: &'static str,
) -> Result<JobState, JobError> {
    let state = row.state()?;
    if states.contains(&state) { Ok(state) } else { Err(JobError::State { id: id.clone(), state, wanted }) }
}

/// What a job of a manifest starts with.
pub(super) struct NewJob<'a> {
    pub id: &'a JobId,
    pub tenant: &'a TenantId,
    pub addon: &'a str,
    pub spec: &'a JobSpec,
    pub context: &'a Context,
    pub subject: &'a Subject,
    pub trace: &'a TraceId,
    pub payload: String,
    pub now_ms: i64,
    pub due_ms: i64,
    pub unique_key: Option<String>,
}

impl NewJob<'_> {
    pub fn row(self) -> JobRow {
        JobRow {
            id: self.id.to_string(),
            version: 0,
            tenant: self.tenant.to_string(),
            addon: self.addon.into(),
            entry: self.spec.name.to_string(),
            kind: KIND_JOB.into(),
            context: json!(self.context).to_string(),
            subject: self.subject.to_string(),
            trace: self.trace.to_string(),
            bytes: i64::try_from(self.payload.len()).unwrap_or(i64::MAX),
            payload: self.payload,
            state: JobState::Waiting.as_str().into(),
            fairness: store::class_text(self.spec.fairness).into(),
            lock_key: self.spec.lock_key.as_ref().map(ToString::to_string),
            unique_key: self.unique_key,
            policy: json!(Policy::of(self.spec)).to_string(),
            attempt: 0,
            max_attempts: 1 + i64::from(self.spec.retries),
            created_ms: self.now_ms,
            due_ms: self.due_ms,
            lease_until_ms: None,
            holder: None,
            finished_ms: None,
            result: None,
            error_code: None,
            error_message: None,
            reason: None,
        }
    }
}

/// The host acts on a job by itself, under the job's own trace.
pub(super) fn host_origin(row: &JobRow, now_ms: i64) -> Result<Origin, StoreError> {
    Ok(Origin {
        tenant: Some(row.text(&row.tenant, TenantId::new)?),
        subject: Principal::host().subject,
        trace: row.text(&row.trace, TraceId::new)?,
        at_ms: now_ms,
        policy_version: None,
        call: None,
    })
}
