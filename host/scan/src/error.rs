use bulla_base::{Code, Coded, codes};

/// Why a database could not be scanned.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    #[error("cannot open `{path}`: {reason}")]
    Open { path: String, reason: String },
    /// The file or a page of it is not what SQLite wrote, or a column is of another type than the migrations say.
    #[error("the database holds something that cannot be: {0}")]
    Corrupt(String),
    #[error("the database cannot be read: {0}")]
    Read(String),
    /// The scan's own temporary file.
    #[error("the scan's ledger cannot be kept: {0}")]
    Ledger(String),
}

impl Coded for ScanError {
    fn code(&self) -> Code {
        match self {
            Self::Corrupt(_) => codes::STORE_CORRUPT,
            Self::Open { .. } | Self::Read(_) | Self::Ledger(_) => codes::UNAVAILABLE,
        }
    }
}

impl ScanError {
    pub(crate) fn reading(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::ColumnNotFound(_) => {
                Self::Corrupt(error.to_string())
            }
            // SQLITE_CORRUPT (11) with its extended forms, and SQLITE_NOTADB (26): https://www.sqlite.org/rescode.html
            sqlx::Error::Database(inner) if inner.code().as_deref().is_some_and(is_corrupt) => {
                Self::Corrupt(error.to_string())
            }
            _ => Self::Read(error.to_string()),
        }
    }

    pub(crate) fn ledger(error: sqlx::Error) -> Self {
        Self::Ledger(error.to_string())
    }
}

/// SQLite's codes have up to four digits, PostgreSQL's five.
fn is_corrupt(code: &str) -> bool {
    code.len() < 5 && code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 11 | 26))
}
