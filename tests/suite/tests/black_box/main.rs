//! The laws of the whole, seen from outside: the real binary, real guests, real connections.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod access;
mod audit;
mod command_line;
mod delivery;
mod denied;
mod guests_used;
mod hostile;
mod hostile_components;
mod idempotency;
mod invoice;
mod jobs;
mod lifecycle;
mod manifest;
mod manifest_jobs;
mod manifest_limits;
mod neighbours;
mod new_addon;
mod package;
mod policy;
mod sending;
mod sins;
mod tenancy;
mod wasi;
