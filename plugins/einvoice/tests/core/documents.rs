//! Where the tests' documents are.

use std::path::{Path, PathBuf};

pub type Named = (String, Vec<u8>);

/// The published documents. Empty, and said so, where the folder is absent.
pub fn published() -> Vec<Named> {
    let folder = here().join("../../../shared/data/invoices");
    let documents = read_all(&folder);
    if documents.is_empty() {
        println!("left out: the published documents are not at `{}`", folder.display());
    }
    documents
}

/// This addon's own documents.
pub fn samples() -> Vec<Named> {
    read_all(&here().join("samples"))
}

/// One of this addon's own documents.
pub fn sample(name: &str) -> Vec<u8> {
    std::fs::read(here().join("samples").join(name)).unwrap()
}

/// This addon's folder.
pub fn here() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read_all(folder: &Path) -> Vec<Named> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut documents: Vec<Named> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "xml"))
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()))
        .collect();
    documents.sort();
    documents
}
