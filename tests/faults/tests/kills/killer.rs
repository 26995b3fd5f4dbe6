//! Kills a server and starts it again.

use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::process::ExitStatusExt as _;
use std::time::Duration;

use bulla_base::{Rng as _, SeededRng};
use bulla_faults::{Database, Load, scan};
use bulla_store::Step;
use bulla_suite::{Server, within};

/// A server lives at most this long under load, in milliseconds.
const LIFE_MS: u64 = 1_500;
/// How long the load is given to come to a failpoint.
const REACHED: Duration = Duration::from_millis(2_500);
/// Before every so many starts the scan looks at what was left; and at the end.
const SCANNED: u64 = 5;
const SIGKILL: i32 = 9;
/// Has no divisor in common with the number of steps, so that each has its turn.
const STRIDE: usize = 5;
/// SQLite's log is carried over so often that its steps come by.
const CARRIED: &str = "store.carry=return(16)";

pub struct Killer {
    rng: SeededRng,
    wanted: u64,
    at_random: u64,
    at_steps: BTreeMap<&'static str, u64>,
    /// Of those at steps, how many before the server was ready.
    at_start: u64,
    starts: u64,
    /// Those that this database comes to, and the place of the next.
    steps: Vec<Step>,
    next: usize,
}

impl Killer {
    pub fn new(seed: u64, wanted: u64, database: Database) -> Self {
        let comes_by = |step: &Step| database == Database::Sqlite || !step.name().starts_with("log.");
        let steps: Vec<_> = Step::ALL.iter().copied().filter(comes_by).collect();
        assert!(!steps.len().is_multiple_of(STRIDE), "a stride that leaves out steps");
        Self {
            rng: SeededRng::new(seed),
            wanted,
            at_random: 0,
            at_steps: BTreeMap::new(),
            at_start: 0,
            starts: 0,
            steps,
            next: 0,
        }
    }

    /// Half of the kills, and more where the load did not come by, are at random moments.
    pub fn is_done(&self) -> bool {
        self.kills() >= self.wanted && self.at_steps.values().sum::<u64>() >= self.wanted / 2
    }

    fn kills(&self) -> u64 {
        self.at_random + self.at_steps.values().sum::<u64>()
    }

    /// Two servers die: this one at a random moment, the next one at a step, which it learns when it starts. The third goes on.
    pub fn kill_twice(&mut self, server: &mut Server, load: &Load<'_>) {
        std::thread::sleep(Duration::from_millis(self.rng.below(LIFE_MS)));
        self.at_random(server);
        let (step, passed) = self.step();
        let kill = format!("{CARRIED};{}={passed}*off->1*return(kill)", step.name());
        server.data_mut().env("FAILPOINTS", kill);
        let started = server.try_start_again();
        server.data_mut().env_remove("FAILPOINTS");
        let died = match started {
            Err(status) => {
                self.at_start += 1;
                Some(status)
            }
            Ok(()) => {
                load.moved(&server.url);
                within(REACHED, || server.ended())
            }
        };
        match died {
            Some(status) => {
                assert_eq!(status.signal(), Some(SIGKILL), "it did not die of `{}`: {status}", step.name());
                *self.at_steps.entry(step.name()).or_default() += 1;
            }
            // The load did not come by.
            None => self.at_random(server),
        }
        self.start(server, load);
    }

    fn at_random(&mut self, server: &mut Server) {
        server.kill();
        self.at_random += 1;
    }

    fn start(&mut self, server: &mut Server, load: &Load<'_>) {
        self.starts += 1;
        if self.starts.is_multiple_of(SCANNED) {
            scan::is_clean(server.data());
        }
        server.start_again();
        load.moved(&server.url);
    }

    /// The steps in turn, and how often each is passed before: at most about as often as the load comes by in a second.
    fn step(&mut self) -> (Step, u64) {
        let step = self.steps[self.next % self.steps.len()];
        // A short run has steps of all kinds.
        self.next += STRIDE;
        let often = match step.name().split_once('.').unwrap().0 {
            "commit" => 60,
            "job" | "secret" => 12,
            "call" if !step.name().contains(".fail") => 15,
            "log" => 5,
            _ => 2,
        };
        (step, self.rng.below(often))
    }
}

impl fmt::Display for Killer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at_random, at_steps, at_start, .. } = self;
        write!(
            f,
            "{} kills, {at_random} at random, {at_start} during the start, at {at_steps:?}",
            self.kills()
        )
    }
}
