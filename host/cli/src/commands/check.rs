//! `bulla check`: what `bulla sign` will refuse, told at once.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::context::Context;
use crate::error::CliError;
use crate::project::{Misfit, Project};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The addon's project.
    #[arg(default_value = ".")]
    dir: PathBuf,
}

pub fn run(args: &Args, context: &Context) -> Result<(), CliError> {
    let project = Project::open(&args.dir)?;
    let component = project.component()?;
    let misfits = project.misfits(&component);
    if let Some(source) = project.changed_since_build() {
        context
            .output
            .say(format!("warning: `{}` is newer than the component: run `bulla build`", source.display()));
    }
    let findings: Vec<Value> =
        misfits.iter().map(|misfit| json!({"code": misfit.code, "message": misfit.message})).collect();
    let name = project.manifest.name();
    let text = match misfits.is_empty() {
        true => {
            format!("{name} {}: manifest, contract and imports fit together\n", project.manifest.version())
        }
        false => misfits.iter().map(|misfit| format!("{}: {}\n", misfit.code, misfit.message)).collect(),
    };
    context.output.either(&json!({"name": name, "findings": findings}), &text)?;
    refuse(&misfits)
}

/// An error where something does not fit.
pub fn refuse(misfits: &[Misfit]) -> Result<(), CliError> {
    match misfits {
        [] => Ok(()),
        [one] => Err(CliError::Findings(one.message.clone())),
        [first, rest @ ..] => Err(CliError::Findings(format!("{} (and {} more)", first.message, rest.len()))),
    }
}
