//! Which interfaces a manifest asks for.

use std::collections::BTreeSet;

use bulla_signing::Manifest;

/// What every addon may import without asking: it has no reach of its own. `audit` and `jobs` work on the addon's own
/// entries and its own listed jobs; `bulla:addon/types` and `bulla:kernel/types` are types only.
const FREE: &[&str] = &[
    "bulla:addon/types",
    "bulla:kernel/types",
    "bulla:kernel/context",
    "bulla:kernel/log",
    "bulla:kernel/audit",
    "bulla:kernel/jobs",
];

/// Whether every addon may import this interface (a name without version) without asking.
pub fn is_free(interface: &str) -> bool {
    FREE.contains(&interface)
}

/// The interfaces behind the capabilities that the manifest asks for, by name without version.
pub fn requested(manifest: &Manifest) -> BTreeSet<String> {
    let capabilities = manifest.capabilities();
    let rooms = [
        ("bulla:kernel/sequences", capabilities.sequences().is_empty()),
        ("bulla:kernel/approvals", capabilities.approvals().is_empty()),
        ("bulla:kernel/secrets", capabilities.secrets().is_empty()),
        ("bulla:kernel/keys", capabilities.keys().is_empty()),
    ];
    let kernel = rooms.into_iter().filter(|(_, none)| !none).map(|(interface, _)| interface.to_owned());
    let wasi = capabilities.wasi().imports().iter().map(|interface| interface.as_str().to_owned());
    kernel.chain(wasi).collect()
}
