//! The room's tables and statements.

use bulla_store::{Arg, Db, Sql, StoreError, table};
use serde::{Deserialize, Serialize};

/// The journal's statements. Heads are raised in order of log: PostgreSQL locks them in that order.
pub(super) const RAISE_HEADS: Sql = Sql::pair(
    "INSERT INTO audit_head AS h (id, version, size) \
     SELECT value->>'log', 1, value->>'n' FROM json_each($1) WHERE true \
     ON CONFLICT (id) DO UPDATE SET version = h.version + 1, size = h.size + excluded.size RETURNING id, size",
    "INSERT INTO audit_head AS h (id, version, size) \
     SELECT log, 1, n FROM jsonb_to_recordset($1::jsonb) AS r(log text, n bigint) ORDER BY log COLLATE \"C\" \
     ON CONFLICT (id) DO UPDATE SET version = h.version + 1, size = h.size + excluded.size RETURNING id, size",
);
pub(super) const INSERT_ENTRIES: Sql = Sql::pair(
    "WITH r AS MATERIALIZED (SELECT value AS v FROM json_each($1)) \
     INSERT INTO audit_entry (id, log, idx, at_ms, event, object, trace, hash, leaf) \
     SELECT v->>'id', v->>'log', v->>'idx', v->>'at_ms', v->>'event', v->>'object', v->>'trace', v->>'hash', v->>'leaf' FROM r",
    "INSERT INTO audit_entry (id, log, idx, at_ms, event, object, trace, hash, leaf) \
     SELECT id, log, idx, at_ms, event, object, trace, hash, leaf FROM jsonb_to_recordset($1::jsonb) \
     AS r(id text, log text, idx bigint, at_ms bigint, event text, object text, trace text, hash text, leaf text)",
);

/// What [`INSERT_ENTRIES`] takes.
#[derive(Serialize)]
pub(super) struct NewEntry<'a> {
    pub id: String,
    pub log: &'a str,
    pub idx: u64,
    pub at_ms: i64,
    pub event: &'a str,
    pub object: &'a str,
    pub trace: &'a str,
    /// In hex.
    pub hash: String,
    pub leaf: String,
}

table! {
    /// One row a checkpoint, with the frontier that the next one starts from.
    pub(super) CHECKPOINTS = "audit_checkpoint" {
        log: text, size: bigint, root: text, frontier: text, note: text, generation: bigint, at_ms: bigint,
    }
}
table! {
    /// How far each log is published: its newest checkpoint.
    pub(super) TREES = "audit_tree" { size: bigint, checkpoint: text }
}
table! {
    /// One row a generation of the checkpoint key; the highest one signs.
    pub(super) KEYS = "audit_key" { generation: bigint, public_key: text, sealed: text, created_ms: bigint }
}

#[derive(sqlx::FromRow)]
pub(super) struct SizeRow {
    pub id: String,
    pub size: i64,
}

#[derive(Debug, Clone, sqlx::FromRow)]
pub(super) struct EntryRow {
    pub id: String,
    pub log: String,
    pub idx: i64,
    pub at_ms: i64,
    pub event: String,
    pub object: String,
    pub trace: String,
    pub hash: String,
    pub leaf: String,
}

#[derive(sqlx::FromRow)]
pub(super) struct HashRow {
    pub id: String,
    pub hash: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, sqlx::FromRow)]
pub(super) struct CheckpointRow {
    pub id: String,
    pub log: String,
    pub size: i64,
    pub root: String,
    /// A JSON array of hashes.
    pub frontier: String,
    pub note: String,
    pub generation: i64,
    pub at_ms: i64,
}

#[derive(Serialize)]
pub(super) struct TreeRow {
    pub size: i64,
    pub checkpoint: String,
}

#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
pub(super) struct KeyRow {
    pub generation: i64,
    pub public_key: String,
    pub sealed: String,
    pub created_ms: i64,
}

/// A log with entries that no checkpoint covers. `version` is 0 where it has none at all.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(super) struct GrownRow {
    pub id: String,
    pub size: i64,
    pub version: i64,
    pub checkpoint: String,
}

#[derive(sqlx::FromRow)]
struct NumberRow {
    n: i64,
}

/// The id of an entry or a checkpoint: in order of index within its log.
pub(super) fn place_id(log: &str, index: u64) -> String {
    format!("{log}/{index:020}")
}

