//! Only a verified package is installed, and only while its publisher is trusted.

use bulla_suite::addons::installation;
use bulla_suite::component::{DONE, MANIFEST};
use bulla_suite::{Bench, Component, Publisher};
use serde_json::json;

/// What a package can be refused with.
const REFUSALS: [&str; 5] =
    ["package-invalid", "signature-invalid", "publisher-untrusted", "manifest-invalid", "incompatible"];

#[test]
fn a_package_with_any_one_byte_flipped_is_refused() {
    let bench = Bench::start();
    let acme = bench.tenant("acme");
    let package = bench.publisher.seal(MANIFEST, &Component::with_body(DONE).bytes());
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let Some(byte) = package.get(at) else { return };
                    let mut flipped = package.clone();
                    flipped[at] = byte ^ (1 << (at % 8));
                    let reply = acme.operator.post(&acme.path("/addons"), &installation(&flipped, None));
                    let code = reply.body["code"].as_str().unwrap_or_default();
                    assert!(REFUSALS.contains(&code), "byte {at}: {} {}", reply.status, reply.text);
                }
            });
        }
    });
    for wrong in [&package[..package.len() - 1], &[package.as_slice(), b"\0"].concat(), b"", &package[1..]] {
        let reply = acme.install(wrong, None);
        assert!(REFUSALS.contains(&reply.body["code"].as_str().unwrap()), "{}", reply.text);
    }
    assert!(acme.operator.get(&acme.path("/addons")).data().as_array().unwrap().is_empty());
    acme.install(&package, None).ok();
    acme.call("raw/go", &json!({})).ok();
}

#[test]
fn a_stranger_cannot_publish_and_one_who_lost_trust_is_stopped_at_once() {
    let bench = Bench::start();
    let acme = bench.tenant("acme");
    let component = Component::with_body(DONE).bytes();
    let stranger = Publisher::new();
    acme.install(&stranger.seal(MANIFEST, &component), None).refused("publisher-untrusted");
    // Trusted for other names only.
    let mut entry = stranger.entry();
    entry["names"] = json!(["other-*"]);
    bench.operator.post("/v1/trust", &entry).ok();
    acme.install(&stranger.seal(MANIFEST, &component), None).refused("publisher-untrusted");

    acme.install(&bench.publisher.seal(MANIFEST, &component), None).ok();
    acme.call("raw/go", &json!({})).ok();
    let key = bench.publisher.key_id();
    let revoke = format!("/v1/trust/{key}/revoke");
    bench.operator.post(&revoke, &json!({"reason": "the key was stolen"})).ok();
    let reply = acme.call("raw/go", &json!({}));
    reply.refused("publisher-untrusted");
    assert_eq!(acme.audit(&format!("trace={}", reply.trace()))[0]["event"], "addon.refused");
    acme.install(&bench.publisher.seal(MANIFEST, &component), None).refused("publisher-untrusted");
}

#[test]
fn an_upgrade_keeps_what_was_granted_and_a_rollback_brings_the_old_one_back() {
    let bench = Bench::start();
    let acme = bench.tenant("acme");
    let answer = |digit: u8| {
        let body = format!(
            "(i32.store8 (i32.const 80) (i32.const {})) (call $ok (i32.const 80) (i32.const 1))",
            48 + digit
        );
        Component::with_body(&body).bytes()
    };
    let version = |version: &str| MANIFEST.replace("0.1.0", version);
    let first = acme.install(&bench.publisher.seal(&version("0.1.0"), &answer(1)), None).data();
    assert_eq!((&first["name"], &first["version"]), (&json!("raw"), &json!("0.1.0")));
    assert_eq!(acme.call("raw/go", &json!({})).data(), 1);
    acme.install(&bench.publisher.seal(&version("0.2.0"), &answer(2)), None).ok();
    assert_eq!(acme.call("raw/go", &json!({})).data(), 2);
    let rolled = acme.operator.poke(&acme.path("/addons/raw/rollback")).data();
    assert_eq!(rolled["version"], "0.1.0");
    assert_eq!(acme.call("raw/go", &json!({})).data(), 1);
    let shown = acme.operator.get(&acme.path("/addons/raw")).data();
    assert_eq!(shown["history"].as_array().unwrap().len(), 2, "{shown}");
}

#[test]
fn an_installed_addon_is_one_tenants_own() {
    let bench = Bench::start();
    let (acme, rival) = (bench.tenant("acme"), bench.tenant("rival"));
    acme.install(&bench.publisher.seal(MANIFEST, &Component::with_body(DONE).bytes()), None).ok();
    rival.call("raw/go", &json!({})).refused("not-found");
    acme.call("raw/go", &json!({})).ok();
}

#[test]
fn compiled_code_survives_a_restart_and_a_tampered_cache_is_compiled_again() {
    let mut bench = Bench::start();
    let mut acme = bench.tenant("acme");
    acme.install(&bench.publisher.package("glutton"), None).ok();
    acme.call("glutton/noop", &json!({})).ok();
    bench.server.stop();
    let cache = bench.server.data().path().join("code");
    let files = bulla_suite::server::snapshot(&cache);
    assert!(!files.is_empty(), "no compiled code is kept");
    for (path, mut bytes) in files {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(path, bytes).unwrap();
    }
    bench.server.start_again();
    bench.follow(&mut [&mut acme]);
    acme.call("glutton/noop", &json!({})).ok();
    acme.call("glutton/spin", &json!({})).refused("fuel-exhausted");
}
