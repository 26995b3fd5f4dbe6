//! How jobs are enqueued, tried and ended where nothing races.

use std::time::Duration;

use crate::bench::{acme, complete, enqueue, events, failure, keyed, node, now_ms, plain, specs, state};
use bulla_base::{Bytes, Coded, Failure, JobId, Millis, codes};
use bulla_contract::on_both;
use bulla_kernel::guest_error::GuestError;
use bulla_kernel::jobs::{Enqueue, JobError, JobState, Jobs, JobsConfig, Page, Settled};
use bulla_store::Unit;

#[tokio::test]
async fn a_success_commits_with_the_effects_of_its_call() {
    on_both(async |bench| {
        let node = node(&bench, specs(&[plain("deliver")])).await;
        let id = enqueue(&bench, &node, "acme", "deliver", Enqueue::default()).await;
        let claimed = node.jobs.claim(9).await.unwrap().remove(0);
        assert_eq!((claimed.id(), claimed.job.attempt), (&id, 1));
        assert_eq!(events(&node.core, "acme", "job.attempted").await, 1, "recorded before it runs");
        assert_eq!(state(&node, "acme", &id).await, JobState::Running);
        let mut call = bench.call("acme", Default::default());
        node.jobs.enqueue(&mut call, "deliver", b"{}".to_vec(), Enqueue::default()).await.unwrap();
        let mut unit = call.effects();
        node.jobs.complete(&mut unit, &id, 1, br#"{"status":200}"#).await.unwrap();
        assert_eq!(state(&node, "acme", &id).await, JobState::Running, "nothing shows before the commit");
        node.core.committer.commit(unit).await.unwrap();
        node.jobs.succeeded(&claimed).await.unwrap();
        let done = node.jobs.get(&acme(), &id).await.unwrap();
        assert_eq!(
            (done.state, done.result),
            (JobState::Succeeded, Some(serde_json::json!({"status": 200})))
        );
        let waiting = Page { state: Some(JobState::Waiting), ..Page::default() };
        assert_eq!(node.jobs.list(&acme(), &waiting).await.unwrap().len(), 1, "the effect is there too");
        let late = node.jobs.complete(&mut Unit::default(), &id, 1, b"{}").await.unwrap_err();
        assert!(matches!(late, JobError::NotHeld { .. }), "{late}");
    })
    .await;
}

#[tokio::test]
async fn a_result_beyond_its_limit_is_only_counted() {
    on_both(async |bench| {
        let node = node(&bench, specs(&[plain("deliver")])).await;
        for (length, kept) in [(64 << 10, true), ((64 << 10) + 1, false)] {
            let id = enqueue(&bench, &node, "acme", "deliver", Enqueue::default()).await;
            node.jobs.claim(1).await.unwrap();
            let result = format!("\"{}\"", "x".repeat(length - 2));
            let mut unit = Unit::default();
            node.jobs.complete(&mut unit, &id, 1, result.as_bytes()).await.unwrap();
            node.core.committer.commit(unit).await.unwrap();
            assert_eq!(node.jobs.get(&acme(), &id).await.unwrap().result.is_some(), kept);
        }
    })
    .await;
}

#[tokio::test]
async fn a_failed_job_waits_longer_each_time_and_is_dead_at_last() {
    on_both(async |bench| {
        let mut spec = plain("deliver");
        (spec.retries, spec.backoff) = (2, Millis(1_000));
        let node = node(&bench, specs(&[spec])).await;
        let id = enqueue(&bench, &node, "acme", "deliver", Enqueue::default()).await;
        for (attempt, longest) in [(1, 1_000), (2, 2_000)] {
            let claimed = node.jobs.claim(1).await.unwrap().remove(0);
            assert_eq!(claimed.job.attempt, attempt);
            let settled = node.jobs.failed(&claimed, &failure("no answer\0")).await.unwrap();
            let Settled::Again { due_ms } = settled else { panic!("{settled:?}") };
            let wait = due_ms - now_ms(&bench);
            assert!((longest / 2..=longest).contains(&wait), "attempt {attempt} waits {wait} ms");
            assert!(node.jobs.claim(1).await.unwrap().is_empty());
            bench.clock.advance(Duration::from_millis(wait as u64));
        }
        let last = node.jobs.claim(1).await.unwrap().remove(0);
        assert_eq!(node.jobs.failed(&last, &failure("no answer")).await.unwrap(), Settled::Dead);
        bench.clock.advance(Duration::from_secs(7_200));
        assert!(node.jobs.claim(1).await.unwrap().is_empty());
        let dead = node.jobs.get(&acme(), &id).await.unwrap();
        assert_eq!(
            (dead.state, dead.attempt, dead.error_code.as_deref()),
            (JobState::Dead, 3, Some("unavailable"))
        );
        assert_eq!(events(&node.core, "acme", "job.dead").await, 1);
        assert_eq!(events(&node.core, "acme", "job.failed").await, 3);
        assert_eq!(
            node.jobs.retry(&bench.origin("acme"), &acme(), &id).await.unwrap().state,
            JobState::Waiting
        );
        let again = node.jobs.claim(1).await.unwrap().remove(0);
        assert_eq!((again.job.attempt, again.job.max_attempts), (4, 6));
        complete(&node, &again).await.unwrap();
        let twice = node.jobs.retry(&bench.origin("acme"), &acme(), &id).await.unwrap_err();
        assert!(matches!(twice, JobError::State { state: JobState::Succeeded, .. }), "{twice}");
    })
    .await;
}

#[tokio::test]
async fn a_failure_that_says_when_to_come_back_is_heard() {
    on_both(async |bench| {
        let node = node(&bench, specs(&[plain("deliver")])).await;
        enqueue(&bench, &node, "acme", "deliver", Enqueue::default()).await;
        let claimed = node.jobs.claim(1).await.unwrap().remove(0);
        let busy = Failure::new(codes::BUSY, "later").retry_after(Millis(50_000));
        let settled = node.jobs.failed(&claimed, &busy).await.unwrap();
        assert_eq!(settled, Settled::Again { due_ms: now_ms(&bench) + 50_000 });
    })
    .await;
}

#[tokio::test]
async fn a_unique_key_holds_one_job_until_it_ends() {
    on_both(async |bench| {
        let node = node(&bench, specs(&[plain("deliver"), plain("remind")])).await;
        let first = enqueue(&bench, &node, "acme", "deliver", keyed("invoice/1")).await;
        assert_eq!(enqueue(&bench, &node, "acme", "deliver", keyed("invoice/1")).await, first);
        assert_ne!(enqueue(&bench, &node, "acme", "remind", keyed("invoice/1")).await, first);
        assert_ne!(enqueue(&bench, &node, "globex", "deliver", keyed("invoice/1")).await, first);
        let mut call = bench.call("acme", Default::default());
        let fresh = node.jobs.enqueue(&mut call, "deliver", b"1".to_vec(), keyed("invoice/2")).await.unwrap();
        let same = node.jobs.enqueue(&mut call, "deliver", b"1".to_vec(), keyed("invoice/2")).await.unwrap();
        assert_eq!(fresh, same);
        let mut racing = bench.call("acme", Default::default());
        node.jobs.enqueue(&mut racing, "deliver", b"1".to_vec(), keyed("invoice/2")).await.unwrap();
        node.core.committer.commit(call.effects()).await.unwrap();
        node.core.committer.commit(racing.effects()).await.unwrap_err();
        let claimed = node.jobs.claim(9).await.unwrap();
        let held = claimed.iter().find(|claimed| *claimed.id() == first).unwrap();
        assert_eq!(enqueue(&bench, &node, "acme", "deliver", keyed("invoice/1")).await, first, "it runs");
        complete(&node, held).await.unwrap();
        assert_ne!(
            enqueue(&bench, &node, "acme", "deliver", keyed("invoice/1")).await,
            first,
            "it has ended"
        );
    })
    .await;
}

#[tokio::test]
async fn a_dead_letter_does_not_take_back_a_key_that_another_has() {
    on_both(async |bench| {
        let mut spec = plain("deliver");
        spec.retries = 0;
        let node = node(&bench, specs(&[spec])).await;
        let dead = enqueue(&bench, &node, "acme", "deliver", keyed("k")).await;
        let claimed = node.jobs.claim(1).await.unwrap().remove(0);
        assert_eq!(node.jobs.failed(&claimed, &failure("no")).await.unwrap(), Settled::Dead);
        let other = enqueue(&bench, &node, "acme", "deliver", keyed("k")).await;
        assert_ne!(other, dead);
        let origin = bench.origin("acme");
        let taken = node.jobs.retry(&origin, &acme(), &dead).await.unwrap_err();
        assert!(matches!(taken, JobError::KeyTaken { .. }), "{taken}");
        node.jobs.cancel(&origin, &acme(), &other, "the other one matters").await.unwrap();
        node.jobs.retry(&origin, &acme(), &dead).await.unwrap();
        node.jobs.cancel(&origin, &acme(), &dead, "enough").await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_enqueued_is_refused_in_order() {
    on_both(async |bench| {
        let node = node(&bench, specs(&[plain("deliver")])).await;
        let mut call = bench.call("acme", Default::default());
        call.limits.jobs = 1;
        let mut ask = async |name: &str, payload: Vec<u8>, options: Enqueue| {
            node.jobs.enqueue(&mut call, name, payload, options).await.map_err(GuestError::from)
        };
        let late = |delay_ms| Enqueue { delay_ms, unique_key: None };
        assert_eq!(ask("drop", b"{".to_vec(), Enqueue::default()).await, Err(GuestError::NotFound));
        for (payload, options) in [
            (&b"{"[..], Enqueue::default()),
            (&b"\xff"[..], Enqueue::default()),
            (b"{}", late(31_536_000_001)),
            (b"{}", keyed("")),
            (b"{}", keyed("a b")),
            (b"{}", keyed(&"a".repeat(201))),
        ] {
            let refused = ask("deliver", payload.to_vec(), options.clone()).await;
            assert!(matches!(refused, Err(GuestError::Invalid(_))), "{options:?}: {refused:?}");
        }
        let sized = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2)).into_bytes();
        let large = ask("deliver", sized((256 << 10) + 1), Enqueue::default()).await;
        assert_eq!(large, Err(GuestError::Limit("payload".into())));
        ask("deliver", sized(256 << 10), late(31_536_000_000)).await.unwrap();
        let many = ask("deliver", b"{}".to_vec(), Enqueue::default()).await;
        assert_eq!(many, Err(GuestError::Limit("jobs".into())));
        node.core.committer.commit(call.effects()).await.unwrap();
        assert_eq!(node.jobs.waiting_bytes(&acme()).await.unwrap().get(), 256 << 10);
        assert!(node.jobs.claim(9).await.unwrap().is_empty(), "it is delayed by a year");
    })
    .await;
}

#[tokio::test]
async fn what_waits_counts_against_the_tenants_storage() {
    on_both(async |bench| {
        let node = node(&bench, specs(&[plain("deliver")])).await;
        let mut call = bench.call("acme", Default::default()).with_storage_left(Bytes(100));
        let payload = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2)).into_bytes();
        node.jobs.enqueue(&mut call, "deliver", payload(60), Enqueue::default()).await.unwrap();
        let refused = node.jobs.enqueue(&mut call, "deliver", payload(41), Enqueue::default()).await;
        assert_eq!(refused.map_err(GuestError::from), Err(GuestError::Limit("storage".into())));
        node.core.committer.commit(call.effects()).await.unwrap();
        let kept = node.jobs.all_waiting_bytes().await.unwrap();
        assert_eq!(kept, [(acme(), Bytes(60))].into());
    })
    .await;
}

