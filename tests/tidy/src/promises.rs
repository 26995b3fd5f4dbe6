//! Every promise of SECURITY.md names the tests that keep it, and every test that it names is there.

use crate::{Finding, Tree};

const PAGE: &str = "SECURITY.md";
const PROMISED: &str = "## What is promised";
const KEPT: &str = "## The tests that keep it";

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let page = tree.text(PAGE).unwrap_or_default();
    let kept: Vec<_> = rows(page, KEPT).collect();
    let broken = |line: Option<usize>, message: String| Finding::error("promises", PAGE, line, message);
    let mut findings = Vec::new();
    for (line, number, _) in rows(page, PROMISED) {
        if !kept.iter().any(|(_, of, row)| *of == number && tests(row).next().is_some()) {
            findings.push(broken(Some(line), format!("no test is named that keeps promise {number}")));
        }
    }
    for (line, _, row) in kept {
        for (file, name) in tests(row) {
            if let Some(wrong) = wrong_with(tree.text(file).unwrap_or_default(), name) {
                findings.push(broken(Some(line), format!("`{file}` {wrong} `{name}`")));
            }
        }
    }
    findings
}

/// What keeps a function of this file from being a test that runs.
fn wrong_with(text: &str, name: &str) -> Option<&'static str> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let Some(at) = lines.iter().position(|line| line.contains(&format!("fn {name}("))) else {
        return Some("has no test");
    };
    let above = lines[..at].iter().rev().take_while(|line| !line.is_empty() && !line.ends_with('}'));
    let attributes: Vec<_> = above.filter(|line| line.starts_with("#[")).collect();
    let is = |start: &str| attributes.iter().any(|line| line.starts_with(start));
    if !is("#[test]") && !is("#[tokio::test") {
        return Some("has no `#[test]` on");
    }
    is("#[ignore").then_some("ignores the test")
}

/// Line, number and whole text of each numbered row of the table under a heading.
fn rows<'a>(page: &'a str, heading: &'a str) -> impl Iterator<Item = (usize, u32, &'a str)> {
    let lines = page.lines().enumerate().skip_while(move |(_, line)| *line != heading).skip(1);
    let section = lines.take_while(|(_, line)| !line.starts_with("## "));
    section.filter_map(|(index, line)| {
        let number = line.strip_prefix("| ")?.split(' ').next()?.parse().ok()?;
        Some((index + 1, number, line))
    })
}

/// Each `path/of/file.rs::name_of_test` of a row.
fn tests(row: &str) -> impl Iterator<Item = (&str, &str)> {
    row.split('`').skip(1).step_by(2).filter_map(|code| {
        code.split_once(".rs::").map(|(file, name)| (&code[..file.len() + ".rs".len()], name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "#[test]\nfn holds() {}\n\nfn helps() {}\n\n    #[tokio::test(start_paused = true)]\n    #[ignore = \"slow\"]\n    async fn sleeps() {}\n";

    fn findings(kept: &str) -> Vec<String> {
        let page = format!(
            "{PROMISED}\n\n| | promise |\n|---|---|\n| 1 | this |\n| 2 | that |\n\n{KEPT}\n\n{kept}\n"
        );
        let tree = Tree::of(&[(PAGE, &page), ("a/b.rs", FILE)]);
        check(&tree).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn each_promise_names_a_test_that_is_there() {
        assert!(findings("| 1 | `a/b.rs::holds` |\n| 2 | x `a/b.rs::holds`, `a/b.rs` |").is_empty());
    }

    #[test]
    fn a_promise_without_a_test_and_a_test_that_is_gone_are_found() {
        assert_eq!(findings("| 1 | `a/b.rs::holds` |"), ["no test is named that keeps promise 2"]);
        assert_eq!(
            findings("| 1 | `a/b.rs::hold` |\n| 2 | `a/c.rs::holds` |"),
            ["`a/b.rs` has no test `hold`", "`a/c.rs` has no test `holds`"]
        );
        assert_eq!(findings("| 2 | `a/b.rs::holds` |\n| 1 | none |").len(), 1);
    }

    #[test]
    fn a_function_that_is_no_test_or_does_not_run_keeps_nothing() {
        assert_eq!(
            findings("| 1 | `a/b.rs::helps` |\n| 2 | `a/b.rs::sleeps` |"),
            ["`a/b.rs` has no `#[test]` on `helps`", "`a/b.rs` ignores the test `sleeps`"]
        );
    }
}
