//! The laws of `approvals`.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod bench;
mod decisions;
mod requests;
