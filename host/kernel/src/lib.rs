//! The kernel: its primitives, one room each, and nothing of any business.
//!
//! A room never imports another. What it needs from elsewhere is a trait in [`ports`]; what all rooms share about a
//! running invocation is [`call::Call`].
#![forbid(unsafe_code)]

pub mod call;
pub mod core;
pub mod grants;
pub mod guest_error;
pub mod master;
pub mod mirror;
pub mod origin;
pub mod ports;

pub mod addons;
pub mod admission;
pub mod approvals;
pub mod audit;
pub mod idempotency;
pub mod jobs;
pub mod keys;
pub mod secrets;
pub mod sequences;
pub mod tenants;
pub mod tokens;
pub mod trust;
pub mod usage;

pub use crate::core::Core;
