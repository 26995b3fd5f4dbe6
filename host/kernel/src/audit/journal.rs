//! The last step of every commit: each entry gets its place and its leaf.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bulla_store::{Entry, Journal, StoreError, Tx};
use serde_json::{Value, json};

use super::leaf::leaf_of;
use super::store::{self, SizeRow};
use super::tree::leaf_hash;

/// The log of units that publish. A checkpoint is no entry, it vouches for entries; its unit carries an entry of this
/// log, so that the committer's rule, no change without an entry, needs no exception. No tenant can have the name.
pub(super) const PUBLISHING: &str = "audit/checkpoint";

/// Assigns indexes and writes entries, one statement a table.
///
/// The heads are raised in sorted order of logs by the last statements of the commit but one, so two nodes that commit to
/// the same logs wait for each other in the same order and hold the heads no longer than a commit takes.
#[derive(Debug, Default, Clone, Copy)]
pub struct AuditJournal;

impl AuditJournal {
    pub fn new() -> Self {
        Self
    }
}

#[async_trait]
impl Journal for AuditJournal {
    async fn append(&self, tx: &mut Tx<'_>, entries: &[&Entry]) -> Result<(), StoreError> {
        let entries: Vec<&Entry> = entries.iter().copied().filter(|entry| entry.log != PUBLISHING).collect();
        if entries.is_empty() {
            return Ok(());
        }
        let mut next = raise_heads(tx, &entries).await?;
        let rows = entries.iter().map(|entry| place(&mut next, entry)).collect::<Result<Vec<_>, _>>()?;
        let written = tx.execute(&store::INSERT_ENTRIES, &[(&Value::from(rows).to_string()).into()]).await?;
        match written == entries.len() as u64 {
            true => Ok(()),
            false => {
                Err(StoreError::Corrupt(format!("{written} of {} audit entries were written", entries.len())))
            }
        }
    }
}

/// Raises each log's size by its number of entries; returns the first free index of each.
async fn raise_heads(tx: &mut Tx<'_>, entries: &[&Entry]) -> Result<BTreeMap<String, u64>, StoreError> {
    let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
    for entry in entries {
        *counts.entry(&entry.log).or_default() += 1;
    }
    let wanted: Value = counts.iter().map(|(log, count)| json!({"log": log, "n": count})).collect();
    let raised: Vec<SizeRow> = tx.fetch(&store::RAISE_HEADS, &[(&wanted.to_string()).into()]).await?;
    let first = |row: SizeRow| {
        let count = counts.get(row.id.as_str()).copied().unwrap_or_default();
        (row.id, (row.size - count).unsigned_abs())
    };
    Ok(raised.into_iter().map(first).collect())
}

fn place(next: &mut BTreeMap<String, u64>, entry: &Entry) -> Result<Value, StoreError> {
    let index = next
        .get_mut(&entry.log)
        .ok_or_else(|| StoreError::Corrupt(format!("the audit log `{}` has no head", entry.log)))?;
    let leaf =
        leaf_of(&entry.log, *index, &entry.body).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    let text = |name: &str| entry.body[name].as_str().unwrap_or_default();
    let row = json!({
        "id": store::place_id(&entry.log, *index),
        "log": entry.log,
        "idx": index,
        "at_ms": entry.body["at-ms"].as_i64().unwrap_or_default(),
        "event": text("event"),
        "object": text("object"),
        "trace": text("trace"),
        "hash": hex::encode(leaf_hash(leaf.as_bytes())),
        "leaf": leaf,
    });
    *index += 1;
    Ok(row)
}
