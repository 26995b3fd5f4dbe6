//! Databases that the rooms themselves wrote: nothing is found in them, and everything that is planted is.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly, in its helpers too")]

mod bench;
mod history;
mod planted;
mod planted_log;

use bench::on_both;
use bulla_scan::Kind;

#[tokio::test]
async fn nothing_is_found_in_what_the_host_wrote() {
    on_both(async |bench| {
        history::live(&bench).await;
        let report = bench.scan().await;
        assert_eq!(report.findings, [], "{:?}", report.notes);
        let unsigned: Vec<_> = report.notes.iter().filter(|note| note.kind != Kind::Unsigned).collect();
        assert_eq!(unsigned, Vec::<&bulla_scan::Finding>::new());
        let rows = &report.scanned.rows;
        for table in
            ["sequence_number", "sequence_binding", "job", "job_lock", "approval", "idempotency", "secret"]
        {
            assert!(rows[table] > 0, "the history has no row in `{table}`");
        }
        assert!(report.scanned.entries > 60 && report.scanned.checkpoints > 3 && report.scanned.logs == 3);
    })
    .await;
}

#[tokio::test]
async fn a_fresh_database_is_clean() {
    on_both(async |bench| {
        let report = bench.scan().await;
        assert!(report.is_clean(), "{:?}", report.findings);
    })
    .await;
}

/// A call that failed left a hole below numbers of later calls: it is issued next, and nobody has seen it.
#[tokio::test]
async fn a_hole_that_nobody_saw_is_no_gap() {
    on_both(async |bench| {
        let rooms = history::Rooms::open(&bench).await;
        rooms.define(&bench).await;
        let (mut first, mut second) = (bench.call("acme"), bench.call("acme"));
        rooms.draw(&mut first).await;
        let later = rooms.draw(&mut second).await;
        assert_eq!(later.value, 2);
        rooms.commit(&mut second).await;
        let report = bench.scan().await;
        assert!(report.is_clean(), "{:?}", report.findings);
        let free = report.notes.iter().any(|note| note.kind == Kind::FreeValue && note.id.ends_with("0001"));
        assert_eq!(free, !bench.is_postgres(), "{:?}", report.notes);
    })
    .await;
}

#[tokio::test]
async fn a_database_that_cannot_be_read_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let missing = bulla_scan::Target::Sqlite(dir.path().join("absent.db"));
    assert!(matches!(bulla_scan::scan(&missing, 0, &|_| {}).await, Err(bulla_scan::ScanError::Open { .. })));
    assert!(!dir.path().join("absent.db").exists(), "the scan creates nothing");
}
