//! The limits of the manifest, for `every_manifest_field_is_read`: each is set so low that something runs into it.

use bulla_suite::addons::{edited, guest};
use bulla_suite::patience::timed;
use bulla_suite::{Answer, Bench, Receiver, Reply, Tenant, manifest, trespasser};
use serde_json::{Value, json};

use crate::manifest::{Proof, count, install, other_trespasser, tenant};

pub const FIELDS: &[Proof] = &[
    ("suggested.rate", suggested_rate),
    ("limits.fuel", |bench| call_limit(bench, "fuel", "100", "noop", json!({}), "fuel-exhausted")),
    ("limits.deadline", deadline),
    ("limits.memory", |bench| call_limit(bench, "memory", "1280KiB", "leave_bytes", marker(), "memory")),
    ("limits.table-elements", |bench| call_limit(bench, "table-elements", 1, "noop", json!({}), "limit")),
    ("limits.handles", handles),
    ("limits.host-call", |bench| call_limit(bench, "host-call", "1KiB", "flood_log", count(1), "ok")),
    ("limits.host-calls", |bench| call_limit(bench, "host-calls", "1KiB", "flood_log", count(100), "limit")),
    ("limits.input", |bench| call_limit(bench, "input", "16B", "echo", json!("x".repeat(100)), "limit")),
    ("limits.output", |bench| call_limit(bench, "output", "16B", "wide_output", count(100), "limit")),
    ("limits.log", log),
    ("limits.audit-entries", |bench| {
        call_limit(bench, "audit-entries", 1, "flood_audit", count(2), "guest-error")
    }),
    ("limits.request-body", |bench| send_limit(bench, "request-body", "10B".into())),
    ("limits.response-body", |bench| send_limit(bench, "response-body", "10B".into())),
    ("limits.sends", |bench| send_limit(bench, "sends", 0.into())),
    ("limits.reservations", reservations),
    ("limits.jobs", jobs),
    ("limits.concurrency", |bench| of_the_tenant(bench, "concurrency", 1)),
    ("limits.queue", |bench| of_the_tenant(bench, "queue", 1)),
    ("limits.rate", |bench| of_the_tenant(bench, "rate", "1/s")),
    ("limits.storage", |bench| of_the_tenant(bench, "storage", "1MiB")),
];

fn marker() -> Value {
    json!({"head": "one-half-of-it-", "tail": "the-other-half"})
}

fn suggested_rate(bench: &Bench) {
    let tenant = tenant(bench, "suggested-rate");
    install(bench, &tenant, "glutton", "suggested.rate", "1/s, burst 1", "");
    let busy = |_: u32| tenant.call("glutton/noop", &json!({})).status == 429;
    assert!((0..5).filter(|turn| busy(*turn)).count() >= 3);
}

/// With the limit the call ends with `code`, and the text names the limit; without it, it is `ok`.
fn call_limit(
    bench: &Bench,
    limit: &str,
    value: impl Into<toml::Value>,
    action: &str,
    input: Value,
    code: &str,
) {
    let tenant = tenant(bench, &format!("limit-{limit}"));
    tenant.install(&bench.publisher.package("glutton"), None).ok();
    let action = format!("glutton/{action}");
    tenant.call(&action, &input).ok();
    install(bench, &tenant, "glutton", &format!("limits.{limit}"), value, "");
    let reply = tenant.call(&action, &input);
    if code == "ok" {
        return host_call(&tenant);
    }
    assert_eq!(reply.body["code"], code, "{limit}: {}", reply.text);
    if matches!(code, "limit" | "guest-error") {
        assert!(reply.text.contains(limit), "{limit}: {}", reply.text);
    }
}

/// A line of 100 bytes is carried; one of 2,000 is not.
fn host_call(tenant: &Tenant) {
    let reply = tenant.call("glutton/carry", &count(2_000));
    assert!(reply.refused("limit")["detail"].as_str().unwrap().contains("`host-call`"), "{}", reply.text);
}

fn log(bench: &Bench) {
    let tenant = tenant(bench, "limit-log");
    install(bench, &tenant, "glutton", "limits.log", "250B", "");
    let reply = tenant.call("glutton/flood_log", &count(10));
    assert_eq!(reply.ok()["usage"]["log-bytes"], "200B");
}

fn trespasser_with(bench: &Bench, limit: &str, value: toml::Value, receiver: &Receiver) -> Tenant {
    let tenant = trespasser::tenant(bench, &format!("limit-{limit}"), &receiver.origin());
    let path = format!("limits.{limit}");
    other_trespasser(bench, &tenant, &path, value, &trespasser::grants(&receiver.origin())).ok();
    tenant
}

/// In a tier with so much fuel that the deadline comes first.
fn deadline(bench: &Bench) {
    bench
        .quotas("[tier.wide]\nfuel = \"100G\"\ndeadline = \"20s\"\n[tenant.limit-deadline]\ntier = \"wide\"");
    let tenant = tenant(bench, "limit-deadline");
    install(bench, &tenant, "glutton", "limits.deadline", "200ms", "");
    let (reply, took) = timed(|| tenant.call("glutton/spin", &json!({})));
    assert!(reply.refused("deadline")["detail"].as_str().unwrap().contains("200ms"), "{}", reply.text);
    assert!(took < std::time::Duration::from_secs(5), "{took:?}");
}

fn handles(bench: &Bench) {
    let receiver = Receiver::willing();
    let tenant = trespasser_with(bench, "handles", 0.into(), &receiver);
    let reply = tenant.call("trespasser/peek", &json!("granted"));
    assert!(reply.refused("limit")["detail"].as_str().unwrap().contains("handles"), "{}", reply.text);
}

fn send_limit(bench: &Bench, limit: &str, value: toml::Value) {
    let receiver = Receiver::start(|_| Answer::status(200).body("a body of more than ten bytes"));
    let tenant = trespasser_with(bench, limit, value, &receiver);
    let mut input = trespasser::outgoing(&receiver.url("/"));
    if limit == "request-body" {
        input["body"] = json!("a body of more than ten bytes");
    }
    let reply: Reply = tenant.call("trespasser/send", &input);
    assert!(reply.guest_refused("limit").to_string().contains(limit), "{}", reply.text);
    assert_eq!(receiver.requests().len(), usize::from(limit == "response-body"));
}

fn reservations(bench: &Bench) {
    let receiver = Receiver::willing();
    let tenant = trespasser_with(bench, "reservations", 2.into(), &receiver);
    tenant.call("trespasser/draw", &trespasser::draw("granted", 2)).ok();
    tenant.call("trespasser/draw", &trespasser::draw("granted", 3)).guest_refused("limit");
}

fn jobs(bench: &Bench) {
    let tenant = tenant(bench, "limit-jobs");
    install(bench, &tenant, "nuisance", "limits.jobs", 2, "");
    tenant.call("nuisance/enqueue_many", &count(2)).ok();
    tenant.call("nuisance/enqueue_many", &count(3)).guest_refused("limit");
}

/// What belongs to the tenant as a whole is no addon's to set: written in a manifest it would be a limit that nobody keeps.
fn of_the_tenant(bench: &Bench, limit: &str, value: impl Into<toml::Value>) {
    let text = edited(&manifest("glutton"), &format!("limits.{limit}"), Some(value.into()));
    let sealed = bench.publisher.try_seal(&text, &guest("glutton"));
    let error = sealed.err().unwrap_or_else(|| panic!("`limits.{limit}` is taken, and read by nobody"));
    assert!(error.contains(limit), "{error}");
}
