//! One file for each line of the results.

mod call;
mod capability;
mod durable;
mod engine;
mod extism;
mod fuel;
mod http;
mod idle;
mod load;
mod profile;

use anyhow::Result;

use crate::bench::{Bench, Outcome};

/// In the order in which they are measured and shown.
pub const NAMES: [&str; 11] = [
    "call",
    "http",
    "extism",
    "capability",
    "durable",
    "load",
    "fuel",
    "engine",
    "memory",
    "startup",
    "profile",
];

/// Measures one line.
pub async fn run(name: &str, bench: &Bench) -> Result<Outcome> {
    match name {
        "call" => call::run(bench).await,
        "http" => http::run(bench).await,
        "extism" => extism::run(bench).await,
        "capability" => capability::run(bench).await,
        "durable" => durable::run(bench).await,
        "load" => load::run(bench).await,
        "fuel" => fuel::run(bench).await,
        "engine" => engine::run(bench).await,
        "memory" => idle::memory(bench).await,
        "startup" => idle::startup(bench).await,
        "profile" => profile::run(bench).await,
        _ => anyhow::bail!("`{name}` is no line; there are {}", NAMES.join(", ")),
    }
}