#[tokio::test]
async fn an_operator_cancels_what_does_not_run() {
    on_both(async |bench| {
        let node = node(&bench, specs(&[plain("deliver")])).await;
        let (origin, globex) = (bench.origin("acme"), "globex".parse().unwrap());
        let id = enqueue(&bench, &node, "acme", "deliver", Enqueue::default()).await;
        assert!(matches!(node.jobs.get(&globex, &id).await, Err(JobError::Unknown { .. })));
        assert!(matches!(node.jobs.cancel(&origin, &globex, &id, "x").await, Err(JobError::Unknown { .. })));
        assert!(matches!(node.jobs.cancel(&origin, &acme(), &id, "").await, Err(JobError::Reason)));
        let other = enqueue(&bench, &node, "acme", "deliver", Enqueue::default()).await;
        node.jobs.cancel(&origin, &acme(), &other, "not wanted").await.unwrap();
        let claimed = node.jobs.claim(9).await.unwrap();
        assert_eq!(claimed.iter().map(|claimed| claimed.id()).collect::<Vec<&JobId>>(), [&id]);
        let running = node.jobs.cancel(&origin, &acme(), &id, "not wanted").await.unwrap_err();
        assert_eq!(
            (running.code().name, state(&node, "acme", &other).await),
            ("conflict", JobState::Cancelled)
        );
    })
    .await;
}

