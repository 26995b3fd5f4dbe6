//! What the system says of a running server.

use std::fs;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

/// Ticks of `/proc/<pid>/stat` in a second: `USER_HZ`, 100 on every Linux that Rust runs on (proc(5)).
const TICKS: f64 = 100.0;

pub struct Process(u32);

impl Process {
    pub fn of(pid: u32) -> Self {
        Self(pid)
    }

    pub fn descriptors(&self) -> usize {
        self.count("fd")
    }

    pub fn threads(&self) -> usize {
        self.count("task")
    }

    /// From now on the process opens nothing whose number is not below `limit`; what it could open so far is given.
    pub fn limit_descriptors(&self, limit: Option<u64>) -> Option<u64> {
        let pid = Pid::from_raw(i32::try_from(self.0).unwrap());
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        prlimit(pid, Resource::Nofile, Rlimit { current: limit, maximum }).unwrap().current
    }

    /// Memory that is resident (`VmRSS`), in KiB.
    pub fn resident_kib(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// The most that was resident so far, in KiB.
    pub fn peak_kib(&self) -> u64 {
        self.status("VmHWM:")
    }

    /// Processor time of all its threads, of the user and the system.
    pub fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0)).unwrap();
        // The name, the second field, may hold spaces.
        let (_, rest) = stat.rsplit_once(')').unwrap();
        let fields: Vec<_> = rest.split_whitespace().collect();
        let ticks: f64 = [11, 12].iter().map(|at| fields[*at].parse::<f64>().unwrap()).sum();
        Duration::from_secs_f64(ticks / TICKS)
    }

    fn status(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0)).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }

    fn count(&self, dir: &str) -> usize {
        fs::read_dir(format!("/proc/{}/{dir}", self.0)).unwrap().count()
    }
}
