//! A small file system of a test's own, with nobody's leave: in a mount namespace, which ends with the process.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use bulla_suite::Data;

/// Set in the process that has the namespace.
const INSIDE: &str = "BULLA_TEST_NAMESPACE";

/// What this system cannot run and somebody wants left out: names, separated by commas.
const SKIP: &str = "BULLA_TEST_SKIP";

/// Runs the test `name` of this test binary once more, where it may mount. True there; false in the process that waited for it. A system
/// that allows no namespace fails the test, unless `skip` is to be left out.
pub fn may_mount(name: &str, skip: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let ways: [&[&str]; 2] = [&["--user", "--map-root-user", "--mount"], &["--mount"]];
    let works = |way: &&&[&str]| {
        let tried =
            Command::new("unshare").args(**way).args(["mount", "-t", "tmpfs", "tmpfs", "/mnt"]).output();
        tried.is_ok_and(|output| output.status.success())
    };
    let Some(way) = ways.iter().find(works) else {
        let left_out = std::env::var(SKIP).unwrap_or_default();
        assert!(
            left_out.split(',').any(|known| known.trim() == skip),
            "`unshare` and `mount` give neither a user nor a mount namespace here: allow one, or leave the test out with {SKIP}={skip}"
        );
        eprintln!("left out: {skip}");
        return false;
    };
    let mut inside = Command::new("unshare");
    inside.args(*way).arg(std::env::current_exe().unwrap()).args(["--exact", name, "--nocapture"]);
    let output = inside.env(INSIDE, "1").output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    eprint!("{told}");
    // Once more at the end, beneath the server's long log.
    let panic = told.lines().skip_while(|line| !line.contains("panicked at")).take(4).collect::<Vec<_>>();
    assert!(output.status.success(), "inside the namespace, {}: {}", output.status, panic.join("\n"));
    false
}

/// Puts a directory's content on a file system of so many MiB, in its place.
pub fn shrink(dir: &Path, mebibytes: u32) {
    let kept = tempfile::tempdir().unwrap();
    run(Command::new("cp").arg("-a").arg(dir.join(".")).arg(kept.path()));
    let size = format!("size={mebibytes}m,mode=700");
    run(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(dir));
    run(Command::new("cp").arg("-a").arg(kept.path().join(".")).arg(dir));
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A file that takes all the room there is, until it is dropped.
pub struct Filler(PathBuf);

impl Filler {
    pub fn fill(data: &Data) -> Self {
        let path = data.path().join("filler");
        let mut file = fs::File::create(&path).unwrap();
        for size in [1 << 16, 1 << 12, 1] {
            while file.write_all(&vec![b'x'; size]).is_ok() {}
        }
        Self(path)
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        fs::remove_file(&self.0).unwrap();
    }
}
