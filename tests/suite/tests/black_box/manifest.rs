//! A field of the manifest that nobody reads would be a promise that nobody keeps: each is changed, and something changes.

use std::collections::BTreeSet;

use bulla_suite::addons::{all_of, edited, guest, of_next_version};
use bulla_suite::patience::timed;
use bulla_suite::{Answer, Bench, Cli, Receiver, Reply, Tenant, manifest, trespasser};
use serde_json::{Value, json};

use crate::manifest_jobs;

/// A field, and the proof that it is read.
pub type Proof = (&'static str, fn(&Bench));

/// All fields but those of jobs.
const FIELDS: &[Proof] = &[
    ("addon.name", name),
    ("addon.version", version),
    ("addon.description", description),
    ("addon.kernel", kernel),
    ("actions", actions),
    ("actions.idempotency", idempotency),
    ("actions.budget.fuel", |bench| budget(bench, "fuel", "10")),
    ("actions.budget.time", |bench| budget(bench, "time", "0ms")),
    ("actions.budget.memory", |bench| budget(bench, "memory", "64KiB")),
    ("capabilities.sequences", sequences),
    ("capabilities.approvals", approvals),
    ("capabilities.secrets.purpose", secret_purpose),
    ("capabilities.secrets.destinations", secret_destinations),
    ("capabilities.keys.purpose", key_purpose),
    ("capabilities.wasi.imports", wasi_imports),
    ("capabilities.wasi.directory", wasi_directory),
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
    ("limits.concurrency", |bench| busy_among_a_dozen(bench, "concurrency", "queue")),
    ("limits.queue", |bench| busy_among_a_dozen(bench, "queue", "concurrency")),
    ("limits.rate", |bench| rate(bench, "limits.rate")),
    ("limits.storage", storage),
];

#[test]
fn every_manifest_field_is_read() {
    let bench = Bench::start();
    let all: Vec<_> = FIELDS.iter().chain(manifest_jobs::FIELDS).collect();
    let named: BTreeSet<_> = all.iter().map(|(field, _)| *field).collect();
    for limit in bulla_base::limits::NAMES {
        assert!(named.contains(format!("limits.{limit}").as_str()), "no proof for the limit `{limit}`");
    }
    for (field, proof) in all {
        eprintln!("{field}");
        proof(&bench);
    }
}

#[test]
fn unknown_and_malformed_fields_are_refused() {
    let bench = Bench::start();
    let component = guest("glutton");
    let refused = |path: &str, value: toml::Value| {
        let text = edited(&manifest("glutton"), path, Some(value));
        bench.publisher.try_seal(&text, &component).expect_err(path)
    };
    for path in [
        "addon.author",
        "actions.noop.budget.cpu",
        "capabilities.network",
        "limits.speed",
        "extra.x",
        "suggested.fuel",
    ] {
        let error = refused(path, "1".into());
        assert!(error.contains("unknown") || error.contains("extra"), "{path}: {error}");
    }
    refused("limits.fuel", 5.into());
    refused("limits.memory", "64MB".into());
    refused("addon.version", "1.0".into());
    refused("addon.name", "Not A Name".into());
    refused("actions.noop.idempotency", "maybe".into());
}

/// A tenant of the field's own.
pub fn tenant(bench: &Bench, field: &str) -> Tenant {
    bench.tenant(&field.replace(['.', '_'], "-"))
}

/// Installs a guest with one field changed; what it asks for is granted, secrets to `destination`.
pub fn install(
    bench: &Bench,
    tenant: &Tenant,
    guest_name: &str,
    path: &str,
    value: impl Into<toml::Value>,
    destination: &str,
) {
    let text = edited(&of_next_version(&manifest(guest_name)), path, Some(value.into()));
    let package = bench.publisher.seal(&text, &guest(guest_name));
    tenant.install(&package, Some(&all_of(&text, destination))).ok();
}

pub fn count(count: u32) -> Value {
    json!({ "count": count })
}

fn marker() -> Value {
    json!({"head": "one-half-of-it-", "tail": "the-other-half"})
}

fn name(bench: &Bench) {
    let tenant = tenant(bench, "addon-name");
    install(bench, &tenant, "glutton", "addon.name", "gourmet", "");
    tenant.call("gourmet/noop", &json!({})).ok();
    tenant.call("glutton/noop", &json!({})).refused("not-found");
}

fn version(bench: &Bench) {
    let tenant = tenant(bench, "addon-version");
    install(bench, &tenant, "glutton", "addon.version", "3.1.4-rc.1", "");
    assert_eq!(tenant.operator.get(&tenant.path("/addons")).data()[0]["version"], "3.1.4-rc.1");
    let reply = tenant.call("glutton/flood_audit", &count(1));
    assert_eq!(tenant.audit(&format!("trace={}", reply.trace()))[0]["call"]["version"], "3.1.4-rc.1");
}

fn description(bench: &Bench) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x.bulla");
    let text = edited(&manifest("glutton"), "addon.description", Some("Described otherwise.".into()));
    std::fs::write(&file, bench.publisher.seal(&text, &guest("glutton"))).unwrap();
    let inspected = Cli::new(["inspect".as_ref(), file.as_os_str()]).run().succeeds();
    assert!(inspected.stdout.contains("Described otherwise."), "{}", inspected.stdout);
    let long = edited(&text, "addon.description", Some("x".repeat(501).into()));
    assert!(bench.publisher.try_seal(&long, &guest("glutton")).unwrap_err().contains("addon.description"));
}

