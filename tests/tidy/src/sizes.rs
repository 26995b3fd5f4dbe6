//! A file is read in one sitting.

use crate::{Finding, Severity, Tree};

const WARN_LINES: usize = 400;
const MAX_LINES: usize = 800;

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    tree.texts("", ".rs")
        .filter_map(|(path, text)| {
            let lines = text.lines().count();
            let severity = match lines {
                0..=WARN_LINES => return None,
                lines if lines <= MAX_LINES => Severity::Warning,
                _ => Severity::Error,
            };
            Some(Finding {
                severity,
                path: path.to_owned(),
                line: None,
                check: "sizes",
                message: format!(
                    "{lines} lines: split it by noun ({WARN_LINES} is the aim, {MAX_LINES} the end)"
                ),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_files_warn_and_then_fail() {
        let of = |lines: usize| "\n".repeat(lines);
        let tree = Tree::of(&[
            ("a/400.rs", &of(400)),
            ("a/401.rs", &of(401)),
            ("a/800.rs", &of(800)),
            ("a/801.rs", &of(801)),
            ("a/900.xml", &of(900)),
        ]);
        let found: Vec<_> =
            check(&tree).into_iter().map(|finding| (finding.path, finding.severity)).collect();
        assert_eq!(
            found,
            [
                ("a/401.rs".to_owned(), Severity::Warning),
                ("a/800.rs".to_owned(), Severity::Warning),
                ("a/801.rs".to_owned(), Severity::Error),
            ]
        );
    }
}
