//! The parts of a `Cargo.toml` that the checks read.

use toml::{Table, Value};

/// A crate of this repository.
pub(crate) struct Manifest {
    table: Table,
}

impl Manifest {
    pub fn parse(text: &str) -> Option<Self> {
        Some(Self { table: text.parse().ok()? })
    }

    /// `None`: a workspace without a crate of its own.
    pub fn is_package(&self) -> bool {
        self.table.contains_key("package")
    }

    /// What ships depends on these: normal and build dependencies, of every platform. Tests may use more.
    pub fn dependencies(&self) -> Vec<String> {
        let mut names = sections(&self.table);
        if let Some(platforms) = self.table.get("target").and_then(Value::as_table) {
            names.extend(platforms.values().filter_map(Value::as_table).flat_map(sections));
        }
        names
    }

    pub fn inherits_lints(&self) -> bool {
        let lints = self.table.get("lints");
        lints.and_then(|lints| lints.get("workspace")).and_then(Value::as_bool) == Some(true)
    }

    /// Paths of the workspace's members.
    pub fn members(&self) -> Vec<&str> {
        let members = self.table.get("workspace").and_then(|workspace| workspace.get("members"));
        let members = members.and_then(Value::as_array).into_iter().flatten();
        members.filter_map(Value::as_str).collect()
    }
}

/// A dependency's real name, where it is renamed.
fn sections(table: &Table) -> Vec<String> {
    ["dependencies", "build-dependencies"]
        .into_iter()
        .filter_map(|section| table.get(section)?.as_table())
        .flatten()
        .map(|(name, value)| {
            let package = value.get("package").and_then(Value::as_str);
            package.unwrap_or(name).to_owned()
        })
        .collect()
}
