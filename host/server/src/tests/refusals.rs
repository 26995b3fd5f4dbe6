//! Refusals in the audit.

use std::time::Duration;

use bulla_kernel::audit::LogName;
use serde_json::json;

use super::bench::{Bench, acme};

#[tokio::test]
async fn a_refusal_is_audited_in_the_log_of_who_asked() {
    let bench = Bench::new().await;
    bench.get(&bench.ada, "/v1/tenants/globex/secrets").await;
    bench.get(&bench.ada, "/v1/tenants").await;
    let entries = bench.audited(&LogName::tenant(&acme()), "request.forbidden").await;
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0]["object"], "secret:list");
    assert_eq!(entries[0]["detail"], json!({"target": "tenant/globex", "count": 1}));
    assert_eq!((&entries[0]["subject"], &entries[0]["policy"]), (&json!("ada"), &json!("policy-1")));
    assert_eq!(entries[1]["detail"]["target"], "host");
    // The other tenant's log is not there for others to write into.
    let globex = LogName::tenant(&"globex".parse().unwrap());
    assert!(bench.audited(&globex, "request.forbidden").await.is_empty());

    let operator = bench.token("watcher", None, "scraper").await;
    bench.get(&operator, "/v1/tenants/acme/secrets").await;
    let entries = bench.audited(&LogName::system(), "request.forbidden").await;
    assert_eq!((entries.len(), &entries[0]["subject"]), (1, &json!("watcher")));
}

#[tokio::test]
async fn a_flood_of_refusals_is_one_entry_a_second() {
    let bench = Bench::new().await;
    let log = LogName::tenant(&acme());
    for _ in 0..50 {
        assert_eq!(bench.get(&bench.ada, "/v1/tenants/globex/secrets").await.status, 403);
    }
    let counts = async || {
        let entries = bench.audited(&log, "request.forbidden").await;
        entries.iter().map(|entry| entry["detail"]["count"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    let mut counted = counts().await;
    for _ in 0..500 {
        if counted.iter().sum::<u64>() == 50 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        counted = counts().await;
    }
    // The first at once, and then what came in each second: one, where the fifty took no longer.
    assert_eq!((counted[0], counted.iter().sum()), (1, 50u64), "{counted:?}");
    assert!(counted.len() <= 10, "{counted:?}");
    // Nobody asked again: nothing more comes, and the next refusal is written at once.
    tokio::time::sleep(Duration::from_secs(3)).await;
    bench.get(&bench.ada, "/v1/tenants/globex/secrets").await;
    let after = counts().await;
    assert_eq!((after.len(), after.last()), (counted.len() + 1, Some(&1)));
}
