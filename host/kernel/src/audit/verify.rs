//! Verifying a log from its first entry on: what stands there, in which order, and whether it is what was signed.

use std::collections::VecDeque;

use super::checkpoint_key::{CheckpointKey, trusted};
use super::error::AuditError;
use super::leaf::read_leaf;
use super::model::{Fault, FaultKind, KeySource, LogName, Report, Trust};
use super::note::{self, TrustedKeys};
use super::service::Audit;
use super::store::{self, CheckpointRow, EntryRow};
use super::tree::{Frontier, digest_from_hex, leaf_hash};

/// Rows that are read at a time.
const PAGE: u32 = 1_000;

impl Audit {
    /// Computes the log's tree again and holds it against every checkpoint in the database and against those that the auditor
    /// `kept` (signed notes). Reads the whole log, in pages. What is wrong with the log is in the report, not an error.
    pub async fn verify(&self, log: &LogName, trust: &Trust, kept: &[String]) -> Result<Report, AuditError> {
        let _turn = self.turns.take(log).await?;
        // The last entry before the head: a commit in between makes the head larger, never smaller.
        let last = store::last_id(&self.core.db, log.as_str()).await?;
        let size = self.size(log).await?;
        let (keys, source) = self.trusted_keys(log, trust).await?;
        let checkpoints =
            Checkpoints { audit: self, log, after: String::new(), page: VecDeque::new(), done: false };
        let mut walk = Walk {
            log,
            origin: self.origin_of(log),
            keys,
            frontier: Frontier::default(),
            checkpoints,
            signed: 0,
            checked: 0,
        };
        let mut kept = walk.read_kept(kept)?;
        let fault = match walk.run(size, &mut kept).await {
            Ok(()) => inserted_behind(log, size, last),
            Err(Stop::Fault(fault)) => Some(fault),
            Err(Stop::Error(error)) => return Err(error),
        };
        Ok(Report {
            log: log.to_string(),
            entries: walk.frontier.size(),
            checkpoints: walk.checked,
            published: walk.signed,
            keys: source,
            fault,
        })
    }

    async fn trusted_keys(
        &self,
        log: &LogName,
        trust: &Trust,
    ) -> Result<(TrustedKeys, KeySource), AuditError> {
        if let Trust::Given(vkeys) = trust {
            let keys = TrustedKeys::parse(vkeys).map_err(|error| AuditError::Invalid(error.to_string()))?;
            return Ok((keys, KeySource::Given));
        }
        let (rows, origin) = (store::keys(&self.core.db).await?, self.origin_of(log));
        let mut keys = Vec::with_capacity(rows.len());
        for row in &rows {
            if let Some(master) = &self.master {
                CheckpointKey::open(row, master)?;
            }
            keys.push(trusted(row, &origin).map_err(|error| AuditError::Invalid(error.to_string()))?);
        }
        let source = if self.master.is_some() { KeySource::Sealed } else { KeySource::Stored };
        Ok((TrustedKeys(keys), source))
    }
}

/// An entry behind the head, which no commit wrote.
fn inserted_behind(log: &LogName, size: u64, last: Option<String>) -> Option<Fault> {
    let last = last?;
    (last >= store::place_id(log.as_str(), size)).then(|| Fault {
        index: size,
        kind: FaultKind::Inserted,
        detail: format!("`{last}` stands behind the log's head"),
    })
}

enum Stop {
    Fault(Fault),
    Error(AuditError),
}

impl<E: Into<AuditError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

fn fault(index: u64, kind: FaultKind, detail: impl Into<String>) -> Stop {
    Stop::Fault(Fault { index, kind, detail: detail.into() })
}

/// A checkpoint that an auditor kept, read.
struct Kept {
    size: u64,
    root: [u8; 32],
}

struct Walk<'a> {
    log: &'a LogName,
    origin: String,
    keys: TrustedKeys,
    frontier: Frontier,
    checkpoints: Checkpoints<'a>,
    /// The size of the last good checkpoint.
    signed: u64,
    /// How many checkpoints were good.
    checked: u64,
}

