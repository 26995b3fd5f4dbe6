//! Every relative link of the documentation leads somewhere.

use crate::{Finding, Tree};

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts("", ".md") {
        let dir = path.rsplit_once('/').map_or("", |(dir, _)| dir);
        for (line, target) in links(text) {
            let file = target.split(['#', '?']).next().unwrap_or_default();
            let outside = target.contains("://") || target.starts_with("mailto:") || file.is_empty();
            if !outside && !resolve(dir, file).is_some_and(|path| path.is_empty() || tree.exists(&path)) {
                findings.push(Finding::error("links", path, Some(line), format!("`{target}` leads nowhere")));
            }
        }
    }
    findings
}

/// Line and target of each `[text](target)` and `[text]: target`, outside of code.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        let definition = line.trim_start().strip_prefix('[').and_then(|rest| rest.split_once("]: "));
        found.extend(definition.map(|(_, target)| (index + 1, target.trim())));
        for (at, _) in line.match_indices("](") {
            let in_code = line[..at].matches('`').count() % 2 == 1;
            let target = line[at + 2..].split([')', ' ']).next().unwrap_or_default();
            if !in_code {
                found.push((index + 1, target.trim_matches(['<', '>'])));
            }
        }
    }
    found
}

/// The path from the root; `None` when it leaves the repository.
fn resolve(dir: &str, file: &str) -> Option<String> {
    let mut parts: Vec<&str> = dir.split('/').filter(|part| !part.is_empty()).collect();
    for part in file.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_nothing_is_found() {
        let page = "[a](../README.md#top) [b](missing.md)\n```\n[c](missing.md)\n```\n`[d](missing.md)`\n[e](https://x.example/y)\n[f]: other/\n[g](../../outside.md)\n[h](#here)\n";
        let tree = Tree::of(&[("docs/page.md", page), ("README.md", "[docs](docs/) [page](docs/page.md)")]);
        let found: Vec<_> = check(&tree).into_iter().map(|finding| finding.line).collect();
        assert_eq!(found, [Some(1), Some(7), Some(8)]);
    }
}
