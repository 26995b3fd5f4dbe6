//! Each kind of manipulation, by direct SQL, with the first bad index named.

use bulla_base::canonical::canonicalize;
use sqlx::{Connection, SqliteConnection};

use super::*;
use crate::audit::tree::leaf_hash;

/// Ten entries, signed after six and after ten.
async fn signed_log() -> (House, SqliteConnection) {
    let house = House::open().await;
    house.write("acme", 6).await;
    house.publish().await;
    house.write("acme", 4).await;
    house.publish().await;
    assert_eq!(house.verify().await.fault, None);
    let mut direct = connect(&house).await;
    for trigger in ["audit_entry_no_update", "audit_entry_no_delete"] {
        run(&mut direct, &format!("DROP TRIGGER {trigger}")).await;
    }
    (house, direct)
}

async fn connect(house: &House) -> SqliteConnection {
    let path = house.dir.path().join("bulla.db");
    SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap()
}

async fn run(direct: &mut SqliteConnection, sql: &str) {
    let done = sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).execute(direct).await.unwrap();
    assert!(sql.starts_with("DROP") || done.rows_affected() > 0, "{sql} touched nothing");
}

fn id(index: u64) -> String {
    format!("'acme/{index:020}'")
}

async fn leaf(direct: &mut SqliteConnection, index: u64) -> Value {
    let sql = format!("SELECT leaf FROM audit_entry WHERE id = {}", id(index));
    let (leaf,): (String,) = sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_one(direct).await.unwrap();
    serde_json::from_str(&leaf).unwrap()
}

/// Writes a leaf as a careful forger would: canonical, with its hash and its columns.
async fn forge(direct: &mut SqliteConnection, index: u64, body: &Value) {
    let text = String::from_utf8(canonicalize(body).unwrap()).unwrap();
    let sql = "UPDATE audit_entry SET leaf = $1, hash = $2, event = $3, object = $4, trace = $5, at_ms = $6 WHERE id = $7";
    let done = sqlx::query(sql)
        .bind(&text)
        .bind(hex::encode(leaf_hash(text.as_bytes())))
        .bind(body["event"].as_str())
        .bind(body["object"].as_str())
        .bind(body["trace"].as_str())
        .bind(body["at-ms"].as_i64())
        .bind(format!("acme/{index:020}"))
        .execute(direct)
        .await
        .unwrap();
    assert_eq!(done.rows_affected(), 1);
}

async fn fault(house: &House) -> (FaultKind, u64) {
    let fault = house.verify().await.fault.expect("the manipulation is seen");
    (fault.kind, fault.index)
}

#[tokio::test]
async fn the_database_itself_refuses_to_change_an_entry() {
    let house = House::open().await;
    house.write("acme", 1).await;
    let mut direct = connect(&house).await;
    for sql in ["UPDATE audit_entry SET event = 'x'", "DELETE FROM audit_entry"] {
        let refused = sqlx::query(sql).execute(&mut direct).await.unwrap_err();
        assert!(refused.to_string().contains("append-only"), "{refused}");
    }
}

#[tokio::test]
async fn an_edited_leaf() {
    let (house, mut direct) = signed_log().await;
    let sql =
        format!("UPDATE audit_entry SET leaf = replace(leaf, '\"n\":3', '\"n\":9') WHERE id = {}", id(3));
    run(&mut direct, &sql).await;
    assert_eq!(fault(&house).await, (FaultKind::Edited, 3));
}

#[tokio::test]
async fn a_leaf_in_another_spelling() {
    let (house, mut direct) = signed_log().await;
    run(&mut direct, &format!("UPDATE audit_entry SET leaf = leaf || ' ' WHERE id = {}", id(2))).await;
    assert_eq!(fault(&house).await, (FaultKind::Edited, 2));
}

#[tokio::test]
async fn edited_columns_to_search_by() {
    for (column, value) in [
        ("event", "'x'"),
        ("object", "'x'"),
        ("trace", "'x'"),
        ("at_ms", "1"),
        ("idx", "77"),
        ("hash", "'00'"),
    ] {
        let (house, mut direct) = signed_log().await;
        run(&mut direct, &format!("UPDATE audit_entry SET {column} = {value} WHERE id = {}", id(4))).await;
        assert_eq!(fault(&house).await, (FaultKind::Edited, 4), "{column}");
    }
}

