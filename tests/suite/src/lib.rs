//! The harness of the black-box tests: the real `bulla` binary, spoken to over HTTP and on its command line.
//!
//! A test that cannot go on panics: what goes wrong here is told by the test's failure, with the server's own log beneath it.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

pub mod addons;
pub mod bench;
pub mod cli;
pub mod client;
pub mod component;
pub mod invoices;
pub mod neighbour;
pub mod patience;
pub mod receiver;
pub mod server;
pub mod trespasser;

pub use addons::{Publisher, manifest};
pub use bench::{Bench, Tenant};
pub use cli::{Cli, Finished};
pub use client::{Client, Reply};
pub use component::Component;
pub use patience::{until, within};
pub use receiver::{Answer, Gate, Receiver};
pub use server::{Data, Server};
