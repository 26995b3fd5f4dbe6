//! What a package says about itself, for people. Nothing here is verified, and nothing here can be loaded.

use bulla_base::{AddonName, Timestamp};
use semver::Version;
use serde::Serialize;

use crate::contract::{Contract, ContractError};
use crate::digest::Digest;
use crate::key::KeyId;
use crate::manifest::{Manifest, ManifestError};
use crate::package::{Layout, PackageBounds, PackageError, Statement};

/// The claims of a package whose signature was not checked.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// SHA-256 and size of the whole file, as it is.
    pub package: Measured,
    pub name: AddonName,
    pub version: Version,
    /// The key it says it was signed with.
    pub key: KeyId,
    pub signed_at: Timestamp,
    /// As the file is, not as the statement says.
    pub manifest_file: Measured,
    pub component_file: Measured,
    /// Whether manifest and component are the ones the statement names.
    pub files_match: bool,
    pub manifest: Result<Manifest, ManifestError>,
    pub contract: Result<Contract, ContractError>,
}

/// What was found by measuring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Measured {
    pub sha256: Digest,
    /// Bytes.
    pub size: u64,
}

/// Reads a package without verifying it. Errors: the layout and the statement; a bad manifest or contract is part of the answer.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, PackageError> {
    let layout = Layout::read(bytes, &PackageBounds::default())?;
    let statement = Statement::parse(&bytes[layout.statement])?;
    let (manifest, component) = (&bytes[layout.manifest], &bytes[layout.component]);
    let (manifest_file, component_file) = (Measured::of(manifest), Measured::of(component));
    let stated = |file: &crate::package::FileStatement| Measured { sha256: file.sha256, size: file.size };
    Ok(Inspection {
        package: Measured::of(bytes),
        signed_at: statement.signed_at(),
        files_match: manifest_file == stated(&statement.files.manifest)
            && component_file == stated(&statement.files.component),
        name: statement.name,
        version: statement.version,
        key: statement.key,
        manifest_file,
        component_file,
        manifest: Manifest::parse_bytes(manifest),
        contract: Contract::read(component),
    })
}

impl Measured {
    fn of(bytes: &[u8]) -> Self {
        Self { sha256: Digest::of(bytes), size: bytes.len() as u64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    #[test]
    fn a_package_is_described_without_being_trusted() {
        let key = fixtures::key();
        let package = fixtures::package(&key);
        let seen = inspect(package.bytes()).unwrap();
        assert_eq!((seen.name.as_str(), seen.version.to_string().as_str()), ("hello", "0.1.0"));
        assert_eq!(
            (seen.package.sha256, seen.key, seen.signed_at),
            (package.digest(), key.id(), fixtures::now())
        );
        assert!(seen.files_match && seen.manifest.is_ok());
        assert_eq!(seen.contract.unwrap(), fixtures::contract());
    }

    #[test]
    fn what_does_not_match_is_told() {
        let mut bytes = fixtures::package(&fixtures::key()).into_bytes();
        *bytes.last_mut().unwrap() ^= 1;
        assert!(!inspect(&bytes).unwrap().files_match);
        bytes.push(0);
        assert_eq!(inspect(&bytes).unwrap_err(), PackageError::Trailing { extra: 1 });
    }
}