/// Behind every id of the log. (`~` sorts behind the digits in both databases' byte order.)
fn end_id(log: &str) -> String {
    format!("{log}/~")
}

pub(super) async fn size(db: &Db, log: &str) -> Result<Option<u64>, StoreError> {
    const SQL: Sql = Sql::both("SELECT id, size FROM audit_head WHERE id = $1");
    let row: Option<SizeRow> = db.fetch_one(&SQL, &[log.into()]).await?;
    Ok(row.map(|row| row.size.unsigned_abs()))
}

/// A range of one log's entries, by their ids, which begin with the log's name. SQLite would take an index of `log` for the equality, and
/// read and sort the whole log for the last hundred entries of it; the plus keeps it from that.
macro_rules! range {
    ($columns:literal, $rest:literal) => {
        Sql::pair(
            concat!("SELECT ", $columns, " FROM audit_entry WHERE +log = $1 AND id ", $rest),
            concat!("SELECT ", $columns, " FROM audit_entry WHERE log = $1 AND id ", $rest),
        )
    };
}
const LAST: Sql = range!("id, hash", "> $2 AND id < $3 ORDER BY id DESC LIMIT 1");
const ENTRIES: Sql =
    range!("id, log, idx, at_ms, event, object, trace, hash, leaf", "> $2 AND id < $3 ORDER BY id LIMIT $4");
const HASHES: Sql = range!("id, hash", ">= $2 AND id < $3 ORDER BY id");

/// The id of the last entry that is there, whatever the head says.
pub(super) async fn last_id(db: &Db, log: &str) -> Result<Option<String>, StoreError> {
    let (from, to) = (format!("{log}/"), end_id(log));
    let row: Option<HashRow> = db.fetch_one(&LAST, &[log.into(), (&from).into(), (&to).into()]).await?;
    Ok(row.map(|row| row.id))
}

/// The entries behind an id, in order of id. The empty text stands before all of them.
pub(super) async fn entries(
    db: &Db,
    log: &str,
    after: &str,
    limit: u32,
) -> Result<Vec<EntryRow>, StoreError> {
    let first = format!("{log}/");
    let after = after.max(&first);
    db.fetch(&ENTRIES, &[log.into(), after.into(), (&end_id(log)).into(), i64::from(limit).into()]).await
}

pub(super) async fn hashes(db: &Db, log: &str, from: u64, to: u64) -> Result<Vec<HashRow>, StoreError> {
    db.fetch(&HASHES, &[log.into(), (&place_id(log, from)).into(), (&place_id(log, to)).into()]).await
}

/// What a listing asks for. Three statements, because each has its own index to walk.
pub(super) struct Wanted<'a> {
    pub log: &'a str,
    pub from: u64,
    pub to: u64,
    pub trace: Option<&'a str>,
    pub object: Option<&'a str>,
    pub event: Option<&'a str>,
    pub limit: u32,
}

pub(super) async fn list(db: &Db, wanted: &Wanted<'_>) -> Result<Vec<EntryRow>, StoreError> {
    macro_rules! listing {
        ($filter:literal) => {
            Sql::both(concat!(
                "SELECT id, log, idx, at_ms, event, object, trace, hash, leaf FROM audit_entry ",
                "WHERE log = $1 AND id >= $2 AND id < $3 AND ($4 IS NULL OR event = $4) ",
                $filter,
                " ORDER BY id LIMIT $5"
            ))
        };
    }
    const BY_TRACE: Sql = listing!("AND trace = $6 AND ($7 IS NULL OR object = $7)");
    const BY_OBJECT: Sql = listing!("AND object = $6");
    const BY_RANGE: Sql = range!(
        "id, log, idx, at_ms, event, object, trace, hash, leaf",
        ">= $2 AND id < $3 AND ($4 IS NULL OR event = $4) ORDER BY id LIMIT $5"
    );
    let (from, to) = (place_id(wanted.log, wanted.from), place_id(wanted.log, wanted.to));
    let mut args = vec![
        wanted.log.into(),
        (&from).into(),
        (&to).into(),
        Arg::OptText(wanted.event),
        i64::from(wanted.limit).into(),
    ];
    let sql = match (wanted.trace, wanted.object) {
        (Some(trace), object) => {
            args.extend([trace.into(), Arg::OptText(object)]);
            BY_TRACE
        }
        (None, Some(object)) => {
            args.push(object.into());
            BY_OBJECT
        }
        (None, None) => BY_RANGE,
    };
    db.fetch(&sql, &args).await
}

