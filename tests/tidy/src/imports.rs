//! Who may import what. The lines between the host's crates are its design; this is where they are drawn.

use crate::manifest::Manifest;
use crate::source::{code_only, is_name, line_of};
use crate::{Finding, Tree};

/// A crate's folder, its name, and which crates of this repository it may depend on.
struct Line {
    dir: &'static str,
    may: &'static [&'static str],
}

const LINES: &[Line] = &[
    Line { dir: "host/base", may: &[] },
    Line { dir: "host/store", may: &["bulla-base"] },
    Line { dir: "signing", may: &["bulla-base"] },
    Line { dir: "host/kernel", may: &["bulla-base", "bulla-store"] },
    Line { dir: "host/engine", may: &["bulla-base", "bulla-signing"] },
    // The ports that these two implement stand in the kernel.
    Line { dir: "host/policy", may: &["bulla-base", "bulla-kernel"] },
    Line { dir: "host/egress", may: &["bulla-base", "bulla-kernel"] },
    Line { dir: "host/bindings", may: &["bulla-base", "bulla-kernel", "bulla-engine"] },
    Line { dir: "host/server", may: &["bulla-base", "bulla-kernel"] },
    Line {
        dir: "host/node",
        may: &[
            "bulla-base",
            "bulla-store",
            "bulla-kernel",
            "bulla-engine",
            "bulla-bindings",
            "bulla-policy",
            "bulla-egress",
            "bulla-server",
            "bulla-signing",
        ],
    },
    // A judge of what the rooms wrote shares no code with them.
    Line { dir: "host/scan", may: &["bulla-base"] },
    Line {
        dir: "host/cli",
        may: &["bulla-base", "bulla-node", "bulla-scan", "bulla-signing", "bulla-guest-build"],
    },
    Line { dir: "guest-sdk/build", may: &["bulla-base"] },
    Line { dir: "guest-sdk/rust", may: &["bulla-macros"] },
    Line { dir: "guest-sdk/macros", may: &[] },
];

/// A third-party crate that has one place.
struct Kept {
    /// The crate as `Cargo.toml` writes it.
    names: &'static [&'static str],
    /// Crates that may depend on it.
    crates: &'static [&'static str],
    /// Whether this file may name it, where the crate may.
    file: fn(&str) -> bool,
    /// For the message.
    place: &'static str,
}

const KEPT: &[Kept] = &[
    Kept {
        names: &["sqlx"],
        crates: &["host/store", "host/kernel", "host/scan"],
        // A test may change a row behind the store's back, to see the damage found.
        file: |path| {
            let whole = ["host/store/", "host/scan/"].iter().any(|dir| path.starts_with(dir));
            whole || path.ends_with("/store.rs") || is_test(path)
        },
        place: "`host/store`, a room's `store.rs` and `host/scan`",
    },
    Kept {
        names: &["wasmtime", "wasmtime-wasi", "wasmtime-wasi-io"],
        crates: &["host/engine", "host/bindings"],
        file: |_| true,
        place: "`host/engine` and `host/bindings`",
    },
    Kept {
        names: &["axum", "hyper", "hyper-util", "tower", "tower-http"],
        crates: &["host/server"],
        file: |_| true,
        place: "`host/server`",
    },
    Kept {
        names: &["reqwest"],
        crates: &["host/egress", "host/cli"],
        file: |_| true,
        place: "`host/egress` and `host/cli`",
    },
];

fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

/// What each crate of the host and the SDK lists in its `Cargo.toml`.
pub(crate) fn dependencies(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts("", "/Cargo.toml") {
        let dir = path.trim_end_matches("/Cargo.toml");
        let Some(manifest) = Manifest::parse(text).filter(Manifest::is_package) else {
            continue;
        };
        let line = LINES.iter().find(|line| line.dir == dir);
        let refuse = |message| Finding::error("imports", path, None, message);
        if line.is_none() && dir.starts_with("host/") {
            findings
                .push(refuse("a new crate of the host needs its line in tests/tidy/src/imports.rs".into()));
        }
        let Some(line) = line else { continue };
        for name in manifest.dependencies() {
            if name.starts_with("bulla") && !line.may.contains(&name.as_str()) {
                let may = line.may.join("`, `");
                findings.push(refuse(format!("may not depend on `{name}`, only on `{may}`")));
            }
            if let Some(kept) = KEPT.iter().find(|kept| kept.names.contains(&name.as_str()))
                && !kept.crates.contains(&dir)
            {
                findings.push(refuse(format!("`{name}` belongs to {} only", kept.place)));
            }
        }
    }
    findings
}

