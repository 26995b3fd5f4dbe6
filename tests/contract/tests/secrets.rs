//! The laws of the room `secrets`, on both databases.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bulla_base::{Alias, Coded, Purpose, codes};
use bulla_contract::{Bench, on_both};
use bulla_kernel::Core;
use bulla_kernel::call::Call;
use bulla_kernel::grants::{Grants, SecretGrant};
use bulla_kernel::guest_error::GuestError;
use bulla_kernel::master::MasterKey;
use bulla_kernel::ports::{Egress, EgressError, OutboundRequest, OutboundResponse, Placement, Plaintext};
use bulla_kernel::secrets::{GuestRequest, Secrets};
use bulla_kernel::sequences::{Definition, Gaps, Reset, Sequences};

const DESTINATION: &str = "https://receiver.example";

struct Agreeing;

#[async_trait]
impl Egress for Agreeing {
    fn check(&self, _: &OutboundRequest) -> Result<(), EgressError> {
        Ok(())
    }

    async fn send(&self, _: OutboundRequest) -> Result<OutboundResponse, EgressError> {
        Ok(OutboundResponse { status: 204, headers: Vec::new(), body: Vec::new() })
    }
}

async fn node(core: &Core) -> Secrets {
    let master = MasterKey::from_text(&"07".repeat(32)).unwrap();
    Secrets::load(core, Some(Arc::new(master)), Arc::new(Agreeing)).await.unwrap()
}

fn token() -> Alias {
    Alias::new("token").unwrap()
}

fn delivery() -> Purpose {
    Purpose::new("delivery").unwrap()
}

fn call(bench: &Bench) -> Call {
    let grant = SecretGrant { purpose: delivery(), destinations: [DESTINATION.to_owned()].into() };
    bench.call("acme", Grants { secrets: [(token(), grant)].into(), ..Default::default() })
}

fn value(text: &str) -> Plaintext {
    Plaintext(text.as_bytes().to_vec().into())
}

/// The value that a send of this node would carry.
fn sent(node: &Secrets, call: &mut Call) -> Result<String, GuestError> {
    let request = GuestRequest {
        method: "POST".into(),
        url: DESTINATION.into(),
        headers: Vec::new(),
        body: Vec::new(),
        placement: Placement::Bearer,
    };
    let outbound = node.prepare(call, &token(), &delivery(), request)?;
    Ok(String::from_utf8(outbound.secret.0.to_vec()).unwrap())
}

#[tokio::test]
async fn a_secret_set_on_one_node_is_used_on_the_other() {
    on_both(async |bench| {
        let (left, right) = (node(&bench.core().await).await, node(&bench.core().await).await);
        let (origin, mut call) = (bench.origin("acme"), call(&bench));
        left.set(&origin, &token(), value("first-value")).await.unwrap();
        assert_eq!(sent(&left, &mut call), Ok("first-value".into()), "own writes show at once");
        assert_eq!(sent(&right, &mut call), Err(GuestError::NotFound));
        right.refresh().await.unwrap();
        assert_eq!(sent(&right, &mut call), Ok("first-value".into()));
        right.set(&origin, &token(), value("second-value")).await.unwrap();
        left.refresh().await.unwrap();
        assert_eq!(sent(&left, &mut call), Ok("second-value".into()));
        left.remove(&origin, &token()).await.unwrap();
        right.refresh().await.unwrap();
        assert_eq!(sent(&right, &mut call), Err(GuestError::NotFound));
        assert!(right.list(origin.tenant.as_ref().unwrap()).await.unwrap().is_empty());
    })
    .await;
}

/// A node that cannot look would go on using a secret that was removed elsewhere.
#[tokio::test]
async fn a_view_older_than_a_second_is_not_used() {
    on_both(async |bench| {
        let node = node(&bench.core().await).await;
        let mut call = call(&bench);
        node.set(&bench.origin("acme"), &token(), value("first-value")).await.unwrap();
        bench.clock.advance(Duration::from_millis(1_000));
        assert!(sent(&node, &mut call).is_ok());
        bench.clock.advance(Duration::from_millis(1));
        let stale = sent(&node, &mut call);
        if bench.is_postgres() {
            assert!(matches!(stale, Err(GuestError::Unavailable { .. })), "{stale:?}");
        } else {
            assert!(stale.is_ok(), "one process sees its own writes");
        }
        node.refresh().await.unwrap();
        assert!(sent(&node, &mut call).is_ok());
    })
    .await;
}

/// Of two that change the same secret at once one may lose; a version is never given twice, and the value that stays is
/// that of the last one told `ok`.
#[tokio::test]
async fn racing_changes_keep_versions_apart() {
    on_both(async |bench| {
        let (left, right) = (node(&bench.core().await).await, node(&bench.core().await).await);
        let (origin, alias) = (bench.origin("acme"), token());
        let mut versions = Vec::new();
        for round in 0..20 {
            let (one, two) = tokio::join!(
                left.set(&origin, &alias, value(&format!("left-value-{round}"))),
                right.set(&origin, &alias, value(&format!("right-value-{round}")))
            );
            assert!(one.is_ok() || two.is_ok());
            for result in [one, two] {
                match result {
                    Ok(info) => versions.push(info.version),
                    Err(error) => assert_eq!(error.code(), codes::CONFLICT, "{error}"),
                }
            }
        }
        let dense: Vec<_> = (1..=versions.len() as i64).collect();
        versions.sort_unstable();
        assert_eq!(versions, dense);
        left.refresh().await.unwrap();
        right.refresh().await.unwrap();
        let mut call = call(&bench);
        assert_eq!(sent(&left, &mut call).unwrap(), sent(&right, &mut call).unwrap());
    })
    .await;
}

/// A byte that left the host cannot be rolled back, so a number that may be issued again must not be in it.
#[tokio::test]
async fn nothing_is_sent_while_a_gapless_number_is_uncommitted() {
    on_both(async |bench| {
        let core = bench.core().await;
        let (secrets, sequences) =
            (node(&core).await, Arc::new(Sequences::open(core.clone()).await.unwrap()));
        let (origin, tenant, key) =
            (bench.origin("acme"), "acme".parse().unwrap(), "invoice".parse().unwrap());
        secrets.set(&origin, &token(), value("first-value")).await.unwrap();
        let definition = Definition {
            format: "{00000}".into(),
            reset: Reset::Never,
            gaps: Gaps::Gapless,
            time_zone: "UTC".into(),
            fiscal_start: 1,
        };
        sequences.define(&origin, &tenant, &key, definition).await.unwrap();
        let grant = SecretGrant { purpose: delivery(), destinations: [DESTINATION.to_owned()].into() };
        let grants = Grants {
            sequences: [key.clone()].into(),
            secrets: [(token(), grant)].into(),
            ..Default::default()
        };
        let mut call = bench.call("acme", grants);
        assert!(sent(&secrets, &mut call).is_ok());
        sequences.reserve(&mut call, &key, "2026-03-31", None).await.unwrap();
        assert!(matches!(sent(&secrets, &mut call), Err(GuestError::Conflict(_))));
        let malformed = |url: &str, method: &str| GuestRequest {
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            placement: Placement::Bearer,
        };
        let mut refusal = |url: &str, method: &str| {
            secrets.prepare(&mut call, &token(), &delivery(), malformed(url, method)).unwrap_err()
        };
        assert!(
            matches!(refusal("https://evil.example", "TRACE"), GuestError::Denied(_)),
            "denied comes first"
        );
        assert!(
            matches!(refusal(DESTINATION, "TRACE"), GuestError::Conflict(_)),
            "then conflict, then invalid"
        );
    })
    .await;
}
