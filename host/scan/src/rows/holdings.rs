//! Tables whose rows only operators and the host itself change: each change raises the version and has its entry.

use serde::Deserialize;

use super::Desk;
use crate::ScanError;
use crate::ledger::{Fact, Mark, Topic};
use crate::report::Kind;

const SYSTEM: &str = "system";

#[derive(sqlx::FromRow)]
struct SecretRow {
    id: String,
    version: i64,
    tenant: String,
    alias: String,
    value_version: i64,
}

#[derive(sqlx::FromRow)]
struct KeyRow {
    id: String,
    version: i64,
    tenant: String,
    alias: String,
    versions: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct KeyVersion {
    public_key: String,
}

#[derive(sqlx::FromRow)]
struct CheckpointKeyRow {
    id: String,
    generation: i64,
    public_key: String,
}

#[derive(sqlx::FromRow)]
struct TokenRow {
    id: String,
    version: i64,
    tenant: String,
    revoked_ms: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct VersionedRow {
    id: String,
    version: i64,
}

#[derive(sqlx::FromRow)]
struct MigrationRow {
    version: i64,
    checksum: String,
}

pub(super) async fn all(desk: &mut Desk<'_>) -> Result<(), ScanError> {
    secrets(desk).await?;
    keys(desk).await?;
    checkpoint_keys(desk).await?;
    tokens(desk).await?;
    versioned(desk).await?;
    migrations(desk).await
}

async fn secrets(desk: &mut Desk<'_>) -> Result<(), ScanError> {
    const ALL: &str = "SELECT id, version, tenant, alias, value_version FROM secret ORDER BY id";
    let reporter = &mut *desk.reporter;
    let read = |row: SecretRow, facts: &mut Vec<Fact>| {
        reporter.count_row("secret");
        for (topic, weight) in [(Topic::Secret, row.version), (Topic::SecretValue, row.value_version)] {
            facts.push(Fact::new(topic, &row.tenant, &[&row.alias], Mark::Row, &row.id).weight(weight));
        }
    };
    desk.source.each(ALL, desk.ledger, read).await
}

async fn keys(desk: &mut Desk<'_>) -> Result<(), ScanError> {
    const ALL: &str = "SELECT id, version, tenant, alias, versions FROM tenant_key ORDER BY id";
    let reporter = &mut *desk.reporter;
    let read = |row: KeyRow, facts: &mut Vec<Fact>| {
        reporter.count_row("tenant_key");
        let own = Fact::new(Topic::TenantKey, &row.tenant, &[&row.alias], Mark::Row, &row.id);
        facts.push(own.weight(row.version));
        let Ok(versions) = serde_json::from_str::<Vec<KeyVersion>>(&row.versions) else {
            reporter.add(Kind::Malformed, "tenant_key", &row.id, "its versions cannot be read");
            return;
        };
        for KeyVersion { public_key } in versions {
            let key = [row.alias.as_str(), &public_key];
            facts.push(Fact::new(Topic::PublicKey, &row.tenant, &key, Mark::Row, &row.id));
        }
    };
    desk.source.each(ALL, desk.ledger, read).await
}

async fn checkpoint_keys(desk: &mut Desk<'_>) -> Result<(), ScanError> {
    const ALL: &str = "SELECT id, generation, public_key FROM audit_key ORDER BY id";
    let reporter = &mut *desk.reporter;
    let read = |row: CheckpointKeyRow, facts: &mut Vec<Fact>| {
        reporter.count_row("audit_key");
        let key = [row.generation.to_string(), row.public_key];
        facts.push(Fact::new(Topic::CheckpointKey, SYSTEM, &[&key[0], &key[1]], Mark::Row, &row.id));
    };
    desk.source.each(ALL, desk.ledger, read).await
}

async fn tokens(desk: &mut Desk<'_>) -> Result<(), ScanError> {
    const ALL: &str = "SELECT id, version, tenant, revoked_ms FROM token ORDER BY id";
    let reporter = &mut *desk.reporter;
    let read = |row: TokenRow, facts: &mut Vec<Fact>| {
        reporter.count_row("token");
        facts.push(Fact::new(Topic::Token, &row.tenant, &[&row.id], Mark::Row, &row.id).weight(row.version));
        if row.revoked_ms.is_some() {
            facts.push(Fact::new(Topic::RevokedToken, &row.tenant, &[&row.id], Mark::Row, &row.id));
        }
    };
    desk.source.each(ALL, desk.ledger, read).await
}

/// Where a row's id and version say all that there is to compare.
async fn versioned(desk: &mut Desk<'_>) -> Result<(), ScanError> {
    const TENANTS: &str = "SELECT id, version FROM tenant ORDER BY id";
    const TRUST: &str = "SELECT id, version FROM trust_key ORDER BY id";
    // Each flush raises the version of every row that it touches, and its entry says how many they were.
    const USAGE: &str =
        "SELECT 'usage' AS id, CAST(COALESCE(SUM(version), 0) AS BIGINT) AS version FROM usage_counter";
    for (table, sql, topic) in [
        ("tenant", TENANTS, Topic::Tenant),
        ("trust_key", TRUST, Topic::TrustedKey),
        ("usage_counter", USAGE, Topic::Usage),
    ] {
        let reporter = &mut *desk.reporter;
        let read = |row: VersionedRow, facts: &mut Vec<Fact>| {
            if topic != Topic::Usage {
                reporter.count_row(table);
            }
            facts.push(Fact::new(topic, SYSTEM, &[&row.id], Mark::Row, &row.id).weight(row.version));
        };
        desk.source.each(sql, desk.ledger, read).await?;
    }
    Ok(())
}

async fn migrations(desk: &mut Desk<'_>) -> Result<(), ScanError> {
    const SQLITE: &str =
        "SELECT version, lower(hex(checksum)) AS checksum FROM _sqlx_migrations ORDER BY version";
    const POSTGRES: &str =
        "SELECT version, encode(checksum, 'hex') AS checksum FROM _sqlx_migrations ORDER BY version";
    let sql = if desk.source.is_postgres() { POSTGRES } else { SQLITE };
    let reporter = &mut *desk.reporter;
    let read = |row: MigrationRow, facts: &mut Vec<Fact>| {
        reporter.count_row("_sqlx_migrations");
        let version = row.version.to_string();
        facts.push(Fact::new(Topic::Migration, SYSTEM, &[&version, &row.checksum], Mark::Row, &version));
    };
    desk.source.each(sql, desk.ledger, read).await
}
