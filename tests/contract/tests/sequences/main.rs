//! The laws of `sequences`.
#![expect(clippy::unwrap_used, reason = "tests")]

mod bench;
mod numbers;
mod recovery;
