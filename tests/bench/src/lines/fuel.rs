//! `fuel`: what metering costs a guest that only computes.

use std::time::Duration;

use anyhow::Result;
use bulla_engine::{Allocation, EngineConfig};

use crate::bare::Bare;
use crate::bench::{Bench, Outcome, Turns, each};
use crate::drive::{Driven, drive};
use crate::finding::{Finding, Goal, time};
use crate::house::Input;
use crate::spread::Spread;

const LINE: &str = "fuel";
const SLICE: Duration = Duration::from_millis(150);
/// Some milliseconds of computing, so that the call's own cost does not show.
const WORK: &str = r#"{"rounds":4000}"#;

pub async fn run(bench: &Bench) -> Result<Outcome> {
    let component = bench.metronome()?.component;
    let settings = EngineConfig::default();
    let bare = |change: &dyn Fn(&mut wasmtime::Config), fueled| {
        let mut config = settings.wasmtime(Allocation::Pooled);
        change(&mut config);
        Ok::<_, anyhow::Error>(Bare::on(&config, &component, fueled)?.action("compute", WORK))
    };
    let metered = bare(&|_| {}, true)?;
    let unmetered = bare(
        &|config| {
            config.consume_fuel(false);
        },
        false,
    )?;
    let free = bare(
        &|config| {
            config.consume_fuel(false).epoch_interruption(false);
        },
        false,
    )?;
    let mut outcome = Outcome::default();
    for (other, name) in [(&unmetered, "without fuel, with epochs"), (&free, "without fuel and epochs")] {
        let turns = Turns::take(&metered, other, 1, SLICE, bench.rounds(20)).await?;
        let (with, without) = (medians(&turns.ours), medians(&turns.other));
        let what = format!("a guest that computes: metered ÷ {name}");
        outcome.findings.push(
            Finding::ratio(LINE, what, Spread::ratio(&with, &without), Goal::None)
                .ours(time(Spread::of(with).median))
                .beside(format!("{name}: {}", time(Spread::of(without).median))),
        );
    }
    let house = bench.house().await?;
    let calls = house.calls("compute", Input::Same(WORK.into()))?;
    drive(&calls, 1, SLICE).await?.whole()?;
    let turns = Turns::take(&calls, &metered, 1, SLICE, bench.rounds(20)).await?;
    house.stop().await?;
    let (ours, bare) = (medians(&turns.ours), medians(&turns.other));
    let what = "the same guest as a whole call ÷ bare wasmtime, metered";
    outcome.findings.push(
        Finding::ratio(LINE, what, Spread::ratio(&ours, &bare), Goal::None)
            .ours(time(Spread::of(ours).median))
            .beside(format!("bare: {}", time(Spread::of(bare).median))),
    );
    Ok(outcome)
}

/// The median latency of each round.
fn medians(rounds: &[Driven]) -> Vec<f64> {
    each(rounds, |driven| driven.quantile(0.5))
}
