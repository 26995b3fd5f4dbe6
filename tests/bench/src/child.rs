//! Programs beside this one: servers, and peers that measure themselves when asked. They end with their value.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::clock;

/// How long a server may take until it listens.
const PATIENCE: Duration = Duration::from_secs(30);

/// A program that is spoken to over its standard streams.
pub struct Program {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Program {
    pub fn start<A: AsRef<OsStr>>(program: &Path, args: impl IntoIterator<Item = A>) -> Result<Self> {
        let mut child = Command::new(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start `{}`", program.display()))?;
        let stdin = child.stdin.take().context("no pipe to the program")?;
        let stdout = child.stdout.take().context("no pipe from the program")?;
        Ok(Self { child, stdin, lines: BufReader::new(stdout).lines() })
    }

    /// The next line that it writes.
    pub async fn line(&mut self) -> Result<String> {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line())
            .await
            .context("no word from the program")?;
        line?.context("the program ended")
    }

    /// Asks for a figure: a line in, a number out.
    pub async fn ask(&mut self, question: &str) -> Result<f64> {
        self.stdin.write_all(format!("{question}\n").as_bytes()).await?;
        let line = self.line().await?;
        line.trim().parse().with_context(|| format!("`{line}` is no number"))
    }

    pub fn id(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// For a program that does not end by itself.
    pub async fn kill(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    /// Closes its input, which is what such a program ends at, and waits.
    pub async fn end(self) -> Result<()> {
        let Self { mut child, stdin, lines } = self;
        drop((stdin, lines));
        if tokio::time::timeout(PATIENCE, child.wait()).await.is_err() {
            child.kill().await?;
            bail!("the program did not end by itself");
        }
        Ok(())
    }
}

/// `bulla serve` in a process of its own, on a data directory that is ready.
pub struct Server {
    pub program: Program,
    /// `http://127.0.0.1:<port>`
    pub url: String,
    /// From the start of the process to the moment that it takes requests.
    pub startup: Duration,
}

impl Server {
    pub async fn start(data: &Path, postgres: Option<&str>) -> Result<Self> {
        let start = clock::now();
        let mut args = vec!["host".as_ref(), data.as_os_str()];
        args.extend(postgres.map(OsStr::new));
        let mut program = Program::start(&std::env::current_exe()?, args)?;
        let url = program.line().await?;
        Ok(Self { program, url, startup: clock::since(start) })
    }

    /// Memory that the process has to itself or shares, in bytes: `Rss` and, of it, what no file stands behind.
    pub fn memory(&self) -> Result<(u64, u64)> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.program.id()))?;
        let field = |name: &str| -> Result<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).context("no such field")?;
            let number = line.trim_start_matches(':').trim().trim_end_matches(" kB");
            Ok(number.parse::<u64>()? << 10)
        };
        Ok((field("VmRSS")?, field("RssAnon")?))
    }
}
