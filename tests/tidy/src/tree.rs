//! The files of the repository, read once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Directories that hold no source: build output, history, data of a running server, rendered docs.
const SKIPPED: &[&str] = &["target", ".git", ".bulla-demo", "book", "node_modules"];

#[derive(Debug, thiserror::Error)]
#[error("cannot read `{path}`: {source}", path = path.display())]
pub struct ReadError {
    pub path: PathBuf,
    pub source: io::Error,
}

/// All files by their path from the root, with `/`. A file that is not UTF-8 has no text.
#[derive(Debug, Default)]
pub struct Tree {
    files: BTreeMap<String, Vec<u8>>,
    dirs: BTreeSet<String>,
}

impl Tree {
    /// Reads the repository. Symbolic links are not followed.
    pub fn read(root: &Path) -> Result<Self, ReadError> {
        let mut tree = Self::default();
        tree.read_dir(root, "")?;
        Ok(tree)
    }

    fn read_dir(&mut self, dir: &Path, prefix: &str) -> Result<(), ReadError> {
        let failed = |source| ReadError { path: dir.to_owned(), source };
        for entry in fs::read_dir(dir).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let kind = entry.file_type().map_err(failed)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{prefix}{name}");
            if kind.is_dir() && !SKIPPED.contains(&name.as_str()) {
                self.read_dir(&entry.path(), &format!("{path}/"))?;
                self.dirs.insert(path);
            } else if kind.is_file() {
                let bytes =
                    fs::read(entry.path()).map_err(|source| ReadError { path: entry.path(), source })?;
                self.files.insert(path, bytes);
            }
        }
        Ok(())
    }

    /// Every path of a file, sorted.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    pub(crate) fn dirs(&self) -> impl Iterator<Item = &str> {
        self.dirs.iter().map(String::as_str)
    }

    pub(crate) fn exists(&self, path: &str) -> bool {
        self.files.contains_key(path) || self.dirs.contains(path)
    }

    pub(crate) fn bytes(&self, path: &str) -> Option<&[u8]> {
        self.files.get(path).map(Vec::as_slice)
    }

    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        std::str::from_utf8(self.files.get(path)?).ok()
    }

    /// Path and text of the files below `dir` whose name ends so.
    pub(crate) fn texts<'a>(
        &'a self,
        dir: &'a str,
        suffix: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        let wanted = move |path: &&str| path.starts_with(dir) && path.ends_with(suffix);
        self.paths().filter(wanted).filter_map(|path| Some((path, self.text(path)?)))
    }

    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let mut tree = Self::default();
        for (path, text) in files {
            tree.files.insert((*path).to_owned(), text.as_bytes().to_vec());
            for (at, _) in path.match_indices('/') {
                tree.dirs.insert(path[..at].to_owned());
            }
        }
        tree
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_read_without_its_build_output() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("host/base/src")).unwrap();
        fs::create_dir_all(dir.path().join("target/debug")).unwrap();
        fs::write(dir.path().join("host/base/src/lib.rs"), "//! text").unwrap();
        fs::write(dir.path().join("target/debug/x.rs"), "").unwrap();
        let tree = Tree::read(dir.path()).unwrap();
        assert_eq!(tree.paths().collect::<Vec<_>>(), ["host/base/src/lib.rs"]);
        assert!(tree.exists("host/base") && !tree.exists("target"));
    }
}
