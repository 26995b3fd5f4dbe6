//! What holds when nodes race, stall and stop.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::bench::{Node, acme, complete, enqueue, events, failure, node, plain, specs, state};
use async_trait::async_trait;
use bulla_base::{AddonName, ApprovalId, Failure, Millis, SystemRng, TraceId};
use bulla_contract::on_both;
use bulla_kernel::jobs::{Claimed, Enqueue, JobError, JobState, RunJob, Runner, RunnerConfig, Settled};
use bulla_kernel::ports::{Continuation, Continuations, JobSchedule};
use bulla_store::{StoreError, Unit};

#[tokio::test]
async fn of_two_nodes_one_takes_each_job() {
    on_both(async |bench| {
        let (one, two) =
            (node(&bench, specs(&[plain("deliver")])).await, node(&bench, specs(&[plain("deliver")])).await);
        for _ in 0..20 {
            enqueue(&bench, &one, "acme", "deliver", Enqueue::default()).await;
        }
        let mut taken = Vec::new();
        while taken.len() < 20 {
            let (a, b) = tokio::join!(one.jobs.claim(3), two.jobs.claim(3));
            taken.extend(a.unwrap().into_iter().chain(b.unwrap()).map(|claimed| claimed.id().clone()));
        }
        assert_eq!(taken.iter().collect::<BTreeSet<_>>().len(), 20);
        assert_eq!(events(&one.core, "acme", "job.attempted").await, 20);
        assert!(one.jobs.claim(3).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn of_two_nodes_one_runs_under_a_lock_key() {
    on_both(async |bench| {
        let mut locked = plain("deliver");
        locked.lock_key = Some("deliver".parse().unwrap());
        let mut also = plain("remind");
        also.lock_key = locked.lock_key.clone();
        let jobs = [locked, also, plain("free")];
        let (one, two) = (node(&bench, specs(&jobs)).await, node(&bench, specs(&jobs)).await);
        for name in ["deliver", "remind", "deliver"] {
            enqueue(&bench, &one, "acme", name, Enqueue::default()).await;
        }
        for round in 0..3 {
            let (a, b) = tokio::join!(one.jobs.claim(9), two.jobs.claim(9));
            let (a, b) = (a.unwrap(), b.unwrap());
            assert_eq!(a.len() + b.len(), 1, "round {round}");
            assert!(one.jobs.claim(9).await.unwrap().is_empty(), "the key is held");
            let (holder, claimed) = if a.is_empty() { (&two, &b[0]) } else { (&one, &a[0]) };
            complete(holder, claimed).await.unwrap();
        }
        enqueue(&bench, &one, "acme", "deliver", Enqueue::default()).await;
        enqueue(&bench, &one, "globex", "deliver", Enqueue::default()).await;
        enqueue(&bench, &one, "acme", "free", Enqueue::default()).await;
        assert_eq!(two.jobs.claim(9).await.unwrap().len(), 3, "another tenant's key and no key are free");
    })
    .await;
}

#[tokio::test]
async fn a_node_that_lost_its_lease_commits_nothing() {
    on_both(async |bench| {
        let mut locked = plain("deliver");
        locked.lock_key = Some("deliver".parse().unwrap());
        let (stalled, other) =
            (node(&bench, specs(&[locked.clone()])).await, node(&bench, specs(&[locked])).await);
        let id = enqueue(&bench, &stalled, "acme", "deliver", Enqueue::default()).await;
        let lost = stalled.jobs.claim(1).await.unwrap().remove(0);
        bench.clock.advance(Duration::from_secs(59));
        assert_eq!(other.jobs.reclaim().await.unwrap(), 0);
        assert!(stalled.jobs.extend(&lost).await.unwrap());
        bench.clock.advance(Duration::from_secs(59));
        assert_eq!(other.jobs.reclaim().await.unwrap(), 0, "it was extended");
        let mut unit = Unit::default();
        stalled.jobs.complete(&mut unit, &id, 1, b"null").await.unwrap();
        bench.clock.advance(Duration::from_secs(1));
        assert_eq!(other.jobs.reclaim().await.unwrap(), 1);
        assert_eq!(events(&other.core, "acme", "job.reclaimed").await, 1);
        bench.clock.advance(Duration::from_secs(1));
        let again = other.jobs.claim(1).await.unwrap().remove(0);
        assert_eq!((again.id(), again.job.attempt), (&id, 2));
        let fenced = stalled.core.committer.commit(unit).await.unwrap_err();
        assert!(matches!(fenced, StoreError::Conflict { table: "job", .. }), "{fenced}");
        assert_eq!(stalled.jobs.failed(&lost, &failure("late")).await.unwrap(), Settled::Lost);
        assert_eq!(state(&other, "acme", &id).await, JobState::Running);
        complete(&other, &again).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_lost_lease_cannot_be_extended() {
    on_both(async |bench| {
        let (stalled, other) =
            (node(&bench, specs(&[plain("deliver")])).await, node(&bench, specs(&[plain("deliver")])).await);
        let id = enqueue(&bench, &stalled, "acme", "deliver", Enqueue::default()).await;
        let lost = stalled.jobs.claim(1).await.unwrap().remove(0);
        bench.clock.advance(Duration::from_secs(60));
        assert_eq!(other.jobs.reclaim().await.unwrap(), 1);
        assert!(!stalled.jobs.extend(&lost).await.unwrap());
        let complete = stalled.jobs.complete(&mut Unit::default(), &id, 1, b"null").await;
        assert!(matches!(complete, Err(JobError::NotHeld { .. })));
    })
    .await;
}

#[tokio::test]
async fn a_job_that_kills_its_node_is_dead_in_the_end() {
    on_both(async |bench| {
        let mut spec = plain("deliver");
        spec.retries = 1;
        let node = node(&bench, specs(&[spec])).await;
        let id = enqueue(&bench, &node, "acme", "deliver", Enqueue::default()).await;
        for _ in 0..2 {
            assert_eq!(node.jobs.claim(1).await.unwrap().len(), 1);
            bench.clock.advance(Duration::from_secs(60));
            assert_eq!(node.jobs.reclaim().await.unwrap(), 1);
            bench.clock.advance(Duration::from_secs(60));
        }
        assert_eq!(state(&node, "acme", &id).await, JobState::Dead);
    })
    .await;
}

#[tokio::test]
async fn of_two_nodes_one_enqueues_a_tick() {
    on_both(async |bench| {
        let mut spec = plain("sweep");
        spec.schedule = JobSchedule::Every(Millis(60_000));
        let (one, two) = (node(&bench, specs(&[spec.clone()])).await, node(&bench, specs(&[spec])).await);
        let (a, b) = tokio::join!(one.jobs.tick(), two.jobs.tick());
        assert_eq!(a.unwrap() + b.unwrap(), 0);
        assert_eq!(events(&one.core, "acme", "job.scheduled").await, 1);
        for _ in 0..5 {
            bench.clock.advance(Duration::from_secs(60));
            let (a, b) = tokio::join!(one.jobs.tick(), two.jobs.tick());
            assert_eq!(a.unwrap() + b.unwrap(), 1);
            let claimed = one.jobs.claim(9).await.unwrap();
            assert_eq!(claimed.len(), 1);
            complete(&one, &claimed[0]).await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn failures_on_two_nodes_are_all_counted() {
    on_both(async |bench| {
        let mut spec = plain("deliver");
        spec.circuit = Some((6, Millis(60_000)));
        let (one, two) = (node(&bench, specs(&[spec.clone()])).await, node(&bench, specs(&[spec])).await);
        for _ in 0..6 {
            enqueue(&bench, &one, "acme", "deliver", Enqueue::default()).await;
        }
        let (first, second) = (one.jobs.claim(3).await.unwrap(), two.jobs.claim(3).await.unwrap());
        assert_eq!((first.len(), second.len()), (3, 3));
        let lose = async |node: &Node, claimed: Arc<Claimed>| {
            node.jobs.failed(&claimed, &failure("no")).await.unwrap()
        };
        let ends = first.into_iter().map(|claimed| lose(&one, claimed)).collect::<Vec<_>>();
        let more = second.into_iter().map(|claimed| lose(&two, claimed)).collect::<Vec<_>>();
        let (ends, more) = tokio::join!(futures::future::join_all(ends), futures::future::join_all(more));
        assert!(ends.into_iter().chain(more).all(|settled| matches!(settled, Settled::Again { .. })));
        assert_eq!(events(&one.core, "acme", "job.circuit-opened").await, 1);
    })
    .await;
}

#[tokio::test]
async fn an_approval_continues_once() {
    on_both(async |bench| {
        let node = node(&bench, specs(&[])).await;
        let addon: AddonName = "einvoice".parse().unwrap();
        let continuation = Continuation {
            tenant: acme(),
            addon,
            action: "issue".parse().unwrap(),
            payload: "{}".into(),
            approval: ApprovalId::draw(&SystemRng),
            requester: "ada".parse().unwrap(),
            decider: "carl".parse().unwrap(),
            object: "invoice/1".parse().unwrap(),
            digest: "ab".repeat(32),
            trace: TraceId::draw(&SystemRng),
            decision_trace: TraceId::draw(&SystemRng),
        };
        let mut units = [Unit::default(), Unit::default()];
        let ids = units.each_mut().map(|unit| node.jobs.stage(unit, &bench.origin("acme"), &continuation));
        assert_eq!(ids[0], ids[1]);
        let [first, second] = units;
        node.core.committer.commit(first).await.unwrap();
        node.core.committer.commit(second).await.unwrap_err();
        assert_eq!(node.jobs.claim(9).await.unwrap().len(), 1);
    })
    .await;
}

/// Fails each job once, then commits its success.
struct SecondTime {
    node: Arc<Node>,
    runs: AtomicUsize,
}

#[async_trait]
impl RunJob for SecondTime {
    async fn run(&self, claimed: &Claimed) -> Result<(), Failure> {
        self.runs.fetch_add(1, Ordering::Relaxed);
        if claimed.job.attempt == 1 {
            return Err(failure("not yet"));
        }
        let mut unit = Unit::default();
        self.node.jobs.complete(&mut unit, claimed.id(), claimed.job.attempt, b"null").await.unwrap();
        self.node.core.committer.commit(unit).await.map_err(|error| failure(&error.to_string()))
    }
}

/// Never ends by itself.
struct Stuck;

#[async_trait]
impl RunJob for Stuck {
    async fn run(&self, _: &Claimed) -> Result<(), Failure> {
        std::future::pending().await
    }
}

/// Says that it ended, and committed nothing.
struct Forgetful;

#[async_trait]
impl RunJob for Forgetful {
    async fn run(&self, _: &Claimed) -> Result<(), Failure> {
        Ok(())
    }
}

fn quick() -> RunnerConfig {
    RunnerConfig {
        poll: Duration::from_millis(20),
        housekeeping: Duration::from_millis(20),
        grace: Duration::from_millis(50),
        ..RunnerConfig::default()
    }
}

async fn until(node: &Node, what: &str, wanted: impl AsyncFn(&Node) -> bool) {
    for _ in 0..500 {
        if wanted(node).await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what}");
}

#[tokio::test]
async fn a_runner_works_the_queue_until_it_is_stopped() {
    on_both(async |bench| {
        let mut spec = plain("deliver");
        spec.backoff = Millis(0);
        let node = Arc::new(node(&bench, specs(&[spec])).await);
        let run = Arc::new(SecondTime { node: node.clone(), runs: AtomicUsize::new(0) });
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let runner = Runner::new(node.jobs.clone(), run.clone(), quick());
        let runner = tokio::spawn(runner.run(async { drop(stopped.await) }));
        let mut ids = Vec::new();
        for _ in 0..20 {
            ids.push(enqueue(&bench, &node, "acme", "deliver", Enqueue::default()).await);
            node.jobs.wake();
        }
        until(&node, "all succeed", async |node| {
            for id in &ids {
                if state(node, "acme", id).await != JobState::Succeeded {
                    return false;
                }
            }
            true
        })
        .await;
        drop(stop);
        runner.await.unwrap();
        assert_eq!(run.runs.load(Ordering::Relaxed), 40);
        let after = enqueue(&bench, &node, "acme", "deliver", Enqueue::default()).await;
        tokio::time::sleep(Duration::from_millis(60)).await;
        assert_eq!(state(&node, "acme", &after).await, JobState::Waiting);
    })
    .await;
}

#[tokio::test]
async fn a_run_beyond_the_grace_is_stopped_and_tried_again_later() {
    on_both(async |bench| {
        let node = node(&bench, specs(&[plain("deliver")])).await;
        let id = enqueue(&bench, &node, "acme", "deliver", Enqueue::default()).await;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let runner = Runner::new(node.jobs.clone(), Arc::new(Stuck), quick());
        let runner = tokio::spawn(runner.run(async { drop(stopped.await) }));
        until(&node, "it runs", async |node| state(node, "acme", &id).await == JobState::Running).await;
        drop(stop);
        runner.await.unwrap();
        let job = node.jobs.get(&acme(), &id).await.unwrap();
        assert_eq!((job.state, job.error_code.as_deref()), (JobState::Waiting, Some("unavailable")));
    })
    .await;
}

#[tokio::test]
async fn a_run_that_committed_no_success_has_failed() {
    on_both(async |bench| {
        let node = node(&bench, specs(&[plain("deliver")])).await;
        let id = enqueue(&bench, &node, "acme", "deliver", Enqueue::default()).await;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let runner = Runner::new(node.jobs.clone(), Arc::new(Forgetful), quick());
        let runner = tokio::spawn(runner.run(async { drop(stopped.await) }));
        until(&node, "it failed", async |node| {
            state(node, "acme", &id).await == JobState::Waiting
                && events(&node.core, "acme", "job.failed").await == 1
        })
        .await;
        drop(stop);
        runner.await.unwrap();
        let job = node.jobs.get(&acme(), &id).await.unwrap();
        assert_eq!(job.error_code.as_deref(), Some("internal"));
    })
    .await;
}
