//! Every error code, limit and configuration key has its page or row, and no page is left over.

use crate::{Finding, Tree};

const CODES: &str = "host/base/src/codes.rs";
const ERRORS: &str = "docs/src/errors/";
const INDEX: &str = "docs/src/SUMMARY.md";
const LIMITS: &str = "host/base/src/limits.rs";
const LIMITS_PAGE: &str = "docs/src/limits.md";
const KEYS: &str = "host/node/src/config/keys.rs";
const KEYS_PAGE: &str = "docs/src/config.md";

/// One page a code, with the code as its title, in the book's table of contents.
pub(crate) fn errors(tree: &Tree) -> Vec<Finding> {
    let codes: Vec<_> = tree.text(CODES).unwrap_or_default().lines().filter_map(code_of).collect();
    let index = tree.text(INDEX).unwrap_or_default();
    let mut findings = Vec::new();
    for code in &codes {
        let path = format!("{ERRORS}{code}.md");
        let mut refuse =
            |message: &str| findings.push(Finding::error("pages", &path, None, message.to_owned()));
        match tree.text(&path) {
            None => refuse("the error code has no page"),
            Some(text) if text.lines().next() != Some(&format!("# {code}")) => {
                refuse("the page's title must be the code")
            }
            Some(_) if !index.contains(&format!("(errors/{code}.md)")) => {
                refuse("the page is not in docs/src/SUMMARY.md")
            }
            Some(_) => {}
        }
    }
    for (path, _) in tree.texts(ERRORS, ".md") {
        let name = path[ERRORS.len()..].trim_end_matches(".md");
        if name != "index" && !codes.contains(&name) {
            findings.push(Finding::error("pages", path, None, format!("{CODES} has no such code")));
        }
    }
    findings
}

/// `NAME = "text", status, …`
fn code_of(line: &str) -> Option<&str> {
    let (name, rest) = line.trim().split_once(" = \"")?;
    let (code, rest) = rest.split_once("\", ")?;
    let is_constant = name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    (is_constant && rest.starts_with(|c: char| c.is_ascii_digit())).then_some(code)
}

/// One row a limit, with the name in the first column.
pub(crate) fn limits(tree: &Tree) -> Vec<Finding> {
    let names: Vec<_> = tree.text(LIMITS).unwrap_or_default().lines().filter_map(limit_of).collect();
    let page = tree.text(LIMITS_PAGE).unwrap_or_default();
    names
        .into_iter()
        .filter(|name| !page.contains(&format!("\n| `{name}` |")))
        .map(|name| Finding::error("pages", LIMITS_PAGE, None, format!("the limit `{name}` has no row")))
        .collect()
}

/// `field / "name": Type = default;`
fn limit_of(line: &str) -> Option<&str> {
    let (_, rest) = line.trim().split_once(" / \"")?;
    Some(rest.split_once("\": ")?.0)
}

/// One row a key of the configuration, with the default in the second column.
pub(crate) fn configuration(tree: &Tree) -> Vec<Finding> {
    let source = tree.text(KEYS).unwrap_or_default();
    let list = source.split_once("const KEYS").map_or("", |(_, list)| list);
    let page = tree.text(KEYS_PAGE).unwrap_or_default();
    keys_of(list)
        .into_iter()
        .filter(|(name, default)| !page.contains(&format!("\n| `{name}` | `{default}` |")))
        .map(|(name, default)| {
            let message = format!("the key `{name}` has no row with its default `{default}`");
            Finding::error("pages", KEYS_PAGE, None, message)
        })
        .collect()
}

/// Name and default: the first two texts of each `text(…)`, `integer(…)` and `Key { … }`.
fn keys_of(list: &str) -> Vec<(&str, &str)> {
    let starts = ["text(", "integer(", "Key {"];
    let mut at: Vec<_> =
        starts.iter().flat_map(|start| list.match_indices(start)).map(|(at, _)| at).collect();
    at.sort_unstable();
    at.into_iter()
        .filter_map(|at| {
            let mut texts = list[at..].split('"').skip(1).step_by(2);
            Some((texts.next()?, texts.next()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "macro_rules! x { ($a:ident = $b:literal) => {} }\n    BUSY = \"busy\", 429, \"no\";\n    TRAP = \"trap\", 502, \"no\";\n";

    #[test]
    fn a_code_without_a_page_and_a_page_without_a_code_are_found() {
        let tree = Tree::of(&[
            (CODES, TWO),
            ("docs/src/errors/busy.md", "# busy\n"),
            ("docs/src/errors/gone.md", "# gone\n"),
            ("docs/src/errors/index.md", "# Errors\n"),
            (INDEX, "- [busy](errors/busy.md)\n"),
        ]);
        let found: Vec<_> = errors(&tree).into_iter().map(|finding| finding.path).collect();
        assert_eq!(found, ["docs/src/errors/trap.md", "docs/src/errors/gone.md"]);
    }

    #[test]
    fn a_page_with_another_title_or_outside_of_the_book_is_found() {
        let tree = Tree::of(&[
            (CODES, TWO),
            ("docs/src/errors/busy.md", "# Busy\n"),
            ("docs/src/errors/trap.md", "# trap\n"),
            (INDEX, "- [busy](errors/busy.md)\n"),
        ]);
        let found: Vec<_> = errors(&tree).into_iter().map(|finding| finding.path).collect();
        assert_eq!(found, ["docs/src/errors/busy.md", "docs/src/errors/trap.md"]);
    }

    #[test]
    fn a_limit_without_a_row_is_found() {
        let tree = Tree::of(&[
            (LIMITS, "    fuel / \"fuel\": Fuel = Fuel(5);\n    log / \"log\": Bytes = Bytes(1);\n"),
            (LIMITS_PAGE, "# Limits\n| `fuel` | 50M |\nthe `log`\n"),
        ]);
        let found: Vec<_> = limits(&tree).into_iter().map(|finding| finding.message).collect();
        assert_eq!(found, ["the limit `log` has no row"]);
    }

    #[test]
    fn a_key_without_its_row_or_with_another_default_is_found() {
        let source = "pub const KEYS: &[Key] = &[\n    text(\"a.b\", \"1s\", \"Doc.\"),\n    integer(\n        \"a.c\",\n        \"8\",\n        \"Doc.\",\n    ),\n    Key { name: \"a.d\", kind: Kind::Flag, default: \"true\", doc: \"Doc.\" },\n];\n";
        let tree = Tree::of(&[(KEYS, source), (KEYS_PAGE, "\n| `a.b` | `1s` |\n| `a.c` | `9` |\n")]);
        let found: Vec<_> = configuration(&tree).into_iter().map(|finding| finding.message).collect();
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("`a.c`") && found[1].contains("`a.d`"), "{found:?}");
    }
}
