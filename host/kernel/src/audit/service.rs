//! Reading the logs, and the life of the checkpoint key.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use bulla_store::{Expect, StoreError, Unit};
use serde_json::json;

use crate::core::Core;
use crate::master::{MasterKey, MasterKeyError, sealed_by};
use crate::origin::Origin;

use super::checkpoint_key::{CheckpointKey, VerifierKey, trusted};
use super::error::AuditError;
use super::leaf::read_leaf;
use super::model::{Fault, Listed, Listing, LogName, MAX_LISTED, Query, Status};
use super::store::{self, EntryRow, KeyRow, Wanted};
use super::tree::MAX_SIZE;
use super::turns::Turns;

/// What the origins of the logs start with where the operator sets nothing: `bulla.dev/log/<log>`. An operator who publishes
/// checkpoints sets a name of the host's own.
pub const DEFAULT_ORIGIN: &str = "bulla.dev/log";

/// The room's service for operators and auditors.
pub struct Audit {
    pub(super) core: Core,
    pub(super) master: Option<Arc<MasterKey>>,
    pub(super) signer: ArcSwapOption<CheckpointKey>,
    pub(super) turns: Turns,
    origin: String,
}

impl Audit {
    /// `origin` is what every log's origin starts with: visible ASCII without `+`, at most 100 bytes. Without a master key
    /// nothing is signed.
    pub fn new(core: Core, origin: &str, master: Option<Arc<MasterKey>>) -> Result<Self, AuditError> {
        let valid = |byte: u8| byte.is_ascii_graphic() && byte != b'+';
        if origin.is_empty() || origin.len() > 100 || origin.ends_with('/') || !origin.bytes().all(valid) {
            return Err(AuditError::Invalid(format!("`{origin}` cannot be the origin of audit logs")));
        }
        let (signer, turns) = (ArcSwapOption::empty(), Turns::default());
        Ok(Self { core, master, signer, turns, origin: origin.to_owned() })
    }

    /// The first line of the log's checkpoints, and the name in its verifier keys.
    pub fn origin_of(&self, log: &LogName) -> String {
        format!("{}/{log}", self.origin)
    }

    /// Does the master key belong to this database? The first start with one seals the checkpoint key under it, so that its row
    /// knows. Asked before anything is written.
    ///
    /// Errors: the key is not there, or is another one, although something is sealed.
    pub async fn check_master(&self) -> Result<(), AuditError> {
        let keys = store::keys(&self.core.db).await?;
        let Some(sealed_by) = keys.last().and_then(|row| sealed_by(&row.sealed)) else { return Ok(()) };
        match self.master.as_ref().map(|master| master.id()) {
            None => Err(MasterKeyError::Missing.into()),
            Some(present) if present != sealed_by => {
                let (sealed_by, present) = (sealed_by.to_owned(), present.to_owned());
                Err(MasterKeyError::Wrong { sealed_by, present }.into())
            }
            Some(_) => Ok(()),
        }
    }

    /// Makes the first checkpoint key where there is a master key and no key yet. A repeat changes nothing.
    pub async fn start(&self, by: &Origin) -> Result<(), AuditError> {
        if self.master.is_none() || store::key_count(&self.core.db).await? > 0 {
            return self.refresh_signer().await.map(drop);
        }
        match self.add_key(by, 1).await {
            // Another node was first.
            Ok(_) | Err(AuditError::Store(StoreError::Conflict { .. })) => {
                self.refresh_signer().await.map(drop)
            }
            Err(error) => Err(error),
        }
    }

    /// When the newest checkpoint of any log was signed (epoch milliseconds); 0 without one. A second or so behind the last entry: a
    /// clock that says less than this was set back.
    pub async fn newest_ms(&self) -> Result<i64, AuditError> {
        Ok(store::newest_checkpoint_ms(&self.core.db).await?)
    }

    /// Makes the next generation of the checkpoint key; from the next checkpoint on it signs, on every node within a second.
    /// Returns its verifier key for the `system` log.
    pub async fn rotate(&self, by: &Origin) -> Result<VerifierKey, AuditError> {
        let generation = store::key_count(&self.core.db).await? + 1;
        let key = self.add_key(by, generation).await?;
        self.refresh_signer().await?;
        Ok(key)
    }

    /// The public halves of all generations under the name of this log, the oldest first: what an auditor keeps.
    pub async fn verifier_keys(&self, log: &LogName) -> Result<Vec<VerifierKey>, AuditError> {
        store::keys(&self.core.db).await?.iter().map(|row| self.verifier_key(row, log)).collect()
    }

