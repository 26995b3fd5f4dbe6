//! What an installation becomes: the decisions, without any database.

use bulla_store::Expect;

use super::error::AddonError;
use super::model::PackageRecord;
use super::store::{InstallRow, VersionRow, grants_json};
use crate::grants::Grants;

/// How a package comes into a tenant.
#[derive(Debug, Clone, Copy)]
pub(super) enum How<'a> {
    /// As something new, with these grants.
    Install(&'a Grants),
    /// In the place of another version, whose grants stay.
    Upgrade,
}

/// What is to be written.
#[derive(Debug)]
pub(super) struct Change {
    pub expect: Expect,
    pub row: InstallRow,
}

/// Who does it, when, in which tenant.
pub(super) struct Doing<'a> {
    pub tenant: &'a bulla_base::TenantId,
    pub by: &'a str,
    pub at_ms: i64,
}

/// The row after an installation or upgrade; `None` where nothing changes.
pub(super) fn place(
    current: Option<InstallRow>,
    history: Option<&VersionRow>,
    package: &PackageRecord,
    how: How<'_>,
    doing: &Doing<'_>,
) -> Result<Option<Change>, AddonError> {
    if history.is_some_and(|one| one.digest != package.digest) {
        return Err(AddonError::VersionReused {
            addon: package.name.clone(),
            version: package.version.clone(),
        });
    }
    let there = current.as_ref().filter(|row| !row.is_removed());
    match (how, there) {
        (How::Upgrade, None) => {
            Err(AddonError::NotInstalled { tenant: doing.tenant.clone(), addon: package.name.clone() })
        }
        (How::Upgrade, Some(row)) if row.digest == package.digest => Ok(None),
        (How::Upgrade, Some(row)) => Ok(Some(upgraded(row.clone(), package, doing))),
        (How::Install(grants), Some(row)) if row.digest == package.digest && row.granted()? == *grants => {
            Ok(None)
        }
        (How::Install(_), Some(row)) => {
            Err(AddonError::AlreadyInstalled { addon: package.name.clone(), version: row.semver.clone() })
        }
        (How::Install(grants), None) => {
            let expect = current.map_or(Expect::Absent, |row| Expect::Version(row.version));
            Ok(Some(Change { expect, row: installed(package, grants, doing)? }))
        }
    }
}

fn installed(package: &PackageRecord, grants: &Grants, doing: &Doing<'_>) -> Result<InstallRow, AddonError> {
    Ok(InstallRow {
        id: format!("{}/{}", doing.tenant, package.name),
        version: 1,
        tenant: doing.tenant.to_string(),
        addon: package.name.to_string(),
        digest: package.digest.clone(),
        previous: None,
        enabled: 1,
        grants: grants_json(grants)?,
        installed_by: doing.by.to_owned(),
        installed_ms: doing.at_ms,
        removed_ms: None,
        semver: package.version.clone(),
        component_digest: package.component_digest.clone(),
        publisher: package.publisher.clone(),
        asked: grants_json(&package.asked)?,
    })
}

fn upgraded(mut row: InstallRow, package: &PackageRecord, doing: &Doing<'_>) -> Change {
    let expect = Expect::Version(row.version);
    row.previous = Some(std::mem::replace(&mut row.digest, package.digest.clone()));
    (row.installed_by, row.installed_ms) = (doing.by.to_owned(), doing.at_ms);
    Change { expect, row }
}

/// The row after a rollback. What it went back from is not kept: a second rollback would bring it back.
pub(super) fn rolled_back(mut row: InstallRow, doing: &Doing<'_>) -> Option<Change> {
    row.digest = row.previous.take()?;
    (row.installed_by, row.installed_ms) = (doing.by.to_owned(), doing.at_ms);
    Some(Change { expect: Expect::Version(row.version), row })
}
