//! The standard library of the system's rustc, compiled for a target once per machine and compiler.
//!
//! A sysroot in the cache rather than `-Zbuild-std` in each build: every project keeps a target directory of its own and yet pays
//! for `std` once.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::cargo::{self, Cargo};
use crate::toolchain::System;
use crate::{BuildError, OnProgress, Progress, Target, ToolchainError};

/// Changes when the recipe does, so that an older sysroot is not taken for a new one.
const RECIPE: u32 = 1;

/// With bitcode, so that a guest can be optimised across crates; without line tables, so that it stays small.
const MANIFEST: &str = r#"[package]
name = "sysroot"
version = "0.0.0"
edition = "2024"

[workspace]

[profile.release]
opt-level = 3
panic = "abort"
"#;

/// The sysroot's directory; compiles it when it is not there yet. Processes wait for each other.
pub(crate) fn ensure(
    system: &System,
    target: Target,
    progress: &OnProgress<'_>,
) -> Result<PathBuf, BuildError> {
    let cache = cache_dir().ok_or_else(|| failed(target, "neither `BULLA_GUEST_CACHE` nor `HOME` is set"))?;
    let sysroot = cache.join(format!("sysroot-{RECIPE}-{}-{}", system.version, target.triple()));
    if sysroot.is_dir() {
        return Ok(sysroot);
    }
    fs::create_dir_all(&cache).map_err(BuildError::io(&cache))?;
    let lock_path = cache.join("lock");
    let lock = File::create(&lock_path).map_err(BuildError::io(&lock_path))?;
    lock.lock().map_err(BuildError::io(&lock_path))?;
    if !sysroot.is_dir() {
        progress(Progress::Step(&format!("compiling the standard library for {}, once", target.triple())));
        compile(system, target, &cache, &sysroot, progress)?;
    }
    Ok(sysroot)
}

fn cache_dir() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("BULLA_GUEST_CACHE")
        .or_else(|| Some(set("XDG_CACHE_HOME")?.join("bulla")))
        .or_else(|| Some(set("HOME")?.join(".cache/bulla")))
}

/// Compiles in a directory beside it, and renames: a half-made sysroot is never seen under its name.
fn compile(
    system: &System,
    target: Target,
    cache: &Path,
    sysroot: &Path,
    progress: &OnProgress<'_>,
) -> Result<(), BuildError> {
    let work = cache.join(format!("work-{}", target.triple()));
    if work.exists() {
        fs::remove_dir_all(&work).map_err(BuildError::io(&work))?;
    }
    let source = work.join("crate/src");
    fs::create_dir_all(&source).map_err(BuildError::io(&source))?;
    write(&work.join("crate/Cargo.toml"), MANIFEST)?;
    write(&source.join("lib.rs"), "#![no_std]\n")?;
    let target_dir = work.join("target");
    let mut flags = cargo::remaps(&work.join("crate"));
    flags.push(format!("--remap-path-prefix={}=/rust/library", system.library.display()));
    flags.push("-Cembed-bitcode=yes".to_owned());
    let cargo = Cargo {
        dir: &work.join("crate"),
        args: &["-Zbuild-std=std,panic_abort".as_ref(), "--target-dir".as_ref(), target_dir.as_ref()],
        flags: &[],
        target,
        env: &[
            ("RUSTC", system.rustc.as_os_str().to_owned()),
            ("RUSTC_BOOTSTRAP", "1".into()),
            (cargo::rustflags_variable(target), flags.join(" ").into()),
        ],
    };
    cargo.run(progress).map_err(|error| match error {
        BuildError::Cargo { status, .. } => failed(target, &format!("cargo ended with {status}")),
        other => other,
    })?;
    let libraries = target_dir.join(target.triple()).join("release/deps");
    let made = work.join("sysroot");
    collect(&libraries, &made.join("lib/rustlib").join(target.triple()).join("lib"))?;
    fs::rename(&made, sysroot).map_err(BuildError::io(sysroot))?;
    fs::remove_dir_all(&work).map_err(BuildError::io(&work))
}

fn collect(from: &Path, to: &Path) -> Result<(), BuildError> {
    fs::create_dir_all(to).map_err(BuildError::io(to))?;
    for entry in fs::read_dir(from).map_err(BuildError::io(from))? {
        let entry = entry.map_err(BuildError::io(from))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".rlib") && !name.starts_with("libsysroot-") {
            fs::copy(entry.path(), to.join(&name)).map_err(BuildError::io(&entry.path()))?;
        }
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), BuildError> {
    let mut file = File::create(path).map_err(BuildError::io(path))?;
    file.write_all(text.as_bytes()).map_err(BuildError::io(path))
}

fn failed(target: Target, reason: &str) -> BuildError {
    ToolchainError::Sysroot { target: target.triple(), reason: reason.to_owned() }.into()
}
