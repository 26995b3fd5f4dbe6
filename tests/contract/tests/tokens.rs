//! The laws of API tokens on both databases.
#![expect(clippy::unwrap_used, reason = "a test fails loudly, in its helpers too")]

use std::time::Duration;

use bulla_base::{Clock, Role, TenantId};
use bulla_contract::{Bench, on_both};
use bulla_kernel::audit::{Audit, DEFAULT_ORIGIN, LogName, Query};
use bulla_kernel::tokens::{NewToken, TokenError, Tokens};
use bulla_store::Sql;

fn new(tenant: Option<&str>) -> NewToken {
    NewToken {
        subject: "ann".parse().unwrap(),
        tenant: tenant.map(|tenant| tenant.parse().unwrap()),
        roles: vec![Role::new("cfo").unwrap()],
        expires_ms: None,
    }
}

async fn tokens(bench: &Bench) -> Tokens {
    Tokens::load(bench.core().await).await.unwrap()
}

#[tokio::test]
async fn a_token_says_who_stands_behind_it() {
    on_both(async |bench| {
        let one = tokens(&bench).await;
        let (_, text) = one.create(&bench.origin("acme"), &new(Some("acme"))).await.unwrap();
        let (_, operator) = one.create(&bench.origin("system"), &new(None)).await.unwrap();
        for node in [&one, &tokens(&bench).await] {
            let ann = node.authenticate(text.reveal()).unwrap();
            assert_eq!((ann.subject.as_str(), ann.tenant.unwrap().as_str()), ("ann", "acme"));
            assert_eq!(ann.roles, [Role::new("cfo").unwrap()]);
            assert!(node.authenticate(operator.reveal()).unwrap().is_operator());
        }
        let mut other = text.reveal().to_owned();
        let last = if other.pop() == Some('A') { 'B' } else { 'A' };
        other.push(last);
        for wrong in ["", "bulla_", other.as_str(), &text.reveal()[6..], &format!(" {}", text.reveal())] {
            assert!(matches!(one.authenticate(wrong), Err(TokenError::Unknown)), "{wrong}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_revoked_token_opens_nothing_from_the_moment_the_revocation_is_acknowledged() {
    on_both(async |bench| {
        let (one, two) = (tokens(&bench).await, tokens(&bench).await);
        let acme: TenantId = "acme".parse().unwrap();
        let (token, text) = one.create(&bench.origin("acme"), &new(Some("acme"))).await.unwrap();
        two.refresh().await.unwrap();
        assert!(two.authenticate(text.reveal()).is_ok());

        let origin = bench.origin("acme");
        one.revoke(&origin, Some(&acme), &token.id).await.unwrap();
        assert!(matches!(one.authenticate(text.reveal()), Err(TokenError::Revoked { .. })));
        two.refresh().await.unwrap();
        assert!(matches!(two.authenticate(text.reveal()), Err(TokenError::Revoked { .. })));
        assert!(matches!(tokens(&bench).await.authenticate(text.reveal()), Err(TokenError::Revoked { .. })));
        let again = one.revoke(&origin, Some(&acme), &token.id).await.unwrap();
        assert_eq!(again.revoked_ms, Some(bench.clock.now_ms()));
    })
    .await;
}

#[tokio::test]
async fn two_nodes_that_revoke_at_once_both_have_it_revoked() {
    on_both(async |bench| {
        let one = tokens(&bench).await;
        let acme: TenantId = "acme".parse().unwrap();
        for _ in 0..10 {
            let (token, text) = one.create(&bench.origin("acme"), &new(Some("acme"))).await.unwrap();
            let two = tokens(&bench).await;
            let origin = bench.origin("acme");
            let outcomes = tokio::join!(
                one.revoke(&origin, Some(&acme), &token.id),
                two.revoke(&origin, Some(&acme), &token.id)
            );
            assert!(outcomes.0.is_ok() && outcomes.1.is_ok(), "{outcomes:?}");
            for node in [&one, &two] {
                assert!(matches!(node.authenticate(text.reveal()), Err(TokenError::Revoked { .. })));
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_tenant_reaches_its_own_tokens_only() {
    on_both(async |bench| {
        let one = tokens(&bench).await;
        let (acme, globex): (TenantId, TenantId) = ("acme".parse().unwrap(), "globex".parse().unwrap());
        let (token, text) = one.create(&bench.origin("acme"), &new(Some("acme"))).await.unwrap();
        one.create(&bench.origin("system"), &new(None)).await.unwrap();
        for owner in [Some(&globex), None] {
            let refused = one.revoke(&bench.origin("globex"), owner, &token.id).await;
            assert!(matches!(refused, Err(TokenError::NotFound { .. })));
        }
        assert!(one.authenticate(text.reveal()).is_ok());
        assert_eq!(one.list(Some(&acme)).unwrap(), [token]);
        assert_eq!((one.list(Some(&globex)).unwrap().len(), one.list(None).unwrap().len()), (0, 1));
    })
    .await;
}

#[tokio::test]
async fn a_token_expires_by_the_clock() {
    on_both(async |bench| {
        let one = tokens(&bench).await;
        let soon = NewToken { expires_ms: Some(bench.clock.now_ms() + 500), ..new(Some("acme")) };
        let (_, text) = one.create(&bench.origin("acme"), &soon).await.unwrap();
        bench.clock.advance(Duration::from_millis(499));
        assert!(one.authenticate(text.reveal()).is_ok());
        bench.clock.advance(Duration::from_millis(1));
        assert!(matches!(one.authenticate(text.reveal()), Err(TokenError::Expired { .. })));
        let past = NewToken { expires_ms: Some(bench.clock.now_ms()), ..new(None) };
        assert!(matches!(one.create(&bench.origin("system"), &past).await, Err(TokenError::ExpiryPassed)));
    })
    .await;
}

#[tokio::test]
async fn a_node_without_word_from_the_database_lets_nobody_in() {
    on_both(async |bench| {
        let one = tokens(&bench).await;
        let (_, text) = one.create(&bench.origin("acme"), &new(Some("acme"))).await.unwrap();
        one.refresh().await.unwrap();
        bench.clock.advance(Duration::from_millis(1_000));
        assert!(one.authenticate(text.reveal()).is_ok());
        bench.clock.advance(Duration::from_millis(1));
        assert_eq!(matches!(one.authenticate(text.reveal()), Err(TokenError::Stale)), bench.is_postgres());
        one.refresh().await.unwrap();
        assert!(one.authenticate(text.reveal()).is_ok());
    })
    .await;
}

#[derive(sqlx::FromRow)]
struct Everything {
    tokens: String,
}

#[tokio::test]
async fn neither_the_table_nor_the_audit_log_holds_a_token() {
    on_both(async |bench| {
        let core = bench.core().await;
        let one = Tokens::load(core.clone()).await.unwrap();
        let (token, text) = one.create(&bench.origin("acme"), &new(Some("acme"))).await.unwrap();
        one.revoke(&bench.origin("acme"), Some(&"acme".parse().unwrap()), &token.id).await.unwrap();
        let body = &text.reveal()[6..];
        let all = Sql::both(
            "SELECT id || tenant || subject || roles || hash || hint || created_by AS tokens FROM token",
        );
        let rows: Vec<Everything> = core.db.fetch(&all, &[]).await.unwrap();
        assert!(rows.len() == 1 && !rows[0].tokens.contains(body));

        let audit = Audit::new(core, DEFAULT_ORIGIN, None).unwrap();
        let log = LogName::tenant(&"acme".parse().unwrap());
        let entries = audit.list(&log, &Query::default()).await.unwrap().entries;
        let events: Vec<_> = entries.iter().map(|entry| entry.body["event"].as_str().unwrap()).collect();
        assert_eq!(events, ["token.created", "token.revoked"]);
        assert_eq!(entries[0].body["detail"]["for"], token.subject.as_str());
        assert!(entries.iter().all(|entry| !entry.body.to_string().contains(body)));
    })
    .await;
}
