//! A disk that forgets at a power cut what was not synced.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bulla_faults::Company;
use bulla_suite::Server;
use bulla_suite::cli::repository;
use tempfile::TempDir;

pub struct Disk {
    dir: TempDir,
    data: PathBuf,
    /// What the server is preloaded with, and told.
    env: Vec<(&'static str, String)>,
    failpoints: String,
}

/// SQLite's log is carried over at every so many units, some times a second: each cut is near such a moment.
const CARRIED: &str = "store.carry=return(16)";

impl Disk {
    /// Puts the company's data directory on such a disk; all that is there now is on it. The server is started anew.
    pub fn under(company: &mut Company) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = company.server();
        assert!(server.stop().success());
        let data = fs::canonicalize(server.data().path()).unwrap();
        let library = dir.path().join("synced.so");
        compile("synced.c", &["-shared", "-fPIC"], &library);
        let disk = Self {
            env: vec![
                ("LD_PRELOAD", library.display().to_string()),
                ("SYNCED_DIRECTORY", data.display().to_string()),
                ("SYNCED_IMAGE", dir.path().join("image").display().to_string()),
            ],
            failpoints: CARRIED.to_owned(),
            dir,
            data,
        };
        copy(&disk.data, &disk.image());
        disk.start_again(company.server());
        company.follow();
        disk
    }

    fn image(&self) -> PathBuf {
        self.dir.path().join("image")
    }

    /// From the next start on SQLite syncs less: `off`, `normal`. The log is carried over as rarely as ever: with `normal` that makes
    /// durable what no commit did.
    pub fn weaken(&mut self, synchronous: &str) {
        self.failpoints = format!("store.synchronous=return({synchronous})");
    }

    /// What would be left of the database file without its log.
    pub fn database(&self) -> Vec<u8> {
        fs::read(self.image().join("bulla.db")).unwrap()
    }

    /// The power fails. The server must have been killed.
    pub fn lose_unsynced(&self) {
        fs::remove_dir_all(&self.data).unwrap();
        copy(&self.image(), &self.data);
    }

    pub fn start_again(&self, server: &mut Server) {
        let failpoints = ("FAILPOINTS", self.failpoints.clone());
        let all = || self.env.iter().chain([&failpoints]);
        all().for_each(|(name, value)| server.data_mut().env(name, value));
        server.start_again();
        all().for_each(|(name, _)| server.data_mut().env_remove(name));
    }

    /// The library sees what the server writes: it is loaded, and neither the database nor its log is mapped into memory.
    pub fn assert_sees(&self, server: &Server) {
        let maps = fs::read_to_string(format!("/proc/{}/maps", server.pid())).unwrap();
        assert!(maps.contains("synced.so"), "the library is not loaded");
        let mapped = |name: &str| maps.lines().any(|line| line.ends_with(name));
        assert!(!mapped("/bulla.db") && !mapped("/bulla.db-wal"), "the database is mapped:\n{maps}");
        assert!(mapped("/bulla.db-shm"), "no database is open:\n{maps}");
    }
}

/// Compiles a source of the folder `interposer`.
pub fn compile(source: &str, options: &[&str], to: &Path) {
    let source = repository().join("tests/faults/interposer").join(source);
    let mut cc = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
    cc.args(options).args(["-O2", "-Wall", "-Wextra", "-Werror", "-o"]).arg(to).arg(source);
    // Where the C library has no dlsym of its own.
    cc.args(["-ldl", "-lpthread"]);
    assert!(cc.status().unwrap().success(), "{cc:?}");
}

/// With modes and times: the server looks at who may read its files.
fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(status.success());
}
