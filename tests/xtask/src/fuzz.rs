//! A fuzz target behind libFuzzer: guided by the coverage of every crate in it, for as long as one likes.
//!
//! It takes the compiler of the tests and a C++ compiler. Coverage is asked of LLVM with flags that a stable compiler takes; there is
//! no sanitizer, since the host has next to no unsafe code to watch.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::exit_codes::Exit;
use crate::failure::Failure;
use crate::{cargo, stop};

#[derive(clap::Args)]
pub struct Options {
    /// The target, a folder of tests/fuzz/corpus
    target: String,
    /// How long
    #[arg(long, default_value_t = 5)]
    minutes: u64,
    /// Then take the smallest set of inputs that covers as much into tests/fuzz/corpus
    #[arg(long)]
    keep: bool,
}

/// The counters and comparisons that libFuzzer reads.
const COVERAGE: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=16",
];

/// What one input may be, may take (s) and may hold (MB).
const BOUNDS: &[&str] = &["-max_len=65536", "-timeout=60", "-rss_limit_mb=4096", "-print_final_stats=1"];

pub fn run(root: &Path, options: &Options) -> Result<(), Failure> {
    stop::watch()?;
    let corpus = root.join("tests/fuzz/corpus").join(&options.target);
    if !corpus.is_dir() {
        let text = format!("there is no target `{}`: `{}` is no folder", options.target, corpus.display());
        return Err(Failure::new(Exit::Usage, text));
    }
    let target_dir = cargo::target_dir(root)?.join("fuzz");
    let guided = build(root, &target_dir)?;
    // What is found lies beside the build until `--keep` takes the best of it.
    let found = target_dir.join("found").join(&options.target);
    create(&found)?;
    let seconds = options.minutes.saturating_mul(60);
    let mut fuzz = libfuzzer(&guided, &options.target, &found)?;
    fuzz.args(BOUNDS).arg(format!("-max_total_time={seconds}")).args([&found, &corpus]);
    cargo::succeed(&mut fuzz, Exit::Fuzz)?;
    if options.keep {
        let mut merge = libfuzzer(&guided, &options.target, &found)?;
        merge.args(BOUNDS).args(["-merge=1", "-max_len=16384"]).args([&corpus, &found]);
        cargo::succeed(&mut merge, Exit::Fuzz)?;
    }
    Ok(())
}

/// An input that breaks a law is kept below `found`, beside those that cover something new.
fn libfuzzer(guided: &Path, target: &str, found: &Path) -> Result<Command, Failure> {
    let broken = found.with_extension("broken");
    create(&broken)?;
    let mut command = Command::new(guided);
    command.env("BULLA_FUZZ_TARGET", target).arg(format!("-artifact_prefix={}/", broken.display()));
    Ok(command)
}

fn build(root: &Path, target_dir: &Path) -> Result<PathBuf, Failure> {
    let host = host(root)?;
    let mut build = cargo::command(root);
    build.args([
        "build",
        "--locked",
        "--package",
        "bulla-fuzz",
        "--features",
        "guided",
        "--bin",
        "bulla-fuzz-guided",
    ]);
    // With a target named, what runs while building is built without coverage.
    build.arg("--target").arg(&host).arg("--target-dir").arg(target_dir);
    build.env("CARGO_ENCODED_RUSTFLAGS", COVERAGE.join("\u{1f}")).env("CARGO_PROFILE_DEV_OPT_LEVEL", "1");
    cargo::succeed(&mut build, Exit::Build)?;
    Ok(target_dir.join(host).join("debug/bulla-fuzz-guided"))
}

/// The machine that this is.
fn host(root: &Path) -> Result<String, Failure> {
    let rustc = Command::new("rustc").arg("-vV").current_dir(root).stdin(Stdio::null()).output();
    let rustc = rustc.map_err(Failure::io("run `rustc -vV`"))?;
    let text = String::from_utf8_lossy(&rustc.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Failure::new(Exit::ToolchainMissing, "`rustc -vV` names no host"))
}

fn create(dir: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(dir).map_err(Failure::io(format!("create `{}`", dir.display())))
}
