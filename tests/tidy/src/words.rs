//! Words that do not belong into a finished tree: promises of later work, and places on one machine.

use crate::{Finding, Tree};

/// Written in two halves, so that this file does not find itself.
const UNFINISHED: &[&str] =
    &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("to", "do!("), concat!("unimple", "mented!(")];
const MACHINE: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/tmp/", "t2")];

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts("", "").filter(|(path, _)| !path.ends_with("Cargo.lock")) {
        for (index, line) in text.lines().enumerate() {
            let mut refuse = |message| findings.push(Finding::error("words", path, Some(index + 1), message));
            if let Some(word) = UNFINISHED.iter().find(|word| line.contains(**word)) {
                refuse(format!("`{word}`: finish it, or write down in the docs that it is absent"));
            }
            if let Some(place) = MACHINE.iter().find(|place| names_place(line, place)) {
                refuse(format!("`{place}` exists on one machine only"));
            }
        }
    }
    findings
}

/// An absolute path starts where no other path goes on: `network/work/` and `$HOME/home/` are none.
fn names_place(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '~' | '}' | '*'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfinished_work_and_machine_paths_are_found() {
        let unfinished = format!("fn f() {{\n    {}) // {}: later\n}}\n", UNFINISHED[2], UNFINISHED[0]);
        let place = format!("cd {}main\n", MACHINE[0]);
        let tree = Tree::of(&[
            ("a.rs", &unfinished),
            ("b/run", &place),
            ("c.md", "network/work/x, todo = \"deny\"\n"),
            ("Cargo.lock", &place),
        ]);
        let found: Vec<_> = check(&tree).into_iter().map(|finding| (finding.path, finding.line)).collect();
        assert_eq!(found, [("a.rs".to_owned(), Some(2)), ("b/run".to_owned(), Some(1))]);
    }
}
