use serde_json::json;

use super::*;
use crate::db::SqliteConfig;
use crate::sql::Sql;
use crate::unit::Expect;

crate::table! {
    THINGS = "thing" { tenant: text, amount: bigint }
}

#[derive(sqlx::FromRow, Debug, PartialEq)]
struct Thing {
    id: String,
    version: i64,
    amount: i64,
}

async fn database() -> (tempfile::TempDir, Db) {
    let dir = tempfile::tempdir().unwrap();
    let config = SqliteConfig { path: dir.path().join("t.db"), readers: 2, durability: Default::default() };
    let db = Db::open_sqlite(&config).await.unwrap();
    let Pool::Sqlite { writer, .. } = &db.pool else { unreachable!() };
    sqlx::query("CREATE TABLE thing (id TEXT PRIMARY KEY, version INTEGER NOT NULL, tenant TEXT NOT NULL, amount INTEGER NOT NULL CHECK (amount >= 0)) STRICT")
        .execute(writer).await.unwrap();
    (dir, db)
}

fn unit(id: &str, expect: Expect, amount: i64) -> Unit {
    let mut unit = Unit::default();
    unit.put(&THINGS, id, expect, &json!({"tenant": "acme", "amount": amount}));
    unit.record(Entry { log: "acme".into(), body: json!({"event": "thing.put"}) });
    unit
}

async fn commit_all(db: &Db, journal: &dyn Journal, units: &[Unit]) -> Vec<Result<(), StoreError>> {
    let units: Vec<Ready> = units.iter().map(|unit| ready(unit.clone(), journal).unwrap()).collect();
    super::commit_all(db, journal, &units).await
}

async fn things(db: &Db) -> Vec<Thing> {
    db.fetch(&Sql::both("SELECT id, version, amount FROM thing ORDER BY id"), &[]).await.unwrap()
}

#[tokio::test]
async fn of_two_units_with_the_same_precondition_one_wins() {
    let (_dir, db) = database().await;
    let batch = [unit("a", Expect::Absent, 1), unit("a", Expect::Absent, 2), unit("b", Expect::Absent, 3)];
    let outcomes = commit_all(&db, &NoJournal, &batch).await;
    assert!(outcomes[0].is_ok() && outcomes[2].is_ok());
    assert!(matches!(&outcomes[1], Err(StoreError::Conflict { table: "thing", id }) if id == "a"));
    let stale = commit_all(&db, &NoJournal, &[unit("a", Expect::Version(2), 9)]).await;
    assert!(matches!(stale[0], Err(StoreError::Conflict { .. })));
    commit_all(&db, &NoJournal, &[unit("a", Expect::Version(1), 7)]).await.remove(0).unwrap();
    assert_eq!(things(&db).await[0], Thing { id: "a".into(), version: 2, amount: 7 });
}

#[tokio::test]
async fn a_unit_that_breaks_the_batch_is_dropped_alone() {
    let (_dir, db) = database().await;
    let batch = [unit("a", Expect::Absent, 1), unit("b", Expect::Absent, -1), unit("c", Expect::Fresh, 3)];
    let outcomes = commit_all(&db, &NoJournal, &batch).await;
    assert!(outcomes[0].is_ok() && outcomes[2].is_ok());
    assert!(
        matches!(outcomes[1], Err(StoreError::Unavailable(_))),
        "the check constraint speaks: {:?}",
        outcomes[1]
    );
    assert_eq!(things(&db).await.len(), 2);
}

