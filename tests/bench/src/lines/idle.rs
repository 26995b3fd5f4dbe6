//! `memory` and `startup`: what installed addons cost while nobody calls them, and how long a host with many takes to start.

use anyhow::Result;

use crate::bench::{Bench, Outcome};
use crate::child::Server;
use crate::drive::Caller as _;
use crate::finding::{Finding, Goal, number, time};
use crate::house::{Addon, House, Place};
use crate::spread::Spread;
use crate::wire::Http;

const MEMORY: &str = "memory";
const STARTUP: &str = "startup";
/// Installed for the start, and for what each keeps: so many that two servers' own difference is small beside them.
const STARTED: usize = 100;
const KEPT: usize = 300;

/// Servers on an empty data directory, and on one with many addons.
struct Two {
    empty: Place,
    full: Place,
    token: String,
}

impl Two {
    async fn install(bench: &Bench, many: usize) -> Result<Self> {
        let new = || Place::new(&bench.data, &crate::house::Database::Sqlite);
        let empty = House::start(new().await?).await?.stop().await?;
        let house = House::start(new().await?).await?;
        let metronome = bench.metronome()?;
        for number in 0..many {
            house.install(&numbered(&metronome, number)).await?;
        }
        let token = house.caller_token().await?;
        Ok(Self { empty, full: house.stop().await?, token })
    }
}

/// An addon of its own, with a package of its own. Its component is the same: each addon's code is loaded by itself all the same.
fn numbered(metronome: &Addon, number: usize) -> Addon {
    let name = format!("name = \"metronome-{number}\"");
    Addon { manifest: metronome.manifest.replacen("name = \"metronome\"", &name, 1), ..metronome.clone() }
}

/// KiB that each addon adds. Two servers differ by themselves, so it may be less than nothing.
fn of_each(with: u64, without: u64) -> f64 {
    (with as f64 - without as f64) / KEPT as f64 / 1024.0
}

pub async fn memory(bench: &Bench) -> Result<Outcome> {
    let two = Two::install(bench, KEPT).await?;
    let (mut installed, mut called) = (Vec::new(), Vec::new());
    let mut sizes = String::new();
    for _ in 0..bench.rounds(5).min(5) {
        let empty = Server::start(&two.empty.config.data.directory, None).await?;
        let full = Server::start(&two.full.config.data.directory, None).await?;
        let (base, idle) = (empty.memory()?.1, full.memory()?.1);
        for number in 0..KEPT {
            let url = format!("{}/v1/tenants/acme/actions/metronome-{number}/noop", full.url);
            let http = Http::post(&url, &two.token, "{}")?;
            http.call(&mut http.open().await?).await?;
        }
        let loaded = full.memory()?.1;
        installed.push(of_each(idle, base));
        called.push(of_each(loaded, base));
        let mib = |bytes: u64| number(bytes as f64 / f64::from(1 << 20));
        sizes = format!(
            "host alone {} MiB, installed {} MiB, all called once {} MiB",
            mib(base),
            mib(idle),
            mib(loaded)
        );
        empty.program.end().await?;
        full.program.end().await?;
    }
    let told = |what: &str, values| {
        Finding::ratio(MEMORY, what, Spread::of(values), Goal::None).unit("KiB").beside(sizes.clone())
    };
    let findings = vec![
        told(
            "resident memory of each of 300 installed addons, never called, without what files stand behind",
            installed,
        ),
        told("the same, each called once and idle since", called),
    ];
    Ok(Outcome { findings, ..Outcome::default() })
}

pub async fn startup(bench: &Bench) -> Result<Outcome> {
    let two = Two::install(bench, STARTED).await?;
    let (mut empty, mut full) = (Vec::new(), Vec::new());
    for _ in 0..bench.rounds(15) {
        for (place, times) in [(&two.empty, &mut empty), (&two.full, &mut full)] {
            let server = Server::start(&place.config.data.directory, None).await?;
            times.push(server.startup.as_secs_f64() * 1e3);
            server.program.end().await?;
        }
    }
    let text = |values: &[f64]| time(Spread::of(values.to_vec()).median * 1e6);
    let finding = Finding::ratio(
        STARTUP,
        "start to listening with 100 addons installed",
        Spread::of(full.clone()),
        Goal::None,
    )
    .unit("ms")
    .ours(text(&full))
    .beside(format!("with none: {}", text(&empty)));
    Ok(Outcome { findings: vec![finding], ..Outcome::default() })
}
