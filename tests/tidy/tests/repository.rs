//! The repository itself is tidy.

use std::path::Path;

use bulla_tidy::{Severity, Tree, check};

#[test]
fn the_repository_is_tidy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let findings = check(&Tree::read(&root).unwrap());
    let errors: Vec<_> = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(ToString::to_string)
        .collect();
    assert!(errors.is_empty(), "\n{}", errors.join("\n"));
}
