use std::sync::Arc;

use bulla_base::{AddonName, Alias, Coded, Purpose, TenantId, codes};
use bulla_store::Expect;

use super::change::{Doing, How, place, rolled_back};
use super::model::check_asked;
use super::store::{InstallRow, VersionRow, grants_json};
use super::view::Cells;
use super::*;
use crate::grants::{Capability, DirectoryGrant, Grants, SecretGrant};

fn alias(text: &str) -> Alias {
    Alias::new(text).unwrap()
}

fn sequences(names: &[&str]) -> Grants {
    Grants { sequences: names.iter().map(|name| alias(name)).collect(), ..Default::default() }
}

fn package(version: &str, asked: Grants) -> PackageRecord {
    let bytes: Arc<[u8]> = version.as_bytes().into();
    PackageRecord {
        name: AddonName::new("einvoice").unwrap(),
        version: version.into(),
        digest: PackageRecord::digest_of(&bytes),
        component_digest: PackageRecord::digest_of(b"component"),
        publisher: "k1".into(),
        bytes,
        asked,
    }
}

fn placed(
    current: Option<&InstallRow>,
    package: &PackageRecord,
    how: How<'_>,
) -> Result<Option<InstallRow>, AddonError> {
    let tenant = TenantId::new("acme").unwrap();
    let doing = Doing { tenant: &tenant, by: "op", at_ms: 7 };
    let change = place(current.cloned(), None, package, how, &doing)?;
    Ok(change.map(|change| {
        let mut row = change.row;
        // What the next read would join.
        (row.semver, row.asked) = (package.version.clone(), grants_json(&package.asked).unwrap());
        if let Expect::Version(version) = change.expect {
            row.version = version + 1;
        }
        row
    }))
}

fn installed(version: &str, asked: Grants, granted: &Grants) -> InstallRow {
    placed(None, &package(version, asked), How::Install(granted)).unwrap().unwrap()
}

#[test]
fn a_record_is_what_it_says() {
    let good = package("1.0.0", Grants::default());
    assert!(good.check().is_ok());
    let wrong = |change: fn(&mut PackageRecord)| {
        let mut record = package("1.0.0", Grants::default());
        change(&mut record);
        record.check().unwrap_err()
    };
    assert!(matches!(wrong(|one| one.bytes = b"other".as_slice().into()), AddonError::Digest));
    assert!(matches!(wrong(|one| one.digest.make_ascii_uppercase()), AddonError::Digest));
    assert!(matches!(wrong(|one| one.component_digest.clear()), AddonError::Digest));
    assert!(matches!(wrong(|one| one.version = "1/0".into()), AddonError::Version { .. }));
    assert!(matches!(wrong(|one| one.version = "1".repeat(65)), AddonError::Version { .. }));
    assert!(matches!(wrong(|one| one.publisher.clear()), AddonError::Publisher));
    let large = wrong(|one| one.bytes = vec![0; PACKAGE_MAX + 1].into());
    assert_eq!(large.code(), codes::TOO_LARGE);
}

#[test]
fn what_was_not_asked_for_is_refused_by_name() {
    let secret = |purpose: &str| SecretGrant {
        purpose: Purpose::new(purpose).unwrap(),
        destinations: ["https://a.example".to_owned()].into(),
    };
    let mut asked = sequences(&["invoice"]);
    asked.secrets.insert(alias("token"), secret("delivery"));
    let mut granted = sequences(&["invoice"]);
    granted.secrets.insert(alias("token"), secret("delivery"));
    assert!(check_asked(&asked, &granted).is_ok());
    assert!(check_asked(&asked, &Grants::default()).is_ok());

    granted.sequences.insert(alias("order"));
    granted.secrets.insert(alias("token"), secret("other"));
    granted.wasi.insert("wasi:clocks/wall-clock".into());
    let error = check_asked(&asked, &granted).unwrap_err().to_string();
    assert_eq!(
        error,
        "the manifest does not ask for: sequence order, secret token for other, wasi wasi:clocks/wall-clock"
    );
}

#[test]
fn a_directory_is_granted_by_its_whole_path() {
    let with = |path: &str| Grants {
        directory: Some(DirectoryGrant { path: path.into(), writable: false }),
        ..Default::default()
    };
    assert!(check_asked(&with(""), &with("/srv/exchange")).is_ok());
    for path in ["", "exchange", "./exchange", "../exchange", "/srv/../etc"] {
        assert!(matches!(check_asked(&with(""), &with(path)), Err(AddonError::Directory)), "{path}");
    }
}

