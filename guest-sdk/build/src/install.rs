//! Installs a toolchain: with rustup where its server is reached, else with Debian's packages.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::toolchain::{Kind, Target, Toolchain};
use crate::{OnProgress, Progress, ToolchainError};

/// How long rustup may try to reach its server, in seconds.
const RUSTUP_PATIENCE_S: u64 = 20;

/// How often a running rustup is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// What a person would run.
pub(crate) fn command(target: Target) -> String {
    let packages = target.packages().join(" ");
    let triple = target.triple();
    format!(
        "rustup target add {triple}` or, as root, `apt-get update && apt-get install -y --no-install-recommends {packages}"
    )
}

pub(crate) fn install(target: Target, progress: &OnProgress<'_>) -> Result<Toolchain, ToolchainError> {
    let by_rustup = with_rustup(target, progress);
    if let Ok(found @ Toolchain { kind: Kind::Rustup, .. }) = Toolchain::find(target) {
        return Ok(found);
    }
    let by_apt = with_apt(target, progress);
    Toolchain::find(target).map_err(|_| {
        let reason = [by_rustup, by_apt].into_iter().filter_map(Result::err).collect::<Vec<_>>().join("; ");
        let reason = if reason.is_empty() { "the installed parts do not fit".to_owned() } else { reason };
        ToolchainError::Install { target: target.triple(), reason, command: command(target) }
    })
}

fn with_rustup(target: Target, progress: &OnProgress<'_>) -> Result<(), String> {
    progress(Progress::Step("rustup target add"));
    let mut rustup = Command::new("rustup")
        .args(["target", "add", target.triple()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("no rustup: {error}"))?;
    match patiently(&mut rustup) {
        Some(true) => Ok(()),
        Some(false) => Err("`rustup target add` failed".to_owned()),
        None => Err(format!("`rustup target add` took more than {RUSTUP_PATIENCE_S} s")),
    }
}

/// Whether the child succeeded; `None` when it had to be stopped.
fn patiently(child: &mut Child) -> Option<bool> {
    for _ in 0..RUSTUP_PATIENCE_S * 1000 / LOOK.as_millis() as u64 {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status.success()),
            Ok(None) => std::thread::sleep(LOOK),
            Err(_) => break,
        }
    }
    // It may have ended by itself in between: nothing to do then.
    let _ended = child.kill();
    let _status = child.wait();
    None
}

fn with_apt(target: Target, progress: &OnProgress<'_>) -> Result<(), String> {
    if !rustix::process::geteuid().is_root() {
        return Err("apt-get needs root".to_owned());
    }
    let mut install = vec!["install", "-y", "--no-install-recommends"];
    install.extend(target.packages());
    if apt_get(&install, progress).is_ok() {
        return Ok(());
    }
    apt_get(&["update"], progress)?;
    apt_get(&install, progress)
}

fn apt_get(args: &[&str], progress: &OnProgress<'_>) -> Result<(), String> {
    progress(Progress::Step(&format!("apt-get {}", args.join(" "))));
    let mut child = Command::new("apt-get")
        .args(args)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("no apt-get: {error}"))?;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            progress(Progress::Output(&line));
        }
    }
    match child.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(format!("`apt-get {}` failed", args[0])),
        Err(error) => Err(format!("apt-get: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_toolchain_tells_the_command() {
        let error = ToolchainError::Missing { target: "wasm32-wasip2", command: command(Target::Wasip2) };
        let text = error.to_string();
        assert!(text.contains("`rustup target add wasm32-wasip2`"), "{text}");
        assert!(text.ends_with("rustc-web rust-web-src wasi-libc`"), "{text}");
    }

    #[test]
    fn a_child_that_fails_is_seen() {
        let mut child = Command::new("false").spawn().unwrap();
        assert_eq!(patiently(&mut child), Some(false));
    }
}
