//! The last step of every commit: each entry gets its place and its leaf.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bulla_store::{Draft, Entry, Journal, StoreError, Tx};
use serde_json::{Value, json};

use super::leaf::{draft_of, leaf_of};
use super::store::{self, NewEntry, SizeRow};
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
    fn draft(&self, entry: Entry) -> Result<Draft, StoreError> {
        draft_of(entry).map_err(|error| StoreError::Corrupt(error.to_string()))
    }

    async fn append(&self, tx: &mut Tx<'_>, drafts: &[&Draft]) -> Result<(), StoreError> {
        let drafts: Vec<&Draft> = drafts.iter().copied().filter(|draft| draft.log != PUBLISHING).collect();
        if drafts.is_empty() {
            return Ok(());
        }
        let mut next = raise_heads(tx, &drafts).await?;
        let rows = drafts.iter().map(|draft| place(&mut next, draft)).collect::<Result<Vec<_>, _>>()?;
        let rows = serde_json::to_string(&rows).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let written = tx.execute(&store::INSERT_ENTRIES, &[(&rows).into()]).await?;
        match written == drafts.len() as u64 {
            true => Ok(()),
            false => {
                Err(StoreError::Corrupt(format!("{written} of {} audit entries were written", drafts.len())))
            }
        }
    }
}

/// Raises each log's size by its number of entries; returns the first free index of each.
async fn raise_heads(tx: &mut Tx<'_>, drafts: &[&Draft]) -> Result<BTreeMap<String, u64>, StoreError> {
    let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
    for draft in drafts {
        *counts.entry(&draft.log).or_default() += 1;
    }
    let wanted: Value = counts.iter().map(|(log, count)| json!({"log": log, "n": count})).collect();
    let raised: Vec<SizeRow> = tx.fetch(&store::RAISE_HEADS, &[(&wanted.to_string()).into()]).await?;
    let first = |row: SizeRow| {
        let count = counts.get(row.id.as_str()).copied().unwrap_or_default();
        (row.id, (row.size - count).unsigned_abs())
    };
    Ok(raised.into_iter().map(first).collect())
}

fn place<'a>(next: &mut BTreeMap<String, u64>, draft: &'a Draft) -> Result<NewEntry<'a>, StoreError> {
    let index = next
        .get_mut(&draft.log)
        .ok_or_else(|| StoreError::Corrupt(format!("the audit log `{}` has no head", draft.log)))?;
    let leaf = leaf_of(draft, *index);
    let row = NewEntry {
        id: store::place_id(&draft.log, *index),
        log: &draft.log,
        idx: *index,
        at_ms: draft.at_ms,
        event: &draft.event,
        object: &draft.object,
        trace: &draft.trace,
        hash: hex::encode(leaf_hash(leaf.as_bytes())),
        leaf,
    };
    *index += 1;
    Ok(row)
}
