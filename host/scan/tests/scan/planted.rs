//! What is planted in the tables is found and named.

use bulla_kernel::idempotency::DEFAULT_TTL;
use bulla_scan::Kind;

use crate::bench::{Bench, on_both};
use crate::history;

const SERIES: &str = "acme/invoice/2026";

fn number(value: u32) -> String {
    format!("{SERIES}/{value:019}")
}

/// Runs the hand on a database with a history, which it must leave dirty.
async fn after<Hand: AsyncFn(Bench)>(hand: Hand) {
    on_both(async |bench| {
        history::live(&bench).await;
        hand(bench).await;
    })
    .await;
}

const COLUMNS: &str = "version, tenant, series_key, period, value, number, state, reservation, object, reason, reserved_ms, expires_ms";

#[tokio::test]
async fn a_duplicate_number() {
    after(async |bench| {
        let columns = COLUMNS.replace("reservation", "'res_planted'");
        bench
            .plant(&format!(
                "INSERT INTO sequence_number (id, {COLUMNS}) SELECT '{}', {} FROM sequence_number WHERE id = '{}'",
                number(99),
                columns,
                number(2)
            ))
            .await;
        let found = bench.found(Kind::DuplicateNumber).await;
        assert!(found.iter().any(|one| one.message.contains("INV-202603-00002")), "{found:#?}");
        bench.finds(Kind::OrphanEffect, "sequence_number", &number(99)).await;
        bench.finds(Kind::Number, "sequence_number", &number(99)).await;
    })
    .await;
}

#[tokio::test]
async fn a_gap() {
    after(async |bench| {
        bench.plant(&format!("DELETE FROM sequence_number WHERE id = '{}'", number(2))).await;
        bench.finds(Kind::Gap, "sequence_number", &number(2)).await;
        bench.found(Kind::OrphanEntry).await;
        bench.found(Kind::Number).await;
    })
    .await;
}

#[tokio::test]
async fn a_number_that_is_gone_from_the_end() {
    after(async |bench| {
        let last: u32 =
            bench.text("SELECT CAST(MAX(value) AS TEXT) FROM sequence_number").await.parse().unwrap();
        bench.plant(&format!("DELETE FROM sequence_binding WHERE number LIKE '%{last:05}'")).await;
        bench.plant(&format!("DELETE FROM sequence_number WHERE id = '{}'", number(last))).await;
        let found = bench.found(Kind::OrphanEntry).await;
        assert!(found.iter().any(|one| one.message.contains(&format!("INV-202603-{last:05}"))), "{found:#?}");
    })
    .await;
}

#[tokio::test]
async fn a_number_without_an_entry() {
    after(async |bench| {
        let next: u32 = bench.text("SELECT CAST(MAX(value) + 1 AS TEXT) FROM sequence_number").await.parse().unwrap();
        bench
            .plant(&format!(
                "INSERT INTO sequence_number (id, {COLUMNS}) VALUES ('{}', 1, 'acme', 'invoice', '2026', {next}, \
                 'INV-202603-{next:05}', 'reserved', 'res_planted', NULL, NULL, 1, 9000000000000)",
                number(next)
            ))
            .await;
        bench.finds(Kind::OrphanEffect, "sequence_number", &number(next)).await;
    })
    .await;
}

#[tokio::test]
async fn numbers_that_contradict_themselves() {
    after(async |bench| {
        bench
            .plant(&format!(
                "UPDATE sequence_number SET number = 'INV-202703-00001' WHERE id = '{}'",
                number(1)
            ))
            .await;
        bench
            .plant(&format!("UPDATE sequence_number SET object = 'invoice/77' WHERE id = '{}'", number(3)))
            .await;
        bench.plant(&format!("UPDATE sequence_number SET reason = '' WHERE id = '{}'", number(5))).await;
        for value in [1, 3, 5] {
            bench.finds(Kind::Number, "sequence_number", &number(value)).await;
        }
        bench.finds(Kind::Number, "sequence_binding", "acme/invoice/invoice/3").await;
        bench.finds(Kind::OrphanEffect, "sequence_number", &number(3)).await;
    })
    .await;
}

