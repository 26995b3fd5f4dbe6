//! Publishing: for each log that grew, a checkpoint over what it has now.

use bulla_base::Millis;
use bulla_store::{Expect, Step, StoreError, Unit, failpoint, passed};
use futures::StreamExt;

use super::checkpoint_key::{CheckpointKey, trusted};
use super::error::AuditError;
use super::journal::PUBLISHING;
use super::model::{Fault, FaultKind, LogName};
use super::note::{self, CheckpointText, TrustedKeys};
use super::service::Audit;
use super::store::{self, CheckpointRow, GrownRow, TreeRow};
use super::tree::{Frontier, digest_from_hex};

/// How long an entry may be without a checkpoint, unless the operator sets another time.
pub const MAX_UNPUBLISHED: Millis = Millis(1_000);

/// Leaves that one checkpoint adds at most; a log that grew by more gets several, one after the other.
const LEAVES_A_CHECKPOINT: u64 = 10_000;
/// Logs that are worked on at a time.
const LOGS_AT_A_TIME: usize = 16;

/// What one round of publishing did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Published {
    pub checkpoints: u32,
    /// Logs that another node published first.
    pub overtaken: u32,
    /// Logs that were not signed because they contradict what was signed before, or could not be read.
    pub refused: Vec<LogName>,
    /// Some log has more entries than one checkpoint takes.
    pub more: bool,
}

enum Outcome {
    Done { more: bool },
    Overtaken,
    Refused(LogName),
}

