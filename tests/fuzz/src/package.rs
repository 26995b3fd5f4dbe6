//! The package file: nothing is verified but what the publisher signed, to the last byte.
//!
//! The first byte of the input says what the rest is: a whole file; changes to one that was signed; a manifest and a component
//! to be signed.

use std::sync::LazyLock;

use bulla_base::{Entropy, Timestamp};
use bulla_signing::{Package, PublisherKey, TrustEntry, TrustStore, VerifiedAddon};

pub const WORDS: &[&str] = &[
    "BULLAPK1",
    "{\"files\":{\"component\":{\"sha256\":\"",
    "\"size\":",
    "\"manifest\":",
    "\"key\":\"",
    "\"kind\":\"addon\"",
    "\"name\":\"",
    "\"signed-at\":",
    "\"type\":",
    "\"version\":\"0.1.0\"",
];

const MANIFEST: &str = "[addon]\nname = \"hello\"\nversion = \"0.1.0\"\ndescription = \"Says hello.\"\nkernel = \"0.1\"\n[actions.greet]\n";

struct Signed {
    key: PublisherKey,
    trust: TrustStore,
    now: Timestamp,
    package: Vec<u8>,
}

static SIGNED: LazyLock<Signed> = LazyLock::new(|| {
    let key = PublisherKey::generate(&Entropy);
    let trust = TrustStore::from_entries([TrustEntry::for_addons(key.public(), "ACME")]).unwrap();
    let now = "2026-03-31T12:00:00Z".parse().unwrap();
    let package = Package::seal(MANIFEST.as_bytes(), b"\0asm\x0d\0\x01\0", &key, now).unwrap().into_bytes();
    Signed { key, trust, now, package }
});

pub fn run(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    match kind % 3 {
        0 => strange(rest),
        1 => changed(rest),
        _ => sealed(rest),
    }
}

fn verify(bytes: &[u8]) -> Option<VerifiedAddon> {
    VerifiedAddon::verify(bytes.to_vec(), &SIGNED.trust, SIGNED.now).ok()
}

/// Nobody signed it.
fn strange(bytes: &[u8]) {
    let looked_at = bulla_signing::inspect(bytes);
    assert!(verify(bytes).is_none(), "a package that nobody signed is verified: {:?}", looked_at.is_ok());
}

/// Changes of three bytes each: where, and what is added; at the end, whether bytes are missing or too many.
fn changed(changes: &[u8]) {
    let mut package = SIGNED.package.clone();
    for change in changes.chunks_exact(3) {
        let at = usize::from(change[0]) | usize::from(change[1]) << 8;
        let length = package.len();
        package[at % length] ^= change[2];
    }
    match changes.len() % 3 {
        1 => package.truncate(package.len() - usize::from(changes[changes.len() - 1]).min(package.len())),
        2 => package.extend_from_slice(&changes[changes.len() - 2..]),
        _ => {}
    }
    let same = package == SIGNED.package;
    assert_eq!(verify(&package).is_some(), same, "a changed package is verified");
}

/// A manifest and a component of two lengths.
fn sealed(rest: &[u8]) {
    let Some((&[low, high], rest)) = rest.split_first_chunk::<2>() else { return };
    let (manifest, component) = rest.split_at((usize::from(low) | usize::from(high) << 8).min(rest.len()));
    let Ok(package) = Package::seal(manifest, component, &SIGNED.key, SIGNED.now) else { return };
    let verified = verify(package.bytes()).unwrap_or_else(|| panic!("what was sealed is not verified"));
    assert_eq!(verified.component(), component);
    // A contract or none: read without harm.
    let _contract = verified.contract();
}