#[tokio::test]
async fn what_nodes_share_of_a_series() {
    after(async |bench| {
        if !bench.is_postgres() {
            return;
        }
        bench
            .plant(&format!(
                "INSERT INTO sequence_free (id, series, value) VALUES ('{}', '{SERIES}', 2)",
                number(2)
            ))
            .await;
        bench.finds(Kind::DuplicateNumber, "sequence_number", &number(2)).await;
        bench.plant("UPDATE sequence_head SET head = head + 1").await;
        bench.found(Kind::Gap).await;
        bench.plant("UPDATE sequence_head SET head = 1").await;
        bench.finds(Kind::DuplicateNumber, "sequence_head", SERIES).await;
    })
    .await;
}

const JOB: &str = "tenant, addon, entry, kind, context, subject, trace, payload, bytes, state, fairness, lock_key, unique_key, \
                   policy, attempt, max_attempts, created_ms, due_ms";

#[tokio::test]
async fn a_job_without_an_entry_and_one_that_is_lost() {
    after(async |bench| {
        bench
            .plant(&format!(
                "INSERT INTO job (id, version, {JOB}) SELECT 'job_planted', 1, {} FROM job WHERE state = 'running' LIMIT 1",
                JOB.replace(" state", " 'waiting'").replace("unique_key", "NULL").replace("attempt,", "0,").replace("max_0,", "9,")
            ))
            .await;
        bench.finds(Kind::OrphanEffect, "job", "job_planted").await;

        let lost = bench.text("SELECT id FROM job WHERE state = 'running'").await;
        bench.plant(&format!("DELETE FROM job WHERE id = '{lost}'")).await;
        let found = bench.found(Kind::LostJob).await;
        assert!(found.iter().any(|one| one.message.contains(&lost)), "{found:#?}");
        let ended = bench.text("SELECT MIN(id) FROM job WHERE state = 'succeeded'").await;
        bench.plant(&format!("DELETE FROM job WHERE id = '{ended}'")).await;
        let found = bench.found(Kind::LostJob).await;
        assert!(found.iter().any(|one| one.message.contains("swept")), "{found:#?}");
    })
    .await;
}

#[tokio::test]
async fn jobs_that_contradict_themselves() {
    after(async |bench| {
        let ended = bench.text("SELECT MIN(id) FROM job WHERE state = 'succeeded'").await;
        bench.plant(&format!("UPDATE job SET attempt = attempt + 1 WHERE id = '{ended}'")).await;
        bench.finds(Kind::JobState, "job", &ended).await;
        bench.plant("UPDATE job_lock SET job = 'job_never'").await;
        bench.finds(Kind::DanglingReference, "job_lock", "acme/deliver").await;
        bench.plant("DELETE FROM job_key").await;
        let running = bench.text("SELECT id FROM job WHERE state = 'running'").await;
        bench.finds(Kind::JobState, "job", &running).await;
    })
    .await;
}

#[tokio::test]
async fn a_running_job_whose_lease_is_over_is_a_note() {
    after(async |bench| {
        bench.clock.advance(std::time::Duration::from_secs(3_600));
        let report = bench.scan().await;
        assert!(report.is_clean(), "{:#?}", report.findings);
        assert!(report.notes.iter().any(|note| note.kind == Kind::LapsedLease), "{:#?}", report.notes);
    })
    .await;
}

#[tokio::test]
async fn approvals_that_nobody_asked_for_or_decided() {
    after(async |bench| {
        let waiting = bench.text("SELECT id FROM approval WHERE status = 'waiting'").await;
        bench.plant(&format!("UPDATE approval SET status = 'rejected', decider = 'eve', decided_ms = 1 WHERE id = '{waiting}'")).await;
        bench.finds(Kind::OrphanEffect, "approval", &waiting).await;
        bench.found(Kind::ApprovalState).await;
        let approved = bench.text("SELECT id FROM approval WHERE status = 'approved'").await;
        bench.plant(&format!("UPDATE approval SET job = 'job_other' WHERE id = '{approved}'")).await;
        bench.finds(Kind::OrphanEffect, "job", &approved).await;
    })
    .await;
}

#[tokio::test]
async fn an_idempotency_key_with_two_records() {
    after(async |bench| {
        bench
            .plant(
                "INSERT INTO idempotency SELECT 'planted', version, tenant, subject, action, key, request_hash, response, size, \
                 'call_other', trace, created_ms, expires_ms FROM idempotency WHERE key = 'one'",
            )
            .await;
        bench.found(Kind::ExecutedTwice).await;
        bench.finds(Kind::OrphanEffect, "idempotency", "planted").await;
        bench.finds(Kind::IdempotencyRecord, "idempotency", "planted").await;
    })
    .await;
}