impl Audit {
    /// Publishes for ever, so that no entry stays without a checkpoint for longer than `max_age` while the database answers.
    pub async fn publish(&self, max_age: Millis) {
        let pause = Millis((max_age.get() / 2).max(1)).duration();
        loop {
            match self.checkpoint_once().await {
                Ok(published) if published.more => continue,
                Ok(_) => {}
                Err(error) => tracing::error!(%error, "no audit checkpoint was published"),
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// One round. Costs one query where nothing grew, else work in proportion to the new entries. Without a key it does
    /// nothing.
    pub async fn checkpoint_once(&self) -> Result<Published, AuditError> {
        let Some(signer) = self.refresh_signer().await? else { return Ok(Published::default()) };
        let grown = store::grown(&self.core.db).await?;
        let mut outcomes = futures::stream::iter(grown)
            .map(|row| self.checkpoint_log(&signer, row))
            .buffer_unordered(LOGS_AT_A_TIME);
        let mut published = Published::default();
        while let Some(outcome) = outcomes.next().await {
            match outcome? {
                Outcome::Done { more } => {
                    published.checkpoints += 1;
                    published.more |= more;
                }
                Outcome::Overtaken => published.overtaken += 1,
                Outcome::Refused(log) => published.refused.push(log),
            }
        }
        Ok(published)
    }

    async fn checkpoint_log(&self, signer: &CheckpointKey, grown: GrownRow) -> Result<Outcome, AuditError> {
        let log = LogName::stored(&grown.id);
        let unit = match self.next_checkpoint(signer, &log, &grown).await {
            Ok(unit) => unit,
            Err(AuditError::Tampered { log: _, fault }) => {
                tracing::error!(%log, %fault, "the audit log contradicts itself; no checkpoint is signed for it");
                return Ok(Outcome::Refused(log));
            }
            Err(error) => return Err(error),
        };
        let (unit, reached) = unit;
        failpoint(Step::AuditPublish)?;
        let committed = self.core.committer.commit(unit).await;
        passed(Step::AuditPublished);
        match committed {
            Ok(()) => Ok(Outcome::Done { more: reached < grown.size.unsigned_abs() }),
            Err(StoreError::Conflict { .. }) => Ok(Outcome::Overtaken),
            Err(error) => Err(error.into()),
        }
    }

    /// The unit that publishes the next checkpoint, and the size it reaches.
    async fn next_checkpoint(
        &self,
        signer: &CheckpointKey,
        log: &LogName,
        grown: &GrownRow,
    ) -> Result<(Unit, u64), AuditError> {
        let mut frontier = self.last_frontier(log, grown).await?;
        let to = grown.size.unsigned_abs().min(frontier.size() + LEAVES_A_CHECKPOINT);
        self.append_leaves(log, &mut frontier, to).await?;
        let text = CheckpointText { origin: self.origin_of(log), size: to, root: frontier.root() };
        let signed =
            note::sign(&text, &signer.key).map_err(|error| AuditError::Invalid(error.to_string()))?;
        let size = i64::try_from(to).unwrap_or(i64::MAX);
        let row = CheckpointRow {
            id: store::place_id(log.as_str(), to),
            log: log.to_string(),
            size,
            root: hex::encode(text.root),
            frontier: serde_json::Value::from(frontier.written()).to_string(),
            note: signed,
            generation: signer.generation,
            at_ms: self.core.now_ms(),
        };
        let expect = if grown.version == 0 { Expect::Absent } else { Expect::Version(grown.version) };
        let mut unit = Unit::default();
        unit.put(&store::CHECKPOINTS, &row.id, Expect::Absent, &row);
        unit.put(&store::TREES, log.as_str(), expect, &TreeRow { size, checkpoint: row.id.clone() });
        unit.record(bulla_store::Entry { log: PUBLISHING.into(), body: serde_json::Value::Null });
        Ok((unit, to))
    }

    /// Where the newest checkpoint left off. It is taken only when it still is what was signed: the host never signs on top
    /// of a history that somebody changed.
    async fn last_frontier(&self, log: &LogName, grown: &GrownRow) -> Result<Frontier, AuditError> {
        if grown.version == 0 {
            return Ok(Frontier::default());
        }
        let row = store::checkpoint(&self.core.db, &grown.checkpoint).await?;
        let row =
            row.ok_or_else(|| tampered(log, 0, FaultKind::Checkpoint, "the newest checkpoint is gone"))?;
        let keys = store::keys(&self.core.db).await?;
        let origin = self.origin_of(log);
        let trusted = keys.iter().filter_map(|key| trusted(key, &origin).ok()).collect();
        frontier_of(&row, &TrustedKeys(trusted), log, &origin)
    }

    async fn append_leaves(&self, log: &LogName, frontier: &mut Frontier, to: u64) -> Result<(), AuditError> {
        for row in store::hashes(&self.core.db, log.as_str(), frontier.size(), to).await? {
            let index = frontier.size();
            if row.id != store::place_id(log.as_str(), index) {
                return Err(tampered(log, index, FaultKind::Missing, "the entry is not there"));
            }
            let hash = digest_from_hex(&row.hash);
            frontier
                .push(hash.ok_or_else(|| tampered(log, index, FaultKind::Edited, "its hash is malformed"))?);
        }
        match frontier.size() == to {
            true => Ok(()),
            false => Err(tampered(log, frontier.size(), FaultKind::Missing, "the entry is not there")),
        }
    }
}

/// The frontier of a stored checkpoint, when it belongs to the size and the root that were signed.
pub(super) fn frontier_of(
    row: &CheckpointRow,
    trusted: &TrustedKeys,
    log: &LogName,
    origin: &str,
) -> Result<Frontier, AuditError> {
    let size = row.size.unsigned_abs();
    let bad = |detail: &str| tampered(log, size, FaultKind::Checkpoint, detail);
    let text = note::open(&row.note, trusted).map_err(|error| bad(&error.to_string()))?;
    let hashes: Vec<String> =
        serde_json::from_str(&row.frontier).map_err(|_| bad("its frontier is malformed"))?;
    let frontier = Frontier::read(size, &hashes).ok_or_else(|| bad("its frontier is malformed"))?;
    match text.origin == origin && text.size == size && text.root == frontier.root() {
        true => Ok(frontier),
        false => Err(bad("its frontier is not the one that was signed")),
    }
}

pub(super) fn tampered(log: &LogName, index: u64, kind: FaultKind, detail: &str) -> AuditError {
    AuditError::Tampered { log: log.to_string(), fault: Fault { index, kind, detail: detail.into() } }
}
