use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bulla_base::{AddonName, TenantId};
use bulla_store::{Db, Expect, Sql, StoreError, Unit};
use serde::Serialize;

use super::error::AddonError;
use super::model::{PackageRecord, VersionRecord};
use crate::grants::Grants;

bulla_store::table! {
    PACKAGES = "addon_package" {
        name: text, semver: text, size: bigint, component_digest: text, publisher: text, asked: text,
        stored_ms: bigint,
    }
}

bulla_store::table! {
    PARTS = "addon_part" { digest: text, part: bigint, bytes: text }
}

bulla_store::table! {
    pub(super) INSTALLS = "addon_install" {
        tenant: text, addon: text, digest: text, previous: text, enabled: bigint, grants: text, installed_by: text,
        installed_ms: bigint, removed_ms: bigint,
    }
}

bulla_store::table! {
    pub(super) VERSIONS = "addon_version" {
        tenant: text, addon: text, semver: text, digest: text, installed_by: text, installed_ms: bigint,
    }
}

/// How many bytes of a package lie in one row: 256 KiB of Base64. What a connection of SQLite had in hand once, it keeps room for.
const PART_BYTES: usize = 192 << 10;

#[derive(Serialize)]
struct NewPackageRow {
    name: String,
    semver: String,
    size: i64,
    component_digest: String,
    publisher: String,
    /// [`Grants`] as JSON.
    asked: String,
    stored_ms: i64,
}

#[derive(Serialize)]
struct NewPartRow<'a> {
    digest: &'a str,
    part: usize,
    /// Base64 (RFC 4648, section 4).
    bytes: String,
}

/// An installation with what its package says. Only the columns of `addon_install` are written back.
#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
pub(super) struct InstallRow {
    pub id: String,
    pub version: i64,
    pub tenant: String,
    pub addon: String,
    pub digest: String,
    pub previous: Option<String>,
    pub enabled: i64,
    /// The operator's [`Grants`] as JSON.
    pub grants: String,
    pub installed_by: String,
    pub installed_ms: i64,
    pub removed_ms: Option<i64>,
    #[serde(skip)]
    pub semver: String,
    #[serde(skip)]
    pub component_digest: String,
    #[serde(skip)]
    pub publisher: String,
    #[serde(skip)]
    pub asked: String,
}

#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
pub(super) struct VersionRow {
    pub semver: String,
    pub digest: String,
    pub installed_by: String,
    pub installed_ms: i64,
}

/// Tells one state of the installations from any other: rows are never deleted, and each change raises a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub(super) struct Mark {
    pub version_sum: i64,
}

#[derive(sqlx::FromRow)]
struct SizeRow {
    size: i64,
}

#[derive(sqlx::FromRow)]
struct BytesRow {
    bytes: String,
}

#[derive(sqlx::FromRow)]
struct CountRow {
    count: i64,
}

pub(super) async fn mark(db: &Db) -> Result<Mark, StoreError> {
    const MARK: Sql =
        Sql::both("SELECT CAST(COALESCE(SUM(version), 0) AS BIGINT) AS version_sum FROM addon_install");
    db.fetch_one(&MARK, &[]).await?.ok_or_else(|| StoreError::Corrupt("a sum without a row".into()))
}

/// Also the removed ones.
pub(super) async fn all(db: &Db) -> Result<Vec<InstallRow>, StoreError> {
    const ALL: Sql = Sql::both(
        "SELECT i.id, i.version, i.tenant, i.addon, i.digest, i.previous, i.enabled, i.grants, i.installed_by, \
         i.installed_ms, i.removed_ms, p.semver, p.component_digest, p.publisher, p.asked \
         FROM addon_install i JOIN addon_package p ON p.id = i.digest ORDER BY i.id",
    );
    db.fetch(&ALL, &[]).await
}

/// Also a removed one.
pub(super) async fn one(
    db: &Db,
    tenant: &TenantId,
    addon: &AddonName,
) -> Result<Option<InstallRow>, StoreError> {
    const ONE: Sql = Sql::both(
        "SELECT i.id, i.version, i.tenant, i.addon, i.digest, i.previous, i.enabled, i.grants, i.installed_by, \
         i.installed_ms, i.removed_ms, p.semver, p.component_digest, p.publisher, p.asked \
         FROM addon_install i JOIN addon_package p ON p.id = i.digest WHERE i.tenant = $1 AND i.addon = $2",
    );
    db.fetch_one(&ONE, &[tenant.as_str().into(), addon.as_str().into()]).await
}

