//! The tenants of this host.
//!
//! **Promises.** A tenant that `create` returned is there on every node: on this one at once, on others within
//! [`MAX_STALENESS`]. Looking one up reads memory, never the database. Beyond that without word from PostgreSQL a
//! look-up is refused, not answered from old knowledge. (SQLite has one process, whose memory cannot be old.)
//!
//! **Limits.** A display name has 1 to 200 bytes without control characters; a time zone is a name of the IANA
//! database. Which quota tier a tenant has stands in the quota policy and nowhere else.
//!
//! **Repeats.** Creating a tenant that exists is `conflict`, also with the same values.
//!
//! **Errors**, in order of precedence: `invalid`, `conflict`, `not-found`, `unavailable`.
//!
//! [`MAX_STALENESS`]: crate::mirror::MAX_STALENESS

mod error;
mod model;
mod service;
mod store;
#[cfg(test)]
mod tests;

pub use error::TenantError;
pub use model::{NewTenant, Tenant};
pub use service::Tenants;
