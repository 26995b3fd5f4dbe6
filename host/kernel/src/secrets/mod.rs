//! Secrets as capabilities: an addon can use one, and nobody can read one back.
//!
//! **Promises.** A value enters through [`Secrets::set`] and leaves only inside an outbound request whose destination the
//! operator granted. It is sealed at rest under the master key, bound to tenant, alias and version. No function of this room
//! returns a plaintext but [`Secrets::prepare`], into the request that [`crate::ports::Egress`] sends. Only the present version is
//! kept; rotating or removing wipes the old value from the row.
//!
//! **Limits.** A value has [`MIN_VALUE_BYTES`] to [`MAX_VALUE_BYTES`] bytes of visible ASCII and spaces inside; a tenant has at most
//! [`MAX_PER_TENANT`] secrets. A request has at most [`MAX_HEADERS`] headers of [`MAX_HEADER_BYTES`] bytes together, a URL of at most
//! [`MAX_URL_BYTES`] bytes and a body of at most the limit `request-body`; a call sends at most `sends` requests.
//!
//! **Repeats.** Setting again rotates: the version grows by one. Removing what is not there is `not-found`. A request repeated by a
//! job's next attempt carries the same `Idempotency-Key`.
//!
//! **Errors of a guest, in this order:** `denied` (grant, destination), `conflict` (an uncommitted number), `invalid`
//! (method, URL, header), `limit` (`request-body`, `sends`), `not-found`, `unavailable` (no master key, no connection, a view of
//! the secrets older than a second).

mod destination;
mod error;
mod idempotency;
mod model;
mod rules;
mod service;
mod store;

pub use destination::{Destination, InvalidDestination};
pub use error::SecretsError;
pub use model::{GuestRequest, MAX_PER_TENANT, MAX_VALUE_BYTES, MIN_VALUE_BYTES, SecretInfo};
pub use rules::{Granted, MAX_HEADER_BYTES, MAX_HEADERS, MAX_URL_BYTES, check, is_host_controlled};
pub use service::Secrets;

#[cfg(test)]
mod tests;
