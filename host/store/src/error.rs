//! What can go wrong between a room and its rows.

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
    #[error("cannot open `{path}`: {reason}")]
    Open { path: String, reason: String },
    #[error("`{path}` is used by another server (process {holder})")]
    Locked { path: String, holder: String },
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
            Self::Locked { .. } => codes::STORE_LOCKED,
            Self::Open { .. } | Self::Migration { .. } | Self::Contended(_) | Self::Unavailable(_) => {
                codes::UNAVAILABLE
            }
        }
    }

    fn public(&self) -> String {
        match self {
            Self::Conflict { .. } => "another change came first".into(),
            Self::Locked { .. } => self.to_string(),
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
            // SQLITE_CORRUPT (11) and SQLITE_NOTADB (26): https://www.sqlite.org/rescode.html
            sqlx::Error::Database(inner) if matches!(inner.code().as_deref(), Some("11" | "26")) => {
                Self::Corrupt(error.to_string())
            }
            sqlx::Error::Database(inner) if inner.code().as_deref().is_some_and(is_contention) => {
                Self::Contended(error.to_string())
            }
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

/// SQLite's BUSY (5) and LOCKED (6) with their extended forms, https://www.sqlite.org/rescode.html; PostgreSQL's
/// serialization failure and deadlock, https://www.postgresql.org/docs/current/errcodes-appendix.html.
fn is_contention(code: &str) -> bool {
    match code.parse::<u32>() {
        Ok(sqlite) if code.len() < 5 => matches!(sqlite & 0xff, 5 | 6),
        _ => matches!(code, "40001" | "40P01"),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn contention_is_told_from_other_refusals() {
        for code in ["5", "6", "261", "517", "773", "262", "40001", "40P01"] {
            assert!(super::is_contention(code), "{code}");
        }
        for code in ["1", "11", "13", "1555", "2067", "23505", "53300", "57P01"] {
            assert!(!super::is_contention(code), "{code}");
        }
    }
}