#[tokio::test]
async fn a_key_that_ran_again_before_its_record_expired() {
    after(async |bench| {
        assert_eq!(bench.plant("DELETE FROM idempotency WHERE key = 'one'").await, 1);
        bench.found(Kind::OrphanEntry).await;
        let rooms = history::Rooms::open(&bench).await;
        history::keyed(&bench, &rooms, "one", "invoice/again").await;
        let report = bench.scan().await;
        let found: Vec<_> = report.findings.iter().map(|one| (one.kind, one.place.as_str())).collect();
        assert_eq!(found, [(Kind::ExecutedTwice, "log acme")], "{:#?}", report.findings);
    })
    .await;
}

#[tokio::test]
async fn a_key_may_run_again_once_its_record_has_expired() {
    after(async |bench| {
        bench.clock.advance(std::time::Duration::from_millis(DEFAULT_TTL.get()));
        let rooms = history::Rooms::open(&bench).await;
        history::keyed(&bench, &rooms, "one", "invoice/again").await;
        let report = bench.scan().await;
        assert!(report.is_clean(), "{:#?}", report.findings);
    })
    .await;
}

#[tokio::test]
async fn a_package_that_is_not_its_digest_or_not_there() {
    after(async |bench| {
        let digest = bench.text("SELECT digest FROM addon_install").await;
        bench.plant(&format!("UPDATE addon_part SET bytes = 'AAAA' WHERE digest = '{digest}'")).await;
        bench.finds(Kind::Package, "addon_package", &digest).await;
        bench.plant(&format!("DELETE FROM addon_part WHERE digest = '{digest}'")).await;
        bench.finds(Kind::Package, "addon_package", &digest).await;
        let part = format!("{digest}/0");
        bench.plant(&format!("INSERT INTO addon_part VALUES ('{part}', 1, '{digest}', 0, 'AAAA')")).await;
        bench.plant(&format!("DELETE FROM addon_package WHERE id = '{digest}'")).await;
        bench.finds(Kind::DanglingReference, "addon_install", "acme/einvoice").await;
        bench.finds(Kind::Package, "addon_part", &part).await;
    })
    .await;
}

/// Who writes the database can write any row; without its entry each is found.
#[tokio::test]
async fn changes_of_every_other_table_without_an_entry() {
    for (plant, table, id) in [
        ("UPDATE secret SET version = version + 1", "secret", "acme/token"),
        (
            "UPDATE tenant_key SET versions = replace(versions, '\"public-key\":\"', '\"public-key\":\"0')",
            "tenant_key",
            "acme/signing",
        ),
        (
            "UPDATE audit_key SET public_key = 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a' WHERE generation = 1",
            "audit_key",
            "0000000001",
        ),
        (
            "INSERT INTO tenant SELECT 'mallory', 1, display_name, time_zone, created_by, created_ms FROM tenant WHERE id = 'acme'",
            "tenant",
            "mallory",
        ),
        (
            "INSERT INTO trust_key SELECT 'mallory', 1, public_key, owner, purposes, names, NULL, NULL, NULL, NULL, NULL, added_by, added_ms, NULL FROM trust_key LIMIT 1",
            "trust_key",
            "mallory",
        ),
        ("UPDATE addon_install SET version = version + 1", "addon_install", "acme/einvoice"),
        (
            "UPDATE addon_version SET digest = 'other' WHERE semver = '0.1.0'",
            "addon_version",
            "acme/einvoice/0.1.0",
        ),
        ("UPDATE approval_rules SET number = 2", "approval_rules", "acme/invoice.issue/1"),
        ("UPDATE job_schedule SET version = version + 1", "job_schedule", "acme/einvoice/report"),
        ("UPDATE sequence SET version = version + 1", "sequence", "acme/invoice"),
        ("UPDATE usage_counter SET version = version + 1", "usage_counter", "usage"),
    ] {
        after(async |bench| {
            bench.plant(plant).await;
            let found = bench.found(Kind::OrphanEffect).await;
            assert!(
                found.iter().any(|one| one.place == table && one.id.starts_with(id)),
                "{plant}: {found:#?}"
            );
        })
        .await;
    }
}
