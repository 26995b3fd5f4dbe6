//! Installed addons: which package is active in which tenant, what it is granted, and the packages themselves.
//!
//! **Promises.** The caller hands over a package that it verified; this room checks that the digest is the bytes' own,
//! keeps the bytes once for all tenants, and gives them back only where the digest still holds. A version's number is
//! used once in a tenant: another package under the same version is refused, also after a removal. What an addon may do
//! is [`Grants::both`](crate::grants::Grants::both) of what its manifest asks for and what the operator granted; a
//! change reaches running calls through their [`GrantCell`](crate::grants::GrantCell), at once on this node and within
//! [`MAX_STALENESS`] on others. Beyond that without word from PostgreSQL nothing is found and nothing is granted.
//! (SQLite has one process, whose memory cannot be old.) Disabling or removing an addon takes the grants of its running
//! calls away. [`Addons::find`] reads memory, never the database.
//!
//! **Limits.** A package has at most [`PACKAGE_MAX`] bytes; a version 1 to 64 visible ASCII characters without `/`.
//!
//! **Repeats.** Installing or upgrading to the package that is active already, enabling what is enabled, disabling what
//! is disabled and granting what is granted change nothing and are not audited again. A second rollback in a row finds
//! nothing to go back to.
//!
//! **Errors**, in order of precedence: `invalid` (the record, then grants that were not asked for), `not-found`,
//! `conflict`, `unavailable`.
//!
//! [`MAX_STALENESS`]: crate::mirror::MAX_STALENESS

mod change;
mod error;
mod model;
mod private;
mod service;
mod store;
#[cfg(test)]
mod tests;
mod view;

pub use error::AddonError;
pub use model::{Installed, PACKAGE_MAX, PackageRecord, VersionRecord};
pub use private::Private;
pub use service::Addons;
