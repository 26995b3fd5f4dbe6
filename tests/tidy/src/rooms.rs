//! Rooms of the kernel never import rooms.

use std::collections::BTreeSet;

use crate::source::{code_only, is_name, line_of};
use crate::{Finding, Tree};

const ROOMS: &str = "host/kernel/src/";

/// Each `crate::<other room>` in a room's folder. A room is a folder with a `mod.rs`.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let rooms: BTreeSet<_> = tree
        .paths()
        .filter_map(|path| path.strip_prefix(ROOMS)?.strip_suffix("/mod.rs"))
        .filter(|room| !room.contains('/'))
        .collect();
    let mut findings = Vec::new();
    for (path, text) in tree.texts(ROOMS, ".rs") {
        let own = path[ROOMS.len()..].split('/').next().unwrap_or_default();
        if !rooms.contains(own) {
            continue;
        }
        let code = code_only(text);
        for (offset, name) in from_the_root(&code) {
            if name != own && rooms.contains(name) {
                let message = format!(
                    "the room `{own}` may not import the room `{name}`: ask for a trait in host/kernel/src/ports.rs"
                );
                findings.push(Finding::error("rooms", path, Some(line_of(&code, offset)), message));
            }
        }
    }
    findings
}

/// The first name of each path from the crate's root, with its offset: of `crate::{a::B, c}` both `a` and `c`.
fn from_the_root(code: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (at, start) in code.match_indices("crate::") {
        if code[..at].ends_with(is_name) {
            continue;
        }
        let from = at + start.len();
        match code[from..].starts_with('{') {
            true => found.extend(of_a_group(code, from)),
            false => found.extend(name_at(code, from).map(|name| (at, name))),
        }
    }
    found
}

fn of_a_group(code: &str, open: usize) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut depth = 0usize;
    for (at, c) in code[open..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => break,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 1 && matches!(c, '{' | ',') {
            let rest = &code[open + at + 1..];
            let from = open + at + 1 + (rest.len() - rest.trim_start().len());
            found.extend(name_at(code, from).map(|name| (from, name)));
        }
    }
    found
}

fn name_at(code: &str, from: usize) -> Option<&str> {
    let rest = &code[from..];
    let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
    (end > 0).then(|| &rest[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_that_imports_a_room_is_found() {
        let tree = Tree::of(&[
            ("host/kernel/src/jobs/mod.rs", ""),
            ("host/kernel/src/jobs/service.rs", "use crate::jobs::model::Job;\nuse crate::call::Call;\n"),
            ("host/kernel/src/audit/mod.rs", ""),
            (
                "host/kernel/src/audit/service.rs",
                "use crate::{\n    call::{Call, jobs},\n    jobs::Job,\n};\nfn f() { crate::jobs::g() }\n",
            ),
            ("host/kernel/src/call.rs", "use crate::jobs::Overlay;\n"),
        ]);
        let found: Vec<_> = check(&tree).into_iter().map(|finding| (finding.path, finding.line)).collect();
        let path = "host/kernel/src/audit/service.rs".to_owned();
        assert_eq!(found, [(path.clone(), Some(3)), (path, Some(5))]);
    }
}
