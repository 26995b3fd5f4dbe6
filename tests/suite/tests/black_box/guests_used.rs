//! A guest that no test calls proves nothing.

use std::fs;
use std::path::{Path, PathBuf};

use bulla_suite::cli::repository;

#[test]
fn every_action_and_job_of_every_guest_is_used_by_a_test() {
    let tests = repository().join("tests");
    let sources: String = rust_files(&tests).iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let mut unused = Vec::new();
    for dir in fs::read_dir(tests.join("guests")).unwrap().map(|entry| entry.unwrap().path()) {
        let Ok(manifest) = fs::read_to_string(dir.join("addon.toml")) else { continue };
        let guest = dir.file_name().unwrap().to_str().unwrap();
        let entries = entries(&manifest);
        assert!(!entries.is_empty(), "{guest} has no entries");
        unused.extend(entries.into_iter().filter_map(|entry| {
            let names = [format!("\"{entry}\""), format!("{guest}/{entry}"), format!("\\\"{entry}\\\"")];
            let used = names.iter().any(|name| sources.contains(name.as_str()));
            (!used).then(|| format!("{guest}/{entry}"))
        }));
    }
    assert!(unused.is_empty(), "no test uses {unused:?}");
}

fn entries(manifest: &str) -> Vec<String> {
    let manifest: toml::Table = manifest.parse().unwrap();
    let tables = ["actions", "jobs"].iter().filter_map(|kind| manifest.get(*kind)?.as_table());
    tables.flat_map(|table| table.keys().cloned()).collect()
}

/// All below `tests/`, but for the guests themselves and what cargo makes.
fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| match path.file_name().and_then(|name| name.to_str()) {
            Some("guests" | "target") => Vec::new(),
            _ if path.is_dir() => rust_files(&path),
            Some(name) if name.ends_with(".rs") => vec![path],
            _ => Vec::new(),
        })
        .collect()
}
