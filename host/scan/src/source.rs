//! The database that is looked at: one connection, one snapshot, nothing written.

use std::str::FromStr as _;

use futures::TryStreamExt as _;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{ConnectOptions as _, Connection as _, FromRow};

use crate::ledger::{Fact, Ledger};
use crate::{ScanError, Target};

/// Rows that the driver reads ahead.
const READ_AHEAD: usize = 16;

/// A row of either database.
pub(crate) trait Row:
    for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{
}
impl<T> Row for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

pub(crate) enum Source {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// Runs a query on whichever database it is.
macro_rules! on {
    ($source:expr, $query:expr, $args:expr, |$bound:ident, $connection:ident| $run:expr) => {
        match $source {
            Source::Sqlite($connection) => {
                let $bound =
                    $args.iter().fold(sqlx::query_as($query), |query, arg| query.bind((*arg).to_owned()));
                $run
            }
            Source::Postgres($connection) => {
                let $bound =
                    $args.iter().fold(sqlx::query_as($query), |query, arg| query.bind((*arg).to_owned()));
                $run
            }
        }
    };
}

impl Source {
    pub async fn open(target: &Target) -> Result<Self, ScanError> {
        match target {
            Target::Sqlite(path) => {
                let refused = |error: sqlx::Error| match ScanError::reading(error) {
                    ScanError::Read(reason) => ScanError::Open { path: path.display().to_string(), reason },
                    other => other,
                };
                crate::file::is_whole(path)?;
                let options =
                    SqliteConnectOptions::new().filename(path).read_only(true).row_buffer_size(READ_AHEAD);
                let mut connection = options.connect().await.map_err(refused)?;
                sqlx::query("BEGIN").execute(&mut connection).await.map_err(refused)?;
                Ok(Self::Sqlite(connection))
            }
            Target::Postgres(url) => {
                // The URL may hold a password.
                let refused = |error: sqlx::Error| ScanError::Open {
                    path: "postgres".into(),
                    reason: error.to_string(),
                };
                let options =
                    PgConnectOptions::from_str(url).map_err(refused)?.application_name("bulla-scan");
                let mut connection = options.connect().await.map_err(refused)?;
                let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
                sqlx::query(begin).execute(&mut connection).await.map_err(refused)?;
                Ok(Self::Postgres(connection))
            }
        }
    }

    pub fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// A short answer.
    pub async fn page<T: Row>(&mut self, sql: &'static str, args: &[&str]) -> Result<Vec<T>, ScanError> {
        on!(self, sql, args, |query, connection| query.fetch_all(connection).await)
            .map_err(ScanError::reading)
    }

    /// A long answer, row by row. What each row says goes into the ledger.
    pub async fn each<T: Row>(
        &mut self,
        sql: &'static str,
        ledger: &mut Ledger,
        mut read: impl FnMut(T, &mut Vec<Fact>),
    ) -> Result<(), ScanError> {
        let none: [&str; 0] = [];
        let mut facts = Vec::new();
        on!(self, sql, none, |query, connection| {
            let mut rows = query.fetch(connection);
            while let Some(row) = rows.try_next().await.map_err(ScanError::reading)? {
                read(row, &mut facts);
                ledger.take(&mut facts).await?;
            }
        });
        ledger.write(&mut facts).await
    }

    /// What was read is answered already: an error in ending says nothing about it.
    pub async fn close(self) {
        let _ended = match self {
            Self::Sqlite(connection) => connection.close().await,
            Self::Postgres(connection) => connection.close().await,
        };
    }
}
