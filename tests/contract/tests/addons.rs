//! The laws of installed addons on both databases.
#![expect(clippy::unwrap_used, reason = "a test fails loudly, in its helpers too")]

use std::sync::Arc;
use std::time::Duration;

use bulla_base::{AddonName, Alias, Coded as _, TenantId, codes};
use bulla_contract::{Bench, on_both};
use bulla_kernel::addons::{AddonError, Addons, PackageRecord};
use bulla_kernel::audit::{Audit, DEFAULT_ORIGIN, LogName, Query};
use bulla_kernel::grants::{Capability, GrantCell, Grants};
use bulla_store::{Expect, Unit};
use serde_json::json;

/// How many bytes of a package the room puts into one row.
const PART: usize = 192 << 10;

bulla_store::table! {
    PARTS = "addon_part" { digest: text, part: bigint, bytes: text }
}

fn alias(text: &str) -> Alias {
    Alias::new(text).unwrap()
}

fn sequences(names: &[&str]) -> Grants {
    Grants { sequences: names.iter().map(|name| alias(name)).collect(), ..Default::default() }
}

fn allows(cell: &GrantCell, name: &str) -> bool {
    cell.allows(Capability::Sequence(&alias(name)))
}

/// A package that asks for the sequences `a` and `b`.
fn package(version: &str, content: &str) -> PackageRecord {
    let bytes: Arc<[u8]> = [b"\0\xff package ", content.as_bytes()].concat().into();
    PackageRecord {
        name: addon(),
        version: version.into(),
        digest: PackageRecord::digest_of(&bytes),
        component_digest: "0".repeat(64),
        publisher: "key".into(),
        bytes,
        asked: sequences(&["a", "b"]),
    }
}

fn addon() -> AddonName {
    "einvoice".parse().unwrap()
}

fn acme() -> TenantId {
    "acme".parse().unwrap()
}

async fn addons(bench: &Bench) -> Addons {
    Addons::load_all(bench.core().await).await.unwrap()
}

async fn events(bench: &Bench, tenant: &str) -> Vec<String> {
    let audit = Audit::new(bench.core().await, DEFAULT_ORIGIN, None).unwrap();
    let log = LogName::tenant(&tenant.parse().unwrap());
    let entries = audit.list(&log, &Query::default()).await.unwrap().entries;
    entries.iter().map(|entry| entry.body["event"].as_str().unwrap().to_owned()).collect()
}

/// A look gives up after a second of real time, which a busy machine may need.
async fn refreshed(addons: &Addons) {
    for _ in 0..20 {
        if addons.refresh().await.is_ok() {
            return;
        }
    }
    addons.refresh().await.unwrap();
}

#[tokio::test]
async fn what_is_installed_is_found_with_its_bytes_also_after_a_restart() {
    on_both(async |bench| {
        let one = addons(&bench).await;
        let (origin, first) = (bench.origin("acme"), package("1.0.0", "one"));
        assert!(one.find(&acme(), &addon()).unwrap().is_none());
        let made = one.install(&origin, &acme(), &first, &sequences(&["a"])).await.unwrap();
        one.install(&origin, &acme(), &first, &sequences(&["a"])).await.unwrap();
        for node in [&one, &addons(&bench).await] {
            let found = node.find(&acme(), &addon()).unwrap().unwrap();
            assert_eq!((&found.version, &found.digest, found.enabled), (&made.version, &first.digest, true));
            assert!(allows(&found.grants, "a") && !allows(&found.grants, "b"));
            assert_eq!(node.package(&first.digest).await.unwrap(), *first.bytes);
            assert!(node.find(&"globex".parse().unwrap(), &addon()).unwrap().is_none());
        }
        assert!(matches!(one.package("00").await, Err(AddonError::NoPackage { .. })));
        assert_eq!(
            events(&bench, "acme").await,
            ["addon.stored", "addon.installed"],
            "a repeat is not audited"
        );
    })
    .await;
}

#[tokio::test]
async fn a_package_comes_back_whole_whatever_its_size() {
    on_both(async |bench| {
        let one = addons(&bench).await;
        let granted = Grants::default();
        let rest = package("1.0.0", "").bytes.len();
        for (version, size) in
            [rest, PART - 1, PART, PART + 1, 2 * PART, 5 * PART + 7].into_iter().enumerate()
        {
            let large = package(&format!("1.{version}.0"), &"x".repeat(size - rest));
            let done = match version {
                0 => one.install(&bench.origin("acme"), &acme(), &large, &granted).await,
                _ => one.upgrade(&bench.origin("acme"), &acme(), &large).await,
            };
            assert_eq!(done.unwrap().digest, large.digest);
            assert_eq!(one.package(&large.digest).await.unwrap(), *large.bytes, "{size} bytes");
        }
    })
    .await;
}

