use bulla_base::Entropy;

use super::*;
use crate::key::PublisherKey;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn addon(name: &str) -> AddonName {
    AddonName::new(name).unwrap()
}

fn entry() -> TrustEntry {
    TrustEntry::for_addons(PublisherKey::generate(&Entropy).public(), "ACME")
}

const NOW: &str = "2026-05-01T00:00:00Z";

#[test]
fn a_key_is_good_from_its_start_until_before_its_end() {
    let (from, until) = (at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
    let entry = TrustEntry { not_before: Some(from), not_after: Some(until), ..entry() };
    let key = entry.key.id();
    let store = TrustStore::from_entries([entry]).unwrap();
    let allows = |time| store.allows(&key, PURPOSE_ADDON, &addon("hello"), time);
    let just_before = |time: Timestamp| Timestamp::from_nanosecond(time.as_nanosecond() - 1).unwrap();
    assert_eq!(allows(just_before(from)), Err(TrustError::NotYetValid { key: key.clone(), from }));
    assert_eq!(allows(from), Ok(()));
    assert_eq!(allows(just_before(until)), Ok(()));
    assert_eq!(allows(until), Err(TrustError::Expired { key: key.clone(), until, rotated_by: None }));
}

#[test]
fn purpose_and_name_are_checked() {
    let entry = TrustEntry { names: ["acme-*".parse().unwrap(), "hello".parse().unwrap()].into(), ..entry() };
    let key = entry.key.id();
    let store = TrustStore::from_entries([entry]).unwrap();
    let allows = |purpose, name| store.allows(&key, purpose, &addon(name), at(NOW));
    assert_eq!(allows("addon", "hello"), Ok(()));
    assert_eq!(allows("addon", "acme-x"), Ok(()));
    assert_eq!(
        allows("addon", "hello2"),
        Err(TrustError::OtherName { key: key.clone(), addon: addon("hello2") })
    );
    assert_eq!(
        allows("handlers", "hello"),
        Err(TrustError::OtherPurpose { key: key.clone(), purpose: "handlers".into() })
    );
    let other = PublisherKey::generate(&Entropy).id();
    assert_eq!(
        store.allows(&other, "addon", &addon("hello"), at(NOW)),
        Err(TrustError::UnknownKey { key: other })
    );
}

#[test]
fn a_revoked_key_stays_refused_whatever_the_time() {
    let entry = entry();
    let key = entry.key.id();
    let mut store = TrustStore::from_entries([entry]).unwrap();
    store.revoke(&key, at(NOW), "laptop lost").unwrap();
    store.revoke(&key, at("2026-06-01T00:00:00Z"), "again").unwrap();
    let refused = TrustError::Revoked { key: key.clone(), at: at(NOW), reason: "laptop lost".into() };
    for time in ["2020-01-01T00:00:00Z", NOW, "2030-01-01T00:00:00Z"] {
        assert_eq!(store.allows(&key, "addon", &addon("hello"), at(time)), Err(refused.clone()));
    }
    assert_eq!(store.revoke(&key, at(NOW), "a\nb"), Err(TrustStoreError::Reason { key }));
}

#[test]
fn a_rotation_overlaps_and_then_ends_the_old_key() {
    let entry = TrustEntry { names: ["acme-*".parse().unwrap()].into(), ..entry() };
    let (old, fresh) = (entry.key.id(), PublisherKey::generate(&Entropy).public());
    let mut store = TrustStore::from_entries([entry]).unwrap();
    let new = store.rotate(&old, fresh, at(NOW), "7d".parse().unwrap()).unwrap();
    let allows = |key, time| store.allows(key, "addon", &addon("acme-x"), at(time));
    assert!(allows(&old, "2026-05-07T23:59:59Z").is_ok() && allows(&new, NOW).is_ok());
    assert_eq!(
        allows(&new, "2026-04-30T23:59:59Z"),
        Err(TrustError::NotYetValid { key: new.clone(), from: at(NOW) })
    );
    let expired = allows(&old, "2026-05-08T00:00:00Z").unwrap_err();
    let until = at("2026-05-08T00:00:00Z");
    assert_eq!(expired, TrustError::Expired { key: old.clone(), until, rotated_by: Some(new.clone()) });
    assert!(expired.to_string().ends_with(&format!("; its successor is `{new}`")));
    assert!(matches!(
        store.allows(&new, "addon", &addon("other"), at(NOW)),
        Err(TrustError::OtherName { .. })
    ));

    let third = PublisherKey::generate(&Entropy).public();
    let again = store.rotate(&old, third, at(NOW), Millis(1));
    assert_eq!(again, Err(TrustStoreError::NotRotatable { key: old.clone() }));
    assert_eq!(
        store.rotate(&new, fresh, at(NOW), Millis(1)),
        Err(TrustStoreError::AlreadyTrusted { key: new.clone() })
    );
    assert_eq!(
        store.rotate(&third.id(), PublisherKey::generate(&Entropy).public(), at(NOW), Millis(1)),
        Err(TrustStoreError::NotFound { key: third.id() })
    );
    store.revoke(&new, at(NOW), "").unwrap();
    assert_eq!(
        store.rotate(&new, third, at(NOW), Millis(1)),
        Err(TrustStoreError::NotRotatable { key: new })
    );
}

#[test]
fn an_expired_key_is_not_rotated_back_to_life() {
    let entry = TrustEntry { not_after: Some(at("2026-01-01T00:00:00Z")), ..entry() };
    let key = entry.key.id();
    let mut store = TrustStore::from_entries([entry]).unwrap();
    let new = PublisherKey::generate(&Entropy).public();
    assert_eq!(
        store.rotate(&key, new, at(NOW), "7d".parse().unwrap()),
        Err(TrustStoreError::NotRotatable { key: key.clone() })
    );
    assert_eq!(store.list().count(), 1);
}

#[test]
fn entries_are_checked_and_kept_once() {
    let good = entry();
    let key = good.key.id();
    let mut store = TrustStore::from_entries([good.clone()]).unwrap();
    assert_eq!(store.add(good.clone()), Err(TrustStoreError::AlreadyTrusted { key: key.clone() }));
    assert_eq!(store.remove(&key).unwrap(), good);
    assert_eq!(store.remove(&key), Err(TrustStoreError::NotFound { key: key.clone() }));
    for owner in [String::new(), "a\u{7}".into(), "x".repeat(OWNER_MAX + 1)] {
        assert_eq!(
            store.add(TrustEntry { owner, ..good.clone() }),
            Err(TrustStoreError::Owner { key: key.clone() })
        );
    }
    let aimless = TrustEntry { purposes: BTreeSet::new(), ..good.clone() };
    assert_eq!(store.add(aimless), Err(TrustStoreError::NoPurpose { key: key.clone() }));
    let empty = TrustEntry { not_before: Some(at(NOW)), not_after: Some(at(NOW)), ..good.clone() };
    assert_eq!(store.add(empty), Err(TrustStoreError::EmptyWindow { key: key.clone() }));
    let reason = "x".repeat(REASON_MAX + 1);
    let wordy = TrustEntry { revoked: Some(Revocation { at: at(NOW), reason }), ..good };
    assert_eq!(store.add(wordy), Err(TrustStoreError::Reason { key }));
}

#[test]
fn the_stored_form_reads_back_and_is_checked() {
    let mut store = TrustStore::from_entries([entry(), entry()]).unwrap();
    let old = store.list().next().unwrap().key.id();
    store.rotate(&old, PublisherKey::generate(&Entropy).public(), at(NOW), Millis(1)).unwrap();
    store.revoke(&old, at(NOW), "old").unwrap();
    let mut json = serde_json::to_value(&store).unwrap();
    assert_eq!(serde_json::from_value::<TrustStore>(json.clone()).unwrap(), store);
    json[0]["role"] = "x".into();
    assert!(
        serde_json::from_value::<TrustStore>(json.clone())
            .unwrap_err()
            .to_string()
            .contains("unknown field `role`")
    );
    json[0].as_object_mut().unwrap().remove("role");
    json[1] = json[0].clone();
    assert!(serde_json::from_value::<TrustStore>(json).unwrap_err().to_string().contains("already"));
}
