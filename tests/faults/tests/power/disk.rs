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
}

impl Disk {
    /// Puts the company's data directory on such a disk; all that is there now is on it. The server is started anew.
    pub fn under(company: &mut Company) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = company.server();
        assert!(server.stop().success());
        let data = fs::canonicalize(server.data().path()).unwrap();
        let library = dir.path().join("synced.so");
        compile(&library);
        let disk = Self {
            env: vec![
                ("LD_PRELOAD", library.display().to_string()),
                ("SYNCED_DIRECTORY", data.display().to_string()),
                ("SYNCED_IMAGE", dir.path().join("image").display().to_string()),
            ],
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

    /// From the next start on SQLite syncs less: `off`, `normal`.
    pub fn weaken(&mut self, synchronous: &str) {
        self.env.push(("FAILPOINTS", format!("store.synchronous=return({synchronous})")));
    }

    /// The power fails. The server must have been killed.
    pub fn lose_unsynced(&self) {
        fs::remove_dir_all(&self.data).unwrap();
        copy(&self.image(), &self.data);
    }

    pub fn start_again(&self, server: &mut Server) {
        for (name, value) in &self.env {
            server.data_mut().env(name, value);
        }
        server.start_again();
        for (name, _) in &self.env {
            server.data_mut().env_remove(name);
        }
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

fn compile(library: &Path) {
    let source = repository().join("tests/faults/interposer/synced.c");
    let mut cc = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
    cc.args(["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o"]).arg(library).arg(source);
    // Where the C library has no dlsym of its own.
    cc.args(["-ldl", "-lpthread"]);
    assert!(cc.status().unwrap().success(), "{cc:?}");
}

/// With modes and times: the server looks at who may read its files.
fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(status.success());
}
