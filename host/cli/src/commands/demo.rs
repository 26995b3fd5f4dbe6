//! `bulla demo`: the whole path on this machine.

use std::path::PathBuf;

use bulla_base::{Failure, codes};

use crate::context::Context;
use crate::error::CliError;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// End after the last step instead of serving until Ctrl-C.
    #[arg(long)]
    pub once: bool,
    /// The project of the addon `einvoice`.
    #[arg(long, value_name = "DIR")]
    pub addon: Option<PathBuf>,
}

pub fn run(_: &Args, _: &Context) -> Result<(), CliError> {
    Err(Failure::new(codes::UNAVAILABLE, "this build has no demo").into())
}
