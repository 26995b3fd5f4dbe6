//! Only a verified package is installed, and only while its publisher is trusted.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bulla_signing::Digest;
use bulla_suite::addons::installation;
use bulla_suite::component::{DONE, MANIFEST};
use bulla_suite::server::snapshot;
use bulla_suite::{Bench, Component, Publisher, until};
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
    let good = snapshot(&cache);
    assert!(!good.is_empty(), "no compiled code is kept");
    for (path, mut bytes) in good.clone() {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(path, bytes).unwrap();
    }
    bench.server.start_again();
    bench.follow(&mut [&mut acme]);
    acme.call("glutton/noop", &json!({})).ok();
    acme.call("glutton/spin", &json!({})).refused("fuel-exhausted");
    let told = || bench.operator.get("/v1/system/audit?event=code.tampered").data();
    until("the entry of the changed file", || {
        (told()["entries"].as_array().map(Vec::len) == Some(good.len())).then_some(())
    });
    assert_eq!(names(&snapshot(&cache)), names(&good), "compiled and kept again");
}

fn names(files: &[(PathBuf, Vec<u8>)]) -> Vec<&PathBuf> {
    files.iter().map(|(path, _)| path).collect()
}

/// Once with the digest of before, and once as a careful forger would: with the digest of what it became.
#[test]
fn a_stored_package_whose_bytes_were_changed_does_not_run() {
    for (is_careful, code) in [(false, "store-corrupt"), (true, "signature-invalid")] {
        let mut bench = Bench::start();
        let mut acme = bench.tenant("acme");
        let package = bench.publisher.seal(MANIFEST, &Component::with_body(DONE).bytes());
        acme.install(&package, None).ok();
        acme.call("raw/go", &json!({})).ok();
        bench.server.stop();
        let file = bench.server.data().path().join("bulla.db");
        let mut database = std::fs::read(&file).unwrap();
        let forged = flip_where_it_is_stored(&mut database, &package);
        if is_careful {
            let [old, new] = [&package, &forged].map(|bytes| Digest::of(bytes).to_string());
            assert!(replace(&mut database, old.as_bytes(), new.as_bytes()) > 1, "no digest in the file");
        }
        std::fs::write(&file, database).unwrap();
        bench.server.start_again();
        bench.follow(&mut [&mut acme]);
        acme.call("raw/go", &json!({})).refused(code);
    }
}

/// Flips a bit of a package's component in the database's file, which holds it as Base64, cut into pages. Gives the package that
/// it became.
fn flip_where_it_is_stored(database: &mut [u8], package: &[u8]) -> Vec<u8> {
    // 48 bytes are 64 letters, of which a page may hold only some.
    for at in (0..package.len() - 48).step_by(48).skip(package.len() / 96) {
        let mut forged = package.to_vec();
        forged[at] ^= 1;
        let [old, new] = [package, &forged].map(|bytes| STANDARD.encode(&bytes[at..at + 48]));
        if replace(database, old.as_bytes(), new.as_bytes()) > 0 {
            return forged;
        }
    }
    panic!("the package is not in the file");
}

/// Replaces each occurrence by as many other bytes.
fn replace(bytes: &mut [u8], old: &[u8], new: &[u8]) -> usize {
    let windows = bytes.windows(old.len()).enumerate();
    let places: Vec<_> = windows.filter(|(_, window)| *window == old).map(|(at, _)| at).collect();
    for at in &places {
        bytes[*at..at + new.len()].copy_from_slice(new);
    }
    places.len()
}
