//! What the operator wrote into `policies/`: quota tiers (TOML) and authorization (Cedar), evaluated for the kernel's ports.
//!
//! - `quotas.toml`: the tiers, and which tenant has which ([`mod@quotas`] says how a limit comes about).
//! - `bulla.cedarschema` and `*.cedar`: who may do what ([`mod@authorization`]).
//! - `tests/*.json`: cases beside the policies, for [`check`].
//!
//! [`PolicySet`] holds what is in force. It changes in one step and only to something valid: an edit that does not parse, does
//! not validate or names a tier that is not there leaves the old set in force and is reported. Every decision carries the
//! version of the set that made it, which is a hash of the files.
#![forbid(unsafe_code)]

pub mod authorization;
mod cases;
mod error;
mod files;
pub mod quotas;
mod set;

pub use cases::{Checked, check};
pub use error::PolicyError;
pub use files::write_defaults;
pub use set::{PolicySet, Reloaded, WATCH_EVERY};

#[cfg(test)]
mod tests;
