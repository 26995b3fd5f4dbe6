//! What can go wrong between a room and its rows.

use std::io;
use std::path::Path;

use bulla_base::{Code, Coded, codes};

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A precondition no longer holds: another unit changed the row first. Nothing of this unit was written.
    #[error("`{id}` in `{table}` was changed by another call")]
    Conflict { table: &'static str, id: String },
    /// A unit with writes and no journal entry: a mistake of the host, refused before it reaches the database.
    #[error("a change of `{table}` has no audit entry")]
    Unaudited { table: &'static str },
    #[error("the database holds something that cannot be: {0}")]
    Corrupt(String),
    /// Nothing more can be written until there is room again. Reading goes on.
    #[error("there is no room left for the database: {0}")]
    Full(String),
    /// The directory or the file belongs to somebody else, or its file system is mounted for reading only.
    #[error("the database cannot be written: {0}")]
    Unwritable(String),
    #[error("cannot open `{path}`: {reason}")]
    Open { path: String, reason: String },
    #[error("`{path}` is used by another server (process {holder})")]
    Locked { path: String, holder: String },
    /// The database does not keep what it says is committed, though it is to.
    #[error(
        "PostgreSQL runs with `{setting} = off`, so that a power cut loses acknowledged calls; turn it on, or set `store.durability = \"relaxed\"`"
    )]
    NotDurable { setting: &'static str },
    #[error("migration {version} cannot be applied: {reason}")]
    Migration { version: i64, reason: String },
    /// Another transaction stood in the way (a deadlock, a busy file): nothing was written, and the same again may succeed.
    #[error("the database is contended: {0}")]
    Contended(String),
    /// The database does not answer, or refused for a reason that may pass.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
}

impl Coded for StoreError {
    fn code(&self) -> Code {
        match self {
            Self::Conflict { .. } => codes::CONFLICT,
            Self::Unaudited { .. } => codes::INTERNAL,
            Self::Corrupt(_) => codes::STORE_CORRUPT,
            Self::NotDurable { .. } => codes::STORE_NOT_DURABLE,
            Self::Full(_) => codes::STORE_FULL,
            Self::Unwritable(_) => codes::STORE_UNWRITABLE,
            Self::Locked { .. } => codes::STORE_LOCKED,
            Self::Open { .. } | Self::Migration { .. } | Self::Contended(_) | Self::Unavailable(_) => {
                codes::UNAVAILABLE
            }
        }
    }