    pub async fn list(&self, log: &LogName, query: &Query) -> Result<Listing, AuditError> {
        let limit = query.limit.unwrap_or(MAX_LISTED);
        let to = query.to.unwrap_or(MAX_SIZE).min(MAX_SIZE);
        if limit == 0 || limit > MAX_LISTED || query.from > to {
            return Err(AuditError::Invalid(format!(
                "a listing has 1 to {MAX_LISTED} entries, `from` before `to`"
            )));
        }
        let size = self.size(log).await?;
        let wanted = Wanted {
            log: log.as_str(),
            from: query.from,
            to,
            trace: query.trace.as_ref().map(|trace| trace.as_str()),
            object: query.object.as_ref().map(|object| object.as_str()),
            event: query.event.as_deref(),
            limit,
        };
        let rows = store::list(&self.core.db, &wanted).await?;
        let entries = rows.iter().map(|row| listed(log, row)).collect::<Result<_, _>>()?;
        Ok(Listing { entries, size })
    }

    /// How many entries the log has. A tenant's log is there from its first entry on.
    pub async fn size(&self, log: &LogName) -> Result<u64, AuditError> {
        let size = store::size(&self.core.db, log.as_str()).await?;
        size.ok_or_else(|| AuditError::NotFound { log: log.to_string() })
    }

    pub async fn status(&self) -> Result<Status, AuditError> {
        let behind = store::grown(&self.core.db).await?;
        let first = |row: &store::GrownRow| match row.checkpoint.rsplit_once('/') {
            // The id of a checkpoint is the id of the first entry that it does not cover.
            Some(_) => row.checkpoint.clone(),
            None => store::place_id(&row.id, 0),
        };
        let ids: Vec<String> = behind.iter().map(first).collect();
        let oldest = if ids.is_empty() { None } else { store::oldest_ms(&self.core.db, &ids).await? };
        Ok(Status {
            signing: self.signer.load().is_some(),
            logs_behind: behind.len() as u64,
            oldest_unpublished_ms: oldest
                .map_or(0, |at_ms| (self.core.now_ms() - at_ms).max(0).unsigned_abs()),
        })
    }

    /// The newest generation, opened; loaded again when another node rotated.
    pub(super) async fn refresh_signer(&self) -> Result<Option<Arc<CheckpointKey>>, AuditError> {
        let Some(master) = &self.master else { return Ok(None) };
        let newest = store::key_count(&self.core.db).await?;
        let current = self.signer.load_full();
        if current.as_ref().is_some_and(|key| key.generation == newest) {
            return Ok(current);
        }
        let rows = store::keys(&self.core.db).await?;
        let opened = rows.last().map(|row| CheckpointKey::open(row, master)).transpose()?.map(Arc::new);
        self.signer.store(opened.clone());
        Ok(opened)
    }

    async fn add_key(&self, by: &Origin, generation: i64) -> Result<VerifierKey, AuditError> {
        let master = self.master.as_ref().ok_or(MasterKeyError::Missing)?;
        let row = CheckpointKey::create(generation, self.core.now_ms(), master);
        let key = self.verifier_key(&row, &LogName::system())?;
        let system = Origin { tenant: None, ..by.clone() };
        let event = if generation == 1 { "audit.key-created" } else { "audit.key-rotated" };
        let mut unit = Unit::default();
        unit.put(&store::KEYS, &format!("{generation:010}"), Expect::Absent, &row);
        let detail = json!({"generation": generation, "public-key": row.public_key, "vkey": key.vkey});
        unit.record(system.entry(event, &format!("checkpoint-key/{generation}"), detail));
        self.core.committer.commit(unit).await?;
        Ok(key)
    }

    fn verifier_key(&self, row: &KeyRow, log: &LogName) -> Result<VerifierKey, AuditError> {
        let key =
            trusted(row, &self.origin_of(log)).map_err(|error| AuditError::Invalid(error.to_string()))?;
        let generation = u32::try_from(row.generation).unwrap_or(u32::MAX);
        Ok(VerifierKey { generation, vkey: key.vkey(), created_ms: row.created_ms })
    }
}

fn listed(log: &LogName, row: &EntryRow) -> Result<Listed, AuditError> {
    let index = row.idx.unsigned_abs();
    let body = read_leaf(&row.leaf, log.as_str(), index).map_err(|(kind, detail)| AuditError::Tampered {
        log: log.to_string(),
        fault: Fault { index, kind, detail },
    })?;
    Ok(Listed { index, body })
}
