//! Jobs, and what stands beside them: unique keys, locks, circuits, schedules.

use super::Desk;
use crate::ScanError;
use crate::ledger::{Fact, Mark, Topic};
use crate::report::{Kind, Reporter};

#[derive(sqlx::FromRow)]
struct JobRow {
    id: String,
    tenant: String,
    addon: String,
    entry: String,
    state: String,
    unique_key: Option<String>,
    attempt: i64,
    max_attempts: i64,
    lease_until_ms: Option<i64>,
    holder: Option<String>,
    finished_ms: Option<i64>,
}

/// A unique key or a lock key: whose it is.
#[derive(sqlx::FromRow)]
struct OwnedRow {
    id: String,
    tenant: String,
    job: String,
}

#[derive(sqlx::FromRow)]
struct CircuitRow {
    id: String,
    tenant: String,
    state: String,
    probe: Option<String>,
}

#[derive(sqlx::FromRow)]
struct ScheduleRow {
    id: String,
    version: i64,
    tenant: String,
}

pub(super) async fn all(desk: &mut Desk<'_>) -> Result<(), ScanError> {
    jobs(desk).await?;
    owned(desk).await?;
    circuits(desk).await?;
    schedules(desk).await
}

async fn jobs(desk: &mut Desk<'_>) -> Result<(), ScanError> {
    const ALL: &str = "SELECT id, tenant, addon, entry, state, unique_key, attempt, max_attempts, lease_until_ms, holder, \
                       finished_ms FROM job ORDER BY id";
    let (reporter, now_ms) = (&mut *desk.reporter, desk.now_ms);
    let read = |row: JobRow, facts: &mut Vec<Fact>| {
        reporter.count_row("job");
        check(&row, now_ms, reporter);
        let mut fact = |mark, weight| {
            facts.push(Fact::new(Topic::Job, &row.tenant, &[&row.id], mark, &row.id).weight(weight));
        };
        fact(Mark::Row, 1);
        fact(Mark::RowAttempts, row.attempt);
        match row.state.as_str() {
            "succeeded" => fact(Mark::RowSucceeded, 1),
            "cancelled" => fact(Mark::RowCancelled, 1),
            "dead" => fact(Mark::RowDead, 1),
            _ => {}
        }
        if let (Some(key), "waiting" | "running") = (&row.unique_key, row.state.as_str()) {
            let id = format!("{}/{}/{}/{key}", row.tenant, row.addon, row.entry);
            facts.push(Fact::new(Topic::UniqueKey, &row.tenant, &[&id, &row.id], Mark::Row, &row.id));
        }
    };
    desk.source.each(ALL, desk.ledger, read).await
}

/// What a job's row shows by itself.
fn check(row: &JobRow, now_ms: i64, reporter: &mut Reporter) {
    let leased = row.lease_until_ms.is_some();
    let is_consistent = match row.state.as_str() {
        "waiting" => !leased && row.finished_ms.is_none() && row.attempt < row.max_attempts,
        "running" => leased && row.holder.is_some() && row.finished_ms.is_none() && row.attempt >= 1,
        "succeeded" => !leased && row.finished_ms.is_some() && row.attempt >= 1,
        "dead" => !leased && row.finished_ms.is_some() && row.attempt >= row.max_attempts,
        "cancelled" => !leased && row.finished_ms.is_some(),
        _ => false,
    };
    if !is_consistent || row.attempt > row.max_attempts {
        let text = format!(
            "it is `{}` after {} of {} attempts, with lease, holder and end that do not belong to that",
            row.state, row.attempt, row.max_attempts
        );
        reporter.add(Kind::JobState, "job", &row.id, text);
    }
    if let ("running", Some(until_ms)) = (row.state.as_str(), row.lease_until_ms)
        && until_ms <= now_ms
    {
        let text = format!("its lease was over at {until_ms} ms: the next claim takes it back");
        reporter.add(Kind::LapsedLease, "job", &row.id, text);
    }
}

async fn owned(desk: &mut Desk<'_>) -> Result<(), ScanError> {
    const KEYS: &str = "SELECT id, tenant, job FROM job_key ORDER BY id";
    const LOCKS: &str = "SELECT id, tenant, job FROM job_lock ORDER BY id";
    let reporter = &mut *desk.reporter;
    let keys = |row: OwnedRow, facts: &mut Vec<Fact>| {
        reporter.count_row("job_key");
        facts.push(Fact::new(Topic::UniqueKey, &row.tenant, &[&row.id, &row.job], Mark::Reference, &row.id));
    };
    desk.source.each(KEYS, desk.ledger, keys).await?;
    let reporter = &mut *desk.reporter;
    // The lock remembers who had it last: that job may have been swept since, but there was one.
    let locks = |row: OwnedRow, facts: &mut Vec<Fact>| {
        reporter.count_row("job_lock");
        facts.push(Fact::new(Topic::Job, &row.tenant, &[&row.job], Mark::Reference, &row.id));
    };
    desk.source.each(LOCKS, desk.ledger, locks).await
}

async fn circuits(desk: &mut Desk<'_>) -> Result<(), ScanError> {
    const ALL: &str = "SELECT id, tenant, state, probe FROM job_circuit ORDER BY id";
    let reporter = &mut *desk.reporter;
    let read = |row: CircuitRow, facts: &mut Vec<Fact>| {
        reporter.count_row("job_circuit");
        if row.state != "closed" {
            facts.push(Fact::new(Topic::Circuit, &row.tenant, &[&row.id], Mark::Row, &row.id));
        }
        if let Some(probe) = &row.probe {
            facts.push(Fact::new(Topic::Job, &row.tenant, &[probe], Mark::Reference, &row.id));
        }
    };
    desk.source.each(ALL, desk.ledger, read).await
}

async fn schedules(desk: &mut Desk<'_>) -> Result<(), ScanError> {
    const ALL: &str = "SELECT id, version, tenant FROM job_schedule ORDER BY id";
    let reporter = &mut *desk.reporter;
    let read = |row: ScheduleRow, facts: &mut Vec<Fact>| {
        reporter.count_row("job_schedule");
        facts.push(
            Fact::new(Topic::Schedule, &row.tenant, &[&row.id], Mark::Row, &row.id).weight(row.version),
        );
    };
    desk.source.each(ALL, desk.ledger, read).await
}
