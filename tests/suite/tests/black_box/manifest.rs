//! A field of the manifest that nobody reads would be a promise that nobody keeps: each is changed, and something changes.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;

use bulla_suite::addons::{all_of, edited, guest, of_next_version};
use bulla_suite::{Bench, Cli, Receiver, Reply, Tenant, manifest, trespasser};
use serde_json::{Value, json};

use crate::{manifest_jobs, manifest_limits};

/// A field, and the proof that it is read.
pub type Proof = (&'static str, fn(&Bench));

/// All fields but those of jobs and limits.
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
];

#[test]
fn every_manifest_field_is_read() {
    let bench = Bench::start();
    let all: Vec<_> = FIELDS.iter().chain(manifest_jobs::FIELDS).chain(manifest_limits::FIELDS).collect();
    let named: BTreeSet<_> = all.iter().map(|(field, _)| *field).collect();
    for limit in bulla_base::limits::NAMES {
        assert!(named.contains(format!("limits.{limit}").as_str()), "no proof for the limit `{limit}`");
    }
    // All are tried, so that one run names every field that is not read.
    let unread = |proof: &Proof| std::panic::catch_unwind(AssertUnwindSafe(|| proof.1(&bench))).is_err();
    let failed: Vec<_> = all.into_iter().filter(|proof| unread(proof)).map(|(field, _)| field).collect();
    assert!(failed.is_empty(), "not as it should be: {failed:?}");
}

#[test]
fn unknown_and_malformed_fields_are_refused() {
    let bench = Bench::start();
    let component = guest("glutton");
    let refused = |path: &str, value: toml::Value| {
        let text = edited(&manifest("glutton"), path, Some(value));
        bench.publisher.try_seal(&text, &component).err().unwrap_or_else(|| panic!("`{path}` is taken"))
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
    let name = text.parse::<toml::Table>().unwrap()["addon"]["name"].as_str().unwrap().to_owned();
    tenant.reinstall(&name, &package, Some(&all_of(&text, destination))).ok();
}

pub fn count(count: u32) -> Value {
    json!({ "count": count })
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

/// A trespasser whose manifest differs in one place, in the place of the usual one.
pub fn other_trespasser(
    bench: &Bench,
    tenant: &Tenant,
    path: &str,
    value: toml::Value,
    grants: &Value,
) -> Reply {
    let text = edited(&of_next_version(&manifest("trespasser")), path, Some(value));
    tenant.reinstall("trespasser", &bench.publisher.seal(&text, &guest("trespasser")), Some(grants))
}

/// What the manifest does not ask for can be granted to nobody, and is denied. `kind` keeps one name that is asked for.
fn not_asked(
    bench: &Bench,
    kind: &str,
    path: &str,
    value: toml::Value,
    kept: Value,
    action: &str,
    input: &Value,
) {
    let tenant = trespasser::tenant(bench, &path.replace(['.', '_'], "-"), "https://receiver.example");
    tenant.call(action, input).ok();
    let mut grants = trespasser::grants("https://receiver.example");
    let refused = other_trespasser(bench, &tenant, path, value.clone(), &grants);
    assert!(refused.refused("invalid")["detail"].as_str().unwrap().contains("granted"), "{}", refused.text);
    grants[kind] = kept;
    other_trespasser(bench, &tenant, path, value, &grants).ok();
    tenant.call(action, input).guest_refused("denied");
}

fn sequences(bench: &Bench) {
    let others = toml::Value::from(vec!["loose"]);
    let kept = json!(["loose"]);
    not_asked(
        bench,
        "sequences",
        "capabilities.sequences",
        others,
        kept,
        "trespasser/peek",
        &json!("granted"),
    );
}

fn approvals(bench: &Bench) {
    let others = toml::Value::from(vec!["withheld"]);
    let input = json!({"scope": "granted", "total": "1"});
    let kept = json!(["withheld"]);
    not_asked(bench, "approvals", "capabilities.approvals", others, kept, "trespasser/evaluate", &input);
}

fn secret_purpose(bench: &Bench) {
    let kept = json!({"withheld": {"purpose": "delivery", "destinations": []}});
    changed_purpose(bench, "secrets", "delivery", kept, "trespasser/open_secret");
}

fn key_purpose(bench: &Bench) {
    let kept = json!({"withheld": {"purpose": "invoice"}});
    changed_purpose(bench, "keys", "invoice", kept, "trespasser/sign");
}

/// The purpose that was granted is not the one that the manifest asks for.
fn changed_purpose(bench: &Bench, kind: &str, purpose: &str, kept: Value, action: &str) {
    let path = format!("capabilities.{kind}.granted.purpose");
    let input = json!({"alias": "granted", "purpose": purpose});
    not_asked(bench, kind, &path, "other".into(), kept, action, &input);
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
    tenant.operator.delete(&tenant.path("/addons/trespasser")).ok();
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
    let bare = all_of(&manifest("wasi-reader"), "");
    let mut open = bare.clone();
    open["directory"] = json!({"path": dir.path(), "writable": true});
    let install = |value: Option<toml::Value>, grants: &Value| {
        let text = edited(&of_next_version(&manifest("wasi-reader")), "capabilities.wasi.directory", value);
        tenant.reinstall("wasi-reader", &bench.publisher.seal(&text, &guest("wasi-reader")), Some(grants))
    };
    let read = || tenant.call("wasi-reader/read", &json!({"path": "/note.txt"}));
    let write = || tenant.call("wasi-reader/write", &json!({"path": "/new.txt", "text": "x"}));
    install(Some("read-write".into()), &open).ok();
    read().ok();
    write().ok();
    // To write was granted and is not asked for.
    install(Some("read-only".into()), &open).refused("invalid");
    let mut closed = open.clone();
    closed["directory"]["writable"] = json!(false);
    install(Some("read-only".into()), &closed).ok();
    read().ok();
    write().guest_refused("io");
    install(None, &open).refused("invalid");
    install(None, &bare).ok();
    read().guest_refused("io");
}
