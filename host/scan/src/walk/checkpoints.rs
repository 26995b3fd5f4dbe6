//! Checkpoints in order, and what one of them proves.

use std::collections::{HashMap, VecDeque};

use ed25519_dalek::VerifyingKey;

use super::entry::place;
use crate::ScanError;
use crate::merkle::{Tree, digest};
use crate::note;
use crate::report::{Kind, Reporter};
use crate::source::Source;

/// Behind every name of a log.
pub(super) const END: &str = "\u{7f}";

#[derive(sqlx::FromRow)]
pub(super) struct CheckpointRow {
    pub id: String,
    log: String,
    size: i64,
    root: String,
    frontier: String,
    note: String,
    generation: i64,
}

/// The checkpoints that are still to come.
#[derive(Default)]
pub(super) struct Checkpoints {
    ahead: VecDeque<CheckpointRow>,
    after: String,
    ended: bool,
}

impl Checkpoints {
    /// The next one of this log, up to this size.
    pub async fn next(
        &mut self,
        source: &mut Source,
        log: &str,
        size: u64,
        reporter: &mut Reporter,
    ) -> Result<Option<CheckpointRow>, ScanError> {
        loop {
            self.fill(source).await?;
            let Some(row) = self.ahead.front() else { return Ok(None) };
            match place(&row.id) {
                Some((own, own_size)) if own == log && own_size <= size => {
                    reporter.scanned.checkpoints += 1;
                    return Ok(self.ahead.pop_front());
                }
                Some(_) => return Ok(None),
                None => {
                    reporter.add(
                        Kind::BadCheckpoint,
                        "audit_checkpoint",
                        &row.id,
                        "its id is no size of a log",
                    );
                    self.ahead.pop_front();
                }
            }
        }
    }

    /// Passes those of logs before this one: logs without entries.
    pub async fn skip_to(
        &mut self,
        source: &mut Source,
        log: &str,
        reporter: &mut Reporter,
    ) -> Result<(), ScanError> {
        let begin = format!("{log}/");
        loop {
            self.fill(source).await?;
            let Some(row) = self.ahead.pop_front_if(|row| row.id < begin) else { return Ok(()) };
            reporter.scanned.checkpoints += 1;
            reporter.add(
                Kind::MissingEntry,
                "audit_checkpoint",
                &row.id,
                "none of the entries it was signed over is there",
            );
        }
    }

    async fn fill(&mut self, source: &mut Source) -> Result<(), ScanError> {
        const PAGE: &str = "SELECT id, log, size, root, frontier, note, generation FROM audit_checkpoint \
                            WHERE id > $1 ORDER BY id LIMIT 500";
        if self.ahead.is_empty() && !self.ended {
            self.ahead = source.page(PAGE, &[&self.after]).await?.into();
            match self.ahead.back() {
                Some(last) => self.after = last.id.clone(),
                None => self.ended = true,
            }
        }
        Ok(())
    }
}

impl CheckpointRow {
    /// The tree that a stored key signed; else why there is none.
    pub fn open(&self, log: &str, keys: &HashMap<i64, VerifyingKey>) -> Result<Tree, String> {
        let key = keys.get(&self.generation);
        let key = key.ok_or_else(|| format!("there is no key of generation {}", self.generation))?;
        let signed = note::open(&self.note, key)?;
        let names_log = signed.origin.strip_suffix(log).is_some_and(|origin| origin.ends_with('/'));
        if !names_log || self.log != log {
            return Err("it was signed for another log".into());
        }
        let says = place(&self.id).is_some_and(|(_, size)| size == signed.size);
        if !says
            || u64::try_from(self.size).ok() != Some(signed.size)
            || digest(&self.root) != Some(signed.root)
        {
            return Err("its columns are not what was signed".into());
        }
        let hashes: Vec<String> =
            serde_json::from_str(&self.frontier).map_err(|_| "its frontier cannot be read")?;
        let hashes: Option<Vec<_>> = hashes.iter().map(|text| digest(text)).collect();
        hashes
            .and_then(|hashes| Tree::resume(signed.size, &hashes))
            .filter(|tree| tree.root() == signed.root)
            .ok_or_else(|| "its frontier has another root than the one that was signed".into())
    }
}