#[test]
fn installing_twice_is_nothing_or_a_conflict() {
    let (asked, granted) = (sequences(&["a", "b"]), sequences(&["a"]));
    let row = installed("1.0.0", asked.clone(), &granted);
    let same = package("1.0.0", asked.clone());
    assert!(placed(Some(&row), &same, How::Install(&granted)).unwrap().is_none());
    let other_grants = placed(Some(&row), &same, How::Install(&asked));
    assert!(matches!(other_grants, Err(AddonError::AlreadyInstalled { .. })));
    let other = placed(Some(&row), &package("2.0.0", asked), How::Install(&granted));
    assert!(matches!(other, Err(AddonError::AlreadyInstalled { version, .. }) if version == "1.0.0"));
}

#[test]
fn an_upgrade_keeps_the_grants_and_the_way_back() {
    let granted = sequences(&["a"]);
    let row = installed("1.0.0", sequences(&["a"]), &granted);
    let next = package("1.1.0", sequences(&["a", "b"]));
    let upgraded = placed(Some(&row), &next, How::Upgrade).unwrap().unwrap();
    assert_eq!((upgraded.previous.as_ref(), upgraded.granted().unwrap()), (Some(&row.digest), granted));
    assert!(placed(Some(&upgraded), &next, How::Upgrade).unwrap().is_none());

    let tenant = TenantId::new("acme").unwrap();
    let doing = Doing { tenant: &tenant, by: "op", at_ms: 8 };
    let back = rolled_back(upgraded, &doing).unwrap().row;
    assert_eq!((&back.digest, &back.previous), (&row.digest, &None));
    assert!(rolled_back(back, &doing).is_none());
}

#[test]
fn only_what_is_there_is_upgraded() {
    let next = package("1.1.0", Grants::default());
    assert!(matches!(placed(None, &next, How::Upgrade), Err(AddonError::NotInstalled { .. })));
    let mut removed = installed("1.0.0", Grants::default(), &Grants::default());
    removed.removed_ms = Some(9);
    assert!(matches!(placed(Some(&removed), &next, How::Upgrade), Err(AddonError::NotInstalled { .. })));
    let again = placed(Some(&removed), &next, How::Install(&Grants::default())).unwrap().unwrap();
    assert_eq!((again.removed_ms, again.previous, again.version), (None, None, 2));
}

#[test]
fn a_version_is_one_package_for_ever() {
    let tenant = TenantId::new("acme").unwrap();
    let doing = Doing { tenant: &tenant, by: "op", at_ms: 8 };
    let before = VersionRow {
        semver: "1.0.0".into(),
        digest: PackageRecord::digest_of(b"x"),
        installed_by: "op".into(),
        installed_ms: 1,
    };
    for how in [How::Upgrade, How::Install(&Grants::default())] {
        let refused = place(None, Some(&before), &package("1.0.0", Grants::default()), how, &doing);
        assert!(matches!(refused, Err(AddonError::VersionReused { .. })));
    }
}

#[test]
fn a_running_call_of_an_old_version_keeps_to_its_own_manifest() {
    let cells = Cells::default();
    let both = sequences(&["a", "b"]);
    let old = installed("1.0.0", sequences(&["a"]), &sequences(&["a"]));
    let held = cells.apply(&old).unwrap().unwrap().grants;
    let mut new = placed(Some(&old), &package("2.0.0", both.clone()), How::Upgrade).unwrap().unwrap();
    new.grants = grants_json(&both).unwrap();
    let fresh = cells.apply(&new).unwrap().unwrap().grants;
    assert!(fresh.allows(Capability::Sequence(&alias("b"))));
    assert!(!held.allows(Capability::Sequence(&alias("b"))), "its manifest never asked for it");

    new.grants = grants_json(&sequences(&["b"])).unwrap();
    cells.apply(&new).unwrap();
    assert!(!held.allows(Capability::Sequence(&alias("a"))), "the operator took it away");
}

#[test]
fn disabling_and_removing_take_the_grants_of_running_calls() {
    let cells = Cells::default();
    let mut row = installed("1.0.0", sequences(&["a"]), &sequences(&["a"]));
    let allows = |row: &InstallRow| {
        let held = cells.apply(row).unwrap();
        let open =
            cells.apply(&installed("1.0.0", sequences(&["a"]), &sequences(&["a"]))).unwrap().unwrap().grants;
        cells.apply(row).unwrap();
        (held.is_some(), open.allows(Capability::Sequence(&alias("a"))))
    };
    assert_eq!(allows(&row), (true, true));
    row.enabled = 0;
    assert_eq!(allows(&row), (true, false));
    row.removed_ms = Some(1);
    assert_eq!(allows(&row), (false, false));
}

#[test]
fn of_a_removed_addon_nothing_is_kept_that_no_call_holds() {
    let cells = Cells::default();
    let mut row = installed("1.0.0", sequences(&["a"]), &sequences(&["a"]));
    let running = cells.apply(&row).unwrap().unwrap();
    row.removed_ms = Some(1);
    cells.apply(&row).unwrap();
    assert_eq!(cells.places(), 1, "a call still looks at it");
    drop(running);
    cells.apply(&row).unwrap();
    assert_eq!(cells.places(), 0);
}
