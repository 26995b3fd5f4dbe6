//! What a scan found.

use std::collections::BTreeMap;

use serde::Serialize;

/// Findings and notes that a report lists, each; all are counted.
pub const MAX_LISTED: usize = 1_000;

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $note:literal;)*) => {
        /// What is wrong, or worth knowing.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Kind { $($(#[$doc])* $variant),* }

        impl Kind {
            pub const ALL: &[Kind] = &[$(Kind::$variant),*];

            /// As `--json` writes it.
            pub fn name(self) -> &'static str {
                match self { $(Kind::$variant => $name),* }
            }

            /// A note is no finding: it passes by itself, or says nothing about the content.
            pub fn is_note(self) -> bool {
                match self { $(Kind::$variant => $note),* }
            }
        }
    };
}

kinds! {
    /// A number, or a value of a series, is there twice or can be issued twice.
    DuplicateNumber = "duplicate-number", false;
    /// A gapless series lacks a value that was issued, or that nobody will ever issue.
    Gap = "gap", false;
    /// A number's row contradicts itself, its format, its period or its binding.
    Number = "number", false;
    /// A row whose audit entry is not there.
    OrphanEffect = "orphan-effect", false;
    /// An audit entry whose effect is not there.
    OrphanEntry = "orphan-entry", false;
    /// An audit entry does not read as it was written.
    EditedEntry = "edited-entry", false;
    /// An audit entry is gone.
    MissingEntry = "missing-entry", false;
    /// An audit entry that the log never had.
    InsertedEntry = "inserted-entry", false;
    /// The entries are not those that a checkpoint was signed over.
    ChangedHistory = "changed-history", false;
    /// A checkpoint that no stored key signed, or that contradicts itself.
    BadCheckpoint = "bad-checkpoint", false;
    /// A checkpoint is gone.
    MissingCheckpoint = "missing-checkpoint", false;
    /// A job was enqueued, never came to an end, and is gone.
    LostJob = "lost-job", false;
    /// A job's row contradicts itself or its entries.
    JobState = "job-state", false;
    /// An approval's row contradicts itself or what stands beside it.
    ApprovalState = "approval-state", false;
    /// An idempotency key stands for two calls.
    ExecutedTwice = "executed-twice", false;
    /// An idempotency record contradicts itself.
    IdempotencyRecord = "idempotency-record", false;
    /// A row refers to one that is not there.
    DanglingReference = "dangling-reference", false;
    /// A stored package is not what its digest says.
    Package = "package", false;
    /// A row cannot be read as what it is.
    Malformed = "malformed", false;
    /// SQLite says that the file is damaged.
    DamagedFile = "damaged-file", false;

    /// A value of a gapless series that nobody has seen and that is issued next.
    FreeValue = "free-value", true;
    /// A reserved number whose time is over: the sweeper makes it void.
    ExpiredReservation = "expired-reservation", true;
    /// A running job whose lease is over: the next claim takes it back.
    LapsedLease = "lapsed-lease", true;
    /// Entries that no checkpoint covers yet.
    Unsigned = "unsigned", true;
    /// A table that the scan does not know.
    UnknownTable = "unknown-table", true;
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub kind: Kind,
    /// The table, or `log <name>`.
    pub place: String,
    /// The row, or the index of the entry.
    pub id: String,
    pub message: String,
}

/// How much was looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Scanned {
    pub logs: u64,
    pub entries: u64,
    pub checkpoints: u64,
    /// Rows by table.
    pub rows: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    pub scanned: Scanned,
    /// How many there are, listed or not.
    pub finding_count: u64,
    pub findings: Vec<Finding>,
    pub note_count: u64,
    pub notes: Vec<Finding>,
}

impl Report {
    pub fn is_clean(&self) -> bool {
        self.finding_count == 0
    }
}

/// Collects, at most [`MAX_LISTED`] of each sort.
#[derive(Default)]
pub(crate) struct Reporter {
    pub scanned: Scanned,
    finding_count: u64,
    findings: Vec<Finding>,
    note_count: u64,
    notes: Vec<Finding>,
}

impl Reporter {
    pub fn add(&mut self, kind: Kind, place: &str, id: &str, message: impl Into<String>) {
        let (count, list) = match kind.is_note() {
            true => (&mut self.note_count, &mut self.notes),
            false => (&mut self.finding_count, &mut self.findings),
        };
        *count += 1;
        if list.len() < MAX_LISTED {
            list.push(Finding { kind, place: place.into(), id: id.into(), message: message.into() });
        }
    }

    /// Something about an audit entry.
    pub fn add_entry(&mut self, kind: Kind, log: &str, index: u64, message: impl Into<String>) {
        self.add(kind, &format!("log {log}"), &index.to_string(), message);
    }

    pub fn count_row(&mut self, table: &'static str) {
        *self.scanned.rows.entry(table).or_default() += 1;
    }

    pub fn into_report(self) -> Report {
        Report {
            scanned: self.scanned,
            finding_count: self.finding_count,
            findings: self.findings,
            note_count: self.note_count,
            notes: self.notes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_has_the_name_that_json_gives_it() {
        for kind in Kind::ALL {
            assert_eq!(serde_json::json!(kind), kind.name());
        }
    }

    #[test]
    fn beyond_the_bound_findings_are_counted_and_not_kept() {
        let mut reporter = Reporter::default();
        for n in 0..MAX_LISTED as u64 + 7 {
            reporter.add_entry(Kind::MissingEntry, "acme", n, "gone");
        }
        let report = reporter.into_report();
        assert_eq!((report.findings.len(), report.finding_count), (MAX_LISTED, MAX_LISTED as u64 + 7));
        assert!(!report.is_clean());
    }
}
