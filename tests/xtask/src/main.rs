//! The tasks of this repository: `cargo xtask <task>`. Talk goes to stderr, data to stdout.
#![forbid(unsafe_code)]

mod bench;
mod cargo;
mod demo;
mod exit_codes;
mod failure;
mod freeze;
mod fuzz;
mod guests;
mod postgres;
mod progress;
mod room;
mod soak;
mod stop;
mod test;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::exit_codes::Exit;
use crate::failure::Failure;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The tasks of this repository", after_help = Exit::table())]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Everything that CI checks, on a machine that needs no more than Rust and a C compiler
    Test(test::Options),
    /// From the source to an issued invoice on one screen
    Demo(demo::Options),
    /// The cost of a call, beside its peers and the machine's limits
    Bench(bench::Options),
    /// Load for half an hour while addons come, change and go: memory, descriptors and places stay flat
    Soak(soak::Options),
    /// Start a throw-away PostgreSQL and print the variable that the tests read, until Ctrl-C
    Postgres,
    /// Build the guests of the tests and the first-party addons, and print the variable that the tests read
    Guests,
    /// Format the workspace and every guest
    Fmt,
    /// Write the sums of the WIT packages to wit/FROZEN; refuses where a published version has changed
    Freeze(freeze::Options),
    /// Fuzz one target, guided by coverage; needs a C++ compiler
    Fuzz(fuzz::Options),
}

fn main() -> ExitCode {
    match run(Args::parse().task) {
        Ok(()) => Exit::Ok.into(),
        Err(failure) => {
            eprintln!("{failure}");
            failure.exit.into()
        }
    }
}

fn run(task: Task) -> Result<(), Failure> {
    let root = root();
    match task {
        Task::Test(options) => test::run(&root, &options),
        Task::Demo(options) => demo::run(&root, &options),
        Task::Bench(options) => bench::run(&root, &options),
        Task::Soak(options) => soak::run(&root, &options),
        Task::Postgres => postgres::serve(),
        Task::Guests => guests::run(&root),
        Task::Fmt => test::fmt(&root, false),
        Task::Freeze(options) => freeze::run(&root, &options),
        Task::Fuzz(options) => fuzz::run(&root, &options),
    }
}

/// The repository: cargo says at run time where this crate lies, also when the binary was built elsewhere.
fn root() -> PathBuf {
    let own = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let own = PathBuf::from(own);
    own.ancestors().nth(2).map_or_else(|| own.clone(), Path::to_owned)
}
