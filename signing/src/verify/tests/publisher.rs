//! Who signed, and whether that is enough.

use super::*;

#[test]
fn only_a_key_trusted_for_it_now_will_do() {
    let (key, other) = (key(), key());
    let bytes = package(&key).into_bytes();
    let with = |entry: TrustEntry| verify(bytes.clone(), &TrustStore::from_entries([entry]).unwrap());
    let entry = || TrustEntry::for_addons(key.public(), "ACME");
    let id = key.id();
    let unknown = with(TrustEntry::for_addons(other.public(), "other")).unwrap_err();
    assert_eq!(
        (unknown.code(), unknown),
        (codes::PUBLISHER_UNTRUSTED, TrustError::UnknownKey { key: id.clone() }.into())
    );
    let later = now() + Millis(1).duration();
    let early = with(TrustEntry { not_before: Some(later), ..entry() }).unwrap_err();
    assert_eq!(early, TrustError::NotYetValid { key: id.clone(), from: later }.into());
    let late = with(TrustEntry { not_after: Some(now()), ..entry() }).unwrap_err();
    assert_eq!(late, TrustError::Expired { key: id.clone(), until: now(), rotated_by: None }.into());
    let purpose = with(TrustEntry { purposes: ["handlers".parse().unwrap()].into(), ..entry() }).unwrap_err();
    assert_eq!(purpose, TrustError::OtherPurpose { key: id.clone(), purpose: "addon".into() }.into());
    let name = with(TrustEntry { names: ["acme-*".parse().unwrap()].into(), ..entry() }).unwrap_err();
    assert_eq!(name, TrustError::OtherName { key: id, addon: "hello".parse().unwrap() }.into());
}

#[test]
fn after_a_rotation_the_old_keys_packages_are_refused_at_load() {
    let (old, new) = (key(), key());
    let (before, after) = (package(&old).into_bytes(), package(&new).into_bytes());
    let mut trust = trust(&old);
    trust.rotate(&old.id(), new.public(), now(), Millis(1_000)).unwrap();
    assert!(verify(before.clone(), &trust).is_ok() && verify(after.clone(), &trust).is_ok());
    let over = now() + Millis(1_000).duration();
    let expired = TrustError::Expired { key: old.id(), until: over, rotated_by: Some(new.id()) };
    assert_eq!(VerifiedAddon::verify(before, &trust, over).unwrap_err(), expired.into());
    trust.revoke(&new.id(), over, "stolen").unwrap();
    let revoked = TrustError::Revoked { key: new.id(), at: over, reason: "stolen".into() };
    assert_eq!(verify(after, &trust).unwrap_err(), revoked.into());
}

#[test]
fn another_keys_signature_does_not_hold_under_a_trusted_key_id() {
    let (key, thief) = (key(), key());
    let bytes = forge(statement(&key).as_bytes(), &thief, MANIFEST.as_bytes(), &component());
    let error = verify(bytes, &trust(&key)).unwrap_err();
    assert_eq!((error.code(), error), (codes::SIGNATURE_INVALID, VerifyError::Signature { key: key.id() }));
}

#[test]
fn the_signature_is_over_the_dsse_encoding_not_the_bare_statement() {
    let key = key();
    let mut bytes = package(&key).into_bytes();
    let layout = Layout::read(&bytes, &PackageBounds::default()).unwrap();
    let bare = key.sign(&bytes[layout.statement]);
    bytes[layout.signature].copy_from_slice(&bare);
    assert_eq!(verify(bytes, &trust(&key)).unwrap_err(), VerifyError::Signature { key: key.id() });
}
