//! What a host does by itself: jobs, checkpoints, counters, sweeps, and looking for what other nodes and operators changed.

use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bulla_kernel::jobs::{Runner, RunnerConfig};
use bulla_policy::WATCH_EVERY;
use bulla_store::Unit;
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::clock_watch;
use crate::host::{Host, JobCalls};

/// How often caches look for changes of other nodes: well below the stated staleness of a second.
const REFRESH: Duration = Duration::from_millis(250);
const FLUSH: Duration = Duration::from_secs(1);
/// How often what tenants keep is looked up; less often where the look takes more than one part in so many of that.
const MEASURE: Duration = Duration::from_secs(1);
const MEASURE_SHARE: u32 = 20;
/// How often compiled code that nobody needs any more is looked for, and how old it is before it goes.
const TIDY: Duration = Duration::from_secs(60);
const CODE_AGE: Duration = Duration::from_secs(600);
const SWEEP: Duration = Duration::from_secs(5);
/// How often a host that cannot write tries whether it can again.
const RECOVER: Duration = Duration::from_secs(1);

/// The running loops; all of them end when the stop signal comes.
pub struct Background {
    tasks: JoinSet<()>,
}

impl Background {
    pub fn start(host: &Arc<Host>, stop: &watch::Receiver<bool>) -> Self {
        let mut tasks = JoinSet::new();
        tasks.spawn(jobs(host.clone(), stop.clone()));
        let audit = host.audit.clone();
        let unpublished = host.config.audit.unpublished;
        let publishing_stop = stop.clone();
        tasks.spawn(async move {
            tokio::select! {
                () = audit.publish(unpublished) => {}
                () = stopped(publishing_stop) => {}
            }
        });
        tasks.spawn(policies(host.clone(), stop.clone()));
        let (clock, clock_stop) = (clock_watch::watch(host.clone()), stop.clone());
        tasks.spawn(async move {
            tokio::select! {
                () = clock => {}
                () = stopped(clock_stop) => {}
            }
        });
        every(&mut tasks, host, stop, REFRESH, refresh);
        every(&mut tasks, host, stop, FLUSH, flush);
        tasks.spawn(measure(host.clone(), stop.clone()));
        every(&mut tasks, host, stop, SWEEP, sweep);
        every(&mut tasks, host, stop, RECOVER, recover);
        every(&mut tasks, host, stop, TIDY, tidy);
        Self { tasks }
    }

    /// Resolves when a loop has ended that nobody stopped: a defect, and the host must not go on without it.
    pub async fn broken(&mut self) {
        // Without any loop there is nothing to wait for.
        if let Some(Err(error)) = self.tasks.join_next().await {
            tracing::error!(%error, "a background loop failed");
        }
    }

    /// Waits until all have ended, then writes what was counted last.
    pub async fn finish(mut self, host: Arc<Host>) {
        while self.tasks.join_next().await.is_some() {}
        flush(host.clone()).await;
        if let Err(error) = host.audit.checkpoint_once().await {
            tracing::warn!(%error, "the last entries have no checkpoint yet");
        }
    }
}

pub async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that the sender is gone: that is a stop as well.
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn jobs(host: Arc<Host>, stop: watch::Receiver<bool>) {
    if !host.config.is_postgres()
        && let Err(error) = host.rooms.jobs.reclaim_all().await
    {
        tracing::error!(%error, "jobs of the last run could not be taken back");
    }
    let calls = JobCalls { dispatcher: host.dispatcher.clone(), policies: host.policies.clone() };
    let settings = RunnerConfig {
        parallel: host.config.jobs.parallel.max(1) as usize,
        poll: host.config.jobs.poll.duration(),
        grace: host.config.server.drain.duration(),
        ..RunnerConfig::default()
    };
    Runner::new(host.rooms.jobs.as_ref().clone(), Arc::new(calls), settings).run(stopped(stop)).await;
}

/// Policies that were edited; each change is in the audit log.
async fn policies(host: Arc<Host>, stop: watch::Receiver<bool>) {
    let (told, mut hears) = mpsc::unbounded_channel();
    let policies = host.policies.clone();
    let watching = policies.watch(WATCH_EVERY, move |reloaded| drop(told.send(reloaded)));
    let recording = async {
        while let Some(reloaded) = hears.recv().await {
            if let Err(error) = &reloaded {
                tracing::error!(%error, "the edited policies are invalid: the old ones stay in force");
            }
            report("the change of policies", host.policy_changed(&reloaded).await);
        }
    };
    tokio::select! {
        () = watching => {}
        () = recording => {}
        () = stopped(stop) => {}
    }
}

