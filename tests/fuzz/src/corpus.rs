//! The inputs that are kept: `corpus/<target>/`.

use std::fs;
use std::path::{Path, PathBuf};

/// Where a target's inputs lie.
pub fn dir(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target)
}

/// A target's inputs with their names, sorted.
pub fn read(target: &str) -> Vec<(String, Vec<u8>)> {
    let dir = dir(target);
    let entries = fs::read_dir(&dir).unwrap_or_else(|error| panic!("`{}`: {error}", dir.display()));
    let mut inputs: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()))
        .collect();
    inputs.sort();
    inputs
}