fn kernel(bench: &Bench) {
    let text = edited(&manifest("glutton"), "addon.kernel", Some("0.2".into()));
    assert!(bench.publisher.try_seal(&text, &guest("glutton")).unwrap_err().contains("0.2"));
    let project = tempfile::tempdir().unwrap();
    std::fs::write(project.path().join("addon.toml"), text).unwrap();
    let check = Cli::new(["check".as_ref(), project.path().as_os_str()]).run().ends_with(1);
    assert!(check.stderr.contains("incompatible"), "{}", check.stderr);
}

fn actions(bench: &Bench) {
    let fewer = edited(&manifest("glutton"), "actions.noop", None);
    let more = edited(&manifest("glutton"), "actions.dance", Some(toml::Table::new().into()));
    unlike_the_contract(bench, "glutton", &[(fewer, "noop"), (more, "dance")]);
}

/// Manifest and contract must list the same.
pub fn unlike_the_contract(bench: &Bench, guest_name: &str, cases: &[(String, &str)]) {
    let tenant = tenant(bench, &format!("contract-{guest_name}"));
    for (text, named) in cases {
        let reply = tenant.install(&bench.publisher.seal(text, &guest(guest_name)), None);
        let problem = reply.refused("manifest-invalid");
        assert!(problem["detail"].as_str().unwrap().contains(named), "{problem}");
    }
}

fn idempotency(bench: &Bench) {
    let tenant = tenant(bench, "idempotency");
    install(bench, &tenant, "glutton", "actions.noop.idempotency", "required", "");
    tenant.call("glutton/noop", &json!({})).refused("idempotency-key-required");
    tenant.call_once("glutton/noop", "k", &json!({})).ok();
    install(bench, &tenant, "glutton", "actions.noop.idempotency", "optional", "");
    tenant.call("glutton/noop", &json!({})).ok();
}

/// A budget never fails a call: it warns.
fn budget(bench: &Bench, what: &str, value: &str) {
    let tenant = tenant(bench, &format!("budget-{what}"));
    install(bench, &tenant, "glutton", &format!("actions.flood_log.budget.{what}"), value, "");
    let reply = tenant.call("glutton/flood_log", &count(3_000));
    reply.ok();
    let entries = tenant.audit(&format!("trace={}&event=call.over-budget", reply.trace()));
    assert_eq!(entries.len(), 1, "{what}");
    assert_eq!(entries[0]["detail"]["exceeded"][0]["what"], *what, "{}", entries[0]);
    assert!(bench.server.log().contains("budget"));
    let within = tenant.call("glutton/flood_audit", &count(1));
    assert!(tenant.audit(&format!("trace={}&event=call.over-budget", within.trace())).is_empty());
}