#[tokio::test]
async fn a_careful_forgery_contradicts_the_next_checkpoint() {
    for (index, covered_from) in [(2, 0), (7, 6)] {
        let (house, mut direct) = signed_log().await;
        let mut body = leaf(&mut direct, index).await;
        body["detail"]["n"] = 99.into();
        forge(&mut direct, index, &body).await;
        assert_eq!(fault(&house).await, (FaultKind::History, covered_from), "index {index}");
    }
}

#[tokio::test]
async fn a_removed_entry() {
    for index in [0, 5, 8] {
        let (house, mut direct) = signed_log().await;
        run(&mut direct, &format!("DELETE FROM audit_entry WHERE id = {}", id(index))).await;
        assert_eq!(fault(&house).await, (FaultKind::Missing, index));
    }
}

#[tokio::test]
async fn a_removed_entry_with_the_rest_moved_up() {
    let (house, mut direct) = signed_log().await;
    for index in 4..9 {
        let mut next = leaf(&mut direct, index + 1).await;
        next["index"] = index.into();
        forge(&mut direct, index, &next).await;
    }
    run(&mut direct, &format!("DELETE FROM audit_entry WHERE id = {}", id(9))).await;
    run(&mut direct, "UPDATE audit_head SET size = 9 WHERE id = 'acme'").await;
    assert_eq!(fault(&house).await, (FaultKind::History, 0));
}

#[tokio::test]
async fn reordered_entries() {
    let (house, mut direct) = signed_log().await;
    let (three, four) = (leaf(&mut direct, 3).await, leaf(&mut direct, 4).await);
    forge(&mut direct, 3, &four).await;
    forge(&mut direct, 4, &three).await;
    assert_eq!(fault(&house).await, (FaultKind::Moved, 3));
    // The same, with the indexes inside the leaves put right.
    let (mut three, mut four) = (three, four);
    (three["index"], four["index"]) = (4.into(), 3.into());
    forge(&mut direct, 3, &four).await;
    forge(&mut direct, 4, &three).await;
    assert_eq!(fault(&house).await, (FaultKind::History, 0));
}

#[tokio::test]
async fn an_entry_of_another_log() {
    let (house, mut direct) = signed_log().await;
    let mut body = leaf(&mut direct, 3).await;
    body["log"] = "globex".into();
    forge(&mut direct, 3, &body).await;
    assert_eq!(fault(&house).await, (FaultKind::Moved, 3));
}

#[tokio::test]
async fn inserted_entries() {
    let (house, mut direct) = signed_log().await;
    let copy = |to: &str| {
        format!(
            "INSERT INTO audit_entry SELECT '{to}', log, idx, at_ms, event, object, trace, hash, leaf \
             FROM audit_entry WHERE id = {}",
            id(3)
        )
    };
    run(&mut direct, &copy("acme/00000000000000000010")).await;
    assert_eq!(fault(&house).await, (FaultKind::Inserted, 10), "behind the head");
    run(&mut direct, &copy("acme/00000000000000000003x")).await;
    assert_eq!(fault(&house).await, (FaultKind::Inserted, 4), "between two places");
}

#[tokio::test]
async fn a_truncated_log() {
    let (house, mut direct) = signed_log().await;
    run(&mut direct, "DELETE FROM audit_entry WHERE log = 'acme' AND idx >= 8").await;
    assert_eq!(fault(&house).await, (FaultKind::Missing, 8), "the head remembers");
    run(&mut direct, "UPDATE audit_head SET size = 8 WHERE id = 'acme'").await;
    assert_eq!(fault(&house).await, (FaultKind::Missing, 8), "the checkpoint remembers");
}

