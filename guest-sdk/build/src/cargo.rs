//! Runs cargo for a guest, in an environment of its own.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::toolchain::{Kind, WASI_LIBC};
use crate::{BuildError, OnProgress, Progress, Target, Toolchain, sysroot};

/// One `cargo rustc --release` for a guest target: flags of the linker reach the guest alone, and not what it depends on.
pub(crate) struct Cargo<'a> {
    pub dir: &'a Path,
    pub args: &'a [&'a OsStr],
    /// Flags for the guest's own crate.
    pub flags: &'a [String],
    pub target: Target,
    pub env: &'a [(&'static str, OsString)],
}

/// A WebAssembly file that cargo made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Artifact {
    /// The `Cargo.toml` of its package.
    pub manifest: PathBuf,
    pub wasm: PathBuf,
}

/// Variables of cargo that say where and how it fetches; all others would change what is built.
const KEPT: &[&str] =
    &["CARGO_HOME", "CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTRIES_", "CARGO_REGISTRY_", "CARGO_TERM_"];

/// What wraps or replaces the compiler, or belongs to the cargo that may have started this process.
const DROPPED: &[&str] = &[
    "RUSTC",
    "RUSTC_BOOTSTRAP",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTFLAGS",
    "RUSTDOCFLAGS",
    "MAKEFLAGS",
    "MFLAGS",
];

impl Cargo<'_> {
    /// Builds, and returns the WebAssembly files. cargo's stderr goes to `progress`.
    pub fn run(&self, progress: &OnProgress<'_>) -> Result<Vec<Artifact>, BuildError> {
        let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(&program);
        clean(&mut command);
        let color = if std::io::stderr().is_terminal() { "always" } else { "never" };
        let mut child = command
            .current_dir(self.dir)
            .args([
                "rustc",
                "--release",
                "--message-format=json-render-diagnostics",
                "--target",
                self.target.triple(),
            ])
            .args(self.args)
            .arg("--")
            .args(self.flags)
            .env("CARGO_TERM_COLOR", color)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|source| BuildError::Start {
                program: program.to_string_lossy().into_owned(),
                source,
            })?;
        // Both pipes are read at once, or cargo would wait for the one that is full.
        let stdout = child.stdout.take();
        let messages = std::thread::spawn(move || stdout.map(read_all).unwrap_or_default());
        if let Some(stderr) = child.stderr.take() {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                progress(Progress::Output(&line));
            }
        }
        let status = child.wait().map_err(BuildError::io(self.dir))?;
        let messages = messages.join().unwrap_or_default();
        match status.success() {
            true => Ok(artifacts(&messages)),
            false => Err(BuildError::Cargo { dir: self.dir.to_owned(), status }),
        }
    }
}

fn read_all(mut stdout: impl Read) -> String {
    let mut bytes = Vec::new();
    // A broken pipe ends the child as well: its status tells.
    let _read = stdout.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn clean(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        // An explicit target directory is the caller's wish, and no flag of the compiler.
        let kept = text == "CARGO_TARGET_DIR" || KEPT.iter().any(|prefix| text.starts_with(prefix));
        if (text.starts_with("CARGO") && !kept) || DROPPED.contains(&text.as_ref()) {
            command.env_remove(&name);
        }
    }
}

/// What a toolchain adds to cargo's environment.
pub(crate) fn environment(
    toolchain: &Toolchain,
    dir: &Path,
    progress: &OnProgress<'_>,
) -> Result<Vec<(&'static str, OsString)>, BuildError> {
    let target = toolchain.target;
    let mut flags = remaps(dir);
    let mut env = Vec::new();
    if let Kind::System(system) = &toolchain.kind {
        let sysroot = sysroot::ensure(system, target, progress)?;
        flags.push(format!("--sysroot={}", sysroot.display()));
        if target == Target::Wasip2 {
            flags.extend([
                "-Clink-self-contained=no".to_owned(),
                format!("-L{WASI_LIBC}"),
                "-Clink-arg=-lc".to_owned(),
            ]);
            flags.push(format!("-Clink-arg={WASI_LIBC}/crt1-command.o"));
            env.push(("PATH", path_with(system.linker.parent())));
        }
        env.push(("RUSTC", system.rustc.as_os_str().to_owned()));
        env.push((linker_variable(target), system.linker.as_os_str().to_owned()));
    }
    env.push((rustflags_variable(target), flags.join(" ").into()));
    Ok(env)
}

