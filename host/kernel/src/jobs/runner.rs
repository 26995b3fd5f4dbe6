//! The loop of a node: claims what is due, runs it, keeps its leases alive, keeps the house.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bulla_base::{Failure, codes};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::claim::Claimed;
use super::error::JobError;
use super::service::Jobs;

/// Runs one attempt of one job as a call.
#[async_trait]
pub trait RunJob: Send + Sync + 'static {
    /// `Ok` when the call's unit was committed with [`Jobs::complete`] in it. An error is the attempt's failure.
    async fn run(&self, claimed: &Claimed) -> Result<(), Failure>;
}

#[derive(Debug, Clone, Copy)]
pub struct RunnerConfig {
    /// Runs at a time on this node.
    pub parallel: usize,
    /// How often the database is asked where nothing woke the runner: retries come due, other nodes enqueue.
    pub poll: Duration,
    /// How often lapsed leases and schedules are looked at.
    pub housekeeping: Duration,
    pub sweep: Duration,
    /// How long runs in progress may take to end when the runner is stopped.
    pub grace: Duration,
}

impl Default for RunnerConfig {
    fn default() -> Self {
        Self {
            parallel: 8,
            poll: Duration::from_millis(250),
            housekeeping: Duration::from_secs(1),
            sweep: Duration::from_secs(600),
            grace: Duration::from_secs(10),
        }
    }
}

pub struct Runner {
    jobs: Jobs,
    run: Arc<dyn RunJob>,
    config: RunnerConfig,
}

impl Runner {
    pub fn new(jobs: Jobs, run: Arc<dyn RunJob>, config: RunnerConfig) -> Self {
        Self { jobs, run, config }
    }

    /// Runs until `stop` is ready, then claims nothing more and lets what runs end within the grace; what does not is
    /// stopped, and its attempt failed as `unavailable`.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) {
        let mut runs = JoinSet::new();
        let mut poll = every(self.config.poll);
        let mut housekeeping = every(self.config.housekeeping);
        let mut sweep = every(self.config.sweep);
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                _ = poll.tick() => {}
                () = self.jobs.wake.notified() => {}
                Some(_) = runs.join_next() => {}
                _ = housekeeping.tick() => self.keep_house().await,
                _ = sweep.tick() => report("jobs were not swept", self.jobs.sweep().await),
            }
            report("no jobs could be claimed", self.fill(&mut runs).await);
        }
        self.wind_down(runs).await;
    }

    /// Claims until all slots are taken or nothing is due.
    async fn fill(&self, runs: &mut JoinSet<()>) -> Result<(), JobError> {
        loop {
            while runs.try_join_next().is_some() {}
            let free = self.config.parallel.saturating_sub(runs.len());
            if free == 0 {
                return Ok(());
            }
            let claimed = self.jobs.claim(free).await?;
            if claimed.is_empty() {
                return Ok(());
            }
            for claimed in claimed {
                runs.spawn(attempt(self.jobs.clone(), self.run.clone(), claimed));
            }
        }
    }

    async fn keep_house(&self) {
        report("lapsed leases were not looked at", self.jobs.reclaim().await);
        report("schedules were not looked at", self.jobs.tick().await);
    }

    async fn wind_down(self, mut runs: JoinSet<()>) {
        let ended = timeout(self.config.grace, async { while runs.join_next().await.is_some() {} }).await;
        if ended.is_ok() {
            return;
        }
        runs.shutdown().await;
        let left: Vec<Arc<Claimed>> = self.jobs.held.lock().values().cloned().collect();
        let stopped = Failure::new(codes::UNAVAILABLE, "the host stopped during the attempt");
        for claimed in left {
            report("a stopped run was not recorded", self.jobs.failed(&claimed, &stopped).await);
        }
    }
}

/// One attempt, from the claim to its end.
async fn attempt(jobs: Jobs, run: Arc<dyn RunJob>, claimed: Arc<Claimed>) {
    let (ended, running) = oneshot::channel::<()>();
    let work = async {
        let outcome = run.run(&claimed).await;
        drop(ended);
        outcome
    };
    // Joined, not raced: an extension on its way to the database changes the version that the end is written against.
    let (outcome, ()) = tokio::join!(work, keep_lease(&jobs, &claimed, running));
    let completed = claimed.lease.lock().await.closed;
    let outcome = match outcome {
        Ok(()) if !completed => {
            Err(Failure::new(codes::INTERNAL, "the run ended without its success being committed"))
        }
        other => other,
    };
    match outcome {
        Ok(()) => report("the circuit of a job was not closed", jobs.succeeded(&claimed).await),
        Err(failure) => {
            report("the failure of a job was not recorded", jobs.failed(&claimed, &failure).await)
        }
    }
}

/// Extends the lease every third of it until the run has ended. A lease that is lost stays lost; the run ends by itself and
/// cannot commit.
async fn keep_lease(jobs: &Jobs, claimed: &Claimed, mut running: oneshot::Receiver<()>) {
    loop {
        tokio::select! {
            _ = &mut running => return,
            () = sleep(jobs.config.lease.duration() / 3) => {}
        }
        match jobs.extend(claimed).await {
            Ok(true) => {}
            Ok(false) => {
                tracing::warn!(job = %claimed.id(), "the lease of a job was lost");
                return;
            }
            Err(error) => tracing::warn!(job = %claimed.id(), %error, "the lease of a job was not extended"),
        }
    }
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut interval = interval(period.max(Duration::from_millis(1)));
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// The loop goes on: what failed is tried again at the next look.
fn report<T>(what: &'static str, outcome: Result<T, JobError>) {
    if let Err(error) = outcome {
        tracing::error!(%error, what, "the job runner");
    }
}
