//! One log as it is walked: the tree over what was read, against every checkpoint on the way.

use serde_json::Value;

use super::Known;
use super::checkpoints::Checkpoints;
use super::entry::EntryRow;
use crate::ScanError;
use crate::merkle::Tree;
use crate::report::{Kind, Reporter};
use crate::source::Source;

pub(super) struct Log {
    pub name: String,
    /// The index that comes next.
    next: u64,
    /// The tree over all entries so far; `None` from an entry that is missing to the next good checkpoint.
    tree: Option<Tree>,
    /// The size of the last good checkpoint.
    signed: u64,
    checkpoints: i64,
}

impl Log {
    pub fn begin(name: &str) -> Self {
        Self { name: name.into(), next: 0, tree: Some(Tree::default()), signed: 0, checkpoints: 0 }
    }

    /// What lies before the entry of this index: checkpoints that are due, and entries that are not there.
    pub async fn reach(
        &mut self,
        index: u64,
        source: &mut Source,
        checkpoints: &mut Checkpoints,
        known: &Known,
        reporter: &mut Reporter,
    ) -> Result<(), ScanError> {
        self.check(self.next, source, checkpoints, known, reporter).await?;
        if index > self.next {
            let (first, last) = (self.next, index - 1);
            let text = if first == last {
                "it is gone".to_owned()
            } else {
                format!("the entries {first} to {last} are gone")
            };
            reporter.add_entry(Kind::MissingEntry, &self.name, first, text);
            self.tree = None;
            self.check(index, source, checkpoints, known, reporter).await?;
        }
        Ok(())
    }

    /// Takes an entry in; gives what its leaf says.
    pub fn add(&mut self, row: &EntryRow, index: u64, reporter: &mut Reporter) -> Option<Value> {
        let (body, wrong) = row.read(&self.name, index);
        if !wrong.is_empty() {
            reporter.add_entry(Kind::EditedEntry, &self.name, index, wrong.join("; "));
        }
        // The tree goes on with the hash that it was built with: one edited leaf is one finding.
        let hash = row.stored_hash().unwrap_or_else(|| row.leaf_hash());
        match &mut self.tree {
            Some(tree) if tree.size() == index => tree.push(hash),
            _ => self.tree = None,
        }
        self.next = index + 1;
        body
    }

    /// The end of the log: the last checkpoints, the head, the newest checkpoint's own row.
    pub async fn finish(
        mut self,
        source: &mut Source,
        checkpoints: &mut Checkpoints,
        known: &mut Known,
        reporter: &mut Reporter,
    ) -> Result<(), ScanError> {
        self.check(self.next, source, checkpoints, known, reporter).await?;
        let entries = self.next;
        while let Some(row) = checkpoints.next(source, &self.name, u64::MAX, reporter).await? {
            self.checkpoints += 1;
            let text = format!("the log has only {entries} of the entries it was signed over");
            reporter.add(Kind::MissingEntry, "audit_checkpoint", &row.id, text);
        }
        let head = known.heads.remove(&self.name).and_then(|head| u64::try_from(head.size).ok());
        match head {
            Some(head) if head > entries => {
                let text = format!("its head says {head} entries; the last {} are gone", head - entries);
                reporter.add_entry(Kind::MissingEntry, &self.name, entries, text);
            }
            Some(head) if head < entries => {
                let text = format!("its head says {head} entries; it has {entries}");
                reporter.add_entry(Kind::InsertedEntry, &self.name, head, text);
            }
            Some(_) => {}
            None => reporter.add_entry(Kind::Malformed, &self.name, 0, "the log has no head"),
        }
        self.newest(known, reporter);
        if self.signed < entries {
            let text = format!("no good checkpoint covers the last {} entries", entries - self.signed);
            reporter.add_entry(Kind::Unsigned, &self.name, self.signed, text);
        }
        reporter.scanned.logs += 1;
        Ok(())
    }

    /// Each checkpoint raises the version of the log's row in `audit_tree`.
    fn newest(&self, known: &mut Known, reporter: &mut Reporter) {
        let tree = known.trees.remove(&self.name);
        let made = tree.as_ref().map_or(0, |tree| tree.version);
        if made != self.checkpoints {
            let text = format!("{made} checkpoints were made, {} are there", self.checkpoints);
            reporter.add(Kind::MissingCheckpoint, "audit_tree", &self.name, text);
        }
        let Some(tree) = tree else { return };
        let says = u64::try_from(tree.size).ok();
        if tree.checkpoint != format!("{}/{:020}", self.name, tree.size) || says != Some(self.signed) {
            let text = format!(
                "its newest checkpoint is of size {}, the last good one of {}",
                tree.size, self.signed
            );
            reporter.add(Kind::BadCheckpoint, "audit_tree", &self.name, text);
        }
    }

    /// The checkpoints up to a size, each against the tree.
    async fn check(
        &mut self,
        size: u64,
        source: &mut Source,
        checkpoints: &mut Checkpoints,
        known: &Known,
        reporter: &mut Reporter,
    ) -> Result<(), ScanError> {
        while let Some(row) = checkpoints.next(source, &self.name, size, reporter).await? {
            self.checkpoints += 1;
            let signed = match row.open(&self.name, &known.keys) {
                Ok(signed) => signed,
                Err(why) => {
                    reporter.add(Kind::BadCheckpoint, "audit_checkpoint", &row.id, why);
                    continue;
                }
            };
            let own = self.tree.as_ref().filter(|tree| tree.size() == signed.size());
            if own.is_some_and(|own| own.root() != signed.root()) {
                let last = signed.size().saturating_sub(1);
                let text = format!(
                    "the entries {} to {last} are not those that checkpoint {} was signed over",
                    self.signed, row.id
                );
                reporter.add_entry(Kind::ChangedHistory, &self.name, self.signed, text);
            }
            self.signed = signed.size();
            // What was signed is what later checkpoints build on.
            self.tree = Some(signed);
        }
        Ok(())
    }
}
