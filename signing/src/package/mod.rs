//! The one file an addon travels in. Every byte of it is bound: by the signature, by a digest in the signed statement, or by being
//! the only byte that can stand there.
//!
//! ```text
//! offset  bytes  what
//! 0       8      `BULLAPK1`
//! 8       4      S, the statement's length   (little-endian, as the next two)
//! 12      4      M, the manifest's length
//! 16      4      C, the component's length
//! 20      S      statement: RFC 8785 JSON
//! 20+S    64     Ed25519 signature over the DSSE encoding of the statement
//! 84+S    M      manifest: `addon.toml`
//! 84+S+M  C      component: WebAssembly
//! ```
//! The file ends there. Its digest is the SHA-256 of all of it.

mod error;
mod layout;
mod statement;

use bulla_base::{Bytes, Timestamp};

use crate::digest::Digest;
use crate::key::PublisherKey;
use crate::manifest::Manifest;

pub use error::{PackageError, Part};
pub(crate) use layout::Layout;
pub use statement::{FileStatement, Files, KIND_ADDON, STATEMENT_TYPE, Statement};

/// The largest parts a package may have; a larger one is refused before it is looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackageBounds {
    pub statement: Bytes,
    pub manifest: Bytes,
    pub component: Bytes,
}

impl Default for PackageBounds {
    /// 64 KiB, 256 KiB and 64 MiB.
    fn default() -> Self {
        Self { statement: Bytes(64 << 10), manifest: Bytes(256 << 10), component: Bytes(64 << 20) }
    }
}

/// A package that was just sealed. To run it, it goes through [`crate::VerifiedAddon::verify`] like any other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    bytes: Vec<u8>,
}

impl Package {
    /// Signs a manifest and a component, within the default bounds. `now` becomes the statement's `signed-at`.
    /// The same parts, key and time give the same bytes.
    pub fn seal(
        manifest: &[u8],
        component: &[u8],
        key: &PublisherKey,
        now: Timestamp,
    ) -> Result<Self, PackageError> {
        Self::seal_within(manifest, component, key, now, &PackageBounds::default())
    }

    /// As [`Package::seal`], within other bounds.
    pub fn seal_within(
        manifest: &[u8],
        component: &[u8],
        key: &PublisherKey,
        now: Timestamp,
        bounds: &PackageBounds,
    ) -> Result<Self, PackageError> {
        layout::check_part(Part::Manifest, manifest.len() as u64, bounds.manifest)?;
        layout::check_part(Part::Component, component.len() as u64, bounds.component)?;
        let model = Manifest::parse_bytes(manifest)?;
        let statement = Statement::new(&model, manifest, component, key.id(), now);
        let body = statement.canonical()?;
        layout::check_part(Part::Statement, body.len() as u64, bounds.statement)?;
        let signature = key.sign(&statement::signed_bytes(&body));
        Ok(Self { bytes: layout::write(&body, &signature, manifest, component)? })
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// SHA-256 of the whole file.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }
}

pub(crate) use statement::signed_bytes;
