use bulla_base::Purpose;

use super::model::check_reason;
use super::*;

fn key() -> NewTrustedKey {
    NewTrustedKey {
        id: "0123456789abcdef0123456789abcdef".into(),
        public_key: "ed25519:AAAA".into(),
        owner: "Acme GmbH".into(),
        purposes: vec![Purpose::new("addon").unwrap()],
        names: vec!["acme-*".into()],
        not_before_ms: Some(1),
        not_after_ms: Some(2),
    }
}

#[test]
fn each_field_has_its_rule() {
    assert!(key().check().is_ok());
    let wrong = |change: fn(&mut NewTrustedKey)| {
        let mut key = key();
        change(&mut key);
        key.check().unwrap_err()
    };
    assert!(matches!(wrong(|key| key.id.push('0')), TrustError::KeyId { .. }));
    assert!(matches!(wrong(|key| key.id.replace_range(0..1, "A")), TrustError::KeyId { .. }));
    assert!(matches!(wrong(|key| key.public_key.clear()), TrustError::PublicKey));
    assert!(matches!(wrong(|key| key.public_key.push('\0')), TrustError::PublicKey));
    assert!(matches!(wrong(|key| key.owner.clear()), TrustError::Owner));
    assert!(matches!(wrong(|key| key.owner = "a\nb".into()), TrustError::Owner));
    assert!(matches!(wrong(|key| key.purposes.clear()), TrustError::Purposes { count: 0 }));
    assert!(matches!(wrong(|key| key.names.push(String::new())), TrustError::Names));
    assert!(matches!(wrong(|key| key.names = vec!["a".into(); 65]), TrustError::Names));
    assert!(matches!(wrong(|key| key.not_before_ms = Some(2)), TrustError::EmptyWindow));
}

#[test]
fn a_reason_is_one_line() {
    assert!(check_reason(&"a".repeat(500)).is_ok());
    assert!(check_reason("").is_ok());
    assert!(check_reason(&"a".repeat(501)).is_err());
    assert!(check_reason("a\0b").is_err());
}
