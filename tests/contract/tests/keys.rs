//! The laws of the room `keys`, on both databases.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use bulla_base::{Alias, Coded, Purpose, codes};
use bulla_contract::{Bench, on_both};
use bulla_kernel::Core;
use bulla_kernel::call::Call;
use bulla_kernel::grants::{Grants, KeyGrant};
use bulla_kernel::guest_error::GuestError;
use bulla_kernel::keys::{Keys, Signature};
use bulla_kernel::master::MasterKey;

fn master() -> Option<Arc<MasterKey>> {
    Some(Arc::new(MasterKey::from_text(&"07".repeat(32)).unwrap()))
}

async fn node(core: &Core) -> Keys {
    Keys::load(core, master()).await.unwrap()
}

fn signing() -> Alias {
    Alias::new("signing").unwrap()
}

fn invoice() -> Purpose {
    Purpose::new("invoice").unwrap()
}

fn call(bench: &Bench) -> Call {
    let grant = KeyGrant { purpose: invoice() };
    bench.call("acme", Grants { keys: [(signing(), grant)].into(), ..Default::default() })
}

fn sign(node: &Keys, call: &mut Call) -> Result<Signature, GuestError> {
    node.sign(call, &signing(), &invoice(), b"payload")
}

#[tokio::test]
async fn a_key_made_on_one_node_signs_on_the_other() {
    on_both(async |bench| {
        let (left, right) = (node(&bench.core().await).await, node(&bench.core().await).await);
        let (origin, mut call) = (bench.origin("acme"), call(&bench));
        left.create(&origin, &signing()).await.unwrap();
        let old = sign(&left, &mut call).unwrap();
        assert_eq!(sign(&right, &mut call), Err(GuestError::NotFound));
        right.refresh().await.unwrap();
        assert_eq!(sign(&right, &mut call).unwrap(), old);
        right.rotate(&origin, &signing()).await.unwrap();
        left.refresh().await.unwrap();
        let new = sign(&left, &mut call).unwrap();
        assert_eq!((old.key_version, new.key_version), (1, 2));
        for (node, signature) in [(&left, &old), (&left, &new), (&right, &old), (&right, &new)] {
            assert_eq!(node.verify(&mut call, &signing(), &invoice(), b"payload", signature), Ok(true));
        }
    })
    .await;
}

#[tokio::test]
async fn a_view_older_than_a_second_does_not_sign() {
    on_both(async |bench| {
        let node = node(&bench.core().await).await;
        let mut call = call(&bench);
        node.create(&bench.origin("acme"), &signing()).await.unwrap();
        bench.clock.advance(Duration::from_millis(1_001));
        let stale = sign(&node, &mut call);
        assert_eq!(stale.is_err(), bench.is_postgres(), "{stale:?}");
        node.refresh().await.unwrap();
        assert!(sign(&node, &mut call).is_ok());
    })
    .await;
}

#[tokio::test]
async fn of_racing_changes_one_wins() {
    on_both(async |bench| {
        let (left, right) = (node(&bench.core().await).await, node(&bench.core().await).await);
        let (origin, alias) = (bench.origin("acme"), signing());
        let (one, two) = tokio::join!(left.create(&origin, &alias), right.create(&origin, &alias));
        assert_eq!(u8::from(one.is_ok()) + u8::from(two.is_ok()), 1);
        let lost = one.err().or(two.err()).unwrap();
        assert_eq!(lost.code(), codes::CONFLICT);
        let mut made = 1;
        for _ in 0..10 {
            let (one, two) = tokio::join!(left.rotate(&origin, &alias), right.rotate(&origin, &alias));
            assert!(one.is_ok() || two.is_ok());
            made += usize::from(one.is_ok()) + usize::from(two.is_ok());
        }
        let listed = left.list(origin.tenant.as_ref().unwrap()).await.unwrap();
        let versions: Vec<_> = listed[0].versions.iter().map(|version| version.version as usize).collect();
        assert_eq!(versions, (1..=made).collect::<Vec<_>>());
        assert_eq!(listed[0].versions.iter().filter(|version| version.retired_ms.is_none()).count(), 1);
    })
    .await;
}
