//! Published WIT never changes. `wit/FROZEN` lists every file of every version with its SHA-256:
//!
//! ```text
//! # comment
//! open kernel-0.1.0
//! <64 hex digits>  kernel-0.1.0/types.wit
//! ```
//!
//! A version that `open` names is not yet released: [`freeze`] (`cargo xtask freeze`) rewrites its sums. Without that line the
//! version is published, and only new versions can be added beside it. The check is red whenever a file and its sum differ, so
//! that no change of an interface passes unseen, whether it is open or not.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::{Finding, Tree};

/// Where the list stands.
pub const LIST: &str = "wit/FROZEN";
const DIR: &str = "wit/";

const HEADER: &str = "\
# SHA-256 of every file of every version of the WIT packages. Written by `cargo xtask freeze`, checked by tests/tidy.
# `open <version>`: not released yet, may still change. Every other version is published and never changes.
";

/// The list's content.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Frozen {
    open: BTreeSet<String>,
    /// Path below `wit/` to digest.
    sums: BTreeMap<String, String>,
}

/// Why the list is not rewritten.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FreezeError {
    #[error("line {0} of `{LIST}` is neither `open <version>` nor `<sha256>  <path>`")]
    Malformed(usize),
    #[error("`{DIR}{0}` is published and has changed: put it back, and make a new version beside it")]
    Published(String),
    #[error("`{0}` is not an open version")]
    NotOpen(String),
}

/// The new text of the list. `publish` closes a version: from then on its files never change.
pub fn freeze(tree: &Tree, publish: Option<&str>) -> Result<String, FreezeError> {
    let mut frozen = parse(tree.text(LIST).unwrap_or_default())?;
    let sums = sums(tree);
    let known: BTreeSet<_> = frozen.sums.keys().map(|path| version(path).to_owned()).collect();
    let all: BTreeSet<_> = frozen.sums.keys().chain(sums.keys()).collect();
    let changed = all.into_iter().find(|path| {
        let published = known.contains(version(path)) && !frozen.open.contains(version(path));
        published && frozen.sums.get(*path) != sums.get(*path)
    });
    if let Some(path) = changed {
        return Err(FreezeError::Published(path.clone()));
    }
    let new = sums.keys().map(|path| version(path)).filter(|version| !known.contains(*version));
    frozen.open.extend(new.map(str::to_owned));
    if let Some(publish) = publish
        && !frozen.open.remove(publish)
    {
        return Err(FreezeError::NotOpen(publish.to_owned()));
    }
    Ok(write(&Frozen { sums, ..frozen }))
}

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let refuse = |path: &str, message: String| Finding::error("frozen", path, None, message);
    let sums = sums(tree);
    let frozen = match parse(tree.text(LIST).unwrap_or_default()) {
        Ok(frozen) => frozen,
        Err(error) => return vec![refuse(LIST, error.to_string())],
    };
    let all: BTreeSet<_> = frozen.sums.keys().chain(sums.keys()).collect();
    all.into_iter()
        .filter_map(|path| {
            let open = frozen.open.contains(version(path));
            let what = match (frozen.sums.get(path), sums.get(path)) {
                (Some(listed), Some(real)) if listed == real => return None,
                (Some(_), Some(_)) => "has changed",
                (Some(_), None) => "is listed and missing",
                (None, _) => "is not listed",
            };
            let then = match open || !frozen.sums.keys().any(|listed| version(listed) == version(path)) {
                true => "run `cargo xtask freeze`",
                false => "a published version never changes: put it back, and make a new version beside it",
            };
            Some(refuse(&format!("{DIR}{path}"), format!("{what} ({LIST}): {then}")))
        })
        .collect()
}

/// The files of every version folder.
fn sums(tree: &Tree) -> BTreeMap<String, String> {
    tree.paths()
        .filter_map(|path| path.strip_prefix(DIR))
        .filter(|path| path.contains('/'))
        .filter_map(|path| {
            let bytes = tree.bytes(&format!("{DIR}{path}"))?;
            Some((path.to_owned(), hex::encode(Sha256::digest(bytes))))
        })
        .collect()
}