#[tokio::test]
async fn a_package_that_lost_a_part_or_has_another_is_not_given() {
    for (damage, told) in
        [(None, "a part is missing"), (Some("A"), "the bytes have another digest"), (Some("?"), "not Base64")]
    {
        on_both(async |bench| {
            let one = addons(&bench).await;
            let (origin, large) = (bench.origin("acme"), package("1.0.0", &"x".repeat(2 * PART)));
            one.install(&origin, &acme(), &large, &Grants::default()).await.unwrap();
            let id = format!("{}/1", large.digest);
            let mut unit = Unit::default();
            match damage {
                None => unit.remove(&PARTS, &id, 1),
                Some(bytes) => {
                    let row = json!({"digest": large.digest, "part": 1, "bytes": bytes.repeat(PART / 3 * 4)});
                    unit.put(&PARTS, &id, Expect::Version(1), &row);
                }
            }
            unit.record(origin.entry("test.damaged", &id, json!({})));
            bench.core().await.committer.commit(unit).await.unwrap();
            let refused = one.package(&large.digest).await.unwrap_err();
            assert_eq!(refused.code(), codes::STORE_CORRUPT);
            assert!(refused.to_string().contains(told), "{refused}");
        })
        .await;
    }
}

#[tokio::test]
async fn a_package_is_kept_once_for_all_tenants_however_they_race() {
    on_both(async |bench| {
        let (one, two) = (addons(&bench).await, addons(&bench).await);
        let (mine, theirs) = (bench.origin("acme"), bench.origin("globex"));
        let (globex, first, grants): (TenantId, _, _) =
            ("globex".parse().unwrap(), package("1.0.0", "one"), Grants::default());
        let tenant = acme();
        let outcomes = tokio::join!(
            one.install(&mine, &tenant, &first, &grants),
            two.install(&theirs, &globex, &first, &grants)
        );
        assert!(outcomes.0.is_ok() && outcomes.1.is_ok(), "{outcomes:?}");
        let stored = [events(&bench, "acme").await, events(&bench, "globex").await].concat();
        assert_eq!(stored.iter().filter(|event| *event == "addon.stored").count(), 1);
    })
    .await;
}

#[tokio::test]
async fn an_upgrade_keeps_the_grants_and_can_be_taken_back_once() {
    on_both(async |bench| {
        let one = addons(&bench).await;
        let origin = bench.origin("acme");
        let first = package("1.0.0", "one");
        let second = PackageRecord { asked: sequences(&["b", "c"]), ..package("1.1.0", "two") };
        assert!(matches!(one.upgrade(&origin, &acme(), &first).await, Err(AddonError::NotInstalled { .. })));
        one.install(&origin, &acme(), &first, &sequences(&["a", "b"])).await.unwrap();
        let new = one.upgrade(&origin, &acme(), &second).await.unwrap();
        assert_eq!(new.version, "1.1.0");
        assert!(!allows(&new.grants, "a"), "it does not ask for it");
        assert!(allows(&new.grants, "b"));
        assert!(!allows(&new.grants, "c"), "nobody granted it");

        let old = one.rollback(&origin, &acme(), &addon()).await.unwrap();
        assert_eq!((old.version.as_str(), allows(&old.grants, "a")), ("1.0.0", true));
        assert!(matches!(
            one.rollback(&origin, &acme(), &addon()).await,
            Err(AddonError::NothingBefore { .. })
        ));
        let versions: Vec<_> =
            one.history(&acme(), &addon()).await.unwrap().into_iter().map(|one| one.version).collect();
        assert_eq!(versions, ["1.0.0", "1.1.0"]);
    })
    .await;
}

