//! Inputs that nobody wrote by hand: generated guests, and fuzz targets over everything that comes from outside.
//!
//! A target is a function of bytes that panics where a law is broken, and returns else. It runs in three ways: over its corpus and
//! some seconds of seeded mutations in every run of the tests (`tests/fuzz`), and coverage-guided for as long as one likes
//! (`cargo xtask fuzz <target>`). The corpus is what each begins with: seeds that were written by hand.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a broken law is told by a panic")]

mod bundle;
mod contract;
pub mod corpus;
mod destination;
pub mod generated;
mod http;
mod invoice;
mod manifest;
pub mod mutation;
mod package;
pub mod panics;
mod quotas;
pub mod rooms;
mod wit_values;

/// One surface that takes bytes from outside.
#[derive(Clone, Copy)]
pub struct Target {
    /// As on the command line; the folder of its corpus below `corpus/`.
    pub name: &'static str,
    /// Panics where a law is broken.
    pub run: fn(&[u8]),
    /// Texts that its inputs are made of, for mutations.
    pub words: &'static [&'static str],
}

pub const TARGETS: &[Target] = &[
    Target { name: "manifest", run: manifest::run, words: manifest::WORDS },
    Target { name: "package", run: package::run, words: package::WORDS },
    Target { name: "wit-values", run: wit_values::run, words: &[] },
    Target { name: "invoice", run: invoice::run, words: invoice::WORDS },
    Target { name: "http", run: http::run, words: http::WORDS },
    Target { name: "quotas", run: quotas::run, words: quotas::WORDS },
    Target { name: "destination", run: destination::run, words: destination::WORDS },
    Target { name: "contract", run: contract::run, words: contract::WORDS },
    Target { name: "bundle", run: bundle::run, words: bundle::WORDS },
];

/// The target of this name. Panics where there is none, with those that there are.
pub fn target(name: &str) -> Target {
    let found = TARGETS.iter().find(|target| target.name == name);
    *found.unwrap_or_else(|| {
        let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        panic!("there is no target `{name}`, only {}", names.join(", "))
    })
}
