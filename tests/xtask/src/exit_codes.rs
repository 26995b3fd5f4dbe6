//! How a task ends: each way has a number and a name. docs/src/contributing.md lists them.

use std::process::ExitCode;

macro_rules! exits {
    ($($(#[doc = $doc:literal])* $variant:ident = $number:literal, $name:literal;)*) => {
        /// The exit code of a task.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Exit { $($(#[doc = $doc])* $variant = $number),* }

        impl Exit {
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// For `--help`.
            pub fn table() -> String {
                let rows = [$(($number, $name, concat!($($doc),*))),*];
                let rows = rows.map(|(number, name, doc)| format!("  {number:>3}  {name:<18}{doc}\n"));
                format!("Exit codes:\n{}", rows.concat())
            }
        }
    };
}

exits! {
    /// All well
    Ok = 0, "ok";
    /// A file or process could not be used
    Io = 1, "io";
    /// The command line is wrong
    Usage = 2, "usage";
    /// A part of the Rust toolchain, or the compiler for guests, is missing and could not be installed
    ToolchainMissing = 10, "toolchain-missing";
    /// No PostgreSQL server was found, and none could be installed
    PostgresMissing = 11, "postgres-missing";
    /// PostgreSQL was found and does not start
    PostgresFailed = 12, "postgres-failed";
    /// The tests write more than the disk has room for
    NoRoom = 13, "no-room";
    /// A file is not formatted: `cargo xtask fmt`
    Fmt = 20, "fmt";
    /// A rule of the house is broken
    Tidy = 21, "tidy";
    /// A lint fires
    Clippy = 22, "clippy";
    /// The host or a guest does not build
    Build = 23, "build";
    /// A test fails
    Tests = 24, "tests";
    /// An example in the documentation of the code fails
    DocTests = 25, "doc-tests";
    /// A native test of a first-party addon fails
    AddonTests = 26, "addon-tests";
    /// A dependency's licence or source is not allowed
    Deny = 27, "deny";
    /// A fuzz target breaks one of its laws
    Fuzz = 28, "fuzz";
    /// The benchmarks could not run
    Bench = 29, "bench";
    /// A published WIT package has changed
    Frozen = 30, "frozen";
    /// Stopped by a signal
    Interrupted = 130, "interrupted";
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
