//! What stands at the root of each crate.

use crate::manifest::Manifest;
use crate::source::code_only;
use crate::{Finding, Tree};

/// Maps compiled code into memory: the one place that may say `unsafe`.
const EXEMPT: &str = "host/engine/";

/// Every crate root of the host and of signing forbids unsafe code, so that no module can allow it again.
pub(crate) fn forbid_unsafe(tree: &Tree) -> Vec<Finding> {
    let is_root = |path: &str| path.ends_with("/src/lib.rs") || path.ends_with("/src/main.rs");
    let of_the_host =
        |path: &str| (path.starts_with("host/") || path.starts_with("signing/")) && !path.starts_with(EXEMPT);
    tree.texts("", ".rs")
        .filter(|(path, _)| is_root(path) && of_the_host(path))
        .filter(|(_, text)| !code_only(text).contains("#![forbid(unsafe_code)]"))
        .map(|(path, _)| {
            Finding::error("roots", path, None, "the crate root lacks `#![forbid(unsafe_code)]`".into())
        })
        .collect()
}

/// Every member of the workspace takes the workspace's lints.
pub(crate) fn inherit_lints(tree: &Tree) -> Vec<Finding> {
    let Some(root) = tree.text("Cargo.toml").and_then(Manifest::parse) else {
        return Vec::new();
    };
    let manifests =
        root.members().into_iter().map(|member| format!("{member}/Cargo.toml")).collect::<Vec<_>>();
    manifests
        .iter()
        .filter_map(|path| Some((path, Manifest::parse(tree.text(path)?)?)))
        .filter(|(_, manifest)| !manifest.inherits_lints())
        .map(|(path, _)| Finding::error("roots", path, None, "lacks `[lints] workspace = true`".into()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_that_allows_unsafe_code_is_found() {
        let tree = Tree::of(&[
            ("host/base/src/lib.rs", "//! Text\n#![forbid(unsafe_code)]\n"),
            ("host/cli/src/main.rs", "// #![forbid(unsafe_code)]\n"),
            ("host/engine/src/lib.rs", ""),
            ("host/base/src/ids.rs", ""),
        ]);
        let found: Vec<_> = forbid_unsafe(&tree).into_iter().map(|finding| finding.path).collect();
        assert_eq!(found, ["host/cli/src/main.rs"]);
    }

    #[test]
    fn a_crate_with_lints_of_its_own_is_found() {
        let tree = Tree::of(&[
            ("Cargo.toml", "[workspace]\nmembers = [\"host/base\", \"host/cli\"]\n"),
            ("host/base/Cargo.toml", "[package]\n[lints]\nworkspace = true\n"),
            ("host/cli/Cargo.toml", "[package]\n[lints.rust]\nunsafe_code = \"allow\"\n"),
        ]);
        let found: Vec<_> = inherit_lints(&tree).into_iter().map(|finding| finding.path).collect();
        assert_eq!(found, ["host/cli/Cargo.toml"]);
    }
}