/// Machine paths out of the panic texts and line tables: the same source gives the same bytes wherever it lies.
/// Flags are split at spaces, so a path with one stays.
pub(crate) fn remaps(dir: &Path) -> Vec<String> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let pairs = [(cargo, "/cargo"), (Some(outermost_project(dir)), "/addon")];
    let pairs = pairs.into_iter().filter_map(|(from, to)| Some((from?.display().to_string(), to)));
    pairs
        .filter(|(from, _)| !from.contains(' '))
        .map(|(from, to)| format!("--remap-path-prefix={from}={to}"))
        .collect()
}

/// The same for all guests of one repository: other flags would compile their shared dependencies again.
fn outermost_project(dir: &Path) -> PathBuf {
    let projects = dir.ancestors().filter(|ancestor| ancestor.join("Cargo.toml").is_file());
    projects.last().unwrap_or(dir).to_owned()
}

/// `wasm-component-ld` looks for `rust-lld` on the path.
fn path_with(dir: Option<&Path>) -> OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = dir.map(Path::to_owned).into_iter().chain(std::env::split_paths(&path));
    std::env::join_paths(dirs).unwrap_or(path)
}

pub(crate) fn rustflags_variable(target: Target) -> &'static str {
    match target {
        Target::Unknown => "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS",
        Target::Wasip2 => "CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS",
    }
}

fn linker_variable(target: Target) -> &'static str {
    match target {
        Target::Unknown => "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER",
        Target::Wasip2 => "CARGO_TARGET_WASM32_WASIP2_LINKER",
    }
}

/// The part of cargo's messages that names files (`cargo build --message-format=json`, reason `compiler-artifact`).
#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    manifest_path: PathBuf,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

fn artifacts(messages: &str) -> Vec<Artifact> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Message>(line).ok());
    messages
        .filter(|message| message.reason == "compiler-artifact")
        .filter_map(|message| {
            let is_wasm = |path: &&PathBuf| path.extension().is_some_and(|extension| extension == "wasm");
            let wasm = message.filenames.iter().find(is_wasm)?.clone();
            Some(Artifact { manifest: message.manifest_path, wasm })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_wasm_files_are_artifacts() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","manifest_path":"/a/Cargo.toml","filenames":["/t/liba.rlib","/t/a.wasm"]}"#,
            "\n",
            r#"{"reason":"compiler-artifact","manifest_path":"/b/Cargo.toml","filenames":["/t/libb.rlib"]}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        assert_eq!(
            artifacts(messages),
            [Artifact { manifest: "/a/Cargo.toml".into(), wasm: "/t/a.wasm".into() }]
        );
    }

    #[test]
    fn a_path_with_a_space_is_not_split() {
        assert!(remaps("/a b".as_ref()).iter().all(|flag| !flag.contains("/a b")));
        assert!(remaps("/ab".as_ref()).contains(&"--remap-path-prefix=/ab=/addon".to_owned()));
    }

    #[test]
    fn guests_of_one_repository_have_the_same_flags() {
        let repository = tempfile::tempdir().unwrap();
        for dir in ["", "a", "b/c"] {
            let dir = repository.path().join(dir);
            std::fs::create_dir_all(&dir).unwrap();
            std::fs::write(dir.join("Cargo.toml"), "").unwrap();
        }
        assert_eq!(remaps(&repository.path().join("a")), remaps(&repository.path().join("b/c")));
        assert_eq!(outermost_project(&repository.path().join("b/c")), repository.path());
    }
}
