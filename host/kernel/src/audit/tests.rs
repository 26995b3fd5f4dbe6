//! The room's laws on SQLite. Two nodes on one PostgreSQL stand in `tests/contract`.

mod append;
mod bundle;
mod merkle;
mod tamper;

use std::sync::Arc;

use bulla_base::{Clock, ManualClock, SystemRng, TraceId};
use bulla_store::{Committer, CommitterConfig, Db, SqliteConfig, Unit};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::*;
use crate::core::Core;
use crate::master::MasterKey;
use crate::origin::Origin;

/// A database of its own, with a manual clock and a master key.
struct House {
    dir: tempfile::TempDir,
    core: Core,
    clock: Arc<ManualClock>,
    audit: Audit,
}

impl House {
    async fn open() -> Self {
        let house = Self::with_master(Some(7)).await;
        house.audit.start(&house.origin("system")).await.unwrap();
        house
    }

    async fn with_master(seed: Option<u8>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config =
            SqliteConfig { path: dir.path().join("bulla.db"), readers: 2, durability: Default::default() };
        let db = Db::open_sqlite(&config).await.unwrap();
        bulla_store::migrate(&db).await.unwrap();
        let clock = Arc::new(ManualClock::at("2026-03-31T12:00:00Z".parse().unwrap()));
        let committer =
            Committer::start(db.clone(), Arc::new(AuditJournal::new()), CommitterConfig::default());
        let core = Core { db, committer, clock: clock.clone(), rng: Arc::new(SystemRng) };
        let audit = Audit::new(core.clone(), DEFAULT_ORIGIN, seed.map(master)).unwrap();
        Self { dir, core, clock, audit }
    }

    fn origin(&self, log: &str) -> Origin {
        Origin {
            tenant: (log != "system").then(|| log.parse().unwrap()),
            subject: "ada".parse().unwrap(),
            trace: TraceId::draw(&SystemRng),
            at_ms: self.clock.now_ms(),
            policy_version: None,
            call: None,
        }
    }

    /// One entry a commit.
    async fn write(&self, log: &str, count: u64) {
        for n in 0..count {
            let mut unit = Unit::default();
            unit.record(self.origin(log).entry("test.written", &format!("thing/{n}"), json!({"n": n})));
            self.core.committer.commit(unit).await.unwrap();
        }
    }

    async fn publish(&self) -> Published {
        self.audit.checkpoint_once().await.unwrap()
    }

    async fn verify(&self) -> Report {
        self.audit.verify(&acme(), &Trust::Host, &[]).await.unwrap()
    }

    async fn vkeys(&self, log: &LogName) -> Vec<String> {
        self.audit.verifier_keys(log).await.unwrap().into_iter().map(|key| key.vkey).collect()
    }
}

fn master(seed: u8) -> Arc<MasterKey> {
    Arc::new(MasterKey::from_bytes(Zeroizing::new([seed; 32])))
}

fn acme() -> LogName {
    LogName::tenant(&"acme".parse().unwrap())
}

#[tokio::test]
async fn indexes_are_dense_and_every_log_has_its_own() {
    let house = House::open().await;
    let writes = (0..60).map(|n| house.write(["acme", "globex", "system"][n % 3], 1));
    futures::future::join_all(writes).await;
    for (log, size) in
        [(acme(), 20), (LogName::tenant(&"globex".parse().unwrap()), 20), (LogName::system(), 21)]
    {
        let listing = house.audit.list(&log, &Query::default()).await.unwrap();
        assert_eq!(listing.size, size, "{log}");
        let indexes: Vec<u64> = listing.entries.iter().map(|entry| entry.index).collect();
        assert_eq!(indexes, (0..size).collect::<Vec<_>>(), "{log}");
        assert!(listing.entries.iter().all(|entry| entry.body["log"] == log.as_str()));
    }
}

#[tokio::test]
async fn a_unit_that_loses_takes_no_index() {
    let house = House::open().await;
    house.write("acme", 2).await;
    let mut losing = Unit::default();
    losing.remove(&super::store::TREES, "nothing", 4);
    losing.record(house.origin("acme").entry("test.lost", "thing/9", json!({})));
    assert!(house.core.committer.commit(losing).await.is_err());
    house.write("acme", 1).await;
    assert_eq!(house.audit.size(&acme()).await.unwrap(), 3);
    assert_eq!(house.verify().await.fault, None);
}

#[tokio::test]
async fn a_listing_takes_what_matches_every_filter() {
    let house = House::open().await;
    let origin = house.origin("acme");
    let mut unit = Unit::default();
    for (event, object) in [("a.done", "x/1"), ("b.done", "x/1"), ("a.done", "x/2")] {
        unit.record(origin.entry(event, object, json!({})));
    }
    house.core.committer.commit(unit).await.unwrap();
    house.write("acme", 5).await;
    let found = async |query: Query| -> Vec<u64> {
        house.audit.list(&acme(), &query).await.unwrap().entries.iter().map(|entry| entry.index).collect()
    };
    let (trace, object) = (Some(origin.trace.clone()), Some("x/1".parse().unwrap()));
    assert_eq!(found(Query { trace: trace.clone(), ..Default::default() }).await, [0, 1, 2]);
    assert_eq!(
        found(Query { trace: trace.clone(), object: object.clone(), ..Default::default() }).await,
        [0, 1]
    );
    assert_eq!(
        found(Query { trace, event: Some("a.done".into()), from: 1, ..Default::default() }).await,
        [2]
    );
    assert_eq!(found(Query { object, event: Some("b.done".into()), ..Default::default() }).await, [1]);
    assert_eq!(found(Query { event: Some("a.done".into()), ..Default::default() }).await, [0, 2]);
    assert_eq!(found(Query { from: 2, to: Some(6), limit: Some(3), ..Default::default() }).await, [2, 3, 4]);
    for wrong in
        [Query { limit: Some(0), ..Default::default() }, Query { limit: Some(1_001), ..Default::default() }]
    {
        assert!(matches!(house.audit.list(&acme(), &wrong).await, Err(AuditError::Invalid(_))));
    }
    let nobody = LogName::tenant(&"nobody".parse().unwrap());
    assert!(matches!(house.audit.list(&nobody, &Query::default()).await, Err(AuditError::NotFound { .. })));
}