/// What the manifest does not ask for is denied, whatever is granted.
fn not_asked(bench: &Bench, field: &str, path: &str, value: toml::Value, action: &str, input: &Value) {
    let tenant = trespasser::tenant(bench, field, "https://receiver.example");
    tenant.call(action, input).ok();
    let text = edited(&of_next_version(&manifest("trespasser")), path, Some(value));
    let package = bench.publisher.seal(&text, &guest("trespasser"));
    tenant.install(&package, Some(&trespasser::grants("https://receiver.example"))).ok();
    let reply = tenant.call(action, input);
    assert_eq!(reply.body["details"]["code"], "denied", "{path}: {}", reply.text);
}

fn sequences(bench: &Bench) {
    let others = toml::Value::from(vec!["loose"]);
    not_asked(bench, "sequences", "capabilities.sequences", others, "trespasser/peek", &json!("granted"));
}

fn approvals(bench: &Bench) {
    let input = json!({"scope": "granted", "total": "1"});
    // Asked for under another name, which is granted as well, so that the interface itself is not missing.
    let tenant = trespasser::tenant(bench, "approvals", "https://receiver.example");
    tenant.call("trespasser/evaluate", &input).ok();
    let text = edited(&of_next_version(&manifest("trespasser")), "capabilities.approvals", Some(vec!["withheld"].into()));
    let mut grants = trespasser::grants("https://receiver.example");
    grants["approvals"] = json!(["granted", "withheld"]);
    tenant.install(&bench.publisher.seal(&text, &guest("trespasser")), Some(&grants)).ok();
    tenant.call("trespasser/evaluate", &input).guest_refused("denied");
}

fn secret_purpose(bench: &Bench) {
    changed_purpose(bench, "secrets", "delivery", "trespasser/open_secret");
}

fn key_purpose(bench: &Bench) {
    changed_purpose(bench, "keys", "invoice", "trespasser/sign");
}

/// The purpose that was granted is not the one that the manifest asks for.
fn changed_purpose(bench: &Bench, kind: &str, purpose: &str, action: &str) {
    let tenant = trespasser::tenant(bench, &format!("{kind}-purpose"), "https://receiver.example");
    let input = json!({"alias": "granted", "purpose": purpose});
    tenant.call(action, &input).ok();
    let text = edited(
        &manifest("trespasser"),
        &format!("capabilities.{kind}.granted.purpose"),
        Some("other".into()),
    );
    let mut grants = trespasser::grants("https://receiver.example");
    // Another name of the kind keeps the interface granted.
    grants[kind]["withheld"] = grants[kind]["granted"].clone();
    tenant.install(&bench.publisher.seal(&text, &guest("trespasser")), Some(&grants)).ok();
    tenant.call(action, &input).guest_refused("denied");
}

/// What the author expects is what `--grant-all` grants.
fn secret_destinations(bench: &Bench) {
    let tenant = trespasser::tenant(bench, "destinations", "https://receiver.example");
    let receiver = Receiver::willing();
    let path = "capabilities.secrets.granted.destinations";
    let text = edited(&of_next_version(&manifest("trespasser")), path, Some(vec![receiver.origin()].into()));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x.bulla");
    std::fs::write(&file, bench.publisher.seal(&text, &guest("trespasser"))).unwrap();
    let install = ["addon", "install", file.to_str().unwrap(), "--tenant", &tenant.id, "--grant-all"];
    bench.server.data().cli(install).run().succeeds();
    tenant.call("trespasser/send", &trespasser::outgoing(&receiver.url("/"))).ok();
    assert_eq!(receiver.requests().len(), 1);
}

fn wasi_imports(bench: &Bench) {
    let tenant = tenant(bench, "wasi-imports");
    let text = edited(
        &manifest("wasi-reader"),
        "capabilities.wasi.imports",
        Some(vec!["wasi:clocks/wall-clock"].into()),
    );
    let grants = all_of(&manifest("wasi-reader"), "");
    let reply = tenant.install(&bench.publisher.seal(&text, &guest("wasi-reader")), Some(&grants));
    assert!(reply.refused("denied")["detail"].as_str().unwrap().contains("manifest"), "{}", reply.text);
}

