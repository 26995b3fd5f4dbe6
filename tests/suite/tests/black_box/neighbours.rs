//! One tenant's exhaustion is never another tenant's error.

use std::time::Duration;

use bulla_suite::{Bench, Reply, Tenant};
use serde_json::json;

fn bench_with_quota(quota: &str) -> (Bench, Tenant, Tenant) {
    let bench = Bench::start();
    let tenants = ["acme", "neighbour"].map(|id| {
        let tenant = bench.tenant(id);
        tenant.install(&bench.publisher.package("glutton"), None).ok();
        tenant
    });
    bench.quotas(&format!("[tenant.acme]\n{quota}"));
    let [acme, neighbour] = tenants;
    (bench, acme, neighbour)
}

fn noop(tenant: &Tenant) -> Reply {
    tenant.call("glutton/noop", &json!({}))
}

#[test]
fn beyond_its_rate_a_tenant_is_told_when_to_come_back() {
    let (_bench, acme, neighbour) = bench_with_quota("override.rate = \"2/s, burst 3\"");
    let replies: Vec<_> = (0..12).map(|_| noop(&acme)).collect();
    let (busy, good): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 429);
    assert!(good.len() >= 3 && busy.len() >= 5, "{} good, {} busy", good.len(), busy.len());
    for reply in busy {
        let problem = reply.refused("busy");
        let wait = problem["retry-after-ms"].as_u64().unwrap();
        assert!((1..=1_000).contains(&wait), "{problem}");
        assert_eq!(reply.header("retry-after"), Some("1"));
        noop(&neighbour).ok();
    }
    std::thread::sleep(Duration::from_millis(1_100));
    noop(&acme).ok();
    let throttled =
        bulla_suite::until("the throttling in the log", || acme.audit("event=call.throttled").pop());
    assert!(throttled["detail"].to_string().contains("rate"), "{throttled}");
}

#[test]
fn beyond_its_storage_a_tenant_keeps_nothing_more() {
    let (bench, acme, neighbour) = bench_with_quota("override.storage = \"8KiB\"");
    for tenant in [&acme, &neighbour] {
        tenant.install(&bench.publisher.package("nuisance"), None).ok();
    }
    let order = json!({"job": "work", "delay-ms": 3_600_000, "payload": {"label": "x".repeat(1_000)}});
    let refused = (0..20).map(|_| acme.call("nuisance/enqueue", &order)).find(|reply| reply.status != 200);
    let refused = refused.unwrap_or_else(|| panic!("20 KB are kept within 8 KiB"));
    assert!(refused.text.contains("storage"), "{}", refused.text);
    for _ in 0..20 {
        neighbour.call("nuisance/enqueue", &order).ok();
    }
}

#[test]
fn beyond_its_queue_a_tenants_calls_are_busy_and_a_neighbours_are_not() {
    let quota = "override.concurrency = 1\noverride.queue = 1";
    let (_bench, acme, neighbour) = bench_with_quota(quota);
    let replies = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..24).map(|_| scope.spawn(|| acme.call("glutton/spin", &json!({})))).collect();
        for _ in 0..10 {
            noop(&neighbour).ok();
        }
        calls.into_iter().map(|call| call.join().unwrap()).collect::<Vec<_>>()
    });
    let busy: Vec<_> = replies.iter().filter(|reply| reply.status == 429).collect();
    assert!(!busy.is_empty());
    for reply in busy {
        assert!(reply.refused("busy")["retry-after-ms"].is_u64());
        assert!(reply.header("retry-after").is_some());
    }
    assert!(replies.iter().any(|reply| reply.body["code"] == "fuel-exhausted"));
}
