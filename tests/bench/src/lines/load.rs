//! `load`: a verified addon from the cache of compiled code, beside compiling it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, anyhow, ensure};
use bulla_base::{Clock as _, Entropy, SystemClock};
use bulla_bindings::HostLinker;
use bulla_engine::{AotKey, CodeSource, Engine, EngineConfig, Granted};
use bulla_signing::trust::PURPOSE_ADDON;
use bulla_signing::{Package, PublisherKey, TrustEntry, TrustStore, VerifiedAddon};

use crate::bench::{Bench, Outcome};
use crate::clock;
use crate::finding::{Finding, Goal, number, time};
use crate::house::Addon;
use crate::large;
use crate::spread::Spread;

const LINE: &str = "load";
/// The size of components from JavaScript.
const LARGE: usize = 12 << 20;
/// From the cache within so many milliseconds.
const PROMPT_MS: f64 = 50.0;

pub async fn run(bench: &Bench) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let metronome = bench.metronome()?;
    let loads = Loads::measure(bench, &metronome, bench.rounds(7)).await?;
    loads.tell("metronome", Goal::AtLeast(20.0), &mut outcome);
    let large = large::addon(LARGE)?;
    let loads = Loads::measure(bench, &large, bench.rounds(3).min(3)).await?;
    loads.tell("large", Goal::AtLeast(20.0), &mut outcome);
    let cached: Vec<f64> = loads.cached.iter().map(|ns| ns / 1e6).collect();
    let what = format!("{} MiB of component from the cache", loads.size >> 20);
    outcome.findings.push(
        Finding::ratio(LINE, what, Spread::of(cached), Goal::AtMost(PROMPT_MS))
            .unit("ms")
            .ours(format!("{} MiB of machine code, its MAC checked", loads.code >> 20)),
    );
    Ok(outcome)
}

/// Times in nanoseconds.
struct Loads {
    compiled: Vec<f64>,
    cached: Vec<f64>,
    /// Bytes of the component.
    size: usize,
    /// Bytes of the file in the cache.
    code: u64,
}

impl Loads {
    async fn measure(bench: &Bench, addon: &Addon, rounds: usize) -> Result<Self> {
        let verified = verified(addon)?;
        let mut loads =
            Self { compiled: Vec::new(), cached: Vec::new(), size: addon.component.len(), code: 0 };
        for _ in 0..rounds {
            let dir = tempfile::Builder::new().prefix("code-").tempdir_in(&bench.data)?;
            loads.compiled.push(load(dir.path(), &verified, CodeSource::Compiled).await?);
            for _ in 0..3 {
                loads.cached.push(load(dir.path(), &verified, CodeSource::Cached).await?);
            }
            let files = std::fs::read_dir(dir.path())?.flatten();
            loads.code = files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum();
        }
        Ok(loads)
    }

    fn tell(&self, name: &str, goal: Goal, outcome: &mut Outcome) {
        let cached = Spread::of(self.cached.clone());
        let ratio = self.compiled.iter().map(|compiled| compiled / cached.median).collect();
        let size = number(self.size as f64 / f64::from(1 << 20));
        let what = format!("load of a verified addon ({name}, {size} MiB): compiling ÷ from the cache");
        outcome.findings.push(
            Finding::ratio(LINE, what, Spread::of(ratio), goal)
                .ours(time(cached.median))
                .beside(format!("compiling: {}", time(Spread::of(self.compiled.clone()).median))),
        );
    }
}

/// One load by an engine that has just started, in nanoseconds. The engine's own start is not counted.
async fn load(dir: &Path, verified: &VerifiedAddon, wanted: CodeSource) -> Result<f64> {
    let config = EngineConfig { component: large::limits(), ..EngineConfig::default() };
    let key = AotKey::new([7; 32]);
    let engine = Engine::new(config, Some(key), Arc::new(SystemClock::new()), Some(dir.to_owned()))?;
    let linker: HostLinker = bulla_bindings::linker(&engine).map_err(|error| anyhow!("{error:#}"))?;
    let granted: Granted = BTreeSet::from(["bulla:kernel/sequences".to_owned()]);
    let start = clock::now();
    let loaded = engine.load(verified, &linker, &granted).await?;
    let took = clock::since(start);
    ensure!(loaded.source() == wanted, "the code was {:?}, {wanted:?} was wanted", loaded.source());
    Ok(took.as_nanos() as f64)
}

fn verified(addon: &Addon) -> Result<VerifiedAddon> {
    let (key, now) = (PublisherKey::generate(&Entropy), SystemClock::new().now());
    let package = Package::seal(addon.manifest.as_bytes(), &addon.component, &key, now)?;
    let entry = TrustEntry {
        key: key.public(),
        owner: "the benchmarks".into(),
        purposes: [PURPOSE_ADDON.parse()?].into(),
        names: BTreeSet::new(),
        not_before: None,
        not_after: None,
        revoked: None,
        rotated_by: None,
    };
    Ok(VerifiedAddon::verify(package.into_bytes(), &TrustStore::from_entries([entry])?, now)?)
}
