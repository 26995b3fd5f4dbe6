use bulla_base::{Role, Subject, TenantId};
use bulla_store::{Db, Sql, StoreError};
use serde::Serialize;

use super::model::{Token, TokenHash, TokenId};
use crate::origin::SYSTEM_LOG;

bulla_store::table! {
    pub(super) TOKENS = "token" {
        tenant: text, subject: text, roles: text, hash: text, hint: text,
        created_by: text, created_ms: bigint, expires_ms: bigint, revoked_ms: bigint,
    }
}

#[derive(Clone, Serialize, sqlx::FromRow)]
pub(super) struct TokenRow {
    pub id: String,
    pub version: i64,
    /// `system` for an operator's token.
    pub tenant: String,
    pub subject: String,
    /// A JSON array.
    pub roles: String,
    /// In hex.
    pub hash: String,
    pub hint: String,
    pub created_by: String,
    pub created_ms: i64,
    pub expires_ms: Option<i64>,
    pub revoked_ms: Option<i64>,
}

/// Tells one state of the table from any other: rows are never removed, and each change raises a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub(super) struct Mark {
    pub row_count: i64,
    pub version_sum: i64,
}

pub(super) async fn mark(db: &Db) -> Result<Mark, StoreError> {
    const MARK: Sql = Sql::both(
        "SELECT COUNT(*) AS row_count, CAST(COALESCE(SUM(version), 0) AS BIGINT) AS version_sum FROM token",
    );
    db.fetch_one(&MARK, &[]).await?.ok_or_else(|| StoreError::Corrupt("a count without a row".into()))
}

pub(super) async fn all(db: &Db) -> Result<Vec<TokenRow>, StoreError> {
    const ALL: Sql = Sql::both(
        "SELECT id, version, tenant, subject, roles, hash, hint, created_by, created_ms, expires_ms, revoked_ms FROM token",
    );
    db.fetch(&ALL, &[]).await
}

/// The token, if it belongs to this tenant (`None`: to the operators).
pub(super) async fn one(
    db: &Db,
    tenant: Option<&TenantId>,
    id: &TokenId,
) -> Result<Option<TokenRow>, StoreError> {
    const ONE: Sql = Sql::both(
        "SELECT id, version, tenant, subject, roles, hash, hint, created_by, created_ms, expires_ms, revoked_ms \
         FROM token WHERE tenant = $1 AND id = $2",
    );
    db.fetch_one(&ONE, &[column(tenant).into(), id.as_str().into()]).await
}

fn column(tenant: Option<&TenantId>) -> &str {
    tenant.map_or(SYSTEM_LOG, TenantId::as_str)
}

impl TokenRow {
    pub fn new(token: &Token, hash: TokenHash) -> Self {
        Self {
            id: token.id.to_string(),
            version: 1,
            tenant: column(token.tenant.as_ref()).to_owned(),
            subject: token.subject.to_string(),
            roles: serde_json::Value::from(token.roles.iter().map(Role::as_str).collect::<Vec<_>>())
                .to_string(),
            hash: hash.to_hex(),
            hint: token.hint.clone(),
            created_by: token.created_by.clone(),
            created_ms: token.created_ms,
            expires_ms: token.expires_ms,
            revoked_ms: token.revoked_ms,
        }
    }

    pub fn token(&self) -> Result<(TokenHash, Token), StoreError> {
        let corrupt = |what: String| StoreError::Corrupt(format!("token `{}`: {what}", self.id));
        let mut hash = [0u8; 32];
        hex::decode_to_slice(&self.hash, &mut hash).map_err(|error| corrupt(error.to_string()))?;
        let token = Token {
            id: TokenId::new(&self.id).map_err(|error| corrupt(error.to_string()))?,
            subject: Subject::new(&self.subject).map_err(|error| corrupt(error.to_string()))?,
            tenant: match self.tenant.as_str() {
                SYSTEM_LOG => None,
                tenant => Some(TenantId::new(tenant).map_err(|error| corrupt(error.to_string()))?),
            },
            roles: serde_json::from_str(&self.roles).map_err(|error| corrupt(error.to_string()))?,
            hint: self.hint.clone(),
            created_by: self.created_by.clone(),
            created_ms: self.created_ms,
            expires_ms: self.expires_ms,
            revoked_ms: self.revoked_ms,
        };
        Ok((TokenHash(hash), token))
    }
}
