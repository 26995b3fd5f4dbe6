//! A new addon project. Its sources are `plugins/hello`, a member of the workspace, so that the template always builds.

use std::fs;
use std::path::Path;

use bulla_base::AddonName;
use toml::{Table, Value};

use crate::{TemplateError, lock};

/// The name that the template's own sources carry.
const TEMPLATE: &str = "hello";

/// Names that cargo or rustc refuse for a package, or that the SDK has.
const RESERVED: &[&str] = &[
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "build",
    "bulla",
    "bulla-macros",
    "const",
    "continue",
    "core",
    "crate",
    "deps",
    "do",
    "dyn",
    "else",
    "enum",
    "examples",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "incremental",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
];

/// Embeds files by their path from the repository's root.
macro_rules! embed {
    ($($path:literal),* $(,)?) => { &[$(($path, include_str!(concat!("../../../", $path)))),*] };
}

/// What a project gets under `vendor/`, at the paths of the repository: so the SDK finds its WIT where it always does.
pub(crate) const VENDORED: &[(&str, &str)] = embed![
    "guest-sdk/macros/src/data.rs",
    "guest-sdk/macros/src/entry.rs",
    "guest-sdk/macros/src/lib.rs",
    "guest-sdk/rust/src/approvals.rs",
    "guest-sdk/rust/src/bindings.rs",
    "guest-sdk/rust/src/bytes.rs",
    "guest-sdk/rust/src/call.rs",
    "guest-sdk/rust/src/date.rs",
    "guest-sdk/rust/src/entry.rs",
    "guest-sdk/rust/src/error.rs",
    "guest-sdk/rust/src/jobs.rs",
    "guest-sdk/rust/src/keys.rs",
    "guest-sdk/rust/src/lib.rs",
    "guest-sdk/rust/src/secrets.rs",
    "guest-sdk/rust/src/sequences.rs",
    "wit/addon-0.1.0/addon.wit",
    "wit/kernel-0.1.0/approvals.wit",
    "wit/kernel-0.1.0/audit.wit",
    "wit/kernel-0.1.0/context.wit",
    "wit/kernel-0.1.0/jobs.wit",
    "wit/kernel-0.1.0/keys.wit",
    "wit/kernel-0.1.0/log.wit",
    "wit/kernel-0.1.0/secrets.wit",
    "wit/kernel-0.1.0/sequences.wit",
    "wit/kernel-0.1.0/types.wit",
];

const VENDORED_MANIFESTS: &[(&str, &str)] =
    embed!["guest-sdk/macros/Cargo.toml", "guest-sdk/rust/Cargo.toml"];

/// Copied with the template's name replaced.
const NAMED: &[(&str, &str)] = embed!["plugins/hello/README.md", "plugins/hello/addon.toml"];

/// Copied as they are.
pub(crate) const PLAIN: &[(&str, &str)] = embed![
    "plugins/hello/.gitignore",
    "plugins/hello/src/lib.rs",
    "plugins/hello/tests/place.json",
    "plugins/hello/tests/place_without_id.json",
];

const HELLO_MANIFEST: &str = include_str!("../../../plugins/hello/Cargo.toml");
const GUESTS_MANIFEST: &str = include_str!("../../../plugins/Cargo.toml");
const GUESTS_LOCK: &str = include_str!("../../../plugins/Cargo.lock");
const ROOT_MANIFEST: &str = include_str!("../../../Cargo.toml");

/// Writes the project `name` into `dir`, which must not exist or be empty. It builds without an edit and, with a warm cargo cache,
/// without the network. Errors: [`TemplateError`]; `Name` unless it is an addon name that cargo takes as well.
pub fn write_project(dir: &Path, name: &str) -> Result<(), TemplateError> {
    check_name(name)?;
    if fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) || dir.is_file() {
        return Err(TemplateError::Exists(dir.to_owned()));
    }
    for (path, text) in files(name)? {
        write(&dir.join(path), &text)?;
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), TemplateError> {
    let refused = |reason: String| Err(TemplateError::Name { name: name.to_owned(), reason });
    if let Err(error) = name.parse::<AddonName>() {
        return refused(error.to_string());
    }
    match RESERVED.contains(&name) {
        true => refused("the name is reserved by Rust or cargo".to_owned()),
        false => Ok(()),
    }
}

/// Every file of the project with its path in it.
fn files(name: &str) -> Result<Vec<(String, String)>, TemplateError> {
    let own = |path: &str| path.trim_start_matches("plugins/hello/").to_owned();
    let mut files = vec![
        ("Cargo.toml".to_owned(), manifest(name)?),
        (
            "Cargo.lock".to_owned(),
            lock::prune(GUESTS_LOCK, TEMPLATE, name)
                .ok_or_else(|| malformed("plugins/Cargo.lock", "no closure"))?,
        ),
    ];
    files.extend(NAMED.iter().map(|(path, text)| (own(path), text.replace(TEMPLATE, name))));
    files.extend(PLAIN.iter().map(|(path, text)| (own(path), (*text).to_owned())));
    files.extend(VENDORED.iter().map(|(path, text)| (format!("vendor/{path}"), (*text).to_owned())));
    for (path, text) in VENDORED_MANIFESTS {
        files.push((format!("vendor/{path}"), standalone(path, text)?));
    }
    Ok(files)
}

