use bulla_base::{Alias, Subject, TenantId};
use bulla_store::{Db, Sql, StoreError, table};
use serde::Serialize;

use super::model::SecretInfo;
use crate::mirror::Mirrored;

table! {
    pub(super) SECRET = "secret" {
        tenant: text, alias: text, value_version: bigint, sealed: text,
        created_ms: bigint, updated_ms: bigint, updated_by: text, removed_ms: bigint,
    }
}

#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
pub(super) struct SecretRow {
    pub id: String,
    pub version: i64,
    pub tenant: String,
    pub alias: String,
    pub value_version: i64,
    /// Empty once removed.
    pub sealed: String,
    pub created_ms: i64,
    pub updated_ms: i64,
    pub updated_by: String,
    pub removed_ms: Option<i64>,
}

pub(super) fn id(tenant: &TenantId, alias: &Alias) -> String {
    format!("{tenant}/{alias}")
}

impl SecretRow {
    /// The one place where the sealed value opens.
    pub fn place(&self) -> String {
        format!("secret/{}/{}", self.id, self.value_version)
    }

    pub fn is_present(&self) -> bool {
        self.removed_ms.is_none()
    }

    pub fn info(&self) -> Result<SecretInfo, StoreError> {
        let corrupt = |error: bulla_base::ids::InvalidId| StoreError::Corrupt(error.to_string());
        Ok(SecretInfo {
            alias: Alias::new(&self.alias).map_err(corrupt)?,
            version: self.value_version,
            created_ms: self.created_ms,
            updated_ms: self.updated_ms,
            updated_by: Subject::new(&self.updated_by).map_err(corrupt)?,
        })
    }
}

impl Mirrored for SecretRow {
    type Row = Self;
    const FINGERPRINT: Sql =
        Sql::both("SELECT count(*) AS rows, CAST(sum(version) AS BIGINT) AS versions FROM secret");
    const ALL: Sql = Sql::both("SELECT * FROM secret");

    fn from_row(row: Self) -> Self {
        row
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn version(&self) -> i64 {
        self.version
    }
}

pub(super) async fn find(db: &Db, tenant: &TenantId, alias: &Alias) -> Result<Option<SecretRow>, StoreError> {
    let sql = Sql::both("SELECT * FROM secret WHERE tenant = $1 AND alias = $2");
    db.fetch_one(&sql, &[tenant.as_str().into(), alias.as_str().into()]).await
}

pub(super) async fn list(db: &Db, tenant: &TenantId) -> Result<Vec<SecretRow>, StoreError> {
    let sql = Sql::both("SELECT * FROM secret WHERE tenant = $1 AND removed_ms IS NULL ORDER BY alias");
    db.fetch(&sql, &[tenant.as_str().into()]).await
}