/// What the source of the host names, in `use` lines and in paths.
pub(crate) fn paths(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts("host/", ".rs") {
        let dir = path.split('/').take(2).collect::<Vec<_>>().join("/");
        let code = code_only(text);
        for kept in KEPT {
            if kept.crates.contains(&dir.as_str()) && (kept.file)(path) {
                continue;
            }
            for name in kept.names {
                if let Some(offset) = names_crate(&code, &name.replace('-', "_")) {
                    let message = format!("`{name}` belongs to {} only", kept.place);
                    findings.push(Finding::error("imports", path, Some(line_of(&code, offset)), message));
                }
            }
        }
    }
    findings
}

/// Where the code names a crate: `name::…`, `use name;`, `use name as …`.
fn names_crate(code: &str, name: &str) -> Option<usize> {
    code.match_indices(name).map(|(at, _)| at).find(|at| {
        let (before, after) = (&code[..*at], &code[at + name.len()..]);
        let whole = !before.ends_with(is_name) && !after.starts_with(is_name);
        let of_a_path = before.trim_end().ends_with("::") && !before.trim_end().ends_with("use ::");
        let used = before.trim_end().ends_with("use");
        whole && !of_a_path && (after.trim_start().starts_with("::") || used)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(findings: &[Finding]) -> Vec<(&str, Option<usize>)> {
        findings.iter().map(|finding| (finding.path.as_str(), finding.line)).collect()
    }

    #[test]
    fn a_dependency_across_a_line_is_found() {
        let tree = Tree::of(&[
            (
                "host/base/Cargo.toml",
                "[package]\nname = \"bulla-base\"\n[dependencies]\nbulla-store.workspace = true\n",
            ),
            (
                "host/server/Cargo.toml",
                "[package]\n[dependencies]\naxum.workspace = true\nbulla-kernel.workspace = true\n",
            ),
            (
                "host/policy/Cargo.toml",
                "[package]\n[target.'cfg(unix)'.dependencies]\nhttp = { package = \"hyper\", version = \"1\" }\n",
            ),
            (
                "host/kernel/Cargo.toml",
                "[package]\n[dependencies]\nsqlx.workspace = true\n[dev-dependencies]\nreqwest = \"1\"\n",
            ),
            ("host/other/Cargo.toml", "[package]\nname = \"bulla-other\"\n"),
        ]);
        let findings = dependencies(&tree);
        assert_eq!(
            lines(&findings),
            [
                ("host/base/Cargo.toml", None),
                ("host/other/Cargo.toml", None),
                ("host/policy/Cargo.toml", None)
            ]
        );
    }

    #[test]
    fn a_path_across_a_line_is_found() {
        let tree = Tree::of(&[
            (
                "host/kernel/src/jobs/service.rs",
                "use crate::Core;\n\n#[derive(sqlx::FromRow)]\nstruct Row;\n",
            ),
            ("host/kernel/src/jobs/store.rs", "use sqlx::Row;\n"),
            (
                "host/kernel/src/audit/mod.rs",
                "//! No sqlx::Row here, only a `sqlx::x`.\nfn my_sqlx() { crate::sqlx::y() }\n",
            ),
            ("host/kernel/src/audit/tests.rs", "use sqlx::Row;\n"),
            ("host/store/src/db.rs", "use sqlx::Pool;\n"),
            ("host/node/src/main.rs", "use wasmtime as w;\n"),
            ("host/cli/src/main.rs", "use reqwest::Client;\nuse axum::Router;\n"),
        ]);
        let findings = paths(&tree);
        assert_eq!(
            lines(&findings),
            [
                ("host/cli/src/main.rs", Some(2)),
                ("host/kernel/src/jobs/service.rs", Some(3)),
                ("host/node/src/main.rs", Some(1)),
            ]
        );
    }
}
