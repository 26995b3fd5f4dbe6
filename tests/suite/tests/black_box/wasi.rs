//! A component of another toolchain: its WASI imports are denied until each is granted, and its one directory is all it sees.

use bulla_suite::{Bench, Tenant, manifest};
use serde_json::{Value, json};

fn imports() -> Vec<String> {
    let manifest: toml::Table = manifest("wasi-reader").parse().unwrap();
    let list = manifest["capabilities"]["wasi"]["imports"].as_array().unwrap();
    list.iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

fn grants(dir: Option<&std::path::Path>, writable: bool) -> Value {
    let mut grants = json!({ "wasi": imports() });
    if let Some(dir) = dir {
        grants["directory"] = json!({"path": dir, "writable": writable});
    }
    grants
}

fn read(tenant: &Tenant, path: &str) -> bulla_suite::Reply {
    tenant.call("wasi-reader/read", &json!({ "path": path }))
}

#[test]
fn wasi_is_denied_until_every_import_is_granted() {
    let bench = Bench::start();
    let acme = bench.tenant("acme");
    let accepted = acme.install(&bench.publisher.package("wasi-reader"), None).data();
    assert_eq!(accepted["withheld"].as_array().unwrap().len(), imports().len() + 1, "{accepted}");
    let all = imports();
    for granted in 0..all.len() {
        acme.grant("wasi-reader", &json!({"wasi": &all[..granted]})).ok();
        let reply = acme.call("wasi-reader/now", &json!({}));
        let problem = reply.refused("denied");
        assert!(problem["detail"].as_str().unwrap().contains("wasi:"), "{problem}");
    }
    acme.grant("wasi-reader", &grants(None, false)).ok();
    let now = acme.call("wasi-reader/now", &json!({})).data().as_u64().unwrap();
    assert!(now > 1_700_000_000_000, "{now}");
    read(&acme, "/note.txt").guest_refused("io");
    // One taken away again is enough.
    acme.grant("wasi-reader", &json!({"wasi": &all[1..]})).ok();
    acme.call("wasi-reader/now", &json!({})).refused("denied");
}

#[test]
fn a_guest_sees_its_one_directory_and_nothing_beside_it() {
    let bench = Bench::start();
    let acme = bench.tenant("acme");
    let outside = tempfile::tempdir().unwrap();
    let inside = outside.path().join("inside");
    std::fs::create_dir(&inside).unwrap();
    std::fs::write(inside.join("note.txt"), "hello").unwrap();
    std::fs::write(outside.path().join("secret.txt"), "secret").unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret.txt"), inside.join("link.txt")).unwrap();
    std::os::unix::fs::symlink("..", inside.join("up")).unwrap();
    acme.install(&bench.publisher.package("wasi-reader"), Some(&grants(Some(&inside), false))).ok();
    assert_eq!(read(&acme, "/note.txt").data(), "hello");
    for path in ["/../secret.txt", "/link.txt", "/up/secret.txt", "/etc/passwd", "/nothing"] {
        read(&acme, path).guest_refused("io");
    }
    let write = |path: &str| acme.call("wasi-reader/write", &json!({"path": path, "text": "mine"}));
    write("/new.txt").guest_refused("io");
    acme.grant("wasi-reader", &grants(Some(&inside), true)).ok();
    write("/new.txt").ok();
    assert_eq!(std::fs::read_to_string(inside.join("new.txt")).unwrap(), "mine");
    for path in ["/../new.txt", "/up/new.txt", "/link.txt"] {
        write(path).guest_refused("io");
    }
    assert_eq!(std::fs::read_to_string(outside.path().join("secret.txt")).unwrap(), "secret");
    assert!(!outside.path().join("new.txt").exists());
}

#[test]
fn a_directory_that_is_gone_is_the_operators_problem() {
    let bench = Bench::start();
    let acme = bench.tenant("acme");
    let dir = tempfile::tempdir().unwrap();
    acme.install(&bench.publisher.package("wasi-reader"), Some(&grants(Some(dir.path()), false))).ok();
    drop(dir);
    read(&acme, "/note.txt").refused("unavailable");
}
