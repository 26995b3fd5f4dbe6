//! Calls of cargo.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::exit_codes::Exit;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::stop;

/// A cargo that starts in `dir`.
pub fn command(dir: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(dir);
    command
}

/// Runs `cargo <args>` with its own output; `exit` names the failure.
pub fn run(dir: &Path, args: &[&str], exit: Exit) -> Result<(), Failure> {
    succeed(command(dir).args(args), exit)
}

/// Runs a program with its own output; `exit` names the failure.
pub fn succeed(command: &mut Command, exit: Exit) -> Result<(), Failure> {
    let status = stop::run(command.stdin(Stdio::null()))?;
    match status.success() {
        true => Ok(()),
        false => {
            let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy();
            let args: Vec<_> = command.get_args().map(|arg| arg.to_string_lossy()).collect();
            Err(Failure::new(exit, format!("`{program} {}` failed ({status})", args.join(" "))))
        }
    }
}

/// True when cargo has this subcommand.
pub fn has(subcommand: &str) -> bool {
    let output = command(Path::new(".")).args([subcommand, "--version"]).stdin(Stdio::null()).output();
    output.is_ok_and(|output| output.status.success())
}

/// Where cargo puts what it builds.
pub fn target_dir(root: &Path) -> Result<PathBuf, Failure> {
    #[derive(Deserialize)]
    struct Metadata {
        target_directory: PathBuf,
    }
    let output = command(root).args(["metadata", "--format-version=1", "--no-deps"]).output();
    let output = output.map_err(Failure::io("run `cargo metadata`"))?;
    serde_json::from_slice::<Metadata>(&output.stdout)
        .map(|metadata| metadata.target_directory)
        .map_err(|_| Failure::new(Exit::Io, String::from_utf8_lossy(&output.stderr)))
}

/// Builds the `bulla` binary in the dev profile, with a bar, and says where it is.
pub fn build_bulla(root: &Path) -> Result<PathBuf, Failure> {
    build(root, "build bulla", &[])
}

/// The same with failpoints, as a copy: cargo has one place for both.
pub fn build_faulty(root: &Path) -> Result<PathBuf, Failure> {
    let built = build(root, "build bulla with failpoints", &["--features", "bulla-cli/failpoints"])?;
    let dir = target_dir(root)?.join("faults");
    let copy = dir.join("bulla");
    // A running server keeps the file that it was started from.
    let replaced = std::fs::create_dir_all(&dir).and_then(|()| match std::fs::remove_file(&copy) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => std::fs::copy(built, &copy),
    });
    replaced.map_err(Failure::io("copy the binary with failpoints"))?;
    Ok(copy)
}

fn build(root: &Path, task: &str, features: &[&str]) -> Result<PathBuf, Failure> {
    let progress = Progress::of(task, packages(root, "bulla-cli"));
    let mut child = command(root)
        // Features are those of the whole workspace, as for its tests: what is built here is not built again there.
        .args(["build", "--quiet", "--locked", "--workspace", "--bin", "bulla"])
        .arg("--message-format=json-render-diagnostics")
        .args(features)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(Failure::io("start cargo"))?;
    // Both pipes are read at once, or cargo would wait for the one that is full.
    let stderr = child.stderr.take();
    let diagnostics = std::thread::spawn(move || stderr.map(text_of).unwrap_or_default());
    let executable = child.stdout.take().and_then(|stdout| follow(BufReader::new(stdout), &progress));
    let status = child.wait().map_err(Failure::io("wait for cargo"))?;
    let diagnostics = diagnostics.join().unwrap_or_default();
    diagnostics.lines().for_each(|line| progress.line(line));
    match executable.filter(|_| status.success()) {
        Some(executable) => {
            progress.done();
            Ok(executable)
        }
        None => {
            progress.failed();
            stop::check()?;
            Err(Failure::new(Exit::Build, format!("`cargo build --bin bulla` failed ({status})")))
        }
    }
}

fn text_of(mut pipe: impl Read) -> String {
    let mut bytes = Vec::new();
    // A broken pipe ends the child as well: its status tells.
    let _read = pipe.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads cargo's messages to the end; the executable is the last one it names.
fn follow(messages: impl BufRead, progress: &Progress) -> Option<PathBuf> {
    #[derive(Deserialize)]
    struct Message {
        #[serde(default)]
        package_id: String,
        #[serde(default)]
        executable: Option<PathBuf>,
    }
    let (mut seen, mut executable) = (HashSet::new(), None);
    for line in messages.lines().map_while(Result::ok) {
        let Ok(message) = serde_json::from_str::<Message>(&line) else {
            continue;
        };
        executable = message.executable.or(executable);
        let name = message.package_id.rsplit(['/', '#']).next().unwrap_or_default().to_owned();
        if !message.package_id.is_empty() && seen.insert(message.package_id) {
            progress.advance(&name);
        }
    }
    executable
}

/// How many packages a build of this one takes. An estimate is enough: the bar only shows the way that is left.
fn packages(root: &Path, package: &str) -> u64 {
    let args =
        ["tree", "--locked", "--package", package, "--edges=normal,build", "--prefix=none", "--no-dedupe"];
    let output = command(root).args(args).stderr(Stdio::null()).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let distinct: HashSet<_> = text.lines().map(|line| line.trim_end_matches(" (*)")).collect();
    distinct.len() as u64
}
