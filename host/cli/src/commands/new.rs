//! `bulla new`: a project that builds, tests and runs without an edit.

use std::path::PathBuf;

use serde_json::json;

use crate::context::Context;
use crate::error::CliError;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The addon's name: 1 to 63 characters `a-z 0-9 -`, starting with a letter.
    name: String,
    /// Where to write it; must not exist or be empty. Unset: a directory of the addon's name.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub fn run(args: &Args, context: &Context) -> Result<(), CliError> {
    let dir = args.dir.clone().unwrap_or_else(|| PathBuf::from(&args.name));
    bulla_guest_build::write_project(&dir, &args.name).map_err(CliError::coded)?;
    let shown = dir.display();
    context.output.either(&json!({"name": args.name, "dir": dir}), &format!("created {shown}\n"))?;
    context.output.say(format!("next: `cd {shown}`, then `bulla build`, `bulla test`, `bulla sign`"));
    Ok(())
}
