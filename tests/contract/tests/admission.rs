//! Admission and usage: what they leave in the database, and what a waiting call does.
#![expect(clippy::unwrap_used, reason = "a test fails loudly, in its helpers too")]

use std::time::Duration;

use bulla_base::{Bytes, Fuel, Limits, Millis, Rate, TenantId, codes};
use bulla_contract::on_both;
use bulla_kernel::admission::{Admission, Reason};
use bulla_kernel::audit::{Audit, DEFAULT_ORIGIN, LogName, Query};
use bulla_kernel::grants::Grants;
use bulla_kernel::ports::Usage;
use bulla_kernel::usage::{Budget, Meter};

const LONG: Duration = Duration::from_secs(60);

fn limits(rate: u32, concurrency: u32) -> Limits {
    Limits { rate: Rate { per_second: rate, burst: rate }, concurrency, queue: 100, ..Default::default() }
}

fn acme() -> TenantId {
    "acme".parse().unwrap()
}

#[tokio::test]
async fn a_call_waits_for_a_permit_and_leaves_when_it_is_dropped() {
    on_both(async |bench| {
        let admission = Admission::new(bench.core().await, 2);
        let one = limits(1_000, 1);
        let held = admission.admit(&acme(), &one, LONG).await.unwrap();
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let admission = admission.clone();
                tokio::spawn(async move { admission.admit(&acme(), &one, LONG).await })
            })
            .collect();
        let load = || admission.loads().remove(0);
        while load().waiting < 3 {
            tokio::task::yield_now().await;
        }
        assert_eq!((load().running, admission.free_places()), (1, 1));
        let mut waiting = waiting.into_iter();
        let (first, second, third) =
            (waiting.next().unwrap(), waiting.next().unwrap(), waiting.next().unwrap());
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        assert_eq!(load().waiting, 2);
        drop(held);
        let held = second.await.unwrap().unwrap();
        assert_eq!((load().running, load().waiting), (1, 1));
        drop(held);
        drop(third.await.unwrap().unwrap());
        assert_eq!((load().running, load().waiting, load().admitted, admission.free_places()), (0, 0, 3, 2));
    })
    .await;
}

#[tokio::test]
async fn refusals_are_written_as_one_entry_a_tenant() {
    on_both(async |bench| {
        let core = bench.core().await;
        let admission = Admission::new(core.clone(), 8);
        let (strict, globex): (_, TenantId) = (limits(2, 1), "globex".parse().unwrap());
        let held = admission.admit(&acme(), &strict, LONG).await.unwrap();
        let busy = admission.admit(&acme(), &strict, Duration::from_millis(5)).await.unwrap_err();
        assert_eq!(busy.reason, Reason::Wait);
        for _ in 0..500 {
            assert_eq!(admission.admit(&acme(), &strict, LONG).await.unwrap_err().reason, Reason::Rate);
        }
        drop(admission.admit(&globex, &strict, LONG).await.unwrap());
        drop(held);
        admission.flush(&bench.origin("system")).await.unwrap();
        admission.flush(&bench.origin("system")).await.unwrap();

        let audit = Audit::new(core, DEFAULT_ORIGIN, None).unwrap();
        let entries = audit.list(&LogName::tenant(&acme()), &Query::default()).await.unwrap().entries;
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].body["event"], "call.throttled");
        assert_eq!(entries[0].body["detail"]["count"], 501);
        assert_eq!(entries[0].body["detail"]["by-reason"], serde_json::json!({"rate": 500, "wait": 1}));
        let theirs = audit.list(&LogName::tenant(&globex), &Query::default()).await;
        assert!(theirs.is_err(), "who was let in has no log: {theirs:?}");
    })
    .await;
}

fn usage(fuel: u64, memory: u64) -> Usage {
    Usage {
        fuel: Fuel(fuel),
        memory_peak: Bytes(memory),
        elapsed: Millis(3),
        host_bytes: Bytes(0),
        log_bytes: Bytes(0),
    }
}

#[tokio::test]
async fn usage_adds_up_over_nodes_that_flush_at_once() {
    on_both(async |bench| {
        let (one, two) = (Meter::new(bench.core().await), Meter::new(bench.core().await));
        for _ in 0..5 {
            for node in [&one, &two] {
                let call = bench.call("acme", Grants::default());
                node.count(&call, &usage(10, 100), Ok(()), None);
                node.count(&call, &usage(1, 200), Err(codes::TRAP), None);
            }
            let origin = bench.origin("system");
            let flushed = tokio::join!(one.flush(&origin), two.flush(&origin));
            assert_eq!((flushed.0.unwrap(), flushed.1.unwrap()), (1, 1));
        }
        assert_eq!(one.flush(&bench.origin("system")).await.unwrap(), 0);
        let totals = two.list(&acme()).await.unwrap();
        assert_eq!(totals.len(), 1);
        let total = &totals[0];
        assert_eq!((total.calls, total.ok, total.failed["trap"]), (20, 10, 10));
        assert_eq!((total.fuel, total.elapsed_ms, total.memory_peak), (110, 60, 200));
        assert!(two.list(&"globex".parse().unwrap()).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_flushed_is_kept() {
    on_both(async |bench| {
        let core = bench.core().await;
        let meter = Meter::new(core.clone());
        meter.count(&bench.call("acme", Grants::default()), &usage(1, 1), Ok(()), None);
        core.db.close().await;
        assert!(meter.flush(&bench.origin("system")).await.is_err());
        assert!(meter.flush(&bench.origin("system")).await.is_err(), "it is still to be written");
    })
    .await;
}

#[tokio::test]
async fn a_call_over_its_budget_is_observed_and_counted() {
    on_both(async |bench| {
        let core = bench.core().await;
        let meter = Meter::new(core.clone());
        let budget = Budget { fuel: Some(Fuel(5)), ..Default::default() };
        for fuel in [5, 6] {
            let mut call = bench.call("acme", Grants::default());
            let warning = meter.check_budget(&mut call, &budget, &usage(fuel, 1));
            assert_eq!(warning.is_some(), fuel > 5);
            meter.count(&call, &usage(fuel, 1), Ok(()), warning.as_ref());
            core.committer.commit(call.effects()).await.unwrap();
        }
        meter.flush(&bench.origin("system")).await.unwrap();
        assert_eq!(meter.list(&acme()).await.unwrap()[0].over_budget, 1);
        let audit = Audit::new(core, DEFAULT_ORIGIN, None).unwrap();
        let entries = audit.list(&LogName::tenant(&acme()), &Query::default()).await.unwrap().entries;
        assert_eq!(entries.len(), 1);
        assert_eq!(
            (&entries[0].body["event"], &entries[0].body["object"]),
            (&"call.over-budget".into(), &"einvoice/submit".into())
        );
    })
    .await;
}