    fn public(&self) -> String {
        match self {
            Self::Conflict { .. } => "another change came first".into(),
            // Told at a start, to whoever starts.
            Self::Locked { .. } | Self::Open { .. } | Self::NotDurable { .. } => self.to_string(),
            other => other.code().title.into(),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::ColumnNotFound(_) => {
                Self::Corrupt(error.to_string())
            }
            sqlx::Error::Database(inner) => {
                let kind = inner.code().as_deref().map_or(Self::Unavailable as fn(String) -> Self, kind);
                kind(error.to_string())
            }
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

impl StoreError {
    /// What stops every write until somebody or something outside has changed: it is no matter of the one unit, so the same
    /// unit alone would fare no better.
    pub fn stops_all(&self) -> bool {
        matches!(self, Self::Corrupt(_) | Self::Full(_) | Self::Unwritable(_))
    }

    /// The same for another one that waited for what broke: its kind where the kind stops all, else only that it did not work.
    pub fn for_another_unit(&self) -> Self {
        match self {
            Self::Corrupt(text) => Self::Corrupt(text.clone()),
            Self::Full(text) => Self::Full(text.clone()),
            Self::Unwritable(text) => Self::Unwritable(text.clone()),
            other => Self::Unavailable(other.to_string()),
        }
    }

    /// An error of a file that could not be opened or written, by what its caller can do about it.
    pub(crate) fn of_file(path: &Path, error: &io::Error) -> Self {
        let (path, reason) = (path.display().to_string(), error.to_string());
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full(format!("`{path}`: {reason}"))
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::Unwritable(format!("`{path}`: {reason}"))
            }
            _ => Self::Open { path, reason },
        }
    }
}

/// SQLite's result codes with their extended forms, <https://www.sqlite.org/rescode.html>: BUSY (5) and LOCKED (6), READONLY (8),
/// CORRUPT (11) and NOTADB (26), FULL (13). PostgreSQL's SQLSTATE, which has five characters,
/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>: serialization failure, deadlock and a lock that was not to be had, a read-only transaction,
/// a full disk, data or an index that is corrupted.
fn kind(code: &str) -> fn(String) -> StoreError {
    match code.parse::<u32>() {
        Ok(sqlite) if code.len() < 5 => match sqlite & 0xff {
            5 | 6 => StoreError::Contended,
            8 => StoreError::Unwritable,
            11 | 26 => StoreError::Corrupt,
            13 => StoreError::Full,
            // IOERR_SHMSIZE: the index of the log could not grow, for want of room.
            _ if sqlite == 4_874 => StoreError::Full,
            _ => StoreError::Unavailable,
        },
        _ => match code {
            "40001" | "40P01" | "55P03" => StoreError::Contended,
            "25006" => StoreError::Unwritable,
            "53100" => StoreError::Full,
            "XX001" | "XX002" => StoreError::Corrupt,
            _ => StoreError::Unavailable,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_of_a_database_is_told_from_the_others() {
        for (codes, name) in [
            (["5", "6", "261", "517", "773", "262", "40001", "40P01", "55P03"].as_slice(), "unavailable"),
            (&["1", "10", "778", "1555", "2067", "23505", "53300", "57P01"], "unavailable"),
            (&["11", "267", "523", "779", "26", "XX001", "XX002"], "store-corrupt"),
            (&["13", "4874", "53100"], "store-full"),
            (&["8", "264", "776", "1032", "25006"], "store-unwritable"),
        ] {
            for code in codes {
                assert_eq!(kind(code)(String::new()).code().name, name, "{code}");
            }
        }
        assert!(matches!(kind("517")(String::new()), StoreError::Contended(_)));
        assert!(matches!(kind("40P01")(String::new()), StoreError::Contended(_)));
        assert!(matches!(kind("778")(String::new()), StoreError::Unavailable(_)));
    }

    #[test]
    fn a_file_that_cannot_be_written_says_why() {
        let of = |kind: io::ErrorKind| StoreError::of_file(Path::new("x"), &kind.into()).code().name;
        assert_eq!(of(io::ErrorKind::StorageFull), "store-full");
        assert_eq!(of(io::ErrorKind::ReadOnlyFilesystem), "store-unwritable");
        assert_eq!(of(io::ErrorKind::PermissionDenied), "store-unwritable");
        assert_eq!(of(io::ErrorKind::NotFound), "unavailable");
    }

    /// Who starts the host is told all of it; a caller is not told what a database says, which names tables and rows.
    #[test]
    fn what_the_database_says_is_told_to_nobody_but_who_starts_the_host() {
        const INSIDE: &str = "x7-inside";
        let (text, table) = (|| INSIDE.to_owned(), INSIDE);
        let all = [
            StoreError::Conflict { table, id: text() },
            StoreError::Unaudited { table },
            StoreError::Corrupt(text()),
            StoreError::Full(text()),
            StoreError::Unwritable(text()),
            StoreError::Open { path: text(), reason: text() },
            StoreError::Locked { path: text(), holder: text() },
            StoreError::NotDurable { setting: INSIDE },
            StoreError::Migration { version: 7, reason: text() },
            StoreError::Contended(text()),
            StoreError::Unavailable(text()),
        ];
        for error in all {
            // Without a wildcard: a new variant must be put on one side, and into the list.
            let at_a_start = match &error {
                StoreError::Open { .. } | StoreError::Locked { .. } | StoreError::NotDurable { .. } => true,
                StoreError::Conflict { .. }
                | StoreError::Unaudited { .. }
                | StoreError::Corrupt(_)
                | StoreError::Full(_)
                | StoreError::Unwritable(_)
                | StoreError::Migration { .. }
                | StoreError::Contended(_)
                | StoreError::Unavailable(_) => false,
            };
            assert!(error.to_string().contains(INSIDE), "{error}");
            assert_eq!(error.public().contains(INSIDE), at_a_start, "{error:?}");
        }
    }
}
