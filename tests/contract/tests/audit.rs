//! The audit log's laws on both databases, with two nodes at work at the same time.
#![expect(clippy::unwrap_used, reason = "a test fails loudly, in its helpers too")]

use std::sync::Arc;

use bulla_contract::{Bench, on_both};
use bulla_kernel::Core;
use bulla_kernel::audit::{Audit, AuditError, DEFAULT_ORIGIN, Fault, LogName, Query, Trust, verify_bundle};
use bulla_kernel::master::MasterKey;
use bulla_store::Unit;
use futures::future::join_all;
use serde_json::json;

fn audit(core: &Core) -> Audit {
    let master = MasterKey::from_text(&"07".repeat(32)).unwrap();
    Audit::new(core.clone(), DEFAULT_ORIGIN, Some(Arc::new(master))).unwrap()
}

fn log(name: &str) -> LogName {
    if name == "system" { LogName::system() } else { LogName::tenant(&name.parse().unwrap()) }
}

/// `count` commits at once, each with entries in all of these logs, in the order given.
async fn write(bench: &Bench, core: &Core, logs: &[&str], count: usize) {
    let commits = (0..count).map(|n| {
        let mut unit = Unit::default();
        for log in logs {
            unit.record(bench.origin(log).entry("test.written", &format!("thing/{n}"), json!({"n": n})));
        }
        core.committer.commit(unit)
    });
    for outcome in join_all(commits).await {
        outcome.unwrap();
    }
}

async fn fault(audit: &Audit, name: &str) -> Option<Fault> {
    audit.verify(&log(name), &Trust::Host, &[]).await.unwrap().fault
}

#[tokio::test]
async fn two_nodes_that_race_leave_a_dense_log() {
    on_both(async |bench| {
        let (one, two) = (bench.core().await, bench.core().await);
        // In opposite order, so that unsorted locks would meet head-on; no log exists before.
        let logs = ["acme", "globex", "initech", "system"];
        let back: Vec<&str> = logs.iter().rev().copied().collect();
        tokio::join!(write(&bench, &one, &logs, 150), write(&bench, &two, &back, 150));
        let audit = audit(&one);
        for name in logs {
            let listing = audit.list(&log(name), &Query::default()).await.unwrap();
            let indexes: Vec<u64> = listing.entries.iter().map(|entry| entry.index).collect();
            assert_eq!(indexes, (0..300).collect::<Vec<_>>(), "{name}");
            assert_eq!(listing.size, 300);
            assert_eq!(fault(&audit, name).await, None);
        }
    })
    .await;
}

#[tokio::test]
async fn two_nodes_make_one_checkpoint_key_and_one_chain_of_checkpoints() {
    on_both(async |bench| {
        let (one, two) = (bench.core().await, bench.core().await);
        let (first, second) = (audit(&one), audit(&two));
        let by = bench.origin("system");
        let (a, b) = tokio::join!(first.start(&by), second.start(&by));
        a.unwrap();
        b.unwrap();
        assert_eq!(first.verifier_keys(&log("acme")).await.unwrap().len(), 1);

        let mut published = 0;
        for _ in 0..10 {
            tokio::join!(write(&bench, &one, &["acme"], 7), write(&bench, &two, &["acme", "globex"], 5));
            let (a, b) = tokio::join!(first.checkpoint_once(), second.checkpoint_once());
            let (a, b) = (a.unwrap(), b.unwrap());
            assert!(a.refused.is_empty() && b.refused.is_empty());
            published += a.checkpoints + b.checkpoints;
        }
        assert!(published >= 20, "{published}");
        first.checkpoint_once().await.unwrap();
        for name in ["acme", "globex", "system"] {
            let report = second.verify(&log(name), &Trust::Host, &[]).await.unwrap();
            assert_eq!((report.fault, report.published), (None, report.entries), "{name}");
        }
        assert_eq!(first.status().await.unwrap().logs_behind, 0);
    })
    .await;
}

