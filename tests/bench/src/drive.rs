//! Callers at a given concurrency, each with its next call as soon as its last one ends (a closed loop).

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use hdrhistogram::Histogram;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::clock;

/// Something that can be called again and again, by many at once.
pub trait Caller: Clone + Send + Sync + 'static {
    /// What one of the many holds from call to call, such as a connection.
    type Session: Send;

    fn open(&self) -> impl Future<Output = Result<Self::Session>> + Send;

    /// One call. An error counts as a failed call.
    fn call(&self, session: &mut Self::Session) -> impl Future<Output = Result<()>> + Send;
}

/// What one drive saw.
pub struct Driven {
    pub calls: u64,
    pub failed: u64,
    /// Why the first of the failed calls failed.
    pub first_failure: Option<String>,
    pub elapsed: Duration,
    /// Latencies in nanoseconds.
    pub latencies: Histogram<u64>,
}

impl Driven {
    /// Calls a second.
    pub fn rate(&self) -> f64 {
        self.calls as f64 / self.elapsed.as_secs_f64()
    }

    /// Nanoseconds that `share` of the calls stayed below.
    pub fn quantile(&self, share: f64) -> f64 {
        self.latencies.value_at_quantile(share) as f64
    }

    /// Fails where a call failed: a figure of a run with failures would say nothing.
    pub fn whole(self) -> Result<Self> {
        anyhow::ensure!(
            self.failed == 0,
            "{} of {} calls failed: {}",
            self.failed,
            self.calls,
            self.first_failure.as_deref().unwrap_or_default()
        );
        Ok(self)
    }

    /// Both together, one after the other.
    pub fn and(mut self, other: &Driven) -> Result<Self> {
        self.calls += other.calls;
        self.failed += other.failed;
        self.first_failure = self.first_failure.or_else(|| other.first_failure.clone());
        self.elapsed += other.elapsed;
        self.latencies.add(&other.latencies).context("add latencies")?;
        Ok(self)
    }
}

/// Lets `concurrency` callers call for `time`, from the moment that all of them are ready.
pub async fn drive<C: Caller>(caller: &C, concurrency: usize, time: Duration) -> Result<Driven> {
    let (mut tasks, ready) = (JoinSet::new(), Arc::new(Barrier::new(concurrency)));
    for _ in 0..concurrency {
        tasks.spawn(one(caller.clone(), ready.clone(), concurrency, time));
    }
    let mut driven =
        Driven { calls: 0, failed: 0, first_failure: None, elapsed: Duration::ZERO, latencies: histogram()? };
    let (mut first, mut last) = (Duration::MAX, Duration::ZERO);
    while let Some(ended) = tasks.join_next().await {
        let (one, start, end) = ended.context("a caller panicked")??;
        (first, last) = (first.min(start), last.max(end));
        driven = driven.and(&one)?;
    }
    driven.elapsed = last.saturating_sub(first);
    Ok(driven)
}

/// What one caller saw, from when to when.
async fn one<C: Caller>(
    caller: C,
    ready: Arc<Barrier>,
    concurrency: usize,
    time: Duration,
) -> Result<(Driven, Duration, Duration)> {
    let (mut failed, mut first_failure, mut latencies) = (0, None, histogram()?);
    let session = caller.open().await;
    // Also where it failed: the others wait.
    ready.wait().await;
    let mut session = session?;
    let start = clock::now();
    let mut before = start;
    while before < start + time {
        if concurrency > 1 {
            // A caller that never waits for anything would keep its core, and the others would wait for all of its calls. What it
            // waits here for its turn is part of its latency.
            tokio::task::yield_now().await;
        }
        if let Err(error) = caller.call(&mut session).await {
            failed += 1;
            first_failure.get_or_insert_with(|| format!("{error:#}"));
        }
        let after = clock::now();
        latencies.saturating_record(after.saturating_sub(before).as_nanos() as u64);
        before = after;
    }
    let calls = latencies.len();
    let driven = Driven { calls, failed, first_failure, elapsed: Duration::ZERO, latencies };
    Ok((driven, start, before))
}

/// From 10 ns to a minute, to two digits.
pub fn histogram() -> Result<Histogram<u64>> {
    Histogram::new_with_bounds(10, 60_000_000_000, 2).context("make a histogram")
}
