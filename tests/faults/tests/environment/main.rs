//! What is around the host breaks: each time a clear error with a code, nothing corrupted, and it goes on when the cause is gone.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod clock;
mod corruption;
mod descriptors;
mod directory;
mod disk_full;
mod grants;
mod master_key;
mod planted;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use bulla_suite::{Cli, Server, within};

/// How long a server may take to refuse.
const REFUSAL: Duration = Duration::from_secs(60);

/// Tries to start a server on the directory of one that has stopped: it must refuse, with this exit code and error code, and a hint.
#[track_caller]
fn does_not_start(server: &Server, exit: i32, code: &str) -> String {
    let serve = server.data().cli(["serve"]).env("BULLA_SERVER_LISTEN", "127.0.0.1:0");
    refuses(serve, exit, &[code, "hint:"])
}

/// The server ends by itself with this exit code, and says all of this on stderr, which is given.
#[track_caller]
fn refuses(serve: Cli, exit: i32, words: &[&str]) -> String {
    let mut child = serve.into_command().stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let ended = within(REFUSAL, || child.try_wait().unwrap());
    if ended.is_none() {
        child.kill().unwrap();
    }
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    let status = ended.unwrap_or_else(|| panic!("it starts: {said}"));
    assert_eq!(status.code(), Some(exit), "{said}");
    for word in words {
        assert!(said.contains(word), "no `{word}`: {said}");
    }
    assert!(!said.contains("panicked"), "{said}");
    said
}

/// Nothing of what the servers of this directory wrote into their log is a panic.
#[track_caller]
fn no_panic(server: &Server) {
    let log = server.log();
    let line = log.lines().find(|line| line.contains("panicked"));
    assert_eq!(line, None);
}

/// But for what only says who holds the directory, and SQLite's index of an empty log.
#[track_caller]
fn unchanged(before: &[(PathBuf, Vec<u8>)], after: &[(PathBuf, Vec<u8>)]) {
    let kept = |files: &[(PathBuf, Vec<u8>)]| {
        let passing = |name: &str| ["lock", "bulla.db-wal", "bulla.db-shm", "operator.token"].contains(&name);
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        let kept = files.iter().filter(|(path, _)| !passing(&name(path)));
        kept.cloned().collect::<Vec<_>>()
    };
    assert!(kept(before) == kept(after), "the refused starts changed the data");
}
