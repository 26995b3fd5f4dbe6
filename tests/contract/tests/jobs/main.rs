//! The laws of `jobs`: one run wins, at least once, an end that somebody sees.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod bench;
mod races;
mod single;
mod turns;
