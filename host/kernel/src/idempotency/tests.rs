use bulla_base::{AddonName, EntryName, Subject, TenantId};

use super::*;

fn key(tenant: &str, subject: &str, addon: &str, action: &str, text: &str) -> Key {
    Key::new(
        &TenantId::new(tenant).unwrap(),
        &Subject::new(subject).unwrap(),
        &AddonName::new(addon).unwrap(),
        &EntryName::new(action).unwrap(),
        KeyText::new(text).unwrap(),
    )
}

#[test]
fn a_key_is_visible_ascii() {
    for good in ["a", "550e8400-e29b-41d4-a716-446655440000", &"k".repeat(255)] {
        assert!(KeyText::new(good).is_ok(), "{good}");
    }
    for wrong in ["", "a b", "ä", "a\0", "a\n", &"k".repeat(256)] {
        assert!(matches!(KeyText::new(wrong), Err(IdempotencyError::Key)), "{wrong:?}");
    }
}

#[test]
fn every_part_tells_keys_apart() {
    let all = [
        key("t", "s", "a", "x", "k"),
        key("u", "s", "a", "x", "k"),
        key("t", "u", "a", "x", "k"),
        key("t", "s", "b", "x", "k"),
        key("t", "s", "a", "y", "k"),
        key("t", "s", "a", "x", "l"),
        key("t", "s/a", "x", "x", "k"),
        key("t", "s", "a", "xk", "k"),
        key("t", "s", "a", "x", "kk"),
    ];
    for (place, one) in all.iter().enumerate() {
        assert!(all[..place].iter().all(|other| other.id != one.id), "{one:?}");
    }
}

#[test]
fn the_form_of_an_input_says_nothing_and_its_content_everything() {
    let hash = |text: &str| RequestHash::of(text.as_bytes());
    assert_eq!(hash(r#"{"a":1,"b":[2.50]}"#), hash(" {\"b\": [2.5], \"a\": 1}\n"));
    assert_ne!(hash(r#"{"a":1}"#), hash(r#"{"a":2}"#));
    assert_ne!(hash("9007199254740993"), hash("9007199254740992"), "large integers are not rounded");
    assert_ne!(hash("not json"), hash("not  json"));
}