pub(super) async fn version(
    db: &Db,
    tenant: &TenantId,
    addon: &AddonName,
    semver: &str,
) -> Result<Option<VersionRow>, StoreError> {
    const VERSION: Sql = Sql::both(
        "SELECT semver, digest, installed_by, installed_ms FROM addon_version \
         WHERE tenant = $1 AND addon = $2 AND semver = $3",
    );
    db.fetch_one(&VERSION, &[tenant.as_str().into(), addon.as_str().into(), semver.into()]).await
}

pub(super) async fn versions(
    db: &Db,
    tenant: &TenantId,
    addon: &AddonName,
) -> Result<Vec<VersionRecord>, StoreError> {
    const VERSIONS_OF: Sql = Sql::both(
        "SELECT semver, digest, installed_by, installed_ms FROM addon_version \
         WHERE tenant = $1 AND addon = $2 ORDER BY installed_ms, id",
    );
    let rows = db.fetch::<VersionRow>(&VERSIONS_OF, &[tenant.as_str().into(), addon.as_str().into()]).await?;
    Ok(rows
        .into_iter()
        .map(|row| VersionRecord {
            version: row.semver,
            digest: row.digest,
            installed_by: row.installed_by,
            installed_ms: row.installed_ms,
        })
        .collect())
}

pub(super) async fn has_package(db: &Db, digest: &str) -> Result<bool, StoreError> {
    const HAS: Sql = Sql::both("SELECT COUNT(*) AS count FROM addon_package WHERE id = $1");
    Ok(db.fetch_one::<CountRow>(&HAS, &[digest.into()]).await?.is_some_and(|row| row.count > 0))
}

/// The bytes of a package, if they still are what their digest says.
pub(super) async fn bytes(db: &Db, digest: &str) -> Result<Option<Vec<u8>>, StoreError> {
    const SIZE: Sql = Sql::both("SELECT size FROM addon_package WHERE id = $1");
    const PART: Sql = Sql::both("SELECT bytes FROM addon_part WHERE id = $1");
    let corrupt = |what: &str| StoreError::Corrupt(format!("package `{digest}`: {what}"));
    let Some(SizeRow { size }) = db.fetch_one(&SIZE, &[digest.into()]).await? else {
        return Ok(None);
    };
    let size = usize::try_from(size).map_err(|_| corrupt("no size"))?;
    // Part by part: rows that were read ahead would be as much again as the package.
    let (mut bytes, mut part) = (Vec::new(), 0);
    while bytes.len() < size {
        let row: Option<BytesRow> = db.fetch_one(&PART, &[part_id(digest, part).as_str().into()]).await?;
        let text = row.ok_or_else(|| corrupt("a part is missing"))?.bytes;
        STANDARD.decode_vec(text, &mut bytes).map_err(|_| corrupt("not Base64"))?;
        part += 1;
    }
    if PackageRecord::digest_of(&bytes) != digest {
        return Err(corrupt("the bytes have another digest"));
    }
    Ok(Some(bytes))
}

/// The package and its parts, for the unit that brings them.
pub(super) fn keep(unit: &mut Unit, package: &PackageRecord, stored_ms: i64) -> Result<(), AddonError> {
    let digest = &package.digest;
    unit.put(&PACKAGES, digest, Expect::Absent, &NewPackageRow::new(package, stored_ms)?);
    for (part, bytes) in package.bytes.chunks(PART_BYTES).enumerate() {
        let row = NewPartRow { digest, part, bytes: STANDARD.encode(bytes) };
        unit.put(&PARTS, &part_id(digest, part), Expect::Absent, &row);
    }
    Ok(())
}

fn part_id(digest: &str, part: usize) -> String {
    format!("{digest}/{part}")
}

impl NewPackageRow {
    fn new(package: &PackageRecord, stored_ms: i64) -> Result<Self, AddonError> {
        Ok(Self {
            name: package.name.to_string(),
            semver: package.version.clone(),
            size: i64::try_from(package.bytes.len()).unwrap_or(i64::MAX),
            component_digest: package.component_digest.clone(),
            publisher: package.publisher.clone(),
            asked: grants_json(&package.asked)?,
            stored_ms,
        })
    }
}

impl InstallRow {
    pub fn granted(&self) -> Result<Grants, StoreError> {
        self.grants_of(&self.grants)
    }

    pub fn asked(&self) -> Result<Grants, StoreError> {
        self.grants_of(&self.asked)
    }

    pub fn is_removed(&self) -> bool {
        self.removed_ms.is_some()
    }

    fn grants_of(&self, text: &str) -> Result<Grants, StoreError> {
        serde_json::from_str(text)
            .map_err(|error| StoreError::Corrupt(format!("addon `{}`: {error}", self.id)))
    }
}

/// Fails where a path is not UTF-8.
pub(super) fn grants_json(grants: &Grants) -> Result<String, AddonError> {
    serde_json::to_string(grants).map_err(|_| AddonError::NotText)
}
