//! The `bulla` binary on its command line.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// Where `cargo xtask test` says the binary is.
const VARIABLE: &str = "BULLA_TEST_BINARY";

/// The binary under test. Panics with what to run where there is none.
pub fn binary() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| {
        let candidates = [std::env::var_os(VARIABLE).map(PathBuf::from), Some(target_dir().join("debug/bulla"))];
        let found = candidates.iter().flatten().find(|path| path.is_file());
        let found = found.unwrap_or_else(|| {
            panic!("there is no `bulla` binary: run `cargo xtask test`, or `cargo build -p bulla-cli` and try again")
        });
        std::path::absolute(found).unwrap()
    })
}

/// The root of the repository.
pub fn repository() -> PathBuf {
    std::fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap()
}

/// Where cargo puts the host's crates.
pub fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from)
}

/// One command line, in an environment without any of the caller's `BULLA_…` variables.
pub struct Cli(Command);

impl Cli {
    pub fn new<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Self {
        Self::of(binary(), args)
    }

    /// Of another build than the one under test.
    pub fn of<S: AsRef<OsStr>>(binary: &Path, args: impl IntoIterator<Item = S>) -> Self {
        let mut command = Command::new(binary);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy().into_owned();
            if text.starts_with("BULLA_") && !text.starts_with("BULLA_GUEST_") {
                command.env_remove(&name);
            }
        }
        command.args(args).stdin(Stdio::null());
        Self(command)
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    pub fn dir(mut self, dir: &Path) -> Self {
        self.0.current_dir(dir);
        self
    }

    /// For a command that is not waited for.
    pub fn into_command(self) -> Command {
        self.0
    }

    pub fn run(mut self) -> Finished {
        let output = self.0.output().unwrap();
        Finished {
            line: format!("{:?}", self.0),
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// A command that came to its end.
#[derive(Debug)]
pub struct Finished {
    line: String,
    /// `None` when a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    /// It ended with this exit code.
    #[track_caller]
    pub fn ends_with(self, code: i32) -> Self {
        let Self { line, stdout, stderr, .. } = &self;
        assert_eq!(self.code, Some(code), "{line}\nstdout: {stdout}\nstderr: {stderr}");
        self
    }

    #[track_caller]
    pub fn succeeds(self) -> Self {
        self.ends_with(0)
    }

    /// What `--json` printed.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{}: {error}\n{self:?}", self.line))
    }
}
