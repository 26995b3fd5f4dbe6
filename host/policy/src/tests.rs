mod authorization;
mod quotas;
mod reload;

use std::path::Path;

use bulla_base::{Role, Subject, TenantId};
use bulla_kernel::ports::{Authorize, Operation, Principal, Target};

use crate::*;

/// A directory with the defaults in it.
fn defaults() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    write_defaults(dir.path()).unwrap();
    dir
}

fn write(dir: &Path, name: &str, text: &str) {
    std::fs::write(dir.join(name), text).unwrap();
}

fn read(dir: &Path, name: &str) -> String {
    std::fs::read_to_string(dir.join(name)).unwrap()
}

fn tenant(text: &str) -> TenantId {
    text.parse().unwrap()
}

fn principal(subject: &str, of: Option<&str>, roles: &[&str]) -> Principal {
    Principal {
        subject: Subject::new(subject).unwrap(),
        tenant: of.map(tenant),
        roles: roles.iter().map(|role| Role::new(role).unwrap()).collect(),
    }
}

#[test]
fn the_source_tree_and_the_embedded_defaults_are_the_same() {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies");
    let loaded = PolicySet::load(&tree).unwrap();
    let embedded = PolicySet::embedded().unwrap();
    let (a, b) =
        (bulla_kernel::ports::Quotas::version(&loaded), bulla_kernel::ports::Quotas::version(&embedded));
    assert_eq!(a, b);
    assert_eq!(a.len(), 16);
    let checked = check(&tree).unwrap();
    assert_eq!(checked.failures, Vec::<String>::new());
    assert_eq!(checked, check(defaults().path()).unwrap(), "a case is missing among the embedded files");
}

#[test]
fn defaults_do_not_replace_what_an_operator_wrote() {
    let dir = defaults();
    write(dir.path(), "caller.cedar", "// nothing\n");
    write_defaults(dir.path()).unwrap();
    assert_eq!(read(dir.path(), "caller.cedar"), "// nothing\n");
}

#[test]
fn a_case_that_does_not_hold_is_named() {
    let dir = defaults();
    let policy = read(dir.path(), "caller.cedar").replace("Action::\"action:call\", ", "");
    write(dir.path(), "caller.cedar", &policy);
    let failures = check(dir.path()).unwrap().failures;
    assert!(failures.iter().all(|line| line.contains("`action:call` should be allowed")), "{failures:?}");
    assert_eq!(failures.len(), 2, "{failures:?}");
    write(
        dir.path(),
        "tests/caller.json",
        r#"[{"name": "x", "principal": {"subject": "a", "roles": []}, "target": "host", "allowed": ["no:such"]}]"#,
    );
    assert!(matches!(check(dir.path()), Err(PolicyError::Case { .. })));
}

#[test]
fn files_that_could_be_mistaken_for_policies_are_refused() {
    for stray in ["quota.toml", "other.cedarschema"] {
        let dir = defaults();
        write(dir.path(), stray, "");
        assert_eq!(PolicySet::load(dir.path()).err(), Some(PolicyError::Stray { file: stray.into() }));
    }
    let dir = defaults();
    write(dir.path(), "README.md", "words");
    write(dir.path(), ".quotas.toml.swp", "an editor's");
    assert!(PolicySet::load(dir.path()).is_ok());
    for missing in ["quotas.toml", "bulla.cedarschema"] {
        let dir = defaults();
        std::fs::remove_file(dir.path().join(missing)).unwrap();
        assert_eq!(PolicySet::load(dir.path()).err(), Some(PolicyError::Missing { file: missing }));
    }
    let dir = defaults();
    write(dir.path(), "caller.cedar", &"/".repeat((1 << 20) + 1));
    assert!(matches!(PolicySet::load(dir.path()).err(), Some(PolicyError::TooLarge { .. })));
}

#[test]
fn every_operation_is_allowed_to_somebody_and_denied_to_somebody() {
    let set = PolicySet::embedded().unwrap();
    let acme = tenant("acme");
    let everybody = [
        principal("olga", None, &["operator"]),
        principal("ada", Some("acme"), &["tenant-admin", "approver", "caller", "auditor"]),
    ];
    for operation in Operation::ALL.iter().copied() {
        let targets = [Target::Tenant(&acme), Target::Host];
        let allowed =
            |who: &Principal| targets.iter().any(|target| set.decide(who, operation, *target).allowed);
        assert!(everybody.iter().any(allowed), "{}", operation.name());
        assert!(!allowed(&principal("eve", Some("acme"), &[])), "{}", operation.name());
    }
}
