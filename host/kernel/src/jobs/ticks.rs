//! Turning schedules into jobs.

use std::collections::HashMap;

use bulla_base::{AddonName, TenantId, TraceId};
use bulla_store::{Expect, StoreError, Unit};
use serde_json::json;

use super::clock_step::CLOCK_STEP_MS;
use super::error::JobError;
use super::model::{Context, derived_id};
use super::overlay::put_new;
use super::schedule::{self, Ticks};
use super::service::{Jobs, NewJob};
use super::store::{self, SCHEDULES, ScheduleRow};
use crate::origin::Origin;
use crate::ports::{JobSpec, Principal};

/// The unique key of scheduled runs: a tick waits while the run of the one before has not ended.
const SCHEDULED: &str = "schedule";

impl Jobs {
    /// Enqueues what has ticked since the last look, on whatever node. Says how many jobs this node enqueued.
    ///
    /// A schedule that is new or was changed is registered and starts from now. One that cannot be read is reported and
    /// does not keep the others from ticking.
    pub async fn tick(&self) -> Result<usize, JobError> {
        let rows = store::schedules(&self.core.db).await?;
        let known: HashMap<&str, &ScheduleRow> = rows.iter().map(|row| (row.id.as_str(), row)).collect();
        let mut enqueued = 0;
        for (tenant, addon, spec) in self.catalogue.scheduled() {
            let id = store::entry_id(tenant.as_str(), addon.as_str(), spec.name.as_str());
            let scheduled =
                Scheduled { tenant, addon, spec: &spec, row: known.get(id.as_str()).copied(), id };
            match self.tick_one(&scheduled).await {
                Ok(true) => enqueued += 1,
                Ok(false) => {}
                Err(JobError::Schedule { text, reason }) => {
                    tracing::error!(job = scheduled.id, text, reason, "a schedule cannot be read");
                }
                Err(error) => return Err(error),
            }
        }
        if enqueued > 0 {
            self.wake();
        }
        Ok(enqueued)
    }

    async fn tick_one(&self, scheduled: &Scheduled<'_>) -> Result<bool, JobError> {
        let Some(ticks) = Ticks::of(&scheduled.spec.schedule)? else { return Ok(false) };
        let now_ms = self.core.now_ms();
        let written = schedule::written(&scheduled.spec.schedule);
        // A last tick in the future: the clock was set back, and the schedule would stand still until it has come there again.
        let stands =
            |row: &ScheduleRow| row.schedule == written && row.last_tick_ms <= now_ms + CLOCK_STEP_MS;
        let Some(row) = scheduled.row.filter(|row| stands(row)) else {
            self.register(scheduled, written, now_ms).await?;
            return Ok(false);
        };
        let Some(tick_ms) = ticks.latest(row.last_tick_ms, now_ms) else { return Ok(false) };
        let key_id =
            store::key_id(&row.tenant, scheduled.addon.as_str(), scheduled.spec.name.as_str(), SCHEDULED);
        if store::key(&self.core.db, &row.tenant, &key_id).await?.is_some() {
            return Ok(false);
        }
        let origin = self.schedule_origin(scheduled, now_ms);
        let id = derived_id(&format!("schedule\n{}\n{tick_ms}", scheduled.id));
        let job = NewJob {
            id: &id,
            tenant: &scheduled.tenant,
            addon: scheduled.addon.as_str(),
            spec: scheduled.spec,
            context: &Context::Scheduled { tick_ms },
            subject: &origin.subject,
            trace: &origin.trace,
            payload: "{}".into(),
            now_ms,
            due_ms: now_ms,
            unique_key: Some(SCHEDULED.into()),
        }
        .row();
        let mut unit = Unit::default();
        let moved = ScheduleRow { last_tick_ms: tick_ms, ..copied(row) };
        unit.put(&SCHEDULES, &scheduled.id, Expect::Version(row.version), &moved);
        put_new(&mut unit, &job, Expect::Absent);
        unit.record(origin.entry(
            "job.enqueued",
            id.as_str(),
            json!({"job": scheduled.id, "tick-ms": tick_ms}),
        ));
        self.first_node_wins(unit).await
    }

    async fn register(
        &self,
        scheduled: &Scheduled<'_>,
        schedule: String,
        now_ms: i64,
    ) -> Result<(), JobError> {
        let expect = scheduled.row.map_or(Expect::Absent, |row| Expect::Version(row.version));
        let detail = json!({
            "schedule": schedule,
            "lock-key": scheduled.spec.lock_key,
            "fairness": scheduled.spec.fairness,
            "retries": scheduled.spec.retries,
        });
        let row = ScheduleRow {
            id: scheduled.id.clone(),
            version: 0,
            tenant: scheduled.tenant.to_string(),
            schedule,
            last_tick_ms: now_ms,
        };
        let mut unit = Unit::default();
        unit.put(&SCHEDULES, &scheduled.id, expect, &row);
        unit.record(self.schedule_origin(scheduled, now_ms).entry("job.scheduled", &scheduled.id, detail));
        self.first_node_wins(unit).await.map(drop)
    }

    /// Another node that did the same a moment ago is no error.
    async fn first_node_wins(&self, unit: Unit) -> Result<bool, JobError> {
        match self.core.committer.commit(unit).await {
            Ok(()) => Ok(true),
            Err(StoreError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn schedule_origin(&self, scheduled: &Scheduled<'_>, now_ms: i64) -> Origin {
        Origin {
            tenant: Some(scheduled.tenant.clone()),
            subject: Principal::host().subject,
            trace: TraceId::draw(self.core.rng.as_ref()),
            at_ms: now_ms,
            policy_version: None,
            call: None,
        }
    }
}

/// A job of the catalogue with a schedule, and what is known of its last tick.
struct Scheduled<'a> {
    tenant: TenantId,
    addon: AddonName,
    spec: &'a JobSpec,
    row: Option<&'a ScheduleRow>,
    id: String,
}

fn copied(row: &ScheduleRow) -> ScheduleRow {
    ScheduleRow {
        id: row.id.clone(),
        version: row.version,
        tenant: row.tenant.clone(),
        schedule: row.schedule.clone(),
        last_tick_ms: row.last_tick_ms,
    }
}