#[tokio::test]
async fn a_log_verifies_while_it_is_written_and_published() {
    on_both(async |bench| {
        let (one, two) = (bench.core().await, bench.core().await);
        let (writer, reader) = (audit(&one), audit(&two));
        writer.start(&bench.origin("system")).await.unwrap();
        write(&bench, &one, &["acme"], 20).await;
        let writing = async {
            for _ in 0..15 {
                write(&bench, &one, &["acme"], 20).await;
                writer.checkpoint_once().await.unwrap();
            }
        };
        let reading = async {
            for _ in 0..15 {
                assert_eq!(fault(&reader, "acme").await, None);
            }
        };
        tokio::join!(writing, reading);
    })
    .await;
}

#[tokio::test]
async fn a_rotation_is_audited_and_counts_on_the_other_node() {
    on_both(async |bench| {
        let (one, two) = (bench.core().await, bench.core().await);
        let (first, second) = (audit(&one), audit(&two));
        first.start(&bench.origin("system")).await.unwrap();
        write(&bench, &one, &["acme"], 3).await;
        second.checkpoint_once().await.unwrap();
        first.rotate(&bench.origin("system")).await.unwrap();
        write(&bench, &two, &["acme"], 3).await;
        second.checkpoint_once().await.unwrap();

        let vkeys: Vec<String> =
            first.verifier_keys(&log("acme")).await.unwrap().into_iter().map(|key| key.vkey).collect();
        let bundle = second.export(&log("acme"), 3, None).await.unwrap();
        assert_eq!(verify_bundle(&bundle, &vkeys).unwrap().to, 6);
        assert!(verify_bundle(&bundle, &vkeys[..1]).is_err(), "the newest checkpoint has the newest key");
        let query = Query { event: Some("audit.key-rotated".into()), ..Default::default() };
        assert_eq!(second.list(&log("system"), &query).await.unwrap().entries.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn listings_filter_alike_on_both_databases() {
    on_both(async |bench| {
        let core = bench.core().await;
        let audit = audit(&core);
        let origin = bench.origin("acme");
        let mut unit = Unit::default();
        for (event, object) in [("a.done", "x/1"), ("b.done", "x/1"), ("a.done", "x/2")] {
            unit.record(origin.entry(event, object, json!({"text": "ä \u{1f4dc} \" \\ \u{1}"})));
        }
        core.committer.commit(unit).await.unwrap();
        write(&bench, &core, &["acme", "acme-2"], 3).await;
        let found = async |query: Query| -> Vec<u64> {
            let listing = audit.list(&log("acme"), &query).await.unwrap();
            listing.entries.iter().map(|entry| entry.index).collect()
        };
        let (trace, object) = (Some(origin.trace.clone()), Some("x/1".parse().unwrap()));
        assert_eq!(found(Query { trace: trace.clone(), ..Default::default() }).await, [0, 1, 2]);
        assert_eq!(found(Query { trace, object: object.clone(), ..Default::default() }).await, [0, 1]);
        assert_eq!(found(Query { object, event: Some("b.done".into()), ..Default::default() }).await, [1]);
        assert_eq!(
            found(Query { from: 1, to: Some(5), limit: Some(3), ..Default::default() }).await,
            [1, 2, 3]
        );
        assert_eq!(fault(&audit, "acme").await, None);
        let nobody = audit.list(&log("nobody"), &Query::default()).await;
        assert!(matches!(nobody, Err(AuditError::NotFound { .. })));
    })
    .await;
}

#[tokio::test]
async fn a_kept_checkpoint_counts_for_its_own_log_only() {
    on_both(async |bench| {
        let core = bench.core().await;
        let audit = audit(&core);
        audit.start(&bench.origin("system")).await.unwrap();
        write(&bench, &core, &["acme"], 4).await;
        audit.checkpoint_once().await.unwrap();
        let kept = vec![audit.newest_checkpoint(&log("acme")).await.unwrap().unwrap()];
        assert_eq!(audit.verify(&log("acme"), &Trust::Host, &kept).await.unwrap().fault, None);

        let foreign = audit.verify(&log("system"), &Trust::Host, &kept).await;
        assert!(
            matches!(foreign, Err(AuditError::Invalid(_))),
            "a checkpoint of another log says nothing: {foreign:?}"
        );
    })
    .await;
}
