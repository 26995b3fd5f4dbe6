//! Statements as text known at build time, and their arguments.

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::{Query, QueryAs};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{FromRow, Postgres, Sqlite};

/// One statement for both databases: a single text, or a named pair where they truly differ.
#[derive(Debug, Clone, Copy)]
pub struct Sql {
    pub sqlite: &'static str,
    pub postgres: &'static str,
}

impl Sql {
    pub const fn both(text: &'static str) -> Self {
        Self { sqlite: text, postgres: text }
    }

    pub const fn pair(sqlite: &'static str, postgres: &'static str) -> Self {
        Self { sqlite, postgres }
    }
}

/// An argument of a statement. The schema knows two kinds of column: text and 64-bit integers.
#[derive(Debug, Clone, Copy)]
pub enum Arg<'a> {
    Text(&'a str),
    Int(i64),
    OptText(Option<&'a str>),
    OptInt(Option<i64>),
}

impl<'a> From<&'a str> for Arg<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for Arg<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Arg<'_> {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

/// A type that reads from a row of either database; `#[derive(sqlx::FromRow)]` gives it.
pub trait Row: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}
impl<T> Row for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

/// Whether a table changed: `count(*) AS rows` and `CAST(sum(version) AS BIGINT) AS versions`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct Fingerprint {
    pub rows: i64,
    pub versions: Option<i64>,
}

macro_rules! bind {
    ($query:expr, $args:expr) => {{
        let mut query = $query;
        for arg in $args {
            query = match *arg {
                Arg::Text(text) => query.bind(text.to_owned()),
                Arg::Int(value) => query.bind(value),
                Arg::OptText(text) => query.bind(text.map(str::to_owned)),
                Arg::OptInt(value) => query.bind(value),
            };
        }
        query
    }};
}

pub(crate) fn sqlite_rows<T: Row>(
    sql: &Sql,
    args: &[Arg<'_>],
) -> QueryAs<'static, Sqlite, T, SqliteArguments> {
    bind!(sqlx::query_as(sql.sqlite), args)
}

pub(crate) fn postgres_rows<T: Row>(
    sql: &Sql,
    args: &[Arg<'_>],
) -> QueryAs<'static, Postgres, T, PgArguments> {
    bind!(sqlx::query_as(sql.postgres), args)
}

pub(crate) fn sqlite_statement(sql: &Sql, args: &[Arg<'_>]) -> Query<'static, Sqlite, SqliteArguments> {
    bind!(sqlx::query(sql.sqlite), args)
}

pub(crate) fn postgres_statement(sql: &Sql, args: &[Arg<'_>]) -> Query<'static, Postgres, PgArguments> {
    bind!(sqlx::query(sql.postgres), args)
}