#[tokio::test]
async fn jobs_that_ended_long_ago_are_forgotten() {
    on_both(async |bench| {
        let mut spec = plain("deliver");
        spec.retries = 0;
        let node = node(&bench, specs(&[spec])).await;
        let (done, dead, waiting) = (
            enqueue(&bench, &node, "acme", "deliver", Enqueue::default()).await,
            enqueue(&bench, &node, "globex", "deliver", Enqueue::default()).await,
            enqueue(&bench, &node, "acme", "deliver", Enqueue { delay_ms: 31_536_000_000, unique_key: None })
                .await,
        );
        for claimed in node.jobs.claim(2).await.unwrap() {
            if *claimed.id() == done {
                complete(&node, &claimed).await.unwrap();
            } else {
                node.jobs.failed(&claimed, &failure("no")).await.unwrap();
            }
        }
        bench.clock.advance(Duration::from_secs(7 * 86_400 - 1));
        assert_eq!(node.jobs.sweep().await.unwrap(), 0);
        bench.clock.advance(Duration::from_secs(1));
        assert_eq!(node.jobs.sweep().await.unwrap(), 1);
        assert!(matches!(node.jobs.get(&acme(), &done).await, Err(JobError::Unknown { .. })));
        bench.clock.advance(Duration::from_secs(23 * 86_400));
        assert_eq!(state(&node, "globex", &dead).await, JobState::Dead);
        assert_eq!(node.jobs.sweep().await.unwrap(), 1);
        assert_eq!(state(&node, "acme", &waiting).await, JobState::Waiting);
    })
    .await;
}

