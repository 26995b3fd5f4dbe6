//! The machine that the figures belong to.

use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Machine {
    pub cores: usize,
    pub cpu: String,
    pub memory_gib: f64,
    pub kernel: String,
    /// Of the data directory.
    pub file_system: String,
    /// Processes that wanted to run in the last minute, when the run began: above the cores, the figures are of a busy machine.
    pub load: f64,
    /// `2026-11-21`
    pub date: String,
    /// Of the checkout that it was run in.
    pub commit: String,
}

impl Machine {
    pub fn read(data: &Path) -> Self {
        let names = rustix::system::uname();
        let memory =
            field("/proc/meminfo", "MemTotal").and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        Self {
            cores: std::thread::available_parallelism().map_or(1, Into::into),
            cpu: field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".into()),
            memory_gib: memory.unwrap_or_default() / f64::from(1 << 20),
            kernel: format!("{} {}", names.sysname().to_string_lossy(), names.release().to_string_lossy()),
            file_system: file_system(data),
            load: load.split(' ').next().and_then(|text| text.parse().ok()).unwrap_or_default(),
            date: bulla_base::Clock::now(&bulla_base::SystemClock::new())
                .to_string()
                .chars()
                .take(10)
                .collect(),
            commit: commit().unwrap_or_else(|| "unknown".into()),
        }
    }

    pub fn line(&self) -> String {
        format!(
            "{} cores, {}, {:.0} GiB, {}, {} under the data directory, load {:.2} at the start, {}, commit {}",
            self.cores,
            self.cpu,
            self.memory_gib,
            self.kernel,
            self.file_system,
            self.load,
            self.date,
            self.commit
        )
    }
}

fn commit() -> Option<String> {
    let output =
        Command::new("git").args(["describe", "--always", "--dirty", "--exclude", "*"]).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The value of `name: value` in a file of the kernel.
fn field(path: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// As `stat` names it, such as `ext2/ext3`.
fn file_system(data: &Path) -> String {
    let output = Command::new("findmnt").args(["-n", "-o", "FSTYPE,OPTIONS", "-T"]).arg(data).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    match text.split_whitespace().next() {
        Some(kind) => kind.to_owned(),
        None => "an unknown file system".into(),
    }
}
