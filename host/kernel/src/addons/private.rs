//! The host's own files, which no granted directory may reach: whoever reads them has the tokens' hashes and the sealed secrets, and
//! whoever writes them has the host.

use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files and directories of the host. Links are followed, so that a path by another name is the same path.
#[derive(Debug, Clone, Default)]
pub struct Private(Arc<[PathBuf]>);

impl Private {
    pub fn new(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        Self(paths.into_iter().map(|path| real(&path)).collect())
    }

    /// True where the directory contains one of the paths, is one, or lies in one.
    pub fn is_reached_by(&self, directory: &Path) -> bool {
        let directory = real(directory);
        self.0.iter().any(|path| path.starts_with(&directory) || directory.starts_with(path))
    }
}

/// Without links, as far as it exists.
fn real(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for existing in path.ancestors() {
        if let (Ok(found), Ok(rest)) = (existing.canonicalize(), path.strip_prefix(existing)) {
            return found.join(rest);
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_contains_is_or_lies_in_a_private_path_reaches_it() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(at("data/code")).unwrap();
        std::fs::create_dir(at("exchange")).unwrap();
        std::fs::write(at("data.key"), "").unwrap();
        std::os::unix::fs::symlink(at("data"), at("link")).unwrap();
        let private = Private::new([at("data"), at("data.key"), at("later/policies")]);
        for reaching in
            ["", "data", "data/code", "data/absent/x", "link", "link/code", "later", "later/policies/x"]
        {
            assert!(private.is_reached_by(&at(reaching)), "{reaching}");
        }
        assert!(private.is_reached_by(Path::new("/")));
        for apart in ["exchange", "data.d", "exchange/data", "later/other"] {
            assert!(!private.is_reached_by(&at(apart)), "{apart}");
        }
        std::os::unix::fs::symlink(at("data"), at("exchange/in")).unwrap();
        assert!(private.is_reached_by(&at("exchange/in")));
        assert!(!Private::default().is_reached_by(Path::new("/")));
    }
}
