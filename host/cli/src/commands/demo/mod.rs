//! `bulla demo`: the whole path on this machine, from an unsigned addon to a delivered invoice and a verified audit log.

mod screen;
mod stage;
mod story;

use std::path::PathBuf;

use crate::context::Context;
use crate::error::CliError;
use screen::Screen;
use stage::Stage;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// End after the last step instead of serving until Ctrl-C.
    #[arg(long)]
    pub once: bool,
    /// The project of the addon `einvoice`.
    #[arg(long, value_name = "DIR", default_value = "plugins/einvoice")]
    pub addon: PathBuf,
}

/// Runs in a new directory below the system's temporary one, which goes when the demo ends.
pub fn run(args: &Args, context: &Context) -> Result<(), CliError> {
    let package = stage::package(&args.addon, context)?;
    let stage = Stage::build(package, context)?;
    let mut screen = Screen::new(context.output);
    story::tell(&stage, &args.addon, &mut screen)?;
    if !args.once {
        stage.stay(context.output)?;
    }
    stage.strike(context.output)
}
