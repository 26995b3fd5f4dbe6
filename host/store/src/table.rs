//! A table as the committer sees it: three statements, written by the macro from one list of columns.

use crate::sql::Sql;

/// Every table that units write has `id TEXT PRIMARY KEY` and `version BIGINT`, and otherwise columns of text and
/// 64-bit integers. A batch of rows goes into one statement as a JSON array.
///
/// On SQLite the rows are materialized, or each column would write its row's text again.
#[derive(Debug)]
pub struct Table {
    pub name: &'static str,
    /// The versions of the rows whose ids stand in `$1`; PostgreSQL locks them, in order of id, until the commit.
    pub versions: Sql,
    /// Inserts rows that are new.
    pub insert: Sql,
    /// Inserts the rows in `$1`, or replaces those that are one version behind.
    pub upsert: Sql,
    /// Removes the rows whose ids stand in `$1`.
    pub remove: Sql,
}

/// Declares a table: `table! { pub SECRETS = "secret" { tenant: text, created_at: bigint } }`.
///
/// `text` and `bigint` are the column types; `id` and `version` are there without being named.
#[macro_export]
macro_rules! table {
    ($(#[$doc:meta])* $vis:vis $name:ident = $table:literal { $($column:ident : $kind:ident),* $(,)? }) => {
        $(#[$doc])*
        $vis static $name: $crate::Table = $crate::Table {
            name: $table,
            versions: $crate::Sql::pair(
                concat!("SELECT id, version FROM ", $table, " WHERE id IN (SELECT value FROM json_each($1))"),
                concat!(
                    "SELECT id, version FROM ", $table,
                    " WHERE id = ANY(ARRAY(SELECT jsonb_array_elements_text($1::jsonb))) ORDER BY id FOR UPDATE"
                ),
            ),
            insert: $crate::Sql::pair(
                concat!(
                    "WITH r AS MATERIALIZED (SELECT value AS v FROM json_each($1)) ",
                    "INSERT INTO ", $table, " (id, version", $(", ", stringify!($column),)* ") ",
                    "SELECT v->>'id', v->>'version'", $(", v->>'", stringify!($column), "'",)* " FROM r"
                ),
                concat!(
                    "INSERT INTO ", $table, " (id, version", $(", ", stringify!($column),)* ") ",
                    "SELECT id, version", $(", ", stringify!($column),)*
                    " FROM jsonb_to_recordset($1::jsonb) AS r(id text, version bigint",
                    $(", ", stringify!($column), " ", stringify!($kind),)* ")"
                ),
            ),
            upsert: $crate::Sql::pair(
                concat!(
                    "WITH r AS MATERIALIZED (SELECT value AS v FROM json_each($1)) ",
                    "INSERT INTO ", $table, " AS t (id, version", $(", ", stringify!($column),)* ") ",
                    "SELECT v->>'id', v->>'version'", $(", v->>'", stringify!($column), "'",)* " FROM r WHERE true",
                    " ON CONFLICT (id) DO UPDATE SET version = excluded.version",
                    $(", ", stringify!($column), " = excluded.", stringify!($column),)*
                    " WHERE t.version = excluded.version - 1"
                ),
                concat!(
                    "INSERT INTO ", $table, " AS t (id, version", $(", ", stringify!($column),)* ") ",
                    "SELECT id, version", $(", ", stringify!($column),)*
                    " FROM jsonb_to_recordset($1::jsonb) AS r(id text, version bigint",
                    $(", ", stringify!($column), " ", stringify!($kind),)* ")",
                    " ON CONFLICT (id) DO UPDATE SET version = excluded.version",
                    $(", ", stringify!($column), " = excluded.", stringify!($column),)*
                    " WHERE t.version = excluded.version - 1"
                ),
            ),
            remove: $crate::Sql::pair(
                concat!("DELETE FROM ", $table, " WHERE id IN (SELECT value FROM json_each($1))"),
                concat!("DELETE FROM ", $table, " WHERE id = ANY(ARRAY(SELECT jsonb_array_elements_text($1::jsonb)))"),
            ),
        };
    };
}
