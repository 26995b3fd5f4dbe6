//! Does a PostgreSQL server keep what it says is committed?

use sqlx::postgres::PgPool;

use crate::error::StoreError;

/// What makes a commit survive a power cut, <https://www.postgresql.org/docs/current/runtime-config-wal.html>; as this
/// connection has it.
const SETTINGS: &str = "SELECT current_setting('fsync'), current_setting('full_page_writes'), \
                        current_setting('synchronous_commit')";

/// Refuses a server that would forget acknowledged commits.
pub(crate) async fn must_hold(pool: &PgPool) -> Result<(), StoreError> {
    let (fsync, pages, commit): (String, String, String) = sqlx::query_as(SETTINGS).fetch_one(pool).await?;
    let settings = [("fsync", fsync), ("full_page_writes", pages), ("synchronous_commit", commit)];
    match settings.into_iter().find(|(_, value)| value == "off") {
        Some((setting, _)) => Err(StoreError::NotDurable { setting }),
        None => Ok(()),
    }
}
