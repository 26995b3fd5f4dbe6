//! What is planted in the audit log is found and named.

use bulla_scan::Kind;
use sha2::{Digest as _, Sha256};

use crate::bench::{Bench, on_both};
use crate::history;

/// An entry of `acme` that the first checkpoint covers.
const ENTRY: &str = "acme/00000000000000000003";

async fn after<Hand: AsyncFn(Bench)>(hand: Hand) {
    on_both(async |bench| {
        history::live(&bench).await;
        bench.disarm().await;
        hand(bench).await;
    })
    .await;
}

#[tokio::test]
async fn an_edited_leaf() {
    after(async |bench| {
        bench
            .plant(&format!("UPDATE audit_entry SET leaf = replace(leaf, 'ada', 'eve') WHERE id = '{ENTRY}'"))
            .await;
        bench.finds(Kind::EditedEntry, "log acme", "3").await;
        let report = bench.scan().await;
        assert_eq!(report.finding_count, 1, "one edit is one finding: {:#?}", report.findings);
    })
    .await;
}

#[tokio::test]
async fn an_edited_column() {
    after(async |bench| {
        bench.plant(&format!("UPDATE audit_entry SET object = 'other' WHERE id = '{ENTRY}'")).await;
        bench.finds(Kind::EditedEntry, "log acme", "3").await;
    })
    .await;
}

/// Leaf and hash fit each other: only the signed tree knows.
#[tokio::test]
async fn an_edited_entry_with_a_hash_that_fits() {
    after(async |bench| {
        let leaf = bench
            .text(&format!("SELECT leaf FROM audit_entry WHERE id = '{ENTRY}'"))
            .await
            .replace("ada", "eve");
        let hash = hex::encode(Sha256::new().chain_update([0]).chain_update(&leaf).finalize());
        let leaf = leaf.replace('\'', "''");
        bench
            .plant(&format!("UPDATE audit_entry SET leaf = '{leaf}', hash = '{hash}' WHERE id = '{ENTRY}'"))
            .await;
        let found = bench.found(Kind::ChangedHistory).await;
        assert_eq!(
            (found.len(), found[0].place.as_str(), found[0].id.as_str()),
            (1, "log acme", "0"),
            "{found:#?}"
        );
        assert_eq!(bench.scan().await.finding_count, 1, "later checkpoints build on what was signed");
    })
    .await;
}

#[tokio::test]
async fn a_removed_entry() {
    after(async |bench| {
        bench.plant(&format!("DELETE FROM audit_entry WHERE id = '{ENTRY}'")).await;
        bench.finds(Kind::MissingEntry, "log acme", "3").await;
        bench.found(Kind::OrphanEffect).await;
    })
    .await;
}

#[tokio::test]
async fn entries_that_are_gone_from_the_end_or_were_put_there() {
    after(async |bench| {
        let size: u64 = bench.text("SELECT CAST(size AS TEXT) FROM audit_head WHERE id = 'acme'").await.parse().unwrap();
        let last = format!("acme/{:020}", size - 1);
        let next = format!("acme/{size:020}");
        bench
            .plant(&format!(
                "INSERT INTO audit_entry SELECT '{next}', log, idx, at_ms, event, object, trace, hash, leaf FROM audit_entry \
                 WHERE id = '{last}'"
            ))
            .await;
        bench.finds(Kind::InsertedEntry, "log acme", &size.to_string()).await;
        bench.finds(Kind::EditedEntry, "log acme", &size.to_string()).await;
        bench.plant(&format!("DELETE FROM audit_entry WHERE id >= '{last}' AND log = 'acme'")).await;
        bench.finds(Kind::MissingEntry, "log acme", &(size - 1).to_string()).await;
        bench.plant("DELETE FROM audit_entry WHERE log = 'acme-x'").await;
        bench.finds(Kind::MissingEntry, "log acme-x", "0").await;
    })
    .await;
}

#[tokio::test]
async fn a_forged_checkpoint() {
    after(async |bench| {
        let id = bench.text("SELECT MIN(id) FROM audit_checkpoint WHERE log = 'acme'").await;
        let first = format!("audit_checkpoint WHERE id = '{id}'");
        let note = bench.text(&format!("SELECT note FROM {first}")).await;
        let signature = note.rsplit_once(' ').unwrap().1.trim_end().to_owned();
        let forged = format!("{}AAAA{}", &signature[..20], &signature[24..]);
        bench.plant(&format!("UPDATE audit_checkpoint SET note = replace(note, '{signature}', '{forged}') WHERE id = '{id}'")).await;
        bench.finds(Kind::BadCheckpoint, "audit_checkpoint", &id).await;
    })
    .await;
}

#[tokio::test]
async fn a_checkpoint_that_contradicts_itself_and_one_that_is_gone() {
    after(async |bench| {
        let id = bench.text("SELECT MIN(id) FROM audit_checkpoint WHERE log = 'acme'").await;
        let other = "0".repeat(64);
        bench.plant(&format!("UPDATE audit_checkpoint SET root = '{other}' WHERE id = '{id}'")).await;
        bench.finds(Kind::BadCheckpoint, "audit_checkpoint", &id).await;
        bench.plant(&format!("DELETE FROM audit_checkpoint WHERE id = '{id}'")).await;
        bench.finds(Kind::MissingCheckpoint, "audit_tree", "acme").await;
        let last = bench.text("SELECT MAX(id) FROM audit_checkpoint WHERE log = 'acme'").await;
        bench.plant(&format!("DELETE FROM audit_checkpoint WHERE id = '{last}'")).await;
        bench.finds(Kind::BadCheckpoint, "audit_tree", "acme").await;
    })
    .await;
}

/// Whoever puts a key of their own beside the host's has no entry for it.
#[tokio::test]
async fn a_checkpoint_key_that_the_host_never_made() {
    after(async |bench| {
        bench
            .plant(
                "INSERT INTO audit_key (id, version, generation, public_key, sealed, created_ms) VALUES ('0000000009', 1, 9, \
                 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a', 'x', 1)",
            )
            .await;
        bench.finds(Kind::OrphanEffect, "audit_key", "0000000009").await;
    })
    .await;
}