/// The folder of a version: `kernel-0.1.0`.
fn version(path: &str) -> &str {
    path.split('/').next().unwrap_or(path)
}

fn parse(text: &str) -> Result<Frozen, FreezeError> {
    let mut frozen = Frozen::default();
    for (index, line) in text.lines().enumerate() {
        let malformed = || FreezeError::Malformed(index + 1);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(version) = line.strip_prefix("open ") {
            frozen.open.insert(version.to_owned());
            continue;
        }
        let (sum, path) = line.split_once("  ").ok_or_else(malformed)?;
        let is_sum = sum.len() == 64 && sum.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !is_sum || frozen.sums.insert(path.to_owned(), sum.to_owned()).is_some() {
            return Err(malformed());
        }
    }
    Ok(frozen)
}

fn write(frozen: &Frozen) -> String {
    let mut text = HEADER.to_owned();
    for version in &frozen.open {
        // Writing to a text cannot fail.
        let _written = writeln!(text, "open {version}");
    }
    for (path, sum) in &frozen.sums {
        let _written = writeln!(text, "{sum}  {path}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(list: &str, types: &str) -> Tree {
        Tree::of(&[(LIST, list), ("wit/kernel-0.1.0/types.wit", types)])
    }

    #[test]
    fn a_listed_file_that_changes_is_found() {
        let list = freeze(&tree("", "one"), None).unwrap();
        assert!(list.contains("open kernel-0.1.0\n"), "{list}");
        assert_eq!(check(&tree(&list, "one")), []);
        assert_eq!(check(&tree(&list, "two")).len(), 1);
    }

    #[test]
    fn files_that_are_new_or_gone_are_found() {
        let list = freeze(&tree("", "one"), Some("kernel-0.1.0")).unwrap();
        assert_eq!(check(&Tree::of(&[(LIST, &list)])).len(), 1);
        let more =
            [(LIST, list.as_str()), ("wit/kernel-0.1.0/types.wit", "one"), ("wit/kernel-0.1.0/new.wit", "")];
        assert_eq!(check(&Tree::of(&more)).len(), 1);
        assert_eq!(
            freeze(&Tree::of(&more), None),
            Err(FreezeError::Published("kernel-0.1.0/new.wit".into()))
        );
    }

    #[test]
    fn an_open_version_is_rewritten_and_a_published_one_is_not() {
        let open = freeze(&tree("", "one"), None).unwrap();
        let rewritten = freeze(&tree(&open, "two"), None).unwrap();
        assert_eq!(check(&tree(&rewritten, "two")), []);

        let published = freeze(&tree(&rewritten, "two"), Some("kernel-0.1.0")).unwrap();
        assert_eq!(check(&tree(&published, "two")), []);
        let error = freeze(&tree(&published, "three"), None).unwrap_err();
        assert_eq!(error, FreezeError::Published("kernel-0.1.0/types.wit".into()));
        let again = freeze(&tree(&published, "two"), Some("kernel-0.1.0")).unwrap_err();
        assert_eq!(again, FreezeError::NotOpen("kernel-0.1.0".into()));
    }

    #[test]
    fn a_new_version_beside_a_published_one_is_added() {
        let published = freeze(&tree("", "one"), Some("kernel-0.1.0")).unwrap();
        let both = [
            (LIST, published.as_str()),
            ("wit/kernel-0.1.0/types.wit", "one"),
            ("wit/kernel-0.2.0/types.wit", "two"),
        ];
        assert_eq!(check(&Tree::of(&both)).len(), 1);
        let list = freeze(&Tree::of(&both), None).unwrap();
        assert!(list.contains("open kernel-0.2.0\n") && !list.contains("open kernel-0.1.0\n"), "{list}");
    }

    #[test]
    fn a_malformed_list_is_found() {
        for line in ["opened kernel", "abc  kernel-0.1.0/types.wit"] {
            assert_eq!(check(&tree(line, "one")).len(), 1, "{line}");
        }
    }
}
