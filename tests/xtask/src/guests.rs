//! The guests: WebAssembly components that the tests and the demo load.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bulla_guest_build::{self as guest_build, Built, Target, Toolchain};

use crate::exit_codes::Exit;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::{cargo, stop};

/// The guests of the tests, one folder each; the folder's name is the package's.
pub const TESTS: &str = "tests/guests";
/// The first-party addons.
pub const ADDONS: &str = "plugins";

/// Where the tests find them: `<name>.wasm`, a component with its contract, for each guest and each first-party addon.
pub const VARIABLE: &str = "BULLA_TEST_GUESTS";

/// The task `guests`.
pub fn run(root: &Path) -> Result<(), Failure> {
    let bulla = cargo::build_bulla(root)?;
    let out = build(root, &bulla)?;
    crate::postgres::print_export(VARIABLE, &out.display().to_string())
}

/// Builds all of them, and says where they are.
pub fn build(root: &Path, bulla: &Path) -> Result<PathBuf, Failure> {
    let target_dir = cargo::target_dir(root)?;
    let (out, bare) = (target_dir.join("guests"), target_dir.join("guests-bare"));
    for dir in [&out, &bare] {
        fs::create_dir_all(dir).map_err(Failure::io(format!("create `{}`", dir.display())))?;
    }
    let guests = crates(root, TESTS)?;
    components(root, &guests, &bare)?;
    for dir in &guests {
        let component = bare.join(dir.file_name().unwrap_or_default()).with_extension("wasm");
        finish(
            bulla,
            dir,
            &["--component".as_ref(), component.as_os_str(), "--out".as_ref(), out.as_os_str()],
        )?;
    }
    for dir in crates(root, ADDONS)? {
        finish(bulla, &dir, &["--out".as_ref(), out.as_os_str()])?;
    }
    Ok(out)
}

/// `bulla build` of a project, where its other commands look for the component.
pub fn addon(bulla: &Path, dir: &Path) -> Result<(), Failure> {
    finish(bulla, dir, &[])
}

/// `bulla build` of one project into `out`.
pub fn one(bulla: &Path, dir: &Path, out: &Path) -> Result<(), Failure> {
    finish(bulla, dir, &["--out".as_ref(), out.as_os_str()])
}

fn finish(bulla: &Path, dir: &Path, args: &[&OsStr]) -> Result<(), Failure> {
    eprintln!("bulla build {}", dir.file_name().unwrap_or_default().to_string_lossy());
    let mut build = Command::new(bulla);
    // Its answer would stand among the data of this task.
    build.arg("build").arg(dir).arg("--locked").args(args).stdout(Stdio::null());
    cargo::succeed(&mut build, Exit::Build)
}

/// The compiler for guests, installed where it is missing.
pub fn toolchain(target: Target) -> Result<Toolchain, Failure> {
    let progress = Progress::start(&format!("toolchain for {}", target.triple()));
    match Toolchain::find_or_install(target, &|step| told(&progress, step)) {
        Ok(toolchain) => {
            progress.line(&toolchain.describe());
            progress.done();
            Ok(toolchain)
        }
        Err(error) => {
            progress.failed();
            Err(Failure::new(Exit::ToolchainMissing, error))
        }
    }
}

/// The crates below a folder, sorted by name.
pub fn crates(root: &Path, dir: &str) -> Result<Vec<PathBuf>, Failure> {
    let entries = fs::read_dir(root.join(dir)).map_err(Failure::io(format!("read `{dir}`")))?;
    let mut crates: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.join("Cargo.toml").is_file())
        .collect();
    crates.sort();
    Ok(crates)
}

/// The bare components of the tests' guests. A guest with a `main.rs` is a WASI program, as other toolchains make them.
fn components(root: &Path, guests: &[PathBuf], out: &Path) -> Result<(), Failure> {
    let (programs, plain): (Vec<PathBuf>, Vec<PathBuf>) =
        guests.iter().cloned().partition(|dir| dir.join("src/main.rs").is_file());
    // The SDK that all guests share is compiled once.
    let target_dir = root.join(ADDONS).join("target");
    if !plain.is_empty() {
        let toolchain = toolchain(Target::Unknown)?;
        let built =
            step("build guests", |options| guest_build::build_all(&toolchain, &plain, options), &target_dir)?;
        built.iter().try_for_each(|built| store(built, out))?;
    }
    for program in programs {
        toolchain(Target::Wasip2)?;
        let built =
            step("build WASI guest", |options| guest_build::build_wasip2(&program, options), &target_dir)?;
        store(&built, out)?;
    }
    Ok(())
}

fn step<T>(
    name: &str,
    work: impl FnOnce(&guest_build::Options<'_>) -> Result<T, guest_build::BuildError>,
    target_dir: &Path,
) -> Result<T, Failure> {
    stop::check()?;
    let progress = Progress::start(name);
    let told = |step: guest_build::Progress<'_>| told(&progress, step);
    let options =
        guest_build::Options { target_dir: Some(target_dir), offline: false, locked: true, progress: &told };
    match work(&options) {
        Ok(built) => {
            progress.done();
            Ok(built)
        }
        Err(error) => {
            progress.failed();
            Err(Failure::new(exit_of(&error), error))
        }
    }
}

fn exit_of(error: &guest_build::BuildError) -> Exit {
    match error {
        guest_build::BuildError::Toolchain(_) => Exit::ToolchainMissing,
        _ => Exit::Build,
    }
}

fn told(progress: &Progress, step: guest_build::Progress<'_>) {
    match step {
        guest_build::Progress::Step(text) | guest_build::Progress::Output(text) => progress.line(text),
    }
}

fn store(built: &Built, out: &Path) -> Result<(), Failure> {
    let path = out.join(format!("{}.wasm", built.package));
    fs::write(&path, &built.component).map_err(Failure::io(format!("write `{}`", path.display())))
}