#[tokio::test]
async fn a_log_truncated_with_its_checkpoints_contradicts_the_one_the_auditor_kept() {
    let (house, mut direct) = signed_log().await;
    let kept = vec![house.audit.newest_checkpoint(&acme()).await.unwrap().unwrap()];
    run(&mut direct, "DELETE FROM audit_entry WHERE log = 'acme' AND idx >= 6").await;
    run(&mut direct, "UPDATE audit_head SET size = 6 WHERE id = 'acme'").await;
    run(&mut direct, "DELETE FROM audit_checkpoint WHERE log = 'acme' AND size > 6").await;
    assert_eq!(house.verify().await.fault, None, "nothing inside the database speaks of more");
    let report = house.audit.verify(&acme(), &Trust::Host, &kept).await.unwrap();
    assert!(
        report.fault.as_ref().is_some_and(|fault| (fault.kind, fault.index) == (FaultKind::Missing, 6)),
        "{report:?}"
    );
    assert!(matches!(report.into_result(), Err(AuditError::Tampered { .. })));
}

#[tokio::test]
async fn a_changed_checkpoint() {
    let changes = [
        "UPDATE audit_checkpoint SET root = 'ab' WHERE log = 'acme' AND size = 6",
        "UPDATE audit_checkpoint SET note = replace(note, 'acme\n6', 'acme\n7') WHERE log = 'acme' AND size = 6",
        "UPDATE audit_checkpoint SET size = 5 WHERE log = 'acme' AND size = 6",
        "UPDATE audit_checkpoint SET note = (SELECT note FROM audit_checkpoint WHERE log = 'system') WHERE log = 'acme' AND size = 6",
    ];
    for change in changes {
        let (house, mut direct) = signed_log().await;
        run(&mut direct, change).await;
        assert_eq!(fault(&house).await, (FaultKind::Checkpoint, 0), "{change}");
    }
}

#[tokio::test]
async fn a_key_that_was_put_into_the_database_is_not_believed() {
    let (house, mut direct) = signed_log().await;
    let public = hex::encode(ed25519_dalek::SigningKey::from_bytes(&[9; 32]).verifying_key().as_bytes());
    run(&mut direct, &format!("UPDATE audit_key SET public_key = '{public}'")).await;
    let refused = house.audit.verify(&acme(), &Trust::Host, &[]).await;
    assert!(matches!(refused, Err(AuditError::KeyChanged { generation: 1 })), "{refused:?}");
}

#[tokio::test]
async fn verifier_keys_that_the_auditor_brings_are_the_only_ones_that_count() {
    let (house, _direct) = signed_log().await;
    let own = house.audit.verify(&acme(), &Trust::Given(house.vkeys(&acme()).await), &[]).await.unwrap();
    assert_eq!((own.keys, own.fault), (KeySource::Given, None));
    let foreign = Trust::Given(house.vkeys(&LogName::system()).await);
    let report = house.audit.verify(&acme(), &foreign, &[]).await.unwrap();
    assert_eq!(report.fault.map(|fault| fault.kind), Some(FaultKind::Checkpoint));
    let malformed = house.audit.verify(&acme(), &Trust::Given(vec!["x+1+y".into()]), &[]).await;
    assert!(matches!(malformed, Err(AuditError::Invalid(_))));
}

#[tokio::test]
async fn nothing_is_signed_on_top_of_a_changed_history() {
    let other = format!(
        "UPDATE audit_checkpoint SET frontier = '[\"{0}\",\"{0}\"]' WHERE log = 'acme'",
        "ab".repeat(32)
    );
    let changes = [
        other.as_str(),
        "UPDATE audit_checkpoint SET frontier = '[\"00\"]' WHERE log = 'acme'",
        "UPDATE audit_tree SET checkpoint = 'acme/00000000000000000009' WHERE id = 'acme'",
        "DELETE FROM audit_entry WHERE log = 'acme' AND idx = 10",
        "UPDATE audit_entry SET hash = 'zz' WHERE log = 'acme' AND idx = 10",
    ];
    for change in changes {
        let (house, mut direct) = signed_log().await;
        house.write("acme", 2).await;
        run(&mut direct, change).await;
        assert_eq!(
            house.publish().await,
            Published { refused: vec![acme()], ..Default::default() },
            "{change}"
        );
    }
}
