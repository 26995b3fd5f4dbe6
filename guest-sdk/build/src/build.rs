//! Guest crates to components.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use bulla_base::Bytes;
use serde::Deserialize;

use crate::cargo::{self, Artifact, Cargo};
use crate::{BuildError, OnProgress, Target, Toolchain, component};

/// How to build.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// Where cargo puts its files; `None`: `CARGO_TARGET_DIR`, else the workspace's `target/`.
    pub target_dir: Option<&'a Path>,
    /// Never ask the network.
    pub offline: bool,
    /// Fail when `Cargo.lock` would change.
    pub locked: bool,
    pub progress: &'a OnProgress<'a>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self { target_dir: None, offline: false, locked: false, progress: &|_| {} }
    }
}

/// A guest that was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The package's name in its `Cargo.toml`.
    pub package: String,
    /// The component's bytes.
    pub component: Vec<u8>,
    /// The file that cargo made: a core module, or with [`build_wasip2`] already a component.
    pub wasm: PathBuf,
}

/// Builds the package in `dir`. `toolchain` must be for [`Target::Unknown`].
pub fn build(toolchain: &Toolchain, dir: &Path, options: &Options<'_>) -> Result<Built, BuildError> {
    let package = Package::read(&dir.join("Cargo.toml"))?;
    let artifacts = run(toolchain, dir, &package, options)?;
    only(toolchain, &package.name, artifacts)
}

/// Builds the packages in `dirs`, one after the other. Each is a run of its own: together, cargo would unite the features of their
/// dependencies, and a component's bytes would depend on what else was built.
pub fn build_all(
    toolchain: &Toolchain,
    dirs: &[PathBuf],
    options: &Options<'_>,
) -> Result<Vec<Built>, BuildError> {
    dirs.iter().map(|dir| build(toolchain, dir, options)).collect()
}

/// Builds the package in `dir`, a program, for [`Target::Wasip2`]: the linker makes the component, with WASI imports.
pub fn build_wasip2(dir: &Path, options: &Options<'_>) -> Result<Built, BuildError> {
    let toolchain = Toolchain::find_or_install(Target::Wasip2, options.progress)?;
    build(&toolchain, dir, options)
}

fn run(
    toolchain: &Toolchain,
    dir: &Path,
    package: &Package,
    options: &Options<'_>,
) -> Result<Vec<(String, Artifact)>, BuildError> {
    let root = fs::canonicalize(dir).map_err(BuildError::io(dir))?;
    let target_dir = options.target_dir.map(std::path::absolute).transpose().map_err(BuildError::io(dir))?;
    let mut args = Vec::new();
    if let Some(target_dir) = &target_dir {
        args.extend(["--target-dir".as_ref(), target_dir.as_os_str()]);
    }
    args.extend(options.offline.then_some(OsStr::new("--offline")));
    args.extend(options.locked.then_some(OsStr::new("--locked")));
    let mut flags = Vec::new();
    if toolchain.target() == Target::Unknown {
        args.push("--lib".as_ref());
        flags.push(format!("-Clink-arg=-zstack-size={}", package.stack()));
    }
    let env = cargo::environment(toolchain, &root, options.progress)?;
    let cargo = Cargo { dir: &root, args: &args, flags: &flags, target: toolchain.target(), env: &env };
    let artifacts = cargo.run(options.progress)?;
    artifacts.into_iter().map(|artifact| Ok((Package::read(&artifact.manifest)?.name, artifact))).collect()
}

fn only(
    toolchain: &Toolchain,
    package: &str,
    artifacts: Vec<(String, Artifact)>,
) -> Result<Built, BuildError> {
    match artifacts.into_iter().find(|(name, _)| name == package) {
        Some((package, artifact)) => finish(toolchain.target(), package, artifact),
        None => Err(BuildError::NoModule { package: package.to_owned() }),
    }
}

fn finish(target: Target, package: String, artifact: Artifact) -> Result<Built, BuildError> {
    let wasm = fs::read(&artifact.wasm).map_err(BuildError::io(&artifact.wasm))?;
    let component = match target {
        Target::Unknown => component::encode(&wasm)
            .map_err(|reason| BuildError::Component { package: package.clone(), reason })?,
        Target::Wasip2 => wasm,
    };
    Ok(Built { package, component, wasm: artifact.wasm })
}

/// What of a `Cargo.toml` matters here.
#[derive(Deserialize)]
struct Package {
    name: String,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    bulla: Settings,
}

/// `[package.metadata.bulla]`
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The stack in the guest's memory.
    stack: Option<Bytes>,
}

/// The linker's own default of 1 MiB makes every call dearer: the host clears a small guest's memory in place for the next instance, which
/// is faster than to give it back to the system, and 1 MiB is not small.
const STACK: Bytes = Bytes(128 << 10);

impl Package {
    fn read(manifest: &Path) -> Result<Self, BuildError> {
        #[derive(Deserialize)]
        struct Manifest {
            package: Package,
        }
        let text = fs::read_to_string(manifest).map_err(BuildError::io(manifest))?;
        let parsed = toml::from_str::<Manifest>(&text);
        let parsed =
            parsed.map_err(|error| BuildError::io(manifest)(std::io::Error::other(error.to_string())))?;
        Ok(parsed.package)
    }

    /// Bytes, in steps of 16 as the linker wants them.
    fn stack(&self) -> u64 {
        self.metadata.bulla.stack.unwrap_or(STACK).0.next_multiple_of(16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(metadata: &str) -> Result<Package, BuildError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("Cargo.toml");
        fs::write(&path, format!("[package]\nname = 'a'\n{metadata}")).unwrap();
        Package::read(&path)
    }

    #[test]
    fn a_package_may_ask_for_another_stack() {
        assert_eq!(package("").unwrap().stack(), 131_072);
        assert_eq!(package("[package.metadata.bulla]\nstack = '1MiB'").unwrap().stack(), 1 << 20);
        assert_eq!(package("[package.metadata.bulla]\nstack = '1000B'").unwrap().stack(), 1_008);
        assert_eq!(package("[package.metadata.other]\nstack = 1").unwrap().stack(), 131_072);
        assert!(package("[package.metadata.bulla]\nheap = '1MiB'").is_err());
    }
}
