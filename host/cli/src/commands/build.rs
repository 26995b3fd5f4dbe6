//! `bulla build`: source to component, with the contract that the addon describes.

use std::fs;
use std::path::{Path, PathBuf};

use bulla_base::Coded as _;
use bulla_guest_build::{Options, Target, Toolchain};
use bulla_signing::Contract;
use serde_json::{Value, json};

use super::block_on;
use crate::context::Context;
use crate::error::CliError;
use crate::progress::Progress;
use crate::project::Project;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The addon's project.
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Write the component to this directory as well.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Take this component, of any toolchain, instead of compiling the project's source.
    #[arg(long, value_name = "FILE")]
    component: Option<PathBuf>,
    /// Never ask the network.
    #[arg(long)]
    offline: bool,
    /// Fail when Cargo.lock would change.
    #[arg(long)]
    locked: bool,
}

pub fn run(args: &Args, context: &Context) -> Result<(), CliError> {
    let project = Project::open(&args.dir)?;
    let progress = Progress::new(context.output);
    let component = match &args.component {
        Some(path) => fs::read(path).map_err(CliError::file("read", path))?,
        None => compile(&project, args.offline, args.locked, &progress)?,
    };
    let built = finish(&project, &component, &progress)?;
    drop(progress);
    let mut written = vec![built.path.clone()];
    if let Some(out) = &args.out {
        let copy = out.join(format!("{}.wasm", project.manifest.name()));
        write(&copy, &built.component)?;
        written.push(copy);
    }
    let names = |entries: &[bulla_signing::EntryContract]| -> Value {
        entries.iter().map(|entry| Value::from(entry.name.as_str())).collect()
    };
    let answer = json!({
        "component": written.last(),
        "bytes": built.component.len(),
        "sha256": bulla_signing::Digest::of(&built.component),
        "actions": names(&built.contract.actions),
        "jobs": names(&built.contract.jobs),
    });
    context.output.record(&answer)
}

/// A component with its contract, where the other commands look for it.
pub struct Built {
    pub path: PathBuf,
    pub component: Vec<u8>,
    pub contract: Contract,
}

/// Compiles the project where its source is newer than its component, and gives the component.
pub fn fresh(project: &Project, context: &Context) -> Result<Vec<u8>, CliError> {
    let has_source = project.dir.join("Cargo.toml").is_file();
    let missing = !project.component_path().is_file();
    if !has_source || (!missing && project.changed_since_build().is_none()) {
        return project.component();
    }
    let progress = Progress::new(context.output);
    let component = compile(project, false, false, &progress)?;
    Ok(finish(project, &component, &progress)?.component)
}

fn compile(project: &Project, offline: bool, locked: bool, progress: &Progress) -> Result<Vec<u8>, CliError> {
    let report = |event: bulla_guest_build::Progress<'_>| progress.report(event);
    let toolchain = match offline {
        // To install one would ask the network.
        true => Toolchain::find(Target::Unknown)
            .map_err(|missing| missing.failure().hint("without `--offline` `bulla build` installs it"))?,
        false => Toolchain::find_or_install(Target::Unknown, &report).map_err(CliError::coded)?,
    };
    progress.step(format!("compiling {} with {}", project.manifest.name(), toolchain.describe()));
    let options = Options { target_dir: None, offline, locked, progress: &report };
    let built = bulla_guest_build::build(&toolchain, &project.dir, &options).map_err(CliError::coded)?;
    Ok(built.component)
}

/// Asks the component for its contract, holds it against the manifest, and writes both as one file.
fn finish(project: &Project, component: &[u8], progress: &Progress) -> Result<Built, CliError> {
    progress.step("reading the contract");
    // A component that carries one is a repeat: its contract is checked with the rest below.
    let (component, contract) = match Contract::read(component) {
        Ok(contract) => (component.to_vec(), contract),
        Err(bulla_signing::ContractError::Missing) => {
            let json = block_on(bulla_node::describe(component))??;
            let contract = Contract::parse(&json).map_err(CliError::coded)?;
            (contract.write(component).map_err(CliError::coded)?, contract)
        }
        Err(error) => return Err(CliError::coded(error)),
    };
    contract.fits(&project.manifest).map_err(CliError::coded)?;
    let path = project.component_path();
    write(&path, &component)?;
    Ok(Built { path, component, contract })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(CliError::file("create", parent))?;
    }
    fs::write(path, bytes).map_err(CliError::file("write", path))
}
