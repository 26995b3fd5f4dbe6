//! A data directory, and the server on it.

use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::cli::Cli;
use crate::client::Client;
use crate::patience::{until, within};

/// A data directory that `bulla init` made. Gone with its value.
pub struct Data {
    dir: TempDir,
    /// What its servers run, where it is not the binary under test.
    binary: Option<PathBuf>,
    /// What its command lines and servers find in their environment.
    env: Vec<(String, OsString)>,
}

impl Data {
    pub fn init() -> Self {
        Self::init_in(&[])
    }

    /// In this environment, which its command lines and servers find as well: `BULLA_STORE_DATABASE` for another database.
    pub fn init_in(env: &[(&str, &str)]) -> Self {
        let mut data = Self { dir: tempfile::tempdir().unwrap(), binary: None, env: Vec::new() };
        env.iter().for_each(|(name, value)| data.env(name, *value));
        data.cli(["init"]).run().succeeds();
        data
    }

    /// The data directory itself. Beside it stands the servers' log.
    pub fn path(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The master key, beside the data directory.
    pub fn master_key(&self) -> PathBuf {
        self.dir.path().join("data.key")
    }

    pub fn operator_token(&self) -> String {
        fs::read_to_string(self.path().join("operator.token")).unwrap().trim().to_owned()
    }

    /// A command line on this data directory.
    pub fn cli<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Cli {
        self.placed(Cli::new(args))
    }

    /// From now on its command lines and servers find this in their environment.
    pub fn env(&mut self, name: &str, value: impl Into<OsString>) {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.into()));
    }

    /// From now on they do not.
    pub fn env_remove(&mut self, name: &str) {
        self.env.retain(|(known, _)| known != name);
    }

    /// From now on its servers are of another build.
    pub fn serve_with(&mut self, binary: impl Into<PathBuf>) {
        self.binary = Some(binary.into());
    }

    fn placed(&self, cli: Cli) -> Cli {
        let cli = cli.env("BULLA_DATA", self.path());
        self.env.iter().fold(cli, |cli, (name, value)| cli.env(name, value))
    }

    /// Writes the configuration file that the directory's servers read.
    pub fn configure(&self, text: &str) {
        fs::write(self.path().join("bulla.toml"), text).unwrap();
    }

    /// Writes a policy file; a running server reads it on reload.
    pub fn write_policy(&self, name: &str, text: &str) {
        fs::write(self.policy(name), text).unwrap();
    }

    pub fn policy(&self, name: &str) -> PathBuf {
        self.path().join("policies").join(name)
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("server.log")
    }
}

/// A running server. Killed with its value; its log is shown when a test panics.
pub struct Server {
    data: Data,
    child: Child,
    pub url: String,
}

impl Server {
    /// A server on a new data directory.
    pub fn start() -> Self {
        Self::on(Data::init())
    }

    /// A server on this data directory; ready when this returns.
    pub fn on(data: Data) -> Self {
        let child = spawn(&data);
        let mut server = Self { data, child, url: String::new() };
        server.until_ready().unwrap_or_else(|status| panic!("the server ended with {status}"));
        server
    }

    pub fn data(&self) -> &Data {
        &self.data
    }

    /// For the next start.
    pub fn data_mut(&mut self) -> &mut Data {
        &mut self.data
    }

    /// Writes a line to its stdin. One that has ended hears nothing.
    pub fn tell(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().unwrap();
        let _ended = writeln!(stdin, "{line}").and_then(|()| stdin.flush());
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The operator's client.
    pub fn operator(&self) -> Client {
        Client::new(&self.url, Some(&self.data.operator_token()))
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.data.log()).unwrap_or_default()
    }

    /// The fields of the first line of the log that is about this trace; null where there is none.
    pub fn logged(&self, trace: &str) -> Value {
        let log = self.log();
        let line = log.lines().find(|line| line.contains(trace)).unwrap_or_default();
        serde_json::from_str::<Value>(line).unwrap_or_default()["fields"].clone()
    }

    /// Processes that it has started and that still run.
    pub fn children(&self) -> Vec<u32> {
        let pid = self.pid();
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
        let started = tasks.map(|task| fs::read_to_string(task.path().join("children")).unwrap_or_default());
        started
            .flat_map(|pids| pids.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<_>>())
            .collect()
    }

    /// `SIGKILL`: nothing is written any more.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// `SIGTERM`, without waiting.
    pub fn ask_to_stop(&self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
    }

    /// `SIGTERM`, and waits for the end.
    pub fn stop(&mut self) -> ExitStatus {
        self.ask_to_stop();
        self.wait_for_end(Duration::from_secs(60))
    }

    /// How it ended, where it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    pub fn wait_for_end(&mut self, time: Duration) -> ExitStatus {
        within(time, || self.child.try_wait().unwrap())
            .unwrap_or_else(|| panic!("the server did not stop within {} s", time.as_secs()))
    }

    /// A new process on the same data directory, after `kill` or `stop`.
    pub fn start_again(&mut self) {
        self.try_start_again().unwrap_or_else(|status| panic!("the server ended with {status}"));
    }

    /// The same where it may end before it is ready: then how.
    pub fn try_start_again(&mut self) -> Result<(), ExitStatus> {
        self.child = spawn(&self.data);
        self.until_ready()
    }

    fn until_ready(&mut self) -> Result<(), ExitStatus> {
        let pid = self.child.id();
        let file = self.data.path().join("server.json");
        self.url = until("the server to start", || {
            if let Some(status) = self.ended() {
                return Some(Err(status));
            }
            let running: Value = serde_json::from_str(&fs::read_to_string(&file).ok()?).ok()?;
            let url = || running["url"].as_str().unwrap().trim_end_matches('/').to_owned();
            (running["pid"] == pid).then(|| Ok(url()))
        })?;
        // Ready, and on a busy machine heard from the database since it began. With a damaged one it will not become more ready.
        let client = self.operator();
        let ask = || Some((client.try_get("/readyz").ok()?, client.try_get("/v1/tenants").ok()?));
        until("the server to be ready", || match ask() {
            Some((ready, asked)) => {
                let settled = ready.status == 200 && asked.body["code"] != "unavailable";
                (settled || ready.body["code"] == "store-corrupt").then_some(Ok(()))
            }
            None => self.ended().map(Err),
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill().and_then(|()| self.child.wait());
        if std::thread::panicking() {
            let log = self.log();
            let from = log.char_indices().rev().nth(20_000).map_or(0, |(at, _)| at);
            eprintln!("---- the server's log ----\n{}\n----", &log[from..]);
        }
    }
}

/// On a free port of loopback, with its log in a file.
fn spawn(data: &Data) -> Child {
    let log = fs::File::options().create(true).append(true).open(data.log()).unwrap();
    let cli = match &data.binary {
        Some(binary) => data.placed(Cli::of(binary, ["serve"])),
        None => data.cli(["serve"]),
    };
    let mut command = cli.env("BULLA_SERVER_LISTEN", "127.0.0.1:0").into_command();
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log).spawn().unwrap()
}

/// True where nobody listens any more.
pub fn refuses_connections(url: &str) -> bool {
    let address = url.trim_start_matches("http://");
    std::net::TcpStream::connect(address).is_err()
}

/// The files below a directory with their bytes, to see that nothing changed.
pub fn snapshot(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            match entry.unwrap().path() {
                path if path.is_dir() => dirs.push(path),
                path => files.push((path.clone(), fs::read(path).unwrap())),
            }
        }
    }
    files.sort();
    files
}
