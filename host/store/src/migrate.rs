//! Forward-only migrations, one folder per database, each applied in a transaction and recorded with its checksum.
//! A file whose checksum changed after it was applied is refused.

use sqlx::migrate::{MigrateError, Migrator};

use crate::db::{Db, Pool};
use crate::error::StoreError;

static SQLITE: Migrator = sqlx::migrate!("./migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("./migrations/postgres");

/// A migration that the database has, for the `system` audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedMigration {
    pub version: i64,
    pub name: String,
    /// SHA-384 of the file, in hex.
    pub checksum: String,
}

/// Brings the schema up to date and says which migrations it has now: all of this build. On PostgreSQL an advisory lock keeps
/// other nodes waiting.
pub async fn apply(db: &Db) -> Result<Vec<AppliedMigration>, StoreError> {
    let migrator = match &db.pool {
        Pool::Sqlite { writer, .. } => {
            SQLITE.run(writer).await.map_err(refused)?;
            &SQLITE
        }
        Pool::Postgres(server) => {
            let patient = server.patient().await?;
            let applied = POSTGRES.run(&patient).await;
            patient.close().await;
            applied.map_err(refused)?;
            &POSTGRES
        }
    };
    Ok(migrator
        .iter()
        .map(|migration| AppliedMigration {
            version: migration.version,
            name: migration.description.to_string(),
            checksum: migration.checksum.iter().map(|byte| format!("{byte:02x}")).collect(),
        })
        .collect())
}

fn refused(error: MigrateError) -> StoreError {
    let reason = error.to_string();
    let (version, inner) = match error {
        MigrateError::VersionMismatch(version)
        | MigrateError::VersionMissing(version)
        | MigrateError::Dirty(version) => (version, None),
        MigrateError::ExecuteMigration(inner, version) => (version, Some(inner)),
        MigrateError::Execute(inner) => (0, Some(inner)),
        _ => (0, None),
    };
    match inner.map(StoreError::from) {
        Some(error) if error.stops_all() => error,
        _ => StoreError::Migration { version, reason },
    }
}
