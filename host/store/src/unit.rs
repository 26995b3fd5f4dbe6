//! The unit of work: what one call, or one decision of an operator, wants to change.

use serde::Serialize;
use serde_json::Value;

use crate::table::Table;

/// What must be true of a row when the unit commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// The id was drawn at random for this row: it is inserted without a look.
    Fresh,
    /// There is no row with this id.
    Absent,
    /// The row has this version; the write leaves the next one.
    Version(i64),
}

/// One row to write or to remove.
#[derive(Debug, Clone)]
pub struct Write {
    pub table: &'static Table,
    pub id: String,
    pub expect: Expect,
    /// `None` removes the row.
    pub row: Option<Value>,
}

/// One entry of an audit log, to be given its index in the commit.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The tenant's id, or `system`.
    pub log: String,
    pub body: Value,
}

/// All that becomes visible together.
#[derive(Debug, Clone, Default)]
pub struct Unit {
    pub writes: Vec<Write>,
    pub journal: Vec<Entry>,
}

impl Unit {
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.journal.is_empty()
    }

    /// Adds or replaces a row. `row` serialises to an object with the table's columns; its `version` is set here.
    ///
    /// A row that does not serialise to an object is a mistake in the room; it is written as a removal of nothing and the
    /// room's own tests see the row missing.
    pub fn put(&mut self, table: &'static Table, id: &str, expect: Expect, row: &impl Serialize) {
        let mut row = serde_json::to_value(row).unwrap_or(Value::Null);
        let version = match expect {
            Expect::Fresh | Expect::Absent => 1,
            Expect::Version(version) => version + 1,
        };
        if let Value::Object(fields) = &mut row {
            fields.insert("id".into(), id.into());
            fields.insert("version".into(), version.into());
        }
        self.writes.push(Write { table, id: id.into(), expect, row: Some(row) });
    }

    /// Removes the row, which must have this version.
    pub fn remove(&mut self, table: &'static Table, id: &str, version: i64) {
        self.writes.push(Write { table, id: id.into(), expect: Expect::Version(version), row: None });
    }

    pub fn record(&mut self, entry: Entry) {
        self.journal.push(entry);
    }

    /// About how many bytes the unit carries into its transaction.
    pub fn bytes(&self) -> usize {
        let writes =
            self.writes.iter().map(|write| write.id.len() + write.row.as_ref().map_or(0, text_bytes));
        writes.chain(self.journal.iter().map(|entry| entry.log.len() + text_bytes(&entry.body))).sum()
    }

    /// Takes over everything that `other` holds.
    pub fn absorb(&mut self, other: Unit) {
        self.writes.extend(other.writes);
        self.journal.extend(other.journal);
    }
}

/// The texts of a value; all else counts as a word.
fn text_bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(text_bytes).sum(),
        Value::Object(fields) => fields.iter().map(|(name, value)| name.len() + text_bytes(value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
    }
}
