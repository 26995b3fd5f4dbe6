//! Makes work: jobs that fail, jobs that tick, more jobs than anyone wants.

use std::hint::black_box;
use std::time::Duration;

use bulla::prelude::*;

/// A job to be enqueued.
#[data]
#[serde(rename_all = "kebab-case")]
struct Order {
    job: String,
    #[serde(default)]
    payload: Task,
    #[serde(default)]
    delay_ms: u64,
    #[serde(default)]
    unique_key: Option<String>,
}

/// What a job is told.
#[data]
#[derive(Default)]
#[serde(rename_all = "kebab-case")]
struct Task {
    #[serde(default)]
    label: String,
    /// The attempts that fail before one succeeds.
    #[serde(default)]
    failures: u32,
}

/// How much of it.
#[data]
struct Amount {
    count: u32,
}

/// The scheduler's payload: none.
#[data(open)]
struct Nothing {}

/// Enqueues one job and tells its id.
#[action]
fn enqueue(call: &Call, order: Order) -> Result<String> {
    let mut options = JobOptions::new().delay(Duration::from_millis(order.delay_ms));
    if let Some(key) = order.unique_key {
        options = options.unique_key(key);
    }
    call.enqueue_with(&order.job, &order.payload, options)
}

/// Enqueues so many jobs `work`. More than the limit `jobs`: the addon's code `limit`, and none is enqueued.
#[action]
fn enqueue_many(call: &Call, amount: Amount) -> Result<u32> {
    for _ in 0..amount.count {
        call.enqueue("work", &Task::default())?;
    }
    Ok(amount.count)
}

/// Enqueues jobs for ever and hears no refusal: `fuel-exhausted`, and none is enqueued.
#[action]
fn enqueue_for_ever(call: &Call) -> Result<()> {
    loop {
        let _refused = call.enqueue("work", &Task::default());
    }
}

/// Enqueues so many jobs, and traps: `trap`, and none is enqueued.
#[action]
fn enqueue_and_trap(call: &Call, amount: Amount) -> Result<()> {
    enqueue_many(call, amount)?;
    core::arch::wasm32::unreachable()
}

/// Does its work: an entry `addon.worked` about `task/<label>`.
#[job]
fn work(call: &Call, task: Task) -> Result<u32> {
    worked(call, &task.label)
}

/// Always fails: retried, then a dead letter. Its entries are never seen.
#[job]
fn fail(call: &Call, task: Task) -> Result<()> {
    worked(call, &task.label)?;
    Err(Error::new("always", "this job always fails"))
}

/// Fails as often as it is told to, then works.
#[job]
fn flaky(call: &Call, task: Task) -> Result<u32> {
    let attempt = call.job().map_or(0, |job| job.attempt);
    if attempt <= task.failures {
        return Err(Error::new("not-yet", format!("attempt {attempt}")));
    }
    worked(call, &task.label)
}

/// Never ends: `fuel-exhausted` on its one attempt.
#[job]
fn spin(_call: &Call, _task: Task) -> Result<()> {
    let mut turns = 0u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

/// Runs by itself, every second.
#[job]
fn tick(call: &Call, _nothing: Nothing) -> Result<u32> {
    worked(call, "tick")
}

fn worked(call: &Call, label: &str) -> Result<u32> {
    let attempt = call.job().map_or(0, |job| job.attempt);
    call.audit("worked", format!("task/{label}"), &[("attempt", &attempt.to_string())])?;
    Ok(attempt)
}

bulla::addon!(enqueue, enqueue_many, enqueue_for_ever, enqueue_and_trap; jobs: work, fail, flaky, spin, tick);
