//! The one door: bytes go in, and only a package that is whole, signed by a key trusted for it, and true to its statement comes out.
//!
//! The checks, in this order; the first that fails is the error:
//! 1. the file's layout: magic, bounds, exact length (`Package`);
//! 2. the statement: JSON, canonical, known type and kind (`Package`). Nothing in it is believed yet but the key id, as a question;
//! 3. the trust store knows the key (`Trust`);
//! 4. the signature holds, by the strict rules of Ed25519 (`Signature`). From here on the statement is the publisher's word;
//! 5. the key may publish this addon at this moment (`Trust`);
//! 6. the manifest and the component have the stated size and digest (`Content`);
//! 7. the manifest is valid and for a kernel line of this host (`Manifest`);
//! 8. the manifest's name and version are the statement's (`Name`, `Version`).
//!
//! `at` is the time of the load: a package whose key has expired since it was signed is refused (see [`crate::trust`]).

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bulla_base::{AddonName, Code, Coded, Timestamp, codes};
use semver::Version;

use crate::contract::{Contract, ContractError};
use crate::digest::Digest;
use crate::key::{KeyId, SIGNATURE_LEN};
use crate::manifest::{Manifest, ManifestError};
use crate::package::{FileStatement, Layout, PackageBounds, PackageError, Part, Statement, signed_bytes};
use crate::trust::{PURPOSE_ADDON, TrustError, TrustStore};

/// An addon that may be compiled and run. There is no way to one but [`VerifiedAddon::verify`], and it owns the very bytes that were
/// verified: nothing can be exchanged between the check and the use.
#[derive(Clone)]
pub struct VerifiedAddon {
    bytes: Arc<[u8]>,
    component: Range<usize>,
    component_digest: Digest,
    package_digest: Digest,
    manifest: Manifest,
    publisher: KeyId,
    signed_at: Timestamp,
}

impl VerifiedAddon {
    /// Verifies a package within the default bounds. `at` is now.
    pub fn verify(
        bytes: impl Into<Arc<[u8]>>,
        trust: &TrustStore,
        at: Timestamp,
    ) -> Result<Self, VerifyError> {
        Self::verify_within(bytes, trust, at, &PackageBounds::default())
    }

    /// As [`VerifiedAddon::verify`], within other bounds.
    pub fn verify_within(
        bytes: impl Into<Arc<[u8]>>,
        trust: &TrustStore,
        at: Timestamp,
        bounds: &PackageBounds,
    ) -> Result<Self, VerifyError> {
        let bytes: Arc<[u8]> = bytes.into();
        let layout = Layout::read(&bytes, bounds)?;
        let statement = Statement::parse(&bytes[layout.statement.clone()])?;
        check_signature(&bytes, &layout, &statement, trust)?;
        trust.allows(&statement.key, PURPOSE_ADDON, &statement.name, at)?;
        let manifest = &bytes[layout.manifest];
        check_content(Part::Manifest, manifest, &statement.files.manifest)?;
        check_content(Part::Component, &bytes[layout.component.clone()], &statement.files.component)?;
        let manifest = Manifest::parse_bytes(manifest)?;
        check_identity(&manifest, &statement)?;
        Ok(Self {
            component: layout.component,
            component_digest: statement.files.component.sha256,
            package_digest: Digest::of(&bytes),
            manifest,
            signed_at: statement.signed_at(),
            publisher: statement.key,
            bytes,
        })
    }

    pub fn name(&self) -> &AddonName {
        self.manifest.name()
    }

    pub fn version(&self) -> &Version {
        self.manifest.version()
    }

    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The component, as a slice of the buffer that was verified.
    pub fn component(&self) -> &[u8] {
        &self.bytes[self.component.clone()]
    }

    /// The contract in the component, once it fits the manifest. Read anew at each call.
    pub fn contract(&self) -> Result<Contract, ContractError> {
        let contract = Contract::read(self.component())?;
        contract.fits(&self.manifest)?;
        Ok(contract)
    }

    /// The whole package, as it was verified.
    pub fn package(&self) -> &Arc<[u8]> {
        &self.bytes
    }

    pub fn component_digest(&self) -> Digest {
        self.component_digest
    }

    pub fn package_digest(&self) -> Digest {
        self.package_digest
    }

    /// The key that signed.
    pub fn publisher(&self) -> &KeyId {
        &self.publisher
    }

    /// When the publisher says to have signed: for people.
    pub fn signed_at(&self) -> Timestamp {
        self.signed_at
    }
}

impl fmt::Debug for VerifiedAddon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifiedAddon({} {} {})", self.name(), self.version(), self.package_digest)
    }
}

fn check_signature(
    bytes: &[u8],
    layout: &Layout,
    statement: &Statement,
    trust: &TrustStore,
) -> Result<(), VerifyError> {
    let unknown = || TrustError::UnknownKey { key: statement.key.clone() };
    let entry = trust.find(&statement.key).ok_or_else(unknown)?;
    let broken = || VerifyError::Signature { key: statement.key.clone() };
    let signature: &[u8; SIGNATURE_LEN] = bytes[layout.signature.clone()].try_into().map_err(|_| broken())?;
    let signed = signed_bytes(&bytes[layout.statement.clone()]);
    if entry.key.holds(&signed, signature) { Ok(()) } else { Err(broken()) }
}

fn check_content(part: Part, content: &[u8], stated: &FileStatement) -> Result<(), VerifyError> {
    if stated.size != content.len() as u64 || stated.sha256 != Digest::of(content) {
        return Err(VerifyError::Content { part });
    }
    Ok(())
}

fn check_identity(manifest: &Manifest, statement: &Statement) -> Result<(), VerifyError> {
    if *manifest.name() != statement.name {
        return Err(VerifyError::Name { stated: statement.name.clone(), manifest: manifest.name().clone() });
    }
    if *manifest.version() != statement.version {
        return Err(VerifyError::Version {
            stated: statement.version.clone(),
            manifest: manifest.version().clone(),
        });
    }
    Ok(())
}

/// Why a package does not become a [`VerifiedAddon`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    #[error(transparent)]
    Package(#[from] PackageError),
    #[error(transparent)]
    Trust(#[from] TrustError),
    #[error("the signature of the publisher key `{key}` does not hold for this package")]
    Signature { key: KeyId },
    #[error("the package's {part} is not the one that was signed")]
    Content { part: Part },
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error("the statement is for `{stated}`, the manifest for `{manifest}`")]
    Name { stated: AddonName, manifest: AddonName },
    #[error("the statement is for the version `{stated}`, the manifest for `{manifest}`")]
    Version { stated: Version, manifest: Version },
}

impl Coded for VerifyError {
    fn code(&self) -> Code {
        match self {
            Self::Package(error) => error.code(),
            Self::Trust(error) => error.code(),
            Self::Signature { .. } | Self::Content { .. } => codes::SIGNATURE_INVALID,
            Self::Manifest(error) => error.code(),
            Self::Name { .. } | Self::Version { .. } => codes::PACKAGE_INVALID,
        }
    }
}

#[cfg(test)]
mod tests;