#[tokio::test]
async fn checkpoints_follow_the_log_and_publishing_again_changes_nothing() {
    let house = House::open().await;
    house.write("acme", 3).await;
    let behind = house.audit.status().await.unwrap();
    assert_eq!((behind.signing, behind.logs_behind), (true, 2));
    assert_eq!(house.publish().await, Published { checkpoints: 2, ..Default::default() });
    assert_eq!(house.publish().await, Published::default(), "a checkpoint is not an entry");
    house.write("acme", 4).await;
    house.clock.advance(std::time::Duration::from_millis(700));
    assert_eq!(house.audit.status().await.unwrap().oldest_unpublished_ms, 700);
    assert_eq!(house.publish().await.checkpoints, 1);
    let report = house.verify().await;
    assert_eq!((report.entries, report.checkpoints, report.published, report.fault), (7, 2, 7, None));
    assert_eq!(report.keys, KeySource::Sealed);
    let note = house.audit.newest_checkpoint(&acme()).await.unwrap().unwrap();
    assert!(
        note.starts_with("bulla.dev/log/acme\n7\n") && note.contains("\n\n— bulla.dev/log/acme "),
        "{note}"
    );
}

#[tokio::test]
async fn a_log_that_grew_much_gets_several_checkpoints() {
    let house = House::open().await;
    for _ in 0..3 {
        let mut unit = Unit::default();
        for n in 0..5_000 {
            unit.record(house.origin("acme").entry("test.written", "thing/1", json!({"n": n})));
        }
        house.core.committer.commit(unit).await.unwrap();
    }
    let first = house.publish().await;
    assert!(first.more, "{first:?}");
    assert!(!house.publish().await.more);
    let report = house.verify().await;
    assert_eq!((report.entries, report.checkpoints, report.fault), (15_000, 2, None));
}

#[tokio::test]
async fn without_a_master_key_entries_are_written_and_nothing_is_signed() {
    let house = House::with_master(None).await;
    house.audit.start(&house.origin("system")).await.unwrap();
    house.write("acme", 2).await;
    assert_eq!(house.publish().await, Published::default());
    assert!(!house.audit.status().await.unwrap().signing);
    let report = house.verify().await;
    assert_eq!((report.entries, report.published, report.keys), (2, 0, KeySource::Stored));
    assert!(matches!(house.audit.rotate(&house.origin("system")).await, Err(AuditError::MasterKey(_))));
    assert!(matches!(house.audit.export(&acme(), 0, None).await, Err(AuditError::Unpublished { .. })));
}

#[tokio::test]
async fn a_rotated_key_signs_on_every_node_and_the_old_checkpoints_still_verify() {
    let house = House::open().await;
    let other = Audit::new(house.core.clone(), DEFAULT_ORIGIN, Some(master(7))).unwrap();
    house.write("acme", 2).await;
    house.publish().await;
    let rotated = house.audit.rotate(&house.origin("acme")).await.unwrap();
    assert_eq!(rotated.generation, 2);
    house.write("acme", 2).await;
    other.checkpoint_once().await.unwrap();
    let vkeys = house.vkeys(&acme()).await;
    let newest = house.audit.newest_checkpoint(&acme()).await.unwrap().unwrap();
    let only_new = super::note::TrustedKeys::parse(&vkeys[1..]).unwrap();
    assert_eq!(super::note::open(&newest, &only_new).unwrap().size, 4);
    assert_eq!(house.verify().await.fault, None);

    let listing = house.audit.list(&LogName::system(), &Query::default()).await.unwrap();
    let events: Vec<&Value> = listing.entries.iter().map(|entry| &entry.body["event"]).collect();
    assert_eq!(events, ["audit.key-created", "audit.key-rotated"]);
    assert_eq!(listing.entries[1].body["detail"]["vkey"], rotated.vkey.as_str());
}

#[tokio::test]
async fn another_master_key_does_not_open_the_checkpoint_key() {
    let house = House::open().await;
    let wrong = Audit::new(house.core.clone(), DEFAULT_ORIGIN, Some(master(8))).unwrap();
    assert!(matches!(wrong.start(&house.origin("system")).await, Err(AuditError::MasterKey(_))));
}

#[tokio::test]
async fn an_origin_is_one_word_of_ascii() {
    let core = House::with_master(None).await.core;
    for wrong in ["", "a b", "a+b", "bulla.dev/", "bülla.dev", &"a".repeat(101)] {
        assert!(matches!(Audit::new(core.clone(), wrong, None), Err(AuditError::Invalid(_))), "{wrong}");
    }
    assert!(Audit::new(core, "log.example/bulla-1", None).is_ok());
}
