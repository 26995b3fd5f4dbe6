//! The log that a stranger can verify.

use std::path::{Path, PathBuf};

use bulla_suite::server::snapshot;
use bulla_suite::trespasser::{draw, tenant};
use bulla_suite::{Bench, Cli, Tenant, until};
use serde_json::{Value, json};

/// Waits until the newest checkpoint covers every entry.
fn published(tenant: &Tenant) -> Value {
    until("a checkpoint over the whole log", || {
        let report = tenant.verify_audit();
        (report["published"] == report["entries"]).then_some(report)
    })
}

#[test]
fn every_change_has_its_entry_and_the_log_verifies() {
    let bench = Bench::start();
    let acme = tenant(&bench, "acme", "https://receiver.example");
    let reply = acme.call("trespasser/draw", &draw("granted", 2));
    let reservation = reply.data()["reservations"][0].clone();
    acme.call("trespasser/commit_for", &json!({"key": "granted", "reservation": reservation})).ok();
    let entries = acme.audit("limit=1000");
    let count = |event: &str| entries.iter().filter(|entry| entry["event"] == event).count();
    for (event, times) in [("sequence.reserved", 2), ("sequence.committed", 1), ("sequence.defined", 4)] {
        assert_eq!(count(event), times, "{event}");
    }
    for entry in &entries {
        assert_eq!(entry["trace"].as_str().map(str::len), Some(32), "{entry}");
        assert!(entry["subject"].is_string() && entry["at-ms"].is_i64(), "{entry}");
    }
    for (index, entry) in entries.iter().enumerate() {
        assert_eq!(entry["index"], index, "dense from 0");
    }
    let report = published(&acme);
    assert_eq!(report["entries"], entries.len());
    assert!(report["fault"].is_null());
    assert_eq!(acme.audit(&format!("trace={}", reply.trace())).len(), 2);
    let system = bench.operator.get("/v1/system/audit/verify").data();
    assert!(system["fault"].is_null() && system["entries"].as_u64() > Some(0));
}

#[test]
fn an_exported_bundle_is_verified_without_the_server_and_one_changed_byte_is_found() {
    let mut bench = Bench::start();
    let acme = tenant(&bench, "acme", "https://receiver.example");
    acme.call("trespasser/draw", &draw("granted", 2)).ok();
    published(&acme);
    let keys = acme.auditor.get(&acme.path("/audit/keys")).data();
    let key = keys["keys"][0]["vkey"].as_str().unwrap();
    let bundle = acme.auditor.get(&acme.path("/audit/export")).text;
    bench.server.stop();

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bundle.jsonl");
    let verify = |bytes: &[u8], key: &str| {
        std::fs::write(&file, bytes).unwrap();
        Cli::new(["audit", "verify-bundle", file.to_str().unwrap(), "--key", key]).run()
    };
    verify(bundle.as_bytes(), key).succeeds();
    let other = key.replace("acme", "rival");
    assert_ne!(verify(bundle.as_bytes(), &other).code, Some(0));
    // A detail of an entry, its order, an entry left out.
    let edited = bundle.replacen("G-2026-00001", "G-2026-00007", 1);
    assert_ne!(edited, bundle);
    verify(edited.as_bytes(), key).ends_with(9);
    let mut lines: Vec<_> = bundle.lines().collect();
    let place = lines.iter().position(|line| line.contains("sequence.reserved")).unwrap();
    lines.swap(place, place + 1);
    verify(lines.join("\n").as_bytes(), key).ends_with(9);
    lines.remove(place);
    verify(lines.join("\n").as_bytes(), key).ends_with(9);
}

