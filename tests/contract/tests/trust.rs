//! The laws of the trust store on both databases.
#![expect(clippy::unwrap_used, reason = "a test fails loudly, in its helpers too")]

use std::sync::Arc;
use std::time::Duration;

use bulla_base::{Clock, Millis, Purpose};
use bulla_contract::{Bench, on_both};
use bulla_kernel::audit::{Audit, DEFAULT_ORIGIN, LogName, Query};
use bulla_kernel::trust::{NewTrustedKey, Trust, TrustError};

fn key(digit: char) -> NewTrustedKey {
    NewTrustedKey {
        id: digit.to_string().repeat(32),
        public_key: format!("ed25519:{digit}"),
        owner: "Acme GmbH".into(),
        purposes: vec![Purpose::new("addon").unwrap()],
        names: vec!["acme-*".into()],
        not_before_ms: None,
        not_after_ms: None,
    }
}

async fn trust(bench: &Bench) -> Trust {
    Trust::load(bench.core().await).await.unwrap()
}

fn ids(trust: &Trust) -> Vec<String> {
    trust.view().unwrap().keys.iter().map(|key| key.id[..1].to_owned()).collect()
}

#[tokio::test]
async fn the_list_is_what_was_added_and_not_removed() {
    on_both(async |bench| {
        let (one, two) = (trust(&bench).await, trust(&bench).await);
        let origin = bench.origin("system");
        for digit in ['b', 'a'] {
            one.add(&origin, &key(digit)).await.unwrap();
        }
        let before = one.view().unwrap();
        assert_eq!((ids(&one), ids(&two)), (vec!["a".to_owned(), "b".into()], vec![]));
        assert!(matches!(one.add(&origin, &key('a')).await, Err(TrustError::AlreadyTrusted { .. })));
        one.refresh().await.unwrap();
        assert!(Arc::ptr_eq(&one.view().unwrap(), &before), "nothing changed, nothing is read");

        two.remove(&origin, &key('a').id).await.unwrap();
        assert_eq!(ids(&two), ["b"]);
        one.refresh().await.unwrap();
        assert_eq!(ids(&one), ["b"]);
        assert!(one.view().unwrap().version > before.version);
        assert!(matches!(one.remove(&origin, &key('a').id).await, Err(TrustError::NotFound { .. })));
        one.add(&origin, &key('a')).await.unwrap();
        assert_eq!(ids(&trust(&bench).await), ["a", "b"]);
    })
    .await;
}

#[tokio::test]
async fn a_revocation_stands_and_rotation_puts_one_key_beside_the_other() {
    on_both(async |bench| {
        let one = trust(&bench).await;
        let origin = bench.origin("system");
        one.add(&origin, &key('a')).await.unwrap();
        one.rotate(&origin, &key('a').id, &key('b'), Millis(5_000)).await.unwrap();
        let view = one.view().unwrap();
        assert_eq!(view.keys[0].not_after_ms, Some(bench.clock.now_ms() + 5_000));
        assert_eq!(view.keys[0].rotated_by.as_ref(), Some(&key('b').id));
        let twice = one.rotate(&origin, &key('a').id, &key('c'), Millis(5_000)).await;
        assert!(matches!(twice, Err(TrustError::NotRotatable { .. })));
        assert_eq!(ids(&one), ["a", "b"]);

        one.revoke(&origin, &key('b').id, "stolen").await.unwrap();
        bench.clock.advance(Duration::from_millis(10));
        one.revoke(&origin, &key('b').id, "again").await.unwrap();
        let revoked = &one.view().unwrap().keys[1];
        assert_eq!(revoked.revoked_reason.as_deref(), Some("stolen"));
        assert_eq!(revoked.revoked_ms, Some(bench.clock.now_ms() - 10));

        let audit = Audit::new(bench.core().await, DEFAULT_ORIGIN, None).unwrap();
        let entries = audit.list(&LogName::system(), &Query::default()).await.unwrap().entries;
        let events: Vec<_> = entries.iter().map(|entry| entry.body["event"].as_str().unwrap()).collect();
        assert_eq!(events, ["trust.added", "trust.added", "trust.rotated", "trust.revoked"]);
    })
    .await;
}

#[tokio::test]
async fn of_two_nodes_that_add_the_same_key_one_does() {
    on_both(async |bench| {
        let (one, two) = (trust(&bench).await, trust(&bench).await);
        let (origin, wanted) = (bench.origin("system"), key('a'));
        let outcomes = tokio::join!(one.add(&origin, &wanted), two.add(&origin, &wanted));
        assert!(outcomes.0.is_ok() != outcomes.1.is_ok(), "{outcomes:?}");
        assert_eq!(ids(&trust(&bench).await), ["a"]);
    })
    .await;
}

#[tokio::test]
async fn nothing_is_verified_against_old_trust() {
    on_both(async |bench| {
        let one = trust(&bench).await;
        bench.clock.advance(Duration::from_millis(1_001));
        assert_eq!(matches!(one.view(), Err(TrustError::Stale)), bench.is_postgres());
        one.refresh().await.unwrap();
        assert!(one.view().is_ok());
    })
    .await;
}