fn wasi_directory(bench: &Bench) {
    let tenant = tenant(bench, "wasi-directory");
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("note.txt"), "hello").unwrap();
    let mut grants = all_of(&manifest("wasi-reader"), "");
    grants["directory"] = json!({"path": dir.path(), "writable": true});
    let install = |value: Option<toml::Value>| {
        let text = edited(&of_next_version(&manifest("wasi-reader")), "capabilities.wasi.directory", value);
        tenant.install(&bench.publisher.seal(&text, &guest("wasi-reader")), Some(&grants)).ok();
    };
    let read = || tenant.call("wasi-reader/read", &json!({"path": "/note.txt"}));
    let write = || tenant.call("wasi-reader/write", &json!({"path": "/new.txt", "text": "x"}));
    install(Some("read-write".into()));
    read().ok();
    write().ok();
    install(Some("read-only".into()));
    read().ok();
    write().guest_refused("io");
    install(None);
    read().guest_refused("io");
}

fn suggested_rate(bench: &Bench) {
    rate(bench, "suggested.rate");
}

fn rate(bench: &Bench, path: &str) {
    let tenant = tenant(bench, path);
    install(bench, &tenant, "glutton", path, "1/s, burst 1", "");
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
    let text = edited(&of_next_version(&manifest("trespasser")), &format!("limits.{limit}"), Some(value));
    let package = bench.publisher.seal(&text, &guest("trespasser"));
    tenant.install(&package, Some(&trespasser::grants(&receiver.origin()))).ok();
    tenant
}

/// In a tier with so much fuel that the deadline comes first.
fn deadline(bench: &Bench) {
    let data = bench.server.data();
    let quotas = std::fs::read_to_string(data.policy("quotas.toml")).unwrap();
    let wide = "[tier.wide]\nfuel = \"100G\"\ndeadline = \"20s\"\n[tenant.limit-deadline]\ntier = \"wide\"\n";
    data.write_policy("quotas.toml", &format!("{quotas}\n{wide}"));
    bench.operator.poke("/v1/policy/reload").ok();
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

/// Each alone refuses none of a dozen calls at once; one running and one waiting refuses some.
fn busy_among_a_dozen(bench: &Bench, limit: &str, other: &str) {
    let busy = |id: &str, limits: &[&str]| {
        let tenant = tenant(bench, &format!("limit-{limit}-{id}"));
        let text = limits.iter().fold(manifest("glutton"), |text, limit| {
            edited(&text, &format!("limits.{limit}"), Some(1.into()))
        });
        tenant.install(&bench.publisher.seal(&text, &guest("glutton")), None).ok();
        std::thread::scope(|scope| {
            let calls: Vec<_> =
                (0..12).map(|_| scope.spawn(|| tenant.call("glutton/spin", &json!({})))).collect();
            let replies: Vec<_> = calls.into_iter().map(|call| call.join().unwrap()).collect();
            replies.iter().filter(|reply| reply.status == 429).count()
        })
    };
    assert_eq!(busy("alone", &[other]), 0, "{other} alone");
    assert!(busy("both", &[limit, other]) > 0, "{limit}");
}

fn storage(bench: &Bench) {
    let tenant = tenant(bench, "limit-storage");
    install(bench, &tenant, "nuisance", "limits.storage", "4KiB", "");
    let order = json!({"job": "work", "delay-ms": 3_600_000, "payload": {"label": "x".repeat(1_000)}});
    let replies: Vec<_> = (0..8).map(|_| tenant.call("nuisance/enqueue", &order)).collect();
    let refused = replies.iter().find(|reply| reply.status != 200);
    let refused = refused.unwrap_or_else(|| panic!("8 KB are kept within a limit of 4 KiB"));
    assert!(refused.text.contains("storage"), "{}", refused.text);
}
