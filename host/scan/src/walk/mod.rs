//! The audit log from its first entry to its last, with the checkpoints beside it.
//!
//! Both are read in order of their ids, `<log>/<20 digits>`, so that a log's entries stand together and a checkpoint of size
//! `n` is due after `n` entries.

mod checkpoints;
mod entry;
mod log;

use std::collections::{BTreeMap, HashMap};

use ed25519_dalek::VerifyingKey;

use crate::ScanError;
use crate::claims::Claims;
use crate::ledger::Ledger;
use crate::merkle::digest;
use crate::report::{Kind, Reporter};
use crate::rows::Definitions;
use crate::source::Source;

use checkpoints::Checkpoints;
use log::Log;

/// Entries between two words of progress.
const TOLD_EVERY: u64 = 100_000;

/// How far a log says it is: its head, or its newest checkpoint. There is one of each a tenant.
#[derive(Debug, Clone, sqlx::FromRow)]
struct Reached {
    id: String,
    version: i64,
    size: i64,
    checkpoint: String,
}

#[derive(sqlx::FromRow)]
struct KeyRow {
    generation: i64,
    public_key: String,
}

/// What the walk compares with as it goes.
struct Known {
    /// Checkpoint keys by generation.
    keys: HashMap<i64, VerifyingKey>,
    heads: BTreeMap<String, Reached>,
    trees: BTreeMap<String, Reached>,
}

pub(crate) async fn all(
    source: &mut Source,
    ledger: &mut Ledger,
    reporter: &mut Reporter,
    definitions: &Definitions,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<(), ScanError> {
    let mut known = Known::read(source, reporter).await?;
    let mut checkpoints = Checkpoints::default();
    let mut claims = Claims::new(definitions);
    let (mut current, mut after, mut facts): (Option<Log>, String, Vec<_>) =
        (None, String::new(), Vec::new());
    loop {
        let page = entry::page(source, &after).await?;
        let Some(last) = page.last() else { break };
        after = last.id.clone();
        for row in &page {
            let Some((log, index)) = row.place() else {
                reporter.add(Kind::InsertedEntry, "audit_entry", &row.id, "its id is no place in a log");
                continue;
            };
            if current.as_ref().is_none_or(|current| current.name != log) {
                let begun = Log::begin(log);
                if let Some(before) = current.replace(begun) {
                    before.finish(source, &mut checkpoints, &mut known, reporter).await?;
                }
                checkpoints.skip_to(source, log, reporter).await?;
            }
            let Some(current) = current.as_mut() else { continue };
            current.reach(index, source, &mut checkpoints, &known, reporter).await?;
            if let Some(body) = current.add(row, index, reporter) {
                claims.read(log, index, &body, &mut facts);
            }
            reporter.scanned.entries += 1;
            if reporter.scanned.entries.is_multiple_of(TOLD_EVERY) {
                progress(&format!("verifying the audit log: {} entries", reporter.scanned.entries));
            }
        }
        ledger.write(&mut facts).await?;
    }
    if let Some(last) = current {
        last.finish(source, &mut checkpoints, &mut known, reporter).await?;
    }
    checkpoints.skip_to(source, checkpoints::END, reporter).await?;
    known.left_over(reporter);
    Ok(())
}

impl Known {
    async fn read(source: &mut Source, reporter: &mut Reporter) -> Result<Self, ScanError> {
        const KEYS: &str = "SELECT generation, public_key FROM audit_key ORDER BY generation";
        const HEADS: &str = "SELECT id, version, size, '' AS checkpoint FROM audit_head ORDER BY id";
        const TREES: &str = "SELECT id, version, size, checkpoint FROM audit_tree ORDER BY id";
        let mut keys = HashMap::new();
        for row in source.page::<KeyRow>(KEYS, &[]).await? {
            match digest(&row.public_key).and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok()) {
                Some(key) => drop(keys.insert(row.generation, key)),
                None => {
                    let id = row.generation.to_string();
                    reporter.add(Kind::Malformed, "audit_key", &id, "its public key cannot be read");
                }
            }
        }
        let by_log = |rows: Vec<Reached>| rows.into_iter().map(|row| (row.id.clone(), row)).collect();
        let heads = by_log(source.page(HEADS, &[]).await?);
        let trees = by_log(source.page(TREES, &[]).await?);
        Ok(Self { keys, heads, trees })
    }

    /// Logs that say they have entries, and have none.
    fn left_over(&self, reporter: &mut Reporter) {
        for head in self.heads.values().filter(|head| head.size > 0) {
            reporter.add_entry(
                Kind::MissingEntry,
                &head.id,
                0,
                format!("all {} entries are gone", head.size),
            );
        }
        for tree in self.trees.values().filter(|tree| !self.heads.contains_key(&tree.id)) {
            reporter.add(
                Kind::MissingEntry,
                "audit_tree",
                &tree.id,
                "the log has neither entries nor a head",
            );
        }
    }
}
