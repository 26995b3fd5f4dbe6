//! The laws of tenants on both databases.
#![expect(clippy::unwrap_used, reason = "a test fails loudly, in its helpers too")]

use std::time::Duration;

use bulla_base::TenantId;
use bulla_contract::{Bench, on_both};
use bulla_kernel::audit::{Audit, DEFAULT_ORIGIN, LogName, Query};
use bulla_kernel::tenants::{NewTenant, TenantError, Tenants};

fn new(id: &str) -> NewTenant {
    NewTenant { id: id.parse().unwrap(), display_name: "Acme GmbH".into(), time_zone: None }
}

async fn tenants(bench: &Bench) -> Tenants {
    Tenants::load(bench.core().await).await.unwrap()
}

#[tokio::test]
async fn a_tenant_is_there_once_it_is_created_and_after_a_restart() {
    on_both(async |bench| {
        let one = tenants(&bench).await;
        let acme: TenantId = "acme".parse().unwrap();
        assert!(matches!(one.get(&acme), Err(TenantError::NotFound { .. })));
        let wanted = NewTenant { time_zone: Some("europe/berlin".into()), ..new("acme") };
        let made = one.create(&bench.origin("system"), &wanted).await.unwrap();
        one.create(&bench.origin("system"), &new("globex")).await.unwrap();
        assert_eq!(made.time_zone, "Europe/Berlin");
        assert_eq!(one.get(&acme).unwrap(), made);
        let again = tenants(&bench).await;
        assert_eq!(again.get(&acme).unwrap(), made);
        let ids: Vec<_> = again.list().unwrap().iter().map(|tenant| tenant.id.to_string()).collect();
        assert_eq!(ids, ["acme", "globex"]);
        let globex = &again.list().unwrap()[1];
        assert_eq!(globex.time_zone, "UTC");
    })
    .await;
}

#[tokio::test]
async fn of_two_nodes_that_create_the_same_tenant_one_does() {
    on_both(async |bench| {
        let (one, two) = (tenants(&bench).await, tenants(&bench).await);
        let (origin, wanted) = (bench.origin("system"), new("acme"));
        let outcomes = tokio::join!(one.create(&origin, &wanted), two.create(&origin, &wanted));
        let lost: Vec<_> = [outcomes.0, outcomes.1].into_iter().filter_map(Result::err).collect();
        assert!(matches!(lost.as_slice(), [TenantError::Exists { .. }]), "{lost:?}");

        let audit = Audit::new(bench.core().await, DEFAULT_ORIGIN, None).unwrap();
        let entries = audit.list(&LogName::system(), &Query::default()).await.unwrap().entries;
        assert_eq!(entries.len(), 1, "the loser left nothing");
        assert_eq!(entries[0].body["event"], "tenant.created");
    })
    .await;
}

#[tokio::test]
async fn another_node_sees_it_with_its_next_refresh_and_answers_nothing_from_old_knowledge() {
    on_both(async |bench| {
        let (one, two) = (tenants(&bench).await, tenants(&bench).await);
        one.create(&bench.origin("system"), &new("acme")).await.unwrap();
        let acme: TenantId = "acme".parse().unwrap();
        assert!(two.get(&acme).is_err());
        two.refresh().await.unwrap();
        assert!(two.get(&acme).is_ok());
        bench.clock.advance(Duration::from_millis(1_001));
        assert_eq!(matches!(two.get(&acme), Err(TenantError::Stale)), bench.is_postgres());
        two.refresh().await.unwrap();
        assert!(two.get(&acme).is_ok());
    })
    .await;
}