fn every<F>(
    tasks: &mut JoinSet<()>,
    host: &Arc<Host>,
    stop: &watch::Receiver<bool>,
    period: Duration,
    work: fn(Arc<Host>) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let (host, stop) = (host.clone(), stop.clone());
    tasks.spawn(async move {
        let mut tick = interval(period);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let stop = stopped(stop);
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => return,
                _ = tick.tick() => work(host.clone()).await,
            }
        }
    });
}

/// What other nodes and operators changed, and what a room could not read after a commit of its own. All rooms look at once: on a busy node
/// each look waits for its turn. One that could not look keeps its own clock of staleness and fails closed; here it is only reported.
async fn refresh(host: Arc<Host>) {
    let rooms = &host.rooms;
    tokio::join!(
        async { report("sequences", rooms.sequences.refresh().await) },
        async { report("approvals", rooms.approvals.refresh().await) },
        async { report("secrets", rooms.secrets.refresh().await) },
        async { report("keys", rooms.keys.refresh().await) },
        async { report("tenants", host.tenants.refresh().await) },
        async { report("tokens", host.tokens.refresh().await) },
        async { report("trust", host.trust.refresh().await) },
        async { report("addons", host.addons.refresh().await) },
    );
    report("manifests", host.manifests.refresh().await);
    if let Ok(all) = host.addons.all() {
        let live: HashSet<String> = all.iter().map(|installed| installed.digest.clone()).collect();
        host.supply.retain(&live);
    }
}

async fn flush(host: Arc<Host>) {
    let origin = host.origin();
    report("usage", host.usage.flush(&origin).await);
    report("throttles", host.admission.flush(&origin).await);
}

/// The look reads all that is kept: where that takes long it is looked at less often, so that looking stays a small part of the work.
async fn measure(host: Arc<Host>, stop: watch::Receiver<bool>) {
    let looking = async {
        loop {
            let started = host.core.clock.monotonic();
            report("storage", host.storage.refresh(&host.rooms, &host.idempotency).await);
            let took = host.core.clock.monotonic().saturating_sub(started);
            sleep(MEASURE.max(took * MEASURE_SHARE)).await;
        }
    };
    tokio::select! {
        () = looking => {}
        () = stopped(stop) => {}
    }
}

async fn sweep(host: Arc<Host>) {
    let origin = host.origin();
    if let Ok(all) = host.addons.all() {
        let live: HashSet<&str> = all.iter().map(|installed| installed.addon.as_str()).collect();
        host.metrics.retain_addons(|addon| live.contains(addon));
    }
    report("reservations", host.rooms.sequences.sweep(&origin).await);
    report("approvals", host.rooms.approvals.expire_due().await);
    report("idempotency records", host.idempotency.sweep(&origin).await);
}

/// Compiled code of addons that are gone.
async fn tidy(host: Arc<Host>) {
    let Ok(all) = host.addons.all() else { return };
    let digests = all.iter().filter_map(|one| hex::decode(&one.component_digest).ok()?.try_into().ok());
    let (live, engine) = (digests.collect::<Vec<[u8; 32]>>(), host.engine.clone());
    match tokio::task::spawn_blocking(move || engine.sweep_cache(&live, CODE_AGE)).await {
        Ok(0) => {}
        Ok(files) => tracing::info!(files, "compiled code of addons that are gone was removed"),
        Err(error) => tracing::error!(%error, "compiled code was not looked through"),
    }
}

/// A host that told its balancer that it cannot write gets no calls that would show that it can again: it tries by itself, with the
/// entry that says since when.
async fn recover(host: Arc<Host>) {
    let committer = &host.core.committer;
    let Some(code) = committer.trouble().or_else(|| committer.recovered()) else { return };
    let mut unit = Unit::default();
    unit.record(host.origin().entry("store.recovered", "store", json!({"after": code.name})));
    match committer.commit(unit).await {
        Ok(()) => {
            // This entry has told it.
            let _told = committer.recovered();
            tracing::info!(after = code.name, "the database can be written again");
        }
        Err(error) => tracing::warn!(%error, "the database still cannot be written"),
    }
}

fn report<T, E: std::fmt::Display>(what: &str, outcome: Result<T, E>) {
    if let Err(error) = outcome {
        tracing::error!(%error, "{what} could not be brought up to date");
    }
}