impl Walk<'_> {
    async fn run(&mut self, size: u64, kept: &mut VecDeque<Kept>) -> Result<(), Stop> {
        let mut after = format!("{}/", self.log);
        while self.frontier.size() < size {
            let page =
                store::entries(&self.checkpoints.audit.core.db, self.log.as_str(), &after, PAGE).await?;
            let Some(last) = page.last() else {
                return Err(fault(
                    self.frontier.size(),
                    FaultKind::Missing,
                    "the log is cut off before its head",
                ));
            };
            after.clone_from(&last.id);
            for row in page.iter().take(usize::try_from(size - self.frontier.size()).unwrap_or(usize::MAX)) {
                self.entry(row)?;
                self.against_checkpoints(kept).await?;
            }
        }
        self.beyond(kept).await
    }

    /// One entry in its place; its leaf goes into the tree.
    fn entry(&mut self, row: &EntryRow) -> Result<(), Stop> {
        let index = self.frontier.size();
        let id = store::place_id(self.log.as_str(), index);
        if row.id > id {
            return Err(fault(index, FaultKind::Missing, format!("the next entry is `{}`", row.id)));
        }
        if row.id < id {
            return Err(fault(index, FaultKind::Inserted, format!("`{}` is no place in the log", row.id)));
        }
        let body = read_leaf(&row.leaf, self.log.as_str(), index)
            .map_err(|(kind, detail)| fault(index, kind, detail))?;
        let hash = leaf_hash(row.leaf.as_bytes());
        if digest_from_hex(&row.hash) != Some(hash) {
            return Err(fault(index, FaultKind::Edited, "the leaf's hash is not the one that was committed"));
        }
        let text = |name: &str| body[name].as_str().unwrap_or_default();
        let columns = row.log == self.log.as_str()
            && row.idx.unsigned_abs() == index
            && row.at_ms == body["at-ms"].as_i64().unwrap_or_default()
            && (row.event.as_str(), row.object.as_str(), row.trace.as_str())
                == (text("event"), text("object"), text("trace"));
        if !columns {
            return Err(fault(
                index,
                FaultKind::Edited,
                "the columns to search by are not those of the leaf",
            ));
        }
        self.frontier.push(hash);
        Ok(())
    }

    /// The checkpoints of the size that the tree has now.
    async fn against_checkpoints(&mut self, kept: &mut VecDeque<Kept>) -> Result<(), Stop> {
        while let Some(row) = self.checkpoints.next_up_to(self.frontier.size()).await? {
            self.checkpoint(&row)?;
        }
        while kept.front().is_some_and(|kept| kept.size <= self.frontier.size()) {
            let Some(kept) = kept.pop_front() else { break };
            self.root(kept.size, kept.root)?;
        }
        Ok(())
    }

    fn checkpoint(&mut self, row: &CheckpointRow) -> Result<(), Stop> {
        let (size, id) =
            (row.size.unsigned_abs(), store::place_id(self.log.as_str(), row.size.unsigned_abs()));
        let bad = |detail: String| {
            fault(self.signed, FaultKind::Checkpoint, format!("the checkpoint `{}`: {detail}", row.id))
        };
        let text = note::open(&row.note, &self.keys).map_err(|error| bad(error.to_string()))?;
        let fields = (row.id.as_str(), text.size, text.origin.as_str(), digest_from_hex(&row.root));
        if fields != (id.as_str(), size, self.origin.as_str(), Some(text.root))
            || size != self.frontier.size()
        {
            return Err(bad("its row is not what was signed".into()));
        }
        self.root(size, text.root)
    }

    /// The heart of it: the entries up to here are those that were signed. As every root is computed from the same leaves,
    /// each checkpoint that passes is consistent with the one before it.
    fn root(&mut self, size: u64, root: [u8; 32]) -> Result<(), Stop> {
        if root != self.frontier.root() {
            let detail = format!("the entries {}..{size} are not those that were signed", self.signed);
            return Err(fault(self.signed, FaultKind::History, detail));
        }
        self.signed = size;
        self.checked += 1;
        Ok(())
    }

    /// Checkpoints of more entries than there are: the log was cut.
    async fn beyond(&mut self, kept: &VecDeque<Kept>) -> Result<(), Stop> {
        let end = self.frontier.size();
        let kept = kept.front().map(|kept| kept.size);
        let stored = self.checkpoints.next_up_to(u64::MAX).await?.map(|row| row.size.unsigned_abs());
        // A checkpoint that was published while the log was walked covers entries of a later head: read the head after it.
        let head = store::size(&self.checkpoints.audit.core.db, self.log.as_str()).await?.unwrap_or_default();
        match kept.or(stored.filter(|size| *size > head)) {
            Some(size) => Err(fault(end, FaultKind::Missing, format!("a checkpoint covers {size} entries"))),
            None => Ok(()),
        }
    }

    /// Reads what the auditor kept, in order of size.
    fn read_kept(&self, notes: &[String]) -> Result<VecDeque<Kept>, AuditError> {
        let mut kept = Vec::with_capacity(notes.len());
        for note in notes {
            let text =
                note::open(note, &self.keys).map_err(|error| AuditError::Invalid(error.to_string()))?;
            if text.origin != self.origin {
                return Err(AuditError::Invalid(format!("the checkpoint is of `{}`", text.origin)));
            }
            kept.push(Kept { size: text.size, root: text.root });
        }
        kept.sort_by_key(|kept| kept.size);
        Ok(kept.into())
    }
}

/// The checkpoints of a log in order of size, read in pages.
struct Checkpoints<'a> {
    audit: &'a Audit,
    log: &'a LogName,
    after: String,
    page: VecDeque<CheckpointRow>,
    done: bool,
}

impl Checkpoints<'_> {
    /// The next one, if it covers at most this many entries.
    async fn next_up_to(&mut self, size: u64) -> Result<Option<CheckpointRow>, AuditError> {
        if self.page.is_empty() && !self.done {
            self.page =
                store::checkpoints(&self.audit.core.db, self.log.as_str(), &self.after, PAGE).await?.into();
            self.done = self.page.len() < PAGE as usize;
            if let Some(last) = self.page.back() {
                self.after.clone_from(&last.id);
            }
        }
        match self.page.front() {
            Some(row) if row.size.unsigned_abs() <= size => Ok(self.page.pop_front()),
            _ => Ok(None),
        }
    }
}
