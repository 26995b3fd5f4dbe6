//! What a server starts this program for, and no person: to compile one component in a process that can be ended.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::exit_codes::Exit;

/// This program, also when another version has taken its place on the disk.
pub fn program() -> PathBuf {
    match cfg!(target_os = "linux") {
        true => "/proc/self/exe".into(),
        false => std::env::current_exe().unwrap_or_else(|_| "bulla".into()),
    }
}

/// A component on stdin, its code on stdout.
pub fn run() -> ExitCode {
    let exit = match bulla_node::work(std::io::stdin().lock(), std::io::stdout().lock()) {
        Ok(()) => Exit::Ok,
        Err(why) => {
            // Nobody reads: nobody waits either.
            drop(writeln!(std::io::stderr(), "{why}"));
            Exit::Refused
        }
    };
    ExitCode::from(exit.number())
}