/// When the entry with each of these ids was written; ids without an entry are left out.
pub(super) async fn oldest_ms(db: &Db, ids: &[String]) -> Result<Option<i64>, StoreError> {
    const SQL: Sql = Sql::pair(
        "SELECT COALESCE(MIN(at_ms), 0) AS n FROM audit_entry WHERE id IN (SELECT value FROM json_each($1))",
        "SELECT COALESCE(MIN(at_ms), 0) AS n FROM audit_entry \
         WHERE id = ANY(ARRAY(SELECT jsonb_array_elements_text($1::jsonb)))",
    );
    let ids = serde_json::Value::from(ids).to_string();
    let row: Option<NumberRow> = db.fetch_one(&SQL, &[(&ids).into()]).await?;
    Ok(row.map(|row| row.n))
}

pub(super) async fn grown(db: &Db) -> Result<Vec<GrownRow>, StoreError> {
    const SQL: Sql = Sql::both(
        "SELECT h.id, h.size, COALESCE(t.version, 0) AS version, COALESCE(t.checkpoint, '') AS checkpoint \
         FROM audit_head h LEFT JOIN audit_tree t ON t.id = h.id WHERE h.size > COALESCE(t.size, 0) ORDER BY h.id",
    );
    db.fetch(&SQL, &[]).await
}

pub(super) async fn checkpoint(db: &Db, id: &str) -> Result<Option<CheckpointRow>, StoreError> {
    const SQL: Sql = Sql::both(
        "SELECT id, log, size, root, frontier, note, generation, at_ms FROM audit_checkpoint WHERE id = $1",
    );
    db.fetch_one(&SQL, &[id.into()]).await
}

/// Checkpoints in order of size, from the id on.
pub(super) async fn checkpoints(
    db: &Db,
    log: &str,
    after: &str,
    limit: u32,
) -> Result<Vec<CheckpointRow>, StoreError> {
    const SQL: Sql = Sql::both(
        "SELECT id, log, size, root, frontier, note, generation, at_ms FROM audit_checkpoint \
         WHERE log = $1 AND id > $2 AND id < $3 ORDER BY id LIMIT $4",
    );
    db.fetch(&SQL, &[log.into(), after.into(), (&end_id(log)).into(), i64::from(limit).into()]).await
}

/// The newest checkpoint of at most this size.
pub(super) async fn checkpoint_below(
    db: &Db,
    log: &str,
    size: u64,
) -> Result<Option<CheckpointRow>, StoreError> {
    const SQL: Sql = Sql::both(
        "SELECT id, log, size, root, frontier, note, generation, at_ms FROM audit_checkpoint \
         WHERE log = $1 AND id <= $2 ORDER BY id DESC LIMIT 1",
    );
    db.fetch_one(&SQL, &[log.into(), (&place_id(log, size)).into()]).await
}

/// The generations of the checkpoint key, the oldest first.
pub(super) async fn keys(db: &Db) -> Result<Vec<KeyRow>, StoreError> {
    const SQL: Sql =
        Sql::both("SELECT generation, public_key, sealed, created_ms FROM audit_key ORDER BY generation");
    db.fetch(&SQL, &[]).await
}

/// When the newest checkpoint of any log was signed; 0 without one.
pub(super) async fn newest_checkpoint_ms(db: &Db) -> Result<i64, StoreError> {
    const SQL: Sql = Sql::both(
        "SELECT COALESCE(MAX(c.at_ms), 0) AS n FROM audit_tree t JOIN audit_checkpoint c ON c.id = t.checkpoint",
    );
    let row: Option<NumberRow> = db.fetch_one(&SQL, &[]).await?;
    Ok(row.map_or(0, |row| row.n))
}

pub(super) async fn key_count(db: &Db) -> Result<i64, StoreError> {
    const SQL: Sql = Sql::both("SELECT COALESCE(MAX(generation), 0) AS n FROM audit_key");
    let row: Option<NumberRow> = db.fetch_one(&SQL, &[]).await?;
    Ok(row.map_or(0, |row| row.n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_a_log_is_walked_by_its_ids() {
        for sql in [LAST, ENTRIES, HASHES] {
            assert!(sql.sqlite.contains("WHERE +log = $1 AND id >"), "{}", sql.sqlite);
            assert!(sql.postgres.contains("WHERE log = $1 AND id >"), "{}", sql.postgres);
        }
    }
}
