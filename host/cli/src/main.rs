//! `bulla`: the operator's and the author's tool. See docs/src/cli.md.
//!
//! Data goes to stdout, talk to stderr, and the exit code is one of [`exit_codes::Exit`].
#![forbid(unsafe_code)]

mod args;
mod client;
mod commands;
mod context;
mod error;
mod exit_codes;
#[cfg(feature = "failpoints")]
mod failpoints;
mod grants;
mod input;
mod metered;
mod output;
mod private_file;
mod progress;
mod project;
mod table;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::Cli;
use crate::context::Context;

/// A call allocates on one thread what the committer frees on another, which the C library's allocator is slow at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|first| first == bulla_node::COMPILE) {
        return commands::compile::run();
    }
    // Prints help, version and usage errors itself, with the exit codes `ok` and `usage`.
    let cli = Cli::parse();
    let context = Context::new(cli.global);
    let exit = match commands::run(cli.command, &context) {
        Ok(()) => exit_codes::Exit::Ok,
        Err(error) => {
            context.output.error(&error);
            error.exit()
        }
    };
    ExitCode::from(exit.number())
}
