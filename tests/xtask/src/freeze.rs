//! Writes the sums of the WIT packages.

use std::fs;
use std::path::Path;

use bulla_tidy::{Tree, frozen};

use crate::exit_codes::Exit;
use crate::failure::Failure;

#[derive(clap::Args)]
pub struct Options {
    /// Close this version, such as `kernel-0.1.0`: from then on its files never change
    #[arg(long, value_name = "VERSION")]
    publish: Option<String>,
}

pub fn run(root: &Path, options: &Options) -> Result<(), Failure> {
    let tree = Tree::read(root).map_err(|error| Failure::new(Exit::Io, error))?;
    let list = frozen::freeze(&tree, options.publish.as_deref());
    let list = list.map_err(|error| Failure::new(Exit::Frozen, error))?;
    fs::write(root.join(frozen::LIST), list).map_err(Failure::io(format!("write `{}`", frozen::LIST)))
}
