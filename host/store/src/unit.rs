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
    /// A JSON object with the table's columns; `None` removes the row.
    pub row: Option<String>,
}

/// One entry of an audit log, to be given its index in the commit.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The tenant's id, or `system`.
    pub log: String,
    pub body: Value,
}

/// An entry that lacks only its index, which is given in the commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    pub log: String,
    /// The entry's text before its index.
    pub before: String,
    /// The entry's text after its index.
    pub after: String,
    // What is searched by.
    pub at_ms: i64,
    pub event: String,
    pub object: String,
    pub trace: String,
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
        // As text from here on: the one task that commits has less to do.
        self.writes.push(Write { table, id: id.into(), expect, row: Some(row.to_string()) });
    }

    /// Removes the row, which must have this version.
    pub fn remove(&mut self, table: &'static Table, id: &str, version: i64) {
        self.writes.push(Write { table, id: id.into(), expect: Expect::Version(version), row: None });
    }

    pub fn record(&mut self, entry: Entry) {
        self.journal.push(entry);
    }

    /// Takes over everything that `other` holds.
    pub fn absorb(&mut self, other: Unit) {
        self.writes.extend(other.writes);
        self.journal.extend(other.journal);
    }
}

/// A unit on its way into a transaction.
#[derive(Debug)]
pub(crate) struct Ready {
    pub writes: Vec<Write>,
    pub journal: Vec<Draft>,
}

impl Ready {
    /// About how many bytes it carries into its transaction.
    pub fn bytes(&self) -> usize {
        let writes =
            self.writes.iter().map(|write| write.id.len() + write.row.as_ref().map_or(0, String::len));
        let journal =
            self.journal.iter().map(|draft| draft.log.len() + draft.before.len() + draft.after.len());
        writes.chain(journal).sum()
    }
}
