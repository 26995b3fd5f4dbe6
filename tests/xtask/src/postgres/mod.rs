//! A PostgreSQL server for the tests, thrown away afterwards.

mod binaries;
mod server;

use std::io::Write;

pub use binaries::Binaries;
pub use server::Server;

use crate::failure::Failure;
use crate::stop;

/// Where the tests find it: `postgres://postgres@127.0.0.1:<port>/postgres`.
pub const VARIABLE: &str = "BULLA_TEST_POSTGRES";

/// The task `postgres`.
pub fn serve() -> Result<(), Failure> {
    let binaries = Binaries::find_or_install()?;
    stop::watch()?;
    let server = Server::start(&binaries)?;
    print_export(VARIABLE, &server.url())?;
    eprintln!("PostgreSQL runs until Ctrl-C");
    server.wait()
}

/// A line for `eval` or for pasting into a shell.
pub fn print_export(name: &str, value: &str) -> Result<(), Failure> {
    let quoted = value.replace('\'', r"'\''");
    writeln!(std::io::stdout(), "export {name}='{quoted}'").map_err(Failure::io("write to stdout"))
}