#[tokio::test]
async fn the_log_is_carried_over_beside_the_commits() {
    let (dir, db) = database().await;
    let length = || std::fs::metadata(dir.path().join("t.db")).unwrap().len();
    let committer = Committer::start(db.clone(), Arc::new(NoJournal), CommitterConfig::default());
    let put = async |from: usize, to: usize| {
        let units = (from..to).map(|n| committer.commit(unit(&format!("{n:04}"), Expect::Absent, 1)));
        assert!(futures::future::join_all(units).await.iter().all(Result::is_ok));
    };
    put(0, crate::wal::UNITS - 1).await;
    let before = length();
    put(crate::wal::UNITS - 1, crate::wal::UNITS).await;
    let mut tries = 0;
    while length() == before {
        tries += 1;
        assert!(tries < 6_000, "the file still has {before} bytes");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(things(&db).await.len(), crate::wal::UNITS);
}

#[tokio::test]
async fn a_change_without_an_audit_entry_is_refused() {
    let (_dir, db) = database().await;
    let committer = Committer::start(db.clone(), Arc::new(NoJournal), CommitterConfig::default());
    let mut silent = unit("a", Expect::Absent, 1);
    silent.journal.clear();
    assert!(matches!(committer.commit(silent).await, Err(StoreError::Unaudited { table: "thing" })));
    assert!(things(&db).await.is_empty());
}

#[tokio::test]
async fn many_callers_share_commits_and_each_gets_its_own_answer() {
    let (_dir, db) = database().await;
    let committer = Committer::start(db.clone(), Arc::new(NoJournal), CommitterConfig::default());
    let calls = (0..200).map(|n| {
        let committer = committer.clone();
        tokio::spawn(async move { committer.commit(unit(&format!("t{}", n % 100), Expect::Absent, n)).await })
    });
    let outcomes = futures::future::join_all(calls).await;
    assert_eq!(outcomes.into_iter().filter(|outcome| outcome.as_ref().unwrap().is_ok()).count(), 100);
    assert_eq!(things(&db).await.len(), 100);
}

#[tokio::test]
async fn a_removal_needs_the_version_it_saw() {
    let (_dir, db) = database().await;
    commit_all(&db, &NoJournal, &[unit("a", Expect::Absent, 1)]).await.remove(0).unwrap();
    let mut stale = Unit::default();
    stale.remove(&THINGS, "a", 4);
    assert!(commit_all(&db, &NoJournal, &[stale]).await.remove(0).is_err());
    let mut right = Unit::default();
    right.remove(&THINGS, "a", 1);
    commit_all(&db, &NoJournal, &[right]).await.remove(0).unwrap();
    assert!(things(&db).await.is_empty());
}

/// Counts transactions that reached their journal; panics where an entry says so.
#[derive(Default)]
struct Counting(std::sync::atomic::AtomicUsize);

#[async_trait]
impl Journal for Counting {
    fn draft(&self, entry: Entry) -> Result<Draft, StoreError> {
        NoJournal.draft(entry)
    }

    async fn append(&self, _: &mut Tx<'_>, drafts: &[&Draft]) -> Result<(), StoreError> {
        assert!(drafts.iter().all(|draft| draft.log != "panic"), "as asked");
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok(())
    }
}

#[tokio::test]
async fn a_unit_that_writes_a_row_twice_loses_alone_and_breaks_no_batch() {
    let (_dir, db) = database().await;
    let mut twice = unit("a", Expect::Absent, 1);
    twice.absorb(unit("a", Expect::Absent, 2));
    let journal = Counting::default();
    let outcomes = commit_all(&db, &journal, &[twice, unit("b", Expect::Absent, 3)]).await;
    assert!(matches!(&outcomes[0], Err(StoreError::Conflict { .. })), "{outcomes:?}");
    assert!(outcomes[1].is_ok());
    assert_eq!((journal.0.into_inner(), things(&db).await.len()), (1, 1));
}

#[tokio::test]
async fn a_batch_is_bounded_in_bytes() {
    let (_dir, db) = database().await;
    let journal = Arc::new(Counting::default());
    let config = CommitterConfig { max_batch_bytes: 1_200, ..Default::default() };
    let (queue, waiting) = mpsc::channel(16);
    let mut replies = Vec::new();
    for (n, size) in [100, 100, 5_000, 100, 800, 800].into_iter().enumerate() {
        let mut unit = unit(&format!("t{n}"), Expect::Absent, 1);
        unit.journal[0].body = json!({"event": "x".repeat(size)});
        let (reply, outcome) = oneshot::channel();
        let unit = ready(unit, journal.as_ref()).unwrap();
        let bytes = unit.bytes();
        queue.try_send(Pending { unit, bytes, reply }).ok().unwrap();
        replies.push(outcome);
    }
    drop(queue);
    run(db.clone(), journal.clone(), config, waiting, Health::default()).await;
    for reply in replies {
        reply.await.unwrap().unwrap();
    }
    // 100 + 100 | 5,000 | 100 + 800 | 800
    assert_eq!(journal.0.load(std::sync::atomic::Ordering::Relaxed), 4);
    assert_eq!(things(&db).await.len(), 6);
}

#[tokio::test]
async fn a_committer_that_died_says_so() {
    let (_dir, db) = database().await;
    let committer = Committer::start(db, Arc::new(Counting::default()), CommitterConfig::default());
    assert!(committer.is_running());
    let mut deadly = unit("a", Expect::Absent, 1);
    deadly.journal[0].log = "panic".into();
    assert!(matches!(committer.commit(deadly).await, Err(StoreError::Unavailable(_))));
    committer.stopped().await;
    assert!(!committer.is_running());
}
