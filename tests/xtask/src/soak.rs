//! The soak: as long as one wants, alone on the machine.

use std::path::Path;

use crate::exit_codes::Exit;
use crate::failure::Failure;
use crate::{cargo, guests, stop, test};

/// How long, for `tests/faults/tests/soak`.
const MINUTES: &str = "BULLA_TEST_SOAK_MINUTES";

#[derive(clap::Args)]
pub struct Options {
    /// How long the load runs; the assertions over time begin at ten minutes
    #[arg(long, default_value_t = 30.0, value_name = "MINUTES")]
    minutes: f64,
}

pub fn run(root: &Path, options: &Options) -> Result<(), Failure> {
    stop::watch()?;
    let bulla = cargo::build_bulla(root)?;
    let guests = guests::build(root, &bulla)?;
    let mut soak = cargo::command(root);
    soak.args(["test", "--locked", "--package", "bulla-faults", "--test", "soak", "--", "--nocapture"]);
    soak.env(test::BINARY, bulla).env(guests::VARIABLE, guests).env(MINUTES, options.minutes.to_string());
    cargo::succeed(&mut soak, Exit::Tests)
}
