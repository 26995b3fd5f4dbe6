//! One running server: its own folder, a port of the system's choice, loopback only.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

use super::Binaries;
use crate::exit_codes::Exit;
use crate::failure::Failure;
use crate::stop;

/// Two pools and more for each of many tests at a time.
const MAX_CONNECTIONS: u32 = 300;
const LOOK: Duration = Duration::from_millis(50);
/// How long a start may take, in looks: 30 s.
const START_LOOKS: u32 = 600;
/// How long each way of stopping may take, in looks: 10 s.
const STOP_LOOKS: u32 = 200;
/// Another process may take the port between its choice and its use.
const ATTEMPTS: u32 = 5;

/// PostgreSQL refuses to run as root; root runs it as the first of these that exists.
const USERS: &[&str] = &["postgres", "nobody"];

/// A server that ends with this value, and its folder with it.
pub struct Server {
    // Dropped in this order: first the process, then its files.
    process: Process,
    dir: TempDir,
    port: u16,
}

impl Server {
    /// Makes a cluster and starts it. Writes are synced as in production: the tests are about what is durable.
    pub fn start(binaries: &Binaries) -> Result<Self, Failure> {
        let user = User::to_run_as()?;
        let dir = tempfile::Builder::new().prefix("bulla-postgres-").tempdir();
        let mut dir = dir.map_err(Failure::io("make a temporary folder"))?;
        if let Some(user) = &user {
            let given = chown(dir.path(), Some(user.uid), Some(user.gid));
            given.map_err(Failure::io("give the folder to PostgreSQL's user"))?;
        }
        initdb(binaries, &dir, user.as_ref())?;
        for _ in 0..ATTEMPTS {
            let mut server = Self::launch(binaries, dir, user.as_ref())?;
            if server.until_ready()? {
                return Ok(server);
            }
            if !server.log().contains("Address already in use") {
                return Err(server.failed("does not start"));
            }
            dir = server.dir;
        }
        Err(Failure::new(Exit::PostgresFailed, "no free port was found for PostgreSQL"))
    }

    fn launch(binaries: &Binaries, dir: TempDir, user: Option<&User>) -> Result<Self, Failure> {
        stop::check()?;
        let port = free_port().map_err(Failure::io("find a free port"))?;
        let log = File::create(dir.path().join("log")).map_err(Failure::io("create PostgreSQL's log"))?;
        let mut command = command(binaries, "postgres", &dir, user);
        command.args(["-D", "data", "-p", &port.to_string()]);
        for setting in
            ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=on", "synchronous_commit=on"]
        {
            command.args(["-c", setting]);
        }
        command.args(["-c", &format!("max_connections={MAX_CONNECTIONS}")]);
        // A group of its own: Ctrl-C must reach the tests first, and this server only when they have ended.
        command.process_group(0).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().map_err(Failure::io("start PostgreSQL"))?;
        Ok(Self { process: Process { child }, dir, port })
    }

    /// Superuser, no password: it listens on loopback only and holds nothing.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Until a signal comes. Fails when the server ends before.
    pub fn wait(mut self) -> Result<(), Failure> {
        while self.process.runs() {
            if stop::check().is_err() {
                return Ok(());
            }
            std::thread::sleep(LOOK);
        }
        Err(self.failed("ended"))
    }

    /// The server writes its state into line 8 of `postmaster.pid`. False: it ended, or took too long.
    fn until_ready(&mut self) -> Result<bool, Failure> {
        let state = self.dir.path().join("data/postmaster.pid");
        for _ in 0..START_LOOKS {
            stop::check()?;
            let text = fs::read_to_string(&state).unwrap_or_default();
            if text.lines().nth(7).is_some_and(|line| line.trim() == "ready") {
                return Ok(true);
            }
            if !self.process.runs() {
                return Ok(false);
            }
            std::thread::sleep(LOOK);
        }
        Ok(false)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    fn failed(&self, how: &str) -> Failure {
        Failure::new(Exit::PostgresFailed, format!("PostgreSQL {how}:\n{}", self.log().trim_end()))
    }
}

/// The server's process, stopped by its own id when dropped.
struct Process {
    child: Child,
}

impl Process {
    fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // It may have ended in between: nothing to do then.
            let _sent = kill_process(pid, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // SIGINT: end the sessions and shut down in order. SIGQUIT: at once.
        for signal in [Signal::INT, Signal::QUIT, Signal::KILL] {
            if !self.runs() {
                return;
            }
            self.signal(signal);
            for _ in 0..STOP_LOOKS {
                if !self.runs() {
                    return;
                }
                std::thread::sleep(LOOK);
            }
        }
    }
}

/// A user of this machine.
#[derive(Debug, PartialEq, Eq)]
struct User {
    uid: u32,
    gid: u32,
}

impl User {
    /// `None`: this process's own user, who is not root.
    fn to_run_as() -> Result<Option<Self>, Failure> {
        if !geteuid().is_root() {
            return Ok(None);
        }
        let passwd = fs::read_to_string("/etc/passwd").map_err(Failure::io("read `/etc/passwd`"))?;
        let found = USERS.iter().find_map(|name| Self::of(&passwd, name));
        let none = || {
            Failure::new(Exit::PostgresFailed, format!("none of the users `{}` exists", USERS.join("`, `")))
        };
        found.map(Some).ok_or_else(none)
    }

    /// `name:password:uid:gid:…` (passwd(5)).
    fn of(passwd: &str, name: &str) -> Option<Self> {
        let line = passwd.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        let mut fields = line.split(':').skip(1).map(str::parse);
        Some(Self { uid: fields.next()?.ok()?, gid: fields.next()?.ok()? })
    }
}

/// A program of PostgreSQL in the server's folder, as its user.
fn command(binaries: &Binaries, program: &str, dir: &TempDir, user: Option<&User>) -> Command {
    let mut command = Command::new(binaries.program(program));
    // Variables such as PGDATA would lead to another server.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")) {
        command.env_remove(name);
    }
    command.current_dir(dir.path()).env("HOME", dir.path()).stdin(Stdio::null());
    if let Some(user) = user {
        command.uid(user.uid).gid(user.gid);
    }
    command
}

fn initdb(binaries: &Binaries, dir: &TempDir, user: Option<&User>) -> Result<(), Failure> {
    let mut initdb = command(binaries, "initdb", dir, user);
    initdb.args(["-D", "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]);
    let output = initdb.output().map_err(Failure::io("start initdb"))?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let text = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
            Err(Failure::new(Exit::PostgresFailed, format!("initdb failed:\n{text}")))
        }
    }
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn a_user_is_read_from_passwd() {
        let passwd =
            "root:x:0:0:root:/r:/bin/sh\npostgresql:x:7:7::/:/bin/sh\npostgres:x:104:110:,,,:/p:/bin/sh\n";
        assert_eq!(User::of(passwd, "postgres"), Some(User { uid: 104, gid: 110 }));
        assert_eq!(User::of(passwd, "nobody"), None);
    }

    #[test]
    fn a_server_answers_and_leaves_nothing_behind() {
        let binaries = Binaries::find().expect("PostgreSQL, which `cargo xtask test` installs");
        let server = Server::start(&binaries).unwrap();
        let (port, dir) = (server.port, server.dir.path().to_owned());
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        drop(server);
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
        assert!(!dir.exists());
    }
}
