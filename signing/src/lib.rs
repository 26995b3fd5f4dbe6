//! The supply chain without I/O: what an addon asks for (`manifest`), what it can do (`contract`), the file both travel
//! in (`package`), who may publish it (`trust`), and the one door through which it becomes runnable (`verify`).
#![forbid(unsafe_code)]

pub mod contract;
pub mod digest;
pub mod inspect;
pub mod key;
pub mod manifest;
pub mod package;
pub mod trust;
pub mod verify;

#[cfg(test)]
mod fixtures;

pub use contract::{Contract, ContractError, EntryContract};
pub use digest::Digest;
pub use inspect::{Inspection, inspect};
pub use key::{KeyError, KeyId, PublicKey, PublisherKey};
pub use manifest::{Destination, Manifest, ManifestError};
pub use package::{Package, PackageBounds, PackageError};
pub use trust::{TrustEntry, TrustError, TrustStore, TrustStoreError};
pub use verify::{VerifiedAddon, VerifyError};
