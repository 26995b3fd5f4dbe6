//! Builds what the demo needs, and becomes it.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use bulla_guest_build::Target;

use crate::failure::Failure;
use crate::{cargo, guests};

#[derive(clap::Args)]
pub struct Options {
    /// End after the last step instead of keeping the server up until Ctrl-C
    #[arg(long)]
    once: bool,
}

pub fn run(root: &Path, options: &Options) -> Result<(), Failure> {
    guests::toolchain(Target::Unknown)?;
    let bulla = cargo::build_bulla(root)?;
    let addon = root.join(guests::ADDONS).join("einvoice");
    guests::addon(&bulla, &addon)?;
    let mut demo = Command::new(&bulla);
    demo.arg("demo").args(options.once.then_some("--once")).arg("--addon").arg(addon);
    // This process becomes the demo: signals reach it and its exit code is ours. `exec` returns only when it failed.
    let error = demo.current_dir(root).exec();
    Err(Failure::io(format!("start `{}`", bulla.display()))(error))
}
