//! One entry: its leaf, its hash, its columns.

use bulla_base::canonical::canonicalize;
use serde_json::Value;

use crate::ScanError;
use crate::merkle::{Digest, digest, leaf_hash};
use crate::source::Source;

#[derive(sqlx::FromRow)]
pub(super) struct EntryRow {
    pub id: String,
    log: String,
    idx: i64,
    at_ms: i64,
    event: String,
    object: String,
    trace: String,
    hash: String,
    leaf: String,
}

/// Entries that are in memory at a time.
pub(super) async fn page(source: &mut Source, after: &str) -> Result<Vec<EntryRow>, ScanError> {
    const PAGE: &str = "SELECT id, log, idx, at_ms, event, object, trace, hash, leaf FROM audit_entry \
                        WHERE id > $1 ORDER BY id LIMIT 500";
    source.page(PAGE, &[after]).await
}

impl EntryRow {
    /// The log and the index that the id says.
    pub fn place(&self) -> Option<(&str, u64)> {
        place(&self.id)
    }

    /// The leaf's own hash.
    pub fn leaf_hash(&self) -> Digest {
        leaf_hash(self.leaf.as_bytes())
    }

    /// The hash that the tree was built with.
    pub fn stored_hash(&self) -> Option<Digest> {
        digest(&self.hash)
    }

    /// The parsed leaf, where it is JSON, and everything that is wrong with the entry.
    pub fn read(&self, log: &str, index: u64) -> (Option<Value>, Vec<String>) {
        let mut wrong = Vec::new();
        if self.stored_hash() != Some(self.leaf_hash()) {
            wrong.push("its hash is not that of its leaf".to_owned());
        }
        if self.log != log || u64::try_from(self.idx).ok() != Some(index) {
            wrong.push("its log and index are not those of its id".to_owned());
        }
        let Ok(body) = serde_json::from_str::<Value>(&self.leaf) else {
            wrong.push("its leaf is not JSON".to_owned());
            return (None, wrong);
        };
        if canonicalize(&body).ok().as_deref() != Some(self.leaf.as_bytes()) {
            wrong.push("its leaf is not in canonical form".to_owned());
        }
        if body["log"].as_str() != Some(log) || body["index"].as_u64() != Some(index) {
            wrong.push("its leaf belongs to another place".to_owned());
        }
        let text = |name: &str| body[name].as_str().unwrap_or_default();
        let columns = [("event", &self.event), ("object", &self.object), ("trace", &self.trace)];
        let differing = columns.into_iter().filter(|(name, column)| text(name) != column.as_str());
        wrong.extend(differing.map(|(name, _)| format!("its column `{name}` is not what its leaf says")));
        if body["at-ms"].as_i64().unwrap_or_default() != self.at_ms {
            wrong.push("its column `at_ms` is not what its leaf says".to_owned());
        }
        (Some(body), wrong)
    }
}

/// `<log>/<20 digits>`.
pub(super) fn place(id: &str) -> Option<(&str, u64)> {
    let (log, digits) = id.rsplit_once('/')?;
    let is_plain = digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit()) && !log.is_empty();
    is_plain.then(|| digits.parse().ok()).flatten().map(|number| (log, number))
}
