//! Packages, and the installations that refer to them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::Desk;
use crate::ScanError;
use crate::ledger::{Fact, Mark, Topic};
use crate::report::Kind;

#[derive(sqlx::FromRow)]
struct Id {
    id: String,
}

#[derive(sqlx::FromRow)]
struct PackageRow {
    id: String,
    size: i64,
}

#[derive(sqlx::FromRow)]
struct PartRow {
    bytes: String,
}

#[derive(sqlx::FromRow)]
struct InstallRow {
    id: String,
    version: i64,
    tenant: String,
    addon: String,
    digest: String,
    previous: Option<String>,
}

#[derive(sqlx::FromRow)]
struct VersionRow {
    id: String,
    tenant: String,
    addon: String,
    semver: String,
    digest: String,
}

pub(super) async fn all(desk: &mut Desk<'_>) -> Result<(), ScanError> {
    packages(desk).await?;
    installations(desk).await?;
    versions(desk).await
}

/// One by one: a package may have many megabytes.
async fn packages(desk: &mut Desk<'_>) -> Result<(), ScanError> {
    const ALL: &str = "SELECT id, size FROM addon_package ORDER BY id";
    const PARTS: &str = "SELECT bytes FROM addon_part WHERE digest = $1 ORDER BY part";
    let mut facts = Vec::new();
    for PackageRow { id, size } in desk.source.page(ALL, &[]).await? {
        desk.reporter.count_row("addon_package");
        let mut bytes = Vec::new();
        for part in desk.source.page::<PartRow>(PARTS, &[&id]).await? {
            desk.reporter.count_row("addon_part");
            bytes.extend(STANDARD.decode(part.bytes).unwrap_or_default());
        }
        let is_whole =
            hex::encode(Sha256::digest(&bytes)) == id && usize::try_from(size).ok() == Some(bytes.len());
        if !is_whole {
            desk.reporter.add(Kind::Package, "addon_package", &id, "its bytes are not those of its digest");
        }
        facts.push(Fact::new(Topic::Package, "", &[&id], Mark::Row, &id));
        facts.push(Fact::new(Topic::PackageReference, "", &[&id], Mark::Row, &id));
    }
    desk.ledger.write(&mut facts).await?;
    parts_of_nothing(desk).await
}

async fn parts_of_nothing(desk: &mut Desk<'_>) -> Result<(), ScanError> {
    const LEFT: &str =
        "SELECT id FROM addon_part WHERE digest NOT IN (SELECT id FROM addon_package) ORDER BY id";
    for Id { id } in desk.source.page(LEFT, &[]).await? {
        desk.reporter.count_row("addon_part");
        desk.reporter.add(Kind::Package, "addon_part", &id, "no package has it");
    }
    Ok(())
}

async fn installations(desk: &mut Desk<'_>) -> Result<(), ScanError> {
    const ALL: &str = "SELECT id, version, tenant, addon, digest, previous FROM addon_install ORDER BY id";
    let reporter = &mut *desk.reporter;
    let read = |row: InstallRow, facts: &mut Vec<Fact>| {
        reporter.count_row("addon_install");
        let own = Fact::new(Topic::Installation, &row.tenant, &[&row.addon], Mark::Row, &row.id);
        facts.push(own.weight(row.version));
        for digest in [Some(&row.digest), row.previous.as_ref()].into_iter().flatten() {
            facts.push(Fact::new(Topic::PackageReference, "", &[digest], Mark::Reference, &row.id));
        }
    };
    desk.source.each(ALL, desk.ledger, read).await
}

async fn versions(desk: &mut Desk<'_>) -> Result<(), ScanError> {
    const ALL: &str = "SELECT id, tenant, addon, semver, digest FROM addon_version ORDER BY id";
    let reporter = &mut *desk.reporter;
    let read = |row: VersionRow, facts: &mut Vec<Fact>| {
        reporter.count_row("addon_version");
        let key = [row.addon.as_str(), &row.semver, &row.digest];
        facts.push(Fact::new(Topic::InstalledVersion, &row.tenant, &key, Mark::Row, &row.id));
        facts.push(Fact::new(Topic::PackageReference, "", &[&row.digest], Mark::Reference, &row.id));
    };
    desk.source.each(ALL, desk.ledger, read).await
}
