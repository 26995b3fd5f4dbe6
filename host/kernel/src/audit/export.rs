//! Cutting a bundle out of a log.

use super::bundle::Contents;
use super::checkpoint_key::trusted;
use super::checkpointer::frontier_of;
use super::error::AuditError;
use super::leaf::read_leaf;
use super::model::{Fault, LogName};
use super::note::TrustedKeys;
use super::service::Audit;
use super::store::{self, CheckpointRow};
use super::tree::Frontier;

/// Entries of one bundle at most; it is built in memory.
pub const MAX_BUNDLE_ENTRIES: u64 = 100_000;

impl Audit {
    /// A bundle that holds the entries `from..to` (absent: to the newest checkpoint). It reaches from the last checkpoint at or
    /// before `from` to the first at or behind `to`, because only there was the tree signed. For [`super::verify_bundle`].
    pub async fn export(&self, log: &LogName, from: u64, to: Option<u64>) -> Result<Vec<u8>, AuditError> {
        let _turn = self.turns.take(log).await?;
        let size = self.size(log).await?;
        let to = to.unwrap_or(size);
        if from >= to || to > size {
            return Err(AuditError::Invalid(format!(
                "`{log}` has {size} entries; the range must be some of them"
            )));
        }
        let db = &self.core.db;
        let start = store::checkpoint_below(db, log.as_str(), from).await?;
        let end = self.checkpoint_from(log, to, size).await?;
        let rows = store::keys(db).await?;
        let origin = self.origin_of(log);
        let keys = TrustedKeys(rows.iter().filter_map(|row| trusted(row, &origin).ok()).collect());
        let frontier = match &start {
            Some(row) => frontier_of(row, &keys, log, &origin)?,
            None => Frontier::default(),
        };
        let (first, behind) = (frontier.size(), end.size.unsigned_abs());
        if first >= behind {
            return Err(AuditError::Unpublished { log: log.to_string(), index: from });
        }
        if behind - first > MAX_BUNDLE_ENTRIES {
            return Err(AuditError::TooLarge { entries: behind - first, limit: MAX_BUNDLE_ENTRIES });
        }
        let contents = Contents {
            log: log.to_string(),
            origin,
            from: first,
            to: behind,
            frontier: frontier.written(),
            vkeys: keys.0.iter().map(|key| key.vkey()).collect(),
            notes: start.into_iter().chain([end]).map(|row| row.note).collect(),
            leaves: self.leaves(log, first, behind).await?,
        };
        contents.write().map_err(|error| AuditError::Invalid(error.to_string()))
    }

    /// The newest signed checkpoint, for an auditor to keep.
    pub async fn newest_checkpoint(&self, log: &LogName) -> Result<Option<String>, AuditError> {
        let size = self.size(log).await?;
        Ok(store::checkpoint_below(&self.core.db, log.as_str(), size).await?.map(|row| row.note))
    }

    /// The first checkpoint that covers `to` entries; where `to` is the whole log, the newest one.
    async fn checkpoint_from(&self, log: &LogName, to: u64, size: u64) -> Result<CheckpointRow, AuditError> {
        let db = &self.core.db;
        let before = store::place_id(log.as_str(), to - 1);
        let covering = store::checkpoints(db, log.as_str(), &before, 1).await?.into_iter().next();
        let found = match covering {
            None if to == size => store::checkpoint_below(db, log.as_str(), to).await?,
            found => found,
        };
        found.ok_or_else(|| AuditError::Unpublished { log: log.to_string(), index: to - 1 })
    }

    async fn leaves(&self, log: &LogName, from: u64, to: u64) -> Result<Vec<String>, AuditError> {
        let mut leaves = Vec::new();
        let mut after = if from == 0 { format!("{log}/") } else { store::place_id(log.as_str(), from - 1) };
        while from + (leaves.len() as u64) < to {
            let page = store::entries(&self.core.db, log.as_str(), &after, 1_000).await?;
            let Some(last) = page.last() else { break };
            after.clone_from(&last.id);
            for row in page {
                let index = from + leaves.len() as u64;
                if index == to {
                    break;
                }
                read_leaf(&row.leaf, log.as_str(), index).map_err(|(kind, detail)| AuditError::Tampered {
                    log: log.to_string(),
                    fault: Fault { index, kind, detail },
                })?;
                leaves.push(row.leaf);
            }
        }
        Ok(leaves)
    }
}
