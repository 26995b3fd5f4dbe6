use std::os::unix::fs::PermissionsExt;

use super::*;

fn key(byte: u8) -> MasterKey {
    MasterKey::from_bytes(Zeroizing::new([byte; KEY_BYTES]))
}

fn tenant(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

#[test]
fn what_is_sealed_opens_in_its_place_only() {
    let (acme, other) = (tenant("acme"), tenant("other"));
    let sealed = key(1).seal(Label::Secret(&acme), "secret/acme/token/1", b"hunter22");
    assert!(sealed.starts_with(&format!("v1.{}.", key(1).id())));
    assert!(!sealed.contains("hunter22"));
    let opened = key(1).open(Label::Secret(&acme), "secret/acme/token/1", &sealed).unwrap();
    assert_eq!(opened.as_slice(), b"hunter22");
    for (label, place) in [
        (Label::Secret(&acme), "secret/acme/token/2"),
        (Label::Secret(&acme), "secret/acme/other/1"),
        (Label::Secret(&other), "secret/acme/token/1"),
        (Label::Key(&acme), "secret/acme/token/1"),
    ] {
        let error = key(1).open(label, place, &sealed).unwrap_err();
        assert_eq!(error.code(), codes::STORE_CORRUPT, "{label} {place}");
    }
}

#[test]
fn no_changed_text_opens() {
    let sealed = key(1).seal(Label::Checkpoint, "audit_key/1", b"seed");
    for at in 0..sealed.len() {
        let mut changed = sealed.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert!(key(1).open(Label::Checkpoint, "audit_key/1", &changed).is_err(), "byte {at}");
    }
    for wrong in ["", "v1", "v1.", "v1..", "v2.x.y", &format!("v1.{}.AAAA", key(1).id())] {
        assert!(key(1).open(Label::Checkpoint, "audit_key/1", wrong).is_err(), "{wrong}");
    }
}

#[test]
fn another_master_key_is_told_by_its_id() {
    let sealed = key(1).seal(Label::Checkpoint, "p", b"seed");
    let error = key(2).open(Label::Checkpoint, "p", &sealed).unwrap_err();
    assert_eq!(error.code(), codes::MASTER_KEY_WRONG);
    assert!(error.to_string().contains(key(1).id()));
    assert_eq!(sealed_by(&sealed), Some(key(1).id()));
}

#[test]
fn every_use_has_a_key_of_its_own() {
    let (acme, other) = (tenant("acme"), tenant("other"));
    let labels = [
        Label::Id,
        Label::AotMac,
        Label::Secret(&acme),
        Label::Secret(&other),
        Label::Key(&acme),
        Label::Checkpoint,
    ];
    for (i, left) in labels.iter().enumerate() {
        for right in &labels[i + 1..] {
            assert_ne!(*key(1).derive(*left), *key(1).derive(*right), "{left} {right}");
        }
    }
}

/// Derived keys are a format: a change would make every sealed value of every installation unreadable.
#[test]
fn derivation_does_not_move() {
    assert_eq!(hex::encode(key(7).derive(Label::AotMac).as_slice()), GOLDEN_AOT_MAC);
    assert_eq!(key(7).id(), GOLDEN_ID);
}

const GOLDEN_AOT_MAC: &str = "8c8fb7ede83d1ef47bb5aed1a3d2e524682fc79aa45b7b95483b3b603cb60db7";
const GOLDEN_ID: &str = "be5d46ef1e521cff";

#[test]
fn a_key_is_read_from_hex_and_base64() {
    let bytes = [0xfbu8; KEY_BYTES];
    let wanted = MasterKey::from_bytes(Zeroizing::new(bytes));
    for text in [
        hex::encode(bytes),
        hex::encode(bytes).to_uppercase(),
        format!(" {}\n", hex::encode(bytes)),
        STANDARD.encode(bytes),
        STANDARD_NO_PAD.encode(bytes),
        URL_SAFE.encode(bytes),
        URL_SAFE_NO_PAD.encode(bytes),
    ] {
        assert_eq!(MasterKey::from_text(&text).unwrap().id(), wanted.id(), "{text}");
    }
    let short = STANDARD.encode([1u8; 31]);
    for wrong in ["", "abc", &"0".repeat(63), &"g".repeat(64), &short, &"A".repeat(10_000)] {
        assert!(MasterKey::from_text(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_file_that_others_can_read_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("master.key");
    let made = MasterKey::create_file(&path).unwrap();
    assert_eq!(MasterKey::from_file(&path).unwrap().id(), made.id());
    assert!(MasterKey::create_file(&path).is_err(), "an existing key is never overwritten");
    for mode in [0o640, 0o604, 0o660, 0o644] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let error = MasterKey::from_file(&path).unwrap_err();
        assert!(matches!(error, MasterKeyError::Exposed { .. }), "{error}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    assert!(MasterKey::from_file(&path).is_ok());
    assert!(MasterKey::from_file(directory.path()).is_err());
    assert!(MasterKey::from_file(&directory.path().join("absent")).is_err());
}

#[test]
fn nothing_prints_the_key() {
    let made = key(0xab);
    assert!(!format!("{made:?}").contains("abab"));
    let error = MasterKey::from_text("hunter2-hunter2").unwrap_err();
    assert!(!error.contains("hunter"));
}
