use std::sync::OnceLock;

use bulla_base::{Alias, TenantId};
use bulla_store::{Db, Sql, StoreError, table};
use ed25519_dalek::{SigningKey, VerifyingKey};
use serde::Serialize;

use super::model::{ALGORITHM, KeyInfo, KeyVersion, public_key};
use crate::mirror::Mirrored;

table! {
    pub(super) TENANT_KEY = "tenant_key" {
        tenant: text, alias: text, versions: text, sealed: text, created_ms: bigint, updated_ms: bigint,
    }
}

#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
pub(super) struct KeyRow {
    pub id: String,
    pub version: i64,
    pub tenant: String,
    pub alias: String,
    /// JSON of [`KeyVersion`]s; the last one is current.
    pub versions: String,
    /// The seed of the current version.
    pub sealed: String,
    pub created_ms: i64,
    pub updated_ms: i64,
}

pub(super) fn id(tenant: &TenantId, alias: &Alias) -> String {
    format!("{tenant}/{alias}")
}

/// The one place where the seed of this version opens.
pub(super) fn place(id: &str, version: u32) -> String {
    format!("tenant_key/{id}/{version}")
}

impl KeyRow {
    pub fn versions(&self) -> Result<Vec<KeyVersion>, StoreError> {
        serde_json::from_str(&self.versions)
            .map_err(|error| StoreError::Corrupt(format!("versions of key `{}`: {error}", self.id)))
    }

    pub fn info(&self) -> Result<KeyInfo, StoreError> {
        let alias = Alias::new(&self.alias).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        Ok(KeyInfo { alias, algorithm: ALGORITHM, versions: self.versions()? })
    }
}

/// A key as calls use it: its public keys decoded, its private one opened at the first use and wiped with the entry.
pub(super) struct KeyEntry {
    pub row: KeyRow,
    pub versions: Vec<(KeyVersion, VerifyingKey)>,
    pub signing: OnceLock<SigningKey>,
}

impl KeyEntry {
    /// `None` where the row is damaged.
    pub fn current(&self) -> Option<&(KeyVersion, VerifyingKey)> {
        self.versions.last()
    }
}

impl Mirrored for KeyEntry {
    type Row = KeyRow;
    const FINGERPRINT: Sql =
        Sql::both("SELECT count(*) AS rows, CAST(sum(version) AS BIGINT) AS versions FROM tenant_key");
    const ALL: Sql = Sql::both("SELECT * FROM tenant_key");

    /// A damaged row must not take the keys of others with it: it is kept without versions, and every use of it fails.
    fn from_row(row: KeyRow) -> Self {
        let decode = |version: KeyVersion| public_key(&version.public_key).map(|key| (version, key));
        let versions: Option<Vec<_>> =
            row.versions().ok().and_then(|versions| versions.into_iter().map(decode).collect());
        if versions.is_none() {
            tracing::error!(key = %row.id, "a key's row does not read");
        }
        Self { row, versions: versions.unwrap_or_default(), signing: OnceLock::new() }
    }

    fn id(&self) -> &str {
        &self.row.id
    }

    fn version(&self) -> i64 {
        self.row.version
    }
}

pub(super) async fn find(db: &Db, tenant: &TenantId, alias: &Alias) -> Result<Option<KeyRow>, StoreError> {
    let sql = Sql::both("SELECT * FROM tenant_key WHERE tenant = $1 AND alias = $2");
    db.fetch_one(&sql, &[tenant.as_str().into(), alias.as_str().into()]).await
}

pub(super) async fn list(db: &Db, tenant: &TenantId) -> Result<Vec<KeyRow>, StoreError> {
    let sql = Sql::both("SELECT * FROM tenant_key WHERE tenant = $1 ORDER BY alias");
    db.fetch(&sql, &[tenant.as_str().into()]).await
}
