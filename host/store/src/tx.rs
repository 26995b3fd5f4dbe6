//! A transaction of either database.

use crate::error::StoreError;
use crate::sql::{Arg, Row, Sql, postgres_rows, postgres_statement, sqlite_rows, sqlite_statement};

/// The open transaction of a commit. Rooms see it only as an argument.
pub enum Tx<'a> {
    Sqlite(&'a mut sqlx::SqliteConnection),
    Postgres(&'a mut sqlx::PgConnection),
}

impl Tx<'_> {
    pub async fn fetch<T: Row>(&mut self, sql: &Sql, args: &[Arg<'_>]) -> Result<Vec<T>, StoreError> {
        Ok(match self {
            Self::Sqlite(conn) => sqlite_rows(sql, args).fetch_all(&mut **conn).await?,
            Self::Postgres(conn) => postgres_rows(sql, args).fetch_all(&mut **conn).await?,
        })
    }

    /// Runs a statement and says how many rows it touched.
    pub async fn execute(&mut self, sql: &Sql, args: &[Arg<'_>]) -> Result<u64, StoreError> {
        Ok(match self {
            Self::Sqlite(conn) => sqlite_statement(sql, args).execute(&mut **conn).await?.rows_affected(),
            Self::Postgres(conn) => postgres_statement(sql, args).execute(&mut **conn).await?.rows_affected(),
        })
    }

    pub fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }
}
