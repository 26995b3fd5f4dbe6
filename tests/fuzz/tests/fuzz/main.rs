//! The corpus and some seconds of mutations for each target; some thousand generated guests.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod guests;
mod targets;
