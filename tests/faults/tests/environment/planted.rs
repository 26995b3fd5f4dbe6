//! `bulla doctor --scan` finds what somebody who can write the database planted in it.

use std::fs;
use std::path::Path;

use bulla_faults::scan;
use bulla_suite::invoices::{self, numbered, submit};
use bulla_suite::{Bench, Cli, Receiver};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

const INVOICES: usize = 5;
/// The exit code `findings`.
const FINDINGS: i32 = 13;
const COLUMNS: &str = "version, tenant, series_key, period, value, number, state, reservation, object, reason, reserved_ms, expires_ms";

#[test]
fn the_scan_finds_each_thing_that_was_planted() {
    let receiver = Receiver::willing();
    let mut bench = Bench::start();
    let acme = invoices::tenant(&bench, "acme", &receiver.origin());
    for number in 1..=INVOICES {
        let key = format!("D{number}");
        submit(&acme, &key, &numbered("standard", &key), &receiver.url("/invoices")).ok();
    }
    receiver.wait_for(INVOICES);
    scan::after_stop(&mut bench.server);
    let database = bench.server.data().path().join("bulla.db");
    let untouched = scanned(&database, None);
    assert_eq!(untouched["finding-count"], 0, "the copy alone: {untouched:#}");

    let row =
        |value: usize| text(&database, &format!("SELECT id FROM sequence_number WHERE value = {value}"));
    let (first, second) = (row(1), row(2));
    let series = first.rsplit_once('/').unwrap().0;
    let new = |value: usize| format!("{series}/{value:019}");

    let columns = COLUMNS.replace("reservation", "'res_planted'");
    let duplicate = format!(
        "INSERT INTO sequence_number (id, {COLUMNS}) SELECT '{}', {columns} FROM sequence_number WHERE id = '{second}'",
        new(99)
    );
    let found = found(&database, &duplicate, "duplicate-number");
    assert!(found.iter().any(|one| one["message"].as_str().unwrap().contains("-00002")), "{found:?}");

    let gap = format!("DELETE FROM sequence_number WHERE id = '{second}'");
    finds_at(&database, &gap, "gap", "sequence_number", &second);

    let next = INVOICES + 1;
    let orphan = format!(
        "INSERT INTO sequence_number (id, {COLUMNS}) SELECT '{}', version, tenant, series_key, period, {next}, \
         replace(number, '-00001', '-{next:05}'), 'reserved', 'res_planted', NULL, NULL, reserved_ms, 9000000000000 \
         FROM sequence_number WHERE id = '{first}'",
        new(next)
    );
    finds_at(&database, &orphan, "orphan-effect", "sequence_number", &new(next));

    // As who owns the database can: the triggers go first.
    let entry = "audit_entry WHERE log = 'acme' AND leaf LIKE '%clerk%'";
    let index = text(&database, &format!("SELECT CAST(MIN(idx) AS TEXT) FROM {entry}"));
    let edited = format!(
        "DROP TRIGGER audit_entry_no_update; \
         UPDATE audit_entry SET leaf = replace(leaf, 'clerk', 'eve') WHERE log = 'acme' AND idx = {index}"
    );
    finds_at(&database, &edited, "edited-entry", "log acme", &index);
}

#[track_caller]
fn finds_at(database: &Path, sql: &str, kind: &str, place: &str, id: &str) {
    let found = found(database, sql, kind);
    assert!(
        found.iter().any(|one| one["place"] == place && one["id"] == id),
        "not at {place} {id}: {found:#?}"
    );
}

/// The findings of this kind after the statements, which change a copy alone.
#[track_caller]
fn found(database: &Path, sql: &str, kind: &str) -> Vec<Value> {
    let report = scanned(database, Some(sql));
    let findings = report["findings"].as_array().unwrap();
    let found: Vec<_> = findings.iter().filter(|one| one["kind"] == kind).cloned().collect();
    assert!(!found.is_empty(), "no {kind} after `{sql}`: {report:#}");
    found
}

/// What the command says of a copy of the database, in a data directory of its own.
#[track_caller]
fn scanned(database: &Path, plant: Option<&str>) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("bulla.db");
    fs::copy(database, &copy).unwrap();
    if let Some(sql) = plant {
        let changed = on(&copy, async |connection| {
            sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.unwrap().rows_affected()
        });
        assert!(changed > 0, "nothing was planted by `{sql}`");
    }
    let finished = Cli::new(["doctor", "--scan", "--json"]).env("BULLA_DATA", dir.path()).run();
    let finished = finished.ends_with(if plant.is_some() { FINDINGS } else { 0 });
    assert_eq!(finished.stderr.contains("scan-found"), plant.is_some(), "{}", finished.stderr);
    finished.json()
}

/// One text out of the database.
fn text(database: &Path, sql: &str) -> String {
    on(database, async |connection| {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(connection).await.unwrap()
    })
}

fn on<T>(database: &Path, work: impl AsyncFnOnce(&mut SqliteConnection) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection =
            SqliteConnection::connect(&format!("sqlite://{}", database.display())).await.unwrap();
        let done = work(&mut connection).await;
        connection.close().await.unwrap();
        done
    })
}
