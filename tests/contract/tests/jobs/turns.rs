//! When a job has its turn: schedules, circuits, fairness between tenants.

use std::time::Duration;

use crate::bench::{complete, enqueue, events, failure, node, plain, specs};
use bulla_base::Millis;
use bulla_contract::on_both;
use bulla_kernel::jobs::Enqueue;
use bulla_kernel::ports::{Fairness, JobSchedule};

#[tokio::test]
async fn a_circuit_pauses_a_job_and_lets_one_probe_through() {
    on_both(async |bench| {
        let mut spec = plain("deliver");
        (spec.retries, spec.backoff, spec.circuit) = (50, Millis(1), Some((3, Millis(60_000))));
        let node = node(&bench, specs(&[spec, plain("remind")])).await;
        for _ in 0..5 {
            enqueue(&bench, &node, "acme", "deliver", Enqueue::default()).await;
        }
        for _ in 0..3 {
            let claimed = node.jobs.claim(1).await.unwrap().remove(0);
            node.jobs.failed(&claimed, &failure("no answer")).await.unwrap();
            bench.clock.advance(Duration::from_millis(2));
        }
        assert_eq!(events(&node.core, "acme", "job.circuit-opened").await, 1);
        assert!(node.jobs.claim(9).await.unwrap().is_empty(), "it is paused");
        enqueue(&bench, &node, "acme", "remind", Enqueue::default()).await;
        enqueue(&bench, &node, "globex", "deliver", Enqueue::default()).await;
        assert_eq!(node.jobs.claim(9).await.unwrap().len(), 2, "another job and another tenant are not");
        bench.clock.advance(Duration::from_secs(60));
        let probe = node.jobs.claim(9).await.unwrap();
        assert_eq!(probe.len(), 1, "one probes");
        assert!(node.jobs.claim(9).await.unwrap().is_empty());
        node.jobs.failed(&probe[0], &failure("still no answer")).await.unwrap();
        assert_eq!(events(&node.core, "acme", "job.circuit-opened").await, 2);
        bench.clock.advance(Duration::from_secs(59));
        assert!(node.jobs.claim(9).await.unwrap().is_empty(), "the pause begins again");
        bench.clock.advance(Duration::from_secs(1));
        let probe = node.jobs.claim(9).await.unwrap().remove(0);
        complete(&node, &probe).await.unwrap();
        assert_eq!(events(&node.core, "acme", "job.circuit-closed").await, 1);
        assert_eq!(node.jobs.claim(9).await.unwrap().len(), 4, "all run again");
    })
    .await;
}

#[tokio::test]
async fn missed_ticks_give_one_run_and_a_slow_run_keeps_the_next_one_waiting() {
    on_both(async |bench| {
        let mut spec = plain("sweep");
        spec.schedule = JobSchedule::Cron("*/5 * * * *".into());
        let mut fast = plain("beat");
        fast.schedule = JobSchedule::Every(Millis(60_000));
        let node = node(&bench, specs(&[spec, fast])).await;
        assert_eq!(node.jobs.tick().await.unwrap(), 0, "a new schedule starts from now");
        assert_eq!(events(&node.core, "acme", "job.scheduled").await, 2);
        bench.clock.advance(Duration::from_secs(17 * 60));
        assert_eq!((node.jobs.tick().await.unwrap(), node.jobs.tick().await.unwrap()), (2, 0));
        bench.clock.advance(Duration::from_secs(5 * 60));
        assert_eq!(node.jobs.tick().await.unwrap(), 0, "the run before has not ended");
        for claimed in node.jobs.claim(9).await.unwrap() {
            assert_eq!(claimed.request("p".into()).input, b"{}");
            complete(&node, &claimed).await.unwrap();
        }
        assert_eq!((node.jobs.tick().await.unwrap(), node.jobs.tick().await.unwrap()), (2, 0));
    })
    .await;
}

#[tokio::test]
async fn a_thousand_jobs_of_one_tenant_do_not_keep_another_waiting() {
    on_both(async |bench| {
        let mut slow = plain("bulk");
        slow.fairness = Fairness::Bulk;
        let node = node(&bench, specs(&[plain("deliver"), slow])).await;
        let mut call = bench.call("acme", Default::default());
        for _ in 0..1_000 {
            node.jobs.enqueue(&mut call, "deliver", b"{}".to_vec(), Enqueue::default()).await.unwrap();
        }
        node.core.committer.commit(call.effects()).await.unwrap();
        bench.clock.advance(Duration::from_secs(60));
        enqueue(&bench, &node, "globex", "deliver", Enqueue::default()).await;
        enqueue(&bench, &node, "initech", "bulk", Enqueue::default()).await;
        let tenants: Vec<String> =
            node.jobs.claim(8).await.unwrap().iter().map(|claimed| claimed.job.tenant.to_string()).collect();
        assert_eq!(tenants.len(), 8);
        for late in ["globex", "initech"] {
            assert!(tenants.iter().any(|tenant| tenant == late), "{late} in {tenants:?}");
        }
    })
    .await;
}
