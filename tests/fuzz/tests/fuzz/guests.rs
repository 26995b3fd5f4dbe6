//! Generated guests: whatever they are, the host refuses them by name or runs them within their limits.
//!
//! `BULLA_TEST_SEEDS` says how many of each kind, 1,500 where it is not set; `BULLA_TEST_FIRST_SEED` where to start.

use std::collections::BTreeMap;
use std::time::Duration;

use bulla_base::{Clock, Coded, Rng, SeededRng, SystemClock};
use bulla_engine::Outcome;
use bulla_fuzz::rooms::{House, ON_DEMAND, POOLED, limits};
use bulla_fuzz::{generated, mutation::Mutations};

/// What loading one generated component may take, on a machine that does other things as well.
const BOUND: Duration = Duration::from_secs(30);
/// What the whole process may take of memory.
const MEMORY_KB: u64 = 3 << 20;

/// What a seed came to that made no guest.
const NONE: &str = "none";

fn seeds() -> std::ops::Range<u64> {
    let of = |name: &str, default: u64| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let first = of("BULLA_TEST_FIRST_SEED", 0);
    first..first + of("BULLA_TEST_SEEDS", 1_500)
}

/// How often each outcome came about.
#[derive(Default)]
struct Tally(BTreeMap<String, usize>);

impl Tally {
    fn count(&mut self, outcome: impl Into<String>) {
        *self.0.entry(outcome.into()).or_default() += 1;
    }

    /// All of these came about, and nearly every seed made a guest: else the generator does not do what the test is for.
    #[track_caller]
    fn has(&self, outcomes: &[&str]) {
        eprintln!("{:?}", self.0);
        let (none, all) = (self.0.get(NONE).copied().unwrap_or(0), self.0.values().sum::<usize>());
        assert!(none * 10 <= all, "{none} of {all} seeds made no guest");
        let missing: Vec<_> = outcomes.iter().filter(|outcome| !self.0.contains_key(**outcome)).collect();
        assert!(missing.is_empty(), "never seen: {missing:?} in {:?}", self.0);
        let peak = peak_kb();
        assert!(peak < MEMORY_KB, "{peak} KB at the peak");
    }
}

#[test]
fn a_generated_component_is_loaded_or_refused_by_name() {
    let mut tally = Tally::default();
    for seed in seeds() {
        let Some(component) = generated::component(seed) else {
            tally.count(NONE);
            continue;
        };
        tally.count(format!("load: {}", loaded(&POOLED, seed, &component)));
        let clock = SystemClock::new();
        match POOLED.describe(&component) {
            Ok(_) => tally.count("describe: ok"),
            Err(error) => tally.count(format!("describe: {}", error.code().name)),
        }
        assert!(clock.monotonic() < BOUND, "seed {seed}: {:?}", clock.monotonic());
    }
    tally.has(&["load: denied", "load: incompatible", "describe: incompatible"]);
}

/// The code of the refusal, or `ok`.
fn loaded(house: &House, seed: u64, component: &[u8]) -> &'static str {
    let Some(addon) = house.verified(component) else { return "no contract" };
    let clock = SystemClock::new();
    let loaded = house.load(&addon);
    assert!(clock.monotonic() < BOUND, "seed {seed}: {:?}", clock.monotonic());
    loaded.map_or_else(|error| error.code().name, |_| "ok")
}

#[test]
fn a_generated_addon_runs_within_its_limits_and_twice_the_same() {
    let mut tally = Tally::default();
    let mut host_calls = 0;
    for seed in seeds() {
        let Some(component) = generated::addon(seed) else {
            tally.count(NONE);
            continue;
        };
        match ran(seed, &component) {
            Ok((outcome, calls)) => {
                tally.count(outcome);
                host_calls += calls;
            }
            Err(code) => tally.count(format!("refused: {code}")),
        }
    }
    eprintln!("{host_calls} host calls");
    tally.has(&["ok", "trap", "fuel-exhausted"]);
    assert!(host_calls > 0, "no generated addon called the host");
}

fn ran(seed: u64, component: &[u8]) -> Result<(&'static str, u64), &'static str> {
    let addon = POOLED.verified(component).unwrap();
    let clock = SystemClock::new();
    let loaded = POOLED.load(&addon).map_err(|error| error.code().name)?;
    assert!(clock.monotonic() < BOUND, "seed {seed}: {:?}", clock.monotonic());
    let (input, limits) = (format!("{{\"seed\":{seed}}}").into_bytes(), limits());
    let first = POOLED.call(&loaded, &input, &limits, false);
    let again = POOLED.call(&loaded, &input, &limits, false);
    first.is_like(&again, &format!("seed {seed} twice"));
    if seed.is_multiple_of(16) {
        let addon = ON_DEMAND.verified(component).unwrap();
        let elsewhere = ON_DEMAND.call(&ON_DEMAND.load(&addon).unwrap(), &input, &limits, false);
        first.is_like(&elsewhere, &format!("seed {seed} on another engine"));
    }
    let calls = first.usage.calls.values().sum();
    let outcome = match &first.outcome {
        Outcome::Ok(_) => "ok",
        Outcome::GuestError(_) => "guest-error",
        Outcome::Failed(failure) => failure.kind.code().name,
    };
    Ok((outcome, calls))
}

#[test]
fn a_component_with_some_bytes_changed_is_loaded_or_refused_by_name() {
    let mut tally = Tally::default();
    let whole: Vec<_> = (0..64).filter_map(generated::addon).collect();
    let mut mutations = Mutations::new(seeds().start, &whole, &[]);
    for seed in seeds() {
        // One bit in one half, several changes in the other.
        let changed = if seed.is_multiple_of(2) { flipped(seed, &whole) } else { mutations.draw() };
        match POOLED.verified(&changed) {
            None => tally.count("no contract"),
            Some(_) => match ran(seed, &changed) {
                Ok((outcome, _)) => tally.count(outcome),
                Err(code) => tally.count(format!("refused: {code}")),
            },
        }
    }
    tally.has(&["refused: incompatible", "trap"]);
}

fn flipped(seed: u64, whole: &[Vec<u8>]) -> Vec<u8> {
    let rng = SeededRng::new(seed);
    let below = |bound: usize| usize::try_from(rng.below(bound as u64)).unwrap();
    let mut bytes = whole[below(whole.len())].clone();
    let at = below(bytes.len());
    bytes[at] ^= 1 << below(8);
    bytes
}

/// The most memory that this process has held so far; 0 where the system does not say.
fn peak_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}