#[tokio::test]
async fn a_restarted_host_takes_its_jobs_back_at_once() {
    on_both(async |bench| {
        let node = node(&bench, specs(&[plain("deliver")])).await;
        let id = enqueue(&bench, &node, "acme", "deliver", Enqueue::default()).await;
        let killed = node.jobs.claim(1).await.unwrap().remove(0);
        let restarted = Jobs::new(bench.core().await, specs(&[plain("deliver")]), JobsConfig::default());
        assert_eq!(restarted.reclaim().await.unwrap(), 0, "the lease still holds");
        assert_eq!(restarted.reclaim_all().await.unwrap(), 1);
        assert_eq!(node.jobs.failed(&killed, &failure("late")).await.unwrap(), Settled::Lost);
        bench.clock.advance(Duration::from_secs(1));
        let again = restarted.claim(1).await.unwrap().remove(0);
        assert_eq!((again.id(), again.job.attempt), (&id, 2));
    })
    .await;
}

#[tokio::test]
async fn a_call_that_was_not_let_in_takes_no_retry() {
    on_both(async |bench| {
        let mut spec = plain("deliver");
        spec.retries = 0;
        spec.circuit = Some((1, Millis(60_000)));
        let node = node(&bench, specs(&[spec])).await;
        let id = enqueue(&bench, &node, "acme", "deliver", Enqueue::default()).await;
        let busy = Failure::new(codes::BUSY, "busy").retry_after(Millis(7_000));
        let claimed = node.jobs.claim(1).await.unwrap().remove(0);
        let settled = node.jobs.failed(&claimed, &busy).await.unwrap();
        let Settled::Again { due_ms } = settled else { panic!("{settled:?}") };
        assert_eq!(due_ms, now_ms(&bench) + 7_000);
        bench.clock.advance(Duration::from_millis(7_000));
        let claimed = node.jobs.claim(1).await.unwrap().remove(0);
        assert_eq!((claimed.id(), claimed.job.attempt), (&id, 2), "and its circuit is closed");
        assert_eq!(node.jobs.failed(&claimed, &failure("no")).await.unwrap(), Settled::Dead);
    })
    .await;
}

#[tokio::test]
async fn an_escaped_nul_is_kept_as_it_came() {
    on_both(async |bench| {
        let node = node(&bench, specs(&[plain("deliver")])).await;
        let mut call = bench.call("acme", Default::default());
        let payload = br#"{"text":"a\u0000b"}"#.to_vec();
        let id = node.jobs.enqueue(&mut call, "deliver", payload, Enqueue::default()).await.unwrap();
        node.core.committer.commit(call.effects()).await.unwrap();
        let claimed = node.jobs.claim(1).await.unwrap().remove(0);
        assert_eq!(claimed.request("v1".into()).input, br#"{"text":"a\u0000b"}"#);
        let mut unit = Unit::default();
        node.jobs.complete(&mut unit, &id, 1, br#""\u0000""#).await.unwrap();
        node.core.committer.commit(unit).await.unwrap();
        assert_eq!(node.jobs.get(&acme(), &id).await.unwrap().result, Some("\0".into()));
    })
    .await;
}
