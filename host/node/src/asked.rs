//! A manifest's capabilities in the kernel's words.

use bulla_engine::Granted;
use bulla_kernel::grants::{DirectoryGrant, Grants, KeyGrant, SecretGrant};
use bulla_signing::Manifest;
use bulla_signing::manifest::DirectoryAccess;

/// What the manifest asks for.
pub fn asked(manifest: &Manifest) -> Grants {
    let capabilities = manifest.capabilities();
    let secrets = capabilities.secrets().iter().map(|(alias, request)| {
        let destinations = request.destinations().iter().map(ToString::to_string).collect();
        (alias.clone(), SecretGrant { purpose: request.purpose().clone(), destinations })
    });
    let keys = capabilities
        .keys()
        .iter()
        .map(|(alias, request)| (alias.clone(), KeyGrant { purpose: request.purpose().clone() }));
    let wasi = capabilities.wasi();
    Grants {
        sequences: capabilities.sequences().clone(),
        approvals: capabilities.approvals().clone(),
        secrets: secrets.collect(),
        keys: keys.collect(),
        wasi: wasi.imports().iter().map(|interface| interface.as_str().to_owned()).collect(),
        // Only the operator knows a path; the manifest says whether it wants to write.
        directory: wasi.directory().map(|access| DirectoryGrant {
            path: Default::default(),
            writable: access == DirectoryAccess::ReadWrite,
        }),
    }
}

/// The interfaces behind the capabilities in force.
pub fn granted_interfaces(grants: &Grants) -> Granted {
    let rooms = [
        ("bulla:kernel/sequences", grants.sequences.is_empty()),
        ("bulla:kernel/approvals", grants.approvals.is_empty()),
        ("bulla:kernel/secrets", grants.secrets.is_empty()),
        ("bulla:kernel/keys", grants.keys.is_empty()),
    ];
    let kernel = rooms.into_iter().filter(|(_, none)| !none).map(|(interface, _)| interface.to_owned());
    kernel.chain(grants.wasi.iter().cloned()).collect()
}

/// What was asked for and is not in force, as `kind name`.
pub fn withheld(asked: &Grants, in_force: &Grants) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    all.extend(asked.sequences.difference(&in_force.sequences).map(|key| format!("sequence {key}")));
    all.extend(asked.approvals.difference(&in_force.approvals).map(|scope| format!("approval {scope}")));
    let missing = |present: bool, text: String| (!present).then_some(text);
    all.extend(asked.secrets.iter().filter_map(|(alias, grant)| {
        missing(in_force.secrets.contains_key(alias), format!("secret {alias} for {}", grant.purpose))
    }));
    all.extend(asked.keys.iter().filter_map(|(alias, grant)| {
        missing(in_force.keys.contains_key(alias), format!("key {alias} for {}", grant.purpose))
    }));
    all.extend(asked.wasi.difference(&in_force.wasi).map(|import| format!("wasi {import}")));
    all.extend(missing(asked.directory.is_none() || in_force.directory.is_some(), "directory".into()));
    all
}
