//! What hostile guests leave to see and to read. That each sin ends with its own error stands in `sins`.

use std::time::Duration;

use bulla_suite::patience::timed;
use bulla_suite::{Bench, Tenant};
use serde_json::{Value, json};

fn glutton(bench: &Bench, id: &str) -> Tenant {
    let tenant = bench.tenant(id);
    tenant.install(&bench.publisher.package("glutton"), None).ok();
    tenant
}

fn count(count: u64) -> Value {
    json!({ "count": count })
}

#[test]
fn what_stays_within_the_limits_is_no_sin() {
    let bench = Bench::start();
    let acme = glutton(&bench, "acme");
    assert_eq!(
        acme.call("glutton/echo", &json!({"a": [1, {"b": "ü"}]})).data(),
        json!({"a": [1, {"b": "ü"}]})
    );
    assert_eq!(acme.call("glutton/bad_output", &count(10)).data()["value"], 10);
    assert_eq!(acme.call("glutton/wide_output", &count(100_000)).data().as_array().unwrap().len(), 100_000);
    acme.call("glutton/deep_output", &count(100)).ok();
    let reply = acme.call("glutton/refuse", &json!({}));
    let problem = reply.guest_refused("not-today");
    assert_eq!(
        (&problem["detail"], &problem["details"]["details"]["courses"]),
        (&json!("the glutton is full"), &json!(7))
    );
    acme.call("glutton/flood_audit", &count(256)).ok();
    let reply = acme.call("glutton/flood_audit", &count(257));
    assert!(reply.guest_refused("limit").to_string().contains("audit-entries"));
    assert_eq!(acme.audit("event=addon.flood").len(), 256);
}

#[test]
fn a_flooded_log_is_cut_and_the_cut_recorded_once() {
    let bench = Bench::start();
    let acme = glutton(&bench, "acme");
    let reply = acme.call("glutton/flood_log", &count(1_000));
    assert_eq!(reply.ok()["usage"]["log-bytes"], "16300B", "163 lines of 100 bytes: {}", reply.text);
    let entries = acme.audit(&format!("trace={}", reply.trace()));
    let cuts: Vec<_> = entries.iter().filter(|entry| entry["event"] == "call.limited").collect();
    assert_eq!(cuts.len(), 1, "{entries:?}");
    assert_eq!(cuts[0]["object"], "log");
}

#[test]
fn a_trap_is_told_by_function_to_the_operator_and_by_code_to_the_caller() {
    let bench = Bench::start();
    let acme = glutton(&bench, "acme");
    let reply = acme.call("glutton/trap", &json!({}));
    assert!(!reply.refused("trap").to_string().contains("resources.rs"), "{}", reply.text);
    let log = bench.server.log();
    let line = log.lines().find(|line| line.contains(&reply.trace())).unwrap();
    assert!(line.contains("resources.rs") && line.contains("export_run"), "{line}");
    let reply = acme.call("glutton/panic", &count(10));
    assert!(bench.server.log().contains("xxxxxxxxxx"), "{}", reply.text);
}

#[test]
fn nothing_is_kept_from_one_call_to_the_next() {
    let bench = Bench::start();
    let (acme, neighbour) = (glutton(&bench, "acme"), glutton(&bench, "neighbour"));
    let marker = json!({"head": "f5d2c8-one-half-", "tail": "and-the-other-91e07b"});
    for _ in 0..5 {
        assert_eq!(acme.call("glutton/keep_state", &json!({})).data()["times"], 1);
        assert!(acme.call("glutton/leave_bytes", &marker).data()["times"].as_u64().unwrap() > 20_000);
        for tenant in [&acme, &neighbour] {
            assert_eq!(tenant.call("glutton/find_bytes", &marker).data()["times"], 0);
        }
    }
}

#[test]
fn two_spinners_do_not_hold_up_health_or_a_neighbour() {
    let bench = Bench::start();
    let neighbour = glutton(&bench, "neighbour");
    // A tier with so much fuel that the deadline comes first.
    let policy = bench.server.data().policy("quotas.toml");
    let quotas = std::fs::read_to_string(&policy).unwrap();
    let quotas = format!(
        "{quotas}\n[tier.wide]\nfuel = \"100G\"\ndeadline = \"3s\"\n\n[tenant.acme]\ntier = \"wide\"\n"
    );
    let acme = glutton(&bench, "acme");
    bench.server.data().write_policy("quotas.toml", &quotas);
    bench.operator.poke("/v1/policy/reload").ok();
    std::thread::scope(|scope| {
        let spinners: Vec<_> =
            (0..4).map(|_| scope.spawn(|| acme.call("glutton/spin", &json!({})))).collect();
        let mut slowest = Duration::ZERO;
        while !spinners.iter().all(|spinner| spinner.is_finished()) {
            std::thread::sleep(Duration::from_millis(10));
            let (health, took) = timed(|| bench.operator.get("/healthz"));
            assert_eq!(health.status, 200);
            let (call, longer) = timed(|| neighbour.call("glutton/noop", &json!({})));
            call.ok();
            slowest = slowest.max(took).max(longer);
        }
        for spinner in spinners {
            spinner.join().unwrap().refused("deadline");
        }
        assert!(slowest < Duration::from_millis(1_500), "{slowest:?}");
    });
}