#[test]
fn a_kept_checkpoint_must_still_be_extended() {
    let bench = Bench::start();
    let acme = tenant(&bench, "acme", "https://receiver.example");
    published(&acme);
    let kept = acme.auditor.get(&acme.path("/audit/keys")).data();
    let (note, key) = (kept["checkpoint"].as_str().unwrap(), kept["keys"][0]["vkey"].as_str().unwrap());
    acme.call("trespasser/draw", &draw("granted", 3)).ok();
    published(&acme);
    let path = acme.path("/audit/verify");
    acme.auditor.post(&path, &json!({"kept": [note], "keys": [key]})).ok();
    // A note of another root was never this log's.
    let mut lines: Vec<String> = note.lines().map(str::to_owned).collect();
    lines[2] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".into();
    let forged = lines.join("\n") + "\n";
    let reply = acme.auditor.post(&path, &json!({"kept": [forged], "keys": [key]}));
    assert!(reply.status >= 400, "{}", reply.text);
    let rival = bench.tenant("rival");
    let reply = rival.auditor.post(&rival.path("/audit/verify"), &json!({"kept": [note]}));
    assert!(reply.status >= 400, "another log's checkpoint: {}", reply.text);
}

#[test]
fn a_log_that_took_another_course_contradicts_a_kept_checkpoint() {
    let mut bench = Bench::start();
    let mut acme = tenant(&bench, "acme", "https://receiver.example");
    published(&acme);
    bench.server.stop();
    let earlier = snapshot(&bench.server.data().path());
    bench.server.start_again();
    bench.follow(&mut [&mut acme]);
    acme.call("trespasser/draw", &draw("granted", 3)).ok();
    published(&acme);
    let kept = acme.auditor.get(&acme.path("/audit/keys")).data();
    let kept = json!({"kept": [kept["checkpoint"]], "keys": [kept["keys"][0]["vkey"]]});
    let verify = |acme: &Tenant| acme.auditor.post(&acme.path("/audit/verify"), &kept);
    verify(&acme).ok();
    // The same host with the database of before: what it signs from now on is good, and another history.
    bench.server.stop();
    restore(&bench.server.data().path(), &earlier);
    bench.server.start_again();
    bench.follow(&mut [&mut acme]);
    assert!(published(&acme)["fault"].is_null());
    verify(&acme).refused("audit-tampered");
    acme.call("trespasser/draw", &draw("loose", 5)).ok();
    assert!(published(&acme)["fault"].is_null(), "only the kept checkpoint speaks of what is gone");
    verify(&acme).refused("audit-tampered");
}

/// Puts a data directory's database back; a log beside it that is newer would be played into it.
fn restore(dir: &Path, files: &[(PathBuf, Vec<u8>)]) {
    for log in ["bulla.db-wal", "bulla.db-shm"] {
        // A server that stopped in good order leaves none.
        let _none = std::fs::remove_file(dir.join(log));
    }
    for (path, bytes) in files {
        std::fs::write(path, bytes).unwrap();
    }
}

#[test]
fn an_edited_database_is_found_out() {
    let mut bench = Bench::start();
    let mut acme = tenant(&bench, "acme", "https://receiver.example");
    acme.call("trespasser/draw", &draw("granted", 1)).ok();
    published(&acme);
    bench.server.stop();
    // Where the entry's text lies in the database's file, one digit becomes another.
    let file = bench.server.data().path().join("bulla.db");
    let mut bytes = std::fs::read(&file).unwrap();
    let entry = b"\"object\":\"G-2026-00001\"";
    let places: Vec<_> =
        (0..bytes.len() - entry.len()).filter(|&at| bytes[at..at + entry.len()] == *entry).collect();
    assert!(!places.is_empty(), "the entry is not in the file");
    for at in places {
        bytes[at + entry.len() - 2] = b'2';
    }
    std::fs::write(&file, bytes).unwrap();
    bench.server.start_again();
    bench.follow(&mut [&mut acme]);
    let reply = acme.auditor.get(&acme.path("/audit/verify"));
    reply.refused("audit-tampered");
    let verify = bench.server.data().cli(["audit", "verify", "acme"]).run().ends_with(9);
    assert!(verify.stderr.contains("audit-tampered"), "{}", verify.stderr);
}
