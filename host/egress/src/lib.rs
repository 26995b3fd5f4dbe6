//! The one way out of the host: HTTP requests that carry a tenant's secret.
//!
//! What holds for every request, whoever sends it:
//! - It goes to a destination that the operator granted, compared as scheme, host and port, and nowhere else: redirects are not
//!   followed, proxies of the environment are not used.
//! - The address that was checked is the address that is connected to. A name must resolve to a public address; a private one must be
//!   granted as the literal address (or as `localhost`), with its port. Link-local addresses, among them the metadata
//!   services of the clouds, multicast and the reserved blocks are never connected to.
//! - The host alone sets framing, authorization, cookies, tracing and the idempotency key.
//! - TLS certificates are verified against Mozilla's roots and those the operator adds.
//! - The answer is read up to its limit, within its time, and the secret is replaced in it, in every form that an echo is likely
//!   to have. A receiver that wants to betray the secret in a form of its own can: it was given the secret.
#![forbid(unsafe_code)]

mod address;
mod answer;
mod client;
mod escape;
mod outgoing;
mod resolve;
mod scrub;
mod tls;

pub use client::{EgressConfig, HttpEgress, SetupError};
pub use resolve::{Lookup, SystemLookup};

#[cfg(test)]
mod tests;
