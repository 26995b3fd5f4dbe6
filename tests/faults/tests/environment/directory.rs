//! A data directory that cannot be written, and one that is in use.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use bulla_faults::scan;
use bulla_suite::cli::binary;
use bulla_suite::server::snapshot;
use bulla_suite::{Bench, Server};

use crate::{does_not_start, unchanged};

/// `nobody`, on every Linux.
const NOBODY: &str = "65534";

#[test]
fn a_directory_for_reading_only_is_refused_and_left_as_it_is() {
    let mut server = Server::start();
    server.stop();
    let data = server.data().path();
    let program = data.parent().unwrap().join("bulla");
    fs::copy(binary(), &program).unwrap();
    let all = data.parent().unwrap();
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        // Root may write anywhere: another user has to ask.
        run(Command::new("chown").args(["-R", NOBODY]).arg(all));
    }
    for (name, dir, file) in
        [("everything", 0o500, 0o400), ("the directory", 0o500, 0o600), ("the files", 0o700, 0o400)]
    {
        set_modes(&data, dir, file);
        let before = snapshot(&data);
        let mut command = match is_root {
            true => Command::new("setpriv"),
            false => Command::new(&program),
        };
        if is_root {
            command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]).arg(&program);
        }
        command.arg("serve").env("BULLA_DATA", &data).env("BULLA_SERVER_LISTEN", "127.0.0.1:0");
        let output = command.current_dir(all).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(6), "{name}: {said}");
        assert!(said.contains("store-unwritable") && said.contains("hint:"), "{name}: {said}");
        assert!(!said.contains("panicked"), "{name}: {said}");
        unchanged(&before, &snapshot(&data));
    }
    set_modes(&data, 0o700, 0o600);
    if is_root {
        run(Command::new("chown").args(["-R", "0"]).arg(all));
    }
    server.start_again();
    scan::after_stop(&mut server);
}

#[test]
fn of_two_servers_the_second_says_who_is_first() {
    let mut bench = Bench::on(Server::start());
    let refused = does_not_start(&bench.server, 8, "store-locked");
    let pid = bench.server.pid().to_string();
    assert!(refused.contains(&pid), "no process {pid}: {refused}");
    let scan = bench.server.data().cli(["doctor", "--scan"]).run().ends_with(8);
    assert!(scan.stderr.contains(&pid), "{}", scan.stderr);
    bench.tenant("acme");
    // The lock goes with the process, not with the file.
    bench.server.kill();
    bench.server.start_again();
    scan::after_stop(&mut bench.server);
}

fn set_modes(dir: &Path, of_dirs: u32, of_files: u32) {
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    set(dir, 0o700);
    for entry in fs::read_dir(dir).unwrap() {
        match entry.unwrap().path() {
            path if path.is_dir() => set_modes(&path, of_dirs, of_files),
            path => set(&path, of_files),
        }
    }
    set(dir, of_dirs);
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
