//! A file or folder is named for what it holds.

use crate::{Finding, Tree};

const BANNED: &[&str] = &["util", "utils", "common", "helper", "helpers", "misc", "manager"];

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    tree.paths()
        .chain(tree.dirs())
        .filter_map(|path| {
            let name = path.rsplit('/').next().unwrap_or(path);
            let stem = name.split('.').find(|part| !part.is_empty()).unwrap_or(name);
            let banned =
                stem.split(['_', '-']).find(|word| BANNED.contains(&word.to_ascii_lowercase().as_str()))?;
            let message = format!("`{banned}` says nothing about what is in it: name it for its noun");
            Some(Finding::error("names", path, None, message))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_names_are_found() {
        let tree = Tree::of(&[
            ("host/base/src/utils.rs", ""),
            ("host/base/src/job_manager.rs", ""),
            ("host/common/src/lib.rs", ""),
            ("host/base/src/utility.rs", ""),
            ("docs/.misc", ""),
        ]);
        let mut found: Vec<_> = check(&tree).into_iter().map(|finding| finding.path).collect();
        found.sort();
        assert_eq!(
            found,
            ["docs/.misc", "host/base/src/job_manager.rs", "host/base/src/utils.rs", "host/common"]
        );
    }
}
