use bulla_base::{Coded, Entropy, Role, Subject, codes};

use super::model::TokenHash;
use super::*;

#[test]
fn a_token_has_its_form_and_is_never_printed() {
    let text = TokenText::draw(&Entropy);
    assert_eq!(text.reveal().len(), 49);
    assert!(text.reveal().starts_with("bulla_"));
    assert!(TokenHash::of(text.reveal()) == Some(text.hash()));
    assert_eq!(format!("{text:?}"), "TokenText(…)");
    assert!(text.reveal().ends_with(&text.hint()) && text.hint().len() == 4);
    assert_ne!(TokenText::draw(&Entropy).reveal(), text.reveal());
}

#[test]
fn what_has_not_the_form_is_not_even_hashed() {
    let good = "bulla_".to_owned() + &"a".repeat(43);
    assert!(TokenHash::of(&good).is_some());
    for wrong in [
        "",
        "bulla_",
        &good[1..],
        &good[..48],
        &format!("{good}a"),
        &good.replace('a', "ä"),
        &good.replace('a', "+"),
    ] {
        assert!(TokenHash::of(wrong).is_none(), "{wrong}");
    }
}

#[test]
fn the_caller_is_not_told_why() {
    let id = TokenId::new(&format!("tok_{}", "0".repeat(32))).unwrap();
    let told: Vec<_> =
        [TokenError::Unknown, TokenError::Revoked { id: id.clone() }, TokenError::Expired { id }]
            .iter()
            .map(|error| (error.code(), error.public()))
            .collect();
    assert!(told.iter().all(|one| *one == (codes::UNAUTHENTICATED, codes::UNAUTHENTICATED.title.to_owned())));
}

#[test]
fn roles_and_expiry_have_bounds() {
    let role = Role::new("cfo").unwrap();
    let mut new = NewToken {
        subject: Subject::new("ann").unwrap(),
        tenant: None,
        roles: vec![role.clone(); MAX_ROLES],
        expires_ms: Some(1_001),
    };
    assert!(new.check(1_000).is_ok());
    assert!(matches!(new.check(1_001), Err(TokenError::ExpiryPassed)));
    new.roles.push(role);
    assert!(matches!(new.check(1_000), Err(TokenError::TooManyRoles { count: 33 })));
}