/// The project is a workspace of its own, with the profile of the first-party addons.
fn manifest(name: &str) -> Result<String, TemplateError> {
    let mut guests = table("plugins/Cargo.toml", GUESTS_MANIFEST)?;
    let profile = guests.remove("profile").ok_or_else(|| malformed("plugins/Cargo.toml", "no `profile`"))?;
    let profile = toml::to_string(&Table::from_iter([("profile".to_owned(), profile)]))
        .map_err(|error| malformed("plugins/Cargo.toml", &error.to_string()))?;
    let own = HELLO_MANIFEST.replace(TEMPLATE, name).replace("../../guest-sdk", "vendor/guest-sdk");
    Ok(format!("{own}\n[workspace]\n\n{profile}"))
}

/// A manifest of this workspace without the workspace: what it inherits is written out.
fn standalone(path: &'static str, text: &str) -> Result<String, TemplateError> {
    let mut manifest = table(path, text)?;
    let root = table("Cargo.toml", ROOT_MANIFEST)?;
    manifest.remove("lints");
    for section in ["package", "dependencies"] {
        let source =
            root.get("workspace").and_then(|workspace| workspace.get(section)).and_then(Value::as_table);
        let source = source.ok_or_else(|| malformed("Cargo.toml", section))?;
        let own = manifest
            .get_mut(section)
            .and_then(Value::as_table_mut)
            .ok_or_else(|| malformed(path, section))?;
        for (key, value) in own.iter_mut().filter(|(_, value)| value.get("workspace").is_some()) {
            *value = source.get(key).cloned().ok_or_else(|| malformed("Cargo.toml", key))?;
            beside(value);
        }
    }
    toml::to_string(&manifest).map_err(|error| malformed(path, &error.to_string()))
}

/// A path of the repository's root, seen from a crate beside it: `guest-sdk/macros` is `../macros`.
fn beside(dependency: &mut Value) {
    if let Some(Value::String(path)) = dependency.get_mut("path") {
        *path = format!("../{}", path.rsplit('/').next().unwrap_or(path));
    }
}

fn table(file: &'static str, text: &str) -> Result<Table, TemplateError> {
    text.parse().map_err(|error: toml::de::Error| malformed(file, &error.to_string()))
}

fn malformed(file: &'static str, reason: &str) -> TemplateError {
    TemplateError::Embedded { file, reason: reason.to_owned() }
}

fn write(path: &Path, text: &str) -> Result<(), TemplateError> {
    let io = |source| TemplateError::Io { path: path.to_owned(), source };
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(io)?;
    }
    fs::write(path, text).map_err(io)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use super::*;

    fn repository() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    fn listed(dir: &str, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(repository().join(dir)).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{dir}/{}", entry.file_name().to_string_lossy());
            match entry.file_type().unwrap().is_dir() {
                true => listed(&path, found),
                false => {
                    found.insert(path);
                }
            }
        }
    }

    #[test]
    fn every_source_of_the_sdk_is_embedded() {
        let mut found = BTreeSet::new();
        for dir in ["guest-sdk/macros/src", "guest-sdk/rust/src", "wit/addon-0.1.0", "wit/kernel-0.1.0"] {
            listed(dir, &mut found);
        }
        assert_eq!(found, VENDORED.iter().map(|(path, _)| (*path).to_owned()).collect());
    }

    #[test]
    fn every_test_case_of_the_template_is_embedded() {
        let mut found = BTreeSet::new();
        listed("plugins/hello/tests", &mut found);
        listed("plugins/hello/src", &mut found);
        found.insert("plugins/hello/.gitignore".to_owned());
        assert_eq!(found, PLAIN.iter().map(|(path, _)| (*path).to_owned()).collect());
    }

    #[test]
    fn nothing_of_the_project_inherits_from_a_workspace() {
        for (path, text) in files("orders").unwrap().iter().filter(|(path, _)| path.ends_with("Cargo.toml")) {
            assert!(!text.contains("workspace = true"), "{path}:\n{text}");
            assert!(!text.contains("hello"), "{path}:\n{text}");
        }
    }

    #[test]
    fn the_addon_is_thirty_lines_at_most() {
        let (_, source) = PLAIN.iter().find(|(path, _)| path.ends_with("lib.rs")).unwrap();
        assert!(source.lines().count() <= 30);
    }

    #[test]
    fn names_that_cargo_refuses_are_refused() {
        for name in ["", "Hello", "a b", "fn", "test", "bulla", "../x"] {
            assert!(matches!(check_name(name), Err(TemplateError::Name { .. })), "{name}");
        }
        check_name("hello").unwrap();
    }

    #[test]
    fn an_existing_project_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        write_project(dir.path(), "orders").unwrap();
        let before = fs::read(dir.path().join("addon.toml")).unwrap();
        assert!(matches!(write_project(dir.path(), "other"), Err(TemplateError::Exists(_))));
        assert_eq!(fs::read(dir.path().join("addon.toml")).unwrap(), before);
    }
}
