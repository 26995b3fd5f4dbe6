//! Which compiler makes guests on this machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{OnProgress, ToolchainError, install};

/// What a guest is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// `wasm32-unknown-unknown`: no imports but those of the addon's world. What addons use.
    Unknown,
    /// `wasm32-wasip2`: a component of another toolchain's kind, with WASI imports.
    Wasip2,
}

impl Target {
    pub fn triple(self) -> &'static str {
        match self {
            Self::Unknown => "wasm32-unknown-unknown",
            Self::Wasip2 => "wasm32-wasip2",
        }
    }

    /// The Debian packages that make this target.
    pub(crate) fn packages(self) -> &'static [&'static str] {
        match self {
            Self::Unknown => &["rustc-web", "rust-web-src"],
            Self::Wasip2 => &["rustc-web", "rust-web-src", "wasi-libc"],
        }
    }
}

/// A compiler and linker for one target. Found, not yet run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toolchain {
    pub(crate) target: Target,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// rustup's, with the target installed: cargo needs no help.
    Rustup,
    /// The system's rustc with its library sources.
    System(System),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct System {
    pub rustc: PathBuf,
    /// Such as `1.96.0`, with the commit: names the sysroot in the cache.
    pub version: String,
    /// `std` and its kin.
    pub library: PathBuf,
    pub linker: PathBuf,
}

/// The oldest system rustc that can compile the SDK: minor version of 1.
const OLDEST_MINOR: u32 = 95;

/// Where Debian's `wasi-libc` keeps its objects.
pub(crate) const WASI_LIBC: &str = "/usr/lib/wasm32-wasi";

impl Toolchain {
    /// Looks for a toolchain; takes a few milliseconds, installs nothing. Errors: [`ToolchainError::Missing`].
    pub fn find(target: Target) -> Result<Self, ToolchainError> {
        let default = Rustc::ask("rustc".as_ref());
        if default.as_ref().is_some_and(|rustc| rustc.has(target)) {
            return Ok(Self { target, kind: Kind::Rustup });
        }
        let system = ["/usr/bin/rustc", "/usr/local/bin/rustc"].iter().find_map(|path| {
            let rustc = Rustc::ask(path.as_ref())?;
            System::of(rustc, default.as_ref(), target)
        });
        match system {
            Some(system) => Ok(Self { target, kind: Kind::System(system) }),
            None => {
                Err(ToolchainError::Missing { target: target.triple(), command: install::command(target) })
            }
        }
    }

    /// [`Toolchain::find`], and where there is none installs one: with rustup, else as root with apt-get.
    /// Errors: [`ToolchainError::Install`], whose text holds the command to run.
    pub fn find_or_install(target: Target, progress: &OnProgress<'_>) -> Result<Self, ToolchainError> {
        match Self::find(target) {
            Ok(found) => Ok(found),
            Err(_) => install::install(target, progress),
        }
    }

    pub fn target(&self) -> Target {
        self.target
    }

    /// For people: which of the two it is.
    pub fn describe(&self) -> String {
        match &self.kind {
            Kind::Rustup => format!("rustup with {}", self.target.triple()),
            Kind::System(system) => {
                format!("{} {} with its library sources", system.rustc.display(), system.version)
            }
        }
    }
}

/// A rustc that answers.
struct Rustc {
    path: PathBuf,
    sysroot: PathBuf,
    host: String,
    release: String,
    commit: String,
}

impl Rustc {
    fn ask(path: &Path) -> Option<Self> {
        let output = |args: &[&str]| {
            let output = Command::new(path).args(args).env_remove("RUSTFLAGS").output().ok()?;
            output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        };
        let version = output(&["-vV"])?;
        let field = |name: &str| {
            let line = version.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))?;
            Some(line.to_owned())
        };
        Some(Self {
            path: path.to_owned(),
            sysroot: output(&["--print", "sysroot"])?.into(),
            host: field("host")?,
            release: field("release")?,
            commit: field("commit-hash")?,
        })
    }

    fn has(&self, target: Target) -> bool {
        self.sysroot.join("lib/rustlib").join(target.triple()).join("lib").is_dir()
    }

    fn tool(&self, name: &str) -> Option<PathBuf> {
        let path = self.sysroot.join("lib/rustlib").join(&self.host).join("bin").join(name);
        path.is_file().then_some(path)
    }

    fn is_new_enough(&self) -> bool {
        let mut parts = self.release.split('.').map(|part| part.parse::<u32>());
        matches!((parts.next(), parts.next()), (Some(Ok(1)), Some(Ok(minor))) if minor >= OLDEST_MINOR)
    }
}

impl System {
    /// `None` when a part is missing: the sources, the linker, or the C library that WASI wants.
    fn of(rustc: Rustc, default: Option<&Rustc>, target: Target) -> Option<Self> {
        let library = rustc.sysroot.join("lib/rustlib/src/rust/library");
        if !rustc.is_new_enough() || !library.join("std/Cargo.toml").is_file() {
            return None;
        }
        let bundled =
            |name: &str| default.and_then(|default| default.tool(name)).or_else(|| rustc.tool(name));
        let linker = match target {
            Target::Unknown => bundled("rust-lld").or_else(lld_of_the_system)?,
            Target::Wasip2 if Path::new(WASI_LIBC).join("libc.a").is_file() => bundled("wasm-component-ld")?,
            Target::Wasip2 => return None,
        };
        let commit = rustc.commit.get(..9).unwrap_or(&rustc.commit);
        Some(Self { version: format!("{}-{commit}", rustc.release), rustc: rustc.path, library, linker })
    }
}

fn lld_of_the_system() -> Option<PathBuf> {
    let entries = std::fs::read_dir("/usr/bin").ok()?.flatten();
    let mut found: Vec<_> = entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("wasm-ld"))
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found.pop()
}