#[tokio::test]
async fn a_version_is_one_package_also_after_a_removal() {
    on_both(async |bench| {
        let one = addons(&bench).await;
        let (origin, grants) = (bench.origin("acme"), Grants::default());
        let (first, forged) = (package("1.0.0", "one"), package("1.0.0", "other"));
        let held = one.install(&origin, &acme(), &first, &sequences(&["a"])).await.unwrap().grants.clone();
        assert!(matches!(
            one.upgrade(&origin, &acme(), &forged).await,
            Err(AddonError::VersionReused { .. })
        ));
        one.remove(&origin, &acme(), &addon()).await.unwrap();
        assert!(!allows(&held, "a"), "a running call lost it");
        assert!(one.find(&acme(), &addon()).unwrap().is_none());
        assert!(addons(&bench).await.find(&acme(), &addon()).unwrap().is_none());
        let again = one.install(&origin, &acme(), &forged, &grants).await;
        assert!(matches!(again, Err(AddonError::VersionReused { .. })));
        let back = one.install(&origin, &acme(), &first, &grants).await.unwrap();
        assert!(!allows(&back.grants, "a"), "the grants are those of this installation");
        assert!(matches!(one.package(&forged.digest).await, Err(AddonError::NoPackage { .. })));
    })
    .await;
}

#[tokio::test]
async fn a_grant_counts_at_once_here_and_with_the_next_refresh_elsewhere() {
    on_both(async |bench| {
        let one = addons(&bench).await;
        let origin = bench.origin("acme");
        one.install(&origin, &acme(), &package("1.0.0", "one"), &sequences(&["a"])).await.unwrap();
        let two = addons(&bench).await;
        let here = one.get(&acme(), &addon()).unwrap().grants.clone();
        let there = two.get(&acme(), &addon()).unwrap().grants.clone();
        one.grant(&origin, &acme(), &addon(), &sequences(&["b"])).await.unwrap();
        assert!(!allows(&here, "a") && allows(&here, "b"));
        assert!(allows(&there, "a") && !allows(&there, "b"));
        refreshed(&two).await;
        assert!(!allows(&there, "a") && allows(&there, "b"));

        let unasked = one.grant(&origin, &acme(), &addon(), &sequences(&["b", "z"])).await;
        assert!(matches!(unasked, Err(AddonError::NotAsked { what }) if what == "sequence z"));
        one.disable(&origin, &acme(), &addon()).await.unwrap();
        assert!(!allows(&here, "b") && !one.get(&acme(), &addon()).unwrap().enabled);
        refreshed(&two).await;
        assert!(!allows(&there, "b"));
        one.enable(&origin, &acme(), &addon()).await.unwrap();
        one.enable(&origin, &acme(), &addon()).await.unwrap();
        assert!(allows(&here, "b"));
        assert_eq!(events(&bench, "acme").await[2..], ["addon.granted", "addon.disabled", "addon.enabled"]);
    })
    .await;
}

#[tokio::test]
async fn two_nodes_that_change_one_addon_do_not_lose_a_change() {
    on_both(async |bench| {
        let one = addons(&bench).await;
        let (mine, theirs) = (bench.origin("acme"), bench.origin("acme"));
        one.install(&mine, &acme(), &package("1.0.0", "one"), &Grants::default()).await.unwrap();
        let two = addons(&bench).await;
        for _ in 0..10 {
            let (granted, none) = (sequences(&["a"]), Grants::default());
            let (name, tenant) = (addon(), acme());
            let outcomes = tokio::join!(
                one.grant(&mine, &tenant, &name, &granted),
                two.disable(&theirs, &tenant, &name)
            );
            let now = addons(&bench).await.get(&tenant, &name).unwrap();
            assert_eq!(now.granted == granted, outcomes.0.is_ok());
            assert_eq!(!now.enabled, outcomes.1.is_ok());
            one.grant(&mine, &tenant, &name, &none).await.unwrap();
            two.enable(&theirs, &tenant, &name).await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn without_word_from_the_database_nothing_is_found_and_running_calls_lose_their_grants() {
    on_both(async |bench| {
        let one = addons(&bench).await;
        one.install(&bench.origin("acme"), &acme(), &package("1.0.0", "one"), &sequences(&["a"]))
            .await
            .unwrap();
        let core = bench.core().await;
        let cut_off = Addons::load_all(core.clone()).await.unwrap();
        let held = cut_off.get(&acme(), &addon()).unwrap().grants.clone();
        core.db.close().await;
        assert!(cut_off.refresh().await.is_err());
        assert!(allows(&held, "a"), "it is not yet a second old");
        bench.clock.advance(Duration::from_millis(1_001));
        assert!(cut_off.refresh().await.is_err());
        assert_eq!(allows(&held, "a"), !bench.is_postgres());
        assert_eq!(cut_off.find(&acme(), &addon()).is_err(), bench.is_postgres());
        refreshed(&one).await;
        assert!(allows(&one.get(&acme(), &addon()).unwrap().grants, "a"));
    })
    .await;
}
